/*
 * Two engines back to back: a relay and an agent with scripted owners, and a
 * pipe of bytes each way that may be cut anywhere, and go on in another one.
 * For test_tunnel.c and the fuzzers. Everything random comes from one seed.
 *
 * The bytes of a stream are a function of its number here (uid), direction
 * and offset, so the receiver can tell the first byte that is out of place.
 */
#ifndef ADIT_TESTS_PAIR_H
#define ADIT_TESTS_PAIR_H

#include <stdio.h>
#include <stdlib.h>

#include "tunnel/engine.h"

#define MUST(x) do {                                                   \
	if (!(x)) {                                                     \
		fprintf(stderr, "%s:%d: %s (seed %llu)\n", __FILE__,    \
		    __LINE__, #x, (unsigned long long)pair_seed);       \
		abort();                                                \
	}                                                               \
} while (0)

enum {
	PAIR_STREAMS = 40,      /* records on each side */
	PAIR_LIMIT = 24,        /* streams open at once */
	PAIR_UIDS = 256,
	PAIR_PIPE = 4 * 1024 * 1024,
	PAIR_BLOCKS = 400,
};

static uint64_t pair_seed;

struct prng {
	uint64_t s;
};

static inline uint64_t
prng_u64(struct prng *r)
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline uint32_t
prng_below(struct prng *r, uint32_t n)
{
	return (uint32_t)(prng_u64(r) % n);
}

static inline uint8_t
pair_byte(uint32_t uid, unsigned dir, uint64_t off)
{
	return (uint8_t)(uid * 131 + dir * 77 + off * 7 + (off >> 8) * 3);
}

struct side;

struct rec {                            /* an owner's record of a stream */
	struct tunnel_stream s;
	struct side *side;
	bool used, ended_in, ended_out, over;
	uint32_t uid;
	uint64_t sent, planned;         /* bytes given, to give */
	uint64_t available;             /* of planned, ready to be pulled */
	uint64_t got;                   /* bytes received and checked */
	uint64_t held;                  /* of them, not consumed yet */
	bool fail_at_end;               /* PULL_RESET instead of PULL_END */
};

/* What became of a stream on one side, kept after its record. */
struct fate {
	uint64_t sent, got, planned;
	enum reset_code code;           /* got by op reset */
	bool opened, closed, was_reset, did_reset, did_stop, was_stopped,
	    end_got, refused;
};

struct side {
	struct tunnel t;
	struct pair *pair;
	unsigned dir;                   /* 0: what the relay sends */
	struct arena arena;
	struct blocks blocks;
	struct tunnel_stream *hash[64];
	struct tunnel_cfg cfg;
	struct rec recs[PAIR_STREAMS];
	struct fate fate[PAIR_UIDS];
	uint8_t *pipe;                  /* bytes under way to the other side */
	size_t pipe_n;
	uint32_t nopened, ngoaway, nconfirmed, nhello;
	struct tunnel_limits limits;    /* as the other side sees them */
	uint64_t grown;                 /* reserved for windows */
};

struct pair {
	struct side relay, agent;
	struct prng r;
	uint64_t now_ms;
	struct log log;
	uint32_t uids;                  /* opened so far */
	uint32_t refuse_one_in;         /* agent answers OPEN with RESET */
	bool instant;                   /* owners consume at once */
	bool leak;                      /* a planted bug: see the tests */
	bool cuts;                      /* connections do not last */
	bool half_open;                 /* the relay does not know it yet: */
	struct side old;                /* its pipe is what still arrives */
	bool dialled;                   /* the agent is connected again, to: */
	struct tunnel via;              /* the relay's side, for the hello */
	struct tunnel_stream *via_hash[64];
	bool asked;                     /* the hello came, and says: */
	uint64_t asked_received;
	int skew[2];                    /* planted: added to `received` */
	uint32_t ncuts, nresumed;
	uint8_t scratch[TUNNEL_OUTPUT_BYTES];
};

static inline struct rec *
rec_of(struct tunnel_stream *s)
{
	return s->owner;
}

static inline struct rec *
rec_take(struct side *d, uint32_t uid)
{
	for (size_t i = 0; i < PAIR_STREAMS; i++) {
		struct rec *c = &d->recs[i];

		if (c->used)
			continue;
		*c = (struct rec){ .used = true, .uid = uid, .side = d };
		c->s.owner = c;
		return c;
	}
	return NULL;
}

/* Detached and drained: the record is free. */
static inline void
rec_free_if_done(struct rec *c)
{
	struct fate *f = &c->side->fate[c->uid];

	f->sent = c->sent;
	f->got = c->got;
	f->planned = c->planned;
	if (!c->over || c->held > 0)
		return;
	if (c->s.tunnel != NULL)
		MUST(false);
	c->used = false;
}

static inline void
op_hello(void *owner, struct slice json)
{
	struct side *d = owner;
	struct side *o = d->dir == 0 ? &d->pair->agent : &d->pair->relay;
	struct tunnel_limits l = o->cfg.ours;

	d->nhello++;
	if (json.n > 0 && json.p[0] == 'R') {
		uint64_t n;

		MUST(slice_dec(slice_from(json, 1), UINT64_MAX, &n));
		if (d->dir == 0) {
			d->pair->asked = true;
			d->pair->asked_received = n;
		} else {
			MUST(tunnel_resumed(&d->t, n) == E_OK);
			d->pair->nresumed++;
		}
		return;
	}
	if (d->dir == 0) {
		MUST(tunnel_welcome(&d->t, SL("{}"), &l) == E_OK);
	} else {
		l.streams = tunnel_streams_limit(&o->t, d->cfg.ours.streams);
		tunnel_welcomed(&d->t, &l);
	}
}

static inline void
op_confirmed(void *owner)
{
	((struct side *)owner)->nconfirmed++;
}

static inline uint64_t
pair_plan(struct prng *r)
{
	switch (prng_below(r, 6)) {
	case 0: return 0;
	case 1: return 1;
	case 2: return prng_below(r, 100);
	case 3: return prng_below(r, 20000);
	case 4: return prng_below(r, 100000);
	default: return prng_below(r, 200000);
	}
}

static inline struct tunnel_stream *
op_open(void *owner, const struct frame_open *o, enum reset_code *refuse)
{
	struct side *d = owner;
	uint64_t uid;
	struct rec *c;

	MUST(slice_dec(o->client, PAIR_UIDS - 1, &uid));
	MUST(slice_eq(o->app, SL("web")) && o->kind == APP_HTTP);
	MUST(!d->fate[uid].opened && !d->fate[uid].refused);
	if (d->pair->refuse_one_in > 0 &&
	    prng_below(&d->pair->r, d->pair->refuse_one_in) == 0) {
		*refuse = RESET_UNKNOWN_APP;
		d->fate[uid].refused = true;
		return NULL;
	}
	c = rec_take(d, (uint32_t)uid);
	if (c == NULL) {
		*refuse = RESET_OVER_LIMIT;
		d->fate[uid].refused = true;
		return NULL;
	}
	d->fate[uid].opened = true;
	d->nopened++;
	c->planned = pair_plan(&d->pair->r);
	c->fail_at_end = prng_below(&d->pair->r, 10) == 0;
	return &c->s;
}

static inline void
op_opening(void *owner, struct tunnel_stream *s, struct frame_open *o)
{
	static uint8_t text[20];
	struct buf b = BUF_ON(text);

	(void)owner;
	buf_put_dec(&b, rec_of(s)->uid);
	*o = (struct frame_open){
		.kind = APP_HTTP, .app = SL("web"), .client = buf_slice(&b),
		.user = SL("shared"), .scheme = SL("https"),
	};
}

static inline enum tunnel_pull
op_pull(void *owner, struct tunnel_stream *s, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code)
{
	struct side *d = owner;
	struct rec *c = rec_of(s);
	uint64_t k = c->available - c->sent;
	struct prng *r = &d->pair->r;

	MUST(c->used && !c->over && max > 0 && max <= FRAME_DATA_MAX);
	MUST(!c->ended_out);
	if (k > max)
		k = max;
	if (k > 1 && prng_below(r, 8) == 0)
		k = 1 + prng_below(r, (uint32_t)k - 1);
	for (uint64_t i = 0; i < k; i++)
		dst[i] = pair_byte(c->uid, d->dir, c->sent + i);
	c->sent += k;
	*n = (size_t)k;
	if (c->sent == c->planned) {
		if (c->fail_at_end && prng_below(r, 2) == 0) {
			*code = RESET_BROKEN;
			d->fate[c->uid].did_reset = true;
			return PULL_RESET;
		}
		c->ended_out = true;
		return PULL_END;
	}
	return k > 0 && c->sent < c->available ? PULL_MORE : PULL_WAIT;
}

static inline void
rec_consume(struct rec *c, uint64_t n)
{
	if (n > c->held)
		n = c->held;
	c->held -= n;
	if (c->side->pair->leak && c->uid % 4 == 0)
		n -= n > 0;     /* the planted bug: a byte is forgotten */
	tunnel_consumed(&c->s, (size_t)n, c->side->pair->now_ms);
	rec_free_if_done(c);
}

static inline void
op_data(void *owner, struct tunnel_stream *s, uint8_t *p, size_t n)
{
	struct side *d = owner;
	struct rec *c = rec_of(s);

	MUST(c->used && !c->over && !c->ended_in && n > 0);
	MUST(!d->fate[c->uid].did_stop);
	for (size_t i = 0; i < n; i++)
		MUST(p[i] == pair_byte(c->uid, !d->dir, c->got + i));
	memset(p, 0xee, n);             /* ours to write */
	c->got += n;
	c->held += n;
	MUST(c->held <= tunnel_window(s));
	if (d->pair->instant)
		rec_consume(c, n);
}

static inline void
op_end(void *owner, struct tunnel_stream *s)
{
	struct side *d = owner;
	struct rec *c = rec_of(s);

	MUST(c->used && !c->over && !c->ended_in);
	c->ended_in = true;
	d->fate[c->uid].end_got = true;
}

static inline void
op_stop(void *owner, struct tunnel_stream *s)
{
	struct side *d = owner;
	struct rec *c = rec_of(s);

	MUST(c->used && !c->over && !d->fate[c->uid].was_stopped);
	d->fate[c->uid].was_stopped = true;
	c->planned = c->sent;
}

static inline void
op_reset(void *owner, struct tunnel_stream *s, enum reset_code code)
{
	struct side *d = owner;
	struct rec *c = rec_of(s);

	MUST(c->used && !c->over && s->tunnel == NULL);
	c->over = true;
	c->held = 0;
	d->fate[c->uid].was_reset = !d->fate[c->uid].did_reset;
	d->fate[c->uid].code = code;
	rec_free_if_done(c);
}

static inline void
op_closed(void *owner, struct tunnel_stream *s)
{
	struct side *d = owner;
	struct rec *c = rec_of(s);

	MUST(c->used && !c->over && s->tunnel == NULL && c->ended_in);
	c->over = true;
	d->fate[c->uid].closed = true;
	rec_free_if_done(c);
}

static inline void
op_goaway(void *owner, enum goaway_reason reason, uint32_t deadline_ms)
{
	(void)reason;
	(void)deadline_ms;
	((struct side *)owner)->ngoaway++;
}

static inline bool
op_window(void *owner, struct tunnel_stream *s, uint32_t bytes)
{
	struct side *d = owner;

	(void)s;
	MUST(bytes >= d->cfg.ours.window && bytes <= WINDOW_MAX);
	d->grown++;
	return bytes < (1u << 20);
}

static const struct tunnel_ops pair_ops = {
	.hello = op_hello, .confirmed = op_confirmed, .open = op_open,
	.opening = op_opening, .pull = op_pull, .data = op_data,
	.end = op_end, .stop = op_stop, .reset = op_reset,
	.closed = op_closed, .goaway = op_goaway, .window = op_window,
};

static inline void
pair_sink(void *ctx, struct slice line)
{
	(void)ctx;
	(void)line;
}

static inline void
side_init(struct side *d, struct pair *w, unsigned dir)
{
	static uint8_t *areas[2], *pipes[2], *old;

	d->pair = w;
	d->dir = dir;
	d->arena.cap = blocks_bytes(PAIR_BLOCKS) + 65536;
	/* Kept for the next pair: thousands of them are made. */
	if (areas[dir] == NULL) {
		areas[dir] = aligned_alloc(4096, (d->arena.cap | 4095) + 1);
		pipes[dir] = malloc(PAIR_PIPE);
		MUST(areas[dir] != NULL && pipes[dir] != NULL);
	}
	if (old == NULL)
		old = malloc(PAIR_PIPE);
	MUST(old != NULL);
	w->old.pipe = old;
	d->arena.p = areas[dir];
	d->pipe = pipes[dir];
	blocks_init(&d->blocks, &d->arena, 7, PAIR_BLOCKS);
	memset(d->blocks.pool.gen, 0, PAIR_BLOCKS * sizeof(uint32_t));
	d->cfg = (struct tunnel_cfg){
		.role = dir == 0 ? TUNNEL_RELAY : TUNNEL_AGENT,
		.ops = &pair_ops, .owner = d, .blocks = &d->blocks,
		.log = &w->log, .ring_max = RING_MIN,
		.ours = { PAIR_LIMIT, WINDOW_INITIAL,
		    (PAIR_LIMIT + 1) * WINDOW_INITIAL },
		.hello_ms = HELLO_DEADLINE_MS, .grace_ms = GRACE_MS,
		.seed = 99 + dir,
		.hash = d->hash, .hash_n = 64,
	};
}

/* One pair at a time: the memory behind two would be the same. */
static inline struct pair *
pair_new(uint64_t seed)
{
	struct pair *w = calloc(1, sizeof *w);

	MUST(w != NULL);
	pair_seed = seed;
	w->r.s = seed;
	w->now_ms = 1000;
	w->log = (struct log){ .sink = pair_sink, .level = LOG_FATAL };
	side_init(&w->relay, w, 0);
	side_init(&w->agent, w, 1);
	return w;
}

static inline void
pair_begin(struct pair *w)
{
	MUST(tunnel_init(&w->relay.t, &w->relay.cfg, w->now_ms) == E_OK);
	MUST(tunnel_init(&w->agent.t, &w->agent.cfg, w->now_ms) == E_OK);
	MUST(tunnel_text(&w->agent.t, SL("{\"type\":\"hello\"}")) == E_OK);
}

static inline void
pair_free(struct pair *w)
{
	struct side *d[] = { &w->relay, &w->agent };

	tunnel_free(&w->via, RESET_BROKEN);
	for (size_t i = 0; i < 2; i++) {
		tunnel_free(&d[i]->t, RESET_BROKEN);
		MUST(d[i]->blocks.pool.used == 0);
		MUST(d[i]->blocks.reserved == 0);
	}
	free(w);
}

static inline struct side *
pair_other(struct side *d)
{
	return d->dir == 0 ? &d->pair->agent : &d->pair->relay;
}

/* One output of d into its pipe, of which the socket takes `take` bytes. */
static inline size_t
pair_out(struct side *d, size_t take)
{
	struct pair *w = d->pair;
	size_t room = PAIR_PIPE - d->pipe_n;
	size_t n = tunnel_output(&d->t, w->scratch, sizeof w->scratch,
	    w->now_ms);

	/* Or an owner would ask again for ever. */
	MUST(n > 0 || !tunnel_wants(&d->t, w->now_ms));
	if (take > room)
		take = room;
	if (take > n)
		take = n;
	if (d->dir == 0 && w->half_open)
		return n;               /* into a socket that leads nowhere */
	if (take > 0)
		memcpy(d->pipe + d->pipe_n, w->scratch, take);
	d->pipe_n += take;
	if (take < n)
		tunnel_unsent(&d->t, slice_of(w->scratch + take, n - take));
	return n;
}

/* Take up to n bytes off d's pipe, into t. */
static inline enum err
pair_feed(struct side *d, struct tunnel *t, size_t n, uint64_t now_ms)
{
	enum err e;

	if (n > d->pipe_n)
		n = d->pipe_n;
	e = tunnel_input(t, d->pipe, n, now_ms);
	memmove(d->pipe, d->pipe + n, d->pipe_n - n);
	d->pipe_n -= n;
	return e;
}

/* The relay has read a hello that resumes: the new connection is the one. */
static inline enum err
pair_take_over(struct pair *w)
{
	struct tunnel *t = &w->relay.t;
	uint8_t text[24];
	struct buf b = BUF_ON(text);
	enum err e;

	MUST(tunnel_park(t, w->now_ms));
	buf_lit(&b, "R");
	buf_put_dec(&b, tunnel_received(t) + (uint64_t)w->skew[0]);
	e = tunnel_resume(t, &w->via, buf_slice(&b), w->asked_received,
	    w->now_ms);
	tunnel_free(&w->via, RESET_BROKEN);
	w->asked = w->half_open = w->dialled = false;
	w->old.pipe_n = 0;
	return e;
}

/* Bring up to n bytes of d's pipe to the other side. */
static inline enum err
pair_in(struct side *d, size_t n)
{
	struct pair *w = d->pair;
	enum err e;

	if (d->dir == 0 || !w->dialled)
		return pair_feed(d, &pair_other(d)->t, n, w->now_ms);
	e = pair_feed(d, &w->via, n, w->now_ms);
	return w->asked ? pair_take_over(w) : e;
}

/*
 * The connection is gone for the agent. The relay knows it too, or reads what
 * is under way until it hears of the next one.
 */
static inline void
pair_cut(struct pair *w, bool half_open)
{
	w->ncuts++;
	if (w->dialled) {
		tunnel_free(&w->via, RESET_BROKEN);
		w->dialled = w->asked = false;
	} else if (half_open && !w->half_open &&
	    w->relay.t.state != TUNNEL_PARKED) {
		w->half_open = true;
		memcpy(w->old.pipe, w->agent.pipe, w->agent.pipe_n);
		w->old.pipe_n = w->agent.pipe_n;
	}
	if (!half_open) {
		w->half_open = false;
		MUST(tunnel_park(&w->relay.t, w->now_ms));
	}
	MUST(tunnel_park(&w->agent.t, w->now_ms));
	w->relay.pipe_n = w->agent.pipe_n = 0;
}

/* The agent has a new connection, and says what it has. */
static inline void
pair_dial(struct pair *w)
{
	struct tunnel_cfg cfg = w->relay.cfg;
	uint8_t text[24];
	struct buf b = BUF_ON(text);

	MUST(!w->dialled && w->agent.pipe_n == 0);
	cfg.hash = w->via_hash;
	MUST(tunnel_init(&w->via, &cfg, w->now_ms) == E_OK);
	w->dialled = true;
	tunnel_rejoin(&w->agent.t, w->now_ms);
	buf_lit(&b, "R");
	buf_put_dec(&b, tunnel_received(&w->agent.t) + (uint64_t)w->skew[1]);
	MUST(tunnel_text(&w->agent.t, buf_slice(&b)) == E_OK);
}

/* Does the engine know exactly what the owners hold unread? */
static inline bool
pair_owners_agree(const struct side *d)
{
	for (size_t i = 0; i < PAIR_STREAMS; i++) {
		const struct rec *c = &d->recs[i];

		if (c->used && c->s.tunnel != NULL && c->s.id != 0 &&
		    credit_unread(&c->s) != c->held)
			return false;
	}
	return true;
}

static inline void
pair_check(struct pair *w)
{
	const struct tunnel *a = &w->relay.t, *b = &w->agent.t;

	tunnel_check(a);
	tunnel_check(b);
	MUST(pair_owners_agree(&w->relay) && pair_owners_agree(&w->agent));
	MUST(a->received <= b->ring.sent && b->received <= a->ring.sent);
	MUST(a->ring.acked <= b->received && b->ring.acked <= a->received);
}

/* Time passes; both sides do what is due. */
static inline void
pair_time(struct pair *w, uint64_t ms)
{
	uint64_t due;

	w->now_ms += ms;
	tunnel_step(&w->relay.t, w->now_ms, &due);
	tunnel_step(&w->agent.t, w->now_ms, &due);
}

/* Move bytes, without time, until nothing moves. */
static inline void
pair_settle(struct pair *w)
{
	size_t moved;

	do {
		moved = pair_out(&w->relay, SIZE_MAX) +
		    pair_out(&w->agent, SIZE_MAX) +
		    w->relay.pipe_n + w->agent.pipe_n;
		pair_in(&w->relay, SIZE_MAX);
		pair_in(&w->agent, SIZE_MAX);
	} while (moved > 0);
}

/* Settle, with all delayed acknowledgements. */
static inline void
pair_quiet(struct pair *w)
{
	for (int i = 0; i < 3; i++) {
		pair_settle(w);
		pair_time(w, ACK_DELAY_MS);
	}
	pair_settle(w);
}

/* The relay opens a stream with so many bytes to send at once. */
static inline struct rec *
pair_open(struct pair *w, uint64_t planned)
{
	struct rec *c;

	if (w->uids >= PAIR_UIDS || !tunnel_may_open(&w->relay.t))
		return NULL;
	c = rec_take(&w->relay, w->uids);
	if (c == NULL)
		return NULL;
	c->planned = planned;
	MUST(tunnel_open(&w->relay.t, &c->s) == E_OK);
	w->relay.fate[c->uid].opened = true;
	w->uids++;
	return c;
}

/* The record of stream uid on side d, NULL if it is gone. */
static inline struct rec *
pair_rec(struct side *d, uint32_t uid)
{
	for (size_t i = 0; i < PAIR_STREAMS; i++)
		if (d->recs[i].used && d->recs[i].uid == uid)
			return &d->recs[i];
	return NULL;
}

/* n more bytes are to be had (n of SIZE_MAX: all, and the end). */
static inline void
rec_feed(struct rec *c, uint64_t n)
{
	if (n > c->planned - c->available)
		n = c->planned - c->available;
	c->available += n;
	tunnel_ready(&c->s);
}

#endif
