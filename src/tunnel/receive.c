/*
 * Receiving: bytes to WebSocket frames to messages to tunnel frames.
 * PROTOCOL.md 3, 5.
 *
 * Bytes are unmasked in place and looked at where they lie. DATA is passed on
 * as it comes, in as many pieces as the reads had, and needs no buffer; it
 * counts as received when its message is whole. Only the body of another
 * frame, or a hello, that is cut by the end of the input is gathered, in one
 * block of the pool. Messages may come in WebSocket fragments: a proxy is
 * allowed to cut them.
 *
 * So a cut can leave a DATA frame passed on in part and not counted. It comes
 * again whole; as many bytes as were passed on are then dropped.
 */
#include <assert.h>

#include "base/num.h"
#include "codec/utf8.h"
#include "tunnel/engine.h"

static void
broken(struct tunnel *t, enum err e)
{
	session_fail(t, e, CLOSE_PROTOCOL);
}

/* Append to the message that is being gathered. It was found to fit. */
static void
gather(struct tunnel *t, const uint8_t *p, size_t n)
{
	struct tunnel_in *in = &t->in;
	struct pool *pool = &t->cfg.blocks->pool;

	if (n == 0)
		return;
	if (in->carry_n == 0) {
		void *block = pool_take(pool);

		assert(block != NULL);  /* reserved by tunnel_init */
		in->carry = pool_index(pool, block);
	}
	assert(n <= BLOCK_BYTES - in->carry_n);
	memcpy((uint8_t *)pool_at(pool, in->carry) + in->carry_n, p, n);
	in->carry_n += (uint32_t)n;
}

static void
gather_end(struct tunnel *t)
{
	struct pool *pool = &t->cfg.blocks->pool;

	if (t->in.carry_n > 0)
		pool_give(pool, pool_at(pool, t->in.carry));
	t->in.carry_n = 0;
}

void
receive_free(struct tunnel *t)
{
	gather_end(t);
}

/* The whole message, if its last piece is (p, n). */
static struct slice
gathered(struct tunnel *t, const uint8_t *p, size_t n)
{
	if (t->in.carry_n == 0)
		return slice_of(p, n);
	gather(t, p, n);
	return slice_of(pool_at(&t->cfg.blocks->pool, t->in.carry),
	    t->in.carry_n);
}

static void
text_piece(struct tunnel *t, const uint8_t *p, size_t n, bool last)
{
	struct slice json;

	if (!last) {
		gather(t, p, n);
		return;
	}
	json = gathered(t, p, n);
	if (!utf8_valid(json))
		session_fail(t, E_WS_UTF8, WS_CODE_UTF8);
	else
		session_text(t, json);
	gather_end(t);
}

/* The last piece of a frame that is not DATA. */
static void
whole_frame(struct tunnel *t, const uint8_t *p, size_t n)
{
	struct frame f = t->in.frame;

	if (frame_body(&f, gathered(t, p, n)) != E_OK) {
		broken(t, E_MUX_FRAME);
	} else {
		session_count(t, &f, FRAME_HEAD_BYTES + t->in.message_n);
		session_frame(t, &f);
	}
	gather_end(t);
}

/* The next n bytes of a DATA frame, already in message_n. */
static void
data_piece(struct tunnel *t, uint8_t *p, size_t n, bool last)
{
	struct tunnel_in *in = &t->in;
	size_t before = in->message_n - n, again = 0;

	if (before < t->partial_n)
		again = min_size(n, t->partial_n - before);
	if (n > again)
		streams_data(t, in->frame.stream, p + again, n - again);
	if (!last || t->state == TUNNEL_CLOSED)
		return;
	if (in->message_n < frame_payload_min(FRAME_DATA) ||
	    in->message_n < t->partial_n) {
		broken(t, E_MUX_FRAME);
		return;
	}
	t->partial_n = 0;
	session_count(t, &in->frame, FRAME_HEAD_BYTES + in->message_n);
}

void
receive_park(struct tunnel *t)
{
	struct tunnel_in *in = &t->in;

	if (in->message == WS_BINARY && in->nhead == FRAME_HEAD_BYTES &&
	    in->frame.type == FRAME_DATA && in->message_n > t->partial_n) {
		t->partial_n = in->message_n;
		t->partial_id = in->frame.stream;
	}
	gather_end(t);
	*in = (struct tunnel_in){
		.rules = ws_rules_of(t->cfg.role == TUNNEL_RELAY, 0),
	};
}

static void
body_piece(struct tunnel *t, uint8_t *p, size_t n, bool last)
{
	struct tunnel_in *in = &t->in;
	uint8_t type = in->frame.type;

	if (n > frame_payload_max(type) - in->message_n) {
		broken(t, E_MUX_FRAME);
		return;
	}
	in->message_n += (uint32_t)n;
	if (type == FRAME_DATA)
		data_piece(t, p, n, last);
	else if (last)
		whole_frame(t, p, n);
	else
		gather(t, p, n);
}

static void
binary_piece(struct tunnel *t, uint8_t *p, size_t n, bool last)
{
	struct tunnel_in *in = &t->in;

	if (in->nhead < FRAME_HEAD_BYTES) {
		size_t k = min_size(n, FRAME_HEAD_BYTES - in->nhead);

		if (k > 0)
			memcpy(in->head + in->nhead, p, k);
		in->nhead += (uint8_t)k;
		p += k;
		n -= k;
		if (in->nhead < FRAME_HEAD_BYTES) {
			if (last)
				broken(t, E_MUX_FRAME);
			return;
		}
		if (frame_head(&in->frame, in->head) != E_OK)
			broken(t, E_MUX_FRAME);
		else
			session_head(t, &in->frame);
		if (t->state == TUNNEL_CLOSED)
			return;
	}
	body_piece(t, p, n, last);
}

static void
control_piece(struct tunnel *t, const uint8_t *p, size_t n)
{
	struct tunnel_in *in = &t->in;
	struct slice payload;

	assert(n <= sizeof in->control - in->ncontrol);
	if (n > 0)
		memcpy(in->control + in->ncontrol, p, n);
	in->ncontrol += (uint8_t)n;
	if (in->left > 0)
		return;
	payload = slice_of(in->control, in->ncontrol);
	if (in->ws.opcode == WS_PING) {
		/* Only the latest is answered, as RFC 6455 5.5.3 allows. */
		memcpy(t->out.pong, in->control, in->ncontrol);
		t->out.npong = in->ncontrol;
		t->out.pong_due = true;
	} else if (in->ws.opcode == WS_PONG) {
		session_pong(t, payload);
	} else {
		session_closed(t, payload);
	}
}

/* The next piece of the payload of the frame in->ws, already counted off. */
static void
piece(struct tunnel *t, uint8_t *p, size_t n)
{
	struct tunnel_in *in = &t->in;
	bool last = in->left == 0 && in->ws.fin;

	if (in->ws.opcode >= WS_CLOSE) {
		control_piece(t, p, n);
		return;
	}
	if (in->message == WS_TEXT)
		text_piece(t, p, n, last);
	else
		binary_piece(t, p, n, last);
	if (last)
		in->message = 0;
}

/* Is a data frame of this length still within its message's bound? */
static bool
length_ok(const struct tunnel_in *in, uint64_t length)
{
	uint32_t have = in->message == WS_TEXT ? in->carry_n :
	    in->nhead + in->message_n;
	uint32_t most = in->message == WS_TEXT ? HELLO_MAX :
	    FRAME_HEAD_BYTES + FRAME_DATA_MAX;

	assert(have <= most);
	return length <= most - have;
}

/* The head of a WebSocket frame is in in->ws. */
static void
ws_begin(struct tunnel *t)
{
	struct tunnel_in *in = &t->in;
	enum err e = ws_admit(&in->rules, &in->ws);

	if (e != E_OK) {
		session_fail(t, e, ws_close_code(e));
		return;
	}
	in->left = in->ws.length;
	if (in->ws.opcode >= WS_CLOSE) {
		in->ncontrol = 0;
	} else {
		if (in->ws.opcode != WS_CONT) {
			in->message = in->ws.opcode;
			in->nhead = 0;
			in->message_n = 0;
		}
		if (in->message == WS_TEXT && ((t->state != TUNNEL_HELLO &&
		    t->state != TUNNEL_RESUMING) || t->hello_got)) {
			broken(t, E_MUX_FRAME);
			return;
		}
		if (!length_ok(in, in->left)) {
			broken(t, E_MUX_FRAME);
			return;
		}
	}
	if (in->left == 0)
		piece(t, in->held, 0);
}

/* Take a WebSocket frame's head, or some of it; returns the bytes used. */
static size_t
take_head(struct tunnel *t, const uint8_t *p, size_t n)
{
	struct tunnel_in *in = &t->in;
	size_t used = 0, len;
	enum err e = E_MORE;

	if (in->nheld == 0)
		e = ws_decode(&in->ws, slice_of(p, n), &used);
	while (e == E_MORE && used < n) {
		assert(in->nheld < sizeof in->held);
		in->held[in->nheld++] = p[used++];
		e = ws_decode(&in->ws, slice_of(in->held, in->nheld), &len);
	}
	if (e == E_MORE)
		return used;
	in->nheld = 0;
	if (e == E_OK)
		ws_begin(t);
	else
		session_fail(t, e, ws_close_code(e));
	return used;
}

void
receive_bytes(struct tunnel *t, uint8_t *p, size_t n)
{
	struct tunnel_in *in = &t->in;

	while (n > 0 && session_open(t)) {
		size_t k;

		if (in->left == 0) {
			k = take_head(t, p, n);
		} else {
			k = (size_t)min_u64(n, in->left);
			if (in->ws.masked)
				ws_mask(p, p, k, in->ws.key,
				    in->ws.length - in->left);
			in->left -= k;
			piece(t, p, k);
		}
		p += k;
		n -= k;
	}
}
