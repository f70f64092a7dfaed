/*
 * The acts of a seed with accounts: see sim_folk.h. One or two are under way at
 * a time; which status each must be answered with is decided when the answer
 * is there, as the keeper decides by what is then.
 */
#include "sim_folk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "disk.h"
#include "rig.h"

enum { EVERY_MS = 500, ANSWER_MS = 6000, CRASH_PM = 130, FULL_PM = 40,
	STEPS = 16, STEPS_LOG = 4 };

static uint64_t next_ms, quiet_ms;
/* What had failed before they were asked. */
static unsigned refused_before[AT_ONCE], failed_before[AT_ONCE];
static uint32_t seqs, logout_seq;       /* the latter: being answered */
static struct cl *leaving;              /* who logs out */
static uint64_t leaving_ms;

static const struct { const char *what; unsigned weight; } kinds[ACTS] = {
	[ACT_ADD] = { "people.add", 16 }, [ACT_ROLE] = { "people.role", 8 },
	[ACT_REMOVE] = { "people.remove", 7 },
	[ACT_RESET] = { "people.reset", 6 },
	[ACT_INVITE] = { "invites.new", 10 },
	[ACT_UNINVITE] = { "invites.revoke", 4 },
	[ACT_ACCEPT] = { "invite.accept", 12 },
	[ACT_PASSWORD] = { "me.password", 8 },
	[ACT_TOKEN] = { "tokens.new", 8 },
	[ACT_UNTOKEN] = { "tokens.revoke", 7 },
	[ACT_END] = { "sessions.revoke", 9 },
	[ACT_ACCESS] = { "access.set", 8 }, [ACT_ROTATE] = { "rotate", 5 },
	[ACT_LAST] = { "the last admin", 3 }, [ACT_LOGIN] = { "a login", 24 },
	[ACT_ISSUE] = { "login", 0 }, [ACT_LOGOUT] = { "logout", 6 },
};

const char *
act_name(const struct act *a)
{
	return kinds[a->kind].what;
}

/* ---- asking ---- */

static struct act *
act_new(const struct act *want)
{
	for (size_t i = 0; i < AT_ONCE; i++) {
		struct act *a = &folk.acts[i];

		if (a->seq != 0)
			continue;
		*a = *want;
		a->seq = ++seqs;
		a->gen = folk.s.who[a->who].gen;
		refused_before[i] = disk_refused();
		failed_before[i] = folk.failed;
		quiet_ms = sim_now() + ANSWER_MS;
		return a;
	}
	return NULL;
}

static int
put_names(char *to, size_t cap, const struct act *a)
{
	int n = snprintf(to, cap, a->on ? "[\"" FOLK_ROOT "\"" : "null");

	for (unsigned i = 0; i < FOLK && a->on; i++)
		if ((a->names >> i & 1) != 0)
			n += snprintf(to + n, cap - (size_t)n, ",\"%s\"",
			    folk_name(i));
	return n + snprintf(to + n, cap - (size_t)n, a->on ? "]" : "");
}

/* The members behind "op". */
static int
put_fields(char *to, size_t cap, const struct act *a)
{
	static const char *const roles[] = { "", "viewer", "member",
		"admin" };
	static const char *const tokens[] = {
		[TOKEN_AGENT] = "\"kind\":\"agent\",\"name\":\"t\"",
		[TOKEN_API] = "\"kind\":\"api\",\"name\":\"t\",\"scopes\":",
		[TOKEN_CHANNEL] = "\"kind\":\"channel\",\"name\":\"t\"" };
	const char *user = folk_name(a->who), *role = roles[a->role];
	char names[100];

	switch (a->kind) {
	case ACT_ADD:
		return snprintf(to, cap, "\"user\":\"%s\",\"role\":\"%s\","
		    "\"password\":\"password no. %u\"", user, role, a->pw);
	case ACT_ROLE:
		return snprintf(to, cap, "\"user\":\"%s\",\"role\":\"%s\"",
		    user, role);
	case ACT_LAST:
		return snprintf(to, cap, "\"user\":\"" FOLK_ROOT "\"%s",
		    a->on ? "" : ",\"role\":\"member\"");
	case ACT_REMOVE:
	case ACT_RESET:
		return snprintf(to, cap, "\"user\":\"%s\"", user);
	case ACT_INVITE:
		return snprintf(to, cap, "\"role\":\"%s\"", role);
	case ACT_ACCEPT:
		return snprintf(to, cap, "\"secret\":\"%s\",\"password\":"
		    "\"password no. %u\"%s%s%s", folk.k.links[a->i].secret,
		    a->pw, a->role != 0 ? ",\"user\":\"" : "",
		    a->role != 0 ? user : "", a->role != 0 ? "\"" : "");
	case ACT_PASSWORD:
		return snprintf(to, cap, "\"old\":\"password no. %u\","
		    "\"new\":\"password no. %u\"", a->old, a->pw);
	case ACT_TOKEN:
		return snprintf(to, cap, "%s%s", tokens[a->token],
		    a->scopes == 0 ? "" : a->scopes == SCOPE_ADMIN ?
		    "[\"admin\"]" : "[\"apps\"]");
	case ACT_UNINVITE:
		return snprintf(to, cap, "\"id\":\"%s\"",
		    folk.k.links[a->i].id);
	case ACT_UNTOKEN:
		return snprintf(to, cap, "\"id\":\"%s\"",
		    folk.k.toks[a->i].id);
	case ACT_END:
		return snprintf(to, cap, "\"id\":\"%.*s\"", SESSION_ID_CHARS,
		    folk.k.sess[a->i].jti);
	case ACT_ACCESS:
		put_names(names, sizeof names, a);
		return snprintf(to, cap, "\"app\":\"%s\",\"people\":%s",
		    folk_app(a->i), names);
	default:
		return 0;
	}
}

static void
put_op(struct ask *q, const struct act *a)
{
	const char *what = a->kind != ACT_LAST ? kinds[a->kind].what :
	    a->on ? "people.remove" : "people.role";
	char *p = (char *)q->text;
	int n = snprintf(p, sizeof q->text, "{\"op\":\"%s\",", what);
	int k = put_fields(p + n, sizeof q->text - (size_t)n, a);
	const char *by = a->by == BY_SESS ? folk.k.sess[a->by_i].text :
	    a->by == BY_TOK ? folk.k.toks[a->by_i].text : "";

	n -= k == 0;                    /* the comma */
	n += k + snprintf(p + n + k, 2, "}");
	q->kind = ASK_OP;
	q->text_n = (uint16_t)n;
	q->by_n = (uint16_t)strlen(by);
	memcpy(q->by, by, q->by_n);
}

static void
put_text(uint8_t *to, uint16_t *to_n, const char *s)
{
	*to_n = (uint16_t)strlen(s);
	memcpy(to, s, *to_n);
}

static void
ask(const struct act *a)
{
	struct ask q = { .seq = a->seq, .ttl_s = 24 * 3600 };
	char pw[40];

	sim_note("act %u: %s %s, by %d", a->seq, act_name(a),
	    folk_name(a->who), (int)a->by);
	put_text(q.from, &q.from_n, "198.51.100.77");
	put_text(q.site, &q.site_n, "main");
	switch (a->kind) {
	case ACT_LOGIN:
		q.kind = ASK_LOGIN;
		put_text(q.user, &q.user_n, folk_name(a->who));
		(void)folk_password(a->pw, pw);
		put_text(q.text, &q.text_n, pw);
		break;
	case ACT_ISSUE:
		q.kind = ASK_ISSUE;
		put_text(q.text, &q.text_n, folk.k.sess[a->i].jti);
		break;
	default:
		put_op(&q, a);
	}
	keeper_ask(&q, a->by == BY_CONSOLE && q.kind == ASK_OP);
}

/* ---- what was answered ---- */

/* The string of that name in the answer. */
static void
take(char *to, size_t cap, const struct answer *a, const char *name)
{
	char want[20];
	const char *p, *end;
	int n = snprintf(want, sizeof want, "\"%s\":\"", name);

	p = memmem(a->text, a->text_n, want, (size_t)n);
	end = p == NULL ? NULL : memchr(p + n, '"', a->text_n);
	if (end == NULL || (size_t)(end - p - n) >= cap)
		sim_fail("no %s in the answer", name);
	memcpy(to, p + n, (size_t)(end - p - n));
	to[end - p - n] = 0;
}

/* Who has just shown that they are somebody gets a session. */
static void
issue(const struct answer *a, unsigned who)
{
	struct act want = { .kind = ACT_ISSUE, .by = BY_NOBODY, .who = who };
	struct act *next;

	if (folk.k.nsess == SESS)
		return;
	want.i = folk.k.nsess++;
	memcpy(folk.k.sess[want.i].jti, a->jti, a->jti_n);
	next = act_new(&want);
	if (next != NULL)
		ask(next);
}

static void
take_made(const struct act *a, const struct answer *an)
{
	struct folk_known *k = &folk.k;

	if (a->kind == ACT_INVITE || a->kind == ACT_RESET) {
		take(k->links[a->i].id, sizeof k->links[0].id, an, "id");
		take(k->links[a->i].secret, sizeof k->links[0].secret, an,
		    "secret");
	}
	if (a->kind == ACT_TOKEN) {
		take(k->toks[a->i].id, sizeof k->toks[0].id, an, "id");
		take(k->toks[a->i].text, sizeof k->toks[0].text, an, "token");
	}
	if (a->kind == ACT_ISSUE) {
		if (an->text_n >= sizeof k->sess[0].text)
			sim_fail("a long session");
		memcpy(k->sess[a->i].text, an->text, an->text_n);
	}
}

static unsigned
status_of(const struct answer *an)
{
	if (an->kind == ASK_OP)
		return an->status;
	return an->result == E_OK ? 200 : an->result == E_AUTH ? 401 :
	    an->result == E_IO ? 500 : 400;
}

/* It is done: so it is in the audit log, too. */
static void
done(const struct act *a, const struct answer *an)
{
	const struct keeper *k = sim.g->keeper;
	uint8_t is = folk.s.sess[a->i].is;
	/* Nor does what had been over, or was written at last. */
	bool no_entry = a->kind == ACT_LOGIN || (a->kind == ACT_LOGOUT &&
	    (is == SESS_NO || is == SESS_GOING));
	unsigned who = a->who;

	if (a->kind == ACT_ACCEPT && folk.s.links[a->i].kind == INVITE_RESET)
		who = folk.s.links[a->i].who;
	take_made(a, an);
	if (!no_entry && a->kind != ACT_LAST)
		audit_must(k->audit.next - 1, kinds[a->kind].what,
		    a->kind == ACT_PASSWORD || a->kind == ACT_ACCEPT);
	folk_apply(&folk.s, a);
	result->acts++;
	folk_is(act_name(a));
	stream_look();
	if ((a->kind == ACT_LOGIN || a->kind == ACT_ACCEPT) &&
	    sim_chance(900))
		issue(an, who);
}

void
act_answered(const struct answer *an)
{
	struct act a = { .seq = 0 };
	unsigned status = status_of(an), want;
	bool may_fail = false;

	if (!folk.begun)
		return;                 /* to folk_setup, which looks itself */
	for (size_t i = 0; i < AT_ONCE; i++) {
		if (folk.acts[i].seq != an->seq)
			continue;
		a = folk.acts[i];
		folk.acts[i].seq = 0;
		may_fail = refused_before[i] != disk_refused() ||
		    failed_before[i] != folk.failed;
	}
	if (a.seq == 0)
		sim_fail("an answer to nothing: %u", an->seq);
	want = folk_predict(&a);
	sim_note("act %u: %u", a.seq, status);
	if (status == 500 && may_fail) {
		if (a.kind == ACT_LOGOUT && folk.s.sess[a.i].is != SESS_NO)
			folk.s.sess[a.i].is = SESS_GOING;
		folk_is(act_name(&a));
	} else if (want != 0 ? status != want :
	    status != 200 && status != 404) {
		sim_fail("%s: %u instead of %u: %.*s", act_name(&a), status,
		    want, (int)an->text_n, (const char *)an->text);
	} else if (status == 200) {
		done(&a, an);
	}
}

/* ---- logging out ---- */

void
act_logout(const struct ask *q)
{
	struct act a = { .kind = ACT_LOGOUT, .by = BY_NOBODY };
	const struct act *kept;

	logout_seq = 0;
	while (a.i < folk.k.nsess && (strlen(folk.k.sess[a.i].text) !=
	    q->text_n || memcmp(folk.k.sess[a.i].text, q->text,
	    q->text_n) != 0))
		a.i++;
	if (a.i == folk.k.nsess)
		return;                 /* not one of ours */
	a.who = folk.s.sess[a.i].who;
	kept = act_new(&a);
	if (kept == NULL)
		sim_fail("too much at once");
	logout_seq = kept->seq;
}

void
act_logged_out(const struct answer *a)
{
	struct answer copy = *a;

	copy.seq = logout_seq;
	if (logout_seq != 0)
		act_answered(&copy);
	logout_seq = 0;
}

/* As a person does it: by the relay. */
static void
log_out(unsigned i)
{
	char line[1400];

	if (leaving != NULL || sim.g->r == NULL ||
	    folk.k.sess[i].text[0] == 0)
		return;
	leaving = cl_new(sim.g, "198.51.100.119", NULL);
	leaving_ms = sim_now();
	snprintf(line, sizeof line, "POST /_adit/api/auth/logout HTTP/1.1\r\n"
	    "Host: " RIG_MAIN "\r\nOrigin: http://" RIG_MAIN "\r\n"
	    "Cookie: adit=%s\r\nContent-Length: 0\r\n"
	    "Connection: close\r\n\r\n", folk.k.sess[i].text);
	cl_put(leaving, line);
	sim_note("session %u logs out", i);
}

static void
leaving_turn(void)
{
	if (leaving == NULL || (!leaving->eof && !leaving->broken &&
	    sim_now() < leaving_ms + ANSWER_MS))
		return;
	cl_close(leaving, true);
	leaving = NULL;
}

/* ---- what will be done ---- */

static void
draw_by(struct act *a)
{
	unsigned r = (unsigned)sim_below(10);

	a->by = r < 5 || a->kind == ACT_ADD || a->kind == ACT_LAST ?
	    BY_CONSOLE : r < 8 ? BY_SESS : BY_TOK;
	if (a->kind == ACT_PASSWORD)
		a->by = BY_SESS;
	if (a->by == BY_SESS && folk.k.nsess > 0)
		a->by_i = (unsigned)sim_below(folk.k.nsess);
	else if (a->by == BY_TOK && folk.k.ntoks > 0)
		a->by_i = (unsigned)sim_below(folk.k.ntoks);
	else
		a->by = BY_CONSOLE;
	/* Whose answer was lost is in nobody's hands. */
	if ((a->by == BY_SESS && folk.k.sess[a->by_i].text[0] == 0) ||
	    (a->by == BY_TOK && folk.k.toks[a->by_i].text[0] == 0))
		a->by = BY_CONSOLE;
}

/* Which of those that there are; false: none. */
static bool
draw_which(struct act *a)
{
	const struct folk_known *k = &folk.k;
	unsigned n = a->kind == ACT_UNINVITE || a->kind == ACT_ACCEPT ?
	    k->nlinks : a->kind == ACT_UNTOKEN ? k->ntoks : k->nsess;

	if (n == 0)
		return false;
	/* The later ones more often. */
	a->i = n - 1 - (unsigned)(sim_below(n) * sim_below(n) / n);
	if (a->kind == ACT_ACCEPT)
		return k->links[a->i].secret[0] != 0;
	return a->kind == ACT_UNINVITE ? k->links[a->i].id[0] != 0 :
	    a->kind != ACT_UNTOKEN || k->toks[a->i].id[0] != 0;
}

/* A place for what will be made. */
static bool
draw_place(struct act *a)
{
	unsigned *n = a->kind == ACT_TOKEN ? &folk.k.ntoks : &folk.k.nlinks;

	if (*n == (a->kind == ACT_TOKEN ? (unsigned)TOKS : (unsigned)LINKS))
		return false;
	a->i = (*n)++;
	a->token = (uint8_t)(1 + sim_below(3));
	if (a->kind == ACT_TOKEN && sim_chance(500))
		a->token = TOKEN_API;
	a->scopes = a->token != TOKEN_API ? 0 :
	    sim_chance(500) ? SCOPE_ADMIN : SCOPE_APPS;
	return true;
}

static bool
draw_rule(struct act *a)
{
	a->i = sim_chance(300);
	a->on = sim_chance(600);
	for (unsigned i = 0; i < FOLK; i++)
		if (sim_chance(folk.s.who[i].role != ROLE_NONE ? 500 : 15))
			a->names |= 1u << i;
	a->names |= 1u << ROOT;
	return true;
}

/* A logout may come at any time. */
static unsigned
under_way(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < AT_ONCE; i++)
		n += folk.acts[i].seq != 0;
	return n;
}

static bool
only_root(void)
{
	for (unsigned i = 0; i < FOLK; i++)
		if (folk.s.who[i].role == ROLE_ADMIN)
			return false;
	return under_way() == 0;
}

/* False: that cannot be done now. */
static bool
draw(struct act *a)
{
	for (int i = 0; i < 4; i++) {
		a->who = (unsigned)sim_below(FOLK);
		if ((folk.s.who[a->who].role == ROLE_NONE) ==
		    (a->kind == ACT_ADD || a->kind == ACT_ACCEPT))
			break;
	}
	a->role = (uint8_t)(1 + sim_below(3));
	a->pw = ++folk.k.npws;
	draw_by(a);
	switch (a->kind) {
	case ACT_RESET:
	case ACT_INVITE:
	case ACT_TOKEN:
		return draw_place(a);
	case ACT_ACCEPT:
		if (!draw_which(a))
			return false;
		/* A link for anybody needs a name. */
		a->role = folk.s.links[a->i].kind != INVITE_RESET;
		return true;
	case ACT_UNINVITE:
	case ACT_UNTOKEN:
	case ACT_END:
	case ACT_LOGOUT:
		return draw_which(a);
	case ACT_PASSWORD:
		if (a->by == BY_SESS)
			a->who = folk.s.sess[a->by_i].who;
		/* fallthrough */
	case ACT_LOGIN:
		a->old = folk.s.who[a->who].pw;
		if (sim_chance(150))
			a->old = (unsigned)sim_below(folk.k.npws);
		if (a->kind == ACT_LOGIN)
			a->pw = a->old;
		return a->kind == ACT_LOGIN || a->by == BY_SESS;
	case ACT_ACCESS:
		return draw_rule(a);
	case ACT_ROTATE:
		return folk.s.secret == 0;
	case ACT_LAST:
		a->on = sim_chance(500);
		return only_root();
	default:
		return true;
	}
}

/* The first few are those without which nothing else happens. */
static enum act_kind
draw_kind(void)
{
	unsigned sum = 0, at;

	for (unsigned i = 0; i < ACTS; i++)
		sum += kinds[i].weight;
	at = (unsigned)sim_below(sum);
	for (unsigned i = 0; i < ACTS; i++) {
		if (at < kinds[i].weight)
			return (enum act_kind)i;
		at -= kinds[i].weight;
	}
	return ACT_ADD;
}

/* What may happen while it is written: often while the audit log is, or where
 * one file follows the other. */
static void
misfortune(enum act_kind kind)
{
	bool rotates = sim.g->keeper->audit.bytes + AUDIT_TEXT_MAX * 3 >
	    AUDIT_BYTES;
	unsigned most = kind == ACT_ROTATE ? 2 * STEPS : rotates ? 3 :
	    sim_chance(400) ? STEPS_LOG : STEPS;
	unsigned pm = rotates ? 1000 : kind == ACT_ROTATE ? 700 :
	    disk_is_full() ? 3 * CRASH_PM : CRASH_PM;

	if (!folk.peace && sim_chance(FULL_PM))
		disk_fill_once(1 + (unsigned)sim_below(4));
	if (!folk_crashes(pm))
		return;
	if (sim_chance(rotates ? 900 : 500))
		disk_lose_power(1 + (unsigned)sim_below(most));
	else
		disk_kill(1 + (unsigned)sim_below(most));
}

void
act_turn(void)
{
	struct act want = { .kind = ACT_ADD };

	if (under_way() > 0 && sim_now() > quiet_ms)
		sim_fail("an act is not answered");
	leaving_turn();
	if (sim.calm || next_ms > sim_now())
		return;
	next_ms = sim_now() + 1 + sim_below(EVERY_MS);
	want.kind = draw_kind();
	if (!draw(&want) || under_way() == AT_ONCE - 1)
		return;
	misfortune(want.kind);
	if (want.kind == ACT_LOGOUT)
		log_out(want.i);
	else
		ask(act_new(&want));
}

bool
act_rest(void)
{
	leaving_turn();
	return under_way() == 0 && leaving == NULL;
}
