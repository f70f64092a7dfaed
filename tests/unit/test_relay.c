/*
 * HTTP through the relay, form by form, in the virtual world: what the app
 * gets and what the client gets, byte for byte where it matters; who is told
 * what when something breaks; how much is held and how long anybody waits.
 */
#include "relay_test.h"

#define FORWARDED(proto) "X-Forwarded-For: " C1 "\r\n"                  \
	"X-Forwarded-Proto: " proto "\r\n"                              \
	"Forwarded: for=" C1 ";proto=" proto ";host=\"" RIG_MAIN "\"\r\n" \
	"X-Forwarded-Host: " RIG_MAIN "\r\n"                            \
	"X-Forwarded-User: shared\r\nX-Forwarded-Groups: admin\r\n"

static char *
big(size_t n)
{
	char *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + (i * 7 + i / 251) % 26);
	return p;
}

static void
in_is(struct as *s, const char *want)
{
	assert_string_equal(s->in.p, want);
	s->in.n = 0;
}

static void
passes_a_request_and_its_answer(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("GET /a?b=c", "Accept: */*\r\nCookie: x=y\r\n"));
	s = asked(1);
	assert_string_equal(s->app, "web");
	assert_string_equal(s->client, C1);
	assert_string_equal(s->user, "shared");
	assert_string_equal(s->scheme, "http");
	in_is(s, "GET /a?b=c HTTP/1.1\r\n" HOST "Accept: */*\r\n"
	    "Cookie: x=y\r\n" FORWARDED("http") "\r\n");
	as_say(s, "HTTP/1.1 201 Made it\r\nX-A: \xe9\r\n"
	    "Content-Length: 5\r\n\r\nhello");
	rig_settle(&g);
	assert_string_equal(c->in.p, "HTTP/1.1 201 Made it\r\nX-A: \xe9\r\n"
	    "Content-Length: 5\r\n\r\nhello");
	rig_close(&g);
}

static void
one_stream_for_one_person(void **state)
{
	struct cl *c;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	assert_int_equal(exchange(c, "GET /1", OK2), 200);
	assert_int_equal(exchange(c, "GET /2", OK2), 200);
	assert_int_equal(web->nstreams, 1);
	rig_login(&g, C1);
	assert_int_equal(exchange(c, "GET /3", OK2), 200);
	assert_int_equal(web->nstreams, 2);
	rig_settle(&g);
	assert_true(ag_stream(web, 1)->in_end);
	assert_false(ag_stream(web, 2)->in_end);
	rig_close(&g);
}

static void
one_stream_for_one_app(void **state)
{
	struct cl *c;

	(void)state;
	begin();
	g.cfg.app_domain = SL("apps.test");
	g.cfg.no_login = true;
	rig_start(&g);
	web = ag_new(&g, A1, "mac");
	web->hello.apps[1] = (struct hello_app){ .name = SL("two"),
		.kind = APP_HTTP };
	web->hello.napps = 2;
	ag_dial(web);
	rig_settle(&g);
	c = cl_new(&g, C1, NULL);
	cl_put(c, "GET / HTTP/1.1\r\nHost: web.apps.test\r\n\r\n");
	assert_int_equal(answered(c, asked(1), OK2), 200);
	cl_put(c, "GET / HTTP/1.1\r\nHost: two.apps.test\r\n\r\n");
	assert_int_equal(answered(c, asked(2), OK2), 200);
	assert_string_equal(ag_stream(web, 1)->app, "web");
	assert_string_equal(ag_stream(web, 2)->app, "two");
	rig_close(&g);
}

/* A body that the relay itself reads was begun when the first app came, whose
 * path it is now. */
static void
a_body_begun_before_the_first_app(void **state)
{
	struct cl *c;

	(void)state;
	begin();
	g.cfg.root = SL("");
	g.cfg.no_login = true;
	rig_start(&g);
	c = cl_new(&g, C1, NULL);
	cl_put(c, "POST /api/auth/logout HTTP/1.1\r\n" HOST
	    "Content-Length: 4\r\n\r\nbo");
	rig_settle(&g);
	web = ag_up(&g, A1, "mac");
	cl_put(c, "dy");
	as_say(asked(1), OK2);
	assert_true(as_has(ag_stream(web, 1), "\r\n\r\nbody"));
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 200);
	rig_close(&g);
}

/* Nobody logs in, and a proxy carries two people on one connection. */
static void
one_stream_for_one_address_behind_a_proxy(void **state)
{
	struct cl *c;

	(void)state;
	begin();
	g.cfg.root = SL("web");
	g.cfg.no_login = true;
	g.cfg.trust[0] = (struct relay_net){ world_addr(C1 ":1"), 32 };
	g.cfg.ntrust = 1;
	rig_start(&g);
	web = ag_up(&g, A1, "mac");
	c = cl_new(&g, C1, NULL);
	cl_put(c, "GET / HTTP/1.1\r\n" HOST "X-Forwarded-For: 10.1.1.1\r\n"
	    "X-Forwarded-Proto: https\r\n\r\n");
	assert_int_equal(answered(c, asked(1), OK2), 200);
	cl_put(c, "GET / HTTP/1.1\r\n" HOST "X-Forwarded-For: 10.1.1.2\r\n"
	    "\r\n");
	assert_int_equal(answered(c, asked(2), OK2), 200);
	assert_string_equal(ag_stream(web, 1)->client, "10.1.1.1");
	assert_string_equal(ag_stream(web, 1)->scheme, "https");
	assert_string_equal(ag_stream(web, 2)->client, "10.1.1.2");
	assert_string_equal(ag_stream(web, 2)->scheme, "http");
	rig_close(&g);
}

static void
pipelined_requests_are_answered_in_order(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("GET /1", ""));
	cl_put(c, "GET /_adit/healthz HTTP/1.1\r\n" HOST "\r\n");
	cl_put(c, req("POST /2", "Content-Length: 3\r\n"));
	cl_put(c, "abc");
	cl_put(c, req("GET /3", ""));
	s = asked(1);
	assert_true(as_has(s, "GET /1 "));
	assert_false(as_has(s, "/2"));
	as_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
	rig_settle(&g);
	assert_true(as_has(s, "POST /2 "));
	assert_true(as_has(s, "\r\n\r\nabc"));
	assert_false(as_has(s, "/3"));
	as_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
	rig_settle(&g);
	as_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3");
	rig_settle(&g);
	for (int i = 0; i < 4; i++) {
		static const char *const want[] = { "1", "{\"status\":\"ok\"}",
			"2", "3" };

		assert_int_equal(cl_take(c, false), 200);
		assert_string_equal(c->body.p, want[i]);
	}
	assert_int_equal(web->nstreams, 1);
	rig_close(&g);
}

static void
an_app_with_its_own_host(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin();
	g.cfg.root = SL("web");
	rig_start(&g);
	web = ag_new(&g, A1, "mac");
	web->hello.apps[0].host = SL("127.0.0.1:5173");
	ag_dial(web);
	rig_settle(&g);
	rig_login(&g, C1);
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("GET /", "Origin: http://" RIG_MAIN "\r\n"));
	s = asked(1);
	assert_true(as_has(s, "\r\nHost: 127.0.0.1:5173\r\n"));
	assert_true(as_has(s, "\r\nOrigin: http://127.0.0.1:5173\r\n"));
	assert_true(as_has(s, "\r\nX-Forwarded-Host: " RIG_MAIN "\r\n"));
	as_say(s, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:5173/x\r\n"
	    "Content-Length: 0\r\n\r\n");
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 302);
	assert_true(cl_head_has(c, "Location: http://" RIG_MAIN "/x\r\n"));
	rig_close(&g);
}

/* While an app thinks, one small buffer is all that is kept for later. */
static void
much_is_pipelined_behind_a_slow_app(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("GET /slow", ""));
	for (int i = 0; i < 100; i++)
		cl_put(c, "GET /_adit/healthz HTTP/1.1\r\n" HOST "\r\n");
	cl_put(c, "GET /_adit/healthz HTTP/1.1\r\n" HOST "\r\n");
	s = asked(1);
	assert_true(rig_held(&g) <= SMALL_BYTES);
	assert_int_equal(g.r->large.used, 0);
	assert_int_equal(answered(c, s, OK2), 200);
	assert_true(cl_head_has(c, "Connection: close\r\n"));
	assert_true(c->eof && !c->broken && c->in.n == 0);
	rig_close(&g);
}

static void
thousands_of_pipelined_requests(void **state)
{
	struct cl *c, *other;
	unsigned n = 0;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	c->hold = true;
	for (int i = 0; i < 5000; i++)
		cl_put(c, "GET /_adit/healthz HTTP/1.1\r\n" HOST "\r\n");
	rig_run(&g, 500);
	/* It does not read: what waits for it has a bound. */
	assert_true(rig_held(&g) < 2 * LARGE_BYTES);
	other = cl_new(&g, C2, NULL);
	assert_int_equal(cl_ask(other, req("GET /_adit/health", "")), 200);
	c->hold = false;
	rig_run(&g, 2000);
	while (cl_take(c, false) == 200)
		n++;
	assert_int_equal(n, 5000);
	rig_close(&g);
}

static void
a_body_by_length(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("POST /up", "Content-Length: 10\r\n"));
	cl_put(c, "0123");
	s = asked(1);
	assert_true(as_has(s, "Content-Length: 10\r\n"));
	assert_true(as_has(s, "\r\n\r\n0123"));
	s->in.n = 0;
	cl_put(c, "456789");
	rig_settle(&g);
	in_is(s, "456789");
	assert_int_equal(answered(c, s, OK2), 200);
	assert_false(c->eof);
	assert_int_equal(exchange(c, "GET /next", OK2), 200);
	assert_int_equal(web->nstreams, 1);
	rig_close(&g);
}

static void
a_chunked_body_with_trailers_both_ways(void **state)
{
	static const char body[] = "5;ext=\"1\"\r\nhello\r\n00a\r\n0123456789"
	    "\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n";
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("POST /up", "Transfer-Encoding: chunked\r\n"
	    "TE: trailers\r\nTrailer: X-Sum\r\n"));
	s = asked(1);
	assert_true(as_has(s, "Connection: TE\r\nTE: trailers\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"));
	assert_true(as_has(s, "Trailer: X-Sum\r\n"));
	s->in.n = 0;
	for (const char *p = body; *p != 0; p++) {
		cl_putn(c, p, 1);
		rig_run(&g, 1);
	}
	rig_settle(&g);
	in_is(s, "5\r\nhello\r\na\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n");
	as_say(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (const char *p = body; *p != 0; p++) {
		as_sayn(s, p, 1);
		rig_run(&g, 1);
	}
	rig_settle(&g);
	assert_string_equal(c->in.p, "HTTP/1.1 200 OK\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"
	    "5\r\nhello\r\na\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n");
	assert_int_equal(cl_take(c, false), 200);
	assert_int_equal(exchange(c, "GET /next", OK2), 200);
	assert_int_equal(web->nstreams, 1);
	rig_close(&g);
}

static void
many_trailers_fit(void **state)
{
	struct cl *c;
	struct as *s;
	struct dyn d = { 0 };

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	dyn_put(&d, "0\r\n", 3);
	for (int i = 0; i < 256; i++)
		dyn_put(&d, "x:0123456789012345678901234\r\n", 29);
	dyn_put(&d, "\r\n", 3);
	cl_put(c, req("POST /", "Transfer-Encoding: chunked\r\n"));
	cl_put(c, d.p);
	s = asked(1);
	assert_true(as_has(s, "x: 0123456789012345678901234\r\n\r\n"));
	as_say(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	as_say(s, d.p);
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 200);
	free(d.p);
	rig_close(&g);
}

/* Of trailers more than a small buffer holds comes with the head. */
static void
trailers_cut_behind_the_head(void **state)
{
	struct cl *c;
	struct as *s;
	struct dyn d = { 0 };

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	dyn_put(&d, req("POST /", "Transfer-Encoding: chunked\r\n"),
	    strlen(req("POST /", "Transfer-Encoding: chunked\r\n")));
	dyn_put(&d, "2\r\nhi\r\n0\r\n", 10);
	for (int i = 0; i < 250; i++)
		dyn_put(&d, "x:0123456789012345678901234\r\n", 29);
	cl_putn(c, d.p, d.n);
	s = asked(1);
	assert_true(as_has(s, "2\r\nhi\r\n"));
	cl_put(c, "y: z\r\n\r\n");
	rig_settle(&g);
	assert_true(as_has(s, "x: 0123456789012345678901234\r\n"
	    "y: z\r\n\r\n"));
	as_say(s, OK2);
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 200);
	assert_int_equal(exchange(c, "GET /next", OK2), 200);
	assert_int_equal(web->nstreams, 1);
	free(d.p);
	rig_close(&g);
}

static void
full_duplex(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("POST /talk", "Transfer-Encoding: chunked\r\n"));
	s = asked(1);
	as_say(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 5; i++) {
		s->in.n = c->in.n = 0;
		cl_put(c, "2\r\nhi\r\n");
		rig_settle(&g);
		in_is(s, "2\r\nhi\r\n");
		as_say(s, "2\r\nho\r\n");
		rig_settle(&g);
		assert_true(cl_has(c, "2\r\nho\r\n"));
	}
	cl_put(c, "0\r\n\r\n");
	rig_settle(&g);
	in_is(s, "0\r\n\r\n");
	as_say(s, "0\r\n\r\n");
	rig_settle(&g);
	assert_true(cl_has(c, "0\r\n\r\n"));
	assert_true(c->eof && !c->broken);
	rig_close(&g);
}

static void
http_1_0_clients(void **state)
{
	char line[3000];
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	snprintf(line, sizeof line, "GET / HTTP/1.0\r\nCookie: %s\r\n"
	    "Connection: keep-alive\r\n" HOST "\r\n", g.cookie);
	cl_put(c, line);
	s = asked(1);
	assert_true(as_has(s, "GET / HTTP/1.1\r\n"));
	as_say(s, "HTTP/1.1 103 Early Hints\r\n\r\n" OK2);
	rig_settle(&g);
	assert_string_equal(c->in.p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
	    "Connection: keep-alive\r\n\r\nok");
	c->in.n = 0;
	cl_put(c, line);
	rig_settle(&g);
	as_say(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
	    "Trailer: X\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nX: y\r\n\r\n");
	rig_settle(&g);
	assert_string_equal(c->in.p, "HTTP/1.1 200 OK\r\n"
	    "Connection: close\r\n\r\nabcdef");
	assert_true(c->eof && !c->broken);
	rig_close(&g);
}

static void
the_app_decides_on_expect(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("PUT /f", "Expect: 100-continue\r\n"
	    "Content-Length: 3\r\n"));
	s = asked(1);
	assert_true(as_has(s, "Expect: 100-continue\r\n"));
	as_say(s, "HTTP/1.1 100 Continue\r\n\r\n");
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 100);
	cl_put(c, "abc");
	rig_settle(&g);
	assert_int_equal(answered(c, s, OK2), 200);
	cl_put(c, req("PUT /f", "Expect: 100-continue\r\n"
	    "Content-Length: 3\r\n"));
	rig_settle(&g);
	as_say(s, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 417);
	assert_true(cl_head_has(c, "Connection: close\r\n"));
	assert_true(c->eof && !c->broken);
	rig_close(&g);
}

static void
early_hints_pass(void **state)
{
	struct cl *c;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	assert_int_equal(exchange(c, "GET /", "HTTP/1.1 103 Early Hints\r\n"
	    "Link: </x>\r\nContent-Length: 5\r\n\r\n"
	    "HTTP/1.1 103 Early Hints\r\nLink: </y>\r\n\r\n" OK2), 103);
	assert_string_equal(c->head.p, "HTTP/1.1 103 Early Hints\r\n"
	    "Link: </x>\r\n\r\n");
	assert_int_equal(cl_take(c, false), 103);
	assert_int_equal(cl_take(c, false), 200);
	rig_close(&g);
}

static void
answers_without_a_body(void **state)
{
	static const struct { const char *line, *answer, *want; } rows[] = {
		{ "HEAD /", "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n",
		    "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" },
		{ "HEAD /", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		    "\r\n", "HTTP/1.1 200 OK\r\n\r\n" },
		{ "GET /", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n"
		    "ETag: \"a\"\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n"
		    "Content-Length: 7\r\nETag: \"a\"\r\n\r\n" },
		{ "GET /", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n"
		    "\r\n", "HTTP/1.1 204 No Content\r\n\r\n" },
		{ "GET /", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
	};
	struct cl *c;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_not_equal(exchange(c, rows[i].line,
		    rows[i].answer), 0);
		assert_string_equal(c->head.p, rows[i].want);
		assert_int_equal(c->in.n, 0);
	}
	assert_int_equal(web->nstreams, 1);
	rig_close(&g);
}

static void
hop_by_hop_fields_are_dropped(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("GET /", "Connection: keep-alive, X-Mine, upgrade\r\n"
	    "X-Mine: 1\r\nKeep-Alive: timeout=9\r\nUpgrade: h2c\r\n"
	    "HTTP2-Settings: AA\r\nProxy-Authorization: x\r\n"
	    "Proxy-Connection: y\r\nX-Forwarded-For: 1.2.3.4\r\n"
	    "X_Forwarded_User: root\r\nForwarded: for=9.9.9.9\r\n"
	    "X-Real-IP: 5.5.5.5\r\nAuthorization: Bearer adit_x\r\n"
	    "Cookie: a=1; adit-device=z; __Host-adit=q\r\nX-Keep: 2\r\n"));
	s = asked(1);
	in_is(s, "GET / HTTP/1.1\r\n" HOST "Cookie: a=1\r\nX-Keep: 2\r\n"
	    FORWARDED("http") "\r\n");
	as_say(s, "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n"
	    "Keep-Alive: timeout=5\r\nAlt-Svc: h3=\":443\"\r\n"
	    "Clear-Site-Data: \"*\"\r\nStrict-Transport-Security: max-age=1\r\n"
	    "Service-Worker-Allowed: /\r\nReporting-Endpoints: a=\"/\"\r\n"
	    "NEL: {}\r\nSet-Cookie: adit=x\r\nSet-Cookie: ok=1\r\n"
	    "Set-Cookie: __Host-adit-4000=2\r\nContent-Length: 2\r\n\r\nok");
	rig_settle(&g);
	assert_string_equal(c->in.p, "HTTP/1.1 200 OK\r\nSet-Cookie: ok=1\r\n"
	    "Content-Length: 2\r\n\r\nok");
	rig_close(&g);
}

static void
an_answer_before_the_upload_ends(void **state)
{
	char *body = big(300000);
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("POST /", "Content-Length: 1000000\r\n"));
	cl_putn(c, body, 1000);
	s = asked(1);
	as_say(s, "HTTP/1.1 413 Too much\r\nContent-Length: 2\r\n\r\nno");
	cl_putn(c, body, 300000);
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 413);
	assert_true(cl_head_has(c, "Connection: close\r\n"));
	assert_true(s->was_reset);
	assert_true(c->eof && !c->broken);
	free(body);
	rig_close(&g);
}

static void
an_app_closes_its_idle_connection(void **state)
{
	struct cl *c;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	assert_int_equal(exchange(c, "GET /1", OK2), 200);
	as_end(ag_stream(web, 1));
	rig_settle(&g);
	assert_true(ag_stream(web, 1)->closed);
	assert_int_equal(exchange(c, "GET /2", OK2), 200);
	assert_int_equal(web->nstreams, 2);
	/* A connection without keep-alive is not used again either. */
	assert_int_equal(exchange(c, "GET /3", "HTTP/1.1 200 OK\r\n"
	    "Connection: close\r\nContent-Length: 1\r\n\r\n1"), 200);
	assert_int_equal(exchange(c, "GET /4", OK2), 200);
	assert_int_equal(web->nstreams, 3);
	/* Nor one that is older than the app said it would keep it. */
	assert_int_equal(exchange(c, "GET /5", "HTTP/1.1 200 OK\r\n"
	    "Keep-Alive: timeout=3\r\nContent-Length: 1\r\n\r\n1"), 200);
	rig_run(&g, 2500);
	assert_int_equal(exchange(c, "GET /6", OK2), 200);
	assert_int_equal(web->nstreams, 4);
	/* Nor one whose app reads no more. */
	as_stop(ag_stream(web, 4));
	rig_settle(&g);
	assert_int_equal(exchange(c, "GET /7", OK2), 200);
	assert_int_equal(web->nstreams, 5);
	/* Nor one whose app said so while it answered. */
	cl_put(c, req("GET /7a", ""));
	rig_settle(&g);
	as_stop(ag_stream(web, 5));
	rig_settle(&g);
	assert_int_equal(answered(c, ag_stream(web, 5), OK2), 200);
	assert_int_equal(exchange(c, "GET /7b", OK2), 200);
	assert_int_equal(web->nstreams, 6);
	/* Nor one that said more than it was asked for. */
	assert_int_equal(exchange(c, "GET /8", OK2 "HTTP/1.1 200 OK\r\n"),
	    200);
	assert_int_equal(exchange(c, "GET /9", OK2), 200);
	assert_int_equal(web->nstreams, 7);
	rig_close(&g);
}

/* The app closes at the moment that the next request is sent. Nobody can know
 * whether it was looked at: the client sees its connection closed without a
 * word, as it would without us, and decides itself whether to ask again. */
static void
a_request_that_crosses_the_apps_close(void **state)
{
	static const enum reset_code how[] = { RESET_NONE, RESET_BROKEN };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct cl *c;
		struct as *s;

		begin_web();
		c = cl_new(&g, C1, NULL);
		assert_int_equal(exchange(c, "GET /1", OK2), 200);
		s = ag_stream(web, 1);
		world_stall(g.w, g.host, web->host, true);
		if (how[i] == RESET_NONE)
			as_end(s);
		else
			as_reset(s, how[i]);
		cl_put(c, req("GET /2", ""));
		rig_settle(&g);
		world_stall(g.w, g.host, web->host, false);
		rig_settle(&g);
		assert_true(c->eof);
		assert_int_equal(c->in.n, 0);
		rig_close(&g);
	}
}

static void
an_app_that_closes_without_an_answer(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = asking("GET /", &s);
	as_end(s);
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 502);
	assert_true(cl_body_has(c, "closed the connection"));
	assert_false(c->eof);
	cl_put(c, req("GET /", "Sec-Fetch-Mode: navigate\r\n"));
	s = asked(2);
	as_say(s, "HTTP/1.1 200");
	rig_settle(&g);
	as_end(s);
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 502);
	assert_true(cl_body_has(c, "http-equiv=\"refresh\""));
	rig_close(&g);
}

static void
malformed_answers(void **state)
{
	static const char *const rows[] = {
		"garbage\r\n\r\n",
		"HTTP/1.1 99 Low\r\n\r\n",
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 1\n\na",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n"
		    "\r\na",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: \001\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		    "Upgrade: websocket\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2 x\r\n\r\n",
	};

	(void)state;
	begin_web();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cl *c = cl_new(&g, C1, NULL);
		struct as *s;
		unsigned status;

		cl_put(c, req("GET /", ""));
		s = asked(web->nstreams + (i == 0));
		s = ag_last(web);
		as_say(s, rows[i]);
		rig_settle(&g);
		status = cl_take(c, false);
		if (status == 100)
			status = cl_take(c, false);
		assert_int_equal(status, 502);
		assert_true(cl_body_has(c, "malformed answer"));
		assert_true(s->was_reset);
		cl_close(c, false);
	}
	rig_close(&g);
}

static void
a_head_of_an_answer_has_a_bound(void **state)
{
	char *fill = big(70000);
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = asking("GET /", &s);
	as_say(s, "HTTP/1.1 200 OK\r\nX: ");
	as_sayn(s, fill, 60000);
	as_say(s, "\r\nContent-Length: 2\r\n\r\nok");
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 200);
	assert_int_equal(c->head.n, 60000 + 43);
	cl_put(c, req("GET /", ""));
	rig_settle(&g);
	as_say(s, "HTTP/1.1 200 OK\r\nX: ");
	as_sayn(s, fill, 70000);
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 502);
	free(fill);
	rig_close(&g);
}

static void
truncated_answers(void **state)
{
	static const struct {
		const char *answer, *want;
		enum reset_code code;
		bool broken;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
		    "\r\n\r\nabc", RESET_NONE, false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
		    "\r\n\r\nabc", RESET_BROKEN, false },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "3\r\nabc\r\n", "3\r\nabc\r\n", RESET_NONE, false },
		{ "HTTP/1.1 200 OK\r\n\r\nabc", "\r\n\r\nabc", RESET_BROKEN,
		    true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "3\r\nabc\r\nzz", "3\r\nabc\r\n", RESET_NONE, false },
	};

	(void)state;
	begin_web();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cl *c = cl_new(&g, C1, NULL);
		struct as *s;

		cl_put(c, req("GET /", ""));
		rig_settle(&g);
		s = ag_last(web);
		as_say(s, rows[i].answer);
		rig_settle(&g);
		if (rows[i].code != RESET_NONE)
			as_reset(s, rows[i].code);
		else
			as_end(s);
		rig_settle(&g);
		assert_true(cl_has(c, rows[i].want));
		assert_false(cl_has(c, "0\r\n\r\n"));
		assert_true(c->eof);
		assert_int_equal(c->broken, rows[i].broken);
		cl_close(c, false);
	}
	rig_close(&g);
}

static void
a_close_delimited_answer_ends_with_the_app(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = asking("GET /", &s);
	as_say(s, "HTTP/1.0 200 OK\r\n\r\nabc");
	rig_settle(&g);
	assert_false(c->eof);
	as_say(s, "def");
	as_end(s);
	rig_settle(&g);
	assert_string_equal(c->in.p, "HTTP/1.1 200 OK\r\n"
	    "Connection: close\r\n\r\nabcdef");
	assert_true(c->eof && !c->broken);
	rig_close(&g);
}

static void
resets_have_their_statuses(void **state)
{
	static const struct { enum reset_code code; unsigned status; } rows[] =
	{
		{ RESET_UNKNOWN_APP, 502 }, { RESET_REFUSED, 502 },
		{ RESET_UNREACHABLE, 502 }, { RESET_TIMED_OUT, 504 },
		{ RESET_OVER_LIMIT, 503 }, { RESET_CANCELLED, 502 },
		{ RESET_INTERNAL, 502 }, { RESET_BROKEN, 502 },
	};
	struct cl *c;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cl_put(c, req("GET /", ""));
		as_reset(asked((unsigned)i + 1), rows[i].code);
		rig_settle(&g);
		assert_int_equal(cl_take(c, false), rows[i].status);
		assert_true(cl_body_has(c, "{\"error\":\""));
		assert_int_equal(cl_head_has(c, "Retry-After"),
		    rows[i].status == 503);
	}
	rig_close(&g);
}

static void
a_client_that_does_not_read(void **state)
{
	const size_t total = 4 << 20;
	char *body = big(total);
	char head[100];
	struct cl *c, *other;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	c->hold = true;
	cl_put(c, req("GET /", ""));
	s = asked(1);
	snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu"
	    "\r\n\r\n", total);
	as_say(s, head);
	as_sayn(s, body, total);
	rig_run(&g, 1000);
	assert_true(rig_held(&g) <= WINDOW_INITIAL);
	/* The rest waits at the app: queues of 128 KiB on four sockets. */
	assert_true(s->out.n >= total - WINDOW_INITIAL - 4 * 128 * 1024);
	/* Nobody else notices. */
	other = cl_new(&g, C1, NULL);
	assert_int_equal(exchange(other, "GET /other", OK2), 200);
	c->hold = false;
	rig_run(&g, 2000);
	assert_int_equal(cl_take(c, false), 200);
	assert_int_equal(c->body.n, total);
	assert_memory_equal(c->body.p, body, total);
	free(body);
	rig_close(&g);
}

static void
an_app_that_does_not_read(void **state)
{
	const size_t total = 4 << 20;
	char *body = big(total);
	struct cl *c, *other;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("POST /", "Content-Length: 4194304\r\n"));
	s = asked(1);
	s->in.n = 0;
	s->hold = true;
	cl_putn(c, body, total);
	rig_run(&g, 1000);
	assert_true(s->unread <= WINDOW_INITIAL);
	assert_true(rig_held(&g) <= WINDOW_INITIAL);
	assert_true(c->out.n >= total - WINDOW_INITIAL - 4 * 128 * 1024);
	other = cl_new(&g, C1, NULL);
	assert_int_equal(exchange(other, "GET /other", OK2), 200);
	as_read(s);
	rig_run(&g, 2000);
	assert_int_equal(s->in.n, total);
	assert_memory_equal(s->in.p, body, total);
	assert_int_equal(answered(c, s, OK2), 200);
	free(body);
	rig_close(&g);
}

/* The app knows within the time that the network takes: 1 ms to the relay, 1
 * ms to the agent. */
static void
a_client_that_goes_away_is_noticed_at_once(void **state)
{
	static const struct {
		const char *line, *fields, *sent, *answer;
		bool abort, app_holds;
	} rows[] = {
		{ "GET /", "", "", "", true, false },
		{ "GET /", "", "", "", false, false },
		{ "POST /", "Content-Length: 100\r\n", "abc", "", true, false },
		{ "POST /", "Content-Length: 100\r\n", "abc", "", false,
		    false },
		{ "POST /", "Content-Length: 900000\r\n", NULL, "", false,
		    true },
		{ "POST /", "Transfer-Encoding: chunked\r\n", "5\r\nab", "",
		    false, false },
		{ "GET /", "", "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
		    "\r\nab", true, false },
		{ "GET /", "", "", "HTTP/1.1 200 OK\r\n"
		    "Content-Type: text/event-stream\r\n\r\ndata: x\n\n",
		    false, false },
	};
	char *fill = big(800000);

	(void)state;
	begin_web();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cl *c = cl_new(&g, C1, NULL);
		struct as *s;
		uint64_t at;

		cl_put(c, req(rows[i].line, rows[i].fields));
		rig_settle(&g);
		s = ag_last(web);
		s->hold = rows[i].app_holds;
		if (rows[i].sent == NULL)
			cl_putn(c, fill, 800000);
		else
			cl_put(c, rows[i].sent);
		as_say(s, rows[i].answer);
		rig_settle(&g);
		at = world_now(g.w);
		cl_close(c, rows[i].abort || rows[i].sent == NULL);
		rig_settle(&g);
		assert_true(s->was_reset);
		assert_int_equal(s->code, RESET_CANCELLED);
		assert_true(s->over_ms <= at + 2);
	}
	free(fill);
	rig_close(&g);
}

static void
an_agent_that_goes_away(void **state)
{
	struct cl *c[4];

	(void)state;
	begin_web();
	for (size_t i = 0; i < 4; i++)
		c[i] = cl_new(&g, C1, NULL);
	cl_put(c[0], req("GET /0", ""));
	cl_put(c[1], req("GET /1", "Sec-Fetch-Mode: navigate\r\n"));
	cl_put(c[2], req("GET /2", ""));
	rig_settle(&g);
	for (struct as *s = web->streams; s != NULL; s = s->next) {
		if (as_has(s, "GET /2 "))
			as_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
			    "\r\nabc");
	}
	rig_settle(&g);
	ag_drop(web, true);
	rig_settle(&g);
	assert_int_equal(cl_take(c[0], false), 502);
	assert_true(cl_body_has(c[0], "{\"error\":\"Tunnel not connected\"}"));
	assert_int_equal(cl_take(c[1], false), 502);
	assert_true(cl_head_has(c[1], "text/html"));
	assert_true(cl_has(c[2], "\r\n\r\nabc"));
	assert_true(c[2]->eof);
	assert_int_equal(cl_ask(c[0], req("GET /", "")), 502);
	assert_int_equal(cl_ask(c[3], req("GET /",
	    "Sec-Fetch-Mode: navigate\r\n")), 502);
	assert_true(cl_body_has(c[3], "http-equiv=\"refresh\""));
	assert_int_equal(g.r->streams.used, 0);
	ag_dial(web);
	rig_settle(&g);
	assert_int_equal(exchange(c[0], "GET /again", OK2), 200);
	rig_close(&g);
}

/* ---- time ---- */

static void
silence_has_an_end(void **state)
{
	struct cl *c;
	uint64_t at;

	(void)state;
	begin_web();
	at = world_now(g.w);
	c = cl_new(&g, C1, NULL);
	rig_run(&g, 9900);
	assert_false(c->eof);
	rig_run(&g, 300);
	assert_true(c->eof);
	assert_int_equal(c->in.n, 0);
	assert_true(c->end_ms - at >= 10000);
	rig_close(&g);
}

static void
a_head_has_ten_seconds_from_its_first_byte(void **state)
{
	struct cl *c;
	uint64_t at;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	rig_run(&g, 8000);
	at = world_now(g.w);
	for (int i = 0; i < 12; i++) {
		cl_put(c, i == 0 ? "GET / HTTP/1.1\r\n" : "A: b\r\n");
		rig_run(&g, 1000);
	}
	assert_int_equal(cl_take(c, false), 408);
	assert_true(c->eof);
	assert_in_range(c->end_ms - at, 10000, 10100);
	/* The same for the second one on a connection. */
	c = kept();
	rig_run(&g, 30000);
	cl_put(c, "GET");
	at = world_now(g.w);
	rig_run(&g, 11000);
	assert_int_equal(cl_take(c, false), 408);
	assert_in_range(c->end_ms - at, 10000, 10100);
	rig_close(&g);
}

static void
a_body_of_ours_has_ten_seconds(void **state)
{
	struct cl *c;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, "POST /_adit/api/auth/login HTTP/1.1\r\n" HOST
	    "Content-Length: 100\r\n\r\n");
	for (int i = 0; i < 12; i++) {
		cl_put(c, "x");
		rig_run(&g, 1000);
	}
	assert_int_equal(cl_take(c, false), 408);
	assert_true(c->eof);
	rig_close(&g);
}

static void
an_app_has_time_for_its_first_byte(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin();
	go_web();
	c = asking("GET /", &s);
	rig_run(&g, 590000);
	assert_int_equal(c->in.n, 0);
	assert_int_equal(answered(c, s, OK2), 200);
	cl_put(c, req("GET /", "Sec-Fetch-Mode: navigate\r\n"));
	rig_run(&g, 601000);
	assert_int_equal(cl_take(c, false), 504);
	assert_true(cl_head_has(c, "text/html"));
	rig_close(&g);
}

static void
events_may_pause(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = asking("GET /", &s);
	as_say(s, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
	rig_run(&g, 3600 * 1000);
	as_say(s, "data: x\n\n");
	rig_settle(&g);
	assert_true(cl_has(c, "data: x\n\n"));
	assert_false(c->eof);
	rig_close(&g);
}

static void
what_stands_still_is_ended(void **state)
{
	char *body = big(1 << 20);
	struct cl *up, *chunked, *down, *idle;
	struct as *s;

	(void)state;
	begin_web();
	idle = kept();
	up = cl_new(&g, C1, NULL);
	cl_put(up, req("POST /up", "Content-Length: 100\r\n"));
	cl_put(up, "abc");
	chunked = cl_new(&g, C1, NULL);
	cl_put(chunked, req("POST /up", "Transfer-Encoding: chunked\r\n"));
	rig_settle(&g);
	cl_put(chunked, "9\r\nabc");
	down = cl_new(&g, C1, NULL);
	down->hold = true;
	cl_put(down, req("GET /down", ""));
	rig_settle(&g);
	for (s = web->streams; s != NULL && !as_has(s, "/down"); s = s->next)
		;
	as_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
	as_sayn(s, body, 1 << 20);
	rig_run(&g, 74000);
	assert_false(idle->eof);
	rig_run(&g, 2000);
	assert_true(idle->eof && !idle->broken);
	rig_run(&g, 43000);
	assert_false(up->eof || chunked->eof || s->was_reset);
	rig_run(&g, 2000);
	assert_true(up->eof && chunked->eof && s->was_reset);
	free(body);
	rig_close(&g);
}

/* Half an hour for 100 KB each way, but never two minutes without a byte. */
static void
what_moves_slowly_goes_on(void **state)
{
	char *body = big(1 << 20);
	struct world_cfg w = world_gentle(1);
	struct cl *up, *down;
	struct as *s;

	(void)state;
	w.send_bytes = w.recv_bytes = 4000;
	rig_init(&g, &w);
	go_web();
	down = asking("GET /down", &s);
	as_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
	as_sayn(s, body, 1 << 20);
	up = cl_new(&g, C1, NULL);
	cl_put(up, req("POST /up", "Content-Length: 1048576\r\n"));
	for (int i = 0; i < 20; i++) {
		down->hold = true;
		rig_run(&g, 90000);
		down->hold = false;
		cl_put(up, "x");
		rig_run(&g, 3);
	}
	assert_false(up->eof || down->eof);
	assert_false(ag_stream(web, 1)->was_reset);
	assert_false(ag_stream(web, 2)->was_reset);
	free(body);
	rig_close(&g);
}

static void
a_slow_keeper_does_not_hold_a_client_for_ever(void **state)
{
	struct cl *c;

	(void)state;
	begin_web();
	c = cl_new(&g, C2, NULL);
	g.keeper_deaf = true;
	cl_put(c, "GET /x HTTP/1.1\r\n" HOST "Cookie: adit=unknown\r\n\r\n");
	rig_run(&g, 59000);
	assert_false(c->eof);
	rig_run(&g, 2000);
	assert_int_equal(cl_take(c, false), 503);
	assert_true(c->eof);
	g.keeper_deaf = false;
	g.keeper_full = true;
	c = cl_new(&g, C2, NULL);
	cl_put(c, "GET /x HTTP/1.1\r\n" HOST "Cookie: adit=unknown\r\n\r\n");
	rig_settle(&g);
	assert_true(c->eof);
	rig_close(&g);
}

/* ---- limits ---- */

static void
connections_have_caps(void **state)
{
	struct cl *c[12];

	(void)state;
	begin();
	g.cfg.max_connections = 8;
	g.cfg.max_per_address = 3;
	rig_start(&g);
	for (size_t i = 0; i < 4; i++)
		c[i] = cl_new(&g, C1, NULL);
	rig_settle(&g);
	assert_true(c[3]->broken);
	assert_int_equal(cl_ask(c[2], "GET /healthz HTTP/1.1\r\n" HOST "\r\n"),
	    200);
	for (size_t i = 4; i < 10; i++)
		c[i] = cl_new(&g, i < 7 ? C2 : C3, NULL);
	rig_settle(&g);
	assert_int_equal(c[7]->eof + c[8]->eof + c[9]->eof, 1);
	cl_close(c[0], false);
	rig_settle(&g);
	c[10] = cl_new(&g, C1, NULL);
	assert_int_equal(cl_ask(c[10], "GET /healthz HTTP/1.1\r\n" HOST
	    "\r\n"), 200);
	rig_close(&g);
}


/* Heads in pieces have few buffers: who keeps one loses it to the next. */
static void
slow_heads_evict_each_other(void **state)
{
	enum { MORE = 20 };
	struct cl *c[400], *login;
	unsigned lost = 0;
	size_t n;

	(void)state;
	begin();
	g.cfg.memory_bytes = (uint64_t)12 << 20;
	g.cfg.max_per_address = 1000;
	rig_start(&g);
	n = g.plan.heads_small + MORE;
	assert_true(n < 400);
	for (size_t i = 0; i < n; i++) {
		c[i] = cl_new(&g, C1, NULL);
		cl_put(c[i], i % 2 ? "GET / HTTP/1.1\r\nA: " :
		    "POST /_adit/login HTTP/1.1\r\n" HOST
		    "Content-Length: 9\r\n\r\nx");
		if (i % 64 == 0)
			rig_run(&g, 5);         /* a listener's queue */
	}
	rig_run(&g, 300);
	for (size_t i = 0; i < n; i++)
		lost += c[i]->eof;
	assert_int_equal(lost, MORE);
	/* A login needs two of them. */
	rig_login(&g, C2);
	login = cl_new(&g, C2, NULL);
	assert_int_equal(cl_ask(login, req("GET /", "")), 200);
	rig_close(&g);
}

static void
streams_have_a_cap(void **state)
{
	struct cl *c[5];

	(void)state;
	begin();
	g.cfg.max_streams = 4;
	go_web();
	for (size_t i = 0; i < 5; i++) {
		c[i] = cl_new(&g, C1, NULL);
		cl_put(c[i], req("GET /", ""));
		rig_settle(&g);
	}
	assert_int_equal(cl_take(c[4], false), 503);
	assert_true(cl_head_has(c[4], "Retry-After: 2\r\n"));
	for (size_t i = 0; i < 4; i++)
		as_say(ag_stream(web, (unsigned)i + 1), OK2);
	rig_settle(&g);
	cl_close(c[0], false);
	rig_settle(&g);
	as_end(ag_stream(web, 1));
	rig_settle(&g);
	assert_int_equal(exchange(c[4], "GET /", OK2), 200);
	rig_close(&g);
}

static void
bad_requests(void **state)
{
	static const struct { const char *request; unsigned status; } rows[] =
	{
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
		{ "GET /\r\n\r\n", 400 },
		{ "\001\002\003\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\n" HOST "\n", 400 },
		{ "GET / HTTP/2.0\r\n" HOST "\r\n", 505 },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400 },
		{ "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501 },
		{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n"
		    "Content-Length: 1\r\n\r\na", 400 },
		{ "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n"
		    "\r\n", 501 },
		{ "POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\na",
		    400 },
		{ "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400 },
		{ "GET http://other/ HTTP/1.1\r\n" HOST "\r\n", 400 },
		{ "POST /_adit/healthz HTTP/1.1\r\n" HOST
		    "Content-Length: 0\r\n\r\n", 405 },
		{ "GET /_adit/nothing HTTP/1.1\r\n" HOST "\r\n", 404 },
		{ "POST /_adit/api/auth/login HTTP/1.1\r\n" HOST
		    "Content-Length: 20000\r\n\r\n", 413 },
		{ "POST /_adit/api/auth/login HTTP/1.1\r\n" HOST
		    "Transfer-Encoding: chunked\r\n\r\n", 411 },
	};
	struct cl *good;

	(void)state;
	begin_web();
	good = cl_new(&g, C1, NULL);
	cl_put(good, req("GET /good", ""));
	rig_settle(&g);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cl *c = cl_new(&g, C2, NULL);

		assert_int_equal(cl_ask(c, rows[i].request), rows[i].status);
		if (rows[i].status != 405 && rows[i].status != 404) {
			assert_true(cl_head_has(c, "Connection: close\r\n"));
			assert_true(c->eof);
		}
		assert_false(c->broken);
	}
	assert_int_equal(answered(good, ag_stream(web, 1), OK2), 200);
	assert_int_equal(web->nstreams, 1);
	rig_close(&g);
}

static void
long_heads(void **state)
{
	char *fill = big(70000);
	struct cl *c;
	struct as *s;
	struct dyn d = { 0 };

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	dyn_put(&d, "X: ", 3);
	dyn_put(&d, fill, 40000);
	dyn_put(&d, "\r\n", 2);
	cl_put(c, req("GET /", d.p));
	s = asked(1);
	assert_true(s->in.n > 40000);
	assert_int_equal(answered(c, s, OK2), 200);
	cl_put(c, "GET / HTTP/1.1\r\nX: ");
	cl_putn(c, fill, 70000);
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 431);
	assert_true(c->eof && !c->broken);
	c = cl_new(&g, C1, NULL);
	cl_put(c, "GET /");
	cl_putn(c, fill, 20000);
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 414);
	free(fill);
	free(d.p);
	rig_close(&g);
}

/* 20 KB in 90 pieces: from a small buffer to a large one on the way. */
static void
a_head_in_many_pieces(void **state)
{
	char *fill = big(20000);
	const char *all;
	struct cl *c;
	struct as *s;
	struct dyn d = { 0 };

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	for (size_t i = 0; i < 40; i++) {
		char line[600];

		snprintf(line, sizeof line, "X-%zu: %.490s\r\n", i,
		    fill + i * 490);
		dyn_put(&d, line, strlen(line));
	}
	all = req("GET /many", d.p);
	for (size_t i = 0; i < strlen(all); i += 230) {
		cl_putn(c, all + i, min_size(230, strlen(all) - i));
		if (i + 230 >= strlen(all))
			cl_put(c, "GET /_adit/healthz HTTP/1.1\r\n" HOST
			    "\r\n");
		rig_run(&g, 7);
	}
	assert_true(as_has(asked(1), "GET /many "));
	s = ag_last(web);
	assert_true(as_has(s, d.p));
	/* What came behind it is small, and so is what it is kept in. */
	assert_int_equal(g.r->large.used, 0);
	assert_int_equal(g.r->small.used, 1);
	/* The same for the answer. */
	dyn_put(&d, "Content-Length: 2\r\n\r\nok", 23);
	as_say(s, "HTTP/1.1 200 OK\r\n");
	for (size_t i = 0; i < d.n; i += 230) {
		as_sayn(s, d.p + i, min_size(230, d.n - i));
		rig_run(&g, 7);
	}
	assert_int_equal(cl_take(c, false), 200);
	assert_true(cl_head_has(c, "\r\nX-39: "));
	assert_int_equal(g.r->large.used, 0);
	assert_int_equal(cl_take(c, false), 200);
	free(fill);
	free(d.p);
	rig_close(&g);
}

/* It will not say another word: for us it is gone, whether that is seen with
 * its request or later. Of our own answers it gets what it asked for. */
static void
a_client_that_closes_its_side(void **state)
{
	static const struct { const char *field, *body; } rows[] = {
		{ "Content-Length: 2\r\n", "ab" },
		{ "Content-Length: 9\r\n", "ab" },
		{ "Transfer-Encoding: chunked\r\n", "2\r\nab\r\n" },
	};
	struct cl *c;

	(void)state;
	begin_web();
	for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
		c = cl_new(&g, C1, NULL);
		cl_put(c, req("POST /", rows[i / 2].field));
		cl_put(c, rows[i / 2].body);
		if (i % 2 == 1)
			rig_settle(&g);
		cl_shut(c);
		rig_settle(&g);
		assert_true(c->eof && c->in.n == 0);
		assert_true(web->nstreams == 0 || ag_last(web)->was_reset);
	}
	c = cl_new(&g, C1, NULL);
	cl_put(c, "GET /_adit/healthz HTTP/1.1\r\n" HOST "\r\n");
	cl_shut(c);
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 200);
	assert_true(c->eof && !c->broken);
	rig_close(&g);
}

static void
an_app_that_talks_on(void **state)
{
	char *fill = big(200000);
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	assert_int_equal(exchange(c, "GET /", "HTTP/1.1 200 OK\r\n"
	    "Connection: close\r\nContent-Length: 2\r\n\r\nok"), 200);
	s = ag_stream(web, 1);
	as_sayn(s, fill, 200000);
	rig_settle(&g);
	/* All of it was taken and dropped; then its time was over. */
	assert_int_equal(s->out.n, 0);
	assert_true(s->in_end);
	rig_run(&g, ORPHAN_MS);
	assert_true(s->was_reset);
	assert_int_equal(exchange(c, "GET /", OK2), 200);
	free(fill);
	rig_close(&g);
}

static void
a_broken_answer_to_http_1_0(void **state)
{
	char line[3000];
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	snprintf(line, sizeof line, "GET / HTTP/1.0\r\nCookie: %s\r\n" HOST
	    "\r\n", g.cookie);
	cl_put(c, line);
	s = asked(1);
	as_say(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n");
	rig_settle(&g);
	as_end(s);
	rig_settle(&g);
	assert_true(c->eof && c->broken);
	rig_close(&g);
}

static void
one_address_leaves_streams_to_others(void **state)
{
	struct cl *c[64], *other;
	size_t n;

	(void)state;
	begin();
	g.cfg.memory_bytes = (uint64_t)12 << 20;
	go_web();
	n = g.plan.share;
	assert_true(n < 64 && n < g.plan.streams);
	for (size_t i = 0; i < n; i++) {
		c[i] = cl_new(&g, C1, NULL);
		cl_put(c[i], req("GET /", ""));
	}
	rig_settle(&g);
	assert_non_null(ag_stream(web, (unsigned)n));
	other = cl_new(&g, C1, NULL);
	assert_int_equal(cl_ask(other, req("GET /", "")), 503);
	other = cl_new(&g, C2, NULL);
	cl_put(other, req("GET /", ""));
	rig_settle(&g);
	as_say(ag_stream(web, (unsigned)n + 1), OK2);
	rig_settle(&g);
	assert_int_equal(cl_take(other, false), 200);
	/* One that ends makes room for the next. */
	cl_close(c[0], true);
	rig_settle(&g);
	other = cl_new(&g, C1, NULL);
	cl_put(other, req("GET /", ""));
	rig_settle(&g);
	assert_non_null(ag_stream(web, (unsigned)n + 2));
	rig_close(&g);
}

/* Blocks for six windows: who comes later is told to wait, nobody is cut. */
static void
memory_for_few_streams(void **state)
{
	enum { N = 40 };
	char *fill = big(300000);
	struct cl *c[N];
	unsigned full = 0, good = 0;

	(void)state;
	begin();
	g.cfg.memory_bytes = (uint64_t)9 << 20;
	g.cfg.max_connections = 200;
	go_web();
	for (size_t i = 0; i < N; i++) {
		c[i] = cl_new(&g, C1, NULL);
		c[i]->hold = true;
		cl_put(c[i], req("GET /", ""));
	}
	rig_settle(&g);
	for (struct as *s = web->streams; s != NULL; s = s->next) {
		as_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
		as_sayn(s, fill, 300000);
	}
	rig_run(&g, 1000);
	for (size_t i = 0; i < N; i++)
		c[i]->hold = false;
	rig_run(&g, 3000);
	for (size_t i = 0; i < N; i++) {
		unsigned status = cl_take(c[i], false);

		full += status == 503;
		good += status == 200 && c[i]->body.n == 300000;
	}
	assert_int_equal(full + good, N);
	assert_true(full > 5 && good > 5);
	free(fill);
	rig_close(&g);
}

static void
a_bad_chunk_in_an_upload(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("POST /", "Transfer-Encoding: chunked\r\n"));
	cl_put(c, "5\r\nhello\r\n");
	s = asked(1);
	s->in.n = 0;
	cl_put(c, "zz\r\n");
	rig_settle(&g);
	assert_int_equal(s->in.n, 0);
	assert_true(s->was_reset);
	assert_int_equal(cl_take(c, false), 400);
	assert_true(c->eof);
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("POST /", "Transfer-Encoding: chunked\r\n"));
	cl_put(c, "-5\r\nhello\r\n");
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 400);
	rig_close(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_a_request_and_its_answer),
		cmocka_unit_test(one_stream_for_one_person),
		cmocka_unit_test(one_stream_for_one_app),
		cmocka_unit_test(a_body_begun_before_the_first_app),
		cmocka_unit_test(one_stream_for_one_address_behind_a_proxy),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(an_app_with_its_own_host),
		cmocka_unit_test(much_is_pipelined_behind_a_slow_app),
		cmocka_unit_test(thousands_of_pipelined_requests),
		cmocka_unit_test(a_body_by_length),
		cmocka_unit_test(a_chunked_body_with_trailers_both_ways),
		cmocka_unit_test(many_trailers_fit),
		cmocka_unit_test(trailers_cut_behind_the_head),
		cmocka_unit_test(full_duplex),
		cmocka_unit_test(http_1_0_clients),
		cmocka_unit_test(the_app_decides_on_expect),
		cmocka_unit_test(early_hints_pass),
		cmocka_unit_test(answers_without_a_body),
		cmocka_unit_test(hop_by_hop_fields_are_dropped),
		cmocka_unit_test(an_answer_before_the_upload_ends),
		cmocka_unit_test(an_app_closes_its_idle_connection),
		cmocka_unit_test(a_request_that_crosses_the_apps_close),
		cmocka_unit_test(an_app_that_closes_without_an_answer),
		cmocka_unit_test(malformed_answers),
		cmocka_unit_test(a_head_of_an_answer_has_a_bound),
		cmocka_unit_test(truncated_answers),
		cmocka_unit_test(a_close_delimited_answer_ends_with_the_app),
		cmocka_unit_test(resets_have_their_statuses),
		cmocka_unit_test(a_client_that_does_not_read),
		cmocka_unit_test(an_app_that_does_not_read),
		cmocka_unit_test(a_client_that_goes_away_is_noticed_at_once),
		cmocka_unit_test(an_agent_that_goes_away),
		cmocka_unit_test(silence_has_an_end),
		cmocka_unit_test(a_head_has_ten_seconds_from_its_first_byte),
		cmocka_unit_test(a_body_of_ours_has_ten_seconds),
		cmocka_unit_test(an_app_has_time_for_its_first_byte),
		cmocka_unit_test(events_may_pause),
		cmocka_unit_test(what_stands_still_is_ended),
		cmocka_unit_test(what_moves_slowly_goes_on),
		cmocka_unit_test(a_slow_keeper_does_not_hold_a_client_for_ever),
		cmocka_unit_test(connections_have_caps),

		cmocka_unit_test(slow_heads_evict_each_other),
		cmocka_unit_test(streams_have_a_cap),
		cmocka_unit_test(one_address_leaves_streams_to_others),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(long_heads),
		cmocka_unit_test(a_head_in_many_pieces),
		cmocka_unit_test(a_client_that_closes_its_side),
		cmocka_unit_test(an_app_that_talks_on),
		cmocka_unit_test(a_broken_answer_to_http_1_0),
		cmocka_unit_test(memory_for_few_streams),
		cmocka_unit_test(a_bad_chunk_in_an_upload),
	};

	return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
