/*
 * JSON, checked. json_parse walks the text once, checks every byte against the
 * grammar and remembers of each open level one bit (array or object): no
 * recursion, so depth costs a comparison and not a stack. What a checked text
 * says is found out by json_get.c, when somebody asks.
 *
 * Rejected: a token array (its bound would be one more limit to explain) and
 * numbers as double (2^53 is nearer than it looks: ids, nanoseconds).
 */
#include "codec/json.h"

#include <assert.h>

#include "codec/json_raw.h"
#include "codec/utf8.h"

struct scan {
	struct slice text;
	size_t at;
};

/* The byte at the cursor; 0 at the end, which no rule below accepts. */
static uint8_t
peek(const struct scan *s)
{
	return s->at < s->text.n ? s->text.p[s->at] : 0;
}

static void
skip_blanks(struct scan *s)
{
	while (json_is_blank(peek(s)))
		s->at++;
}

/* The cursor stands behind a backslash. */
static enum err
scan_escape(struct scan *s)
{
	static const uint8_t simple[] = { '"', '\\', '/', 'b', 'f', 'n', 'r',
	    't' };
	uint8_t c = peek(s);

	if (c == 'u') {
		s->at++;
		for (int i = 0; i < 4; i++, s->at++) {
			if (ascii_hex(peek(s)) > 15)
				return E_JSON_SYNTAX;
		}
		return E_OK;
	}
	if (memchr(simple, c, sizeof simple) == NULL)
		return E_JSON_SYNTAX;
	s->at++;
	return E_OK;
}

static enum err
scan_string(struct scan *s)
{
	if (peek(s) != '"')
		return E_JSON_SYNTAX;
	s->at++;
	for (;;) {
		uint8_t c = peek(s);
		enum err e = E_OK;

		if (c < 0x20)
			return E_JSON_SYNTAX;
		if (c < 0x80) {
			s->at++;
			if (c == '"')
				return E_OK;
			if (c == '\\')
				e = scan_escape(s);
			if (e != E_OK)
				return e;
		} else {
			struct slice rest = slice_from(s->text, s->at);
			uint32_t code_point;

			if (!utf8_take(&rest, &code_point))
				return E_JSON_UTF8;
			s->at = s->text.n - rest.n;
		}
	}
}

/* One digit or more. */
static bool
scan_digits(struct scan *s)
{
	size_t from = s->at;

	while (ascii_digit(peek(s)))
		s->at++;
	return s->at > from;
}

static enum err
scan_number(struct scan *s)
{
	if (peek(s) == '-')
		s->at++;
	if (peek(s) == '0')
		s->at++;
	else if (!scan_digits(s))
		return E_JSON_SYNTAX;
	if (peek(s) == '.') {
		s->at++;
		if (!scan_digits(s))
			return E_JSON_SYNTAX;
	}
	if (peek(s) == 'e' || peek(s) == 'E') {
		s->at++;
		if (peek(s) == '+' || peek(s) == '-')
			s->at++;
		if (!scan_digits(s))
			return E_JSON_SYNTAX;
	}
	return E_OK;
}

static enum err
scan_word(struct scan *s, struct slice word)
{
	for (size_t i = 0; i < word.n; i++, s->at++) {
		if (peek(s) != word.p[i])
			return E_JSON_SYNTAX;
	}
	return E_OK;
}

static enum err
scan_scalar(struct scan *s)
{
	switch (peek(s)) {
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, SL("true"));
	case 'f':
		return scan_word(s, SL("false"));
	case 'n':
		return scan_word(s, SL("null"));
	default:
		return scan_number(s);
	}
}

/* A member's name and its colon. */
static enum err
scan_name(struct scan *s)
{
	enum err e;

	skip_blanks(s);
	e = scan_string(s);
	if (e != E_OK)
		return e;
	skip_blanks(s);
	if (peek(s) != ':')
		return E_JSON_SYNTAX;
	s->at++;
	return E_OK;
}

struct levels {
	uint8_t is_object[JSON_DEPTH_MAX / 8];
	unsigned depth, depth_max;
};

static bool
in_object(const struct levels *l)
{
	unsigned top = l->depth - 1;

	assert(l->depth > 0);
	return (l->is_object[top / 8] >> top % 8 & 1) != 0;
}

/* Enter the array or object at the cursor. */
static enum err
scan_open(struct scan *s, struct levels *l)
{
	bool is_object = peek(s) == '{';
	uint8_t bit = (uint8_t)(1u << l->depth % 8);

	if (l->depth == l->depth_max)
		return E_JSON_DEPTH;
	if (is_object)
		l->is_object[l->depth / 8] |= bit;
	else
		l->is_object[l->depth / 8] &= (uint8_t)~bit;
	l->depth++;
	s->at++;
	return E_OK;
}

/*
 * A value ended: leave what ends with it. *more is set if a further value is
 * due (after a comma, and in an object after the name).
 */
static enum err
scan_close(struct scan *s, struct levels *l, bool *more)
{
	*more = false;
	while (l->depth > 0) {
		skip_blanks(s);
		if (peek(s) == ',') {
			s->at++;
			*more = true;
			return in_object(l) ? scan_name(s) : E_OK;
		}
		if (peek(s) != (in_object(l) ? '}' : ']'))
			return E_JSON_SYNTAX;
		s->at++;
		l->depth--;
	}
	return E_OK;
}

/* One value at the cursor, blanks in front of it allowed. */
static enum err
scan_value(struct scan *s, unsigned depth_max)
{
	struct levels l = { .depth_max = depth_max };
	bool more = true;
	enum err e = E_OK;

	while (e == E_OK && more) {
		skip_blanks(s);
		if (peek(s) != '{' && peek(s) != '[') {
			e = scan_scalar(s);
		} else {
			e = scan_open(s, &l);
			if (e != E_OK)
				break;
			skip_blanks(s);
			if (peek(s) != (in_object(&l) ? '}' : ']')) {
				e = in_object(&l) ? scan_name(s) : E_OK;
				continue;
			}
		}
		if (e == E_OK)
			e = scan_close(s, &l, &more);
	}
	return e;
}

enum json_kind
json_kind_of(uint8_t first)
{
	switch (first) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
	case 'f':
		return JSON_BOOL;
	case 'n':
		return JSON_NULL;
	default:
		return JSON_NUMBER;
	}
}

static enum err
scan_text(struct scan *s, unsigned depth_max, struct json *v)
{
	size_t from;
	enum err e;

	assert(depth_max <= JSON_DEPTH_MAX);
	skip_blanks(s);
	from = s->at;
	e = scan_value(s, depth_max);
	if (e != E_OK)
		return e;
	v->kind = json_kind_of(s->text.p[from]);
	v->raw = slice_of(s->text.p + from, s->at - from);
	skip_blanks(s);
	return s->at == s->text.n ? E_OK : E_JSON_SYNTAX;
}

enum err
json_parse(struct slice text, unsigned depth_max, struct json *v)
{
	struct scan s = { text, 0 };
	struct json found = { 0 };
	enum err e = scan_text(&s, depth_max, &found);

	if (e == E_OK)
		*v = found;
	return e;
}

enum err
json_check(struct slice text, unsigned depth_max)
{
	struct json v;

	return json_parse(text, depth_max, &v);
}

size_t
json_error_at(struct slice text, unsigned depth_max)
{
	struct scan s = { text, 0 };
	struct json v;

	return scan_text(&s, depth_max, &v) == E_OK ? text.n : s.at;
}
