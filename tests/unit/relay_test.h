/*
 * What the relay's tests share: a rig, requests with a session, and an app
 * that answers by itself.
 */
#ifndef ADIT_TESTS_RELAY_TEST_H
#define ADIT_TESTS_RELAY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../sim/rig.h"
#include "base/num.h"

#define C1 "198.51.100.7"
#define C2 "198.51.100.8"
#define C3 "198.51.100.9"
#define A1 "203.0.113.1"
#define A2 "203.0.113.2"
#define HOST "Host: " RIG_MAIN "\r\n"

static struct rig g;
static struct ag *web;          /* the agent of begin_web */

static inline void
begin(void)
{
	struct world_cfg w = world_gentle(1);

	rig_init(&g, &w);
}

/* The main site is the app `web`, an agent is there, C1 is logged in. */
static inline void
go_web(void)
{
	g.cfg.root = SL("web");
	rig_start(&g);
	web = ag_up(&g, A1, "mac");
	rig_login(&g, C1);
}

static inline void
begin_web(void)
{
	begin();
	go_web();
}

/* A request with the session's cookie: `line` without version, `fields` with
 * their CRLF. Valid until the fourth call from now. */
static inline const char *
req(const char *line, const char *fields)
{
	static char area[4][70000];
	static unsigned next;
	char *p = area[next++ % 4];

	snprintf(p, sizeof area[0], "%s HTTP/1.1\r\n" HOST
	    "Cookie: %s\r\n%s\r\n", line, g.cookie, fields);
	return p;
}

/* A stream whose request is there. */
static inline struct as *
asked(unsigned n)
{
	struct as *s;

	rig_settle(&g);
	s = ag_stream(web, n);
	assert_non_null(s);
	return s;
}

/* Ask for a path, let the app say `answer`: the status. */
static inline unsigned
exchange(struct cl *c, const char *line, const char *answer)
{
	struct as *s;

	cl_put(c, req(line, ""));
	rig_settle(&g);
	s = ag_last(web);
	assert_non_null(s);
	s->in.n = 0;
	as_say(s, answer);
	rig_settle(&g);
	return cl_take(c, strncmp(line, "HEAD", 4) == 0);
}

#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

#endif
