/*
 * What struct io does with sockets: bytes, and connections from accept or
 * connect to close. One that speaks TLS is passed on to kernel_tls.c.
 *
 * No descriptor is taken out of the poller before it is closed: closing does
 * that, here and on the BSDs, and one call per connection is saved. (It holds
 * because nothing shares our sockets: the helpers close everything they got.)
 */
#include "net/kernel_sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/num.h"
#include "net/clock.h"
#include "net/kernel_tls.h"
#include "net/listen.h"

enum {
	IOV_PER_CALL = 64,
	DROP_PER_CALL = 16,     /* connections dropped in one accept */
	RETRY_MS = 20,
	/* The tunnel's: shorter than a client's, since it is replaced. */
	TUNNEL_UNSENT_BYTES = 128 * 1024,
	TUNNEL_UNACKED_MS = 30 * 1000,
	TUNNEL_IDLE_S = 15,
	TUNNEL_PROBE_S = 5,
	/* Received and not read, from an app on this machine: what it can push
	 * ahead of a reader that has stopped. Left to itself the system gives
	 * it 30 MiB, and half the speed: all of it goes through memory. */
	LOCAL_UNREAD_BYTES = 256 * 1024,
};

static struct kernel_fd *
entry_of(struct kernel *k, int fd)
{
	return fd >= 0 && (uint32_t)fd < k->cfg.fds_max ? &k->fds[fd] : NULL;
}

/* The TLS connection on fd, NULL if it is a plain one. */
static struct kernel_tls *
tls_on(struct kernel *k, int fd)
{
	const struct kernel_fd *f = entry_of(k, fd);

	return f == NULL || f->tls == 0 ? NULL : kernel_tls_at(k, f->tls);
}

static int
fail(struct kernel *k)
{
	k->error = errno;
	return IO_FAIL;
}

/* The same for a connect: a Unix socket that is not there refuses, too. */
static int
connect_failed(struct kernel *k)
{
	(void)fail(k);
	return k->error == ECONNREFUSED || k->error == ENOENT ? IO_REFUSED :
	    IO_FAIL;
}

static int64_t
result_of(struct kernel *k, ssize_t r)
{
	if (r >= 0)
		return r;
	return errno == EAGAIN || errno == EWOULDBLOCK ? IO_AGAIN : fail(k);
}

int64_t
kernel_recv(struct kernel *k, int fd, uint8_t *p, size_t n)
{
	ssize_t r;

	do
		r = read(fd, p, n);
	while (r < 0 && errno == EINTR);
	return result_of(k, r);
}

int64_t
kernel_send(struct kernel *k, int fd, const uint8_t *p, size_t n)
{
	ssize_t r;

	do
		r = write(fd, p, n);
	while (r < 0 && errno == EINTR);
	return result_of(k, r);
}

/*
 * A stream that gave less than it was asked for is empty, and one that took
 * less is full, until the poller says otherwise: epoll(7). The call that would
 * only be told EAGAIN is not made. What comes after the report of an end
 * brings no report of its own, so then reads go on.
 */
int64_t
kernel_read(void *ctx, int fd, uint8_t *p, size_t n)
{
	struct kernel_tls *t = tls_on(ctx, fd);
	struct kernel_fd *f = entry_of(ctx, fd);
	int64_t r;

	assert(n > 0);
	if (t != NULL)
		return kernel_tls_read(t, p, n);
	if (f != NULL && f->dry)
		return IO_AGAIN;
	r = kernel_recv(ctx, fd, p, n);
	if (f != NULL && r > 0 && (size_t)r < n && !f->hup)
		f->dry = true;
	return r;
}

int64_t
kernel_writev(void *ctx, int fd, const struct slice *v, size_t n)
{
	struct kernel_tls *t = tls_on(ctx, fd);
	struct kernel_fd *f = entry_of(ctx, fd);
	struct iovec iov[IOV_PER_CALL];
	size_t sum = 0;
	ssize_t r;

	assert(n > 0);
	if (t != NULL)
		return kernel_tls_writev(t, v, n);
	if (f != NULL && f->full)
		return IO_AGAIN;
	n = min_size(n, IOV_PER_CALL);
	for (size_t i = 0; i < n; i++) {
		iov[i].iov_base = (void *)(uintptr_t)v[i].p;
		iov[i].iov_len = v[i].n;
		sum += v[i].n;
	}
	do
		r = n == 1 ? write(fd, iov[0].iov_base, iov[0].iov_len) :
		    writev(fd, iov, (int)n);
	while (r < 0 && errno == EINTR);
	if (f != NULL && r > 0 && (size_t)r < sum)
		f->full = true;
	return result_of(ctx, r);
}

/*
 * Out of descriptors: take the connection with the one kept for this and close
 * it, so that its client knows and the queue gets shorter. 1 if so; 0 if there
 * was none (accept says EMFILE before it looks); -1 if not even that works.
 */
static int
drop_one(struct kernel *k, int fd)
{
	int c, why;

	if (k->reserve < 0)
		return -1;
	(void)close(k->reserve);
	c = accept(fd, NULL, NULL);
	why = errno;
	if (c >= 0) {
		k->dropped++;
		(void)close(c);
	}
	k->reserve = fcntl(k->poller.fd, F_DUPFD_CLOEXEC, 0);
	if (c >= 0)
		return 1;
	errno = why;
	return why == EAGAIN || why == EWOULDBLOCK ? 0 : -1;
}

static bool
is_transient(int e)
{
	/* accept(2): errors of the new connection, which is gone. */
	return e == EINTR || e == ECONNABORTED || e == EPROTO ||
	    e == ENETDOWN || e == ENOPROTOOPT || e == EHOSTDOWN ||
	    e == EHOSTUNREACH || e == EOPNOTSUPP || e == ENETUNREACH ||
	    e == EPERM;
}

static int
accept_failed(struct kernel *k, int fd)
{
	(void)fail(k);
	if ((uint32_t)fd < k->cfg.fds_max) {
		k->fds[fd].retry = true;
		k->retry_ms = min_u64(k->retry_ms, net_now_ms() + RETRY_MS);
	}
	return IO_FAIL;
}

int
kernel_accept(void *ctx, int fd, struct addr *peer)
{
	struct kernel *k = ctx;
	unsigned dropped = 0;
	int r = 1;

	while (dropped < DROP_PER_CALL) {
		struct sockaddr_storage ss = { 0 };
		socklen_t n = sizeof ss;
		int c = accept4(fd, (struct sockaddr *)&ss, &n,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (c >= 0 && (uint32_t)c < k->cfg.fds_max &&
		    (!k->fds[fd].secure || kernel_tls_accept(k, c))) {
			net_from_sockaddr(peer, &ss);
			return c;
		}
		if (c >= 0) {
			(void)close(c);
			k->dropped++;
			dropped++;
			errno = EMFILE;
			continue;
		}
		if (errno == EMFILE && (r = drop_one(k, fd)) > 0) {
			dropped++;
			errno = EMFILE;
			continue;
		}
		if (r == 0 || errno == EAGAIN || errno == EWOULDBLOCK)
			return IO_AGAIN;
		if (!is_transient(errno))
			break;
	}
	return accept_failed(k, fd);
}

static void
tune_connecting(int fd, const struct addr *to)
{
	if (to->family == ADDR_UNIX)
		return;
	(void)net_tune(fd);
	if (addr_loopback(to)) {
		int n = LOCAL_UNREAD_BYTES;

		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof n);
	}
}

int
kernel_connect(void *ctx, const struct addr *to, struct slice path)
{
	struct kernel *k = ctx;
	struct sockaddr_storage ss;
	socklen_t n = net_to_sockaddr(&ss, to, path);
	int fd, why;

	if (n == 0) {
		errno = EINVAL;
		return fail(k);
	}
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd < 0)
		return fail(k);
	if ((uint32_t)fd >= k->cfg.fds_max) {
		errno = EMFILE;
		goto fail;
	}
	tune_connecting(fd, to);
	if (connect(fd, (const struct sockaddr *)&ss, n) == 0 ||
	    errno == EINPROGRESS || errno == EINTR)
		return fd;
fail:
	why = errno;
	(void)close(fd);
	errno = why;
	return connect_failed(k);
}

int
kernel_connected(void *ctx, int fd)
{
	struct kernel *k = ctx;
	struct sockaddr_storage peer = { 0 }, self = { 0 };
	socklen_t n = sizeof peer, m = sizeof self, len = sizeof(int);
	struct kernel_tls *t = tls_on(k, fd);
	int e = 0;

	if (t != NULL)
		return kernel_tls_shake(t);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) != 0)
		return fail(k);
	errno = e;
	if (e != 0)
		return connect_failed(k);
	if (getpeername(fd, (struct sockaddr *)&peer, &n) != 0)
		return errno == ENOTCONN ? IO_AGAIN : fail(k);
	/* A port of this machine that nobody listens on may be given to us as
	 * our own side, and TCP then connects the socket to itself. */
	if (peer.ss_family != AF_UNIX &&
	    getsockname(fd, (struct sockaddr *)&self, &m) == 0 && n == m &&
	    memcmp(&peer, &self, n) == 0) {
		errno = ECONNREFUSED;
		return connect_failed(k);
	}
	return 0;
}

bool
kernel_watch(void *ctx, int fd, handle who)
{
	struct kernel *k = ctx;
	struct kernel_fd *f;

	assert(fd >= 0);
	if ((uint32_t)fd >= k->cfg.fds_max) {
		k->error = EMFILE;
		return false;
	}
	f = &k->fds[fd];
	f->who = who;
	f->gen++;
	f->retry = f->dry = f->full = f->hup = false;
	if (poller_add(&k->poller, fd, f->gen)) {
		if (f->tls != 0)
			kernel_tls_watched(kernel_tls_at(k, f->tls));
		return true;
	}
	f->who = HANDLE_NONE;
	(void)fail(k);
	return false;
}

void
kernel_forget(struct kernel *k, int fd)
{
	assert((uint32_t)fd < k->cfg.fds_max);
	poller_remove(&k->poller, fd);
	k->fds[fd].who = HANDLE_NONE;
	k->fds[fd].retry = false;
	k->fds[fd].gen++;
}

void
kernel_shutdown(void *ctx, int fd)
{
	struct kernel_tls *t = tls_on(ctx, fd);

	if (t != NULL)
		kernel_tls_shutdown(t);
	else
		(void)shutdown(fd, SHUT_WR);
}

void
kernel_close(void *ctx, int fd, bool abort)
{
	struct kernel *k = ctx;
	struct kernel_fd *f = entry_of(k, fd);
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	assert(fd >= 0);
	if (f != NULL) {
		f->who = HANDLE_NONE;
		f->retry = f->secure = f->dry = f->full = f->hup = false;
		/* Its last bytes have to leave first: it closes itself. */
		if (f->tls != 0 &&
		    kernel_tls_close(kernel_tls_at(k, f->tls), abort))
			return;
		f->gen++;
	}
	if (abort)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	/* Not again on EINTR: the descriptor is gone, or another's already. */
	(void)close(fd);
}

void
kernel_bulk(void *ctx, int fd)
{
	static const struct { int name, value; } opts[] = {
#ifdef TCP_NOTSENT_LOWAT
		{ TCP_NOTSENT_LOWAT, TUNNEL_UNSENT_BYTES },
#endif
#ifdef TCP_USER_TIMEOUT
		{ TCP_USER_TIMEOUT, TUNNEL_UNACKED_MS },
#endif
#ifdef TCP_KEEPIDLE
		{ TCP_KEEPIDLE, TUNNEL_IDLE_S },
		{ TCP_KEEPINTVL, TUNNEL_PROBE_S },
#endif
		{ TCP_NODELAY, 1 },
	};

	(void)ctx;
	for (size_t i = 0; i < sizeof opts / sizeof opts[0]; i++)
		(void)setsockopt(fd, IPPROTO_TCP, opts[i].name, &opts[i].value,
		    sizeof opts[i].value);
}

bool
kernel_starttls(void *ctx, int fd, struct slice host)
{
	return kernel_tls_connect(ctx, fd, host);
}

void
kernel_why(void *ctx, int fd, struct buf *b)
{
	struct kernel_tls *t = tls_on(ctx, fd);

	if (t != NULL)
		kernel_tls_why(t, b);
}
