/*
 * What is said to the person at the terminal, by write(2): no buffer of stdio
 * keeps a part of it, which could be a secret.
 */
#include "app/out.h"

#include <errno.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024, NAME_SHOWN = 300 };

struct slice
out_str(const char *c)
{
	return slice_of(c, strlen(c));
}

void
out_write(int fd, struct slice s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		s = slice_from(s, (size_t)n);
	}
}

void
out_error(struct slice text)
{
	uint8_t area[LINE_MAX_BYTES];
	struct buf b = BUF_ON(area);

	buf_lit(&b, "adit: ");
	buf_put(&b, slice_head(text, LINE_MAX_BYTES - 16));
	buf_lit(&b, "\n");
	out_write(STDERR_FILENO, buf_slice(&b));
}

int
out_fail(int code, const char *what, struct slice name, const char *why)
{
	uint8_t area[LINE_MAX_BYTES];
	struct buf b = BUF_ON(area);

	if (what != NULL) {
		buf_put(&b, out_str(what));
		buf_lit(&b, " ");
	}
	buf_put_escaped(&b, name, NAME_SHOWN);
	if (why != NULL) {
		buf_lit(&b, ": ");
		buf_put(&b, out_str(why));
	}
	out_error(buf_slice(&b));
	return code;
}
