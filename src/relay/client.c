/*
 * A client's connection. It reads heads, hands each request to the relay's
 * own paths or to an app, and writes what comes back; it owns no buffer while
 * nothing is under way.
 *
 * Heads are parsed where they were read. Only what cannot be dealt with at
 * once is copied: a head that came in pieces, a request that waits for the
 * keeper, pipelined requests. Such a request is simply looked at again from its
 * first byte when more is known, so there is one path for all.
 *
 * Nothing is freed within a call: a closed connection is CLIENT_DEAD and its
 * record lives until the step ends, so no caller holds a stale pointer.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"
#include "crypto/ct.h"

static const uint16_t client_edges[CLIENT_STATES] = {
	[CLIENT_IDLE] = 1 << CLIENT_HEAD | 1 << CLIENT_ASK | 1 << CLIENT_BODY |
	    1 << CLIENT_PROXY | 1 << CLIENT_WAIT | 1 << CLIENT_FLUSH |
	    1 << CLIENT_CHANNEL | 1 << CLIENT_POLL | 1 << CLIENT_POST |
	    1 << CLIENT_LIVE | 1 << CLIENT_DEAD,
	[CLIENT_HEAD] = 1 << CLIENT_IDLE | 1 << CLIENT_ASK | 1 << CLIENT_BODY |
	    1 << CLIENT_PROXY | 1 << CLIENT_WAIT | 1 << CLIENT_FLUSH |
	    1 << CLIENT_CHANNEL | 1 << CLIENT_POLL | 1 << CLIENT_POST |
	    1 << CLIENT_LIVE | 1 << CLIENT_DEAD,
	[CLIENT_ASK] = 1 << CLIENT_IDLE | 1 << CLIENT_BODY | 1 << CLIENT_PROXY |
	    1 << CLIENT_WAIT | 1 << CLIENT_LIVE | 1 << CLIENT_FLUSH |
	    1 << CLIENT_DEAD,
	[CLIENT_WAIT] = 1 << CLIENT_IDLE | 1 << CLIENT_ASK | 1 << CLIENT_PROXY |
	    1 << CLIENT_FLUSH | 1 << CLIENT_DEAD,
	/* To an app: it came meanwhile, and has the main site now. */
	[CLIENT_BODY] = 1 << CLIENT_IDLE | 1 << CLIENT_ASK | 1 << CLIENT_PROXY |
	    1 << CLIENT_WAIT | 1 << CLIENT_LIVE | 1 << CLIENT_FLUSH |
	    1 << CLIENT_DEAD,
	[CLIENT_PROXY] = 1 << CLIENT_IDLE | 1 << CLIENT_WS | 1 << CLIENT_FLUSH |
	    1 << CLIENT_DEAD,
	[CLIENT_WS] = 1 << CLIENT_FLUSH | 1 << CLIENT_DEAD,
	[CLIENT_LIVE] = 1 << CLIENT_FLUSH | 1 << CLIENT_DEAD,
	[CLIENT_CHANNEL] = 1 << CLIENT_FLUSH | 1 << CLIENT_DEAD,
	[CLIENT_POLL] = 1 << CLIENT_IDLE | 1 << CLIENT_FLUSH |
	    1 << CLIENT_DEAD,
	[CLIENT_POST] = 1 << CLIENT_IDLE | 1 << CLIENT_FLUSH |
	    1 << CLIENT_DEAD,
	[CLIENT_FLUSH] = 1 << CLIENT_LINGER | 1 << CLIENT_DEAD,
	[CLIENT_LINGER] = 1 << CLIENT_DEAD,
	[CLIENT_DEAD] = 0,
};

void
client_to(struct client *c, enum client_state next)
{
	assert(next < CLIENT_STATES);
	if (c->state == next)
		return;
	assert((client_edges[c->state] & 1u << next) != 0);
	c->state = (uint8_t)next;
}

void
client_mark(struct client *c)
{
	if (c->dirty || c->state == CLIENT_DEAD)
		return;
	c->dirty = true;
	c->next_dirty = c->r->dirty;
	c->r->dirty = c;
}

void
client_new(struct relay *r, int fd, const struct addr *peer,
    struct peer *by_addr, uint16_t listen)
{
	struct client *c = pool_take(&r->clients);

	if (c == NULL || !r->io->ops->watch(r->io->ctx, fd,
	    pool_handle(&r->clients, c))) {
		r->io->ops->close(r->io->ctx, fd, true);
		pool_give(&r->clients, c);
		peer_drop(r, by_addr);
		return;
	}
	c->r = r;
	c->fd = fd;
	c->peer = *peer;
	c->by_addr = by_addr;
	c->listen = listen;
	c->rd = c->wr = true;
	c->moved_ms = r->io->now_ms;
	client_arm(c);
	client_mark(c);
}

void
head_give(struct relay *r, uint8_t *p, bool large)
{
	if (p != NULL)
		pool_give(large ? &r->large : &r->small, p);
}

/* Its input waits for nothing but the client: to finish, or to read. */
static bool
client_dawdles(const struct client *c)
{
	return c->in != NULL && (c->state == CLIENT_IDLE ||
	    c->state == CLIENT_HEAD || c->state == CLIENT_BODY);
}

/*
 * No buffer is left for a head in pieces: whoever has kept one without
 * finishing loses it, in turn. An honest head is complete within a round trip
 * or two; a thousand slow ones only evict each other.
 */
static void
evict_head(struct relay *r, const struct client *but, bool large)
{
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		struct client *c;

		r->evict_hand = (r->evict_hand + 1) % r->clients.fresh;
		if (!pool_live(&r->clients, r->evict_hand))
			continue;
		c = pool_at(&r->clients, r->evict_hand);
		if (c == but || !client_dawdles(c) || c->in_large != large)
			continue;
		client_close(c, true);
		return;
	}
}

uint8_t *
head_take(struct relay *r, size_t n, bool *large, const struct client *but)
{
	struct pool *pool;
	uint8_t *p;

	*large = n > SMALL_BYTES;
	if (n > LARGE_BYTES)
		return NULL;
	pool = *large ? &r->large : &r->small;
	p = pool_take(pool);
	if (p != NULL)
		return p;
	evict_head(r, but, *large);
	return pool_take(pool);
}

/* There may have been a password in it. */
static void
client_drop_input(struct client *c)
{
	if (c->in != NULL)
		wipe(c->in, c->in_n);
	head_give(c->r, c->in, c->in_large);
	c->in = NULL;
	c->in_n = 0;
}

/* client_keep_input, but the connection stays open if it fails. */
bool
client_try_keep(struct client *c, struct slice s)
{
	size_t cap = c->in_large ? LARGE_BYTES : SMALL_BYTES;
	bool large;
	uint8_t *p = NULL;

	c->scan = (struct http_scan){ 0 };
	if (s.n == 0) {
		client_drop_input(c);
		return true;
	}
	/* There are few large ones: none for what fits a small one. */
	if (c->in != NULL && c->in_large && s.n <= SMALL_BYTES)
		p = pool_take(&c->r->small);
	large = false;
	if (p == NULL && c->in != NULL && s.n <= cap) {
		memmove(c->in, s.p, s.n);
		if (s.n < c->in_n)
			wipe(c->in + s.n, c->in_n - s.n);
		c->in_n = (uint32_t)s.n;
		return true;
	}
	if (p == NULL)
		p = head_take(c->r, s.n, &large, c);
	if (p == NULL)
		return false;
	memcpy(p, s.p, s.n);
	client_drop_input(c);
	c->in = p;
	c->in_large = large;
	c->in_n = (uint32_t)s.n;
	return true;
}

bool
client_keep_input(struct client *c, struct slice s)
{
	if (client_try_keep(c, s))
		return true;
	client_close(c, true);
	return false;
}

bool
client_hold(struct client *c, enum client_state next)
{
	if (!client_keep_input(c, c->r->req_in))
		return false;
	client_to(c, next);
	client_arm(c);
	return true;
}

/* Half of the buffers stay for heads that come in pieces. */
bool
client_wait(struct client *c)
{
	struct relay *r = c->r;
	struct pool *pool = r->req_in.n > SMALL_BYTES ? &r->large : &r->small;

	if (c->wait_until_ms == 0)
		c->wait_until_ms = r->io->now_ms + AGENT_WAIT_MS;
	if (r->io->now_ms >= c->wait_until_ms || r->stopping ||
	    (c->in == NULL && pool->used >= pool->cap / 2) ||
	    !client_try_keep(c, r->req_in)) {
		c->wait_until_ms = 0;
		return false;
	}
	client_to(c, CLIENT_WAIT);
	client_arm(c);
	return true;
}

void
client_close(struct client *c, bool abort)
{
	struct relay *r = c->r;

	if (c->state == CLIENT_DEAD)
		return;
	live_gone(c);
	if (r->gather.c == c)
		r->gather = (struct gather){ .copy = r->gather.copy };
	client_to(c, CLIENT_DEAD);
	if (c->s != NULL)
		proxy_client_gone(c);
	assert(c->s == NULL);
	sock_gone(c);
	watch_gone(c);
	timer_stop(&r->timers, &c->timer);
	if (c->fd >= 0)
		r->io->ops->close(r->io->ctx, c->fd, abort);
	c->fd = -1;
	client_drop_input(c);
	if (c->hold != NULL)
		wipe(c->hold, c->hold_n);
	head_give(r, c->hold, false);
	c->hold = NULL;
	chain_free(&c->out, &r->blocks);
	blocks_unreserve(&r->blocks, c->out_blocks);
	c->out_blocks = 0;
	peer_drop(r, c->by_addr);
	c->next_dead = r->dead_clients;
	r->dead_clients = c;
}

/* Let `out` hold what `blocks` blocks can. */
bool
client_reserve_out(struct client *c, uint32_t blocks)
{
	if (blocks <= c->out_blocks)
		return true;
	if (!blocks_reserve(&c->r->blocks, blocks - c->out_blocks))
		return false;
	c->out_blocks = blocks;
	return true;
}

bool
client_window_out(struct client *c, uint32_t blocks)
{
	uint32_t need = blocks_for(c->out.n);

	if (blocks >= c->out_blocks)
		return client_reserve_out(c, blocks);
	blocks = blocks > need ? blocks : need;
	if (blocks < c->out_blocks) {
		blocks_unreserve(&c->r->blocks, c->out_blocks - blocks);
		c->out_blocks = blocks;
	}
	return true;
}

bool
client_send(struct client *c, struct slice s)
{
	int64_t n = 0;

	gather_flush(c->r);
	if (c->state == CLIENT_DEAD)
		return false;
	if (s.n == 0)
		return true;
	if (c->out.n == 0 && c->wr) {
		n = io_write(c->r->io, c->fd, s);
		if (n == IO_FAIL) {
			client_close(c, true);
			return false;
		}
		if (n == IO_AGAIN) {
			c->wr = false;
			n = 0;
		}
		if (n > 0)
			c->moved_ms = c->r->io->now_ms;
	}
	s = slice_from(s, (size_t)n);
	if (s.n == 0)
		return true;
	if (!client_reserve_out(c, blocks_for(c->out.n + s.n)) ||
	    !chain_put(&c->out, &c->r->blocks, s)) {
		client_close(c, true);
		return false;
	}
	client_arm(c);
	if (c->wr)
		client_mark(c); /* a short write: no event will come */
	return true;
}

/* Without a stream, and with nothing to write, no block is needed. */
void
client_release_out(struct client *c)
{
	if (c->s != NULL || c->out.n > 0)
		return;
	blocks_unreserve(&c->r->blocks, c->out_blocks);
	c->out_blocks = 0;
}

/* To close with bytes unread would be a reset, and could cost the client the
 * end of our answer. */
static bool
client_has_more(struct client *c)
{
	uint8_t area[512];
	int64_t n;

	if (c->draining_in || !c->rd)
		return c->draining_in;
	n = io_read(c->r->io, c->fd, area, sizeof area);
	if (n == IO_AGAIN)
		c->rd = false;
	return n > 0;
}

/* Everything was written: what comes next? */
static void
client_drained(struct client *c)
{
	client_release_out(c);
	if (c->state == CLIENT_FLUSH) {
		if (!client_has_more(c)) {
			client_close(c, false);
			return;
		}
		c->r->io->ops->shutdown(c->r->io->ctx, c->fd);
		c->linger_left += LINGER_BYTES;
		client_to(c, CLIENT_LINGER);
		client_arm(c);
		client_mark(c);
	} else if (c->state == CLIENT_IDLE) {
		client_arm(c);
		client_mark(c);
	}
}

/* Write what waits, as far as the socket takes it. */
void
client_write_more(struct client *c)
{
	struct relay *r = c->r;
	size_t had = c->out.n;

	while (c->out.n > 0 && c->wr) {
		struct slice v[8];
		size_t k = chain_slices(&c->out, &r->blocks, v, 8);
		int64_t n = io_writev(r->io, c->fd, v, k);

		if (n == IO_FAIL) {
			client_close(c, true);
			return;
		}
		if (n == IO_AGAIN) {
			c->wr = false;
			break;
		}
		chain_drop(&c->out, &r->blocks, (size_t)n);
		c->moved_ms = r->io->now_ms;
	}
	if (c->out.n < had && c->s != NULL)
		proxy_drained(c);
	if (c->out.n == 0 && had > 0 && c->state != CLIENT_DEAD)
		client_drained(c);
}

void
client_answered(struct client *c)
{
	if (c->state == CLIENT_DEAD)
		return;
	c->served = true;
	c->wait_until_ms = 0;
	if (c->keep && c->body_done && !c->r->stopping) {
		client_to(c, CLIENT_IDLE);
		client_arm(c);
		client_mark(c);
		return;
	}
	c->draining_in = !c->body_done || c->in_n > 0;
	client_to(c, CLIENT_FLUSH);
	client_arm(c);
	client_mark(c);
	if (c->out.n == 0)
		client_drained(c);
}

/* A head that no parser should see: answer, and end the connection. */
static void
client_bad_head(struct client *c, enum err e)
{
	struct relay *r = c->r;
	struct http_head none = { .fields = r->fields, .minor = 1 };

	LOGF(r->log, LOG_DEBUG, "relay", "request refused",
	    log_u("conn", pool_index(&r->clients, c)),
	    log_c("error", err_name(e)));
	c->keep = false;
	c->body_done = false;
	reply_fault(c, &none, err_http(e), e);
}

/* After a takeover: the app's agent is on its way here. */
static bool
wait_expected(struct client *c)
{
	struct relay *r = c->r;
	uint16_t i;

	return r->io->now_ms < r->expect_ms && r->verdict == NULL &&
	    r->site.app.n > 0 &&
	    remote_find_app(r, r->site.app, &i) == NULL && client_wait(c);
}

/* DESIGN section 4: no login for it, and no identity is sent. */
static bool
app_is_public(struct relay *r)
{
	uint16_t i;
	const struct remote *l = remote_find_app(r, r->site.app, &i);

	return l != NULL && l->apps[i].is_public;
}

static void
client_request(struct client *c, const struct http_head *h)
{
	struct relay *r = c->r;
	struct slice path, rest = slice_from(r->req_in, r->req_head);
	struct session s;

	c->minor = (uint8_t)h->minor;
	c->keep = h->keep_alive;
	c->body_done = h->body == HTTP_BODY_NONE;
	c->hsts = false;
	if (r->cfg->listens[c->listen].kind == LISTEN_REDIRECT) {
		page_to_https(c, h);
		return;
	}
	if (site_find(r, c, h, &r->site) != E_OK) {
		c->keep = false;
		reply_error(c, h, 421, SL("This host is not served here"),
		    SL(""));
		return;
	}
	c->hsts = site_wants_hsts(r, c, &r->site);
	if (own_path(r, &r->site, h->target, &path)) {
		own_request(c, h, path, rest);
		return;
	}
	if (r->mode == RELAY_SETUP) {
		own_first_run(c, h);
		return;
	}
	if (r->site.kind == SITE_APP && r->site.app.n == 0) {
		reply_error(c, h, 404, SL("No app has this port"), SL(""));
		return;
	}
	if (h->upgrade_websocket &&
	    (!ws_fields_ok(h) || rest.n > SMALL_BYTES)) {
		c->keep = false;
		reply_error(c, h, 400, SL("Not a WebSocket handshake of "
		    "version 13"), SL("Sec-WebSocket-Version: 13\r\n"));
		return;
	}
	if (wait_expected(c))
		return;
	if (app_is_public(r)) {
		s = (struct session){ .ok = true };
		proxy_request(c, h, &s, rest);
		return;
	}
	switch (auth_request(c, h, &r->site, &s)) {
	case AUTH_ASKED:
		return;
	case AUTH_NO:
		auth_refuse(c, h, false);
		return;
	case AUTH_BAD:
		auth_refuse(c, h, true);
		return;
	case AUTH_YES:
		proxy_request(c, h, &s, rest);
	}
}

/* Look at the bytes of a request, as many as there are. */
static void
client_parse(struct client *c, struct slice in)
{
	struct relay *r = c->r;
	struct http_head h = { .fields = r->fields };
	size_t used = 0;
	enum err e = http_request_parse(&h, &c->scan, in, &used);

	if (e == E_MORE) {
		if (c->in == NULL) {
			struct http_scan scan = c->scan;

			if (!client_keep_input(c, in))
				return;
			c->scan = scan;
		}
		if (c->state == CLIENT_IDLE) {
			client_to(c, CLIENT_HEAD);
			client_arm(c);
		}
		return;
	}
	r->req_in = in;
	r->req_head = used;
	r->requests++;
	if (e != E_OK)
		client_bad_head(c, e);
	else
		client_request(c, &h);
	/* Answered at once: what follows the request is the next one. */
	if (c->state == CLIENT_IDLE)
		client_keep_input(c, slice_from(r->req_in, r->req_head));
}

/* Where the next bytes go: behind what is kept, or to the scratch area. */
static uint8_t *
client_read_place(struct client *c, size_t *room)
{
	if (c->in == NULL) {
		*room = READ_BYTES;
		return c->r->io->scratch;
	}
	if (!c->in_large && c->in_n == SMALL_BYTES) {
		struct http_scan scan = c->scan;
		bool large;
		uint8_t *p = head_take(c->r, LARGE_BYTES, &large, c);

		if (p == NULL) {
			client_close(c, true);
			return NULL;
		}
		memcpy(p, c->in, c->in_n);
		head_give(c->r, c->in, false);
		c->in = p;
		c->in_large = true;
		c->scan = scan;
	}
	*room = (c->in_large ? LARGE_BYTES : SMALL_BYTES) - c->in_n;
	if (*room == 0) {
		client_bad_head(c, E_HTTP_HEAD_LONG);
		return NULL;
	}
	return c->in + c->in_n;
}

/*
 * Read heads (and small bodies of our own) until there is no more, or until a
 * request was answered: the next one has to wait for its turn (the mark).
 */
static void
client_read(struct client *c)
{
	struct relay *r = c->r;

	while (c->rd && !c->dirty && c->out.n == 0 &&
	    (c->state == CLIENT_IDLE || c->state == CLIENT_HEAD ||
	    c->state == CLIENT_BODY)) {
		size_t room;
		uint8_t *p = client_read_place(c, &room);
		int64_t n;

		if (p == NULL)
			return;
		n = io_read(r->io, c->fd, p, room);
		if (n == IO_AGAIN) {
			c->rd = false;
			return;
		}
		if (n <= 0) {
			client_close(c, false);
			return;
		}
		c->moved_ms = r->io->now_ms;
		if (c->in != NULL) {
			c->in_n += (uint32_t)n;
			if (c->state != CLIENT_BODY || c->in_n >= c->body_left)
				client_parse(c, slice_of(c->in, c->in_n));
		} else {
			client_parse(c, slice_of(p, (size_t)n));
		}
	}
}

/* Read and forget, so that the client can read our last words in peace. */
static void
client_linger(struct client *c)
{
	while (c->rd && c->state == CLIENT_LINGER) {
		int64_t n = io_read(c->r->io, c->fd, c->r->io->scratch,
		    READ_BYTES);

		if (n == IO_AGAIN) {
			c->rd = false;
		} else if (n <= 0 || (uint64_t)n >= c->linger_left) {
			client_close(c, false);
			return;
		} else {
			c->linger_left -= (uint64_t)n;
		}
	}
}

void
client_run(struct client *c)
{
	if (c->out.n > 0 && c->wr)
		client_write_more(c);
	switch (c->state) {
	case CLIENT_IDLE:
		if (c->in_n > 0 && c->out.n == 0)
			client_parse(c, slice_of(c->in, c->in_n));
		client_read(c);
		if (c->r->stopping && stop_rests(c))
			client_close(c, false);
		break;
	case CLIENT_FLUSH:
		client_drop_input(c);
		break;
	case CLIENT_HEAD:
	case CLIENT_BODY:
		client_read(c);
		break;
	case CLIENT_PROXY:
	case CLIENT_WS:
		/* It wants no answer, or will not send all of its body. */
		if (c->hup && c->state == CLIENT_PROXY)
			client_close(c, true);
		else if (c->rd && c->s != NULL)
			stream_ready(c->s);
		break;
	case CLIENT_POLL:
		if (c->woken && !c->hup)
			client_poll(c);
		/* FALLTHROUGH */
	case CLIENT_WAIT:
		if (c->hup)
			client_close(c, true);
		break;
	case CLIENT_CHANNEL:
		sock_run(c);
		break;
	case CLIENT_POST:
		watch_body(c);
		break;
	case CLIENT_LINGER:
		client_drop_input(c);
		client_linger(c);
		break;
	case CLIENT_LIVE:
		client_drop_input(c);
		live_read(c);
		break;
	default:
		break;
	}
}

void
client_event(struct client *c, uint32_t flags)
{
	if (c->state == CLIENT_DEAD)
		return;
	if ((flags & EV_READ) != 0)
		c->rd = true;
	if ((flags & EV_WRITE) != 0)
		c->wr = true;
	if ((flags & EV_HUP) != 0)
		c->hup = c->rd = true;
	client_run(c);
}

/* The keeper answered what this connection waited for: the request is looked
 * at again, with the answer in r->verdict. */
void
client_resume(struct client *c, const struct answer *a)
{
	if (a->kind == ASK_CHANNEL_KEY) {
		if (c->state == CLIENT_CHANNEL)
			sock_answer(c, a);
		return;
	}
	if (c->state != CLIENT_ASK)
		auth_rechecked(c, a);
	if (c->state != CLIENT_ASK || c->ask_seq != a->seq)
		return;
	c->r->verdict = a;
	client_parse(c, slice_of(c->in, c->in_n));
	c->r->verdict = NULL;
	if (c->state == CLIENT_IDLE)
		client_mark(c);
}

void
client_retry(struct client *c)
{
	if (c->state != CLIENT_WAIT)
		return;
	client_parse(c, slice_of(c->in, c->in_n));
	if (c->state == CLIENT_IDLE)
		client_mark(c);
}

void
client_poll(struct client *c)
{
	c->woken = false;
	watch_gone(c);
	client_parse(c, slice_of(c->in, c->in_n));
	if (c->state == CLIENT_IDLE)
		client_mark(c);
}

/* How long may nothing move in this state? TIMER_NEVER: for ever. */
static uint64_t
client_patience(const struct client *c)
{
	const struct relay_cfg *cfg = c->r->cfg;

	switch (c->state) {
	case CLIENT_IDLE:
		if (c->out.n > 0)
			return cfg->progress_ms;
		return c->r->stopping ? SETTLE_MS : c->served ? cfg->idle_ms :
		    cfg->head_ms;
	case CLIENT_LINGER:
		return LINGER_MS;
	case CLIENT_HEAD:
	case CLIENT_BODY:
		return cfg->head_ms;
	case CLIENT_ASK:
		return ASK_MS;
	case CLIENT_WAIT:
		return c->wait_until_ms - min_u64(c->wait_until_ms,
		    c->r->io->now_ms);
	case CLIENT_PROXY:
		if (c->out.n > 0 || (!c->body_done && !c->rd))
			return cfg->progress_ms;
		if (c->s != NULL && c->s->resp == RESP_HEAD)
			return cfg->first_byte_ms;
		return TIMER_NEVER;
	case CLIENT_LIVE:
		return c->out.n > 0 ? cfg->progress_ms : LIVE_BEAT_MS;
	case CLIENT_WS:
		if (c->hup)
			return ORPHAN_MS;
		return c->out.n > 0 ? cfg->progress_ms : TIMER_NEVER;
	default:
		return cfg->progress_ms;
	}
}

static uint64_t
session_end_ms(const struct client *c)
{
	uint64_t wall = c->r->io->wall_ms, end = c->session_expires_s * 1000;

	if ((c->state != CLIENT_PROXY && c->state != CLIENT_WS &&
	    c->state != CLIENT_LIVE) || c->session_expires_s == 0)
		return TIMER_NEVER;
	return c->r->io->now_ms + (end > wall ? end - wall : 0);
}

/*
 * A head's deadline counts from its first byte, so that a byte now and then
 * does not prolong it; all others from the last byte that moved.
 */
void
client_arm(struct client *c)
{
	uint64_t patience = client_patience(c), due = TIMER_NEVER;

	if (c->state == CLIENT_DEAD)
		return;
	if (patience != TIMER_NEVER)
		due = c->r->io->now_ms + patience;
	if (c->state == CLIENT_CHANNEL)
		due = sock_due(c);
	else if (c->state == CLIENT_POLL || c->state == CLIENT_POST)
		due = watch_due(c);
	due = min_u64(due, session_end_ms(c));
	if (due == TIMER_NEVER)
		timer_stop(&c->r->timers, &c->timer);
	else
		timer_set(&c->r->timers, &c->timer,
		    pool_handle(&c->r->clients, c), due);
}

static bool
client_is_absolute(const struct client *c)
{
	return c->state == CLIENT_HEAD || c->state == CLIENT_BODY ||
	    c->state == CLIENT_LINGER || c->state == CLIENT_ASK ||
	    c->state == CLIENT_WAIT;
}

static void
client_expire(struct client *c)
{
	struct http_head none = { .fields = c->r->fields, .minor = 1 };

	LOGF(c->r->log, LOG_DEBUG, "relay", "deadline",
	    log_u("conn", pool_index(&c->r->clients, c)),
	    log_u("state", c->state));
	if (c->state == CLIENT_LIVE && c->out.n == 0) {
		live_beat(c);
	} else if (c->state == CLIENT_WAIT) {
		client_retry(c);        /* it is told that nobody came */
	} else if (c->state == CLIENT_HEAD || c->state == CLIENT_BODY) {
		c->keep = c->body_done = false;
		reply_error(c, &none, 408, SL("The request took too long"),
		    SL(""));
	} else if (c->state == CLIENT_ASK) {
		c->keep = c->body_done = false;
		reply_error(c, &none, 503, SL("The relay is busy"),
		    SL("Retry-After: 2\r\n"));
	} else if (c->state == CLIENT_PROXY && c->s != NULL &&
	    c->s->resp == RESP_HEAD && c->out.n == 0 &&
	    (c->body_done || c->rd)) {
		c->keep = false;
		answer_fail(c, 504, SL("The app did not answer in time"));
	} else {
		client_close(c, c->state != CLIENT_IDLE || c->out.n > 0);
	}
}

void
client_timer(struct client *c)
{
	uint64_t now = c->r->io->now_ms, patience = client_patience(c);

	if (c->state == CLIENT_DEAD)
		return;
	if (c->state == CLIENT_CHANNEL) {
		sock_timer(c);
		return;
	}
	if (c->state == CLIENT_POLL || c->state == CLIENT_POST) {
		watch_timer(c);
		return;
	}
	if (session_end_ms(c) <= now) {
		proxy_end_session(c);
		return;
	}
	if (patience == TIMER_NEVER || (!client_is_absolute(c) &&
	    now - c->moved_ms < patience)) {
		uint64_t due = patience == TIMER_NEVER ? TIMER_NEVER :
		    c->moved_ms + patience;

		due = min_u64(due, session_end_ms(c));
		if (due != TIMER_NEVER)
			timer_set(&c->r->timers, &c->timer,
			    pool_handle(&c->r->clients, c), due);
		return;
	}
	client_expire(c);
}
