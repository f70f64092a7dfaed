/*
 * Invariants of the simulator: what must be true of both ends of a session
 * together, in any order of events (tunnel_check and rig_check look at one end
 * alone). Frames that one side counted were sent by the other; nobody believes
 * to have more credit than was granted; a name has one current session; a park
 * ends. And when nothing is under way, both have counted the same.
 */
#include "sim.h"

#include <string.h>

#include "base/num.h"
#include "rig.h"
#include "tunnel/engine.h"

enum { LATE_MS = 1000, EACH = 4, SESSIONS = 8, QUIET_MS = 3000 };

static const struct remote *
remote_of(const struct sim_session *s)
{
	const struct relay *r = sim.g->r;

	for (uint32_t i = 0; r != NULL && i < r->remotes.fresh; i++) {
		const struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead &&
		    l->state >= REMOTE_PROVISIONAL &&
		    l->session.n == HELLO_SESSION_CHARS &&
		    memcmp(l->session.b, s->id, l->session.n) == 0)
			return l;
	}
	return NULL;
}

/* Blocks of its ring up to the last one that has DATA. */
static uint32_t
data_blocks(const struct tunnel *t)
{
	const struct blocks *b = t->cfg.blocks;
	struct ring r = t->ring;        /* as if nothing of it was sent yet */
	uint32_t n = 1, with_data = 0;
	struct slice s;

	if (r.nblocks + RING_CONTROL_BLOCKS <= r.reserved)
		return 0;               /* wherever it is, it may be */
	r.sent = r.acked;
	r.cur = r.head;
	r.cur_off = r.head_off;
	while ((s = ring_unsent(&r, b)).n > 0) {
		uint32_t was = r.cur;

		ring_sent(&r, b);
		n += r.cur != was;
		if (s.p[0] == FRAME_DATA)
			with_data = n;
	}
	return with_data;
}

/* Of one direction, or of both ends' streams: nothing from nowhere. */
static void
check_way(size_t i, const char *from, const struct tunnel *a,
    const struct tunnel *b)
{
	if (b->received > a->ring.put)
		sim_fail("agent %zu: more frames came than the %s sent", i,
		    from);
	if (a->ring.acked > b->received)
		sim_fail("agent %zu: the %s was told of more frames than came",
		    i, from);
	if (a->send_credit > b->recv_window)
		sim_fail("agent %zu: the %s believes in more credit than it "
		    "was granted", i, from);
	if (!ring_has_room(&a->ring, a->cfg.blocks, CONTROL_WANT, false) ||
	    data_blocks(a) + RING_CONTROL_BLOCKS > a->ring.reserved)
		sim_fail("agent %zu: DATA of the %s leaves too little for "
		    "control frames", i, from);
	if (b->recv_owed >= b->cfg.ours.window / 2 && !b->session_due)
		sim_fail("agent %zu: the %s waits for credit of the session",
		    i, from);
	for (uint32_t k = 0; k < a->cfg.hash_n; k++) {
		const struct tunnel_stream *s = a->cfg.hash[k], *o;

		for (; s != NULL; s = s->hash_next) {
			o = streams_find(b, s->id);
			if (o != NULL && s->send_credit > o->recv_window)
				sim_fail("agent %zu: the %s believes in more "
				    "credit of stream %u", i, from, s->id);
		}
	}
}

/* The sessions of agent i. */
static void
check_sessions(size_t i)
{
	struct sim_session s;

	for (uint32_t k = 0; k < SESSIONS; k++) {
		const struct remote *l;

		if (!sim_agent_session(sim.agents[i], k, &s))
			continue;
		if (s.parked_ms > 0 && !sim_agent_sleeps(sim.agents[i]) &&
		    sim_now() > s.parked_ms + sim.grace_ms + LATE_MS)
			sim_fail("agent %zu: parked for ever", i);
		l = remote_of(&s);
		if (l == NULL || !l->t.confirmed || !s.t->confirmed ||
		    tunnel_state(s.t) == TUNNEL_CLOSED ||
		    tunnel_state(&l->t) == TUNNEL_CLOSED)
			continue;
		check_way(i, "agent", s.t, &l->t);
		check_way(i, "relay", &l->t, s.t);
	}
}

static void
check_remotes(void)
{
	const struct relay *r = sim.g->r;
	unsigned current[AGENTS] = { 0 };

	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		const struct remote *l = pool_at(&r->remotes, i);

		if (!pool_live(&r->remotes, i) || l->dead)
			continue;
		if (remote_parked(l) && sim_now() > l->parked_ms +
		    sim.grace_ms + LATE_MS)
			sim_fail("the relay parks a session for ever");
		if (l->state != REMOTE_CURRENT || l->name.n != 2)
			continue;
		for (size_t k = 0; k < AGENTS; k++) {
			if (l->name.b[1] == '1' + (int)k && ++current[k] > 1)
				sim_fail("agent %zu has two sessions", k);
		}
	}
}

void
sim_check_turn(void)
{
	static unsigned turn;

	if (++turn % EACH != 0 || sim_relay_sleeps())
		return;
	for (size_t i = 0; i < sim.nagents; i++)
		check_sessions(i);
	check_remotes();
}

/* ---- at rest ---- */

static bool
credits_agree(const struct tunnel *a, const struct tunnel *b)
{
	if (a->send_credit != b->recv_window)
		return false;
	for (uint32_t k = 0; k < a->cfg.hash_n; k++) {
		const struct tunnel_stream *s = a->cfg.hash[k], *o;

		for (; s != NULL; s = s->hash_next) {
			o = streams_find(b, s->id);
			if (o == NULL || s->send_credit != o->recv_window)
				return false;
		}
	}
	return true;
}

static bool
counts_agree(const struct tunnel *a, const struct tunnel *b)
{
	return a->ring.put == b->received && b->ring.put == a->received &&
	    a->ring.acked == a->ring.put && b->ring.acked == b->ring.put &&
	    credits_agree(a, b) && credits_agree(b, a);
}

static void
current(size_t i, struct sim_session *s, const struct remote **l)
{
	for (uint32_t k = 0; k < SESSIONS; k++) {
		if (sim_agent_session(sim.agents[i], k, s) && s->current) {
			*l = remote_of(s);
			if (*l != NULL && (*l)->state == REMOTE_CURRENT)
				return;
		}
	}
	sim_fail("agent %zu is not served at the end", i);
}

/* An idle stream may just be ending: not always, but soon. */
void
sim_check_quiet(size_t i)
{
	uint64_t end = sim_now() + QUIET_MS;
	struct sim_session s;
	const struct remote *l;
	const struct tunnel *a, *b;

	current(i, &s, &l);
	while (!counts_agree(s.t, &l->t) && sim_now() < end) {
		sim_turn();
		current(i, &s, &l);
	}
	a = s.t;
	b = &l->t;
	if (!counts_agree(a, b))
		sim_fail("agent %zu: frames put %llu, %llu, acknowledged %llu, "
		    "%llu, received %llu, %llu, or credit %u of %u, %u of %u, "
		    "or a stream's", i, (unsigned long long)a->ring.put,
		    (unsigned long long)b->ring.put,
		    (unsigned long long)a->ring.acked,
		    (unsigned long long)b->ring.acked,
		    (unsigned long long)a->received,
		    (unsigned long long)b->received, a->send_credit,
		    b->recv_window, b->send_credit, a->recv_window);
}
