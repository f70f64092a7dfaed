/*
 * A loop for tests of net: events are noted by handle, and a turn at a time is
 * made until a condition holds. All on loopback.
 */
#ifndef ADIT_TESTS_NET_WORLD_H
#define ADIT_TESTS_NET_WORLD_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "net/clock.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/memory.h"

enum {
	WHO_MAX = 64,
	WORLD_FDS = 512,
	NEVER_MS = 60000,               /* on the slowest machine */
};

static struct world {
	struct arena arena;
	struct kernel k;
	struct loop l;
	const struct io *io;
	uint32_t flags[WHO_MAX];        /* seen and not taken */
	uint32_t naddrs[WHO_MAX];
	struct addr addrs[WHO_MAX][RESOLVE_MAX];
	uint64_t due_ms;                /* what step says */
	size_t turns, signals[65];
	void (*on_event)(const struct io_event *ev);
} w;

static inline handle
who(unsigned i)
{
	return (handle)9 << 56 | (handle)1 << 24 | i;
}

static void
world_event(void *ctx, const struct io *io, const struct io_event *ev)
{
	uint32_t i = handle_index(ev->who);

	(void)ctx;
	assert_ptr_equal(io, w.io);
	assert_true(ev->who == who(i) && i < WHO_MAX);
	w.flags[i] |= ev->flags;
	if (ev->flags & EV_RESOLVED) {
		w.naddrs[i] = ev->naddrs;
		memcpy(w.addrs[i], ev->addrs,
		    sizeof w.addrs[i][0] * ev->naddrs);
	}
	if (w.on_event != NULL)
		w.on_event(ev);
}

static uint64_t
world_step(void *ctx, const struct io *io)
{
	(void)ctx;
	(void)io;
	w.turns++;
	return w.due_ms;
}

static void
world_signal(void *ctx, const struct io *io, int signo)
{
	(void)ctx;
	(void)io;
	assert_in_range(signo, 1, 64);
	w.signals[signo]++;
}

static const struct loop_ops world_ops = {
	world_event, world_step, world_signal,
};

static inline void
world_open_with(struct kernel_cfg cfg)
{
	memset(&w, 0, sizeof w);
	if (cfg.fds_max == 0)
		cfg.fds_max = WORLD_FDS;
	cfg.signals[0] = SIGUSR1;
	cfg.signals[1] = SIGHUP;
	cfg.nsignals = 2;
	assert_true(net_reserve(&w.arena, kernel_bytes(&cfg)));
	assert_int_equal(kernel_init(&w.k, &cfg, &w.arena), E_OK);
	loop_init(&w.l, &w.k, NULL);
	w.io = &w.l.io;
	w.due_ms = UINT64_MAX;
}

static inline void
world_open(void)
{
	world_open_with((struct kernel_cfg){ 0 });
}

static inline void
world_close(void)
{
	kernel_free(&w.k);
	net_unreserve(&w.arena);
}

/* One turn of at most ms. */
static inline void
turn(uint64_t ms)
{
	loop_turn(&w.l, &world_ops, NULL, net_now_ms() + ms);
}

/* Turns until the condition holds. */
#define UNTIL(condition)                                                       \
	do {                                                                   \
		uint64_t end_ = net_now_ms() + NEVER_MS;                       \
		while (!(condition)) {                                         \
			if (net_now_ms() > end_)                               \
				fail_msg("never: %s", #condition);             \
			turn(100);                                             \
		}                                                              \
	} while (0)

/* Turns until `flags` have all been seen for i; they are taken. */
static inline void
await(unsigned i, uint32_t flags)
{
	uint64_t end = net_now_ms() + NEVER_MS;

	while ((w.flags[i] & flags) != flags) {
		if (net_now_ms() > end)
			fail_msg("%u: saw %x, not %x", i, w.flags[i], flags);
		turn(100);
	}
	w.flags[i] &= ~flags;
}

/* Turns for ms, whatever comes. */
static inline void
idle(uint64_t ms)
{
	uint64_t end = net_now_ms() + ms, now;

	while ((now = net_now_ms()) < end)
		turn(end - now);
}

static inline struct addr
loopback(uint16_t port)
{
	return (struct addr){ .family = ADDR_V4, .port = port,
		.ip = { 127, [3] = 1 } };
}

/* A connection through the loop: *ours is watched as 1, *theirs as 2. */
static inline void
connect_pair(int *ours, int *theirs)
{
	struct addr at = loopback(0), bound = { 0 }, peer = { 0 };
	int fd = net_listen(&at, &bound);

	assert_true(fd >= 0);
	assert_true(w.io->ops->watch(w.io->ctx, fd, who(0)));
	*ours = w.io->ops->connect(w.io->ctx, &bound, slice_of(NULL, 0));
	assert_true(*ours >= 0);
	assert_true(w.io->ops->watch(w.io->ctx, *ours, who(1)));
	await(1, EV_WRITE);
	assert_int_equal(w.io->ops->connected(w.io->ctx, *ours), 0);
	await(0, EV_READ);
	*theirs = w.io->ops->accept(w.io->ctx, fd, &peer);
	assert_true(*theirs >= 0);
	assert_int_equal(peer.family, ADDR_V4);
	assert_true(addr_loopback(&peer) && peer.port != 0);
	assert_int_equal(w.io->ops->accept(w.io->ctx, fd, &peer), IO_AGAIN);
	assert_true(w.io->ops->watch(w.io->ctx, *theirs, who(2)));
	await(2, EV_WRITE);
	w.io->ops->close(w.io->ctx, fd, false);
	w.flags[0] = 0;
}

#endif
