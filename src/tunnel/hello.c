/*
 * The messages that begin a session. Read with json_fields in one pass for
 * each object, then member by member through small checkers that return false
 * for anything but the one form PROTOCOL.md gives; what an object holds
 * beside the members we know is passed over.
 *
 * Strings are borrowed as they stand. All of them are of alphabets that need
 * no escape, so an escaped one is refused rather than unescaped: nothing here
 * has to own memory, and there is one spelling for each value.
 */
#include "tunnel/hello.h"

#include "base/num.h"
#include "codec/b64.h"
#include "codec/json.h"
#include "crypto/ct.h"
#include "crypto/hash.h"

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)    /* exact in every JSON */

/* Printable ASCII but space, `"`, `\` and `<`; at most n_max. */
static bool
plain_text(struct json v, size_t n_max, struct slice *out)
{
	struct slice s;

	if (!json_plain(v, &s) || s.n > n_max)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' ||
		    s.p[i] == '\\' || s.p[i] == '<')
			return false;
	*out = s;
	return true;
}

static bool
url_safe(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = ascii_lower(s.p[i]);

		if (!(c >= 'a' && c <= 'z') && !ascii_digit(c) && c != '-' &&
		    c != '_')
			return false;
	}
	return true;
}

static bool
take_id(struct json v, size_t n, struct slice *out)
{
	return plain_text(v, n, out) && out->n == n && url_safe(*out);
}

/* n bytes as base64url. */
static bool
take_bytes(struct json v, uint8_t *dst, size_t n)
{
	struct slice s;
	struct buf b = buf_of(dst, n);

	return json_plain(v, &s) &&
	    b64_decode(&b, s, B64_URL_BARE) == E_OK && b.n == n;
}

/* A session's name: the one spelling of 16 bytes, kept as text. */
static bool
take_session(struct json v, struct slice *out)
{
	uint8_t bytes[HELLO_SESSION_BYTES];

	return take_bytes(v, bytes, sizeof bytes) && json_plain(v, out);
}

static bool
take_number(struct json v, uint64_t least, uint64_t most, uint64_t *out)
{
	return json_u64(v, out) == E_OK && *out >= least && *out <= most;
}

static bool
take_u32(struct json v, uint32_t least, uint32_t most, uint32_t *out)
{
	uint64_t n;

	if (!take_number(v, least, most, &n))
		return false;
	*out = to_u32(n);
	return true;
}

static bool
take_bool(struct json v, bool *out)
{
	return json_bool(v, out) == E_OK;
}

static bool
take_name(struct json v, struct slice *out)
{
	return json_plain(v, out) && frame_name_valid(*out);
}

/* The wanted members of an object that has none twice. */
static bool
fields(struct json obj, struct json_field *f, size_t n)
{
	return json_unique(obj, HELLO_MEMBERS_MAX) == E_OK &&
	    json_fields(obj, f, n) == E_OK;
}

static bool
absent(struct json v)
{
	return v.kind == JSON_NONE;
}

static bool
take_limits(struct json v, struct tunnel_limits *l)
{
	struct json_field f[] = {
		{ SL("streams"), { 0 } }, { SL("window"), { 0 } },
		{ SL("session"), { 0 } },
	};

	return fields(v, f, 3) &&
	    take_u32(f[0].v, 1, STREAMS_MAX, &l->streams) &&
	    take_u32(f[1].v, WINDOW_MIN, WINDOW_MAX, &l->window) &&
	    take_u32(f[2].v, 1, CREDIT_MAX, &l->session) &&
	    l->session / l->window > l->streams;
}

static bool
take_kind(struct json v, uint8_t *kind)
{
#define X(name, number, text, meaning)                                  \
	if (json_is(v, SL(text))) {                                     \
		*kind = number;                                         \
		return true;                                            \
	}
	APP_LIST(X)
#undef X
	return false;
}

static bool
take_app(struct json v, struct hello_app *a)
{
	struct json_field f[] = {
		{ SL("name"), { 0 } }, { SL("kind"), { 0 } },
		{ SL("public"), { 0 } }, { SL("host"), { 0 } },
		{ SL("origin"), { 0 } },
	};

	*a = (struct hello_app){ 0 };
	return fields(v, f, 5) && take_name(f[0].v, &a->name) &&
	    take_kind(f[1].v, &a->kind) &&
	    (absent(f[2].v) || take_bool(f[2].v, &a->is_public)) &&
	    (absent(f[3].v) || plain_text(f[3].v, HELLO_HOST_MAX, &a->host)) &&
	    (absent(f[4].v) ||
	    plain_text(f[4].v, HELLO_ORIGIN_MAX, &a->origin));
}

static bool
take_apps(struct json v, struct hello *h)
{
	struct json_iter it;
	struct json name, e;

	if (v.kind != JSON_ARRAY)
		return false;
	json_iter(&it, v);
	while (json_next(&it, &name, &e)) {
		if (h->napps == HELLO_APPS_MAX ||
		    !take_app(e, &h->apps[h->napps]))
			return false;
		for (size_t i = 0; i < h->napps; i++)
			if (slice_eq(h->apps[i].name, h->apps[h->napps].name))
				return false;
		h->napps++;
	}
	return true;
}

static bool
take_resume(struct json v, struct hello *h)
{
	struct json_field f[] = {
		{ SL("session"), { 0 } }, { SL("attempt"), { 0 } },
		{ SL("proof"), { 0 } }, { SL("received"), { 0 } },
	};

	h->resume = true;
	return fields(v, f, 4) && take_session(f[0].v, &h->session) &&
	    take_number(f[1].v, 1, NUMBER_MAX, &h->attempt) &&
	    take_bytes(f[2].v, h->proof, sizeof h->proof) &&
	    take_number(f[3].v, 0, NUMBER_MAX, &h->received);
}

enum err
hello_parse(struct hello *h, struct slice json)
{
	struct json_field f[] = {
		{ SL("type"), { 0 } }, { SL("protocol"), { 0 } },
		{ SL("name"), { 0 } }, { SL("instance"), { 0 } },
		{ SL("start"), { 0 } }, { SL("tunnel_id"), { 0 } },
		{ SL("version"), { 0 } }, { SL("apps"), { 0 } },
		{ SL("limits"), { 0 } }, { SL("resume"), { 0 } },
	};
	struct json v;
	uint64_t protocol;

	*h = (struct hello){ 0 };
	if (json_parse(json, HELLO_DEPTH, &v) != E_OK ||
	    !fields(v, f, sizeof f / sizeof f[0]) ||
	    !json_is(f[0].v, SL("hello")) ||
	    !take_number(f[1].v, PROTOCOL_VERSION, PROTOCOL_VERSION,
	    &protocol) ||
	    !take_name(f[2].v, &h->name) ||
	    !take_bytes(f[3].v, h->instance, sizeof h->instance) ||
	    !take_bool(f[4].v, &h->start) ||
	    !(absent(f[5].v) ||
	    take_id(f[5].v, HELLO_TUNNEL_ID_BYTES, &h->tunnel_id)) ||
	    !plain_text(f[6].v, HELLO_VERSION_MAX, &h->version) ||
	    !take_apps(f[7].v, h) ||
	    !take_limits(f[8].v, &h->limits) ||
	    !(absent(f[9].v) || take_resume(f[9].v, h)))
		return E_MUX_HELLO;
	return E_OK;
}

static bool
take_urls(struct json v, struct welcome *w)
{
	struct json_iter it;
	struct json name, e;

	if (v.kind != JSON_ARRAY)
		return false;
	json_iter(&it, v);
	while (json_next(&it, &name, &e)) {
		if (w->nurls == HELLO_URLS_MAX ||
		    !plain_text(e, HELLO_URL_BYTES, &w->urls[w->nurls]))
			return false;
		w->nurls++;
	}
	return true;
}

static bool
code_valid(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '-' && (s.p[i] < 'a' || s.p[i] > 'z'))
			return false;
	return s.n >= 1;
}

static enum err
refused_parse(struct welcome *w, struct json v)
{
	struct json code;

	if (json_get(v, SL("code"), &code) != E_OK ||
	    !plain_text(code, HELLO_CODE_MAX, &w->code) ||
	    !code_valid(w->code))
		return E_MUX_HELLO;
	w->refused = true;
	return E_OK;
}

/* `secret` and `received` go with `resumed`: the one or the other. */
static bool
take_resumed(struct welcome *w, struct json resumed, struct json received,
    struct json secret)
{
	if (!take_bool(resumed, &w->resumed) ||
	    !take_number(received, 0, NUMBER_MAX, &w->received))
		return false;
	if (w->resumed)
		return absent(secret);
	return w->received == 0 &&
	    take_bytes(secret, w->secret, sizeof w->secret);
}

enum err
welcome_parse(struct welcome *w, struct slice json)
{
	struct json_field f[] = {
		{ SL("type"), { 0 } }, { SL("protocol"), { 0 } },
		{ SL("tunnel_id"), { 0 } }, { SL("session"), { 0 } },
		{ SL("secret"), { 0 } }, { SL("resumed"), { 0 } },
		{ SL("received"), { 0 } }, { SL("limits"), { 0 } },
		{ SL("urls"), { 0 } },
	};
	struct json v;
	uint64_t protocol;

	*w = (struct welcome){ 0 };
	if (json_parse(json, HELLO_DEPTH, &v) != E_OK ||
	    !fields(v, f, sizeof f / sizeof f[0]))
		return E_MUX_HELLO;
	if (json_is(f[0].v, SL("refused")))
		return refused_parse(w, v);
	if (!json_is(f[0].v, SL("welcome")) ||
	    !take_number(f[1].v, PROTOCOL_VERSION, PROTOCOL_VERSION,
	    &protocol) ||
	    !take_id(f[2].v, HELLO_TUNNEL_ID_BYTES, &w->tunnel_id) ||
	    !take_session(f[3].v, &w->session) ||
	    !take_resumed(w, f[5].v, f[6].v, f[4].v) ||
	    !take_limits(f[7].v, &w->limits) ||
	    !take_urls(f[8].v, w))
		return E_MUX_HELLO;
	return E_OK;
}

/* Writing. */

static void
put_bytes(struct json_out *o, struct slice name, const uint8_t *p, size_t n)
{
	uint8_t text[64];
	struct buf b = BUF_ON(text);

	b64_encode(&b, slice_of(p, n), B64_URL_BARE);
	json_pair_string(o, name, buf_slice(&b));
	wipe(text, sizeof text);
}

static void
put_limits(struct json_out *o, const struct tunnel_limits *l)
{
	json_name(o, SL("limits"));
	json_object(o);
	json_pair_u64(o, SL("streams"), l->streams);
	json_pair_u64(o, SL("window"), l->window);
	json_pair_u64(o, SL("session"), l->session);
	json_object_end(o);
}

static struct slice
kind_text(uint8_t kind)
{
#define X(name, number, text, meaning) if (kind == number) return SL(text);
	APP_LIST(X)
#undef X
	return (struct slice){ NULL, 0 };
}

static void
put_app(struct json_out *o, const struct hello_app *a)
{
	json_object(o);
	json_pair_string(o, SL("name"), a->name);
	json_pair_string(o, SL("kind"), kind_text(a->kind));
	if (a->is_public)
		json_pair_bool(o, SL("public"), true);
	if (a->host.n > 0)
		json_pair_string(o, SL("host"), a->host);
	if (a->origin.n > 0)
		json_pair_string(o, SL("origin"), a->origin);
	json_object_end(o);
}

static void
put_resume(struct json_out *o, const struct hello *h)
{
	json_name(o, SL("resume"));
	json_object(o);
	json_pair_string(o, SL("session"), h->session);
	json_pair_u64(o, SL("attempt"), h->attempt);
	put_bytes(o, SL("proof"), h->proof, sizeof h->proof);
	json_pair_u64(o, SL("received"), h->received);
	json_object_end(o);
}

bool
hello_put(struct buf *b, const struct hello *h)
{
	struct json_out o = json_out_on(b);

	json_object(&o);
	json_pair_string(&o, SL("type"), SL("hello"));
	json_pair_u64(&o, SL("protocol"), PROTOCOL_VERSION);
	json_pair_string(&o, SL("name"), h->name);
	put_bytes(&o, SL("instance"), h->instance, sizeof h->instance);
	json_pair_bool(&o, SL("start"), h->start);
	if (h->tunnel_id.n > 0)
		json_pair_string(&o, SL("tunnel_id"), h->tunnel_id);
	json_pair_string(&o, SL("version"), h->version);
	json_name(&o, SL("apps"));
	json_array(&o);
	for (size_t i = 0; i < h->napps; i++)
		put_app(&o, &h->apps[i]);
	json_array_end(&o);
	put_limits(&o, &h->limits);
	if (h->resume)
		put_resume(&o, h);
	json_object_end(&o);
	return buf_ok(b);
}

bool
welcome_put(struct buf *b, const struct welcome *w)
{
	struct json_out o = json_out_on(b);

	json_object(&o);
	json_pair_string(&o, SL("type"), SL("welcome"));
	json_pair_u64(&o, SL("protocol"), PROTOCOL_VERSION);
	json_pair_string(&o, SL("tunnel_id"), w->tunnel_id);
	json_pair_string(&o, SL("session"), w->session);
	if (!w->resumed)
		put_bytes(&o, SL("secret"), w->secret, sizeof w->secret);
	json_pair_bool(&o, SL("resumed"), w->resumed);
	json_pair_u64(&o, SL("received"), w->received);
	put_limits(&o, &w->limits);
	json_name(&o, SL("urls"));
	json_array(&o);
	for (size_t i = 0; i < w->nurls; i++)
		json_put_string(&o, w->urls[i]);
	json_array_end(&o);
	json_object_end(&o);
	return buf_ok(b);
}

bool
refused_put(struct buf *b, struct slice code)
{
	struct json_out o = json_out_on(b);

	json_object(&o);
	json_pair_string(&o, SL("type"), SL("refused"));
	json_pair_string(&o, SL("code"), code);
	json_object_end(&o);
	return buf_ok(b);
}

enum err
hello_proof(uint8_t proof[HELLO_PROOF_BYTES],
    const uint8_t secret[HELLO_SECRET_BYTES], struct slice session,
    uint64_t attempt, uint64_t received)
{
	uint8_t area[11 + HELLO_SESSION_BYTES + 8 + 8];
	struct buf b = BUF_ON(area);
	enum err e;

	buf_lit(&b, "adit resume");
	e = b64_decode(&b, session, B64_URL_BARE);
	if (e != E_OK || b.n != 11 + HELLO_SESSION_BYTES)
		return E_SYNTAX;
	buf_put_u64(&b, attempt);
	buf_put_u64(&b, received);
	hmac_sha256(proof, slice_of(secret, HELLO_SECRET_BYTES),
	    buf_slice(&b));
	return E_OK;
}
