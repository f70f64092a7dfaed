/*
 * What is in a JSON text that json_parse has checked: walking only has to find
 * ends, and needs no error paths. That it walks again each time is the price
 * for allocating nothing. Strings are compared as characters, so that an
 * escape hides no name.
 */
#include "codec/json.h"

#include <assert.h>

#include "codec/json_raw.h"
#include "codec/utf8.h"

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
	while (i < s.n && !json_is_blank(s.p[i]) && s.p[i] != ',' &&
	    s.p[i] != '}' && s.p[i] != ']')
		i++;
	return i;
}

/* Over blanks and the one mark that may stand between tokens. */
static void
skip_to_token(struct slice *s)
{
	while (s->n > 0 && (json_is_blank(s->p[0]) || s->p[0] == ',' ||
	    s->p[0] == ':'))
		*s = slice_from(*s, 1);
}

static struct json
take_value(struct slice *rest)
{
	struct json v = { 0 };
	size_t n = value_end(*rest);

	v.kind = json_kind_of(rest->p[0]);
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
json_bool(struct json v, bool *b)
{
	if (v.kind != JSON_BOOL)
		return E_JSON_TYPE;
	*b = v.raw.p[0] == 't';
	return E_OK;
}
