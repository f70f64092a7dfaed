/*
 * WebSockets of apps through the relay: frames pass as they are, what breaks
 * RFC 6455 is stopped with 1002 and reaches nobody, and each end is told.
 */
#include "relay_test.h"

#define CLOSE_1002 "\x88\x02\x03\xea"

#define B(lit) (lit), sizeof(lit) - 1

static struct as *
upgrade(struct cl *c, const char *answer)
{
	struct as *s;

	cl_put(c, req("GET /ws", UPGRADE VERSION KEY));
	rig_settle(&g);
	s = ag_last(web);
	assert_non_null(s);
	s->in.n = 0;
	as_say(s, answer);
	rig_settle(&g);
	return s;
}

static struct cl *
begin_ws(struct as **s)
{
	struct cl *c;

	begin_web();
	c = cl_new(&g, C1, NULL);
	*s = open_ws(c);
	return c;
}

static void
got(const struct dyn *d, const char *want, size_t n)
{
	assert_int_equal(d->n, n);
	if (n > 0)
		assert_memory_equal(d->p, want, n);
}

/* A masked Close of ours with that code. */
static void
got_close(const struct as *s, size_t at, unsigned code)
{
	const uint8_t *p = (const uint8_t *)s->in.p + at;

	assert_true(s->in.n >= at + 8);
	assert_int_equal(p[0], 0x88);
	assert_int_equal(p[1] & 0x80, 0x80);
	assert_int_equal((unsigned)(p[6] ^ p[2]) << 8 | (p[7] ^ p[3]), code);
	assert_int_equal(s->in.n, at + 6 + (p[1] & 0x7f));
}

static void
frames_pass_as_they_are(void **state)
{
	static const char up[] = "\x81\x85\x01\x02\x03\x04" "abcde"
	    "\x02\x80\1\1\1\1" "\x89\x81\1\1\1\1q" "\x80\x82\1\1\1\1zz"
	    "\x82\xfe\x00\x7e\5\5\5\5";
	static const char down[] = "\x01\x02hi" "\x8a\x00" "\x80\x01!"
	    "\x82\x05" "bytes" "\x88\x02\x03\xe8";
	struct cl *c;
	struct as *s;

	(void)state;
	c = begin_ws(&s);
	cl_putn(c, up, sizeof up - 1);
	rig_settle(&g);
	got(&s->in, up, sizeof up - 1);
	as_sayn(s, down, sizeof down - 1);
	rig_settle(&g);
	got(&c->in, down, sizeof down - 1);
	/* The app has said Close: it ends, and the client's side with it. */
	as_end(s);
	rig_settle(&g);
	assert_true(c->eof && !c->broken && s->in_end);
	rig_close(&g);
}

static void
frames_in_single_bytes(void **state)
{
	static const char up[] = "\x82\xfe\x00\x80\1\2\3\4";
	struct cl *c;
	struct as *s;

	(void)state;
	c = begin_ws(&s);
	for (size_t i = 0; i < sizeof up - 1; i++) {
		cl_putn(c, up + i, 1);
		as_sayn(s, i == 0 ? "\x82" : i == 1 ? "\x06" : "x", 1);
		rig_settle(&g);
		/* A header is passed when it is whole. */
		assert_int_equal(s->in.n, i < 7 ? 0 : 8);
		assert_int_equal(c->in.n, i < 1 ? 0 : i + 1);
	}
	rig_close(&g);
}

static void
bytes_that_came_with_the_handshake(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	cl_put(c, req("GET /ws", UPGRADE VERSION KEY));
	cl_putn(c, B("\x81\x81\0\0\0\0a"));
	rig_settle(&g);
	s = ag_last(web);
	assert_false(as_has(s, "\x81\x81"));
	s->in.n = 0;
	as_say(s, SWITCH "\r\n");
	as_sayn(s, B("\x81\x01" "b"));
	rig_settle(&g);
	got(&s->in, B("\x81\x81\0\0\0\0a"));
	assert_int_equal(cl_take(c, false), 101);
	got(&c->in, B("\x81\x01" "b"));
	rig_close(&g);
}

static void
an_app_that_will_not_upgrade(void **state)
{
	struct cl *c;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	upgrade(c, "HTTP/1.1 426 No\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(cl_take(c, false), 426);
	assert_int_equal(exchange(c, "GET /", OK2), 200);
	assert_int_equal(web->nstreams, 1);
	rig_close(&g);
}

static const struct violation {
	const char *good;
	size_t good_n;
	const char *bad;        /* as a client would say it; zero keys */
	size_t bad_n;
} violations[] = {
	{ B(""), B("\x81\x01" "a") },                   /* not masked */
	{ B("\x81\x81\0\0\0\0a"), B("\x83\x80\0\0\0\0") },      /* opcode 3 */
	{ B("\x82\x80\0\0\0\0"), B("\xc1\x80\0\0\0\0") },       /* RSV1 */
	{ B(""), B("\xa1\x80\0\0\0\0") },
	{ B("\x01\x80\0\0\0\0"), B("\x81\x80\0\0\0\0") },       /* in between */
	{ B(""), B("\x80\x80\0\0\0\0") },               /* continues nothing */
	{ B(""), B("\x09\x80\0\0\0\0") },               /* fragmented ping */
	{ B(""), B("\x89\xfe\x00\x7e\0\0\0\0") },       /* long ping */
	{ B(""), B("\x82\xfe\x00\x7d\0\0\0\0") },       /* not minimal */
	{ B(""), B("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0") },
	{ B(""), B("\x88\x81\0\0\0\0x") },              /* Close of 1 byte */
};

static void
clients_that_break_the_rules(void **state)
{
	(void)state;
	begin_web();
	for (size_t i = 0; i < 2 * sizeof violations / sizeof violations[0];
	    i++) {
		const struct violation *v = &violations[i / 2];
		struct cl *c = cl_new(&g, C1, NULL);
		struct as *s = open_ws(c);

		cl_putn(c, v->good, v->good_n);
		if (i % 2 == 1)
			rig_settle(&g);
		for (size_t k = 0; k < v->bad_n; k++) {
			cl_putn(c, v->bad + k, 1);
			if (i % 2 == 1)
				rig_run(&g, 1);
		}
		rig_settle(&g);
		assert_memory_equal(s->in.p, v->good, v->good_n);
		got_close(s, v->good_n, 1002);
		assert_true(s->in_end);
		got(&c->in, B(CLOSE_1002));
		assert_true(c->eof && !c->broken);
		cl_close(c, false);
	}
	rig_close(&g);
}

/* The same frames without masks, which is right for a server. */
static size_t
unmask(char *out, const char *p, size_t n)
{
	size_t head = n < 2 ? 0 : (p[1] & 0x7f) == 126 ? 4 :
	    (p[1] & 0x7f) == 127 ? 10 : 2, k = 0;

	for (size_t i = 0; i < n; i++) {
		if (i >= head && i < head + 4)
			continue;
		out[k++] = i == 1 ? (char)(p[i] & 0x7f) : p[i];
	}
	return k;
}

static void
apps_that_break_the_rules(void **state)
{
	(void)state;
	begin_web();
	for (size_t i = 0; i < sizeof violations / sizeof violations[0]; i++) {
		const struct violation *v = &violations[i];
		struct cl *c = cl_new(&g, C1, NULL);
		struct as *s = open_ws(c);
		char good[40], bad[40];
		size_t good_n = unmask(good, v->good, v->good_n);
		size_t bad_n = unmask(bad, v->bad, v->bad_n);

		as_sayn(s, good, good_n);
		if (i == 0)             /* for a server masks are wrong */
			as_sayn(s, B("\x81\x81\0\0\0\0a"));
		else
			as_sayn(s, bad, bad_n);
		rig_settle(&g);
		assert_true(c->in.n >= good_n);
		assert_memory_equal(c->in.p, good, good_n);
		dyn_drop(&c->in, good_n);
		got(&c->in, B(CLOSE_1002));
		assert_true(c->eof && !c->broken);
		got_close(s, 0, 1002);
		assert_true(s->in_end);
		cl_close(c, false);
	}
	rig_close(&g);
}

/* The client is in the middle of a frame: for the app only a reset is left;
 * the app is: the client hears it when that frame has ended. */
static void
a_violation_while_the_other_side_is_in_a_frame(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	c = begin_ws(&s);
	cl_putn(c, B("\x82\x85\0\0\0\0ab"));
	rig_settle(&g);
	as_sayn(s, B("\x83\x00"));
	rig_settle(&g);
	got(&s->in, B("\x82\x85\0\0\0\0ab"));
	assert_true(s->was_reset);
	got(&c->in, B(CLOSE_1002));
	c = cl_new(&g, C1, NULL);
	s = open_ws(c);
	as_sayn(s, B("\x82\x05" "ab"));
	rig_settle(&g);
	cl_putn(c, B("\x83\x80\0\0\0\0"));
	rig_settle(&g);
	got_close(s, 0, 1002);
	got(&c->in, B("\x82\x05" "ab"));
	as_sayn(s, B("cde" "\x88\x00"));
	rig_settle(&g);
	got(&c->in, B("\x82\x05" "abcde" CLOSE_1002));
	assert_true(c->eof && s->in_end);
	got_close(s, 0, 1002);          /* one, not two */
	/* Or not: then it is not kept waiting for ever. */
	c = cl_new(&g, C1, NULL);
	s = open_ws(c);
	as_sayn(s, B("\x82\x05" "ab"));
	rig_settle(&g);
	cl_putn(c, B("\x83\x80\0\0\0\0"));
	rig_run(&g, ORPHAN_MS + 2000);
	assert_true(c->eof && c->broken);
	/* Or the app breaks off. */
	c = cl_new(&g, C1, NULL);
	s = open_ws(c);
	as_sayn(s, B("\x82\x05" "ab"));
	rig_settle(&g);
	cl_putn(c, B("\x83\x80\0\0\0\0"));
	rig_settle(&g);
	as_reset(s, RESET_BROKEN);
	rig_settle(&g);
	assert_true(c->eof && c->broken);
	rig_close(&g);
}

static void
nothing_passes_behind_a_close(void **state)
{
	struct world_cfg w = world_gentle(1);
	char junk[4096] = { 0 };
	struct cl *c;
	struct as *s;

	(void)state;
	w.send_bytes = w.recv_bytes = 1 << 20;
	rig_init(&g, &w);
	go_web();
	c = cl_new(&g, C1, NULL);
	s = open_ws(c);
	cl_putn(c, B("\x88\x82\0\0\0\0\x03\xe8" "\x81\x81\0\0\0\0a"));
	rig_settle(&g);
	got(&s->in, B("\x88\x82\0\0\0\0\x03\xe8"));
	/* It is read and dropped, a megabyte at a time if need be. */
	for (int i = 0; i < 250; i++)
		cl_putn(c, junk, sizeof junk);
	rig_settle(&g);
	assert_int_equal(s->in.n, 8);
	assert_int_equal(c->out.n, 0);
	assert_int_equal(world_unsent(c->host, c->fd), 0);
	cl_putn(c, junk, 1);
	rig_settle(&g);
	assert_int_equal(world_unsent(c->host, c->fd), 0);
	as_sayn(s, B("\x88\x02\x03\xe8" "\x81\x01" "b"));
	rig_settle(&g);
	got(&c->in, B("\x88\x02\x03\xe8"));
	as_end(s);
	rig_settle(&g);
	assert_true(c->eof);
	rig_close(&g);
}

static void
extensions_as_negotiated(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	c = cl_new(&g, C1, NULL);
	s = upgrade(c, SWITCH "Sec-WebSocket-Extensions: "
	    "permessage-deflate; server_no_context_takeover\r\n\r\n");
	assert_int_equal(cl_take(c, false), 101);
	assert_true(cl_head_has(c, "permessage-deflate"));
	cl_putn(c, B("\xc1\x81\0\0\0\0a"));
	as_sayn(s, B("\xc2\x01" "b"));
	rig_settle(&g);
	got(&s->in, B("\xc1\x81\0\0\0\0a"));
	got(&c->in, B("\xc2\x01" "b"));
	/* Still not on a control frame. */
	as_sayn(s, B("\xc9\x00"));
	rig_settle(&g);
	got(&c->in, B("\xc2\x01" "b" CLOSE_1002));
	c = cl_new(&g, C1, NULL);
	upgrade(c, SWITCH "Sec-WebSocket-Extensions: x-unknown\r\n\r\n");
	assert_int_equal(cl_take(c, false), 502);
	rig_close(&g);
}

static void
ends_without_a_close(void **state)
{
	static const struct {
		enum reset_code code;
		const char *want;
	} rows[] = {
		{ RESET_BROKEN, "\x03\xf3" "The app broke the connection" },
		{ RESET_INTERNAL, "\x03\xf3" "The agent failed" },
	};
	struct cl *c;
	struct as *s;

	(void)state;
	begin_web();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		c = cl_new(&g, C1, NULL);
		s = open_ws(c);
		as_reset(s, rows[i].code);
		rig_settle(&g);
		assert_true(c->eof && !c->broken);
		assert_true(cl_has(c, rows[i].want));
	}
	/* The app just closes; so does the client, while the app goes on. */
	c = cl_new(&g, C1, NULL);
	s = open_ws(c);
	as_end(s);
	rig_settle(&g);
	assert_true(c->eof && !c->broken && s->in_end);
	assert_int_equal(c->in.n, 0);
	c = cl_new(&g, C1, NULL);
	s = open_ws(c);
	cl_shut(c);
	rig_settle(&g);
	assert_true(s->in_end && !s->was_reset && !c->eof);
	as_sayn(s, B("\x81\x01" "x"));
	rig_settle(&g);
	got(&c->in, B("\x81\x01" "x"));
	rig_run(&g, ORPHAN_MS + 1000);
	assert_true(s->was_reset && c->eof);
	/* The agent goes. */
	c = cl_new(&g, C1, NULL);
	s = open_ws(c);
	ag_drop(web, true);
	rig_settle(&g);
	assert_true(cl_has(c, "\x03\xe9" "Tunnel not connected"));
	assert_true(c->eof);
	rig_close(&g);
}

static void
handshakes_that_are_none(void **state)
{
	static const char *const rows[] = {
		UPGRADE KEY, UPGRADE VERSION, UPGRADE VERSION KEY KEY,
		UPGRADE "Sec-WebSocket-Version: 12\r\n" KEY,
		UPGRADE VERSION "Sec-WebSocket-Key: short\r\n",
	};

	(void)state;
	begin_web();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cl *c = cl_new(&g, C1, NULL);

		assert_int_equal(cl_ask(c, req("GET /ws", rows[i])), 400);
		assert_true(cl_head_has(c, "Sec-WebSocket-Version: 13\r\n"));
		cl_close(c, false);
	}
	assert_int_equal(web->nstreams, 0);
	rig_close(&g);
}

static void
a_quiet_websocket_stays(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	c = begin_ws(&s);
	rig_run(&g, 3600 * 1000);
	assert_false(c->eof || s->in_end || s->was_reset);
	cl_putn(c, B("\x81\x81\0\0\0\0a"));
	rig_settle(&g);
	got(&s->in, B("\x81\x81\0\0\0\0a"));
	rig_close(&g);
}

/* ---- any frames in any world ---- */

struct flow {
	struct cl *c;
	struct as *s;
	struct dyn up, down;    /* all that was said each way */
};

static void
put_frame(struct dyn *d, bool masked)
{
	uint8_t head[WS_HEAD_MAX], byte;
	struct ws_frame f = { .fin = true, .masked = masked,
		.opcode = world_below(g.w, 5) == 0 ? WS_PING : WS_BINARY };

	f.length = f.opcode == WS_PING ? world_below(g.w, 126) :
	    world_below(g.w, 8) == 0 ? world_below(g.w, 70000) :
	    world_below(g.w, 300);
	for (size_t i = 0; masked && i < 4; i++)
		f.key[i] = (uint8_t)world_below(g.w, 256);
	dyn_put(d, head, ws_encode_raw(head, &f));
	for (uint64_t i = 0; i < f.length; i++) {
		byte = (uint8_t)(i * 5 + d->n);
		dyn_put(d, &byte, 1);
	}
}

static void
flow_turn(struct flow *f)
{
	struct dyn d = { 0 };

	if (f->up.n < 400000 && world_below(g.w, 3) == 0) {
		put_frame(&d, true);
		dyn_put(&f->up, d.p, d.n);
		cl_putn(f->c, d.p, d.n);
		d.n = 0;
	}
	if (f->down.n < 400000 && world_below(g.w, 3) == 0) {
		put_frame(&d, false);
		dyn_put(&f->down, d.p, d.n);
		as_sayn(f->s, d.p, d.n);
	}
	free(d.p);
	if (world_below(g.w, 20) == 0)
		f->c->hold = !f->c->hold;
	if (world_below(g.w, 20) == 0 && !f->s->hold)
		f->s->hold = true;
	else if (world_below(g.w, 10) == 0 && f->s->hold)
		as_read(f->s);
}

static void
any_frames_arrive_whole(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct world_cfg w = world_rough(seed);
		struct flow f[4] = { { 0 } };

		rig_init(&g, &w);
		g.cfg.root = SL("web");
		g.quiet = true;
		rig_start(&g);
		web = ag_new(&g, A1, "mac");
		web->limits = (struct tunnel_limits){ 64, WINDOW_MIN,
			65 * WINDOW_MIN };
		ag_dial(web);
		rig_run(&g, 1000);
		rig_login(&g, C1);
		for (size_t i = 0; i < 4; i++) {
			f[i].c = cl_new(&g, C1, NULL);
			cl_put(f[i].c, req("GET /ws", UPGRADE VERSION KEY));
			rig_run(&g, 500);
			f[i].s = ag_last(web);
			f[i].s->in.n = 0;
			as_say(f[i].s, SWITCH "\r\n");
			rig_run(&g, 500);
			assert_int_equal(cl_take(f[i].c, false), 101);
		}
		for (int t = 0; t < 600; t++) {
			for (size_t i = 0; i < 4; i++)
				flow_turn(&f[i]);
			rig_run(&g, 1 + world_below(g.w, 10));
		}
		for (size_t i = 0; i < 4; i++) {
			f[i].c->hold = false;
			as_read(f[i].s);
		}
		rig_run(&g, 20000);
		for (size_t i = 0; i < 4; i++) {
			got(&f[i].s->in, f[i].up.p, f[i].up.n);
			got(&f[i].c->in, f[i].down.p, f[i].down.n);
			free(f[i].up.p);
			free(f[i].down.p);
		}
		rig_close(&g);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_pass_as_they_are),
		cmocka_unit_test(frames_in_single_bytes),
		cmocka_unit_test(bytes_that_came_with_the_handshake),
		cmocka_unit_test(an_app_that_will_not_upgrade),
		cmocka_unit_test(clients_that_break_the_rules),
		cmocka_unit_test(apps_that_break_the_rules),
		cmocka_unit_test(
		    a_violation_while_the_other_side_is_in_a_frame),
		cmocka_unit_test(nothing_passes_behind_a_close),
		cmocka_unit_test(extensions_as_negotiated),
		cmocka_unit_test(ends_without_a_close),
		cmocka_unit_test(handshakes_that_are_none),
		cmocka_unit_test(a_quiet_websocket_stays),
		cmocka_unit_test(any_frames_arrive_whole),
	};

	return cmocka_run_group_tests_name("relay_ws", tests, NULL, NULL);
}
