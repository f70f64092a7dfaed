/*
 * The agent's part of a start.
 */
#include "app/serve.h"

#include <string.h>

#include "app/out.h"
#include "codec/json.h"
#include "codec/url.h"
#include "state/store.h"

enum { STATE_MAX = 4096 };

/* agent.json: {"tunnel_id":"..."}. */
static int
load_id(struct serve *s, struct slice role)
{
	uint8_t text[STATE_MAX];
	struct slice file = SL("agent.json"), all = { text, 0 }, id;
	enum err e = data_load(&s->agent_data, file, text, sizeof text,
	    &all.n);
	const char *why = "not of the form that the agent writes";
	struct json v, member;

	if (e == E_EOF)
		return EXIT_GO_ON;
	if (e != E_OK)
		return serve_file_fault(EXIT_USAGE, s->as.data, role, file, 0,
		    e == E_RANGE ? "larger than it can be" :
		    strerror(s->agent_data.error));
	if (json_parse(all, JSON_DEPTH, &v) != E_OK)
		return serve_file_fault(EXIT_USAGE, s->as.data, role, file,
		    store_line(all, json_error_at(all, JSON_DEPTH)),
		    "not JSON");
	if (json_get(v, SL("tunnel_id"), &member) != E_OK ||
	    !json_plain(member, &id) || id.n != sizeof s->tunnel_id)
		return serve_file_fault(EXIT_USAGE, s->as.data, role, file, 1,
		    why);
	memcpy(s->tunnel_id, id.p, id.n);
	s->as.cfg.tunnel_id = slice_of(s->tunnel_id, id.n);
	return EXIT_GO_ON;
}

int
serve_agent(struct serve *s)
{
	uint8_t area[URL_NAME_MAX + 8];
	struct buf role = BUF_ON(area);
	enum err e;
	int code;

	buf_lit(&role, "agent-");
	buf_put(&role, s->as.cfg.name);
	code = load_id(s, buf_slice(&role));
	if (code != EXIT_GO_ON)
		return code;
	s->agent_io = s->loop.io;
	s->agent_io.ops = &s->agent_ops;
	e = agent_new(&s->agent, &s->as.cfg, &s->aplan, &s->arena, &s->log,
	    &s->agent_io);
	if (e != E_OK)
		return out_fail(EXIT_FAILED, "the agent", SL(""),
		    err_text(e));
	secret_wipe(&s->conf.token);
	return EXIT_GO_ON;
}

static bool
on_this_machine(struct slice host)
{
	struct addr a = { 0 };

	return slice_ieq(host, SL("localhost")) ||
	    url_host_within(host, SL("localhost")) ||
	    (addr_parse_ip(&a, host) && addr_loopback(&a));
}

void
serve_agent_hello(struct serve *s)
{
	LOGF(&s->log, LOG_INFO, "agent", "memory at most",
	    log_u("mib", s->as.cfg.memory_bytes >> 20),
	    log_u("reserved_mib", s->aplan.bytes >> 20),
	    log_u("streams", s->aplan.streams),
	    log_u("blocks", s->aplan.blocks));
	if (s->as.cfg.napps == 0)
		LOGF(&s->log, LOG_WARN, "agent", "no app to offer: say "
		    "--app PORT");
	if (conf_is_set(&s->conf, C_PROXY) && !s->as.cfg.secure &&
	    !value_no_proxy(conf_text(&s->conf, C_NO_PROXY, SL("")),
	    s->as.cfg.relay_host))
		LOGF(&s->log, LOG_WARN, "agent", "HTTPS_PROXY is set and not "
		    "used: the relay is reached by http");
	if (s->as.cfg.proxy_host.n > 0)
		LOGF(&s->log, LOG_INFO, "agent", "through a proxy",
		    log_s("host", s->as.cfg.proxy_host),
		    log_u("port", s->as.cfg.proxy_port));
	if (!s->as.cfg.secure && !on_this_machine(s->as.cfg.relay_host))
		LOGF(&s->log, LOG_WARN, "agent", "plain http to the relay: "
		    "the token and all content can be read on the way",
		    log_s("relay", s->as.cfg.relay_host),
		    log_c("end_it_there", "adit init --self-signed; "
		    "adit relay --tls-cert FILE --tls-key FILE"),
		    log_c("and_here", "adit agent --relay https://... "
		    "--pin sha256:..."));
}
