/*
 * What is said of a wrong setting: one line with where it was said, the value
 * unless it is a secret, why it is refused, and the nearest name there is.
 */
#include "app/conf_inside.h"

#include "app/near.h"
#include "app/value.h"

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
	buf_put(&c->error, conf_text_of(v->spelling));
	return true;
}

bool
conf_refuse(struct conf *c, const char *why)
{
	if (begin_error(c, NULL))
		buf_put(&c->error, conf_text_of(why));
	return false;
}

bool
conf_fail_hidden(struct conf *c, const struct conf_value *v, const char *why)
{
	if (!begin_error(c, v))
		return false;
	if (v->spelling != NULL)
		buf_lit(&c->error, ": ");
	buf_put(&c->error, conf_text_of(why));
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
	buf_put(&c->error, conf_text_of(why));
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
		d = near_distance(name, conf_text_of(other));
		if (d < best) {
			best = d;
			found = other;
		}
	}
	return near_enough(name, best) ? found : NULL;
}

bool
conf_fail_unknown(struct conf *c, const struct conf_value *v, struct slice name,
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
		buf_put(&c->error, conf_text_of(near));
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

bool
conf_fail_role(struct conf *c, const struct conf_value *v,
    const struct conf_row *row)
{
	if (!begin_error(c, v))
		return false;
	buf_lit(&c->error, ": a setting of ");
	buf_put(&c->error, conf_text_of(role_name(row->roles)));
	buf_lit(&c->error, ", not of ");
	buf_put(&c->error, c->role == CONF_START ? SL("adit start") :
	    conf_text_of(role_name(c->role)));
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

bool
conf_fail_range(struct conf *c, const struct conf_value *v,
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
