/*
 * The vault: the process that holds the keeper, and with it the JWT secret, the
 * password, the agents' token and the relay's private keys. It is forked before
 * a byte comes from the network, reads no socket but the two to the process
 * that does, and writes the relay's files for it: that one can open none.
 *
 * Questions (base/ask.h) go through the first socket, one message each, and
 * are answered later, in any order: a password takes a third of a second. Notes
 * come the same way. Of a message's last member, `text`, only the used bytes
 * travel. Neither side ever waits to send: what finds no room stays where it
 * is until there is some.
 *
 * Calls go through the second socket and are waited for, with a deadline: a
 * signature for TLS, since BearSSL cannot wait, a file to be written, a look at
 * the certificates. What does not fit a message lies in memory that both share;
 * neither follows a length in it.
 *
 * It ends when its sockets close, however the other process ended.
 */
#ifndef ADIT_APP_VAULT_H
#define ADIT_APP_VAULT_H

#include <poll.h>
#include <sys/types.h>

#include "base/ask.h"
#include "crypto/cert.h"
#include "crypto/ct.h"

enum {
	VAULT_ASKS_MAX = 24,    /* sent and not answered: so many of the
	                         * longest answers fit Linux's usual buffer,
	                         * 208 KiB */
	VAULT_QUEUE = 128,      /* waiting here to be sent, at most */
	VAULT_POLL_MAX = 8,     /* descriptors of vault_ops.watch */
	VAULT_SHARED_BYTES = 256 * 1024,
	VAULT_SIGN_MS = 100,
	VAULT_SLOW_MS = 5000,   /* for files */
	VAULT_END_MS = 2000,
	VAULT_BYTES = 64,       /* of a call: a hash, a file's name */
};

enum vault_kind {
	VAULT_SIGN = 1,         /* arg: certificate, id: hash; bytes: hash */
	VAULT_SAVE,             /* bytes: name; content: shared */
	VAULT_LOOK,             /* certificates on disk; see serve_tls.c */
	VAULT_CHAIN,            /* arg: pair; PEM into shared */
	VAULT_FREEZE,           /* arg: enum vault_freeze */
	VAULT_SERVES,           /* the other process serves from here on */
};

/* Of its files: another process takes them over (app/takeover.h). */
enum vault_freeze {
	VAULT_THAWED, VAULT_FROZEN,
	VAULT_UNLOCKED,         /* frozen for good, and without the lock */
};

struct vault_call {
	uint32_t kind, seq;
	uint32_t arg, id;
	uint64_t wall_ms;
	uint32_t shared_n;      /* bytes in the shared memory */
	uint32_t n;
	uint8_t bytes[VAULT_BYTES];
};

struct vault_reply {
	uint32_t kind, seq;
	uint32_t ok;
	uint32_t n;             /* of bytes, or in the shared memory */
	uint8_t bytes[SIGNATURE_MAX];
};

/* The first message of the vault, once it has its secrets. */
struct vault_hello {
	bool token_made;        /* at this start */
	struct secret token;    /* for an agent in the same process, else
	                         * empty */
	uint8_t mode[16];       /* of the keeper: a name, and NULs */
	uint8_t code[32];       /* the setup code, if it may be shown */
};

/* What is done inside. */
struct vault_ops {
	/* EXIT_GO_ON, or the exit code after it has told why. */
	int (*open)(void *ctx, struct vault_hello *h);
	/* False: the answer comes later, by `next`. */
	bool (*answer)(void *ctx, struct ask *q, struct answer *a);
	/* An answer that was put off, or a note; false: none now. What there
	 * is after `answer` is sent before that answer. */
	bool (*next)(void *ctx, struct answer *a);
	void (*call)(void *ctx, const struct vault_call *c,
	    struct vault_reply *r, uint8_t *shared);
	/* Descriptors of its own to wait for: how many of p[VAULT_POLL_MAX]
	 * are filled; *ms is lowered to when it wants `ready` at the latest.
	 * Then what came of them. */
	size_t (*watch)(void *ctx, struct pollfd *p, int *ms);
	void (*ready)(void *ctx, const struct pollfd *p, size_t n);
};

struct vault {
	int fd, call_fd;        /* -1: there is none */
	pid_t pid;
	uint8_t *shared;
	uint32_t seq;           /* of calls */
	uint32_t sent;          /* and not answered */
	uint32_t head, tail;    /* of the queue */
	struct ask queue[VAULT_QUEUE];
};

/*
 * vault_open: fork, and wait until `open` inside is done. EXIT_GO_ON with *h
 * filled, or the exit code; whichever side failed has told why.
 */
int vault_open(struct vault *v, const struct vault_ops *ops, void *ctx,
    struct vault_hello *h);
/* Let it finish what it does, and end. */
void vault_close(struct vault *v);

/* Ask; false if VAULT_QUEUE wait already. */
bool vault_ask(struct vault *v, const struct ask *q);
/* Questions that will be answered. */
static inline uint32_t
vault_pending(const struct vault *v)
{
	return v->sent + (v->tail - v->head);
}
/* The next answer or note: E_OK, E_MORE (none now), E_EOF (the vault has
 * ended). */
enum err vault_answer(struct vault *v, struct answer *a);
/* Make a call; false after ms_max without a reply. r->ok is the vault's. */
bool vault_call(struct vault *v, struct vault_call *c, struct vault_reply *r,
    uint32_t ms_max);

#endif
