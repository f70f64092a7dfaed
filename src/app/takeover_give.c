/*
 * The side that runs, and may be taken over: a state machine in the loop. The
 * connection to the other process is the one descriptor on which this process
 * may send descriptors: its number is kept free for it from the start, and
 * known to the sandbox (app/sandbox.h). So there is one at a time; another
 * waits in the socket's queue.
 */
#include "app/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"

enum { KIND_TAKEOVER = 0x30 };

static const handle listen_handle = (handle)KIND_TAKEOVER << 56;
static const handle conn_handle = (handle)KIND_TAKEOVER << 56 | 1;

bool
takeover_owns(handle who)
{
	return handle_kind(who) == KIND_TAKEOVER;
}

bool
takeover_over(const struct serve *s)
{
	return s->takeover.state != TAKEOVER_GONE;
}

void
takeover_open(struct serve *s)
{
	struct takeover *t = &s->takeover;
	int why;

	t->uid = (uint32_t)geteuid();
	if (t->listen_fd < 0)
		t->listen_fd = pass_listen(s->relay_data.dir, "takeover");
	why = errno;
	/* The keeper holds the lock too; this one is there to be passed on. */
	t->lock_fd = s->relay_data.lock;
	s->relay_data.lock = -1;
	if (t->listen_fd >= 0 && t->spare_fd >= 0 &&
	    s->relay_ops.watch(&s->kernel, t->listen_fd, listen_handle))
		return;
	LOGF(&s->log, LOG_WARN, "app", "no other process can take over from "
	    "this one", log_c("why", strerror(why)));
	if (t->listen_fd >= 0)
		(void)close(t->listen_fd);
	t->listen_fd = -1;
}

/* ---- one at a time ------------------------ */

static void
hang_up(struct serve *s, const struct io *io)
{
	struct takeover *t = &s->takeover;

	if (t->conn_fd >= 0)
		io->ops->close(io->ctx, t->conn_fd, false);
	t->conn_fd = -1;
	t->spare_fd = fcntl(s->kernel.poller.fd, F_DUPFD_CLOEXEC, t->number);
	t->state = TAKEOVER_NONE;
	t->ready = t->listen_fd >= 0;
}

static void
wait_for(struct serve *s, const struct io *io, enum takeover_state state)
{
	s->takeover.state = (uint8_t)state;
	s->takeover.due_ms = io->now_ms + TAKEOVER_STEP_MS;
}

static void
welcome(struct serve *s, const struct io *io)
{
	struct takeover *t = &s->takeover;
	uint32_t uid = UINT32_MAX;

	(void)close(t->spare_fd);
	t->conn_fd = accept4(t->listen_fd, NULL, NULL,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (t->conn_fd == t->number && pass_peer(t->conn_fd, &uid) &&
	    (uid == 0 || uid == t->uid) &&
	    io->ops->watch(io->ctx, t->conn_fd, conn_handle)) {
		wait_for(s, io, TAKEOVER_ASKED);
		return;
	}
	if (t->conn_fd >= 0)
		LOGF(&s->log, LOG_WARN, "app", "takeover refused: another "
		    "account", log_u("uid", uid));
	uid = t->conn_fd >= 0;
	hang_up(s, io);
	t->ready = uid != 0;            /* else the queue is empty */
}

/* ---- messages ------------------------ */

static bool
say(struct serve *s, struct takeover_msg *m, const int *fds, size_t n)
{
	m->magic = TAKEOVER_MAGIC;
	m->version = TAKEOVER_VERSION;
	m->fds = (uint16_t)n;
	return pass_send(s->takeover.conn_fd, m, sizeof *m, fds, n);
}

static void
refuse(struct serve *s, const struct io *io, struct slice why)
{
	struct takeover_msg m = { .kind = TAKEOVER_REFUSED };
	struct buf b = BUF_ON(m.text);

	buf_put(&b, why);
	m.n = to_u32(b.n);
	(void)say(s, &m, NULL, 0);
	LOGF(&s->log, LOG_WARN, "app", "takeover refused",
	    log_s("why", why));
	hang_up(s, io);
}

/* All that is listened on, PASS_FDS_MAX at a time. */
static bool
give_sockets(struct serve *s)
{
	const struct relay_cfg *cfg = &s->rs.cfg;
	size_t sum = cfg->nlistens + 1, at = 0;
	int fds[PASS_FDS_MAX];

	while (at < sum) {
		struct takeover_msg m = { .kind = TAKEOVER_SOCKETS };
		size_t n = 0;

		for (; n < PASS_FDS_MAX && at < sum; n++, at++) {
			const struct relay_listen *l = &cfg->listens[at];

			fds[n] = s->takeover.listen_fd;
			if (at == cfg->nlistens)
				continue;
			fds[n] = l->fd;
			m.text[n] = (uint8_t)(l->kind |
			    (l->addr.family == ADDR_NONE ? 0x10 : 0));
		}
		m.n = to_u32(n);
		m.left = (uint16_t)(sum - at);
		if (!say(s, &m, fds, n))
			return false;
	}
	return true;
}

_Static_assert((int)PASS_FDS_MAX <= (int)TAKEOVER_TEXT, "a byte for each");
_Static_assert((int)HELLO_NAME_MAX <= (int)TAKEOVER_TEXT, "and a name");

/* ---- the lock ------------------------ */

static void
thaw(struct serve *s, const struct io *io)
{
	serve_freeze(s, VAULT_THAWED);
	relay_hold(s->relay, io, false);
}

/* The other one serves. */
static void
leave(struct serve *s, const struct io *io)
{
	struct takeover *t = &s->takeover;
	const struct relay_cfg *cfg = &s->rs.cfg;

	if (!serve_freeze(s, VAULT_UNLOCKED))
		LOGF(&s->log, LOG_ERROR, "app", "the lock is held until this "
		    "process ends");
	(void)close(t->lock_fd);
	t->lock_fd = -1;
	for (size_t i = 0; i < cfg->nlistens; i++)
		kernel_forget(&s->kernel, cfg->listens[i].fd);
	relay_leave(s->relay, io);
	kernel_forget(&s->kernel, t->listen_fd);
	(void)close(t->listen_fd);
	t->listen_fd = -1;
	wait_for(s, io, TAKEOVER_GONE);
	LOGF(&s->log, LOG_INFO, "app", "takeover: another process serves; "
	    "what is under way here ends");
}

/* The other one is not to serve any more; unless it does already. */
static void
give_up(struct serve *s, const struct io *io, const char *why)
{
	struct takeover *t = &s->takeover;
	struct takeover_msg m;
	ssize_t n;

	(void)shutdown(t->conn_fd, SHUT_RDWR);
	if (t->state == TAKEOVER_HELD) {
		n = recv(t->conn_fd, &m, sizeof m, MSG_TRUNC);
		if (n > 0 && takeover_check(&m, (size_t)n, 0,
		    TAKEOVER_DONE) == E_OK) {
			leave(s, io);
			return;
		}
		thaw(s, io);
	}
	if (t->state != TAKEOVER_GONE)
		LOGF(&s->log, LOG_WARN, "app", "takeover failed; this process "
		    "goes on", log_c("why", why));
	hang_up(s, io);
}

static void
freeze(struct serve *s, const struct io *io)
{
	struct takeover_msg m = { .kind = TAKEOVER_FROZEN };
	struct slice app = relay_first_app(s->relay);
	struct buf b = BUF_ON(m.text);

	relay_hold(s->relay, io, true);
	buf_put(&b, app);
	m.n = to_u32(b.n);
	if (!serve_freeze(s, VAULT_FROZEN)) {
		thaw(s, io);
		refuse(s, io, SL("it cannot freeze its state"));
		return;
	}
	LOGF(&s->log, LOG_INFO, "app", "takeover: frozen, until the new "
	    "process is ready");
	wait_for(s, io, TAKEOVER_HELD);
	if (!say(s, &m, &s->takeover.lock_fd, 1))
		give_up(s, io, "it has ended");
}

/* ---- the loop ------------------------ */

static const enum takeover_kind next_kind[] = {
	[TAKEOVER_ASKED] = TAKEOVER_ASK,
	[TAKEOVER_GIVEN] = TAKEOVER_READY,
	[TAKEOVER_HELD] = TAKEOVER_DONE,
};

static void
heard(struct serve *s, const struct io *io, const struct takeover_msg *m,
    size_t n)
{
	struct takeover *t = &s->takeover;
	enum takeover_kind kind = t->state == TAKEOVER_WANTED ||
	    t->state == TAKEOVER_GONE ? TAKEOVER_KINDS : next_kind[t->state];
	enum err e = takeover_check(m, n, 0, kind);

	if (e == E_RANGE && t->state == TAKEOVER_ASKED) {
		refuse(s, io, SL("it is of another version"));
	} else if (s->stops > 0 && t->state == TAKEOVER_ASKED) {
		refuse(s, io, SL("it is asked to stop"));
	} else if (e != E_OK) {
		give_up(s, io, "what it said is not understood");
	} else if (t->state == TAKEOVER_GIVEN) {
		wait_for(s, io, TAKEOVER_WANTED);
	} else if (t->state == TAKEOVER_HELD) {
		leave(s, io);
	} else if (give_sockets(s)) {
		LOGF(&s->log, LOG_INFO, "app", "takeover: another process "
		    "has the sockets too",
		    log_u("sockets", s->rs.cfg.nlistens));
		wait_for(s, io, TAKEOVER_GIVEN);
	} else {
		give_up(s, io, "the sockets cannot be sent");
	}
}

void
takeover_event(struct serve *s, const struct io *io, const struct io_event *ev)
{
	struct takeover *t = &s->takeover;

	if (ev->who == listen_handle)
		t->ready = true;
	while (ev->who == conn_handle && t->conn_fd >= 0) {
		struct takeover_msg m;
		ssize_t n = recv(t->conn_fd, &m, sizeof m, MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			give_up(s, io, "it has ended");
		else
			heard(s, io, &m, (size_t)n);
	}
}

uint64_t
takeover_step(struct serve *s, const struct io *io)
{
	struct takeover *t = &s->takeover;

	while (t->state == TAKEOVER_NONE && t->ready && t->spare_fd >= 0)
		welcome(s, io);
	if (t->state == TAKEOVER_WANTED && !relay_awaits(s->relay))
		freeze(s, io);
	if (t->state != TAKEOVER_NONE && io->now_ms >= t->due_ms)
		give_up(s, io, "it takes too long");
	return t->state == TAKEOVER_NONE ? UINT64_MAX : t->due_ms;
}

void
takeover_stop(struct serve *s, const struct io *io)
{
	if (s->takeover.conn_fd >= 0 && s->takeover.state != TAKEOVER_GONE)
		give_up(s, io, "this process is asked to stop");
}
