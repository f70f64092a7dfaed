/*
 * Hosts, URLs and form values.
 *
 * Everything is cut with slices from the left, and a part is accepted only by
 * a rule that names every byte it may have. A general RFC 3986 parser was
 * rejected: what it allows beyond this (users, escapes in hosts, IPvFuture,
 * empty ports) is where two readers of one URL end at different hosts.
 */
#include "codec/url.h"

#include <assert.h>

#include "base/addr.h"
#include "base/num.h"

/* The label is a number to some resolver: digits, or 0x and hex digits. */
static bool
label_is_number(struct slice s)
{
	bool hex = s.n >= 2 && s.p[0] == '0' && ascii_lower(s.p[1]) == 'x';

	for (size_t i = hex ? 2 : 0; i < s.n; i++) {
		if (ascii_hex(s.p[i]) > (hex ? 15 : 9))
			return false;
	}
	return true;
}

static struct slice
host_undot(struct slice s)
{
	return slice_head(s, s.n - (s.n > 0 && s.p[s.n - 1] == '.'));
}

static bool
name_parse(struct slice s)
{
	struct slice rest = host_undot(s), label = rest;

	if (rest.n < 1 || rest.n > URL_HOST_MAX || rest.p[rest.n - 1] == '.')
		return false;
	while (rest.n > 0) {
		label = slice_cut(&rest, '.');
		if (label.n < 1 || label.n > URL_LABEL_MAX)
			return false;
		for (size_t i = 0; i < label.n; i++) {
			uint8_t c = ascii_lower(label.p[i]);

			if (!ascii_digit(c) && (c < 'a' || c > 'z') &&
			    c != '-' && c != '_')
				return false;
		}
	}
	return !label_is_number(label);
}

enum err
url_auth_parse(struct url_auth *a, struct slice s)
{
	struct url_auth t = { .host = s };
	struct slice port = { 0 };
	uint64_t v;

	if (s.n == 0)
		return E_SYNTAX;
	if (s.p[0] == '[') {
		size_t end = slice_find(s, ']');

		if (end == s.n)
			return E_SYNTAX;
		t.host = slice_from(slice_head(s, end), 1);
		t.kind = URL_HOST_V6;
		port = slice_from(s, end + 1);
		if (!addr_parse_v6(t.addr, t.host))
			return E_SYNTAX;
	} else {
		size_t end = slice_find(s, ':');

		t.host = slice_head(s, end);
		port = slice_from(s, end);
		if (addr_parse_v4(t.addr, t.host))
			t.kind = URL_HOST_V4;
		else if (!name_parse(t.host))
			return E_SYNTAX;
	}
	if (port.n > 0) {
		if (port.p[0] != ':' || port.n > 6 ||
		    !slice_dec(slice_from(port, 1), 65535, &v) || v == 0)
			return E_SYNTAX;
		t.has_port = true;
		t.port = to_u16(v);
	}
	*a = t;
	return E_OK;
}

bool
url_host_eq(struct slice a, struct slice b)
{
	return slice_ieq(host_undot(a), host_undot(b));
}

bool
url_host_within(struct slice host, struct slice domain)
{
	struct slice label;

	return url_host_eq(host, domain) ||
	    url_host_label(host, domain, &label);
}

bool
url_host_label(struct slice host, struct slice domain, struct slice *label)
{
	size_t at;

	host = host_undot(host);
	domain = host_undot(domain);
	if (domain.n == 0 || host.n < 2 || host.n - 2 < domain.n)
		return false;
	at = host.n - domain.n;
	if (host.p[at - 1] != '.' || !slice_ieq(slice_from(host, at), domain))
		return false;
	*label = slice_head(host, at - 1);
	return true;
}

bool
url_auth_eq(const struct url_auth *a, const struct url_auth *b,
    uint16_t default_port)
{
	uint16_t pa = a->has_port ? a->port : default_port;
	uint16_t pb = b->has_port ? b->port : default_port;

	if (pa != pb || a->kind != b->kind)
		return false;
	if (a->kind == URL_HOST_NAME)
		return url_host_eq(a->host, b->host);
	return memcmp(a->addr, b->addr, sizeof a->addr) == 0;
}

static bool
scheme_take(struct slice *s, enum url_scheme *scheme)
{
	static const struct slice text[] = {
		[URL_HTTP] = SL_INIT("http"), [URL_HTTPS] = SL_INIT("https"),
		[URL_WS] = SL_INIT("ws"), [URL_WSS] = SL_INIT("wss"),
	};
	size_t colon = slice_find(slice_head(*s, 6), ':');
	struct slice name = slice_head(*s, colon);

	if (!slice_starts(slice_from(*s, colon), SL("://")))
		return false;
	for (unsigned i = 0; i < 4; i++) {
		if (slice_ieq(name, text[i])) {
			*scheme = (enum url_scheme)i;
			*s = slice_from(*s, colon + 3);
			return true;
		}
	}
	return false;
}

enum err
url_parse(struct url *u, struct slice s)
{
	struct url t = { 0 };
	size_t path, i;

	if (s.n == 0 || !scheme_take(&s, &t.scheme))
		return E_SYNTAX;
	for (path = 0; path < s.n; path++) {
		if (s.p[path] == '/' || s.p[path] == '?')
			break;
	}
	t.authority = slice_head(s, path);
	if (url_auth_parse(&t.auth, t.authority) != E_OK)
		return E_SYNTAX;
	t.target = slice_from(s, path);
	for (i = 0; i < t.target.n; i++) {
		uint8_t c = t.target.p[i];

		if (c < 0x21 || c > 0x7e || c == '#')
			return E_SYNTAX;
	}
	t.path = url_path(t.target);
	t.query = url_query(t.target);
	if (slice_find(t.path, '\\') < t.path.n)
		return E_SYNTAX;
	if (t.path.n == 0)
		t.path = SL("/");
	t.secure = t.scheme == URL_HTTPS || t.scheme == URL_WSS;
	t.port = t.auth.has_port ? t.auth.port : t.secure ? 443 : 80;
	*u = t;
	return E_OK;
}

bool
url_next_ok(struct slice s)
{
	if (s.n < 1 || s.n > URL_NEXT_MAX || s.p[0] != '/')
		return false;
	if (s.n > 1 && (s.p[1] == '/' || s.p[1] == '\\'))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	}
	return true;
}

struct slice
url_path(struct slice target)
{
	return slice_head(target, slice_find(target, '?'));
}

struct slice
url_query(struct slice target)
{
	size_t at = slice_find(target, '?');

	return at == target.n ? slice_of(NULL, 0) : slice_from(target, at + 1);
}

/*
 * One byte of an encoded text off the front. False at a malformed escape; an
 * empty `s` is the caller's to see.
 */
static bool
decode_next(struct slice *s, bool plus, uint8_t *c)
{
	unsigned hi, lo;

	assert(s->n > 0);
	*c = s->p[0];
	if (*c == '%') {
		if (s->n < 3)
			return false;
		hi = ascii_hex(s->p[1]);
		lo = ascii_hex(s->p[2]);
		if (hi > 15 || lo > 15)
			return false;
		*c = (uint8_t)(hi << 4 | lo);
		*s = slice_from(*s, 3);
		return true;
	}
	if (plus && *c == '+')
		*c = ' ';
	*s = slice_from(*s, 1);
	return true;
}

static enum err
put_decoded(struct buf *b, struct slice s, bool plus)
{
	size_t before = b->n;

	while (s.n > 0) {
		uint8_t c;

		if (!decode_next(&s, plus, &c)) {
			b->n = before;
			return E_SYNTAX;
		}
		if (!buf_put_u8(b, c)) {
			b->n = before;
			return E_FULL;
		}
	}
	return E_OK;
}

bool
url_put_decoded(struct buf *b, struct slice s)
{
	return put_decoded(b, s, false) == E_OK;
}

/* `encoded`, decoded as a form does, is `name`. */
static bool
decoded_eq(struct slice encoded, struct slice name)
{
	while (encoded.n > 0) {
		uint8_t c;

		if (name.n == 0 || !decode_next(&encoded, true, &c) ||
		    c != name.p[0])
			return false;
		name = slice_from(name, 1);
	}
	return name.n == 0;
}

enum err
url_form_get(struct slice form, struct slice name, struct buf *out,
    bool *found)
{
	struct slice value = { 0 };

	*found = false;
	while (form.n > 0) {
		struct slice v = slice_cut(&form, '&');
		struct slice k = slice_cut(&v, '=');

		if (!decoded_eq(k, name))
			continue;
		if (*found) {
			*found = false;
			return E_SYNTAX;
		}
		*found = true;
		value = v;
	}
	return put_decoded(out, value, true);
}

bool
url_put_encoded(struct buf *b, struct slice s)
{
	static const uint8_t hex[16] = "0123456789ABCDEF";
	size_t before = b->n;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i], low = ascii_lower(c);
		uint8_t esc[3] = { '%', hex[c >> 4], hex[c & 15] };

		if (ascii_digit(c) || (low >= 'a' && low <= 'z') || c == '-' ||
		    c == '.' || c == '_' || c == '~')
			buf_put_u8(b, c);
		else
			buf_put(b, slice_of(esc, 3));
	}
	if (!buf_ok(b))
		b->n = before;
	return buf_ok(b);
}

static bool
name_byte(uint8_t c)
{
	return ascii_digit(c) || (c >= 'a' && c <= 'z');
}

bool
url_name_ok(struct slice s)
{
	if (s.n < 1 || s.n > URL_NAME_MAX || !name_byte(s.p[0]) ||
	    !name_byte(s.p[s.n - 1]))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (name_byte(s.p[i]))
			continue;
		if (s.p[i] != '-' || s.p[i - 1] == '-')
			return false;
	}
	return true;
}

bool
url_name_fold(struct buf *b, struct slice hostname)
{
	struct slice label = slice_head(hostname, slice_find(hostname, '.'));
	uint8_t out[URL_NAME_MAX];
	size_t n = 0;

	for (size_t i = 0; i < label.n && n < sizeof out; i++) {
		uint8_t c = ascii_lower(label.p[i]);

		if (name_byte(c))
			out[n++] = c;
		else if (n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	if (n > 0 && out[n - 1] == '-')
		n--;
	if (n == 0)
		return buf_lit(b, "agent");
	assert(url_name_ok(slice_of(out, n)));
	return buf_put(b, slice_of(out, n));
}
