/*
 * adit relay, and adit start: a relay, and an agent of it in the same process
 * with a real tunnel between them, the same code as on two machines, so what
 * works here works there.
 */
#include "app/out.h"
#include "app/serve.h"
#include "app/urls.h"

/* The agent dials the first address of the main site. */
static int
dial_self(struct serve *s)
{
	struct buf b = BUF_ON(s->dial_url);
	struct addr at;
	struct conf_value v = { .spelling = "listen" };

	if (urls_addresses(&s->rs.cfg.listens[0].addr, &at, 1) == 0)
		return out_fail(EXIT_FAILED, "this machine", SL(""),
		    "no address to reach the relay under");
	serve_pin_self(s);
	urls_put(&b, s->certs.n > 0, &at);
	v.text = buf_slice(&b);
	if (setup_agent_dial(&s->as, &s->conf, &v))
		return EXIT_GO_ON;
	out_error(buf_slice(&s->conf.error));
	return EXIT_USAGE;
}

static int
run(const struct cmd *cmd, enum conf_role role)
{
	struct serve *s = &serve_process;
	int code = serve_settings(s, role, cmd);

	if (code == EXIT_GO_ON)
		code = serve_detach(s);
	if (code == EXIT_GO_ON)
		code = takeover_ask(s);
	if (code == EXIT_GO_ON)
		code = serve_listen(s);
	if (code == EXIT_GO_ON && s->has_agent)
		code = dial_self(s);
	if (code == EXIT_GO_ON)
		code = serve_account(s);
	if (code == EXIT_GO_ON)
		code = serve_keeper(s);
	if (code == EXIT_GO_ON)
		code = serve_world(s);
	if (code == EXIT_GO_ON && !s->has_agent)
		takeover_open(s);
	if (code == EXIT_GO_ON)
		code = serve_relay(s);
	if (code == EXIT_GO_ON && s->has_agent)
		code = serve_agent(s);
	if (code != EXIT_GO_ON)
		return code;
	serve_relay_hello(s);
	if (s->has_agent)
		serve_agent_hello(s);
	code = serve_sandbox(s);
	if (code == EXIT_GO_ON)
		code = takeover_done(s);
	return code == EXIT_GO_ON ? serve_run(s) : code;
}

int
relay_cmd(const struct cmd *cmd)
{
	return run(cmd, CONF_RELAY);
}

int
start_cmd(const struct cmd *cmd)
{
	return run(cmd, CONF_START);
}
