/*
 * Comparing and wiping. Both work on every byte whatever the bytes are; both
 * tell the compiler through an empty asm that the result matters, since a
 * clever one may leave a loop early or drop a store that nobody reads.
 */
#include "crypto/ct.h"

bool
ct_eq(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;
	unsigned diff = 0;

	for (size_t i = 0; i < n; i++) {
		diff |= (unsigned)(p[i] ^ q[i]);
		__asm__("" : "+r"(diff));
	}
	return diff == 0;
}

void
wipe(void *p, size_t n)
{
	if (n == 0)
		return;
	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
}

bool
secret_set(struct secret *s, struct slice v)
{
	secret_wipe(s);
	if (v.n > SECRET_MAX)
		return false;
	if (v.n > 0)
		memcpy(s->b, v.p, v.n);
	s->n = v.n;
	return true;
}

void
secret_wipe(struct secret *s)
{
	wipe(s, sizeof *s);
}
