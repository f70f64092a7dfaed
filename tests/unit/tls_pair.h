/*
 * Two TLS engines over memory: what one sends the other receives, in pieces of
 * any size, damaged or cut where a test says so. Shared with fuzz_tls.c.
 */
#ifndef ADIT_TESTS_TLS_PAIR_H
#define ADIT_TESTS_TLS_PAIR_H

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "net/certs.h"
#include "net/trust.h"

#define VEC "tests/vectors/tls/"
#define MAY_2026 UINT64_C(1777593600000)        /* ms; 2026-05-01 */

enum { PIPE_BYTES = 1 << 16 };

struct pipe_end {
	uint8_t b[PIPE_BYTES];
	size_t n;               /* bytes that wait */
	size_t room;            /* how many may wait, at most PIPE_BYTES */
	size_t piece;           /* bytes of one recv, at most; 0: any */
	uint64_t total;         /* sent so far */
	uint64_t damage_at;     /* this byte is changed; UINT64_MAX: none */
	uint8_t damage;
	bool ended;             /* after what waits */
};

struct tls_pair {
	struct pipe_end up, down;       /* client to server, and back */
	struct tls *client, *server;
};

static int64_t
pipe_recv(struct pipe_end *p, uint8_t *to, size_t n)
{
	n = min_size(n, p->n);
	if (p->piece > 0)
		n = min_size(n, p->piece);
	if (n == 0)
		return p->ended ? IO_EOF : IO_AGAIN;
	memcpy(to, p->b, n);
	memmove(p->b, p->b + n, p->n - n);
	p->n -= n;
	return (int64_t)n;
}

static int64_t
pipe_send(struct pipe_end *p, const uint8_t *from, size_t n)
{
	n = min_size(n, p->room - p->n);
	if (p->ended)
		return IO_FAIL;
	if (n == 0)
		return IO_AGAIN;
	memcpy(p->b + p->n, from, n);
	if (p->damage_at >= p->total && p->damage_at - p->total < n)
		p->b[p->n + (p->damage_at - p->total)] ^= p->damage;
	p->n += n;
	p->total += n;
	return (int64_t)n;
}

static int64_t
client_recv(void *ctx, uint8_t *p, size_t n)
{
	return pipe_recv(&((struct tls_pair *)ctx)->down, p, n);
}

static int64_t
client_send(void *ctx, const uint8_t *p, size_t n)
{
	return pipe_send(&((struct tls_pair *)ctx)->up, p, n);
}

static int64_t
server_recv(void *ctx, uint8_t *p, size_t n)
{
	return pipe_recv(&((struct tls_pair *)ctx)->up, p, n);
}

static int64_t
server_send(void *ctx, const uint8_t *p, size_t n)
{
	return pipe_send(&((struct tls_pair *)ctx)->down, p, n);
}

static struct tls_pair *
pair_new(size_t piece, const struct tls_server *s,
    const struct tls_trust *trust, struct slice host, uint64_t wall_ms)
{
	struct tls_pair *p = calloc(1, sizeof *p);
	struct tls_transport up = { p, client_recv, client_send };
	struct tls_transport down = { p, server_recv, server_send };
	uint8_t seed[2][TLS_SEED_BYTES] = { { 1 }, { 2 } };

	p->up.room = p->down.room = PIPE_BYTES;
	p->up.piece = p->down.piece = piece;
	p->up.damage_at = p->down.damage_at = UINT64_MAX;
	p->client = malloc(tls_bytes(TLS_OUT_BULK_BYTES));
	p->server = malloc(tls_bytes(TLS_OUT_BYTES));
	tls_begin_server(p->server, TLS_OUT_BYTES, s, &down, seed[0]);
	if (!tls_begin_client(p->client, TLS_OUT_BULK_BYTES, trust, host,
	    wall_ms, &up, seed[1]))
		abort();
	return p;
}

static void
pair_free(struct tls_pair *p)
{
	tls_end(p->client);
	tls_end(p->server);
	free(p->client);
	free(p->server);
	free(p);
}

/* Until both are done (true) or one failed, or nothing moves. */
static inline bool
pair_shake(struct tls_pair *p)
{
	int c = IO_AGAIN, s = IO_AGAIN;

	for (int i = 0; i < 100000; i++) {
		uint64_t was = p->up.total + p->down.total + p->up.n +
		    p->down.n;

		if (c == IO_AGAIN)
			c = tls_shake(p->client);
		if (s == IO_AGAIN)
			s = tls_shake(p->server);
		if (c == IO_FAIL || s == IO_FAIL)
			break;
		if (c == 0 && s == 0)
			return true;
		if (was == p->up.total + p->down.total + p->up.n + p->down.n &&
		    p->up.n == 0 && p->down.n == 0)
			break;
	}
	return false;
}

#endif
