/*
 * Descriptors that speak TLS: what is done differently with them. Only the
 * files kernel*.c include this.
 */
#ifndef ADIT_NET_KERNEL_TLS_H
#define ADIT_NET_KERNEL_TLS_H

#include "net/kernel.h"

enum { KERNEL_TLS_MS = 10 * 1000 };     /* for a handshake, or to close */

/* What kernel_tls_init takes of the arena, at most. */
size_t kernel_tls_bytes(const struct kernel_cfg *cfg);
void kernel_tls_init(struct kernel *k, struct arena *a);
/* The connection of that number, which is a kernel_fd.tls and not 0. */
struct kernel_tls *kernel_tls_at(struct kernel *k, uint32_t number);

/* Begin on fd, which is in the table, as the server or as the client of
 * `host` (for its certificate). False: none is free. */
bool kernel_tls_accept(struct kernel *k, int fd);
bool kernel_tls_connect(struct kernel *k, int fd, struct slice host);

/* As the members of struct io_ops, of which these are what TLS makes. */
int64_t kernel_tls_read(struct kernel_tls *t, uint8_t *p, size_t n);
int64_t kernel_tls_writev(struct kernel_tls *t, const struct slice *v,
    size_t n);
int kernel_tls_shake(struct kernel_tls *t);
void kernel_tls_shutdown(struct kernel_tls *t);
/* True: the descriptor is kept until the last bytes have left, and closed by
 * kernel_tls_event or kernel_woken. False: close it now; *t is gone. */
bool kernel_tls_close(struct kernel_tls *t, bool abort);
/* What the last IO_FAIL was about, for a log. */
void kernel_tls_why(struct kernel_tls *t, struct buf *b);
/* It has an owner (again), who wants to know its state. */
void kernel_tls_watched(struct kernel_tls *t);
/* The poller reported these flags: which ones are for the owner? */
uint32_t kernel_tls_event(struct kernel_tls *t, uint32_t flags);
/* When the next deadline is, or something waits to be delivered. */
uint64_t kernel_tls_due(const struct kernel *k);

#endif
