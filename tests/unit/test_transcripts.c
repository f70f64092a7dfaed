/*
 * The transcripts of PROTOCOL.md 16 (tests/vectors/tunnel) against the engine
 * in both roles: what the other side sends is fed to it, whole and byte by
 * byte; what the role itself sends is provoked (a stream is opened, bytes are
 * there, 25 ms pass) and has to come out exactly. What needs resumption, which
 * the engine does not have yet, is checked for its form, counts and proof.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/ct.h"
#include "tunnel/hello.h"
#include "vec.h"

enum { RECS = 4, MESSAGES = 16, HASH = 16, BLOCKS = 100 };

struct src {                            /* a stream of the role */
	struct tunnel_stream s;
	struct frame_open open;
	struct slice bytes;             /* to give */
	bool used, end;
};

struct message {
	uint8_t opcode;
	struct slice payload;
};

struct play {
	struct tunnel t;
	enum tunnel_role role;
	const char *name;
	struct arena arena;
	struct blocks blocks;
	struct tunnel_stream *hash[HASH];
	struct src recs[RECS];
	struct log log;
	uint64_t now_ms;
	bool bytewise;
	struct hello hello;
	struct welcome welcome;
	uint8_t hello_text[4096];       /* the structs above point here */
	size_t nhello_text;
	/* What came out and was not looked at. */
	uint8_t out[4 * TUNNEL_OUTPUT_BYTES];
	size_t nout;
	struct message m[MESSAGES];
	size_t nm, at;
};

static void
sink(void *ctx, struct slice line)
{
	(void)ctx;
	(void)line;
}

/* The owner: says yes to everything and consumes at once. */

static void
p_hello(void *owner, struct slice json)
{
	struct play *p = owner;

	assert_true(json.n <= sizeof p->hello_text);
	memcpy(p->hello_text, json.p, json.n);
	json = slice_of(p->hello_text, json.n);
	p->nhello_text = json.n;
	if (p->role == TUNNEL_RELAY) {
		CHECK(hello_parse(&p->hello, json) == E_OK, p->name);
		return;
	}
	CHECK(welcome_parse(&p->welcome, json) == E_OK, p->name);
	if (!p->welcome.refused)
		tunnel_welcomed(&p->t, &p->welcome.limits);
}

static struct src *
src_take(struct play *p)
{
	for (size_t i = 0; i < RECS; i++) {
		struct src *r = &p->recs[i];

		if (r->used)
			continue;
		*r = (struct src){ .used = true };
		r->s.owner = r;
		return r;
	}
	fail();
	return NULL;
}

static struct tunnel_stream *
p_open(void *owner, const struct frame_open *o, enum reset_code *refuse)
{
	*refuse = RESET_UNKNOWN_APP;
	assert_true(slice_eq(o->client, SL("203.0.113.9")));
	assert_true(slice_eq(o->user, SL("shared")));
	assert_true(slice_eq(o->scheme, SL("https")));
	return slice_eq(o->app, SL("web")) ? &src_take(owner)->s : NULL;
}

static void
p_opening(void *owner, struct tunnel_stream *s, struct frame_open *o)
{
	(void)owner;
	*o = ((struct src *)s->owner)->open;
}

static enum tunnel_pull
p_pull(void *owner, struct tunnel_stream *s, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code)
{
	struct src *r = s->owner;

	(void)owner;
	(void)code;
	assert_true(r->bytes.n <= max);
	if (r->bytes.n > 0)
		memcpy(dst, r->bytes.p, r->bytes.n);
	*n = r->bytes.n;
	r->bytes.n = 0;
	return r->end ? PULL_END : PULL_WAIT;
}

static void
p_data(void *owner, struct tunnel_stream *s, uint8_t *b, size_t n)
{
	(void)b;
	tunnel_consumed(s, n, ((struct play *)owner)->now_ms);
}

static void
p_event(void *owner, struct tunnel_stream *s)
{
	(void)owner;
	(void)s;
}

static void
p_closed(void *owner, struct tunnel_stream *s)
{
	(void)owner;
	((struct src *)s->owner)->used = false;
}

static void
p_reset(void *owner, struct tunnel_stream *s, enum reset_code code)
{
	(void)code;
	p_closed(owner, s);
}

static void
p_goaway(void *owner, enum goaway_reason reason, uint32_t deadline_ms)
{
	(void)owner;
	assert_int_equal(reason, GOAWAY_UPGRADE);
	assert_int_equal(deadline_ms, 30000);
}

static const struct tunnel_ops ops = {
	.hello = p_hello, .open = p_open, .opening = p_opening,
	.pull = p_pull, .data = p_data, .end = p_event, .stop = p_event,
	.reset = p_reset, .closed = p_closed, .goaway = p_goaway,
};

/* --- bytes ------------------------------------------------------------- */

/* Everything the engine has to say, as messages. */
static void
collect(struct play *p)
{
	static uint8_t area[TUNNEL_OUTPUT_BYTES];
	size_t n, used;

	if (p->at == p->nm)
		p->at = p->nm = p->nout = 0;
	while ((n = tunnel_output(&p->t, area, sizeof area, p->now_ms)) > 0) {
		struct slice in = slice_of(area, n);

		while (in.n > 0) {
			struct message *m = &p->m[p->nm++];
			struct ws_frame f;

			assert_true(p->nm <= MESSAGES);
			CHECK(ws_decode(&f, in, &used) == E_OK, p->name);
			assert_true(f.fin && f.rsv == 0);
			assert_int_equal(f.masked, p->role == TUNNEL_AGENT);
			in = slice_from(in, used);
			assert_true(f.length <= in.n);
			ws_mask(p->out + p->nout, in.p, (size_t)f.length,
			    f.key, 0);
			m->opcode = f.opcode;
			m->payload = slice_of(p->out + p->nout,
			    (size_t)f.length);
			p->nout += (size_t)f.length;
			in = slice_from(in, (size_t)f.length);
		}
	}
}

static void
feed(struct play *p, uint8_t opcode, struct slice payload)
{
	static uint8_t area[20000];
	struct ws_frame f = {
		.opcode = opcode, .fin = true, .length = payload.n,
		.masked = p->role == TUNNEL_RELAY,
		.key = { 0x37, 0xfa, 0x21, 0x3d },
	};
	size_t n = ws_encode_raw(area, &f), step;

	assert_true(n + payload.n <= sizeof area);
	if (!f.masked)
		memset(f.key, 0, sizeof f.key);
	ws_mask(area + n, payload.p, payload.n, f.key, 0);
	n += payload.n;
	step = p->bytewise ? 1 : n;
	for (size_t i = 0; i < n; i += step) {
		enum err e = tunnel_input(&p->t, area + i, step, p->now_ms);

		CHECK(e == E_OK || e == E_EOF, p->name);
	}
	/* What the engine says by itself comes before we provoke more. */
	collect(p);
}

static void
wait_ms(struct play *p, uint64_t ms)
{
	uint64_t due;

	p->now_ms += ms;
	tunnel_step(&p->t, p->now_ms, &due);
}

/* --- what the role itself sends ---------------------------------------- */

static struct src *
src_of(struct play *p, uint32_t id)
{
	for (size_t i = 0; i < RECS; i++)
		if (p->recs[i].used && p->recs[i].s.id == id)
			return &p->recs[i];
	fail_msg("%s: no stream %u", p->name, id);
	return NULL;
}

static void
provoke_frame(struct play *p, const struct frame *f)
{
	struct src *r;

	switch ((enum frame_type)f->type) {
	case FRAME_OPEN:
		r = src_take(p);
		r->open = f->u.open;
		assert_int_equal(tunnel_open(&p->t, &r->s), E_OK);
		break;
	case FRAME_DATA:
		r = src_of(p, f->stream);
		r->bytes = f->u.data;
		tunnel_ready(&r->s);
		break;
	case FRAME_END:
		r = src_of(p, f->stream);
		r->end = true;
		tunnel_ready(&r->s);
		break;
	case FRAME_STOP:
		tunnel_stop(&src_of(p, f->stream)->s);
		break;
	case FRAME_RESET:
		r = src_of(p, f->stream);
		tunnel_reset(&r->s, f->u.code);
		r->used = false;
		break;
	case FRAME_GOAWAY:
		tunnel_goaway(&p->t, f->u.goaway.reason,
		    f->u.goaway.deadline_ms);
		break;
	case FRAME_ACK:
		wait_ms(p, ACK_DELAY_MS);
		break;
	case FRAME_CREDIT:
	case FRAME_TYPES:
		fail_msg("%s: nothing to provoke", p->name);
	}
}

static void
provoke_text(struct play *p, struct slice json)
{
	struct welcome w;

	if (p->role == TUNNEL_RELAY) {
		assert_int_equal(welcome_parse(&w, json), E_OK);
		if (!w.refused) {
			assert_int_equal(w.limits.streams,
			    tunnel_streams_limit(&p->t,
			    p->hello.limits.streams));
			assert_int_equal(tunnel_welcome(&p->t, json,
			    &p->hello.limits), E_OK);
			return;
		}
	}
	assert_int_equal(tunnel_text(&p->t, json), E_OK);
}

static void
expect(struct play *p, uint8_t opcode, struct slice payload)
{
	struct frame f;

	collect(p);
	if (p->at == p->nm) {
		if (opcode == WS_TEXT) {
			provoke_text(p, payload);
		} else if (opcode == WS_BINARY) {
			assert_int_equal(frame_decode(&f, payload), E_OK);
			provoke_frame(p, &f);
		} else {
			wait_ms(p, 0);
			if (tunnel_state(&p->t) != TUNNEL_CLOSED)
				tunnel_close(&p->t, get_u16(payload.p));
		}
		collect(p);
	}
	CHECK(p->at < p->nm, p->name);
	assert_int_equal(p->m[p->at].opcode, opcode);
	assert_int_equal(p->m[p->at].payload.n, payload.n);
	assert_memory_equal(p->m[p->at].payload.p, payload.p, payload.n);
	p->at++;
}

/* --- a file ------------------------------------------------------------ */

static void
play_begin(struct play *p)
{
	struct tunnel_cfg cfg = {
		.role = p->role, .ops = &ops, .owner = p,
		.blocks = &p->blocks, .log = &p->log, .ring_max = RING_MIN,
		.ours = { 256, 65536, 257 * 65536 },
		.hello_ms = HELLO_DEADLINE_MS, .seed = 5,
		.hash = p->hash, .hash_n = HASH,
	};

	if (p->role == TUNNEL_AGENT)
		cfg.ours = p->hello.limits;
	assert_int_equal(tunnel_init(&p->t, &cfg, p->now_ms), E_OK);
}

/* The payload of a step, in `area`; its opcode. */
static uint8_t
payload_of(struct json step, struct buf *area)
{
	struct json fill = vec_get(step, "fill");
	struct json text = vec_get(step, "text");

	buf_reset(area);
	if (text.kind == JSON_STRING) {
		assert_int_equal(json_string(text, area), E_OK);
		return WS_TEXT;
	}
	if (vec_get(step, "close").kind == JSON_NUMBER) {
		buf_put_u16(area, (uint16_t)vec_num(step, "close"));
		return WS_CLOSE;
	}
	vec_hex(area, vec_text(step, "hex"));
	if (fill.kind == JSON_OBJECT)
		for (uint64_t i = 0; i < vec_num(fill, "count"); i++)
			vec_hex(area, vec_text(fill, "hex"));
	assert_true(buf_ok(area));
	return WS_BINARY;
}

static bool
is_event(struct json step, const char *what)
{
	return slice_eq(vec_text(step, "event"), str(what));
}

/* One step in the role; false: from here on only its form is checked. */
static bool
play_step(struct play *p, struct json step, struct json next)
{
	static uint8_t area[20000];
	struct buf b = BUF_ON(area);
	bool ours = slice_eq(vec_text(step, "dir"),
	    p->role == TUNNEL_RELAY ? SL("relay") : SL("agent"));
	uint8_t opcode;

	if (is_event(step, "lost"))
		return true;
	if (is_event(step, "cut")) {
		struct hello h;

		tunnel_free(&p->t, RESET_BROKEN);
		payload_of(next, &b);
		assert_int_equal(hello_parse(&h, buf_slice(&b)), E_OK);
		if (h.resume)
			return false;
		play_begin(p);
		return true;
	}
	opcode = payload_of(step, &b);
	if (ours && opcode == WS_TEXT && p->role == TUNNEL_AGENT)
		assert_int_equal(hello_parse(&p->hello, buf_slice(&b)), E_OK);
	if (ours)
		expect(p, opcode, buf_slice(&b));
	else if (next.kind != JSON_OBJECT || !is_event(next, "lost"))
		feed(p, opcode, buf_slice(&b));
	return true;
}

static void
play_file(const char *name, enum tunnel_role role, bool bytewise)
{
	static struct play p;
	static uint8_t first[4096];
	struct buf b = BUF_ON(first);
	char path[100];
	struct slice text;
	struct json_iter it;
	struct json v, none, step, next;
	bool on = true, more;

	snprintf(path, sizeof path, "tests/vectors/tunnel/%s.json", name);
	text = vec_load(path);
	p = (struct play){ .role = role, .name = name, .now_ms = 1000,
	    .bytewise = bytewise, .log = { .sink = sink, .level = LOG_FATAL } };
	p.arena.cap = blocks_bytes(BLOCKS) + 65536;
	p.arena.p = calloc(1, p.arena.cap);
	blocks_init(&p.blocks, &p.arena, 1, BLOCKS);
	assert_int_equal(json_parse(text, 8, &v), E_OK);
	json_iter(&it, v);
	assert_true(json_next(&it, &none, &step));
	payload_of(step, &b);
	assert_int_equal(hello_parse(&p.hello, buf_slice(&b)), E_OK);
	play_begin(&p);
	do {
		next = (struct json){ 0 };
		more = json_next(&it, &none, &next);
		on = on && play_step(&p, step, next);
		step = next;
	} while (more);
	collect(&p);
	CHECK(p.at == p.nm, name);
	tunnel_free(&p.t, RESET_BROKEN);
	assert_int_equal(p.blocks.reserved, 0);
	free(p.arena.p);
	vec_free(text);
}

static const char *const files[] = {
	"first-hello", "one-request", "stop-and-reset", "cut-with-replay",
	"lost-welcome", "refused-proof", "go-away",
};
enum { FILES = sizeof files / sizeof files[0] };

static void
the_relay_plays_its_part(void **state)
{
	(void)state;
	for (size_t i = 0; i < FILES; i++) {
		play_file(files[i], TUNNEL_RELAY, false);
		play_file(files[i], TUNNEL_RELAY, true);
	}
}

static void
the_agent_plays_its_part(void **state)
{
	(void)state;
	for (size_t i = 0; i < FILES; i++) {
		play_file(files[i], TUNNEL_AGENT, false);
		play_file(files[i], TUNNEL_AGENT, true);
	}
}

/* --- form, counts, proofs ---------------------------------------------- */

struct form {
	uint64_t sent[2];               /* counted frames; [0] the relay's */
	uint64_t acked[2];              /* ... as the other side said */
	struct slice session;
	uint8_t secret[HELLO_SECRET_BYTES];
	uint8_t texts[8][4096];
	size_t ntexts;
};

static void
form_text(struct form *f, bool relay, struct slice json, const char *name)
{
	static struct hello h;
	static struct welcome w;
	uint8_t proof[HELLO_PROOF_BYTES];

	assert_true(f->ntexts < 8 && json.n <= sizeof f->texts[0]);
	memcpy(f->texts[f->ntexts], json.p, json.n);
	json.p = f->texts[f->ntexts++];
	if (!relay) {
		CHECK(hello_parse(&h, json) == E_OK, name);
		if (!h.resume || f->session.n == 0)
			return;
		/* The session began in this file: the proof must be right. */
		assert_true(slice_eq(h.session, f->session));
		assert_int_equal(hello_proof(proof, f->secret, h.session,
		    h.attempt, h.received), E_OK);
		CHECK(ct_eq(proof, h.proof, sizeof proof), name);
		assert_true(h.received <= f->sent[0]);
		f->sent[0] = h.received;
		return;
	}
	CHECK(welcome_parse(&w, json) == E_OK, name);
	if (w.refused)
		return;
	if (w.resumed) {
		assert_true(slice_eq(w.session, f->session));
		assert_true(w.received <= f->sent[1]);
		f->sent[1] = w.received;
		return;
	}
	f->session = w.session;
	memcpy(f->secret, w.secret, sizeof f->secret);
	f->sent[0] = f->sent[1] = f->acked[0] = f->acked[1] = 0;
}

static void
form_file(const char *name)
{
	static struct form f;
	static uint8_t area[20000];
	struct buf b = BUF_ON(area);
	struct slice text;
	struct json_iter it;
	struct json v, none, step;
	char path[100];

	f = (struct form){ 0 };
	snprintf(path, sizeof path, "tests/vectors/tunnel/%s.json", name);
	text = vec_load(path);
	assert_int_equal(json_parse(text, 8, &v), E_OK);
	json_iter(&it, v);
	while (json_next(&it, &none, &step)) {
		bool agent = slice_eq(vec_text(step, "dir"), SL("agent"));
		struct frame fr;
		uint8_t opcode;

		if (vec_get(step, "event").kind == JSON_STRING)
			continue;
		opcode = payload_of(step, &b);
		if (opcode == WS_TEXT)
			form_text(&f, !agent, buf_slice(&b), name);
		if (opcode != WS_BINARY)
			continue;
		CHECK(frame_decode(&fr, buf_slice(&b)) == E_OK, name);
		if (fr.type != FRAME_ACK) {
			f.sent[agent]++;
			continue;
		}
		assert_true(fr.u.ack <= f.sent[!agent]);
		assert_true(fr.u.ack >= f.acked[!agent]);
		f.acked[!agent] = fr.u.ack;
	}
	assert_int_equal(f.acked[0], f.sent[0]);
	assert_int_equal(f.acked[1], f.sent[1]);
	vec_free(text);
}

static void
counts_and_proofs_are_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < FILES; i++)
		form_file(files[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_relay_plays_its_part),
		cmocka_unit_test(the_agent_plays_its_part),
		cmocka_unit_test(counts_and_proofs_are_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
