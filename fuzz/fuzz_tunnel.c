/*
 * The tunnel engine against arbitrary bytes. The input is a script: raw bytes,
 * well-wrapped frames, time, what the owner does. Two engines live through
 * it, one fed whole, one byte by byte, and must stay the same: state, error,
 * callbacks, each stream's bytes, every byte of output. After each step all
 * invariants are walked, and what comes out must be well-formed frames with
 * streams numbered from 1.
 */
#include <stdlib.h>

#include "base/num.h"
#include "tunnel/engine.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECS = 8, LIMIT = 6, BLOCKS = 80, HASH = 8, WINDOW = 16384 };

struct rec {
	struct tunnel_stream s;
	uint32_t give;          /* bytes to be pulled */
	uint32_t held;          /* bytes not consumed */
	bool used, end, fail;
};

struct world {
	struct tunnel t;
	bool bytewise;
	uint64_t now_ms;
	struct blocks blocks;
	struct arena arena;
	struct tunnel_stream *hash[HASH];
	struct rec recs[RECS];
	uint64_t trace;         /* a hash of what was called back */
	uint32_t opens_out;     /* OPENs seen in the output */
};

static void
note(struct world *w, uint64_t what)
{
	w->trace = (w->trace ^ what) * 0x100000001b3u;
}

static struct rec *
rec_take(struct world *w)
{
	for (size_t i = 0; i < RECS; i++)
		if (!w->recs[i].used) {
			w->recs[i] = (struct rec){ .used = true };
			w->recs[i].s.owner = &w->recs[i];
			return &w->recs[i];
		}
	return NULL;
}

static void
op_hello(void *owner, struct slice json)
{
	struct world *w = owner;
	struct tunnel_limits l = { LIMIT, WINDOW, (LIMIT + 1) * WINDOW };

	note(w, 100 + json.n);
	if (json.n % 16 == 15)
		tunnel_close(&w->t, CLOSE_REFUSED);
	else if (w->t.cfg.role == TUNNEL_RELAY)
		MUST(tunnel_welcome(&w->t, SL("{}"), &l) == E_OK);
	else
		tunnel_welcomed(&w->t, &l);
}

static struct tunnel_stream *
op_open(void *owner, const struct frame_open *o, enum reset_code *refuse)
{
	struct rec *c = rec_take(owner);

	note(owner, 200 + o->app.n);
	*refuse = RESET_OVER_LIMIT;
	return c != NULL && o->app.n != 4 ? &c->s : NULL;
}

static void
op_opening(void *owner, struct tunnel_stream *s, struct frame_open *o)
{
	note(owner, 300);
	(void)s;
	*o = (struct frame_open){ .kind = APP_TCP, .app = SL("ssh") };
}

static enum tunnel_pull
op_pull(void *owner, struct tunnel_stream *s, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code)
{
	struct rec *c = s->owner;

	note(owner, 400 + s->id);
	*n = min_size(max, c->give);
	memset(dst, 'x', *n);
	c->give -= (uint32_t)*n;
	*code = RESET_BROKEN;
	if (c->give > 0)
		return PULL_MORE;
	return c->fail ? PULL_RESET : c->end ? PULL_END : PULL_WAIT;
}

static void
op_data(void *owner, struct tunnel_stream *s, uint8_t *p, size_t n)
{
	struct rec *c = s->owner;

	for (size_t i = 0; i < n; i++)
		note(owner, p[i] + 1000 * (uint64_t)s->id);
	c->held += (uint32_t)n;
	MUST(c->used && c->held <= tunnel_window(s));
}

static void
op_end(void *owner, struct tunnel_stream *s)
{
	note(owner, 500 + s->id);
}

static void
op_stop(void *owner, struct tunnel_stream *s)
{
	note(owner, 600 + s->id);
}

static void
op_reset(void *owner, struct tunnel_stream *s, enum reset_code code)
{
	note(owner, 700 + (unsigned)code);
	MUST(s->tunnel == NULL);
	((struct rec *)s->owner)->used = false;
}

static void
op_closed(void *owner, struct tunnel_stream *s)
{
	op_reset(owner, s, RESET_NONE);
}

static void
op_goaway(void *owner, enum goaway_reason reason, uint32_t deadline_ms)
{
	note(owner, 800 + (unsigned)reason + deadline_ms);
}

static bool
op_window(void *owner, struct tunnel_stream *s, uint32_t bytes)
{
	note(owner, 900 + bytes);
	(void)s;
	return bytes < 200000;
}

static const struct tunnel_ops ops = {
	.hello = op_hello, .open = op_open, .opening = op_opening,
	.pull = op_pull, .data = op_data, .end = op_end, .stop = op_stop,
	.reset = op_reset, .closed = op_closed, .goaway = op_goaway,
	.window = op_window,
};

static void
sink(void *ctx, struct slice line)
{
	(void)ctx;
	(void)line;
}

static void
begin(struct world *w, bool relay, bool bytewise)
{
	static const struct log quiet = { .sink = sink, .level = LOG_FATAL };
	struct tunnel_cfg cfg = {
		.role = relay ? TUNNEL_RELAY : TUNNEL_AGENT, .ops = &ops,
		.owner = w, .blocks = &w->blocks, .log = &quiet,
		.ours = { LIMIT, WINDOW, (LIMIT + 1) * WINDOW },
		.ring_max = RING_MIN, .hello_ms = HELLO_DEADLINE_MS,
		.hash = w->hash, .hash_n = HASH, .seed = 7,
	};
	struct arena a = w->arena;

	a.used = 0;
	*w = (struct world){ .arena = a, .bytewise = bytewise, .now_ms = 1 };
	blocks_init(&w->blocks, &w->arena, 1, BLOCKS);
	memset(w->blocks.pool.gen, 0, BLOCKS * sizeof(uint32_t));
	MUST(tunnel_init(&w->t, &cfg, w->now_ms) == E_OK);
	if (!relay)
		MUST(tunnel_text(&w->t, SL("{}")) == E_OK);
}

/* Every message of the output is whole and defined. */
static void
look(struct world *w, struct slice in)
{
	while (in.n > 0) {
		struct ws_frame f;
		struct frame t;
		uint8_t area[FRAME_HEAD_BYTES + FRAME_DATA_MAX];
		size_t used;

		MUST(ws_decode(&f, in, &used) == E_OK);
		MUST(f.fin && f.masked == (w->t.cfg.role == TUNNEL_AGENT));
		in = slice_from(in, used);
		MUST(f.length <= in.n && f.length <= sizeof area);
		ws_mask(area, in.p, (size_t)f.length, f.key, 0);
		in = slice_from(in, (size_t)f.length);
		if (f.opcode == WS_CLOSE)
			MUST(in.n == 0);
		if (f.opcode != WS_BINARY)
			continue;
		MUST(frame_decode(&t, slice_of(area, (size_t)f.length)) ==
		    E_OK);
		if (t.type == FRAME_OPEN)
			MUST(t.stream == ++w->opens_out);
		if (t.type == FRAME_ACK)
			MUST(t.u.ack == w->t.received);
	}
}

static uint8_t out[2][TUNNEL_OUTPUT_BYTES];

static void
feed(struct world *w, const uint8_t *p, size_t n)
{
	static uint8_t area[17000];
	size_t step = !w->bytewise ? n : n > 1000 ? 61 : 1;

	MUST(n <= sizeof area);
	if (n > 0)
		memcpy(area, p, n);
	for (size_t i = 0; i < n; i += step)
		tunnel_input(&w->t, area + i, min_size(step, n - i),
		    w->now_ms);
}

/* A frame with this first byte, masked with zeros where it has to be. */
static void
wrap(struct world *w, uint8_t first, struct slice s)
{
	static uint8_t area[17000];
	uint8_t mask = w->t.cfg.role == TUNNEL_RELAY ? 0x80 : 0;
	struct buf b = BUF_ON(area);

	buf_put_u8(&b, first);
	buf_put_u8(&b, (uint8_t)(min_size(s.n, 126) | mask));
	if (s.n >= 126)
		buf_put_u16(&b, (uint16_t)s.n);
	if (mask != 0)
		buf_put_u32(&b, 0);
	buf_put(&b, s);
	feed(w, area, b.n);
}

/* n bytes of DATA for a stream. */
static void
bulk(struct world *w, uint8_t id, size_t n)
{
	static uint8_t area[FRAME_HEAD_BYTES + FRAME_DATA_MAX];

	memset(area, 0, sizeof area);
	area[0] = FRAME_DATA;
	area[7] = id;
	wrap(w, 0x82, slice_of(area, FRAME_HEAD_BYTES + n));
}

/* The answer to the last ping: then round trips are known, windows grow. */
static void
pong(struct world *w)
{
	uint8_t count[8];

	set_u64(count, w->t.ping_count);
	wrap(w, 0x8a, slice_of(count, sizeof count));
}

static void
act(struct world *w, uint8_t what, struct rec *c, uint32_t n)
{
	uint64_t due;

	switch (what) {
	case 0:
		if (!tunnel_may_open(&w->t) || (c = rec_take(w)) == NULL)
			break;
		MUST(tunnel_open(&w->t, &c->s) == E_OK);
		break;
	case 1:
		c->give += n * 16;
		tunnel_ready(&c->s);
		break;
	case 2:
		c->end = true;
		tunnel_ready(&c->s);
		break;
	case 3:
		c->fail = true;
		break;
	case 4:
		tunnel_stop(&c->s);
		c->held = 0;
		break;
	case 5:
		tunnel_reset(&c->s, RESET_CANCELLED);
		c->used = false;
		break;
	case 6:
		n = (uint32_t)min_size(n * 64, c->held);
		c->held -= n;
		tunnel_consumed(&c->s, n, w->now_ms);
		break;
	case 7:
		w->now_ms += n;
		break;
	case 8:
		tunnel_goaway(&w->t, GOAWAY_SHUTDOWN, n * 100);
		break;
	case 9:
		if (n == 77)
			tunnel_close(&w->t, CLOSE_DONE);
		break;
	default:
		w->now_ms += n * 100;
	}
	tunnel_step(&w->t, w->now_ms, &due);
	MUST(due > w->now_ms || w->t.state == TUNNEL_CLOSED);
}

static void
same(struct world *a, struct world *b)
{
	MUST(a->t.err == b->t.err && a->t.state == b->t.state);
	MUST(a->t.nstreams == b->t.nstreams);
	MUST(a->t.out.close == b->t.out.close);
	if (a->t.err == E_MUX_CREDIT || a->t.err == E_MUX_FRAME)
		return;         /* the good bytes before the bad one came */
	MUST(a->t.received == b->t.received && a->trace == b->trace);
	MUST(a->t.recv_window == b->t.recv_window);
	MUST(a->t.recv_owed == b->t.recv_owed);
	tunnel_check(&a->t);
	tunnel_check(&b->t);
}

/* One step of the script for both; false at its end. */
static bool
step(struct world *const w[2], struct slice *in)
{
	uint8_t op, n;
	struct slice s;
	size_t len[2];

	if (!slice_take_u8(in, &op) || !slice_take_u8(in, &n))
		return false;
	s = slice_head(*in, op % 4 == 3 || (op & 0xc3) == 0x42 ||
	    (op & 0xc3) == 0xc2 ? 0 : n);
	*in = slice_from(*in, s.n);
	for (size_t i = 0; i < 2; i++) {
		switch (op % 4) {
		case 0:
			feed(w[i], s.p, s.n);
			break;
		case 1:
			wrap(w[i], 0x82, s);
			break;
		case 2:
			if (op >= 64 && op < 128)
				bulk(w[i], (op >> 2) % 8, (size_t)n * 16);
			else if (op >= 192)
				pong(w[i]);
			else
				wrap(w[i], op >= 128 ? 0x81 : op, s);
			break;
		default:
			if (w[i]->recs[op >> 5].used || (op >> 2) % 8 == 0 ||
			    n >= 224)
				act(w[i], n >= 224 ? 7 + n % 4 : (op >> 2) % 8,
				    &w[i]->recs[op >> 5], n);
			len[i] = tunnel_output(&w[i]->t, out[i],
			    sizeof out[i], w[i]->now_ms);
			look(w[i], slice_of(out[i], len[i]));
			MUST(len[i] > 0 || !tunnel_wants(&w[i]->t,
			    w[i]->now_ms));
		}
	}
	same(w[0], w[1]);
	if (op % 4 == 3)
		MUST(slice_eq(slice_of(out[0], len[0]),
		    slice_of(out[1], len[1])));
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world a, b;
	struct world *const w[2] = { &a, &b };
	struct slice in = slice_of(data, size);
	uint8_t first;

	if (!slice_take_u8(&in, &first))
		return 0;
	for (size_t i = 0; i < 2; i++) {
		if (w[i]->arena.p == NULL) {
			w[i]->arena.cap = blocks_bytes(BLOCKS) + 65536;
			w[i]->arena.p = calloc(1, w[i]->arena.cap);
			MUST(w[i]->arena.p != NULL);
		}
		begin(w[i], first & 1, i == 1);
		if (first & 2) {        /* past the beginning */
			wrap(w[i], 0x81, SL("{}"));
			wrap(w[i], 0x82, slice_of("\x07\0\0\0\0\0\0\0"
			    "\0\0\0\0\0\0\0\0", 16));
		}
	}
	while (step(w, &in))
		;
	for (size_t i = 0; i < 2; i++) {
		tunnel_free(&w[i]->t, RESET_BROKEN);
		MUST(w[i]->blocks.pool.used == 0);
		MUST(w[i]->blocks.reserved == 0);
	}
	return 0;
}
