/*
 * The poller on Linux. Signals come through a signalfd. Waits longer than a
 * second go to a timerfd on CLOCK_BOOTTIME: epoll_wait's own clock stands
 * still while the machine is suspended, and a laptop would sleep on for the
 * rest of its old wait. Short waits, the common ones, cost no extra call.
 */
#include "net/poller.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"

enum { BATCH = 256, SHORT_MS = 1000 };

static bool
add(struct poller *p, int fd, uint32_t tag, uint32_t events)
{
	struct epoll_event e = {
		.events = events,
		.data.u64 = (uint64_t)tag << 32 | (uint32_t)fd,
	};

	if (epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &e) == 0)
		return true;
	return errno == EEXIST && epoll_ctl(p->fd, EPOLL_CTL_MOD, fd, &e) == 0;
}

bool
poller_open(struct poller *p, const int *signals, size_t n)
{
	sigset_t set;
	int why;

	assert(n <= POLLER_SIGNALS_MAX);
	sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		sigaddset(&set, signals[i]);
	p->armed_ms = UINT64_MAX;
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	p->timer_fd = timerfd_create(CLOCK_BOOTTIME,
	    TFD_NONBLOCK | TFD_CLOEXEC);
	p->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (p->fd >= 0 && p->timer_fd >= 0 && p->signal_fd >= 0 &&
	    sigprocmask(SIG_BLOCK, &set, NULL) == 0 &&
	    add(p, p->timer_fd, 0, EPOLLIN | EPOLLET) &&
	    add(p, p->signal_fd, 0, EPOLLIN))
		return true;
	why = errno;
	poller_close(p);
	errno = why;
	return false;
}

void
poller_close(struct poller *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	if (p->timer_fd >= 0)
		(void)close(p->timer_fd);
	if (p->signal_fd >= 0)
		(void)close(p->signal_fd);
	p->fd = p->timer_fd = p->signal_fd = -1;
}

bool
poller_add(struct poller *p, int fd, uint32_t tag)
{
	return add(p, fd, tag, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

void
poller_remove(struct poller *p, int fd)
{
	(void)epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, NULL);
}

/* How long epoll_wait should wait, in its own milliseconds. */
static int
wait_ms(struct poller *p, uint64_t now_ms, uint64_t due_ms)
{
	struct itimerspec at = { .it_value = {
		.tv_sec = (time_t)(due_ms / 1000),
		.tv_nsec = (long)(due_ms % 1000 * 1000000),
	} };

	if (due_ms == UINT64_MAX)
		return -1;
	if (due_ms <= now_ms)
		return 0;
	if (due_ms - now_ms <= SHORT_MS)
		return (int)(due_ms - now_ms);
	/* Waking up too early is harmless, so an earlier alarm may stay. */
	if (p->armed_ms > now_ms && p->armed_ms <= due_ms)
		return -1;
	if (timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
		return SHORT_MS;
	p->armed_ms = due_ms;
	return -1;
}

static size_t
take_signals(struct poller *p, struct poller_event *v, size_t max)
{
	struct signalfd_siginfo info;
	size_t n = 0;

	while (n < max &&
	    read(p->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
		v[n++] = (struct poller_event){
			.fd = (int)info.ssi_signo, .flags = POLLER_SIGNAL };
	return n;
}

static uint32_t
flags_of(uint32_t events)
{
	uint32_t f = 0;

	if (events & EPOLLIN)
		f |= EV_READ;
	if (events & EPOLLOUT)
		f |= EV_WRITE;
	if (events & EPOLLRDHUP)
		f |= EV_READ | EV_HUP;
	if (events & (EPOLLHUP | EPOLLERR))
		f |= EV_READ | EV_WRITE | EV_HUP;
	return f;
}

size_t
poller_wait(struct poller *p, struct poller_event *v, size_t max,
    uint64_t now_ms, uint64_t due_ms)
{
	struct epoll_event e[BATCH];
	size_t out = 0;
	int n;

	/* Signals are one report of the system's and up to this many of ours;
	 * that one is level-triggered, so what is left comes again. */
	assert(max > POLLER_SIGNALS_MAX);
	max -= POLLER_SIGNALS_MAX;
	n = epoll_wait(p->fd, e, (int)min_size(max, BATCH),
	    wait_ms(p, now_ms, due_ms));
	for (int i = 0; i < n; i++) {
		int fd = (int)(uint32_t)e[i].data.u64;

		if (fd == p->signal_fd)
			out += take_signals(p, v + out, POLLER_SIGNALS_MAX);
		else if (fd != p->timer_fd)
			v[out++] = (struct poller_event){ fd,
			    (uint32_t)(e[i].data.u64 >> 32),
			    flags_of(e[i].events) };
	}
	return out;
}

const char *
poller_name(void)
{
	return "epoll";
}
