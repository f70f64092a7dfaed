/*
 * Anything in any order, each world from its seed: clients say whole and half
 * requests of every kind that the relay has a way for, in pieces; an app
 * answers what it likes; agents are cut, come back or are replaced; sessions
 * end, rights and the way to log in change; operations fail and memory is
 * short. Nothing is looked at but what must hold all the time: the checks of
 * tests/sim/rig.c after every step, every assertion of the relay, and pools at
 * zero at the end.
 * ADIT_SEED=n runs that seed alone, ADIT_SEEDS=n so many.
 */
#include "fake_keeper.h"

enum { TALKS = 24, SEEDS = 40, STEPS = 400, COOKIES = 8 };

static struct talk {
	struct cl *c;
	struct dyn text;
	size_t at;              /* what of it was sent */
} talks[TALKS];

static char cookies[COOKIES][128];
static struct ag *other;

static uint64_t
below(uint64_t n)
{
	return world_below(g.w, n);
}

/* H: Host and a cookie; W: what a WebSocket's handshake has beside. */
static const char *const requests[] = {
	"GET / HTTP/1.1\r\nH\r\n", "HEAD /x HTTP/1.1\r\nH\r\n",
	"GET / HTTP/1.0\r\nH\r\n",
	"GET / HTTP/1.0\r\nHConnection: keep-alive\r\n\r\n",
	"POST /p HTTP/1.1\r\nHContent-Length: 10\r\n\r\n0123456789",
	"PUT /p HTTP/1.1\r\nHContent-Length: 9999999\r\n\r\n0123456789",
	"POST /c HTTP/1.1\r\nHTransfer-Encoding: chunked\r\n\r\n"
	    "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
	"POST /c HTTP/1.1\r\nHTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
	"POST /c HTTP/1.1\r\nHTransfer-Encoding: chunked\r\n\r\nbad\n",
	"POST /c HTTP/1.1\r\nHTransfer-Encoding: chunked\r\n\r\n0\r\nT\r\n",
	"PUT / HTTP/1.1\r\nHExpect: 100-continue\r\nContent-Length: 3\r\n"
	    "\r\nabc",
	"GET /w HTTP/1.1\r\nHW\r\n",
	"GET /w HTTP/1.1\r\nHW\r\n\x81\x82" "abcdef\x88\x80" "abcd",
	"GET /w HTTP/1.1\r\nHW\r\n\x81\xfe\x10\x10" "abcd0123456789",
	"GET /w HTTP/1.1\r\nHW\r\n\xff\xff" "garbage",
	"GET /_adit/api/events HTTP/1.1\r\nH\r\n",
	"GET /_adit/api/events HTTP/1.1\r\nHContent-Length: 5\r\n\r\nhello",
	"HEAD /_adit/api/events HTTP/1.1\r\nH\r\n",
	"POST /_adit/login HTTP/1.1\r\nHContent-Type: "
	    "application/x-www-form-urlencoded\r\nContent-Length: 31\r\n\r\n"
	    "user=ann&password=password-ann&",
	"POST /_adit/api/auth/login HTTP/1.1\r\nHContent-Length: 41\r\n\r\n"
	    "{\"user\":\"mem\",\"password\":\"password-mem\"}  ",
	"POST /_adit/api/auth/login HTTP/1.1\r\nHExpect: 100-continue\r\n"
	    "Content-Length: 5\r\n\r\n{\"pas",
	"POST /_adit/logout HTTP/1.1\r\nHContent-Length: 0\r\n\r\n",
	"POST /api/auth/logout HTTP/1.1\r\nHContent-Length: 4\r\n\r\nbody",
	"GET /_adit/login?next=/x HTTP/1.1\r\nHAccept: text/html\r\n\r\n",
	"GET /_adit/handover?code=x&next=/ HTTP/1.1\r\nH\r\n",
	"GET /_adit/ HTTP/1.1\r\nH\r\n", "GET /_adit/nothing HTTP/1.1\r\nH\r\n",
	"GET /_adit/api/relay/status HTTP/1.1\r\nH\r\n",
	"GET /_adit/api/people HTTP/1.1\r\nHContent-Length: 2\r\n\r\nhi",
	"POST /_adit/api/people/add HTTP/1.1\r\nHContent-Type: "
	    "application/json\r\nContent-Length: 12\r\n\r\n{\"user\":\"x\"}",
	"GET /_adit/metrics HTTP/1.1\r\nH\r\n",
	"GET /health HTTP/1.1\r\nH\r\n", "GET /_adit/setup HTTP/1.1\r\nH\r\n",
	"GET /tunnel HTTP/1.1\r\nH\r\n",
	"GET /tunnel HTTP/1.1\r\nHWSec-WebSocket-Protocol: adit.tunnel.1\r\n"
	    "Authorization: Bearer x\r\n\r\n",
	"GET /_adit/tunnel HTTP/1.1\r\nHContent-Length: 3\r\n\r\nabc",
	"GET /ws HTTP/1.1\r\nHW\r\n",
	"GET /ws HTTP/1.1\r\nHW\r\n\x81\x82" "abcdef",
	"GET /ws HTTP/1.1\r\nHContent-Length: 3\r\n\r\nabc",
	"GET /api/v1/watch/messages?wait=5 HTTP/1.1\r\nH\r\n",
	"GET /api/v1/watch/messages HTTP/1.1\r\nHContent-Length: 2\r\n\r\nab",
	"POST /api/v1/watch/connect HTTP/1.1\r\nHContent-Type: "
	    "application/json\r\nContent-Length: 46\r\n\r\n{\"tunnel_id\":"
	    "\"abcdefghijkl\",\"auth_key\":\"k\"}    ",
	"DELETE /_adit/login HTTP/1.1\r\nH\r\n", "\r\n", "\r\n\r\n",
	"nonsense\r\n\r\n", "GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n",
	"GET http://192.0.2.1:4000/a HTTP/1.1\r\nH\r\n",
	"OPTIONS * HTTP/1.1\r\nH\r\n",
	"GET / HTTP/1.1\r\nHOrigin: http://evil.test\r\n\r\n",
	"POST / HTTP/1.1\r\nHOrigin: http://evil.test\r\nContent-Length: 1"
	    "\r\n\r\nx",
};

static const char *const answers[] = {
	OK2, OK2, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", "llo",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	"5\r\nhello\r\n", "0\r\n\r\n", "0\r\nX: y\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\nuntil the end",
	"HTTP/1.1 100 Continue\r\n\r\n",
	"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n",
	"HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 304 Same\r\nContent-Length: 9"
	    "\r\n\r\n", "HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n"
	    "Connection: close\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\n\r\n", "\x81\x05hello", "\x81\x7e\x10",
	"\x88\x02\x03\xe8", "\xc1\x00", "junk", "HTTP/1.1 99 X\r\n\r\n",
	"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n"
	    "\r\nok",
};

static void
put_head(struct dyn *d, const char *s)
{
	static const char ws[] = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

	for (char before = 0; *s != 0; before = *s++) {
		const char *cookie = cookies[below(COOKIES)];

		if (*s == 'W' && before == 'H') {
			dyn_put(d, ws, strlen(ws));
		} else if (*s == 'H' && before == '\n' && s[1] != 'o') {
			dyn_put(d, HOST, strlen(HOST));
			dyn_put(d, cookie, strlen(cookie));
		} else {
			dyn_put(d, s, 1);
		}
	}
}

/* One request, as it is or longer than the buffers. */
static void
put_request(struct dyn *d)
{
	static const char line[] = "X-Long: 012345678901234567890123456\r\n";
	size_t n = sizeof requests / sizeof requests[0];

	if (below(12) == 0) {
		dyn_put(d, "GET /long HTTP/1.1\r\n" HOST, 20 + strlen(HOST));
		for (uint64_t i = below(250); i > 0; i--)
			dyn_put(d, line, strlen(line));
		dyn_put(d, "\r\n", 2);
		return;
	}
	if (below(12) == 0) {
		put_head(d, "POST / HTTP/1.1\r\nHTransfer-Encoding: chunked\r\n"
		    "\r\n2\r\nhi\r\n0\r\n");
		for (uint64_t i = below(250); i > 0; i--)
			dyn_put(d, "x:01234567890123456789012\r\n", 27);
		if (below(2) == 0)
			dyn_put(d, "\r\n", 2);
		return;
	}
	put_head(d, requests[below(n)]);
}

static void
begin_talk(struct talk *t)
{
	char ip[32];

	if (t->c != NULL && t->c->fd >= 0)
		cl_close(t->c, below(2) == 0);
	snprintf(ip, sizeof ip, "198.51.100.%u", (unsigned)(7 + below(3)));
	t->c = g.ncls < RIG_CLIENTS - 1 ? cl_new(&g, ip, NULL) : NULL;
	t->text.n = t->at = 0;
	for (uint64_t i = 1 + below(4); i > 0; i--)
		put_request(&t->text);
}

static void
go_on(struct talk *t)
{
	size_t n = t->text.n - t->at;

	if (t->c == NULL || t->c->fd < 0 || t->c->eof || t->c->broken) {
		begin_talk(t);
		return;
	}
	if (n == 0) {
		t->text.n = t->at = 0;
		put_request(&t->text);
		return;
	}
	if (below(3) > 0)
		n = 1 + below(n < 9000 ? n : 9000);
	cl_putn(t->c, t->text.p + t->at, n);
	t->at += n;
}

static void
app_says(struct ag *a)
{
	struct as *s = a != NULL && a->nstreams > 0 ? ag_stream(a,
	    a->nstreams - (unsigned)below(a->nstreams < 8 ? a->nstreams : 8)) :
	    NULL;

	if (s == NULL || s->ts.tunnel == NULL || s->out_end)
		return;
	switch (below(16)) {
	case 0:
		as_end(s);
		break;
	case 1:
		as_reset(s, RESET_BROKEN);
		break;
	case 2:
		as_stop(s);
		break;
	default:
		as_say(s, answers[below(sizeof answers / sizeof answers[0])]);
	}
}

static void
agent_does(struct ag *a)
{
	(void)world_fail(g.host, 0);    /* a dial waits for the relay */
	if (a->fd < 0 && a->parked && below(3) > 0) {
		ag_resume(a);
	} else if (a->fd < 0) {
		if (a->parked)
			ag_forget(a);
		ag_dial(a);
	} else if (below(2) == 0) {
		a->parks = below(2) == 0;
		ag_drop(a, below(2) == 0);
	} else if (a->confirmed && !a->goaway && below(4) == 0) {
		tunnel_goaway(&a->t, GOAWAY_SHUTDOWN, 2000);
	}
}

static void
keeper_says(void)
{
	static const char *const modes[] = { "accounts", "setup", "shared" };
	char jti[32];

	switch (below(6)) {
	case 0:
		fake_note(NOTE_MODE, "", "", 0, 0, modes[below(3)]);
		break;
	case 1:
		snprintf(jti, sizeof jti, "session-%u", (unsigned)below(6));
		fake_note(NOTE_SESSION, "", jti, 0, 0, "");
		break;
	case 2:
		fake_note(NOTE_USER, "mem", "", (unsigned)below(4), 0, "");
		break;
	case 3:
		fake.rules = (unsigned)below(2);
		fake.may = below(2) == 0 ? "ann" : "mem";
		fake_note(NOTE_FLUSH, "", "", 0, 0, "");
		break;
	case 4:
		g.keeper_deaf = below(4) == 0;
		g.keeper_full = below(4) == 0;
		break;
	default:
		fake_note(NOTE_CREDENTIAL, "", "", 0, 77, "");
	}
}

static void
step(void)
{
	struct talk *t = &talks[below(TALKS)];
	uint64_t what = below(100);

	if (what < 60)
		go_on(t);
	else if (what < 72)
		app_says(below(4) > 0 ? web : other);
	else if (what < 74 && t->c != NULL && t->c->fd >= 0)
		cl_shut(t->c);
	else if (what < 76 && t->c != NULL && t->c->fd >= 0)
		cl_close(t->c, what == 75);
	else if (what < 78 && t->c != NULL)
		t->c->hold = !t->c->hold;
	else if (what < 81)
		agent_does(below(2) == 0 ? web : other);
	else if (what < 83)
		keeper_says();
	else if (what == 83)
		(void)world_fail(g.host, 1 + below(30));
	else if (what == 84)
		rig_run(&g, below(40000));
	else if (what < 88)
		rig_run(&g, below(1500));
	rig_run(&g, below(3));
}

static void
begin_world(uint64_t seed)
{
	struct world_cfg w = world_rough(seed);

	w.short_pm = w.again_pm = w.spurious_pm = (uint32_t)(seed % 4) * 60;
	rig_init(&g, &w);
	g.quiet = true;
	if (seed % 3 != 0)
		g.cfg.root = SL("web");
	g.cfg.no_login = seed % 5 == 0;
	g.cfg.channel = seed % 2 == 0;
	fake_start();
	for (unsigned i = 0; i < 6; i++)
		snprintf(cookies[i], sizeof cookies[i], "%s",
		    fake_cookie(i % 3));
	snprintf(cookies[6], sizeof cookies[6],
	    "Authorization: Bearer adit_pTEST\r\n");
	cookies[7][0] = 0;
	fake.scopes = SCOPES_ALL;
	g.keeper_ms = (uint32_t)(seed % 7) * 20;
	if (seed % 3 == 0) {            /* as if none had been there yet */
		ag_drop(web, true);
		rig_settle(&g);
		g.r->first_app.n = 0;
	}
	other = ag_new(&g, A2, seed % 2 == 0 ? "mac" : "pi");
	if (seed % 4 == 3)
		rig_scarce(&g, 40);
}

static void
run(uint64_t seed)
{
	begin_world(seed);
	memset(talks, 0, sizeof talks);
	for (unsigned i = 0; i < STEPS; i++)
		step();
	(void)world_fail(g.host, 0);
	g.keeper_deaf = g.keeper_full = false;
	rig_run(&g, ASK_MS);            /* for what it did not answer */
	if (seed % 4 == 1) {
		relay_stop(g.r, world_io(g.host));
		rig_run(&g, 40000);
	}
	for (unsigned i = 0; i < TALKS; i++)
		free(talks[i].text.p);
	/* One that was not let in has a client's connection. */
	for (struct ag *a = g.ags; a != NULL; a = a->next) {
		a->parks = false;
		if (a->fd >= 0)
			ag_drop(a, true);
	}
	rig_close(&g);
}

static void
nothing_breaks_the_relay(void **state)
{
	const char *one = getenv("ADIT_SEED"), *many = getenv("ADIT_SEEDS");
	uint64_t n = many != NULL ? strtoull(many, NULL, 10) : SEEDS;

	(void)state;
	for (uint64_t seed = 1; seed <= n && one == NULL; seed++) {
		fprintf(stderr, "seed %u\r", (unsigned)seed);
		run(seed);
	}
	if (one != NULL)
		run(strtoull(one, NULL, 10));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_breaks_the_relay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
