/*
 * The relay's kept files, damaged. Oracles: a list of ended sessions that was
 * accepted comes back the same when it is written and read again, and a fault
 * has a place within the text; a secret that was accepted is the file's line.
 */
#include <stdlib.h>

#include "state/store.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

static enum err
load(void *ctx, struct slice name, struct buf *into)
{
	(void)name;
	return buf_put(into, *(const struct slice *)ctx) ? E_OK : E_FULL;
}

static void
one_secret(struct slice in)
{
	struct store_io io = { load, NULL, &in };
	struct store_fault f;
	struct secret s;
	bool made;

	if (store_relay_token(&s, &io, NULL, &made, &f) == E_OK)
		MUST(slice_starts(in, secret_bytes(&s)) && s.n >= 16 &&
		    in.n - s.n <= 1 && !made);
	else
		MUST(f.why != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct revoked r, again;
	static uint8_t area[REVOKED_FILE_MAX];
	struct buf b = BUF_ON(area);
	const char *why = NULL;
	size_t at = 0;

	if (n > REVOKED_FILE_MAX)
		return 0;
	one_secret(slice_of(p, n));
	if (revoked_parse(&r, slice_of(p, n), &at, &why) != E_OK) {
		MUST(why != NULL && at <= n);
		return 0;
	}
	MUST(r.n <= REVOKED_MAX && revoked_put(&b, &r));
	MUST(revoked_parse(&again, buf_slice(&b), &at, &why) == E_OK);
	MUST(again.n == r.n && again.ended_s == r.ended_s);
	MUST(memcmp(again.rows, r.rows, r.n * sizeof r.rows[0]) == 0);
	for (uint32_t i = 0; i < r.n; i++)
		MUST(revoked_has(&r, r.rows[i].jti, r.rows[i].expires_s));
	return 0;
}
