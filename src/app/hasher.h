/*
 * The hasher: the process in which passwords are stretched (crypto/scrypt.h),
 * since that takes a third of a second and 32 MiB, and the keeper has others
 * to answer meanwhile. It is forked by the keeper before that has read a
 * secret, has no file and no network, and does one job after the other: the
 * keeper gives it the next when the last is done.
 *
 * Its memory is reserved address space that is given back after each job. The
 * pages cannot be dumped; they are not locked against swapping, as few systems
 * allow that for 32 MiB: they are wiped before they are given back.
 *
 * It ends when its socket closes.
 */
#ifndef ADIT_APP_HASHER_H
#define ADIT_APP_HASHER_H

#include "state/keeper.h"

struct hasher_cfg {
	struct scrypt_cost cost;        /* jobs of at most this memory */
	/* In the new process: close and forget what it shall not have, enter
	 * the sandbox. False ends it. */
	bool (*enter)(void *ctx);
	void *ctx;
};

/* What one stretching at this cost takes, and the process besides. */
uint64_t hasher_bytes(struct scrypt_cost cost);

/* Fork it. Our socket, which is ready to read when a result is there, or -1
 * with errno. */
int hasher_open(const struct hasher_cfg *cfg);
/* Give it a job; none is under way. False: it has ended. */
bool hasher_start(int fd, const struct keeper_job *j);
/* E_OK, E_MORE (none yet), E_EOF (it has ended). r->ok is false for a job that
 * needs more memory than was said at the start. */
enum err hasher_result(int fd, struct keeper_result *r);

/* The work itself, in this process; `area` is scrypt_area(j->cost) bytes. */
void hasher_work(const struct keeper_job *j, void *area,
    struct keeper_result *r);

#endif
