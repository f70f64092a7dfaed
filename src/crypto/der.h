/*
 * DER, X.690 section 8: as much of it as certificates and keys of our own
 * take. Values are written from the end of an area to its front, so that a
 * length is known when its header is written, and nothing is moved.
 *
 * Reading is for what we wrote or were given by the operator; a peer's
 * certificate is read by BearSSL. It is strict all the same.
 */
#ifndef ADIT_CRYPTO_DER_H
#define ADIT_CRYPTO_DER_H

#include "base/slice.h"

enum der_tag {
	DER_BOOLEAN = 0x01, DER_INTEGER = 0x02, DER_BITS = 0x03,
	DER_OCTETS = 0x04, DER_NULL = 0x05, DER_OID = 0x06, DER_UTF8 = 0x0c,
	DER_UTCTIME = 0x17, DER_GENTIME = 0x18, DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT = 0x80,             /* + number, primitive */
	DER_EXPLICIT = 0xa0,            /* + number, constructed */
};

struct der {
	uint8_t *area;
	size_t cap;
	size_t at;              /* what is written is area[at..cap) */
	bool is_short;          /* a put did not fit; the rest is nothing */
};

static inline struct der
der_on(void *area, size_t cap)
{
	return (struct der){ area, cap, cap, false };
}

static inline struct slice
der_slice(const struct der *d)
{
	return (struct slice){ d->area + d->at, d->cap - d->at };
}

/* Put these bytes before what is written. */
void der_put(struct der *d, struct slice s);
void der_put_u8(struct der *d, uint8_t v);
/* Put the header of an element whose content was written since der_mark. */
static inline size_t
der_mark(const struct der *d)
{
	return d->cap - d->at;
}
void der_wrap(struct der *d, uint8_t tag, size_t mark);
/* Put a whole element. */
void der_put_tlv(struct der *d, uint8_t tag, struct slice content);
/* An unsigned number, big endian, of at least one byte. */
void der_put_uint(struct der *d, struct slice big_endian);
/* A time in Unix seconds: UTCTime before 2050, else GeneralizedTime (RFC 5280
 * 4.1.2.5). */
void der_put_time(struct der *d, uint64_t unix_s);

/*
 * Take the element with this tag off the front of *in; *content borrows from
 * it. False, and nothing changes, if there is another or no whole one, or its
 * length is not written in the one shortest form.
 */
bool der_take(struct slice *in, uint8_t tag, struct slice *content);
/* Any element. */
bool der_take_any(struct slice *in, uint8_t *tag, struct slice *content);

#endif
