/*
 * The account, and the data directories, which are opened on the way from root
 * to it. Root is never kept: it becomes --user, else the account `adit`, else
 * `nobody`. What this start makes is given to that account; what was there is
 * not: a directory that belongs to somebody else is opened only while there is
 * nothing in it.
 *
 * A directory is opened first and changed through its descriptor, and only if
 * it is root's own, so that no link and no other's folder is given away.
 */
#include "app/serve.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "app/file.h"
#include "app/out.h"
#include "app/sandbox.h"

/*
 * The C library's functions do this in all threads. There is one, and what
 * they need for it is a kilobyte. 32-bit Linux has these calls twice.
 */
#ifdef SYS_setresuid32
#define CALL_SETGROUPS  SYS_setgroups32
#define CALL_SETRESGID  SYS_setresgid32
#define CALL_SETRESUID  SYS_setresuid32
#else
#define CALL_SETGROUPS  SYS_setgroups
#define CALL_SETRESGID  SYS_setresgid
#define CALL_SETRESUID  SYS_setresuid
#endif

enum {
	PATH_BYTES = 1024,
	LOCK_TRIES = 10,                /* a predecessor may be ending */
	LOCK_MS = 100,
};

static int
account_fault(struct slice name, const char *why)
{
	return out_fail(EXIT_USAGE, "user", name, why);
}

/* The next field of a line of the list. */
static struct slice
field(struct slice *line)
{
	size_t n = slice_find(*line, ':');
	struct slice f = slice_head(*line, n);

	*line = slice_from(*line, n < line->n ? n + 1 : n);
	return f;
}

static bool
number(struct slice s, uint32_t *v)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s.n && sum < UINT32_MAX; i++) {
		if (!ascii_digit(s.p[i]))
			return false;
		sum = sum * 10 + s.p[i] - '0';
	}
	*v = (uint32_t)sum;
	return s.n > 0 && sum < UINT32_MAX;
}

/*
 * Look a name up in /etc/passwd. getpwnam was rejected: statically linked it
 * reads the same file, and asks a socket for what is not in it.
 */
static bool
find_in(struct slice text, struct slice name, struct account *to)
{
	while (text.n > 0) {
		size_t n = slice_find(text, '\n');
		struct slice line = slice_head(text, n);

		text = slice_from(text, n < text.n ? n + 1 : n);
		if (!slice_eq(field(&line), name))
			continue;
		(void)field(&line);
		if (number(field(&line), &to->uid) &&
		    number(field(&line), &to->gid))
			return true;
	}
	return false;
}

static int
find_account(struct serve *s)
{
	struct slice name = conf_text(&s->conf, C_USER, SL(""));
	struct buf text = BUF_ON(s->text);
	struct account *to = &s->account;
	bool found;

	*to = (struct account){ geteuid(), getegid() };
	if (name.n == 0 && to->uid != 0)
		return EXIT_GO_ON;
	if (file_read("/etc/passwd", &text, NULL) != E_OK)
		return account_fault(SL("/etc/passwd"), "cannot be read");
	s->was_root = to->uid == 0;
	found = name.n > 0 ? find_in(buf_slice(&text), name, to) :
	    find_in(buf_slice(&text), SL("adit"), to) ||
	    find_in(buf_slice(&text), SL("nobody"), to);
	if (!found)
		return account_fault(name, name.n > 0 ? "no such account" :
		    "neither adit nor nobody is an account: name one with "
		    "--user");
	if (to->uid == 0 || to->gid == 0)
		return account_fault(name, "root is never kept");
	return s->was_root || to->uid == geteuid() ? EXIT_GO_ON :
	    account_fault(name, "only root can become somebody else");
}

/* ---- data directories ------------------------ */

/* Make DATA, as the account's own. If it is there, nothing is changed. */
static void
make_top(const struct serve *s, const char *path)
{
	struct stat st;
	int fd;

	if (!s->was_root || mkdir(path, 0700) != 0)
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_uid == 0)
		(void)fchown(fd, s->account.uid, s->account.gid);
	(void)close(fd);
}

static bool
holds_state(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	bool found = d == NULL;

	while (!found && (e = readdir(d)) != NULL)
		found = e->d_name[0] != '.' && strcmp(e->d_name, "lock") != 0;
	if (d != NULL)
		(void)closedir(d);
	return found;
}

static int
own(const struct serve *s, struct data *d, struct slice path,
    struct slice role)
{
	struct stat st;

	if (fstat(d->dir, &st) != 0 || st.st_uid == s->account.uid)
		return EXIT_GO_ON;
	if (!s->was_root)
		return EXIT_GO_ON;      /* what we may not do will be told */
	if (st.st_uid == 0 && !holds_state(d->dir) &&
	    fchown(d->lock, s->account.uid, s->account.gid) == 0 &&
	    fchown(d->dir, s->account.uid, s->account.gid) == 0)
		return EXIT_GO_ON;
	return serve_file_fault(EXIT_USAGE, path, role, SL(""), 0,
	    "it belongs to another account than the one that this shall run "
	    "as; say --user NAME, or chown -R it");
}

static int
path_fault(struct slice path)
{
	return out_fail(EXIT_USAGE, NULL, path, "name too long");
}

/* A C string of a setting's text, which never holds a NUL. */
static bool
text_of(char *to, size_t cap, struct slice s)
{
	if (s.n >= cap)
		return false;
	memcpy(to, s.p, s.n);
	to[s.n] = '\0';
	return true;
}

static int
serve_data(struct data *d, struct slice path, struct slice role)
{
	static const struct timespec pause = { .tv_nsec = LOCK_MS * 1000000 };
	char dir[PATH_BYTES], sub[DATA_NAME_MAX];
	enum err e;

	if (!text_of(dir, sizeof dir, path) ||
	    !text_of(sub, sizeof sub, role))
		return path_fault(path);
	for (int i = 0; (e = data_open(d, dir, sub)) == E_FULL &&
	    i < LOCK_TRIES; i++)
		(void)nanosleep(&pause, NULL);
	if (e == E_OK)
		return EXIT_GO_ON;
	return serve_file_fault(EXIT_USAGE, path, role, SL(""), 0,
	    e == E_FULL ? "in use by another adit that runs" :
	    strerror(d->error));
}

static int
open_data(struct serve *s, struct data *d, struct slice path,
    struct slice role)
{
	char dir[PATH_BYTES];
	int code;

	if (!text_of(dir, sizeof dir, path))
		return path_fault(path);
	make_top(s, dir);
	code = d == &s->relay_data && s->takeover.asked ?
	    takeover_lock(s, d, path, role) : serve_data(d, path, role);
	return code == EXIT_GO_ON ? own(s, d, path, role) : code;
}

/* ---- the way down ------------------------ */

/* The kernel's io wants this many; after root nobody can raise the limit. */
static void
raise_limit(uint32_t want)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_max >= want)
		return;
	l.rlim_cur = l.rlim_max = want;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

static int
leave_root(const struct serve *s)
{
	uid_t uid = s->account.uid;
	gid_t gid = s->account.gid;
	bool keys = s->certs.n > 0 && s->sandbox.mode == SANDBOX_ON;

	raise_limit(serve_descriptors(s));
	sandbox_keep_capability(keys);
	if (syscall(CALL_SETGROUPS, 0, NULL) != 0 ||
	    syscall(CALL_SETRESGID, gid, gid, gid) != 0 ||
	    syscall(CALL_SETRESUID, uid, uid, uid) != 0 ||
	    syscall(CALL_SETRESUID, 0, 0, 0) == 0)
		return out_fail(EXIT_FAILED, NULL, SL("leaving root"),
		    strerror(errno));
	sandbox_narrow_capability(keys);
	return EXIT_GO_ON;
}

int
serve_account_of_data(struct serve *s)
{
	char path[PATH_BYTES];
	struct stat st = { 0 };
	struct data d;
	int code = EXIT_GO_ON;

	if (!text_of(path, sizeof path, s->rs.data))
		return path_fault(s->rs.data);
	if (geteuid() == 0 && data_peek(&d, path, "relay") == E_OK) {
		(void)fstat(d.dir, &st);
		data_close(&d);
	}
	if (st.st_uid != 0) {
		s->account = (struct account){ st.st_uid, st.st_gid };
		s->was_root = true;
	} else {
		code = find_account(s);
	}
	if (code == EXIT_GO_ON)
		code = open_data(s, &s->relay_data, s->rs.data, SL("relay"));
	return code == EXIT_GO_ON && s->was_root ? leave_root(s) : code;
}

int
serve_account(struct serve *s)
{
	uint8_t area[URL_NAME_MAX + 8];
	struct buf role = BUF_ON(area);
	int code = find_account(s);

	buf_lit(&role, "agent-");
	buf_put(&role, s->as.cfg.name);
	if (code == EXIT_GO_ON && s->has_relay)
		code = open_data(s, &s->relay_data, s->rs.data, SL("relay"));
	if (code == EXIT_GO_ON && s->has_agent)
		code = open_data(s, &s->agent_data, s->as.data,
		    buf_slice(&role));
	if (code == EXIT_GO_ON && s->was_root)
		code = leave_root(s);
	if (!s->has_relay)
		sandbox_drop_all();
	/* Changing the account sets it again. */
	serve_undumpable();
	return code;
}
