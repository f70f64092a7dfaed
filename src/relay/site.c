/*
 * Sites. A site is an origin (scheme, host, port) and serves one thing: the
 * dashboard, or one app. README.md, "Where apps appear", has them. This file
 * answers, from the listening socket and the head alone: which site is
 * meant, what the client's own address, scheme and host are (a proxy in front
 * is believed only if it is configured), and whether a request comes from the
 * site's own pages.
 *
 * Nothing here trusts an address: loopback is trusted only when the operator
 * says so, because behind a proxy on the same host everybody is loopback.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"

bool
site_trusts(const struct relay *r, const struct addr *a)
{
	for (size_t i = 0; i < r->cfg->ntrust; i++) {
		if (addr_within(a, &r->cfg->trust[i].net,
		    r->cfg->trust[i].bits))
			return true;
	}
	return false;
}

/* The last element of the last field of that name. */
static struct slice
last_element(const struct http_head *h, enum http_name id)
{
	const struct http_field *f = NULL;
	struct slice last = { NULL, 0 };

	while ((f = http_field_id(h, id, f)) != NULL) {
		struct slice rest = f->value, e;

		while (http_list_next(&rest, &e))
			last = e;
	}
	return last;
}

/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "2001:db8::1". */
static bool
forwarded_addr(struct addr *a, struct slice e)
{
	struct url_auth u;

	*a = (struct addr){ 0 };
	if (addr_parse_ip(a, e))
		return true;
	if (url_auth_parse(&u, e) != E_OK || u.kind == URL_HOST_NAME)
		return false;
	return addr_parse_ip(a, u.host);
}

/*
 * X-Forwarded-For from the right: the first address that is not a trusted
 * proxy's. Lists are walked with a small window, since only the end counts.
 */
static struct addr
client_of(const struct relay *r, const struct addr *peer,
    const struct http_head *h)
{
	struct addr list[16], found = *peer;
	const struct http_field *f = NULL;
	size_t n = 0;

	while ((f = http_field_id(h, HTTP_N_X_FORWARDED_FOR, f)) != NULL) {
		struct slice rest = f->value, e;

		while (http_list_next(&rest, &e)) {
			if (!forwarded_addr(&list[n % 16], e))
				list[n % 16].family = ADDR_NONE;
			n++;
		}
	}
	for (size_t i = 0; i < min_size(n, 16); i++) {
		const struct addr *a = &list[(n - 1 - i) % 16];

		if (a->family == ADDR_NONE)
			break;
		found = *a;
		if (!site_trusts(r, a))
			break;
	}
	return found;
}

static bool
host_is_ours(const struct relay *r, const struct relay_listen *l,
    const struct url_auth *auth)
{
	static const uint8_t zero[16];
	struct url u;

	if (auth->kind != URL_HOST_NAME) {
		bool v4 = auth->kind == URL_HOST_V4;

		return memcmp(l->addr.ip, zero, 16) == 0 ||
		    (v4 == (l->addr.family == ADDR_V4) &&
		    memcmp(l->addr.ip, auth->addr, v4 ? 4 : 16) == 0);
	}
	if (url_host_eq(auth->host, SL("localhost")))
		return true;
	if (r->cfg->domain.n > 0 && url_host_eq(auth->host, r->cfg->domain))
		return true;
	return r->cfg->public_url.n > 0 &&
	    url_parse(&u, r->cfg->public_url) == E_OK &&
	    url_host_eq(auth->host, u.auth.host);
}

static void
site_set_aud(struct site *site, struct slice text)
{
	struct buf b = BUF_ON(site->aud);

	buf_put(&b, text);
	if (site->kind == SITE_APP)
		buf_put(&b, site->app);
	assert(buf_ok(&b));
	site->aud_n = (uint16_t)b.n;
}

struct slice
site_root(const struct relay *r)
{
	if (r->cfg->root.n == 0)
		return name_slice(&r->first_app);
	return slice_eq(r->cfg->root, SL("dashboard")) ? SL("") : r->cfg->root;
}

bool
site_roots_first(const struct relay *r)
{
	if (r->cfg->root.n > 0 || r->cfg->app_domain.n > 0 ||
	    r->first_app.n > 0)
		return false;
	for (size_t i = 0; i < r->cfg->nlistens; i++) {
		if (r->cfg->listens[i].kind != LISTEN_MAIN)
			return false;
	}
	return true;
}

static void
site_main(const struct relay *r, struct site *site)
{
	site->main = true;
	site->app = site_root(r);
	site->kind = site->app.n > 0 ? SITE_SHARED : SITE_DASHBOARD;
	site_set_aud(site, SL("main"));
}

/* NAME or NAME--AGENT; anything else names no app. */
static bool
app_name_ok(struct slice s)
{
	for (size_t i = 0; i + 1 < s.n; i++) {
		if (s.p[i] == '-' && s.p[i + 1] == '-')
			return url_name_ok(slice_head(s, i)) &&
			    url_name_ok(slice_from(s, i + 2));
	}
	return url_name_ok(s);
}

static void
site_app(struct site *site, struct slice app, uint16_t port_cookie)
{
	site->kind = SITE_APP;
	site->app = app;
	site->port_cookie = port_cookie;
	site_set_aud(site, SL("app:"));
}

static enum err
site_by_host(struct relay *r, const struct url_auth *auth, bool has_host,
    struct site *site)
{
	struct slice label;

	if (has_host && r->cfg->app_domain.n > 0 &&
	    auth->kind == URL_HOST_NAME &&
	    url_host_label(auth->host, r->cfg->app_domain, &label) &&
	    !(r->cfg->domain.n > 0 &&
	    url_host_eq(auth->host, r->cfg->domain))) {
		if (!app_name_ok(label))
			return E_HTTP_HOST;
		site_app(site, label, 0);
		return E_OK;
	}
	site_main(r, site);
	return E_OK;
}

/* Once it is known how we are called, nothing else is us:
 * somebody's own name for our address would make his pages ours. */
static bool
host_refused(const struct relay *r, const struct relay_listen *l,
    const struct url_auth *auth)
{
	struct slice label;

	if (r->cfg->domain.n == 0 && r->cfg->public_url.n == 0 &&
	    !r->cfg->no_login)
		return false;
	return !host_is_ours(r, l, auth) && !(r->cfg->app_domain.n > 0 &&
	    auth->kind == URL_HOST_NAME &&
	    url_host_label(auth->host, r->cfg->app_domain, &label));
}

enum err
site_find(struct relay *r, const struct client *c, const struct http_head *h,
    struct site *site)
{
	const struct relay_listen *l = &r->cfg->listens[c->listen];
	struct url_auth auth = h->auth;
	struct slice via;

	*site = (struct site){ .host = h->host, .client = c->peer,
		.secure = l->secure };
	if (site_trusts(r, &c->peer)) {
		site->client = client_of(r, &c->peer, h);
		site->secure = l->secure || slice_ieq(last_element(h,
		    HTTP_N_X_FORWARDED_PROTO), SL("https"));
		via = last_element(h, HTTP_N_X_FORWARDED_HOST);
		if (via.n > 0) {
			if (url_auth_parse(&auth, via) != E_OK)
				return E_HTTP_HOST;
			site->host = via;
		}
	}
	if (site->host.n > 0 && host_refused(r, l, &auth))
		return E_HTTP_HOST;
	switch (l->kind) {
	case LISTEN_DASHBOARD:
		site->kind = SITE_DASHBOARD;
		site->port_cookie = l->addr.port;
		site_set_aud(site, SL("dashboard"));
		return E_OK;
	case LISTEN_APP:
		site_app(site, l->app, l->addr.port);
		return E_OK;
	case LISTEN_PORT:
		site_app(site, name_slice(&r->listeners[c->listen].bound),
		    l->addr.port);
		return E_OK;
	case LISTEN_MAIN:
	default:
		return site_by_host(r, &auth, site->host.n > 0, site);
	}
}

/* The authority of an Origin value; empty for "null" or another form. */
static struct slice
origin_authority(struct slice origin)
{
	struct url u;

	if (url_parse(&u, origin) != E_OK || u.target.n > 0)
		return (struct slice){ NULL, 0 };
	return u.authority;
}

static bool
same_authority(struct slice a, struct slice b, bool secure)
{
	struct url_auth x, y;

	return url_auth_parse(&x, a) == E_OK &&
	    url_auth_parse(&y, b) == E_OK &&
	    url_auth_eq(&x, &y, secure ? 443 : 80);
}

/*
 * SECURITY.md, "Other sites' pages". Sec-Fetch-Site is the browser's own word
 * on the origin that it sent the request from, so where it is given it
 * decides: a proxy that changes Host cannot mislead it. Without it the Origin
 * must be this site's. Neither: a program, not a page.
 */
bool
site_same_origin(const struct relay *r, const struct site *site,
    const struct http_head *h)
{
	const struct http_field *f =
	    http_field_id(h, HTTP_N_SEC_FETCH_SITE, NULL);
	struct slice origin, own;
	struct url u;

	if (f != NULL)
		return slice_eq(f->value, SL("same-origin")) ||
		    slice_eq(f->value, SL("none"));
	f = http_field_id(h, HTTP_N_ORIGIN, NULL);
	if (f == NULL)
		return true;
	origin = origin_authority(f->value);
	if (origin.n == 0)
		return false;
	u.secure = slice_starts(f->value, SL("https:"));
	if (site->secure && !u.secure)
		return false;   /* whoever is on the way makes http pages */
	if (same_authority(origin, site->host, u.secure))
		return true;
	if (!site->main || r->cfg->public_url.n == 0 ||
	    url_parse(&u, r->cfg->public_url) != E_OK)
		return site->main && r->cfg->domain.n > 0 &&
		    slice_ieq(origin, r->cfg->domain);
	own = u.authority;
	return same_authority(origin, own, u.secure);
}

bool
site_is_navigation(const struct http_head *h)
{
	const struct http_field *f;

	if (h->verb != HTTP_V_GET && h->verb != HTTP_V_HEAD)
		return false;
	f = http_field_id(h, HTTP_N_SEC_FETCH_MODE, NULL);
	if (f != NULL)
		return slice_eq(f->value, SL("navigate"));
	f = http_field_id(h, HTTP_N_ACCEPT, NULL);
	if (f == NULL)
		return false;
	for (size_t i = 0; i + 9 <= f->value.n; i++) {
		if (slice_ieq(slice_head(slice_from(f->value, i), 9),
		    SL("text/html")))
			return true;
	}
	return false;
}

static bool
put_scheme(struct buf *b, bool secure)
{
	return buf_put(b, secure ? SL("https://") : SL("http://"));
}

bool
site_put_origin(struct buf *b, const struct site *site)
{
	put_scheme(b, site->secure);
	return buf_put(b, site->host);
}

/* The host part of an authority, brackets included. */
static struct slice
host_part(struct slice authority)
{
	size_t colon = slice_rfind(authority, ':');

	if (colon < authority.n &&
	    slice_find(slice_from(authority, colon), ']') ==
	    authority.n - colon)
		return slice_head(authority, colon);
	return authority;
}

static bool
put_with_port(struct buf *b, bool secure, struct slice host, uint16_t port)
{
	put_scheme(b, secure);
	buf_put(b, host);
	if (port != (secure ? 443 : 80)) {
		buf_lit(b, ":");
		buf_put_dec(b, port);
	}
	return buf_ok(b);
}

/* The first listening socket of a kind; with `app`, of that app. */
static const struct relay_listen *
find_listen(const struct relay *r, enum listen_kind kind, struct slice app)
{
	for (size_t i = 0; i < r->cfg->nlistens; i++) {
		const struct relay_listen *l = &r->cfg->listens[i];

		if (l->kind != kind)
			continue;
		if (kind == LISTEN_APP && !slice_eq(l->app, app))
			continue;
		if (kind == LISTEN_PORT && !slice_eq(app,
		    name_slice(&r->listeners[i].bound)))
			continue;
		return l;
	}
	return NULL;
}

/*
 * The main site's authority where no request says how it is reached: the
 * public URL, the domain, else the first listening address.
 */
void
site_main_host(const struct relay *r, struct buf *b, bool *secure)
{
	const struct relay_listen *l = find_listen(r, LISTEN_MAIN, SL(""));
	static const uint8_t zero[16];
	struct url u;

	*secure = l != NULL && l->secure;
	if (r->cfg->public_url.n > 0 &&
	    url_parse(&u, r->cfg->public_url) == E_OK) {
		*secure = u.secure;
		buf_put(b, u.authority);
	} else if (r->cfg->domain.n > 0 || l == NULL) {
		buf_put(b, r->cfg->domain);
		if (l != NULL) {
			buf_lit(b, ":");
			buf_put_dec(b, l->addr.port);
		}
	} else if (memcmp(l->addr.ip, zero, sizeof zero) == 0) {
		buf_lit(b, "localhost:");
		buf_put_dec(b, l->addr.port);
	} else {
		addr_put(b, &l->addr);
	}
}

static struct slice
port_part(struct slice authority)
{
	return slice_from(authority, host_part(authority).n);
}

bool
site_put_main(struct buf *b, const struct relay *r, const struct site *site)
{
	const struct relay_listen *l;
	struct slice host = host_part(site->host);
	struct url u;

	if (site->main)
		return site_put_origin(b, site);
	if (r->cfg->public_url.n > 0 &&
	    url_parse(&u, r->cfg->public_url) == E_OK) {
		put_scheme(b, u.secure);
		return buf_put(b, u.authority);
	}
	if (site->kind == SITE_APP && site->port_cookie == 0) {
		put_scheme(b, site->secure);
		buf_put(b, r->cfg->domain.n > 0 ? r->cfg->domain :
		    r->cfg->app_domain);
		return buf_put(b, port_part(site->host));
	}
	l = find_listen(r, LISTEN_MAIN, SL(""));
	return put_with_port(b, site->secure, r->cfg->domain.n > 0 ?
	    r->cfg->domain : host, l == NULL ? 0 : l->addr.port);
}

bool
site_put_base(struct buf *b, const struct relay *r, const struct site *site)
{
	struct site other = *site;

	if (r->cfg->public_url.n > 0)
		other.main = false;     /* it is what the setting says */
	else if (r->cfg->domain.n > 0 && site->main)
		return put_scheme(b, site->secure) &&
		    buf_put(b, r->cfg->domain) &&
		    buf_put(b, port_part(site->host));
	return site_put_main(b, r, &other);
}

bool
site_put_app(struct buf *b, const struct relay *r, const struct site *site,
    struct slice app)
{
	const struct relay_listen *l;

	if (r->cfg->app_domain.n > 0) {
		put_scheme(b, site->secure);
		buf_put(b, app);
		buf_lit(b, ".");
		buf_put(b, r->cfg->app_domain);
		return buf_put(b, port_part(site->host));
	}
	l = find_listen(r, LISTEN_APP, app);
	if (l == NULL)
		l = find_listen(r, LISTEN_PORT, app);
	return l != NULL && put_with_port(b, site->secure,
	    host_part(site->host), l->addr.port);
}

/* The app that an authority on this relay belongs to, by its port. */
static bool
app_by_port(const struct relay *r, uint16_t port, struct site *to)
{
	for (size_t i = 0; i < r->cfg->nlistens; i++) {
		const struct relay_listen *l = &r->cfg->listens[i];
		struct slice app = l->kind == LISTEN_APP ? l->app :
		    name_slice(&r->listeners[i].bound);

		if (l->addr.port == port && app.n > 0 &&
		    (l->kind == LISTEN_APP || l->kind == LISTEN_PORT)) {
			site_app(to, app, port);
			return true;
		}
	}
	return false;
}

/* The port by which the client reaches the site, 0 if it does not say. */
static uint16_t
site_port(const struct site *site)
{
	struct url_auth a;

	if (url_auth_parse(&a, site->host) != E_OK)
		return 0;
	return a.has_port ? a.port : site->secure ? 443 : 80;
}

/*
 * A `next` that leads to an app's own site: only where this relay would
 * itself have sent the person from, never any other origin.
 */
bool
site_of_url(struct relay *r, const struct site *from, struct slice url,
    struct site *to, struct slice *path)
{
	struct slice label, host;
	struct url u;

	if (url.n > URL_NEXT_MAX || url_parse(&u, url) != E_OK ||
	    u.scheme > URL_HTTPS || u.secure != from->secure)
		return false;
	*to = (struct site){ .secure = u.secure, .host = u.authority,
		.client = from->client };
	*path = u.target.n > 0 ? u.target : SL("/");
	host = host_part(u.authority);
	if (!url_next_ok(*path))
		return false;
	if (r->cfg->app_domain.n > 0) {
		if (!url_host_label(host, r->cfg->app_domain, &label) ||
		    !app_name_ok(label) || u.port != site_port(from))
			return false;
		site_app(to, label, 0);
		return true;
	}
	return url_host_eq(host, host_part(from->host)) &&
	    app_by_port(r, u.port, to);
}

/*
 * The same place by https. The host is the client's own word for us and is
 * checked as in any request; the port is the main site's.
 */
enum err
site_put_https(struct relay *r, struct buf *b, const struct http_head *h)
{
	const struct relay_listen *l = find_listen(r, LISTEN_MAIN, SL(""));
	struct site site = { .secure = true };
	enum err e;

	assert(l != NULL && l->secure);
	if (h->host.n == 0 || host_refused(r, l, &h->auth))
		return E_HTTP_HOST;
	e = site_by_host(r, &h->auth, true, &site);
	if (e != E_OK)
		return e;
	put_with_port(b, true, host_part(h->host), l->addr.port);
	buf_put(b, slice_starts(h->target, SL("/")) ? h->target : SL("/"));
	return buf_ok(b) ? E_OK : E_HTTP_TARGET_LONG;
}

/*
 * RFC 6797. Not for localhost: the header is for a host with all its ports,
 * and a developer's other servers there have no TLS. (Browsers ignore it for
 * addresses, and behind a certificate that they do not trust.)
 */
bool
site_wants_hsts(const struct relay *r, const struct client *c,
    const struct site *site)
{
	struct slice host = host_part(site->host);

	return r->cfg->listens[c->listen].secure && site->host.n > 0 &&
	    !url_host_within(host, SL("localhost")) &&
	    !url_host_eq(host, SL("localhost"));
}
