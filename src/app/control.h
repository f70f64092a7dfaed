/*
 * The control socket: DATA/relay/control, by which the host's own people talk
 * to a relay that runs. The process that keeps the secrets serves it, beside
 * what it does for the one that reads the network.
 *
 * It keeps messages whole (SOCK_SEQPACKET). A client sends one, an operation of
 * state/keeper.h as JSON, and gets one:
 *
 *     {"op":"people.list"}
 *     {"status":200,"url":"https://relay.example.org","body":{"rows":[...]}}
 *
 * and may go on with the next. "url" is the relay's own, if it knows it.
 * {"op":"backup"} is answered with the kept files themselves, as open
 * descriptors, in the order of
 *
 *     {"status":200,"body":{"files":[{"name":"people.json","bytes":310},...]}}
 *
 * Files are replaced whole and logs only grow, so together they are one moment,
 * however slowly they are read.
 *
 * Whoever may connect is root, or the account that this runs as: the socket's
 * mode says so, and the peer is asked again. CONTROL_MAX at once; a client that
 * says nothing for CONTROL_MS, says too much, or does not read, is closed.
 */
#ifndef ADIT_APP_CONTROL_H
#define ADIT_APP_CONTROL_H

#include <poll.h>

#include "base/ask.h"
#include "net/data.h"

enum {
	CONTROL_MAX = 4,
	CONTROL_POLL = CONTROL_MAX + 1,
	CONTROL_MS = 10 * 1000,
	CONTROL_URL_MAX = 2048, /* as it stands in JSON */
	CONTROL_TEXT_MAX = ANSWER_TEXT_MAX + CONTROL_URL_MAX + 64,
	CONTROL_WAIT_MS = 30 * 1000,    /* of a client, for an answer */
};

struct control {
	int fd;                 /* it listens; -1: there is none */
	uint32_t uid;           /* ours */
	struct data *data;
	struct slice url;       /* of the relay, for links; or empty */
	/* One question. Its `who` comes back in the answer, which is given to
	 * control_answer now or later. */
	void (*ask)(void *ctx, struct ask *q);
	void *ctx;
	struct control_client {
		int fd;         /* -1: free */
		bool asked;
		uint32_t gen;
		uint64_t due_ms;
	} clients[CONTROL_MAX];
};

/*
 * Listen in the open and locked data directory `d`, under a name that nobody
 * looks for. False with errno. `url`, `ask` and `ctx` are the caller's to fill.
 */
bool control_open(struct control *c, struct data *d);
/* Give it its name, instead of what another start has left. */
bool control_publish(const struct control *c);
void control_close(struct control *c);
/* Fill p[CONTROL_POLL]: how many. *ms is lowered to when to come again. */
size_t control_watch(struct control *c, struct pollfd *p, uint64_t now_ms,
    int *ms);
/* What came of them; also when the time was up. */
void control_ready(struct control *c, const struct pollfd *p, size_t n,
    uint64_t now_ms);
void control_answer(struct control *c, const struct answer *a,
    uint64_t now_ms);

/* The other side: connect to whoever serves the directory `dir`. -1 with
 * errno. */
int control_connect(int dir);

#endif
