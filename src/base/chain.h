/*
 * Chains: queues of bytes in 16 KiB blocks of one shared pool.
 *
 * Everything that must wait (a body that its reader is too slow for, frames
 * that are not acknowledged yet) waits in a chain. An empty chain owns no
 * block. The pool keeps account of promises: whoever may need blocks later
 * reserves them first, so that a reserved chain can always be appended to.
 */
#ifndef ADIT_BASE_CHAIN_H
#define ADIT_BASE_CHAIN_H

#include "base/mem.h"
#include "base/slice.h"

enum { BLOCK_BYTES = 16384 };

struct blocks {
	struct pool pool;       /* items of BLOCK_BYTES */
	uint32_t reserved;      /* blocks promised; never above pool.cap */
};

/* `cap` blocks, all unpromised; what they take of the arena. */
void blocks_init(struct blocks *b, struct arena *a, uint8_t kind, uint32_t cap);
size_t blocks_bytes(uint32_t cap);
/* Promise n blocks to the caller. False, and nothing changes, if there are
 * not so many left unpromised. */
bool blocks_reserve(struct blocks *b, uint32_t n);
/* The same until the caller, who has *have of them, has n; more stay. */
bool blocks_raise(struct blocks *b, uint32_t *have, uint32_t n);
/* Give n promised blocks back. The caller holds none beyond what it keeps. */
void blocks_unreserve(struct blocks *b, uint32_t n);
/* The blocks that a chain of up to n bytes can hold: one more than full. */
static inline uint32_t
blocks_for(size_t n)
{
	return (uint32_t)((n + BLOCK_BYTES - 1) / BLOCK_BYTES) + 1;
}

struct chain {
	uint32_t head;          /* block index, valid while n > 0 */
	uint32_t tail;
	uint32_t head_off;      /* first byte not taken in the head block */
	uint32_t tail_end;      /* bytes written in the tail block */
	size_t n;               /* bytes in the chain */
};

/*
 * Append all of `s`. False, and nothing is appended, if the pool has not
 * enough blocks: with a sufficient reservation that cannot happen.
 */
bool chain_put(struct chain *c, struct blocks *b, struct slice s);
/* The first contiguous bytes: empty only if the chain is. */
struct slice chain_front(const struct chain *c, const struct blocks *b);
/* Up to max slices that together are the chain's first bytes. */
size_t chain_slices(const struct chain *c, const struct blocks *b,
    struct slice *v, size_t max);
/* Drop n bytes off the front, n <= c->n; empty blocks go back to the pool. */
void chain_drop(struct chain *c, struct blocks *b, size_t n);
/* Copy up to n bytes off the front to dst and drop them; returns how many. */
size_t chain_take(struct chain *c, struct blocks *b, uint8_t *dst, size_t n);
/* Keep the first n bytes, n <= c->n. */
void chain_cut(struct chain *c, struct blocks *b, size_t n);
/* Drop everything. */
void chain_free(struct chain *c, struct blocks *b);

#endif
