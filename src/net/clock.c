/*
 * Clocks. Both are read through the vDSO where there is one: a turn of the
 * loop reads them once, and costs no system call for it.
 */
#include "net/clock.h"

#include <assert.h>
#include <time.h>

static uint64_t
clock_ms(clockid_t id)
{
	struct timespec ts;
	int r = clock_gettime(id, &ts);

	assert(r == 0 && ts.tv_sec >= 0);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t
net_now_ms(void)
{
#ifdef CLOCK_BOOTTIME
	return clock_ms(CLOCK_BOOTTIME);
#else
	return clock_ms(CLOCK_MONOTONIC);
#endif
}

uint64_t
net_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}
