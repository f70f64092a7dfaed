/*
 * Every question is answered from its own bytes: they come from a process that
 * parses the internet, so lengths are checked here again and no error of that
 * process makes a token that says more than it asked for.
 */
#include "state/inside.h"

#include "base/num.h"

enum { COST_LOG2N = 15, COST_R = 8, COST_P = 3 };

void
keeper_init(struct keeper *k, const struct keeper_cfg *cfg)
{
	k->io = cfg->io;
	rng_init(&k->rng, cfg->seed);
	k->jwt_is_kept = cfg->kept != NULL;
	secrets_init(k, cfg);
	k->cost = cfg->cost;
	if (!scrypt_cost_ok(k->cost))
		k->cost = (struct scrypt_cost){ COST_LOG2N, COST_R, COST_P };
	k->offline = cfg->offline;
	k->mode = cfg->no_login ? MODE_NONE :
	    cfg->password->n > 0 ? MODE_SHARED : MODE_SETUP;
	k->people.next = SERIAL_SHARED + 1;
	k->tokens.next = KEEPER_TOKEN_FIRST;
}

void
keeper_wipe(struct keeper *k)
{
	rng_wipe(&k->rng);
	wipe(k, sizeof *k);
}

struct slice
keeper_mode_name(const struct keeper *k)
{
	static const struct slice names[] = { SL_INIT("none"),
		SL_INIT("shared"), SL_INIT("setup"), SL_INIT("accounts") };

	return names[k->mode];
}

/* ---- from the files ------------------------ */

/* Sessions of another secret or password than now: over, all of them. */
static bool
drop_foreign(struct keeper *k)
{
	const struct keeper_keys *keys = k->keys;
	struct buf area = BUF_ON(k->file);
	bool same = memcmp(k->sessions.gen, keys[0].gen, GEN_BYTES) == 0;

	/* A command may not know what JWT_SECRET the relay is given. */
	if (same || k->offline || (k->jwt.before.n > 0 &&
	    memcmp(k->sessions.gen, keys[1].gen, GEN_BYTES) == 0))
		return true;
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (k->sessions.rows[i].used)
			k->sessions.rows[i].used = 0;
	memcpy(k->sessions.gen, keys[0].gen, GEN_BYTES);
	return sessions_save(&k->sessions, &k->io, &area);
}

bool
keeper_has_accounts(const struct keeper *k)
{
	for (size_t i = 0; i < PEOPLE_MAX; i++)
		if (k->people.rows[i].role != ROLE_NONE)
			return true;
	return false;
}

static enum err
decide_mode(struct keeper *k, uint64_t now_s, struct store_fault *f)
{
	bool any = keeper_has_accounts(k);

	*f = (struct store_fault){ .file = SL("people.json") };
	if (any && k->mode == MODE_SHARED)
		return store_wrong(f, E_AUTH, 0, "there are accounts, so "
		    "RELAY_PASSWORD must not be set");
	if (any && k->mode == MODE_SETUP)
		k->mode = MODE_ACCOUNTS;
	f->file = SETUP_FILE;
	if (k->offline)
		return E_OK;
	if (k->mode == MODE_SETUP ? !setup_make(k, now_s) :
	    !k->io.remove(k->io.ctx, SETUP_FILE))
		return store_wrong(f, E_IO, 0, "cannot be written");
	return E_OK;
}

enum err
keeper_load(struct keeper *k, uint64_t now_s, size_t *cut,
    struct store_fault *f)
{
	struct buf area = BUF_ON(k->file);
	enum err e = people_load(&k->people, &k->io, &area, f);

	*cut = 0;
	if (e == E_OK)
		e = tokens_load(&k->tokens, &k->io, &area, f);
	if (e == E_OK)
		e = sessions_load(&k->sessions, &k->io, &area, f);
	if (e == E_OK)
		e = audit_load(&k->audit, &k->io, &area, cut, f);
	if (e != E_OK)
		return e;
	k->people.next = max_u64(k->people.next, SERIAL_SHARED + 1);
	k->tokens.next = max_u64(k->tokens.next, KEEPER_TOKEN_FIRST);
	if (!drop_foreign(k)) {
		f->file = SL("sessions.json");
		return store_wrong(f, E_IO, 0, "cannot be written");
	}
	for (size_t i = 0; i < RULES_MAX && k->note_tail == 0; i++)
		if (k->people.rules[i].app.n > 0)
			note_put(k, &(struct keeper_note){
			    .kind = NOTE_FLUSH });
	return decide_mode(k, now_s, f);
}

bool
keeper_has_agent_token(const struct keeper *k)
{
	for (size_t i = 0; i < TOKENS_MAX; i++)
		if (k->tokens.rows[i].kind == TOKEN_AGENT)
			return true;
	return false;
}

/* ---- another secret ------------------------ */

bool
keeper_rotate(struct keeper *k, uint64_t now_s)
{
	uint64_t until = now_s;

	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (k->sessions.rows[i].used)
			until = max_u64(until, k->sessions.rows[i].expires_s);
	if (!store_rotate_jwt(&k->jwt, &k->io, &k->rng, until))
		return false;
	secrets_derive(k);
	/* If this fails, the next one will do: the file says a gen that is
	 * known for as long as the sessions last. */
	(void)change_save(k, CHANGE_SESSIONS);
	return true;
}

/* ---- asking ------------------------ */

bool
answer_give(uint8_t *to, uint16_t *to_n, size_t max, struct slice s)
{
	if (s.n > max)
		return false;
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	*to_n = to_u16(s.n);
	return true;
}

static enum err (*const answers[])(struct turn *t) = {
	[ASK_LOGIN] = answer_login, [ASK_SESSION] = answer_session,
	[ASK_ISSUE] = answer_issue, [ASK_REVOKE] = answer_revoke,
	[ASK_TOKEN] = answer_token, [ASK_BEARER] = answer_token,
	[ASK_CHANNEL_KEY] = answer_token, [ASK_ACCESS] = answer_access,
	[ASK_DEVICE] = answer_device,
	[ASK_ISSUE_DEVICE] = answer_issue_device,
	[ASK_SIGN] = answer_sign, [ASK_OP] = answer_op,
};

static bool
well_formed(const struct ask *q, bool console)
{
	return q->text_n <= sizeof q->text && q->site_n <= sizeof q->site &&
	    q->user_n <= sizeof q->user && q->by_n <= sizeof q->by &&
	    q->from_n <= sizeof q->from && q->device_n <= sizeof q->device &&
	    q->kind < sizeof answers / sizeof answers[0] &&
	    answers[q->kind] != NULL && (!console || q->kind == ASK_OP) &&
	    q->now_s < (uint64_t)1 << 52;
}

enum keeper_for
keeper_turn(struct keeper *k, const struct ask *q, struct answer *a,
    bool console, struct keeper_waiting *w)
{
	struct turn t = { .k = k, .q = q, .a = a, .w = w, .console = console };

	memset(a, 0, sizeof *a);
	a->kind = q->kind;
	a->seq = q->seq;
	a->who = q->who;
	a->result = E_RANGE;
	if (well_formed(q, console))
		a->result = answers[q->kind](&t);
	return t.later ? KEEPER_LATER : console ? KEEPER_CONSOLE :
	    KEEPER_RELAY;
}

enum keeper_for
keeper_answer(struct keeper *k, const struct ask *q, struct answer *a)
{
	return keeper_turn(k, q, a, false, NULL);
}

enum keeper_for
keeper_console(struct keeper *k, const struct ask *q, struct answer *a)
{
	return keeper_turn(k, q, a, true, NULL);
}
