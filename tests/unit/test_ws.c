/*
 * WebSocket frames: headers, masking, the rules of a sequence, the follower
 * that a proxy uses, and the handshake fields. Streams are tables of bytes,
 * fed whole, cut in two at every place, and byte by byte, each piece before a
 * dead page. The 301 cases with Autobahn's numbers are in test_wscases.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "codec/ws.h"
#include "vec.h"

#define ROWS(t) (sizeof(t) / sizeof((t)[0]))
/* A literal with its length: it may hold zero bytes. */
#define B(lit) SL_INIT(lit)

static void
reads_every_form_of_header(void **state)
{
	static const struct {
		const char *why;
		struct slice in;
		struct ws_frame f;
	} vecs[] = {
		{ "empty text", B("\x81\x00"), { .opcode = 1, .fin = true } },
		{ "text, not final", B("\x01\x03"),
		    { .opcode = 1, .length = 3 } },
		{ "125", B("\x82\x7d"),
		    { .opcode = 2, .fin = true, .length = 125 } },
		{ "126", B("\x82\x7e\x00\x7e"),
		    { .opcode = 2, .fin = true, .length = 126 } },
		{ "65535", B("\x82\x7e\xff\xff"),
		    { .opcode = 2, .fin = true, .length = 65535 } },
		{ "65536", B("\x82\x7f\0\0\0\0\0\x01\0\0"),
		    { .opcode = 2, .fin = true, .length = 65536 } },
		{ "2^63 - 1", B("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
		    { .opcode = 2, .fin = true, .length = INT64_MAX } },
		{ "masked ping", B("\x89\x85\x37\xfa\x21\x3d"),
		    { .opcode = 9, .fin = true, .length = 5, .masked = true,
		    .key = { 0x37, 0xfa, 0x21, 0x3d } } },
		{ "masked, 16-bit length", B("\x80\xfe\x01\x00" "abcd"),
		    { .opcode = 0, .fin = true, .length = 256, .masked = true,
		    .key = { 'a', 'b', 'c', 'd' } } },
		{ "all of it", B("\xf2\xff\0\0\0\x01\0\0\0\0" "wxyz"),
		    { .opcode = 2, .fin = true, .length = 1ull << 32,
		    .rsv = WS_RSV, .masked = true,
		    .key = { 'w', 'x', 'y', 'z' } } },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(vecs); i++) {
		struct slice in = guard_slice(vecs[i].in);
		uint8_t out[WS_HEAD_MAX];
		struct ws_frame f;
		size_t used = 0;

		CHECK(ws_decode(&f, in, &used) == E_OK, vecs[i].why);
		CHECK(used == in.n, vecs[i].why);
		CHECK(f.length == vecs[i].f.length && f.fin == vecs[i].f.fin &&
		    f.opcode == vecs[i].f.opcode && f.rsv == vecs[i].f.rsv &&
		    f.masked == vecs[i].f.masked &&
		    memcmp(f.key, vecs[i].f.key, 4) == 0, vecs[i].why);
		CHECK(ws_encode_raw(out, &f) == in.n &&
		    memcmp(out, in.p, in.n) == 0, vecs[i].why);
		for (size_t n = 0; n < vecs[i].in.n; n++) {
			struct slice cut = guard_put(in.p, n);

			used = 99;
			CHECK(ws_decode(&f, cut, &used) == E_MORE && used == 99,
			    vecs[i].why);
			guard_free(cut);
		}
		guard_free(in);
	}
}

static void
refuses_headers_that_no_frame_has(void **state)
{
	static const struct {
		const char *why;
		struct slice in;
		enum err want;
	} vecs[] = {
		{ "opcode 3", B("\x83"), E_WS_OPCODE },
		{ "opcode 7, not final", B("\x07"), E_WS_OPCODE },
		{ "opcode 11", B("\x8b"), E_WS_OPCODE },
		{ "opcode 15", B("\xff"), E_WS_OPCODE },
		{ "ping, not final", B("\x09"), E_WS_CONTROL },
		{ "close, not final", B("\x08"), E_WS_CONTROL },
		{ "ping of 126", B("\x89\x7e"), E_WS_CONTROL },
		{ "close with a 64-bit length", B("\x88\xff"), E_WS_CONTROL },
		{ "125 in 16 bits", B("\x82\x7e\x00\x7d"), E_WS_LENGTH },
		{ "0 in 16 bits", B("\x82\x7e\x00\x00"), E_WS_LENGTH },
		{ "65535 in 64 bits", B("\x82\x7f\0\0\0\0\0\0\xff\xff"),
		    E_WS_LENGTH },
		{ "2^63", B("\x82\x7f\x80\0\0\0\0\0\0\0"), E_WS_LENGTH },
		{ "2^64 - 1", B("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		    E_WS_LENGTH },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(vecs); i++) {
		struct slice in = guard_slice(vecs[i].in);
		struct ws_frame f;
		size_t used;

		CHECK(ws_decode(&f, in, &used) == vecs[i].want, vecs[i].why);
		CHECK(ws_decode(&f, slice_head(in, in.n - 1), &used) == E_MORE,
		    vecs[i].why);
		guard_free(in);
	}
}

static void
knows_every_first_byte(void **state)
{
	(void)state;
	for (unsigned b0 = 0; b0 < 256; b0++) {
		static const bool known[16] = { 1, 1, 1, 0, 0, 0, 0, 0, 1, 1,
		    1 };
		uint8_t in[2] = { (uint8_t)b0, 0 };
		struct ws_frame f;
		size_t used;
		enum err want = !known[b0 & 15] ? E_WS_OPCODE :
		    (b0 & 8) != 0 && b0 < 128 ? E_WS_CONTROL : E_OK;

		assert_int_equal(ws_decode(&f, slice_of(in, 2), &used), want);
	}
}

static void
masks_any_length_alignment_and_offset(void **state)
{
	static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };
	uint8_t src[160], dst[160];

	(void)state;
	for (size_t i = 0; i < sizeof src; i++)
		src[i] = (uint8_t)(i * 31);
	for (size_t n = 0; n <= 131; n++) {
		for (size_t from = 0; from < 9; from++) {
			uint64_t offset = n * 7 + from * 3 + (1ull << 33);
			struct slice in = guard_put(src + from, n);

			memset(dst, 0xee, sizeof dst);
			ws_mask(dst + from + 1, in.p, n, key, offset);
			for (size_t i = 0; i < n; i++) {
				assert_int_equal(dst[from + 1 + i],
				    src[from + i] ^ key[(offset + i) % 4]);
			}
			assert_int_equal(dst[from], 0xee);
			assert_int_equal(dst[from + 1 + n], 0xee);
			ws_mask(dst + from + 1, dst + from + 1, n, key,
			    offset);
			assert_memory_equal(dst + from + 1, src + from, n);
			guard_free(in);
		}
	}
}

static void
masks_in_pieces_as_in_one(void **state)
{
	static const uint8_t key[4] = { 1, 2, 4, 8 };
	uint8_t whole[100] = { 0 }, parts[100] = { 0 };

	(void)state;
	ws_mask(whole, whole, 100, key, 0);
	for (size_t cut = 0; cut <= 100; cut++) {
		memset(parts, 0, sizeof parts);
		ws_mask(parts, parts, cut, key, 0);
		ws_mask(parts + cut, parts + cut, 100 - cut, key, cut);
		assert_memory_equal(whole, parts, 100);
	}
}

/*
 * Streams for the follower: what passes, and the error that stops it. `pass`
 * counts the bytes of `in` that may be passed on in the end.
 */
struct stream {
	const char *why;
	bool from_client;
	uint8_t rsv;
	struct slice in;
	size_t pass;
	enum err want;
};

static const struct stream streams[] = {
	{ "nothing", false, 0, B(""), 0, E_OK },
	{ "text", false, 0, B("\x81\x05Hello"), 7, E_OK },
	{ "two frames", false, 0, B("\x81\x02Hi\x82\x01x"), 7, E_OK },
	{ "an unfinished header is held", false, 0, B("\x81\x02Hi\x82"), 4,
	    E_OK },
	{ "an unfinished long header is held", false, 0,
	    B("\x81\x02Hi\x82\x7f\0\0\0\0\0\x01\0"), 4, E_OK },
	{ "unfinished payload passes", false, 0, B("\x81\x7e\x01\x00" "abc"),
	    7, E_OK },
	{ "empty frames", false, 0, B("\x81\0\x82\0\x89\0\x8a\0"), 8, E_OK },
	{ "masked", true, 0, B("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
	    11, E_OK },
	{ "two masked", true, 0, B("\x81\x81" "keysk\x82\x80" "keys"), 13,
	    E_OK },
	{ "masked by a server", false, 0, B("\x81\x02Hi\x81\x81" "keysk"), 4,
	    E_WS_MASK },
	{ "not masked by a client", true, 0, B("\x81\x05Hello"), 0,
	    E_WS_MASK },
	{ "empty, not masked by a client", true, 0, B("\x81\x00"), 0,
	    E_WS_MASK },
	{ "three fragments with a ping", false, 0,
	    B("\x01\x01" "a\x89\x01p\x00\x01" "b\x80\x01" "c\x81\0"), 14,
	    E_OK },
	{ "continuation of nothing", false, 0, B("\x80\x01" "a"), 0,
	    E_WS_FRAGMENT },
	{ "continuation after the last", false, 0,
	    B("\x01\x01" "a\x80\x01" "b\x00\x00"), 6, E_WS_FRAGMENT },
	{ "a new message inside of one", false, 0,
	    B("\x01\x01" "a\x82\x01" "b"), 3, E_WS_FRAGMENT },
	{ "reserved opcode", false, 0, B("\x81\x01" "a\x83\x01" "b"), 3,
	    E_WS_OPCODE },
	{ "reserved bit 1", false, 0, B("\xc1\x01" "a"), 0, E_WS_RESERVED },
	{ "reserved bit 2", false, WS_RSV1, B("\xa1\x01" "a"), 0,
	    E_WS_RESERVED },
	{ "reserved bit 3", false, WS_RSV1, B("\x91\x01" "a"), 0,
	    E_WS_RESERVED },
	{ "compressed", false, WS_RSV1, B("\xc1\x01" "a\x81\x01" "b"), 6,
	    E_OK },
	{ "compressed in fragments", false, WS_RSV1,
	    B("\x41\x01" "a\x00\x01" "b\x80\x01" "c"), 9, E_OK },
	{ "RSV1 on a continuation", false, WS_RSV1,
	    B("\x41\x01" "a\x40\x01" "b"), 3, E_WS_RESERVED },
	{ "RSV1 on a control frame", false, WS_RSV1, B("\xc9\x00"), 0,
	    E_WS_RESERVED },
	{ "close", false, 0, B("\x88\x02\x03\xe8"), 4, E_OK },
	{ "close without payload", false, 0, B("\x88\x00"), 2, E_OK },
	{ "close with one byte", false, 0, B("\x88\x01\x03"), 0, E_WS_CLOSE },
	{ "close in a message", false, 0, B("\x01\x01" "a\x88\x00"), 5, E_OK },
	{ "text after close", false, 0, B("\x88\x02\x03\xe8\x81\x01" "a"), 4,
	    E_WS_AFTER_CLOSE },
	{ "close after close", false, 0, B("\x88\x00\x88\x00"), 2,
	    E_WS_AFTER_CLOSE },
	{ "ping fragmented", false, 0, B("\x81\x00\x09\x00"), 2,
	    E_WS_CONTROL },
	{ "ping too long", false, 0, B("\x81\x00\x89\x7e\x00\x7e"), 2,
	    E_WS_CONTROL },
	{ "length not minimal", false, 0, B("\x81\x00\x82\x7e\x00\x01" "a"),
	    2, E_WS_LENGTH },
	{ "length of 2^63", false, 0, B("\x82\x7f\x80\0\0\0\0\0\0\0" "aaa"), 0,
	    E_WS_LENGTH },
	{ "the first error stays", false, 0, B("\x83\0\x81\x80" "keys"), 0,
	    E_WS_OPCODE },
};

/* Feed one piece before a dead page; append what passes. */
static enum err
feed(struct ws_follow *w, struct buf *passed, const uint8_t *p, size_t n)
{
	struct slice piece = guard_put(p, n), out[2];
	size_t room = ws_follow_held(w) + n;
	enum err e = ws_follow(w, piece, out);

	assert_true(out[0].n + out[1].n <= room);
	buf_put(passed, out[0]);
	buf_put(passed, out[1]);
	guard_free(piece);
	return e;
}

static void
check_stream(const struct stream *v, size_t cut, bool by_bytes)
{
	uint8_t area[256];
	struct buf passed = BUF_ON(area);
	struct ws_follow w;
	enum err e = E_OK;

	ws_follow_init(&w, v->from_client, v->rsv);
	if (by_bytes) {
		for (size_t i = 0; i < v->in.n; i++)
			e = feed(&w, &passed, v->in.p + i, 1);
	} else {
		feed(&w, &passed, v->in.p, cut);
		e = feed(&w, &passed, v->in.p + cut, v->in.n - cut);
	}
	CHECK(e == v->want, v->why);
	CHECK(passed.n == v->pass, v->why);
	CHECK(passed.n == 0 || memcmp(passed.p, v->in.p, passed.n) == 0,
	    v->why);
	CHECK(v->want == E_OK || ws_follow_at_boundary(&w), v->why);
	CHECK(v->want != E_OK ||
	    passed.n + ws_follow_held(&w) == v->in.n, v->why);
	/* Sticky: nothing passes any more, whatever comes. */
	if (v->want != E_OK) {
		e = feed(&w, &passed, (const uint8_t *)"\x81\x00", 2);
		CHECK(e == v->want && passed.n == v->pass, v->why);
	}
}

static void
passes_what_may_pass_whole_split_and_by_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(streams); i++) {
		for (size_t cut = 0; cut <= streams[i].in.n; cut++)
			check_stream(&streams[i], cut, false);
		check_stream(&streams[i], 0, true);
	}
}

static void
passes_payload_without_copying_it(void **state)
{
	struct slice in = SL("\x82\x04" "abcd\x82\x7e\x01\x00" "efgh"), out[2];
	struct ws_follow w;

	(void)state;
	ws_follow_init(&w, false, 0);
	assert_int_equal(ws_follow(&w, in, out), E_OK);
	assert_true(out[0].n == 0 && out[1].p == in.p && out[1].n == in.n);
	ws_follow_init(&w, false, 0);
	assert_int_equal(ws_follow(&w, slice_head(in, 1), out), E_OK);
	assert_true(out[0].n == 0 && out[1].n == 0);
	assert_int_equal(ws_follow(&w, slice_from(in, 1), out), E_OK);
	assert_true(out[0].n == 1 && out[1].p == in.p + 1);
	assert_int_equal(out[1].n, in.n - 1);
}

static void
knows_when_a_frame_of_ours_fits_in(void **state)
{
	struct slice in = SL("\x01\x02" "ab\x80\x01" "c"), out[2];
	static const bool boundary[] = { true, true, false, false, true, true,
	    false, true };
	struct ws_follow w;

	(void)state;
	ws_follow_init(&w, false, 0);
	assert_true(ws_follow_at_boundary(&w));
	for (size_t i = 0; i < in.n; i++) {
		assert_int_equal(ws_follow(&w, slice_of(in.p + i, 1), out),
		    E_OK);
		assert_int_equal(ws_follow_at_boundary(&w), boundary[i + 1]);
		assert_false(ws_follow_closed(&w));
	}
	assert_int_equal(ws_follow(&w, SL("\x88\x02"), out), E_OK);
	assert_true(ws_follow_closed(&w));
	assert_false(ws_follow_at_boundary(&w));
}

static void
follows_a_frame_longer_than_4_gib(void **state)
{
	static const uint8_t head[] = { 0x82, 0x7f, 0, 0, 0, 1, 0, 0, 0, 5 };
	static uint8_t chunk[1 << 20];
	struct slice out[2];
	struct ws_follow w;
	uint64_t passed = 0;

	(void)state;
	ws_follow_init(&w, false, 0);
	assert_int_equal(ws_follow(&w, slice_of(head, 10), out), E_OK);
	for (size_t i = 0; i < 4096; i++) {
		assert_int_equal(ws_follow(&w, slice_of(chunk, sizeof chunk),
		    out), E_OK);
		passed += out[1].n;
	}
	assert_true(passed == 1ull << 32 && w.left == 5);
	assert_int_equal(ws_follow(&w, SL("12345\x81\x00\x83"), out),
	    E_WS_OPCODE);
	assert_int_equal(out[1].n, 7);
}

static void
knows_which_codes_may_stand_on_the_wire(void **state)
{
	unsigned good = 0;

	(void)state;
	for (unsigned c = 0; c <= UINT16_MAX; c++)
		good += ws_close_code_valid((uint16_t)c);
	assert_int_equal(good, 4 + 8 + 2000);
	assert_true(ws_close_code_valid(1000) && ws_close_code_valid(1014));
	assert_true(ws_close_code_valid(3000) && ws_close_code_valid(4999));
	assert_false(ws_close_code_valid(1004) || ws_close_code_valid(1005) ||
	    ws_close_code_valid(1006) || ws_close_code_valid(1015));
}

static void
reads_the_payload_of_a_close(void **state)
{
	static const struct {
		const char *why;
		struct slice in;
		enum err want;
		uint16_t code;
		struct slice reason;
	} vecs[] = {
		{ "none", B(""), E_OK, WS_CODE_NONE, B("") },
		{ "code", B("\x03\xe8"), E_OK, 1000, B("") },
		{ "reason", B("\x0f\xa0" "bye"), E_OK, 4000, B("bye") },
		{ "one byte", B("\x03"), E_WS_CLOSE, 0, B("") },
		{ "1005 on the wire", B("\x03\xed"), E_WS_CLOSE, 0, B("") },
		{ "999", B("\x03\xe7"), E_WS_CLOSE, 0, B("") },
		{ "reason not UTF-8", B("\x03\xe8\xc3"), E_WS_UTF8, 0, B("") },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(vecs); i++) {
		struct slice in = guard_slice(vecs[i].in), reason = { 0 };
		uint16_t code = 0;

		CHECK(ws_close_parse(in, &code, &reason) == vecs[i].want,
		    vecs[i].why);
		CHECK(code == vecs[i].code, vecs[i].why);
		CHECK(slice_eq(reason, vecs[i].reason), vecs[i].why);
		guard_free(in);
	}
}

static void
answers_an_error_with_its_code(void **state)
{
	(void)state;
	assert_int_equal(ws_close_code(E_WS_UTF8), 1007);
	assert_int_equal(ws_close_code(E_WS_TOO_BIG), 1009);
	assert_int_equal(ws_close_code(E_WS_MASK), 1002);
	assert_int_equal(ws_close_code(E_WS_LENGTH), 1002);
}

/* 123 bytes. */
#define TEN     "0123456789"
#define LONGEST TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "abc"

static void
puts_close_frames_that_it_reads_back(void **state)
{
	static const uint8_t key[4] = { 9, 8, 7, 6 };
	char text[130];

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text + 122, "\xc3\xa9", 2);      /* cut at 123 would halve it */
	for (size_t n = 0; n <= 124; n += 31) {
		for (int masked = 0; masked < 2; masked++) {
			uint8_t area[160];
			struct buf b = BUF_ON(area);
			struct ws_frame f;
			struct slice reason;
			uint16_t code;
			size_t used;

			assert_true(ws_put_close(&b, 1001, slice_of(text, n),
			    masked ? key : NULL));
			assert_int_equal(ws_decode(&f, buf_slice(&b), &used),
			    E_OK);
			assert_true(f.fin && f.opcode == WS_CLOSE);
			assert_int_equal(f.length, b.n - used);
			ws_mask(area + used, area + used, b.n - used, f.key,
			    0);
			assert_int_equal(ws_close_parse(slice_from(
			    buf_slice(&b), used), &code, &reason), E_OK);
			assert_int_equal(code, 1001);
			assert_int_equal(reason.n, n == 124 ? 122 : n);
			buf_reset(&b);
			assert_true(ws_put_close(&b, 1001, SL(LONGEST), NULL));
			assert_int_equal(b.n, 2 + WS_CONTROL_MAX);
		}
	}
}

static void
puts_nothing_where_a_frame_does_not_fit(void **state)
{
	struct ws_frame f = { .opcode = WS_BINARY, .fin = true, .length = 126 };
	uint8_t area[3];
	struct buf b = BUF_ON(area);

	(void)state;
	assert_false(ws_encode(&b, &f));
	assert_int_equal(b.n, 0);
	buf_reset(&b);
	assert_false(ws_put_close(&b, 1000, SL(""), NULL));
	assert_int_equal(b.n, 0);
	buf_reset(&b);
	assert_true(ws_put_close(&b, WS_CODE_NONE, SL(""), NULL));
	assert_int_equal(b.n, 2);
}

static void
checks_the_fields_of_a_handshake(void **state)
{
	(void)state;
	assert_true(ws_key_valid(SL("dGhlIHNhbXBsZSBub25jZQ==")));
	assert_false(ws_key_valid(SL("")));
	assert_false(ws_key_valid(SL("dGhlIHNhbXBsZSBub25jZQ")));
	assert_false(ws_key_valid(SL("dGhlIHNhbXBsZSBub25jZR==")));
	assert_false(ws_key_valid(SL("dGhlIHNhbXBsZSBub25jZTE=")));
	assert_false(ws_key_valid(SL("dGhlIHNhbXBsZSBub25jZTEx")));
	assert_true(ws_version_valid(SL("13")));
	assert_false(ws_version_valid(SL("13, 8")));
	assert_false(ws_version_valid(SL("8")));
	assert_false(ws_version_valid(SL("")));
	assert_true(ws_list_has(SL("chat, adit.tunnel.1"),
	    SL("adit.tunnel.1")));
	assert_true(ws_list_has(SL("a,,\tb"), SL("b")));
	assert_true(ws_list_has(SL("!az09AZ~"), SL("!az09AZ~")));
	assert_false(ws_list_has(SL("a{"), SL("a{")));
	assert_false(ws_list_has(SL("chat, adit.tunnel.10"),
	    SL("adit.tunnel.1")));
	assert_false(ws_list_has(SL("Chat"), SL("chat")));
	assert_false(ws_list_has(SL("a b"), SL("a b")));
	assert_false(ws_list_has(SL(","), SL("")));
}

static void
reads_what_extensions_were_agreed(void **state)
{
	static const struct { const char *in; bool good; } vecs[] = {
		{ "permessage-deflate", true },
		{ " permessage-deflate ", true },
		{ "Permessage-Deflate", true },
		{ "permessage-deflate; server_no_context_takeover", true },
		{ "permessage-deflate;client_no_context_takeover;"
		    "server_max_window_bits=15 ; client_max_window_bits=\"8\"",
		    true },
		{ "", false },
		{ " ", false },
		{ ",", false },
		{ "permessage-deflate,", false },
		{ "permessage-deflate, permessage-deflate", false },
		{ "permessage-bzip2", false },
		{ "permessage-deflate, foo", false },
		{ "foo, permessage-deflate", false },
		{ "permessage-deflate foo", false },
		{ "permessage-deflate;", false },
		{ "permessage-deflate; x", false },
		{ "permessage-deflate; server_no_context_takeover=1", false },
		{ "permessage-deflate; server_no_context_takeover; "
		    "server_no_context_takeover", false },
		{ "permessage-deflate; server_no_context_takeover; "
		    "client_no_context_takeover; "
		    "server_no_context_takeover", false },
		{ "permessage-deflate \t;\t server_no_context_takeover\t ",
		    true },
		{ "permessage-deflate; client_max_window_bits", false },
		{ "permessage-deflate; client_max_window_bits=", false },
		{ "permessage-deflate; client_max_window_bits=7", false },
		{ "permessage-deflate; client_max_window_bits=16", false },
		{ "permessage-deflate; client_max_window_bits=08", false },
		{ "permessage-deflate; client_max_window_bits=\"8", false },
		{ "permessage-deflate; client_max_window_bits=\"\"", false },
		{ "permessage-deflate; client_max_window_bits= 8", false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(vecs); i++) {
		struct slice in = guard_slice(str(vecs[i].in));
		uint8_t bits = 0;
		enum err e = ws_extension_bits(in, &bits);

		CHECK(e == (vecs[i].good ? E_OK : E_WS_HANDSHAKE), vecs[i].in);
		CHECK(bits == (vecs[i].good ? WS_RSV1 : 0), vecs[i].in);
		if (e == E_OK) {
			CHECK(ws_extension_bits(in, &bits) == E_WS_HANDSHAKE,
			    "in a second field line");
		}
		guard_free(in);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_form_of_header),
		cmocka_unit_test(refuses_headers_that_no_frame_has),
		cmocka_unit_test(knows_every_first_byte),
		cmocka_unit_test(masks_any_length_alignment_and_offset),
		cmocka_unit_test(masks_in_pieces_as_in_one),
		cmocka_unit_test(passes_what_may_pass_whole_split_and_by_bytes),
		cmocka_unit_test(passes_payload_without_copying_it),
		cmocka_unit_test(knows_when_a_frame_of_ours_fits_in),
		cmocka_unit_test(follows_a_frame_longer_than_4_gib),
		cmocka_unit_test(knows_which_codes_may_stand_on_the_wire),
		cmocka_unit_test(reads_the_payload_of_a_close),
		cmocka_unit_test(answers_an_error_with_its_code),
		cmocka_unit_test(puts_close_frames_that_it_reads_back),
		cmocka_unit_test(puts_nothing_where_a_frame_does_not_fit),
		cmocka_unit_test(checks_the_fields_of_a_handshake),
		cmocka_unit_test(reads_what_extensions_were_agreed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
