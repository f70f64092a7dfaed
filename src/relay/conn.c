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
 * Nothing is freed within a call: a closed connection is CONN_DEAD and its
 * record lives until the step ends, so no caller holds a stale pointer.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"

static const uint16_t conn_edges[CONN_STATES] = {
	[CONN_IDLE] = 1 << CONN_HEAD | 1 << CONN_ASK | 1 << CONN_BODY |
	    1 << CONN_PROXY | 1 << CONN_FLUSH | 1 << CONN_DEAD,
	[CONN_HEAD] = 1 << CONN_IDLE | 1 << CONN_ASK | 1 << CONN_BODY |
	    1 << CONN_PROXY | 1 << CONN_FLUSH | 1 << CONN_DEAD,
	[CONN_ASK] = 1 << CONN_IDLE | 1 << CONN_BODY | 1 << CONN_PROXY |
	    1 << CONN_FLUSH | 1 << CONN_DEAD,
	[CONN_BODY] = 1 << CONN_IDLE | 1 << CONN_ASK | 1 << CONN_FLUSH |
	    1 << CONN_DEAD,
	[CONN_PROXY] = 1 << CONN_IDLE | 1 << CONN_WS | 1 << CONN_FLUSH |
	    1 << CONN_DEAD,
	[CONN_WS] = 1 << CONN_FLUSH | 1 << CONN_DEAD,
	[CONN_FLUSH] = 1 << CONN_LINGER | 1 << CONN_DEAD,
	[CONN_LINGER] = 1 << CONN_DEAD,
	[CONN_DEAD] = 0,
};

void
conn_to(struct conn *c, enum conn_state next)
{
	assert(next < CONN_STATES);
	if (c->state == next)
		return;
	assert((conn_edges[c->state] & 1u << next) != 0);
	c->state = (uint8_t)next;
}

void
conn_mark(struct conn *c)
{
	if (c->dirty || c->state == CONN_DEAD)
		return;
	c->dirty = true;
	c->next_dirty = c->r->dirty;
	c->r->dirty = c;
}

void
conn_new(struct relay *r, int fd, const struct addr *peer,
    struct peer *by_addr, uint16_t listen)
{
	struct conn *c = pool_take(&r->conns);

	if (c == NULL || !r->io->ops->watch(r->io->ctx, fd,
	    pool_handle(&r->conns, c))) {
		r->io->ops->close(r->io->ctx, fd, true);
		pool_give(&r->conns, c);
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
	conn_arm(c);
	conn_mark(c);
}

uint8_t *
head_take(struct relay *r, size_t n, bool *large)
{
	*large = n > SMALL_BYTES;
	if (n > LARGE_BYTES)
		return NULL;
	return pool_take(*large ? &r->large : &r->small);
}

void
head_give(struct relay *r, uint8_t *p, bool large)
{
	if (p != NULL)
		pool_give(large ? &r->large : &r->small, p);
}

/*
 * No buffer is left for a head in pieces: whoever has kept one without
 * finishing loses it, in turn. An honest head is complete within a round trip
 * or two; a thousand slow ones only evict each other.
 */
static void
evict_head(struct relay *r, const struct conn *but, bool large)
{
	for (uint32_t i = 0; i < r->conns.fresh; i++) {
		struct conn *c;

		r->evict_hand = (r->evict_hand + 1) % r->conns.fresh;
		if (!pool_live(&r->conns, r->evict_hand))
			continue;
		c = pool_at(&r->conns, r->evict_hand);
		if (c == but || c->state != CONN_HEAD || c->in == NULL ||
		    c->in_large != large)
			continue;
		conn_close(c, true);
		return;
	}
}

static uint8_t *
conn_head_take(struct conn *c, size_t n, bool *large)
{
	uint8_t *p = head_take(c->r, n, large);

	if (p == NULL && n <= LARGE_BYTES) {
		evict_head(c->r, c, *large);
		p = head_take(c->r, n, large);
	}
	return p;
}

static void
conn_drop_input(struct conn *c)
{
	head_give(c->r, c->in, c->in_large);
	c->in = NULL;
	c->in_n = 0;
}

/* conn_keep_input, but the connection stays open if it fails. */
bool
conn_try_keep(struct conn *c, struct slice s)
{
	size_t cap = c->in_large ? LARGE_BYTES : SMALL_BYTES;
	bool large;
	uint8_t *p;

	c->scan = (struct http_scan){ 0 };
	if (s.n == 0) {
		conn_drop_input(c);
		return true;
	}
	if (c->in != NULL && s.n <= cap) {
		memmove(c->in, s.p, s.n);
		c->in_n = (uint32_t)s.n;
		return true;
	}
	p = conn_head_take(c, s.n, &large);
	if (p == NULL)
		return false;
	memcpy(p, s.p, s.n);
	conn_drop_input(c);
	c->in = p;
	c->in_large = large;
	c->in_n = (uint32_t)s.n;
	return true;
}

bool
conn_keep_input(struct conn *c, struct slice s)
{
	if (conn_try_keep(c, s))
		return true;
	conn_close(c, true);
	return false;
}

bool
conn_hold(struct conn *c, enum conn_state next)
{
	if (!conn_keep_input(c, c->r->req_in))
		return false;
	conn_to(c, next);
	conn_arm(c);
	return true;
}

void
conn_close(struct conn *c, bool abort)
{
	struct relay *r = c->r;

	if (c->state == CONN_DEAD)
		return;
	if (r->gather.c == c)
		r->gather = (struct gather){ .copy = r->gather.copy };
	conn_to(c, CONN_DEAD);
	if (c->s != NULL)
		proxy_client_gone(c);
	assert(c->s == NULL);
	timer_stop(&r->timers, &c->timer);
	if (c->fd >= 0)
		r->io->ops->close(r->io->ctx, c->fd, abort);
	c->fd = -1;
	conn_drop_input(c);
	head_give(r, c->hold, false);
	c->hold = NULL;
	chain_free(&c->out, &r->blocks);
	blocks_unreserve(&r->blocks, c->out_blocks);
	c->out_blocks = 0;
	peer_drop(r, c->by_addr);
	c->next_dead = r->dead_conns;
	r->dead_conns = c;
}

/* Let `out` hold what `blocks` blocks can. */
bool
conn_reserve_out(struct conn *c, uint32_t blocks)
{
	if (blocks <= c->out_blocks)
		return true;
	if (!blocks_reserve(&c->r->blocks, blocks - c->out_blocks))
		return false;
	c->out_blocks = blocks;
	return true;
}

bool
conn_send(struct conn *c, struct slice s)
{
	int64_t n = 0;

	gather_flush(c->r);
	if (c->state == CONN_DEAD)
		return false;
	if (c->out.n == 0 && c->wr) {
		n = io_write(c->r->io, c->fd, s);
		if (n == IO_FAIL) {
			conn_close(c, true);
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
	if (!conn_reserve_out(c, blocks_for(c->out.n + s.n)) ||
	    !chain_put(&c->out, &c->r->blocks, s)) {
		conn_close(c, true);
		return false;
	}
	conn_arm(c);
	return true;
}

/* Everything was written: what comes next? */
static void
conn_drained(struct conn *c)
{
	if (c->s == NULL) {
		blocks_unreserve(&c->r->blocks, c->out_blocks);
		c->out_blocks = 0;
	}
	if (c->state == CONN_FLUSH) {
		if (!c->draining_in) {
			conn_close(c, false);
			return;
		}
		c->r->io->ops->shutdown(c->r->io->ctx, c->fd);
		c->linger_left = LINGER_BYTES;
		conn_to(c, CONN_LINGER);
		conn_arm(c);
		conn_mark(c);
	} else if (c->state == CONN_IDLE) {
		conn_arm(c);
		conn_mark(c);
	}
}

/* Write what waits, as far as the socket takes it. */
void
conn_write_more(struct conn *c)
{
	struct relay *r = c->r;
	size_t had = c->out.n;

	while (c->out.n > 0 && c->wr) {
		struct slice v[8];
		size_t k = chain_slices(&c->out, &r->blocks, v, 8);
		int64_t n = io_writev(r->io, c->fd, v, k);

		if (n == IO_FAIL) {
			conn_close(c, true);
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
	if (c->out.n == 0 && had > 0 && c->state != CONN_DEAD)
		conn_drained(c);
}

void
conn_answered(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	c->served = true;
	if (c->keep && c->body_done && !c->r->stopping) {
		conn_to(c, CONN_IDLE);
		conn_arm(c);
		conn_mark(c);
		return;
	}
	c->draining_in = !c->body_done || c->in_n > 0;
	conn_to(c, CONN_FLUSH);
	conn_arm(c);
	if (c->out.n == 0)
		conn_drained(c);
}

/* A head that no parser should see: answer, and end the connection. */
static void
conn_bad_head(struct conn *c, enum err e)
{
	struct relay *r = c->r;
	struct http_head none = { .fields = r->fields, .minor = 1 };

	LOGF(r->log, LOG_DEBUG, "relay", "request refused",
	    log_u("conn", pool_index(&r->conns, c)),
	    log_c("error", err_name(e)));
	c->keep = false;
	c->body_done = false;
	reply_error(c, &none, err_http(e),
	    slice_of(err_text(e), strlen(err_text(e))), SL(""));
}

/* DESIGN section 4: no login for it, and no identity is sent. */
static bool
app_is_public(struct relay *r)
{
	uint16_t i;
	const struct link *l = link_find_app(r, r->site.app, &i);

	return l != NULL && l->apps[i].is_public;
}

static void
conn_request(struct conn *c, const struct http_head *h)
{
	struct relay *r = c->r;
	struct slice path, rest = slice_from(r->req_in, r->req_head);
	struct session s;

	c->minor = (uint8_t)h->minor;
	c->keep = h->keep_alive;
	c->body_done = h->body == HTTP_BODY_NONE;
	if (site_find(r, c, h, &r->site) != E_OK) {
		c->keep = false;
		reply_error(c, h, 421, SL("This host is not served here"),
		    SL(""));
		return;
	}
	if (own_path(r, &r->site, h->target, &path)) {
		own_request(c, h, path, rest);
		return;
	}
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
conn_parse(struct conn *c, struct slice in)
{
	struct relay *r = c->r;
	struct http_head h = { .fields = r->fields };
	size_t used = 0;
	enum err e = http_request_parse(&h, &c->scan, in, &used);

	if (e == E_MORE) {
		if (c->in == NULL) {
			struct http_scan scan = c->scan;

			if (!conn_keep_input(c, in))
				return;
			c->scan = scan;
		}
		if (c->state == CONN_IDLE) {
			conn_to(c, CONN_HEAD);
			conn_arm(c);
		}
		return;
	}
	r->req_in = in;
	r->req_head = used;
	r->requests++;
	if (e != E_OK)
		conn_bad_head(c, e);
	else
		conn_request(c, &h);
	/* Answered at once: what follows the request is the next one. */
	if (c->state == CONN_IDLE)
		conn_keep_input(c, slice_from(r->req_in, r->req_head));
}

/* Where the next bytes go: behind what is kept, or to the scratch area. */
static uint8_t *
conn_read_place(struct conn *c, size_t *room)
{
	if (c->in == NULL) {
		*room = READ_BYTES;
		return c->r->io->scratch;
	}
	if (!c->in_large && c->in_n == SMALL_BYTES) {
		struct http_scan scan = c->scan;
		bool large;
		uint8_t *p = conn_head_take(c, LARGE_BYTES, &large);

		if (p == NULL) {
			conn_close(c, true);
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
		conn_bad_head(c, E_HTTP_HEAD_LONG);
		return NULL;
	}
	return c->in + c->in_n;
}

/* Read heads (and small bodies of our own) until there is no more. */
static void
conn_read(struct conn *c)
{
	struct relay *r = c->r;

	while (c->rd && c->out.n == 0 && (c->state == CONN_IDLE ||
	    c->state == CONN_HEAD || c->state == CONN_BODY)) {
		size_t room;
		uint8_t *p = conn_read_place(c, &room);
		int64_t n;

		if (p == NULL)
			return;
		n = io_read(r->io, c->fd, p, room);
		if (n == IO_AGAIN) {
			c->rd = false;
			return;
		}
		if (n <= 0) {
			conn_close(c, false);
			return;
		}
		c->moved_ms = r->io->now_ms;
		if (c->in != NULL) {
			c->in_n += (uint32_t)n;
			conn_parse(c, slice_of(c->in, c->in_n));
		} else {
			conn_parse(c, slice_of(p, (size_t)n));
		}
	}
}

/* Read and forget, so that the client can read our last words in peace. */
static void
conn_linger(struct conn *c)
{
	while (c->rd && c->state == CONN_LINGER) {
		int64_t n = io_read(c->r->io, c->fd, c->r->io->scratch,
		    READ_BYTES);

		if (n == IO_AGAIN) {
			c->rd = false;
		} else if (n <= 0 || (uint64_t)n >= c->linger_left) {
			conn_close(c, false);
			return;
		} else {
			c->linger_left -= (uint64_t)n;
		}
	}
}

void
conn_run(struct conn *c)
{
	if (c->out.n > 0 && c->wr)
		conn_write_more(c);
	switch (c->state) {
	case CONN_IDLE:
		if (c->in_n > 0 && c->out.n == 0)
			conn_parse(c, slice_of(c->in, c->in_n));
		conn_read(c);
		break;
	case CONN_HEAD:
	case CONN_BODY:
		conn_read(c);
		break;
	case CONN_PROXY:
	case CONN_WS:
		if (c->hup && c->state == CONN_PROXY && c->body_done)
			conn_close(c, true);
		else if (c->rd && c->s != NULL)
			stream_ready(c->s);
		break;
	case CONN_LINGER:
		conn_linger(c);
		break;
	default:
		break;
	}
}

void
conn_event(struct conn *c, uint32_t flags)
{
	if (c->state == CONN_DEAD)
		return;
	if ((flags & EV_READ) != 0)
		c->rd = true;
	if ((flags & EV_WRITE) != 0)
		c->wr = true;
	if ((flags & EV_HUP) != 0)
		c->hup = c->rd = true;
	conn_run(c);
}

/* The keeper answered what this connection waited for: the request is looked
 * at again, with the answer in r->verdict. */
void
conn_resume(struct conn *c, const struct answer *a)
{
	if (c->state != CONN_ASK || c->ask_seq != a->seq)
		return;
	c->r->verdict = a;
	conn_parse(c, slice_of(c->in, c->in_n));
	c->r->verdict = NULL;
	if (c->state == CONN_IDLE)
		conn_mark(c);
}

/* How long may nothing move in this state? TIMER_NEVER: for ever. */
static uint64_t
conn_patience(const struct conn *c)
{
	const struct relay_cfg *cfg = c->r->cfg;

	switch (c->state) {
	case CONN_IDLE:
		return c->served ? cfg->idle_ms : cfg->head_ms;
	case CONN_LINGER:
		return LINGER_MS;
	case CONN_HEAD:
	case CONN_BODY:
	case CONN_ASK:
		return cfg->head_ms;
	case CONN_PROXY:
		if (c->out.n > 0 || (!c->body_done && !c->rd))
			return cfg->progress_ms;
		if (c->s != NULL && c->s->resp == RESP_HEAD)
			return cfg->first_byte_ms;
		return TIMER_NEVER;
	case CONN_WS:
		return c->out.n > 0 ? cfg->progress_ms : TIMER_NEVER;
	default:
		return cfg->progress_ms;
	}
}

static uint64_t
session_end_ms(const struct conn *c)
{
	uint64_t wall = c->r->io->wall_ms, end = c->session_expires_s * 1000;

	if (c->s == NULL || c->session_expires_s == 0)
		return TIMER_NEVER;
	return c->r->io->now_ms + (end > wall ? end - wall : 0);
}

/*
 * A head's deadline counts from its first byte, so that a byte now and then
 * does not prolong it; all others from the last byte that moved.
 */
void
conn_arm(struct conn *c)
{
	uint64_t patience = conn_patience(c), due = TIMER_NEVER;

	if (c->state == CONN_DEAD)
		return;
	if (patience != TIMER_NEVER)
		due = c->r->io->now_ms + patience;
	due = min_u64(due, session_end_ms(c));
	if (due == TIMER_NEVER)
		timer_stop(&c->r->timers, &c->timer);
	else
		timer_set(&c->r->timers, &c->timer,
		    pool_handle(&c->r->conns, c), due);
}

static bool
conn_is_absolute(const struct conn *c)
{
	return c->state == CONN_HEAD || c->state == CONN_BODY ||
	    c->state == CONN_LINGER || c->state == CONN_ASK;
}

static void
conn_expire(struct conn *c)
{
	struct http_head none = { .fields = c->r->fields, .minor = 1 };

	LOGF(c->r->log, LOG_DEBUG, "relay", "deadline",
	    log_u("conn", pool_index(&c->r->conns, c)),
	    log_u("state", c->state));
	if (c->state == CONN_HEAD || c->state == CONN_BODY) {
		c->keep = c->body_done = false;
		reply_error(c, &none, 408, SL("The request took too long"),
		    SL(""));
	} else if (c->state == CONN_PROXY && c->s != NULL &&
	    c->s->resp == RESP_HEAD && !c->s->answered && c->out.n == 0 &&
	    (c->body_done || c->rd)) {
		proxy_client_gone(c);
		c->keep = c->body_done = false;
		reply_error(c, &none, 504, SL("The app did not answer in time"),
		    SL(""));
	} else {
		conn_close(c, c->state != CONN_IDLE);
	}
}

void
conn_timer(struct conn *c)
{
	uint64_t now = c->r->io->now_ms, patience = conn_patience(c);

	if (c->state == CONN_DEAD)
		return;
	if (session_end_ms(c) <= now) {
		proxy_end_session(c);
		return;
	}
	if (patience == TIMER_NEVER || (!conn_is_absolute(c) &&
	    now - c->moved_ms < patience)) {
		uint64_t due = patience == TIMER_NEVER ? TIMER_NEVER :
		    c->moved_ms + patience;

		due = min_u64(due, session_end_ms(c));
		if (due != TIMER_NEVER)
			timer_set(&c->r->timers, &c->timer,
			    pool_handle(&c->r->conns, c), due);
		return;
	}
	conn_expire(c);
}
