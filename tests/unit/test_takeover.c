/*
 * What a takeover is made of: messages with descriptors, a lock that passes
 * on, a directory that is frozen, a socket that two processes have. The whole
 * is tests/e2e/takeover.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/serve.h"
#include "net/pass.h"

static char top[] = "/tmp/adit-takeover-XXXXXX";
static int dir;

static int
begin(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(top));
	dir = open(top, O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	return 0;
}

static int
end(void **state)
{
	static const char *const names[] = { "relay/lock", "relay/x.json",
		"relay", "other/lock", "other", "socket" };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (unlinkat(dir, names[i], 0) != 0)
			(void)unlinkat(dir, names[i], AT_REMOVEDIR);
	close(dir);
	assert_int_equal(rmdir(top), 0);
	return 0;
}

/* ---- messages ------------------------ */

static void
only_whole_messages_that_are_due_count(void **state)
{
	static const struct {
		const char *why;
		struct takeover_msg m;
		size_t cut, fds;
		enum takeover_kind kind;
		enum err want;
	} rows[] = {
#define HEAD .magic = TAKEOVER_MAGIC, .version = TAKEOVER_VERSION
		{ "right", { HEAD, .kind = TAKEOVER_ASK }, 0, 0,
		    TAKEOVER_ASK, E_OK },
		{ "another kind", { HEAD, .kind = TAKEOVER_READY }, 0, 0,
		    TAKEOVER_ASK, E_SYNTAX },
		{ "no kind", { HEAD, .kind = TAKEOVER_KINDS }, 0, 0,
		    TAKEOVER_DONE, E_SYNTAX },
		{ "not ours", { .magic = 1, .version = TAKEOVER_VERSION,
		    .kind = TAKEOVER_ASK }, 0, 0, TAKEOVER_ASK, E_SYNTAX },
		{ "cut", { HEAD, .kind = TAKEOVER_ASK }, 1, 0,
		    TAKEOVER_ASK, E_SYNTAX },
		{ "empty", { HEAD, .kind = TAKEOVER_ASK },
		    sizeof(struct takeover_msg), 0, TAKEOVER_ASK, E_SYNTAX },
		{ "newer", { .magic = TAKEOVER_MAGIC, .version = 2,
		    .kind = TAKEOVER_ASK }, 0, 0, TAKEOVER_ASK, E_RANGE },
		{ "newer, and shorter", { .magic = TAKEOVER_MAGIC,
		    .version = 2 }, sizeof(struct takeover_msg) - 8, 0,
		    TAKEOVER_ASK, E_RANGE },
		{ "too short to be of a version", { HEAD },
		    sizeof(struct takeover_msg) - 4, 0, TAKEOVER_ASK,
		    E_SYNTAX },
		{ "a descriptor that it does not name", { HEAD,
		    .kind = TAKEOVER_ASK }, 0, 1, TAKEOVER_ASK, E_SYNTAX },
		{ "a descriptor that nobody wants", { HEAD, .fds = 1,
		    .kind = TAKEOVER_ASK }, 0, 1, TAKEOVER_ASK, E_SYNTAX },
		{ "text beyond its end", { HEAD, .kind = TAKEOVER_REFUSED,
		    .n = TAKEOVER_TEXT + 1 }, 0, 0, TAKEOVER_SOCKETS,
		    E_SYNTAX },
		{ "a refusal", { HEAD, .kind = TAKEOVER_REFUSED,
		    .n = TAKEOVER_TEXT }, 0, 0, TAKEOVER_SOCKETS, E_AUTH },
		{ "sockets", { HEAD, .kind = TAKEOVER_SOCKETS, .fds = 2,
		    .n = 2, .left = 1 }, 0, 2, TAKEOVER_SOCKETS, E_OK },
		{ "no sockets", { HEAD, .kind = TAKEOVER_SOCKETS }, 0, 0,
		    TAKEOVER_SOCKETS, E_SYNTAX },
		{ "more said than there are", { HEAD, .fds = 2, .n = 3,
		    .kind = TAKEOVER_SOCKETS }, 0, 2, TAKEOVER_SOCKETS,
		    E_SYNTAX },
		{ "sockets without end", { HEAD, .kind = TAKEOVER_SOCKETS,
		    .fds = 1, .n = 1, .left = LISTENS_MAX + 1 }, 0, 1,
		    TAKEOVER_SOCKETS, E_SYNTAX },
		{ "the lock", { HEAD, .kind = TAKEOVER_FROZEN, .fds = 1,
		    .n = 3 }, 0, 1, TAKEOVER_FROZEN, E_OK },
		{ "frozen without the lock", { HEAD,
		    .kind = TAKEOVER_FROZEN }, 0, 0, TAKEOVER_FROZEN,
		    E_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum err e = takeover_check(&rows[i].m, sizeof rows[i].m -
		    rows[i].cut, rows[i].fds, rows[i].kind);

		if (e != rows[i].want)
			fail_msg("%s: %s", rows[i].why, err_name(e));
	}
}

/* A connection within this process: listen, connect, accept. */
static void
connected(int *a, int *b)
{
	int l = pass_listen(dir, "socket");

	assert_true(l >= 0);
	*a = pass_connect(dir, "socket", 1000);
	*b = accept(l, NULL, NULL);
	assert_true(*a >= 0 && *b >= 0);
	close(l);
}

static void
descriptors_pass(void **state)
{
	int a, b, pipes[2], fds[PASS_FDS_MAX], many[PASS_FDS_MAX];
	uint8_t text[100];
	struct stat one, other;
	size_t n;

	(void)state;
	connected(&a, &b);
	assert_int_equal(pipe(pipes), 0);
	assert_true(pass_send(a, "hello", 5, pipes, 2));
	assert_int_equal(pass_receive(b, text, sizeof text, fds, &n), 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(n, 2);
	assert_int_equal(fstat(pipes[1], &one), 0);
	assert_int_equal(fstat(fds[1], &other), 0);
	assert_int_equal(one.st_ino, other.st_ino);
	assert_int_equal(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
	close(fds[0]);
	close(fds[1]);
	for (size_t i = 0; i < PASS_FDS_MAX; i++)
		many[i] = pipes[0];
	assert_true(pass_send(a, "x", 1, many, PASS_FDS_MAX));
	assert_int_equal(pass_receive(b, text, sizeof text, fds, &n), 1);
	assert_int_equal(n, PASS_FDS_MAX);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	/* What is longer than it may be brings nothing at all. */
	assert_true(pass_send(a, "too long", 8, pipes, 2));
	assert_int_equal(pass_receive(b, text, 4, fds, &n), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(n, 0);
	assert_true(pass_send(a, "none", 4, NULL, 0));
	assert_int_equal(pass_receive(b, text, sizeof text, fds, &n), 4);
	assert_int_equal(n, 0);
	close(a);
	assert_int_equal(pass_receive(b, text, sizeof text, fds, &n), 0);
	assert_false(pass_send(b, "x", 1, NULL, 0));
	close(b);
	close(pipes[0]);
	close(pipes[1]);
}

static void
the_socket_is_the_accounts_own(void **state)
{
	struct stat st;
	uint32_t uid = 0;
	int a, b;

	(void)state;
	connected(&a, &b);
	assert_int_equal(fstatat(dir, "socket", &st, 0), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(pass_peer(b, &uid) && uid == geteuid());
	close(a);
	close(b);
	/* Nobody listens any more; then there is none. */
	assert_int_equal(pass_connect(dir, "socket", 1000), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(unlinkat(dir, "socket", 0), 0);
	assert_int_equal(pass_connect(dir, "socket", 1000), -1);
	assert_int_equal(errno, ENOENT);
}

/* ---- the directory ------------------------ */

static void
a_lock_passes_on_and_is_never_free(void **state)
{
	struct data old, new, third;
	int passed, stranger;

	(void)state;
	assert_int_equal(data_open(&old, top, "relay"), E_OK);
	assert_int_equal(data_open(&third, top, "relay"), E_FULL);
	passed = dup(old.lock);
	/* Opened by somebody else it is another lock. */
	stranger = openat(old.dir, "lock", O_RDWR);
	assert_int_equal(data_adopt(&new, top, "relay", stranger), E_FULL);
	assert_int_equal(data_adopt(&new, top, "relay", passed), E_OK);
	data_unlock(&old);
	assert_int_equal(data_open(&third, top, "relay"), E_FULL);
	data_close(&old);
	assert_int_equal(data_open(&third, top, "relay"), E_FULL);
	/* And another directory's is not this one's. */
	assert_int_equal(data_open(&third, top, "other"), E_OK);
	passed = dup(third.lock);
	assert_int_equal(data_adopt(&old, top, "relay", passed), E_FULL);
	data_close(&third);
	data_close(&new);
	assert_int_equal(data_open(&third, top, "relay"), E_OK);
	data_close(&third);
}

static void
a_frozen_directory_is_only_read(void **state)
{
	struct data d;
	struct slice name = SL("x.json");
	uint8_t text[10];
	size_t n;

	(void)state;
	assert_int_equal(data_open(&d, top, "relay"), E_OK);
	assert_int_equal(data_save(&d, name, SL("one")), E_OK);
	d.frozen = true;
	assert_int_equal(data_save(&d, name, SL("two")), E_IO);
	assert_int_equal(d.error, EROFS);
	assert_int_equal(data_append(&d, name, SL("two")), E_IO);
	assert_int_equal(data_rotate(&d, name, 2), E_IO);
	assert_int_equal(data_remove(&d, name), E_IO);
	assert_int_equal(data_load(&d, name, text, sizeof text, &n), E_OK);
	assert_int_equal(n, 3);
	assert_memory_equal(text, "one", 3);
	assert_int_equal(faccessat(d.dir, "x.json.prev", F_OK, 0), -1);
	d.frozen = false;
	assert_int_equal(unlinkat(d.dir, "x.json", 0), 0);
	data_close(&d);
}

/* ---- a socket that two processes have ------------------------ */

static void
a_forgotten_socket_is_reported_no_more(void **state)
{
	struct poller p;
	struct poller_event v[16];
	int s[2], other;

	(void)state;
	assert_true(poller_open(&p, NULL, 0));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	other = dup(s[0]);              /* the other process's */
	assert_true(poller_add(&p, s[0], 1));
	assert_int_equal(poller_wait(&p, v, 16, 0, 1), 1);
	poller_remove(&p, s[0]);
	close(s[0]);
	assert_int_equal(write(s[1], "x", 1), 1);
	assert_int_equal(poller_wait(&p, v, 16, 0, 0), 0);
	close(other);
	close(s[1]);
	poller_close(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_whole_messages_that_are_due_count),
		cmocka_unit_test(descriptors_pass),
		cmocka_unit_test(the_socket_is_the_accounts_own),
		cmocka_unit_test(a_lock_passes_on_and_is_never_free),
		cmocka_unit_test(a_frozen_directory_is_only_read),
		cmocka_unit_test(a_forgotten_socket_is_reported_no_more),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
