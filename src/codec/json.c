/*
 * JSON in two steps. json_parse walks the text once, checks every byte against
 * the grammar and remembers of each open level one bit (array or object): no
 * recursion, so depth costs a comparison and not a stack. The accessors then
 * walk raw bytes that are known to be right and need no error paths; that they
 * walk again is the price for allocating nothing.
 *
 * Rejected: a token array (its bound would be one more limit to explain) and
 * numbers as double (2^53 is nearer than it looks: ids, nanoseconds).
 */
#include "codec/json.h"

#include "base/num.h"
#include "codec/utf8.h"

#include <assert.h>

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

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
skip_blanks(struct scan *s)
{
	while (is_blank(peek(s)))
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

static enum json_kind
kind_of(uint8_t first)
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
	v->kind = kind_of(s->text.p[from]);
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

/*
 * From here on the text was checked, so walking only has to find ends.
 */

static size_t
string_end(struct slice s)
{
	size_t i = 1;

	while (i < s.n && s.p[i] != '"')
		i += s.p[i] == '\\' ? 2 : 1;
	assert(i < s.n);
	return i + 1;
}

/* Bytes of the value at the front of `s`. */
static size_t
value_end(struct slice s)
{
	size_t i = 0, depth = 0;

	do {
		uint8_t c = s.p[i];

		if (c == '"') {
			i += string_end(slice_from(s, i));
		} else {
			if (c == '{' || c == '[')
				depth++;
			else if (c == '}' || c == ']')
				depth--;
			i++;
		}
	} while (depth > 0 && i < s.n);
	assert(depth == 0);
	if (s.p[0] == '{' || s.p[0] == '[' || s.p[0] == '"')
		return i;
	while (i < s.n && !is_blank(s.p[i]) && s.p[i] != ',' &&
	    s.p[i] != '}' && s.p[i] != ']')
		i++;
	return i;
}

/* Over blanks and the one mark that may stand between tokens. */
static void
skip_to_token(struct slice *s)
{
	while (s->n > 0 && (is_blank(s->p[0]) || s->p[0] == ',' ||
	    s->p[0] == ':'))
		*s = slice_from(*s, 1);
}

static struct json
take_value(struct slice *rest)
{
	struct json v = { 0 };
	size_t n = value_end(*rest);

	v.kind = kind_of(rest->p[0]);
	(void)slice_take(rest, n, &v.raw);
	return v;
}

void
json_iter(struct json_iter *it, struct json v)
{
	*it = (struct json_iter){ 0 };
	if (v.kind != JSON_OBJECT && v.kind != JSON_ARRAY)
		return;
	assert(v.raw.n >= 2);
	it->rest = slice_of(v.raw.p + 1, v.raw.n - 2);
	it->is_object = v.kind == JSON_OBJECT;
}

bool
json_next(struct json_iter *it, struct json *name, struct json *v)
{
	skip_to_token(&it->rest);
	*name = (struct json){ 0 };
	if (it->rest.n == 0) {
		*v = (struct json){ 0 };
		return false;
	}
	if (it->is_object) {
		*name = take_value(&it->rest);
		skip_to_token(&it->rest);
	}
	*v = take_value(&it->rest);
	return true;
}

/* What stands between the quotes of a string. */
static struct slice
inside(struct json v)
{
	assert(v.kind == JSON_STRING && v.raw.n >= 2);
	return slice_of(v.raw.p + 1, v.raw.n - 2);
}

/* The four digits of a \u escape at offset `at`; none there: 0. */
static uint32_t
unit_at(struct slice s, size_t at)
{
	uint32_t v = 0;

	if (s.n < at + 6 || s.p[at] != '\\' || s.p[at + 1] != 'u')
		return 0;
	for (size_t i = at + 2; i < at + 6; i++)
		v = v << 4 | ascii_hex(s.p[i]);
	return v;
}

static uint32_t
simple_escape(uint8_t c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

static bool
is_surrogate(uint32_t code_point)
{
	return code_point >= 0xd800 && code_point <= 0xdfff;
}

/*
 * Take the next character of a string's inside, as a code point: pairs of
 * surrogates joined, halves as they are. False at the end.
 */
static bool
take_char(struct slice *s, uint32_t *code_point)
{
	uint32_t high, low;

	if (s->n == 0)
		return false;
	if (s->p[0] != '\\')
		return utf8_take(s, code_point);
	assert(s->n >= 2);
	if (s->p[1] != 'u') {
		*code_point = simple_escape(s->p[1]);
		*s = slice_from(*s, 2);
		return true;
	}
	high = unit_at(*s, 0);
	low = unit_at(*s, 6);
	*s = slice_from(*s, 6);
	*code_point = high;
	if (high >= 0xd800 && high <= 0xdbff && low >= 0xdc00 &&
	    low <= 0xdfff) {
		*code_point = 0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff));
		*s = slice_from(*s, 6);
	}
	return true;
}

bool
json_plain(struct json v, struct slice *s)
{
	struct slice in;

	if (v.kind != JSON_STRING)
		return false;
	in = inside(v);
	if (slice_find(in, '\\') < in.n)
		return false;
	*s = in;
	return true;
}

enum err
json_string(struct json v, struct buf *out)
{
	struct buf b = *out;
	uint32_t code_point;
	struct slice in;

	if (v.kind != JSON_STRING)
		return E_JSON_TYPE;
	b.is_short = false;
	for (in = inside(v); take_char(&in, &code_point);) {
		if (is_surrogate(code_point))
			return E_JSON_UTF8;
		if (!utf8_put(&b, code_point))
			return E_FULL;
	}
	out->n = b.n;
	return E_OK;
}

bool
json_is(struct json v, struct slice s)
{
	struct slice in;
	uint32_t a, b;

	if (json_plain(v, &in))
		return slice_eq(in, s);
	if (v.kind != JSON_STRING)
		return false;
	in = inside(v);
	while (take_char(&in, &a)) {
		if (!utf8_take(&s, &b) || a != b)
			return false;
	}
	return s.n == 0;
}

static bool
same_string(struct json x, struct json y)
{
	struct slice p = inside(x), q = inside(y);
	uint32_t a, b;

	while (take_char(&p, &a)) {
		if (!take_char(&q, &b) || a != b)
			return false;
	}
	return q.n == 0;
}

enum err
json_fields(struct json obj, struct json_field *f, size_t n)
{
	struct json_iter it;
	struct json name, v;

	for (size_t i = 0; i < n; i++)
		f[i].v = (struct json){ 0 };
	if (obj.kind != JSON_OBJECT)
		return E_JSON_TYPE;
	json_iter(&it, obj);
	while (json_next(&it, &name, &v)) {
		size_t i = 0;

		while (i < n && !json_is(name, f[i].name))
			i++;
		if (i == n)
			continue;
		if (f[i].v.kind != JSON_NONE)
			return E_JSON_DUP;
		f[i].v = v;
	}
	return E_OK;
}

enum err
json_get(struct json obj, struct slice name, struct json *v)
{
	struct json_field f = { name, { 0 } };
	enum err e = json_fields(obj, &f, 1);

	*v = e == E_OK ? f.v : (struct json){ 0 };
	return e;
}

enum err
json_unique(struct json obj, size_t members_max)
{
	struct json_iter it, later;
	struct json name, other, v;
	size_t members = 0;

	if (obj.kind != JSON_OBJECT)
		return E_JSON_TYPE;
	json_iter(&it, obj);
	while (json_next(&it, &name, &v)) {
		if (++members > members_max)
			return E_FULL;
	}
	json_iter(&it, obj);
	while (json_next(&it, &name, &v)) {
		later = it;
		while (json_next(&later, &other, &v)) {
			if (same_string(name, other))
				return E_JSON_DUP;
		}
	}
	return E_OK;
}

/* A number without fraction and exponent. */
static bool
is_integer(struct json v)
{
	return v.kind == JSON_NUMBER && slice_find(v.raw, '.') == v.raw.n &&
	    slice_find(v.raw, 'e') == v.raw.n &&
	    slice_find(v.raw, 'E') == v.raw.n;
}

enum err
json_u64(struct json v, uint64_t *n)
{
	if (!is_integer(v))
		return E_JSON_TYPE;
	return slice_dec(v.raw, UINT64_MAX, n) ? E_OK : E_RANGE;
}

enum err
json_i64(struct json v, int64_t *n)
{
	bool minus;
	uint64_t u;

	if (!is_integer(v))
		return E_JSON_TYPE;
	minus = v.raw.p[0] == '-';
	if (!slice_dec(slice_from(v.raw, minus), (uint64_t)INT64_MAX + minus,
	    &u))
		return E_RANGE;
	if (!minus)
		*n = (int64_t)u;
	else
		*n = u == 0 ? 0 : -(int64_t)(u - 1) - 1;
	return E_OK;
}

enum err
json_bool(struct json v, bool *b)
{
	if (v.kind != JSON_BOOL)
		return E_JSON_TYPE;
	*b = v.raw.p[0] == 't';
	return E_OK;
}

static bool
out_in_object(const struct json_out *o)
{
	return o->depth > 0 && (o->objects >> (o->depth - 1) & 1) != 0;
}

/* What has to stand before a value, and whether one may come here. */
static void
before_value(struct json_out *o)
{
	assert(o->named == out_in_object(o));
	assert(o->depth > 0 || !o->comma);
	if (o->comma && !o->named)
		buf_put_u8(o->b, ',');
	o->comma = true;
	o->named = false;
}

static void
out_open(struct json_out *o, uint8_t bracket, bool is_object)
{
	assert(o->depth < 64);
	before_value(o);
	buf_put_u8(o->b, bracket);
	o->objects &= ~((uint64_t)1 << o->depth);
	o->objects |= (uint64_t)is_object << o->depth;
	o->depth++;
	o->comma = false;
}

static void
out_close(struct json_out *o, uint8_t bracket, bool is_object)
{
	assert(o->depth > 0 && !o->named);
	assert(out_in_object(o) == is_object);
	buf_put_u8(o->b, bracket);
	o->depth--;
	o->comma = true;
}

void
json_object(struct json_out *o)
{
	out_open(o, '{', true);
}

void
json_object_end(struct json_out *o)
{
	out_close(o, '}', true);
}

void
json_array(struct json_out *o)
{
	out_open(o, '[', false);
}

void
json_array_end(struct json_out *o)
{
	out_close(o, ']', false);
}

/* One ASCII character of a string, escaped where it has to be. */
static void
put_ascii(struct buf *b, uint8_t c)
{
	static const uint8_t plain[] = { '"', '\\' };
	static const uint8_t code[] = { '\b', '\f', '\n', '\r', '\t' };
	static const uint8_t letter[] = { 'b', 'f', 'n', 'r', 't' };
	const uint8_t *at;

	if (memchr(plain, c, sizeof plain) != NULL) {
		buf_put_u8(b, '\\');
		buf_put_u8(b, c);
	} else if ((at = memchr(code, c, sizeof code)) != NULL) {
		buf_put_u8(b, '\\');
		buf_put_u8(b, letter[at - code]);
	} else if (c < 0x20 || c == '<') {
		buf_lit(b, "\\u00");
		buf_put_hex(b, slice_of(&c, 1));
	} else {
		buf_put_u8(b, c);
	}
}

static void
put_quoted(struct buf *b, struct slice s)
{
	uint32_t code_point;

	buf_put_u8(b, '"');
	while (s.n > 0) {
		struct slice from = s;

		if (!utf8_take(&s, &code_point)) {
			utf8_put(b, 0xfffd);
			s = slice_from(s, 1);
		} else if (code_point < 0x80) {
			put_ascii(b, (uint8_t)code_point);
		} else if (code_point == 0x2028 || code_point == 0x2029) {
			buf_lit(b, "\\u20");
			buf_put_hex(b, slice_of(
			    &(uint8_t){ (uint8_t)code_point }, 1));
		} else {
			buf_put(b, slice_head(from, from.n - s.n));
		}
	}
	buf_put_u8(b, '"');
}

static void
before_name(struct json_out *o)
{
	assert(out_in_object(o) && !o->named);
	if (o->comma)
		buf_put_u8(o->b, ',');
	o->named = true;
}

void
json_name(struct json_out *o, struct slice name)
{
	before_name(o);
	put_quoted(o->b, name);
	buf_put_u8(o->b, ':');
}

void
json_name_raw(struct json_out *o, struct slice raw)
{
	assert(raw.n >= 2 && raw.p[0] == '"');
	before_name(o);
	buf_put(o->b, raw);
	buf_put_u8(o->b, ':');
}

void
json_put_string(struct json_out *o, struct slice s)
{
	before_value(o);
	put_quoted(o->b, s);
}

void
json_put_u64(struct json_out *o, uint64_t n)
{
	before_value(o);
	buf_put_dec(o->b, n);
}

void
json_put_i64(struct json_out *o, int64_t n)
{
	before_value(o);
	if (n < 0)
		buf_put_u8(o->b, '-');
	buf_put_dec(o->b, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void
json_put_bool(struct json_out *o, bool b)
{
	json_put_raw(o, b ? SL("true") : SL("false"));
}

void
json_put_null(struct json_out *o)
{
	json_put_raw(o, SL("null"));
}

void
json_put_raw(struct json_out *o, struct slice raw)
{
	assert(raw.n > 0);
	before_value(o);
	buf_put(o->b, raw);
}

void
json_pair_string(struct json_out *o, struct slice name, struct slice s)
{
	json_name(o, name);
	json_put_string(o, s);
}

void
json_pair_u64(struct json_out *o, struct slice name, uint64_t n)
{
	json_name(o, name);
	json_put_u64(o, n);
}

void
json_pair_bool(struct json_out *o, struct slice name, bool b)
{
	json_name(o, name);
	json_put_bool(o, b);
}
