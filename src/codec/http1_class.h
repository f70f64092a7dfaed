/*
 * Byte classes of HTTP/1.1 (RFC 9110 5.5, 5.6.2; RFC 9112 3.2), for the files
 * of codec that read it: not a contract for other rooms.
 */
#ifndef ADIT_CODEC_HTTP1_CLASS_H
#define ADIT_CODEC_HTTP1_CLASS_H

#include "base/slice.h"

enum {
	HTTP_C_TOKEN = 1,       /* tchar */
	HTTP_C_VALUE = 2,       /* HTAB, SP, VCHAR, obs-text */
	HTTP_C_TARGET = 4,      /* VCHAR without `#` */
};

/* Indexed by byte. In http1_name.c. */
extern const uint8_t http_class[256];

/* The first offset from `at` on whose byte is not of the class, or s.n. */
static inline size_t
http_class_end(struct slice s, size_t at, unsigned class_bit)
{
	while (at < s.n && (http_class[s.p[at]] & class_bit) != 0)
		at++;
	return at;
}

/*
 * The same for HTTP_C_VALUE, eight bytes at a time: most of a head is values.
 * A byte below 0x20 borrows in `low`, 0x7f is zero in `del`; both tests may
 * also mark a byte above a true hit, never without one, so a marked word is
 * only walked byte by byte.
 */
static inline size_t
http_value_end(struct slice s, size_t at)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);

	for (;;) {
		while (s.n - at >= 8) {
			uint64_t w, low, del;

			memcpy(&w, s.p + at, 8);
			low = (w - ones * 0x20) & ~w;
			del = w ^ ones * 0x7f;
			del = (del - ones) & ~del;
			if (((low | del) & ones * 0x80) != 0)
				break;
			at += 8;
		}
		for (unsigned i = 0; i < 8; i++) {
			if (at == s.n || !(http_class[s.p[at]] & HTTP_C_VALUE))
				return at;
			at++;
		}
	}
}

#endif
