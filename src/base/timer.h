/*
 * Timers: deadlines in one heap of fixed capacity.
 *
 * A struct timer is part of its owner's record. Moving a deadline later, the
 * common case, only stores a number: the heap is put right when the old
 * deadline comes up. Times are milliseconds of the monotonic clock.
 */
#ifndef ADIT_BASE_TIMER_H
#define ADIT_BASE_TIMER_H

#include "base/mem.h"

#define TIMER_NEVER UINT64_MAX

struct timer {
	uint64_t due_ms;        /* when it should go off */
	handle who;             /* given back by timers_next */
	uint32_t pos;           /* place in the heap + 1; 0 = not set */
	uint32_t what;          /* the owner's own number */
};

struct timers {
	struct timer_slot {
		uint64_t at_ms; /* not after the timer's due_ms */
		uint64_t seq;   /* ties go off in the order of setting */
		struct timer *t;
	} *heap;
	uint64_t seq;
	uint32_t n, cap;
};

void timers_init(struct timers *h, struct arena *a, uint32_t cap);
size_t timers_bytes(uint32_t cap);
/*
 * Let t go off at due_ms with the given owner; a timer that is set already is
 * moved. Asserts that there is room: the capacity is the number of records.
 */
void timer_set(struct timers *h, struct timer *t, handle who, uint64_t due_ms);
/* Let t not go off. Fine if it is not set. Due before its record is freed. */
void timer_stop(struct timers *h, struct timer *t);
/*
 * The next timer that is due at now_ms, stopped; NULL if there is none.
 */
struct timer *timers_next(struct timers *h, uint64_t now_ms);
/* When to look again: a time not after the first deadline, or TIMER_NEVER. */
uint64_t timers_due(const struct timers *h);

#endif
