/*
 * Texts were checked one by one when they were read (app/conf.c), so parsing
 * them again cannot fail; what is checked here is how they go together.
 */
#include "app/setup.h"

#include <assert.h>

#include "app/hasher.h"
#include "app/settings.h"
#include "base/num.h"

enum { SETUP_TLS_LINKS = 5 };           /* tunnels, and one that closes */

static uint32_t
num32(const struct conf *c, enum conf_id id, uint64_t other)
{
	return to_u32(conf_num(c, id, other));
}

/* ---- listening ---- */

static bool
add_listen(struct setup_relay *s, struct conf *c, const struct conf_value *v)
{
	const char *why;

	if (s->nlistens == SETUP_LISTENS_MAX)
		return conf_fail(c, v, "too many places to listen: 64 at most");
	why = value_listen(&s->listens[s->nlistens], v->text);
	if (why != NULL)
		return conf_fail(c, v, why);
	s->nlistens++;
	return true;
}

static bool
main_listens(struct setup_relay *s, struct conf *c)
{
	const struct conf_value *v;
	size_t at = 0;

	while ((v = conf_next(c, C_LISTEN, &at)) != NULL)
		if (!add_listen(s, c, v))
			return false;
	if (s->nlistens == 0) {
		s->listens[0] = (struct value_listen){ .where = VALUE_EVERY,
			.addr.port = 4000 };
		s->nlistens = 1;
	}
	if (c->v[C_LISTEN].source == CONF_FLAG)
		return true;
	/* HOST and RELAY_PORT are half a setting each, and beat the file. */
	if (conf_is_set(c, C_HOST) || conf_is_set(c, C_PORT))
		s->nlistens = 1;
	if (conf_is_set(c, C_HOST)) {
		uint16_t port = s->listens[0].addr.port;

		value_host(&s->listens[0], c->v[C_HOST].text);
		s->listens[0].addr.port = port;
	}
	if (conf_is_set(c, C_PORT))
		s->listens[0].addr.port = to_u16(c->v[C_PORT].num);
	return true;
}

static bool
listens(struct setup_relay *s, struct conf *c)
{
	const struct conf_value *v;
	size_t at = 0;

	if (!main_listens(s, c))
		return false;
	s->nmain = s->nlistens;
	while ((v = conf_next(c, C_SITE, &at)) != NULL)
		if (!add_listen(s, c, v))
			return false;
	if (!conf_is_set(c, C_APP_PORTS))
		return true;
	s->has_ports = true;
	v = &c->v[C_APP_PORTS];
	value_ports(v->text, &s->port_first, &s->port_last);
	if ((size_t)(s->port_last - s->port_first) >=
	    SETUP_PORTS_MAX / s->nmain)
		return conf_fail(c, v, "too many ports: 172 sockets at most, "
		    "one for each port and address of the main site");
	for (size_t i = 0; i < s->nlistens; i++)
		if (s->listens[i].addr.port >= s->port_first &&
		    s->listens[i].addr.port <= s->port_last)
			return conf_fail(c, v,
			    "a port of the range is listened on already");
	return true;
}

/* ---- TLS of the relay ---- */

static bool
certs(struct setup_relay *s, struct conf *c)
{
	const struct conf_value *v;
	size_t n = 0;

	for (size_t at = 0; (v = conf_next(c, C_TLS_CERT, &at)) != NULL;) {
		if (s->ncerts == CERTS_MAX)
			return conf_fail(c, v, "too many: 8 at most");
		s->certs[s->ncerts] = s->keys[s->ncerts] = v->text;
		s->ncerts++;
	}
	for (size_t at = 0; (v = conf_next(c, C_TLS_KEY, &at)) != NULL;) {
		if (n == s->ncerts)
			return conf_fail(c, v, "a key without a --tls-cert");
		s->keys[n++] = v->text;
	}
	if (n > 0 && n < s->ncerts)
		return conf_refuse(c, "tls-key: give one for each tls-cert, "
		    "in the same order, or none");
	for (size_t at = 0; (v = conf_next(c, C_LISTEN_HTTP, &at)) != NULL;) {
		if (s->ncerts == 0)
			return conf_fail(c, v, "it sends people to https, "
			    "which needs --tls-cert");
		if (s->nhttp == SETUP_HTTP_MAX)
			return conf_fail(c, v, "too many: 4 at most");
		value_listen(&s->http[s->nhttp++], v->text);
	}
	if (s->ncerts > 0)
		s->cfg.tls_item_bytes = kernel_tls_item_bytes(TLS_OUT_BYTES);
	return true;
}

/* ---- the relay ---- */

/* http for ws; no slash at the end. */
static void
public_url(struct setup_relay *s, struct slice text)
{
	struct buf b = BUF_ON(s->public_url);
	struct url u;

	if (url_parse(&u, text) != E_OK)
		return;
	buf_put(&b, u.secure ? SL("https://") : SL("http://"));
	buf_put(&b, u.authority);
	while (slice_ends(u.target, SL("/")))
		u.target.n--;
	buf_put(&b, u.target);
	s->cfg.public_url = buf_slice(&b);
}

static bool
lists(struct relay_cfg *cfg, struct conf *c)
{
	const struct conf_value *v;
	const char *why;

	for (size_t at = 0; (v = conf_next(c, C_RESERVE, &at)) != NULL;) {
		if (cfg->nreserve == RESERVES_MAX)
			return conf_fail(c, v, "too many: 32 at most");
		cfg->reserve[cfg->nreserve++] = v->text;
	}
	for (size_t at = 0; (v = conf_next(c, C_PUBLIC, &at)) != NULL;) {
		if (cfg->npublics == PUBLICS_MAX)
			return conf_fail(c, v, "too many: 64 at most");
		cfg->publics[cfg->npublics++] = v->text;
	}
	for (size_t at = 0; (v = conf_next(c, C_TRUST_PROXY, &at)) != NULL;) {
		why = value_trust(v->text, cfg->trust, &cfg->ntrust,
		    TRUST_MAX);
		if (why != NULL)
			return conf_fail(c, v, why);
	}
	return true;
}

static bool
limits(struct setup_relay *s, struct conf *c)
{
	struct relay_cfg *cfg = &s->cfg;
	uint64_t memory = cfg->memory_bytes, agents;

	/* A message of the channel is held whole, beside passwords. */
	if (s->accounts && conf_is_set(c, C_CHANNEL_KEY))
		memory = (uint64_t)64 << 20;
	if (c->role == CONF_START && conf_is_set(c, C_MEMORY))
		memory = c->v[C_MEMORY].num / 3 * 2;
	else
		memory = conf_num(c, C_MEMORY, memory);
	/* The rest is the relay's; too little is told by its plan. As many
	 * agents as without: they are cheap. */
	agents = s->accounts ? min_u64(memory >> 22, 256) : 0;
	s->hasher_bytes = s->accounts ? hasher_bytes(s->cost) : 0;
	memory -= min_u64(memory, s->hasher_bytes);
	cfg->memory_bytes = memory;
	cfg->max_connections = num32(c, C_MAX_CONNECTIONS, 0);
	cfg->max_per_address = num32(c, C_MAX_PER_ADDRESS, 0);
	cfg->max_agents = num32(c, C_MAX_AGENTS, agents);
	cfg->max_streams = num32(c, C_MAX_STREAMS, 0);
	if (conf_is_set(c, C_MAX_CONNECTIONS) &&
	    cfg->max_per_address > cfg->max_connections)
		return conf_refuse(c,
		    "max-per-address is more than max-connections");
	cfg->head_ms = num32(c, C_HEAD_TIMEOUT, cfg->head_ms);
	cfg->hello_ms = num32(c, C_HELLO_TIMEOUT, cfg->hello_ms);
	cfg->first_byte_ms = num32(c, C_FIRST_BYTE_TIMEOUT,
	    cfg->first_byte_ms);
	cfg->progress_ms = num32(c, C_PROGRESS_TIMEOUT, cfg->progress_ms);
	cfg->idle_ms = num32(c, C_IDLE_TIMEOUT, cfg->idle_ms);
	cfg->drain_ms = num32(c, C_DRAIN_TIMEOUT, cfg->drain_ms);
	cfg->grace_ms = num32(c, C_RESUME_TIMEOUT, cfg->grace_ms);
	cfg->session_ttl_s = conf_num(c, C_SESSION_TTL,
	    cfg->session_ttl_s * 1000) / 1000;
	return true;
}

static void
channel(struct relay_cfg *cfg, const struct conf *c)
{
	cfg->channel = conf_is_set(c, C_CHANNEL_KEY);
	cfg->channel_path = conf_text(c, C_CHANNEL_PATH, cfg->channel_path);
	cfg->channel_message_max = conf_num(c, C_CHANNEL_MESSAGE,
	    cfg->channel_message_max);
}

static bool
login(struct setup_relay *s, struct conf *c)
{
	s->cfg.no_login = conf_num(c, C_NO_LOGIN, 0) != 0;
	s->accounts = !s->cfg.no_login && !conf_is_set(c, C_PASSWORD);
	s->cost = (struct scrypt_cost){ .r = 8, .p = 3,
		.log2n = (uint8_t)conf_num(c, C_PASSWORD_COST, 15) };
	if (s->cfg.no_login && conf_is_set(c, C_PASSWORD))
		return conf_refuse(c, "a password and no-login: "
		    "choose one of them");
	return true;
}

bool
setup_relay(struct setup_relay *s, struct conf *c)
{
	struct buf settings = BUF_ON(s->settings);

	assert((c->role & CONF_RELAYS) != 0);
	memset(s, 0, sizeof *s);
	relay_cfg_defaults(&s->cfg);
	s->data = conf_text(c, C_DATA, SL("./adit-data"));
	s->cfg.domain = conf_text(c, C_DOMAIN, SL(""));
	s->cfg.app_domain = conf_text(c, C_APP_DOMAIN, SL(""));
	s->cfg.root = conf_text(c, C_ROOT, SL(""));
	channel(&s->cfg, c);
	if (conf_is_set(c, C_PUBLIC_URL)) {
		if (c->v[C_PUBLIC_URL].text.n > SETUP_URL_MAX - 8)
			return conf_fail(c, &c->v[C_PUBLIC_URL], "too long");
		public_url(s, c->v[C_PUBLIC_URL].text);
	}
	if (settings_put(&settings, c))
		s->cfg.settings_json = buf_slice(&settings);
	return login(s, c) && listens(s, c) && certs(s, c) &&
	    lists(&s->cfg, c) && limits(s, c);
}

/* ---- the agent ---- */

static bool
apps(struct agent_cfg *cfg, struct conf *c)
{
	const struct conf_value *v;
	size_t at = 0;

	while ((v = conf_next(c, C_APP, &at)) != NULL) {
		struct agent_app *app = &cfg->apps[cfg->napps];
		const char *why;

		if (cfg->napps == HELLO_APPS_MAX)
			return conf_fail(c, v, "too many apps: 64 at most");
		why = value_app(app, v->text);
		if (why != NULL)
			return conf_fail(c, v, why);
		for (size_t i = 0; i < cfg->napps; i++)
			if (slice_eq(cfg->apps[i].name, app->name))
				return conf_fail(c, v,
				    "two apps of the same name: say NAME=... "
				    "to tell them apart");
		cfg->napps++;
	}
	return true;
}

static uint64_t
tls_bytes_of_links(void)
{
	return (uint64_t)SETUP_TLS_LINKS *
	    kernel_tls_item_bytes(TLS_OUT_BULK_BYTES);
}

bool
setup_agent_dial(struct setup_agent *s, struct conf *c,
    const struct conf_value *url)
{
	struct buf path = BUF_ON(s->path), text = BUF_ON(s->url);
	struct value_relay r;
	struct addr ip = { 0 };
	const char *why = value_relay(&r, url->text);

	if (why != NULL)
		return conf_fail(c, url, why);
	if (r.secure && addr_parse_ip(&ip, r.host) && s->npins == 0 &&
	    c->role != CONF_START)
		return conf_fail(c, url, "an address cannot be checked "
		    "against a certificate: give the relay's --pin, or its "
		    "name");
	if (!r.secure && s->npins > 0)
		return conf_fail(c, url, "a pin is for https: without TLS "
		    "nothing is verified");
	s->cfg.secure = r.secure;
	s->cfg.tls_host = addr_parse_ip(&ip, r.host) ? SL("") : r.host;
	s->cfg.tls_bytes = r.secure ? tls_bytes_of_links() : 0;
	s->cfg.relay_host = r.host;
	s->cfg.relay_port = r.port;
	s->cfg.relay_authority = r.authority;
	buf_put(&path, r.prefix);
	buf_lit(&path, "/tunnel");
	buf_put(&text, r.secure ? SL("wss://") : SL("ws://"));
	buf_put(&text, r.authority);
	buf_put(&text, buf_slice(&path));
	if (!buf_ok(&path) || !buf_ok(&text))
		return conf_fail(c, url, "too long");
	s->cfg.relay_path = buf_slice(&path);
	s->cfg.relay_url = buf_slice(&text);
	return true;
}

bool
setup_pins(struct conf *c, uint8_t pins[TLS_PINS_MAX][PIN_BYTES], size_t *n)
{
	const struct conf_value *v;

	for (size_t at = 0; (v = conf_next(c, C_PIN, &at)) != NULL;) {
		if (*n == TLS_PINS_MAX)
			return conf_fail(c, v, "two pins at most");
		pin_parse(pins[(*n)++], v->text);
	}
	return true;
}

/* HTTPS_PROXY: the host is copied out of the secret, the login stays one. */
static bool
proxy(struct setup_agent *s, struct conf *c)
{
	uint8_t area[SECRET_MAX];
	struct buf host = BUF_ON(s->proxy), login = BUF_ON(area);
	struct value_proxy p;
	bool done = true;

	if (value_no_proxy(conf_text(c, C_NO_PROXY, SL("")),
	    s->cfg.relay_host)) {
		secret_wipe(&c->proxy);
		return true;
	}
	if (!conf_is_set(c, C_PROXY) || !s->cfg.secure)
		return c->v[C_PROXY].source != CONF_FLAG ||
		    conf_refuse(c, "proxy: it is for https relays only");
	if (value_proxy(&p, secret_bytes(&c->proxy)) != NULL)
		return conf_refuse(c, "proxy: malformed");
	buf_put(&host, p.host);
	s->cfg.proxy_host = buf_slice(&host);
	s->cfg.proxy_port = p.port;
	if (p.user.n > 0 || p.password.n > 0) {
		done = url_put_decoded(&login, p.user) &&
		    buf_lit(&login, ":") &&
		    url_put_decoded(&login, p.password) &&
		    secret_set(&s->cfg.proxy_login, buf_slice(&login));
	}
	wipe(area, sizeof area);
	secret_wipe(&c->proxy);
	return done || conf_refuse(c, "proxy: a malformed %XX");
}

/* One of --token, RELAY_TOKEN, --token-file: what was said louder. */
static bool
token(struct setup_agent *s, struct conf *c)
{
	unsigned given = c->v[C_RELAY_TOKEN].source;
	unsigned file = c->v[C_TOKEN_FILE].source;

	if (file > given) {
		s->token_file = c->v[C_TOKEN_FILE].text;
		return true;
	}
	if (file == given && file != CONF_DEFAULT)
		return conf_fail(c, &c->v[C_TOKEN_FILE],
		    "a token is given beside the file: choose one of them");
	if (given == CONF_DEFAULT)
		return conf_refuse(c, "no token: set RELAY_TOKEN to the "
		    "relay's, or name a file that holds it with --token-file");
	s->cfg.token = c->token;
	return true;
}

bool
setup_agent(struct setup_agent *s, struct conf *c, struct slice hostname)
{
	struct buf name = BUF_ON(s->name);

	assert((c->role & CONF_AGENTS) != 0);
	memset(s, 0, sizeof *s);
	agent_cfg_defaults(&s->cfg);
	s->data = conf_text(c, C_DATA, SL("./adit-data"));
	if (!conf_is_set(c, C_NAME) && !url_name_fold(&name, hostname))
		return conf_refuse(c, "no name: give one with --name");
	s->cfg.name = conf_text(c, C_NAME, buf_slice(&name));
	s->cfg.memory_bytes = conf_num(c, C_MEMORY, s->cfg.memory_bytes);
	if (c->role == CONF_START && conf_is_set(c, C_MEMORY))
		s->cfg.memory_bytes = c->v[C_MEMORY].num / 3;
	s->cfg.max_streams = num32(c, C_MAX_STREAMS, 0);
	s->cfg.connect_ms = num32(c, C_CONNECT_TIMEOUT, s->cfg.connect_ms);
	s->cfg.drain_ms = num32(c, C_DRAIN_TIMEOUT, s->cfg.drain_ms);
	s->cfg.grace_ms = num32(c, C_RESUME_TIMEOUT, s->cfg.grace_ms);
	/* It will dial the relay of this process, which may speak TLS. */
	if (c->role == CONF_START && conf_is_set(c, C_TLS_CERT))
		s->cfg.tls_bytes = tls_bytes_of_links();
	if (!apps(&s->cfg, c))
		return false;
	if (c->role == CONF_START)
		return true;
	s->ca = conf_text(c, C_CA, SL(""));
	if (!setup_pins(c, s->pins, &s->npins))
		return false;
	if (!conf_is_set(c, C_RELAY))
		return conf_refuse(c,
		    "no relay: give its URL with --relay or RELAY_URL");
	return setup_agent_dial(s, c, &c->v[C_RELAY]) && proxy(s, c) &&
	    token(s, c);
}

/* ---- the log ---- */

enum log_level
setup_log_level(const struct conf *c)
{
	enum log_level level = LOG_INFO;

	log_level_parse(conf_text(c, C_LOG_LEVEL, SL("info")), &level);
	return level;
}

bool
setup_log_json(const struct conf *c)
{
	return slice_eq(conf_text(c, C_LOG_FORMAT, SL("text")), SL("json"));
}
