/*
 * Settings: three sources, one meaning; and no mistake that goes unnoticed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "app/help.h"
#include "app/near.h"
#include "app/setup.h"
#include "guard.h"

#define PW "RELAY_PASSWORD=kupferkanne-7"

static struct conf conf;
static struct setup_relay relay;
static struct setup_agent agent;

/* Words apart by blanks, in memory of their own so that they can be wiped. */
static char words_area[2][8192];
static char *words[2][400];

static int
split(unsigned slot, const char *text)
{
	char *p = words_area[slot];
	int n = 0;

	assert_true(strlen(text) < sizeof words_area[slot]);
	memcpy(p, text, strlen(text) + 1);
	for (p = strtok(p, " "); p != NULL; p = strtok(NULL, " "))
		words[slot][n++] = p;
	words[slot][n] = NULL;
	return n;
}

/* All sources and the setup; any may be NULL. True if there was no error. */
static bool
load(enum conf_role role, const char *args, const char *env, const char *file)
{
	bool ok;
	int n = split(0, args != NULL ? args : "");

	split(1, env != NULL ? env : "");
	conf_init(&conf, role);
	ok = conf_flags(&conf, n, words[0]) && conf_env(&conf, words[1]);
	if (ok && file != NULL) {
		struct slice copy = guard_put(file, strlen(file));
		uint8_t *p = (uint8_t *)(uintptr_t)copy.p;

		conf.file_asked = conf_is_set(&conf, C_CONFIG);
		ok = conf_file(&conf, p, copy.n);
		guard_free(copy);
	}
	if (ok && (role & CONF_RELAYS) != 0)
		ok = setup_relay(&relay, &conf);
	if (ok && (role & CONF_AGENTS) != 0)
		ok = setup_agent(&agent, &conf, SL("Büro-PC.example.org"));
	assert_int_equal(ok, conf.error.n == 0);
	assert_true(buf_ok(&conf.error));
	return ok;
}

static void
expect_error(const char *why, const char *want)
{
	struct slice got = buf_slice(&conf.error);

	for (struct slice s = got; s.n >= strlen(want); s = slice_from(s, 1))
		if (memcmp(s.p, want, strlen(want)) == 0)
			return;
	fail_msg("%s: got \"%.*s\", want \"%s\"", why, (int)got.n,
	    (const char *)got.p, want);
}

static void
expect_ok(const char *why, bool ok)
{
	if (!ok)
		fail_msg("%s: %.*s", why, (int)conf.error.n,
		    (const char *)conf.error.p);
}

#define assert_text(s, want) do {                                       \
	struct slice got_ = (s);                                        \
	assert_int_equal(got_.n, strlen(want));                         \
	assert_memory_equal(got_.p, want, strlen(want));                \
} while (0)

static void
no_proxy_is_read_as_others_read_it(void **state)
{
	static const struct { const char *list, *host; bool yes; } t[] = {
		{ "", "relay.example", false },
		{ "*", "relay.example", true }, { "*", "::1", true },
		{ "other.example", "relay.example", false },
		{ "relay.example", "relay.example", true },
		{ "Relay.EXAMPLE.", "relay.example", true },
		{ "example", "relay.example", true },
		{ ".example", "relay.example", true },
		{ "relay.example", "example", false },
		{ "lay.example", "relay.example", false },
		{ "a,b, relay.example", "relay.example", true },
		{ "a b relay.example c", "relay.example", true },
		{ ",, ,.,", "relay.example", false },
		{ "relay.example:443", "relay.example", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.10", false },
		{ "2.1", "192.0.2.1", false },
		{ "192.0.2.0/24", "192.0.2.77", true },
		{ "192.0.2.0/24", "192.0.3.77", false },
		{ "192.0.2.0/x", "192.0.2.0", false },
		{ "192.0.2.0/", "192.0.2.0", false },
		{ "0.0.0.0/0", "192.0.2.1", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "2001:db8::/32", "2001:db8::1", true },
		{ "192.0.2.1/129", "192.0.2.1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
		assert_int_equal(value_no_proxy(
		    slice_of(t[i].list, strlen(t[i].list)),
		    slice_of(t[i].host, strlen(t[i].host))), t[i].yes);
}

static void
defaults_are_those_of_the_help(void **state)
{
	struct relay_cfg r;
	struct agent_cfg a;
	uint64_t ms;
	static const struct { enum conf_id id; size_t at; bool agent; } t[] = {
		{ C_HEAD_TIMEOUT, offsetof(struct relay_cfg, head_ms), 0 },
		{ C_HELLO_TIMEOUT, offsetof(struct relay_cfg, hello_ms), 0 },
		{ C_FIRST_BYTE_TIMEOUT,
		    offsetof(struct relay_cfg, first_byte_ms), 0 },
		{ C_PROGRESS_TIMEOUT,
		    offsetof(struct relay_cfg, progress_ms), 0 },
		{ C_IDLE_TIMEOUT, offsetof(struct relay_cfg, idle_ms), 0 },
		{ C_DRAIN_TIMEOUT, offsetof(struct relay_cfg, drain_ms), 0 },
		{ C_DRAIN_TIMEOUT, offsetof(struct agent_cfg, drain_ms), 1 },
		{ C_RESUME_TIMEOUT, offsetof(struct relay_cfg, grace_ms), 0 },
		{ C_RESUME_TIMEOUT, offsetof(struct agent_cfg, grace_ms), 1 },
		{ C_CONNECT_TIMEOUT,
		    offsetof(struct agent_cfg, connect_ms), 1 },
	};

	(void)state;
	relay_cfg_defaults(&r);
	agent_cfg_defaults(&a);
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		const uint8_t *base = t[i].agent ? (const uint8_t *)&a :
		    (const uint8_t *)&r;
		uint32_t v;

		memcpy(&v, base + t[i].at, sizeof v);
		for (size_t j = 0; j < conf_nrows; j++) {
			const struct conf_row *row = &conf_rows[j];
			const char *text = row->dflt;

			if (row->id != t[i].id)
				continue;
			if (t[i].agent && row->dflt_agent != NULL)
				text = row->dflt_agent;
			assert_true(value_time(slice_of(text, strlen(text)),
			    &ms));
			if (ms != v)
				fail_msg("--%s: help %s, code %u ms",
				    row->flag, text, v);
		}
	}
	assert_int_equal(r.session_ttl_s, 24 * 3600);
	assert_int_equal(r.memory_bytes, 48 << 20);
	assert_int_equal(a.memory_bytes, 24 << 20);
}

static void
every_row_is_documented_and_spelled_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < conf_nrows; i++) {
		const struct conf_row *a = &conf_rows[i];

		assert_non_null(a->help);
		assert_true(a->flag != NULL || a->env != NULL);
		assert_true(a->roles != 0);
		if (a->type == CONF_SECRET)
			assert_non_null(a->check);
		if (a->type == CONF_COUNT || a->type == CONF_TIME)
			assert_true(a->min < a->max);
		for (size_t j = 0; j < i; j++) {
			const struct conf_row *b = &conf_rows[j];

			if (a->flag != NULL && b->flag != NULL)
				assert_true((a->roles & b->roles) == 0 ||
				    strcmp(a->flag, b->flag) != 0);
			if (a->key != NULL && b->key != NULL)
				assert_string_not_equal(a->key, b->key);
			if (a->env != NULL && b->env != NULL)
				assert_string_not_equal(a->env, b->env);
		}
	}
}

/* The help of a role has this row, or another that is spelled the same. */
static bool
in_help(const struct conf_row *r, enum conf_role role)
{
	for (size_t i = 0; i < conf_nrows; i++) {
		const struct conf_row *o = &conf_rows[i];

		if ((o->roles & role) != 0 && o->type != CONF_REFUSED &&
		    (o == r || (r->flag != NULL && o->flag != NULL &&
		    strcmp(r->flag, o->flag) == 0 && r->arg != NULL &&
		    o->arg != NULL && strcmp(r->arg, o->arg) == 0)))
			return true;
	}
	return false;
}

static void
help_names_every_setting(void **state)
{
	static const enum conf_role roles[] = { CONF_RELAY, CONF_AGENT,
		CONF_START, CONF_STATUS, CONF_INIT,
		CONF_DOCTOR, CONF_CONSOLE };
	static uint8_t area[HELP_MAX];
	char want[100];

	(void)state;
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
		struct buf b = BUF_ON(area);

		help_put(&b, roles[i]);
		for (size_t j = 0; j < conf_nrows; j++) {
			const struct conf_row *r = &conf_rows[j];
			bool mine = in_help(r, roles[i]);

			snprintf(want, sizeof want, "\n  %s%s%s%s\n",
			    r->flag != NULL ? "--" : "",
			    r->flag != NULL ? r->flag : r->env,
			    r->arg == NULL ? "" : r->flag != NULL ? " " : "=",
			    r->arg != NULL ? r->arg : "");
			if ((memmem(b.p, b.n, want, strlen(want)) != NULL) !=
			    mine)
				fail_msg("role %u: %s", roles[i], want);
		}
		for (size_t at = 0, from = 0; at < b.n; at++) {
			if (b.p[at] != '\n')
				continue;
			assert_true(at - from <= 80);
			from = at + 1;
		}
	}
}

static void
flag_beats_environment_beats_file(void **state)
{
	(void)state;
	expect_ok("all", load(CONF_RELAY, "--domain flag.example --root a",
	    PW " RELAY_DOMAIN=env.example ADIT_DATA=/env",
	    "{\"domain\":\"file.example\",\"data\":\"/file\","
	    "\"root\":\"b\",\"app_domain\":\"file.apps\"}"));
	assert_text(relay.cfg.domain, "flag.example");
	assert_text(relay.data, "/env");
	assert_text(relay.cfg.root, "a");
	assert_text(relay.cfg.app_domain, "file.apps");
	assert_int_equal(conf.password.n, 13);
}

static void
an_empty_variable_is_not_set(void **state)
{
	(void)state;
	expect_ok("empty", load(CONF_RELAY, NULL, PW " RELAY_DOMAIN= "
	    "ADIT_DATA= HOST= PORT= TUNNEL_REGISTRATION_API_KEY= "
	    "TRUST_PROXY=", NULL));
	assert_int_equal(relay.cfg.domain.n, 0);
	assert_text(relay.data, "./adit-data");
	assert_int_equal(relay.nlistens, 1);
	assert_int_equal(relay.listens[0].where, VALUE_EVERY);
	assert_int_equal(relay.listens[0].addr.port, 4000);
	assert_false(relay.accounts);
	/* Without it there are accounts, whose passwords take memory. */
	expect_ok("no password", load(CONF_RELAY, NULL, "RELAY_PASSWORD=",
	    NULL));
	assert_true(relay.accounts);
	assert_int_equal(relay.cost.log2n, 15);
	assert_true(relay.hasher_bytes > 32 << 20);
	assert_int_equal(relay.cfg.memory_bytes + relay.hasher_bytes,
	    48 << 20);
	expect_ok("no login", load(CONF_RELAY, "--no-login", NULL, NULL));
	assert_false(relay.accounts);
	assert_int_equal(relay.hasher_bytes, 0);
	expect_ok("dearer", load(CONF_RELAY, "--password-cost 16 --memory 96m",
	    NULL, NULL));
	assert_int_equal(relay.cost.log2n, 16);
	assert_true(relay.hasher_bytes > 64 << 20);
}

static void
what_is_beaten_is_checked_all_the_same(void **state)
{
	(void)state;
	assert_false(load(CONF_RELAY, "--log-level info",
	    PW " LOG_LEVEL=loud", NULL));
	expect_error("env", "LOG_LEVEL \"loud\": want trace, debug");
	assert_false(load(CONF_RELAY, "--log-level info", PW,
	    "{\n \"log_level\": \"loud\"}"));
	expect_error("file", "adit.json:2: log_level \"loud\": want trace");
}

static void
listening_is_composed_of_its_halves(void **state)
{
	static const struct {
		const char *args, *env, *file;
		int where;
		unsigned port;
		size_t n;
	} t[] = {
		{ NULL, "", NULL, VALUE_EVERY, 4000, 1 },
		{ NULL, "PORT=5000", NULL, VALUE_EVERY, 5000, 1 },
		{ NULL, "PORT=5000 RELAY_PORT=6000", NULL, VALUE_EVERY,
		    6000, 1 },
		{ NULL, "RELAY_PORT= PORT=5000", NULL, VALUE_EVERY, 5000, 1 },
		{ NULL, "HOST=127.0.0.1", NULL, VALUE_ONE, 4000, 1 },
		{ NULL, "HOST=localhost PORT=0", NULL, VALUE_LOCALHOST, 0, 1 },
		{ NULL, "HOST=::", NULL, VALUE_EVERY, 4000, 1 },
		{ NULL, "HOST=0.0.0.0", NULL, VALUE_ONE, 4000, 1 },
		{ "--listen 4500", "HOST=10.0.0.1 PORT=1", NULL, VALUE_EVERY,
		    4500, 1 },
		{ "--listen [::1]:4500", "", NULL, VALUE_ONE, 4500, 1 },
		{ "--listen=:4500 --listen=127.0.0.1:1", "", NULL,
		    VALUE_EVERY, 4500, 2 },
		{ NULL, "PORT=5000", "{\"listen\":\"10.0.0.1:9\"}",
		    VALUE_ONE, 5000, 1 },
		{ NULL, "", "{\"listen\":[\"127.0.0.1:9\",\"8\"]}", VALUE_ONE,
		    9, 2 },
		{ "--listen 1.2.3.4:4100=web", "", "{\"listen\":\"*:9\"}",
		    VALUE_EVERY, 9, 2 },
		{ "--listen 1.2.3.4:4100=web", "",
		    "{\"listen\":[\"*:9\",\"*:10=x\"]}", VALUE_EVERY, 9, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		char env[200];

		snprintf(env, sizeof env, PW " %s", t[i].env);
		expect_ok(t[i].env, load(CONF_RELAY, t[i].args, env,
		    t[i].file));
		assert_int_equal(relay.listens[0].where, t[i].where);
		assert_int_equal(relay.listens[0].addr.port, t[i].port);
		assert_int_equal(relay.nlistens, t[i].n);
	}
	assert_true(relay.listens[1].named);
	assert_text(relay.listens[1].name, "web");
	assert_int_equal(relay.nmain, 1);
}

static const struct bad {
	enum conf_role role;
	const char *args, *env, *file, *want;
} bads[] = {
	{ CONF_RELAY, "--domian x", PW, NULL,
	    "unknown option \"--domian\"; did you mean \"--domain\"?" },
	{ CONF_RELAY, "--app_ports 1-2", PW, NULL,
	    "did you mean \"--app-ports\"?" },
	{ CONF_RELAY, "--zzzzzz", PW, NULL, "unknown option \"--zzzzzz\"" },
	{ CONF_RELAY, "--relay http://a", PW, NULL,
	    "--relay: a setting of the agent, not of the relay" },
	{ CONF_AGENT, "--no-login", PW, NULL,
	    "--no-login: a setting of the relay, not of the agent" },
	{ CONF_RELAY, "serve", PW, NULL, "unexpected argument \"serve\"" },
	{ CONF_RELAY, "--", PW, NULL, "unexpected argument \"--\"" },
	{ CONF_RELAY, "--domain", PW, NULL, "--domain: needs a value" },
	{ CONF_RELAY, "--domain --check", PW, NULL,
	    "--domain: needs a value" },
	{ CONF_RELAY, "--domain=", PW, NULL, "--domain: the value is empty" },
	{ CONF_RELAY, "--check=yes", PW, NULL, "--check: takes no value" },
	{ CONF_RELAY, "--root a --root b", PW, NULL, "--root: given twice" },
	{ CONF_RELAY, "--memory 1x", PW, NULL,
	    "--memory \"1x\": want a size such as 48m or 48MiB" },
	{ CONF_RELAY, "--memory 1m", PW, NULL,
	    "--memory \"1m\": want 4MiB to 64GiB" },
	{ CONF_RELAY, "--memory 99999999999999999999g", PW, NULL,
	    "want a size" },
	{ CONF_RELAY, "--max-agents 0", PW, NULL,
	    "--max-agents \"0\": want 1 to 256" },
	{ CONF_RELAY, "--max-agents -1", PW, NULL, "want 1 to 256" },
	{ CONF_RELAY, "--head-timeout 10", PW, NULL, "want a time with its" },
	{ CONF_RELAY, "--head-timeout 10ms", PW, NULL, "want 100ms to 1h" },
	{ CONF_RELAY, "--max-connections 5 --max-per-address 6", PW, NULL,
	    "max-per-address is more than max-connections" },
	{ CONF_RELAY, NULL, "HOST=my-laptop " PW, NULL,
	    "HOST \"my-laptop\": want a numeric address" },
	{ CONF_RELAY, NULL, "RELAY_PORT=tcp://10.0.0.1:4000 " PW, NULL,
	    "RELAY_PORT \"tcp://10.0.0.1:4000\": want 0 to 65535" },
	{ CONF_RELAY, NULL, "PORT=65536 " PW, NULL,
	    "PORT \"65536\": want 0 to 65535" },
	{ CONF_RELAY, "--listen ::1:4000", PW, NULL, "needs brackets" },
	{ CONF_RELAY, "--listen host.example:4000", PW, NULL,
	    "a name is not looked up to listen" },
	{ CONF_RELAY, "--listen 127.0.0.1:", PW, NULL, "want ADDR:PORT" },
	{ CONF_RELAY, "--listen 4000=Web", PW, NULL, "after = want" },
	{ CONF_RELAY, "--app-ports 4200-4100", PW, NULL,
	    "ends before it begins" },
	{ CONF_RELAY, "--app-ports 4000-4010", PW, NULL,
	    "listened on already" },
	{ CONF_RELAY, "--app-ports 4100-4400", PW, NULL, "too many ports" },
	{ CONF_RELAY, "--root a--b--c", PW, NULL, "want NAME or NAME--AGENT" },
	{ CONF_RELAY, "--reserve api", PW, NULL, "want a path prefix" },
	{ CONF_RELAY, "--reserve /a?b", PW, NULL, "no blanks, ?, #" },
	{ CONF_RELAY, "--public web", PW, NULL, "want AGENT/APP" },
	{ CONF_RELAY, "--public-url relay.example", PW, NULL, "want a URL" },
	{ CONF_RELAY, "--public-url ftp://relay.example", PW, NULL,
	    "want a URL" },
	{ CONF_RELAY, "--domain https://a.example", PW, NULL,
	    "want a host name" },
	{ CONF_RELAY, "--app-domain 10.0.0.1", PW, NULL, "want a host name" },
	{ CONF_RELAY, "--trust-proxy 1", PW, NULL, "want true, false" },
	{ CONF_RELAY, "--trust-proxy 10.0.0.0/33", PW, NULL,
	    "at most 32 bits" },
	{ CONF_RELAY, "--trust-proxy 0.0.0.0/0", PW, NULL,
	    "would believe everybody" },
	{ CONF_RELAY, "--trust-proxy true,,private", PW, NULL, "want true" },
	{ CONF_RELAY, "--password-cost 14", NULL, NULL, "want 15 to 17" },
	{ CONF_RELAY, "--no-login", PW, NULL, "choose one of them" },
	{ CONF_RELAY, NULL, "RELAY_PASSWORD=short", NULL,
	    "RELAY_PASSWORD: too short: 8 bytes at least" },
	{ CONF_RELAY, NULL, "RELAY_PASSWORD=ChangeMe!", NULL,
	    "a value from documentation" },
	{ CONF_RELAY, NULL, PW " JWT_SECRET=31-bytes-are-not-enough-for-it",
	    NULL, "JWT_SECRET: too short: 32 bytes at least" },
	{ CONF_RELAY, NULL, PW " RELAY_TOKEN=fifteen-bytes-x", NULL,
	    "RELAY_TOKEN: too short: 16 bytes at least" },
	{ CONF_RELAY, NULL, PW " RELAY_TOKEN=your-secret-token-here", NULL,
	    "a value from documentation" },
	{ CONF_RELAY, "--password geheimnis-1", NULL, NULL,
	    "--password: everybody on this machine" },
	/* what this version does not do */
	{ CONF_RELAY, "--tls-key a.pem", PW, NULL,
	    "--tls-key \"a.pem\": a key without a --tls-cert" },
	{ CONF_RELAY, "--tls-cert a --tls-cert b --tls-key c", PW, NULL,
	    "tls-key: give one for each tls-cert" },
	{ CONF_RELAY, "--listen-http 80", PW, NULL,
	    "which needs --tls-cert" },
	{ CONF_RELAY, NULL, PW " TUNNEL_REGISTRATION_API_KEY=x", NULL,
	    "TUNNEL_REGISTRATION_API_KEY: too short: 32 bytes" },
	{ CONF_RELAY, NULL, PW " TUNNEL_REGISTRATION_API_KEY="
	    "your-key-here-your-key-here-your-key", NULL,
	    "TUNNEL_REGISTRATION_API_KEY: a value from documentation" },
	{ CONF_RELAY, NULL, PW " WS_PATH=/api/ws", NULL,
	    "WS_PATH \"/api/ws\": begins like a path of the relay's own" },
	{ CONF_RELAY, NULL, PW " WS_PATH=ws", NULL,
	    "WS_PATH \"ws\": want a path such as /ws" },
	{ CONF_RELAY, "--channel-message 51m", PW, NULL,
	    "--channel-message \"51m\":" },
	{ CONF_RELAY, NULL, PW " WEB_CLIENT_PATH=/srv", NULL,
	    "--root" },
	{ CONF_RELAY, "--channel-key x", PW, NULL,
	    "--channel-key: everybody on this machine" },
	{ CONF_RELAY, NULL, PW, "{\"tls_key\":\"k.pem\"}",
	    "adit.json:1: tls_key \"k.pem\": a key without" },
	{ CONF_RELAY, NULL, PW, "{\"sandbox\":\"maybe\"}",
	    "adit.json:1: sandbox \"maybe\": want on, seccomp or off" },
	{ CONF_AGENT, "--relay https://r.example", "RELAY_TOKEN=abcdefghijklmn",
	    NULL, "RELAY_TOKEN: too short" },
	{ CONF_AGENT, "--relay https://192.0.2.1",
	    "RELAY_TOKEN=Zaunkoenig-am-Bach", NULL,
	    "--relay \"https://192.0.2.1\": an address cannot be checked" },
	{ CONF_AGENT, "--relay http://r.example --pin sha256:AAAAAAAAAAAAAAAA"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "RELAY_TOKEN=Zaunkoenig-am-Bach",
	    NULL, "a pin is for https" },
	{ CONF_AGENT, "--pin sha256:AAAA", NULL, NULL, "want sha256: and 44" },
	{ CONF_AGENT, "--proxy https://p:1", NULL, NULL, "--proxy: a proxy" },
	{ CONF_AGENT, "--proxy p", NULL, NULL, "--proxy: want http://" },
	{ CONF_AGENT, "--relay https://r.example",
	    "RELAY_TOKEN=Zaunkoenig-am-Bach HTTPS_PROXY=http://u:%zz@p:1",
	    NULL, "a malformed %XX" },
	{ CONF_AGENT, "--app ssh=tcp://127.0.0.1:22", NULL, NULL,
	    "not in this version: tcp apps" },
	/* the agent */
	{ CONF_AGENT, NULL, "RELAY_TOKEN=Zaunkoenig-am-Bach", NULL,
	    "no relay: give its URL" },
	{ CONF_AGENT, "--relay http://r.example", NULL, NULL,
	    "no token: set RELAY_TOKEN" },
	{ CONF_AGENT, "--relay r.example", NULL, NULL, "want a URL" },
	{ CONF_AGENT, "--relay http://r.example/?a", NULL, NULL,
	    "has no query" },
	{ CONF_AGENT, "--relay http://u@r.example", NULL, NULL, "want a URL" },
	{ CONF_AGENT, "--name Foo", NULL, NULL, "want a-z, 0-9 and -" },
	{ CONF_AGENT, "--name a--b", NULL, NULL, "no --" },
	{ CONF_AGENT, "--app http://127.0.0.1:3000", NULL, NULL,
	    "without http://" },
	{ CONF_AGENT, "--app 65536", NULL, NULL, "want PORT, HOST:PORT" },
	{ CONF_AGENT, "--app 0", NULL, NULL, "want PORT, HOST:PORT" },
	{ CONF_AGENT, "--app localhost", NULL, NULL, "want PORT, HOST:PORT" },
	{ CONF_AGENT, "--app W=1", NULL, NULL, "want a-z, 0-9" },
	{ CONF_AGENT, "--app a=1,", NULL, NULL, "want the options" },
	{ CONF_AGENT, "--app a=1,,public", NULL, NULL, "want the options" },
	{ CONF_AGENT, "--app a=1,host=other", NULL, NULL, "host=app" },
	{ CONF_AGENT, "--app a=1,origin=https://x/y", NULL, NULL,
	    "want origin=" },
	{ CONF_AGENT, "--app a=1,origin=ws://x", NULL, NULL, "want origin=" },
	{ CONF_AGENT, "--app unix:relative", NULL, NULL, "want unix:/PATH" },
	{ CONF_AGENT, "--app 1 --app 2", NULL, NULL, "two apps of the same" },
	{ CONF_AGENT, "--relay http://r --token Zaunkoenig-am-Bach "
	    "--token-file t", NULL, NULL, "choose one of them" },
	/* the file */
	{ CONF_RELAY, NULL, PW, "", "adit.json:1: not JSON" },
	{ CONF_RELAY, NULL, PW, "{\n\"domain\":\n\"a\",}",
	    "adit.json:3: not JSON" },
	{ CONF_RELAY, NULL, PW, "\n[]", "adit.json:1: want one JSON object" },
	{ CONF_RELAY, NULL, PW, "{\"root\":\"a\",\n\"ro\\u006ft\":\"b\"}",
	    "adit.json:2: root: given twice" },
	{ CONF_RELAY, NULL, PW, "{\n\n\"app_prots\":\"1-2\"}",
	    "adit.json:3: unknown key \"app_prots\"; did you mean "
	    "\"app_ports\"?" },
	{ CONF_RELAY, NULL, PW, "{\"\\u0000\\n\":1}", "unknown key \"" },
	{ CONF_RELAY, NULL, PW, "{\"max_agents\":\"8\"}",
	    "adit.json:1: max_agents: want a number" },
	{ CONF_RELAY, NULL, PW, "{\"max_agents\":1e1}",
	    "max_agents \"1e1\": want 1 to 256" },
	{ CONF_RELAY, NULL, PW, "{\"no_login\":\"yes\"}",
	    "want true or false" },
	{ CONF_RELAY, NULL, PW, "{\"domain\":null}", "want a string" },
	{ CONF_RELAY, NULL, PW, "{\"domain\":\"a\\u0000b\"}",
	    "control bytes are not allowed" },
	{ CONF_RELAY, NULL, PW, "{\"data\":\"\"}", "the value is empty" },
	{ CONF_RELAY, NULL, PW, "{\"reserve\":[\"/a\",[\"/b\"]]}",
	    "reserve: want a string" },
	{ CONF_RELAY, NULL, PW, "{\"head_timeout\":10}",
	    "want a string with a unit" },
	{ CONF_RELAY, NULL, NULL, "{\"password\":\"abc\"}",
	    "adit.json:1: password: too short" },
	{ CONF_RELAY, NULL, PW, "{\"app\":\"3000\"}",
	    "adit.json:1: app: a setting of the agent, not of the relay" },
	{ CONF_START, NULL, PW, "{\"app\":\"3000\"}",
	    "counts only in a file named by --config" },
};

static void
mistakes_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
		const struct bad *b = &bads[i];

		if (load(b->role, b->args, b->env, b->file))
			fail_msg("accepted: %s %s %s", b->args, b->env,
			    b->file);
		expect_error(b->args != NULL ? b->args : "", b->want);
	}
}

static void
secrets_are_taken_out_of_where_they_stood(void **state)
{
	static const char token[] = "Zaunkoenig-am-Bach";
	char text[] = "{\"relay\":\"http://r\",\n"
	    "\"relay_token\":\"Zaunk\\u006fenig-am-Bach\"}";

	(void)state;
	expect_ok("flag", load(CONF_AGENT,
	    "--relay http://r --token Zaunkoenig-am-Bach", NULL, NULL));
	assert_text(secret_bytes(&agent.cfg.token), token);
	for (size_t i = 0; i < sizeof words_area[0] - sizeof token; i++)
		assert_memory_not_equal(words_area[0] + i, token,
		    sizeof token - 1);
	expect_ok("env", load(CONF_AGENT, "--relay http://r",
	    "RELAY_TOKEN=Zaunkoenig-am-Bach", NULL));
	assert_text(secret_bytes(&agent.cfg.token), token);
	for (size_t i = 0; i < sizeof words_area[1] - sizeof token; i++)
		assert_memory_not_equal(words_area[1] + i, token,
		    sizeof token - 1);
	split(1, "");
	conf_init(&conf, CONF_AGENT);
	conf.file_asked = true;
	assert_true(conf_file(&conf, (uint8_t *)text, sizeof text - 1));
	assert_text(secret_bytes(&conf.token), token);
	assert_null(strstr(text, "Bach"));
	for (size_t i = 0; i < 64; i++)
		assert_memory_not_equal(conf.text + i, "Bach", 4);
}

static void
no_error_shows_a_secret(void **state)
{
	static const char *const envs[] = {
		"RELAY_PASSWORD=Grau7", "RELAY_TOKEN=Grau7",
		"JWT_SECRET=Grau7",
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_false(load(CONF_RELAY, NULL, envs[i], NULL));
		assert_null(memmem(conf.error.p, conf.error.n, "Grau7", 5));
	}
	assert_false(load(CONF_RELAY, "--password=Grau7", NULL, NULL));
	assert_null(memmem(conf.error.p, conf.error.n, "Grau7", 5));
	assert_false(load(CONF_AGENT, "--token Grau7", NULL, NULL));
	assert_null(memmem(conf.error.p, conf.error.n, "Grau7", 5));
	assert_false(load(CONF_RELAY, NULL, NULL,
	    "{\"jwt_secret\":\"Grau7\"}"));
	assert_null(memmem(conf.error.p, conf.error.n, "Grau7", 5));
}

static void
errors_are_one_printable_line(void **state)
{
	static const char *const args[] = {
		"--\033[2J", "--domain \033[31mred", "\x01\x02",
		"--domain a\nb", "--app \xff\xfe=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof args / sizeof args[0]; i++) {
		assert_false(load(i == 4 ? CONF_AGENT : CONF_RELAY, args[i],
		    PW, NULL));
		for (size_t j = 0; j < conf.error.n; j++)
			assert_true(conf.error.p[j] >= 0x20 &&
			    conf.error.p[j] < 0x7f);
	}
}

static void
apps_are_read_as_they_are_written(void **state)
{
	static const struct {
		const char *arg, *name, *host, *path, *origin;
		unsigned port;
		bool host_app, is_public;
	} t[] = {
		{ "3000", "app", "127.0.0.1", "", "", 3000, false, false },
		{ "web=5173", "web", "127.0.0.1", "", "", 5173, false, false },
		{ "localhost:80", "app", "localhost", "", "", 80, 0, 0 },
		{ "a-1=[::1]:8080", "a-1", "::1", "", "", 8080, 0, 0 },
		{ "db=lab.example.org:1", "db", "lab.example.org", "", "", 1,
		    0, 0 },
		{ "unix:/run/web.sock", "app", "", "/run/web.sock", "", 0, 0,
		    0 },
		{ "w=unix:/run/a=b", "w", "", "/run/a=b", "", 0, 0, 0 },
		{ "unix:/run/a=b", "app", "", "/run/a=b", "", 0, 0, 0 },
		{ "w=1,host=app,public", "w", "127.0.0.1", "", "", 1, true,
		    true },
		{ "w=1,origin=https://x.example:8443", "w", "127.0.0.1", "",
		    "https://x.example:8443", 1, 0, 0 },
		{ "1,public", "app", "127.0.0.1", "", "", 1, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct agent_app app;
		struct slice s = guard_put(t[i].arg, strlen(t[i].arg));
		const char *why = value_app(&app, s);

		if (why != NULL)
			fail_msg("%s: %s", t[i].arg, why);
		assert_text(app.name, t[i].name);
		assert_text(app.host, t[i].host);
		assert_text(app.path, t[i].path);
		assert_text(app.origin, t[i].origin);
		assert_int_equal(app.port, t[i].port);
		assert_int_equal(app.host_app, t[i].host_app);
		assert_int_equal(app.is_public, t[i].is_public);
		guard_free(s);
	}
}

static void
relay_urls_lead_to_the_tunnel(void **state)
{
	static const struct {
		const char *url, *host, *authority, *path;
		unsigned port;
	} t[] = {
		{ "http://r.example", "r.example", "r.example", "/tunnel", 80 },
		{ "http://r.example/", "r.example", "r.example", "/tunnel",
		    80 },
		{ "ws://r.example:4000/tunnel", "r.example", "r.example:4000",
		    "/tunnel", 4000 },
		{ "WS://[::1]:4000/x/tunnel/", "::1", "[::1]:4000",
		    "/x/tunnel", 4000 },
		{ "http://10.0.0.1/pre//", "10.0.0.1", "10.0.0.1",
		    "/pre/tunnel", 80 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		char args[200];

		snprintf(args, sizeof args, "--relay %s", t[i].url);
		expect_ok(t[i].url, load(CONF_AGENT, args,
		    "RELAY_TOKEN=Zaunkoenig-am-Bach", NULL));
		assert_text(agent.cfg.relay_host, t[i].host);
		assert_text(agent.cfg.relay_authority, t[i].authority);
		assert_text(agent.cfg.relay_path, t[i].path);
		assert_int_equal(agent.cfg.relay_port, t[i].port);
	}
	assert_true(url_name_ok(agent.cfg.name));
}

static void
token_file_has_its_place_in_the_order(void **state)
{
	(void)state;
	expect_ok("flag beats env", load(CONF_AGENT,
	    "--relay http://r --token-file t",
	    "RELAY_TOKEN=Zaunkoenig-am-Bach", NULL));
	assert_text(agent.token_file, "t");
	expect_ok("env beats file", load(CONF_AGENT,
	    "--relay http://r --config c",
	    "RELAY_TOKEN=Zaunkoenig-am-Bach", "{\"token_file\":\"t\"}"));
	assert_int_equal(agent.token_file.n, 0);
}

static void
lists_and_limits_arrive(void **state)
{
	(void)state;
	expect_ok("lists", load(CONF_RELAY,
	    "--reserve /api/auth/ --reserve /x --public box/hook "
	    "--trust-proxy true,10.0.0.0/8,fd00::1 --memory 64MiB "
	    "--session-ttl 1h --head-timeout 2s --public-url wss://h/p// "
	    "--max-agents 7 --app-ports 4100-4199", PW, NULL));
	assert_int_equal(relay.cfg.nreserve, 2);
	assert_text(relay.cfg.reserve[1], "/x");
	assert_text(relay.cfg.publics[0], "box/hook");
	assert_int_equal(relay.cfg.ntrust, 4);
	assert_int_equal(relay.cfg.trust[3].bits, 128);
	assert_int_equal(relay.cfg.memory_bytes, 64 << 20);
	assert_int_equal(relay.cfg.session_ttl_s, 3600);
	assert_int_equal(relay.cfg.head_ms, 2000);
	assert_text(relay.cfg.public_url, "https://h/p");
	assert_int_equal(relay.cfg.max_agents, 7);
	assert_int_equal(relay.port_first, 4100);
	assert_int_equal(relay.port_last, 4199);
	expect_ok("json", load(CONF_RELAY, NULL, PW,
	    "{\"trust_proxy\":true,\"memory\":67108864,\"max_agents\":7,"
	    "\"no_login\":false}"));
	assert_int_equal(relay.cfg.ntrust, 2);
	assert_int_equal(relay.cfg.memory_bytes, 64 << 20);
	expect_ok("start", load(CONF_START, "--memory 96m --app 3000", PW,
	    NULL));
	assert_int_equal(relay.cfg.memory_bytes, 64 << 20);
	assert_int_equal(agent.cfg.memory_bytes, 32 << 20);
	expect_ok("open", load(CONF_RELAY, "--no-login", NULL, NULL));
	assert_true(relay.cfg.no_login);
}

static void
sizes_and_times_come_back(void **state)
{
	static const uint64_t values[] = { 1, 999, 1000, 1024, 4096, 60000,
		3600000, 86400000, 48 << 20, (uint64_t)3 << 30, 1234567 };

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		uint8_t area[64];
		struct buf b = BUF_ON(area);
		uint64_t v = 0;

		value_put_size(&b, values[i]);
		assert_true(value_size(buf_slice(&b), &v));
		assert_int_equal(v, values[i]);
		buf_reset(&b);
		value_put_time(&b, values[i]);
		assert_true(value_time(buf_slice(&b), &v));
		assert_int_equal(v, values[i]);
	}
}

static void
the_nearest_name_is_near(void **state)
{
	(void)state;
	assert_int_equal(near_distance(SL("abc"), SL("abc")), 0);
	assert_int_equal(near_distance(SL("app_ports"), SL("app-ports")), 0);
	assert_int_equal(near_distance(SL("app-prots"), SL("app-ports")), 1);
	assert_int_equal(near_distance(SL(""), SL("abc")), 3);
	assert_int_equal(near_distance(SL("kitten"), SL("sitting")), 3);
	assert_true(near_distance(SL("01234567890123456789012345678901234567"
	    "890"), SL("a")) == SIZE_MAX);
	assert_false(near_enough(SL("zz"), 2));
}

static void
too_much_is_refused(void **state)
{
	static char args[8000];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 65; i++)
		n += (size_t)snprintf(args + n, sizeof args - n,
		    "--app a%d=%d ", i, i + 1);
	assert_false(load(CONF_AGENT, args, NULL, NULL));
	expect_error("apps", "too many apps");
	n = 0;
	for (int i = 0; i < 390; i++)
		n += (size_t)snprintf(args + n, sizeof args - n,
		    "--reserve=/%d ", i);
	assert_false(load(CONF_RELAY, args, PW, NULL));
	expect_error("items", "too many values");
	n = 0;
	for (int i = 0; i < 65; i++)
		n += (size_t)snprintf(args + n, sizeof args - n,
		    "--listen=%d ", i + 1);
	assert_false(load(CONF_RELAY, args, PW, NULL));
	expect_error("listens", "too many places");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_proxy_is_read_as_others_read_it),
		cmocka_unit_test(defaults_are_those_of_the_help),
		cmocka_unit_test(every_row_is_documented_and_spelled_once),
		cmocka_unit_test(help_names_every_setting),
		cmocka_unit_test(flag_beats_environment_beats_file),
		cmocka_unit_test(an_empty_variable_is_not_set),
		cmocka_unit_test(what_is_beaten_is_checked_all_the_same),
		cmocka_unit_test(listening_is_composed_of_its_halves),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(secrets_are_taken_out_of_where_they_stood),
		cmocka_unit_test(no_error_shows_a_secret),
		cmocka_unit_test(errors_are_one_printable_line),
		cmocka_unit_test(apps_are_read_as_they_are_written),
		cmocka_unit_test(relay_urls_lead_to_the_tunnel),
		cmocka_unit_test(token_file_has_its_place_in_the_order),
		cmocka_unit_test(lists_and_limits_arrive),
		cmocka_unit_test(sizes_and_times_come_back),
		cmocka_unit_test(the_nearest_name_is_near),
		cmocka_unit_test(too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
