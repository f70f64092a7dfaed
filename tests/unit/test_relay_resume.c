/*
 * Sessions at the relay that outlive their connection: what clients notice of a
 * cut, who may resume, and who not.
 */
#include "relay_test.h"

enum { BIG = 300000 };

static uint8_t big[BIG];

static void
begin_parking(void)
{
	begin();
	go_parking();
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (uint8_t)(i * 7 + (i >> 8));
}

/* An answer of BIG bytes begins: the client and its stream. */
static struct cl *
downloading(struct as **s)
{
	struct cl *c = asking("GET /big", s);
	char head[100];

	snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n"
	    "Content-Length: %d\r\n\r\n", BIG);
	as_say(*s, head);
	as_sayn(*s, big, BIG / 2);
	return c;
}

static void
downloaded(struct cl *c, struct as *s)
{
	as_sayn(s, big + BIG / 2, BIG - BIG / 2);
	rig_settle(&g);
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 200);
	assert_int_equal(c->body.n, BIG);
	assert_memory_equal(c->body.p, big, BIG);
	cl_close(c, false);
	rig_settle(&g);
	as_end(s);
	rig_settle(&g);
}

static void
resume(void)
{
	ag_resume(web);
	rig_settle(&g);
	assert_true(web->resumed && !web->refused);
}

/* An answer under way whose tunnel was cut, and both sides know it. */
static struct cl *
cut_short(struct as **s)
{
	struct cl *c;

	begin_parking();
	c = downloading(s);
	rig_settle(&g);
	ag_drop(web, true);
	rig_settle(&g);
	return c;
}

static void
a_cut_is_a_pause(void **state)
{
	(void)state;
	for (int ms = 0; ms < 12; ms++) {
		struct as *s, *up;
		struct cl *c, *u;
		char line[100];

		begin_parking();
		c = downloading(&s);
		u = cl_new(&g, C1, NULL);
		snprintf(line, sizeof line, "Content-Length: %d\r\n", BIG);
		cl_put(u, req("POST /up", line));
		cl_putn(u, big, BIG);
		rig_run(&g, (uint64_t)ms);
		ag_drop(web, ms % 2 == 0);
		rig_run(&g, ms % 3 == 0 ? 1 : 2500);
		assert_false(c->eof || u->eof);
		if (ms % 3 != 0)
			status_says("\"tunnelConnected\":false");
		resume();
		status_says("\"tunnelConnected\":true");
		rig_settle(&g);
		up = ag_last(web);
		assert_int_equal(up->n, 2);
		assert_true(up->in.n > BIG);
		assert_memory_equal(up->in.p + up->in.n - BIG, big, BIG);
		assert_int_equal(answered(u, up, OK2), 200);
		downloaded(c, s);
		rig_close(&g);
	}
}

/* Cuts anywhere, one after the other; now and then the relay is not told. */
static void
many_cuts_are_many_pauses(void **state)
{
	struct as *s;
	struct cl *c;
	size_t said = 0;

	(void)state;
	begin_parking();
	c = downloading(&s);
	s->out.n = 0;                   /* in smaller pieces then */
	for (int i = 0; i < 150; i++) {
		size_t n = min_size(1 + (size_t)world_below(g.w, 4000),
		    BIG - said);

		if (i > 0) {
			as_sayn(s, big + said, n);
			said += n;
		} else {
			as_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 300000"
			    "\r\n\r\n");
		}
		rig_run(&g, world_below(g.w, 6));
		if (i % 10 == 3 && web->left < 0)
			ag_abandon(web);
		else
			ag_drop(web, world_below(g.w, 2) == 0);
		rig_run(&g, world_below(g.w, 3));
		ag_resume(web);
		/* The answer to it may be lost, and that of the next. */
		rig_run(&g, world_below(g.w, 12));
		while (!web->resumed) {
			ag_drop(web, true);
			assert_true(web->parked);
			ag_resume(web);
			rig_run(&g, world_below(g.w, 20));
		}
	}
	as_sayn(s, big + said, BIG - said);
	rig_settle(&g);
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 200);
	assert_int_equal(c->body.n, BIG);
	assert_memory_equal(c->body.p, big, BIG);
	rig_close(&g);
}

static void
the_newest_connection_wins_over_a_half_open_one(void **state)
{
	struct as *s;
	struct cl *c;

	(void)state;
	begin_parking();
	c = downloading(&s);
	rig_run(&g, 3);
	ag_abandon(web);
	rig_run(&g, 20);
	status_says("\"tunnelConnected\":true");        /* it thinks */
	resume();
	assert_int_equal(world_log_count(g.w, "relay: resumed"), 1);
	assert_int_equal(g.r->remotes.used, 1);
	downloaded(c, s);
	rig_close(&g);
}

/* What a stranger, or an agent of old, may try; and how it is refused. */
static void
a_wrong_resume_costs_nobody_anything(void **state)
{
	struct as *s;
	struct cl *c;
	struct ag *b;

	(void)state;
	begin_parking();
	c = downloading(&s);
	rig_run(&g, 3);
	ag_drop(web, true);
	resume();
	for (int i = 0; i < 8; i++) {
		const char *want = i < 5 ? "proof" : i < 7 ?
		    "unknown-session" : "name";
		struct remote *l = pool_at(&g.r->remotes, 0);

		b = ag_new(&g, A2, i == 5 ? "lab" : "mac");
		b->forges = true;
		if (i < 7)
			ag_drop(web, true);     /* parked or not: the same */
		b->hello.resume = true;
		b->hello.start = false;
		b->hello.session = slice_of(web->session,
		    sizeof web->session);
		b->hello.attempt = web->attempt + (i == 0 ? 0 : 1);
		b->hello.received = tunnel_received(&web->t);
		if (i == 6) {
			static char other[] = "AAAAAAAAAAAAAAAAAAAAAA";

			b->hello.session = slice_of(other, 22);
		}
		assert_int_equal(hello_proof(b->hello.proof, web->secret,
		    b->hello.session, b->hello.attempt, b->hello.received),
		    E_OK);
		if (i == 1)
			b->hello.proof[31] ^= 1;
		if (i == 2)
			b->hello.received++;
		if (i == 3)
			b->hello.attempt++;
		if (i == 4)
			memset(b->hello.proof, 0, sizeof b->hello.proof);
		l->credential += i == 7;
		ag_dial(b);
		rig_settle(&g);
		assert_true(b->refused);
		assert_string_equal(b->code, want);
		l->credential -= i == 7;
		assert_int_equal(g.r->remotes.used, 1);
		if (i < 7)
			resume();
	}
	downloaded(c, s);
	rig_close(&g);
}

/* Whoever hammers at a session is put off; it waits for the right one. */
static void
the_rate_of_resumptions_is_bounded(void **state)
{
	struct remote *l;
	struct as *s;
	struct cl *c;
	struct ag *b;
	unsigned n = 0;

	(void)state;
	begin_parking();
	c = downloading(&s);
	rig_run(&g, 3);
	ag_drop(web, true);
	b = ag_new(&g, A2, "mac");
	b->forges = true;
	b->hello.resume = true;
	b->hello.start = false;
	b->hello.session = slice_of(web->session, sizeof web->session);
	b->hello.attempt = web->attempt + 1;
	l = pool_at(&g.r->remotes, 0);
	assert_int_equal(l->attempts, 0);
	l->attempts = world_now(g.w) / RESUME_MS + RESUME_BURST - 20;
	do {
		b->refused = false;
		ag_dial(b);
		rig_settle(&g);
		assert_true(b->refused);
		ag_drop(b, false);
		l->attempts += 2;       /* virtual time passes by dialling */
	} while (strcmp(b->code, "proof") == 0 && ++n < 30);
	assert_string_equal(b->code, "limit");
	assert_in_range(n, 6, 29);
	rig_run(&g, 3 * RESUME_MS);
	resume();
	downloaded(c, s);
	rig_close(&g);
}

static void
an_impossible_number_ends_the_session(void **state)
{
	struct as *s;
	struct cl *c;

	(void)state;
	c = cut_short(&s);
	web->t.received += 5;
	ag_resume(web);
	rig_settle(&g);
	assert_false(web->resumed);
	assert_int_equal(web->close_code, CLOSE_PROTOCOL);
	assert_true(c->eof);
	rig_run(&g, LINGER_MS + 10);
	assert_int_equal(g.r->remotes.used, 0);
	rig_close(&g);
}

static void
a_parked_session_expires(void **state)
{
	struct as *s;
	struct cl *c, *d;

	(void)state;
	begin_parking();
	c = downloading(&s);
	d = cl_new(&g, C1, NULL);
	cl_put(d, req("GET /slow", ""));
	rig_settle(&g);
	ag_drop(web, true);
	rig_run(&g, GRACE_MS - 100);
	assert_false(c->eof || d->eof);
	rig_run(&g, 200);
	assert_true(c->eof);                    /* in the middle */
	assert_int_equal(cl_take(d, false), 502);
	assert_int_equal(g.r->remotes.used, 0);
	web->t.park_until_ms += 5000;           /* it does not know yet */
	web->fd = -1;
	if (web->parked) {
		ag_resume(web);
		rig_settle(&g);
		assert_string_equal(web->code, "unknown-session");
	}
	rig_close(&g);
}

static void
a_request_waits_for_the_agent(void **state)
{
	struct cl *c[3], *late;
	struct as *s;

	(void)state;
	begin_parking();
	ag_drop(web, true);
	rig_settle(&g);
	for (int i = 0; i < 3; i++)
		c[i] = cl_new(&g, C1, NULL);
	cl_put(c[0], req("GET /0", ""));
	cl_put(c[1], req("POST /1", "Content-Length: 5000\r\n"));
	cl_putn(c[1], big, 100);
	cl_put(c[2], req("GET /2", ""));
	rig_run(&g, 1500);
	cl_putn(c[1], big + 100, 4900);
	cl_close(c[2], false);                  /* who loses patience */
	rig_run(&g, 1000);
	assert_int_equal(g.r->clients.used, 2);
	resume();
	assert_int_equal(web->nstreams, 2);
	for (unsigned i = 1; i <= 2; i++) {
		s = ag_stream(web, i);
		if (as_has(s, "POST /1")) {
			assert_memory_equal(s->in.p + s->in.n - 5000, big,
			    5000);
		}
		as_say(s, OK2);
	}
	rig_settle(&g);
	assert_int_equal(cl_take(c[0], false), 200);
	assert_int_equal(cl_take(c[1], false), 200);
	/* Nobody comes. The connection can be used again, to wait again. */
	ag_drop(web, true);
	rig_settle(&g);
	late = c[0];
	cl_put(late, req("GET /3", ""));
	rig_run(&g, AGENT_WAIT_MS - 10);
	assert_int_equal(cl_take(late, false), 0);
	rig_run(&g, 20);
	assert_int_equal(cl_take(late, false), 502);
	assert_true(cl_body_has(late, "Tunnel not connected"));
	cl_put(late, req("GET /4", ""));
	rig_run(&g, AGENT_WAIT_MS / 2);
	assert_int_equal(cl_take(late, false), 0);
	resume();
	assert_int_equal(answered(late, ag_last(web), OK2), 200);
	rig_close(&g);
}

static void
without_a_buffer_nobody_waits(void **state)
{
	struct cl *c[8];
	unsigned waiting = 0;

	(void)state;
	begin_parking();
	ag_drop(web, true);
	rig_settle(&g);
	while (g.r->small.used < g.r->small.cap / 2 - 3)
		assert_non_null(pool_take(&g.r->small));
	for (int i = 0; i < 8; i++) {
		c[i] = cl_new(&g, C1, NULL);
		cl_put(c[i], req("GET /", ""));
		rig_settle(&g);
		waiting += cl_take(c[i], false) == 0;
	}
	assert_int_equal(waiting, 3);
	assert_int_equal(c[7]->status, 502);
	resume();
	rig_settle(&g);
	assert_int_equal(web->nstreams, 3);
	for (uint32_t i = g.r->small.cap; i-- > 0;) {
		if (pool_live(&g.r->small, i))
			pool_give(&g.r->small, pool_at(&g.r->small, i));
	}
	rig_close(&g);
}

/* Who fills the relay must be able to come back to it. */
static void
a_full_relay_takes_its_agents_back(void **state)
{
	struct as *s;
	struct cl *c;
	struct ag *b;

	(void)state;
	begin();
	g.cfg.max_agents = 1;
	go_parking();
	c = downloading(&s);
	rig_settle(&g);
	rig_scarce(&g, 0);
	b = ag_new(&g, A2, "lab");
	ag_dial(b);
	rig_settle(&g);
	assert_true(b->refused);
	assert_string_equal(b->code, "limit");
	for (int i = 0; i < 3; i++) {
		if (i == 1)
			ag_abandon(web);
		else
			ag_drop(web, true);
		resume();
		assert_true(g.r->spare > 0);
	}
	downloaded(c, s);
	rig_close(&g);
}

static void
a_new_process_ends_a_parked_session(void **state)
{
	struct as *s;
	struct cl *c, *d;
	struct ag *b;

	(void)state;
	c = cut_short(&s);
	d = cl_new(&g, C1, NULL);
	cl_put(d, req("GET /later", ""));
	rig_settle(&g);
	/* One that was only away does not; a new one does. */
	b = ag_new(&g, A2, "mac");
	b->hello.start = false;
	ag_dial(b);
	rig_settle(&g);
	assert_string_equal(b->code, "replaced");
	assert_false(c->eof);
	b->hello.start = true;
	ag_dial(b);
	rig_settle(&g);
	assert_true(b->confirmed && c->eof);
	assert_int_equal(b->nstreams, 1);       /* what waited */
	assert_int_equal(answered(d, ag_last(b), OK2), 200);
	ag_resume(web);
	rig_settle(&g);
	assert_string_equal(web->code, "unknown-session");
	rig_close(&g);
}

static void
a_draining_session_is_resumed_as_draining(void **state)
{
	struct as *s;
	struct cl *c;

	(void)state;
	begin_parking();
	c = downloading(&s);
	rig_settle(&g);
	tunnel_goaway(&web->t, GOAWAY_SHUTDOWN, 20000);
	rig_settle(&g);
	ag_drop(web, true);
	rig_settle(&g);
	resume();
	assert_int_equal(tunnel_state(&web->t), TUNNEL_DRAINING);
	assert_int_equal(((struct remote *)pool_at(&g.r->remotes, 0))->state,
	    REMOTE_DRAINING);
	downloaded(c, s);
	rig_run(&g, STREAM_IDLE_MS + 100);
	assert_int_equal(web->close_code, CLOSE_DONE);
	rig_close(&g);
}

static void
a_provisional_session_is_resumed(void **state)
{
	(void)state;
	begin_parking();
	ag_drop(web, true);
	ag_forget(web);
	ag_dial(web);
	while (!web->welcomed)
		rig_run(&g, 1);
	ag_drop(web, true);             /* its ACK is lost, or on its way */
	assert_true(web->parked);
	resume();
	assert_true(web->confirmed);
	assert_int_equal(exchange(cl_new(&g, C1, NULL), "GET /", OK2), 200);
	rig_close(&g);
}

static void
a_relay_that_stops_lets_a_parked_session_finish(void **state)
{
	struct as *s;
	struct cl *c;

	(void)state;
	c = cut_short(&s);
	relay_stop(g.r, world_io(g.host));
	rig_run(&g, 1000);
	resume();
	assert_true(web->goaway);
	downloaded(c, s);
	rig_run(&g, STREAM_IDLE_MS + 2000);
	assert_true(relay_stopped(g.r));
	rig_close(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_is_a_pause),
		cmocka_unit_test(many_cuts_are_many_pauses),
		cmocka_unit_test(
		    the_newest_connection_wins_over_a_half_open_one),
		cmocka_unit_test(a_wrong_resume_costs_nobody_anything),
		cmocka_unit_test(the_rate_of_resumptions_is_bounded),
		cmocka_unit_test(an_impossible_number_ends_the_session),
		cmocka_unit_test(a_parked_session_expires),
		cmocka_unit_test(a_request_waits_for_the_agent),
		cmocka_unit_test(without_a_buffer_nobody_waits),
		cmocka_unit_test(a_full_relay_takes_its_agents_back),
		cmocka_unit_test(a_new_process_ends_a_parked_session),
		cmocka_unit_test(a_draining_session_is_resumed_as_draining),
		cmocka_unit_test(a_provisional_session_is_resumed),
		cmocka_unit_test(
		    a_relay_that_stops_lets_a_parked_session_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
