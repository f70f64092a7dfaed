/*
 * Cookies.
 *
 * One reader, cookie_next, is used for finding and for removing, so that what
 * is looked for and what is taken out cannot be two things. Quotes are not
 * honoured: a reader that does honour them sees fewer cookies than this one,
 * so nothing that it would take for ours is left in.
 */
#include "codec/cookie.h"

/* The next piece between `;`, trimmed and not empty; false at the end. */
static bool
piece_next(struct slice *rest, struct slice *piece)
{
	while (rest->n > 0) {
		*piece = slice_trim(slice_cut(rest, ';'));
		if (piece->n > 0)
			return true;
	}
	return false;
}

static void
piece_split(struct slice piece, struct slice *name, struct slice *value)
{
	size_t eq = slice_find(piece, '=');

	*name = slice_trim(slice_head(piece, eq < piece.n ? eq : 0));
	*value = slice_trim(slice_from(piece, eq < piece.n ? eq + 1 : 0));
}

bool
cookie_next(struct slice *rest, struct slice *name, struct slice *value)
{
	struct slice piece;

	if (!piece_next(rest, &piece))
		return false;
	piece_split(piece, name, value);
	return true;
}

size_t
cookie_get(struct slice field, struct slice name, struct slice *value)
{
	struct slice k, v;
	size_t n = 0;

	while (cookie_next(&field, &k, &v)) {
		if (slice_eq(k, name) && n++ == 0)
			*value = v;
	}
	return n;
}

bool
cookie_put_without(struct buf *b, struct slice field,
    bool (*drop)(struct slice name, const void *ctx), const void *ctx,
    size_t *left)
{
	struct slice rest = field, piece, name, value;
	size_t before = b->n, all = 0, put = 0;

	*left = 0;
	while (cookie_next(&rest, &name, &value)) {
		all++;
		*left += !drop(name, ctx);
	}
	if (*left == 0)
		return true;
	if (*left == all)
		return buf_put(b, field);
	rest = field;
	while (piece_next(&rest, &piece)) {
		piece_split(piece, &name, &value);
		if (drop(name, ctx))
			continue;
		if (put++ > 0)
			buf_lit(b, "; ");
		buf_put(b, piece);
	}
	if (!buf_ok(b))
		b->n = before;
	return buf_ok(b);
}

struct slice
cookie_set_name(struct slice set_cookie)
{
	struct slice pair = slice_head(set_cookie, slice_find(set_cookie, ';'));

	pair = slice_trim(pair);
	while (pair.n > 0 && pair.p[0] == '=')
		pair = slice_trim(slice_from(pair, 1));
	return slice_trim(slice_head(pair, slice_find(pair, '=')));
}
