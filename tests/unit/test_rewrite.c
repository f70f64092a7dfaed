/*
 * Heads as the other side sees them: pure functions over tables. Whatever is
 * written must be one head to our own strict parser again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "relay/parts.h"

static struct http_field fields[HTTP_FIELDS_MAX];
static uint8_t area[AREA_BYTES];

static struct slice
text(const char *s)
{
	return slice_of(s, strlen(s));
}

static struct http_head
request(const char *s)
{
	struct http_head h = { .fields = fields };
	struct http_scan scan = { 0 };
	size_t used;

	assert_int_equal(http_request_parse(&h, &scan, text(s), &used), E_OK);
	return h;
}

static struct http_head
response(const char *s, enum http_answers to)
{
	struct http_head h = { .fields = fields };
	struct http_scan scan = { 0 };
	size_t used;

	assert_int_equal(http_response_parse(&h, &scan, to, text(s), &used),
	    E_OK);
	return h;
}

static void
written(const struct buf *b, const char *want)
{
	assert_true(buf_ok(b));
	if (b->n != strlen(want) || memcmp(b->p, want, b->n) != 0)
		fprintf(stderr, "got:\n%.*s\nwant:\n%s\n", (int)b->n,
		    (const char *)b->p, want);
	assert_int_equal(b->n, strlen(want));
	assert_memory_equal(b->p, want, b->n);
}

static void
names_of_our_cookies(void **state)
{
	static const struct { const char *name; bool ours; } rows[] = {
		{ "adit", true }, { "__Host-adit", true },
		{ "__host-adit", true }, { "__HOST-adit", true },
		{ "adit-device", true }, { "adit-4100", true },
		{ "adit-4100-nonce", true }, { "__Host-adit-nonce", true },
		{ "adit-", true }, { "Adit", false }, { "ADIT", false },
		{ "adits", false }, { "xadit", false }, { "adit_x", false },
		{ "__Host-Adit", false }, { "__Secure-adit", false },
		{ "__Host-__Host-adit", false }, { "", false },
		{ "__Host-", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(cookie_is_ours(text(rows[i].name)),
		    rows[i].ours);
}

#define HEAD "GET /x HTTP/1.1\r\nHost: a.test\r\n"
#define TAIL "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n"  \
	"Forwarded: for=192.0.2.7;proto=http;host=\"a.test\"\r\n"         \
	"X-Forwarded-Host: a.test\r\n"

/* What a client's fields become; head and tail are the same for all. */
static void
fields_of_requests(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "", "" },
		{ "A: b\r\nc:\r\nD:  e \r\n", "A: b\r\nc: \r\nD: e\r\n" },
		{ "X: \xe9\r\n", "X: \xe9\r\n" },
		{ "Connection: close\r\n", "" },
		{ "Connection: A, keep-alive\r\nA: 1\r\nB: 2\r\n",
		    "B: 2\r\n" },
		{ "Connection: cookie, authorization, origin\r\nCookie: a=b"
		    "\r\nAuthorization: x\r\nOrigin: null\r\n", "" },
		{ "Connection: host\r\n", "" },
		{ "Keep-Alive: 1\r\nTE: gzip\r\nUpgrade: h2c\r\n"
		    "HTTP2-Settings: x\r\nProxy: x\r\nProxy-Connection: x\r\n"
		    "Proxy-Authenticate: x\r\nProxy-Authorization: x\r\n"
		    "Proxy-Authentication-Info: x\r\n", "" },
		{ "X-Forwarded-For: 1\r\nx-forwarded-proto: 1\r\n"
		    "X-Forwarded-Host: 1\r\nX-Forwarded-Port: 1\r\n"
		    "X-Forwarded-User: root\r\nX-Forwarded-Groups: admin\r\n"
		    "X-Forwarded-Anything: 1\r\nForwarded: for=1\r\n"
		    "X-Real-IP: 1\r\n", "" },
		{ "X_Forwarded_For: 1\r\nX_Forwarded-User: root\r\n"
		    "X-Forwarded_Groups: 1\r\nX_Real_IP: 1\r\n", "" },
		{ "Cookie: adit=1\r\n", "" },
		{ "Cookie: adit=1; __Host-adit=2; adit-device=3\r\n", "" },
		{ "Cookie: a=1; adit=2; b=3\r\n", "Cookie: a=1; b=3\r\n" },
		{ "Cookie: a=1;b=2\r\nCookie: adit=3\r\n",
		    "Cookie: a=1;b=2\r\n" },
		{ "Cookie: a=\"adit=1\"\r\n", "Cookie: a=\"adit=1\"\r\n" },
		{ "Cookie: adit\r\n", "Cookie: adit\r\n" },
		{ "Cookie: a=\"; adit=1;\"\r\n", "Cookie: a=\"; \"\r\n" },
		{ "Authorization: Basic eDp5\r\n",
		    "Authorization: Basic eDp5\r\n" },
		{ "Authorization: Bearer other\r\n",
		    "Authorization: Bearer other\r\n" },
		{ "Authorization: Bearer adit_x\r\n", "" },
		{ "Authorization: bEARER  adit_x\r\n", "" },
		{ "Authorization: Bearer\tadit_x\r\n", "" },
		{ "Origin: http://a.test\r\n", "Origin: http://a.test\r\n" },
		{ "Expect: 100-continue\r\n", "Expect: 100-continue\r\n" },
		{ "Trailer: X\r\n", "Trailer: X\r\n" },
	};
	struct site site = { .host = SL("a.test"), .client = {
		.family = ADDR_V4, .ip = { 192, 0, 2, 7 } } };
	struct remote_app app = { .kind = APP_HTTP };
	struct rewrite w = { .site = &site, .app = &app };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char in[2000], out[2000];
		struct buf b = BUF_ON(area);
		struct http_head h;

		snprintf(in, sizeof in, HEAD "%s\r\n", rows[i].in);
		snprintf(out, sizeof out, HEAD "%s" TAIL "\r\n", rows[i].out);
		h = request(in);
		assert_true(rewrite_request(&b, &h, &w));
		written(&b, out);
		buf_put_u8(&b, 0);
		h = request((const char *)area);
		assert_true(slice_eq(h.host, SL("a.test")));
	}
}

static void
framing_of_requests(void **state)
{
	static const struct { const char *in, *out; bool upgrade; } rows[] = {
		{ "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n"
		    "\r\n", "POST / HTTP/1.1\r\nHost: a.test\r\n"
		    "Content-Length: 3\r\n" TAIL "\r\n", false },
		{ "POST / HTTP/1.1\r\nHost: a.test\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n",
		    "POST / HTTP/1.1\r\nHost: a.test\r\n" TAIL
		    "Transfer-Encoding: chunked\r\n\r\n", false },
		{ "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\n"
		    "TE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n",
		    "POST / HTTP/1.1\r\nHost: a.test\r\n" TAIL
		    "Connection: TE\r\nTE: trailers\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n", false },
		{ "GET http://a.test/p?q HTTP/1.1\r\nHost: a.test\r\n\r\n",
		    "GET /p?q HTTP/1.1\r\nHost: a.test\r\n" TAIL "\r\n",
		    false },
		{ "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
		    "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n" TAIL "\r\n",
		    false },
		{ "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n",
		    "GET / HTTP/1.1\r\nHost: a.test\r\n" TAIL "\r\n", false },
		{ "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n"
		    "Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n",
		    "GET / HTTP/1.1\r\nHost: a.test\r\nSec-WebSocket-Key: k"
		    "\r\n" TAIL "Connection: Upgrade\r\nUpgrade: websocket\r\n"
		    "\r\n", true },
	};
	struct site site = { .host = SL("a.test"), .client = {
		.family = ADDR_V4, .ip = { 192, 0, 2, 7 } } };
	struct remote_app app = { .kind = APP_HTTP };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct rewrite w = { .site = &site, .app = &app,
			.upgrade = rows[i].upgrade };
		struct http_head h = request(rows[i].in);
		struct buf b = BUF_ON(area);

		assert_true(rewrite_request(&b, &h, &w));
		written(&b, rows[i].out);
	}
}

static void
who_the_client_is(void **state)
{
	struct session who = { .ok = true, .role = ROLE_ADMIN };
	struct site site = { .host = SL("[2001:db8::1]:4000"), .secure = true,
		.client = { .family = ADDR_V6, .ip = { 0x20, 1, 0xd, 0xb8,
		[15] = 9 } } };
	struct remote_app app = { .kind = APP_HTTP };
	struct rewrite w = { .site = &site, .app = &app, .session = &who };
	struct buf b = BUF_ON(area);
	struct http_head h = request("GET / HTTP/1.1\r\n"
	    "Host: [2001:db8::1]:4000\r\n\r\n");

	(void)state;
	name_set(&who.user, SL("ann"));
	assert_true(rewrite_request(&b, &h, &w));
	written(&b, "GET / HTTP/1.1\r\nHost: [2001:db8::1]:4000\r\n"
	    "X-Forwarded-For: 2001:db8::9\r\nX-Forwarded-Proto: https\r\n"
	    "Forwarded: for=\"[2001:db8::9]\";proto=https;"
	    "host=\"[2001:db8::1]:4000\"\r\n"
	    "X-Forwarded-Host: [2001:db8::1]:4000\r\n"
	    "X-Forwarded-User: ann\r\nX-Forwarded-Groups: admin\r\n\r\n");
	/* Nobody, at a host that nobody named. */
	site = (struct site){ .client = { .family = ADDR_V4 } };
	w.session = NULL;
	h = request("GET / HTTP/1.0\r\n\r\n");
	buf_reset(&b);
	assert_true(rewrite_request(&b, &h, &w));
	written(&b, "GET / HTTP/1.1\r\nHost: \r\nX-Forwarded-For: 0.0.0.0\r\n"
	    "X-Forwarded-Proto: http\r\nForwarded: for=0.0.0.0;proto=http\r\n"
	    "\r\n");
}

static void
an_apps_own_host(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "http://a.test", "http://127.0.0.1:5173" },
		{ "https://a.test", "http://127.0.0.1:5173" },
		{ "http://A.TEST", "http://127.0.0.1:5173" },
		{ "http://b.test", "http://b.test" },
		{ "null", "null" },
	};
	struct site site = { .host = SL("a.test"), .client = {
		.family = ADDR_V4, .ip = { 192, 0, 2, 7 } } };
	struct remote_app app = { .kind = APP_HTTP, .host_n = 14,
		.host = "127.0.0.1:5173" };
	struct rewrite w = { .site = &site, .app = &app };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char in[400], out[800];
		struct buf b = BUF_ON(area);
		struct http_head h;

		snprintf(in, sizeof in, HEAD "Origin: %s\r\n\r\n", rows[i].in);
		snprintf(out, sizeof out, "GET /x HTTP/1.1\r\n"
		    "Host: 127.0.0.1:5173\r\nOrigin: %s\r\n" TAIL "\r\n",
		    rows[i].out);
		h = request(in);
		assert_true(rewrite_request(&b, &h, &w));
		written(&b, out);
	}
}

#define OK "HTTP/1.1 200 OK\r\n"

static void
fields_of_answers(void **state)
{
	static const struct {
		const char *in, *out;
		bool shared;
	} rows[] = {
		{ "Content-Length: 3\r\n", "Content-Length: 3\r\n", false },
		{ "Connection: X\r\nX: 1\r\nKeep-Alive: timeout=5\r\n"
		    "Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\n"
		    "Content-Length: 0\r\n", "Content-Length: 0\r\n", false },
		{ "Connection: set-cookie, location\r\nSet-Cookie: a=b\r\n"
		    "Location: /\r\nContent-Length: 0\r\n",
		    "Content-Length: 0\r\n", false },
		{ "Set-Cookie: a=1\r\nSet-Cookie: a=2\r\nContent-Length: 0\r\n",
		    "Set-Cookie: a=1\r\nSet-Cookie: a=2\r\n"
		    "Content-Length: 0\r\n", false },
		{ "Set-Cookie: adit=1\r\nSet-Cookie:  adit =1\r\n"
		    "Set-Cookie: __HOST-adit=1\r\nSet-Cookie: =adit=1\r\n"
		    "Set-Cookie: adit-4100-nonce=\r\nContent-Length: 0\r\n",
		    "Content-Length: 0\r\n", false },
		{ "Set-Cookie: b=adit=1; adit=2\r\nContent-Length: 0\r\n",
		    "Set-Cookie: b=adit=1; adit=2\r\nContent-Length: 0\r\n",
		    false },
		{ "Alt-Svc: h3=\":443\"\r\nContent-Length: 0\r\n",
		    "Content-Length: 0\r\n", false },
		{ "Clear-Site-Data: \"*\"\r\nNEL: {}\r\n"
		    "Strict-Transport-Security: max-age=1\r\n"
		    "Reporting-Endpoints: a=\"b\"\r\nReport-To: {}\r\n"
		    "Service-Worker-Allowed: /\r\nContent-Length: 0\r\n",
		    "Content-Length: 0\r\n", true },
		{ "Clear-Site-Data: \"*\"\r\nContent-Length: 0\r\n",
		    "Clear-Site-Data: \"*\"\r\nContent-Length: 0\r\n", false },
		{ "Transfer-Encoding: chunked\r\n",
		    "Transfer-Encoding: chunked\r\n", false },
		{ "Location: http://127.0.0.1:5173/x\r\nContent-Length: 0\r\n",
		    "Location: http://127.0.0.1:5173/x\r\n"
		    "Content-Length: 0\r\n", false },
		{ "X: \xff\xfe\r\nContent-Length: 0\r\n",
		    "X: \xff\xfe\r\nContent-Length: 0\r\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct rewrite_response w = { .client_minor = 1,
			.shared = rows[i].shared };
		struct buf b = BUF_ON(area);
		struct http_head h;
		char in[2000], out[2000];

		snprintf(in, sizeof in, OK "%s\r\n", rows[i].in);
		snprintf(out, sizeof out, OK "%s\r\n", rows[i].out);
		h = response(in, HTTP_TO_OTHER);
		assert_true(rewrite_response(&b, &h, &w));
		written(&b, out);
		buf_put_u8(&b, 0);
		response((const char *)area, HTTP_TO_OTHER);
	}
}

static void
framing_of_answers(void **state)
{
	static const struct {
		const char *in, *out;
		enum http_answers to;
		unsigned minor;
		bool close, unchunk;
	} rows[] = {
		{ "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n",
		    "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n",
		    HTTP_TO_OTHER, 1, false, false },
		{ "HTTP/1.0 200 OK\r\n\r\n", OK "Connection: close\r\n\r\n",
		    HTTP_TO_OTHER, 1, true, false },
		{ OK "Content-Length: 1\r\n\r\n", OK "Content-Length: 1\r\n"
		    "Connection: keep-alive\r\n\r\n", HTTP_TO_OTHER, 0, false,
		    false },
		{ OK "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n",
		    OK "Connection: close\r\n\r\n", HTTP_TO_OTHER, 0, true,
		    true },
		{ OK "Content-Length: 99\r\n\r\n", OK "Content-Length: 99\r\n"
		    "\r\n", HTTP_TO_HEAD, 1, false, false },
		{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
		    "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
		    HTTP_TO_OTHER, 1, false, false },
		{ "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
		    "HTTP/1.1 204 No Content\r\n\r\n", HTTP_TO_OTHER, 1,
		    false, false },
		{ "HTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 2"
		    "\r\nConnection: close\r\n\r\n",
		    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
		    HTTP_TO_OTHER, 1, true, false },
		{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		    "Connection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
		    "HTTP/1.1 101 Switching Protocols\r\n"
		    "Sec-WebSocket-Accept: x\r\nConnection: Upgrade\r\n"
		    "Upgrade: websocket\r\n\r\n", HTTP_TO_OTHER, 1, false,
		    false },
		{ "HTTP/1.1 999 \xfc" "ber\r\nContent-Length: 0\r\n\r\n",
		    "HTTP/1.1 999 \xfc" "ber\r\nContent-Length: 0\r\n\r\n",
		    HTTP_TO_OTHER, 1, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct rewrite_response w = { .client_minor = rows[i].minor,
			.close = rows[i].close, .unchunk = rows[i].unchunk };
		struct http_head h = response(rows[i].in, rows[i].to);
		struct buf b = BUF_ON(area);

		assert_true(rewrite_response(&b, &h, &w));
		written(&b, rows[i].out);
	}
}

static void
location_comes_back(void **state)
{
	static const struct { const char *in, *out; bool secure; } rows[] = {
		{ "http://127.0.0.1:5173/x?y", "http://a.test/x?y", false },
		{ "http://127.0.0.1:5173/x", "https://a.test/x", true },
		{ "http://127.0.0.1:5173", "http://a.test", false },
		{ "HTTP://127.0.0.1:5173/#top", "http://a.test/#top", false },
		{ "http://127.0.0.1:5174/", "http://127.0.0.1:5174/", false },
		{ "http://127.0.0.1/", "http://127.0.0.1/", false },
		{ "/x", "/x", false },
		{ "//127.0.0.1:5173/x", "//127.0.0.1:5173/x", false },
		{ "http://x@127.0.0.1:5173/", "http://x@127.0.0.1:5173/",
		    false },
		{ "https://b.test/", "https://b.test/", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct rewrite_response w = { .client_minor = 1,
			.own_location = true, .secure = rows[i].secure,
			.app_host = SL("127.0.0.1:5173"),
			.site_host = SL("a.test") };
		struct buf b = BUF_ON(area);
		struct http_head h;
		char in[400], out[400];

		snprintf(in, sizeof in, OK "Location: %s\r\nContent-Length: 0"
		    "\r\n\r\n", rows[i].in);
		snprintf(out, sizeof out, OK "Location: %s\r\nContent-Length: "
		    "0\r\n\r\n", rows[i].out);
		h = response(in, HTTP_TO_OTHER);
		assert_true(rewrite_response(&b, &h, &w));
		written(&b, out);
	}
}

/* The longest head there can be fits the area it is written in. */
static void
the_longest_head_fits(void **state)
{
	static char in[HTTP_HEAD_MAX + 1];
	struct site site = { .host = SL("a.test"), .client = {
		.family = ADDR_V4 } };
	struct remote_app app = { .kind = APP_HTTP };
	struct rewrite w = { .site = &site, .app = &app };
	struct buf b = BUF_ON(area);
	struct http_head h;
	size_t n;

	(void)state;
	n = (size_t)snprintf(in, sizeof in, "%s", HEAD);
	for (int i = 0; i < 254; i++)
		n += (size_t)snprintf(in + n, sizeof in - n, "a:%0*d\r\n",
		    250, i);
	n += (size_t)snprintf(in + n, sizeof in - n, "b:%0*d\r\n\r\n",
	    (int)(HTTP_HEAD_MAX - n - 6), 1);
	assert_int_equal(n, HTTP_HEAD_MAX);
	h = request(in);
	assert_int_equal(h.nfields, 256);
	assert_true(rewrite_request(&b, &h, &w));
	assert_true(b.n <= HTTP_HEAD_MAX + HEAD_SLACK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_our_cookies),
		cmocka_unit_test(fields_of_requests),
		cmocka_unit_test(framing_of_requests),
		cmocka_unit_test(who_the_client_is),
		cmocka_unit_test(an_apps_own_host),
		cmocka_unit_test(fields_of_answers),
		cmocka_unit_test(framing_of_answers),
		cmocka_unit_test(location_comes_back),
		cmocka_unit_test(the_longest_head_fits),
	};

	return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}
