/*
 * Who has an app open, by a session or an API token: see sim_folk.h. A stream
 * is a WebSocket on which nothing passes. It is opened if they may and not if
 * they may not; it goes on as long as they may, but for the faults of the plan
 * (exch_blame); and it ends soon after they may no longer.
 */
#include "sim_folk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "disk.h"
#include "rig.h"

enum { STREAMS = 4, LATE_MS = 2500, EARLY_MS = 700, LIFE_MS = 20000,
	CONNECT_MS = 20000 };

struct stream {
	struct cl *c;                   /* NULL: none */
	struct exch *x;
	enum act_by by;
	unsigned i;
	bool up;
	/* They may not: since when, 0 while they may; at some time since it
	 * was begun; all the time, and a while before. */
	uint64_t no_ms, awake_ms;
	bool was_no, barred;
	uint64_t end_ms;
};

/* What a session or token may, and since when. */
struct right { enum folk_may may; uint64_t ms; };

static struct stream streams[STREAMS];
static struct right rights[2][SESS];    /* of sessions; of tokens */
static uint64_t next_ms;

_Static_assert((int)TOKS <= (int)SESS, "");

static struct right *
right_of(enum act_by by, unsigned i)
{
	struct right *r = &rights[by == BY_TOK][i];
	enum folk_may may = folk_may(by, i, 0);

	if (r->may != may)
		*r = (struct right){ may, sim_now() };
	return r;
}

static void
end(struct stream *s)
{
	cl_close(s->c, true);
	s->c = NULL;
	s->x->state = EX_ERROR;
	s->x->over_ms = sim_now();
	s->x->vanishes = true;
}

static const char *
name(const struct stream *s)
{
	return s->by == BY_TOK ? "token" : folk_name(folk.s.sess[s->i].who);
}

static void
look(struct stream *s)
{
	enum folk_may may = right_of(s->by, s->i)->may;

	s->was_no = s->was_no || may != FOLK_YES;
	s->barred = s->barred && may == FOLK_NO;
	if (may == FOLK_YES || may == FOLK_LATE)
		s->no_ms = 0;
	else if (s->no_ms == 0)
		s->no_ms = sim_now();
}

void
stream_look(void)
{
	for (unsigned i = 0; i < folk.k.nsess; i++)
		(void)right_of(BY_SESS, i);
	for (unsigned i = 0; i < folk.k.ntoks; i++)
		(void)right_of(BY_TOK, i);
	for (int i = 0; i < STREAMS; i++)
		if (streams[i].c != NULL)
			look(&streams[i]);
}

static void
begin(struct stream *s, int n)
{
	struct exch *x;
	char ip[32], line[1400];
	const char *text;

	*s = (struct stream){ .by = sim_chance(800) ? BY_SESS : BY_TOK };
	if (s->by == BY_TOK && folk.k.ntoks == 0)
		s->by = BY_SESS;
	/* Mostly one that may. */
	for (int k = 0; k < 4; k++) {
		s->i = (unsigned)sim_below(s->by == BY_SESS ? folk.k.nsess :
		    folk.k.ntoks);
		if (folk_may(s->by, s->i, 0) == FOLK_YES)
			break;
	}
	text = s->by == BY_SESS ? folk.k.sess[s->i].text :
	    folk.k.toks[s->i].text;
	x = text[0] != 0 ? exch_new() : NULL;
	if (x == NULL)
		return;
	s->x = x;
	/* The relay may not have heard of it yet. */
	s->was_no = sim_relay_sleeps() || sim_now() <
	    right_of(s->by, s->i)->ms + EARLY_MS;
	s->barred = !s->was_no;
	x->kind = EX_WS;
	x->vanishes = true;
	snprintf(ip, sizeof ip, "198.51.100.%d", 120 + n);
	s->c = cl_new(sim.g, ip, NULL);
	s->end_ms = sim_now() + sim_below(LIFE_MS);
	snprintf(line, sizeof line, "GET /%u HTTP/1.1\r\nHost: " RIG_MAIN
	    "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://"
	    RIG_MAIN "\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "%s%s\r\n\r\n", x->id, s->by == BY_SESS ? "Cookie: adit=" :
	    "Authorization: Bearer ", text);
	cl_put(s->c, line);
	look(s);
	sim_note("%u: a stream of %s %u, %s", x->id, name(s), s->i,
	    s->no_ms == 0 ? "may" : s->barred ? "barred" : "may not");
}

/* The head of the answer, if it is there. */
static void
answered(struct stream *s)
{
	unsigned status;

	if (s->c->in.n < 12 || !cl_has(s->c, "\r\n\r\n"))
		return;
	status = (unsigned)atoi(s->c->in.p + 9);
	if (status == 101) {
		dyn_drop(&s->c->in, (size_t)(strstr(s->c->in.p,
		    "\r\n\r\n") - s->c->in.p) + 4);
		s->up = true;
		result->streams++;
		return;
	}
	if (status < 500 && !s->was_no && sim.ahead.ms < s->x->begun_ms)
		sim_fail("%u: %s may open the app: %u", s->x->id, name(s),
		    status);
	if (status >= 500 && !exch_excused(s->x))
		sim_fail("%u: %u", s->x->id, status);
	end(s);
}

static void
turn(struct stream *s)
{
	struct exch *x = s->x;

	exch_turn(x);
	look(s);
	if (sim_relay_sleeps() || s->awake_ms == 0)
		s->awake_ms = sim_now();
	if (s->barred && x->heads > 0)
		sim_fail("%u: %s may not open the app and did", x->id,
		    name(s));
	if (!s->up)
		answered(s);
	if (s->c == NULL)
		return;
	if (s->c->eof || s->c->broken || (s->up && s->c->in.n > 0)) {
		if (s->up && !s->was_no && exch_blame(x) < x->begun_ms)
			sim_fail("%u: the stream of %s was ended", x->id,
			    name(s));
		result->ended += s->no_ms > 0;
		sim_note("%u: ended%s", x->id, s->was_no ? ", rightly" : "");
		end(s);
	} else if (s->up && s->no_ms > 0 && sim.g->r != NULL &&
	    sim_now() > max_u64(s->no_ms, s->awake_ms) + LATE_MS) {
		sim_fail("%u: the stream of %s goes on", x->id, name(s));
	} else if (sim.calm || (s->up ? s->end_ms :
	    x->begun_ms + CONNECT_MS) < sim_now()) {
		end(s);
	}
}

void
stream_turn(void)
{
	for (int i = 0; i < STREAMS; i++) {
		if (streams[i].c != NULL) {
			turn(&streams[i]);
		} else if (!sim.calm && sim.g->r != NULL &&
		    folk.k.nsess > 0 && next_ms < sim_now()) {
			next_ms = sim_now() + sim_below(700);
			begin(&streams[i], i);
		}
	}
}

bool
stream_rest(void)
{
	for (int i = 0; i < STREAMS; i++)
		if (streams[i].c != NULL)
			return false;
	return true;
}
