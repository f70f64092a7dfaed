/*
 * codec/chunk. The first two bytes choose where to cut. Oracles: the events of
 * a cut and a byte-by-byte feed are those of the whole; what is read, written
 * again by our writers, gives the same events; and nothing but the trailer
 * section is ever left with the caller.
 */
#include <stdlib.h>

#include "codec/chunk.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

static uint8_t area[3][1 << 18];

/* A body as its data and its trailers; and written again as chunks. */
struct sink {
	struct buf data, again;
};

static void
sink_event(struct sink *s, const struct chunk_ev *ev)
{
	struct slice section = ev->data;
	struct http_field f;
	bool may_trail;

	switch (ev->what) {
	case CHUNK_SIZE:
		MUST(ev->size > 0 && ev->size <= CHUNK_SIZE_MAX);
		buf_put_u64(&s->data, ev->size);
		chunk_put_size(&s->again, ev->size);
		break;
	case CHUNK_DATA:
		MUST(ev->data.n > 0);
		buf_put(&s->data, ev->data);
		buf_put(&s->again, ev->data);
		break;
	case CHUNK_END:
		buf_lit(&s->data, ">");
		chunk_put_end(&s->again);
		break;
	case CHUNK_TRAILERS:
		chunk_put_last(&s->again);
		while (chunk_trailer_next(&section, &f, &may_trail)) {
			MUST(!may_trail || !slice_ieq(f.name, SL("host")));
			http_put_field(&s->data, f.name, f.value);
			http_put_field(&s->again, f.name, f.value);
		}
		MUST(slice_eq(section, SL("\r\n")));
		http_put_end(&s->again);
		break;
	case CHUNK_DONE:
		break;
	}
	MUST(buf_ok(&s->data) && buf_ok(&s->again));
}

static enum err
feed(struct sink *s, struct slice in, size_t first, bool bytes, size_t *used)
{
	struct chunk_dec d = { 0 };
	struct chunk_ev ev = { .what = CHUNK_SIZE };
	size_t at = 0, n = first, took;
	enum err e = E_MORE;

	for (;;) {
		while ((e = chunk_next(&d, slice_from(slice_head(in, n), at),
		    &took, &ev)) == E_OK && ev.what != CHUNK_DONE) {
			at += took;
			sink_event(s, &ev);
		}
		at += took;
		MUST(e != E_MORE || at == n || n - at < CHUNK_TRAILERS_MAX);
		if (e != E_MORE || n == in.n)
			break;
		n = bytes ? n + 1 : in.n;
	}
	*used = at;
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t scratch[1 << 18];
	struct sink a = { BUF_ON(area[0]), BUF_ON(area[1]) };
	struct sink b = { BUF_ON(area[2]), BUF_ON(scratch) };
	struct slice in;
	size_t used, used2;
	enum err e;

	if (size < 2 || size > 65536)
		return 0;
	in = slice_of(data + 2, size - 2);
	e = feed(&a, in, in.n, false, &used);
	for (int bytes = 0; bytes < 2; bytes++) {
		buf_reset(&b.data);
		buf_reset(&b.again);
		MUST(feed(&b, in, bytes ? 0 : get_u16(data) % (in.n + 1),
		    bytes, &used2) == e);
		MUST(slice_eq(buf_slice(&a.data), buf_slice(&b.data)));
		MUST(e != E_OK || used == used2);
	}
	if (e != E_OK)
		return 0;
	buf_reset(&b.data);
	buf_reset(&b.again);
	in = buf_slice(&a.again);
	MUST(feed(&b, in, in.n, false, &used) == E_OK && used == in.n);
	MUST(slice_eq(buf_slice(&a.data), buf_slice(&b.data)));
	MUST(slice_eq(buf_slice(&a.again), buf_slice(&b.again)));
	return 0;
}
