/*
 * Operations: a table of names, rights and fields, and one reader of fields.
 * The functions that do the thing are in ops_list.c, ops_rights.c and
 * ops_people.c. A function begins by checking everything, changes tables last,
 * and leaves the result in an open object, which becomes {"error":...} if it
 * says any status but OP_OK.
 */
#include "state/ops.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"

/* ---- the parts of functions ------------------------ */

struct audit_entry
op_entry(const struct op *p, struct slice on, struct slice note)
{
	const struct ask *q = p->t->q;

	return (struct audit_entry){ .t = p->now_s, .who = p->who,
		.from = slice_of(q->from, q->from_n), .what = p->s[F_OP],
		.on = on, .note = note };
}

unsigned
op_change(struct op *p, enum change what, struct slice on, struct slice note)
{
	struct audit_entry e = op_entry(p, on, note);

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
