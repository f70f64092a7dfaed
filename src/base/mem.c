/*
 * Memory. Free items form a list through `link`, last in first out, so that
 * what is warm is used again; items never used are handed out in order behind
 * them, so that a large pool costs nothing until its tail is needed.
 *
 * Page-sized items go back to the kernel when they are freed, but for the
 * first IDLE_KEEP: a madvise and a page fault for every buffer of every
 * request would cost more than the request.
 */
#include "base/mem.h"

#include <assert.h>
#include <string.h>

enum { PAGE = 4096, ALIGN_MAX = 65536, IDLE_KEEP = 64 };

void *
arena_take(struct arena *a, size_t n, size_t align)
{
	size_t at = (a->used + align - 1) & ~(align - 1);

	assert(align > 0 && (align & (align - 1)) == 0);
	assert(at <= a->cap && n <= a->cap - at);
	a->used = at + n;
	return a->p + at;
}

/* The largest power of two that divides it: an item of 16 KiB is then a whole
 * page also where pages have 16 KiB (Raspberry Pi 5, Macs). */
static size_t
item_align(size_t item_bytes)
{
	size_t align = PAGE;

	if (item_bytes % PAGE != 0)
		return 16;
	while (align < ALIGN_MAX && item_bytes % (2 * align) == 0)
		align *= 2;
	return align;
}

size_t
pool_bytes(size_t item_bytes, uint32_t cap)
{
	return arena_bytes(item_bytes * cap, item_align(item_bytes)) +
	    2 * arena_bytes(sizeof(uint32_t) * (size_t)cap, 16);
}

void
pool_init(struct pool *p, struct arena *a, uint8_t kind, size_t item_bytes,
    uint32_t cap)
{
	assert(kind > 0 && cap < POOL_MAX && item_bytes % 8 == 0);
	*p = (struct pool){
		.item_bytes = item_bytes,
		.cap = cap,
		.kind = kind,
		.free_head = POOL_MAX,
		.release = a->release,
	};
	p->items = arena_take(a, item_bytes * cap, item_align(item_bytes));
	p->gen = arena_take(a, sizeof(uint32_t) * (size_t)cap, 16);
	p->link = arena_take(a, sizeof(uint32_t) * (size_t)cap, 16);
}

void *
pool_take(struct pool *p)
{
	uint32_t i = p->free_head;
	void *item;

	if (i != POOL_MAX) {
		p->free_head = p->link[i];
		if (p->idle > 0)
			p->idle--;
	} else if (p->fresh < p->cap) {
		i = p->fresh++;
	} else {
		return NULL;
	}
	p->used++;
	p->gen[i]++;
	assert((p->gen[i] & 1) == 1);
	p->link[i] = POOL_MAX;
	item = pool_at(p, i);
	if (p->item_bytes % PAGE != 0)
		memset(item, 0, p->item_bytes);
	return item;
}

void
pool_give(struct pool *p, void *item)
{
	uint32_t i;

	if (item == NULL)
		return;
	i = pool_index(p, item);
	assert(i < p->fresh && (p->gen[i] & 1) == 1);
	p->gen[i]++;
	p->link[i] = p->free_head;
	p->free_head = i;
	p->used--;
	if (p->item_bytes % PAGE != 0 || p->release == NULL)
		return;
	if (p->idle < IDLE_KEEP)
		p->idle++;
	else
		p->release(item, p->item_bytes);
}

handle
pool_handle(const struct pool *p, const void *item)
{
	uint32_t i = pool_index(p, item);

	return (handle)p->kind << 56 | (handle)p->gen[i] << 24 | i;
}

void *
pool_get(const struct pool *p, handle h)
{
	uint32_t i = handle_index(h);

	if (handle_kind(h) != p->kind || i >= p->fresh ||
	    (p->gen[i] & 1) == 0 || (uint32_t)(h >> 24) != p->gen[i])
		return NULL;
	return pool_at(p, i);
}
