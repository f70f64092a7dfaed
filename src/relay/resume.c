/*
 * Resumption. A session whose connection is cut is parked: its record, its
 * streams and its tunnel stay, without a descriptor, for the grace period. The
 * agent comes back by an ordinary upgrade, with a token that the keeper looks
 * at, as a newcomer with a record and a tunnel of its own; its hello then says
 * which session it means and proves that it was told the secret
 * (PROTOCOL.md 6.5).
 *
 * If that is right the newcomer's connection becomes the session's, in one
 * step. The session need not be parked for it: the newest connection wins, for
 * a cable that was pulled looks alive from here. If it is not right, only the
 * newcomer is refused, and it cannot tell a wrong secret from a late attempt.
 *
 * The newcomer costs a record and a few blocks for a round trip. They are set
 * aside from the start: else a relay that is full could not take back those who
 * fill it.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"
#include "crypto/ct.h"

bool
resume_park(struct remote *l, const char *why, bool abort)
{
	struct relay *r = l->r;

	/* Where another process listens nobody comes back here. */
	if (r->left || !tunnel_park(&l->t, r->io->now_ms))
		return false;
	if (l->fd < 0)
		return true;
	r->io->ops->close(r->io->ctx, l->fd, abort);
	l->fd = -1;
	l->rd = l->wr = false;
	peer_drop(r, l->by_addr);
	l->by_addr = NULL;
	l->parked_ms = r->io->now_ms;
	status_log(r, &l->name, PAST_CUT, why);
	LOGF(r->log, LOG_INFO, "relay", "cut",
	    log_s("agent", name_slice(&l->name)), log_c("why", why),
	    log_u("streams", tunnel_stats(&l->t).streams));
	return true;
}

/* The session that the hello means, if it is this agent's to ask for. */
static struct remote *
find_session(const struct remote *l, struct slice id)
{
	struct relay *r = l->r;

	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *o = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && o != l && !o->dead &&
		    o->state > REMOTE_NEW && o->state < REMOTE_CLOSING &&
		    tunnel_state(&o->t) != TUNNEL_CLOSED &&
		    slice_eq(name_slice(&o->session), id) &&
		    o->credential == l->credential &&
		    slice_eq(name_slice(&o->name), name_slice(&l->name)))
			return o;
	}
	return NULL;
}

static bool
proof_ok(const struct remote *o, const struct hello *hello)
{
	uint8_t want[HELLO_PROOF_BYTES];
	bool ok = hello_proof(want, o->secret, name_slice(&o->session),
	    hello->attempt, hello->received) == E_OK &&
	    ct_eq(want, hello->proof, sizeof want);

	wipe(want, sizeof want);
	return ok;
}

/*
 * Apps may have changed. Streams know theirs by its place, so those that are
 * here keep it: an app that is gone is refused by the agent itself.
 */
static void
renew_apps(struct remote *o, const struct remote *l)
{
	for (size_t i = 0; i < l->napps; i++) {
		struct slice name = name_slice(&l->apps[i].name);
		size_t j = 0;

		while (j < o->napps &&
		    !slice_eq(name_slice(&o->apps[j].name), name))
			j++;
		if (j == HELLO_APPS_MAX)
			continue;
		o->apps[j] = l->apps[i];
		if (j == o->napps)
			o->napps++;
	}
}

void
resume_asked(struct remote *l, const struct hello *hello)
{
	struct remote *o = find_session(l, hello->session);

	if (o == NULL) {
		remote_refuse(l, SL("unknown-session"));
	} else if (!rate_take(&o->attempts, l->r->io->now_ms / RESUME_MS,
	    RESUME_BURST)) {
		remote_refuse(l, SL("limit"));
	} else if (hello->attempt <= o->attempt || !proof_ok(o, hello)) {
		remote_refuse(l, SL("proof"));
	} else {
		o->attempt = hello->attempt;
		l->received = hello->received;
		l->resumes = pool_handle(&l->r->remotes, o);
	}
}

/* The socket of l becomes the one of o; false: it broke. */
static bool
move_connection(struct remote *o, struct remote *l)
{
	struct relay *r = l->r;

	o->fd = l->fd;
	o->peer = l->peer;
	o->by_addr = l->by_addr;
	o->rd = true;
	o->wr = l->wr;
	l->fd = -1;
	l->by_addr = NULL;
	l->rd = l->wr = false;
	l->dead = true;
	return r->io->ops->watch(r->io->ctx, o->fd,
	    pool_handle(&r->remotes, o));
}

void
resume_take(struct remote *l)
{
	struct relay *r = l->r;
	struct remote *o = pool_get(&r->remotes, l->resumes);
	struct welcome w = { .resumed = true };
	struct slice text;
	uint64_t since_ms;
	bool moved;

	l->resumes = HANDLE_NONE;
	if (tunnel_state(&l->t) != TUNNEL_HELLO)
		return;         /* it said more than its hello */
	assert(o != NULL && !o->dead);
	if (!resume_park(o, "a newer connection came", true)) {
		remote_refuse(l, SL("unknown-session"));
		return;
	}
	since_ms = r->io->now_ms - o->parked_ms;
	renew_apps(o, l);
	w.received = tunnel_received(&o->t);
	text = remote_put_welcome(o, &w);
	moved = move_connection(o, l);
	if (tunnel_resume(&o->t, &l->t, text, l->received, r->io->now_ms) !=
	    E_OK) {
		LOGF(r->log, LOG_WARN, "relay", "resumed with an impossible "
		    "number", log_s("agent", name_slice(&o->name)));
	} else if (!moved) {
		resume_park(o, "connection broke", true);
	} else {
		status_log(r, &o->name, PAST_RESUMED, NULL);
		LOGF(r->log, LOG_INFO, "relay", "resumed",
		    log_s("agent", name_slice(&o->name)),
		    log_u("in_ms", since_ms));
	}
	r->wake = true;
}

bool
resume_awaited(const struct relay *r)
{
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		const struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead && remote_parked(l))
			return true;
	}
	return false;
}

void
resume_keep_spare(struct relay *r)
{
	uint32_t n = tunnel_blocks((uint32_t)r->plan.streams <= STREAMS_MAX ?
	    r->plan.streams : STREAMS_MAX);

	if (r->spare == 0 && r->cfg->grace_ms > 0 &&
	    blocks_reserve(&r->blocks, n))
		r->spare = n;
}

bool
resume_use_spare(struct relay *r)
{
	uint32_t n = r->spare;

	r->spare = 0;
	blocks_unreserve(&r->blocks, n);
	return n > 0;
}
