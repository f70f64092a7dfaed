/*
 * Every source ends in conf_set: one place checks types and ranges, decides who
 * beats whom and takes secrets away. A value is checked before it is known
 * whether it wins, so a mistake does not lie in wait for the day when the
 * stronger setting is taken away.
 */
#include "app/conf_inside.h"

#include <assert.h>

#include "app/value.h"

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
	return conf_fail_range(c, v, row);
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
		return conf_fail_hidden(c, v, "the value is empty");
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
		return conf_fail_hidden(c, v, why);
	if (now->source >= v->source)
		return true;
	*now = *v;
	if (!secret_set(secret_for(c, row->id), text))
		return conf_fail_hidden(c, v, "too long");
	return true;
}

bool
conf_set(struct conf *c, const struct conf_row *row, struct conf_value *v)
{
	switch ((enum conf_type)row->type) {
	case CONF_REFUSED:
		return conf_fail_hidden(c, v, row->help);
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
