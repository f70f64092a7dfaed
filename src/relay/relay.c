/*
 * The relay as a whole: it is made, it hands events to whom they are for, it
 * does once a turn what is due, and it stops.
 *
 * Order within a turn: events first (they only read, parse and mark), then in
 * relay_step the connections that were marked, deadlines, what each tunnel
 * brings, what each takes away, and at last the records of what was closed go
 * back to their pools. What a tunnel sends is composed once per turn, so all
 * frames of a turn leave together.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"

static void
relay_take_memory(struct relay *r, const struct relay_plan *plan,
    struct arena *a)
{
	pool_init(&r->clients, a, KIND_CLIENT, sizeof(struct client),
	    plan->connections);
	pool_init(&r->streams, a, KIND_STREAM, sizeof(struct rstream),
	    plan->streams);
	pool_init(&r->remotes, a, KIND_REMOTE, sizeof(struct remote),
	    plan->remotes);
	pool_init(&r->peers, a, KIND_PEER, sizeof(struct peer),
	    plan->connections + plan->remotes);
	pool_init(&r->small, a, KIND_SMALL, SMALL_BYTES, plan->heads_small);
	pool_init(&r->large, a, KIND_LARGE, LARGE_BYTES, plan->heads_large);
	blocks_init(&r->blocks, a, KIND_BLOCK, plan->blocks);
	timers_init(&r->timers, a, plan->connections + plan->streams);
	r->peer_hash_n = table_size(plan->connections);
	r->peer_hash = arena_take(a, sizeof *r->peer_hash * r->peer_hash_n,
	    16);
	r->remote_hash_n = table_size(2 * plan->streams);
	r->remote_hash = arena_take(a, sizeof *r->remote_hash *
	    (size_t)plan->remotes * r->remote_hash_n, 16);
	r->area = arena_take(a, AREA_BYTES + OUT_BYTES, 4096);
	r->gather.copy = r->area + AREA_BYTES;
	r->fields = arena_take(a, sizeof *r->fields * HTTP_FIELDS_MAX, 16);
	r->cache = arena_take(a, sizeof *r->cache * SESSIONS_CACHED, 16);
	r->access = arena_take(a, sizeof *r->access * ACCESS_CACHED, 16);
	r->live = arena_take(a, sizeof *r->live * LIVE_MAX, 16);
	r->held_names = arena_take(a, sizeof *r->held_names * HELD_MAX, 16);
	r->npast = 2 * plan->remotes;
	r->past = arena_take(a, sizeof *r->past * r->npast, 16);
	r->codes = arena_take(a, sizeof *r->codes * CODES_MAX, 16);
	r->buckets = arena_take(a, sizeof *r->buckets * BUCKETS, 16);
	r->kept = arena_take(a, sizeof *r->kept * AGENT_NAMES_MAX, 16);
}

static handle
listener_handle(size_t i)
{
	return (handle)KIND_LISTEN << 56 | i;
}

enum err
relay_new(struct relay **out, const struct relay_cfg *cfg,
    const struct relay_plan *plan, struct arena *a, struct log *log,
    const struct io *io, struct slice state)
{
	struct relay *r = arena_take(a, sizeof *r, 64);
	enum err e;

	r->cfg = cfg;
	r->plan = *plan;
	r->log = log;
	r->io = io;
	r->started_ms = io->now_ms;
	r->mode = cfg->no_login ? RELAY_OPEN : RELAY_SHARED;
	r->recheck = UINT32_MAX;
	r->started_wall_ms = io->wall_ms;
	relay_take_memory(r, plan, a);
	resume_keep_spare(r);
	if (cfg->channel)
		channel_new(r, a);
	e = kept_load(r, state);
	if (e != E_OK)
		return e;
	if (cfg->succeeds) {
		r->expect_ms = io->now_ms + EXPECT_MS;
		if (site_roots_first(r))
			name_set(&r->first_app, cfg->first_app);
	}
	for (size_t i = 0; i < cfg->nlistens; i++) {
		r->listeners[i].fd = cfg->listens[i].fd;
		r->listeners[i].ready = true;
		r->listeners[i].who = listener_handle(i);
		if (!io->ops->watch(io->ctx, cfg->listens[i].fd,
		    r->listeners[i].who))
			return E_IO;
	}
	*out = r;
	return E_OK;
}

void
relay_set_mode(struct relay *r, struct slice mode)
{
	if (r->mode != RELAY_OPEN)
		r->mode = slice_eq(mode, SL("setup")) ? RELAY_SETUP :
		    slice_eq(mode, SL("accounts")) ? RELAY_ACCOUNTS :
		    RELAY_SHARED;
}

void
relay_set_tls_until(struct relay *r, uint64_t unix_s)
{
	r->tls_until_s = unix_s;
}

bool
relay_owns(handle who)
{
	unsigned kind = handle_kind(who);

	return who == HANDLE_NONE ||
	    (kind >= KIND_CLIENT && kind < KIND_RELAY_LAST);
}

void
relay_event(struct relay *r, const struct io *io, const struct io_event *ev)
{
	struct listener *l;
	struct client *c;
	struct remote *o;

	r->io = io;
	switch (handle_kind(ev->who)) {
	case KIND_LISTEN:
		assert(handle_index(ev->who) < r->cfg->nlistens);
		l = &r->listeners[handle_index(ev->who)];
		l->ready = l->fd >= 0;
		listener_run(r, l);
		break;
	case KIND_CLIENT:
		c = pool_get(&r->clients, ev->who);
		if (c == NULL)
			break;
		if ((ev->flags & EV_ANSWER) != 0)
			client_resume(c, ev->answer);
		else
			client_event(c, ev->flags);
		break;
	case KIND_REMOTE:
		o = pool_get(&r->remotes, ev->who);
		if (o != NULL)
			remote_event(o, ev->flags);
		break;
	default:
		if (ev->who == HANDLE_NONE && (ev->flags & EV_ANSWER) != 0)
			auth_note(r, ev->answer);
	}
}

static void
run_marked(struct relay *r)
{
	/* What is marked meanwhile has its turn in the next round; a
	 * connection can mark itself no more often than it has requests. */
	for (int round = 0; r->dirty != NULL && round < 64; round++) {
		struct client *list = r->dirty;

		r->dirty = NULL;
		while (list != NULL) {
			struct client *c = list;

			list = c->next_dirty;
			c->dirty = false;
			client_run(c);
		}
	}
}

static void
run_timers(struct relay *r)
{
	struct timer *t;

	while ((t = timers_next(&r->timers, r->io->now_ms)) != NULL) {
		if (handle_kind(t->who) == KIND_CLIENT) {
			struct client *c = pool_get(&r->clients, t->who);

			assert(c != NULL);
			client_timer(c);
		} else {
			struct rstream *s = pool_get(&r->streams, t->who);

			assert(s != NULL);
			stream_timer(s);
		}
	}
}

static void
free_dead(struct relay *r)
{
	while (r->dead_streams != NULL) {
		struct rstream *s = r->dead_streams;

		r->dead_streams = s->next_dead;
		pool_give(&r->streams, s);
	}
	for (struct client **at = &r->dead_clients; *at != NULL;) {
		struct client *c = *at;

		if (c->dirty) {
			at = &c->next_dead;     /* still in that list */
			continue;
		}
		*at = c->next_dead;
		pool_give(&r->clients, c);
	}
}

static uint64_t
run_listeners(struct relay *r)
{
	uint64_t due = TIMER_NEVER;

	for (size_t i = 0; i < r->cfg->nlistens; i++) {
		struct listener *l = &r->listeners[i];

		if (l->ready && r->io->now_ms >= l->again_ms)
			listener_run(r, l);
		if (l->ready && !r->held)
			due = min_u64(due, max_u64(l->again_ms,
			    r->io->now_ms));
	}
	return due;
}

/* What requests in CLIENT_WAIT wait for may have come, or be in vain. */
static void
wake_waiting(struct relay *r)
{
	r->wake = false;
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		if (pool_live(&r->clients, i))
			client_retry(pool_at(&r->clients, i));
	}
}

/* All that tunnels brought comes before what they take away: an answer's end
 * and the next request leave in one turn. */
static uint64_t
run_remotes(struct relay *r, uint32_t *reserved)
{
	uint64_t due = TIMER_NEVER;

	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		if (pool_live(&r->remotes, i))
			remote_input(pool_at(&r->remotes, i));
	}
	if (r->wake)
		wake_waiting(r);
	run_marked(r);
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		if (pool_live(&r->remotes, i))
			due = min_u64(due,
			    remote_turn(pool_at(&r->remotes, i)));
		*reserved = (uint32_t)max_u64(*reserved, r->blocks.reserved);
	}
	return due;
}

uint64_t
relay_step(struct relay *r, const struct io *io)
{
	uint32_t reserved = 0;
	uint64_t due;

	r->io = io;
	due = run_listeners(r);
	run_marked(r);
	run_timers(r);
	due = min_u64(due, stop_step(r));
	due = min_u64(due, run_remotes(r, &reserved));
	due = min_u64(due, live_step(r));
	if (auth_recheck(r))
		due = min_u64(due, io->now_ms + ACCEPT_AGAIN_MS);
	due = min_u64(due, channel_step(r));
	if (r->kept_changed && !r->held)
		kept_save(r);
	free_dead(r);
	/* A tunnel may have had its turn when there was no block for it. */
	if (r->dirty != NULL || r->wake ||
	    (r->blocks.reserved < reserved && r->plan.blocks - reserved <=
	    RING_CONTROL_BLOCKS))
		due = io->now_ms;
	return min_u64(due, timers_due(&r->timers));
}
