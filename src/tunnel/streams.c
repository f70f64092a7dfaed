/*
 * Streams: their numbers and states, and what either side says of one.
 * PROTOCOL.md 7. Nothing here knows that connections are cut: frames go into
 * the ring (control.c, turn.c) and come out of the session.
 */
#include <assert.h>

#include "base/edge.h"
#include "base/num.h"
#include "tunnel/engine.h"

static const struct edge edges[] = {
#define X(from, to, when) { STREAM_##from, STREAM_##to },
	STREAM_EDGE_LIST(X)
#undef X
};

static const char *
streams_state_name(enum stream_state s)
{
	static const char *const names[STREAM_STATES] = {
#define X(name, text) #name,
		STREAM_STATE_LIST(X)
#undef X
	};

	return s < STREAM_STATES ? names[s] : "?";
}

void
streams_to(struct tunnel_stream *s, enum stream_state next)
{
	assert(EDGE_LEGAL(edges, s->state, next));
	LOGF(s->tunnel->cfg.log, LOG_TRACE, "tunnel", "stream",
	    log_u("id", s->id),
	    log_c("from", streams_state_name(s->state)),
	    log_c("to", streams_state_name(next)));
	s->state = (uint8_t)next;
}

/* The table of numbers. They count up, so their low bits are a fine hash. */

static struct tunnel_stream **
bucket(const struct tunnel *t, uint32_t id)
{
	return &t->cfg.hash[id & (t->cfg.hash_n - 1)];
}

struct tunnel_stream *
streams_find(const struct tunnel *t, uint32_t id)
{
	struct tunnel_stream *s = *bucket(t, id);

	while (s != NULL && s->id != id)
		s = s->hash_next;
	return s;
}

static void
hash_add(struct tunnel_stream *s)
{
	struct tunnel_stream **b = bucket(s->tunnel, s->id);

	s->hash_next = *b;
	*b = s;
}

static void
hash_remove(struct tunnel_stream *s)
{
	struct tunnel_stream **b = bucket(s->tunnel, s->id);

	while (*b != s)
		b = &(*b)->hash_next;
	*b = s->hash_next;
	s->hash_next = NULL;
}

/* Coming and going. */

static void
attach(struct tunnel *t, struct tunnel_stream *s)
{
	void *owner = s->owner;

	assert(s->tunnel == NULL && s->state == STREAM_IDLE);
	*s = (struct tunnel_stream){ .owner = owner, .tunnel = t };
	t->nstreams++;
	assert(t->nstreams <= t->limit);
}

/* The stream is over (or its session is): forget it. The record is free. */
static void
detach(struct tunnel_stream *s)
{
	struct tunnel *t = s->tunnel;
	void *owner = s->owner;

	if (s == t->pulling)
		t->pulling = NULL;      /* by its own pull, which looks */
	turn_leave(s);
	control_leave(s);
	if (s->id != 0) {
		hash_remove(s);
		credit_detach(s);
	}
	assert(t->nstreams > 0);
	t->nstreams--;
	*s = (struct tunnel_stream){ .owner = owner };
}

void
streams_number(struct tunnel_stream *s, uint32_t id)
{
	s->id = id;
	streams_to(s, STREAM_OPEN);
	hash_add(s);
	credit_attach(s);
}

void
streams_open(struct tunnel *t, struct tunnel_stream *s)
{
	attach(t, s);
	streams_to(s, STREAM_WAITING);
	control_due(s);
}

void
streams_drop(struct tunnel *t, enum reset_code code)
{
	uint32_t i = 0;

	/* A callback may reset others: look at each list afresh. */
	while (i < t->cfg.hash_n || t->ctl.first != NULL) {
		struct tunnel_stream *s = t->ctl.first;

		if (i < t->cfg.hash_n)
			s = t->cfg.hash[i];
		if (s == NULL) {
			i++;
			continue;
		}
		detach(s);
		t->cfg.ops->reset(t->cfg.owner, s, code);
	}
	chain_free(&t->resets, t->cfg.blocks);
	t->nstreams = 0;
}

/* What the peer says. */

/* A frame for a stream that is not open. */
static void
unknown(struct tunnel *t, uint32_t id)
{
	/* Closed: it crossed our END or RESET, and is dropped. */
	if (id > t->last_id)
		session_fail(t, E_MUX_STREAM, CLOSE_PROTOCOL);
}

void
streams_opened(struct tunnel *t, const struct frame *f)
{
	enum reset_code refuse = RESET_INTERNAL;
	struct tunnel_stream *s = NULL;

	if (t->cfg.role != TUNNEL_AGENT || f->stream != t->last_id + 1 ||
	    t->goaway_got) {
		session_fail(t, E_MUX_STREAM, CLOSE_PROTOCOL);
		return;
	}
	if (t->nstreams >= t->limit) {
		session_fail(t, E_MUX_LIMIT, CLOSE_PROTOCOL);
		return;
	}
	t->last_id = f->stream;
	if (rate_take(&t->opens, t->now_ms * FLOOD_PER_MS, FLOOD_BURST))
		s = t->cfg.ops->open(t->cfg.owner, &f->u.open, &refuse);
	else
		refuse = RESET_OVER_LIMIT;
	if (s == NULL) {
		control_reset(t, f->stream, refuse, false);
		return;
	}
	if (t->state == TUNNEL_CLOSED) {
		t->cfg.ops->reset(t->cfg.owner, s, RESET_NONE);
		return;
	}
	attach(t, s);
	streams_number(s, f->stream);
}

void
streams_data(struct tunnel *t, uint32_t id, uint8_t *p, size_t n)
{
	struct tunnel_stream *s = streams_find(t, id);

	if (id > t->last_id || (s != NULL && s->state == STREAM_GOT_END)) {
		session_fail(t, E_MUX_STREAM, CLOSE_PROTOCOL);
		return;
	}
	if (!credit_spend(t, s, n)) {
		session_fail(t, E_MUX_CREDIT, CLOSE_PROTOCOL);
		return;
	}
	t->bytes_in += n;
	if (s == NULL) {
		/* Closed, but it was under way: not lost for the session. */
		credit_return(t, n);
		return;
	}
	if (s->flags & F_STOPPED) {
		s->window -= (uint32_t)n;
		credit_return(t, n);
		return;
	}
	t->cfg.ops->data(t->cfg.owner, s, p, n);
}

void
streams_closed(struct tunnel_stream *s)
{
	struct tunnel *t = s->tunnel;

	streams_to(s, STREAM_CLOSED);
	detach(s);
	t->cfg.ops->closed(t->cfg.owner, s);
}

void
streams_end(struct tunnel *t, uint32_t id)
{
	struct tunnel_stream *s = streams_find(t, id);
	bool last;

	if (s == NULL) {
		unknown(t, id);
		control_forget_reset(t, id, true);
		return;
	}
	if (s->state == STREAM_GOT_END) {
		session_fail(t, E_MUX_STREAM, CLOSE_PROTOCOL);
		return;
	}
	last = s->state == STREAM_SENT_END;
	if (!last)
		streams_to(s, STREAM_GOT_END);
	t->cfg.ops->end(t->cfg.owner, s);
	if (last && streams_find(t, id) == s)
		streams_closed(s);
}

void
streams_stopped(struct tunnel *t, uint32_t id)
{
	struct tunnel_stream *s = streams_find(t, id);

	if (s == NULL) {
		unknown(t, id);
		return;
	}
	if (s->flags & F_UNWANTED) {
		session_fail(t, E_MUX_STREAM, CLOSE_PROTOCOL);
		return;
	}
	s->flags |= F_UNWANTED;
	if (s->state == STREAM_SENT_END)
		return;
	turn_leave(s);
	s->flags |= F_END_DUE;
	control_due(s);
	t->cfg.ops->stop(t->cfg.owner, s);
}

void
streams_was_reset(struct tunnel *t, uint32_t id, enum reset_code code)
{
	struct tunnel_stream *s = streams_find(t, id);

	if (s == NULL) {
		unknown(t, id);
		control_forget_reset(t, id, false);
		return;
	}
	streams_to(s, STREAM_CLOSED);
	detach(s);
	t->cfg.ops->reset(t->cfg.owner, s, code);
}

void
streams_credit(struct tunnel *t, uint32_t id, uint32_t n)
{
	struct tunnel_stream *s = streams_find(t, id);

	if (s == NULL) {
		unknown(t, id);
		return;
	}
	if (n > CREDIT_MAX - s->send_credit) {
		session_fail(t, E_MUX_WRAP, CLOSE_PROTOCOL);
		return;
	}
	s->send_credit += n;
	turn_credited(s);
}

/* What the owner says. */

void
streams_stop(struct tunnel_stream *s)
{
	if (s->flags & F_STOPPED)
		return;
	s->flags |= F_STOPPED;
	if (s->id != 0)
		credit_stop(s);
	if (s->state == STREAM_GOT_END)
		return;
	s->flags |= F_STOP_DUE;
	control_due(s);
}

void
streams_reset(struct tunnel_stream *s, enum reset_code code)
{
	struct tunnel *t = s->tunnel;
	uint32_t id = s->id;
	bool ended = s->state == STREAM_SENT_END;

	streams_to(s, STREAM_CLOSED);
	detach(s);
	if (id != 0)
		control_reset(t, id, code, ended);
}
