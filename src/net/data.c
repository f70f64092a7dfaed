/*
 * The data directory. The previous content is kept by a second link to it,
 * made before the new file is renamed over the name, so that there is never a
 * moment without a file of that name; where there are no hard links (some
 * phones, FAT) it is copied.
 */
#include "net/data.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 4096, SUFFIX_MAX = 8 };

/* The three names that belong to a file, as the system wants them. */
struct names {
	char name[DATA_NAME_MAX + SUFFIX_MAX];
	char prev[DATA_NAME_MAX + SUFFIX_MAX];  /* NAME.prev */
	char tmp[DATA_NAME_MAX + SUFFIX_MAX];   /* .NAME.new */
};

static bool
names_of(struct names *f, struct slice name)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

	*f = (struct names){ 0 };
	if (name.n == 0 || name.n > DATA_NAME_MAX || name.p[0] == '.')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (memchr(ok, name.p[i], sizeof ok - 1) == NULL)
			return false;
	}
	memcpy(f->name, name.p, name.n);
	memcpy(f->prev, name.p, name.n);
	memcpy(f->prev + name.n, ".prev", 5);
	f->tmp[0] = '.';
	memcpy(f->tmp + 1, name.p, name.n);
	memcpy(f->tmp + 1 + name.n, ".new", 4);
	return true;
}

static enum err
io_error(struct data *d)
{
	d->error = errno;
	return E_IO;
}

/* ---- the directory ------------------------ */

static bool
make_and_open(struct data *d, const char *path, const char *role, bool make)
{
	struct stat st;
	int top;

	if (make && mkdir(path, 0700) != 0 && errno != EEXIST)
		return false;
	top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return false;
	if (!make || mkdirat(top, role, 0700) == 0 || errno == EEXIST)
		d->dir = openat(top, role,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	(void)close(top);
	if (d->dir < 0 || fstat(d->dir, &st) != 0)
		return false;
	/* It may have been unpacked from a backup. */
	return !make || (st.st_mode & 077) == 0 || fchmod(d->dir, 0700) == 0;
}

/* Is it open on the lock of this directory? */
static bool
is_lock(const struct data *d, int fd)
{
	struct stat want, have;

	if (fstatat(d->dir, "lock", &want, AT_SYMLINK_NOFOLLOW) != 0 ||
	    fstat(fd, &have) != 0)
		return false;
	errno = EWOULDBLOCK;
	return want.st_dev == have.st_dev && want.st_ino == have.st_ino;
}

enum err
data_open(struct data *d, const char *path, const char *role)
{
	return data_adopt(d, path, role, -1);
}

enum err
data_adopt(struct data *d, const char *path, const char *role, int lock)
{
	enum err e;

	*d = (struct data){ .dir = -1, .lock = lock };
	if (!make_and_open(d, path, role, true))
		goto fail;
	if (lock < 0)
		d->lock = openat(d->dir, "lock",
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	else if (!is_lock(d, lock))
		goto fail;
	if (d->lock >= 0 && flock(d->lock, LOCK_EX | LOCK_NB) == 0)
		return E_OK;
fail:
	e = d->lock >= 0 && errno == EWOULDBLOCK ? E_FULL : E_IO;
	(void)io_error(d);
	data_close(d);
	return e;
}

enum err
data_peek(struct data *d, const char *path, const char *role)
{
	*d = (struct data){ .dir = -1, .lock = -1 };
	if (make_and_open(d, path, role, false))
		return E_OK;
	(void)io_error(d);
	data_close(d);
	return E_IO;
}

void
data_unlock(struct data *d)
{
	if (d->lock >= 0)
		(void)close(d->lock);
	d->lock = -1;
}

void
data_close(struct data *d)
{
	data_unlock(d);
	if (d->dir >= 0)
		(void)close(d->dir);
	d->dir = -1;
}

bool
data_locked(const struct data *d)
{
	int fd = openat(d->dir, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 &&
	    errno == EWOULDBLOCK;

	if (fd >= 0)
		(void)close(fd);
	return held;
}

/* ---- reading ------------------------ */

/* Read until the end or until dst is full; -1 with errno set. */
static ssize_t
read_all(int fd, uint8_t *dst, size_t cap)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t r = read(fd, dst + n, cap - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	return (ssize_t)n;
}

enum err
data_load(struct data *d, struct slice name, uint8_t *dst, size_t cap,
    size_t *n)
{
	struct names f;
	enum err e = E_OK;
	uint8_t one;
	ssize_t r;
	int fd;

	if (!names_of(&f, name))
		return E_SYNTAX;
	fd = openat(d->dir, f.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? E_EOF : io_error(d);
	r = read_all(fd, dst, cap);
	if (r < 0) {
		e = io_error(d);
	} else {
		*n = (size_t)r;
		r = (size_t)r < cap ? 0 : read_all(fd, &one, 1);
		if (r != 0)
			e = r < 0 ? io_error(d) : E_RANGE;
	}
	(void)close(fd);
	return e;
}

/* ---- writing ------------------------ */

static bool
write_all(int fd, struct slice s)
{
	while (s.n > 0) {
		ssize_t r = write(fd, s.p, s.n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		s = slice_from(s, (size_t)r);
	}
	return true;
}

/* A new, empty f->tmp; what a crash left of it before goes away. */
static int
open_tmp(struct data *d, const struct names *f)
{
	if (unlinkat(d->dir, f->tmp, 0) != 0 && errno != ENOENT)
		return -1;
	return openat(d->dir, f->tmp,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* Close fd after its content is durable, or undo f->tmp. errno is kept. */
static bool
finish_tmp(struct data *d, const struct names *f, int fd, bool ok)
{
	int why;

	ok = ok && fsync(fd) == 0;
	why = errno;
	if (close(fd) != 0 && ok) {
		why = errno;
		ok = false;
	}
	if (!ok)
		(void)unlinkat(d->dir, f->tmp, 0);
	errno = why;
	return ok;
}

static bool
copy_to(int from, int to)
{
	uint8_t part[COPY_BYTES];
	ssize_t r;

	do {
		r = read_all(from, part, sizeof part);
		if (r < 0 || !write_all(to, slice_of(part, (size_t)r)))
			return false;
	} while ((size_t)r == sizeof part);
	return true;
}

/* f->tmp becomes a second file with the present content. */
static bool
copy_present(struct data *d, const struct names *f)
{
	int from, to;
	bool ok;

	from = openat(d->dir, f->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return false;
	to = open_tmp(d, f);
	ok = to >= 0 && finish_tmp(d, f, to, copy_to(from, to));
	(void)close(from);
	return ok;
}

/* Let NAME.prev be the present content, if there is any. */
static bool
keep_present(struct data *d, const struct names *f)
{
	if (unlinkat(d->dir, f->tmp, 0) != 0 && errno != ENOENT)
		return false;
	if (linkat(d->dir, f->name, d->dir, f->tmp, 0) != 0 &&
	    !copy_present(d, f))
		return errno == ENOENT;
	return renameat(d->dir, f->tmp, d->dir, f->prev) == 0;
}

static enum err
sync_dir(struct data *d)
{
	return fsync(d->dir) == 0 ? E_OK : io_error(d);
}

/* The names of a file that is about to change. */
static enum err
to_write(struct data *d, struct names *f, struct slice name)
{
	if (!names_of(f, name))
		return E_SYNTAX;
	if (!d->frozen)
		return E_OK;
	errno = EROFS;
	return io_error(d);
}

enum err
data_save(struct data *d, struct slice name, struct slice content)
{
	struct names f;
	enum err e = to_write(d, &f, name);
	int fd;

	if (e != E_OK)
		return e;
	if (!keep_present(d, &f))
		return io_error(d);
	fd = open_tmp(d, &f);
	if (fd < 0 || !finish_tmp(d, &f, fd, write_all(fd, content)))
		return io_error(d);
	if (renameat(d->dir, f.tmp, d->dir, f.name) != 0) {
		(void)io_error(d);
		(void)unlinkat(d->dir, f.tmp, 0);
		return E_IO;
	}
	return sync_dir(d);
}

/* ---- a log, and what is no longer wanted ------------------------ */

enum err
data_append(struct data *d, struct slice name, struct slice content)
{
	enum { FLAGS = O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC };
	struct names f;
	enum err e = to_write(d, &f, name);
	bool made = false, ok;
	int fd;

	if (e != E_OK)
		return e;
	fd = openat(d->dir, f.name, FLAGS);
	if (fd < 0 && errno == ENOENT) {
		fd = openat(d->dir, f.name, FLAGS | O_CREAT | O_EXCL, 0600);
		made = true;
	}
	if (fd < 0)
		return io_error(d);
	ok = write_all(fd, content) && fsync(fd) == 0;
	if (!ok)
		(void)io_error(d);
	(void)close(fd);
	return !ok ? E_IO : made ? sync_dir(d) : E_OK;
}

/* NAME.i, or NAME itself for 0. */
static void
numbered(char *to, const struct names *f, size_t n, unsigned i)
{
	memcpy(to, f->name, sizeof f->name);
	if (i > 0) {
		to[n] = '.';
		to[n + 1] = (char)('0' + i);
	}
}

enum err
data_rotate(struct data *d, struct slice name, unsigned files)
{
	struct names f;
	enum err e = to_write(d, &f, name);
	char from[sizeof f.name], to[sizeof f.name];

	assert(files >= 2 && files <= 9);
	if (e != E_OK)
		return e;
	for (unsigned i = files - 1; i > 0; i--) {
		numbered(to, &f, name.n, i);
		numbered(from, &f, name.n, i - 1);
		/* One after the other: a crash loses no content. */
		if (renameat(d->dir, from, d->dir, to) == 0)
			e = sync_dir(d);
		else if (errno != ENOENT)
			e = io_error(d);
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

enum err
data_remove(struct data *d, struct slice name)
{
	struct names f;
	enum err e = to_write(d, &f, name);

	if (e != E_OK)
		return e;
	if ((unlinkat(d->dir, f.prev, 0) != 0 && errno != ENOENT) ||
	    (unlinkat(d->dir, f.name, 0) != 0 && errno != ENOENT))
		return io_error(d);
	return sync_dir(d);
}
