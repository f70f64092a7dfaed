/*
 * Requests to apps. A stream of the tunnel is one connection to one app for
 * one client connection and one person; consecutive requests use it again
 * while all of that stays the same (so no two people ever share one).
 *
 * Towards the app (pull): the rewritten head waits in s->up, the body is read
 * from the client's socket when the tunnel has room for it, straight to where
 * it leaves from. Towards the client (data): see answer.c.
 *
 * A stream whose client needs it no more is ended in order and becomes an
 * orphan until the app has closed too; one whose client went away in the
 * middle is reset, so that the app sees it at once.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"

_Static_assert((STREAM_WINDOW + HEAD_SLACK + BLOCK_BYTES - 1) / BLOCK_BYTES +
    1 <= STREAM_BLOCKS, "what a stream may bring fits what it reserved");
_Static_assert((TRAILERS_AREA + READ_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES +
    1 <= CHUNK_BLOCKS, "and so does a read of chunks");

void
stream_ready(struct rstream *s)
{
	tunnel_ready(&s->ts);
}

static void
up_free(struct rstream *s)
{
	chain_free(&s->up, &s->r->blocks);
	blocks_unreserve(&s->r->blocks, s->up_blocks);
	s->up_blocks = 0;
}

static bool
up_reserve(struct rstream *s, uint32_t want)
{
	if (want <= s->up_blocks)
		return true;
	if (!blocks_reserve(&s->r->blocks, want - s->up_blocks))
		return false;
	s->up_blocks = want;
	return true;
}

/* Append to what waits for the app. False if memory is short. */
bool
stream_put_up(struct rstream *s, struct slice v)
{
	return up_reserve(s, blocks_for(s->up.n + v.n)) &&
	    chain_put(&s->up, &s->r->blocks, v);
}

/* Stream and client know each other no more. */
static void
stream_part(struct rstream *s)
{
	struct client *c = s->c;

	if (c == NULL)
		return;
	c->s = NULL;
	s->c = NULL;
	client_release_out(c);
}

/* The record goes; the stream must be detached from its tunnel. */
void
stream_free(struct rstream *s)
{
	struct relay *r = s->r;

	if (s->resp == RESP_DEAD)
		return;
	assert(s->ts.tunnel == NULL);
	stream_part(s);
	s->resp = RESP_DEAD;
	timer_stop(&r->timers, &s->timer);
	up_free(s);
	head_give(r, s->rin, s->rin_large);
	s->rin = NULL;
	s->next_dead = r->dead_streams;
	r->dead_streams = s;
}

void
stream_orphan(struct rstream *s)
{
	uint64_t now_ms = s->r->io->now_ms;

	if (s->ts.tunnel == NULL) {
		stream_free(s);
		return;
	}
	stream_part(s);
	s->resp = RESP_ORPHAN;
	head_give(s->r, s->rin, s->rin_large);
	s->rin = NULL;
	tunnel_consumed(&s->ts, to_size(s->unreturned), now_ms);
	s->unreturned = 0;
	timer_set(&s->r->timers, &s->timer, pool_handle(&s->r->streams, s),
	    now_ms + ORPHAN_MS);
	tunnel_ready(&s->ts);
}

void
stream_timer(struct rstream *s)
{
	uint64_t now_ms = s->r->io->now_ms;

	if (s->resp == RESP_ORPHAN) {
		tunnel_reset(&s->ts, RESET_CANCELLED);
		stream_free(s);
	} else if (s->resp == RESP_IDLE) {
		if (now_ms >= s->idle_until_ms)
			stream_orphan(s);
		else
			timer_set(&s->r->timers, &s->timer,
			    pool_handle(&s->r->streams, s),
			    s->idle_until_ms);
	}
}

/* Let go of the streams of `l` that serve no request. */
void
proxy_release_idle(struct relay *r, const struct remote *l)
{
	for (uint32_t i = 0; i < r->streams.fresh; i++) {
		struct rstream *s = pool_at(&r->streams, i);

		if (pool_live(&r->streams, i) && s->l == l &&
		    s->resp == RESP_IDLE)
			stream_orphan(s);
	}
}

/* The client is of no more use to its stream. */
void
proxy_client_gone(struct client *c)
{
	struct rstream *s = c->s;

	if (s == NULL)
		return;
	if (s->resp == RESP_IDLE) {
		stream_orphan(s);
		return;
	}
	tunnel_reset(&s->ts, RESET_CANCELLED);
	stream_free(s);
}

/* What left towards the client is credit for the agent again. */
void
proxy_drained(struct client *c)
{
	struct rstream *s = c->s;
	uint64_t keep, n;

	if (s == NULL)
		return;
	keep = min_u64(c->out.n, s->unreturned);
	n = s->unreturned - keep;
	if (n == 0)
		return;
	s->unreturned = keep;
	tunnel_consumed(&s->ts, to_size(n), c->r->io->now_ms);
}

/* Is the connection's stream the one for this request? */
static bool
stream_fits(const struct client *c, const struct remote *l, uint16_t app,
    const struct session *who)
{
	const struct rstream *s = c->s;

	/* Where nobody logs in, the address is all that tells who it is. */
	return s != NULL && s->resp == RESP_IDLE && !s->peer_end &&
	    !s->unwanted && s->l == l && s->app == app &&
	    s->person == who->id &&
	    addr_same_ip(&s->client, &c->r->site.client) &&
	    c->r->io->now_ms < s->idle_until_ms && l->state == REMOTE_CURRENT;
}

static struct rstream *
stream_new(struct client *c, struct remote *l, uint16_t app)
{
	struct relay *r = c->r;
	struct rstream *s;

	if (!client_reserve_out(c, STREAM_BLOCKS))
		return NULL;
	s = pool_take(&r->streams);
	if (s == NULL)
		return NULL;
	s->r = r;
	s->l = l;
	s->app = app;
	s->ts.owner = s;
	if (tunnel_open(&l->t, &s->ts) != E_OK) {
		pool_give(&r->streams, s);
		return NULL;
	}
	s->c = c;
	c->s = s;
	return s;
}

/* A stream for the request: the present one or a new one; NULL: full. */
static struct rstream *
stream_for(struct client *c, struct remote *l, uint16_t app,
    const struct session *who)
{
	struct relay *r = c->r;
	struct rstream *s;

	if (stream_fits(c, l, app, who)) {
		s = c->s;
		timer_stop(&r->timers, &s->timer);
	} else {
		if (c->s != NULL)
			stream_orphan(c->s);
		s = stream_new(c, l, app);
	}
	if (s == NULL) {
		client_release_out(c);
		return NULL;
	}
	s->resp = RESP_HEAD;
	s->person = who->id;
	s->user = who->user;
	s->jti_n = who->jti_n;
	memcpy(s->jti, who->jti, sizeof s->jti);
	s->client = r->site.client;
	s->secure = r->site.secure;
	s->shared = r->site.kind == SITE_SHARED;
	return s;
}

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

/* The part of the body that came with the head. *rest: what follows it. */
static enum err
body_begin(struct client *c, struct rstream *s, const struct http_head *h,
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
		e = up_reserve(s, CHUNK_BLOCKS) ? chunk_feed(c, s, rest) :
		    E_FULL;
		if (e == E_MORE)
			e = E_OK;
	}
	return e;
}

/* DESIGN: with our cookie, who else's page is behind this request? */
static bool
cross_site_ok(struct client *c, const struct http_head *h,
    const struct session *who, const struct remote_app *app)
{
	const struct http_field *f;
	bool safe = h->verb == HTTP_V_GET || h->verb == HTTP_V_HEAD ||
	    h->verb == HTTP_V_OPTIONS;

	if (who->id == 0 && !c->r->cfg->no_login)
		return true;
	if ((safe && !h->upgrade_websocket) ||
	    site_same_origin(c->r, &c->r->site, h))
		return true;
	f = http_field_id(h, HTTP_N_ORIGIN, NULL);
	return f != NULL && app->origin_n > 0 &&
	    slice_ieq(f->value, slice_of(app->origin, app->origin_n));
}

static bool
is_worker_script(const struct http_head *h)
{
	const struct http_field *f =
	    http_field_id(h, HTTP_N_SERVICE_WORKER, NULL);

	return f != NULL && slice_ieq(f->value, SL("script"));
}

bool
ws_fields_ok(const struct http_head *h)
{
	const struct http_field *k = http_field_id(h, HTTP_N_SEC_WS_KEY, NULL);
	const struct http_field *v =
	    http_field_id(h, HTTP_N_SEC_WS_VERSION, NULL);

	return k != NULL && v != NULL && ws_key_valid(k->value) &&
	    http_field_id(h, HTTP_N_SEC_WS_KEY, k) == NULL &&
	    ws_version_valid(v->value);
}

/* What must not go to the app at all; true if it was answered. */
static bool
proxy_refuse(struct client *c, const struct http_head *h,
    const struct session *who, const struct remote *l, uint16_t app)
{
	if (c->r->site.kind == SITE_SHARED && is_worker_script(h)) {
		reply_error(c, h, 403, SL("No service workers on a site that "
		    "the app shares with the dashboard"), SL(""));
		return true;
	}
	if (c->r->phase > STOP_SETTLING) {
		reply_error(c, h, 503, SL("The relay is stopping"),
		    SL("Retry-After: 1\r\n"));
		return true;
	}
	if (l == NULL) {
		reply_error(c, h, 502, remote_lacks_app(c->r, c->r->site.app) ?
		    SL("The agent is connected, but offers no such app") :
		    SL("Tunnel not connected"), SL(""));
		return true;
	}
	if (!cross_site_ok(c, h, who, &l->apps[app])) {
		reply_foreign(c, h);
		return true;
	}
	return false;
}

static void
proxy_begin(struct client *c, struct rstream *s, const struct http_head *h,
    struct slice rest)
{
	enum err e = body_begin(c, s, h, &rest);

	s->to = h->verb == HTTP_V_HEAD ? HTTP_TO_HEAD : HTTP_TO_OTHER;
	s->navigation = site_is_navigation(h);
	s->upgrade = h->upgrade_websocket;
	s->answered = s->head_sent = false;
	s->rscan = (struct http_scan){ 0 };
	if (e != E_OK) {
		c->keep = c->body_done = false;
		proxy_client_gone(c);
		reply_fault(c, h, e == E_FULL ? 503 : 400, e);
		return;
	}
	if (c->body_done && rest.n > SMALL_BYTES) {
		/* Too much to be kept while an app thinks: what it asks for
		 * so early it may ask again on another connection. */
		rest.n = 0;
		c->keep = false;
	}
	if (!client_keep_input(c, rest))
		return;
	client_to(c, CLIENT_PROXY);
	c->wait_until_ms = 0;
	client_arm(c);
	if (c->hup)
		client_mark(c);         /* it is gone already */
	tunnel_ready(&s->ts);
}

/* May they open this app? False: answered, or the keeper is asked. */
static bool
proxy_may(struct client *c, const struct http_head *h,
    const struct session *who, const struct remote *l, uint16_t app)
{
	switch (who->id == 0 ? AUTH_YES : auth_access(c, who, l, app)) {
	case AUTH_YES:
		return true;
	case AUTH_ASKED:
		return false;
	default:
		reply_error(c, h, 403, (who->scopes & SCOPE_APPS) == 0 ?
		    SL("You may look at the dashboard, but not open apps. An "
		    "admin of this relay can change your role.") :
		    SL("This app is for named people, and you are not one of "
		    "them. An admin of this relay can add you, under "
		    "Access."), SL(""));
		return false;
	}
}

void
proxy_request(struct client *c, const struct http_head *h,
    const struct session *who, struct slice rest)
{
	struct relay *r = c->r;
	struct buf b = buf_of(r->area, AREA_BYTES);
	uint16_t app = 0;
	struct remote *l = remote_find_app(r, r->site.app, &app);
	struct rewrite w = { .site = &r->site, .session = who,
		.upgrade = h->upgrade_websocket };
	struct rstream *s;

	if (!proxy_may(c, h, who, l, app) ||
	    proxy_refuse(c, h, who, l, app))
		return;
	if (remote_parked(l)) {
		if (!client_wait(c))
			reply_error(c, h, 502, SL("Tunnel not connected"),
			    SL(""));
		return;
	}
	s = stream_for(c, l, app, who);
	if (s == NULL) {
		reply_error(c, h, 503, SL("The relay or the agent is at a "
		    "limit"), SL("Retry-After: 2\r\n"));
		return;
	}
	w.app = &l->apps[app];
	s->host_app = w.app->host_n > 0;
	if (!name_set(&s->site_host, r->site.host))
		s->host_app = false;
	c->session = who->id;
	c->person = who->person;
	c->session_expires_s = who->expires_s;
	if (!rewrite_request(&b, h, &w) || !stream_put_up(s, buf_slice(&b))) {
		proxy_client_gone(c);
		reply_error(c, h, 503, SL("The relay is at a limit"), SL(""));
		return;
	}
	proxy_begin(c, s, h, rest);
}

/* The client ended or broke in the middle of its body. */
static enum tunnel_pull
pull_gone(struct rstream *s, enum reset_code *code)
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
		return pull_gone(s, code);
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
			return pull_gone(s, code);
	}
	*n = chain_take(&s->up, &s->r->blocks, dst, max);
	if (*n == 0)
		client_mark(c);         /* so that others have their turn */
	return *n > 0 ? PULL_MORE : PULL_WAIT;
}

/* Read from the client, what is kept of it first. As io_read. */
static int64_t
ws_read(struct client *c, uint8_t *at, size_t room)
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
static enum tunnel_pull
pull_ws(struct rstream *s, uint8_t *dst, size_t max, size_t *n,
    enum reset_code *code)
{
	struct client *c = s->c;
	uint8_t area[64];
	enum err e = E_OK;

	for (int i = 0; i < PULL_READS && *n == 0; i++) {
		size_t held = ws_follow_held(&s->ws_up);
		bool tight = max < sizeof area;
		uint8_t *at = tight ? area : dst + held;
		int64_t got = ws_read(c, at, tight ? sizeof area : max - held);

		if (got <= 0)
			return got == IO_AGAIN ? PULL_WAIT : PULL_END;
		e = ws_pass(s, slice_of(at, (size_t)got), dst, max, n);
		if (e == E_FULL)
			return pull_gone(s, code);
		if (e != E_OK && e != E_WS_AFTER_CLOSE)
			break;
	}
	if (e == E_OK || e == E_WS_AFTER_CLOSE) {
		if (*n == 0)
			client_mark(c);
		return *n > 0 ? PULL_MORE : PULL_WAIT;
	}
	proxy_end_ws(c, ws_close_code(e), SL(""));
	*n += chain_take(&s->up, &s->r->blocks, dst + *n, max - *n);
	return s->up.n > 0 ? PULL_MORE : PULL_END;
}

static enum tunnel_pull
proxy_pull(void *owner, struct tunnel_stream *ts, uint8_t *dst, size_t max,
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
			up_free(s);
		return PULL_MORE;
	}
	if (s->resp == RESP_ORPHAN || c->ws_code != 0)
		return PULL_END;
	if (c->state == CLIENT_WS)
		return c->rd || c->in_n > 0 ? pull_ws(s, dst, max, n, code) :
		    PULL_WAIT;
	if (c->body_done || !c->rd || c->state != CLIENT_PROXY)
		return PULL_WAIT;
	if (c->body == HTTP_BODY_CHUNKED)
		return pull_chunked(s, dst, max, n, code);
	return pull_length(s, dst, max, n, code);
}

static void
proxy_opening(void *owner, struct tunnel_stream *ts, struct frame_open *o)
{
	static uint8_t text[ADDR_TEXT_MAX];
	struct rstream *s = ts->owner;
	struct buf b = BUF_ON(text);

	(void)owner;
	addr_put_ip(&b, &s->client);
	*o = (struct frame_open){
		.app = name_slice(&s->l->apps[s->app].name),
		.kind = s->l->apps[s->app].kind,
		.client = buf_slice(&b),
		.user = name_slice(&s->user),
		.scheme = s->secure ? SL("https") : SL("http"),
	};
}

static bool
proxy_window(void *owner, struct tunnel_stream *ts, uint32_t bytes)
{
	struct rstream *s = ts->owner;

	(void)owner;
	return s->c != NULL &&
	    client_window_out(s->c, blocks_for((size_t)bytes + HEAD_SLACK));
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
proxy_end_ws(struct client *c, uint16_t code, struct slice reason)
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

/* The frame that a Close of ours had to wait for is through. */
void
proxy_end_ws_now(struct client *c)
{
	uint16_t code = c->ws_code;

	c->ws_code = 0;
	proxy_end_ws(c, code, code == WS_CODE_POLICY ? SL("session ended") :
	    SL(""));
}

void
proxy_end_session(struct client *c)
{
	LOGF(c->r->log, LOG_INFO, "relay", "session ended",
	    log_u("conn", pool_index(&c->r->clients, c)));
	if (c->state == CLIENT_LIVE)
		live_end(c);
	else if (c->state == CLIENT_WS && c->ws_code == 0)
		proxy_end_ws(c, WS_CODE_POLICY, SL("session ended"));
	else
		client_close(c, true);
}

const struct tunnel_ops proxy_ops = {
	.hello = remote_hello,
	.confirmed = remote_confirmed,
	.opening = proxy_opening,
	.pull = proxy_pull,
	.data = answer_data,
	.end = answer_end,
	.stop = answer_stop,
	.reset = answer_reset,
	.closed = answer_closed,
	.goaway = remote_goaway,
	.window = proxy_window,
};
