/*
 * Slices: the few searches that are too long to inline.
 *
 * Everything here is a plain loop over bytes with the length beside it. memchr
 * is used where it says the same, since every libc has a fast one.
 */
#include "base/slice.h"

unsigned
ascii_hex(uint8_t c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 16;
}

bool
slice_ieq(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	}
	return true;
}

size_t
slice_find(struct slice s, uint8_t c)
{
	const uint8_t *q = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	return q == NULL ? s.n : (size_t)(q - s.p);
}

size_t
slice_rfind(struct slice s, uint8_t c)
{
	for (size_t i = s.n; i > 0; i--) {
		if (s.p[i - 1] == c)
			return i - 1;
	}
	return s.n;
}

struct slice
slice_trim(struct slice s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

struct slice
slice_cut(struct slice *rest, uint8_t sep)
{
	size_t at = slice_find(*rest, sep);
	struct slice part = slice_head(*rest, at);

	*rest = slice_from(*rest, at < rest->n ? at + 1 : at);
	return part;
}

bool
slice_dec(struct slice s, uint64_t max, uint64_t *v)
{
	uint64_t sum = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint64_t d = (uint64_t)s.p[i] - '0';

		if (d > 9 || d > max || sum > (max - d) / 10)
			return false;
		sum = sum * 10 + d;
	}
	*v = sum;
	return true;
}
