/*
 * For fuzz_relay.c: one relay in the virtual world that is used for all inputs,
 * with an agent whose app answers every whole request; what a client and the
 * app got of one run; and whether two runs gave the same.
 */
#ifndef ADIT_FUZZ_RELAY_WORLD_H
#define ADIT_FUZZ_RELAY_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "../tests/sim/rig.h"
#include "base/num.h"

#define MUST(x) do {                                                    \
	if (!(x)) {                                                     \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
		abort();                                                \
	}                                                               \
} while (0)

#define WS_FIELDS "Connection: Upgrade\r\nUpgrade: websocket\r\n"       \
	"Sec-WebSocket-Version: 13\r\n"                                 \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define WS_SWITCH "HTTP/1.1 101 Switching Protocols\r\n"                \
	"Connection: Upgrade\r\nUpgrade: websocket\r\n"                 \
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

enum { STREAMS_SEEN = 64 };

struct outcome {
	struct dyn client;
	struct dyn app[STREAMS_SEEN];
	bool reset[STREAMS_SEEN];       /* then only a prefix of it counts */
	size_t napp;
	bool broken;            /* the client's was reset, which overtakes */
	bool uncertain;         /* it tells times, or is a tunnel of its own */
};

static struct rig g;
static struct ag *web;
static bool app_answers;        /* else the input is what it says */
static bool channel_on;         /* set before the first fuzz_begin */

/* Answer each whole request once; a WebSocket says nothing. */
static void
fuzz_app(struct as *s)
{
	struct http_head h;
	size_t n;

	if (s->in_end && !s->out_end)
		as_end(s);
	while (app_answers && s->own == NULL &&
	    as_request(s, s->answered, &h, &n)) {
		if (h.upgrade_websocket)
			s->own = calloc(1, 1);
		as_say(s, h.upgrade_websocket ? WS_SWITCH :
		    h.verb == HTTP_V_HEAD ?
		    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" :
		    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
		s->answered += (unsigned)n;
	}
}

/* The relay and its agent, as at the start of every run. */
static void
fuzz_begin(void)
{
	struct world_cfg w = world_gentle(1);

	if (g.r == NULL) {
		rig_init(&g, &w);
		g.quiet = true;
		g.cfg.no_login = true;
		g.cfg.root = SL("web");
		g.cfg.app_domain = SL("apps.test");
		g.cfg.reserve[0] = SL("/api/auth/");
		g.cfg.nreserve = 1;
		g.cfg.channel = channel_on;
		rig_start(&g);
		web = ag_new(&g, "203.0.113.1", "mac");
		web->app = fuzz_app;
	}
	for (int i = 0; i < 3 && (web->fd < 0 || !web->confirmed); i++) {
		if (web->fd < 0)
			ag_dial(web);
		rig_run(&g, 30000);
	}
	MUST(web->confirmed);
	world_wall(g.host, 1700000000000);
	g.r->started_ms = world_now(g.w);
}

/* Our Close frames have a random mask: take it off. */
static void
unmask_closes(uint8_t *p, size_t n)
{
	struct ws_frame f;
	size_t head;

	while (ws_decode(&f, slice_of(p, n), &head) == E_OK &&
	    f.length <= n - head) {
		if (f.masked && f.opcode == WS_CLOSE) {
			ws_mask(p + head, p + head, (size_t)f.length, f.key, 0);
			memset(p + head - 4, 0, 4);
		}
		p += head + f.length;
		n -= head + (size_t)f.length;
	}
}

static void
see_stream(struct outcome *o, struct as *s)
{
	size_t at = s->own != NULL ? s->answered : s->in.n;

	MUST(o->napp < STREAMS_SEEN);
	dyn_put(&o->app[o->napp], s->in.p, s->in.n);
	if (at < s->in.n)
		unmask_closes((uint8_t *)o->app[o->napp].p + at,
		    s->in.n - at);
	o->reset[o->napp++] = s->was_reset;
}

static inline void
see(struct outcome *o, const struct cl *c, unsigned first)
{
	static const char *const times[] = { "bytesFromAgent", "ms away",
		"adit.tunnel.1", "leaving" };

	dyn_put(&o->client, c->in.p, c->in.n);
	o->broken = c->broken;
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
		o->uncertain = o->uncertain || cl_has(c, times[i]);
	for (size_t i = 0; i < o->client.n; i++) {
		if (o->client.p[i] >= '0' && o->client.p[i] <= '9')
			o->client.p[i] = '0';
	}
	for (unsigned n = first; n <= web->nstreams &&
	    n < first + STREAMS_SEEN; n++) {
		if (ag_stream(web, n) != NULL)
			see_stream(o, ag_stream(web, n));
	}
	o->uncertain = o->uncertain || web->nstreams - first >= STREAMS_SEEN;
}

/* All that a run began is over, and the relay has forgotten it. */
static inline void
fuzz_end(struct cl *c)
{
	cl_close(c, true);
	rig_run(&g, 300);
	if (g.r->clients.used + g.r->streams.used > 0)
		rig_run(&g, ORPHAN_MS + 5000);
	rig_zero(&g, true);
	rig_forget(&g);
}

static inline void
outcome_free(struct outcome *o)
{
	free(o->client.p);
	for (size_t i = 0; i < o->napp; i++)
		free(o->app[i].p);
}

static void
prefix(const struct dyn *a, const struct dyn *b)
{
	size_t n = min_size(a->n, b->n);

	MUST(n == 0 || memcmp(a->p, b->p, n) == 0);
}

/* Whole and in pieces the same; of what was reset, one is the other's
 * beginning, and it may not have been there at all. */
static inline void
outcomes_agree(const struct outcome *a, const struct outcome *b)
{
	size_t n = a->napp < b->napp ? a->napp : b->napp;

	if (a->uncertain || b->uncertain)
		return;
	MUST(a->broken || b->broken || a->client.n == b->client.n);
	prefix(&a->client, &b->client);
	for (size_t i = 0; i < n; i++) {
		MUST(a->reset[i] || b->reset[i] ||
		    a->app[i].n == b->app[i].n);
		prefix(&a->app[i], &b->app[i]);
	}
	for (size_t i = n; i < a->napp; i++)
		MUST(a->reset[i]);
	for (size_t i = n; i < b->napp; i++)
		MUST(b->reset[i]);
}

#endif
