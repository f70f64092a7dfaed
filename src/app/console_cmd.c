/*
 * The commands of the keeper: from the command line to the question, and how
 * one is run. All that differs between them is in console_table.c.
 */
#include "app/cmd.h"

#include <string.h>

#include "app/console_cmd.h"
#include "app/out.h"
#include "base/num.h"

static int
usage(const char *what, const char *name, const char *why)
{
	return out_fail(EXIT_USAGE, what, out_str(name), why);
}

/* ---- the command line ------------------------ */

/* One flag of the table, with its value from the next argument if that is not
 * in the same. False: it is none of this row's. */
static bool
take_flag(struct command *c, const struct cmd *cmd, int *i)
{
	char *arg = cmd->argv[*i], *equals = strchr(arg, '=');
	struct slice name = out_str(arg + strspn(arg, "-"));

	if (equals != NULL)
		name.n = (size_t)(equals - (const char *)name.p);
	for (size_t f = 0; f < FLAGS; f++) {
		if ((c->sub->flags & F(f)) == 0 ||
		    !slice_eq(name, out_str(console_flags[f].name)))
			continue;
		c->value[f] = console_flags[f].kind == SWITCH ? "" :
		    equals != NULL ? equals + 1 :
		    *i + 1 < cmd->argc ? cmd->argv[++*i] : "";
		return true;
	}
	return false;
}

static int
parse(struct command *c, const struct cmd *cmd)
{
	const char *command = cmd->title[1];
	int i = 0, words = 0;

	for (int j = 0; j < cmd->argc; j++)
		if (strcmp(cmd->argv[j], "--help") == 0)
			return console_help(command);
	c->sub = console_sub(command, cmd->argc > 0 ? cmd->argv[0] : NULL);
	if (c->sub == NULL)
		return usage(NULL, command, "say what to do; --help lists it");
	if (c->sub->name != NULL)
		i++;
	for (; i < cmd->argc && cmd->argv[i][0] != '-'; i++) {
		if (words == WORDS_MAX)
			return usage("unexpected argument", cmd->argv[i],
			    NULL);
		c->words[words++] = cmd->argv[i];
	}
	while (i < cmd->argc && c->nrest < REST_MAX) {
		if (!take_flag(c, cmd, &i))
			c->rest[c->nrest++] = cmd->argv[i];
		i++;
	}
	return EXIT_GO_ON;
}

/* ---- the question ------------------------ */

static void
put_names(struct json_out *o, const char *text)
{
	struct slice rest = out_str(text), name;

	json_array(o);
	while (rest.n > 0) {
		name = slice_cut(&rest, ',');
		if (name.n > 0)
			json_put_string(o, name);
	}
	json_array_end(o);
}

/* Tokens: which kind, for whom, and what they are called. */
static void
put_kind(const struct command *c, struct json_out *o, size_t f)
{
	const char *whose = c->value[f], *name = c->value[NAME];

	json_pair_string(o, SL("kind"), out_str(console_flags[f].member));
	if (f == AGENT)
		json_pair_string(o, SL("agent"), out_str(whose));
	if (name == NULL)
		json_pair_string(o, SL("name"), out_str(whose[0] != '\0' ?
		    whose : console_flags[f].name));
}

static int
put_flag(const struct command *c, struct json_out *o, size_t f)
{
	struct slice value = out_str(c->value[f]);
	struct slice member = { 0 };
	uint64_t n;

	if (console_flags[f].member != NULL)
		member = out_str(console_flags[f].member);
	if (value.n == 0 && console_flags[f].kind != SWITCH)
		return usage("--", console_flags[f].name, "wants a value");
	switch ((enum flag_kind)console_flags[f].kind) {
	case TEXT:
		json_pair_string(o, member, value);
		break;
	case NAMES:
		json_name(o, member);
		put_names(o, c->value[f]);
		break;
	case TIME:
	case COUNT:
		if (!slice_dec(value, 100000, &n) || n == 0)
			return usage("--", console_flags[f].name,
			    "want a number");
		if (f == DAYS)
			json_pair_u64(o, member, n * 86400);
		break;
	case KIND:
		put_kind(c, o, f);
		break;
	case SWITCH:
		if (f == EVERYONE) {
			json_name(o, member);
			json_put_null(o);
		} else {
			put_kind(c, o, f);
		}
		break;
	case FILE_NAME:
		break;
	}
	return EXIT_GO_ON;
}

/* One of those must be said, and one only. */
static int
one_of(const struct command *c, unsigned set, const char *why)
{
	unsigned n = 0;

	for (size_t f = 0; f < FLAGS; f++)
		n += (set & F(f)) != 0 && c->value[f] != NULL;
	return n == 1 || (c->sub->flags & set) != set ? EXIT_GO_ON :
	    usage(NULL, c->sub->command, why);
}

int
console_question(struct command *c, struct buf *b, struct slice after)
{
	struct json_out o = json_out_on(b);
	struct slice members = out_str(c->sub->words);
	size_t words = 0;
	int code = EXIT_GO_ON;

	json_object(&o);
	json_pair_string(&o, SL("op"), out_str(c->sub->op));
	for (; members.n > 0; words++) {
		struct slice name = slice_cut(&members, ' ');

		if (c->words[words] == NULL)
			return out_fail(EXIT_USAGE, c->sub->command, name,
			    "is missing");
		json_pair_string(&o, name, out_str(c->words[words]));
	}
	if (c->words[words] != NULL)
		return usage("unexpected argument", c->words[words], NULL);
	for (size_t f = 0; f < FLAGS && code == EXIT_GO_ON; f++)
		if (c->value[f] != NULL)
			code = put_flag(c, &o, f);
	if ((c->sub->flags & F(ROLE)) != 0 && c->value[ROLE] == NULL)
		json_pair_string(&o, SL("role"), SL("member"));
	if (strcmp(c->sub->command, "session") == 0 && c->sub->shows == LIST)
		json_pair_bool(&o, SL("all"), true);
	if (after.n > 0)
		json_pair_string(&o, SL("after"), after);
	if (c->password.n > 0 && c->sub->shows != PASSES)
		json_pair_string(&o, SL("password"),
		    secret_bytes(&c->password));
	json_object_end(&o);
	return code != EXIT_GO_ON || buf_ok(b) ? code :
	    usage(NULL, c->sub->command, "too long");
}

int
console_cmd(const struct cmd *cmd)
{
	static struct command c;
	struct buf b = BUF_ON(c.text);
	struct cmd settings = *cmd;
	int code = parse(&c, cmd);

	settings.argc = c.nrest;
	settings.argv = c.rest;
	if (code == EXIT_GO_ON)
		code = console_settings(&serve_process, CONF_CONSOLE,
		    &settings);
	if (code == EXIT_GO_ON)
		code = one_of(&c, F(PEOPLE) | F(EVERYONE),
		    "say --people NAME,... or --everyone");
	if (code == EXIT_GO_ON)
		code = one_of(&c, F(AGENT) | F(CHANNEL) | F(SHARED) | F(API),
		    "say one of --agent NAME, --shared, --api and --channel "
		    "NAME");
	/* What is wrong in it is said before a password is asked for. */
	if (code == EXIT_GO_ON)
		code = console_question(&c, &b, SL(""));
	if (code == EXIT_GO_ON && (c.sub->flags & F(PASSWORD)) != 0)
		code = console_password(&c.password, c.value[PASSWORD]);
	if (code == EXIT_GO_ON)
		code = console_open(&c.console, &serve_process, false, false);
	if (code == EXIT_GO_ON)
		code = c.sub->shows == LIST ? console_list(&c) :
		    console_once(&c);
	secret_wipe(&c.password);
	keeper_wipe(&serve_process.keeper);
	return code;
}
