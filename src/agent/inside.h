/*
 * What the files of this room share: the agent's records. Nobody else
 * includes this. agent.c has the life cycle and the backoff, dial.c brings a
 * connection up to the handshake's answer, link.c carries a tunnel, app.c the
 * connections to apps.
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
void link_to(struct link *l, enum link_state next);
/* Take a slot, giving up a closing or the oldest draining one. */
struct link *link_new(struct agent *g);
/* Close and forget; its streams are reset. `abort`: at once. */
void link_free(struct link *l, bool abort);
/* Its connection, or its dial, failed: keep the session if there is one. */
void link_unplug(struct link *l);
/* The handshake is done, `rest` is what came behind it. */
void link_begin(struct link *l, struct slice rest);
void link_event(struct link *l, uint32_t flags);
void link_timer(struct link *l);
/* Once per turn: read on, let the tunnel do what is due, write. Returns when
 * it wants to be called again. */
uint64_t link_turn(struct link *l);
/* Send a go-away and drain. */
void link_goaway(struct link *l, uint32_t deadline_ms);
/* The same for one that waits to be resumed, if it has streams. */
void link_goaway_parked(struct link *l, uint32_t deadline_ms);
/* Does a session wait for this link's connection? */
bool link_waits(const struct link *l);
/* Send a Close and wait a moment for the relay's. */
void link_close(struct link *l, enum close_code code);

/* dial.c */
void dial_start(struct agent *g);
void dial_resolved(struct link *l, const struct io_event *ev);
void dial_event(struct link *l, uint32_t flags);
void dial_timer(struct link *l);

/* app.c */
enum err app_init(struct agent *g);
void app_resolved(struct agent *g, struct app *a, const struct io_event *ev);
void conn_event(struct conn *c, uint32_t flags);
void conn_timer(struct conn *c);
/* The app's side is closed at once, the stream is not told. */
void conn_drop(struct conn *c);
/* The tunnel's ops that concern streams; owner is the link. */
struct tunnel_stream *app_open(void *owner, const struct frame_open *o,
    enum reset_code *refuse);
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

#endif
