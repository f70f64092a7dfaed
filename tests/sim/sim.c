/*
 * The simulator's run: see sim.h. A seed decides everything: the network's
 * character, which kinds of faults there are and when, what people ask for.
 *
 * A run has four parts. Some seconds of peace; the faults; everything is healed
 * and people go on asking, now without excuse; nobody asks any more, what is
 * under way ends, and all pools must be as they were at the start.
 *
 *   sim --seeds N [--from S] [--seconds T]
 *                              that many seeds, each in a process of its own,
 *                              but no more once T seconds have passed
 *   sim --seed S [--trace]     one seed
 *   sim --planted              each planted bug must be caught
 *   sim --caught N             a program with a bug must fail within N seeds
 *   ... --accounts             in each seed there are accounts
 */
#include "sim.h"

#include <malloc.h>
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
#include "disk.h"
#include "rig.h"
#include "sim_folk.h"

enum {
	PEACE_MS = 1000, CALM_MS = 3000, SEEDS_MOST = 1 << 20,
	PLANT_SEEDS = 40,               /* within so many each is caught */
	GRACE_MS_SHORT = 5000,
	IDLE_CLOSE_MS = 25 * 1000,
	SEED_S = 20,                    /* a seed that takes longer hangs */
	NOISE = 65521,                  /* bytes of it; a prime */
	TRACE_SHOWN = 6000,             /* bytes of a failing seed's */
};

struct sim sim;
struct result *result;
static uint8_t noise[NOISE];

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

/* Every exchange has its own place to begin in a ring of noise. */
static const uint8_t *
noise_at(unsigned id, bool up, uint64_t at, size_t *n)
{
	size_t from = (size_t)((at + id * 7919ull + up * 31337u) % NOISE);

	*n = min_size(*n, NOISE - from);
	return noise + from;
}

static void
noise_begin(void)
{
	uint32_t r = 1;

	for (size_t i = 0; i < NOISE; i++) {
		r = r * 1664525 + 1013904223;
		noise[i] = (uint8_t)(r >> 24);
	}
}

void
sim_fill(struct dyn *d, unsigned id, bool up, uint64_t at, size_t n)
{
	while (n > 0) {
		size_t k = n;
		const uint8_t *p = noise_at(id, up, at, &k);

		dyn_put(d, p, k);
		at += k;
		n -= k;
	}
}

void
sim_check(unsigned id, bool up, uint64_t *at, const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t k = n, i = 0;
		const uint8_t *want = noise_at(id, up, *at, &k);

		if (memcmp(p, want, k) != 0) {
			while (p[i] == want[i])
				i++;
			sim_fail("%u: byte %llu %s is not the one sent", id,
			    (unsigned long long)*at + i, up ? "up" : "down");
		}
		*at += k;
		p += k;
		n -= k;
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
	ms = max_u64(ms, sim_agent_expired_ms(sim.agents[x->agent]));
	return max_u64(ms, sim_app_blame(sim.apps[x->agent])->ms);
}

bool
exch_excused(const struct exch *x)
{
	return x->spoil > 0 || exch_blame(x) >= x->begun_ms ||
	    (x->heads == 0 && x->refusable);
}

void
exch_turn(struct exch *x)
{
	if (x->heads == 0 && (sim.scant || sim.away.ms >= x->begun_ms ||
	    sim_agent_refuses(sim.agents[x->agent], x->begun_ms)))
		x->refusable = true;
}

/* ---- the run ---- */

void
sim_turn(void)
{
	world_run(sim.w, 1 + sim_below(20));
	sim_faults_heal(false);
	sim_people_turn();
	if (sim_has_fault(FAULT_HOSTILE) && !sim.calm && sim.g->r != NULL)
		sim_hostile_turn();
	for (size_t i = 0; i < sim.nagents; i++) {
		sim_agent_turn(sim.agents[i]);
		sim_app_turn(sim.apps[i]);
	}
	if (sim_fate_ms() > 0)
		blame(&sim.away, sim_now());
	folk_turn();
	if (sim.g->r != NULL)
		sim_check_turn();
}

static void
turns(uint64_t ms)
{
	uint64_t end = sim_now() + ms;

	while (sim_now() < end)
		sim_turn();
}

static struct world_cfg
weather(uint64_t seed)
{
	struct world_cfg c = world_gentle(seed);
	uint64_t r = seed * 0x9e3779b97f4a7c15;

	if (r >> 62 != 0)
		c = world_rough(seed);
	c.fds_max = 256;
	c.lazy = true;
	c.latency_ms = 1 + (uint32_t)(r >> 20) % 60;
	c.jitter_ms = (uint32_t)(r >> 30) % 20;
	if ((r >> 40) % 4 == 0)
		c.rate = 200 + (uint32_t)(r >> 44) % 2000;
	return c;
}

/* Tokens that are for one name, or somebody else's. The shared one the real
 * keeper knows. */
static bool
token_hook(struct rig *g, const struct ask *q, struct answer *a)
{
	static const struct { struct slice token; uint32_t credential; }
	    rows[] = { { SL_INIT(SIM_TOKEN_FOR), 100 },
		{ SL_INIT(SIM_TOKEN_SECOND), 200 },
		{ SL_INIT(SIM_TOKEN_OWN), 300 } };
	struct slice said = slice_of(q->text, q->text_n);

	(void)g;
	_Static_assert(sizeof SIM_TOKEN_ALL == sizeof RIG_TOKEN, "the same");
	if (q->kind != ASK_TOKEN)
		return false;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct slice rest = slice_from(said, min_size(said.n,
		    rows[i].token.n));

		if (!slice_starts(said, rows[i].token) || rest.n > 1)
			continue;
		*a = (struct answer){ .kind = q->kind, .seq = q->seq,
			.who = q->who, .result = E_OK,
			.credential = rows[i].credential };
		if (rest.n == 1) {
			a->user[0] = 'a';
			a->user[1] = rest.p[0];
			a->user_n = 2;
			a->credential += rest.p[0];
		}
		return true;
	}
	return false;
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
	sim.scant = (sim.seed * 0x9e3779b97f4a7c15 >> 50) % 8 == 0;
	sim.tight = (sim.seed * 0x9e3779b97f4a7c15 >> 53) % 2 == 0;
	sim.bound = (sim.seed * 0x9e3779b97f4a7c15 >> 47) % 2 == 0;
	sim.nagents = 2 + (size_t)sim_below(2);
	sim.grace_ms = sim_chance(800) ? GRACE_MS : GRACE_MS_SHORT;
	g->quiet = !sim.trace;
	world_log_show(sim.w, sim.trace);
	disk_begin(g->host);
	g->cfg.idle_ms = IDLE_CLOSE_MS;
	g->cfg.drain_ms = 3000 + (uint32_t)sim_below(10000);
	g->check_each = 16;
	g->keeper_files = true;
	g->keeper_hook = token_hook;
	g->cfg.root = SL("w1--a1");
	g->cfg.first_byte_ms = ANSWER_APPS;
	g->cfg.progress_ms = PROGRESS_MS;
	g->cfg.max_streams = 64;
	g->cfg.grace_ms = sim.grace_ms;
	for (size_t i = 1; i < AGENTS; i++) {
		char where[40];

		snprintf(where, sizeof where, SIM_RELAY "%s", ports[i]);
		rig_listen(g, where, LISTEN_APP, names[i]);
		g->cfg.publics[g->cfg.npublics++] =
		    slice_of(publics[i], strlen(publics[i]));
	}
	world_name(sim.w, "relay.test", SIM_RELAY);
	if (folk_wanted())
		folk_begin();
	rig_start(g);
	if (folk.on)
		folk_setup();
	for (size_t i = 0; i < sim.nagents; i++) {
		sim.agents[i] = sim_agent_new(i);
		sim.apps[i] = sim_app_new(i, sim_agent_machine(sim.agents[i]));
		sim_agent_start(sim.agents[i]);
	}
	sim_people_begin();
	for (int i = 0; i < LOGOUTS; i++) {
		rig_login(g, "198.51.100.98");
		snprintf(sim.gone[i], sizeof sim.gone[i], "%s", g->cookie);
	}
	rig_login(g, "198.51.100.98");
}

static void
check_logins(void)
{
	unsigned status = sim_ask("GET /_adit/api/auth/check", sim.g->cookie);

	if (status != 200)
		sim_fail("the login is forgotten: %u", status);
	for (int i = 0; i < LOGOUTS; i++) {
		status = sim_ask("GET /_adit/api/auth/check", sim.gone[i]);
		if ((sim.ended[i] || sim.unwritten[i]) && status < 300)
			sim_fail("an ended login is valid again: %u", status);
	}
	folk_check();
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
		    sim_agent_hindered(sim.agents[i]) ||
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
	sim_faults_plan();
	turns(PEACE_MS);
	if (sim.plant == PLANT_LOST_CLOSE) {
		world_close_lost(g.host, 1 + (unsigned)sim_below(10));
		sim.planted = 1;
	}
	end = sim_now() + 2000 + sim_below(sim_chance(900) ? 8000 : 50000);
	while (sim_now() < end) {
		sim_faults_turn();
		sim_turn();
	}
	folk_peace();
	sim_faults_heal(true);
	sim_note("healed");
	if (sim.plant == PLANT_LEAK)
		sim.planted = blocks_reserve(&g.r->blocks, 1);
	while (!all_served())           /* each agent looks at its watch */
		sim_turn();
	sim_note("served");
	turns(CALM_MS);
	sim.calm = true;
	while (!sim_people_rest() || !folk_rest())
		sim_turn();
	turns(3000);
	for (size_t i = 0; i < sim.nagents; i++)
		sim_check_quiet(i);
	check_logins();
	if (sim_chance(folk.on ? 800 : 300)) {
		sim_power_cycle();
		check_logins();
	}
	sim_people_end();
	end_agents();
	result->virtual_ms = sim_now() - begun;
	result->done = sim.done;
	result->errors = sim.errors;
	result->digest = sim_now() ^ sim_below(UINT64_MAX);
	world_run(sim.w, IDLE_CLOSE_MS + 5000); /* whom nobody can reach */
	rig_close(&g);
	disk_end();
}

/* ---- many of them ---- */

/* Once more with its trace, of which the end is shown. */
static void
show_trace(uint64_t seed)
{
	static char text[TRACE_SHOWN + 1];
	FILE *f = tmpfile();
	long n;
	pid_t pid;

	fflush(NULL);
	pid = f == NULL ? -1 : fork();
	if (pid == 0) {
		if (dup2(fileno(f), STDERR_FILENO) < 0)
			_exit(2);
		sim.seed = seed;
		sim.trace = true;
		alarm(SEED_S);
		run();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		return;
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	fseek(f, n > TRACE_SHOWN ? n - TRACE_SHOWN : 0, SEEK_SET);
	text[fread(text, 1, TRACE_SHOWN, f)] = 0;
	fclose(f);
	printf("%s", strchr(text, '\n') == NULL ? text :
	    strchr(text, '\n') + 1);
}

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
		alarm(SEED_S);
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

/* The same seed gives the same run? */
static bool
replays(uint64_t seed)
{
	uint64_t digest, us;

	try_seed(seed, PLANT_NONE, true, &us);
	digest = result->digest;
	try_seed(seed, PLANT_NONE, true, &us);
	if (result->digest == digest && digest != 0)
		return true;
	printf("sim: seed %llu is not deterministic\n",
	    (unsigned long long)seed);
	return false;
}

static int
many(uint64_t from, uint64_t n, time_t until)
{
	uint64_t *us = sim_mem(sizeof *us * (size_t)n), sum = 0, ms = 0;
	uint64_t bad = 0, done = 0, errors = 0, cuts = 0, survived = 0;
	struct result folks = { 0 };

	for (uint64_t i = 0; i < n; i++) {
		if (until != 0 && time(NULL) >= until)
			n = i + 1;
		*result = (struct result){ 0 };
		if (!try_seed(from + i, PLANT_NONE, false, &us[i])) {
			show_trace(from + i);
			printf("replay: make sim SEED=%llu\n",
			    (unsigned long long)(from + i));
			bad++;
		}
		sum += us[i];
		ms += result->virtual_ms;
		done += result->done;
		errors += result->errors;
		cuts += result->cuts;
		survived += result->survived;
		folks.acts += result->acts;
		folks.streams += result->streams;
		folks.ended += result->ended;
		folks.crashes += result->crashes;
	}
	if (!replays(from))
		bad++;
	qsort(us, (size_t)n, sizeof *us, by_value);
	printf("sim: %llu seeds, %llu failed; %llu exchanges whole, %llu of "
	    "them across one of %llu cuts; %llu ended with an error\n"
	    "sim: %llu s simulated in %llu ms of CPU (%llu times as fast); a "
	    "seed %llu us (median)\n",
	    (unsigned long long)n, (unsigned long long)bad,
	    (unsigned long long)done, (unsigned long long)survived,
	    (unsigned long long)cuts, (unsigned long long)errors,
	    (unsigned long long)ms / 1000,
	    (unsigned long long)sum / 1000,
	    (unsigned long long)(ms * 1000 / max_u64(sum, 1)),
	    (unsigned long long)us[n / 2]);
	printf("sim: accounts: %u acts, %u starts after a crash, %u streams, "
	    "%u of them ended as rights did\n", folks.acts, folks.crashes,
	    folks.streams, folks.ended);
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
		"sessions.json is lost", "a block is leaked",
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

/* This program has a bug: it must fail within so many seeds. */
static int
caught(const char *name, uint64_t most)
{
	uint64_t us, seed = 1;

	while (seed <= most && try_seed(seed, PLANT_NONE, true, &us))
		seed++;
	printf("planted: %s: %s after %llu seeds\n", name,
	    seed <= most ? "caught" : "NOT CAUGHT",
	    (unsigned long long)min_u64(seed, most));
	return seed > most;
}

int
main(int argc, char **argv)
{
	uint64_t seeds = 100, from = 1, one = 0, most = 0, seconds = 0;
	const char *name = "";

	result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED)
		return 2;
	noise_begin();
	/* What one seed frees it will want again. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
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
		else if (strcmp(a, "--seconds") == 0)
			seconds = strtoull(v, NULL, 10);
		else if (strcmp(a, "--caught") == 0)
			most = strtoull(v, NULL, 10);
		else if (strcmp(a, "--accounts") == 0)
			folk.always = true;
		else if (strcmp(a, "--name") == 0)
			name = v;
		else if (strcmp(a, "--plant") == 0)
			sim.plant = (enum plant)strtoull(v, NULL, 10);
	}
	if (most > 0)
		return caught(name, most);
	if (one > 0) {
		sim.seed = one;
		run();
		printf("sim: seed %llu passed, %u exchanges whole\n",
		    (unsigned long long)one, sim.done);
		return 0;
	}
	if (seeds == 0 || seeds > SEEDS_MOST)
		return 2;
	return many(from, seeds, seconds == 0 ? 0 :
	    time(NULL) + (time_t)seconds);
}
