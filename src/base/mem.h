/*
 * Memory: one reservation, carved at start, and pools on it.
 *
 * An arena is a span of reserved address space that main obtains once. Pools
 * and tables take their parts from it while the program starts; nothing is
 * taken afterwards and nothing is ever given back to the arena. What is never
 * touched costs no memory: the arena is the bound, not the resident size.
 *
 * A pool holds equal items. Items are named across callbacks by handles: the
 * pool's kind, the item's generation and its index. A handle of an item that
 * was freed meanwhile resolves to NULL.
 */
#ifndef ADIT_BASE_MEM_H
#define ADIT_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
	uint8_t *p;             /* zeroed, aligned to 64 KiB */
	size_t cap;             /* bytes */
	size_t used;
	/* Tell the kernel that this span's content is not needed; it reads as
	 * zeros or as before afterwards. NULL where there is no such thing.
	 * The span is one of 4 KiB pages; where pages are larger it may not
	 * be whole ones, and then nothing may happen. */
	void (*release)(void *p, size_t n);
};

/*
 * Take n zeroed bytes aligned to `align` (a power of two). Asserts that the
 * arena is large enough: whoever sized it computed the sum with arena_bytes.
 */
void *arena_take(struct arena *a, size_t n, size_t align);
/* An upper bound of what arena_take(n, align) uses up. */
static inline size_t
arena_bytes(size_t n, size_t align)
{
	return n + align;
}

typedef uint64_t handle;        /* kind 8 bits | generation 32 | index 24 */
#define HANDLE_NONE ((handle)0)

static inline unsigned
handle_kind(handle h)
{
	return (unsigned)(h >> 56);
}

static inline uint32_t
handle_index(handle h)
{
	return (uint32_t)(h & 0xffffff);
}

enum { POOL_MAX = 1 << 24 };

struct pool {
	uint8_t *items;
	uint32_t *gen;          /* odd while the item is in use */
	uint32_t *link;         /* next free item; free for the owner's use
	                         * (a list of its own) while in use */
	void (*release)(void *, size_t);
	size_t item_bytes;
	uint32_t cap;           /* items */
	uint32_t used;
	uint32_t fresh;         /* items from here on were never used */
	uint32_t free_head;     /* POOL_MAX if none */
	uint32_t idle;          /* free items that may still be resident */
	uint8_t kind;
};

/*
 * Make a pool of `cap` (at most POOL_MAX - 1) items of item_bytes each, with
 * handles of the given kind (1..255). Items of a multiple of 4096 bytes are
 * page aligned, and are released to the kernel when freed unless a few hot
 * ones are kept.
 */
void pool_init(struct pool *p, struct arena *a, uint8_t kind,
    size_t item_bytes, uint32_t cap);
/* What pool_init takes from the arena, at most. */
size_t pool_bytes(size_t item_bytes, uint32_t cap);
/* A zeroed item (page-multiple items are not zeroed), or NULL when full. */
void *pool_take(struct pool *p);
/* Free an item that pool_take gave. NULL is fine. */
void pool_give(struct pool *p, void *item);
/* The item's handle. */
handle pool_handle(const struct pool *p, const void *item);
/* The item, or NULL if it was freed since or the handle is of another kind. */
void *pool_get(const struct pool *p, handle h);
static inline void *
pool_at(const struct pool *p, uint32_t index)
{
	return p->items + (size_t)index * p->item_bytes;
}
static inline uint32_t
pool_index(const struct pool *p, const void *item)
{
	return (uint32_t)((size_t)((const uint8_t *)item - p->items) /
	    p->item_bytes);
}
/* For iteration in index order: is item i in use? */
static inline bool
pool_live(const struct pool *p, uint32_t i)
{
	return i < p->fresh && (p->gen[i] & 1) != 0;
}

#endif
