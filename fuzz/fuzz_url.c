/*
 * codec/url, codec/cookie and codec/date; the first byte chooses. Oracles: what
 * is accepted, put together again from its parts, reads the same; decoding
 * undoes encoding; no cookie that was to be dropped is found in what is left,
 * and no other is lost; a date that is accepted is written with the same bytes.
 */
#include <stdlib.h>

#include "codec/cookie.h"
#include "codec/date.h"
#include "codec/url.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

static uint8_t area[2][1 << 16];

static void
try_auth(struct slice in)
{
	struct buf b = BUF_ON(area[0]);
	struct url_auth a, again;

	if (url_auth_parse(&a, in) != E_OK)
		return;
	for (size_t i = 0; i < in.n; i++)
		MUST(slice_find(SL("/?#@\\%, \t"), in.p[i]) == 9);
	if (a.kind == URL_HOST_V6) {
		buf_lit(&b, "[");
		for (unsigned i = 0; i < 16; i += 2) {
			buf_put_hex(&b, slice_of(a.addr + i, 2));
			buf_put(&b, i < 14 ? SL(":") : SL("]"));
		}
	} else {
		buf_put(&b, a.host);
	}
	if (a.has_port) {
		buf_lit(&b, ":");
		buf_put_dec(&b, a.port);
	}
	MUST(url_auth_parse(&again, buf_slice(&b)) == E_OK);
	MUST(url_auth_eq(&a, &again, 80) && url_auth_eq(&again, &a, 443));
	MUST(memcmp(a.addr, again.addr, 16) == 0 && a.kind == again.kind);
}

static void
try_url(struct slice in)
{
	struct url u;

	MUST(!url_next_ok(in) || (in.p[0] == '/' && url_parse(&u, in) != E_OK));
	if (url_parse(&u, in) != E_OK)
		return;
	MUST(u.path.n > 0 && u.path.p[0] == '/' && u.port > 0);
	MUST(u.authority.p + u.authority.n == u.target.p);
	MUST(u.target.p + u.target.n == in.p + in.n);
	try_auth(u.authority);
}

static void
try_form(struct slice in)
{
	struct buf b = BUF_ON(area[0]), c = BUF_ON(area[1]);
	bool found;

	MUST(url_form_get(in, SL("a"), &b, &found) != E_OK || found ||
	    b.n == 0);
	buf_reset(&b);
	MUST(url_name_fold(&b, in) && url_name_ok(buf_slice(&b)));
	buf_reset(&b);
	MUST(buf_lit(&b, "b=&k=") && url_put_encoded(&b, in));
	MUST(url_form_get(buf_slice(&b), SL("k"), &c, &found) == E_OK && found);
	MUST(slice_eq(buf_slice(&c), in));
	buf_reset(&c);
	MUST(url_put_decoded(&c, slice_from(buf_slice(&b), 5)));
	MUST(slice_eq(buf_slice(&c), in));
}

static bool
drop(struct slice name, const void *ctx)
{
	return slice_eq(name, *(const struct slice *)ctx);
}

static void
try_cookie(struct slice in)
{
	struct slice ours = SL("a"), rest = in, k, v;
	struct buf b = BUF_ON(area[0]);
	size_t all = 0, left;

	while (cookie_next(&rest, &k, &v))
		all++;
	MUST(cookie_put_without(&b, in, drop, &ours, &left));
	MUST(left == all - cookie_get(in, ours, &v));
	MUST(cookie_get(buf_slice(&b), ours, &v) == 0);
	rest = buf_slice(&b);
	while (cookie_next(&rest, &k, &v))
		left--;
	MUST(left == 0);
	/* a name is never more than a name */
	k = cookie_set_name(in);
	MUST(slice_find(k, ';') == k.n && slice_find(k, '=') == k.n);
}

static void
try_date(struct slice in)
{
	struct buf b = BUF_ON(area[0]);
	int64_t t;

	if (date_parse_http(in, &t) == E_OK) {
		MUST(date_put_http(&b, t) && slice_eq(buf_slice(&b), in));
	} else if (in.n == 8) {
		t = (int64_t)get_u64(in.p);
		MUST(date_put_http(&b, t) ==
		    (t >= DATE_MIN_S && t <= DATE_MAX_S));
		MUST(!buf_ok(&b) || date_parse_http(buf_slice(&b), &t) == E_OK);
		date_put_iso(&b, (int64_t)get_u64(in.p));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const try[])(struct slice) = {
		try_auth, try_url, try_form, try_cookie, try_date,
	};

	if (size > 0 && size < 4096)
		try[data[0] % 5](slice_of(data + 1, size - 1));
	return 0;
}
