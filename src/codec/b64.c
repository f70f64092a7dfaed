/*
 * Base64 by arithmetic. A character is mapped by comparing it with the bounds
 * of each range and adding what the masks select: no table, no branch on the
 * data, since tokens and keys are encoded here and a table look-up tells a
 * neighbour on the same core which line of it was read.
 *
 * Decoding gathers everything that is wrong into one word and looks at it at
 * the end. Rejected: stopping at the first bad character (the time would tell
 * where it is), and being lenient about padding or unused bits (two spellings
 * of one token).
 */
#include "codec/b64.h"

#include <assert.h>

static bool
is_url(enum b64_kind kind)
{
	return kind == B64_URL || kind == B64_URL_BARE;
}

static bool
is_padded(enum b64_kind kind)
{
	return kind == B64_STD || kind == B64_URL;
}

size_t
b64_encoded_size(size_t n, enum b64_kind kind)
{
	static const uint8_t tail[3] = { 0, 2, 3 };

	assert(n <= SIZE_MAX / 2);
	if (is_padded(kind))
		return (n + 2) / 3 * 4;
	return n / 3 * 4 + tail[n % 3];
}

size_t
b64_decoded_max(size_t n)
{
	return n / 4 * 3 + 2;
}

/* All ones if a < b, else zero. Both below 2^31. */
static uint32_t
lt(uint32_t a, uint32_t b)
{
	return 0u - ((a - b) >> 31);
}

/* The character of a value below 64; c62 and c63 are the kind's last two. */
static uint8_t
char_of(uint32_t v, uint32_t c62, uint32_t c63)
{
	uint32_t c = v + 'A';

	c += lt(25, v) & ('a' - 26 - 'A');
	c -= lt(51, v) & ('a' - 26 - ('0' - 52));
	c += lt(61, v) & (c62 - ('0' + 10));
	c += lt(62, v) & (c63 - c62 - 1);
	return (uint8_t)c;
}

/* The value of a character; what no value has is all ones. */
static uint32_t
value_of(uint32_t c, uint32_t c62, uint32_t c63)
{
	uint32_t upper = lt('A' - 1, c) & lt(c, 'Z' + 1);
	uint32_t lower = lt('a' - 1, c) & lt(c, 'z' + 1);
	uint32_t digit = lt('0' - 1, c) & lt(c, '9' + 1);
	uint32_t is62 = ~(lt(c, c62) | lt(c62, c));
	uint32_t is63 = ~(lt(c, c63) | lt(c63, c));

	return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) |
	    (digit & (c - '0' + 52)) | (is62 & 62) | (is63 & 63) |
	    ~(upper | lower | digit | is62 | is63);
}

bool
b64_encode(struct buf *out, struct slice in, enum b64_kind kind)
{
	uint32_t c62 = is_url(kind) ? '-' : '+';
	uint32_t c63 = is_url(kind) ? '_' : '/';
	uint8_t *q;

	assert(out->n <= out->cap);
	if (out->is_short || b64_encoded_size(in.n, kind) > buf_room(out)) {
		out->is_short = true;
		return false;
	}
	if (in.n == 0)
		return true;
	q = out->p + out->n;
	for (size_t i = 0; i < in.n; i += 3) {
		size_t left = in.n - i;
		uint32_t v = (uint32_t)in.p[i] << 16;

		v |= left > 1 ? (uint32_t)in.p[i + 1] << 8 : 0;
		v |= left > 2 ? in.p[i + 2] : 0;
		*q++ = char_of(v >> 18, c62, c63);
		*q++ = char_of(v >> 12 & 63, c62, c63);
		if (left > 1)
			*q++ = char_of(v >> 6 & 63, c62, c63);
		else if (is_padded(kind))
			*q++ = '=';
		if (left > 2)
			*q++ = char_of(v & 63, c62, c63);
		else if (is_padded(kind))
			*q++ = '=';
	}
	assert((size_t)(q - out->p) - out->n == b64_encoded_size(in.n, kind));
	out->n = (size_t)(q - out->p);
	return true;
}

/* Cut the padding off `in`. False if it is not what the kind demands. */
static bool
strip_padding(struct slice *in, enum b64_kind kind)
{
	size_t pad = 0;

	if (!is_padded(kind))
		return in->n % 4 != 1;
	if (in->n % 4 != 0)
		return false;
	while (pad < 2 && pad < in->n && in->p[in->n - 1 - pad] == '=')
		pad++;
	in->n -= pad;
	return true;
}

enum err
b64_decode(struct buf *out, struct slice in, enum b64_kind kind)
{
	uint32_t c62 = is_url(kind) ? '-' : '+';
	uint32_t c63 = is_url(kind) ? '_' : '/';
	uint32_t acc = 0, bad = 0;
	size_t size;
	uint8_t *q;

	if (!strip_padding(&in, kind))
		return E_SYNTAX;
	size = in.n / 4 * 3 + (in.n % 4 > 0 ? in.n % 4 - 1 : 0);
	if (size > buf_room(out))
		return E_FULL;
	if (in.n == 0)
		return E_OK;
	q = out->p + out->n;
	for (size_t i = 0; i < in.n; i++) {
		uint32_t v = value_of(in.p[i], c62, c63);

		bad |= v & ~63u;
		acc = acc << 6 | (v & 63);
		if (i % 4 > 0)
			*q++ = (uint8_t)(acc >> (6 - 2 * (i % 4)));
	}
	/* The last character's bits that are part of no byte must be zero. */
	if (in.n % 4 > 0)
		bad |= acc & ((1u << (8 - 2 * (in.n % 4))) - 1) & 63;
	assert((size_t)(q - out->p) - out->n == size);
	if (bad != 0)
		return E_SYNTAX;
	out->n += size;
	return E_OK;
}
