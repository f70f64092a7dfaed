/*
 * Sending an answer of the relay's own: its head, with the fields that keep
 * pages of ours where they belong, and errors for whoever asked, a program or a
 * person. Both head and body are built in one fixed area.
 */
#include "relay/parts.h"

#include "codec/date.h"
#include "codec/json.h"

enum { HEAD_AREA = 64 * 1024 };         /* the rest of the area is body */

struct buf
reply_area(struct relay *r)
{
	return buf_of(r->area + HEAD_AREA, AREA_BYTES - HEAD_AREA);
}

static void
put_security(struct buf *b, const struct reply *rep)
{
	buf_lit(b, "Content-Security-Policy: default-src 'none'; "
	    "style-src 'self'; script-src 'self'; connect-src 'self'; "
	    "img-src 'self'; base-uri 'none'; form-action 'self'");
	if (rep->form_to.n > 0) {
		buf_lit(b, " ");
		buf_put(b, rep->form_to);
	}
	buf_lit(b, "; frame-ancestors 'none'\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "X-Frame-Options: DENY\r\n"
	    "Referrer-Policy: no-referrer\r\n");
	if (!rep->cache)
		buf_lit(b, "Cache-Control: no-store\r\n");
}

void
reply_send(struct client *c, bool head_only, const struct reply *rep)
{
	struct relay *r = c->r;
	struct buf b = buf_of(r->area, HEAD_AREA);

	c->keep = c->keep && c->body_done && !r->stopping && !rep->open;
	r->answers[rep->status / 100]++;
	http_put_status_line(&b, rep->status, http_reason(rep->status));
	buf_lit(&b, "Date: ");
	date_put_http(&b, (int64_t)(r->io->wall_ms / 1000));
	buf_lit(&b, "\r\n");
	if (rep->type.n > 0)
		http_put_field(&b, SL("Content-Type"), rep->type);
	if (rep->status != 304 && !rep->open)
		http_put_field_dec(&b, SL("Content-Length"),
		    rep->body.n + rep->more);
	put_security(&b, rep);
	if (c->hsts)
		buf_lit(&b, "Strict-Transport-Security: "
		    "max-age=15552000\r\n");
	buf_put(&b, rep->extra);
	if (!c->keep)
		buf_lit(&b, "Connection: close\r\n");
	else if (c->minor == 0)
		buf_lit(&b, "Connection: keep-alive\r\n");
	http_put_end(&b);
	if (!buf_ok(&b)) {
		client_close(c, true);
		return;
	}
	if (!head_only && rep->body.p == r->area + HEAD_AREA) {
		/* One write: the body goes right behind the head. */
		memmove(r->area + b.n, rep->body.p, rep->body.n);
		b.n += rep->body.n;
		client_send(c, slice_of(r->area, b.n));
	} else if (client_send(c, buf_slice(&b)) && !head_only) {
		client_send(c, rep->body);
	}
	if ((!rep->open && rep->more == 0) || head_only)
		client_answered(c);
}

void
reply_json(struct client *c, bool head_only, unsigned status,
    struct slice json, struct slice extra)
{
	struct reply rep = { .status = status, .extra = extra, .body = json,
		.type = SL("application/json; charset=utf-8") };

	reply_send(c, head_only, &rep);
}

void
reply_later(struct client *c, const struct http_head *h, uint64_t retry_s,
    struct slice text)
{
	uint8_t area[64];
	struct buf extra = BUF_ON(area);

	buf_lit(&extra, "Retry-After: ");
	buf_put_dec(&extra, retry_s);
	buf_lit(&extra, "\r\n");
	reply_error(c, h, 429, text, buf_slice(&extra));
}

void
reply_error(struct client *c, const struct http_head *h, unsigned status,
    struct slice text, struct slice extra)
{
	struct buf b = reply_area(c->r);
	struct json_out o = json_out_on(&b);
	bool head_only = h->verb == HTTP_V_HEAD;

	if (site_is_navigation(h)) {
		page_error(c, head_only, status, text, extra);
		return;
	}
	json_object(&o);
	json_pair_string(&o, SL("error"), text);
	json_object_end(&o);
	reply_json(c, head_only, status, buf_slice(&b), extra);
}

void
reply_foreign(struct client *c, const struct http_head *h)
{
	reply_error(c, h, 403, SL("Refused: the request comes from another "
	    "site. Open the page from its own address and try again."),
	    SL(""));
}

void
reply_fault(struct client *c, const struct http_head *h, unsigned status,
    enum err e)
{
	const char *text = err_text(e);
	size_t n = 0;

	while (text[n] != 0)
		n++;
	reply_error(c, h, status, slice_of(text, n), SL(""));
}

void
reply_redirect(struct client *c, bool head_only, struct slice location,
    struct slice extra)
{
	struct buf b = reply_area(c->r);
	struct reply rep = { .status = 303 };

	http_put_field(&b, SL("Location"), location);
	buf_put(&b, extra);
	rep.extra = buf_slice(&b);
	if (!buf_ok(&b)) {
		rep.status = 500;
		rep.extra = SL("");
	}
	reply_send(c, head_only, &rep);
}
