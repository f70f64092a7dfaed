/*
 * Listening sockets. "Every address" is one IPv6 socket that takes IPv4 too;
 * two sockets were rejected, since Linux lets the pair overlap in ways that
 * differ by bind order. What can be set once, on the listener, is inherited by
 * every connection and costs it no call: Linux and the BSDs both copy it.
 */
#include "net/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/num.h"

enum {
	KEEP_IDLE_S = 60,       /* then probes, and after */
	KEEP_EVERY_S = 15,      /* this many of them without an answer */
	KEEP_PROBES = 4,        /* the connection ends */
	UNSENT_BYTES = 128 * 1024,
};

_Static_assert(UNIX_PATH_MAX_BYTES <
    sizeof(((struct sockaddr_un *)0)->sun_path), "its NUL must fit");

static bool
set(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof v) == 0;
}

bool
net_tune(int fd)
{
	bool ok = set(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
	    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);

#ifdef TCP_KEEPIDLE
	ok = ok && set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S) &&
	    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_EVERY_S) &&
	    set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES);
#endif
#ifdef TCP_NOTSENT_LOWAT
	ok = ok && set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
#endif
	return ok;
}

static socklen_t
unix_sockaddr(struct sockaddr_storage *ss, struct slice path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (path.n == 0 || path.n > UNIX_PATH_MAX_BYTES ||
	    slice_find(path, 0) < path.n)
		return 0;
	memcpy(un.sun_path, path.p, path.n);
	memcpy(ss, &un, sizeof un);
	return (socklen_t)sizeof un;
}

socklen_t
net_to_sockaddr(struct sockaddr_storage *ss, const struct addr *a,
    struct slice path)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	memset(ss, 0, sizeof *ss);
	switch (a->family) {
	case ADDR_V4:
		in.sin_port = htons(a->port);
		memcpy(&in.sin_addr, a->ip, 4);
		memcpy(ss, &in, sizeof in);
		return (socklen_t)sizeof in;
	case ADDR_V6:
		in6.sin6_port = htons(a->port);
		memcpy(&in6.sin6_addr, a->ip, 16);
		memcpy(ss, &in6, sizeof in6);
		return (socklen_t)sizeof in6;
	case ADDR_UNIX:
		return unix_sockaddr(ss, path);
	default:
		return 0;
	}
}

void
net_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	*a = (struct addr){ 0 };
	if (ss->ss_family == AF_INET) {
		memcpy(&in, ss, sizeof in);
		a->family = ADDR_V4;
		a->port = ntohs(in.sin_port);
		memcpy(a->ip, &in.sin_addr, 4);
	} else if (ss->ss_family == AF_INET6) {
		memcpy(&in6, ss, sizeof in6);
		a->port = ntohs(in6.sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
			a->family = ADDR_V4;
			memcpy(a->ip, in6.sin6_addr.s6_addr + 12, 4);
		} else {
			a->family = ADDR_V6;
			memcpy(a->ip, &in6.sin6_addr, 16);
		}
	} else if (ss->ss_family == AF_UNIX) {
		a->family = ADDR_UNIX;
	}
}

static bool
bind_and_listen(int fd, const struct addr *at, bool v6only)
{
	struct sockaddr_storage ss;
	socklen_t n = net_to_sockaddr(&ss, at, slice_of(NULL, 0));

	if (at->family == ADDR_V6 &&
	    !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only))
		return false;
	return net_tune(fd) && set(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
	    bind(fd, (const struct sockaddr *)&ss, n) == 0 &&
	    listen(fd, SOMAXCONN) == 0;
}

static int
listen_at(const struct addr *at, bool v6only, struct addr *bound)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	int fd = socket(at->family == ADDR_V6 ? AF_INET6 : AF_INET,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (!bind_and_listen(fd, at, v6only) ||
	    getsockname(fd, (struct sockaddr *)&ss, &n) != 0) {
		int why = errno;

		(void)close(fd);
		errno = why;
		return -1;
	}
	net_from_sockaddr(bound, &ss);
	return fd;
}

int
net_listen(const struct addr *at, struct addr *bound)
{
	struct addr any = { .family = ADDR_V6, .port = at->port };
	int fd;

	if (at->family == ADDR_V4 || at->family == ADDR_V6)
		return listen_at(at, true, bound);
	if (at->family != ADDR_NONE) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	fd = listen_at(&any, false, bound);
	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL ||
	    errno == EPROTONOSUPPORT)) {
		any.family = ADDR_V4;
		fd = listen_at(&any, true, bound);
	}
	bound->family = ADDR_NONE;
	return fd;
}
