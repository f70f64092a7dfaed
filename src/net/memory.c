/*
 * The arena's pages. Reserved without being promised (MAP_NORESERVE), so that
 * a bound of hundreds of megabytes starts on a small machine; without huge
 * pages, since one byte in a pool must not make two megabytes resident.
 */
#include "net/memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/num.h"

enum { PAGE_MAX = 65536 };      /* a multiple of every page size */

static void
release(void *p, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	/* The system would round up, over the neighbour's bytes. */
	if ((uintptr_t)p % page != 0 || n % page != 0)
		return;
	/* A failure leaves the pages resident: no harm but to the figure. */
#ifdef __linux__
	(void)madvise(p, n, MADV_DONTNEED);
#else
	(void)madvise(p, n, MADV_FREE);
#endif
}

bool
net_reserve(struct arena *a, size_t bytes)
{
	size_t whole, skip;
	uint8_t *p;

	/* A dead page before and behind, and what alignment may cost. */
	if (ckd_add(&whole, bytes, (size_t)4 * PAGE_MAX)) {
		errno = ENOMEM;
		return false;
	}
	whole -= whole % PAGE_MAX;
	p = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
	    MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return false;
	skip = (PAGE_MAX - (uintptr_t)p % PAGE_MAX) % PAGE_MAX;
	if (skip > 0)
		(void)munmap(p, skip);
	p += skip;
	whole -= PAGE_MAX;
	(void)munmap(p + whole, PAGE_MAX - skip);
	if (mprotect(p + PAGE_MAX, whole - (size_t)2 * PAGE_MAX,
	    PROT_READ | PROT_WRITE) != 0) {
		(void)munmap(p, whole);
		return false;
	}
#ifdef MADV_NOHUGEPAGE
	(void)madvise(p, whole, MADV_NOHUGEPAGE);
#endif
	*a = (struct arena){
		.p = p + PAGE_MAX,
		.cap = whole - (size_t)2 * PAGE_MAX,
		.release = release,
	};
	assert(a->cap >= bytes && (uintptr_t)a->p % PAGE_MAX == 0);
	return true;
}

void
net_unreserve(struct arena *a)
{
	if (a->p != NULL)
		(void)munmap(a->p - PAGE_MAX, a->cap + (size_t)2 * PAGE_MAX);
	*a = (struct arena){ 0 };
}
