/*
 * Names to addresses, without waiting: getaddrinfo blocks, so it runs in
 * helper processes. One of them looks after the others and starts a new one
 * when one is gone; each takes the next question from a socket that they
 * share, so that a slow name holds up nobody.
 *
 * Numbers, and localhost as RFC 6761 has it (127.0.0.1, ::1), are answered
 * without them.
 */
#ifndef ADIT_NET_RESOLVE_H
#define ADIT_NET_RESOLVE_H

#include <sys/types.h>

#include "base/io.h"

enum {
	RESOLVE_PENDING_MAX = 64,       /* questions at once */
	RESOLVE_NAME_MAX = 253,
	RESOLVE_WORKERS = 4,
	RESOLVE_TIMEOUT_MS = 10000,
};

struct resolve_cfg {
	unsigned workers;       /* 0: RESOLVE_WORKERS */
	uint32_t timeout_ms;    /* 0: RESOLVE_TIMEOUT_MS */
	/* The program's, or NULL: the helpers overwrite their copy with a
	 * title, since the command line may hold a token. */
	char **argv;
	/* Called in the helpers, first in the one that looks after the others,
	 * then in each of these: what they may do from there on. False ends
	 * it. NULL: nothing. */
	bool (*enter)(void *ctx, bool worker);
	void *enter_ctx;
	bool once;              /* they cannot be started again: see `gone` */
	/* Stands in for getaddrinfo in tests; NULL: the real one. Fills at
	 * most RESOLVE_MAX addresses and returns how many. */
	size_t (*lookup)(const char *name, struct addr *out);
};

struct resolve_slot {
	handle who;
	uint64_t due_ms;
	uint32_t seq;
	uint16_t port;
	uint8_t state;          /* free, asked, answered */
	uint8_t n;
	struct addr addrs[RESOLVE_MAX];
};

struct resolver {
	struct resolve_cfg cfg;
	int fd;                 /* to the helpers, nonblocking; -1: none now */
	bool gone;              /* cfg.once: they have ended */
	pid_t pid;              /* of the one that looks after the others */
	uint64_t retry_ms;      /* not before this are they started again */
	uint32_t seq;
	uint32_t used;          /* slots that are not free */
	struct resolve_slot slots[RESOLVE_PENDING_MAX];
};

/*
 * Start the helpers. To be called as early as possible: they have what the
 * process has at this time. False with errno set.
 */
bool resolver_open(struct resolver *r, const struct resolve_cfg *cfg);
/* What ps shows of this process from now on; argv's strings are overwritten.
 * NULL: nothing is done. */
void resolve_title(char **argv, struct slice title);
/* End the helpers and wait for them. */
void resolver_close(struct resolver *r);

/* The rest is for the kernel. */

/* Ask; false if RESOLVE_PENDING_MAX questions wait already. */
bool resolver_ask(struct resolver *r, struct slice name, uint16_t port,
    handle who, uint64_t now_ms);
/* Take what the helpers sent. True if r->fd is another one since. */
bool resolver_read(struct resolver *r, uint64_t now_ms);
/* The next answer, EV_RESOLVED; false if there is none. addrs must hold
 * RESOLVE_MAX; the event points to it. */
bool resolver_next(struct resolver *r, uint64_t now_ms, struct io_event *ev,
    struct addr *addrs);
/* When resolver_next has something at the latest. */
uint64_t resolver_due(const struct resolver *r);

#endif
