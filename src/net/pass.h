/*
 * Messages with descriptors, between processes of one machine: a Unix socket
 * in a directory of ours, which keeps messages whole (SOCK_SEQPACKET).
 */
#ifndef ADIT_NET_PASS_H
#define ADIT_NET_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PASS_FDS_MAX = 128 };    /* of one message; Linux: 253 at most */

/*
 * pass_listen: a listening socket NAME in the open directory `dir`, mode 0600,
 * not blocking, instead of whatever had that name. pass_connect: a connection
 * to it, which waits for an answer, and for room, no longer than `wait_ms`.
 * -1 with errno; ENOTSUP where a directory's descriptor has no path (Linux: it
 * has one, in /proc).
 */
int pass_listen(int dir, const char *name);
int pass_connect(int dir, const char *name, unsigned wait_ms);

/* Send n bytes, and nfds (at most PASS_FDS_MAX) descriptors. */
bool pass_send(int fd, const void *p, size_t n, const int *fds, size_t nfds);
/*
 * Receive one message of at most `cap` bytes: its length, 0 at the end, -1
 * with errno (EMSGSIZE: it was longer, or brought more than PASS_FDS_MAX
 * descriptors or than this process may have). *nfds of fds[] are the caller's
 * to close, closed on exec.
 */
ssize_t pass_receive(int fd, void *p, size_t cap, int fds[PASS_FDS_MAX],
    size_t *nfds);
/* Whose process is at the other end. */
bool pass_peer(int fd, uint32_t *uid);

#endif
