/*
 * The keeper of a start, in its process (app/vault.h): what is done inside, and
 * how the process that reads the network asks it. Questions that cannot be
 * answered because the vault has ended end the program: nobody could log in.
 */
#include "app/serve.h"

#include <sys/mman.h>
#include <unistd.h>

#include "app/out.h"
#include "base/num.h"
#include "net/clock.h"
#include "state/store.h"

enum { STACK_BYTES = 64 * 1024 };

static const struct slice role_name = SL_INIT("relay");

/* ---- inside: secrets ------------------------ */

static enum err
store_load(void *ctx, struct slice name, struct buf *into)
{
	size_t n = 0;
	enum err e = data_load(ctx, name, into->p + into->n, buf_room(into),
	    &n);

	if (e == E_OK)
		into->n += n;
	return e == E_RANGE ? E_FULL : e;
}

static bool
store_save(void *ctx, struct slice name, struct slice content)
{
	return data_save(ctx, name, content) == E_OK;
}

static bool
store_append(void *ctx, struct slice name, struct slice content)
{
	return data_append(ctx, name, content) == E_OK;
}

static bool
store_rotate(void *ctx, struct slice name, unsigned files)
{
	return data_rotate(ctx, name, files) == E_OK;
}

static bool
store_remove(void *ctx, struct slice name)
{
	return data_remove(ctx, name) == E_OK;
}

static int
store_fault(const struct serve *s, const struct store_fault *f)
{
	return serve_file_fault(EXIT_USAGE, s->rs.data, role_name, f->file,
	    f->line, f->why);
}

/* The keeper, from the settings and from what is kept. */
static int
open_keeper(struct serve *s, struct keeper_cfg *cfg, struct rng *rng)
{
	struct keeper *k = &s->keeper;
	struct store_jwt jwt;
	struct store_fault f;
	size_t cut;
	bool made;

	if (s->conf.jwt.n == 0) {
		if (store_jwt_secret(&jwt, &cfg->io, rng, &made, &f) != E_OK)
			return store_fault(s, &f);
		cfg->kept = &jwt;
	}
	keeper_init(k, cfg);
	wipe(&jwt, sizeof jwt);
	if (keeper_load(k, net_wall_ms() / 1000, &cut, &f) != E_OK)
		return store_fault(s, &f);
	if (cut > 0)
		LOGF(&s->log, LOG_WARN, "app", "the last line of audit.log "
		    "was torn and is gone", log_u("bytes", cut));
	s->token_made = s->has_agent || !keeper_has_agent_token(k);
	if (s->conf.token.n == 0 && store_relay_token(&s->conf.token,
	    &cfg->io, rng, &s->token_made, &f) != E_OK)
		return store_fault(s, &f);
	keeper_set_token(k, &s->conf.token);
	return EXIT_GO_ON;
}

static void
wipe_settings(struct serve *s)
{
	secret_wipe(&s->conf.jwt);
	secret_wipe(&s->conf.password);
	secret_wipe(&s->conf.token);
	secret_wipe(&s->conf.channel);
}

/* Never in a swap file nor in a dump. What the limits do not allow is not
 * worth a stop. */
static void
hold_in_memory(struct serve *s)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = (uintptr_t)&s->keeper & ~(page - 1);
	uintptr_t to = (uintptr_t)&s->keeper + offsetof(struct keeper, io);
	uintptr_t certs = (uintptr_t)&s->certs & ~(page - 1);

	(void)mlock((void *)from, to - from);
	if (s->certs.n > 0)
		(void)mlock((void *)certs, (uintptr_t)&s->certs +
		    offsetof(struct certs, pairs[s->certs.n]) - certs);
#ifdef MADV_DONTDUMP
	(void)madvise((void *)(from + page), sizeof s->keeper - page,
	    MADV_DONTDUMP);
#endif
}

static int
open_inside(void *ctx, struct vault_hello *h)
{
	struct serve *s = ctx;
	struct rng rng;
	uint8_t seed[2 * RNG_SEED_MIN];
	struct keeper_cfg cfg = { .jwt = &s->conf.jwt,
		.password = &s->conf.password, .token = &s->conf.token,
		.channel = &s->conf.channel,
		.seed = slice_of(seed, sizeof seed),
		.io = { store_load, store_save, store_append, store_rotate,
		    store_remove, &s->relay_data },
		.no_login = conf_num(&s->conf, C_NO_LOGIN, 0) != 0 };
	int code;

	serve_close_listens(s);
	takeover_forget(s);
	hold_in_memory(s);
	if (getentropy(seed, sizeof seed) != 0)
		return out_fail(EXIT_FAILED, "no randomness", SL(""), NULL);
	rng_init(&rng, slice_of(seed, sizeof seed));
	if (getentropy(seed, sizeof seed) != 0)
		return out_fail(EXIT_FAILED, "no randomness", SL(""), NULL);
	code = open_keeper(s, &cfg, &rng);
	rng_wipe(&rng);
	wipe(seed, sizeof seed);
	if (code != EXIT_GO_ON)
		return code;
	h->token_made = s->token_made;
	if (s->has_agent)
		h->token = s->conf.token;
	wipe_settings(s);
	code = serve_sandbox_keeper(s);
	/* Settings are slices of what it overwrites. */
	if (code == EXIT_GO_ON)
		resolve_title(s->cmd->title, SL("adit: keeper"));
	return code;
}

/* ---- inside: questions and calls ------------------------ */

static bool
answer_inside(void *ctx, struct ask *q, struct answer *a)
{
	struct serve *s = ctx;

	/* The time is not the asker's to choose. */
	q->now_s = net_wall_ms() / 1000;
	return keeper_answer(&s->keeper, q, a) != KEEPER_LATER;
}

static bool
next_inside(void *ctx, struct answer *a)
{
	struct serve *s = ctx;

	return keeper_note(&s->keeper, a);
}

static size_t
watch_inside(void *ctx, struct pollfd *p, int *ms)
{
	(void)ctx;
	(void)p;
	(void)ms;
	return 0;
}

static void
ready_inside(void *ctx, const struct pollfd *p, size_t n)
{
	(void)ctx;
	(void)p;
	(void)n;
}

static void
call_inside(void *ctx, const struct vault_call *c, struct vault_reply *r,
    uint8_t *shared)
{
	struct serve *s = ctx;
	struct slice bytes = { c->bytes, c->n };

	switch (c->kind) {
	case VAULT_SAVE:
		/* These and no other: not a secret's file. */
		r->ok = (slice_eq(bytes, SL("relay.json")) ||
		    slice_eq(bytes, SL("channel.json"))) &&
		    data_save(&s->relay_data, bytes,
		    slice_of(shared, c->shared_n)) == E_OK;
		break;
	case VAULT_FREEZE:
		/* What may wait is for the next one to read. */
		keeper_tick(&s->keeper, net_wall_ms() / 1000);
		s->relay_data.frozen = c->arg != VAULT_THAWED;
		if (c->arg == VAULT_UNLOCKED)
			data_unlock(&s->relay_data);
		r->ok = 1;
		break;
	default:
		serve_tls_inside(s, c, r, shared);
		break;
	}
}

/* ---- outside ------------------------ */

/* Below us lie the frames of those who read the secrets. */
static __attribute__((noinline)) void
wipe_stack(void)
{
	uint8_t area[STACK_BYTES];

	wipe(area, sizeof area);
}

int
serve_keeper(struct serve *s)
{
	static const struct vault_ops ops = { open_inside, answer_inside,
		next_inside, call_inside, watch_inside, ready_inside };
	struct vault_hello h;
	int code = vault_open(&s->vault, &ops, s, &h);

	if (code != EXIT_GO_ON)
		return code;
	wipe_settings(s);
	serve_tls_forget(s);
	sandbox_drop_all();
	wipe_stack();
	s->token_made = h.token_made;
	if (s->has_agent)
		s->as.cfg.token = h.token;
	wipe(&h, sizeof h);
	return EXIT_GO_ON;
}

bool
serve_ask(void *ctx, const struct ask *q)
{
	struct serve *s = ctx;

	return vault_pending(&s->vault) < kernel_answers_left(&s->kernel) &&
	    vault_ask(&s->vault, q);
}

void
serve_answers(void *ctx)
{
	struct serve *s = ctx;
	struct answer a;
	enum err e;

	/* Notes may take all the room: the rest is for the next turn. */
	do {
		s->answers_left = kernel_answers_left(&s->kernel) == 0;
		e = s->answers_left ? E_MORE : vault_answer(&s->vault, &a);
		if (e == E_OK)
			(void)kernel_answer(&s->kernel, &a);
	} while (e == E_OK);
	wipe(&a, sizeof a);
	if (e != E_EOF || s->exit_code == EXIT_FAILED)
		return;
	LOGF(&s->log, LOG_FATAL, "app", "the process that keeps the secrets "
	    "has ended: without it nobody can log in");
	s->exit_code = EXIT_FAILED;
	loop_stop(&s->loop);
}

bool
serve_save(void *ctx, struct slice name, struct slice content)
{
	struct kernel *k = ctx;
	struct serve *s = k->cfg.ask_ctx;
	struct vault_call c = { .kind = VAULT_SAVE, .n = to_u32(name.n),
		.shared_n = to_u32(content.n) };
	struct vault_reply r;

	if (name.n > sizeof c.bytes || content.n > VAULT_SHARED_BYTES)
		return false;
	memcpy(c.bytes, name.p, name.n);
	memcpy(s->vault.shared, content.p, content.n);
	return vault_call(&s->vault, &c, &r, VAULT_SLOW_MS) && r.ok != 0;
}

bool
serve_freeze(struct serve *s, enum vault_freeze how)
{
	struct vault_call c = { .kind = VAULT_FREEZE, .arg = how };
	struct vault_reply r;

	return vault_call(&s->vault, &c, &r, VAULT_SLOW_MS) && r.ok != 0;
}
