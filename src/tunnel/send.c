/*
 * Sending: the ring and the rest to WebSocket frames. PROTOCOL.md 3, 9.
 *
 * Frames are composed from where they lie in the ring, the mask being applied
 * by the copy, and only while the output has room: what the ring got for this
 * turn leaves in this turn. What passes the ring (ACK, ping, pong, Close)
 * stands in front. The socket's leftovers come back by tunnel_unsent and
 * are kept as composed bytes: composing them again would need their masks.
 *
 * Masks (RFC 6455 5.3) are a hash of the seed and a counter, so that nobody
 * who chooses the payload can choose the bytes on the wire.
 */
#include <assert.h>

#include "base/num.h"
#include "crypto/hash.h"
#include "tunnel/engine.h"

enum {
	HEAD_MOST = 2 + 2 + 4,          /* WebSocket head of what we send */
	MASK_BYTES = 4,
};

static const uint8_t *
mask_key(struct tunnel *t)
{
	struct tunnel_out *o = &t->out;
	uint8_t seed[16];

	_Static_assert(sizeof o->masks == SHA256_BYTES, "one hash");
	if (o->nmasks == 0) {
		set_u64(seed, t->cfg.seed);
		set_u64(seed + 8, o->mask_count++);
		sha256(o->masks, slice_of(seed, sizeof seed));
		o->nmasks = sizeof o->masks;
	}
	o->nmasks -= MASK_BYTES;
	return o->masks + o->nmasks;
}

/* Write one message; there is room. */
static size_t
put_message(struct tunnel *t, uint8_t *dst, uint8_t opcode, struct slice s)
{
	struct ws_frame f = { .length = s.n, .opcode = opcode, .fin = true };
	size_t n;

	if (t->cfg.role == TUNNEL_AGENT) {
		f.masked = true;
		memcpy(f.key, mask_key(t), sizeof f.key);
	}
	n = ws_encode_raw(dst, &f);
	if (f.masked)
		ws_mask(dst + n, s.p, s.n, f.key, 0);
	else if (s.n > 0)
		memcpy(dst + n, s.p, s.n);
	return n + s.n;
}

bool
send_text(struct tunnel *t, struct slice json)
{
	uint8_t head[WS_HEAD_MAX], part[256];
	struct ws_frame f = { .length = json.n, .opcode = WS_TEXT };
	struct chain *c = &t->out.unsent;

	f.fin = true;
	if (json.n > HELLO_MAX ||
	    json.n + HEAD_MOST > TUNNEL_OUTPUT_BYTES - c->n)
		return false;
	if (t->cfg.role == TUNNEL_AGENT) {
		f.masked = true;
		memcpy(f.key, mask_key(t), sizeof f.key);
	}
	if (!chain_put(c, t->cfg.blocks,
	    slice_of(head, ws_encode_raw(head, &f))))
		assert(false);          /* reserved by tunnel_init */
	for (size_t i = 0, k; i < json.n; i += k) {
		k = min_size(json.n - i, sizeof part);
		ws_mask(part, json.p + i, k, f.key, i);
		if (!chain_put(c, t->cfg.blocks, slice_of(part, k)))
			assert(false);
	}
	return true;
}

static size_t
put_close(struct tunnel *t, uint8_t *dst)
{
	struct buf b = buf_of(dst, HEAD_MOST + 2);
	bool masked = t->cfg.role == TUNNEL_AGENT;

	if (!ws_put_close(&b, t->out.close, (struct slice){ NULL, 0 },
	    masked ? mask_key(t) : NULL))
		assert(false);
	t->out.close_due = false;
	return b.n;
}

static size_t
put_ping(struct tunnel *t, uint8_t *dst)
{
	uint8_t payload[8];

	set_u64(payload, ++t->ping_count);
	t->ping_ms = t->now_ms;
	t->ping_out = true;
	t->ping_bytes = 0;
	t->out.ping_due = false;
	return put_message(t, dst, WS_PING, slice_of(payload, sizeof payload));
}

static size_t
put_pong(struct tunnel *t, uint8_t *dst)
{
	t->out.pong_due = false;
	return put_message(t, dst, WS_PONG,
	    slice_of(t->out.pong, t->out.npong));
}

static size_t
put_ack(struct tunnel *t, uint8_t *dst)
{
	struct frame f = { .type = FRAME_ACK };
	uint8_t area[FRAME_HEAD_BYTES + 8];
	struct buf b = BUF_ON(area);

	f.u.ack = t->received;
	if (!frame_put(&b, &f))
		assert(false);
	t->ack_sent = t->received;
	t->ack_bytes = 0;
	t->ack_at_ms = NEVER;
	return put_message(t, dst, WS_BINARY, buf_slice(&b));
}

static bool
ack_wanted(const struct tunnel *t, uint64_t now_ms)
{
	return (t->state == TUNNEL_PROVISIONAL || session_live(t)) &&
	    now_ms >= t->ack_at_ms;
}

/*
 * Let one more frame enter the ring, a control frame before data. `room` is
 * what the output has left. False: nothing may go.
 */
static bool
refill(struct tunnel *t, size_t room)
{
	if (!session_live(t) || room < HEAD_MOST + PULL_WANT)
		return false;
	if (control_put(t))
		return true;
	return session_live(t) &&
	    turn_put(t, room - HEAD_MOST - FRAME_HEAD_BYTES);
}

size_t
send_compose(struct tunnel *t, uint8_t *dst, size_t cap)
{
	size_t n;

	assert(cap >= TUNNEL_OUTPUT_BYTES);
	cap = TUNNEL_OUTPUT_BYTES;
	n = chain_take(&t->out.unsent, t->cfg.blocks, dst, cap);
	if (cap - n < WS_HEAD_MAX * 4 + WS_CONTROL_MAX * 2)
		return n;
	if (t->out.pong_due && session_open(t))
		n += put_pong(t, dst + n);
	if (t->out.ping_due && session_open(t))
		n += put_ping(t, dst + n);
	if (ack_wanted(t, t->now_ms))
		n += put_ack(t, dst + n);
	while (session_live(t)) {
		struct slice s = ring_unsent(&t->ring, t->cfg.blocks);

		if (s.n == 0) {
			if (!refill(t, cap - n))
				break;
			continue;
		}
		if (s.n > cap - n || HEAD_MOST > cap - n - s.n)
			break;
		n += put_message(t, dst + n, WS_BINARY, s);
		ring_sent(&t->ring, t->cfg.blocks);
	}
	if (t->out.close_due && cap - n >= WS_HEAD_MAX)
		n += put_close(t, dst + n);
	return n;
}

bool
send_wants(const struct tunnel *t, uint64_t now_ms)
{
	if (t->out.unsent.n > 0)
		return true;
	if (!session_open(t))
		return t->out.close_due;
	if (t->out.pong_due || t->out.ping_due || ack_wanted(t, now_ms))
		return true;
	return session_live(t) && (t->ring.sent < t->ring.put ||
	    control_wants(t) || turn_wants(t));
}

/* The connection is gone, and all that was meant for it alone. */
void
send_park(struct tunnel *t)
{
	struct tunnel_out *o = &t->out;

	chain_free(&o->unsent, t->cfg.blocks);
	o->npong = 0;
	o->pong_due = o->ping_due = o->close_due = false;
	t->ping_out = false;
}
