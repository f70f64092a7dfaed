/*
 * What somebody would try who has taken a process over, from inside: only in
 * build/adit-probe, which tests/e2e/sandbox.test.mjs drives. The variable
 * ADIT_PROBE is "ROLE ACTION ARGUMENT"; in a process of that role it is done
 * once the sandbox is on, and told on standard error:
 *
 *     probe: ROLE ACTION begins
 *     probe: ROLE ACTION refused ERRNO        or: did it
 *
 * Then the process goes on. One that is killed tells nothing more.
 */
#include "app/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static long
try_open(const char *arg)
{
	return openat(AT_FDCWD, arg, O_RDONLY | O_CLOEXEC);
}

static long
try_write(const char *arg)
{
	return openat(AT_FDCWD, arg, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static long
try_exec(const char *arg)
{
	char *const argv[] = { (char *)(uintptr_t)arg, NULL };

	return execv(arg, argv);
}

static long
try_fork(const char *arg)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	(void)arg;
	if (pid == 0)
		_exit(0);
	return pid;
}

static long
try_tcp(const char *arg, bool binds)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(arg)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	return (binds ? bind : connect)(fd, (struct sockaddr *)&to, sizeof to);
}

static long
try_connect(const char *arg)
{
	return try_tcp(arg, false);
}

static long
try_bind(const char *arg)
{
	return try_tcp(arg, true);
}

static long
try_unix(const char *arg)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(to.sun_path, arg, strlen(arg));
	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to);
}

static long
try_netlink(const char *arg)
{
	(void)arg;
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long
try_ptrace(const char *arg)
{
	return ptrace(PTRACE_ATTACH, atoi(arg), NULL, NULL);
}

static long
try_kill(const char *arg)
{
	return kill(atoi(arg), SIGCONT);
}

static long
try_memory(const char *arg)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { try_memory, 1 };

	return process_vm_readv(atoi(arg), &here, 1, &there, 1, 0);
}

static long
try_mmap_exec(const char *arg)
{
	(void)arg;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

/* A system call by the numbers of another mode of the processor. */
static long
try_other_mode(const char *arg)
{
	long r = -1;

	(void)arg;
	errno = ENOSYS;
#ifdef __x86_64__
	__asm__ volatile ("int $0x80" : "=a"(r) : "a"(20) : "memory");
#endif
	return r;
}

/* A message that could carry a descriptor. */
static long
try_pass(const char *arg)
{
	struct msghdr m = { 0 };

	return sendmsg(atoi(arg), &m, 0);
}

static long
try_number(const char *arg)
{
	return syscall(atoi(arg), 0, 0, 0, 0, 0, 0);
}

static const struct action {
	const char *name;
	long (*run)(const char *arg);
} actions[] = {
	{ "open", try_open }, { "write", try_write }, { "exec", try_exec },
	{ "fork", try_fork }, { "connect", try_connect },
	{ "bind", try_bind }, { "unix", try_unix },
	{ "netlink", try_netlink }, { "ptrace", try_ptrace },
	{ "kill", try_kill }, { "memory", try_memory },
	{ "mmap-exec", try_mmap_exec }, { "other-mode", try_other_mode },
	{ "pass", try_pass }, { "number", try_number },
};

static const char *
role_name(unsigned roles)
{
	switch (roles) {
	case SANDBOX_RELAY:
		return "relay";
	case SANDBOX_AGENT:
		return "agent";
	case SANDBOX_RELAY | SANDBOX_AGENT:
		return "start";
	case SANDBOX_KEEPER:
		return "keeper";
	case SANDBOX_HASHER:
		return "hasher";
	case SANDBOX_LOOKUP:
		return "lookup";
	default:
		return "names";
	}
}

static void
say(const char *role, const char *action, const char *what)
{
	char line[200];
	int n = snprintf(line, sizeof line, "probe: %s %s %s\n", role, action,
	    what);

	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

void
probe(unsigned roles)
{
	const char *want = getenv("ADIT_PROBE"), *role = role_name(roles);
	char what[32], name[32], arg[200] = "";

	if (want == NULL ||
	    sscanf(want, "%31s %31s %199s", what, name, arg) < 2 ||
	    strcmp(what, role) != 0)
		return;
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		long r;

		if (strcmp(actions[i].name, name) != 0)
			continue;
		say(role, name, "begins");
		r = actions[i].run(arg);
		if (r < 0)
			(void)snprintf(what, sizeof what, "refused %d", errno);
		say(role, name, r < 0 ? what : "did it");
	}
}
