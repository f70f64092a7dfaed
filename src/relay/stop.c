/*
 * Stopping in order. Nothing new is accepted; agents are told to go away;
 * requests in flight have drain_ms to finish; then WebSockets are closed with
 * 1001 and the rest is cut.
 */
#include "relay/parts.h"

void
relay_stop(struct relay *r, const struct io *io)
{
	r->io = io;
	if (r->stopping)
		return;
	r->stopping = true;
	r->stop_at_ms = io->now_ms + r->cfg->drain_ms;
	for (size_t i = 0; i < r->cfg->nlistens; i++)
		r->listeners[i].ready = false;
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		struct client *c = pool_at(&r->clients, i);

		if (pool_live(&r->clients, i) && c->state == CLIENT_IDLE &&
		    c->out.n == 0)
			client_close(c, false);
	}
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead)
			tunnel_goaway(&l->t, GOAWAY_SHUTDOWN,
			    r->cfg->drain_ms);
	}
}

/* The time is over: end what is left. */
void
relay_cut(struct relay *r)
{
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		struct client *c = pool_at(&r->clients, i);

		if (!pool_live(&r->clients, i) || c->state == CLIENT_DEAD)
			continue;
		if (c->state == CLIENT_WS)
			proxy_end_ws(c, WS_CODE_GOING_AWAY,
			    SL("the relay is stopping"));
		else if (c->state != CLIENT_FLUSH && c->state != CLIENT_LINGER)
			client_close(c, true);
	}
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead)
			tunnel_close(&l->t, CLOSE_DONE);
	}
	r->stop_at_ms = TIMER_NEVER;
}

bool
relay_stopped(const struct relay *r)
{
	bool busy = false;

	if (!r->stopping)
		return false;
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		const struct client *c = pool_at(&r->clients, i);

		busy = busy || (pool_live(&r->clients, i) &&
		    c->state != CLIENT_DEAD);
	}
	return !busy;
}
