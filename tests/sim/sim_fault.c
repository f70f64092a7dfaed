/*
 * Faults of the simulator: see sim.h. Which kinds a seed has and how often they
 * come is drawn at its beginning; what lasts is healed when its time is over,
 * or at once when the run wants peace.
 *
 * Each says what it excuses. What ends a session (a process that dies, an
 * operation that fails) is a blame: exchanges may end with an error. What only
 * cuts a tunnel or holds it up hinders its agent: nothing may end because of
 * it, unless it lasts longer than the grace period allows (sim_agent.c), but
 * new requests may be refused meanwhile.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "disk.h"
#include "rig.h"

enum {
	WAKE_MS = 1000,         /* for what became due meanwhile */
	STOP_MS = 10 * 1000,    /* to be gone after the time to drain */
	STILL_MS = 4500,        /* a stall that nobody takes for a death */
	HOLD_MS = 14000,        /* so may one be that one side knows of */
	DAY_MS = 24 * 3600 * 1000,
};

#define WALL_MS 1700000000000ull        /* of the world's time 0 */

/* Faults that excuse no exchange but for their length. */
#define BIT(f) (1u << FAULT_##f)
#define GENTLE (BIT(CUT) | BIT(AWAY) | BIT(STORM) | BIT(STALL) | BIT(FREEZE) | \
    BIT(PAUSE) | BIT(FATE) | BIT(WALL) | BIT(LATENCY) | BIT(ACCEPT) | \
    BIT(KEEPER) | BIT(SAVE) | BIT(HOSTILE) | BIT(RELAY_PAUSE) | BIT(SCARCE) | \
    BIT(LOGOUT) | BIT(PROXY) | BIT(HOLD))
#define CUTS (BIT(CUT) | BIT(AWAY) | BIT(STORM) | BIT(FREEZE) | BIT(PAUSE) | \
    BIT(PROXY) | BIT(HOLD))

/* What lasts: until when, 0 while it is not there. */
struct lasting { uint64_t stall_ms[AGENTS], app_ms[AGENTS], agent_ms[AGENTS],
	pause_ms[AGENTS], storm_ms[AGENTS], fate_ms, relay_ms, save_ms,
	stop_ms, relay_pause_ms, scarce_ms, hold_at_ms, crowd_ms; };

static struct lasting lasting;
static uint64_t woke_ms;                /* the relay, the last time */
static unsigned storm[AGENTS];          /* cuts to come */
static struct crowd crowd;
static unsigned mask;                   /* kinds of faults in this seed */
static uint64_t next_fault_ms, every_ms, tick_ms;
static bool tried_out;                  /* the last of those to be ended */

/* ---- the relay ---- */

static void
spoil(const char *name)
{
	const struct io *io = world_io(sim.g->host);

	disk_fill(false);
	io->ops->save(io->ctx, slice_of(name, strlen(name)), SL(""));
}

/* The process is gone, or the machine loses power. What the relay's files say
 * then is what it must remember. */
static void
relay_dies(bool power)
{
	struct slice s;

	power = power || disk_is_off();
	rig_kill(sim.g);
	memset(sim.unwritten, 0, sizeof sim.unwritten);
	if (power)
		disk_after_power_loss();
	disk_lose_power(0);
	sim_note("fault: relay dies%s", power ? ", power too" : "");
	s = world_file(sim.g->host, "relay.json");
	for (size_t i = 0; i < sim.nagents; i++) {
		const char *id = sim_agent_id(sim.agents[i]);

		if (s.n == 0 || memmem(s.p, s.n, id, strlen(id)) == NULL)
			sim_agent_forget_id(sim.agents[i]);
		sim_agent_hinder(sim.agents[i], sim_now(), true);
	}
	if (sim.plant == PLANT_LOST_STATE)
		spoil("relay.json");
	if (sim.plant == PLANT_LOST_REVOKED)
		spoil("sessions.json");
	lasting.relay_ms = sim_now() + 1 + sim_below(8000);
	lasting.stop_ms = lasting.relay_pause_ms = 0;
}

static void
relay_starts(void)
{
	lasting.relay_ms = lasting.scarce_ms = 0;
	rig_again(sim.g);
	sim_note("relay starts");
	if (sim.plant == PLANT_OTHER_SECRET)
		secret_set(&sim.g->keeper->jwt.now,
		    SL("another jwt secret of more than 32 bytes"));
	for (size_t i = 0; i < sim.nagents; i++)
		sim_agent_healed(sim.agents[i]);
	blame(&sim.relay, sim_now() + 1000);
}

/* As by SIGTERM. What is under way may finish within drain_ms: only then it is
 * an excuse. */
static void
relay_stops(void)
{
	if (lasting.stop_ms > 0 || lasting.relay_pause_ms > 0)
		return;
	sim_note("fault: relay stops");
	lasting.stop_ms = sim_now();
	relay_stop(sim.g->r, world_io(sim.g->host));
	world_kick(sim.g->host);
	for (size_t i = 0; i < sim.nagents; i++)
		sim_agent_hinder(sim.agents[i], sim_now(), true);
}

/* It stops; has it? */
static void
stop_turn(void)
{
	uint64_t most = lasting.stop_ms + sim.g->cfg.drain_ms;

	if (lasting.stop_ms == 0 || sim.g->r == NULL || disk_is_off())
		return;
	blame(&sim.away, sim_now());
	if (sim_now() >= most)
		blame(&sim.relay, sim_now());
	if (relay_stopped(sim.g->r)) {
		sim_note("relay has stopped");
		for (size_t i = 0; i < sim.nagents; i++)
			sim_agent_hinder(sim.agents[i], sim_now(), true);
		blame(&sim.relay, sim_now());
		rig_kill(sim.g);
		memset(sim.unwritten, 0, sizeof sim.unwritten);
		disk_lose_power(0);
		lasting.stop_ms = 0;
		lasting.relay_ms = sim_now() + 1 + sim_below(2000);
	} else if (sim_now() > max_u64(most, woke_ms) + STOP_MS &&
	    !sim_relay_sleeps()) {
		sim_fail("the relay does not stop");
	}
}

static void
relay_sleeps(void)
{
	uint64_t ms = 1 + sim_below(8000);

	if (lasting.relay_pause_ms > 0)
		return;
	sim_note("fault: relay sleeps, %llu ms", (unsigned long long)ms);
	world_pause(sim.g->host, true);
	lasting.relay_pause_ms = sim_now() + ms;
	for (size_t i = 0; i < sim.nagents; i++)
		sim_agent_hinder(sim.agents[i], sim_now() + ms, false);
}

bool
sim_relay_sleeps(void)
{
	return lasting.relay_pause_ms > 0 || sim_now() < woke_ms + WAKE_MS ||
	    disk_is_off();
}

bool
sim_relay_stops(void)
{
	return lasting.stop_ms > 0 || lasting.relay_ms > 0;
}

static void
relay_wakes(void)
{
	lasting.relay_pause_ms = 0;
	woke_ms = sim_now();
	world_pause(sim.g->host, false);
	for (size_t i = 0; i < sim.nagents; i++)
		sim_agent_healed(sim.agents[i]);
}

/* The relay has so many blocks to give, beside those that it has promised. */
static void
scarce_over(void)
{
	lasting.scarce_ms = 0;
	if (sim.g->r != NULL)
		blocks_unreserve(&sim.g->r->blocks, sim.g->taken);
	sim.g->taken = 0;
	sim_note("blocks are not scarce any more");
}

static void
scarce(uint32_t left)
{
	scarce_over();
	lasting.scarce_ms = sim_now() + sim_below(10000);
	if (sim.g->r != NULL)
		rig_scarce(sim.g, left);
	sim_note("fault: %u blocks are left", left);
}

static void
relay_ops_fail(void)
{
	sim_note("fault: operations of the relay");
	for (size_t i = 0; i < sim.nagents; i++)
		sim_agent_hinder(sim.agents[i], sim_now(), true);
	blame(&sim.relay, sim_now() + 5000);
	world_fail(sim.g->host, 1 + sim_below(100));
	world_run(sim.w, 1 + sim_below(300));
	world_fail(sim.g->host, 0);
}

/* One of the sessions that are there for it is ended; perhaps while the power
 * goes. It is over if the relay said so. */
static void
log_out(void)
{
	static int next;
	unsigned status;

	tried_out = tried_out || next == LOGOUTS - 1;

	/* By a clock that is ahead there is no session to end. */
	if (next == LOGOUTS || lasting.fate_ms > 0 ||
	    lasting.relay_pause_ms > 0 || sim_clock_ahead())
		return;
	if (sim_has_fault(FAULT_POWER) && sim_chance(500))
		disk_lose_power(1 + (unsigned)sim_below(12));
	status = sim_ask("POST /_adit/api/auth/logout", sim.gone[next]);
	sim.ended[next] = status >= 200 && status < 400;
	/* It could not be written: it will be, if the process lives so long. */
	sim.unwritten[next] = status == 500;
	sim_note("logout %d: %u", next, status);
	next++;
}

/* Minutes or years, back or forth. */
static void
clock_jumps(struct world_host *h)
{
	uint64_t far = sim_below(sim_chance(500) ? 3600 * 1000 :
	    (uint64_t)10 * 365 * DAY_MS);
	uint64_t wall = WALL_MS + sim_now();

	wall = sim_chance(500) ? wall - far : wall + far;
	sim_note("fault: a clock jumps to %llu", (unsigned long long)wall);
	world_wall(h, wall);
	/* A session that nobody asked for yet: the relay has to look at it. */
	if (h == sim.g->host && wall < WALL_MS + sim_now() && !tried_out &&
	    sim.g->r != NULL && lasting.fate_ms == 0) {
		unsigned status = sim_ask("GET /_adit/api/auth/check",
		    sim.gone[LOGOUTS - 1]);

		if (status >= 300 && status < 500)
			sim_fail("a clock set back ends a session: %u", status);
	}
}

bool
sim_clock_ahead(void)
{
	return world_io(sim.g->host)->wall_ms >
	    WALL_MS + sim_now() + DAY_MS / 2;
}

/* ---- between an agent and the relay ---- */

static void
set_fate(enum world_fate fate)
{
	world_fate(sim.w, RIG_MAIN, fate);
	lasting.fate_ms = fate == FATE_NONE ? 0 :
	    sim_now() + sim_below(sim_chance(700) ? 5000 : 40000);
	for (size_t i = 0; i < sim.nagents; i++) {
		if (fate == FATE_NONE)
			sim_agent_healed(sim.agents[i]);
	}
}

uint64_t
sim_fate_ms(void)
{
	return lasting.fate_ms;
}

static void
stall(size_t i, uint64_t ms)
{
	struct sim_agent *a = sim.agents[i];

	if (lasting.stall_ms[i] > 0)
		return;
	sim_agent_hinder(a, sim_now() + ms, false);
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

/*
 * A crowd comes, and in the midst of its uploads or downloads what one side of
 * the tunnel says is kept back: no ACK comes, and DATA that nobody acknowledges
 * fills the other's ring up to where DATA must stop. The relay's could be
 * large: it has nothing to grow by.
 */
static void
crowd_comes(size_t i)
{
	if (lasting.crowd_ms > 0)
		return;
	crowd = (struct crowd){ i, sim_chance(500) };
	lasting.hold_at_ms = sim_now() + 150 + sim_below(300);
	lasting.crowd_ms = lasting.hold_at_ms + 1 + sim_below(3000);
	sim_note("fault: a crowd at agent %zu, %s", i, crowd.up ? "up" :
	    "down");
}

static void
hold_back(void)
{
	struct world_host *a = sim_agent_machine(sim.agents[crowd.agent]);
	uint64_t ms = 1 + sim_below(sim_chance(700) ? HOLD_MS : 25000);

	lasting.hold_at_ms = 0;
	sim_note("fault: %s is kept back, %llu ms", crowd.up ? "the agent" :
	    "the relay", (unsigned long long)ms);
	sim_agent_hinder(sim.agents[crowd.agent], sim_now() + ms, false);
	if (crowd.up) {
		world_hold(sim.w, a, sim.g->host, ms);
		scarce((uint32_t)sim_below(12));
	} else {
		world_hold(sim.w, sim.g->host, a, ms);
	}
}

bool
sim_crowd(struct crowd *c)
{
	*c = crowd;
	return lasting.crowd_ms > 0;
}

/* How long somebody is away: mostly less than the grace period allows. */
static uint64_t
draw_away(void)
{
	static const uint32_t most[] = { 200, 200, 3000, 3000, 17000, 50000 };

	return 1 + sim_below(most[sim_below(6)]);
}

static void
cut(size_t i)
{
	struct sim_agent *a = sim.agents[i];

	sim_note("fault: cut of agent %zu", i);
	sim_agent_hinder(a, sim_now(), true);
	world_cut(sim.w, sim_agent_machine(a), sim.g->host);
	result->cuts++;
}

/* One side hears of it, or neither; what was under way comes late, or never. */
static void
freeze(size_t i)
{
	struct sim_agent *a = sim.agents[i];
	struct world_host *m = sim_agent_machine(a);

	sim_agent_hinder(a, sim_now(), true);
	result->cuts++;
	switch (sim_below(4)) {
	case 0:
		sim_note("fault: half a cut of agent %zu", i);
		world_cut_half(sim.w, m, sim.g->host);
		break;
	case 1:
		sim_note("fault: half a cut of the relay, from %zu", i);
		world_cut_half(sim.w, sim.g->host, m);
		break;
	case 2:
		sim_note("fault: freeze of agent %zu", i);
		world_freeze(sim.w, m, sim.g->host, 0);
		break;
	default:
		sim_note("fault: freeze and thaw of agent %zu", i);
		world_freeze(sim.w, m, sim.g->host, 1 + sim_below(25000));
	}
}

static void
pause_agent(size_t i)
{
	uint64_t ms = draw_away();

	if (lasting.pause_ms[i] > 0 || !sim_agent_runs(sim.agents[i]))
		return;
	sim_note("fault: agent %zu sleeps, %llu ms", i,
	    (unsigned long long)ms);
	sim_agent_hinder(sim.agents[i], sim_now() + ms, false);
	sim_agent_sleep(sim.agents[i], true);
	lasting.pause_ms[i] = sim_now() + ms;
}

static void
pause_over(size_t i)
{
	lasting.pause_ms[i] = 0;
	sim_agent_sleep(sim.agents[i], false);
	sim_agent_healed(sim.agents[i]);
}

/* One cut after the other, each within what the one before began. */
static void
storm_turn(size_t i)
{
	if (storm[i] == 0 || lasting.storm_ms[i] > sim_now())
		return;
	storm[i]--;
	lasting.storm_ms[i] = sim_now() + 1 +
	    sim_below(sim_chance(500) ? 60 : 600);
	if (sim_chance(700))
		cut(i);
	else
		freeze(i);
}

/* ---- faults ---- */

/* Of an agent, its tunnel or its app. */
static void
fault_agent(enum fault f, size_t i)
{
	struct sim_agent *a = sim.agents[i];

	switch (f) {
	case FAULT_CUT:
		cut(i);
		break;
	case FAULT_AWAY:
		cut(i);
		stall(i, draw_away());
		break;
	case FAULT_STORM:
		storm[i] = 2 + (unsigned)sim_below(8);
		break;
	case FAULT_STALL:
		stall(i, sim_chance(500) ? 1 + sim_below(STILL_MS) :
		    draw_away());
		break;
	case FAULT_FREEZE:
		freeze(i);
		break;
	case FAULT_PAUSE:
		pause_agent(i);
		break;
	case FAULT_AGENT_KILL:
		if (!sim_agent_runs(a))
			break;
		sim_note("fault: agent %zu dies", i);
		lasting.pause_ms[i] = 0;
		sim_agent_kill(a);
		lasting.agent_ms[i] = sim_now() + 1 + sim_below(10000);
		break;
	case FAULT_AGENT_STOP:
		if (sim_agent_runs(a) && lasting.pause_ms[i] == 0)
			sim_agent_stop(a, false);
		break;
	case FAULT_TWIN:
		sim_agent_twin(i);
		break;
	case FAULT_PROXY:
		sim_agent_proxy_ends(a);
		break;
	case FAULT_HOLD:
		crowd_comes(i);
		break;
	case FAULT_APP:
		if (lasting.app_ms[i] > 0)
			break;
		sim_note("fault: app %zu dies", i);
		blame(sim_app_blame(sim.apps[i]), sim_now());
		sim_app_kill(sim.apps[i]);
		lasting.app_ms[i] = sim_now() + 1 + sim_below(5000);
		break;
	case FAULT_OPS:
		sim_note("fault: operations of agent %zu", i);
		sim_agent_hinder(a, sim_now(), true);
		blame(sim_agent_blame(a), sim_now() + 5000);
		world_fail(sim_agent_host(a), 1 + sim_below(50));
		world_run(sim.w, 1 + sim_below(300));
		world_fail(sim_agent_host(a), 0);
		break;
	default:
		world_latency(sim.w, sim_agent_machine(a), sim.g->host,
		    1 + (uint32_t)sim_below(200));
	}
}

/* Of the relay, while there is one. */
static void
fault_relay(enum fault f)
{
	switch (f) {
	case FAULT_RELAY:
		relay_dies(sim_chance(500));
		break;
	case FAULT_RELAY_STOP:
		relay_stops();
		break;
	case FAULT_RELAY_PAUSE:
		relay_sleeps();
		break;
	case FAULT_RELAY_OPS:
		relay_ops_fail();
		break;
	case FAULT_SCARCE:
		scarce((uint32_t)sim_below(60));
		break;
	case FAULT_POWER:
		sim_note("fault: power will be lost");
		disk_lose_power(1 + (unsigned)sim_below(12));
		break;
	case FAULT_LOGOUT:
		log_out();
		break;
	case FAULT_ACCEPT:
		world_accepts_fail(sim.g->host, 1 + (unsigned)sim_below(5));
		break;
	case FAULT_KEEPER:
		sim.g->keeper_ms = (uint32_t)sim_below(300);
		break;
	default:
		sim_note("fault: the disk is full");
		disk_fill(true);
		lasting.save_ms = sim_now() + sim_below(10000);
	}
}

static void
fault(enum fault f)
{
	size_t i = (size_t)sim_below(sim.nagents);

	if (f == FAULT_SCARCE && sim_chance(500)) {
		sim_agent_scarce(sim.agents[i], (uint32_t)sim_below(30));
		return;
	}
	switch (f) {
	case FAULT_RELAY:
	case FAULT_RELAY_STOP:
	case FAULT_RELAY_PAUSE:
	case FAULT_RELAY_OPS:
	case FAULT_SCARCE:
	case FAULT_POWER:
	case FAULT_LOGOUT:
	case FAULT_ACCEPT:
	case FAULT_KEEPER:
	case FAULT_SAVE:
		if (sim.g->r != NULL)
			fault_relay(f);
		break;
	case FAULT_FATE:
		set_fate((enum world_fate)(1 + sim_below(3)));
		break;
	case FAULT_WALL:
		clock_jumps(sim_chance(700) ? sim.g->host :
		    sim_agent_host(sim.agents[i]));
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

static void
heal_agent(size_t i, uint64_t now)
{
	struct lasting *l = &lasting;

	if (l->stall_ms[i] > 0 && l->stall_ms[i] <= now)
		stall_over(i);
	if (l->pause_ms[i] > 0 && l->pause_ms[i] <= now)
		pause_over(i);
	if (l->app_ms[i] > 0 && l->app_ms[i] <= now) {
		l->app_ms[i] = 0;
		sim_app_start(sim.apps[i]);
	}
	if (l->agent_ms[i] > 0 && l->agent_ms[i] <= now) {
		l->agent_ms[i] = 0;
		sim_agent_start(sim.agents[i]);
	}
}

static void
heal_relay(uint64_t now)
{
	struct lasting *l = &lasting;

	if (disk_is_off())
		relay_dies(true);
	if (sim.g->r != NULL && !sim_relay_sleeps() && tick_ms <= sim_now()) {
		tick_ms = sim_now() + 1000;
		keeper_tick(sim.g->keeper,
		    world_io(sim.g->host)->wall_ms / 1000);
	}
	stop_turn();
	if (l->relay_pause_ms > 0 && l->relay_pause_ms <= now)
		relay_wakes();
	if (l->scarce_ms > 0) {
		blame(&sim.away, sim_now());
		for (size_t i = 0; i < sim.nagents; i++)
			sim_agent_healed(sim.agents[i]);
		if (l->scarce_ms <= now)
			scarce_over();
	}
	if (l->relay_ms > 0 && l->relay_ms <= now)
		relay_starts();
	if (l->relay_ms > 0)
		blame(&sim.relay, sim_now());
}

void
sim_faults_heal(bool all)
{
	uint64_t now = all ? UINT64_MAX : sim_now();
	struct lasting *l = &lasting;

	for (size_t i = 0; i < sim.nagents; i++) {
		if (all)
			storm[i] = 0;
		storm_turn(i);
		heal_agent(i, now);
	}
	if (l->fate_ms > 0 && l->fate_ms <= now)
		set_fate(FATE_NONE);
	if (l->crowd_ms > 0 && l->crowd_ms <= now)
		l->crowd_ms = l->hold_at_ms = 0;
	if (l->hold_at_ms > 0 && l->hold_at_ms <= now)
		hold_back();
	if (l->save_ms > 0 && l->save_ms <= now) {
		l->save_ms = 0;
		disk_fill(false);
	}
	if (all) {
		world_wall(sim.g->host, WALL_MS + sim_now());
		disk_lose_power(0);
	}
	if (sim_clock_ahead()) {
		blame(&sim.relay, sim_now());
		blame(&sim.ahead, sim_now());
	}
	heal_relay(now);
	for (size_t i = 0; i < sim.nagents && all; i++) {
		struct world_host *a = sim_agent_machine(sim.agents[i]);

		world_hold(sim.w, a, sim.g->host, 0);
		world_hold(sim.w, sim.g->host, a, 0);
		sim_agent_peace(sim.agents[i]);
	}
}

void
sim_power_cycle(void)
{
	rig_kill(sim.g);
	disk_after_power_loss();
	rig_again(sim.g);
	world_run(sim.w, 1000);
}

void
sim_faults_turn(void)
{
	enum fault f = (enum fault)sim_below(FAULTS);

	if (sim_now() < next_fault_ms || !sim_has_fault(f))
		return;
	next_fault_ms = sim_now() + sim_below(2 * every_ms);
	fault(f);
}

bool
sim_has_fault(enum fault f)
{
	return (mask & 1u << f) != 0;
}

void
sim_faults_plan(void)
{
	for (int i = 0; i < FAULTS; i++)
		mask |= sim_chance((CUTS & 1u << i) != 0 ? 600 : 300) ?
		    1u << i : 0;
	/* Often only what no exchange may die of. */
	if (sim_chance(400))
		mask &= GENTLE;
	every_ms = 200 + sim_below(sim_chance(600) ? 1000 : 6000);
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
