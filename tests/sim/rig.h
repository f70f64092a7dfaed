/*
 * The relay in the virtual world: the real relay with its real keeper, clients
 * that a test plays by hand, and agents made of the tunnel engine whose apps
 * say what the test wants. For test_relay.c and fuzz_relay.c.
 *
 * After each step of the relay everything that can be seen from inside is
 * checked (rig_check): no readiness is forgotten, every reserved block has an
 * owner, nobody holds more than is reserved. At the end (rig_close) all pools
 * must be as they were at the start.
 */
#ifndef ADIT_TESTS_RIG_H
#define ADIT_TESTS_RIG_H

#include "dyn.h"
#include "relay/parts.h"
#include "state/keeper.h"
#include "tunnel/engine.h"
#include "world.h"

#define RIG_IP "192.0.2.1"
#define RIG_MAIN RIG_IP ":4000"
#define RIG_PASSWORD "correct horse battery"
#define RIG_TOKEN "adit_token-of-the-agents-0123"
#define RIG_CHANNEL_KEY "a key of the channel for workstations"

enum { RIG_HOSTS = 48, RIG_CLIENTS = 256, RIG_HASH = 2048 };

struct rig;

/* A client's connection. It reads all that comes and writes all that is put,
 * unless it holds. */
struct cl {
	struct rig *g;
	struct cl *next;
	struct world_host *host;
	int fd;                 /* -1: closed on this side */
	unsigned serial;
	bool rd, wr, open;
	bool hold;              /* reads nothing */
	bool eof, broken;       /* how the relay closed it */
	uint64_t end_ms;        /* when */
	uint64_t taken;         /* bytes that were dropped off `in` */
	struct dyn in, out;
	bool shut;              /* shut down when `out` is written */
	unsigned status;        /* of the last answer that was taken: */
	struct dyn head, body;
};

/* A stream as its agent has it. */
struct as {
	struct tunnel_stream ts;
	struct ag *a;
	struct as *next;
	unsigned n;             /* 1, 2, ... in the order of opening */
	char app[64], client[80], user[80], scheme[8];
	struct dyn in, out;
	bool out_end;           /* END when `out` has left */
	bool hold;              /* takes no bytes from the tunnel's window */
	uint64_t unread;
	uint64_t got, came_ms;  /* bytes; when the last ones came */
	bool in_end, stopped, was_reset, closed, did_reset;
	enum reset_code code;
	uint64_t over_ms;       /* when the reset or the end came */
	unsigned answered;      /* requests, by the app function */
	void *own;              /* the app function's */
};

/* An agent. */
struct ag {
	struct rig *g;
	struct ag *next;
	struct world_host *host;
	int fd;
	bool rd, wr, has_tunnel, welcomed, confirmed, refused, goaway;
	struct dyn head;        /* of the relay's answer to the upgrade */
	unsigned status;
	const char *hello_text; /* said instead of the right one */
	bool no_hello;
	bool hold_welcome;      /* does not confirm: see ag_confirm */
	struct dyn welcome;     /* the message */
	char code[40];          /* of a refusal */
	bool parks;             /* a cut does not end its session: ag_resume */
	bool parked, resumed;
	bool forges;            /* says `resume` without having parked */
	int left;               /* see ag_abandon; -1 */
	char session[HELLO_SESSION_CHARS];
	uint8_t secret[HELLO_SECRET_BYTES];
	uint64_t attempt;       /* of the last ag_resume */
	struct hello hello;
	struct tunnel t;
	struct tunnel_stream *hash[RIG_HASH];
	struct tunnel_limits limits;
	struct blocks blocks;
	struct arena arena;
	enum err err;
	unsigned close_code, goaway_reason;
	uint64_t end_ms;
	struct as *streams;     /* the latest first */
	unsigned nstreams;
	/* Called when bytes came on a stream, or its end. NULL: the test. */
	void (*app)(struct as *s);
	void *own;
};

struct rig {
	struct world *w;
	struct world_host *host;
	struct world_host *hosts[RIG_HOSTS];    /* of clients */
	char ips[RIG_HOSTS][48];
	size_t nhosts;
	struct relay_cfg cfg;
	struct relay_plan plan;
	struct arena arena;
	struct relay *r;
	struct keeper *keeper;
	uint32_t keeper_ms;
	bool keeper_deaf;       /* does not answer */
	bool keeper_full;       /* takes no question */
	/* Answers instead of the keeper, if it returns true. */
	bool (*keeper_hook)(struct rig *g, const struct ask *q,
	    struct answer *a);
	/* Instead of the keeper of one shared password: see rig_keeper. */
	void (*keeper_open)(struct rig *g);
	void (*keeper_asked)(struct rig *g, const struct ask *q);
	uint64_t answer_ms;     /* when the last one arrives */
	const char *login;      /* what rig_login says */
	bool keeper_files;      /* its sessions are kept on the relay's host */
	struct dyn sessions;    /* else here */
	uint8_t starts;         /* of the keeper */
	unsigned asked[16];
	uint32_t taken;         /* blocks that a test keeps from the relay */
	struct cl *cls;
	unsigned ncls;
	struct ag *ags;
	char cookie[2048];      /* of the last rig_login: "adit=..." */
	char device[512];
	bool quiet;             /* the log at level FATAL */
	unsigned steps, check_each;     /* rig_check after so many steps */
};

/* A world, and the configuration to be changed before rig_start. */
void rig_init(struct rig *g, const struct world_cfg *cfg);
/* Another keeper; before rig_start. `open` opens g->keeper, which is all zero,
 * at each start; `asked` is told each question and answers by rig_answer;
 * `login` is what rig_login says. */
void rig_keeper(struct rig *g, void (*open)(struct rig *g),
    void (*asked)(struct rig *g, const struct ask *q), const char *login);
/* An answer or a note to the relay, behind all before it. */
void rig_answer(struct rig *g, const struct answer *a);
/* One more listening socket; before rig_start. */
void rig_listen(struct rig *g, const char *where, enum listen_kind kind,
    const char *app);
void rig_start(struct rig *g);
/* The relay and its keeper die; what was saved stays. Then they start anew. */
void rig_kill(struct rig *g);
void rig_again(struct rig *g);
/* Leave the relay no more than n blocks that are not promised yet. */
void rig_scarce(struct rig *g, uint32_t n);
/* Let time pass. */
void rig_run(struct rig *g, uint64_t ms);
/* Long enough for anything that has no reason to wait. */
void rig_settle(struct rig *g);
/* Close every client and agent, let time pass, and look whether the relay has
 * forgotten all of it. Then everything is freed. */
void rig_close(struct rig *g);
/* All pools are at zero but those of agents (they may still be there). */
void rig_zero(struct rig *g, bool agents);
void rig_check(struct rig *g, uint64_t due_ms);
/* Bytes that the relay holds for clients and apps together. */
size_t rig_held(const struct rig *g);

/* A connection from `ip` to `where` (NULL: the main site). */
struct cl *cl_new(struct rig *g, const char *ip, const char *where);
void cl_put(struct cl *c, const char *text);
void cl_putn(struct cl *c, const void *p, size_t n);
void cl_shut(struct cl *c);
void cl_close(struct cl *c, bool abort_it);
bool cl_has(const struct cl *c, const char *text);
/* Take one whole answer off what came: its status, or 0 if it is not whole.
 * `head` and `body` of *c are what it was. */
unsigned cl_take(struct cl *c, bool to_head);
/* Send, settle, take: the status. */
unsigned cl_ask(struct cl *c, const char *request);
/* The body contains the text, the head has the line. */
bool cl_body_has(const struct cl *c, const char *text);
bool cl_head_has(const struct cl *c, const char *text);

/* Log in from that address; the cookie is in g->cookie. */
void rig_login(struct rig *g, const char *ip);

/* An agent with one app `web`; it dials when ag_dial is called. */
struct ag *ag_new(struct rig *g, const char *ip, const char *name);
void ag_dial(struct ag *a);
/* Both, and it is there. */
struct ag *ag_up(struct rig *g, const char *ip, const char *name);
void ag_confirm(struct ag *a);
/* Its connection ends; so does its session, unless it parks. */
void ag_drop(struct ag *a, bool abort_it);
/* The same for the agent, but the relay hears nothing of it. */
void ag_abandon(struct ag *a);
/* Dial again with a right `resume`, to be spoilt in a->hello before time
 * passes. */
void ag_resume(struct ag *a);
/* The session is given up: ag_dial makes another one. */
void ag_forget(struct ag *a);
/* The n-th stream, from 1 on, or NULL. */
struct as *ag_stream(const struct ag *a, unsigned n);
/* The latest. */
struct as *ag_last(const struct ag *a);
void as_say(struct as *s, const char *text);
void as_sayn(struct as *s, const void *p, size_t n);
void as_end(struct as *s);
void as_reset(struct as *s, enum reset_code code);
void as_stop(struct as *s);
/* Read what was held, and hold no more. */
void as_read(struct as *s);
bool as_has(const struct as *s, const char *text);
/* The whole request at offset `at` of what came: its head (slices of s->in),
 * and *n, where it ends. False if it is not whole (or not one). */
bool as_request(struct as *s, size_t at, struct http_head *h, size_t *n);
/* Free the clients and streams that are over: for one rig used many times. */
void rig_forget(struct rig *g);

#endif
