/*
 * Writes that are gathered: what one read of a tunnel brought for one client
 * leaves in one system call. One client at a time is gathered for; bytes that
 * lie where the tunnel read them are not copied (r->stable).
 */
#include "relay/parts.h"

#include "base/num.h"

/* Is `s` among the bytes that stay in place until the next flush? */
static bool
is_stable(const struct relay *r, struct slice s)
{
	return r->stable != NULL && s.p >= r->stable &&
	    s.p < r->stable + r->stable_n;
}

bool
gather_put(struct client *c, struct slice s)
{
	struct relay *r = c->r;
	struct gather *g = &r->gather;

	if (s.n == 0)
		return true;
	if (g->c != c || g->n == GATHER_MAX ||
	    (!is_stable(r, s) && s.n > OUT_BYTES - g->used))
		gather_flush(r);
	if (c->state == CLIENT_DEAD)
		return false;
	if (c->out.n > 0 || !c->wr || (!is_stable(r, s) && s.n > OUT_BYTES))
		return client_send(c, s);
	if (!is_stable(r, s)) {
		memcpy(g->copy + g->used, s.p, s.n);
		s.p = g->copy + g->used;
		g->used += s.n;
	}
	g->c = c;
	g->v[g->n++] = s;
	g->bytes += s.n;
	return true;
}

void
gather_flush(struct relay *r)
{
	struct client *c = r->gather.c;
	struct slice *v = r->gather.v;
	size_t k = r->gather.n;
	int64_t n;

	r->gather.c = NULL;
	r->gather.n = r->gather.bytes = r->gather.used = 0;
	if (c == NULL || c->state == CLIENT_DEAD)
		return;
	n = io_writev(r->io, c->fd, v, k);
	if (n == IO_FAIL) {
		client_close(c, true);
		return;
	}
	if (n == IO_AGAIN) {
		c->wr = false;
		n = 0;
	} else {
		c->moved_ms = r->io->now_ms;
	}
	for (size_t i = 0; i < k; i++) {
		size_t part = min_size((size_t)n, v[i].n);

		n -= (int64_t)part;
		v[i] = slice_from(v[i], part);
		if (v[i].n > 0 && (!client_reserve_out(c,
		    blocks_for(c->out.n + v[i].n)) ||
		    !chain_put(&c->out, &r->blocks, v[i]))) {
			client_close(c, true);
			return;
		}
	}
	if (c->out.n > 0) {
		client_arm(c);
		if (c->wr)
			client_mark(c); /* a short write: no event comes */
	}
	stream_drained(c);
}
