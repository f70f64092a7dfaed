/*
 * Session tokens: compact JWS (RFC 7515) with HS256 and nothing else, whose
 * payload is a JSON object of claims (RFC 7519).
 *
 * There is no algorithm to choose: the key and HMAC-SHA256 are fixed, the MAC
 * is checked before a byte of the token is decoded or parsed, and only then
 * must the header say what was done: an object, no name twice, alg exactly
 * "HS256", typ "JWT" if given, no crit and no b64. Other members (kid, x) are
 * passed over: nothing in a token ever says which key to use.
 *
 * A strict base64url makes the spelling of a token unique.
 */
#ifndef ADIT_CRYPTO_JWT_H
#define ADIT_CRYPTO_JWT_H

#include "base/buf.h"
#include "base/err.h"
#include "codec/json.h"
#include "crypto/ct.h"

enum {
	JWT_BYTES_MAX   = 4096,         /* of a whole token */
	JWT_CLAIMS_MAX  = 2900,         /* of claims given to jwt_sign */
	JWT_KEY_MIN     = 16,           /* bytes; our own settings demand 32 */
	JWT_DEPTH       = 16,           /* nesting of header and claims */
	JWT_MEMBERS_MAX = 64,           /* of the header, of the claims */
	JWT_AHEAD_S_MAX = 60,           /* iat of another's: clocks differ */
};

/*
 * jwt_sign: append the token for `claims`, a JSON object in text form.
 *   E_OK      appended
 *   E_FULL    claims above JWT_CLAIMS_MAX bytes, or *out is too small;
 *             out->n is unchanged
 * The header is always {"alg":"HS256","typ":"JWT"}. That the key has at least
 * JWT_KEY_MIN bytes is an assertion.
 */
enum err jwt_sign(struct buf *out, struct slice claims,
    const struct secret *key);

/*
 * jwt_open: check form, MAC and header, and append the payload (of any form)
 * to *payload.
 *   E_OK    appended; an empty payload is possible
 *   E_AUTH  anything wrong with the token, or above JWT_BYTES_MAX, or the key
 *           is shorter than JWT_KEY_MIN; payload->n is unchanged
 *   E_FULL  *payload is too small; b64_decoded_max(token.n) is enough
 */
enum err jwt_open(struct buf *payload, struct slice token,
    const struct secret *key);

struct jwt {
	struct json claims;     /* an object, no name twice; inside `area` */
	uint64_t exp_s;
	uint64_t iat_s;         /* 0 if the token has none */
};

/*
 * jwt_verify: jwt_open, and then the claims as of now_s (seconds since 1970).
 *   E_OK       *j is filled; its claims lie in *area, which must live as long
 *   E_AUTH     as in jwt_open; or the payload is not an object with unique
 *              names and an integer exp; nbf after now_s; iat more than
 *              JWT_AHEAD_S_MAX after now_s, unless it is JWT_OWN
 *   E_EXPIRED  all is right but that exp <= now_s. No leeway
 *   E_FULL     *area is too small; JWT_BYTES_MAX is enough
 * On an error *j is untouched. Who the token is for (sub, aud) is the
 * caller's question, by json_get on the claims.
 *
 * JWT_OWN: nobody else has the key, so a token from the future only says that
 * our clock was set back, which must log nobody out; exp decides.
 */
enum jwt_origin { JWT_FOREIGN, JWT_OWN };
enum err jwt_verify(struct jwt *j, struct buf *area, struct slice token,
    const struct secret *key, uint64_t now_s, enum jwt_origin origin);

#endif
