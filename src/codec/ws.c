/*
 * WebSocket frames. A header is at most 14 bytes, so nothing here is a state
 * machine over bytes: decode from the front of what there is, or say E_MORE.
 * Only the follower keeps bytes, and only those of an unfinished header.
 *
 * The rules that bind frames to each other (ws_admit) need four small facts
 * and the header, so endpoint and proxy share them and cannot disagree.
 *
 * Masking works on 64-bit words, four at a time, which compilers turn into
 * vector code; words are read and written through memcpy, so alignment does
 * not matter. Rejected: vector intrinsics (no faster than memory already) and
 * aligning first (two loops more).
 */
#include "codec/ws.h"

#include "codec/b64.h"
#include "codec/utf8.h"

#include <assert.h>

enum { FIN = 0x80, MASKED = 0x80, LEN16 = 126, LEN64 = 127 };

static bool
is_control(uint8_t opcode)
{
	return opcode >= WS_CLOSE;
}

static bool
is_opcode(uint8_t opcode)
{
	return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

enum err
ws_decode(struct ws_frame *f, struct slice in, size_t *used)
{
	uint8_t b0, b1, opcode;
	uint64_t length;
	size_t at = 2;

	if (in.n < 1)
		return E_MORE;
	b0 = in.p[0];
	opcode = b0 & 0x0f;
	if (!is_opcode(opcode))
		return E_WS_OPCODE;
	if (is_control(opcode) && (b0 & FIN) == 0)
		return E_WS_CONTROL;
	if (in.n < 2)
		return E_MORE;
	b1 = in.p[1];
	length = b1 & 0x7f;
	if (is_control(opcode) && length > WS_CONTROL_MAX)
		return E_WS_CONTROL;
	if (length == LEN16) {
		if (in.n < 4)
			return E_MORE;
		length = get_u16(in.p + 2);
		if (length < LEN16)
			return E_WS_LENGTH;
		at = 4;
	} else if (length == LEN64) {
		if (in.n < 10)
			return E_MORE;
		length = get_u64(in.p + 2);
		if (length <= UINT16_MAX || length > INT64_MAX)
			return E_WS_LENGTH;
		at = 10;
	}
	if ((b1 & MASKED) != 0 && in.n - at < 4)
		return E_MORE;
	*f = (struct ws_frame){
		.length = length,
		.opcode = opcode,
		.rsv = b0 & WS_RSV,
		.fin = (b0 & FIN) != 0,
		.masked = (b1 & MASKED) != 0,
	};
	if (f->masked) {
		memcpy(f->key, in.p + at, 4);
		at += 4;
	}
	*used = at;
	return E_OK;
}

size_t
ws_encode_raw(uint8_t out[WS_HEAD_MAX], const struct ws_frame *f)
{
	size_t at = 2;

	assert(is_opcode(f->opcode) && (f->rsv & ~WS_RSV) == 0);
	assert(f->length <= INT64_MAX);
	assert(!is_control(f->opcode) ||
	    (f->fin && f->length <= WS_CONTROL_MAX));
	out[0] = (uint8_t)((f->fin ? FIN : 0) | f->rsv | f->opcode);
	out[1] = f->masked ? MASKED : 0;
	if (f->length < LEN16) {
		out[1] |= (uint8_t)f->length;
	} else if (f->length <= UINT16_MAX) {
		out[1] |= LEN16;
		set_u16(out + 2, (uint16_t)f->length);
		at = 4;
	} else {
		out[1] |= LEN64;
		set_u64(out + 2, f->length);
		at = 10;
	}
	if (f->masked) {
		memcpy(out + at, f->key, 4);
		at += 4;
	}
	return at;
}

bool
ws_encode(struct buf *out, const struct ws_frame *f)
{
	uint8_t head[WS_HEAD_MAX];

	return buf_put(out, slice_of(head, ws_encode_raw(head, f)));
}

void
ws_mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t key[4],
    uint64_t offset)
{
	uint8_t turned[8];
	uint64_t k, w[4];
	size_t i = 0;

	for (size_t j = 0; j < sizeof turned; j++)
		turned[j] = key[(offset + j) & 3];
	memcpy(&k, turned, 8);
	for (; n - i >= 32; i += 32) {
		memcpy(w, src + i, 32);
		for (size_t j = 0; j < 4; j++)
			w[j] ^= k;
		memcpy(dst + i, w, 32);
	}
	for (; n - i >= 8; i += 8) {
		memcpy(w, src + i, 8);
		w[0] ^= k;
		memcpy(dst + i, w, 8);
	}
	for (; i < n; i++)
		dst[i] = src[i] ^ turned[i & 7];
}

enum err
ws_admit(struct ws_rules *r, const struct ws_frame *f)
{
	uint8_t allowed = 0;

	if (r->closed)
		return E_WS_AFTER_CLOSE;
	if (f->masked != r->mask)
		return E_WS_MASK;
	if (!is_control(f->opcode))
		allowed = r->rsv;
	if (f->opcode == WS_CONT)
		allowed &= (uint8_t)~WS_RSV1;
	if ((f->rsv & ~allowed) != 0)
		return E_WS_RESERVED;
	if (is_control(f->opcode)) {
		if (f->opcode == WS_CLOSE && f->length == 1)
			return E_WS_CLOSE;
		r->closed = f->opcode == WS_CLOSE;
		return E_OK;
	}
	if ((f->opcode == WS_CONT) != r->in_message)
		return E_WS_FRAGMENT;
	r->in_message = !f->fin;
	return E_OK;
}

bool
ws_close_code_valid(uint16_t code)
{
	/* 1004 is reserved; 1005, 1006 and 1015 never stand in a frame. */
	return (code >= 1000 && code <= 1003) ||
	    (code >= 1007 && code <= 1014) ||
	    (code >= 3000 && code <= 4999);
}

enum err
ws_close_parse(struct slice payload, uint16_t *code, struct slice *reason)
{
	struct slice rest = payload;
	uint16_t v = WS_CODE_NONE;

	if (rest.n > 0) {
		if (!slice_take_u16(&rest, &v) || !ws_close_code_valid(v))
			return E_WS_CLOSE;
	}
	if (!utf8_valid(rest))
		return E_WS_UTF8;
	*code = v;
	*reason = rest;
	return E_OK;
}

uint16_t
ws_close_code(enum err e)
{
	switch (e) {
	case E_WS_UTF8:
		return WS_CODE_UTF8;
	case E_WS_TOO_BIG:
		return WS_CODE_TOO_BIG;
	default:
		return WS_CODE_PROTOCOL;
	}
}

bool
ws_put_close(struct buf *out, uint16_t code, struct slice reason,
    const uint8_t *key)
{
	struct ws_frame f = { .opcode = WS_CLOSE, .fin = true };
	uint8_t t[WS_HEAD_MAX + WS_CONTROL_MAX];
	size_t head;

	assert(code == WS_CODE_NONE || ws_close_code_valid(code));
	assert(utf8_valid(reason));
	reason = utf8_head(reason, WS_REASON_MAX);
	if (code != WS_CODE_NONE)
		f.length = 2 + reason.n;
	if (key != NULL) {
		f.masked = true;
		memcpy(f.key, key, 4);
	}
	head = ws_encode_raw(t, &f);
	if (f.length > 0) {
		set_u16(t + head, code);
		if (reason.n > 0)
			memcpy(t + head + 2, reason.p, reason.n);
	}
	ws_mask(t + head, t + head, (size_t)f.length, f.key, 0);
	return buf_put(out, slice_of(t, head + (size_t)f.length));
}

void
ws_follow_init(struct ws_follow *w, bool from_client, uint8_t rsv)
{
	*w = (struct ws_follow){ .rules = ws_rules_of(from_client, rsv) };
}

/*
 * The header at the front of `in`, admitted: *used and w->left are set. At
 * E_MORE and at errors nothing has changed.
 */
static enum err
follow_head(struct ws_follow *w, struct slice in, size_t *used)
{
	struct ws_frame f;
	enum err e = ws_decode(&f, in, used);

	if (e == E_OK)
		e = ws_admit(&w->rules, &f);
	if (e == E_OK)
		w->left = f.length;
	return e;
}

/*
 * Finish the header of which w->held has the front. *at moves past the bytes
 * of `in` that were needed. E_MORE: all of `in` went into w->held.
 */
static enum err
follow_held(struct ws_follow *w, struct slice in, size_t *at,
    struct slice *out)
{
	size_t old = w->n_held, head = 0;
	size_t add = in.n < WS_HEAD_MAX - old ? in.n : WS_HEAD_MAX - old;
	enum err e;

	assert(old > 0 && old < WS_HEAD_MAX && w->left == 0);
	if (add > 0)
		memcpy(w->held + old, in.p, add);
	e = follow_head(w, slice_of(w->held, old + add), &head);
	w->n_held = (uint8_t)(e == E_MORE ? old + add : 0);
	if (e != E_OK)
		return e;
	assert(head > old);
	memcpy(w->pass, w->held, old);
	*out = slice_of(w->pass, old);
	*at = head - old;
	return E_OK;
}

enum err
ws_follow(struct ws_follow *w, struct slice in, struct slice out[2])
{
	enum err e = w->err;
	size_t at = 0, used;

	out[0] = slice_of(w->pass, 0);
	out[1] = slice_of(in.p, 0);
	if (e == E_OK && w->n_held > 0)
		e = follow_held(w, in, &at, &out[0]);
	while (e == E_OK) {
		size_t run = in.n - at;

		if (w->left < run)
			run = (size_t)w->left;
		at += run;
		w->left -= run;
		if (at == in.n)
			break;
		e = follow_head(w, slice_from(in, at), &used);
		if (e == E_OK)
			at += used;
	}
	if (e == E_MORE && at < in.n && w->n_held == 0) {
		assert(in.n - at < WS_HEAD_MAX);
		w->n_held = (uint8_t)(in.n - at);
		memcpy(w->held, in.p + at, in.n - at);
	}
	out[1].n = at;
	if (e != E_OK && e != E_MORE)
		w->err = e;
	assert(w->err == E_OK || w->n_held == 0);
	return w->err;
}

bool
ws_key_valid(struct slice value)
{
	uint8_t area[18];
	struct buf b = BUF_ON(area);

	return value.n == WS_KEY_BYTES &&
	    b64_decode(&b, value, B64_STD) == E_OK && b.n == 16;
}

bool
ws_version_valid(struct slice value)
{
	return slice_eq(value, SL("13"));
}

/* A character of a token, RFC 9110 5.6.2. */
static bool
is_tchar(uint8_t c)
{
	static const uint8_t marks[] = { '!', '#', '$', '%', '&', '\'', '*',
	    '+', '-', '.', '^', '_', '`', '|', '~' };
	uint8_t low = ascii_lower(c);

	return ascii_digit(c) || (low >= 'a' && low <= 'z') ||
	    memchr(marks, c, sizeof marks) != NULL;
}

static bool
take_token(struct slice *in, struct slice *token)
{
	size_t n = 0;

	while (n < in->n && is_tchar(in->p[n]))
		n++;
	return n > 0 && slice_take(in, n, token);
}

static bool
take_byte(struct slice *in, uint8_t c)
{
	struct slice one;

	return in->n > 0 && in->p[0] == c && slice_take(in, 1, &one);
}

static void
skip_blanks(struct slice *in)
{
	while (take_byte(in, ' ') || take_byte(in, '\t'))
		;
}

/* [ "=" ( token / <"> token <"> ) ]; an empty *value if there is none. */
static bool
take_value(struct slice *in, struct slice *value)
{
	*value = slice_head(*in, 0);
	if (!take_byte(in, '='))
		return true;
	if (!take_byte(in, '"'))
		return take_token(in, value);
	return take_token(in, value) && take_byte(in, '"');
}

/*
 * The parameters of an accepted permessage-deflate, RFC 7692 7.1, up to the
 * comma or the end: each at most once, window bits from 8 to 15.
 */
static bool
take_deflate(struct slice *in)
{
	static const struct { struct slice name; bool has_bits; } known[] = {
		{ SL_INIT("server_no_context_takeover"), false },
		{ SL_INIT("client_no_context_takeover"), false },
		{ SL_INIT("server_max_window_bits"), true },
		{ SL_INIT("client_max_window_bits"), true },
	};
	unsigned seen = 0;

	for (;;) {
		struct slice name, value;
		uint64_t bits;
		size_t i = 0;

		skip_blanks(in);
		if (!take_byte(in, ';'))
			return true;
		skip_blanks(in);
		if (!take_token(in, &name) || !take_value(in, &value))
			return false;
		while (i < 4 && !slice_ieq(name, known[i].name))
			i++;
		if (i == 4 || (seen & 1u << i) != 0)
			return false;
		seen |= 1u << i;
		if (known[i].has_bits != (value.n > 0))
			return false;
		if (value.n > 0 && (value.p[0] == '0' ||
		    !slice_dec(value, 15, &bits) || bits < 8))
			return false;
	}
}

enum err
ws_extension_bits(struct slice value, uint8_t *bits)
{
	struct slice name;

	/* We know one extension, and none may come twice: no list is good. */
	skip_blanks(&value);
	if (!take_token(&value, &name) || (*bits & WS_RSV1) != 0 ||
	    !slice_ieq(name, SL("permessage-deflate")) ||
	    !take_deflate(&value) || value.n > 0)
		return E_WS_HANDSHAKE;
	*bits |= WS_RSV1;
	return E_OK;
}

bool
ws_list_has(struct slice list, struct slice token)
{
	struct slice rest = token, whole;

	if (!take_token(&rest, &whole) || rest.n > 0)
		return false;
	while (list.n > 0) {
		if (slice_eq(slice_trim(slice_cut(&list, ',')), token))
			return true;
	}
	return false;
}
