/*
 * Deadlines of a client's connection. Each state has one: from its begin
 * where somebody could prolong it byte by byte (client_is_absolute), else from
 * the last byte that moved. The timer is set when a state begins, not at each
 * byte: when it fires it is looked at what moved since.
 */
#include "relay/parts.h"

#include "base/num.h"

/* How long may nothing move in this state? TIMER_NEVER: for ever. */
static uint64_t
client_patience(const struct client *c)
{
	const struct relay_cfg *cfg = c->r->cfg;

	switch (c->state) {
	case CLIENT_IDLE:
		if (c->out.n > 0)
			return cfg->progress_ms;
		return c->r->stopping ? SETTLE_MS : c->served ? cfg->idle_ms :
		    cfg->head_ms;
	case CLIENT_LINGER:
		return LINGER_MS;
	case CLIENT_HEAD:
	case CLIENT_BODY:
		return cfg->head_ms;
	case CLIENT_ASK:
		return ASK_MS;
	case CLIENT_WAIT:
		return c->wait_until_ms - min_u64(c->wait_until_ms,
		    c->r->io->now_ms);
	case CLIENT_PROXY:
		if (c->out.n > 0 || (!c->body_done && !c->rd))
			return cfg->progress_ms;
		if (c->s != NULL && c->s->resp == RESP_HEAD)
			return cfg->first_byte_ms;
		return TIMER_NEVER;
	case CLIENT_LIVE:
		return c->out.n > 0 ? cfg->progress_ms : LIVE_BEAT_MS;
	case CLIENT_WS:
		if (c->hup)
			return ORPHAN_MS;
		return c->out.n > 0 ? cfg->progress_ms : TIMER_NEVER;
	default:
		return cfg->progress_ms;
	}
}

static uint64_t
session_end_ms(const struct client *c)
{
	uint64_t wall = c->r->io->wall_ms, end = c->session_expires_s * 1000;

	if ((c->state != CLIENT_PROXY && c->state != CLIENT_WS &&
	    c->state != CLIENT_LIVE) || c->session_expires_s == 0)
		return TIMER_NEVER;
	return c->r->io->now_ms + (end > wall ? end - wall : 0);
}

/*
 * A head's deadline counts from its first byte, so that a byte now and then
 * does not prolong it; all others from the last byte that moved.
 */
void
client_arm(struct client *c)
{
	uint64_t patience = client_patience(c), due = TIMER_NEVER;

	if (c->state == CLIENT_DEAD)
		return;
	if (patience != TIMER_NEVER)
		due = c->r->io->now_ms + patience;
	if (c->state == CLIENT_CHANNEL)
		due = sock_due(c);
	else if (c->state == CLIENT_POLL || c->state == CLIENT_POST)
		due = watch_due(c);
	due = min_u64(due, session_end_ms(c));
	if (due == TIMER_NEVER)
		timer_stop(&c->r->timers, &c->timer);
	else
		timer_set(&c->r->timers, &c->timer,
		    pool_handle(&c->r->clients, c), due);
}

static bool
client_is_absolute(const struct client *c)
{
	return c->state == CLIENT_HEAD || c->state == CLIENT_BODY ||
	    c->state == CLIENT_LINGER || c->state == CLIENT_ASK ||
	    c->state == CLIENT_WAIT;
}

static void
client_expire(struct client *c)
{
	struct http_head none = { .fields = c->r->fields, .minor = 1 };

	LOGF(c->r->log, LOG_DEBUG, "relay", "deadline",
	    log_u("conn", pool_index(&c->r->clients, c)),
	    log_u("state", c->state));
	if (c->state == CLIENT_LIVE && c->out.n == 0) {
		live_beat(c);
	} else if (c->state == CLIENT_WAIT) {
		client_retry(c);        /* it is told that nobody came */
	} else if (c->state == CLIENT_HEAD || c->state == CLIENT_BODY) {
		c->keep = c->body_done = false;
		reply_error(c, &none, 408, SL("The request took too long"),
		    SL(""));
	} else if (c->state == CLIENT_ASK) {
		c->keep = c->body_done = false;
		reply_error(c, &none, 503, SL("The relay is busy"),
		    SL("Retry-After: 2\r\n"));
	} else if (c->state == CLIENT_PROXY && c->s != NULL &&
	    c->s->resp == RESP_HEAD && c->out.n == 0 &&
	    (c->body_done || c->rd)) {
		c->keep = false;
		answer_fail(c, 504, SL("The app did not answer in time"));
	} else {
		client_close(c, c->state != CLIENT_IDLE || c->out.n > 0);
	}
}

void
client_timer(struct client *c)
{
	uint64_t now = c->r->io->now_ms, patience = client_patience(c);

	if (c->state == CLIENT_DEAD)
		return;
	if (c->state == CLIENT_CHANNEL) {
		sock_timer(c);
		return;
	}
	if (c->state == CLIENT_POLL || c->state == CLIENT_POST) {
		watch_timer(c);
		return;
	}
	if (session_end_ms(c) <= now) {
		proxy_end_session(c);
		return;
	}
	if (patience == TIMER_NEVER || (!client_is_absolute(c) &&
	    now - c->moved_ms < patience)) {
		uint64_t due = patience == TIMER_NEVER ? TIMER_NEVER :
		    c->moved_ms + patience;

		due = min_u64(due, session_end_ms(c));
		if (due != TIMER_NEVER)
			timer_set(&c->r->timers, &c->timer,
			    pool_handle(&c->r->clients, c), due);
		return;
	}
	client_expire(c);
}
