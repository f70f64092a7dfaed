/*
 * How commands reach the keeper: through the control socket of the relay that
 * runs, else by being the keeper on its files for a moment, under their lock.
 */
#ifndef ADIT_APP_CONSOLE_H
#define ADIT_APP_CONSOLE_H

#include "app/backup.h"
#include "app/serve.h"
#include "codec/json.h"

struct console {
	struct serve *s;
	int fd;                         /* -1: no relay runs */
	struct slice url;               /* the relay's, for links; or empty */
	uint8_t url_area[SETUP_URL_MAX];
	uint8_t line[CONTROL_TEXT_MAX];
};

/*
 * Settings of a command: flags of its own role, else all that the relay would
 * read, so that it finds what that has. EXIT_GO_ON, or the exit code.
 */
int console_settings(struct serve *s, enum conf_role role,
    const struct cmd *cmd);

/*
 * Find the relay, or take its files; root becomes the account that they belong
 * to. `make`: make the data directory if there is none, which is an error
 * otherwise. `alone`: only with no relay running. EXIT_GO_ON, or the exit code
 * after it was told.
 */
int console_open(struct console *c, struct serve *s, bool make, bool alone);

/*
 * One operation: `text` is JSON. The status, with *body the result (in
 * c->line), or 0 after an error was told. With `files`, which become the
 * caller's to close, those that came with it.
 */
unsigned console_op(struct console *c, struct slice text, struct json *body,
    struct backup_files *files);
/* The same; EXIT_GO_ON, or the exit code after the error was told. */
int console_do(struct console *c, struct slice text, struct json *body);

/* Print the help of one of these commands. */
int console_help(const char *command);

/* A line of the terminal, with echo. False if there is none. */
bool console_line(struct slice prompt, struct buf *b);
/* A password for somebody: from the file (NULL: none; "-": standard input), or
 * asked for twice on the terminal. EXIT_GO_ON, or the exit code. */
int console_password(struct secret *to, const char *file);

#endif
