/*
 * The agent: dials the relay, offers apps, and copies bytes between a stream
 * and the one local address that the app's name stands for. It knows nothing
 * of HTTP beyond its own handshake.
 *
 * One struct agent per process, driven by agent_event for each event of the
 * world and agent_step once per turn. It takes all its memory from the arena.
 */
#ifndef ADIT_AGENT_AGENT_H
#define ADIT_AGENT_AGENT_H

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/ct.h"
#include "tunnel/hello.h"

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
	struct secret token;
	struct slice name;              /* the agent's */
	struct agent_app apps[HELLO_APPS_MAX];
	size_t napps;
	struct slice tunnel_id;         /* kept from before, or empty */
	uint64_t memory_bytes;
	uint32_t max_streams;           /* 0: computed */
	uint32_t connect_ms;            /* to an app */
	uint32_t drain_ms;              /* requests in flight at SIGTERM */
	struct slice version;
};

void agent_cfg_defaults(struct agent_cfg *cfg);

struct agent_plan {
	uint32_t streams, blocks;
	uint64_t bytes;                 /* what the arena must hold */
};
enum err agent_plan(const struct agent_cfg *cfg, struct agent_plan *plan);

struct agent;

/* *cfg and what its slices point to must outlive the agent. */
enum err agent_new(struct agent **g, const struct agent_cfg *cfg,
    const struct agent_plan *plan, struct arena *a, struct log *log,
    const struct io *io);
bool agent_owns(handle who);
void agent_event(struct agent *g, const struct io *io,
    const struct io_event *ev);
/* Do what is due; returns when to be called again at the latest (ms). */
uint64_t agent_step(struct agent *g, const struct io *io);
/* Dial now instead of waiting (SIGUSR1). */
void agent_dial_now(struct agent *g, const struct io *io);
/* Begin to stop: go-away, requests finish, Close 4000. */
void agent_stop(struct agent *g, const struct io *io);
/* -1 while it runs; else the exit code: 0 stopped, 3 refused for good,
 * 4 replaced. */
int agent_exit_code(const struct agent *g);

#endif
