/*
 * Live events and metrics: who gets them, when a frame comes and when none, and
 * how it ends.
 */
#include <ctype.h>

#include "fake_keeper.h"

enum { ANN, MEM, VIC };

#define BEARER "Authorization: Bearer adit_pTEST\r\n"

static void
begin_live(void)
{
	begin();
	g.cfg.root = SL("dashboard");
	rig_listen(&g, RIG_IP ":4100", LISTEN_PORT, "");
	fake_start();
}

static struct cl *
listen_to(const char *host, const char *fields)
{
	struct cl *c = cl_new(&g, C1, NULL);

	cl_put(c, "GET /api/events HTTP/1.1\r\nHost: ");
	cl_put(c, host);
	cl_put(c, "\r\n");
	cl_put(c, fields);
	cl_put(c, "\r\n");
	rig_settle(&g);
	return c;
}

/* How often `text` is in what came. */
static unsigned
count(const struct cl *c, const char *text)
{
	unsigned n = 0;

	for (const char *p = c->in.n > 0 ? c->in.p : ""; (p = strstr(p, text))
	    != NULL; p++)
		n++;
	return n;
}

#define FRAMES(c) count((c), "event: status\ndata: {")

static void
a_request_with_a_body_may_listen(void **state)
{
	char with_body[1000];
	struct cl *c;

	(void)state;
	begin_live();
	snprintf(with_body, sizeof with_body, "%sContent-Length: 5\r\n",
	    fake_cookie(VIC));
	/* The second time who it is is known at once. */
	for (unsigned i = 0; i < 2; i++) {
		c = listen_to(RIG_MAIN, with_body);
		assert_int_equal(FRAMES(c), 0);
		cl_put(c, "hello");
		rig_settle(&g);
		assert_int_equal(FRAMES(c), 1);
	}
	rig_close(&g);
}

static void
frames_come_with_changes(void **state)
{
	struct cl *c;
	struct ag *two;

	(void)state;
	begin_live();
	ag_drop(web, false);    /* how far away it is would be a change */
	rig_settle(&g);
	c = listen_to(RIG_MAIN, fake_cookie(VIC));
	assert_true(cl_has(c, "HTTP/1.1 200 OK\r\n"));
	assert_true(cl_has(c, "Content-Type: text/event-stream\r\n"));
	assert_true(cl_has(c, "Connection: close\r\n"));
	assert_false(cl_has(c, "Content-Length"));
	assert_int_equal(FRAMES(c), 1);
	assert_true(cl_has(c, "\"base\":\"http://" RIG_MAIN "\""));
	assert_true(cl_has(c, "\"agents\":[]"));
	/* Nothing changes: a word now and then, no frame. */
	rig_run(&g, LIVE_BEAT_MS - 1000);
	assert_int_equal(count(c, "\n\n:\n\n"), 0);
	rig_run(&g, 3000);
	assert_int_equal(count(c, "\n\n:\n\n"), 1);
	/* Another agent, within a second; then it leaves. */
	two = ag_up(&g, A2, "pi");
	rig_run(&g, LIVE_EACH_MS);
	assert_true(cl_has(c, "\"name\":\"pi\""));
	assert_true(cl_has(c, "\"log\":[{\"t\":"));
	assert_true(cl_has(c, "\"what\":\"connected\""));
	ag_drop(two, false);
	rig_run(&g, LIVE_EACH_MS);
	assert_true(cl_has(c, "{\"name\":\"pi\",\"since\":1"));
	assert_int_equal(g.r->nlive, 1);
	cl_close(c, false);
	rig_settle(&g);
	assert_int_equal(g.r->nlive, 0);
	rig_close(&g);
}

/* However much changes, not more than one frame in a second. */
static void
frames_are_at_most_one_a_second(void **state)
{
	struct cl *c, *web_client;
	unsigned before;

	(void)state;
	begin_live();
	c = listen_to(RIG_MAIN, fake_cookie(ANN));
	web_client = cl_new(&g, C2, RIG_IP ":4100");
	rig_run(&g, LIVE_EACH_MS);
	before = FRAMES(c);
	for (int i = 0; i < 100; i++) {
		/* 401, but through to nobody: the uptime alone changes. */
		cl_put(web_client, "GET / HTTP/1.1\r\nHost: " RIG_IP
		    ":4100\r\n\r\n");
		rig_run(&g, 50);
	}
	assert_int_equal(FRAMES(c), before);
	for (int i = 0; i < 10; i++)
		ag_up(&g, A2, "pi");
	rig_run(&g, 10);
	assert_in_range(FRAMES(c), before, before + 3);
	rig_close(&g);
}

static void
who_reads_slowly_skips_frames(void **state)
{
	struct cl *slow, *fast;
	struct ag *two = NULL;
	size_t held = 0;

	(void)state;
	begin_live();
	fast = listen_to(RIG_MAIN, fake_cookie(ANN));
	slow = listen_to(RIG_MAIN, fake_cookie(ANN));
	slow->hold = true;
	for (int i = 0; i < 400; i++) {
		if (two == NULL) {
			two = ag_up(&g, A2, "pi");
		} else {
			ag_drop(two, true);
			two = NULL;
		}
		rig_run(&g, LIVE_EACH_MS);
		held = max_u64(held, rig_held(&g));
	}
	assert_true(FRAMES(fast) > 300);
	/* One frame at most waits for it. */
	assert_true(held < 8192);
	slow->hold = false;
	slow->rd = true;
	rig_run(&g, 3000);
	assert_true(FRAMES(slow) < FRAMES(fast));
	/* What comes last is the present state. */
	ag_up(&g, A2, "last");
	rig_run(&g, 2 * LIVE_EACH_MS);
	assert_true(cl_has(slow, "\"name\":\"last\""));
	rig_close(&g);
}

static void
urls_are_those_of_the_listeners_address(void **state)
{
	struct cl *ip, *name;

	(void)state;
	begin_live();
	ip = listen_to(RIG_MAIN, fake_cookie(ANN));
	name = listen_to("localhost:4000", fake_cookie(ANN));
	ag_up(&g, A2, "pi");
	rig_run(&g, 2 * LIVE_EACH_MS);
	assert_true(FRAMES(ip) > 1 && FRAMES(name) > 1);
	assert_true(cl_has(ip, "\"url\":\"http://" RIG_IP ":4100/\""));
	assert_false(cl_has(ip, "localhost"));
	assert_true(cl_has(name, "\"url\":\"http://localhost:4100/\""));
	assert_false(cl_has(name, RIG_IP));
	rig_close(&g);
}

static void
it_ends_with_the_session(void **state)
{
	static const struct {
		unsigned kind, role;
		const char *user, *jti;
		uint32_t credential;
		bool ends[2];           /* of mem, of the token */
	} rows[] = {
		{ NOTE_SESSION, 0, "", "session-0", 0, { true, false } },
		{ NOTE_USER, ROLE_NONE, "mem", "", 0, { true, false } },
		{ NOTE_USER, ROLE_VIEWER, "mem", "", 0, { false, false } },
		{ NOTE_CREDENTIAL, 0, "", "", 77, { false, true } },
		{ NOTE_FLUSH, 0, "", "", 0, { false, false } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cl *c[2];

		begin_live();
		fake.scopes = SCOPE_READ;
		c[0] = listen_to(RIG_MAIN, fake_cookie(MEM));
		c[1] = listen_to(RIG_MAIN, BEARER);
		fake_note(rows[i].kind, rows[i].user, rows[i].jti,
		    rows[i].role, rows[i].credential, "");
		rig_settle(&g);
		for (unsigned k = 0; k < 2; k++) {
			assert_int_equal(c[k]->eof, rows[i].ends[k]);
			assert_int_equal(count(c[k], "event: end\n"),
			    rows[i].ends[k]);
		}
		rig_close(&g);
	}
	/* And with its time, or the relay's. */
	begin_live();
	struct cl *c = listen_to(RIG_MAIN, fake_cookie(MEM));

	rig_run(&g, 3601 * 1000);
	assert_true(c->eof && cl_has(c, "event: end\n"));
	c = listen_to(RIG_MAIN, fake_cookie(MEM));
	relay_stop(g.r, world_io(g.host));
	rig_run(&g, 2000);
	assert_true(c->eof && cl_has(c, "event: end\n"));
	rig_close(&g);
}

static void
there_is_a_bound_of_listeners(void **state)
{
	static const char *cookies[LIVE_MAX / LIVE_PER_SESSION];
	struct cl *c, *first = NULL;

	(void)state;
	begin_live();
	for (size_t i = 0; i < LIVE_MAX; i++) {
		if (i % LIVE_PER_SESSION == 0)
			cookies[i / LIVE_PER_SESSION] = fake_cookie(ANN);
		c = listen_to(RIG_MAIN, cookies[i / LIVE_PER_SESSION]);
		first = first == NULL ? c : first;
		assert_int_equal(FRAMES(c), 1);
		if (i % LIVE_PER_SESSION == LIVE_PER_SESSION - 1)
			assert_true(cl_has(listen_to(RIG_MAIN,
			    cookies[i / LIVE_PER_SESSION]), " 503 "));
	}
	assert_true(cl_has(listen_to(RIG_MAIN, fake_cookie(MEM)), " 503 "));
	cl_close(first, false);
	rig_settle(&g);
	assert_int_equal(FRAMES(listen_to(RIG_MAIN, fake_cookie(MEM))), 1);
	/* Who listens has nothing to say. */
	cl_put(c, "GET / HTTP/1.1\r\n\r\n");
	rig_settle(&g);
	assert_true(c->eof || c->broken);
	rig_close(&g);
}

static void
who_may_listen(void **state)
{
	struct cl *c;

	(void)state;
	begin_live();
	assert_true(cl_has(listen_to(RIG_MAIN, ""), " 401 "));
	fake.scopes = SCOPE_APPS;
	assert_true(cl_has(listen_to(RIG_MAIN, BEARER), " 403 "));
	c = cl_new(&g, C1, NULL);
	cl_put(c, "HEAD /api/events HTTP/1.1\r\n" HOST);
	cl_put(c, fake_cookie(ANN));
	cl_put(c, "\r\n");
	rig_settle(&g);
	assert_true(cl_has(c, " 200 OK") && c->eof && FRAMES(c) == 0);
	rig_close(&g);
}

/* ---- metrics ------------------------ */

static bool
name_char(char ch, bool first)
{
	return isalpha((unsigned char)ch) || ch == '_' || ch == ':' ||
	    (!first && isdigit((unsigned char)ch));
}

/*
 * The text format 0.0.4, read strictly: each metric has its HELP and TYPE right
 * before its samples, once, and a value. Returns how many samples there are.
 */
static unsigned
read_metrics(const char *p)
{
	char name[80] = "", line[400], seen[4000] = "";
	unsigned samples = 0;

	while (*p != 0) {
		size_t n = strcspn(p, "\n"), k = 0;

		assert_true(n < sizeof line && p[n] == '\n');
		memcpy(line, p, n);
		line[n] = 0;
		p += n + 1;
		if (strncmp(line, "# HELP ", 7) == 0) {
			char key[90];

			while (name_char(line[7 + k], k == 0))
				k++;
			assert_true(k > 0 && line[7 + k] == ' ');
			snprintf(name, sizeof name, "%.*s", (int)k, line + 7);
			snprintf(key, sizeof key, " %s ", name);
			assert_null(strstr(seen, key));
			strcat(seen, key);
			continue;
		}
		if (strncmp(line, "# TYPE ", 7) == 0) {
			assert_memory_equal(line + 7, name, strlen(name));
			assert_true(strcmp(line + 7 + strlen(name),
			    " counter") == 0 || strcmp(line + 7 +
			    strlen(name), " gauge") == 0);
			assert_int_equal(strcmp(line + 7 + strlen(name),
			    " counter") == 0, strlen(name) > 6 &&
			    strcmp(name + strlen(name) - 6, "_total") == 0);
			continue;
		}
		assert_memory_equal(line, name, strlen(name));
		k = strlen(name);
		if (line[k] == '{') {
			char *end = strchr(line + k, '}');

			assert_non_null(end);
			assert_true(end[-1] == '"');
			k = (size_t)(end + 1 - line);
		}
		assert_true(line[k] == ' ' && isdigit((unsigned char)
		    line[k + 1]));
		assert_int_equal(strspn(line + k + 1, "0123456789"),
		    strlen(line + k + 1));
		samples++;
	}
	return samples;
}

static void
facts(struct relay_facts *f)
{
	*f = (struct relay_facts){ .shakes = { 7, 8, 9 },
		.resident_bytes = 12345 };
}

static void
metrics_are_counted(void **state)
{
	struct cl *c;
	struct as *s;

	(void)state;
	begin_live();
	c = cl_new(&g, C1, NULL);
	assert_int_equal(get(c, "/metrics", ""), 401);
	assert_int_equal(get(c, "/metrics", fake_cookie(MEM)), 403);
	fake.scopes = SCOPE_READ;
	assert_int_equal(get(c, "/metrics", BEARER), 403);
	fake.scopes = SCOPE_METRICS;
	fake_note(NOTE_CREDENTIAL, "", "", 0, 77, "");
	assert_int_equal(get(c, "/metrics", BEARER), 200);
	assert_true(cl_head_has(c, "Content-Type: text/plain; "
	    "version=0.0.4; charset=utf-8\r\n"));
	assert_true(read_metrics(c->body.p) >= 20);
	assert_false(cl_body_has(c, "resident"));
	assert_true(cl_body_has(c, "\nadit_agents 1\n"));
	assert_true(cl_body_has(c, "\nadit_agent_connects_total 1\n"));
	assert_true(cl_body_has(c, "adit_build_info{version=\"0.0.0-test\"} 1"
	    "\n"));
	assert_true(cl_body_has(c, "\nadit_answers_total{class=\"4xx\"} 3\n"));
	assert_false(cl_body_has(c, "adit_tls"));
	g.cfg.facts = facts;
	relay_set_tls_until(g.r, world_io(g.host)->wall_ms / 1000 + 5 * 86400 +
	    9);
	assert_int_equal(get(c, "/_adit/metrics", fake_cookie(ANN)), 200);
	assert_true(read_metrics(c->body.p) >= 21);
	assert_true(cl_body_has(c, "\nadit_tls_days_left 5\n"));
	assert_true(cl_body_has(c, "\nprocess_resident_memory_bytes 12345\n"));
	assert_true(cl_body_has(c, "{end=\"full\"} 7\n"));
	assert_true(cl_body_has(c, "{end=\"resumed\"} 8\n"));
	assert_true(cl_body_has(c, "{end=\"failed\"} 9\n"));
	/* An app's answer counts, and its bytes. */
	c = cl_new(&g, C1, RIG_IP ":4100");
	cl_put(c, "GET /x HTTP/1.1\r\nHost: " RIG_IP ":4100\r\n");
	cl_put(c, "Cookie: adit-4100=JWT.session-0\r\n\r\n");
	rig_settle(&g);
	s = ag_last(web);
	assert_non_null(s);
	as_say(s, "HTTP/1.1 504 Slow\r\nContent-Length: 0\r\n\r\n");
	rig_settle(&g);
	ag_drop(web, true);
	rig_settle(&g);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(get(c, "/metrics", BEARER), 200);
	assert_true(cl_body_has(c, "\nadit_answers_total{class=\"5xx\"} 1\n"));
	assert_true(cl_body_has(c, "\nadit_agents 0\n"));
	assert_false(cl_body_has(c, "\nadit_from_agents_bytes_total 0\n"));
	rig_close(&g);
}

#define T(f) cmocka_unit_test(f)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_request_with_a_body_may_listen),
		T(frames_come_with_changes),
		T(frames_are_at_most_one_a_second),
		T(who_reads_slowly_skips_frames),
		T(urls_are_those_of_the_listeners_address),
		T(it_ends_with_the_session),
		T(there_is_a_bound_of_listeners),
		T(who_may_listen),
		T(metrics_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
