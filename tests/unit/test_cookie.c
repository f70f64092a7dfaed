/*
 * codec/cookie: pairs, lookups, and taking ours out of what an app gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "codec/cookie.h"
#include "check.h"
#include "guard.h"

/* All prefixes before a dead page. */
static void
poke(const char *text)
{
	for (size_t n = 0; n <= strlen(text); n++) {
		struct slice s = guard_put(text, n), rest = s, k, v;

		while (cookie_next(&rest, &k, &v))
			;
		cookie_set_name(s);
		guard_free(s);
	}
}

static void
reads_pairs_as_servers_do(void **state)
{
	static const struct { const char *in, *want; } v[] = {
		{ "a=b", "(a|b)" },
		{ "a=b; c=d", "(a|b)(c|d)" },
		{ "a=b;c=d;", "(a|b)(c|d)" },
		{ " ;; a = b ;\t; c=", "(a|b)(c|)" },
		{ "a=b=c", "(a|b=c)" },
		{ "=x", "(|x)" },
		{ "x", "(|x)" },
		{ "a=\"b;c=d\"", "(a|\"b)(c|d\")" },
		{ "a=b, c=d", "(a|b, c=d)" },
		{ "", "" }, { " ; ", "" },
	};
	uint8_t area[64];

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		struct slice s = guard_slice(str(v[i].in)), rest = s, name, val;
		struct buf b = BUF_ON(area);

		poke(v[i].in);
		while (cookie_next(&rest, &name, &val)) {
			buf_lit(&b, "(");
			buf_put(&b, name);
			buf_lit(&b, "|");
			buf_put(&b, val);
			buf_lit(&b, ")");
		}
		CHECK(slice_eq(buf_slice(&b), str(v[i].want)), v[i].in);
		guard_free(s);
	}
}

static void
counts_what_has_a_name(void **state)
{
	struct slice value = SL("untouched");

	(void)state;
	assert_int_equal(cookie_get(SL("a=1; b=2"), SL("c"), &value), 0);
	assert_true(slice_eq(value, SL("untouched")));
	assert_int_equal(cookie_get(SL("a=1; b=2; a=3"), SL("a"), &value), 2);
	assert_true(slice_eq(value, SL("1")));
	assert_int_equal(cookie_get(SL("A=1; aa=2; a =3"), SL("a"), &value), 1);
	assert_true(slice_eq(value, SL("3")));
	assert_int_equal(cookie_get(SL("adit"), SL("adit"), &value), 0);
}

static bool
is_ours(struct slice name, const void *ctx)
{
	(void)ctx;
	return slice_eq(name, SL("adit")) || slice_eq(name, SL("__Host-adit"));
}

static void
takes_out_what_is_ours(void **state)
{
	static const struct { const char *in, *want; size_t left; } v[] = {
		{ "a=b", "a=b", 1 },
		{ " a=b;;c = d ", " a=b;;c = d ", 2 },
		{ "adit=x", "", 0 },
		{ "adit=x; __Host-adit=y;", "", 0 },
		{ "a=b; adit=x; c=d", "a=b; c=d", 2 },
		{ "adit=x;a=b", "a=b", 1 },
		{ "a=b;adit=x", "a=b", 1 },
		{ "a=b; adit =x; adit= y;adit=;c=d", "a=b; c=d", 2 },
		{ "a=\"b; adit=x\"; c", "a=\"b; c", 2 },
		{ "adit; =adit=x", "adit; =adit=x", 2 },
		{ "", "", 0 }, { ";", "", 0 },
	};
	uint8_t area[64];

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		struct slice s = guard_slice(str(v[i].in));
		size_t need = strlen(v[i].want), left;

		for (size_t cap = 0; cap <= sizeof area; cap++) {
			struct buf b = buf_of(area, cap);
			bool fits = cap >= need;

			CHECK(cookie_put_without(&b, s, is_ours, NULL, &left)
			    == fits, v[i].in);
			CHECK(b.n == (fits ? need : 0), v[i].in);
			CHECK(left == v[i].left, v[i].in);
			CHECK(!fits || slice_eq(buf_slice(&b),
			    str(v[i].want)), v[i].in);
		}
		guard_free(s);
	}
}

static void
names_the_cookie_that_will_come_back(void **state)
{
	static const struct { const char *in, *want; } v[] = {
		{ "a=b", "a" }, { "a=b; Path=/", "a" }, { " a = b", "a" },
		{ "a", "a" }, { "a; b=c", "a" }, { "", "" }, { "; a=b", "" },
		{ "=a=b", "a" }, { "= =\ta =b", "a" }, { "=a", "a" },
		{ " =a=b", "a" }, { "=", "" },
		{ "__Host-a=b; Secure", "__Host-a" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		poke(v[i].in);
		CHECK(slice_eq(cookie_set_name(str(v[i].in)), str(v[i].want)),
		    v[i].in);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_pairs_as_servers_do),
		cmocka_unit_test(counts_what_has_a_name),
		cmocka_unit_test(takes_out_what_is_ours),
		cmocka_unit_test(names_the_cookie_that_will_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
