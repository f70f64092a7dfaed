/*
 * The channel's WebSockets: we are the server, every message is text to us and
 * from us, and nothing is sent but by the socket's own turn. Whoever wants to
 * send puts a reference into the queue and marks the connection; so a failing
 * socket is never met in the middle of telling others something.
 *
 * Between frames little is read, so that what has to wait unread (for room, for
 * the keeper, after a wrong key) fits a small buffer; inside a frame, as much
 * as there is of it.
 */
#include "relay/channel.h"

#include <assert.h>

#include "base/num.h"
#include "crypto/wsaccept.h"

enum { SLICES = 48, DISCARD_BYTES = 1 << 20 };

/* ---- the handshake ---- */

static void
send_101(struct client *c, const struct http_head *h)
{
	const struct http_field *k = http_field_id(h, HTTP_N_SEC_WS_KEY, NULL);
	uint8_t area[256], accept[WSACCEPT_BYTES];
	struct buf b = BUF_ON(area);

	wsaccept(accept, k->value);
	http_put_status_line(&b, 101, SL("Switching Protocols"));
	buf_lit(&b, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
	http_put_field(&b, SL("Sec-WebSocket-Accept"),
	    slice_of(accept, sizeof accept));
	http_put_end(&b);
	assert(buf_ok(&b));
	client_send(c, buf_slice(&b));
}

void
sock_upgrade(struct client *c, const struct http_head *h)
{
	struct relay *r = c->r;
	struct channel_sock *s;

	if (!h->upgrade_websocket) {
		reply_json(c, h->verb == HTTP_V_HEAD, 404, SL("{\"error\":"
		    "\"Not Found\",\"code\":\"NOT_FOUND\",\"message\":\"The "
		    "channel is a WebSocket: a proxy in front must pass the "
		    "Upgrade and Connection headers\"}"), SL(""));
		return;
	}
	if (!request_ws_ok(h)) {
		c->keep = false;
		reply_error(c, h, 400, SL("Not a WebSocket handshake of "
		    "version 13"), SL("Sec-WebSocket-Version: 13\r\n"));
		return;
	}
	s = r->stopping ? NULL : pool_take(&r->channel->socks);
	if (s == NULL && !r->stopping && room_evict(r, true))
		s = pool_take(&r->channel->socks);
	if (s == NULL) {
		reply_error(c, h, 503, SL("The channel has no room"),
		    SL("Retry-After: 5\r\n"));
		return;
	}
	s->c = c;
	s->rules = ws_rules_of(true, 0);
	s->start_ms = r->io->now_ms;
	s->life_ms = s->start_ms + CHANNEL_HELLO_MS;
	s->expires_ms = TIMER_NEVER;
	s->address = guess_address(&r->site.client);
	s->secure = r->site.secure;
	name_set(&s->host, r->site.host);
	c->channel = s;
	c->keep = false;
	client_to(c, CLIENT_CHANNEL);
	if (!client_keep_input(c, slice_from(r->req_in, r->req_head)))
		return;
	send_101(c, h);
	client_arm(c);
	client_mark(c);
}

/* ---- out ---- */

void
sock_doom(struct channel_sock *s)
{
	s->c->r->channel->count[COUNT_SLOW] += !s->doomed;
	s->doomed = true;
	queue_clear(s->c->r, &s->q, s->sent > 0);
	client_mark(s->c);
}

/* One queue may not have all the messages. */
static uint32_t
queue_max(const struct relay *r)
{
	return (uint32_t)min_u64(QUEUE_MAX, r->channel->msgs.cap / 2);
}

static bool
queue_long(const struct channel_sock *s)
{
	return s->q.n >= (s->role == CH_STRANGER ? STRANGER_QUEUE :
	    queue_max(s->c->r));
}

/* The other half is for what the relay itself has to say. */
bool
sock_full(const struct relay *r, const struct station *st)
{
	return st->sock != NULL && st->sock->q.n > queue_max(r) / 2;
}

/*
 * A client's has a bound in bytes; a
 * workstation's is as long as there is room for what its clients send, who are
 * not read when there is none.
 */
static bool
queue_full(const struct channel_sock *s, const struct channel_msg *m)
{
	const struct relay *r = s->c->r;

	return queue_long(s) ||
	    (s->role != CH_STATION && s->q.n > 0 && s->q.bytes + msg_size(m) >
	    QUEUE_SLACK + r->cfg->channel_message_max);
}

bool
sock_send(struct channel_sock *s, struct channel_msg *m)
{
	struct relay *r = s->c->r;

	if (s->ending || s->doomed)
		return false;
	if (queue_full(s, m)) {
		sock_doom(s);
		return false;
	}
	if (!queue_put(r, &s->q, m)) {
		room_relieve(r, true);
		if (s->doomed || !queue_put(r, &s->q, m))
			return false;
	}
	if (s->q.n == 1)
		s->read_ms = r->io->now_ms;
	client_mark(s->c);
	return true;
}

void
sock_say(struct channel_sock *s, struct slice json)
{
	struct relay *r = s->c->r;
	struct channel_msg *m = msg_of(r, json, false);

	if (m == NULL)
		sock_doom(s);
	else
		sock_send(s, m);
	msg_unref(r, m);
}

bool
sock_put_frame(struct channel_sock *s, struct slice frame)
{
	struct relay *r = s->c->r;
	struct channel_msg *m = msg_of(r, frame, true);
	bool ok = m != NULL && !queue_long(s) && queue_put(r, &s->q, m);

	msg_unref(r, m);
	return ok;
}

/* Slices of what is queued, of several messages if they are short. */
static size_t
queue_slices(struct channel_sock *s, struct slice v[SLICES])
{
	struct relay *r = s->c->r;
	struct channel_queue q = s->q;
	size_t k = msg_slices(r, queue_first(r, &q), &s->place, s->sent, v,
	    SLICES);

	while (q.n > 1 && k + 2 <= SLICES) {
		struct channel_place start = { 0 };

		q.head = r->channel->nodes.link[q.head];
		q.n--;
		k += msg_slices(r, queue_first(r, &q), &start, 0, v + k,
		    SLICES - k);
	}
	return k;
}

static void
queue_sent(struct channel_sock *s, size_t n)
{
	struct relay *r = s->c->r;

	s->read_ms = r->io->now_ms;
	while (n > 0) {
		size_t left = msg_size(queue_first(r, &s->q)) - s->sent;

		if (n < left) {
			s->sent += n;
			return;
		}
		n -= left;
		s->sent = 0;
		s->place = (struct channel_place){ 0 };
		queue_drop(r, &s->q);
	}
}

static void
sock_write(struct channel_sock *s)
{
	struct client *c = s->c;

	while (s->q.n > 0 && c->wr && c->out.n == 0) {
		struct slice v[SLICES];
		size_t k = queue_slices(s, v);
		int64_t n = io_writev(c->r->io, c->fd, v, k);

		if (n == IO_FAIL) {
			client_close(c, true);
			return;
		}
		if (n == IO_AGAIN)
			c->wr = false;
		else
			queue_sent(s, (size_t)n);
	}
}

/* ---- its end ---- */

void
sock_end(struct channel_sock *s, uint16_t code, struct slice reason)
{
	struct relay *r = s->c->r;
	uint8_t area[WS_HEAD_MAX + WS_CONTROL_MAX];
	struct buf b = BUF_ON(area);

	if (s->ending)
		return;
	LOGF(r->log, LOG_DEBUG, "channel", "closing",
	    log_u("conn", pool_index(&r->clients, s->c)),
	    log_u("code", code), log_s("why", reason));
	talk_leave(s);
	s->ending = true;
	msg_unref(r, s->m);
	s->m = NULL;
	s->wait = CH_READS;
	queue_clear(r, &s->q, s->sent > 0);
	ws_put_close(&b, code, reason, NULL);
	s->until_ms = r->io->now_ms;
	if (sock_put_frame(s, buf_slice(&b)))
		s->until_ms += CHANNEL_CLOSE_MS;
	client_arm(s->c);
	client_mark(s->c);
}

void
sock_gone(struct client *c)
{
	struct relay *r = c->r;
	struct channel_sock *s = c->channel;

	if (s == NULL)
		return;
	talk_leave(s);
	s->ending = true;
	msg_unref(r, s->m);
	queue_clear(r, &s->q, 0);
	c->channel = NULL;
	pool_give(&r->channel->socks, s);
}

/* All is written: the rest is as with any answer that was the last. */
static void
sock_ended(struct client *c)
{
	sock_gone(c);
	/* Who sends too large a message reads why when all of it is sent. */
	c->linger_left = c->r->cfg->channel_message_max;
	c->keep = c->body_done = false;
	client_answered(c);
}

/* ---- its turn ---- */

/* What was kept while it waited comes first. False: it waits again. */
static bool
sock_feed_kept(struct channel_sock *s)
{
	struct client *c = s->c;
	size_t n;

	if (c->in_n == 0)
		return true;
	n = frame_feed(s, c->in, c->in_n);
	if (c->state == CLIENT_CHANNEL)
		client_try_keep(c, slice_from(slice_of(c->in, c->in_n), n));
	return sock_reads(s);
}

static void
sock_read(struct channel_sock *s)
{
	struct client *c = s->c;
	struct relay *r = c->r;
	const uint64_t *from = &r->channel->count[COUNT_FROM];
	uint64_t most = *from + queue_max(r) / 4 + 1;
	size_t done = 0;

	if (!sock_reads(s) || !sock_feed_kept(s))
		return;
	/* Not so many messages that a queue runs over before its turn. */
	while (c->rd && sock_reads(s) && done < TURN_BYTES && *from < most) {
		size_t room = s->framed && s->left > CHANNEL_READ ?
		    (size_t)min_u64(s->left, IO_SCRATCH) : CHANNEL_READ;
		size_t n = client_recv(c, r->io->scratch, room), used;

		if (n == 0)
			return;
		done += n;
		used = frame_feed(s, r->io->scratch, n);
		if (used == n)
			continue;
		/* It waits. Half of the small buffers stay for others. */
		if (r->small.used >= r->small.cap / 2 ||
		    !client_try_keep(c, slice_of(r->io->scratch + used,
		    n - used)))
			client_close(c, true);
		return;
	}
	if (c->rd && sock_reads(s))
		client_mark(c);
}

/* Nothing counts any more but the end. */
static void
sock_discard(struct client *c)
{
	size_t done = 0;

	while (c->rd && done < DISCARD_BYTES) {
		int64_t n = io_read(c->r->io, c->fd, c->r->io->scratch,
		    IO_SCRATCH);

		if (n == IO_AGAIN) {
			c->rd = false;
		} else if (n <= 0) {
			client_close(c, false);
			return;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	if (c->rd)
		client_mark(c);
}

void
sock_run(struct client *c)
{
	struct channel_sock *s = c->channel;

	assert(s != NULL && s->c == c);
	if (s->doomed && !s->ending)
		sock_end(s, WS_CODE_POLICY, SL("Messages were not read"));
	if (!s->ending)
		sock_read(s);
	if (c->state != CLIENT_CHANNEL)
		return;
	sock_write(s);
	if (c->state == CLIENT_CHANNEL && s->ending)
		sock_discard(c);
	if (c->state == CLIENT_CHANNEL && s->ending && s->q.n == 0 &&
	    c->out.n == 0)
		sock_ended(c);
}

/* ---- deadlines ---- */

void
sock_pause(struct channel_sock *s, enum channel_wait why, uint64_t until_ms)
{
	s->wait = (uint8_t)why;
	s->until_ms = until_ms;
	client_arm(s->c);
}

void
sock_resume(struct channel_sock *s, const struct answer *a)
{
	struct relay *r = s->c->r;
	bool message = s->wait == CH_ASKS || s->wait == CH_PAUSES;

	s->wait = CH_READS;
	s->life_ms = max_u64(s->life_ms, r->io->now_ms + CHANNEL_SHORT_MS);
	if (message) {
		s->paused = true;
		frame_again(s, a);
	}
	client_arm(s->c);
	client_mark(s->c);
}

void
sock_answer(struct client *c, const struct answer *a)
{
	struct channel_sock *s = c->channel;

	if (!s->ending && s->wait == CH_ASKS && c->ask_seq == a->seq)
		sock_resume(s, a);
}

/* It did not ping, or never said who it is. */
static void
sock_silent(struct channel_sock *s)
{
	uint64_t now = s->c->r->io->now_ms;

	if (s->role == CH_STRANGER)
		sock_end(s, WS_CODE_POLICY, SL("Not authenticated"));
	else if (s->expires_ms <= now)
		sock_end(s, WS_CODE_POLICY, SL("The key has expired"));
	else if (s->m != NULL && now - s->moved_ms < CHANNEL_LIFE_MS)
		s->life_ms = s->moved_ms + CHANNEL_LIFE_MS;
	else
		sock_end(s, WS_CODE_NORMAL, SL("Connection timed out"));
}

static uint64_t
sock_life(const struct channel_sock *s)
{
	return min_u64(s->life_ms, s->role == CH_STRANGER ?
	    s->start_ms + CHANNEL_STRANGER_MS : s->expires_ms);
}

uint64_t
sock_due(const struct client *c)
{
	const struct channel_sock *s = c->channel;

	if (s->ending || s->wait != CH_READS)
		return s->until_ms;
	return sock_life(s);
}

void
sock_timer(struct client *c)
{
	struct channel_sock *s = c->channel;
	uint64_t now = c->r->io->now_ms;

	if (sock_due(c) > now) {
		client_arm(c);
		return;
	}
	if (s->ending) {
		client_close(c, true);
		return;
	}
	switch (s->wait) {
	case CH_ROOM:
		room_relieve(c->r, false);
		sock_resume(s, NULL);
		break;
	case CH_FULL:
	case CH_PAUSES:
		sock_resume(s, NULL);
		break;
	case CH_ASKS:
		sock_end(s, WS_CODE_INTERNAL, SL(""));
		break;
	default:
		sock_silent(s);
	}
	client_arm(c);
}
