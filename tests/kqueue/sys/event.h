/*
 * A stand-in for the BSDs' <sys/event.h> on Linux, with what net/kqueue.c
 * uses and nothing else, so that the backend can be compiled and run here.
 * It is made of epoll (kqueue.c beside this directory) and proves our use of
 * the interface, not the interface.
 */
#ifndef ADIT_TESTS_SYS_EVENT_H
#define ADIT_TESTS_SYS_EVENT_H

#include <stdint.h>
#include <time.h>

#define EVFILT_READ     (-1)
#define EVFILT_WRITE    (-2)
#define EVFILT_SIGNAL   (-6)

#define EV_ADD          0x0001
#define EV_DELETE       0x0002
#define EV_CLEAR        0x0020
#define EV_EOF          0x8000

struct kevent {
	uintptr_t ident;
	short filter;
	unsigned short flags;
	unsigned int fflags;
	int64_t data;
	void *udata;
};

#define EV_SET(k, i, fi, fl, ff, d, u) (*(k) = (struct kevent){             \
	.ident = (i), .filter = (fi), .flags = (fl), .fflags = (ff),        \
	.data = (d), .udata = (u) })

int kqueue(void);
int kevent(int kq, const struct kevent *changes, int nchanges,
    struct kevent *events, int nevents, const struct timespec *timeout);

#endif
