/*
 * A relay that stops, or whose place another process takes: nobody who asks
 * just then fails for it.
 */
#include "relay_test.h"

#define NO_FIELDS "HTTP/1.1\r\n" HOST "\r\n"

static void
stop(void)
{
	relay_stop(g.r, world_io(g.host));
	rig_settle(&g);
}

static void
stops_in_order(void **state)
{
	struct cl *idle, *c, *late;
	struct as *s;
	struct ag *again;

	(void)state;
	begin_web();
	web->app = ends_back;
	idle = kept();
	c = asking("GET /long", &s);
	stop();
	assert_false(relay_stopped(g.r));
	assert_true(idle->eof && !idle->broken);
	assert_true(web->goaway);
	/* Who asks is answered, and sent away. */
	late = cl_new(&g, C2, NULL);
	assert_int_equal(cl_ask(late, "GET /_adit/readyz HTTP/1.1\r\n" HOST
	    "\r\n"), 503);
	assert_true(cl_body_has(late, "draining"));
	assert_true(late->eof);
	late = cl_new(&g, C1, NULL);
	assert_int_equal(cl_ask(late, req("GET /", "")), 503);
	assert_true(late->eof);
	again = ag_new(&g, A2, "mac");
	ag_dial(again);
	rig_settle(&g);
	assert_int_equal(again->status, 503);
	ag_drop(again, false);
	assert_int_equal(answered(c, s, OK2), 200);
	assert_true(cl_head_has(c, "Connection: close\r\n"));
	assert_true(c->eof && !c->broken);
	assert_int_equal(web->close_code, 4000);
	rig_run(&g, 100);
	assert_true(relay_stopped(g.r));
	rig_close(&g);
}

static void
stops_after_its_time(void **state)
{
	struct cl *c, *ws;
	struct as *s;
	uint64_t at;

	(void)state;
	begin_web();
	c = asking("GET /long", &s);
	ws = cl_new(&g, C1, NULL);
	cl_put(ws, req("GET /ws", UPGRADE VERSION KEY));
	s = asked(2);
	assert_int_equal(answered(ws, s, "HTTP/1.1 101 Switching Protocols"
	    "\r\n" UPGRADE "\r\n"), 101);
	s->in.n = 0;
	at = world_now(g.w);
	relay_stop(g.r, world_io(g.host));
	rig_run(&g, 29000);
	assert_false(c->eof || ws->eof || relay_stopped(g.r));
	rig_run(&g, 2000);
	assert_true(c->eof && ws->eof);
	assert_true(cl_has(ws, "\x03\xe9" "the relay is stopping"));
	assert_true(s->in.n > 8 || s->was_reset);
	rig_run(&g, 3000);
	assert_true(relay_stopped(g.r));
	assert_true(world_now(g.w) - at < 35000);
	rig_close(&g);
}

/* An agent and a client that do not even read cannot hold it up. */
static void
stops_whatever_others_do(void **state)
{
	char fill[4096];
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	memset(fill, 'x', sizeof fill);
	c = cl_new(&g, C1, NULL);
	c->hold = true;
	cl_put(c, req("GET /", ""));
	s = asked(1);
	as_say(s, "HTTP/1.1 200 OK\r\n\r\n");
	for (int i = 0; i < 300; i++)
		as_sayn(s, fill, sizeof fill);
	rig_settle(&g);
	world_stall(g.w, g.host, web->host, true);
	relay_stop(g.r, world_io(g.host));
	rig_run(&g, g.cfg.drain_ms + LINGER_MS + 100);
	assert_true(relay_stopped(g.r));
	world_stall(g.w, g.host, web->host, false);
	rig_close(&g);
}

/* ---- who was just about to ask ---- */

static void
a_connection_without_a_request_is_let_speak(void **state)
{
	struct cl *c, *half;
	struct as *s;

	(void)state;
	begin_web();
	web->app = ends_back;
	c = cl_new(&g, C1, NULL);
	half = cl_new(&g, C1, NULL);
	cl_put(half, "GET /half HTTP/1.1\r\n");
	rig_settle(&g);
	stop();
	assert_false(c->eof || half->eof || web->goaway);
	cl_put(c, req("GET /", ""));
	s = asked(1);
	assert_int_equal(answered(c, s, OK2), 200);
	assert_true(cl_head_has(c, "Connection: close\r\n"));
	assert_true(c->eof && !c->broken);
	assert_false(web->goaway);
	cl_put(half, strchr(req("GET /", ""), '\n') + 1);
	s = asked(2);
	assert_true(web->goaway);
	assert_int_equal(answered(half, s, OK2), 200);
	rig_run(&g, 100);
	assert_true(relay_stopped(g.r));
	rig_close(&g);
}

static void
a_silent_connection_holds_it_up_for_a_second(void **state)
{
	struct cl *fresh, *old;

	(void)state;
	begin_web();
	old = cl_new(&g, C1, NULL);
	rig_run(&g, SETTLE_MS);
	fresh = cl_new(&g, C1, NULL);
	rig_settle(&g);
	stop();
	assert_true(old->eof && !old->broken);
	assert_false(fresh->eof || web->goaway);
	rig_run(&g, SETTLE_MS - 200);
	assert_false(fresh->eof || web->goaway);
	rig_run(&g, 300);
	assert_true(fresh->eof && !fresh->broken && web->goaway);
	assert_int_equal(web->goaway_reason, GOAWAY_SHUTDOWN);
	rig_run(&g, 100);
	assert_true(relay_stopped(g.r));
	rig_close(&g);
}

/* A request that is in the socket already is served, kept alive or not. */
static void
a_request_that_is_here_is_served(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = kept();
	s = ag_last(web);
	s->in.n = 0;
	world_stall(g.w, g.hosts[0], g.host, true);
	cl_put(c, req("GET /again", ""));
	world_stall(g.w, g.hosts[0], g.host, false);
	while (s->in.n == 0)
		rig_run(&g, 1);
	stop();
	assert_int_equal(answered(c, s, OK2), 200);
	assert_true(cl_head_has(c, "Connection: close\r\n"));
	assert_true(c->eof && !c->broken);
	rig_close(&g);
}

/* An answer whose app is done with it, but not its reader. */
static void
an_answer_that_still_leaves_is_not_cut(void **state)
{
	enum { BYTES = 290000 };
	static char body[BYTES];
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	web->app = ends_back;
	memset(body, 'x', sizeof body);
	c = cl_new(&g, C1, NULL);
	c->hold = true;
	cl_put(c, req("GET /", ""));
	s = asked(1);
	as_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 290000\r\n\r\n");
	as_sayn(s, body, sizeof body);
	rig_run(&g, 1000);
	assert_true(rig_held(&g) > 0);
	stop();
	rig_run(&g, SETTLE_MS + 1000);
	assert_false(c->eof || relay_stopped(g.r));
	c->hold = false;
	rig_run(&g, 1000);
	assert_int_equal(cl_take(c, false), 200);
	assert_int_equal(c->body.n, BYTES);
	assert_true(c->eof && !c->broken && relay_stopped(g.r));
	rig_close(&g);
}

/* ---- a takeover ---- */

static void
hold(bool on)
{
	relay_hold(g.r, world_io(g.host), on);
	rig_settle(&g);
}

static void
one_that_is_held_writes_nothing_and_goes_on(void **state)
{
	struct cl *c, *login, *late, *t;
	struct ag *other;

	(void)state;
	begin_web();
	c = kept();
	login = cl_new(&g, C2, NULL);
	t = cl_new(&g, C2, NULL);
	rig_settle(&g);
	other = ag_new(&g, A2, "linux");
	other->hold_welcome = true;
	ag_dial(other);
	rig_settle(&g);
	assert_true(other->welcome.n > 0);
	hold(true);
	late = cl_new(&g, C3, NULL);
	rig_settle(&g);
	cl_put(late, "GET /_adit/healthz " NO_FIELDS);
	assert_int_equal(cl_ask(login, "POST /_adit/login HTTP/1.1\r\n" HOST
	    "Content-Length: 40\r\n\r\n{"), 503);
	assert_true(cl_body_has(login, "takes over"));
	assert_true(cl_head_has(login, "Connection: close\r\n"));
	assert_true(login->eof && !login->broken);
	assert_int_equal(cl_ask(t, "GET /tunnel HTTP/1.1\r\n" HOST UPGRADE
	    VERSION KEY "Sec-WebSocket-Protocol: adit.tunnel.1\r\n"
	    "Authorization: Bearer " RIG_TOKEN "\r\n\r\n"), 503);
	assert_int_equal(exchange(c, "GET /", OK2), 200);
	assert_false(c->eof);
	/* An agent that comes now is served, but its id is not kept. */
	ag_confirm(other);
	rig_settle(&g);
	assert_true(g.r->kept_changed);
	assert_int_equal(cl_take(late, false), 0);
	hold(false);
	assert_int_equal(cl_take(late, false), 200);
	assert_false(g.r->kept_changed);
	assert_false(web->goaway);
	rig_login(&g, C2);
	rig_close(&g);
}

static void
one_that_leaves_sends_its_agents_away(void **state)
{
	struct cl *idle, *c, *fresh;
	struct as *s;

	(void)state;
	begin_web();
	web->app = ends_back;
	idle = kept();
	c = asking("GET /long", &s);
	fresh = cl_new(&g, C1, NULL);
	rig_settle(&g);
	hold(true);
	relay_leave(g.r, world_io(g.host));
	rig_settle(&g);
	/* Nothing listens here any more; who came is served. */
	assert_true(idle->eof && !idle->broken);
	assert_false(web->goaway);
	cl_put(fresh, req("GET /", ""));
	assert_int_equal(answered(fresh, asked(3), OK2), 200);
	assert_true(web->goaway);
	assert_int_equal(web->goaway_reason, GOAWAY_UPGRADE);
	assert_false(relay_stopped(g.r));
	assert_int_equal(answered(c, s, OK2), 200);
	rig_run(&g, 100);
	assert_int_equal(web->close_code, 4000);
	assert_true(relay_stopped(g.r));
	rig_close(&g);
}

/* Nobody can come back to it: clients are told at once, not after the grace
 * period. */
static void
one_that_left_waits_for_no_cut_session(void **state)
{
	struct cl *c, *d;
	struct as *s;
	struct ag *other;

	(void)state;
	begin();
	go_parking();
	c = asking("GET /one", &s);
	other = ag_new(&g, A2, "linux");
	other->parks = true;
	ag_dial(other);
	rig_settle(&g);
	d = cl_new(&g, C1, NULL);
	cl_put(d, req("GET /two", ""));
	rig_settle(&g);
	assert_non_null(ag_last(other));
	ag_drop(web, true);             /* before it leaves, */
	rig_settle(&g);
	assert_false(c->eof);
	relay_leave(g.r, world_io(g.host));
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 502);
	assert_true(c->eof && !d->eof && !relay_stopped(g.r));
	ag_drop(other, true);           /* and after */
	rig_settle(&g);
	assert_int_equal(cl_take(d, false), 502);
	assert_true(d->eof && relay_stopped(g.r));
	ag_forget(web);
	ag_forget(other);
	rig_close(&g);
}

/* What the other process does: the same state, sockets of the same address. */
static void
begin_successor(void)
{
	rig_kill(&g);
	ag_forget(web);
	g.cfg.succeeds = true;
	rig_again(&g);
}

static void
requests_wait_for_agents_after_a_takeover(void **state)
{
	struct cl *c, *other;

	(void)state;
	begin();
	g.cfg.publics[g.cfg.npublics++] = SL("mac/web");
	go_web();
	begin_successor();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("GET /", ""));
	rig_run(&g, 1000);
	assert_false(c->eof);
	assert_int_equal(cl_take(c, false), 0);
	assert_true(relay_awaits(g.r));
	ag_dial(web);
	rig_settle(&g);
	assert_false(relay_awaits(g.r));
	assert_int_equal(answered(c, ag_last(web), OK2), 200);
	/* Later there is nothing to wait for. */
	rig_run(&g, EXPECT_MS);
	ag_drop(web, false);
	rig_settle(&g);
	other = cl_new(&g, C1, NULL);
	assert_int_equal(cl_ask(other, req("GET /", "")), 502);
	rig_close(&g);
}

static void
nobody_waits_for_ever_after_a_takeover(void **state)
{
	struct cl *c, *anon;

	(void)state;
	begin_web();
	begin_successor();
	c = cl_new(&g, C1, NULL);
	anon = cl_new(&g, C2, NULL);
	cl_put(c, req("GET /", ""));
	cl_put(anon, "GET / " NO_FIELDS);
	rig_run(&g, AGENT_WAIT_MS - 200);
	assert_int_equal(cl_take(c, false), 0);
	rig_run(&g, 400);
	assert_int_equal(cl_take(c, false), 502);
	assert_int_equal(cl_take(anon, false), 401);
	rig_close(&g);
}

static void
the_first_app_stays_the_first(void **state)
{
	struct cl *c;

	(void)state;
	begin();
	g.cfg.root = SL("");
	rig_start(&g);
	web = ag_up(&g, A1, "mac");
	rig_login(&g, C1);
	assert_true(slice_eq(relay_first_app(g.r), SL("web")));
	g.cfg.first_app = SL("web");
	begin_successor();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("GET /app", ""));
	rig_settle(&g);
	ag_dial(web);
	rig_settle(&g);
	assert_int_equal(answered(c, ag_last(web), OK2), 200);
	/* But not where a setting says what the main site serves. */
	g.cfg.app_domain = SL("apps.test");
	ag_drop(web, false);
	begin_successor();
	assert_int_equal(relay_first_app(g.r).n, 0);
	rig_close(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_in_order),
		cmocka_unit_test(stops_after_its_time),
		cmocka_unit_test(stops_whatever_others_do),
		cmocka_unit_test(a_connection_without_a_request_is_let_speak),
		cmocka_unit_test(a_silent_connection_holds_it_up_for_a_second),
		cmocka_unit_test(a_request_that_is_here_is_served),
		cmocka_unit_test(an_answer_that_still_leaves_is_not_cut),
		cmocka_unit_test(one_that_is_held_writes_nothing_and_goes_on),
		cmocka_unit_test(one_that_leaves_sends_its_agents_away),
		cmocka_unit_test(one_that_left_waits_for_no_cut_session),
		cmocka_unit_test(requests_wait_for_agents_after_a_takeover),
		cmocka_unit_test(nobody_waits_for_ever_after_a_takeover),
		cmocka_unit_test(the_first_app_stays_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
