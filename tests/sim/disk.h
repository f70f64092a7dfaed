/*
 * The relay's disk in the simulator, below the real net/data.c: that file is
 * compiled once more with its system calls renamed (disk_posix.h) to those of
 * disk.c, which keep one flat directory of files in memory, twice: as programs
 * see it and as it is durable. fsync of a file makes its content durable, of
 * the directory its names. A power loss keeps what is durable, and of the rest
 * some: each content that was not synced is old, new or torn; each change of a
 * name that was not synced has happened or has not, whatever came before it.
 */
#ifndef ADIT_TESTS_DISK_H
#define ADIT_TESTS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "world.h"

/* The disk of that host: its io's save goes to it, and world_file reads it. */
void disk_begin(struct world_host *h);
void disk_end(void);
/* Power is lost at the n-th step from now on: the host is suspended then.
 * 0: not any more. Whether it was lost. */
void disk_lose_power(unsigned n);
bool disk_is_off(void);
/* The machine starts again, after a power loss now unless there was one. */
void disk_after_power_loss(void);
/* Writes fail: the disk is full. */
void disk_fill(bool full);

#endif
