/*
 * codec/http1. The first byte chooses request or response and where to cut.
 * Oracles: a cut and a byte-by-byte feed give what the whole gives; a head that
 * is accepted, written again from its parts, parses to the same; and a second,
 * naive reader finds nothing in the accepted bytes that another parser could
 * take for a line end or a second length.
 */
#include <stdlib.h>

#include "../tests/unit/http_dump.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

static struct http_field fields[HTTP_FIELDS_MAX];
static uint8_t area[3][4 * HTTP_HEAD_MAX];

static enum err
parse(int kind, struct http_head *h, struct http_scan *s, struct slice in,
    size_t *used)
{
	h->fields = fields;
	return kind == 0 ? http_request_parse(h, s, in, used) :
	    http_response_parse(h, s, (enum http_answers)(kind - 1), in, used);
}

/* Every CR and LF is part of a CRLF; no NUL; at most one length of any kind,
 * whatever its case and with `_` for `-`. */
static void
naive_check(struct slice head, bool request)
{
	unsigned lengths = 0, hosts = 0;

	for (size_t i = 0; i < head.n; i++) {
		MUST(head.p[i] != 0 && head.p[i] != 0x7f);
		MUST((head.p[i] == '\n') == (i > 0 && head.p[i - 1] == '\r'));
	}
	while (head.n > 0) {
		struct slice name = slice_cut(&head, '\n');

		MUST(name.n == 0 || name.p[0] != ' ');
		name = slice_cut(&name, ':');
		lengths += slice_ieq(name, SL("content-length")) ||
		    slice_ieq(name, SL("transfer-encoding"));
		hosts += slice_ieq(name, SL("host"));
		MUST(!slice_ieq(name, SL("content_length")));
	}
	MUST(lengths <= 1 && (!request || hosts <= 1));
}

/* The writers write HTTP/1.1: the minor version is put in afterwards. */
static struct slice
write_again(struct buf *b, const struct http_head *h)
{
	bool request = h->status == 0;

	if (request)
		http_put_request_line(b, h->method, h->target);
	else
		http_put_status_line(b, h->status, h->reason);
	b->p[request ? b->n - 3 : 7] = (uint8_t)('0' + h->minor);
	for (size_t i = 0; i < h->nfields; i++)
		http_put_field(b, h->fields[i].name, h->fields[i].value);
	http_put_end(b);
	MUST(buf_ok(b));
	return buf_slice(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf a = BUF_ON(area[0]), b = BUF_ON(area[1]);
	struct buf c = BUF_ON(area[2]);
	struct http_scan scan = { 0 };
	struct http_head h;
	struct slice in;
	size_t cut, used = 0, used2 = 0;
	enum err e, e2 = E_MORE;
	bool absolute;
	int kind;

	if (size < 3 || size > HTTP_HEAD_MAX - 1024)
		return 0;
	kind = data[0] % 4;
	in = slice_of(data + 3, size - 3);
	cut = get_u16(data + 1) % (in.n + 1);
	e = parse(kind, &h, &scan, in, &used);
	if (e == E_OK)
		dump_head(&a, &h);

	/* in two pieces, then in single bytes */
	for (int bytes = 0; bytes < 2; bytes++) {
		memset(&scan, 0, sizeof scan);
		buf_reset(&b);
		e2 = E_MORE;
		for (size_t n = bytes ? 0 : cut; e2 == E_MORE && n <= in.n;
		    n += bytes || n == in.n ? 1 : in.n - n)
			e2 = parse(kind, &h, &scan, slice_head(in, n), &used2);
		MUST(e2 == e);
		if (e == E_OK)
			dump_head(&b, &h);
		MUST(used2 == used || e != E_OK);
		MUST(slice_eq(buf_slice(&a), buf_slice(&b)));
	}
	if (e != E_OK)
		return 0;

	naive_check(slice_head(in, used), kind == 0);
	absolute = h.absolute;
	in = write_again(&c, &h);
	MUST(parse(kind, &h, &scan, in, &used) == E_OK && used == in.n);
	buf_reset(&b);
	dump_head(&b, &h);
	/* an absolute target was turned into origin form */
	MUST(absolute || slice_eq(buf_slice(&a), buf_slice(&b)));
	return 0;
}
