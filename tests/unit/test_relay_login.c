/*
 * Sessions: logging in and out, cookies, guesses, the handover to an app's
 * own site, the end of a session, and requests from other sites.
 */
#include "relay_test.h"

#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define NAVIGATE "Sec-Fetch-Mode: navigate\r\n"

/* POST `body` to `path` at the site `host`, with more fields. */
static unsigned
post(struct cl *c, const char *host, const char *path, const char *fields,
    const char *body)
{
	static char area[8000];

	snprintf(area, sizeof area, "POST %s HTTP/1.1\r\nHost: %s\r\n%s"
	    "Content-Length: %zu\r\n\r\n%s", path, host, fields, strlen(body),
	    body);
	return cl_ask(c, area);
}

static unsigned
ask(struct cl *c, const char *host, const char *path, const char *fields)
{
	static char area[8000];

	snprintf(area, sizeof area, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n",
	    path, host, fields);
	return cl_ask(c, area);
}

/* A field's value of the last answer, copied; "" if there is none. */
static const char *
field(const struct cl *c, const char *name)
{
	static char area[4][4000];
	static unsigned next;
	char *out = area[next++ % 4], line[64];
	const char *p;
	size_t n;

	snprintf(line, sizeof line, "\r\n%s: ", name);
	p = strstr(c->head.p, line);
	out[0] = 0;
	if (p == NULL)
		return out;
	p += strlen(line);
	n = strcspn(p, "\r");
	assert_true(n < sizeof area[0]);
	memcpy(out, p, n);
	out[n] = 0;
	return out;
}

/* "Cookie: NAME=VALUE\r\n" for a cookie that the last answer sets. */
static const char *
cookie(const struct cl *c, const char *name)
{
	static char area[4][2000];
	static unsigned next;
	char *out = area[next++ % 4], line[64];
	const char *p;

	snprintf(line, sizeof line, "\r\nSet-Cookie: %s=", name);
	p = strstr(c->head.p, line);
	assert_non_null(p);
	p += strlen("\r\nSet-Cookie: ");
	snprintf(out, sizeof area[0], "Cookie: %.*s\r\n",
	    (int)strcspn(p, ";"), p);
	return out;
}

#define JSON_LOGIN "{\"password\":\"" RIG_PASSWORD "\"}"
#define LOGIN "/_adit/api/auth/login"

static void
a_program_logs_in_and_out(void **state)
{
	struct cl *c;
	char mine[2000];

	(void)state;
	begin_web();
	c = cl_new(&g, C2, NULL);
	assert_int_equal(ask(c, RIG_MAIN, "/x", ""), 401);
	assert_true(cl_body_has(c, "{\"error\":"));
	assert_int_equal(post(c, RIG_MAIN, LOGIN, "", JSON_LOGIN), 200);
	assert_string_equal(c->body.p, "{\"ok\":true}");
	assert_true(cl_head_has(c, "; Path=/; HttpOnly; SameSite=Lax; "
	    "Max-Age=86400\r\n"));
	snprintf(mine, sizeof mine, "%s", cookie(c, "adit"));
	assert_int_equal(ask(c, RIG_MAIN, "/_adit/api/auth/check", mine), 200);
	cl_put(c, req("GET /", ""));
	assert_int_equal(answered(c, asked(1), OK2), 200);
	assert_int_equal(post(c, RIG_MAIN, "/_adit/logout", mine, ""), 200);
	assert_true(cl_head_has(c, "Set-Cookie: adit=; Path=/; HttpOnly; "
	    "SameSite=Lax; Max-Age=0\r\n"));
	assert_int_equal(ask(c, RIG_MAIN, "/_adit/api/auth/check", mine), 401);
	assert_true(cl_head_has(c, "Set-Cookie: adit=;"));
	/* It stays so when the cached verdict has gone. */
	rig_run(&g, 2 * SESSION_CHECK_MS);
	c = cl_new(&g, C2, NULL);
	assert_int_equal(ask(c, RIG_MAIN, "/_adit/api/auth/check", mine), 401);
	rig_close(&g);
}

static void
a_person_logs_in(void **state)
{
	struct cl *c;

	(void)state;
	begin_web();
	c = cl_new(&g, C2, NULL);
	assert_int_equal(ask(c, RIG_MAIN, "/page?a=b&c", NAVIGATE), 303);
	assert_string_equal(field(c, "Location"),
	    "/_adit/login?next=%2Fpage%3Fa%3Db%26c");
	assert_int_equal(ask(c, RIG_MAIN, field(c, "Location"), NAVIGATE),
	    200);
	assert_true(cl_body_has(c, "value=\"/page?a=b&amp;c\""));
	assert_true(cl_head_has(c, "frame-ancestors 'none'"));
	assert_true(cl_head_has(c, "Cache-Control: no-store\r\n"));
	assert_int_equal(post(c, RIG_MAIN, "/_adit/login", FORM,
	    "password=wrong&next=%2Fpage"), 401);
	assert_true(cl_body_has(c, "Wrong password"));
	assert_true(cl_body_has(c, "value=\"/page\""));
	assert_int_equal(post(c, RIG_MAIN, "/_adit/login", FORM,
	    "password=correct+horse+battery&next=%2Fpage%3Fa%3Db%26c"), 303);
	assert_string_equal(field(c, "Location"), "/page?a=b&c");
	assert_true(cl_head_has(c, "Set-Cookie: adit-device="));
	/* Logged in already: the page leads on. */
	assert_int_equal(ask(c, RIG_MAIN, "/_adit/login?next=%2Fz",
	    cookie(c, "adit")), 303);
	assert_string_equal(field(c, "Location"), "/z");
	rig_close(&g);
}

static void
next_never_leads_away(void **state)
{
	static const char *const rows[] = {
		"//evil.test/", "/\\evil.test", "https://evil.test/", "",
		"javascript:alert(1)", "/a%0d%0ab", "http://" RIG_IP ":99/",
		"http://evil.test.apps.test.evil.test/",
	};
	struct cl *c;

	(void)state;
	begin_web();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char body[400];

		rig_run(&g, TRY_MS);
		c = cl_new(&g, C2, NULL);
		snprintf(body, sizeof body, "password=correct+horse+battery"
		    "&next=%s", rows[i]);
		assert_int_equal(post(c, RIG_MAIN, "/_adit/login", FORM, body),
		    303);
		assert_string_equal(field(c, "Location"), "/");
		cl_close(c, false);
	}
	rig_close(&g);
}

/* The form comes with a cookie whose verdict is not known yet. */
static void
a_login_with_an_old_cookie(void **state)
{
	static const char *const bodies[] = {
		"password=wrong", "password=correct+horse+battery" };
	char mine[2200];
	struct cl *c;

	(void)state;
	begin_web();
	snprintf(mine, sizeof mine, FORM "Cookie: %s\r\n", g.cookie);
	for (size_t i = 0; i < 4; i++) {
		unsigned want = i % 2 == 0 ? 401 : 303;

		rig_run(&g, 2 * SESSION_CHECK_MS);
		c = cl_new(&g, C1, NULL);
		assert_int_equal(post(c, RIG_MAIN, "/_adit/login", i < 2 ?
		    mine : FORM "Cookie: adit=nonsense\r\n", bodies[i % 2]),
		    want);
		assert_int_equal(cl_head_has(c, "Set-Cookie: adit=ey"),
		    want == 303);
	}
	rig_close(&g);
}

static void
two_session_cookies_are_none(void **state)
{
	char mine[5000];
	struct cl *c;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	snprintf(mine, sizeof mine, "Cookie: %s; adit=x\r\n", g.cookie);
	assert_int_equal(ask(c, RIG_MAIN, "/", mine), 401);
	assert_true(cl_head_has(c, "Set-Cookie: adit=;"));
	snprintf(mine, sizeof mine, "Cookie: %s\r\nCookie: %s\r\n", g.cookie,
	    g.cookie);
	assert_int_equal(ask(c, RIG_MAIN, "/", mine), 401);
	assert_int_equal(web->nstreams, 0);
	rig_close(&g);
}

static void
guesses_have_a_rate(void **state)
{
	struct cl *c = NULL;
	unsigned wrong = 0;
	char dev[600];

	(void)state;
	begin_web();            /* C1 used one of its attempts */
	snprintf(dev, sizeof dev, "Cookie: %s\r\n", g.device);
	for (int i = 0; i < 20; i++) {
		c = cl_new(&g, C1, NULL);
		if (post(c, RIG_MAIN, LOGIN, "", "{\"password\":\"no\"}") ==
		    401)
			wrong++;
		else
			assert_int_equal(c->status, 429);
		cl_close(c, false);
	}
	assert_int_equal(wrong, TRIES_BURST - 1);
	assert_true(atoi(field(c, "Retry-After")) <= 6);
	assert_true(atoi(field(c, "Retry-After")) >= 1);
	/* The right password is not looked at either ... */
	c = cl_new(&g, C1, NULL);
	assert_int_equal(post(c, RIG_MAIN, LOGIN, "", JSON_LOGIN), 429);
	/* ... but a browser that has logged in before has its own attempts, */
	assert_int_equal(post(c, RIG_MAIN, LOGIN, dev, JSON_LOGIN), 200);
	/* a forged device has not, */
	assert_int_equal(post(c, RIG_MAIN, LOGIN, "Cookie: adit-device=AAAA"
	    "\r\n", JSON_LOGIN), 429);
	/* another address has, */
	assert_int_equal(post(cl_new(&g, C2, NULL), RIG_MAIN, LOGIN, "",
	    JSON_LOGIN), 200);
	/* and with time there is one more. */
	rig_run(&g, TRY_MS);
	assert_int_equal(post(c, RIG_MAIN, LOGIN, "", JSON_LOGIN), 200);
	rig_close(&g);
}

static void
what_is_no_login(void **state)
{
	static const struct { const char *type, *body; unsigned want; } rows[] =
	{
		{ "", "", 400 }, { "", "{", 400 }, { "", "[]", 400 },
		{ "", "{\"password\":1}", 400 },
		{ "", "{\"password\":\"a\",\"password\":\"a\"}", 400 },
		{ "", "{\"user\":\"eve\",\"password\":\"" RIG_PASSWORD "\"}",
		    401 },
		{ "", "{\"user\":\"shared\",\"password\":\"" RIG_PASSWORD
		    "\"}", 200 },
		{ FORM, "", 400 }, { FORM, "password=%zz", 400 },
		{ FORM, "password=a&password=a", 400 },
		{ FORM, "next=%2F", 400 },
		{ "Origin: http://evil.test\r\n", JSON_LOGIN, 403 },
		{ "Sec-Fetch-Site: cross-site\r\n", JSON_LOGIN, 403 },
		{ "Origin: http://" RIG_MAIN "\r\n", JSON_LOGIN, 200 },
		{ FORM "Origin: null\r\n", "password=correct+horse+battery",
		    303 },
	};

	(void)state;
	begin_web();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cl *c = cl_new(&g, C2, NULL);

		rig_run(&g, TRY_MS);
		assert_int_equal(post(c, RIG_MAIN, LOGIN, rows[i].type,
		    rows[i].body), rows[i].want);
		cl_close(c, false);
	}
	rig_close(&g);
}

/* ---- sites ---- */

static void
go_sites(bool https)
{
	begin();
	g.cfg.app_domain = SL("apps.test");
	g.cfg.domain = SL("relay.test");
	if (https) {
		g.cfg.trust[0] = (struct relay_net){ world_addr(C1 ":1"), 32 };
		g.cfg.ntrust = 1;
	}
	rig_start(&g);
	web = ag_up(&g, A1, "mac");
}

/* The way from an app's site through the login and back, by hand. `p` are
 * the proxy's fields. Afterwards the session of the app's site is in `out`,
 * and the main site's in main_cookie. */
static char main_cookie[2000];

static void
hand_over(struct cl *c, const char *p, const char *scheme, const char *prefix,
    char *out, size_t cap)
{
	char nonce[300], at[3000], fields[5000], name[40];

	snprintf(fields, sizeof fields, "%s" NAVIGATE, p);
	assert_int_equal(ask(c, "web.apps.test", "/deep?x=1", fields), 303);
	snprintf(name, sizeof name, "%sadit-nonce", prefix);
	snprintf(nonce, sizeof nonce, "%s", cookie(c, name));
	snprintf(at, sizeof at, "%s", field(c, "Location"));
	snprintf(fields, sizeof fields, "%s://relay.test/_adit/login?next="
	    "%s%%3A%%2F%%2Fweb.apps.test%%2Fdeep%%3Fx%%3D1&h=", scheme,
	    scheme);
	assert_memory_equal(at, fields, strlen(fields));
	memmove(at, at + strlen(scheme) + 13, strlen(at) - strlen(scheme) - 12);
	/* The login page at the main site, and its form. */
	snprintf(fields, sizeof fields, "%s" NAVIGATE, p);
	assert_int_equal(ask(c, "relay.test", at, fields), 200);
	snprintf(fields, sizeof fields, "form-action 'self' %s://"
	    "web.apps.test;", scheme);
	assert_true(cl_head_has(c, fields));
	snprintf(fields, sizeof fields, "%s" FORM, p);
	snprintf(name, sizeof name, "password=correct+horse+battery&");
	memmove(at + strlen(name), strchr(at, '?') + 1,
	    strlen(strchr(at, '?')));
	memcpy(at, name, strlen(name));
	assert_int_equal(post(c, "relay.test", "/_adit/login", fields, at),
	    303);
	snprintf(name, sizeof name, "%sadit", prefix);
	snprintf(main_cookie, sizeof main_cookie, "%s", cookie(c, name));
	/* Through the login page once more, now with a session. */
	snprintf(at, sizeof at, "%s", field(c, "Location"));
	assert_memory_equal(at, "/_adit/login?next=", 18);
	snprintf(fields, sizeof fields, "%s%s", p, main_cookie);
	assert_int_equal(ask(c, "relay.test", at, fields), 303);
	snprintf(at, sizeof at, "%s", field(c, "Location"));
	snprintf(fields, sizeof fields, "%s://web.apps.test/_adit/handover?"
	    "code=", scheme);
	assert_memory_equal(at, fields, strlen(fields));
	memmove(at, strstr(at, "/_adit"), strlen(strstr(at, "/_adit")) + 1);
	/* Without the nonce, or with another, the code is worth nothing; and
	 * it is spent by the attempt with another. */
	snprintf(fields, sizeof fields, "%s%s", p, nonce);
	assert_int_equal(ask(c, "web.apps.test", at, p), 303);
	assert_false(cl_head_has(c, "Set-Cookie"));
	assert_int_equal(ask(c, "web.apps.test", at, fields), 303);
	assert_string_equal(field(c, "Location"), "/deep?x=1");
	snprintf(out, cap, "%s", cookie(c, name));
	/* It works once. */
	assert_int_equal(ask(c, "web.apps.test", at, fields), 303);
	assert_false(cl_head_has(c, "Set-Cookie"));
}

static void
a_session_is_handed_to_an_apps_site(void **state)
{
	char mine[2000];
	struct cl *c;

	(void)state;
	go_sites(false);
	c = cl_new(&g, C1, NULL);
	hand_over(c, "", "http", "", mine, sizeof mine);
	assert_int_equal(ask(c, "web.apps.test", "/_adit/api/auth/check",
	    mine), 200);
	/* It is for that site alone. */
	assert_int_equal(ask(c, "relay.test", "/_adit/api/auth/check", mine),
	    401);
	assert_int_equal(ask(c, "two.apps.test", "/_adit/api/auth/check",
	    mine), 401);
	/* On an app's site there is no login, and no list. */
	assert_int_equal(ask(c, "web.apps.test", "/_adit/login", mine), 404);
	assert_int_equal(ask(c, "web.apps.test", "/_adit/", mine), 404);
	assert_int_equal(ask(c, "web.apps.test", "/_adit/tunnel", mine), 404);
	assert_int_equal(ask(c, "relay.test", "/_adit/handover?code=x&next=/",
	    ""), 404);
	/* Logging out there ends it everywhere. */
	assert_int_equal(post(c, "web.apps.test", "/_adit/logout", mine, ""),
	    200);
	assert_int_equal(ask(c, "web.apps.test", "/_adit/api/auth/check",
	    mine), 401);
	assert_int_equal(ask(c, "relay.test", "/_adit/api/auth/check",
	    main_cookie), 401);
	/* And the other way round. */
	hand_over(c, "", "http", "", mine, sizeof mine);
	assert_int_equal(ask(c, "web.apps.test", "/_adit/api/auth/check",
	    mine), 200);
	assert_int_equal(post(c, "relay.test", "/_adit/logout", main_cookie,
	    ""), 200);
	assert_int_equal(ask(c, "web.apps.test", "/_adit/api/auth/check",
	    mine), 401);
	rig_close(&g);
}

/* The password came in pieces and was kept until it was whole. */
static void
nothing_of_a_login_is_left(void **state)
{
	static const char body[] = "password=" "Correct-Horse-7" "&next=%2F";
	struct cl *c;
	const char *token;
	size_t n;

	(void)state;
	begin_web();
	c = cl_new(&g, C2, NULL);
	cl_put(c, "POST /_adit/login HTTP/1.1\r\n" HOST FORM
	    "Content-Length: 33\r\n\r\n");
	assert_int_equal(sizeof body - 1, 33);
	for (const char *p = body; *p != 0; p++) {
		cl_putn(c, p, 1);
		rig_run(&g, 2);
	}
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 401);
	assert_int_equal(g.r->small.used, 0);
	n = g.r->small.fresh * g.r->small.item_bytes;
	assert_null(memmem(g.r->small.items, n, "Correct-Horse", 13));
	assert_int_equal(post(c, RIG_MAIN, LOGIN, "", JSON_LOGIN), 200);
	token = cookie(c, "adit") + strlen("Cookie: adit=");
	assert_null(memmem(g.r->small.items, n, RIG_PASSWORD,
	    strlen(RIG_PASSWORD)));
	assert_null(memmem(g.r->small.items, n, token, 60));
	rig_close(&g);
}

static void
behind_https_cookies_are_host_only(void **state)
{
	char mine[2000];
	struct cl *c;

	(void)state;
	go_sites(true);
	c = cl_new(&g, C1, NULL);
	hand_over(c, "X-Forwarded-Proto: https\r\n", "https", "__Host-", mine,
	    sizeof mine);
	assert_memory_equal(mine, "Cookie: __Host-adit=", 20);
	/* Over http it is not looked for. */
	assert_int_equal(ask(c, "web.apps.test", "/_adit/api/auth/check",
	    mine), 401);
	rig_close(&g);
}

/* From the main site to an app's handover, with a session there already. */
static unsigned
handover_link(struct cl *c, const char *h, const char *next)
{
	char at[1000], fields[2200];

	snprintf(at, sizeof at, "/_adit/login?next=%s&h=%s", next, h);
	snprintf(fields, sizeof fields, "Cookie: %s\r\n", g.cookie);
	return ask(c, "relay.test", at, fields);
}

static void
codes_expire_and_go_only_to_known_sites(void **state)
{
	static const char h[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	char at[1000];
	struct cl *c;

	(void)state;
	go_sites(false);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(post(c, "relay.test", LOGIN, "", JSON_LOGIN), 200);
	snprintf(g.cookie, sizeof g.cookie, "%s", cookie(c, "adit") + 8);
	g.cookie[strlen(g.cookie) - 2] = 0;
	assert_int_equal(handover_link(c, h, "http://web.apps.test/"), 303);
	assert_true(cl_head_has(c, "Location: http://web.apps.test/_adit/"
	    "handover?code="));
	/* An address elsewhere, another port, a broken hash: no code. */
	assert_int_equal(handover_link(c, h, "http://web.apps.test:99/"), 303);
	assert_string_equal(field(c, "Location"), "/");
	assert_int_equal(handover_link(c, h, "https://web.apps.test/"), 303);
	assert_string_equal(field(c, "Location"), "/");
	assert_int_equal(handover_link(c, h, "http://apps.test/"), 303);
	assert_string_equal(field(c, "Location"), "/");
	assert_int_equal(handover_link(c, "xx", "http://web.apps.test/"), 303);
	assert_string_equal(field(c, "Location"), "/");
	/* A code for the nonce whose hash is of "nonce", too late. */
	assert_int_equal(handover_link(c, "eDd7UldXtJRCf4kBT5fXmSjzk40U61HiD7X"
	    "eyYNOswQ", "http://web.apps.test/"), 303);
	snprintf(at, sizeof at, "%s", strstr(field(c, "Location"), "/_adit"));
	rig_run(&g, CODE_MS + 1);
	assert_int_equal(ask(c, "web.apps.test", at, "Cookie: adit-nonce=nonce"
	    "\r\n"), 303);
	assert_false(cl_head_has(c, "Set-Cookie: adit="));
	rig_close(&g);
}

static void
app_ports_have_their_own_cookies(void **state)
{
	char loc[1000];
	struct cl *c;

	(void)state;
	begin();
	g.cfg.root = SL("dashboard");
	rig_listen(&g, RIG_IP ":4100", LISTEN_PORT, "");
	rig_listen(&g, RIG_IP ":4101", LISTEN_PORT, "");
	rig_start(&g);
	web = ag_up(&g, A1, "mac");
	rig_login(&g, C1);
	c = cl_new(&g, C1, RIG_IP ":4101");
	assert_int_equal(ask(c, RIG_IP ":4101", "/", ""), 404);
	c = cl_new(&g, C1, RIG_IP ":4100");
	assert_int_equal(ask(c, RIG_IP ":4100", "/a", NAVIGATE), 303);
	assert_true(cl_head_has(c, "Set-Cookie: adit-4100-nonce="));
	snprintf(loc, sizeof loc, "%s", field(c, "Location"));
	assert_memory_equal(loc, "http://" RIG_MAIN "/_adit/login?next=http"
	    "%3A%2F%2F" RIG_IP "%3A4100%2Fa&h=", 71);
	/* The main site's cookie means nothing there. */
	assert_int_equal(cl_ask(c, req("GET /", "")), 401);
	assert_int_equal(web->nstreams, 0);
	rig_close(&g);
}

static void
hosts_that_are_not_ours(void **state)
{
	static const struct {
		const char *host, *where;
		unsigned want;
	} rows[] =
	{
		{ "relay.test", NULL, 200 }, { "RELAY.test:99", NULL, 200 },
		{ "localhost", NULL, 200 }, { RIG_MAIN, NULL, 200 },
		{ "evil.test", NULL, 421 }, { "192.0.2.99", NULL, 421 },
		{ "web.apps.test", NULL, 200 }, { "a.b.apps.test", NULL, 421 },
		{ "evil.test", RIG_IP ":4100", 421 },
		{ RIG_IP ":4100", RIG_IP ":4100", 200 },
	};

	(void)state;
	begin();
	g.cfg.app_domain = SL("apps.test");
	g.cfg.domain = SL("relay.test");
	rig_listen(&g, RIG_IP ":4100", LISTEN_APP, "web");
	rig_start(&g);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cl *c = cl_new(&g, C1, rows[i].where);

		assert_int_equal(ask(c, rows[i].host, "/_adit/healthz", ""),
		    rows[i].want);
		assert_int_equal(c->eof, rows[i].want == 421);
		cl_close(c, false);
	}
	rig_close(&g);
}

/* ---- the end of a session ---- */

/* A WebSocket under a session of one minute. */
static struct cl *
short_lived(struct as **s)
{
	struct cl *ws;

	begin();
	g.cfg.session_ttl_s = 60;
	go_web();
	ws = cl_new(&g, C1, NULL);
	*s = open_ws(ws);
	return ws;
}

/* 1008 "session ended" to the client; the same, masked, to the app. */
static void
ended_with_1008(struct cl *c, struct as *s)
{
	assert_true(c->in.n >= 17);
	assert_memory_equal(c->in.p + c->in.n - 17, "\x88\x0f\x03\xf0"
	    "session ended", 17);
	assert_true(c->eof && !c->broken);
	assert_int_equal(s->in.p[0], (char)0x88);
	assert_int_equal(s->in.p[1], (char)0x8f);
	assert_true(s->in_end);
}

static void
the_end_of_a_session_ends_what_runs_under_it(void **state)
{
	struct cl *ws, *stream, *later;
	struct as *a, *b;

	(void)state;
	ws = short_lived(&a);
	stream = asking("GET /events", &b);
	as_say(b, "HTTP/1.1 200 OK\r\n\r\ndata\n");
	rig_run(&g, 58000);
	assert_false(ws->eof || stream->eof);
	rig_run(&g, 3000);
	ended_with_1008(ws, a);
	assert_true(stream->eof && b->was_reset);
	later = cl_new(&g, C1, NULL);
	assert_int_equal(cl_ask(later, req("GET /", "")), 401);
	rig_close(&g);
}

static void
logging_out_ends_what_runs_under_it(void **state)
{
	struct cl *ws, *stream, *other, *c;
	struct as *a, *b, *o;
	char mine[2200];

	(void)state;
	begin_web();
	snprintf(mine, sizeof mine, "Cookie: %s\r\n", g.cookie);
	ws = cl_new(&g, C1, NULL);
	a = open_ws(ws);
	stream = asking("GET /events", &b);
	rig_login(&g, C1);      /* another session */
	other = cl_new(&g, C1, NULL);
	o = open_ws(other);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(post(c, RIG_MAIN, "/_adit/logout", mine, ""), 200);
	ended_with_1008(ws, a);
	assert_true(stream->eof && b->was_reset);
	assert_false(other->eof || o->in_end);
	rig_close(&g);
}

/* A frame of 10 bytes is half way to the client: it comes first. */
static void
the_close_waits_for_the_frames_end(void **state)
{
	struct cl *ws;
	struct as *s;

	(void)state;
	ws = short_lived(&s);
	as_sayn(s, "\x82\x0a" "01234", 7);
	rig_run(&g, 61000);
	assert_false(ws->eof);
	assert_int_equal(ws->in.n, 7);
	/* The rest, and a frame behind it that is too late. */
	as_sayn(s, "56789" "\x82\x01" "x", 8);
	rig_settle(&g);
	assert_int_equal(ws->in.n, 12 + 17);
	ended_with_1008(ws, s);
	rig_close(&g);
}

static void
a_frame_without_an_end_does_not_keep_a_session(void **state)
{
	struct cl *ws;
	struct as *s;

	(void)state;
	ws = short_lived(&s);
	as_sayn(s, "\x82\x7e\xff\xff", 4);
	for (int i = 0; i < 80 && !ws->eof; i++) {
		as_sayn(s, "x", 1);
		rig_run(&g, 1000);
	}
	assert_true(ws->eof && ws->broken);
	assert_true(ws->end_ms <= world_now(g.w));
	assert_in_range(ws->in.n, 60, 75);
	rig_close(&g);
}

/* ---- requests from other sites ---- */

static void
cross_site_requests(void **state)
{
	static const struct {
		const char *line, *fields;
		unsigned want;
	} rows[] =
	{
		{ "POST /", "Content-Length: 0\r\n", 200 },
		{ "POST /", "Content-Length: 0\r\nOrigin: http://" RIG_MAIN
		    "\r\n", 200 },
		{ "POST /", "Content-Length: 0\r\n"
		    "Sec-Fetch-Site: same-origin\r\n", 200 },
		{ "POST /", "Content-Length: 0\r\nSec-Fetch-Site: none\r\n",
		    200 },
		{ "POST /", "Content-Length: 0\r\nOrigin: http://evil.test\r\n",
		    403 },
		{ "POST /", "Content-Length: 0\r\nOrigin: null\r\n", 403 },
		{ "POST /", "Content-Length: 0\r\nSec-Fetch-Site: same-site"
		    "\r\n", 403 },
		{ "DELETE /", "Sec-Fetch-Site: cross-site\r\n", 403 },
		{ "GET /", "Sec-Fetch-Site: cross-site\r\n"
		    "Origin: http://evil.test\r\n", 200 },
		{ "OPTIONS /", "Origin: http://evil.test\r\n", 200 },
		{ "GET /", "Origin: http://evil.test\r\n" UPGRADE VERSION KEY,
		    403 },
		{ "GET /sw.js", "Service-Worker: script\r\n", 403 },
	};
	struct cl *c;

	(void)state;
	begin_web();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		unsigned before = web->nstreams;

		c = cl_new(&g, C1, NULL);
		cl_put(c, req(rows[i].line, rows[i].fields));
		rig_settle(&g);
		if (rows[i].want == 200) {
			assert_int_equal(web->nstreams, before + 1);
			as_say(ag_last(web), OK2);
			rig_settle(&g);
		} else {
			assert_int_equal(web->nstreams, before);
		}
		assert_int_equal(cl_take(c, false), rows[i].want);
		cl_close(c, false);
	}
	rig_close(&g);
}

static void
an_app_may_allow_another_site(void **state)
{
	struct cl *c;

	(void)state;
	begin();
	g.cfg.root = SL("web");
	rig_start(&g);
	web = ag_new(&g, A1, "mac");
	web->hello.apps[0].origin = SL("https://friend.test");
	ag_dial(web);
	rig_settle(&g);
	rig_login(&g, C1);
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("POST /", "Content-Length: 0\r\n"
	    "Origin: https://friend.test\r\nSec-Fetch-Site: cross-site\r\n"));
	assert_int_equal(answered(c, asked(1), OK2), 200);
	assert_int_equal(cl_ask(c, req("POST /", "Content-Length: 0\r\n"
	    "Origin: https://friend.test.evil\r\n")), 403);
	rig_close(&g);
}

static void
a_public_app_needs_both_sides(void **state)
{
	struct cl *c;

	(void)state;
	begin();
	g.cfg.root = SL("web");
	g.cfg.publics[0] = SL("mac/web");
	g.cfg.npublics = 1;
	rig_start(&g);
	web = ag_new(&g, A1, "mac");
	ag_dial(web);
	rig_settle(&g);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(ask(c, RIG_MAIN, "/", ""), 401);
	ag_drop(web, false);
	rig_settle(&g);
	web->hello.apps[0].is_public = true;
	ag_dial(web);
	rig_settle(&g);
	cl_put(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
	rig_settle(&g);
	assert_string_equal(ag_last(web)->user, "");
	assert_false(as_has(ag_last(web), "X-Forwarded-User"));
	assert_int_equal(answered(c, ag_last(web), OK2), 200);
	/* The relay's own pages are not public. */
	assert_int_equal(ask(c, RIG_MAIN, "/_adit/", ""), 401);
	rig_close(&g);
}

static void
no_login_means_no_login(void **state)
{
	struct cl *c;

	(void)state;
	begin();
	g.cfg.root = SL("web");
	g.cfg.no_login = true;
	rig_start(&g);
	web = ag_up(&g, A1, "mac");
	c = cl_new(&g, C1, NULL);
	assert_int_equal(ask(c, RIG_MAIN, "/_adit/", ""), 200);
	assert_int_equal(ask(c, RIG_MAIN, "/_adit/api/me", ""), 200);
	assert_true(cl_body_has(c, "\"mode\":\"none\""));
	assert_int_equal(ask(c, RIG_MAIN, "/_adit/api/people", ""), 403);
	assert_int_equal(ask(c, RIG_MAIN, "/_adit/login", ""), 303);
	assert_int_equal(post(c, RIG_MAIN, LOGIN, "", "{}"), 200);
	/* Another site's page still may not post. */
	assert_int_equal(post(c, RIG_MAIN, "/x", "Origin: http://evil.test\r\n",
	    ""), 403);
	assert_true(c->eof || c->fd >= 0);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(ask(c, "evil.test", "/", ""), 421);
	rig_close(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_logs_in_and_out),
		cmocka_unit_test(a_person_logs_in),
		cmocka_unit_test(next_never_leads_away),
		cmocka_unit_test(a_login_with_an_old_cookie),
		cmocka_unit_test(two_session_cookies_are_none),
		cmocka_unit_test(guesses_have_a_rate),
		cmocka_unit_test(what_is_no_login),
		cmocka_unit_test(a_session_is_handed_to_an_apps_site),
		cmocka_unit_test(nothing_of_a_login_is_left),
		cmocka_unit_test(behind_https_cookies_are_host_only),
		cmocka_unit_test(codes_expire_and_go_only_to_known_sites),
		cmocka_unit_test(app_ports_have_their_own_cookies),
		cmocka_unit_test(hosts_that_are_not_ours),
		cmocka_unit_test(the_end_of_a_session_ends_what_runs_under_it),
		cmocka_unit_test(logging_out_ends_what_runs_under_it),
		cmocka_unit_test(the_close_waits_for_the_frames_end),
		cmocka_unit_test(
		    a_frame_without_an_end_does_not_keep_a_session),
		cmocka_unit_test(cross_site_requests),
		cmocka_unit_test(an_app_may_allow_another_site),
		cmocka_unit_test(a_public_app_needs_both_sides),
		cmocka_unit_test(no_login_means_no_login),
	};

	return cmocka_run_group_tests_name("relay_login", tests, NULL, NULL);
}
