/*
 * The relay's pages for people, and what /health says.
 *
 * Pages are plain HTML with a style sheet and a script of ours; the policy
 * allows nothing else. Everything that came from outside goes through
 * buf_put_html. They work without the script.
 */
#include "relay/parts.h"

#include "base/asset.h"
#include "base/num.h"
#include "codec/date.h"
#include "codec/json.h"

static void
page_open(struct buf *b, struct slice title, struct slice head_extra)
{
	buf_lit(b, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" "
	    "content=\"width=device-width, initial-scale=1\">\n"
	    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
	buf_put_html(b, title);
	buf_lit(b, "</title>\n"
	    "<link rel=\"icon\" href=\"/_adit/assets/icon.svg?v=");
	buf_put(b, assets_version);
	buf_lit(b, "\">\n"
	    "<link rel=\"stylesheet\" href=\"/_adit/assets/adit.css?v=");
	buf_put(b, assets_version);
	buf_lit(b, "\">\n");
	buf_put(b, head_extra);
	buf_lit(b, "</head>\n<body>\n");
}

static void
page_send(struct client *c, bool head_only, unsigned status, struct buf *b,
    struct slice extra, struct slice form_to)
{
	struct reply rep = { .status = status, .extra = extra,
		.type = SL("text/html; charset=utf-8"),
		.form_to = form_to, .body = buf_slice(b) };

	buf_lit(b, "</body>\n</html>\n");
	if (!buf_ok(b)) {
		rep.status = 500;
		rep.body = SL("The page is too large\n");
	}
	reply_send(c, head_only, &rep);
}

/* What a person can do about it, by status. */
static struct slice
advice(unsigned status)
{
	switch (status) {
	case 502:
	case 503:
	case 504:
		return SL("This page tries again by itself every few seconds. "
		    "If it does not come back, look whether the agent and the "
		    "app run on the machine behind the relay.");
	case 404:
		return SL("Check the address: it may have been mistyped, or "
		    "what was there is gone.");
	case 421:
		return SL("The relay answers only under the names it was "
		    "configured with (--domain, --public-url, --app-domain).");
	default:
		return SL("");
	}
}

/* The end of the first sentence, if another one follows. */
static size_t
first_sentence(struct slice text)
{
	size_t n = slice_find(text, '.');

	return n + 1 < text.n ? n : text.n;
}

/* What happened is the first sentence; what to do are the others, or what
 * can be said about that status. */
void
page_error(struct client *c, bool head_only, unsigned status,
    struct slice text, struct slice extra)
{
	struct buf b = reply_area(c->r);
	bool retry = status >= 502 && status <= 504;
	struct slice todo = slice_from(text, first_sentence(text));

	text = slice_head(text, text.n - todo.n);
	todo = todo.n > 0 ? slice_from(todo, 2) : advice(status);

	page_open(&b, text, retry ?
	    SL("<meta http-equiv=\"refresh\" content=\"3\">\n") : SL(""));
	buf_lit(&b, "<main class=\"card\">\n<p class=\"code\">");
	buf_put_dec(&b, status);
	buf_lit(&b, "</p>\n<h1>");
	buf_put_html(&b, text);
	buf_lit(&b, "</h1>\n<p>");
	buf_put_html(&b, todo);
	buf_lit(&b, "</p>\n");
	if (status == 403 || status == 404) {
		/* Only these are always about the request at hand. */
		uint8_t area[LIVE_HOST + 300];
		struct buf main = BUF_ON(area);

		if (c->r->site.kind == SITE_APP)
			site_put_main(&main, c->r, &c->r->site);
		buf_lit(&b, "<p><a href=\"");
		buf_put_html(&b, buf_slice(&main));
		buf_lit(&b, "/_adit/\">To the dashboard</a></p>\n");
	}
	if (retry)
		buf_lit(&b, "<p role=\"status\" class=\"quiet\">Trying again"
		    "…</p>\n");
	buf_lit(&b, "</main>\n");
	page_send(c, head_only, status, &b, extra, SL(""));
}

void
page_to_https(struct client *c, const struct http_head *h)
{
	struct buf b = reply_area(c->r);
	struct reply rep = { .status = 308 };
	struct buf url = buf_of(b.p + b.cap / 2, b.cap / 2);

	c->keep = false;
	if (site_put_https(c->r, &url, h) != E_OK) {
		reply_error(c, h, 421, SL("This host is not served here"),
		    SL(""));
		return;
	}
	b.cap /= 2;
	http_put_field(&b, SL("Location"), buf_slice(&url));
	rep.extra = buf_slice(&b);
	if (!buf_ok(&b))
		rep = (struct reply){ .status = 500 };
	reply_send(c, h->verb == HTTP_V_HEAD, &rep);
}

static void
put_hidden(struct buf *b, struct slice name, struct slice value)
{
	buf_lit(b, "<input type=\"hidden\" name=\"");
	buf_put(b, name);
	buf_lit(b, "\" value=\"");
	buf_put_html(b, value);
	buf_lit(b, "\">\n");
}

/* The form may lead on to the app's site that sent the person here. */
static struct slice
form_target(struct relay *r, struct slice next, struct buf *b)
{
	struct slice path;
	struct site to;

	if (site_of_url(r, &r->site, next, &to, &path))
		site_put_origin(b, &to);
	return buf_slice(b);
}

void
page_login(struct client *c, bool head_only, unsigned status,
    struct slice user, struct slice next, struct slice nonce,
    struct slice error, struct slice extra)
{
	struct relay *r = c->r;
	struct buf b = reply_area(r);
	uint8_t area[512];
	struct buf to = BUF_ON(area);

	page_open(&b, SL("Log in - adit"), SL(""));
	buf_lit(&b, "<main class=\"card\">\n<h1>Log in</h1>\n");
	if (error.n > 0) {
		buf_lit(&b, "<p class=\"bad\" role=\"alert\" id=\"error\">");
		buf_put_html(&b, error);
		buf_lit(&b, "</p>\n");
	}
	buf_lit(&b, "<form method=\"post\" action=\"/_adit/login\">\n");
	if (r->mode == RELAY_ACCOUNTS) {
		buf_lit(&b, "<label for=\"user\">Name</label>\n"
		    "<input id=\"user\" name=\"user\" autocomplete=\""
		    "username\" autocapitalize=\"none\" spellcheck=\""
		    "false\" required autofocus value=\"");
		buf_put_html(&b, user);
		buf_lit(&b, "\">\n");
	}
	buf_lit(&b, "<label for=\"password\">Password</label>\n"
	    "<input id=\"password\" name=\"password\" type=\"password\" "
	    "autocomplete=\"current-password\" required autofocus>\n");
	put_hidden(&b, SL("next"), next);
	put_hidden(&b, SL("h"), nonce);
	buf_lit(&b, "<button type=\"submit\">Log in</button>\n</form>\n");
	if (!r->site.secure && !addr_loopback(&r->site.client))
		buf_lit(&b, "<p class=\"warn\">This connection is not "
		    "encrypted: whoever is on the way can read the password."
		    "</p>\n");
	buf_lit(&b, "</main>\n");
	page_send(c, head_only, status, &b, extra, form_target(r, next, &to));
}

static void
put_tls_health(struct json_out *o, const struct relay *r)
{
	uint64_t now_s = r->io->wall_ms / 1000;
	uint8_t area[DATE_ISO_BYTES];
	struct buf date = BUF_ON(area);

	date_put_iso(&date, (int64_t)r->tls_until_s * 1000);
	json_name(o, SL("tls"));
	json_object(o);
	json_pair_string(o, SL("until"), buf_slice(&date));
	json_pair_u64(o, SL("days"), r->tls_until_s > now_s ?
	    (r->tls_until_s - now_s) / 86400 : 0);
	json_object_end(o);
}

/* What we saw of this request, for who looks for faults on the way. */
static void
put_seen(struct json_out *o, const struct client *c,
    const struct http_head *h)
{
	const struct relay *r = c->r;

	json_name(o, SL("seen"));
	json_object(o);
	json_pair_string(o, SL("host"), r->site.host);
	json_pair_bool(o, SL("secure"), r->site.secure);
	/* By headers that are not believed. */
	json_pair_bool(o, SL("forwarded"), !site_trusts(r, &c->peer) &&
	    (http_field_id(h, HTTP_N_X_FORWARDED_PROTO, NULL) != NULL ||
	    http_field_id(h, HTTP_N_X_FORWARDED_FOR, NULL) != NULL));
	json_object_end(o);
}

void
page_health(struct client *c, const struct http_head *h)
{
	struct relay *r = c->r;
	struct buf b = reply_area(r);
	struct json_out o = json_out_on(&b);
	uint8_t area[DATE_ISO_BYTES];
	struct buf date = BUF_ON(area);
	uint64_t agents = 0;

	for (uint32_t i = 0; i < r->remotes.fresh; i++)
		agents += status_is_up(r, i);
	date_put_iso(&date, (int64_t)r->io->wall_ms);
	json_object(&o);
	json_pair_string(&o, SL("status"), SL("healthy"));
	json_pair_string(&o, SL("version"), r->cfg->version);
	json_pair_u64(&o, SL("uptime"),
	    (r->io->now_ms - r->started_ms) / 1000);
	json_name(&o, SL("connections"));
	json_object(&o);
	json_pair_u64(&o, SL("agents"), agents);
	json_pair_u64(&o, SL("workstations"), channel_online(r));
	json_pair_u64(&o, SL("clients"), channel_clients(r));
	json_pair_u64(&o, SL("open"), r->clients.used);
	json_pair_u64(&o, SL("streams"), r->streams.used);
	json_object_end(&o);
	if (r->tls_until_s > 0)
		put_tls_health(&o, r);
	put_seen(&o, c, h);
	json_pair_string(&o, SL("timestamp"), buf_slice(&date));
	json_object_end(&o);
	reply_json(c, h->verb == HTTP_V_HEAD, 200, buf_slice(&b),
	    SL(""));
}
