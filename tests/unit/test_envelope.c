/*
 * The envelope scanner: what is JSON by every vector, members by every
 * spelling, what is cut; whole, split at each byte, and byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/envelope.h"
#include "codec/utf8.h"
#include "guard.h"

static enum err
feed(struct envelope *e, struct slice in, char *blanked)
{
	while (in.n > 0 && e->err == E_OK) {
		size_t used;

		if (envelope_feed(e, in, &used) == E_OK)
			memset(blanked + e->cut_from, ' ',
			    e->cut_to - e->cut_from);
		in = slice_from(in, used);
	}
	return e->err;
}

/* The text with its cuts blank, fed in two pieces; NULL: it is no JSON. */
static const char *
cut_at(const char *text, size_t at)
{
	static char area[512];
	struct slice g = guard_slice(slice_of(text, strlen(text)));
	struct envelope e;

	memcpy(area, text, strlen(text) + 1);
	envelope_init(&e, true);
	feed(&e, slice_head(g, at), area);
	feed(&e, slice_from(g, at), area);
	guard_free(g);
	return envelope_end(&e) == E_OK ? area : NULL;
}

static void
cuts_device_id_by_every_spelling(void **state)
{
	static const struct { const char *in, *out; } v[] = {
		{ "{\"device_id\":1,\"type\":2}",
		  "{              \"type\":2}" },
		{ "{\"type\":2,\"device_id\":1}",
		  "{\"type\":2              }" },
		{ "{\"type\":2 , \"device_id\" : 1 }",
		  "{\"type\":2                   }" },
		{ "{\"\\u0064evice\\u005Fid\":{\"a\":[1]},\"b\":2}",
		  "{                                \"b\":2}" },
		{ "{\"device_id\":1,\"device_id\":2}",
		  "{                           }" },
		{ "{\"a\":1,\"device_id\":2,\"device_id\":3}",
		  "{\"a\":1                            }" },
		{ "{\"a\":{\"device_id\":1}}", "{\"a\":{\"device_id\":1}}" },
		{ "{\"device_id \":1,\"Device_id\":2}",
		  "{\"device_id \":1,\"Device_id\":2}" },
		{ "[{\"device_id\":1}]", "[{\"device_id\":1}]" },
		{ "{\"device_idx\":1,\"device_i\":2}",
		  "{\"device_idx\":1,\"device_i\":2}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof v[0]; i++)
		for (size_t at = 0; at <= strlen(v[i].in); at++)
			assert_string_equal(cut_at(v[i].in, at), v[i].out);
}

static void
finds_the_last_of_a_name(void **state)
{
	static const char in[] = " { \"type\" : 1, \"\\u0074ype\":\"a\\\"b\","
	    "\"timestamp\":-1.5e3 ,\"payload\":[{}] } ";
	struct envelope e;
	size_t used;

	(void)state;
	envelope_init(&e, false);
	assert_int_equal(envelope_feed(&e, slice_of(in, sizeof in - 1),
	    &used), E_MORE);
	assert_int_equal(envelope_end(&e), E_OK);
	assert_int_equal(e.kind, JSON_OBJECT);
	assert_int_equal(e.open, 1);
	assert_int_equal(e.v[ENV_TYPE].kind, JSON_STRING);
	assert_memory_equal(in + e.v[ENV_TYPE].from, "\"a\\\"b\"", 6);
	assert_int_equal(e.v[ENV_TYPE].to - e.v[ENV_TYPE].from, 6);
	assert_memory_equal(in + e.v[ENV_TIMESTAMP].from, "-1.5e3", 6);
	assert_int_equal(e.v[ENV_TIMESTAMP].to - e.v[ENV_TIMESTAMP].from, 6);
	assert_int_equal(e.v[ENV_PAYLOAD].kind, JSON_ARRAY);
	assert_int_equal(e.v[ENV_DEVICE_ID].kind, JSON_NONE);
}

static void
has_the_parsers_verdict(void **state)
{
	static const char *const v[] = { "", " ", "{", "{}", "[]", "[1,]",
		"{\"a\":1,}", "{\"a\"}", "{a:1}", "01", "-", "-0", "1.", "1.0",
		".5", "1e", "1e+", "1E+2", "tru", "true", "truex", "nul",
		"\"\\x\"", "\"\\u12g4\"", "\"\\u1234\"", "\"\t\"", "\"a",
		"[[[]]", "1 2", "{} {}", "\"\\ud800\"", "[1 2]",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1}}", "[}", "{]", "\"\\\"", "-1e-1 ", "[0,-0.0]",
		"+1" };

	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof v[0]; i++) {
		struct slice in = slice_of(v[i], strlen(v[i]));
		struct envelope e;
		size_t used;

		for (size_t piece = 1; piece <= in.n + 1; piece++) {
			envelope_init(&e, false);
			for (size_t at = 0; at < in.n; at += piece)
				envelope_feed(&e, slice_head(slice_from(in,
				    at), piece), &used);
			if (envelope_end(&e) != json_check(in, 256))
				fail_msg("%s in pieces of %zu", v[i], piece);
		}
	}
}

static void
refuses_what_is_too_deep(void **state)
{
	static uint8_t deep[2 * ENVELOPE_DEPTH + 2];
	struct envelope e;
	size_t used;

	(void)state;
	memset(deep, '[', ENVELOPE_DEPTH + 1);
	memset(deep + ENVELOPE_DEPTH + 1, ']', ENVELOPE_DEPTH + 1);
	envelope_init(&e, false);
	envelope_feed(&e, slice_of(deep + 1, 2 * ENVELOPE_DEPTH), &used);
	assert_int_equal(envelope_end(&e), E_OK);
	envelope_init(&e, false);
	assert_int_equal(envelope_feed(&e, slice_of(deep, sizeof deep), &used),
	    E_JSON_DEPTH);
	assert_int_equal(envelope_end(&e), E_JSON_DEPTH);
}

/* Expected by Node's TextDecoder. */
static void
mends_what_is_no_utf8(void **state)
{
	static const struct { const char *in, *out; } v[] = {
		{ "plain \xc3\xa9", "plain \xc3\xa9" },
		{ "\xff" "a", "\xef\xbf\xbd" "a" },
		{ "\xc3(", "\xef\xbf\xbd(" },
		{ "\xe2\x82", "\xef\xbf\xbd" },
		{ "\xe2\x82" "x", "\xef\xbf\xbdx" },
		{ "\xf0\x9f\x98\x80!", "\xf0\x9f\x98\x80!" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf0\x9f\xc3\xa9", "\xef\xbf\xbd\xc3\xa9" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof v[0]; i++) {
		struct slice in = slice_of(v[i].in, strlen(v[i].in)), s;

		for (size_t piece = 1; piece <= in.n; piece++) {
			uint8_t area[64];
			struct buf b = BUF_ON(area);
			struct utf8_mend m = { .n = 0 };

			for (size_t at = 0; at < in.n;) {
				size_t used;

				utf8_mend(&m, slice_head(slice_from(in, at),
				    piece), &used, &s);
				buf_put(&b, s);
				at += used;
			}
			buf_put(&b, utf8_mend_end(&m));
			assert_int_equal(b.n, strlen(v[i].out));
			assert_memory_equal(area, v[i].out, b.n);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_device_id_by_every_spelling),
		cmocka_unit_test(finds_the_last_of_a_name),
		cmocka_unit_test(has_the_parsers_verdict),
		cmocka_unit_test(refuses_what_is_too_deep),
		cmocka_unit_test(mends_what_is_no_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
