/*
 * Agents at the relay: the upgrade, the hello, who owns a name, leaving.
 */
#include "relay_test.h"

#define PROTO "Sec-WebSocket-Protocol: adit.tunnel.1\r\n"
#define TOKEN "Authorization: Bearer " RIG_TOKEN "\r\n"

/* The main site is the dashboard unless a test says otherwise. */
static void
begin_plain(void)
{
	begin();
	g.cfg.root = SL("dashboard");
}

static void
upgrades_that_are_refused(void **state)
{
	static const struct { const char *fields; unsigned status;
	    const char *want; } rows[] = {
		{ TOKEN, 426, "Upgrade and Connection headers" },
		{ "Connection: Upgrade\r\n" TOKEN, 426, "" },
		{ UPGRADE VERSION KEY TOKEN, 400, "adit.tunnel.1" },
		{ UPGRADE VERSION KEY TOKEN "Sec-WebSocket-Protocol: "
		    "adit.tunnel.2\r\n", 400, "" },
		{ UPGRADE VERSION PROTO TOKEN, 400, "" },
		{ UPGRADE KEY PROTO TOKEN, 400, "" },
		{ UPGRADE VERSION KEY PROTO, 401, "\"code\":\"token\"" },
		{ UPGRADE VERSION KEY PROTO "Authorization: Bearer wrong\r\n",
		    401, "\"code\":\"token\"" },
		{ UPGRADE VERSION KEY PROTO "Authorization: Basic eDp5\r\n",
		    401, "" },
	};
	char line[1000];

	(void)state;
	begin_plain();
	g.cfg.app_domain = SL("apps.test");
	rig_start(&g);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cl *c = cl_new(&g, C1, NULL);

		snprintf(line, sizeof line, "GET /tunnel HTTP/1.1\r\n" HOST
		    "%s\r\n", rows[i].fields);
		assert_int_equal(cl_ask(c, line), rows[i].status);
		assert_true(cl_body_has(c, rows[i].want));
		cl_close(c, false);
	}
	/* Only on the main site; and nothing may follow the request. */
	snprintf(line, sizeof line, "GET /_adit/tunnel HTTP/1.1\r\n"
	    "Host: web.apps.test\r\n" UPGRADE VERSION KEY PROTO TOKEN "\r\n");
	assert_int_equal(cl_ask(cl_new(&g, C1, NULL), line), 404);
	snprintf(line, sizeof line, "GET /tunnel HTTP/1.1\r\n" HOST UPGRADE
	    VERSION KEY PROTO TOKEN "\r\nx");
	assert_int_equal(cl_ask(cl_new(&g, C1, NULL), line), 400);
	assert_int_equal(g.r->remotes.used, 0);
	rig_close(&g);
}

/* Behind one address somebody guesses, and somebody has the right one. */
static void
guesses_at_a_token_lock_nobody_out(void **state)
{
	static const char wrong[] = "GET /tunnel HTTP/1.1\r\n" HOST UPGRADE
	    VERSION KEY PROTO "Authorization: Bearer wrong\r\n\r\n";
	struct cl *c;
	size_t logged;

	(void)state;
	begin_plain();
	rig_start(&g);
	for (unsigned i = 0; i < TOKENS_BURST; i++) {
		c = cl_new(&g, A1, NULL);
		assert_int_equal(cl_ask(c, wrong), 401);
		assert_false(c->eof);
		cl_close(c, false);
	}
	logged = world_log_count(g.w, "wrong token");
	assert_int_equal(logged, TOKENS_BURST);
	for (unsigned i = 0; i < 3; i++) {
		c = cl_new(&g, A1, NULL);
		assert_int_equal(cl_ask(c, wrong), 429);
		assert_true(cl_head_has(c, "Retry-After: "));
		assert_false(cl_body_has(c, "\"code\""));
		rig_settle(&g);
		assert_true(c->eof);
		cl_close(c, false);
	}
	assert_int_equal(world_log_count(g.w, "wrong token"), logged);
	c = cl_new(&g, A2, NULL);
	assert_int_equal(cl_ask(c, wrong), 401);
	assert_true(ag_up(&g, A1, "mac")->confirmed);
	rig_run(&g, TOKEN_MS);
	c = cl_new(&g, A1, NULL);
	assert_int_equal(cl_ask(c, wrong), 401);
	rig_close(&g);
}

static void
hellos_that_are_refused(void **state)
{
	static const char *const rows[] = {
		"", "{}", "[]", "nonsense", "{\"type\":\"welcome\"}",
	};
	struct ag *a;

	(void)state;
	begin_plain();
	rig_start(&g);
	a = ag_new(&g, A1, "mac");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		a->hello_text = rows[i];
		ag_dial(a);
		rig_settle(&g);
		assert_int_equal(a->close_code, 4001);
		assert_true(a->fd < 0);
	}
	a->hello_text = NULL;
	a->forges = true;
	a->hello.resume = true;
	a->hello.session = SL("AAAAAAAAAAAAAAAAAAAAAA");
	a->hello.attempt = 1;
	ag_dial(a);
	rig_settle(&g);
	assert_true(a->refused);
	assert_string_equal(a->code, "unknown-session");
	rig_run(&g, LINGER_MS + 100);
	rig_zero(&g, false);
	rig_close(&g);
}

static void
each_step_of_the_beginning_has_a_deadline(void **state)
{
	struct ag *a;
	uint64_t at;

	(void)state;
	begin_plain();
	rig_start(&g);
	a = ag_new(&g, A1, "mac");
	a->no_hello = true;
	at = world_now(g.w);
	ag_dial(a);
	rig_run(&g, HELLO_DEADLINE_MS - 100);
	assert_true(a->fd >= 0);
	rig_run(&g, 200);
	assert_true(a->fd < 0);
	assert_int_equal(a->close_code, 4004);
	assert_in_range(a->end_ms - at, HELLO_DEADLINE_MS,
	    HELLO_DEADLINE_MS + 50);
	a->no_hello = false;
	a->hold_welcome = true;
	ag_dial(a);
	rig_run(&g, HELLO_DEADLINE_MS + 100);
	assert_true(a->fd < 0);
	rig_close(&g);
}

static void
nothing_changes_before_the_confirmation(void **state)
{
	struct ag *old, *new;
	struct cl *c;

	(void)state;
	begin();
	g.cfg.root = SL("web");
	rig_start(&g);
	old = ag_up(&g, A1, "mac");
	new = ag_new(&g, A2, "mac");
	new->hold_welcome = true;
	ag_dial(new);
	rig_settle(&g);
	assert_true(new->welcome.n > 0);
	rig_login(&g, C1);
	web = old;
	c = kept();
	cl_put(c, req("GET /2", ""));
	rig_settle(&g);
	ag_confirm(new);
	rig_settle(&g);
	/* Now: the old one is replaced, what it had under way is over. */
	assert_int_equal(old->close_code, 4002);
	assert_int_equal(cl_take(c, false), 502);
	web = new;
	assert_int_equal(exchange(c, "GET /3", OK2), 200);
	rig_close(&g);
}

static void
who_slept_does_not_evict_its_successor(void **state)
{
	struct ag *old, *new;

	(void)state;
	begin_plain();
	rig_start(&g);
	old = ag_up(&g, A1, "mac");
	old->hello.start = false;
	new = ag_up(&g, A2, "mac");
	assert_int_equal(old->close_code, 4002);
	ag_dial(old);
	rig_settle(&g);
	assert_true(old->refused);
	assert_string_equal(old->code, "replaced");
	assert_true(new->fd >= 0);
	/* The same process again: its cable was cut, and takes over at once. */
	rig_run(&g, 1000);
	world_stall(g.w, g.host, new->host, true);
	ag_drop(new, true);
	new->hello.start = false;
	world_stall(g.w, g.host, new->host, false);
	ag_dial(new);
	rig_settle(&g);
	assert_true(new->confirmed);
	assert_int_equal(g.r->remotes.used, 1);
	rig_close(&g);
}

/* Two processes are welcomed; the one that was welcomed later is confirmed
 * later too, and must live to see it. */
static void
a_confirmation_ends_only_earlier_welcomes(void **state)
{
	struct ag *a, *b, *c;

	(void)state;
	begin_plain();
	rig_start(&g);
	a = ag_new(&g, A1, "mac");
	b = ag_new(&g, A2, "mac");
	c = ag_new(&g, "203.0.113.3", "mac");
	a->hold_welcome = b->hold_welcome = c->hold_welcome = true;
	ag_dial(a);
	rig_settle(&g);
	ag_dial(b);
	rig_settle(&g);
	ag_dial(c);
	rig_settle(&g);
	ag_confirm(b);
	rig_settle(&g);
	assert_true(b->confirmed);
	assert_int_equal(a->close_code, 4002);
	assert_true(c->fd >= 0);
	ag_confirm(c);
	rig_settle(&g);
	assert_true(c->confirmed);
	assert_int_equal(b->close_code, 4002);
	rig_close(&g);
}

/* Its session expired, it comes back a moment after another was started. */
static void
who_came_back_does_not_outrun_a_new_process(void **state)
{
	struct ag *new, *back;

	(void)state;
	begin_plain();
	rig_start(&g);
	new = ag_new(&g, A1, "mac");
	back = ag_new(&g, A2, "mac");
	back->hello.start = false;
	new->hold_welcome = back->hold_welcome = true;
	ag_dial(new);
	rig_settle(&g);
	ag_dial(back);
	rig_settle(&g);
	ag_confirm(back);
	rig_settle(&g);
	assert_true(back->confirmed && new->fd >= 0);
	ag_confirm(new);
	rig_settle(&g);
	assert_true(new->confirmed && new->fd >= 0);
	assert_int_equal(back->close_code, 4002);
	rig_close(&g);
}

/* Its welcome was lost on the way: the agent says hello again. */
static void
a_lost_welcome_harms_nothing(void **state)
{
	struct ag *a, *again;

	(void)state;
	begin_plain();
	rig_start(&g);
	a = ag_new(&g, A1, "mac");
	a->hold_welcome = true;
	ag_dial(a);
	rig_settle(&g);
	again = ag_new(&g, A2, "mac");
	memcpy(again->hello.instance, a->hello.instance,
	    sizeof a->hello.instance);
	ag_dial(again);
	rig_settle(&g);
	assert_true(again->confirmed);
	assert_int_equal(a->close_code, 4000);
	rig_close(&g);
}

static void
names_of_apps(void **state)
{
	static const char none[] = "{\"error\":\"Tunnel not connected\"}";
	static const char lacks[] = "{\"error\":\"The agent is connected, "
	    "but offers no such app\"}";
	static const struct { const char *host; unsigned agent;
	    const char *why; } rows[] = {
		{ "web.apps.test", 2, NULL }, { "web--mac.apps.test", 1, NULL },
		{ "web--lab.apps.test", 2, NULL },
		{ "web--nobody.apps.test", 0, none },
		{ "db.apps.test", 0, lacks }, { "what.apps.test", 0, lacks },
		{ "db--mac.apps.test", 0, lacks },
	};
	struct ag *mac, *lab;

	(void)state;
	begin_plain();
	g.cfg.app_domain = SL("apps.test");
	g.cfg.no_login = true;
	rig_start(&g);
	mac = ag_up(&g, A1, "mac");
	lab = ag_new(&g, A2, "lab");
	/* A kind that is not HTTP cannot be asked for by HTTP. */
	lab->hello.apps[1] = (struct hello_app){ .name = SL("db"),
		.kind = APP_TCP };
	lab->hello.napps = 2;
	ag_dial(lab);
	rig_settle(&g);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cl *c = cl_new(&g, C1, NULL);
		unsigned m = mac->nstreams, l = lab->nstreams;
		char line[200];

		snprintf(line, sizeof line, "GET / HTTP/1.1\r\nHost: %s\r\n"
		    "\r\n", rows[i].host);
		cl_put(c, line);
		rig_settle(&g);
		assert_int_equal(mac->nstreams, m + (rows[i].agent == 1));
		assert_int_equal(lab->nstreams, l + (rows[i].agent == 2));
		if (rows[i].agent == 0) {
			assert_int_equal(cl_take(c, false), 502);
			assert_true(cl_body_has(c, rows[i].why));
		}
		cl_close(c, true);
	}
	/* The newest leaves: the bare name means the other again. */
	ag_drop(lab, false);
	rig_settle(&g);
	cl_put(cl_new(&g, C1, NULL), "GET / HTTP/1.1\r\n"
	    "Host: web.apps.test\r\n\r\n");
	rig_settle(&g);
	assert_int_equal(mac->nstreams, 2);
	rig_close(&g);
}

static void
what_survives_a_restart(void **state)
{
	struct ag *a, *b;
	char id[40], text[400];
	struct slice f;

	(void)state;
	begin_plain();
	rig_listen(&g, RIG_IP ":4100", LISTEN_PORT, "");
	rig_listen(&g, RIG_IP ":4101", LISTEN_PORT, "");
	rig_start(&g);
	a = ag_new(&g, A1, "mac");
	a->hello.tunnel_id = SL("Z6q62aKz-F96");
	ag_dial(a);
	rig_settle(&g);
	assert_true(dyn_has(&a->welcome, "\"tunnel_id\":\"Z6q62aKz-F96\""));
	assert_true(dyn_has(&a->welcome, "\"http://" RIG_IP ":4100/\""));
	/* Another agent cannot claim it. */
	b = ag_new(&g, A2, "lab");
	b->hello.tunnel_id = SL("Z6q62aKz-F96");
	b->hello.apps[0].name = SL("two");
	ag_dial(b);
	rig_settle(&g);
	assert_false(dyn_has(&b->welcome, "Z6q62aKz-F96"));
	snprintf(id, sizeof id, "%.12s",
	    strstr(b->welcome.p, "\"tunnel_id\":\"") + 13);
	assert_true(dyn_has(&b->welcome, ":4101/\""));
	f = world_file(g.host, "relay.json");
	snprintf(text, sizeof text, "{\"ports\":{\"web\":4100,\"two\":4101},"
	    "\"agents\":{\"mac\":\"Z6q62aKz-F96\",\"lab\":\"%s\"}}\n", id);
	assert_int_equal(f.n, strlen(text));
	assert_memory_equal(f.p, text, f.n);
	rig_close(&g);
}

static void
an_agent_that_leaves_in_order(void **state)
{
	struct cl *c, *idle;
	struct as *s;
	struct ag *next;

	(void)state;
	begin_web();
	web->app = ends_back;
	idle = kept();
	c = asking("GET /long", &s);
	tunnel_goaway(&web->t, GOAWAY_SHUTDOWN, 20000);
	rig_settle(&g);
	status_says("\"tunnelConnected\":false");
	assert_int_equal(cl_ask(idle, req("GET /new", "")), 502);
	/* The same process dials a new session; the old one lives on. */
	next = ag_new(&g, A2, "mac");
	memcpy(next->hello.instance, web->hello.instance,
	    sizeof web->hello.instance);
	next->hello.start = false;
	ag_dial(next);
	rig_settle(&g);
	assert_true(next->confirmed && web->fd >= 0);
	assert_int_equal(answered(c, s, OK2), 200);
	web = next;
	assert_int_equal(exchange(idle, "GET /new", OK2), 200);
	/* With nothing under way it is closed as done. */
	rig_run(&g, STREAM_IDLE_MS + 1000);
	assert_int_equal(g.r->remotes.used, 1);
	rig_close(&g);
}

static void
an_agent_that_is_dead(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = asking("GET /", &s);
	world_stall(g.w, g.host, web->host, true);
	rig_run(&g, 16000);
	assert_int_equal(cl_take(c, false), 502);
	assert_int_equal(g.r->remotes.used, 0);
	world_stall(g.w, g.host, web->host, false);
	rig_close(&g);
}

static void
agents_have_a_cap(void **state)
{
	struct ag *a, *b;

	(void)state;
	begin_plain();
	g.cfg.max_agents = 1;
	rig_start(&g);
	a = ag_up(&g, A1, "mac");
	b = ag_new(&g, A2, "lab");
	ag_dial(b);
	rig_settle(&g);
	assert_int_equal(b->status, 503);
	assert_true(dyn_has(&b->head, "Retry-After"));
	assert_true(a->fd >= 0);
	ag_drop(b, false);
	rig_close(&g);
}

static void
addresses_share_their_caps(void **state)
{
	struct addr a = { .family = ADDR_V6, .ip = { 0x20, 1, 0xd, 0xb8 } };
	struct peer *p[3];

	(void)state;
	begin_plain();
	g.cfg.max_per_address = 2;
	rig_start(&g);
	p[0] = peer_add(g.r, &a);
	a.ip[15] = 1;
	p[1] = peer_add(g.r, &a);
	assert_true(p[0] != NULL && p[0] == p[1]);
	assert_null(peer_add(g.r, &a));
	a.ip[7] = 1;            /* another /64 */
	p[2] = peer_add(g.r, &a);
	assert_true(p[2] != NULL && p[2] != p[0]);
	for (size_t i = 0; i < 3; i++)
		peer_drop(g.r, p[i]);
	rig_close(&g);
}

static void
agents_in_rough_worlds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world_cfg w = world_rough(seed);
		struct ag *a[3];

		rig_init(&g, &w);
		g.quiet = true;
		rig_start(&g);
		a[0] = ag_new(&g, A1, "mac");
		a[1] = ag_new(&g, A2, "mac");
		a[2] = ag_new(&g, "203.0.113.3", "lab");
		for (int t = 0; t < 200; t++) {
			struct ag *x = a[world_below(g.w, 3)];

			if (x->fd < 0)
				ag_dial(x);
			else if (world_below(g.w, 4) == 0)
				ag_drop(x, world_below(g.w, 2) == 0);
			x->hello.start = world_below(g.w, 2) == 0;
			rig_run(&g, world_below(g.w, 100));
		}
		for (int i = 0; i < 3; i++) {
			ag_drop(a[i], false);
			a[i]->hello.start = true;
		}
		rig_run(&g, 16000);
		ag_dial(a[1]);
		rig_run(&g, 3000);
		assert_true(a[1]->confirmed);
		rig_close(&g);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(upgrades_that_are_refused),
		cmocka_unit_test(guesses_at_a_token_lock_nobody_out),
		cmocka_unit_test(hellos_that_are_refused),
		cmocka_unit_test(each_step_of_the_beginning_has_a_deadline),
		cmocka_unit_test(nothing_changes_before_the_confirmation),
		cmocka_unit_test(who_slept_does_not_evict_its_successor),
		cmocka_unit_test(a_confirmation_ends_only_earlier_welcomes),
		cmocka_unit_test(who_came_back_does_not_outrun_a_new_process),
		cmocka_unit_test(a_lost_welcome_harms_nothing),
		cmocka_unit_test(names_of_apps),
		cmocka_unit_test(what_survives_a_restart),
		cmocka_unit_test(an_agent_that_leaves_in_order),
		cmocka_unit_test(an_agent_that_is_dead),
		cmocka_unit_test(agents_have_a_cap),
		cmocka_unit_test(addresses_share_their_caps),
		cmocka_unit_test(agents_in_rough_worlds),
	};

	return cmocka_run_group_tests_name("relay_agent", tests, NULL, NULL);
}
