/*
 * adit user, invite, token, session, access, rotate, audit: one table. A row is
 * an operation of the keeper, the words and flags that become its members, and
 * what of the result is shown. Nothing is decided here: what may be done and
 * what is well formed the keeper says.
 */
#include "app/cmd.h"

#include <string.h>
#include <unistd.h>

#include "app/console.h"
#include "app/help.h"
#include "app/out.h"
#include "base/num.h"
#include "codec/date.h"

enum {
	LIST_BYTES = 4 << 20,           /* all rows of a list */
	COLUMNS_MAX = 12,
	CELL_MAX = 100,                 /* bytes of one, then cut */
	AUDIT_SHOWN = 50,
	USAGE_WIDTH = 50,               /* a line of flags is broken then */
	WORDS_MAX = 3,
};

/* ---- the table ------------------------ */

enum flag_kind { TEXT, TIME, NAMES, KIND, COUNT, FILE_NAME, SWITCH };

static const struct flag {
	const char *name;
	uint8_t kind;
	const char *member;             /* KIND: the value of "kind" */
	const char *arg;
	const char *help;
} flags[] = {
	{ "role", TEXT, "role", "ROLE", "admin: all; member: apps and the "
	    "channel, the default; viewer: sees what is connected, and opens "
	    "nothing" },
	{ "days", TIME, "ttl_s", "N", "good for so long; an invitation for 7 "
	    "days, a token for ever if not said" },
	{ "name", TEXT, "name", "TEXT", "what lists call it" },
	{ "scope", NAMES, "scopes", "LIST", "of an API token, with commas "
	    "between: read, metrics, apps, admin" },
	{ "agent", KIND, "agent", "NAME", "for the agent of this name alone" },
	{ "channel", KIND, "channel", "NAME", "for a workstation of the "
	    "message channel" },
	{ "shared", SWITCH, "agent", NULL, "for agents of any name" },
	{ "api", SWITCH, "api", NULL, "for programs, as Authorization: "
	    "Bearer" },
	{ "people", NAMES, "people", "LIST", "these and nobody else, with "
	    "commas between" },
	{ "everyone", SWITCH, "people", NULL, "every admin and member" },
	{ "password-file", FILE_NAME, "password", "FILE", "the password is its "
	    "first line; - is standard input. Without this it is asked for on "
	    "the terminal" },
	{ "n", COUNT, NULL, "N", "so many entries; 50 if not said" },
	{ "replace", SWITCH, NULL, NULL, "even if there is a relay's data: "
	    "that is kept beside it" },
};
enum flag_id {
	ROLE, DAYS, NAME, SCOPE, AGENT, CHANNEL, SHARED, API, PEOPLE, EVERYONE,
	PASSWORD, N, REPLACE, FLAGS,
};
_Static_assert(sizeof flags / sizeof flags[0] == FLAGS, "");
#define F(f) (1u << (f))

enum shows { SAYS, LIST, LINK, TOKEN, PASSES };

static const struct sub {
	const char *command, *name;     /* name NULL: none of the others */
	const char *op;                 /* NULL: backup_cmd.c does it */
	const char *words;              /* members, in order */
	uint16_t flags;
	uint8_t shows;
	/* LIST: columns, those with @ are times; SAYS: what was done */
	const char *text;
	const char *help;
} subs[] = {
	{ "user", "list", "people.list", "", 0, LIST,
	    "user role created@ seen@ sessions", "the accounts" },
	{ "user", "add", "people.add", "user", F(ROLE) | F(PASSWORD), SAYS,
	    "added", "make an account; adit invite lets people choose name "
	    "and password themselves" },
	{ "user", "role", "people.role", "user role", 0, SAYS, "changed",
	    "give another role; the last admin stays one" },
	{ "user", "remove", "people.remove", "user", 0, SAYS,
	    "removed; what they had open is closed",
	    "remove an account, end its sessions and close what is open" },
	{ "user", "reset", "people.reset", "user", 0, LINK, NULL,
	    "print a link, good for a day, with which they set a new "
	    "password" },
	{ "user", "passwd", "people.reset", "user", F(PASSWORD), PASSES,
	    "changed; their sessions have ended", "set a new password" },
	{ "invite", "list", "invites.list", "", 0, LIST,
	    "id kind role user by expires@", "links that were not used yet" },
	{ "invite", "revoke", "invites.revoke", "id", 0, SAYS, "revoked",
	    "let a link be good no more" },
	{ "invite", NULL, "invites.new", "", F(ROLE) | F(DAYS), LINK, NULL,
	    "print a link with which one person makes an account, once" },
	{ "token", "list", "tokens.list", "", 0, LIST,
	    "id kind name agent scopes created@ expires@ used@ by",
	    "the tokens, without their text" },
	{ "token", "add", "tokens.new", "", F(AGENT) | F(CHANNEL) | F(SHARED) |
	    F(API) | F(SCOPE) | F(NAME) | F(DAYS), TOKEN, NULL,
	    "make a token and print it, this once; one of --agent, --shared, "
	    "--api, --channel" },
	{ "token", "revoke", "tokens.revoke", "id", 0, SAYS,
	    "revoked; what it had open is closed",
	    "let a token be good no more, and close what it opened" },
	{ "session", "list", "sessions.list", "", 0, LIST,
	    "id user device from since@ seen@ expires@", "who is logged in" },
	{ "session", "revoke", "sessions.revoke", "id", 0, SAYS, "ended",
	    "end a session and close what it has open" },
	{ "access", "list", "access.list", "", 0, LIST, "app people",
	    "apps that are for named people only" },
	{ "access", NULL, "access.set", "app", F(PEOPLE) | F(EVERYONE), SAYS,
	    "changed", "say who may open AGENT/APP" },
	{ "rotate", NULL, "rotate", "", 0, SAYS,
	    "a new secret signs sessions from now on; those that are go on",
	    "replace the kept secret that signs sessions, and end none" },
	{ "audit", NULL, "audit.list", "", F(N), LIST,
	    "t@ who from what on note", "who did what, the newest first" },
	{ "backup", NULL, NULL, "file", 0, SAYS, NULL,
	    "write all that the relay keeps, its secrets too, into one new "
	    "file (mode 0600), or to standard output for -; of one moment, "
	    "also while the relay runs" },
	{ "restore", NULL, NULL, "file", F(REPLACE), SAYS, NULL,
	    "put a backup in place, while no relay runs, after all of it was "
	    "checked" },
};
enum { NSUBS = sizeof subs / sizeof subs[0] };

struct command {
	const struct sub *sub;
	const char *words[WORDS_MAX];
	const char *value[FLAGS];       /* NULL: not said */
	char *rest[64];                 /* for the settings */
	int nrest;
	struct secret password;
	struct console console;
	uint8_t text[ASK_TEXT_MAX];
};

static struct slice
str(const char *c)
{
	return slice_of(c, strlen(c));
}

static int
usage(const char *what, const char *name, const char *why)
{
	return out_fail(EXIT_USAGE, what, str(name), why);
}

/* ---- help ------------------------ */

static void
put_flag_name(struct buf *b, const struct flag *f)
{
	buf_put(b, f->name[1] == '\0' ? SL("-") : SL("--"));
	buf_put(b, str(f->name));
	if (f->arg != NULL) {
		buf_lit(b, " ");
		buf_put(b, str(f->arg));
	}
}

static void
put_usage(struct buf *b, const struct sub *sub)
{
	size_t from = b->n;

	buf_lit(b, "  adit ");
	buf_put(b, str(sub->command));
	if (sub->name != NULL) {
		buf_lit(b, " ");
		buf_put(b, str(sub->name));
	}
	if (sub->words[0] != '\0')
		buf_lit(b, " ");
	for (const char *p = sub->words; *p != '\0'; p++)
		buf_put_u8(b, (uint8_t)(*p == ' ' ? ' ' : *p - 'a' + 'A'));
	for (size_t f = 0; f < FLAGS; f++) {
		if ((sub->flags & F(f)) == 0)
			continue;
		buf_put(b, b->n - from > USAGE_WIDTH ? SL("\n        [") :
		    SL(" ["));
		from = b->n - from > USAGE_WIDTH ? b->n : from;
		put_flag_name(b, &flags[f]);
		buf_lit(b, "]");
	}
	buf_lit(b, "\n");
	help_wrapped(b, sub->help);
}

int
console_help(const char *command)
{
	static uint8_t area[HELP_MAX];
	struct buf b = BUF_ON(area);
	unsigned used = 0;

	buf_lit(&b, "Usage:\n");
	for (size_t i = 0; i < NSUBS; i++) {
		if (strcmp(subs[i].command, command) != 0)
			continue;
		put_usage(&b, &subs[i]);
		used |= subs[i].flags;
	}
	buf_lit(&b, "\nA relay that runs is asked through its control socket; "
	    "else the files\nthemselves are changed. Run it as the relay's "
	    "account or as root.\n\nOptions:\n");
	for (size_t f = 0; f < FLAGS; f++) {
		if ((used & F(f)) == 0)
			continue;
		buf_lit(&b, "  ");
		put_flag_name(&b, &flags[f]);
		buf_lit(&b, "\n");
		help_wrapped(&b, flags[f].help);
	}
	help_put(&b, CONF_CONSOLE);
	out_write(STDOUT_FILENO, buf_slice(&b));
	return EXIT_STOPPED;
}

/* ---- the command line ------------------------ */

static const struct sub *
find_sub(const char *command, const char *word)
{
	for (size_t i = 0; i < NSUBS; i++)
		if (strcmp(subs[i].command, command) == 0 &&
		    (subs[i].name == NULL || (word != NULL &&
		    strcmp(subs[i].name, word) == 0)))
			return &subs[i];
	return NULL;
}

/* One flag of the table, with its value from the next argument if that is not
 * in the same. False: it is none of this row's. */
static bool
take_flag(struct command *c, const struct cmd *cmd, int *i)
{
	char *arg = cmd->argv[*i], *equals = strchr(arg, '=');
	struct slice name = str(arg + strspn(arg, "-"));

	if (equals != NULL)
		name.n = (size_t)(equals - (const char *)name.p);
	for (size_t f = 0; f < FLAGS; f++) {
		if ((c->sub->flags & F(f)) == 0 ||
		    !slice_eq(name, str(flags[f].name)))
			continue;
		c->value[f] = flags[f].kind == SWITCH ? "" :
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
	c->sub = find_sub(command, cmd->argc > 0 ? cmd->argv[0] : NULL);
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
	while (i < cmd->argc && c->nrest < 64) {
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
	struct slice rest = str(text), name;

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

	json_pair_string(o, SL("kind"), str(flags[f].member));
	if (f == AGENT)
		json_pair_string(o, SL("agent"), str(whose));
	if (name == NULL)
		json_pair_string(o, SL("name"), str(whose[0] != '\0' ? whose :
		    flags[f].name));
}

static int
put_flag(const struct command *c, struct json_out *o, size_t f)
{
	struct slice value = str(c->value[f]);
	struct slice member = { 0 };
	uint64_t n;

	if (flags[f].member != NULL)
		member = str(flags[f].member);
	if (value.n == 0 && flags[f].kind != SWITCH)
		return usage("--", flags[f].name, "wants a value");
	switch ((enum flag_kind)flags[f].kind) {
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
			return usage("--", flags[f].name, "want a number");
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

static int
put_question(struct command *c, struct buf *b, struct slice after)
{
	struct json_out o = json_out_on(b);
	struct slice members = str(c->sub->words);
	size_t words = 0;
	int code = EXIT_GO_ON;

	json_object(&o);
	json_pair_string(&o, SL("op"), str(c->sub->op));
	for (; members.n > 0; words++) {
		struct slice name = slice_cut(&members, ' ');

		if (c->words[words] == NULL)
			return out_fail(EXIT_USAGE, c->sub->command, name,
			    "is missing");
		json_pair_string(&o, name, str(c->words[words]));
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

/* ---- lists ------------------------ */

static void
put_time(struct buf *b, uint64_t unix_s)
{
	size_t from = b->n;

	if (unix_s == 0 || !date_put_iso(b, (int64_t)unix_s * 1000)) {
		buf_lit(b, "never");
		return;
	}
	/* 2026-11-21T04:05:06.000Z */
	b->n = from + DATE_ISO_BYTES - 5;
	buf_lit(b, "Z");
}

static void
put_value(struct buf *b, struct json v, bool is_time)
{
	uint8_t area[4 * CELL_MAX];
	struct buf text = BUF_ON(area);
	struct json_iter it;
	struct json none, item;
	uint64_t n;
	size_t from = b->n;

	if (is_time && json_u64(v, &n) == E_OK) {
		put_time(b, n);
	} else if (v.kind == JSON_STRING) {
		if (json_string(v, &text) != E_OK)
			buf_put(&text, slice_head(v.raw, sizeof area));
		buf_put_escaped(b, buf_slice(&text), CELL_MAX);
	} else if (v.kind == JSON_ARRAY) {
		json_iter(&it, v);
		while (json_next(&it, &none, &item) &&
		    b->n - from < (size_t)4 * CELL_MAX) {
			if (b->n > from)
				buf_lit(b, ",");
			put_value(b, item, false);
		}
	} else if (v.kind == JSON_NUMBER) {
		buf_put(b, v.raw);
	}
	if (b->n == from)
		buf_lit(b, "-");
}

struct list {
	struct buf rows;                /* one a line, as JSON */
	size_t n, max;
	const char *columns;
	size_t width[COLUMNS_MAX];
};

/* One line of the table: of a row, or the head. Widths are taken, or used. */
static void
table_line(struct list *l, struct slice row, bool measure)
{
	static uint8_t area[COLUMNS_MAX * 8 * CELL_MAX];
	struct buf b = BUF_ON(area);
	struct slice names = str(l->columns);
	struct json root = { 0 }, v;

	if (row.n > 0)
		(void)json_parse(row, JSON_DEPTH, &root);
	for (size_t i = 0; names.n > 0; i++) {
		struct slice name = slice_cut(&names, ' ');
		bool is_time = slice_ends(name, SL("@"));
		size_t from = b.n;

		name.n -= is_time;
		if (row.n == 0)
			buf_put(&b, name);
		else if (json_get(root, name, &v) == E_OK)
			put_value(&b, v, is_time);
		if (measure)
			l->width[i] = max_size(l->width[i], b.n - from);
		while (names.n > 0 && b.n - from < l->width[i] + 2)
			buf_lit(&b, " ");
	}
	buf_lit(&b, "\n");
	if (!measure)
		out_write(STDOUT_FILENO, buf_slice(&b));
}

static void
show_table(struct list *l)
{
	for (int measure = 1; measure >= 0; measure--) {
		struct slice rest = buf_slice(&l->rows);

		table_line(l, SL(""), measure != 0);
		while (rest.n > 0)
			table_line(l, slice_cut(&rest, '\n'), measure != 0);
	}
}

static void
show_json(struct list *l)
{
	struct slice rest = buf_slice(&l->rows);

	out_write(STDOUT_FILENO, SL("["));
	while (rest.n > 0) {
		out_write(STDOUT_FILENO, slice_cut(&rest, '\n'));
		if (rest.n > 0)
			out_write(STDOUT_FILENO, SL(",\n"));
	}
	out_write(STDOUT_FILENO, SL("]\n"));
}

/* Keep a page's rows. The cursor of the next page goes to `next`. */
static bool
take_page(struct list *l, struct json body, struct buf *next)
{
	struct json_field f[] = { { SL("rows"), { 0 } },
		{ SL("next"), { 0 } } };
	struct json_iter it;
	struct json none, row;

	buf_reset(next);
	if (json_fields(body, f, 2) != E_OK || f[0].v.kind != JSON_ARRAY)
		return false;
	json_iter(&it, f[0].v);
	while (l->n < l->max && json_next(&it, &none, &row)) {
		buf_put(&l->rows, row.raw);
		buf_lit(&l->rows, "\n");
		l->n++;
	}
	if (l->n < l->max && f[1].v.kind == JSON_STRING)
		(void)json_string(f[1].v, next);
	return buf_ok(&l->rows);
}

static int
list(struct command *c)
{
	static uint8_t rows[LIST_BYTES];
	uint8_t area[64];
	struct buf next = BUF_ON(area);
	struct list l = { .rows = BUF_ON(rows), .columns = c->sub->text,
		.max = SIZE_MAX };
	uint64_t n = AUDIT_SHOWN;

	if ((c->sub->flags & F(N)) != 0) {
		if (c->value[N] != NULL)
			(void)slice_dec(str(c->value[N]), 100000, &n);
		l.max = (size_t)n;
	}
	do {
		struct buf b = BUF_ON(c->text);
		struct json body;
		int code = put_question(c, &b, buf_slice(&next));

		if (code == EXIT_GO_ON)
			code = console_do(&c->console, buf_slice(&b), &body);
		if (code != EXIT_GO_ON)
			return code;
		if (!take_page(&l, body, &next))
			return out_fail(EXIT_FAILED, NULL, str(c->sub->command),
			    "the answer is not a list");
	} while (next.n > 0);
	if (conf_is_set(&c->console.s->conf, C_JSON))
		show_json(&l);
	else
		show_table(&l);
	return EXIT_STOPPED;
}

/* ---- one result ------------------------ */

static struct slice
member(struct json body, struct slice name)
{
	struct slice text = { 0 };
	struct json v;

	if (json_get(body, name, &v) == E_OK)
		(void)json_plain(v, &text);
	return text;
}

/* What only this command will ever show goes to standard output, alone. */
static void
show_once(const struct command *c, struct json body)
{
	uint8_t area[1024], notes[512];
	struct buf b = BUF_ON(area), note = BUF_ON(notes);
	struct json v;
	uint64_t expires = 0;

	if (c->sub->shows == TOKEN) {
		buf_put(&b, member(body, SL("token")));
		buf_lit(&note, "Shown this once. Id ");
		buf_put_escaped(&note, member(body, SL("id")), CELL_MAX);
	} else {
		buf_put(&b, c->console.url);
		buf_lit(&b, "/_adit/invite#");
		buf_put(&b, member(body, SL("secret")));
		buf_lit(&note, "Good once, until ");
		if (json_get(body, SL("expires"), &v) == E_OK)
			(void)json_u64(v, &expires);
		put_time(&note, expires);
	}
	if (c->sub->shows == LINK && c->console.url.n == 0)
		buf_lit(&note, "\nPut the relay's address in front of it; "
		    "with public_url or domain in adit.json that is done "
		    "here");
	buf_lit(&b, "\n");
	buf_lit(&note, "\n");
	out_write(STDOUT_FILENO, buf_slice(&b));
	out_write(STDERR_FILENO, buf_slice(&note));
	wipe(area, sizeof area);
}

/* The link that resets the password is used here and now. */
static int
pass(struct command *c, struct json body)
{
	uint8_t area[ASK_TEXT_MAX];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);
	int code;

	json_object(&o);
	json_pair_string(&o, SL("op"), SL("invite.accept"));
	json_pair_string(&o, SL("secret"), member(body, SL("secret")));
	json_pair_string(&o, SL("password"), secret_bytes(&c->password));
	json_object_end(&o);
	code = console_do(&c->console, buf_slice(&b), &body);
	wipe(area, sizeof area);
	return code;
}

static int
once(struct command *c)
{
	struct buf b = BUF_ON(c->text);
	struct json body;
	int code = put_question(c, &b, SL(""));

	if (code == EXIT_GO_ON)
		code = console_do(&c->console, buf_slice(&b), &body);
	wipe(c->text, sizeof c->text);
	if (code == EXIT_GO_ON && c->sub->shows == PASSES)
		code = pass(c, body);
	if (code != EXIT_GO_ON)
		return code;
	if (conf_is_set(&c->console.s->conf, C_JSON)) {
		out_write(STDOUT_FILENO, body.raw);
		out_write(STDOUT_FILENO, SL("\n"));
	} else if (c->sub->text == NULL) {
		show_once(c, body);
	} else {
		out_write(STDERR_FILENO, str(c->sub->text));
		out_write(STDERR_FILENO, SL("\n"));
	}
	return EXIT_STOPPED;
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
		code = put_question(&c, &b, SL(""));
	if (code == EXIT_GO_ON && (c.sub->flags & F(PASSWORD)) != 0)
		code = console_password(&c.password, c.value[PASSWORD]);
	if (code == EXIT_GO_ON)
		code = console_open(&c.console, &serve_process, false, false);
	if (code == EXIT_GO_ON)
		code = c.sub->shows == LIST ? list(&c) : once(&c);
	secret_wipe(&c.password);
	keeper_wipe(&serve_process.keeper);
	return code;
}
