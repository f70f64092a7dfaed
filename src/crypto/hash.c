/*
 * BearSSL's hashes under names of ours. Its SHA-2 is constant-time C and has
 * no state outside of the context; there is nothing to decide here but which
 * intermediate values to wipe: those that came from a key.
 */
#include "crypto/hash.h"

#include "crypto/ct.h"

#include <assert.h>

void
sha256_init(struct sha256 *h)
{
	br_sha256_init(&h->c);
}

void
sha256_add(struct sha256 *h, struct slice in)
{
	if (in.n > 0)
		br_sha256_update(&h->c, in.p, in.n);
}

void
sha256_out(const struct sha256 *h, uint8_t out[SHA256_BYTES])
{
	br_sha256_out(&h->c, out);
}

void
sha256(uint8_t out[SHA256_BYTES], struct slice in)
{
	struct sha256 h;

	sha256_init(&h);
	sha256_add(&h, in);
	sha256_out(&h, out);
	wipe(&h, sizeof h);
}

void
sha1_init(struct sha1 *h)
{
	br_sha1_init(&h->c);
}

void
sha1_add(struct sha1 *h, struct slice in)
{
	if (in.n > 0)
		br_sha1_update(&h->c, in.p, in.n);
}

void
sha1_out(const struct sha1 *h, uint8_t out[SHA1_BYTES])
{
	br_sha1_out(&h->c, out);
}

void
sha1(uint8_t out[SHA1_BYTES], struct slice in)
{
	struct sha1 h;

	sha1_init(&h);
	sha1_add(&h, in);
	sha1_out(&h, out);
}

void
hmac_init(struct hmac *h, struct slice key)
{
	br_hmac_key_context k;

	br_hmac_key_init(&k, &br_sha256_vtable, key.p, key.n);
	br_hmac_init(&h->c, &k, 0);
	wipe(&k, sizeof k);
}

void
hmac_add(struct hmac *h, struct slice in)
{
	if (in.n > 0)
		br_hmac_update(&h->c, in.p, in.n);
}

void
hmac_out(const struct hmac *h, uint8_t out[SHA256_BYTES])
{
	br_hmac_out(&h->c, out);
}

void
hmac_wipe(struct hmac *h)
{
	wipe(h, sizeof *h);
}

void
hmac_sha256(uint8_t out[SHA256_BYTES], struct slice key, struct slice in)
{
	struct hmac h;

	hmac_init(&h, key);
	hmac_add(&h, in);
	hmac_out(&h, out);
	hmac_wipe(&h);
}

bool
hmac_sha256_ok(struct slice mac, struct slice key, struct slice in)
{
	uint8_t right[SHA256_BYTES];
	bool ok;

	hmac_sha256(right, key, in);
	ok = mac.n == sizeof right && ct_eq(mac.p, right, sizeof right);
	wipe(right, sizeof right);
	return ok;
}

void
hkdf_sha256(uint8_t *out, size_t n, struct slice salt, struct slice ikm,
    struct slice info)
{
	br_hkdf_context c;

	assert(n <= 255 * SHA256_BYTES);
	br_hkdf_init(&c, &br_sha256_vtable, salt.p, salt.n);
	if (ikm.n > 0)
		br_hkdf_inject(&c, ikm.p, ikm.n);
	br_hkdf_flip(&c);
	if (n > 0)
		br_hkdf_produce(&c, info.p, info.n, out, n);
	wipe(&c, sizeof c);
}
