/*
 * One GET of a command to a relay, on the same loop as everything else. It
 * touches no file but those that it is told to trust, and believes nothing of
 * the answer: what is too long, cut or not HTTP is an error.
 */
#ifndef ADIT_APP_FETCH_H
#define ADIT_APP_FETCH_H

#include "app/cmd.h"
#include "app/conf.h"
#include "app/value.h"
#include "codec/http1.h"
#include "net/loop.h"
#include "net/trust.h"

enum {
	FETCH_ANSWER_MAX = 256 * 1024,
	FETCH_WHY_MAX = 200,
	FETCH_TIMEOUT_MS = 10 * 1000,
};

/* How far it came. */
enum fetch_step {
	FETCH_NOTHING, FETCH_RESOLVED, FETCH_CONNECTED, FETCH_SECURED,
	FETCH_ANSWERED,
};

struct fetch {
	/* in: fetch_open fills them */
	struct value_relay to;
	struct slice tls_host;          /* empty: pins decide */
	struct trust trust;
	/* the world, made once */
	struct arena arena;
	struct resolver resolver;
	struct kernel kernel;
	struct loop loop;
	/* the addresses of the name, looked up once, and which is tried */
	struct addr addrs[RESOLVE_MAX];
	size_t naddrs, next, last;
	/* the exchange under way */
	struct slice request;
	int fd;                         /* -1: none */
	bool securing, sent;
	uint64_t due_ms;
	/* out */
	enum fetch_step step;
	const char *why;                /* it failed; NULL: it did not */
	uint8_t tls_why[FETCH_WHY_MAX];
	uint8_t answer[FETCH_ANSWER_MAX];
	size_t n;
	struct http_field fields[HTTP_FIELDS_MAX];
	struct http_head head;
	struct slice body;
};

/*
 * fetch_open: read the command's settings into *c, or print its help; then
 * where to (C_RELAY, or this machine's relay), whom to trust (C_PIN, C_CA), and
 * the world to do it in. EXIT_GO_ON, or the exit code after it has told the
 * person why.
 */
int fetch_open(struct fetch *f, struct conf *c, enum conf_role role,
    const struct cmd *cmd);
void fetch_close(struct fetch *f);

/*
 * fetch_get: GET `path` below the relay's prefix, with `extra` complete field
 * lines. The name is looked up at the first call. Its addresses are tried from
 * number `from` to number `to` (exclusive) in order. At the end f->step tells
 * how far it came; f->why is NULL, and head and body are the answer's, if an
 * answer of any status came whole. Slices of it last until the next call.
 */
void fetch_get(struct fetch *f, struct slice path, struct slice extra,
    size_t from, size_t to);

#endif
