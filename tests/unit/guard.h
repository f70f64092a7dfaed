/*
 * Guard pages for tests: a copy of some bytes that ends exactly where an
 * unmapped page begins, so that reading one byte too many is a crash and not
 * luck. The area is reused from call to call: GUARD_SLOTS copies can be alive
 * at once, each up to GUARD_MAX bytes.
 *
 *	struct slice s = guard_put("GET", 3);
 *	... parse s ...
 *	guard_free(s);
 *
 * An empty slice is also placed at the edge: its pointer may not be read.
 * Everything is static, so that each test program has its own.
 */
#ifndef ADIT_TESTS_GUARD_H
#define ADIT_TESTS_GUARD_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/slice.h"

enum {
	GUARD_SLOTS = 8,
	GUARD_PAGE = 65536,             /* a multiple of every page size */
	GUARD_MAX = 1024 * 1024,        /* bytes one copy may have */
};

static struct guard_slot {
	uint8_t *area;          /* GUARD_MAX bytes and one dead page */
	bool used;
} guard_slots[GUARD_SLOTS];

/* Copy n bytes to the edge of a dead page. Ends the program when it cannot. */
static inline struct slice
guard_put(const void *p, size_t n)
{
	struct guard_slot *g = guard_slots;
	uint8_t *at;

	while (g < guard_slots + GUARD_SLOTS && g->used)
		g++;
	if (g == guard_slots + GUARD_SLOTS || n > GUARD_MAX) {
		fprintf(stderr, "guard: no slot or too long\n");
		abort();
	}
	if (g->area == NULL) {
		void *m = mmap(NULL, GUARD_MAX + GUARD_PAGE,
		    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (m == MAP_FAILED ||
		    mprotect((uint8_t *)m + GUARD_MAX, GUARD_PAGE, PROT_NONE)) {
			perror("guard");
			abort();
		}
		g->area = m;
	}
	g->used = true;
	at = g->area + GUARD_MAX - n;
	if (n > 0)
		memcpy(at, p, n);
	return slice_of(at, n);
}

static inline struct slice
guard_slice(struct slice s)
{
	return guard_put(s.p, s.n);
}

/*
 * Give a copy back; any part of it whose end is the copy's end will do. Its
 * bytes are overwritten, so a parser that kept a pointer is noticed.
 */
static inline void
guard_free(struct slice s)
{
	for (size_t i = 0; i < GUARD_SLOTS; i++) {
		struct guard_slot *g = &guard_slots[i];

		if (g->area == NULL || s.p + s.n != g->area + GUARD_MAX)
			continue;
		memset(g->area + GUARD_MAX - s.n, 0xa5, s.n);
		g->used = false;
		return;
	}
	fprintf(stderr, "guard: not a guarded copy\n");
	abort();
}

#endif
