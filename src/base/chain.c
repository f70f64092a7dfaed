/*
 * Chains: see chain.h. Blocks are linked through the pool's `link` array,
 * which is free for the owner while an item is in use, so a block is 16 KiB of
 * payload and nothing else.
 */
#include "base/chain.h"

#include <assert.h>

#include "base/num.h"

void
blocks_init(struct blocks *b, struct arena *a, uint8_t kind, uint32_t cap)
{
	pool_init(&b->pool, a, kind, BLOCK_BYTES, cap);
	b->reserved = 0;
}

size_t
blocks_bytes(uint32_t cap)
{
	return pool_bytes(BLOCK_BYTES, cap);
}

bool
blocks_reserve(struct blocks *b, uint32_t n)
{
	assert(b->reserved <= b->pool.cap);
	if (n > b->pool.cap - b->reserved)
		return false;
	b->reserved += n;
	return true;
}

bool
blocks_raise(struct blocks *b, uint32_t *have, uint32_t n)
{
	if (n <= *have)
		return true;
	if (!blocks_reserve(b, n - *have))
		return false;
	*have = n;
	return true;
}

void
blocks_unreserve(struct blocks *b, uint32_t n)
{
	assert(n <= b->reserved);
	b->reserved -= n;
}

/* Make sure that the tail block has room. */
static bool
chain_grow(struct chain *c, struct blocks *b)
{
	void *item;
	uint32_t i;

	if (c->n > 0 && c->tail_end < BLOCK_BYTES)
		return true;
	item = pool_take(&b->pool);
	if (item == NULL)
		return false;
	i = pool_index(&b->pool, item);
	if (c->n == 0) {
		c->head = i;
		c->head_off = 0;
	} else {
		b->pool.link[c->tail] = i;
	}
	c->tail = i;
	c->tail_end = 0;
	return true;
}

static uint32_t
blocks_left(const struct blocks *b)
{
	return b->pool.cap - b->pool.used;
}

bool
chain_put(struct chain *c, struct blocks *b, struct slice s)
{
	size_t room = c->n > 0 ? BLOCK_BYTES - c->tail_end : 0;

	if (s.n > room && (s.n - room + BLOCK_BYTES - 1) / BLOCK_BYTES >
	    blocks_left(b))
		return false;
	while (s.n > 0) {
		size_t n;
		bool ok = chain_grow(c, b);

		assert(ok);
		n = min_size(s.n, BLOCK_BYTES - c->tail_end);
		memcpy((uint8_t *)pool_at(&b->pool, c->tail) + c->tail_end,
		    s.p, n);
		c->tail_end += (uint32_t)n;
		c->n += n;
		s = slice_from(s, n);
	}
	return true;
}

static size_t
block_end(const struct chain *c, uint32_t i)
{
	return i == c->tail ? c->tail_end : BLOCK_BYTES;
}

struct slice
chain_front(const struct chain *c, const struct blocks *b)
{
	struct slice v = { NULL, 0 };

	chain_slices(c, b, &v, 1);
	return v;
}

size_t
chain_slices(const struct chain *c, const struct blocks *b, struct slice *v,
    size_t max)
{
	size_t k = 0, left = c->n;
	uint32_t i = c->head, off = c->head_off;

	while (left > 0 && k < max) {
		const uint8_t *p = pool_at(&b->pool, i);

		v[k] = slice_of(p + off, block_end(c, i) - off);
		left -= v[k++].n;
		i = b->pool.link[i];
		off = 0;
	}
	return k;
}

void
chain_drop(struct chain *c, struct blocks *b, size_t n)
{
	assert(n <= c->n);
	while (n > 0) {
		size_t here = block_end(c, c->head) - c->head_off;
		uint32_t next = b->pool.link[c->head];

		if (n < here) {
			c->head_off += (uint32_t)n;
			c->n -= n;
			return;
		}
		n -= here;
		c->n -= here;
		pool_give(&b->pool, pool_at(&b->pool, c->head));
		c->head = next;
		c->head_off = 0;
	}
}

size_t
chain_take(struct chain *c, struct blocks *b, uint8_t *dst, size_t n)
{
	size_t done = 0;

	while (done < n && c->n > 0) {
		struct slice s = slice_head(chain_front(c, b), n - done);

		memcpy(dst + done, s.p, s.n);
		chain_drop(c, b, s.n);
		done += s.n;
	}
	return done;
}

void
chain_cut(struct chain *c, struct blocks *b, size_t n)
{
	size_t left = n;
	uint32_t i = c->head, off = c->head_off;

	assert(n <= c->n);
	if (n == 0) {
		chain_free(c, b);
		return;
	}
	while (left > block_end(c, i) - off) {
		left -= block_end(c, i) - off;
		i = b->pool.link[i];
		off = 0;
	}
	for (uint32_t j = i; j != c->tail;) {
		uint32_t next = b->pool.link[j];

		if (j != i)
			pool_give(&b->pool, pool_at(&b->pool, j));
		j = next;
	}
	if (i != c->tail)
		pool_give(&b->pool, pool_at(&b->pool, c->tail));
	b->pool.link[i] = POOL_MAX;
	c->tail = i;
	c->tail_end = off + (uint32_t)left;
	c->n = n;
}

void
chain_free(struct chain *c, struct blocks *b)
{
	chain_drop(c, b, c->n);
	assert(c->n == 0);
}
