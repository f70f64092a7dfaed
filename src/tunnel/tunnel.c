/*
 * The engine's front door: see tunnel.h for the contract, engine.h for what
 * is behind. The functions here check what the owner promised, note the time
 * and call the file that knows; those that take a stream accept a detached
 * one, since the owner cannot always know that the session just ended.
 */
#include "tunnel/tunnel.h"

#include <assert.h>

#include "base/num.h"
#include "tunnel/engine.h"

enum {
	RING_FLOOR_BLOCKS = RING_MIN / BLOCK_BYTES,
	CARRY_BLOCKS = 1,
	UNSENT_BLOCKS = (TUNNEL_OUTPUT_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES,
};

_Static_assert(RING_CONTROL_BLOCKS * BLOCK_BYTES == RING_CONTROL_BYTES,
    "what DATA leaves of the ring to control frames");
_Static_assert((int)HELLO_MAX <= (int)BLOCK_BYTES,
    "a hello is gathered in one block");

static void
see_time(struct tunnel *t, uint64_t now_ms)
{
	assert(now_ms >= t->now_ms);
	t->now_ms = now_ms;
}

/* Blocks beside the ring's. */
static uint32_t
extra_blocks(uint32_t streams)
{
	return CARRY_BLOCKS + UNSENT_BLOCKS +
	    blocks_for((size_t)streams * RESET_BYTES);
}

uint32_t
tunnel_blocks(uint32_t streams)
{
	return RING_FLOOR_BLOCKS + extra_blocks(streams);
}

static void
limits_check(const struct tunnel_limits *l)
{
	assert(l->streams >= 1 && l->streams <= STREAMS_MAX);
	assert(l->window >= WINDOW_MIN && l->window <= WINDOW_MAX);
	assert(l->session <= CREDIT_MAX);
	assert(l->session / l->window > l->streams);
}

enum err
tunnel_init(struct tunnel *t, const struct tunnel_cfg *cfg, uint64_t now_ms)
{
	uint32_t extra = extra_blocks(cfg->ours.streams);
	uint32_t ring = (uint32_t)max_u64(cfg->ring_max, RING_MIN) /
	    BLOCK_BYTES;

	limits_check(&cfg->ours);
	assert(cfg->hash_n > 0 && (cfg->hash_n & (cfg->hash_n - 1)) == 0);
	*t = (struct tunnel){ .state = TUNNEL_HELLO };
	if (!blocks_reserve(cfg->blocks, extra))
		return E_FULL;
	if (!ring_init(&t->ring, cfg->blocks, RING_FLOOR_BLOCKS, ring)) {
		blocks_unreserve(cfg->blocks, extra);
		return E_FULL;
	}
	t->cfg = *cfg;
	if (t->cfg.window_max == 0)
		t->cfg.window_max = WINDOW_MAX;
	t->now_ms = t->began_ms = t->heard_ms = t->ping_ms = now_ms;
	t->ack_at_ms = t->dead_ms = NEVER;
	t->deadline_ms = t->park_until_ms = NEVER;
	t->in.rules = ws_rules_of(cfg->role == TUNNEL_RELAY, 0);
	t->limit = cfg->ours.streams;
	credit_begin(t);
	return E_OK;
}

void
tunnel_free(struct tunnel *t, enum reset_code code)
{
	struct blocks *b = t->cfg.blocks;

	if (b == NULL)
		return;
	assert(!t->in_pull);
	session_fail(t, E_EOF, 0);
	streams_drop(t, code);
	receive_free(t);
	chain_free(&t->out.unsent, b);
	ring_free(&t->ring, b);
	blocks_unreserve(b, extra_blocks(t->cfg.ours.streams));
	*t = (struct tunnel){ .state = TUNNEL_CLOSED, .err = E_EOF };
}

enum err
tunnel_text(struct tunnel *t, struct slice json)
{
	assert(t->state == TUNNEL_HELLO || t->state == TUNNEL_RESUMING);
	return send_text(t, json) ? E_OK : E_FULL;
}

uint32_t
tunnel_streams_limit(const struct tunnel *t, uint32_t peer_streams)
{
	return (uint32_t)min_u64(t->cfg.ours.streams, peer_streams);
}

static void
welcome(struct tunnel *t, const struct tunnel_limits *peer)
{
	limits_check(peer);
	t->peer = *peer;
	t->limit = tunnel_streams_limit(t, peer->streams);
	t->send_credit = peer->session;
	session_to(t, TUNNEL_PROVISIONAL);
}

enum err
tunnel_welcome(struct tunnel *t, struct slice json,
    const struct tunnel_limits *peer)
{
	enum err e;

	assert(t->cfg.role == TUNNEL_RELAY && t->hello_got);
	if (t->state != TUNNEL_HELLO)
		return t->err;
	e = tunnel_text(t, json);
	if (e == E_OK)
		welcome(t, peer);
	return e;
}

void
tunnel_welcomed(struct tunnel *t, const struct tunnel_limits *peer)
{
	assert(t->cfg.role == TUNNEL_AGENT && t->hello_got);
	if (t->state != TUNNEL_HELLO)
		return;
	if (peer->streams > t->cfg.ours.streams) {
		session_fail(t, E_MUX_HELLO, CLOSE_PROTOCOL);
		return;
	}
	welcome(t, peer);
	t->ack_at_ms = t->now_ms;       /* this confirms the session */
}

enum err
tunnel_input(struct tunnel *t, uint8_t *p, size_t n, uint64_t now_ms)
{
	see_time(t, now_ms);
	if (n > 0) {
		t->heard_ms = now_ms;
		t->dead_ms = NEVER;
	}
	receive_bytes(t, p, n);
	assert((t->err == E_OK) == session_open(t));
	return t->err;
}

size_t
tunnel_output(struct tunnel *t, uint8_t *dst, size_t cap, uint64_t now_ms)
{
	see_time(t, now_ms);
	return send_compose(t, dst, cap);
}

void
tunnel_unsent(struct tunnel *t, struct slice rest)
{
	assert(t->out.unsent.n == 0 && rest.n <= TUNNEL_OUTPUT_BYTES);
	if (!chain_put(&t->out.unsent, t->cfg.blocks, rest))
		assert(false);          /* reserved by tunnel_init */
}

bool
tunnel_wants(const struct tunnel *t, uint64_t now_ms)
{
	return send_wants(t, now_ms);
}

enum err
tunnel_step(struct tunnel *t, uint64_t now_ms, uint64_t *due_ms)
{
	see_time(t, now_ms);
	session_step(t);
	*due_ms = session_due_ms(t);
	return t->err;
}

bool
tunnel_park(struct tunnel *t, uint64_t now_ms)
{
	see_time(t, now_ms);
	assert(!t->in_pull);
	session_cut(t, E_EOF);
	if (t->state != TUNNEL_PARKED)
		return false;
	receive_park(t);
	send_park(t);
	t->dead_ms = NEVER;
	return true;
}

uint64_t
tunnel_received(const struct tunnel *t)
{
	return t->received;
}

void
tunnel_rejoin(struct tunnel *t, uint64_t now_ms)
{
	assert(t->cfg.role == TUNNEL_AGENT && t->state == TUNNEL_PARKED);
	assert(t->out.unsent.n == 0 && t->in.message == 0);
	see_time(t, now_ms);
	session_to(t, TUNNEL_RESUMING);
	t->err = E_OK;
	t->hello_got = false;
	t->peer_close = 0;
	t->heard_ms = now_ms;
}

enum err
tunnel_resumed(struct tunnel *t, uint64_t peer_received)
{
	assert(t->cfg.role == TUNNEL_AGENT && t->hello_got);
	if (t->state != TUNNEL_RESUMING)
		return t->err;
	return session_resume(t, peer_received);
}

enum err
tunnel_resume(struct tunnel *t, struct tunnel *via, struct slice json,
    uint64_t peer_received, uint64_t now_ms)
{
	enum err e;

	assert(t->cfg.role == TUNNEL_RELAY && t->state == TUNNEL_PARKED);
	assert(via->state == TUNNEL_HELLO && via->hello_got);
	assert(via->cfg.blocks == t->cfg.blocks && via->in.carry_n == 0);
	assert(t->out.unsent.n == 0);
	see_time(t, now_ms);
	t->in = via->in;
	t->out.unsent = via->out.unsent;
	t->out.pong_due = via->out.pong_due;
	t->out.npong = via->out.npong;
	memcpy(t->out.pong, via->out.pong, sizeof t->out.pong);
	t->peer_close = 0;
	via->in = (struct tunnel_in){ 0 };
	via->out.unsent = (struct chain){ 0 };
	session_fail(via, E_EOF, 0);
	e = session_resume(t, peer_received);
	if (e == E_OK && !send_text(t, json))
		assert(false);          /* a hello's answer always fits */
	return e;
}

bool
tunnel_may_open(const struct tunnel *t)
{
	return t->cfg.role == TUNNEL_RELAY && t->state == TUNNEL_LIVE &&
	    t->nstreams < t->limit &&
	    rate_has(t->opens, t->now_ms * OPEN_PER_MS, OPEN_BURST);
}

enum err
tunnel_open(struct tunnel *t, struct tunnel_stream *s)
{
	if (t->state == TUNNEL_LIVE && t->last_id >= STREAM_RENEW)
		tunnel_goaway(t, GOAWAY_RENEW, RENEW_MS);
	if (!tunnel_may_open(t))
		return E_FULL;
	rate_take(&t->opens, t->now_ms * OPEN_PER_MS, OPEN_BURST);
	streams_open(t, s);
	return E_OK;
}

void
tunnel_ready(struct tunnel_stream *s)
{
	if (s->tunnel != NULL)
		turn_ready(s);
}

void
tunnel_consumed(struct tunnel_stream *s, size_t n, uint64_t now_ms)
{
	if (s->tunnel == NULL || n == 0)
		return;
	see_time(s->tunnel, now_ms);
	credit_consumed(s, n, now_ms);
}

void
tunnel_stop(struct tunnel_stream *s)
{
	if (s->tunnel != NULL)
		streams_stop(s);
}

void
tunnel_reset(struct tunnel_stream *s, enum reset_code code)
{
	assert(code > RESET_NONE && code < RESET_CODES);
	if (s->tunnel != NULL)
		streams_reset(s, code);
}

uint32_t
tunnel_window(const struct tunnel_stream *s)
{
	return s->tunnel == NULL ? 0 : s->window;
}

void
tunnel_goaway(struct tunnel *t, enum goaway_reason reason,
    uint32_t deadline_ms)
{
	assert(deadline_ms <= GOAWAY_MS_MAX);
	if (t->state == TUNNEL_CLOSED || t->goaway_wanted ||
	    t->goaway_number != 0)
		return;
	t->goaway_wanted = true;
	t->goaway_reason = reason;
	t->goaway_ms = deadline_ms;
	t->deadline_ms = min_u64(t->deadline_ms, t->now_ms + deadline_ms);
	if (t->state == TUNNEL_LIVE)
		session_to(t, TUNNEL_DRAINING);
}

bool
tunnel_goaway_acked(const struct tunnel *t)
{
	return t->goaway_number != 0 && t->ring.acked >= t->goaway_number;
}

void
tunnel_close(struct tunnel *t, enum close_code code)
{
	session_fail(t, E_EOF, (uint16_t)code);
}

unsigned
tunnel_close_code(const struct tunnel *t)
{
	return t->peer_close;
}

enum tunnel_state
tunnel_state(const struct tunnel *t)
{
	return t->state;
}

struct tunnel_stats
tunnel_stats(const struct tunnel *t)
{
	return (struct tunnel_stats){
		.streams = t->nstreams,
		.rtt_ms = t->srtt8_ms / 8,
		.bytes_in = t->bytes_in,
		.bytes_out = t->bytes_out,
		.frames_in = t->frames_in,
		.frames_out = t->frames_out,
		.ring_bytes = (uint64_t)t->ring.nblocks * BLOCK_BYTES,
	};
}

/* One stream's part of tunnel_check; adds what it holds unread. */
static void
check_stream(const struct tunnel *t, const struct tunnel_stream *s,
    uint64_t *unread, uint64_t *grown)
{
	assert(s->tunnel == t && s->id > 0 && s->id <= t->last_id);
	assert(s->state == STREAM_OPEN || s->state == STREAM_SENT_END ||
	    s->state == STREAM_GOT_END);
	assert(s->send_credit <= CREDIT_MAX);
	*unread += credit_unread(s);
	*grown += s->grown;
	if (s->list != LIST_NONE)
		assert(!(s->flags & (F_END_DUE | F_UNWANTED)));
	if (s->flags & (F_END_DUE | F_STOP_DUE | F_CREDIT_DUE))
		assert(s->flags & F_CTL);
	if (s->flags & F_STOPPED)
		assert(credit_unread(s) == 0);
}

void
tunnel_check(const struct tunnel *t)
{
	uint64_t unread = 0, grown = 0, open = 0, ready = 0;
	const struct tunnel_stream *s;

	if (t->cfg.blocks == NULL)
		return;
	for (uint32_t i = 0; i < t->cfg.hash_n; i++)
		for (s = t->cfg.hash[i]; s != NULL; s = s->hash_next) {
			check_stream(t, s, &unread, &grown);
			open++;
		}
	for (s = t->ctl.first; s != NULL; s = s->ctl_next)
		open += s->state == STREAM_WAITING;
	for (s = t->fresh.first; s != NULL; s = s->next)
		ready += s->list == LIST_FRESH && (s->flags & F_READY);
	for (s = t->old.first; s != NULL; s = s->next)
		ready += s->list == LIST_OLD && (s->flags & F_READY);
	assert(ready == t->nready);
	assert(open + t->resets.n / RESET_BYTES == t->nstreams);
	assert(t->nstreams <= t->limit);
	assert(t->recv_total == t->recv_window + unread + t->recv_owed);
	assert(t->recv_target == t->cfg.ours.session + grown);
	assert(t->recv_total >= t->recv_target);
	assert(t->ring.acked <= t->ring.sent && t->ring.sent <= t->ring.put);
	assert(ring_count(&t->ring, t->cfg.blocks) ==
	    t->ring.put - t->ring.acked);
	assert(t->ring.nblocks <= t->ring.reserved &&
	    t->ring.reserved <= t->ring.max);
	assert(t->ack_sent <= t->received);
	assert((t->err == E_OK) == session_open(t));
	assert(t->partial_n <= FRAME_DATA_MAX);
	if (session_live(t))
		assert(t->park_until_ms == NEVER);
}
