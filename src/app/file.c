/*
 * Files that a person names: read whole, up to the room there is for them.
 */
#include "app/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum err
file_take(int fd, struct buf *into)
{
	for (;;) {
		uint8_t one;
		bool full = buf_room(into) == 0;
		ssize_t n = read(fd, full ? &one : into->p + into->n,
		    full ? 1 : buf_room(into));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return E_IO;
		if (n == 0)
			return E_OK;
		if (full)
			return E_RANGE;
		into->n += (size_t)n;
	}
}

enum err
file_read(const char *path, struct buf *into, bool *exposed)
{
	struct stat st;
	enum err e;
	int fd, why;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT ? E_EOF : E_IO;
	if (exposed != NULL)
		*exposed = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		    (st.st_mode & 077) != 0;
	e = file_take(fd, into);
	why = errno;
	(void)close(fd);
	errno = why;
	return e;
}
