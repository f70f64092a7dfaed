/*
 * Names. One process looks after a few workers, which all read questions from
 * one SOCK_SEQPACKET socket: the system hands each to one of them. A worker
 * sets an alarm and dies of it when a lookup takes too long; its place is
 * filled, and the question is given up by its deadline here. A thread was
 * rejected (a stuck getaddrinfo cannot be ended, and adit has no threads), and
 * so was a resolver of our own (hosts files, search lists, mDNS, VPNs).
 *
 * All of them end when our end of the socket closes, however we end.
 */
#include "net/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "base/num.h"
#include "net/listen.h"

enum { SLOT_FREE, SLOT_ASKED, SLOT_ANSWERED };

enum {
	RESTART_MS = 1000,
	REPLACE_MS = 20,        /* so that no fault becomes a busy loop */
	EXIT_WHEN_DONE = 0,     /* a worker's, when the socket has closed */
};

struct question {
	uint32_t seq;
	uint32_t index;
	char name[RESOLVE_NAME_MAX + 1];
};

struct reply {
	uint32_t seq;
	uint32_t index;
	uint32_t n;
	struct addr addrs[RESOLVE_MAX];
};

/* ---- the workers ------------------------ */

static size_t
look_up(const char *name, struct addr *out)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_ADDRCONFIG,
	};
	struct addrinfo *list = NULL;
	size_t n = 0;

	if (getaddrinfo(name, NULL, &hints, &list) != 0)
		return 0;
	for (struct addrinfo *a = list; a != NULL; a = a->ai_next) {
		struct sockaddr_storage ss = { 0 };

		if (n == RESOLVE_MAX || a->ai_addrlen > sizeof ss)
			break;
		memcpy(&ss, a->ai_addr, a->ai_addrlen);
		net_from_sockaddr(&out[n], &ss);
		if (out[n].family == ADDR_V4 || out[n].family == ADDR_V6)
			n++;
	}
	freeaddrinfo(list);
	return n;
}

static _Noreturn void
work(const struct resolve_cfg *cfg, int fd)
{
	static const struct reply none;
	struct question q;
	struct reply a;

#ifdef __linux__
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	if (cfg->enter != NULL && !cfg->enter(cfg->enter_ctx, true))
		_exit(1);
	for (;;) {
		ssize_t r = recv(fd, &q, sizeof q, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r != (ssize_t)sizeof q)
			_exit(EXIT_WHEN_DONE);
		q.name[RESOLVE_NAME_MAX] = 0;
		a = none;
		a.seq = q.seq;
		a.index = q.index;
		(void)alarm((cfg->timeout_ms + 999) / 1000);
		a.n = (uint32_t)(cfg->lookup != NULL ? cfg->lookup : look_up)(
		    q.name, a.addrs);
		(void)alarm(0);
		if (send(fd, &a, sizeof a, MSG_NOSIGNAL) < 0)
			_exit(EXIT_WHEN_DONE);
	}
}

/* Close all descriptors but `fd`: when helpers are started again there are
 * connections, which must not stay open in them. */
static int
keep_only(int fd)
{
	struct rlimit l = { .rlim_cur = 1024 };

	if (dup2(fd, 3) != 3)
		_exit(1);
#if defined(__linux__) && defined(SYS_close_range)
	if (syscall(SYS_close_range, 4u, ~0u, 0u) == 0)
		return 3;
#endif
	(void)getrlimit(RLIMIT_NOFILE, &l);
	for (int i = 4; (rlim_t)i < l.rlim_cur && i < 1 << 20; i++)
		(void)close(i);
	return 3;
}

/* argv's strings follow each other in memory: overwrite all of them. */
void
resolve_title(char **argv, struct slice title)
{
	char *end;
	size_t n;

	if (argv == NULL || argv[0] == NULL)
		return;
	end = argv[0];
	for (size_t i = 0; argv[i] != NULL && argv[i] == end; i++) {
		while (*end != 0)
			end++;
		end++;
	}
	n = (size_t)(end - argv[0]);
	memset(argv[0], 0, n);
	memcpy(argv[0], title.p, min_size(n - 1, title.n));
}

static void
set_signals(void)
{
	static const int quiet[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE,
	};
	sigset_t none;

	/* A Ctrl-C is for the whole group; these end with their parent. */
	for (size_t i = 0; i < sizeof quiet / sizeof quiet[0]; i++)
		(void)signal(quiet[i], SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGALRM, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static _Noreturn void
look_after(const struct resolve_cfg *cfg, int fd)
{
	unsigned running = 0;

	fd = keep_only(fd);
	resolve_title(cfg->argv, SL("adit: names"));
	set_signals();
	if (cfg->enter != NULL && !cfg->enter(cfg->enter_ctx, false))
		_exit(1);
	for (;;) {
		int status = 0;

		while (running < cfg->workers) {
			pid_t pid = fork();

			if (pid == 0)
				work(cfg, fd);
			if (pid < 0)
				break;
			running++;
		}
		if (running == 0)
			pause_ms(RESTART_MS);           /* fork failed */
		if (running > 0 && wait(&status) > 0) {
			running--;
			/* The rest see it too, or end with us. */
			if ((WIFEXITED(status) &&
			    WEXITSTATUS(status) == EXIT_WHEN_DONE) ||
			    recv(fd, &status, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
				_exit(0);
			pause_ms(REPLACE_MS);
		}
	}
}

/* ---- our side ------------------------ */

static bool
start(struct resolver *r)
{
	int sv[2], why;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0)
		return false;
	r->pid = fork();
	if (r->pid == 0)
		look_after(&r->cfg, sv[1]);
	why = errno;
	(void)close(sv[1]);
	if (r->pid > 0 && fcntl(sv[0], F_SETFL, O_NONBLOCK) == 0) {
		r->fd = sv[0];
		return true;
	}
	(void)close(sv[0]);
	errno = why;
	return false;
}

bool
resolver_open(struct resolver *r, const struct resolve_cfg *cfg)
{
	*r = (struct resolver){ .cfg = *cfg, .fd = -1, .pid = -1 };
	if (r->cfg.workers == 0)
		r->cfg.workers = RESOLVE_WORKERS;
	if (r->cfg.timeout_ms == 0)
		r->cfg.timeout_ms = RESOLVE_TIMEOUT_MS;
	return start(r);
}

void
resolver_close(struct resolver *r)
{
	if (r->fd >= 0)
		(void)close(r->fd);
	r->fd = -1;
	if (r->pid > 0 && !r->cfg.once) {
		/* Without it a worker in a slow lookup would be waited for. */
		(void)kill(r->pid, SIGKILL);
		while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	r->pid = -1;
}

static bool
is_localhost(struct slice name)
{
	static const struct slice local = SL_INIT("localhost");
	struct slice end;

	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n < local.n)
		return false;
	end = slice_from(name, name.n - local.n);
	return slice_ieq(end, local) &&
	    (name.n == local.n || name.p[name.n - local.n - 1] == '.');
}

/* Answer what needs no lookup. */
static bool
answer_now(struct resolve_slot *s, struct slice name)
{
	static const struct addr v4 = {
		.family = ADDR_V4, .ip = { 127, [3] = 1 } };
	static const struct addr v6 = {
		.family = ADDR_V6, .ip = { [15] = 1 } };

	if (addr_parse_ip(&s->addrs[0], name)) {
		s->n = 1;
	} else if (is_localhost(name)) {
		s->addrs[0] = v4;
		s->addrs[1] = v6;
		s->n = 2;
	} else if (name.n > 0 && name.n <= RESOLVE_NAME_MAX &&
	    slice_find(name, 0) == name.n) {
		return false;
	}
	s->state = SLOT_ANSWERED;
	return true;
}

bool
resolver_ask(struct resolver *r, struct slice name, uint16_t port, handle who,
    uint64_t now_ms)
{
	struct resolve_slot *s = r->slots;
	struct question q = { 0 };

	while (s < r->slots + RESOLVE_PENDING_MAX && s->state != SLOT_FREE)
		s++;
	if (s == r->slots + RESOLVE_PENDING_MAX)
		return false;
	*s = (struct resolve_slot){
		.who = who,
		.port = port,
		.seq = r->seq++,
		.state = SLOT_ASKED,
		.due_ms = now_ms + r->cfg.timeout_ms,
	};
	r->used++;
	if (answer_now(s, name))
		return true;
	q.seq = s->seq;
	q.index = (uint32_t)(s - r->slots);
	memcpy(q.name, name.p, name.n);
	/* No helper, or a full socket: it is answered with nothing. */
	if (r->fd < 0 || send(r->fd, &q, sizeof q, MSG_NOSIGNAL) < 0)
		s->state = SLOT_ANSWERED;
	return true;
}

static void
take_reply(struct resolver *r, const struct reply *a)
{
	struct resolve_slot *s;

	if (a->index >= RESOLVE_PENDING_MAX || a->n > RESOLVE_MAX)
		return;
	s = &r->slots[a->index];
	if (s->state != SLOT_ASKED || s->seq != a->seq)
		return;         /* given up already */
	s->state = SLOT_ANSWERED;
	s->n = (uint8_t)a->n;
	memcpy(s->addrs, a->addrs, sizeof s->addrs);
}

bool
resolver_read(struct resolver *r, uint64_t now_ms)
{
	struct reply a;
	ssize_t n = 0;

	while (r->fd >= 0 && (n = recv(r->fd, &a, sizeof a, 0)) > 0) {
		if (n == (ssize_t)sizeof a)
			take_reply(r, &a);
	}
	if (r->fd >= 0 && n < 0 &&
	    (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return false;
	/* They are gone. What was asked of them runs into its deadline. */
	resolver_close(r);
	r->gone = r->cfg.once;
	if (r->gone || now_ms < r->retry_ms)
		return false;
	r->retry_ms = now_ms + RESTART_MS;
	return start(r);
}

bool
resolver_next(struct resolver *r, uint64_t now_ms, struct io_event *ev,
    struct addr *addrs)
{
	for (size_t i = 0; r->used > 0 && i < RESOLVE_PENDING_MAX; i++) {
		struct resolve_slot *s = &r->slots[i];

		if (s->state == SLOT_FREE ||
		    (s->state == SLOT_ASKED && s->due_ms > now_ms))
			continue;
		memcpy(addrs, s->addrs, sizeof s->addrs);
		for (size_t j = 0; j < s->n; j++)
			addrs[j].port = s->port;
		*ev = (struct io_event){
			.who = s->who,
			.flags = EV_RESOLVED,
			.naddrs = s->n,
			.addrs = addrs,
		};
		*s = (struct resolve_slot){ .state = SLOT_FREE };
		r->used--;
		return true;
	}
	return false;
}

uint64_t
resolver_due(const struct resolver *r)
{
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; r->used > 0 && i < RESOLVE_PENDING_MAX; i++) {
		const struct resolve_slot *s = &r->slots[i];

		if (s->state == SLOT_ANSWERED)
			return 0;
		if (s->state == SLOT_ASKED)
			due = min_u64(due, s->due_ms);
	}
	return due;
}
