/*
 * HMAC-DRBG as BearSSL has it, plus a store of bytes made ahead. A generate
 * call costs about four HMACs whatever it makes, so the four bytes of a mask
 * key are taken from 256 made at once. What was handed out is wiped, so the
 * state never holds bytes that somebody already uses.
 */
#include "crypto/rng.h"

#include "base/num.h"
#include "codec/b64.h"
#include "crypto/ct.h"

#include <assert.h>

enum { CHUNK_BYTES = 65536 };   /* SP 800-90A: most for one request */

void
rng_init(struct rng *r, struct slice seed)
{
	assert(seed.n >= RNG_SEED_MIN);
	*r = (struct rng){ 0 };
	br_hmac_drbg_init(&r->c, &br_sha256_vtable, seed.p, seed.n);
}

void
rng_fill(struct rng *r, void *dst, size_t n)
{
	uint8_t *q = dst;

	assert(r->n_ahead <= sizeof r->ahead);
	while (n > sizeof r->ahead) {
		size_t part = min_size(n, CHUNK_BYTES);

		br_hmac_drbg_generate(&r->c, q, part);
		q += part;
		n -= part;
	}
	while (n > 0) {
		size_t part = min_size(n, r->n_ahead);
		uint8_t *from = r->ahead + sizeof r->ahead - r->n_ahead;

		if (part == 0) {
			br_hmac_drbg_generate(&r->c, r->ahead,
			    sizeof r->ahead);
			r->n_ahead = sizeof r->ahead;
			continue;
		}
		memcpy(q, from, part);
		wipe(from, part);
		r->n_ahead -= part;
		q += part;
		n -= part;
	}
}

bool
rng_put_id(struct rng *r, struct buf *out, size_t n_bytes)
{
	uint8_t t[64];
	bool ok;

	assert(n_bytes <= sizeof t);
	rng_fill(r, t, n_bytes);
	ok = b64_encode(out, slice_of(t, n_bytes), B64_URL_BARE);
	wipe(t, sizeof t);
	return ok;
}

void
rng_wipe(struct rng *r)
{
	wipe(r, sizeof *r);
}
