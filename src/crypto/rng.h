/*
 * Random bytes: HMAC-DRBG with SHA-256 (NIST SP 800-90A, BearSSL's), seeded
 * with bytes that the caller brings, so a simulation with a fixed seed is the
 * same run each time. The process seeds it from getrandom(2) in net.
 *
 * Small requests are served from a small store of bytes made ahead (a mask key
 * for each frame must not cost three HMACs); bytes are wiped as they leave.
 */
#ifndef ADIT_CRYPTO_RNG_H
#define ADIT_CRYPTO_RNG_H

#include "base/buf.h"

#include <bearssl.h>

enum {
	RNG_SEED_MIN        = 32,       /* bytes of entropy at start */
	RNG_AHEAD_BYTES     = 256,
};

struct rng {
	br_hmac_drbg_context c;
	uint8_t ahead[RNG_AHEAD_BYTES];
	size_t n_ahead;                 /* its last n_ahead bytes are unused */
};

/* Start from `seed`, at least RNG_SEED_MIN bytes (an assertion). */
void rng_init(struct rng *r, struct slice seed);

/* n random bytes. */
void rng_fill(struct rng *r, void *dst, size_t n);

/*
 * rng_put_id: append an identifier: n_bytes random bytes (at most 64) as
 * base64url without padding. False, and nothing appended, if it does not fit.
 */
bool rng_put_id(struct rng *r, struct buf *out, size_t n_bytes);

/* No more random bytes from it. */
void rng_wipe(struct rng *r);

#endif
