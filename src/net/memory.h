/*
 * Reserved address space for the arena of base/mem.h.
 */
#ifndef ADIT_NET_MEMORY_H
#define ADIT_NET_MEMORY_H

#include "base/mem.h"

/*
 * Fill in an arena of at least `bytes`, zeroed, with `release` set. Pages cost
 * memory from their first use until they are released; an inaccessible page
 * stands on either side. False with errno set if the system refuses.
 */
bool net_reserve(struct arena *a, size_t bytes);
/* Give the whole arena back (tests; a program just ends). */
void net_unreserve(struct arena *a);

#endif
