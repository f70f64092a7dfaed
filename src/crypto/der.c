/*
 * DER. The writer prepends: a certificate is written from its signature to its
 * version, which reads backwards once and then needs no second pass, no table
 * of lengths and no guess. Rejected: BearSSL's encoder, which has keys only
 * and none of what a certificate is made of.
 */
#include "crypto/der.h"

#include <assert.h>

#include "codec/date.h"

void
der_put(struct der *d, struct slice s)
{
	assert(d->at <= d->cap);
	if (d->is_short || s.n > d->at) {
		d->is_short = true;
		return;
	}
	d->at -= s.n;
	if (s.n > 0)
		memcpy(d->area + d->at, s.p, s.n);
}

void
der_put_u8(struct der *d, uint8_t v)
{
	der_put(d, slice_of(&v, 1));
}

void
der_wrap(struct der *d, uint8_t tag, size_t mark)
{
	size_t n = der_mark(d) - mark, rest = n;
	uint8_t bytes = 0;

	if (d->is_short)
		return;
	assert(mark <= der_mark(d));
	if (n >= 0x80) {
		for (; rest > 0; rest >>= 8, bytes++)
			der_put_u8(d, (uint8_t)rest);
		der_put_u8(d, 0x80 | bytes);
	} else {
		der_put_u8(d, (uint8_t)n);
	}
	der_put_u8(d, tag);
}

void
der_put_tlv(struct der *d, uint8_t tag, struct slice content)
{
	size_t mark = der_mark(d);

	der_put(d, content);
	der_wrap(d, tag, mark);
}

void
der_put_uint(struct der *d, struct slice v)
{
	size_t mark = der_mark(d);

	assert(v.n > 0);
	while (v.n > 1 && v.p[0] == 0)
		v = slice_from(v, 1);
	der_put(d, v);
	if ((v.p[0] & 0x80) != 0)
		der_put_u8(d, 0);       /* or it would be negative */
	der_wrap(d, DER_INTEGER, mark);
}

void
der_put_time(struct der *d, uint64_t unix_s)
{
	size_t mark = der_mark(d);
	uint8_t area[DATE_ISO_BYTES];
	struct buf text = BUF_ON(area);
	bool late = false;

	if (!date_put_iso(&text, (int64_t)unix_s * 1000)) {
		d->is_short = true;
		return;
	}
	/* 1994-11-06T08:49:37.000Z without the century and all but digits. */
	late = memcmp(area, "2050", 4) >= 0;
	der_put_u8(d, 'Z');
	for (size_t i = 19; i-- > (late ? 0 : 2);)
		if (ascii_digit(area[i]))
			der_put_u8(d, area[i]);
	der_wrap(d, late ? DER_GENTIME : DER_UTCTIME, mark);
}

bool
der_take_any(struct slice *in, uint8_t *tag, struct slice *content)
{
	struct slice s = *in;
	uint8_t t, first, byte;
	size_t n;

	/* Tags above 30 do not occur in certificates. */
	if (!slice_take_u8(&s, &t) || (t & 0x1f) == 0x1f ||
	    !slice_take_u8(&s, &first))
		return false;
	n = first;
	if (first >= 0x80) {
		unsigned bytes = first & 0x7f;

		if (bytes == 0 || bytes > 3)
			return false;
		n = 0;
		for (unsigned i = 0; i < bytes; i++) {
			if (!slice_take_u8(&s, &byte) || (i == 0 && byte == 0))
				return false;
			n = n << 8 | byte;
		}
		if (n < 0x80)
			return false;
	}
	if (!slice_take(&s, n, content))
		return false;
	*tag = t;
	*in = s;
	return true;
}

bool
der_take(struct slice *in, uint8_t tag, struct slice *content)
{
	struct slice s = *in, c;
	uint8_t t;

	if (!der_take_any(&s, &t, &c) || t != tag)
		return false;
	*in = s;
	*content = c;
	return true;
}
