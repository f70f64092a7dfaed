/*
 * The world: clock, entropy, sockets, names and files, as one interface.
 *
 * The relay and the agent see nothing of the machine but this. The kernel
 * implements it in net/, the simulator and the fuzzers in tests/ with a
 * virtual clock and network; from inside nobody can tell which.
 *
 * Readiness is edge-triggered: a descriptor that is watched gets an event when
 * it becomes readable or writable, and no other until an operation on it said
 * IO_AGAIN. Descriptors are small numbers without meaning to the caller.
 */
#ifndef ADIT_BASE_IO_H
#define ADIT_BASE_IO_H

#include "base/addr.h"
#include "base/mem.h"
#include "base/slice.h"

enum {
	IO_EOF = 0,             /* io_read: the peer will send no more */
	IO_AGAIN = -1,          /* nothing now; an event will come */
	IO_FAIL = -2,           /* the connection is broken: close it */
	IO_REFUSED = -3,        /* connect, connected: nobody listens there */
};

enum {
	EV_READ = 1,            /* may be readable (or at its end) */
	EV_WRITE = 2,           /* may be writable; a connect is decided */
	EV_HUP = 4,             /* the peer closed its sending side, or all */
	EV_RESOLVED = 8,        /* io_resolve answers: addrs[0..naddrs) */
	EV_ANSWER = 16,         /* the keeper answers: see base/ask.h */
};

enum { RESOLVE_MAX = 8 };

struct io_event {
	handle who;
	uint32_t flags;
	uint32_t naddrs;        /* EV_RESOLVED: 0 means not found */
	const struct addr *addrs;
	const struct answer *answer;    /* EV_ANSWER */
};

struct ask;

struct io_ops {
	/* >0 bytes read, IO_EOF, IO_AGAIN, IO_FAIL */
	int64_t (*read)(void *ctx, int fd, uint8_t *p, size_t n);
	/* >0 bytes written (may be short), IO_AGAIN, IO_FAIL */
	int64_t (*writev)(void *ctx, int fd, const struct slice *v, size_t n);
	/* a descriptor, IO_AGAIN, or IO_FAIL (out of descriptors, ...) */
	int (*accept)(void *ctx, int fd, struct addr *peer);
	/* Start to connect; a descriptor, IO_REFUSED or IO_FAIL. EV_WRITE
	 * decides. With ADDR_UNIX the path is given beside it. */
	int (*connect)(void *ctx, const struct addr *to, struct slice path);
	/* After EV_WRITE: 0 connected, IO_AGAIN not yet, IO_REFUSED, or
	 * IO_FAIL unreachable or timed out */
	int (*connected)(void *ctx, int fd);
	/* Send events of fd to `who` from now on, the present state first. */
	bool (*watch)(void *ctx, int fd, handle who);
	/* Send no more: the peer reads an end. */
	void (*shutdown)(void *ctx, int fd);
	/* Close. `abort`: the peer sees a reset, unsent bytes are dropped. */
	void (*close)(void *ctx, int fd, bool abort);
	/* A hint that fd carries a tunnel: keep its unsent queue short. */
	void (*bulk)(void *ctx, int fd);
	/* Look `name` up; EV_RESOLVED with `port` filled in goes to `who`. */
	bool (*resolve)(void *ctx, struct slice name, uint16_t port,
	    handle who);
	/* n unpredictable bytes */
	void (*random)(void *ctx, uint8_t *p, size_t n);
	/* Ask the keeper (base/ask.h); false if its queue is full. */
	bool (*ask)(void *ctx, const struct ask *q);
	/* Write the file `name` of the data directory whole: new content is
	 * durable before the old is gone. False, and the old stays, if not. */
	bool (*save)(void *ctx, struct slice name, struct slice content);
	/* Speak TLS as the client on the connected fd from now on; `host` is
	 * the name to verify, empty for an address. connected() then tells
	 * when the handshake is done. False: no room for one more. */
	bool (*tls)(void *ctx, int fd, struct slice host);
	/* Append why TLS on fd failed, if it did: one line for people. */
	void (*why)(void *ctx, int fd, struct buf *b);
};

struct io {
	const struct io_ops *ops;
	void *ctx;
	uint64_t now_ms;        /* monotonic, of this turn */
	uint64_t wall_ms;       /* Unix time in milliseconds, of this turn */
	/* Space for one call's own use, at least IO_SCRATCH bytes. Nobody may
	 * keep anything in it across a call that gets `io`. */
	uint8_t *scratch;
};

enum { IO_SCRATCH = 256 * 1024 };

static inline int64_t
io_read(const struct io *io, int fd, uint8_t *p, size_t n)
{
	return io->ops->read(io->ctx, fd, p, n);
}

static inline int64_t
io_write(const struct io *io, int fd, struct slice s)
{
	return io->ops->writev(io->ctx, fd, &s, 1);
}

static inline int64_t
io_writev(const struct io *io, int fd, const struct slice *v, size_t n)
{
	return io->ops->writev(io->ctx, fd, v, n);
}

static inline void
io_random(const struct io *io, void *p, size_t n)
{
	io->ops->random(io->ctx, p, n);
}

#endif
