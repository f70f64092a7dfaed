/*
 * One table: a row is an operation of the keeper, the words and flags that
 * become its members, and what of the result is shown. Nothing is decided here:
 * what may be done and what is well formed the keeper says.
 */
#include "app/console_cmd.h"

#include <string.h>
#include <unistd.h>

#include "app/help.h"
#include "app/out.h"

enum { USAGE_WIDTH = 50 };      /* a line of flags is broken then */

const struct console_flag console_flags[FLAGS] = {
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

static const struct console_sub subs[] = {
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

const struct console_sub *
console_sub(const char *command, const char *word)
{
	for (size_t i = 0; i < NSUBS; i++)
		if (strcmp(subs[i].command, command) == 0 &&
		    (subs[i].name == NULL || (word != NULL &&
		    strcmp(subs[i].name, word) == 0)))
			return &subs[i];
	return NULL;
}

/* ---- help ------------------------ */

static void
put_flag_name(struct buf *b, const struct console_flag *f)
{
	buf_put(b, f->name[1] == '\0' ? SL("-") : SL("--"));
	buf_put(b, out_str(f->name));
	if (f->arg != NULL) {
		buf_lit(b, " ");
		buf_put(b, out_str(f->arg));
	}
}

static void
put_usage(struct buf *b, const struct console_sub *sub)
{
	size_t from = b->n;

	buf_lit(b, "  adit ");
	buf_put(b, out_str(sub->command));
	if (sub->name != NULL) {
		buf_lit(b, " ");
		buf_put(b, out_str(sub->name));
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
		put_flag_name(b, &console_flags[f]);
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
		put_flag_name(&b, &console_flags[f]);
		buf_lit(&b, "\n");
		help_wrapped(&b, console_flags[f].help);
	}
	help_put(&b, CONF_CONSOLE);
	out_write(STDOUT_FILENO, buf_slice(&b));
	return EXIT_STOPPED;
}
