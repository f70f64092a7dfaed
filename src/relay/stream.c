/*
 * A stream of the tunnel is one connection to one app, for one connection of a
 * client and one person. Requests that follow each other use it again while
 * all of that stays the same, so no two people ever share one (stream_fits).
 *
 * A stream whose client needs it no more is ended in order and becomes an
 * orphan until the app has closed too; one whose client went away in the
 * middle is reset, so that the app sees it at once. As with clients, nothing
 * is freed within a call: RESP_DEAD lasts until the step ends.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"

_Static_assert((STREAM_WINDOW + HEAD_SLACK + BLOCK_BYTES - 1) / BLOCK_BYTES +
    1 <= STREAM_BLOCKS, "what a stream may bring fits what it reserved");
_Static_assert((TRAILERS_AREA + READ_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES +
    1 <= CHUNK_BLOCKS, "and so does a read of chunks");

void
stream_ready(struct rstream *s)
{
	tunnel_ready(&s->ts);
}

void
stream_free_up(struct rstream *s)
{
	chain_free(&s->up, &s->r->blocks);
	blocks_unreserve(&s->r->blocks, s->up_blocks);
	s->up_blocks = 0;
}

bool
stream_reserve_up(struct rstream *s, uint32_t want)
{
	return blocks_raise(&s->r->blocks, &s->up_blocks, want);
}

bool
stream_put_up(struct rstream *s, struct slice v)
{
	return stream_reserve_up(s, blocks_for(s->up.n + v.n)) &&
	    chain_put(&s->up, &s->r->blocks, v);
}

/* Stream and client know each other no more. */
static void
stream_part(struct rstream *s)
{
	struct client *c = s->c;

	if (c == NULL)
		return;
	c->s = NULL;
	s->c = NULL;
	client_release_out(c);
}

void
stream_free(struct rstream *s)
{
	struct relay *r = s->r;

	if (s->resp == RESP_DEAD)
		return;
	assert(s->ts.tunnel == NULL);
	stream_part(s);
	s->resp = RESP_DEAD;
	timer_stop(&r->timers, &s->timer);
	stream_free_up(s);
	head_give(r, s->rin, s->rin_large);
	s->rin = NULL;
	s->next_dead = r->dead_streams;
	r->dead_streams = s;
}

void
stream_orphan(struct rstream *s)
{
	uint64_t now_ms = s->r->io->now_ms;

	if (s->ts.tunnel == NULL) {
		stream_free(s);
		return;
	}
	stream_part(s);
	s->resp = RESP_ORPHAN;
	head_give(s->r, s->rin, s->rin_large);
	s->rin = NULL;
	tunnel_consumed(&s->ts, to_size(s->unreturned), now_ms);
	s->unreturned = 0;
	timer_set(&s->r->timers, &s->timer, pool_handle(&s->r->streams, s),
	    now_ms + ORPHAN_MS);
	tunnel_ready(&s->ts);
}

void
stream_timer(struct rstream *s)
{
	uint64_t now_ms = s->r->io->now_ms;

	if (s->resp == RESP_ORPHAN) {
		tunnel_reset(&s->ts, RESET_CANCELLED);
		stream_free(s);
	} else if (s->resp == RESP_IDLE) {
		if (now_ms >= s->idle_until_ms)
			stream_orphan(s);
		else
			timer_set(&s->r->timers, &s->timer,
			    pool_handle(&s->r->streams, s),
			    s->idle_until_ms);
	}
}



void
stream_release_idle(struct relay *r, const struct remote *l)
{
	for (uint32_t i = 0; i < r->streams.fresh; i++) {
		struct rstream *s = pool_at(&r->streams, i);

		if (pool_live(&r->streams, i) && s->l == l &&
		    s->resp == RESP_IDLE)
			stream_orphan(s);
	}
}

void
stream_client_gone(struct client *c)
{
	struct rstream *s = c->s;

	if (s == NULL)
		return;
	if (s->resp == RESP_IDLE) {
		stream_orphan(s);
		return;
	}
	tunnel_reset(&s->ts, RESET_CANCELLED);
	stream_free(s);
}

void
stream_drained(struct client *c)
{
	struct rstream *s = c->s;
	uint64_t keep, n;

	if (s == NULL)
		return;
	keep = min_u64(c->out.n, s->unreturned);
	n = s->unreturned - keep;
	if (n == 0)
		return;
	s->unreturned = keep;
	tunnel_consumed(&s->ts, to_size(n), c->r->io->now_ms);
}

/* Is the connection's stream the one for this request? */
static bool
stream_fits(const struct client *c, const struct remote *l, uint16_t app,
    const struct session *who)
{
	const struct rstream *s = c->s;

	/* Where nobody logs in, the address is all that tells who it is. */
	return s != NULL && s->resp == RESP_IDLE && !s->peer_end &&
	    !s->unwanted && s->l == l && s->app == app &&
	    s->person == who->id &&
	    addr_same_ip(&s->client, &c->r->site.client) &&
	    c->r->io->now_ms < s->idle_until_ms && l->state == REMOTE_CURRENT;
}

/* Others are to find room, too. */
static bool
has_its_share(const struct relay *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; r->streams.used >= r->plan.share &&
	    i < r->streams.fresh; i++) {
		const struct rstream *s = pool_at(&r->streams, i);

		n += pool_live(&r->streams, i) &&
		    peer_same(&s->client, &r->site.client);
	}
	return n >= r->plan.share;
}

static struct rstream *
stream_new(struct client *c, struct remote *l, uint16_t app)
{
	struct relay *r = c->r;
	struct rstream *s;

	if (has_its_share(r) || !client_reserve_out(c, STREAM_BLOCKS))
		return NULL;
	s = pool_take(&r->streams);
	if (s == NULL)
		return NULL;
	s->r = r;
	s->l = l;
	s->app = app;
	s->ts.owner = s;
	if (tunnel_open(&l->t, &s->ts) != E_OK) {
		pool_give(&r->streams, s);
		return NULL;
	}
	s->c = c;
	c->s = s;
	return s;
}

struct rstream *
stream_for(struct client *c, struct remote *l, uint16_t app,
    const struct session *who)
{
	struct relay *r = c->r;
	struct rstream *s;

	if (stream_fits(c, l, app, who)) {
		s = c->s;
		timer_stop(&r->timers, &s->timer);
	} else {
		if (c->s != NULL)
			stream_orphan(c->s);
		s = stream_new(c, l, app);
	}
	if (s == NULL) {
		client_release_out(c);
		return NULL;
	}
	s->resp = RESP_HEAD;
	s->person = who->id;
	s->user = who->user;
	s->jti_n = who->jti_n;
	memcpy(s->jti, who->jti, sizeof s->jti);
	s->client = r->site.client;
	s->secure = r->site.secure;
	s->shared = r->site.kind == SITE_SHARED;
	return s;
}

static void
stream_opening(void *owner, struct tunnel_stream *ts, struct frame_open *o)
{
	static uint8_t text[ADDR_TEXT_MAX];
	struct rstream *s = ts->owner;
	struct buf b = BUF_ON(text);

	(void)owner;
	addr_put_ip(&b, &s->client);
	*o = (struct frame_open){
		.app = name_slice(&s->l->apps[s->app].name),
		.kind = s->l->apps[s->app].kind,
		.client = buf_slice(&b),
		.user = name_slice(&s->user),
		.scheme = s->secure ? SL("https") : SL("http"),
	};
}

static bool
stream_window(void *owner, struct tunnel_stream *ts, uint32_t bytes)
{
	struct rstream *s = ts->owner;

	(void)owner;
	return s->c != NULL &&
	    client_window_out(s->c, blocks_for((size_t)bytes + HEAD_SLACK));
}

const struct tunnel_ops stream_ops = {
	.hello = remote_hello,
	.confirmed = remote_confirmed,
	.opening = stream_opening,
	.pull = upload_pull,
	.data = answer_data,
	.end = answer_end,
	.stop = answer_stop,
	.reset = answer_reset,
	.closed = answer_closed,
	.goaway = remote_goaway,
	.window = stream_window,
};
