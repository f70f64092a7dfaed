/*
 * net/data: the data directory, with every call of the system failing once,
 * and the process ending before every call once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "net/data.h"

/* ---- calls that fail ------------------------ */

static struct {
	unsigned calls;         /* so far */
	unsigned fail_at;       /* 0: none */
	int error;
	bool end;               /* end the process instead */
	bool no_links;          /* linkat always fails with EPERM */
	bool cut_writes;        /* write takes one byte at a time */
	char trace[64];         /* a letter for each call */
} fault;

static bool
fails(char what)
{
	if (fault.calls < sizeof fault.trace - 1)
		fault.trace[fault.calls] = what;
	if (++fault.calls != fault.fail_at)
		return false;
	if (fault.end)
		_exit(0);
	errno = fault.error;
	return true;
}

int __real_openat(int, const char *, int, mode_t);
ssize_t __real_write(int, const void *, size_t);
int __real_fsync(int);
int __real_close(int);
int __real_linkat(int, const char *, int, const char *, int);
int __real_renameat(int, const char *, int, const char *);
int __real_unlinkat(int, const char *, int);
int __wrap_openat(int, const char *, int, mode_t);
ssize_t __wrap_write(int, const void *, size_t);
int __wrap_fsync(int);
int __wrap_close(int);
int __wrap_linkat(int, const char *, int, const char *, int);
int __wrap_renameat(int, const char *, int, const char *);
int __wrap_unlinkat(int, const char *, int);

int
__wrap_openat(int dir, const char *name, int flags, mode_t mode)
{
	return fails('o') ? -1 : __real_openat(dir, name, flags, mode);
}

ssize_t
__wrap_write(int fd, const void *p, size_t n)
{
	if (fails('w'))
		return -1;
	return __real_write(fd, p, fault.cut_writes && n > 1 ? 1 : n);
}

int
__wrap_fsync(int fd)
{
	return fails('f') ? -1 : __real_fsync(fd);
}

int
__wrap_close(int fd)
{
	int r = __real_close(fd);

	/* A failing close has closed all the same. */
	return fails('c') ? -1 : r;
}

int
__wrap_linkat(int from, const char *a, int to, const char *b, int flags)
{
	if (fails('l'))
		return -1;
	if (fault.no_links) {
		errno = EPERM;
		return -1;
	}
	return __real_linkat(from, a, to, b, flags);
}

int
__wrap_renameat(int from, const char *a, int to, const char *b)
{
	return fails('r') ? -1 : __real_renameat(from, a, to, b);
}

int
__wrap_unlinkat(int dir, const char *name, int flags)
{
	return fails('u') ? -1 : __real_unlinkat(dir, name, flags);
}

/* ---- a directory for each test ------------------------ */

static char top[64];
static struct data d;

static int
make_dir(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof fault);
	(void)snprintf(top, sizeof top, "/tmp/adit-data-XXXXXX");
	if (mkdtemp(top) == NULL)
		return -1;
	(void)strcat(top, "/data");
	return data_open(&d, top, "relay") == E_OK ? 0 : -1;
}

static int
drop_dir(void **state)
{
	char cmd[128];

	(void)state;
	memset(&fault, 0, sizeof fault);
	data_close(&d);
	*strrchr(top, '/') = 0;
	(void)snprintf(cmd, sizeof cmd, "rm -rf '%s'", top);
	return system(cmd);
}

static enum err
save(const char *content)
{
	return data_save(&d, SL("users.json"), str(content));
}

static bool
holds(struct slice name, const char *want)
{
	uint8_t area[256];
	size_t n = 0;

	return data_load(&d, name, area, sizeof area, &n) == E_OK &&
	    slice_eq(slice_of(area, n), str(want));
}

static mode_t
mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(d.dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

/* ---- tests ------------------------ */

static void
saves_and_keeps_the_previous(void **state)
{
	(void)state;
	assert_int_equal(save("one"), E_OK);
	assert_true(holds(SL("users.json"), "one"));
	assert_false(holds(SL("users.json.prev"), "one"));
	assert_int_equal(save("two"), E_OK);
	assert_int_equal(save(""), E_OK);
	assert_true(holds(SL("users.json"), ""));
	assert_true(holds(SL("users.json.prev"), "two"));
	assert_int_equal(mode_of("users.json"), 0600);
	assert_int_equal(mode_of("users.json.prev"), 0600);
	assert_int_equal(mode_of("."), 0700);
	fault.no_links = true;
	fault.cut_writes = true;
	assert_int_equal(save("four, in many pieces"), E_OK);
	assert_int_equal(save("five"), E_OK);
	assert_true(holds(SL("users.json"), "five"));
	assert_true(holds(SL("users.json.prev"), "four, in many pieces"));
	assert_int_equal(mode_of("users.json.prev"), 0600);
}

static void
takes_no_other_names(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", ".hidden", "a/b", "/etc/passwd", "A", "a b",
		"a\n", "\xc3\xa9",
	};
	char name[66] = "";
	uint8_t area[8];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(data_save(&d, str(bad[i]), SL("x")),
		    E_SYNTAX);
		assert_int_equal(data_load(&d, str(bad[i]), area, 8, &n),
		    E_SYNTAX);
	}
	memset(name, 'a', 65);
	assert_int_equal(data_save(&d, slice_of(name, 65), SL("x")), E_SYNTAX);
	assert_int_equal(data_save(&d, slice_of(name, 64), SL("x")), E_OK);
	assert_int_equal(data_save(&d, slice_of(name, 64), SL("y")), E_OK);
	assert_true(holds(slice_of(name, 64), "y"));
	assert_int_equal(data_save(&d, slice_of("a\0b", 3), SL("x")),
	    E_SYNTAX);
}

static void
loads_no_more_than_fits(void **state)
{
	uint8_t area[8];
	size_t n = 77;

	(void)state;
	assert_int_equal(data_load(&d, SL("none"), area, 8, &n), E_EOF);
	assert_int_equal(save("12345678"), E_OK);
	assert_int_equal(data_load(&d, SL("users.json"), area, 8, &n), E_OK);
	assert_int_equal(n, 8);
	assert_int_equal(save("123456789"), E_OK);
	assert_int_equal(data_load(&d, SL("users.json"), area, 8, &n),
	    E_RANGE);
	/* A link leads out of the directory: not followed. */
	assert_int_equal(symlinkat("/etc/hostname", d.dir, "link"), 0);
	assert_int_equal(data_load(&d, SL("link"), area, 8, &n), E_IO);
	assert_int_equal(d.error, ELOOP);
}

static void
one_process_holds_the_lock(void **state)
{
	struct data other, agent;

	(void)state;
	assert_int_equal(data_open(&other, top, "relay"), E_FULL);
	assert_int_equal(data_open(&agent, top, "agent-lab"), E_OK);
	data_close(&agent);
	assert_int_equal(save("one"), E_OK);
	assert_int_equal(data_peek(&other, top, "relay"), E_OK);
	data_close(&d);
	d = other;
	assert_true(holds(SL("users.json"), "one"));
	assert_int_equal(data_open(&agent, top, "relay"), E_OK);
	data_close(&agent);
	assert_int_equal(data_peek(&agent, top, "nobody"), E_IO);
	assert_int_equal(agent.error, ENOENT);
	assert_int_equal(data_open(&agent, "/nonexistent/x", "relay"), E_IO);
	assert_int_equal(agent.error, ENOENT);
}

static void
tightens_a_directory_that_others_could_read(void **state)
{
	(void)state;
	assert_int_equal(fchmod(d.dir, 0755), 0);
	data_close(&d);
	assert_int_equal(data_open(&d, top, "relay"), E_OK);
	assert_int_equal(mode_of("."), 0700);
}

/* The content is durable before it gets the name, the name before the caller
 * hears of it; the previous content has its second name before. */
static void
syncs_in_this_order(void **state)
{
	(void)state;
	assert_int_equal(save("one"), E_OK);
	memset(&fault, 0, sizeof fault);
	assert_int_equal(save("two"), E_OK);
	/* unlink, link, rename; unlink, open, write, fsync, close, rename;
	 * fsync */
	assert_string_equal(fault.trace, "ulr" "uowfcr" "f");
	memset(&fault, 0, sizeof fault);
	fault.no_links = true;
	assert_int_equal(save("three"), E_OK);
	/* the copy: open, unlink, open, write, fsync, close, and close */
	assert_string_equal(fault.trace, "ul" "ouowfcc" "r" "uowfcr" "f");
}

/* The n-th call fails, for every n: the answer is right about which content
 * is there, nothing is left behind that the next save stumbles over. */
static void
a_failing_call_leaves_the_old_or_the_new(void **state)
{
	static const int errors[] = { ENOSPC, EIO, EDQUOT };
	unsigned runs = 0;

	(void)state;
	for (unsigned links = 0; links < 2; links++) {
		unsigned all;

		fault.no_links = links == 0;
		assert_int_equal(save("before"), E_OK);
		fault.calls = 0;
		assert_int_equal(save("before"), E_OK);
		all = fault.calls;
		for (unsigned n = 1; n <= all; n++, runs++) {
			enum err e;

			assert_int_equal(save("before"), E_OK);
			assert_int_equal(save("old"), E_OK);
			fault.calls = 0;
			fault.fail_at = n;
			fault.error = errors[n % 3];
			e = save("new");
			fault.fail_at = 0;
			assert_true(e == E_OK || e == E_IO);
			assert_true(holds(SL("users.json"),
			    e == E_OK ? "new" : "old") ||
			    /* the directory's sync */
			    (n == all && holds(SL("users.json"), "new")));
			assert_true(holds(SL("users.json.prev"), "before") ||
			    holds(SL("users.json.prev"), "old"));
			if (e != E_OK)
				assert_int_equal(d.error, errors[n % 3]);
		}
	}
	assert_in_range(runs, 15, 60);
}

/* The process ends before the n-th call: whoever comes next finds a whole
 * file, and can go on. */
static void
an_end_at_any_call_leaves_a_whole_file(void **state)
{
	unsigned runs = 0;

	(void)state;
	for (unsigned n = 1; n < 100; n++) {
		bool fresh;
		int status;
		pid_t pid;

		assert_int_equal(save("before"), E_OK);
		assert_int_equal(save("old"), E_OK);
		fault.no_links = n % 2 == 0;
		pid = fork();
		if (pid == 0) {
			fault.calls = 0;
			fault.fail_at = n / 2 + 1;
			fault.end = true;
			fault.cut_writes = true;
			(void)save("new");
			_exit(1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		fresh = holds(SL("users.json"), "new");
		assert_true(fresh || holds(SL("users.json"), "old"));
		assert_true(holds(SL("users.json.prev"), "old") ||
		    (!fresh && holds(SL("users.json.prev"), "before")));
		if (WEXITSTATUS(status) == 1) {
			assert_true(fresh);
			break;
		}
		runs++;
	}
	assert_in_range(runs, 15, 90);
}

static enum err
append(const char *content)
{
	return data_append(&d, SL("audit.log"), str(content));
}

static void
appends_and_makes_durable(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof fault);
	assert_int_equal(append("one\n"), E_OK);
	/* open: not there; open, write, fsync, close; fsync of the folder */
	assert_string_equal(fault.trace, "oowfcf");
	memset(&fault, 0, sizeof fault);
	assert_int_equal(append("two\n"), E_OK);
	assert_string_equal(fault.trace, "owfc");
	assert_true(holds(SL("audit.log"), "one\ntwo\n"));
	assert_int_equal(mode_of("audit.log"), 0600);
	assert_int_equal(data_append(&d, SL("../x"), str("")), E_SYNTAX);
}

static void
a_failing_append_says_so(void **state)
{
	(void)state;
	assert_int_equal(append("one\n"), E_OK);
	for (unsigned n = 1; n <= 3; n++) {
		fault.calls = 0;
		fault.fail_at = n;
		fault.error = ENOSPC;
		assert_int_equal(append("two\n"), E_IO);
		assert_int_equal(d.error, ENOSPC);
		fault.fail_at = 0;
		/* What the last of them left: it was the sync that failed. */
		assert_true(holds(SL("audit.log"), n == 3 ? "one\ntwo\n" :
		    "one\n"));
	}
}

static void
rotates_and_drops_the_oldest(void **state)
{
	static const char *const texts[] = { "a", "b", "c", "d", "e" };

	(void)state;
	assert_int_equal(data_rotate(&d, SL("audit.log"), 3), E_OK);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(append(texts[i]), E_OK);
		assert_int_equal(data_rotate(&d, SL("audit.log"), 3), E_OK);
		assert_false(holds(SL("audit.log"), texts[i]));
		assert_true(holds(SL("audit.log.1"), texts[i]));
		assert_true(i < 1 || holds(SL("audit.log.2"), texts[i - 1]));
		assert_int_equal(faccessat(d.dir, "audit.log.3", F_OK, 0), -1);
	}
	assert_int_equal(append("f"), E_OK);
	/* Each new name is durable before the next: nothing gets lost. */
	for (unsigned n = 1; n <= 3; n++) {
		fault.calls = 0;
		fault.fail_at = n;
		fault.error = EIO;
		assert_int_equal(data_rotate(&d, SL("audit.log"), 3), E_IO);
		fault.fail_at = 0;
		assert_true(holds(SL("audit.log"), "f") ||
		    holds(SL("audit.log.1"), "f"));
		assert_true(holds(SL("audit.log.1"), "e") ||
		    holds(SL("audit.log.2"), "e"));
	}
}

static void
removes_the_previous_too(void **state)
{
	(void)state;
	assert_int_equal(data_remove(&d, SL("users.json")), E_OK);
	assert_int_equal(save("one"), E_OK);
	assert_int_equal(save("two"), E_OK);
	fault.calls = 0;
	fault.fail_at = 1;
	fault.error = EIO;
	assert_int_equal(data_remove(&d, SL("users.json")), E_IO);
	assert_int_equal(data_remove(&d, SL("users.json")), E_OK);
	assert_false(holds(SL("users.json"), "two"));
	assert_false(holds(SL("users.json.prev"), "one"));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
	const struct CMUnitTest tests[] = {
		TEST(saves_and_keeps_the_previous),
		TEST(takes_no_other_names),
		TEST(loads_no_more_than_fits),
		TEST(one_process_holds_the_lock),
		TEST(tightens_a_directory_that_others_could_read),
		TEST(syncs_in_this_order),
		TEST(a_failing_call_leaves_the_old_or_the_new),
		TEST(an_end_at_any_call_leaves_a_whole_file),
		TEST(appends_and_makes_durable),
		TEST(a_failing_append_says_so),
		TEST(rotates_and_drops_the_oldest),
		TEST(removes_the_previous_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
