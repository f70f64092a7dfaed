/*
 * Arithmetic on numbers that a peer chose. The checked operations return true
 * on overflow and leave the result unspecified, as C23's stdckdint.h does.
 */
#ifndef ADIT_BASE_NUM_H
#define ADIT_BASE_NUM_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ckd_add(r, a, b) __builtin_add_overflow((a), (b), (r))
#define ckd_mul(r, a, b) __builtin_mul_overflow((a), (b), (r))

/* Narrowing where the value is known to fit: an assertion, not a check. */
static inline uint8_t
to_u8(uint64_t v)
{
	assert(v <= UINT8_MAX);
	return (uint8_t)v;
}

static inline uint16_t
to_u16(uint64_t v)
{
	assert(v <= UINT16_MAX);
	return (uint16_t)v;
}

static inline uint32_t
to_u32(uint64_t v)
{
	assert(v <= UINT32_MAX);
	return (uint32_t)v;
}

static inline size_t
to_size(uint64_t v)
{
	assert((uint64_t)(size_t)v == v);
	return (size_t)v;
}

static inline size_t
max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

static inline size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The entries of a hash table for n things: a power of two, n or more. */
static inline uint32_t
table_size(uint32_t n)
{
	uint32_t p = 16;

	assert(n <= UINT32_C(1) << 31);
	while (p < n)
		p *= 2;
	return p;
}

static inline uint64_t
max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * A rate: `burst` at once, and one more with each tick of a clock. *full is the
 * tick at which all are there again, 0 in the beginning. False: none is left.
 */
static inline bool
rate_has(uint64_t full, uint64_t tick, uint64_t burst)
{
	return max_u64(full, tick) - tick < burst;
}

static inline bool
rate_take(uint64_t *full, uint64_t tick, uint64_t burst)
{
	if (!rate_has(*full, tick, burst))
		return false;
	*full = max_u64(*full, tick) + 1;
	return true;
}

#endif
