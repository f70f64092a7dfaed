/*
 * codec/http1: what a head must look like, what is refused and as what, and
 * what is read out of it. Every row is fed whole, cut at every byte and byte
 * by byte, each time before an unmapped page; all three have to agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "check.h"
#include "guard.h"
#include "http_dump.h"

enum { REQUEST = -1 };  /* else an enum http_answers */

static struct http_field fields[HTTP_FIELDS_MAX];

static enum err
parse(int kind, struct http_head *h, struct http_scan *scan, struct slice in,
    size_t *used)
{
	h->fields = fields;
	if (kind == REQUEST)
		return http_request_parse(h, scan, in, used);
	return http_response_parse(h, scan, (enum http_answers)kind, in, used);
}

struct result {
	enum err e;
	size_t used;
	size_t fed;             /* bytes that were there when it was known */
	struct buf text;        /* dump_head */
	uint8_t area[HTTP_HEAD_MAX * 2];
};

/* Feed the first n bytes for n = first, first + step, ...: copies each time. */
static void
feed(struct result *r, int kind, struct slice in, size_t first, size_t step)
{
	struct http_scan scan = { 0 };
	size_t n = first;

	r->text = BUF_ON(r->area);
	r->used = 0;
	for (;;) {
		struct slice part = guard_slice(slice_head(in, n));
		struct http_head h;

		r->e = parse(kind, &h, &scan, part, &r->used);
		r->fed = part.n;
		if (r->e == E_OK)
			dump_head(&r->text, &h);
		guard_free(part);
		if (r->e != E_MORE || n >= in.n)
			break;
		n = step > in.n - n ? in.n : n + step;
	}
	if (r->e != E_MORE) {
		assert_int_equal(scan.seen, 0);
		assert_int_equal(scan.where, 0);
	}
}

static void
check_same(const struct result *a, const struct result *b, const char *why)
{
	CHECK(a->e == b->e, why);
	if (a->e != E_OK)
		return;
	CHECK(a->used == b->used, why);
	CHECK(slice_eq(buf_slice(&a->text), buf_slice(&b->text)), why);
}

/* All three ways. *whole is the result; returns how many bytes it took. */
static size_t
feed_all(struct result *whole, int kind, struct slice in, const char *why)
{
	static struct result r;

	feed(whole, kind, in, in.n, 1);
	for (size_t cut = 0; cut < in.n; cut++) {
		feed(&r, kind, in, cut, in.n);
		check_same(whole, &r, why);
	}
	feed(&r, kind, in, 0, 1);
	check_same(whole, &r, why);
	return r.fed;
}

static struct slice
first_line(struct slice s)
{
	return slice_cut(&s, '\n');
}

static struct result whole;

struct good { const char *why, *in, *want; };

static void
check_good(int kind, const struct good *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct slice in = str(v[i].in);

		feed_all(&whole, kind, in, v[i].why);
		if (whole.e != E_OK)
			fail_msg("%s: %s", v[i].why, err_name(whole.e));
		CHECK(whole.used == in.n, v[i].why);
		if (!slice_eq(first_line(buf_slice(&whole.text)),
		    str(v[i].want)))
			fail_msg("%s: %.*s", v[i].why,
			    (int)first_line(buf_slice(&whole.text)).n,
			    (const char *)whole.area);
	}
}

struct bad { const char *why, *in; enum err want; };

static void
check_bad(int kind, const struct bad *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		feed_all(&whole, kind, str(v[i].in), v[i].why);
		if (whole.e != v[i].want)
			fail_msg("%s: %s", v[i].why, err_name(whole.e));
	}
}

#define H "Host: a\r\n"

static void
reads_requests(void **state)
{
	static const struct good v[] = {
	{ "the smallest", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET / 1.1 host=a body=none keep" },
	{ "an empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	    "GET / 1.1 host=a body=none keep" },
	{ "no blank after the colon", "GET / HTTP/1.1\r\nHost:a:81\r\n\r\n",
	    "GET / 1.1 host=a:81 body=none keep" },
	{ "1.0 without Host", "GET / HTTP/1.0\r\n\r\n",
	    "GET / 1.0 body=none" },
	{ "1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
	    "GET / 1.0 body=none keep" },
	{ "1.0, keep-alive and close",
	    "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
	    "GET / 1.0 body=none c-close" },
	{ "close", "GET / HTTP/1.1\r\n" H "Connection: ,x ,CLOSE,\r\n\r\n",
	    "GET / 1.1 host=a body=none c-close c-named" },
	{ "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" H "\r\n",
	    "OPTIONS * 1.1 host=a body=none keep" },
	{ "a method of 32 bytes", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1"
	    "\r\n" H "\r\n", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / 1.1 host=a "
	    "body=none keep" },
	{ "names half like framing names", "GET / HTTP/1.1\r\n" H
	    "Content_Legend: 1\r\nAnother_Length: 1\r\nContent_L: 1\r\n"
	    "Transfer_Lettings: 1\r\nWhatever_encoding: 1\r\n"
	    "Another-one_more: 1\r\nTransfer-somewhat: 1\r\n\r\n",
	    "GET / 1.1 host=a body=none keep" },
	{ "methods have case", "get / HTTP/1.1\r\n" H "\r\n",
	    "get / 1.1 host=a body=none keep" },
	{ "two slashes are a path", "GET //b/c HTTP/1.1\r\n" H "\r\n",
	    "GET //b/c 1.1 host=a body=none keep" },
	{ "what browsers leave unescaped",
	    "GET /a?b={|}[]^`\"<>\\' HTTP/1.1\r\n" H "\r\n",
	    "GET /a?b={|}[]^`\"<>\\' 1.1 host=a body=none keep" },
	{ "a length", "PUT / HTTP/1.1\r\n" H "content-LENGTH: 007\r\n\r\n",
	    "PUT / 1.1 host=a body=length:7 keep" },
	{ "the longest length", "PUT / HTTP/1.1\r\n" H
	    "Content-Length: 9223372036854775807\r\n\r\n",
	    "PUT / 1.1 host=a body=length:9223372036854775807 keep" },
	{ "length 0", "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
	    "POST / 1.1 host=a body=none cl=0 keep" },
	{ "chunked", "POST / HTTP/1.1\r\n" H
	    "Transfer-Encoding: \tChunked \r\n\r\n",
	    "POST / 1.1 host=a body=chunked keep" },
	{ "expect", "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\n"
	    "Expect: 100-Continue\r\n\r\n",
	    "POST / 1.1 host=a body=length:1 keep 100" },
	{ "expect in 1.0 means nothing", "POST / HTTP/1.0\r\n"
	    "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n",
	    "POST / 1.0 body=length:1" },
	{ "trailers wanted", "GET / HTTP/1.1\r\n" H
	    "TE: gzip;q=0.5, trailers\r\nConnection: TE\r\n\r\n",
	    "GET / 1.1 host=a body=none keep trailers" },
	{ "IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:4000\r\n\r\n",
	    "GET / 1.1 host=[::1]:4000 body=none keep" },
	{ "final dot", "GET / HTTP/1.1\r\nHost: A.b_c.\r\n\r\n",
	    "GET / 1.1 host=A.b_c. body=none keep" },
	};

	(void)state;
	check_good(REQUEST, v, COUNT(v));
}

static void
reads_upgrades(void **state)
{
	static const struct good v[] = {
	{ "websocket", "GET /w HTTP/1.1\r\n" H "Upgrade: WebSocket\r\n"
	    "Connection: keep-alive, Upgrade\r\n\r\n",
	    "GET /w 1.1 host=a body=none keep c-upgrade ws" },
	{ "the usual nginx lines, without an upgrade",
	    "GET / HTTP/1.1\r\n" H "Connection: upgrade\r\n\r\n",
	    "GET / 1.1 host=a body=none keep c-upgrade" },
	{ "an empty Upgrade", "GET / HTTP/1.1\r\n" H
	    "Upgrade:\r\nConnection: upgrade\r\n\r\n",
	    "GET / 1.1 host=a body=none keep c-upgrade" },
	{ "Upgrade without Connection", "GET / HTTP/1.1\r\n" H
	    "Upgrade: websocket\r\n\r\n",
	    "GET / 1.1 host=a body=none keep" },
	{ "another protocol", "GET / HTTP/1.1\r\n" H "Upgrade: h2c\r\n"
	    "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: \r\n\r\n",
	    "GET / 1.1 host=a body=none keep c-upgrade c-named" },
	{ "not by POST", "POST / HTTP/1.1\r\n" H "Upgrade: websocket\r\n"
	    "Connection: upgrade\r\n\r\n",
	    "POST / 1.1 host=a body=none keep c-upgrade" },
	{ "not with a body", "GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\n"
	    "Content-Length: 2\r\nConnection: upgrade\r\n\r\n",
	    "GET / 1.1 host=a body=length:2 keep c-upgrade" },
	{ "not in 1.0", "GET / HTTP/1.0\r\n" H "Upgrade: websocket\r\n"
	    "Connection: upgrade\r\n\r\n",
	    "GET / 1.0 host=a body=none c-upgrade" },
	};

	(void)state;
	check_good(REQUEST, v, COUNT(v));
}

static void
turns_absolute_targets_into_origin_form(void **state)
{
	static const struct good v[] = {
	{ "path and query", "GET http://a/b?c HTTP/1.1\r\n" H "\r\n",
	    "GET /b?c 1.1 host=a body=none keep absolute" },
	{ "no path", "GET http://a HTTP/1.1\r\n" H "\r\n",
	    "GET / 1.1 host=a body=none keep absolute" },
	{ "no path, OPTIONS", "OPTIONS http://a HTTP/1.1\r\n" H "\r\n",
	    "OPTIONS * 1.1 host=a body=none keep absolute" },
	{ "other case", "GET HTTP://A./ HTTP/1.1\r\n" H "\r\n",
	    "GET / 1.1 host=a body=none keep absolute" },
	{ "the port of http", "GET http://a:80/ HTTP/1.1\r\n" H "\r\n",
	    "GET / 1.1 host=a body=none keep absolute" },
	{ "the port of https", "GET https://a/ HTTP/1.1\r\n"
	    "Host: a:443\r\n\r\n",
	    "GET / 1.1 host=a:443 body=none keep absolute" },
	{ "addresses by value", "GET http://[0:0::1]/ HTTP/1.1\r\n"
	    "Host: [::1]\r\n\r\n",
	    "GET / 1.1 host=[::1] body=none keep absolute" },
	{ "1.0 without Host", "GET http://a:8/ HTTP/1.0\r\n\r\n",
	    "GET / 1.0 host=a:8 body=none absolute" },
	};
	static const struct bad w[] = {
	{ "another host", "GET http://b/ HTTP/1.1\r\n" H "\r\n", E_HTTP_HOST },
	{ "another port", "GET http://a:81/ HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_HOST },
	{ "the other scheme's port", "GET http://a:443/ HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_HOST },
	{ "another host in 1.0", "GET http://b/ HTTP/1.0\r\n" H "\r\n",
	    E_HTTP_HOST },
	{ "no Host in 1.1", "GET http://a/ HTTP/1.1\r\n\r\n", E_HTTP_HOST },
	{ "a user", "GET http://u@a/ HTTP/1.1\r\n" H "\r\n", E_HTTP_TARGET },
	{ "no authority", "GET http:///x HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_TARGET },
	{ "no path but a query", "GET http://a?b HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_TARGET },
	{ "ws is no scheme of HTTP", "GET ws://a/ HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_TARGET },
	{ "another scheme", "GET ftp://a/ HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_TARGET },
	{ "a fragment", "GET http://a/#b HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_TARGET },
	};

	(void)state;
	check_good(REQUEST, v, COUNT(v));
	check_bad(REQUEST, w, COUNT(w));
}

static void
refuses_malformed_request_lines(void **state)
{
	static const struct bad v[] = {
	{ "a lone LF ends no line", "GET / HTTP/1.1\nHost: a\r\n\r\n",
	    E_HTTP_LINE },
	{ "a lone CR ends no line", "GET / HTTP/1.1\rHost: a\r\n\r\n",
	    E_HTTP_LINE },
	{ "a lone LF first", "\nGET / HTTP/1.1\r\n" H "\r\n", E_HTTP_LINE },
	{ "two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_LINE },
	{ "a lone CR first", "\rGET / HTTP/1.1\r\n" H "\r\n", E_HTTP_LINE },
	{ "a TLS hello", "\026\003\001", E_HTTP_LINE },
	{ "no method", " / HTTP/1.1\r\n" H "\r\n", E_HTTP_LINE },
	{ "a bad method byte is seen at once", "GE(", E_HTTP_LINE },
	{ "HTTP/0.9", "GET /\r\n", E_HTTP_LINE },
	{ "two spaces", "GET  / HTTP/1.1\r\n" H "\r\n", E_HTTP_TARGET },
	{ "a space in the target", "GET /a b HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_LINE },
	{ "high byte in target", "GET /\303\244 HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_TARGET },
	{ "DEL in target", "GET /\177 HTTP/1.1\r\n" H "\r\n", E_HTTP_TARGET },
	{ "a fragment", "GET /#a HTTP/1.1\r\n" H "\r\n", E_HTTP_TARGET },
	{ "a relative target", "GET a/b HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_TARGET },
	{ "a query alone", "GET ?a HTTP/1.1\r\n" H "\r\n", E_HTTP_TARGET },
	{ "a backslash first", "GET \\a HTTP/1.1\r\n" H "\r\n",
	    E_HTTP_TARGET },
	{ "* for GET", "GET * HTTP/1.1\r\n" H "\r\n", E_HTTP_TARGET },
	{ "CONNECT", "CONNECT a:1 HTTP/1.1\r\n" H "\r\n", E_HTTP_METHOD },
	{ "a method of 33 bytes", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / ",
	    E_HTTP_METHOD },
	{ "HTTP/2.0", "GET / HTTP/2.0\r\n" H "\r\n", E_HTTP_VERSION },
	{ "HTTP/1.2", "GET / HTTP/1.2\r\n" H "\r\n", E_HTTP_VERSION },
	{ "HTTP/0.9 spelled out", "GET / HTTP/0.9\r\n\r\n", E_HTTP_VERSION },
	{ "HTTP/1.10", "GET / HTTP/1.10\r\n" H "\r\n", E_HTTP_LINE },
	{ "HTTP/01.1", "GET / HTTP/01.1\r\n" H "\r\n", E_HTTP_LINE },
	{ "lower case", "GET / http/1.1\r\n" H "\r\n", E_HTTP_LINE },
	{ "space at the end", "GET / HTTP/1.1 \r\n" H "\r\n", E_HTTP_LINE },
	{ "CR CR LF", "GET / HTTP/1.1\r\r\n" H "\r\n", E_HTTP_LINE },
	};

	(void)state;
	check_bad(REQUEST, v, COUNT(v));
}

#define G "GET / HTTP/1.1\r\nHost: a\r\n"

static void
refuses_malformed_fields(void **state)
{
	static const struct bad v[] = {
	{ "space before the colon", G "X : a\r\n\r\n", E_HTTP_FIELD },
	{ "tab before the colon", G "X\t: a\r\n\r\n", E_HTTP_FIELD },
	{ "no colon", G "X\r\n\r\n", E_HTTP_FIELD },
	{ "no name", G ": a\r\n\r\n", E_HTTP_FIELD },
	{ "obs-fold", G "X: a\r\n b\r\n\r\n", E_HTTP_FIELD },
	{ "obs-fold by tab", G "X: a\r\n\tb\r\n\r\n", E_HTTP_FIELD },
	{ "obs-fold of nothing", G "X: a\r\n \r\n\r\n", E_HTTP_FIELD },
	{ "a blank line that is not empty", G " \r\n\r\n", E_HTTP_FIELD },
	{ "a first field that folds", "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
	    E_HTTP_FIELD },
	{ "high byte in name", G "\344: a\r\n\r\n", E_HTTP_FIELD },
	{ "ESC in value", G "X: \033\r\n\r\n", E_HTTP_FIELD },
	{ "DEL in value", G "X: 12345678\177\r\n\r\n", E_HTTP_FIELD },
	{ "BEL deep in a value", G "X: 0123456789abcdefghijk\a12\r\n\r\n",
	    E_HTTP_FIELD },
	{ "a bad byte is seen at once", G "X: a\001", E_HTTP_FIELD },
	{ "a lone LF", G "X: a\nY: b\r\n\r\n", E_HTTP_LINE },
	{ "a lone LF in a name", G "X\nY: b\r\n\r\n", E_HTTP_LINE },
	{ "a lone CR", G "X: a\rY: b\r\n\r\n", E_HTTP_LINE },
	{ "CR CR LF", G "X: a\r\r\n\r\n", E_HTTP_LINE },
	{ "a lone LF as the empty line", G "\n", E_HTTP_LINE },
	{ "a lone CR as the empty line", G "\rX", E_HTTP_LINE },
	{ "a name like a framing name", G "Content_Length: 1\r\n\r\n",
	    E_HTTP_FRAMING },
	{ "the other", G "transfer_encoding: chunked\r\n\r\n",
	    E_HTTP_FRAMING },
	};

	(void)state;
	check_bad(REQUEST, v, COUNT(v));
}

static void
refuses_nul_bytes_anywhere(void **state)
{
	struct slice in = SL(G "X-Name: value\r\n\r\n");
	uint8_t copy[64];

	(void)state;
	assert_true(in.n <= sizeof copy);
	for (size_t i = 0; i < in.n; i++) {
		memcpy(copy, in.p, in.n);
		copy[i] = 0;
		feed_all(&whole, REQUEST, slice_of(copy, in.n), "NUL");
		assert_int_not_equal(whole.e, E_OK);
		assert_int_not_equal(whole.e, E_MORE);
	}
}

static void
refuses_hosts_that_can_be_read_two_ways(void **state)
{
	static const char *const v[] = {
	"", "Host:\r\n", "Host: a\r\nHost: a\r\n", "Host: a\r\nhost: b\r\n",
	"Host: a b\r\n", "Host: a,b\r\n", "Host: u@a\r\n", "Host: a/\r\n",
	"Host: a:\r\n", "Host: a:0\r\n", "Host: a:65536\r\n", "Host: :80\r\n",
	"Host: a:8 0\r\n", "Host: a:+80\r\n", "Host: a%2eb\r\n",
	"Host: .a\r\n", "Host: a..b\r\n", "Host: 1.2.3\r\n",
	"Host: 0x7f.1\r\n", "Host: 127.0.0.01\r\n", "Host: 1.2.3.4.5\r\n",
	"Host: [::1\r\n", "Host: ::1\r\n", "Host: [::1]a\r\n",
	"Host: [fe80::1%25eth0]\r\n", "Host: [v1.a]\r\n", "Host: \303\244\r\n",
	"Host: http://a\r\n", "Host: a#b\r\n", "Host: a?b\r\n",
	"Host: a\\b\r\n", "Host: \"a\"\r\n", "Host: <a>\r\n", "Host: *\r\n",
	};
	char in[128];

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		snprintf(in, sizeof in, "GET / HTTP/1.1\r\n%s\r\n", v[i]);
		feed_all(&whole, REQUEST, str(in), v[i]);
		CHECK(whole.e == E_HTTP_HOST, v[i]);
		if (i < 2 && v[i][0] == '\0')
			continue;       /* 1.0 needs no Host */
		snprintf(in, sizeof in, "GET / HTTP/1.0\r\n%s\r\n", v[i]);
		feed_all(&whole, REQUEST, str(in), v[i]);
		CHECK(whole.e == E_HTTP_HOST, v[i]);
	}
}

#define P "POST / HTTP/1.1\r\nHost: a\r\n"
#define CL "Content-Length: "
#define TE "Transfer-Encoding: "

static void
refuses_ambiguous_lengths(void **state)
{
	static const struct bad v[] = {
	{ "both", P CL "1\r\n" TE "chunked\r\n\r\n", E_HTTP_FRAMING },
	{ "both, other order", P TE "chunked\r\n" CL "1\r\n\r\n",
	    E_HTTP_FRAMING },
	{ "both, length 0", P CL "0\r\n" TE "chunked\r\n\r\n",
	    E_HTTP_FRAMING },
	{ "two lengths", P CL "1\r\n" CL "2\r\n\r\n", E_HTTP_FRAMING },
	{ "twice the same", P CL "1\r\n" CL "1\r\n\r\n", E_HTTP_FRAMING },
	{ "a list", P CL "1, 1\r\n\r\n", E_HTTP_FRAMING },
	{ "empty", P CL "\r\n\r\n", E_HTTP_FRAMING },
	{ "signed", P CL "+1\r\n\r\n", E_HTTP_FRAMING },
	{ "hex", P CL "0x1\r\n\r\n", E_HTTP_FRAMING },
	{ "2^63", P CL "9223372036854775808\r\n\r\n", E_HTTP_FRAMING },
	{ "20 digits", P CL "00000000000000000001\r\n\r\n", E_HTTP_FRAMING },
	{ "chunked twice", P TE "chunked\r\n" TE "chunked\r\n\r\n",
	    E_HTTP_FRAMING },
	{ "chunked in 1.0", "POST / HTTP/1.0\r\n" H TE "chunked\r\n\r\n",
	    E_HTTP_FRAMING },
	{ "empty coding", P TE "\r\n\r\n", E_HTTP_FRAMING },
	{ "a parameter", P TE "chunked;q=1\r\n\r\n", E_HTTP_FRAMING },
	{ "quoted", P TE "\"chunked\"\r\n\r\n", E_HTTP_FRAMING },
	{ "chunked in a list", P TE "gzip, chunked\r\n\r\n", E_HTTP_CODING },
	{ "chunked before another", P TE "chunked, gzip\r\n\r\n",
	    E_HTTP_CODING },
	{ "a list of one and nothing", P TE "chunked,\r\n\r\n",
	    E_HTTP_CODING },
	{ "identity", P TE "identity\r\n\r\n", E_HTTP_CODING },
	{ "two, the second bad", P TE "chunked\r\n" TE "x\r\n\r\n",
	    E_HTTP_CODING },
	};

	(void)state;
	check_bad(REQUEST, v, COUNT(v));
}

static void
gives_every_field_as_it_was(void **state)
{
	static const char in[] =
	    "GET / HTTP/1.1\r\nhOST: a\r\nX-One: \t a b \t\r\nX-Two:\r\n"
	    "Set-Cookie: a\r\nSET-COOKIE: b\r\nX-Latin: \351\240\377\r\n\r\n";
	struct http_scan scan = { 0 };
	struct http_head h = { .fields = fields };
	struct slice s = guard_put(in, sizeof in - 1);
	const struct http_field *f;
	size_t used;

	(void)state;
	assert_int_equal(http_request_parse(&h, &scan, s, &used), E_OK);
	assert_int_equal(h.nfields, 6);
	f = http_field_get(&h, SL("x-one"));
	assert_non_null(f);
	assert_true(slice_eq(f->name, SL("X-One")));
	assert_true(slice_eq(f->value, SL("a b")));
	f = http_field_get(&h, SL("X-TWO"));
	assert_non_null(f);
	assert_int_equal(f->value.n, 0);
	f = http_field_get(&h, SL("x-latin"));
	assert_non_null(f);
	assert_true(slice_eq(f->value, SL("\351\240\377")));
	f = http_field_id(&h, HTTP_N_SET_COOKIE, NULL);
	assert_non_null(f);
	assert_true(slice_eq(f->value, SL("a")));
	f = http_field_id(&h, HTTP_N_SET_COOKIE, f);
	assert_non_null(f);
	assert_true(slice_eq(f->value, SL("b")));
	assert_null(http_field_id(&h, HTTP_N_SET_COOKIE, f));
	assert_null(http_field_get(&h, SL("x-three")));
	guard_free(s);
}

static void
leaves_what_follows_the_head(void **state)
{
	static const char in[] = G "\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\nxyz";
	struct http_scan scan = { 0 };
	struct http_head h = { .fields = fields };
	struct slice s = guard_put(in, sizeof in - 1), rest = s;
	size_t used;

	(void)state;
	assert_int_equal(http_request_parse(&h, &scan, rest, &used), E_OK);
	rest = slice_from(rest, used);
	assert_int_equal(http_request_parse(&h, &scan, rest, &used), E_OK);
	assert_true(slice_eq(h.target, SL("/2")));
	rest = slice_from(rest, used);
	assert_true(slice_eq(rest, SL("xyz")));
	assert_int_equal(http_request_parse(&h, &scan, rest, &used), E_MORE);
	assert_true(scan.seen <= rest.n);
	guard_free(s);
}

static void
reads_responses(void **state)
{
	static const struct good v[] = {
	{ "length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
	    "200 (OK) 1.1 body=length:3 keep" },
	{ "empty reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
	    "200 () 1.1 body=none cl=0 keep" },
	{ "no space, no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
	    "200 () 1.1 body=none cl=0 keep" },
	{ "latin-1 reason", "HTTP/1.1 404 pas trouv\351 ici\r\n\r\n",
	    "404 (pas trouv\351 ici) 1.1 body=close" },
	{ "a reason of blanks", "HTTP/1.1 200  a \tb \r\n\r\n",
	    "200 ( a \tb ) 1.1 body=close" },
	{ "until close", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n",
	    "200 (OK) 1.1 body=close" },
	{ "chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "200 (OK) 1.1 body=chunked keep" },
	{ "1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
	    "200 (OK) 1.0 body=length:1" },
	{ "1.0 keep-alive", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n"
	    "Connection: keep-alive\r\n\r\n",
	    "200 (OK) 1.0 body=length:1 keep" },
	{ "close", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
	    "Connection: close\r\n\r\n",
	    "200 (OK) 1.1 body=length:1 c-close" },
	{ "100", "HTTP/1.1 100 Continue\r\n\r\n",
	    "100 (Continue) 1.1 body=none keep" },
	{ "103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
	    "103 (Early Hints) 1.1 body=none keep" },
	{ "204", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
	    "204 (No Content) 1.1 body=none cl=0 keep" },
	{ "304 with a length", "HTTP/1.1 304 Not Modified\r\n"
	    "Content-Length: 9\r\n\r\n",
	    "304 (Not Modified) 1.1 body=none cl=9 keep" },
	{ "101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\n\r\n",
	    "101 (Switching Protocols) 1.1 body=none keep c-upgrade ws" },
	{ "upgrade offered by 426", "HTTP/1.1 426 X\r\nUpgrade: websocket\r\n"
	    "Connection: upgrade\r\nContent-Length: 0\r\n\r\n",
	    "426 (X) 1.1 body=none cl=0 keep c-upgrade" },
	{ "an unregistered code", "HTTP/1.1 999 Denied\r\n\r\n",
	    "999 (Denied) 1.1 body=close" },
	{ "Host means nothing here", "HTTP/1.1 200 OK\r\nHost: a b\r\n"
	    "Host: c\r\n\r\n", "200 (OK) 1.1 body=close" },
	};

	(void)state;
	check_good(HTTP_TO_OTHER, v, COUNT(v));
}

static void
knows_answers_without_body(void **state)
{
	static const struct good head[] = {
	{ "length", "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n",
	    "200 (OK) 1.1 body=none cl=300 keep" },
	{ "chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "200 (OK) 1.1 body=none keep" },
	{ "neither", "HTTP/1.1 200 OK\r\n\r\n", "200 (OK) 1.1 body=none keep" },
	};
	static const struct good to_connect[] = {
	{ "2xx", "HTTP/1.1 200 Established\r\nContent-Length: 3\r\n\r\n",
	    "200 (Established) 1.1 body=none cl=3 keep" },
	{ "not 2xx", "HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\n",
	    "407 (No) 1.1 body=length:3 keep" },
	};

	(void)state;
	check_good(HTTP_TO_HEAD, head, COUNT(head));
	check_good(HTTP_TO_CONNECT, to_connect, COUNT(to_connect));
}

#define R "HTTP/1.1 200 OK\r\n"

static void
refuses_malformed_responses(void **state)
{
	static const struct bad v[] = {
	{ "an empty line first", "\r\n" R "\r\n", E_HTTP_LINE },
	{ "another protocol", "ICY 200 OK\r\n\r\n", E_HTTP_LINE },
	{ "lower case", "http/1.1 200 OK\r\n\r\n", E_HTTP_LINE },
	{ "HTTP/2", "HTTP/2 200\r\n\r\n", E_HTTP_LINE },
	{ "HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", E_HTTP_VERSION },
	{ "HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", E_HTTP_VERSION },
	{ "two digits", "HTTP/1.1 20 OK\r\n\r\n", E_HTTP_LINE },
	{ "four digits", "HTTP/1.1 2000 OK\r\n\r\n", E_HTTP_LINE },
	{ "below 100", "HTTP/1.1 099 OK\r\n\r\n", E_HTTP_STATUS },
	{ "two spaces", "HTTP/1.1  200 OK\r\n\r\n", E_HTTP_LINE },
	{ "no code", "HTTP/1.1\r\n\r\n", E_HTTP_LINE },
	{ "NUL-like control in the reason", "HTTP/1.1 200 O\001K\r\n\r\n",
	    E_HTTP_LINE },
	{ "a lone LF", "HTTP/1.1 200 OK\n\r\n", E_HTTP_LINE },
	{ "a lone CR after the code", "HTTP/1.1 200\rOK\r\n\r\n",
	    E_HTTP_LINE },
	{ "both lengths", R CL "1\r\n" TE "chunked\r\n\r\n", E_HTTP_FRAMING },
	{ "two lengths", R CL "1\r\n" CL "1\r\n\r\n", E_HTTP_FRAMING },
	{ "both, and 204", "HTTP/1.1 204 N\r\n" CL "1\r\n" TE
	    "chunked\r\n\r\n", E_HTTP_FRAMING },
	{ "chunked in 1.0", "HTTP/1.0 200 OK\r\n" TE "chunked\r\n\r\n",
	    E_HTTP_FRAMING },
	{ "gzip", R TE "gzip\r\n\r\n", E_HTTP_CODING },
	{ "obs-fold", R "A: b\r\n c\r\n\r\n", E_HTTP_FIELD },
	{ "space before the colon", R "A : b\r\n\r\n", E_HTTP_FIELD },
	};

	(void)state;
	check_bad(HTTP_TO_OTHER, v, COUNT(v));
}

static struct buf
big_buf(void)
{
	static uint8_t area[HTTP_HEAD_MAX + 64];

	return BUF_ON(area);
}

static void
put_many(struct buf *b, size_t n)
{
	while (n-- > 0)
		assert_true(buf_lit(b, "a"));
}

/* Whole, and byte by byte over the same bytes. */
static enum err
feed_big(struct buf *b)
{
	struct http_scan scan = { 0 };
	struct http_head h = { .fields = fields };
	struct slice in = buf_slice(b);
	size_t used, again;
	enum err e = http_request_parse(&h, &scan, in, &used), byte = E_MORE;

	assert_int_not_equal(e, E_MORE);
	for (size_t n = 0; n <= in.n && byte == E_MORE; n++)
		byte = http_request_parse(&h, &scan, slice_head(in, n), &again);
	assert_int_equal(byte, e);
	if (e == E_OK)
		assert_int_equal(used, again);
	return e;
}

static void
bounds_everything(void **state)
{
	static const struct { size_t n; enum err want; } targets[] = {
		{ HTTP_TARGET_MAX, E_OK },
		{ HTTP_TARGET_MAX + 1, E_HTTP_TARGET_LONG },
	}, heads[] = {
		{ HTTP_HEAD_MAX, E_OK },
		{ HTTP_HEAD_MAX + 1, E_HTTP_HEAD_LONG },
	}, names[] = {
		{ HTTP_NAME_MAX, E_OK },
		{ HTTP_NAME_MAX + 1, E_HTTP_HEAD_LONG },
	}, counts[] = {
		{ HTTP_FIELDS_MAX, E_OK },
		{ HTTP_FIELDS_MAX + 1, E_HTTP_HEAD_LONG },
	}, listed[] = {
		{ HTTP_CONNECTION_MAX, E_OK },
		{ HTTP_CONNECTION_MAX + 1, E_HTTP_HEAD_LONG },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buf b = big_buf();

		buf_lit(&b, "GET /");
		put_many(&b, targets[i].n - 1);
		buf_lit(&b, " HTTP/1.1\r\n" H "\r\n");
		assert_int_equal(feed_big(&b), targets[i].want);

		b = big_buf();
		buf_lit(&b, G "X: ");
		put_many(&b, heads[i].n - b.n - 4);
		buf_lit(&b, "\r\n\r\n");
		assert_int_equal(b.n, heads[i].n);
		assert_int_equal(feed_big(&b), heads[i].want);

		b = big_buf();
		buf_lit(&b, G);
		put_many(&b, names[i].n);
		buf_lit(&b, ": x\r\n\r\n");
		assert_int_equal(feed_big(&b), names[i].want);

		b = big_buf();
		buf_lit(&b, G);
		for (size_t n = 1; n < counts[i].n; n++)
			buf_lit(&b, "X: y\r\n");
		buf_lit(&b, "\r\n");
		assert_int_equal(feed_big(&b), counts[i].want);

		/* In two fields, and not where the head began to be read. */
		b = big_buf();
		buf_lit(&b, G "Connection: x,,,,\r\nConnection: ");
		put_many(&b, listed[i].n - 5);
		buf_lit(&b, "\r\n\r\n");
		assert_int_equal(feed_big(&b), listed[i].want);
	}
}

static void
stops_waiting_for_an_endless_head(void **state)
{
	struct buf b = big_buf();

	(void)state;
	buf_lit(&b, G);
	while (b.n < HTTP_HEAD_MAX - 64)
		buf_lit(&b, "Name-of-field: 0123456789abcdefghijklmn\r\n");
	put_many(&b, HTTP_HEAD_MAX - b.n);
	assert_int_equal(feed_big(&b), E_HTTP_HEAD_LONG);
}

static void
knows_every_listed_name(void **state)
{
	uint8_t upper[64];

	(void)state;
	assert_int_equal(http_name_text(HTTP_N_OTHER).n, 0);
	for (unsigned i = HTTP_N_OTHER + 1; i < HTTP_N_COUNT; i++) {
		struct slice s = guard_slice(http_name_text((enum http_name)i));

		assert_int_equal(http_name_id(s), i);
		assert_true(http_token_valid(s));
		for (size_t k = 0; k < s.n; k++) {
			assert_int_equal(s.p[k], ascii_lower(s.p[k]));
			upper[k] = s.p[k] >= 'a' && s.p[k] <= 'z' ?
			    (uint8_t)(s.p[k] - 32) : s.p[k];
		}
		assert_int_equal(http_name_id(slice_of(upper, s.n)), i);
		upper[s.n - 1] = '_';
		assert_int_equal(http_name_id(slice_of(upper, s.n)),
		    HTTP_N_OTHER);
		guard_free(s);
	}
	assert_int_equal(http_name_id(SL("")), HTTP_N_OTHER);
	assert_int_equal(http_name_id(SL("x")), HTTP_N_OTHER);
	assert_int_equal(http_name_id(SL("ho\rt")), HTTP_N_OTHER);
}

static void
drops_what_belongs_to_one_connection(void **state)
{
	static const char in[] = G
	    "Connection: close, X-Mine, content-length\r\n"
	    "Connection: HOST, x-other\r\nX-Mine: 1\r\nX-Other: 2\r\n"
	    "Keep-Alive: 5\r\nTE: trailers\r\nTrailer: X\r\nX-Kept: 3\r\n"
	    "Content-Length: 0\r\nProxy-Authorization: b\r\nProxy: x\r\n\r\n";
	static const char *const kept[] = { "Host", "Trailer", "X-Kept",
		"Content-Length" };
	struct http_scan scan = { 0 };
	struct http_head h = { .fields = fields };
	size_t used, n = 0;

	(void)state;
	assert_int_equal(http_request_parse(&h, &scan,
	    slice_of(in, sizeof in - 1), &used), E_OK);
	assert_true(h.conn_close && h.conn_named && h.te_trailers);
	assert_true(http_connection_has(&h, SL("x-MINE")));
	assert_true(http_connection_has(&h, SL("X-OTHER")));
	assert_false(http_connection_has(&h, SL("x-kept")));
	for (size_t i = 0; i < h.nfields; i++) {
		if (http_field_is_hop(&h, &h.fields[i]))
			continue;
		assert_true(n < COUNT(kept));
		assert_true(slice_eq(h.fields[i].name, str(kept[n])));
		n++;
	}
	assert_int_equal(n, COUNT(kept));
}

static void
skips_empty_list_elements(void **state)
{
	struct slice list = SL(" ,a ,, \tb\t,"), e;

	(void)state;
	assert_true(http_list_next(&list, &e));
	assert_true(slice_eq(e, SL("a")));
	assert_true(http_list_next(&list, &e));
	assert_true(slice_eq(e, SL("b")));
	assert_false(http_list_next(&list, &e));
	assert_false(http_list_has(SL("ab, ba"), SL("a")));
	assert_false(http_list_has(SL(","), SL("")));
}

static void
knows_names_that_speak_for_a_client(void **state)
{
	(void)state;
	assert_true(http_names_client(SL("Forwarded")));
	assert_true(http_names_client(SL("X-Forwarded-For")));
	assert_true(http_names_client(SL("x_forwarded_user")));
	assert_true(http_names_client(SL("X-Forwarded_Anything-Long-Enough")));
	assert_true(http_names_client(SL("X-REAL_IP")));
	assert_false(http_names_client(SL("X-Forwarded")));
	assert_false(http_names_client(SL("X-Real-IP-2")));
	assert_false(http_names_client(SL("Forwarded-Not")));
	assert_false(http_names_client(SL("")));
}

static void
keeps_dangerous_names_out_of_trailers(void **state)
{
	static const struct { const char *name; bool may; } v[] = {
	{ "X-Checksum", true }, { "Server-Timing", true },
	{ "Content-Digest", true }, { "grpc-status", true },
	{ "Content-Length", false }, { "content_length", false },
	{ "Transfer-Encoding", false }, { "Host", false },
	{ "Set-Cookie", false }, { "Set_Cookie", false },
	{ "Authorization", false }, { "Connection", false },
	{ "Sec-Fetch-Nonsense", false }, { "SEC_WEBSOCKET_KEY", false },
	{ "Proxy-Anything", false }, { "X-Forwarded-Anything", false },
	{ "Access-Control-Allow-Origin", false }, { "Location", false },
	{ "Content-Security-Policy", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		struct http_field f = { .name = str(v[i].name) };

		f.id = http_name_id(f.name);
		CHECK(http_may_trail(&f) == v[i].may, v[i].name);
	}
}

static void
writes_lines_whole_or_not_at_all(void **state)
{
	uint8_t area[64];

	(void)state;
	for (size_t cap = 0; cap <= sizeof area; cap++) {
		struct buf b = buf_of(area, cap);
		struct http_field f = { SL("Na"), SL("v"), HTTP_N_OTHER };

		assert_int_equal(http_put_status_line(&b, 404, SL("No")),
		    cap >= 17);
		assert_int_equal(b.n, cap >= 17 ? 17 : 0);
		b = buf_of(area, cap);
		assert_int_equal(http_put_request_line(&b, SL("GET"), SL("/x")),
		    cap >= 17);
		assert_int_equal(b.n, cap >= 17 ? 17 : 0);
		b = buf_of(area, cap);
		assert_int_equal(http_put_field(&b, SL("Na"), SL("v")),
		    cap >= 7);
		assert_int_equal(b.n, cap >= 7 ? 7 : 0);
		b = buf_of(area, cap);
		assert_int_equal(http_put_field_dec(&b, SL("Na"), 12),
		    cap >= 8);
		b = buf_of(area, cap);
		assert_int_equal(http_put_parsed(&b, &f), cap >= 7);
		assert_int_equal(b.n, cap >= 7 ? 7 : 0);
	}
}

static void
writes_up_to_its_bounds(void **state)
{
	static uint8_t area[2 * HTTP_TARGET_MAX], target[HTTP_TARGET_MAX + 1];
	struct buf b = BUF_ON(area);

	(void)state;
	memset(target, '/', sizeof target);
	assert_true(http_put_status_line(&b, 100, SL("")));
	assert_true(http_put_status_line(&b, 999, SL("")));
	assert_true(http_put_request_line(&b, SL("GET"),
	    slice_of(target, HTTP_TARGET_MAX)));
	assert_true(slice_starts(buf_slice(&b),
	    SL("HTTP/1.1 100 \r\nHTTP/1.1 999 \r\nGET //")));
	b = BUF_ON(area);
	assert_false(http_put_request_line(&b, SL("GET"),
	    slice_of(target, HTTP_TARGET_MAX + 1)));
}

static void
writes_no_line_that_breaks_out(void **state)
{
	uint8_t area[256];
	struct buf b = BUF_ON(area);

	(void)state;
	assert_false(http_put_field(&b, SL("A"), SL("b\r\nC: d")));
	assert_false(buf_ok(&b));
	assert_int_equal(b.n, 0);
	b = BUF_ON(area);
	assert_false(http_put_field(&b, SL("A: b\r\nC"), SL("d")));
	b = BUF_ON(area);
	assert_false(http_put_field(&b, SL(""), SL("d")));
	b = BUF_ON(area);
	assert_false(http_put_field(&b, SL("A"), SL("b\0c")));
	b = BUF_ON(area);
	assert_false(http_put_status_line(&b, 200, SL("OK\r\n")));
	b = BUF_ON(area);
	assert_false(http_put_status_line(&b, 99, SL("OK")));
	b = BUF_ON(area);
	assert_false(http_put_status_line(&b, 1000, SL("OK")));
	b = BUF_ON(area);
	assert_false(http_put_request_line(&b, SL("GET /"), SL("/")));
	b = BUF_ON(area);
	assert_false(http_put_request_line(&b, SL("GET"), SL("/ HTTP/1.1")));
	assert_int_equal(b.n, 0);
}

static void
has_reasons(void **state)
{
	(void)state;
	assert_true(slice_eq(http_reason(200), SL("OK")));
	assert_true(slice_eq(http_reason(504), SL("Gateway Timeout")));
	assert_int_equal(http_reason(299).n, 0);
	for (unsigned i = 0; i < ERR_COUNT; i++) {
		unsigned status = err_http((enum err)i);

		CHECK(status == 0 || http_reason(status).n > 0,
		    err_name((enum err)i));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_requests),
		cmocka_unit_test(reads_upgrades),
		cmocka_unit_test(turns_absolute_targets_into_origin_form),
		cmocka_unit_test(refuses_malformed_request_lines),
		cmocka_unit_test(refuses_malformed_fields),
		cmocka_unit_test(refuses_nul_bytes_anywhere),
		cmocka_unit_test(refuses_hosts_that_can_be_read_two_ways),
		cmocka_unit_test(refuses_ambiguous_lengths),
		cmocka_unit_test(gives_every_field_as_it_was),
		cmocka_unit_test(leaves_what_follows_the_head),
		cmocka_unit_test(reads_responses),
		cmocka_unit_test(knows_answers_without_body),
		cmocka_unit_test(refuses_malformed_responses),
		cmocka_unit_test(bounds_everything),
		cmocka_unit_test(stops_waiting_for_an_endless_head),
		cmocka_unit_test(knows_every_listed_name),
		cmocka_unit_test(drops_what_belongs_to_one_connection),
		cmocka_unit_test(skips_empty_list_elements),
		cmocka_unit_test(knows_names_that_speak_for_a_client),
		cmocka_unit_test(keeps_dangerous_names_out_of_trailers),
		cmocka_unit_test(writes_lines_whole_or_not_at_all),
		cmocka_unit_test(writes_up_to_its_bounds),
		cmocka_unit_test(writes_no_line_that_breaks_out),
		cmocka_unit_test(has_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
