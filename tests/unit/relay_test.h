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
#define A3 "203.0.113.3"
#define HOST "Host: " RIG_MAIN "\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n" UPGRADE           \
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct rig g;
static struct ag *web;          /* the agent of begin_web, go_parking */

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

/* The same, but the agent's session outlives its connection; after begin. */
static inline void
go_parking(void)
{
	g.cfg.grace_ms = GRACE_MS;
	g.cfg.root = SL("web");
	rig_start(&g);
	web = ag_new(&g, A1, "mac");
	web->parks = true;
	ag_dial(web);
	rig_settle(&g);
	assert_true(web->confirmed);
	rig_login(&g, C1);
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

/* A GET without it: the status. */
static inline unsigned
get(struct cl *c, const char *path, const char *fields)
{
	static char area[8000];

	snprintf(area, sizeof area, "GET %s HTTP/1.1\r\n" HOST "%s\r\n", path,
	    fields);
	return cl_ask(c, area);
}

/* What anybody is told of the relay, from C3. */
static inline void
status_says(const char *want)
{
	struct cl *c = cl_new(&g, C3, NULL);

	assert_int_equal(get(c, "/api/relay/status", ""), 200);
	assert_true(cl_body_has(c, want));
	assert_false(cl_body_has(c, "\"agents\""));
	cl_close(c, false);
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

/* A new client's request: it waits for the stream's answer. */
static inline struct cl *
asking(const char *line, struct as **s)
{
	struct cl *c = cl_new(&g, C1, NULL);

	cl_put(c, req(line, ""));
	*s = asked(web->nstreams + 1);
	return c;
}

/* The app says `answer`: the status. */
static inline unsigned
answered(struct cl *c, struct as *s, const char *answer)
{
	as_say(s, answer);
	rig_settle(&g);
	return cl_take(c, false);
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

/* The app takes the upgrade that was asked for last. */
static inline struct as *
switched(struct cl *c)
{
	struct as *s;

	rig_settle(&g);
	s = ag_last(web);
	assert_non_null(s);
	s->in.n = 0;
	assert_int_equal(answered(c, s, SWITCH "\r\n"), 101);
	assert_string_equal(c->head.p, "HTTP/1.1 101 Switching Protocols\r\n"
	    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" UPGRADE
	    "\r\n");
	return s;
}

static inline struct as *
open_ws(struct cl *c)
{
	cl_put(c, req("GET /ws", UPGRADE VERSION KEY));
	return switched(c);
}

/* A connection that was used, and is kept. */
static inline struct cl *
kept(void)
{
	struct cl *c = cl_new(&g, C1, NULL);

	assert_int_equal(exchange(c, "GET /", OK2), 200);
	return c;
}

/* An app that closes when the relay does. */
static inline void
ends_back(struct as *s)
{
	if (s->in_end && !s->out_end)
		as_end(s);
}

#endif
