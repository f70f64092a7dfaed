/*
 * People: accounts, invitations, tokens, sessions, access, and who may change
 * them. Ends with a disk that fails at every step of everything.
 */
#include "keeper_rig.h"

#define ANNAS "anna-in-the-attic"
#define BENS "ben-on-the-bridge"
#define CLEOS "cleo-by-the-cliff"

static struct token_text anna, ben, cleo;       /* admin, member, viewer */

/* The result of the last operation, as a C string. */
static char text[ANSWER_TEXT_MAX + 1];

static unsigned
finish_op(void)
{
	finish();
	assert_true(a.text_n <= ANSWER_TEXT_MAX);
	memcpy(text, a.text, a.text_n);
	text[a.text_n] = '\0';
	assert_int_equal(json_check(slice_of(a.text, a.text_n), 8), E_OK);
	assert_int_equal(a.result == E_OK, a.status == 200);
	assert_int_equal(a.status != 200,
	    strstr(text, "{\"error\":\"") == text);
	return a.status;
}

static void
ask_op(struct slice by, const char *json)
{
	begin(ASK_OP, str(json));
	SET(q, by, by);
	SET(q, from, SL("198.51.100.9"));
	last_for = keeper_answer(&k, &q, &a);
}

static unsigned
op_by(struct slice by, const char *json)
{
	ask_op(by, json);
	return finish_op();
}

static unsigned
op(const struct token_text *t, const char *json)
{
	return op_by(slice_of(t->b, t->n), json);
}

static unsigned
nobody(const char *json)
{
	return op_by(SL(""), json);
}

static unsigned
console(const char *json)
{
	begin(ASK_OP, str(json));
	last_for = keeper_console(&k, &q, &a);
	finish_op();
	assert_int_equal(last_for, KEEPER_CONSOLE);
	return a.status;
}

/* A string member of the result. */
static const char *
member(const char *name)
{
	static uint8_t area[200];
	struct buf b = buf_of(area, sizeof area - 1);
	struct json root, v;

	assert_int_equal(json_parse(str(text), 8, &root), E_OK);
	assert_int_equal(json_get(root, str(name), &v), E_OK);
	assert_int_equal(json_string(v, &b), E_OK);
	area[b.n] = '\0';
	return (const char *)area;
}

static bool
has(const char *s)
{
	return strstr(text, s) != NULL;
}

/* The next note, which is of this kind. */
static void
note(enum ask_kind kind)
{
	assert_true(keeper_note(&k, &a));
	assert_int_equal(a.kind, kind);
	assert_int_equal(a.seq, 0);
	assert_int_equal(a.who, 0);
}

static void
no_note(void)
{
	assert_false(keeper_note(&k, &a));
}

static void
again(void)
{
	start(NULL, "", TOKEN);
}

static void
add(const char *user, const char *role, const char *password)
{
	char json[200];

	snprintf(json, sizeof json, "{\"op\":\"people.add\",\"user\":\"%s\","
	    "\"role\":\"%s\",\"password\":\"%s\"}", user, role, password);
	assert_int_equal(console(json), 200);
}

static int
empty(void **state)
{
	(void)state;
	disk_empty();
	now = NOW;
	jobs = 0;
	cost = (struct scrypt_cost){ 10, 1, 1 };
	again();
	return 0;
}

/* anna, ben and cleo are there and logged in. */
static int
three(void **state)
{
	empty(state);
	add("anna", "admin", ANNAS);
	add("ben", "member", BENS);
	add("cleo", "viewer", CLEOS);
	enter(&anna, "anna", ANNAS);
	enter(&ben, "ben", BENS);
	enter(&cleo, "cleo", CLEOS);
	while (keeper_note(&k, &a))
		;
	return 0;
}

/* ---- the first run ---- */

static void
setup_json(char json[200], const char *code, const char *user)
{
	snprintf(json, 200, "{\"op\":\"setup\",\"code\":\"%s\",\"user\":\"%s\","
	    "\"password\":\"" ANNAS "\"}", code, user);
}

static void
read_code(char code[24])
{
	const char *file = disk_text("setup-code");

	assert_non_null(file);
	assert_int_equal(strlen(file), 20);
	memcpy(code, file, 19);
	code[19] = '\0';
	assert_true(code[4] == '-' && code[9] == '-' && code[14] == '-');
}

static void
the_setup_code_makes_the_first_admin(void **state)
{
	uint8_t area[32];
	char code[24], json[200];

	(void)state;
	assert_text(keeper_mode_name(&k).p, keeper_mode_name(&k).n, "setup");
	read_code(code);
	assert_true(slice_eq(keeper_setup_code(&k, area), str(code)));
	for (size_t i = 0; i < 19; i++)         /* as people type it */
		if (code[i] >= 'A')
			code[i] = (char)(code[i] + 32);
	setup_json(json, code, "anna");
	assert_int_equal(nobody(json), 200);
	assert_string_equal(text, "{\"user\":\"anna\",\"role\":\"admin\"}");
	assert_text(a.user, a.user_n, "anna");
	assert_int_equal(a.role, ROLE_ADMIN);
	assert_int_equal(issue(&anna, "main", DAY), E_OK);
	note(NOTE_MODE);
	assert_text(a.text, a.text_n, "accounts");
	no_note();
	assert_null(disk_text("setup-code"));
	assert_int_equal(keeper_setup_code(&k, area).n, 0);
	assert_int_equal(session(&anna), E_OK);
	assert_int_equal(nobody(json), 409);
	again();
	assert_null(disk_text("setup-code"));
	assert_int_equal(session(&anna), E_OK);
	assert_int_equal(login("anna", ANNAS), E_OK);
}

/* However it is made: at the next start there must be an admin. */
static void
the_first_account_is_an_admin(void **state)
{
	char json[300];

	(void)state;
	assert_int_equal(console("{\"op\":\"people.add\",\"user\":\"ben\","
	    "\"role\":\"member\",\"password\":\"" BENS "\"}"), 409);
	assert_int_equal(console("{\"op\":\"invites.new\",\"role\":"
	    "\"member\"}"), 200);
	snprintf(json, sizeof json, "{\"op\":\"invite.accept\",\"secret\":"
	    "\"%s\",\"user\":\"ben\",\"password\":\"" BENS "\"}",
	    member("secret"));
	assert_int_equal(nobody(json), 409);
	again();
	add("anna", "admin", ANNAS);
	note(NOTE_MODE);
	assert_int_equal(nobody(json), 200);
	again();
	assert_int_equal(login("ben", BENS), E_OK);
}

static void
of_two_racers_one_wins(void **state)
{
	char code[24], json[200];
	struct keeper_job j;
	struct keeper_result r;

	(void)state;
	read_code(code);
	setup_json(json, code, "anna");
	ask_op(SL(""), json);
	assert_int_equal(last_for, KEEPER_LATER);
	setup_json(json, code, "zoe");
	ask_op(SL(""), json);
	assert_int_equal(last_for, KEEPER_LATER);
	assert_true(keeper_job(&k, &j));
	stretch(&j, &r);
	assert_int_equal(keeper_done(&k, &r, &a), KEEPER_RELAY);
	assert_int_equal(a.status, 200);
	assert_true(keeper_job(&k, &j));
	stretch(&j, &r);
	assert_int_equal(keeper_done(&k, &r, &a), KEEPER_RELAY);
	assert_int_equal(a.status, 409);
	assert_int_equal(a.jti_n, 0);
	assert_int_equal(login("zoe", ANNAS), E_AUTH);
}

static void
five_wrong_codes_or_an_hour_end_it(void **state)
{
	char code[24], json[200];

	(void)state;
	for (unsigned i = 0; i < SETUP_TRIES; i++) {
		assert_int_equal(nobody("{\"op\":\"setup\",\"code\":\"AAAA-"
		    "AAAA-AAAA-AAAA\",\"user\":\"eve\",\"password\":\""
		    ANNAS "\"}"),
		    403);
		assert_int_equal(has("over"), i == SETUP_TRIES - 1);
	}
	assert_int_equal(jobs, 0);
	read_code(code);
	setup_json(json, code, "anna");
	assert_int_equal(nobody(json), 403);
	assert_int_equal(console("{\"op\":\"setup.code\"}"), 200);
	assert_int_equal(nobody(json), 403);
	read_code(code);
	setup_json(json, code, "anna");
	now += SETUP_S;
	assert_int_equal(nobody(json), 403);
	now -= 1;
	assert_int_equal(nobody(json), 200);
	assert_int_equal(console("{\"op\":\"setup.code\"}"), 409);
}

static void
a_shared_password_and_accounts_exclude_each_other(void **state)
{
	char code[24], json[200];

	(void)state;
	start(NULL, PASSWORD, TOKEN);
	assert_null(disk_text("setup-code"));
	assert_int_equal(console("{\"op\":\"people.add\",\"user\":\"anna\","
	    "\"role\":\"admin\",\"password\":\"" ANNAS "\"}"), 409);
	enter(&anna, "", PASSWORD);
	assert_int_equal(op(&anna, "{\"op\":\"me\"}"), 200);
	assert_true(has("{\"user\":\"shared\",\"role\":\"admin\",\"mode\":"
	    "\"shared\",\"session\":\""));
	assert_int_equal(op(&anna, "{\"op\":\"invites.new\",\"role\":"
	    "\"member\"}"), 409);
	assert_int_equal(op(&anna, "{\"op\":\"me.password\",\"old\":\"a\","
	    "\"new\":\"" BENS "\"}"), 403);
	again();
	assert_int_equal(session(&anna), E_AUTH);
	read_code(code);
	setup_json(json, code, "anna");
	assert_int_equal(nobody(json), 200);
	assert_int_equal(login("", PASSWORD), E_AUTH);
	assert_int_equal(login("shared", PASSWORD), E_AUTH);
	assert_int_equal(try_start(NULL, PASSWORD, TOKEN), E_AUTH);
	assert_non_null(strstr(fault.why, "RELAY_PASSWORD"));
}

/* ---- passwords ---- */

static void
who_does_not_exist_costs_the_same_work(void **state)
{
	static const struct { const char *user, *password; enum err want; }
	    t[] = {
		{ "anna", ANNAS, E_OK },
		{ "anna", BENS, E_AUTH },
		{ "anna", "", E_AUTH },
		{ "nobody", ANNAS, E_AUTH },
		{ "Not A Name", ANNAS, E_AUTH },
	};
	struct keeper_job j, first = { 0 };
	struct keeper_result r;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof t / sizeof t[0]; i++) {
		begin(ASK_LOGIN, str(t[i / 2].password));
		SET(q, user, str(t[i / 2].user));
		assert_int_equal(keeper_answer(&k, &q, &a), KEEPER_LATER);
		assert_true(keeper_job(&k, &j));
		assert_memory_equal(&j.cost, &cost, sizeof cost);
		stretch(&j, &r);
		assert_int_equal(keeper_done(&k, &r, &a), KEEPER_RELAY);
		assert_int_equal(a.result, t[i / 2].want);
		assert_false(keeper_job(&k, &j));
		/* The salt is the same at each try, also nobody's. */
		if (i % 2 == 1)
			assert_memory_equal(j.salt, first.salt,
			    sizeof j.salt);
		first = j;
	}
}

static void
one_is_stretched_and_eight_wait(void **state)
{
	struct keeper_job j, other;
	struct keeper_result r;

	(void)state;
	for (unsigned i = 0; i <= KEEPER_WAITING_MAX; i++) {
		begin(ASK_LOGIN, str(i == 3 ? "wrong one" : ANNAS));
		SET(q, user, SL("anna"));
		q.seq = i;
		q.who = 100 + i;
		assert_int_equal(keeper_answer(&k, &q, &a), KEEPER_LATER);
	}
	assert_int_equal(login("anna", ANNAS), E_FULL);
	assert_int_equal(op(&anna, "{\"op\":\"me.password\",\"old\":\"" ANNAS
	    "\",\"new\":\"" BENS "\"}"), 429);
	for (unsigned i = 0; i <= KEEPER_WAITING_MAX; i++) {
		assert_true(keeper_job(&k, &j));
		assert_false(keeper_job(&k, &other));
		stretch(&j, &r);
		r.id += 77;                     /* of no job: dropped */
		assert_int_equal(keeper_done(&k, &r, &a), KEEPER_LATER);
		r.id -= 77;
		assert_int_equal(keeper_done(&k, &r, &a), KEEPER_RELAY);
		assert_int_equal(a.seq, i);
		assert_int_equal(a.who, 100 + i);
		assert_int_equal(a.result, i == 3 ? E_AUTH : E_OK);
		assert_int_equal(keeper_done(&k, &r, &a), KEEPER_LATER);
	}
	assert_false(keeper_job(&k, &j));
	for (size_t i = 0; i < sizeof k.waiting; i++)
		assert_int_equal(((uint8_t *)k.waiting)[i], 0);
}

static void
no_password_stays_with_the_keeper(void **state)
{
	static const char wrong[] = "not her password";

	(void)state;
	assert_int_equal(login("anna", wrong), E_AUTH);
	assert_int_equal(login("anna", ANNAS), E_OK);
	assert_int_equal(op(&ben, "{\"op\":\"me.password\",\"old\":\"" BENS
	    "\",\"new\":\"another password\"}"), 200);
	assert_null(memmem(&k, sizeof k, wrong, strlen(wrong)));
	assert_null(memmem(&k, sizeof k, ANNAS, strlen(ANNAS)));
	assert_null(memmem(&k, sizeof k, BENS, strlen(BENS)));
	assert_null(memmem(&k, sizeof k, "another password", 16));
}

static void
a_hasher_that_fails_is_an_error_and_no_login(void **state)
{
	struct keeper_job j;
	struct keeper_result r;

	(void)state;
	begin(ASK_LOGIN, SL(ANNAS));
	SET(q, user, SL("anna"));
	assert_int_equal(keeper_answer(&k, &q, &a), KEEPER_LATER);
	assert_true(keeper_job(&k, &j));
	stretch(&j, &r);
	r.ok = false;
	assert_int_equal(keeper_done(&k, &r, &a), KEEPER_RELAY);
	assert_int_equal(a.result, E_IO);
	ask_op(slice_of(anna.b, anna.n), "{\"op\":\"me.password\",\"old\":\""
	    ANNAS "\",\"new\":\"" BENS "\"}");
	assert_true(keeper_job(&k, &j));
	r.id = j.id;
	last_for = keeper_done(&k, &r, &a);
	assert_int_equal(finish_op(), 500);
	assert_int_equal(login("anna", ANNAS), E_OK);
}

static void
a_dearer_cost_is_taken_at_the_next_login(void **state)
{
	struct keeper_job j;
	struct keeper_result r;

	(void)state;
	cost.log2n = 11;
	again();
	assert_int_equal(login("anna", ANNAS), E_OK);
	assert_true(keeper_job(&k, &j));
	assert_int_equal(j.cost.log2n, 11);
	stretch(&j, &r);
	assert_int_equal(keeper_done(&k, &r, &a), KEEPER_LATER);
	assert_false(keeper_job(&k, &j));
	assert_int_equal(session(&anna), E_OK);
	keeper_tick(&k, now);
	assert_non_null(strstr(disk_text("people.json"), "scrypt$11$1$1$"));
	again();
	jobs = 0;
	assert_int_equal(login("anna", ANNAS), E_OK);
	assert_false(keeper_job(&k, &j));
	assert_int_equal(jobs, 1);
	/* A cheaper one changes nothing. */
	cost.log2n = 10;
	again();
	assert_int_equal(login("anna", ANNAS), E_OK);
	assert_false(keeper_job(&k, &j));
}

static void
another_password_ends_the_other_sessions(void **state)
{
	struct token_text other;

	(void)state;
	enter(&other, "anna", ANNAS);
	assert_int_equal(op(&anna, "{\"op\":\"me.password\",\"old\":\"wrong "
	    "one\",\"new\":\"" BENS "\"}"), 403);
	assert_int_equal(op(&anna, "{\"op\":\"me.password\",\"old\":\"" ANNAS
	    "\",\"new\":\"short\"}"), 400);
	assert_true(has("Password: too short"));
	assert_int_equal(session(&other), E_OK);
	no_note();
	assert_int_equal(op(&anna, "{\"op\":\"me.password\",\"old\":\"" ANNAS
	    "\",\"new\":\"" BENS "\"}"), 200);
	note(NOTE_USER);
	assert_text(a.user, a.user_n, "anna");
	assert_int_equal(a.result, E_AUTH);
	assert_int_equal(a.role, ROLE_ADMIN);
	assert_int_equal(a.jti_n, JTI_CHARS);
	assert_memory_equal(a.jti, anna.jti, JTI_CHARS);
	no_note();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(session(&anna), E_OK);
		assert_int_equal(session(&other), E_AUTH);
		assert_int_equal(session(&ben), E_OK);
		assert_int_equal(login("anna", ANNAS), E_AUTH);
		assert_int_equal(login("anna", BENS), E_OK);
		again();
	}
}

/* ---- accounts ---- */

static void
removing_somebody_ends_all_that_was_theirs(void **state)
{
	(void)state;
	assert_int_equal(op(&anna, "{\"op\":\"access.set\",\"app\":\"mac/web\","
	    "\"people\":[\"ben\"]}"), 200);
	note(NOTE_FLUSH);
	assert_int_equal(op(&anna, "{\"op\":\"people.reset\",\"user\":"
	    "\"ben\"}"), 200);
	assert_int_equal(op(&anna, "{\"op\":\"people.remove\",\"user\":"
	    "\"ben\"}"), 200);
	note(NOTE_USER);
	assert_text(a.user, a.user_n, "ben");
	assert_int_equal(a.role, ROLE_NONE);
	assert_int_equal(a.result, E_AUTH);
	assert_int_equal(a.jti_n, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(session(&ben), E_AUTH);
		assert_int_equal(login("ben", BENS), E_AUTH);
		begin(ASK_ISSUE, slice_of(ben.jti, JTI_CHARS));
		q.ttl_s = DAY;
		assert_int_equal(answer(), E_AUTH);
		again();
	}
	/* The rule stays, for nobody; and a new ben is another one. */
	add("ben", "member", CLEOS);
	assert_int_equal(session(&ben), E_AUTH);
	assert_int_equal(op(&anna, "{\"op\":\"access.list\"}"), 200);
	assert_string_equal(text,
	    "{\"rows\":[{\"app\":\"mac/web\",\"people\":[]}]}");
	assert_int_equal(op(&anna, "{\"op\":\"invites.list\"}"), 200);
	assert_true(has("\"user\":\"\""));
}

static void
a_login_under_way_of_who_is_removed_fails(void **state)
{
	struct keeper_job j;
	struct keeper_result r;
	uint8_t jti[JTI_CHARS];

	(void)state;
	begin(ASK_LOGIN, SL(BENS));
	SET(q, user, SL("ben"));
	assert_int_equal(keeper_answer(&k, &q, &a), KEEPER_LATER);
	assert_true(keeper_job(&k, &j));
	stretch(&j, &r);
	assert_int_equal(op(&anna, "{\"op\":\"people.remove\",\"user\":"
	    "\"ben\"}"), 200);
	assert_int_equal(keeper_done(&k, &r, &a), KEEPER_RELAY);
	assert_int_equal(a.result, E_AUTH);
	assert_int_equal(a.jti_n, 0);
	/* Between the password and the session, too. */
	assert_int_equal(login("cleo", CLEOS), E_OK);
	memcpy(jti, a.jti, sizeof jti);
	assert_int_equal(op(&anna, "{\"op\":\"people.remove\",\"user\":"
	    "\"cleo\"}"), 200);
	begin(ASK_ISSUE, slice_of(jti, sizeof jti));
	q.ttl_s = DAY;
	assert_int_equal(answer(), E_AUTH);
}

static void
a_role_changes_at_once(void **state)
{
	(void)state;
	assert_int_equal(session(&cleo), E_OK);
	assert_int_equal(a.role, ROLE_VIEWER);
	assert_int_equal(op(&anna, "{\"op\":\"people.role\",\"user\":\"cleo\","
	    "\"role\":\"admin\"}"), 200);
	note(NOTE_USER);
	assert_int_equal(a.result, E_OK);
	assert_int_equal(a.role, ROLE_ADMIN);
	assert_int_equal(session(&cleo), E_OK);
	assert_int_equal(a.role, ROLE_ADMIN);
	assert_int_equal(op(&cleo, "{\"op\":\"people.list\"}"), 200);
	assert_int_equal(op(&anna, "{\"op\":\"people.role\",\"user\":\"cleo\","
	    "\"role\":\"boss\"}"), 400);
	assert_int_equal(op(&anna, "{\"op\":\"people.role\",\"user\":\"dora\","
	    "\"role\":\"admin\"}"), 404);
}

static void
the_last_admin_stays(void **state)
{
	(void)state;
	assert_int_equal(op(&anna, "{\"op\":\"people.role\",\"user\":\"anna\","
	    "\"role\":\"member\"}"), 409);
	assert_int_equal(console("{\"op\":\"people.remove\",\"user\":"
	    "\"anna\"}"), 409);
	assert_int_equal(op(&anna, "{\"op\":\"people.role\",\"user\":\"ben\","
	    "\"role\":\"admin\"}"), 200);
	assert_int_equal(op(&ben, "{\"op\":\"people.remove\",\"user\":"
	    "\"anna\"}"), 200);
	assert_int_equal(op(&ben, "{\"op\":\"people.remove\",\"user\":"
	    "\"ben\"}"), 409);
}

static void
names_of_people_are_plain(void **state)
{
	static const struct { const char *user; unsigned want; } t[] = {
		{ "dora", 200 }, { "d.o-r_a", 200 }, { "7", 200 },
		{ "dora", 409 }, { "", 400 }, { "Dora", 400 },
		{ "dora.", 400 }, { "-dora", 400 }, { "do ra", 400 },
		{ "d\\u00f6ra", 400 }, { "shared", 400 }, { "console", 400 },
		{ "abcdefghijklmnopqrstuvwxyz0123456", 400 },
		{ "abcdefghijklmnopqrstuvwxyz012345", 200 },
	};
	char json[200];

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		snprintf(json, sizeof json, "{\"op\":\"people.add\",\"user\":"
		    "\"%s\",\"role\":\"viewer\",\"password\":\"" BENS "\"}",
		    t[i].user);
		if (console(json) != t[i].want)
			fail_msg("%s: %s", t[i].user, text);
	}
}

/* ---- invitations and reset links ---- */

static char invite_id[16], secret[64];

static void
keep_link(void)
{
	snprintf(invite_id, sizeof invite_id, "%s", member("id"));
	snprintf(secret, sizeof secret, "%s", member("secret"));
	assert_int_equal(strlen(secret), 43);
	assert_int_equal(strlen(invite_id), 8);
}

static unsigned
accept_link(const char *user, const char *password)
{
	char json[300];

	snprintf(json, sizeof json, "{\"op\":\"invite.accept\",\"secret\":"
	    "\"%s\"%s%s%s,\"password\":\"%s\"}", secret,
	    *user ? ",\"user\":\"" : "", user, *user ? "\"" : "", password);
	return nobody(json);
}

static unsigned
look(void)
{
	char json[200];

	snprintf(json, sizeof json,
	    "{\"op\":\"invite.look\",\"secret\":\"%s\"}", secret);
	return nobody(json);
}

static void
an_invitation_is_good_once(void **state)
{
	char json[200];

	(void)state;
	assert_int_equal(op(&anna, "{\"op\":\"invites.new\",\"role\":"
	    "\"member\"}"), 200);
	keep_link();
	assert_null(strstr(disk_text("people.json"), secret));
	assert_int_equal(look(), 200);
	snprintf(json, sizeof json, "{\"kind\":\"invite\",\"role\":\"member\","
	    "\"user\":\"\",\"expires\":%u}", NOW + INVITE_S);
	assert_string_equal(text, json);
	assert_int_equal(op(&anna, "{\"op\":\"invites.list\"}"), 200);
	assert_true(has(invite_id));
	assert_true(has("\"role\":\"member\"") && has("\"by\":\"anna\""));
	assert_false(has("secret"));
	/* What is wrong with the answer does not use it up. */
	jobs = 0;
	assert_int_equal(accept_link("anna", BENS), 409);
	assert_int_equal(accept_link("Dora", BENS), 400);
	assert_int_equal(accept_link("dora", "short"), 400);
	assert_int_equal(accept_link("", BENS), 400);
	assert_int_equal(jobs, 0);
	assert_int_equal(accept_link("dora", BENS), 200);
	assert_string_equal(text, "{\"user\":\"dora\",\"role\":\"member\"}");
	assert_int_equal(issue(&cleo, "main", DAY), E_OK);
	assert_int_equal(session(&cleo), E_OK);
	assert_text(a.user, a.user_n, "dora");
	assert_int_equal(look(), 404);
	assert_int_equal(accept_link("emil", BENS), 404);
	again();
	assert_int_equal(accept_link("emil", BENS), 404);
	assert_int_equal(login("dora", BENS), E_OK);
}

static void
two_accept_one_invitation_and_one_gets_in(void **state)
{
	char json[300];
	unsigned won = 0;

	(void)state;
	assert_int_equal(op(&anna, "{\"op\":\"invites.new\",\"role\":"
	    "\"viewer\"}"), 200);
	keep_link();
	for (int i = 0; i < 2; i++) {
		snprintf(json, sizeof json, "{\"op\":\"invite.accept\","
		    "\"secret\":\"%s\",\"user\":\"%s\",\"password\":\"" BENS
		    "\"}", secret, i ? "dora" : "emil");
		ask_op(SL(""), json);
		assert_int_equal(last_for, KEEPER_LATER);
	}
	for (int i = 0; i < 2; i++) {
		last_for = KEEPER_LATER;
		won += finish_op() == 200;
	}
	assert_int_equal(won, 1);
	assert_int_equal(login("emil", BENS), E_OK);
	assert_int_equal(login("dora", BENS), E_AUTH);
}

static void
an_invitation_ends_by_time_or_by_hand(void **state)
{
	char json[100];

	(void)state;
	assert_int_equal(op(&anna, "{\"op\":\"invites.new\",\"role\":"
	    "\"admin\",\"ttl_s\":60}"), 200);
	keep_link();
	now += 60;
	assert_int_equal(accept_link("dora", BENS), 404);
	now -= 1;
	assert_int_equal(look(), 200);
	snprintf(json, sizeof json,
	    "{\"op\":\"invites.revoke\",\"id\":\"%s\"}", invite_id);
	assert_int_equal(op(&ben, json), 403);
	assert_int_equal(op(&anna, json), 200);
	assert_int_equal(look(), 404);
	assert_int_equal(op(&anna, json), 404);
	/* The places of those that are over are used again. */
	for (unsigned i = 0; i < INVITES_MAX; i++)
		assert_int_equal(op(&anna, "{\"op\":\"invites.new\",\"role\":"
		    "\"viewer\",\"ttl_s\":60}"), 200);
	assert_int_equal(op(&anna, "{\"op\":\"invites.new\",\"role\":"
	    "\"viewer\"}"), 409);
	now += 60;
	assert_int_equal(op(&anna, "{\"op\":\"invites.new\",\"role\":"
	    "\"viewer\"}"), 200);
}

static void
a_reset_link_sets_a_password_and_ends_sessions(void **state)
{
	(void)state;
	assert_int_equal(op(&anna, "{\"op\":\"people.reset\",\"user\":"
	    "\"ben\"}"), 200);
	keep_link();
	assert_int_equal(look(), 200);
	assert_true(has("\"kind\":\"reset\",\"role\":\"member\",\"user\":"
	    "\"ben\""));
	assert_int_equal(login("ben", BENS), E_OK);
	assert_int_equal(accept_link("anna", CLEOS), 400);
	assert_int_equal(accept_link("", CLEOS), 200);
	assert_string_equal(text, "{\"user\":\"ben\",\"role\":\"member\"}");
	assert_int_equal(issue(&cleo, "main", DAY), E_OK);
	note(NOTE_USER);
	assert_int_equal(a.result, E_AUTH);
	assert_int_equal(a.jti_n, 0);
	assert_int_equal(session(&ben), E_AUTH);
	assert_int_equal(session(&cleo), E_OK);
	assert_int_equal(login("ben", BENS), E_AUTH);
	assert_int_equal(login("ben", CLEOS), E_OK);
	assert_int_equal(accept_link("", BENS), 404);
	/* One that was made before a password was changed is over. */
	assert_int_equal(op(&anna, "{\"op\":\"people.reset\",\"user\":"
	    "\"anna\"}"), 200);
	keep_link();
	assert_int_equal(op(&anna, "{\"op\":\"me.password\",\"old\":\"" ANNAS
	    "\",\"new\":\"" BENS "\"}"), 200);
	assert_int_equal(look(), 404);
}

/* ---- rights ---- */

/* Each operation by each kind of asker: 401, 403, or anything else. */
static void
rights_are_those_of_the_table(void **state)
{
	/* nobody, viewer, member, admin, token of scope read, of admin */
	static const struct { const char *json; const char *want; } t[] = {
		{ "{\"op\":\"me\"}", "1    " " " },
		{ "{\"op\":\"me.password\",\"old\":\"x\",\"new\":\"y\"}",
		    "1   33" },
		{ "{\"op\":\"people.list\"}", "133 3 " },
		{ "{\"op\":\"people.add\",\"user\":\"x\",\"role\":\"admin\","
		    "\"password\":\"y\"}", "133333" },
		{ "{\"op\":\"people.role\",\"user\":\"x\",\"role\":\"admin\"}",
		    "133 3 " },
		{ "{\"op\":\"people.remove\",\"user\":\"x\"}", "133 3 " },
		{ "{\"op\":\"people.reset\",\"user\":\"x\"}", "133 3 " },
		{ "{\"op\":\"invites.list\"}", "133 3 " },
		{ "{\"op\":\"invites.new\",\"role\":\"x\"}", "133 3 " },
		{ "{\"op\":\"invites.revoke\",\"id\":\"x\"}", "133 3 " },
		{ "{\"op\":\"invite.look\",\"secret\":\"x\"}", "      " },
		{ "{\"op\":\"setup.code\"}", "133333" },
		{ "{\"op\":\"tokens.list\"}", "133 3 " },
		{ "{\"op\":\"tokens.new\",\"kind\":\"x\",\"name\":\"x\"}",
		    "133 3 " },
		{ "{\"op\":\"tokens.revoke\",\"id\":\"x\"}", "133 3 " },
		{ "{\"op\":\"sessions.list\"}", "1     " },
		{ "{\"op\":\"sessions.list\",\"all\":true}", "133 3 " },
		{ "{\"op\":\"sessions.revoke\",\"id\":\"x\"}", "1     " },
		{ "{\"op\":\"access.list\"}", "133 3 " },
		{ "{\"op\":\"access.set\",\"app\":\"x\",\"people\":null}",
		    "133 3 " },
		{ "{\"op\":\"audit.list\"}", "133 3 " },
		{ "{\"op\":\"rotate\"}", "133 3 " },
	};
	char tokens[2][60];
	struct slice by[6] = { SL(""), slice_of(cleo.b, cleo.n),
		slice_of(ben.b, ben.n), slice_of(anna.b, anna.n) };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(op(&anna, i == 0 ? "{\"op\":\"tokens.new\","
		    "\"kind\":\"api\",\"name\":\"r\",\"scopes\":[\"read\"]}" :
		    "{\"op\":\"tokens.new\",\"kind\":\"api\",\"name\":\"a\","
		    "\"scopes\":[\"admin\"]}"), 200);
		snprintf(tokens[i], sizeof tokens[i], "%s", member("token"));
		by[4 + i] = str(tokens[i]);
	}
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
		for (size_t j = 0; j < 6; j++) {
			unsigned status = op_by(by[j], t[i].json);
			unsigned want = t[i].want[j] == ' ' ? 0 :
			    400 + (unsigned)(t[i].want[j] - '0');

			if (want == 0 ? status == 401 || (status == 403 &&
			    !has("old password")) : status != want)
				fail_msg("%s by %zu: %u %s", t[i].json, j,
				    status, text);
		}
}

static void
who_asks_must_show_a_session_that_is_good(void **state)
{
	struct slice jwt = { anna.b, anna.n };

	(void)state;
	for (size_t i = 0; i < anna.n; i += 7) {
		anna.b[i] ^= 1;
		assert_int_equal(op(&anna, "{\"op\":\"me\"}"), 401);
		anna.b[i] ^= 1;
	}
	assert_int_equal(op_by(slice_head(jwt, 10), "{\"op\":\"me\"}"), 401);
	assert_int_equal(op_by(SL("adit_p"), "{\"op\":\"me\"}"), 401);
	assert_int_equal(op_by(SL(TOKEN), "{\"op\":\"me\"}"), 401);
	assert_int_equal(op(&anna, "{\"op\":\"me\"}"), 200);
	now += DAY;
	assert_int_equal(op(&anna, "{\"op\":\"me\"}"), 401);
	assert_int_equal(a.user_n + a.jti_n + a.role, 0);
}

static void
questions_of_another_form_are_refused(void **state)
{
	static const struct { const char *json; unsigned want; } t[] = {
		{ "", 400 }, { "{}", 400 }, { "[]", 400 }, { "7", 400 },
		{ "{\"op\":\"me\"", 400 }, { "{\"op\":7}", 400 },
		{ "{\"op\":\"\"}", 400 }, { "{\"op\":\"me\",\"x\":1}", 400 },
		{ "{\"op\":\"me\",\"op\":\"me\"}", 400 },
		{ "{\"op\":\"me\",\"user\":\"anna\"}", 400 },
		{ "{\"op\":\"me\",\"user\":7}", 400 },
		{ "{\"op\":\"nothing\"}", 404 },
		{ "{\"op\":\"people.role\",\"user\":\"ben\"}", 400 },
		{ "{\"op\":\"people.list\",\"after\":\"x\"}", 400 },
		{ "{\"op\":\"people.list\",\"after\":7}", 400 },
		{ "{\"op\":\"sessions.list\",\"all\":1}", 400 },
		{ "{\"op\":\"invites.new\",\"role\":\"admin\",\"ttl_s\":-1}",
		    400 },
		{ "{\"op\":\"invites.new\",\"role\":\"admin\",\"ttl_s\":"
		    "9007199254740993}", 400 },
		{ "{\"op\":\"tokens.new\",\"kind\":\"api\",\"name\":\"x\","
		    "\"scopes\":[\"all\"]}", 400 },
		{ "{\"op\":\"tokens.new\",\"kind\":\"api\",\"name\":\"x\","
		    "\"scopes\":[\"read\",\"read\"]}", 400 },
		{ "{\"op\":\"tokens.new\",\"kind\":\"api\",\"name\":\"x\"}",
		    400 },
		{ "{\"op\":\"tokens.new\",\"kind\":\"agent\",\"name\":\"x\","
		    "\"scopes\":[\"read\"]}", 400 },
		{ "{\"op\":\"tokens.new\",\"kind\":\"agent\",\"name\":\"\"}",
		    400 },
		{ "{\"op\":\"tokens.new\",\"kind\":\"agent\",\"name\":"
		    "\"a\\u0007b\"}", 400 },
		{ "{\"op\":\"tokens.new\",\"kind\":\"agent\",\"name\":"
		    "\"a\\u0085b\"}", 400 },
		{ "{\"op\":\"tokens.new\",\"kind\":\"agent\",\"name\":\"x\","
		    "\"agent\":\"a--b\"}", 400 },
		{ "{\"op\":\"access.set\",\"app\":\"web\",\"people\":null}",
		    400 },
		{ "{\"op\":\"access.set\",\"app\":\"mac/web\",\"people\":"
		    "[\"dora\"]}", 400 },
		{ "{\"op\":\"access.set\",\"app\":\"mac/web\",\"people\":"
		    "\"ben\"}", 400 },
		{ "{\"op\":\"me\",\"user\":\"\\ud800\"}", 400 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
		if (op(&anna, t[i].json) != t[i].want)
			fail_msg("%s: %u %s", t[i].json, a.status, text);
}

/* ---- tokens ---- */

static char token_id[16], token[64];

static void
new_token(const char *rest)
{
	char json[200];

	snprintf(json, sizeof json, "{\"op\":\"tokens.new\",%s}", rest);
	assert_int_equal(op(&anna, json), 200);
	snprintf(token_id, sizeof token_id, "%s", member("id"));
	snprintf(token, sizeof token, "%s", member("token"));
	assert_int_equal(strlen(token), 49);
	assert_null(strstr(disk_text("tokens.json"), token));
}

static void
a_token_opens_its_kind_of_door_only(void **state)
{
	static const struct {
		const char *rest, *prefix;
		enum ask_kind kind;
	} t[] = {
		{ "\"kind\":\"agent\",\"name\":\"x\"", "adit_a", ASK_TOKEN },
		{ "\"kind\":\"api\",\"name\":\"x\",\"scopes\":[\"apps\","
		    "\"metrics\"]", "adit_p", ASK_BEARER },
		{ "\"kind\":\"channel\",\"name\":\"x\"", "adit_c",
		    ASK_CHANNEL_KEY },
	};
	static const enum ask_kind kinds[] = { ASK_TOKEN, ASK_BEARER,
		ASK_CHANNEL_KEY };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		new_token(t[i].rest);
		assert_memory_equal(token, t[i].prefix, 6);
		for (size_t j = 0; j < 3; j++) {
			assert_int_equal(ask_text(kinds[j], str(token)),
			    kinds[j] == t[i].kind ? E_OK : E_AUTH);
			assert_int_equal(a.credential != 0,
			    kinds[j] == t[i].kind);
		}
	}
	new_token("\"kind\":\"api\",\"name\":\"deploy\",\"scopes\":[\"apps\","
	    "\"metrics\"]");
	assert_int_equal(ask_text(ASK_BEARER, str(token)), E_OK);
	assert_int_equal(a.scopes, SCOPE_APPS | SCOPE_METRICS);
	assert_int_equal(a.role, ROLE_MEMBER);
	assert_text(a.user, a.user_n, "token:deploy");
	new_token("\"kind\":\"agent\",\"name\":\"x\",\"agent\":\"mac\"");
	assert_int_equal(ask_text(ASK_TOKEN, str(token)), E_OK);
	assert_text(a.user, a.user_n, "mac");
	assert_int_equal(a.expires_s, 0);
}

static void
credentials_are_never_given_twice(void **state)
{
	uint32_t last = KEEPER_TOKEN_FIRST - 1;
	char json[100];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		new_token("\"kind\":\"agent\",\"name\":\"x\"");
		assert_int_equal(ask_text(ASK_TOKEN, str(token)), E_OK);
		assert_true(a.credential > last);
		last = a.credential;
		if (i % 2 == 1) {
			snprintf(json, sizeof json, "{\"op\":\"tokens.revoke\""
			    ",\"id\":\"%s\"}", token_id);
			assert_int_equal(op(&anna, json), 200);
			note(NOTE_CREDENTIAL);
			assert_int_equal(a.credential, last);
			assert_int_equal(ask_text(ASK_TOKEN, str(token)),
			    E_AUTH);
			assert_int_equal(op(&anna, json), 404);
		}
		again();
		assert_int_equal(ask_text(ASK_TOKEN, str(token)),
		    i % 2 == 1 ? E_AUTH : E_OK);
		assert_true(i % 2 == 1 || a.credential == last);
	}
	assert_true(keeper_has_agent_token(&k));
}

static void
a_token_expires_and_tells_when_it_was_used(void **state)
{
	(void)state;
	new_token("\"kind\":\"api\",\"name\":\"x\",\"scopes\":[\"read\"],"
	    "\"ttl_s\":100");
	assert_int_equal(op(&anna, "{\"op\":\"tokens.list\"}"), 200);
	assert_true(has("\"used\":0,") && has("\"expires\":1700000100,"));
	assert_false(has("hash"));
	now += 99;
	assert_int_equal(ask_text(ASK_BEARER, str(token)), E_OK);
	assert_int_equal(a.expires_s, NOW + 100);
	assert_int_equal(op(&anna, "{\"op\":\"tokens.list\"}"), 200);
	assert_true(has("\"used\":1700000099,"));
	now += 1;
	assert_int_equal(ask_text(ASK_BEARER, str(token)), E_EXPIRED);
	assert_int_equal(op_by(str(token), "{\"op\":\"me\"}"), 401);
}

/* ---- sessions and access ---- */

static void
everybody_sees_and_ends_their_own_sessions(void **state)
{
	struct token_text other;
	char json[100], id[16];

	(void)state;
	enter(&other, "ben", BENS);
	assert_int_equal(op(&ben, "{\"op\":\"sessions.list\"}"), 200);
	assert_true(has("\"user\":\"ben\"") && !has("\"user\":\"anna\""));
	assert_true(has("\"from\":\"192.0.2.7\",\"device\":\"Firefox\""));
	assert_true(has("\"mine\":true,\"current\":true"));
	assert_true(has("\"mine\":true,\"current\":false"));
	assert_int_equal(op(&anna, "{\"op\":\"sessions.list\",\"all\":true}"),
	    200);
	assert_true(has("\"user\":\"ben\"") && has("\"user\":\"cleo\""));
	memcpy(id, other.jti, SESSION_ID_CHARS);
	id[SESSION_ID_CHARS] = '\0';
	snprintf(json, sizeof json,
	    "{\"op\":\"sessions.revoke\",\"id\":\"%s\"}", id);
	assert_int_equal(op(&cleo, json), 404);
	assert_int_equal(session(&other), E_OK);
	assert_int_equal(op(&ben, json), 200);
	note(NOTE_SESSION);
	assert_memory_equal(a.jti, other.jti, JTI_CHARS);
	assert_int_equal(session(&other), E_AUTH);
	memcpy(id, ben.jti, SESSION_ID_CHARS);
	snprintf(json, sizeof json,
	    "{\"op\":\"sessions.revoke\",\"all\":false,\"id\":\"%s\"}", id);
	assert_int_equal(op(&anna, json), 404);
	assert_int_equal(session(&ben), E_OK);
	snprintf(json, sizeof json,
	    "{\"op\":\"sessions.revoke\",\"id\":\"%s\"}", id);
	assert_int_equal(op(&anna, json), 200);
	assert_int_equal(session(&ben), E_AUTH);
	assert_int_equal(session(&anna), E_OK);
}

static enum err
may_open(const struct token_text *t, const char *app)
{
	begin(ASK_ACCESS, str(app));
	if (t != NULL)
		SET(q, by, slice_of(t->jti, JTI_CHARS));
	return answer();
}

static void
named_people_means_those_and_nobody_else(void **state)
{
	(void)state;
	assert_int_equal(may_open(&anna, "mac/web"), E_OK);
	assert_int_equal(may_open(&ben, "mac/web"), E_OK);
	assert_int_equal(may_open(&cleo, "mac/web"), E_AUTH);
	assert_int_equal(session(&anna), E_OK);
	assert_int_equal(a.rules, 0);
	assert_int_equal(op(&anna, "{\"op\":\"access.set\",\"app\":\"mac/web\","
	    "\"people\":[\"ben\",\"cleo\"]}"), 200);
	for (int i = 0; i < 2; i++) {
		/* Also after a restart. */
		note(NOTE_FLUSH);
		assert_text(a.text, a.text_n, "mac/web\n");
		assert_int_equal(session(&anna), E_OK);
		assert_int_equal(a.rules, 1);
		assert_int_equal(may_open(&anna, "mac/web"), E_AUTH);
		assert_int_equal(may_open(&ben, "mac/web"), E_OK);
		assert_int_equal(may_open(&cleo, "mac/web"), E_AUTH);
		assert_int_equal(may_open(NULL, "mac/web"), E_AUTH);
		assert_int_equal(may_open(NULL, "mac/other"), E_OK);
		assert_int_equal(may_open(&anna, "mac/other"), E_OK);
		again();
	}
	assert_int_equal(op(&anna, "{\"op\":\"access.set\",\"app\":\"mac/web\","
	    "\"people\":null}"), 200);
	assert_int_equal(may_open(&anna, "mac/web"), E_OK);
	assert_int_equal(op(&anna, "{\"op\":\"access.list\"}"), 200);
	assert_string_equal(text, "{\"rows\":[]}");
	begin(ASK_ACCESS, SL("mac/web"));
	SET(q, by, SL("nobody"));
	assert_int_equal(answer(), E_AUTH);
}

static unsigned
name_ben_for(unsigned app)
{
	char json[100];
	unsigned status;

	snprintf(json, sizeof json, "{\"op\":\"access.set\",\"app\":"
	    "\"mac/a%u\",\"people\":[\"ben\"]}", app);
	status = console(json);
	while (keeper_note(&k, &a))
		;
	return status;
}

static void
one_rule_too_many_takes_the_place_of_none(void **state)
{
	char name[16];

	(void)state;
	for (unsigned i = 0; i < RULES_MAX; i++)
		assert_int_equal(name_ben_for(i), 200);
	assert_int_equal(name_ben_for(RULES_MAX), 409);
	assert_int_equal(name_ben_for(7), 200);         /* is there already */
	for (unsigned i = 0; i <= RULES_MAX; i++) {
		snprintf(name, sizeof name, "mac/a%u", i);
		assert_int_equal(may_open(&anna, name), i < RULES_MAX ?
		    E_AUTH : E_OK);
	}
}

/* ---- lists, the audit log, rotation ---- */

static void
lists_are_paged_without_gaps(void **state)
{
	char json[100], cursor[40] = "", want[40];
	unsigned rows = 0, pages = 0;

	(void)state;
	for (unsigned i = 3; i < PEOPLE_MAX; i++) {
		struct person_row *p = &k.people.rows[i];

		*p = k.people.rows[1];
		p->serial = k.people.next++;
		p->name.n = (uint8_t)snprintf((char *)p->name.b, USER_MAX,
		    "person-number-%u-of-many", i);
	}
	do {
		const char *at = text;

		snprintf(json, sizeof json, "{\"op\":\"people.list\"%s%s%s}",
		    *cursor ? ",\"after\":\"" : "", cursor,
		    *cursor ? "\"" : "");
		assert_int_equal(op(&anna, json), 200);
		pages++;
		while ((at = strstr(at, "{\"user\":")) != NULL) {
			snprintf(want, sizeof want, "person-number-%u-", rows);
			assert_true(rows < 3 || strstr(at, want) == at + 9);
			rows++;
			at++;
		}
		cursor[0] = '\0';
		if (has("\"next\":"))
			snprintf(cursor, sizeof cursor, "%s", member("next"));
	} while (*cursor);
	assert_int_equal(rows, PEOPLE_MAX);
	assert_true(pages > 5);
	assert_int_equal(op(&anna, "{\"op\":\"people.list\",\"after\":"
	    "\"999\"}"), 200);
	assert_string_equal(text, "{\"rows\":[]}");
}

static void
the_audit_log_tells_all_but_secrets(void **state)
{
	static const char *const what[] = { "people.add", "login",
		"me.password", "people.role", "people.reset", "invites.new",
		"invite.accept", "tokens.new", "tokens.revoke", "access.set",
		"sessions.revoke", "rotate", "logout", "people.remove" };
	char json[100], line[100], id[16];
	char found[5][64];

	(void)state;
	assert_int_equal(op(&anna, "{\"op\":\"me.password\",\"old\":\"" ANNAS
	    "\",\"new\":\"a new password\"}"), 200);
	assert_int_equal(op(&anna, "{\"op\":\"people.role\",\"user\":\"ben\","
	    "\"role\":\"viewer\"}"), 200);
	assert_int_equal(op(&anna, "{\"op\":\"people.reset\",\"user\":"
	    "\"ben\"}"), 200);
	keep_link();
	memcpy(found[0], secret, sizeof secret);
	assert_int_equal(op(&anna, "{\"op\":\"invites.new\",\"role\":"
	    "\"viewer\"}"), 200);
	keep_link();
	memcpy(found[1], secret, sizeof secret);
	assert_int_equal(accept_link("dora", "another password"), 200);
	new_token("\"kind\":\"agent\",\"name\":\"mac\"");
	memcpy(found[2], token, sizeof token);
	snprintf(json, sizeof json, "{\"op\":\"tokens.revoke\",\"id\":\"%s\"}",
	    token_id);
	assert_int_equal(op(&anna, json), 200);
	assert_int_equal(op(&anna, "{\"op\":\"access.set\",\"app\":\"mac/web\","
	    "\"people\":[\"ben\"]}"), 200);
	memcpy(id, cleo.jti, SESSION_ID_CHARS);
	id[SESSION_ID_CHARS] = '\0';
	snprintf(json, sizeof json,
	    "{\"op\":\"sessions.revoke\",\"id\":\"%s\"}", id);
	assert_int_equal(op(&anna, json), 200);
	assert_int_equal(op(&anna, "{\"op\":\"rotate\"}"), 200);
	assert_int_equal(ask_text(ASK_REVOKE, slice_of(ben.b, ben.n)),
	    E_OK);
	assert_int_equal(op(&anna, "{\"op\":\"people.remove\",\"user\":"
	    "\"ben\"}"), 200);
	memcpy(found[3], ANNAS, sizeof ANNAS);
	memcpy(found[4], anna.jti, JTI_CHARS);
	found[4][JTI_CHARS] = '\0';
	for (size_t i = 0; i < sizeof what / sizeof what[0]; i++) {
		snprintf(line, sizeof line, "\"what\":\"%s\"", what[i]);
		if (strstr(disk_text("audit.log"), line) == NULL)
			fail_msg("no line for %s", what[i]);
	}
	for (size_t i = 0; i < 5; i++)
		assert_null(strstr(disk_text("audit.log"), found[i]));
	assert_null(strstr(disk_text("audit.log"), "a new password"));
	assert_null(strstr(disk_text("audit.log"), "another password"));
	assert_int_equal(op(&anna, "{\"op\":\"audit.list\"}"), 200);
	assert_true(has("\"who\":\"anna\",\"from\":\"198.51.100.9\",\"what\":"
	    "\"people.remove\",\"on\":\"ben\""));
	assert_true(has("\"who\":\"console\",\"what\":\"people.add\""));
	assert_true(has("\"who\":\"anna\",\"from\":\"192.0.2.7\",\"what\":"
	    "\"login\""));
}

static void
rotation_ends_no_session_and_the_old_secret_in_time(void **state)
{
	struct token_text late;

	(void)state;
	assert_int_equal(op(&anna, "{\"op\":\"rotate\"}"), 200);
	now += DAY / 2;
	enter(&late, "anna", ANNAS);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(session(&anna), E_OK);
		assert_int_equal(session(&late), E_OK);
		again();
	}
	/* The second time, those of the first are too old. */
	assert_int_equal(op(&late, "{\"op\":\"rotate\"}"), 200);
	assert_int_equal(session(&anna), E_AUTH);
	assert_int_equal(session(&late), E_OK);
	now += DAY - 1;
	assert_int_equal(session(&late), E_OK);
	now += 1;
	assert_int_not_equal(session(&late), E_OK);
	/* Where the secret is a setting, it is changed there. */
	start(JWT_A, "", TOKEN);
	assert_int_equal(console("{\"op\":\"rotate\"}"), 409);
	assert_int_equal(session(&late), E_AUTH);
}

static void
with_no_room_for_notes_nothing_is_changed(void **state)
{
	unsigned n = 0;

	(void)state;
	while (op(&anna, n % 2 ? "{\"op\":\"people.role\",\"user\":\"ben\","
	    "\"role\":\"viewer\"}" : "{\"op\":\"people.role\",\"user\":\"ben\","
	    "\"role\":\"member\"}") == 200)
		n++;
	assert_int_equal(a.status, 429);
	assert_true(n >= KEEPER_NOTES - NOTES_OF_ONE && n <= KEEPER_NOTES);
	assert_int_equal(login("ben", BENS), E_OK);
	assert_int_equal(issue(&cleo, "main", DAY), E_FULL);
	while (n-- > 0)
		note(NOTE_USER);
	no_note();
	assert_int_equal(op(&anna, "{\"op\":\"me\"}"), 200);
}

/* ---- a disk that fails ---- */

/* Until `rotate`, also for a crash. */
static const char *const changes[] = {
	"{\"op\":\"me.password\",\"old\":\"" ANNAS "\",\"new\":\"" CLEOS "\"}",
	"{\"op\":\"people.role\",\"user\":\"ben\",\"role\":\"admin\"}",
	"{\"op\":\"people.remove\",\"user\":\"ben\"}",
	"{\"op\":\"people.reset\",\"user\":\"ben\"}",
	"{\"op\":\"invites.new\",\"role\":\"viewer\"}",
	"{\"op\":\"tokens.new\",\"kind\":\"agent\",\"name\":\"x\"}",
	"{\"op\":\"access.set\",\"app\":\"mac/web\",\"people\":[\"ben\"]}",
	"{\"op\":\"rotate\"}",
	"tokens.revoke", "sessions.revoke",     /* see change_of */
};

enum { CRASH_CHANGES = 7 };

static const char *
change_of(size_t i)
{
	static char json[100];
	bool is_token = strcmp(changes[i], "tokens.revoke") == 0;

	if (changes[i][0] == '{')
		return changes[i];
	snprintf(json, sizeof json, "{\"op\":\"%s\",\"id\":\"%.*s\"}",
	    changes[i], is_token ? (int)sizeof token_id : SESSION_ID_CHARS,
	    is_token ? token_id : (const char *)cleo.jti);
	return json;
}

static const char *const lists[] = { "{\"op\":\"people.list\"}",
	"{\"op\":\"invites.list\"}", "{\"op\":\"tokens.list\"}",
	"{\"op\":\"access.list\"}" };

/* All that can be asked about the state, as text. */
static void
picture(char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(console(lists[i]), 200);
		n += (size_t)snprintf(out + n, cap - n, "%s\n", text);
		assert_true(n < cap);
	}
	n += (size_t)snprintf(out + n, cap - n, "%d %d %d %d %d",
	    session(&anna), session(&ben), session(&cleo),
	    login("anna", ANNAS), login("ben", BENS));
	assert_true(n < cap);
}

/*
 * Every change, with each of its writes failing first; of an append some bytes
 * may be there. Refused: it is as before, now and after a restart. Not refused
 * (what failed may wait): it has happened, also after a restart.
 */
static void
a_change_that_cannot_be_written_has_not_happened(void **state)
{
	static char before[20000], after[20000], restarted[20000];

	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		bool done = false;

		for (unsigned step = 1; !done; step++) {
			for (size_t torn = 0; torn < 200; torn += 23) {
				unsigned status;

				three(state);
				new_token("\"kind\":\"agent\","
				    "\"name\":\"mac\"");
				picture(before, sizeof before);
				disk.torn = torn;
				disk.fail_at = disk.writes + step;
				status = op(&anna, change_of(i));
				done = disk.writes < disk.fail_at;
				disk.fail_at = 0;
				while (keeper_note(&k, &a))
					;
				picture(after, sizeof after);
				again();
				picture(restarted, sizeof restarted);
				if (status != 500)
					assert_int_equal(status, 200);
				else
					assert_string_equal(after, before);
				/* Who changed their password logs in again. */
				if (status == 500 || i > 0)
					assert_string_equal(restarted, after);
			}
			assert_true(step < 8);
		}
	}
}

/* Power fails between two writes, or within an append: what the disk then has
 * is the state before or after, and the relay starts. */
static void
a_crash_anywhere_leaves_the_old_or_the_new_state(void **state)
{
	static char before[20000], after[20000], found[20000];

	for (size_t i = 0; i < CRASH_CHANGES; i++) {
		bool done = false;

		for (unsigned step = 1; !done; step++) {
			three(state);
			picture(before, sizeof before);
			disk.torn = 11 * step;
			disk.fail_at = disk.writes + step;
			(void)op(&anna, changes[i]);
			done = disk.writes < disk.fail_at;
			if (done)
				picture(after, sizeof after);
		}
		for (unsigned step = 1; step < 6; step++) {
			three(state);
			disk.torn = 11 * step;
			disk.fail_at = disk.writes + step;
			(void)op(&anna, changes[i]);
			disk.fail_at = 0;
			/* Dead: nothing of memory is left. */
			keeper_wipe(&k);
			again();
			picture(found, sizeof found);
			if (i == 0) {
				/* anna logs in again, at worst */
				assert_true(login("anna", ANNAS) == E_OK ||
				    login("anna", CLEOS) == E_OK);
				continue;
			}
			if (i >= 3 && i <= 5) {
				/* a new random id, or none */
				assert_int_equal(session(&anna), E_OK);
				continue;
			}
			assert_true(strcmp(found, before) == 0 ||
			    strcmp(found, after) == 0);
		}
	}
}

int
main(void)
{
#define E(f) cmocka_unit_test_setup(f, empty)
#define T(f) cmocka_unit_test_setup(f, three)
	const struct CMUnitTest tests[] = {
		E(the_setup_code_makes_the_first_admin),
		E(the_first_account_is_an_admin),
		E(of_two_racers_one_wins),
		E(five_wrong_codes_or_an_hour_end_it),
		E(a_shared_password_and_accounts_exclude_each_other),
		T(who_does_not_exist_costs_the_same_work),
		T(one_is_stretched_and_eight_wait),
		T(no_password_stays_with_the_keeper),
		T(a_hasher_that_fails_is_an_error_and_no_login),
		T(a_dearer_cost_is_taken_at_the_next_login),
		T(another_password_ends_the_other_sessions),
		T(removing_somebody_ends_all_that_was_theirs),
		T(a_login_under_way_of_who_is_removed_fails),
		T(a_role_changes_at_once),
		T(the_last_admin_stays),
		T(names_of_people_are_plain),
		T(an_invitation_is_good_once),
		T(two_accept_one_invitation_and_one_gets_in),
		T(an_invitation_ends_by_time_or_by_hand),
		T(a_reset_link_sets_a_password_and_ends_sessions),
		T(rights_are_those_of_the_table),
		T(who_asks_must_show_a_session_that_is_good),
		T(questions_of_another_form_are_refused),
		T(a_token_opens_its_kind_of_door_only),
		T(credentials_are_never_given_twice),
		T(a_token_expires_and_tells_when_it_was_used),
		T(everybody_sees_and_ends_their_own_sessions),
		T(named_people_means_those_and_nobody_else),
		T(one_rule_too_many_takes_the_place_of_none),
		T(lists_are_paged_without_gaps),
		T(the_audit_log_tells_all_but_secrets),
		T(rotation_ends_no_session_and_the_old_secret_in_time),
		T(with_no_room_for_notes_nothing_is_changed),
		T(a_change_that_cannot_be_written_has_not_happened),
		T(a_crash_anywhere_leaves_the_old_or_the_new_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
