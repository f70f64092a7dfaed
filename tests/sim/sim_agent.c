/*
 * Agents of the simulator: see sim.h. Each is the real agent, a process on its
 * own machine beside its app. For a planted bug its io is wrapped: what passes
 * the tunnel's socket is taken apart into frames, which then are dropped,
 * doubled, swapped or changed as a faulty engine would have sent them.
 */
#include "sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/agent.h"
#include "agent/inside.h"
#include "base/num.h"
#include "codec/frame.h"
#include "codec/ws.h"
#include "tunnel/engine.h"

enum { FILTERS = 64, RELAY_PORT = 4000, START_OVER_MS = 10000,
	REPLACED_MS = 60000,    /* within so long a predecessor ends */
	LEAST_BYTES = 1 << 20, USUAL_BYTES = 24 << 20,
	TAP_BYTES = 3000, SCANT_STREAMS = 2,
	LEFT_BYTES = 1024,      /* of a turn's output; no DATA frame fits */
	OPEN_MS = 2000,         /* within so long a request is at the app */
	TURN_MS = 1000 };       /* a turn of the simulator is shorter */

/* Bytes of one direction of a tunnel's socket. */
struct way {
	struct dyn raw, out;            /* not looked at yet; passed */
	struct dyn held;                /* a frame kept back for a swap */
	bool up;                        /* the HTTP head is behind us */
	bool ended;                     /* nothing more passes */
};

struct filter { bool on; struct way in, out; };

struct sim_agent {
	size_t i;
	char name[4], app[4], id[HELLO_TUNNEL_ID_BYTES + 1];
	struct world_host *machine, *host;
	struct agent_cfg cfg;
	struct agent_plan plan;
	struct arena arena;
	struct agent *agent;            /* NULL: not running */
	struct sim_agent *old;          /* whose place it takes; NULL: ended */
	bool stopping, for_good, keeps_id, sleeps;
	uint64_t woke_ms;
	struct io io;                   /* when wrapped */
	struct filter filters[FILTERS];
	uint32_t credit_stream;
	unsigned steps;
	uint64_t twin_ms;
	struct blame blame;
	/* What stands between it and the relay: since when (0: nothing does),
	 * until when, when it last lost its connection; and when new requests
	 * may have been refused because of it, the last time. */
	uint64_t hinder_ms, hinder_until_ms, cut_ms;
	uint64_t refuse_ms, refuse_until_ms, last_cut_ms;
	uint64_t expired_ms;            /* its session may have, last */
	struct dyn tap;                 /* what its last dial said, */
	int tap_fd;                     /* and on which connection, */
	uint64_t dialled_ms;            /* and when that began */
	bool proxied, proxy_ends;       /* a proxy may close politely */
	uint64_t outage_ms;             /* began; 0: none */
	uint64_t served_ms;             /* this service began; 0: none */
	uint64_t healed_ms;             /* nothing hinders it since */
	uint64_t start_ms;              /* start anew then; 0: no */
	uint64_t scarce_ms;             /* until then; 0: there is enough */
	uint32_t taken;                 /* blocks that it has not got */
	uint64_t drained_ms;            /* asked to stop, it may wait so long */
};

static uint64_t
frame_number(const char *p, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | (uint8_t)*p++;
	return v;
}

/* ---- planted bugs ---- */

/* Once in n, if the bug has not struck too often yet. */
static bool
strikes(unsigned n, unsigned most)
{
	if (sim.planted >= most || sim_below(n) != 0)
		return false;
	sim.planted++;
	sim_note("plant strikes");
	return true;
}

static bool
drops(struct sim_agent *a, bool in, unsigned type, uint32_t stream)
{
	bool strike = false;

	switch (sim.plant) {
	case PLANT_DROP_DATA:
		strike = type == FRAME_DATA && strikes(20, 1);
		break;
	case PLANT_DROP_END:
		strike = type == FRAME_END && strikes(5, 1);
		break;
	case PLANT_DROP_RESET:
		strike = type == FRAME_RESET && strikes(1, 3);
		break;
	case PLANT_DROP_STOP:
		strike = type == FRAME_STOP && strikes(1, 3);
		break;
	case PLANT_DROP_CREDIT:
		if (type == FRAME_CREDIT && in && stream > 0 &&
		    a->credit_stream == 0 && strikes(1, 1))
			a->credit_stream = stream;
		strike = type == FRAME_CREDIT && in &&
		    stream == a->credit_stream && stream > 0;
		break;
	case PLANT_ONE_CREDIT:
		strike = type == FRAME_CREDIT && strikes(2, 1);
		break;
	case PLANT_MUTE:
		strike = sim.planted > 0 || (type == FRAME_DATA &&
		    a->i == 0 && strikes(60, 1));
		strike = strike && a->i == 0;
		break;
	default:
		break;
	}
	return strike;
}

/* One WebSocket frame at raw, `head` bytes before its payload. */
static void
way_frame(struct sim_agent *a, struct way *w, bool in, size_t head, size_t n,
    const struct ws_frame *f)
{
	char *p = w->raw.p + head;
	char plain[FRAME_HEAD_BYTES + 8] = { 0 };
	size_t look = min_size(n, sizeof plain);
	unsigned type;

	memcpy(plain, p, look);
	if (f->masked)
		ws_mask((uint8_t *)plain, (const uint8_t *)p, look, f->key, 0);
	type = f->opcode == WS_BINARY && n >= FRAME_HEAD_BYTES ?
	    (uint8_t)plain[0] : 0;
	if (drops(a, in, type, (uint32_t)frame_number(plain + 4, 4)))
		return;
	if (sim.plant == PLANT_FLIP && type == FRAME_DATA && strikes(20, 1))
		p[n - 1] ^= 1;
	if (sim.plant == PLANT_ACK_OFF && type == FRAME_ACK && strikes(20, 1))
		p[n - 1] ^= 0x40;
	if (sim.plant == PLANT_SWAP && type == FRAME_DATA && w->held.n == 0 &&
	    strikes(10, 1)) {
		dyn_put(&w->held, w->raw.p, head + n);
		return;
	}
	dyn_put(&w->out, w->raw.p, head + n);
	if (in && a->proxy_ends) {
		static const char going_away[] = "\x88\x02\x03\xe9";

		a->proxy_ends = false;
		sim_agent_hinder(a, sim_now(), true);
		dyn_put(&w->out, going_away, sizeof going_away - 1);
		w->ended = true;
	}
	if (sim.plant == PLANT_TWICE && type == FRAME_DATA && strikes(20, 1))
		dyn_put(&w->out, w->raw.p, head + n);
	if (w->held.n > 0) {
		dyn_put(&w->out, w->held.p, w->held.n);
		w->held.n = 0;
	}
}

/* Pass on what is whole of raw. */
static void
way_pass(struct sim_agent *a, struct way *w, bool in)
{
	struct ws_frame f;
	size_t head;

	if (!w->up) {
		char *end = w->raw.n < 4 ? NULL :
		    memmem(w->raw.p, w->raw.n, "\r\n\r\n", 4);

		if (end == NULL)
			return;
		head = (size_t)(end - w->raw.p) + 4;
		dyn_put(&w->out, w->raw.p, head);
		dyn_drop(&w->raw, head);
		w->up = true;
	}
	while (!w->ended && w->raw.n > 0 &&
	    ws_decode(&f, slice_of(w->raw.p, w->raw.n),
	    &head) == E_OK && w->raw.n - head >= f.length) {
		way_frame(a, w, in, head, (size_t)f.length, &f);
		dyn_drop(&w->raw, head + (size_t)f.length);
	}
}

static const struct io *
under(struct sim_agent *a)
{
	return world_io(a->host);
}

/* Are its tunnels taken apart into frames? */
static bool
filters(const struct sim_agent *a)
{
	return a->proxied || sim.plant != PLANT_NONE;
}

static struct filter *
filter_of(struct sim_agent *a, int fd)
{
	assert(fd < FILTERS);
	return a->filters[fd].on ? &a->filters[fd] : NULL;
}

static int64_t
wrap_read(void *ctx, int fd, uint8_t *p, size_t n)
{
	struct sim_agent *a = ctx;
	struct filter *f = filter_of(a, fd);
	uint8_t area[16384];

	if (f == NULL)
		return io_read(under(a), fd, p, n);
	if (f->in.ended && f->in.out.n == 0)
		return IO_EOF;
	while (f->in.out.n == 0) {
		int64_t k = io_read(under(a), fd, area, sizeof area);

		if (k <= 0)
			return k;
		dyn_put(&f->in.raw, area, (size_t)k);
		way_pass(a, &f->in, true);
	}
	n = min_size(n, f->in.out.n);
	memcpy(p, f->in.out.p, n);
	dyn_drop(&f->in.out, n);
	return (int64_t)n;
}

/* Write what was passed; IO_AGAIN while some is left. */
static int64_t
way_flush(struct sim_agent *a, struct way *w, int fd)
{
	while (w->out.n > 0) {
		int64_t k = io_write(under(a), fd,
		    slice_of(w->out.p, w->out.n));

		if (k < 0)
			return k;
		dyn_drop(&w->out, (size_t)k);
	}
	return 0;
}

/* An ACK that is due stands in front of what else its connection is given,
 * also while that is a replay. */
static void
check_ack(const struct sim_agent *a, int fd, const struct slice *v, size_t n)
{
	size_t sum = 0;

	if (n == 0 || v[0].p != a->io.scratch)
		return;                 /* the rest of what was looked at */
	for (size_t i = 0; i < n; i++)
		sum += v[i].n;
	for (uint32_t i = 0; i < LINKS; i++) {
		const struct link *l = pool_at(&a->agent->links, i);

		if (!pool_live(&a->agent->links, i) || !l->has_tunnel ||
		    l->fd != fd || !session_live(&l->t))
			continue;
		/* Leftovers that fill a turn alone go first. */
		if (l->t.ack_at_ms <= l->t.now_ms &&
		    sum < TUNNEL_OUTPUT_BYTES - LEFT_BYTES)
			sim_fail("%s: an ACK waits for other frames", a->name);
	}
}

/* Write, and remember the beginning of what a dial says. */
static int64_t
tapped(struct sim_agent *a, int fd, const struct slice *v, size_t n)
{
	int64_t done = io_writev(under(a), fd, v, n);
	size_t left = done > 0 ? (size_t)done : 0;

	for (size_t i = 0; i < n && fd == a->tap_fd && a->tap.n < TAP_BYTES;
	    i++) {
		dyn_put(&a->tap, v[i].p, min_size(v[i].n, left));
		left -= min_size(v[i].n, left);
	}
	return done;
}

static int64_t
wrap_writev(void *ctx, int fd, const struct slice *v, size_t n)
{
	struct sim_agent *a = ctx;
	struct filter *f = filter_of(a, fd);
	int64_t k, sum = 0;

	check_ack(a, fd, v, n);
	if (f == NULL)
		return tapped(a, fd, v, n);
	k = way_flush(a, &f->out, fd);
	if (k < 0)
		return k;
	for (size_t i = 0; i < n; i++) {
		dyn_put(&f->out.raw, v[i].p, v[i].n);
		sum += (int64_t)v[i].n;
	}
	way_pass(a, &f->out, false);
	k = way_flush(a, &f->out, fd);
	return k == IO_FAIL ? k : sum;
}

static int
wrap_connect(void *ctx, const struct addr *to, struct slice path)
{
	struct sim_agent *a = ctx;
	int fd = under(a)->ops->connect(under(a)->ctx, to, path);

	if (fd >= 0 && to->port == RELAY_PORT) {
		a->tap_fd = fd;
		a->tap.n = 0;
		a->dialled_ms = sim_now();
	}
	if (fd >= 0 && to->port == RELAY_PORT && filters(a)) {
		struct filter *f = filter_of(a, fd);

		assert(f == NULL);
		f = &a->filters[fd];
		f->on = true;
		f->in.up = f->out.up = false;
		f->in.ended = f->out.ended = false;
		f->in.raw.n = f->in.out.n = f->in.held.n = 0;
		f->out.raw.n = f->out.out.n = f->out.held.n = 0;
	}
	return fd;
}

static void
wrap_close(void *ctx, int fd, bool abort_it)
{
	struct sim_agent *a = ctx;

	if (fd < FILTERS)
		a->filters[fd].on = false;
	if (fd == a->tap_fd)
		a->tap_fd = -1;
	under(a)->ops->close(under(a)->ctx, fd, abort_it);
}

static int
wrap_connected(void *ctx, int fd)
{
	return under(ctx)->ops->connected(under(ctx)->ctx, fd);
}

static bool
wrap_watch(void *ctx, int fd, handle who)
{
	return under(ctx)->ops->watch(under(ctx)->ctx, fd, who);
}

static void
wrap_shutdown(void *ctx, int fd)
{
	under(ctx)->ops->shutdown(under(ctx)->ctx, fd);
}

static void
wrap_bulk(void *ctx, int fd)
{
	under(ctx)->ops->bulk(under(ctx)->ctx, fd);
}

static bool
wrap_resolve(void *ctx, struct slice name, uint16_t port, handle who)
{
	return under(ctx)->ops->resolve(under(ctx)->ctx, name, port, who);
}

static void
wrap_random(void *ctx, uint8_t *p, size_t n)
{
	under(ctx)->ops->random(under(ctx)->ctx, p, n);
}

static bool
wrap_save(void *ctx, struct slice name, struct slice content)
{
	return under(ctx)->ops->save(under(ctx)->ctx, name, content);
}

static const struct io_ops wrap_ops = {
	.read = wrap_read, .writev = wrap_writev, .connect = wrap_connect,
	.connected = wrap_connected, .watch = wrap_watch,
	.shutdown = wrap_shutdown, .close = wrap_close, .bulk = wrap_bulk,
	.resolve = wrap_resolve, .random = wrap_random, .save = wrap_save,
};

static const struct io *
wrap(struct sim_agent *a, const struct io *io)
{
	a->io = *io;
	a->io.ops = &wrap_ops;
	a->io.ctx = a;
	return &a->io;
}

/* ---- the process ---- */

static void
on_event(void *arg, const struct io *io, const struct io_event *ev)
{
	struct sim_agent *a = arg;

	assert(agent_owns(ev->who));
	agent_event(a->agent, wrap(a, io), ev);
}

static uint64_t
on_step(void *arg, const struct io *io)
{
	struct sim_agent *a = arg;
	uint64_t due;

	for (int fd = 0; filters(a) && fd < FILTERS; fd++) {
		if (a->filters[fd].on && a->filters[fd].out.out.n > 0)
			way_flush(a, &a->filters[fd].out, fd);
	}
	due = agent_step(a->agent, wrap(a, io));
	for (uint32_t i = 0; i < LINKS && a->steps % 16 == 0; i++) {
		const struct link *l = pool_at(&a->agent->links, i);

		if (pool_live(&a->agent->links, i) && l->has_tunnel)
			tunnel_check(&l->t);
	}
	a->steps++;
	assert(a->agent->blocks.pool.used <= a->agent->blocks.reserved);
	assert(a->agent->blocks.reserved <= a->plan.blocks);
	return due;
}

static struct sim_agent *
agent_make(size_t i, struct world_host *machine)
{
	struct sim_agent *a = sim_mem(sizeof *a);
	struct agent_app *app = &a->cfg.apps[0];
	char token[40];

	a->i = i;
	snprintf(a->name, sizeof a->name, "a%zu", i + 1);
	snprintf(a->app, sizeof a->app, "w%zu", i + 1);
	a->machine = machine;
	a->host = world_process(a->machine, a->name);
	a->keeps_id = sim_chance(500);
	a->proxied = sim_chance(400);
	a->tap_fd = -1;
	agent_cfg_defaults(&a->cfg);
	a->cfg.relay_host = sim_chance(500) ? SL("relay.test") : SL(SIM_RELAY);
	a->cfg.relay_port = RELAY_PORT;
	a->cfg.relay_authority = SL(SIM_RELAY ":4000");
	a->cfg.relay_url = SL("http://" SIM_RELAY ":4000");
	a->cfg.name = slice_of(a->name, 2);
	a->cfg.drain_ms = (uint32_t)(1000 + sim_below(10000));
	a->cfg.grace_ms = sim.grace_ms;
	/* Small tables: they are checked. */
	a->cfg.max_streams = sim.scant ? SCANT_STREAMS : 64;
	a->cfg.napps = 1;
	app->name = slice_of(a->app, 2);
	app->kind = APP_HTTP;
	app->host = SL("127.0.0.1");
	app->port = 3000;
	app->is_public = i > 0;
	snprintf(token, sizeof token, SIM_TOKEN_FOR "%zu", i + 1);
	if (!sim.bound)
		snprintf(token, sizeof token, SIM_TOKEN_ALL);
	assert(secret_set(&a->cfg.token, slice_of(token, strlen(token))));
	for (a->cfg.memory_bytes = sim.tight ? LEAST_BYTES : USUAL_BYTES;
	    agent_plan(&a->cfg, &a->plan) != E_OK;)
		a->cfg.memory_bytes += LEAST_BYTES / 16;
	a->arena.cap = (size_t)a->plan.bytes;
	return a;
}

struct sim_agent *
sim_agent_new(size_t i)
{
	char ip[20], name[4];

	snprintf(name, sizeof name, "a%zu", i + 1);
	snprintf(ip, sizeof ip, "203.0.113.%zu", i + 1);
	return agent_make(i, world_host(sim.w, name, ip));
}

static void
scarce_over(struct sim_agent *a)
{
	if (a->agent != NULL)
		blocks_unreserve(&a->agent->blocks, a->taken);
	a->taken = 0;
	a->scarce_ms = 0;
}

void
sim_agent_scarce(struct sim_agent *a, uint32_t left)
{
	struct blocks *b;
	uint32_t n;

	/* Of two processes either may end at any time, and looks at its pools
	 * then. */
	if (a->agent == NULL || a->stopping || a->scarce_ms > 0 ||
	    a->old != NULL)
		return;
	b = &a->agent->blocks;
	n = b->pool.cap - b->reserved;
	a->taken = n > left ? n - left : 0;
	assert(blocks_reserve(b, a->taken));
	a->scarce_ms = sim_now() + 1 + sim_below(10000);
	sim_note("fault: %s has %u blocks left", a->name, left);
}

/* It may refuse what is new, and cannot begin a session. */
static void
scarce_turn(struct sim_agent *a)
{
	if (a->scarce_ms == 0)
		return;
	sim_agent_hinder(a, sim_now(), false);
	sim_agent_healed(a);
	if (a->scarce_ms <= sim_now())
		scarce_over(a);
}

void
sim_agent_twin(size_t i)
{
	struct sim_agent *a = sim.agents[i], *b;

	/* Of two that were never accepted either may be the later one. */
	if (a->agent == NULL || a->stopping || a->old != NULL || a->sleeps ||
	    a->agent->start)
		return;
	sim_note("fault: a second process of %s", a->name);
	scarce_over(a);                 /* it looks at its pools when it ends */
	b = agent_make(i, a->machine);
	b->old = a;
	b->twin_ms = sim_now();
	b->blame = a->blame;
	blame(&b->blame, sim_now() + TURN_MS);
	b->refuse_ms = b->refuse_until_ms = sim_now();
	memcpy(b->id, a->id, sizeof b->id);
	sim.agents[i] = b;
	sim_agent_start(b);
}

void
sim_agent_start(struct sim_agent *a)
{
	a->arena.p = mmap(NULL, a->arena.cap, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(a->arena.p != MAP_FAILED);
	a->arena.used = 0;
	a->stopping = a->sleeps = false;
	a->start_ms = 0;
	a->cfg.tunnel_id = slice_of(a->id, a->keeps_id ? strlen(a->id) : 0);
	assert(agent_new(&a->agent, &a->cfg, &a->plan, &a->arena,
	    world_log(sim.w), wrap(a, world_io(a->host))) == E_OK);
	a->outage_ms = sim_now();
	a->served_ms = 0;
	sim_agent_healed(a);
	world_program(a->host, on_event, on_step, a);
}

static void
agent_gone(struct sim_agent *a)
{
	munmap(a->arena.p, a->arena.cap);
	a->agent = NULL;
	scarce_over(a);
	for (int fd = 0; fd < FILTERS; fd++)
		a->filters[fd].on = false;
}

void
sim_agent_kill(struct sim_agent *a)
{
	blame(&a->blame, sim_now());
	sim_agent_sleep(a, false);
	world_kill(a->host);
	if (a->agent != NULL)
		agent_gone(a);
}

void
sim_agent_stop(struct sim_agent *a, bool for_good)
{
	blame(&a->blame, sim_now());
	a->drained_ms = a->stopping ? 0 : sim_now() + a->cfg.drain_ms;
	a->for_good = for_good;
	a->stopping = true;
	scarce_over(a);
	if (a->agent != NULL)
		agent_stop(a->agent, wrap(a, world_io(a->host)));
	world_kick(a->host);
	world_run(sim.w, 0);
}

void
sim_agent_sleep(struct sim_agent *a, bool on)
{
	a->sleeps = on;
	a->woke_ms = sim_now();
	world_pause(a->host, on);
	if (a->old != NULL)
		world_pause(a->old->host, on);
}

bool
sim_agent_sleeps(const struct sim_agent *a)
{
	return a->sleeps || sim_now() < a->woke_ms + 100;
}

bool
sim_agent_runs(const struct sim_agent *a)
{
	return a->agent != NULL;
}

bool
sim_agent_served(const struct sim_agent *a)
{
	return a->agent != NULL && !a->stopping &&
	    agent_stats(a->agent).served;
}

struct world_host *
sim_agent_machine(const struct sim_agent *a)
{
	return a->machine;
}

struct world_host *
sim_agent_host(const struct sim_agent *a)
{
	return a->host;
}

uint64_t
sim_agent_expired_ms(const struct sim_agent *a)
{
	return a->expired_ms;
}

struct blame *
sim_agent_blame(struct sim_agent *a)
{
	return &a->blame;
}

void
sim_agent_healed(struct sim_agent *a)
{
	a->healed_ms = sim_now();
}

void
sim_agent_peace(struct sim_agent *a)
{
	scarce_over(a);
	sim_agent_healed(a);
	a->hinder_until_ms = min_u64(a->hinder_until_ms, sim_now());
}

void
sim_agent_hinder(struct sim_agent *a, uint64_t until_ms, bool cut)
{
	if (a->hinder_ms == 0) {
		a->hinder_ms = a->refuse_ms = sim_now();
		a->hinder_until_ms = a->cut_ms = 0;
	}
	a->hinder_until_ms = max_u64(a->hinder_until_ms, until_ms);
	if (cut)
		a->cut_ms = a->last_cut_ms = sim_now();
}

uint64_t
sim_agent_cut_ms(const struct sim_agent *a)
{
	return a->last_cut_ms;
}

bool
sim_agent_refuses(const struct sim_agent *a, uint64_t begun_ms)
{
	return begun_ms + OPEN_MS >= a->refuse_ms &&
	    a->refuse_until_ms + TURN_MS >= sim_now();
}

bool
sim_agent_hindered(const struct sim_agent *a)
{
	return a->hinder_ms > 0;
}

const char *
sim_agent_id(const struct sim_agent *a)
{
	return a->id;
}

void
sim_agent_forget_id(struct sim_agent *a)
{
	a->id[0] = 0;
}

/* ---- oracles ---- */

/* Its tunnel works again, whatever hindered it. */
static bool
recovered(const struct sim_agent *a)
{
	const struct link *l;

	if (sim_now() < a->hinder_until_ms || sim_fate_ms() > 0 ||
	    sim_relay_stops() || !sim_agent_served(a))
		return false;
	l = pool_get(&a->agent->links, a->agent->current);
	/* A welcome may be read after its connection has died. */
	return (l->live_ms > a->hinder_ms && l->fd == a->tap_fd &&
	    a->dialled_ms > a->cut_ms) || sim_now() >=
	    max_u64(a->cut_ms, a->hinder_until_ms) + NOTICE_MS;
}

static bool
is_parked(const struct sim_agent *a)
{
	const struct link *l = a->agent == NULL ? NULL :
	    pool_get(&a->agent->links, a->agent->current);

	return l != NULL && link_waits(l) && !a->stopping && !a->sleeps;
}

/* It may have lasted too long for the session to be resumed? Each side counts
 * the grace period from when it notices. */
static void
hinder_turn(struct sim_agent *a)
{
	uint64_t until, from;

	if (a->hinder_ms == 0)
		return;
	a->refuse_until_ms = sim_now();
	if (recovered(a)) {
		sim_note("%s has recovered", a->name);
		a->hinder_ms = 0;
		return;
	}
	until = max_u64(max_u64(a->hinder_until_ms, sim_fate_ms()),
	    a->hinder_ms + NOTICE_MS);
	from = max_u64(max_u64(until, a->cut_ms),
	    max_u64(a->healed_ms, sim.relay.ms));
	if (from + NOTICE_MS + RECOVER_MS < sim_now() && is_parked(a))
		sim_fail("%s is not resumed", a->name);
	if (until + RECOVER_MS > a->hinder_ms + sim.grace_ms)
		a->expired_ms = sim_now();
}

/* The name keeps its tunnel_id. */
static void
check_id(struct sim_agent *a)
{
	char id[HELLO_TUNNEL_ID_BYTES + 1] = "";

	memcpy(id, a->agent->tunnel_id, a->agent->ntunnel_id);
	if (strcmp(id, a->id) == 0 || id[0] == 0)
		return;
	if (a->id[0] != 0)
		sim_fail("%s: tunnel_id was %s, is %s", a->name, a->id, id);
	memcpy(a->id, id, sizeof id);
	sim_note("%s has tunnel_id %s", a->name, id);
}

/* It says that it is done only when the relay has its go-away: requests may
 * be on their way to it until then. */
static void
check_leaves(const struct sim_agent *a)
{
	if (a->agent == NULL || sim_now() >= a->drained_ms)
		return;
	for (uint32_t i = 0; i < LINKS; i++) {
		const struct link *l = pool_at(&a->agent->links, i);
		const struct tunnel *t = &l->t;

		if (pool_live(&a->agent->links, i) && l->has_tunnel &&
		    l->state == LINK_CLOSING && t->out.close == CLOSE_DONE &&
		    l->verdict == VERDICT_NONE && t->peer_close == 0 &&
		    (t->goaway_wanted || t->goaway_number > t->ring.acked))
			sim_fail("%s leaves before the relay knows", a->name);
	}
}

/* How long it may take to be served again: agent.h's waits, and a dial that
 * has to fail first. */
static void
check_service(struct sim_agent *a)
{
	uint64_t from = max_u64(max_u64(a->healed_ms, a->blame.ms),
	    sim.relay.ms);
	uint64_t wait = 5000 + 12000;

	if (sim_fate_ms() > 0)
		return;
	if (a->hinder_ms > 0)
		from = max_u64(from, max_u64(a->cut_ms, a->hinder_until_ms));
	if (from >= a->outage_ms + 25000)
		wait = 60000 + 12000;
	if (sim_now() > max_u64(from, a->outage_ms) + wait)
		sim_fail("%s is not served since %llu ms", a->name,
		    (unsigned long long)(sim_now() - a->outage_ms));
}

static void
exited(struct sim_agent *a)
{
	struct agent_stats st = agent_stats(a->agent);
	int code = agent_exit_code(a->agent);

	/* A name without a session, or a relay that died: the first to come
	 * has it. */
	if (code == 4 && a->old != NULL &&
	    max_u64(sim.relay.ms, a->expired_ms) >= a->twin_ms) {
		sim_note("%s gives way to its predecessor", a->name);
		sim.agents[a->i] = a->old;
		blame(&a->old->blame, sim_now());
		sim_agent_healed(a->old);
		a->old = NULL;
		sim_agent_free(a);
		return;
	}
	if (code != 0 || !a->stopping)
		sim_fail("%s exits with %d", a->name, code);
	if (st.streams + st.links + st.blocks_used + st.blocks_reserved > 0 ||
	    world_fds(a->host) > 0)
		sim_fail("%s leaves something behind", a->name);
	sim_note("%s exits", a->name);
	world_kill(a->host);
	agent_gone(a);
	if (!a->for_good)
		a->start_ms = sim_now() + 1 + sim_below(3000);
}

/* The one before must end, once this one serves, and say why. */
static void
old_turn(struct sim_agent *a)
{
	struct sim_agent *o = a->old;
	int code = agent_exit_code(o->agent);

	blame(&a->blame, sim_now());
	if (code >= 0 && code != 4)
		sim_fail("%s was replaced and exits with %d", o->name, code);
	if (code == 4) {
		sim_note("%s was replaced", o->name);
		a->old = NULL;
		sim_agent_free(o);
	} else if (a->served_ms > 0 && sim_now() > REPLACED_MS +
	    max_u64(max_u64(a->served_ms, a->healed_ms), a->woke_ms)) {
		sim_fail("%s was replaced and goes on", o->name);
	}
}

void
sim_agent_turn(struct sim_agent *a)
{
	if (a->old != NULL)
		old_turn(a);
	if (a->agent == NULL || a->stopping)
		blame(&a->blame, sim_now());
	scarce_turn(a);
	hinder_turn(a);
	check_leaves(a);
	if (a->agent != NULL && agent_exit_code(a->agent) >= 0) {
		exited(a);
		return;
	}
	if (a->agent == NULL && a->start_ms > 0 && a->start_ms <= sim_now())
		sim_agent_start(a);
	if (a->agent == NULL || a->stopping)
		return;
	check_id(a);
	if (agent_stats(a->agent).served) {
		if (a->served_ms == 0)
			sim_note("%s is served", a->name);
		if (a->served_ms == 0)
			a->served_ms = sim_now();
		if (sim_now() - a->served_ms >= START_OVER_MS)
			a->outage_ms = 0;
		return;
	}
	if (a->served_ms > 0) {
		sim_note("%s is not served any more", a->name);
		if (max_u64(a->blame.ms, sim.relay.ms) < a->served_ms &&
		    a->expired_ms < a->served_ms && a->hinder_ms == 0)
			sim_fail("%s lost its session without a fault",
			    a->name);
	}
	a->served_ms = 0;
	if (a->outage_ms == 0)
		a->outage_ms = sim_now();
	check_service(a);
	if (a->hinder_ms == 0)
		a->refuse_ms = a->outage_ms;
	a->refuse_until_ms = sim_now();
}

bool
sim_agent_session(const struct sim_agent *a, uint32_t k, struct sim_session *s)
{
	const struct link *l;

	if (a->agent == NULL || k >= LINKS ||
	    !pool_live(&a->agent->links, k))
		return false;
	l = pool_at(&a->agent->links, k);
	if (!l->has_tunnel || tunnel_state(&l->t) == TUNNEL_HELLO)
		return false;
	*s = (struct sim_session){ &l->t, l->session,
		link_waits(l) ? l->parked_ms : 0,
		pool_handle(&a->agent->links, l) == a->agent->current };
	return true;
}

void
sim_agent_proxy_ends(struct sim_agent *a)
{
	a->proxy_ends = a->proxied;
}

struct slice
sim_agent_said(const struct sim_agent *a, bool known)
{
	const struct link *l = a->agent == NULL ? NULL :
	    pool_get(&a->agent->links, a->agent->current);

	if (l == NULL || l->attempt == 0 || known != (l->fd == a->tap_fd &&
	    l->state == LINK_LIVE))
		return slice_of(NULL, 0);
	return slice_of(a->tap.p, a->tap.n);
}

void
sim_agent_free(struct sim_agent *a)
{
	sim_agent_kill(a);
	free(a->tap.p);
	for (int fd = 0; fd < FILTERS; fd++) {
		struct way *w[2] = { &a->filters[fd].in, &a->filters[fd].out };

		for (int k = 0; k < 2; k++) {
			free(w[k]->raw.p);
			free(w[k]->out.p);
			free(w[k]->held.p);
		}
	}
	free(a);
}
