/*
 * The two clocks, in milliseconds.
 */
#ifndef ADIT_NET_CLOCK_H
#define ADIT_NET_CLOCK_H

#include <stdint.h>

/*
 * Monotonic, and running on while the machine is suspended where the system
 * has such a clock (CLOCK_BOOTTIME): a laptop that wakes up finds its
 * deadlines passed, drops the tunnel that the relay has given up long ago, and
 * dials at once.
 */
uint64_t net_now_ms(void);
/* Unix time. */
uint64_t net_wall_ms(void);

#endif
