/*
 * UTF-8, RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
 * The validator is incremental, since text messages arrive in pieces that cut
 * characters in half; it is as early as possible: the first byte that cannot
 * continue any valid text is refused, not the end of the character.
 */
#ifndef ADIT_CODEC_UTF8_H
#define ADIT_CODEC_UTF8_H

#include "base/buf.h"

/* All zero is the start of a text. */
struct utf8 {
	uint8_t left;   /* bytes that the current character still needs */
	uint8_t lo, hi; /* bounds of the next one, while left > 0 */
	bool bad;       /* refused; stays */
};

/*
 * utf8_step: go on with the next bytes of the text. False from the first byte
 * on that no valid text can have there, and for ever after. `in` may be empty.
 */
bool utf8_step(struct utf8 *u, struct slice in);

/* May the text end here: nothing was refused, no character is cut. */
bool utf8_end(const struct utf8 *u);

/* The whole of `s` is valid. */
bool utf8_valid(struct slice s);

/*
 * utf8_mend: any bytes as UTF-8, in pieces. What can be no character becomes
 * U+FFFD, once for each longest front of a character that is cut short, as
 * WHATWG's decoder has it.
 */
struct utf8_mend {
	struct utf8 u;
	uint8_t n;      /* bytes of a character that has begun */
	uint8_t held[4];
};

/*
 * Take some of `in`, at least one byte unless it is empty or *out is what an
 * earlier call held back; *used tells how many. *out is the next piece of the
 * result, perhaps empty: a part of `in`, of *m (until the next call) or
 * static.
 */
void utf8_mend(struct utf8_mend *m, struct slice in, size_t *used,
    struct slice *out);
/* The text ends: a character that is cut becomes U+FFFD, else empty. */
struct slice utf8_mend_end(struct utf8_mend *m);

/*
 * utf8_head: the longest front of `s` of at most n_max bytes that does not
 * cut a character. For valid `s`; of other bytes some front, still <= n_max.
 */
struct slice utf8_head(struct slice s, size_t n_max);

/*
 * utf8_put: append the encoding of `code_point`. False, and nothing appended,
 * if it does not fit. Surrogates and numbers above 0x10FFFF are the caller's
 * error (an assertion).
 */
bool utf8_put(struct buf *out, uint32_t code_point);

/*
 * utf8_take: take one character off the front of *in. False, and nothing
 * changes, if there is none or it is not valid.
 */
bool utf8_take(struct slice *in, uint32_t *code_point);

#endif
