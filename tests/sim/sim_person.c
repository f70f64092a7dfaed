/*
 * People of the simulator: see sim.h. Each has one connection to the relay at
 * a time and one exchange on it; sim_hostile.c has the others.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "rig.h"

enum { BODY_MOST = 160 * 1024, SLOW_BODY = 60000, WS_AHEAD = 30000,
	CROWD_BODY = 250 * 1024, CROWD_PACE = 4000,
	IDLE_MS = 20000, CONNECT_MS = 20000 };

struct person {
	char ip[32];
	struct cl *c;
	struct world_host *host;        /* of the latest connection */
	struct exch *x;                 /* NULL: none under way */
	unsigned port;                  /* that the connection goes to */
	struct dyn later;               /* of the request: said by and by */
	bool head, chunked, to_end;
	struct chunk_dec chunks;
	uint64_t left;                  /* of a body with a length */
	uint64_t said;                  /* WebSocket: bytes sent */
	bool closing;                   /* WebSocket: Close was sent */
	uint64_t frame_left;
	bool frame_close, frame_mine;
	uint64_t hold_ms, stall_ms, next_ms, idle_ms;
};

static struct person people[PEOPLE + CROWD];

static void
person_close(struct person *p, bool abort_it)
{
	if (p->c != NULL)
		cl_close(p->c, abort_it);
	p->c = NULL;
	p->later.n = 0;
}

/* ---- the beginning of an exchange ---- */

static void
put_chunked(struct dyn *d, unsigned id, uint64_t n)
{
	uint64_t at = 0;
	char line[24];

	while (at < n) {
		size_t k = (size_t)min_u64(n - at, 1 + sim_below(9000));

		snprintf(line, sizeof line, "%zx\r\n", k);
		dyn_put(d, line, strlen(line));
		sim_fill(d, id, true, at, k);
		dyn_put(d, "\r\n", 2);
		at += k;
	}
	dyn_put(d, "0\r\n\r\n", 5);
}

static void
ask_http(struct person *p, struct exch *x)
{
	bool chunked = sim_chance(500);

	if (x->up_n == 0 && sim_chance(800)) {
		cl_put(p->c, "\r\n");
		return;
	}
	if (chunked) {
		cl_put(p->c, "Transfer-Encoding: chunked\r\n\r\n");
		put_chunked(&p->later, x->id, x->up_n);
	} else {
		sim_sayf(p->c, "Content-Length: %llu\r\n\r\n",
		    (unsigned long long)x->up_n);
		sim_fill(&p->later, x->id, true, 0, (size_t)x->up_n);
	}
}

static void
exch_plan(struct exch *x)
{
	x->agent = (unsigned)sim_below(sim.nagents);
	x->kind = sim_chance(150) ? EX_WS : EX_HTTP;
	x->form = (enum form)sim_below(FORMS);
	x->pace = sim_chance(350) ? (uint32_t)(1 + sim_below(200)) : 0;
	x->vanishes = sim_chance(60);
	x->up_n = sim_chance(500) ? 0 : sim_below(sim_chance(200) ? BODY_MOST :
	    3000);
	x->down_n = sim_below(sim_chance(250) ? BODY_MOST : 4000);
	if (x->pace > 0)
		x->down_n = (uint64_t)x->pace * sim_below(300);
	if (x->pace > 0 && x->kind == EX_WS)
		x->up_n = (uint64_t)x->pace * sim_below(200);
	if (x->kind == EX_HTTP && x->agent > 0 && sim_chance(60))
		x->spoil = (unsigned)(1 + sim_below(SPOIL_EARLY));
	if (x->spoil == SPOIL_EARLY)
		x->up_n = BODY_MOST;
	if (sim.scant && x->kind == EX_HTTP && sim_chance(400)) {
		x->spoil = SPOIL_SLOW;
		x->up_n = SLOW_BODY;
	}
	if (x->spoil == 3)
		x->up_n = 0;
}

/* What all want. */
static void
exch_crowd(struct exch *x, const struct crowd *c)
{
	*x = (struct exch){ .id = x->id, .begun_ms = x->begun_ms,
		.agent = (unsigned)c->agent, .form = x->form,
		.pace = CROWD_PACE, .vanishes = sim_chance(150) };
	*(c->up ? &x->up_n : &x->down_n) = CROWD_BODY / 2 +
	    sim_below(CROWD_BODY / 2);
}

static void
exch_begin(struct person *p)
{
	struct exch *x = exch_new();
	struct crowd c;
	unsigned port;

	if (x == NULL)
		return;
	exch_plan(x);
	if (sim_crowd(&c))
		exch_crowd(x, &c);
	port = x->agent == 0 ? 4000 : 5000 + x->agent;
	if (p->c != NULL && (p->port != port || p->c->eof || p->c->broken ||
	    sim_now() - p->idle_ms > IDLE_MS || sim_chance(100)))
		person_close(p, false);
	if (p->c == NULL) {
		char where[40];

		snprintf(where, sizeof where, SIM_RELAY ":%u", port);
		p->c = cl_new(sim.g, p->ip, where);
		p->port = port;
		p->host = p->c->host;
	}
	p->x = x;
	p->head = p->chunked = p->to_end = p->closing = false;
	p->chunks = (struct chunk_dec){ 0 };
	p->left = p->said = p->frame_left = 0;
	sim_note("%u: %s asks %u, up %llu, down %llu%s", x->id, p->ip,
	    x->agent, (unsigned long long)x->up_n,
	    (unsigned long long)x->down_n, x->kind == EX_WS ? ", ws" : "");
	sim_sayf(p->c, "%s /%u HTTP/1.1\r\nHost: " SIM_RELAY ":%u\r\n"
	    "Cookie: %s\r\n", x->kind == EX_WS || x->up_n == 0 ? "GET" :
	    "POST", x->id, port, sim.g->cookie);
	if (x->kind == EX_WS)
		sim_sayf(p->c, "Connection: Upgrade\r\nUpgrade: websocket\r\n"
		    "Origin: http://" SIM_RELAY ":%u\r\n"
		    "Sec-WebSocket-Version: 13\r\n"
		    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		    port);
	else
		ask_http(p, x);
}

/* ---- its end ---- */

static void
exch_over(struct person *p, enum exch_state state, const char *how)
{
	struct exch *x = p->x;

	if (state == EX_ERROR && !exch_excused(x) && !x->vanishes)
		sim_fail("%u: ends with an error and without a fault: %s, "
		    "%llu bytes came", x->id, how, (unsigned long long)x->got);
	sim_note("%u: %s, %s", x->id, state == EX_DONE ? "done" : "error",
	    how);
	x->state = state;
	x->over_ms = sim_now();
	sim.done += state == EX_DONE;
	result->survived += state == EX_DONE &&
	    sim_agent_cut_ms(sim.agents[x->agent]) > x->begun_ms;
	sim.errors += state == EX_ERROR;
	p->x = NULL;
	p->idle_ms = sim_now();
	p->next_ms = sim_now() + sim_below(600);
	p->hold_ms = 0;
	if (state == EX_ERROR)
		person_close(p, sim_chance(500));
	else if (p->later.n > 0 || p->c->out.n > 0)
		sim_fail("%u: answered before it was asked", x->id);
}

static void
done(struct person *p)
{
	const struct exch *x = p->x;

	if (x->got != x->down_n && !x->spoil)
		sim_fail("%u: %llu of %llu bytes came as if whole", x->id,
		    (unsigned long long)x->got,
		    (unsigned long long)x->down_n);
	exch_over(p, EX_DONE, "whole");
	if (p->to_end || cl_head_has(p->c, "Connection: close"))
		person_close(p, false);
}

/* ---- the answer ---- */

static void
take_status(struct person *p, const struct http_head *h)
{
	char how[40];
	bool login = h->status == 401 || (h->status >= 300 && h->status < 400);

	snprintf(how, sizeof how, "status %u", h->status);
	if (login && p->x->agent == 0 && sim.ahead.ms < p->x->begun_ms)
		sim_fail("%u: the login was forgotten: %s", p->x->id, how);
	if (h->status < 500 && !login && p->x->spoil == 0 &&
	    !(h->status == 408 && exch_excused(p->x)))
		sim_fail("%u: %s", p->x->id, how);
	exch_over(p, EX_ERROR, how);
}

/* False: not whole, or the exchange is over. */
static bool
take_head(struct person *p)
{
	static struct http_field fields[HTTP_FIELDS_MAX];
	struct http_head h = { .fields = fields };
	struct http_scan scan = { 0 };
	struct cl *c = p->c;
	size_t used;
	enum err e = E_MORE;

	if (c->in.n > 0)
		e = http_response_parse(&h, &scan, HTTP_TO_OTHER,
		    slice_of(c->in.p, c->in.n), &used);
	if (e == E_MORE)
		return false;
	if (e != E_OK)
		sim_fail("%u: the answer is %s", p->x->id, err_name(e));
	c->head.n = 0;
	dyn_put(&c->head, c->in.p, used);
	if (h.status == 101 && p->x->kind == EX_WS) {
		p->head = true;
		dyn_drop(&c->in, used);
		return true;
	}
	if (h.status >= 200 && (h.status != 200 || p->x->kind == EX_WS)) {
		take_status(p, &h);
		return false;
	}
	p->head = h.status == 200;
	p->chunked = h.body == HTTP_BODY_CHUNKED;
	p->to_end = h.body == HTTP_BODY_CLOSE;
	p->left = h.body == HTTP_BODY_LENGTH ? h.length : 0;
	dyn_drop(&c->in, used);
	return p->head || take_head(p);
}

static void
take_body(struct person *p)
{
	struct cl *c = p->c;
	struct slice in = slice_of(c->in.p, c->in.n);
	size_t used, at = 0;
	struct chunk_ev ev;

	if (p->chunked) {
		enum err e = E_OK;

		while (e == E_OK && !chunk_is_done(&p->chunks)) {
			e = chunk_next(&p->chunks, slice_from(in, at), &used,
			    &ev);
			at += used;
			if (e == E_OK && ev.what == CHUNK_DATA)
				sim_check(p->x->id, false, &p->x->got,
				    ev.data.p, ev.data.n);
		}
		if (e != E_OK && e != E_MORE)
			sim_fail("%u: chunks: %s", p->x->id, err_name(e));
		dyn_drop(&c->in, at);
		if (e == E_OK)
			done(p);
		return;
	}
	at = p->to_end ? in.n : (size_t)min_u64(in.n, p->left);
	sim_check(p->x->id, false, &p->x->got, in.p, at);
	dyn_drop(&c->in, at);
	p->left -= p->to_end ? 0 : at;
	if (!p->to_end && p->left == 0)
		done(p);
}

/* ---- a WebSocket ---- */

static void
say_frame(struct person *p, enum ws_opcode op, uint64_t n)
{
	struct ws_frame f = { .length = n, .opcode = (uint8_t)op, .fin = true,
		.masked = true, .key = { 1, 2, 3, (uint8_t)sim_below(256) } };
	uint8_t head[WS_HEAD_MAX];
	struct dyn d = { 0 };

	cl_putn(p->c, head, ws_encode_raw(head, &f));
	dyn_put(&d, "", 0);
	if (op == WS_BINARY)
		sim_fill(&d, p->x->id, true, p->said, (size_t)n);
	else
		dyn_put(&d, "\3\350", (size_t)n);
	ws_mask((uint8_t *)d.p, (const uint8_t *)d.p, d.n, f.key, 0);
	cl_putn(p->c, d.p, d.n);
	free(d.p);
}

static void
ws_say(struct person *p)
{
	while (p->said < p->x->up_n && p->said - p->x->got < WS_AHEAD) {
		uint64_t n = min_u64(p->x->up_n - p->said,
		    1 + sim_below(sim_chance(100) ? 70000 : 5000));

		if (p->x->pace > 0)
			n = min_u64(n, p->x->pace);
		say_frame(p, WS_BINARY, n);
		p->said += n;
		if (p->x->pace > 0)
			break;
	}
	if (p->x->got == p->x->up_n && !p->closing) {
		say_frame(p, WS_CLOSE, 2);
		p->closing = true;
	}
}

static void
ws_turn(struct person *p)
{
	struct cl *c = p->c;

	for (;;) {
		struct ws_frame f;
		size_t used, n;

		if (p->frame_left == 0) {
			if (c->in.n == 0 || ws_decode(&f, slice_of(c->in.p,
			    c->in.n), &used) != E_OK)
				break;
			dyn_drop(&c->in, used);
			p->frame_left = f.length;
			p->frame_close = f.opcode == WS_CLOSE;
			if (p->frame_close) {
				if (!p->closing)
					exch_over(p, EX_ERROR, "Close");
				else
					exch_over(p, EX_DONE, "closed");
				person_close(p, false);
				return;
			}
		}
		n = (size_t)min_u64(p->frame_left, c->in.n);
		if (n == 0 && p->frame_left > 0)
			break;
		sim_check(p->x->id, true, &p->x->got, (uint8_t *)c->in.p, n);
		dyn_drop(&c->in, n);
		p->frame_left -= n;
	}
	ws_say(p);
}

/* ---- a turn ---- */

static void
look(struct person *p)
{
	struct exch *x = p->x;

	if (p->head || take_head(p)) {
		if (x->kind == EX_WS)
			ws_turn(p);
		else
			take_body(p);
	}
	if (p->x == NULL || !(p->c->eof || p->c->broken))
		return;
	if (p->to_end && p->head && !p->c->broken && x->got == x->down_n)
		done(p);
	else if (p->head || exch_excused(x) || x->vanishes || p->c->eof)
		exch_over(p, EX_ERROR, p->c->broken ? "broken" : "end");
}

static void
person_turn(struct person *p)
{
	uint64_t now = sim_now();

	if (p->stall_ms > 0 && p->stall_ms <= now) {
		p->stall_ms = 0;
		world_stall(sim.w, p->host, sim.g->host, false);
	}
	if (p->x == NULL) {
		struct crowd c;

		if (!sim.calm && p->next_ms <= now && sim.g->r != NULL &&
		    (p < people + PEOPLE || sim_crowd(&c)))
			exch_begin(p);
		return;
	}
	if (p->stall_ms > 0)
		blame(&p->x->own, now + 1000);
	exch_turn(p->x);
	if (p->later.n > 0) {
		size_t n = 1 + sim_below(p->x->pace == CROWD_PACE ?
		    min_size(p->later.n, 2 * CROWD_PACE) : p->later.n);

		cl_putn(p->c, p->later.p, n);
		dyn_drop(&p->later, n);
	}
	if (p->hold_ms == 0 && sim_chance(5))
		p->hold_ms = now + sim_below(5000);
	if (p->c->hold != (p->hold_ms > now))
		world_kick(p->host);
	p->c->hold = p->hold_ms > now;
	if (p->x->vanishes && sim_chance(20)) {
		person_close(p, sim_chance(500));
		exch_over(p, EX_ERROR, "vanishes");
		return;
	}
	if (!p->c->open && now > p->x->begun_ms + CONNECT_MS) {
		exch_over(p, EX_ERROR, "no connection");
		return;
	}
	if (!p->c->hold)
		look(p);
	if (p->x != NULL && now > DEADLINE_MS + max_u64(p->x->begun_ms,
	    exch_blame(p->x)))
		sim_fail("%u: hangs; %llu bytes came", p->x->id,
		    (unsigned long long)p->x->got);
}

void
sim_people_begin(void)
{
	for (int i = 0; i < PEOPLE + CROWD; i++)
		snprintf(people[i].ip, sizeof people[i].ip, "198.51.100.%d",
		    10 + i);
}

void
sim_people_turn(void)
{
	for (int i = 0; i < PEOPLE + CROWD; i++)
		person_turn(&people[i]);
	rig_forget(sim.g);
}

bool
sim_people_rest(void)
{
	for (int i = 0; i < PEOPLE + CROWD; i++) {
		if (people[i].x != NULL || people[i].stall_ms > 0)
			return false;
	}
	return true;
}

void
sim_person_fault(bool on)
{
	struct person *p = &people[sim_below(PEOPLE)];

	if (!on || p->c == NULL || p->x == NULL)
		return;
	blame(&p->x->own, sim_now() + 1000);
	sim_note("fault: %s", p->ip);
	if (sim_chance(500)) {
		world_cut(sim.w, p->c->host, sim.g->host);
	} else {
		world_stall(sim.w, p->c->host, sim.g->host, true);
		p->stall_ms = sim_now() + sim_below(15000);
	}
}

void
sim_people_end(void)
{
	for (int i = 0; i < PEOPLE + CROWD; i++) {
		person_close(&people[i], true);
		free(people[i].later.p);
	}
	sim_hostile_end();
}

unsigned
sim_ask(const char *line, const char *cookie)
{
	struct cl *c = cl_new(sim.g, "198.51.100.99", NULL);
	char req[3000];
	unsigned status;

	snprintf(req, sizeof req, "%s HTTP/1.1\r\nHost: " RIG_MAIN "\r\n"
	    "Origin: http://" RIG_MAIN "\r\nCookie: %s\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n\r\n", line, cookie);
	status = cl_ask(c, req);
	cl_close(c, false);
	return status;
}
