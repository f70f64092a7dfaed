/*
 * What a peer that breaks the rules gets: for each rule the exact error, the
 * exact close code, and an engine that stays failed. And what looks odd but is
 * allowed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/num.h"
#include "guard.h"
#include "pair.h"

/* What the victim has seen before: see prepare(). */
enum stage { AT_HELLO, AT_PROVISIONAL, AT_LIVE, AT_STREAMS };

static void
put_hex(struct buf *b, const char *hex)
{
	for (; *hex != '\0'; hex++) {
		char t[3] = { hex[0], hex[1], 0 };

		if (*hex == ' ')
			continue;
		buf_put_u8(b, (uint8_t)strtoul(t, NULL, 16));
		hex++;
	}
	MUST(buf_ok(b));
}

/* A frame of `opcode` (with its FIN and reserved bits) to d, right masked. */
static void
put_ws(struct buf *b, const struct side *d, uint8_t first, struct slice s)
{
	static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };
	bool masked = d->dir == 0;

	buf_put_u8(b, first);
	if (s.n < 126) {
		buf_put_u8(b, (uint8_t)(s.n | (masked ? 0x80u : 0)));
	} else {
		buf_put_u8(b, masked ? 0xfe : 126);
		buf_put_u16(b, (uint16_t)s.n);
	}
	if (masked)
		buf_put(b, slice_of(key, 4));
	for (size_t i = 0; i < s.n; i++)
		buf_put_u8(b, masked ? s.p[i] ^ key[i % 4] : s.p[i]);
	MUST(buf_ok(b));
}

/* Bytes to the engine of d, through a guard page; cut every `step`. */
static enum err
give(struct side *d, struct slice s, size_t step)
{
	enum err e = d->t.err;

	for (size_t i = 0; i < s.n; i += step) {
		size_t n = min_size(step, s.n - i);
		struct slice g = guard_put(s.p + i, n);
		union { const uint8_t *p; uint8_t *q; } u = { g.p };

		e = tunnel_input(&d->t, u.q, n, d->pair->now_ms);
		guard_free(g);
	}
	return e;
}

static enum err
give_message(struct side *d, const char *hex)
{
	static uint8_t payload[40000], area[41000];
	struct buf p = BUF_ON(payload), b = BUF_ON(area);

	put_hex(&p, hex);
	put_ws(&b, d, 0x82, buf_slice(&p));
	return give(d, buf_slice(&b), b.n);
}

/* A DATA frame of n bytes, from `off` on, for a stream. */
static enum err
give_data(struct side *d, uint32_t id, size_t off, size_t n)
{
	static uint8_t payload[20000], area[21000];
	struct buf b = BUF_ON(area);

	memset(payload, 0, sizeof payload);
	for (size_t i = 0; i < n; i++)
		payload[8 + i] = pair_byte(id - 1, !d->dir, off + i);
	payload[0] = FRAME_DATA;
	set_u32(payload + 4, id);
	put_ws(&b, d, 0x82, slice_of(payload, n + 8));
	return give(d, buf_slice(&b), b.n);
}

/* The code of the Close that d composes now; 0 if there is none. */
static unsigned
close_of(struct side *d)
{
	static uint8_t area[TUNNEL_OUTPUT_BYTES];
	unsigned code = 0;
	size_t n, used;

	n = tunnel_output(&d->t, area, sizeof area, d->pair->now_ms);
	for (struct slice in = slice_of(area, n); in.n > 0;) {
		uint8_t two[2] = { 0, 0 };
		struct ws_frame f;

		MUST(ws_decode(&f, in, &used) == E_OK);
		in = slice_from(in, used);
		if (f.opcode == WS_CLOSE) {
			MUST(code == 0 && f.length <= 2);
			ws_mask(two, in.p, (size_t)f.length, f.key, 0);
			code = f.length == 2 ? get_u16(two) : WS_CODE_NONE;
			MUST(in.n == f.length);         /* the last */
		}
		in = slice_from(in, (size_t)f.length);
	}
	MUST(!tunnel_wants(&d->t, d->pair->now_ms));
	return code;
}

/*
 * AT_STREAMS: stream 1 is open, nothing ended, its owner reads nothing; 2 was
 * opened and reset by the agent; 3 has an END from each... none of stream 4.
 */
static struct pair *
prepare(enum stage stage)
{
	struct pair *w = pair_new(1);
	struct rec *c;

	pair_begin(w);
	if (stage == AT_HELLO)
		return w;
	if (stage == AT_PROVISIONAL) {
		pair_out(&w->agent, SIZE_MAX);
		pair_in(&w->agent, SIZE_MAX);
		pair_out(&w->relay, SIZE_MAX);
		pair_in(&w->relay, SIZE_MAX);
		return w;
	}
	pair_quiet(w);
	if (stage == AT_LIVE)
		return w;
	for (int i = 0; i < 3; i++)
		MUST(pair_open(w, 1000) != NULL);
	pair_quiet(w);
	c = pair_rec(&w->agent, 1);
	tunnel_reset(&c->s, RESET_CANCELLED);
	c->used = false;
	c = pair_rec(&w->relay, 2);
	c->planned = 0;
	c->fail_at_end = false;
	rec_feed(c, SIZE_MAX);
	c = pair_rec(&w->agent, 2);
	c->planned = 0;
	c->fail_at_end = false;
	rec_feed(c, SIZE_MAX);
	pair_quiet(w);
	MUST(w->relay.t.nstreams == 1 && w->agent.t.nstreams == 1);
	return w;
}

enum { RELAY = 1, AGENT = 2, BOTH = 3 };

static const struct vec {
	const char *why;
	enum stage stage;
	unsigned victim;
	const char *messages;           /* frames in hex, one after `;` */
	enum err err;
} frames[] = {
	{ "an empty message", AT_LIVE, BOTH, "", E_MUX_FRAME },
	{ "a head cut short", AT_LIVE, BOTH, "02000000000000", E_MUX_FRAME },
	{ "type 0", AT_LIVE, BOTH, "0000000000000000", E_MUX_FRAME },
	{ "type 9", AT_LIVE, BOTH, "0900000000000001", E_MUX_FRAME },
	{ "a flag", AT_STREAMS, BOTH, "0301000000000001", E_MUX_FRAME },
	{ "zero not zero", AT_STREAMS, BOTH, "0300000100000001", E_MUX_FRAME },
	{ "stream 2^31", AT_STREAMS, BOTH, "0300000080000000", E_MUX_FRAME },
	{ "END of the session", AT_LIVE, BOTH, "0300000000000000",
	    E_MUX_FRAME },
	{ "DATA of the session", AT_LIVE, BOTH, "020000000000000061",
	    E_MUX_FRAME },
	{ "ACK of a stream", AT_STREAMS, BOTH,
	    "07000000000000010000000000000000", E_MUX_FRAME },
	{ "GOAWAY of a stream", AT_STREAMS, BOTH,
	    "08000000000000010000000100000000", E_MUX_FRAME },
	{ "DATA without bytes", AT_STREAMS, BOTH, "0200000000000001",
	    E_MUX_FRAME },
	{ "END with a payload", AT_STREAMS, BOTH, "030000000000000100",
	    E_MUX_FRAME },
	{ "STOP with a payload", AT_STREAMS, BOTH, "040000000000000100",
	    E_MUX_FRAME },
	{ "RESET cut short", AT_STREAMS, BOTH, "0500000000000001000001",
	    E_MUX_FRAME },
	{ "RESET code 0", AT_STREAMS, BOTH, "050000000000000100000000",
	    E_MUX_FRAME },
	{ "RESET code without a row", AT_STREAMS, BOTH,
	    "050000000000000100000009", E_MUX_FRAME },
	{ "CREDIT of 0", AT_STREAMS, BOTH, "060000000000000100000000",
	    E_MUX_FRAME },
	{ "CREDIT of 0 for the session", AT_LIVE, BOTH,
	    "060000000000000000000000", E_MUX_FRAME },
	{ "CREDIT of 2^31", AT_STREAMS, BOTH, "060000000000000180000000",
	    E_MUX_FRAME },
	{ "CREDIT with a byte too many", AT_STREAMS, BOTH,
	    "06000000000000010000000100", E_MUX_FRAME },
	{ "ACK of 7 bytes", AT_LIVE, BOTH, "0700000000000000 00000000000000",
	    E_MUX_FRAME },
	{ "GOAWAY reason 0", AT_LIVE, BOTH, "08000000000000000000000000000000",
	    E_MUX_FRAME },
	{ "GOAWAY reason without a row", AT_LIVE, BOTH,
	    "08000000000000000000000400000000", E_MUX_FRAME },
	{ "GOAWAY in more than a day", AT_LIVE, BOTH,
	    "080000000000000000000001 05265c01", E_MUX_FRAME },
	{ "a credit that wraps", AT_STREAMS, BOTH, "0600000000000001 7fff0000",
	    E_MUX_WRAP },
	{ "a session credit that wraps", AT_LIVE, BOTH,
	    "0600000000000000 7ff00000", E_MUX_WRAP },
	{ "ACK above what was sent", AT_LIVE, BOTH,
	    "0700000000000000 0000000000000001", E_MUX_ACK },
	{ "ACK that falls", AT_STREAMS, AGENT,
	    "0700000000000000 0000000000000001", E_MUX_ACK },
	{ "ACK that falls", AT_STREAMS, RELAY,
	    "0700000000000000 0000000000000003", E_MUX_ACK },
	{ "DATA for a stream never opened", AT_STREAMS, BOTH,
	    "020000000000000461", E_MUX_STREAM },
	{ "END for a stream never opened", AT_STREAMS, BOTH,
	    "0300000000000004", E_MUX_STREAM },
	{ "STOP for a stream never opened", AT_STREAMS, BOTH,
	    "0400000000000004", E_MUX_STREAM },
	{ "RESET for a stream never opened", AT_STREAMS, BOTH,
	    "050000000000000400000001", E_MUX_STREAM },
	{ "CREDIT for a stream never opened", AT_STREAMS, BOTH,
	    "060000000000000400000001", E_MUX_STREAM },
	{ "OPEN from an agent", AT_STREAMS, RELAY,
	    "0100000000000004 01 0177 00 00 0468747470", E_MUX_STREAM },
	{ "OPEN with a gap", AT_STREAMS, AGENT,
	    "0100000000000005 01 0177 00 00 0468747470", E_MUX_STREAM },
	{ "OPEN twice", AT_STREAMS, AGENT,
	    "0100000000000003 01 0177 00 00 0468747470", E_MUX_STREAM },
	{ "OPEN of an app without a name", AT_STREAMS, AGENT,
	    "0100000000000004 01 00 00 00 0468747470", E_MUX_FRAME },
	{ "OPEN of a bad name", AT_STREAMS, AGENT,
	    "0100000000000004 01 0141 00 00 0468747470", E_MUX_FRAME },
	{ "OPEN of kind 3", AT_STREAMS, AGENT,
	    "0100000000000004 03 0177 00 00 00", E_MUX_FRAME },
	{ "OPEN with a tail", AT_STREAMS, AGENT,
	    "0100000000000004 01 0177 00 00 0468747470 00", E_MUX_FRAME },
	{ "OPEN of a scheme that is none", AT_STREAMS, AGENT,
	    "0100000000000004 01 0177 00 00 03667470", E_MUX_FRAME },
	{ "DATA after END", AT_STREAMS, BOTH,
	    "0300000000000001; 020000000000000161", E_MUX_STREAM },
	{ "END after END", AT_STREAMS, BOTH,
	    "0300000000000001; 0300000000000001", E_MUX_STREAM },
	{ "STOP twice", AT_STREAMS, BOTH,
	    "0400000000000001; 0400000000000001", E_MUX_STREAM },
	{ "GOAWAY twice", AT_LIVE, BOTH,
	    "08000000000000000000000100001000;"
	    "08000000000000000000000100001000", E_MUX_STREAM },
	{ "OPEN after the relay's GOAWAY", AT_STREAMS, AGENT,
	    "08000000000000000000000100001000;"
	    "0100000000000004 01 0177 00 00 0468747470", E_MUX_STREAM },
	{ "a frame before the hello is answered", AT_HELLO, BOTH,
	    "07000000000000000000000000000000", E_MUX_HELLO },
	{ "a first frame that is no ACK", AT_PROVISIONAL, BOTH,
	    "060000000000000000000001", E_MUX_FRAME },
	{ "a first ACK of what was never sent", AT_PROVISIONAL, BOTH,
	    "07000000000000000000000000000001", E_MUX_ACK },
};

static void
run_row(const struct vec *v, struct pair *w, struct side *d)
{
	char text[400];
	char *at = text, *next;
	enum err e = E_OK;

	snprintf(text, sizeof text, "%s", v->messages);
	while (at != NULL) {
		next = strchr(at, ';');
		if (next != NULL)
			*next++ = '\0';
		if (e != E_OK)
			fail_msg("%s: too early: %s", v->why, err_name(e));
		e = give_message(d, at);
		at = next;
	}
	if (e != v->err)
		fail_msg("%s: %s", v->why, err_name(e));
	/* It stays so, whatever comes. */
	assert_int_equal(give_message(d, "0300000000000001"), v->err);
	assert_int_equal(d->t.state, TUNNEL_CLOSED);
	assert_int_equal(close_of(d), CLOSE_PROTOCOL);
	assert_int_equal(d->t.nstreams, 0);
	tunnel_check(&d->t);
	pair_free(w);
}

static void
a_broken_rule_ends_the_session_with_4001(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
		struct pair *w;

		if (frames[i].victim & RELAY) {
			w = prepare(frames[i].stage);
			run_row(&frames[i], w, &w->relay);
		}
		if (frames[i].victim & AGENT) {
			w = prepare(frames[i].stage);
			run_row(&frames[i], w, &w->agent);
		}
	}
}

/* Bytes as they are; `%` stands for the mask bit of the direction. */
static const struct raw {
	const char *why;
	enum stage stage;
	unsigned victim;
	const char *hex;
	enum err err;
	unsigned code;
} raws[] = {
	{ "an unmasked frame to the relay", AT_LIVE, RELAY,
	    "8210 0700000000000000 0000000000000000", E_WS_MASK, 1002 },
	{ "a masked frame to the agent", AT_LIVE, AGENT,
	    "8290 00000000 0700000000000000 0000000000000000", E_WS_MASK,
	    1002 },
	{ "an unmasked ping to the relay", AT_LIVE, RELAY, "8900", E_WS_MASK,
	    1002 },
	{ "a reserved bit", AT_LIVE, AGENT, "c200", E_WS_RESERVED, 1002 },
	{ "a reserved opcode", AT_LIVE, AGENT, "8300", E_WS_OPCODE, 1002 },
	{ "a reserved control opcode", AT_LIVE, AGENT, "8b00", E_WS_OPCODE,
	    1002 },
	{ "a fragmented ping", AT_LIVE, AGENT, "0900", E_WS_CONTROL, 1002 },
	{ "a ping of 126 bytes", AT_LIVE, AGENT, "897e007e", E_WS_CONTROL,
	    1002 },
	{ "a length that could be shorter", AT_LIVE, AGENT, "827e0010",
	    E_WS_LENGTH, 1002 },
	{ "a continuation of nothing", AT_LIVE, AGENT, "8000", E_WS_FRAGMENT,
	    1002 },
	{ "a message inside of a message", AT_LIVE, AGENT,
	    "0204 07000000 8200", E_WS_FRAGMENT, 1002 },
	{ "a Close of one byte", AT_LIVE, AGENT, "880103", E_WS_CLOSE, 1002 },
	{ "a Close with a code that may not be sent", AT_LIVE, AGENT,
	    "880203ed", E_WS_CLOSE, 1002 },
	{ "a Close whose reason is not UTF-8", AT_LIVE, AGENT,
	    "880303e8ff", E_WS_UTF8, 1007 },
	{ "a hello that is not UTF-8", AT_HELLO, AGENT, "81027bff",
	    E_WS_UTF8, 1007 },
	{ "text when frames pass", AT_LIVE, AGENT, "81027b7d", E_MUX_FRAME,
	    4001 },
	{ "text when frames pass", AT_LIVE, RELAY, "8182000000007b7d",
	    E_MUX_FRAME, 4001 },
	{ "a second hello", AT_PROVISIONAL, RELAY, "8182000000007b7d",
	    E_MUX_FRAME, 4001 },
	{ "a second welcome", AT_PROVISIONAL, AGENT, "81027b7d", E_MUX_FRAME,
	    4001 },
	{ "a hello of 16385 bytes, told by its head", AT_HELLO, RELAY,
	    "81fe4001", E_MUX_FRAME, 4001 },
	{ "a frame of 16385 bytes of DATA, told by its head", AT_LIVE, AGENT,
	    "827e4009", E_MUX_FRAME, 4001 },
	{ "a frame of 2^40 bytes", AT_LIVE, RELAY, "82ff0000010000000000",
	    E_MUX_FRAME, 4001 },
	{ "fragments that add up to too much", AT_STREAMS, AGENT,
	    "0209 020000000000000100 807e4000", E_MUX_FRAME, 4001 },
	{ "a control frame too long, in fragments", AT_STREAMS, AGENT,
	    "0208 0300000000000001 800100", E_MUX_FRAME, 4001 },
};

static void
what_breaks_rfc_6455_gets_its_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof raws / sizeof raws[0]; i++) {
		for (size_t step = 1; step < 100; step += 98) {
			const struct raw *v = &raws[i];
			struct pair *w = prepare(v->stage);
			struct side *d = v->victim == RELAY ? &w->relay :
			    &w->agent;
			uint8_t area[200];
			struct buf b = BUF_ON(area);
			enum err e;

			put_hex(&b, v->hex);
			buf_put(&b, slice_of("1234567890123456", 16));
			e = give(d, buf_slice(&b), step);
			if (e != v->err)
				fail_msg("%s: %s", v->why, err_name(e));
			if (close_of(d) != v->code)
				fail_msg("%s: close %u", v->why, v->code);
			pair_free(w);
		}
	}
}

static void
data_beyond_a_streams_credit_is_an_error(void **state)
{
	struct pair *w = prepare(AT_STREAMS);

	(void)state;
	/* All that was granted is fine; the relay's owner just keeps it. */
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(give_data(&w->relay, 1, i * 16384, 16384),
		    E_OK);
	assert_int_equal(give_data(&w->relay, 1, 65536, 1), E_MUX_CREDIT);
	assert_int_equal(close_of(&w->relay), CLOSE_PROTOCOL);
	pair_free(w);
}

/* † What is dropped counts: 1.6 MiB for nobody is the session's bound. */
static void
data_beyond_the_sessions_credit_is_an_error(void **state)
{
	struct pair *w = prepare(AT_STREAMS);
	enum err e = E_OK;
	int n = 0;

	(void)state;
	while (e == E_OK && n < 1000) {
		e = give_data(&w->agent, 2, 0, 16384);
		n++;
	}
	assert_int_equal(e, E_MUX_CREDIT);
	assert_int_equal(n, (PAIR_LIMIT + 1) * 4 + 1);
	pair_free(w);
}

static void
an_open_beyond_the_limit_is_an_error(void **state)
{
	struct pair *w = prepare(AT_LIVE);
	char hex[100];
	enum err e = E_OK;
	unsigned id = 0;

	(void)state;
	while (e == E_OK && id < 100) {
		snprintf(hex, sizeof hex, "01000000%08x 01 03776562 02%02x%02x "
		    "00 0468747470", id + 1, '0' + id / 10, '0' + id % 10);
		e = give_message(&w->agent, hex);
		id++;
	}
	assert_int_equal(e, E_MUX_LIMIT);
	assert_int_equal(id, PAIR_LIMIT + 1);
	assert_int_equal(close_of(&w->agent), CLOSE_PROTOCOL);
	pair_free(w);
}

static void
a_welcome_with_more_streams_than_told_is_refused(void **state)
{
	struct pair *w = pair_new(1);
	struct tunnel_limits l = w->relay.cfg.ours;

	(void)state;
	l.streams++;
	l.session += l.window;
	pair_begin(w);
	w->agent.t.hello_got = true;
	tunnel_welcomed(&w->agent.t, &l);
	assert_int_equal(w->agent.t.err, E_MUX_HELLO);
	assert_int_equal(close_of(&w->agent), CLOSE_PROTOCOL);
	pair_free(w);
}

/* --- allowed ------------------------------------------------------------ */

static void
frames_of_closed_streams_are_dropped(void **state)
{
	static const char *const late[] = {
		"020000000000000261", "0300000000000002", "0400000000000002",
		"050000000000000200000006", "060000000000000200000001",
		"020000000000000361", "0300000000000003",
		"05000000 00000003 00000001", "0400000000000003",
	};

	(void)state;
	for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
		struct pair *w = prepare(AT_STREAMS);

		assert_int_equal(give_message(&w->relay, late[i]), E_OK);
		assert_int_equal(give_message(&w->agent, late[i]), E_OK);
		tunnel_check(&w->relay.t);
		tunnel_check(&w->agent.t);
		assert_int_equal(w->relay.t.nstreams, 1);
		pair_free(w);
	}
}

/* A message of 9 bytes as three fragments, with a ping between two. */
static void
fragments(size_t first, size_t second, size_t step)
{
	struct pair *w = prepare(AT_STREAMS);
	struct side *d = &w->agent;
	uint8_t frame[9] = { FRAME_DATA, 0, 0, 0, 0, 0, 0, 1 }, area[100];
	struct slice m = slice_of(frame, sizeof frame);
	struct buf b = BUF_ON(area);

	frame[8] = pair_byte(0, 0, 0);
	put_ws(&b, d, 0x02, slice_head(m, first));
	put_ws(&b, d, 0x89, SL("?"));
	put_ws(&b, d, 0x00, slice_head(slice_from(m, first), second - first));
	put_ws(&b, d, 0x80, slice_from(m, second));
	assert_int_equal(give(d, buf_slice(&b), step), E_OK);
	assert_int_equal(pair_rec(d, 0)->got, 1);
	assert_int_equal(d->t.in.message, 0);
	pair_free(w);
}

static void
messages_may_come_in_fragments(void **state)
{
	(void)state;
	for (size_t first = 0; first <= 9; first++)
		for (size_t second = first; second <= 9; second++) {
			fragments(first, second, 1);
			fragments(first, second, 100);
		}
}

static void
a_ping_is_answered_with_its_payload_the_latest_first(void **state)
{
	struct pair *w = prepare(AT_LIVE);
	uint8_t area[200];
	struct buf b = BUF_ON(area);
	size_t n;

	(void)state;
	put_ws(&b, &w->agent, 0x89, SL("one"));
	put_ws(&b, &w->agent, 0x89, SL("three"));
	assert_int_equal(give(&w->agent, buf_slice(&b), 1), E_OK);
	assert_true(tunnel_wants(&w->agent.t, w->now_ms));
	n = pair_out(&w->agent, SIZE_MAX);
	assert_int_equal(n, 2 + 4 + 5);
	assert_int_equal(w->agent.pipe[0], 0x8a);
	assert_int_equal(w->agent.pipe[1], 0x80 | 5);
	ws_mask(w->agent.pipe + 6, w->agent.pipe + 6, 5, w->agent.pipe + 2, 0);
	assert_memory_equal(w->agent.pipe + 6, "three", 5);
	w->agent.pipe_n = 0;
	pair_free(w);
}

static void
a_pong_that_nobody_asked_for_is_dropped(void **state)
{
	struct pair *w = prepare(AT_LIVE);
	uint8_t area[200];
	struct buf b = BUF_ON(area);

	(void)state;
	put_ws(&b, &w->agent, 0x8a, SL("whatever"));
	put_ws(&b, &w->agent, 0x8a, SL(""));
	assert_int_equal(give(&w->agent, buf_slice(&b), 1), E_OK);
	assert_false(tunnel_wants(&w->agent.t, w->now_ms));
	assert_int_equal(tunnel_stats(&w->agent.t).rtt_ms, 0);
	pair_free(w);
}

/* † One of our codes ends the session; a proxy's 1001 is only a cut. */
static void
only_our_close_codes_end_a_session(void **state)
{
	static const struct { unsigned code; bool final; } rows[] = {
		{ 1000, false }, { 1001, false }, { 1002, false },
		{ 1006 - 1, false }, { 3000, false }, { 4999, false },
		{ 4000, true }, { 4001, true }, { 4002, true }, { 4003, true },
		{ 4004, true }, { 4005, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pair *w = prepare(AT_STREAMS);
		uint8_t area[20], code[2];
		struct buf b = BUF_ON(area);
		size_t n = 2;

		set_u16(code, (uint16_t)rows[i].code);
		if (rows[i].code == WS_CODE_NONE)
			n = 0;
		put_ws(&b, &w->agent, 0x88, slice_of(code, n));
		assert_int_equal(give(&w->agent, buf_slice(&b), 1), E_EOF);
		assert_int_equal(tunnel_close_code(&w->agent.t), rows[i].code);
		assert_int_equal(tunnel_close_final(rows[i].code),
		    rows[i].final);
		assert_int_equal(close_of(&w->agent), rows[i].code);
		assert_int_equal(w->agent.t.nstreams, rows[i].final ? 0 : 1);
		assert_int_equal(w->agent.fate[0].was_reset, rows[i].final);
		pair_free(w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_broken_rule_ends_the_session_with_4001),
		cmocka_unit_test(what_breaks_rfc_6455_gets_its_code),
		cmocka_unit_test(data_beyond_a_streams_credit_is_an_error),
		cmocka_unit_test(data_beyond_the_sessions_credit_is_an_error),
		cmocka_unit_test(an_open_beyond_the_limit_is_an_error),
		cmocka_unit_test(
		    a_welcome_with_more_streams_than_told_is_refused),
		cmocka_unit_test(frames_of_closed_streams_are_dropped),
		cmocka_unit_test(messages_may_come_in_fragments),
		cmocka_unit_test(
		    a_ping_is_answered_with_its_payload_the_latest_first),
		cmocka_unit_test(a_pong_that_nobody_asked_for_is_dropped),
		cmocka_unit_test(only_our_close_codes_end_a_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
