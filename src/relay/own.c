/*
 * The relay's own paths (PROTOCOL.md 17): below /_adit/ on every site, by
 * their short names on the dashboard's; on a site that an app shares only the
 * few that the app must not have. One table says what answers where.
 */
#include "relay/parts.h"

#include "base/num.h"
#include "codec/json.h"

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
	if (channel_path(r, p))
		return true;
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
	OWN_SETUP = 32,         /* also while there is no account */
	CLOCK_SANE_S = 1735689600,      /* 2025: older than this program */
};

static void
own_shell(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	(void)body;
	(void)s;
	asset_shell(c, h);
}

static void
own_setup(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	(void)body;
	(void)s;
	if (c->r->mode == RELAY_SETUP)
		asset_shell(c, h);
	else
		reply_redirect(c, h->verb == HTTP_V_HEAD, SL("/_adit/"),
		    SL(""));
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
	struct buf b = reply_area(c->r);

	(void)body;
	if (status_put(&b, c->r, (s->scopes & SCOPE_READ) != 0))
		reply_json(c, h->verb == HTTP_V_HEAD, 200, buf_slice(&b),
		    SL(""));
	else
		reply_error(c, h, 500, SL("The answer is too large"), SL(""));
}

/* Without that scope: refused, and false. */
static bool
own_scope(struct client *c, const struct http_head *h,
    const struct session *s, unsigned scope)
{
	if ((s->scopes & scope) != 0)
		return true;
	reply_error(c, h, 403, SL("Your role, or the token's scope, does not "
	    "reach that far"), SL(""));
	return false;
}

static void
own_events(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	(void)body;
	if (own_scope(c, h, s, SCOPE_READ))
		live_begin(c, h, s);
}

static void
put_check(struct json_out *o, struct slice name, bool ok, struct slice good,
    struct slice bad)
{
	json_object(o);
	json_pair_string(o, SL("name"), name);
	json_pair_bool(o, SL("ok"), ok);
	json_pair_string(o, SL("text"), ok ? good : bad);
	json_object_end(o);
}

/* What can be told about the way here from this one request. */
static void
put_checks(struct json_out *o, const struct client *c,
    const struct http_head *h)
{
	const struct relay *r = c->r;
	bool proxied = http_field_id(h, HTTP_N_X_FORWARDED_FOR, NULL) != NULL;

	json_array(o);
	put_check(o, SL("https"), r->site.secure ||
	    addr_loopback(&r->site.client), r->site.secure ?
	    SL("You came by https.") : SL("You came from this machine itself."),
	    SL("You came by plain http: whoever is on the way can read "
	    "passwords and all content. Use --tls-cert, or a proxy."));
	put_check(o, SL("proxy"), proxied == site_trusts(r, &c->peer),
	    proxied ? SL("The proxy in front says who you are.") :
	    SL("No proxy is in front."), proxied ?
	    SL("A proxy is in front, but --trust-proxy does not name it: "
	    "everybody has its address.") : SL("You came from an address "
	    "that --trust-proxy believes, but it did not say who you are: "
	    "let the proxy send X-Forwarded-For and -Proto."));
	put_check(o, SL("websocket"), r->past_count[PAST_CONNECTED] > 0,
	    SL("Agents have come in by WebSocket."), SL("No agent has come in "
	    "yet: a proxy must pass Upgrade and Connection to /tunnel."));
	put_check(o, SL("clock"), r->io->wall_ms / 1000 > CLOCK_SANE_S,
	    SL("The clock is not in the past."), SL("The clock is wrong: "
	    "sessions and certificates depend on it."));
	json_array_end(o);
}

static void
own_settings(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	const struct relay *r = c->r;
	struct buf b = reply_area(c->r);
	struct json_out o = json_out_on(&b);

	(void)body;
	if (!own_scope(c, h, s, SCOPE_ADMIN))
		return;
	json_object(&o);
	json_name(&o, SL("rows"));
	json_put_raw(&o, r->cfg->settings_json.n > 0 ?
	    r->cfg->settings_json : SL("[]"));
	json_name(&o, SL("checks"));
	put_checks(&o, c, h);
	json_object_end(&o);
	reply_json(c, h->verb == HTTP_V_HEAD, 200, buf_slice(&b), SL(""));
}

static void
own_me(struct client *c, const struct http_head *h, const struct session *s,
    struct slice body)
{
	static const struct slice modes[] = {
		[RELAY_SHARED] = SL_INIT("shared"),
		[RELAY_ACCOUNTS] = SL_INIT("accounts"),
		[RELAY_SETUP] = SL_INIT("setup"),
		[RELAY_OPEN] = SL_INIT("none"),
	};
	struct buf b = reply_area(c->r);
	struct json_out o = json_out_on(&b);

	(void)body;
	json_object(&o);
	json_pair_string(&o, SL("user"), name_slice(&s->user));
	json_pair_string(&o, SL("role"), rewrite_role(s->role));
	json_pair_string(&o, SL("mode"), modes[c->r->mode]);
	json_object_end(&o);
	reply_json(c, h->verb == HTTP_V_HEAD, 200, buf_slice(&b), SL(""));
}

static void
own_metrics(struct client *c, const struct http_head *h,
    const struct session *s, struct slice body)
{
	struct buf b = reply_area(c->r);
	struct reply rep = { .status = 200,
		.type = SL("text/plain; version=0.0.4; charset=utf-8") };

	(void)body;
	if (!own_scope(c, h, s, SCOPE_METRICS))
		return;
	metrics_put(&b, c->r);
	rep.body = buf_slice(&b);
	reply_send(c, h->verb == HTTP_V_HEAD, &rep);
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
	{ SL_INIT("/"), OWN_GET | OWN_SESSION, own_shell },
	{ SL_INIT("/setup"), OWN_GET | OWN_SETUP, own_setup },
	{ SL_INIT("/invite"), OWN_GET, own_shell },
	{ SL_INIT("/login"), OWN_GET | OWN_POST | OWN_MAYBE, own_login },
	{ SL_INIT("/logout"), OWN_POST | OWN_ON_APP | OWN_MAYBE, own_logout },
	{ SL_INIT("/handover"), OWN_GET | OWN_ON_APP, own_handover },
	{ SL_INIT("/tunnel"), OWN_GET | OWN_SETUP, own_tunnel },
	{ SL_INIT("/api/auth/login"), OWN_POST, own_api_login },
	{ SL_INIT("/api/auth/check"), OWN_GET | OWN_SESSION | OWN_ON_APP,
	    own_check },
	{ SL_INIT("/api/auth/logout"), OWN_POST | OWN_ON_APP | OWN_MAYBE,
	    own_logout },
	{ SL_INIT("/api/relay/status"), OWN_GET | OWN_MAYBE | OWN_SETUP,
	    own_status },
	{ SL_INIT("/api/me"), OWN_GET | OWN_SESSION, own_me },
	{ SL_INIT("/api/events"), OWN_GET | OWN_SESSION, own_events },
	{ SL_INIT("/api/settings"), OWN_GET | OWN_SESSION, own_settings },
	{ SL_INIT("/metrics"), OWN_GET | OWN_SESSION, own_metrics },
	{ SL_INIT("/health"), OWN_GET | OWN_ON_APP | OWN_SETUP, own_health },
	{ SL_INIT("/healthz"), OWN_GET | OWN_ON_APP | OWN_SETUP, own_live },
	{ SL_INIT("/readyz"), OWN_GET | OWN_ON_APP | OWN_SETUP, own_ready },
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

void
own_first_run(struct client *c, const struct http_head *h)
{
	uint8_t area[512];
	struct buf b = BUF_ON(area);

	if (!site_is_navigation(h)) {
		reply_error(c, h, 403, SL("This relay has no account yet; the "
		    "first is made at /_adit/setup"), SL(""));
		return;
	}
	if (c->r->site.kind == SITE_APP)
		site_put_main(&b, c->r, &c->r->site);
	buf_lit(&b, "/_adit/setup");
	reply_redirect(c, h->verb == HTTP_V_HEAD, buf_slice(&b), SL(""));
}

void
own_request(struct client *c, const struct http_head *h, struct slice path,
    struct slice rest)
{
	struct relay *r = c->r;
	const struct own_row *row = own_find(r, path);
	bool asset = row == NULL && slice_starts(path, SL("/assets/")) &&
	    (h->verb == HTTP_V_GET || h->verb == HTTP_V_HEAD);
	struct slice body;
	struct session s;

	if (r->held && !own_reads(c, h))
		return;
	if (r->mode == RELAY_SETUP && !asset && !api_sets_up(path) &&
	    (row == NULL || (row->flags & OWN_SETUP) == 0)) {
		own_first_run(c, h);
		return;
	}
	if (channel_path(r, path)) {
		channel_request(c, h, path, rest);
		return;
	}
	if (!own_body(c, h, rest, &body))
		return;
	if (asset)
		asset_serve(c, h, slice_from(path, 7));
	else if (row == NULL && r->site.kind != SITE_APP && api_is(path))
		api_request(c, h, path, body);
	else if (row == NULL)
		reply_error(c, h, 404, SL("Not found"), SL(""));
	else if (own_method(c, h, row) && own_session(c, h, row, &s))
		row->serve(c, h, &s, body);
}
