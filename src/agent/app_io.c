/*
 * Bytes between a stream and its app. From the tunnel they go from its read
 * buffer to the app's socket without a stop where the socket takes them, else
 * into the connection's chain, whose blocks were reserved before the stream
 * was accepted: so a stalled app costs its window and never a refusal. From
 * the app they are read by the engine's pull, straight into the ring, when
 * they may leave; until then they stay in the kernel, which stops the app.
 *
 * DATA frames of one read that are for the same app are gathered and leave in
 * one write. The pieces point into io->scratch, where the engine unmasks them
 * in place and then leaves them alone until the read is used up.
 */
#include "agent/inside.h"

#include <assert.h>

#include "base/num.h"

enum { DISCARD_BYTES = 4096, DISCARD_TURNS = 16 };

/* The app takes no more: what comes for it is dropped by the engine. */
static void
conn_in_broken(struct conn *c)
{
	c->in_broken = true;
	chain_free(&c->in, &c->g->blocks);
	if (c->state == CONN_LINGER) {
		conn_drop(c);
		return;
	}
	tunnel_stop(&c->s);
	tunnel_ready(&c->s);    /* what the app said before is still to come */
}

/* Write v; how many bytes left, IO_FAIL if the app takes no more. */
static int64_t
conn_writev(struct conn *c, const struct slice *v, size_t n)
{
	int64_t w = io_writev(c->g->io, c->fd, v, n);

	if (w == IO_AGAIN) {
		c->can_write = false;
		return 0;
	}
	if (w < 0)
		return IO_FAIL;
	tunnel_consumed(&c->s, (size_t)w, c->g->io->now_ms);
	return w;
}

void
conn_flush(struct conn *c)
{
	const struct io *io = c->g->io;

	if (c->state != CONN_OPEN && c->state != CONN_LINGER)
		return;
	while (c->in.n > 0 && c->can_write) {
		struct slice v[GATHER];
		size_t n = chain_slices(&c->in, &c->g->blocks, v, GATHER);
		int64_t w = conn_writev(c, v, n);

		if (w < 0) {
			conn_in_broken(c);
			return;
		}
		chain_drop(&c->in, &c->g->blocks, (size_t)w);
		if (c->state == CONN_LINGER && w > 0) {
			c->by_ms = io->now_ms + AGENT_LINGER_MS;
			conn_arm(c);
		}
	}
	if (c->in.n > 0)
		return;
	if (c->in_ended && !c->in_shut && !c->in_broken) {
		c->in_shut = true;
		io->ops->shutdown(io->ctx, c->fd);
	}
	if (c->state == CONN_LINGER)
		(void)conn_finish(c);
}

/* Keep s until the app takes it: its blocks were reserved. */
static void
conn_keep(struct conn *c, struct slice s)
{
	bool ok = chain_put(&c->in, &c->g->blocks, s);

	assert(ok);
}

/* Write v now if nothing waits before it; what does not go is kept. */
static void
conn_send(struct conn *c, const struct slice *v, size_t n)
{
	int64_t w = 0;
	size_t done;

	if (c->state == CONN_OPEN && c->can_write && c->in.n == 0)
		w = conn_writev(c, v, n);
	if (w < 0) {
		conn_in_broken(c);
		return;
	}
	done = (size_t)w;
	for (size_t i = 0; i < n; i++) {
		size_t k = min_size(done, v[i].n);

		conn_keep(c, slice_from(v[i], k));
		done -= k;
	}
	/* After a short write the socket has to say that it is full. */
	if (c->in.n > 0 && c->can_write)
		conn_flush(c);
}

void
app_flush(struct agent *g)
{
	struct conn *c = g->gather.c;

	if (c == NULL)
		return;
	g->gather.c = NULL;
	conn_send(c, g->gather.v, g->gather.n);
}

void
app_data(void *owner, struct tunnel_stream *s, uint8_t *p, size_t n)
{
	struct conn *c = s->owner;
	struct agent *g = c->g;
	struct gather *ga = &g->gather;
	const uint8_t *scratch = g->io->scratch;
	struct slice piece = slice_of(p, n);

	(void)owner;
	assert(!c->in_ended && !c->in_broken);
	if (ga->c != c || ga->n == GATHER)
		app_flush(g);
	if (c->in_broken)
		return;         /* the flush found out */
	if (p < scratch || n > (size_t)(scratch + IO_SCRATCH - p)) {
		app_flush(g);
		if (!c->in_broken)
			conn_send(c, &piece, 1);
		return;
	}
	if (ga->c == NULL) {
		ga->c = c;
		ga->n = 0;
	}
	ga->v[ga->n++] = piece;
}

void
app_end(void *owner, struct tunnel_stream *s)
{
	struct conn *c = s->owner;

	(void)owner;
	app_flush(c->g);
	c->in_ended = true;
	conn_flush(c);
}

enum tunnel_pull
app_pull(void *owner, struct tunnel_stream *s, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code)
{
	struct conn *c = s->owner;
	int64_t r;

	(void)owner;
	*n = 0;
	if (c->state != CONN_OPEN)
		return PULL_WAIT;
	assert(!c->out_stopped && !c->out_ended);
	r = io_read(c->g->io, c->fd, dst, max);
	if (r > 0) {
		*n = (size_t)r;
		return PULL_MORE;
	}
	if (r == IO_AGAIN)
		return PULL_WAIT;
	if (r == IO_EOF) {
		c->out_ended = true;
		return PULL_END;
	}
	*code = RESET_BROKEN;
	return PULL_RESET;
}

/*
 * The relay wants no more: read on all the same, or the app would stand. A
 * fast app has its share and then waits for the timer.
 */
void
conn_discard(struct conn *c)
{
	uint8_t area[DISCARD_BYTES];
	int64_t n = 1;

	for (int i = 0; i < DISCARD_TURNS && n > 0; i++)
		n = io_read(c->g->io, c->fd, area, sizeof area);
	if (n == IO_FAIL) {
		tunnel_reset(&c->s, RESET_BROKEN);
		conn_drop(c);
		return;
	}
	c->out_ended = n == IO_EOF;
	c->more = n > 0;
	if (c->state == CONN_LINGER && conn_finish(c))
		return;
	conn_arm(c);
}

void
app_stop(void *owner, struct tunnel_stream *s)
{
	struct conn *c = s->owner;

	(void)owner;
	c->out_stopped = true;
	if (c->state == CONN_OPEN && !c->out_ended) {
		c->more = true;
		conn_arm(c);
	}
}

void
app_closed(void *owner, struct tunnel_stream *s)
{
	struct conn *c = s->owner;
	struct agent *g = c->g;

	(void)owner;
	app_flush(g);
	if (c->state != CONN_OPEN) {
		conn_drop(c);
	} else if (!conn_finish(c)) {
		conn_to(c, CONN_LINGER);
		c->by_ms = g->io->now_ms + AGENT_LINGER_MS;
		conn_arm(c);
	}
}

void
app_reset(void *owner, struct tunnel_stream *s, enum reset_code code)
{
	(void)owner;
	(void)code;
	conn_drop(s->owner);
}

bool
app_window(void *owner, struct tunnel_stream *s, uint32_t bytes)
{
	struct conn *c = s->owner;
	struct agent *g = c->g;
	uint32_t want = blocks_for(bytes);

	(void)owner;
	if (want < c->blocks) {
		if (want < blocks_for(c->in.n))
			want = blocks_for(c->in.n);
		if (want < blocks_for(WINDOW_INITIAL))
			want = blocks_for(WINDOW_INITIAL);
		if (want >= c->blocks)
			return true;
		blocks_unreserve(&g->blocks, c->blocks - want);
		g->grown -= c->blocks - want;
		c->blocks = to_u16(want);
		return true;
	}
	want -= c->blocks;
	if (want > g->plan.grow_blocks - g->grown ||
	    !blocks_reserve(&g->blocks, want))
		return false;
	g->grown += want;
	c->blocks = to_u16(c->blocks + want);
	return true;
}
