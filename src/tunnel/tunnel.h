/*
 * The tunnel: one session of streams over one WebSocket. PROTOCOL.md 3 to 9.
 *
 * Both ends use this engine; the relay opens streams, the agent serves them.
 * It does no I/O: the owner reads bytes from the connection and gives them to
 * tunnel_input, and writes to it what tunnel_output composes. Everything the
 * engine learns it tells through struct tunnel_ops. The owner embeds a struct
 * tunnel_stream in its own record of a stream, and answers when the engine
 * has room for that stream's bytes (pull); so a body is read from its socket
 * straight into the ring of unacknowledged frames, and only when it may leave.
 *
 * A turn of the owner:
 *     tunnel_input with what was read, tunnel_ready and so on as things come
 *     while the socket takes bytes and tunnel_output gives some: write, and
 *         hand what the socket did not take to tunnel_unsent
 *     tunnel_step, for the next time to call it
 *
 * Memory: blocks of the shared pool. tunnel_init reserves tunnel_blocks() of
 * them, more for the ring while there are some to be had; an idle tunnel holds
 * none. Each stream's receive window is the owner's to reserve before it opens
 * or accepts one (and see the op `window`).
 *
 * An engine that failed stays failed: tunnel_input says the first error for
 * ever, output composes the Close frame that says so, and nothing else. But a
 * connection that fails is not a session that does (PROTOCOL.md 6.5): the
 * tunnel is then TUNNEL_PARKED, keeps its streams and its ring, and goes on
 * with another connection. The owner, who finds it so or calls tunnel_park
 * itself, writes what output still gives (the answer to a Close), closes the
 * connection, and
 *     the agent: tunnel_rejoin with the next connection, tunnel_text with a
 *         hello that has `resume`, and tunnel_resumed in op hello
 *     the relay: reads the hello with a tunnel of its own, and gives that one's
 *         connection to this one by tunnel_resume
 * or lets the grace period pass: then tunnel_step closes it.
 */
#ifndef ADIT_TUNNEL_TUNNEL_H
#define ADIT_TUNNEL_TUNNEL_H

#include "base/chain.h"
#include "base/err.h"
#include "base/log.h"
#include "codec/ws.h"
#include "tunnel/ring.h"
#include "tunnel/wire.h"

enum tunnel_role { TUNNEL_RELAY, TUNNEL_AGENT };

#define TUNNEL_STATE_LIST(X)                                            \
	X(HELLO,        "no hello yet; or it is being looked at")       \
	X(PROVISIONAL,  "welcomed; the peer's first frame did not come") \
	X(LIVE,         "frames pass")                                  \
	X(DRAINING,     "a go-away was sent or received")               \
	X(PARKED,       "the connection is gone; it can be resumed")    \
	X(RESUMING,     "agent: a hello with `resume` is under way")    \
	X(CLOSED,       "over; a Close frame may still have to leave")
#define X(name, text) TUNNEL_##name,
enum tunnel_state { TUNNEL_STATE_LIST(X) TUNNEL_STATES };
#undef X

#define TUNNEL_EDGE_LIST(X)                                             \
	/* from         to            when */                           \
	X(HELLO,        PROVISIONAL,  "welcome sent or received")       \
	X(HELLO,        CLOSED,       "refused, late, broken or closed") \
	X(PROVISIONAL,  LIVE,         "the peer's first ACK came")      \
	X(PROVISIONAL,  CLOSED,       "late, broken or closed")         \
	X(LIVE,         DRAINING,     "GOAWAY sent or received")        \
	X(LIVE,         CLOSED,       "broken or closed")               \
	X(DRAINING,     CLOSED,       "drained, expired, broken or closed") \
	X(PROVISIONAL,  PARKED,       "cut")                            \
	X(LIVE,         PARKED,       "cut")                            \
	X(DRAINING,     PARKED,       "cut")                            \
	X(PARKED,       RESUMING,     "agent: connected again")         \
	X(PARKED,       LIVE,         "relay: resumed")                 \
	X(PARKED,       DRAINING,     "relay: resumed, a go-away was said") \
	X(PARKED,       CLOSED,       "expired or closed")              \
	X(RESUMING,     LIVE,         "welcome received: resumed")      \
	X(RESUMING,     DRAINING,     "the same, and a go-away was said") \
	X(RESUMING,     PARKED,       "cut, late, or refused for now")  \
	X(RESUMING,     CLOSED,       "refused, expired, broken or closed")

#define STREAM_STATE_LIST(X)                                            \
	X(IDLE,      "no stream")                                       \
	X(WAITING,   "relay: OPEN is not in the ring yet; no number")   \
	X(OPEN,      "both directions are open")                        \
	X(SENT_END,  "we will send no more")                            \
	X(GOT_END,   "the peer will send no more")                      \
	X(CLOSED,    "both ended, or a RESET went or came")
#define X(name, text) STREAM_##name,
enum stream_state { STREAM_STATE_LIST(X) STREAM_STATES };
#undef X

#define STREAM_EDGE_LIST(X)                                             \
	/* from      to         when */                                 \
	X(IDLE,      WAITING,   "relay: a client wants an app")         \
	X(IDLE,      OPEN,      "agent: OPEN received and accepted")    \
	X(WAITING,   OPEN,      "OPEN put in the ring")                 \
	X(WAITING,   CLOSED,    "cancelled: it leaves no trace")        \
	X(OPEN,      SENT_END,  "END put in the ring")                  \
	X(OPEN,      GOT_END,   "END received")                         \
	X(OPEN,      CLOSED,    "RESET sent or received")               \
	X(SENT_END,  CLOSED,    "END received; RESET sent or received") \
	X(GOT_END,   CLOSED,    "END put in the ring; RESET sent or received")

struct tunnel;

/* Private to the engine but for `owner`. Zeroed before the first use. */
struct tunnel_stream {
	void *owner;            /* the owner's record; the engine never looks */
	struct tunnel *tunnel;  /* NULL while detached */
	uint32_t id;            /* 0 until OPEN is in the ring */
	uint8_t state;          /* enum stream_state */
	uint8_t list;           /* which ready list it is in */
	uint16_t flags;         /* engine.h */
	uint32_t send_credit;   /* bytes we may still send */
	uint32_t recv_window;   /* bytes granted to the peer, not received */
	uint32_t recv_owed;     /* consumed, not yet granted again */
	uint32_t window;        /* recv_window + unread + recv_owed */
	uint32_t grown;         /* what window should be beyond the initial */
	uint32_t rate_bytes;    /* consumed since rate_ms */
	uint64_t rate_ms;
	int32_t deficit;        /* bytes it may send in this round */
	struct tunnel_stream *next, *prev;      /* ready list */
	struct tunnel_stream *ctl_next, *ctl_prev;      /* control frames due */
	struct tunnel_stream *hash_next;
};

struct tunnel_list {
	struct tunnel_stream *first, *last;
};

/* What a pull brought. */
enum tunnel_pull {
	PULL_MORE,              /* bytes given (at least one); ask again */
	PULL_WAIT,              /* nothing more until tunnel_ready; bytes may
	                         * have been given */
	PULL_END,               /* the last bytes were given: send END */
	PULL_RESET,             /* the source failed: bytes given are dropped,
	                         * RESET `code` is sent, and op reset called */
};

/*
 * What the owner does. `owner` is the one given to tunnel_init. None of these
 * may call tunnel_free, _input, _output, _unsent, _step, _park, _rejoin or
 * _resume. `opening` and
 * `window` only answer: they call nothing that could end their own stream or
 * the session. The others may call any other function of this file; what a
 * pull says that ended its own stream is not looked at. After `closed` or
 * `reset` the stream is detached and the owner's to free. Slices are valid
 * during the call only.
 */
struct tunnel_ops {
	/* A text message arrived in TUNNEL_HELLO: hello (relay), welcome or
	 * refused (agent; in TUNNEL_RESUMING too). The owner parses it
	 * (tunnel/hello.h) and calls, now or later, tunnel_welcome (or
	 * tunnel_resume, but not now) or tunnel_welcomed (tunnel_resumed); or
	 * tunnel_close with CLOSE_REFUSED (relay, after tunnel_text with
	 * `refused`), or with CLOSE_PROTOCOL if it is malformed. */
	void (*hello)(void *owner, struct slice json);
	/* The peer's first frame came, or a provisional session was resumed,
	 * which says the same. Relay: the session is confirmed, it
	 * may become the current one now (or tunnel_close with
	 * CLOSE_REPLACED). Agent: the relay serves us; `start` is false in
	 * hellos from now on. NULL: nothing to do. */
	void (*confirmed)(void *owner);
	/* Agent: a stream for `o`. Returns the stream to attach, or NULL with
	 * the reset code to answer. */
	struct tunnel_stream *(*open)(void *owner, const struct frame_open *o,
	    enum reset_code *refuse);
	/* Relay: fill *o for the OPEN of s, now entering the ring. */
	void (*opening)(void *owner, struct tunnel_stream *s,
	    struct frame_open *o);
	/* Put up to max bytes of s at dst; *n says how many. */
	enum tunnel_pull (*pull)(void *owner, struct tunnel_stream *s,
	    uint8_t *dst, size_t max, size_t *n, enum reset_code *code);
	/* Bytes arrived on s: the owner takes them all now (it reserved the
	 * window) and reports tunnel_consumed when they have left. The bytes
	 * are writable, and always a part of what was given to tunnel_input.
	 * They come as they arrive, not frame by frame. Not called after
	 * tunnel_stop. */
	void (*data)(void *owner, struct tunnel_stream *s, uint8_t *p,
	    size_t n);
	/* The peer will send no more on s. */
	void (*end)(void *owner, struct tunnel_stream *s);
	/* The peer wants no more data on s. The engine pulls no more and sends
	 * END; the owner may tunnel_reset instead. */
	void (*stop)(void *owner, struct tunnel_stream *s);
	/* The peer reset s; or pull said PULL_RESET, with its code; or the
	 * session ended under it, with RESET_NONE (or tunnel_free's code). */
	void (*reset)(void *owner, struct tunnel_stream *s,
	    enum reset_code code);
	/* Both directions ended in order. Bytes given to `data` may still be
	 * the owner's to bring out. */
	void (*closed)(void *owner, struct tunnel_stream *s);
	/* The peer goes away within deadline_ms: no new streams. */
	void (*goaway)(void *owner, enum goaway_reason reason,
	    uint32_t deadline_ms);
	/* The receive window of s is to become `bytes`. When it grows, reserve
	 * the difference (until the record of s is freed), or return false:
	 * then it stays. When it shrinks the answer is not looked at. NULL:
	 * windows stay as they begin. */
	bool (*window)(void *owner, struct tunnel_stream *s, uint32_t bytes);
};

struct tunnel_limits {          /* what one side tells the other in hello */
	uint32_t streams;       /* open at once; the relay's is the lesser */
	uint32_t window;        /* initial window of a stream, bytes */
	uint32_t session;       /* initial session credit, bytes: at least
	                         * (streams + 1) * window */
};

struct tunnel_cfg {
	enum tunnel_role role;
	const struct tunnel_ops *ops;
	void *owner;
	struct blocks *blocks;
	const struct log *log;
	struct tunnel_limits ours;      /* what we grant the peer */
	uint32_t window_max;    /* windows grow up to this; 0: WINDOW_MAX */
	uint32_t ring_max;      /* R: bytes kept unacknowledged at most */
	uint32_t hello_ms;      /* deadline for each step of the beginning */
	uint32_t grace_ms;      /* a parked session lives so long; 0: nothing
	                         * is parked, a cut is the end */
	uint64_t seed;          /* for WebSocket masks: unpredictable */
	/* Table for stream lookup, zeroed, a power of two entries. */
	struct tunnel_stream **hash;
	uint32_t hash_n;
};

enum {
	/* What one tunnel_output composes at most: four full DATA frames. */
	TUNNEL_OUTPUT_BYTES = 4 * (BLOCK_BYTES + 64),
};

/* Receiving: a WebSocket frame and, around it, a message. receive.c */
struct tunnel_in {
	struct ws_rules rules;
	struct ws_frame ws;             /* while `left` > 0 */
	uint64_t left;                  /* payload of it still to come */
	struct frame frame;             /* its head, once nhead is 8 */
	uint32_t message_n;             /* payload bytes of the message so far,
	                                 * after a frame's head */
	uint32_t carry;                 /* block of an unfinished body */
	uint32_t carry_n;               /* bytes in it; 0: there is none */
	uint8_t message;                /* WS_TEXT, WS_BINARY; 0: none begun */
	uint8_t nhead, nheld, ncontrol;
	uint8_t head[FRAME_HEAD_BYTES];
	uint8_t held[WS_HEAD_MAX];      /* of an unfinished WebSocket head */
	uint8_t control[WS_CONTROL_MAX];
};

/* Sending, beside the ring. send.c */
struct tunnel_out {
	struct chain unsent;            /* composed, not taken by the socket */
	uint64_t mask_count;            /* masks are hashes of seed and count */
	uint8_t masks[32];
	uint8_t nmasks;                 /* unused bytes of `masks` */
	uint8_t npong;
	uint8_t pong[WS_CONTROL_MAX];
	bool pong_due, ping_due, close_due;
	uint16_t close;                 /* code of our Close frame */
};

/* Private to the engine. */
struct tunnel {
	struct tunnel_cfg cfg;
	enum tunnel_state state;
	enum err err;                   /* why it is CLOSED; sticky */
	uint64_t now_ms;                /* of the last call that brought it */
	uint16_t peer_close;            /* code of the peer's Close, or 0 */
	bool hello_got, goaway_wanted, goaway_got, session_due;
	bool confirmed;                 /* it was LIVE once */

	struct tunnel_in in;
	struct tunnel_out out;
	struct ring ring;

	uint64_t received;              /* counted frames from the peer */
	uint64_t ack_sent;              /* the last one we acknowledged */
	uint32_t ack_bytes;             /* received since */
	uint64_t ack_at_ms;             /* when it has to leave, or never */
	/* Of the next counted frame, a DATA of that stream, so many payload
	 * bytes were passed on before a cut: they come again. */
	uint32_t partial_id, partial_n;
	uint64_t park_until_ms;         /* parked: it expires, or never */

	uint64_t began_ms;              /* of this step of the beginning */
	uint64_t heard_ms;              /* when bytes last came */
	uint64_t ping_ms;               /* when a ping went */
	uint64_t ping_count;            /* its content */
	uint64_t dead_ms;               /* dead then, or never */
	bool ping_out;                  /* its pong did not come yet */
	uint32_t ping_bytes;            /* received since the last ping */
	uint32_t srtt8_ms;              /* smoothed round trip * 8; 0: none */

	enum goaway_reason goaway_reason;
	uint32_t goaway_ms;             /* its deadline, from its sending */
	uint64_t goaway_number;         /* the frame's number; 0: not put */
	uint64_t deadline_ms;           /* the session ends, or never */

	struct tunnel_limits peer;      /* what the peer grants us */
	uint32_t limit;                 /* streams, the lesser of both */
	uint32_t nstreams;              /* open, waiting or reset pending */
	uint32_t last_id;
	uint64_t opens;                 /* the rate of OPENs (num.h) */
	struct tunnel_list fresh, old;  /* ready: new ones first */
	struct tunnel_list ctl;         /* control frames due */
	struct chain resets;            /* RESETs that found no room */
	uint32_t nready;                /* in a list and with bytes */
	struct tunnel_stream *pulling;  /* NULL once it has ended */
	bool in_pull;

	uint32_t send_credit;           /* of the session */
	uint32_t recv_window;           /* granted for the session, unused */
	uint32_t recv_owed;             /* returned, not yet granted again */
	uint32_t recv_total;            /* window + unread + owed */
	uint32_t recv_target;           /* what recv_total should be */

	uint64_t bytes_in, bytes_out, frames_in, frames_out;
};

/* The blocks that a tunnel with this limit of streams reserves at the start,
 * the ring's floor (RING_MIN) included. */
uint32_t tunnel_blocks(uint32_t streams);

/*
 * Begin after the WebSocket handshake. The agent calls tunnel_text with its
 * hello at once. E_FULL if the blocks cannot be reserved.
 */
enum err tunnel_init(struct tunnel *t, const struct tunnel_cfg *cfg,
    uint64_t now_ms);
/* Detach: every stream gets `reset` with `code`, blocks are given back. The
 * tunnel must not be used any more. Fine on a zeroed or freed one. */
void tunnel_free(struct tunnel *t, enum reset_code code);

/* Send a text message (hello, welcome, refused) in TUNNEL_HELLO. E_FULL if
 * it is larger than HELLO_MAX. */
enum err tunnel_text(struct tunnel *t, struct slice json);
/* Relay: the hello was good: the welcome goes out, peer's limits hold. The
 * welcome must say tunnel_streams_limit() as `streams`. */
enum err tunnel_welcome(struct tunnel *t, struct slice json,
    const struct tunnel_limits *peer);
/* Relay: what the welcome has to say as limits.streams to a peer that said
 * so many: the lesser of both. */
uint32_t tunnel_streams_limit(const struct tunnel *t, uint32_t peer_streams);
/* Agent: the welcome was good: an ACK goes out at once, streams may come.
 * More streams than we told is the relay's error: the engine closes then. */
void tunnel_welcomed(struct tunnel *t, const struct tunnel_limits *peer);

/*
 * Bytes from the connection, unmasked in place; all are taken. The first
 * error is returned, then always the same: output then has the Close frame
 * that says so.
 *   E_EOF     the peer sent a Close (tunnel_close_code tells which), or
 *             tunnel_close was called
 *   E_WS_*    it broke RFC 6455: closed with that RFC's code
 *   E_MUX_*   it broke PROTOCOL.md: closed with CLOSE_PROTOCOL
 * What ends the session resets its streams before this returns: our own
 * Close, any E_WS_* and E_MUX_*, a Close with one of our codes. What is only
 * a cut (another Close, E_TIMEOUT, the connection's end) leaves them attached:
 * the state is TUNNEL_PARKED then (without grace_ms TUNNEL_CLOSED, and
 * tunnel_free brings the end). While it is parked the error stays the same and
 * nothing is taken.
 */
enum err tunnel_input(struct tunnel *t, uint8_t *p, size_t n, uint64_t now_ms);
/*
 * Compose up to cap bytes for the connection: Close, pong, ACK, control
 * frames, then data by deficit round robin. Returns how many, 0 for none.
 * Call it while the connection takes bytes; cap at least TUNNEL_OUTPUT_BYTES.
 */
size_t tunnel_output(struct tunnel *t, uint8_t *dst, size_t cap,
    uint64_t now_ms);
/* The last `rest` bytes of what tunnel_output gave were not written: they
 * will be the first of the next output. Before any other call. */
void tunnel_unsent(struct tunnel *t, struct slice rest);
/* Is there anything that tunnel_output would give now? Cheap; sometimes true
 * where a pull then brings nothing. */
bool tunnel_wants(const struct tunnel *t, uint64_t now_ms);
/*
 * Do what is due: pings, acknowledgement delay, deadlines, the end of a
 * drained session. E_TIMEOUT when the peer is dead or a step of the beginning
 * is late (it may be parked then), or its time is over (it is closed then),
 * else as tunnel_input. *due_ms is when to call again at the latest; it moves
 * with every input and output. Call it while parked too.
 */
enum err tunnel_step(struct tunnel *t, uint64_t now_ms, uint64_t *due_ms);

/*
 * The connection is gone: forget all that was of it. False if there is nothing
 * to resume: the session was over, was not welcomed yet, or nothing is parked;
 * it is closed then. From now on tunnel_received does not move.
 */
bool tunnel_park(struct tunnel *t, uint64_t now_ms);
/* Counted frames that came: what hello.resume and welcome say. */
uint64_t tunnel_received(const struct tunnel *t);
/* Agent: there is another connection; tunnel_text with the hello follows. */
void tunnel_rejoin(struct tunnel *t, uint64_t now_ms);
/*
 * Agent: the welcome said `resumed` and so many frames received. What is above
 * is sent again before anything new. E_MUX_ACK: the number is impossible; the
 * session is closed.
 */
enum err tunnel_resumed(struct tunnel *t, uint64_t peer_received);
/*
 * Relay: the hello that `via` got was a good one to resume t, which is parked.
 * t takes over via's connection; via is closed, for tunnel_free. The welcome
 * `json` goes out, then what is above peer_received, then what is new.
 * E_MUX_ACK: as above; no welcome then, but a Close. What the op `confirmed`
 * did to a provisional session is seen in tunnel_state.
 */
enum err tunnel_resume(struct tunnel *t, struct tunnel *via,
    struct slice json, uint64_t peer_received, uint64_t now_ms);

/* Relay: may a stream be opened now: live, and below limit and rate. */
bool tunnel_may_open(const struct tunnel *t);
/* Relay: open a stream: OPEN leaves as soon as it can. E_FULL if
 * !tunnel_may_open; the stream stays detached then. */
enum err tunnel_open(struct tunnel *t, struct tunnel_stream *s);
/* s has bytes (or its end) for pull. Fine if it was ready already, or is
 * detached. */
void tunnel_ready(struct tunnel_stream *s);
/* n bytes given to `data` have left; credit for them may be granted. Fine on
 * a detached stream (nothing happens: what lay unread was returned then). */
void tunnel_consumed(struct tunnel_stream *s, size_t n, uint64_t now_ms);
/* Want no more data on s: what still comes, and what lies unread, is dropped
 * and counted. */
void tunnel_stop(struct tunnel_stream *s);
/* End both directions now. `reset`/`closed` will not be called; the stream is
 * detached on return, its record is free. OK on a detached stream. */
void tunnel_reset(struct tunnel_stream *s, enum reset_code code);
/* The most bytes the peer may have under way on s: for reserving. */
uint32_t tunnel_window(const struct tunnel_stream *s);

/* Tell the peer to finish within deadline_ms (at most GOAWAY_MS_MAX); no new
 * streams from now on. Before TUNNEL_LIVE it is kept until then. Once. */
void tunnel_goaway(struct tunnel *t, enum goaway_reason reason,
    uint32_t deadline_ms);
/* Our go-away was sent and the peer has acknowledged it. */
bool tunnel_goaway_acked(const struct tunnel *t);
/* End the session with a Close frame; every stream gets `reset`. Nothing
 * happens if it is closed already. */
void tunnel_close(struct tunnel *t, enum close_code code);
/* The WebSocket close code the peer sent, 0 if none came (1005: a Close
 * without a code). */
unsigned tunnel_close_code(const struct tunnel *t);
/* Is `code` one of CLOSE_LIST: does it end a session, not only its cable? */
bool tunnel_close_final(unsigned code);
enum tunnel_state tunnel_state(const struct tunnel *t);
/* Figures for status: streams that count against the limit, round trip in ms
 * (0: not known), DATA bytes and counted frames each way since the start,
 * bytes that wait in the ring for an ACK (in whole blocks). */
struct tunnel_stats {
	uint32_t streams, rtt_ms;
	uint64_t bytes_in, bytes_out, frames_in, frames_out;
	uint64_t ring_bytes;
};
struct tunnel_stats tunnel_stats(const struct tunnel *t);

#endif
