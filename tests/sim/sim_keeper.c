/*
 * The keeper's process in the simulator: see sim_folk.h. As serve_keeper.c does
 * it: an answer, then the notes, then the next password for the hasher.
 */
#include "sim_folk.h"

#include <stdio.h>

#include "disk.h"
#include "rig.h"

enum { HASH_MS = 700, HASH_FAILS_PM = 8 };

#define MINE UINT64_MAX                 /* an act's, as ask.who */

static struct world_host *process;      /* the hasher's */
static struct keeper_job job;
static uint64_t job_due_ms;             /* 0: there is none */

uint64_t
keeper_now_s(void)
{
	return world_io(sim.g->host)->wall_ms / 1000;
}

void
keeper_hash(uint8_t hash[SCRYPT_HASH_BYTES], struct slice password,
    const uint8_t salt[SCRYPT_SALT_BYTES])
{
	struct sha256 sum;

	sha256_init(&sum);
	sha256_add(&sum, slice_of(salt, SCRYPT_SALT_BYTES));
	sha256_add(&sum, password);
	sha256_out(&sum, hash);
}

/* A process that is no more says nothing. */
static bool
gone(void)
{
	return sim.g->keeper == NULL || disk_is_off();
}

static void
give(enum keeper_for who, const struct answer *a)
{
	struct answer note;

	if (gone())
		return;
	if (who == KEEPER_CONSOLE || (who == KEEPER_RELAY && a->who == MINE))
		act_answered(a);
	else if (who == KEEPER_RELAY)
		rig_answer(sim.g, a);
	while (!gone() && keeper_note(sim.g->keeper, &note))
		rig_answer(sim.g, &note);
	if (!gone() && job_due_ms == 0 && keeper_job(sim.g->keeper, &job)) {
		job_due_ms = sim_now() + 1 + sim_below(HASH_MS);
		world_kick(process);
	}
}

static void
asked(struct rig *g, const struct ask *q)
{
	struct answer a;
	enum keeper_for who;

	if (gone())
		return;
	if (q->kind == ASK_REVOKE)
		act_logout(q);
	who = keeper_answer(g->keeper, q, &a);
	if (q->kind == ASK_REVOKE && !gone())
		act_logged_out(&a);
	give(who, &a);
}

void
keeper_ask(const struct ask *q, bool console)
{
	struct ask mine = *q;
	struct answer a;

	if (gone())
		return;
	mine.now_s = keeper_now_s();
	mine.who = MINE;
	give(console ? keeper_console(sim.g->keeper, &mine, &a) :
	    keeper_answer(sim.g->keeper, &mine, &a), &a);
}

static uint64_t
hasher_step(void *arg, const struct io *io)
{
	struct keeper_result r = { .id = job.id,
		.ok = folk.k.npws == 0 || !sim_chance(HASH_FAILS_PM) };
	struct answer a;

	(void)arg;
	if (gone())
		job_due_ms = 0;
	if (job_due_ms == 0 || job_due_ms > io->now_ms)
		return job_due_ms == 0 ? UINT64_MAX : job_due_ms;
	job_due_ms = 0;
	r.now_s = keeper_now_s();
	folk.failed += !r.ok;
	keeper_hash(r.hash, secret_bytes(&job.password), job.salt);
	give(keeper_done(sim.g->keeper, &r, &a), &a);
	return job_due_ms == 0 ? UINT64_MAX : job_due_ms;
}

static void
hasher_event(void *arg, const struct io *io, const struct io_event *ev)
{
	(void)arg;
	(void)io;
	(void)ev;
}

static _Noreturn void
refuses(const struct store_fault *f)
{
	sim_fail("the relay does not start: %.*s:%zu: %s", (int)f->file.n,
	    (const char *)f->file.p, f->line, f->why);
}

static void
open_keeper(struct rig *g)
{
	struct secret none = { .n = 0 }, token, channel;
	struct store_jwt kept;
	struct keeper_cfg cfg = { .jwt = &none, .password = &none,
		.token = &token, .channel = &channel, .kept = &kept,
		.io = disk_store(), .cost = { 10, 1, 1 } };
	uint8_t seed[2 * RNG_SEED_MIN];
	struct store_fault f;
	struct rng rng;
	size_t cut = 0;
	bool made = true;

	for (size_t i = 0; i < sizeof seed; i++)
		seed[i] = (uint8_t)sim_below(256);
	cfg.seed = slice_of(seed, RNG_SEED_MIN);
	rng_init(&rng, slice_of(seed + RNG_SEED_MIN, RNG_SEED_MIN));
	job_due_ms = 0;
	/* What a crash left behind cannot be tidied up at once. */
	if (folk.begun && folk_crashes(150))
		disk_fill_once(1);
	secret_set(&token, SL(RIG_TOKEN));
	secret_set(&channel, SL(RIG_CHANNEL_KEY));
	if (store_jwt_secret(&kept, &cfg.io, &rng, &made, &f) != E_OK)
		refuses(&f);
	keeper_init(g->keeper, &cfg);
	if (keeper_load(g->keeper, keeper_now_s(), &cut, &f) != E_OK)
		refuses(&f);
	if (cut > 0)
		sim_note("%zu bytes of the audit log are cut", cut);
	folk_started();
}

void
folk_begin(void)
{
	bool fills = sim_chance(300);

	folk.on = true;
	folk.deadly = sim_chance(600) || fills;
	process = world_host(sim.w, "hasher", "192.0.2.9");
	world_program(process, hasher_event, hasher_step, NULL);
	if (fills)
		audit_fill();
	rig_keeper(sim.g, open_keeper, asked, "{\"user\":\"" FOLK_ROOT "\","
	    "\"password\":\"" FOLK_PASSWORD "\"}");
}

/* Not every seed: the others keep the shared password. Without a draw, so
 * that those stay what they were. */
bool
folk_wanted(void)
{
	return folk.always || (sim.seed * 0x9e3779b97f4a7c15 >> 33) % 3 == 0;
}

/* The code of the first start makes the first account, though the power may go
 * meanwhile. */
void
folk_setup(void)
{
	while (sim.g->keeper->mode == MODE_SETUP) {
		struct ask q = { .kind = ASK_OP };
		uint8_t area[32];
		struct slice code = keeper_setup_code(sim.g->keeper, area);

		q.text_n = (uint16_t)snprintf((char *)q.text, sizeof q.text,
		    "{\"op\":\"setup\",\"user\":\"" FOLK_ROOT "\",\"password\""
		    ":\"" FOLK_PASSWORD "\",\"code\":\"%.*s\"}", (int)code.n,
		    (const char *)code.p);
		if (sim_chance(300))
			disk_lose_power(1 + (unsigned)sim_below(16));
		keeper_ask(&q, false);
		world_run(sim.w, HASH_MS + 10);
		if (disk_is_off()) {
			rig_kill(sim.g);
			disk_after_power_loss();
			rig_again(sim.g);
		}
		disk_lose_power(0);
	}
	folk.begun = true;
	folk.k.secrets[0] = sim.g->keeper->jwt.now;
}
