/*
 * The envelope scanner. Oracles: the parser of codec/json, which is another
 * program for the same grammar (same verdict; the last member of a name has
 * the same bytes); split feeding finds what whole feeding finds; and with
 * what is cut made blank, the text is the same object without device_id.
 */
#include <stdio.h>
#include <stdlib.h>

#include "codec/envelope.h"
#include "codec/utf8.h"

#define MUST(x) do {                                                    \
	if (!(x)) {                                                     \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
		abort();                                                \
	}                                                               \
} while (0)

static const char *const names[ENV_KEYS] = { "type", "device_id", "payload",
	"timestamp", "tunnel_id", "auth_key", "message" };

static bool
is(struct json name, unsigned key)
{
	return json_is(name, slice_of(names[key], strlen(names[key])));
}

/* Feed in pieces of `piece`; what is cut becomes blanks in `copy`. */
static enum err
scan(struct envelope *e, struct slice in, size_t piece, uint8_t *copy)
{
	size_t at = 0;

	envelope_init(e, copy != NULL);
	while (at < in.n && e->err == E_OK) {
		size_t used;
		enum err got = envelope_feed(e, slice_head(slice_from(in, at),
		    piece), &used);

		at += used;
		if (got == E_OK) {
			MUST(copy != NULL && e->cut_from < e->cut_to &&
			    e->cut_to <= at);
			memset(copy + e->cut_from, ' ',
			    e->cut_to - e->cut_from);
		}
	}
	return envelope_end(e);
}

static void
same_members(const struct envelope *e, struct slice in, struct json v)
{
	struct json last[ENV_KEYS] = { { 0 } }, name, value;
	struct json_iter it;

	json_iter(&it, v);
	while (v.kind == JSON_OBJECT && json_next(&it, &name, &value)) {
		for (unsigned k = 0; k < ENV_KEYS; k++) {
			if (is(name, k))
				last[k] = value;
		}
	}
	MUST(e->kind == v.kind);
	for (unsigned k = 0; k < ENV_KEYS; k++) {
		MUST(e->v[k].kind == last[k].kind);
		if (last[k].kind != JSON_NONE)
			MUST(slice_eq(last[k].raw, slice_of(in.p +
			    e->v[k].from, e->v[k].to - e->v[k].from)));
	}
}

/* The members of `b` are those of `a` without device_id, byte for byte. */
static void
without_device(struct json a, struct json b)
{
	struct json_iter x, y;
	struct json n, v, m, w;

	json_iter(&x, a);
	json_iter(&y, b);
	while (json_next(&x, &n, &v)) {
		if (is(n, ENV_DEVICE_ID))
			continue;
		MUST(json_next(&y, &m, &w));
		MUST(slice_eq(n.raw, m.raw) && slice_eq(v.raw, w.raw));
	}
	MUST(!json_next(&y, &m, &w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct envelope whole, cut;
	struct json v, w;
	uint8_t *copy;
	enum err e;

	if (size == 0 || size > 65536 || !utf8_valid(in))
		return 0;
	e = json_parse(in, ENVELOPE_DEPTH, &v);
	MUST(scan(&whole, in, size, NULL) == e);
	copy = malloc(size);
	MUST(copy != NULL);
	memcpy(copy, data, size);
	MUST(scan(&cut, in, 1 + data[size / 2] % 7, copy) == e);
	if (e == E_OK) {
		same_members(&whole, in, v);
		same_members(&cut, in, v);
		MUST(json_parse(slice_of(copy, size), ENVELOPE_DEPTH, &w) ==
		    E_OK);
		if (v.kind == JSON_OBJECT)
			without_device(v, w);
	}
	free(copy);
	return 0;
}
