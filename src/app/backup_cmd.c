/*
 * adit backup and adit restore. A restored data directory is made whole beside
 * the present one and takes its place in one step; what was there is kept.
 */
#include "app/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/console.h"
#include "app/file.h"
#include "app/out.h"
#include "codec/date.h"
#include "net/clock.h"

enum { EXCHANGE = 2 };                  /* RENAME_EXCHANGE of Linux */

static const struct slice role_name = SL_INIT("relay");
static const struct slice fresh_name = SL_INIT("relay.new");

static int
file_fault(const char *name, const char *why)
{
	return out_fail(EXIT_FAILED, NULL, slice_of(name, strlen(name)), why);
}

/* FILE, and the settings that follow it. */
static int
begin(const struct cmd *cmd, const char **file, bool *replace)
{
	struct cmd rest = { cmd->argc - 1, cmd->argv + 1, cmd->envp,
		cmd->title };
	bool named = cmd->argc > 0 && strncmp(cmd->argv[0], "--", 2) != 0;

	if (!named)
		rest = *cmd;
	else
		*file = cmd->argv[0];
	if (replace != NULL && rest.argc > 0 &&
	    strcmp(rest.argv[0], "--replace") == 0) {
		*replace = true;
		rest.argc--;
		rest.argv++;
	}
	if (!named && !(rest.argc > 0 && strcmp(rest.argv[0], "--help") == 0))
		return out_fail(EXIT_USAGE, NULL, slice_of(cmd->title[1],
		    strlen(cmd->title[1])), "name a file");
	return console_settings(&serve_process, CONF_CONSOLE, &rest);
}

/* ---- backup ------------------------ */

static int
collect(struct console *c, struct backup_files *f)
{
	struct json body;
	unsigned status;

	*f = (struct backup_files){ 0 };
	if (c->fd < 0)
		return backup_open(f, &c->s->relay_data) ? EXIT_GO_ON :
		    file_fault("backup", strerror(errno));
	status = console_op(c, SL("{\"op\":\"backup\"}"), &body, f);
	if (status == 200 && backup_list_parse(f, body.raw))
		return EXIT_GO_ON;
	return status == 0 ? EXIT_FAILED :
	    file_fault("backup", "the relay could not give its files");
}

int
backup_cmd(const struct cmd *cmd)
{
	static struct console c;
	const char *file = NULL, *why;
	struct backup_files f;
	int code = begin(cmd, &file, NULL), fd = STDOUT_FILENO;

	if (code != EXIT_GO_ON)
		return code;
	/* As who asks for it: root becomes another where no relay runs. */
	if (strcmp(file, "-") != 0)
		fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
		    O_CLOEXEC, 0600);
	if (fd < 0)
		return file_fault(file, strerror(errno));
	code = console_open(&c, &serve_process, false, false);
	if (code == EXIT_GO_ON)
		code = collect(&c, &f);
	if (code == EXIT_GO_ON) {
		why = backup_write(fd, &f);
		code = why == NULL ? EXIT_STOPPED : file_fault(file,
		    errno != 0 ? strerror(errno) : why);
		backup_close(&f);
	}
	if (code != EXIT_STOPPED && fd != STDOUT_FILENO)
		(void)unlink(file);
	return code;
}

/* ---- restore ------------------------ */

/* The keeper is opened on what was read, which writes nothing. */
static enum err
load(void *ctx, struct slice name, struct buf *into)
{
	const struct backup *b = ctx;

	for (size_t i = 0; i < BACKUP_FILES; i++)
		if (b->files[i].p != NULL && slice_eq(backup_name(i), name))
			return buf_put(into, b->files[i]) ? E_OK : E_FULL;
	return E_EOF;
}

static bool
save(void *ctx, struct slice name, struct slice content)
{
	(void)ctx;
	(void)name;
	(void)content;
	return true;
}

static bool
rotate(void *ctx, struct slice name, unsigned files)
{
	(void)ctx;
	(void)name;
	(void)files;
	return true;
}

static bool
drop(void *ctx, struct slice name)
{
	(void)ctx;
	(void)name;
	return true;
}

static int
check(struct serve *s, const char *file, struct backup *b)
{
	static uint8_t area[BACKUP_BYTES_MAX];
	struct store_io io = { load, save, save, rotate, drop, b };
	struct buf text = BUF_ON(area), where;
	uint8_t place[SERVE_PATH_BYTES];
	size_t line = 0;
	const char *why;
	enum err e = file_read(file, &text, NULL);

	if (e != E_OK)
		return file_fault(file, e == E_IO ? strerror(errno) :
		    e == E_EOF ? "no such file" : "larger than a backup is");
	why = backup_parse(b, buf_slice(&text), &line);
	if (why == NULL)
		return keep_open(s, true, &io);
	where = BUF_ON(place);
	buf_put(&where, slice_of(file, strlen(file)));
	buf_lit(&where, ":");
	buf_put_dec(&where, line);
	return out_fail(EXIT_FAILED, NULL, buf_slice(&where), why);
}

static bool
holds_state(struct data *d)
{
	struct backup_files f;
	bool holds = !backup_open(&f, d) || f.n > 0;

	backup_close(&f);
	return holds;
}

static bool
write_fresh(struct data *d, const struct backup *b)
{
	for (size_t i = 0; backup_name(i).n > 0; i++)
		if ((b->files[i].p != NULL ? data_save(d, backup_name(i),
		    b->files[i]) : data_remove(d, backup_name(i))) != E_OK)
			return false;
	return true;
}

/* DATA/relay.new becomes DATA/relay, and that one `old`. */
static bool
swap(int top, const char *old)
{
	const char *fresh = (const char *)fresh_name.p;
	const char *now = (const char *)role_name.p;
	bool done = false;

#ifdef SYS_renameat2
	done = syscall(SYS_renameat2, top, fresh, top, now, EXCHANGE) == 0 &&
	    renameat(top, fresh, top, old) == 0;
#endif
	if (!done)
		done = renameat(top, now, top, old) == 0 &&
		    renameat(top, fresh, top, now) == 0;
	return done && fsync(top) == 0;
}

/* "relay.before-2026-11-21T04.05.06" */
static void
old_name(struct buf *b)
{
	size_t from;

	buf_lit(b, "relay.before-");
	from = b->n;
	(void)date_put_iso(b, (int64_t)net_wall_ms());
	b->n = from + DATE_ISO_BYTES - 5;
	for (size_t i = from; i < b->n; i++)
		if (b->p[i] == ':')
			b->p[i] = '.';
}

static int
exchange(struct serve *s, const struct backup *b, bool keep)
{
	uint8_t area[64] = { 0 };
	struct buf old = BUF_ON(area), said = BUF_ON(s->text);
	struct data fresh;
	int top;

	old_name(&old);
	area[old.n] = 0;
	/* The path may lead through what root alone may pass. */
	top = openat(s->relay_data.dir, "..", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	if (top < 0 || fchdir(top) != 0 || data_open(&fresh, ".",
	    (const char *)fresh_name.p) != E_OK || !write_fresh(&fresh, b) ||
	    !swap(top, (char *)area))
		return out_fail(EXIT_FAILED, NULL, s->rs.data,
		    errno != EACCES ? strerror(errno) : "the account that "
		    "has relay/ in it may not write there: chown it to that");
	buf_lit(&said, "restored");
	if (keep) {
		buf_lit(&said, "; what was there is now ");
		buf_put_escaped(&said, s->rs.data, SERVE_PATH_BYTES);
		buf_lit(&said, "/");
		buf_put(&said, buf_slice(&old));
	} else {
		(void)unlinkat(s->relay_data.dir, "lock", 0);
		(void)unlinkat(top, (char *)area, AT_REMOVEDIR);
	}
	buf_lit(&said, "\n");
	out_write(STDERR_FILENO, buf_slice(&said));
	return EXIT_STOPPED;
}

int
restore_cmd(const struct cmd *cmd)
{
	static struct console c;
	struct serve *s = &serve_process;
	const char *file = NULL;
	bool replace = false, keep = false;
	struct backup b;
	int code = begin(cmd, &file, &replace);

	if (code == EXIT_GO_ON)
		code = check(s, file, &b);
	if (code == EXIT_GO_ON)
		code = console_open(&c, s, true, true);
	if (code == EXIT_GO_ON)
		keep = holds_state(&s->relay_data);
	if (code == EXIT_GO_ON && keep && !replace)
		code = out_fail(EXIT_FAILED, NULL, s->rs.data, "it holds a "
		    "relay's data; say --replace after the file's name to put "
		    "the backup in its place");
	if (code == EXIT_GO_ON)
		code = exchange(s, &b, keep);
	keeper_wipe(&s->keeper);
	return code;
}
