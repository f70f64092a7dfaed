/*
 * Requests to apps: what must not go to one, and the beginning of what goes.
 * The head is written anew (rewrite.c) into s->up of a stream (stream.c), the
 * body follows from the client's socket (upload.c, proxy_ws.c), and the answer
 * comes back through answer.c.
 */
#include "relay/parts.h"

/* With our cookie, who else's page is behind this request? SECURITY.md, "Other
 * sites' pages". */
static bool
cross_site_ok(struct client *c, const struct http_head *h,
    const struct session *who, const struct remote_app *app)
{
	const struct http_field *f;
	bool safe = h->verb == HTTP_V_GET || h->verb == HTTP_V_HEAD ||
	    h->verb == HTTP_V_OPTIONS;

	if (who->id == 0 && !c->r->cfg->no_login)
		return true;
	if ((safe && !h->upgrade_websocket) ||
	    site_same_origin(c->r, &c->r->site, h))
		return true;
	f = http_field_id(h, HTTP_N_ORIGIN, NULL);
	return f != NULL && app->origin_n > 0 &&
	    slice_ieq(f->value, slice_of(app->origin, app->origin_n));
}

static bool
is_worker_script(const struct http_head *h)
{
	const struct http_field *f =
	    http_field_id(h, HTTP_N_SERVICE_WORKER, NULL);

	return f != NULL && slice_ieq(f->value, SL("script"));
}

/* What must not go to the app at all; true if it was answered. */
static bool
proxy_refuse(struct client *c, const struct http_head *h,
    const struct session *who, const struct remote *l, uint16_t app)
{
	if (c->r->site.kind == SITE_SHARED && is_worker_script(h)) {
		reply_error(c, h, 403, SL("No service workers on a site that "
		    "the app shares with the dashboard"), SL(""));
		return true;
	}
	if (c->r->phase > STOP_SETTLING) {
		reply_error(c, h, 503, SL("The relay is stopping"),
		    SL("Retry-After: 1\r\n"));
		return true;
	}
	if (l == NULL) {
		reply_error(c, h, 502, remote_lacks_app(c->r, c->r->site.app) ?
		    SL("The agent is connected, but offers no such app") :
		    SL("Tunnel not connected"), SL(""));
		return true;
	}
	if (!cross_site_ok(c, h, who, &l->apps[app])) {
		reply_foreign(c, h);
		return true;
	}
	return false;
}

static void
proxy_begin(struct client *c, struct rstream *s, const struct http_head *h,
    struct slice rest)
{
	enum err e = upload_begin(c, s, h, &rest);

	s->to = h->verb == HTTP_V_HEAD ? HTTP_TO_HEAD : HTTP_TO_OTHER;
	s->navigation = site_is_navigation(h);
	s->upgrade = h->upgrade_websocket;
	s->answered = s->head_sent = false;
	s->rscan = (struct http_scan){ 0 };
	if (e != E_OK) {
		c->keep = c->body_done = false;
		stream_client_gone(c);
		reply_fault(c, h, e == E_FULL ? 503 : 400, e);
		return;
	}
	if (c->body_done && rest.n > SMALL_BYTES) {
		/* Too much to be kept while an app thinks: what it asks for
		 * so early it may ask again on another connection. */
		rest.n = 0;
		c->keep = false;
	}
	if (!client_keep_input(c, rest))
		return;
	client_to(c, CLIENT_PROXY);
	c->wait_until_ms = 0;
	client_arm(c);
	if (c->hup)
		client_mark(c);         /* it is gone already */
	tunnel_ready(&s->ts);
}

/* May they open this app? False: answered, or the keeper is asked. */
static bool
proxy_may(struct client *c, const struct http_head *h,
    const struct session *who, const struct remote *l, uint16_t app)
{
	switch (who->id == 0 ? AUTH_YES : auth_access(c, who, l, app)) {
	case AUTH_YES:
		return true;
	case AUTH_ASKED:
		return false;
	default:
		reply_error(c, h, 403, (who->scopes & SCOPE_APPS) == 0 ?
		    SL("You may look at the dashboard, but not open apps. An "
		    "admin of this relay can change your role.") :
		    SL("This app is for named people, and you are not one of "
		    "them. An admin of this relay can add you, under "
		    "Access."), SL(""));
		return false;
	}
}

void
proxy_request(struct client *c, const struct http_head *h,
    const struct session *who, struct slice rest)
{
	struct relay *r = c->r;
	struct buf b = buf_of(r->area, AREA_BYTES);
	uint16_t app = 0;
	struct remote *l = remote_find_app(r, r->site.app, &app);
	struct rewrite w = { .site = &r->site, .session = who,
		.upgrade = h->upgrade_websocket };
	struct rstream *s;

	if (!proxy_may(c, h, who, l, app) ||
	    proxy_refuse(c, h, who, l, app))
		return;
	if (remote_parked(l)) {
		if (!client_wait(c))
			reply_error(c, h, 502, SL("Tunnel not connected"),
			    SL(""));
		return;
	}
	s = stream_for(c, l, app, who);
	if (s == NULL) {
		reply_error(c, h, 503, SL("The relay or the agent is at a "
		    "limit"), SL("Retry-After: 2\r\n"));
		return;
	}
	w.app = &l->apps[app];
	s->host_app = w.app->host_n > 0;
	if (!name_set(&s->site_host, r->site.host))
		s->host_app = false;
	c->session = who->id;
	c->person = who->person;
	c->session_expires_s = who->expires_s;
	if (!rewrite_request(&b, h, &w) || !stream_put_up(s, buf_slice(&b))) {
		stream_client_gone(c);
		reply_error(c, h, 503, SL("The relay is at a limit"), SL(""));
		return;
	}
	proxy_begin(c, s, h, rest);
}

void
proxy_end_session(struct client *c)
{
	LOGF(c->r->log, LOG_INFO, "relay", "session ended",
	    log_u("conn", pool_index(&c->r->clients, c)));
	if (c->state == CLIENT_LIVE)
		live_end(c);
	else if (c->state == CLIENT_WS && c->ws_code == 0)
		proxy_ws_end(c, WS_CODE_POLICY, SL("session ended"));
	else
		client_close(c, true);
}
