/*
 * Slices: borrowed bytes. A slice is a pointer and a length; it owns nothing,
 * ends with no NUL and may hold any byte. Every parser in adit reads from a
 * slice and leaves slices of its input behind, so nothing is copied to be
 * looked at.
 *
 * The functions that take bytes off the front change nothing when they fail.
 */
#ifndef ADIT_BASE_SLICE_H
#define ADIT_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *p;
	size_t n;
};

/* A slice of a string literal, without its NUL. Not for other pointers. */
#define SL(lit) ((struct slice)SL_INIT(lit))
/* The same as an initialiser of a static table. */
#define SL_INIT(lit) { (const uint8_t *)("" lit ""), sizeof(lit) - 1 }

static inline struct slice
slice_of(const void *p, size_t n)
{
	return (struct slice){ p, n };
}

/* The bytes of `s` from offset `from` on; empty if there are not so many. */
static inline struct slice
slice_from(struct slice s, size_t from)
{
	if (from > s.n)
		from = s.n;
	/* An empty slice may be NULL, to which nothing may be added. */
	return (struct slice){ from > 0 ? s.p + from : s.p, s.n - from };
}

/* The first `n` bytes of `s`, or all of it if it is shorter. */
static inline struct slice
slice_head(struct slice s, size_t n)
{
	return (struct slice){ s.p, n < s.n ? n : s.n };
}

/* Take exactly n bytes off the front. False, and nothing changes, if short. */
static inline bool
slice_take(struct slice *in, size_t n, struct slice *out)
{
	if (n > in->n)
		return false;
	*out = (struct slice){ in->p, n };
	in->p += n;
	in->n -= n;
	return true;
}

/* Take one byte, or a big-endian number, off the front. */
static inline bool
slice_take_u8(struct slice *in, uint8_t *v)
{
	if (in->n < 1)
		return false;
	*v = in->p[0];
	in->p += 1;
	in->n -= 1;
	return true;
}

static inline uint16_t
get_u16(const uint8_t *p)
{
	return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t
get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t
get_u64(const uint8_t *p)
{
	return (uint64_t)get_u32(p) << 32 | get_u32(p + 4);
}

static inline void
set_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
set_u32(uint8_t *p, uint32_t v)
{
	set_u16(p, (uint16_t)(v >> 16));
	set_u16(p + 2, (uint16_t)v);
}

static inline void
set_u64(uint8_t *p, uint64_t v)
{
	set_u32(p, (uint32_t)(v >> 32));
	set_u32(p + 4, (uint32_t)v);
}

static inline bool
slice_take_u16(struct slice *in, uint16_t *v)
{
	struct slice s;

	if (!slice_take(in, 2, &s))
		return false;
	*v = get_u16(s.p);
	return true;
}

/* ASCII only, whatever the locale: bytes above 127 have no case. */
static inline uint8_t
ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static inline bool
ascii_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit of either case, or 16. */
unsigned ascii_hex(uint8_t c);

/* Same bytes. Not for secrets: see ct_eq in crypto/ct.h. */
static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Same bytes but for ASCII case. */
bool slice_ieq(struct slice a, struct slice b);

static inline bool
slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && slice_eq(slice_head(s, prefix.n), prefix);
}

static inline bool
slice_ends(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n &&
	    slice_eq(slice_from(s, s.n - suffix.n), suffix);
}

/* Offset of the first `c`, or s.n if there is none. */
size_t slice_find(struct slice s, uint8_t c);
/* Offset of the last `c`, or s.n if there is none. */
size_t slice_rfind(struct slice s, uint8_t c);
/* Without SP and HTAB at both ends. */
struct slice slice_trim(struct slice s);
/*
 * Cut `*rest` at the first `sep`: the part before it, and `*rest` becomes
 * what follows the separator. With no separator all of it is taken and
 * `*rest` becomes empty.
 */
struct slice slice_cut(struct slice *rest, uint8_t sep);
/*
 * Decimal digits, nothing else, at least one, no more than `max`. False on
 * anything else; leading zeros are allowed.
 */
bool slice_dec(struct slice s, uint64_t max, uint64_t *v);

#endif
