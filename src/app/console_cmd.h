/*
 * adit user, invite, token, session, access, rotate, audit: what the table says
 * (console_table.c), how a command line becomes a question (console_cmd.c) and
 * what is shown of the answer (console_show.c). For these three alone.
 */
#ifndef ADIT_APP_CONSOLE_CMD_H
#define ADIT_APP_CONSOLE_CMD_H

#include "app/console.h"

enum flag_kind { TEXT, TIME, NAMES, KIND, COUNT, FILE_NAME, SWITCH };
enum flag_id {
	ROLE, DAYS, NAME, SCOPE, AGENT, CHANNEL, SHARED, API, PEOPLE, EVERYONE,
	PASSWORD, N, REPLACE, FLAGS,
};
#define F(f) (1u << (f))

struct console_flag {
	const char *name;
	uint8_t kind;                   /* enum flag_kind */
	const char *member;             /* KIND: the value of "kind" */
	const char *arg;
	const char *help;
};
extern const struct console_flag console_flags[FLAGS];

enum shows { SAYS, LIST, LINK, TOKEN, PASSES };

struct console_sub {
	const char *command, *name;     /* name NULL: none of the others */
	const char *op;                 /* NULL: backup_cmd.c does it */
	const char *words;              /* members, in order */
	uint16_t flags;
	uint8_t shows;
	/* LIST: columns, those with @ are times; SAYS: what was done */
	const char *text;
	const char *help;
};
/* The row of a command and its first word (NULL: none); NULL: no such. */
const struct console_sub *console_sub(const char *command, const char *word);

enum { WORDS_MAX = 3, REST_MAX = 64 };
struct command {
	const struct console_sub *sub;
	const char *words[WORDS_MAX];
	const char *value[FLAGS];       /* NULL: not said */
	char *rest[REST_MAX];           /* for the settings */
	int nrest;
	struct secret password;
	struct console console;
	uint8_t text[ASK_TEXT_MAX];
};

/* console_cmd.c: the question, after the cursor `after` (empty: from the
 * start). EXIT_GO_ON, or the exit code after it was told what is wrong. */
int console_question(struct command *c, struct buf *b, struct slice after);

/* console_show.c: ask, page by page, and show all rows; or ask once, and show
 * what came out. The exit code. */
int console_list(struct command *c);
int console_once(struct command *c);

#endif
