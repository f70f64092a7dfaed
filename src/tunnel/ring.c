/*
 * The ring. Blocks of the pool in a list; in each block records one after
 * the other, a length before each. A length of zero, or too little room for
 * one, says that the next record is in the next block.
 *
 * struct chain would do the list but knows nothing of records: a frame across
 * two blocks could neither be read into nor masked in one go. The price of
 * whole records is the unused end of a block; a DATA frame is made to fit, so
 * that only control frames leave one.
 */
#include "tunnel/ring.h"

#include <assert.h>
#include <string.h>

#include "base/num.h"

bool
ring_init(struct ring *r, struct blocks *b, uint32_t floor, uint32_t max)
{
	assert(floor > RING_CONTROL_BLOCKS && max >= floor);
	*r = (struct ring){ .floor = floor, .max = max };
	if (!blocks_reserve(b, floor))
		return false;
	r->reserved = floor;
	return true;
}

static uint8_t *
at(const struct blocks *b, uint32_t block, uint32_t off)
{
	return (uint8_t *)pool_at(&b->pool, block) + off;
}

static uint32_t
length_at(const struct blocks *b, uint32_t block, uint32_t off)
{
	uint32_t n;

	if (off > BLOCK_BYTES - RING_LENGTH_BYTES)
		return 0;
	memcpy(&n, at(b, block, off), sizeof n);
	return n;
}

static void
set_length(const struct blocks *b, uint32_t block, uint32_t off, uint32_t n)
{
	if (off <= BLOCK_BYTES - RING_LENGTH_BYTES)
		memcpy(at(b, block, off), &n, sizeof n);
}

/* Bytes that a record could have behind those in the tail block. */
static uint32_t
tail_room(const struct ring *r)
{
	uint32_t left = r->nblocks > 0 ? BLOCK_BYTES - r->tail_end : 0;

	return left > RING_LENGTH_BYTES ? left - RING_LENGTH_BYTES : 0;
}

/*
 * What must be reserved for a record of `want` bytes more: its block, and
 * behind that one, for data, those that are kept for control frames. So data
 * does not use the rest of a block that they opened there, either.
 */
static bool
may_put(const struct ring *r, size_t want, bool data, uint32_t *need)
{
	*need = r->nblocks + (want > tail_room(r)) +
	    (data ? RING_CONTROL_BLOCKS : 0);
	return *need <= r->max;
}

bool
ring_has_room(const struct ring *r, const struct blocks *b, size_t want,
    bool data)
{
	uint32_t need;

	return may_put(r, want, data, &need) && (need <= r->reserved ||
	    need - r->reserved <= b->pool.cap - b->reserved);
}

/* Begin a block behind the tail; it is reserved. */
static void
grow(struct ring *r, struct blocks *b)
{
	void *item = pool_take(&b->pool);
	uint32_t i;

	assert(item != NULL && r->nblocks < r->reserved);
	i = pool_index(&b->pool, item);
	if (r->nblocks == 0) {
		r->head = r->cur = i;
		r->head_off = r->cur_off = 0;
	} else {
		set_length(b, r->tail, r->tail_end, 0);
		b->pool.link[r->tail] = i;
	}
	r->tail = i;
	r->tail_end = 0;
	r->nblocks++;
}

uint8_t *
ring_room(struct ring *r, struct blocks *b, size_t want, bool data,
    size_t *room)
{
	uint32_t need;

	assert(want > 0 && want <= RING_RECORD_MAX);
	if (!may_put(r, want, data, &need))
		return NULL;
	if (need > r->reserved) {
		if (!blocks_reserve(b, need - r->reserved))
			return NULL;
		r->reserved = need;
	}
	if (want > tail_room(r))
		grow(r, b);
	*room = tail_room(r);
	assert(*room >= want);
	return at(b, r->tail, r->tail_end + RING_LENGTH_BYTES);
}

/* Give back what is reserved above what is held and the floor. */
static void
relax(struct ring *r, struct blocks *b)
{
	uint32_t keep = r->nblocks + RING_CONTROL_BLOCKS;

	if (keep < r->floor)
		keep = r->floor;
	if (r->reserved > keep) {
		blocks_unreserve(b, r->reserved - keep);
		r->reserved = keep;
	}
}

/* Nothing is kept: no block either. */
static void
empty(struct ring *r, struct blocks *b)
{
	while (r->nblocks > 0) {
		uint32_t next = b->pool.link[r->head];

		pool_give(&b->pool, pool_at(&b->pool, r->head));
		r->head = next;
		r->nblocks--;
	}
	r->head_off = r->cur_off = r->tail_end = 0;
	relax(r, b);
}

void
ring_commit(struct ring *r, struct blocks *b, size_t n)
{
	assert(r->nblocks > 0 && n <= tail_room(r));
	if (n > 0) {
		set_length(b, r->tail, r->tail_end, (uint32_t)n);
		r->tail_end += RING_LENGTH_BYTES + (uint32_t)n;
		r->put++;
	} else if (r->acked == r->put) {
		empty(r, b);
	}
	/* A fresh tail that stayed empty waits for the next record. */
}

/* Move (block, off) to where the next record stands; there is one. */
static void
seek(const struct ring *r, const struct blocks *b, uint32_t *block,
    uint32_t *off)
{
	if (*block != r->tail && length_at(b, *block, *off) == 0) {
		*block = b->pool.link[*block];
		*off = 0;
	}
	assert(length_at(b, *block, *off) > 0);
}

struct slice
ring_unsent(const struct ring *r, const struct blocks *b)
{
	uint32_t block = r->cur, off = r->cur_off;

	assert(r->acked <= r->sent && r->sent <= r->put);
	if (r->sent == r->put)
		return (struct slice){ NULL, 0 };
	seek(r, b, &block, &off);
	return slice_of(at(b, block, off + RING_LENGTH_BYTES),
	    length_at(b, block, off));
}

void
ring_sent(struct ring *r, const struct blocks *b)
{
	assert(r->sent < r->put);
	seek(r, b, &r->cur, &r->cur_off);
	r->cur_off += RING_LENGTH_BYTES + length_at(b, r->cur, r->cur_off);
	r->sent++;
}

bool
ring_ack(struct ring *r, struct blocks *b, uint64_t count)
{
	if (count < r->acked || count > r->sent)
		return false;
	if (count == r->put && r->put > r->acked) {
		r->acked = count;
		empty(r, b);
		return true;
	}
	while (r->acked < count) {
		uint32_t was = r->head;

		seek(r, b, &r->head, &r->head_off);
		if (r->head != was) {
			/* What is acknowledged here was sent. */
			assert(r->cur != was);
			pool_give(&b->pool, pool_at(&b->pool, was));
			r->nblocks--;
		}
		r->head_off += RING_LENGTH_BYTES +
		    length_at(b, r->head, r->head_off);
		r->acked++;
	}
	relax(r, b);
	return true;
}

bool
ring_rewind(struct ring *r, struct blocks *b, uint64_t count)
{
	if (!ring_ack(r, b, count))
		return false;
	r->sent = r->acked;
	r->cur = r->head;
	r->cur_off = r->head_off;
	return true;
}

uint64_t
ring_count(const struct ring *r, const struct blocks *b)
{
	uint32_t block = r->head, off = r->head_off;
	uint64_t n = 0;

	while (r->nblocks > 0 && (block != r->tail || off < r->tail_end)) {
		uint32_t len = length_at(b, block, off);

		if (len == 0) {
			block = b->pool.link[block];
			off = 0;
			continue;
		}
		off += RING_LENGTH_BYTES + len;
		n++;
	}
	return n;
}

void
ring_free(struct ring *r, struct blocks *b)
{
	r->acked = r->sent = r->put;
	empty(r, b);
	blocks_unreserve(b, r->reserved);
	r->reserved = 0;
}
