/*
 * Streams: each is one connection to the one address that its app stands for,
 * and nothing the relay sends chooses another. Bytes go from the tunnel's read
 * buffer to the app's socket without a stop where the socket takes them, else
 * into the stream's chain, whose blocks were reserved before the stream was
 * accepted: so a stalled app costs its window and never a refusal. Bytes from
 * the app are read by the engine's pull, straight into the ring, when they may
 * leave; until then they stay in the kernel, which stops the app.
 *
 * DATA frames of one read that are for the same app are gathered and leave in
 * one write. The pieces point into io->scratch, where the engine unmasks them
 * in place and then leaves them alone until the read is used up.
 */
#include "agent/inside.h"

#include <assert.h>

#include "base/num.h"

enum { DISCARD_BYTES = 4096, DISCARD_TURNS = 16 };

static const uint8_t edges[][2] = {
#define X(from, to, when) { CONN_##from, CONN_##to },
	CONN_EDGE_LIST(X)
#undef X
};

static bool
edge_legal(unsigned from, unsigned to)
{
	for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
		if (edges[i][0] == from && edges[i][1] == to)
			return true;
	}
	return false;
}

static void
conn_to(struct conn *c, enum conn_state next)
{
	static const char *const name[] = {
#define X(id, text) #id,
		CONN_STATE_LIST(X)
#undef X
	};

	assert(edge_legal(c->state, next));
	LOGF(c->g->log, LOG_TRACE, "agent", "stream", log_u("id", c->s.id),
	    log_c("from", name[c->state]), log_c("to", name[next]));
	c->state = (uint8_t)next;
}

static handle
conn_handle(const struct conn *c)
{
	return pool_handle(&c->g->conns, c);
}

static struct app *
conn_app(const struct conn *c)
{
	return &c->g->apps[c->app];
}

/* ---- apps ---- */

/* What host=app makes of the app's address: the Host its own clients send. */
static bool
app_authority(struct app *a)
{
	struct buf b = BUF_ON(a->authority);
	const struct agent_app *cfg = a->cfg;
	bool v6 = slice_find(cfg->host, ':') < cfg->host.n;

	if (cfg->host.n == 0) {
		buf_lit(&b, "localhost");
	} else {
		if (v6)
			buf_lit(&b, "[");
		buf_put(&b, cfg->host);
		if (v6)
			buf_lit(&b, "]");
		if (cfg->port != 80) {
			buf_lit(&b, ":");
			buf_put_dec(&b, cfg->port);
		}
	}
	a->nauthority = b.n;
	return buf_ok(&b) || !cfg->host_app;
}

enum err
app_init(struct agent *g)
{
	for (size_t i = 0; i < g->cfg->napps; i++) {
		struct app *a = &g->apps[i];

		a->cfg = &g->cfg->apps[i];
		if (!app_authority(a))
			return E_RANGE;
		if (a->cfg->host.n == 0) {
			a->numeric = true;
			a->addrs[0].family = ADDR_UNIX;
			a->addrs[0].path_n = to_u8(a->cfg->path.n);
		} else if (addr_parse_ip(&a->addrs[0], a->cfg->host)) {
			a->numeric = true;
			a->addrs[0].port = a->cfg->port;
		}
		a->naddrs = a->numeric;
	}
	return E_OK;
}

/* Its addresses are known now. */
static bool
app_fresh(const struct app *a, uint64_t now_ms)
{
	return a->numeric || now_ms < a->fresh_until_ms;
}

/* ---- the end of a connection ---- */

void
conn_drop(struct conn *c)
{
	struct agent *g = c->g;
	const struct io *io = g->io;

	if (g->gather.c == c)
		g->gather.c = NULL;
	tunnel_reset(&c->s, RESET_CANCELLED);
	if (c->fd >= 0)
		io->ops->close(io->ctx, c->fd, true);
	chain_free(&c->in, &g->blocks);
	g->grown -= c->blocks - blocks_for(WINDOW_INITIAL);
	blocks_unreserve(&g->blocks, c->blocks);
	timer_stop(&g->timers, &c->timer);
	conn_to(c, CONN_FREE);
	pool_give(&g->conns, c);
}

/*
 * The stream is over in order. True if the app has all that was for it and
 * has ended too: then the connection is closed, and gone.
 */
static bool
conn_finish(struct conn *c)
{
	const struct io *io = c->g->io;

	assert(c->s.tunnel == NULL);
	if (c->in.n > 0 || !c->out_ended)
		return false;
	io->ops->close(io->ctx, c->fd, false);
	c->fd = -1;
	conn_drop(c);
	return true;
}

/* The timer of an open or lingering connection. */
static void
conn_arm(struct conn *c)
{
	struct agent *g = c->g;

	if (c->more)
		timer_set(&g->timers, &c->timer, conn_handle(c),
		    g->io->now_ms + 1);
	else if (c->state == CONN_LINGER)
		timer_set(&g->timers, &c->timer, conn_handle(c),
		    c->by_ms);
}

static const char *
reset_text(enum reset_code code)
{
#define X(name, number, text) if (code == RESET_##name) return text;
	RESET_LIST(X)
#undef X
	return "";
}

/* The stream cannot be served: tell the relay why. */
static void
conn_fail(struct conn *c, enum reset_code code)
{
	struct app *a = conn_app(c);

	if (!a->down)
		LOGF(c->g->log, LOG_WARN, "agent", "app does not answer",
		    log_s("app", a->cfg->name), log_c("why", reset_text(code)));
	a->down = true;
	tunnel_reset(&c->s, code);
	conn_drop(c);
}

/* ---- connecting ---- */

/* What it means that a connect failed with r. */
static enum reset_code
failed_as(int r)
{
	return r == IO_REFUSED ? RESET_REFUSED : RESET_UNREACHABLE;
}

/*
 * Begin to connect to the next address; RESET_NONE or why there is none: `why`
 * if there was no other. An address that others follow has a quarter of the
 * time that there is.
 */
static enum reset_code
conn_connect(struct conn *c, enum reset_code why)
{
	const struct io *io = c->g->io;
	struct app *a = conn_app(c);

	while (c->addr < a->naddrs) {
		const struct addr *to = &a->addrs[c->addr++];

		c->fd = io->ops->connect(io->ctx, to, a->cfg->path);
		if (c->fd < 0) {
			why = failed_as(c->fd);
			c->fd = -1;
			continue;
		}
		if (io->ops->watch(io->ctx, c->fd, conn_handle(c))) {
			uint64_t share_ms = io->now_ms +
			    c->g->cfg->connect_ms / 4;

			timer_set(&c->g->timers, &c->timer, conn_handle(c),
			    c->addr < a->naddrs ?
			    min_u64(c->by_ms, share_ms) : c->by_ms);
			return RESET_NONE;
		}
		io->ops->close(io->ctx, c->fd, true);
		c->fd = -1;
		why = RESET_OVER_LIMIT;
	}
	a->fresh_until_ms = 0;
	return why;
}

/* Have the app's name looked up, unless somebody asked a moment ago. */
static enum reset_code
app_resolve(struct agent *g, struct app *a)
{
	const struct io *io = g->io;

	if (a->resolving && io->now_ms - a->asked_ms < g->cfg->connect_ms)
		return RESET_NONE;
	if (!io->ops->resolve(io->ctx, a->cfg->host, a->cfg->port,
	    app_handle((size_t)(a - g->apps))))
		return RESET_OVER_LIMIT;
	a->resolving = true;
	a->asked_ms = io->now_ms;
	return RESET_NONE;
}

void
app_resolved(struct agent *g, struct app *a, const struct io_event *ev)
{
	a->resolving = false;
	a->naddrs = (uint32_t)min_u64(ev->naddrs, RESOLVE_MAX);
	for (uint32_t i = 0; i < a->naddrs; i++)
		a->addrs[i] = ev->addrs[i];
	a->fresh_until_ms = a->naddrs > 0 ? g->io->now_ms + AGENT_NAME_MS : 0;
	for (uint32_t i = 0; i < g->plan.streams; i++) {
		struct conn *c = pool_at(&g->conns, i);
		enum reset_code why;

		if (!pool_live(&g->conns, i) || c->state != CONN_RESOLVING ||
		    conn_app(c) != a)
			continue;
		conn_to(c, CONN_CONNECTING);
		why = conn_connect(c, RESET_UNREACHABLE);
		if (why != RESET_NONE)
			conn_fail(c, why);
	}
}

static struct app *
app_named(struct agent *g, const struct frame_open *o)
{
	for (size_t i = 0; i < g->cfg->napps; i++) {
		const struct agent_app *a = &g->cfg->apps[i];

		if (slice_eq(a->name, o->app) && a->kind == o->kind)
			return &g->apps[i];
	}
	return NULL;
}

struct tunnel_stream *
app_open(void *owner, const struct frame_open *o, enum reset_code *refuse)
{
	struct link *l = owner;
	struct agent *g = l->g;
	struct app *a = app_named(g, o);
	uint32_t blocks = blocks_for(WINDOW_INITIAL);
	struct conn *c;

	*refuse = RESET_UNKNOWN_APP;
	if (a == NULL)
		return NULL;
	*refuse = RESET_OVER_LIMIT;
	if (g->conns.used == g->conns.cap ||
	    !blocks_reserve(&g->blocks, blocks))
		return NULL;
	c = pool_take(&g->conns);
	assert(c != NULL);
	c->g = g;
	c->s.owner = c;
	c->fd = -1;
	c->app = to_u16((uint64_t)(a - g->apps));
	c->blocks = to_u16(blocks);
	c->by_ms = g->io->now_ms + g->cfg->connect_ms;
	if (app_fresh(a, g->io->now_ms)) {
		conn_to(c, CONN_CONNECTING);
		*refuse = conn_connect(c, RESET_UNREACHABLE);
	} else {
		conn_to(c, CONN_RESOLVING);
		timer_set(&g->timers, &c->timer, conn_handle(c), c->by_ms);
		*refuse = app_resolve(g, a);
	}
	if (*refuse != RESET_NONE) {
		enum reset_code why = *refuse;

		conn_fail(c, why);
		return NULL;
	}
	return &c->s;
}

/* ---- from the tunnel to the app ---- */

/* The app takes no more: what comes for it is dropped by the engine. */
static void
conn_in_broken(struct conn *c)
{
	c->in_broken = true;
	chain_free(&c->in, &c->g->blocks);
	if (c->state == CONN_LINGER) {
		conn_drop(c);
		return;
	}
	tunnel_stop(&c->s);
	tunnel_ready(&c->s);    /* what the app said before is still to come */
}

/* Write v; how many bytes left, IO_FAIL if the app takes no more. */
static int64_t
conn_writev(struct conn *c, const struct slice *v, size_t n)
{
	int64_t w = io_writev(c->g->io, c->fd, v, n);

	if (w == IO_AGAIN) {
		c->can_write = false;
		return 0;
	}
	if (w < 0)
		return IO_FAIL;
	tunnel_consumed(&c->s, (size_t)w, c->g->io->now_ms);
	return w;
}

/*
 * Write what waits, pass on the end behind it. The connection may be gone
 * afterwards: look it up again.
 */
static void
conn_flush(struct conn *c)
{
	const struct io *io = c->g->io;

	if (c->state != CONN_OPEN && c->state != CONN_LINGER)
		return;
	while (c->in.n > 0 && c->can_write) {
		struct slice v[GATHER];
		size_t n = chain_slices(&c->in, &c->g->blocks, v, GATHER);
		int64_t w = conn_writev(c, v, n);

		if (w < 0) {
			conn_in_broken(c);
			return;
		}
		chain_drop(&c->in, &c->g->blocks, (size_t)w);
		if (c->state == CONN_LINGER && w > 0) {
			c->by_ms = io->now_ms + AGENT_LINGER_MS;
			conn_arm(c);
		}
	}
	if (c->in.n > 0)
		return;
	if (c->in_ended && !c->in_shut && !c->in_broken) {
		c->in_shut = true;
		io->ops->shutdown(io->ctx, c->fd);
	}
	if (c->state == CONN_LINGER)
		(void)conn_finish(c);
}

/* Keep s until the app takes it: its blocks were reserved. */
static void
conn_keep(struct conn *c, struct slice s)
{
	bool ok = chain_put(&c->in, &c->g->blocks, s);

	assert(ok);
}

/* Write v now if nothing waits before it; what does not go is kept. */
static void
conn_send(struct conn *c, const struct slice *v, size_t n)
{
	int64_t w = 0;
	size_t done;

	if (c->state == CONN_OPEN && c->can_write && c->in.n == 0)
		w = conn_writev(c, v, n);
	if (w < 0) {
		conn_in_broken(c);
		return;
	}
	done = (size_t)w;
	for (size_t i = 0; i < n; i++) {
		size_t k = min_size(done, v[i].n);

		conn_keep(c, slice_from(v[i], k));
		done -= k;
	}
	/* After a short write the socket has to say that it is full. */
	if (c->in.n > 0 && c->can_write)
		conn_flush(c);
}

void
app_flush(struct agent *g)
{
	struct conn *c = g->gather.c;

	if (c == NULL)
		return;
	g->gather.c = NULL;
	conn_send(c, g->gather.v, g->gather.n);
}

void
app_data(void *owner, struct tunnel_stream *s, uint8_t *p, size_t n)
{
	struct conn *c = s->owner;
	struct agent *g = c->g;
	struct gather *ga = &g->gather;
	const uint8_t *scratch = g->io->scratch;
	struct slice piece = slice_of(p, n);

	(void)owner;
	assert(!c->in_ended && !c->in_broken);
	if (ga->c != c || ga->n == GATHER)
		app_flush(g);
	if (c->in_broken)
		return;         /* the flush found out */
	if (p < scratch || n > (size_t)(scratch + IO_SCRATCH - p)) {
		app_flush(g);
		if (!c->in_broken)
			conn_send(c, &piece, 1);
		return;
	}
	if (ga->c == NULL) {
		ga->c = c;
		ga->n = 0;
	}
	ga->v[ga->n++] = piece;
}

void
app_end(void *owner, struct tunnel_stream *s)
{
	struct conn *c = s->owner;

	(void)owner;
	app_flush(c->g);
	c->in_ended = true;
	conn_flush(c);
}

/* ---- from the app to the tunnel ---- */

enum tunnel_pull
app_pull(void *owner, struct tunnel_stream *s, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code)
{
	struct conn *c = s->owner;
	int64_t r;

	(void)owner;
	*n = 0;
	if (c->state != CONN_OPEN)
		return PULL_WAIT;
	assert(!c->out_stopped && !c->out_ended);
	r = io_read(c->g->io, c->fd, dst, max);
	if (r > 0) {
		*n = (size_t)r;
		return PULL_MORE;
	}
	if (r == IO_AGAIN)
		return PULL_WAIT;
	if (r == IO_EOF) {
		c->out_ended = true;
		return PULL_END;
	}
	*code = RESET_BROKEN;
	return PULL_RESET;
}

/*
 * The relay wants no more: read on all the same, or the app would stand. A
 * fast app has its share and then waits for the timer.
 */
static void
conn_discard(struct conn *c)
{
	uint8_t area[DISCARD_BYTES];
	int64_t n = 1;

	for (int i = 0; i < DISCARD_TURNS && n > 0; i++)
		n = io_read(c->g->io, c->fd, area, sizeof area);
	if (n == IO_FAIL) {
		tunnel_reset(&c->s, RESET_BROKEN);
		conn_drop(c);
		return;
	}
	c->out_ended = n == IO_EOF;
	c->more = n > 0;
	if (c->state == CONN_LINGER && conn_finish(c))
		return;
	conn_arm(c);
}

void
app_stop(void *owner, struct tunnel_stream *s)
{
	struct conn *c = s->owner;

	(void)owner;
	c->out_stopped = true;
	if (c->state == CONN_OPEN && !c->out_ended) {
		c->more = true;
		conn_arm(c);
	}
}

/* ---- both ---- */

void
app_closed(void *owner, struct tunnel_stream *s)
{
	struct conn *c = s->owner;
	struct agent *g = c->g;

	(void)owner;
	app_flush(g);
	if (c->state != CONN_OPEN) {
		conn_drop(c);
	} else if (!conn_finish(c)) {
		conn_to(c, CONN_LINGER);
		c->by_ms = g->io->now_ms + AGENT_LINGER_MS;
		conn_arm(c);
	}
}

void
app_reset(void *owner, struct tunnel_stream *s, enum reset_code code)
{
	(void)owner;
	(void)code;
	conn_drop(s->owner);
}

bool
app_window(void *owner, struct tunnel_stream *s, uint32_t bytes)
{
	struct conn *c = s->owner;
	struct agent *g = c->g;
	uint32_t want = blocks_for(bytes);

	(void)owner;
	if (want < c->blocks) {
		if (want < blocks_for(c->in.n))
			want = blocks_for(c->in.n);
		if (want < blocks_for(WINDOW_INITIAL))
			want = blocks_for(WINDOW_INITIAL);
		if (want >= c->blocks)
			return true;
		blocks_unreserve(&g->blocks, c->blocks - want);
		g->grown -= c->blocks - want;
		c->blocks = to_u16(want);
		return true;
	}
	want -= c->blocks;
	if (want > g->plan.grow_blocks - g->grown ||
	    !blocks_reserve(&g->blocks, want))
		return false;
	g->grown += want;
	c->blocks = to_u16(c->blocks + want);
	return true;
}

static void
conn_opened(struct conn *c)
{
	struct agent *g = c->g;
	handle who = conn_handle(c);

	conn_to(c, CONN_OPEN);
	conn_app(c)->down = false;
	timer_stop(&g->timers, &c->timer);
	c->can_write = true;
	conn_flush(c);
	if (pool_get(&g->conns, who) == NULL)
		return;
	if (c->out_stopped)
		conn_discard(c);
	else
		tunnel_ready(&c->s);
}

/* This address is none: try the next. */
static void
conn_next(struct conn *c, enum reset_code why)
{
	const struct io *io = c->g->io;

	io->ops->close(io->ctx, c->fd, true);
	c->fd = -1;
	why = conn_connect(c, why);
	if (why != RESET_NONE)
		conn_fail(c, why);
}

static void
conn_decided(struct conn *c)
{
	const struct io *io = c->g->io;
	int r = io->ops->connected(io->ctx, c->fd);

	if (r == 0)
		conn_opened(c);
	else if (r != IO_AGAIN)
		conn_next(c, failed_as(r));
}

void
conn_event(struct conn *c, uint32_t flags)
{
	struct pool *pool = &c->g->conns;
	handle who = conn_handle(c);

	if (c->state == CONN_CONNECTING) {
		conn_decided(c);
		return;
	}
	if (c->state != CONN_OPEN && c->state != CONN_LINGER)
		return;
	if (flags & EV_WRITE) {
		c->can_write = true;
		conn_flush(c);
		if (pool_get(pool, who) == NULL)
			return;
	}
	if (!(flags & (EV_READ | EV_HUP)) || c->out_ended)
		return;
	if (c->out_stopped)
		conn_discard(c);
	else
		tunnel_ready(&c->s);
}

void
conn_timer(struct conn *c)
{
	bool late = c->g->io->now_ms >= c->by_ms;

	switch (c->state) {
	case CONN_RESOLVING:
		conn_fail(c, RESET_TIMED_OUT);
		break;
	case CONN_CONNECTING:
		if (late)
			conn_fail(c, RESET_TIMED_OUT);
		else
			conn_next(c, RESET_TIMED_OUT);
		break;
	case CONN_LINGER:
		if (late) {
			conn_drop(c);
			break;
		}
		/* fall through */
	default:
		if (c->out_stopped && !c->out_ended)
			conn_discard(c);
	}
}
