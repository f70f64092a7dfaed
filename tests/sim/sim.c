/*
 * The simulator's run: see sim.h. A seed decides everything: the network's
 * character, which kinds of faults there are and when, what people ask for.
 *
 * A run has four parts. Some seconds of peace; the faults; everything is healed
 * and people go on asking, now without excuse; nobody asks any more, what is
 * under way ends, and all pools must be as they were at the start.
 *
 *   sim --seeds N [--from S]   that many seeds, each in a process of its own
 *   sim --seed S [--trace]     one seed
 *   sim --planted              each planted bug must be caught
 */
#include "sim.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "rig.h"

enum {
	PEACE_MS = 2000, CALM_MS = 12000, SYNC_MS = 30, SEEDS_MOST = 1 << 20,
	WALL_BACK_MS = 50 * 1000,       /* a clock set back */
	PLANT_SEEDS = 40,               /* within so many each is caught */
};

enum fault {
	FAULT_CUT, FAULT_STALL, FAULT_FREEZE, FAULT_AGENT_KILL,
	FAULT_AGENT_STOP, FAULT_RELAY, FAULT_FATE, FAULT_APP, FAULT_OPS,
	FAULT_WALL, FAULT_LATENCY, FAULT_ACCEPT, FAULT_KEEPER, FAULT_SAVE,
	FAULT_PERSON, FAULT_HOSTILE, FAULTS,
};

/* What lasts: until when, 0 while it is not there. */
struct lasting { uint64_t stall_ms[AGENTS], app_ms[AGENTS], agent_ms[AGENTS],
	fate_ms, relay_ms, save_ms; };

/* What a seed's process tells the one that counts. */
struct result { uint64_t virtual_ms; unsigned done, errors, cuts; };

struct sim sim;
static struct lasting lasting;
static unsigned mask;                   /* kinds of faults in this seed */
static uint64_t next_fault_ms, every_ms;
static struct result *result;
static char gone_cookie[2048];          /* of a session that was ended */
static struct dyn durable, written;     /* relay.json: on the disk, in it */
static uint64_t written_ms;

/* ---- small things ---- */

void
sim_fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "sim: seed %llu at %llu ms: ",
	    (unsigned long long)sim.seed, (unsigned long long)sim_now());
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	_exit(1);
}

void
sim_note(const char *fmt, ...)
{
	va_list ap;

	if (!sim.trace)
		return;
	fprintf(stderr, "%8llu -- ", (unsigned long long)sim_now());
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
}

uint64_t
sim_below(uint64_t n)
{
	return n == 0 ? 0 : world_below(sim.w, n);
}

bool
sim_chance(unsigned pm)
{
	return sim_below(1000) < pm;
}

uint64_t
sim_now(void)
{
	return sim.w != NULL ? world_now(sim.w) : 0;
}

void *
sim_mem(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL)
		sim_fail("out of memory");
	return p;
}

uint8_t
sim_byte(unsigned id, bool up, uint64_t at)
{
	return (uint8_t)(at * 7 + (at >> 8) * 13 + id * 31 + up * 101 +
	    (id >> 8));
}

void
sim_fill(struct dyn *d, unsigned id, bool up, uint64_t at, size_t n)
{
	uint8_t area[4096];

	while (n > 0) {
		size_t k = min_size(n, sizeof area);

		for (size_t i = 0; i < k; i++)
			area[i] = sim_byte(id, up, at++);
		dyn_put(d, area, k);
		n -= k;
	}
}

void
sim_check(unsigned id, bool up, uint64_t *at, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != sim_byte(id, up, *at))
			sim_fail("%u: byte %llu %s is not the one sent", id,
			    (unsigned long long)*at, up ? "up" : "down");
		++*at;
	}
}

void
blame(struct blame *b, uint64_t until_ms)
{
	b->ms = max_u64(b->ms, until_ms);
}

struct exch *
exch_new(void)
{
	struct exch *x;

	if (sim.nexchs == EXCH_MAX - 1)
		return NULL;
	x = &sim.exchs[++sim.nexchs];
	x->id = sim.nexchs;
	x->begun_ms = sim_now();
	return x;
}

struct exch *
sim_exch(unsigned id)
{
	if (id == 0 || id > sim.nexchs)
		sim_fail("an app is asked for %u, which nobody wants", id);
	return &sim.exchs[id];
}

uint64_t
exch_blame(const struct exch *x)
{
	uint64_t ms = max_u64(x->own.ms, sim.relay.ms);

	ms = max_u64(ms, sim_agent_blame(sim.agents[x->agent])->ms);
	return max_u64(ms, sim_app_blame(sim.apps[x->agent])->ms);
}

bool
exch_excused(const struct exch *x)
{
	return x->spoil > 0 || exch_blame(x) >= x->begun_ms;
}

/* ---- the relay's disk ---- */

/* What was written reaches the disk after a while. */
static void
disk_turn(void)
{
	struct slice s = world_file(sim.g->host, "relay.json");

	if (!slice_eq(s, slice_of(written.p, written.n))) {
		written.n = 0;
		dyn_put(&written, s.p, s.n);
		written_ms = sim_now();
	}
	if (sim_now() - written_ms >= SYNC_MS) {
		durable.n = 0;
		dyn_put(&durable, written.p, written.n);
	}
}

static void
save(const char *name, const struct dyn *d)
{
	const struct io *io = world_io(sim.g->host);

	world_saves_fail(sim.g->host, false);
	io->ops->save(io->ctx, slice_of(name, strlen(name)),
	    slice_of(d->p, d->n));
}

/* The relay's machine loses power, or only the process dies. */
static void
relay_dies(void)
{
	struct dyn none = { 0 };
	bool power = sim_chance(500);

	disk_turn();
	rig_kill(sim.g);
	if (power)
		save("relay.json", &durable);
	sim_note("fault: relay dies%s", power ? ", power too" : "");
	for (size_t i = 0; i < sim.nagents; i++) {
		struct slice s = world_file(sim.g->host, "relay.json");
		const char *id = sim_agent_id(sim.agents[i]);

		if (s.n == 0 || memmem(s.p, s.n, id, strlen(id)) == NULL)
			sim_agent_forget_id(sim.agents[i]);
	}
	if (sim.plant == PLANT_LOST_STATE)
		save("relay.json", &none);
	if (sim.plant == PLANT_LOST_REVOKED)
		save("revoked.json", &none);
	lasting.relay_ms = sim_now() + 1 + sim_below(8000);
}

static void
relay_starts(void)
{
	lasting.relay_ms = 0;
	rig_again(sim.g);
	sim_note("relay starts");
	if (sim.plant == PLANT_OTHER_SECRET)
		secret_set(&sim.g->keeper->jwt,
		    SL("another jwt secret of more than 32 bytes"));
	for (size_t i = 0; i < sim.nagents; i++)
		sim_agent_healed(sim.agents[i]);
	blame(&sim.relay, sim_now() + 1000);
}

/* ---- faults ---- */

static void
set_fate(enum world_fate fate)
{
	world_fate(sim.w, RIG_MAIN, fate);
	blame(&sim.relay, sim_now());
	lasting.fate_ms = fate == FATE_NONE ? 0 :
	    sim_now() + sim_below(40000);
	for (size_t i = 0; i < sim.nagents && fate == FATE_NONE; i++)
		sim_agent_healed(sim.agents[i]);
}

/* A cut that resumption heals is nobody's excuse. */
static void
excuse_cut(struct sim_agent *a, uint64_t lasts_ms)
{
	if (!sim_resumes || lasts_ms > 0)
		blame(sim_agent_blame(a), sim_now() + lasts_ms);
}

static void
stall(size_t i, uint64_t ms)
{
	struct sim_agent *a = sim.agents[i];

	/* Less cannot make anybody think that the other is dead. */
	if (ms > 4500)
		blame(sim_agent_blame(a), sim_now() + ms + 2000);
	world_stall(sim.w, sim_agent_machine(a), sim.g->host, true);
	lasting.stall_ms[i] = sim_now() + ms;
	sim_note("fault: stall of %zu, %llu ms", i, (unsigned long long)ms);
}

static void
stall_over(size_t i)
{
	world_stall(sim.w, sim_agent_machine(sim.agents[i]), sim.g->host,
	    false);
	lasting.stall_ms[i] = 0;
	sim_agent_healed(sim.agents[i]);
}

/* Of an agent, its tunnel or its app. */
static void
fault_agent(enum fault f, size_t i)
{
	struct sim_agent *a = sim.agents[i];
	struct world_host *m = sim_agent_machine(a);

	if (f != FAULT_STALL)
		sim_note("fault: %d of agent %zu", (int)f, i);
	if (f == FAULT_CUT) {
		excuse_cut(a, 0);
		world_cut(sim.w, m, sim.g->host);
		result->cuts++;
	} else if (f == FAULT_STALL && lasting.stall_ms[i] == 0) {
		stall(i, 1 + sim_below(sim_chance(500) ? 4500 : 40000));
	} else if (f == FAULT_FREEZE) {
		blame(sim_agent_blame(a), sim_now() + NOTICE_MS + 1000);
		world_freeze(sim.w, m, sim.g->host);
		result->cuts++;
	} else if (f == FAULT_AGENT_KILL && sim_agent_runs(a)) {
		sim_agent_kill(a);
		lasting.agent_ms[i] = sim_now() + 1 + sim_below(10000);
	} else if (f == FAULT_AGENT_STOP && sim_agent_runs(a)) {
		sim_agent_stop(a, false);
	} else if (f == FAULT_APP && lasting.app_ms[i] == 0) {
		blame(sim_app_blame(sim.apps[i]), sim_now());
		sim_app_kill(sim.apps[i]);
		lasting.app_ms[i] = sim_now() + 1 + sim_below(5000);
	} else if (f == FAULT_OPS) {
		blame(sim_agent_blame(a), sim_now() + 5000);
		world_fail(sim_agent_host(a), 1 + sim_below(50));
		world_run(sim.w, 1 + sim_below(300));
		world_fail(sim_agent_host(a), 0);
	} else if (f == FAULT_LATENCY) {
		world_latency(sim.w, m, sim.g->host,
		    (uint32_t)sim_below(200));
	}
}

static void
fault(enum fault f)
{
	size_t i = (size_t)sim_below(sim.nagents);
	/* Back only as far as crypto/jwt.h takes a session of the future. */
	uint64_t wall = 1700000000000 + sim_now() + sim_below(3600 * 1000) -
	    WALL_BACK_MS;

	switch (f) {
	case FAULT_RELAY:
		if (lasting.relay_ms == 0)
			relay_dies();
		break;
	case FAULT_FATE:
		set_fate((enum world_fate)(1 + sim_below(3)));
		break;
	case FAULT_WALL:
		sim_note("fault: the clock jumps");
		world_wall(sim_chance(500) ? sim.g->host :
		    sim_agent_host(sim.agents[i]), wall);
		break;
	case FAULT_ACCEPT:
		world_accepts_fail(sim.g->host, 1 + (unsigned)sim_below(5));
		break;
	case FAULT_KEEPER:
		sim.g->keeper_ms = (uint32_t)sim_below(300);
		break;
	case FAULT_SAVE:
		world_saves_fail(sim.g->host, true);
		lasting.save_ms = sim_now() + sim_below(10000);
		break;
	case FAULT_PERSON:
		sim_person_fault(true);
		break;
	case FAULT_HOSTILE:
		break;
	default:
		fault_agent(f, i);
	}
}

/* End what has lasted long enough, or all of it. */
static void
heal(bool all)
{
	uint64_t now = all ? UINT64_MAX : sim_now();
	struct lasting *l = &lasting;

	for (size_t i = 0; i < sim.nagents; i++) {
		if (l->stall_ms[i] > 0 && l->stall_ms[i] <= now)
			stall_over(i);
		if (l->app_ms[i] > 0 && l->app_ms[i] <= now) {
			l->app_ms[i] = 0;
			sim_app_start(sim.apps[i]);
		}
		if (l->agent_ms[i] > 0 && l->agent_ms[i] <= now) {
			l->agent_ms[i] = 0;
			sim_agent_start(sim.agents[i]);
		}
	}
	if (l->fate_ms > 0 && l->fate_ms <= now)
		set_fate(FATE_NONE);
	if (l->save_ms > 0 && l->save_ms <= now) {
		l->save_ms = 0;
		world_saves_fail(sim.g->host, false);
	}
	if (l->relay_ms > 0 && l->relay_ms <= now)
		relay_starts();
	if (l->relay_ms > 0 || l->fate_ms > 0)
		blame(&sim.relay, sim_now());
}

static void
faults_turn(void)
{
	enum fault f = (enum fault)sim_below(FAULTS);

	if (sim_now() < next_fault_ms || (mask & 1u << f) == 0)
		return;
	next_fault_ms = sim_now() + sim_below(2 * every_ms);
	fault(f);
}

/* ---- the run ---- */

static void
turn(void)
{
	world_run(sim.w, 1 + sim_below(20));
	heal(false);
	sim_people_turn();
	if ((mask & 1u << FAULT_HOSTILE) && !sim.calm && sim.g->r != NULL)
		sim_hostile_turn();
	for (size_t i = 0; i < sim.nagents; i++) {
		sim_agent_turn(sim.agents[i]);
		sim_app_turn(sim.apps[i]);
	}
	if (sim.g->r != NULL)
		disk_turn();
}

static void
turns(uint64_t ms)
{
	uint64_t end = sim_now() + ms;

	while (sim_now() < end)
		turn();
}

static struct world_cfg
weather(uint64_t seed)
{
	struct world_cfg c = world_gentle(seed);
	uint64_t r = seed * 0x9e3779b97f4a7c15;

	if (r >> 62 != 0)
		c = world_rough(seed);
	c.fds_max = 1024;
	c.latency_ms = (uint32_t)(r >> 20) % 60;
	c.jitter_ms = (uint32_t)(r >> 30) % 20;
	if ((r >> 40) % 4 == 0)
		c.rate = 200 + (uint32_t)(r >> 44) % 2000;
	return c;
}

static void
begin(struct rig *g)
{
	static const char *const ports[] = { NULL, ":5001", ":5002" };
	static const char *const names[] = { NULL, "w2--a2", "w3--a3" };
	static const char *const publics[] = { NULL, "a2/w2", "a3/w3" };
	struct world_cfg cfg = weather(sim.seed);

	rig_init(g, &cfg);
	sim.g = g;
	sim.w = g->w;
	sim.nagents = 2 + (size_t)sim_below(2);
	g->quiet = !sim.trace;
	world_log_show(sim.w, sim.trace);
	g->keeper_files = true;
	g->cfg.root = SL("w1--a1");
	g->cfg.first_byte_ms = ANSWER_APPS;
	g->cfg.progress_ms = PROGRESS_MS;
	g->cfg.max_streams = 64;
	for (size_t i = 1; i < AGENTS; i++) {
		char where[40];

		snprintf(where, sizeof where, SIM_RELAY "%s", ports[i]);
		rig_listen(g, where, LISTEN_APP, names[i]);
		g->cfg.publics[g->cfg.npublics++] =
		    slice_of(publics[i], strlen(publics[i]));
	}
	world_name(sim.w, "relay.test", SIM_RELAY);
	rig_start(g);
	for (size_t i = 0; i < sim.nagents; i++) {
		sim.agents[i] = sim_agent_new(i);
		sim.apps[i] = sim_app_new(i, sim_agent_machine(sim.agents[i]));
		sim_agent_start(sim.agents[i]);
	}
	sim_people_begin();
	rig_login(g, "198.51.100.98");
	snprintf(gone_cookie, sizeof gone_cookie, "%s", g->cookie);
	if (sim_ask("POST /_adit/api/auth/logout", gone_cookie) >= 400)
		sim_fail("no logout");
	rig_login(g, "198.51.100.98");
}

static void
plan(void)
{
	for (int i = 0; i < FAULTS; i++)
		mask |= sim_chance(400) ? 1u << i : 0;
	every_ms = 500 + sim_below(10000);
	switch (sim.plant) {
	case PLANT_LOST_STATE:
		mask |= 1u << FAULT_AGENT_KILL;
		/* fallthrough */
	case PLANT_LOST_REVOKED:
	case PLANT_OTHER_SECRET:
		mask |= 1u << FAULT_RELAY;
		break;
	default:
		break;
	}
}

/* ---- what must be true at the end ---- */

static const struct remote *
remote_of(size_t agent)
{
	const struct relay *r = sim.g->r;

	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		const struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && l->state == REMOTE_CURRENT &&
		    l->name.n == 2 && l->name.b[1] == '1' + (int)agent)
			return l;
	}
	return NULL;
}

/* TUNNEL.md's first and third: both ends have counted the same. */
static bool
counts_agree(size_t i)
{
	struct sim_counts a;
	const struct remote *l = remote_of(i);

	if (l == NULL || !sim_agent_counts(sim.agents[i], &a))
		sim_fail("agent %zu is not served at the end", i);
	return a.put == l->t.received && l->t.ring.put == a.received &&
	    a.acked == a.put && l->t.ring.acked == l->t.ring.put &&
	    a.credit == l->t.recv_window && l->t.send_credit == a.window;
}

/* An idle stream may just be ending: not always, but soon. */
static void
check_counts(size_t i)
{
	uint64_t end = sim_now() + 3000;
	struct sim_counts a;
	const struct tunnel *t;

	while (!counts_agree(i) && sim_now() < end)
		turn();
	if (counts_agree(i))
		return;
	sim_agent_counts(sim.agents[i], &a);
	t = &remote_of(i)->t;
	sim_fail("agent %zu: frames put %llu, %llu, acknowledged %llu, %llu, "
	    "received %llu, %llu, or credit %llu of %u, %u of %llu", i,
	    (unsigned long long)a.put, (unsigned long long)t->ring.put,
	    (unsigned long long)a.acked, (unsigned long long)t->ring.acked,
	    (unsigned long long)a.received, (unsigned long long)t->received,
	    (unsigned long long)a.credit, t->recv_window, t->send_credit,
	    (unsigned long long)a.window);
}

static void
check_logins(void)
{
	unsigned status = sim_ask("GET /_adit/api/auth/check", sim.g->cookie);

	if (status != 200)
		sim_fail("the login is forgotten: %u", status);
	status = sim_ask("GET /_adit/api/auth/check", gone_cookie);
	if (status < 300)
		sim_fail("the ended login is valid again: %u", status);
}

static void
end_agents(void)
{
	bool left = true;

	for (size_t i = 0; i < sim.nagents; i++)
		sim_agent_stop(sim.agents[i], true);
	for (int t = 0; t < 5000 && left; t++) {
		left = false;
		world_run(sim.w, 10);
		for (size_t i = 0; i < sim.nagents; i++) {
			sim_agent_turn(sim.agents[i]);
			left = left || sim_agent_runs(sim.agents[i]);
		}
	}
	if (left)
		sim_fail("an agent does not stop");
	world_run(sim.w, 1000);
	for (size_t i = 0; i < sim.nagents; i++) {
		if (sim_app_conns(sim.apps[i]) > 0)
			sim_fail("a connection to app %zu is left", i);
		sim_app_free(sim.apps[i]);
		sim_agent_free(sim.agents[i]);
	}
}

static bool
all_served(void)
{
	for (size_t i = 0; i < sim.nagents; i++) {
		if (!sim_agent_served(sim.agents[i]) ||
		    sim_agent_blame(sim.agents[i])->ms >= sim_now())
			return false;
	}
	return sim.relay.ms < sim_now();
}

static void
on_abort(int sig)
{
	(void)sig;
	sim_fail("aborted, see above");
}

static void
run(void)
{
	static struct rig g;
	uint64_t begun, end;

	signal(SIGABRT, on_abort);
	begin(&g);
	begun = sim_now();
	plan();
	turns(PEACE_MS);
	if (sim.plant == PLANT_LOST_CLOSE) {
		world_close_lost(g.host, 1 + (unsigned)sim_below(10));
		sim.planted = 1;
	}
	end = sim_now() + 5000 + sim_below(40000);
	while (sim_now() < end) {
		faults_turn();
		turn();
	}
	heal(true);
	sim_note("healed");
	if (sim.plant == PLANT_LEAK)
		sim.planted = blocks_reserve(&g.r->blocks, 1);
	while (!all_served())           /* each agent looks at its watch */
		turn();
	sim_note("served");
	turns(CALM_MS);
	sim.calm = true;
	while (!sim_people_rest())
		turn();
	turns(3000);
	for (size_t i = 0; i < sim.nagents; i++)
		check_counts(i);
	check_logins();
	sim_people_end();
	end_agents();
	result->virtual_ms = sim_now() - begun;
	result->done = sim.done;
	result->errors = sim.errors;
	rig_close(&g);
}

/* ---- many of them ---- */

/* One seed in a process of its own: did it pass? *us: its CPU time. */
static bool
try_seed(uint64_t seed, enum plant plant, bool quiet, uint64_t *us)
{
	struct rusage use;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (quiet && freopen("/dev/null", "w", stderr) == NULL)
			_exit(2);
		sim.seed = seed;
		sim.plant = plant;
		alarm(300);
		run();
		_exit(0);
	}
	if (pid < 0 || wait4(pid, &status, 0, &use) != pid)
		_exit(2);
	*us = (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
	    (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
	if (WIFSIGNALED(status) && !quiet)
		fprintf(stderr, "sim: seed %llu ended by signal %d\n",
		    (unsigned long long)seed, WTERMSIG(status));
	return status == 0;
}

static int
by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int
many(uint64_t from, uint64_t n)
{
	uint64_t *us = sim_mem(sizeof *us * (size_t)n), sum = 0, ms = 0;
	uint64_t bad = 0, done = 0, errors = 0, cuts = 0;

	for (uint64_t i = 0; i < n; i++) {
		*result = (struct result){ 0 };
		if (!try_seed(from + i, PLANT_NONE, false, &us[i])) {
			printf("replay: make sim SEED=%llu\n",
			    (unsigned long long)(from + i));
			bad++;
		}
		sum += us[i];
		ms += result->virtual_ms;
		done += result->done;
		errors += result->errors;
		cuts += result->cuts;
	}
	qsort(us, (size_t)n, sizeof *us, by_value);
	printf("sim: %llu seeds, %llu failed; %llu exchanges whole, %llu ended "
	    "with an error, %llu cuts\nsim: %llu s simulated in %llu ms of "
	    "CPU (%llu times as fast); a seed %llu us (median)\n",
	    (unsigned long long)n, (unsigned long long)bad,
	    (unsigned long long)done, (unsigned long long)errors,
	    (unsigned long long)cuts, (unsigned long long)ms / 1000,
	    (unsigned long long)sum / 1000,
	    (unsigned long long)(ms * 1000 / max_u64(sum, 1)),
	    (unsigned long long)us[n / 2]);
	free(us);
	return bad > 0;
}

static int
planted(void)
{
	static const char *const names[PLANTS] = {
		"", "a DATA frame is lost", "a DATA frame comes twice",
		"two DATA frames are swapped", "a bit is flipped",
		"an END is lost", "a RESET is lost",
		"a stream's credit is lost",
		"one report of credit is lost", "an ACK is off",
		"a STOP is lost", "one direction falls silent",
		"a close is forgotten", "relay.json is lost",
		"revoked.json is lost", "a block is leaked",
		"the secret is another after a restart",
	};
	int bad = 0;

	for (int p = 1; p < PLANTS; p++) {
		uint64_t us, seed = 1;

		/* It must be the bug that makes the seed fail. */
		while (seed <= PLANT_SEEDS &&
		    (try_seed(seed, (enum plant)p, true, &us) ||
		    !try_seed(seed, PLANT_NONE, true, &us)))
			seed++;
		printf("planted: %s: %s after %llu seeds\n", names[p],
		    seed <= PLANT_SEEDS ? "caught" : "NOT CAUGHT",
		    (unsigned long long)min_u64(seed, PLANT_SEEDS));
		bad |= seed > PLANT_SEEDS;
	}
	return bad;
}

int
main(int argc, char **argv)
{
	uint64_t seeds = 100, from = 1, one = 0;

	result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED)
		return 2;
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		const char *v = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(a, "--planted") == 0)
			return planted();
		if (strcmp(a, "--trace") == 0)
			sim.trace = true;
		else if (strcmp(a, "--seeds") == 0)
			seeds = strtoull(v, NULL, 10);
		else if (strcmp(a, "--from") == 0)
			from = strtoull(v, NULL, 10);
		else if (strcmp(a, "--seed") == 0)
			one = strtoull(v, NULL, 10);
		else if (strcmp(a, "--plant") == 0)
			sim.plant = (enum plant)strtoull(v, NULL, 10);
	}
	if (one > 0) {
		sim.seed = one;
		run();
		printf("sim: seed %llu passed, %u exchanges whole\n",
		    (unsigned long long)one, sim.done);
		return 0;
	}
	if (seeds == 0 || seeds > SEEDS_MOST)
		return 2;
	return many(from, seeds);
}
