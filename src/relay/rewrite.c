/*
 * Heads as the other side shall see them. A head is written anew from its
 * parsed fields: nothing of the peer's bytes is copied but names and values
 * that the parser accepted, so what goes out is one head to every parser.
 *
 * Dropped from requests: fields of one connection (RFC 9110 7.6.1), every
 * spelling of the fields by which a proxy tells who the client is, our
 * cookies, our bearer tokens. Dropped from answers: the same connection
 * fields, cookies under our names, and what one app may not say for the whole
 * origin that it shares with the dashboard.
 */
#include "relay/parts.h"

bool
cookie_is_ours(struct slice name)
{
	static const struct slice host = SL_INIT("__host-");

	if (name.n >= host.n && slice_ieq(slice_head(name, host.n), host))
		name = slice_from(name, host.n);
	return slice_eq(name, SL("adit")) || slice_starts(name, SL("adit-"));
}

static bool
drop_ours(struct slice name, const void *ctx)
{
	(void)ctx;
	return cookie_is_ours(name);
}

static void
put_cookie(struct buf *b, struct slice value)
{
	size_t mark = b->n, left = 0;

	buf_lit(b, "Cookie: ");
	if (cookie_put_without(b, value, drop_ours, NULL, &left) && left > 0)
		buf_lit(b, "\r\n");
	else if (buf_ok(b))
		b->n = mark;
}

static bool
token_is_ours(struct slice authorization)
{
	static const struct slice bearer = SL_INIT("bearer");

	/* More than we take for one: an app may be less strict. */
	return slice_ieq(slice_head(authorization, bearer.n), bearer) &&
	    slice_starts(slice_trim(slice_from(authorization, bearer.n)),
	    SL("adit_"));
}

static bool
authority_is(struct slice origin, struct slice authority)
{
	struct url u;

	return url_parse(&u, origin) == E_OK &&
	    slice_ieq(u.authority, authority);
}

static void
put_origin(struct buf *b, const struct http_field *f, const struct rewrite *w)
{
	if (w->app->host_n == 0 || !authority_is(f->value, w->site->host)) {
		http_put_parsed(b, f);
		return;
	}
	buf_lit(b, "Origin: http://");
	buf_put(b, slice_of(w->app->host, w->app->host_n));
	buf_lit(b, "\r\n");
}

static void
put_request_field(struct buf *b, const struct http_head *h,
    const struct http_field *f, const struct rewrite *w)
{
	if (http_field_is_hop(h, f) || http_names_client(f->name))
		return;
	switch (f->id) {
	case HTTP_N_HOST:
		break;
	case HTTP_N_COOKIE:
		put_cookie(b, f->value);
		break;
	case HTTP_N_ORIGIN:
		put_origin(b, f, w);
		break;
	case HTTP_N_AUTHORIZATION:
		if (!token_is_ours(f->value))
			http_put_parsed(b, f);
		break;
	default:
		http_put_parsed(b, f);
	}
}

struct slice
rewrite_role(unsigned role)
{
	return role == ROLE_ADMIN ? SL("admin") : role == ROLE_MEMBER ?
	    SL("member") : SL("viewer");
}

static void
put_client(struct buf *b, const struct rewrite *w)
{
	bool v6 = w->site->client.family == ADDR_V6;

	buf_lit(b, "X-Forwarded-For: ");
	addr_put_ip(b, &w->site->client);
	buf_put(b, w->site->secure ? SL("\r\nX-Forwarded-Proto: https\r\n") :
	    SL("\r\nX-Forwarded-Proto: http\r\n"));
	buf_lit(b, "Forwarded: for=");
	buf_put(b, v6 ? SL("\"[") : SL(""));
	addr_put_ip(b, &w->site->client);
	buf_put(b, v6 ? SL("]\"") : SL(""));
	buf_put(b, w->site->secure ? SL(";proto=https") : SL(";proto=http"));
	if (w->site->host.n > 0) {
		buf_lit(b, ";host=\"");
		buf_put(b, w->site->host);
		buf_lit(b, "\"\r\nX-Forwarded-Host: ");
		buf_put(b, w->site->host);
	}
	buf_lit(b, "\r\n");
	if (w->session != NULL && w->session->user.n > 0) {
		http_put_field(b, SL("X-Forwarded-User"),
		    name_slice(&w->session->user));
		http_put_field(b, SL("X-Forwarded-Groups"),
		    rewrite_role(w->session->role));
	}
}

static void
put_connection(struct buf *b, const struct http_head *h,
    const struct rewrite *w)
{
	if (w->upgrade)
		buf_lit(b, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
	else if (h->te_trailers)
		buf_lit(b, "Connection: TE\r\nTE: trailers\r\n");
	if (h->body == HTTP_BODY_CHUNKED)
		buf_lit(b, "Transfer-Encoding: chunked\r\n");
}

bool
rewrite_request(struct buf *b, const struct http_head *h,
    const struct rewrite *w)
{
	http_put_request_line(b, h->method, h->target);
	buf_lit(b, "Host: ");
	if (w->app->host_n > 0)
		buf_put(b, slice_of(w->app->host, w->app->host_n));
	else
		buf_put(b, w->site->host);
	buf_lit(b, "\r\n");
	for (size_t i = 0; i < h->nfields; i++)
		put_request_field(b, h, &h->fields[i], w);
	put_client(b, w);
	put_connection(b, h, w);
	return http_put_end(b);
}

/* Location back from the app's own address to the site's. */
static void
put_location(struct buf *b, const struct http_field *f,
    const struct rewrite_response *w)
{
	size_t hash = slice_find(f->value, '#');
	struct url u;

	if (!w->own_location ||
	    url_parse(&u, slice_head(f->value, hash)) != E_OK ||
	    !slice_ieq(u.authority, w->app_host)) {
		http_put_parsed(b, f);
		return;
	}
	buf_lit(b, "Location: ");
	buf_put(b, w->secure ? SL("https://") : SL("http://"));
	buf_put(b, w->site_host);
	buf_put(b, u.target);
	buf_put(b, slice_from(f->value, hash));
	buf_lit(b, "\r\n");
}

static void
put_response_field(struct buf *b, const struct http_head *h,
    const struct http_field *f, const struct rewrite_response *w)
{
	if (http_field_is_hop(h, f))
		return;
	switch (f->id) {
	case HTTP_N_SET_COOKIE:
		if (!cookie_is_ours(cookie_set_name(f->value)))
			http_put_parsed(b, f);
		break;
	case HTTP_N_LOCATION:
		put_location(b, f, w);
		break;
	case HTTP_N_ALT_SVC:
		break;
	case HTTP_N_CLEAR_SITE_DATA:
	case HTTP_N_STRICT_TRANSPORT_SECURITY:
	case HTTP_N_SERVICE_WORKER_ALLOWED:
	case HTTP_N_REPORTING_ENDPOINTS:
	case HTTP_N_REPORT_TO:
	case HTTP_N_NEL:
		if (!w->shared)
			http_put_parsed(b, f);
		break;
	case HTTP_N_CONTENT_LENGTH:
		if (h->status >= 200 && h->status != 204)
			http_put_parsed(b, f);
		break;
	case HTTP_N_TRAILER:
		if (!w->unchunk)
			http_put_parsed(b, f);
		break;
	default:
		http_put_parsed(b, f);
	}
}

bool
rewrite_response(struct buf *b, const struct http_head *h,
    const struct rewrite_response *w)
{
	http_put_status_line(b, h->status, h->reason);
	for (size_t i = 0; i < h->nfields; i++)
		put_response_field(b, h, &h->fields[i], w);
	if (h->body == HTTP_BODY_CHUNKED && !w->unchunk)
		buf_lit(b, "Transfer-Encoding: chunked\r\n");
	if (h->status == 101)
		buf_lit(b, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
	else if (h->status >= 200 && w->close)
		buf_lit(b, "Connection: close\r\n");
	else if (h->status >= 200 && w->client_minor == 0)
		buf_lit(b, "Connection: keep-alive\r\n");
	return http_put_end(b);
}
