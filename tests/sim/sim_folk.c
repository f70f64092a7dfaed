/*
 * What accounts, invitations, tokens, sessions and rules must be: see
 * sim_folk.h. The keeper's tables are read from its memory, each time that an
 * act was answered and after each start, when they come from the disk.
 */
#include "sim_folk.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "codec/b64.h"
#include "disk.h"
#include "rig.h"


struct folk folk;

const char *
folk_name(unsigned who)
{
	static const char *const names[] = { "p0", "p1", "p2", "p3", "p4",
		"p5", FOLK_ROOT };

	return names[who];
}

const char *
folk_app(unsigned rule)
{
	static const char *const apps[RULES] = { "a1/w1", "a9/x" };

	return apps[rule];
}

struct slice
folk_password(unsigned pw, char area[40])
{
	return slice_of(area, (size_t)snprintf(area, 40, "password no. %u",
	    pw));
}

static unsigned
by_name(struct slice s)
{
	for (unsigned i = 0; i <= FOLK; i++)
		if (slice_eq(s, slice_of(folk_name(i), strlen(folk_name(i)))))
			return i;
	return NOBODY;
}

/* ---- is it so? ---- */

/* Looks at the keeper with a state in mind. What of it was unknown is found
 * out on the way, and kept if all is right. */
struct look {
	const struct folk_state *s;
	bool start;             /* the keeper has just read it */
	struct folk_known k;
	uint8_t is[SESS];       /* as found */
};

static const char *
look_people(struct look *l)
{
	const struct people *p = &sim.g->keeper->people;
	unsigned n = 0;

	for (size_t i = 0; i < PEOPLE_MAX; i++) {
		const struct person_row *row = &p->rows[i];
		uint8_t hash[SCRYPT_HASH_BYTES];
		char area[40];
		unsigned who = by_name(row_text(row->name));

		if (row->role == ROLE_NONE)
			continue;
		n++;
		if (who == ROOT && row->role == ROLE_ADMIN)
			continue;
		if (who >= FOLK || l->s->who[who].role != row->role)
			return "an account or its role";
		keeper_hash(hash, folk_password(l->s->who[who].pw, area),
		    row->hash.salt);
		if (memcmp(hash, row->hash.hash, sizeof hash) != 0)
			return "a password";
	}
	for (unsigned i = 0; i < FOLK; i++)
		n -= l->s->who[i].role != ROLE_NONE;
	return n == 1 ? NULL : "the number of accounts";
}

static void
id_text(char to[ID_CHARS + 1], const uint8_t id[ID_BYTES])
{
	struct buf b = buf_of((uint8_t *)to, ID_CHARS);

	b64_encode(&b, slice_of(id, ID_BYTES), B64_URL_BARE);
	to[ID_CHARS] = 0;
}

/* The slot of that id; else one of that kind whose id is not known yet. */
static unsigned
link_slot(const struct look *l, const char *id, const struct invite *row)
{
	for (unsigned i = 0; i < l->k.nlinks; i++)
		if (strcmp(l->k.links[i].id, id) == 0)
			return i;
	for (unsigned i = 0; i < l->k.nlinks; i++)
		if (l->s->links[i].kind == row->kind &&
		    l->k.links[i].id[0] == 0)
			return i;
	return LINKS;
}

static const char *
look_links(struct look *l)
{
	const struct people *p = &sim.g->keeper->people;
	unsigned n = 0;

	for (size_t j = 0; j < INVITES_MAX; j++) {
		const struct invite *row = &p->invites[j];
		char id[ID_CHARS + 1];
		unsigned i;

		if (row->kind == INVITE_NONE)
			continue;
		n++;
		id_text(id, row->id);
		i = link_slot(l, id, row);
		if (i == LINKS || l->s->links[i].kind != row->kind ||
		    l->s->links[i].role != row->role)
			return "an invitation that should not be there";
		strcpy(l->k.links[i].id, id);
		l->k.links[i].expires_s = row->expires_s;
	}
	for (unsigned i = 0; i < l->k.nlinks; i++)
		n -= l->s->links[i].kind != INVITE_NONE;
	return n == 0 ? NULL : "an invitation is missing";
}

static unsigned
tok_slot(const struct look *l, const char *id, const struct token *row)
{
	for (unsigned i = 0; i < l->k.ntoks; i++)
		if (strcmp(l->k.toks[i].id, id) == 0)
			return i;
	for (unsigned i = 0; i < l->k.ntoks; i++)
		if (l->s->toks[i].kind == row->kind &&
		    l->k.toks[i].id[0] == 0)
			return i;
	return TOKS;
}

static const char *
look_toks(struct look *l)
{
	const struct tokens *t = &sim.g->keeper->tokens;
	unsigned n = 0;

	for (size_t j = 0; j < TOKENS_MAX; j++) {
		const struct token *row = &t->rows[j];
		char id[ID_CHARS + 1];
		unsigned i;

		if (row->kind == TOKEN_NONE)
			continue;
		n++;
		id_text(id, row->id);
		i = tok_slot(l, id, row);
		if (i == TOKS || l->s->toks[i].kind != row->kind ||
		    l->s->toks[i].scopes != row->scopes)
			return "a token that should not be there";
		strcpy(l->k.toks[i].id, id);
		l->k.toks[i].expires_s = row->expires_s;
	}
	for (unsigned i = 0; i < l->k.ntoks; i++)
		n -= l->s->toks[i].kind != TOKEN_NONE;
	return n == 0 ? NULL : "a token is missing";
}

/* Of root there are others; those of nobody are over. */
static const char *
look_session(struct look *l, const struct session_row *row)
{
	const struct person_row *p = people_by_serial(
	    &sim.g->keeper->people, row->serial);
	char jti[JTI_CHARS + 1];
	struct buf b = buf_of((uint8_t *)jti, JTI_CHARS);
	unsigned who = p == NULL ? ROOT : by_name(row_text(p->name));

	if (who == ROOT)
		return NULL;
	b64_encode(&b, slice_of(row->jti, JTI_BYTES), B64_URL_BARE);
	jti[JTI_CHARS] = 0;
	for (unsigned i = 0; i < l->k.nsess; i++) {
		if (strcmp(l->k.sess[i].jti, jti) != 0)
			continue;
		if (l->s->sess[i].is == SESS_NO || l->s->sess[i].who != who)
			return "a session that is over is there again";
		l->k.sess[i].expires_s = row->expires_s;
		l->is[i] = SESS_ON;
		return NULL;
	}
	return "a session that nobody has";
}

static const char *
look_sessions(struct look *l)
{
	for (size_t j = 0; j < SESSIONS_MAX; j++) {
		const struct session_row *row =
		    &sim.g->keeper->sessions.rows[j];
		const char *why = row->used ? look_session(l, row) : NULL;

		if (why != NULL)
			return why;
	}
	for (unsigned i = 0; i < l->k.nsess; i++) {
		uint8_t is = l->s->sess[i].is;

		if (!l->start && is == SESS_GOING && l->is[i] != SESS_NO)
			return "a session goes on that was ended";
		if (l->is[i] == SESS_NO && (is == SESS_ON ||
		    (is == SESS_FRAIL && !l->start)))
			return "a session is missing";
	}
	return NULL;
}

static const char *
look_rules(const struct look *l)
{
	const struct people *p = &sim.g->keeper->people;
	uint32_t names[RULES] = { 0 };
	bool on[RULES] = { 0 };

	for (size_t j = 0; j < RULES_MAX; j++) {
		const struct rule *row = &p->rules[j];
		unsigned r = 0;

		if (row->app.n == 0)
			continue;
		while (r < RULES && !slice_eq(row_text(row->app),
		    slice_of(folk_app(r), strlen(folk_app(r)))))
			r++;
		if (r == RULES || on[r])
			return "a rule for another app";
		on[r] = true;
		for (size_t i = 0; i < PEOPLE_MAX; i++)
			if ((row->people[i / 64] >> i % 64 & 1) != 0)
				names[r] |= 1u << by_name(row_text(
				    p->rows[i].name)) % 32;
	}
	for (unsigned r = 0; r < RULES; r++)
		if (on[r] != l->s->rules[r].on ||
		    names[r] != l->s->rules[r].who)
			return "who may open an app";
	return NULL;
}

static const char *
look_secret(struct look *l)
{
	struct secret *have = &sim.g->keeper->jwt.now;
	struct secret *want = &l->k.secrets[l->s->secret];

	if (want->n == 0)
		*want = *have;
	return slice_eq(secret_bytes(have), secret_bytes(want)) ? NULL :
	    "the secret";
}

/* NULL: the keeper has that state, and what was unknown is known now. */
static const char *
differs(const struct folk_state *s, bool start)
{
	static struct look l;
	const char *why;

	l = (struct look){ .s = s, .start = start, .k = folk.k };
	why = look_people(&l);
	if (why == NULL)
		why = look_links(&l);
	if (why == NULL)
		why = look_toks(&l);
	if (why == NULL)
		why = look_sessions(&l);
	if (why == NULL)
		why = look_rules(&l);
	if (why == NULL)
		why = look_secret(&l);
	if (why != NULL)
		return why;
	folk.s = *s;
	folk.k = l.k;
	for (unsigned i = 0; i < SESS && start; i++)
		folk.s.sess[i].is = l.is[i];
	return NULL;
}

void
folk_is(const char *when)
{
	struct folk_state s = folk.s;
	const char *why = differs(&s, false);

	if (why != NULL)
		sim_fail("%s: not as it must be: %s", when, why);
}

void
folk_started(void)
{
	struct folk_state s = folk.s;
	const char *why, *first;

	if (!folk.begun)
		return;
	result->crashes++;
	first = differs(&s, true);
	for (size_t i = 0; i < AT_ONCE && first != NULL; i++) {
		if (folk.acts[i].seq == 0)
			continue;
		s = folk.s;
		folk_apply(&s, &folk.acts[i]);
		why = differs(&s, true);
		sim_note("%s, not answered: %s", act_name(&folk.acts[i]),
		    why == NULL ? "it has happened" : why);
		first = why == NULL ? NULL : first;
	}
	if (first != NULL)
		sim_fail("after a start, neither as before nor as after: %s",
		    first);
	memset(folk.acts, 0, sizeof folk.acts);
	stream_look();
	audit_check();
	/* What was read is not to be lost, either. */
	if (folk_crashes(disk_after_kill() ? 800 : 200))
		disk_lose_power(1 + (unsigned)sim_below(sim_chance(700) ? 4 :
		    20));
}

bool
folk_crashes(unsigned pm)
{
	return folk.deadly && !folk.peace && sim_chance(pm);
}

void
folk_check(void)
{
	if (!folk.begun)
		return;
	folk_is("at the end");
	audit_check();
}

/* ---- what an act leads to ---- */

/* Who asks: 200 and their role, or 401. */
static unsigned
predict_by(const struct act *a, uint8_t *role, unsigned *me)
{
	const struct folk_state *s = &folk.s;
	uint64_t now_s = keeper_now_s(), expires_s;

	*me = NOBODY;
	*role = ROLE_ADMIN;
	if (a->by == BY_CONSOLE)
		return 200;
	if (a->by == BY_SESS) {
		uint8_t is = s->sess[a->by_i].is;

		*me = s->sess[a->by_i].who;
		*role = s->who[*me].role;
		return (is == SESS_ON || is == SESS_FRAIL) &&
		    folk.k.sess[a->by_i].expires_s > now_s ? 200 : 401;
	}
	expires_s = folk.k.toks[a->by_i].expires_s;
	*role = (s->toks[a->by_i].scopes & SCOPE_ADMIN) != 0 ? ROLE_ADMIN :
	    ROLE_VIEWER;
	return s->toks[a->by_i].kind == TOKEN_API &&
	    (expires_s == 0 || expires_s > now_s) ? 200 : 401;
}

static unsigned
predict_link(const struct act *a)
{
	const struct folk_state *s = &folk.s;
	unsigned who = s->links[a->i].who;

	if (folk.k.links[a->i].expires_s <= keeper_now_s())
		return 404;
	if (s->links[a->i].kind == INVITE_NEW)
		return s->who[a->who].role != ROLE_NONE ? 409 : 200;
	return s->links[a->i].kind == INVITE_RESET &&
	    s->who[who].role != ROLE_NONE &&
	    s->who[who].gen == s->links[a->i].gen ? 200 : 404;
}

static unsigned
predict_access(const struct act *a)
{
	for (unsigned i = 0; i < FOLK && a->on; i++)
		if ((a->names >> i & 1) != 0 &&
		    folk.s.who[i].role == ROLE_NONE)
			return 400;
	return 200;
}

static unsigned
predict_end(const struct act *a, uint8_t role, unsigned me)
{
	uint8_t is = folk.s.sess[a->i].is;

	if (is != SESS_ON && is != SESS_FRAIL)
		return 0;
	return role == ROLE_ADMIN || folk.s.sess[a->i].who == me ? 200 : 404;
}

unsigned
folk_predict(const struct act *a)
{
	const struct folk_state *s = &folk.s;
	bool there = s->who[a->who].role != ROLE_NONE;
	uint8_t role;
	unsigned me, status;

	switch (a->kind) {
	case ACT_ACCEPT:
		return predict_link(a);
	case ACT_LOGIN:
		return there && s->who[a->who].pw == a->pw &&
		    s->who[a->who].gen == a->gen ? 200 : 401;
	case ACT_ISSUE:
	case ACT_LOGOUT:
		return 200;
	default:
		break;
	}
	status = predict_by(a, &role, &me);
	if (status != 200)
		return status;
	if (a->kind == ACT_PASSWORD)
		return me != NOBODY && s->who[me].pw == a->old &&
		    s->who[me].gen == a->gen ? 200 : 403;
	if (a->kind == ACT_END)
		return predict_end(a, role, me);
	if (role != ROLE_ADMIN || (a->kind == ACT_ADD && a->by != BY_CONSOLE))
		return 403;
	switch (a->kind) {
	case ACT_ADD:
		return there ? 409 : 200;
	case ACT_ROLE:
	case ACT_REMOVE:
	case ACT_RESET:
		return there ? 200 : 404;
	case ACT_UNINVITE:
		return s->links[a->i].kind != INVITE_NONE ? 200 : 404;
	case ACT_UNTOKEN:
		return s->toks[a->i].kind != TOKEN_NONE ? 200 : 404;
	case ACT_ACCESS:
		return predict_access(a);
	case ACT_LAST:
		return 409;
	default:
		return 200;
	}
}

/* Their sessions are over, but that one. */
static void
end_sessions(struct folk_state *s, unsigned who, unsigned but)
{
	for (unsigned i = 0; i < SESS; i++) {
		if (s->sess[i].who != who || s->sess[i].is == SESS_NO)
			continue;
		s->sess[i].is = i != but ? SESS_NO :
		    s->sess[i].is == SESS_ON ? SESS_FRAIL : s->sess[i].is;
	}
}

static void
set_password(struct folk_state *s, unsigned who, unsigned pw, unsigned but)
{
	s->who[who].pw = pw;
	s->who[who].gen++;
	end_sessions(s, who, but);
}

static void
put_person(struct folk_state *s, const struct act *a, uint8_t role)
{
	s->who[a->who].role = role;
	s->who[a->who].pw = a->pw;
	s->who[a->who].gen++;
}

static void
apply_accept(struct folk_state *s, const struct act *a)
{
	if (s->links[a->i].kind == INVITE_NEW)
		put_person(s, a, s->links[a->i].role);
	else
		set_password(s, s->links[a->i].who, a->pw, SESS);
	s->links[a->i].kind = INVITE_NONE;
}

static void
apply_remove(struct folk_state *s, const struct act *a)
{
	s->who[a->who].role = ROLE_NONE;
	s->who[a->who].gen++;
	for (unsigned r = 0; r < RULES; r++)
		s->rules[r].who &= ~(1u << a->who);
	end_sessions(s, a->who, SESS);
}

static void
put_link(struct folk_state *s, const struct act *a)
{
	bool reset = a->kind == ACT_RESET;

	s->links[a->i].kind = reset ? INVITE_RESET : INVITE_NEW;
	s->links[a->i].role = reset ? ROLE_NONE : a->role;
	s->links[a->i].who = (uint8_t)a->who;
	s->links[a->i].gen = s->who[a->who].gen;
}

void
folk_apply(struct folk_state *s, const struct act *a)
{
	switch (a->kind) {
	case ACT_ADD:
		put_person(s, a, a->role);
		break;
	case ACT_ROLE:
		s->who[a->who].role = a->role;
		break;
	case ACT_REMOVE:
		apply_remove(s, a);
		break;
	case ACT_RESET:
	case ACT_INVITE:
		put_link(s, a);
		break;
	case ACT_UNINVITE:
		s->links[a->i].kind = INVITE_NONE;
		break;
	case ACT_ACCEPT:
		apply_accept(s, a);
		break;
	case ACT_PASSWORD:
		set_password(s, s->sess[a->by_i].who, a->pw, a->by_i);
		break;
	case ACT_TOKEN:
		s->toks[a->i].kind = a->token;
		s->toks[a->i].scopes = a->scopes;
		break;
	case ACT_UNTOKEN:
		s->toks[a->i].kind = TOKEN_NONE;
		break;
	case ACT_ACCESS:
		s->rules[a->i].on = a->on;
		s->rules[a->i].who = a->on ? a->names : 0;
		break;
	case ACT_ROTATE:
		s->secret++;
		break;
	case ACT_ISSUE:
		s->sess[a->i].is = SESS_ON;
		s->sess[a->i].who = (uint8_t)a->who;
		break;
	case ACT_LOGOUT:
	case ACT_END:
		s->sess[a->i].is = SESS_NO;
		break;
	default:
		break;
	}
}

/* ---- who may ---- */

enum folk_may
folk_may(enum act_by by, unsigned i, unsigned rule)
{
	const struct folk_state *s = &folk.s;
	struct act a = { .by = by, .by_i = i };
	uint64_t expires_s = by == BY_SESS ? folk.k.sess[i].expires_s :
	    folk.k.toks[i].expires_s;
	bool sess_on = by == BY_SESS && (s->sess[i].is == SESS_ON ||
	    s->sess[i].is == SESS_FRAIL);
	uint8_t role;
	unsigned me;

	(void)predict_by(&a, &role, &me);
	if (by == BY_SESS && (!sess_on || role < ROLE_MEMBER))
		return FOLK_NO;
	if (by == BY_TOK && (s->toks[i].kind != TOKEN_API ||
	    (s->toks[i].scopes & (SCOPE_ADMIN | SCOPE_APPS)) == 0))
		return FOLK_NO;
	if (s->rules[rule].on && (by == BY_TOK ||
	    (s->rules[rule].who >> me & 1) == 0))
		return FOLK_NO;
	if (expires_s > 0 && expires_s <= keeper_now_s())
		return FOLK_LATE;
	return FOLK_YES;
}

/* ---- the run ---- */

void
folk_turn(void)
{
	if (!folk.begun)
		return;
	if (sim.g->keeper != NULL && !disk_is_off())
		act_turn();
	stream_turn();
}

void
folk_peace(void)
{
	folk.peace = true;
	disk_fill_once(0);
}

bool
folk_rest(void)
{
	return !folk.begun || (act_rest() && stream_rest());
}
