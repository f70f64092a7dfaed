/*
 * The commands. Each gets what stands after it on the command line and returns
 * the exit code.
 */
#ifndef ADIT_APP_CMD_H
#define ADIT_APP_CMD_H

struct cmd {
	int argc;               /* arguments after the command */
	char **argv;
	char **envp;
	char **title;           /* main's argv, for helper processes */
};

int relay_cmd(const struct cmd *cmd);
int agent_cmd(const struct cmd *cmd);
int start_cmd(const struct cmd *cmd);
int status_cmd(const struct cmd *cmd);
int doctor_cmd(const struct cmd *cmd);
/* user, invite, token, session, access, rotate, audit */
int console_cmd(const struct cmd *cmd);
int backup_cmd(const struct cmd *cmd);
int restore_cmd(const struct cmd *cmd);
int init_cmd(const struct cmd *cmd);

#endif
