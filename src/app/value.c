/*
 * Strict on purpose: a setting that is read in a way its author did not mean
 * opens the wrong door. There is one spelling for most things, and a refusal
 * says what would be right.
 */
#include "app/value.h"

#include "base/num.h"
#include "codec/url.h"

struct unit {
	struct slice name;
	uint64_t factor;
};

/* The largest first in each table: value_put takes the first that divides. */
static const struct unit sizes[] = {
	{ SL_INIT("GiB"), 1u << 30 }, { SL_INIT("MiB"), 1u << 20 },
	{ SL_INIT("KiB"), 1u << 10 }, { SL_INIT("g"), 1u << 30 },
	{ SL_INIT("m"), 1u << 20 }, { SL_INIT("k"), 1u << 10 },
	{ SL_INIT(""), 1 },
};

static const struct unit times[] = {
	{ SL_INIT("d"), 86400000 }, { SL_INIT("h"), 3600000 },
	{ SL_INIT("m"), 60000 }, { SL_INIT("s"), 1000 },
	{ SL_INIT("ms"), 1 },
};

static bool
parse_unit(struct slice s, const struct unit *u, size_t n, uint64_t *out)
{
	size_t digits = 0;
	uint64_t v, max = (uint64_t)1 << 53;

	while (digits < s.n && ascii_digit(s.p[digits]))
		digits++;
	if (!slice_dec(slice_head(s, digits), max, &v))
		return false;
	for (; n > 0; n--, u++)
		if (slice_ieq(slice_from(s, digits), u->name))
			return !ckd_mul(out, v, u->factor) && *out <= max;
	return false;
}

static void
put_unit(struct buf *b, const struct unit *u, uint64_t v)
{
	while (u->factor > 1 && (v < u->factor || v % u->factor != 0))
		u++;
	buf_put_dec(b, v / u->factor);
	buf_put(b, u->name);
}

bool
value_size(struct slice s, uint64_t *bytes)
{
	return parse_unit(s, sizes, sizeof sizes / sizeof sizes[0], bytes);
}

bool
value_time(struct slice s, uint64_t *ms)
{
	if (slice_eq(s, SL("0"))) {
		*ms = 0;
		return true;
	}
	return parse_unit(s, times, sizeof times / sizeof times[0], ms);
}

void
value_put_size(struct buf *b, uint64_t bytes)
{
	put_unit(b, sizes, bytes);
}

void
value_put_time(struct buf *b, uint64_t ms)
{
	put_unit(b, times, ms);
}

/* ---- addresses and ports ---- */

static const char *
value_port(struct slice s, uint16_t *port)
{
	uint64_t v;

	if (s.n > 5 || !slice_dec(s, 65535, &v))
		return "a port is a number from 0 to 65535";
	*port = to_u16(v);
	return NULL;
}

const char *
value_ports(struct slice s, uint16_t *first, uint16_t *last)
{
	struct slice rest = s, low = slice_cut(&rest, '-');

	if (slice_find(s, '-') == s.n)
		rest = low;
	if (value_port(low, first) != NULL || value_port(rest, last) != NULL ||
	    *first == 0)
		return "want a range of ports such as 4100-4199";
	if (*last < *first)
		return "the range ends before it begins";
	return NULL;
}

const char *
value_host(struct value_listen *l, struct slice s)
{
	l->where = VALUE_EVERY;
	if (s.n == 0 || slice_eq(s, SL("*")) || slice_eq(s, SL("::")))
		return NULL;
	l->where = VALUE_LOCALHOST;
	if (slice_ieq(s, SL("localhost")))
		return NULL;
	l->where = VALUE_ONE;
	if (!addr_parse_ip(&l->addr, s))
		return "want a numeric address, localhost or *: "
		    "a name is not looked up to listen";
	return NULL;
}

const char *
value_listen(struct value_listen *l, struct slice s)
{
	size_t at = slice_find(s, '='), colon;
	struct slice where = slice_head(s, at), host = { 0 }, port;
	const char *why;

	*l = (struct value_listen){ .named = at < s.n };
	l->name = slice_from(s, at + 1);
	if (l->named && !slice_eq(l->name, SL("dashboard")) &&
	    value_site(l->name) != NULL)
		return "after = want dashboard, NAME or NAME--AGENT";
	colon = slice_rfind(where, ':');
	port = where;
	if (colon < where.n) {
		host = slice_head(where, colon);
		port = slice_from(where, colon + 1);
	}
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = slice_of(host.p + 1, host.n - 2);
	else if (slice_find(host, ':') < host.n)
		return "an IPv6 address needs brackets: [ADDR]:PORT";
	if (port.n == 0)
		return "want ADDR:PORT, such as 127.0.0.1:4000";
	why = value_host(l, host);
	return why != NULL ? why : value_port(port, &l->addr.port);
}

static const struct {
	struct slice text;
	uint8_t bits;
	bool private_only;
} known_nets[] = {
	{ SL_INIT("127.0.0.0"), 8, false }, { SL_INIT("::1"), 128, false },
	{ SL_INIT("10.0.0.0"), 8, true }, { SL_INIT("172.16.0.0"), 12, true },
	{ SL_INIT("192.168.0.0"), 16, true },
	{ SL_INIT("169.254.0.0"), 16, true }, { SL_INIT("fc00::"), 7, true },
	{ SL_INIT("fe80::"), 10, true },
};

static const char *
add_net(struct slice ip, uint64_t bits, struct relay_net *net, size_t *n,
    size_t max)
{
	struct addr a = { 0 };
	uint64_t most;

	if (!addr_parse_ip(&a, ip))
		return "want true, false, private, or networks "
		    "such as 10.1.0.0/16";
	most = a.family == ADDR_V4 ? 32 : 128;
	if (bits == UINT64_MAX)
		bits = most;
	if (bits > most)
		return "a network has at most 32 bits, 128 in IPv6";
	if (bits == 0)
		return "/0 would believe everybody";
	if (*n == max)
		return "too many networks";
	net[(*n)++] = (struct relay_net){ a, to_u8(bits) };
	return NULL;
}

const char *
value_trust(struct slice s, struct relay_net *net, size_t *n, size_t max)
{
	bool all = slice_ieq(s, SL("private"));
	uint64_t bits = UINT64_MAX;
	struct slice ip = s;
	const char *why = NULL;

	if (slice_ieq(s, SL("false")) || slice_ieq(s, SL("none")))
		return NULL;
	if (all || slice_ieq(s, SL("true")) || slice_ieq(s, SL("loopback"))) {
		size_t last = all ? 8 : 2;

		for (size_t i = 0; i < last && why == NULL; i++)
			why = add_net(known_nets[i].text, known_nets[i].bits,
			    net, n, max);
		return why;
	}
	ip = slice_head(s, slice_find(s, '/'));
	if (ip.n < s.n && !slice_dec(slice_from(s, ip.n + 1), 128, &bits))
		return "want ADDR/BITS";
	return add_net(ip, bits, net, n, max);
}

/* ---- names, paths, URLs ---- */

static const char name_rule[] =
    "want a-z, 0-9 and -, 30 bytes at most, "
    "no - at either end, no --";

const char *
value_name(struct slice s)
{
	return url_name_ok(s) ? NULL : name_rule;
}

const char *
value_site(struct slice s)
{
	for (size_t i = 0; i + 1 < s.n; i++)
		if (s.p[i] == '-' && s.p[i + 1] == '-')
			return url_name_ok(slice_head(s, i)) &&
			    url_name_ok(slice_from(s, i + 2)) ? NULL :
			    "want NAME or NAME--AGENT";
	return value_name(s);
}

const char *
value_domain(struct slice s)
{
	struct url_auth a;

	if (url_auth_parse(&a, s) != E_OK || a.has_port)
		return "want a host name without scheme or port, "
		    "such as relay.example.org";
	return NULL;
}

const char *
value_app_domain(struct slice s)
{
	struct url_auth a;

	if (url_auth_parse(&a, s) != E_OK || a.has_port ||
	    a.kind != URL_HOST_NAME)
		return "want a host name without scheme or port, "
		    "such as apps.example.org";
	return NULL;
}

const char *
value_prefix(struct slice s)
{
	if (s.n < 2 || s.p[0] != '/')
		return "want a path prefix such as /api/auth/";
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] > 0x7e || s.p[i] == '?' ||
		    s.p[i] == '#' || s.p[i] == '%' || s.p[i] == '\\')
			return "a path prefix has no blanks, ?, #, % or \\";
	return NULL;
}

const char *
value_channel_path(struct slice s)
{
	static const struct slice ours[] = { SL_INIT("/tunnel"),
		SL_INIT("/api/"), SL_INIT("/_adit"), SL_INIT("/health"),
		SL_INIT("/readyz"), SL_INIT("/metrics"), SL_INIT("/login"),
		SL_INIT("/logout"), SL_INIT("/handover"),
		SL_INIT("/assets/") };

	if (s.n > 64 || value_prefix(s) != NULL)
		return "want a path such as /ws, 64 bytes at most";
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		if (slice_starts(s, ours[i]))
			return "begins like a path of the relay's own";
	return NULL;
}

const char *
value_public(struct slice s)
{
	struct slice app = s, agent = slice_cut(&app, '/');

	if (!url_name_ok(agent) || !url_name_ok(app))
		return "want AGENT/APP";
	return NULL;
}

const char *
value_public_url(struct slice s)
{
	struct url u;

	if (url_parse(&u, s) != E_OK)
		return "want a URL such as https://relay.example.org";
	if (slice_find(s, '?') < s.n)
		return "a public URL has no query";
	return NULL;
}

const char *
value_relay(struct value_relay *r, struct slice s)
{
	struct url u;

	if (url_parse(&u, s) != E_OK)
		return "want a URL such as http://203.0.113.7:4000";
	if (slice_find(s, '?') < s.n)
		return "the relay's URL has no query";
	*r = (struct value_relay){
		.host = u.auth.host, .port = u.port,
		.authority = u.authority, .prefix = u.target,
		.secure = u.secure,
	};
	while (slice_ends(r->prefix, SL("/")))
		r->prefix.n--;
	if (slice_ends(r->prefix, SL("/tunnel")))
		r->prefix.n -= SL("/tunnel").n;
	while (slice_ends(r->prefix, SL("/")))
		r->prefix.n--;
	return NULL;
}

const char *
value_proxy(struct value_proxy *p, struct slice s)
{
	struct url_auth a;
	size_t at;

	*p = (struct value_proxy){ 0 };
	if (slice_starts(s, SL("https://")))
		return "a proxy that itself speaks TLS is not supported";
	if (slice_starts(s, SL("http://")))
		s = slice_from(s, SL("http://").n);
	if (slice_ends(s, SL("/")))
		s.n--;
	at = slice_rfind(s, '@');
	if (at < s.n) {
		p->password = slice_head(s, at);
		p->user = slice_cut(&p->password, ':');
		s = slice_from(s, at + 1);
	}
	if (url_auth_parse(&a, s) != E_OK || !a.has_port || a.port == 0)
		return "want http://[USER:PASSWORD@]HOST:PORT";
	p->host = a.host;
	p->port = a.port;
	return NULL;
}

/* ---- apps ---- */

static const char *
app_target(struct agent_app *app, struct slice s)
{
	struct url_auth a;
	uint64_t port;

	if (slice_starts(s, SL("unix:"))) {
		app->path = slice_from(s, 5);
		if (app->path.n < 2 || app->path.p[0] != '/' ||
		    app->path.n > UNIX_PATH_MAX_BYTES)
			return "want unix:/PATH, at most 107 bytes";
		return NULL;
	}
	if (slice_starts(s, SL("tcp://")))
		return "not in this version: tcp apps, only HTTP and "
		    "WebSocket ones";
	if (slice_starts(s, SL("http://")) || slice_starts(s, SL("https://")))
		return "want HOST:PORT without http://; "
		    "an app is reached by plain HTTP";
	if (slice_dec(s, 65535, &port) && s.n <= 5 && port > 0) {
		app->host = SL("127.0.0.1");
		app->port = to_u16(port);
		return NULL;
	}
	if (url_auth_parse(&a, s) != E_OK || !a.has_port)
		return "want PORT, HOST:PORT or unix:/PATH";
	app->host = a.host;
	app->port = a.port;
	return NULL;
}

static const char *
app_option(struct agent_app *app, struct slice s)
{
	struct url u;

	if (slice_eq(s, SL("public"))) {
		app->is_public = true;
		return NULL;
	}
	if (slice_eq(s, SL("host=app"))) {
		app->host_app = true;
		return NULL;
	}
	if (slice_starts(s, SL("host=")))
		return "the option host has one value: host=app";
	if (!slice_starts(s, SL("origin=")))
		return "want the options host=app, origin=URL or public";
	if (app->origin.n > 0)
		return "one origin can be allowed, not two";
	app->origin = slice_from(s, 7);
	if (url_parse(&u, app->origin) != E_OK || u.target.n > 0 ||
	    (u.scheme != URL_HTTP && u.scheme != URL_HTTPS))
		return "want origin=https://HOST[:PORT], without a path";
	return NULL;
}

const char *
value_app(struct agent_app *app, struct slice s)
{
	struct slice options = s, target = slice_cut(&options, ',');
	bool more = target.n < s.n;
	const char *why;
	size_t at;

	*app = (struct agent_app){ .name = SL("app"), .kind = APP_HTTP };
	at = slice_find(target, '=');
	if (at < target.n && !slice_starts(target, SL("unix:"))) {
		app->name = slice_head(target, at);
		target = slice_from(target, at + 1);
	}
	if (!url_name_ok(app->name))
		return name_rule;
	why = app_target(app, target);
	while (why == NULL && more) {
		size_t n = options.n;
		struct slice option = slice_cut(&options, ',');

		more = option.n < n;
		why = app_option(app, option);
	}
	return why;
}

/* One item of NO_PROXY. */
static bool
bypasses(struct slice item, struct slice host)
{
	struct slice ip = slice_head(item, slice_find(item, '/'));
	uint64_t bits = 128;
	struct addr a, net;

	if (slice_eq(item, SL("*")))
		return true;
	if (addr_parse_ip(&a, host))
		return addr_parse_ip(&net, ip) && (ip.n == item.n ?
		    addr_same_ip(&a, &net) :
		    slice_dec(slice_from(item, ip.n + 1), 128, &bits) &&
		    addr_within(&a, &net, (unsigned)bits));
	if (item.n > 0 && item.p[0] == '.')
		item = slice_from(item, 1);
	return item.n > 0 && url_host_within(host, item);
}

bool
value_no_proxy(struct slice list, struct slice host)
{
	while (list.n > 0) {
		size_t n = min_size(slice_find(list, ','),
		    slice_find(list, ' '));

		if (bypasses(slice_head(list, n), host))
			return true;
		list = slice_from(list, min_size(n + 1, list.n));
	}
	return false;
}
