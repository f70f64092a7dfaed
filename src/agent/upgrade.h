/*
 * The handshake by which a connection to the relay becomes a tunnel, as the
 * agent sees it: RFC 6455 4.1 and PROTOCOL.md 3. Pure: bytes in, a verdict
 * out; which address, how long and what next is dial.c's.
 */
#ifndef ADIT_AGENT_UPGRADE_H
#define ADIT_AGENT_UPGRADE_H

#include "base/buf.h"
#include "base/err.h"
#include "codec/chunk.h"
#include "codec/http1.h"
#include "codec/ws.h"
#include "crypto/ct.h"

enum {
	UPGRADE_BYTES = 16384,          /* of the answer, head or body */
	UPGRADE_ASK_BYTES = 4096,       /* of the request */
	UPGRADE_INTERIM_MAX = 8,        /* 1xx answers before the final one */
};

#define UPGRADE_SUBPROTOCOL "adit.tunnel.1"

struct upgrade_ask {
	struct slice authority;         /* for Host */
	struct slice target;            /* "/tunnel" */
	struct slice key;               /* WS_KEY_BYTES characters */
	struct slice version;           /* of this program */
	const struct secret *token;
};

/* Append the request. False, the buffer marked short, if it does not fit or
 * a part is not valid there. It holds the token: wipe it when it has left. */
bool upgrade_put(struct buf *b, const struct upgrade_ask *ask);

enum upgrade_verdict {
	UPGRADE_MORE,           /* more bytes are needed */
	UPGRADE_TUNNEL,         /* what is left in the buffer is the tunnel's */
	UPGRADE_TOKEN,          /* final: the relay refuses the token */
	UPGRADE_NAME,           /* final: the name is another credential's */
	UPGRADE_OTHER,          /* `status`; somebody else may have said it */
	UPGRADE_BROKEN,         /* not a handshake: `why`; `err` may say more */
};

/* All zero but for `key` at the start. */
struct upgrade {
	uint8_t key[WS_KEY_BYTES];      /* as it was sent */
	unsigned status;                /* of the final answer, once there */
	enum err err;
	const char *why;
	struct http_scan scan;
	unsigned interim;
	enum http_body body;            /* how the end of the body is told */
	uint64_t length;
	size_t nbody;                   /* chunked: decoded, at the front */
	struct chunk_dec chunk;
	bool in_body;
};

/*
 * upgrade_answer: look at what has come. `in` (capacity UPGRADE_BYTES) holds
 * all bytes that were received and not used yet; the used ones are dropped
 * from it. `fields` is space for HTTP_FIELDS_MAX. `eof`: no more will come; the
 * verdict is not UPGRADE_MORE then. After any other verdict it must not be
 * called again. The verdict does not depend on how the bytes were cut, as long
 * as it is called whenever some came.
 *
 * A refusal is final only in our own words: 401 or 409 with a JSON object that
 * has `error` and `code`, "token" or "name". A 401 of a proxy is UPGRADE_OTHER.
 */
enum upgrade_verdict upgrade_answer(struct upgrade *u,
    struct http_field *fields, struct buf *in, bool eof);

#endif
