/*
 * Where a request goes: its site, then the relay's own paths, then who it is
 * from, then the app. This is the one way from a client's bytes to an app.
 *
 * A request that has to wait comes through here again, from its first byte; so
 * nothing here may have an effect before the last answer is there.
 */
#include "relay/parts.h"

bool
request_ws_ok(const struct http_head *h)
{
	const struct http_field *k = http_field_id(h, HTTP_N_SEC_WS_KEY, NULL);
	const struct http_field *v =
	    http_field_id(h, HTTP_N_SEC_WS_VERSION, NULL);

	return k != NULL && v != NULL && ws_key_valid(k->value) &&
	    http_field_id(h, HTTP_N_SEC_WS_KEY, k) == NULL &&
	    ws_version_valid(v->value);
}

void
request_bad(struct client *c, enum err e)
{
	struct relay *r = c->r;
	struct http_head none = { .fields = r->fields, .minor = 1 };

	LOGF(r->log, LOG_DEBUG, "relay", "request refused",
	    log_u("conn", pool_index(&r->clients, c)),
	    log_c("error", err_name(e)));
	c->keep = false;
	c->body_done = false;
	reply_fault(c, &none, err_http(e), e);
}

/* After a takeover: the app's agent is on its way here. */
static bool
wait_expected(struct client *c)
{
	struct relay *r = c->r;
	uint16_t i;

	return r->io->now_ms < r->expect_ms && r->verdict == NULL &&
	    r->site.app.n > 0 &&
	    remote_find_app(r, r->site.app, &i) == NULL && client_wait(c);
}

/* No login for it, and no identity is sent. */
static bool
app_is_public(struct relay *r)
{
	uint16_t i;
	const struct remote *l = remote_find_app(r, r->site.app, &i);

	return l != NULL && l->apps[i].is_public;
}

void
request_route(struct client *c, const struct http_head *h)
{
	struct relay *r = c->r;
	struct slice path, rest = slice_from(r->req_in, r->req_head);
	struct session s;

	c->minor = (uint8_t)h->minor;
	c->keep = h->keep_alive;
	c->body_done = h->body == HTTP_BODY_NONE;
	c->hsts = false;
	if (r->cfg->listens[c->listen].kind == LISTEN_REDIRECT) {
		page_to_https(c, h);
		return;
	}
	if (site_find(r, c, h, &r->site) != E_OK) {
		c->keep = false;
		reply_error(c, h, 421, SL("This host is not served here"),
		    SL(""));
		return;
	}
	c->hsts = site_wants_hsts(r, c, &r->site);
	if (own_path(r, &r->site, h->target, &path)) {
		own_request(c, h, path, rest);
		return;
	}
	if (r->mode == RELAY_SETUP) {
		own_first_run(c, h);
		return;
	}
	if (r->site.kind == SITE_APP && r->site.app.n == 0) {
		reply_error(c, h, 404, SL("No app has this port"), SL(""));
		return;
	}
	if (h->upgrade_websocket &&
	    (!request_ws_ok(h) || rest.n > SMALL_BYTES)) {
		c->keep = false;
		reply_error(c, h, 400, SL("Not a WebSocket handshake of "
		    "version 13"), SL("Sec-WebSocket-Version: 13\r\n"));
		return;
	}
	if (wait_expected(c))
		return;
	if (app_is_public(r)) {
		s = (struct session){ .ok = true };
		proxy_request(c, h, &s, rest);
		return;
	}
	switch (auth_request(c, h, &r->site, &s)) {
	case AUTH_ASKED:
		return;
	case AUTH_NO:
		auth_refuse(c, h, false);
		return;
	case AUTH_BAD:
		auth_refuse(c, h, true);
		return;
	case AUTH_YES:
		proxy_request(c, h, &s, rest);
	}
}
