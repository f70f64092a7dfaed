/*
 * What goes to a client. It is written at once if the socket takes it; the
 * rest waits in blocks that were reserved before, so that memory which runs
 * short is noticed by who adds bytes, and never half way through.
 *
 * When all is written and the connection ends, its last bytes are guarded: to
 * close a socket with input unread is a reset, which may take our answer away
 * before the client has read it. So we shut down, and read on for a while
 * (client_linger).
 */
#include "relay/parts.h"

bool
client_reserve_out(struct client *c, uint32_t blocks)
{
	return blocks_raise(&c->r->blocks, &c->out_blocks, blocks);
}

bool
client_window_out(struct client *c, uint32_t blocks)
{
	uint32_t need = blocks_for(c->out.n);

	if (blocks >= c->out_blocks)
		return client_reserve_out(c, blocks);
	blocks = blocks > need ? blocks : need;
	if (blocks < c->out_blocks) {
		blocks_unreserve(&c->r->blocks, c->out_blocks - blocks);
		c->out_blocks = blocks;
	}
	return true;
}

/* Without a stream, and with nothing to write, no block is needed. */
void
client_release_out(struct client *c)
{
	if (c->s != NULL || c->out.n > 0)
		return;
	blocks_unreserve(&c->r->blocks, c->out_blocks);
	c->out_blocks = 0;
}

bool
client_send(struct client *c, struct slice s)
{
	int64_t n = 0;

	gather_flush(c->r);
	if (c->state == CLIENT_DEAD)
		return false;
	if (s.n == 0)
		return true;
	if (c->out.n == 0 && c->wr) {
		n = io_write(c->r->io, c->fd, s);
		if (n == IO_FAIL) {
			client_close(c, true);
			return false;
		}
		if (n == IO_AGAIN) {
			c->wr = false;
			n = 0;
		}
		if (n > 0)
			c->moved_ms = c->r->io->now_ms;
	}
	s = slice_from(s, (size_t)n);
	if (s.n == 0)
		return true;
	if (!client_reserve_out(c, blocks_for(c->out.n + s.n)) ||
	    !chain_put(&c->out, &c->r->blocks, s)) {
		client_close(c, true);
		return false;
	}
	client_arm(c);
	if (c->wr)
		client_mark(c); /* a short write: no event will come */
	return true;
}

/* To close with bytes unread would be a reset, and could cost the client the
 * end of our answer. */
static bool
client_has_more(struct client *c)
{
	uint8_t area[512];
	int64_t n;

	if (c->draining_in || !c->rd)
		return c->draining_in;
	n = io_read(c->r->io, c->fd, area, sizeof area);
	if (n == IO_AGAIN)
		c->rd = false;
	return n > 0;
}

/* All is written: what comes next? */
static void
client_drained(struct client *c)
{
	client_release_out(c);
	if (c->state == CLIENT_FLUSH) {
		if (!client_has_more(c)) {
			client_close(c, false);
			return;
		}
		c->r->io->ops->shutdown(c->r->io->ctx, c->fd);
		c->linger_left += LINGER_BYTES;
		client_to(c, CLIENT_LINGER);
		client_arm(c);
		client_mark(c);
	} else if (c->state == CLIENT_IDLE) {
		client_arm(c);
		client_mark(c);
	}
}

void
client_write_more(struct client *c)
{
	struct relay *r = c->r;
	size_t had = c->out.n;

	while (c->out.n > 0 && c->wr) {
		struct slice v[8];
		size_t k = chain_slices(&c->out, &r->blocks, v, 8);
		int64_t n = io_writev(r->io, c->fd, v, k);

		if (n == IO_FAIL) {
			client_close(c, true);
			return;
		}
		if (n == IO_AGAIN) {
			c->wr = false;
			break;
		}
		chain_drop(&c->out, &r->blocks, (size_t)n);
		c->moved_ms = r->io->now_ms;
	}
	if (c->out.n < had && c->s != NULL)
		stream_drained(c);
	if (c->out.n == 0 && had > 0 && c->state != CLIENT_DEAD)
		client_drained(c);
}

void
client_answered(struct client *c)
{
	if (c->state == CLIENT_DEAD)
		return;
	c->served = true;
	c->wait_until_ms = 0;
	if (c->keep && c->body_done && !c->r->stopping) {
		client_to(c, CLIENT_IDLE);
		client_arm(c);
		client_mark(c);
		return;
	}
	c->draining_in = !c->body_done || c->in_n > 0;
	client_to(c, CLIENT_FLUSH);
	client_arm(c);
	client_mark(c);
	if (c->out.n == 0)
		client_drained(c);
}
