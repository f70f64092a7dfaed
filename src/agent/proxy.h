/*
 * An HTTP proxy on the way to the relay: CONNECT (RFC 9110 9.3.6), with basic
 * credentials. Pure: bytes in, a verdict out.
 */
#ifndef ADIT_AGENT_PROXY_H
#define ADIT_AGENT_PROXY_H

#include "base/buf.h"
#include "codec/http1.h"
#include "crypto/ct.h"

/* Append the request for a connection to host:port. `login` is USER:PASSWORD,
 * empty for none; the request holds it then: wipe it when it has left. False if
 * it does not fit or a part is not valid there. */
bool proxy_put(struct buf *b, struct slice host, uint16_t port,
    const struct secret *login);

enum proxy_verdict {
	PROXY_MORE,             /* more bytes are needed */
	PROXY_OPEN,             /* the connection is the relay's from here */
	PROXY_REFUSED,          /* `status` says why */
	PROXY_BROKEN,           /* not an answer to CONNECT */
};

/*
 * proxy_answer: look at what has come, all of it in `in`, whose capacity
 * bounds the answer's head. After PROXY_OPEN nothing may be left of it: the
 * relay does not speak first, so a byte more is PROXY_BROKEN. `eof`: no more
 * will come.
 */
enum proxy_verdict proxy_answer(const struct buf *in, struct http_scan *scan,
    struct http_field *fields, bool eof, unsigned *status);

#endif
