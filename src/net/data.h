/*
 * The data directory: DATA/ROLE/ with a handful of small files, and a lock
 * that one process holds. Everything goes through the directory's descriptor,
 * so that it works in a sandbox that has closed the rest of the file system.
 */
#ifndef ADIT_NET_DATA_H
#define ADIT_NET_DATA_H

#include "base/err.h"
#include "base/slice.h"

enum { DATA_NAME_MAX = 64 };

struct data {
	int dir;                /* DATA/ROLE; -1 if there is none */
	int lock;
	int error;              /* errno of the last failure, for people */
	bool frozen;            /* nothing is written: EROFS */
};

/*
 * Open DATA/ROLE, making both (0700) if they are not there, and lock it until
 * the process ends.
 *   E_OK
 *   E_FULL   another process holds the lock
 *   E_IO     d->error says why
 */
enum err data_open(struct data *d, const char *path, const char *role);
/*
 * The same with a lock that another process holds and has passed on: `lock` is
 * d's from here on. It belongs to the open file, so it is never free between
 * them. E_FULL: it is not that lock.
 */
enum err data_adopt(struct data *d, const char *path, const char *role,
    int lock);
/* Let go of the lock, or of this process's part of it. */
void data_unlock(struct data *d);
/* The same without a lock and without making anything, to read only. */
enum err data_peek(struct data *d, const char *path, const char *role);
void data_close(struct data *d);
/* Does a process hold the lock at this moment? */
bool data_locked(const struct data *d);

/*
 * The whole file, into dst.
 *   E_OK     *n bytes
 *   E_EOF    there is no such file
 *   E_RANGE  it has more than cap bytes
 *   E_SYNTAX not a name that we use for a file
 *   E_IO     d->error
 */
enum err data_load(struct data *d, struct slice name, uint8_t *dst, size_t cap,
    size_t *n);

/*
 * Replace the file `name`, mode 0600: written beside it, synced, the previous
 * content kept as NAME.prev, renamed, the directory synced. At every moment
 * there is a whole file of that name, if there was one before. E_IO: the old
 * content stays, unless it was the last step, the directory's sync, that
 * failed: then either may be there after a power cut. Names are
 * [a-z0-9._-], at most DATA_NAME_MAX, not beginning with a dot.
 */
enum err data_save(struct data *d, struct slice name, struct slice content);
/* Append to the file, made 0600 if it is not there; durable afterwards. E_IO:
 * a part may stand there. */
enum err data_append(struct data *d, struct slice name, struct slice content);
/* NAME becomes NAME.1, that one NAME.2, and so on, so that `files` (2 to 9) of
 * them stay at most. E_IO if a step failed: none but the oldest is lost. */
enum err data_rotate(struct data *d, struct slice name, unsigned files);
/* Remove NAME and NAME.prev, durably. E_OK also if there was none. */
enum err data_remove(struct data *d, struct slice name);

#endif
