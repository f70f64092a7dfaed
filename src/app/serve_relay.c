/*
 * The relay's part of a start.
 */
#include "app/serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "app/out.h"
#include "app/urls.h"
#include "codec/json.h"
#include "net/listen.h"
#include "state/store.h"

enum { STATE_MAX = 256 * 1024 };

static const struct slice role_name = SL_INIT("relay");

/* ---- listening ---- */

static int
listen_fault(const struct addr *at, int why)
{
	uint8_t area[ADDR_TEXT_MAX];
	struct buf b = BUF_ON(area);

	if (at->family == ADDR_NONE) {
		buf_lit(&b, "*:");
		buf_put_dec(&b, at->port);
	} else {
		addr_put(&b, at);
	}
	return out_fail(EXIT_USAGE, "cannot listen on", buf_slice(&b),
	    strerror(why));
}

static int
add_socket(struct serve *s, struct addr *at, enum listen_kind kind,
    struct slice app)
{
	struct relay_cfg *cfg = &s->rs.cfg;
	struct relay_listen *l = &cfg->listens[cfg->nlistens];

	if (cfg->nlistens == LISTENS_MAX)
		return out_fail(EXIT_USAGE, "too many listening sockets",
		    SL(""), "256 at most");
	*l = (struct relay_listen){ .kind = kind, .app = app };
	l->fd = takeover_socket(s, at, kind, &l->addr);
	if (l->fd < 0)
		l->fd = net_listen(at, &l->addr);
	if (l->fd < 0)
		return listen_fault(at, errno);
	at->port = l->addr.port;
	l->secure = s->certs.n > 0 && kind != LISTEN_REDIRECT;
	cfg->nlistens++;
	return EXIT_GO_ON;
}

/* localhost is 127.0.0.1 and, where there is one, ::1. */
static int
add_localhost(struct serve *s, uint16_t port, enum listen_kind kind,
    struct slice app)
{
	struct addr v4 = { .family = ADDR_V4, .port = port,
		.ip = { 127, 0, 0, 1 } };
	struct addr v6 = { .family = ADDR_V6, .ip = { [15] = 1 } }, bound;
	int code = add_socket(s, &v4, kind, app), fd;

	if (code != EXIT_GO_ON)
		return code;
	v6.port = 0;
	fd = net_listen(&v6, &bound);
	if (fd < 0)
		return EXIT_GO_ON;      /* no IPv6 here */
	(void)close(fd);
	v6.port = v4.port;
	return add_socket(s, &v6, kind, app);
}

static int
add_place(struct serve *s, const struct value_listen *place, uint16_t port,
    enum listen_kind kind)
{
	struct addr at = place->addr;

	at.port = port;
	if (place->where == VALUE_LOCALHOST)
		return add_localhost(s, port, kind, place->name);
	if (place->where == VALUE_EVERY)
		at.family = ADDR_NONE;
	return add_socket(s, &at, kind, place->name);
}

int
serve_listen(struct serve *s)
{
	const struct setup_relay *rs = &s->rs;
	int code = EXIT_GO_ON;

	for (size_t i = 0; i < rs->nlistens && code == EXIT_GO_ON; i++) {
		const struct value_listen *l = &rs->listens[i];
		enum listen_kind kind = i < rs->nmain ? LISTEN_MAIN :
		    slice_eq(l->name, SL("dashboard")) ? LISTEN_DASHBOARD :
		    LISTEN_APP;

		code = add_place(s, l, l->addr.port, kind);
	}
	for (size_t i = 0; i < rs->nhttp && code == EXIT_GO_ON; i++)
		code = add_place(s, &rs->http[i], rs->http[i].addr.port,
		    LISTEN_REDIRECT);
	for (unsigned port = rs->port_first; rs->has_ports &&
	    port <= rs->port_last && code == EXIT_GO_ON; port++)
		for (size_t i = 0; i < rs->nmain && code == EXIT_GO_ON; i++)
			code = add_place(s, &rs->listens[i], (uint16_t)port,
			    LISTEN_PORT);
	return code;
}

void
serve_close_listens(struct serve *s)
{
	for (size_t i = 0; i < s->rs.cfg.nlistens; i++)
		(void)close(s->rs.cfg.listens[i].fd);
}

/* ---- state ---- */

/* The text of a kept file, empty if there is none. */
static int
load_state(struct serve *s, struct slice file, struct slice *text)
{
	static uint8_t state[STATE_MAX];
	enum err e;

	*text = slice_of(state, 0);
	e = data_load(&s->relay_data, file, state, sizeof state, &text->n);
	if (e == E_RANGE)
		return serve_file_fault(EXIT_USAGE, s->rs.data, role_name,
		    file, 0, "larger than it can be");
	if (e != E_OK && e != E_EOF)
		return serve_file_fault(EXIT_USAGE, s->rs.data, role_name,
		    file, 0, strerror(s->relay_data.error));
	return EXIT_GO_ON;
}

/* What the relay made of a kept file. */
static int
state_taken(struct serve *s, enum err e, struct slice file,
    struct slice text)
{
	struct json v;

	if (e == E_OK)
		return EXIT_GO_ON;
	if (e != E_SYNTAX)
		return out_fail(EXIT_FAILED, "the relay", SL(""), err_text(e));
	if (json_parse(text, JSON_DEPTH, &v) == E_OK)
		return serve_file_fault(EXIT_USAGE, s->rs.data, role_name,
		    file, 1, "not of the form that the relay writes");
	return serve_file_fault(EXIT_USAGE, s->rs.data, role_name, file,
	    store_line(text, json_error_at(text, JSON_DEPTH)), "not JSON");
}

static int
open_channel(struct serve *s)
{
	struct slice file = SL("channel.json"), text;
	int code = s->rs.cfg.channel ? load_state(s, file, &text) :
	    EXIT_GO_ON;

	if (code != EXIT_GO_ON || !s->rs.cfg.channel)
		return code;
	return state_taken(s, relay_load_channel(s->relay, text), file, text);
}

static int
open_relay(struct serve *s)
{
	struct slice file = SL("relay.json"), text;
	int code = load_state(s, file, &text);
	enum err e;

	if (code != EXIT_GO_ON)
		return code;
	serve_facts_open(s);
	for (size_t i = 0; i < s->rs.cfg.nlistens; i++)
		if (s->rs.cfg.listens[i].secure)
			kernel_listen_tls(&s->kernel,
			    s->rs.cfg.listens[i].fd);
	io_random(&s->loop.io, &s->rs.cfg.hash_seed,
	    sizeof s->rs.cfg.hash_seed);
	e = relay_new(&s->relay, &s->rs.cfg, &s->rplan, &s->arena, &s->log,
	    &s->loop.io, text);
	code = state_taken(s, e, file, text);
	if (code != EXIT_GO_ON)
		return code;
	relay_set_mode(s->relay, slice_of(s->mode, slice_find(
	    slice_of(s->mode, sizeof s->mode), 0)));
	return open_channel(s);
}

int
serve_relay(struct serve *s)
{
	int code = open_relay(s);

	/* From here on its files are the keeper's to write. */
	data_close(&s->relay_data);
	return code;
}

/* ---- what it says ---- */

static const char *
kind_text(enum listen_kind kind)
{
	return kind == LISTEN_MAIN ? "main" :
	    kind == LISTEN_DASHBOARD ? "dashboard" :
	    kind == LISTEN_REDIRECT ? "to https" : "app";
}

static void
say_url(const struct serve *s, const struct relay_listen *l,
    struct slice url)
{
	if (l->kind == LISTEN_APP)
		LOGF(&s->log, LOG_INFO, "relay", "open",
		    log_s("url", url), log_s("app", l->app));
	else
		LOGF(&s->log, LOG_INFO, "relay", "open", log_s("url", url),
		    log_c("site", kind_text(l->kind)));
}

/* One line for each address; `best` becomes the one for other machines. */
static void
say_listen(const struct serve *s, const struct relay_listen *l,
    struct addr *best)
{
	struct addr list[URLS_MAX];
	size_t n = urls_addresses(&l->addr, list, URLS_MAX);

	for (size_t i = 0; i < n; i++) {
		uint8_t area[ADDR_TEXT_MAX + 16];
		struct buf b = BUF_ON(area);

		urls_put(&b, l->secure, &list[i]);
		say_url(s, l, buf_slice(&b));
		if (l->kind == LISTEN_MAIN && (best->family == ADDR_NONE ||
		    (addr_loopback(best) && !addr_loopback(&list[i]))))
			*best = list[i];
	}
}

/* A proxy that is trusted is taken to speak https, where it usually does. */
static void
put_domain(const struct serve *s, struct buf *b, uint16_t port)
{
	bool tls = s->rs.ncerts > 0, proxied = !tls && s->rs.cfg.ntrust > 0;

	urls_put_name(b, tls || proxied, s->rs.cfg.domain,
	    proxied ? 443 : port);
}

static void
say_names(const struct serve *s, uint16_t port)
{
	const struct relay_cfg *cfg = &s->rs.cfg;
	uint8_t area[URL_HOST_MAX + 64];
	struct buf b = BUF_ON(area);

	if (cfg->public_url.n > 0)
		LOGF(&s->log, LOG_INFO, "relay", "open",
		    log_s("url", cfg->public_url), log_c("site", "main"));
	if (cfg->domain.n > 0) {
		put_domain(s, &b, port);
		LOGF(&s->log, LOG_INFO, "relay", "open",
		    log_s("url", buf_slice(&b)), log_c("site", "main"));
	}
	if (cfg->app_domain.n > 0) {
		uint8_t name[URL_HOST_MAX + 8];
		struct buf n = BUF_ON(name);

		buf_reset(&b);
		buf_lit(&n, "NAME.");
		buf_put(&n, cfg->app_domain);
		urls_put_name(&b, s->certs.n > 0, buf_slice(&n), port);
		LOGF(&s->log, LOG_INFO, "relay", "apps",
		    log_s("url", buf_slice(&b)));
	}
	if (s->rs.has_ports)
		LOGF(&s->log, LOG_INFO, "relay", "apps get ports",
		    log_u("first", s->rs.port_first),
		    log_u("last", s->rs.port_last));
}

void
serve_url(const struct serve *s, struct buf *b)
{
	const struct relay_cfg *cfg = &s->rs.cfg;

	if (cfg->public_url.n > 0) {
		buf_put(b, cfg->public_url);
	} else if (cfg->domain.n > 0) {
		put_domain(s, b, cfg->nlistens > 0 ?
		    cfg->listens[0].addr.port : s->rs.listens[0].addr.port);
		b->n--;
	}
}

static void
say_agent(const struct serve *s, const struct addr *best)
{
	uint8_t area[2 * URL_HOST_MAX];
	struct buf b = BUF_ON(area);

	buf_lit(&b, "adit agent --relay ");
	if (s->rs.cfg.domain.n > 0)
		put_domain(s, &b, best->port);
	else
		urls_put(&b, s->certs.n > 0, best);
	buf_lit(&b, " --app 3000");
	if (conf_is_set(&s->conf, C_RELAY_TOKEN))
		LOGF(&s->log, LOG_INFO, "relay", "an agent joins with",
		    log_s("command", buf_slice(&b)),
		    log_c("token", "RELAY_TOKEN as here"));
	else
		LOGF(&s->log, LOG_INFO, "relay", "an agent joins with",
		    log_s("command", buf_slice(&b)),
		    log_c("token", "RELAY_TOKEN from the file relay-token"),
		    log_s("data", s->rs.data));
}

static void
say_warnings(const struct serve *s)
{
	const struct relay_cfg *cfg = &s->rs.cfg;
	bool beyond = false, sites = cfg->root.n > 0 ||
	    cfg->app_domain.n > 0;

	for (size_t i = 0; i < cfg->nlistens; i++) {
		const struct relay_listen *l = &cfg->listens[i];

		beyond = beyond || (!l->secure &&
		    l->kind != LISTEN_REDIRECT && !addr_loopback(&l->addr));
		sites = sites || l->kind == LISTEN_APP ||
		    l->kind == LISTEN_PORT;
	}
	if (!sites)
		LOGF(&s->log, LOG_INFO, "relay", "the first app to connect "
		    "gets the main site; --root, --app-ports or --app-domain "
		    "say otherwise");
	if (cfg->no_login)
		LOGF(&s->log, LOG_WARN, "relay", "no login: whoever reaches "
		    "this relay can use its apps");
	if (beyond)
		LOGF(&s->log, LOG_WARN, "relay", "plain http beyond this "
		    "machine: passwords, tokens and all content can be read "
		    "on the way, unless a proxy in front speaks https and "
		    "the relay listens on 127.0.0.1 only",
		    log_c("end_it_here", "adit init --self-signed; adit relay "
		    "--tls-cert FILE --tls-key FILE"),
		    log_c("and_there", "adit agent --relay https://... --pin "
		    "sha256:..."));
}

/* Nobody can log in yet. The code itself is shown to a person only. */
static void
say_setup(const struct serve *s)
{
	struct slice code = { s->setup_code, 0 };

	code.n = slice_find(slice_of(code.p, sizeof s->setup_code), 0);
	if (code.n > 0)
		LOGF(&s->log, LOG_WARN, "relay", "there is no account yet: "
		    "open the URL and give this code to make the first",
		    log_s("code", code));
	else if (s->mode[0] == 's' && s->mode[1] == 'e')
		LOGF(&s->log, LOG_WARN, "relay", "there is no account yet: "
		    "open the URL and give the code of the file to make the "
		    "first, or run adit init", log_c("file", "setup-code"),
		    log_s("data", s->rs.data));
}

void
serve_relay_hello(struct serve *s)
{
	const struct relay_plan *p = &s->rplan;
	struct addr best = { 0 };

	LOGF(&s->log, LOG_INFO, "relay", "memory at most",
	    log_u("mib", (s->rs.cfg.memory_bytes + s->rs.hasher_bytes) >> 20),
	    log_u("passwords_mib", s->rs.hasher_bytes >> 20),
	    log_u("reserved_mib", p->bytes >> 20),
	    log_u("connections", p->connections), log_u("agents", p->agents),
	    log_u("streams", p->streams), log_u("blocks", p->blocks),
	    log_u("channel_blocks", p->channel_blocks),
	    log_u("heads", p->heads_small), log_u("long_heads",
	    p->heads_large), log_u("tls", p->tls),
	    log_u("tls_mib", p->tls_bytes >> 20));
	serve_tls_hello(s);
	if (s->token_made)
		LOGF(&s->log, LOG_INFO, "relay", "made a token for agents",
		    log_c("file", "relay-token"), log_s("data", s->rs.data));
	for (size_t i = 0; i < s->rs.cfg.nlistens; i++)
		if (s->rs.cfg.listens[i].kind != LISTEN_PORT)
			say_listen(s, &s->rs.cfg.listens[i], &best);
	say_names(s, best.port);
	if (!s->has_agent)
		say_agent(s, &best);
	say_warnings(s);
	say_setup(s);
}
