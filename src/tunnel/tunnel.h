/*
 * The tunnel: one session of streams over one WebSocket. PROTOCOL.md 3 to 7.
 *
 * Both ends use this engine; the relay opens streams, the agent serves them.
 * It does no I/O: the owner reads bytes from the connection and gives them to
 * tunnel_input, and writes to it what tunnel_output composes. Everything the
 * engine learns it tells through struct tunnel_ops. The owner embeds a struct
 * tunnel_stream in its own record of a stream, and answers when the engine
 * has room for that stream's bytes (pull); so a body is read from its socket
 * straight into the ring of unacknowledged frames, and only when it may leave.
 *
 * Memory: blocks of the shared pool. The engine reserves RING_FLOOR_BLOCKS
 * and the carry buffers at tunnel_init and each stream's receive window is
 * the owner's to reserve before it opens or accepts one.
 */
#ifndef ADIT_TUNNEL_TUNNEL_H
#define ADIT_TUNNEL_TUNNEL_H

#include "base/chain.h"
#include "base/err.h"
#include "base/log.h"
#include "tunnel/wire.h"

enum tunnel_role { TUNNEL_RELAY, TUNNEL_AGENT };

/* PROTOCOL.md has the table of edges. */
enum tunnel_state {
	TUNNEL_HELLO,           /* waiting for the peer's first text message */
	TUNNEL_PROVISIONAL,     /* relay: welcomed, not confirmed */
	TUNNEL_LIVE,
	TUNNEL_DRAINING,        /* a go-away was sent or received */
	TUNNEL_CLOSED,          /* output may still hold a Close frame */
	TUNNEL_STATES
};

struct tunnel;

/* Private to the engine but for `owner`. Zeroed before the first use. */
struct tunnel_stream {
	void *owner;            /* the owner's record; the engine never looks */
	struct tunnel *tunnel;  /* NULL while detached */
	uint32_t id;            /* 0 until OPEN is in the ring */
	/* ... the engine's own fields: credit, flags, list links ... */
	uint32_t send_credit;   /* bytes we may still send */
	uint32_t recv_window;   /* bytes granted to the peer, not yet received */
	uint32_t recv_owed;     /* consumed, not yet granted again */
	uint32_t window;        /* present size of the receive window */
	uint32_t deficit;
	uint32_t flags;
	uint32_t reset_code;
	struct tunnel_stream *next, *prev;      /* place in a ready list */
	struct tunnel_stream *hash_next;
};

/* What a pull brought. */
enum tunnel_pull {
	PULL_MORE,              /* bytes given; ask again for more */
	PULL_WAIT,              /* nothing more until tunnel_ready; bytes may
	                         * have been given */
	PULL_END,               /* the last bytes were given: send END */
	PULL_RESET,             /* the source failed: send RESET `code` */
};

struct tunnel_open {            /* OPEN's content; slices of the frame */
	struct slice app;       /* the app's name */
	uint8_t kind;           /* APP_HTTP, APP_TCP */
	struct slice client;    /* the client's address as text */
	struct slice user;      /* who is logged in; empty for nobody */
	struct slice scheme;    /* "http" or "https" as the client sees it */
};

/*
 * What the owner does. `owner` is the one given to tunnel_init. None of these
 * may free the tunnel; all may call tunnel_ready, _consumed, _reset, _stop.
 * After `closed` or `reset` the stream is detached and the owner's to free.
 */
struct tunnel_ops {
	/* A text message arrived in TUNNEL_HELLO: hello (relay), welcome or
	 * refused (agent). The owner parses it (tunnel/hello.h) and calls
	 * tunnel_welcome, tunnel_welcomed or tunnel_fail. */
	void (*hello)(void *owner, struct slice json);
	/* Relay: the agent's first frame confirmed the session. */
	void (*confirmed)(void *owner);
	/* Agent: a stream for `o`. Returns the stream to attach, or NULL with
	 * the reset code to answer. */
	struct tunnel_stream *(*open)(void *owner, const struct tunnel_open *o,
	    enum reset_code *refuse);
	/* Relay: fill *o for the OPEN of s, now entering the ring. */
	void (*opening)(void *owner, struct tunnel_stream *s,
	    struct tunnel_open *o);
	/* Put up to max bytes of s at dst; *n says how many. */
	enum tunnel_pull (*pull)(void *owner, struct tunnel_stream *s,
	    uint8_t *dst, size_t max, size_t *n, enum reset_code *code);
	/* Bytes arrived on s: the owner takes them all now (it reserved the
	 * window) and reports tunnel_consumed when they have left. The bytes
	 * are writable and valid during the call only. */
	void (*data)(void *owner, struct tunnel_stream *s, uint8_t *p,
	    size_t n);
	/* The peer will send no more on s. */
	void (*end)(void *owner, struct tunnel_stream *s);
	/* The peer wants no more data on s; pull should end or reset it. */
	void (*stop)(void *owner, struct tunnel_stream *s);
	/* The peer reset s, or (code RESET_*) the session ended under it. */
	void (*reset)(void *owner, struct tunnel_stream *s,
	    enum reset_code code);
	/* Both directions ended in order. */
	void (*closed)(void *owner, struct tunnel_stream *s);
	/* The peer goes away within deadline_ms. */
	void (*goaway)(void *owner, enum goaway_reason reason,
	    uint32_t deadline_ms);
};

struct tunnel_limits {          /* what one side tells the other in hello */
	uint32_t streams;       /* open at once; the relay's is the lesser */
	uint32_t window;        /* initial window of a stream, bytes */
	uint32_t session;       /* initial session credit, bytes */
};

struct tunnel_cfg {
	enum tunnel_role role;
	const struct tunnel_ops *ops;
	void *owner;
	struct blocks *blocks;
	const struct log *log;
	struct tunnel_limits ours;      /* what we grant the peer */
	uint32_t ring_max;      /* R: bytes kept unacknowledged at most */
	uint32_t hello_ms;      /* deadline for the hello */
	uint64_t seed;          /* for WebSocket masks: unpredictable */
	/* Table for stream lookup, zeroed, a power of two entries. */
	struct tunnel_stream **hash;
	uint32_t hash_n;
};

/*
 * Begin after the WebSocket handshake. The agent calls tunnel_text with its
 * hello at once. E_FULL if the ring's floor cannot be reserved.
 */
enum err tunnel_init(struct tunnel *t, const struct tunnel_cfg *cfg,
    uint64_t now_ms);
/* Detach: every stream gets `reset` with `code`, blocks are given back. The
 * tunnel must not be used any more. */
void tunnel_free(struct tunnel *t, enum reset_code code);

/* Send a text message (hello, welcome, refused) in TUNNEL_HELLO. E_FULL if
 * it is larger than HELLO_MAX. */
enum err tunnel_text(struct tunnel *t, struct slice json);
/* Relay: the hello was good: the welcome goes out, peer's limits hold. */
enum err tunnel_welcome(struct tunnel *t, struct slice json,
    const struct tunnel_limits *peer);
/* Agent: the welcome was good: an ACK goes out at once, streams may come. */
void tunnel_welcomed(struct tunnel *t, const struct tunnel_limits *peer);

/*
 * Bytes from the connection, unmasked in place; all are taken. The first
 * error is returned, then always the same: output then has the Close frame
 * that says so. E_EOF: the peer sent a Close (tunnel_close_code tells which).
 */
enum err tunnel_input(struct tunnel *t, uint8_t *p, size_t n, uint64_t now_ms);
/*
 * Compose up to cap bytes for the connection: Close, pong, ACK, control
 * frames, then data by deficit round robin. Returns how many, 0 for none.
 * Call it while the connection takes bytes; cap at least 32 KiB.
 */
size_t tunnel_output(struct tunnel *t, uint8_t *dst, size_t cap,
    uint64_t now_ms);
/* The last `rest` bytes of what tunnel_output gave were not written: they
 * will be the first of the next output. rest.n is at most 64 KiB. */
void tunnel_unsent(struct tunnel *t, struct slice rest);
/* Is there anything that tunnel_output would give now? Cheap. */
bool tunnel_wants(const struct tunnel *t, uint64_t now_ms);
/*
 * Do what is due: pings, acknowledgement delay. E_TIMEOUT when the peer is
 * dead or its hello is late. *due_ms is when to call again at the latest.
 */
enum err tunnel_step(struct tunnel *t, uint64_t now_ms, uint64_t *due_ms);

/* Relay: open a stream: OPEN leaves as soon as it can. E_FULL beyond the
 * peer's limit or when not live; the stream stays detached then. */
enum err tunnel_open(struct tunnel *t, struct tunnel_stream *s);
/* s has bytes (or its end) for pull. Fine if it was ready already. */
void tunnel_ready(struct tunnel_stream *s);
/* n bytes given to `data` have left; credit for them may be granted. Fine on
 * a detached stream (nothing happens: what lay unread was returned then). */
void tunnel_consumed(struct tunnel_stream *s, size_t n, uint64_t now_ms);
/* Want no more data on s: what still comes is dropped and counted. */
void tunnel_stop(struct tunnel_stream *s);
/* End both directions now. `reset`/`closed` will not be called; the stream is
 * detached on return, its record is free. OK on a detached stream. */
void tunnel_reset(struct tunnel_stream *s, enum reset_code code);
/* The peer has sent END or RESET on s. */
bool tunnel_peer_ended(const struct tunnel_stream *s);
/* The most bytes the peer may have under way on s: for reserving. */
uint32_t tunnel_window(const struct tunnel_stream *s);

/* Tell the peer to finish within deadline_ms; no new streams from now on. */
void tunnel_goaway(struct tunnel *t, enum goaway_reason reason,
    uint32_t deadline_ms);
/* End the session with a Close frame; every stream gets `reset`. */
void tunnel_close(struct tunnel *t, enum close_code code);
/* The WebSocket close code the peer sent, 0 if none came. */
unsigned tunnel_close_code(const struct tunnel *t);
enum tunnel_state tunnel_state(const struct tunnel *t);
/* Figures for status: open streams, round trip in ms (0: not known), bytes
 * each way since the start. */
struct tunnel_stats {
	uint32_t streams, rtt_ms;
	uint64_t bytes_in, bytes_out, frames_in, frames_out;
};
struct tunnel_stats tunnel_stats(const struct tunnel *t);

#endif
