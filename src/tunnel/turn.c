/*
 * Whose turn it is to send data. PROTOCOL.md 9.
 *
 * Data goes by deficit round robin with two lists, as in fq_codel (RFC 8290):
 * a stream that had nothing joins the fresh list, which goes first, with one
 * quantum; when it is used up, or the stream ran dry, it moves to the end of
 * the old list. It can be fresh again only after it was found dry there, so
 * nobody stays in front by pausing. A stream without credit is in no list and
 * comes back at the end of the old one: waiting for its reader is no merit.
 */
#include <assert.h>

#include "base/num.h"
#include "tunnel/engine.h"

enum { QUANTUM = RING_RECORD_MAX };     /* one full DATA frame of ours */

static struct tunnel_list *
list_of(struct tunnel *t, uint8_t list)
{
	return list == LIST_FRESH ? &t->fresh : &t->old;
}

void
turn_leave(struct tunnel_stream *s)
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
turn_ready(struct tunnel_stream *s)
{
	set_ready(s, true);
	if (s->list != LIST_NONE || !may_send(s) || s->send_credit == 0)
		return;         /* CREDIT will bring it back */
	s->deficit = QUANTUM;
	list_join(s, LIST_FRESH);
}

bool
turn_wants(const struct tunnel *t)
{
	return t->nready > 0 && t->send_credit > 0 && session_live(t) &&
	    ring_has_room(&t->ring, t->cfg.blocks, PULL_WANT, true);
}

void
turn_credited(struct tunnel_stream *s)
{
	if ((s->flags & F_READY) && s->list == LIST_NONE && may_send(s))
		list_join(s, LIST_OLD);
}

/*
 * The stream whose turn it is, in a list, ready, with credit and a positive
 * deficit; NULL if nobody can send. Each stream is moved at most three times.
 */
static struct tunnel_stream *
next_of(struct tunnel *t)
{
	struct tunnel_stream *s;

	while ((s = t->fresh.first != NULL ? t->fresh.first : t->old.first) !=
	    NULL) {
		bool was_fresh = s->list == LIST_FRESH;

		if (s->send_credit > 0 && s->deficit > 0 &&
		    (s->flags & F_READY))
			return s;
		turn_leave(s);
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
		turn_leave(s);
		s->flags |= F_END_DUE;
		control_due(s);
	} else if (what == PULL_RESET) {
		streams_reset(s, code);
		t->cfg.ops->reset(t->cfg.owner, s, code);
	}
	return true;
}

bool
turn_put(struct tunnel *t, size_t max)
{
	while (t->send_credit > 0 && t->state != TUNNEL_CLOSED) {
		uint64_t before = t->ring.put;
		struct tunnel_stream *s = next_of(t);

		if (s == NULL || !pull(s, max))
			return false;
		if (t->ring.put > before || t->ctl.first != NULL ||
		    t->resets.n > 0)
			return true;
	}
	return false;
}
