/*
 * A link's session as it is agreed on (PROTOCOL.md 4, 6.5): our hello, what
 * the relay answers, and the session that a later hello proves to be ours.
 *
 * These are callbacks of the engine, from within which a tunnel must not be
 * freed: what they decide waits in link->verdict for link_after.
 */
#include "agent/inside.h"

#include <assert.h>

#include "base/num.h"
#include "codec/json.h"

/* Keep the id that the relay gave, for the next start. */
static void
keep_id(struct agent *g, struct slice id)
{
	uint8_t area[64];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);
	const struct io *io = g->io;

	if (slice_eq(id, slice_of(g->tunnel_id, g->ntunnel_id)))
		return;
	assert(id.n == sizeof g->tunnel_id);
	memcpy(g->tunnel_id, id.p, id.n);
	g->ntunnel_id = id.n;
	json_object(&o);
	json_pair_string(&o, SL("tunnel_id"), id);
	json_object_end(&o);
	assert(buf_ok(&b));
	if (!io->ops->save(io->ctx, SL("agent.json"), buf_slice(&b)))
		LOGF(g->log, LOG_WARN, "agent", "agent.json cannot be saved: "
		    "the next start gets another tunnel_id");
}

static void
refused(struct link *l, struct slice code)
{
	struct agent *g = l->g;
	bool resuming = tunnel_state(&l->t) == TUNNEL_RESUMING;

	if (resuming && (slice_eq(code, SL("unknown-session")) ||
	    slice_eq(code, SL("proof")))) {
		l->verdict = VERDICT_GONE;
		LOGF(g->log, LOG_WARN, "agent", "session lost: the relay does "
		    "not resume it", log_s("code", code),
		    log_u("streams", tunnel_stats(&l->t).streams));
		tunnel_close(&l->t, CLOSE_DONE);
	} else if (slice_eq(code, SL("replaced"))) {
		l->verdict = VERDICT_REPLACED;
	} else if (slice_eq(code, SL("name"))) {
		l->verdict = VERDICT_REFUSED;
		LOGF(g->log, LOG_ERROR, "agent", "refused: another "
		    "credential's agent has this name; choose another one "
		    "(--name)", log_s("name", g->cfg->name));
	} else {
		l->verdict = resuming ? VERDICT_PARKED : VERDICT_LATER;
		LOGF(g->log, LOG_WARN, "agent", "not accepted now",
		    log_s("code", code));
		if (!resuming)
			tunnel_close(&l->t, CLOSE_DONE);
	}
}

/* What a later hello needs to go on with the session. */
static void
keep_session(struct link *l, const struct welcome *w)
{
	assert(w->session.n == sizeof l->session);
	memcpy(l->session, w->session.p, sizeof l->session);
	memcpy(l->secret, w->secret, sizeof l->secret);
	l->attempt = 0;
}

/* The session goes on: first with what the relay did not get. */
static void
link_resumed(struct link *l, uint64_t received)
{
	struct agent *g = l->g;

	if (tunnel_resumed(&l->t, received) != E_OK) {
		l->verdict = VERDICT_BAD;
		return;
	}
	if (l->state == LINK_HELLO)
		link_to(l, l->drains ? LINK_DRAINING : LINK_LIVE);
	g->dial = HANDLE_NONE;
	l->live_ms = g->io->now_ms;
	LOGF(g->log, LOG_INFO, "agent", "resumed",
	    log_u("in_ms", l->live_ms - l->parked_ms),
	    log_u("streams", tunnel_stats(&l->t).streams));
	l->parked_ms = 0;
	agent_retry_now(g);
}

static void
link_hello(void *owner, struct slice json)
{
	struct link *l = owner;
	struct agent *g = l->g;
	struct welcome w;
	enum err e = welcome_parse(&w, json);

	if (e == E_OK && w.refused) {
		refused(l, w.code);
		return;
	}
	if (e != E_OK || w.tunnel_id.n != sizeof g->tunnel_id ||
	    w.resumed != (tunnel_state(&l->t) == TUNNEL_RESUMING) ||
	    (w.resumed && !slice_eq(w.session, slice_of(l->session,
	    sizeof l->session)))) {
		l->verdict = VERDICT_BAD;
		tunnel_close(&l->t, CLOSE_PROTOCOL);
		return;
	}
	if (w.resumed) {
		link_resumed(l, w.received);
		return;
	}
	tunnel_welcomed(&l->t, &w.limits);
	if (tunnel_state(&l->t) == TUNNEL_CLOSED) {
		l->verdict = VERDICT_BAD;
		return;
	}
	for (size_t i = 0; i < w.nurls; i++)
		LOGF(g->log, LOG_INFO, "agent", "welcomed",
		    log_s("url", w.urls[i]));
	keep_id(g, w.tunnel_id);
	keep_session(l, &w);
	wipe(w.secret, sizeof w.secret);
}

/* The relay has heard that we were welcomed: only now it counts. */
static void
link_confirmed(void *owner)
{
	struct link *l = owner;
	struct agent *g = l->g;

	link_to(l, LINK_LIVE);
	l->live_ms = g->io->now_ms;
	g->dial = HANDLE_NONE;
	g->current = link_handle(l);
	g->start = false;
	LOGF(g->log, LOG_INFO, "agent", "accepted", log_s("name", g->cfg->name),
	    log_s("tunnel_id", slice_of(g->tunnel_id, g->ntunnel_id)));
	agent_retry_now(g);
}

static void
link_goes_away(void *owner, enum goaway_reason reason, uint32_t deadline_ms)
{
	struct link *l = owner;
	struct agent *g = l->g;

	l->drains = true;
	if (l->state != LINK_LIVE)
		return;         /* it drains already */
	LOGF(g->log, LOG_INFO, "agent", "the relay goes away",
	    log_u("reason", reason), log_u("deadline_ms", deadline_ms));
	link_to(l, LINK_DRAINING);
	if (reason == GOAWAY_UPGRADE)
		agent_expected(g);
	link_retire(l);
}

static const struct tunnel_ops link_ops = {
	.hello = link_hello,
	.confirmed = link_confirmed,
	.open = app_open,
	.pull = app_pull,
	.data = app_data,
	.end = app_end,
	.stop = app_stop,
	.reset = app_reset,
	.closed = app_closed,
	.goaway = link_goes_away,
	.window = app_window,
};

/* `resume`, with a proof that no other hello has. */
static bool
put_resume(struct link *l, struct hello *h)
{
	h->resume = true;
	h->session = slice_of(l->session, sizeof l->session);
	h->attempt = ++l->attempt;
	h->received = tunnel_received(&l->t);
	return hello_proof(h->proof, l->secret, h->session, h->attempt,
	    h->received) == E_OK;
}

static bool
put_hello(struct link *l, struct buf *b)
{
	struct agent *g = l->g;
	struct hello h = {
		.name = g->cfg->name,
		.version = g->cfg->version,
		.start = g->start,
		.tunnel_id = slice_of(g->tunnel_id, g->ntunnel_id),
		.napps = g->cfg->napps,
		.limits = {
			.streams = g->plan.streams,
			.window = WINDOW_INITIAL,
			.session = (g->plan.streams + 1) * WINDOW_INITIAL,
		},
	};

	memcpy(h.instance, g->instance, sizeof h.instance);
	for (size_t i = 0; i < h.napps; i++) {
		const struct agent_app *a = &g->cfg->apps[i];

		h.apps[i] = (struct hello_app){
			.name = a->name,
			.kind = a->kind,
			.is_public = a->is_public,
			.origin = a->origin,
		};
		if (a->host_app)
			h.apps[i].host = slice_of(g->apps[i].authority,
			    g->apps[i].nauthority);
	}
	return (!link_waits(l) || put_resume(l, &h)) && hello_put(b, &h);
}

static enum err
start_tunnel(struct link *l)
{
	struct agent *g = l->g;
	struct tunnel_cfg cfg = {
		.role = TUNNEL_AGENT,
		.ops = &link_ops,
		.owner = l,
		.blocks = &g->blocks,
		.log = g->log,
		.ours = {
			.streams = g->plan.streams,
			.window = WINDOW_INITIAL,
			.session = (g->plan.streams + 1) * WINDOW_INITIAL,
		},
		.ring_max = (uint32_t)min_u64(RING_MAX, RING_MIN +
		    (uint64_t)g->plan.ring_blocks * BLOCK_BYTES),
		.hello_ms = HELLO_DEADLINE_MS,
		.grace_ms = g->cfg->grace_ms,
		.hash = l->hash,
		.hash_n = g->hash_n,
	};

	io_random(g->io, &cfg.seed, sizeof cfg.seed);
	return tunnel_init(&l->t, &cfg, g->io->now_ms);
}

void
link_begin(struct link *l, struct slice rest)
{
	struct agent *g = l->g;
	const struct io *io = g->io;
	struct buf hello = buf_of(io->scratch, HELLO_MAX);
	enum err e = E_OK;

	timer_stop(&g->timers, &l->timer);
	if (l->has_tunnel)
		tunnel_rejoin(&l->t, io->now_ms);
	else
		e = start_tunnel(l);
	l->has_tunnel = e == E_OK;
	link_to(l, LINK_HELLO);
	if (e == E_OK && !put_hello(l, &hello))
		e = E_FULL;
	if (e == E_OK)
		e = tunnel_text(&l->t, buf_slice(&hello));
	if (e != E_OK) {
		link_lost(l, "the hello does not fit");
		return;
	}
	io->ops->bulk(io->ctx, l->fd);
	if (rest.n > 0) {
		/* The answer's buffer is ours to write in. */
		e = tunnel_input(&l->t, g->answer.p, rest.n, io->now_ms);
		link_after(l, e);
	}
}
