/*
 * The JSON messages that begin a session: hello, welcome, refused.
 * PROTOCOL.md 4. Pure: a message in, a struct of slices out, and back.
 *
 * Members that we do not know are passed over (a later minor addition must
 * not need a new protocol number); a member given twice, of another type or
 * out of its range is E_MUX_HELLO.
 */
#ifndef ADIT_TUNNEL_HELLO_H
#define ADIT_TUNNEL_HELLO_H

#include "base/buf.h"
#include "base/err.h"
#include "tunnel/tunnel.h"

#define HELLO_LIMIT_LIST(X)                                             \
	/* name                  value  meaning */                      \
	X(HELLO_APPS_MAX,           64, "apps in a hello")              \
	X(HELLO_URLS_MAX,          128, "urls in a welcome")            \
	X(HELLO_URL_BYTES,         255, "bytes of one url")             \
	X(HELLO_NAME_MAX,           30, "bytes of a name")              \
	X(HELLO_HOST_MAX,          128, "bytes of an app's `host`")     \
	X(HELLO_ORIGIN_MAX,        255, "bytes of an app's `origin`")   \
	X(HELLO_VERSION_MAX,        64, "bytes of `version`")           \
	X(HELLO_CODE_MAX,           32, "bytes of the code of a refusal") \
	X(HELLO_TUNNEL_ID_BYTES,    12, "characters of `tunnel_id`")    \
	X(HELLO_INSTANCE_BYTES,     16, "bytes of `instance`; 22 characters") \
	X(HELLO_SESSION_BYTES,      16, "bytes of `session`; 22 characters") \
	X(HELLO_SECRET_BYTES,       32, "bytes of `secret`; 43 characters") \
	X(HELLO_PROOF_BYTES,        32, "bytes of `proof`; 43 characters") \
	X(HELLO_MEMBERS_MAX,        64, "members of an object")         \
	X(HELLO_DEPTH,               8, "nesting of arrays and objects")
#define X(name, value, text) name = value,
enum hello_limit { HELLO_LIMIT_LIST(X) };
#undef X
enum { HELLO_SESSION_CHARS = 22 };

struct hello_app {
	struct slice name;
	uint8_t kind;                   /* APP_HTTP, APP_TCP */
	bool is_public;                 /* option `public` */
	/* option host=app: what the relay sends the app as Host, and as the
	 * authority of Origin ("127.0.0.1:5173"); empty: the client's own */
	struct slice host;
	/* option origin=URL: another site whose pages may call it; empty */
	struct slice origin;
};

struct hello {                          /* agent to relay */
	struct slice name;              /* the agent's name */
	struct slice version;
	uint8_t instance[HELLO_INSTANCE_BYTES];
	bool start;
	struct slice tunnel_id;         /* 12 URL-safe characters or empty */
	struct hello_app apps[HELLO_APPS_MAX];
	size_t napps;
	struct tunnel_limits limits;
	bool resume;                    /* the four below are given */
	struct slice session;           /* 22 URL-safe characters */
	uint64_t attempt;
	uint8_t proof[HELLO_PROOF_BYTES];
	uint64_t received;
};

struct welcome {                        /* relay to agent */
	struct slice tunnel_id;
	struct slice session;           /* 22 URL-safe characters */
	uint8_t secret[HELLO_SECRET_BYTES];     /* zero if resumed */
	bool resumed;
	uint64_t received;              /* 0 if not resumed */
	struct tunnel_limits limits;
	struct slice urls[HELLO_URLS_MAX];
	size_t nurls;
	bool refused;                   /* the message was `refused` */
	struct slice code;              /* then: why; all else is empty */
};

/* Strings are slices of `json` (an escape in one makes it E_MUX_HELLO).
 * E_MUX_HELLO: not of this form, a value out of range, protocol not 1. */
enum err hello_parse(struct hello *h, struct slice json);
enum err welcome_parse(struct welcome *w, struct slice json);
/* False if it does not fit. */
bool hello_put(struct buf *b, const struct hello *h);
bool welcome_put(struct buf *b, const struct welcome *w);
bool refused_put(struct buf *b, struct slice code);

/*
 * The proof of a resumption: HMAC-SHA256 under the session's secret of
 * "adit resume", the 16 bytes of the session, attempt and received as u64.
 * E_SYNTAX if `session` is not 22 characters of base64url.
 */
enum err hello_proof(uint8_t proof[HELLO_PROOF_BYTES],
    const uint8_t secret[HELLO_SECRET_BYTES], struct slice session,
    uint64_t attempt, uint64_t received);

#endif
