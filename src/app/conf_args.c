/*
 * Settings from the command line and the environment. Secrets are overwritten
 * where they stood, since both can be read from outside (ps, /proc).
 */
#include "app/conf_inside.h"

#include "crypto/ct.h"

static const struct conf_row *
row_of_flag(const struct conf *c, struct slice name, bool any_role)
{
	for (size_t i = 0; i < conf_nrows; i++)
		if (conf_rows[i].flag != NULL &&
		    (any_role || (conf_rows[i].roles & c->role) != 0) &&
		    slice_eq(name, conf_text_of(conf_rows[i].flag)))
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
		return conf_fail_hidden(c, &v, "takes no value");
	if (row->type != CONF_LIST && c->v[row->id].source == CONF_FLAG &&
	    strcmp(c->v[row->id].spelling, row->flag) == 0)
		return conf_fail_hidden(c, &v, "given twice");
	if (row->type == CONF_SWITCH) {
		v.num = 1;
		return conf_set(c, row, &v);
	}
	if (value == NULL && row->type != CONF_REFUSED)
		return conf_fail_hidden(c, &v, "needs a value");
	v.text = value != NULL ? conf_text_of(value) : SL("");
	done = conf_set(c, row, &v);
	if (value != NULL &&
	    (row->type == CONF_SECRET || row->type == CONF_REFUSED))
		wipe(value, strlen(value));
	return done;
}

bool
conf_flags(struct conf *c, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		struct slice arg = conf_text_of(argv[i]), name;
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
				return conf_fail_unknown(c, NULL, name, true);
			v.spelling = row->flag;
			return conf_fail_role(c, &v, row);
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
		v.text = conf_text_of(value);
		done = conf_set(c, row, &v);
		if (row->type == CONF_SECRET)
			wipe(value, strlen(value));
		if (!done)
			return false;
	}
	return true;
}
