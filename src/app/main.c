/*
 * adit: commands, and nothing more.
 */
#include <string.h>
#include <unistd.h>

#include "app/cmd.h"
#include "app/help.h"
#include "app/near.h"
#include "app/out.h"
#include "app/serve.h"
#include "app/version.h"

static int
version_cmd(const struct cmd *cmd)
{
	if (cmd->argc > 0 && strcmp(cmd->argv[0], "--help") != 0)
		return out_fail(EXIT_USAGE, "unexpected argument",
		    slice_of(cmd->argv[0], strlen(cmd->argv[0])), NULL);
	if (cmd->argc > 0) {
		out_write(STDOUT_FILENO, SL("Usage: adit version\n\n"
		    "Prints the version.\n"));
		return EXIT_STOPPED;
	}
	out_write(STDOUT_FILENO, SL("adit "));
	out_write(STDOUT_FILENO, version_text);
	out_write(STDOUT_FILENO, SL("\n"));
	return EXIT_STOPPED;
}

static int
help_cmd(const struct cmd *cmd)
{
	if (cmd->argc > 0)
		return out_fail(EXIT_USAGE, "unexpected argument",
		    slice_of(cmd->argv[0], strlen(cmd->argv[0])),
		    "say adit COMMAND --help");
	help_print_all();
	return EXIT_STOPPED;
}

static const struct command {
	const char *name;
	int (*run)(const struct cmd *cmd);
	const char *later;      /* run is NULL: why it is refused */
} commands[] = {
	{ "relay", relay_cmd, NULL },
	{ "agent", agent_cmd, NULL },
	{ "start", start_cmd, NULL },
	{ "status", status_cmd, NULL },
	{ "doctor", doctor_cmd, NULL },
	{ "version", version_cmd, NULL },
	{ "--version", version_cmd, NULL },
	{ "help", help_cmd, NULL },
	{ "--help", help_cmd, NULL },
	{ "-h", help_cmd, NULL },
	{ "init", init_cmd, NULL },
	{ "user", console_cmd, NULL },
	{ "invite", console_cmd, NULL },
	{ "token", console_cmd, NULL },
	{ "session", console_cmd, NULL },
	{ "access", console_cmd, NULL },
	{ "rotate", console_cmd, NULL },
	{ "audit", console_cmd, NULL },
	{ "backup", backup_cmd, NULL },
	{ "restore", restore_cmd, NULL },
	{ "connect", NULL, "not in this version: TCP apps" },
};
enum { NCOMMANDS = sizeof commands / sizeof commands[0] };

static int
unknown(const char *name)
{
	struct slice s = { (const uint8_t *)name, strlen(name) };
	size_t best = SIZE_MAX, at = 0;
	uint8_t area[200];
	struct buf b = BUF_ON(area);

	for (size_t i = 0; i < NCOMMANDS; i++) {
		size_t d = near_distance(s, slice_of(commands[i].name,
		    strlen(commands[i].name)));

		if (d < best) {
			best = d;
			at = i;
		}
	}
	buf_lit(&b, "unknown command \"");
	buf_put_escaped(&b, s, 60);
	buf_lit(&b, "\"; ");
	if (near_enough(s, best)) {
		buf_lit(&b, "did you mean \"");
		buf_put(&b, slice_of(commands[at].name,
		    strlen(commands[at].name)));
		buf_lit(&b, "\"?");
	} else {
		buf_lit(&b, "adit --help lists them");
	}
	out_error(buf_slice(&b));
	return EXIT_USAGE;
}

int
main(int argc, char **argv)
{
	extern char **environ;
	struct cmd cmd = { argc - 2, argv + 2, environ, argv };

	if (argc < 2) {
		out_error(SL("no command; adit --help lists them"));
		return EXIT_USAGE;
	}
	serve_harden();
	for (size_t i = 0; i < NCOMMANDS; i++) {
		const struct command *c = &commands[i];

		if (strcmp(argv[1], c->name) != 0)
			continue;
		if (c->run != NULL)
			return c->run(&cmd);
		return out_fail(EXIT_USAGE, NULL, slice_of(c->name,
		    strlen(c->name)), c->later);
	}
	return unknown(argv[1]);
}
