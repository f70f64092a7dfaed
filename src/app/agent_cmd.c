/*
 * adit agent, from its settings to its loop: the order in which rights are
 * used and given up.
 */
#include "app/out.h"
#include "app/serve.h"

int
agent_cmd(const struct cmd *cmd)
{
	struct serve *s = &serve_process;
	int code = serve_settings(s, CONF_AGENT, cmd);

	if (code == EXIT_GO_ON)
		code = serve_account(s);
	if (code == EXIT_GO_ON)
		code = serve_world(s);
	if (code == EXIT_GO_ON)
		code = serve_agent(s);
	if (code != EXIT_GO_ON)
		return code;
	serve_agent_hello(s);
	code = serve_sandbox(s);
	return code == EXIT_GO_ON ? serve_run(s) : code;
}
