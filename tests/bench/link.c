/*
 * link: a wire of a given rate, as a TCP proxy: what a home's uplink is
 * between an agent and its relay. No root and no traffic control needed.
 *
 *   link LISTEN_PORT TARGET_PORT BYTES_PER_SECOND
 *
 * Prints "port N", serves until standard input ends. Each direction has the
 * rate for itself, shared by all connections in pieces of 4 KiB in turn: a
 * fair queue, so what waits longer waits in the measured program. Its own
 * receive buffers are small, to hold little itself. It works in ticks of a
 * millisecond, which is what it adds each way, and sleeps while nothing moves.
 */
#include "util.h"

#include <poll.h>

enum {
	CONNS_MAX = 64,
	PIECE_BYTES = 4096,
	SOCKET_BYTES = 32 * 1024,
	TICK_NS = 1000000,
	BURST_TICKS = 2,        /* unused rate that a late tick may still use */
	QUIET_TICKS = 20,
};

struct conn {
	int fd[2];              /* NO_FD when the place is free */
	bool ended[2];          /* fd[i] has sent FIN, and it was passed on */
};

static struct conn conns[CONNS_MAX];
static uint16_t target_port;

static void small_buffer(int fd)
{
	int n = SOCKET_BYTES, one = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof n);
	/* A wire forwards what it has: no waiting for acknowledgements. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void conn_close(struct conn *c)
{
	close(c->fd[0]);
	close(c->fd[1]);
	c->fd[0] = c->fd[1] = NO_FD;
}

static void conn_accept(int listen_fd)
{
	for (;;) {
		struct conn *c = conns;
		int in = accept4(listen_fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (in < 0)
			return;
		while (c < conns + CONNS_MAX && c->fd[0] != NO_FD)
			c++;
		if (c == conns + CONNS_MAX)
			DIE("more than %d connections", CONNS_MAX);
		*c = (struct conn){ { in, connect_loopback(target_port) },
			{ false, false } };
		if (c->fd[1] == NO_FD) {
			close(in);
			c->fd[0] = NO_FD;
			continue;
		}
		set_nodelay(in);
		small_buffer(c->fd[1]);
	}
}

/* move: one piece from fd[i] to the other end; how many bytes went. */
static size_t move(struct conn *c, int i, size_t most)
{
	uint8_t piece[PIECE_BYTES];
	ssize_t n, k;

	if (c->fd[0] == NO_FD || c->ended[i])
		return 0;
	if (most > PIECE_BYTES)
		most = PIECE_BYTES;
	/* looked at first and taken once sent: nothing is ever kept here */
	n = recv(c->fd[i], piece, most, MSG_PEEK);
	if (n == 0) {
		shutdown(c->fd[!i], SHUT_WR);
		c->ended[i] = true;
	}
	if ((n < 0 && errno != EAGAIN && errno != EINTR) ||
	    (c->ended[0] && c->ended[1])) {
		conn_close(c);
		return 0;
	}
	if (n <= 0)
		return 0;
	k = send(c->fd[!i], piece, (size_t)n, MSG_NOSIGNAL);
	if (k < 0 && errno != EAGAIN && errno != EINTR)
		conn_close(c);
	if (k <= 0)
		return 0;
	if (recv(c->fd[i], piece, (size_t)k, 0) != k)
		DIE("what was seen could not be taken");
	return (size_t)k;
}

/* tick: spend the budget of direction i, everybody in turn. */
static bool tick(int i, uint64_t *budget)
{
	static unsigned turn[2];
	unsigned idle = 0;
	bool moved = false;

	while (*budget > 0 && idle < CONNS_MAX) {
		size_t n = move(&conns[turn[i]++ % CONNS_MAX], i,
		    (size_t)*budget);

		*budget -= n;
		idle = n > 0 ? 0 : idle + 1;
		moved |= n > 0;
	}
	return moved;
}

/* rest: wait for somebody to send, or for the next tick while all is busy. */
static void rest(int listen_fd, int timeout_ms)
{
	struct pollfd p[2 + 2 * CONNS_MAX];
	nfds_t n = 0;

	p[n++] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	p[n++] = (struct pollfd){ .fd = listen_fd, .events = POLLIN };
	for (unsigned k = 0; k < 2 * CONNS_MAX && timeout_ms < 0; k++) {
		struct conn *c = &conns[k / 2];

		if (c->fd[0] != NO_FD && !c->ended[k % 2])
			p[n++] = (struct pollfd){ .fd = c->fd[k % 2],
				.events = POLLIN };
	}
	if (poll(p, n, timeout_ms) <= 0)
		return;
	if (p[0].revents != 0)
		exit(0);
	if (p[1].revents != 0)
		conn_accept(listen_fd);
}

int main(int argc, char **argv)
{
	uint64_t rate, most, budget[2] = { 0, 0 }, last;
	unsigned quiet = 0;
	int listen_fd;

	prog = "link";
	if (argc != 4)
		DIE("usage: link LISTEN_PORT TARGET_PORT BYTES_PER_SECOND");
	target_port = (uint16_t)arg_number(argv[2], 65535);
	rate = arg_number(argv[3], 1ul << 32);
	most = rate * BURST_TICKS / (1000000000 / TICK_NS);
	for (unsigned i = 0; i < CONNS_MAX; i++)
		conns[i].fd[0] = conns[i].fd[1] = NO_FD;
	listen_fd = listen_loopback((uint16_t)arg_number(argv[1], 65535));
	small_buffer(listen_fd);        /* what it accepts inherits this */
	last = now_ns();
	for (;;) {
		uint64_t now;
		bool moved = false;

		rest(listen_fd, quiet > QUIET_TICKS ? -1 : 1);
		now = now_ns();
		for (int i = 0; i < 2; i++) {
			budget[i] += rate * (now - last) / 1000000000u;
			if (budget[i] > most)
				budget[i] = most;
			moved |= tick(i, &budget[i]);
		}
		last = now;
		quiet = moved ? 0 : quiet + 1;
	}
}
