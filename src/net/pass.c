/*
 * Descriptors in messages: SCM_RIGHTS, cmsg(3). What comes is counted before
 * it is believed; what comes beyond that is closed.
 */
#include "net/pass.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"

union control {                 /* aligned for its header */
	struct cmsghdr head;
	uint8_t bytes[CMSG_SPACE(PASS_FDS_MAX * sizeof(int))];
};

/* ---- the socket's name ------------------------ */

static int
fail(int fd)
{
	int why = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = why;
	return -1;
}

/* A path that leads there through the descriptor: the directory's own may be
 * too long for a socket, or closed to the account that we have become. */
static bool
place(struct sockaddr_un *un, int dir, const char *name)
{
	struct buf b = { .p = (uint8_t *)un->sun_path,
		.cap = sizeof un->sun_path };

	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	buf_lit(&b, "/proc/self/fd/");
	buf_put_dec(&b, (uint64_t)dir);
	buf_lit(&b, "/");
	for (size_t i = 0; name[i] != '\0'; i++)
		buf_put_u8(&b, (uint8_t)name[i]);
	buf_put_u8(&b, 0);
	errno = ENOTSUP;
#ifdef __linux__
	return buf_ok(&b);
#else
	return false;
#endif
}

int
pass_listen(int dir, const char *name)
{
	struct sockaddr_un un;
	mode_t mask;
	int fd;
	bool ok;

	if (!place(&un, dir, name) ||
	    (unlinkat(dir, name, 0) != 0 && errno != ENOENT))
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	mask = umask(0177);
	ok = bind(fd, (const struct sockaddr *)&un, sizeof un) == 0;
	(void)umask(mask);
	return ok && listen(fd, 4) == 0 ? fd : fail(fd);
}

int
pass_connect(int dir, const char *name, unsigned wait_ms)
{
	struct timeval wait = { .tv_sec = wait_ms / 1000,
		.tv_usec = wait_ms % 1000 * 1000 };
	struct sockaddr_un un;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (place(&un, dir, name) &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
	    connect(fd, (const struct sockaddr *)&un, sizeof un) == 0)
		return fd;
	return fail(fd);
}

bool
pass_peer(int fd, uint32_t *uid)
{
#ifdef SO_PEERCRED
	struct ucred who;
	socklen_t n = sizeof who;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0 ||
	    n != sizeof who)
		return false;
	*uid = who.uid;
	return true;
#else
	uid_t u;
	gid_t g;

	if (getpeereid(fd, &u, &g) != 0)
		return false;
	*uid = u;
	return true;
#endif
}

/* ---- messages ------------------------ */

bool
pass_send(int fd, const void *p, size_t n, const int *fds, size_t nfds)
{
	union control c;
	struct iovec v = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t r;

	assert(nfds <= PASS_FDS_MAX);
	memset(&c, 0, sizeof c);
	m.msg_control = &c;
	m.msg_controllen = (socklen_t)CMSG_SPACE(nfds * sizeof *fds);
	c.head.cmsg_level = SOL_SOCKET;
	c.head.cmsg_type = SCM_RIGHTS;
	c.head.cmsg_len = (socklen_t)CMSG_LEN(nfds * sizeof *fds);
	if (nfds > 0)
		memcpy(CMSG_DATA(&c.head), fds, nfds * sizeof *fds);
	do
		r = nfds == 0 ? send(fd, p, n, MSG_NOSIGNAL) :
		    sendmsg(fd, &m, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r >= 0 && (size_t)r == n;
}

/* However they were sent, they come under one header. */
static size_t
take_fds(struct msghdr *m, int *fds)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	size_t bytes;

	if (c == NULL || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_RIGHTS)
		return 0;
	bytes = c->cmsg_len - CMSG_LEN(0);
	assert(bytes <= PASS_FDS_MAX * sizeof *fds);
	memcpy(fds, CMSG_DATA(c), bytes);
	return bytes / sizeof *fds;
}

ssize_t
pass_receive(int fd, void *p, size_t cap, int fds[PASS_FDS_MAX], size_t *nfds)
{
	union control c;
	struct iovec v = { .iov_base = p, .iov_len = cap };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1,
		.msg_control = &c, .msg_controllen = sizeof c };
	ssize_t r;

	do
		r = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	*nfds = 0;
	if (r < 0)
		return -1;
	*nfds = take_fds(&m, fds);
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return r;
	while (*nfds > 0)
		(void)close(fds[--*nfds]);
	errno = EMSGSIZE;
	return -1;
}
