/*
 * What a process may still do once it has what it needs. On Linux: Landlock
 * for paths and TCP ports, and an allow list of system calls (seccomp) that
 * kills on anything else. On OpenBSD: unveil and pledge. Other systems and
 * glibc builds (tests, sanitizers) have none.
 *
 * Each process of the program has its own list, by its roles; sandbox.c has
 * the table, --print-policy prints it.
 */
#ifndef ADIT_APP_SANDBOX_H
#define ADIT_APP_SANDBOX_H

#include "base/buf.h"

enum sandbox_mode {
	SANDBOX_ON,
	SANDBOX_SECCOMP,        /* the list of calls alone */
	SANDBOX_OFF,
};

enum sandbox_role {
	SANDBOX_RELAY = 1,      /* reads the network, as a relay */
	SANDBOX_AGENT = 2,      /* as an agent */
	SANDBOX_KEEPER = 4,     /* secrets and the relay's files */
	SANDBOX_NAMES = 8,      /* looks after those that look up names */
	SANDBOX_LOOKUP = 16,    /* looks names up */
	SANDBOX_HASHER = 32,    /* stretches passwords */
};

enum { SANDBOX_PATHS_MAX = 40, SANDBOX_PORTS_MAX = 80 };

struct sandbox {
	unsigned roles;
	enum sandbox_mode mode;
	bool unix_sockets;              /* an app of the agent is one */
	/* Descriptors may be sent (sendmsg) on the socket of this number and
	 * no other; -1: on none. For names they may be on any. */
	int pass_fd;
	size_t npaths, nports;
	struct sandbox_path {           /* all below it, or this file */
		const char *path;       /* for people, or to open if fd < 0 */
		int fd;
		bool write;
	} paths[SANDBOX_PATHS_MAX];
	uint16_t ports[SANDBOX_PORTS_MAX];      /* to connect to, by TCP */
};

/* This build has one. */
bool sandbox_exists(void);
/* NULL if the system can do `mode`, else what is missing. */
const char *sandbox_missing(enum sandbox_mode mode);
/* For good. NULL, or what could not be done. */
const char *sandbox_enter(const struct sandbox *b);
/* For a person: "calls", "paths" and "ports" of these roles. */
void sandbox_put(struct buf *b, const struct sandbox *s);

void sandbox_add_path(struct sandbox *b, const char *path, int fd,
    bool write);
void sandbox_add_port(struct sandbox *b, uint16_t port);

/*
 * Capabilities. Around leaving root: keep one thing, reading files that the
 * account may not read, if `keys`; then have nothing else. sandbox_drop_all:
 * not even that, nor what a service manager gave.
 */
void sandbox_keep_capability(bool keys);
void sandbox_narrow_capability(bool keys);
void sandbox_drop_all(void);

#ifdef ADIT_PROBE
/* tests/probe: called by sandbox_enter, as the last thing. */
void probe(unsigned roles);
#endif

#endif
