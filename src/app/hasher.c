/*
 * A process instead of a thread: a thread would share the keeper's secrets, its
 * files and its sandbox. read and write instead of recv and send: its list of
 * system calls has eight names.
 */
#include "app/hasher.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/memory.h"

enum {
	PAGE = 65536,                   /* a multiple of every page size */
	PROCESS_BYTES = 1 << 20,        /* what a process is without it */
};

static size_t
area_bytes(struct scrypt_cost cost)
{
	return (scrypt_area(cost) + PAGE - 1) / PAGE * PAGE;
}

uint64_t
hasher_bytes(struct scrypt_cost cost)
{
	return area_bytes(cost) + PROCESS_BYTES;
}

void
hasher_work(const struct keeper_job *j, void *area, struct keeper_result *r)
{
	*r = (struct keeper_result){ .id = j->id, .ok = true };
	scrypt(r->hash, sizeof r->hash, secret_bytes(&j->password),
	    slice_of(j->salt, sizeof j->salt), j->cost, area);
}

static _Noreturn void
inside(int fd, const struct hasher_cfg *cfg)
{
	size_t bytes = area_bytes(cfg->cost);
	struct arena a;
	void *area;

	if (!net_reserve(&a, arena_bytes(bytes, PAGE)) || !cfg->enter(cfg->ctx))
		_exit(1);
	area = arena_take(&a, bytes, PAGE);
	for (;;) {
		struct keeper_job j;
		struct keeper_result r = { 0 };
		ssize_t n = read(fd, &j, sizeof j);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof j || j.password.n > SECRET_MAX)
			_exit(0);
		r.id = j.id;
		if (scrypt_cost_ok(j.cost) && scrypt_area(j.cost) <= bytes) {
			hasher_work(&j, area, &r);
			a.release(area, bytes);
		}
		wipe(&j, sizeof j);
		if (write(fd, &r, sizeof r) != (ssize_t)sizeof r)
			_exit(0);
		wipe(&r, sizeof r);
	}
}

int
hasher_open(const struct hasher_cfg *cfg)
{
	int p[2], why;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p) != 0)
		return -1;
	pid = fork();
	why = errno;
	if (pid == 0) {
		(void)close(p[0]);
		inside(p[1], cfg);
	}
	(void)close(p[1]);
	if (pid < 0) {
		(void)close(p[0]);
		errno = why;
		return -1;
	}
	(void)fcntl(p[0], F_SETFL, O_NONBLOCK);
	return p[0];
}

bool
hasher_start(int fd, const struct keeper_job *j)
{
	return send(fd, j, sizeof *j, MSG_NOSIGNAL) == (ssize_t)sizeof *j;
}

enum err
hasher_result(int fd, struct keeper_result *r)
{
	ssize_t n;

	do
		n = recv(fd, r, sizeof *r, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return E_MORE;
	return n == (ssize_t)sizeof *r ? E_OK : E_EOF;
}
