/*
 * One table of system calls for all processes and architectures: a name, and
 * who may. The filter is made from it at start, one comparison per call; the
 * kernel (5.11) remembers per number what needs no look at arguments, so the
 * length costs nothing. Arguments are looked at in three places: which sockets
 * can be made, on which one descriptors are sent, and that no memory becomes
 * executable.
 *
 * Landlock's numbers and structs are ours: musl has none, and those of the
 * build machine's kernel may be older than the one it runs on. What its
 * version does not know is left out (TCP: 4, signals and abstract sockets: 6).
 *
 * A glibc build makes other calls than these and has no sandbox; it serves
 * tests and sanitizers only.
 */
#include "app/sandbox.h"

#include "base/num.h"

void
sandbox_add_path(struct sandbox *b, const char *path, int fd, bool write)
{
	assert(b->npaths < SANDBOX_PATHS_MAX);
	b->paths[b->npaths++] = (struct sandbox_path){ path, fd, write };
}

void
sandbox_add_port(struct sandbox *b, uint16_t port)
{
	for (size_t i = 0; i < b->nports; i++)
		if (b->ports[i] == port)
			return;
	assert(b->nports < SANDBOX_PORTS_MAX);
	b->ports[b->nports++] = port;
}

static void
put_places(struct buf *b, const struct sandbox *s)
{
	buf_lit(b, "\n  files:");
	for (size_t i = 0; i < s->npaths; i++) {
		buf_put(b, s->paths[i].write ? SL(" write ") : SL(" read "));
		buf_put(b, slice_of(s->paths[i].path,
		    strlen(s->paths[i].path)));
	}
	if (s->npaths == 0)
		buf_lit(b, " none");
	buf_lit(b, "\n  connects to TCP ports:");
	for (size_t i = 0; i < s->nports; i++) {
		buf_lit(b, " ");
		buf_put_dec(b, s->ports[i]);
	}
	buf_put(b, s->nports == 0 ? SL(" none\n") : SL("\n"));
}

#if defined(__linux__) && !defined(__GLIBC__)

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define ARCH AUDIT_ARCH_ARM
#else
#error "name this processor's AUDIT_ARCH"
#endif

enum {
	R = SANDBOX_RELAY, A = SANDBOX_AGENT, K = SANDBOX_KEEPER,
	S = SANDBOX_NAMES, L = SANDBOX_LOOKUP, H = SANDBOX_HASHER,
	NET = R | A, ALL = R | A | K | S | L, EVERY = ALL | H,
};

/* ---- system calls ------------------------ */

/* Those that every processor has. */
#define CALLS_COMMON(X)                                                 \
	X(epoll_pwait, NET)                                             \
	X(read, EVERY) X(pread64, R) X(write, EVERY) X(writev, NET | L) \
	X(recvfrom, ALL) X(sendto, ALL) X(close, ALL)                   \
	X(accept4, R | K) X(accept, R) X(epoll_ctl, NET)                \
	X(setsockopt, NET | L) X(getsockopt, NET | K)                   \
	X(getpeername, NET) X(getsockname, NET | L) X(shutdown, NET)    \
	X(madvise, NET | H) X(getrandom, NET)                           \
	X(socket, A | L) X(connect, A | L)                              \
	X(exit_group, EVERY) X(exit, EVERY) X(rt_sigreturn, EVERY)      \
	X(restart_syscall, EVERY) X(clock_gettime, ALL) X(ppoll, ALL)     \
	/* files */                                                     \
	X(openat, A | K | L) X(unlinkat, A | K) X(linkat, A | K)        \
	X(renameat, A | K) X(fsync, A | K) X(fcntl, NET | K | L)        \
	X(fstat, A | K) X(readv, L)                                         \
	/* names */                                                     \
	X(bind, L) X(recvmsg, L) X(sendmsg, R | K | L) X(setitimer, L)  \
	X(munmap, L) X(mmap, L) X(mprotect, L) X(brk, L)                \
	X(rt_sigprocmask, S | L) X(rt_sigaction, S) X(gettid, S | L)    \
	X(wait4, S) X(clone, S) X(prctl, S) X(getpid, S | L)            \
	X(set_robust_list, S) X(nanosleep, S) X(clock_nanosleep, S)     \
	X(landlock_create_ruleset, S) X(landlock_add_rule, S)           \
	X(landlock_restrict_self, S) X(timerfd_settime, NET)

#ifdef __aarch64__
#define CALLS_OWN(X) X(newfstatat, K)
#elif defined(__arm__)
#define CALLS_OWN(X) X(poll, ALL) X(open, K | L) X(fork, S)             \
	X(fcntl64, NET | K | L) X(fstat64, A | K) X(stat64, K)          \
	X(fstatat64, A | K) X(statx, A | K) X(mmap2, L) X(_llseek, L)   \
	X(clock_gettime64, ALL) X(timerfd_settime64, NET)               \
	X(clock_nanosleep_time64, S) X(ppoll_time64, ALL) X(recv, ALL)  \
	X(send, ALL) X(sigreturn, ALL)
#else
#define CALLS_OWN(X) X(poll, ALL) X(open, K | L) X(fork, S)             \
	X(stat, K) X(newfstatat, K)
#endif

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
/* musl's names for what its own 64-bit time needs. */
#ifdef __arm__
#ifndef SYS_clock_gettime
#define SYS_clock_gettime SYS_clock_gettime32
#endif
#ifndef SYS_timerfd_settime
#define SYS_timerfd_settime SYS_timerfd_settime32
#endif
#ifndef SYS_clock_nanosleep
#define SYS_clock_nanosleep SYS_clock_nanosleep_time32
#endif
#ifndef SYS_mmap
#define SYS_mmap 90
#endif
#endif

#define ROW(name, who) { SYS_##name, (who) },
static const struct row { uint16_t nr; uint8_t who; } rows[] = {
	CALLS_COMMON(ROW) CALLS_OWN(ROW)
};
#undef ROW
#define NAME(name, who) #name "\0"
static const char names[] = CALLS_COMMON(NAME) CALLS_OWN(NAME);
#undef NAME

enum { NROWS = sizeof rows / sizeof rows[0], FILTER_MAX = NROWS + 48 };

struct filter {
	unsigned short n;
	struct sock_filter f[FILTER_MAX];
};

static void
put(struct filter *f, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	assert(f->n < FILTER_MAX);
	f->f[f->n++] = (struct sock_filter){ code, yes, no, k };
}

enum {
	LOAD = BPF_LD | BPF_W | BPF_ABS,
	EQUAL = BPF_JMP | BPF_JEQ | BPF_K,
	HAS = BPF_JMP | BPF_JSET | BPF_K,
	AND = BPF_ALU | BPF_AND | BPF_K,
	RETURN = BPF_RET | BPF_K,
};

/* The low half of argument i: these are the little-endian processors. */
static uint32_t
argument(size_t i)
{
	return (uint32_t)(offsetof(struct seccomp_data, args) + 8 * i);
}

/* The number is loaded already; each of these ends the program. */
static void
put_kill_if(struct filter *f, uint32_t nr, size_t arg, uint32_t bits)
{
	put(f, EQUAL, nr, 0, 4);
	put(f, LOAD, argument(arg), 0, 0);
	put(f, HAS, bits, 0, 1);
	put(f, RETURN, SECCOMP_RET_KILL_PROCESS, 0, 0);
	put(f, RETURN, SECCOMP_RET_ALLOW, 0, 0);
}

/* Sockets: TCP, and Unix streams if need be; datagrams for names only. */
static void
put_socket(struct filter *f, const struct sandbox *b)
{
	uint32_t unix_or_none = b->unix_sockets ? AF_UNIX : AF_INET;
	uint32_t second = b->roles & L ? SOCK_DGRAM : SOCK_STREAM;

	put(f, EQUAL, SYS_socket, 0, 10);
	put(f, LOAD, argument(0), 0, 0);
	put(f, EQUAL, AF_INET, 2, 0);
	put(f, EQUAL, AF_INET6, 1, 0);
	put(f, EQUAL, unix_or_none, 0, 4);
	put(f, LOAD, argument(1), 0, 0);
	put(f, AND, 0xf, 0, 0);
	put(f, EQUAL, SOCK_STREAM, 2, 0);
	put(f, EQUAL, second, 1, 0);
	put(f, RETURN, SECCOMP_RET_KILL_PROCESS, 0, 0);
	put(f, RETURN, SECCOMP_RET_ALLOW, 0, 0);
}

/* Its row, and the arguments that its kind of process may give. */
static bool
may(const struct sandbox *b, const struct row *row)
{
	if (row->nr == SYS_sendmsg && (b->roles & R) != 0 && b->pass_fd < 0)
		return false;
	return (row->who & b->roles) != 0;
}

/* Descriptors are sent on one socket. */
static void
put_pass(struct filter *f, const struct sandbox *b)
{
	put(f, EQUAL, SYS_sendmsg, 0, 4);
	put(f, LOAD, argument(0), 0, 0);
	put(f, EQUAL, (uint32_t)b->pass_fd, 1, 0);
	put(f, RETURN, SECCOMP_RET_KILL_PROCESS, 0, 0);
	put(f, RETURN, SECCOMP_RET_ALLOW, 0, 0);
}

static void
put_filter(struct filter *f, const struct sandbox *b)
{
	f->n = 0;
	put(f, LOAD, offsetof(struct seccomp_data, arch), 0, 0);
	put(f, EQUAL, ARCH, 1, 0);
	put(f, RETURN, SECCOMP_RET_KILL_PROCESS, 0, 0);
	put(f, LOAD, offsetof(struct seccomp_data, nr), 0, 0);
	for (size_t i = 0; i < NROWS; i++) {
		if (!may(b, &rows[i]))
			continue;
		if (rows[i].nr == SYS_socket) {
			put_socket(f, b);
		} else if (rows[i].nr == SYS_sendmsg && (b->roles & R) != 0) {
			put_pass(f, b);
		} else if (rows[i].nr == SYS_mmap ||
		    rows[i].nr == SYS_mprotect) {
			put_kill_if(f, rows[i].nr, 2, PROT_EXEC);
		} else {
			put(f, EQUAL, rows[i].nr, 0, 1);
			put(f, RETURN, SECCOMP_RET_ALLOW, 0, 0);
		}
	}
	put(f, RETURN, SECCOMP_RET_KILL_PROCESS, 0, 0);
}

/* ---- Landlock ------------------------ */

enum {
	LL_FS_1 = (1 << 13) - 1,        /* what version 1 knows */
	LL_FS_REFER = 1 << 13,          /* 2 */
	LL_FS_TRUNCATE = 1 << 14,       /* 3 */
	LL_FS_IOCTL = 1 << 15,          /* 5 */
	LL_WRITE_FILE = 1 << 1, LL_READ_FILE = 1 << 2, LL_READ_DIR = 1 << 3,
	LL_REMOVE_FILE = 1 << 5, LL_MAKE_REG = 1 << 8, LL_MAKE_SOCK = 1 << 9,
	LL_NET_BIND = 1, LL_NET_CONNECT = 2,    /* 4 */
	LL_SCOPE_ALL = 3,               /* 6: abstract sockets, signals */
	LL_RULE_PATH = 1, LL_RULE_PORT = 2,
	LL_GET_VERSION = 1,
};

struct ll_ruleset { uint64_t fs, net, scope; };
struct ll_path { uint64_t allow; int32_t fd; } __attribute__((packed));
struct ll_port { uint64_t allow, port; };

static int
landlock_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LL_GET_VERSION);

	return v < 0 ? 0 : (int)v;
}

static bool
allow_path(int rules, const struct sandbox_path *p, uint64_t known)
{
	struct ll_path rule = {
		.allow = (uint64_t)(LL_READ_FILE | LL_READ_DIR), .fd = p->fd };
	bool done;

	if (p->write)
		rule.allow |= (uint64_t)(LL_WRITE_FILE | LL_REMOVE_FILE |
		    LL_MAKE_REG | LL_MAKE_SOCK | LL_FS_TRUNCATE) & known;
	if (p->fd < 0)
		rule.fd = open(p->path, O_PATH | O_CLOEXEC);
	if (rule.fd < 0)
		return true;            /* not there: not allowed */
	done = syscall(SYS_landlock_add_rule, rules, LL_RULE_PATH, &rule,
	    0) == 0;
	if (p->fd >= 0)
		return done;
	rule.allow = LL_READ_FILE;      /* a file has no other of these */
	done = done || syscall(SYS_landlock_add_rule, rules, LL_RULE_PATH,
	    &rule, 0) == 0;
	(void)close(rule.fd);
	return done;
}

static bool
landlock_on(const struct sandbox *b)
{
	int version = landlock_version(), rules;
	struct ll_ruleset set = { .fs = (uint64_t)LL_FS_1 |
		(version >= 2 ? LL_FS_REFER : 0) |
		(version >= 3 ? LL_FS_TRUNCATE : 0) |
		(version >= 5 ? LL_FS_IOCTL : 0) };
	size_t known = version >= 6 ? sizeof set : version >= 4 ? 16 : 8;
	bool ok;

	if (version >= 4)
		set.net = LL_NET_BIND | LL_NET_CONNECT;
	if (version >= 6)
		set.scope = LL_SCOPE_ALL;
	rules = (int)syscall(SYS_landlock_create_ruleset, &set, known, 0);
	ok = rules >= 0;
	for (size_t i = 0; ok && i < b->npaths; i++)
		ok = allow_path(rules, &b->paths[i], set.fs);
	for (size_t i = 0; ok && version >= 4 && i < b->nports; i++) {
		struct ll_port rule = { LL_NET_CONNECT, b->ports[i] };

		ok = syscall(SYS_landlock_add_rule, rules, LL_RULE_PORT,
		    &rule, 0) == 0;
	}
	ok = ok && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	if (rules >= 0)
		(void)close(rules);
	return ok;
}

/* ---- both ------------------------ */

bool
sandbox_exists(void)
{
	return true;
}

const char *
sandbox_missing(enum sandbox_mode mode)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	if (mode != SANDBOX_OFF && syscall(SYS_seccomp,
	    SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
		return "this kernel has no seccomp filters (Linux 4.14, "
		    "CONFIG_SECCOMP_FILTER): say --sandbox=off to run "
		    "without a sandbox";
	if (mode == SANDBOX_ON && landlock_version() == 0)
		return "this kernel has no Landlock (Linux 5.13, "
		    "CONFIG_SECURITY_LANDLOCK, lsm=landlock): say "
		    "--sandbox=seccomp to run without it, or --sandbox=off";
	return NULL;
}

/* A test build tries here what somebody would who has taken over. */
static const char *
entered(const struct sandbox *b)
{
#ifdef ADIT_PROBE
	probe(b->roles);
#endif
	(void)b;
	return NULL;
}

const char *
sandbox_enter(const struct sandbox *b)
{
	struct filter f;
	struct sock_fprog prog = { .filter = f.f };

	if (b->mode == SANDBOX_OFF)
		return entered(b);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return "no_new_privs";
	if (b->mode == SANDBOX_ON && !landlock_on(b))
		return "Landlock";
	put_filter(&f, b);
	prog.len = f.n;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
		return "seccomp";
	return entered(b);
}

void
sandbox_put(struct buf *b, const struct sandbox *s)
{
	const char *name = names;

	buf_lit(b, "\n  system calls:");
	for (size_t i = 0; i < NROWS; i++) {
		size_t n = strlen(name);

		if (may(s, &rows[i])) {
			buf_lit(b, " ");
			buf_put(b, slice_of(name, n));
		}
		name += n + 1;
	}
	put_places(b, s);
}

/* ---- capabilities ------------------------ */

static void
set_capabilities(uint32_t bits)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = bits, .permitted = bits } };

	(void)syscall(SYS_capset, &head, data);
}

void
sandbox_keep_capability(bool keys)
{
	(void)prctl(PR_SET_KEEPCAPS, keys, 0, 0, 0);
}

void
sandbox_narrow_capability(bool keys)
{
	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	set_capabilities(keys ? 1u << CAP_DAC_READ_SEARCH : 0);
}

void
sandbox_drop_all(void)
{
	set_capabilities(0);
}

#else

static const char *const no_such = "this build has no sandbox: say "
    "--sandbox=off";

#ifdef __OpenBSD__

#include <unistd.h>

bool
sandbox_exists(void)
{
	return true;
}

const char *
sandbox_missing(enum sandbox_mode mode)
{
	return mode == SANDBOX_SECCOMP ? no_such : NULL;
}

const char *
sandbox_enter(const struct sandbox *b)
{
	const char *may = "stdio";

	if (b->mode == SANDBOX_OFF)
		return NULL;
	for (size_t i = 0; i < b->npaths; i++)
		if (unveil(b->paths[i].path, b->paths[i].write ? "rwc" :
		    "r") != 0)
			return "unveil";
	if (b->roles & SANDBOX_AGENT)
		may = "stdio rpath wpath cpath inet unix";
	else if (b->roles & SANDBOX_RELAY)
		may = "stdio inet unix sendfd";
	else if (b->roles & SANDBOX_KEEPER)
		may = "stdio rpath wpath cpath unix sendfd";
	else if (b->roles & SANDBOX_HASHER)
		may = "stdio";
	else if (b->roles & SANDBOX_NAMES)
		may = "stdio proc rpath inet dns";
	else
		may = "stdio rpath inet dns";
	return pledge(may, NULL) == 0 ? NULL : "pledge";
}

#else

bool
sandbox_exists(void)
{
	return false;
}

const char *
sandbox_missing(enum sandbox_mode mode)
{
	return mode == SANDBOX_OFF ? NULL : no_such;
}

const char *
sandbox_enter(const struct sandbox *b)
{
	(void)b;
	return NULL;
}

#endif

void
sandbox_put(struct buf *b, const struct sandbox *s)
{
	put_places(b, s);
}

void
sandbox_keep_capability(bool keys)
{
	(void)keys;
}

void
sandbox_narrow_capability(bool keys)
{
	(void)keys;
}

void
sandbox_drop_all(void)
{
}

#endif
