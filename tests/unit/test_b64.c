/*
 * Base64: RFC 4648 section 10, every length, and what a strict decoder has to
 * refuse.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "codec/b64.h"
#include "vec.h"

static const enum b64_kind kinds[] = { B64_STD, B64_STD_BARE, B64_URL,
    B64_URL_BARE };

static void
spells_the_examples_of_the_rfc(void **state)
{
	static const struct { const char *bytes, *text; enum b64_kind kind; }
	vecs[] = {
		{ "", "", B64_STD }, { "f", "Zg==", B64_STD },
		{ "fo", "Zm8=", B64_STD }, { "foo", "Zm9v", B64_STD },
		{ "foob", "Zm9vYg==", B64_STD },
		{ "fooba", "Zm9vYmE=", B64_STD },
		{ "foobar", "Zm9vYmFy", B64_STD },
		{ "foobar", "Zm9vYmFy", B64_URL_BARE },
		{ "f", "Zg", B64_URL_BARE }, { "fo", "Zm8", B64_STD_BARE },
		{ "\xfb\xff\xbf", "+/+/", B64_STD },
		{ "\xfb\xff\xbf", "-_-_", B64_URL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof vecs / sizeof vecs[0]; i++) {
		uint8_t area[64];
		struct buf b = BUF_ON(area);
		struct slice bytes = guard_slice(str(vecs[i].bytes));
		struct slice text = guard_slice(str(vecs[i].text));

		CHECK(b64_encode(&b, bytes, vecs[i].kind), vecs[i].text);
		CHECK(slice_eq(buf_slice(&b), text), vecs[i].text);
		buf_reset(&b);
		CHECK(b64_decode(&b, text, vecs[i].kind) == E_OK, vecs[i].text);
		CHECK(slice_eq(buf_slice(&b), bytes), vecs[i].text);
		guard_free(bytes);
		guard_free(text);
	}
}

static void
comes_back_at_every_length_and_kind(void **state)
{
	uint8_t bytes[256], text[400], back[300];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 167 + 13);
	for (size_t k = 0; k < 4; k++) {
		for (size_t n = 0; n <= sizeof bytes; n++) {
			struct buf t = BUF_ON(text), b = BUF_ON(back);
			struct slice in;

			assert_true(b64_encode(&t, slice_of(bytes, n),
			    kinds[k]));
			assert_int_equal(t.n, b64_encoded_size(n, kinds[k]));
			assert_true(n <= b64_decoded_max(t.n));
			in = guard_slice(buf_slice(&t));
			assert_int_equal(b64_decode(&b, in, kinds[k]), E_OK);
			assert_true(slice_eq(buf_slice(&b),
			    slice_of(bytes, n)));
			guard_free(in);
		}
	}
}

static void
has_one_spelling_for_each_value(void **state)
{
	static const struct { const char *why, *text; enum b64_kind kind; }
	vecs[] = {
		{ "a lone character", "Z", B64_URL_BARE },
		{ "a lone character behind a group", "Zm9vZ", B64_URL_BARE },
		{ "padding missing", "Zg", B64_STD },
		{ "padding too short", "Zg=", B64_STD },
		{ "padding too long", "Zg===", B64_STD },
		{ "padding in place of a group", "====", B64_STD },
		{ "padding of three", "Z===", B64_STD },
		{ "padding inside", "Zg==Zg==", B64_STD },
		{ "padding before a character", "Zg=v", B64_STD },
		{ "padding where there is none", "Zg==", B64_URL_BARE },
		{ "padding where there is none", "Zm8=", B64_STD_BARE },
		{ "unused bits set, 4", "Zh==", B64_STD },
		{ "unused bits set, 4, highest", "Zo", B64_URL_BARE },
		{ "unused bits set, 2", "Zm9", B64_URL_BARE },
		{ "unused bits set, 2, padded", "Zm+=", B64_STD },
		{ "a space", "Zm 9v", B64_STD },
		{ "a space in front", " Zm9v", B64_STD },
		{ "a line feed at the end", "Zm9v\n", B64_STD },
		{ "url in standard", "-_-_", B64_STD },
		{ "standard in url", "+/+/", B64_URL },
		{ "a foreign character", "Zm9!", B64_STD },
		{ "a byte above 127", "Zm9\xf6", B64_URL_BARE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof vecs / sizeof vecs[0]; i++) {
		uint8_t area[64] = "before";
		struct buf b = BUF_ON(area);
		struct slice text = guard_slice(str(vecs[i].text));

		b.n = 6;
		CHECK(b64_decode(&b, text, vecs[i].kind) == E_SYNTAX,
		    vecs[i].why);
		CHECK(b.n == 6 && buf_ok(&b), vecs[i].why);
		guard_free(text);
	}
}

static void
knows_exactly_64_characters(void **state)
{
	(void)state;
	for (size_t k = 0; k < 4; k++) {
		unsigned good = 0;

		for (unsigned c = 0; c < 256; c++) {
			uint8_t text[4] = { 'A', 'A', 'A', (uint8_t)c };
			uint8_t area[3];
			struct buf b = BUF_ON(area);

			if (b64_decode(&b, slice_of(text, 4), kinds[k]) !=
			    E_OK)
				continue;
			good++;
			/* "AAA=" is good too where padding is. */
			assert_true(c == '=' ? b.n == 2 : b.n == 3);
		}
		assert_int_equal(good, kinds[k] == B64_STD ||
		    kinds[k] == B64_URL ? 65 : 64);
	}
}

static void
writes_nothing_where_it_does_not_fit(void **state)
{
	uint8_t area[7];
	struct buf b = BUF_ON(area);

	(void)state;
	assert_false(b64_encode(&b, SL("foobar"), B64_STD));
	assert_int_equal(b.n, 0);
	assert_false(buf_ok(&b));
	buf_reset(&b);
	assert_int_equal(b64_decode(&b, SL("Zm9vYmFyZm9v"), B64_STD), E_FULL);
	assert_int_equal(b.n, 0);
	assert_true(buf_ok(&b));
	b = buf_of(NULL, 0);
	assert_true(b64_encode(&b, SL(""), B64_STD));
	assert_int_equal(b64_decode(&b, SL(""), B64_STD), E_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spells_the_examples_of_the_rfc),
		cmocka_unit_test(comes_back_at_every_length_and_kind),
		cmocka_unit_test(has_one_spelling_for_each_value),
		cmocka_unit_test(knows_exactly_64_characters),
		cmocka_unit_test(writes_nothing_where_it_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
