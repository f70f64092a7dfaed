/*
 * What the agent's tests need around it: a relay made of the tunnel engine in
 * its relay role, with a handshake that a test can spoil, and an app with a few
 * manners. Both are programs of the virtual world. Every byte that passes a
 * stream is pattern(its offset), so that any loss, doubling or swap shows.
 */
#ifndef ADIT_TESTS_AGENT_RIG_H
#define ADIT_TESTS_AGENT_RIG_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../sim/world.h"
#include "agent/agent.h"
#include "agent/inside.h"
#include "base/num.h"
#include "codec/http1.h"
#include "crypto/wsaccept.h"
#include "tunnel/engine.h"
#include "tunnel/hello.h"

#define RELAY_IP "192.0.2.1"
#define RELAY_AT RELAY_IP ":4000"
#define TUNNEL_ID "Z6q62aKz-F96"

enum { RIG_BLOCKS = 2048, RIG_STREAMS = 512, RIG_HASH = 1024, RIG_APPS = 16 };

static inline uint8_t
pattern(uint64_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) * 13 + 1);
}

/* ---- the relay ---- */

struct rstream {
	struct tunnel_stream s;
	struct rstream *next;
	const char *app;
	uint64_t out_n, out_max;        /* sent, to be sent */
	bool out_end;                   /* and then END */
	uint64_t in_n, unread;
	bool hold;                      /* consume nothing */
	bool in_bad, in_end, closed, was_reset, stopped;
	enum reset_code code;
};

struct rconn {
	struct relay_sim *r;
	struct rconn *next;
	int fd;                         /* -1: closed */
	unsigned serial;
	bool rd, wr, has_tunnel, confirmed, eof, broken, answered;
	uint64_t came_ms, answer_ms;    /* the head was whole at */
	char head[8192];
	size_t nhead, out_n, out_done;
	char out[20000];                /* the handshake's answer */
	bool start, had_id, gone_away;
	char name[32];
	size_t napps;
	char apps[RIG_APPS][128];       /* name|host|origin|public */
	struct tunnel_limits limits;
	struct tunnel t;
	struct tunnel_stream *hash[RIG_HASH];
	enum err err;
	struct rstream *streams;
	char session[HELLO_SESSION_CHARS];
	uint64_t attempt, received;     /* of the latest `resume` */
	struct rconn *resumes;          /* it is good: that one */
};

struct relay_sim {
	struct world *w;
	struct world_host *host;
	int listen;
	/* How it answers; "%A" becomes the right accept value. NULL: right. */
	const char *answer;
	size_t answer_n;                /* 0: its strlen */
	bool hang_up;                   /* close behind the answer */
	bool dribble;                   /* the answer byte by byte, 1 ms each */
	uint32_t answer_after_ms;
	bool no_welcome;
	const char *welcome;            /* instead of the right one */
	const char *tunnel_id;
	bool resumes;                   /* it keeps sessions that are cut */
	const char *refuse;             /* how it answers `resume` instead */
	unsigned nasked, nresumed;
	struct blocks blocks;
	struct arena arena;
	struct rconn *conns;            /* the latest first */
	unsigned nconns;
};

static struct rconn *
rconn_of(const struct relay_sim *r, unsigned serial)
{
	struct rconn *c = r->conns;

	while (c != NULL && c->serial != serial)
		c = c->next;
	return c;
}

static const uint8_t session_secret[HELLO_SECRET_BYTES] = "a secret";

/* Is it one of ours, and proved to be? */
static void
relay_resume(struct rconn *c, const struct hello *h)
{
	struct relay_sim *r = c->r;
	uint8_t proof[HELLO_PROOF_BYTES], area[100];
	struct buf b = BUF_ON(area);
	struct rconn *o = r->conns;
	const char *code = r->refuse;

	r->nasked++;
	assert(!h->start);
	while (o != NULL && (o == c || !o->has_tunnel ||
	    !slice_eq(slice_of(o->session, sizeof o->session), h->session)))
		o = o->next;
	if (code == NULL && (o == NULL || !r->resumes))
		code = "unknown-session";
	assert(hello_proof(proof, session_secret, h->session, h->attempt,
	    h->received) == E_OK);
	assert(memcmp(proof, h->proof, sizeof proof) == 0);
	assert(o == NULL || h->attempt > o->attempt);
	if (o != NULL)
		o->attempt = h->attempt;
	if (code == NULL) {
		c->resumes = o;
		c->received = h->received;
		return;
	}
	assert(refused_put(&b, slice_of(code, strlen(code))));
	assert(tunnel_text(&c->t, buf_slice(&b)) == E_OK);
	tunnel_close(&c->t, CLOSE_REFUSED);
}

static void
relay_hello(void *owner, struct slice json)
{
	struct rconn *c = owner;
	static struct hello h;
	uint8_t area[2048];
	struct buf b = BUF_ON(area);
	struct welcome w = {
		.tunnel_id = slice_of(c->r->tunnel_id, 12),
		.session = slice_of(c->session, sizeof c->session),
		.nurls = 2,
		.urls = { SL("http://relay.test/"), SL("http://web.test/") },
	};

	assert(hello_parse(&h, json) == E_OK);
	snprintf(c->name, sizeof c->name, "%.*s", (int)h.name.n,
	    (const char *)h.name.p);
	c->start = h.start;
	c->had_id = h.tunnel_id.n > 0;
	c->napps = h.napps;
	c->limits = h.limits;
	for (size_t i = 0; i < h.napps; i++)
		snprintf(c->apps[i], sizeof c->apps[i], "%.*s|%.*s|%.*s|%d",
		    (int)h.apps[i].name.n, (const char *)h.apps[i].name.p,
		    (int)h.apps[i].host.n, (const char *)h.apps[i].host.p,
		    (int)h.apps[i].origin.n, (const char *)h.apps[i].origin.p,
		    h.apps[i].is_public);
	if (c->r->no_welcome)
		return;
	if (h.resume && c->r->welcome == NULL) {
		relay_resume(c, &h);
		return;
	}
	memset(c->session, 'A', sizeof c->session);
	c->session[0] = (char)('A' + c->serial % 26);
	c->session[1] = (char)('A' + c->serial / 26 % 26);
	memcpy(w.secret, session_secret, sizeof w.secret);
	if (c->r->welcome != NULL) {
		assert(tunnel_text(&c->t, slice_of(c->r->welcome,
		    strlen(c->r->welcome))) == E_OK);
		return;
	}
	w.limits = (struct tunnel_limits){
		tunnel_streams_limit(&c->t, h.limits.streams),
		WINDOW_INITIAL, (RIG_STREAMS + 1) * WINDOW_INITIAL };
	assert(welcome_put(&b, &w));
	assert(tunnel_welcome(&c->t, buf_slice(&b), &h.limits) == E_OK);
}

static void
relay_confirmed(void *owner)
{
	struct rconn *c = owner;

	c->confirmed = true;
}

static void
relay_opening(void *owner, struct tunnel_stream *s, struct frame_open *o)
{
	struct rstream *rs = s->owner;

	(void)owner;
	*o = (struct frame_open){ .kind = APP_HTTP,
		.app = slice_of(rs->app, strlen(rs->app)),
		.client = SL("198.51.100.7"), .scheme = SL("https") };
}

static enum tunnel_pull
relay_pull(void *owner, struct tunnel_stream *s, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code)
{
	struct rstream *rs = s->owner;

	(void)owner;
	(void)code;
	*n = (size_t)min_u64(max, rs->out_max - rs->out_n);
	for (size_t i = 0; i < *n; i++)
		dst[i] = pattern(rs->out_n++);
	if (rs->out_n < rs->out_max)
		return PULL_MORE;
	return rs->out_end ? PULL_END : PULL_WAIT;
}

static void
relay_data(void *owner, struct tunnel_stream *s, uint8_t *p, size_t n)
{
	struct rconn *c = owner;
	struct rstream *rs = s->owner;

	for (size_t i = 0; i < n; i++) {
		if (p[i] != pattern(rs->in_n++))
			rs->in_bad = true;
	}
	rs->unread += n;
	if (!rs->hold) {
		tunnel_consumed(s, (size_t)rs->unread, world_now(c->r->w));
		rs->unread = 0;
	}
}

static void
relay_end(void *owner, struct tunnel_stream *s)
{
	struct rstream *rs = s->owner;

	(void)owner;
	rs->in_end = true;
}

static void
relay_stopped(void *owner, struct tunnel_stream *s)
{
	struct rstream *rs = s->owner;

	(void)owner;
	rs->stopped = true;
}

static void
relay_was_reset(void *owner, struct tunnel_stream *s, enum reset_code code)
{
	struct rstream *rs = s->owner;

	(void)owner;
	rs->was_reset = true;
	rs->code = code;
}

static void
relay_closed(void *owner, struct tunnel_stream *s)
{
	struct rstream *rs = s->owner;

	(void)owner;
	rs->closed = true;
}

static void
relay_goaway(void *owner, enum goaway_reason reason, uint32_t deadline_ms)
{
	struct rconn *c = owner;

	(void)reason;
	(void)deadline_ms;
	c->gone_away = true;
}

static const struct tunnel_ops relay_sim_ops = {
	.hello = relay_hello, .confirmed = relay_confirmed,
	.opening = relay_opening, .pull = relay_pull, .data = relay_data,
	.end = relay_end, .stop = relay_stopped, .reset = relay_was_reset,
	.closed = relay_closed, .goaway = relay_goaway,
};

static void
rconn_forget(struct rconn *c)
{
	if (c->has_tunnel)
		tunnel_free(&c->t, RESET_BROKEN);
	c->has_tunnel = false;
}

static void
rconn_close(struct rconn *c, bool abort_it)
{
	const struct io *io = world_io(c->r->host);

	if (c->fd < 0)
		return;
	io->ops->close(io->ctx, c->fd, abort_it);
	c->fd = -1;
	if (c->has_tunnel && tunnel_park(&c->t, world_now(c->r->w)))
		return;
	rconn_forget(c);
}

/* To the front of the list, or to its end. */
static void
move_conn(struct relay_sim *r, struct rconn *c, bool front)
{
	struct rconn **at = &r->conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	for (at = &r->conns; *at != NULL && !front;)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
}

/* The agent's new connection c is the one of the session o. */
static void
rconn_resume(struct rconn *c, const struct io *io)
{
	struct relay_sim *r = c->r;
	struct rconn *o = c->resumes;
	uint8_t area[2048];
	struct buf b = BUF_ON(area);
	struct welcome w = {
		.tunnel_id = slice_of(r->tunnel_id, 12), .resumed = true,
		.session = slice_of(o->session, sizeof o->session),
		.limits = { RIG_STREAMS, WINDOW_INITIAL,
		    (RIG_STREAMS + 1) * WINDOW_INITIAL },
	};

	c->resumes = NULL;
	if (o->fd >= 0)
		rconn_close(o, true);
	if (!o->has_tunnel)
		return;
	w.received = tunnel_received(&o->t);
	w.limits.streams = o->limits.streams < RIG_STREAMS ?
	    o->limits.streams : RIG_STREAMS;
	assert(welcome_put(&b, &w));
	o->fd = c->fd;
	c->fd = -1;
	o->came_ms = c->came_ms;
	o->eof = o->broken = false;
	o->rd = o->wr = true;
	io->ops->watch(io->ctx, o->fd, (handle)o->serial + 1);
	assert(tunnel_resume(&o->t, &c->t, buf_slice(&b), c->received,
	    io->now_ms) == E_OK);
	rconn_forget(c);
	r->nresumed++;
	/* c is nobody any more; the first is the one that serves. */
	move_conn(r, c, false);
	if (tunnel_state(&o->t) == TUNNEL_LIVE)
		move_conn(r, o, true);
}

/* The answer to the handshake, as the test wants it. */
static void
rconn_answer(struct rconn *c)
{
	struct http_head h = { .fields = (struct http_field[HTTP_FIELDS_MAX]){
		{ .id = HTTP_N_OTHER } } };
	struct http_scan scan = { 0 };
	const struct http_field *key;
	const char *a = c->r->answer;
	size_t used, n;
	uint8_t accept[WSACCEPT_BYTES];

	assert(http_request_parse(&h, &scan, slice_of(c->head, c->nhead),
	    &used) == E_OK && used == c->nhead);
	key = http_field_id(&h, HTTP_N_SEC_WS_KEY, NULL);
	assert(key != NULL && ws_key_valid(key->value));
	wsaccept(accept, key->value);
	if (a == NULL)
		a = "HTTP/1.1 101 Switching Protocols\r\n"
		    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		    "Sec-WebSocket-Accept: %A\r\n"
		    "Sec-WebSocket-Protocol: adit.tunnel.1\r\n\r\n";
	n = c->r->answer_n > 0 ? c->r->answer_n : strlen(a);
	assert(n < sizeof c->out - WSACCEPT_BYTES);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && a[i] == '%' && a[i + 1] == 'A') {
			memcpy(c->out + c->out_n, accept, WSACCEPT_BYTES);
			c->out_n += WSACCEPT_BYTES;
			i++;
		} else {
			c->out[c->out_n++] = a[i];
		}
	}
	c->answer_ms = world_now(c->r->w) + c->r->answer_after_ms;
}

static void
rconn_tunnel(struct rconn *c)
{
	struct tunnel_cfg cfg = {
		.role = TUNNEL_RELAY, .ops = &relay_sim_ops, .owner = c,
		.blocks = &c->r->blocks, .log = world_log(c->r->w),
		.ours = { RIG_STREAMS, WINDOW_INITIAL,
		    (RIG_STREAMS + 1) * WINDOW_INITIAL },
		.ring_max = 1024 * 1024, .hello_ms = HELLO_DEADLINE_MS,
		.grace_ms = c->r->resumes ? GRACE_MS : 0,
		.seed = 1, .hash = c->hash, .hash_n = RIG_HASH,
	};

	assert(tunnel_init(&c->t, &cfg, world_now(c->r->w)) == E_OK);
	c->has_tunnel = true;
}

/* Before the tunnel: take the request, give the answer. */
static void
rconn_handshake(struct rconn *c, const struct io *io)
{
	while (c->rd && c->answer_ms == 0) {
		int64_t n = io_read(io, c->fd, (uint8_t *)c->head + c->nhead,
		    sizeof c->head - c->nhead);

		if (n <= 0) {
			c->rd = false;
			if (n != IO_AGAIN)
				rconn_close(c, true);
			return;
		}
		c->nhead += (size_t)n;
		if (c->nhead >= 4 &&
		    memcmp(c->head + c->nhead - 4, "\r\n\r\n", 4) == 0)
			rconn_answer(c);
	}
	if (c->answer_ms == 0 || io->now_ms < c->answer_ms)
		return;
	while (c->wr && c->out_done < c->out_n) {
		size_t k = c->r->dribble ? 1 : c->out_n - c->out_done;
		int64_t n = io_write(io, c->fd, slice_of(c->out + c->out_done,
		    k));

		if (n < 0) {
			c->wr = false;
			return;
		}
		c->out_done += (size_t)n;
		if (c->r->dribble) {
			c->answer_ms = io->now_ms + 1;
			break;
		}
	}
	if (c->out_done < c->out_n)
		return;
	c->answered = true;
	if (memcmp(c->out, "HTTP/1.1 101", 12) == 0 && !c->r->hang_up)
		rconn_tunnel(c);
	else if (c->r->hang_up)
		rconn_close(c, false);
}

static void
rconn_input(struct rconn *c, const struct io *io)
{
	while (c->rd && c->fd >= 0) {
		int64_t n = io_read(io, c->fd, io->scratch, 5000);

		if (n == IO_AGAIN) {
			c->rd = false;
		} else if (n <= 0) {
			c->rd = false;
			c->eof = true;
			c->broken = n == IO_FAIL;
			rconn_close(c, false);
		} else if (c->has_tunnel) {
			c->err = tunnel_input(&c->t, io->scratch, (size_t)n,
			    io->now_ms);
			tunnel_check(&c->t);
			if (c->resumes != NULL)
				rconn_resume(c, io);
		}
	}
}

static void
rconn_output(struct rconn *c, const struct io *io)
{
	while (c->wr && c->fd >= 0) {
		size_t n = tunnel_output(&c->t, io->scratch, IO_SCRATCH,
		    io->now_ms), done = 0;

		if (n == 0)
			break;
		while (done < n) {
			int64_t k = io_write(io, c->fd,
			    slice_of(io->scratch + done, n - done));

			if (k < 0) {
				c->wr = false;
				if (k == IO_FAIL)
					c->rd = true;
				break;
			}
			done += (size_t)k;
		}
		if (done < n)
			tunnel_unsent(&c->t,
			    slice_of(io->scratch + done, n - done));
	}
}

static uint64_t
rconn_turn(struct rconn *c, const struct io *io)
{
	uint64_t due = UINT64_MAX;

	if (c->fd < 0 && c->has_tunnel) {
		tunnel_step(&c->t, io->now_ms, &due);
		if (tunnel_state(&c->t) == TUNNEL_CLOSED)
			rconn_forget(c);
	}
	if (c->fd < 0)
		return due;
	if (!c->answered) {
		rconn_handshake(c, io);
		if (c->fd < 0)
			return due;
		if (!c->answered)
			return c->answer_ms > io->now_ms ? c->answer_ms : due;
	}
	rconn_input(c, io);
	if (c->fd < 0 || !c->has_tunnel)
		return due;
	tunnel_step(&c->t, io->now_ms, &due);
	rconn_output(c, io);
	if (c->fd < 0)
		return UINT64_MAX;
	c->err = tunnel_step(&c->t, io->now_ms, &due);
	if (c->err != E_OK && !tunnel_wants(&c->t, io->now_ms)) {
		rconn_close(c, false);
		return UINT64_MAX;
	}
	return c->wr && tunnel_wants(&c->t, io->now_ms) ? io->now_ms : due;
}

static void
relay_sim_accept(struct relay_sim *r, const struct io *io)
{
	struct addr peer;
	int fd;

	while ((fd = io->ops->accept(io->ctx, r->listen, &peer)) >= 0) {
		struct rconn *c = calloc(1, sizeof *c);

		assert(c != NULL);
		c->r = r;
		c->fd = fd;
		c->serial = ++r->nconns;
		c->came_ms = io->now_ms;
		c->next = r->conns;
		r->conns = c;
		io->ops->watch(io->ctx, fd, (handle)c->serial + 1);
	}
}

static void
relay_sim_event(void *arg, const struct io *io, const struct io_event *ev)
{
	struct relay_sim *r = arg;
	struct rconn *c;

	if (ev->who == 1) {
		relay_sim_accept(r, io);
		return;
	}
	c = rconn_of(r, (unsigned)(ev->who - 1));
	if (ev->flags & (EV_READ | EV_HUP))
		c->rd = true;
	if (ev->flags & EV_WRITE)
		c->wr = true;
}

static uint64_t
relay_sim_step(void *arg, const struct io *io)
{
	struct relay_sim *r = arg;
	uint64_t due = UINT64_MAX;

	for (struct rconn *c = r->conns, *next; c != NULL; c = next) {
		next = c->next;         /* it may move */
		due = min_u64(due, rconn_turn(c, io));
	}
	return due;
}

/* Start to listen (again). */
static void
relay_sim_up(struct relay_sim *r)
{
	const struct io *io = world_io(r->host);

	r->listen = world_listen(r->host, RELAY_AT);
	io->ops->watch(io->ctx, r->listen, 1);
	world_program(r->host, relay_sim_event, relay_sim_step, r);
}

/* The process is killed: nobody says goodbye. */
static void
relay_sim_down(struct relay_sim *r)
{
	for (struct rconn *c = r->conns; c != NULL; c = c->next) {
		rconn_close(c, true);
		rconn_forget(c);
	}
	world_kill(r->host);
}

/* Open a stream on the latest connection: n bytes, and END behind them. */
static struct rstream *
relay_sim_open(struct rconn *c, const char *app, uint64_t n, bool end)
{
	struct rstream *rs = calloc(1, sizeof *rs);

	assert(rs != NULL && c->has_tunnel);
	rs->s.owner = rs;
	rs->app = app;
	rs->out_max = n;
	rs->out_end = end;
	rs->next = c->streams;
	c->streams = rs;
	assert(tunnel_open(&c->t, &rs->s) == E_OK);
	tunnel_ready(&rs->s);
	return rs;
}

static void
relay_sim_goaway(struct rconn *c, uint32_t deadline_ms)
{
	uint64_t due;

	/* The engine counts from the last time it was told. */
	tunnel_step(&c->t, world_now(c->r->w), &due);
	tunnel_goaway(&c->t, GOAWAY_UPGRADE, deadline_ms);
}

static void
relay_sim_free(struct relay_sim *r)
{
	while (r->conns != NULL) {
		struct rconn *c = r->conns;

		rconn_close(c, true);
		rconn_forget(c);
		r->conns = c->next;
		while (c->streams != NULL) {
			struct rstream *s = c->streams;

			c->streams = s->next;
			free(s);
		}
		free(c);
	}
}

/* ---- the app ---- */

enum app_mode {
	ECHO,           /* gives back what it gets, and its end */
	SINK,           /* reads; answers nothing but the end */
	STALL,          /* reads nothing */
	SOURCE,         /* sends `total` and ends; reads */
	CLOSER,         /* at the first byte sends `total` and closes all */
	RESETTER,       /* at the first byte resets */
	HALF,           /* sends `total`, ends at once, reads to the end */
};

struct aconn {
	struct app_sim *a;
	struct aconn *next;
	int fd;
	unsigned serial;
	bool rd, wr, in_end, in_fail, in_bad, out_shut;
	uint64_t in_n, out_n, in_end_ms;
};

struct app_sim {
	struct world *w;
	struct world_host *host;
	int listen;
	enum app_mode mode;
	uint64_t total;
	struct aconn *conns;            /* the latest first */
	unsigned nconns;
};

static void
aconn_close(struct aconn *c, bool abort_it)
{
	const struct io *io = world_io(c->a->host);

	if (c->fd >= 0)
		io->ops->close(io->ctx, c->fd, abort_it);
	c->fd = -1;
}

static void
aconn_read(struct aconn *c, const struct io *io)
{
	const struct app_sim *a = c->a;

	while (c->rd && a->mode != STALL && !c->in_end && !c->in_fail) {
		uint8_t area[3000];
		size_t max = sizeof area;
		int64_t n;

		if (a->mode == ECHO && c->in_n - c->out_n >= sizeof area)
			return;
		if (a->mode == CLOSER)
			max = 1;
		n = io_read(io, c->fd, area, max);
		if (n == IO_AGAIN)
			c->rd = false;
		else if (n == IO_EOF)
			c->in_end = true;
		else if (n == IO_FAIL)
			c->in_fail = true;
		if (n <= 0) {
			c->in_end_ms = n == IO_AGAIN ? 0 : io->now_ms;
			return;
		}
		for (int64_t i = 0; i < n; i++) {
			if (area[i] != pattern(c->in_n++))
				c->in_bad = true;
		}
		if (a->mode == CLOSER)
			return;
	}
}

static void
aconn_write(struct aconn *c, const struct io *io, uint64_t upto)
{
	while (c->wr && c->out_n < upto && !c->out_shut) {
		uint8_t area[3000];
		size_t n = (size_t)min_u64(sizeof area, upto - c->out_n);
		int64_t k;

		for (size_t i = 0; i < n; i++)
			area[i] = pattern(c->out_n + i);
		k = io_write(io, c->fd, slice_of(area, n));
		if (k < 0) {
			c->wr = false;
			c->in_fail = c->in_fail || k == IO_FAIL;
			return;
		}
		c->out_n += (uint64_t)k;
	}
}

static void
aconn_turn(struct aconn *c, const struct io *io)
{
	const struct app_sim *a = c->a;
	uint64_t upto = 0;
	bool end = false;

	if (c->fd < 0)
		return;
	do {
		uint64_t before = c->in_n + c->out_n;

		aconn_read(c, io);
		if (a->mode == ECHO)
			upto = c->in_n;
		else if (a->mode == SOURCE || a->mode == HALF ||
		    (a->mode == CLOSER && c->in_n > 0))
			upto = a->total;
		aconn_write(c, io, upto);
		if (before == c->in_n + c->out_n)
			break;
	} while (a->mode != CLOSER);
	if (a->mode == RESETTER && c->in_n > 0) {
		aconn_close(c, true);
		return;
	}
	if (c->in_fail) {
		aconn_close(c, true);
		return;
	}
	if (a->mode == CLOSER && c->in_n > 0 && c->out_n == a->total &&
	    world_unsent(a->host, c->fd) == 0) {
		aconn_close(c, false);  /* what it said has arrived */
		return;
	}
	end = a->mode == ECHO || a->mode == SINK ? c->in_end :
	    a->mode == SOURCE || a->mode == HALF;
	if (end && c->out_n >= upto && !c->out_shut) {
		c->out_shut = true;
		io->ops->shutdown(io->ctx, c->fd);
	}
	if (c->in_end && c->out_shut)
		aconn_close(c, false);
}

static void
app_sim_event(void *arg, const struct io *io, const struct io_event *ev)
{
	struct app_sim *a = arg;
	struct aconn *c = a->conns;
	struct addr peer;
	int fd;

	if (ev->who == 1) {
		while ((fd = io->ops->accept(io->ctx, a->listen, &peer)) >= 0) {
			c = calloc(1, sizeof *c);
			assert(c != NULL);
			c->a = a;
			c->fd = fd;
			c->serial = ++a->nconns;
			c->next = a->conns;
			a->conns = c;
			io->ops->watch(io->ctx, fd, (handle)c->serial + 1);
		}
		return;
	}
	while (c->serial != ev->who - 1)
		c = c->next;
	if (ev->flags & (EV_READ | EV_HUP))
		c->rd = true;
	if (ev->flags & EV_WRITE)
		c->wr = true;
}

static uint64_t
app_sim_step(void *arg, const struct io *io)
{
	struct app_sim *a = arg;
	uint64_t due = UINT64_MAX;

	for (struct aconn *c = a->conns; c != NULL; c = c->next) {
		aconn_turn(c, io);
		if (c->fd >= 0 && a->mode == CLOSER)
			due = io->now_ms + 1;
	}
	return due;
}

static void
app_sim_up(struct app_sim *a, struct world *w, struct world_host *machine,
    const char *where, enum app_mode mode)
{
	const struct io *io;

	*a = (struct app_sim){ .w = w, .mode = mode };
	a->host = world_process(machine, where);
	a->listen = world_listen(a->host, where);
	io = world_io(a->host);
	io->ops->watch(io->ctx, a->listen, 1);
	world_program(a->host, app_sim_event, app_sim_step, a);
}

static void
app_sim_free(struct app_sim *a)
{
	while (a->conns != NULL) {
		struct aconn *c = a->conns;

		a->conns = c->next;
		free(c);
	}
}

/* ---- a proxy ---- */

/* One side of a connection through it. */
struct pside {
	int fd;                         /* -1: none */
	bool rd, wr, ended;
	uint8_t buf[2000];              /* read, for the other side */
	size_t n;
};

struct proxy_sim {
	struct world *w;
	struct world_host *host;
	int listen;
	const char *answer;
	char head[1024];                /* of the last request */
	size_t nhead;
	bool open;
	struct pside side[2];           /* 0 the agent's, 1 the relay's */
};

static uint64_t proxy_sim_step(void *arg, const struct io *io);

static void
proxy_sim_event(void *arg, const struct io *io, const struct io_event *ev)
{
	struct proxy_sim *p = arg;
	struct addr peer;
	int fd;

	if (ev->who > 1) {
		struct pside *s = &p->side[ev->who - 2];

		if (s->fd < 0)
			return;
		s->rd = s->rd || (ev->flags & (EV_READ | EV_HUP)) != 0;
		s->wr = s->wr || ((ev->flags & EV_WRITE) != 0 &&
		    io->ops->connected(io->ctx, s->fd) == 0);
		return;
	}
	while ((fd = io->ops->accept(io->ctx, p->listen, &peer)) >= 0) {
		for (int i = 0; i < 2; i++) {
			if (p->nhead > 0 && p->side[i].fd >= 0)
				io->ops->close(io->ctx, p->side[i].fd, true);
			p->side[i] = (struct pside){ .fd = -1 };
		}
		p->nhead = 0;
		p->open = false;
		p->side[0].fd = fd;
		io->ops->watch(io->ctx, fd, 2);
	}
}

static void
proxy_sim_head(struct proxy_sim *p, const struct io *io)
{
	struct pside *s = &p->side[0];

	while (s->rd && !p->open) {
		int64_t n = io_read(io, s->fd, (uint8_t *)p->head + p->nhead,
		    1);

		if (n <= 0) {
			s->rd = false;
			if (n != IO_AGAIN) {
				io->ops->close(io->ctx, s->fd, true);
				s->fd = -1;
			}
			return;
		}
		p->nhead++;
		p->head[p->nhead] = 0;
		if (strstr(p->head, "\r\n\r\n") == NULL)
			continue;
		p->open = true;
		if (p->answer == NULL)
			return;
		io_write(io, s->fd, slice_of(p->answer, strlen(p->answer)));
		if (strstr(p->answer, " 200 ") == NULL)
			return;
		p->side[1].fd = world_dial(p->host, RELAY_AT);
		io->ops->watch(io->ctx, p->side[1].fd, 3);
	}
}

/* Move bytes from one side to the other. */
static void
proxy_sim_move(struct proxy_sim *p, int from, const struct io *io)
{
	struct pside *a = &p->side[from], *b = &p->side[!from];

	while (a->fd >= 0 && b->fd >= 0 && b->wr && (a->n > 0 || a->rd)) {
		if (a->n == 0) {
			int64_t n = io_read(io, a->fd, a->buf, sizeof a->buf);

			if (n <= 0)
				a->rd = false;
			if (n == IO_EOF)
				io->ops->shutdown(io->ctx, b->fd);
			if (n <= 0)
				return;
			a->n = (size_t)n;
		}
		while (a->n > 0) {
			int64_t n = io_write(io, b->fd,
			    slice_of(a->buf, a->n));

			if (n < 0) {
				b->wr = false;
				return;
			}
			memmove(a->buf, a->buf + n, a->n - (size_t)n);
			a->n -= (size_t)n;
		}
	}
}

static uint64_t
proxy_sim_step(void *arg, const struct io *io)
{
	struct proxy_sim *p = arg;

	if (p->side[0].fd >= 0 && !p->open)
		proxy_sim_head(p, io);
	if (p->open) {
		proxy_sim_move(p, 0, io);
		proxy_sim_move(p, 1, io);
	}
	return UINT64_MAX;
}

static void
proxy_sim_up(struct proxy_sim *p, struct world *w)
{
	const struct io *io;

	*p = (struct proxy_sim){ .w = w, .side = { { .fd = -1 }, { .fd = -1 } },
		.answer = "HTTP/1.1 200 Connection established\r\n\r\n" };
	p->host = world_host(w, "proxy", "203.0.113.77");
	p->listen = world_listen(p->host, "203.0.113.77:3128");
	io = world_io(p->host);
	io->ops->watch(io->ctx, p->listen, 1);
	world_program(p->host, proxy_sim_event, proxy_sim_step, p);
}

/* ---- the agent in its world ---- */

struct rig {
	struct world *w;
	struct world_host *relay_host, *agent_host;
	struct relay_sim relay;
	struct app_sim apps[RIG_APPS];
	size_t napps;
	struct agent_cfg cfg;
	struct agent_plan plan;
	struct arena arena;
	struct agent *agent;
};

static void
agent_program_event(void *arg, const struct io *io, const struct io_event *ev)
{
	struct rig *rig = arg;

	assert(agent_owns(ev->who));
	agent_event(rig->agent, io, ev);
}

static uint64_t
agent_program_step(void *arg, const struct io *io)
{
	struct rig *rig = arg;

	for (uint32_t i = 0; i < LINKS; i++) {
		const struct link *l = pool_at(&rig->agent->links, i);

		if (pool_live(&rig->agent->links, i) && l->has_tunnel)
			tunnel_check(&l->t);
	}
	return agent_step(rig->agent, io);
}

static struct arena
rig_arena(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert(p != MAP_FAILED);
	return (struct arena){ .p = p, .cap = n };
}

/* A world with a relay that listens; the agent is started by rig_start. */
static void
rig_new(struct rig *rig, const struct world_cfg *cfg)
{
	size_t n = blocks_bytes(RIG_BLOCKS) + 4096;

	*rig = (struct rig){ .w = world_new(cfg) };
	rig->relay_host = world_host(rig->w, "relay", RELAY_IP);
	rig->agent_host = world_host(rig->w, "agent", "198.51.100.1");
	rig->relay = (struct relay_sim){ .w = rig->w, .host = rig->relay_host,
		.tunnel_id = TUNNEL_ID };
	rig->relay.arena = rig_arena(n);
	blocks_init(&rig->relay.blocks, &rig->relay.arena, 9, RIG_BLOCKS);
	relay_sim_up(&rig->relay);
	world_name(rig->w, "relay.test", RELAY_IP);
	agent_cfg_defaults(&rig->cfg);
	rig->cfg.grace_ms = 0;          /* a cut is the end, unless asked */
	rig->cfg.relay_host = SL("relay.test");
	rig->cfg.relay_port = 4000;
	rig->cfg.relay_authority = SL("relay.test:4000");
	rig->cfg.relay_url = SL("http://relay.test:4000");
	rig->cfg.name = SL("mac");
	rig->cfg.version = SL("1.0");
	assert(secret_set(&rig->cfg.token, SL("adit_token_for_tests")));
}

/* Offer an app at "127.0.0.1:3000" and run one there. */
static struct app_sim *
rig_app(struct rig *rig, const char *name, const char *where,
    enum app_mode mode)
{
	struct agent_app *a = &rig->cfg.apps[rig->cfg.napps++];
	struct app_sim *sim = &rig->apps[rig->napps++];
	struct slice s = slice_of(where, strlen(where));
	size_t colon = slice_rfind(s, ':');
	uint64_t port = 0;

	*a = (struct agent_app){ .name = slice_of(name, strlen(name)),
		.kind = APP_HTTP };
	if (slice_starts(s, SL("unix:"))) {
		a->path = slice_from(s, 5);
	} else {
		a->host = slice_head(s, colon);
		if (a->host.p[0] == '[')
			a->host = slice_of(a->host.p + 1, a->host.n - 2);
		assert(slice_dec(slice_from(s, colon + 1), 65535, &port));
		a->port = (uint16_t)port;
	}
	app_sim_up(sim, rig->w, rig->agent_host, where, mode);
	return sim;
}

static void
rig_start(struct rig *rig)
{
	const struct io *io = world_io(rig->agent_host);

	assert(agent_plan(&rig->cfg, &rig->plan) == E_OK);
	rig->arena = rig_arena((size_t)rig->plan.bytes);
	assert(agent_new(&rig->agent, &rig->cfg, &rig->plan, &rig->arena,
	    world_log(rig->w), io) == E_OK);
	assert(rig->arena.used <= rig->plan.bytes);
	world_program(rig->agent_host, agent_program_event,
	    agent_program_step, rig);
}

static bool
rig_served(void *arg)
{
	const struct rig *rig = arg;

	return agent_stats(rig->agent).served && rig->relay.conns != NULL &&
	    rig->relay.conns->fd >= 0 && rig->relay.conns->confirmed;
}

/* The connection that serves it; a younger one may have failed to resume. */
static struct rconn *
rig_serving(const struct rig *rig)
{
	struct rconn *c = rig->relay.conns;

	while (c != NULL && !(c->fd >= 0 && c->confirmed))
		c = c->next;
	return agent_stats(rig->agent).served ? c : NULL;
}

static bool
rig_is_served(void *arg)
{
	return rig_serving(arg) != NULL;
}

static bool
rig_exited(void *arg)
{
	const struct rig *rig = arg;

	return agent_exit_code(rig->agent) >= 0;
}

/* Start, and wait until the relay may open streams. */
static struct rconn *
rig_serve(struct rig *rig)
{
	rig_start(rig);
	assert(world_until(rig->w, rig_served, rig, 30000));
	return rig->relay.conns;
}

/* All that the agent had is closed, and given back. */
static void
rig_check_over(struct rig *rig)
{
	struct agent_stats st = agent_stats(rig->agent);

	assert(agent_exit_code(rig->agent) >= 0);
	assert(st.streams == 0 && st.links == 0 && st.blocks_used == 0 &&
	    st.blocks_reserved == 0);
	assert(world_fds(rig->agent_host) == 0);
}

static void
rig_free(struct rig *rig)
{
	relay_sim_free(&rig->relay);
	for (size_t i = 0; i < rig->napps; i++)
		app_sim_free(&rig->apps[i]);
	world_free(rig->w);
	if (rig->arena.p != NULL)
		munmap(rig->arena.p, rig->arena.cap);
	munmap(rig->relay.arena.p, rig->relay.arena.cap);
}

/* Stop the agent, let it end within ms, look that nothing is left. */
static void
rig_end(struct rig *rig, uint64_t ms)
{
	if (agent_exit_code(rig->agent) < 0) {
		agent_stop(rig->agent, world_io(rig->agent_host));
		assert(world_until(rig->w, rig_exited, rig, ms));
	}
	rig_check_over(rig);
	rig_free(rig);
}

#endif
