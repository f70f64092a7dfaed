/*
 * net: the loop and the kernel, on whichever poller is linked: the same
 * program runs over epoll and over kqueue's stand-in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "net_world.h"

static int64_t
rd(int fd, void *p, size_t n)
{
	return io_read(w.io, fd, p, n);
}

static int64_t
wr(int fd, const char *s)
{
	return io_write(w.io, fd, slice_of(s, strlen(s)));
}

static void
end(int fd, bool abort)
{
	w.io->ops->close(w.io->ctx, fd, abort);
}

static int
option(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof v;

	assert_int_equal(getsockopt(fd, level, name, &v, &n), 0);
	return v;
}

/* ---- readiness ------------------------ */

static void
carries_bytes_both_ways(void **state)
{
	enum { TOTAL = 8 << 20 };
	static uint8_t buf[65536];
	uint64_t sent[2] = { 0 }, got[2] = { 0 };
	int fd[2];

	(void)state;
	world_open();
	connect_pair(&fd[0], &fd[1]);
	w.flags[1] = w.flags[2] = EV_READ | EV_WRITE;
	while (got[0] < TOTAL || got[1] < TOTAL) {
		for (unsigned i = 0; i < 2; i++) {
			int64_t r = 0;

			while (sent[i] < TOTAL && (r = io_write(w.io, fd[i],
			    slice_of(buf, min_size(sizeof buf,
			    TOTAL - sent[i])))) > 0)
				sent[i] += (uint64_t)r;
			assert_true(r >= 0 || r == IO_AGAIN);
			while ((r = rd(fd[i], buf, sizeof buf)) > 0)
				got[i] += (uint64_t)r;
			assert_int_equal(r, IO_AGAIN);
		}
		if (got[0] < TOTAL || got[1] < TOTAL)
			turn(5000);
	}
	assert_true(got[0] == TOTAL && got[1] == TOTAL);
	end(fd[0], false);
	end(fd[1], false);
	world_close();
}

static void
tells_of_a_change_once(void **state)
{
	int a, b;
	char buf[16];

	(void)state;
	world_open();
	connect_pair(&a, &b);
	idle(20);
	w.flags[1] = w.flags[2] = 0;
	assert_int_equal(wr(a, "hello"), 5);
	await(2, EV_READ);
	/* Not all of it is read: nothing more is said about the rest. */
	assert_int_equal(rd(b, buf, 2), 2);
	idle(30);
	assert_int_equal(w.flags[2] & EV_READ, 0);
	/* Until there is more. */
	assert_int_equal(wr(a, "!"), 1);
	await(2, EV_READ);
	assert_int_equal(rd(b, buf, sizeof buf), 4);
	assert_int_equal(rd(b, buf, sizeof buf), IO_AGAIN);
	/* The present state is said to a new owner, and only to that one. */
	assert_int_equal(wr(a, "x"), 1);
	await(2, EV_READ);
	w.flags[2] = 0;
	assert_true(w.io->ops->watch(w.io->ctx, b, who(3)));
	await(3, EV_READ);
	assert_int_equal(w.flags[2], 0);
	end(a, false);
	await(3, EV_HUP);
	assert_int_equal(w.flags[2], 0);
	end(b, false);
	world_close();
}

static void
tells_when_there_is_room_again(void **state)
{
	static uint8_t buf[1 << 16];
	int a, b;
	int64_t r;

	(void)state;
	world_open();
	connect_pair(&a, &b);
	while ((r = io_write(w.io, a, slice_of(buf, sizeof buf))) > 0)
		;
	assert_int_equal(r, IO_AGAIN);
	idle(50);
	while ((r = io_write(w.io, a, slice_of(buf, sizeof buf))) > 0)
		;
	w.flags[1] = 0;
	idle(30);
	assert_int_equal(w.flags[1] & EV_WRITE, 0);
	for (unsigned i = 0; i < 500 && (w.flags[1] & EV_WRITE) == 0; i++) {
		while (rd(b, buf, sizeof buf) > 0)
			;
		turn(10);
	}
	assert_int_equal(w.flags[1] & EV_WRITE, EV_WRITE);
	assert_true(io_write(w.io, a, slice_of(buf, 1)) == 1);
	end(a, false);
	end(b, false);
	world_close();
}

/* Two descriptors are ready in one turn; whoever is told first closes the
 * other, and its number goes to a new, quiet one. */
static struct {
	int fd[2], back[2], quiet[2];
	unsigned told;
} swap;

static void
swap_other(const struct io_event *ev)
{
	unsigned other = handle_index(ev->who) == 10 ? 1 : 0;
	int number = swap.fd[other];

	if (swap.told++ > 0 || (ev->flags & EV_READ) == 0)
		return;
	end(number, false);
	assert_int_equal(dup2(swap.quiet[0], number), number);
	assert_true(w.io->ops->watch(w.io->ctx, number, who(12)));
}

static void
never_tells_the_next_owner_of_a_number(void **state)
{
	int pair[2];

	(void)state;
	world_open();
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM |
		    SOCK_NONBLOCK, 0, pair), 0);
		swap.fd[i] = pair[0];
		swap.back[i] = pair[1];
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    swap.quiet), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_true(w.io->ops->watch(w.io->ctx, swap.fd[i],
		    who(10 + i)));
	idle(20);
	memset(w.flags, 0, sizeof w.flags);
	w.on_event = swap_other;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(write(swap.back[i], "x", 1), 1);
	idle(50);
	assert_true(swap.told >= 1);
	assert_int_equal(w.flags[12] & (EV_READ | EV_HUP), 0);
	assert_int_equal(w.flags[12] & EV_WRITE, EV_WRITE);
	/* One of the two was never told. */
	assert_true(((w.flags[10] | w.flags[11]) & EV_READ) != 0);
	assert_true((w.flags[10] & w.flags[11] & EV_READ) == 0);
	for (unsigned i = 0; i < 2; i++) {
		end(swap.fd[i], false);
		(void)close(swap.back[i]);
		(void)close(swap.quiet[i]);
	}
	world_close();
}

static void
writes_many_pieces_in_order(void **state)
{
	struct slice v[200];
	uint8_t bytes[200], back[200];
	size_t got = 0, done = 0;
	int a, b;

	(void)state;
	world_open();
	connect_pair(&a, &b);
	for (size_t i = 0; i < 200; i++) {
		bytes[i] = (uint8_t)i;
		v[i] = slice_of(&bytes[i], 1);
	}
	while (done < 200) {
		int64_t r = io_writev(w.io, a, v + done, 200 - done);

		assert_true(r > 0);
		done += (size_t)r;
	}
	while (got < 200) {
		int64_t r = rd(b, back + got, sizeof back - got);

		if (r > 0)
			got += (size_t)r;
		else
			turn(100);
	}
	assert_memory_equal(back, bytes, 200);
	end(a, false);
	end(b, false);
	world_close();
}

/* ---- ends ------------------------ */

static void
half_close_leaves_the_other_half(void **state)
{
	char buf[16];
	int a, b;

	(void)state;
	world_open();
	connect_pair(&a, &b);
	assert_int_equal(wr(a, "last"), 4);
	w.io->ops->shutdown(w.io->ctx, a);
	await(2, EV_READ | EV_HUP);
	assert_int_equal(rd(b, buf, sizeof buf), 4);
	assert_int_equal(rd(b, buf, sizeof buf), IO_EOF);
	assert_int_equal(wr(b, "answer"), 6);
	await(1, EV_READ);
	assert_int_equal(rd(a, buf, sizeof buf), 6);
	assert_int_equal(rd(a, buf, sizeof buf), IO_AGAIN);
	end(b, false);
	await(1, EV_HUP);
	assert_int_equal(rd(a, buf, sizeof buf), IO_EOF);
	end(a, false);
	world_close();
}

static void
abort_is_a_reset_for_the_peer(void **state)
{
	char buf[16];
	int a, b;

	(void)state;
	world_open();
	connect_pair(&a, &b);
	w.flags[2] = 0;
	end(a, true);
	await(2, EV_READ | EV_HUP);
	assert_int_equal(rd(b, buf, sizeof buf), IO_FAIL);
	assert_int_equal(w.k.error, ECONNRESET);
	/* Writing to it fails too, and kills nobody. */
	assert_int_equal(wr(b, "x"), IO_FAIL);
	assert_int_equal(w.k.error, EPIPE);
	end(b, false);
	world_close();
}

/* ---- connecting ------------------------ */

static int
try_connect(const struct addr *to, struct slice path)
{
	int fd = w.io->ops->connect(w.io->ctx, to, path), r;

	if (fd < 0)
		return fd;
	assert_true(w.io->ops->watch(w.io->ctx, fd, who(5)));
	w.flags[5] = 0;
	await(5, EV_WRITE);
	r = w.io->ops->connected(w.io->ctx, fd);
	end(fd, false);
	return r;
}

static void
says_why_it_cannot_connect(void **state)
{
	struct addr at = loopback(0), bound, none = { 0 };
	struct addr nowhere = { .family = ADDR_V4, .port = 9,
		.ip = { 255, 255, 255, 255 } };
	struct slice no = slice_of(NULL, 0);
	int fd;

	(void)state;
	world_open();
	fd = net_listen(&at, &bound);
	end(fd, false);
	assert_int_equal(try_connect(&bound, no), IO_REFUSED);
	assert_int_equal(w.k.error, ECONNREFUSED);
	assert_int_equal(try_connect(&nowhere, no), IO_FAIL);
	assert_true(w.k.error == ENETUNREACH || w.k.error == EACCES);
	assert_int_equal(try_connect(&none, no), IO_FAIL);
	assert_int_equal(w.k.error, EINVAL);
	world_close();
}

static void
does_not_take_itself_for_a_peer(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t n = sizeof in;
	int fd;

	(void)state;
	world_open();
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, n), 0);
	assert_int_equal(w.io->ops->connected(w.io->ctx, fd),
	    IO_REFUSED);
	assert_int_equal(w.k.error, ECONNREFUSED);
	end(fd, false);
	world_close();
}

static void
reaches_unix_sockets(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct addr to = { .family = ADDR_UNIX }, peer;
	char dir[] = "/tmp/adit-test-XXXXXX", long_path[109];
	struct slice path;
	int fd, a, b;

	(void)state;
	world_open();
	assert_non_null(mkdtemp(dir));
	(void)snprintf(un.sun_path, sizeof un.sun_path, "%s/s", dir);
	path = slice_of(un.sun_path, strlen(un.sun_path));
	assert_int_equal(try_connect(&to, path), IO_REFUSED);
	assert_int_equal(w.k.error, ENOENT);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(listen(fd, 5), 0);
	a = w.io->ops->connect(w.io->ctx, &to, path);
	assert_true(a >= 0);
	assert_true(w.io->ops->watch(w.io->ctx, a, who(1)));
	await(1, EV_WRITE);
	assert_int_equal(w.io->ops->connected(w.io->ctx, a), 0);
	b = w.io->ops->accept(w.io->ctx, fd, &peer);
	assert_true(b >= 0);
	assert_int_equal(peer.family, ADDR_UNIX);
	assert_int_equal(wr(b, "hi"), 2);
	await(1, EV_READ);
	end(a, false);
	end(b, false);
	end(fd, false);
	assert_int_equal(try_connect(&to, path), IO_REFUSED);
	assert_int_equal(w.k.error, ECONNREFUSED);
	memset(long_path, 'x', sizeof long_path);
	assert_int_equal(try_connect(&to, slice_of(long_path, 108)), IO_FAIL);
	assert_int_equal(w.k.error, EINVAL);
	assert_int_equal(try_connect(&to, slice_of("a\0b", 3)), IO_FAIL);
	(void)unlink(un.sun_path);
	(void)rmdir(dir);
	world_close();
}

/* ---- listening ------------------------ */

static void
passes_its_options_on(void **state)
{
	int a, b;

	(void)state;
	world_open();
	connect_pair(&a, &b);
	for (unsigned i = 0; i < 2; i++) {
		int fd = i == 0 ? a : b;

		assert_true(option(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
		assert_true(option(fd, SOL_SOCKET, SO_KEEPALIVE) != 0);
		assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
		assert_int_equal(option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT),
		    128 * 1024);
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	}
	w.io->ops->bulk(w.io->ctx, b);
	assert_int_equal(option(b, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
	assert_int_equal(option(b, IPPROTO_TCP, TCP_KEEPIDLE), 15);
	end(a, false);
	end(b, false);
	world_close();
}

static void
listens_on_every_address(void **state)
{
	struct addr at = { 0 }, bound, peer, to[2], again;
	int fd;

	(void)state;
	world_open();
	fd = net_listen(&at, &bound);
	assert_true(fd >= 0);
	assert_int_equal(bound.family, ADDR_NONE);
	assert_true(bound.port != 0);
	to[0] = loopback(bound.port);
	to[1] = (struct addr){ .family = ADDR_V6, .port = bound.port,
		.ip = { [15] = 1 } };
	assert_true(w.io->ops->watch(w.io->ctx, fd, who(0)));
	for (unsigned i = 0; i < 2; i++) {
		int a = w.io->ops->connect(w.io->ctx, &to[i],
		    slice_of(NULL, 0)), b;

		assert_true(a >= 0);
		w.flags[0] = 0;
		await(0, EV_READ);
		b = w.io->ops->accept(w.io->ctx, fd, &peer);
		assert_true(b >= 0);
		/* IPv4 stays IPv4, whatever socket took it. */
		assert_true(addr_same_ip(&peer, &to[i]));
		end(a, false);
		end(b, false);
	}
	at.port = bound.port;
	assert_int_equal(net_listen(&at, &again), -1);
	assert_int_equal(errno, EADDRINUSE);
	at = loopback(bound.port);
	assert_int_equal(net_listen(&at, &again), -1);
	assert_int_equal(errno, EADDRINUSE);
	at = (struct addr){ .family = ADDR_V4, .ip = { 192, 0, 2, 1 } };
	assert_int_equal(net_listen(&at, &again), -1);
	assert_int_equal(errno, EADDRNOTAVAIL);
	at.family = ADDR_UNIX;
	assert_int_equal(net_listen(&at, &again), -1);
	end(fd, false);
	world_close();
}

/* ---- too many ------------------------ */

static int
dial(const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t n = net_to_sockaddr(&ss, to, slice_of(NULL, 0));
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, n), 0);
	return fd;
}

static void
out_of_descriptors_is_survived(void **state)
{
	enum { CLIENTS = 40, LEFT = 10 };
	struct addr at = loopback(0), bound, peer;
	struct rlimit old, low;
	int fd, client[CLIENTS], got[CLIENTS], n = 0, shut = 0, r = 0;
	size_t before;

	(void)state;
	world_open();
	fd = net_listen(&at, &bound);
	assert_true(w.io->ops->watch(w.io->ctx, fd, who(0)));
	for (int i = 0; i < CLIENTS; i++)
		client[i] = dial(&bound);
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = (rlim_t)client[CLIENTS - 1] + 1 + LEFT;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	await(0, EV_READ);
	while (n < CLIENTS &&
	    (r = w.io->ops->accept(w.io->ctx, fd, &peer)) >= 0)
		got[n++] = r;
	assert_int_equal(n, LEFT);
	assert_int_equal(r, IO_FAIL);
	assert_int_equal(w.k.error, EMFILE);
	/* The listener is told again until the queue is empty, without more
	 * turns than that takes. */
	before = w.turns;
	for (int i = 0; i < 100 && r != IO_AGAIN; i++) {
		await(0, EV_READ);
		r = w.io->ops->accept(w.io->ctx, fd, &peer);
	}
	assert_int_equal(r, IO_AGAIN);
	assert_int_equal(w.k.dropped, CLIENTS - LEFT);
	idle(100);
	assert_true(w.turns - before < 50);
	/* Those that found no place know it. */
	for (int i = 0; i < CLIENTS; i++) {
		char c;

		shut += recv(client[i], &c, 1, MSG_DONTWAIT) == 0;
		(void)close(client[i]);
	}
	assert_int_equal(shut, CLIENTS - LEFT);
	for (int i = 0; i < n; i++)
		end(got[i], false);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	/* And then there is place again. */
	w.flags[0] = 0;
	client[0] = dial(&bound);
	await(0, EV_READ);
	r = w.io->ops->accept(w.io->ctx, fd, &peer);
	assert_true(r >= 0);
	end(r, false);
	(void)close(client[0]);
	end(fd, false);
	world_close();
}

static void
keeps_to_the_table_of_descriptors(void **state)
{
	struct kernel_cfg cfg = { 0 };
	struct addr at = loopback(0), bound, peer;
	int fd, client, high[64], n = 0, r = dup(0), end_of_table = r + 20;

	(void)state;
	(void)close(r);
	cfg.fds_max = (uint32_t)end_of_table;
	world_open_with(cfg);
	fd = net_listen(&at, &bound);
	assert_true(w.io->ops->watch(w.io->ctx, fd, who(0)));
	client = dial(&bound);
	while (n < 64 && (r = dup(client)) < end_of_table)
		high[n++] = r;
	high[n++] = r;
	await(0, EV_READ);
	r = w.io->ops->accept(w.io->ctx, fd, &peer);
	assert_true(r == IO_AGAIN);
	assert_int_equal(w.k.dropped, 1);
	assert_int_equal(w.io->ops->connect(w.io->ctx, &bound,
	    slice_of(NULL, 0)), IO_FAIL);
	assert_int_equal(w.k.error, EMFILE);
	assert_false(w.io->ops->watch(w.io->ctx, high[n - 1], who(1)));
	for (int i = 0; i < n; i++)
		(void)close(high[i]);
	(void)close(client);
	end(fd, false);
	world_close();
}

/* ---- time, signals, answers, randomness, memory ------------------------ */

static void
wakes_up_when_due(void **state)
{
	static const uint64_t waits[] = { 1, 30, 1200, 40 };    /* ms */

	(void)state;
	world_open();
	for (size_t i = 0; i < 4; i++) {
		uint64_t start = net_now_ms();

		w.due_ms = start + waits[i];
		w.l.due_ms = 0;
		turn(0);
		while (net_now_ms() < w.due_ms)
			loop_turn(&w.l, &world_ops, NULL, UINT64_MAX);
		assert_in_range(w.l.io.now_ms, start + waits[i],
		    start + NEVER_MS);
	}
	/* With nothing due, a turn ends when the caller wants it to. */
	w.due_ms = w.l.due_ms = UINT64_MAX;
	turn(20);
	assert_true(w.l.io.wall_ms > 1700000000000u);
	world_close();
}

static void
hands_out_signals(void **state)
{
	(void)state;
	world_open();
	turn(0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(kill(getpid(), SIGUSR1), 0);
		turn(1000);
	}
	assert_int_equal(w.signals[SIGUSR1], 3);
	assert_int_equal(kill(getpid(), SIGHUP), 0);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	turn(1000);
	turn(20);
	assert_int_equal(w.signals[SIGHUP], 1);
	assert_int_equal(w.signals[SIGUSR1], 4);
	world_close();
}

static struct {
	size_t asked, seen;
	uint32_t next;          /* the seq that should come */
	bool again;             /* ask from within the answer */
} quiz;

static bool
keeper(void *ctx, const struct ask *q)
{
	struct answer a = { .kind = q->kind, .seq = q->seq, .who = q->who };

	assert_ptr_equal(ctx, &quiz);
	quiz.asked++;
	return kernel_answer(&w.k, &a);
}

static bool
ask(uint32_t seq)
{
	struct ask q = { .kind = ASK_SESSION, .seq = seq, .who = who(7) };

	return w.io->ops->ask(w.io->ctx, &q);
}

static void
take_answer(const struct io_event *ev)
{
	if ((ev->flags & EV_ANSWER) == 0)
		return;
	assert_int_equal(ev->answer->seq, quiz.next);
	quiz.next++;
	quiz.seen++;
	if (quiz.again)
		assert_true(ask(ev->answer->seq + 1));
}

static void
answers_come_later_and_in_order(void **state)
{
	(void)state;
	world_open();
	assert_false(ask(0));
	world_close();
	world_open_with((struct kernel_cfg){
	    .ask = keeper, .ask_ctx = &quiz });
	w.on_event = take_answer;
	for (uint32_t round = 0; round < 3; round++) {
		quiz.next = 0;
		quiz.seen = 0;
		for (uint32_t i = 0; i < KERNEL_ANSWERS_MAX; i++)
			assert_true(ask(i));
		assert_false(ask(99));
		assert_int_equal(kernel_answers_left(&w.k), 0);
		assert_int_equal(quiz.seen, 0);
		turn(5000);
		assert_int_equal(quiz.seen, KERNEL_ANSWERS_MAX);
	}
	/* One that leads to the next does not hold the turn up. */
	quiz.again = true;
	quiz.next = 5;
	quiz.seen = 0;
	assert_true(ask(5));
	for (size_t i = 1; i < 600; i++) {
		turn(5000);
		assert_int_equal(quiz.seen, i);
	}
	world_close();
}

static void
random_bytes_do_not_repeat(void **state)
{
	uint8_t a[1000] = { 0 }, b[1000] = { 0 };
	unsigned ones = 0;

	(void)state;
	world_open();
	for (size_t i = 0; i < sizeof a; i += 10)
		io_random(w.io, a + i, 10);
	io_random(w.io, b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
	for (size_t i = 0; i < sizeof a; i++)
		ones += (unsigned)__builtin_popcount(a[i]);
	assert_in_range(ones, 3600, 4400);
	for (size_t i = 0; i + 16 <= sizeof a; i += 8)
		assert_memory_not_equal(a + i, a + i + 8, 8);
	world_close();
}

static void
released_pages_read_as_zeros(void **state)
{
	struct arena a;

	(void)state;
	assert_true(net_reserve(&a, (size_t)1 << 30));
	assert_int_equal((uintptr_t)a.p % 65536, 0);
	a.p[0] = a.p[a.cap - 1] = 1;
	memset(a.p + 65536, 7, 3 * 65536);
	a.release(a.p + 2 * 65536, 65536);
	assert_int_equal(a.p[2 * 65536 - 1], 7);
	assert_int_equal(a.p[2 * 65536], 0);
	assert_int_equal(a.p[3 * 65536 - 1], 0);
	assert_int_equal(a.p[3 * 65536], 7);
	/* Less than a page is left alone, not rounded up. */
	a.release(a.p + 3 * 65536, 100);
	a.release(a.p + 3 * 65536 + 100, 65536);
	assert_int_equal(a.p[3 * 65536], 7);
	assert_int_equal(a.p[4 * 65536 - 1], 7);
	net_unreserve(&a);
	assert_false(net_reserve(&a, SIZE_MAX - 5));
	assert_false(net_reserve(&a, SIZE_MAX / 2));
}

static int
name_poller(void **state)
{
	(void)state;
	print_message("poller: %s\n", poller_name());
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_bytes_both_ways),
		cmocka_unit_test(tells_of_a_change_once),
		cmocka_unit_test(tells_when_there_is_room_again),
		cmocka_unit_test(never_tells_the_next_owner_of_a_number),
		cmocka_unit_test(writes_many_pieces_in_order),
		cmocka_unit_test(half_close_leaves_the_other_half),
		cmocka_unit_test(abort_is_a_reset_for_the_peer),
		cmocka_unit_test(says_why_it_cannot_connect),
		cmocka_unit_test(does_not_take_itself_for_a_peer),
		cmocka_unit_test(reaches_unix_sockets),
		cmocka_unit_test(passes_its_options_on),
		cmocka_unit_test(listens_on_every_address),
		cmocka_unit_test(out_of_descriptors_is_survived),
		cmocka_unit_test(keeps_to_the_table_of_descriptors),
		cmocka_unit_test(wakes_up_when_due),
		cmocka_unit_test(hands_out_signals),
		cmocka_unit_test(answers_come_later_and_in_order),
		cmocka_unit_test(random_bytes_do_not_repeat),
		cmocka_unit_test(released_pages_read_as_zeros),
	};

	return cmocka_run_group_tests(tests, name_poller, NULL);
}
