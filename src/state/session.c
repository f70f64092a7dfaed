/*
 * Sessions and tokens: who shows what, and is it good now.
 *
 * A session is good while its row is in the store, the account that it was made
 * for still has the same serial, and its time is not over. The signature only
 * says that the row's id was given by us. Tables are looked through from end
 * to end: a thousand rows take microseconds, and an index would be one more
 * thing to be wrong about who is logged in.
 */
#include "state/inside.h"

#include "base/num.h"
#include "codec/b64.h"
#include "crypto/jwt.h"

enum { CLAIMS_MAX = 1024, SEEN_S = 60 };

static bool
jti_parse(uint8_t jti[JTI_BYTES], struct slice s)
{
	struct buf b = buf_of(jti, JTI_BYTES);

	return s.n == JTI_CHARS && b64_decode(&b, s, B64_URL_BARE) == E_OK;
}

static struct session_row *
session_find(struct keeper *k, const uint8_t *jti)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (k->sessions.rows[i].used && memcmp(
		    k->sessions.rows[i].jti, jti, JTI_BYTES) == 0)
			return &k->sessions.rows[i];
	return NULL;
}

struct slice
session_user(struct keeper *k, uint64_t serial, uint8_t *role)
{
	const struct person_row *p = NULL;

	*role = ROLE_NONE;
	if (serial == SERIAL_SHARED && k->mode == MODE_SHARED) {
		*role = ROLE_ADMIN;
		return SL("shared");
	}
	if (serial != SERIAL_SHARED)
		p = people_by_serial(&k->people, serial);
	if (p == NULL)
		return SL("");
	*role = p->role;
	return row_text(p->name);
}

void
note_session(struct keeper *k, const struct session_row *s)
{
	struct keeper_note n = { .kind = NOTE_SESSION, .ended = true };
	struct buf jti = BUF_ON(n.jti.b);
	uint8_t role;

	b64_encode(&jti, slice_of(s->jti, sizeof s->jti), B64_URL_BARE);
	n.jti.n = to_u8(jti.n);
	PLAIN(n.user, session_user(k, s->serial, &role));
	note_put(k, &n);
}

static uint16_t
rules(const struct keeper *k)
{
	uint16_t n = 0;

	for (size_t i = 0; i < RULES_MAX; i++)
		n = (uint16_t)(n + (k->people.rules[i].app.n > 0));
	return n;
}

/* ---- checking ------------------------ */

/* A string claim, at most `max` bytes, into one of the answer's arrays. */
static bool
take_claim(struct json v, uint8_t *to, uint16_t *to_n, size_t max)
{
	struct buf b = buf_of(to, max);

	if (json_string(v, &b) != E_OK)
		return false;
	*to_n = to_u16(b.n);
	return true;
}

#define TAKE(a, field, v) \
	take_claim((v), (a)->field, &(a)->field##_n, sizeof (a)->field)

/* The token's MAC and times are right: is it a session of the store? */
static enum err
check_claims(struct turn *t, const struct keeper_keys *keys,
    const struct jwt *j, uint64_t now_s, struct session_row **row)
{
	struct json_field f[] = {
		{ SL("aud"), { 0 } }, { SL("jti"), { 0 } },
		{ SL("gen"), { 0 } },
	};
	struct slice site = { t->q->site, t->q->site_n };
	struct answer *a = t->a;
	uint8_t jti[JTI_BYTES], gen[GEN_BYTES];
	struct buf b = BUF_ON(gen);
	struct slice s;

	if (json_fields(j->claims, f, 3) != E_OK || !TAKE(a, site, f[0].v) ||
	    !TAKE(a, jti, f[1].v) || !json_plain(f[2].v, &s) ||
	    b64_decode(&b, s, B64_URL_BARE) != E_OK ||
	    b.n != GEN_BYTES || !ct_eq(gen, keys->gen, GEN_BYTES))
		return E_AUTH;
	if (site.n > 0 && !slice_eq(site, slice_of(a->site, a->site_n)))
		return E_AUTH;
	*row = jti_parse(jti, slice_of(a->jti, a->jti_n)) ?
	    session_find(t->k, jti) : NULL;
	if (*row == NULL)
		return E_AUTH;
	if ((*row)->expires_s <= now_s)
		return E_EXPIRED;
	a->expires_s = min_u64(j->exp_s, (*row)->expires_s);
	GIVE(a, user, session_user(t->k, (*row)->serial, &a->role));
	return a->role != ROLE_NONE ? E_OK : E_AUTH;
}

/* Tell when somebody was last seen, now and then. */
static void
touch(struct keeper *k, enum change what, uint64_t *seen_s, uint64_t now_s)
{
	/* Either way: clocks get put back. */
	if (*seen_s + SEEN_S <= now_s || now_s + SEEN_S <= *seen_s) {
		*seen_s = now_s;
		k->seen[what] = true;
	}
}

/* Whose token it is, as of now_s. */
static enum err
session_open(struct turn *t, struct slice token, uint64_t now_s,
    struct session_row **row)
{
	struct store_jwt *keys = &t->k->jwt;
	uint8_t area[JWT_BYTES_MAX];
	struct buf b = BUF_ON(area);
	struct jwt j;
	enum err e;

	e = jwt_verify(&j, &b, token, &keys->now, now_s, JWT_OWN);
	if (e == E_OK) {
		e = check_claims(t, &t->k->keys[0], &j, now_s, row);
	} else if (e == E_AUTH && keys->before.n > 0 &&
	    now_s < keys->until_s) {
		e = jwt_verify(&j, &b, token, &keys->before, now_s, JWT_OWN);
		if (e == E_OK)
			e = check_claims(t, &t->k->keys[1], &j, now_s, row);
	}
	if (e != E_OK) {
		t->a->user_n = t->a->site_n = t->a->jti_n = 0;
		t->a->role = ROLE_NONE;
	}
	return e;
}

enum err
session_check(struct turn *t, struct slice token, struct session_row **row)
{
	struct person_row *p;
	enum err e = session_open(t, token, t->q->now_s, row);

	if (e != E_OK)
		return e;
	touch(t->k, CHANGE_SESSIONS, &(*row)->seen_s, t->q->now_s);
	p = people_by_serial(&t->k->people, (*row)->serial);
	if (p != NULL)
		touch(t->k, CHANGE_PEOPLE, &p->seen_s, t->q->now_s);
	return E_OK;
}

enum err
answer_session(struct turn *t)
{
	struct session_row *row;

	t->a->rules = rules(t->k);
	return session_check(t, slice_of(t->q->text, t->q->text_n), &row);
}

/* ---- beginning and ending ------------------------ */

static bool
put_token(struct turn *t, uint64_t expires_s)
{
	uint8_t area[CLAIMS_MAX], gen_area[GEN_CHARS];
	struct buf claims = BUF_ON(area), gen = BUF_ON(gen_area);
	struct buf text = BUF_ON(t->a->text);
	struct json_out o = json_out_on(&claims);
	struct answer *a = t->a;

	b64_encode(&gen, slice_of(t->k->keys[0].gen, GEN_BYTES),
	    B64_URL_BARE);
	json_object(&o);
	json_pair_string(&o, SL("sub"), slice_of(a->user, a->user_n));
	json_pair_string(&o, SL("aud"), slice_of(t->q->site, t->q->site_n));
	json_pair_u64(&o, SL("iat"), t->q->now_s);
	json_pair_u64(&o, SL("exp"), expires_s);
	json_pair_string(&o, SL("jti"), slice_of(a->jti, a->jti_n));
	json_pair_string(&o, SL("gen"), buf_slice(&gen));
	json_object_end(&o);
	if (!buf_ok(&claims) ||
	    jwt_sign(&text, buf_slice(&claims), &t->k->jwt.now) != E_OK)
		return false;
	a->text_n = to_u16(text.n);
	a->expires_s = expires_s;
	return true;
}

/* Is it of no use to anybody? */
static bool
is_over(struct keeper *k, const struct session_row *s, uint64_t now_s)
{
	uint8_t role;

	(void)session_user(k, s->serial, &role);
	return s->expires_s <= now_s || role == ROLE_NONE;
}

/* Who has most sessions: the one of theirs that was seen least lately. */
static struct session_row *
least_wanted(struct session_row *rows)
{
	struct session_row *out = NULL;
	size_t most = 0;

	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		struct session_row *old = &rows[i];
		size_t n = 0;

		for (size_t j = 0; j < SESSIONS_MAX; j++) {
			if (rows[j].serial != rows[i].serial)
				continue;
			n++;
			if (rows[j].seen_s < old->seen_s)
				old = &rows[j];
		}
		if (n > most) {
			most = n;
			out = old;
		}
	}
	return out;
}

/* A free row; without one, that of a session that is over (not before: the
 * clock may be ahead for a moment), else that of who has most of them, so that
 * nobody can push out another. */
static struct session_row *
make_room(struct keeper *k, uint64_t now_s)
{
	struct session_row *rows = k->sessions.rows, *out;

	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (!rows[i].used)
			return &rows[i];
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (is_over(k, &rows[i], now_s))
			return &rows[i];
	out = least_wanted(rows);
	note_session(k, out);
	return out;
}

static struct keeper_grant *
grant_find(struct keeper *k, const uint8_t jti[JTI_BYTES], uint64_t now_s)
{
	for (size_t i = 0; i < KEEPER_GRANTS; i++)
		if (k->grants[i].until_s > now_s &&
		    memcmp(k->grants[i].jti, jti, JTI_BYTES) == 0)
			return &k->grants[i];
	return NULL;
}

static enum err
session_begin(struct turn *t, struct keeper_grant *g)
{
	const struct ask *q = t->q;
	struct session_row s = { .used = 1, .serial = g->serial,
		.since_s = q->now_s, .seen_s = q->now_s };
	struct audit_entry e = { .t = q->now_s, .what = SL("login"),
		.who = session_user(t->k, g->serial, &t->a->role) };

	memcpy(s.jti, g->jti, sizeof s.jti);
	g->until_s = 0;
	if (t->a->role == ROLE_NONE)
		return E_AUTH;
	if (q->ttl_s > SESSION_S_MAX ||
	    ckd_add(&s.expires_s, q->now_s, q->ttl_s))
		return E_RANGE;
	if (!note_room(t->k))
		return E_FULL;
	GIVE(t->a, user, e.who);
	PLAIN(s.from, slice_of(q->from, q->from_n));
	PLAIN(s.device, slice_of(q->device, q->device_n));
	e.from = row_text(s.from);
	if (!put_token(t, s.expires_s))
		return E_FULL;
	change_begin(t->k, CHANGE_SESSIONS);
	*make_room(t->k, q->now_s) = s;
	return change_end(t->k, CHANGE_SESSIONS, &e) ? E_OK : E_IO;
}

/* A token of the same session for another site. */
static enum err
session_continue(struct turn *t, const struct session_row *s)
{
	uint64_t expires_s;

	if (s == NULL || s->expires_s <= t->q->now_s)
		return E_AUTH;
	GIVE(t->a, user, session_user(t->k, s->serial, &t->a->role));
	if (t->a->role == ROLE_NONE)
		return E_AUTH;
	if (ckd_add(&expires_s, t->q->now_s, t->q->ttl_s))
		return E_RANGE;
	return put_token(t, min_u64(expires_s, s->expires_s)) ? E_OK : E_FULL;
}

enum err
answer_issue(struct turn *t)
{
	struct slice text = { t->q->text, t->q->text_n };
	struct keeper_grant *g;
	uint8_t jti[JTI_BYTES];
	enum err e;

	if (!jti_parse(jti, text))
		return E_SYNTAX;
	GIVE(t->a, jti, text);
	g = grant_find(t->k, jti, t->q->now_s);
	e = g != NULL ? session_begin(t, g) :
	    session_continue(t, session_find(t->k, jti));
	if (e != E_OK)
		t->a->text_n = t->a->jti_n = t->a->user_n = 0;
	return e;
}

enum err
answer_revoke(struct turn *t)
{
	struct audit_entry e = { .t = t->q->now_s, .what = SL("logout"),
		.from = slice_of(t->q->from, t->q->from_n) };
	bool *unwritten = &t->k->seen[CHANGE_SESSIONS];
	struct session_row *s;
	uint8_t role;

	/* Of any age: with the clock ahead a token would only seem to be
	 * over, and live again once that is put right. */
	if (session_open(t, slice_of(t->q->text, t->q->text_n), 0, &s) !=
	    E_OK) {
		/* Its end may be one that could not be written. */
		if (*unwritten)
			*unwritten = !change_save(t->k, CHANGE_SESSIONS);
		return *unwritten ? E_IO : E_OK;
	}
	e.who = session_user(t->k, s->serial, &role);
	change_begin(t->k, CHANGE_SESSIONS);
	s->used = 0;
	if (change_end(t->k, CHANGE_SESSIONS, &e))
		return E_OK;
	/* Who leaves is out, whatever the disk says. */
	s->used = 0;
	*unwritten = true;
	return E_IO;
}

enum err
answer_access(struct turn *t)
{
	struct slice app = { t->q->text, t->q->text_n };
	struct people *p = &t->k->people;
	const struct session_row *s;
	const struct person_row *who = NULL;
	uint8_t jti[JTI_BYTES], role;
	size_t at;

	if (t->q->by_n > 0) {
		if (!jti_parse(jti, slice_of(t->q->by, t->q->by_n)))
			return E_AUTH;
		s = session_find(t->k, jti);
		if (s == NULL || s->expires_s <= t->q->now_s)
			return E_AUTH;
		(void)session_user(t->k, s->serial, &role);
		if (role < ROLE_MEMBER)
			return E_AUTH;
		who = people_by_serial(p, s->serial);
	}
	for (size_t i = 0; i < RULES_MAX; i++) {
		if (!slice_eq(row_text(p->rules[i].app), app) || app.n == 0)
			continue;
		if (who == NULL)
			return E_AUTH;
		at = (size_t)(who - p->rows);
		return (p->rules[i].people[at / 64] >> at % 64 & 1) != 0 ?
		    E_OK : E_AUTH;
	}
	return E_OK;
}

/* ---- tokens ------------------------ */

struct token *
token_check(struct turn *t, struct slice text, enum token_kind kind,
    enum err *e)
{
	struct token *found = NULL;
	uint8_t hash[SHA256_BYTES];

	sha256(hash, text);
	for (size_t i = 0; i < TOKENS_MAX; i++) {
		struct token *row = &t->k->tokens.rows[i];

		if (row->kind == kind && ct_eq(row->hash, hash, sizeof hash))
			found = row;
	}
	*e = found == NULL ? E_AUTH : E_OK;
	if (found != NULL && found->expires_s > 0 &&
	    found->expires_s <= t->q->now_s) {
		*e = E_EXPIRED;
		return NULL;
	}
	if (found != NULL)
		touch(t->k, CHANGE_TOKENS, &found->used_s, t->q->now_s);
	return found;
}

uint8_t
token_role(const struct token *row)
{
	return (row->scopes & SCOPE_ADMIN) != 0 ? ROLE_ADMIN :
	    (row->scopes & SCOPE_APPS) != 0 ? ROLE_MEMBER : ROLE_VIEWER;
}

enum err
answer_token(struct turn *t)
{
	static const uint8_t kinds[] = { [ASK_TOKEN] = TOKEN_AGENT,
		[ASK_BEARER] = TOKEN_API, [ASK_CHANNEL_KEY] = TOKEN_CHANNEL };
	struct slice text = { t->q->text, t->q->text_n };
	enum token_kind kind = kinds[t->q->kind];
	struct buf user = BUF_ON(t->a->user);
	const struct token *row;
	enum err e;

	if (kind == TOKEN_AGENT && secrets_is_token(t->k, text)) {
		t->a->credential = KEEPER_SHARED_TOKEN;
		return E_OK;
	}
	if (kind == TOKEN_CHANNEL && secrets_is_channel_key(t->k, text)) {
		t->a->credential = KEEPER_SHARED_TOKEN;
		return E_OK;
	}
	row = token_check(t, text, kind, &e);
	if (row == NULL)
		return e;
	t->a->credential = (uint32_t)row->number;
	t->a->expires_s = row->expires_s;
	if (kind == TOKEN_API) {
		t->a->scopes = row->scopes;
		t->a->role = token_role(row);
		t->a->rules = rules(t->k);
		buf_lit(&user, "token:");
		buf_put(&user, row_text(row->name));
	} else {
		buf_put(&user, row_text(row->agent));
	}
	t->a->user_n = to_u16(user.n);
	return E_OK;
}
