/*
 * The agent's life: sizes, start, events and turns, when to dial again, how to
 * stop. Everything that ends the process goes through agent_finish, which only
 * notes the exit code: what is on the stack below may still hold a link or a
 * connection, so closing happens on the way out (leave).
 *
 * An event only notes what became possible, and moves bytes between an app and
 * its stream; each turn (agent_step) then reads and writes the tunnels. So all
 * that one batch of events brought leaves in one write.
 */
#include "agent/inside.h"

#include <assert.h>

#include "base/num.h"

enum {
	MEMORY_USUAL = 24 * 1024 * 1024,
	PROGRAM_BYTES = 1024 * 1024,    /* text, stack, resolver */
	WAIT_FIRST_MS = 100,
	WAIT_QUICK_MS = 5000,           /* the longest in the grace period */
	WAIT_PARKED_MS = 2000,          /* and while a session may be parked */
	WAIT_SLOW_MS = 60000,
	GROW_SHARE = 20,                /* of memory: a 20th is for growing */
	GROW_LEAST = 32,                /* blocks */
};

void
agent_cfg_defaults(struct agent_cfg *cfg)
{
	*cfg = (struct agent_cfg){
		.relay_port = 80,
		.relay_path = SL("/tunnel"),
		.memory_bytes = MEMORY_USUAL,
		.connect_ms = 10000,
		.grace_ms = GRACE_MS,
		.drain_ms = 10000,
		.version = SL("0"),
	};
}

/* ---- sizes ---- */

static uint64_t
plan_bytes(const struct agent_plan *p)
{
	return arena_bytes(sizeof(struct agent), 64) +
	    blocks_bytes(p->blocks) +
	    pool_bytes(sizeof(struct link), LINKS) +
	    pool_bytes(sizeof(struct conn), p->streams) +
	    timers_bytes(p->streams + LINKS + 2) +
	    arena_bytes(LINKS * sizeof(void *) * table_size(p->streams), 16) +
	    arena_bytes(HTTP_FIELDS_MAX * sizeof(struct http_field), 16) +
	    arena_bytes(UPGRADE_BYTES, 16) + arena_bytes(UPGRADE_ASK_BYTES, 16);
}

/* The plan for that many streams, with `grow` blocks beyond what they need. */
static void
plan_for(struct agent_plan *p, uint32_t streams, uint32_t grow)
{
	p->streams = streams;
	p->window_blocks = streams * blocks_for(WINDOW_INITIAL);
	p->tunnel_blocks = LINKS * tunnel_blocks(streams);
	p->ring_blocks = grow / 2;
	p->grow_blocks = grow - grow / 2;
	p->blocks = p->window_blocks + p->tunnel_blocks + grow;
	p->fixed_bytes = IO_SCRATCH + PROGRAM_BYTES + p->tls_bytes;
	p->bytes = plan_bytes(p);
}

static bool
plan_fits(const struct agent_plan *p, uint64_t memory_bytes)
{
	return p->bytes + p->fixed_bytes <= memory_bytes;
}

enum err
agent_plan(const struct agent_cfg *cfg, struct agent_plan *plan)
{
	uint64_t memory = min_u64(cfg->memory_bytes, (uint64_t)1 << 40);
	uint32_t grow = (uint32_t)min_u64(memory / GROW_SHARE / BLOCK_BYTES,
	    POOL_MAX / 8);
	uint32_t lo, hi, spare;

	plan->tls_bytes = cfg->tls_bytes;
	if (grow < GROW_LEAST || cfg->max_streams > 0)
		grow = GROW_LEAST;
	lo = AGENT_STREAMS_MIN;
	hi = AGENT_STREAMS_USUAL;
	if (cfg->max_streams > 0)
		lo = hi = (uint32_t)min_u64(cfg->max_streams, STREAMS_MAX);
	while (lo < hi) {               /* the most that fits */
		uint32_t mid = lo + (hi - lo + 1) / 2;

		plan_for(plan, mid, grow);
		if (plan_fits(plan, memory))
			lo = mid;
		else
			hi = mid - 1;
	}
	plan_for(plan, lo, grow);
	if (!plan_fits(plan, memory))
		return E_RANGE;
	/* What is left is for growing too. */
	spare = (uint32_t)min_u64((memory - plan->bytes - plan->fixed_bytes) /
	    (BLOCK_BYTES + 16), POOL_MAX / 8);
	plan_for(plan, lo, grow + spare);
	while (!plan_fits(plan, memory) && spare > 0)
		plan_for(plan, lo, grow + --spare);
	return E_OK;
}

static bool
app_valid(const struct agent_app *a)
{
	return a->name.n > 0 && a->name.n <= HELLO_NAME_MAX &&
	    a->kind == APP_HTTP && a->origin.n <= HELLO_ORIGIN_MAX &&
	    (a->host.n > 0 ? a->port > 0 :
	    a->path.n > 0 && a->path.n <= UNIX_PATH_MAX_BYTES);
}

enum err
agent_new(struct agent **out, const struct agent_cfg *cfg,
    const struct agent_plan *plan, struct arena *a, struct log *log,
    const struct io *io)
{
	struct agent *g = arena_take(a, sizeof *g, 64);

	if (cfg->token.n == 0 || cfg->relay_host.n == 0 ||
	    cfg->relay_port == 0 || cfg->name.n == 0 ||
	    cfg->name.n > HELLO_NAME_MAX || cfg->napps > HELLO_APPS_MAX)
		return E_RANGE;
	for (size_t i = 0; i < cfg->napps; i++) {
		if (!app_valid(&cfg->apps[i]))
			return E_RANGE;
	}
	g->cfg = cfg;
	g->plan = *plan;
	g->log = log;
	g->exit_code = -1;
	g->start = true;
	blocks_init(&g->blocks, a, KIND_BLOCK, plan->blocks);
	pool_init(&g->links, a, KIND_LINK, sizeof(struct link), LINKS);
	pool_init(&g->conns, a, KIND_CONN, sizeof(struct conn), plan->streams);
	timers_init(&g->timers, a, plan->streams + LINKS + 2);
	g->hash_n = table_size(plan->streams);
	g->hashes = arena_take(a, LINKS * sizeof(void *) * g->hash_n, 16);
	g->fields = arena_take(a,
	    HTTP_FIELDS_MAX * sizeof(struct http_field), 16);
	g->answer = buf_of(arena_take(a, UPGRADE_BYTES, 16), UPGRADE_BYTES);
	g->ask = buf_of(arena_take(a, UPGRADE_ASK_BYTES, 16),
	    UPGRADE_ASK_BYTES);
	io_random(io, g->instance, sizeof g->instance);
	if (cfg->tunnel_id.n == sizeof g->tunnel_id) {
		memcpy(g->tunnel_id, cfg->tunnel_id.p, sizeof g->tunnel_id);
		g->ntunnel_id = sizeof g->tunnel_id;
	}
	g->outage_ms = io->now_ms;
	g->retry.what = WHAT_RETRY;
	g->stop.what = WHAT_STOP;
	timer_set(&g->timers, &g->retry, (handle)KIND_SELF << 56, io->now_ms);
	g->quick = 1;                   /* the dial at once is this one */
	*out = g;
	return app_init(g);
}

/* ---- when to dial again: agent.h has the rule ---- */

static bool
any_parked(struct agent *g)
{
	for (uint32_t i = 0; i < LINKS; i++) {
		struct link *l = pool_at(&g->links, i);

		if (pool_live(&g->links, i) && l->state == LINK_PARKED)
			return true;
	}
	return false;
}

/* Is there something to dial for, and nobody at it? */
static bool
wants_dial(struct agent *g)
{
	return g->exit_code < 0 && g->dial == HANDLE_NONE &&
	    ((g->current == HANDLE_NONE && !g->stopping) || any_parked(g));
}

/* The wait before the next dial of this outage, and count it. */
static uint64_t
next_wait(struct agent *g, uint64_t outage_ms, bool parked)
{
	uint64_t ms;

	if (g->quick == 0) {
		g->quick = 1;
		return 0;
	}
	if (parked || outage_ms < AGENT_GRACE_MS) {
		unsigned k = g->quick - 1;

		ms = min_u64((uint64_t)WAIT_FIRST_MS << k, WAIT_QUICK_MS);
		if (k < 10)
			g->quick++;
		if (g->had_session || parked)
			ms = min_u64(ms, WAIT_PARKED_MS);
		return ms;
	}
	ms = min_u64((uint64_t)WAIT_QUICK_MS << g->slow, WAIT_SLOW_MS);
	if (g->slow < 10)
		g->slow++;
	return ms;
}

void
agent_retry(struct agent *g)
{
	const struct io *io = g->io;
	bool parked = any_parked(g);
	uint64_t ms;
	uint32_t r;

	if (!wants_dial(g))
		return;
	ms = next_wait(g, io->now_ms - g->outage_ms, parked);
	io_random(io, &r, sizeof r);
	ms -= (ms / 4) * (r >> 16) >> 16;
	if (g->retry.pos != 0 && g->retry.due_ms <= io->now_ms + ms)
		return;
	LOGF(g->log, LOG_INFO, "agent", "retry", log_u("in_ms", ms));
	timer_set(&g->timers, &g->retry, (handle)KIND_SELF << 56,
	    io->now_ms + ms);
}

void
agent_retry_now(struct agent *g)
{
	if (wants_dial(g))
		timer_set(&g->timers, &g->retry, (handle)KIND_SELF << 56,
		    g->io->now_ms);
}

void
agent_served(struct agent *g, uint64_t live_ms)
{
	if (g->io->now_ms - live_ms < AGENT_SERVICE_MS)
		return;
	g->quick = g->slow = 0;
	g->outage_ms = g->io->now_ms;
	g->had_session = true;
}

/* The wait is over; what it was for may be, too: of the timers that are due
 * after a sleep, another one came first. */
static void
dial_due(struct agent *g)
{
	if (wants_dial(g))
		dial_start(g);
}

void
agent_expected(struct agent *g)
{
	if (g->quick > 1)
		g->quick = 1;
	g->slow = 0;
	g->outage_ms = g->io->now_ms;
}

/* ---- events and turns ---- */

void
agent_finish(struct agent *g, int exit_code)
{
	if (g->exit_code < 0)
		g->exit_code = exit_code;
}

static void
enter(struct agent *g, const struct io *io)
{
	assert(g->io == NULL);
	g->io = io;
}

/* Close all that is open. */
static void
close_all(struct agent *g)
{
	for (uint32_t i = 0; i < LINKS; i++) {
		if (pool_live(&g->links, i))
			link_free(pool_at(&g->links, i), false);
	}
	for (uint32_t i = 0; i < g->plan.streams; i++) {
		if (pool_live(&g->conns, i))
			conn_drop(pool_at(&g->conns, i));
	}
	timer_stop(&g->timers, &g->retry);
	timer_stop(&g->timers, &g->stop);
	assert(g->conns.used == 0 && g->blocks.pool.used == 0);
	assert(g->blocks.reserved == 0 && g->timers.n == 0);
}

static void
leave(struct agent *g)
{
	assert(g->gather.c == NULL);
	if (g->stopping && g->links.used == 0 && g->conns.used == 0)
		agent_finish(g, 0);
	if (g->exit_code >= 0 && !g->over) {
		g->over = true;
		close_all(g);
	}
	g->io = NULL;
}

bool
agent_owns(handle who)
{
	return handle_kind(who) >> 4 == 0x4;
}

static void
link_any_event(struct agent *g, const struct io_event *ev)
{
	struct link *l = pool_get(&g->links, ev->who);

	if (l == NULL)
		return;
	if (ev->flags & EV_RESOLVED)
		dial_resolved(l, ev);
	else if (l->state < LINK_HELLO)
		dial_event(l, ev->flags);
	else
		link_event(l, ev->flags);
}

void
agent_event(struct agent *g, const struct io *io, const struct io_event *ev)
{
	struct conn *c;
	uint32_t i = handle_index(ev->who);

	enter(g, io);
	switch (g->over ? 0 : handle_kind(ev->who)) {
	case KIND_LINK:
		link_any_event(g, ev);
		break;
	case KIND_CONN:
		c = pool_get(&g->conns, ev->who);
		if (c != NULL)
			conn_event(c, ev->flags);
		break;
	case KIND_APP:
		if (i < g->cfg->napps && (ev->flags & EV_RESOLVED))
			app_resolved(g, &g->apps[i], ev);
		break;
	}
	leave(g);
}

/* The time to drain is over: say Close whatever is under way. */
static void
stop_now(struct agent *g)
{
	for (uint32_t i = 0; i < LINKS; i++) {
		struct link *l = pool_at(&g->links, i);

		if (!pool_live(&g->links, i) || l->state == LINK_CLOSING)
			continue;
		if (l->state >= LINK_HELLO && !link_waits(l))
			link_close(l, CLOSE_DONE);
		else
			link_free(l, true);
	}
	for (uint32_t i = 0; i < g->plan.streams; i++) {
		if (pool_live(&g->conns, i))
			conn_drop(pool_at(&g->conns, i));
	}
}

static void
run_timers(struct agent *g)
{
	struct timer *t;

	while ((t = timers_next(&g->timers, g->io->now_ms)) != NULL) {
		struct link *l = pool_get(&g->links, t->who);
		struct conn *c = pool_get(&g->conns, t->who);

		if (c != NULL)
			conn_timer(c);
		else if (l != NULL && l->state < LINK_HELLO)
			dial_timer(l);
		else if (l != NULL)
			link_timer(l);
		else if (t->what == WHAT_STOP)
			stop_now(g);
		else
			dial_due(g);
	}
}

uint64_t
agent_step(struct agent *g, const struct io *io)
{
	uint64_t due = TIMER_NEVER;

	if (g->over)
		return TIMER_NEVER;
	enter(g, io);
	run_timers(g);
	for (uint32_t i = 0; i < LINKS && g->exit_code < 0; i++) {
		if (pool_live(&g->links, i))
			due = min_u64(due, link_turn(pool_at(&g->links, i)));
	}
	leave(g);
	return g->over ? TIMER_NEVER : min_u64(due, timers_due(&g->timers));
}

void
agent_dial_now(struct agent *g, const struct io *io)
{
	if (g->retry.pos == 0 || g->over)
		return;
	enter(g, io);
	timer_stop(&g->timers, &g->retry);
	dial_due(g);
	leave(g);
}

void
agent_stop(struct agent *g, const struct io *io)
{
	bool again = g->stopping;

	if (g->over)
		return;
	enter(g, io);
	g->stopping = true;
	timer_stop(&g->timers, &g->retry);
	if (!again)
		LOGF(g->log, LOG_INFO, "agent", "stopping",
		    log_u("streams", g->conns.used));
	for (uint32_t i = 0; i < LINKS; i++) {
		struct link *l = pool_at(&g->links, i);

		if (!pool_live(&g->links, i))
			continue;
		if (l->state == LINK_LIVE)
			link_goaway(l, g->cfg->drain_ms);
		else if (link_waits(l))
			link_goaway_parked(l, g->cfg->drain_ms);
		else if (l->state == LINK_HELLO)
			link_close(l, CLOSE_DONE);
		else if (l->state < LINK_HELLO)
			link_free(l, true);
	}
	if (again)
		stop_now(g);
	else
		timer_set(&g->timers, &g->stop, (handle)KIND_SELF << 56,
		    io->now_ms + g->cfg->drain_ms);
	agent_retry_now(g);
	leave(g);
}

int
agent_exit_code(const struct agent *g)
{
	return g->over ? g->exit_code : -1;
}

struct agent_stats
agent_stats(const struct agent *g)
{
	const struct link *l = pool_get(&g->links, g->current);

	return (struct agent_stats){
		.served = l != NULL && l->state == LINK_LIVE,
		.waiting = g->retry.pos != 0,
		.streams = g->conns.used,
		.links = g->links.used,
		.blocks_used = g->blocks.pool.used,
		.blocks_reserved = g->blocks.reserved,
		.dials = g->dials,
	};
}
