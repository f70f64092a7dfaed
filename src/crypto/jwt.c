/*
 * HS256 session tokens. The order is the defence: first the MAC over the two
 * parts exactly as they arrived, with the one key and the one algorithm; only
 * bytes that we signed are ever decoded and parsed. So "alg":"none", another
 * algorithm's name or a key in the header have nothing to act upon, and the
 * JSON parser is not on the way of a stranger.
 *
 * The header is still read, because whoever holds the key for another purpose
 * might sign other kinds of tokens with it: it must say HS256 and may not
 * name an extension that changes the meaning of the rest (crit, b64).
 */
#include "crypto/jwt.h"

#include "codec/b64.h"
#include "crypto/hash.h"

#include <assert.h>

enum { MAC_TEXT = 43 };         /* base64url of 32 bytes */

enum err
jwt_sign(struct buf *out, struct slice claims, const struct secret *key)
{
	struct buf b = *out;
	uint8_t mac[SHA256_BYTES];
	size_t from = b.n;

	assert(key->n >= JWT_KEY_MIN);
	if (claims.n > JWT_CLAIMS_MAX)
		return E_FULL;
	b.is_short = false;
	b64_encode(&b, SL("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"),
	    B64_URL_BARE);
	buf_put_u8(&b, '.');
	b64_encode(&b, claims, B64_URL_BARE);
	if (!buf_ok(&b))
		return E_FULL;
	hmac_sha256(mac, secret_bytes(key), slice_from(buf_slice(&b), from));
	buf_put_u8(&b, '.');
	b64_encode(&b, slice_of(mac, sizeof mac), B64_URL_BARE);
	wipe(mac, sizeof mac);
	if (!buf_ok(&b))
		return E_FULL;
	assert(b.n - from <= JWT_BYTES_MAX);
	out->n = b.n;
	return E_OK;
}

/* An object without doubles, small enough to say so. */
static bool
read_object(struct slice text, struct json *v)
{
	return json_parse(text, JWT_DEPTH, v) == E_OK &&
	    json_unique(*v, JWT_MEMBERS_MAX) == E_OK;
}

static bool
header_ok(struct slice text)
{
	struct json_field f[] = {
		{ SL("alg"), { 0 } }, { SL("typ"), { 0 } },
		{ SL("crit"), { 0 } }, { SL("b64"), { 0 } },
	};
	struct json header;

	return read_object(text, &header) &&
	    json_fields(header, f, 4) == E_OK &&
	    json_is(f[0].v, SL("HS256")) &&
	    (f[1].v.kind == JSON_NONE || json_is(f[1].v, SL("JWT"))) &&
	    f[2].v.kind == JSON_NONE && f[3].v.kind == JSON_NONE;
}

/* Three parts, and the third is the MAC of what stands before it. */
static bool
mac_ok(struct slice token, struct slice *header, struct slice *payload,
    const struct secret *key)
{
	uint8_t area[SHA256_BYTES];
	struct buf mac = BUF_ON(area);
	struct slice rest = token, signed_part;
	size_t dot = slice_rfind(token, '.');

	if (token.n > JWT_BYTES_MAX || key->n < JWT_KEY_MIN)
		return false;
	if (dot == token.n || token.n - dot - 1 != MAC_TEXT)
		return false;
	signed_part = slice_head(token, dot);
	rest = signed_part;
	*header = slice_cut(&rest, '.');
	if (header->n == dot || slice_find(rest, '.') < rest.n)
		return false;
	*payload = rest;
	return b64_decode(&mac, slice_from(token, dot + 1), B64_URL_BARE) ==
	    E_OK && hmac_sha256_ok(buf_slice(&mac), secret_bytes(key),
	    signed_part);
}

enum err
jwt_open(struct buf *payload, struct slice token, const struct secret *key)
{
	struct slice header, body;
	struct buf b = *payload;
	enum err e;

	if (!mac_ok(token, &header, &body, key))
		return E_AUTH;
	/* The header goes where the payload will be: it is not kept. */
	e = b64_decode(&b, header, B64_URL_BARE);
	if (e == E_FULL)
		return E_FULL;
	if (e != E_OK || !header_ok(slice_from(buf_slice(&b), payload->n)))
		return E_AUTH;
	b.n = payload->n;
	e = b64_decode(&b, body, B64_URL_BARE);
	if (e != E_OK)
		return e == E_FULL ? E_FULL : E_AUTH;
	payload->n = b.n;
	return E_OK;
}

/* The times among the claims. An optional one that is absent is 0. */
static bool
read_times(struct json claims, uint64_t *exp_s, uint64_t *nbf_s,
    uint64_t *iat_s)
{
	struct json_field f[] = {
		{ SL("exp"), { 0 } }, { SL("nbf"), { 0 } },
		{ SL("iat"), { 0 } },
	};

	*nbf_s = 0;
	*iat_s = 0;
	return json_fields(claims, f, 3) == E_OK &&
	    json_u64(f[0].v, exp_s) == E_OK &&
	    (f[1].v.kind == JSON_NONE || json_u64(f[1].v, nbf_s) == E_OK) &&
	    (f[2].v.kind == JSON_NONE || json_u64(f[2].v, iat_s) == E_OK);
}

enum err
jwt_verify(struct jwt *j, struct buf *area, struct slice token,
    const struct secret *key, uint64_t now_s, enum jwt_origin origin)
{
	struct jwt found = { 0 };
	struct buf b = *area;
	uint64_t nbf_s;
	enum err e = jwt_open(&b, token, key);

	if (e != E_OK)
		return e;
	if (!read_object(slice_from(buf_slice(&b), area->n), &found.claims) ||
	    !read_times(found.claims, &found.exp_s, &nbf_s, &found.iat_s))
		return E_AUTH;
	if (nbf_s > now_s)
		return E_AUTH;
	if (origin != JWT_OWN && found.iat_s > now_s &&
	    found.iat_s - now_s > JWT_AHEAD_S_MAX)
		return E_AUTH;
	if (found.exp_s <= now_s)
		return E_EXPIRED;
	area->n = b.n;
	*j = found;
	return E_OK;
}
