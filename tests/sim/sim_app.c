/*
 * Apps of the simulator: see sim.h. A small HTTP server; what it should do is
 * in the request's path, "/number". It looks at every byte of a body as it
 * comes, answers when it has all of it, and echoes what comes on a WebSocket.
 * That it gets a request twice, or one that is not HTTP, is a failure.
 */
#include "sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "codec/chunk.h"
#include "codec/http1.h"
#include "codec/ws.h"
#include "crypto/wsaccept.h"

enum { OUT_MOST = 64 * 1024, PACE_MS = 15, SLOW_MS = 1200 };

enum aconn_state { A_HEAD, A_BODY, A_ANSWER, A_WS, A_OVER };

struct aconn {
	struct aconn *next;
	struct sim_app *a;
	int fd;                         /* -1: closed */
	handle who;
	bool rd, wr, in_end, broken, shut;
	enum aconn_state state;
	struct dyn in, out;
	struct exch *x;
	struct chunk_dec chunks;
	bool chunked;
	uint64_t left;                  /* of a body with a length */
	uint64_t down;                  /* body bytes put */
	uint64_t moved_ms;              /* something passed */
	uint64_t pace_ms;
	struct ws_frame frame;          /* being received */
	uint64_t frame_left, frame_at;
	struct ws_rules rules;
	bool closing;                   /* a Close frame came */
};

struct sim_app {
	struct world_host *host;
	int listen;
	struct aconn *conns;
	handle last;
	bool runs;
	struct blame blame;
};

static void
put_str(struct dyn *d, const char *s)
{
	dyn_put(d, s, strlen(s));
}

static struct slice
left(const struct aconn *c)
{
	return slice_of(c->in.p, c->in.n);
}

static void
conn_close(struct aconn *c, bool abort_it)
{
	const struct io *io = world_io(c->a->host);

	if (c->fd >= 0)
		io->ops->close(io->ctx, c->fd, abort_it);
	c->fd = -1;
	c->state = A_OVER;
}

/* ---- requests ---- */

static void
ws_begin(struct aconn *c, const struct http_head *h)
{
	const struct http_field *key = http_field_id(h, HTTP_N_SEC_WS_KEY,
	    NULL);
	uint8_t accept[WSACCEPT_BYTES];

	if (key == NULL || !h->upgrade_websocket)
		sim_fail("%u: not a handshake", c->x->id);
	wsaccept(accept, key->value);
	put_str(&c->out, "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: ");
	dyn_put(&c->out, accept, sizeof accept);
	put_str(&c->out, "\r\n\r\n");
	c->rules = ws_rules_of(true, 0);
	c->frame_left = 0;
	c->state = A_WS;
}

/* What a hostile app does instead of an answer. */
static void
answer_spoilt(struct aconn *c)
{
	char junk[600];

	c->state = A_OVER;
	switch (c->x->spoil) {
	case 1:                         /* hangs up */
		break;
	case 2:                         /* says what is not HTTP */
		for (size_t i = 0; i < sizeof junk; i++)
			junk[i] = (char)sim_below(256);
		dyn_put(&c->out, junk, sizeof junk);
		break;
	case 3:                         /* says nothing, for ever */
		c->state = A_WS;
		c->frame_left = 0;
		break;
	case 4:                         /* too little */
		put_str(&c->out, "HTTP/1.1 200 OK\r\n"
		    "Content-Length: 100\r\n\r\n");
		sim_fill(&c->out, c->x->id, false, 0, 50);
		break;
	case 5:                         /* no chunks */
		put_str(&c->out, "HTTP/1.1 200 OK\r\n"
		    "Transfer-Encoding: chunked\r\n\r\nzz\r\n");
		break;
	case 6:                         /* a head without end */
		put_str(&c->out, "HTTP/1.1 200 OK\r\n");
		for (int i = 0; i < 4000; i++)
			put_str(&c->out, "X-Much: of the same, again\r\n");
		break;
	default:                        /* two lengths */
		put_str(&c->out, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
		    "Content-Length: 4\r\n\r\nabcd");
		break;
	}
}

static void
answer_begin(struct aconn *c)
{
	char line[80];

	if (c->x->app_up != c->x->up_n)
		sim_fail("%u: the app got %llu of %llu bytes as if whole",
		    c->x->id, (unsigned long long)c->x->app_up,
		    (unsigned long long)c->x->up_n);
	if (c->x->spoil > 0) {
		answer_spoilt(c);
		return;
	}
	if (c->x->id % 5 == 0)
		put_str(&c->out, "HTTP/1.1 103 Early Hints\r\n"
		    "Link: </a>\r\n\r\n");
	put_str(&c->out, "HTTP/1.1 200 OK\r\n");
	snprintf(line, sizeof line, "Content-Length: %llu\r\n\r\n",
	    (unsigned long long)c->x->down_n);
	put_str(&c->out, c->x->form == FORM_LENGTH ? line :
	    c->x->form == FORM_CHUNKED ?
	    "Transfer-Encoding: chunked\r\n\r\n" :
	    "Connection: close\r\n\r\n");
	c->down = 0;
	c->state = A_ANSWER;
}

/* False if there is no whole head. */
static bool
take_head(struct aconn *c)
{
	static struct http_field fields[HTTP_FIELDS_MAX];
	struct http_head h = { .fields = fields };
	struct http_scan scan = { 0 };
	uint64_t id = 0;
	size_t used;
	enum err e;

	if (c->in.n == 0)
		return false;
	e = http_request_parse(&h, &scan, left(c), &used);
	if (e == E_MORE)
		return false;
	if (e != E_OK || !slice_dec(slice_from(h.target, 1), EXCH_MAX, &id))
		sim_fail("an app got no request: %s", err_name(e));
	c->x = sim_exch((unsigned)id);
	if (++c->x->heads > 1)
		sim_fail("%u: a second time at the app", c->x->id);
	sim_note("%u: at the app", c->x->id);
	c->state = A_BODY;
	c->chunked = h.body == HTTP_BODY_CHUNKED;
	c->chunks = (struct chunk_dec){ 0 };
	c->left = h.body == HTTP_BODY_LENGTH ? h.length : 0;
	if (c->x->kind == EX_WS)
		ws_begin(c, &h);
	if (c->x->spoil >= SPOIL_EARLY) {
		c->pace_ms = sim_now() + 2 * SLOW_MS;
		put_str(&c->out, "HTTP/1.1 413 Too much\r\n"
		    "Content-Length: 0\r\n\r\n");
		c->state = A_OVER;
	}
	dyn_drop(&c->in, used);
	return true;
}

/* False if more has to come. */
static bool
take_body(struct aconn *c)
{
	while (c->chunked && !chunk_is_done(&c->chunks)) {
		struct chunk_ev ev;
		size_t used;
		enum err e = chunk_next(&c->chunks, left(c), &used, &ev);

		if (e == E_OK && ev.what == CHUNK_DATA)
			sim_check(c->x->id, true, &c->x->app_up, ev.data.p,
			    ev.data.n);
		dyn_drop(&c->in, used);
		if (e == E_MORE)
			return false;
		if (e != E_OK)
			sim_fail("%u: chunks: %s", c->x->id, err_name(e));
	}
	if (!c->chunked) {
		size_t n = (size_t)min_u64(c->left, c->in.n);

		sim_check(c->x->id, true, &c->x->app_up,
		    (const uint8_t *)c->in.p, n);
		dyn_drop(&c->in, n);
		c->left -= n;
		if (c->left > 0)
			return false;
	}
	answer_begin(c);
	return true;
}

/* ---- a WebSocket ---- */

static void
ws_frame_begin(struct aconn *c, size_t head)
{
	struct ws_frame f = c->frame;
	uint8_t area[WS_HEAD_MAX];
	struct buf b = BUF_ON(area);

	if (ws_admit(&c->rules, &f) != E_OK)
		sim_fail("%u: the app got a bad frame", c->x->id);
	dyn_drop(&c->in, head);
	c->frame_left = f.length;
	c->frame_at = 0;
	c->closing = f.opcode == WS_CLOSE;
	f.masked = false;
	assert(ws_encode(&b, &f));
	dyn_put(&c->out, area, b.n);
}

static bool
ws_turn(struct aconn *c)
{
	size_t n, head;
	uint8_t *p;

	if (c->out.n > OUT_MOST || c->in.n == 0)
		return false;
	if (c->frame_left == 0) {
		if (ws_decode(&c->frame, left(c), &head) != E_OK)
			return false;
		ws_frame_begin(c, head);
	}
	n = (size_t)min_u64(c->frame_left, c->in.n);
	p = (uint8_t *)c->in.p;
	if (n > 0)
		ws_mask(p, p, n, c->frame.key, c->frame_at);
	if (n > 0 && !c->closing)
		sim_check(c->x->id, true, &c->x->app_up, p, n);
	dyn_put(&c->out, p, n);
	dyn_drop(&c->in, n);
	c->frame_left -= n;
	c->frame_at += n;
	if (c->frame_left > 0)
		return n > 0;
	if (c->closing)
		c->state = A_OVER;
	return true;
}

/* ---- moving ---- */

/* It answers after some time, and reads what was said to it only later: is
 * that more than `ms` away? */
static bool
is_slow(const struct aconn *c, uint64_t ms)
{
	return c->state == A_OVER && c->x->spoil == SPOIL_SLOW &&
	    c->pace_ms > sim_now() + ms;
}

static void
put_down(struct aconn *c)
{
	struct exch *x = c->x;
	size_t n = (size_t)min_u64(x->down_n - c->down,
	    x->pace > 0 ? x->pace : OUT_MOST);
	char line[20];

	if (c->out.n > OUT_MOST / 2)
		return;
	if (x->pace > 0 && c->pace_ms > sim_now())
		return;
	c->pace_ms = sim_now() + PACE_MS;
	if (x->form == FORM_CHUNKED && n > 0) {
		snprintf(line, sizeof line, "%zx\r\n", n);
		put_str(&c->out, line);
	}
	sim_fill(&c->out, x->id, false, c->down, n);
	c->down += n;
	if (x->form == FORM_CHUNKED && n > 0)
		put_str(&c->out, "\r\n");
	if (c->down < x->down_n)
		return;
	if (x->form == FORM_CHUNKED)
		put_str(&c->out, "0\r\n\r\n");
	c->state = x->form == FORM_CLOSE ? A_OVER : A_HEAD;
}

static bool
conn_read(struct aconn *c, const struct io *io)
{
	uint8_t area[16384];
	int64_t n;

	if (!c->rd || c->in.n > OUT_MOST || is_slow(c, 0))
		return false;
	n = io_read(io, c->fd, area, sizeof area);
	if (n > 0)
		dyn_put(&c->in, area, (size_t)n);
	else
		c->rd = false;
	c->in_end = c->in_end || n == IO_EOF;
	c->broken = c->broken || n == IO_FAIL;
	if (n > 0)
		c->moved_ms = sim_now();
	return n > 0;
}

static bool
conn_write(struct aconn *c, const struct io *io)
{
	int64_t n;

	if (!c->wr || c->out.n == 0 || is_slow(c, SLOW_MS))
		return false;
	n = io_write(io, c->fd, slice_of(c->out.p, c->out.n));
	c->broken = c->broken || n == IO_FAIL;
	if (n <= 0) {
		c->wr = false;
		return false;
	}
	dyn_drop(&c->out, (size_t)n);
	c->moved_ms = sim_now();
	return true;
}

static void
conn_turn(struct aconn *c, const struct io *io)
{
	bool again = true;

	while (c->fd >= 0 && again && !c->broken) {
		again = conn_read(c, io);
		if (c->state == A_HEAD)
			again = take_head(c) || again;
		if (c->state == A_BODY)
			again = take_body(c) || again;
		if (c->state == A_WS)
			again = ws_turn(c) || again;
		if (c->state == A_ANSWER)
			put_down(c);
		again = conn_write(c, io) || again;
	}
	if (c->fd < 0)
		return;
	if (c->state == A_OVER && c->out.n == 0 && !c->shut) {
		c->shut = true;
		io->ops->shutdown(io->ctx, c->fd);
	}
	if (c->shut && c->x != NULL && c->x->spoil == SPOIL_EARLY) {
		conn_close(c, false);   /* with the upload unread */
		return;
	}
	if (c->state == A_OVER)
		c->in.n = 0;
	if (c->broken || (c->in_end && (c->shut || (c->state != A_ANSWER &&
	    c->out.n == 0))))
		conn_close(c, c->broken || (c->state != A_HEAD && !c->shut));
}

static void
app_event(void *arg, const struct io *io, const struct io_event *ev)
{
	struct sim_app *a = arg;
	struct aconn *c = a->conns;
	struct addr peer;
	int fd;

	if (ev->who == 1) {
		while ((fd = io->ops->accept(io->ctx, a->listen, &peer)) >= 0) {
			c = sim_mem(sizeof *c);
			c->a = a;
			c->fd = fd;
			c->who = ++a->last;
			c->moved_ms = sim_now();
			c->next = a->conns;
			a->conns = c;
			io->ops->watch(io->ctx, fd, c->who);
		}
		return;
	}
	while (c != NULL && c->who != ev->who)
		c = c->next;
	if (c == NULL)
		return;
	c->rd = c->rd || (ev->flags & (EV_READ | EV_HUP)) != 0;
	c->wr = c->wr || (ev->flags & EV_WRITE) != 0;
}

static uint64_t
app_step(void *arg, const struct io *io)
{
	struct sim_app *a = arg;
	uint64_t due = UINT64_MAX;

	for (struct aconn **at = &a->conns; *at != NULL;) {
		struct aconn *c = *at;

		conn_turn(c, io);
		if (c->fd >= 0 && is_slow(c, 0))
			due = min_u64(due, c->pace_ms -
			    (is_slow(c, SLOW_MS) ? SLOW_MS : 0));
		if (c->fd >= 0 && c->state == A_ANSWER && c->wr)
			due = min_u64(due, max_u64(c->pace_ms,
			    io->now_ms + 1));
		if (c->fd < 0) {
			*at = c->next;
			free(c->in.p);
			free(c->out.p);
			free(c);
		} else {
			at = &c->next;
		}
	}
	return due;
}

/* ---- the process ---- */

struct sim_app *
sim_app_new(size_t i, struct world_host *machine)
{
	struct sim_app *a = sim_mem(sizeof *a);
	char name[20];

	snprintf(name, sizeof name, "app%zu", i + 1);
	a->host = world_process(machine, name);
	a->last = 1;
	sim_app_start(a);
	return a;
}

void
sim_app_start(struct sim_app *a)
{
	const struct io *io = world_io(a->host);

	a->listen = world_listen(a->host, "127.0.0.1:3000");
	io->ops->watch(io->ctx, a->listen, 1);
	world_program(a->host, app_event, app_step, a);
	a->runs = true;
}

void
sim_app_kill(struct sim_app *a)
{
	world_kill(a->host);
	a->runs = false;
	while (a->conns != NULL) {
		struct aconn *c = a->conns;

		a->conns = c->next;
		free(c->in.p);
		free(c->out.p);
		free(c);
	}
}

bool
sim_app_runs(const struct sim_app *a)
{
	return a->runs;
}

struct blame *
sim_app_blame(struct sim_app *a)
{
	return &a->blame;
}

size_t
sim_app_conns(const struct sim_app *a)
{
	size_t n = 0;

	for (const struct aconn *c = a->conns; c != NULL; c = c->next) {
		sim_note("left at an app: %u in state %d, in %zu, out %zu",
		    c->x != NULL ? c->x->id : 0, (int)c->state, c->in.n,
		    c->out.n);
		n++;
	}
	return n;
}

/* A request in it must move, or its connection must end. */
void
sim_app_turn(struct sim_app *a)
{
	if (!a->runs)
		blame(&a->blame, sim_now());
	for (const struct aconn *c = a->conns; c != NULL; c = c->next) {
		uint64_t from = c->moved_ms;

		if (c->state == A_HEAD && c->in.n == 0)
			continue;
		if (c->x != NULL)
			from = max_u64(from, exch_blame(c->x));
		if (sim_now() > from + DEADLINE_MS)
			sim_fail("%u: hangs at the app in state %d",
			    c->x != NULL ? c->x->id : 0, (int)c->state);
	}
}

void
sim_app_free(struct sim_app *a)
{
	sim_app_kill(a);
	free(a);
}
