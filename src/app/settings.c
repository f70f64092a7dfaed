/*
 * One object for each row of conf_rows that a relay has and that can be kept:
 * what is only for one command (--check) is none. Values are written as the
 * help writes them, and cut where a list is very long.
 */
#include "app/settings.h"

#include <string.h>

#include "codec/json.h"

enum { VALUE_MAX = 256 };

static void
put_lit(struct buf *b, const char *s)
{
	buf_put(b, slice_of(s, s == NULL ? 0 : strlen(s)));
}

static void
put_list(struct buf *b, const struct conf *c, const struct conf_row *row)
{
	const struct conf_value *v;
	size_t at = 0;

	while ((v = conf_next(c, row->id, &at)) != NULL) {
		if (b->n > 0)
			buf_lit(b, ", ");
		buf_put(b, v->text);
	}
}

static void
put_value(struct buf *b, const struct conf *c, const struct conf_row *row)
{
	const struct conf_value *v = &c->v[row->id];

	if (v->source == CONF_DEFAULT) {
		put_lit(b, row->dflt);
		return;
	}
	switch (row->type) {
	case CONF_SWITCH:
		put_lit(b, v->num != 0 ? "on" : "off");
		break;
	case CONF_COUNT:
		buf_put_dec(b, v->num);
		break;
	case CONF_SIZE:
		buf_put_dec(b, v->num >> 10);
		put_lit(b, "KiB");
		break;
	case CONF_TIME:
		buf_put_dec(b, v->num);
		put_lit(b, "ms");
		break;
	case CONF_LIST:
		put_list(b, c, row);
		break;
	case CONF_SECRET:
		put_lit(b, "(set)");
		break;
	default:
		buf_put(b, v->text);
	}
}

bool
settings_put(struct buf *b, const struct conf *c)
{
	static const struct slice from[] = {
		[CONF_DEFAULT] = SL_INIT("default"),
		[CONF_FILE] = SL_INIT("file"),
		[CONF_ENV] = SL_INIT("environment"),
		[CONF_FLAG] = SL_INIT("flag"),
	};
	struct json_out o = json_out_on(b);

	json_array(&o);
	for (size_t i = 0; i < conf_nrows; i++) {
		const struct conf_row *row = &conf_rows[i];
		const char *name = row->flag != NULL ? row->flag :
		    row->key != NULL ? row->key : row->env;
		uint8_t area[VALUE_MAX];
		struct buf value = BUF_ON(area);

		if ((row->roles & c->role) == 0 || row->type == CONF_REFUSED ||
		    (row->key == NULL && row->env == NULL))
			continue;
		put_value(&value, c, row);
		json_object(&o);
		json_pair_string(&o, SL("name"),
		    slice_of(name, strlen(name)));
		json_pair_string(&o, SL("value"), buf_slice(&value));
		json_pair_string(&o, SL("from"), from[c->v[row->id].source]);
		json_object_end(&o);
	}
	json_array_end(&o);
	return buf_ok(b);
}
