/*
 * Accounts as the relay sees them: logging in by name, guesses, what roles and
 * tokens may open, and what ends when the keeper says so. The keeper is the
 * test's (fake_keeper.h).
 */
#include "fake_keeper.h"

#define LOGIN "/_adit/api/auth/login"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define NAVIGATE "Sec-Fetch-Mode: navigate\r\n"
#define BEARER "Authorization: Bearer adit_pTEST\r\n"

enum { ANN, MEM, VIC };

static unsigned
send_to(struct cl *c, const char *line, const char *fields, const char *body)
{
	static char area[40000];

	snprintf(area, sizeof area, "%s HTTP/1.1\r\n" HOST "%s"
	    "Content-Length: %zu\r\n\r\n%s", line, fields, strlen(body), body);
	return cl_ask(c, area);
}

static unsigned
login(const char *ip, const char *user, const char *password,
    const char *fields)
{
	struct cl *c = cl_new(&g, ip, NULL);
	char body[400];
	unsigned status;

	snprintf(body, sizeof body, "{\"user\":\"%s\",\"password\":\"%s\"}",
	    user, password);
	status = send_to(c, "POST " LOGIN, fields, body);
	cl_close(c, false);
	return status;
}

static void
begin_people(const char *root)
{
	begin();
	g.cfg.root = slice_of(root, strlen(root));
	fake_start();
}

static void
people_log_in_by_name(void **state)
{
	struct cl *c;
	char wrong[2][400];

	(void)state;
	begin_people("dashboard");
	c = cl_new(&g, C1, NULL);
	assert_int_equal(get(c, "/login", NAVIGATE), 200);
	assert_true(cl_body_has(c, "name=\"user\""));
	assert_int_equal(send_to(c, "POST /login", FORM,
	    "user=m%22em&password=x&next=%2Fz"), 401);
	assert_true(cl_body_has(c, "value=\"m&quot;em\""));
	assert_int_equal(send_to(c, "POST /login", FORM
	    "User-Agent: Lynx/2.9\r\n",
	    "user=mem&password=password-mem&next=%2Fz"), 303);
	assert_true(cl_head_has(c, "Set-Cookie: adit=JWT.session-0;"));
	assert_true(cl_head_has(c, "Set-Cookie: adit-device="));
	assert_int_equal(send_to(c, "POST " LOGIN, "",
	    "{\"user\":\"ann\",\"password\":\"password-ann\"}"), 200);
	/* No name, another name, another password: one answer. */
	assert_int_equal(send_to(c, "POST " LOGIN, "",
	    "{\"user\":\"ann\",\"password\":\"password-mem\"}"), 401);
	snprintf(wrong[0], sizeof wrong[0], "%s", c->body.p);
	assert_int_equal(send_to(c, "POST " LOGIN, "",
	    "{\"user\":\"zoe\",\"password\":\"password-mem\"}"), 401);
	snprintf(wrong[1], sizeof wrong[1], "%s", c->body.p);
	assert_string_equal(wrong[0], wrong[1]);
	assert_int_equal(send_to(c, "POST " LOGIN, "",
	    "{\"password\":\"password-mem\"}"), 401);
	/* Too many are being looked at. */
	fake.full = true;
	assert_int_equal(send_to(c, "POST " LOGIN, "",
	    "{\"user\":\"ann\",\"password\":\"password-ann\"}"), 429);
	assert_true(cl_head_has(c, "Retry-After: "));
	rig_close(&g);
}

/* From `n` addresses, wrong passwords until no more are looked at. */
static unsigned
guess(unsigned first, unsigned n, const char *user)
{
	unsigned tried = 0;

	for (unsigned i = first; i < first + n; i++) {
		char ip[40];

		snprintf(ip, sizeof ip, "198.18.0.%u", i);
		while (login(ip, user, "wrong", "") == 401)
			tried++;
	}
	return tried;
}

static void
guesses_refuse_nobody_elses_password(void **state)
{
	char dev[700];
	struct cl *c;
	unsigned n;

	(void)state;
	begin_people("dashboard");
	c = cl_new(&g, C3, NULL);
	assert_int_equal(send_to(c, "POST " LOGIN, "",
	    "{\"user\":\"ann\",\"password\":\"password-ann\"}"), 200);
	snprintf(dev, sizeof dev, "Cookie: %.*s\r\n", (int)strcspn(
	    strstr(c->head.p, "adit-device="), ";"),
	    strstr(c->head.p, "adit-device="));
	/* One address: its tries for that name, and still some for another. */
	assert_int_equal(guess(1, 1, "ann"), TRIES_BURST);
	assert_int_equal(login("198.18.0.1", "mem", "password-mem", ""), 200);
	/* Many addresses: once the name's allowance is gone, three each. */
	n = guess(2, 10, "ann");
	assert_true(n < 10 * TRIES_BURST);
	assert_int_equal(guess(20, 3, "ann"), 3 * GUESSED_BURST);
	/* Its owner still gets in: from an address not seen before, */
	assert_int_equal(login(C2, "ann", "password-ann", ""), 200);
	/* and, where guesses come from too, by a browser that is known. */
	assert_int_equal(guess(1, 1, "ann"), 0);
	assert_int_equal(login("198.18.0.1", "ann", "password-ann", ""), 429);
	assert_int_equal(login("198.18.0.1", "ann", "password-ann", dev), 200);
	/* An address has an end as well, whatever the names. */
	n = 0;
	for (unsigned i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof name, "n%u", i);
		n += login("198.18.1.1", name, "wrong", "") == 401;
	}
	assert_in_range(n, ADDRESS_BURST, ADDRESS_BURST + 5);
	while (login("198.18.1.1", "zoe", "wrong", "") == 401)
		continue;
	/* A device speaks for who logged in on it, and for nobody else. */
	assert_int_equal(login("198.18.1.1", "mem", "password-mem", dev), 429);
	assert_int_equal(login("198.18.1.1", "ann", "password-ann", dev), 200);
	/* Time brings one more try there. */
	rig_run(&g, GUESSED_MS);
	assert_int_equal(login("198.18.0.2", "ann", "password-ann", ""), 200);
	rig_close(&g);
}

static void
roles_open_what_they_may(void **state)
{
	struct cl *c;
	struct as *s;
	const char *mem;

	(void)state;
	begin_people("web");
	c = cl_new(&g, C1, NULL);
	/* A viewer opens nothing, */
	assert_int_equal(get(c, "/x", fake_cookie(VIC)), 403);
	assert_true(cl_body_has(c, "{\"error\":"));
	assert_int_equal(web->nstreams, 0);
	/* but sees what is there. */
	assert_int_equal(get(c, "/api/relay/status", fake_cookie(VIC)), 200);
	assert_true(cl_body_has(c, "\"agents\":[{\"name\":\"mac\""));
	/* A member does, and the app is told who it is. */
	mem = fake_cookie(MEM);
	cl_put(c, "GET /x HTTP/1.1\r\n" HOST);
	cl_put(c, mem);
	cl_put(c, "\r\n");
	s = asked(1);
	assert_true(as_has(s, "X-Forwarded-User: mem\r\n"
	    "X-Forwarded-Groups: member\r\n"));
	assert_string_equal(s->user, "mem");
	assert_int_equal(answered(c, s, OK2), 200);
	/* Named people: mem is none of them. */
	fake.rules = 1;
	fake.may = "ann";
	assert_int_equal(get(c, "/api/relay/status", mem), 200);
	assert_true(cl_body_has(c, "\"people\":false"));
	assert_false(cl_body_has(c, "\"people\":true"));
	fake_note(NOTE_FLUSH, "", "", 0, 0, "ma/cweb\nmac/web\n");
	assert_int_equal(get(c, "/api/relay/status", mem), 200);
	assert_true(cl_body_has(c, "\"name\":\"web\",\"url\":\"/\",\"public\":"
	    "false,\"people\":true"));
	assert_int_equal(get(c, "/x", mem), 403);
	assert_true(cl_body_has(c, "named"));
	assert_int_equal(fake.accesses, 1);
	/* It is asked once, */
	assert_int_equal(get(c, "/x", mem), 403);
	assert_int_equal(fake.accesses, 1);
	/* and again after a change. */
	fake.may = "mem";
	fake_note(NOTE_FLUSH, "", "", 0, 0, "");
	cl_put(c, req("GET /y", ""));
	rig_settle(&g);
	cl_take(c, false);      /* the rig's own cookie is nobody's here */
	cl_put(c, "GET /z HTTP/1.1\r\n" HOST);
	cl_put(c, mem);
	cl_put(c, "\r\n");
	rig_settle(&g);
	assert_true(as_has(ag_last(web), "GET /z "));
	assert_int_equal(answered(c, ag_last(web), OK2), 200);
	assert_int_equal(fake.accesses, 2);
	rig_close(&g);
}

static void
tokens_open_by_scope(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_people("web");
	c = cl_new(&g, C1, NULL);
	assert_int_equal(get(c, "/x", BEARER), 401);
	fake.scopes = SCOPE_READ;
	assert_int_equal(get(c, "/x", BEARER), 403);
	assert_int_equal(get(c, "/api/relay/status", BEARER), 200);
	assert_true(cl_body_has(c, "\"agents\":"));
	fake.scopes = SCOPE_APPS;
	fake_note(NOTE_CREDENTIAL, "", "", 0, 77, "");
	cl_put(c, "GET /x HTTP/1.1\r\n" HOST BEARER "\r\n");
	s = asked(1);
	assert_true(as_has(s, "X-Forwarded-User: token:ci\r\n"));
	assert_false(as_has(s, "adit_p"));
	assert_int_equal(answered(c, s, OK2), 200);
	/* Status is not for it. */
	assert_int_equal(get(c, "/api/relay/status", BEARER), 200);
	assert_false(cl_body_has(c, "\"agents\":"));
	/* Another's token is the app's affair. */
	assert_int_equal(get(c, "/x", "Authorization: Bearer other\r\n"), 401);
	rig_close(&g);
}

/* A WebSocket of u[i] to the app; its stream. */
static struct as *
open_ws_with(struct cl *c, const char *fields)
{
	cl_put(c, "GET /ws HTTP/1.1\r\n" HOST UPGRADE VERSION KEY);
	cl_put(c, fields);
	cl_put(c, "\r\n");
	return switched(c);
}

static bool
was_closed_1008(const struct cl *c)
{
	static const char close[] = "\x88\x0f\x03\xf0" "session ended";

	return c->in.n == sizeof close - 1 &&
	    memcmp(c->in.p, close, c->in.n) == 0;
}

static void
what_runs_ends_with_its_session(void **state)
{
	static const struct {
		unsigned kind, user, role; const char *jti; uint32_t credential;
		bool ends[3];           /* of ann, of mem, of the token */
	} rows[] = {
		{ NOTE_SESSION, ANN, 0, "session-0", 0, { true } },
		{ NOTE_SESSION, ANN, 0, "session-9", 0, { false } },
		{ NOTE_USER, MEM, ROLE_NONE, "", 0, { false, true } },
		{ NOTE_USER, MEM, ROLE_VIEWER, "", 0, { false, true } },
		{ NOTE_USER, MEM, ROLE_ADMIN, "", 0, { false } },
		{ NOTE_USER, MEM, ROLE_MEMBER, "session-0", 0,
		    { false, true } },
		{ NOTE_USER, MEM, ROLE_MEMBER, "session-1", 0, { false } },
		{ NOTE_CREDENTIAL, ANN, 0, "", 77, { false, false, true } },
		{ NOTE_CREDENTIAL, ANN, 0, "", 78, { false } },
		{ NOTE_FLUSH, ANN, 0, "", 0, { false, true, true } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cl *c[3], *body;
		const char *mem;

		begin_people("web");
		fake.scopes = SCOPE_APPS;
		for (unsigned k = 0; k < 3; k++)
			c[k] = cl_new(&g, C1, NULL);
		open_ws_with(c[ANN], fake_cookie(ANN));
		mem = fake_cookie(MEM);
		open_ws_with(c[MEM], mem);
		open_ws_with(c[2], BEARER);
		/* And an answer that is half there. */
		body = cl_new(&g, C1, NULL);
		cl_put(body, "GET /long HTTP/1.1\r\n" HOST);
		cl_put(body, mem);
		cl_put(body, "\r\n");
		rig_settle(&g);
		as_say(ag_last(web), "HTTP/1.1 200 OK\r\nContent-Length: 9"
		    "\r\n\r\nhalf");
		rig_settle(&g);
		fake.rules = 1;
		fake.may = "ann";
		fake_note(rows[i].kind, fake.u[rows[i].user].name,
		    rows[i].jti, rows[i].role, rows[i].credential, "");
		rig_settle(&g);
		for (unsigned k = 0; k < 3; k++) {
			assert_int_equal(was_closed_1008(c[k]),
			    rows[i].ends[k]);
			assert_int_equal(c[k]->eof || c[k]->broken,
			    rows[i].ends[k]);
		}
		assert_int_equal(body->broken, rows[i].ends[MEM]);
		rig_close(&g);
	}
}

/* What is forgotten is asked again at the next request, not a minute later. */
static void
a_verdict_is_forgotten_when_it_changes(void **state)
{
	struct cl *c;
	const char *mem;

	(void)state;
	begin_people("dashboard");
	c = cl_new(&g, C1, NULL);
	mem = fake_cookie(MEM);
	assert_int_equal(get(c, "/api/auth/check", mem), 200);
	fake.s[0].over = true;
	fake_note(NOTE_SESSION, "", "session-0", 0, 0, "");
	assert_int_equal(get(c, "/api/auth/check", mem), 401);
	mem = fake_cookie(MEM);
	assert_int_equal(get(c, "/api/auth/check", mem), 200);
	fake.u[MEM].role = ROLE_NONE;
	fake_note(NOTE_USER, "mem", "", ROLE_NONE, 0, "");
	assert_int_equal(get(c, "/api/auth/check", mem), 401);
	fake.scopes = SCOPE_READ;
	assert_int_equal(get(c, "/api/auth/check", BEARER), 200);
	fake.scopes = 0;
	fake_note(NOTE_CREDENTIAL, "", "", 0, 77, "");
	assert_int_equal(get(c, "/api/auth/check", BEARER), 401);
	rig_close(&g);
}

static void
an_agents_token_is_removed(void **state)
{
	struct ag *two;

	(void)state;
	begin_people("web");
	two = ag_up(&g, A2, "pi");
	assert_true(web->confirmed && two->confirmed);
	fake_note(NOTE_CREDENTIAL, "", "", 0, KEEPER_SHARED_TOKEN + 1, "");
	assert_int_equal(web->close_code, 0);
	fake_note(NOTE_CREDENTIAL, "", "", 0, KEEPER_SHARED_TOKEN, "");
	assert_int_equal(web->close_code, CLOSE_REFUSED);
	assert_int_equal(two->close_code, CLOSE_REFUSED);
	rig_close(&g);
}

static void
agents_have_the_names_of_their_tokens(void **state)
{
	struct ag *a;

	(void)state;
	begin_people("web");
	/* A token for one name is for no other, */
	fake.credential = 20;
	fake.agent = "pi";
	a = ag_new(&g, A2, "lab");
	ag_dial(a);
	rig_settle(&g);
	assert_string_equal(a->code, "name");
	a = ag_up(&g, A2, "pi");
	assert_true(a->confirmed);
	/* another token may not have a name that is there, */
	fake.credential = 21;
	fake.agent = "";
	a = ag_new(&g, A2, "mac");
	ag_dial(a);
	rig_settle(&g);
	assert_string_equal(a->code, "name");
	assert_int_equal(web->close_code, 0);
	/* but the one that is made for it takes it. */
	fake.agent = "mac";
	a = ag_up(&g, A2, "mac");
	assert_true(a->confirmed);
	assert_int_equal(web->close_code, CLOSE_REPLACED);
	rig_close(&g);
}

/* Welcomed, and not confirmed yet. */
static struct ag *
provisional(const char *ip, uint32_t credential)
{
	struct ag *a = ag_new(&g, ip, "lab");

	fake.credential = credential;
	a->hold_welcome = true;
	ag_dial(a);
	rig_settle(&g);
	assert_true(a->welcome.n > 0 && !a->refused && !a->confirmed);
	return a;
}

/* Both were welcomed while nobody had the name. */
static void
a_name_is_looked_at_again_when_it_is_confirmed(void **state)
{
	struct ag *a, *b;

	(void)state;
	begin_people("web");
	a = provisional(A2, 20);
	b = provisional(A3, 21);
	ag_confirm(a);
	rig_settle(&g);
	assert_true(a->confirmed);
	ag_confirm(b);
	rig_settle(&g);
	assert_int_equal(b->close_code, CLOSE_REFUSED);
	assert_int_equal(a->close_code, 0);
	rig_close(&g);
}

/* Who has a token for the name need not be new to take it from who has not;
 * of two that have one the rule is that of one credential. */
static void
a_name_is_taken_back_by_its_token(void **state)
{
	struct ag *a, *b;

	(void)state;
	begin_people("web");
	fake.credential = 20;
	a = ag_up(&g, A2, "lab");
	fake.credential = 21;
	fake.agent = "lab";
	b = ag_new(&g, A3, "lab");
	b->hello.start = false;
	ag_dial(b);
	rig_settle(&g);
	assert_true(b->confirmed);
	assert_int_equal(a->close_code, CLOSE_REPLACED);
	fake.credential = 22;
	a = ag_new(&g, A2, "lab");
	a->hello.start = false;
	ag_dial(a);
	rig_settle(&g);
	assert_string_equal(a->code, "replaced");
	rig_close(&g);
}

/* Who has no token for the name cannot end by a confirmation of its own what
 * was welcomed to who has one; also not as the same process. */
static void
a_confirmation_leaves_who_has_the_token(void **state)
{
	(void)state;
	for (int same = 0; same < 2; same++) {
		struct ag *a, *b;

		begin_people("web");
		fake.agent = "lab";
		a = provisional(A2, 21);
		fake.agent = "";
		fake.credential = 20;
		b = ag_new(&g, A3, "lab");
		if (same)
			memcpy(b->hello.instance, a->hello.instance,
			    sizeof b->hello.instance);
		ag_dial(b);
		rig_settle(&g);
		assert_true(b->confirmed && a->close_code == 0);
		ag_confirm(a);
		rig_settle(&g);
		assert_true(a->confirmed && a->close_code == 0);
		assert_int_equal(b->close_code, CLOSE_REPLACED);
		rig_close(&g);
	}
}

/* The status URL of the app `web` of an agent. */
static bool
has_bare_name(const char *agent)
{
	static char at[400];
	struct cl *c = cl_new(&g, C1, NULL);
	const char *p, *end;

	assert_int_equal(get(c, "/_adit/api/relay/status", fake_cookie(ANN)),
	    200);
	snprintf(at, sizeof at, "{\"name\":\"%s\",\"tunnelId\"", agent);
	p = strstr(c->body.p, at);
	assert_non_null(p);
	p = strstr(p, "\"url\":\"");
	end = strchr(p + 7, '"');
	cl_close(c, false);
	return memmem(p, (size_t)(end - p), "//web.apps", 10) != NULL;
}

static void
a_bare_name_is_its_credentials(void **state)
{
	struct ag *pi, *mac;

	(void)state;
	begin();
	g.cfg.app_domain = SL("apps.test");
	fake_start();
	assert_true(has_bare_name("mac"));
	/* Another credential comes later, and stays when the owner leaves. */
	fake.credential = 20;
	pi = ag_up(&g, A2, "pi");
	assert_true(has_bare_name("mac") && !has_bare_name("pi"));
	ag_drop(web, false);
	rig_settle(&g);
	assert_false(has_bare_name("pi"));
	fake.credential = KEEPER_SHARED_TOKEN;
	mac = ag_up(&g, A1, "mac");
	assert_true(has_bare_name("mac") && !has_bare_name("pi"));
	/* Ten minutes without it are enough. */
	ag_drop(mac, false);
	rig_run(&g, HELD_MS - 1000);
	assert_false(has_bare_name("pi"));
	rig_run(&g, 2000);
	assert_true(has_bare_name("pi"));
	/* A credential that is removed has no names. */
	ag_drop(pi, false);
	fake.credential = 20;
	pi = ag_up(&g, A2, "pi");
	fake.credential = 21;
	mac = ag_up(&g, A1, "mac");
	assert_false(has_bare_name("mac"));
	fake_note(NOTE_CREDENTIAL, "", "", 0, 20, "");
	rig_run(&g, 3000);
	assert_int_equal(pi->close_code, CLOSE_REFUSED);
	assert_true(has_bare_name("mac"));
	rig_close(&g);
}

/* Whoever offers more names than are kept pushes out their own. */
static void
many_names_take_nobody_elses(void **state)
{
	static char names[HELLO_APPS_MAX][16];
	struct ag *pi;

	(void)state;
	begin();
	g.cfg.app_domain = SL("apps.test");
	fake_start();
	fake.credential = 20;
	for (unsigned i = 0; i < 2 * HELD_MAX / HELLO_APPS_MAX; i++) {
		pi = ag_new(&g, A2, "pi");
		pi->hello.napps = HELLO_APPS_MAX;
		for (unsigned k = 0; k < HELLO_APPS_MAX; k++) {
			snprintf(names[k], sizeof names[k], "n%u-%u", i, k);
			pi->hello.apps[k] = (struct hello_app){
				.kind = APP_HTTP, .name = slice_of(names[k],
				strlen(names[k])) };
		}
		ag_dial(pi);
		rig_settle(&g);
		assert_true(pi->confirmed);
		rig_run(&g, 1000);
	}
	pi = ag_up(&g, A2, "pi");
	assert_true(pi->confirmed);
	assert_true(has_bare_name("mac") && !has_bare_name("pi"));
	rig_close(&g);
}

static void
an_agents_tunnel_ends_with_its_token(void **state)
{
	struct ag *a;

	(void)state;
	begin_people("web");
	fake.agent_until_s = world_io(g.host)->wall_ms / 1000 + 100;
	a = ag_up(&g, A2, "pi");
	rig_run(&g, 90 * 1000);
	assert_true(a->confirmed);
	assert_int_equal(a->close_code, 0);
	rig_run(&g, 11 * 1000);
	assert_int_equal(a->close_code, CLOSE_REFUSED);
	assert_int_equal(web->close_code, 0);
	rig_close(&g);
}

/* ---- operations ------------------------ */

#define JSON "Content-Type: application/json\r\n"

static unsigned
op_post(struct cl *c, const char *path, const char *fields, const char *body)
{
	char line[200], all[3000];

	snprintf(line, sizeof line, "POST %s", path);
	snprintf(all, sizeof all, JSON "%s", fields);
	return send_to(c, line, all, body);
}

static void
operations_go_to_the_keeper_as_they_are(void **state)
{
	static const struct { const char *path, *body, *op; } rows[] = {
		{ "/api/tokens", NULL, "{\"op\":\"tokens.list\"}" },
		{ "/api/people", NULL, "{\"op\":\"people.list\"}" },
		{ "/_adit/api/sessions?all=1&after=ab%22c", NULL,
		    "{\"op\":\"sessions.list\",\"after\":\"ab\\\"c\","
		    "\"all\":true}" },
		{ "/api/audit?after=7", NULL,
		    "{\"op\":\"audit.list\",\"after\":\"7\"}" },
		{ "/api/people/role", "{ \"user\" : \"x\", \"r\":[1, 2]}",
		    "{\"op\":\"people.role\",\"user\":\"x\",\"r\":[1, 2]}" },
		{ "/api/invites/new", "{}", "{\"op\":\"invites.new\"}" },
		{ "/api/me/password", "{\"old\":\"\\u0061\"}",
		    "{\"op\":\"me.password\",\"old\":\"\\u0061\"}" },
	};
	const char *ann;
	struct cl *c;

	(void)state;
	begin_people("dashboard");
	c = cl_new(&g, C1, NULL);
	ann = fake_cookie(ANN);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fake.status = i % 2 == 0 ? 200 : 409;
		fake.json = "{\"rows\":[]}";
		assert_int_equal(rows[i].body == NULL ?
		    get(c, rows[i].path, ann) :
		    op_post(c, rows[i].path, ann, rows[i].body), fake.status);
		assert_string_equal(fake.op, rows[i].op);
		assert_string_equal(fake.by, "JWT.session-0");
		assert_string_equal(fake.from, C1);
		assert_string_equal(fake.site, "main");
		assert_string_equal(c->body.p, "{\"rows\":[]}");
		assert_true(cl_head_has(c, "Cache-Control: no-store\r\n"));
	}
	fake.scopes = SCOPE_ADMIN;
	assert_int_equal(get(c, "/api/people", BEARER), 200);
	assert_string_equal(fake.by, "adit_pTEST");
	rig_close(&g);
}

/* Whose session was stolen keeps the password; and nobody who is logged in
 * can keep the hasher from the logins of others. */
static void
the_old_password_is_not_guessed(void **state)
{
	static const char body[] = "{\"old\":\"guess\",\"new\":\"mine now\"}";
	static const char path[] = "/api/me/password";
	const char *mem, *again;
	struct cl *c;
	unsigned n = 0;

	(void)state;
	begin_people("dashboard");
	c = cl_new(&g, C1, NULL);
	mem = fake_cookie(MEM);
	fake.status = 403;
	while (op_post(c, path, mem, body) == 403)
		n++;
	assert_int_equal(n, TRIES_BURST);
	assert_int_equal(fake.ops, n);
	assert_true(cl_head_has(c, "HTTP/1.1 429 "));
	assert_true(cl_head_has(c, "Retry-After: 6\r\n"));
	/* Neither another session of theirs nor another address has more. */
	again = fake_cookie(MEM);
	assert_int_equal(op_post(cl_new(&g, C2, NULL), path, again, body),
	    429);
	/* Others have, and their other operations are none of these. */
	assert_int_equal(op_post(c, path, fake_cookie(ANN), body), 403);
	assert_int_equal(get(c, "/api/sessions", mem), 403);
	assert_int_equal(login(C1, "mem", "password-mem", ""), 200);
	n = fake.ops;
	rig_run(&g, TRY_MS);
	assert_int_equal(op_post(c, path, mem, body), 403);
	assert_int_equal(op_post(c, path, mem, body), 429);
	assert_int_equal(fake.ops, n + 1);
	rig_close(&g);
}

static void
operations_that_are_refused(void **state)
{
	static const struct {
		const char *line, *fields, *body; unsigned want;
	} rows[] = {
		{ "GET /api/nothing", "", "", 404 },
		{ "GET /api/people.list", "", "", 404 },
		{ "GET /api/people/list", "", "", 404 },
		{ "POST /api/people", JSON, "{}", 405 },
		{ "GET /api/people/add", "", "", 405 },
		{ "PUT /api/people/add", JSON, "{}", 405 },
		{ "POST /api/rotate", JSON, "{}", 404 },
		{ "POST /api/people/add", "", "{}", 415 },
		{ "POST /api/people/add", "Content-Type: text/plain\r\n", "{}",
		    415 },
		{ "POST /api/people/add", FORM, "user=x", 415 },
		{ "POST /api/people/add", JSON, "", 400 },
		{ "POST /api/people/add", JSON, "[]", 400 },
		{ "POST /api/people/add", JSON, "{\"op\":\"me\"}", 400 },
		{ "POST /api/people/add", JSON, "{\"\\u006fp\":1}", 400 },
		{ "POST /api/people/add", JSON, "{\"a\":1,\"a\":2}", 400 },
		{ "POST /api/people/add", JSON, "{\"a\":{\"b\":[[1]]}}",
		    400 },
		{ "POST /api/people/add", JSON "Origin: http://evil.test\r\n",
		    "{}", 403 },
		{ "POST /api/people/add", JSON
		    "Sec-Fetch-Site: cross-site\r\n", "{}", 403 },
		{ "POST /api/people/add", JSON
		    "Sec-Fetch-Site: same-site\r\n", "{}", 403 },
		{ "POST /api/people/add", JSON "Origin: null\r\n", "{}", 403 },
		{ "GET /api/audit?after=%zz", "", "", 400 },
	};
	char body[3000], fields[300];
	const char *ann;
	struct cl *c;

	(void)state;
	begin_people("dashboard");
	ann = fake_cookie(ANN);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		c = cl_new(&g, C1, NULL);
		snprintf(fields, sizeof fields, "%s%s", rows[i].fields, ann);
		assert_int_equal(send_to(c, rows[i].line, fields,
		    rows[i].body), rows[i].want);
		assert_true(cl_body_has(c, "{\"error\":"));
		cl_close(c, false);
	}
	c = cl_new(&g, C1, NULL);
	/* Longer than a question can be. */
	snprintf(body, sizeof body, "{\"a\":\"%02040d\"}", 0);
	assert_int_equal(op_post(c, "/api/people/add", ann, body), 400);
	/* Nobody, and two cookies are nobody. */
	assert_int_equal(op_post(c, "/api/people/add", "", "{}"), 401);
	assert_int_equal(get(c, "/api/people", "Cookie: adit=JWT.session-0; "
	    "adit=JWT.session-0\r\n"), 401);
	assert_int_equal(fake.ops, 0);
	/* What the keeper says goes out only as a status of HTTP. */
	fake.status = 7;
	assert_int_equal(get(c, "/api/people", ann), 500);
	/* Who one is the relay knows by itself. */
	assert_int_equal(get(c, "/api/me", ann), 200);
	assert_string_equal(c->body.p, "{\"user\":\"ann\",\"role\":\"admin\""
	    ",\"mode\":\"accounts\"}");
	rig_close(&g);
}

/* An app that shares the site does nothing for the admins who visit it. */
static void
a_shared_site_changes_no_rights(void **state)
{
	static const char *const refused[] = {
		"people/add", "people/role", "people/remove", "people/reset",
		"invites/new", "invites/revoke", "tokens/new",
		"tokens/revoke", "access/set",
	};
	static const char *const done[] = {
		"me/password", "sessions/revoke", "invite/look",
	};
	const char *ann;
	struct cl *c;
	char path[80];

	(void)state;
	begin_people("web");
	c = cl_new(&g, C1, NULL);
	ann = fake_cookie(ANN);
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		snprintf(path, sizeof path, "/_adit/api/%s", refused[i]);
		assert_int_equal(op_post(c, path, ann, "{}"), 403);
		assert_true(cl_body_has(c, "command line"));
	}
	assert_int_equal(fake.ops, 0);
	for (size_t i = 0; i < sizeof done / sizeof done[0]; i++) {
		snprintf(path, sizeof path, "/_adit/api/%s", done[i]);
		assert_int_equal(op_post(c, path, ann, "{}"), 200);
	}
	assert_int_equal(get(c, "/_adit/api/people", ann), 200);
	assert_int_equal(fake.ops, 4);
	/* Of one's own, whatever is asked for. */
	assert_int_equal(op_post(c, "/_adit/api/sessions/revoke", ann,
	    "{\"id\":\"x\"}"), 200);
	assert_string_equal(fake.op,
	    "{\"op\":\"sessions.revoke\",\"id\":\"x\",\"all\":false}");
	/* Their short names are the app's there. */
	cl_put(c, "GET /api/people HTTP/1.1\r\n" HOST);
	cl_put(c, ann);
	cl_put(c, "\r\n");
	assert_true(as_has(asked(1), "GET /api/people "));
	rig_close(&g);
}

static void
the_first_account(void **state)
{
	static const struct { const char *path; unsigned want; } rows[] = {
		{ "/", 303 }, { "/x", 303 }, { "/_adit/login", 303 },
		{ "/_adit/setup", 200 }, { "/_adit/assets/adit.css", 200 },
		{ "/health", 303 }, { "/_adit/health", 200 },
		{ "/_adit/api/relay/status", 200 },
	};
	struct cl *c;

	(void)state;
	begin_people("web");
	fake_note(NOTE_MODE, "", "", 0, 0, "setup");
	c = cl_new(&g, C1, NULL);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(get(c, rows[i].path, NAVIGATE),
		    rows[i].want);
		if (rows[i].want == 303)
			assert_true(cl_head_has(c,
			    "Location: /_adit/setup\r\n"));
	}
	assert_int_equal(get(c, "/x", ""), 403);
	assert_int_equal(get(c, "/_adit/api/me", fake_cookie(ANN)), 403);
	assert_int_equal(op_post(c, "/_adit/api/invite/accept", "", "{}"),
	    403);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(op_post(c, "/_adit/api/auth/login", "", "{}"), 403);
	assert_int_equal(fake.ops, 0);
	c = cl_new(&g, C1, NULL);
	fake.status = 403;
	fake.json = "{\"error\":\"The code is not right\"}";
	assert_int_equal(op_post(c, "/_adit/api/setup", "", "{\"code\":\"x\""
	    "}"), 403);
	assert_string_equal(c->body.p, fake.json);
	assert_false(cl_head_has(c, "Set-Cookie"));
	/* The right code: whoever has it is logged in. */
	fake.status = 200;
	fake.op_user = "ann";
	assert_int_equal(op_post(c, "/_adit/api/setup",
	    "User-Agent: Lynx/2.9\r\n", "{\"code\":\"y\",\"user\":\"ann\","
	    "\"password\":\"password-ann\"}"), 200);
	assert_string_equal(fake.op, "{\"op\":\"setup\",\"code\":\"y\","
	    "\"user\":\"ann\",\"password\":\"password-ann\"}");
	assert_string_equal(fake.by, "");
	assert_string_equal(fake.device, "Lynx/2.9");
	assert_true(cl_head_has(c, "Set-Cookie: adit=JWT.session-"));
	assert_true(cl_head_has(c, "Set-Cookie: adit-device="));
	fake_note(NOTE_MODE, "", "", 0, 0, "accounts");
	assert_int_equal(get(c, "/_adit/setup", NAVIGATE), 303);
	assert_true(cl_head_has(c, "Location: /_adit/\r\n"));
	assert_int_equal(get(c, "/_adit/api/me", fake_cookie(ANN)), 200);
	/* An invitation likewise. */
	fake.op_user = "mem";
	assert_int_equal(op_post(c, "/_adit/api/invite/accept", "",
	    "{\"secret\":\"s\"}"), 200);
	assert_true(cl_head_has(c, "Set-Cookie: adit=JWT.session-"));
	rig_close(&g);
}

static void
an_apps_site_has_no_operations(void **state)
{
	struct cl *c;

	(void)state;
	begin();
	g.cfg.app_domain = SL("apps.test");
	g.cfg.domain = SL("relay.test");
	fake_start();
	c = cl_new(&g, C1, NULL);
	assert_int_equal(cl_ask(c, "GET /_adit/api/people HTTP/1.1\r\n"
	    "Host: web.apps.test\r\nCookie: adit=JWT.session-0\r\n\r\n"),
	    404);
	assert_int_equal(cl_ask(c, "GET /_adit/api/events HTTP/1.1\r\n"
	    "Host: web.apps.test\r\nCookie: adit=JWT.session-0\r\n\r\n"),
	    404);
	assert_int_equal(fake.ops, 0);
	rig_close(&g);
}

#define T(f) cmocka_unit_test(f)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(people_log_in_by_name),
		T(guesses_refuse_nobody_elses_password),
		T(roles_open_what_they_may),
		T(tokens_open_by_scope),
		T(what_runs_ends_with_its_session),
		T(a_verdict_is_forgotten_when_it_changes),
		T(an_agents_token_is_removed),
		T(agents_have_the_names_of_their_tokens),
		T(a_name_is_looked_at_again_when_it_is_confirmed),
		T(a_name_is_taken_back_by_its_token),
		T(a_confirmation_leaves_who_has_the_token),
		T(an_agents_tunnel_ends_with_its_token),
		T(a_bare_name_is_its_credentials),
		T(many_names_take_nobody_elses),
		T(operations_go_to_the_keeper_as_they_are),
		T(the_old_password_is_not_guessed),
		T(operations_that_are_refused),
		T(a_shared_site_changes_no_rights),
		T(the_first_account),
		T(an_apps_site_has_no_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
