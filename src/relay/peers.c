/*
 * Accepting: the listening sockets, and how many connections one address has.
 *
 * An address is counted by what its owner can hardly have many of: a whole
 * IPv4 address, or the /64 of an IPv6 one. Beyond the cap a connection is
 * closed at once, which costs us an accept and nothing else.
 */
#include "relay/parts.h"

#include <assert.h>

static void
peer_key(const struct addr *a, uint64_t *hi, uint64_t *lo)
{
	*hi = a->family;
	*lo = a->family == ADDR_V4 ? get_u32(a->ip) : get_u64(a->ip);
}

bool
peer_same(const struct addr *a, const struct addr *b)
{
	uint64_t hi_a, lo_a, hi_b, lo_b;

	peer_key(a, &hi_a, &lo_a);
	peer_key(b, &hi_b, &lo_b);
	return hi_a == hi_b && lo_a == lo_b;
}

static struct peer **
peer_bucket(const struct relay *r, uint64_t hi, uint64_t lo)
{
	uint64_t x = (lo ^ r->cfg->hash_seed) * 0x9e3779b97f4a7c15u + hi;

	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
	return &r->peer_hash[(x >> 32) & (r->peer_hash_n - 1)];
}

static uint32_t
per_address(const struct relay *r)
{
	uint32_t half = r->plan.connections / 2;

	/* Nor may one address have all the buffers of TLS. */
	if (r->plan.tls > 0 && half > r->plan.tls / 2)
		half = r->plan.tls / 2;
	return r->cfg->max_per_address > 0 ? r->cfg->max_per_address :
	    half > 0 ? half : 1;
}

struct peer *
peer_add(struct relay *r, const struct addr *a)
{
	uint64_t hi, lo;
	struct peer **at, *p;

	peer_key(a, &hi, &lo);
	at = peer_bucket(r, hi, lo);
	for (p = *at; p != NULL; p = p->next) {
		if (p->key_hi == hi && p->key_lo == lo)
			break;
	}
	if (p == NULL) {
		p = pool_take(&r->peers);
		if (p == NULL)
			return NULL;
		p->key_hi = hi;
		p->key_lo = lo;
		p->next = *at;
		*at = p;
	}
	if (p->count >= per_address(r))
		return NULL;
	p->count++;
	return p;
}

void
peer_drop(struct relay *r, struct peer *p)
{
	struct peer **at;

	if (p == NULL)
		return;
	assert(p->count > 0);
	if (--p->count > 0)
		return;
	at = peer_bucket(r, p->key_hi, p->key_lo);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	pool_give(&r->peers, p);
}

/* Accept what waits, but not all day: others have their turn. */
void
listener_run(struct relay *r, struct listener *l)
{
	for (int i = 0; l->ready && !r->held && i < TURN_ACCEPTS; i++) {
		struct addr from = { 0 };
		int fd = r->io->ops->accept(r->io->ctx, l->fd, &from);
		struct peer *p;

		if (fd == IO_AGAIN) {
			l->ready = false;
			return;
		}
		if (fd < 0) {
			/* Out of descriptors, most likely: no event tells
			 * when there are some again. */
			l->again_ms = r->io->now_ms + ACCEPT_AGAIN_MS;
			return;
		}
		p = peer_add(r, &from);
		if (p == NULL)
			r->io->ops->close(r->io->ctx, fd, true);
		else
			client_new(r, fd, &from, p,
			    (uint16_t)(l - r->listeners));
	}
}
