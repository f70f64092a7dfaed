/*
 * Stopping in order.
 *
 *   SETTLING   who has connected and not said yet what for, or is just saying
 *              it, is let speak: closing such a connection would be a failed
 *              request that no client tries again. A second at most; others
 *              that rest are closed at once
 *   DRAINING   agents are told to go away; requests in flight have drain_ms in
 *              all to finish, and who asks meanwhile is answered (readiness:
 *              no; apps: 503), each on a connection that then closes
 *   LEAVING    nothing is in flight, or its time is over: WebSockets get a
 *              Close with 1001, the rest is cut; what the system has accepted
 *              is answered, the listening sockets are closed
 *   OVER       nobody is waited for any more
 *
 * Listening sockets stay open until LEAVING, rather than being closed at once:
 * a cut tunnel is resumed through them, and who asks whether this relay is
 * ready is told that it is not. Where another process has taken over
 * (relay_leave) they are its own by then, and all that is new goes there.
 */
#include "relay/parts.h"

#include "base/num.h"

/* A request is on its way, or here and not with an app yet. */
static bool
client_comes(const struct client *c)
{
	switch (c->state) {
	case CLIENT_IDLE:
		return c->in_n > 0 || (!c->served &&
		    c->r->io->now_ms - c->moved_ms < SETTLE_MS);
	case CLIENT_HEAD:
	case CLIENT_ASK:
	case CLIENT_BODY:
		return true;
	default:
		return false;
	}
}

bool
stop_rests(const struct client *c)
{
	return c->state == CLIENT_DEAD || (c->state == CLIENT_IDLE &&
	    c->out.n == 0 && !client_comes(c));
}

static bool
any_client(const struct relay *r, bool (*is)(const struct client *c),
    bool want)
{
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		if (pool_live(&r->clients, i) &&
		    is(pool_at(&r->clients, i)) == want)
			return true;
	}
	return false;
}

static bool
all_done(const struct relay *r)
{
	return r->remotes.used == 0 && !any_client(r, stop_rests, false);
}

/* The session goes away, a little later than the requests in it must be done:
 * they are what it waits for. */
static void
stop_remote(struct remote *l)
{
	const struct relay *r = l->r;
	uint64_t due, ms = LINGER_MS + r->stop_at_ms -
	    min_u64(r->stop_at_ms, r->io->now_ms);

	if (l->state < REMOTE_CURRENT || (remote_parked(l) &&
	    (r->left || tunnel_stats(&l->t).streams == 0))) {
		tunnel_close(&l->t, CLOSE_DONE);
		return;
	}
	tunnel_step(&l->t, r->io->now_ms, &due);        /* what time it is */
	tunnel_goaway(&l->t, r->left ? GOAWAY_UPGRADE : GOAWAY_SHUTDOWN,
	    (uint32_t)min_u64(ms, GOAWAY_MS_MAX));
}

void
relay_stop(struct relay *r, const struct io *io)
{
	r->io = io;
	if (r->stopping)
		return;
	r->stopping = true;
	r->phase = STOP_SETTLING;
	r->settle_ms = io->now_ms + SETTLE_MS;
	r->stop_at_ms = io->now_ms + r->cfg->drain_ms;
	channel_stop(r);
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		struct client *c = pool_at(&r->clients, i);

		if (!pool_live(&r->clients, i) || c->state != CLIENT_IDLE)
			continue;
		client_arm(c);
		client_mark(c);         /* it is read once more */
	}
}

static void
begin_draining(struct relay *r)
{
	r->phase = STOP_DRAINING;
	live_end_all(r);
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead)
			stop_remote(l);
	}
}

static void
close_listeners(struct relay *r)
{
	for (size_t i = 0; i < r->cfg->nlistens; i++) {
		struct listener *l = &r->listeners[i];

		while (l->ready && !r->held && r->io->now_ms >= l->again_ms)
			listener_run(r, l);
		if (l->fd >= 0)
			r->io->ops->close(r->io->ctx, l->fd, false);
		l->fd = -1;
		l->ready = false;
	}
}

static void
cut_client(struct client *c, bool now)
{
	if (!now && c->state == CLIENT_WS)
		proxy_ws_end(c, WS_CODE_GOING_AWAY,
		    SL("the relay is stopping"));
	if (now || (c->state != CLIENT_FLUSH && c->state != CLIENT_LINGER &&
	    !client_comes(c)))
		client_close(c, !stop_rests(c));
}

/* End what is left; if `now`, without last words. */
static void
cut(struct relay *r, bool now)
{
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		if (pool_live(&r->clients, i))
			cut_client(pool_at(&r->clients, i), now);
	}
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *l = pool_at(&r->remotes, i);

		if (!pool_live(&r->remotes, i) || l->dead)
			continue;
		tunnel_close(&l->t, CLOSE_DONE);
		l->dead = now;
	}
}

uint64_t
stop_step(struct relay *r)
{
	uint64_t now_ms = r->io->now_ms;

	if (r->phase == STOP_SETTLING &&
	    (now_ms >= min_u64(r->settle_ms, r->stop_at_ms) ||
	    !any_client(r, client_comes, true)))
		begin_draining(r);
	if (r->phase == STOP_DRAINING &&
	    (now_ms >= r->stop_at_ms || all_done(r))) {
		r->phase = STOP_LEAVING;
		cut(r, false);
		close_listeners(r);
		r->stop_at_ms = now_ms + LINGER_MS;
	} else if (r->phase == STOP_LEAVING && now_ms >= r->stop_at_ms) {
		r->phase = STOP_OVER;
		cut(r, true);
	}
	return r->phase == STOP_NONE || r->phase == STOP_OVER ? TIMER_NEVER :
	    r->phase == STOP_SETTLING ? min_u64(r->settle_ms, r->stop_at_ms) :
	    r->stop_at_ms;
}

bool
relay_stopped(const struct relay *r)
{
	return r->phase >= STOP_LEAVING && all_done(r);
}

/* ---- another process takes over ------------------------ */

void
relay_hold(struct relay *r, const struct io *io, bool hold)
{
	r->io = io;
	if (hold && r->kept_changed)
		kept_save(r);
	if (hold)
		channel_save(r);
	r->held = hold;
}

void
relay_leave(struct relay *r, const struct io *io)
{
	r->io = io;
	r->held = r->left = true;
	close_listeners(r);
	relay_stop(r, io);
}

static bool
client_awaits(const struct client *c)
{
	return c->state == CLIENT_WAIT;
}

bool
relay_awaits(const struct relay *r)
{
	return any_client(r, client_awaits, true);
}

struct slice
relay_first_app(const struct relay *r)
{
	return name_slice(&r->first_app);
}
