/*
 * Tunnel frames: every type both ways, and what is not defined. Inputs end at
 * an unmapped page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/frame.h"
#include "vec.h"

static enum err
decode(struct frame *f, struct slice message, struct slice *guarded)
{
	*guarded = guard_slice(message);
	return frame_decode(f, *guarded);
}

static const struct good { const char *why, *hex; struct frame want; }
goods[] = {
	{ "END", "0300000000000001", { .type = FRAME_END, .stream = 1 } },
	{ "STOP of the last stream", "040000007fffffff",
	    { .type = FRAME_STOP, .stream = STREAM_ID_MAX } },
	{ "RESET, first code", "050000000000000100000001",
	    { .type = FRAME_RESET, .stream = 1,
	    .u.code = RESET_UNKNOWN_APP } },
	{ "RESET, last code", "050000000000000100000008",
	    { .type = FRAME_RESET, .stream = 1, .u.code = RESET_BROKEN } },
	{ "CREDIT, least", "060000000000000100000001",
	    { .type = FRAME_CREDIT, .stream = 1, .u.credit = 1 } },
	{ "CREDIT of the session, most", "06000000000000007fffffff",
	    { .type = FRAME_CREDIT, .u.credit = CREDIT_MAX } },
	{ "ACK", "07000000000000000102030405060708",
	    { .type = FRAME_ACK, .u.ack = 0x0102030405060708 } },
	{ "GOAWAY at once", "08000000000000000000000300000000",
	    { .type = FRAME_GOAWAY, .u.goaway = { GOAWAY_RENEW, 0 } } },
	{ "GOAWAY in a day", "080000000000000000000001 05265c00",
	    { .type = FRAME_GOAWAY,
	    .u.goaway = { GOAWAY_SHUTDOWN, GOAWAY_MS_MAX } } },
};

static struct slice
unhex(struct buf *b, const char *hex)
{
	buf_reset(b);
	for (struct slice s = str(hex), word; s.n > 0;) {
		word = slice_cut(&s, ' ');
		vec_hex(b, word);
	}
	assert_true(buf_ok(b));
	return buf_slice(b);
}

static void
each_type_decodes_and_encodes_to_the_same(void **state)
{
	uint8_t area[100], again[100];
	struct buf b = BUF_ON(area), o = BUF_ON(again);

	(void)state;
	for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
		const struct good *g = &goods[i];
		struct slice m = unhex(&b, g->hex), at;
		struct frame f = { .type = 0 };

		CHECK(decode(&f, m, &at) == E_OK, g->why);
		CHECK(f.type == g->want.type && f.stream == g->want.stream,
		    g->why);
		buf_reset(&o);
		CHECK(frame_put(&o, &f), g->why);
		CHECK(slice_eq(buf_slice(&o), m), g->why);
		buf_reset(&o);
		CHECK(frame_put(&o, &g->want), g->why);
		CHECK(slice_eq(buf_slice(&o), m), g->why);
		guard_free(at);
		/* One byte less or more is another frame, or none. */
		CHECK(decode(&f, slice_head(m, m.n - 1), &at) == E_MUX_FRAME,
		    g->why);
		guard_free(at);
		buf_put_u8(&b, 0);
		CHECK(decode(&f, buf_slice(&b), &at) == E_MUX_FRAME, g->why);
		guard_free(at);
	}
}

static void
open_carries_its_strings(void **state)
{
	static const struct row {
		struct frame_open o;
		const char *hex;
	} rows[] = {
		{ { .kind = APP_HTTP, .app = SL_INIT("web"),
		    .client = SL_INIT("2001:db8::1"),
		    .user = SL_INIT("J\xc3\xb6rg"),
		    .scheme = SL_INIT("https") },
		    "0100000000000007 01 03776562 0b323030313a6462383a3a31 "
		    "054ac3b67267 056874747073" },
		{ { .kind = APP_HTTP, .app = SL_INIT("a-1"),
		    .scheme = SL_INIT("http") },
		    "0100000000000007 01 03612d31 00 00 0468747470" },
		{ { .kind = APP_TCP, .app = SL_INIT("s"),
		    .client = SL_INIT("x") },
		    "0100000000000007 02 0173 0178 00 00" },
	};
	uint8_t area[200], again[200];
	struct buf b = BUF_ON(area), o = BUF_ON(again);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct slice m = unhex(&b, rows[i].hex), at;
		const struct frame_open *want = &rows[i].o;
		struct frame f = { .type = FRAME_OPEN, .stream = 7 };

		f.u.open = *want;
		buf_reset(&o);
		assert_true(frame_put(&o, &f));
		CHECK(slice_eq(buf_slice(&o), m), rows[i].hex);
		f = (struct frame){ .type = 0 };
		assert_int_equal(decode(&f, m, &at), E_OK);
		assert_int_equal(f.u.open.kind, want->kind);
		assert_true(slice_eq(f.u.open.app, want->app));
		assert_true(slice_eq(f.u.open.client, want->client));
		assert_true(slice_eq(f.u.open.user, want->user));
		assert_true(slice_eq(f.u.open.scheme, want->scheme));
		guard_free(at);
		for (size_t n = 0; n < m.n; n++) {
			CHECK(decode(&f, slice_head(m, n), &at) ==
			    E_MUX_FRAME, rows[i].hex);
			guard_free(at);
		}
	}
}

static const struct bad { const char *why, *hex; } bads[] = {
	{ "nothing", "" },
	{ "half a head", "03000000" },
	{ "type 0", "0000000000000001" },
	{ "type 9", "0900000000000001" },
	{ "type 255", "ff00000000000001" },
	{ "a flag", "0380000000000001" },
	{ "first byte of zero", "0300010000000001" },
	{ "second byte of zero", "0300000100000001" },
	{ "stream 2^31", "0300000080000000" },
	{ "stream 2^32 - 1", "03000000ffffffff" },
	{ "OPEN of stream 0", "0100000000000000 01 0177 00 00 0468747470" },
	{ "DATA of stream 0", "020000000000000061" },
	{ "END of stream 0", "0300000000000000" },
	{ "STOP of stream 0", "0400000000000000" },
	{ "RESET of stream 0", "050000000000000000000001" },
	{ "ACK of stream 1", "07000000000000010000000000000000" },
	{ "GOAWAY of stream 1", "08000000000000010000000100000000" },
	{ "RESET code 0", "050000000000000100000000" },
	{ "RESET code 9", "050000000000000100000009" },
	{ "RESET code 2^32 - 1", "0500000000000001ffffffff" },
	{ "CREDIT of nothing", "060000000000000100000000" },
	{ "CREDIT of 2^31", "060000000000000180000000" },
	{ "GOAWAY reason 0", "08000000000000000000000000000000" },
	{ "GOAWAY reason 4", "08000000000000000000000400000000" },
	{ "GOAWAY too late", "080000000000000000000001 05265c01" },
	{ "OPEN kind 0", "0100000000000001 00 0177 00 00 0468747470" },
	{ "OPEN kind 3", "0100000000000001 03 0177 00 00 0468747470" },
	{ "OPEN without an app", "0100000000000001 01 00 00 00 0468747470" },
	{ "OPEN: upper case", "0100000000000001 01 0157 00 00 0468747470" },
	{ "OPEN: a hyphen first", "0100000000000001 01 022d61 00 00 "
	    "0468747470" },
	{ "OPEN: two hyphens", "0100000000000001 01 04612d2d62 00 00 "
	    "0468747470" },
	{ "OPEN: a space in client", "0100000000000001 01 0177 0120 00 "
	    "0468747470" },
	{ "OPEN: DEL in client", "0100000000000001 01 0177 017f 00 "
	    "0468747470" },
	{ "OPEN: LF in user", "0100000000000001 01 0177 00 010a 0468747470" },
	{ "OPEN: C1 control in user", "0100000000000001 01 0177 00 02c285 "
	    "0468747470" },
	{ "OPEN: user is not UTF-8", "0100000000000001 01 0177 00 01ff "
	    "0468747470" },
	{ "OPEN: user ends in a character", "0100000000000001 01 0177 00 "
	    "01c2 0468747470" },
	{ "OPEN: scheme ftp", "0100000000000001 01 0177 00 00 03667470" },
	{ "OPEN: no scheme", "0100000000000001 01 0177 00 00 00" },
	{ "OPEN: TCP with a scheme", "0100000000000001 02 0177 00 00 "
	    "0468747470" },
	{ "OPEN: a tail", "0100000000000001 01 0177 00 00 0468747470 00" },
	{ "OPEN: a length beyond the end", "0100000000000001 01 0177 00 00 "
	    "0568747470" },
};

static void
what_is_not_defined_is_refused(void **state)
{
	uint8_t area[200];
	struct buf b = BUF_ON(area);

	(void)state;
	for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
		struct frame f;
		struct slice at;

		CHECK(decode(&f, unhex(&b, bads[i].hex), &at) == E_MUX_FRAME,
		    bads[i].why);
		guard_free(at);
	}
}

static void
lengths_have_their_bounds(void **state)
{
	static uint8_t area[FRAME_DATA_MAX + 100];
	struct buf b = BUF_ON(area);
	struct frame f;
	struct slice at;

	(void)state;
	unhex(&b, "0200000000000001");
	memset(area + 8, 'x', FRAME_DATA_MAX + 1);
	for (size_t n = 0; n <= FRAME_DATA_MAX + 1; n++) {
		bool ok = n >= 1 && n <= FRAME_DATA_MAX;

		if (n == 3)
			n = FRAME_DATA_MAX - 2;
		assert_int_equal(decode(&f, slice_of(area, 8 + n), &at),
		    ok ? E_OK : E_MUX_FRAME);
		if (ok)
			assert_int_equal(f.u.data.n, n);
		guard_free(at);
	}
	assert_int_equal(frame_payload_max(FRAME_DATA), FRAME_DATA_MAX);
	assert_int_equal(frame_payload_min(FRAME_DATA), 1);
	for (uint8_t type = 1; type < FRAME_TYPES; type++)
		if (type != FRAME_DATA)
			assert_true(frame_payload_max(type) <=
			    FRAME_CONTROL_MAX);
	/* The strings of an OPEN have bounds of their own. */
	unhex(&b, "0100000000000001 01");
	buf_put_u8(&b, 31);
	for (int i = 0; i < 31; i++)
		buf_put_u8(&b, 'a');
	unhex(&(struct buf){ area + b.n, sizeof area - b.n, 0, false },
	    "00 00 0468747470");
	assert_int_equal(frame_decode(&f, slice_of(area, b.n + 7)),
	    E_MUX_FRAME);
}

static void
put_writes_all_or_nothing(void **state)
{
	uint8_t area[100];
	struct frame f = { .type = FRAME_OPEN, .stream = 3 };

	(void)state;
	f.u.open = (struct frame_open){ .kind = APP_HTTP, .app = SL("web"),
	    .scheme = SL("https") };
	for (size_t cap = 0; cap <= 8 + 5 + 8; cap++) {
		struct buf b = buf_of(area, cap);
		bool ok = cap == 8 + 5 + 8;

		assert_int_equal(frame_put(&b, &f), ok);
		assert_int_equal(buf_ok(&b), ok);
		assert_int_equal(b.n, ok ? cap : 0);
	}
}

static void
names_are_folded_lower_case(void **state)
{
	static const struct { const char *name; bool ok; } rows[] = {
		{ "a", true }, { "0", true }, { "a-b", true },
		{ "web-2-x", true }, { "abcdefghijklmnopqrstuvwxyz0123", true },
		{ "abcdefghijklmnopqrstuvwxyz01234", false }, { "", false },
		{ "-a", false }, { "a-", false }, { "a--b", false },
		{ "A", false }, { "a.b", false }, { "a b", false },
		{ "\xc3\xa4", false }, { "a_b", false }, { "-", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct slice g = guard_slice(str(rows[i].name));

		CHECK(frame_name_valid(g) == rows[i].ok, rows[i].name);
		guard_free(g);
	}
}

static void
numbers_have_words(void **state)
{
	(void)state;
	assert_string_equal(frame_reset_text(RESET_REFUSED),
	    "the app refused the connection");
	assert_string_equal(frame_reset_text(RESET_NONE), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_decodes_and_encodes_to_the_same),
		cmocka_unit_test(open_carries_its_strings),
		cmocka_unit_test(what_is_not_defined_is_refused),
		cmocka_unit_test(lengths_have_their_bounds),
		cmocka_unit_test(put_writes_all_or_nothing),
		cmocka_unit_test(names_are_folded_lower_case),
		cmocka_unit_test(numbers_have_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
