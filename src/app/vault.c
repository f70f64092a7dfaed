/*
 * The vault's two sides. Both sockets keep messages whole (SOCK_SEQPACKET), so
 * a message is as long as it says or is none. Inside, one answer or note that
 * finds no room is held, and no question read meanwhile; calls are served all
 * the same, so no deadlock between a call and a stream of answers is possible.
 *
 * A child by fork alone was chosen over a program of its own: one binary, and
 * what the settings said needs no second way to get there.
 */
#include "app/vault.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/out.h"
#include "net/clock.h"

/* ---- inside ------------------------ */

static void
quiet_signals(void)
{
	static const int quiet[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE,
	};

	/* A Ctrl-C is for the whole group; this one ends with the other. */
	for (size_t i = 0; i < sizeof quiet / sizeof quiet[0]; i++)
		(void)signal(quiet[i], SIG_IGN);
}

/* The length of the next message; ends the process if it is over. */
static size_t
take(int fd, void *p, size_t n)
{
	ssize_t r;

	do
		r = recv(fd, p, n, 0);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		_exit(0);
	return (size_t)r;
}

static void
give(int fd, const void *p, size_t n)
{
	ssize_t r;

	do
		r = send(fd, p, n, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r != (ssize_t)n)
		_exit(0);
}

/* What of a question or an answer travels. */
#define ASK_BYTES(q) (offsetof(struct ask, text) + (q)->text_n)
#define ANSWER_BYTES(a) (offsetof(struct answer, text) + (a)->text_n)

/* On their way: the answer, and before it what it made untrue. Who reads that
 * something was done finds that it was. */
struct held {
	bool full, has_note;
	struct answer a, note;
};

static void
ask_one(const struct vault_ops *ops, void *ctx, int fd, struct held *out)
{
	struct ask q;
	size_t n = take(fd, &q, sizeof q);

	if (n >= offsetof(struct ask, text) && n == ASK_BYTES(&q))
		out->full = ops->answer(ctx, &q, &out->a);
	wipe(&q, sizeof q);
}

/* True if there is nothing more to send. */
static bool
send_held(const struct vault_ops *ops, void *ctx, int fd, struct held *out)
{
	while (out->has_note || (out->has_note = ops->next(ctx, &out->note)) ||
	    out->full) {
		bool *full = out->has_note ? &out->has_note : &out->full;
		struct answer *a = out->has_note ? &out->note : &out->a;
		ssize_t n;

		assert(a->text_n <= sizeof a->text);
		n = send(fd, a, ANSWER_BYTES(a), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return false;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			_exit(0);
		wipe(a, sizeof *a);
		*full = false;
	}
	return true;
}

static void
call_one(const struct vault_ops *ops, void *ctx, int fd, uint8_t *shared)
{
	struct vault_call c;
	struct vault_reply r = { 0 };

	if (take(fd, &c, sizeof c) != sizeof c)
		return;
	r.kind = c.kind;
	r.seq = c.seq;
	if (c.n <= sizeof c.bytes && c.shared_n <= VAULT_SHARED_BYTES)
		ops->call(ctx, &c, &r, shared);
	assert(r.n <= VAULT_SHARED_BYTES);
	give(fd, &r, sizeof r);
}

static _Noreturn void
serve(const struct vault_ops *ops, void *ctx, const struct vault *v)
{
	struct pollfd p[2 + VAULT_POLL_MAX] = {
		{ .fd = v->call_fd, .events = POLLIN }, { .fd = v->fd },
	};
	struct held out = { 0 };

	for (;;) {
		bool idle = send_held(ops, ctx, v->fd, &out);
		int ms = -1;
		size_t n = 0;

		p[1].events = idle ? POLLIN : POLLOUT;
		/* What changes after an answer must not pass it. */
		if (!out.full)
			n = ops->watch(ctx, p + 2, &ms);
		assert(n <= VAULT_POLL_MAX);
		if (poll(p, 2 + n, ms) < 0) {
			if (errno != EINTR)
				_exit(1);
			continue;
		}
		if (p[0].revents != 0)
			call_one(ops, ctx, v->call_fd, v->shared);
		if (idle && p[1].revents != 0) {
			ask_one(ops, ctx, v->fd, &out);
			(void)send_held(ops, ctx, v->fd, &out);
		}
		if (!out.full)
			ops->ready(ctx, p + 2, n);
	}
}

static _Noreturn void
inside(const struct vault_ops *ops, void *ctx, const struct vault *v)
{
	struct vault_hello h = { 0 };
	int code;

	quiet_signals();
	code = ops->open(ctx, &h);
	if (code != EXIT_GO_ON)
		_exit(code);
	give(v->fd, &h, sizeof h);
	wipe(&h, sizeof h);
	serve(ops, ctx, v);
}

/* ---- outside ------------------------ */

static void
drop(struct vault *v)
{
	if (v->fd >= 0)
		(void)close(v->fd);
	if (v->call_fd >= 0)
		(void)close(v->call_fd);
	v->fd = v->call_fd = -1;
}

static int
open_fault(const char *why)
{
	return out_fail(EXIT_FAILED, NULL, SL("the process for secrets"),
	    why);
}

/* The child's end before its hello: its exit code is ours. */
static int
ended_early(struct vault *v)
{
	int status = 0;

	while (waitpid(v->pid, &status, 0) < 0 && errno == EINTR)
		;
	drop(v);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return WEXITSTATUS(status);
	return open_fault(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ?
	    "killed by its sandbox (signal 31)" : "it ended at its start");
}

int
vault_open(struct vault *v, const struct vault_ops *ops, void *ctx,
    struct vault_hello *h)
{
	int a[2], b[2];
	ssize_t r;

	v->fd = v->call_fd = -1;
	v->shared = mmap(NULL, VAULT_SHARED_BYTES, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v->shared == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, a) != 0)
		return open_fault(strerror(errno));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b) != 0) {
		(void)close(a[0]);
		(void)close(a[1]);
		return open_fault(strerror(errno));
	}
	v->pid = fork();
	v->fd = a[v->pid == 0];
	v->call_fd = b[v->pid == 0];
	(void)close(a[v->pid != 0]);
	(void)close(b[v->pid != 0]);
	if (v->pid == 0)
		inside(ops, ctx, v);
	if (v->pid < 0) {
		drop(v);
		return open_fault(strerror(errno));
	}
	do
		r = recv(v->fd, h, sizeof *h, 0);
	while (r < 0 && errno == EINTR);
	if (r != (ssize_t)sizeof *h)
		return ended_early(v);
	(void)fcntl(v->fd, F_SETFL, O_NONBLOCK);
	return EXIT_GO_ON;
}

void
vault_close(struct vault *v)
{
	struct pollfd p = { .fd = v->call_fd, .events = POLLIN };
	uint8_t byte;

	if (v->fd < 0)
		return;
	/* It reads the end, and its own end is when it has written all. */
	(void)shutdown(v->fd, SHUT_WR);
	(void)shutdown(v->call_fd, SHUT_WR);
	while (poll(&p, 1, VAULT_END_MS) > 0 &&
	    recv(v->call_fd, &byte, sizeof byte, 0) > 0)
		;
	drop(v);
}

static void
send_some(struct vault *v)
{
	while (v->sent < VAULT_ASKS_MAX && v->head != v->tail) {
		struct ask *q = &v->queue[v->head % VAULT_QUEUE];

		/* An end is told by vault_answer. */
		if (send(v->fd, q, ASK_BYTES(q), MSG_NOSIGNAL) < 0)
			return;
		wipe(q, sizeof *q);
		v->head++;
		v->sent++;
	}
}

bool
vault_ask(struct vault *v, const struct ask *q)
{
	if (v->fd < 0 || q->text_n > sizeof q->text)
		return false;
	/* The same few pages again and again. */
	if (v->head == v->tail)
		v->head = v->tail = 0;
	if (v->tail - v->head == VAULT_QUEUE)
		return false;
	v->queue[v->tail++ % VAULT_QUEUE] = *q;
	send_some(v);
	return true;
}

enum err
vault_answer(struct vault *v, struct answer *a)
{
	ssize_t r;

	do
		r = v->fd < 0 ? 0 : recv(v->fd, a, sizeof *a, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return E_MORE;
	if (r < (ssize_t)offsetof(struct answer, text) ||
	    (size_t)r != ANSWER_BYTES(a))
		return E_EOF;
	if (a->kind < NOTE_SESSION) {
		if (v->sent == 0)
			return E_EOF;
		v->sent--;
	}
	send_some(v);
	return E_OK;
}

bool
vault_call(struct vault *v, struct vault_call *c, struct vault_reply *r,
    uint32_t ms_max)
{
	struct pollfd p = { .fd = v->call_fd, .events = POLLIN };
	uint64_t due = net_now_ms() + ms_max, now = due - ms_max;

	c->seq = ++v->seq;
	if (v->call_fd < 0 || send(v->call_fd, c, sizeof *c,
	    MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof *c)
		return false;
	while (now < due && poll(&p, 1, (int)(due - now)) != 0) {
		ssize_t n = recv(v->call_fd, r, sizeof *r, MSG_DONTWAIT);

		if (n == 0)
			return false;
		/* A reply to a call that was given up is dropped here. */
		if (n == (ssize_t)sizeof *r && r->seq == c->seq &&
		    r->kind == c->kind && r->n <= VAULT_SHARED_BYTES)
			return true;
		now = net_now_ms();
	}
	return false;
}
