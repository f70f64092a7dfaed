/*
 * The audit log of the simulator, as it lies on the disk: see sim_folk.h. Read
 * by a reader of its own: every line's checksum, the numbers without a gap, and
 * what was answered with success.
 */
#include "sim_folk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "rig.h"

enum { MUSTS = 2048, HEX = 16, FILL_FREE = 1500, LINE = 400 };

static struct { uint64_t n; const char *what; bool before; } musts[MUSTS];
static size_t nmusts;

void
audit_must(uint64_t n, const char *what, bool before)
{
	if (nmusts == MUSTS)
		sim_fail("too many acts");
	musts[nmusts].n = n;
	musts[nmusts].before = before;
	musts[nmusts++].what = what;
}

static void
put_hex(char hex[HEX + 1], const char *p, size_t n)
{
	uint8_t hash[SHA256_BYTES];

	sha256(hash, slice_of(p, n));
	for (size_t i = 0; i < HEX / 2; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
}

/* Entries from *n on, about that many bytes. */
static void
fill(struct slice name, unsigned *n, size_t bytes)
{
	struct store_io io = disk_store();
	struct dyn d = { 0 };
	char line[LINE], hex[HEX + 1];

	for (; d.n < bytes; ++*n) {
		int k = snprintf(line, sizeof line, "{\"n\":%u,\"t\":1,"
		    "\"who\":\"%060d\",\"from\":\"%060d\",\"what\":\"old\","
		    "\"on\":\"%060d\",\"note\":\"%060d\"}", *n, 1, 2, 3, 4);

		put_hex(hex, line, (size_t)k);
		dyn_put(&d, line, (size_t)k);
		dyn_put(&d, " ", 1);
		dyn_put(&d, hex, HEX);
		dyn_put(&d, "\n", 1);
	}
	if (!io.save(io.ctx, name, slice_of(d.p, d.n)))
		sim_fail("no audit log");
	free(d.p);
}

void
audit_fill(void)
{
	unsigned n = 1;

	fill(SL("audit.log.1"), &n, FILL_FREE);
	fill(SL("audit.log"), &n, AUDIT_BYTES - FILL_FREE);
}

/* The entry is `what`, if it must be something. */
static void
check_must(uint64_t n, const char *line, size_t len, size_t *found)
{
	char want[64];
	bool is;
	int k;

	while (*found < nmusts && musts[*found].n < n)
		sim_fail("the audit log has lost entry %llu, %s",
		    (unsigned long long)musts[*found].n, musts[*found].what);
	if (*found == nmusts || musts[*found].n > n + musts[*found].before)
		return;
	k = snprintf(want, sizeof want, "\"what\":\"%s\"",
	    musts[*found].what);
	is = memmem(line, len, want, (size_t)k) != NULL;
	if (!is && musts[*found].n > n)
		return;
	if (!is)
		sim_fail("entry %llu of the audit log is not %s: %.*s",
		    (unsigned long long)n, musts[*found].what, (int)len,
		    line);
	++*found;
}

void
audit_check(void)
{
	static const char *const names[] = { "audit.log.3", "audit.log.2",
		"audit.log.1", "audit.log" };
	const struct audit *a = &sim.g->keeper->audit;
	uint64_t next = 1;
	size_t found = 0;
	char hex[HEX + 1];

	for (size_t f = 0; f < 4; f++) {
		struct slice s = world_file(sim.g->host, names[f]);
		const char *p = (const char *)s.p, *end;

		/* A torn end lies there for as long as it cannot be cut. */
		if (f == 3 && a->torn && s.n > a->bytes)
			s.n = a->bytes;
		for (size_t left = s.n; left > 0; left = s.n - (size_t)(p -
		    (const char *)s.p)) {
			uint64_t n;

			end = memchr(p, '\n', left);
			if (end == NULL || end - p < HEX + 8)
				sim_fail("%s has half a line", names[f]);
			put_hex(hex, p, (size_t)(end - p) - HEX - 1);
			if (memcmp(end - HEX, hex, HEX) != 0)
				sim_fail("%s: a wrong checksum", names[f]);
			n = strtoull(p + strlen("{\"n\":"), NULL, 10);
			if (n != next)
				sim_fail("%s: %llu where %llu should be",
				    names[f], (unsigned long long)n,
				    (unsigned long long)next);
			check_must(n, p, (size_t)(end - p), &found);
			next = n + 1;
			p = end + 1;
		}
	}
	if (found < nmusts)
		sim_fail("the audit log has lost entry %llu, %s",
		    (unsigned long long)musts[found].n, musts[found].what);
}
