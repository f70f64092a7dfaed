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

static void
random_act(struct pair *w)
{
	struct side *d = prng_below(&w->r, 2) ? &w->relay : &w->agent;
	struct rec *c;

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
		MUST(pair_in(d, random_size(w)) == E_OK);
	}
}

/* Everybody gives and takes what there is, until all streams are over. */
static void
finish(struct pair *w)
{
	struct side *d[] = { &w->relay, &w->agent };

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

static void
random_run(uint64_t seed)
{
	struct pair *w = pair_new(seed);
	uint32_t acts = 200 + prng_below(&w->r, 2500);

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
		random_run(at + i);
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

static const struct plant {
	const char *name;
	void (*plant)(struct pair *);
} plants[] = {
	{ "an owner that forgets a byte", plant_owner_that_forgets_a_byte },
	{ "session credit lost", plant_session_credit_lost },
	{ "stream credit lost", plant_stream_credit_lost },
	{ "credit granted twice", plant_credit_granted_twice },
	{ "a stream counted twice", plant_stream_counted_twice },
	{ "a window not given back", plant_window_not_given_back },
	{ "a stream that is ready, forgotten", plant_ready_forgotten },
	{ "one frame too many received", plant_off_by_one_in_received },
	{ "one frame too many acknowledged", plant_acknowledged_too_much },
	{ "a frame lost", plant_frame_lost },
	{ "a frame doubled", plant_frame_doubled },
	{ "nothing", NULL },
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
		if ((plants[i].plant == NULL) !=
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
		cmocka_unit_test(dropped_and_unread_bytes_are_returned),
		cmocka_unit_test(stalled_readers_do_not_stop_the_others),
		cmocka_unit_test(a_keystroke_does_not_wait_for_downloads),
		cmocka_unit_test(downloads_share_alike),
		cmocka_unit_test(a_reset_overtakes_what_was_not_sent),
		cmocka_unit_test(stop_is_answered_with_end),
		cmocka_unit_test(a_pull_that_fails_resets_the_stream),
		cmocka_unit_test(a_pull_may_end_its_own_stream_or_all),
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
		cmocka_unit_test(planted_bugs_are_found),
		cmocka_unit_test(random_schedules_keep_every_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
