/*
 * Buffers. One rule: what does not fit is not written at all, and the buffer
 * remembers it. Growing buffers were rejected: a reader would have to look for
 * the bound at every call, here it is the area.
 */
#include "base/buf.h"

#include <assert.h>

bool
buf_put(struct buf *b, struct slice s)
{
	assert(b->n <= b->cap);
	if (b->is_short || s.n > b->cap - b->n) {
		b->is_short = true;
		return false;
	}
	if (s.n > 0)
		memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
	return true;
}

bool
buf_put_u8(struct buf *b, uint8_t v)
{
	return buf_put(b, slice_of(&v, 1));
}

bool
buf_put_u16(struct buf *b, uint16_t v)
{
	uint8_t t[2];

	set_u16(t, v);
	return buf_put(b, slice_of(t, sizeof t));
}

bool
buf_put_u32(struct buf *b, uint32_t v)
{
	uint8_t t[4];

	set_u32(t, v);
	return buf_put(b, slice_of(t, sizeof t));
}

bool
buf_put_u64(struct buf *b, uint64_t v)
{
	uint8_t t[8];

	set_u64(t, v);
	return buf_put(b, slice_of(t, sizeof t));
}

bool
buf_put_dec(struct buf *b, uint64_t v)
{
	uint8_t t[20];
	size_t at = sizeof t;

	do {
		t[--at] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return buf_put(b, slice_of(t + at, sizeof t - at));
}

static const char hex_digits[16] = "0123456789abcdef";

bool
buf_put_hex(struct buf *b, struct slice s)
{
	if (b->is_short || s.n > buf_room(b) / 2) {
		b->is_short = true;
		return false;
	}
	for (size_t i = 0; i < s.n; i++) {
		b->p[b->n++] = (uint8_t)hex_digits[s.p[i] >> 4];
		b->p[b->n++] = (uint8_t)hex_digits[s.p[i] & 15];
	}
	return true;
}

/* A put in several parts that did not fit leaves nothing of them. */
static bool
put_end(struct buf *b, size_t mark)
{
	if (b->is_short)
		b->n = mark;
	return !b->is_short;
}

bool
buf_put_escaped(struct buf *b, struct slice s, size_t max_bytes)
{
	struct slice part = slice_head(s, max_bytes);
	size_t mark = b->n;

	for (size_t i = 0; i < part.n; i++) {
		uint8_t c = part.p[i];

		if (c > 32 && c < 127 && c != '\\' && c != '"') {
			buf_put_u8(b, c);
		} else if (c == ' ') {
			buf_put_u8(b, ' ');
		} else {
			buf_lit(b, "\\x");
			buf_put_hex(b, slice_of(&c, 1));
		}
	}
	if (part.n < s.n)
		buf_lit(b, "...");
	return put_end(b, mark);
}

bool
buf_put_html(struct buf *b, struct slice s)
{
	size_t mark = b->n;

	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '&':
			buf_lit(b, "&amp;");
			break;
		case '<':
			buf_lit(b, "&lt;");
			break;
		case '>':
			buf_lit(b, "&gt;");
			break;
		case '"':
			buf_lit(b, "&quot;");
			break;
		case '\'':
			buf_lit(b, "&#39;");
			break;
		default:
			buf_put_u8(b, s.p[i]);
		}
	}
	return put_end(b, mark);
}

void
buf_drop(struct buf *b, size_t n)
{
	assert(n <= b->n);
	b->n -= n;
	if (n > 0 && b->n > 0)
		memmove(b->p, b->p + n, b->n);
}
