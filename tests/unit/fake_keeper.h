/*
 * A keeper that a test plays: three accounts, sessions that it can end, API
 * tokens, who may open what, and operations whose answer the test sets. What it
 * does not know the real one answers (devices, agents' tokens).
 */
#ifndef ADIT_TESTS_FAKE_KEEPER_H
#define ADIT_TESTS_FAKE_KEEPER_H

#include "relay_test.h"

enum { FAKE_SESSIONS = 64 };

static struct fake {
	struct fake_user { const char *name, *password; unsigned role; } u[3];
	struct { unsigned user; bool over; } s[FAKE_SESSIONS];
	unsigned nsessions;
	unsigned rules;
	const char *may;        /* who may open every app, while rules > 0 */
	unsigned scopes;        /* of the token adit_pTEST */
	bool full;
	/* The agents' next token: which one, for which name, until when. */
	uint32_t credential;
	const char *agent;
	uint64_t agent_until_s;
	/* Operations: what was asked last, and what is answered. */
	char op[ASK_TEXT_MAX + 1], by[ASK_BY_MAX + 1], from[64], device[100];
	char site[100];
	unsigned ops, status, accesses;
	const char *json, *op_user;
} fake;

static inline void
fake_give(uint8_t *to, uint16_t *n, const char *s)
{
	*n = (uint16_t)strlen(s);
	memcpy(to, s, *n);
}

#define FAKE_GIVE(a, f, s) fake_give((a)->f, &(a)->f##_n, (s))

static inline struct fake_user *
fake_find(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < 3; i++) {
		if (strlen(fake.u[i].name) == n &&
		    memcmp(fake.u[i].name, p, n) == 0)
			return &fake.u[i];
	}
	return NULL;
}

static inline void
fake_begin(struct answer *a, const struct fake_user *u)
{
	char jti[24];

	assert_true(fake.nsessions < FAKE_SESSIONS);
	fake.s[fake.nsessions].user = (unsigned)(u - fake.u);
	snprintf(jti, sizeof jti, "session-%u", fake.nsessions++);
	FAKE_GIVE(a, user, u->name);
	FAKE_GIVE(a, jti, jti);
	a->role = (uint8_t)u->role;
}

/* The session of "session-N" behind `skip` bytes; false if it is over. */
static inline bool
fake_session(struct answer *a, const uint8_t *p, size_t n, size_t skip)
{
	char text[64] = "";
	unsigned i;

	if (n <= skip || n >= sizeof text)
		return false;
	memcpy(text, p + skip, n - skip);
	if (sscanf(text, "session-%u", &i) != 1 || i >= fake.nsessions ||
	    fake.s[i].over || fake.u[fake.s[i].user].role == ROLE_NONE)
		return false;
	FAKE_GIVE(a, user, fake.u[fake.s[i].user].name);
	FAKE_GIVE(a, jti, text);
	a->role = (uint8_t)fake.u[fake.s[i].user].role;
	a->rules = (uint16_t)fake.rules;
	return true;
}

static inline void
fake_text(char *to, const uint8_t *p, size_t n)
{
	memcpy(to, p, n);
	to[n] = 0;
}

static inline enum err
fake_op(const struct ask *q, struct answer *a)
{
	fake_text(fake.op, q->text, q->text_n);
	fake_text(fake.by, q->by, q->by_n);
	fake_text(fake.from, q->from, q->from_n);
	fake_text(fake.device, q->device, q->device_n);
	fake_text(fake.site, q->site, q->site_n);
	fake.ops++;
	a->status = (uint16_t)fake.status;
	FAKE_GIVE(a, text, fake.json);
	if (fake.op_user != NULL)
		fake_begin(a, fake_find((const uint8_t *)fake.op_user,
		    strlen(fake.op_user)));
	return fake.status == 200 ? E_OK : E_AUTH;
}

static inline enum err
fake_login(const struct ask *q, struct answer *a)
{
	const struct fake_user *u = fake_find(q->user, q->user_n);

	if (fake.full)
		return E_FULL;
	if (u == NULL || strlen(u->password) != q->text_n ||
	    memcmp(u->password, q->text, q->text_n) != 0)
		return E_AUTH;
	fake_begin(a, u);
	return E_OK;
}

static inline enum err
fake_bearer(const struct ask *q, struct answer *a)
{
	if (q->text_n != 10 || memcmp(q->text, "adit_pTEST", 10) != 0 ||
	    fake.scopes == 0)
		return E_AUTH;
	a->credential = 77;
	a->scopes = (uint8_t)fake.scopes;
	a->role = ROLE_MEMBER;
	a->rules = (uint16_t)fake.rules;
	FAKE_GIVE(a, user, "token:ci");
	return E_OK;
}

static inline enum err
fake_issue(const struct ask *q, struct answer *a)
{
	char text[64];

	if (!fake_session(a, q->text, q->text_n, 0))
		return E_AUTH;
	snprintf(text, sizeof text, "JWT.%.*s", (int)q->text_n,
	    (const char *)q->text);
	FAKE_GIVE(a, text, text);
	a->expires_s = q->now_s + q->ttl_s;
	return E_OK;
}

static inline bool
fake_answer(struct rig *rig, const struct ask *q, struct answer *a)
{
	struct answer who = { 0 };

	(void)rig;
	memset(a, 0, sizeof *a);
	a->kind = q->kind;
	a->seq = q->seq;
	a->who = q->who;
	switch (q->kind) {
	case ASK_LOGIN:
		a->result = fake_login(q, a);
		return true;
	case ASK_ISSUE:
		a->result = fake_issue(q, a);
		return true;
	case ASK_SESSION:
		a->result = fake_session(a, q->text, q->text_n, 4) ? E_OK :
		    E_AUTH;
		a->expires_s = q->now_s + 3600;
		return true;
	case ASK_BEARER:
		a->result = fake_bearer(q, a);
		return true;
	case ASK_TOKEN:
		a->credential = fake.credential;
		FAKE_GIVE(a, user, fake.agent);
		a->expires_s = fake.agent_until_s;
		return true;
	case ASK_ACCESS:
		fake.accesses++;
		a->result = fake_session(&who, q->by, q->by_n, 0) &&
		    strlen(fake.may) == who.user_n &&
		    memcmp(fake.may, who.user, who.user_n) == 0 ? E_OK :
		    E_AUTH;
		return true;
	case ASK_OP:
		a->result = fake_op(q, a);
		return true;
	case ASK_REVOKE:
		for (unsigned i = 0; i < fake.nsessions; i++) {
			char text[28];

			snprintf(text, sizeof text, "JWT.session-%u", i);
			if (strlen(text) == q->text_n &&
			    memcmp(text, q->text, q->text_n) == 0)
				fake.s[i].over = true;
		}
		return true;
	default:
		return false;
	}
}

/* The keeper says something by itself. */
static inline void
fake_note(unsigned kind, const char *user, const char *jti, unsigned role,
    uint32_t credential, const char *text)
{
	struct answer a = { .kind = kind, .role = (uint8_t)role,
		.credential = credential };

	/* Of an account that is gone nothing is left; nor, where a session is
	 * named that stays, are the others. */
	if (kind == NOTE_USER && (role == ROLE_NONE || jti[0] != 0))
		a.result = E_AUTH;

	FAKE_GIVE(&a, user, user);
	FAKE_GIVE(&a, jti, jti);
	FAKE_GIVE(&a, text, text);
	world_answer(g.host, &a, 0);
	rig_settle(&g);
}

static inline void
fake_start(void)
{
	fake = (struct fake){ .u = {
		{ "ann", "password-ann", ROLE_ADMIN },
		{ "mem", "password-mem", ROLE_MEMBER },
		{ "vic", "password-vic", ROLE_VIEWER } },
		.may = "", .status = 200, .json = "{}",
		.credential = KEEPER_SHARED_TOKEN, .agent = "" };
	g.keeper_hook = fake_answer;
	rig_start(&g);
	relay_set_mode(g.r, SL("accounts"));
	web = ag_up(&g, A1, "mac");
}

/* The cookie of a fresh session for u[i], as "Cookie: ...\r\n". */
static inline const char *
fake_cookie(unsigned i)
{
	static char area[4][64];
	static unsigned next;
	char *out = area[next++ % 4];
	struct answer a;

	fake_begin(&a, &fake.u[i]);
	snprintf(out, sizeof area[0], "Cookie: adit=JWT.%.*s\r\n",
	    (int)a.jti_n, (const char *)a.jti);
	return out;
}

#endif
