/*
 * The agent: dials the relay, offers apps, and copies bytes between a stream
 * and the one local address that the app's name stands for. It knows nothing
 * of HTTP beyond its own handshake.
 *
 * One struct agent per process, driven by agent_event for each event of the
 * world and agent_step once per turn. It takes all its memory from the arena.
 *
 * When it dials (PROTOCOL.md 14). An outage begins at the start and when a
 * session ends after at least AGENT_SERVICE_MS of service; a session that ended
 * earlier continues the outage before it. In an outage the first dial comes at
 * once.
 * After each failure it waits
 *     0.1 s, 0.2 s, 0.4 s ... 5 s, 5 s ...   in the first AGENT_GRACE_MS,
 *                   but at most 2 s if the outage began with a session's end
 *                   (the relay may be holding its streams for so long),
 *     5 s, 10 s, 20 s, 40 s, 60 s, 60 s ...  after that,
 * each shortened by a random part of up to a quarter. The log line "retry"
 * tells the wait that came out. A go-away begins a dial in the same way; one
 * that says UPGRADE sets the series back to its first wait, since a successor
 * is there.
 *
 * A session whose connection is cut is parked: its streams and the apps'
 * connections stay, and the dials are for resuming it, never more than 2 s
 * apart, until grace_ms have passed. What the relay says it does not know is
 * over at once. One dial is under way at a time; where several sessions wait
 * (draining ones do, too), each has its turn.
 */
#ifndef ADIT_AGENT_AGENT_H
#define ADIT_AGENT_AGENT_H

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/ct.h"
#include "tunnel/hello.h"

enum {
	AGENT_SERVICE_MS = 10000,       /* after so long it starts over */
	AGENT_GRACE_MS = 30000,         /* of quick retries */
	AGENT_RESOLVE_MS = 10000,       /* for the relay's name */
	AGENT_CONNECT_MS = 10000,       /* for all its addresses together */
	AGENT_PARKED_MS = 2000,         /* the same while a session waits, */
	AGENT_PARKED_STEP_MS = 5000,    /* and for each step after that */
	AGENT_ADDRESS_MS = 2500,        /* for one while others are left */
	AGENT_SECURE_MS = 10000,        /* for the TLS handshake */
	AGENT_UPGRADE_MS = 10000,       /* for the answer to the handshake */
	AGENT_CLOSE_MS = 1000,          /* for the relay to take our Close */
	AGENT_QUIET_MS = 200,           /* for it to say Close when drained */
	AGENT_LINGER_MS = 30000,        /* for an app to read what is left of
	                                 * a stream, if it reads nothing */
	AGENT_NAME_MS = 2000,           /* an app's name stays resolved */
};

/* A connection to the relay. Edges: any to itself is not one. */
#define LINK_STATE_LIST(X)                                              \
	X(FREE,       "no connection")                                  \
	X(PARKED,     "cut: the session waits for a dial to resume it") \
	X(RESOLVING,  "the relay's name is being looked up")            \
	X(CONNECTING, "TCP, one address after the other")               \
	X(PROXYING,   "the proxy was asked for a connection")           \
	X(SECURING,   "the TLS handshake")                              \
	X(UPGRADING,  "the WebSocket handshake")                        \
	X(HELLO,      "hello was sent; not welcomed and confirmed yet") \
	X(LIVE,       "the current session")                            \
	X(DRAINING,   "a go-away was sent or received")                 \
	X(CLOSING,    "a Close frame leaves, the relay's end is awaited")
#define X(name, text) LINK_##name,
enum link_state { LINK_STATE_LIST(X) LINK_STATES };
#undef X

#define LINK_EDGE_LIST(X) /* from, to, when */                          \
	X(FREE,        RESOLVING,   "a dial begins")                    \
	X(RESOLVING,   CONNECTING,  "there is an address to try")       \
	X(RESOLVING,   FREE,        "not found, late, stopped")         \
	X(CONNECTING,  UPGRADING,   "connected: the request leaves")    \
	X(CONNECTING,  PROXYING,    "connected to the proxy")           \
	X(CONNECTING,  SECURING,    "connected, and it is https")       \
	X(CONNECTING,  FREE,        "no address left, stopped")         \
	X(PROXYING,    SECURING,    "the proxy connects us")            \
	X(PROXYING,    FREE,        "refused, late, stopped")           \
	X(SECURING,    UPGRADING,   "the relay is who it should be")    \
	X(SECURING,    CONNECTING,  "it is not, or failed: the next address") \
	X(SECURING,    FREE,        "no address left, stopped")         \
	X(UPGRADING,   HELLO,       "101: the hello leaves")            \
	X(UPGRADING,   FREE,        "any other answer, late, stopped")  \
	X(HELLO,       LIVE,        "welcomed, and the relay's first ACK") \
	X(HELLO,       CLOSING,     "refused, late, malformed, stopped") \
	X(HELLO,       FREE,        "cut")                              \
	X(LIVE,        DRAINING,    "a go-away went or came")           \
	X(LIVE,        CLOSING,     "protocol error, closed by the relay") \
	X(LIVE,        FREE,        "cut, dead")                        \
	X(DRAINING,    CLOSING,     "drained, late, closed, protocol error") \
	X(DRAINING,    FREE,        "cut, dead")                        \
	X(CLOSING,     FREE,        "the relay closed, or late")        \
	X(HELLO,       PARKED,      "cut, or not resumed now")          \
	X(LIVE,        PARKED,      "cut, dead")                        \
	X(DRAINING,    PARKED,      "cut, dead")                        \
	X(PARKED,      RESOLVING,   "a dial to resume it begins")       \
	X(PARKED,      FREE,        "expired, stopped")                 \
	X(RESOLVING,   PARKED,      "that dial failed; so below")       \
	X(CONNECTING,  PARKED,      "")                                 \
	X(PROXYING,    PARKED,      "")                                 \
	X(SECURING,    PARKED,      "")                                 \
	X(UPGRADING,   PARKED,      "")                                 \
	X(HELLO,       DRAINING,    "resumed, and it was draining")

/* A stream's connection to an app. */
#define CONN_STATE_LIST(X)                                              \
	X(FREE,       "no connection")                                  \
	X(RESOLVING,  "waits for the app's name to be looked up")       \
	X(CONNECTING, "not decided yet; bytes may wait already")        \
	X(OPEN,       "bytes pass")                                     \
	X(LINGER,     "the stream is over, the app's side is not")
#define X(name, text) CONN_##name,
enum conn_state { CONN_STATE_LIST(X) CONN_STATES };
#undef X

#define CONN_EDGE_LIST(X) /* from, to, when */                          \
	X(FREE,        RESOLVING,   "OPEN for an app with a name")      \
	X(FREE,        CONNECTING,  "OPEN")                             \
	X(RESOLVING,   CONNECTING,  "found")                            \
	X(RESOLVING,   FREE,        "not found, late, reset")           \
	X(CONNECTING,  OPEN,        "the app accepted")                 \
	X(CONNECTING,  FREE,        "refused, unreachable, late, reset") \
	X(OPEN,        LINGER,      "both ended, but not the app's side") \
	X(OPEN,        FREE,        "both ended, or reset")             \
	X(LINGER,      FREE,        "all is written, or late, or broken")

struct agent_app {
	struct slice name;              /* [a-z0-9-], at most 30 bytes */
	uint8_t kind;                   /* APP_HTTP */
	struct slice host;              /* name or number; empty: Unix socket */
	uint16_t port;
	struct slice path;              /* the Unix socket's path */
	bool host_app;                  /* option host=app */
	struct slice origin;            /* option origin=URL, or empty */
	bool is_public;                 /* option public */
};

struct agent_cfg {
	struct slice relay_host;        /* name or number, without brackets */
	uint16_t relay_port;
	struct slice relay_authority;   /* for the Host field */
	struct slice relay_path;        /* "/tunnel", or with a prefix */
	struct slice relay_url;         /* for the log */
	bool secure;                    /* https: the io's TLS verifies it */
	struct slice tls_host;          /* the name to verify; empty: pinned */
	struct slice proxy_host;        /* CONNECT through it; empty: none */
	uint16_t proxy_port;
	struct secret proxy_login;      /* USER:PASSWORD, or empty */
	uint64_t tls_bytes;             /* what the io takes for TLS */
	struct secret token;
	struct slice name;              /* the agent's */
	struct agent_app apps[HELLO_APPS_MAX];
	size_t napps;
	struct slice tunnel_id;         /* kept from before, or empty */
	uint64_t memory_bytes;
	uint32_t max_streams;           /* 0: computed */
	uint32_t connect_ms;            /* to an app */
	uint32_t grace_ms;              /* for a cut session; 0: it ends */
	uint32_t drain_ms;              /* requests in flight at SIGTERM */
	struct slice version;
};

/* The defaults of the settings; nothing offered. */
void agent_cfg_defaults(struct agent_cfg *cfg);

/*
 * What memory_bytes is made of: printed at start. bytes + fixed_bytes is at
 * most memory_bytes; the other sizes are parts of `bytes`.
 */
struct agent_plan {
	uint32_t streams;               /* told in hello */
	uint32_t blocks;                /* of BLOCK_BYTES, in all; of these */
	uint32_t window_blocks;         /* the first windows of all streams */
	uint32_t tunnel_blocks;         /* what LINKS tunnels always have */
	uint32_t ring_blocks;           /* what rings may grow by */
	uint32_t grow_blocks;           /* what windows may grow by */
	uint64_t tls_bytes;             /* what the io takes for TLS */
	uint64_t fixed_bytes;           /* not in `bytes`: scratch, program,
	                                 * TLS */
	uint64_t bytes;                 /* what the arena must hold */
};
/*
 * Compute the sizes. E_RANGE if memory_bytes is too small for max_streams (or,
 * if that is 0, for AGENT_STREAMS_MIN); *plan then tells what it would take.
 */
enum {
	AGENT_STREAMS_MIN = 8,
	AGENT_STREAMS_USUAL = 1024,     /* more only if max_streams says so */
};
enum err agent_plan(const struct agent_cfg *cfg, struct agent_plan *plan);

struct agent;

/*
 * *cfg and what its slices point to must outlive the agent. E_RANGE if cfg has
 * something that cannot be sent: a host or origin above hello.h's bounds, no
 * token, an address without port. The first agent_step begins the first dial.
 */
enum err agent_new(struct agent **g, const struct agent_cfg *cfg,
    const struct agent_plan *plan, struct arena *a, struct log *log,
    const struct io *io);
/* Handles of kinds 0x40..0x4f. */
bool agent_owns(handle who);
void agent_event(struct agent *g, const struct io *io,
    const struct io_event *ev);
/* Do what is due; returns when to be called again at the latest (ms). */
uint64_t agent_step(struct agent *g, const struct io *io);
/* Dial now instead of waiting (SIGUSR1). Nothing if it does not wait. */
void agent_dial_now(struct agent *g, const struct io *io);
/*
 * Begin to stop (SIGTERM): go-away, requests finish within drain_ms, Close
 * 4000. Asked a second time it does not wait for requests.
 */
void agent_stop(struct agent *g, const struct io *io);
/* -1 while it runs; else the exit code: 0 stopped, 3 refused for good,
 * 4 replaced. All is closed then. */
int agent_exit_code(const struct agent *g);

/* For status and tests. */
struct agent_stats {
	bool served;                    /* there is a current session */
	bool waiting;                   /* for the next dial */
	uint32_t streams;               /* connections to apps */
	uint32_t links;                 /* connections to the relay */
	uint32_t blocks_used, blocks_reserved;
	uint64_t dials;                 /* since the start */
};
struct agent_stats agent_stats(const struct agent *g);

#endif
