/*
 * kqueue on epoll, as far as sys/event.h here declares it. A kqueue is an
 * epoll descriptor; what a filter was registered with is in a table by
 * descriptor, shared by all kqueues of the process. EV_CLEAR is epoll's edge
 * triggering: it says more often than a BSD that a descriptor is writable.
 */
#include <sys/event.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { FDS_MAX = 65536, BATCH = 128 };

static struct {
	uint32_t events;        /* registered with epoll */
	bool is_signal;         /* a signalfd of ours */
	void *udata[2];         /* of the read and of the write filter */
} table[FDS_MAX];

int
kqueue(void)
{
	return epoll_create1(0);
}

static int
add_signal(int kq, int signo)
{
	static int fds[_NSIG];  /* made once, for all kqueues */
	struct epoll_event e = { .events = EPOLLIN };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	if (fds[signo] == 0)
		fds[signo] = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fds[signo] < 0 || fds[signo] >= FDS_MAX)
		return -1;
	e.data.fd = fds[signo];
	table[e.data.fd].is_signal = true;
	return epoll_ctl(kq, EPOLL_CTL_ADD, e.data.fd, &e);
}

static int
remove_filter(int kq, int fd, uint32_t events)
{
	struct epoll_event e = { .data.fd = fd };

	table[fd].events &= ~events;
	e.events = table[fd].events;
	return epoll_ctl(kq, (e.events & ~(uint32_t)EPOLLET) == 0 ?
	    EPOLL_CTL_DEL : EPOLL_CTL_MOD, fd, &e);
}

static int
apply(int kq, const struct kevent *c)
{
	bool writing = c->filter == EVFILT_WRITE;
	uint32_t events = writing ? EPOLLOUT : EPOLLIN | EPOLLRDHUP;
	struct epoll_event e = { .data.fd = (int)c->ident };
	int fd = (int)c->ident;

	if (c->flags == EV_DELETE && c->ident < FDS_MAX)
		return remove_filter(kq, fd, events);
	if (c->flags != (EV_ADD | EV_CLEAR) || c->ident >= FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (c->filter == EVFILT_SIGNAL)
		return add_signal(kq, fd);
	table[fd].is_signal = false;
	table[fd].udata[writing] = c->udata;
	e.events = table[fd].events | events | EPOLLET;
	if (epoll_ctl(kq, EPOLL_CTL_MOD, fd, &e) != 0) {
		/* New, or closed since: nothing of before counts. */
		e.events = events | EPOLLET;
		if (epoll_ctl(kq, EPOLL_CTL_ADD, fd, &e) != 0)
			return -1;
	}
	table[fd].events = e.events;
	return 0;
}

static int
put_socket(struct kevent *out, const struct epoll_event *e)
{
	int fd = e->data.fd, n = 0;
	bool gone = (e->events & (EPOLLHUP | EPOLLERR)) != 0;

	if ((table[fd].events & EPOLLIN) != 0 &&
	    (gone || (e->events & (EPOLLIN | EPOLLRDHUP)) != 0))
		out[n++] = (struct kevent){
			.ident = (uintptr_t)fd,
			.filter = EVFILT_READ,
			.flags = gone || (e->events & EPOLLRDHUP) != 0 ?
			    EV_EOF : 0,
			.udata = table[fd].udata[0],
		};
	if ((table[fd].events & EPOLLOUT) != 0 &&
	    (gone || (e->events & EPOLLOUT) != 0))
		out[n++] = (struct kevent){
			.ident = (uintptr_t)fd,
			.filter = EVFILT_WRITE,
			.flags = gone ? EV_EOF : 0,
			.udata = table[fd].udata[1],
		};
	return n;
}

static int
put_signal(struct kevent *out, int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof info) != (ssize_t)sizeof info)
		return 0;
	*out = (struct kevent){
		.ident = info.ssi_signo, .filter = EVFILT_SIGNAL, .data = 1 };
	return 1;
}

int
kevent(int kq, const struct kevent *changes, int nchanges,
    struct kevent *events, int nevents, const struct timespec *timeout)
{
	struct epoll_event e[BATCH];
	int ms = -1, n, out = 0;

	for (int i = 0; i < nchanges; i++) {
		if (apply(kq, &changes[i]) != 0)
			return -1;
	}
	if (nevents == 0)
		return 0;
	if (timeout != NULL)
		ms = (int)(timeout->tv_sec * 1000 +
		    (timeout->tv_nsec + 999999) / 1000000);
	n = epoll_wait(kq, e, nevents / 2 < BATCH ? nevents / 2 : BATCH, ms);
	for (int i = 0; i < n; i++) {
		if (table[e[i].data.fd].is_signal)
			out += put_signal(events + out, e[i].data.fd);
		else
			out += put_socket(events + out, &e[i]);
	}
	return n < 0 ? n : out;
}
