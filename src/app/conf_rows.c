/*
 * The settings. The order is that of --help.
 */
#include "app/conf.h"

#include "app/value.h"
#include "base/log.h"
#include "crypto/cert.h"
#include "state/strength.h"

static const char *
check_listen(struct slice s)
{
	struct value_listen l;

	return value_listen(&l, s);
}

static const char *
check_listen_http(struct slice s)
{
	struct value_listen l;
	const char *why = value_listen(&l, s);

	return why == NULL && l.named ? "it serves no site: it sends to "
	    "https" : why;
}

static const char *
check_pin(struct slice s)
{
	uint8_t pin[PIN_BYTES];

	return pin_parse(pin, s) ? NULL :
	    "want sha256: and 44 characters of base64";
}

static const char *
check_proxy(struct slice s)
{
	struct value_proxy p;

	return value_proxy(&p, s);
}

static const char *
check_host(struct slice s)
{
	struct value_listen l = { 0 };

	return value_host(&l, s);
}

static const char *
check_ports(struct slice s)
{
	uint16_t first, last;

	return value_ports(s, &first, &last);
}

static const char *
check_trust(struct slice s)
{
	struct relay_net net[8];
	size_t n = 0;

	return value_trust(s, net, &n, 8);
}

static const char *
check_relay(struct slice s)
{
	struct value_relay r;

	return value_relay(&r, s);
}

static const char *
check_app(struct slice s)
{
	struct agent_app app;

	return value_app(&app, s);
}

static const char *
check_level(struct slice s)
{
	enum log_level level;

	return log_level_parse(s, &level) ? NULL :
	    "want trace, debug, info, warn, error or fatal";
}

static const char *
check_format(struct slice s)
{
	return slice_eq(s, SL("text")) || slice_eq(s, SL("json")) ? NULL :
	    "want text or json";
}

static const char *
check_sandbox(struct slice s)
{
	return slice_eq(s, SL("on")) || slice_eq(s, SL("seccomp")) ||
	    slice_eq(s, SL("off")) ? NULL : "want on, seccomp or off";
}

static const char *
check_password(struct slice s)
{
	return strength_fault(STRENGTH_PASSWORD, s);
}

static const char *
check_token(struct slice s)
{
	return strength_fault(STRENGTH_TOKEN, s);
}

static const char *
check_channel_key(struct slice s)
{
	return strength_fault(STRENGTH_CHANNEL, s);
}

static const char *
check_jwt(struct slice s)
{
	return strength_fault(STRENGTH_JWT, s);
}

#define MIB ((uint64_t)1 << 20)
#define SEC ((uint64_t)1000)
#define HOUR (3600 * SEC)

#define TIME_ROW(id_, flag_, key_, roles_, max_, dflt_, help_) {        \
	.id = (id_), .type = CONF_TIME, .roles = (roles_),              \
	.flag = (flag_), .key = (key_), .arg = "TIME",                  \
	.min = 100, .max = (max_), .dflt = (dflt_), .help = (help_) }

#define COUNT_ROW(id_, flag_, key_, roles_, max_, dflt_, help_) {       \
	.id = (id_), .type = CONF_COUNT, .roles = (roles_),             \
	.flag = (flag_), .key = (key_), .arg = "N",                     \
	.min = 1, .max = (max_), .dflt = (dflt_), .help = (help_) }

/* What another version may bring: no flag of it passes unnoticed. */
#define LATER_ROW(flag_, key_, env_, roles_, help_) {                   \
	.id = C_LATER, .type = CONF_REFUSED, .roles = (roles_),         \
	.flag = (flag_), .key = (key_), .env = (env_), .help = (help_) }

static const char no_folder[] = "the relay serves no folder: let an app serve "
    "it, and name the app with --root";
static const char no_secret[] =
    "everybody on this machine can read a command line; "
    "use the environment or a file";

const struct conf_row conf_rows[] = {
	{ .id = C_LISTEN, .type = CONF_LIST, .roles = CONF_RELAYS,
	    .flag = "listen", .key = "listen", .arg = "ADDR:PORT[=NAME]",
	    .check = check_listen, .dflt = "*:4000",
	    .help = "where the main site listens; PORT alone is every "
	    "address, port 0 a free one. With =NAME a site of its own for "
	    "that app (NAME or NAME--AGENT), with =dashboard one for the "
	    "dashboard. May be repeated" },
	{ .id = C_HOST, .type = CONF_TEXT, .roles = CONF_RELAYS,
	    .env = "HOST", .arg = "ADDR", .check = check_host, .dflt = "*",
	    .help = "the main site's address, when --listen does not say" },
	{ .id = C_PORT, .type = CONF_COUNT, .roles = CONF_RELAYS,
	    .env = "RELAY_PORT", .env2 = "PORT", .arg = "PORT",
	    .min = 0, .max = 65535, .dflt = "4000",
	    .help = "the main site's port, when --listen does not say; PORT "
	    "counts if RELAY_PORT is not set" },
	{ .id = C_TLS_CERT, .type = CONF_LIST, .roles = CONF_RELAYS,
	    .flag = "tls-cert", .key = "tls_cert", .arg = "FILE",
	    .help = "speak https with this certificate chain (PEM); read again "
	    "when it changes or at SIGHUP. May be repeated: the one that fits "
	    "the host name is used, else the first" },
	{ .id = C_TLS_KEY, .type = CONF_LIST, .roles = CONF_RELAYS,
	    .flag = "tls-key", .key = "tls_key", .arg = "FILE",
	    .dflt = "the certificate's file",
	    .help = "its private key (PEM; EC P-256 or P-384, or RSA); one "
	    "for each --tls-cert, in the same order" },
	{ .id = C_LISTEN_HTTP, .type = CONF_LIST, .roles = CONF_RELAYS,
	    .flag = "listen-http", .key = "listen_http", .arg = "ADDR:PORT",
	    .check = check_listen_http,
	    .help = "listen there for plain http and send everybody to "
	    "https" },
	{ .id = C_RELAY, .type = CONF_TEXT,
	    .roles = CONF_AGENT | CONF_ASKS,
	    .flag = "relay", .key = "relay", .env = "RELAY_URL",
	    .arg = "URL", .check = check_relay,
	    .help = "the relay: https://HOST[:PORT] or wss://, or http:// or "
	    "ws:// without encryption; with or without /tunnel" },
	{ .id = C_APP, .type = CONF_LIST, .roles = CONF_AGENTS,
	    .flag = "app", .key = "app", .arg = "[NAME=]TARGET[,OPTION]",
	    .check = check_app,
	    .help = "an app to offer: TARGET is PORT, HOST:PORT or "
	    "unix:/PATH. Options: host=app sends the app its own address as "
	    "Host and Origin; origin=URL lets that other site call it; "
	    "public asks for no login. May be repeated" },
	{ .id = C_NAME, .type = CONF_TEXT, .roles = CONF_AGENTS,
	    .flag = "name", .key = "name", .arg = "NAME",
	    .check = value_name, .dflt = "the host name",
	    .help = "this agent's name" },
	{ .id = C_PIN, .type = CONF_LIST, .roles = CONF_AGENT | CONF_ASKS,
	    .flag = "pin", .key = "pin", .arg = "sha256:BASE64",
	    .check = check_pin,
	    .help = "the relay's public key, as adit init --self-signed "
	    "prints it; whoever has it is the relay, and no CA, name or date "
	    "counts. May be given twice, for a change of keys" },
	{ .id = C_CA, .type = CONF_TEXT, .roles = CONF_AGENT | CONF_ASKS,
	    .flag = "ca", .key = "ca", .env = "SSL_CERT_FILE", .arg = "FILE",
	    .dflt = "the system's",
	    .help = "the certificate authorities to trust, as PEM" },
	{ .id = C_PROXY, .type = CONF_SECRET, .roles = CONF_AGENT,
	    .flag = "proxy", .key = "proxy", .env = "HTTPS_PROXY",
	    .env2 = "https_proxy", .arg = "URL", .check = check_proxy,
	    .help = "reach an https relay through this HTTP proxy (CONNECT): "
	    "http://[USER:PASSWORD@]HOST:PORT" },
	{ .id = C_NO_PROXY, .type = CONF_TEXT, .roles = CONF_AGENT,
	    .flag = "no-proxy", .key = "no_proxy", .env = "NO_PROXY",
	    .env2 = "no_proxy", .arg = "LIST",
	    .help = "but not one of these: names (and what is below them), "
	    "addresses, ADDR/BITS, with commas; * for all" },
	{ .id = C_ADMIN, .type = CONF_TEXT, .roles = CONF_INIT,
	    .flag = "user", .arg = "NAME",
	    .help = "make the first account, an admin, of this name" },
	{ .id = C_PASSWORD_FILE, .type = CONF_TEXT, .roles = CONF_INIT,
	    .flag = "password-file", .arg = "FILE",
	    .dflt = "asked for on the terminal",
	    .help = "its password: the first line of this file, - for "
	    "standard input" },
	{ .id = C_SELF_SIGNED, .type = CONF_SWITCH, .roles = CONF_INIT,
	    .flag = "self-signed",
	    .help = "make a key and a certificate that it signs itself, for a "
	    "relay without a domain" },
	{ .id = C_CERT_NAME, .type = CONF_TEXT, .roles = CONF_INIT,
	    .flag = "name", .arg = "HOST|IP", .check = value_domain,
	    .dflt = "the host name",
	    .help = "under what the relay will be reached" },
	{ .id = C_DATA, .type = CONF_TEXT, .roles = CONF_BOTH | CONF_OFFICE,
	    .flag = "data", .key = "data", .env = "ADIT_DATA", .arg = "DIR",
	    .dflt = "./adit-data",
	    .help = "the data directory; the relay uses DIR/relay, an agent "
	    "DIR/agent-NAME" },
	{ .id = C_CONFIG, .type = CONF_TEXT,
	    .roles = CONF_BOTH | CONF_OFFICE,
	    .flag = "config", .arg = "FILE",
	    .help = "read settings from this JSON file; without it, the "
	    "relay reads adit.json in the working directory, if it is there, "
	    "and an agent reads none" },
	{ .id = C_CHECK, .type = CONF_SWITCH, .roles = CONF_BOTH,
	    .flag = "check", .help = "check the settings and exit" },
	{ .id = C_TAKEOVER, .type = CONF_SWITCH, .roles = CONF_RELAY,
	    .flag = "takeover", .help = "take the place of the relay that "
	    "runs on the same data directory: its listening sockets, then "
	    "its state, without a request failing. If that cannot be, it "
	    "goes on and this one ends with exit code 1" },
	{ .id = C_DETACH, .type = CONF_SWITCH, .roles = CONF_RELAY,
	    .flag = "detach", .help = "with --takeover: go on in the "
	    "background once it has happened; for a service manager's "
	    "reload" },
	{ .id = C_USER, .type = CONF_TEXT, .roles = CONF_BOTH,
	    .flag = "user", .key = "user", .arg = "NAME",
	    .dflt = "adit, else nobody",
	    .help = "the account to become when started as root, which is "
	    "never kept" },
	{ .id = C_SANDBOX, .type = CONF_TEXT, .roles = CONF_BOTH,
	    .flag = "sandbox", .key = "sandbox", .arg = "on|seccomp|off",
	    .check = check_sandbox, .dflt = "on",
	    .help = "off: run without; seccomp: without Landlock, for kernels "
	    "that lack it" },
	{ .id = C_POLICY, .type = CONF_SWITCH, .roles = CONF_BOTH,
	    .flag = "print-policy", .help = "print what each process may do: "
	    "system calls, paths, ports; and exit" },

	{ .id = C_PASSWORD, .type = CONF_SECRET, .roles = CONF_RELAYS,
	    .key = "password", .env = "RELAY_PASSWORD",
	    .check = check_password, .arg = "TEXT",
	    .help = "one password for all people, at least 8 bytes, instead of "
	    "accounts; refused once there is an account" },
	{ .id = C_NO_LOGIN, .type = CONF_SWITCH, .roles = CONF_RELAYS,
	    .flag = "no-login", .key = "no_login", .dflt = "off",
	    .help = "an open relay: no login for anything" },
	{ .id = C_PASSWORD_COST, .type = CONF_COUNT,
	    .roles = CONF_RELAYS | CONF_OFFICE, .flag = "password-cost",
	    .key = "password_cost", .arg = "N", .min = 15, .max = 17,
	    .dflt = "15",
	    .help = "the cost of accounts' passwords that are set from now "
	    "on: scrypt with N=2^N, r=8, p=3. It takes 32MiB of --memory with "
	    "15, twice that with 16; those set at a higher cost than this "
	    "cannot be checked" },
	{ .id = C_RELAY_TOKEN, .type = CONF_SECRET, .roles = CONF_BOTH,
	    .key = "relay_token", .env = "RELAY_TOKEN",
	    .check = check_token, .arg = "TEXT",
	    .help = "the secret that agents come with; at least 16 bytes. A "
	    "relay makes one at its first start if it is not set" },
	{ .id = C_RELAY_TOKEN, .type = CONF_SECRET, .roles = CONF_AGENT,
	    .flag = "token", .check = check_token, .arg = "TEXT",
	    .help = "the same on the command line, where it is overwritten at "
	    "once; the environment or a file is the better place" },
	{ .id = C_RELAY_TOKEN, .type = CONF_SECRET, .roles = CONF_STATUS,
	    .env = "ADIT_TOKEN", .check = check_token, .arg = "TEXT",
	    .help = "an API token of scope read: with it the relay tells "
	    "names too" },
	{ .id = C_TOKEN_FILE, .type = CONF_TEXT, .roles = CONF_AGENT,
	    .flag = "token-file", .key = "token_file", .arg = "FILE",
	    .help = "read the token from this file" },
	{ .id = C_JWT_SECRET, .type = CONF_SECRET, .roles = CONF_RELAYS,
	    .key = "jwt_secret", .env = "JWT_SECRET", .check = check_jwt,
	    .arg = "TEXT", .help = "the key that signs sessions; at least "
	    "32 bytes. Made at the first start if it is not set. Another "
	    "value ends every session" },

	{ .id = C_ROOT, .type = CONF_TEXT, .roles = CONF_RELAYS,
	    .flag = "root", .key = "root", .arg = "APP",
	    .check = value_site, .dflt = "the first app to connect",
	    .help = "the app that the main site serves; dashboard for none, "
	    "as is the default where apps have other addresses" },
	{ .id = C_RESERVE, .type = CONF_LIST, .roles = CONF_RELAYS,
	    .flag = "reserve", .key = "reserve", .arg = "PATH",
	    .check = value_prefix,
	    .help = "a path prefix that stays the relay's although the main "
	    "site serves an app. May be repeated" },
	{ .id = C_DOMAIN, .type = CONF_TEXT, .roles = CONF_RELAYS,
	    .flag = "domain", .key = "domain", .env = "RELAY_DOMAIN",
	    .arg = "NAME", .check = value_domain,
	    .help = "the relay's own host name" },
	{ .id = C_APP_DOMAIN, .type = CONF_TEXT, .roles = CONF_RELAYS,
	    .flag = "app-domain", .key = "app_domain",
	    .env = "ADIT_APP_DOMAIN", .arg = "NAME",
	    .check = value_app_domain,
	    .help = "apps appear as APP.NAME; wants a wildcard in DNS" },
	{ .id = C_APP_PORTS, .type = CONF_TEXT, .roles = CONF_RELAYS,
	    .flag = "app-ports", .key = "app_ports",
	    .env = "ADIT_APP_PORTS", .arg = "FIRST-LAST",
	    .check = check_ports,
	    .help = "each app gets a port of this range, on the main site's "
	    "addresses" },
	{ .id = C_PUBLIC, .type = CONF_LIST, .roles = CONF_RELAYS,
	    .flag = "public", .key = "public", .arg = "AGENT/APP",
	    .check = value_public,
	    .help = "serve this app without login, if its agent says so too. "
	    "May be repeated" },
	{ .id = C_PUBLIC_URL, .type = CONF_TEXT, .roles = CONF_RELAYS,
	    .flag = "public-url", .key = "public_url",
	    .env = "PUBLIC_BASE_URL", .arg = "URL",
	    .check = value_public_url, .dflt = "the request's",
	    .help = "the relay's address in links" },
	{ .id = C_TRUST_PROXY, .type = CONF_LIST, .roles = CONF_RELAYS,
	    .flag = "trust-proxy", .key = "trust_proxy",
	    .env = "TRUST_PROXY", .arg = "WHO", .check = check_trust,
	    .dflt = "false",
	    .help = "peers whose X-Forwarded headers are believed: true (this "
	    "machine), private (private networks too), or networks such as "
	    "10.1.0.0/16; several with commas between" },

	{ .id = C_CHANNEL_KEY, .type = CONF_SECRET, .roles = CONF_RELAYS,
	    .key = "channel_key", .env = "TUNNEL_REGISTRATION_API_KEY",
	    .check = check_channel_key, .arg = "TEXT",
	    .help = "turns the message channel on: the key that workstations "
	    "register with; at least 32 bytes" },
	{ .id = C_CHANNEL_PATH, .type = CONF_TEXT, .roles = CONF_RELAYS,
	    .flag = "channel-path", .key = "channel_path", .env = "WS_PATH",
	    .arg = "PATH", .check = value_channel_path, .dflt = "/ws",
	    .help = "where the channel's WebSocket is" },
	{ .id = C_CHANNEL_MESSAGE, .type = CONF_SIZE, .roles = CONF_RELAYS,
	    .flag = "channel-message", .key = "channel_message",
	    .arg = "SIZE", .min = 64 * 1024, .max = 50 * MIB, .dflt = "8MiB",
	    .help = "the largest message of the channel" },

	{ .id = C_MEMORY, .type = CONF_SIZE, .roles = CONF_BOTH,
	    .flag = "memory", .key = "memory", .arg = "SIZE",
	    .min = 4 * MIB, .max = 64 * 1024 * MIB, .dflt = "48MiB",
	    .dflt_agent = "24MiB",
	    .help = "everything together: connections, streams, buffers, "
	    "passwords. With accounts and the channel the default is "
	    "64MiB" },
	COUNT_ROW(C_MAX_CONNECTIONS, "max-connections", "max_connections",
	    CONF_RELAYS, 1 << 20, "from --memory",
	    "connections of people and programs at once"),
	COUNT_ROW(C_MAX_PER_ADDRESS, "max-per-address", "max_per_address",
	    CONF_RELAYS, 1 << 20, "half of them",
	    "those from one address (IPv6: from one /64)"),
	COUNT_ROW(C_MAX_AGENTS, "max-agents", "max_agents", CONF_RELAYS, 256,
	    "from --memory", "agents at once"),
	COUNT_ROW(C_MAX_STREAMS, "max-streams", "max_streams", CONF_BOTH,
	    16384, "from --memory", "requests and WebSockets at once"),
	TIME_ROW(C_HEAD_TIMEOUT, "head-timeout", "head_timeout", CONF_RELAYS,
	    HOUR, "10s", "for the head of a request, from its first byte"),
	TIME_ROW(C_HELLO_TIMEOUT, "hello-timeout", "hello_timeout",
	    CONF_RELAYS, 60 * SEC, "5s", "for a new tunnel's hello"),
	TIME_ROW(C_FIRST_BYTE_TIMEOUT, "first-byte-timeout",
	    "first_byte_timeout", CONF_RELAYS, 24 * HOUR, "10m",
	    "for the first byte of an app's answer"),
	TIME_ROW(C_PROGRESS_TIMEOUT, "progress-timeout", "progress_timeout",
	    CONF_RELAYS, 24 * HOUR, "2m",
	    "for a body or a reader that stands still"),
	TIME_ROW(C_IDLE_TIMEOUT, "idle-timeout", "idle_timeout", CONF_RELAYS,
	    24 * HOUR, "75s", "for a kept connection without a request"),
	TIME_ROW(C_CONNECT_TIMEOUT, "connect-timeout", "connect_timeout",
	    CONF_AGENTS, 5 * 60 * SEC, "10s", "for connecting to an app"),
	{ .id = C_DRAIN_TIMEOUT, .type = CONF_TIME, .roles = CONF_BOTH,
	    .flag = "drain-timeout", .key = "drain_timeout", .arg = "TIME",
	    .min = 0, .max = HOUR, .dflt = "30s", .dflt_agent = "10s",
	    .help = "for requests under way when asked to stop" },
	{ .id = C_RESUME_TIMEOUT, .type = CONF_TIME, .roles = CONF_BOTH,
	    .flag = "resume-timeout", .key = "resume_timeout", .arg = "TIME",
	    .min = 0, .max = HOUR, .dflt = "30s",
	    .help = "how long streams wait when the tunnel is cut" },
	{ .id = C_SESSION_TTL, .type = CONF_TIME, .roles = CONF_RELAYS,
	    .flag = "session-ttl", .key = "session_ttl", .arg = "TIME",
	    .min = SEC, .max = 90 * 24 * HOUR, .dflt = "24h",
	    .help = "how long a login lasts" },

	{ .id = C_LOG_LEVEL, .type = CONF_TEXT, .roles = CONF_BOTH,
	    .flag = "log-level", .key = "log_level", .env = "LOG_LEVEL",
	    .arg = "LEVEL", .check = check_level, .dflt = "info",
	    .help = "trace, debug, info, warn, error or fatal" },
	{ .id = C_LOG_FORMAT, .type = CONF_TEXT, .roles = CONF_BOTH,
	    .flag = "log-format", .key = "log_format", .arg = "FORMAT",
	    .check = check_format, .dflt = "text", .help = "text or json" },
	{ .id = C_JSON, .type = CONF_SWITCH,
	    .roles = CONF_ASKS | CONF_CONSOLE,
	    .flag = "json", .help = "the answer as JSON, for programs" },
	{ .id = C_HELP, .type = CONF_SWITCH,
	    .roles = CONF_BOTH | CONF_ASKS | CONF_OFFICE, .flag = "help",
	    .help = "print this" },

	LATER_ROW(NULL, NULL, "WEB_CLIENT_PATH", CONF_RELAYS, no_folder),
	/* Spellings that exist for nothing: a secret would show in ps. */
	LATER_ROW("password", NULL, NULL, CONF_RELAYS, no_secret),
	LATER_ROW("channel-key", NULL, NULL, CONF_RELAYS, no_secret),
	LATER_ROW("jwt-secret", NULL, NULL, CONF_RELAYS, no_secret),
	LATER_ROW("relay-token", NULL, NULL, CONF_BOTH, no_secret),
};
const size_t conf_nrows = sizeof conf_rows / sizeof conf_rows[0];
