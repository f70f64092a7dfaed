/*
 * The parts of an operation (ASK_OP), for ops.c and the files of operations.
 */
#ifndef ADIT_STATE_OPS_H
#define ADIT_STATE_OPS_H

#include "state/inside.h"

/* Members of the question. Texts are unescaped into `area`. */
enum field { F_OP, F_AFTER, F_USER, F_ROLE, F_PASSWORD, F_OLD, F_NEW, F_ID,
	F_SECRET, F_CODE, F_KIND, F_NAME, F_AGENT, F_APP, F_TTL, F_ALL,
	F_SCOPES, F_PEOPLE, FIELDS, F_TEXTS = F_TTL };
#define BIT(f) (UINT32_C(1) << (f))

struct op {
	struct turn *t;
	struct keeper *k;
	uint64_t now_s;
	struct json v[FIELDS];          /* JSON_NONE: absent */
	struct slice s[F_TEXTS];
	uint64_t ttl_s;
	bool all;
	struct json_out o;              /* an open object: the result */
	struct buf text;
	/* Who asks. */
	uint8_t role;
	struct slice who;               /* for the audit log */
	struct person_row *me;              /* NULL: has no account */
	struct session_row *session;        /* NULL: came without */
	struct slice about;             /* what the error is about, or empty */
	const char *error;              /* static, once it failed */
	uint8_t who_area[ASK_USER_MAX];
	uint8_t area[ASK_TEXT_MAX];
};

enum { OP_LATER = 0, OP_OK = 200, TTL_S_MAX = 3660 * 86400 };

/* Note why not; returns the status. */
static inline unsigned
op_fail(struct op *p, unsigned status, const char *why)
{
	p->error = why;
	return status;
}

/* What the audit log is told of it. */
struct audit_entry op_entry(const struct op *p, struct slice on,
    struct slice note);
/* End a change: OP_OK, or 500 and all is as before. `on` and `note` are for the
 * audit log. */
unsigned op_change(struct op *p, enum change what, struct slice on,
    struct slice note);
/* A new or a known password was stretched: OP_OK, OP_LATER, or a status. */
unsigned op_stretch(struct op *p, unsigned stage, struct slice password,
    struct scrypt_hash *h);
/* {"id":...} of random bytes, which are put into `id`. */
void op_put_id(struct op *p, uint8_t id[ID_BYTES]);
bool op_id_is(const struct op *p, const uint8_t id[ID_BYTES]);

/* ops_list.c */
unsigned op_people(struct op *p);
unsigned op_invites(struct op *p);
unsigned op_access(struct op *p);
unsigned op_tokens(struct op *p);
unsigned op_sessions(struct op *p);
unsigned op_audit(struct op *p);
/* ops_rights.c */
unsigned op_me(struct op *p);
unsigned op_sessions_revoke(struct op *p);
unsigned op_tokens_new(struct op *p);
unsigned op_tokens_revoke(struct op *p);
unsigned op_access_set(struct op *p);
unsigned op_rotate(struct op *p);
/* ops_people.c */
unsigned op_password(struct op *p);
unsigned op_people_add(struct op *p);
unsigned op_people_role(struct op *p);
unsigned op_people_remove(struct op *p);
unsigned op_people_reset(struct op *p);
unsigned op_invites_new(struct op *p);
unsigned op_invites_revoke(struct op *p);
unsigned op_invite_look(struct op *p);
unsigned op_invite_accept(struct op *p);
unsigned op_setup(struct op *p);
unsigned op_setup_code(struct op *p);

#endif
