/*
 * The relay's own paths. DESIGN section 2: below /_adit/ on every site, by
 * their short names on the dashboard's; on a site that an app shares only the
 * few that the app must not have. One table says what answers where.
 */
#include "relay/parts.h"

#include "base/num.h"

bool
own_path(const struct relay *r, const struct site *site, struct slice target,
    struct slice *path)
{
	struct slice p = url_path(target);

	*path = p;
	if (slice_starts(p, SL("/_adit/"))) {
		*path = slice_from(p, 6);
		return true;
	}
	if (slice_eq(p, SL("/_adit"))) {
		*path = SL("/");
		return true;
	}
	if (site->kind == SITE_DASHBOARD)
		return true;
	if (site->kind == SITE_APP)
		return false;
	if (slice_eq(p, SL("/tunnel")) ||
	    slice_eq(p, SL("/api/relay/status")))
		return true;
	for (size_t i = 0; i < r->cfg->nreserve; i++) {
		if (slice_starts(p, r->cfg->reserve[i]))
			return true;
	}
	return false;
}

enum {                          /* who may ask, where, and how */
	OWN_GET = 1, OWN_POST = 2, OWN_ON_APP = 4, OWN_SESSION = 8,
	OWN_MAYBE = 16,         /* tells more to those who are logged in */
};

static void
own_dashboard(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	(void)body;
	page_dashboard(c, h->verb == HTTP_V_HEAD, s);
}

static void
own_login(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	if (c->r->cfg->no_login)
		reply_redirect(c, h->verb == HTTP_V_HEAD, SL("/"), SL(""));
	else if (h->verb == HTTP_V_POST)
		login_post(c, h, body);
	else
		login_page(c, h, s);
}

static void
own_api_login(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	(void)s;
	if (c->r->cfg->no_login)
		reply_json(c, false, 200, SL("{\"ok\":true}"), SL(""));
	else
		login_post(c, h, body);
}

static void
own_logout(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	(void)body;
	login_out(c, h, s);
}

static void
own_check(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	(void)body;
	(void)s;
	reply_json(c, h->verb == HTTP_V_HEAD, 200, SL("{\"ok\":true}"),
	    SL(""));
}

static void
own_status(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	(void)body;
	page_status(c, h->verb == HTTP_V_HEAD,
	    (s->scopes & SCOPE_READ) != 0);
}

static void
own_health(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	(void)body;
	(void)s;
	page_health(c, h);
}

static void
own_live(struct client *c, const struct http_head *h, const struct session *s,
    struct slice body)
{
	(void)body;
	(void)s;
	reply_json(c, h->verb == HTTP_V_HEAD, 200, SL("{\"status\":\"ok\"}"),
	    SL(""));
}

static void
own_ready(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	bool stopping = c->r->stopping;

	(void)body;
	(void)s;
	reply_json(c, h->verb == HTTP_V_HEAD, stopping ? 503 : 200, stopping ?
	    SL("{\"status\":\"draining\"}") : SL("{\"status\":\"ready\"}"),
	    SL(""));
}

static void
own_tunnel(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	(void)body;
	(void)s;
	remote_upgrade(c, h);
}

static void
own_handover(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	(void)body;
	(void)s;
	if (c->r->site.kind == SITE_APP)
		handover_end(c, h);
	else
		reply_error(c, h, 404, SL("Not found"), SL(""));
}

static const struct own_row {
	struct slice path;
	unsigned flags;
	void (*serve)(struct client *c, const struct http_head *h,
	    const struct session *s, struct slice body);
} rows[] = {
	{ SL_INIT("/"), OWN_GET | OWN_SESSION, own_dashboard },
	{ SL_INIT("/login"), OWN_GET | OWN_POST | OWN_MAYBE, own_login },
	{ SL_INIT("/logout"), OWN_POST | OWN_ON_APP | OWN_MAYBE, own_logout },
	{ SL_INIT("/handover"), OWN_GET | OWN_ON_APP, own_handover },
	{ SL_INIT("/tunnel"), OWN_GET, own_tunnel },
	{ SL_INIT("/api/auth/login"), OWN_POST, own_api_login },
	{ SL_INIT("/api/auth/check"), OWN_GET | OWN_SESSION | OWN_ON_APP,
	    own_check },
	{ SL_INIT("/api/auth/logout"), OWN_POST | OWN_ON_APP | OWN_MAYBE,
	    own_logout },
	{ SL_INIT("/api/relay/status"), OWN_GET | OWN_MAYBE, own_status },
	{ SL_INIT("/health"), OWN_GET | OWN_ON_APP, own_health },
	{ SL_INIT("/healthz"), OWN_GET | OWN_ON_APP, own_live },
	{ SL_INIT("/readyz"), OWN_GET | OWN_ON_APP, own_ready },
};

static const struct own_row *
own_find(const struct relay *r, struct slice path)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (slice_eq(path, rows[i].path) &&
		    (r->site.kind != SITE_APP ||
		    (rows[i].flags & OWN_ON_APP) != 0))
			return &rows[i];
	}
	return NULL;
}

/*
 * A body for the relay itself is small and is read whole before anything else
 * happens. True once it is there.
 */
static bool
own_body(struct client *c, const struct http_head *h, struct slice rest,
    struct slice *body)
{
	*body = (struct slice){ NULL, 0 };
	if (h->body == HTTP_BODY_NONE)
		return true;
	if (h->body == HTTP_BODY_CHUNKED) {
		reply_error(c, h, 411, SL("A length is needed here"), SL(""));
		return false;
	}
	if (h->length > BODY_MAX) {
		reply_error(c, h, 413, SL("Too large"), SL(""));
		return false;
	}
	if (rest.n < h->length) {
		bool begun = c->state == CLIENT_BODY;

		c->body_left = c->r->req_head + h->length;
		if (!client_hold(c, CLIENT_BODY) || begun ||
		    !h->expect_continue)
			return false;
		client_send(c, SL("HTTP/1.1 100 Continue\r\n\r\n"));
		return false;
	}
	*body = slice_head(rest, (size_t)h->length);
	c->r->req_head += body->n;
	c->body_done = true;
	return true;
}

static bool
own_method(struct client *c, const struct http_head *h,
    const struct own_row *row)
{
	bool get = h->verb == HTTP_V_GET || h->verb == HTTP_V_HEAD;

	if ((get && (row->flags & OWN_GET) != 0) ||
	    (h->verb == HTTP_V_POST && (row->flags & OWN_POST) != 0))
		return true;
	reply_error(c, h, 405, SL("Method not allowed"),
	    (row->flags & (OWN_GET | OWN_POST)) == OWN_GET ?
	    SL("Allow: GET, HEAD\r\n") : (row->flags & OWN_GET) == 0 ?
	    SL("Allow: POST\r\n") : SL("Allow: GET, HEAD, POST\r\n"));
	return false;
}

/* Unless it is asked for, the session is `nobody`. False: asked or refused. */
static bool
own_session(struct client *c, const struct http_head *h,
    const struct own_row *row, struct session *s)
{
	struct relay *r = c->r;
	enum auth a;

	*s = (struct session){ 0 };
	if ((row->flags & (OWN_SESSION | OWN_MAYBE)) == 0)
		return true;
	/* It was known when the later question was asked. */
	if ((row->flags & OWN_SESSION) == 0 && r->verdict != NULL &&
	    r->verdict->kind != ASK_SESSION && r->verdict->kind != ASK_BEARER)
		return true;
	a = auth_request(c, h, &r->site, s);
	if (a == AUTH_ASKED)
		return false;
	if (a != AUTH_YES && (row->flags & OWN_SESSION) != 0) {
		auth_refuse(c, h, a == AUTH_BAD);
		return false;
	}
	return true;
}

/* While another process takes over, state may be read only; asked again on
 * another connection it is that one who answers. False: refused. */
static bool
own_reads(struct client *c, const struct http_head *h)
{
	if (h->verb == HTTP_V_GET || h->verb == HTTP_V_HEAD)
		return true;
	c->keep = false;
	reply_error(c, h, 503, SL("Another process of this relay takes over; "
	    "ask again"), SL("Retry-After: 1\r\n"));
	return false;
}

/* Serve a request for a path of ours. `rest` follows the head. */
void
own_request(struct client *c, const struct http_head *h, struct slice path,
    struct slice rest)
{
	struct relay *r = c->r;
	const struct own_row *row = own_find(r, path);
	struct slice body;
	struct session s;

	if (r->held && !own_reads(c, h))
		return;
	if (!own_body(c, h, rest, &body))
		return;
	if (row == NULL && slice_starts(path, SL("/assets/")) &&
	    (h->verb == HTTP_V_GET || h->verb == HTTP_V_HEAD))
		page_asset(c, h, slice_from(path, 7));
	else if (row == NULL)
		reply_error(c, h, 404, SL("Not found"), SL(""));
	else if (own_method(c, h, row) && own_session(c, h, row, &s))
		row->serve(c, h, &s, body);
}
