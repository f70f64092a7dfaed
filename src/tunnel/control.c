/*
 * Control frames of streams, into the ring. PROTOCOL.md 7, 8.
 *
 * What cannot enter the ring yet is a flag in the stream's record (END, STOP,
 * CREDIT; OPEN is a state) or, for a RESET whose record is gone, an entry of
 * t->resets. Both are bounded by the streams that may be open, since a stream
 * counts as open until its RESET is in the ring.
 */
#include <assert.h>

#include "tunnel/engine.h"

void
control_due(struct tunnel_stream *s)
{
	struct tunnel_list *l = &s->tunnel->ctl;

	if (s->flags & F_CTL)
		return;
	s->flags |= F_CTL;
	s->ctl_prev = l->last;
	s->ctl_next = NULL;
	*(l->last != NULL ? &l->last->ctl_next : &l->first) = s;
	l->last = s;
}

void
control_leave(struct tunnel_stream *s)
{
	struct tunnel_list *l = &s->tunnel->ctl;

	if (!(s->flags & F_CTL))
		return;
	*(s->ctl_prev != NULL ? &s->ctl_prev->ctl_next : &l->first) =
	    s->ctl_next;
	*(s->ctl_next != NULL ? &s->ctl_next->ctl_prev : &l->last) =
	    s->ctl_prev;
	s->ctl_next = s->ctl_prev = NULL;
	s->flags &= (uint16_t)~F_CTL;
}

static bool
put_reset(struct tunnel *t, uint32_t id, enum reset_code code)
{
	struct frame f = { .type = FRAME_RESET, .stream = id };

	f.u.code = code;
	return session_put(t, &f);
}

static bool
is_reset_of(const uint8_t *entry, uint32_t id, bool by_end)
{
	return get_u32(entry) == id && (!by_end || entry[4] != 0);
}

/* Is there one to forget? Usually not, and a peer may ask often. */
static bool
reset_waits(const struct tunnel *t, uint32_t id, bool by_end)
{
	struct slice v[STREAMS_MAX * RESET_BYTES / BLOCK_BYTES + 2];
	size_t n = chain_slices(&t->resets, t->cfg.blocks, v,
	    sizeof v / sizeof v[0]);

	for (size_t i = 0; i < n; i++) {
		assert(v[i].n % RESET_BYTES == 0);
		for (size_t at = 0; at < v[i].n; at += RESET_BYTES) {
			if (is_reset_of(v[i].p + at, id, by_end))
				return true;
		}
	}
	return false;
}

void
control_forget_reset(struct tunnel *t, uint32_t id, bool by_end)
{
	struct blocks *b = t->cfg.blocks;

	if (!reset_waits(t, id, by_end))
		return;
	for (size_t n = t->resets.n / RESET_BYTES; n > 0; n--) {
		uint8_t entry[RESET_BYTES];

		chain_take(&t->resets, b, entry, sizeof entry);
		if (is_reset_of(entry, id, by_end)) {
			assert(t->nstreams > 0);
			t->nstreams--;
		} else if (!chain_put(&t->resets, b,
		    slice_of(entry, sizeof entry))) {
			assert(false);
		}
	}
}

void
control_reset(struct tunnel *t, uint32_t id, enum reset_code code, bool ended)
{
	uint8_t entry[RESET_BYTES];
	bool ok;

	if (t->state == TUNNEL_CLOSED ||
	    (t->resets.n == 0 && put_reset(t, id, code)))
		return;
	set_u32(entry, id);
	set_u32(entry + 4, code);
	entry[4] = ended;
	ok = chain_put(&t->resets, t->cfg.blocks,
	    slice_of(entry, sizeof entry));
	assert(ok);             /* reserved by tunnel_init */
	t->nstreams++;
}

static bool
put_simple(struct tunnel_stream *s, uint8_t type)
{
	struct frame f = { .type = type, .stream = s->id };

	return session_put(s->tunnel, &f);
}

/* WAITING to OPEN: only now the stream gets its number. */
static bool
put_open(struct tunnel_stream *s)
{
	struct tunnel *t = s->tunnel;
	struct frame f = { .type = FRAME_OPEN, .stream = t->last_id + 1 };

	if (!ring_has_room(&t->ring, t->cfg.blocks, CONTROL_WANT, false))
		return false;
	t->cfg.ops->opening(t->cfg.owner, s, &f.u.open);
	assert(s->tunnel == t && s->state == STREAM_WAITING);
	if (!session_put(t, &f))
		return false;
	streams_number(s, ++t->last_id);
	if (s->flags & F_READY)
		turn_ready(s);
	return true;
}

static bool
put_credit(struct tunnel_stream *s)
{
	struct frame f = { .type = FRAME_CREDIT, .stream = s->id };

	f.u.credit = s->recv_owed;
	if (!session_put(s->tunnel, &f))
		return false;
	credit_grant(s);
	s->flags &= (uint16_t)~F_CREDIT_DUE;
	return true;
}

static bool
put_end(struct tunnel_stream *s)
{
	if (!put_simple(s, FRAME_END))
		return false;
	s->flags &= (uint16_t)~F_END_DUE;
	turn_leave(s);
	if (s->state == STREAM_GOT_END)
		streams_closed(s);
	else
		streams_to(s, STREAM_SENT_END);
	return true;
}

/* One control frame of s; false if the ring is full. `none` if s has none. */
static bool
put_of(struct tunnel_stream *s, bool *none)
{
	*none = false;
	if (s->state == STREAM_WAITING)
		return put_open(s);
	if (s->state == STREAM_GOT_END)
		s->flags &= (uint16_t)~(F_CREDIT_DUE | F_STOP_DUE);
	if (s->flags & F_STOP_DUE) {
		if (!put_simple(s, FRAME_STOP))
			return false;
		s->flags &= (uint16_t)~F_STOP_DUE;
		return true;
	}
	if (s->flags & F_CREDIT_DUE)
		return put_credit(s);
	if (s->flags & F_END_DUE)
		return put_end(s);
	*none = true;
	control_leave(s);
	return true;
}

/* A RESET that had to wait. */
static bool
put_waiting_reset(struct tunnel *t)
{
	struct slice s = chain_front(&t->resets, t->cfg.blocks);

	if (!put_reset(t, get_u32(s.p), (enum reset_code)s.p[7]))
		return false;
	chain_drop(&t->resets, t->cfg.blocks, RESET_BYTES);
	assert(t->nstreams > 0);
	t->nstreams--;
	return true;
}

bool
control_put(struct tunnel *t)
{
	bool none = true;

	if (t->resets.n > 0)
		return put_waiting_reset(t);
	if (t->session_due)
		return session_put_credit(t);
	while (none && t->ctl.first != NULL)
		if (!put_of(t->ctl.first, &none))
			return false;
	return !none || session_put_goaway(t);
}

bool
control_wants(const struct tunnel *t)
{
	return (t->resets.n > 0 || t->session_due || t->ctl.first != NULL ||
	    t->goaway_wanted) && session_live(t) &&
	    ring_has_room(&t->ring, t->cfg.blocks, CONTROL_WANT, false);
}
