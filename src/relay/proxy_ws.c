/*
 * WebSockets of apps (RFC 6455). The frames' heads are followed both ways and
 * payloads pass unread: towards the app here (pull), towards the client in
 * answer.c. What breaks the RFC is stopped and never reaches the other side.
 *
 * A WebSocket can be ended from our side only between two frames. A frame that
 * is half way to the client is let through first; where one is half way to the
 * app a reset is all that is honest.
 */
#include "relay/parts.h"

#include <assert.h>

/* Read from the client, what is kept of it first. As io_read. */
static int64_t
read_kept_first(struct client *c, uint8_t *at, size_t room)
{
	struct slice kept = slice_of(c->in, c->in_n);
	struct slice in = slice_head(kept, room);
	int64_t got = (int64_t)in.n;

	if (in.n > 0) {
		memcpy(at, in.p, in.n);
		client_try_keep(c, slice_from(kept, in.n));
	} else {
		got = io_read(c->r->io, c->fd, at, room);
	}
	if (got > 0)
		c->moved_ms = c->r->io->now_ms;
	else
		c->rd = false;
	if (got == IO_EOF || got == IO_FAIL) {
		c->hup = true;
		client_arm(c);
	}
	return got;
}

/*
 * Follow what was read to `at`, which is dst + held or another place. What
 * passes is at dst, *n bytes of it; what does not fit there waits in s->up.
 * E_FULL: there is no memory for it.
 */
static enum err
ws_pass(struct rstream *s, struct slice in, uint8_t *dst, size_t max,
    size_t *n)
{
	size_t held = ws_follow_held(&s->ws_up);
	struct slice out[2];
	enum err e = ws_follow(&s->ws_up, in, out);

	assert(out[0].n == 0 || out[0].n == held);
	if (in.p == dst + held) {
		if (out[0].n > 0)
			memcpy(dst, out[0].p, out[0].n);
		*n = out[0].n + out[1].n;
		return e;
	}
	if (!stream_put_up(s, out[0]) || !stream_put_up(s, out[1]))
		return E_FULL;
	*n = chain_take(&s->up, &s->r->blocks, dst, max);
	return e;
}

/*
 * A WebSocket's frames, followed. Read so far behind what the follower holds
 * back that its bytes fit in front: then nothing is moved. Where the tunnel
 * takes less than a header, it goes through s->up.
 */
enum tunnel_pull
proxy_ws_pull(struct rstream *s, uint8_t *dst, size_t max, size_t *n,
    enum reset_code *code)
{
	struct client *c = s->c;
	uint8_t area[64];
	enum err e = E_OK;

	for (int i = 0; i < PULL_READS && *n == 0; i++) {
		size_t held = ws_follow_held(&s->ws_up);
		bool tight = max < sizeof area;
		uint8_t *at = tight ? area : dst + held;
		size_t room = tight ? sizeof area : max - held;
		int64_t got = read_kept_first(c, at, room);

		if (got <= 0)
			return got == IO_AGAIN ? PULL_WAIT : PULL_END;
		e = ws_pass(s, slice_of(at, (size_t)got), dst, max, n);
		if (e == E_FULL)
			return upload_gone(s, code);
		if (e != E_OK && e != E_WS_AFTER_CLOSE)
			break;
	}
	if (e == E_OK || e == E_WS_AFTER_CLOSE) {
		if (*n == 0)
			client_mark(c);
		return *n > 0 ? PULL_MORE : PULL_WAIT;
	}
	proxy_ws_end(c, ws_close_code(e), SL(""));
	*n += chain_take(&s->up, &s->r->blocks, dst + *n, max - *n);
	return s->up.n > 0 ? PULL_MORE : PULL_END;
}

/* Our Close in one direction, after which nothing may pass. */
static struct slice
close_frame(struct ws_follow *w, struct buf *b, uint16_t code,
    struct slice reason, const uint8_t *key)
{
	if (ws_follow_closed(w) || !ws_put_close(b, code, reason, key))
		return SL("");
	w->rules.closed = true;
	return buf_slice(b);
}

/* A frame that is under way to the client may have to end first. */
static bool
end_ws_later(struct client *c, uint16_t code)
{
	struct rstream *s = c->s;

	if (ws_follow_at_boundary(&s->ws_down))
		return false;
	if (s->ts.tunnel == NULL || s->peer_end ||
	    !ws_follow_at_boundary(&s->ws_up)) {
		client_close(c, true);
		return true;
	}
	c->ws_code = code;
	c->session_expires_s = (c->r->io->wall_ms + ORPHAN_MS) / 1000;
	client_arm(c);
	tunnel_ready(&s->ts);
	return true;
}

/*
 * End a WebSocket between two frames, both ways. A frame that is half way to
 * the client is let through first (answer.c); one that is half way to the app
 * is not: there a reset is all that is honest.
 */
void
proxy_ws_end(struct client *c, uint16_t code, struct slice reason)
{
	struct rstream *s = c->s;
	uint8_t area[WS_HEAD_MAX + WS_CONTROL_MAX], key[4];
	struct buf b = BUF_ON(area);

	gather_flush(c->r);
	if (c->state != CLIENT_WS || (c->ws_code != 0 && s->ts.tunnel != NULL))
		return;
	if (ws_follow_at_boundary(&s->ws_up)) {
		io_random(c->r->io, key, sizeof key);
		stream_put_up(s, close_frame(&s->ws_up, &b, code, reason,
		    key));
		buf_reset(&b);
	}
	if (end_ws_later(c, code))
		return;
	if (ws_follow_at_boundary(&s->ws_up)) {
		stream_orphan(s);
	} else {
		tunnel_reset(&s->ts, RESET_CANCELLED);
		stream_free(s);
	}
	c->keep = false;
	c->body_done = false;
	if (client_send(c, close_frame(&s->ws_down, &b, code, reason, NULL)))
		client_answered(c);
}

void
proxy_ws_end_now(struct client *c)
{
	uint16_t code = c->ws_code;

	c->ws_code = 0;
	proxy_ws_end(c, code, code == WS_CODE_POLICY ? SL("session ended") :
	    SL(""));
}
