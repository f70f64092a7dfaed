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
	ASK_LOGIN = 1,          /* user: who, or empty: the shared password;
	                         * text: the password given by a person */
	ASK_SESSION,            /* text: a session token (JWT) */
	ASK_ISSUE,              /* sign a session token: user, site, ttl_s;
	                         * text: the jti to give it, or empty */
	ASK_REVOKE,             /* text: a session token, of any age */
	ASK_TOKEN,              /* text: an agent's bearer token */
	ASK_DEVICE,             /* text: a device cookie; is it of ours? */
	ASK_ISSUE_DEVICE,       /* sign a device cookie */
	ASK_SIGN,               /* text: data; HMAC under the relay's key */
	ASK_BEARER,             /* text: an API token */
	ASK_CHANNEL_KEY,        /* text: a workstation's key */
	ASK_ACCESS,             /* by: jti; text: AGENT/APP. May they? */
	ASK_OP,                 /* by: session or API token of who asks, or
	                         * empty; text: what, as JSON */
	/* Answers that nobody asked for; seq 0, who none. */
	NOTE_SESSION = 64,      /* jti: that session has ended */
	NOTE_USER,              /* user: their rights or sessions changed */
	NOTE_CREDENTIAL,        /* credential: it was removed */
	NOTE_FLUSH,             /* who may open which app changed; text: the
	                         * apps for named people, a line each */
	NOTE_MODE,              /* text: setup, accounts or shared */
};

enum ask_role { ROLE_NONE, ROLE_VIEWER, ROLE_MEMBER, ROLE_ADMIN };
enum ask_scope {                /* of an API token */
	SCOPE_READ = 1, SCOPE_METRICS = 2, SCOPE_APPS = 4, SCOPE_ADMIN = 8,
};

enum {
	ASK_TEXT_MAX = 2048, ASK_BY_MAX = 1024, ASK_SITE_MAX = 96,
	ASK_USER_MAX = 64, ASK_FROM_MAX = 48, ASK_DEVICE_MAX = 96,
	ANSWER_TEXT_MAX = 4096,
};

struct ask {
	uint32_t kind;          /* enum ask_kind */
	uint32_t seq;           /* chosen by who asks; comes back */
	handle who;             /* gets the answer as EV_ANSWER */
	uint64_t now_s;         /* Unix time */
	uint64_t ttl_s;
	uint16_t text_n, by_n, site_n, user_n, from_n, device_n;
	uint8_t site[ASK_SITE_MAX];     /* the audience a session is for */
	uint8_t user[ASK_USER_MAX];
	uint8_t from[ASK_FROM_MAX];     /* the person's address, as text */
	uint8_t device[ASK_DEVICE_MAX]; /* what their program says it is */
	uint8_t by[ASK_BY_MAX];
	uint8_t text[ASK_TEXT_MAX];
};

struct answer {
	uint32_t kind;
	uint32_t seq;
	handle who;
	enum err result;        /* E_OK: yes; E_AUTH, E_EXPIRED: no */
	uint32_t credential;    /* ASK_TOKEN, ASK_BEARER, ASK_CHANNEL_KEY:
	                         * which one it was */
	uint64_t expires_s;     /* ASK_SESSION, ASK_ISSUE */
	uint16_t text_n, site_n, user_n, jti_n;
	uint16_t status;        /* ASK_OP: as HTTP has them */
	uint16_t rules;         /* ASK_SESSION: 0: nothing is restricted to
	                         * named people, no need for ASK_ACCESS */
	uint8_t role;           /* ASK_LOGIN, ASK_SESSION: enum ask_role */
	uint8_t scopes;         /* ASK_BEARER: of enum ask_scope */
	uint8_t site[ASK_SITE_MAX];     /* ASK_SESSION: its audience */
	uint8_t user[ASK_USER_MAX];     /* ASK_SESSION: who */
	uint8_t jti[32];                /* ASK_SESSION: the token's id */
	uint8_t text[ANSWER_TEXT_MAX];  /* ASK_ISSUE*: the token; ASK_OP:
	                                 * JSON */
};

#endif
