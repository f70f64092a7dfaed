/*
 * tests/vectors/http/requests.json against codec/http1 and codec/chunk: whole
 * messages, head and body, fed whole, cut at every byte and byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "codec/chunk.h"
#include "check.h"
#include "guard.h"
#include "http_dump.h"
#include "http_vectors.h"

#define VECS (sizeof http_vecs / sizeof http_vecs[0])

/* A reader of requests such as a relay has: what is read is taken away. */
struct reader {
	enum { HEAD, LENGTH, CHUNKED } at;
	struct http_scan scan;
	struct chunk_dec chunk;
	uint64_t left;
	unsigned count;         /* complete messages */
	enum err e;
	struct buf heads, body;
	uint8_t heads_area[4096], body_area[4096];
	bool keep_alive, upgrade, value_seen;
};

static void
reader_init(struct reader *r)
{
	memset(r, 0, sizeof *r);
	r->heads = BUF_ON(r->heads_area);
	r->body = BUF_ON(r->body_area);
}

static void
reader_head(struct reader *r, const struct http_head *h,
    const struct http_vec *v)
{
	const struct http_field *f = v->field.p == NULL ? NULL :
	    http_field_get(h, slice_of(v->field.p, v->field.n));

	r->value_seen |= f != NULL &&
	    slice_eq(f->value, slice_of(v->value.p, v->value.n));
	dump_head(&r->heads, h);
	r->keep_alive = h->keep_alive;
	r->upgrade = h->upgrade_websocket;
	r->left = h->length;
	memset(&r->chunk, 0, sizeof r->chunk);
	r->at = h->body == HTTP_BODY_LENGTH ? LENGTH :
	    h->body == HTTP_BODY_CHUNKED ? CHUNKED : HEAD;
	if (r->at == HEAD)
		r->count++;
}

/* One step; false when more input is needed or it failed. */
static bool
reader_step(struct reader *r, struct slice *in, const struct http_vec *v)
{
	static struct http_field fields[HTTP_FIELDS_MAX];
	struct http_head h = { .fields = fields };
	struct chunk_ev ev;
	size_t used = 0;

	switch (r->at) {
	case HEAD:
		if (in->n == 0)
			return false;
		r->e = http_request_parse(&h, &r->scan, *in, &used);
		if (r->e == E_OK)
			reader_head(r, &h, v);
		break;
	case LENGTH:
		used = in->n < r->left ? in->n : (size_t)r->left;
		buf_put(&r->body, slice_head(*in, used));
		r->left -= used;
		r->e = r->left > 0 ? E_MORE : E_OK;
		if (r->left == 0) {
			r->at = HEAD;
			r->count++;
		}
		break;
	case CHUNKED:
		r->e = chunk_next(&r->chunk, *in, &used, &ev);
		if (r->e == E_OK && ev.what == CHUNK_DATA)
			buf_put(&r->body, ev.data);
		if (r->e == E_OK && ev.what == CHUNK_DONE) {
			r->at = HEAD;
			r->count++;
		}
		break;
	}
	*in = slice_from(*in, used);
	return r->e == E_OK;
}

/* Feed wire[0..first), then `step` more each time, as copies of what is not
 * taken yet. E_OK only when nothing of a message is missing. */
static enum err
read_all(struct reader *r, const struct http_vec *v, size_t first, size_t step)
{
	struct slice wire = slice_of(v->wire.p, v->wire.n);
	size_t taken = 0, n = first;

	reader_init(r);
	for (;;) {
		struct slice copy = guard_put(wire.p + taken, n - taken);
		struct slice in = copy;

		while (reader_step(r, &in, v))
			;
		taken = n - in.n;
		guard_free(copy);
		if ((r->e != E_OK && r->e != E_MORE) || n == wire.n)
			break;
		n = step > wire.n - n ? wire.n : n + step;
	}
	if (r->e == E_OK && (r->at != HEAD || r->count == 0))
		r->e = E_MORE;
	return r->e;
}

/* `got` is what the vector says, if it says it. */
#define CHECK_TEXT(v, member, got)                                             \
	CHECK((v)->member.p == NULL ||                                         \
	    slice_eq((got), slice_of((v)->member.p, (v)->member.n)), (v)->name)

static void
check_ok(const struct reader *r, const struct http_vec *v)
{
	struct slice line = buf_slice(&r->heads);
	struct slice method = slice_cut(&line, ' ');
	struct slice target = slice_cut(&line, ' ');

	CHECK(r->count == (v->count < 0 ? 1u : (unsigned)v->count), v->name);
	CHECK_TEXT(v, method, method);
	CHECK_TEXT(v, target, target);
	CHECK_TEXT(v, version, slice_cut(&line, ' '));
	CHECK_TEXT(v, body, buf_slice(&r->body));
	CHECK(v->field.p == NULL || r->value_seen, v->name);
	CHECK(v->keep_alive < 0 || r->keep_alive == v->keep_alive, v->name);
	CHECK(v->upgrade < 0 || r->upgrade == v->upgrade, v->name);
}

static void
check_verdict(const struct reader *r, const struct http_vec *v)
{
	if (strcmp(v->expect, "ok") == 0) {
		CHECK(r->e == E_OK, v->name);
		check_ok(r, v);
	} else if (strcmp(v->expect, "incomplete") == 0) {
		CHECK(r->e == E_MORE, v->name);
	} else {
		CHECK(r->e != E_OK && r->e != E_MORE, v->name);
		CHECK(err_http(r->e) == (unsigned)v->status, v->name);
	}
}

static void
reads_every_vector_however_it_is_cut(void **state)
{
	static struct reader whole, cut;

	(void)state;
	assert_int_equal(VECS, 156);
	for (size_t i = 0; i < VECS; i++) {
		const struct http_vec *v = &http_vecs[i];

		read_all(&whole, v, v->wire.n, 1);
		check_verdict(&whole, v);
		for (size_t k = 0; k <= v->wire.n; k++) {
			/* k == n: byte by byte */
			bool bytes = k == v->wire.n;

			read_all(&cut, v, bytes ? 0 : k,
			    bytes ? 1 : v->wire.n);
			CHECK(cut.e == whole.e, v->name);
			if (whole.e != E_OK)
				continue;
			CHECK(cut.count == whole.count, v->name);
			CHECK(slice_eq(buf_slice(&cut.heads),
			    buf_slice(&whole.heads)), v->name);
			CHECK(slice_eq(buf_slice(&cut.body),
			    buf_slice(&whole.body)), v->name);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_vector_however_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
