/*
 * Writing JSON. The writer knows only what it needs to put commas and to catch
 * misuse: one bit for each open level, so there is nothing to allocate.
 */
#include "codec/json.h"

#include <assert.h>

#include "codec/utf8.h"

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
	json_put_raw(o, b ? SL("true") : SL("false"));
}
