/*
 * What the vector tests share: reading files of tests/vectors (from the root
 * of the repository), and hexadecimal. Include <cmocka.h> and what it needs
 * first.
 */
#ifndef ADIT_TESTS_VEC_H
#define ADIT_TESTS_VEC_H

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "check.h"
#include "codec/json.h"
#include "guard.h"

/* A whole file; the caller frees the pointer. Ends the program without it. */
static inline struct slice
vec_load(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = NULL;
	size_t n = 0, got;

	if (f == NULL) {
		perror(path);
		abort();
	}
	do {
		p = realloc(p, n + 65536);
		if (p == NULL)
			abort();
		got = fread(p + n, 1, 65536, f);
		n += got;
	} while (got > 0);
	fclose(f);
	return slice_of(p, n);
}

static inline void
vec_free(struct slice s)
{
	union { const uint8_t *p; void *q; } u = { s.p };

	free(u.q);
}

static inline void
vec_hex(struct buf *out, struct slice hex)
{
	for (size_t i = 0; i + 1 < hex.n; i += 2) {
		char t[3] = { (char)hex.p[i], (char)hex.p[i + 1], 0 };

		buf_put_u8(out, (uint8_t)strtoul(t, NULL, 16));
	}
}

/* Members of vector files; absent or of another kind ends the test. */
static inline struct json
vec_get(struct json obj, const char *name)
{
	struct json v;

	assert_int_equal(json_get(obj, str(name), &v), E_OK);
	return v;
}

/* A string without escapes, or the empty slice. */
static inline struct slice
vec_text(struct json obj, const char *name)
{
	struct slice s = { NULL, 0 };

	(void)json_plain(vec_get(obj, name), &s);
	return s;
}

static inline uint64_t
vec_num(struct json obj, const char *name)
{
	uint64_t n = 0;

	(void)json_u64(vec_get(obj, name), &n);
	return n;
}

static inline bool
vec_true(struct json obj, const char *name)
{
	bool b = false;

	(void)json_bool(vec_get(obj, name), &b);
	return b;
}

#endif
