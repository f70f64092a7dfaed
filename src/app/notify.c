/*
 * The service manager's side of a start: sd_notify(3)'s datagram, of which two
 * lines are all that is needed, the parent of a start that goes on in the
 * background (--detach), which the manager waits for, and its journal.
 */
#include "app/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/out.h"

/* JOURNAL_STREAM is the device and inode of the journal's end, in decimal: who
 * sends standard error elsewhere has it in the environment all the same. */
bool
serve_is_journal(void)
{
	const char *name = getenv("JOURNAL_STREAM");
	uint8_t area[48];
	struct buf b = BUF_ON(area);
	struct stat st;

	if (name == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	buf_put_dec(&b, st.st_dev);
	buf_lit(&b, ":");
	buf_put_dec(&b, st.st_ino);
	return slice_eq(buf_slice(&b), slice_of(name, strlen(name)));
}

void
serve_notify_open(struct serve *s)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct buf b = BUF_ON(s->notify.text);
	size_t n = name != NULL ? strlen(name) : 0;

	s->notify.fd = -1;
	if (n == 0 || n >= sizeof un.sun_path)
		return;
	memcpy(un.sun_path, name, n);
	if (name[0] == '@')
		un.sun_path[0] = '\0';          /* an abstract one */
	s->notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->notify.fd < 0 || connect(s->notify.fd,
	    (const struct sockaddr *)&un, (socklen_t)(offsetof(
	    struct sockaddr_un, sun_path) + n)) != 0)
		LOGF(&s->log, LOG_WARN, "app", "the service manager cannot be "
		    "told", log_c("why", strerror(errno)));
	buf_lit(&b, "READY=1\nMAINPID=");
	buf_put_dec(&b, (uint64_t)getpid());
	s->notify.n = b.n;
}

void
serve_notify(struct serve *s)
{
	if (s->notify.fd >= 0) {
		(void)!write(s->notify.fd, s->notify.text, s->notify.n);
		(void)close(s->notify.fd);
		s->notify.fd = -1;
	}
	if (s->notify.parent_fd > 0) {
		(void)!write(s->notify.parent_fd, "", 1);
		(void)close(s->notify.parent_fd);
		s->notify.parent_fd = 0;
	}
}

int
serve_detach(struct serve *s)
{
	int p[2], status = 0;
	uint8_t byte;
	pid_t pid;

	if (conf_num(&s->conf, C_DETACH, 0) == 0)
		return EXIT_GO_ON;
	if (conf_num(&s->conf, C_TAKEOVER, 0) == 0)
		return out_fail(EXIT_USAGE, NULL, SL("--detach"),
		    "goes with --takeover only");
	if (pipe2(p, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		return out_fail(EXIT_FAILED, NULL, SL("--detach"),
		    strerror(errno));
	(void)close(p[pid == 0 ? 0 : 1]);
	if (pid == 0) {
		(void)setsid();
		s->notify.parent_fd = p[1];
		return EXIT_GO_ON;
	}
	if (read(p[0], &byte, 1) == 1)
		return EXIT_STOPPED;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) != 0 ?
	    WEXITSTATUS(status) : EXIT_FAILED;
}
