/*
 * Random exchanges in rough worlds, each from its seed: clients ask in every
 * form, an app answers in every form with the bytes that it got, and whatever
 * is cut where, each body arrives whole, in order, and at the right client.
 * Odd seeds have faults too: apps that break off, agents that are cut; then a
 * client may be told so, but what it gets of a body is still a prefix.
 * Every third seed has little memory: 503 is an answer then. Half of them have
 * the real agent, and an app that is a server beside it.
 * ADIT_SEED=n runs that seed alone; with ADIT_WORLD_LOG it shows the log.
 */
#include <sys/mman.h>

#include "relay_test.h"

#include "agent/agent.h"

enum { PEOPLE = 6, SEEDS = 12, BODY_MOST = 200 * 1024 };

enum form { F_LENGTH, F_CHUNKED, F_CLOSE, F_FORMS };

/* What a client waits for. */
struct want {
	struct cl *c;
	bool out, head, closes;
	struct dyn body;
	unsigned done;
	uint64_t since_ms;
};

static struct want wants[PEOPLE];
static bool faults, scarce, real;

static uint64_t
below(uint64_t n)
{
	return world_below(g.w, n);
}

static void
put_str(struct dyn *d, const char *s)
{
	dyn_put(d, s, strlen(s));
}

/* ---- the app ---- */

static void
put_chunks(struct dyn *d, struct slice body)
{
	char line[40];

	while (body.n > 0) {
		struct slice part = slice_head(body, 1 + below(9000));

		snprintf(line, sizeof line, "%zx%s\r\n", part.n,
		    below(2) ? "" : ";a=b");
		put_str(d, line);
		dyn_put(d, part.p, part.n);
		put_str(d, "\r\n");
		body = slice_from(body, part.n);
	}
	put_str(d, below(2) ? "0\r\n\r\n" : "0\r\nX-End: yes\r\n\r\n");
}

static void
app_answer(struct as *s, const struct http_head *h, struct slice body)
{
	unsigned form = (unsigned)(h->target.p[1] - '0');
	struct dyn d = { 0 };
	char head[200];

	if (below(4) == 0)
		put_str(&d, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
	put_str(&d, "HTTP/1.1 200 OK\r\n");
	if (form == F_LENGTH) {
		snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n",
		    body.n);
		put_str(&d, head);
	} else {
		put_str(&d, form == F_CHUNKED ?
		    "Transfer-Encoding: chunked\r\n\r\n" :
		    "Connection: close\r\n\r\n");
	}
	if (h->verb == HTTP_V_HEAD)
		body.n = 0;
	else if (form == F_CHUNKED)
		put_chunks(&d, body);
	if (form != F_CHUNKED)
		dyn_put(&d, body.p, body.n);
	if (faults && below(10) == 0)
		d.n = below(d.n);
	if (d.n > 0)
		as_sayn(s, d.p, d.n);
	if (form == F_CLOSE)
		as_end(s);
	free(d.p);
}

/* The body at `in`, decoded; false if it is not whole. *n: where it ends. */
static bool
app_body(const struct http_head *h, struct slice in, struct dyn *out, size_t *n)
{
	struct chunk_dec d = { 0 };

	*n = 0;
	if (h->body == HTTP_BODY_LENGTH) {
		if (in.n < h->length)
			return false;
		*n = (size_t)h->length;
		dyn_put(out, in.p, *n);
	}
	while (h->body == HTTP_BODY_CHUNKED) {
		struct chunk_ev ev;
		size_t used;
		enum err e = chunk_next(&d, slice_from(in, *n), &used, &ev);

		if (e == E_MORE)
			return false;
		assert_int_equal(e, E_OK);
		*n += used;
		if (ev.what == CHUNK_DATA)
			dyn_put(out, ev.data.p, ev.data.n);
		if (ev.what == CHUNK_DONE)
			break;
	}
	return true;
}

static void
mix_app(struct as *s)
{
	static struct http_field fields[HTTP_FIELDS_MAX];

	if (s->in_end && !s->out_end)
		as_end(s);
	while (s->in.n > 0) {
		struct http_head h = { .fields = fields };
		struct http_scan scan = { 0 };
		struct slice in = slice_of(s->in.p, s->in.n);
		struct dyn body = { 0 };
		size_t used, n;
		enum err e = http_request_parse(&h, &scan, in, &used);

		if (e == E_MORE)
			return;
		assert_int_equal(e, E_OK);
		if (app_body(&h, slice_from(in, used), &body, &n)) {
			app_answer(s, &h, slice_of(body.p, body.n));
			dyn_drop(&s->in, used + n);
		} else {
			n = SIZE_MAX;
		}
		free(body.p);
		if (n == SIZE_MAX)
			return;
	}
}

/* ---- the real agent, and the app as a server ---- */

struct tcp {
	struct as s;            /* not a stream: its bytes and its own */
	struct tcp *next;
	handle who;
	int fd;
	bool rd, wr, shut;
};

static struct tcp *tcps;
static int tcp_listen;
static struct world_host *agent_host, *app_host;
static struct agent *agent;
static struct arena agent_arena;

static void
tcp_close(struct tcp *t, bool abort_it)
{
	const struct io *io = world_io(app_host);

	if (t->fd >= 0)
		io->ops->close(io->ctx, t->fd, abort_it);
	t->fd = -1;
}

static void
tcp_turn(struct tcp *t, const struct io *io)
{
	uint8_t area[5000];
	int64_t n = 1;

	while (t->fd >= 0 && t->rd && !t->s.in_end) {
		n = io_read(io, t->fd, area, sizeof area);
		t->rd = n != IO_AGAIN;
		t->s.in_end = n == IO_EOF;
		if (n == IO_FAIL)
			tcp_close(t, true);
		if (n > 0)
			dyn_put(&t->s.in, area, (size_t)n);
	}
	mix_app(&t->s);
	while (t->fd >= 0 && t->wr && t->s.out.n > 0) {
		n = io_write(io, t->fd, slice_of(t->s.out.p, t->s.out.n));
		t->wr = n != IO_AGAIN;
		if (n == IO_FAIL)
			tcp_close(t, true);
		dyn_drop(&t->s.out, n > 0 ? (size_t)n : 0);
	}
	if (t->fd >= 0 && t->s.out.n == 0 && t->s.out_end && !t->shut) {
		io->ops->shutdown(io->ctx, t->fd);
		t->shut = true;
	}
	if (t->s.in_end && t->shut)
		tcp_close(t, false);
}

static void
app_event(void *arg, const struct io *io, const struct io_event *ev)
{
	struct tcp *t = tcps;
	struct addr peer;
	int fd;

	(void)arg;
	while (ev->who == 1 &&
	    (fd = io->ops->accept(io->ctx, tcp_listen, &peer)) >= 0) {
		t = calloc(1, sizeof *t);
		assert_non_null(t);
		t->fd = fd;
		t->who = tcps == NULL ? 2 : tcps->who + 1;
		t->next = tcps;
		tcps = t;
		io->ops->watch(io->ctx, fd, t->who);
	}
	while (t != NULL && t->who != ev->who)
		t = t->next;
	if (t == NULL)
		return;
	t->rd = t->rd || (ev->flags & (EV_READ | EV_HUP)) != 0;
	t->wr = t->wr || (ev->flags & EV_WRITE) != 0;
}

static uint64_t
app_step(void *arg, const struct io *io)
{
	(void)arg;
	for (struct tcp *t = tcps; t != NULL; t = t->next)
		tcp_turn(t, io);
	return UINT64_MAX;
}

static void
agent_on_event(void *arg, const struct io *io, const struct io_event *ev)
{
	agent_event(arg, io, ev);
}

static uint64_t
agent_on_step(void *arg, const struct io *io)
{
	return agent_step(arg, io);
}

static void
real_begin(void)
{
	static struct agent_cfg cfg;
	struct agent_plan plan;

	agent_cfg_defaults(&cfg);
	cfg.relay_host = SL(RIG_IP);
	cfg.relay_port = 4000;
	cfg.relay_authority = SL(RIG_MAIN);
	cfg.relay_path = SL("/tunnel");
	cfg.relay_url = SL("http://" RIG_MAIN);
	secret_set(&cfg.token, SL(RIG_TOKEN));
	cfg.name = SL("mac");
	cfg.version = SL("0.0.0");
	cfg.apps[0] = (struct agent_app){ .name = SL("web"),
		.kind = APP_HTTP, .host = SL("127.0.0.1"), .port = 3000 };
	cfg.napps = 1;
	assert_int_equal(agent_plan(&cfg, &plan), E_OK);
	agent_arena = (struct arena){ .cap = plan.bytes };
	agent_arena.p = mmap(NULL, plan.bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(agent_arena.p != MAP_FAILED);
	tcps = NULL;
	agent_host = world_host(g.w, "agent", A1);
	app_host = world_process(agent_host, "app");
	tcp_listen = world_listen(app_host, "127.0.0.1:3000");
	world_io(app_host)->ops->watch(world_io(app_host)->ctx, tcp_listen, 1);
	world_program(app_host, app_event, app_step, NULL);
	assert_int_equal(agent_new(&agent, &cfg, &plan, &agent_arena,
	    world_log(g.w), world_io(agent_host)), E_OK);
	world_program(agent_host, agent_on_event, agent_on_step, agent);
	for (int i = 0; i < 100 && !agent_stats(agent).served; i++)
		rig_run(&g, 100);
	assert_true(agent_stats(agent).served);
}

static void
real_end(void)
{
	agent_stop(agent, world_io(agent_host));
	rig_run(&g, 40000);
	assert_int_equal(agent_exit_code(agent), 0);
	world_kill(agent_host);
	world_program(app_host, NULL, NULL, NULL);
	while (tcps != NULL) {
		struct tcp *t = tcps;

		/* The agent has closed them all. */
		assert_true(t->fd < 0 || faults);
		tcps = t->next;
		free(t->s.in.p);
		free(t->s.out.p);
		free(t);
	}
	munmap(agent_arena.p, agent_arena.cap);
}

static void
real_fault(void)
{
	struct tcp *t = tcps;

	if (below(500) == 0)
		world_cut(g.w, g.host, agent_host);
	for (unsigned n = (unsigned)below(8); n > 0 && t != NULL; n--)
		t = t->next;
	if (t != NULL && below(6) == 0)
		tcp_close(t, below(2) == 0);
}

/* An app that breaks off, now that it has said something. */
static void
fault(void)
{
	struct as *s;

	if (real) {
		real_fault();
		return;
	}
	s = web->streams;
	if (below(150) == 0) {
		ag_drop(web, below(2) == 0);
		return;
	}
	if (web->fd < 0 && below(5) == 0)
		ag_dial(web);
	for (unsigned n = (unsigned)below(8); n > 0 && s != NULL; n--)
		s = s->next;
	if (s == NULL || s->ts.tunnel == NULL || below(6) != 0)
		return;
	switch (below(3)) {
	case 0:
		as_reset(s, (enum reset_code)(1 + below(RESET_CODES - 1)));
		break;
	case 1:
		as_stop(s);
		break;
	default:
		as_end(s);
	}
}

/* ---- the clients ---- */

static void
fill(struct dyn *d, size_t n)
{
	uint8_t x = (uint8_t)below(256);

	d->n = 0;
	dyn_put(d, "", 0);
	for (size_t i = 0; i < n; i++) {
		uint8_t b = (uint8_t)(x + i * 7 + (i >> 8));

		dyn_put(d, &b, 1);
	}
}

static void
ask(struct want *w)
{
	unsigned form = (unsigned)below(F_FORMS), with = (unsigned)below(3);
	bool old = below(8) == 0;
	struct dyn d = { 0 };
	char line[3000];

	w->head = with == 0 && below(3) == 0;
	fill(&w->body, with == 0 ? 0 : below(4) == 0 ? below(BODY_MOST) :
	    below(3000));
	if (old && with == 2)
		with = 1;
	snprintf(line, sizeof line, "%s /%u HTTP/1.%d\r\n%sCookie: %s\r\n",
	    w->head ? "HEAD" : with == 0 ? "GET" : "POST", form, !old, HOST,
	    g.cookie);
	put_str(&d, line);
	snprintf(line, sizeof line, "Content-Length: %zu\r\n\r\n", w->body.n);
	put_str(&d, with == 0 ? "\r\n" : with == 1 ? line :
	    "Transfer-Encoding: chunked\r\n\r\n");
	if (with == 2)
		put_chunks(&d, slice_of(w->body.p, w->body.n));
	else
		dyn_put(&d, w->body.p, w->body.n);
	cl_putn(w->c, d.p, d.n);
	w->out = true;
	w->closes = old || form == F_CLOSE;
	w->since_ms = world_now(g.w);
	free(d.p);
}

static void
look(struct want *w)
{
	while (cl_take(w->c, w->head) >= 100 && w->c->status < 200)
		;
	if (w->c->status == 0) {
		assert_true(faults || world_now(g.w) - w->since_ms < 60000);
		/* Not before the answer was whole. */
		assert_true(faults || !w->c->eof ||
		    (scarce && w->c->in.n == 0));
		w->out = !w->c->eof;
		return;
	}
	if ((faults || scarce) && w->c->status >= 502) {
		assert_in_range(w->c->status, faults ? 502 : 503,
		    faults ? 504 : 503);
		w->out = false;
		if (cl_head_has(w->c, "Connection: close"))
			cl_close(w->c, false);
		return;
	}
	assert_int_equal(w->c->status, 200);
	if (faults && w->closes && !w->head) {
		assert_true(w->c->body.n <= w->body.n);
		w->body.n = w->c->body.n;
	}
	if (!w->head) {
		assert_int_equal(w->c->body.n, w->body.n);
		assert_memory_equal(w->c->body.p, w->body.p, w->body.n);
	}
	assert_true(faults || w->closes ||
	    !cl_head_has(w->c, "Connection: close"));
	w->out = false;
	w->done++;
	if (cl_head_has(w->c, "Connection: close"))
		cl_close(w->c, false);
}

static void
turn(size_t i)
{
	struct want *w = &wants[i];
	char ip[20];

	snprintf(ip, sizeof ip, "198.51.100.%zu", 10 + i);
	if (w->c == NULL || w->c->fd < 0 || (w->c->eof && !w->out)) {
		if (w->c != NULL)
			cl_close(w->c, false);
		w->c = cl_new(&g, ip, NULL);
		w->out = false;
	}
	if (!w->out) {
		ask(w);
		return;
	}
	if (below(60) == 0)
		w->c->hold = !w->c->hold;
	if (below(400) == 0) {
		cl_close(w->c, below(2) == 0);
		return;
	}
	if (w->c->hold) {
		w->since_ms = world_now(g.w);
		return;
	}
	look(w);
}

static void
run_seed(uint64_t seed)
{
	struct world_cfg cfg = world_rough(seed);
	unsigned done = 0;

	if (getenv("ADIT_SEED") == NULL)
		fprintf(stderr, "seed %llu\r", (unsigned long long)seed);
	memset(wants, 0, sizeof wants);
	faults = seed % 2 == 1;
	scarce = seed % 3 == 0;
	real = seed % 4 <= 1;
	rig_init(&g, &cfg);
	g.quiet = getenv("ADIT_SEED") == NULL;
	if (real) {
		g.cfg.root = SL("web");
		rig_start(&g);
		real_begin();
		rig_login(&g, C1);
	} else {
		go_web();
		web->app = mix_app;
	}
	if (scarce)
		rig_scarce(&g, 8 + (uint32_t)below(20));
	for (int t = 0; t < 1500; t++) {
		for (size_t i = 0; i < PEOPLE; i++)
			turn(i);
		if (faults)
			fault();
		rig_run(&g, 1 + below(20));
	}
	for (size_t i = 0; i < PEOPLE; i++) {
		done += wants[i].done;
		free(wants[i].body.p);
		if (real && wants[i].c != NULL)
			cl_close(wants[i].c, true);
	}
	assert_true(done > (faults ? 20 : 100));
	if (real)
		real_end();
	rig_close(&g);
}

static void
any_mix_arrives_whole(void **state)
{
	const char *one = getenv("ADIT_SEED");

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS && one == NULL; seed++)
		run_seed(seed);
	if (one != NULL)
		run_seed(strtoull(one, NULL, 10));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_mix_arrives_whole),
	};

	return cmocka_run_group_tests_name("relay_mix", tests, NULL, NULL);
}
