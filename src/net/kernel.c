/*
 * The kernel. Reports of the poller carry a descriptor and its generation;
 * closing a descriptor raises the generation, so that a report which was
 * already fetched cannot reach the next owner of the same number.
 *
 * Here are the table of io_ops, and what is not about descriptors: names,
 * randomness, questions, answers, start and end. See kernel_sock.c for the
 * rest.
 */
#include "net/kernel.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/num.h"
#include "net/clock.h"
#include "net/kernel_sock.h"
#include "net/kernel_tls.h"

_Static_assert(sizeof(struct kernel_fd) == 16, "one per descriptor");

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
	.tls = kernel_starttls,
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
