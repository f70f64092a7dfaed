/*
 * Descriptors that speak TLS: what kernel.c does differently with them. Only
 * kernel.c and loop.c include this.
 */
#ifndef ADIT_NET_KERNEL_TLS_H
#define ADIT_NET_KERNEL_TLS_H

#include "net/kernel.h"

enum { KERNEL_TLS_MS = 10 * 1000 };     /* for a handshake, or to close */

size_t kernel_tls_bytes(const struct kernel_cfg *cfg);
void kernel_tls_init(struct kernel *k, struct arena *a);
/* By kernel_fd.tls. */
struct kernel_tls *kernel_tls_at(struct kernel *k, uint32_t number);

/* Begin on fd, which is in the table. False: none is free. */
bool kernel_tls_accept(struct kernel *k, int fd);
bool kernel_tls_connect(struct kernel *k, int fd, struct slice host);

int64_t kernel_tls_read(struct kernel_tls *t, uint8_t *p, size_t n);
int64_t kernel_tls_writev(struct kernel_tls *t, const struct slice *v,
    size_t n);
int kernel_tls_shake(struct kernel_tls *t);
void kernel_tls_shutdown(struct kernel_tls *t);
/* True: the descriptor is kept until the last bytes have left, and closed by
 * kernel_tls_event or kernel_woken. False: close it now; *t is gone. */
bool kernel_tls_close(struct kernel_tls *t, bool abort);
void kernel_tls_why(struct kernel_tls *t, struct buf *b);
/* It has an owner (again), who wants to know its state. */
void kernel_tls_watched(struct kernel_tls *t);
/* The poller reported these flags: which ones are for the owner? */
uint32_t kernel_tls_event(struct kernel_tls *t, uint32_t flags);
uint64_t kernel_tls_due(const struct kernel *k);

/* kernel.c: the system's calls, as tls_transport wants them. */
int64_t kernel_recv(struct kernel *k, int fd, uint8_t *p, size_t n);
int64_t kernel_send(struct kernel *k, int fd, const uint8_t *p, size_t n);

#endif
