/*
 * Request bodies, on their way to the app: read from the client's socket when
 * the tunnel has room, straight to where they leave from. One of known length
 * passes as it is; a chunked one is decoded and written anew, so that the app
 * sees one spelling (RFC 9112 7.1), and goes through s->up for that.
 */
#include "relay/parts.h"

#include "base/num.h"

/* Decode a part of a chunked body and put it, normalised, into s->up. */
static enum err
chunk_feed(struct client *c, struct rstream *s, struct slice *in)
{
	for (;;) {
		uint8_t area[TRAILERS_AREA];
		struct buf b = BUF_ON(area);
		struct chunk_ev ev;
		struct http_field f;
		size_t used = 0;
		bool may, ok = true;
		enum err e = chunk_next(&c->chunk, *in, &used, &ev);

		*in = slice_from(*in, used);
		if (e != E_OK)
			return e;
		if (ev.what == CHUNK_SIZE) {
			chunk_put_size(&b, ev.size);
		} else if (ev.what == CHUNK_DATA) {
			ok = stream_put_up(s, ev.data);
		} else if (ev.what == CHUNK_END) {
			chunk_put_end(&b);
		} else if (ev.what == CHUNK_TRAILERS) {
			chunk_put_last(&b);
			while (chunk_trailer_next(&ev.data, &f, &may)) {
				if (may)
					http_put_parsed(&b, &f);
			}
			http_put_end(&b);
			c->body_done = true;
		} else {
			return E_OK;
		}
		if (!ok || !buf_ok(&b) || !stream_put_up(s, buf_slice(&b)))
			return E_FULL;
	}
}

enum err
upload_begin(struct client *c, struct rstream *s, const struct http_head *h,
    struct slice *rest)
{
	struct slice part;
	enum err e = E_OK;

	c->body = (uint8_t)h->body;
	c->body_left = h->body == HTTP_BODY_LENGTH ? h->length : 0;
	c->chunk = (struct chunk_dec){ 0 };
	if (h->body == HTTP_BODY_LENGTH) {
		part = slice_head(*rest, (size_t)min_u64(rest->n, h->length));
		*rest = slice_from(*rest, part.n);
		c->body_left -= part.n;
		c->body_done = c->body_left == 0;
		if (!stream_put_up(s, part))
			return E_FULL;
	} else if (h->body == HTTP_BODY_CHUNKED) {
		/* What is reserved now cannot be missing half way. */
		e = stream_reserve_up(s, CHUNK_BLOCKS) ?
		    chunk_feed(c, s, rest) : E_FULL;
		if (e == E_MORE)
			e = E_OK;
	}
	return e;
}

enum tunnel_pull
upload_gone(struct rstream *s, enum reset_code *code)
{
	s->client_gone = true;
	*code = RESET_CANCELLED;
	return PULL_RESET;
}

static enum tunnel_pull
pull_length(struct rstream *s, uint8_t *dst, size_t max, size_t *n,
    enum reset_code *code)
{
	struct client *c = s->c;
	int64_t got = io_read(c->r->io, c->fd, dst,
	    (size_t)min_u64(max, c->body_left));

	if (got == IO_AGAIN) {
		c->rd = false;
		client_arm(c);
		return PULL_WAIT;
	}
	if (got <= 0)
		return upload_gone(s, code);
	c->moved_ms = c->r->io->now_ms;
	*n = (size_t)got;
	c->body_left -= *n;
	c->body_done = c->body_left == 0;
	return c->body_done ? PULL_WAIT : PULL_MORE;
}

/* Read into `area` behind what was kept; the total, 0 for none yet. */
static int64_t
read_behind_kept(struct client *c, uint8_t *area, size_t cap, size_t want)
{
	size_t kept = min_size(c->in_n, cap);
	int64_t got;

	if (kept > 0)
		memcpy(area, c->in, kept);
	got = io_read(c->r->io, c->fd, area + kept,
	    min_size(want, cap - kept));
	if (got <= 0)
		return got;
	c->moved_ms = c->r->io->now_ms;
	return got + (int64_t)kept;
}

/*
 * A chunked body goes through s->up: what comes out has other lengths. A read
 * may bring nothing to pass on; no event follows it, so read on.
 */
static enum tunnel_pull
pull_chunked(struct rstream *s, uint8_t *dst, size_t max, size_t *n,
    enum reset_code *code)
{
	struct client *c = s->c;
	uint8_t area[CHUNK_TRAILERS_MAX + READ_BYTES];

	for (int i = 0; i < PULL_READS && s->up.n == 0; i++) {
		int64_t got = read_behind_kept(c, area, sizeof area,
		    READ_BYTES);
		struct slice in = slice_of(area, got > 0 ? (size_t)got : 0);
		enum err e = E_OK;

		if (got == IO_AGAIN) {
			c->rd = false;
			client_arm(c);
			return PULL_WAIT;
		}
		if (got > 0)
			e = chunk_feed(c, s, &in);
		s->bad_body = e != E_OK && e != E_MORE && e != E_FULL;
		if (s->bad_body) {
			*code = RESET_CANCELLED;
			return PULL_RESET;
		}
		if (got <= 0 || e == E_FULL || !client_try_keep(c, in))
			return upload_gone(s, code);
	}
	*n = chain_take(&s->up, &s->r->blocks, dst, max);
	if (*n == 0)
		client_mark(c);         /* so that others have their turn */
	return *n > 0 ? PULL_MORE : PULL_WAIT;
}

enum tunnel_pull
upload_pull(void *owner, struct tunnel_stream *ts, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code)
{
	struct rstream *s = ts->owner;
	struct client *c = s->c;

	(void)owner;
	*n = 0;
	if (s->up.n > 0) {
		*n = chain_take(&s->up, &s->r->blocks, dst, max);
		if (s->up.n == 0 && (c == NULL || c->body_done ||
		    c->body != HTTP_BODY_CHUNKED))
			stream_free_up(s);
		return PULL_MORE;
	}
	if (s->resp == RESP_ORPHAN || c->ws_code != 0)
		return PULL_END;
	if (c->state == CLIENT_WS)
		return c->rd || c->in_n > 0 ?
		    proxy_ws_pull(s, dst, max, n, code) : PULL_WAIT;
	if (c->body_done || !c->rd || c->state != CLIENT_PROXY)
		return PULL_WAIT;
	if (c->body == HTTP_BODY_CHUNKED)
		return pull_chunked(s, dst, max, n, code);
	return pull_length(s, dst, max, n, code);
}
