/*
 * The session: an ordered sequence of frames each way. PROTOCOL.md 6. It
 * knows nothing of streams but whom to hand their frames.
 *
 * Counting: every frame but ACK has a number, implicit, from 1. The ring
 * keeps what the peer has not acknowledged; `received` is what we have of
 * theirs, whole frames only. Resumption needs nothing more than these.
 *
 * Two ends: session_fail ends the session, with its streams; session_cut only
 * says that this connection is over. Then the session is parked: it keeps what
 * it has and knows, and each side's `received` stands still, until a new
 * connection brings the other's. All above that is sent again as it lies in
 * the ring, so nothing is restated and nobody guesses.
 */
#include <assert.h>

#include "base/edge.h"
#include "base/num.h"
#include "tunnel/engine.h"

static const struct edge edges[] = {
#define X(from, to, when) { TUNNEL_##from, TUNNEL_##to },
	TUNNEL_EDGE_LIST(X)
#undef X
};

static const char *const state_names[TUNNEL_STATES] = {
#define X(name, text) #name,
	TUNNEL_STATE_LIST(X)
#undef X
};

void
session_to(struct tunnel *t, enum tunnel_state next)
{
	assert(EDGE_LEGAL(edges, t->state, next));
	LOGF(t->cfg.log, LOG_DEBUG, "tunnel", "session",
	    log_c("from", state_names[t->state]),
	    log_c("to", state_names[next]));
	t->state = next;
	t->began_ms = t->now_ms;
}

bool
session_live(const struct tunnel *t)
{
	return t->state == TUNNEL_LIVE || t->state == TUNNEL_DRAINING;
}

bool
session_open(const struct tunnel *t)
{
	return t->state != TUNNEL_CLOSED && t->state != TUNNEL_PARKED;
}

void
session_fail(struct tunnel *t, enum err e, uint16_t code)
{
	assert(e != E_OK);
	if (t->state == TUNNEL_CLOSED)
		return;
	LOGF(t->cfg.log, LOG_DEBUG, "tunnel", "closed",
	    log_c("why", err_name(e)), log_u("code", code));
	session_to(t, TUNNEL_CLOSED);
	t->err = e;
	t->out.close = code;
	t->out.close_due = code != 0;
	if (code != 0)
		streams_drop(t, RESET_NONE);
}

void
session_cut(struct tunnel *t, enum err e)
{
	assert(e != E_OK);
	if (!session_open(t))
		return;
	if (t->state == TUNNEL_HELLO || t->cfg.grace_ms == 0) {
		session_fail(t, e, 0);
		return;
	}
	if (t->state != TUNNEL_RESUMING)
		t->park_until_ms = t->now_ms + (t->confirmed ?
		    t->cfg.grace_ms :
		    min_u64(t->cfg.grace_ms, t->cfg.hello_ms));
	session_to(t, TUNNEL_PARKED);
	t->err = e;
}

enum err
session_resume(struct tunnel *t, uint64_t peer_received)
{
	bool goes = t->goaway_wanted || t->goaway_got || t->goaway_number != 0;

	if (!ring_rewind(&t->ring, t->cfg.blocks, peer_received)) {
		session_fail(t, E_MUX_ACK, CLOSE_PROTOCOL);
		return t->err;
	}
	/* The peer knows what we have: the hello or welcome says it. */
	t->ack_sent = t->received;
	t->ack_bytes = 0;
	t->ack_at_ms = t->park_until_ms = t->dead_ms = NEVER;
	t->heard_ms = t->now_ms;
	t->err = E_OK;
	session_to(t, goes ? TUNNEL_DRAINING : TUNNEL_LIVE);
	if (t->confirmed)
		return E_OK;
	t->confirmed = true;
	if (t->cfg.ops->confirmed != NULL)
		t->cfg.ops->confirmed(t->cfg.owner);
	return E_OK;
}

void
session_text(struct tunnel *t, struct slice json)
{
	if ((t->state != TUNNEL_HELLO && t->state != TUNNEL_RESUMING) ||
	    t->hello_got) {
		session_fail(t, E_MUX_FRAME, CLOSE_PROTOCOL);
		return;
	}
	t->hello_got = true;
	t->cfg.ops->hello(t->cfg.owner, json);
}

void
session_head(struct tunnel *t, const struct frame *f)
{
	if (t->state == TUNNEL_HELLO || t->state == TUNNEL_RESUMING)
		session_fail(t, E_MUX_HELLO, CLOSE_PROTOCOL);
	else if (t->partial_n > 0 && f->type != FRAME_ACK &&
	    (f->type != FRAME_DATA || f->stream != t->partial_id))
		session_fail(t, E_MUX_FRAME, CLOSE_PROTOCOL);
	else if (t->state == TUNNEL_PROVISIONAL && f->type != FRAME_ACK)
		session_fail(t, E_MUX_FRAME, CLOSE_PROTOCOL);
}

static void
got_ack(struct tunnel *t, uint64_t count)
{
	if (!ring_ack(&t->ring, t->cfg.blocks, count)) {
		session_fail(t, E_MUX_ACK, CLOSE_PROTOCOL);
		return;
	}
	if (t->state != TUNNEL_PROVISIONAL)
		return;
	session_to(t, TUNNEL_LIVE);
	t->confirmed = true;
	if (t->cfg.role == TUNNEL_RELAY)
		t->ack_at_ms = t->now_ms;       /* the answer to the first */
	if (t->cfg.ops->confirmed != NULL)
		t->cfg.ops->confirmed(t->cfg.owner);
	if (t->goaway_wanted && t->state == TUNNEL_LIVE)
		session_to(t, TUNNEL_DRAINING);
}

static void
got_credit(struct tunnel *t, uint32_t n)
{
	if (n > CREDIT_MAX - t->send_credit)
		session_fail(t, E_MUX_WRAP, CLOSE_PROTOCOL);
	else
		t->send_credit += n;
}

static void
got_goaway(struct tunnel *t, enum goaway_reason reason, uint32_t deadline_ms)
{
	if (t->goaway_got) {
		session_fail(t, E_MUX_STREAM, CLOSE_PROTOCOL);
		return;
	}
	t->goaway_got = true;
	if (t->state == TUNNEL_LIVE)
		session_to(t, TUNNEL_DRAINING);
	t->deadline_ms = min_u64(t->deadline_ms, t->now_ms + deadline_ms);
	t->cfg.ops->goaway(t->cfg.owner, reason, deadline_ms);
}

void
session_frame(struct tunnel *t, const struct frame *f)
{
	switch ((enum frame_type)f->type) {
	case FRAME_OPEN:
		streams_opened(t, f);
		break;
	case FRAME_END:
		streams_end(t, f->stream);
		break;
	case FRAME_STOP:
		streams_stopped(t, f->stream);
		break;
	case FRAME_RESET:
		streams_was_reset(t, f->stream, f->u.code);
		break;
	case FRAME_CREDIT:
		if (f->stream == 0)
			got_credit(t, f->u.credit);
		else
			streams_credit(t, f->stream, f->u.credit);
		break;
	case FRAME_ACK:
		got_ack(t, f->u.ack);
		break;
	case FRAME_GOAWAY:
		got_goaway(t, f->u.goaway.reason, f->u.goaway.deadline_ms);
		break;
	case FRAME_DATA:
	case FRAME_TYPES:
		assert(false);
	}
}

/* Measure the round trip now and then while data comes: windows need it. */
static void
want_ping(struct tunnel *t, uint32_t n)
{
	if (ckd_add(&t->ping_bytes, t->ping_bytes, n))
		t->ping_bytes = UINT32_MAX;
	if (t->ping_bytes >= t->cfg.ours.window / 2 && !t->ping_out &&
	    t->now_ms - t->ping_ms >= RTT_PING_MS)
		t->out.ping_due = true;
}

void
session_count(struct tunnel *t, const struct frame *f, uint32_t n)
{
	if (f->type == FRAME_ACK)
		return;
	t->received++;
	t->frames_in++;
	if (t->ack_at_ms == NEVER)
		t->ack_at_ms = t->now_ms + ACK_DELAY_MS;
	t->ack_bytes += n;
	if (t->ack_bytes >= ACK_BYTES)
		t->ack_at_ms = t->now_ms;
	if (f->type == FRAME_DATA && t->cfg.ops->window != NULL)
		want_ping(t, n);
}

void
session_pong(struct tunnel *t, struct slice payload)
{
	uint64_t rtt_ms = t->now_ms - t->ping_ms;

	if (!t->ping_out || payload.n != sizeof(uint64_t) ||
	    get_u64(payload.p) != t->ping_count)
		return;         /* RFC 6455 5.5.3 allows a pong at any time */
	t->ping_out = false;
	rtt_ms = min_u64(rtt_ms, PING_AFTER_MS);
	if (t->srtt8_ms == 0)
		t->srtt8_ms = (uint32_t)rtt_ms * 8;
	else
		t->srtt8_ms += (uint32_t)rtt_ms - t->srtt8_ms / 8;
}

bool
tunnel_close_final(unsigned code)
{
#define X(name, value, text) if (code == value) return true;
	CLOSE_LIST(X)
#undef X
	return false;
}

void
session_closed(struct tunnel *t, struct slice payload)
{
	struct slice reason;
	uint16_t code;
	enum err e = ws_close_parse(payload, &code, &reason);

	if (e != E_OK) {
		session_fail(t, e, ws_close_code(e));
		return;
	}
	t->peer_close = code;
	/* Streams live on if this is only a cut; the answer is the same. And
	 * a connection that was not let in cannot say that the session ends. */
	if (tunnel_close_final(code) && t->state != TUNNEL_RESUMING)
		session_fail(t, E_EOF, code);
	else
		session_cut(t, E_EOF);
	t->out.close = code;
	t->out.close_due = true;
}

bool
session_put(struct tunnel *t, const struct frame *f)
{
	struct buf b;
	size_t room;
	uint8_t *p;

	if (t->in_pull || !session_live(t))     /* its room is lent out */
		return false;
	p = ring_room(&t->ring, t->cfg.blocks, CONTROL_WANT, false, &room);
	if (p == NULL)
		return false;
	b = buf_of(p, room);
	if (!frame_put(&b, f))
		assert(false);
	ring_commit(&t->ring, t->cfg.blocks, b.n);
	t->frames_out++;
	return true;
}

bool
session_put_credit(struct tunnel *t)
{
	struct frame f = { .type = FRAME_CREDIT };

	assert(t->session_due && t->recv_owed > 0);
	f.u.credit = t->recv_owed;
	if (!session_put(t, &f))
		return false;
	credit_grant_session(t);
	t->session_due = false;
	return true;
}

bool
session_put_goaway(struct tunnel *t)
{
	struct frame f = { .type = FRAME_GOAWAY };

	if (!t->goaway_wanted)
		return false;
	f.u.goaway.reason = t->goaway_reason;
	f.u.goaway.deadline_ms = t->goaway_ms;
	if (!session_put(t, &f))
		return false;
	t->goaway_wanted = false;
	t->goaway_number = t->ring.put;
	return true;
}

/* Nothing is under way on a session that takes no new streams. */
static bool
drained(const struct tunnel *t)
{
	return t->state == TUNNEL_DRAINING && t->cfg.role == TUNNEL_RELAY &&
	    t->nstreams == 0 && !t->goaway_wanted &&
	    t->ring.acked == t->ring.put && t->ack_sent == t->received;
}

static uint64_t
begin_deadline(const struct tunnel *t)
{
	/* While the owner looks at a hello, its time is the owner's. */
	if (((t->state == TUNNEL_HELLO || t->state == TUNNEL_RESUMING) &&
	    !t->hello_got) || t->state == TUNNEL_PROVISIONAL)
		return t->began_ms + t->cfg.hello_ms;
	return NEVER;
}

void
session_step(struct tunnel *t)
{
	uint64_t now_ms = t->now_ms;

	if (t->state == TUNNEL_CLOSED)
		return;
	if (now_ms >= min_u64(t->deadline_ms, t->park_until_ms)) {
		session_fail(t, E_TIMEOUT, CLOSE_EXPIRED);
	} else if (t->state == TUNNEL_PARKED) {
		return;
	} else if (now_ms >= begin_deadline(t)) {
		if (t->state == TUNNEL_RESUMING)
			session_cut(t, E_TIMEOUT);
		else
			session_fail(t, E_TIMEOUT, CLOSE_EXPIRED);
	} else if (now_ms >= t->dead_ms) {
		/* Nobody will take what is left for this connection. */
		session_cut(t, E_TIMEOUT);
		chain_free(&t->out.unsent, t->cfg.blocks);
	} else if (drained(t)) {
		session_fail(t, E_EOF, CLOSE_DONE);
	} else if (t->dead_ms == NEVER &&
	    now_ms - t->heard_ms >= PING_AFTER_MS) {
		t->dead_ms = now_ms + DEAD_AFTER_MS;
		t->out.ping_due = true;
	}
}

uint64_t
session_due_ms(const struct tunnel *t)
{
	uint64_t due;

	if (t->state == TUNNEL_CLOSED)
		return NEVER;
	due = min_u64(t->deadline_ms, t->park_until_ms);
	if (t->state == TUNNEL_PARKED)
		return due;
	due = min_u64(due, min_u64(begin_deadline(t), t->dead_ms));
	if (t->dead_ms == NEVER)
		due = min_u64(due, t->heard_ms + PING_AFTER_MS);
	/* What is due already waits for the socket, not for the clock. */
	return t->ack_at_ms > t->now_ms ? min_u64(due, t->ack_at_ms) : due;
}
