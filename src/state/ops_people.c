/*
 * Operations on accounts: adding, changing and removing them, invitations and
 * reset links, the first one, and one's own password.
 *
 * A password is stretched before anything changes and after everything was
 * checked that can be checked without it, so that nobody makes the hasher work
 * who has no right to; the checks are made again when it is done.
 */
#include "state/ops.h"

#include "base/num.h"
#include "codec/b64.h"
#include "state/strength.h"

enum { SECRET_BYTES = 32 };

static const char why_role[] = "role: viewer, member or admin";

static unsigned
password_fault(struct op *p, struct slice password)
{
	const char *why = strength_fault(STRENGTH_PASSWORD, password);

	if (why == NULL)
		return OP_OK;
	p->about = SL("Password: ");
	return op_fail(p, 400, why);
}

static struct person_row *
free_row(struct people *t)
{
	for (size_t i = 0; i < PEOPLE_MAX; i++)
		if (t->rows[i].role == ROLE_NONE)
			return &t->rows[i];
	return NULL;
}

/* The account that p->s[F_USER] names; NULL, and *status is 404. */
static struct person_row *
named(struct op *p, unsigned *status)
{
	struct person_row *row = people_find(&p->k->people, p->s[F_USER]);

	*status = row != NULL ? OP_OK : op_fail(p, 404, "No such account");
	return row;
}

static bool
last_admin(const struct people *t, const struct person_row *row)
{
	size_t n = 0;

	for (size_t i = 0; i < PEOPLE_MAX; i++)
		n += t->rows[i].role == ROLE_ADMIN;
	return row->role == ROLE_ADMIN && n == 1;
}

static void
note_user(struct op *p, struct slice user, uint8_t role, bool ended)
{
	struct keeper_note n = { .kind = NOTE_USER, .role = role,
		.ended = ended };
	struct buf jti = BUF_ON(n.jti.b);

	PLAIN(n.user, user);
	/* Their own doing: this one stays. */
	if (ended && p->me != NULL && slice_eq(user, row_text(p->me->name))) {
		b64_encode(&jti, slice_of(p->session->jti, JTI_BYTES),
		    B64_URL_BARE);
		n.jti.n = to_u8(jti.n);
	}
	note_put(p->k, &n);
}

/* ---- accounts ------------------------ */

/* May an account of this name, role and password be made now? */
static unsigned
account_fault(struct op *p, unsigned role)
{
	if (p->k->mode == MODE_SHARED)
		return op_fail(p, 409, "RELAY_PASSWORD is in force: remove "
		    "it, start again and make the first account");
	if (!people_user_ok(p->s[F_USER]))
		return op_fail(p, 400, "user: small letters, digits and "
		    "._- within, 32 at most");
	if (people_find(&p->k->people, p->s[F_USER]) != NULL)
		return op_fail(p, 409, "There is an account of that name");
	if (free_row(&p->k->people) == NULL)
		return op_fail(p, 409, "There are 256 accounts already");
	if (role == ROLE_NONE)
		return op_fail(p, 400, why_role);
	/* Never accounts without an admin: see people_load. */
	if (role != ROLE_ADMIN && !keeper_has_accounts(p->k))
		return op_fail(p, 409, "The first account is an admin");
	return password_fault(p, p->s[F_PASSWORD]);
}

/* The account p->s[F_USER]; the caller ends the change. */
static struct person_row *
account_make(struct op *p, uint8_t role, const struct scrypt_hash *h)
{
	struct people *t = &p->k->people;
	struct person_row *row = free_row(t);

	*row = (struct person_row){ .role = role, .serial = t->next++,
		.created_s = p->now_s, .seen_s = p->now_s, .hash = *h };
	PLAIN(row->name, p->s[F_USER]);
	return row;
}

/* They made their own account: they may have a session. */
static void
welcome(struct op *p, const struct person_row *row)
{
	json_pair_string(&p->o, SL("user"), row_text(row->name));
	json_pair_string(&p->o, SL("role"), people_roles[row->role]);
	login_grant(p->t, row->serial);
	setup_over(p->k);
}

/* Another password: what was open under the old one is over, but for the
 * session that asks. */
static unsigned
password_set(struct op *p, struct person_row *row, const struct scrypt_hash *h)
{
	struct keeper *k = p->k;
	uint64_t old = row->serial;
	struct slice name = row_text(row->name);
	unsigned status;

	row->hash = *h;
	row->serial = k->people.next++;
	status = op_change(p, CHANGE_PEOPLE, name, SL(""));
	if (status != OP_OK)
		return status;
	/* From here on it has happened. If this cannot be written, they log
	 * in again after a restart. */
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		struct session_row *s = &k->sessions.rows[i];

		if (s == p->session)
			s->serial = row->serial;
		else if (s->serial == old)
			s->used = 0;
	}
	k->seen[CHANGE_SESSIONS] = true;
	keeper_tick(k, p->now_s);
	note_user(p, name, row->role, true);
	return OP_OK;
}

unsigned
op_password(struct op *p)
{
	struct scrypt_hash h;
	unsigned status = password_fault(p, p->s[F_NEW]);
	enum said said;

	if (status != OP_OK)
		return status;
	said = login_verify(p->t, 0, p->s[F_OLD], &p->me->hash);
	if (said == SAID_LATER)
		return p->t->later ? OP_LATER :
		    op_fail(p, 429, "Too many passwords at once; try again");
	if (said == SAID_NO) {
		p->k->refused++;
		return op_fail(p, 403, "The old password is another");
	}
	status = op_stretch(p, 1, p->s[F_NEW], &h);
	if (status != OP_OK)
		return status;
	change_begin(p->k, CHANGE_PEOPLE);
	return password_set(p, p->me, &h);
}

unsigned
op_people_add(struct op *p)
{
	unsigned role = people_word(people_roles, ROLES, p->s[F_ROLE]);
	unsigned status = account_fault(p, role);
	struct scrypt_hash h;

	if (status == OP_OK)
		status = op_stretch(p, 0, p->s[F_PASSWORD], &h);
	if (status != OP_OK)
		return status;
	change_begin(p->k, CHANGE_PEOPLE);
	(void)account_make(p, (uint8_t)role, &h);
	status = op_change(p, CHANGE_PEOPLE, p->s[F_USER], p->s[F_ROLE]);
	if (status == OP_OK)
		setup_over(p->k);
	return status;
}

unsigned
op_people_role(struct op *p)
{
	unsigned role = people_word(people_roles, ROLES, p->s[F_ROLE]);
	unsigned status;
	struct person_row *row = named(p, &status);

	if (row == NULL)
		return status;
	if (role == ROLE_NONE)
		return op_fail(p, 400, why_role);
	if (role != ROLE_ADMIN && last_admin(&p->k->people, row))
		return op_fail(p, 409, "The last admin stays one");
	change_begin(p->k, CHANGE_PEOPLE);
	row->role = (uint8_t)role;
	status = op_change(p, CHANGE_PEOPLE, p->s[F_USER], p->s[F_ROLE]);
	if (status == OP_OK)
		note_user(p, p->s[F_USER], row->role, false);
	return status;
}

unsigned
op_people_remove(struct op *p)
{
	struct people *t = &p->k->people;
	unsigned status;
	struct person_row *row = named(p, &status);
	size_t i;

	if (row == NULL)
		return status;
	if (last_admin(t, row))
		return op_fail(p, 409, "The last admin stays");
	i = (size_t)(row - t->rows);
	change_begin(p->k, CHANGE_PEOPLE);
	/* A rule that names nobody any more lets nobody in. */
	for (size_t j = 0; j < RULES_MAX; j++)
		t->rules[j].people[i / 64] &= ~((uint64_t)1 << i % 64);
	wipe(row, sizeof *row);
	status = op_change(p, CHANGE_PEOPLE, p->s[F_USER], SL(""));
	if (status == OP_OK)
		note_user(p, p->s[F_USER], ROLE_NONE, true);
	return status;
}

/* ---- invitations and reset links ------------------------ */

/* A place for one: free, else one whose time is over. */
static struct invite *
invite_place(struct op *p)
{
	struct invite *rows = p->k->people.invites, *out = NULL;

	for (size_t i = INVITES_MAX; i-- > 0; )
		if (rows[i].kind == INVITE_NONE || (rows[i].expires_s <=
		    p->now_s && (out == NULL || out->kind != INVITE_NONE)))
			out = &rows[i];
	return out;
}

/* Put one there, and show its secret, this once. */
static unsigned
invite_make(struct op *p, struct invite want, struct slice on)
{
	uint8_t area[SECRET_BYTES * 2];
	struct buf b = BUF_ON(area);
	struct invite *row = invite_place(p);

	if (row == NULL)
		return op_fail(p, 409, "There are 64 open invitations");
	op_put_id(p, want.id);
	rng_put_id(&p->k->rng, &b, SECRET_BYTES);
	sha256(want.secret, buf_slice(&b));
	json_pair_string(&p->o, SL("secret"), buf_slice(&b));
	json_pair_u64(&p->o, SL("expires"), want.expires_s);
	wipe(area, sizeof area);
	PLAIN(want.by, p->who);
	change_begin(p->k, CHANGE_PEOPLE);
	*row = want;
	return op_change(p, CHANGE_PEOPLE, on, people_roles[want.role]);
}

unsigned
op_invites_new(struct op *p)
{
	struct invite want = { .kind = INVITE_NEW };

	if (p->k->mode == MODE_SHARED)
		return account_fault(p, ROLE_NONE);
	want.role = (uint8_t)people_word(people_roles, ROLES, p->s[F_ROLE]);
	if (want.role == ROLE_NONE)
		return op_fail(p, 400, why_role);
	want.expires_s = p->now_s + (p->ttl_s > 0 ? p->ttl_s : INVITE_S);
	return invite_make(p, want, SL(""));
}

unsigned
op_people_reset(struct op *p)
{
	unsigned status;
	const struct person_row *row = named(p, &status);

	if (row == NULL)
		return status;
	return invite_make(p, (struct invite){ .kind = INVITE_RESET,
	    .serial = row->serial, .expires_s = p->now_s + RESET_S },
	    p->s[F_USER]);
}

unsigned
op_invites_revoke(struct op *p)
{
	struct invite *rows = p->k->people.invites;

	for (size_t i = 0; i < INVITES_MAX; i++) {
		if (rows[i].kind == INVITE_NONE || !op_id_is(p, rows[i].id))
			continue;
		change_begin(p->k, CHANGE_PEOPLE);
		rows[i].kind = INVITE_NONE;
		return op_change(p, CHANGE_PEOPLE, p->s[F_ID], SL(""));
	}
	return op_fail(p, 404, "No such invitation");
}

/* The open one of that secret, and for a reset whose. All are compared. */
static struct invite *
invite_find(struct op *p, struct person_row **of)
{
	struct invite *found = NULL;
	uint8_t hash[SHA256_BYTES];

	sha256(hash, p->s[F_SECRET]);
	for (size_t i = 0; i < INVITES_MAX; i++) {
		struct invite *row = &p->k->people.invites[i];

		if (row->kind != INVITE_NONE &&
		    ct_eq(row->secret, hash, sizeof hash))
			found = row;
	}
	*of = NULL;
	if (found != NULL && found->kind == INVITE_RESET)
		*of = people_by_serial(&p->k->people, found->serial);
	if (found != NULL && found->expires_s > p->now_s &&
	    (found->kind == INVITE_NEW || *of != NULL))
		return found;
	(void)op_fail(p, 404, "This link was used, revoked, or is too old: "
	    "ask for a new one");
	return NULL;
}

unsigned
op_invite_look(struct op *p)
{
	struct person_row *of;
	const struct invite *row = invite_find(p, &of);

	if (row == NULL)
		return 404;
	json_pair_string(&p->o, SL("kind"), people_invite_kinds[row->kind]);
	json_pair_string(&p->o, SL("role"), people_roles[of != NULL ?
	    of->role : row->role]);
	json_pair_string(&p->o, SL("user"),
	    of != NULL ? row_text(of->name) : SL(""));
	json_pair_u64(&p->o, SL("expires"), row->expires_s);
	return OP_OK;
}

unsigned
op_invite_accept(struct op *p)
{
	struct person_row *of;
	struct invite *row = invite_find(p, &of);
	struct scrypt_hash h;
	unsigned status;
	uint8_t role;

	if (row == NULL)
		return 404;
	if (of == NULL)
		status = account_fault(p, row->role);
	else if (p->s[F_USER].n > 0 &&
	    !slice_eq(p->s[F_USER], row_text(of->name)))
		status = op_fail(p, 400, "This link is for another account");
	else
		status = password_fault(p, p->s[F_PASSWORD]);
	if (status == OP_OK)
		status = op_stretch(p, 0, p->s[F_PASSWORD], &h);
	if (status != OP_OK)
		return status;
	role = row->role;
	p->who = of != NULL ? row_text(of->name) : p->s[F_USER];
	change_begin(p->k, CHANGE_PEOPLE);
	row->kind = INVITE_NONE;
	if (of != NULL) {
		status = password_set(p, of, &h);
	} else {
		of = account_make(p, role, &h);
		status = op_change(p, CHANGE_PEOPLE, p->who,
		    people_roles[role]);
	}
	if (status == OP_OK)
		welcome(p, of);
	return status;
}

/* ---- the first one ------------------------ */

unsigned
op_setup(struct op *p)
{
	struct scrypt_hash h;
	unsigned status;

	if (p->k->mode != MODE_SETUP)
		return op_fail(p, 409, p->k->mode == MODE_ACCOUNTS ?
		    "There is an account already" : "Not while "
		    "RELAY_PASSWORD or no_login is in force");
	if (!p->t->console && !setup_check(p->k, p->s[F_CODE], p->now_s)) {
		p->k->refused++;
		return op_fail(p, 403, p->k->setup_tries > 0 &&
		    p->now_s < p->k->setup_until_s ? "Not the setup code" :
		    "The setup code is over: start the relay again, or run "
		    "adit init, for a new one");
	}
	status = account_fault(p, ROLE_ADMIN);
	if (status == OP_OK)
		status = op_stretch(p, 0, p->s[F_PASSWORD], &h);
	if (status != OP_OK)
		return status;
	p->who = p->s[F_USER];
	change_begin(p->k, CHANGE_PEOPLE);
	(void)account_make(p, ROLE_ADMIN, &h);
	status = op_change(p, CHANGE_PEOPLE, p->who, SL("admin"));
	if (status == OP_OK)
		welcome(p, people_find(&p->k->people, p->who));
	return status;
}

unsigned
op_setup_code(struct op *p)
{
	if (p->k->mode != MODE_SETUP)
		return op_fail(p, 409, "There is an account already");
	return setup_make(p->k, p->now_s) ? OP_OK :
	    op_fail(p, 500, "It could not be written");
}
