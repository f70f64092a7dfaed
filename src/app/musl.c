/*
 * What only the shipped binary needs, which is linked with musl. Empty with
 * glibc.
 *
 * A start of our own (x86-64): a position-independent program has to add its
 * address to each pointer in its tables before anything runs. musl 1.2.3 knows
 * the long form of that list only, 24 bytes a pointer; the short form (DT_RELR)
 * makes the binary 20 KB smaller, so it is read here, and musl's start follows.
 * musl 1.2.4 and later know it too, and would add the address twice: they find
 * an empty list.
 *
 * RELRO: a static program has no loader, and nobody makes those tables
 * read-only once they are filled in. Here it is done before main.
 *
 * Debian's libbearssl.a was compiled with _FORTIFY_SOURCE, so that some calls
 * go to a checked form with the size of the destination behind; musl has none
 * of them. And tools/musl/assert.h wants its other half.
 */
#include <features.h>

#ifndef __GLIBC__
#include <assert.h>
#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where the program is: the linker puts its ELF header at address 0. */
extern const uint8_t __ehdr_start[] __attribute__((visibility("hidden")));

#ifdef __x86_64__
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

/* As the kernel enters it: nothing is set up, and rsp must stay as it is. */
__asm__(
    ".text\n"
    ".global adit_start\n"
    "adit_start:\n"
    "	call adit_relocate\n"
    "	jmp _start\n");

void adit_relocate(void);

/*
 * A list of words: an even one is the address of a pointer; an odd one is a
 * bitmap of the 63 that follow the last place. Compiled without stack
 * protector: there is no canary yet.
 */
__attribute__((used)) void
adit_relocate(void)
{
	uintptr_t base = (uintptr_t)__ehdr_start;
	const uintptr_t *list = NULL;
	uintptr_t *at = NULL;
	size_t n = 0;

	for (ElfW(Dyn) *d = _DYNAMIC; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_RELR)
			list = (const uintptr_t *)(base + d->d_un.d_ptr);
		if (d->d_tag == DT_RELRSZ) {
			n = d->d_un.d_val / sizeof *list;
			d->d_un.d_val = 0;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if ((list[i] & 1) == 0) {
			at = (uintptr_t *)(base + list[i]);
			*at++ += base;
			continue;
		}
		for (size_t bit = 1; bit < 64; bit++) {
			if ((list[i] >> bit & 1) != 0)
				at[bit - 1] += base;
		}
		at += 63;
	}
}
#endif

__attribute__((constructor)) static void
seal_tables(void)
{
	const ElfW(Ehdr) *eh = (const ElfW(Ehdr) *)(const void *)__ehdr_start;
	const ElfW(Phdr) *ph = (const ElfW(Phdr) *)(const void *)
	    (__ehdr_start + eh->e_phoff);
	uintptr_t page = (uintptr_t)getauxval(AT_PAGESZ);

	for (size_t i = 0; i < eh->e_phnum; i++) {
		uintptr_t from = (uintptr_t)__ehdr_start + ph[i].p_vaddr;
		uintptr_t to = (from + ph[i].p_memsz) & -page;

		from &= -page;
		if (ph[i].p_type == PT_GNU_RELRO && to > from &&
		    mprotect((void *)from, to - from, PROT_READ) != 0)
			abort();
	}
}

void *__memcpy_chk(void *, const void *, size_t, size_t);
void *__memmove_chk(void *, const void *, size_t, size_t);
void *__memset_chk(void *, int, size_t, size_t);

void *
__memcpy_chk(void *dst, const void *src, size_t n, size_t dst_size)
{
	if (n > dst_size)
		abort();
	return memcpy(dst, src, n);
}

void *
__memmove_chk(void *dst, const void *src, size_t n, size_t dst_size)
{
	if (n > dst_size)
		abort();
	return memmove(dst, src, n);
}

void *
__memset_chk(void *dst, int byte, size_t n, size_t dst_size)
{
	if (n > dst_size)
		abort();
	return memset(dst, byte, n);
}

/* "adit: src/x.c:42: assertion failed", without anything that could itself
 * be what is broken. */
_Noreturn void
adit_assert_failed(const char *file, int line)
{
	char text[16] = ":";
	size_t n = 0, at = sizeof text;

	while (file[n] != 0)
		n++;
	do
		text[--at] = (char)('0' + line % 10);
	while ((line /= 10) > 0 && at > 2);
	text[--at] = ':';
	(void)write(2, "adit: ", 6);
	(void)write(2, file, n);
	(void)write(2, text + at, sizeof text - at);
	(void)write(2, ": assertion failed\n", 19);
	abort();
}

/* ---- the allocator that adit does not use --------------------------- */

/*
 * getaddrinfo (in the helpers) and getifaddrs (at start) allocate a little and
 * free all of it before the next call. This is enough for them, and 7 KB less
 * than musl's: a span that is used from the front, and again from the front
 * when nothing of it is in use.
 */
enum { HEAP_BYTES = 256 * 1024, HEAP_ALIGN = 16 };

static struct {
	_Alignas(HEAP_ALIGN) uint8_t span[HEAP_BYTES];
	size_t used, live;
} heap;

void *
malloc(size_t n)
{
	uint8_t *p = heap.span + heap.used;
	size_t whole = (n + HEAP_ALIGN) & ~(size_t)(HEAP_ALIGN - 1);

	if (n > HEAP_BYTES || whole > HEAP_BYTES - heap.used)
		return NULL;
	heap.used += whole;
	heap.live++;
	return p;
}

void *
calloc(size_t n, size_t size)
{
	size_t all;
	void *p;

	if (__builtin_mul_overflow(n, size, &all))
		return NULL;
	p = malloc(all);
	return p == NULL ? NULL : memset(p, 0, all);
}

/* Nobody knows how long the old one was, so as much as there can be. */
void *
realloc(void *old, size_t n)
{
	uint8_t *p = malloc(n);

	if (p != NULL && old != NULL) {
		memcpy(p, old, n < (size_t)(p - (uint8_t *)old) ? n :
		    (size_t)(p - (uint8_t *)old));
		heap.live--;
	}
	return p;
}

void
free(void *p)
{
	if (p != NULL && --heap.live == 0)
		heap.used = 0;
}
#endif
