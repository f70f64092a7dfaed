/*
 * What Debian's libbearssl.a wants from its C library and musl does not have:
 * it was compiled with _FORTIFY_SOURCE, so that some calls go to a checked
 * form with the size of the destination behind. Empty with glibc.
 */
#include <features.h>

#ifndef __GLIBC__
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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
#endif
