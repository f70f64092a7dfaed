/*
 * A link: one connection that carries a tunnel. Here are its states and its
 * end, and what either means for the agent: dial again, drain, stop for good.
 *
 * When the connection is cut the link is PARKED: the tunnel keeps the session,
 * and the same link dials again (dial.c) and says hello with what proves that
 * the session is its own. What has become of the apps' connections meanwhile
 * waits in the tunnel; they themselves do not notice.
 */
#include "agent/inside.h"

#include <assert.h>

#include "base/edge.h"
#include "base/num.h"

static const struct edge edges[] = {
#define X(from, to, when) { LINK_##from, LINK_##to },
	LINK_EDGE_LIST(X)
#undef X
};

void
link_to(struct link *l, enum link_state next)
{
	static const char *const name[] = {
#define X(id, text) #id,
		LINK_STATE_LIST(X)
#undef X
	};

	assert(EDGE_LEGAL(edges, l->state, next));
	LOGF(l->g->log, LOG_TRACE, "agent", "link",
	    log_u("serial", l->serial), log_c("from", name[l->state]),
	    log_c("to", name[next]));
	l->state = (uint8_t)next;
}

struct link *
link_new(struct agent *g)
{
	struct link *l = pool_take(&g->links);
	struct link *old = NULL;

	for (uint32_t i = 0; i < LINKS && l == NULL; i++) {
		struct link *o = pool_at(&g->links, i);
		bool closing = o->state == LINK_CLOSING;

		if (old == NULL ||
		    (closing && old->state != LINK_CLOSING) ||
		    (closing == (old->state == LINK_CLOSING) &&
		    o->serial < old->serial))
			old = o;
	}
	if (l == NULL) {
		assert(old->drains || old->state == LINK_CLOSING);
		link_free(old, true);
		l = pool_take(&g->links);
	}
	assert(l != NULL);
	l->g = g;
	l->fd = -1;
	l->serial = ++g->serial;
	l->hash = g->hashes + (size_t)pool_index(&g->links, l) * g->hash_n;
	return l;
}

void
link_dialled(struct link *l)
{
	struct agent *g = l->g;

	if (g->dial != link_handle(l))
		return;
	g->dial = HANDLE_NONE;
	wipe(g->ask.p, g->ask.n);
	buf_reset(&g->ask);
}

void
link_free(struct link *l, bool abort)
{
	struct agent *g = l->g;
	const struct io *io = g->io;
	handle who = link_handle(l);

	if (l->has_tunnel)
		tunnel_free(&l->t, RESET_BROKEN);
	memset(l->hash, 0, g->hash_n * sizeof(struct tunnel_stream *));
	if (l->fd >= 0)
		io->ops->close(io->ctx, l->fd, abort);
	timer_stop(&g->timers, &l->timer);
	link_dialled(l);
	if (g->current == who)
		g->current = HANDLE_NONE;
	wipe(l->secret, sizeof l->secret);
	link_to(l, LINK_FREE);
	pool_give(&g->links, l);
}

bool
link_waits(const struct link *l)
{
	return l->has_tunnel && (tunnel_state(&l->t) == TUNNEL_PARKED ||
	    tunnel_state(&l->t) == TUNNEL_RESUMING);
}

bool
link_park(struct link *l)
{
	struct agent *g = l->g;
	const struct io *io = g->io;
	bool was = link_waits(l) && l->parked_ms > 0;

	if (!l->has_tunnel || !tunnel_park(&l->t, io->now_ms))
		return false;
	if (l->state == LINK_LIVE)
		agent_served(g, l->live_ms);
	if (l->fd >= 0)
		io->ops->close(io->ctx, l->fd, true);
	l->fd = -1;
	l->can_read = l->can_write = false;
	timer_stop(&g->timers, &l->timer);
	link_dialled(l);
	/* One that was welcomed and not confirmed is as good as confirmed. */
	if (g->current == HANDLE_NONE && !l->drains)
		g->current = link_handle(l);
	if (!was) {
		l->parked_ms = io->now_ms;
		l->tried = 0;
	}
	link_to(l, LINK_PARKED);
	return true;
}

void
link_unplug(struct link *l)
{
	if (!link_park(l))
		link_free(l, true);
}

void
link_retire(struct link *l)
{
	struct agent *g = l->g;
	handle who = link_handle(l);

	if (g->current != who && g->dial != who)
		return;
	if (g->current == who && l->state >= LINK_LIVE)
		agent_served(g, l->live_ms);
	if (g->current == who)
		g->current = HANDLE_NONE;
	if (g->dial == who)
		g->dial = HANDLE_NONE;
	agent_retry(g);
}

void
link_log_end(const struct link *l, const char *why, unsigned code)
{
	struct agent *g = l->g;

	switch (l->state) {
	case LINK_HELLO:
		LOGF(g->log, LOG_WARN, "agent", "dial failed",
		    log_s("relay", g->cfg->relay_url), log_c("why", why),
		    log_u("code", code));
		break;
	case LINK_LIVE:
		LOGF(g->log, LOG_WARN, "agent", "cut", log_c("why", why),
		    log_u("code", code),
		    log_u("served_ms", g->io->now_ms - l->live_ms));
		break;
	case LINK_DRAINING:
		LOGF(g->log, LOG_INFO, "agent", "drained session over",
		    log_c("why", why), log_u("code", code));
		break;
	default:
		break;
	}
}

void
link_lost(struct link *l, const char *why)
{
	struct agent *g = l->g;

	link_log_end(l, why, 0);
	if (link_park(l)) {
		agent_retry(g);
	} else {
		link_retire(l);
		link_free(l, true);
	}
}

void
link_closing(struct link *l)
{
	struct agent *g = l->g;

	for (uint32_t i = 0; i < g->plan.streams; i++) {
		struct conn *c = pool_at(&g->conns, i);

		if (pool_live(&g->conns, i) && c->s.tunnel == &l->t)
			conn_drop(c);
	}
	link_retire(l);
	link_to(l, LINK_CLOSING);
	timer_set(&g->timers, &l->timer, link_handle(l),
	    g->io->now_ms + AGENT_CLOSE_MS);
}

void
link_close(struct link *l, enum close_code code)
{
	assert(l->has_tunnel && l->state != LINK_CLOSING);
	link_log_end(l, "closed by the agent", code);
	tunnel_close(&l->t, code);
	link_closing(l);
}

void
link_timer(struct link *l)
{
	if (l->state == LINK_CLOSING)
		link_free(l, true);
	else if (tunnel_stats(&l->t).streams == 0)
		link_close(l, CLOSE_DONE);
}

void
link_goaway(struct link *l, uint32_t deadline_ms)
{
	uint64_t due;

	/* The deadline counts from the time that the engine knows. */
	if (!link_after(l, tunnel_step(&l->t, l->g->io->now_ms, &due)))
		return;
	tunnel_goaway(&l->t, GOAWAY_SHUTDOWN,
	    (uint32_t)min_u64(deadline_ms, GOAWAY_MS_MAX));
	l->drains = true;
	link_to(l, LINK_DRAINING);
	link_retire(l);
}

void
link_goaway_parked(struct link *l, uint32_t deadline_ms)
{
	struct agent *g = l->g;
	uint64_t due;

	tunnel_step(&l->t, g->io->now_ms, &due);
	if (!link_waits(l) || tunnel_stats(&l->t).streams == 0) {
		link_free(l, true);
		return;
	}
	tunnel_goaway(&l->t, GOAWAY_SHUTDOWN,
	    (uint32_t)min_u64(deadline_ms, GOAWAY_MS_MAX));
	l->drains = true;
	if (g->current == link_handle(l))
		g->current = HANDLE_NONE;
}
