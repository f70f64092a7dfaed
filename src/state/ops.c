/*
 * Operations: a table of names, rights and fields; one reader of fields; and
 * the functions that do the thing. A function begins by checking everything,
 * changes tables last, and leaves the result in an open object, which becomes
 * {"error":...} if it says any status but OP_OK.
 */
#include "state/ops.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"
#include "state/strength.h"

enum { FOOT_BYTES = 40, TOKEN_CHARS = 43 };     /* "],"next":"..."} */

/* ---- the parts of functions ------------------------ */

static struct audit_entry
entry(const struct op *p, struct slice on, struct slice note)
{
	const struct ask *q = p->t->q;

	return (struct audit_entry){ .t = p->now_s, .who = p->who,
		.from = slice_of(q->from, q->from_n), .what = p->s[F_OP],
		.on = on, .note = note };
}

unsigned
op_change(struct op *p, enum change what, struct slice on, struct slice note)
{
	struct audit_entry e = entry(p, on, note);

	return change_end(p->k, what, &e) ? OP_OK :
	    op_fail(p, 500, "It could not be written; nothing has changed");
}

unsigned
op_stretch(struct op *p, unsigned stage, struct slice password,
    struct scrypt_hash *h)
{
	if (login_make(p->t, stage, password, h) == SAID_YES)
		return OP_OK;
	return p->t->later ? OP_LATER :
	    op_fail(p, 429, "Too many passwords at once; try again");
}

void
op_put_id(struct op *p, uint8_t id[ID_BYTES])
{
	uint8_t area[ID_CHARS];
	struct buf b = BUF_ON(area);

	rng_fill(&p->k->rng, id, ID_BYTES);
	b64_encode(&b, slice_of(id, ID_BYTES), B64_URL_BARE);
	json_pair_string(&p->o, SL("id"), buf_slice(&b));
}

bool
op_id_is(const struct op *p, const uint8_t id[ID_BYTES])
{
	uint8_t area[ID_CHARS];
	struct buf b = BUF_ON(area);

	b64_encode(&b, slice_of(id, ID_BYTES), B64_URL_BARE);
	return slice_eq(p->s[F_ID], buf_slice(&b));
}

/* ---- lists ------------------------ */

/* The cursor: the index of the last row. False if it is none. */
static bool
after(const struct op *p, uint64_t *next)
{
	*next = 0;
	if (p->v[F_AFTER].kind == JSON_NONE)
		return true;
	if (!slice_dec(p->s[F_AFTER], (uint64_t)1 << 52, next))
		return false;
	++*next;
	return true;
}

static void
put_person(struct op *p, const struct person_row *row)
{
	uint64_t n = 0;

	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		const struct session_row *s = &p->k->sessions.rows[i];

		n += s->used && s->serial == row->serial &&
		    s->expires_s > p->now_s;
	}
	json_pair_u64(&p->o, SL("sessions"), n);
}

static void
put_session(struct op *p, const struct session_row *row)
{
	uint8_t area[JTI_CHARS], role;
	struct buf b = BUF_ON(area);
	uint64_t mine = p->me != NULL ? p->me->serial : SERIAL_SHARED;

	b64_encode(&b, slice_of(row->jti, JTI_BYTES), B64_URL_BARE);
	json_pair_string(&p->o, SL("id"), slice_of(area, SESSION_ID_CHARS));
	json_pair_string(&p->o, SL("user"),
	    session_user(p->k, row->serial, &role));
	json_pair_bool(&p->o, SL("mine"), p->session != NULL &&
	    row->serial == mine);
	json_pair_bool(&p->o, SL("current"), row == p->session);
}

/* Is this one shown, and whose is a reset link? */
static bool
shown(struct op *p, enum people_list which, const void *row)
{
	const struct session_row *s = row;
	uint8_t role;

	if (which != LIST_SESSIONS)
		return true;
	(void)session_user(p->k, s->serial, &role);
	return s->expires_s > p->now_s && role != ROLE_NONE && (p->all ||
	    (p->session != NULL && p->session->serial == s->serial));
}

static void
put_row(struct op *p, enum people_list which, const void *table, size_t i)
{
	const void *row = people_row(which, table, i);
	const struct person_row *of;

	json_object(&p->o);
	people_put_row(&p->o, which, table, i);
	if (which == LIST_PEOPLE)
		put_person(p, row);
	if (which == LIST_SESSIONS)
		put_session(p, row);
	if (which == LIST_INVITES) {
		of = people_by_serial(&p->k->people,
		    ((const struct invite *)row)->serial);
		json_pair_string(&p->o, SL("user"),
		    of == NULL ? SL("") : row_text(of->name));
	}
	json_object_end(&p->o);
}

static unsigned
list(struct op *p, enum people_list which, const void *table)
{
	uint64_t i, last = 0;
	bool full = false;

	if (!after(p, &i))
		return op_fail(p, 400, "after: not from a list");
	json_name(&p->o, SL("rows"));
	json_array(&p->o);
	for (; i < people_rows(which) && !full; i++) {
		const void *row = people_row(which, table, (size_t)i);
		struct json_out o = p->o;
		struct buf text = p->text;

		if (row == NULL || !shown(p, which, row))
			continue;
		put_row(p, which, table, (size_t)i);
		full = !buf_ok(&p->text) || buf_room(&p->text) < FOOT_BYTES;
		if (full) {
			p->o = o;
			p->text = text;
		} else {
			last = i;
		}
	}
	json_array_end(&p->o);
	if (full) {
		uint8_t area[24];
		struct buf b = BUF_ON(area);

		buf_put_dec(&b, last);
		json_pair_string(&p->o, SL("next"), buf_slice(&b));
	}
	return OP_OK;
}

static unsigned
op_people(struct op *p)
{
	return list(p, LIST_PEOPLE, &p->k->people);
}

static unsigned
op_invites(struct op *p)
{
	return list(p, LIST_INVITES, &p->k->people);
}

static unsigned
op_access(struct op *p)
{
	return list(p, LIST_RULES, &p->k->people);
}

static unsigned
op_tokens(struct op *p)
{
	return list(p, LIST_TOKENS, &p->k->tokens);
}

static unsigned
op_sessions(struct op *p)
{
	if (p->all && p->role != ROLE_ADMIN)
		return op_fail(p, 403, "Only an admin sees all sessions");
	return list(p, LIST_SESSIONS, &p->k->sessions);
}

static unsigned
op_audit(struct op *p)
{
	struct buf file = BUF_ON(p->k->file);
	uint8_t area[24];
	struct buf b = BUF_ON(area);
	uint64_t before;

	if (!after(p, &before))
		return op_fail(p, 400, "after: not from a list");
	/* after() counts on; here the cursor is a number to stay below. */
	before -= before > 0;
	json_name(&p->o, SL("rows"));
	json_array(&p->o);
	before = audit_rows(&p->k->io, &file, before, &p->o, FOOT_BYTES);
	json_array_end(&p->o);
	if (before > 0) {
		buf_put_dec(&b, before);
		json_pair_string(&p->o, SL("next"), buf_slice(&b));
	}
	return OP_OK;
}

/* ---- me, sessions, tokens, access ------------------------ */

static unsigned
op_me(struct op *p)
{
	uint8_t area[JTI_CHARS];
	struct buf b = BUF_ON(area);

	json_pair_string(&p->o, SL("user"), p->who);
	json_pair_string(&p->o, SL("role"), people_roles[p->role]);
	json_pair_string(&p->o, SL("mode"), keeper_mode_name(p->k));
	if (p->session != NULL) {
		b64_encode(&b, slice_of(p->session->jti, JTI_BYTES),
		    B64_URL_BARE);
		json_pair_string(&p->o, SL("session"),
		    slice_of(area, SESSION_ID_CHARS));
	}
	return OP_OK;
}

static unsigned
op_sessions_revoke(struct op *p)
{
	struct keeper *k = p->k;
	bool own = p->v[F_ALL].kind != JSON_NONE && !p->all;

	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		struct session_row *s = &k->sessions.rows[i];
		uint8_t area[JTI_CHARS], role;
		struct buf b = BUF_ON(area);
		struct session_row was = *s;
		unsigned status;

		b64_encode(&b, slice_of(s->jti, JTI_BYTES), B64_URL_BARE);
		if (!s->used || !slice_eq(p->s[F_ID],
		    slice_of(area, SESSION_ID_CHARS)))
			continue;
		if ((p->role != ROLE_ADMIN || own) && (p->session == NULL ||
		    p->session->serial != s->serial))
			break;
		change_begin(k, CHANGE_SESSIONS);
		s->used = 0;
		status = op_change(p, CHANGE_SESSIONS,
		    session_user(k, was.serial, &role), p->s[F_ID]);
		if (status == OP_OK)
			note_session(k, &was);
		return status;
	}
	return op_fail(p, 404, "No such session");
}

static const char why_scopes[] =
    "scopes: of read, metrics, apps, admin, for a token of kind api";

static const char *
token_fault(const struct op *p, unsigned kind, uint8_t scopes)
{
	if (kind == TOKEN_NONE)
		return "kind: agent, api or channel";
	if (p->s[F_NAME].n == 0 || p->s[F_NAME].n > LABEL_MAX ||
	    !strength_typeable(p->s[F_NAME]))
		return "name: 1 to 48 bytes of text";
	if (p->s[F_AGENT].n > 0 && (kind != TOKEN_AGENT ||
	    !people_agent_ok(p->s[F_AGENT])))
		return "agent: the name of one, for a token of kind agent";
	if ((kind == TOKEN_API) != (scopes != 0))
		return why_scopes;
	return NULL;
}

static void
put_secret(struct op *p, struct slice name, struct slice prefix,
    uint8_t hash[SHA256_BYTES])
{
	uint8_t area[8 + TOKEN_CHARS];
	struct buf b = BUF_ON(area);

	buf_put(&b, prefix);
	rng_put_id(&p->k->rng, &b, SHA256_BYTES);
	assert(buf_ok(&b));
	sha256(hash, buf_slice(&b));
	json_pair_string(&p->o, name, buf_slice(&b));
	wipe(area, sizeof area);
}

static unsigned
op_tokens_new(struct op *p)
{
	static const struct slice prefixes[TOKEN_KINDS] = { SL_INIT(""),
		SL_INIT("adit_a"), SL_INIT("adit_p"), SL_INIT("adit_c") };
	struct tokens *t = &p->k->tokens;
	unsigned kind = people_word(people_token_kinds, TOKEN_KINDS,
	    p->s[F_KIND]);
	struct token *row = NULL;
	uint8_t scopes = 0;
	const char *why;

	if (p->v[F_SCOPES].kind != JSON_NONE &&
	    !people_scopes_read(&scopes, p->v[F_SCOPES]))
		return op_fail(p, 400, why_scopes);
	why = token_fault(p, kind, scopes);
	if (why != NULL)
		return op_fail(p, 400, why);
	for (size_t i = TOKENS_MAX; i-- > 0; )
		if (t->rows[i].kind == TOKEN_NONE)
			row = &t->rows[i];
	if (row == NULL)
		return op_fail(p, 409, "There are 256 tokens: revoke some");
	change_begin(p->k, CHANGE_TOKENS);
	*row = (struct token){ .kind = (uint8_t)kind, .scopes = scopes,
		.number = t->next++, .created_s = p->now_s,
		.expires_s = p->ttl_s > 0 ? p->now_s + p->ttl_s : 0 };
	op_put_id(p, row->id);
	put_secret(p, SL("token"), prefixes[kind], row->hash);
	row->name.n = (uint8_t)p->s[F_NAME].n;
	memcpy(row->name.b, p->s[F_NAME].p, row->name.n);
	PLAIN(row->agent, p->s[F_AGENT]);
	PLAIN(row->by, p->who);
	return op_change(p, CHANGE_TOKENS, p->s[F_NAME],
	    people_token_kinds[kind]);
}

static unsigned
op_tokens_revoke(struct op *p)
{
	struct token *rows = p->k->tokens.rows;

	for (size_t i = 0; i < TOKENS_MAX; i++) {
		struct token was = rows[i];
		unsigned status;

		if (was.kind == TOKEN_NONE || !op_id_is(p, was.id))
			continue;
		change_begin(p->k, CHANGE_TOKENS);
		rows[i].kind = TOKEN_NONE;
		status = op_change(p, CHANGE_TOKENS, row_text(was.name),
		    p->s[F_ID]);
		if (status == OP_OK)
			note_put(p->k, &(struct keeper_note){
			    .kind = NOTE_CREDENTIAL,
			    .credential = (uint32_t)was.number });
		return status;
	}
	return op_fail(p, 404, "No such token");
}

static unsigned
op_access_set(struct op *p)
{
	struct people *t = &p->k->people;
	struct rule *row = NULL, want = { .app = { 0 } };
	bool limit = p->v[F_PEOPLE].kind != JSON_NULL;
	unsigned status;

	if (!people_app_ok(p->s[F_APP]))
		return op_fail(p, 400, "app: AGENT/APP");
	if (limit && !people_names_read(want.people, t, p->v[F_PEOPLE]))
		return op_fail(p, 400,
		    "people: at most 64 names, each of an account");
	for (size_t i = RULES_MAX; i-- > 0; )
		if (t->rules[i].app.n == 0 && row == NULL)
			row = &t->rules[i];
	for (size_t i = 0; i < RULES_MAX; i++)
		if (slice_eq(row_text(t->rules[i].app), p->s[F_APP]))
			row = &t->rules[i];
	if (row == NULL)
		return op_fail(p, 409, "There are rules for 64 apps already");
	change_begin(p->k, CHANGE_PEOPLE);
	if (limit)
		PLAIN(want.app, p->s[F_APP]);
	*row = want;
	status = op_change(p, CHANGE_PEOPLE, p->s[F_APP],
	    limit ? p->v[F_PEOPLE].raw : SL("everyone"));
	if (status == OP_OK)
		note_put(p->k, &(struct keeper_note){ .kind = NOTE_FLUSH });
	return status;
}

static unsigned
op_rotate(struct op *p)
{
	struct audit_entry e = entry(p, SL(""), SL(""));

	if (!p->k->jwt_is_kept)
		return op_fail(p, 409, "JWT_SECRET is set: change it there, "
		    "which ends all sessions");
	return keeper_audit(p->k, &e) && keeper_rotate(p->k, p->now_s) ?
	    OP_OK : op_fail(p, 500, "It could not be written");
}

/* ---- the table ------------------------ */

enum who { NOBODY, ANY, OWN, ADMIN, CONSOLE };

static const struct {
	struct slice name;
	uint8_t who;
	uint32_t need, may;             /* fields, but F_OP */
	unsigned (*run)(struct op *p);
} ops[] = {
	{ SL_INIT("me"), ANY, 0, 0, op_me },
	{ SL_INIT("me.password"), OWN, BIT(F_OLD) | BIT(F_NEW), 0,
	    op_password },
	{ SL_INIT("people.list"), ADMIN, 0, BIT(F_AFTER), op_people },
	{ SL_INIT("people.add"), CONSOLE, BIT(F_USER) | BIT(F_ROLE) |
	    BIT(F_PASSWORD), 0, op_people_add },
	{ SL_INIT("people.role"), ADMIN, BIT(F_USER) | BIT(F_ROLE), 0,
	    op_people_role },
	{ SL_INIT("people.remove"), ADMIN, BIT(F_USER), 0, op_people_remove },
	{ SL_INIT("people.reset"), ADMIN, BIT(F_USER), 0, op_people_reset },
	{ SL_INIT("invites.list"), ADMIN, 0, BIT(F_AFTER), op_invites },
	{ SL_INIT("invites.new"), ADMIN, BIT(F_ROLE), BIT(F_TTL),
	    op_invites_new },
	{ SL_INIT("invites.revoke"), ADMIN, BIT(F_ID), 0, op_invites_revoke },
	{ SL_INIT("invite.look"), NOBODY, BIT(F_SECRET), 0, op_invite_look },
	{ SL_INIT("invite.accept"), NOBODY, BIT(F_SECRET) | BIT(F_PASSWORD),
	    BIT(F_USER), op_invite_accept },
	{ SL_INIT("setup"), NOBODY, BIT(F_USER) | BIT(F_PASSWORD),
	    BIT(F_CODE), op_setup },
	{ SL_INIT("setup.code"), CONSOLE, 0, 0, op_setup_code },
	{ SL_INIT("tokens.list"), ADMIN, 0, BIT(F_AFTER), op_tokens },
	{ SL_INIT("tokens.new"), ADMIN, BIT(F_KIND) | BIT(F_NAME),
	    BIT(F_AGENT) | BIT(F_SCOPES) | BIT(F_TTL), op_tokens_new },
	{ SL_INIT("tokens.revoke"), ADMIN, BIT(F_ID), 0, op_tokens_revoke },
	{ SL_INIT("sessions.list"), ANY, 0, BIT(F_AFTER) | BIT(F_ALL),
	    op_sessions },
	{ SL_INIT("sessions.revoke"), ANY, BIT(F_ID), BIT(F_ALL),
	    op_sessions_revoke },
	{ SL_INIT("access.list"), ADMIN, 0, BIT(F_AFTER), op_access },
	{ SL_INIT("access.set"), ADMIN, BIT(F_APP) | BIT(F_PEOPLE), 0,
	    op_access_set },
	{ SL_INIT("audit.list"), ADMIN, 0, BIT(F_AFTER), op_audit },
	{ SL_INIT("rotate"), ADMIN, 0, 0, op_rotate },
};
enum { OPS = sizeof ops / sizeof ops[0] };

/* By enum field. */
static const struct slice field_names[FIELDS] = {
	SL_INIT("op"), SL_INIT("after"), SL_INIT("user"), SL_INIT("role"),
	SL_INIT("password"), SL_INIT("old"), SL_INIT("new"), SL_INIT("id"),
	SL_INIT("secret"), SL_INIT("code"), SL_INIT("kind"), SL_INIT("name"),
	SL_INIT("agent"), SL_INIT("app"), SL_INIT("ttl_s"), SL_INIT("all"),
	SL_INIT("scopes"), SL_INIT("people"),
};

/* All members are fields, each of its type. `given` gets a bit for each. */
static bool
read_fields(struct op *p, uint32_t *given)
{
	struct json_field f[FIELDS];
	struct buf area = BUF_ON(p->area);
	struct json_iter it;
	struct json root, name, v;
	size_t n = 0;

	for (size_t i = 0; i < FIELDS; i++)
		f[i] = (struct json_field){ .name = field_names[i] };
	if (json_parse(slice_of(p->t->q->text, p->t->q->text_n), 3, &root) !=
	    E_OK || root.kind != JSON_OBJECT ||
	    json_fields(root, f, FIELDS) != E_OK)
		return false;
	json_iter(&it, root);
	while (json_next(&it, &name, &v))
		n++;
	for (size_t i = 0; i < FIELDS; i++) {
		size_t from = area.n;

		p->v[i] = f[i].v;
		if (f[i].v.kind == JSON_NONE)
			continue;
		n--;
		*given |= BIT(i);
		if (i >= F_TEXTS)
			continue;
		if (json_string(f[i].v, &area) != E_OK)
			return false;
		p->s[i] = slice_from(buf_slice(&area), from);
	}
	return n == 0 && p->s[F_OP].n > 0 &&
	    (p->v[F_TTL].kind == JSON_NONE ||
	    json_u64(p->v[F_TTL], &p->ttl_s) == E_OK) &&
	    p->ttl_s <= TTL_S_MAX && (p->v[F_ALL].kind == JSON_NONE ||
	    json_bool(p->v[F_ALL], &p->all) == E_OK);
}

/* Who asks? A status, OP_OK if they are somebody. */
static unsigned
who_asks(struct op *p)
{
	struct slice by = { p->t->q->by, p->t->q->by_n };
	struct buf who = BUF_ON(p->who_area);
	struct answer *a = p->t->a;
	const struct token *token;
	enum err e = E_AUTH;

	if (p->t->console) {
		p->role = ROLE_ADMIN;
		p->who = SL("console");
		return OP_OK;
	}
	if (slice_starts(by, SL("adit_"))) {
		token = token_check(p->t, by, TOKEN_API, &e);
		if (token != NULL) {
			p->role = token_role(token);
			buf_lit(&who, "token:");
			buf_put(&who, row_text(token->name));
		}
	} else {
		e = session_check(p->t, by, &p->session);
		p->role = a->role;
		buf_put(&who, slice_of(a->user, a->user_n));
		if (e == E_OK)
			p->me = people_by_serial(&p->k->people,
			    p->session->serial);
	}
	p->who = buf_slice(&who);
	a->role = ROLE_NONE;
	a->user_n = a->jti_n = a->site_n = 0;
	a->expires_s = 0;
	return e == E_OK ? OP_OK : op_fail(p, 401, "Login required");
}

static unsigned
may(struct op *p, enum who who)
{
	unsigned status;

	if (who == NOBODY)
		return OP_OK;
	status = who_asks(p);
	if (status != OP_OK)
		return status;
	if ((who == OWN && p->me == NULL) ||
	    (who == ADMIN && p->role != ROLE_ADMIN) ||
	    (who == CONSOLE && !p->t->console))
		return op_fail(p, 403, "That is not for you");
	return OP_OK;
}

static unsigned
run(struct op *p)
{
	uint32_t given = 0;
	unsigned status;
	size_t i = 0;

	if (!read_fields(p, &given))
		return op_fail(p, 400, "Not a question of this form");
	while (i < OPS && !slice_eq(ops[i].name, p->s[F_OP]))
		i++;
	if (i == OPS)
		return op_fail(p, 404, "No such operation");
	status = may(p, (enum who)ops[i].who);
	if (status != OP_OK)
		return status;
	if ((given & ops[i].need) != ops[i].need ||
	    (given & ~(ops[i].need | ops[i].may | BIT(F_OP))) != 0)
		return op_fail(p, 400, "A field is missing, or not for this");
	if (!note_room(p->k))
		return op_fail(p, 429, "Busy; try again");
	return ops[i].run(p);
}

static enum err
result_of(unsigned status)
{
	return status == OP_OK ? E_OK : status == 401 ? E_AUTH :
	    status == 429 ? E_FULL : status == 500 ? E_IO : E_SYNTAX;
}

/* What p->error says, instead of a result. */
static void
put_error(struct op *p)
{
	uint8_t area[128];
	struct buf b = BUF_ON(area);

	wipe(p->text.p, p->text.n);
	buf_reset(&p->text);
	p->o = json_out_on(&p->text);
	json_object(&p->o);
	buf_put(&b, p->about);
	for (const char *c = p->error; c != NULL && *c != '\0'; c++)
		buf_put_u8(&b, (uint8_t)*c);
	json_pair_string(&p->o, SL("error"), buf_slice(&b));
}

enum err
answer_op(struct turn *t)
{
	struct op p = { .t = t, .k = t->k, .now_s = t->q->now_s };
	unsigned status;

	p.text = BUF_ON(t->a->text);
	p.o = json_out_on(&p.text);
	json_object(&p.o);
	status = run(&p);
	if (status != OP_OK)
		put_error(&p);
	json_object_end(&p.o);
	assert(buf_ok(&p.text));
	t->a->text_n = to_u16(p.text.n);
	t->a->status = (uint16_t)status;
	wipe(p.area, sizeof p.area);
	return result_of(status);
}
