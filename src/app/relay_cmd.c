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
		code = serve_world(s);
	if (code == EXIT_GO_ON)
		code = serve_relay(s);
	if (code != EXIT_GO_ON)
		return code;
	serve_relay_hello(s);
	return serve_run(s);
}
