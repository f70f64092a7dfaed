/*
 * The relay: everything between the listening sockets and the tunnels.
 * It logs people in, decides which site a request is for, checks and rewrites
 * every head, and moves bytes; it executes nothing, stores nothing but its
 * small state, and knows no secret (base/ask.h).
 *
 * One struct relay per process, driven by two calls: relay_event for each
 * event of the world, and relay_step once per turn. It takes all its memory
 * from the arena in relay_new.
 */
#ifndef ADIT_RELAY_RELAY_H
#define ADIT_RELAY_RELAY_H

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

enum {
	LISTENS_MAX = 256,      /* listening sockets, app ports included */
	RESERVES_MAX = 32,
	TRUST_MAX = 64,
	PUBLICS_MAX = 64,
};

enum listen_kind {
	LISTEN_MAIN,            /* the main site, and hosts of the app domain */
	LISTEN_DASHBOARD,       /* --listen ADDR:PORT=dashboard */
	LISTEN_APP,             /* --listen ADDR:PORT=NAME */
	LISTEN_PORT,            /* one of the app ports */
	LISTEN_REDIRECT,        /* --listen-http: to https, nothing else */
};

struct relay_listen {
	int fd;                 /* listening already */
	struct addr addr;       /* with the port as bound */
	enum listen_kind kind;
	struct slice app;       /* LISTEN_APP: NAME or NAME--AGENT */
	bool secure;            /* its clients speak TLS, below the io */
};

struct relay_net { struct addr net; uint8_t bits; };

/* What the process knows of itself, for /metrics. */
enum { RELAY_SHAKES = 3 };              /* full, resumed, failed */
struct relay_facts {
	uint64_t shakes[RELAY_SHAKES];  /* TLS handshakes since the start */
	uint64_t resident_bytes;        /* 0: not known */
};

struct relay_cfg {
	struct relay_listen listens[LISTENS_MAX];
	size_t nlistens;
	struct slice domain;            /* host name, or empty */
	struct slice app_domain;
	struct slice public_url;        /* without a trailing slash, or empty */
	struct slice root;              /* NAME, NAME--AGENT or dashboard;
	                                 * empty: see site_roots_first */
	struct slice reserve[RESERVES_MAX];     /* path prefixes, from `/` on */
	size_t nreserve;
	struct relay_net trust[TRUST_MAX];      /* proxies to believe */
	size_t ntrust;
	struct slice publics[PUBLICS_MAX];      /* AGENT/APP */
	size_t npublics;
	bool no_login;
	uint64_t memory_bytes;          /* everything together */
	uint64_t tls_item_bytes;        /* of a TLS connection; 0: no TLS */
	uint32_t max_connections;       /* of clients; 0: computed */
	uint32_t max_per_address;       /* 0: half of max_connections */
	uint32_t max_agents;            /* 0: computed */
	uint32_t max_streams;           /* in all; 0: computed */
	uint32_t head_ms;               /* a request's head, from first byte */
	uint32_t grace_ms;              /* a cut session is kept so long; 0: a
	                                 * cut is its end */
	uint32_t hello_ms;              /* a tunnel's hello */
	uint32_t first_byte_ms;         /* the app's first byte */
	uint32_t progress_ms;           /* a body or a read that stands still */
	uint32_t idle_ms;               /* a kept-alive connection */
	uint32_t drain_ms;              /* requests in flight at SIGTERM */
	uint64_t session_ttl_s;
	bool channel;                   /* the message channel is on */
	struct slice channel_path;      /* of its WebSocket */
	uint64_t channel_message_max;   /* bytes */
	uint64_t hash_seed;             /* random */
	struct slice version;
	/* The settings for GET /api/settings: a JSON array, without secrets;
	 * or empty. */
	struct slice settings_json;
	/* It goes on for a process whose agents are on their way here; whose
	 * main site served this app because it came first (or empty). */
	bool succeeds;
	struct slice first_app;
	/* Fill *f, which is all zero; or NULL. */
	void (*facts)(struct relay_facts *f);
};

/* The defaults of the settings; lists empty. */
void relay_cfg_defaults(struct relay_cfg *cfg);

/* What memory_bytes is made of: printed at start. */
struct relay_plan {
	uint32_t connections, agents, streams, blocks, heads_small, heads_large;
	uint32_t remotes;       /* agents, and who comes to resume */
	uint32_t share;         /* streams that one address may have */
	uint64_t mib;                   /* of the memory */
	uint32_t channel_blocks;        /* of the blocks; 0: it is off */
	uint64_t bytes;                 /* what the arena must hold */
	/* TLS connections at once, and what they take beside `bytes`. */
	uint32_t tls;
	uint64_t tls_bytes;
};
/*
 * Compute the sizes of all pools. E_RANGE if memory_bytes is too small for
 * the limits that are set; *plan then tells what it would take.
 */
enum err relay_plan(const struct relay_cfg *cfg, struct relay_plan *plan);

enum relay_mode {               /* how people log in */
	RELAY_SHARED,           /* with one password for all */
	RELAY_ACCOUNTS,
	RELAY_SETUP,            /* not yet: only the first account is made */
	RELAY_OPEN,             /* not at all: cfg->no_login */
};

struct relay;

/*
 * Make a relay. *cfg and what its slices point to must outlive it. `state`
 * is the content of the kept file "relay.json" (empty at first start):
 * app ports by name, and names of agents. E_SYNTAX if it does not parse.
 */
enum err relay_new(struct relay **r, const struct relay_cfg *cfg,
    const struct relay_plan *plan, struct arena *a, struct log *log,
    const struct io *io, struct slice state);
/* How people log in: "shared", "accounts" or "setup". Until it is said:
 * "shared". With cfg->no_login nothing is changed. */
void relay_set_mode(struct relay *r, struct slice mode);
/* The kept file "channel.json": who owns which id. Once, after relay_new.
 * E_SYNTAX if it does not parse. */
enum err relay_load_channel(struct relay *r, struct slice state);
/* When the first of our certificates ends (Unix time): for /health. */
void relay_set_tls_until(struct relay *r, uint64_t unix_s);
/* The handles that this relay uses, and none: its keeper's notes. */
bool relay_owns(handle who);
void relay_event(struct relay *r, const struct io *io,
    const struct io_event *ev);
/* Do what is due; returns when to be called again at the latest (ms). */
uint64_t relay_step(struct relay *r, const struct io *io);
/* Begin to stop: /readyz says 503, agents are told, requests finish. */
void relay_stop(struct relay *r, const struct io *io);
/* True once nothing is left to do after relay_stop or relay_leave. */
bool relay_stopped(const struct relay *r);

/*
 * Another process takes over (app/takeover.h). relay_hold: accept nobody and
 * write nothing; what is here goes on, but for what changes state: that is
 * refused, on connections that then close. Or go on, as if nothing had been.
 * relay_leave: the other one serves. Listening sockets are closed (forget them
 * before), agents are sent to it, what is under way ends as by relay_stop.
 */
void relay_hold(struct relay *r, const struct io *io, bool hold);
void relay_leave(struct relay *r, const struct io *io);
/* Requests wait for an agent that may come back: not the time to hold. */
bool relay_awaits(const struct relay *r);
/* cfg.first_app of who takes over. */
struct slice relay_first_app(const struct relay *r);

#endif
