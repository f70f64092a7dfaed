/*
 * The kernel: struct io_ops of base/io.h on the system's calls. It owns the
 * poller and a table with the owner of each descriptor.
 *
 * Everything that it opens is nonblocking and closed on exec. No signal other
 * than those given is handled; SIGPIPE is ignored. One thread.
 */
#ifndef ADIT_NET_KERNEL_H
#define ADIT_NET_KERNEL_H

#include "base/ask.h"
#include "base/err.h"
#include "base/io.h"
#include "net/data.h"
#include "net/poller.h"
#include "net/resolve.h"
#include "net/tls.h"

enum {
	KERNEL_EVENTS = 256,            /* reports taken at once */
	KERNEL_ANSWERS_MAX = 128,       /* waiting to be delivered */
	KERNEL_RANDOM = 256,
	/* Our own: standard streams, poller, lock, helpers, reserve ... */
	KERNEL_FDS_OWN = 16,
};

struct kernel_cfg {
	uint32_t fds_max;       /* descriptors of the process, all of them */
	int signals[POLLER_SIGNALS_MAX];
	size_t nsignals;
	struct resolver *resolver;      /* open; NULL: resolve finds nothing */
	struct data *data;              /* open; NULL: save fails */
	/* ask(): the keeper, NULL: says no. It answers by kernel_answer, at
	 * once or later. */
	bool (*ask)(void *ctx, const struct ask *q);
	void *ask_ctx;
	/* Where the keeper's answers come from, if from a descriptor: it is
	 * called when there may be some, and reads until there are none. */
	int ask_fd;
	void (*ask_ready)(void *ctx);
	/* TLS connections at once; each takes kernel_tls_item_bytes. */
	uint32_t tls_max;
	uint32_t tls_out_bytes;         /* TLS_OUT_BYTES, TLS_OUT_BULK_BYTES */
	const struct tls_server *tls_server;    /* for kernel_listen_tls */
	const struct tls_trust *tls_trust;      /* for io_ops.tls */
};

struct kernel_fd {
	handle who;
	uint32_t gen;           /* goes up at each watch and close */
	uint32_t retry : 1;     /* accept failed: look again at retry_ms */
	uint32_t secure : 1;    /* a listener whose clients speak TLS */
	uint32_t dry : 1;       /* the last read was short: nothing is left */
	uint32_t full : 1;      /* the last write was short */
	uint32_t hup : 1;       /* its end was reported: reads go on to it */
	uint32_t tls : 24;      /* index of its TLS connection + 1; 0: none */
};

struct kernel_tls;

/* How a handshake ended. */
enum { KERNEL_FULL, KERNEL_RESUMED, KERNEL_FAILED, KERNEL_SHAKES };

/* Connections that speak TLS: see kernel_tls.c. */
struct kernel_secure {
	struct pool pool;               /* struct kernel_tls */
	struct kernel_tls *wake, *wake_last;    /* first in, first out */
	struct kernel_tls *timed, *timed_last;  /* by deadline */
	uint32_t wakes;                 /* in the list, to deliver this turn */
	uint32_t shakes_left;           /* handshake steps of this turn */
	uint64_t shakes[KERNEL_SHAKES]; /* of servers, since the start */
};

struct kernel {
	struct kernel_cfg cfg;
	struct poller poller;
	struct kernel_fd *fds;          /* cfg.fds_max of them */
	struct answer *answers;         /* first in, first out */
	uint32_t answers_head, answers_tail;
	uint64_t retry_ms;      /* UINT64_MAX: no listener waits for it */
	int reserve;            /* given up to accept and drop a connection */
	int error;              /* errno of the last IO_FAIL, for logs */
	uint64_t dropped;       /* connections accepted only to be closed */
	struct kernel_secure secure;
	size_t random_n;        /* unused bytes at the end of random */
	uint8_t random[KERNEL_RANDOM];
	struct addr addrs[RESOLVE_MAX];
	uint8_t *scratch;
};

/* What kernel_init takes from the arena, at most. */
size_t kernel_bytes(const struct kernel_cfg *cfg);
/*
 * The limit of open files is raised to cfg->fds_max if it is lower and the
 * system lets us; to how many it came is in k->cfg.fds_max afterwards.
 * E_IO with errno set if there is no poller or no entropy.
 */
enum err kernel_init(struct kernel *k, const struct kernel_cfg *cfg,
    struct arena *a);
/* Close what it opened itself (tests; a program just ends). */
void kernel_free(struct kernel *k);

extern const struct io_ops kernel_ops;          /* ctx: struct kernel */

/* Let `a` go to a->who as EV_ANSWER, in this turn or the next. It is copied.
 * False if KERNEL_ANSWERS_MAX are waiting. */
bool kernel_answer(struct kernel *k, const struct answer *a);
static inline uint32_t
kernel_answers_left(const struct kernel *k)
{
	return KERNEL_ANSWERS_MAX - (k->answers_tail - k->answers_head);
}

/* No more events of fd, which another process has too: close it then. */
void kernel_forget(struct kernel *k, int fd);
/* What is accepted from this listening socket speaks TLS. Where tls_max are
 * there already, connections are closed as they come (`dropped`). */
void kernel_listen_tls(struct kernel *k, int fd);
/* What one TLS connection takes of the arena. */
size_t kernel_tls_item_bytes(uint32_t out_bytes);

/* The rest is for the loop. */

/* A turn begins: handshakes have their share again. */
void kernel_turn(struct kernel *k);
/* The next event that is not the poller's: plaintext waits, a handshake was
 * put off or came to its deadline. */
bool kernel_woken(struct kernel *k, struct io_event *ev, uint64_t now_ms);

/* When the kernel itself wants to be looked after. */
uint64_t kernel_due(const struct kernel *k);
/* What a report means to its owner; false if it has none any more. */
bool kernel_event(struct kernel *k, const struct poller_event *v,
    struct io_event *ev, uint64_t now_ms);
/* The next name that was looked up; the event's addresses stay until the
 * next call. */
bool kernel_resolved(struct kernel *k, struct io_event *ev, uint64_t now_ms);
/* The next answer before number `last`; it is freed by kernel_answer_done. */
bool kernel_answered(struct kernel *k, struct io_event *ev, uint32_t last);
void kernel_answer_done(struct kernel *k);
/* Wake the owners of listeners that ran out of descriptors. */
void kernel_retry(struct kernel *k, uint64_t now_ms);

#endif
