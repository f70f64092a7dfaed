/*
 * Stopping in order. Agents are told to go away; requests in flight have
 * drain_ms to finish, and who asks meanwhile is answered (readiness: no), each
 * on a connection that then closes. Then WebSockets get a Close with 1001, the
 * rest is cut, nothing is accepted any more, and soon after it is over.
 */
#include "relay/parts.h"

#include "base/num.h"

/* The session goes away, a little later than the requests in it must be done:
 * they are what it waits for. */
static void
stop_remote(struct remote *l)
{
	uint64_t due, ms = (uint64_t)l->r->cfg->drain_ms + LINGER_MS;

	if (l->state < REMOTE_CURRENT || (remote_parked(l) &&
	    tunnel_stats(&l->t).streams == 0)) {
		tunnel_close(&l->t, CLOSE_DONE);
		return;
	}
	tunnel_step(&l->t, l->r->io->now_ms, &due);     /* what time it is */
	tunnel_goaway(&l->t, GOAWAY_SHUTDOWN,
	    (uint32_t)min_u64(ms, GOAWAY_MS_MAX));
}

/* Nothing would be lost by closing it. */
static bool
client_rests(const struct client *c)
{
	return c->state == CLIENT_DEAD ||
	    (c->state == CLIENT_IDLE && c->out.n == 0);
}

void
relay_stop(struct relay *r, const struct io *io)
{
	r->io = io;
	if (r->stopping)
		return;
	r->stopping = true;
	r->stop_at_ms = io->now_ms + r->cfg->drain_ms;
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		struct client *c = pool_at(&r->clients, i);

		if (pool_live(&r->clients, i) && client_rests(c))
			client_close(c, false);
	}
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead)
			stop_remote(l);
	}
}

static void
cut_client(struct client *c, bool now)
{
	if (!now && c->state == CLIENT_WS)
		proxy_end_ws(c, WS_CODE_GOING_AWAY,
		    SL("the relay is stopping"));
	if (now || (c->state != CLIENT_FLUSH && c->state != CLIENT_LINGER))
		client_close(c, true);
}

/* The time is over: end what is left; called again, without last words. */
void
relay_cut(struct relay *r)
{
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		if (pool_live(&r->clients, i))
			cut_client(pool_at(&r->clients, i), r->cut);
	}
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *l = pool_at(&r->remotes, i);

		if (!pool_live(&r->remotes, i) || l->dead)
			continue;
		tunnel_close(&l->t, CLOSE_DONE);
		l->dead = r->cut;
	}
	r->stop_at_ms = r->cut ? TIMER_NEVER : r->io->now_ms + LINGER_MS;
	r->cut = true;
}

bool
relay_stopped(const struct relay *r)
{
	if (!r->stopping)
		return false;
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		if (pool_live(&r->clients, i) &&
		    !client_rests(pool_at(&r->clients, i)))
			return false;
	}
	return r->remotes.used == 0;
}
