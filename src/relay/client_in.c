/*
 * What comes from a client: bytes are read, and a head is parsed where it was
 * read, in io's scratch area. Only what cannot be dealt with at once is copied
 * to a buffer (head.c): a head that came in pieces, a request that waits for
 * the keeper or for an agent, pipelined requests.
 *
 * Such a request is looked at again from its first byte when more is known, so
 * there is one path for all. client_parse never looks behind the head: how the
 * bytes after it are framed is for whom the request goes to.
 */
#include "relay/parts.h"

#include "crypto/ct.h"

/* There may have been a password in it. */
void
client_drop_input(struct client *c)
{
	if (c->in != NULL)
		wipe(c->in, c->in_n);
	head_give(c->r, c->in, c->in_large);
	c->in = NULL;
	c->in_n = 0;
}

bool
client_try_keep(struct client *c, struct slice s)
{
	size_t cap = c->in_large ? LARGE_BYTES : SMALL_BYTES;
	bool large;
	uint8_t *p = NULL;

	c->scan = (struct http_scan){ 0 };
	if (s.n == 0) {
		client_drop_input(c);
		return true;
	}
	/* There are few large ones: none for what fits a small one. */
	if (c->in != NULL && c->in_large && s.n <= SMALL_BYTES)
		p = pool_take(&c->r->small);
	large = false;
	if (p == NULL && c->in != NULL && s.n <= cap) {
		memmove(c->in, s.p, s.n);
		if (s.n < c->in_n)
			wipe(c->in + s.n, c->in_n - s.n);
		c->in_n = (uint32_t)s.n;
		return true;
	}
	if (p == NULL)
		p = head_take(c->r, s.n, &large, c);
	if (p == NULL)
		return false;
	memcpy(p, s.p, s.n);
	client_drop_input(c);
	c->in = p;
	c->in_large = large;
	c->in_n = (uint32_t)s.n;
	return true;
}

bool
client_keep_input(struct client *c, struct slice s)
{
	if (client_try_keep(c, s))
		return true;
	client_close(c, true);
	return false;
}

bool
client_hold(struct client *c, enum client_state next)
{
	if (!client_keep_input(c, c->r->req_in))
		return false;
	client_to(c, next);
	client_arm(c);
	return true;
}

/* Half of the buffers stay for heads that come in pieces. */
bool
client_wait(struct client *c)
{
	struct relay *r = c->r;
	struct pool *pool = r->req_in.n > SMALL_BYTES ? &r->large : &r->small;

	if (c->wait_until_ms == 0)
		c->wait_until_ms = r->io->now_ms + AGENT_WAIT_MS;
	if (r->io->now_ms >= c->wait_until_ms || r->stopping ||
	    (c->in == NULL && pool->used >= pool->cap / 2) ||
	    !client_try_keep(c, r->req_in)) {
		c->wait_until_ms = 0;
		return false;
	}
	client_to(c, CLIENT_WAIT);
	client_arm(c);
	return true;
}

void
client_parse(struct client *c, struct slice in)
{
	struct relay *r = c->r;
	struct http_head h = { .fields = r->fields };
	size_t used = 0;
	enum err e = http_request_parse(&h, &c->scan, in, &used);

	if (e == E_MORE) {
		if (c->in == NULL) {
			struct http_scan scan = c->scan;

			if (!client_keep_input(c, in))
				return;
			c->scan = scan;
		}
		if (c->state == CLIENT_IDLE) {
			client_to(c, CLIENT_HEAD);
			client_arm(c);
		}
		return;
	}
	r->req_in = in;
	r->req_head = used;
	r->requests++;
	if (e != E_OK)
		request_bad(c, e);
	else
		request_route(c, &h);
	/* Answered at once: what follows the request is the next one. */
	if (c->state == CLIENT_IDLE)
		client_keep_input(c, slice_from(r->req_in, r->req_head));
}

/* Where the next bytes go: behind what is kept, or to the scratch area. */
static uint8_t *
client_read_place(struct client *c, size_t *room)
{
	if (c->in == NULL) {
		*room = READ_BYTES;
		return c->r->io->scratch;
	}
	if (!c->in_large && c->in_n == SMALL_BYTES) {
		struct http_scan scan = c->scan;
		bool large;
		uint8_t *p = head_take(c->r, LARGE_BYTES, &large, c);

		if (p == NULL) {
			client_close(c, true);
			return NULL;
		}
		memcpy(p, c->in, c->in_n);
		head_give(c->r, c->in, false);
		c->in = p;
		c->in_large = true;
		c->scan = scan;
	}
	*room = (c->in_large ? LARGE_BYTES : SMALL_BYTES) - c->in_n;
	if (*room == 0) {
		request_bad(c, E_HTTP_HEAD_LONG);
		return NULL;
	}
	return c->in + c->in_n;
}

size_t
client_recv(struct client *c, uint8_t *p, size_t room)
{
	int64_t n = c->rd ? io_read(c->r->io, c->fd, p, room) : IO_AGAIN;

	if (n > 0)
		return (size_t)n;
	if (n == IO_AGAIN)
		c->rd = false;
	else
		client_close(c, false);
	return 0;
}

/* After an answer the next request waits for its turn (the mark). */
void
client_read(struct client *c)
{
	while (c->rd && !c->dirty && c->out.n == 0 &&
	    (c->state == CLIENT_IDLE || c->state == CLIENT_HEAD ||
	    c->state == CLIENT_BODY)) {
		size_t room, n;
		uint8_t *p = client_read_place(c, &room);

		if (p == NULL || (n = client_recv(c, p, room)) == 0)
			return;
		c->moved_ms = c->r->io->now_ms;
		if (c->in != NULL) {
			c->in_n += (uint32_t)n;
			if (c->state != CLIENT_BODY || c->in_n >= c->body_left)
				client_parse(c, slice_of(c->in, c->in_n));
		} else {
			client_parse(c, slice_of(p, n));
		}
	}
}

/* Read and forget, so that the client can read our last words in peace. */
void
client_linger(struct client *c)
{
	while (c->rd && c->state == CLIENT_LINGER) {
		size_t n = client_recv(c, c->r->io->scratch, READ_BYTES);

		if (n >= c->linger_left)
			client_close(c, false);
		else
			c->linger_left -= n;
	}
}
