/*
 * Settings from adit.json. Strings are unescaped into the struct conf, so the
 * file's text need not stay; a member's line is found again by counting, only
 * when it is needed.
 */
#include "app/conf_inside.h"

#include <assert.h>

#include "base/num.h"
#include "codec/json.h"
#include "state/store.h"

/* The line at which a part of the file begins. */
static uint32_t
line_of(struct slice whole, struct json part)
{
	return to_u32(store_line(whole, (size_t)(part.raw.p - whole.p)));
}

/* A string's characters, kept in c->text; or a number's, as they stand. */
static bool
file_text(struct conf *c, struct json json, struct conf_value *v)
{
	struct buf b = { c->text, sizeof c->text, c->text_n, false };

	if (json.kind == JSON_NUMBER || json.kind == JSON_BOOL)
		buf_put(&b, json.raw);
	else if (json_string(json, &b) != E_OK)
		return conf_fail_hidden(c, v, "not a text: half a character");
	assert(buf_ok(&b));
	v->text = slice_of(c->text + c->text_n, b.n - c->text_n);
	c->text_n = b.n;
	return true;
}

/* The type that the file may give it: "8" is no number, 8 no text. */
static const char *
file_type_fault(const struct conf_row *row, enum json_kind kind)
{
	switch ((enum conf_type)row->type) {
	case CONF_SWITCH:
		return kind == JSON_BOOL ? NULL : "want true or false";
	case CONF_COUNT:
		return kind == JSON_NUMBER ? NULL : "want a number";
	case CONF_SIZE:
		return kind == JSON_STRING || kind == JSON_NUMBER ? NULL :
		    "want a number of bytes, or a string such as \"48MiB\"";
	case CONF_TIME:
		return kind == JSON_STRING ? NULL :
		    "want a string with a unit, such as \"10s\"";
	case CONF_LIST:
		if (kind == JSON_BOOL && row->id == C_TRUST_PROXY)
			return NULL;
		return kind == JSON_STRING ? NULL :
		    "want a string, or an array of strings";
	case CONF_TEXT:
	case CONF_SECRET:
		return kind == JSON_STRING ? NULL : "want a string";
	case CONF_REFUSED:
		break;
	}
	return NULL;
}

static bool
set_member(struct conf *c, const struct conf_row *row, uint8_t *text,
    struct slice whole, struct json json)
{
	struct conf_value v = { .source = CONF_FILE, .spelling = row->key,
		.line = line_of(whole, json) };
	const char *why = file_type_fault(row, json.kind);
	size_t from = c->text_n;
	bool on, done;

	if (row->type == CONF_REFUSED)
		return conf_fail_hidden(c, &v, row->help);
	if (why != NULL)
		return conf_fail_hidden(c, &v, why);
	if (row->type == CONF_SWITCH) {
		json_bool(json, &on);
		v.num = on;
		return conf_set(c, row, &v);
	}
	if (!file_text(c, json, &v))
		return false;
	done = conf_set(c, row, &v);
	if (row->type == CONF_SECRET) {
		wipe(c->text + from, c->text_n - from);
		c->text_n = from;
		wipe(text + (json.raw.p - whole.p), json.raw.n);
	}
	return done;
}

static const struct conf_row *
row_of_key(struct json name)
{
	for (size_t i = 0; i < conf_nrows; i++)
		if (conf_rows[i].key != NULL &&
		    json_is(name, conf_text_of(conf_rows[i].key)))
			return &conf_rows[i];
	return NULL;
}

/* Which row, and whether it may be said here. NULL after an error. */
static const struct conf_row *
find_member(struct conf *c, struct json name, uint32_t line)
{
	struct conf_value v = { .source = CONF_FILE, .line = line };
	const struct conf_row *row = row_of_key(name);

	if (row == NULL) {
		conf_fail_unknown(c, &v,
		    slice_of(name.raw.p + 1, name.raw.n - 2), false);
		return NULL;
	}
	v.spelling = row->key;
	if ((row->roles & c->role) == 0) {
		conf_fail_role(c, &v, row);
		return NULL;
	}
	if ((row->roles & CONF_RELAY) == 0 && !c->file_asked) {
		conf_fail_hidden(c, &v, "a setting of the agent counts only "
		    "in a file named by --config");
		return NULL;
	}
	return row;
}

static bool
set_members(struct conf *c, uint8_t *text, struct slice whole,
    struct json root)
{
	struct json_iter it, list;
	struct json name, v, none, item;
	bool seen[CONF_ROWS_MAX] = { false };

	assert(conf_nrows <= CONF_ROWS_MAX);
	json_iter(&it, root);
	while (json_next(&it, &name, &v)) {
		struct conf_value at = { .source = CONF_FILE,
			.line = line_of(whole, name) };
		const struct conf_row *row = find_member(c, name, at.line);

		if (row == NULL)
			return false;
		at.spelling = row->key;
		if (seen[row - conf_rows])
			return conf_fail_hidden(c, &at, "given twice");
		seen[row - conf_rows] = true;
		if (row->type != CONF_LIST || v.kind != JSON_ARRAY) {
			if (!set_member(c, row, text, whole, v))
				return false;
			continue;
		}
		json_iter(&list, v);
		while (json_next(&list, &none, &item))
			if (!set_member(c, row, text, whole, item))
				return false;
	}
	return true;
}

bool
conf_file(struct conf *c, uint8_t *text, size_t n)
{
	struct slice whole = { text, n };
	struct conf_value v = { .source = CONF_FILE, .line = 1 };
	struct json root;
	enum err e;

	assert(n <= CONF_FILE_MAX);
	e = json_parse(whole, JSON_DEPTH, &root);
	if (e != E_OK) {
		v.line = to_u32(store_line(whole,
		    json_error_at(whole, JSON_DEPTH)));
		return conf_fail_hidden(c, &v, e == E_JSON_UTF8 ?
		    "not JSON: bytes that are not UTF-8" : "not JSON");
	}
	if (root.kind != JSON_OBJECT)
		return conf_fail_hidden(c, &v, "want one JSON object: {...}");
	return set_members(c, text, whole, root);
}
