/*
 * util.h: what the three bench programs share: loopback sockets, the clock,
 * and the byte pattern by which a receiver knows that a body arrived whole.
 *
 * Byte i of every long body is i mod 251. 251 is prime, so a block that is
 * lost, doubled or moved by any power of two shows at once.
 */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	PATTERN_PRIME = 251,
	PATTERN_BYTES = PATTERN_PRIME * 1044,   /* 262,044: one send */
	READ_BYTES = 256 * 1024,
};

#define NO_FD (-1)

static uint8_t pattern_area[PATTERN_BYTES];

static const char *prog = "bench";

#define DIE(...) do {                                   \
	fprintf(stderr, "%s: ", prog);                  \
	fprintf(stderr, __VA_ARGS__);                   \
	fputc('\n', stderr);                            \
	exit(1);                                        \
} while (0)

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void pattern_init(void)
{
	for (size_t i = 0; i < PATTERN_BYTES; i++)
		pattern_area[i] = (uint8_t)(i % PATTERN_PRIME);
}

/*
 * pattern_at: the body from offset `pos` on, at most `want` bytes of it;
 * *n says how many are there (at least 1 when want is).
 */
static inline const uint8_t *pattern_at(uint64_t pos, uint64_t want, size_t *n)
{
	size_t off = (size_t)(pos % PATTERN_PRIME);
	size_t have = PATTERN_BYTES - off;

	*n = want < have ? (size_t)want : have;
	return pattern_area + off;
}

/* pattern_holds: whether p[0..n) is the body's part at `pos`. */
static inline bool pattern_holds(const uint8_t *p, size_t n, uint64_t pos)
{
	while (n > 0) {
		size_t k;
		const uint8_t *want = pattern_at(pos, n, &k);

		if (memcmp(p, want, k) != 0)
			return false;
		p += k;
		n -= k;
		pos += k;
	}
	return true;
}

static inline struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	return a;
}

static inline void set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		DIE("fcntl: %s", strerror(errno));
}

static inline void set_nodelay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
		DIE("TCP_NODELAY: %s", strerror(errno));
}

/* listen_loopback: port 0 lets the kernel choose; the choice is printed. */
static inline int listen_loopback(uint16_t port)
{
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = loopback(port);
	socklen_t n = sizeof a;

	if (fd < 0)
		DIE("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
	    listen(fd, 4096) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		DIE("listen on port %u: %s", port, strerror(errno));
	set_nonblock(fd);
	printf("port %u\n", ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

/*
 * connect_loopback: connected and nonblocking, or NO_FD with errno. The
 * connect itself blocks: on loopback it is over when it returns.
 */
static inline int connect_loopback(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = loopback(port);

	if (fd < 0)
		DIE("socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		int e = errno;

		close(fd);
		errno = e;
		return NO_FD;
	}
	set_nodelay(fd);
	set_nonblock(fd);
	return fd;
}

static inline int epoll_make(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0)
		DIE("epoll_create1: %s", strerror(errno));
	return ep;
}

static inline void epoll_set(int ep, int op, int fd, uint32_t events, void *p)
{
	struct epoll_event ev = { .events = events, .data = { .ptr = p } };

	if (epoll_ctl(ep, op, fd, &ev) < 0)
		DIE("epoll_ctl: %s", strerror(errno));
}

static inline unsigned long arg_number(const char *s, unsigned long max)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(s, &end, 10);
	if (errno != 0 || end == s || *end != '\0' || v > max)
		DIE("not a number up to %lu: %s", max, s);
	return v;
}

#endif
