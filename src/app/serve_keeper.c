/*
 * The keeper of a start, in its process (app/vault.h): what is done inside, and
 * how the process that reads the network asks it. Questions that cannot be
 * answered because the vault has ended end the program: nobody could log in.
 */
#include "app/serve.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app/hasher.h"
#include "app/out.h"
#include "base/num.h"
#include "net/clock.h"

enum { STACK_BYTES = 64 * 1024 };

/* ---- inside: secrets ------------------------ */

static void
wipe_settings(struct serve *s)
{
	secret_wipe(&s->conf.jwt);
	secret_wipe(&s->conf.password);
	secret_wipe(&s->conf.token);
	secret_wipe(&s->conf.channel);
}

/* Below us lie the frames of those who read the secrets. */
static __attribute__((noinline)) void
wipe_stack(void)
{
	uint8_t area[STACK_BYTES];

	wipe(area, sizeof area);
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

/* In the hasher, which has been forked with all that the settings said. */
static bool
enter_hasher(void *ctx)
{
	struct serve *s = ctx;

	(void)close(s->vault.fd);
	(void)close(s->vault.call_fd);
	data_close(&s->relay_data);
	data_close(&s->agent_data);
	wipe_settings(s);
	secret_wipe(&s->as.cfg.token);
	serve_tls_forget(s);
	wipe_stack();
	sandbox_drop_all();
	if (serve_sandbox_hasher(s) != EXIT_GO_ON)
		return false;
	resolve_title(s->cmd->title, SL("adit: hasher"));
	return true;
}

static int
open_hasher(struct serve *s)
{
	struct hasher_cfg cfg = { .cost = s->rs.cost, .enter = enter_hasher,
		.ctx = s };

	s->hasher = -1;
	if (!s->rs.accounts)
		return EXIT_GO_ON;
	s->hasher = hasher_open(&cfg);
	return s->hasher >= 0 ? EXIT_GO_ON : out_fail(EXIT_FAILED, NULL,
	    SL("the process for passwords"), strerror(errno));
}

static void console_ask(void *ctx, struct ask *q);

static void
fill_hello(struct serve *s, struct vault_hello *h)
{
	struct slice mode = keeper_mode_name(&s->keeper);

	memcpy(h->mode, mode.p, min_size(mode.n, sizeof h->mode - 1));
	if (isatty(STDERR_FILENO))
		(void)keeper_setup_code(&s->keeper, h->code);
	h->token_made = s->token_made;
	if (s->has_agent)
		h->token = s->conf.token;
}

static int
open_inside(void *ctx, struct vault_hello *h)
{
	struct serve *s = ctx;
	struct buf url = BUF_ON(s->url);
	int code;

	serve_close_listens(s);
	takeover_forget(s);
	code = open_hasher(s);
	if (code != EXIT_GO_ON)
		return code;
	hold_in_memory(s);
	code = keep_open(s, false, NULL);
	if (code != EXIT_GO_ON)
		return code;
	fill_hello(s, h);
	wipe_settings(s);
	s->control.ask = console_ask;
	s->control.ctx = s;
	serve_url(s, &url);
	s->control.url = buf_slice(&url);
	(void)control_open(&s->control, &s->relay_data);
	code = serve_sandbox_keeper(s);
	/* Settings are slices of what it overwrites. */
	if (code == EXIT_GO_ON)
		resolve_title(s->cmd->title, SL("adit: keeper"));
	return code;
}

/* ---- inside: passwords ------------------------ */

static void
console_answer(struct serve *s, const struct answer *a)
{
	control_answer(&s->control, a, net_now_ms());
}

/* What a stretched password leads to. */
static void
hashed(struct serve *s, struct keeper_result *r)
{
	struct answer a;
	enum keeper_for who;

	r->now_s = net_wall_ms() / 1000;
	who = keeper_done(&s->keeper, r, &a);
	if (who == KEEPER_CONSOLE)
		console_answer(s, &a);
	else if (who == KEEPER_RELAY)
		s->late = a;
	s->has_late = who == KEEPER_RELAY;
	wipe(&a, sizeof a);
}

/* Give the hasher what it may do. Without one there are no accounts, and
 * nothing can be stretched. */
static void
next_job(struct serve *s)
{
	struct keeper_job j;

	while (!s->has_late && keeper_job(&s->keeper, &j)) {
		struct keeper_result r = { .id = j.id };

		if (s->hasher < 0)
			hashed(s, &r);
		else if (!hasher_start(s->hasher, &j))
			break;
	}
	wipe(&j, sizeof j);
}

static void
take_result(struct serve *s)
{
	struct keeper_result r;
	enum err e = hasher_result(s->hasher, &r);

	if (e == E_OK)
		hashed(s, &r);
	wipe(&r, sizeof r);
	if (e != E_EOF)
		return;
	s->log.wall_ms = net_wall_ms();
	LOGF(&s->log, LOG_FATAL, "app", "the process that stretches "
	    "passwords has ended");
	_exit(EXIT_FAILED);
}

/* ---- inside: questions and calls ------------------------ */

static bool
answer_inside(void *ctx, struct ask *q, struct answer *a)
{
	struct serve *s = ctx;
	enum keeper_for who;

	/* The time is not the asker's to choose. */
	q->now_s = net_wall_ms() / 1000;
	who = keeper_answer(&s->keeper, q, a);
	next_job(s);
	return who == KEEPER_RELAY;
}

/* One of the host's own people asks. */
static void
console_ask(void *ctx, struct ask *q)
{
	struct serve *s = ctx;
	struct answer a;

	q->now_s = net_wall_ms() / 1000;
	if (keeper_console(&s->keeper, q, &a) == KEEPER_CONSOLE)
		console_answer(s, &a);
	wipe(&a, sizeof a);
	next_job(s);
}

static bool
next_inside(void *ctx, struct answer *a)
{
	struct serve *s = ctx;

	if (keeper_note(&s->keeper, a))
		return true;
	if (!s->has_late)
		return false;
	*a = s->late;
	wipe(&s->late, sizeof s->late);
	s->has_late = false;
	next_job(s);
	return true;
}

static size_t
watch_inside(void *ctx, struct pollfd *p, int *ms)
{
	struct serve *s = ctx;

	_Static_assert(1 + CONTROL_POLL <= VAULT_POLL_MAX, "");
	*ms = KEEPER_LAZY_S * 1000;
	p[0] = (struct pollfd){ .fd = s->has_late ? -1 : s->hasher,
		.events = POLLIN };
	return 1 + control_watch(&s->control, p + 1, net_now_ms(), ms);
}

static void
ready_inside(void *ctx, const struct pollfd *p, size_t n)
{
	struct serve *s = ctx;
	uint64_t now_ms = net_now_ms();

	if (p[0].revents != 0)
		take_result(s);
	next_job(s);
	control_ready(&s->control, p + 1, n - 1, now_ms);
	if (now_ms >= s->tick_ms) {
		keeper_tick(&s->keeper, net_wall_ms() / 1000);
		s->tick_ms = now_ms + KEEPER_LAZY_S * 1000;
	}
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
		if (c->arg == VAULT_UNLOCKED) {
			data_unlock(&s->relay_data);
			control_close(&s->control);
		}
		r->ok = 1;
		break;
	case VAULT_SERVES:
		r->ok = control_publish(&s->control);
		break;
	default:
		serve_tls_inside(s, c, r, shared);
		break;
	}
}

/* ---- outside ------------------------ */

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
	memcpy(s->mode, h.mode, sizeof s->mode);
	memcpy(s->setup_code, h.code, sizeof s->setup_code);
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

static bool
call(struct serve *s, enum vault_kind kind, uint32_t arg)
{
	struct vault_call c = { .kind = kind, .arg = arg };
	struct vault_reply r;

	return vault_call(&s->vault, &c, &r, VAULT_SLOW_MS) && r.ok != 0;
}

bool
serve_freeze(struct serve *s, enum vault_freeze how)
{
	return call(s, VAULT_FREEZE, how);
}

void
serve_published(struct serve *s)
{
	if (s->has_relay && !call(s, VAULT_SERVES, 0))
		LOGF(&s->log, LOG_WARN, "app", "no control socket: commands "
		    "such as adit user wait until this relay is stopped",
		    log_s("data", s->rs.data));
}
