/*
 * A link: one connection that carries a tunnel. It feeds the engine what the
 * socket brings, writes what the engine composes, and turns what the engine
 * says into the agent's decisions: dial again, drain, stop for good.
 *
 * The socket is always read, whatever waits to be written (TUNNEL.md: else
 * both sides stand still at full rings). Per turn it reads and writes at most
 * TURN_BYTES; what is left over makes the next turn come at once, after the
 * other sockets had theirs.
 *
 * When the connection is cut the link is PARKED: the tunnel keeps the session,
 * and the same link dials again (dial.c) and says hello with what proves that
 * the session is its own. What has become of the apps' connections meanwhile
 * waits in the tunnel; they themselves do not notice.
 */
#include "agent/inside.h"

#include <assert.h>

#include "base/num.h"
#include "codec/json.h"

static const uint16_t edges[][2] = {
#define X(from, to, when) { LINK_##from, LINK_##to },
	LINK_EDGE_LIST(X)
#undef X
};

static bool
edge_legal(unsigned from, unsigned to)
{
	for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
		if (edges[i][0] == from && edges[i][1] == to)
			return true;
	}
	return false;
}

static handle
link_handle(const struct link *l)
{
	return pool_handle(&l->g->links, l);
}

void
link_to(struct link *l, enum link_state next)
{
	static const char *const name[] = {
#define X(id, text) #id,
		LINK_STATE_LIST(X)
#undef X
	};

	assert(edge_legal(l->state, next));
	LOGF(l->g->log, LOG_TRACE, "agent", "link",
	    log_u("serial", l->serial), log_c("from", name[l->state]),
	    log_c("to", name[next]));
	l->state = (uint8_t)next;
}

/* ---- birth and end ---- */

struct link *
link_new(struct agent *g)
{
	struct link *l = pool_take(&g->links);
	struct link *old = NULL;

	for (uint32_t i = 0; i < LINKS && l == NULL; i++) {
		struct link *o = pool_at(&g->links, i);
		bool closing = o->state == LINK_CLOSING;

		if (old == NULL ||
		    (closing && old->state != LINK_CLOSING) ||
		    (closing == (old->state == LINK_CLOSING) &&
		    o->serial < old->serial))
			old = o;
	}
	if (l == NULL) {
		assert(old->drains || old->state == LINK_CLOSING);
		link_free(old, true);
		l = pool_take(&g->links);
	}
	assert(l != NULL);
	l->g = g;
	l->fd = -1;
	l->serial = ++g->serial;
	l->hash = g->hashes + (size_t)pool_index(&g->links, l) * g->hash_n;
	return l;
}

/* The dial is over, if it is this one's: it may have left a token behind. */
static void
dial_over(struct link *l)
{
	struct agent *g = l->g;

	if (g->dial != link_handle(l))
		return;
	g->dial = HANDLE_NONE;
	wipe(g->ask.p, g->ask.n);
	buf_reset(&g->ask);
}

void
link_free(struct link *l, bool abort)
{
	struct agent *g = l->g;
	const struct io *io = g->io;
	handle who = link_handle(l);

	if (l->has_tunnel)
		tunnel_free(&l->t, RESET_BROKEN);
	memset(l->hash, 0, g->hash_n * sizeof(struct tunnel_stream *));
	if (l->fd >= 0)
		io->ops->close(io->ctx, l->fd, abort);
	timer_stop(&g->timers, &l->timer);
	dial_over(l);
	if (g->current == who)
		g->current = HANDLE_NONE;
	wipe(l->secret, sizeof l->secret);
	link_to(l, LINK_FREE);
	pool_give(&g->links, l);
}

bool
link_waits(const struct link *l)
{
	return l->has_tunnel && (tunnel_state(&l->t) == TUNNEL_PARKED ||
	    tunnel_state(&l->t) == TUNNEL_RESUMING);
}

/*
 * Nothing more is read from the connection, it is closed, and what was received
 * is fixed: in this order, before anybody dials. False: no session to keep.
 */
static bool
link_park(struct link *l)
{
	struct agent *g = l->g;
	const struct io *io = g->io;
	bool was = link_waits(l) && l->parked_ms > 0;

	if (!l->has_tunnel || !tunnel_park(&l->t, io->now_ms))
		return false;
	if (l->state == LINK_LIVE)
		agent_served(g, l->live_ms);
	if (l->fd >= 0)
		io->ops->close(io->ctx, l->fd, true);
	l->fd = -1;
	l->can_read = l->can_write = false;
	timer_stop(&g->timers, &l->timer);
	dial_over(l);
	/* One that was welcomed and not confirmed is as good as confirmed. */
	if (g->current == HANDLE_NONE && !l->drains)
		g->current = link_handle(l);
	if (!was) {
		l->parked_ms = io->now_ms;
		l->tried = 0;
	}
	link_to(l, LINK_PARKED);
	return true;
}

void
link_unplug(struct link *l)
{
	if (!link_park(l))
		link_free(l, true);
}

/* The link does not count any more: dial again if it was the one. */
static void
link_retire(struct link *l)
{
	struct agent *g = l->g;
	handle who = link_handle(l);

	if (g->current != who && g->dial != who)
		return;
	if (g->current == who && l->state >= LINK_LIVE)
		agent_served(g, l->live_ms);
	if (g->current == who)
		g->current = HANDLE_NONE;
	if (g->dial == who)
		g->dial = HANDLE_NONE;
	agent_retry(g);
}

/* The connection is over; `code` is the relay's Close, if it sent one. */
static void
log_end(const struct link *l, const char *why, unsigned code)
{
	struct agent *g = l->g;

	switch (l->state) {
	case LINK_HELLO:
		LOGF(g->log, LOG_WARN, "agent", "dial failed",
		    log_s("relay", g->cfg->relay_url), log_c("why", why),
		    log_u("code", code));
		break;
	case LINK_LIVE:
		LOGF(g->log, LOG_WARN, "agent", "cut", log_c("why", why),
		    log_u("code", code),
		    log_u("served_ms", g->io->now_ms - l->live_ms));
		break;
	case LINK_DRAINING:
		LOGF(g->log, LOG_INFO, "agent", "drained session over",
		    log_c("why", why), log_u("code", code));
		break;
	default:
		break;
	}
}

static void
link_lost(struct link *l, const char *why)
{
	struct agent *g = l->g;

	log_end(l, why, 0);
	if (link_park(l)) {
		agent_retry(g);
	} else {
		link_retire(l);
		link_free(l, true);
	}
}

/* The session is over; a Close still has to leave, the relay to agree. */
static void
link_closing(struct link *l)
{
	struct agent *g = l->g;

	for (uint32_t i = 0; i < g->plan.streams; i++) {
		struct conn *c = pool_at(&g->conns, i);

		if (pool_live(&g->conns, i) && c->s.tunnel == &l->t)
			conn_drop(c);
	}
	link_retire(l);
	link_to(l, LINK_CLOSING);
	timer_set(&g->timers, &l->timer, link_handle(l),
	    g->io->now_ms + AGENT_CLOSE_MS);
}

void
link_close(struct link *l, enum close_code code)
{
	assert(l->has_tunnel && l->state != LINK_CLOSING);
	log_end(l, "closed by the agent", code);
	tunnel_close(&l->t, code);
	link_closing(l);
}

/* ---- what the engine tells ---- */

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

/* What the log says of an engine that stopped with error e. */
static const char *
end_reason(const struct link *l, enum err e)
{
	unsigned code = tunnel_close_code(&l->t);

	if (l->verdict == VERDICT_BAD)
		return "the welcome is malformed";
	if (l->verdict == VERDICT_LATER || l->verdict == VERDICT_PARKED)
		return "refused for now";
	if (l->verdict == VERDICT_GONE)
		return "the relay does not know the session";
	if (e == E_TIMEOUT)
		return l->state == LINK_HELLO ? "no welcome in time" :
		    l->state == LINK_DRAINING ? "its time is over" :
		    "the relay is dead";
	if (e != E_EOF)
		return err_text(e);     /* it broke the protocol */
	if (code == 0)
		return "all is done";
	return tunnel_close_final(code) ? "the relay ended the session" :
	    "something on the way closed the connection";
}

/* The answer to a Close that was a cut, if the socket takes it. */
static void
last_words(struct link *l)
{
	const struct io *io = l->g->io;
	size_t n = tunnel_wants(&l->t, io->now_ms) ? tunnel_output(&l->t,
	    io->scratch, IO_SCRATCH, io->now_ms) : 0;

	if (n > 0)
		io_write(io, l->fd, slice_of(io->scratch, n));
}

/*
 * The engine has returned: act on what it said. False: the link is gone or
 * only waits for the end of its connection.
 */
static bool
link_after(struct link *l, enum err e)
{
	struct agent *g = l->g;

	app_flush(g);
	if (tunnel_close_code(&l->t) == CLOSE_REPLACED)
		l->verdict = VERDICT_REPLACED;
	switch (l->verdict) {
	case VERDICT_REFUSED:
		agent_finish(g, 3);
		return false;
	case VERDICT_REPLACED:
		LOGF(g->log, LOG_ERROR, "agent", "replaced: another agent with "
		    "this name and credential was started",
		    log_s("name", g->cfg->name));
		agent_finish(g, 4);
		return false;
	}
	if (e == E_OK && l->verdict != VERDICT_PARKED)
		return true;
	log_end(l, end_reason(l, e), tunnel_close_code(&l->t));
	if (e == E_OK || tunnel_state(&l->t) == TUNNEL_PARKED) {
		last_words(l);
		l->verdict = VERDICT_NONE;
		link_park(l);
		agent_retry(g);
		return false;
	}
	if (l->verdict == VERDICT_GONE) {
		dial_over(l);
		if (g->current == link_handle(l))
			g->current = HANDLE_NONE;
		agent_retry_now(g);     /* this dial did reach the relay */
	}
	if (tunnel_wants(&l->t, g->io->now_ms)) {
		link_closing(l);
	} else {
		link_retire(l);
		link_free(l, true);
	}
	return false;
}

/* ---- the beginning ---- */

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

/* ---- a turn ---- */

void
link_event(struct link *l, uint32_t flags)
{
	if (flags & (EV_READ | EV_HUP))
		l->can_read = true;
	if (flags & EV_WRITE)
		l->can_write = true;
}

/* Read what is there, up to a turn's share. False: the link is gone. */
static bool
link_read(struct link *l)
{
	const struct io *io = l->g->io;
	int64_t left = TURN_BYTES;

	while (l->can_read && left > 0) {
		int64_t n = io_read(io, l->fd, io->scratch, IO_SCRATCH);

		if (n == IO_AGAIN) {
			l->can_read = false;
		} else if (n == IO_EOF || n == IO_FAIL) {
			link_lost(l, n == IO_EOF ? "the connection ended" :
			    "the connection broke");
			return false;
		} else if (l->state != LINK_CLOSING) {
			enum err e = tunnel_input(&l->t, io->scratch,
			    (size_t)n, io->now_ms);

			if (!link_after(l, e))
				return false;
			left -= n;
		} else {
			left -= n;      /* nobody is interested any more */
		}
	}
	return true;
}

/* Write s until it is written or the socket is full; how much was. */
static int64_t
write_all(struct link *l, struct slice s)
{
	size_t done = 0;

	while (done < s.n) {
		int64_t n = io_write(l->g->io, l->fd, slice_from(s, done));

		if (n == IO_AGAIN) {
			l->can_write = false;
			break;
		}
		if (n < 0)
			return IO_FAIL;
		done += (size_t)n;
	}
	return (int64_t)done;
}

/* Write what the engine composes. False: the link is gone. */
static bool
link_write(struct link *l)
{
	const struct io *io = l->g->io;
	size_t left = TURN_BYTES;

	while (l->can_write && left > 0) {
		struct slice s = { io->scratch, tunnel_output(&l->t,
		    io->scratch, IO_SCRATCH, io->now_ms) };
		int64_t n;

		if (s.n == 0)
			break;
		n = write_all(l, s);
		if (n < 0) {
			link_lost(l, "the connection broke");
			return false;
		}
		if ((size_t)n < s.n)
			tunnel_unsent(&l->t, slice_from(s, (size_t)n));
		left -= min_size(left, s.n);
	}
	return true;
}

/* Our Close leaves; then the relay's end of the connection is awaited. */
static uint64_t
closing_turn(struct link *l)
{
	const struct io *io = l->g->io;

	if (!link_write(l))
		return TIMER_NEVER;
	if (!l->shut && !tunnel_wants(&l->t, io->now_ms)) {
		l->shut = true;
		io->ops->shutdown(io->ctx, l->fd);
	}
	if (!link_read(l))
		return TIMER_NEVER;
	if (l->can_read || (l->can_write && !l->shut))
		return io->now_ms;
	return TIMER_NEVER;
}

/* Go-away was said and nothing is left: the relay should close; else we. */
static void
watch_quiet(struct link *l)
{
	struct agent *g = l->g;

	if (g->stopping && l->state == LINK_DRAINING && l->timer.pos == 0 &&
	    tunnel_goaway_acked(&l->t) && tunnel_stats(&l->t).streams == 0)
		timer_set(&g->timers, &l->timer, link_handle(l),
		    g->io->now_ms + AGENT_QUIET_MS);
}

/* No connection: the session's time may be over, whatever its dial does. */
static uint64_t
parked_turn(struct link *l)
{
	struct agent *g = l->g;
	uint64_t due;

	if (!l->has_tunnel)
		return TIMER_NEVER;
	tunnel_step(&l->t, g->io->now_ms, &due);
	if (tunnel_state(&l->t) != TUNNEL_CLOSED)
		return due;
	LOGF(g->log, LOG_WARN, "agent", "session lost: not resumed in time",
	    log_u("after_ms", g->io->now_ms - l->parked_ms));
	link_free(l, true);
	agent_retry(g);
	return g->io->now_ms;
}

uint64_t
link_turn(struct link *l)
{
	const struct io *io = l->g->io;
	uint64_t due;

	if (l->state < LINK_HELLO)
		return parked_turn(l);
	if (l->state == LINK_CLOSING)
		return closing_turn(l);
	if (!link_read(l) || !link_after(l, tunnel_step(&l->t, io->now_ms,
	    &due)) || !link_write(l))
		return io->now_ms;
	if (!link_after(l, tunnel_step(&l->t, io->now_ms, &due)))
		return io->now_ms;
	watch_quiet(l);
	if (l->can_read || (l->can_write && tunnel_wants(&l->t, io->now_ms)))
		return io->now_ms;
	return due;
}

void
link_timer(struct link *l)
{
	if (l->state == LINK_CLOSING)
		link_free(l, true);
	else if (tunnel_stats(&l->t).streams == 0)
		link_close(l, CLOSE_DONE);
}

void
link_goaway(struct link *l, uint32_t deadline_ms)
{
	uint64_t due;

	/* The deadline counts from the time that the engine knows. */
	if (!link_after(l, tunnel_step(&l->t, l->g->io->now_ms, &due)))
		return;
	tunnel_goaway(&l->t, GOAWAY_SHUTDOWN,
	    (uint32_t)min_u64(deadline_ms, GOAWAY_MS_MAX));
	l->drains = true;
	link_to(l, LINK_DRAINING);
	link_retire(l);
}

void
link_goaway_parked(struct link *l, uint32_t deadline_ms)
{
	struct agent *g = l->g;
	uint64_t due;

	tunnel_step(&l->t, g->io->now_ms, &due);
	if (!link_waits(l) || tunnel_stats(&l->t).streams == 0) {
		link_free(l, true);
		return;
	}
	tunnel_goaway(&l->t, GOAWAY_SHUTDOWN,
	    (uint32_t)min_u64(deadline_ms, GOAWAY_MS_MAX));
	l->drains = true;
	if (g->current == link_handle(l))
		g->current = HANDLE_NONE;
}
