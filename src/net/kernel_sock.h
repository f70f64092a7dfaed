/*
 * Descriptors: what kernel.c does with them. Only the files kernel*.c include
 * this.
 */
#ifndef ADIT_NET_KERNEL_SOCK_H
#define ADIT_NET_KERNEL_SOCK_H

#include "net/kernel.h"

/* These are members of kernel_ops, with the contracts of struct io_ops. */
int64_t kernel_read(void *ctx, int fd, uint8_t *p, size_t n);
int64_t kernel_writev(void *ctx, int fd, const struct slice *v, size_t n);
int kernel_accept(void *ctx, int fd, struct addr *peer);
int kernel_connect(void *ctx, const struct addr *to, struct slice path);
int kernel_connected(void *ctx, int fd);
bool kernel_watch(void *ctx, int fd, handle who);
void kernel_shutdown(void *ctx, int fd);
void kernel_close(void *ctx, int fd, bool abort);
void kernel_bulk(void *ctx, int fd);
bool kernel_starttls(void *ctx, int fd, struct slice host);
void kernel_why(void *ctx, int fd, struct buf *b);

/* The system's calls, as tls_transport wants them: bytes, IO_AGAIN, IO_FAIL,
 * and for kernel_recv IO_EOF. */
int64_t kernel_recv(struct kernel *k, int fd, uint8_t *p, size_t n);
int64_t kernel_send(struct kernel *k, int fd, const uint8_t *p, size_t n);

#endif
