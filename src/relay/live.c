/*
 * GET /api/events: the status, told as it changes, as server-sent events. One
 * frame is made for all who listen under the same address (apps have other URLs
 * for other addresses), at most once a second, and only if something changed.
 *
 * Whoever reads slowly gets fewer frames, each of them new: while one waits to
 * be written no other is queued, so a listener never holds more than one. The
 * answer has no length and ends with the connection.
 */
#include "relay/parts.h"

#include "base/num.h"
#include "crypto/hash.h"

/* Does the frame of one serve the other? */
static bool
same_view(const struct live *a, const struct live *b)
{
	return a->site.kind == b->site.kind && a->site.main == b->site.main &&
	    a->site.secure == b->site.secure &&
	    a->site.port_cookie == b->site.port_cookie &&
	    slice_eq(slice_of(a->host, a->host_n),
	    slice_of(b->host, b->host_n));
}

/* The frame as `v` shall see it, in r->area; empty if it is too large. */
static struct slice
compose(struct relay *r, const struct live *v, uint64_t *id)
{
	struct buf b = buf_of(r->area, AREA_BYTES);
	struct slice s;
	uint8_t hash[SHA256_BYTES];

	r->site = v->site;
	r->site.host = slice_of(v->host, v->host_n);
	buf_lit(&b, "event: status\ndata: ");
	if (!status_put(&b, r, true) || !buf_lit(&b, "\n\n"))
		return SL("");
	s = buf_slice(&b);
	/* The time that passed is no change. */
	sha256(hash, slice_from(s, slice_find(s, ',')));
	*id = get_u64(hash);
	return s;
}

static void
live_send(struct client *c, struct live *v, struct slice frame, uint64_t id)
{
	if (frame.n == 0 || v->sent == id || c->out.n > 0)
		return;
	v->sent = id;
	if (client_send(c, frame))
		client_arm(c);
}

/* Its place, which it gives up. */
static void
live_leave(struct client *c)
{
	struct relay *r = c->r;
	handle who = pool_handle(&r->clients, c);

	for (size_t i = 0; i < LIVE_MAX; i++) {
		if (r->live[i].who == who) {
			r->live[i].who = HANDLE_NONE;
			r->nlive--;
		}
	}
}

void
live_gone(struct client *c)
{
	if (c->state == CLIENT_LIVE)
		live_leave(c);
}

void
live_end(struct client *c)
{
	live_leave(c);
	c->keep = false;
	if (c->out.n > 0 || client_send(c, SL("event: end\ndata: {}\n\n")))
		client_answered(c);
}

void
live_end_all(struct relay *r)
{
	for (size_t i = 0; i < LIVE_MAX; i++) {
		struct client *c = pool_get(&r->clients, r->live[i].who);

		if (c != NULL)
			live_end(c);
	}
}

void
live_beat(struct client *c)
{
	if (client_send(c, SL(":\n\n")))
		client_arm(c);
}

void
live_read(struct client *c)
{
	uint8_t area[512];

	if (client_recv(c, area, sizeof area) > 0)
		client_close(c, false);         /* it is confused */
}

uint64_t
live_step(struct relay *r)
{
	struct slice frame = SL("");
	const struct live *as = NULL;
	uint64_t id = 0;

	if (r->nlive == 0)
		return TIMER_NEVER;
	if (r->io->now_ms < r->live_ms)
		return r->live_ms;
	for (size_t i = 0; i < LIVE_MAX; i++) {
		struct live *v = &r->live[i];
		struct client *c = pool_get(&r->clients, v->who);

		if (c == NULL)
			continue;
		if (as == NULL || !same_view(as, v))
			frame = compose(r, v, &id);
		as = v;
		live_send(c, v, frame, id);
	}
	r->live_ms = r->io->now_ms + LIVE_EACH_MS;
	return r->live_ms;
}

/* A place for one more of this session; NULL: there is none. */
static struct live *
live_place(struct relay *r, const struct session *s)
{
	struct live *free = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < LIVE_MAX; i++) {
		const struct client *c = pool_get(&r->clients, r->live[i].who);

		if (c == NULL)
			free = &r->live[i];
		else
			n += s->id != 0 && c->session == s->id;
	}
	return n < LIVE_PER_SESSION ? free : NULL;
}

void
live_begin(struct client *c, const struct http_head *h,
    const struct session *s)
{
	struct relay *r = c->r;
	struct live *v = live_place(r, s);
	struct reply rep = { .status = 200, .open = true,
		.type = SL("text/event-stream"),
		.extra = SL("X-Accel-Buffering: no\r\n") };
	struct slice frame;
	uint64_t id;

	if (v == NULL || r->stopping) {
		reply_error(c, h, 503, SL("Too many listen already"),
		    SL("Retry-After: 5\r\n"));
		return;
	}
	reply_send(c, h->verb == HTTP_V_HEAD, &rep);
	if (h->verb == HTTP_V_HEAD || c->state == CLIENT_DEAD)
		return;
	*v = (struct live){ .who = pool_handle(&r->clients, c),
		.site = r->site };
	v->host_n = (uint16_t)min_size(r->site.host.n, sizeof v->host);
	memcpy(v->host, r->site.host.p, v->host_n);
	r->nlive++;
	c->session = s->id;
	c->person = s->person;
	c->session_expires_s = s->expires_s;
	client_to(c, CLIENT_LIVE);
	client_arm(c);
	if (r->nlive == 1)
		r->live_ms = r->io->now_ms + LIVE_EACH_MS;
	frame = compose(r, v, &id);
	live_send(c, v, frame, id);
	client_mark(c);
}
