#include "app/out.h"
#include "app/serve.h"

int
relay_cmd(const struct cmd *cmd)
{
	struct serve *s = &serve_process;
	int code = serve_settings(s, CONF_RELAY, cmd);

	if (code == EXIT_GO_ON)
		code = serve_listen(s);
	if (code == EXIT_GO_ON)
		code = serve_account(s);
	if (code == EXIT_GO_ON)
		code = serve_keeper(s);
	if (code == EXIT_GO_ON)
		code = serve_world(s);
	if (code == EXIT_GO_ON)
		code = serve_relay(s);
	if (code != EXIT_GO_ON)
		return code;
	serve_relay_hello(s);
	code = serve_sandbox(s);
	return code == EXIT_GO_ON ? serve_run(s) : code;
}
