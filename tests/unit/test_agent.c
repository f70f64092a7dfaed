/*
 * The agent in a virtual world: dialling and giving up, sessions and their
 * ends, streams and their apps. Each test ends with a stopped agent that has
 * no descriptor open and no block taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent_rig.h"

enum { SEEDS = 12 };

/* ---- dialling ---- */

static void
dials_says_hello_and_serves(void **state)
{
	struct rig rig;
	struct rconn *c;
	struct world_cfg wc = world_gentle(1);

	(void)state;
	rig_new(&rig, &wc);
	rig.cfg.tunnel_id = SL("oldoldoldold");
	rig_app(&rig, "web", "127.0.0.1:3000", ECHO);
	c = rig_serve(&rig);
	assert_true(slice_starts(slice_of(c->head, c->nhead),
	    SL("GET /tunnel HTTP/1.1\r\nHost: relay.test:4000\r\n")));
	assert_non_null(strstr(c->head, "\r\nUpgrade: websocket\r\n"));
	assert_non_null(strstr(c->head, "\r\nConnection: Upgrade\r\n"));
	assert_non_null(strstr(c->head, "\r\nSec-WebSocket-Version: 13\r\n"));
	assert_non_null(strstr(c->head,
	    "\r\nSec-WebSocket-Protocol: adit.tunnel.1\r\n"));
	assert_non_null(strstr(c->head, "\r\nUser-Agent: adit/1.0\r\n"));
	assert_non_null(strstr(c->head,
	    "\r\nAuthorization: Bearer adit_token_for_tests\r\n"));
	assert_string_equal(c->name, "mac");
	assert_true(c->start && c->had_id && c->napps == 1);
	assert_true(world_log_has(rig.w, "resolving host=relay.test"));
	assert_true(world_log_has(rig.w, "connecting address=" RELAY_AT));
	assert_true(world_log_has(rig.w, "connected address=" RELAY_AT));
	assert_true(world_log_has(rig.w, "accepted name=mac"));
	assert_true(world_log_has(rig.w, "url=http://web.test/"));
	assert_false(world_log_has(rig.w, "adit_token_for_tests"));
	rig_end(&rig, 3000);
}

static void
keeps_the_tunnel_id_and_claims_it_again(void **state)
{
	struct rig rig;
	struct rconn *c;
	struct world_cfg wc = world_gentle(2);

	(void)state;
	rig_new(&rig, &wc);
	c = rig_serve(&rig);
	assert_false(c->had_id);
	assert_true(slice_eq(world_file(rig.agent_host, "agent.json"),
	    SL("{\"tunnel_id\":\"" TUNNEL_ID "\"}")));
	/* The same id again is not written again. */
	world_saves_fail(rig.agent_host, true);
	world_run(rig.w, 11000);
	relay_sim_down(&rig.relay);
	relay_sim_up(&rig.relay);
	assert_true(world_until(rig.w, rig_served, &rig, 10000));
	assert_true(rig.relay.conns->had_id);
	assert_false(rig.relay.conns->start);
	assert_false(world_log_has(rig.w, "cannot be saved"));
	rig.relay.tunnel_id = "000000000000";
	relay_sim_down(&rig.relay);
	relay_sim_up(&rig.relay);
	assert_true(world_until(rig.w, rig_served, &rig, 10000));
	assert_true(world_log_has(rig.w, "cannot be saved"));
	rig_end(&rig, 3000);
}

static void
the_hello_tells_apps_options_and_limits(void **state)
{
	struct rig rig;
	struct rconn *c;
	struct world_cfg wc = world_gentle(1);

	(void)state;
	rig_new(&rig, &wc);
	rig_app(&rig, "a", "127.0.0.1:3000", ECHO);
	rig_app(&rig, "b", "[::1]:3001", ECHO);
	rig_app(&rig, "c", "unix:/c", ECHO);
	rig_app(&rig, "d", "127.0.0.1:80", ECHO);
	for (size_t i = 0; i < 3; i++)
		rig.cfg.apps[i].host_app = true;
	rig.cfg.apps[1].is_public = true;
	rig.cfg.apps[2].origin = SL("https://example.org");
	c = rig_serve(&rig);
	assert_string_equal(c->apps[0], "a|127.0.0.1:3000||0");
	assert_string_equal(c->apps[1], "b|[::1]:3001||1");
	assert_string_equal(c->apps[2], "c|localhost|https://example.org|0");
	assert_string_equal(c->apps[3], "d|||0");
	assert_int_equal(c->limits.streams, rig.plan.streams);
	assert_int_equal(c->limits.window, WINDOW_INITIAL);
	rig_end(&rig, 3000);
}

/* Every "retry" line so far, in order; returns how many. */
static size_t
retries(const struct rig *rig, uint64_t *ms, size_t max, const char *lines)
{
	size_t n = 0;

	(void)rig;
	while ((lines = strstr(lines, "in_ms=")) != NULL && n < max) {
		lines += 6;
		ms[n++] = strtoull(lines, NULL, 10);
	}
	return n;
}

static void
check_waits(const uint64_t *ms, const uint64_t *want, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ms[i] > want[i] || ms[i] < want[i] - want[i] / 4)
			fail_msg("wait %zu: %llu, not %llu less a quarter", i,
			    (unsigned long long)ms[i],
			    (unsigned long long)want[i]);
	}
}

static void
waits_longer_and_longer_when_there_is_no_relay(void **state)
{
	static const uint64_t quick[] = { 100, 200, 400, 800, 1600, 3200,
		5000, 5000 };
	struct rig rig;
	uint64_t ms[64], sum = 0;
	size_t n, i = 0;

	(void)state;
	for (uint64_t seed = 1; seed < SEEDS; seed++) {
		uint64_t slow = 5000;
		struct world_cfg wc = world_gentle(seed);

		rig_new(&rig, &wc);
		relay_sim_down(&rig.relay);
		rig_start(&rig);
		world_run(rig.w, 600000);
		n = retries(&rig, ms, 64, world_log_text(rig.w));
		assert_true(n > 16);
		check_waits(ms, quick, 8);
		sum = 0;
		for (i = 0; sum < AGENT_GRACE_MS - 100; i++)
			sum += ms[i];
		/* The first wait after the grace period, give or take one. */
		if (ms[i] > 5000)
			i--;
		for (i++; i < n; i++) {
			slow = min_u64(slow * 2, 60000);
			check_waits(&ms[i], &slow, 1);
		}
		rig_end(&rig, 1);
	}
}

static void
comes_back_at_once_after_good_service(void **state)
{
	static const uint64_t waits[] = { 0, 100, 200, 400, 800, 1600, 2000,
		2000, 2000 };
	struct rig rig;
	uint64_t ms[16], cut_ms;
	struct world_cfg wc = world_gentle(3);

	(void)state;
	rig_new(&rig, &wc);
	rig_serve(&rig);
	world_run(rig.w, AGENT_SERVICE_MS);
	world_log_clear(rig.w);
	cut_ms = world_now(rig.w);
	world_cut(rig.w, rig.agent_host, NULL);
	assert_true(world_until(rig.w, rig_served, &rig, 1000));
	assert_true(rig.relay.conns->came_ms - cut_ms <= 50);
	assert_int_equal(rig.relay.nconns, 2);
	assert_true(world_log_has(rig.w, "cut why="));
	/* At most 2 s apart while the session may be parked. */
	world_run(rig.w, AGENT_SERVICE_MS);
	relay_sim_down(&rig.relay);
	world_log_clear(rig.w);
	world_run(rig.w, 10000);
	assert_true(retries(&rig, ms, 16, world_log_text(rig.w)) >= 9);
	check_waits(ms, waits, 9);
	relay_sim_up(&rig.relay);
	assert_true(world_until(rig.w, rig_served, &rig, 2100));
	rig_end(&rig, 3000);
}

static void
a_short_session_does_not_start_the_backoff_over(void **state)
{
	static const uint64_t waits[] = { 100, 200, 400, 800, 1600, 3200 };
	struct rig rig;
	uint64_t ms[16];
	struct world_cfg wc = world_gentle(4);

	(void)state;
	rig_new(&rig, &wc);
	rig_serve(&rig);
	for (int i = 0; i < 6; i++) {
		world_run(rig.w, 300);
		world_cut(rig.w, rig.agent_host, NULL);
		world_run(rig.w, 1);
		assert_true(world_until(rig.w, rig_served, &rig, 10000));
	}
	assert_int_equal(retries(&rig, ms, 16, world_log_text(rig.w)), 6);
	check_waits(ms, waits, 6);
	rig_end(&rig, 3000);
}

static void
dials_now_when_told(void **state)
{
	struct rig rig;
	uint64_t dials;
	struct world_cfg wc = world_gentle(5);

	(void)state;
	rig_new(&rig, &wc);
	relay_sim_down(&rig.relay);
	rig_start(&rig);
	world_run(rig.w, 200000);
	assert_true(agent_stats(rig.agent).waiting);
	dials = agent_stats(rig.agent).dials;
	relay_sim_up(&rig.relay);
	agent_dial_now(rig.agent, world_io(rig.agent_host));
	agent_dial_now(rig.agent, world_io(rig.agent_host));
	assert_true(world_until(rig.w, rig_served, &rig, 100));
	assert_int_equal(agent_stats(rig.agent).dials, dials + 1);
	agent_dial_now(rig.agent, world_io(rig.agent_host));
	world_run(rig.w, 1000);
	assert_int_equal(agent_stats(rig.agent).dials, dials + 1);
	rig_end(&rig, 3000);
}

static void
resolves_the_name_at_each_try(void **state)
{
	struct rig rig;
	struct world_cfg wc = world_gentle(6);

	(void)state;
	rig_new(&rig, &wc);
	world_name(rig.w, "relay.test", NULL);
	rig_start(&rig);
	world_run(rig.w, 500);
	assert_true(world_log_has(rig.w, "cannot be resolved"));
	world_name(rig.w, "relay.test", "203.0.113.9");
	world_fate(rig.w, "203.0.113.9:4000", FATE_UNREACHABLE);
	world_run(rig.w, 1000);
	assert_true(world_log_has(rig.w, "the address cannot be reached"));
	world_fate(rig.w, "203.0.113.9:4000", FATE_REFUSED);
	world_run(rig.w, 3000);
	assert_true(world_log_has(rig.w, "the address refuses"));
	world_name(rig.w, "relay.test", NULL);
	world_name(rig.w, "relay.test", RELAY_IP);
	assert_true(world_until(rig.w, rig_served, &rig, 5000));
	rig_end(&rig, 3000);
}

static void
tries_all_addresses_in_turn(void **state)
{
	struct rig rig;
	struct world_cfg wc = world_gentle(7);
	uint64_t began;

	(void)state;
	rig_new(&rig, &wc);
	world_name(rig.w, "relay.test", NULL);
	world_name(rig.w, "relay.test", "2001:db8::9");
	world_name(rig.w, "relay.test", "203.0.113.9");
	world_name(rig.w, "relay.test", RELAY_IP);
	world_fate(rig.w, "[2001:db8::9]:4000", FATE_SILENCE);
	world_fate(rig.w, "203.0.113.9:4000", FATE_REFUSED);
	began = world_now(rig.w);
	rig_start(&rig);
	assert_true(world_until(rig.w, rig_served, &rig, 5000));
	assert_true(world_now(rig.w) - began >= AGENT_ADDRESS_MS);
	assert_true(world_now(rig.w) - began < AGENT_ADDRESS_MS + 100);
	assert_int_equal(agent_stats(rig.agent).dials, 1);
	rig_end(&rig, 3000);
}

static void
gives_up_a_silent_address_and_a_silent_resolver(void **state)
{
	struct rig rig;
	struct world_cfg wc = world_gentle(8);

	(void)state;
	rig_new(&rig, &wc);
	world_fate(rig.w, RELAY_AT, FATE_SILENCE);
	rig_start(&rig);
	world_run(rig.w, AGENT_CONNECT_MS - 100);
	assert_int_equal(world_log_count(rig.w, "dial failed"), 0);
	world_run(rig.w, 200);
	assert_true(world_log_has(rig.w, "the relay does not answer"));
	world_fate(rig.w, RELAY_AT, FATE_NONE);
	world_resolve_ms(rig.w, 3600000);
	world_log_clear(rig.w);
	world_run(rig.w, 2 * AGENT_CONNECT_MS + AGENT_RESOLVE_MS);
	assert_true(world_log_has(rig.w, "the resolver does not answer"));
	world_resolve_ms(rig.w, 1);
	assert_true(world_until(rig.w, rig_served, &rig, 25000));
	rig_end(&rig, 3000);
}

static void
by_https_the_token_waits_for_the_relay_to_be_verified(void **state)
{
	struct rig rig;
	struct world_cfg wc = world_gentle(40);

	(void)state;
	rig_new(&rig, &wc);
	rig.cfg.secure = true;
	rig.cfg.tls_host = SL("relay.test");
	world_tls(rig.w, 4, "the certificate has expired");
	rig_start(&rig);
	world_run(rig.w, 60);
	assert_true(world_log_has(rig.w, "the certificate has expired"));
	assert_true(world_log_has(rig.w, "retry"));
	assert_int_equal(rig.relay.conns->nhead, 0);
	assert_string_equal(world_tls_host(rig.w), "relay.test");
	world_tls(rig.w, 3600000, NULL);
	world_run(rig.w, AGENT_SECURE_MS + 3000);
	assert_true(world_log_has(rig.w, "no TLS handshake in time"));
	for (struct rconn *c = rig.relay.conns; c != NULL; c = c->next)
		assert_int_equal(c->nhead, 0);
	world_tls(rig.w, 4, NULL);
	assert_true(world_until(rig.w, rig_served, &rig, 20000));
	rig_end(&rig, 3000);
}

static void
a_proxy_is_asked_first(void **state)
{
	static const struct { const char *answer, *logged; } bad[] = {
		{ "HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n",
		    "USER:PASSWORD@HOST:PORT" },
		{ "HTTP/1.1 403 x\r\n\r\n", "does not allow" },
		{ "HTTP/1.1 502 x\r\n\r\n", "cannot reach the relay" },
		{ "HTTP/1.1 404 x\r\n\r\n", "refused to connect" },
		{ "HTTP/1.1 200 x\r\n\r\nmore", "not one to CONNECT" },
		{ "SSH-2.0\r\n", "not one to CONNECT" },
		{ NULL, "no answer of the proxy in time" },
	};
	struct proxy_sim proxy;
	struct rstream *s;
	struct rig rig;

	(void)state;
	for (size_t i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
		struct world_cfg wc = world_gentle(i);

		rig_new(&rig, &wc);
		rig_app(&rig, "web", "127.0.0.1:3000", ECHO);
		proxy_sim_up(&proxy, rig.w);
		rig.cfg.secure = true;
		rig.cfg.tls_host = SL("relay.test");
		rig.cfg.proxy_host = SL("203.0.113.77");
		rig.cfg.proxy_port = 3128;
		assert_true(secret_set(&rig.cfg.proxy_login, SL("a:b")));
		if (i < sizeof bad / sizeof bad[0]) {
			proxy.answer = bad[i].answer;
			rig_start(&rig);
			world_run(rig.w, bad[i].answer == NULL ?
			    AGENT_UPGRADE_MS + 100 : 90);
			if (!world_log_has(rig.w, bad[i].logged))
				fail_msg("%zu: %s\n%s", i, bad[i].logged,
				    world_log_text(rig.w));
			assert_true(world_log_has(rig.w, "retry"));
			assert_true(rig.relay.conns == NULL ||
			    rig.relay.conns->nhead == 0);
			rig_end(&rig, 2000);
			continue;
		}
		rig_serve(&rig);
		assert_string_equal(proxy.head, "CONNECT relay.test:4000 "
		    "HTTP/1.1\r\nHost: relay.test:4000\r\n"
		    "Proxy-Authorization: Basic YTpi\r\n\r\n");
		s = relay_sim_open(rig.relay.conns, "web", 50000, true);
		world_run(rig.w, 2000);
		assert_true(s->closed && s->in_n == 50000 && !s->in_bad);
		rig_end(&rig, 3000);
	}
}

/* ---- what may come instead of a welcome ---- */

#define JSON_ANSWER(status, n, body)                                    \
	"HTTP/1.1 " status " x\r\nContent-Type: application/json\r\n"   \
	"Content-Length: " n "\r\n\r\n" body
#define SWITCH(rest) "HTTP/1.1 101 Switching Protocols\r\n"             \
	"Upgrade: websocket\r\nConnection: Upgrade\r\n" rest "\r\n"
#define HINT "HTTP/1.1 103 Early Hints\r\n\r\n"
#define TOKEN_BODY "{\"error\":\"Bad token\",\"code\":\"token\"}"
#define NAME_BODY "{\"error\":\"Name taken\",\"code\":\"name\"}"

static const struct refusal {
	const char *answer;
	int exit_code;          /* -1: tried again */
	const char *logged;
	bool hang_up;
} refusals[] = {
	{ JSON_ANSWER("401", "36", TOKEN_BODY), 3, "--token-file", false },
	{ JSON_ANSWER("409", "36", NAME_BODY), 3, "--name", false },
	{ "HTTP/1.1 401 x\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "a\r\n{\"error\":\"\r\n1a;x=y\r\nBad token\",\"code\":\"token\"}"
	    "\r\n0\r\nX: y\r\n\r\n", 3, "--token-file", false },
	{ "HTTP/1.1 401 x\r\nConnection: close\r\n\r\n" TOKEN_BODY, 3,
	    "--token-file", true },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
	    "Link: x\r\n\r\n" JSON_ANSWER("401", "36", TOKEN_BODY), 3,
	    "--token-file", false },
	{ JSON_ANSWER("401", "36", NAME_BODY), -1, "status=401", false },
	{ JSON_ANSWER("409", "36", TOKEN_BODY), -1, "status=409", false },
	{ JSON_ANSWER("403", "36", TOKEN_BODY), -1, "status=403", false },
	{ JSON_ANSWER("401", "30", "{\"error\":false,\"code\":\"token\"}"),
	    -1, "status=401", false },
	{ JSON_ANSWER("401", "17", "<h1>Sign in</h1>\n"), -1,
	    "asks for credentials", false },
	{ "HTTP/1.1 401 x\r\nContent-Length: 99\r\n\r\n{\"error\":", -1,
	    "status=401", true },
	{ "HTTP/1.1 401 x\r\nContent-Length: 99999\r\n\r\n{\"error\":", -1,
	    "status=401", false },
	{ "HTTP/1.1 401 x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", -1,
	    "status=401", false },
	{ "HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n", -1, "status=401",
	    false },
	{ JSON_ANSWER("426", "2", "{}"), -1, "drops Upgrade", false },
	{ JSON_ANSWER("502", "2", "{}"), -1, "status=502", false },
	{ JSON_ANSWER("404", "2", "{}"), -1, "no relay at this URL", false },
	{ JSON_ANSWER("200", "2", "{}"), -1, "no WebSocket there", false },
	{ "HTTP/1.1 301 x\r\nLocation: https://x/\r\nContent-Length: 0\r\n\r\n",
	    -1, "it redirects", false },
	{ SWITCH("Sec-WebSocket-Protocol: adit.tunnel.1\r\n"), -1,
	    "wrong answer to the key", false },
	{ SWITCH("Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
	    "Sec-WebSocket-Protocol: adit.tunnel.1\r\n"), -1,
	    "wrong answer to the key", false },
	{ SWITCH("Sec-WebSocket-Accept: %A\r\nSec-WebSocket-Accept: %A\r\n"
	    "Sec-WebSocket-Protocol: adit.tunnel.1\r\n"), -1,
	    "wrong answer to the key", false },
	{ SWITCH("Sec-WebSocket-Accept: %A\r\n"), -1, "not our subprotocol",
	    false },
	{ SWITCH("Sec-WebSocket-Accept: %A\r\n"
	    "Sec-WebSocket-Protocol: adit.tunnel.2\r\n"), -1,
	    "not our subprotocol", false },
	{ SWITCH("Sec-WebSocket-Accept: %A\r\n"
	    "Sec-WebSocket-Protocol: adit.tunnel.1\r\n"
	    "Sec-WebSocket-Extensions: permessage-deflate\r\n"), -1,
	    "an extension not asked for", false },
	{ "HTTP/1.1 101 x\r\nSec-WebSocket-Accept: %A\r\n"
	    "Sec-WebSocket-Protocol: adit.tunnel.1\r\n\r\n", -1,
	    "101 without upgrade", false },
	{ "SSH-2.0-OpenSSH_9.2\r\n", -1, "not HTTP", false },
	{ "HTTP/1.1 101 x\r\nA: b\nC: d\r\n\r\n", -1, "not HTTP", false },
	{ "HTTP/1.1 101", -1, "closed before the answer was whole", true },
	{ "", -1, "closed before the answer was whole", true },
	{ HINT HINT HINT HINT HINT HINT HINT HINT HINT,
	    -1, "too many interim answers", false },
};

static void
tells_final_refusals_from_the_rest(void **state)
{
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof refusals / sizeof refusals[0]; i++) {
		const struct refusal *f = &refusals[i / 2];
		struct world_cfg wc = i % 2 ? world_rough(i) : world_gentle(i);

		rig_new(&rig, &wc);
		rig.relay.answer = f->answer;
		rig.relay.hang_up = f->hang_up;
		rig.relay.dribble = i % 2;
		rig_start(&rig);
		world_run(rig.w, i % 2 ? 4000 : 60);
		if (!world_log_has(rig.w, f->logged))
			fail_msg("%zu: %s\n%s", i, f->logged,
			    world_log_text(rig.w));
		assert_int_equal(agent_exit_code(rig.agent), f->exit_code);
		assert_int_equal(world_log_has(rig.w, "retry"),
		    f->exit_code < 0);
		assert_false(world_log_has(rig.w, "accepted name="));
		if (f->exit_code >= 0)
			assert_int_equal(rig.relay.nconns, 1);
		rig.relay.answer = NULL;
		rig.relay.hang_up = false;
		if (f->exit_code < 0)
			assert_true(world_until(rig.w, rig_served, &rig,
			    30000));
		rig_end(&rig, 3000);
	}
}

static void
an_endless_answer_is_cut_off(void **state)
{
	struct rig rig;
	char head[18000];
	size_t n;
	struct world_cfg wc = world_gentle(9);

	(void)state;
	n = (size_t)snprintf(head, sizeof head, "HTTP/1.1 101 x\r\nA: ");
	memset(head + n, 'a', sizeof head - 1 - n);
	head[sizeof head - 1] = 0;
	rig_new(&rig, &wc);
	rig.relay.answer = head;
	rig_start(&rig);
	world_run(rig.w, 100);
	assert_true(world_log_has(rig.w, "not HTTP"));
	rig.relay.answer = NULL;
	assert_true(world_until(rig.w, rig_served, &rig, 5000));
	rig_end(&rig, 3000);
}

static void
a_slow_answer_is_waited_for_and_a_missing_one_not(void **state)
{
	struct rig rig;
	struct world_cfg wc = world_gentle(10);

	(void)state;
	rig_new(&rig, &wc);
	rig.relay.dribble = true;
	rig.relay.answer_after_ms = 5000;
	rig_start(&rig);
	assert_true(world_until(rig.w, rig_served, &rig, 6000));
	assert_int_equal(rig.relay.nconns, 1);
	rig.relay.dribble = false;
	rig.relay.answer_after_ms = AGENT_UPGRADE_MS + 1000;
	world_run(rig.w, 10000);
	world_cut(rig.w, rig.agent_host, NULL);
	world_run(rig.w, AGENT_UPGRADE_MS + 200);
	assert_true(world_log_has(rig.w, "no answer to the handshake"));
	rig_end(&rig, 3000);
}

static void
a_missing_welcome_ends_the_dial_after_5_s(void **state)
{
	struct rig rig;
	struct world_cfg wc = world_gentle(11);

	(void)state;
	rig_new(&rig, &wc);
	rig.relay.no_welcome = true;
	rig_start(&rig);
	world_run(rig.w, HELLO_DEADLINE_MS - 100);
	assert_false(world_log_has(rig.w, "dial failed"));
	world_run(rig.w, 300);
	assert_true(world_log_has(rig.w, "no welcome in time"));
	rig.relay.no_welcome = false;
	assert_true(world_until(rig.w, rig_served, &rig, 6000));
	rig_end(&rig, 3000);
}

static const struct {
	const char *welcome;
	int exit_code;
	const char *logged;
} welcomes[] = {
	{ "{\"type\":\"refused\",\"code\":\"replaced\"}", 4, "replaced:" },
	{ "{\"type\":\"refused\",\"code\":\"name\"}", 3, "--name" },
	{ "{\"type\":\"refused\",\"code\":\"limit\"}", -1, "code=limit" },
	{ "{\"type\":\"refused\",\"code\":\"proof\"}", -1, "code=proof" },
	{ "{\"type\":\"welcome\",\"protocol\":2}", -1, "welcome is malformed" },
	{ "[]", -1, "welcome is malformed" },
	{ "{\"type\":\"welcome\",\"protocol\":1,\"tunnel_id\":\"" TUNNEL_ID
	    "\",\"session\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"secret\":"
	    "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"resumed\":false,"
	    "\"received\":0,\"limits\":{\"streams\":16384,\"window\":65536,"
	    "\"session\":1073807360},\"urls\":[]}", -1,
	    "welcome is malformed" },
};

static void
refusals_by_message_are_understood(void **state)
{
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < sizeof welcomes / sizeof welcomes[0]; i++) {
		struct world_cfg wc = world_rough(i);

		rig_new(&rig, &wc);
		rig.relay.welcome = welcomes[i].welcome;
		rig_start(&rig);
		world_run(rig.w, 2000);
		if (!world_log_has(rig.w, welcomes[i].logged))
			fail_msg("%zu\n%s", i, world_log_text(rig.w));
		assert_int_equal(agent_exit_code(rig.agent),
		    welcomes[i].exit_code);
		assert_false(world_log_has(rig.w, "accepted name="));
		rig.relay.welcome = NULL;
		if (welcomes[i].exit_code < 0)
			assert_true(world_until(rig.w, rig_served, &rig,
			    30000));
		rig_end(&rig, 3000);
	}
}

/* ---- sessions and their ends ---- */

static void
close_codes_mean_what_they_say(void **state)
{
	static const struct { enum close_code code; int exit_code; } t[] = {
		{ CLOSE_DONE, -1 }, { CLOSE_PROTOCOL, -1 },
		{ CLOSE_REPLACED, 4 }, { CLOSE_REFUSED, -1 },
		{ CLOSE_EXPIRED, -1 }, { (enum close_code)1001, -1 },
	};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct world_cfg wc = world_rough(i);
		struct app_sim *app;
		struct rconn *c;

		rig_new(&rig, &wc);
		app = rig_app(&rig, "web", "127.0.0.1:3000", STALL);
		c = rig_serve(&rig);
		relay_sim_open(c, "web", 10, false);
		world_run(rig.w, 11000);
		assert_int_equal(app->nconns, 1);
		tunnel_close(&c->t, t[i].code);
		world_run(rig.w, 500);
		assert_int_equal(agent_exit_code(rig.agent), t[i].exit_code);
		/* The stream's app was told at once. */
		assert_true(c->fd < 0);
		app->mode = SINK;
		assert_int_equal(world_fds(app->host), 2);
		world_run(rig.w, 1000);
		if (t[i].exit_code < 0)
			assert_true(world_until(rig.w, rig_served, &rig, 50));
		assert_int_equal(rig.relay.nconns, t[i].exit_code < 0 ? 2 : 1);
		rig_end(&rig, 3000);
	}
}

static void
a_dead_relay_is_noticed_within_15_s(void **state)
{
	struct rig rig;
	struct app_sim *app;
	struct rconn *c;
	struct world_cfg wc = world_gentle(12);

	(void)state;
	rig_new(&rig, &wc);
	app = rig_app(&rig, "web", "127.0.0.1:3000", STALL);
	c = rig_serve(&rig);
	relay_sim_open(c, "web", 10, false);
	world_run(rig.w, 60000);
	assert_false(world_log_has(rig.w, "cut"));
	app->mode = SINK;
	world_stall(rig.w, rig.agent_host, rig.relay_host, true);
	world_run(rig.w, 15100);
	assert_true(world_log_has(rig.w, "cut why=\"the relay is dead\"") ||
	    world_log_has(rig.w, "the relay is dead"));
	assert_true(app->conns->in_fail);
	assert_int_equal(agent_stats(rig.agent).streams, 0);
	world_stall(rig.w, rig.agent_host, rig.relay_host, false);
	assert_true(world_until(rig.w, rig_served, &rig, 15000));
	rig_end(&rig, 3000);
}

static bool
two_tunnels(void *arg)
{
	const struct rig *rig = arg;

	return rig->relay.nconns == 2 && rig->relay.conns->confirmed &&
	    agent_stats(rig->agent).served;
}

static void
a_go_away_begins_a_new_session_while_the_old_one_drains(void **state)
{
	struct rig rig;
	struct rconn *old, *young;
	struct rstream *a, *b;
	uint64_t when;
	struct world_cfg wc = world_gentle(13);

	(void)state;
	rig_new(&rig, &wc);
	rig_app(&rig, "web", "127.0.0.1:3000", ECHO);
	old = rig_serve(&rig);
	a = relay_sim_open(old, "web", 100000, false);
	world_run(rig.w, 12000);
	assert_int_equal(a->in_n, 100000);
	when = world_now(rig.w);
	relay_sim_goaway(old, 60000);
	world_run(rig.w, 1);
	assert_true(world_until(rig.w, two_tunnels, &rig, 500));
	young = rig.relay.conns;
	assert_true(young->came_ms - when <= 50);
	assert_true(agent_stats(rig.agent).served);
	b = relay_sim_open(young, "web", 50000, true);
	a->out_max = 300000;
	a->out_end = true;
	tunnel_ready(&a->s);
	world_run(rig.w, 1000);
	assert_true(a->closed && !a->in_bad && a->in_n == 300000);
	assert_true(b->closed && !b->in_bad && b->in_n == 50000);
	/* Nothing is left there: the relay said Close, and we answered. */
	assert_true(old->fd < 0);
	assert_int_equal(tunnel_close_code(&old->t), 0);
	assert_int_equal(agent_stats(rig.agent).links, 1);
	assert_true(world_log_has(rig.w, "drained session over"));
	assert_false(world_log_has(rig.w, "cut"));
	rig_end(&rig, 3000);
}

static void
upgrades_in_a_row_are_followed_quickly(void **state)
{
	struct rig rig;
	uint64_t when, ms;
	struct world_cfg wc = world_gentle(16);

	(void)state;
	rig_new(&rig, &wc);
	rig_start(&rig);
	for (int i = 0; i < 12; i++) {
		assert_true(world_until(rig.w, rig_served, &rig, 5000));
		when = world_now(rig.w);
		relay_sim_goaway(rig.relay.conns, 1000);
		world_run(rig.w, 5);
		assert_true(world_until(rig.w, rig_served, &rig, 5000));
		ms = world_now(rig.w) - when;
		/* But not at once each time. */
		assert_true(ms <= 200 && (i == 0 || ms >= 75));
	}
	rig_end(&rig, 3000);
}

static void
a_drained_session_ends_at_its_deadline(void **state)
{
	struct rig rig;
	struct rconn *old;
	struct app_sim *app;
	struct world_cfg wc = world_gentle(14);

	(void)state;
	rig_new(&rig, &wc);
	app = rig_app(&rig, "web", "127.0.0.1:3000", SINK);
	old = rig_serve(&rig);
	relay_sim_open(old, "web", 10, false);
	world_run(rig.w, 12000);
	relay_sim_goaway(old, 5000);
	world_run(rig.w, 4900);
	assert_int_equal(agent_stats(rig.agent).links, 2);
	assert_false(app->conns->in_fail);
	world_run(rig.w, 200);
	assert_true(app->conns->in_fail);
	world_run(rig.w, 1100);
	assert_int_equal(agent_stats(rig.agent).links, 1);
	rig_end(&rig, 3000);
}

static void
a_third_draining_session_ends_the_oldest(void **state)
{
	struct rig rig;
	struct rconn *c[4];
	struct app_sim *app;
	struct world_cfg wc = world_gentle(15);

	(void)state;
	rig_new(&rig, &wc);
	app = rig_app(&rig, "web", "127.0.0.1:3000", SINK);
	rig_start(&rig);
	for (int i = 0; i < 4; i++) {
		assert_true(world_until(rig.w, rig_served, &rig, 5000));
		c[i] = rig.relay.conns;
		relay_sim_open(c[i], "web", 10, false);
		world_run(rig.w, 11000);
		if (i < 3) {
			relay_sim_goaway(c[i], 600000);
			world_run(rig.w, 10);
		}
	}
	assert_int_equal(agent_stats(rig.agent).links, 3);
	assert_int_equal(agent_stats(rig.agent).streams, 3);
	assert_true(c[0]->fd < 0 && c[1]->fd >= 0 && c[2]->fd >= 0);
	assert_int_equal(app->nconns, 4);
	rig_end(&rig, 12000);
}

static void
a_relay_that_breaks_the_protocol_is_told_and_left(void **state)
{
	struct rig rig;
	struct rconn *c;
	const struct io *io;
	/* A counted frame of type 9, and an OPEN for stream 2. */
	static const uint8_t bad[][12] = {
		{ 0x82, 8, 9, 0, 0, 0, 0, 0, 0, 0 },
		{ 0x82, 8, 3, 0, 0, 0, 0, 0, 0, 2 },
		{ 0x82, 8, 7, 0, 0, 0, 0, 0, 0, 0 },
		{ 0xc2, 8, 7, 0, 0, 0, 0, 0, 0, 0 },
		{ 0x81, 2, '{', '}', 0, 0, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct world_cfg wc = world_gentle(16 + i);

		rig_new(&rig, &wc);
		c = rig_serve(&rig);
		world_run(rig.w, 12000);
		io = world_io(rig.relay_host);
		io_write(io, c->fd, slice_of(bad[i], 10));
		world_run(rig.w, 200);
		assert_true(world_log_has(rig.w, "cut why="));
		assert_true(tunnel_close_code(&c->t) >= 1000 || c->fd < 0);
		assert_true(world_until(rig.w, rig_served, &rig, 50));
		assert_int_equal(rig.relay.nconns, 2);
		rig_end(&rig, 3000);
	}
}

/* ---- stopping ---- */

static void
stops_at_once_when_nothing_is_under_way(void **state)
{
	struct rig rig;
	struct rconn *c;
	struct world_cfg wc = world_gentle(20);

	(void)state;
	rig_new(&rig, &wc);
	c = rig_serve(&rig);
	agent_stop(rig.agent, world_io(rig.agent_host));
	assert_true(world_until(rig.w, rig_exited, &rig, 200));
	assert_int_equal(agent_exit_code(rig.agent), 0);
	assert_true(c->gone_away);
	assert_int_equal(rig.relay.nconns, 1);
	rig_end(&rig, 0);
	/* Also before there is a session, in each step of the dial. */
	for (unsigned ms = 0; ms < 12; ms++) {
		struct world_cfg wc2 = world_gentle(21);

		rig_new(&rig, &wc2);
		rig_start(&rig);
		world_run(rig.w, ms);
		rig_end(&rig, 1500);
	}
}

static void
requests_under_way_finish_before_it_stops(void **state)
{
	struct rig rig;
	struct rconn *c;
	struct rstream *s;
	struct app_sim *app;
	struct world_cfg wc = world_gentle(22);

	(void)state;
	rig_new(&rig, &wc);
	app = rig_app(&rig, "web", "127.0.0.1:3000", STALL);
	c = rig_serve(&rig);
	s = relay_sim_open(c, "web", 5000, true);
	world_run(rig.w, 100);
	agent_stop(rig.agent, world_io(rig.agent_host));
	world_run(rig.w, 5000);
	assert_int_equal(agent_exit_code(rig.agent), -1);
	app->mode = ECHO;
	world_program(app->host, app_sim_event, app_sim_step, app);
	assert_true(world_until(rig.w, rig_exited, &rig, 1500));
	assert_true(s->closed && s->in_n == 5000 && !s->in_bad);
	assert_true(c->gone_away);
	rig_end(&rig, 0);
}

static void
what_does_not_finish_is_ended_at_the_deadline(void **state)
{
	struct rig rig;
	struct rstream *s;
	struct rconn *c;

	(void)state;
	for (int twice = 0; twice < 2; twice++) {
		struct world_cfg wc = world_gentle(23);

		rig_new(&rig, &wc);
		rig_app(&rig, "web", "127.0.0.1:3000", STALL);
		c = rig_serve(&rig);
		s = relay_sim_open(c, "web", 200000, true);
		world_run(rig.w, 100);
		agent_stop(rig.agent, world_io(rig.agent_host));
		world_run(rig.w, 1000);
		assert_int_equal(agent_exit_code(rig.agent), -1);
		if (twice)
			agent_stop(rig.agent, world_io(rig.agent_host));
		assert_true(world_until(rig.w, rig_exited, &rig,
		    twice ? 1100 : 10100));
		assert_true(s->was_reset);
		rig_end(&rig, 0);
	}
}

/* ---- streams ---- */

static void
bytes_pass_both_ways_unchanged(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 100, 16384, 16385, 65536,
		65537, 300000, 1000000 };
	enum { N = sizeof sizes / sizeof sizes[0] };
	struct rig rig;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world_cfg wc = seed % 3 ? world_rough(seed) :
		    world_gentle(seed);
		struct rstream *s[N], *d;
		struct rconn *c;

		rig_new(&rig, &wc);
		rig_app(&rig, "web", "127.0.0.1:3000", ECHO);
		rig_app(&rig, "big", "[::1]:3001", SOURCE)->total = 2000000;
		rig_app(&rig, "sock", "unix:/run/web.sock", ECHO);
		c = rig_serve(&rig);
		for (size_t i = 0; i < N; i++)
			s[i] = relay_sim_open(c, i % 2 ? "web" : "sock",
			    sizes[i], true);
		d = relay_sim_open(c, "big", 0, true);
		world_run(rig.w, 60000);
		for (size_t i = 0; i < N; i++) {
			if (!s[i]->closed || s[i]->in_bad ||
			    s[i]->in_n != sizes[i])
				fail_msg("seed %llu, %zu: closed %d, %llu",
				    (unsigned long long)seed, i,
				    s[i]->closed,
				    (unsigned long long)s[i]->in_n);
		}
		assert_true(d->closed && d->in_n == 2000000 && !d->in_bad);
		for (size_t i = 0; i < rig.napps; i++) {
			for (struct aconn *a = rig.apps[i].conns; a != NULL;
			    a = a->next)
				assert_true(a->in_end && !a->in_bad &&
				    !a->in_fail);
		}
		assert_int_equal(agent_stats(rig.agent).streams, 0);
		rig_end(&rig, 3000);
	}
}

static void
each_direction_ends_for_itself(void **state)
{
	struct rig rig;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world_cfg wc = world_rough(seed);
		struct app_sim *half, *sink;
		struct rstream *s, *u;
		struct rconn *c;

		rig_new(&rig, &wc);
		half = rig_app(&rig, "half", "127.0.0.1:3000", HALF);
		half->total = 40000;
		sink = rig_app(&rig, "sink", "127.0.0.1:3001", SINK);
		c = rig_serve(&rig);
		/* The app ends first; the other direction goes on. */
		s = relay_sim_open(c, "half", 10, false);
		world_run(rig.w, 5000);
		assert_true(s->in_end && !s->closed && s->in_n == 40000);
		s->out_max = 90000;
		tunnel_ready(&s->s);
		world_run(rig.w, 5000);
		assert_int_equal(half->conns->in_n, 90000);
		assert_false(half->conns->in_end || s->closed);
		s->out_end = true;
		tunnel_ready(&s->s);
		world_run(rig.w, 2000);
		assert_true(half->conns->in_end && s->closed && !s->in_bad);
		/* The client ends first; the app hears it and ends. */
		u = relay_sim_open(c, "sink", 70000, false);
		world_run(rig.w, 5000);
		assert_false(sink->conns->in_end || u->in_end);
		u->out_end = true;
		tunnel_ready(&u->s);
		world_run(rig.w, 2000);
		assert_true(sink->conns->in_end && u->closed);
		assert_int_equal(sink->conns->in_n, 70000);
		assert_int_equal(agent_stats(rig.agent).streams, 0);
		rig_end(&rig, 3000);
	}
}

static void
failures_to_connect_have_their_codes(void **state)
{
	static const struct { const char *app; enum reset_code code; } t[] = {
		{ "none", RESET_REFUSED }, { "nosock", RESET_REFUSED },
		{ "far", RESET_UNREACHABLE }, { "silent", RESET_TIMED_OUT },
		{ "noname", RESET_UNREACHABLE }, { "shut", RESET_REFUSED },
		{ "what", RESET_UNKNOWN_APP }, { "half", RESET_NONE },
	};
	enum { N = sizeof t / sizeof t[0] };
	struct rig rig;

	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct world_cfg wc = world_rough(seed);
		struct rstream *s[N];
		struct rconn *c;

		rig_new(&rig, &wc);
		for (size_t i = 0; i < 6; i++)
			rig.cfg.apps[i] = (struct agent_app){ .kind = APP_HTTP,
				.name = slice_of(t[i].app, strlen(t[i].app)),
				.host = SL("203.0.113.5"), .port = 99 };
		rig.cfg.napps = 6;
		rig.cfg.apps[0].host = SL("127.0.0.1");
		rig.cfg.apps[1].host = SL("");
		rig.cfg.apps[1].path = SL("/run/no.sock");
		rig.cfg.apps[3].port = 98;
		rig.cfg.apps[4].host = SL("noname.test");
		rig.cfg.apps[5].port = 97;
		world_fate(rig.w, "203.0.113.5:98", FATE_SILENCE);
		world_fate(rig.w, "203.0.113.5:99", FATE_UNREACHABLE);
		rig_app(&rig, "half", "127.0.0.1:3000", ECHO);
		c = rig_serve(&rig);
		for (size_t i = 0; i < N; i++)
			s[i] = relay_sim_open(c, t[i].app, 1000, false);
		world_run(rig.w, 5000);
		assert_false(s[3]->was_reset);
		world_run(rig.w, 5500);
		for (size_t i = 0; i < N; i++) {
			assert_int_equal(s[i]->was_reset,
			    t[i].code != RESET_NONE);
			assert_int_equal(s[i]->code, t[i].code);
		}
		assert_int_equal(agent_stats(rig.agent).streams, 1);
		rig_end(&rig, 12000);
	}
}

static void
a_name_is_looked_up_and_its_addresses_are_tried(void **state)
{
	struct rig rig;
	struct rstream *s[20];
	struct rconn *c;
	unsigned asked;
	struct world_cfg wc = world_rough(30);

	(void)state;
	rig_new(&rig, &wc);
	rig_app(&rig, "web", "127.0.0.1:3000", ECHO);
	rig.cfg.apps[0].host = SL("localhost");
	world_name(rig.w, "localhost", "::1");
	world_name(rig.w, "localhost", "127.0.0.1");
	world_resolve_ms(rig.w, 300);
	c = rig_serve(&rig);
	asked = world_resolves(rig.w);
	for (size_t i = 0; i < 20; i++)
		s[i] = relay_sim_open(c, "web", 1000, true);
	world_run(rig.w, 1500);
	for (size_t i = 0; i < 20; i++)
		assert_true(s[i]->closed && s[i]->in_n == 1000);
	/* One question was enough for all. */
	assert_int_equal(world_resolves(rig.w) - asked, 1);
	world_run(rig.w, AGENT_NAME_MS);
	s[0] = relay_sim_open(c, "web", 1000, true);
	world_run(rig.w, 1500);
	assert_true(s[0]->closed);
	assert_int_equal(world_resolves(rig.w) - asked, 2);
	/* A resolver that is silent costs the stream its deadline only. */
	world_run(rig.w, AGENT_NAME_MS);
	world_resolve_ms(rig.w, 3600000);
	s[1] = relay_sim_open(c, "web", 1000, true);
	world_run(rig.w, 11000);
	assert_true(s[1]->was_reset && s[1]->code == RESET_TIMED_OUT);
	world_resolve_ms(rig.w, 1);
	s[2] = relay_sim_open(c, "web", 1000, true);
	world_run(rig.w, 1000);
	assert_true(s[2]->closed && s[2]->in_n == 1000);
	rig_end(&rig, 3000);
}

static void
a_silent_first_address_leaves_time_for_the_second(void **state)
{
	struct rig rig;
	struct rstream *s;
	struct rconn *c;
	struct world_cfg wc = world_gentle(36);

	(void)state;
	rig_new(&rig, &wc);
	rig_app(&rig, "web", "127.0.0.1:3000", ECHO);
	rig.cfg.apps[0].host = SL("nas.test");
	world_name(rig.w, "nas.test", "203.0.113.8");
	world_name(rig.w, "nas.test", "127.0.0.1");
	world_fate(rig.w, "203.0.113.8:3000", FATE_SILENCE);
	c = rig_serve(&rig);
	s = relay_sim_open(c, "web", 1000, true);
	world_run(rig.w, rig.cfg.connect_ms / 4 + 100);
	assert_true(s->closed && s->in_n == 1000);
	rig_end(&rig, 3000);
}

static void
frames_for_one_app_leave_in_one_write(void **state)
{
	struct rig rig;
	struct rstream *s;
	struct rconn *c;
	struct app_sim *app;
	unsigned before;
	struct world_cfg wc = world_gentle(37);

	(void)state;
	wc.send_bytes = wc.recv_bytes = 1024 * 1024;
	rig_new(&rig, &wc);
	app = rig_app(&rig, "web", "127.0.0.1:3000", SINK);
	c = rig_serve(&rig);
	s = relay_sim_open(c, "web", 1, false);
	world_run(rig.w, 100);
	before = world_writes(rig.agent_host);
	s->out_max = 60000;     /* four frames of one turn */
	tunnel_ready(&s->s);
	world_run(rig.w, 20);
	assert_int_equal(app->conns->in_n, 60000);
	/* One for the app; one for the acknowledgement and the credit. */
	assert_true(world_writes(rig.agent_host) - before <= 3);
	rig_end(&rig, 12000);
}

static void
windows_grow_with_the_round_trip_within_the_plan(void **state)
{
	struct rig rig;
	struct rstream *s[6];
	struct rconn *c;
	uint64_t t;
	uint32_t grown = 0;
	struct world_cfg wc = world_gentle(38);

	(void)state;
	wc.latency_ms = 40;
	wc.send_bytes = wc.recv_bytes = 8 * 1024 * 1024;
	rig_new(&rig, &wc);
	rig_app(&rig, "web", "127.0.0.1:3000", SINK);
	c = rig_serve(&rig);
	for (size_t i = 0; i < 6; i++)
		s[i] = relay_sim_open(c, "web", 3000000, true);
	for (t = 0; t < 60000 && !s[0]->closed; t += 50) {
		world_run(rig.w, 50);
		grown = rig.agent->grown > grown ? rig.agent->grown : grown;
		assert_true(rig.agent->grown <= rig.plan.grow_blocks);
	}
	assert_true(grown > 0);
	world_run(rig.w, 60000);
	for (size_t i = 0; i < 6; i++)
		assert_true(s[i]->closed);
	assert_int_equal(rig.agent->grown, 0);
	rig_end(&rig, 3000);
}

static void
a_cancelled_stream_is_reset_at_the_app_at_once(void **state)
{
	struct rig rig;
	struct app_sim *app;
	struct rstream *s;
	struct rconn *c;
	uint64_t when;
	struct world_cfg wc = world_gentle(31);

	(void)state;
	rig_new(&rig, &wc);
	app = rig_app(&rig, "web", "127.0.0.1:3000", SINK);
	c = rig_serve(&rig);
	s = relay_sim_open(c, "web", 1000, false);
	world_run(rig.w, 100);
	when = world_now(rig.w);
	tunnel_reset(&s->s, RESET_CANCELLED);
	world_run(rig.w, 1000);
	assert_true(app->conns->in_fail);
	assert_true(app->conns->in_end_ms - when <= 5);
	assert_int_equal(agent_stats(rig.agent).streams, 0);
	rig_end(&rig, 3000);
}

static void
an_app_that_resets_is_a_broken_stream(void **state)
{
	struct rig rig;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world_cfg wc = world_rough(seed);
		struct rstream *s, *u;
		struct rconn *c;

		rig_new(&rig, &wc);
		rig_app(&rig, "rst", "127.0.0.1:3000", RESETTER);
		rig_app(&rig, "web", "127.0.0.1:3001", ECHO);
		c = rig_serve(&rig);
		s = relay_sim_open(c, "rst", 100000, false);
		u = relay_sim_open(c, "web", 100000, true);
		world_run(rig.w, 8000);
		assert_true(s->was_reset && s->code == RESET_BROKEN);
		assert_true(u->closed && u->in_n == 100000 && !u->in_bad);
		rig_end(&rig, 3000);
	}
}

static void
an_answer_before_the_upload_ends_arrives_whole(void **state)
{
	struct rig rig;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world_cfg wc = world_rough(seed);
		struct rstream *s;
		struct rconn *c;

		rig_new(&rig, &wc);
		/* It closes with the upload unread: a reset follows. */
		rig_app(&rig, "web", "127.0.0.1:3000", CLOSER)->total = 15000;
		c = rig_serve(&rig);
		s = relay_sim_open(c, "web", 5000000, true);
		world_run(rig.w, 20000);
		assert_int_equal(s->in_n, 15000);
		assert_true((s->was_reset && s->code == RESET_BROKEN) ||
		    s->stopped);
		if (!s->was_reset)
			tunnel_reset(&s->s, RESET_CANCELLED);
		world_run(rig.w, 1000);
		assert_int_equal(agent_stats(rig.agent).streams, 0);
		rig_end(&rig, 3000);
	}
}

static void
a_relay_that_wants_no_more_does_not_stall_the_app(void **state)
{
	struct rig rig;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct world_cfg wc = world_rough(seed);
		struct app_sim *app;
		struct rstream *s;
		struct rconn *c;

		rig_new(&rig, &wc);
		app = rig_app(&rig, "web", "127.0.0.1:3000", ECHO);
		c = rig_serve(&rig);
		s = relay_sim_open(c, "web", 400000, true);
		world_run(rig.w, 100);
		tunnel_stop(&s->s);
		world_run(rig.w, 30000);
		assert_int_equal(app->conns->in_n, 400000);
		assert_true(app->conns->in_end && !app->conns->in_bad);
		assert_true(s->closed && s->in_end);
		assert_int_equal(agent_stats(rig.agent).streams, 0);
		rig_end(&rig, 3000);
	}
}

/* ---- limits ---- */

static void
a_stalled_app_costs_its_window_and_nobody_else(void **state)
{
	struct rig rig;

	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct world_cfg wc = world_rough(seed);
		struct app_sim *stall;
		struct rstream *s[8], *u;
		struct rconn *c;
		uint32_t most;

		wc.latency_ms = 0;
		wc.jitter_ms = 0;
		rig_new(&rig, &wc);
		stall = rig_app(&rig, "stall", "127.0.0.1:3000", STALL);
		rig_app(&rig, "web", "127.0.0.1:3001", ECHO);
		c = rig_serve(&rig);
		for (size_t i = 0; i < 8; i++)
			s[i] = relay_sim_open(c, "stall", 5000000, true);
		world_run(rig.w, 5000);
		most = WINDOW_INITIAL + wc.send_bytes + wc.recv_bytes;
		for (size_t i = 0; i < 8; i++) {
			assert_true(s[i]->out_n >= WINDOW_INITIAL);
			assert_true(s[i]->out_n <= most);
		}
		assert_true(agent_stats(rig.agent).blocks_used <=
		    8 * blocks_for(WINDOW_INITIAL) + 4);
		u = relay_sim_open(c, "web", 1000000, true);
		world_run(rig.w, 20000);
		assert_true(u->closed && u->in_n == 1000000);
		/* It wakes up: all arrives. */
		stall->mode = SINK;
		world_program(stall->host, app_sim_event, app_sim_step, stall);
		world_run(rig.w, 120000);
		for (size_t i = 0; i < 8; i++)
			assert_true(s[i]->closed && s[i]->out_n == 5000000);
		for (struct aconn *a = stall->conns; a != NULL; a = a->next)
			assert_true(a->in_n == 5000000 && !a->in_bad);
		rig_end(&rig, 3000);
	}
}

static void
a_client_that_does_not_read_stops_the_app(void **state)
{
	struct rig rig;
	struct app_sim *app;
	struct rstream *s, *u;
	struct rconn *c;
	struct world_cfg wc = world_gentle(33);
	uint64_t seen;

	(void)state;
	rig_new(&rig, &wc);
	app = rig_app(&rig, "big", "127.0.0.1:3000", SOURCE);
	app->total = 9000000;
	rig_app(&rig, "web", "127.0.0.1:3001", ECHO);
	c = rig_serve(&rig);
	s = relay_sim_open(c, "big", 0, true);
	s->hold = true;
	world_run(rig.w, 5000);
	assert_int_equal(s->in_n, WINDOW_INITIAL);
	seen = app->conns->out_n;
	assert_true(seen <= WINDOW_INITIAL + wc.send_bytes + wc.recv_bytes);
	assert_true(agent_stats(rig.agent).blocks_used <= 1);
	u = relay_sim_open(c, "web", 1000000, true);
	world_run(rig.w, 5000);
	assert_true(u->closed && u->in_n == 1000000);
	assert_int_equal(app->conns->out_n, seen);
	s->hold = false;
	tunnel_consumed(&s->s, (size_t)s->unread, world_now(rig.w));
	s->unread = 0;
	world_run(rig.w, 60000);
	assert_true(s->closed && s->in_n == 9000000 && !s->in_bad);
	rig_end(&rig, 3000);
}

static void
a_closed_stream_keeps_its_place_while_the_app_reads(void **state)
{
	struct rig rig;
	struct app_sim *app;
	struct rstream *s, *u;
	struct rconn *c;
	struct world_cfg wc = world_gentle(34);

	(void)state;
	rig_new(&rig, &wc);
	rig.cfg.max_streams = 1;
	wc.recv_bytes = wc.send_bytes = 4096;
	rig_free(&rig);
	rig_new(&rig, &wc);
	rig.cfg.max_streams = 1;
	app = rig_app(&rig, "web", "127.0.0.1:3000", STALL);
	c = rig_serve(&rig);
	s = relay_sim_open(c, "web", 60000, true);
	world_run(rig.w, 1000);
	assert_false(s->closed);
	/* The app ends without having read: the stream is over for both. */
	assert_int_equal(app->nconns, 1);
	world_io(app->host)->ops->shutdown(world_io(app->host)->ctx,
	    app->conns->fd);
	app->conns->out_shut = true;
	world_run(rig.w, 1000);
	assert_true(s->closed);
	assert_int_equal(agent_stats(rig.agent).streams, 1);
	u = relay_sim_open(c, "web", 10, true);
	world_run(rig.w, 1000);
	assert_true(u->was_reset && u->code == RESET_OVER_LIMIT);
	assert_int_equal(app->nconns, 1);
	app->mode = SINK;
	world_program(app->host, app_sim_event, app_sim_step, app);
	world_run(rig.w, 1000);
	assert_int_equal(app->conns->in_n, 60000);
	assert_true(app->conns->in_end && !app->conns->in_bad);
	assert_int_equal(agent_stats(rig.agent).streams, 0);
	/* An app that never reads is left after a while. */
	app->mode = STALL;
	s = relay_sim_open(c, "web", 60000, true);
	world_run(rig.w, 1000);
	world_io(app->host)->ops->shutdown(world_io(app->host)->ctx,
	    app->conns->fd);
	world_run(rig.w, AGENT_LINGER_MS);
	assert_true(s->closed);
	world_run(rig.w, 2000);
	assert_int_equal(agent_stats(rig.agent).streams, 0);
	rig_end(&rig, 3000);
}

static void
memory_is_what_the_plan_says(void **state)
{
	static struct agent_cfg cfg;
	struct agent_plan p;

	(void)state;
	agent_cfg_defaults(&cfg);
	assert_int_equal(agent_plan(&cfg, &p), E_OK);
	assert_true(p.streams >= 256);
	assert_true(p.bytes + p.fixed_bytes <= cfg.memory_bytes);
	assert_true(p.bytes + p.fixed_bytes >= cfg.memory_bytes * 9 / 10);
	assert_int_equal(p.blocks, p.window_blocks + p.tunnel_blocks +
	    p.ring_blocks + p.grow_blocks);
	/* What an idle stream costs. */
	assert_true(sizeof(struct conn) + 24 < 512);
	for (uint64_t mib = 1; mib < 200; mib++) {
		cfg.memory_bytes = mib << 20;
		if (agent_plan(&cfg, &p) == E_OK)
			assert_true(p.bytes + p.fixed_bytes <=
			    cfg.memory_bytes && p.streams >= 8);
		else
			assert_true(mib < 4);
	}
	cfg.max_streams = 5000;
	assert_int_equal(agent_plan(&cfg, &p), E_RANGE);
	assert_true(p.bytes + p.fixed_bytes > cfg.memory_bytes);
	cfg.memory_bytes = p.bytes + p.fixed_bytes;
	assert_int_equal(agent_plan(&cfg, &p), E_OK);
	assert_int_equal(p.streams, 5000);
	cfg.memory_bytes = UINT64_MAX;
	cfg.max_streams = UINT32_MAX;
	assert_int_equal(agent_plan(&cfg, &p), E_OK);
	assert_int_equal(p.streams, STREAMS_MAX);
}

static void
running_out_of_descriptors_harms_only_new_streams(void **state)
{
	struct rig rig;
	struct rstream *s[12];
	struct rconn *c;
	unsigned closed = 0, over = 0;
	struct world_cfg wc = world_gentle(35);

	(void)state;
	wc.fds_max = 3 + 8;
	rig_new(&rig, &wc);
	rig_app(&rig, "web", "127.0.0.1:3000", ECHO);
	c = rig_serve(&rig);
	for (size_t i = 0; i < 12; i++)
		s[i] = relay_sim_open(c, "web", 1000, true);
	world_run(rig.w, 2000);
	for (size_t i = 0; i < 12; i++) {
		closed += s[i]->closed;
		over += s[i]->was_reset;
	}
	assert_int_equal(closed + over, 12);
	assert_true(closed >= 7 && over > 0);
	s[0] = relay_sim_open(c, "web", 1000, true);
	world_run(rig.w, 1000);
	assert_true(s[0]->closed);
	rig_end(&rig, 3000);
}

/* One operation fails, whichever: the next attempt serves all the same. */
static void
any_one_failing_operation_is_survived(void **state)
{
	uint64_t n, ops = 1;

	(void)state;
	for (n = 1; n <= ops; n++) {
		struct rig rig;
		struct rstream *s[3];
		struct world_cfg wc = world_gentle(n);

		rig_new(&rig, &wc);
		rig_app(&rig, "web", "127.0.0.1:3000", ECHO);
		rig_app(&rig, "name", "127.0.0.1:3001", ECHO);
		rig_app(&rig, "src", "unix:/s", SOURCE)->total = 90000;
		rig.cfg.apps[1].host = SL("localhost");
		world_name(rig.w, "localhost", "127.0.0.1");
		rig_start(&rig);
		world_fail(rig.agent_host, n);
		for (int round = 0; round < 2; round++) {
			assert_true(world_until(rig.w, rig_served, &rig,
			    10000));
			s[0] = relay_sim_open(rig.relay.conns, "web", 50000,
			    true);
			s[1] = relay_sim_open(rig.relay.conns, "name", 500,
			    true);
			s[2] = relay_sim_open(rig.relay.conns, "src", 0, true);
			world_run(rig.w, 500);
			for (int i = 0; i < 3; i++) {
				assert_false(s[i]->in_bad);
				assert_true(s[i]->closed || s[i]->was_reset);
				assert_true(round == 0 || s[i]->closed);
			}
			if (round == 0)
				ops = world_fail(rig.agent_host, 0);
		}
		rig_end(&rig, 3000);
	}
	assert_true(n > 30);
}

/* ---- everything at once ---- */

static void
weather(struct rig *rig, struct app_sim **apps, size_t napps)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f",
		"g", "gone" };
	struct world *w = rig->w;
	struct rconn *c = rig->relay.conns;
	struct rstream *s;

	switch (world_below(w, 12)) {
	case 0:
		world_cut(w, rig->agent_host, NULL);
		break;
	case 1:
		world_stall(w, rig->agent_host, rig->relay_host,
		    world_below(w, 2) == 0);
		break;
	case 2:
		if (c != NULL && c->has_tunnel &&
		    tunnel_state(&c->t) == TUNNEL_LIVE)
			relay_sim_goaway(c,
			    (uint32_t)world_below(w, 20000));
		break;
	case 3:
		apps[world_below(w, napps)]->mode =
		    (enum app_mode)world_below(w, HALF + 1);
		break;
	case 4:
		if (c != NULL && c->has_tunnel && c->streams != NULL &&
		    c->streams->s.tunnel != NULL)
			tunnel_reset(&c->streams->s, RESET_CANCELLED);
		break;
	case 5:
		if (c != NULL && c->has_tunnel && c->streams != NULL)
			tunnel_stop(&c->streams->s);
		break;
	case 6:
		agent_dial_now(rig->agent, world_io(rig->agent_host));
		break;
	default:
		if (c == NULL || !c->has_tunnel || !tunnel_may_open(&c->t))
			break;
		s = relay_sim_open(c, names[world_below(w, 8)],
		    world_below(w, 200000), world_below(w, 3) > 0);
		s->hold = world_below(w, 5) == 0;
	}
}

static void
survives_any_weather_and_serves_again(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		static const char *const where[] = { "127.0.0.1:1",
			"127.0.0.1:2", "127.0.0.1:3", "[::1]:4",
			"127.0.0.1:5", "unix:/6", "127.0.0.1:7" };
		struct world_cfg wc = world_rough(seed);
		struct app_sim *apps[7];
		struct rig rig;
		struct rstream *s;
		char name[7][2];

		rig_new(&rig, &wc);
		rig.cfg.grace_ms = seed % 2 == 0 ? GRACE_MS : 0;
		rig.relay.resumes = seed % 4 == 0;
		for (size_t i = 0; i < 7; i++) {
			snprintf(name[i], 2, "%c", 'a' + (int)i);
			apps[i] = rig_app(&rig, name[i], where[i],
			    (enum app_mode)i);
			apps[i]->total = 50000;
		}
		rig_start(&rig);
		for (int i = 0; i < 150; i++) {
			weather(&rig, apps, 7);
			world_run(rig.w, world_below(rig.w, 400));
		}
		world_stall(rig.w, rig.agent_host, rig.relay_host, false);
		apps[0]->mode = ECHO;
		world_run(rig.w, 61000);
		assert_true(world_until(rig.w, rig_is_served, &rig, 61000));
		s = relay_sim_open(rig_serving(&rig), "a", 100000, true);
		world_run(rig.w, 10000);
		assert_true(s->closed && s->in_n == 100000 && !s->in_bad);
		for (struct rconn *c = rig.relay.conns; c != NULL; c = c->next)
			for (s = c->streams; s != NULL; s = s->next)
				assert_false(s->in_bad);
		for (size_t i = 0; i < 7; i++)
			for (struct aconn *a = apps[i]->conns; a != NULL;
			    a = a->next)
				assert_false(a->in_bad);
		rig_end(&rig, 12000);
	}
}

/* ---- resuming ---- */

/* A relay that keeps what is cut, an app that gives back; both serve. */
static struct rconn *
begin_resuming(struct rig *rig, uint64_t seed, struct app_sim **app)
{
	struct world_cfg wc = world_gentle(seed);

	rig_new(rig, &wc);
	rig->cfg.grace_ms = GRACE_MS;
	rig->relay.resumes = true;
	*app = rig_app(rig, "web", "127.0.0.1:3000", ECHO);
	rig_serve(rig);
	world_run(rig->w, AGENT_SERVICE_MS);
	return rig->relay.conns;
}

/* It takes what it held, and all that still comes. */
static void
take_all(struct rig *rig, struct rstream *s)
{
	uint64_t n = s->unread;

	s->hold = false;
	s->unread = 0;
	tunnel_consumed(&s->s, (size_t)n, world_now(rig->w));
}

static void
a_cut_is_healed_at_once_and_no_app_notices(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 25; at++) {
		struct app_sim *app;
		struct rig rig;
		struct rconn *c = begin_resuming(&rig, 30 + at, &app);
		struct rstream *s = relay_sim_open(c, "web", 300000, true);
		uint64_t cut_ms;

		world_run(rig.w, at);
		cut_ms = world_now(rig.w);
		world_cut(rig.w, rig.agent_host, rig.relay_host);
		world_run(rig.w, 1);
		assert_true(world_until(rig.w, rig_served, &rig, 1000));
		assert_int_equal(rig.relay.nresumed, 1);
		assert_int_equal(c->attempt, 1);
		assert_true(c->came_ms - cut_ms <= 50);
		assert_ptr_equal(rig.relay.conns, c);
		world_run(rig.w, 1000);
		assert_true(s->closed && !s->in_bad && s->in_n == 300000);
		assert_int_equal(app->nconns, 1);
		assert_true(world_log_has(rig.w, "agent: cut why="));
		assert_true(world_log_has(rig.w, "agent: resumed in_ms="));
		rig_end(&rig, 3000);
	}
}

static void
dials_are_at_most_2_s_apart_while_a_session_waits(void **state)
{
	struct app_sim *app;
	struct rig rig;
	struct rconn *c = begin_resuming(&rig, 60, &app);
	struct rstream *s = relay_sim_open(c, "web", 300000, true);
	uint64_t ms[40];
	size_t n;

	(void)state;
	s->hold = true;
	world_run(rig.w, 100);
	world_fate(rig.w, RELAY_AT, FATE_REFUSED);
	world_log_clear(rig.w);
	world_cut(rig.w, rig.agent_host, rig.relay_host);
	world_run(rig.w, GRACE_MS - 3000);
	n = retries(&rig, ms, 40, world_log_text(rig.w));
	assert_true(n > 14);
	for (size_t i = 0; i < n; i++)
		assert_true(ms[i] <= 2000);
	/* The app is held by back-pressure all the time. */
	assert_int_equal(agent_stats(rig.agent).streams, 1);
	assert_false(agent_stats(rig.agent).served);
	world_fate(rig.w, RELAY_AT, FATE_NONE);
	assert_true(world_until(rig.w, rig_served, &rig, 2500));
	assert_int_equal(rig.relay.nresumed, 1);
	take_all(&rig, s);
	world_run(rig.w, 1000);
	assert_true(s->closed && s->in_n == 300000 && !s->in_bad);
	rig_end(&rig, 3000);
}

static void
a_session_that_nobody_resumes_expires(void **state)
{
	struct app_sim *app;
	struct rig rig;
	struct rconn *c = begin_resuming(&rig, 61, &app);

	(void)state;
	relay_sim_open(c, "web", 1000, false);
	world_run(rig.w, 100);
	world_fate(rig.w, RELAY_AT, FATE_SILENCE);
	world_cut(rig.w, rig.agent_host, rig.relay_host);
	world_run(rig.w, GRACE_MS - 100);
	assert_int_equal(agent_stats(rig.agent).streams, 1);
	world_run(rig.w, 200);
	assert_int_equal(agent_stats(rig.agent).streams, 0);
	assert_true(app->conns->in_fail);
	assert_true(world_log_has(rig.w, "not resumed in time"));
	world_fate(rig.w, RELAY_AT, FATE_NONE);
	assert_true(world_until(rig.w, rig_served, &rig, 10000));
	assert_int_equal(rig.relay.nasked, 0);  /* a new one */
	rig_end(&rig, 3000);
}

/* What the relay does not know is over at once, and the next dial is too. */
static void
a_refused_session_ends_and_another_begins_at_once(void **state)
{
	static const char *const codes[] = { "unknown-session", "proof" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct app_sim *app;
		struct rig rig;
		struct rconn *c = begin_resuming(&rig, 62, &app);
		uint64_t cut_ms;

		relay_sim_open(c, "web", 1000, false);
		world_run(rig.w, 100);
		rig.relay.refuse = codes[i];
		cut_ms = world_now(rig.w);
		world_cut(rig.w, rig.agent_host, rig.relay_host);
		world_run(rig.w, 1);
		assert_true(world_until(rig.w, rig_served, &rig, 1000));
		assert_true(world_now(rig.w) - cut_ms < 150);
		assert_int_equal(rig.relay.nasked, 1);
		assert_ptr_not_equal(rig.relay.conns, c);
		assert_true(app->conns->in_fail);
		assert_int_equal(agent_stats(rig.agent).streams, 0);
		rig_end(&rig, 3000);
	}
}

/* Any other refusal is about this dial only. */
static void
a_relay_that_is_busy_is_asked_again(void **state)
{
	struct app_sim *app;
	struct rig rig;
	struct rconn *c = begin_resuming(&rig, 63, &app);
	struct rstream *s = relay_sim_open(c, "web", 300000, true);

	(void)state;
	s->hold = true;
	world_run(rig.w, 100);
	rig.relay.refuse = "limit";
	world_cut(rig.w, rig.agent_host, rig.relay_host);
	world_run(rig.w, 3000);
	assert_true(rig.relay.nasked > 3);
	assert_int_equal(agent_stats(rig.agent).streams, 1);
	rig.relay.refuse = NULL;
	assert_true(world_until(rig.w, rig_served, &rig, 2500));
	assert_int_equal(c->attempt, rig.relay.nasked);
	take_all(&rig, s);
	world_run(rig.w, 1000);
	assert_true(s->closed && s->in_n == 300000 && !s->in_bad);
	rig_end(&rig, 3000);
}

static void
a_draining_session_is_resumed_beside_the_new_one(void **state)
{
	struct app_sim *app;
	struct rig rig;
	struct rconn *c = begin_resuming(&rig, 64, &app);
	struct rstream *s = relay_sim_open(c, "web", 500000, true), *t;

	(void)state;
	s->hold = true;
	world_run(rig.w, 50);
	relay_sim_goaway(c, 20000);
	world_run(rig.w, 300);
	assert_true(rig.relay.conns != c && rig.relay.conns->confirmed);
	t = relay_sim_open(rig.relay.conns, "web", 500000, true);
	t->hold = true;
	world_run(rig.w, 50);
	world_cut(rig.w, rig.agent_host, rig.relay_host);
	world_run(rig.w, 1000);
	assert_int_equal(rig.relay.nresumed, 2);
	take_all(&rig, s);
	take_all(&rig, t);
	world_run(rig.w, 1000);
	assert_true(s->closed && s->in_n == 500000 && !s->in_bad);
	assert_true(t->closed && t->in_n == 500000 && !t->in_bad);
	assert_int_equal(rig.relay.nconns, 4);
	rig_end(&rig, 3000);
}

/* Stopped while it is cut: it comes back to finish, or has nothing to. */
static void
an_agent_that_stops_while_cut_finishes_first(void **state)
{
	struct app_sim *app;
	struct rig rig;
	struct rconn *c = begin_resuming(&rig, 65, &app);
	struct rstream *s = relay_sim_open(c, "web", 100000, true);

	(void)state;
	s->hold = true;
	world_run(rig.w, 50);
	world_fate(rig.w, RELAY_AT, FATE_REFUSED);
	world_cut(rig.w, rig.agent_host, rig.relay_host);
	world_run(rig.w, 500);
	agent_stop(rig.agent, world_io(rig.agent_host));
	world_run(rig.w, 500);
	assert_int_equal(agent_exit_code(rig.agent), -1);
	world_fate(rig.w, RELAY_AT, FATE_NONE);
	world_run(rig.w, 2500);
	assert_int_equal(rig.relay.nresumed, 1);
	assert_true(c->gone_away);
	take_all(&rig, s);
	world_run(rig.w, 500);
	assert_true(s->closed && s->in_n == 100000 && !s->in_bad);
	assert_true(world_until(rig.w, rig_exited, &rig, 1000));
	rig_end(&rig, 1);
	c = begin_resuming(&rig, 65, &app);
	world_fate(rig.w, RELAY_AT, FATE_REFUSED);
	world_cut(rig.w, rig.agent_host, rig.relay_host);
	world_run(rig.w, 500);
	rig_end(&rig, 1);
}

/* Asked to stop while cut, it sleeps; when it wakes, the drain is over and a
 * dial is due. Seed 29 of the simulator dialled, and stayed. */
static void
an_agent_that_slept_over_its_end_stops(void **state)
{
	struct app_sim *app;
	struct rig rig;
	struct rconn *c = begin_resuming(&rig, 66, &app);
	struct io later;

	(void)state;
	relay_sim_open(c, "web", 100000, true)->hold = true;
	world_run(rig.w, 50);
	world_fate(rig.w, RELAY_AT, FATE_REFUSED);
	world_cut(rig.w, rig.agent_host, rig.relay_host);
	world_run(rig.w, 1000);
	rig.cfg.drain_ms = 200;
	agent_stop(rig.agent, world_io(rig.agent_host));
	world_run(rig.w, 100);
	assert_true(agent_stats(rig.agent).waiting);
	later = *world_io(rig.agent_host);
	later.now_ms += AGENT_PARKED_MS;
	agent_step(rig.agent, &later);
	assert_int_equal(agent_exit_code(rig.agent), 0);
	rig_end(&rig, 0);
}

/* Cut at any time, in a rough world: dials, answers, welcomes are lost too. */
static void
many_cuts_lose_nothing(void **state)
{
	unsigned resumed = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct world_cfg wc = world_rough(seed);
		struct app_sim *app;
		struct rig rig;
		struct rstream *s[4];
		struct rconn *c;

		rig_new(&rig, &wc);
		rig.cfg.grace_ms = GRACE_MS;
		rig.relay.resumes = true;
		app = rig_app(&rig, "web", "127.0.0.1:3000", ECHO);
		c = rig_serve(&rig);
		for (int i = 0; i < 4; i++)
			s[i] = relay_sim_open(c, "web", 400000, true);
		for (int i = 0; i < 12; i++) {
			world_run(rig.w, world_below(rig.w, 60));
			world_cut(rig.w, rig.agent_host, rig.relay_host);
			world_run(rig.w, world_below(rig.w, 60));
			agent_dial_now(rig.agent, world_io(rig.agent_host));
		}
		assert_true(world_until(rig.w, rig_served, &rig, 10000));
		world_run(rig.w, 20000);
		for (int i = 0; i < 4; i++)
			assert_true(s[i]->closed && !s[i]->in_bad &&
			    s[i]->in_n == 400000);
		assert_int_equal(app->nconns, 4);
		resumed += rig.relay.nresumed;
		rig_end(&rig, 3000);
	}
	assert_true(resumed > 100);
}

#define T(name) cmocka_unit_test(name)

/* With an argument, only the test of that name. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(dials_says_hello_and_serves),
		T(the_hello_tells_apps_options_and_limits),
		T(keeps_the_tunnel_id_and_claims_it_again),
		T(waits_longer_and_longer_when_there_is_no_relay),
		T(comes_back_at_once_after_good_service),
		T(a_short_session_does_not_start_the_backoff_over),
		T(dials_now_when_told),
		T(resolves_the_name_at_each_try),
		T(tries_all_addresses_in_turn),
		T(gives_up_a_silent_address_and_a_silent_resolver),
		T(by_https_the_token_waits_for_the_relay_to_be_verified),
		T(a_proxy_is_asked_first),
		T(tells_final_refusals_from_the_rest),
		T(an_endless_answer_is_cut_off),
		T(a_slow_answer_is_waited_for_and_a_missing_one_not),
		T(a_missing_welcome_ends_the_dial_after_5_s),
		T(refusals_by_message_are_understood),
		T(close_codes_mean_what_they_say),
		T(a_dead_relay_is_noticed_within_15_s),
		T(a_go_away_begins_a_new_session_while_the_old_one_drains),
		T(upgrades_in_a_row_are_followed_quickly),
		T(a_drained_session_ends_at_its_deadline),
		T(a_third_draining_session_ends_the_oldest),
		T(a_relay_that_breaks_the_protocol_is_told_and_left),
		T(stops_at_once_when_nothing_is_under_way),
		T(requests_under_way_finish_before_it_stops),
		T(what_does_not_finish_is_ended_at_the_deadline),
		T(bytes_pass_both_ways_unchanged),
		T(each_direction_ends_for_itself),
		T(failures_to_connect_have_their_codes),
		T(a_name_is_looked_up_and_its_addresses_are_tried),
		T(a_silent_first_address_leaves_time_for_the_second),
		T(frames_for_one_app_leave_in_one_write),
		T(windows_grow_with_the_round_trip_within_the_plan),
		T(a_cancelled_stream_is_reset_at_the_app_at_once),
		T(an_app_that_resets_is_a_broken_stream),
		T(an_answer_before_the_upload_ends_arrives_whole),
		T(a_relay_that_wants_no_more_does_not_stall_the_app),
		T(a_stalled_app_costs_its_window_and_nobody_else),
		T(a_client_that_does_not_read_stops_the_app),
		T(a_closed_stream_keeps_its_place_while_the_app_reads),
		T(memory_is_what_the_plan_says),
		T(running_out_of_descriptors_harms_only_new_streams),
		T(any_one_failing_operation_is_survived),
		T(a_cut_is_healed_at_once_and_no_app_notices),
		T(dials_are_at_most_2_s_apart_while_a_session_waits),
		T(a_session_that_nobody_resumes_expires),
		T(a_refused_session_ends_and_another_begins_at_once),
		T(a_relay_that_is_busy_is_asked_again),
		T(a_draining_session_is_resumed_beside_the_new_one),
		T(an_agent_that_stops_while_cut_finishes_first),
		T(an_agent_that_slept_over_its_end_stops),
		T(many_cuts_lose_nothing),
		T(survives_any_weather_and_serves_again),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
