/*
 * The hasher, as a process of its own: what it answers, what memory it keeps,
 * and its end.
 */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/hasher.h"

static const struct scrypt_cost usual = { 15, 8, 3 };
static pid_t pid;               /* as the hasher itself tells it */
static int told[2];

static bool
enter(void *ctx)
{
	pid_t own = getpid();

	(void)ctx;
	/* As the program has it: a broken pipe is an error, not an end. */
	(void)signal(SIGPIPE, SIG_IGN);
	return write(told[1], &own, sizeof own) == (ssize_t)sizeof own;
}

static int
open_with(struct scrypt_cost cost)
{
	struct hasher_cfg cfg = { .cost = cost, .enter = enter };
	int fd;

	assert_int_equal(pipe(told), 0);
	fd = hasher_open(&cfg);
	assert_true(fd >= 0);
	assert_int_equal(read(told[0], &pid, sizeof pid), sizeof pid);
	(void)close(told[0]);
	(void)close(told[1]);
	return fd;
}

static enum err
result(int fd, struct keeper_result *r)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 60000), 1);
	return hasher_result(fd, r);
}

static void
job(struct keeper_job *j, uint32_t id, struct scrypt_cost cost,
    const char *password)
{
	*j = (struct keeper_job){ .id = id, .cost = cost,
		.salt = "sixteen bytes..." };
	assert_true(secret_set(&j->password,
	    slice_of(password, strlen(password))));
}

/* Resident memory of the process, in KiB. */
static long
resident(void)
{
	char path[40];
	long size, pages = 0;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &size, &pages), 2);
	(void)fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void
stretches_one_after_the_other(void **state)
{
	int fd = open_with(usual), status;
	struct keeper_result r, want;
	struct keeper_job j;
	void *area = aligned_alloc(64, scrypt_area(usual));

	(void)state;
	assert_non_null(area);
	assert_int_equal(hasher_result(fd, &r), E_MORE);
	for (uint32_t i = 1; i < 4; i++) {
		job(&j, i, (struct scrypt_cost){ 10, 8, 1 },
		    i == 2 ? "another" : "one");
		assert_true(hasher_start(fd, &j));
		assert_int_equal(result(fd, &r), E_OK);
		hasher_work(&j, area, &want);
		assert_true(r.ok);
		assert_int_equal(r.id, i);
		assert_memory_equal(r.hash, want.hash, sizeof r.hash);
	}
	free(area);
	(void)close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
gives_its_memory_back(void **state)
{
	int fd = open_with(usual);
	long before = resident();
	struct keeper_result r;
	struct keeper_job j;

	(void)state;
	job(&j, 7, usual, "a password");
	assert_true(hasher_start(fd, &j));
	assert_int_equal(result(fd, &r), E_OK);
	assert_true(r.ok);
	/* 32 MiB were touched; some of a page each of code and stack stay. */
	assert_true(resident() < before + 4 * 1024);
	(void)close(fd);
	(void)waitpid(pid, NULL, 0);
}

static void
refuses_what_its_memory_is_too_small_for(void **state)
{
	static const struct scrypt_cost bad[] = {
		{ 16, 8, 3 }, { 20, 8, 1 }, { 0, 8, 1 }, { 15, 0, 1 },
		{ 255, 255, 255 },
	};
	int fd = open_with(usual);
	struct keeper_result r;
	struct keeper_job j;

	(void)state;
	for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		job(&j, i + 1, bad[i], "a password");
		assert_true(hasher_start(fd, &j));
		assert_int_equal(result(fd, &r), E_OK);
		assert_false(r.ok);
		assert_int_equal(r.id, i + 1);
	}
	(void)close(fd);
	(void)waitpid(pid, NULL, 0);
}

static void
its_end_is_noticed(void **state)
{
	int fd = open_with(usual);
	struct keeper_result r;
	struct keeper_job j;

	(void)state;
	job(&j, 1, usual, "a password");
	assert_true(hasher_start(fd, &j));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(result(fd, &r), E_EOF);
	(void)waitpid(pid, NULL, 0);
	assert_false(hasher_start(fd, &j));
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stretches_one_after_the_other),
		cmocka_unit_test(gives_its_memory_back),
		cmocka_unit_test(refuses_what_its_memory_is_too_small_for),
		cmocka_unit_test(its_end_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
