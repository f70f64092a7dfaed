/*
 * Tokens and base64. What must hold: a text that decodes is the one that
 * encodes to the same bytes, in all four kinds; claims that were signed come
 * back; a token with one bit changed does not; a header and payload of the
 * fuzzer's, rightly signed, are accepted only if they say what they must; and
 * the input itself is never a token.
 */
#include <stdlib.h>

#include "codec/b64.h"
#include "crypto/hash.h"
#include "crypto/jwt.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

enum { NOW_S = 1800000000, IN_MAX = JWT_CLAIMS_MAX };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_b64(struct slice in, enum b64_kind kind)
{
	static uint8_t area[3][IN_MAX * 2];
	struct buf a = BUF_ON(area[0]), b = BUF_ON(area[1]);
	struct buf c = BUF_ON(area[2]);

	MUST(b64_encode(&a, in, kind));
	MUST(a.n == b64_encoded_size(in.n, kind));
	MUST(b64_decode(&b, buf_slice(&a), kind) == E_OK);
	MUST(slice_eq(buf_slice(&b), in));
	buf_reset(&b);
	if (b64_decode(&b, in, kind) != E_OK)
		return;
	MUST(b.n <= b64_decoded_max(in.n));
	MUST(b64_encode(&c, buf_slice(&b), kind));
	MUST(slice_eq(buf_slice(&c), in));
}

static enum err
verify(struct jwt *j, struct slice token, const struct secret *key)
{
	static uint8_t area[JWT_BYTES_MAX];
	struct buf b = BUF_ON(area);

	return jwt_verify(j, &b, token, key, NOW_S, JWT_FOREIGN);
}

/* The header up to the first NUL, the claims behind it, signed by hand. */
static void
check_signed(struct slice in, const struct secret *key)
{
	static uint8_t area[IN_MAX * 2];
	struct buf t = BUF_ON(area);
	struct slice header = slice_cut(&in, 0);
	uint8_t mac[SHA256_BYTES];
	struct json h, v;
	struct jwt j;

	b64_encode(&t, header, B64_URL_BARE);
	buf_put_u8(&t, '.');
	b64_encode(&t, in, B64_URL_BARE);
	hmac_sha256(mac, secret_bytes(key), buf_slice(&t));
	buf_put_u8(&t, '.');
	b64_encode(&t, slice_of(mac, sizeof mac), B64_URL_BARE);
	if (verify(&j, buf_slice(&t), key) != E_OK)
		return;
	MUST(json_parse(header, JWT_DEPTH, &h) == E_OK);
	MUST(json_get(h, SL("alg"), &v) == E_OK && json_is(v, SL("HS256")));
	MUST(json_get(h, SL("crit"), &v) == E_OK && v.kind == JSON_NONE);
	MUST(j.exp_s > NOW_S && j.claims.raw.n <= in.n);
	MUST(json_unique(j.claims, JWT_MEMBERS_MAX) == E_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t area[2][JWT_BYTES_MAX];
	struct slice in = slice_of(data, size);
	struct buf t = BUF_ON(area[0]), b = BUF_ON(area[1]);
	struct secret key = { 0 };
	struct jwt j;
	size_t bit;

	if (size > IN_MAX)
		return 0;
	for (int k = B64_STD; k <= B64_URL_BARE; k++)
		check_b64(in, (enum b64_kind)k);
	MUST(secret_set(&key, SL("0123456789abcdef0123456789abcdef")));
	MUST(verify(&j, in, &key) == E_AUTH);
	check_signed(in, &key);
	MUST(jwt_sign(&t, in, &key) == E_OK);
	MUST(jwt_open(&b, buf_slice(&t), &key) == E_OK);
	MUST(slice_eq(buf_slice(&b), in));
	bit = size * 7919 % (t.n * 8);
	t.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	buf_reset(&b);
	MUST(jwt_open(&b, buf_slice(&t), &key) == E_AUTH && b.n == 0);
	return 0;
}
