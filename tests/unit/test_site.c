/*
 * Sites: which one a request is for, who the client is, which requests come
 * from the site's own pages, and where a login may lead. Pure functions over
 * tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "relay/parts.h"

static struct relay r;
static struct relay_cfg cfg;
static struct http_field fields[HTTP_FIELDS_MAX];

enum { MAIN, DASH, APP, PORT, FREE, ANY6, LISTENERS };

static struct slice
text(const char *s)
{
	return slice_of(s, strlen(s));
}

static struct addr
ip(const char *s)
{
	struct addr a = { 0 };

	assert_true(addr_parse_ip(&a, text(s)));
	return a;
}

static void
add_listen(size_t i, enum listen_kind kind, const char *at, uint16_t port)
{
	cfg.listens[i] = (struct relay_listen){ .kind = kind, .addr = ip(at) };
	cfg.listens[i].addr.port = port;
	cfg.nlistens = i + 1;
}

/* No names, no proxies: five listeners. */
static void
plain(void)
{
	memset(&r, 0, sizeof r);
	relay_cfg_defaults(&cfg);
	r.cfg = &cfg;
	add_listen(MAIN, LISTEN_MAIN, "192.0.2.1", 4000);
	add_listen(DASH, LISTEN_DASHBOARD, "192.0.2.1", 4001);
	add_listen(APP, LISTEN_APP, "192.0.2.1", 4002);
	cfg.listens[APP].app = SL("web--mac");
	add_listen(PORT, LISTEN_PORT, "192.0.2.1", 4100);
	add_listen(FREE, LISTEN_PORT, "192.0.2.1", 4101);
	add_listen(ANY6, LISTEN_MAIN, "::", 4000);
	name_set(&r.listeners[PORT].bound, SL("two"));
}

static void
named(void)
{
	plain();
	cfg.domain = SL("relay.test");
	cfg.app_domain = SL("apps.test");
}

static void
trusting(void)
{
	named();
	cfg.trust[0] = (struct relay_net){ ip("10.0.0.0"), 8 };
	cfg.trust[1] = (struct relay_net){ ip("fd00::"), 8 };
	cfg.ntrust = 2;
}

static void
published(void)
{
	plain();
	cfg.public_url = SL("https://pub.test:8443");
	cfg.root = SL("web");
}

static void
open_to_all(void)
{
	plain();
	cfg.no_login = true;
}

static struct http_head
parse(const char *request)
{
	struct http_head h = { .fields = fields };
	struct http_scan scan = { 0 };
	size_t used;

	assert_int_equal(http_request_parse(&h, &scan, text(request), &used),
	    E_OK);
	return h;
}

static enum err
find(unsigned listen, const char *peer, const char *request,
    struct http_head *h, struct site *site)
{
	struct client c = { .r = &r, .listen = (uint16_t)listen };

	c.peer = ip(peer);
	*h = parse(request);
	return site_find(&r, &c, h, site);
}

static void
slice_is(struct slice s, const char *want)
{
	assert_int_equal(s.n, strlen(want));
	assert_memory_equal(s.p, want, s.n);
}

#define GET(host) "GET / HTTP/1.1\r\nHost: " host "\r\n\r\n"

static const struct find_row {
	void (*conf)(void);
	unsigned listen;
	const char *request;
	enum err want;
	enum site_kind kind;
	const char *app, *aud;
	bool main;
	uint16_t port;
} find_rows[] = {
	{ plain, MAIN, GET("whatever.test"), E_OK, SITE_DASHBOARD, "",
	    "main", true, 0 },

	{ plain, MAIN, "GET / HTTP/1.0\r\n\r\n", E_OK, SITE_DASHBOARD,
	    "", "main", true, 0 },
	{ plain, DASH, GET("x"), E_OK, SITE_DASHBOARD, "", "dashboard",
	    false, 4001 },
	{ plain, APP, GET("x"), E_OK, SITE_APP, "web--mac",
	    "app:web--mac", false, 4002 },
	{ plain, PORT, GET("x"), E_OK, SITE_APP, "two", "app:two",
	    false, 4100 },
	{ plain, FREE, GET("x"), E_OK, SITE_APP, "", "app:", false,
	    4101 },
	{ published, MAIN, GET("pub.test"), E_OK, SITE_SHARED, "web",
	    "main", true, 0 },
	{ published, MAIN, GET("PUB.test.:99"), E_OK, SITE_SHARED,
	    "web", "main", true, 0 },
	{ published, MAIN, GET("other.test"), E_HTTP_HOST, 0, "", "",
	    false, 0 },
	{ published, PORT, GET("other.test"), E_HTTP_HOST, 0, "", "",
	    false, 0 },
	{ published, PORT, GET("pub.test:4100"), E_OK, SITE_APP, "two",
	    "app:two", false, 4100 },
	{ named, MAIN, GET("relay.test"), E_OK, SITE_DASHBOARD, "",
	    "main", true, 0 },
	{ named, MAIN, GET("Relay.Test:4000"), E_OK, SITE_DASHBOARD,
	    "", "main", true, 0 },
	{ named, MAIN, GET("localhost:9"), E_OK, SITE_DASHBOARD, "",
	    "main", true, 0 },
	{ named, MAIN, GET("192.0.2.1"), E_OK, SITE_DASHBOARD, "",
	    "main", true, 0 },
	{ named, MAIN, GET("192.0.2.2"), E_HTTP_HOST, 0, "", "", false,
	    0 },
	{ named, MAIN, GET("[2001:db8::1]"), E_HTTP_HOST, 0, "", "",
	    false, 0 },
	{ named, ANY6, GET("[2001:db8::1]:4000"), E_OK,
	    SITE_DASHBOARD, "", "main", true, 0 },
	{ named, ANY6, GET("203.0.113.5"), E_OK, SITE_DASHBOARD, "",
	    "main", true, 0 },
	{ named, MAIN, GET("web.apps.test"), E_OK, SITE_APP, "web",
	    "app:web", false, 0 },
	{ named, MAIN, GET("web--mac.apps.test.:80"), E_OK, SITE_APP,
	    "web--mac", "app:web--mac", false, 0 },
	{ named, MAIN, GET("a.b.apps.test"), E_HTTP_HOST, 0, "", "",
	    false, 0 },
	{ named, MAIN, GET("-.apps.test"), E_HTTP_HOST, 0, "", "",
	    false, 0 },
	{ named, MAIN, GET("a--b--c.apps.test"), E_HTTP_HOST, 0, "",
	    "", false, 0 },
	{ named, MAIN, GET("apps.test"), E_HTTP_HOST, 0, "", "", false,
	    0 },
	{ named, MAIN, GET("xapps.test"), E_HTTP_HOST, 0, "", "",
	    false, 0 },
	{ named, MAIN, GET("relay.test.evil.test"), E_HTTP_HOST, 0,
	    "", "", false, 0 },
	{ named, MAIN, "GET / HTTP/1.0\r\n\r\n", E_OK, SITE_DASHBOARD,
	    "", "main", true, 0 },
	{ open_to_all, MAIN, GET("evil.test"), E_HTTP_HOST, 0, "", "",
	    false, 0 },
	{ open_to_all, APP, GET("evil.test"), E_HTTP_HOST, 0, "", "",
	    false, 0 },
	{ open_to_all, APP, GET("192.0.2.1:4002"), E_OK, SITE_APP,
	    "web--mac", "app:web--mac", false, 4002 },
};

static void
finds_the_site(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof find_rows / sizeof find_rows[0]; i++) {
		const struct find_row *row = &find_rows[i];
		struct http_head h;
		struct site s;

		row->conf();
		assert_int_equal(find(row->listen, "198.51.100.7",
		    row->request, &h, &s), row->want);
		if (row->want != E_OK)
			continue;
		assert_int_equal(s.kind, row->kind);
		slice_is(s.app, row->app);
		slice_is(slice_of(s.aud, s.aud_n), row->aud);
		assert_int_equal(s.main, row->main);
		assert_int_equal(s.port_cookie, row->port);
		assert_false(s.secure);
	}
}

static const struct trust_row {
	const char *peer, *fields, *client;
	bool secure;
	const char *host;       /* NULL: refused */
} trust_rows[] = {
	{ "198.51.100.7", "X-Forwarded-For: 1.2.3.4\r\n"
	    "X-Forwarded-Proto: https\r\n"
	    "X-Forwarded-Host: web.apps.test\r\n", "198.51.100.7",
	    false, "relay.test" },
	{ "10.0.0.1", "", "10.0.0.1", false, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4",
	    false, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n",
	    "1.2.3.4", false, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-For: 1.2.3.4, 10.9.9.9\r\n",
	    "1.2.3.4", false, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n"
	    "X-Forwarded-For: 10.9.9.9\r\n", "1.2.3.4", false,
	    "relay.test" },
	{ "10.0.0.1", "X-Forwarded-For: 10.1.1.1, 10.9.9.9\r\n",
	    "10.1.1.1", false, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-For: 1.2.3.4, unknown\r\n",
	    "10.0.0.1", false, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-For: 1.2.3.4, x, 10.2.2.2\r\n",
	    "10.2.2.2", false, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-For: 1.2.3.4:5678\r\n", "1.2.3.4",
	    false, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-For: [2001:db8::5]:80\r\n",
	    "2001:db8::5", false, "relay.test" },
	{ "fd12::1", "X-Forwarded-For: 2001:db8::6\r\n",
	    "2001:db8::6", false, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-For: ,, 1.2.3.4 ,\r\n", "1.2.3.4",
	    false, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-For: 10.0.0.2,10.0.0.2,10.0.0.2,"
	    "10.0.0.2,10.0.0.2,10.0.0.2,10.0.0.2,10.0.0.2,10.0.0.2,"
	    "10.0.0.2,10.0.0.2,10.0.0.2,10.0.0.2,10.0.0.2,10.0.0.2,"
	    "10.0.0.2,1.2.3.4,10.0.0.3\r\n", "1.2.3.4", false,
	    "relay.test" },
	{ "10.0.0.1", "X-Forwarded-Proto: https\r\n", "10.0.0.1", true,
	    "relay.test" },
	{ "10.0.0.1", "X-Forwarded-Proto: http, HTTPS\r\n",
	    "10.0.0.1", true, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-Proto: https, http\r\n",
	    "10.0.0.1", false, "relay.test" },
	{ "10.0.0.1", "X-Forwarded-Host: web.apps.test\r\n",
	    "10.0.0.1", false, "web.apps.test" },
	{ "10.0.0.1", "X-Forwarded-Host: evil.test, web.apps.test\r\n",
	    "10.0.0.1", false, "web.apps.test" },
	{ "10.0.0.1", "X-Forwarded-Host: evil.test\r\n", "10.0.0.1",
	    false, NULL },
	{ "10.0.0.1", "X-Forwarded-Host: a b\r\n", "10.0.0.1", false,
	    NULL },
};

static void
believes_only_trusted_proxies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof trust_rows / sizeof trust_rows[0]; i++) {
		char request[800];
		const struct trust_row *row = &trust_rows[i];
		struct http_head h;
		struct addr client = ip(row->client);
		struct site s;
		enum err e;

		trusting();
		snprintf(request, sizeof request, "GET / HTTP/1.1\r\n"
		    "Host: relay.test\r\n%s\r\n", row->fields);
		e = find(MAIN, row->peer, request, &h, &s);
		if (row->host == NULL) {
			assert_int_equal(e, E_HTTP_HOST);
			continue;
		}
		assert_int_equal(e, E_OK);
		assert_true(addr_same_ip(&s.client, &client));
		assert_int_equal(s.secure, row->secure);
		slice_is(s.host, row->host);
	}
}

static void
knows_its_own_pages(void **state)
{
	static const struct {
		void (*conf)(void);
		const char *host;
		bool secure;
		const char *fields;
		bool want;
	} rows[] = {
		{ plain, "a.test", false, "", true },
		{ plain, "a.test", false, "Origin: http://a.test\r\n", true },
		{ plain, "a.test", false, "Origin: http://a.test:80\r\n",
		    true },
		{ plain, "a.test:80", false, "Origin: http://A.test\r\n",
		    true },
		{ plain, "a.test", false, "Origin: https://a.test\r\n", true },
		{ plain, "a.test", true, "Origin: https://a.test:443\r\n",
		    true },
		{ plain, "a.test", true, "Origin: http://a.test\r\n", false },
		{ plain, "a.test", false, "Origin: http://a.test:81\r\n",
		    false },
		{ plain, "a.test", false, "Origin: http://b.test\r\n",
		    false },
		{ plain, "a.test", false, "Origin: null\r\n", false },
		{ plain, "a.test", false, "Origin: \r\n", false },
		{ plain, "a.test", false, "Origin: http://a.test/\r\n",
		    false },
		{ plain, "a.test", false, "Origin: http://x@a.test\r\n",
		    false },
		{ plain, "a.test", false, "Origin: ftp://a.test\r\n", false },
		{ plain, "a.test", false, "Sec-Fetch-Site: same-origin\r\n"
		    "Origin: http://b.test\r\n", true },
		{ plain, "a.test", false, "Sec-Fetch-Site: none\r\n", true },
		{ plain, "a.test", false, "Sec-Fetch-Site: same-site\r\n"
		    "Origin: http://a.test\r\n", false },
		{ plain, "a.test", false, "Sec-Fetch-Site: cross-site\r\n",
		    false },
		{ plain, "a.test", false, "Sec-Fetch-Site: Same-Origin\r\n",
		    false },
		/* Behind a proxy that says another Host. */
		{ published, "pub.test", false,
		    "Origin: https://pub.test:8443\r\n", true },
		{ published, "pub.test", false, "Origin: https://pub.test\r\n",
		    true },
		{ published, "192.0.2.1:4000", false,
		    "Origin: https://pub.test:8443\r\n", true },
		{ published, "192.0.2.1:4000", false,
		    "Origin: https://pub.test:8444\r\n", false },
		{ named, "192.0.2.1:4000", false,
		    "Origin: https://relay.test\r\n", true },
		{ named, "web.apps.test", false,
		    "Origin: http://relay.test\r\n", false },
		{ named, "web.apps.test", false,
		    "Origin: http://two.apps.test\r\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char request[400];
		struct http_head h;
		struct site s;

		rows[i].conf();
		cfg.listens[MAIN].secure = rows[i].secure;
		snprintf(request, sizeof request, "POST / HTTP/1.1\r\n"
		    "Host: %s\r\n%s\r\n", rows[i].host, rows[i].fields);
		assert_int_equal(find(MAIN, "198.51.100.7", request, &h, &s),
		    E_OK);
		assert_int_equal(site_same_origin(&r, &s, &h), rows[i].want);
	}
}

static void
knows_a_navigation(void **state)
{
	static const struct { const char *request; bool want; } rows[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n",
		    true },
		{ "HEAD / HTTP/1.1\r\nHost: a\r\nAccept: a/b, Text/HTML;q=1"
		    "\r\n\r\n", true },
		{ "POST / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n",
		    false },
		{ "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n"
		    "Sec-Fetch-Mode: cors\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n"
		    "Sec-Fetch-Mode: navigate\r\n\r\n", true },
		{ "POST / HTTP/1.1\r\nHost: a\r\nSec-Fetch-Mode: navigate\r\n"
		    "\r\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct http_head h = parse(rows[i].request);

		assert_int_equal(site_is_navigation(&h), rows[i].want);
	}
}

static void
next_addresses(void **state)
{
	static const struct {
		void (*conf)(void);
		bool secure;
		const char *host, *url;
		const char *aud, *path;         /* NULL: none of ours */
	} rows[] = {
		{ named, false, "relay.test", "http://web.apps.test/a?b",
		    "app:web", "/a?b" },
		{ named, false, "relay.test", "http://web.apps.test",
		    "app:web", "/" },
		{ named, false, "relay.test", "http://web.apps.test:80/",
		    "app:web", "/" },
		{ named, false, "relay.test:4000",
		    "http://web.apps.test:4000/", "app:web", "/" },
		{ named, false, "relay.test:4000", "http://web.apps.test/",
		    NULL, NULL },
		{ named, true, "relay.test", "https://web.apps.test/",
		    "app:web", "/" },
		{ named, true, "relay.test", "http://web.apps.test/", NULL,
		    NULL },
		{ named, false, "relay.test", "https://web.apps.test/", NULL,
		    NULL },
		{ named, false, "relay.test", "ws://web.apps.test/", NULL,
		    NULL },
		{ named, false, "relay.test", "http://apps.test/", NULL,
		    NULL },
		{ named, false, "relay.test", "http://relay.test/", NULL,
		    NULL },
		{ named, false, "relay.test", "http://evil.test/", NULL,
		    NULL },
		{ named, false, "relay.test", "http://a.b.apps.test/", NULL,
		    NULL },
		{ named, false, "relay.test", "http://x@web.apps.test/", NULL,
		    NULL },
		{ named, false, "relay.test", "http://web.apps.test//evil/",
		    NULL, NULL },
		{ named, false, "relay.test", "http://web.apps.test/\\evil/",
		    NULL, NULL },
		{ plain, false, "192.0.2.1:4000", "http://192.0.2.1:4100/x",
		    "app:two", "/x" },
		{ plain, false, "host.test:4000", "http://host.test:4002/",
		    "app:web--mac", "/" },
		{ plain, false, "host.test:4000", "http://other.test:4002/",
		    NULL, NULL },
		{ plain, false, "host.test:4000", "http://host.test:4101/",
		    NULL, NULL },
		{ plain, false, "host.test:4000", "http://host.test:4000/",
		    NULL, NULL },
		{ plain, false, "host.test:4000", "/path", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct site from = { .main = true, .secure = rows[i].secure,
			.host = text(rows[i].host) }, to;
		struct slice path;

		rows[i].conf();
		if (!site_of_url(&r, &from, text(rows[i].url), &to, &path)) {
			assert_null(rows[i].aud);
			continue;
		}
		assert_non_null(rows[i].aud);
		slice_is(slice_of(to.aud, to.aud_n), rows[i].aud);
		slice_is(path, rows[i].path);
	}
}

static void
addresses_of_sites(void **state)
{
	static const struct {
		void (*conf)(void);
		bool main, secure;
		uint16_t port;          /* of an app's site */
		const char *host;
		const char *to_main, *to_two;
	} rows[] = {
		{ plain, true, false, 0, "h.test:4000", "http://h.test:4000",
		    "http://h.test:4100" },
		{ plain, true, true, 0, "[::1]:4000", "https://[::1]:4000",
		    "https://[::1]:4100" },
		{ plain, false, false, 4100, "h.test:4100",
		    "http://h.test:4000", "http://h.test:4100" },
		{ named, true, true, 0, "relay.test", "https://relay.test",
		    "https://two.apps.test" },
		{ named, true, false, 0, "relay.test:4000",
		    "http://relay.test:4000", "http://two.apps.test:4000" },
		{ named, false, false, 0, "web.apps.test:4000",
		    "http://relay.test:4000", "http://two.apps.test:4000" },
		{ published, false, false, 4100, "pub.test:4100",
		    "https://pub.test:8443", "http://pub.test:4100" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct site s = { .kind = rows[i].main ? SITE_DASHBOARD :
		    SITE_APP, .main = rows[i].main, .secure = rows[i].secure,
			.port_cookie = rows[i].port,
			.host = text(rows[i].host) };
		uint8_t area[200];
		struct buf b = BUF_ON(area);

		rows[i].conf();
		assert_true(site_put_main(&b, &r, &s));
		slice_is(buf_slice(&b), rows[i].to_main);
		buf_reset(&b);
		assert_true(site_put_app(&b, &r, &s, SL("two")));
		slice_is(buf_slice(&b), rows[i].to_two);
	}
}

static void
the_main_site_as_it_is_told(void **state)
{
	static const struct {
		void (*conf)(void);
		const char *at, *want;
		bool secure;
	} rows[] = {
		{ plain, "192.0.2.1", "192.0.2.1:4000", false },
		{ plain, "0.0.0.0", "localhost:4000", false },
		{ plain, "::", "localhost:4000", false },
		{ plain, "2001:db8::1", "[2001:db8::1]:4000", false },
		{ named, "192.0.2.1", "relay.test:4000", false },
		{ published, "192.0.2.1", "pub.test:8443", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct site s = { .main = true, .host = SL("h") };
		uint8_t area[200];
		struct buf b = BUF_ON(area);
		bool secure;

		rows[i].conf();
		add_listen(MAIN, LISTEN_MAIN, rows[i].at, 4000);
		site_main_host(&r, &b, &secure);
		slice_is(buf_slice(&b), rows[i].want);
		assert_int_equal(secure, rows[i].secure);
		if (rows[i].conf == plain)
			assert_false(site_put_app(&b, &r, &s, SL("nowhere")));
	}
}

static void
paths_of_ours(void **state)
{
	static const struct {
		enum site_kind kind;
		const char *target, *path;      /* NULL: the app's */
	} rows[] = {
		{ SITE_DASHBOARD, "/", "/" },
		{ SITE_DASHBOARD, "/_adit", "/" },
		{ SITE_DASHBOARD, "/_adit/login?next=x", "/login" },
		{ SITE_DASHBOARD, "/tunnel", "/tunnel" },
		{ SITE_DASHBOARD, "/anything", "/anything" },
		{ SITE_SHARED, "/", NULL },
		{ SITE_SHARED, "/_adit/", "/" },
		{ SITE_SHARED, "/_adit/login", "/login" },
		{ SITE_SHARED, "/_adit?x", "/" },
		{ SITE_SHARED, "/_adits", NULL },
		{ SITE_SHARED, "/%5fadit/login", NULL },
		{ SITE_SHARED, "//_adit/login", NULL },
		{ SITE_SHARED, "/tunnel", "/tunnel" },
		{ SITE_SHARED, "/tunnel?x=1", "/tunnel" },
		{ SITE_SHARED, "/tunnels", NULL },
		{ SITE_SHARED, "/api/relay/status", "/api/relay/status" },
		{ SITE_SHARED, "/api/auth/login", "/api/auth/login" },
		{ SITE_SHARED, "/api/other", NULL },
		{ SITE_SHARED, "/health", NULL },
		{ SITE_APP, "/tunnel", NULL },
		{ SITE_APP, "/api/auth/login", NULL },
		{ SITE_APP, "/_adit/handover?code=x", "/handover" },
	};

	(void)state;
	plain();
	cfg.reserve[0] = SL("/api/auth/");
	cfg.nreserve = 1;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct site s = { .kind = rows[i].kind };
		struct slice path;

		assert_int_equal(own_path(&r, &s, text(rows[i].target), &path),
		    rows[i].path != NULL);
		if (rows[i].path != NULL)
			slice_is(path, rows[i].path);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_site),
		cmocka_unit_test(believes_only_trusted_proxies),
		cmocka_unit_test(knows_its_own_pages),
		cmocka_unit_test(knows_a_navigation),
		cmocka_unit_test(next_addresses),
		cmocka_unit_test(addresses_of_sites),
		cmocka_unit_test(the_main_site_as_it_is_told),
		cmocka_unit_test(paths_of_ours),
	};

	return cmocka_run_group_tests_name("site", tests, NULL, NULL);
}
