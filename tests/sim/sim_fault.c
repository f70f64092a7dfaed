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
#include "rig.h"

enum {
	SYNC_MS = 30,
	STILL_MS = 4500,        /* a stall that nobody takes for a death */
};

/* What lasts: until when, 0 while it is not there. */
struct lasting { uint64_t stall_ms[AGENTS], app_ms[AGENTS], agent_ms[AGENTS],
	pause_ms[AGENTS], storm_ms[AGENTS], fate_ms, relay_ms, save_ms; };

static struct lasting lasting;
static unsigned storm[AGENTS];          /* cuts to come */
static unsigned mask;                   /* kinds of faults in this seed */
static uint64_t next_fault_ms, every_ms;
static struct dyn durable, written;     /* relay.json: on the disk, in it */
static uint64_t written_ms;

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
		sim_agent_hinder(sim.agents[i], sim_now(), true);
	}
	if (sim.plant == PLANT_LOST_STATE)
		save("relay.json", &none);
	if (sim.plant == PLANT_LOST_REVOKED)
		save("sessions.json", &none);
	lasting.relay_ms = sim_now() + 1 + sim_below(8000);
}

static void
relay_starts(void)
{
	lasting.relay_ms = 0;
	rig_again(sim.g);
	sim_note("relay starts");
	if (sim.plant == PLANT_OTHER_SECRET)
		secret_set(&sim.g->keeper->jwt.now,
		    SL("another jwt secret of more than 32 bytes"));
	for (size_t i = 0; i < sim.nagents; i++)
		sim_agent_healed(sim.agents[i]);
	blame(&sim.relay, sim_now() + 1000);
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

static void
fault(enum fault f)
{
	size_t i = (size_t)sim_below(sim.nagents);
	/* Back only as far as crypto/jwt.h takes a session of the future. */
	uint64_t wall = 1700000000000 + sim_now() + sim_below(3600 * 1000) -
	    50 * 1000;

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
	if (l->save_ms > 0 && l->save_ms <= now) {
		l->save_ms = 0;
		world_saves_fail(sim.g->host, false);
	}
	if (l->relay_ms > 0 && l->relay_ms <= now)
		relay_starts();
	if (l->relay_ms > 0)
		blame(&sim.relay, sim_now());
	if (sim.g->r != NULL)
		disk_turn();
	for (size_t i = 0; i < sim.nagents && all; i++)
		sim_agent_peace(sim.agents[i]);
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
		mask |= sim_chance(350) ? 1u << i : 0;
	every_ms = 200 + sim_below(sim_chance(500) ? 1000 : 8000);
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
