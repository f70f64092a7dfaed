/*
 * JSON, RFC 8259, strict. Reading: json_parse checks a whole text once; after
 * that a value is a kind and its raw bytes, a borrowed part of the text, and
 * the accessors walk them again where asked. Nothing is allocated or copied;
 * a value that nobody understands goes out exactly as it came in, so numbers
 * round trip. Writing: struct json_out appends to a buffer.
 *
 * Policies where RFC 8259 leaves a choice or parsers differ:
 *   depth      arrays and objects nest at most depth_max deep; no recursion
 *   bytes      the text is UTF-8; a byte order mark is no part of JSON
 *   surrogates a \u escape of half a pair is grammatical and passes a check
 *              (it goes out as it came in), but such a string has no UTF-8:
 *              json_string refuses it and json_is finds it equal to nothing
 *   numbers    never converted to floating point. json_u64 takes plain
 *              integers only: 1.0 and 1e3 are E_JSON_TYPE
 *   duplicates names are compared after unescaping. json_get and json_fields
 *              refuse a wanted name given twice, json_unique any
 *   NUL        \u0000 is a character like others; slices hold it
 */
#ifndef ADIT_CODEC_JSON_H
#define ADIT_CODEC_JSON_H

#include "base/buf.h"
#include "base/err.h"

enum {
	JSON_DEPTH = 32,        /* the usual depth_max */
	JSON_DEPTH_MAX = 256,   /* the largest allowed */
};

enum json_kind {
	JSON_NONE,      /* absent */
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/*
 * A value inside a checked text. `raw` is all of it, quotes and brackets
 * included, white space around it not. Only the functions below make one;
 * the text must stay where it is. All zero is "absent".
 */
struct json {
	enum json_kind kind;
	struct slice raw;
};

/*
 * json_parse: check that `text` is one JSON value with nothing but white space
 * around it. depth_max <= JSON_DEPTH_MAX; 0 allows no array or object.
 *   E_OK           *v is the value
 *   E_JSON_SYNTAX  not JSON (an empty text too)
 *   E_JSON_UTF8    a string holds bytes that are not UTF-8
 *   E_JSON_DEPTH   nested too deeply
 * On an error *v is untouched. Takes time in proportion to text.n.
 */
enum err json_parse(struct slice text, unsigned depth_max, struct json *v);

/* The same for the verdict alone. */
enum err json_check(struct slice text, unsigned depth_max);

/*
 * Offset of the first byte at which json_parse would give up, text.n if it
 * does not: for a message about a file ("line 7").
 */
size_t json_error_at(struct slice text, unsigned depth_max);

/*
 * Members or elements in order:
 *     struct json_iter it;
 *     struct json name, v;
 *     json_iter(&it, obj);
 *     while (json_next(&it, &name, &v))
 * `name` is JSON_STRING for a member of an object, JSON_NONE for an element of
 * an array. A value of any other kind has neither. To find each takes time in
 * proportion to its length.
 */
struct json_iter {
	struct slice rest;
	bool is_object;
};
void json_iter(struct json_iter *it, struct json v);
bool json_next(struct json_iter *it, struct json *name, struct json *v);

/*
 * json_get: the member called `name` (in UTF-8, not escaped).
 *   E_OK         *v is its value, or JSON_NONE if there is none
 *   E_JSON_DUP   given twice; *v is JSON_NONE
 *   E_JSON_TYPE  `obj` is not an object; *v is JSON_NONE
 */
enum err json_get(struct json obj, struct slice name, struct json *v);

/*
 * json_fields: json_get for n names in one pass. Sets each f[i].v, JSON_NONE
 * where absent. Other members are passed over. The names must differ.
 */
struct json_field {
	struct slice name;
	struct json v;
};
enum err json_fields(struct json obj, struct json_field *f, size_t n);

/*
 * json_unique: no member's name of `obj` itself (not of what it contains)
 * comes twice.
 *   E_OK         so it is
 *   E_JSON_DUP   a name comes twice
 *   E_FULL       more than members_max members (the time taken grows with
 *                their square, so there has to be a bound)
 *   E_JSON_TYPE  not an object
 */
enum err json_unique(struct json obj, size_t members_max);

/*
 * json_string: append the characters of a string to *out as UTF-8.
 *   E_OK         appended
 *   E_JSON_TYPE  not a string
 *   E_JSON_UTF8  half a surrogate pair
 *   E_FULL       does not fit; the buffer is not marked short
 * On an error out->n is unchanged.
 */
enum err json_string(struct json v, struct buf *out);

/*
 * json_plain: the characters of a string without copying, if it has none
 * that are escaped. False, and *s untouched, for other strings and kinds.
 */
bool json_plain(struct json v, struct slice *s);

/* `v` is a string with exactly these characters, however escaped. */
bool json_is(struct json v, struct slice s);

/*
 * An integer, exact.
 *   E_OK         *n is the value
 *   E_JSON_TYPE  not a number, or one with a fraction or an exponent
 *   E_RANGE      does not fit, or has a minus sign
 * On an error *n is untouched.
 */
enum err json_u64(struct json v, uint64_t *n);

/* E_JSON_TYPE, and *b untouched, if not true or false. */
enum err json_bool(struct json v, bool *b);

/*
 * Writing. Calls come in the order of the text; commas and colons are put by
 * themselves. Misuse (a value without a name in an object, an end without a
 * beginning) is an assertion. What does not fit marks the buffer as short:
 * look once at the end with buf_ok. No white space is written.
 *
 *     struct json_out o = json_out_on(&buf);
 *     json_object(&o);
 *     json_name(&o, SL("count"));
 *     json_put_u64(&o, 3);
 *     json_pair_bool(&o, SL("ok"), true);
 *     json_object_end(&o);
 */
struct json_out {
	struct buf *b;
	uint64_t objects;       /* bit i: level i is an object */
	uint8_t depth;          /* open levels, at most 64 */
	bool comma;             /* something stands before at this level */
	bool named;             /* a name was put, its value was not */
};

static inline struct json_out
json_out_on(struct buf *b)
{
	return (struct json_out){ b, 0, 0, false, false };
}

/* Begin and end: an object of names and values, an array of values. */
void json_object(struct json_out *o);
void json_object_end(struct json_out *o);
void json_array(struct json_out *o);
void json_array_end(struct json_out *o);
/* A member's name: its value comes next. */
void json_name(struct json_out *o, struct slice name);
/* A name as it is, quotes included, such as the raw of json_next's name. */
void json_name_raw(struct json_out *o, struct slice raw);
/*
 * The string is escaped so that it is valid JSON whatever its bytes are (each
 * byte that is not UTF-8 becomes U+FFFD) and cannot end a script element when
 * it stands in a page (`<` is written as \u003c; so are U+2028 and U+2029).
 */
void json_put_string(struct json_out *o, struct slice s);
void json_put_u64(struct json_out *o, uint64_t n);
void json_put_null(struct json_out *o);
/* One valid JSON value as it is, such as a struct json's raw. */
void json_put_raw(struct json_out *o, struct slice raw);
/* A name and its string, number or truth value: the usual pairs. */
void json_pair_string(struct json_out *o, struct slice name, struct slice s);
void json_pair_u64(struct json_out *o, struct slice name, uint64_t n);
void json_pair_bool(struct json_out *o, struct slice name, bool b);

#endif
