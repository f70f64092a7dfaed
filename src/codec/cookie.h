/*
 * Cookies, read as the apps behind us read them: leniently (RFC 6265 5.4 seen
 * from the server). Cut at every `;`, blanks trimmed, name and value parted
 * at the first `=`. Quotes mean nothing. Names are compared with case.
 */
#ifndef ADIT_CODEC_COOKIE_H
#define ADIT_CODEC_COOKIE_H

#include "base/buf.h"
#include "base/slice.h"

/*
 * cookie_next: the next pair off the front of a Cookie field value. False at
 * the end. Empty pieces are skipped. A piece without `=` is a value
 * with an empty name.
 */
bool cookie_next(struct slice *rest, struct slice *name, struct slice *value);

/*
 * cookie_get: how many pairs of that name the field value has; *value is the
 * first one's, untouched if there is none. With several Cookie fields the
 * caller adds up.
 */
size_t cookie_get(struct slice field, struct slice name, struct slice *value);

/*
 * cookie_put_without: append the field value without the pairs for whose name
 * `drop` says true. If none is dropped the bytes stay as they are, else the
 * rest is joined with `; `. *left: pairs that stayed; with 0 nothing was
 * appended and the field is to be left out. False if it does not fit (then
 * nothing is appended). `drop` may be asked twice about a pair.
 */
bool cookie_put_without(struct buf *b, struct slice field,
    bool (*drop)(struct slice name, const void *ctx), const void *ctx,
    size_t *left);

/*
 * cookie_set_name: the name under which a browser will send the cookie of this
 * Set-Cookie value back. `=a=b` (a cookie without name and the value `a=b`)
 * comes back as `a=b`, so its name is a here. May be empty.
 */
struct slice cookie_set_name(struct slice set_cookie);

#endif
