/*
 * codec/chunk: events, sizes, extensions, trailers, and that the answer does
 * not depend on how the stream was cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "codec/chunk.h"
#include "check.h"
#include "guard.h"

struct result {
	enum err e;             /* E_OK: complete */
	size_t used;
	size_t left_max;        /* most bytes left over after E_MORE */
	struct buf text;        /* the events */
	uint8_t area[65536];
};

/* Events as text. Data of one chunk is joined, so that a cut does not show:
 * <5 hello> and the trailer section in brackets. */
static void
note(struct buf *b, const struct chunk_ev *ev)
{
	switch (ev->what) {
	case CHUNK_SIZE:
		assert_true(ev->size > 0);
		buf_lit(b, "<");
		buf_put_dec(b, ev->size);
		buf_lit(b, " ");
		break;
	case CHUNK_DATA:
		assert_true(ev->data.n > 0);
		buf_put(b, ev->data);
		break;
	case CHUNK_END:
		buf_lit(b, ">");
		break;
	case CHUNK_TRAILERS:
		buf_lit(b, "[");
		buf_put(b, ev->data);
		buf_lit(b, "]");
		break;
	case CHUNK_DONE:
		break;
	}
}

static void
feed(struct result *r, struct slice in, size_t first, size_t step)
{
	struct chunk_dec d = { 0 };
	struct chunk_ev ev = { 0 };
	size_t taken = 0, n = first, used;

	r->text = BUF_ON(r->area);
	r->left_max = 0;
	for (;;) {
		struct slice copy = guard_put(in.p + taken, n - taken);
		struct slice rest = copy;

		do {
			ev.what = CHUNK_SIZE;
			r->e = chunk_next(&d, rest, &used, &ev);
			if (r->e == E_OK)
				note(&r->text, &ev);
			rest = slice_from(rest, used);
		} while (r->e == E_OK && ev.what != CHUNK_DONE);
		taken = n - rest.n;
		if (r->e == E_MORE && rest.n > r->left_max)
			r->left_max = rest.n;
		guard_free(copy);
		if (r->e != E_MORE || n == in.n)
			break;
		n = step > in.n - n ? in.n : n + step;
	}
	r->used = taken;
	assert_int_equal(chunk_is_done(&d), r->e == E_OK);
	if (r->e != E_OK && r->e != E_MORE) {
		assert_int_equal(chunk_next(&d, SL("5\r\n"), &used, &ev), r->e);
		assert_int_equal(used, 0);
	}
}

static struct result whole, cut;

static void
feed_all(struct slice in, const char *why)
{
	feed(&whole, in, in.n, 1);
	for (size_t k = 0; k <= in.n; k++) {
		feed(&cut, in, k < in.n ? k : 0, k < in.n ? in.n : 1);
		if (cut.e != whole.e)
			fail_msg("%s: cut at %zu", why, k);
		if (whole.e == E_OK && (cut.used != whole.used || !slice_eq(
		    buf_slice(&cut.text), buf_slice(&whole.text))))
			fail_msg("%s: other events cut at %zu", why, k);
	}
}

static void
gives_events(void **state)
{
	static const struct { const char *why, *in, *want; } v[] = {
	{ "empty", "0\r\n\r\n", "[\r\n]" },
	{ "zeros", "0000\r\n\r\n", "[\r\n]" },
	{ "one chunk", "5\r\nhello\r\n0\r\n\r\n", "<5 hello>[\r\n]" },
	{ "two, hex in both cases", "a\r\n0123456789\r\n00B\r\nhello world\r\n"
	    "0\r\n\r\n", "<10 0123456789><11 hello world>[\r\n]" },
	{ "data that looks like an end", "5\r\n0\r\n\r\n\r\n0\r\n\r\n",
	    "<5 0\r\n\r\n>[\r\n]" },
	{ "trailers", "1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n",
	    "<1 x>[A: b\r\nC:\r\n\r\n]" },
	{ "what follows stays", "0\r\n\r\nGET", "[\r\n]" },
	{ "an extension", "1;a\r\nx\r\n0;b=c\r\n\r\n", "<1 x>[\r\n]" },
	{ "a quoted one", "1;a=\"b;\\\"\tc\351\"\r\nx\r\n0\r\n\r\n",
	    "<1 x>[\r\n]" },
	{ "blanks where the grammar has them",
	    "1 ; a = b ;\tc\t=\"d\" ;e\r\nx\r\n0\r\n\r\n", "<1 x>[\r\n]" },
	{ "more blanks", "1 \t;  a \t=  b \t;c  ;d\r\nx\r\n0\r\n\r\n",
	    "<1 x>[\r\n]" },
	{ "an empty quoted string", "1;a=\"\";b\r\nx\r\n0\r\n\r\n",
	    "<1 x>[\r\n]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		feed_all(str(v[i].in), v[i].why);
		if (whole.e != E_OK || !slice_eq(buf_slice(&whole.text),
		    str(v[i].want)))
			fail_msg("%s: %s", v[i].why, err_name(whole.e));
	}
}

static void
refuses_what_is_not_a_chunk(void **state)
{
	static const struct { const char *why, *in; enum err want; } v[] = {
	{ "no size", "\r\n", E_HTTP_CHUNK },
	{ "no hex digit", "g\r\n", E_HTTP_CHUNK },
	{ "a sign", "-1\r\n", E_HTTP_CHUNK },
	{ "0x", "0x1\r\n", E_HTTP_CHUNK },
	{ "a space first", " 1\r\n", E_HTTP_CHUNK },
	{ "a space last", "1 \r\n", E_HTTP_CHUNK },
	{ "two numbers", "1 1\r\n", E_HTTP_CHUNK },
	{ "an underscore", "1_0\r\n", E_HTTP_CHUNK },
	{ "17 digits", "00000000000000001\r\n", E_HTTP_CHUNK },
	{ "2^63", "8000000000000000\r\n", E_HTTP_CHUNK },
	{ "a lone LF", "1\nx", E_HTTP_CHUNK },
	{ "a lone CR", "1\rx", E_HTTP_CHUNK },
	{ "CR CR LF", "1\r\r\n", E_HTTP_CHUNK },
	{ "NUL", "1;\001", E_HTTP_CHUNK },
	{ "data too long", "1\r\nxy\r\n", E_HTTP_CHUNK },
	{ "a lone LF after data", "1\r\nx\n", E_HTTP_CHUNK },
	{ "a lone CR after data", "1\r\nx\rx", E_HTTP_CHUNK },
	{ "nothing after data", "1\r\nx0\r\n", E_HTTP_CHUNK },
	{ "an extension without name", "1;\r\n", E_HTTP_CHUNK },
	{ "two semicolons", "1;;a\r\n", E_HTTP_CHUNK },
	{ "no value", "1;a=\r\n", E_HTTP_CHUNK },
	{ "two values", "1;a=b=c\r\n", E_HTTP_CHUNK },
	{ "a name of two words", "1;a b\r\n", E_HTTP_CHUNK },
	{ "a space before the end", "1;a \r\n", E_HTTP_CHUNK },
	{ "after quotes", "1;a=\"b\"c\r\n", E_HTTP_CHUNK },
	{ "an open quote", "1;a=\"b\r\n", E_HTTP_CHUNK },
	{ "LF in quotes", "1;a=\"b\nc\"\r\n", E_HTTP_CHUNK },
	{ "an escaped CR", "1;a=\"\\\r\n", E_HTTP_CHUNK },
	{ "LF in an extension", "1;a\nb\r\n", E_HTTP_CHUNK },
	{ "a trailer without colon", "0\r\nA\r\n\r\n", E_HTTP_FIELD },
	{ "a trailer that folds", "0\r\nA: b\r\n c\r\n\r\n", E_HTTP_FIELD },
	{ "a trailer with a lone LF", "0\r\nA: b\n\r\n", E_HTTP_LINE },
	{ "a lone LF as the end", "0\r\n\n", E_HTTP_LINE },
	{ "space before the colon", "0\r\nA : b\r\n\r\n", E_HTTP_FIELD },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		feed_all(str(v[i].in), v[i].why);
		if (whole.e != v[i].want)
			fail_msg("%s: %s", v[i].why, err_name(whole.e));
	}
}

static void
waits_for_what_is_missing(void **state)
{
	static const char in[] =
	    "3;a=\"b\"\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n";
	size_t n = sizeof in - 1;

	(void)state;
	for (size_t k = 0; k < n; k++) {
		feed_all(slice_of(in, k), "prefix");
		assert_int_equal(whole.e, E_MORE);
	}
	feed_all(slice_of(in, n), "all");
	assert_int_equal(whole.e, E_OK);
	/* only trailers stay with the caller */
	assert_int_equal(cut.left_max, sizeof "A: b\r\nC: d\r\n\r" - 1);
}

static void
takes_the_largest_size(void **state)
{
	struct chunk_dec d = { 0 };
	struct chunk_ev ev;
	size_t used;

	(void)state;
	assert_int_equal(chunk_next(&d, SL("7fffffffffffffff\r\nab"), &used,
	    &ev), E_OK);
	assert_int_equal(ev.what, CHUNK_SIZE);
	assert_true(ev.size == INT64_MAX);
	assert_int_equal(used, 18);
	assert_int_equal(chunk_next(&d, SL("ab"), &used, &ev), E_OK);
	assert_int_equal(ev.what, CHUNK_DATA);
	assert_int_equal(used, 2);
	assert_true(d.size == INT64_MAX - 2);
}

static void
says_done_again_and_consumes_nothing(void **state)
{
	struct chunk_dec d = { 0 };
	struct chunk_ev ev;
	size_t used;

	(void)state;
	assert_int_equal(chunk_next(&d, SL("0\r\n\r\nX"), &used, &ev), E_OK);
	assert_int_equal(ev.what, CHUNK_TRAILERS);
	assert_int_equal(used, 5);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(chunk_next(&d, SL("X"), &used, &ev), E_OK);
		assert_int_equal(ev.what, CHUNK_DONE);
		assert_int_equal(used, 0);
	}
}

static void
bounds_extensions_and_trailers(void **state)
{
	static uint8_t area[CHUNK_TRAILERS_MAX + 64];

	(void)state;
	for (size_t over = 0; over < 2; over++) {
		struct buf b = BUF_ON(area);

		/* `;` opens; name and the CR count */
		buf_lit(&b, "1;");
		for (size_t i = 0; i < CHUNK_EXT_MAX - 1 + over; i++)
			buf_lit(&b, "a");
		buf_lit(&b, "\r\nx\r\n0\r\n\r\n");
		feed(&whole, buf_slice(&b), b.n, 1);
		assert_int_equal(whole.e, over ? E_HTTP_CHUNK : E_OK);
		feed(&cut, buf_slice(&b), 0, 1);
		assert_int_equal(cut.e, whole.e);

		b = BUF_ON(area);
		buf_lit(&b, "0\r\nA: ");
		while (b.n - 3 < CHUNK_TRAILERS_MAX - 4 + over)
			buf_lit(&b, "a");
		buf_lit(&b, "\r\n\r\n");
		feed(&whole, buf_slice(&b), b.n, 1);
		assert_int_equal(whole.e, over ? E_HTTP_HEAD_LONG : E_OK);
		feed(&cut, buf_slice(&b), 0, 1);
		assert_int_equal(cut.e, whole.e);
		assert_true(cut.left_max < CHUNK_TRAILERS_MAX);
	}
}

static void
names_trailers_that_may_not_pass(void **state)
{
	static const char in[] =
	    "X-Sum: 1\r\nContent-Length: 5\r\nx-T:  2 \r\nHost: a\r\n\r\n";
	static const struct { const char *name, *value; bool may; } want[] = {
		{ "X-Sum", "1", true }, { "Content-Length", "5", false },
		{ "x-T", "2", true }, { "Host", "a", false },
	};
	struct slice s = guard_put(in, sizeof in - 1), rest = s;
	struct http_field f;
	bool may;

	(void)state;
	for (size_t i = 0; i < COUNT(want); i++) {
		assert_true(chunk_trailer_next(&rest, &f, &may));
		assert_true(slice_eq(f.name, str(want[i].name)));
		assert_true(slice_eq(f.value, str(want[i].value)));
		assert_int_equal(may, want[i].may);
	}
	assert_false(chunk_trailer_next(&rest, &f, &may));
	assert_true(slice_eq(rest, SL("\r\n")));
	guard_free(s);
}

static void
writes_what_it_reads(void **state)
{
	static const uint64_t sizes[] = { 1, 9, 10, 15, 16, 255, 65536,
		INT64_MAX };
	uint8_t area[CHUNK_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct buf b = BUF_ON(area);
		struct chunk_dec d = { 0 };
		struct chunk_ev ev;
		size_t used, n;

		assert_true(chunk_put_size(&b, sizes[i]));
		n = b.n;
		assert_int_equal(chunk_next(&d, buf_slice(&b), &used, &ev),
		    E_OK);
		assert_true(ev.what == CHUNK_SIZE && ev.size == sizes[i]);
		assert_int_equal(used, n);
		b = buf_of(area, n - 1);
		assert_false(chunk_put_size(&b, sizes[i]));
		assert_int_equal(b.n, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_events),
		cmocka_unit_test(refuses_what_is_not_a_chunk),
		cmocka_unit_test(waits_for_what_is_missing),
		cmocka_unit_test(takes_the_largest_size),
		cmocka_unit_test(says_done_again_and_consumes_nothing),
		cmocka_unit_test(bounds_extensions_and_trailers),
		cmocka_unit_test(names_trailers_that_may_not_pass),
		cmocka_unit_test(writes_what_it_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
