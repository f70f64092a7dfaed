/*
 * What only the shipped binary needs, which is linked with musl. Empty with
 * glibc.
 *
 * Debian's libbearssl.a was compiled with _FORTIFY_SOURCE, so that some calls
 * go to a checked form with the size of the destination behind; musl has none
 * of them. And tools/musl/assert.h wants its other half.
 */
#include <features.h>

#ifndef __GLIBC__
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__memcpy_chk(void *, const void *, size_t, size_t);
void *__memmove_chk(void *, const void *, size_t, size_t);
void *__memset_chk(void *, int, size_t, size_t);

void *
__memcpy_chk(void *dst, const void *src, size_t n, size_t dst_size)
{
	if (n > dst_size)
		abort();
	return memcpy(dst, src, n);
}

void *
__memmove_chk(void *dst, const void *src, size_t n, size_t dst_size)
{
	if (n > dst_size)
		abort();
	return memmove(dst, src, n);
}

void *
__memset_chk(void *dst, int byte, size_t n, size_t dst_size)
{
	if (n > dst_size)
		abort();
	return memset(dst, byte, n);
}

/* "adit: src/x.c:42: assertion failed", without anything that could itself
 * be what is broken. */
_Noreturn void
adit_assert_failed(const char *file, int line)
{
	char text[16] = ":";
	size_t n = 0, at = sizeof text;

	while (file[n] != 0)
		n++;
	do
		text[--at] = (char)('0' + line % 10);
	while ((line /= 10) > 0 && at > 2);
	text[--at] = ':';
	(void)write(2, "adit: ", 6);
	(void)write(2, file, n);
	(void)write(2, text + at, sizeof text - at);
	(void)write(2, ": assertion failed\n", 19);
	abort();
}
#endif
