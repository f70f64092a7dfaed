/*
 * JSON: the 318 + 22 texts of JSONTestSuite, our policies where it leaves a
 * choice, the accessors, and the writer. Texts stand before a dead page.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>

#include "codec/json.h"
#include "codec/utf8.h"
#include "vec.h"

#define ROWS(t) (sizeof(t) / sizeof((t)[0]))
#define SUITE "tests/vectors/json/"

static struct json
parsed(const char *text)
{
	struct json v;

	if (json_parse(str(text), JSON_DEPTH, &v) != E_OK)
		fail_msg("not JSON: %s", text);
	return v;
}

/* Write a value again from what the accessors say; numbers as they are. */
static void
rewrite(struct json_out *o, struct json v)
{
	uint8_t area[4096];
	struct buf s = BUF_ON(area);
	struct json_iter it;
	struct json name, e;

	if (v.kind == JSON_OBJECT)
		json_object(o);
	else if (v.kind == JSON_ARRAY)
		json_array(o);
	else if (json_string(v, &s) == E_OK)
		json_put_string(o, buf_slice(&s));
	else
		json_put_raw(o, v.raw);
	json_iter(&it, v);
	while (json_next(&it, &name, &e)) {
		buf_reset(&s);
		if (name.kind == JSON_STRING &&
		    json_string(name, &s) == E_OK)
			json_name(o, buf_slice(&s));
		else if (name.kind == JSON_STRING)
			json_name_raw(o, name.raw);
		rewrite(o, e);
	}
	if (v.kind == JSON_OBJECT)
		json_object_end(o);
	else if (v.kind == JSON_ARRAY)
		json_array_end(o);
}

/* A valid text: comes back by the writer, and no front of it is valid. */
static void
check_good(const char *file, struct slice text)
{
	static uint8_t area[2][1 << 16];
	struct buf once = BUF_ON(area[0]), twice = BUF_ON(area[1]);
	struct json_out o = json_out_on(&once), p = json_out_on(&twice);
	struct json v, w;

	CHECK(json_parse(text, JSON_DEPTH, &v) == E_OK, file);
	CHECK(json_error_at(text, JSON_DEPTH) == text.n, file);
	rewrite(&o, v);
	CHECK(buf_ok(&once), file);
	CHECK(json_parse(buf_slice(&once), JSON_DEPTH, &w) == E_OK, file);
	rewrite(&p, w);
	CHECK(slice_eq(buf_slice(&once), buf_slice(&twice)), file);
	if (v.kind == JSON_NUMBER)
		return;
	for (size_t n = 0; n < v.raw.n; n++) {
		struct slice cut = guard_put(v.raw.p, n);

		CHECK(json_check(cut, JSON_DEPTH) != E_OK, file);
		guard_free(cut);
	}
}

/* What we say where the suite leaves the choice. */
static enum err
policy(const char *file)
{
	static const struct { const char *front; enum err e; } rows[] = {
		{ "i_number_", E_OK },
		{ "i_object_key_lone_2nd_surrogate", E_OK },
		{ "i_string_1st_", E_OK },
		{ "i_string_UTF-16LE", E_JSON_SYNTAX },
		{ "i_string_UTF", E_JSON_UTF8 },
		{ "i_string_inc", E_OK },
		{ "i_string_invalid_utf-8", E_JSON_UTF8 },
		{ "i_string_inv", E_OK },
		{ "i_string_lone_second", E_OK },
		{ "i_string_utf16", E_JSON_SYNTAX },
		{ "i_string_", E_JSON_UTF8 },
		{ "i_structure_500", E_JSON_DEPTH },
		{ "i_structure_UTF-8_BOM", E_JSON_SYNTAX },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		if (slice_starts(str(file), str(rows[i].front)))
			return rows[i].e;
	}
	return E_IO;
}

static void
gives_the_verdicts_of_the_suite(void **state)
{
	DIR *d = opendir(SUITE "test_parsing");
	size_t good = 0, bad = 0, open = 0;
	struct dirent *f;

	(void)state;
	assert_non_null(d);
	while ((f = readdir(d)) != NULL) {
		char path[512];
		struct slice file, text;
		enum err e;

		if (!slice_ends(str(f->d_name), SL(".json")))
			continue;
		snprintf(path, sizeof path, SUITE "test_parsing/%s", f->d_name);
		file = vec_load(path);
		text = guard_slice(file);
		e = json_check(text, JSON_DEPTH);
		if (f->d_name[0] == 'y') {
			good++;
			check_good(f->d_name, text);
		} else if (f->d_name[0] == 'n') {
			bad++;
			CHECK(e == E_JSON_SYNTAX || e == E_JSON_UTF8 ||
			    e == E_JSON_DEPTH, f->d_name);
			CHECK(json_check(text, 0) != E_OK, f->d_name);
			CHECK(json_check(text, JSON_DEPTH_MAX) != E_OK,
			    f->d_name);
		} else {
			open++;
			CHECK(e == policy(f->d_name), f->d_name);
			if (e == E_OK)
				check_good(f->d_name, text);
		}
		guard_free(text);
		vec_free(file);
	}
	closedir(d);
	assert_int_equal(good, 95);
	assert_int_equal(bad, 188);
	assert_int_equal(open, 35);
}

static void
has_a_policy_where_parsers_differ(void **state)
{
	static const struct { const char *file; enum err text, number, get; }
	rows[] = {
		{ "number_-9223372036854775808", E_OK, E_RANGE, 0 },
		{ "number_-9223372036854775809", E_OK, E_RANGE, 0 },
		{ "number_1.0", E_OK, E_JSON_TYPE, 0 },
		{ "number_1.000000000000000005", E_OK, E_JSON_TYPE, 0 },
		{ "number_1000000000000000", E_OK, E_OK, 0 },
		{ "number_10000000000000000999", E_OK, E_OK, 0 },
		{ "number_1e-999", E_OK, E_JSON_TYPE, 0 },
		{ "number_1e6", E_OK, E_JSON_TYPE, 0 },
		{ "number_9223372036854775807", E_OK, E_OK, 0 },
		{ "number_9223372036854775808", E_OK, E_OK, 0 },
		{ "object_key_nfc_nfd", E_OK, E_JSON_TYPE, E_OK },
		{ "object_key_nfd_nfc", E_OK, E_JSON_TYPE, E_OK },
		{ "object_same_key_different_values", E_OK, E_OK, E_JSON_DUP },
		{ "object_same_key_same_value", E_OK, E_OK, E_JSON_DUP },
		{ "object_same_key_unclear_values", E_OK, E_OK, E_JSON_DUP },
		{ "string_1_escaped_invalid_codepoint", E_OK, E_JSON_UTF8, 0 },
		{ "string_1_invalid_codepoint", E_JSON_UTF8, 0, 0 },
		{ "string_2_escaped_invalid_codepoints", E_OK, E_JSON_UTF8,
		    0 },
		{ "string_2_invalid_codepoints", E_JSON_UTF8, 0, 0 },
		{ "string_3_escaped_invalid_codepoints", E_OK, E_JSON_UTF8,
		    0 },
		{ "string_3_invalid_codepoints", E_JSON_UTF8, 0, 0 },
		{ "string_with_escaped_NULL", E_OK, E_OK, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char path[512];
		uint8_t area[64];
		struct buf b = BUF_ON(area);
		struct json v, name, e;
		struct json_iter it;
		struct slice text;
		uint64_t n;
		enum err got;

		snprintf(path, sizeof path, SUITE "test_transform/%s.json",
		    rows[i].file);
		text = vec_load(path);
		got = json_parse(text, JSON_DEPTH, &v);
		CHECK(got == rows[i].text, rows[i].file);
		if (got == E_OK) {
			json_iter(&it, v);
			CHECK(json_next(&it, &name, &e), rows[i].file);
			got = e.kind == JSON_STRING && v.kind == JSON_ARRAY ?
			    json_string(e, &b) : json_u64(e, &n);
			CHECK(got == rows[i].number, rows[i].file);
		}
		if (got != E_JSON_UTF8 && v.kind == JSON_OBJECT) {
			CHECK(json_unique(v, 8) == rows[i].get, rows[i].file);
			CHECK(json_get(v, SL("a"), &e) == rows[i].get,
			    rows[i].file);
		}
		vec_free(text);
	}
}

static void
limits_depth_and_nothing_else_about_it(void **state)
{
	static uint8_t text[1024];

	(void)state;
	for (unsigned depth = 1; depth <= JSON_DEPTH_MAX; depth++) {
		for (unsigned i = 0; i < depth; i++) {
			text[i] = '[';
			text[2 * depth - 1 - i] = ']';
		}
		assert_int_equal(json_check(slice_of(text, 2 * depth), depth),
		    E_OK);
		assert_int_equal(json_check(slice_of(text, 2 * depth),
		    depth - 1), E_JSON_DEPTH);
		text[2 * depth - 1] = '}';
		assert_int_equal(json_check(slice_of(text, 2 * depth), depth),
		    E_JSON_SYNTAX);
	}
	assert_int_equal(json_check(SL("[{\"a\":[[[[[[[[{\"a\":[{\"a\":[[]"
	    "]}]}]]]]]]]]}]"), JSON_DEPTH), E_OK);
	assert_int_equal(json_check(SL("[{\"a\":[[[[[[[[{\"a\":[{\"a\":[[]"
	    "]}]}]]]]]]]}]]"), JSON_DEPTH), E_JSON_SYNTAX);
	assert_int_equal(json_check(SL("{\"a\":[{}]}"), 3), E_OK);
	assert_int_equal(json_check(SL("{\"a\":[{}]}"), 2), E_JSON_DEPTH);
	assert_int_equal(json_check(SL("17"), 0), E_OK);
}

static void
says_where_a_text_is_wrong(void **state)
{
	static const struct { const char *text; size_t at; } rows[] = {
		{ "", 0 }, { "{\"a\":1,}", 7 }, { "[1 2]", 3 }, { "tru", 3 },
		{ "trua", 3 }, { "\"\\x\"", 2 }, { "\"\\u12g4\"", 5 },
		{ "\"a\xff\"", 2 }, { "\"\x80\"", 1 }, { "01", 1 },
		{ "[1]x", 3 }, { "\"\x1f\"", 1 }, { "[[[", 2 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice s = guard_slice(str(rows[i].text));

		CHECK(json_check(s, 2) != E_OK, rows[i].text);
		CHECK(json_error_at(s, 2) == rows[i].at, rows[i].text);
		guard_free(s);
	}
}

static void
walks_members_and_elements_in_order(void **state)
{
	struct json v = parsed(" { \"a\" : [ 1 , { \"]\" : \"}\" } ] ,"
	    "\"b\\\"\":true\n,\t\"\" : \"\\\\\",\"n\":-1.5e+7}");
	static const char *const names[] = { "\"a\"", "\"b\\\"\"", "\"\"",
	    "\"n\"" };
	static const char *const values[] = { "[ 1 , { \"]\" : \"}\" } ]",
	    "true", "\"\\\\\"", "-1.5e+7" };
	static const enum json_kind kinds[] = { JSON_ARRAY, JSON_BOOL,
	    JSON_STRING, JSON_NUMBER };
	struct json_iter it;
	struct json name, e;
	size_t i = 0;

	(void)state;
	json_iter(&it, v);
	for (; json_next(&it, &name, &e); i++) {
		assert_int_equal(name.kind, JSON_STRING);
		assert_int_equal(e.kind, kinds[i]);
		assert_true(slice_eq(name.raw, str(names[i])));
		assert_true(slice_eq(e.raw, str(values[i])));
	}
	assert_int_equal(i, 4);
	assert_false(json_next(&it, &name, &e));
	assert_int_equal(e.kind, JSON_NONE);
	json_iter(&it, parsed("[[],{},null]"));
	for (i = 0; json_next(&it, &name, &e); i++)
		assert_int_equal(name.kind, JSON_NONE);
	assert_int_equal(i, 3);
	json_iter(&it, parsed("\"no members\""));
	assert_false(json_next(&it, &name, &e));
	json_iter(&it, (struct json){ 0 });
	assert_false(json_next(&it, &name, &e));
}

static void
finds_members_however_their_names_are_written(void **state)
{
	struct json v = parsed("{\"\\u0061lg\":1,\"caf\\u00e9\":2,\"\":3,"
	    "\"\\ud83d\\ude00\":4,\"x\\/y\":5,\"a\\u0000\":6,\"\\ud83d\":7}");
	static const struct { struct slice name; uint64_t want; } rows[] = {
		{ SL_INIT("alg"), 1 }, { SL_INIT("caf\xc3\xa9"), 2 },
		{ SL_INIT(""), 3 }, { SL_INIT("\xf0\x9f\x98\x80"), 4 },
		{ SL_INIT("x/y"), 5 }, { SL_INIT("a\0"), 6 },
		{ SL_INIT("a"), 0 }, { SL_INIT("al"), 0 },
		{ SL_INIT("algo"), 0 }, { SL_INIT("ALG"), 0 },
		{ SL_INIT("\\u0061lg"), 0 }, { SL_INIT("\xed\xa0\xbd"), 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct json e;
		uint64_t n = 0;

		assert_int_equal(json_get(v, rows[i].name, &e), E_OK);
		assert_int_equal(json_u64(e, &n),
		    rows[i].want ? E_OK : E_JSON_TYPE);
		assert_int_equal(n, rows[i].want);
	}
}

static void
notices_a_name_given_twice(void **state)
{
	static const struct { const char *text; enum err unique, get; }
	rows[] = {
		{ "{}", E_OK, E_OK },
		{ "{\"a\":1,\"b\":2}", E_OK, E_OK },
		{ "{\"a\":1,\"\\u0061\":2}", E_JSON_DUP, E_JSON_DUP },
		{ "{\"b\":1,\"a\":2,\"b\":3}", E_JSON_DUP, E_OK },
		{ "{\"a\":null,\"x\":0,\"a\":null}", E_JSON_DUP, E_JSON_DUP },
		{ "{\"x\":{\"a\":1,\"a\":2}}", E_OK, E_OK },
		{ "{\"\\ud800\":1,\"\\uD800\":2}", E_JSON_DUP, E_OK },
		{ "{\"\\ud800\":1,\"\\ud801\":2}", E_OK, E_OK },
		{ "{\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0}", E_FULL, E_OK },
		{ "{\"1\":0,\"2\":0,\"3\":0,\"4\":0}", E_OK, E_OK },
		{ "[]", E_JSON_TYPE, E_JSON_TYPE },
		{ "\"a\"", E_JSON_TYPE, E_JSON_TYPE },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct json v = parsed(rows[i].text), e;

		CHECK(json_unique(v, 4) == rows[i].unique, rows[i].text);
		CHECK(json_get(v, SL("a"), &e) == rows[i].get, rows[i].text);
		CHECK(rows[i].get == E_OK || e.kind == JSON_NONE,
		    rows[i].text);
	}
}

static void
takes_several_members_in_one_pass(void **state)
{
	struct json v = parsed("{\"exp\":5,\"x\":[\"sub\"],\"sub\":\"u\"}");
	struct json_field f[] = { { SL("sub"), { 0 } }, { SL("nbf"), { 0 } },
	    { SL("exp"), { 0 } } };

	(void)state;
	assert_int_equal(json_fields(v, f, 3), E_OK);
	assert_true(json_is(f[0].v, SL("u")));
	assert_int_equal(f[1].v.kind, JSON_NONE);
	assert_true(slice_eq(f[2].v.raw, SL("5")));
	assert_int_equal(json_fields(parsed("[1]"), f, 3), E_JSON_TYPE);
	assert_int_equal(f[0].v.kind, JSON_NONE);
}

static void
decodes_strings(void **state)
{
	static const struct { const char *text; enum err e; struct slice s; }
	rows[] = {
		{ "\"\"", E_OK, SL_INIT("") },
		{ "\"plain\"", E_OK, SL_INIT("plain") },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", E_OK,
		    SL_INIT("\"\\/\b\f\n\r\t") },
		{ "\"\\u0000\\u007F\\u0080\\u07ff\\u0800\\uFFFF\"", E_OK,
		    SL_INIT("\0\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf") },
		{ "\"\\uD834\\uDd1e!\"", E_OK, SL_INIT("\xf0\x9d\x84\x9e!") },
		{ "\"\\uDBFF\\uDFFF\"", E_OK, SL_INIT("\xf4\x8f\xbf\xbf") },
		{ "\"\\uD800\\uDC00\"", E_OK, SL_INIT("\xf0\x90\x80\x80") },
		{ "\"\\udfff\"", E_JSON_UTF8, SL_INIT("") },
		{ "\"\\ud834xudd1e\"", E_JSON_UTF8, SL_INIT("") },
		{ "\"\\ud834\\ndd1e\"", E_JSON_UTF8, SL_INIT("") },
		{ "\"\\ud834\"", E_JSON_UTF8, SL_INIT("") },
		{ "\"\\udd1e\\ud834\"", E_JSON_UTF8, SL_INIT("") },
		{ "\"\\ud834\\n\"", E_JSON_UTF8, SL_INIT("") },
		{ "\"\\ud834\\\\udd1e\"", E_JSON_UTF8, SL_INIT("") },
		{ "\"0123456789012345678901234\"", E_FULL, SL_INIT("") },
		{ "17", E_JSON_TYPE, SL_INIT("") },
		{ "[\"a\"]", E_JSON_TYPE, SL_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		uint8_t area[24] = "x";
		struct buf b = BUF_ON(area);
		struct json v = parsed(rows[i].text);
		struct slice s = { 0 };

		b.n = 1;
		CHECK(json_string(v, &b) == rows[i].e, rows[i].text);
		CHECK(slice_eq(slice_from(buf_slice(&b), 1), rows[i].s),
		    rows[i].text);
		CHECK(buf_ok(&b), rows[i].text);
		CHECK(json_is(v, rows[i].s) == (rows[i].e == E_OK),
		    rows[i].text);
		CHECK(json_plain(v, &s) == (v.kind == JSON_STRING &&
		    slice_find(v.raw, '\\') == v.raw.n), rows[i].text);
		CHECK(s.n == 0 || rows[i].e == E_FULL ||
		    slice_eq(s, rows[i].s), rows[i].text);
	}
	assert_false(json_plain(parsed("\"a\\n\""), &(struct slice){ 0 }));
	assert_false(json_is(parsed("\"a\\n\""), SL("a")));
	assert_false(json_is(parsed("\"\\n\""), SL("\nb")));
	assert_false(json_is((struct json){ 0 }, SL("")));
}

static void
reads_integers_exactly(void **state)
{
	static const struct {
		const char *text;
		enum err eu;
		uint64_t u;
	} rows[] = {
		{ "0", E_OK, 0 },
		{ "-0", E_RANGE, 0 },
		{ "17", E_OK, 17 },
		{ "-17", E_RANGE, 0 },
		{ "9007199254740993", E_OK, 9007199254740993u },
		{ "9223372036854775807", E_OK, INT64_MAX },
		{ "9223372036854775808", E_OK, 1ull << 63 },
		{ "-9223372036854775808", E_RANGE, 0 },
		{ "-9223372036854775809", E_RANGE, 0 },
		{ "18446744073709551615", E_OK, UINT64_MAX },
		{ "18446744073709551616", E_RANGE, 0 },
		{ "99999999999999999999999", E_RANGE, 0 },
		{ "1.0", E_JSON_TYPE, 0 },
		{ "1e3", E_JSON_TYPE, 0 },
		{ "1E3", E_JSON_TYPE, 0 },
		{ "\"1\"", E_JSON_TYPE, 0 },
		{ "true", E_JSON_TYPE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct json v = parsed(rows[i].text);
		uint64_t u = 0;

		CHECK(json_u64(v, &u) == rows[i].eu, rows[i].text);
		CHECK(u == rows[i].u, rows[i].text);
	}
}

static void
reads_truth_values(void **state)
{
	bool b = false;

	(void)state;
	assert_int_equal(json_bool(parsed("true"), &b), E_OK);
	assert_true(b);
	assert_int_equal(json_bool(parsed("false"), &b), E_OK);
	assert_false(b);
	assert_int_equal(json_bool(parsed("null"), &b), E_JSON_TYPE);
	assert_int_equal(json_bool((struct json){ 0 }, &b), E_JSON_TYPE);
}

static void
writes_what_was_said(void **state)
{
	uint8_t area[512];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);

	(void)state;
	json_object(&o);
	json_pair_string(&o, SL("type"), SL("hello"));
	json_name(&o, SL("list"));
	json_array(&o);
	json_put_u64(&o, UINT64_MAX);
	json_put_u64(&o, 5);
	json_put_null(&o);
	json_array(&o);
	json_array_end(&o);
	json_object(&o);
	json_object_end(&o);
	json_put_raw(&o, SL("1.000000000000000005"));
	json_array_end(&o);
	json_pair_u64(&o, SL("n"), 0);
	json_pair_bool(&o, SL("b"), false);
	json_object_end(&o);
	assert_true(buf_ok(&b));
	assert_true(slice_eq(buf_slice(&b), SL("{\"type\":\"hello\",\"list\":["
	    "18446744073709551615,5,null,[],{},"
	    "1.000000000000000005],\"n\":0,\"b\":false}")));
}

static void
escapes_what_could_hurt(void **state)
{
	static const struct { struct slice s; const char *text; } rows[] = {
		{ SL_INIT(""), "\"\"" },
		{ SL_INIT("\"\\/"), "\"\\\"\\\\/\"" },
		{ SL_INIT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"" },
		{ SL_INIT("\0\x1f\x7f"), "\"\\u0000\\u001f\x7f\"" },
		{ SL_INIT("</script>"), "\"\\u003c/script>\"" },
		{ SL_INIT(" \xc2\x80!"), "\" \xc2\x80!\"" },
		{ SL_INIT("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"),
		    "\"\\u2028\\u2029\xe2\x80\xaa\"" },
		{ SL_INIT("caf\xc3\xa9\xf0\x9f\x98\x80"),
		    "\"caf\xc3\xa9\xf0\x9f\x98\x80\"" },
		{ SL_INIT("\xff" "a\xc3"), "\"\xef\xbf\xbd" "a\xef\xbf\xbd\"" },
		{ SL_INIT("\xed\xa0\x80"),
		    "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		uint8_t area[64], back[64];
		struct buf b = BUF_ON(area), s = BUF_ON(back);
		struct json_out o = json_out_on(&b);
		struct slice in = guard_slice(rows[i].s);
		struct json v;

		json_put_string(&o, in);
		CHECK(slice_eq(buf_slice(&b), str(rows[i].text)),
		    rows[i].text);
		CHECK(json_parse(buf_slice(&b), 0, &v) == E_OK, rows[i].text);
		CHECK(json_string(v, &s) == E_OK, rows[i].text);
		CHECK(slice_eq(buf_slice(&s), in) == utf8_valid(in),
		    rows[i].text);
		guard_free(in);
	}
}

static void
marks_the_buffer_when_a_text_does_not_fit(void **state)
{
	uint8_t area[32];

	(void)state;
	for (size_t cap = 0; cap <= sizeof area; cap++) {
		struct buf b = buf_of(area, cap);
		struct json_out o = json_out_on(&b);

		json_object(&o);
		json_pair_string(&o, SL("a"), SL("b\n<"));
		json_pair_u64(&o, SL("c"), 7);
		json_object_end(&o);
		assert_int_equal(buf_ok(&b), cap >= 23);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_verdicts_of_the_suite),
		cmocka_unit_test(has_a_policy_where_parsers_differ),
		cmocka_unit_test(limits_depth_and_nothing_else_about_it),
		cmocka_unit_test(says_where_a_text_is_wrong),
		cmocka_unit_test(walks_members_and_elements_in_order),
		cmocka_unit_test(finds_members_however_their_names_are_written),
		cmocka_unit_test(notices_a_name_given_twice),
		cmocka_unit_test(takes_several_members_in_one_pass),
		cmocka_unit_test(decodes_strings),
		cmocka_unit_test(reads_integers_exactly),
		cmocka_unit_test(reads_truth_values),
		cmocka_unit_test(writes_what_was_said),
		cmocka_unit_test(escapes_what_could_hurt),
		cmocka_unit_test(marks_the_buffer_when_a_text_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
