/*
 * The chunked coding.
 *
 * The size line is a state machine over single bytes, because a line may come
 * in any number of pieces and nothing of it is worth keeping but the size.
 * Data and trailers go by in one step each. The decoder turns bytes into
 * events and decides nothing about forwarding: that the forwarder writes
 * its own size lines is what keeps extensions and odd spellings from passing.
 */
#include "codec/chunk.h"

#include <assert.h>

#include "codec/http1_class.h"

enum {
	/* RFC 9112 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS value ] ) */
	S_SIZE,         /* hex digits */
	S_BEFORE_SEMI,  /* a blank after the size, a name or a value */
	S_SEMI,         /* after `;`: a name has to come */
	S_NAME,
	S_BEFORE_EQ,    /* a blank after a name: `=` or `;` has to come */
	S_EQ,           /* after `=`: a value has to come */
	S_TOKEN,
	S_QUOTED,
	S_QUOTED_PAIR,
	S_AFTER_QUOTED,
	S_LINE_LF,
	/* between the lines */
	S_DATA,
	S_DATA_CR,
	S_DATA_LF,
	S_TRAILERS,
	S_DONE,
};

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool
is_token(uint8_t c)
{
	return (http_class[c] & HTTP_C_TOKEN) != 0;
}

/* A digit of the size, or the state that follows the size; false if c cannot
 * stand here. */
static bool
size_byte(struct chunk_dec *d, uint8_t c, uint8_t *next)
{
	unsigned v = ascii_hex(c);

	if (v < 16) {
		if (d->digits == 16 || d->size > (uint64_t)CHUNK_SIZE_MAX >> 4)
			return false;
		d->digits++;
		d->size = d->size << 4 | v;
		return true;
	}
	if (d->digits == 0)
		return false;
	*next = c == '\r' ? S_LINE_LF : c == ';' ? S_SEMI : S_BEFORE_SEMI;
	return c == '\r' || c == ';' || is_blank(c);
}

/* What follows a complete name, token or quoted string. */
static bool
after_part(uint8_t c, uint8_t blank, uint8_t *next)
{
	*next = c == '\r' ? S_LINE_LF : c == ';' ? S_SEMI : blank;
	return c == '\r' || c == ';' || is_blank(c);
}

/* One byte of the extensions; false if it cannot stand there. */
static bool
ext_byte(uint8_t state, uint8_t c, uint8_t *next)
{
	switch (state) {
	case S_BEFORE_SEMI:
		*next = c == ';' ? S_SEMI : S_BEFORE_SEMI;
		return c == ';' || is_blank(c);
	case S_SEMI:
		*next = is_token(c) ? S_NAME : S_SEMI;
		return is_token(c) || is_blank(c);
	case S_NAME:
		*next = c == '=' ? S_EQ : S_NAME;
		return c == '=' || is_token(c) ||
		    after_part(c, S_BEFORE_EQ, next);
	case S_BEFORE_EQ:
		*next = c == '=' ? S_EQ : c == ';' ? S_SEMI : S_BEFORE_EQ;
		return c == '=' || c == ';' || is_blank(c);
	case S_EQ:
		*next = c == '"' ? S_QUOTED : is_token(c) ? S_TOKEN : S_EQ;
		return c == '"' || is_token(c) || is_blank(c);
	case S_TOKEN:
		*next = S_TOKEN;
		return is_token(c) || after_part(c, S_BEFORE_SEMI, next);
	case S_QUOTED:
		*next = c == '"' ? S_AFTER_QUOTED :
		    c == '\\' ? S_QUOTED_PAIR : S_QUOTED;
		return (http_class[c] & HTTP_C_VALUE) != 0;
	case S_QUOTED_PAIR:
		*next = S_QUOTED;
		return (http_class[c] & HTTP_C_VALUE) != 0;
	default:
		assert(state == S_AFTER_QUOTED);
		return after_part(c, S_BEFORE_SEMI, next);
	}
}

/*
 * The size line, to its end. E_OK: it is complete and the next state is set.
 */
static enum err
line_walk(struct chunk_dec *d, struct slice in, size_t *at)
{
	while (*at < in.n) {
		uint8_t c = in.p[(*at)++];
		uint8_t next = d->state;

		if (d->state == S_LINE_LF) {
			if (c != '\n')
				return E_HTTP_CHUNK;
			d->state = d->size > 0 ? S_DATA : S_TRAILERS;
			return E_OK;
		}
		if (d->state == S_SIZE) {
			if (!size_byte(d, c, &next))
				return E_HTTP_CHUNK;
		} else if (++d->ext > CHUNK_EXT_MAX ||
		    !ext_byte(d->state, c, &next)) {
			return E_HTTP_CHUNK;
		}
		d->state = next;
	}
	return E_MORE;
}

/* CRLF after the data. */
static enum err
data_end(struct chunk_dec *d, struct slice in, size_t *at)
{
	while (*at < in.n) {
		uint8_t c = in.p[(*at)++];

		if (c != (d->state == S_DATA_CR ? '\r' : '\n'))
			return E_HTTP_CHUNK;
		if (d->state == S_DATA_LF) {
			*d = (struct chunk_dec){ .state = S_SIZE };
			return E_OK;
		}
		d->state = S_DATA_LF;
	}
	return E_MORE;
}

static enum err
data_take(struct chunk_dec *d, struct slice in, size_t *at, struct chunk_ev *ev)
{
	struct slice part;

	assert(d->size > 0);
	if (*at == in.n)
		return E_MORE;
	part = slice_from(in, *at);
	if (d->size < part.n)
		part.n = (size_t)d->size;
	d->size -= part.n;
	*at += part.n;
	if (d->size == 0)
		d->state = S_DATA_CR;
	*ev = (struct chunk_ev){ CHUNK_DATA, part.n, part };
	return E_OK;
}

static enum err
trailers_take(struct chunk_dec *d, struct slice in, size_t *at,
    struct chunk_ev *ev)
{
	struct slice rest;
	size_t n;
	enum err e;

	if (*at == in.n)
		return E_MORE;
	rest = slice_head(slice_from(in, *at), CHUNK_TRAILERS_MAX);
	e = http_section_scan(&d->scan, rest, &n);
	if (e == E_MORE && rest.n == CHUNK_TRAILERS_MAX)
		return E_HTTP_HEAD_LONG;
	if (e != E_OK)
		return e;
	*at += n;
	d->state = S_DONE;
	*ev = (struct chunk_ev){ CHUNK_TRAILERS, 0, slice_head(rest, n) };
	return E_OK;
}

enum err
chunk_next(struct chunk_dec *d, struct slice in, size_t *used,
    struct chunk_ev *ev)
{
	size_t at = 0;
	enum err e = d->err;

	if (e == E_OK && d->state <= S_LINE_LF) {
		e = line_walk(d, in, &at);
		if (e == E_OK && d->state == S_DATA) {
			*ev = (struct chunk_ev){ .what = CHUNK_SIZE,
			    .size = d->size };
			*used = at;
			return E_OK;
		}
	}
	if (e == E_OK && d->state == S_DATA) {
		e = data_take(d, in, &at, ev);
	} else if (e == E_OK && d->state < S_TRAILERS) {
		e = data_end(d, in, &at);
		if (e == E_OK)
			*ev = (struct chunk_ev){ .what = CHUNK_END };
	} else if (e == E_OK && d->state == S_TRAILERS) {
		e = trailers_take(d, in, &at, ev);
	} else if (e == E_OK) {
		assert(d->state == S_DONE);
		*ev = (struct chunk_ev){ .what = CHUNK_DONE };
	}
	if (e != E_OK && e != E_MORE)
		d->err = e;
	*used = at;
	return e;
}

bool
chunk_is_done(const struct chunk_dec *d)
{
	return d->state == S_DONE;
}

bool
chunk_trailer_next(struct slice *section, struct http_field *f,
    bool *may_trail)
{
	if (!http_section_next(section, f))
		return false;
	*may_trail = http_may_trail(f);
	return true;
}

bool
chunk_put_size(struct buf *b, uint64_t n)
{
	static const uint8_t hex[16] = "0123456789abcdef";
	uint8_t line[CHUNK_LINE_MAX];
	size_t at = sizeof line;

	assert(n > 0 && n <= CHUNK_SIZE_MAX);
	line[--at] = '\n';
	line[--at] = '\r';
	for (; n > 0; n >>= 4)
		line[--at] = hex[n & 15];
	return buf_put(b, slice_of(line + at, sizeof line - at));
}

bool
chunk_put_end(struct buf *b)
{
	return buf_lit(b, "\r\n");
}

bool
chunk_put_last(struct buf *b)
{
	return buf_lit(b, "0\r\n");
}
