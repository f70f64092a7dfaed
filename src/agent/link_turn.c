/*
 * A link's turn: feed the engine what the socket brings, write what the engine
 * composes, and act on what the engine said.
 *
 * The socket is always read, whatever waits to be written (else both sides
 * stand still at full rings). Per turn it reads and writes at most TURN_BYTES;
 * what is left over makes the next turn come at once, after the other sockets
 * had theirs.
 */
#include "agent/inside.h"

#include "base/num.h"

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

bool
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
	link_log_end(l, end_reason(l, e), tunnel_close_code(&l->t));
	if (e == E_OK || tunnel_state(&l->t) == TUNNEL_PARKED) {
		last_words(l);
		l->verdict = VERDICT_NONE;
		link_park(l);
		agent_retry(g);
		return false;
	}
	if (l->verdict == VERDICT_GONE) {
		link_dialled(l);
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
