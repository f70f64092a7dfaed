/*
 * Credit: how much the peer may send. PROTOCOL.md 8.
 *
 * For a stream, `window` is the sum of three: granted and not received,
 * received and not read by the consumer beyond, read and not granted again
 * (owed). Only two are kept; the unread part is the difference, so the three
 * cannot disagree. The session has the same sum over all its streams.
 *
 * Stream windows decide who may send; the session's credit is a second lock
 * on the same door, for a peer that lies. It is large enough never to be the
 * reason why a stream waits, grows with every window, and what a closed
 * stream held of it returns at once: each byte of DATA that comes is either
 * unread in an open stream or has been returned.
 *
 * A window has a size that it should be (initial + grown). Growing grants the
 * difference at once; shrinking grants less than was read until it is there:
 * what was granted is never taken back.
 */
#include <assert.h>

#include "base/num.h"
#include "tunnel/engine.h"

enum {
	MEASURE_MS_MIN = 10,    /* no rate is taken over less */
};

void
credit_begin(struct tunnel *t)
{
	const struct tunnel_limits *ours = &t->cfg.ours;

	t->recv_window = t->recv_total = t->recv_target = ours->session;
	t->recv_owed = 0;
}

void
credit_attach(struct tunnel_stream *s)
{
	struct tunnel *t = s->tunnel;

	s->send_credit = t->peer.window;
	s->recv_window = s->window = t->cfg.ours.window;
	s->recv_owed = s->grown = 0;
	s->rate_bytes = 0;
	s->rate_ms = t->now_ms;
}

uint32_t
credit_unread(const struct tunnel_stream *s)
{
	assert(s->recv_window <= s->window);
	assert(s->recv_owed <= s->window - s->recv_window);
	return s->window - s->recv_window - s->recv_owed;
}

bool
credit_spend(struct tunnel *t, struct tunnel_stream *s, size_t n)
{
	if (n > t->recv_window || (s != NULL && n > s->recv_window))
		return false;
	t->recv_window -= (uint32_t)n;
	if (s != NULL)
		s->recv_window -= (uint32_t)n;
	return true;
}

void
credit_return(struct tunnel *t, size_t n)
{
	size_t over = 0;

	assert(n <= t->recv_total - t->recv_window - t->recv_owed);
	if (t->recv_total > t->recv_target)
		over = min_size(n, t->recv_total - t->recv_target);
	t->recv_total -= (uint32_t)over;
	t->recv_owed += (uint32_t)(n - over);
	/* By half a stream's window, not half of the session's: all but one
	 * stream may be stalled with everything they have. */
	if (t->recv_owed >= t->cfg.ours.window / 2)
		t->session_due = true;
}

/* The window of s should be `size`: tell the owner, move the session's too. */
static void
resize(struct tunnel_stream *s, uint32_t size)
{
	struct tunnel *t = s->tunnel;
	uint32_t initial = t->cfg.ours.window;
	uint32_t was = initial + s->grown;
	bool (*window)(void *, struct tunnel_stream *, uint32_t) =
	    t->cfg.ops->window;

	assert(size >= initial);
	if (size > was && (size - was > CREDIT_MAX - t->recv_total ||
	    !window(t->cfg.owner, s, size)))
		return;
	s->grown = size - initial;
	t->recv_target = t->recv_target - was + size;
	if (size > s->window) {
		s->recv_owed += size - s->window;
		s->window = size;
	}
	if (t->recv_target > t->recv_total) {
		t->recv_owed += t->recv_target - t->recv_total;
		t->recv_total = t->recv_target;
		t->session_due = true;
	}
}

/*
 * n bytes more were read from s: is its window the right one? It should hold
 * 1.5 times what is read in a round trip: a reader that is held up by its
 * window reads one window in that time, and so gets more each time round.
 */
static void
measure(struct tunnel_stream *s, uint32_t n, uint64_t now_ms)
{
	struct tunnel *t = s->tunnel;
	uint64_t dt_ms = now_ms - s->rate_ms, rtt_ms = t->srtt8_ms / 8, want;
	uint32_t initial = t->cfg.ours.window, size = initial + s->grown;
	uint32_t most = t->cfg.window_max;

	if (ckd_add(&s->rate_bytes, s->rate_bytes, n))
		s->rate_bytes = UINT32_MAX;
	if (rtt_ms < RTT_GROW_MS) {
		/* Near: one window fills the path, but then both ends wait
		 * for each other in turn. A few let them work at once. */
		rtt_ms = RTT_NEAR_MS;
		most = (uint32_t)min_u64(most, WINDOW_NEAR);
	}
	if (t->cfg.ops->window == NULL ||
	    dt_ms < max_u64(rtt_ms, MEASURE_MS_MIN))
		return;
	want = (uint64_t)s->rate_bytes * rtt_ms / dt_ms * 3 / 2;
	s->rate_bytes = 0;
	s->rate_ms = now_ms;
	if (want > size) {
		want = (want + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
		want = min_u64(want, most);
		if (want > size)
			resize(s, (uint32_t)want);
	} else if (s->grown > 0 && want < size / 4) {
		resize(s, initial + s->grown / 2 / BLOCK_BYTES * BLOCK_BYTES);
	}
}

/* Take what the window has too much out of n bytes that were read. */
static size_t
shrink(struct tunnel_stream *s, size_t n)
{
	struct tunnel *t = s->tunnel;
	uint32_t size = t->cfg.ours.window + s->grown;
	size_t over;

	if (s->window <= size)
		return n;
	over = min_size(n, s->window - size);
	s->window -= (uint32_t)over;
	if (s->window == size)
		t->cfg.ops->window(t->cfg.owner, s, size);
	return n - over;
}

void
credit_consumed(struct tunnel_stream *s, size_t n, uint64_t now_ms)
{
	struct tunnel *t = s->tunnel;

	if (s->flags & F_STOPPED)
		return;         /* it was all returned then */
	assert(n <= credit_unread(s));
	credit_return(t, n);
	if (s->state == STREAM_GOT_END) {
		/* Nobody will use credit for it. */
		s->window -= (uint32_t)n;
		return;
	}
	s->recv_owed += (uint32_t)shrink(s, n);
	measure(s, (uint32_t)n, now_ms);
	if (s->recv_owed >= s->window / 2) {
		s->flags |= F_CREDIT_DUE;
		control_due(s);
	}
}

void
credit_stop(struct tunnel_stream *s)
{
	credit_return(s->tunnel, credit_unread(s));
	s->window = s->recv_window;
	s->recv_owed = 0;
	s->flags &= (uint16_t)~F_CREDIT_DUE;
}

void
credit_detach(struct tunnel_stream *s)
{
	struct tunnel *t = s->tunnel;

	t->recv_target -= s->grown;
	s->grown = 0;
	credit_return(t, credit_unread(s));
}

uint32_t
credit_grant(struct tunnel_stream *s)
{
	uint32_t n = s->recv_owed;

	s->recv_window += n;
	s->recv_owed = 0;
	assert(s->recv_window <= s->window && s->recv_window <= CREDIT_MAX);
	return n;
}

uint32_t
credit_grant_session(struct tunnel *t)
{
	uint32_t n = t->recv_owed;

	t->recv_window += n;
	t->recv_owed = 0;
	assert(t->recv_window <= t->recv_total &&
	    t->recv_total <= CREDIT_MAX);
	return n;
}
