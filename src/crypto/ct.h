/*
 * Secrets: comparing, wiping, and a type of their own. A struct secret has
 * no formatter: the logger takes slices and cannot print one, and the places
 * that take the bytes out are found by grepping for secret_bytes.
 */
#ifndef ADIT_CRYPTO_CT_H
#define ADIT_CRYPTO_CT_H

#include "base/slice.h"

enum { SECRET_MAX = 256 };      /* bytes of the longest secret */

/* Same n bytes, in a time that depends on n alone. */
bool ct_eq(const void *a, const void *b, size_t n);

/* Overwrite with zeros, also where a compiler sees that nobody looks. */
void wipe(void *p, size_t n);

/* Owns its bytes; wipe it where it ends. All zero is the empty secret. */
struct secret {
	uint8_t b[SECRET_MAX];
	size_t n;
};

/*
 * secret_set: copy `v` in; what was there is wiped. False, and the secret is
 * empty, if `v` is longer than SECRET_MAX.
 */
bool secret_set(struct secret *s, struct slice v);
void secret_wipe(struct secret *s);

/* Borrow the bytes, for a key of a MAC. Never for a log. */
static inline struct slice
secret_bytes(const struct secret *s)
{
	return (struct slice){ s->b, s->n };
}

#endif
