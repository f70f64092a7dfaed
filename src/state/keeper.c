/*
 * Every question is answered from its own bytes: they come from a process that
 * parses the internet, so lengths are checked here again and no error of that
 * process makes a token that says more than it asked for.
 *
 * Derived keys (HKDF with a label each) part the uses: nothing that ASK_SIGN
 * can be made to sign is a device cookie or a session. The JWT secret is used
 * as it is for sessions alone, so that HS256 means what it says.
 *
 * A change of what is kept is made in memory, told to the audit log, written,
 * and taken back if one of these fails: copies of whole tables are dear and
 * rare, and simpler than undoing each change by hand.
 */
#include "state/inside.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"
#include "state/strength.h"

enum {
	DEVICE_BODY_BYTES = JTI_BYTES + 8,      /* id, expiry */
	DEVICE_BYTES = DEVICE_BODY_BYTES + SHA256_BYTES,
	COST_LOG2N = 15, COST_R = 8, COST_P = 3,
};

static const struct slice setup_file = SL_INIT("setup-code");

static void
derive(uint8_t key[SHA256_BYTES], const struct secret *from, struct slice use)
{
	hkdf_sha256(key, SHA256_BYTES, SL(""), secret_bytes(from), use);
}

/* The MAC by which two texts are compared, for one use. */
static void
compare_mac(uint8_t mac[SHA256_BYTES], const struct keeper *k,
    struct slice use, struct slice text)
{
	struct hmac h;

	hmac_init(&h, slice_of(k->key_compare, sizeof k->key_compare));
	hmac_add(&h, use);
	hmac_add(&h, text);
	hmac_out(&h, mac);
	hmac_wipe(&h);
}

static const struct slice use_password = SL_INIT("password:");
static const struct slice use_token = SL_INIT("token:");
static const struct slice use_channel = SL_INIT("channel:");

/* gen: an HMAC, so that nobody without the JWT secret can try passwords. */
static void
derive_keys(struct keeper_keys *keys, const struct secret *jwt,
    struct slice password_id)
{
	uint8_t key[SHA256_BYTES], mac[SHA256_BYTES];

	derive(keys->device, jwt, SL("adit 1 device cookie"));
	derive(key, jwt, SL("adit 1 password generation"));
	hmac_sha256(mac, slice_of(key, sizeof key), password_id);
	memcpy(keys->gen, mac, GEN_BYTES);
	wipe(key, sizeof key);
	wipe(mac, sizeof mac);
}

/* All that follows from the current JWT secret. */
static void
derive_all(struct keeper *k)
{
	struct slice password_id = { k->password_id, sizeof k->password_id };

	derive(k->key_sign, &k->jwt.now, SL("adit 1 sign"));
	derive(k->key_salt, &k->jwt.now, SL("adit 1 salt of nobody"));
	derive_keys(&k->keys[0], &k->jwt.now, password_id);
	if (k->jwt.before.n > 0)
		derive_keys(&k->keys[1], &k->jwt.before, password_id);
}

void
keeper_init(struct keeper *k, const struct keeper_cfg *cfg)
{
	k->io = cfg->io;
	rng_init(&k->rng, cfg->seed);
	k->jwt_is_kept = cfg->kept != NULL;
	if (k->jwt_is_kept)
		k->jwt = *cfg->kept;
	else
		secret_set(&k->jwt.now, secret_bytes(cfg->jwt));
	assert(k->jwt.now.n >= STRENGTH_JWT_MIN);
	sha256(k->password_id, secret_bytes(cfg->password));
	derive_all(k);
	rng_fill(&k->rng, k->key_compare, sizeof k->key_compare);
	compare_mac(k->password_mac, k, use_password,
	    secret_bytes(cfg->password));
	keeper_set_token(k, cfg->token);
	k->has_channel = cfg->channel != NULL && cfg->channel->n > 0;
	if (k->has_channel)
		compare_mac(k->channel_mac, k, use_channel,
		    secret_bytes(cfg->channel));
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
keeper_set_token(struct keeper *k, const struct secret *token)
{
	k->has_token = token->n > 0;
	compare_mac(k->token_mac, k, use_token, secret_bytes(token));
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
	f->file = setup_file;
	if (k->offline)
		return E_OK;
	if (k->mode == MODE_SETUP ? !setup_make(k, now_s) :
	    !k->io.remove(k->io.ctx, setup_file))
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

/* ---- changes ------------------------ */

void
change_begin(struct keeper *k, enum change what)
{
	if (what == CHANGE_PEOPLE)
		k->old.people = k->people;
	else if (what == CHANGE_TOKENS)
		k->old.tokens = k->tokens;
	else
		k->old.sessions = k->sessions;
}

static bool
change_save(struct keeper *k, enum change what)
{
	struct buf area = BUF_ON(k->file);

	if (what == CHANGE_PEOPLE)
		return people_save(&k->people, &k->io, &area);
	if (what == CHANGE_TOKENS)
		return tokens_save(&k->tokens, &k->io, &area);
	memcpy(k->sessions.gen, k->keys[0].gen, GEN_BYTES);
	return sessions_save(&k->sessions, &k->io, &area);
}

bool
keeper_audit(struct keeper *k, const struct audit_entry *e)
{
	struct buf area = BUF_ON(k->file);

	return audit_put(&k->audit, &k->io, &area, e);
}

bool
change_end(struct keeper *k, enum change what, const struct audit_entry *e)
{
	struct audit_entry failed = *e;
	bool told = keeper_audit(k, e);

	if (told && change_save(k, what)) {
		k->seen[what] = false;
		return true;
	}
	if (what == CHANGE_PEOPLE)
		k->people = k->old.people;
	else if (what == CHANGE_TOKENS)
		k->tokens = k->old.tokens;
	else
		k->sessions = k->old.sessions;
	failed.note = SL("failed: could not be written");
	if (told)
		(void)keeper_audit(k, &failed);
	return false;
}

void
keeper_tick(struct keeper *k, uint64_t now_s)
{
	uint8_t area[24];
	struct buf n = BUF_ON(area);
	struct audit_entry e = { .t = now_s, .what = SL("login.refused") };

	if (k->refused > 0) {
		buf_put_dec(&n, k->refused);
		e.note = buf_slice(&n);
		if (keeper_audit(k, &e))
			k->refused = 0;
	}
	for (unsigned i = 0; i < CHANGES; i++)
		if (k->seen[i] && change_save(k, i))
			k->seen[i] = false;
}

/* ---- notes ------------------------ */

bool
note_room(const struct keeper *k)
{
	return k->note_tail - k->note_head <= KEEPER_NOTES - NOTES_OF_ONE;
}

void
note_put(struct keeper *k, const struct keeper_note *n)
{
	assert(k->note_tail - k->note_head < KEEPER_NOTES);
	k->notes[k->note_tail++ % KEEPER_NOTES] = *n;
}

bool
keeper_note(struct keeper *k, struct answer *a)
{
	const struct keeper_note *n = &k->notes[k->note_head % KEEPER_NOTES];

	if (k->note_head == k->note_tail)
		return false;
	k->note_head++;
	memset(a, 0, sizeof *a);
	a->kind = n->kind;
	a->result = n->ended ? E_AUTH : E_OK;
	a->role = n->role;
	a->credential = n->credential;
	GIVE(a, user, row_text(n->user));
	GIVE(a, jti, row_text(n->jti));
	if (n->kind == NOTE_MODE)
		GIVE(a, text, keeper_mode_name(k));
	return true;
}

/* ---- the setup code ------------------------ */

struct slice
keeper_setup_code(const struct keeper *k, uint8_t area[32])
{
	struct buf b = buf_of(area, 32);

	for (unsigned i = 0; i < SETUP_CHARS && k->setup_tries > 0; i++) {
		if (i > 0 && i % 4 == 0)
			buf_lit(&b, "-");
		buf_put_u8(&b, k->setup[i]);
	}
	return buf_slice(&b);
}

bool
setup_make(struct keeper *k, uint64_t now_s)
{
	static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint8_t area[32];
	struct buf b;
	bool done;

	rng_fill(&k->rng, k->setup, sizeof k->setup);
	for (unsigned i = 0; i < SETUP_CHARS; i++)
		k->setup[i] = (uint8_t)base32[k->setup[i] % 32];
	k->setup_tries = SETUP_TRIES;
	k->setup_until_s = now_s + SETUP_S;
	b = buf_of(area, sizeof area);
	b.n = keeper_setup_code(k, area).n;
	buf_lit(&b, "\n");
	done = k->io.save(k->io.ctx, setup_file, buf_slice(&b));
	if (!done)
		k->setup_tries = 0;
	wipe(area, sizeof area);
	return done;
}

bool
setup_check(struct keeper *k, struct slice code, uint64_t now_s)
{
	uint8_t guess[SETUP_CHARS] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < code.n; i++) {
		uint8_t c = code.p[i];

		if (c == '-' || c == ' ')
			continue;
		if (n < SETUP_CHARS)
			guess[n] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) :
			    c;
		n++;
	}
	if (k->setup_tries == 0 || now_s >= k->setup_until_s)
		return false;
	if (n == SETUP_CHARS && ct_eq(guess, k->setup, SETUP_CHARS))
		return true;
	k->setup_tries--;
	return false;
}

void
setup_over(struct keeper *k)
{
	if (k->mode != MODE_SETUP)
		return;
	k->mode = MODE_ACCOUNTS;
	k->setup_tries = 0;
	wipe(k->setup, sizeof k->setup);
	/* Left behind it opens nothing, and goes at the next start. */
	(void)k->io.remove(k->io.ctx, setup_file);
	note_put(k, &(struct keeper_note){ .kind = NOTE_MODE });
}

bool
keeper_rotate(struct keeper *k, uint64_t now_s)
{
	uint64_t until = now_s;

	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (k->sessions.rows[i].used)
			until = max_u64(until, k->sessions.rows[i].expires_s);
	if (!store_rotate_jwt(&k->jwt, &k->io, &k->rng, until))
		return false;
	derive_all(k);
	/* If this fails, the next one will do: the file says a gen that is
	 * known for as long as the sessions last. */
	(void)change_save(k, CHANGE_SESSIONS);
	return true;
}

/* ---- questions that change nothing ------------------------ */

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

static bool
compare(const struct keeper *k, struct slice use, struct slice text,
    const uint8_t want[SHA256_BYTES])
{
	uint8_t mac[SHA256_BYTES];
	bool same;

	compare_mac(mac, k, use, text);
	same = ct_eq(mac, want, sizeof mac);
	wipe(mac, sizeof mac);
	return same;
}

bool
keeper_is_password(const struct keeper *k, struct slice guess)
{
	return compare(k, use_password, guess, k->password_mac) &&
	    k->mode == MODE_SHARED;
}

bool
keeper_is_token(const struct keeper *k, struct slice guess)
{
	return compare(k, use_token, guess, k->token_mac) && k->has_token;
}

bool
keeper_is_channel_key(const struct keeper *k, struct slice guess)
{
	return compare(k, use_channel, guess, k->channel_mac) &&
	    k->has_channel;
}

static void
device_mac(uint8_t mac[SHA256_BYTES], const struct keeper_keys *keys,
    struct slice body, const struct ask *q)
{
	struct hmac h;

	hmac_init(&h, slice_of(keys->device, sizeof keys->device));
	hmac_add(&h, body);
	hmac_add(&h, slice_of(q->user, q->user_n));
	hmac_out(&h, mac);
	hmac_wipe(&h);
}

static enum err
answer_issue_device(struct turn *t)
{
	uint8_t raw[DEVICE_BYTES];
	struct slice body = { raw, DEVICE_BODY_BYTES };
	struct buf text = BUF_ON(t->a->text), jti = BUF_ON(t->a->jti);
	uint64_t ttl_s = t->q->ttl_s > 0 ? t->q->ttl_s : KEEPER_DEVICE_S;

	if (ckd_add(&t->a->expires_s, t->q->now_s, ttl_s))
		return E_RANGE;
	rng_fill(&t->k->rng, raw, JTI_BYTES);
	set_u64(raw + JTI_BYTES, t->a->expires_s);
	device_mac(raw + DEVICE_BODY_BYTES, &t->k->keys[0], body, t->q);
	b64_encode(&text, slice_of(raw, sizeof raw), B64_URL_BARE);
	b64_encode(&jti, slice_of(raw, JTI_BYTES), B64_URL_BARE);
	assert(buf_ok(&text) && buf_ok(&jti));
	t->a->text_n = to_u16(text.n);
	t->a->jti_n = to_u16(jti.n);
	return E_OK;
}

static enum err
answer_device(struct turn *t)
{
	uint8_t raw[DEVICE_BYTES], mac[SHA256_BYTES];
	struct slice body = { raw, DEVICE_BODY_BYTES };
	struct buf b = BUF_ON(raw), jti = BUF_ON(t->a->jti);
	bool ok = false;

	if (b64_decode(&b, slice_of(t->q->text, t->q->text_n),
	    B64_URL_BARE) != E_OK || b.n != sizeof raw)
		return E_AUTH;
	for (unsigned i = 0; i < (t->k->jwt.before.n > 0 ? 2 : 1); i++) {
		device_mac(mac, &t->k->keys[i], body, t->q);
		ok = ct_eq(mac, raw + DEVICE_BODY_BYTES, sizeof mac) || ok;
	}
	if (!ok)
		return E_AUTH;
	t->a->expires_s = get_u64(raw + JTI_BYTES);
	if (t->a->expires_s <= t->q->now_s)
		return E_EXPIRED;
	b64_encode(&jti, slice_of(raw, JTI_BYTES), B64_URL_BARE);
	t->a->jti_n = to_u16(jti.n);
	return E_OK;
}

static enum err
answer_sign(struct turn *t)
{
	hmac_sha256(t->a->text, slice_of(t->k->key_sign, SHA256_BYTES),
	    slice_of(t->q->text, t->q->text_n));
	t->a->text_n = SHA256_BYTES;
	return E_OK;
}

/* ---- asking ------------------------ */

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
