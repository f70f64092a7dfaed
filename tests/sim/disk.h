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

#include "state/store.h"
#include "world.h"

/* The disk of that host: its io's save goes to it, and world_file reads it. */
void disk_begin(struct world_host *h);
void disk_end(void);
/* The same for the keeper. */
struct store_io disk_store(void);
/* Power is lost at the n-th step from now on, or the process is killed there:
 * the host is suspended then, and nothing that is done counts any more. 0: not
 * any more. Whether it has happened. */
void disk_lose_power(unsigned n);
void disk_kill(unsigned n);
bool disk_is_off(void);
/* It starts again, after a power loss now unless it was one of these. */
void disk_after_power_loss(void);
/* Was it the process that was killed, the last time? */
bool disk_after_kill(void);
/* Writes fail: the disk is full. Or only the n-th from now on does. So many
 * did so far. */
void disk_fill(bool full);
bool disk_is_full(void);
void disk_fill_once(unsigned n);
unsigned disk_refused(void);

#endif
