/*
 * Tunnel frames. The head and the payload are looked at apart, because a DATA
 * payload is passed on as it arrives; every other payload is a handful of
 * bytes of fixed layout, and OPEN is four strings with a length before each.
 *
 * A table made of FRAME_LIST knows which types carry a stream and how long
 * their payload may be, so the rules stand in one place, as in PROTOCOL.md.
 * OPEN was first JSON like the hello: it would have put a JSON parser on the
 * path of every request for four strings.
 */
#include "codec/frame.h"

#include <assert.h>

#include "base/num.h"
#include "codec/utf8.h"

static const struct rule {
	const char *name;
	uint32_t least, most;   /* payload bytes */
	bool stream;            /* belongs to a stream */
} rules[FRAME_TYPES] = {
#define X(name, type, stream, least, most)                              \
	[type] = { #name, least, most, stream },
	FRAME_LIST(X)
#undef X
};

static bool
type_known(uint8_t type)
{
	return type < FRAME_TYPES && rules[type].name != NULL;
}

const char *
frame_reset_text(enum reset_code code)
{
	switch (code) {
#define X(name, code, text) case RESET_##name: return text;
	RESET_LIST(X)
#undef X
	case RESET_NONE:
	case RESET_CODES:
		break;
	}
	return "?";
}

uint32_t
frame_payload_min(uint8_t type)
{
	assert(type_known(type));
	return rules[type].least;
}

uint32_t
frame_payload_max(uint8_t type)
{
	assert(type_known(type));
	return rules[type].most;
}

bool
frame_name_valid(struct slice s)
{
	if (s.n < 1 || s.n > FRAME_NAME_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if ((c >= 'a' && c <= 'z') || ascii_digit(c))
			continue;
		if (c != '-' || i == 0 || i == s.n - 1 || s.p[i - 1] == '-')
			return false;
	}
	return true;
}

enum err
frame_head(struct frame *f, const uint8_t head[FRAME_HEAD_BYTES])
{
	uint8_t type = head[0];
	uint32_t stream = get_u32(head + 4);

	if (!type_known(type) || head[1] != 0 || get_u16(head + 2) != 0)
		return E_MUX_FRAME;
	if (stream > STREAM_ID_MAX)
		return E_MUX_FRAME;
	/* CREDIT is for a stream or, with 0, for the session. */
	if (type != FRAME_CREDIT && rules[type].stream != (stream != 0))
		return E_MUX_FRAME;
	f->type = type;
	f->stream = stream;
	return E_OK;
}

static bool
take_string(struct slice *in, struct slice *out)
{
	uint8_t n;

	return slice_take_u8(in, &n) && slice_take(in, n, out);
}

static bool
client_valid(struct slice s)
{
	if (s.n > FRAME_CLIENT_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return true;
}

bool
frame_user_valid(struct slice s)
{
	if (s.n > FRAME_USER_MAX || !utf8_valid(s))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
		/* U+0080 to U+009F are control characters too. */
		if (s.p[i] == 0xc2 && s.p[i + 1] < 0xa0)
			return false;
	}
	return true;
}

static bool
open_valid(const struct frame_open *o)
{
	if (!frame_name_valid(o->app) || !client_valid(o->client) ||
	    !frame_user_valid(o->user))
		return false;
	if (o->kind == APP_TCP)
		return o->scheme.n == 0;
	return o->kind == APP_HTTP && (slice_eq(o->scheme, SL("http")) ||
	    slice_eq(o->scheme, SL("https")));
}

static enum err
open_body(struct frame_open *o, struct slice in)
{
	if (!slice_take_u8(&in, &o->kind) ||
	    !take_string(&in, &o->app) ||
	    !take_string(&in, &o->client) ||
	    !take_string(&in, &o->user) ||
	    !take_string(&in, &o->scheme) ||
	    in.n != 0 || !open_valid(o))
		return E_MUX_FRAME;
	return E_OK;
}

static enum err
goaway_body(struct frame *f, const uint8_t *p)
{
	uint32_t reason = get_u32(p), deadline_ms = get_u32(p + 4);

	if (reason == 0 || reason >= GOAWAY_REASONS ||
	    deadline_ms > GOAWAY_MS_MAX)
		return E_MUX_FRAME;
	f->u.goaway.reason = (enum goaway_reason)reason;
	f->u.goaway.deadline_ms = deadline_ms;
	return E_OK;
}

static enum err
u32_body(struct frame *f, uint32_t v)
{
	if (f->type == FRAME_RESET) {
		if (v == RESET_NONE || v >= RESET_CODES)
			return E_MUX_FRAME;
		f->u.code = (enum reset_code)v;
		return E_OK;
	}
	if (v == 0 || v > CREDIT_MAX)
		return E_MUX_FRAME;
	f->u.credit = v;
	return E_OK;
}

enum err
frame_body(struct frame *f, struct slice payload)
{
	assert(type_known(f->type));
	if (payload.n < rules[f->type].least || payload.n > rules[f->type].most)
		return E_MUX_FRAME;
	switch ((enum frame_type)f->type) {
	case FRAME_OPEN:
		return open_body(&f->u.open, payload);
	case FRAME_DATA:
		f->u.data = payload;
		return E_OK;
	case FRAME_RESET:
	case FRAME_CREDIT:
		return u32_body(f, get_u32(payload.p));
	case FRAME_ACK:
		f->u.ack = get_u64(payload.p);
		return E_OK;
	case FRAME_GOAWAY:
		return goaway_body(f, payload.p);
	case FRAME_END:
	case FRAME_STOP:
	case FRAME_TYPES:
		break;
	}
	return E_OK;
}

enum err
frame_decode(struct frame *f, struct slice message)
{
	struct slice head;
	enum err e;

	if (!slice_take(&message, FRAME_HEAD_BYTES, &head))
		return E_MUX_FRAME;
	e = frame_head(f, head.p);
	if (e != E_OK)
		return e;
	return frame_body(f, message);
}

void
frame_put_head(uint8_t head[FRAME_HEAD_BYTES], uint8_t type, uint32_t stream)
{
	assert(type_known(type));
	assert(type == FRAME_CREDIT || rules[type].stream == (stream != 0));
	assert(stream <= STREAM_ID_MAX);
	head[0] = type;
	head[1] = 0;
	set_u16(head + 2, 0);
	set_u32(head + 4, stream);
}

static size_t
payload_bytes(const struct frame *f)
{
	const struct frame_open *o = &f->u.open;

	if (f->type == FRAME_OPEN)
		return 5 + o->app.n + o->client.n + o->user.n + o->scheme.n;
	if (f->type == FRAME_DATA)
		return f->u.data.n;
	return rules[f->type].least;
}

static void
put_string(struct buf *b, struct slice s)
{
	buf_put_u8(b, to_u8(s.n));
	buf_put(b, s);
}

bool
frame_put(struct buf *b, const struct frame *f)
{
	uint8_t head[FRAME_HEAD_BYTES];

	frame_put_head(head, f->type, f->stream);
	if (buf_room(b) < sizeof head + payload_bytes(f)) {
		b->is_short = true;
		return false;
	}
	buf_put(b, slice_of(head, sizeof head));
	if (f->type == FRAME_OPEN) {
		assert(open_valid(&f->u.open));
		buf_put_u8(b, f->u.open.kind);
		put_string(b, f->u.open.app);
		put_string(b, f->u.open.client);
		put_string(b, f->u.open.user);
		put_string(b, f->u.open.scheme);
	} else if (f->type == FRAME_DATA) {
		assert(f->u.data.n >= 1 && f->u.data.n <= FRAME_DATA_MAX);
		buf_put(b, f->u.data);
	} else if (f->type == FRAME_RESET) {
		assert(f->u.code > RESET_NONE && f->u.code < RESET_CODES);
		buf_put_u32(b, f->u.code);
	} else if (f->type == FRAME_CREDIT) {
		assert(f->u.credit > 0 && f->u.credit <= CREDIT_MAX);
		buf_put_u32(b, f->u.credit);
	} else if (f->type == FRAME_ACK) {
		buf_put_u64(b, f->u.ack);
	} else if (f->type == FRAME_GOAWAY) {
		assert(f->u.goaway.deadline_ms <= GOAWAY_MS_MAX);
		buf_put_u32(b, f->u.goaway.reason);
		buf_put_u32(b, f->u.goaway.deadline_ms);
	}
	return true;
}
