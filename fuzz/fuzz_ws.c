/*
 * WebSocket. The first byte chooses direction and extension, the second the
 * size of the pieces; the rest is a stream. What must hold: feeding it in
 * pieces passes the same bytes and ends with the same error as feeding it
 * whole; what passed is a front of the stream that decodes without an error,
 * and ends between frames when an error stopped it; headers encode to the
 * bytes that they were decoded from; masking in pieces is masking; UTF-8 in
 * pieces is UTF-8; a Close payload comes back.
 */
#include <stdlib.h>

#include "codec/utf8.h"
#include "codec/ws.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err
feed(struct ws_follow *w, struct buf *passed, struct slice in, size_t step)
{
	enum err e = E_OK;

	do {
		struct slice piece = slice_head(in, step), out[2];
		size_t room = ws_follow_held(w) + piece.n;

		e = ws_follow(w, piece, out);
		MUST(out[0].n + out[1].n <= room);
		MUST(buf_put(passed, out[0]) && buf_put(passed, out[1]));
		in = slice_from(in, piece.n);
	} while (in.n > 0);
	return e;
}

/* The bytes decode into admitted frames; true if the last one is whole. */
static bool
decodes(struct slice s, struct ws_rules rules)
{
	while (s.n > 0) {
		uint8_t head[WS_HEAD_MAX];
		struct ws_frame f;
		size_t used;

		MUST(ws_decode(&f, s, &used) == E_OK);
		MUST(ws_admit(&rules, &f) == E_OK);
		MUST(ws_encode_raw(head, &f) == used);
		MUST(slice_eq(slice_of(head, used), slice_head(s, used)));
		s = slice_from(s, used);
		if (f.length > s.n)
			return false;
		s = slice_from(s, (size_t)f.length);
	}
	return true;
}

static void
check_text_and_mask(struct slice s, size_t cut, const uint8_t *key)
{
	static uint8_t a[1 << 16], b[1 << 16];
	struct utf8 u = { 0 };
	struct slice rest = s, reason;
	struct buf out = BUF_ON(a);
	uint32_t c;
	uint16_t code;

	utf8_step(&u, slice_head(s, cut));
	utf8_step(&u, slice_from(s, cut));
	while (utf8_take(&rest, &c))
		MUST(utf8_put(&out, c));
	MUST(utf8_end(&u) == utf8_valid(s) && utf8_end(&u) == (rest.n == 0));
	MUST(slice_eq(buf_slice(&out), slice_head(s, s.n - rest.n)));
	ws_mask(a, s.p, s.n, key, 0);
	ws_mask(b, s.p, cut, key, 0);
	ws_mask(b + cut, s.p + cut, s.n - cut, key, cut);
	MUST(memcmp(a, b, s.n) == 0);
	ws_mask(a, a, s.n, key, 0);
	MUST(memcmp(a, s.p, s.n) == 0);
	s = slice_head(s, WS_CONTROL_MAX);
	if (ws_close_parse(s, &code, &reason) == E_OK) {
		buf_reset(&out);
		MUST(ws_put_close(&out, code, reason, NULL));
		MUST(slice_eq(slice_from(buf_slice(&out), 2), s));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t area[2][1 << 16];
	struct buf whole = BUF_ON(area[0]), parts = BUF_ON(area[1]);
	struct slice in = slice_of(data, size);
	struct ws_follow w, p;
	uint8_t how, step, bits = 0;
	enum err e;

	if (size > sizeof area[0] || !slice_take_u8(&in, &how) ||
	    !slice_take_u8(&in, &step))
		return 0;
	ws_follow_init(&w, how & 1, how & WS_RSV);
	p = w;
	e = feed(&w, &whole, in, SIZE_MAX);
	MUST(feed(&p, &parts, in, (size_t)step % 33 + 1) == e);
	MUST(slice_eq(buf_slice(&whole), buf_slice(&parts)));
	MUST(slice_starts(in, buf_slice(&whole)));
	MUST(ws_follow_closed(&w) == ws_follow_closed(&p));
	MUST(decodes(buf_slice(&whole), ws_rules_of(how & 1, how & WS_RSV)) ==
	    ws_follow_at_boundary(&w));
	if (e == E_OK)
		MUST(whole.n + ws_follow_held(&w) == in.n);
	else
		MUST(ws_follow_at_boundary(&w) && ws_follow_held(&w) == 0);
	if (in.n >= 4)
		check_text_and_mask(in, step % in.n, data);
	if (ws_extension_bits(in, &bits) == E_OK)
		MUST(bits == WS_RSV1 && utf8_valid(in));
	return 0;
}
