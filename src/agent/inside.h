/*
 * What the files of this room share: the agent's records. Nobody else
 * includes this.
 *
 *   agent.c       the life cycle, and when to dial
 *   dial.c        a connection up to the handshake's answer
 *   proxy.c       through a proxy (HTTP CONNECT)
 *   upgrade.c     the handshake itself (pure)
 *   link.c        a link: its states and its end
 *   link_hello.c  what its session is agreed on
 *   link_turn.c   its bytes, and what the engine said
 *   app.c         apps, and which address one stands for
 *   conn.c        a connection to an app
 *   app_io.c      bytes between a stream and its app
 *
 * Callbacks of the tunnel engine come without a struct io; g->io is the one of
 * the call that is under way and NULL outside of calls. The engine forbids to
 * free a tunnel from within: what a callback decides about its link is kept in
 * link->verdict and done when the engine has returned.
 */
#ifndef ADIT_AGENT_INSIDE_H
#define ADIT_AGENT_INSIDE_H

#include "agent/agent.h"
#include "agent/proxy.h"
#include "agent/upgrade.h"
#include "base/chain.h"
#include "base/timer.h"
#include "tunnel/tunnel.h"

enum agent_kind {
	KIND_LINK = 0x40,       /* struct link */
	KIND_CONN = 0x41,       /* struct conn */
	KIND_APP = 0x42,        /* struct app: index only, never freed */
	KIND_BLOCK = 0x43,
	KIND_SELF = 0x44,       /* struct agent: `what` of its timers */
};

enum {
	LINKS = 3,              /* one current or dialled, two draining */
	TURN_BYTES = 256 * 1024,        /* per socket, direction and turn */
	GATHER = 16,            /* pieces of one write to an app */
};

/* What a callback of the engine decided about its link. */
enum link_verdict {
	VERDICT_NONE,
	VERDICT_LATER,          /* refused, but perhaps not for ever */
	VERDICT_REFUSED,        /* for good: exit code 3 */
	VERDICT_REPLACED,       /* exit code 4 */
	VERDICT_BAD,            /* malformed welcome */
	VERDICT_GONE,           /* the session to resume is not known */
	VERDICT_PARKED,         /* it is not resumed now, but perhaps later */
};

struct link {
	struct agent *g;
	struct tunnel t;                /* from HELLO on */
	struct tunnel_stream **hash;
	struct timer timer;
	struct addr addrs[RESOLVE_MAX];
	uint32_t naddrs, addr;          /* addr: the next to try */
	uint64_t connect_by_ms;         /* for all addresses */
	const char *why;                /* what the last address failed with */
	int fd;                         /* -1: none */
	uint8_t state;                  /* enum link_state */
	uint8_t verdict;                /* enum link_verdict */
	bool has_tunnel;
	bool can_read, can_write;       /* no IO_AGAIN since the last event */
	bool shut;                      /* CLOSING: all is written */
	uint64_t live_ms;               /* welcomed, or resumed, at */
	/* The session, while there is one to resume: */
	uint8_t session[HELLO_SESSION_CHARS];
	uint8_t secret[HELLO_SECRET_BYTES];
	uint64_t attempt;               /* of the last hello that resumes */
	uint64_t parked_ms;
	uint64_t tried;                 /* its last dial; 0: none since then */
	bool drains;                    /* a go-away went or came */
	uint64_t serial;                /* larger is younger */
};

/* An app that is offered, and where it is. */
struct app {
	const struct agent_app *cfg;
	struct addr addrs[RESOLVE_MAX];
	uint32_t naddrs;
	uint64_t fresh_until_ms;        /* of a name's addresses */
	uint64_t asked_ms;              /* while resolving */
	bool resolving;
	bool down;                      /* the last connect failed: logged */
	bool numeric;                   /* addrs never change */
	uint8_t authority[HELLO_HOST_MAX];      /* for host=app */
	size_t nauthority;
};

struct conn {
	struct tunnel_stream s;
	struct agent *g;
	struct timer timer;
	struct chain in;                /* for the app, not written yet */
	int fd;                         /* -1: none */
	uint16_t app;
	uint16_t blocks;                /* reserved for `in` */
	uint8_t state;                  /* enum conn_state */
	uint8_t addr;                   /* the next to try */
	bool can_write;                 /* no IO_AGAIN since the last event */
	bool in_ended;                  /* the stream's END came */
	bool in_shut;                   /* and was passed to the app */
	bool out_ended;                 /* the app's end was read */
	bool in_broken;                 /* the app takes no more */
	bool out_stopped;               /* the relay wants no more of it */
	bool more;                      /* discard on when the timer comes */
	uint64_t by_ms;                 /* end of connecting, of lingering */
};

/* Payload for one app out of one read from the tunnel. */
struct gather {
	struct conn *c;                 /* NULL: nothing gathered */
	size_t n;
	struct slice v[GATHER];
};

struct agent {
	const struct agent_cfg *cfg;
	struct agent_plan plan;
	struct log *log;
	const struct io *io;            /* of the call under way */

	struct blocks blocks;
	struct timers timers;
	struct pool links, conns;
	struct tunnel_stream **hashes;  /* LINKS of hash_n each */
	uint32_t hash_n;
	struct app apps[HELLO_APPS_MAX];

	handle dial;                    /* RESOLVING .. HELLO, or none */
	handle current;                 /* LIVE or parked, or none */
	uint64_t serial, dials;
	uint64_t new_tried;             /* the last dial for a new session */
	uint32_t grown;                 /* blocks of windows that grew */
	struct gather gather;

	struct timer retry;             /* the next dial */
	unsigned quick, slow;           /* waits taken in this outage */
	uint64_t outage_ms;             /* when it began */
	bool had_session;               /* it began with a session's end */

	struct timer stop;              /* the drain's deadline */
	bool stopping;
	bool over;                      /* all is closed */
	int exit_code;

	uint8_t instance[HELLO_INSTANCE_BYTES];
	bool start;
	uint8_t tunnel_id[HELLO_TUNNEL_ID_BYTES];
	size_t ntunnel_id;

	/* Of the one dial that can be under way: */
	struct upgrade upgrade;
	struct http_scan proxy_scan;
	struct buf ask;
	struct slice ask_left;          /* of it: what has to leave yet */
	struct buf answer;
	struct http_field *fields;      /* HTTP_FIELDS_MAX */
};

enum { WHAT_RETRY, WHAT_STOP };         /* timers of KIND_SELF */

static inline handle
app_handle(size_t i)
{
	return (handle)KIND_APP << 56 | (handle)i;
}

static inline handle
link_handle(const struct link *l)
{
	return pool_handle(&l->g->links, l);
}

static inline handle
conn_handle(const struct conn *c)
{
	return pool_handle(&c->g->conns, c);
}

static inline struct app *
conn_app(const struct conn *c)
{
	return &c->g->apps[c->app];
}

/* agent.c */
/* The end, with this exit code; everything is closed when the present call
 * returns to the world. */
void agent_finish(struct agent *g, int exit_code);
/* Dial again after the wait that is due, if there is a reason to. */
void agent_retry(struct agent *g);
/* The same without a wait. */
void agent_retry_now(struct agent *g);
/* A session ended that began at live_ms. */
void agent_served(struct agent *g, uint64_t live_ms);
/* A relay is there that waits for us: the next wait is the first one. */
void agent_expected(struct agent *g);

/* link.c */
/* The one place that changes l->state; the edge must be a legal one. */
void link_to(struct link *l, enum link_state next);
/* Take a slot, giving up a closing or the oldest draining one. */
struct link *link_new(struct agent *g);
/* Close and forget; its streams are reset. `abort`: at once. */
void link_free(struct link *l, bool abort);
/* Does a session wait for this link's connection? */
bool link_waits(const struct link *l);
/*
 * Nothing more is read from the connection, it is closed, and what was received
 * is fixed: in this order, before anybody dials. False: no session to keep.
 */
bool link_park(struct link *l);
/* Its connection, or its dial, failed: keep the session if there is one. */
void link_unplug(struct link *l);
/* The same, with a word in the log and the next dial. */
void link_lost(struct link *l, const char *why);
/* It does not count any more: dial again if it was the one. */
void link_retire(struct link *l);
/* Send a Close and wait a moment for the relay's. */
void link_close(struct link *l, enum close_code code);
/* The session is over; a Close still has to leave, the relay to agree. */
void link_closing(struct link *l);
/* The dial is over, if it is this one's: it may have left a token behind. */
void link_dialled(struct link *l);
/* The connection is over; `code` is a Close's, or 0. */
void link_log_end(const struct link *l, const char *why, unsigned code);
/* Its timer fired. */
void link_timer(struct link *l);
/* Send a go-away and drain. */
void link_goaway(struct link *l, uint32_t deadline_ms);
/* The same for one that waits to be resumed, if it has streams. */
void link_goaway_parked(struct link *l, uint32_t deadline_ms);

/* link_hello.c */
/* The handshake is done, `rest` is what came behind it, in g->answer. */
void link_begin(struct link *l, struct slice rest);

/* link_turn.c */
/* The loop says that the socket is ready (EV_*). */
void link_event(struct link *l, uint32_t flags);
/* Once per turn: read on, let the tunnel do what is due, write. Returns when
 * it wants to be called again, in io->now_ms' terms. */
uint64_t link_turn(struct link *l);
/* The engine has returned e: act on what it said. False: the link is gone or
 * only waits for the end of its connection. */
bool link_after(struct link *l, enum err e);

/* dial.c */
/* Begin a dial, for the parked session if there is one. */
void dial_start(struct agent *g);
/* The relay's name was looked up; the socket is ready; the deadline came. */
void dial_resolved(struct link *l, const struct io_event *ev);
void dial_event(struct link *l, uint32_t flags);
void dial_timer(struct link *l);

/* app.c */
/* The apps of the configuration. E_RANGE: the address of one that wants
 * host=app is too long. */
enum err app_init(struct agent *g);
/* The name of `a` was looked up: whoever waits for it goes on. */
void app_resolved(struct agent *g, struct app *a, const struct io_event *ev);
/* The tunnel's ops that concern streams (tunnel/tunnel.h); owner is the
 * link. Here app_open; the others are app_io.c's. */
struct tunnel_stream *app_open(void *owner, const struct frame_open *o,
    enum reset_code *refuse);

/* conn.c. A call may free the connection where it says so. */
/* The one place that changes c->state; the edge must be a legal one. */
void conn_to(struct conn *c, enum conn_state next);
/*
 * Begin to connect to the next address; RESET_NONE, or why there is none: `why`
 * if there was no other.
 */
enum reset_code conn_connect(struct conn *c, enum reset_code why);
/* The stream cannot be served: tell the relay why; the connection is freed. */
void conn_fail(struct conn *c, enum reset_code code);
/* The app's side is closed at once, the stream is not told; it is freed. */
void conn_drop(struct conn *c);
/*
 * The stream is over in order. True if the app has all that was for it and has
 * ended too: then the connection is closed, and freed.
 */
bool conn_finish(struct conn *c);
/* Set the timer of an open or lingering connection. */
void conn_arm(struct conn *c);
/* The loop says that its socket is ready (EV_*); its timer fired. Either may
 * free it. */
void conn_event(struct conn *c, uint32_t flags);
void conn_timer(struct conn *c);

/* app_io.c */
enum tunnel_pull app_pull(void *owner, struct tunnel_stream *s, uint8_t *dst,
    size_t max, size_t *n, enum reset_code *code);
void app_data(void *owner, struct tunnel_stream *s, uint8_t *p, size_t n);
void app_end(void *owner, struct tunnel_stream *s);
void app_stop(void *owner, struct tunnel_stream *s);
void app_reset(void *owner, struct tunnel_stream *s, enum reset_code code);
void app_closed(void *owner, struct tunnel_stream *s);
bool app_window(void *owner, struct tunnel_stream *s, uint32_t bytes);
/* Write what was gathered: before the bytes go away. */
void app_flush(struct agent *g);
/* Write what waits for the app, pass on the end behind it. The connection may
 * be freed: look it up again. */
void conn_flush(struct conn *c);
/* The relay wants no more of it: read on all the same, or the app would stand.
 * It may be freed. */
void conn_discard(struct conn *c);

#endif
