/*
 * The keeper: the one place that knows the relay's secrets. It answers the
 * questions of base/ask.h; it reads no socket, parses no HTTP and remembers
 * nothing between questions but the list of ended sessions.
 *
 * What it signs, and with what:
 *   session    HS256 JWT under the JWT secret itself. Claims: sub (who), aud
 *              (the site, ask.site), iat, exp, jti (16 random bytes, base64url)
 *              and gen
 *   gen        derived from the JWT secret and the password: a token carries
 *              the one it was made under, so another password ends the
 *              sessions, and another JWT secret all of them
 *   device     id, expiry and HMAC, under a key derived for devices alone
 *   ASK_SIGN   HMAC under a key derived for that alone
 * The password and the agents' token are kept as HMACs and compared as such,
 * in a time that depends on the lengths of the guess alone.
 */
#ifndef ADIT_STATE_KEEPER_H
#define ADIT_STATE_KEEPER_H

#include "base/ask.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "crypto/rng.h"
#include "state/revoked.h"
#include "state/store.h"

enum {
	KEEPER_GEN_BYTES = 12,
	KEEPER_GEN_CHARS = 16,
	KEEPER_SHARED_TOKEN = 1,        /* credential of RELAY_TOKEN */
	KEEPER_DEVICE_S = 180 * 86400,  /* ASK_ISSUE_DEVICE without a ttl_s */
};

struct keeper {
	struct secret jwt;
	bool has_password, has_token;
	uint8_t password_mac[SHA256_BYTES];
	uint8_t token_mac[SHA256_BYTES];
	uint8_t key_compare[SHA256_BYTES];
	uint8_t key_device[SHA256_BYTES];
	uint8_t key_sign[SHA256_BYTES];
	uint8_t gen[KEEPER_GEN_CHARS];
	struct rng rng;
	struct store_io io;             /* for revoked.json */
	struct revoked revoked;
	uint8_t file[STORE_FILE_MAX];   /* its text, while it is written */
};

struct keeper_cfg {
	const struct secret *jwt;       /* at least 32 bytes: an assertion */
	const struct secret *password;  /* empty: no password is right */
	const struct secret *token;     /* empty: no token is right */
	struct slice seed;              /* at least RNG_SEED_MIN random bytes */
	struct store_io io;
};

/*
 * Copies what it needs of *cfg, whose secrets the caller then wipes. The list
 * of ended sessions is k->revoked: fill it (store_revoked) after this call.
 */
void keeper_init(struct keeper *k, const struct keeper_cfg *cfg);
void keeper_wipe(struct keeper *k);

/*
 * keeper_answer: *a becomes the answer to *q; kind, seq and who are the
 * question's. a->result by kind:
 *   ASK_LOGIN      E_OK: user is "shared". E_AUTH
 *   ASK_SESSION       E_OK: user, site, jti and expires_s are filled. E_AUTH:
 *                     not ours, made under another password, ended, or for
 *                     another site than q->site (which may be empty: any).
 *                     E_EXPIRED
 *   ASK_ISSUE         q->text: the jti of a session to continue on another
 *                     site, or empty for a new one. E_SYNTAX: no jti.
 *                     E_OK: text is the token, jti its id, expires_s its
 *                     expiry (now_s + ttl_s). E_FULL: user and site make it
 *                     longer than ASK_TEXT_MAX. E_RANGE: no such time
 *   ASK_REVOKE        text is a jti, expires_s its expiry. E_OK: over, and
 *                     durably so. E_IO: over, but the file could not be
 *                     written: a restart would forget it. E_SYNTAX: no jti
 *   ASK_TOKEN         E_OK: credential. E_AUTH
 *   ASK_DEVICE        E_OK: jti is the device's id, expires_s its expiry.
 *                     E_AUTH, E_EXPIRED
 *   ASK_ISSUE_DEVICE  E_OK: text is the cookie, jti the id, expires_s the
 *                     expiry (ttl_s, KEEPER_DEVICE_S if 0)
 *   ASK_SIGN          E_OK: text is 32 bytes, the MAC of q->text
 * A question of unknown kind, or with a length beyond its array, is E_RANGE.
 */
void keeper_answer(struct keeper *k, const struct ask *q, struct answer *a);

#endif
