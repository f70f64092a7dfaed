/*
 * net/resolve: names through the helpers, with a made-up directory of names,
 * some of which are slow or kill the helper that looks them up. Most
 * tests wait for no time to pass: run_out ends the patience with what waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "net_world.h"

static struct resolver r;
static char **our_argv;

/* What the helpers share with us. */
static struct {
	sem_t here;             /* one looks up late.test or slow.test */
	sem_t go;               /* late.test may be answered */
} *shared;

static size_t
directory(const char *name, struct addr *out)
{
	struct slice s = slice_of(name, strlen(name));

	if (slice_eq(s, SL("two.test"))) {
		out[0] = (struct addr){ .family = ADDR_V4,
			.ip = { 192, 0, 2, 7 } };
		out[1] = (struct addr){ .family = ADDR_V6,
			.ip = { 0x20, 1, [15] = 9 } };
		return 2;
	}
	if (slice_eq(s, SL("many.test"))) {
		for (uint8_t i = 0; i < RESOLVE_MAX; i++)
			out[i] = (struct addr){ .family = ADDR_V4,
				.ip = { 10, i } };
		return RESOLVE_MAX;
	}
	if (slice_eq(s, SL("slow.test"))) {
		(void)sem_post(&shared->here);
		(void)pause();
	}
	if (slice_eq(s, SL("late.test"))) {
		(void)sem_post(&shared->here);
		(void)sem_wait(&shared->go);
		return 1;
	}
	if (slice_eq(s, SL("crash.test")))
		_exit(77);
	return 0;
}

static void
open_names_for(unsigned workers, uint32_t timeout_ms)
{
	struct resolve_cfg cfg = { .workers = workers,
		.timeout_ms = timeout_ms, .lookup = directory };

	assert_int_equal(sem_init(&shared->here, 1, 0), 0);
	assert_int_equal(sem_init(&shared->go, 1, 0), 0);
	assert_true(resolver_open(&r, &cfg));
	world_open_with((struct kernel_cfg){ .resolver = &r });
}

static void
open_names(unsigned workers)
{
	open_names_for(workers, 2 * NEVER_MS);
}

/* What was asked and is not answered has been waited for long enough. */
static void
run_out(void)
{
	for (size_t i = 0; i < RESOLVE_PENDING_MAX; i++)
		r.slots[i].due_ms = 0;
}

static void
close_names(void)
{
	world_close();
	resolver_close(&r);
	assert_int_equal(r.fd, -1);
}

static bool
ask(unsigned i, struct slice name)
{
	w.naddrs[i] = 99;
	w.flags[i] = 0;
	return w.io->ops->resolve(w.io->ctx, name, 4711, who(i));
}

#define ASK(i, lit) assert_true(ask((i), SL(lit)))

static void
text_is(const struct addr *a, const char *want)
{
	uint8_t area[ADDR_TEXT_MAX];
	struct buf b = BUF_ON(area);

	assert_true(addr_put(&b, a));
	assert_int_equal(b.n, strlen(want));
	assert_memory_equal(area, want, b.n);
}

static void
answers_numbers_and_localhost_itself(void **state)
{
	static const char *const local[] = {
		"localhost", "LOCALHOST", "localhost.", "app.localhost",
	};

	(void)state;
	/* With no helper at all. */
	open_names(1);
	resolver_close(&r);
	r.retry_ms = UINT64_MAX;
	ASK(1, "192.0.2.1");
	ASK(2, "2001:db8::1");
	await(1, EV_RESOLVED);
	await(2, EV_RESOLVED);
	assert_int_equal(w.naddrs[1], 1);
	text_is(&w.addrs[1][0], "192.0.2.1:4711");
	text_is(&w.addrs[2][0], "[2001:db8::1]:4711");
	for (size_t i = 0; i < 4; i++) {
		assert_true(ask(3, slice_of(local[i], strlen(local[i]))));
		await(3, EV_RESOLVED);
		assert_int_equal(w.naddrs[3], 2);
		text_is(&w.addrs[3][0], "127.0.0.1:4711");
		text_is(&w.addrs[3][1], "[::1]:4711");
	}
	ASK(4, "notlocalhost");
	await(4, EV_RESOLVED);
	assert_int_equal(w.naddrs[4], 0);
	close_names();
}

static void
asks_the_helpers(void **state)
{
	(void)state;
	open_names(2);
	ASK(1, "two.test");
	ASK(2, "none.test");
	ASK(3, "many.test");
	await(1, EV_RESOLVED);
	await(2, EV_RESOLVED);
	await(3, EV_RESOLVED);
	assert_int_equal(w.naddrs[1], 2);
	text_is(&w.addrs[1][0], "192.0.2.7:4711");
	text_is(&w.addrs[1][1], "[2001::9]:4711");
	assert_int_equal(w.naddrs[2], 0);
	assert_int_equal(w.naddrs[3], RESOLVE_MAX);
	text_is(&w.addrs[3][7], "10.7.0.0:4711");
	assert_int_equal(r.used, 0);
	close_names();
}

static void
finds_nothing_under_names_that_cannot_be(void **state)
{
	static uint8_t name[300];

	(void)state;
	memset(name, 'a', sizeof name);
	open_names(1);
	assert_true(ask(1, slice_of(name, 254)));
	assert_true(ask(2, slice_of(name, 0)));
	assert_true(ask(3, slice_of("two.test\0x", 10)));
	assert_true(ask(4, slice_of(name, 253)));
	for (unsigned i = 1; i <= 4; i++) {
		await(i, EV_RESOLVED);
		assert_int_equal(w.naddrs[i], 0);
	}
	close_names();
}

static void
slow_names_hold_up_nobody(void **state)
{
	(void)state;
	open_names(3);
	ASK(1, "slow.test");
	ASK(2, "slow.test");
	ASK(3, "two.test");
	ASK(4, "two.test");
	await(3, EV_RESOLVED);
	await(4, EV_RESOLVED);
	assert_int_equal(w.naddrs[3], 2);
	assert_int_equal((w.flags[1] | w.flags[2]) & EV_RESOLVED, 0);
	run_out();
	await(1, EV_RESOLVED);
	await(2, EV_RESOLVED);
	assert_int_equal(w.naddrs[1], 0);
	close_names();
}

static void
a_slow_name_is_given_up_and_its_helper_replaced(void **state)
{
	uint64_t start = net_now_ms();

	(void)state;
	open_names_for(3, 1000);
	for (unsigned i = 1; i <= 3; i++)
		ASK(i, "slow.test");
	for (unsigned i = 1; i <= 3; i++) {
		await(i, EV_RESOLVED);
		assert_int_equal(w.naddrs[i], 0);
	}
	assert_in_range(net_now_ms(), start + 1000, start + NEVER_MS);
	r.cfg.timeout_ms = 2 * NEVER_MS;
	for (unsigned i = 1; i <= 20; i++)
		ASK(i, "two.test");
	for (unsigned i = 1; i <= 20; i++) {
		await(i, EV_RESOLVED);
		assert_int_equal(w.naddrs[i], 2);
	}
	close_names();
}

static void
a_late_answer_is_not_the_next_ones(void **state)
{
	(void)state;
	open_names(1);
	ASK(1, "late.test");
	(void)sem_wait(&shared->here);
	run_out();
	await(1, EV_RESOLVED);
	assert_int_equal(w.naddrs[1], 0);
	/* It has the place of the one that was given up. */
	(void)sem_post(&shared->go);
	ASK(2, "two.test");
	await(2, EV_RESOLVED);
	assert_int_equal(w.naddrs[2], 2);
	close_names();
}

static void
a_helper_that_dies_is_replaced(void **state)
{
	(void)state;
	open_names(2);
	for (unsigned i = 1; i <= 6; i++)
		ASK(i, "crash.test");
	run_out();
	for (unsigned i = 1; i <= 6; i++) {
		await(i, EV_RESOLVED);
		assert_int_equal(w.naddrs[i], 0);
	}
	ASK(7, "two.test");
	await(7, EV_RESOLVED);
	assert_int_equal(w.naddrs[7], 2);
	close_names();
}

static void
has_a_place_for_so_many_questions(void **state)
{
	(void)state;
	open_names(1);
	for (unsigned i = 0; i < RESOLVE_PENDING_MAX; i++)
		assert_true(ask(i % WHO_MAX, SL("slow.test")));
	assert_false(ask(1, SL("127.0.0.1")));
	run_out();
	for (unsigned i = 0; i < WHO_MAX; i++)
		await(i, EV_RESOLVED);
	ASK(1, "127.0.0.1");
	await(1, EV_RESOLVED);
	close_names();
}

static void
all_helpers_gone_are_started_again(void **state)
{
	char c;
	int a, b;
	pid_t old;

	(void)state;
	open_names(2);
	connect_pair(&a, &b);
	for (unsigned round = 0; round < 2; round++) {
		/* However slow this machine is, the second comes too soon. */
		if (round == 1)
			r.retry_ms = UINT64_MAX;
		/* Both are at work: ready to end with the one that they
		 * belong to. */
		for (unsigned i = 6; i <= 7; i++) {
			ASK(i, "slow.test");
			(void)sem_wait(&shared->here);
		}
		old = r.pid;
		assert_int_equal(kill(old, SIGKILL), 0);
		UNTIL(r.pid != old);
		/* At once, but for the second time in a second. */
		assert_int_equal(r.fd >= 0, round == 0);
		ASK(5, "two.test");
		await(5, EV_RESOLVED);
		assert_int_equal(w.naddrs[5], round == 0 ? 2 : 0);
	}
	r.retry_ms = 0;
	UNTIL(r.fd >= 0);
	ASK(5, "two.test");
	await(5, EV_RESOLVED);
	assert_int_equal(w.naddrs[5], 2);
	/* The new ones do not keep our connections open. */
	w.io->ops->close(w.io->ctx, a, false);
	await(2, EV_HUP);
	assert_int_equal(io_read(w.io, b, (uint8_t *)&c, 1), IO_EOF);
	w.io->ops->close(w.io->ctx, b, false);
	close_names();
}

/* Nothing of us may outlive us, however we end: here, by SIGKILL. The end of
 * a pipe that all of them hold says when the last is gone. */
static void
helpers_end_with_their_program(void **state)
{
	struct resolve_cfg cfg = { .workers = 3, .lookup = directory };
	int sv[2], status;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(sem_init(&shared->here, 1, 0), 0);
	assert_int_equal(pipe(sv), 0);
	/* The helpers' only descriptors besides their own are 0, 1 and 2. */
	pid = fork();
	if (pid == 0) {
		if (dup2(sv[1], 0) != 0)
			_exit(1);
		(void)close(sv[0]);
		(void)close(sv[1]);
		if (!resolver_open(&r, &cfg))
			_exit(1);
		(void)resolver_ask(&r, SL("slow.test"), 1, who(1), 0);
		for (;;)
			(void)pause();
	}
	(void)close(sv[1]);
	(void)sem_wait(&shared->here);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* A helper in a lookup ends with the one that looks after it. */
	(void)alarm(NEVER_MS / 1000);
	assert_int_equal(read(sv[0], &c, 1), 0);
	(void)alarm(0);
	(void)close(sv[0]);
}

static void
hides_the_command_line(void **state)
{
	struct resolve_cfg cfg = { .workers = 1, .argv = our_argv,
		.lookup = directory };
	char path[64], line[256];
	ssize_t n;
	int fd;

	(void)state;
	assert_true(resolver_open(&r, &cfg));
	world_open_with((struct kernel_cfg){ .resolver = &r });
	ASK(1, "two.test");
	await(1, EV_RESOLVED);
	(void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)r.pid);
	fd = open(path, O_RDONLY);
	n = read(fd, line, sizeof line);
	(void)close(fd);
	/* The name, and zeros for what was behind it. */
	assert_true(n >= 11);
	assert_memory_equal(line, "adit: names", 11);
	for (ssize_t i = 11; i < n; i++)
		assert_int_equal(line[i], 0);
	/* Ours stays as it is. */
	assert_true(strstr(our_argv[0], "test_resolve") != NULL);
	close_names();
}

/* The real one, on a name that getaddrinfo takes for a number and we do not:
 * no question leaves the machine. */
static void
uses_getaddrinfo(void **state)
{
	struct resolve_cfg cfg = { .workers = 1 };

	(void)state;
	assert_true(resolver_open(&r, &cfg));
	world_open_with((struct kernel_cfg){ .resolver = &r });
	ASK(1, "127.1");
	await(1, EV_RESOLVED);
	assert_int_equal(w.naddrs[1], 1);
	text_is(&w.addrs[1][0], "127.0.0.1:4711");
	close_names();
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_numbers_and_localhost_itself),
		cmocka_unit_test(asks_the_helpers),
		cmocka_unit_test(finds_nothing_under_names_that_cannot_be),
		cmocka_unit_test(slow_names_hold_up_nobody),
		cmocka_unit_test(
		    a_slow_name_is_given_up_and_its_helper_replaced),
		cmocka_unit_test(a_late_answer_is_not_the_next_ones),
		cmocka_unit_test(a_helper_that_dies_is_replaced),
		cmocka_unit_test(has_a_place_for_so_many_questions),
		cmocka_unit_test(all_helpers_gone_are_started_again),
		cmocka_unit_test(helpers_end_with_their_program),
		cmocka_unit_test(hides_the_command_line),
		cmocka_unit_test(uses_getaddrinfo),
	};

	(void)argc;
	our_argv = argv;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
