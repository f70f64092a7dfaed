/*
 * JSON. What must hold for a text that is accepted: written again from what
 * the accessors say it is the same text without its blanks, byte for byte; a
 * string that decodes comes back through the writer; json_get finds what
 * json_next shows exactly if json_unique says so. And for one that is
 * refused: it is refused at a place inside of it, and not because of what
 * follows that place.
 */
#include <stdlib.h>

#include "codec/json.h"
#include "codec/utf8.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

enum { TEXT_MAX = 1 << 14 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The string through decoding, writing and parsing. */
static void
check_string(struct json v)
{
	static uint8_t area[3][TEXT_MAX * 6];
	struct buf text = BUF_ON(area[0]), again = BUF_ON(area[1]);
	struct buf back = BUF_ON(area[2]);
	struct json_out o = json_out_on(&again);
	struct slice plain;
	struct json w;
	enum err e = json_string(v, &text);

	MUST(e == E_OK || e == E_JSON_UTF8);
	if (json_plain(v, &plain))
		MUST(e == E_OK && slice_eq(plain, buf_slice(&text)));
	if (e != E_OK)
		return;
	MUST(utf8_valid(buf_slice(&text)) && json_is(v, buf_slice(&text)));
	json_put_string(&o, buf_slice(&text));
	MUST(json_parse(buf_slice(&again), 0, &w) == E_OK);
	MUST(slice_find(w.raw, '<') == w.raw.n);
	MUST(json_string(w, &back) == E_OK);
	MUST(slice_eq(buf_slice(&text), buf_slice(&back)));
}

static void
check_member(struct json obj, struct json name, struct json v, enum err unique)
{
	static uint8_t area[TEXT_MAX];
	struct buf b = BUF_ON(area);
	struct json got;
	enum err e;

	if (json_string(name, &b) != E_OK)
		return;
	e = json_get(obj, buf_slice(&b), &got);
	MUST(e == E_OK || e == E_JSON_DUP);
	if (e == E_OK)
		MUST(got.raw.p == v.raw.p && got.raw.n == v.raw.n);
	else
		MUST(unique != E_OK);
}

static void
rewrite(struct json_out *o, struct json v)
{
	struct json_iter it;
	struct json name, e;
	enum err unique = json_unique(v, 32);
	uint64_t u;

	if (v.kind == JSON_STRING)
		check_string(v);
	if (json_u64(v, &u) == E_OK)
		MUST(v.kind == JSON_NUMBER && ascii_digit(v.raw.p[0]));
	if (v.kind != JSON_OBJECT && v.kind != JSON_ARRAY) {
		json_put_raw(o, v.raw);
		return;
	}
	v.kind == JSON_OBJECT ? json_object(o) : json_array(o);
	json_iter(&it, v);
	while (json_next(&it, &name, &e)) {
		if (name.kind == JSON_STRING) {
			check_string(name);
			check_member(v, name, e, unique);
			json_name_raw(o, name.raw);
		}
		rewrite(o, e);
	}
	v.kind == JSON_OBJECT ? json_object_end(o) : json_array_end(o);
}

/* A valid text without the blanks between its tokens. */
static void
squeeze(struct buf *out, struct slice s)
{
	bool inside = false, escaped = false;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (inside || (c != ' ' && c != '\t' && c != '\n' && c != '\r'))
			buf_put_u8(out, c);
		if (c == '"' && !escaped)
			inside = !inside;
		escaped = inside && c == '\\' && !escaped;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t area[2][TEXT_MAX];
	struct buf a = BUF_ON(area[0]), b = BUF_ON(area[1]);
	struct json_out o = json_out_on(&a);
	struct slice text = slice_of(data, size);
	struct json v;
	enum err e;
	size_t at;

	if (size > TEXT_MAX)
		return 0;
	e = json_parse(text, JSON_DEPTH, &v);
	at = json_error_at(text, JSON_DEPTH);
	MUST(at <= size);
	if (e != E_OK) {
		/* What was read up to there can be gone on with. */
		MUST(json_error_at(slice_head(text, at), JSON_DEPTH) == at);
		return 0;
	}
	MUST(at == size && json_check(text, JSON_DEPTH_MAX) == E_OK);
	rewrite(&o, v);
	squeeze(&b, text);
	MUST(buf_ok(&a) && slice_eq(buf_slice(&a), buf_slice(&b)));
	return 0;
}
