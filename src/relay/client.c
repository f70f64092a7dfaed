/*
 * A client's connection: its states, what a turn does in each, its end. What it
 * sends and is sent, and its deadlines, are client_*.c; where its requests go
 * is request.c. It owns no buffer while nothing is under way.
 *
 * Nothing is freed within a call: a closed connection is CLIENT_DEAD and its
 * record lives until the step ends, so no caller holds a stale pointer.
 */
#include "relay/parts.h"

#include <assert.h>

#include "crypto/ct.h"

static const uint16_t client_edges[CLIENT_STATES] = {
	[CLIENT_IDLE] = 1 << CLIENT_HEAD | 1 << CLIENT_ASK | 1 << CLIENT_BODY |
	    1 << CLIENT_PROXY | 1 << CLIENT_WAIT | 1 << CLIENT_FLUSH |
	    1 << CLIENT_CHANNEL | 1 << CLIENT_POLL | 1 << CLIENT_POST |
	    1 << CLIENT_LIVE | 1 << CLIENT_DEAD,
	[CLIENT_HEAD] = 1 << CLIENT_IDLE | 1 << CLIENT_ASK | 1 << CLIENT_BODY |
	    1 << CLIENT_PROXY | 1 << CLIENT_WAIT | 1 << CLIENT_FLUSH |
	    1 << CLIENT_CHANNEL | 1 << CLIENT_POLL | 1 << CLIENT_POST |
	    1 << CLIENT_LIVE | 1 << CLIENT_DEAD,
	[CLIENT_ASK] = 1 << CLIENT_IDLE | 1 << CLIENT_BODY | 1 << CLIENT_PROXY |
	    1 << CLIENT_WAIT | 1 << CLIENT_LIVE | 1 << CLIENT_FLUSH |
	    1 << CLIENT_DEAD,
	[CLIENT_WAIT] = 1 << CLIENT_IDLE | 1 << CLIENT_ASK | 1 << CLIENT_PROXY |
	    1 << CLIENT_FLUSH | 1 << CLIENT_DEAD,
	/* To an app: it came meanwhile, and has the main site now. */
	[CLIENT_BODY] = 1 << CLIENT_IDLE | 1 << CLIENT_ASK | 1 << CLIENT_PROXY |
	    1 << CLIENT_WAIT | 1 << CLIENT_LIVE | 1 << CLIENT_FLUSH |
	    1 << CLIENT_DEAD,
	[CLIENT_PROXY] = 1 << CLIENT_IDLE | 1 << CLIENT_WS | 1 << CLIENT_FLUSH |
	    1 << CLIENT_DEAD,
	[CLIENT_WS] = 1 << CLIENT_FLUSH | 1 << CLIENT_DEAD,
	[CLIENT_LIVE] = 1 << CLIENT_FLUSH | 1 << CLIENT_DEAD,
	[CLIENT_CHANNEL] = 1 << CLIENT_FLUSH | 1 << CLIENT_DEAD,
	[CLIENT_POLL] = 1 << CLIENT_IDLE | 1 << CLIENT_FLUSH |
	    1 << CLIENT_DEAD,
	[CLIENT_POST] = 1 << CLIENT_IDLE | 1 << CLIENT_FLUSH |
	    1 << CLIENT_DEAD,
	[CLIENT_FLUSH] = 1 << CLIENT_LINGER | 1 << CLIENT_DEAD,
	[CLIENT_LINGER] = 1 << CLIENT_DEAD,
	[CLIENT_DEAD] = 0,
};

void
client_to(struct client *c, enum client_state next)
{
	assert(next < CLIENT_STATES);
	if (c->state == next)
		return;
	assert((client_edges[c->state] & 1u << next) != 0);
	c->state = (uint8_t)next;
}

void
client_mark(struct client *c)
{
	if (c->dirty || c->state == CLIENT_DEAD)
		return;
	c->dirty = true;
	c->next_dirty = c->r->dirty;
	c->r->dirty = c;
}

void
client_new(struct relay *r, int fd, const struct addr *peer,
    struct peer *by_addr, uint16_t listen)
{
	struct client *c = pool_take(&r->clients);

	if (c == NULL || !r->io->ops->watch(r->io->ctx, fd,
	    pool_handle(&r->clients, c))) {
		r->io->ops->close(r->io->ctx, fd, true);
		pool_give(&r->clients, c);
		peer_drop(r, by_addr);
		return;
	}
	c->r = r;
	c->fd = fd;
	c->peer = *peer;
	c->by_addr = by_addr;
	c->listen = listen;
	c->rd = c->wr = true;
	c->moved_ms = r->io->now_ms;
	client_arm(c);
	client_mark(c);
}

void
client_close(struct client *c, bool abort)
{
	struct relay *r = c->r;

	if (c->state == CLIENT_DEAD)
		return;
	live_gone(c);
	if (r->gather.c == c)
		r->gather = (struct gather){ .copy = r->gather.copy };
	client_to(c, CLIENT_DEAD);
	if (c->s != NULL)
		stream_client_gone(c);
	assert(c->s == NULL);
	sock_gone(c);
	watch_gone(c);
	timer_stop(&r->timers, &c->timer);
	if (c->fd >= 0)
		r->io->ops->close(r->io->ctx, c->fd, abort);
	c->fd = -1;
	client_drop_input(c);
	if (c->hold != NULL)
		wipe(c->hold, c->hold_n);
	head_give(r, c->hold, false);
	c->hold = NULL;
	chain_free(&c->out, &r->blocks);
	blocks_unreserve(&r->blocks, c->out_blocks);
	c->out_blocks = 0;
	peer_drop(r, c->by_addr);
	c->next_dead = r->dead_clients;
	r->dead_clients = c;
}

void
client_run(struct client *c)
{
	if (c->out.n > 0 && c->wr)
		client_write_more(c);
	switch (c->state) {
	case CLIENT_IDLE:
		if (c->in_n > 0 && c->out.n == 0)
			client_parse(c, slice_of(c->in, c->in_n));
		client_read(c);
		if (c->r->stopping && stop_rests(c))
			client_close(c, false);
		break;
	case CLIENT_FLUSH:
		client_drop_input(c);
		break;
	case CLIENT_HEAD:
	case CLIENT_BODY:
		client_read(c);
		break;
	case CLIENT_PROXY:
	case CLIENT_WS:
		/* It wants no answer, or will not send all of its body. */
		if (c->hup && c->state == CLIENT_PROXY)
			client_close(c, true);
		else if (c->rd && c->s != NULL)
			stream_ready(c->s);
		break;
	case CLIENT_POLL:
		if (c->woken && !c->hup)
			client_poll(c);
		/* FALLTHROUGH */
	case CLIENT_WAIT:
		if (c->hup)
			client_close(c, true);
		break;
	case CLIENT_CHANNEL:
		sock_run(c);
		break;
	case CLIENT_POST:
		post_body(c);
		break;
	case CLIENT_LINGER:
		client_drop_input(c);
		client_linger(c);
		break;
	case CLIENT_LIVE:
		client_drop_input(c);
		live_read(c);
		break;
	default:
		break;
	}
}

void
client_event(struct client *c, uint32_t flags)
{
	if (c->state == CLIENT_DEAD)
		return;
	if ((flags & EV_READ) != 0)
		c->rd = true;
	if ((flags & EV_WRITE) != 0)
		c->wr = true;
	if ((flags & EV_HUP) != 0)
		c->hup = c->rd = true;
	client_run(c);
}

void
client_resume(struct client *c, const struct answer *a)
{
	if (a->kind == ASK_CHANNEL_KEY) {
		if (c->state == CLIENT_CHANNEL)
			sock_answer(c, a);
		return;
	}
	if (c->state != CLIENT_ASK)
		auth_rechecked(c, a);
	if (c->state != CLIENT_ASK || c->ask_seq != a->seq)
		return;
	c->r->verdict = a;
	client_parse(c, slice_of(c->in, c->in_n));
	c->r->verdict = NULL;
	if (c->state == CLIENT_IDLE)
		client_mark(c);
}

void
client_retry(struct client *c)
{
	if (c->state != CLIENT_WAIT)
		return;
	client_parse(c, slice_of(c->in, c->in_n));
	if (c->state == CLIENT_IDLE)
		client_mark(c);
}

void
client_poll(struct client *c)
{
	bool paused = c->paused;

	c->woken = false;
	watch_gone(c);
	c->paused = paused;
	client_parse(c, slice_of(c->in, c->in_n));
	if (c->state == CLIENT_IDLE)
		client_mark(c);
}
