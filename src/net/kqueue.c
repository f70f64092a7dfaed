/*
 * The poller on the BSDs. The subset: EVFILT_READ and EVFILT_WRITE with
 * EV_CLEAR, EVFILT_SIGNAL, EV_EOF and udata; the tests run it on Linux over a
 * stand-in (tests/kqueue), and it has not run on a BSD yet.
 *
 * The two filters of a descriptor are reported apart; they are not put
 * together here, since whoever gets two events does the same as with one.
 */
#include <sys/types.h>

#include <sys/event.h>
#include <sys/time.h>

#include "net/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"

/* How long a wait may be: kevent's clock stands still while the machine is
 * suspended, and a longer one would go on after that. */
enum { BATCH = 256, WAIT_MS_MAX = 5000 };

bool
poller_open(struct poller *p, const int *signals, size_t n)
{
	struct kevent change[POLLER_SIGNALS_MAX];
	int why;

	assert(n <= POLLER_SIGNALS_MAX);
	*p = (struct poller){ .signal_fd = -1, .timer_fd = -1 };
	p->fd = kqueue();
	if (p->fd < 0 || fcntl(p->fd, F_SETFD, FD_CLOEXEC) != 0)
		goto fail;
	for (size_t i = 0; i < n; i++) {
		EV_SET(&change[i], (uintptr_t)signals[i], EVFILT_SIGNAL,
		    EV_ADD | EV_CLEAR, 0, 0, NULL);
	}
	if (n > 0 && kevent(p->fd, change, (int)n, NULL, 0, NULL) != 0)
		goto fail;
	/* Ignored signals are still reported; the default would end us. */
	for (size_t i = 0; i < n; i++)
		(void)signal(signals[i], SIG_IGN);
	return true;
fail:
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
	p->fd = -1;
}

bool
poller_add(struct poller *p, int fd, uint32_t tag)
{
	struct kevent change[2];
	void *udata = (void *)(uintptr_t)tag;

	EV_SET(&change[0], (uintptr_t)fd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0,
	    udata);
	EV_SET(&change[1], (uintptr_t)fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0,
	    udata);
	return kevent(p->fd, change, 2, NULL, 0, NULL) == 0;
}

void
poller_remove(struct poller *p, int fd)
{
	struct kevent change[2];

	EV_SET(&change[0], (uintptr_t)fd, EVFILT_READ, EV_DELETE, 0, 0, NULL);
	EV_SET(&change[1], (uintptr_t)fd, EVFILT_WRITE, EV_DELETE, 0, 0, NULL);
	(void)kevent(p->fd, change, 2, NULL, 0, NULL);
}

static struct poller_event
report_of(const struct kevent *e)
{
	struct poller_event v = {
		.fd = (int)e->ident,
		.tag = (uint32_t)(uintptr_t)e->udata,
	};

	if (e->filter == EVFILT_SIGNAL)
		v.flags = POLLER_SIGNAL;
	else if (e->filter == EVFILT_READ)
		v.flags = EV_READ;
	else
		v.flags = EV_WRITE;
	if (e->filter != EVFILT_SIGNAL && (e->flags & EV_EOF) != 0)
		v.flags |= EV_READ | EV_HUP;
	return v;
}

size_t
poller_wait(struct poller *p, struct poller_event *v, size_t max,
    uint64_t now_ms, uint64_t due_ms)
{
	struct kevent e[BATCH];
	uint64_t ms = due_ms > now_ms ? due_ms - now_ms : 0;
	struct timespec ts;
	int n;

	ms = min_u64(ms, WAIT_MS_MAX);
	ts.tv_sec = (time_t)(ms / 1000);
	ts.tv_nsec = (long)(ms % 1000 * 1000000);
	n = kevent(p->fd, NULL, 0, e, (int)min_size(max, BATCH), &ts);
	for (int i = 0; i < n; i++)
		v[i] = report_of(&e[i]);
	return n > 0 ? (size_t)n : 0;
}

const char *
poller_name(void)
{
	return "kqueue";
}
