/*
 * The poller: readiness of descriptors and arrival of signals, from epoll or
 * kqueue. One of epoll.c and kqueue.c is linked; nothing else in adit knows
 * which.
 *
 * Edge-triggered in both directions: after poller_add a descriptor is reported
 * once with its present state and then whenever it becomes readable or
 * writable. A report may be wrong (an operation then says EAGAIN), a change is
 * never missed. Closing a descriptor ends its reports, but for those that are
 * already in the caller's hands: the tag tells them apart.
 */
#ifndef ADIT_NET_POLLER_H
#define ADIT_NET_POLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POLLER_SIGNALS_MAX = 8 };

struct poller {
	int fd;
	int signal_fd;          /* epoll: signalfd */
	int timer_fd;           /* epoll: for waits that may span a suspend */
	uint64_t armed_ms;      /* when timer_fd goes off; UINT64_MAX: never */
};

/* flags of a report: EV_READ, EV_WRITE, EV_HUP of base/io.h, or this one,
 * alone: then fd is the signal's number. */
enum { POLLER_SIGNAL = 1 << 30 };

struct poller_event {
	int fd;
	uint32_t tag;           /* as given to poller_add */
	uint32_t flags;
};

/* False with errno set if the system refuses. `signals` (n of them, at most
 * POLLER_SIGNALS_MAX) are reported instead of delivered from now on. */
bool poller_open(struct poller *p, const int *signals, size_t n);
void poller_close(struct poller *p);
/* Report fd with this tag. A descriptor that is reported already gets the new
 * tag, and its present state is reported again. False with errno set. */
bool poller_add(struct poller *p, int fd, uint32_t tag);
/* No more reports of fd. To close it does that too, unless another process
 * has it as well: then this comes first. */
void poller_remove(struct poller *p, int fd);
/*
 * Wait until something is to report or the clock of net_now_ms passes due_ms
 * (UINT64_MAX: no such time; now_ms is the time of the call). Returns the
 * number of reports, 0 when the time is up or for no reason at all.
 */
size_t poller_wait(struct poller *p, struct poller_event *v, size_t max,
    uint64_t now_ms, uint64_t due_ms);
/* "epoll" or "kqueue", a static string. */
const char *poller_name(void);

#endif
