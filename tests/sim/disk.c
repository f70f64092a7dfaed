/*
 * See disk.h. A file is found by the place of its inode; a descriptor is that
 * place and an offset. The directory's changes since its last fsync are a list,
 * so that a power loss can take some of them and leave others.
 */
#include "disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/num.h"
#include "base/slice.h"
#include "dyn.h"
#include "net/data.h"
#include "sim.h"

enum { INODES = 4096, NAMES = 48, CHANGES = 4096, FDS = 8, FD_BASE = 1000,
	DIR_FD = 999, NAME_MAX_BYTES = 80, WRITE_MOST = 4096 };

/* Files only grow: what is durable is a front of what there is. */
struct inode { struct dyn now, durable; size_t killed_n; };

/* The names of a directory: which inode, -1: none. */
struct dir { struct { char name[NAME_MAX_BYTES]; int inode; } e[NAMES]; };

/* One change that happens whole: a name gets an inode, another goes. */
struct change { char set[NAME_MAX_BYTES], gone[NAME_MAX_BYTES]; int inode; };

struct open_file { int inode; size_t at; };

static struct world_host *host;
static struct inode inodes[INODES];
static int ninodes;
static struct dir now, durable, killed;
static struct change changes[CHANGES];
static size_t nchanges, killed_changes;
static struct open_file fds[FDS];
static unsigned steps_left;
/* Nothing that is done counts any more: by a power loss, or the process was
 * killed and only sees what it would have done. */
static bool off, was_killed, after_kill, kills, is_full;
static unsigned full_in, refused;       /* writes until one fails; that did */

/* ---- names ---- */

static int *
entry(struct dir *d, const char *name, bool make)
{
	int spare = -1;

	for (int i = 0; i < NAMES; i++) {
		if (strcmp(d->e[i].name, name) == 0)
			return &d->e[i].inode;
		if (d->e[i].name[0] == 0 && spare < 0)
			spare = i;
	}
	if (!make)
		return NULL;
	assert(spare >= 0 && strlen(name) < NAME_MAX_BYTES);
	strcpy(d->e[spare].name, name);
	d->e[spare].inode = -1;
	return &d->e[spare].inode;
}

static int
lookup(const char *name)
{
	const int *i = entry(&now, name, false);

	return i != NULL ? *i : -1;
}

static void
apply(struct dir *d, const struct change *c)
{
	if (c->gone[0] != 0)
		*entry(d, c->gone, true) = -1;
	if (c->set[0] != 0)
		*entry(d, c->set, true) = c->inode;
}

static void
change(const char *set, int inode, const char *gone)
{
	struct change *c = &changes[nchanges++];

	assert(nchanges < CHANGES);
	*c = (struct change){ .inode = inode };
	strcpy(c->set, set);
	strcpy(c->gone, gone);
	apply(&now, c);
}

/* ---- power ---- */

static void
end_all(void)
{
	off = true;
	steps_left = 0;
	world_pause(host, true);
}

/* What is on the disk becomes what is durable, and some of the rest. */
static void
lose_power(void)
{
	for (size_t i = 0; i < nchanges; i++) {
		if (sim_chance(500))
			apply(&durable, &changes[i]);
	}
	nchanges = 0;
	for (int i = 0; i < ninodes; i++) {
		struct inode *f = &inodes[i];
		size_t from = f->durable.n, n;

		if (f->now.n == from || sim_chance(300))
			continue;
		n = f->now.n - from;
		if (sim_chance(600))
			n = (size_t)sim_below(n + 1);
		dyn_put(&f->durable, f->now.p + from, n);
		if (n > 0 && sim_chance(500))
			f->durable.p[from + sim_below(n)] = 0;
	}
	was_killed = false;
	end_all();
}

static void
kill_process(void)
{
	killed = now;
	killed_changes = nchanges;
	for (int i = 0; i < ninodes; i++)
		inodes[i].killed_n = inodes[i].now.n;
	was_killed = true;
	end_all();
}

/* Every call that changes something is a step. */
static void
step(void)
{
	if (steps_left == 0 || --steps_left > 0)
		return;
	if (kills)
		kill_process();
	else
		lose_power();
}

void
disk_lose_power(unsigned n)
{
	steps_left = n;
	kills = false;
}

void
disk_kill(unsigned n)
{
	steps_left = n;
	kills = true;
}

bool
disk_is_off(void)
{
	return off;
}

void
disk_after_power_loss(void)
{
	if (!off)
		lose_power();
	world_pause(host, false);
	off = false;
	steps_left = 0;
	nchanges = was_killed ? killed_changes : 0;
	now = was_killed ? killed : durable;
	for (int i = 0; i < ninodes; i++) {
		struct inode *f = &inodes[i];

		if (was_killed) {
			f->now.n = f->killed_n;
			continue;
		}
		f->now.n = 0;
		dyn_put(&f->now, f->durable.p, f->durable.n);
	}
	after_kill = was_killed;
	was_killed = false;
}

bool
disk_after_kill(void)
{
	return after_kill;
}

void
disk_fill(bool full)
{
	is_full = full;
}

bool
disk_is_full(void)
{
	return is_full;
}

void
disk_fill_once(unsigned n)
{
	full_in = n;
}

unsigned
disk_refused(void)
{
	return refused;
}

/* ---- the system calls of net/data.c ---- */

int disk_openat(int dir, const char *name, int flags, ...);
int disk_unlinkat(int dir, const char *name, int flags);
int disk_linkat(int dir, const char *from, int dir2, const char *to, int fl);
int disk_renameat(int dir, const char *from, int dir2, const char *to);
int disk_fsync(int fd);
ssize_t disk_write(int fd, const void *p, size_t n);
ssize_t disk_read(int fd, void *p, size_t n);
int disk_close(int fd);

static int
fails(int why)
{
	errno = why;
	return -1;
}

static struct open_file *
file_of(int fd)
{
	assert(fd >= FD_BASE && fd < FD_BASE + FDS &&
	    fds[fd - FD_BASE].inode >= 0);
	return &fds[fd - FD_BASE];
}

int
disk_openat(int dir, const char *name, int flags, ...)
{
	int inode = lookup(name), fd = 0;

	assert(dir == DIR_FD);
	if ((flags & O_CREAT) == 0 && inode < 0)
		return fails(ENOENT);
	if ((flags & O_CREAT) != 0) {
		if (inode >= 0)
			return fails(EEXIST);
		step();
		assert(ninodes < INODES);
		inode = ninodes++;
		change(name, inode, "");
	}
	while (fds[fd].inode >= 0) {
		fd++;
		assert(fd < FDS);
	}
	fds[fd] = (struct open_file){ inode, 0 };
	return FD_BASE + fd;
}

int
disk_unlinkat(int dir, const char *name, int flags)
{
	(void)dir;
	(void)flags;
	if (lookup(name) < 0)
		return fails(ENOENT);
	step();
	change("", -1, name);
	return 0;
}

int
disk_linkat(int dir, const char *from, int dir2, const char *to, int flags)
{
	(void)dir;
	(void)dir2;
	(void)flags;
	if (lookup(from) < 0)
		return fails(ENOENT);
	step();
	change(to, lookup(from), "");
	return 0;
}

int
disk_renameat(int dir, const char *from, int dir2, const char *to)
{
	(void)dir;
	(void)dir2;
	if (lookup(from) < 0)
		return fails(ENOENT);
	step();
	change(to, lookup(from), from);
	return 0;
}

int
disk_fsync(int fd)
{
	struct inode *f;

	step();
	if (off)
		return 0;
	if (fd == DIR_FD) {
		durable = now;
		nchanges = 0;
		return 0;
	}
	f = &inodes[file_of(fd)->inode];
	dyn_put(&f->durable, f->now.p + f->durable.n,
	    f->now.n - f->durable.n);
	return 0;
}

ssize_t
disk_write(int fd, const void *p, size_t n)
{
	struct inode *f = &inodes[file_of(fd)->inode];

	step();
	/* Of what does not fit a part may. */
	if ((is_full && sim_chance(600)) || (full_in > 0 && --full_in == 0)) {
		refused++;
		return fails(ENOSPC);
	}
	n = min_size(n, 1 + (size_t)sim_below(sim_chance(300) ? n :
	    WRITE_MOST));
	dyn_put(&f->now, p, n);
	return (ssize_t)n;
}

ssize_t
disk_read(int fd, void *p, size_t n)
{
	struct open_file *o = file_of(fd);
	const struct inode *f = &inodes[o->inode];

	n = min_size(n, f->now.n - o->at);
	if (n > 0)
		memcpy(p, f->now.p + o->at, n);
	o->at += n;
	return (ssize_t)n;
}

int
disk_close(int fd)
{
	file_of(fd)->inode = -1;
	return 0;
}

/* ---- the host's files ---- */

static bool
save(void *arg, struct slice name, struct slice content)
{
	struct data d = { .dir = DIR_FD, .lock = -1 };

	(void)arg;
	return data_save(&d, name, content) == E_OK && !off;
}

static struct slice
load(void *arg, const char *name)
{
	static uint8_t area[256 * 1024];
	struct data d = { .dir = DIR_FD, .lock = -1 };
	size_t n = 0;
	enum err e = data_load(&d, slice_of(name, strlen(name)), area,
	    sizeof area, &n);

	(void)arg;
	if (e != E_OK && e != E_EOF)
		sim_fail("%s cannot be read: %s", name, err_name(e));
	return slice_of(area, n);
}

/* ---- the keeper's ---- */

static struct data files = { .dir = DIR_FD, .lock = -1 };

static enum err
store_load(void *ctx, struct slice name, struct buf *into)
{
	size_t n = 0;
	enum err e = data_load(ctx, name, into->p + into->n, buf_room(into),
	    &n);

	if (e == E_OK)
		into->n += n;
	return e == E_RANGE ? E_FULL : e;
}

static bool
store_save(void *ctx, struct slice name, struct slice content)
{
	return data_save(ctx, name, content) == E_OK;
}

static bool
store_append(void *ctx, struct slice name, struct slice content)
{
	return data_append(ctx, name, content) == E_OK;
}

static bool
store_rotate(void *ctx, struct slice name, unsigned n)
{
	return data_rotate(ctx, name, n) == E_OK;
}

static bool
store_remove(void *ctx, struct slice name)
{
	return data_remove(ctx, name) == E_OK;
}

struct store_io
disk_store(void)
{
	return (struct store_io){ store_load, store_save, store_append,
		store_rotate, store_remove, &files };
}

void
disk_begin(struct world_host *h)
{
	host = h;
	for (int i = 0; i < FDS; i++)
		fds[i].inode = -1;
	world_disk(h, save, load, NULL);
}

void
disk_end(void)
{
	for (int i = 0; i < ninodes; i++) {
		free(inodes[i].now.p);
		free(inodes[i].durable.p);
	}
}
