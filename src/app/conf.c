/*
 * Every source ends in set_value: one place checks types and ranges, decides
 * who beats whom and takes secrets away. A value is checked before it is
 * known whether it wins, so a mistake does not lie in wait for the day when
 * the stronger setting is taken away.
 */
#include "app/conf.h"

#include <assert.h>

#include "app/near.h"
#include "app/value.h"
#include "base/num.h"
#include "codec/json.h"
#include "state/store.h"

static struct slice
text_of(const char *c)
{
	return slice_of(c, strlen(c));
}

/* ---- errors ---- */

enum { SHOWN_MAX = 100 };       /* bytes of a value in an error */

static bool
begin_error(struct conf *c, const struct conf_value *v)
{
	if (c->error.n > 0)
		return false;
	if (v == NULL)
		return true;
	if (v->source == CONF_FILE) {
		buf_put_escaped(&c->error, c->file, SHOWN_MAX);
		buf_lit(&c->error, ":");
		buf_put_dec(&c->error, v->line);
		buf_lit(&c->error, ": ");
	}
	if (v->spelling == NULL)
		return true;
	if (v->source == CONF_FLAG)
		buf_lit(&c->error, "--");
	buf_put(&c->error, text_of(v->spelling));
	return true;
}

bool
conf_refuse(struct conf *c, const char *why)
{
	if (begin_error(c, NULL))
		buf_put(&c->error, text_of(why));
	return false;
}

/* Without the value: it is a secret, or there is none. */
static bool
fail_hidden(struct conf *c, const struct conf_value *v, const char *why)
{
	if (!begin_error(c, v))
		return false;
	if (v->spelling != NULL)
		buf_lit(&c->error, ": ");
	buf_put(&c->error, text_of(why));
	return false;
}

bool
conf_fail(struct conf *c, const struct conf_value *v, const char *why)
{
	if (!begin_error(c, v))
		return false;
	buf_lit(&c->error, " \"");
	buf_put_escaped(&c->error, v->text, SHOWN_MAX);
	buf_lit(&c->error, "\": ");
	buf_put(&c->error, text_of(why));
	return false;
}

/* The nearest flag (or key) of this role, NULL if none is near. */
static const char *
nearest(const struct conf *c, struct slice name, bool flags)
{
	size_t best = SIZE_MAX;
	const char *found = NULL;

	for (size_t i = 0; i < conf_nrows; i++) {
		const struct conf_row *r = &conf_rows[i];
		const char *other = flags ? r->flag : r->key;
		size_t d;

		if (other == NULL || (r->roles & c->role) == 0 ||
		    r->type == CONF_REFUSED)
			continue;
		d = near_distance(name, text_of(other));
		if (d < best) {
			best = d;
			found = other;
		}
	}
	return near_enough(name, best) ? found : NULL;
}

static bool
fail_unknown(struct conf *c, const struct conf_value *v, struct slice name,
    bool flag)
{
	const char *near = nearest(c, name, flag);

	if (!begin_error(c, v))
		return false;
	buf_put(&c->error, flag ? SL("unknown option \"--") :
	    SL("unknown key \""));
	buf_put_escaped(&c->error, name, SHOWN_MAX);
	buf_lit(&c->error, "\"");
	if (near != NULL) {
		buf_put(&c->error, flag ? SL("; did you mean \"--") :
		    SL("; did you mean \""));
		buf_put(&c->error, text_of(near));
		buf_lit(&c->error, "\"?");
	}
	return false;
}

static const char *
role_name(unsigned roles)
{
	if ((roles & CONF_RELAY) != 0)
		return "the relay";
	if ((roles & CONF_AGENT) != 0)
		return "the agent";
	return (roles & CONF_INIT) != 0 ? "adit init" :
	    (roles & CONF_CONSOLE) != 0 ? "this command" : "adit status";
}

static bool
fail_role(struct conf *c, const struct conf_value *v,
    const struct conf_row *row)
{
	if (!begin_error(c, v))
		return false;
	buf_lit(&c->error, ": a setting of ");
	buf_put(&c->error, text_of(role_name(row->roles)));
	buf_lit(&c->error, ", not of ");
	buf_put(&c->error, c->role == CONF_START ? SL("adit start") :
	    text_of(role_name(c->role)));
	return false;
}

static void
put_bound(struct buf *b, const struct conf_row *row, uint64_t v)
{
	if (row->type == CONF_SIZE)
		value_put_size(b, v);
	else if (row->type == CONF_TIME)
		value_put_time(b, v);
	else
		buf_put_dec(b, v);
}

static bool
fail_range(struct conf *c, const struct conf_value *v,
    const struct conf_row *row)
{
	bool first = c->error.n == 0;

	conf_fail(c, v, "want ");
	if (!first)
		return false;
	put_bound(&c->error, row, row->min);
	buf_lit(&c->error, " to ");
	put_bound(&c->error, row, row->max);
	return false;
}

/* ---- one value ---- */

static struct secret *
secret_for(struct conf *c, enum conf_id id)
{
	if (id == C_JWT_SECRET)
		return &c->jwt;
	if (id == C_CHANNEL_KEY)
		return &c->channel;
	if (id == C_PROXY)
		return &c->proxy;
	return id == C_PASSWORD ? &c->password : &c->token;
}

/* Text as it may stand in a path, a name or a log. */
static bool
printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return s.n > 0;
}

static bool
parse_num(struct conf *c, const struct conf_row *row, struct conf_value *v)
{
	bool good = false;

	switch (row->type) {
	case CONF_COUNT:
		good = slice_dec(v->text, UINT32_MAX, &v->num);
		break;
	case CONF_SIZE:
		good = value_size(v->text, &v->num);
		break;
	case CONF_TIME:
		good = value_time(v->text, &v->num);
		break;
	default:
		assert(0);
	}
	if (good && v->num >= row->min && v->num <= row->max)
		return true;
	if (!good && row->type == CONF_SIZE)
		return conf_fail(c, v, "want a size such as 48m or 48MiB");
	if (!good && row->type == CONF_TIME)
		return conf_fail(c, v, "want a time with its unit, "
		    "such as 500ms, 10s or 24h");
	return fail_range(c, v, row);
}

static bool
add_item(struct conf *c, enum conf_id id, const struct conf_value *v)
{
	if (c->nitems == CONF_ITEMS_MAX)
		return conf_fail(c, v, "too many values");
	c->items[c->nitems++] = (struct conf_item){ .id = (uint8_t)id,
		.v = *v };
	if (c->v[id].source < v->source)
		c->v[id] = *v;
	return true;
}

/* `a,b` as two items, for the list that people write so. */
static bool
add_trust(struct conf *c, const struct conf_row *row, struct conf_value v)
{
	struct slice rest = v.text;

	do {
		v.text = slice_trim(slice_cut(&rest, ','));
		if (row->check(v.text) != NULL)
			return conf_fail(c, &v, row->check(v.text));
		if (!add_item(c, row->id, &v))
			return false;
	} while (rest.n > 0);
	return true;
}

static bool
set_text(struct conf *c, const struct conf_row *row, struct conf_value *v)
{
	enum conf_id id = row->id;
	const char *why;

	if (v->text.n == 0)
		return fail_hidden(c, v, "the value is empty");
	if (!printable(v->text))
		return conf_fail(c, v, "control bytes are not allowed");
	if (id == C_TRUST_PROXY)
		return add_trust(c, row, *v);
	why = row->check != NULL ? row->check(v->text) : NULL;
	if (why != NULL)
		return conf_fail(c, v, why);
	if (id == C_LISTEN && slice_find(v->text, '=') < v->text.n)
		id = C_SITE;
	if (row->type == CONF_LIST)
		return add_item(c, id, v);
	if (c->v[id].source < v->source)
		c->v[id] = *v;
	return true;
}

static bool
set_secret(struct conf *c, const struct conf_row *row, struct conf_value *v)
{
	const char *why = row->check(v->text);
	struct conf_value *now = &c->v[row->id];
	struct slice text = v->text;

	v->text = (struct slice){ 0 };
	if (why != NULL)
		return fail_hidden(c, v, why);
	if (now->source >= v->source)
		return true;
	*now = *v;
	if (!secret_set(secret_for(c, row->id), text))
		return fail_hidden(c, v, "too long");
	return true;
}

/* v: source, line, spelling and text are given. */
static bool
set_value(struct conf *c, const struct conf_row *row, struct conf_value *v)
{
	switch ((enum conf_type)row->type) {
	case CONF_REFUSED:
		return fail_hidden(c, v, row->help);
	case CONF_SECRET:
		return set_secret(c, row, v);
	case CONF_TEXT:
	case CONF_LIST:
		return set_text(c, row, v);
	case CONF_SWITCH:
		break;
	case CONF_COUNT:
	case CONF_SIZE:
	case CONF_TIME:
		if (!parse_num(c, row, v))
			return false;
		break;
	}
	if (c->v[row->id].source < v->source)
		c->v[row->id] = *v;
	return true;
}

/* ---- the command line ---- */

static const struct conf_row *
row_of_flag(const struct conf *c, struct slice name, bool any_role)
{
	for (size_t i = 0; i < conf_nrows; i++)
		if (conf_rows[i].flag != NULL &&
		    (any_role || (conf_rows[i].roles & c->role) != 0) &&
		    slice_eq(name, text_of(conf_rows[i].flag)))
			return &conf_rows[i];
	return NULL;
}

/* The value of a flag: after `=`, or the next argument. NULL: none. */
static char *
flag_value(char *arg, size_t name_n, char **argv, int argc, int *i)
{
	if (arg[2 + name_n] == '=')
		return arg + 2 + name_n + 1;
	if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0)
		return NULL;
	*i += 1;
	return argv[*i];
}

static bool
set_flag(struct conf *c, const struct conf_row *row, char *value)
{
	struct conf_value v = { .source = CONF_FLAG, .spelling = row->flag };
	bool done;

	if (row->type == CONF_SWITCH && value != NULL)
		return fail_hidden(c, &v, "takes no value");
	if (row->type != CONF_LIST && c->v[row->id].source == CONF_FLAG &&
	    strcmp(c->v[row->id].spelling, row->flag) == 0)
		return fail_hidden(c, &v, "given twice");
	if (row->type == CONF_SWITCH) {
		v.num = 1;
		return set_value(c, row, &v);
	}
	if (value == NULL && row->type != CONF_REFUSED)
		return fail_hidden(c, &v, "needs a value");
	v.text = value != NULL ? text_of(value) : SL("");
	done = set_value(c, row, &v);
	if (value != NULL &&
	    (row->type == CONF_SECRET || row->type == CONF_REFUSED))
		wipe(value, strlen(value));
	return done;
}

bool
conf_flags(struct conf *c, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		struct slice arg = text_of(argv[i]), name;
		const struct conf_row *row;
		char *value = NULL;

		if (slice_eq(arg, SL("-h")))
			arg = SL("--help");
		if (!slice_starts(arg, SL("--")) || arg.n == 2) {
			struct conf_value v = { .source = CONF_DEFAULT,
				.spelling = "unexpected argument",
				.text = arg };

			return conf_fail(c, &v, "options begin with --");
		}
		name = slice_from(arg, 2);
		name = slice_head(name, slice_find(name, '='));
		row = row_of_flag(c, name, false);
		if (row == NULL) {
			struct conf_value v = { .source = CONF_FLAG };

			row = row_of_flag(c, name, true);
			if (row == NULL)
				return fail_unknown(c, NULL, name, true);
			v.spelling = row->flag;
			return fail_role(c, &v, row);
		}
		if (row->type != CONF_SWITCH || name.n + 2 < arg.n)
			value = flag_value(argv[i], name.n, argv, argc, &i);
		if (!set_flag(c, row, value))
			return false;
		if (row->id == C_HELP)
			return true;
	}
	return true;
}

/* ---- the environment ---- */

static char *
env_value(char **envp, const char *name)
{
	size_t n = strlen(name);

	for (; *envp != NULL; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
			return (*envp)[n + 1] != '\0' ? *envp + n + 1 : NULL;
	return NULL;
}

bool
conf_env(struct conf *c, char **envp)
{
	for (size_t i = 0; i < conf_nrows; i++) {
		const struct conf_row *row = &conf_rows[i];
		struct conf_value v = { .source = CONF_ENV,
			.spelling = row->env };
		char *value;
		bool done;

		if (row->env == NULL || (row->roles & c->role) == 0)
			continue;
		value = env_value(envp, row->env);
		if (value == NULL && row->env2 != NULL) {
			v.spelling = row->env2;
			value = env_value(envp, row->env2);
		}
		if (value == NULL)
			continue;
		v.text = text_of(value);
		done = set_value(c, row, &v);
		if (row->type == CONF_SECRET)
			wipe(value, strlen(value));
		if (!done)
			return false;
	}
	return true;
}

/* ---- the file ---- */

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
		return fail_hidden(c, v, "not a text: half a character");
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
		return fail_hidden(c, &v, row->help);
	if (why != NULL)
		return fail_hidden(c, &v, why);
	if (row->type == CONF_SWITCH) {
		json_bool(json, &on);
		v.num = on;
		return set_value(c, row, &v);
	}
	if (!file_text(c, json, &v))
		return false;
	done = set_value(c, row, &v);
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
		    json_is(name, text_of(conf_rows[i].key)))
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
		fail_unknown(c, &v, slice_of(name.raw.p + 1, name.raw.n - 2),
		    false);
		return NULL;
	}
	v.spelling = row->key;
	if ((row->roles & c->role) == 0) {
		fail_role(c, &v, row);
		return NULL;
	}
	if ((row->roles & CONF_RELAY) == 0 && !c->file_asked) {
		fail_hidden(c, &v, "a setting of the agent counts only in a "
		    "file named by --config");
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
			return fail_hidden(c, &at, "given twice");
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
		return fail_hidden(c, &v, e == E_JSON_UTF8 ?
		    "not JSON: bytes that are not UTF-8" : "not JSON");
	}
	if (root.kind != JSON_OBJECT)
		return fail_hidden(c, &v, "want one JSON object: {...}");
	return set_members(c, text, whole, root);
}

/* ---- asking ---- */

void
conf_init(struct conf *c, enum conf_role role)
{
	memset(c, 0, sizeof *c);
	c->role = role;
	c->file = SL("adit.json");
	c->error = BUF_ON(c->error_area);
}

const struct conf_value *
conf_next(const struct conf *c, enum conf_id id, size_t *at)
{
	while (*at < c->nitems) {
		const struct conf_item *item = &c->items[(*at)++];

		if (item->id == id && item->v.source == c->v[id].source)
			return &item->v;
	}
	return NULL;
}
