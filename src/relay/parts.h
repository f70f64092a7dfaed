/*
 * The relay's inside: the records that its files share. Not for others.
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
 *   page.c     its pages and JSON texts
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
	FOR_SESSION = 1, FOR_PASSWORD, FOR_ISSUE, FOR_DEVICE, FOR_NEW_DEVICE,
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
	RESP_STATES
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

/* peers.c */
void listener_run(struct relay *r, struct listener *l);
struct peer *peer_add(struct relay *r, const struct addr *a);
void peer_drop(struct relay *r, struct peer *p);

/*
 * client.c. Nothing is freed within a call: a closed connection is CLIENT_DEAD
 * and its record lives until relay_step ends.
 */
/* Take over `fd`, which was accepted on listeners[listen] and is counted in
 * `by_addr`. It is closed if there is no room. */
void client_new(struct relay *r, int fd, const struct addr *peer,
    struct peer *by_addr, uint16_t listen);
/* The one place that changes c->state; the edge must be a legal one. */
void client_to(struct client *c, enum client_state next);
/* `flags` of the loop (EV_*): remember them, and client_run. */
void client_event(struct client *c, uint32_t flags);
/* Free it without a further word; `abort`: the client sees a reset. */
void client_close(struct client *c, bool abort);
/* Look at it again before the turn ends. */
void client_mark(struct client *c);
/* Do what its state allows with what is readable and writable. */
void client_run(struct client *c);
/* The keeper's answer to what this connection asked: its request is looked at
 * again, with `a` as r->verdict. An answer to an older question is ignored. */
void client_resume(struct client *c, const struct answer *a);
/* Look at a request in CLIENT_WAIT again; nothing in any other state. */
void client_retry(struct client *c);
/* The same in CLIENT_POLL, which the caller has checked. */
void client_poll(struct client *c);

/* client_in.c. Each may close the connection. */
/* Read heads, and small bodies of our own, until there is no more or one was
 * answered. */
void client_read(struct client *c);
/* Look at the bytes of a request (RFC 9112 3), as many as there are. `in` is
 * what was read, or c->in. */
void client_parse(struct client *c, struct slice in);
/* In CLIENT_LINGER: read and forget. */
void client_linger(struct client *c);
/* Keep `s` as unread input, which may be a part of what is kept already.
 * False if there is no room: then the connection is closed, */
bool client_keep_input(struct client *c, struct slice s);
/* or is not, and what was kept stays. */
bool client_try_keep(struct client *c, struct slice s);
/* Wipe what is kept, and give its buffer back. */
void client_drop_input(struct client *c);
/* Keep all of the request being looked at, to look at it again. */
bool client_hold(struct client *c, enum client_state next);
/* Its app's session is parked: hold the request for a while. False: it has
 * waited long enough, or there is no room to wait. */
bool client_wait(struct client *c);

/* client_out.c */
/* Send: at once if it can be, the rest waits in c->out. False if the
 * connection broke or memory is short; then it is closed. */
bool client_send(struct client *c, struct slice s);
/* Write what waits, as far as the socket takes it. */
void client_write_more(struct client *c);
/* The answer is complete: the next request, or the end. */
void client_answered(struct client *c);
/* Let c->out hold what so many blocks can; false if memory is short. */
bool client_reserve_out(struct client *c, uint32_t blocks);
/* The stream's window became larger or smaller: as much is reserved. */
bool client_window_out(struct client *c, uint32_t blocks);
/* Give the reservation back if nothing needs it any more. */
void client_release_out(struct client *c);

/* client_due.c */
/* The state, or what it waits for, has changed: set its deadline. */
void client_arm(struct client *c);
/* The timer fired: end what is too late, or wait on. */
void client_timer(struct client *c);

/* head.c */
/*
 * A buffer for n bytes (0 to LARGE_BYTES), NULL if there is none. *large goes
 * to head_give. If all are in use a client that dawdles loses its own, but not
 * `but`.
 */
uint8_t *head_take(struct relay *r, size_t n, bool *large,
    const struct client *but);
/* Not wiped. p may be NULL. */
void head_give(struct relay *r, uint8_t *p, bool large);

/* request.c */
/* A whole head was parsed; r->req_in and r->req_head say where it lies. It is
 * answered, or under way, or held; or the connection is closed. */
void request_route(struct client *c, const struct http_head *h);
/* A head that nobody should see (an E_HTTP_*): answer, and end the
 * connection. */
void request_bad(struct client *c, enum err e);
/* Are Sec-WebSocket-Key and -Version as RFC 6455 4.2.1 wants them? */
bool request_ws_ok(const struct http_head *h);

/* site.c */
enum err site_find(struct relay *r, const struct client *c,
    const struct http_head *h, struct site *site);
bool site_same_origin(const struct relay *r, const struct site *site,
    const struct http_head *h);
bool site_is_navigation(const struct http_head *h);
/* The app that the main site serves, empty for the dashboard. */
struct slice site_root(const struct relay *r);
/* No setting gives apps an address, and none has the main site yet: the first
 * one to connect gets it. */
bool site_roots_first(const struct relay *r);
/* "https://host" of the site as the client sees it. */
bool site_put_origin(struct buf *b, const struct site *site);
/* The URL to go to by https from --listen-http; E_HTTP_HOST: a host that is
 * not ours. */
enum err site_put_https(struct relay *r, struct buf *b,
    const struct http_head *h);
/* Should a browser remember to come to this site by https only? */
bool site_wants_hsts(const struct relay *r, const struct client *c,
    const struct site *site);
/* The main site's origin as this client reaches it. */
bool site_put_main(struct buf *b, const struct relay *r,
    const struct site *site);
/* The same for links that are given to others: the public url or the domain
 * where one is set. */
bool site_put_base(struct buf *b, const struct relay *r,
    const struct site *site);
/* An app's own site as seen from `site`; false if it has none. */
bool site_put_app(struct buf *b, const struct relay *r,
    const struct site *site, struct slice app);
/* `url` is on a known app's site: which, and its path. */
bool site_of_url(struct relay *r, const struct site *from, struct slice url,
    struct site *to, struct slice *path);
/* The authority of the main site where no request tells it. */
void site_main_host(const struct relay *r, struct buf *b, bool *secure);
bool site_trusts(const struct relay *r, const struct addr *a);

/* rewrite.c */
struct rewrite {
	const struct site *site;
	const struct session *session;  /* NULL: no identity */
	const struct remote_app *app;
	bool upgrade;
};
bool rewrite_request(struct buf *b, const struct http_head *h,
    const struct rewrite *w);
struct rewrite_response {
	unsigned client_minor;
	bool close;             /* say Connection: close */
	bool shared, secure, unchunk;
	bool own_location;      /* host=app: turn Location back */
	struct slice app_host;  /* the authority to look for */
	struct slice site_host; /* and to put */
};
bool rewrite_response(struct buf *b, const struct http_head *h,
    const struct rewrite_response *w);
/* "admin", "member" or "viewer". */
struct slice rewrite_role(unsigned role);
/* Cookies of ours, whatever the site. */
bool cookie_is_ours(struct slice name);

/* auth.c */
enum auth { AUTH_YES, AUTH_NO, AUTH_BAD, AUTH_ASKED };
/* Who is the request from? AUTH_ASKED: the keeper was asked, wait. */
enum auth auth_request(struct client *c, const struct http_head *h,
    const struct site *site, struct session *s);
/* May they open that app of l? AUTH_YES, AUTH_NO, AUTH_ASKED. */
enum auth auth_access(struct client *c, const struct session *s,
    const struct remote *l, uint16_t app);
void auth_refuse(struct client *c, const struct http_head *h, bool bad_cookie);
/* Forget a session's verdicts, and close what runs under it but `but`. */
void auth_end(struct relay *r, const struct client *but, struct slice jti);
/* The keeper says something that nobody asked for. */
void auth_note(struct relay *r, const struct answer *a);
/* The answer to what auth_recheck asked. */
void auth_rechecked(struct client *c, const struct answer *a);
/* Go on asking whether streams are still allowed; false when done. */
bool auth_recheck(struct relay *r);
/* Keep the request and ask. False if the connection had to be closed. */
bool auth_ask(struct client *c, enum purpose purpose, struct ask *q);
/* Parts of a question; false if it is too long. */
bool auth_ask_text(struct ask *q, struct slice text);
void auth_ask_site(struct ask *q, const struct site *site);
void auth_ask_user(struct ask *q, struct slice user);
/* Who asks for it: their address and what their program says it is. */
void auth_ask_from(struct ask *q, const struct site *site,
    const struct http_head *h);
/* The token in Authorization, empty if there is none. */
struct slice auth_bearer(const struct http_head *h);
/* What auth_request looks at: the cookie's token or the one of an API. */
struct slice auth_proof(const struct http_head *h, const struct site *site);
/* A whole Set-Cookie line of that kind; an empty value deletes. */
void auth_put_cookie(struct buf *b, const struct site *site,
    struct slice kind, struct slice value, uint64_t max_age_s);
/* How many cookies of that kind the request has; *value is one of them. */
size_t auth_cookie(const struct http_head *h, const struct site *site,
    struct slice kind, struct slice *value);
enum { AUTH_TOKEN_CHARS = 43 }; /* 32 bytes in base64url */
bool auth_random(struct relay *r, uint8_t out[AUTH_TOKEN_CHARS]);

/* login.c */
/* A wrong token came from this request's address. False: too many did; when
 * the next one is answered as such. */
bool login_token_wrong(struct relay *r, uint64_t *retry_s);
/* Who is logged in as `user` is about to show their password once more. False:
 * too often; when they may again. */
bool login_again(struct relay *r, struct slice user, uint64_t *retry_s);
void login_post(struct client *c, const struct http_head *h,
    struct slice body);
void login_page(struct client *c, const struct http_head *h,
    const struct session *s);
/*
 * The steps from an answer that says who somebody is (ASK_LOGIN, ASK_OP; then
 * ASK_ISSUE, ASK_ISSUE_DEVICE) to a session and a device's cookie. E_MORE:
 * asked; E_OK: all is there, send what login_cookies puts; else it is refused.
 */
enum err login_issue(struct client *c, const struct http_head *h);
/* Put the Set-Cookie lines, once, after E_OK. */
void login_cookies(struct client *c, struct buf *b);
void login_out(struct client *c, const struct http_head *h,
    const struct session *s);

/* handover.c */
void handover_begin(struct client *c, bool head_only, const struct session *s,
    const struct site *to, struct slice path, struct slice nonce);
void handover_end(struct client *c, const struct http_head *h);

/* api.c */
/* Is the path an operation's? Is it the one that makes the first account? */
bool api_is(struct slice path);
bool api_sets_up(struct slice path);
void api_request(struct client *c, const struct http_head *h,
    struct slice path, struct slice body);

/* own.c */
/* Is the path the relay's on this site? *path is then its short form. */
bool own_path(const struct relay *r, const struct site *site,
    struct slice target, struct slice *path);
void own_request(struct client *c, const struct http_head *h,
    struct slice path, struct slice rest);
/* There is no account yet: to the page that makes it. */
void own_first_run(struct client *c, const struct http_head *h);

/* page.c */
struct reply {
	unsigned status;
	struct slice type;      /* Content-Type */
	struct slice extra;     /* complete field lines */
	struct slice body;
	bool cache;             /* may be cached: our assets */
	bool open;              /* the body comes later; the connection's end
	                         * is its own */
	struct slice form_to;   /* another origin a form may lead to */
	size_t more;            /* bytes of the body that the caller sends,
	                         * who then says client_answered */
};
/* Where a body may be built: it then leaves in one write with its head. */
struct buf page_area(struct relay *r);
void reply_send(struct client *c, bool head_only, const struct reply *rep);
void reply_json(struct client *c, bool head_only, unsigned status,
    struct slice json, struct slice extra);
/* The same with the meaning of an error. */
void reply_fault(struct client *c, const struct http_head *h,
    unsigned status, enum err e);
/* 429, good again after so long. */
void reply_later(struct client *c, const struct http_head *h,
    uint64_t retry_s, struct slice text);
/* {"error":"..."} for programs, a page for navigations. */
void reply_error(struct client *c, const struct http_head *h, unsigned status,
    struct slice text, struct slice extra);
/* 403: it is another site's page that asks. */
void reply_foreign(struct client *c, const struct http_head *h);
void reply_redirect(struct client *c, bool head_only, struct slice location,
    struct slice extra);
void page_login(struct client *c, bool head_only, unsigned status,
    struct slice user, struct slice next, struct slice nonce,
    struct slice error, struct slice extra);
void page_health(struct client *c, const struct http_head *h);
/* Any request on --listen-http. */
void page_to_https(struct client *c, const struct http_head *h);
void page_asset(struct client *c, const struct http_head *h, struct slice path);
/* The page that is all of the dashboard; its script does the rest. */
void page_shell(struct client *c, const struct http_head *h);

/* names.c */
/* May agents of that credential have the bare name? */
bool names_may(const struct relay *r, struct slice app, uint32_t credential);
/* l has come (`claim`: names that are nobody's are its credential's then), or
 * it leaves. */
void names_seen(struct relay *r, const struct remote *l, bool claim);
/* The credential was removed. */
void names_free(struct relay *r, uint32_t credential);

/* status.c */
bool status_is_up(const struct relay *r, uint32_t i);
/* Something became of the agent; `why` is a constant, or NULL. */
void status_log(struct relay *r, const struct name *name, enum past_what what,
    const char *why);
/* As JSON, with URLs as r->site has them; `names`: of agents and apps too.
 * False if it does not fit. */
bool status_put(struct buf *b, struct relay *r, bool names);

/* live.c */
void live_begin(struct client *c, const struct http_head *h,
    const struct session *s);
/* Frames that are due; when to come again. */
uint64_t live_step(struct relay *r);
/* Tell it that this is the end, and close. */
void live_end(struct client *c);
void live_end_all(struct relay *r);
/* The connection is being closed. */
void live_gone(struct client *c);
void live_beat(struct client *c);
/* Something came from who listens. */
void live_read(struct client *c);

/* metrics.c */
void metrics_put(struct buf *b, const struct relay *r);

/* proxy.c */
/* A request that `who` may make as far as site and login go; `rest` is what
 * came behind its head. As request_route. */
void proxy_request(struct client *c, const struct http_head *h,
    const struct session *who, struct slice rest);
/* The session ended: finish what runs under it. */
void proxy_end_session(struct client *c);

/* stream.c */
extern const struct tunnel_ops stream_ops;
/* A stream for a request to l->apps[app]: the client's present one or a new
 * one. NULL: memory, the agent or the tunnel is at a limit. */
struct rstream *stream_for(struct client *c, struct remote *l, uint16_t app,
    const struct session *who);
/* The client has something for it, or wants it to end. */
void stream_ready(struct rstream *s);
/* Let the app's connection end in order; the client does without it. */
void stream_orphan(struct rstream *s);
/* The record goes; its tunnel must know it no more. */
void stream_free(struct rstream *s);
/* The client, if it has a stream, is of no more use to it: reset it, or end it
 * in order where no request is under way. */
void stream_client_gone(struct client *c);
/* Let go of the streams of `l` that serve no request. */
void stream_release_idle(struct relay *r, const struct remote *l);
/* Bytes left towards the client: they are credit for the agent again. */
void stream_drained(struct client *c);
/* Its timer fired. */
void stream_timer(struct rstream *s);
/* Append to what waits for the app. False if memory is short. */
bool stream_put_up(struct rstream *s, struct slice v);
/* Reserve so many blocks for what waits for the app; give all back. */
bool stream_reserve_up(struct rstream *s, uint32_t blocks);
void stream_free_up(struct rstream *s);

/* upload.c */
/* A request's head waits in s->up: so does the part of its body in *rest now,
 * and *rest is what follows it. E_FULL, or E_HTTP_* of a malformed chunk. */
enum err upload_begin(struct client *c, struct rstream *s,
    const struct http_head *h, struct slice *rest);
/* The tunnel has room for the stream: see struct tunnel_ops. */
enum tunnel_pull upload_pull(void *owner, struct tunnel_stream *ts,
    uint8_t *dst, size_t max, size_t *n, enum reset_code *code);
/* What a pull returns when the client ended or broke in the middle. */
enum tunnel_pull upload_gone(struct rstream *s, enum reset_code *code);

/* proxy_ws.c */
/* upload_pull of a stream in RESP_WS. */
enum tunnel_pull proxy_ws_pull(struct rstream *s, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code);
/* End the WebSocket of `c` between two frames, with a Close each way. Without
 * effect if that is so already. */
void proxy_ws_end(struct client *c, uint16_t code, struct slice reason);
/* The frame that a Close of ours had to wait for is through. */
void proxy_ws_end_now(struct client *c);

/* answer.c: the tunnel's events for a stream (tunnel/tunnel.h) */
void answer_data(void *owner, struct tunnel_stream *ts, uint8_t *p, size_t n);
void answer_end(void *owner, struct tunnel_stream *ts);
void answer_stop(void *owner, struct tunnel_stream *ts);
void answer_reset(void *owner, struct tunnel_stream *ts,
    enum reset_code code);
void answer_closed(void *owner, struct tunnel_stream *ts);
/* No answer comes: the client gets `status`; its stream is over. */
void answer_fail(struct client *c, unsigned status, struct slice text);

/* gather.c */
/*
 * Send `s` to the client soon: before the turn ends, or at the next flush.
 * False if the connection is closed: by an error, or because it would hold
 * more than it reserved. `s` may change after the call, unless it is a part of
 * r->stable: that stays until gather_flush.
 */
bool gather_put(struct client *c, struct slice s);
/* Write what was gathered; what the socket does not take waits in c->out. */
void gather_flush(struct relay *r);

/* remote.c. A record that is `dead` lives until its remote_turn. */
/* The one place that changes l->state; the edge must be a legal one. */
void remote_to(struct remote *l, enum remote_state next);
/* The loop says that its socket is ready (EV_*). */
void remote_event(struct remote *l, uint32_t flags);
/* Read what is there. */
void remote_input(struct remote *l);
/* Step and write; frees it once it is dead. When to come back, in io->now_ms'
 * terms. */
uint64_t remote_turn(struct remote *l);
/* End its session; its Close frame may take a while to leave. */
void remote_end(struct remote *l, enum close_code code);
/* The token that agents came with is no longer one: end their sessions. */
void remote_end_credential(struct relay *r, uint32_t credential);
/* Say so (PROTOCOL.md 4.3), and close. */
void remote_refuse(struct remote *l, struct slice code);
/* Its connection is gone; it may come back. */
static inline bool
remote_parked(const struct remote *l)
{
	return l->fd < 0;
}

/* remote_upgrade.c */
/* A request for /tunnel. As request_route. */
void remote_upgrade(struct client *c, const struct http_head *h);
/* What we grant any agent. */
struct tunnel_limits remote_limits(const struct relay *r);

/* remote_hello.c: the tunnel's events for a session (tunnel/tunnel.h) */
void remote_hello(void *owner, struct slice json);
void remote_confirmed(void *owner);
void remote_goaway(void *owner, enum goaway_reason reason, uint32_t ms);
/* Put the welcome of l, but for what *w says already, in r->area. It has
 * secrets: the caller wipes it. */
struct slice remote_put_welcome(struct remote *l, struct welcome *w);

/* remote_find.c. Parked sessions count, but for remote_any. */
/* The current session of that agent, NULL if it has none. */
struct remote *remote_current(const struct relay *r, struct slice agent);
/*
 * Who offers the app `name` now, as l->apps[*index]; NULL if nobody does.
 * NAME--AGENT: that agent. NAME: of the agents of the credential that holds it
 * (names.c), the one that connected last.
 */
struct remote *remote_find_app(struct relay *r, struct slice name,
    uint16_t *index);
/* Is any agent connected? */
bool remote_any(const struct relay *r);
/* remote_find_app found none: is the agent that `name` means (NAME: any)
 * connected all the same? */
bool remote_lacks_app(const struct relay *r, struct slice name);

/* resume.c */
/* The connection of l is gone: close it and keep the session, if that can be
 * resumed; false, and l is unchanged, if not. */
bool resume_park(struct remote *l, const char *why, bool abort);
/* The hello of l asks to resume: find that session and check the proof. It is
 * refused, or l->resumes is set. */
void resume_asked(struct remote *l, const struct hello *hello);
/* The engine has returned from that hello: the session takes l's connection,
 * l is dead. */
void resume_take(struct remote *l);
/* Is there a session that waits? */
bool resume_awaited(const struct relay *r);
/* Blocks stay reserved for one connection that comes to resume, whatever else
 * is short: take them (again) if they are there; or have them back to use. */
void resume_keep_spare(struct relay *r);
bool resume_use_spare(struct relay *r);

/* stop.c */
/* Nothing would be lost by closing it. */
bool stop_rests(const struct client *c);
/* Go on with stopping; when to come back. */
uint64_t stop_step(struct relay *r);

/* kept.c */
enum err kept_load(struct relay *r, struct slice state);
void kept_save(struct relay *r);
/* The app port of `app`: found, or the first free one bound to it. */
void kept_bind_port(struct relay *r, struct slice app);
bool kept_has_id(const struct relay *r, struct slice id);
struct slice kept_tunnel_id(const struct relay *r, struct slice agent);
void kept_set_tunnel_id(struct relay *r, struct slice agent,
    struct slice id);

/* channel.c and its like */
/* What the pools take, and the blocks, of the memory in *p. */
uint64_t channel_bytes(const struct relay_plan *p);
uint32_t channel_blocks(const struct relay_cfg *cfg, uint32_t blocks);
void channel_new(struct relay *r, struct arena *a);
/* Is the path the channel's on the site of the request? */
bool channel_path(const struct relay *r, struct slice path);
void channel_request(struct client *c, const struct http_head *h,
    struct slice path, struct slice rest);
/* Once a turn; when to come again. */
uint64_t channel_step(struct relay *r);
void channel_stop(struct relay *r);
/* Write now what waits to be written. */
void channel_save(struct relay *r);
/* A workstation's key is no more: those who came with it are closed. */
void channel_credential_gone(struct relay *r, uint32_t credential);
uint64_t channel_online(const struct relay *r);
uint64_t channel_clients(const struct relay *r);
/* The numbers of the metrics, in their order. */
void channel_counts(const struct relay *r, uint64_t v[]);
struct json_out;
/* "wsPath":"/ws","workstations":[...] */
void channel_status(const struct relay *r, struct json_out *o);
/* A connection in CLIENT_CHANNEL: its turn, its deadline, the keeper's answer,
 * its end. */
void sock_run(struct client *c);
void sock_timer(struct client *c);
uint64_t sock_due(const struct client *c);
void sock_answer(struct client *c, const struct answer *a);
void sock_gone(struct client *c);
/* The same in CLIENT_POST and CLIENT_POLL. */
void post_body(struct client *c);
void watch_timer(struct client *c);
uint64_t watch_due(const struct client *c);
void watch_gone(struct client *c);

#endif
