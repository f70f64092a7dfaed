/*
 * adit doctor: look at a relay from outside, as browsers and agents come to
 * it, and name what is wrong on the way: the name, each of its addresses, TLS,
 * the clock, what a proxy in front passes on, and the WebSocket upgrade.
 *
 * Each check is one line: what was looked at, whether it is good, and, if it is
 * not, what to do. It sends no secret: a relay tells whether an upgrade came
 * through by asking for the token.
 */
#include <string.h>
#include <unistd.h>

#include "app/fetch.h"
#include "app/out.h"
#include "codec/date.h"
#include "codec/json.h"

enum {
	TEXT_MAX = 320, REPORT_MAX = 8192, SHOWN_MAX = 160,
	CLOCK_S_MAX = 60,
	DAYS_SOON = 14,
};

static struct doctor {
	struct conf conf;
	struct fetch fetch;
	bool json, bad;
	struct buf out;
	struct json_out rows;
	uint8_t area[REPORT_MAX];
} doctor;

static const struct slice close_line = SL_INIT("Connection: close\r\n");

static void
say(struct doctor *d, struct slice what, bool ok, struct slice text)
{
	d->bad = d->bad || !ok;
	if (d->json) {
		json_object(&d->rows);
		json_pair_string(&d->rows, SL("name"), what);
		json_pair_bool(&d->rows, SL("ok"), ok);
		json_pair_string(&d->rows, SL("text"), text);
		json_object_end(&d->rows);
		return;
	}
	buf_put(&d->out, ok ? SL("ok    ") : SL("BAD   "));
	buf_put(&d->out, what);
	for (size_t n = what.n; n < 12; n++)
		buf_lit(&d->out, " ");
	buf_put_escaped(&d->out, text, TEXT_MAX);
	buf_lit(&d->out, "\n");
}

static struct slice
text_of(const char *c)
{
	return slice_of(c, strlen(c));
}

/* ---- name, addresses, TLS ---- */

static void
say_addresses(struct doctor *d)
{
	const struct fetch *f = &d->fetch;
	uint8_t area[TEXT_MAX];
	struct buf b = BUF_ON(area);

	buf_put_escaped(&b, f->to.host, SHOWN_MAX / 2);
	buf_lit(&b, " is ");
	for (size_t i = 0; i < f->naddrs; i++) {
		if (i > 0)
			buf_lit(&b, ", ");
		addr_put_ip(&b, &f->addrs[i]);
	}
	say(d, SL("name"), true, buf_slice(&b));
}

/* Each address by itself: browsers try them all. True if one is good. */
static bool
try_addresses(struct doctor *d)
{
	struct fetch *f = &d->fetch;
	size_t good = 0, best = 0;

	for (size_t i = 0; i < f->naddrs; i++) {
		uint8_t area[TEXT_MAX];
		struct buf b = BUF_ON(area);

		/* localhost has two, and one is enough. */
		if (good > 0 && addr_loopback(&f->addrs[i]))
			continue;
		fetch_get(f, SL("/_adit/healthz"), close_line, i, i + 1);
		addr_put(&b, &f->addrs[i]);
		buf_put(&b, f->why == NULL ? SL(" answers") : SL(": "));
		if (f->why != NULL)
			buf_put(&b, text_of(f->why));
		say(d, f->step == FETCH_CONNECTED && f->to.secure ?
		    SL("tls") : SL("address"), f->why == NULL, buf_slice(&b));
		if (f->why == NULL && good++ == 0)
			best = i;
	}
	if (good > 0)
		fetch_get(f, SL("/_adit/healthz"), close_line, best, best + 1);
	return good > 0 && f->why == NULL;
}

/* ---- what answers ---- */

static bool
is_relay(struct doctor *d)
{
	struct fetch *f = &d->fetch;
	uint8_t area[TEXT_MAX];
	struct buf b = BUF_ON(area);
	struct json root, v;

	if (f->head.status == 200 &&
	    json_parse(f->body, JSON_DEPTH, &root) == E_OK &&
	    json_get(root, SL("status"), &v) == E_OK &&
	    json_is(v, SL("ok"))) {
		say(d, SL("relay"), true, SL("a relay answers"));
		return true;
	}
	buf_lit(&b, "status ");
	buf_put_dec(&b, f->head.status);
	buf_lit(&b, " from something that is not a relay: is the proxy's "
	    "upstream right, and the path?");
	say(d, SL("relay"), false, buf_slice(&b));
	return false;
}

static void
look_at_clock(struct doctor *d)
{
	const struct fetch *f = &d->fetch;
	const struct http_field *date =
	    http_field_get(&f->head, SL("date"));
	int64_t theirs, ours = (int64_t)(f->loop.io.wall_ms / 1000);
	uint64_t apart;
	uint8_t area[TEXT_MAX];
	struct buf b = BUF_ON(area);

	if (date == NULL || date_parse_http(date->value, &theirs) != E_OK) {
		say(d, SL("clock"), false, SL("the answer has no date"));
		return;
	}
	apart = (uint64_t)(theirs > ours ? theirs - ours : ours - theirs);
	buf_lit(&b, "this machine's and the relay's are ");
	buf_put_dec(&b, apart);
	buf_lit(&b, " s apart");
	if (apart > CLOCK_S_MAX)
		buf_lit(&b, ": certificates and sessions need the right time "
		    "(NTP)");
	say(d, SL("clock"), apart <= CLOCK_S_MAX, buf_slice(&b));
}

/* ---- what came through ---- */

static void
look_at_host(struct doctor *d, struct json host)
{
	uint8_t area[TEXT_MAX], said[SHOWN_MAX];
	struct buf b = BUF_ON(area), s = BUF_ON(said);

	if (json_string(host, &s) != E_OK)
		s.n = 0;
	if (slice_ieq(buf_slice(&s), d->fetch.to.authority)) {
		say(d, SL("host"), true, SL("the relay sees the name that was "
		    "asked for"));
		return;
	}
	buf_lit(&b, "the relay sees ");
	buf_put_escaped(&b, buf_slice(&s), SHOWN_MAX);
	buf_lit(&b, ": the proxy must pass Host on, or X-Forwarded-Host to a "
	    "relay with TRUST_PROXY");
	say(d, SL("host"), false, buf_slice(&b));
}

/* The relay tells what it saw of this very request. */
static void
look_at_proxy(struct doctor *d)
{
	struct fetch *f = &d->fetch;
	struct json root, seen;
	struct json_field m[] = { { SL("host"), { 0 } },
		{ SL("secure"), { 0 } }, { SL("forwarded"), { 0 } } };
	bool secure, forwarded;

	fetch_get(f, SL("/_adit/health"), close_line, 0, RESOLVE_MAX);
	if (f->why != NULL || json_parse(f->body, JSON_DEPTH, &root) != E_OK ||
	    json_get(root, SL("seen"), &seen) != E_OK ||
	    json_fields(seen, m, 3) != E_OK ||
	    json_bool(m[1].v, &secure) != E_OK ||
	    json_bool(m[2].v, &forwarded) != E_OK) {
		say(d, SL("proxy"), false, SL("/health does not tell what it "
		    "saw"));
		return;
	}
	look_at_host(d, m[0].v);
	if (f->to.secure && !secure)
		say(d, SL("proxy"), false, forwarded ? SL("its headers are not "
		    "believed: set TRUST_PROXY for the proxy's address") :
		    SL("it must send X-Forwarded-Proto: https"));
	else if (forwarded)
		say(d, SL("proxy"), false, SL("X-Forwarded headers come from "
		    "an address that TRUST_PROXY does not name: everybody "
		    "looks like the proxy"));
	else
		say(d, SL("proxy"), true, f->to.secure ?
		    SL("https is seen as https") : SL("nothing in between, or "
		    "nothing that it hides"));
}

static void
look_at_days(struct doctor *d, struct json tls)
{
	uint8_t area[TEXT_MAX];
	struct buf b = BUF_ON(area);
	struct json v;
	uint64_t days;

	if (json_get(tls, SL("days"), &v) != E_OK ||
	    json_u64(v, &days) != E_OK)
		return;
	buf_lit(&b, "the relay's certificate is good for ");
	buf_put_dec(&b, days);
	buf_lit(&b, " days");
	say(d, SL("certificate"), days >= DAYS_SOON, buf_slice(&b));
}

static void
look_at_certificate(struct doctor *d)
{
	struct json root, tls;

	if (d->fetch.why == NULL &&
	    json_parse(d->fetch.body, JSON_DEPTH, &root) == E_OK &&
	    json_get(root, SL("tls"), &tls) == E_OK)
		look_at_days(d, tls);
}

static void
look_at_upgrade(struct doctor *d)
{
	struct fetch *f = &d->fetch;
	uint8_t area[TEXT_MAX];
	struct buf b = BUF_ON(area);

	fetch_get(f, SL("/tunnel"), SL("Connection: Upgrade\r\n"
	    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	    "Sec-WebSocket-Protocol: adit.tunnel.1\r\n"), 0, RESOLVE_MAX);
	if (f->why != NULL) {
		say(d, SL("websocket"), false, text_of(f->why));
	} else if (f->head.status == 401) {
		say(d, SL("websocket"), true, SL("upgrades come through"));
	} else if (f->head.status == 426) {
		say(d, SL("websocket"), false, SL("the proxy drops the headers "
		    "Upgrade and Connection: it must pass both on"));
	} else {
		buf_lit(&b, "status ");
		buf_put_dec(&b, f->head.status);
		buf_lit(&b, " for an upgrade at /tunnel: does the proxy pass "
		    "that path on?");
		say(d, SL("websocket"), false, buf_slice(&b));
	}
}

/* ---- in order ---- */

static void
examine(struct doctor *d)
{
	struct fetch *f = &d->fetch;

	fetch_get(f, SL("/_adit/healthz"), close_line, 0, 0);
	if (f->naddrs == 0) {
		say(d, SL("name"), false, text_of(f->why));
		return;
	}
	say_addresses(d);
	if (!try_addresses(d) || !is_relay(d))
		return;
	look_at_clock(d);
	look_at_proxy(d);
	look_at_certificate(d);
	look_at_upgrade(d);
}

int
doctor_cmd(const struct cmd *cmd)
{
	struct doctor *d = &doctor;
	struct conf *c = &d->conf;
	int code = fetch_open(&d->fetch, c, CONF_DOCTOR, cmd);

	if (code != EXIT_GO_ON)
		return code;
	d->out = BUF_ON(d->area);
	d->json = conf_is_set(c, C_JSON);
	d->rows = json_out_on(&d->out);
	if (d->json)
		json_array(&d->rows);
	examine(d);
	fetch_close(&d->fetch);
	if (d->json) {
		json_array_end(&d->rows);
		buf_lit(&d->out, "\n");
	}
	out_write(STDOUT_FILENO, buf_slice(&d->out));
	return d->bad ? EXIT_FAILED : EXIT_STOPPED;
}
