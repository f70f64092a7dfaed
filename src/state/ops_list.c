/*
 * Operations that list: a page holds as many rows as fit into an answer, and
 * its cursor is the place of the last one in its table, where rows never move.
 */
#include "state/ops.h"

#include "base/num.h"
#include "codec/b64.h"

enum { FOOT_BYTES = 40 };       /* "],"next":"..."} */

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

unsigned
op_people(struct op *p)
{
	return list(p, LIST_PEOPLE, &p->k->people);
}

unsigned
op_invites(struct op *p)
{
	return list(p, LIST_INVITES, &p->k->people);
}

unsigned
op_access(struct op *p)
{
	return list(p, LIST_RULES, &p->k->people);
}

unsigned
op_tokens(struct op *p)
{
	return list(p, LIST_TOKENS, &p->k->tokens);
}

unsigned
op_sessions(struct op *p)
{
	if (p->all && p->role != ROLE_ADMIN)
		return op_fail(p, 403, "Only an admin sees all sessions");
	return list(p, LIST_SESSIONS, &p->k->sessions);
}

unsigned
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
