/*
 * Buffers: a fixed area that is filled from the front. A put that does not
 * fit writes nothing, returns false and marks the buffer as `short`, so a
 * builder may put many times and look once at the end with buf_ok.
 */
#ifndef ADIT_BASE_BUF_H
#define ADIT_BASE_BUF_H

#include "base/slice.h"

struct buf {
	uint8_t *p;
	size_t cap;     /* bytes in the area */
	size_t n;       /* bytes used */
	bool is_short;  /* a put did not fit; stays set until buf_reset */
};

static inline struct buf
buf_of(void *area, size_t cap)
{
	return (struct buf){ area, cap, 0, false };
}

/* A buffer over a local array. */
#define BUF_ON(array) buf_of((array), sizeof(array))

static inline void
buf_reset(struct buf *b)
{
	b->n = 0;
	b->is_short = false;
}

static inline bool
buf_ok(const struct buf *b)
{
	return !b->is_short;
}

static inline struct slice
buf_slice(const struct buf *b)
{
	return (struct slice){ b->p, b->n };
}

static inline size_t
buf_room(const struct buf *b)
{
	return b->cap - b->n;
}

/* Append all of `s`, or nothing and false. */
bool buf_put(struct buf *b, struct slice s);
bool buf_put_u8(struct buf *b, uint8_t v);
bool buf_put_u16(struct buf *b, uint16_t v);    /* big endian */
bool buf_put_u32(struct buf *b, uint32_t v);
bool buf_put_u64(struct buf *b, uint64_t v);
bool buf_put_dec(struct buf *b, uint64_t v);    /* decimal, no padding */
bool buf_put_hex(struct buf *b, struct slice s);        /* lower case */
/* `s` for a log or a person: printable ASCII as it is, but `\`, `"` and all
 * other bytes as \xHH; cut after max_bytes of input, with "..." then. */
bool buf_put_escaped(struct buf *b, struct slice s, size_t max_bytes);
/* `s` as HTML text or quoted attribute value: & < > " ' as references. */
bool buf_put_html(struct buf *b, struct slice s);
/* Drop the first n bytes, moving the rest to the front. n <= b->n. */
void buf_drop(struct buf *b, size_t n);

#define buf_lit(b, lit) buf_put((b), SL(lit))

#endif
