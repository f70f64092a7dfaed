/*
 * Base64 and base64url, RFC 4648 sections 4 and 5, strict: one spelling for
 * each value. White space, a foreign character, missing or surplus padding and
 * non-zero unused bits are errors, so two different texts never decode to the
 * same bytes (a token has one spelling, a cache key cannot be aliased).
 *
 * Both directions run without a branch or an index that depends on the data:
 * tokens and keys pass through here. Lengths are public.
 */
#ifndef ADIT_CODEC_B64_H
#define ADIT_CODEC_B64_H

#include "base/buf.h"
#include "base/err.h"

enum b64_kind {
	B64_STD,        /* + and /, padded with =: HTTP fields, etcd */
	B64_STD_BARE,   /* + and /, no padding */
	B64_URL,        /* - and _, padded with = */
	B64_URL_BARE,   /* - and _, no padding: JWT, our identifiers */
};

/* Characters that n bytes become. n <= SIZE_MAX / 2. */
size_t b64_encoded_size(size_t n, enum b64_kind kind);

/* An upper bound of the bytes that n characters become; off by 2 at most. */
size_t b64_decoded_max(size_t n);

/*
 * b64_encode: append the text of `in` to *out. False, and nothing appended
 * (the buffer is marked short), if it does not fit. `in` may not overlap the
 * free part of *out.
 */
bool b64_encode(struct buf *out, struct slice in, enum b64_kind kind);

/*
 * b64_decode: append the bytes that the whole of `in` stands for to *out.
 *   E_OK      appended; an empty `in` is valid and appends nothing
 *   E_SYNTAX  not the one spelling of any value; out->n is unchanged
 *   E_FULL    does not fit; out->n is unchanged, the buffer is not marked
 * After an error the bytes of the area beyond out->n are unspecified.
 */
enum err b64_decode(struct buf *out, struct slice in, enum b64_kind kind);

#endif
