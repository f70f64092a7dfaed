/*
 * The tunnel engine: two of them back to back under random schedules with an
 * oracle, the rules of TUNNEL's design by name, and what a hostile peer gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

#define UNUSED(x) ((void)(x))

static inline struct pair *
live_pair(uint64_t seed)
{
	struct pair *w = pair_new(seed);

	pair_begin(w);
	pair_settle(w);
	MUST(w->relay.t.state == TUNNEL_LIVE);
	MUST(w->agent.t.state == TUNNEL_LIVE);
	return w;
}

/* --- random schedules ------------------------------------------------- */

static void
random_open(struct pair *w)
{
	struct rec *c = pair_open(w, pair_plan(&w->r));

	if (c != NULL)
		c->fail_at_end = prng_below(&w->r, 10) == 0;
}

static struct rec *
random_rec(struct pair *w)
{
	struct side *d = prng_below(&w->r, 2) ? &w->relay : &w->agent;
	struct rec *c = &d->recs[prng_below(&w->r, PAIR_STREAMS)];

	return c->used ? c : NULL;
}

static void
random_reset(struct pair *w)
{
	struct rec *c = random_rec(w);

	if (c == NULL || c->over)
		return;
	c->side->fate[c->uid].did_reset = true;
	tunnel_reset(&c->s, RESET_CANCELLED);
	c->over = true;
	c->held = 0;
	rec_free_if_done(c);
}

static void
random_stop(struct pair *w)
{
	struct rec *c = random_rec(w);

	if (c == NULL || c->over || c->ended_in)
		return;
	c->side->fate[c->uid].did_stop = true;
	tunnel_stop(&c->s);
	c->held = 0;
	rec_free_if_done(c);
}

static uint32_t
random_size(struct pair *w)
{
	static const uint32_t most[] = { 3, 40, 2000, 70000, 200000 };

	return 1 + prng_below(&w->r, most[prng_below(&w->r, 5)]);
}

/* A connection ends, or the next one begins. */
static void
random_cut(struct pair *w)
{
	if (w->half_open && w->old.pipe_n > 0 && prng_below(&w->r, 2) == 0) {
		MUST(pair_feed(&w->old, &w->relay.t, random_size(w),
		    w->now_ms) == E_OK);
	} else if (w->agent.t.state == TUNNEL_PARKED) {
		pair_dial(w);
	} else if (w->agent.t.state != TUNNEL_HELLO &&
	    prng_below(&w->r, 4) == 0) {
		/* What is under way may still come to the agent. */
		MUST(pair_in(&w->relay, prng_below(&w->r, 70000)) == E_OK);
		pair_cut(w, prng_below(&w->r, 2) == 0);
	}
}

static void
random_act(struct pair *w)
{
	struct side *d = prng_below(&w->r, 2) ? &w->relay : &w->agent;
	struct rec *c;

	if (w->cuts && prng_below(&w->r, 12) == 0)
		random_cut(w);
	switch (prng_below(&w->r, 12)) {
	case 0:
		random_open(w);
		break;
	case 1:
		if (prng_below(&w->r, 12) == 0)
			random_reset(w);
		break;
	case 2:
		if (prng_below(&w->r, 12) == 0)
			random_stop(w);
		break;
	case 3: case 4:
		if ((c = random_rec(w)) != NULL && !c->over && !c->ended_out)
			rec_feed(c, random_size(w));
		break;
	case 5: case 6:
		if ((c = random_rec(w)) != NULL)
			rec_consume(c, random_size(w));
		break;
	case 7:
		pair_time(w, prng_below(&w->r, 20));
		break;
	case 8: case 9:
		pair_out(d, random_size(w));
		break;
	default:
		if (d->pipe_n > 0)
			MUST(pair_in(d, random_size(w)) == E_OK);
	}
}

/* Everybody gives and takes what there is, until all streams are over. */
static void
finish(struct pair *w)
{
	struct side *d[] = { &w->relay, &w->agent };

	if (w->agent.t.state == TUNNEL_PARKED)
		pair_dial(w);
	for (int turn = 0; turn < 400; turn++) {
		for (size_t k = 0; k < 2 * PAIR_STREAMS; k++) {
			struct rec *c = &d[k / PAIR_STREAMS]->recs[k %
			    PAIR_STREAMS];

			if (c->used && !c->over && !c->ended_out)
				rec_feed(c, SIZE_MAX);
			if (c->used)
				rec_consume(c, UINT64_MAX);
		}
		pair_quiet(w);
		pair_check(w);
		if (w->relay.t.nstreams == 0 && w->agent.t.nstreams == 0)
			return;
	}
	MUST(w->relay.t.nstreams == 0);         /* a stream hangs */
}

/* What must be true of one direction of a stream when all is over. */
static void
judge(const struct fate *from, const struct fate *to)
{
	MUST(to->got <= from->sent);
	if (to->closed) {
		/* An END came: everything came. Ours may have crossed a RESET
		 * of somebody who had sent all, but did not wait for us. */
		MUST(from->closed || from->did_reset);
		MUST(from->sent == from->planned && to->end_got);
		MUST(to->did_stop || to->got == from->sent);
	}
	if (to->was_reset)
		MUST(from->did_reset || from->refused);
	if (to->closed || to->was_reset || to->did_reset)
		return;
	/* Never reached the other side, or was refused there. */
	MUST(!to->opened);
}

static void
judge_all(struct pair *w)
{
	struct side *d[] = { &w->relay, &w->agent };

	for (uint32_t i = 0; i < w->uids; i++) {
		judge(&w->relay.fate[i], &w->agent.fate[i]);
		judge(&w->agent.fate[i], &w->relay.fate[i]);
	}
	for (size_t k = 0; k < 2; k++) {
		MUST(d[k]->t.err == E_OK);
		MUST(d[k]->blocks.pool.used == 0);
		MUST(d[k]->t.ring.acked == d[k]->t.ring.put);
		MUST(d[k]->t.ring.acked == pair_other(d[k])->t.received);
		/* Credit: what one may send and the other owes. */
		MUST(d[k]->t.send_credit + pair_other(d[k])->t.recv_owed ==
		    pair_other(d[k])->t.recv_total);
	}
}

static uint32_t total_cuts, total_resumed;

static void
random_run(uint64_t seed, bool cuts)
{
	struct pair *w = pair_new(seed);
	uint32_t acts = 200 + prng_below(&w->r, 2500);

	w->cuts = cuts;
	w->instant = prng_below(&w->r, 3) == 0;
	w->refuse_one_in = prng_below(&w->r, 3) == 0 ? 5 : 0;
	pair_begin(w);
	for (uint32_t i = 0; i < acts; i++) {
		random_act(w);
		if (i % 16 == 0)
			pair_check(w);
	}
	finish(w);
	judge_all(w);
	total_cuts += w->ncuts;
	total_resumed += w->nresumed;
	pair_free(w);
}

static void
random_schedules_keep_every_promise(void **state)
{
	const char *runs = getenv("TUNNEL_RUNS");
	const char *first = getenv("TUNNEL_SEED");
	uint64_t n = runs != NULL ? strtoull(runs, NULL, 0) : 1500;
	uint64_t at = first != NULL ? strtoull(first, NULL, 0) : 1;

	UNUSED(state);
	for (uint64_t i = 0; i < n; i++)
		random_run(at + i, false);
}

/* The same with connections that end at any byte: nobody may notice. */
static void
random_cuts_keep_every_promise(void **state)
{
	const char *runs = getenv("TUNNEL_RUNS");
	const char *first = getenv("TUNNEL_SEED");
	uint64_t n = runs != NULL ? strtoull(runs, NULL, 0) : 1500;
	uint64_t at = first != NULL ? strtoull(first, NULL, 0) : 1;

	UNUSED(state);
	for (uint64_t i = 0; i < n; i++)
		random_run(at + i, true);
	print_message("%u cuts, %u resumptions\n", total_cuts,
	    total_resumed);
	assert_true(runs != NULL || total_resumed > 8000);
}


/* --- what is true by name; † as in the design -------------------------- */

/* Output of d that nobody takes: as a socket that is full. */
static size_t
drop_output(struct side *d)
{
	struct pair *w = d->pair;

	return tunnel_output(&d->t, w->scratch, sizeof w->scratch, w->now_ms);
}

/* The types of the frames in the pipe of d, as letters; pings and such not. */
static const char *
piped(const struct side *d)
{
	static char text[4096];
	struct slice in = slice_of(d->pipe, d->pipe_n);
	size_t n = 0, used;

	while (in.n > 0) {
		struct ws_frame f;
		uint8_t type;

		MUST(ws_decode(&f, in, &used) == E_OK);
		in = slice_from(in, used);
		ws_mask(&type, in.p, 1, f.key, 0);
		if (f.opcode == WS_BINARY && n < sizeof text - 1)
			text[n++] = "?ODESRCAG"[type];
		in = slice_from(in, (size_t)f.length);
	}
	text[n] = '\0';
	return text;
}

static struct rec *
open_settled(struct pair *w, uint64_t planned)
{
	struct rec *c = pair_open(w, planned);

	MUST(c != NULL);
	pair_settle(w);
	MUST(pair_rec(&w->agent, c->uid) != NULL);
	pair_rec(&w->agent, c->uid)->fail_at_end = false;
	return c;
}

static struct rec *
agents(struct pair *w, const struct rec *c)
{
	return pair_rec(&w->agent, c->uid);
}

static void
an_idle_tunnel_holds_no_block(void **state)
{
	struct pair *w = live_pair(1);

	UNUSED(state);
	for (int i = 0; i < 20; i++)
		open_settled(w, 1000);
	pair_quiet(w);
	assert_int_equal(w->relay.blocks.pool.used, 0);
	assert_int_equal(w->agent.blocks.pool.used, 0);
	assert_int_equal(w->relay.t.nstreams, 20);
	pair_free(w);
}

/* † A hello changes nothing; the agent's first ACK confirms. */
static void
a_session_is_provisional_until_the_agents_ack(void **state)
{
	struct pair *w = pair_new(1);

	UNUSED(state);
	pair_begin(w);
	pair_out(&w->agent, SIZE_MAX);
	pair_in(&w->agent, SIZE_MAX);           /* hello */
	assert_int_equal(w->relay.t.state, TUNNEL_PROVISIONAL);
	assert_int_equal(w->relay.nconfirmed, 0);
	assert_null(pair_open(w, 10));
	pair_out(&w->relay, SIZE_MAX);
	pair_in(&w->relay, SIZE_MAX);           /* welcome */
	assert_int_equal(w->agent.t.state, TUNNEL_PROVISIONAL);
	assert_true(tunnel_wants(&w->agent.t, w->now_ms));
	pair_out(&w->agent, SIZE_MAX);
	assert_string_equal(piped(&w->agent), "A");
	pair_in(&w->agent, SIZE_MAX);
	assert_int_equal(w->relay.t.state, TUNNEL_LIVE);
	assert_int_equal(w->relay.nconfirmed, 1);
	assert_int_equal(w->agent.nconfirmed, 0);
	pair_out(&w->relay, SIZE_MAX);          /* at once */
	assert_string_equal(piped(&w->relay), "A");
	pair_in(&w->relay, SIZE_MAX);
	assert_int_equal(w->agent.t.state, TUNNEL_LIVE);
	assert_int_equal(w->agent.nconfirmed, 1);
	pair_free(w);
}

static void
each_step_of_the_beginning_has_a_deadline(void **state)
{
	UNUSED(state);
	for (int step = 0; step < 3; step++) {
		struct pair *w = pair_new(1);
		struct side *late = step == 1 ? &w->agent : &w->relay;
		uint64_t due;

		pair_begin(w);
		if (step == 2) {
			pair_out(&w->agent, SIZE_MAX);
			pair_in(&w->agent, SIZE_MAX);
		}
		w->now_ms += HELLO_DEADLINE_MS - 1;
		assert_int_equal(tunnel_step(&late->t, w->now_ms, &due), E_OK);
		assert_int_equal(due, w->now_ms + 1);
		w->now_ms++;
		assert_int_equal(tunnel_step(&late->t, w->now_ms, &due),
		    E_TIMEOUT);
		assert_int_equal(late->t.out.close, CLOSE_EXPIRED);
		pair_free(w);
	}
}

static void
acks_come_after_25_ms_or_32_kib_and_never_for_an_ack(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *c = open_settled(w, 100000);

	UNUSED(state);
	pair_quiet(w);
	assert_false(tunnel_wants(&w->relay.t, w->now_ms));
	assert_false(tunnel_wants(&w->agent.t, w->now_ms));
	rec_feed(c, 10);
	pair_settle(w);
	assert_true(w->agent.t.ack_sent < w->agent.t.received);
	pair_time(w, ACK_DELAY_MS - 1);
	assert_false(tunnel_wants(&w->agent.t, w->now_ms));
	pair_time(w, 1);
	assert_true(tunnel_wants(&w->agent.t, w->now_ms));
	pair_out(&w->agent, SIZE_MAX);
	assert_string_equal(piped(&w->agent), "A");
	pair_in(&w->agent, SIZE_MAX);
	assert_false(tunnel_wants(&w->relay.t, w->now_ms));
	rec_feed(c, 40000);
	pair_out(&w->relay, SIZE_MAX);
	pair_in(&w->relay, SIZE_MAX);
	pair_out(&w->agent, SIZE_MAX);
	assert_string_equal(piped(&w->agent), "A");
	pair_free(w);
}

static void
silence_is_pinged_and_then_fatal(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *c = open_settled(w, 10);
	uint64_t due;

	UNUSED(state);
	pair_quiet(w);
	assert_int_equal(tunnel_step(&w->relay.t, w->now_ms, &due), E_OK);
	assert_true(due <= w->now_ms + PING_AFTER_MS);
	pair_time(w, PING_AFTER_MS);
	pair_settle(w);                         /* pings and pongs */
	assert_int_equal(w->relay.t.err, E_OK);
	pair_time(w, PING_AFTER_MS);            /* and again */
	assert_true(tunnel_wants(&w->relay.t, w->now_ms));
	pair_out(&w->relay, 3);                 /* the rest never leaves */
	assert_int_equal(tunnel_step(&w->relay.t, w->now_ms, &due), E_OK);
	assert_int_equal(due, w->now_ms + DEAD_AFTER_MS);
	w->now_ms += DEAD_AFTER_MS;
	assert_int_equal(tunnel_step(&w->relay.t, w->now_ms, &due), E_TIMEOUT);
	/* A cut, not an end: no Close, streams are still there. */
	assert_false(tunnel_wants(&w->relay.t, w->now_ms));
	assert_int_equal(drop_output(&w->relay), 0);
	assert_non_null(c->s.tunnel);
	pair_free(w);
}

/* † DATA stops at R - 64 KiB, control frames go on to R, ACK always. */
static void
data_stops_before_control_frames_do(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *c[5];
	size_t n, total = 0;

	UNUSED(state);
	for (int i = 0; i < 5; i++) {
		c[i] = open_settled(w, 1000000);
		agents(w, c[i])->planned = 100;
	}
	pair_quiet(w);
	for (int i = 0; i < 5; i++)
		rec_feed(c[i], SIZE_MAX);
	while ((n = drop_output(&w->relay)) > 0)
		total += n;                     /* nothing is acknowledged */
	assert_int_equal(w->relay.t.ring.nblocks,
	    (RING_MIN - RING_CONTROL_BYTES) / BLOCK_BYTES);
	assert_true(total >= RING_MIN - RING_CONTROL_BYTES);
	assert_true(total < RING_MIN - RING_CONTROL_BYTES + 1024);
	/* Something to acknowledge, and something to say. */
	rec_feed(agents(w, c[0]), 50);
	pair_out(&w->agent, SIZE_MAX);
	pair_in(&w->agent, SIZE_MAX);
	w->now_ms += ACK_DELAY_MS;
	assert_true(drop_output(&w->relay) > 0);
	assert_int_equal(w->relay.t.ack_sent, w->relay.t.received);
	tunnel_reset(&c[0]->s, RESET_CANCELLED);
	c[0]->used = false;
	assert_true(drop_output(&w->relay) > 0);
	assert_int_equal(w->relay.t.resets.n, 0);
	assert_false(tunnel_wants(&w->relay.t, w->now_ms));
	tunnel_check(&w->relay.t);
	pair_free(w);
}

/*
 * † Both sides at R, neither acknowledging: what cannot enter the ring is a
 * flag or an entry for each stream, streams count until their RESET is in the
 * ring, and ACKs still pass and free everything.
 */
static void
full_rings_on_both_sides_do_not_deadlock(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *c[20];
	uint32_t blocks;

	UNUSED(state);
	for (int i = 0; i < 20; i++) {
		c[i] = open_settled(w, 60000);
		agents(w, c[i])->planned = 60000;
	}
	pair_quiet(w);
	for (int i = 0; i < 20; i++) {
		rec_feed(c[i], SIZE_MAX);
		rec_feed(agents(w, c[i]), SIZE_MAX);
	}
	/* Fill both rings to the brim: nobody reads. */
	pair_out(&w->relay, SIZE_MAX);
	while (drop_output(&w->relay) > 0)
		;
	blocks = w->relay.t.ring.nblocks;
	for (uint32_t i = 0; i < 5000 && w->relay.t.ring.nblocks <
	    RING_MIN / BLOCK_BYTES; i++) {
		struct frame f = { .type = FRAME_CREDIT };

		f.u.credit = 1;         /* of no effect: never delivered */
		session_put(&w->relay.t, &f);
	}
	assert_true(blocks < w->relay.t.ring.nblocks);
	while (session_put(&w->relay.t, &(struct frame){
	    .type = FRAME_CREDIT, .u.credit = 1 }))
		;
	for (int i = 0; i < 10; i++) {
		tunnel_reset(&c[i]->s, RESET_CANCELLED);
		w->relay.fate[c[i]->uid].did_reset = true;
		c[i]->used = false;
	}
	assert_int_equal(w->relay.t.resets.n, 10 * RESET_BYTES);
	assert_int_equal(w->relay.t.nstreams, 20);
	tunnel_check(&w->relay.t);
	while (drop_output(&w->relay) > 0)
		;
	assert_int_equal(w->relay.t.ring.sent, w->relay.t.ring.put);
	/* An ACK comes after all: everything goes on. */
	assert_true(ring_ack(&w->relay.t.ring, &w->relay.blocks,
	    w->relay.t.ring.sent));
	assert_true(drop_output(&w->relay) > 0);
	assert_int_equal(w->relay.t.resets.n, 0);
	assert_int_equal(w->relay.t.nstreams, 10);
	tunnel_check(&w->relay.t);
	pair_free(w);
}

/* † The number is given when OPEN enters the ring. */
static void
a_request_cancelled_early_leaves_no_trace(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *a = pair_open(w, 10), *b = pair_open(w, 10);

	UNUSED(state);
	tunnel_ready(&a->s);
	tunnel_reset(&a->s, RESET_CANCELLED);
	a->used = false;
	assert_int_equal(w->relay.t.nstreams, 1);
	pair_out(&w->relay, SIZE_MAX);
	assert_string_equal(piped(&w->relay), "O");
	assert_int_equal(b->s.id, 1);
	pair_settle(w);
	assert_int_equal(w->agent.nopened, 1);
	assert_int_equal(w->agent.t.last_id, 1);
	pair_free(w);
}

/* † Closed for the protocol, but its bytes are still with the agent. */
static void
an_agent_short_of_room_answers_over_limit(void **state)
{
	struct pair *w = live_pair(1);
	uint32_t n = 0;

	UNUSED(state);
	/* Streams that end at once both ways, 1000 bytes unread at the agent
	 * each, until its records run out. */
	while (n < PAIR_STREAMS) {
		struct rec *c = open_settled(w, 1000), *d = agents(w, c);

		d->planned = 0;
		d->available = 0;
		rec_feed(d, SIZE_MAX);
		rec_feed(c, SIZE_MAX);
		pair_quiet(w);
		assert_true(w->agent.fate[n].closed && d->held == 1000);
		assert_int_equal(w->agent.t.nstreams, 0);
		n++;
	}
	/* † The session has its credit back although nobody has read. */
	assert_int_equal(w->agent.t.recv_window + w->agent.t.recv_owed,
	    w->agent.t.recv_total);
	assert_non_null(pair_open(w, 10));
	pair_settle(w);
	assert_true(w->agent.fate[n].refused);
	assert_true(w->relay.fate[n].was_reset);
	assert_int_equal(w->relay.fate[n].code, RESET_OVER_LIMIT);
	assert_int_equal(w->agent.t.nstreams, 0);
	pair_free(w);
}

/*
 * † The classic leak: what is dropped for a closed or stopped stream, or lay
 * unread at a RESET or STOP, must come back to the session. A hundred rounds
 * of each lose 6 MiB if it does not, four times what the session has.
 */
static void
dropped_and_unread_bytes_are_returned(void **state)
{
	UNUSED(state);
	for (int how = 0; how < 4; how++) {
		struct pair *w = live_pair(1);

		for (int round = 0; round < 100; round++) {
			struct rec *c = open_settled(w, 1000000);
			struct rec *d = agents(w, c);

			rec_feed(c, SIZE_MAX);
			if (how >= 2)           /* some lies unread */
				pair_settle(w);
			else                    /* all is under way */
				pair_out(&w->relay, SIZE_MAX);
			assert_true(c->sent > 60000);
			if (how % 2 == 0) {
				tunnel_reset(&d->s, RESET_BROKEN);
				d->used = false;
			} else {
				w->agent.fate[d->uid].did_stop = true;
				tunnel_stop(&d->s);
				d->held = 0;
			}
			pair_quiet(w);
			if (how % 2 == 1)
				tunnel_reset(&c->s, RESET_CANCELLED);
			c->used = false;
			pair_quiet(w);
			pair_check(w);
			assert_int_equal(w->agent.t.recv_window +
			    w->agent.t.recv_owed, w->agent.t.recv_total);
		}
		assert_int_equal(w->agent.t.err, E_OK);
		pair_free(w);
	}
}

/* † Session credit bounds memory and never schedules. */
static void
stalled_readers_do_not_stop_the_others(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *c = NULL;

	UNUSED(state);
	for (int i = 0; i < PAIR_LIMIT - 1; i++) {
		c = open_settled(w, 1000000);
		rec_feed(c, SIZE_MAX);
	}
	pair_quiet(w);
	/* Each has filled its window, and nobody reads. */
	assert_int_equal(agents(w, c)->held, WINDOW_INITIAL);
	c = open_settled(w, 5000000);
	rec_feed(c, SIZE_MAX);
	for (int i = 0; i < 2000 && !agents(w, c)->ended_in; i++) {
		rec_consume(agents(w, c), 10000);
		pair_settle(w);
		/* The session's credit is always enough for its window. */
		assert_true(c->s.tunnel == NULL ||
		    w->relay.t.send_credit >= c->s.send_credit);
	}
	assert_int_equal(agents(w, c)->got, 5000000);
	pair_check(w);
	pair_free(w);
}

static void
a_keystroke_does_not_wait_for_downloads(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *bulk[4], *key;

	UNUSED(state);
	for (int i = 0; i < 4; i++)
		bulk[i] = open_settled(w, 1000000);
	key = open_settled(w, 1000);
	pair_quiet(w);
	for (int i = 0; i < 4; i++)
		rec_feed(bulk[i], SIZE_MAX);
	pair_out(&w->relay, SIZE_MAX);
	pair_in(&w->relay, SIZE_MAX);
	for (int i = 0; i < 4; i++)
		assert_true(agents(w, bulk[i])->got > 0);
	rec_feed(key, 10);
	pair_out(&w->relay, 2 + 8 + 10);        /* the very next frame */
	pair_in(&w->relay, SIZE_MAX);
	assert_true(agents(w, key)->got > 0);
	pair_free(w);
}

static void
downloads_share_alike(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *c[4];
	uint64_t least = UINT64_MAX, most = 0;

	UNUSED(state);
	w->instant = true;
	for (int i = 0; i < 4; i++) {
		c[i] = open_settled(w, 4000000);
		agents(w, c[i])->planned = 1;
	}
	/* The first gives a byte at a time, which must gain it nothing. */
	for (int i = 1; i < 4; i++)
		rec_feed(c[i], SIZE_MAX);
	for (int turn = 0; turn < 40; turn++) {
		for (int k = 0; k < 50; k++)
			rec_feed(c[0], 1);
		pair_out(&w->relay, SIZE_MAX);
		pair_in(&w->relay, SIZE_MAX);
		pair_out(&w->agent, SIZE_MAX);
		pair_in(&w->agent, SIZE_MAX);
		pair_time(w, 1);
	}
	for (int i = 1; i < 4; i++) {
		uint64_t got = agents(w, c[i])->got;

		least = got < least ? got : least;
		most = got > most ? got : most;
	}
	assert_true(least > 500000);
	assert_true(most - least <= 3 * FRAME_DATA_MAX);
	pair_free(w);
}

static void
a_reset_overtakes_what_was_not_sent(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *c = open_settled(w, 50000);

	UNUSED(state);
	pair_quiet(w);
	rec_feed(c, SIZE_MAX);
	tunnel_reset(&c->s, RESET_CANCELLED);
	c->used = false;
	pair_out(&w->relay, SIZE_MAX);
	assert_string_equal(piped(&w->relay), "R");
	pair_settle(w);
	assert_true(w->agent.fate[0].was_reset);
	assert_int_equal(w->agent.fate[0].code, RESET_CANCELLED);
	pair_free(w);
}

static void
stop_is_answered_with_end(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *c = open_settled(w, 500000), *d = agents(w, c);

	UNUSED(state);
	rec_feed(c, SIZE_MAX);
	pair_quiet(w);                          /* a window's worth waits */
	w->agent.fate[0].did_stop = true;
	tunnel_stop(&d->s);
	tunnel_stop(&d->s);                     /* once is enough */
	d->held = 0;
	pair_out(&w->agent, SIZE_MAX);
	assert_null(strchr(piped(&w->agent), 'C') ?
	    strchr(strchr(piped(&w->agent), 'S') + 1, 'S') : NULL);
	pair_quiet(w);
	assert_true(w->relay.fate[0].was_stopped && d->ended_in);
	assert_int_equal(c->s.state, STREAM_SENT_END);
	/* The other direction goes on. */
	d->planned = 5000;
	rec_feed(d, SIZE_MAX);
	pair_quiet(w);
	assert_true(w->relay.fate[0].closed && w->agent.fate[0].closed);
	assert_int_equal(c->got, 5000);
	pair_free(w);
}

static void
a_pull_that_fails_resets_the_stream(void **state)
{
	struct pair *w = live_pair(5);
	int seen = 0;

	UNUSED(state);
	while (seen < 3) {
		struct rec *c = open_settled(w, 100);
		uint32_t uid = c->uid;

		c->fail_at_end = true;
		rec_feed(c, SIZE_MAX);
		pair_quiet(w);
		if (c->used && !c->over) {      /* it sent END this time */
			tunnel_reset(&c->s, RESET_CANCELLED);
			c->used = false;
			continue;
		}
		assert_int_equal(w->relay.fate[uid].code, RESET_BROKEN);
		assert_int_equal(w->agent.fate[uid].code, RESET_BROKEN);
		seen++;
	}
	pair_free(w);
}

static struct tunnel_ops odd_ops;
static bool odd_close;

static enum tunnel_pull
odd_pull(void *owner, struct tunnel_stream *s, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code)
{
	struct side *d = owner;

	UNUSED(code);
	memset(dst, 'x', max);
	*n = max;
	d->fate[rec_of(s)->uid].did_reset = true;
	if (odd_close)
		tunnel_close(&d->t, CLOSE_DONE);
	else
		tunnel_reset(s, RESET_CANCELLED);
	return PULL_MORE;
}

/* A pull may find out that all is over; what it gave then goes nowhere. */
static void
a_pull_may_end_its_own_stream_or_all(void **state)
{
	UNUSED(state);
	for (int all = 0; all < 2; all++) {
		struct pair *w = pair_new(1);
		struct rec *c;

		odd_ops = pair_ops;
		odd_ops.pull = odd_pull;
		odd_close = all;
		w->relay.cfg.ops = &odd_ops;
		pair_begin(w);
		pair_quiet(w);
		c = open_settled(w, 100);
		pair_quiet(w);
		tunnel_ready(&c->s);
		pair_out(&w->relay, SIZE_MAX);
		assert_null(c->s.tunnel);
		assert_string_equal(piped(&w->relay), all ? "" : "R");
		c->used = false;
		pair_settle(w);
		tunnel_check(&w->relay.t);
		assert_true(w->agent.fate[0].was_reset);
		assert_int_equal(agents(w, c) == NULL, true);
		assert_int_equal(w->agent.fate[0].got, 0);
		pair_free(w);
	}
}

static struct rec *odd_victim;

static enum tunnel_pull
resetting_pull(void *owner, struct tunnel_stream *s, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code)
{
	struct side *d = owner;
	enum tunnel_pull what = pair_ops.pull(owner, s, dst, max, n, code);

	if (odd_victim->used) {
		d->fate[odd_victim->uid].did_reset = true;
		tunnel_reset(&odd_victim->s, RESET_CANCELLED);
		odd_victim->used = false;
	}
	return what;
}

/* Its RESET must not take the room that the pull is filling. */
static void
a_pull_may_end_another_stream(void **state)
{
	struct pair *w = pair_new(1);
	struct rec *c;

	UNUSED(state);
	odd_ops = pair_ops;
	odd_ops.pull = resetting_pull;
	w->relay.cfg.ops = &odd_ops;
	pair_begin(w);
	pair_quiet(w);
	c = open_settled(w, 100);
	odd_victim = open_settled(w, 100);
	rec_feed(c, SIZE_MAX);
	pair_quiet(w);
	tunnel_check(&w->relay.t);
	assert_int_equal(agents(w, c)->got, 100);
	assert_true(w->agent.fate[odd_victim->uid].was_reset);
	assert_int_equal(w->agent.fate[odd_victim->uid].got, 0);
	pair_free(w);
}

/* --- go-away ------------------------------------------------------------ */

static void
a_relay_that_goes_away_drains_and_closes_with_4000(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *c = open_settled(w, 100), *d = agents(w, c);

	UNUSED(state);
	w->instant = true;
	tunnel_goaway(&w->relay.t, GOAWAY_UPGRADE, 30000);
	assert_null(pair_open(w, 1));
	pair_quiet(w);
	assert_true(tunnel_goaway_acked(&w->relay.t));
	assert_int_equal(w->agent.ngoaway, 1);
	assert_int_equal(w->agent.t.state, TUNNEL_DRAINING);
	assert_int_equal(w->relay.t.state, TUNNEL_DRAINING);
	d->planned = 10;
	rec_feed(c, SIZE_MAX);
	rec_feed(d, SIZE_MAX);
	pair_quiet(w);
	pair_time(w, 0);
	pair_quiet(w);
	assert_int_equal(w->relay.t.state, TUNNEL_CLOSED);
	assert_int_equal(w->relay.t.err, E_EOF);
	assert_true(w->relay.fate[0].closed && w->agent.fate[0].closed);
	assert_int_equal(tunnel_close_code(&w->agent.t), CLOSE_DONE);
	pair_free(w);
}

static void
a_drained_relay_waits_for_what_is_unacknowledged(void **state)
{
	struct pair *w = live_pair(1);

	UNUSED(state);
	tunnel_goaway(&w->relay.t, GOAWAY_UPGRADE, 30000);
	pair_settle(w);                         /* it came, no ACK yet */
	pair_time(w, ACK_DELAY_MS);
	assert_int_equal(w->relay.t.state, TUNNEL_DRAINING);
	pair_settle(w);
	pair_time(w, 0);
	assert_int_equal(w->relay.t.state, TUNNEL_CLOSED);
	pair_free(w);
	/* The other way round: the relay owes the ACK. */
	w = live_pair(1);
	tunnel_goaway(&w->agent.t, GOAWAY_SHUTDOWN, 30000);
	pair_settle(w);
	pair_time(w, ACK_DELAY_MS);
	assert_int_equal(w->relay.t.state, TUNNEL_DRAINING);
	pair_settle(w);
	assert_true(tunnel_goaway_acked(&w->agent.t));
	pair_time(w, 0);
	assert_int_equal(w->relay.t.state, TUNNEL_CLOSED);
	pair_free(w);
}

/* † An agent's go-away is served across; it dials when it is acknowledged. */
static void
an_open_that_crosses_a_goaway_is_served(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *c = pair_open(w, 10);

	UNUSED(state);
	pair_out(&w->relay, SIZE_MAX);
	tunnel_goaway(&w->agent.t, GOAWAY_SHUTDOWN, 30000);
	pair_out(&w->agent, SIZE_MAX);
	assert_false(tunnel_goaway_acked(&w->agent.t));
	pair_in(&w->agent, SIZE_MAX);
	pair_in(&w->relay, SIZE_MAX);
	assert_int_equal(w->relay.ngoaway, 1);
	assert_null(pair_open(w, 10));
	pair_quiet(w);
	assert_true(tunnel_goaway_acked(&w->agent.t));
	assert_int_equal(w->agent.nopened, 1);
	assert_non_null(agents(w, c));
	assert_int_equal(w->relay.t.state, TUNNEL_DRAINING);
	pair_free(w);
}

static void
a_goaway_has_a_deadline(void **state)
{
	struct pair *w = live_pair(1);

	UNUSED(state);
	open_settled(w, 10);
	tunnel_goaway(&w->relay.t, GOAWAY_UPGRADE, 500);
	pair_settle(w);
	pair_time(w, 499);
	pair_settle(w);
	assert_int_equal(w->relay.t.state, TUNNEL_DRAINING);
	pair_time(w, 1);
	assert_int_equal(w->relay.t.err, E_TIMEOUT);
	assert_int_equal(w->agent.t.err, E_TIMEOUT);
	assert_true(w->relay.fate[0].was_reset && w->agent.fate[0].was_reset);
	assert_int_equal(w->relay.fate[0].code, RESET_NONE);
	pair_out(&w->relay, SIZE_MAX);
	assert_int_equal(w->relay.t.out.close, CLOSE_EXPIRED);
	pair_free(w);
}

static void
the_relay_goes_away_before_numbers_run_out(void **state)
{
	struct pair *w = live_pair(1);

	UNUSED(state);
	w->relay.t.last_id = w->agent.t.last_id = STREAM_RENEW - 1;
	open_settled(w, 10);
	assert_int_equal(w->relay.t.last_id, STREAM_RENEW);
	assert_int_equal(w->agent.ngoaway, 0);
	/* tunnel_open itself says no, and tells the agent. */
	assert_int_equal(tunnel_open(&w->relay.t,
	    &rec_take(&w->relay, 1)->s), E_FULL);
	pair_settle(w);
	assert_int_equal(w->agent.ngoaway, 1);
	assert_int_equal(w->agent.t.state, TUNNEL_DRAINING);
	pair_free(w);
}

static void
the_rate_of_opens_is_bounded_on_both_sides(void **state)
{
	struct pair *w = live_pair(1);

	UNUSED(state);
	w->relay.t.opens = w->relay.t.now_ms * OPEN_PER_MS + OPEN_BURST - 1;
	open_settled(w, 10);
	assert_false(w->relay.fate[0].was_reset);
	assert_false(tunnel_may_open(&w->relay.t));
	assert_int_equal(tunnel_open(&w->relay.t,
	    &rec_take(&w->relay, 1)->s), E_FULL);
	pair_time(w, 1);
	pair_settle(w);
	for (int i = 0; i < OPEN_PER_MS; i++)
		assert_non_null(pair_open(w, 10));
	assert_null(pair_open(w, 10));
	pair_settle(w);
	/* A relay that does not care is told, and the app not asked. */
	pair_time(w, 10);
	pair_settle(w);
	w->agent.t.opens = w->agent.t.now_ms * FLOOD_PER_MS + FLOOD_BURST;
	assert_non_null(pair_open(w, 10));
	pair_settle(w);
	assert_true(w->relay.fate[w->uids - 1].was_reset);
	assert_int_equal(w->relay.fate[w->uids - 1].code, RESET_OVER_LIMIT);
	assert_false(w->agent.fate[w->uids - 1].opened);
	pair_time(w, 1);
	assert_non_null(pair_open(w, 10));
	pair_settle(w);
	assert_false(w->relay.fate[w->uids - 1].was_reset);
	assert_true(w->agent.fate[w->uids - 1].opened);
	pair_free(w);
}

static void
a_closed_tunnel_resets_its_streams(void **state)
{
	struct pair *w = live_pair(1);
	struct rec *c = open_settled(w, 100);

	UNUSED(state);
	pair_open(w, 100);                      /* not in the ring yet */
	tunnel_close(&w->relay.t, CLOSE_REPLACED);
	assert_true(w->relay.fate[0].was_reset && w->relay.fate[1].was_reset);
	assert_int_equal(w->relay.t.nstreams, 0);
	tunnel_close(&w->relay.t, CLOSE_DONE);  /* the first one holds */
	tunnel_ready(&c->s);                    /* detached: nothing happens */
	tunnel_consumed(&c->s, 5, w->now_ms);
	tunnel_stop(&c->s);
	tunnel_reset(&c->s, RESET_CANCELLED);
	pair_settle(w);
	assert_int_equal(tunnel_close_code(&w->agent.t), CLOSE_REPLACED);
	assert_int_equal(w->agent.t.err, E_EOF);
	assert_true(w->agent.fate[0].was_reset);
	pair_free(w);
}

/* --- windows ------------------------------------------------------------ */

/* A relay whose ring does not bound what is under way before windows do. */
static struct pair *
wide_pair(void)
{
	struct pair *w = pair_new(1);

	w->relay.cfg.ring_max = RING_MAX;
	w->instant = true;
	pair_begin(w);
	pair_settle(w);
	return w;
}

/* Bulk from the relay, half of rtt_ms each way, for so many round trips. */
static void
stream_for(struct pair *w, struct rec *c, uint64_t rtt_ms, int trips)
{
	struct side *d[] = { &w->relay, &w->agent };

	for (int i = 0; i < 2 * trips; i++) {
		rec_feed(c, SIZE_MAX);
		for (size_t k = 0; k < 2; k++)
			while (d[k]->pipe_n < PAIR_PIPE / 2 &&
			    pair_out(d[k], SIZE_MAX) > 0)
				;
		pair_time(w, i % 2 == 0 ? rtt_ms / 2 : rtt_ms - rtt_ms / 2);
		for (size_t k = 0; k < 2; k++)
			pair_in(d[k], SIZE_MAX);
	}
}

static void
a_window_grows_with_the_round_trip(void **state)
{
	struct pair *w = wide_pair();
	struct rec *c = open_settled(w, UINT32_MAX);

	UNUSED(state);
	stream_for(w, c, 50, 60);
	assert_true(tunnel_stats(&w->agent.t).rtt_ms >= 40);
	assert_true(tunnel_window(&agents(w, c)->s) >= 900 * 1024);
	/* The owner's reservation ends at 1 MiB: it said no to more. */
	assert_true(tunnel_window(&agents(w, c)->s) < 1024 * 1024);
	pair_check(w);
	assert_int_equal(w->agent.t.recv_target,
	    w->agent.cfg.ours.session + agents(w, c)->s.grown);
	pair_free(w);
}

static void
near_windows_grow_to_a_bound(void **state)
{
	struct pair *w = wide_pair();
	struct rec *c = open_settled(w, UINT32_MAX);

	UNUSED(state);
	stream_for(w, c, 1, 3000);
	assert_int_equal(tunnel_window(&agents(w, c)->s), WINDOW_NEAR);
	pair_free(w);
}

static void
a_window_shrinks_by_granting_less(void **state)
{
	struct pair *w = wide_pair();
	struct rec *c = open_settled(w, UINT32_MAX), *d;
	uint32_t before;

	UNUSED(state);
	stream_for(w, c, 50, 60);
	d = agents(w, c);
	before = tunnel_window(&d->s);
	w->instant = false;
	for (int i = 0; i < 2000 && tunnel_window(&d->s) > 80000; i++) {
		rec_feed(c, SIZE_MAX);
		pair_settle(w);
		rec_consume(d, 4000);           /* a slow reader now */
		pair_time(w, 400);
		pair_check(w);
	}
	assert_true(before > 900000);
	assert_true(tunnel_window(&d->s) <= 80000);
	assert_true(w->agent.t.recv_target < w->agent.cfg.ours.session +
	    80000);
	/* With nothing promised, it all comes down to the beginning. */
	tunnel_reset(&d->s, RESET_CANCELLED);
	d->used = false;
	pair_quiet(w);
	assert_int_equal(w->agent.t.recv_target, w->agent.cfg.ours.session);
	pair_check(w);
	pair_free(w);
}

/* --- resumption -------------------------------------------------------- */

/* A pair with one stream each way under way, and its records. */
struct flow {
	struct pair *w;
	struct rec *down, *up;          /* the relay's; the agent's */
};

static struct flow
flow_new(uint64_t seed, uint64_t bytes)
{
	struct flow f = { .w = live_pair(seed) };

	f.down = open_settled(f.w, bytes);
	f.up = pair_rec(&f.w->agent, f.down->uid);
	MUST(f.up != NULL);
	f.up->planned = bytes;
	f.up->fail_at_end = f.down->fail_at_end = false;
	return f;
}

static void
cut_and_resume(struct pair *w, bool half_open)
{
	pair_cut(w, half_open);
	pair_dial(w);
	pair_settle(w);
	MUST(w->relay.t.state == TUNNEL_LIVE);
	MUST(w->agent.t.state == TUNNEL_LIVE);
}

static void
all_arrived(struct flow *f)
{
	finish(f->w);
	judge_all(f->w);
	assert_true(f->w->relay.fate[0].closed && f->w->agent.fate[0].closed);
	pair_free(f->w);
}

/* † What a cut frame has brought already is not brought again. */
static void
a_cut_at_any_byte_delivers_each_byte_once(void **state)
{
	UNUSED(state);
	for (unsigned dir = 0; dir < 2; dir++)
		for (size_t at = 0; at < 700; at += at < 40 ? 1 : 7) {
			struct flow f = flow_new(9, 3000);
			struct side *d = dir == 0 ? &f.w->relay : &f.w->agent;

			pair_quiet(f.w);
			rec_feed(dir == 0 ? f.down : f.up, 600);
			while (d->pipe_n < 600)
				pair_out(d, SIZE_MAX);
			MUST(pair_in(d, at) == E_OK);
			cut_and_resume(f.w, at % 2 == 1);
			pair_check(f.w);
			all_arrived(&f);
		}
}

/* And cut again inside what is sent again: before, at and behind the place. */
static void
a_replay_that_is_cut_goes_on_where_it_was(void **state)
{
	UNUSED(state);
	for (size_t at = 0; at < 700; at += 13) {
		struct flow f = flow_new(9, 1000);

		pair_quiet(f.w);
		rec_feed(f.down, 600);
		while (f.w->relay.pipe_n < 600)
			pair_out(&f.w->relay, SIZE_MAX);
		MUST(pair_in(&f.w->relay, 300) == E_OK);
		pair_cut(f.w, false);
		pair_dial(f.w);
		pair_out(&f.w->agent, SIZE_MAX);
		MUST(pair_in(&f.w->agent, SIZE_MAX) == E_OK);
		pair_out(&f.w->relay, SIZE_MAX);        /* welcome, replay */
		MUST(pair_in(&f.w->relay, at) == E_OK);
		cut_and_resume(f.w, at % 2 == 0);
		all_arrived(&f);
	}
}

/* The frames are the same byte for byte, and nothing new comes before. */
static void
a_replay_is_byte_for_byte_and_comes_first(void **state)
{
	static uint8_t first[40000];
	struct flow f = flow_new(4, 60000);
	size_t n;

	UNUSED(state);
	pair_quiet(f.w);
	rec_feed(f.down, 20000);
	while (pair_out(&f.w->relay, SIZE_MAX) > 0)
		;
	n = f.w->relay.pipe_n;
	assert_true(n > 20000 && n < sizeof first);
	memcpy(first, f.w->relay.pipe, n);
	pair_cut(f.w, false);
	rec_feed(f.down, 20000);                /* new */
	pair_dial(f.w);
	pair_out(&f.w->agent, SIZE_MAX);
	MUST(pair_in(&f.w->agent, SIZE_MAX) == E_OK);
	while (pair_out(&f.w->relay, SIZE_MAX) > 0)
		;
	/* A text message with an answer of two or three characters. */
	assert_true(f.w->relay.pipe_n > n + 20000);
	assert_int_equal(f.w->relay.pipe[0], 0x81);
	assert_memory_equal(f.w->relay.pipe + 2 + f.w->relay.pipe[1], first, n);
	all_arrived(&f);
}

static void
an_impossible_received_ends_the_session(void **state)
{
	UNUSED(state);
	/* Beyond what was sent; below what was acknowledged. */
	for (int skew = -1; skew <= 1; skew += 2) {
		struct flow f = flow_new(4, 60000);
		struct rec *c = f.down;

		pair_quiet(f.w);
		pair_cut(f.w, true);
		f.w->skew[1] = skew;
		pair_dial(f.w);
		pair_out(&f.w->agent, SIZE_MAX);
		assert_int_equal(pair_in(&f.w->agent, SIZE_MAX), E_MUX_ACK);
		assert_int_equal(f.w->relay.t.state, TUNNEL_CLOSED);
		assert_int_equal(f.w->relay.t.out.close, CLOSE_PROTOCOL);
		assert_null(c->s.tunnel);
		/* To the agent that is a cut: the next dial tells it. */
		pair_out(&f.w->relay, SIZE_MAX);
		assert_int_equal(pair_in(&f.w->relay, SIZE_MAX), E_EOF);
		assert_int_equal(f.w->agent.t.state, TUNNEL_PARKED);
		pair_free(f.w);
	}
}

static void
a_frame_that_is_not_the_cut_one_ends_the_session(void **state)
{
	struct flow f = flow_new(4, 60000);

	UNUSED(state);
	pair_quiet(f.w);
	rec_feed(f.down, 5000);
	pair_out(&f.w->relay, SIZE_MAX);
	MUST(pair_in(&f.w->relay, 1000) == E_OK);
	pair_cut(f.w, false);
	MUST(f.w->agent.t.partial_n > 900 && f.w->agent.t.partial_id == 1);
	f.w->agent.t.partial_id = 2;
	pair_dial(f.w);
	pair_out(&f.w->agent, SIZE_MAX);
	MUST(pair_in(&f.w->agent, SIZE_MAX) == E_OK);
	pair_out(&f.w->relay, SIZE_MAX);
	assert_int_equal(pair_in(&f.w->relay, SIZE_MAX), E_MUX_FRAME);
	pair_free(f.w);
}

/* † While parked everything is a flag, a sum or one RESET for a stream. */
static void
a_parked_tunnel_says_nothing_and_forgets_nothing(void **state)
{
	struct flow f = flow_new(4, 60000);
	struct tunnel *t = &f.w->relay.t;
	struct rec *other = open_settled(f.w, 10), *third;
	uint64_t put, due;

	UNUSED(state);
	rec_feed(f.up, 30000);
	pair_quiet(f.w);
	third = pair_open(f.w, 100);            /* OPEN is not in the ring */
	pair_cut(f.w, false);
	put = t->ring.put;
	rec_consume(f.down, UINT64_MAX);
	rec_feed(f.down, 10000);
	tunnel_stop(&other->s);
	tunnel_reset(&f.down->s, RESET_CANCELLED);
	f.down->over = true;
	f.w->relay.fate[f.down->uid].did_reset = true;
	f.w->relay.fate[other->uid].did_stop = true;
	rec_free_if_done(f.down);
	assert_false(tunnel_may_open(t));
	assert_false(tunnel_wants(t, f.w->now_ms));
	assert_int_equal(drop_output(&f.w->relay), 0);
	assert_int_equal(t->ring.put, put);
	assert_int_equal(t->resets.n, RESET_BYTES);
	assert_int_equal(tunnel_step(t, f.w->now_ms, &due), E_EOF);
	assert_int_equal(due, f.w->now_ms + GRACE_MS);
	pair_check(f.w);
	pair_dial(f.w);
	pair_settle(f.w);
	assert_int_equal(third->s.state, STREAM_OPEN);
	assert_true(f.w->agent.fate[0].was_reset);
	finish(f.w);
	judge_all(f.w);
	pair_free(f.w);
}

static void
a_parked_session_expires_and_its_streams_end(void **state)
{
	struct flow f = flow_new(4, 60000);
	uint64_t due;

	UNUSED(state);
	rec_feed(f.up, 30000);
	pair_quiet(f.w);
	pair_cut(f.w, false);
	pair_time(f.w, GRACE_MS - HELLO_DEADLINE_MS - 1);
	/* A dial without an answer is given up, and prolongs nothing. */
	pair_dial(f.w);
	pair_time(f.w, HELLO_DEADLINE_MS);
	assert_int_equal(f.w->agent.t.state, TUNNEL_PARKED);
	assert_int_equal(f.w->agent.t.err, E_TIMEOUT);
	assert_int_equal(tunnel_step(&f.w->agent.t, f.w->now_ms, &due),
	    E_TIMEOUT);
	assert_int_equal(due, f.w->now_ms + 1);
	pair_time(f.w, 1);
	assert_int_equal(f.w->agent.t.state, TUNNEL_CLOSED);
	assert_int_equal(f.w->relay.t.state, TUNNEL_CLOSED);
	assert_true(f.w->relay.fate[0].was_reset);
	assert_true(f.w->agent.fate[0].was_reset);
	pair_free(f.w);
}

/* † A go-away is counted, and its deadline does not stop. */
static void
a_goaway_survives_a_cut_and_runs_on(void **state)
{
	struct flow f = flow_new(4, 60000);

	UNUSED(state);
	pair_quiet(f.w);
	tunnel_goaway(&f.w->relay.t, GOAWAY_UPGRADE, 20000);
	pair_out(&f.w->relay, SIZE_MAX);        /* and is lost */
	pair_cut(f.w, false);
	assert_int_equal(f.w->agent.ngoaway, 0);
	pair_dial(f.w);
	pair_settle(f.w);
	assert_int_equal(f.w->agent.ngoaway, 1);
	assert_int_equal(f.w->relay.t.state, TUNNEL_DRAINING);
	assert_int_equal(f.w->agent.t.state, TUNNEL_DRAINING);
	pair_cut(f.w, true);
	pair_dial(f.w);
	pair_settle(f.w);                       /* resumed as draining */
	assert_int_equal(f.w->relay.t.state, TUNNEL_DRAINING);
	assert_int_equal(f.w->agent.t.state, TUNNEL_DRAINING);
	pair_cut(f.w, false);
	pair_time(f.w, 20000);
	assert_int_equal(f.w->relay.t.state, TUNNEL_CLOSED);
	assert_int_equal(f.w->agent.t.state, TUNNEL_CLOSED);
	pair_free(f.w);
}

/* † Resuming a provisional session confirms it, on both sides. */
static void
a_provisional_session_can_be_resumed(void **state)
{
	UNUSED(state);
	/* The agent's ACK is lost; or the relay's answer to it. */
	for (int i = 0; i < 2; i++) {
		struct pair *w = pair_new(1);

		pair_begin(w);
		pair_out(&w->agent, SIZE_MAX);
		MUST(pair_in(&w->agent, SIZE_MAX) == E_OK);
		pair_out(&w->relay, SIZE_MAX);
		MUST(pair_in(&w->relay, SIZE_MAX) == E_OK);
		assert_int_equal(w->agent.t.state, TUNNEL_PROVISIONAL);
		pair_out(&w->agent, SIZE_MAX);
		if (i == 1)
			MUST(pair_in(&w->agent, SIZE_MAX) == E_OK);
		cut_and_resume(w, false);
		assert_int_equal(w->relay.nconfirmed, 1);
		assert_int_equal(w->agent.nconfirmed, 1);
		open_settled(w, 10);
		finish(w);
		pair_free(w);
		/* Nobody waits for it as long as for one that served. */
		w = pair_new(1);
		pair_begin(w);
		pair_out(&w->agent, SIZE_MAX);
		MUST(pair_in(&w->agent, SIZE_MAX) == E_OK);
		assert_true(tunnel_park(&w->relay.t, w->now_ms));
		pair_time(w, HELLO_DEADLINE_MS);
		assert_int_equal(w->relay.t.state, TUNNEL_CLOSED);
		pair_free(w);
	}
}

/* † Only our own codes end a session; a proxy's 1001 is a cut. */
static void
a_close_of_a_proxy_is_a_cut(void **state)
{
	static const uint8_t away[] = { 0x88, 2, 1001 >> 8, 1001 & 255 };
	static const uint8_t done[] = { 0x88, 2, 4000 >> 8, 4000 & 255 };
	struct flow f = flow_new(4, 1000);
	uint8_t copy[4];

	UNUSED(state);
	memcpy(copy, away, sizeof copy);
	assert_int_equal(tunnel_input(&f.w->agent.t, copy, 4, f.w->now_ms),
	    E_EOF);
	assert_int_equal(f.w->agent.t.state, TUNNEL_PARKED);
	assert_int_equal(tunnel_close_code(&f.w->agent.t), 1001);
	assert_non_null(f.up->s.tunnel);
	assert_int_equal(drop_output(&f.w->agent), 8);  /* the answer */
	cut_and_resume(f.w, true);
	memcpy(copy, done, sizeof copy);
	assert_int_equal(tunnel_input(&f.w->agent.t, copy, 4, f.w->now_ms),
	    E_EOF);
	assert_int_equal(f.w->agent.t.state, TUNNEL_CLOSED);
	assert_true(f.w->agent.fate[0].was_reset);
	pair_free(f.w);
}

/* † Both at R, both cut: ACKs pass the replays, nobody waits for ever. */
static void
full_rings_are_replayed_without_a_deadlock(void **state)
{
	struct pair *w = live_pair(3);
	struct rec *c[12];

	UNUSED(state);
	w->instant = true;
	for (int i = 0; i < 12; i++)
		c[i] = open_settled(w, 200000);
	for (int i = 0; i < 12; i++) {
		struct rec *o = pair_rec(&w->agent, c[i]->uid);

		o->planned = 200000;
		rec_feed(c[i], 150000);
		rec_feed(o, 150000);
	}
	for (int i = 0; i < 40; i++) {
		pair_out(&w->relay, SIZE_MAX);
		pair_out(&w->agent, SIZE_MAX);
	}
	assert_true(w->relay.t.ring.nblocks >= RING_MIN / BLOCK_BYTES - 5);
	assert_true(w->agent.t.ring.nblocks >= RING_MIN / BLOCK_BYTES - 5);
	pair_cut(w, false);
	pair_dial(w);
	finish(w);
	judge_all(w);
	pair_free(w);
}

/* An OPEN may follow the peer's own RESET, though ours had to wait. */
static void
a_reset_that_waits_does_not_count_when_both_reset(void **state)
{
	struct pair *w = live_pair(3);
	struct rec *c[PAIR_LIMIT];

	UNUSED(state);
	for (int i = 0; i < PAIR_LIMIT; i++)
		c[i] = open_settled(w, 1000);
	pair_cut(w, false);
	for (int i = 0; i < PAIR_LIMIT; i++) {
		struct rec *o = pair_rec(&w->agent, c[i]->uid);

		tunnel_reset(&o->s, RESET_BROKEN);
		tunnel_reset(&c[i]->s, RESET_CANCELLED);
		o->used = c[i]->used = false;
	}
	assert_int_equal(w->agent.t.nstreams, PAIR_LIMIT);
	pair_dial(w);
	/* The agent is resumed, and can say nothing yet. */
	pair_out(&w->agent, SIZE_MAX);
	MUST(pair_in(&w->agent, SIZE_MAX) == E_OK);
	pair_out(&w->relay, SIZE_MAX);
	for (int i = 0; i < PAIR_LIMIT; i++)
		MUST(pair_open(w, 1000) != NULL);
	pair_out(&w->relay, SIZE_MAX);
	assert_int_equal(pair_in(&w->relay, SIZE_MAX), E_OK);
	assert_int_equal(w->agent.t.nstreams, PAIR_LIMIT);
	pair_check(w);
	finish(w);
	pair_free(w);
}

/* --- the oracles themselves --------------------------------------------- */

/*
 * Bugs planted from outside, each of which an oracle must find: the check of
 * invariants, the pattern of the bytes, or the end that never comes.
 */

static void
plant_owner_that_forgets_a_byte(struct pair *w)
{
	w->leak = true;
}

static void
plant_session_credit_lost(struct pair *w)
{
	w->agent.t.recv_window--;
}

static void
plant_stream_credit_lost(struct pair *w)
{
	for (uint32_t i = 0; i < 64; i++)
		if (w->agent.hash[i] != NULL)
			w->agent.hash[i]->recv_window--;
}

static void
plant_credit_granted_twice(struct pair *w)
{
	w->relay.t.recv_owed++;
}

static void
plant_stream_counted_twice(struct pair *w)
{
	w->relay.t.nstreams++;
}

static void
plant_window_not_given_back(struct pair *w)
{
	w->agent.t.recv_target += 16384;
}

static void
plant_ready_forgotten(struct pair *w)
{
	struct tunnel_stream *s = w->relay.t.old.first;

	if (s == NULL)
		s = w->relay.t.fresh.first;
	if (s != NULL)
		s->flags &= (uint16_t)~F_READY;
}

static void
plant_off_by_one_in_received(struct pair *w)
{
	w->agent.t.received++;
}

static void
plant_acknowledged_too_much(struct pair *w)
{
	w->relay.t.ring.acked++;
}

/* The offset and length of the first DATA message in the relay's pipe. */
static bool
find_data(struct side *d, size_t *at, size_t *n)
{
	struct slice in = slice_of(d->pipe, d->pipe_n);
	size_t used;

	while (in.n > 0) {
		struct ws_frame f;

		MUST(ws_decode(&f, in, &used) == E_OK);
		*at = (size_t)(in.p - d->pipe);
		*n = used + (size_t)f.length;
		if (f.opcode == WS_BINARY && in.p[used] == FRAME_DATA)
			return true;
		in = slice_from(in, *n);
	}
	return false;
}

static void
plant_frame_lost(struct pair *w)
{
	size_t at, n;

	pair_settle(w);
	rec_feed(pair_rec(&w->relay, w->uids - 1), 5000);
	pair_out(&w->relay, SIZE_MAX);
	MUST(find_data(&w->relay, &at, &n));
	memmove(w->relay.pipe + at, w->relay.pipe + at + n,
	    w->relay.pipe_n - at - n);
	w->relay.pipe_n -= n;
}

static void
plant_frame_doubled(struct pair *w)
{
	size_t at, n;

	pair_settle(w);
	rec_feed(pair_rec(&w->relay, w->uids - 1), 5000);
	pair_out(&w->relay, SIZE_MAX);
	MUST(find_data(&w->relay, &at, &n));
	memmove(w->relay.pipe + at + n, w->relay.pipe + at,
	    w->relay.pipe_n - at);
	w->relay.pipe_n += n;
}

/* One that may send, whatever the others wait for. */
static struct rec *
fresh_stream(struct pair *w)
{
	w->instant = true;
	return open_settled(w, 60000);
}

static void
plant_received_too_much(struct pair *w)
{
	struct rec *c = fresh_stream(w);

	rec_feed(pair_rec(&w->agent, c->uid), SIZE_MAX);
	pair_out(&w->agent, SIZE_MAX);
	w->skew[0] = 1;
	pair_cut(w, false);
}

static void
plant_received_too_little(struct pair *w)
{
	rec_feed(fresh_stream(w), 100);
	pair_out(&w->relay, SIZE_MAX);
	MUST(pair_in(&w->relay, SIZE_MAX) == E_OK);
	w->skew[1] = -1;
	pair_cut(w, false);
}

/* Not a bug: what the next two are with the bug left out. */
static void
plant_cut_frame(struct pair *w)
{
	rec_feed(fresh_stream(w), 20000);
	pair_out(&w->relay, SIZE_MAX);
	MUST(pair_in(&w->relay, w->relay.pipe_n - 500) == E_OK);
	pair_cut(w, false);
	MUST(w->agent.t.partial_n > 1);
}

static void
plant_partial_doubled(struct pair *w)
{
	plant_cut_frame(w);
	w->agent.t.partial_n = 0;
}

static void
plant_partial_forgotten(struct pair *w)
{
	plant_cut_frame(w);
	w->agent.t.partial_n--;
}

static void
plant_replay(struct pair *w)
{
	rec_feed(fresh_stream(w), 20000);
	pair_out(&w->relay, SIZE_MAX);
	pair_cut(w, false);
	pair_dial(w);
	pair_out(&w->agent, SIZE_MAX);
	MUST(pair_in(&w->agent, SIZE_MAX) == E_OK);
	MUST(w->relay.t.ring.sent < w->relay.t.ring.put);
}

static void
plant_replay_forgets_the_first(struct pair *w)
{
	plant_replay(w);
	ring_sent(&w->relay.t.ring, w->relay.t.cfg.blocks);
}

static const struct plant {
	const char *name;
	void (*plant)(struct pair *);
	bool fine;
} plants[] = {
	{ "an owner that forgets a byte",
	    plant_owner_that_forgets_a_byte, false },
	{ "session credit lost", plant_session_credit_lost, false },
	{ "stream credit lost", plant_stream_credit_lost, false },
	{ "credit granted twice", plant_credit_granted_twice, false },
	{ "a stream counted twice", plant_stream_counted_twice, false },
	{ "a window not given back", plant_window_not_given_back, false },
	{ "a stream that is ready, forgotten", plant_ready_forgotten, false },
	{ "one frame too many received", plant_off_by_one_in_received, false },
	{ "one frame too many acknowledged",
	    plant_acknowledged_too_much, false },
	{ "a frame lost", plant_frame_lost, false },
	{ "a frame doubled", plant_frame_doubled, false },
	{ "a resume that says one too much", plant_received_too_much, false },
	{ "a resume that says one too little",
	    plant_received_too_little, false },
	{ "a partial frame doubled", plant_partial_doubled, false },
	{ "one byte of it doubled", plant_partial_forgotten, false },
	{ "a replay without its first", plant_replay_forgets_the_first, false },
	{ "a cut frame", plant_cut_frame, true },
	{ "a replay", plant_replay, true },
	{ "nothing", NULL, true },
};

static void
run_planted(const struct plant *p)
{
	struct pair *w = live_pair(3);

	for (int i = 0; i < 8; i++) {
		struct rec *c = open_settled(w, 200000);

		rec_feed(c, 100000);
	}
	pair_out(&w->relay, SIZE_MAX);
	if (p->plant != NULL)
		p->plant(w);
	for (int i = 0; i < 400; i++) {
		if (i % 16 == 0)
			pair_check(w);
		random_act(w);
	}
	finish(w);
	judge_all(w);
	pair_free(w);
}

static void
planted_bugs_are_found(void **state)
{
	UNUSED(state);
	fflush(NULL);
	for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		if (child == 0) {
			if (freopen("/dev/null", "w", stderr) == NULL)
				_exit(9);
			signal(SIGABRT, SIG_DFL);
			run_planted(&plants[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		if (plants[i].fine !=
		    (WIFEXITED(status) && WEXITSTATUS(status) == 0))
			fail_msg("%s: status %d", plants[i].name, status);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_tunnel_holds_no_block),
		cmocka_unit_test(a_session_is_provisional_until_the_agents_ack),
		cmocka_unit_test(each_step_of_the_beginning_has_a_deadline),
		cmocka_unit_test(
		    acks_come_after_25_ms_or_32_kib_and_never_for_an_ack),
		cmocka_unit_test(silence_is_pinged_and_then_fatal),
		cmocka_unit_test(data_stops_before_control_frames_do),
		cmocka_unit_test(full_rings_on_both_sides_do_not_deadlock),
		cmocka_unit_test(a_request_cancelled_early_leaves_no_trace),
		cmocka_unit_test(an_agent_short_of_room_answers_over_limit),
		cmocka_unit_test(the_rate_of_opens_is_bounded_on_both_sides),
		cmocka_unit_test(dropped_and_unread_bytes_are_returned),
		cmocka_unit_test(stalled_readers_do_not_stop_the_others),
		cmocka_unit_test(a_keystroke_does_not_wait_for_downloads),
		cmocka_unit_test(downloads_share_alike),
		cmocka_unit_test(a_reset_overtakes_what_was_not_sent),
		cmocka_unit_test(stop_is_answered_with_end),
		cmocka_unit_test(a_pull_that_fails_resets_the_stream),
		cmocka_unit_test(a_pull_may_end_its_own_stream_or_all),
		cmocka_unit_test(a_pull_may_end_another_stream),
		cmocka_unit_test(
		    a_relay_that_goes_away_drains_and_closes_with_4000),
		cmocka_unit_test(
		    a_drained_relay_waits_for_what_is_unacknowledged),
		cmocka_unit_test(an_open_that_crosses_a_goaway_is_served),
		cmocka_unit_test(a_goaway_has_a_deadline),
		cmocka_unit_test(the_relay_goes_away_before_numbers_run_out),
		cmocka_unit_test(a_closed_tunnel_resets_its_streams),
		cmocka_unit_test(a_window_grows_with_the_round_trip),
		cmocka_unit_test(near_windows_grow_to_a_bound),
		cmocka_unit_test(a_window_shrinks_by_granting_less),
		cmocka_unit_test(a_cut_at_any_byte_delivers_each_byte_once),
		cmocka_unit_test(a_replay_that_is_cut_goes_on_where_it_was),
		cmocka_unit_test(a_replay_is_byte_for_byte_and_comes_first),
		cmocka_unit_test(an_impossible_received_ends_the_session),
		cmocka_unit_test(
		    a_frame_that_is_not_the_cut_one_ends_the_session),
		cmocka_unit_test(
		    a_parked_tunnel_says_nothing_and_forgets_nothing),
		cmocka_unit_test(a_parked_session_expires_and_its_streams_end),
		cmocka_unit_test(a_goaway_survives_a_cut_and_runs_on),
		cmocka_unit_test(a_provisional_session_can_be_resumed),
		cmocka_unit_test(a_close_of_a_proxy_is_a_cut),
		cmocka_unit_test(full_rings_are_replayed_without_a_deadlock),
		cmocka_unit_test(
		    a_reset_that_waits_does_not_count_when_both_reset),
		cmocka_unit_test(planted_bugs_are_found),
		cmocka_unit_test(random_schedules_keep_every_promise),
		cmocka_unit_test(random_cuts_keep_every_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
