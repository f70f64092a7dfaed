/*
 * A parsed head as one line of text and its fields, so that tests can write
 * down what they expect, and compare two results as bytes. Also used by fuzz/.
 *
 *	GET /x 1.1 host=a body=none keep
 *	200 (OK) 1.1 body=length:3 keep
 */
#ifndef ADIT_TESTS_HTTP_DUMP_H
#define ADIT_TESTS_HTTP_DUMP_H

#include "base/buf.h"
#include "codec/http1.h"

static inline void
dump_flag(struct buf *b, bool on, const char *text)
{
	if (on) {
		buf_lit(b, " ");
		buf_put(b, slice_of(text, strlen(text)));
	}
}

/* The line, without its end. */
static inline void
dump_line(struct buf *b, const struct http_head *h)
{
	static const char *const body[] = {
		[HTTP_BODY_NONE] = "none", [HTTP_BODY_LENGTH] = "length:",
		[HTTP_BODY_CHUNKED] = "chunked", [HTTP_BODY_CLOSE] = "close",
	};
	const char *t = body[h->body];

	if (h->status > 0) {
		buf_put_dec(b, h->status);
		buf_lit(b, " (");
		buf_put(b, h->reason);
		buf_lit(b, ")");
	} else {
		buf_put(b, h->method);
		buf_lit(b, " ");
		buf_put(b, h->target);
	}
	buf_lit(b, " 1.");
	buf_put_dec(b, h->minor);
	if (h->host.n > 0) {
		buf_lit(b, " host=");
		buf_put(b, h->host);
	}
	buf_lit(b, " body=");
	buf_put(b, slice_of(t, strlen(t)));
	if (h->body == HTTP_BODY_LENGTH)
		buf_put_dec(b, h->length);
	dump_flag(b, h->has_length && h->body != HTTP_BODY_LENGTH, "cl=");
	if (h->has_length && h->body != HTTP_BODY_LENGTH)
		buf_put_dec(b, h->length);
	dump_flag(b, h->keep_alive, "keep");
	dump_flag(b, h->conn_close, "c-close");
	dump_flag(b, h->conn_upgrade, "c-upgrade");
	dump_flag(b, h->conn_named, "c-named");
	dump_flag(b, h->upgrade_websocket, "ws");
	dump_flag(b, h->expect_continue, "100");
	dump_flag(b, h->te_trailers, "trailers");
	dump_flag(b, h->absolute, "absolute");
}

/* The line and all fields. */
static inline void
dump_head(struct buf *b, const struct http_head *h)
{
	dump_line(b, h);
	buf_lit(b, "\n");
	for (size_t i = 0; i < h->nfields; i++) {
		buf_put_dec(b, h->fields[i].id);
		buf_lit(b, " ");
		http_put_parsed(b, &h->fields[i]);
	}
}

#endif
