/*
 * Hostile parties of the simulator: see sim.h. People and what calls itself an
 * agent say what is no HTTP, too much, or half of it; and three kinds of agents
 * want what is an honest one's, its name, its session, its requests:
 *
 *   who knows the token that all agents share, or heard what one of them said.
 *       Such a one may have a name that nobody has; so it speaks only while
 *       the name is its owner's.
 *   who has a token of its own. It may have a free name too; but only until
 *       somebody comes whose token is for that name.
 *   who has another token for the very name, and hears what its owner says to
 *       resume the session before the relay does. The session is the owner's
 *       credential's; that the name might be its own it does not know.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "codec/frame.h"
#include "rig.h"

enum { HEAR_MS = 10000, SOON_MS = 500 };

struct hostile {
	struct cl *c;
	uint64_t until_ms;
	struct dyn later;               /* said after a 101, */
	uint64_t last_ms;               /* and an ACK then */
	size_t as;                      /* while this agent is served; AGENTS:
	                                 * in any case */
	size_t heard;                   /* who is listened to; AGENTS: nobody */
};

static struct hostile hostile[HOSTILE];

void
sim_sayf(struct cl *c, const char *fmt, ...)
{
	char line[3000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	cl_put(c, line);
}

static void
put_upgrade(struct cl *c, const char *token)
{
	sim_sayf(c, "GET /tunnel HTTP/1.1\r\nHost: " RIG_MAIN "\r\n"
	    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Protocol: adit.tunnel.1\r\n"
	    "Authorization: Bearer %s\r\n\r\n", token);
}

/* A hello for an honest agent's name: of one who has just started, or who
 * slept; or of one who wants its session and cannot prove it. */
static void
put_hello(struct dyn *d, size_t i, bool start, char who)
{
	char text[1000], resume[300] = "";
	uint8_t head[8] = { 0x81, 0xfe, 0, 0, 0, 0, 0, 0 };
	struct sim_session s;
	int n;

	if (!start && sim_chance(500) &&
	    sim_agent_session(sim.agents[i], 0, &s))
		snprintf(resume, sizeof resume, ",\"resume\":{\"session\":"
		    "\"%.*s\",\"attempt\":%u,\"proof\":\"AAAAAAAAAAAAAAAAAAA"
		    "AAAAAAAAAAAAAAAAAAAAAAAA\",\"received\":%llu}",
		    HELLO_SESSION_CHARS, (const char *)s.id, 1000000u,
		    (unsigned long long)s.t->received);
	n = snprintf(text, sizeof text, "{\"type\":\"hello\",\"protocol\":1,"
	    "\"name\":\"a%zu\",\"instance\":\"%cAAAAAAAAAAAAAAAAAAAAA\","
	    "\"start\":%s,\"version\":\"0\",\"apps\":[{\"name\":\"w1\","
	    "\"kind\":\"http\"}],\"limits\":{\"streams\":16,"
	    "\"window\":65536,\"session\":1114112}%s}", i + 1, who,
	    start ? "true" : "false", resume);
	head[2] = (uint8_t)((unsigned)n >> 8);
	head[3] = (uint8_t)n;
	dyn_put(d, head, 8);
	dyn_put(d, text, (size_t)n);
}

/* An ACK of nothing: it would confirm a session. */
static void
put_ack(struct dyn *d)
{
	struct frame f = { .type = FRAME_ACK };
	uint8_t area[6 + FRAME_HEAD_BYTES + 8] = { 0x82, 0x90 };
	struct buf b = buf_of(area + 6, sizeof area - 6);

	if (!frame_put(&b, &f))
		sim_fail("no ACK");
	dyn_put(d, area, sizeof area);
}

static void
put_noise(struct dyn *d, size_t most)
{
	for (size_t n = (size_t)sim_below(most); n > 0; n--) {
		uint8_t b = (uint8_t)sim_below(256);

		dyn_put(d, &b, 1);
	}
}

/* What a dial said behind its HTTP head: the hello, if it is all there. */
static void
put_heard(struct dyn *d, struct slice said)
{
	const char *end = said.n == 0 ? NULL :
	    memmem(said.p, said.n, "\r\n\r\n", 4);
	struct ws_frame f;
	size_t head;

	if (end == NULL)
		return;
	said = slice_from(said, (size_t)(end - (const char *)said.p) + 4);
	if (ws_decode(&f, said, &head) == E_OK && said.n - head >= f.length)
		dyn_put(d, said.p, head + (size_t)f.length);
}

/* Who knows the agents' token, or has seen what one of them said. */
static void
hostile_shared(struct hostile *h)
{
	size_t i = (size_t)sim_below(sim.nagents);

	put_upgrade(h->c, sim_chance(900) ? RIG_TOKEN : "adit_no");
	if (sim_chance(600))
		put_heard(&h->later, sim_agent_said(sim.agents[i], true));
	if (h->later.n > 0)
		return;
	switch (sim_below(4)) {
	case 0:
		put_noise(&h->later, 300);
		break;
	case 1:
		put_hello(&h->later, i, true, 'A');     /* never confirmed */
		break;
	default:
		h->as = i;
		put_hello(&h->later, i, false, 'A');
		put_ack(&h->later);
		put_noise(&h->later, 100);
	}
}

/* Who has a token of its own, for any name: best one whose owner is away. */
static void
hostile_own(struct hostile *h)
{
	size_t i = (size_t)sim_below(sim.nagents);

	for (size_t k = 0; k < sim.nagents; k++) {
		if (!sim_agent_served(sim.agents[k]))
			i = k;
	}
	put_upgrade(h->c, SIM_TOKEN_OWN);
	put_hello(&h->later, i, sim_chance(800), (char)('B' + (h - hostile)));
	if (sim_chance(300))
		put_ack(&h->later);
	else
		h->last_ms = sim_now() + sim_below(HELLO_DEADLINE_MS);
}

/* Who has a second token for an agent's name. */
static void
hostile_second(struct hostile *h)
{
	char token[40];

	h->heard = (size_t)sim_below(sim.nagents);
	snprintf(token, sizeof token, SIM_TOKEN_SECOND "%zu", h->heard + 1);
	put_upgrade(h->c, token);
	h->until_ms += HEAR_MS;
	world_latency(sim.w, h->c->host, sim.g->host, 0);
}

static void
hostile_tunnel(struct hostile *h)
{
	switch (sim_below(4)) {
	case 0:
		hostile_second(h);
		break;
	case 1:
	case 2:
		if (sim.bound) {
			hostile_own(h);
			break;
		}
		/* fallthrough */
	default:
		hostile_shared(h);
	}
}

static void
hostile_upload(struct cl *c)
{
	struct exch *x = exch_new();

	if (x == NULL)
		return;
	x->vanishes = true;
	x->agent = (unsigned)sim_below(sim.nagents);
	blame(&x->own, sim_now());
	x->state = EX_ERROR;
	x->up_n = 1000;
	sim_sayf(c, "POST /%u HTTP/1.1\r\nHost: " RIG_MAIN "\r\nCookie: %s\r\n",
	    x->id, sim.g->cookie);
	if (sim_chance(500)) {
		cl_put(c, "Content-Length: 1000\r\n\r\n");
		sim_fill(&c->out, x->id, true, 0, 500);
	} else {
		cl_put(c, "Transfer-Encoding: chunked\r\n\r\nzz\r\n"
		    "GET / HTTP/1.1\r\n\r\n");
	}
}

static void
hostile_say(struct hostile *h)
{
	struct cl *c = h->c;

	switch (sim_below(10)) {
	case 0:
		put_noise(&c->out, 20000);
		cl_put(c, "");
		break;
	case 1:
		cl_put(c, "GET /1 HTTP/1.1\r\nHo");
		break;
	case 2:
		cl_put(c, "POST / HTTP/1.1\r\nHost: " RIG_MAIN "\r\n"
		    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
		break;
	case 3:
		cl_put(c, "GET / HTTP/1.1\r\nHost: " RIG_MAIN "\r\n");
		for (int i = 0; i < 2000; i++)
			cl_put(c, "X-Y: 0123456789012345678901234567\r\n");
		break;
	case 4:
		for (int i = 0; i < 50; i++)
			cl_put(c, "GET /_adit/health HTTP/1.1\r\nHost: "
			    RIG_MAIN "\r\n\r\n");
		c->hold = true;
		break;
	case 5:
		hostile_upload(c);
		break;
	default:
		hostile_tunnel(h);
	}
}

/* It was let in. */
static void
hostile_goes_on(struct hostile *h)
{
	const struct sim_agent *a = h->as == AGENTS ? NULL :
	    sim.agents[h->as];

	if (h->c == NULL || !cl_has(h->c, " 101 "))
		return;
	if (h->heard < AGENTS) {
		put_heard(&h->later,
		    sim_agent_said(sim.agents[h->heard], false));
		if (h->later.n > 0) {
			h->heard = AGENTS;
			put_noise(&h->later, 100);
		}
	}
	if (a == NULL || (sim_agent_served(a) && !sim_agent_hindered(a)))
		cl_putn(h->c, h->later.p, h->later.n);
	h->later.n = 0;
	if (h->last_ms > 0 && h->last_ms <= sim_now()) {
		h->last_ms = 0;
		put_ack(&h->later);
		cl_putn(h->c, h->later.p, h->later.n);
		h->later.n = 0;
	}
}

static void
hostile_begins(struct hostile *h)
{
	char ip[32];

	if (h->c != NULL)
		cl_close(h->c, sim_chance(500));
	snprintf(ip, sizeof ip, "198.51.100.%d", 50 + (int)(h - hostile));
	h->c = cl_new(sim.g, ip, NULL);
	h->until_ms = sim_now() + sim_below(8000);
	h->later.n = 0;
	h->last_ms = 0;
	h->as = h->heard = AGENTS;
	hostile_say(h);
}

void
sim_hostile_turn(void)
{
	for (struct hostile *h = hostile; h < hostile + HOSTILE; h++) {
		hostile_goes_on(h);
		if (h->c != NULL && (h->c->eof || h->c->broken))
			h->until_ms = min_u64(h->until_ms,
			    sim_now() + sim_below(SOON_MS));
		if (h->c == NULL || h->until_ms <= sim_now())
			hostile_begins(h);
	}
}

void
sim_hostile_end(void)
{
	for (struct hostile *h = hostile; h < hostile + HOSTILE; h++) {
		if (h->c != NULL)
			cl_close(h->c, true);
		h->c = NULL;
		free(h->later.p);
	}
}
