/*
 * Hashes, MACs, key derivation, secrets, random bytes, and the WebSocket
 * accept value, by published vectors.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "codec/b64.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "crypto/rng.h"
#include "crypto/wsaccept.h"
#include "vec.h"

#define ROWS(t) (sizeof(t) / sizeof((t)[0]))

static bool
is_hex(const uint8_t *p, size_t n, const char *hex)
{
	uint8_t area[256];
	struct buf b = BUF_ON(area);

	buf_put_hex(&b, slice_of(p, n));
	return slice_eq(buf_slice(&b), str(hex));
}

static void
hashes_the_examples_of_fips_180(void **state)
{
	static const struct { const char *in, *sha256, *sha1; } rows[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb924"
		    "27ae41e4649b934ca495991b7852b855",
		    "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223"
		    "b00361a396177a9cb410ff61f20015ad",
		    "a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		    "248d6a61d20638b8e5c026930c3e6039"
		    "a33ce45964ff2167f6ecedd419db06c1",
		    "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice in = guard_slice(str(rows[i].in));
		uint8_t h[SHA256_BYTES];

		sha256(h, in);
		CHECK(is_hex(h, SHA256_BYTES, rows[i].sha256), rows[i].in);
		sha1(h, in);
		CHECK(is_hex(h, SHA1_BYTES, rows[i].sha1), rows[i].in);
		for (size_t cut = 0; cut <= in.n; cut++) {
			struct sha256 a;
			struct sha1 b;

			sha256_init(&a);
			sha256_add(&a, slice_head(in, cut));
			sha256_out(&a, h);
			sha256_add(&a, slice_from(in, cut));
			sha256_out(&a, h);
			CHECK(is_hex(h, 32, rows[i].sha256), rows[i].in);
			sha1_init(&b);
			sha1_add(&b, slice_head(in, cut));
			sha1_add(&b, slice_from(in, cut));
			sha1_out(&b, h);
			CHECK(is_hex(h, 20, rows[i].sha1), rows[i].in);
		}
		guard_free(in);
	}
}

static void
hashes_a_million_bytes(void **state)
{
	uint8_t a[1000], h[SHA256_BYTES];
	struct sha256 s;

	(void)state;
	memset(a, 'a', sizeof a);
	sha256_init(&s);
	for (int i = 0; i < 1000; i++)
		sha256_add(&s, slice_of(a, sizeof a));
	sha256_out(&s, h);
	assert_true(is_hex(h, sizeof h, "cdc76e5c9914fb9281a1c7e284d73e67"
	    "f1809a48a497200e046d39ccc7112cd0"));
}

/* Whole MACs only: of the truncated groups every tag has to be refused. */
static void
checks_macs_as_wycheproof_does(void **state)
{
	struct slice text =
	    vec_load("tests/vectors/jws/wycheproof_hmac_sha256.json");
	struct json all, name, g, t;
	struct json_iter gi, ti;
	size_t n = 0, good = 0;

	(void)state;
	assert_int_equal(json_parse(text, JSON_DEPTH, &all), E_OK);
	json_iter(&gi, vec_get(all, "groups"));
	while (json_next(&gi, &name, &g)) {
		uint64_t bits = vec_num(g, "tagSize");

		json_iter(&ti, vec_get(g, "tests"));
		for (; json_next(&ti, &name, &t); n++) {
			uint8_t area[3][256], h[SHA256_BYTES];
			struct buf key = BUF_ON(area[0]), msg = BUF_ON(area[1]);
			struct buf tag = BUF_ON(area[2]);
			bool valid = slice_eq(vec_text(t, "result"),
			    SL("valid"));
			bool ok;

			vec_hex(&key, vec_text(t, "key"));
			vec_hex(&msg, vec_text(t, "msg"));
			vec_hex(&tag, vec_text(t, "tag"));
			ok = hmac_sha256_ok(buf_slice(&tag), buf_slice(&key),
			    buf_slice(&msg));
			assert_int_equal(ok, valid && bits == 256);
			good += ok;
			if (bits == 256)
				continue;
			hmac_sha256(h, buf_slice(&key), buf_slice(&msg));
			assert_int_equal(tag.n == 16 &&
			    memcmp(h, tag.p, 16) == 0, valid);
		}
	}
	assert_int_equal(n, 174);
	assert_true(good > 30);
	vec_free(text);
}

static void
macs_in_pieces_as_in_one(void **state)
{
	struct slice key = SL("key"), in = SL("The quick brown fox");
	uint8_t whole[SHA256_BYTES], parts[SHA256_BYTES];

	(void)state;
	hmac_sha256(whole, key, in);
	for (size_t cut = 0; cut <= in.n; cut++) {
		struct hmac h;

		hmac_init(&h, key);
		hmac_add(&h, slice_head(in, cut));
		hmac_add(&h, slice_from(in, cut));
		hmac_out(&h, parts);
		hmac_wipe(&h);
		assert_memory_equal(whole, parts, sizeof whole);
	}
}

static void
derives_keys_as_rfc_5869_does(void **state)
{
	static const struct { const char *ikm, *salt, *info, *okm; } rows[] = {
		{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
		    "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
		    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56"
		    "ecc4c5bf34007208d5b887185865" },
		{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
		    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f"
		    "3c738d2d9d201395faa4b61a96c8" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		uint8_t area[3][64], out[42];
		struct buf ikm = BUF_ON(area[0]), salt = BUF_ON(area[1]);
		struct buf info = BUF_ON(area[2]);

		vec_hex(&ikm, str(rows[i].ikm));
		vec_hex(&salt, str(rows[i].salt));
		vec_hex(&info, str(rows[i].info));
		hkdf_sha256(out, sizeof out, buf_slice(&salt),
		    buf_slice(&ikm), buf_slice(&info));
		CHECK(is_hex(out, sizeof out, rows[i].okm), rows[i].okm);
	}
}

static void
answers_the_handshake_key_of_the_rfc(void **state)
{
	struct slice key = SL("dGhlIHNhbXBsZSBub25jZQ==");
	uint8_t out[WSACCEPT_BYTES];

	(void)state;
	wsaccept(out, key);
	assert_memory_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28);
	assert_true(wsaccept_ok(SL("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), key));
	assert_false(wsaccept_ok(SL("s3pPLMBiTxaQ9kYGzzhZRbK+xOo"), key));
	assert_false(wsaccept_ok(SL("S3pPLMBiTxaQ9kYGzzhZRbK+xOo="), key));
	assert_false(wsaccept_ok(SL(""), key));
}

static void
compares_every_byte(void **state)
{
	uint8_t a[64], b[64];

	(void)state;
	memset(a, 7, sizeof a);
	for (size_t n = 0; n <= sizeof a; n++) {
		for (size_t i = 0; i < sizeof a; i++) {
			memset(b, 7, sizeof b);
			b[i] ^= (uint8_t)(1u << i % 8);
			assert_int_equal(ct_eq(a, b, n), i >= n);
		}
	}
	assert_true(ct_eq(NULL, NULL, 0));
}

static void
keeps_and_wipes_secrets(void **state)
{
	static const struct secret empty;
	uint8_t big[SECRET_MAX + 1] = { 1 };
	struct secret s = { 0 };

	(void)state;
	assert_true(secret_set(&s, SL("hunter2")));
	assert_true(slice_eq(secret_bytes(&s), SL("hunter2")));
	assert_true(secret_set(&s, slice_of(big, SECRET_MAX)));
	assert_false(secret_set(&s, slice_of(big, SECRET_MAX + 1)));
	assert_memory_equal(&s, &empty, sizeof s);
	assert_true(secret_set(&s, SL("x")));
	secret_wipe(&s);
	assert_memory_equal(&s, &empty, sizeof s);
	wipe(NULL, 0);
}

/* HMAC-DRBG of SP 800-90A 10.1.2 once more, slowly, over our HMAC. */
struct drbg {
	uint8_t k[32], v[32];
};

static void
drbg_update(struct drbg *d, struct slice data)
{
	for (uint8_t mark = 0; mark < (data.n > 0 ? 2 : 1); mark++) {
		struct hmac h;

		hmac_init(&h, slice_of(d->k, 32));
		hmac_add(&h, slice_of(d->v, 32));
		hmac_add(&h, slice_of(&mark, 1));
		hmac_add(&h, data);
		hmac_out(&h, d->k);
		hmac_sha256(d->v, slice_of(d->k, 32), slice_of(d->v, 32));
	}
}

static void
drbg_make(struct drbg *d, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i % 32 == 0)
			hmac_sha256(d->v, slice_of(d->k, 32),
			    slice_of(d->v, 32));
		out[i] = d->v[i % 32];
	}
	drbg_update(d, slice_of(NULL, 0));
}

static void
makes_the_bytes_of_the_standard(void **state)
{
	struct slice seed = SL("0123456789abcdef0123456789abcdef!");
	struct drbg d = { .k = { 0 } };
	uint8_t want[1024], got[1024];
	struct rng r;

	(void)state;
	memset(d.v, 1, sizeof d.v);
	drbg_update(&d, seed);
	rng_init(&r, seed);
	for (size_t i = 0; i < 1024; i += RNG_AHEAD_BYTES)
		drbg_make(&d, want + i, RNG_AHEAD_BYTES);
	for (size_t i = 0, n = 1; i < 1024; i += n, n = n * 3 % 29 + 1) {
		n = n < 1024 - i ? n : 1024 - i;
		rng_fill(&r, got + i, n);
	}
	assert_memory_equal(want, got, 1024);
}

static void
depends_on_the_seed_alone(void **state)
{
	static uint8_t big[2][200000];
	uint8_t seed[RNG_SEED_MIN] = { 1 };
	struct rng a, b;

	(void)state;
	rng_init(&a, slice_of(seed, sizeof seed));
	rng_init(&b, slice_of(seed, sizeof seed));
	rng_fill(&a, big[0], sizeof big[0]);
	rng_fill(&b, big[1], sizeof big[1]);
	assert_memory_equal(big[0], big[1], sizeof big[0]);
	rng_wipe(&a);
	for (size_t i = 0; i < sizeof a.ahead; i++)
		assert_int_equal(a.ahead[i], 0);
}

static void
forgets_bytes_that_it_gave_away(void **state)
{
	uint8_t seed[RNG_SEED_MIN] = { 2 }, out[100];
	struct rng r;

	(void)state;
	rng_init(&r, slice_of(seed, sizeof seed));
	rng_fill(&r, out, sizeof out);
	assert_int_equal(r.n_ahead, RNG_AHEAD_BYTES - 100);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(r.ahead[i], 0);
}

static void
makes_identifiers(void **state)
{
	uint8_t seed[RNG_SEED_MIN] = { 4 }, area[43], back[32];
	struct buf b = BUF_ON(area), bytes = BUF_ON(back);
	struct rng r;

	(void)state;
	rng_init(&r, slice_of(seed, sizeof seed));
	assert_true(rng_put_id(&r, &b, 9));
	assert_int_equal(b.n, 12);
	buf_reset(&b);
	assert_true(rng_put_id(&r, &b, 32));
	assert_int_equal(b.n, 43);
	assert_int_equal(b64_decode(&bytes, buf_slice(&b), B64_URL_BARE),
	    E_OK);
	assert_false(rng_put_id(&r, &b, 1));
	assert_int_equal(b.n, 43);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_the_examples_of_fips_180),
		cmocka_unit_test(hashes_a_million_bytes),
		cmocka_unit_test(checks_macs_as_wycheproof_does),
		cmocka_unit_test(macs_in_pieces_as_in_one),
		cmocka_unit_test(derives_keys_as_rfc_5869_does),
		cmocka_unit_test(answers_the_handshake_key_of_the_rfc),
		cmocka_unit_test(compares_every_byte),
		cmocka_unit_test(keeps_and_wipes_secrets),
		cmocka_unit_test(makes_the_bytes_of_the_standard),
		cmocka_unit_test(depends_on_the_seed_alone),
		cmocka_unit_test(forgets_bytes_that_it_gave_away),
		cmocka_unit_test(makes_identifiers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
