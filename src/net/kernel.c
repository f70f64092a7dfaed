/*
 * The kernel. Reports of the poller carry a descriptor and its generation;
 * closing a descriptor raises the generation, so that a report which was
 * already fetched cannot reach the next owner of the same number.
 *
 * No descriptor is taken out of the poller before it is closed: closing does
 * that, here and on the BSDs, and one call per connection is saved. (It holds
 * because nothing shares our sockets: the helpers close everything they got.)
 */
#include "net/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
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

_Static_assert(sizeof(struct kernel_fd) == 16, "one per descriptor");

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

/* ---- bytes ------------------------ */

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
static int64_t
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

static int64_t
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

/* ---- connections ------------------------ */

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

static int
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

static int
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

static int
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

static bool
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

static void
kernel_shutdown(void *ctx, int fd)
{
	struct kernel_tls *t = tls_on(ctx, fd);

	if (t != NULL)
		kernel_tls_shutdown(t);
	else
		(void)shutdown(fd, SHUT_WR);
}

static void
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

static void
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

/* ---- names, randomness, questions, files ------------------------ */

static bool
kernel_resolve(void *ctx, struct slice name, uint16_t port, handle who)
{
	struct kernel *k = ctx;

	return k->cfg.resolver != NULL &&
	    resolver_ask(k->cfg.resolver, name, port, who, net_now_ms());
}

static void
kernel_random(void *ctx, uint8_t *p, size_t n)
{
	struct kernel *k = ctx;

	while (n > 0) {
		size_t some = min_size(n, k->random_n);
		uint8_t *from = k->random + sizeof k->random - k->random_n;

		if (some == 0) {
			int r = getentropy(k->random, sizeof k->random);

			assert(r == 0);
			k->random_n = sizeof k->random;
			continue;
		}
		memcpy(p, from, some);
		explicit_bzero(from, some);
		k->random_n -= some;
		p += some;
		n -= some;
	}
}

static bool
kernel_ask(void *ctx, const struct ask *q)
{
	struct kernel *k = ctx;

	return k->cfg.ask != NULL && k->cfg.ask(k->cfg.ask_ctx, q);
}

static bool
kernel_save(void *ctx, struct slice name, struct slice content)
{
	struct kernel *k = ctx;

	if (k->cfg.data == NULL)
		return false;
	if (data_save(k->cfg.data, name, content) == E_OK)
		return true;
	k->error = k->cfg.data->error;
	return false;
}

static bool
kernel_tls_op(void *ctx, int fd, struct slice host)
{
	return kernel_tls_connect(ctx, fd, host);
}

static void
kernel_why(void *ctx, int fd, struct buf *b)
{
	struct kernel_tls *t = tls_on(ctx, fd);

	if (t != NULL)
		kernel_tls_why(t, b);
}

const struct io_ops kernel_ops = {
	.read = kernel_read,
	.writev = kernel_writev,
	.accept = kernel_accept,
	.connect = kernel_connect,
	.connected = kernel_connected,
	.watch = kernel_watch,
	.shutdown = kernel_shutdown,
	.close = kernel_close,
	.bulk = kernel_bulk,
	.resolve = kernel_resolve,
	.random = kernel_random,
	.ask = kernel_ask,
	.save = kernel_save,
	.tls = kernel_tls_op,
	.why = kernel_why,
};

/* ---- events ------------------------ */

uint64_t
kernel_due(const struct kernel *k)
{
	uint64_t due = k->retry_ms;

	if (k->answers_head != k->answers_tail)
		return 0;
	due = min_u64(due, kernel_tls_due(k));
	if (k->cfg.resolver != NULL)
		due = min_u64(due, resolver_due(k->cfg.resolver));
	return due;
}

/* Our end of the helpers' socket, which is not in the table. */
static bool
watch_resolver(struct kernel *k)
{
	struct resolver *r = k->cfg.resolver;

	return r == NULL || r->fd < 0 || poller_add(&k->poller, r->fd, 0);
}

bool
kernel_event(struct kernel *k, const struct poller_event *v,
    struct io_event *ev, uint64_t now_ms)
{
	struct kernel_fd *f;

	if (k->cfg.resolver != NULL && v->fd == k->cfg.resolver->fd) {
		if (resolver_read(k->cfg.resolver, now_ms))
			(void)watch_resolver(k);
		return false;
	}
	if (k->cfg.ask_ready != NULL && v->fd == k->cfg.ask_fd) {
		k->cfg.ask_ready(k->cfg.ask_ctx);
		return false;
	}
	if (v->fd < 0 || (uint32_t)v->fd >= k->cfg.fds_max)
		return false;
	f = &k->fds[v->fd];
	if (f->gen != v->tag)
		return false;
	*ev = (struct io_event){ .who = f->who, .flags = v->flags };
	if ((v->flags & EV_HUP) != 0)
		f->hup = true;
	if ((v->flags & (EV_READ | EV_HUP)) != 0)
		f->dry = false;
	if ((v->flags & (EV_WRITE | EV_HUP)) != 0)
		f->full = false;
	if (f->tls != 0)
		ev->flags = kernel_tls_event(kernel_tls_at(k, f->tls),
		    v->flags);
	return f->who != HANDLE_NONE;
}

bool
kernel_resolved(struct kernel *k, struct io_event *ev, uint64_t now_ms)
{
	struct resolver *r = k->cfg.resolver;

	if (r == NULL)
		return false;
	if (r->fd < 0 && resolver_read(r, now_ms))
		(void)watch_resolver(k);
	return resolver_next(r, now_ms, ev, k->addrs);
}

bool
kernel_answer(struct kernel *k, const struct answer *a)
{
	if (k->answers_head == k->answers_tail)
		k->answers_head = k->answers_tail = 0;
	if (kernel_answers_left(k) == 0)
		return false;
	k->answers[k->answers_tail++ % KERNEL_ANSWERS_MAX] = *a;
	return true;
}

bool
kernel_answered(struct kernel *k, struct io_event *ev, uint32_t last)
{
	const struct answer *a;

	if (k->answers_head == last)
		return false;
	a = &k->answers[k->answers_head % KERNEL_ANSWERS_MAX];
	*ev = (struct io_event){
		.who = a->who, .flags = EV_ANSWER, .answer = a };
	return true;
}

void
kernel_answer_done(struct kernel *k)
{
	struct answer *a = &k->answers[k->answers_head % KERNEL_ANSWERS_MAX];

	assert(k->answers_head != k->answers_tail);
	/* It may have been a session's token. */
	explicit_bzero(a->text, min_size(a->text_n, sizeof a->text));
	k->answers_head++;
}

void
kernel_retry(struct kernel *k, uint64_t now_ms)
{
	if (k->retry_ms > now_ms)
		return;
	k->retry_ms = UINT64_MAX;
	for (uint32_t fd = 0; fd < k->cfg.fds_max; fd++) {
		if (k->fds[fd].retry)
			(void)kernel_watch(k, (int)fd, k->fds[fd].who);
	}
}

/* ---- start and end ------------------------ */

size_t
kernel_bytes(const struct kernel_cfg *cfg)
{
	return arena_bytes(sizeof(struct kernel_fd) * cfg->fds_max, 16) +
	    arena_bytes(sizeof(struct answer) * KERNEL_ANSWERS_MAX, 16) +
	    arena_bytes(IO_SCRATCH, 4096) + kernel_tls_bytes(cfg);
}

/* The number of descriptors that we will get, at most `want`. */
static uint32_t
raise_limit(uint32_t want)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		return want;
	if (l.rlim_cur < want) {
		struct rlimit more = l;

		more.rlim_cur = want;
		if (more.rlim_max < want)
			more.rlim_max = want;   /* root may */
		if (setrlimit(RLIMIT_NOFILE, &more) != 0) {
			more = l;
			more.rlim_cur = l.rlim_max;
			(void)setrlimit(RLIMIT_NOFILE, &more);
		}
		(void)getrlimit(RLIMIT_NOFILE, &l);
	}
	return l.rlim_cur < want ? (uint32_t)l.rlim_cur : want;
}

enum err
kernel_init(struct kernel *k, const struct kernel_cfg *cfg, struct arena *a)
{
	uint8_t byte;

	*k = (struct kernel){ .cfg = *cfg, .retry_ms = UINT64_MAX };
	k->fds = arena_take(a, sizeof *k->fds * cfg->fds_max, 16);
	k->answers = arena_take(a, sizeof *k->answers * KERNEL_ANSWERS_MAX,
	    16);
	k->scratch = arena_take(a, IO_SCRATCH, 4096);
	kernel_tls_init(k, a);
	k->cfg.fds_max = raise_limit(cfg->fds_max);
	k->reserve = -1;
	(void)signal(SIGPIPE, SIG_IGN);
	if (getentropy(&byte, sizeof byte) != 0 ||
	    !poller_open(&k->poller, cfg->signals, cfg->nsignals))
		return E_IO;
	k->reserve = fcntl(k->poller.fd, F_DUPFD_CLOEXEC, 0);
	if (k->reserve >= 0 && watch_resolver(k) &&
	    (cfg->ask_ready == NULL ||
	    poller_add(&k->poller, cfg->ask_fd, 0)))
		return E_OK;
	kernel_free(k);
	return E_IO;
}

void
kernel_free(struct kernel *k)
{
	poller_close(&k->poller);
	if (k->reserve >= 0)
		(void)close(k->reserve);
	k->reserve = -1;
	explicit_bzero(k->random, sizeof k->random);
	k->random_n = 0;
}
