/*
 * Streams, and whose turn it is. PROTOCOL.md 7, 8, 9. Nothing here knows that
 * connections are cut: frames go into the ring and come out of the session.
 *
 * What cannot enter the ring yet is a flag in the stream's record (END, STOP,
 * CREDIT) or, for a RESET whose record is gone, an entry of t->resets. Both
 * are bounded by the streams that may be open, since a stream counts as open
 * until its RESET is in the ring.
 *
 * Data goes by deficit round robin with two lists, as in fq_codel (RFC 8290):
 * a stream that had nothing joins the fresh list, which goes first, with one
 * quantum; when it is used up, or the stream ran dry, it moves to the end of
 * the old list. It can be fresh again only after it was found dry there, so
 * nobody stays in front by pausing. A stream without credit is in no list and
 * comes back at the end of the old one: waiting for its reader is no merit.
 */
#include <assert.h>

#include "base/edge.h"
#include "base/num.h"
#include "tunnel/engine.h"

enum { QUANTUM = RING_RECORD_MAX };     /* one full DATA frame of ours */

static const struct edge edges[] = {
#define X(from, to, when) { STREAM_##from, STREAM_##to },
	STREAM_EDGE_LIST(X)
#undef X
};

const char *
streams_state_name(enum stream_state s)
{
	static const char *const names[STREAM_STATES] = {
#define X(name, text) #name,
		STREAM_STATE_LIST(X)
#undef X
	};

	return s < STREAM_STATES ? names[s] : "?";
}

static void
stream_to(struct tunnel_stream *s, enum stream_state next)
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

/* The ready lists. */

static struct tunnel_list *
list_of(struct tunnel *t, uint8_t list)
{
	return list == LIST_FRESH ? &t->fresh : &t->old;
}

static void
list_leave(struct tunnel_stream *s)
{
	struct tunnel_list *l = list_of(s->tunnel, s->list);

	if (s->list == LIST_NONE)
		return;
	if (s->flags & F_READY)
		s->tunnel->nready--;
	*(s->prev != NULL ? &s->prev->next : &l->first) = s->next;
	*(s->next != NULL ? &s->next->prev : &l->last) = s->prev;
	s->next = s->prev = NULL;
	s->list = LIST_NONE;
}

static void
list_join(struct tunnel_stream *s, uint8_t list)
{
	struct tunnel_list *l = list_of(s->tunnel, list);

	assert(s->list == LIST_NONE && list != LIST_NONE);
	s->list = list;
	s->prev = l->last;
	s->next = NULL;
	*(l->last != NULL ? &l->last->next : &l->first) = s;
	l->last = s;
	if (s->flags & F_READY)
		s->tunnel->nready++;
}

static void
set_ready(struct tunnel_stream *s, bool ready)
{
	bool was = (s->flags & F_READY) != 0;

	if (was == ready)
		return;
	s->flags ^= F_READY;
	if (s->list != LIST_NONE)
		s->tunnel->nready += ready ? 1 : UINT32_MAX;
}

/* May s send DATA or END at all, credit aside? */
static bool
may_send(const struct tunnel_stream *s)
{
	return (s->state == STREAM_OPEN || s->state == STREAM_GOT_END) &&
	    !(s->flags & (F_UNWANTED | F_END_DUE));
}

void
streams_ready(struct tunnel_stream *s)
{
	set_ready(s, true);
	if (s->list != LIST_NONE || !may_send(s) || s->send_credit == 0)
		return;         /* CREDIT will bring it back */
	s->deficit = QUANTUM;
	list_join(s, LIST_FRESH);
}

/* The list of streams that have control frames to send. */

void
streams_ctl(struct tunnel_stream *s)
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

static void
ctl_leave(struct tunnel_stream *s)
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
	list_leave(s);
	ctl_leave(s);
	if (s->id != 0) {
		hash_remove(s);
		credit_detach(s);
	}
	assert(t->nstreams > 0);
	t->nstreams--;
	*s = (struct tunnel_stream){ .owner = owner };
}

void
streams_open(struct tunnel *t, struct tunnel_stream *s)
{
	attach(t, s);
	stream_to(s, STREAM_WAITING);
	streams_ctl(s);
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

static void
unknown(struct tunnel *t, uint32_t id)
{
	/* Closed: it crossed our END or RESET, and is dropped. */
	if (id > t->last_id)
		session_fail(t, E_MUX_STREAM, CLOSE_PROTOCOL);
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

/* Does one wait that this forgets? Usually not, and a peer may ask often. */
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

/*
 * The peer has closed `id` as well: a RESET of ours that still waits need not
 * say so, nor count; the peer is free to open another stream already. An END
 * closes only what we had ended before.
 */
static void
forget_reset(struct tunnel *t, uint32_t id, bool by_end)
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

/* Number `id` is over on our side; its RESET goes, now or later. `ended`: our
 * END went before. */
static void
send_reset(struct tunnel *t, uint32_t id, enum reset_code code, bool ended)
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
		send_reset(t, f->stream, refuse, false);
		return;
	}
	if (t->state == TUNNEL_CLOSED) {
		t->cfg.ops->reset(t->cfg.owner, s, RESET_NONE);
		return;
	}
	attach(t, s);
	s->id = f->stream;
	stream_to(s, STREAM_OPEN);
	hash_add(s);
	credit_attach(s);
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

/* Both directions have ended in order. */
static void
closed(struct tunnel_stream *s)
{
	struct tunnel *t = s->tunnel;

	stream_to(s, STREAM_CLOSED);
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
		forget_reset(t, id, true);
		return;
	}
	if (s->state == STREAM_GOT_END) {
		session_fail(t, E_MUX_STREAM, CLOSE_PROTOCOL);
		return;
	}
	last = s->state == STREAM_SENT_END;
	if (!last)
		stream_to(s, STREAM_GOT_END);
	t->cfg.ops->end(t->cfg.owner, s);
	if (last && streams_find(t, id) == s)
		closed(s);
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
	list_leave(s);
	s->flags |= F_END_DUE;
	streams_ctl(s);
	t->cfg.ops->stop(t->cfg.owner, s);
}

void
streams_was_reset(struct tunnel *t, uint32_t id, enum reset_code code)
{
	struct tunnel_stream *s = streams_find(t, id);

	if (s == NULL) {
		unknown(t, id);
		forget_reset(t, id, false);
		return;
	}
	stream_to(s, STREAM_CLOSED);
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
	if ((s->flags & F_READY) && s->list == LIST_NONE && may_send(s))
		list_join(s, LIST_OLD);
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
	streams_ctl(s);
}

void
streams_reset(struct tunnel_stream *s, enum reset_code code)
{
	struct tunnel *t = s->tunnel;
	uint32_t id = s->id;
	bool ended = s->state == STREAM_SENT_END;

	stream_to(s, STREAM_CLOSED);
	detach(s);
	if (id != 0)
		send_reset(t, id, code, ended);
}

/* Control frames into the ring. */

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
	s->id = ++t->last_id;
	stream_to(s, STREAM_OPEN);
	hash_add(s);
	credit_attach(s);
	if (s->flags & F_READY) {
		s->deficit = QUANTUM;
		list_join(s, LIST_FRESH);
	}
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
	list_leave(s);
	if (s->state == STREAM_GOT_END)
		closed(s);
	else
		stream_to(s, STREAM_SENT_END);
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
	ctl_leave(s);
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
streams_put_control(struct tunnel *t)
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
streams_want_control(const struct tunnel *t)
{
	return (t->resets.n > 0 || t->session_due || t->ctl.first != NULL ||
	    t->goaway_wanted) && session_live(t) &&
	    ring_has_room(&t->ring, t->cfg.blocks, CONTROL_WANT, false);
}

/* Data into the ring. */

bool
streams_want_data(const struct tunnel *t)
{
	return t->nready > 0 && t->send_credit > 0 && session_live(t) &&
	    ring_has_room(&t->ring, t->cfg.blocks, PULL_WANT, true);
}

/*
 * The stream whose turn it is, in a list, ready, with credit and a positive
 * deficit; NULL if nobody can send. Each stream is moved at most three times.
 */
static struct tunnel_stream *
turn(struct tunnel *t)
{
	struct tunnel_stream *s;

	while ((s = t->fresh.first != NULL ? t->fresh.first : t->old.first) !=
	    NULL) {
		bool was_fresh = s->list == LIST_FRESH;

		if (s->send_credit > 0 && s->deficit > 0 &&
		    (s->flags & F_READY))
			return s;
		list_leave(s);
		if (s->send_credit == 0)
			continue;       /* CREDIT brings it back */
		if (s->flags & F_READY)
			s->deficit += QUANTUM;
		else if (!was_fresh)
			continue;       /* found dry: tunnel_ready does */
		list_join(s, LIST_OLD);
	}
	return NULL;
}

/* What a pull of s brought is n bytes at p, in the ring but for its head. */
static void
pulled(struct tunnel_stream *s, uint8_t *p, size_t n)
{
	struct tunnel *t = s->tunnel;

	frame_put_head(p, FRAME_DATA, s->id);
	s->send_credit -= (uint32_t)n;
	t->send_credit -= (uint32_t)n;
	s->deficit -= (int32_t)(n + FRAME_HEAD_BYTES);
	t->bytes_out += n;
	t->frames_out++;
}

/* Pull from s into the ring. False: no room there. */
static bool
pull(struct tunnel_stream *s, size_t max)
{
	struct tunnel *t = s->tunnel;
	enum reset_code code = RESET_INTERNAL;
	enum tunnel_pull what;
	size_t room, n = 0;
	uint8_t *p = ring_room(&t->ring, t->cfg.blocks, PULL_WANT, true,
	    &room);

	if (p == NULL)
		return false;
	max = min_size(max, min_size(s->send_credit, t->send_credit));
	max = min_size(max, room - FRAME_HEAD_BYTES);
	max = min_size(max, FRAME_DATA_MAX);
	t->pulling = s;
	t->in_pull = true;
	set_ready(s, false);
	what = t->cfg.ops->pull(t->cfg.owner, s, p + FRAME_HEAD_BYTES, max, &n,
	    &code);
	t->in_pull = false;
	if (t->pulling == NULL || what == PULL_RESET)
		n = 0;
	assert(n <= max && (n > 0 || what != PULL_MORE ||
	    t->pulling == NULL));
	if (n > 0)
		pulled(s, p, n);
	ring_commit(&t->ring, t->cfg.blocks, n > 0 ? n + FRAME_HEAD_BYTES : 0);
	if (t->pulling == NULL)
		return true;            /* the stream, or all, ended in it */
	t->pulling = NULL;
	if (what == PULL_MORE) {
		set_ready(s, true);
	} else if (what == PULL_END) {
		list_leave(s);
		s->flags |= F_END_DUE;
		streams_ctl(s);
	} else if (what == PULL_RESET) {
		streams_reset(s, code);
		t->cfg.ops->reset(t->cfg.owner, s, code);
	}
	return true;
}

bool
streams_put_data(struct tunnel *t, size_t max)
{
	while (t->send_credit > 0 && t->state != TUNNEL_CLOSED) {
		uint64_t before = t->ring.put;
		struct tunnel_stream *s = turn(t);

		if (s == NULL || !pull(s, max))
			return false;
		if (t->ring.put > before || t->ctl.first != NULL ||
		    t->resets.n > 0)
			return true;
	}
	return false;
}
