/*
 * The loop. Descriptors first, then names and answers, then the step with its
 * timers: after a long pause (a suspended machine) what the peer has sent
 * meanwhile is seen before its deadline is.
 */
#include "net/loop.h"

#include <assert.h>

#include "base/num.h"
#include "net/clock.h"

static void
read_clocks(struct loop *l)
{
	l->io.now_ms = net_now_ms();
	l->io.wall_ms = net_wall_ms();
	if (l->log != NULL)
		l->log->wall_ms = l->io.wall_ms;
}

void
loop_init(struct loop *l, struct kernel *k, struct log *log)
{
	*l = (struct loop){
		.kernel = k,
		.io = { .ops = &kernel_ops, .ctx = k, .scratch = k->scratch },
		.log = log,
	};
	read_clocks(l);
}

void
loop_turn(struct loop *l, const struct loop_ops *ops, void *ctx,
    uint64_t until_ms)
{
	struct kernel *k = l->kernel;
	struct poller_event v[KERNEL_EVENTS];
	uint64_t due = min_u64(min_u64(l->due_ms, until_ms), kernel_due(k));
	size_t n = poller_wait(&k->poller, v, KERNEL_EVENTS, net_now_ms(), due);
	struct io_event ev;
	uint32_t last;

	assert(n <= KERNEL_EVENTS);
	read_clocks(l);
	kernel_turn(k);
	for (size_t i = 0; i < n; i++) {
		if (v[i].flags == POLLER_SIGNAL)
			ops->signal(ctx, &l->io, v[i].fd);
		else if (kernel_event(k, &v[i], &ev, l->io.now_ms))
			ops->event(ctx, &l->io, &ev);
	}
	while (kernel_woken(k, &ev, l->io.now_ms))
		ops->event(ctx, &l->io, &ev);
	while (kernel_resolved(k, &ev, l->io.now_ms))
		ops->event(ctx, &l->io, &ev);
	/* Those that are given from here on wait for the next turn. */
	last = k->answers_tail;
	while (kernel_answered(k, &ev, last)) {
		ops->event(ctx, &l->io, &ev);
		kernel_answer_done(k);
	}
	kernel_retry(k, l->io.now_ms);
	l->due_ms = ops->step(ctx, &l->io);
}

void
loop_run(struct loop *l, const struct loop_ops *ops, void *ctx)
{
	while (!l->stop)
		loop_turn(l, ops, ctx, UINT64_MAX);
}
