/*
 * Hot upgrade: `adit relay --takeover` takes the place of the relay that runs
 * on the same data directory, without a request failing. The two speak over
 * DATA/relay/takeover, a Unix socket of mode 0600 in a directory of mode 0700;
 * the other side must be of the same account, or root.
 *
 *   new                               old
 *   reads and checks its settings
 *   ASK                          ->
 *                                <-   SOCKETS: all that it listens on, and the
 *                                     takeover's own socket
 *   takes those that its settings
 *   name, binds what is missing
 *   READY                        ->   waits until no request waits for an agent
 *                                     accepts nobody any more; saves; its
 *                                     keeper writes nothing from here on
 *                                <-   FROZEN: the data directory's lock
 *   reads the state, starts its
 *   keeper, shuts its sandbox
 *   DONE                         ->   lets go of lock and sockets, sends its
 *   serves                            agents away, drains, ends
 *
 * The order is what makes it safe. State is read after the last write to it,
 * and the lock is never free in between, since it is the same open file. The
 * takeover has happened when DONE lies in the old one's queue: until then
 * whatever goes wrong (an error, an end, ten seconds without a word) means that
 * the old one thaws and goes on as if nothing had been, and the new one, which
 * has not accepted anybody, ends with exit code 1. Before it gives up, the old
 * one shuts the socket and only then looks whether DONE came: so both always
 * agree. Who connects meanwhile waits in the system's queue, which belongs to
 * the socket and passes with it.
 *
 * What does not pass: connections and tunnels (they end in the old one; agents
 * come back at once), the TLS session cache, counted login attempts.
 */
#ifndef ADIT_APP_TAKEOVER_H
#define ADIT_APP_TAKEOVER_H

#include "app/sandbox.h"
#include "base/io.h"
#include "net/pass.h"
#include "relay/relay.h"

enum {
	TAKEOVER_MAGIC = 0x61646974,    /* "adit" */
	TAKEOVER_VERSION = 1,           /* of the messages */
	TAKEOVER_STEP_MS = 10 * 1000,   /* for the other's next message */
	TAKEOVER_TEXT = 128,
};

enum takeover_kind {
	TAKEOVER_ASK = 1,
	TAKEOVER_SOCKETS,       /* n sockets; text: how they were opened */
	TAKEOVER_READY,
	TAKEOVER_FROZEN,        /* the lock; text: relay_first_app */
	TAKEOVER_DONE,
	TAKEOVER_REFUSED,       /* text: why */
	TAKEOVER_KINDS
};

/* The one form of all messages. Whatever the version, magic and version stand
 * first, so that another one can be told from garbage. */
struct takeover_msg {
	uint32_t magic;
	uint16_t version, kind;
	uint16_t fds;           /* that come with it */
	uint16_t left;          /* SOCKETS: that come in later ones */
	uint32_t n;             /* bytes of text */
	uint8_t text[TAKEOVER_TEXT];
};

/*
 * takeover_check: is it a message of `kind`, whole, with this many descriptors?
 *   E_OK
 *   E_AUTH    *m is a refusal (its text is bounded)
 *   E_RANGE   another version's: m->version is which
 *   E_SYNTAX  anything else
 */
enum err takeover_check(const struct takeover_msg *m, size_t bytes,
    size_t fds, enum takeover_kind kind);

enum takeover_state {
	TAKEOVER_NONE,          /* nobody asks */
	TAKEOVER_ASKED,         /* connected; ASK is to come */
	TAKEOVER_GIVEN,         /* sockets were sent; READY is to come */
	TAKEOVER_WANTED,        /* READY came; not now */
	TAKEOVER_HELD,          /* frozen; DONE is to come */
	TAKEOVER_GONE,          /* the other one serves; its end is to come */
};

struct takeover {
	uint8_t state;          /* of one that runs */
	bool ready;             /* somebody may have connected */
	uint64_t due_ms;        /* when the other is too late */
	uint32_t uid;           /* ours, and the other's */
	int listen_fd;          /* DATA/relay/takeover; -1: there is none */
	int conn_fd;            /* to the other one; -1 */
	int lock_fd;            /* of the data directory, to be passed on */
	int spare_fd;           /* keeps conn_fd's number: see sandbox.h */
	int number;             /* that number */
	/* Of one that takes over: */
	bool asked;             /* --takeover */
	size_t n;
	struct takeover_socket {
		int fd;         /* -1: taken */
		struct addr addr;
		uint8_t kind;   /* enum listen_kind */
	} got[LISTENS_MAX];
	uint8_t first_app[TAKEOVER_TEXT];
};

struct serve;
struct slice;
struct data;

/* First of all: keep the number that the connection will have. */
void takeover_reserve(struct serve *s);
/* ---- by one that takes over: EXIT_GO_ON, or an exit code ---- */
/* Ask the one that runs for its sockets. Does nothing without --takeover. */
int takeover_ask(struct serve *s);
/* One of them: for `at` (net_listen), of that kind if any port will do. -1:
 * there is none. *bound as by net_listen. */
int takeover_socket(struct serve *s, const struct addr *at,
    enum listen_kind kind, struct addr *bound);
/* The old one stops writing; open DATA/relay with its lock. */
int takeover_lock(struct serve *s, struct data *d, struct slice path,
    struct slice role);
/* All is ready: it is ours from here on, or never was. */
int takeover_done(struct serve *s);
/* In the keeper: none of these sockets is its own. */
void takeover_forget(struct serve *s);

/* ---- by one that runs ---- */
/* Be there for the next one. Not being so is no fault but is told. */
void takeover_open(struct serve *s);
bool takeover_owns(handle who);
void takeover_event(struct serve *s, const struct io *io,
    const struct io_event *ev);
/* Once a turn; when to come back. */
uint64_t takeover_step(struct serve *s, const struct io *io);
/* Asked to stop: this is not the time. */
void takeover_stop(struct serve *s, const struct io *io);
/* The other one need not be waited for. */
bool takeover_over(const struct serve *s);

#endif
