/*
 * Questions to the keeper: the one place that knows the relay's secrets.
 *
 * The code that parses bytes from the network holds no key. It asks, as a
 * message of fixed layout, and is answered later by another message, which is
 * why everything that waits for one is a state of its own. Whether the keeper
 * lives in this process or in another makes no difference to either side.
 */
#ifndef ADIT_BASE_ASK_H
#define ADIT_BASE_ASK_H

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

enum ask_kind {
	ASK_PASSWORD = 1,       /* text: the password given by a person */
	ASK_SESSION,            /* text: a session token (JWT) */
	ASK_ISSUE,              /* sign a session token: user, site, ttl_s;
	                         * text: the jti to give it, or empty */
	ASK_REVOKE,             /* text: jti; valid until expires_s */
	ASK_TOKEN,              /* text: an agent's bearer token */
	ASK_DEVICE,             /* text: a device cookie; is it of ours? */
	ASK_ISSUE_DEVICE,       /* sign a device cookie */
	ASK_SIGN,               /* text: data; HMAC under the relay's key */
};

enum { ASK_TEXT_MAX = 1024, ASK_SITE_MAX = 96, ASK_USER_MAX = 64 };

struct ask {
	uint32_t kind;          /* enum ask_kind */
	uint32_t seq;           /* chosen by who asks; comes back */
	handle who;             /* gets the answer as EV_ANSWER */
	uint64_t now_s;         /* Unix time */
	uint64_t ttl_s;
	uint64_t expires_s;
	uint16_t text_n, site_n, user_n;
	uint8_t text[ASK_TEXT_MAX];
	uint8_t site[ASK_SITE_MAX];     /* the audience a session is for */
	uint8_t user[ASK_USER_MAX];
};

struct answer {
	uint32_t kind;
	uint32_t seq;
	handle who;
	enum err result;        /* E_OK: yes; E_AUTH, E_EXPIRED: no */
	uint32_t credential;    /* ASK_TOKEN: which token it was */
	uint64_t expires_s;     /* ASK_SESSION, ASK_ISSUE */
	uint16_t text_n, site_n, user_n, jti_n;
	uint8_t text[ASK_TEXT_MAX];     /* ASK_ISSUE*: the token */
	uint8_t site[ASK_SITE_MAX];     /* ASK_SESSION: its audience */
	uint8_t user[ASK_USER_MAX];     /* ASK_SESSION: who */
	uint8_t jti[32];                /* ASK_SESSION: the token's id */
};

#endif
