/*
 * codec/url: hosts, URLs, `next`, form values, names. Each input stands before
 * an unmapped page, alone and as every prefix of it: these parsers take
 * all of their input, so a prefix is another input that must not be read over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "codec/url.h"
#include "check.h"
#include "guard.h"

/* Every prefix through every parser, for the guard page's sake. */
static void
poke(const char *text)
{
	uint8_t area[256];

	for (size_t n = 0; n <= strlen(text); n++) {
		struct slice s = guard_put(text, n);
		struct buf b = BUF_ON(area);
		struct url_auth a;
		struct url u;
		bool found;

		url_auth_parse(&a, s);
		url_parse(&u, s);
		url_next_ok(s);
		url_path(s);
		url_query(s);
		url_name_ok(s);
		url_name_fold(&b, s);
		url_form_get(s, SL("a"), &b, &found);
		url_put_decoded(&b, s);
		url_put_encoded(&b, s);
		url_host_eq(s, s);
		guard_free(s);
	}
}

static void
reads_hosts_and_ports(void **state)
{
	static const struct {
		const char *in, *host;
		enum url_host_kind kind;
		uint16_t port;
	} v[] = {
		{ "a", "a", URL_HOST_NAME, 0 },
		{ "a:1", "a", URL_HOST_NAME, 1 },
		{ "A-b_c.Example.:65535", "A-b_c.Example.", URL_HOST_NAME,
		    65535 },
		{ "a:00080", "a", URL_HOST_NAME, 80 },
		{ "1.2.3.4:80", "1.2.3.4", URL_HOST_V4, 80 },
		{ "255.255.255.255", "255.255.255.255", URL_HOST_V4, 0 },
		{ "[::]:4000", "::", URL_HOST_V6, 4000 },
		{ "[2001:DB8::1]", "2001:DB8::1", URL_HOST_V6, 0 },
		{ "1.2.3.4a", "1.2.3.4a", URL_HOST_NAME, 0 },
		{ "0x7g", "0x7g", URL_HOST_NAME, 0 },
		{ "1a", "1a", URL_HOST_NAME, 0 },
		{ "3com.net", "3com.net", URL_HOST_NAME, 0 },
	};
	struct url_auth a;

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		poke(v[i].in);
		CHECK(url_auth_parse(&a, str(v[i].in)) == E_OK, v[i].in);
		CHECK(slice_eq(a.host, str(v[i].host)), v[i].in);
		CHECK(a.kind == v[i].kind, v[i].in);
		CHECK(a.port == v[i].port, v[i].in);
		CHECK(a.has_port == (v[i].port > 0), v[i].in);
	}
}

static void
refuses_hosts_that_readers_take_differently(void **state)
{
	static const char *const v[] = {
		"", ":", ":80", ".", ".a", "a..b", "a..", "a:", "a:0",
		"a:65536", "a:000080", "a:-1", "a:+1", "a: 1", "a:1 ", "a:1:2",
		"a:8a", " a", "a b", "a,b", "a;b", "u@a", "u:p@a", "a/b", "a?",
		"a#", "a%62", "a\\b", "<a>", "\"a\"", "a|b", "*", "~a", "a!",
		"\303\244", "a\t", "1", "1.2", "1.2.3", "1.2.3.4.5", "1.2.3.4.",
		"1.2.3.256", "01.2.3.4", "1.2.3.04", "1.2..4", "a.1", "a.0x1",
		"0x7f000001", "0x", "a.0x", "2130706433", "[", "]", "[]",
		"[::1", "::1", "[::1]x", "[::1]80", "[:::]", "[::1::]", "[1:2]",
		"[1:2:3:4:5:6:7:8:9]", "[1:2:3:4:5:6:7::8]a", "[12345::]",
		"[::g]", "[::1%25a]", "[v1.a]", "[1.2.3.4]", "[::1.2.3]",
		"[::1.2.3.4:5]", "[:1::]", "[1::2:]", "[1:2:3:4:5:6:7:8::]",
		"[::1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:1.2.3.4]",
		"[::01.2.3.4]",
	};
	struct url_auth a;

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		poke(v[i]);
		CHECK(url_auth_parse(&a, str(v[i])) == E_SYNTAX, v[i]);
	}
	assert_int_equal(url_auth_parse(&a, SL("a\0b")), E_SYNTAX);
}

static void
bounds_names_and_labels(void **state)
{
	uint8_t name[URL_HOST_MAX + 2];
	struct url_auth a;

	(void)state;
	memset(name, 'a', sizeof name);
	assert_int_equal(url_auth_parse(&a, slice_of(name, 63)), E_OK);
	assert_int_equal(url_auth_parse(&a, slice_of(name, 64)), E_SYNTAX);
	for (size_t i = 50; i < sizeof name; i += 51)
		name[i] = '.';
	assert_int_equal(url_auth_parse(&a, slice_of(name, 253)), E_OK);
	assert_int_equal(url_auth_parse(&a, slice_of(name, 254)), E_SYNTAX);
	name[253] = '.';
	assert_int_equal(url_auth_parse(&a, slice_of(name, 254)), E_OK);
}

static void
reads_addresses(void **state)
{
	static const struct { const char *in; uint8_t addr[16]; } v[] = {
		{ "::", { 0 } },
		{ "::1", { [15] = 1 } },
		{ "1::", { [1] = 1 } },
		{ "1:2:3:4:5:6:7:8", { 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0,
		    7, 0, 8 } },
		{ "1:2:3::7:8", { 0, 1, 0, 2, 0, 3, [13] = 7, [15] = 8 } },
		{ "1:2:3:4:5:6:7::", { 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0,
		    7, 0, 0 } },
		{ "::2:3:4:5:6:7:8", { 0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0,
		    7, 0, 8 } },
		{ "::ffff:192.0.2.128", { [10] = 255, 255, 192, 0, 2, 128 } },
		{ "64:ff9b::192.0.2.33", { 0, 0x64, 0xff, 0x9b,
		    [12] = 192, 0, 2, 33 } },
		{ "1:2:3:4:5:6:7.8.9.10", { 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6,
		    7, 8, 9, 10 } },
		{ "FE80::ABCD", { 0xfe, 0x80, [14] = 0xab, 0xcd } },
	};
	struct url_auth a;

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		uint8_t area[64];
		struct buf b = BUF_ON(area);

		buf_lit(&b, "[");
		buf_put(&b, str(v[i].in));
		buf_lit(&b, "]");
		CHECK(url_auth_parse(&a, buf_slice(&b)) == E_OK, v[i].in);
		CHECK(a.kind == URL_HOST_V6, v[i].in);
		CHECK(memcmp(a.addr, v[i].addr, 16) == 0, v[i].in);
	}
	assert_int_equal(url_auth_parse(&a, SL("10.0.255.1")), E_OK);
	assert_int_equal(a.kind, URL_HOST_V4);
	assert_memory_equal(a.addr, "\012\0\377\001\0\0\0\0", 8);
}

static void
compares_hosts(void **state)
{
	struct slice label;

	(void)state;
	assert_true(url_host_eq(SL("A.b."), SL("a.B")));
	assert_false(url_host_eq(SL("a.b.."), SL("a.b")));
	assert_false(url_host_eq(SL("a"), SL("b")));
	assert_true(url_host_within(SL("x.A.b."), SL("a.b")));
	assert_true(url_host_within(SL("a.b"), SL("a.b.")));
	assert_false(url_host_within(SL("xa.b"), SL("a.b")));
	assert_false(url_host_within(SL("xxa.b"), SL("a.b")));
	assert_false(url_host_within(SL("x.c.b"), SL("a.b")));
	assert_false(url_host_within(SL(".a.b"), SL("a.b")));
	assert_true(url_host_label(SL("App--x.A.b."), SL("a.b"), &label));
	assert_true(slice_eq(label, SL("App--x")));
	assert_true(url_host_label(SL("x.y.a.b"), SL("a.b"), &label));
	assert_true(slice_eq(label, SL("x.y")));
	assert_true(url_host_label(SL("x.a.b"), SL("a.b."), &label));
	assert_true(slice_eq(label, SL("x")));
	assert_false(url_host_label(SL("a.b"), SL("a.b"), &label));
	assert_false(url_host_label(SL("x."), SL(""), &label));
	assert_false(url_host_label(SL(""), SL("a"), &label));
}

static void
compares_authorities(void **state)
{
	static const struct {
		const char *a, *b;
		uint16_t port;
		bool eq;
	} v[] = {
		{ "a", "A.", 80, true }, { "a", "a:80", 80, true },
		{ "a", "a:80", 443, false }, { "a:81", "a:80", 80, false },
		{ "[::1]", "[0:0::1]:80", 80, true },
		{ "[::1]", "[::2]", 80, false },
		{ "1.2.3.4", "[::ffff:1.2.3.4]", 80, false },
		{ "1.2.3.4", "1.2.3.4:443", 443, true },
	};
	struct url_auth a, b;

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		assert_int_equal(url_auth_parse(&a, str(v[i].a)), E_OK);
		assert_int_equal(url_auth_parse(&b, str(v[i].b)), E_OK);
		CHECK(url_auth_eq(&a, &b, v[i].port) == v[i].eq, v[i].b);
		CHECK(url_auth_eq(&b, &a, v[i].port) == v[i].eq, v[i].b);
	}
}

static void
reads_urls(void **state)
{
	static const struct {
		const char *in;
		enum url_scheme scheme;
		const char *authority;
		uint16_t port;
		const char *path, *query, *target;
	} v[] = {
		{ "http://a", URL_HTTP, "a", 80, "/", "", "" },
		{ "https://a/", URL_HTTPS, "a", 443, "/", "", "/" },
		{ "WS://a:1/b?c?d", URL_WS, "a:1", 1, "/b", "c?d", "/b?c?d" },
		{ "wss://[::1]?c/d", URL_WSS, "[::1]", 443, "/", "c/d",
		    "?c/d" },
		{ "http://a:443/%41//..", URL_HTTP, "a:443", 443, "/%41//..",
		    "", "/%41//.." },
		{ "http://a/!~", URL_HTTP, "a", 80, "/!~", "", "/!~" },
		{ "http://a/?\\", URL_HTTP, "a", 80, "/", "\\", "/?\\" },
	};
	static const char *const bad[] = {
		"", "a", "/a", "//a", "http:", "http:/", "http://", "http:///",
		"http:a", "http:/a", "http:\\\\a", "ftp://a", "httpx://a",
		"http://u@a", "http://u:p@a/", "http://a#b", "http://a/#b",
		"http://a/ b", "http://a/\303\244", "http://a\\b",
		"http://a/\\b", "http://a:/", "http://a:x/", " http://a",
		"http://a ", "http ://a", "http://a%2fb/", "http://?a",
	};
	struct url u;

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		poke(v[i].in);
		CHECK(url_parse(&u, str(v[i].in)) == E_OK, v[i].in);
		CHECK(u.scheme == v[i].scheme, v[i].in);
		CHECK(u.secure == (u.scheme == URL_HTTPS ||
		    u.scheme == URL_WSS), v[i].in);
		CHECK(slice_eq(u.authority, str(v[i].authority)), v[i].in);
		CHECK(u.port == v[i].port, v[i].in);
		CHECK(slice_eq(u.path, str(v[i].path)), v[i].in);
		CHECK(slice_eq(u.query, str(v[i].query)), v[i].in);
		CHECK(slice_eq(u.target, str(v[i].target)), v[i].in);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		poke(bad[i]);
		CHECK(url_parse(&u, str(bad[i])) == E_SYNTAX, bad[i]);
	}
}

static void
lets_next_stay_on_this_site_only(void **state)
{
	static const char *const good[] = { "/", "/a", "/a//b", "/a?b=//c",
		"/%2f/a", "/a\\b", "/\303\244", "/?" };
	static const char *const bad[] = { "", "a", "//", "//a", "/\\a", "\\/a",
		"http://a/", " /a", "/a\n", "/\t/a", "/\177", "?a", "/\r" };
	static uint8_t big[URL_NEXT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		CHECK(url_next_ok(str(good[i])), good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(!url_next_ok(str(bad[i])), bad[i]);
	assert_false(url_next_ok(SL("/a\0")));
	memset(big, 'a', sizeof big);
	big[0] = '/';
	assert_true(url_next_ok(slice_of(big, URL_NEXT_MAX)));
	assert_false(url_next_ok(slice_of(big, URL_NEXT_MAX + 1)));
}

static void
reads_form_values(void **state)
{
	static const struct {
		const char *form, *name, *want;
		enum err e;
		bool found;
	} v[] = {
		{ "a=b&c=d", "c", "d", E_OK, true },
		{ "a=b&c=d", "x", "", E_OK, false },
		{ "", "a", "", E_OK, false },
		{ "a", "a", "", E_OK, true },
		{ "a=", "a", "", E_OK, true },
		{ "a==b=", "a", "=b=", E_OK, true },
		{ "&&a=b&", "a", "b", E_OK, true },
		{ "aa=1&a=2", "a", "2", E_OK, true },
		{ "a=x+y%20z%2B%2f%c3%A4", "a", "x y z+/\303\244", E_OK, true },
		{ "%61%2Bb=1", "a+b", "1", E_OK, true },
		{ "a+b=1", "a b", "1", E_OK, true },
		{ "a=1&a=2", "a", "", E_SYNTAX, false },
		{ "a=1&%61=1", "a", "", E_SYNTAX, false },
		{ "a=%", "a", "", E_SYNTAX, false },
		{ "a=x%4", "a", "", E_SYNTAX, false },
		{ "a=%4g", "a", "", E_SYNTAX, false },
		{ "a%=1&b=%&a=2", "a", "2", E_OK, true },
		{ "a=0123456789abcdef0", "a", "", E_FULL, false },
	};
	uint8_t area[17];

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		struct buf b = BUF_ON(area);
		struct slice form = guard_slice(str(v[i].form));
		bool found;
		enum err e;

		poke(v[i].form);
		buf_lit(&b, ">");
		e = url_form_get(form, str(v[i].name), &b, &found);
		CHECK(e == v[i].e, v[i].form);
		CHECK(e != E_OK || found == v[i].found, v[i].form);
		CHECK(slice_eq(slice_from(buf_slice(&b), 1), str(v[i].want)),
		    v[i].form);
		CHECK(buf_ok(&b) == (e != E_FULL), v[i].form);
		guard_free(form);
	}
}

static void
encodes_every_byte_so_that_it_comes_back(void **state)
{
	uint8_t all[256], code[3 * 256], back[256 + 1];
	struct buf b = BUF_ON(code), c = BUF_ON(back);
	bool found;

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	assert_true(url_put_encoded(&b, slice_of(all, 256)));
	for (size_t i = 0; i < b.n; i++)
		assert_true(b.p[i] > 32 && b.p[i] < 127 && b.p[i] != '&' &&
		    b.p[i] != '=' && b.p[i] != '+' && b.p[i] != '#');
	assert_true(url_put_decoded(&c, buf_slice(&b)));
	assert_true(slice_eq(buf_slice(&c), slice_of(all, 256)));
	buf_reset(&c);
	assert_int_equal(url_form_get(buf_slice(&b), SL(""), &c, &found), E_OK);
	assert_false(found);
	buf_reset(&b);
	assert_true(url_put_encoded(&b, SL("azAZ09-._~")));
	assert_true(slice_eq(buf_slice(&b), SL("azAZ09-._~")));
	b = buf_of(code, 5);
	assert_false(url_put_encoded(&b, SL("ab c d")));
	assert_int_equal(b.n, 0);
	c = BUF_ON(back);
	assert_true(url_put_decoded(&c, SL("a+b")));
	assert_true(slice_eq(buf_slice(&c), SL("a+b")));
	assert_false(url_put_decoded(&c, SL("x%zz")));
	assert_int_equal(c.n, 3);
	assert_true(buf_ok(&c));
}

static void
knows_good_names(void **state)
{
	static const char *const good[] = { "a", "0", "a-b", "a1-2-b3",
		"abcdefghijklmnopqrstuvwxyz0123" };
	static const char *const bad[] = { "", "-", "-a", "a-", "a--b", "A",
		"a_b", "a.b", "a b", "\303\244", "a\n",
		"abcdefghijklmnopqrstuvwxyz01234" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		CHECK(url_name_ok(str(good[i])), good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(!url_name_ok(str(bad[i])), bad[i]);
}

static void
folds_host_names(void **state)
{
	static const struct { const char *in, *want; } v[] = {
		{ "lab", "lab" }, { "Lab-2.example.org", "lab-2" },
		{ "Johns-MacBook-Pro.local", "johns-macbook-pro" },
		{ "my_host", "my-host" }, { "a--b", "a-b" },
		{ "--a--", "a" }, { "J\303\244ger's Mac", "j-ger-s-mac" },
		{ "", "agent" }, { ".local", "agent" }, { "---", "agent" },
		{ "\346\227\245", "agent" },
		{ "abcdefghijklmnopqrstuvwxyz0123456789",
		    "abcdefghijklmnopqrstuvwxyz0123" },
		{ "abcdefghijklmnopqrstuvwxyz012-3",
		    "abcdefghijklmnopqrstuvwxyz012" },
	};
	uint8_t area[URL_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		struct buf b = BUF_ON(area);

		poke(v[i].in);
		CHECK(url_name_fold(&b, str(v[i].in)), v[i].in);
		CHECK(slice_eq(buf_slice(&b), str(v[i].want)), v[i].in);
		CHECK(url_name_ok(buf_slice(&b)), v[i].in);
	}
}

static void
cuts_targets(void **state)
{
	(void)state;
	assert_true(slice_eq(url_path(SL("/a?b?c")), SL("/a")));
	assert_true(slice_eq(url_query(SL("/a?b?c")), SL("b?c")));
	assert_true(slice_eq(url_path(SL("/a")), SL("/a")));
	assert_int_equal(url_query(SL("/a")).n, 0);
	assert_int_equal(url_query(SL("/a?")).n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_hosts_and_ports),
		cmocka_unit_test(refuses_hosts_that_readers_take_differently),
		cmocka_unit_test(bounds_names_and_labels),
		cmocka_unit_test(reads_addresses),
		cmocka_unit_test(compares_hosts),
		cmocka_unit_test(compares_authorities),
		cmocka_unit_test(reads_urls),
		cmocka_unit_test(lets_next_stay_on_this_site_only),
		cmocka_unit_test(reads_form_values),
		cmocka_unit_test(encodes_every_byte_so_that_it_comes_back),
		cmocka_unit_test(knows_good_names),
		cmocka_unit_test(folds_host_names),
		cmocka_unit_test(cuts_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
