/*
 * Timers: a binary heap with back pointers and lazy postponement (timer.h).
 * A wheel was rejected: its cost depends on the time that passed, which a
 * simulator on a virtual clock makes large.
 */
#include "base/timer.h"

#include <assert.h>

void
timers_init(struct timers *h, struct arena *a, uint32_t cap)
{
	*h = (struct timers){ .cap = cap };
	h->heap = arena_take(a, sizeof *h->heap * cap, 16);
}

size_t
timers_bytes(uint32_t cap)
{
	return arena_bytes(sizeof(struct timer_slot) * (size_t)cap, 16);
}

static bool
slot_before(const struct timer_slot *a, const struct timer_slot *b)
{
	if (a->at_ms != b->at_ms)
		return a->at_ms < b->at_ms;
	return a->seq < b->seq;
}

static void
slot_put(struct timers *h, uint32_t i, struct timer_slot s)
{
	h->heap[i] = s;
	s.t->pos = i + 1;
}

static void
heap_up(struct timers *h, uint32_t i)
{
	struct timer_slot s = h->heap[i];

	while (i > 0 && slot_before(&s, &h->heap[(i - 1) / 2])) {
		slot_put(h, i, h->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	slot_put(h, i, s);
}

static void
heap_down(struct timers *h, uint32_t i)
{
	struct timer_slot s = h->heap[i];

	for (;;) {
		uint32_t kid = 2 * i + 1;

		if (kid + 1 < h->n &&
		    slot_before(&h->heap[kid + 1], &h->heap[kid]))
			kid++;
		if (kid >= h->n || !slot_before(&h->heap[kid], &s))
			break;
		slot_put(h, i, h->heap[kid]);
		i = kid;
	}
	slot_put(h, i, s);
}

void
timer_set(struct timers *h, struct timer *t, handle who, uint64_t due_ms)
{
	t->due_ms = due_ms;
	t->who = who;
	if (t->pos == 0) {
		assert(h->n < h->cap);
		slot_put(h, h->n, (struct timer_slot){ due_ms, h->seq++, t });
		heap_up(h, h->n++);
	} else if (due_ms < h->heap[t->pos - 1].at_ms) {
		h->heap[t->pos - 1].at_ms = due_ms;
		heap_up(h, t->pos - 1);
	}
}

void
timer_stop(struct timers *h, struct timer *t)
{
	uint32_t i = t->pos;

	if (i == 0)
		return;
	i--;
	assert(i < h->n && h->heap[i].t == t);
	t->pos = 0;
	h->n--;
	if (i == h->n)
		return;
	slot_put(h, i, h->heap[h->n]);
	heap_up(h, i);
	heap_down(h, h->heap[i].t->pos - 1);
}

struct timer *
timers_next(struct timers *h, uint64_t now_ms)
{
	while (h->n > 0 && h->heap[0].at_ms <= now_ms) {
		struct timer *t = h->heap[0].t;

		if (t->due_ms <= now_ms) {
			timer_stop(h, t);
			return t;
		}
		h->heap[0].at_ms = t->due_ms;
		heap_down(h, 0);
	}
	return NULL;
}

uint64_t
timers_due(const struct timers *h)
{
	return h->n > 0 ? h->heap[0].at_ms : TIMER_NEVER;
}
