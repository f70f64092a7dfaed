/*
 * Hashes and what is made of them, thin over BearSSL: SHA-256 and SHA-1
 * (FIPS 180-4; SHA-1 for the WebSocket handshake only), HMAC-SHA256
 * (RFC 2104), HKDF-SHA256 (RFC 5869). None of them can fail.
 *
 * Incremental use: _init, any number of _add, one _out (which leaves the
 * context as it is, so one may go on adding).
 */
#ifndef ADIT_CRYPTO_HASH_H
#define ADIT_CRYPTO_HASH_H

#include "base/slice.h"

#include <bearssl.h>

enum {
	SHA256_BYTES = 32,
	SHA1_BYTES   = 20,
};

struct sha256 {
	br_sha256_context c;
};
void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, struct slice in);
void sha256_out(const struct sha256 *h, uint8_t out[SHA256_BYTES]);
void sha256(uint8_t out[SHA256_BYTES], struct slice in);

struct sha1 {
	br_sha1_context c;
};
void sha1_init(struct sha1 *h);
void sha1_add(struct sha1 *h, struct slice in);
void sha1_out(const struct sha1 *h, uint8_t out[SHA1_BYTES]);
void sha1(uint8_t out[SHA1_BYTES], struct slice in);

/*
 * HMAC-SHA256. A key of any length, also the empty one (whoever has a
 * configured key checks its length). The context holds what the key became:
 * wipe it (hmac_wipe) where it ends.
 */
struct hmac {
	br_hmac_context c;
};
void hmac_init(struct hmac *h, struct slice key);
void hmac_add(struct hmac *h, struct slice in);
void hmac_out(const struct hmac *h, uint8_t out[SHA256_BYTES]);
void hmac_wipe(struct hmac *h);
void hmac_sha256(uint8_t out[SHA256_BYTES], struct slice key, struct slice in);

/*
 * hmac_sha256_ok: `mac` is the whole MAC of `in`, compared in constant time.
 * A shorter one, however right, is not.
 */
bool hmac_sha256_ok(struct slice mac, struct slice key, struct slice in);

/*
 * hkdf_sha256: n bytes, at most 255 * 32, derived from `ikm`. `salt` may be
 * empty (32 zero bytes then, as RFC 5869 2.2 says). `info` tells uses apart.
 */
void hkdf_sha256(uint8_t *out, size_t n, struct slice salt, struct slice ikm,
    struct slice info);

#endif
