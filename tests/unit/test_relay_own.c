/*
 * The relay's own paths and pages, its kept state, and its sizes.
 */
#include <sys/mman.h>

#include "base/asset.h"
#include "relay_test.h"

static void
begin_dashboard(void)
{
	begin();
	g.cfg.root = SL("dashboard");
}

static void
short_names_and_long(void **state)
{
	static const struct { const char *path; unsigned want; } rows[] = {
		{ "/health", 200 }, { "/healthz", 200 }, { "/readyz", 200 },
		{ "/_adit/health", 200 }, { "/api/relay/status", 200 },
		{ "/_adit/api/relay/status?x", 200 }, { "/", 401 },
		{ "/_adit", 401 }, { "/_adit/", 401 },
		{ "/api/auth/check", 401 }, { "/nothing", 404 },
		{ "/_adit/nothing", 404 }, { "/_adit/assets/none.css", 404 },
		{ "/_adit/assets/adit.css", 200 }, { "/login", 200 },
		{ "/api/auth/login", 405 }, { "/logout", 405 },
	};
	struct cl *c;

	(void)state;
	begin_dashboard();
	rig_start(&g);
	c = cl_new(&g, C1, NULL);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(get(c, rows[i].path, ""), rows[i].want);
	assert_true(cl_head_has(c, "Allow: POST\r\n"));
	assert_int_equal(cl_ask(c, "POST /health HTTP/1.1\r\n" HOST
	    "Content-Length: 0\r\n\r\n"), 405);
	assert_true(cl_head_has(c, "Allow: GET, HEAD\r\n"));
	assert_int_equal(cl_ask(c, "DELETE /login HTTP/1.1\r\n" HOST "\r\n"),
	    405);
	assert_true(cl_head_has(c, "Allow: GET, HEAD, POST\r\n"));
	assert_int_equal(cl_ask(c, "HEAD /health HTTP/1.1\r\n" HOST "\r\n"),
	    200);
	assert_int_equal(c->in.n, 0);
	assert_int_equal(cl_ask(c, "HEAD / HTTP/1.1\r\n" HOST "\r\n"), 401);
	assert_int_equal(c->in.n, 0);
	rig_close(&g);
}

static void
an_asset_is_kept_by_browsers(void **state)
{
	struct cl *c;
	char tag[200];
	const char *p;

	(void)state;
	begin_dashboard();
	rig_start(&g);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(get(c, "/_adit/assets/adit.css", ""), 200);
	assert_true(c->body.n > 100);
	assert_true(cl_head_has(c, "text/css"));
	p = strstr(c->head.p, "ETag: ");
	assert_non_null(p);
	snprintf(tag, sizeof tag, "If-None-Match: %.*s\r\n",
	    (int)strcspn(p + 6, "\r"), p + 6);
	assert_int_equal(get(c, "/_adit/assets/adit.css", tag), 304);
	assert_int_equal(c->body.n, 0);
	assert_false(cl_head_has(c, "Content-Length"));
	assert_false(cl_head_has(c, "Content-Encoding"));
	/* Under its version's address, and no other, it is kept for ever. */
	assert_true(cl_head_has(c, "Cache-Control: no-cache\r\n"));
	snprintf(tag, sizeof tag, "/_adit/assets/adit.css?v=%.*s",
	    (int)assets_version.n, (const char *)assets_version.p);
	assert_int_equal(get(c, tag, ""), 200);
	assert_true(cl_head_has(c, "immutable\r\n"));
	strcat(tag, "0");
	assert_int_equal(get(c, tag, ""), 200);
	assert_true(cl_head_has(c, "Cache-Control: no-cache\r\n"));
	rig_close(&g);
}

static void
an_asset_is_sent_packed_or_not_at_all(void **state)
{
	static const struct { const char *fields; unsigned want; } rows[] = {
		{ "", 200 }, { "Accept-Encoding: gzip\r\n", 200 },
		{ "Accept-Encoding: br, GZIP;q=0.5\r\n", 200 },
		{ "Accept-Encoding: br\r\nAccept-Encoding: *\r\n", 200 },
		{ "Accept-Encoding: identity\r\n", 406 },
		{ "Accept-Encoding: gzip;q=0, br\r\n", 406 },
		{ "Accept-Encoding: gzip; q=0.0\r\n", 406 },
		{ "Accept-Encoding:\r\n", 406 },
	};
	struct cl *c;

	(void)state;
	begin_dashboard();
	rig_start(&g);
	c = cl_new(&g, C1, NULL);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(get(c, "/_adit/assets/adit.css",
		    rows[i].fields), rows[i].want);
		assert_int_equal(cl_head_has(c, "Content-Encoding: gzip\r\n"),
		    rows[i].want == 200);
		assert_int_equal(memcmp(c->body.p, "\x1f\x8b", 2) == 0,
		    rows[i].want == 200);
	}
	rig_close(&g);
}

static void
a_login_may_wait_for_100(void **state)
{
	struct cl *c;

	(void)state;
	begin_dashboard();
	rig_start(&g);
	c = cl_new(&g, C1, NULL);
	cl_put(c, "POST /api/auth/login HTTP/1.1\r\n" HOST
	    "Expect: 100-continue\r\nContent-Length: 36\r\n\r\n");
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 100);
	cl_put(c, "{\"password\":\"" RIG_PASSWORD "\"}");
	cl_put(c, "GET /healthz HTTP/1.1\r\n" HOST "\r\n");
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 200);
	assert_int_equal(cl_take(c, false), 200);
	assert_true(cl_body_has(c, "status"));
	rig_close(&g);
}

static void
the_status_lists_what_is_there(void **state)
{
	struct cl *c;

	(void)state;
	begin_dashboard();
	rig_listen(&g, RIG_IP ":4100", LISTEN_PORT, "");
	rig_start(&g);
	rig_login(&g, C1);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(cl_ask(c, req("GET /", "Accept: text/html\r\n")),
	    200);
	assert_true(cl_head_has(c, "Content-Encoding: gzip\r\n"));
	assert_true(cl_head_has(c, "Cache-Control: no-store\r\n"));
	ag_up(&g, A1, "mac");
	ag_up(&g, A2, "lab");
	assert_int_equal(cl_ask(c, req("GET /api/relay/status", "")), 200);
	assert_true(cl_body_has(c, "\"name\":\"mac\""));
	assert_true(cl_body_has(c, "\"name\":\"lab\""));
	assert_true(cl_body_has(c, "\"url\":\"http://" RIG_IP ":4100/\""));
	assert_true(cl_body_has(c, "\"tunnelConnected\":true"));
	rig_close(&g);
}

static void
nothing_of_a_request_is_shown_unescaped(void **state)
{
	struct cl *c;

	(void)state;
	begin_dashboard();
	rig_start(&g);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(get(c, "/_adit/login?next=/%22%3E%3Cscript%3E&h=%22"
	    "%3Cb%3E", "Accept: text/html\r\n"), 200);
	assert_false(cl_body_has(c, "<script>"));
	assert_false(cl_body_has(c, "<b>"));
	assert_true(cl_body_has(c, "&lt;script&gt;"));
	assert_int_equal(get(c, "/%3Cscript%3E", "Accept: text/html\r\n"),
	    404);
	assert_false(cl_body_has(c, "script"));
	assert_true(cl_head_has(c, "Content-Security-Policy: "
	    "default-src 'none'"));
	assert_true(cl_head_has(c, "X-Content-Type-Options: nosniff\r\n"));
	assert_true(cl_head_has(c, "Referrer-Policy: no-referrer\r\n"));
	rig_close(&g);
}

static void
http_is_sent_to_https(void **state)
{
	struct cl *c;

	(void)state;
	begin_dashboard();
	g.cfg.domain = SL("relay.test");
	g.cfg.app_domain = SL("apps.test");
	g.cfg.listens[0].secure = true;
	rig_listen(&g, RIG_IP ":8080", LISTEN_REDIRECT, "");
	rig_start(&g);
	c = cl_new(&g, C1, RIG_IP ":8080");
	cl_put(c, "GET /a?b=c HTTP/1.1\r\nHost: web.apps.test:8080\r\n\r\n");
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 308);
	assert_true(cl_head_has(c, "Location: https://web.apps.test:4000/a?b=c"
	    "\r\n"));
	assert_true(c->eof);
	c = cl_new(&g, C1, RIG_IP ":8080");
	cl_put(c, "POST /_adit/login HTTP/1.1\r\nHost: evil.test\r\n"
	    "Content-Length: 3\r\n\r\nabc");
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 421);
	rig_close(&g);
}

/* ---- state ---- */

/* A relay with this state: what relay_new says of it. */
static enum err
with_state(const char *text)
{
	struct relay *r;
	struct arena a = { .p = NULL };
	enum err e;

	assert_int_equal(relay_plan(&g.cfg, &g.plan), E_OK);
	a.cap = g.plan.bytes;
	a.p = mmap(NULL, a.cap, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(a.p != MAP_FAILED);
	e = relay_new(&r, &g.cfg, &g.plan, &a, world_log(g.w),
	    world_io(g.host), slice_of(text, strlen(text)));
	if (e == E_OK) {
		assert_int_equal(r->nkept, strstr(text, "mac") != NULL);
		assert_int_equal(r->listeners[1].bound.n > 0,
		    strstr(text, "4100") != NULL);
	}
	munmap(a.p, a.cap);
	return e;
}

static void
kept_state(void **state)
{
	static const struct { const char *text; enum err want; } rows[] = {
		{ "", E_OK },
		{ "{\"ports\":{},\"agents\":{}}\n", E_OK },
		{ "{\"ports\":{\"web\":4100},"
		    "\"agents\":{\"mac\":\"Z6q62aKz-F96\"}}", E_OK },
		{ "{\"ports\":{\"web\":4999},\"agents\":{}}", E_OK },
		{ "{\"ports\":{\"web\":\"4100\"},\"agents\":{}}", E_SYNTAX },
		{ "{\"ports\":{\"We b\":4100},\"agents\":{}}", E_SYNTAX },
		{ "{\"ports\":{},\"agents\":{\"mac\":\"short\"}}", E_SYNTAX },
		{ "{\"ports\":[],\"agents\":{}}", E_SYNTAX },
		{ "{\"ports\":{}}", E_SYNTAX },
		{ "{\"ports\":{},\"agents\":{}", E_SYNTAX },
		{ "nonsense", E_SYNTAX },
	};

	(void)state;
	begin_dashboard();
	rig_listen(&g, RIG_IP ":4100", LISTEN_PORT, "");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(with_state(rows[i].text), rows[i].want);
	rig_start(&g);
	rig_close(&g);
}

static void
state_that_cannot_be_saved(void **state)
{
	(void)state;
	begin_dashboard();
	rig_start(&g);
	world_saves_fail(g.host, true);
	web = ag_up(&g, A1, "mac");
	assert_true(world_log_has(g.w, "state could not be saved"));
	assert_true(web->confirmed);
	rig_close(&g);
}

/* ---- sizes ---- */

/* Whatever is asked for: either it is refused, or it fits what it says, and
 * what it says fits the memory that was given. */
static void
plans_fit(void **state)
{
	unsigned made = 0;

	(void)state;
	begin_dashboard();
	for (uint64_t mib = 1; mib < 300; mib += mib < 20 ? 1 : 13) {
		for (uint32_t k = 0; k < 12; k++) {
			struct relay_plan *p = &g.plan;

			g.cfg.memory_bytes = mib << 20;
			g.cfg.max_connections = k % 3 == 1 ? 1 + k * 700 : 0;
			g.cfg.max_agents = k % 4 == 2 ? 1 + k * 5 : 0;
			g.cfg.max_streams = k % 5 == 3 ? 1 + k * 300 : 0;
			if (relay_plan(&g.cfg, p) != E_OK) {
				assert_true(p->bytes > mib << 20 || mib < 8);
				continue;
			}
			assert_true(p->bytes <= mib << 20);
			with_state("");
			made++;
		}
	}
	assert_true(made > 200);
	g.cfg.memory_bytes = (uint64_t)48 << 20;
	g.cfg.max_connections = g.cfg.max_agents = g.cfg.max_streams = 0;
	rig_start(&g);
	rig_close(&g);
}

/* No descriptor is left: nobody is accepted, until there is one again. */
static void
out_of_descriptors(void **state)
{
	struct world_cfg w = world_gentle(1);
	struct cl *c[8];
	unsigned answered = 0;

	(void)state;
	w.fds_max = 3 + 1 + 4;
	rig_init(&g, &w);
	g.cfg.root = SL("dashboard");
	rig_start(&g);
	for (size_t i = 0; i < 8; i++) {
		char ip[20];

		snprintf(ip, sizeof ip, "198.51.100.%zu", i + 1);
		c[i] = cl_new(&g, ip, NULL);
		cl_put(c[i], "GET /healthz HTTP/1.1\r\n" HOST "\r\n");
	}
	rig_run(&g, 500);
	for (size_t i = 0; i < 8; i++)
		answered += cl_take(c[i], false) == 200;
	assert_int_equal(answered, 4);
	for (size_t i = 0; i < 8; i++) {
		if (c[i]->status == 200)
			cl_close(c[i], false);
	}
	rig_run(&g, 500);
	for (size_t i = 0; i < 8; i++)
		answered += cl_take(c[i], false) == 200;
	assert_int_equal(answered, 8);
	rig_close(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_names_and_long),
		cmocka_unit_test(an_asset_is_kept_by_browsers),
		cmocka_unit_test(an_asset_is_sent_packed_or_not_at_all),
		cmocka_unit_test(a_login_may_wait_for_100),
		cmocka_unit_test(the_status_lists_what_is_there),
		cmocka_unit_test(nothing_of_a_request_is_shown_unescaped),
		cmocka_unit_test(http_is_sent_to_https),
		cmocka_unit_test(kept_state),
		cmocka_unit_test(state_that_cannot_be_saved),
		cmocka_unit_test(plans_fit),
		cmocka_unit_test(out_of_descriptors),
	};

	return cmocka_run_group_tests_name("relay_own", tests, NULL, NULL);
}
