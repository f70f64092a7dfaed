/*
 * The 301 cases of tests/vectors/ws/cases.json. Each is turned into the bytes
 * that the tester would send; a small endpoint, made of ws_decode, ws_admit,
 * ws_mask, utf8_step and ws_close_parse, has to see and to answer what the
 * case expects. Each case runs with the endpoint alone and with a follower in
 * front of it as a proxy would have one, whole, in the case's own pieces and
 * (if it is short) byte by byte.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "codec/utf8.h"
#include "codec/ws.h"
#include "vec.h"

enum {
	STREAM_MAX = 24 << 20,
	TRIPS_MAX = 2000,
	PIECES_MAX = 1 << 21,
	SHORT = 4096,                   /* bytes; below: also byte by byte */
};

static const uint8_t mask_key[4] = { 0x37, 0xfa, 0x21, 0x3d };

/* What the tester sends: the bytes, and where its writes end. */
struct sent {
	struct buf bytes;
	size_t *ends;
	size_t n_ends;
	bool closes;            /* has a close frame of its own */
};

struct endpoint {
	struct ws_rules rules;
	struct buf in;          /* not yet decoded */
	struct ws_frame f;
	uint64_t left;          /* of the frame's payload */
	bool in_frame;
	struct utf8 text;
	uint8_t message_opcode;
	struct buf message;
	uint8_t control[WS_CONTROL_MAX];
	size_t n_control;
	uint16_t answered;      /* close code we sent; 0: none */
	enum err err;
	struct json_iter due;   /* what the case expects next */
	const char *what;
	uint64_t trips;         /* messages that an expected "trips" counts */
	bool differs;
	size_t seen;            /* events */
};

/* ---- the tester ---- */

static void
end_write(struct sent *s)
{
	if (s->n_ends > 0 && s->ends[s->n_ends - 1] == s->bytes.n)
		return;
	assert_true(s->n_ends < PIECES_MAX);
	s->ends[s->n_ends++] = s->bytes.n;
}

/* { "hex": ..} or { "repeat_hex": .., "length": .. } */
static void
put_payload(struct buf *out, struct json p)
{
	struct slice repeat = vec_text(p, "repeat_hex");
	size_t from = out->n, want;

	if (repeat.n == 0) {
		vec_hex(out, vec_text(p, "hex"));
		return;
	}
	want = from + (size_t)vec_num(p, "length");
	vec_hex(out, repeat);
	while (out->n < want)
		buf_put(out, slice_head(slice_of(out->p + from, out->n - from),
		    want - out->n));
	out->n = want;
}

static void
put_head(struct sent *s, unsigned opcode, bool fin, unsigned rsv, uint64_t n)
{
	struct ws_frame f = { .opcode = 2, .fin = true, .masked = true,
	    .length = n };
	size_t at = s->bytes.n;

	/* ws_encode refuses what is wrong; so the first byte is put after. */
	memcpy(f.key, mask_key, 4);
	ws_encode(&s->bytes, &f);
	s->bytes.p[at] = (uint8_t)((fin ? 0x80u : 0u) | rsv << 4 | opcode);
}

static void
put_frame(struct sent *s, unsigned opcode, bool fin, unsigned rsv,
    struct slice payload)
{
	size_t at;

	put_head(s, opcode, fin, rsv, payload.n);
	at = s->bytes.n;
	buf_put(&s->bytes, payload);
	ws_mask(s->bytes.p + at, s->bytes.p + at, payload.n, mask_key, 0);
}

static void
put_split(struct sent *s, struct json split, struct buf *tmp)
{
	size_t step = (size_t)vec_num(split, "fragment");
	unsigned opcode = (unsigned)vec_num(split, "opcode");
	struct slice rest;

	buf_reset(tmp);
	put_payload(tmp, vec_get(split, "message"));
	for (rest = buf_slice(tmp); rest.n > 0; rest = slice_from(rest, step)) {
		put_frame(s, opcode, rest.n <= step, 0, slice_head(rest, step));
		opcode = 0;
	}
}

/* A piece of one frame whose length was announced; masked on the way. */
static void
put_piece(struct sent *s, struct json e, size_t *offset)
{
	uint8_t area[64];
	struct buf piece = BUF_ON(area);
	uint64_t n = vec_num(e, "announced_length");

	if (n > 0) {
		put_head(s, (unsigned)vec_num(e, "opcode"), true, 0, n);
		*offset = 0;
	}
	vec_hex(&piece, vec_text(e, "frame_piece"));
	ws_mask(area, area, piece.n, mask_key, *offset);
	*offset += piece.n;
	buf_put(&s->bytes, buf_slice(&piece));
}

static void
put_close(struct sent *s, struct json e)
{
	uint8_t area[256];
	struct buf p = BUF_ON(area);

	if (vec_get(e, "close").kind != JSON_NONE) {
		buf_put_u16(&p, (uint16_t)vec_num(e, "close"));
		buf_put(&p, vec_text(e, "reason"));
	} else {
		vec_hex(&p, vec_text(e, "close_payload"));
	}
	put_frame(s, WS_CLOSE, true, 0, buf_slice(&p));
	s->closes = true;
}

static void
put_element(struct sent *s, struct json e, struct buf *tmp, size_t *offset)
{
	uint64_t trips = vec_num(e, "round_trips");
	size_t from = s->bytes.n, step = (size_t)vec_num(e, "write_size");

	if (vec_get(e, "wait_ms").kind != JSON_NONE || trips > 0 ||
	    vec_true(e, "own_write"))
		end_write(s);
	if (vec_get(e, "frame_piece").kind != JSON_NONE) {
		put_piece(s, e, offset);
	} else if (vec_get(e, "close").kind != JSON_NONE ||
	    vec_get(e, "close_payload").kind != JSON_NONE) {
		put_close(s, e);
	} else if (vec_get(e, "payload").kind != JSON_NONE) {
		buf_reset(tmp);
		put_payload(tmp, vec_get(e, "payload"));
		for (uint64_t i = 0; i < trips + (trips == 0); i++) {
			put_frame(s, (unsigned)vec_num(e, "opcode"),
			    trips > 0 || vec_true(e, "fin"),
			    (unsigned)vec_num(e, "rsv"), buf_slice(tmp));
			if (trips > 0)
				end_write(s);
		}
	}
	for (; step > 0 && from < s->bytes.n; from += step)
		if (from > 0)
			s->ends[s->n_ends++] = from;
	assert_true(buf_ok(&s->bytes) && s->n_ends < PIECES_MAX);
}

static void
build(struct sent *s, struct json send, struct buf *tmp)
{
	struct json_iter it;
	struct json name, e;
	size_t offset = 0;

	buf_reset(&s->bytes);
	s->n_ends = 0;
	s->closes = false;
	if (send.kind == JSON_OBJECT) {
		put_split(s, vec_get(send, "split"), tmp);
	} else {
		json_iter(&it, send);
		while (json_next(&it, &name, &e))
			put_element(s, e, tmp, &offset);
	}
	if (!s->closes)
		put_frame(s, WS_CLOSE, true, 0, SL("\x03\xe8"));
	end_write(s);
	assert_true(buf_ok(&s->bytes));
}

/* ---- the endpoint ---- */

/* The next expected event; marks of time are not for us. */
static struct json
next_due(struct endpoint *p)
{
	struct json name, e = { 0 };

	while (json_next(&p->due, &name, &e)) {
		if (vec_get(e, "still_open_after").kind == JSON_NONE)
			return e;
	}
	return (struct json){ 0 };
}

static bool
same_payload(struct slice got, struct json want, struct buf *tmp)
{
	buf_reset(tmp);
	put_payload(tmp, want);
	return slice_eq(got, buf_slice(tmp));
}

static struct buf scratch;

static void
event(struct endpoint *p, const char *kind, struct slice got, bool binary)
{
	struct json e, v;

	p->seen++;
	if (p->trips > 0) {
		p->trips--;
		return;
	}
	e = next_due(p);
	if (e.kind == JSON_NONE) {
		p->differs = true;
		return;
	}
	if (vec_get(e, "trips").kind == JSON_STRING) {
		uint64_t n = 0;

		p->differs |= !slice_dec(vec_text(e, "trips"), TRIPS_MAX, &n);
		p->trips = n - 1;
		return;
	}
	v = vec_get(e, kind);
	if (v.kind == JSON_NONE || !same_payload(got, v, &scratch))
		p->differs = true;
	else if (vec_get(e, "binary").kind != JSON_NONE)
		p->differs |= vec_true(e, "binary") != binary;
}

static void
end_of_frame(struct endpoint *p)
{
	struct slice payload = slice_of(p->control, p->n_control), reason;
	uint16_t code;

	p->in_frame = false;
	switch (p->f.opcode) {
	case WS_PING:
		event(p, "pong", payload, false);
		break;
	case WS_PONG:
		break;
	case WS_CLOSE:
		p->err = ws_close_parse(payload, &code, &reason);
		if (p->err == E_OK)
			p->answered = code == WS_CODE_NONE ? 1000 : code;
		break;
	default:
		if (!p->f.fin)
			break;
		if (p->message_opcode == WS_TEXT && !utf8_end(&p->text)) {
			p->err = E_WS_UTF8;
			break;
		}
		event(p, "message", buf_slice(&p->message),
		    p->message_opcode == WS_BINARY);
	}
}

/* Some unmasked payload of the current frame. */
static void
payload(struct endpoint *p, struct slice in)
{
	if (p->f.opcode >= WS_CLOSE) {
		assert_true(in.n <= sizeof p->control - p->n_control);
		memcpy(p->control + p->n_control, in.p, in.n);
		p->n_control += in.n;
		return;
	}
	if (p->message_opcode == WS_TEXT && !utf8_step(&p->text, in))
		p->err = E_WS_UTF8;
	buf_put(&p->message, in);
}

static void
begin_frame(struct endpoint *p)
{
	p->in_frame = true;
	p->left = p->f.length;
	p->n_control = 0;
	if (p->f.opcode == WS_TEXT || p->f.opcode == WS_BINARY) {
		p->message_opcode = p->f.opcode;
		p->text = (struct utf8){ 0 };
		buf_reset(&p->message);
	}
}

static void
receive(struct endpoint *p, struct slice in)
{
	static uint8_t chunk[65536];
	uint8_t head[WS_HEAD_MAX];

	while (p->err == E_OK && p->answered == 0) {
		struct slice part;
		size_t n, used, old = p->in.n;

		if (!p->in_frame) {
			/* At most 14 bytes: what was left, then what came. */
			n = in.n < WS_HEAD_MAX - old ? in.n :
			    WS_HEAD_MAX - old;
			if (old > 0)
				memcpy(head, p->in.p, old);
			if (n > 0)
				memcpy(head + old, in.p, n);
			p->err = ws_decode(&p->f, slice_of(head, old + n),
			    &used);
			if (p->err == E_MORE) {
				buf_put(&p->in, slice_head(in, n));
				p->err = E_OK;
				return;
			}
			if (p->err == E_OK)
				p->err = ws_admit(&p->rules, &p->f);
			if (p->err != E_OK)
				return;
			in = slice_from(in, used - old);
			buf_reset(&p->in);
			begin_frame(p);
		}
		n = p->left < in.n ? (size_t)p->left : in.n;
		n = n < sizeof chunk ? n : sizeof chunk;
		part = slice_head(in, n);
		ws_mask(chunk, part.p, n, p->f.key, p->f.length - p->left);
		payload(p, slice_of(chunk, n));
		p->left -= n;
		in = slice_from(in, n);
		if (p->left == 0 && p->err == E_OK)
			end_of_frame(p);
		else if (in.n == 0)
			return;
	}
}

/* ---- one case, one way of feeding it ---- */

enum pieces { WHOLE, AS_WRITTEN, BYTES };

static size_t
piece_end(const struct sent *s, size_t at, enum pieces how, size_t *i)
{
	if (how == WHOLE)
		return s->bytes.n;
	if (how == BYTES)
		return at + 1;
	while (s->ends[*i] <= at)
		(*i)++;
	return s->ends[*i];
}

static void
run(struct endpoint *p, const struct sent *s, enum pieces how, bool follow)
{
	struct ws_follow w;
	size_t at = 0, end, i = 0;

	ws_follow_init(&w, true, 0);
	for (; at < s->bytes.n && p->err == E_OK && p->answered == 0;
	    at = end) {
		struct slice in, out[2];
		enum err e;

		end = piece_end(s, at, how, &i);
		in = slice_of(s->bytes.p + at, end - at);
		if (!follow) {
			receive(p, in);
			continue;
		}
		e = ws_follow(&w, in, out);
		receive(p, out[0]);
		receive(p, out[1]);
		if (p->err == E_OK && p->answered == 0)
			p->err = e;
	}
	if (p->answered == 0 && p->err != E_OK)
		p->answered = ws_close_code(p->err);
}

static bool
listed(struct json list, uint16_t code)
{
	struct json_iter it;
	struct json name, v;
	uint64_t n;

	json_iter(&it, list);
	while (json_next(&it, &name, &v)) {
		if (json_u64(v, &n) == E_OK && n == code)
			return true;
	}
	return false;
}

static void
check_case(struct json c, const struct sent *s, struct buf *message,
    enum pieces how, bool follow)
{
	struct json expect = vec_get(c, "expect");
	struct endpoint p = { .rules = ws_rules_of(true, 0) };
	uint8_t held[WS_HEAD_MAX];
	char why[80];
	int n = (int)vec_text(c, "id").n;

	snprintf(why, sizeof why, "%.*s pieces=%d follower=%d", n,
	    (const char *)vec_text(c, "id").p, (int)how, follow);
	p.in = BUF_ON(held);
	buf_reset(message);
	p.message = *message;
	json_iter(&p.due, vec_get(expect, "strict"));
	run(&p, s, how, follow);
	/* Only the odd data after a Close of the case itself may be left. */
	if (!vec_true(expect, "informational")) {
		CHECK(!p.differs, why);
		CHECK(next_due(&p).kind == JSON_NONE, why);
	}
	CHECK(listed(vec_get(expect, "close_codes"), p.answered), why);
	if (slice_eq(vec_text(expect, "closed_by"), SL("peer")))
		CHECK(p.err != E_OK, why);
	if (vec_true(expect, "clean"))
		CHECK(p.err == E_OK && p.trips == 0, why);
}

static void
answers_all_cases_as_they_expect(void **state)
{
	struct slice text = vec_load("tests/vectors/ws/cases.json");
	struct sent s = { .bytes = buf_of(malloc(STREAM_MAX), STREAM_MAX),
	    .ends = malloc(PIECES_MAX * sizeof(size_t)) };
	struct buf message = buf_of(malloc(STREAM_MAX), STREAM_MAX);
	struct json all, name, c;
	struct json_iter it;
	size_t n = 0;

	(void)state;
	scratch = buf_of(malloc(STREAM_MAX), STREAM_MAX);
	assert_int_equal(json_parse(text, JSON_DEPTH, &all), E_OK);
	json_iter(&it, vec_get(all, "cases"));
	for (; json_next(&it, &name, &c); n++) {
		build(&s, vec_get(c, "send"), &scratch);
		for (int follow = 0; follow < 2; follow++) {
			check_case(c, &s, &message, WHOLE, follow);
			check_case(c, &s, &message, AS_WRITTEN, follow);
			if (s.bytes.n <= SHORT)
				check_case(c, &s, &message, BYTES, follow);
		}
	}
	assert_int_equal(n, 301);
	free(s.bytes.p);
	free(s.ends);
	free(message.p);
	free(scratch.p);
	vec_free(text);
}

static void
reads_the_frames_of_the_rfc(void **state)
{
	struct slice text = vec_load("tests/vectors/ws/frames.json");
	struct json all, name, v;
	struct json_iter it;
	size_t n = 0;

	(void)state;
	assert_int_equal(json_parse(text, JSON_DEPTH, &all), E_OK);
	json_iter(&it, vec_get(all, "frames"));
	for (; json_next(&it, &name, &v); n++) {
		uint8_t area[64], head[WS_HEAD_MAX];
		struct buf b = BUF_ON(area);
		struct ws_frame f;
		struct slice in;
		size_t used = 0;

		vec_hex(&b, vec_text(v, "hex"));
		in = guard_slice(buf_slice(&b));
		assert_int_equal(ws_decode(&f, in, &used), E_OK);
		assert_int_equal(ws_encode_raw(head, &f), used);
		assert_memory_equal(head, in.p, used);
		if (f.length <= 5) {
			static const char *const bodies[] = { "lo", "Hel",
			    "Hello" };

			assert_int_equal(f.length, in.n - used);
			ws_mask(area, in.p + used, in.n - used, f.key, 0);
			assert_memory_equal(area, bodies[f.length == 2 ? 0 :
			    f.length == 3 ? 1 : 2], f.length);
		}
		guard_free(in);
	}
	assert_int_equal(n, 8);
	vec_free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_frames_of_the_rfc),
		cmocka_unit_test(answers_all_cases_as_they_expect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
