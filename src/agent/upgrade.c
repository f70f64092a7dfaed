/*
 * The upgrade handshake: see upgrade.h. The answer's head is parsed by the
 * strict parser that the relay uses for apps; nothing is accepted here that
 * it would not accept there. Of the body only what decides between "final" and
 * "try again" is read, and only of the two statuses where it can decide.
 */
#include "agent/upgrade.h"

#include <assert.h>

#include "base/num.h"
#include "codec/json.h"
#include "crypto/wsaccept.h"

bool
upgrade_put(struct buf *b, const struct upgrade_ask *ask)
{
	uint8_t area[SECRET_MAX + 16];
	struct buf v = BUF_ON(area);

	http_put_request_line(b, SL("GET"), ask->target);
	http_put_field(b, SL("Host"), ask->authority);
	http_put_field(b, SL("Upgrade"), SL("websocket"));
	http_put_field(b, SL("Connection"), SL("Upgrade"));
	http_put_field(b, SL("Sec-WebSocket-Key"), ask->key);
	http_put_field(b, SL("Sec-WebSocket-Version"), SL("13"));
	http_put_field(b, SL("Sec-WebSocket-Protocol"),
	    SL(UPGRADE_SUBPROTOCOL));
	buf_lit(&v, "adit/");
	buf_put(&v, slice_head(ask->version, 64));
	http_put_field(b, SL("User-Agent"), buf_slice(&v));
	buf_reset(&v);
	buf_lit(&v, "Bearer ");
	buf_put(&v, secret_bytes(ask->token));
	http_put_field(b, SL("Authorization"), buf_slice(&v));
	wipe(area, sizeof area);
	http_put_end(b);
	return buf_ok(b);
}

static enum upgrade_verdict
broken(struct upgrade *u, enum err e, const char *why)
{
	u->err = e;
	u->why = why;
	return UPGRADE_BROKEN;
}

/* Take n bytes at offset `at` out of the buffer. */
static void
cut(struct buf *b, size_t at, size_t n)
{
	assert(at <= b->n && n <= b->n - at);
	memmove(b->p + at, b->p + at + n, b->n - at - n);
	b->n -= n;
}

/* The only field of that name, or NULL if there is none or several. */
static const struct http_field *
only(const struct http_head *h, enum http_name id)
{
	const struct http_field *f = http_field_id(h, id, NULL);

	if (f != NULL && http_field_id(h, id, f) != NULL)
		return NULL;
	return f;
}

/* RFC 6455 4.1, what the client checks; and our subprotocol. */
static enum upgrade_verdict
switched(struct upgrade *u, const struct http_head *h)
{
	const struct http_field *accept = only(h, HTTP_N_SEC_WS_ACCEPT);
	const struct http_field *protocol = only(h, HTTP_N_SEC_WS_PROTOCOL);

	if (!h->upgrade_websocket)
		return broken(u, E_WS_HANDSHAKE, "101 without upgrade");
	if (accept == NULL || !wsaccept_ok(accept->value,
	    slice_of(u->key, sizeof u->key)))
		return broken(u, E_WS_HANDSHAKE, "wrong answer to the key");
	if (protocol == NULL ||
	    !slice_eq(protocol->value, SL(UPGRADE_SUBPROTOCOL)))
		return broken(u, E_WS_HANDSHAKE, "not our subprotocol");
	if (http_field_id(h, HTTP_N_SEC_WS_EXTENSIONS, NULL) != NULL)
		return broken(u, E_WS_HANDSHAKE, "an extension not asked for");
	return UPGRADE_TUNNEL;
}

/* The body is whole: did our relay write it? */
static enum upgrade_verdict
judge(const struct upgrade *u, struct slice body)
{
	struct json v;
	struct json_field f[2] = { { .name = SL("error") },
		{ .name = SL("code") } };

	if (json_parse(body, JSON_DEPTH, &v) != E_OK ||
	    json_fields(v, f, 2) != E_OK || f[0].v.kind != JSON_STRING)
		return UPGRADE_OTHER;
	if (u->status == 401 && json_is(f[1].v, SL("token")))
		return UPGRADE_TOKEN;
	if (u->status == 409 && json_is(f[1].v, SL("name")))
		return UPGRADE_NAME;
	return UPGRADE_OTHER;
}

/* Decode what can be decoded; true when there is nothing to wait for. */
static bool
unchunk(struct upgrade *u, struct buf *in, bool *whole)
{
	*whole = false;
	for (;;) {
		struct slice raw = slice_from(buf_slice(in), u->nbody);
		struct chunk_ev ev;
		size_t used;
		enum err e = chunk_next(&u->chunk, raw, &used, &ev);

		if (e != E_OK) {
			cut(in, u->nbody, used);
			return e != E_MORE || buf_room(in) == 0;
		}
		if (ev.what == CHUNK_DONE) {
			*whole = true;
			return true;
		}
		if (ev.what == CHUNK_DATA) {
			memmove(in->p + u->nbody, ev.data.p, ev.data.n);
			u->nbody += ev.data.n;
			used -= ev.data.n;
		}
		cut(in, u->nbody, used);
	}
}

static enum upgrade_verdict
read_body(struct upgrade *u, struct buf *in, bool eof)
{
	bool whole;

	switch (u->body) {
	case HTTP_BODY_NONE:
		return UPGRADE_OTHER;
	case HTTP_BODY_LENGTH:
		if (in->n >= u->length)
			return judge(u, slice_head(buf_slice(in),
			    (size_t)u->length));
		if (eof || u->length > UPGRADE_BYTES)
			return UPGRADE_OTHER;
		return UPGRADE_MORE;
	case HTTP_BODY_CHUNKED:
		if (!unchunk(u, in, &whole) && !eof)
			return UPGRADE_MORE;
		if (!whole)
			return UPGRADE_OTHER;
		return judge(u, slice_head(buf_slice(in), u->nbody));
	case HTTP_BODY_CLOSE:
		if (eof)
			return judge(u, buf_slice(in));
		return buf_room(in) == 0 ? UPGRADE_OTHER : UPGRADE_MORE;
	}
	return UPGRADE_OTHER;
}

/* A head is there: an interim one is passed over (UPGRADE_MORE). */
static enum upgrade_verdict
read_head(struct upgrade *u, const struct http_head *h)
{
	if (h->status == 101)
		return switched(u, h);
	if (h->status < 200) {
		if (++u->interim > UPGRADE_INTERIM_MAX)
			return broken(u, E_HTTP_STATUS,
			    "too many interim answers");
		return UPGRADE_MORE;
	}
	u->status = h->status;
	if (h->status != 401 && h->status != 409)
		return UPGRADE_OTHER;
	u->in_body = true;
	u->body = h->body;
	u->length = h->length;
	return UPGRADE_MORE;
}

enum upgrade_verdict
upgrade_answer(struct upgrade *u, struct http_field *fields, struct buf *in,
    bool eof)
{
	while (!u->in_body) {
		struct http_head h = { .fields = fields };
		enum upgrade_verdict v;
		size_t used;
		enum err e = http_response_parse(&h, &u->scan, HTTP_TO_OTHER,
		    buf_slice(in), &used);

		if (e == E_MORE && buf_room(in) == 0)
			e = E_HTTP_HEAD_LONG;
		if (e == E_MORE && eof)
			return broken(u, E_EOF,
			    "closed before the answer was whole");
		if (e == E_MORE)
			return UPGRADE_MORE;
		if (e != E_OK)
			return broken(u, e, "the answer is not HTTP");
		v = read_head(u, &h);
		buf_drop(in, used);
		if (v != UPGRADE_MORE)
			return v;
	}
	return read_body(u, in, eof);
}
