/*
 * The keeper on the files of DATA/relay: opened by the process that keeps the
 * secrets of a relay, and by a command while no relay runs.
 */
#include "app/serve.h"

#include <unistd.h>

#include "app/out.h"
#include "net/clock.h"
#include "state/store.h"

static const struct slice role_name = SL_INIT("relay");

/* ---- files ------------------------ */

static enum err
load(void *ctx, struct slice name, struct buf *into)
{
	size_t n = 0;
	enum err e = data_load(ctx, name, into->p + into->n, buf_room(into),
	    &n);

	if (e == E_OK)
		into->n += n;
	return e == E_RANGE ? E_FULL : e;
}

static bool
save(void *ctx, struct slice name, struct slice content)
{
	return data_save(ctx, name, content) == E_OK;
}

static bool
append(void *ctx, struct slice name, struct slice content)
{
	return data_append(ctx, name, content) == E_OK;
}

static bool
rotate(void *ctx, struct slice name, unsigned files)
{
	return data_rotate(ctx, name, files) == E_OK;
}

static bool
drop(void *ctx, struct slice name)
{
	return data_remove(ctx, name) == E_OK;
}

static int
fault(const struct serve *s, const struct store_fault *f)
{
	return serve_file_fault(EXIT_USAGE, s->rs.data, role_name, f->file,
	    f->line, f->why);
}

/* ---- opening ------------------------ */

static int
open_with(struct serve *s, struct keeper_cfg *cfg, struct rng *rng)
{
	struct store_jwt kept = { 0 };
	struct store_fault f;
	size_t cut = 0;
	bool made = true;

	if (s->conf.jwt.n == 0) {
		if (store_jwt_secret(&kept, &cfg->io, rng, &made, &f) != E_OK)
			return fault(s, &f);
		cfg->kept = &kept;
	}
	keeper_init(&s->keeper, cfg);
	wipe(&kept, sizeof kept);
	if (keeper_load(&s->keeper, net_wall_ms() / 1000, &cut, &f) != E_OK)
		return fault(s, &f);
	s->log.wall_ms = net_wall_ms();
	if (cut > 0)
		LOGF(&s->log, LOG_WARN, "app", "the audit log ended within a "
		    "line, which is gone now", log_u("bytes", cut));
	/* One in the file counts beside those of the store; it is made where
	 * agents could not join otherwise. */
	s->token_made = s->conf.token.n == 0 &&
	    (s->has_agent || !keeper_has_agent_token(&s->keeper));
	if (s->conf.token.n == 0 && store_relay_token(&s->conf.token, &cfg->io,
	    rng, &s->token_made, &f) != E_OK)
		return fault(s, &f);
	keeper_set_token(&s->keeper, &s->conf.token);
	return EXIT_GO_ON;
}

int
keep_open(struct serve *s, bool offline, const struct store_io *io)
{
	uint8_t seed[4 * RNG_SEED_MIN];
	struct rng rng;
	struct keeper_cfg cfg = { .jwt = &s->conf.jwt,
		.password = &s->conf.password, .token = &s->conf.token,
		.channel = &s->conf.channel,
		.seed = slice_of(seed, 2 * RNG_SEED_MIN),
		.io = io != NULL ? *io : (struct store_io){ load, save, append,
			rotate, drop, &s->relay_data },
		.cost = s->rs.cost, .no_login = s->rs.cfg.no_login,
		.offline = offline };
	int code;

	if (getentropy(seed, sizeof seed) != 0)
		return out_fail(EXIT_FAILED, "no randomness", SL(""), NULL);
	rng_init(&rng, slice_of(seed + 2 * RNG_SEED_MIN, 2 * RNG_SEED_MIN));
	code = open_with(s, &cfg, &rng);
	rng_wipe(&rng);
	wipe(seed, sizeof seed);
	return code;
}
