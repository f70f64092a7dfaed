/*
 * UTF-8: every code point comes back, everything else is refused, and pieces
 * give the answer of the whole.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "codec/utf8.h"
#include "vec.h"

static const struct vec { const char *why, *text; bool good; } vecs[] = {
	{ "empty", "", true },
	{ "ASCII", "Hello, world: longer than one word of eight", true },
	{ "two bytes", "caf\xc3\xa9", true },
	{ "Greek", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", true },
	{ "four bytes", "\xf0\x9f\x98\x80", true },
	{ "the last code point", "\xf4\x8f\xbf\xbf", true },
	{ "before the surrogates", "\xed\x9f\xbf", true },
	{ "after the surrogates", "\xee\x80\x80", true },
	{ "a non-character", "\xef\xbf\xbf", true },
	{ "a byte order mark is a character", "\xef\xbb\xbf", true },
	{ "ASCII up to a word, then two bytes", "12345678\xc3\xa9" "12345678",
	    true },
	{ "a lone continuation", "\x80", false },
	{ "a lone continuation behind ASCII", "12345678\xbf", false },
	{ "overlong slash, 2", "\xc0\xaf", false },
	{ "overlong, 2, highest", "\xc1\xbf", false },
	{ "overlong, 3", "\xe0\x9f\xbf", false },
	{ "overlong, 4", "\xf0\x8f\xbf\xbf", false },
	{ "first surrogate", "\xed\xa0\x80", false },
	{ "last surrogate", "\xed\xbf\xbf", false },
	{ "a pair of surrogates", "\xed\xa0\x80\xed\xb0\x80", false },
	{ "above the last code point", "\xf4\x90\x80\x80", false },
	{ "F5", "\xf5\x80\x80\x80", false },
	{ "five bytes", "\xf8\x88\x80\x80\x80", false },
	{ "FE", "\xfe", false },
	{ "FF", "\xff", false },
	{ "cut after 1 of 2", "a\xc3", false },
	{ "cut after 2 of 3", "a\xe2\x82", false },
	{ "cut after 3 of 4", "a\xf0\x9f\x98", false },
	{ "ASCII inside a character", "\xe2\x82" "a", false },
	{ "a first byte inside a character", "\xe2\xe2\x82\xac", false },
};

static void
tells_valid_text_whole_split_and_by_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vecs / sizeof vecs[0]; i++) {
		struct slice s = guard_slice(str(vecs[i].text));
		struct utf8 one = { 0 };

		CHECK(utf8_valid(s) == vecs[i].good, vecs[i].why);
		for (size_t cut = 0; cut <= s.n; cut++) {
			struct slice head = guard_put(s.p, cut);
			struct utf8 u = { 0 };

			utf8_step(&u, head);
			guard_free(head);
			utf8_step(&u, slice_from(s, cut));
			CHECK(utf8_end(&u) == vecs[i].good, vecs[i].why);
		}
		for (size_t k = 0; k < s.n; k++)
			utf8_step(&one, slice_of(s.p + k, 1));
		CHECK(utf8_end(&one) == vecs[i].good, vecs[i].why);
		guard_free(s);
	}
}

static void
takes_characters_up_to_the_first_that_is_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vecs / sizeof vecs[0]; i++) {
		struct slice s = guard_slice(str(vecs[i].text)), rest = s;
		uint32_t c;

		while (utf8_take(&rest, &c))
			continue;
		CHECK((rest.n == 0) == vecs[i].good, vecs[i].why);
		CHECK(utf8_valid(slice_head(s, s.n - rest.n)), vecs[i].why);
		CHECK(rest.p + rest.n == s.p + s.n, vecs[i].why);
		guard_free(s);
	}
}

static void
refuses_at_the_first_byte_that_proves_it(void **state)
{
	struct utf8 u = { 0 };

	(void)state;
	assert_true(utf8_step(&u, SL("a\xf4")));
	assert_false(utf8_end(&u));
	assert_false(utf8_step(&u, SL("\x90")));
	assert_false(utf8_step(&u, SL("")));
	assert_false(utf8_step(&u, SL("fine")));
	assert_false(utf8_end(&u));
}

static void
puts_and_takes_every_code_point(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		uint8_t area[4];
		struct buf b = BUF_ON(area);
		struct slice s;
		uint32_t back;

		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		assert_true(utf8_put(&b, c));
		s = buf_slice(&b);
		assert_true(utf8_valid(s));
		assert_true(utf8_take(&s, &back));
		assert_true(back == c && s.n == 0);
		assert_false(utf8_take(&s, &back));
	}
}

/* The number of valid sequences of n bytes is known; so nothing else is. */
static void
accepts_no_more_than_there_is(void **state)
{
	unsigned long two = 0, three = 0;

	(void)state;
	for (uint32_t v = 0; v < 1u << 16; v++) {
		uint8_t t[2] = { (uint8_t)(v >> 8), (uint8_t)v };

		two += utf8_valid(slice_of(t, 2));
	}
	for (uint32_t v = 0; v < 1u << 24; v++) {
		uint8_t t[3] = { (uint8_t)(v >> 16), (uint8_t)(v >> 8),
		    (uint8_t)v };

		if (t[0] >= 0x80)
			three += utf8_valid(slice_of(t, 3));
	}
	assert_int_equal(two, 128 * 128 + 1920);
	/* One of three bytes, or one of two and then ASCII. */
	assert_int_equal(three, (65536 - 2048 - 2048) + 1920 * 128);
}

static void
cuts_between_characters(void **state)
{
	struct slice s = SL("a\xc3\xa9\xf0\x9f\x98\x80z");
	static const size_t want[] = { 0, 1, 1, 3, 3, 3, 3, 7, 8, 8 };

	(void)state;
	for (size_t n = 0; n < 10; n++)
		assert_int_equal(utf8_head(s, n).n, want[n]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_valid_text_whole_split_and_by_bytes),
		cmocka_unit_test(takes_characters_up_to_the_first_that_is_none),
		cmocka_unit_test(refuses_at_the_first_byte_that_proves_it),
		cmocka_unit_test(puts_and_takes_every_code_point),
		cmocka_unit_test(accepts_no_more_than_there_is),
		cmocka_unit_test(cuts_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
