/*
 * A connection to an app: its states, how it is made, its deadlines, its end.
 * It goes to one of the addresses that its app stands for; they are tried one
 * after the other, and one that others follow has a quarter of the time.
 */
#include "agent/inside.h"

#include <assert.h>

#include "base/edge.h"
#include "base/num.h"

static const struct edge edges[] = {
#define X(from, to, when) { CONN_##from, CONN_##to },
	CONN_EDGE_LIST(X)
#undef X
};

void
conn_to(struct conn *c, enum conn_state next)
{
	static const char *const name[] = {
#define X(id, text) #id,
		CONN_STATE_LIST(X)
#undef X
	};

	assert(EDGE_LEGAL(edges, c->state, next));
	LOGF(c->g->log, LOG_TRACE, "agent", "stream", log_u("id", c->s.id),
	    log_c("from", name[c->state]), log_c("to", name[next]));
	c->state = (uint8_t)next;
}

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

bool
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

void
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

void
conn_fail(struct conn *c, enum reset_code code)
{
	struct app *a = conn_app(c);

	if (!a->down)
		LOGF(c->g->log, LOG_WARN, "agent", "app does not answer",
		    log_s("app", a->cfg->name),
		    log_c("why", frame_reset_text(code)));
	a->down = true;
	tunnel_reset(&c->s, code);
	conn_drop(c);
}

/* What it means that a connect failed with r. */
static enum reset_code
failed_as(int r)
{
	return r == IO_REFUSED ? RESET_REFUSED : RESET_UNREACHABLE;
}

enum reset_code
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
