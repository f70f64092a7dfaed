/*
 * Agents: a session of one and, unless that is parked, its connection, which
 * carries a tunnel and nothing else. Here are its states, its socket and its
 * end; how it begins is remote_upgrade.c, what its hello claims is
 * remote_hello.c, how one is resumed is resume.c.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"
#include "crypto/ct.h"

static const uint8_t remote_edges[REMOTE_STATES] = {
	[REMOTE_NEW] = 1 << REMOTE_PROVISIONAL | 1 << REMOTE_CLOSING,
	[REMOTE_PROVISIONAL] = 1 << REMOTE_CURRENT | 1 << REMOTE_CLOSING,
	[REMOTE_CURRENT] = 1 << REMOTE_DRAINING | 1 << REMOTE_CLOSING,
	[REMOTE_DRAINING] = 1 << REMOTE_CLOSING,
	[REMOTE_CLOSING] = 0,
};

void
remote_to(struct remote *l, enum remote_state next)
{
	assert(next < REMOTE_STATES);
	if (l->state == next)
		return;
	assert((remote_edges[l->state] & 1u << next) != 0);
	l->state = (uint8_t)next;
}

void
remote_end(struct remote *l, enum close_code code)
{
	tunnel_close(&l->t, code);
	l->close_ms = l->r->io->now_ms + LINGER_MS;
	remote_to(l, REMOTE_CLOSING);
}

void
remote_end_credential(struct relay *r, uint32_t credential)
{
	names_free(r, credential);
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead &&
		    l->credential == credential) {
			LOGF(r->log, LOG_INFO, "relay", "agent's token removed",
			    log_s("agent", name_slice(&l->name)));
			remote_end(l, CLOSE_REFUSED);
		}
	}
}

void
remote_refuse(struct remote *l, struct slice code)
{
	uint8_t area[128];
	struct buf b = BUF_ON(area);

	refused_put(&b, code);
	LOGF(l->r->log, LOG_WARN, "relay", "agent refused",
	    log_s("agent", name_slice(&l->name)), log_s("code", code));
	tunnel_text(&l->t, buf_slice(&b));
	tunnel_close(&l->t, CLOSE_REFUSED);
}

static void
remote_lost(struct remote *l, const char *why)
{
	if (l->dead || resume_park(l, why, false))
		return;
	if (l->seq > 0)
		names_seen(l->r, l, false);
	l->dead = true;
	l->r->wake = true;
	if (l->seq > 0 && remote_current(l->r, name_slice(&l->name)) == NULL)
		status_log(l->r, &l->name, PAST_GONE, why);
	LOGF(l->r->log, LOG_INFO, "relay", "agent gone",
	    log_s("agent", name_slice(&l->name)), log_c("why", why),
	    log_u("close_code", tunnel_close_code(&l->t)));
}

static void
remote_read(struct remote *l)
{
	struct relay *r = l->r;
	size_t done = 0;

	while (l->rd && !l->dead && done < TURN_BYTES) {
		int64_t n = io_read(r->io, l->fd, r->io->scratch, IO_SCRATCH);

		if (n == IO_AGAIN) {
			l->rd = false;
			break;
		}
		if (n <= 0) {
			remote_lost(l, "connection ended");
			break;
		}
		done += (size_t)n;
		r->stable = r->io->scratch;
		r->stable_n = (size_t)n;
		tunnel_input(&l->t, r->io->scratch, (size_t)n, r->io->now_ms);
		gather_flush(r);
		r->stable = NULL;
		if (l->resumes != HANDLE_NONE)
			resume_take(l);
	}
}

static void
remote_write(struct remote *l)
{
	struct relay *r = l->r;
	size_t done = 0;

	while (l->wr && !l->dead && done < TURN_BYTES) {
		size_t n = tunnel_output(&l->t, r->io->scratch, OUT_BYTES +
		    4096, r->io->now_ms);
		int64_t w;

		if (n == 0)
			break;
		w = io_write(r->io, l->fd, slice_of(r->io->scratch, n));
		if (w == IO_FAIL) {
			remote_lost(l, "connection broke");
			break;
		}
		if (w < (int64_t)n) {
			size_t sent = w > 0 ? (size_t)w : 0;

			l->wr = w > 0 && l->wr;
			tunnel_unsent(&l->t, slice_of(r->io->scratch + sent,
			    n - sent));
		}
		done += n;
	}
}

void
remote_event(struct remote *l, uint32_t flags)
{
	if (remote_parked(l))
		return;         /* of the connection that it had */
	if ((flags & (EV_READ | EV_HUP)) != 0)
		l->rd = true;
	if ((flags & EV_WRITE) != 0)
		l->wr = true;
	if (!l->dead)
		remote_read(l);
}

/* A closing link may stay until its Close frame is out. */
static void
remote_close_when_out(struct remote *l)
{
	struct relay *r = l->r;

	if (l->state != REMOTE_CLOSING) {
		remote_to(l, REMOTE_CLOSING);
		l->close_ms = r->io->now_ms + LINGER_MS;
	}
	if ((tunnel_close_code(&l->t) != 0 &&
	    !tunnel_wants(&l->t, r->io->now_ms)) ||
	    r->io->now_ms >= l->close_ms)
		remote_lost(l, "closed");
}

void
remote_input(struct remote *l)
{
	if (!l->dead && l->rd)
		remote_read(l);
}

/* When its token ends. */
static uint64_t
remote_until_ms(const struct remote *l)
{
	const struct io *io = l->r->io;
	uint64_t end_ms = l->expires_s * 1000;

	return l->expires_s == 0 ? TIMER_NEVER : io->now_ms + end_ms -
	    min_u64(end_ms, io->wall_ms);
}

/* What is due, and what its socket takes. */
static void
remote_go_on(struct remote *l)
{
	struct relay *r = l->r;
	uint64_t due;

	if (remote_until_ms(l) <= r->io->now_ms && l->state != REMOTE_CLOSING)
		remote_end(l, CLOSE_REFUSED);
	/* A dead peer is told nothing; one that was too slow is. */
	if (tunnel_step(&l->t, r->io->now_ms, &due) == E_TIMEOUT &&
	    !tunnel_wants(&l->t, r->io->now_ms) && !remote_parked(l))
		remote_lost(l, "no sign of life");
	remote_write(l);
	if (!l->dead && tunnel_state(&l->t) == TUNNEL_DRAINING) {
		/* What was just written may have been the last of it. */
		tunnel_step(&l->t, r->io->now_ms, &due);
		remote_write(l);
	}
	if (l->dead)
		return;
	if (tunnel_state(&l->t) == TUNNEL_PARKED)
		remote_lost(l, "closed on the way");
	else if (tunnel_state(&l->t) == TUNNEL_CLOSED && remote_parked(l))
		remote_lost(l, "over while it was parked");
	else if (tunnel_state(&l->t) == TUNNEL_CLOSED)
		remote_close_when_out(l);
}

uint64_t
remote_turn(struct remote *l)
{
	struct relay *r = l->r;
	uint64_t due;

	if (!l->dead)
		remote_go_on(l);
	if (!l->dead) {
		if (l->rd || (l->wr && tunnel_wants(&l->t, r->io->now_ms)))
			return r->io->now_ms;
		tunnel_step(&l->t, r->io->now_ms, &due);
		return l->state == REMOTE_CLOSING ? l->close_ms :
		    min_u64(due, remote_until_ms(l));
	}
	r->past_in += tunnel_stats(&l->t).bytes_in;
	r->past_out += tunnel_stats(&l->t).bytes_out;
	tunnel_free(&l->t, RESET_NONE);
	if (l->fd >= 0)
		r->io->ops->close(r->io->ctx, l->fd, false);
	peer_drop(r, l->by_addr);
	wipe(l->secret, sizeof l->secret);
	pool_give(&r->remotes, l);
	resume_keep_spare(r);
	return r->io->now_ms;
}
