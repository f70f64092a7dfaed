/*
 * Files of the dashboard, which are in the binary, packed: below
 * /_adit/assets/, for ever where the address names the version, and the shell
 * of its pages.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/asset.h"

static const struct asset *
asset_find(struct slice path)
{
	if (path.n == 0)
		return NULL;
	path = slice_from(path, 1);
	for (size_t i = 0; i < assets_n; i++) {
		if (slice_eq(assets[i].path, path))
			return &assets[i];
	}
	return NULL;
}

/* Assets exist packed only; hardly anybody cannot unpack. RFC 9110 12.5.3 */
static bool
takes_gzip(const struct http_head *h)
{
	const struct http_field *f =
	    http_field_id(h, HTTP_N_ACCEPT_ENCODING, NULL);
	struct slice rest, e;

	if (f == NULL)
		return true;
	for (; f != NULL; f = http_field_id(h, HTTP_N_ACCEPT_ENCODING, f)) {
		rest = f->value;
		while (http_list_next(&rest, &e)) {
			struct slice name = slice_trim(slice_cut(&e, ';'));

			e = slice_trim(e);
			if ((slice_ieq(name, SL("gzip")) ||
			    slice_eq(name, SL("*"))) && !slice_ieq(e,
			    SL("q=0")) && !slice_ieq(e, SL("q=0.0")))
				return true;
		}
	}
	return false;
}

static void
asset_send(struct client *c, const struct http_head *h,
    const struct asset *a, struct reply *rep, struct buf *b)
{
	if (!takes_gzip(h)) {
		reply_error(c, h, 406, SL("This is sent packed by gzip only, "
		    "and the request does not accept that"), SL(""));
		return;
	}
	if (rep->status == 200) {
		buf_lit(b, "Content-Encoding: gzip\r\n");
		rep->type = a->type;
		rep->body = a->body;
	}
	buf_lit(b, "Vary: Accept-Encoding\r\n");
	rep->extra = buf_slice(b);
	reply_send(c, h->verb == HTTP_V_HEAD, rep);
}

void
asset_shell(struct client *c, const struct http_head *h)
{
	const struct asset *a = asset_find(SL("/index.html"));
	struct buf b = reply_area(c->r);
	struct reply rep = { .status = 200 };

	assert(a != NULL);
	asset_send(c, h, a, &rep, &b);
}

void
asset_serve(struct client *c, const struct http_head *h, struct slice path)
{
	const struct asset *a = asset_find(path);
	const struct http_field *f =
	    http_field_id(h, HTTP_N_IF_NONE_MATCH, NULL);
	struct slice version = url_query(h->target);
	struct buf b = reply_area(c->r);
	struct reply rep = { .status = 200, .cache = true };

	if (a == NULL) {
		reply_error(c, h, 404, SL("Not found"), SL(""));
		return;
	}
	http_put_field(&b, SL("ETag"), a->etag);
	if (slice_starts(version, SL("v=")) &&
	    slice_eq(slice_from(version, 2), assets_version))
		buf_lit(&b, "Cache-Control: public, max-age=31536000, "
		    "immutable\r\n");
	else
		buf_lit(&b, "Cache-Control: no-cache\r\n");
	if (f != NULL && slice_eq(f->value, a->etag))
		rep.status = 304;
	asset_send(c, h, a, &rep, &b);
}
