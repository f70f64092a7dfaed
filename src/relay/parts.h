/*
 * The relay's inside: the records that its files share. Not for others. What
 * they ask of each other is calls.h, which this includes.
 *
 *   plan.c     sizes of all pools
 *   relay.c    making it, dispatching events, the turn, stopping
 *   peers.c    listening sockets, connections per address
 *   client.c   a client's connection: its states, its turn, its end
 *   client_in.c   what it sends: heads, and what is kept of them
 *   client_out.c  what it is sent
 *   client_due.c  its deadlines
 *   head.c     buffers for heads that came in pieces
 *   request.c  where a request goes
 *   site.c     which site a request is for, and who may send it (pure)
 *   rewrite.c  heads as the app and as the client shall see them (pure)
 *   auth.c     who is it, and may they; the keeper's verdicts and notes
 *   login.c    logging in and out, guesses
 *   handover.c a login is carried to an app's own site
 *   own.c      the relay's own paths
 *   api.c      operations: asked of the keeper for who is logged in
 *   reply.c    answers of our own: heads, JSON, errors
 *   page.c     pages for people, and /health
 *   asset.c    the dashboard's files
 *   status.c   what is there and what became of it, as JSON
 *   live.c     the same as events, while it changes
 *   metrics.c  numbers for Prometheus
 *   proxy.c    requests to apps
 *   stream.c   a stream: one connection to an app
 *   upload.c   bodies of requests
 *   proxy_ws.c WebSockets of apps
 *   answer.c   apps' answers to clients
 *   gather.c   small writes to a client become one
 *   remote.c   agents: a session's states, its socket, its end
 *   remote_upgrade.c  from a request to a tunnel
 *   remote_hello.c    the hello, and whose the agent's name is
 *   remote_find.c     who offers an app
 *   names.c    whose a bare name of an app is
 *   resume.c   sessions whose connection is cut, and the next one
 *   stop.c     stopping in order
 *   kept.c     the state that survives a restart
 *   channel*.c JSON messages: see channel.h
 */
#ifndef ADIT_RELAY_PARTS_H
#define ADIT_RELAY_PARTS_H

#include "base/ask.h"
#include "base/chain.h"
#include "base/timer.h"
#include "codec/chunk.h"
#include "codec/cookie.h"
#include "codec/http1.h"
#include "codec/ws.h"
#include "relay/relay.h"
#include "tunnel/hello.h"
#include "tunnel/tunnel.h"

enum {                          /* kinds of handles */
	KIND_CLIENT = 0x10, KIND_STREAM, KIND_REMOTE, KIND_LISTEN, KIND_BLOCK,
	KIND_SMALL, KIND_LARGE, KIND_PEER, KIND_SOCK, KIND_MESSAGE, KIND_NODE,
	KIND_WATCH, KIND_RELAY_LAST,
};

enum {
	SMALL_BYTES = 4096,             /* a head that came in pieces */
	LARGE_BYTES = 128 * 1024,       /* a long one, and what follows it */
	READ_BYTES = 16384,             /* of one read for a head */
	AREA_BYTES = 192 * 1024,        /* for heads and pages being built */
	BODY_MAX = 16384,               /* a body that the relay itself reads */
	HEAD_SLACK = 1024,              /* what a head and trailers may grow by
	                                 * when they are written anew */
	STREAM_WINDOW = WINDOW_INITIAL - HEAD_SLACK,
	STREAM_BLOCKS = 5,              /* a window and that, for the client */
	CHUNK_BLOCKS = 3,               /* a read of chunks, for the app */
	TRAILERS_AREA = CHUNK_TRAILERS_MAX + 2 * HTTP_FIELDS_MAX,
	PULL_READS = 16,                /* that may bring nothing to pass on */
	TURN_BYTES = 256 * 1024,        /* read from one socket in a turn */
	OUT_BYTES = 64 * 1024,          /* composed for a tunnel at once */
	TURN_ACCEPTS = 64,
	ACCEPT_AGAIN_MS = 100,
	STREAM_IDLE_MS = 4000,          /* a kept stream without a request */
	ORPHAN_MS = 10 * 1000,          /* for an app to close after END */
	LINGER_MS = 2000,               /* for a client to read the end */
	LINGER_BYTES = 4 << 20,
	ASK_MS = 60 * 1000,             /* for the keeper: nine passwords, on
	                                 * a small machine */
	AGENT_WAIT_MS = 6000,           /* a request, for its agent to resume:
	                                 * an outage of 3 s, and the 2 s that
	                                 * two dials are apart */
	EXPECT_MS = 10 * 1000,          /* or to come after a takeover */
	SETTLE_MS = 1000,               /* a new connection, for its request */
	RESUME_BURST = 256,             /* attempts for one session at once, */
	RESUME_MS = 100,                /* and one more after so long */
	REMOTES_SPARE = 2,              /* connections that come to resume */
	SESSIONS_CACHED = 512,
	SESSION_CHECK_MS = 60 * 1000,   /* a verdict is asked for again */
	CODES_MAX = 64,                 /* handovers under way */
	CODE_MS = 30 * 1000,
	ACCESS_CACHED = 512,            /* of who may open which app */
	RECHECKS = 32,                  /* questions about that in one turn */
	BUCKETS = 2048,                 /* login attempts, see login.c */
	TOKENS_BURST = 10,              /* wrong ones of agents, from one */
	TOKEN_MS = 6000,                /* address; then they are told less */
	TRIES_BURST = 10,               /* for one account, from one address */
	TRY_MS = 6000,                  /* one more attempt after so long */
	ADDRESS_BURST = 30,             /* from one address */
	ADDRESS_MS = 2000,
	ACCOUNT_BURST = 30,             /* for one account: beyond, it is */
	ACCOUNT_MS = 2000,              /* under guesses, and an address has */
	GUESSED_BURST = 3,
	GUESSED_MS = 20 * 1000,
	DRAINING_MAX = 2,               /* sessions of a name, at once */
	HELD_MAX = 256,                 /* names of apps that are somebody's, */
	HELD_MS = 10 * 60 * 1000,       /* and so long after they left */
	PAST_EVENTS = 16,               /* of one agent, that are kept */
	LIVE_MAX = 64,                  /* who listen to live events, */
	LIVE_PER_SESSION = 16,
	LIVE_EACH_MS = 1000,            /* a frame, at most so often */
	LIVE_BEAT_MS = 15 * 1000,       /* and a word after such a silence */
	LIVE_HOST = 264,
	ANSWER_CLASSES = 6,             /* of status codes, and one unused */
	AGENT_NAMES_MAX = 256,          /* kept tunnel ids */
	NAME_BYTES = 64,                /* NAME--AGENT */
};

struct name {                   /* a short text of our own */
	uint8_t n;
	uint8_t b[NAME_BYTES];
};

static inline struct slice
name_slice(const struct name *n)
{
	return slice_of(n->b, n->n);
}

/* False, and *n is empty, if s is longer than NAME_BYTES. */
static inline bool
name_set(struct name *n, struct slice s)
{
	n->n = 0;
	if (s.n > sizeof n->b)
		return false;
	if (s.n > 0)
		memcpy(n->b, s.p, s.n);
	n->n = (uint8_t)s.n;
	return true;
}

enum site_kind {
	SITE_DASHBOARD,         /* the dashboard and the relay's short names */
	SITE_SHARED,            /* the main site with an app at its root */
	SITE_APP,               /* an app's own site */
};

/* Where a request goes: made anew for each one by site.c. */
struct site {
	enum site_kind kind;
	struct slice app;       /* NAME or NAME--AGENT; empty: dashboard */
	bool main;              /* the main site */
	bool secure;            /* https as the client sees it */
	struct slice host;      /* authority as the client sees it */
	uint16_t port_cookie;   /* app ports: cookies carry the port */
	uint8_t aud[ASK_SITE_MAX];
	uint16_t aud_n;
	struct addr client;     /* the person's address */
};

enum stop_phase {               /* see stop.c */
	STOP_NONE, STOP_SETTLING, STOP_DRAINING, STOP_LEAVING, STOP_OVER,
};

enum purpose {                  /* of a question to the keeper */
	FOR_SESSION = 1, FOR_PASSWORD, FOR_ISSUE, FOR_DEVICE,
	FOR_TOKEN, FOR_HANDOVER, FOR_REVOKE, FOR_ACCESS, FOR_OP,
};

enum client_state {
	CLIENT_IDLE,              /* no byte of a request yet */
	CLIENT_HEAD,              /* a part of a head came */
	CLIENT_ASK,               /* waiting for the keeper */
	CLIENT_WAIT,              /* waiting for an agent to resume */
	CLIENT_BODY,              /* reading a body for the relay itself */
	CLIENT_PROXY,             /* a request is with an app */
	CLIENT_WS,                /* a WebSocket of an app */
	CLIENT_LIVE,              /* listens to live events */
	CLIENT_CHANNEL,           /* a WebSocket of the channel */
	CLIENT_POLL,              /* waiting for a message of the channel */
	CLIENT_POST,              /* reading a body for the channel */
	CLIENT_FLUSH,             /* writing the last bytes, then closing */
	CLIENT_LINGER,          /* all written: until the client read it */
	CLIENT_DEAD,              /* closed; its record is freed by the step */
	CLIENT_STATES
};

enum { SCOPES_ALL = SCOPE_READ | SCOPE_METRICS | SCOPE_APPS | SCOPE_ADMIN };

struct session {                /* who a request is from */
	bool ok;                /* logged in, or no login is asked for */
	uint8_t role;           /* enum ask_role */
	uint8_t scopes;         /* what they may, by role or token: SCOPE_* */
	uint16_t rules;         /* 0: no app is for named people only */
	uint64_t id;            /* names the session; 0 for none */
	uint64_t person;        /* names who it is; 0: nobody, or a program */
	uint64_t expires_s;     /* 0: never */
	struct name user;
	uint8_t jti[32];
	uint8_t jti_n;
};

struct client {
	struct relay *r;
	int fd;
	uint8_t state;          /* enum client_state */
	uint8_t asked;          /* enum purpose, in CLIENT_ASK */
	uint8_t minor;          /* of the request under way */
	bool rd, wr;            /* readable, writable as far as we know */
	bool hup;               /* the client closed its side */
	bool keep;              /* another request may follow */
	bool draining_in;       /* CLIENT_FLUSH must linger: input is unread */
	uint16_t ws_code;       /* a Close with it goes out when the frame to
	                         * the client that is under way has ended; 0 */
	uint16_t listen;        /* index of the listening socket */
	uint8_t in_large;       /* `in` is of the large pool */
	bool dirty;             /* in the list of connections to look at */
	bool served;            /* has had an answer */
	bool hsts;              /* its answer tells to come by https only */
	struct client *next_dirty, *next_dead;
	struct addr peer;
	struct peer *by_addr;
	struct timer timer;
	uint8_t *in;            /* bytes read but not consumed, or NULL */
	uint32_t in_n;
	uint32_t out_blocks;    /* reserved for `out` */
	struct http_scan scan;
	uint32_t ask_seq;
	uint64_t wait_until_ms; /* CLIENT_WAIT; 0: it did not wait yet */
	struct chain out;       /* bytes for the client */
	struct rstream *s;      /* its stream, or NULL */
	uint64_t session;       /* id of the session a stream runs under, */
	uint64_t person;        /* and of its person */
	uint64_t session_expires_s;
	uint64_t moved_ms;      /* last time that a byte moved */
	/* the request's body, coming in */
	uint8_t body;           /* enum http_body */
	bool body_done;
	uint64_t body_left;
	struct chunk_dec chunk;
	uint64_t linger_left;   /* bytes read and forgotten at the end; before
				 * that, those beyond LINGER_BYTES */
	struct channel_sock *channel;   /* in CLIENT_CHANNEL */
	struct channel_msg *post;       /* in CLIENT_POST: the body */
	struct watch *poll;             /* in CLIENT_POLL: whose, and the */
	struct client *next_poll;       /* others that wait there */
	uint8_t call;                   /* what the body is for */
	bool woken;                     /* look at the request again */
	bool paused;                    /* it has waited after wrong keys */
	uint8_t *hold;                  /* small buffer: a token, in a login */
	uint32_t hold_n;
};

enum resp_state {
	RESP_IDLE,              /* no request is unanswered */
	RESP_HEAD,              /* waiting for (more of) a head */
	RESP_LENGTH,            /* a body of known length */
	RESP_CHUNKED,
	RESP_CLOSE,             /* a body until the stream ends */
	RESP_WS,
	RESP_ORPHAN,            /* the client is elsewhere; wait for the end */
	RESP_DEAD,              /* its record is freed by the step */
};

struct rstream {
	struct tunnel_stream ts;        /* first: tunnel.h gives it back */
	struct relay *r;
	struct client *c;                 /* NULL for an orphan */
	struct remote *l;
	struct timer timer;
	struct chain up;                /* for the app: heads, body starts */
	uint32_t up_blocks;
	uint8_t resp;                   /* enum resp_state */
	uint8_t to;                     /* enum http_answers */
	bool reused;                    /* had a request before this one */
	bool answered;                  /* bytes of this answer came */
	bool peer_end;
	bool unwanted;                  /* the app reads no more */
	bool upgrade;                   /* the request asked for a WebSocket */
	bool navigation;                /* a failure is told by a page */
	bool head_sent;                 /* a final head went to the client */
	bool client_gone, bad_body;     /* why pull said PULL_RESET */
	bool unchunk;                   /* the client is HTTP/1.0 */
	bool app_keeps;                 /* the app keeps its connection */
	uint8_t *rin;                   /* part of a head or trailers */
	uint32_t rin_n;
	bool rin_large;
	struct http_scan rscan;
	struct chunk_dec chunk;
	uint64_t left;                  /* RESP_LENGTH */
	uint64_t unreturned;            /* received, credit not given back */
	uint64_t idle_until_ms;
	uint32_t keep_ms;               /* how long the app keeps it idle */
	uint64_t person;                /* session id; part of what it is for */
	bool shared;                    /* its site has the dashboard too */
	bool secure;
	bool host_app;
	uint16_t app;                   /* index in the link's apps */
	struct name user;
	uint8_t jti[32];                /* of the session it runs under */
	uint8_t jti_n;
	struct name site_host;          /* for Location, when host_app */
	struct addr client;
	struct ws_follow ws_up, ws_down;
	struct rstream *next_dead;
};

struct remote_app {
	struct name name;
	uint8_t kind;
	bool is_public;                 /* both sides said so */
	uint8_t host_n, origin_n;
	uint8_t host[128];              /* option host=app, or empty */
	uint8_t origin[HELLO_ORIGIN_MAX];       /* option origin=, or empty */
};

enum remote_state {
	REMOTE_NEW,               /* waiting for the hello */
	REMOTE_PROVISIONAL,
	REMOTE_CURRENT,
	REMOTE_DRAINING,
	REMOTE_CLOSING,           /* the Close frame goes out */
	REMOTE_STATES
};

/* An agent's session and, unless it is parked, its connection. */
struct remote {
	struct relay *r;
	int fd;                         /* -1: parked */
	uint8_t state;
	bool rd, wr, dead;
	struct addr peer;
	struct peer *by_addr;
	uint32_t credential;
	struct name may;                /* the only name that its token is
	                                 * for, or empty: any */
	uint64_t expires_s;             /* of the token; 0: never */
	uint64_t since_wall_ms, seq;    /* seq: order of confirmation */
	uint64_t welcomed;              /* order of the welcomes */
	uint64_t close_ms;              /* REMOTE_CLOSING: give up then */
	struct name name;
	struct name tunnel_id;
	struct name version;
	uint8_t instance[16];
	struct name session;            /* its id */
	uint8_t secret[HELLO_SECRET_BYTES];
	uint64_t attempt;               /* the last one that resumed it */
	uint64_t attempts;              /* all: their rate (num.h) */
	uint64_t parked_ms;
	uint32_t limit;                 /* of streams, as the welcome said */
	/* What a hello asked for that is a good one: resume that session, */
	handle resumes;
	uint64_t received;              /* of which the agent has so much. */
	bool start;
	uint16_t napps;
	struct tunnel t;
	struct remote_app apps[HELLO_APPS_MAX];
};

struct listener {
	int fd;
	bool ready;
	uint64_t again_ms;              /* accept failed: not before then */
	handle who;
	struct name bound;              /* LISTEN_PORT: the app, or empty */
};

struct peer {                           /* one address, its connections */
	uint64_t key_hi, key_lo;        /* IPv6 by /64 */
	uint32_t count;
	struct peer *next;
};

struct cached {                         /* a verdict of the keeper */
	uint8_t hash[32];               /* SHA-256 of the token */
	uint64_t until_ms;              /* 0: empty */
	struct session s;
	uint16_t aud_n;
	uint8_t aud[ASK_SITE_MAX];
};

struct allowed {                        /* may they open that app? */
	uint8_t key[16];                /* hash of session and AGENT/APP */
	uint64_t until_ms;              /* 0: empty */
	bool yes;
};

struct code {                           /* a handover under way */
	uint8_t hash[32];               /* SHA-256 of the code */
	uint8_t nonce[32];              /* SHA-256 of the nonce cookie */
	uint64_t until_ms;
	struct session s;
	uint16_t aud_n;
	uint8_t aud[ASK_SITE_MAX];
};

struct bucket {                         /* login attempts */
	uint64_t key;
	uint64_t full_ms;               /* when it will be full again */
};

struct live {                           /* who listens, and from where */
	handle who;                     /* the client, or none */
	uint64_t sent;                  /* names the last frame it got */
	struct site site;               /* but for host, which is here: */
	uint16_t host_n;
	uint8_t host[LIVE_HOST];
};

struct held {                           /* a bare name of an app */
	struct name app;
	uint32_t credential;            /* whose; 0: a free place */
	uint64_t seen_ms;               /* when they came or left last */
};

enum past_what {
	PAST_CONNECTED, PAST_CUT, PAST_RESUMED, PAST_GONE, PAST_WHATS,
};

struct past {                           /* of one agent's name */
	struct name name;
	uint32_t n;                     /* events ever; 0: a free place */
	uint64_t last_s;
	struct past_event {
		uint64_t t_s;
		const char *why;        /* NULL, or a text of ours */
		uint8_t what;
	} e[PAST_EVENTS];
};

struct kept_agent {
	struct name name;
	struct name tunnel_id;
};

enum { GATHER_MAX = 48 };

struct gather {                         /* slices for one client */
	struct client *c;
	size_t n, bytes;
	struct slice v[GATHER_MAX];
	size_t used;                    /* of copy[] */
	uint8_t *copy;                  /* OUT_BYTES for what is not stable */
};

struct channel;

struct relay {
	const struct relay_cfg *cfg;
	struct relay_plan plan;
	struct log *log;
	const struct io *io;            /* of the call under way */
	struct pool clients, streams, remotes, small, large, peers;
	struct blocks blocks;
	struct timers timers;
	struct listener listeners[LISTENS_MAX];
	struct peer **peer_hash;
	uint32_t peer_hash_n;
	struct tunnel_stream **remote_hash;       /* plan.remotes tables */
	uint32_t remote_hash_n;
	uint8_t *area;                  /* AREA_BYTES: heads, pages */
	struct http_field *fields;      /* HTTP_FIELDS_MAX */
	struct gather gather;
	const uint8_t *stable;          /* bytes valid until gather_flush */
	size_t stable_n;
	uint8_t mode;                   /* enum relay_mode */
	struct cached *cache;
	struct allowed *access;
	uint8_t limited[ANSWER_TEXT_MAX];       /* AGENT/APP for named
	                                 * people, a line each */
	uint16_t limited_n;
	uint32_t recheck;               /* the next client whose right to its
	                                 * app has to be asked for again */
	struct code *codes;
	struct bucket *buckets;
	struct live *live;              /* LIVE_MAX */
	uint32_t nlive;
	uint64_t live_ms;               /* when the next frame may be made */
	struct held *held_names;        /* HELD_MAX */
	struct past *past;
	uint32_t npast;
	struct channel *channel;        /* NULL: it is off */
	struct kept_agent *kept;
	size_t nkept;
	uint8_t *joined;                /* answer.c: rin and what came */
	bool joined_large;
	struct client *dirty, *dead_clients;
	struct rstream *dead_streams;
	uint32_t evict_hand;            /* next connection to lose its head */
	struct slice req_in;            /* the request being looked at: */
	size_t req_head;                /* its bytes, how many of them are its
	                                 * head (and body, once read), */
	struct site site;               /* its site */
	const struct answer *verdict;   /* and the keeper's word on it */
	uint64_t started_wall_ms, started_ms;
	uint64_t tls_until_s;           /* 0: no TLS of our own */
	uint64_t remote_seq;
	struct name first_app;          /* see site_roots_first */
	uint32_t ask_seq;
	bool stopping;                  /* readiness is denied */
	uint8_t phase;                  /* enum stop_phase */
	bool held, left;                /* relay_hold, relay_leave */
	bool kept_changed;
	bool wake;                      /* look at those in CLIENT_WAIT again */
	uint32_t spare;                 /* blocks for who comes to resume */
	uint64_t settle_ms, stop_at_ms; /* when the phase ends at the latest */
	uint64_t expect_ms;             /* until then agents are expected */
	uint64_t requests, logins, logins_refused;
	uint64_t answers[10];           /* by the first digit of the status */
	uint64_t past_count[PAST_WHATS];
	uint64_t past_in, past_out;     /* bytes of tunnels that are over */
};

#include "relay/calls.h"

#endif
