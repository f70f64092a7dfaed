/*
 * The JSON messages that begin a session: hello, welcome, refused.
 * PROTOCOL.md 4. Pure: a message in, a struct of slices out, and back.
 */
#ifndef ADIT_TUNNEL_HELLO_H
#define ADIT_TUNNEL_HELLO_H

#include "base/buf.h"
#include "base/err.h"
#include "tunnel/tunnel.h"

enum { HELLO_APPS_MAX = 64, HELLO_URLS_MAX = 128, HELLO_NAME_MAX = 30 };

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
	uint8_t instance[16];
	bool start;
	struct slice tunnel_id;         /* 12 URL-safe characters or empty */
	struct hello_app apps[HELLO_APPS_MAX];
	size_t napps;
	struct tunnel_limits limits;
	bool resume;                    /* the four below are given */
	struct slice session;
	uint64_t attempt;
	uint8_t proof[32];
	uint64_t received;
};

struct welcome {                        /* relay to agent */
	struct slice tunnel_id;
	struct slice session;           /* 22 URL-safe characters */
	uint8_t secret[32];
	bool resumed;
	uint64_t received;
	struct tunnel_limits limits;
	struct slice urls[HELLO_URLS_MAX];
	size_t nurls;
	bool refused;                   /* the message was `refused` */
	struct slice code;              /* then: why */
};

/* Strings are slices of `json` (an escape in a name makes it E_MUX_HELLO).
 * E_MUX_HELLO: not of this form, a value out of range, protocol not 1. */
enum err hello_parse(struct hello *h, struct slice json);
enum err welcome_parse(struct welcome *w, struct slice json);
/* False if it does not fit. */
bool hello_put(struct buf *b, const struct hello *h);
bool welcome_put(struct buf *b, const struct welcome *w);
bool refused_put(struct buf *b, struct slice code);

#endif
