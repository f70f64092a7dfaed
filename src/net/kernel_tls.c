/*
 * TLS below the io interface: neither relay nor agent can tell such a
 * descriptor from a plain one. Each has a struct kernel_tls from a pool whose
 * size is part of the memory plan; it exists from accept (or io_ops.tls) until
 * the descriptor is closed.
 *
 * Readiness. The poller knows the socket, the owner wants to know about
 * plaintext, and the two differ in four cases: records that wait in our buffer
 * leave when the socket becomes writable, without the owner; in a handshake
 * reading may wait for writing and the reverse, so an event for one side is
 * given to the other as well; plaintext may be there already when a descriptor
 * changes its owner; and a read that stopped without emptying the socket has
 * to be continued. The last two are events of ours, queued until the next
 * turn.
 *
 * Handshakes cost a millisecond and more of computing. A turn makes at most
 * SHAKES_PER_TURN steps of them; who comes too late is woken in the next turn,
 * first come first served, so a flood of handshakes slows down handshakes and
 * leaves the connections that are there their share of each turn.
 *
 * Deadlines are all of the same length and thus a list in order: a handshake
 * that is not done and a closed connection whose last bytes cannot leave.
 */
#include "net/kernel_tls.h"

#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "crypto/ct.h"
#include "net/clock.h"
#include "net/kernel_sock.h"

enum { POOL_KIND = 0x7f, PAGE = 4096, SHAKES_PER_TURN = 8 };

struct kernel_tls {
	struct kernel *k;
	int fd;
	uint32_t wake_flags;            /* to be delivered */
	bool queued;                    /* in the wake list */
	bool timed;                     /* in the list of deadlines */
	bool watched;                   /* the poller knows fd */
	bool closing;                   /* no owner any more */
	bool fin;                       /* the TCP end was sent */
	bool counted;                   /* its handshake */
	bool moved;                     /* bytes came in this call */
	uint64_t due_ms;
	struct kernel_tls *next_wake, *prev, *next;
	struct tls tls;                 /* with its buffers: the last */
};

size_t
kernel_tls_item_bytes(uint32_t out_bytes)
{
	size_t n = offsetof(struct kernel_tls, tls) + tls_bytes(out_bytes);

	return (n + PAGE - 1) / PAGE * PAGE;
}

size_t
kernel_tls_bytes(const struct kernel_cfg *cfg)
{
	return cfg->tls_max == 0 ? 0 :
	    pool_bytes(kernel_tls_item_bytes(cfg->tls_out_bytes),
	    cfg->tls_max);
}

void
kernel_tls_init(struct kernel *k, struct arena *a)
{
	if (k->cfg.tls_max == 0)
		return;
	pool_init(&k->secure.pool, a, POOL_KIND,
	    kernel_tls_item_bytes(k->cfg.tls_out_bytes), k->cfg.tls_max);
}

struct kernel_tls *
kernel_tls_at(struct kernel *k, uint32_t number)
{
	assert(number > 0 && pool_live(&k->secure.pool, number - 1));
	return pool_at(&k->secure.pool, number - 1);
}

/* ---- lists ------------------------ */

static void
wake(struct kernel_tls *t, uint32_t flags)
{
	struct kernel_secure *s = &t->k->secure;

	t->wake_flags |= flags;
	if (t->queued)
		return;
	t->queued = true;
	t->next_wake = NULL;
	if (s->wake == NULL)
		s->wake = t;
	else
		s->wake_last->next_wake = t;
	s->wake_last = t;
}

static struct kernel_tls *
take_woken(struct kernel_secure *s)
{
	struct kernel_tls *t = s->wake;

	if (t == NULL)
		return NULL;
	s->wake = t->next_wake;
	if (s->wake == NULL)
		s->wake_last = NULL;
	t->queued = false;
	return t;
}

/* Before its record is freed. */
static void
unwake(struct kernel_tls *t)
{
	struct kernel_secure *s = &t->k->secure;
	struct kernel_tls *prev = NULL;

	if (!t->queued)
		return;
	for (struct kernel_tls *i = s->wake; i != t; i = i->next_wake) {
		assert(i != NULL);
		prev = i;
	}
	if (prev == NULL)
		s->wake = t->next_wake;
	else
		prev->next_wake = t->next_wake;
	if (s->wake_last == t)
		s->wake_last = prev;
	t->queued = false;
}

static void
untime(struct kernel_tls *t)
{
	struct kernel_secure *s = &t->k->secure;

	if (!t->timed)
		return;
	if (t->prev == NULL)
		s->timed = t->next;
	else
		t->prev->next = t->next;
	if (t->next == NULL)
		s->timed_last = t->prev;
	else
		t->next->prev = t->prev;
	t->timed = false;
}

static void
set_deadline(struct kernel_tls *t)
{
	struct kernel_secure *s = &t->k->secure;

	untime(t);
	t->timed = true;
	t->due_ms = net_now_ms() + KERNEL_TLS_MS;
	t->next = NULL;
	t->prev = s->timed_last;
	if (s->timed_last == NULL)
		s->timed = t;
	else
		s->timed_last->next = t;
	s->timed_last = t;
}

/* ---- birth and end ------------------------ */

static int64_t
recv_below(void *ctx, uint8_t *p, size_t n)
{
	struct kernel_tls *t = ctx;
	int64_t r = kernel_recv(t->k, t->fd, p, n);

	t->moved = t->moved || r > 0;
	return r;
}

static int64_t
send_below(void *ctx, const uint8_t *p, size_t n)
{
	struct kernel_tls *t = ctx;

	return kernel_send(t->k, t->fd, p, n);
}

static struct kernel_tls *
begin(struct kernel *k, int fd)
{
	struct kernel_tls *t;

	assert(fd >= 0 && (uint32_t)fd < k->cfg.fds_max);
	assert(k->fds[fd].tls == 0);
	t = k->cfg.tls_max > 0 ? pool_take(&k->secure.pool) : NULL;
	if (t == NULL)
		return NULL;
	/* Items of whole pages are not cleared by the pool. */
	memset(t, 0, offsetof(struct kernel_tls, tls));
	t->k = k;
	t->fd = fd;
	k->fds[fd].tls = 0xffffff & (pool_index(&k->secure.pool, t) + 1);
	return t;
}

/* Forget it; the descriptor stays. */
static void
drop(struct kernel_tls *t)
{
	struct kernel *k = t->k;

	if (!t->tls.ready && !t->tls.is_client)
		k->secure.shakes[KERNEL_FAILED]++;
	unwake(t);
	untime(t);
	k->fds[t->fd].tls = 0;
	tls_end(&t->tls);
	pool_give(&k->secure.pool, t);
}

bool
kernel_tls_accept(struct kernel *k, int fd)
{
	struct kernel_tls *t = begin(k, fd);
	uint8_t seed[TLS_SEED_BYTES];
	struct tls_transport below = { t, recv_below, send_below };

	if (t == NULL)
		return false;
	kernel_ops.random(k, seed, sizeof seed);
	tls_begin_server(&t->tls, k->cfg.tls_out_bytes, k->cfg.tls_server,
	    &below, seed);
	wipe(seed, sizeof seed);
	set_deadline(t);
	return true;
}

bool
kernel_tls_connect(struct kernel *k, int fd, struct slice host)
{
	struct kernel_tls *t = k->cfg.tls_trust != NULL ? begin(k, fd) : NULL;
	uint8_t seed[TLS_SEED_BYTES];
	struct tls_transport below = { t, recv_below, send_below };
	bool done;

	if (t == NULL)
		return false;
	kernel_ops.random(k, seed, sizeof seed);
	done = tls_begin_client(&t->tls, k->cfg.tls_out_bytes,
	    k->cfg.tls_trust, host, net_wall_ms(), &below, seed);
	wipe(seed, sizeof seed);
	if (!done) {
		drop(t);
		return false;
	}
	/* The poller knows fd already and may have said all that it will. */
	t->watched = true;
	wake(t, EV_READ | EV_WRITE);
	set_deadline(t);
	return true;
}

void
kernel_listen_tls(struct kernel *k, int fd)
{
	assert(fd >= 0 && (uint32_t)fd < k->cfg.fds_max);
	assert(k->cfg.tls_server != NULL);
	k->fds[fd].secure = true;
}

/* ---- operations ------------------------ */

/* May this call do a step of a handshake now? If not, it is woken later. */
static bool
may_shake(struct kernel_tls *t)
{
	t->moved = false;
	if (t->tls.ready || t->k->secure.shakes_left > 0)
		return true;
	wake(t, EV_READ | EV_WRITE);
	return false;
}

static void
after(struct kernel_tls *t, bool was_ready)
{
	struct kernel_secure *s = &t->k->secure;

	if (!was_ready && t->moved && s->shakes_left > 0)
		s->shakes_left--;
	if (t->tls.ready && !t->counted) {
		t->counted = true;
		if (!t->tls.is_client)
			s->shakes[t->tls.u.server.policy.chose ?
			    KERNEL_FULL : KERNEL_RESUMED]++;
		untime(t);
		/* What came with its last record is readable already. */
		if (tls_has_plaintext(&t->tls) || t->tls.write_waits)
			wake(t, EV_READ | EV_WRITE);
	}
	if (t->tls.again) {
		t->tls.again = false;
		wake(t, EV_READ);
	}
	if (t->tls.shut && !t->fin && tls_flush(&t->tls)) {
		t->fin = true;
		(void)shutdown(t->fd, SHUT_WR);
	}
}

int64_t
kernel_tls_read(struct kernel_tls *t, uint8_t *p, size_t n)
{
	bool was_ready = t->tls.ready;
	int64_t r;

	if (!may_shake(t))
		return IO_AGAIN;
	r = tls_read(&t->tls, p, n);
	after(t, was_ready);
	return r;
}

int64_t
kernel_tls_writev(struct kernel_tls *t, const struct slice *v, size_t n)
{
	bool was_ready = t->tls.ready;
	int64_t r;

	if (!may_shake(t))
		return IO_AGAIN;
	r = tls_writev(&t->tls, v, n);
	after(t, was_ready);
	return r;
}

int
kernel_tls_shake(struct kernel_tls *t)
{
	bool was_ready = t->tls.ready;
	int r;

	if (!may_shake(t))
		return IO_AGAIN;
	r = tls_shake(&t->tls);
	after(t, was_ready);
	return r;
}

void
kernel_tls_shutdown(struct kernel_tls *t)
{
	tls_shutdown(&t->tls);
	after(t, t->tls.ready);
}

void
kernel_tls_why(struct kernel_tls *t, struct buf *b)
{
	tls_tell(&t->tls, b);
}

bool
kernel_tls_close(struct kernel_tls *t, bool abort)
{
	if (!abort && t->watched && t->tls.ready && !tls_closed(&t->tls)) {
		tls_shutdown(&t->tls);
		if (!tls_flush(&t->tls)) {
			t->closing = true;
			set_deadline(t);
			return true;
		}
	}
	drop(t);
	return false;
}

/* The descriptor of a connection without owner. */
static void
close_now(struct kernel_tls *t)
{
	struct kernel *k = t->k;
	int fd = t->fd;

	assert(t->closing);
	drop(t);
	k->fds[fd].gen++;
	(void)close(fd);
}

/* ---- readiness ------------------------ */

void
kernel_tls_watched(struct kernel_tls *t)
{
	t->watched = true;
	if (tls_has_plaintext(&t->tls))
		wake(t, EV_READ);
}

uint32_t
kernel_tls_event(struct kernel_tls *t, uint32_t flags)
{
	bool done = tls_flush(&t->tls);

	if (t->closing) {
		if (done || tls_closed(&t->tls))
			close_now(t);
		return 0;
	}
	after(t, t->tls.ready);
	if ((flags & EV_WRITE) != 0 && t->tls.read_waits)
		flags |= EV_READ;
	if ((flags & EV_READ) != 0 && t->tls.write_waits)
		flags |= EV_WRITE;
	return flags;
}

uint64_t
kernel_tls_due(const struct kernel *k)
{
	const struct kernel_secure *s = &k->secure;

	if (s->wake != NULL)
		return 0;
	return s->timed != NULL ? s->timed->due_ms : UINT64_MAX;
}

void
kernel_turn(struct kernel *k)
{
	struct kernel_secure *s = &k->secure;

	s->shakes_left = SHAKES_PER_TURN;
	s->wakes = 0;
	for (const struct kernel_tls *t = s->wake; t != NULL;
	    t = t->next_wake)
		s->wakes++;
}

/* Deadlines that have passed become events, or closed descriptors. */
static void
expire(struct kernel *k, uint64_t now_ms)
{
	struct kernel_secure *s = &k->secure;

	while (s->timed != NULL && s->timed->due_ms <= now_ms) {
		struct kernel_tls *t = s->timed;

		untime(t);
		if (t->closing) {
			close_now(t);
			continue;
		}
		tls_give_up(&t->tls);
		wake(t, EV_READ | EV_WRITE | EV_HUP);
		s->wakes++;
	}
}

bool
kernel_woken(struct kernel *k, struct io_event *ev, uint64_t now_ms)
{
	struct kernel_secure *s = &k->secure;

	if (s->timed != NULL && s->timed->due_ms <= now_ms)
		expire(k, now_ms);
	while (s->wakes > 0) {
		struct kernel_tls *t = take_woken(s);
		uint32_t flags;

		s->wakes--;
		if (t == NULL)
			break;
		flags = t->wake_flags;
		t->wake_flags = 0;
		*ev = (struct io_event){ .who = k->fds[t->fd].who,
			.flags = flags };
		if (ev->who != HANDLE_NONE)
			return true;
	}
	s->wakes = 0;
	return false;
}
