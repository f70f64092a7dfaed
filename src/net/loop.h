/*
 * The loop: wait, hand out events, step; until told to stop. A turn is
 *
 *	clocks are read
 *	event() for each descriptor that is ready, each name that was looked
 *	    up and each answer of the keeper; signal() for each signal
 *	step(), once, which does the work that is due and says when it wants
 *	    to be called again
 *
 * An event is handed out only if its descriptor is still watched by whom it
 * is for: what an earlier event of the turn closed is quiet.
 */
#ifndef ADIT_NET_LOOP_H
#define ADIT_NET_LOOP_H

#include "base/log.h"
#include "net/kernel.h"

struct loop_ops {
	void (*event)(void *ctx, const struct io *io,
	    const struct io_event *ev);
	/* A time of io->now_ms, in the past for "at once", UINT64_MAX for
	 * "when something happens". */
	uint64_t (*step)(void *ctx, const struct io *io);
	void (*signal)(void *ctx, const struct io *io, int signo);
};

struct loop {
	struct kernel *kernel;
	struct io io;           /* what the callbacks get */
	struct log *log;        /* its wall_ms is kept; NULL: none */
	uint64_t due_ms;        /* what step said */
	bool stop;
};

/* l->io may be used from now on, at first to make a relay or an agent. */
void loop_init(struct loop *l, struct kernel *k, struct log *log);
/* Turn until loop_stop. */
void loop_run(struct loop *l, const struct loop_ops *ops, void *ctx);
/* One turn, waiting no longer than until_ms (tests). */
void loop_turn(struct loop *l, const struct loop_ops *ops, void *ctx,
    uint64_t until_ms);
/* The present turn is the last. */
static inline void
loop_stop(struct loop *l)
{
	l->stop = true;
}

#endif
