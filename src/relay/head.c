/*
 * Buffers for heads that came in pieces: clients' and apps'. There are few of
 * them, of two sizes, and nobody owns one while nothing is under way.
 */
#include "relay/parts.h"

void
head_give(struct relay *r, uint8_t *p, bool large)
{
	if (p != NULL)
		pool_give(large ? &r->large : &r->small, p);
}

/* Its input waits for nothing but the client, to finish or to read, or for
 * room of the channel. */
static bool
dawdles(const struct client *c)
{
	return c->in != NULL && (c->state == CLIENT_IDLE ||
	    c->state == CLIENT_HEAD || c->state == CLIENT_BODY ||
	    c->state == CLIENT_POST);
}

/*
 * No buffer is left for a head in pieces: whoever has kept one without
 * finishing loses it, in turn. An honest head is complete within a round trip
 * or two; a thousand slow ones only evict each other.
 */
static void
evict_head(struct relay *r, const struct client *but, bool large)
{
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		struct client *c;

		r->evict_hand = (r->evict_hand + 1) % r->clients.fresh;
		if (!pool_live(&r->clients, r->evict_hand))
			continue;
		c = pool_at(&r->clients, r->evict_hand);
		if (c == but || !dawdles(c) || c->in_large != large)
			continue;
		client_close(c, true);
		return;
	}
}

uint8_t *
head_take(struct relay *r, size_t n, bool *large, const struct client *but)
{
	struct pool *pool;
	uint8_t *p;

	*large = n > SMALL_BYTES;
	if (n > LARGE_BYTES)
		return NULL;
	pool = *large ? &r->large : &r->small;
	p = pool_take(pool);
	if (p != NULL)
		return p;
	evict_head(r, but, *large);
	return pool_take(pool);
}
