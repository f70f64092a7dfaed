/*
 * Who is it? Sessions are tokens that the keeper signs and checks; here is
 * only the cache of its verdicts, the cookie, login and logout, and the
 * handover that carries a login from the main site to an app's own site.
 *
 * A question to the keeper suspends the request: it is kept whole and looked at
 * again when the answer is there (r->verdict), so every function below is
 * written as if the answer had always been known, and asks where it is not.
 *
 * The handover: an app's site without a session sets a nonce cookie and
 * sends the browser to the main site's login with the nonce's hash. Whoever is
 * logged in there gets a one-time code for that hash, that site and 30
 * seconds. The app's site takes the code only with the nonce cookie: a code
 * that leaks, or is forced on somebody, is worth nothing.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"
#include "codec/json.h"
#include "crypto/ct.h"
#include "crypto/hash.h"

enum { TOKEN_CHARS = 43 };      /* 32 bytes in base64url */

/* [__Host-]adit[-PORT][-kind]: see DESIGN section 2. */
static bool
put_cookie_name(struct buf *b, const struct site *site, struct slice kind)
{
	buf_put(b, site->secure ? SL("__Host-adit") : SL("adit"));
	if (site->port_cookie != 0) {
		buf_lit(b, "-");
		buf_put_dec(b, site->port_cookie);
	}
	return buf_put(b, kind);
}

/* A whole Set-Cookie line; an empty value deletes. */
static void
put_set_cookie(struct buf *b, const struct site *site, struct slice kind,
    struct slice value, uint64_t max_age_s)
{
	buf_lit(b, "Set-Cookie: ");
	put_cookie_name(b, site, kind);
	buf_lit(b, "=");
	buf_put(b, value);
	buf_lit(b, "; Path=/; HttpOnly; SameSite=Lax; Max-Age=");
	buf_put_dec(b, value.n > 0 ? max_age_s : 0);
	buf_put(b, site->secure ? SL("; Secure\r\n") : SL("\r\n"));
}

/* How many cookies of that kind the request has; *value is one of them. */
static size_t
find_cookie(const struct http_head *h, const struct site *site,
    struct slice kind, struct slice *value)
{
	uint8_t area[64];
	struct buf name = BUF_ON(area);
	const struct http_field *f = NULL;
	size_t n = 0;

	put_cookie_name(&name, site, kind);
	while ((f = http_field_id(h, HTTP_N_COOKIE, f)) != NULL)
		n += cookie_get(f->value, buf_slice(&name), value);
	return n;
}

static bool
put_random(struct relay *r, uint8_t out[TOKEN_CHARS])
{
	uint8_t raw[32];
	struct buf b = buf_of(out, TOKEN_CHARS);

	io_random(r->io, raw, sizeof raw);
	return b64_encode(&b, slice_of(raw, sizeof raw), B64_URL_BARE);
}

/* Keep the request and ask. False if the connection had to be closed. */
bool
auth_ask(struct client *c, enum purpose purpose, struct ask *q)
{
	struct relay *r = c->r;

	if (!client_hold(c, CLIENT_ASK))
		return false;
	c->asked = (uint8_t)purpose;
	c->ask_seq = ++r->ask_seq;
	q->seq = c->ask_seq;
	q->who = pool_handle(&r->clients, c);
	q->now_s = r->io->wall_ms / 1000;
	if (!r->io->ops->ask(r->io->ctx, q)) {
		client_close(c, true);
		return false;
	}
	return true;
}

static bool
ask_set_text(struct ask *q, struct slice text)
{
	if (text.n > sizeof q->text)
		return false;
	if (text.n > 0)
		memcpy(q->text, text.p, text.n);
	q->text_n = (uint16_t)text.n;
	return true;
}

static void
ask_set_site(struct ask *q, const struct site *site)
{
	memcpy(q->site, site->aud, site->aud_n);
	q->site_n = site->aud_n;
}

static void
session_from(struct session *s, const struct answer *a)
{
	uint8_t hash[SHA256_BYTES];

	*s = (struct session){ .ok = true, .expires_s = a->expires_s };
	name_set(&s->user, slice_of(a->user, a->user_n));
	s->jti_n = (uint8_t)min_size(a->jti_n, sizeof s->jti);
	memcpy(s->jti, a->jti, s->jti_n);
	sha256(hash, slice_of(s->jti, s->jti_n));
	s->id = get_u64(hash) | 1;
}

/* The cached verdict's place for a token: two candidates, the older goes. */
static struct cached *
cache_slot(struct relay *r, const uint8_t hash[32], bool *hit)
{
	size_t i = get_u32(hash) % (SESSIONS_CACHED / 2) * 2;
	struct cached *a = &r->cache[i], *b = &r->cache[i + 1];

	*hit = true;
	if (a->until_ms > r->io->now_ms && memcmp(a->hash, hash, 32) == 0)
		return a;
	if (b->until_ms > r->io->now_ms && memcmp(b->hash, hash, 32) == 0)
		return b;
	*hit = false;
	return a->until_ms <= b->until_ms ? a : b;
}

void
auth_forget(struct relay *r, const uint8_t *jti, size_t n)
{
	for (size_t i = 0; i < SESSIONS_CACHED; i++) {
		struct cached *k = &r->cache[i];

		if (k->until_ms > 0 && k->s.jti_n == n &&
		    memcmp(k->s.jti, jti, n) == 0)
			*k = (struct cached){ 0 };
	}
}

static enum auth
auth_verdict(struct relay *r, const struct site *site, struct slice token,
    struct session *s)
{
	const struct answer *a = r->verdict;
	uint8_t hash[SHA256_BYTES];
	struct cached *k;
	bool hit;

	if (a->result != E_OK)
		return AUTH_BAD;
	session_from(s, a);
	sha256(hash, token);
	k = cache_slot(r, hash, &hit);
	memcpy(k->hash, hash, sizeof hash);
	k->until_ms = r->io->now_ms + SESSION_CHECK_MS;
	k->s = *s;
	k->aud_n = site->aud_n;
	memcpy(k->aud, site->aud, site->aud_n);
	return AUTH_YES;
}

enum auth
auth_request(struct client *c, const struct http_head *h,
    const struct site *site, struct session *s)
{
	struct relay *r = c->r;
	struct slice token = { NULL, 0 };
	uint8_t hash[SHA256_BYTES];
	struct ask q = { .kind = ASK_SESSION };
	struct cached *k;
	bool hit;

	*s = (struct session){ 0 };
	if (r->cfg->no_login) {
		s->ok = true;
		return AUTH_YES;
	}
	switch (find_cookie(h, site, SL(""), &token)) {
	case 0:
		return AUTH_NO;
	case 1:
		break;
	default:
		return AUTH_BAD;
	}
	if (r->verdict != NULL && r->verdict->kind == ASK_SESSION)
		return auth_verdict(r, site, token, s);
	sha256(hash, token);
	k = cache_slot(r, hash, &hit);
	if (hit && slice_eq(slice_of(k->aud, k->aud_n),
	    slice_of(site->aud, site->aud_n)) &&
	    k->s.expires_s > r->io->wall_ms / 1000) {
		*s = k->s;
		return AUTH_YES;
	}
	if (!ask_set_text(&q, token))
		return AUTH_BAD;
	ask_set_site(&q, site);
	auth_ask(c, FOR_SESSION, &q);
	return AUTH_ASKED;
}

/* Attempts of this address (or device): may it try once more? */
static bool
bucket_take(struct relay *r, uint64_t key, uint64_t *retry_s)
{
	uint64_t now = r->io->now_ms, full;
	const uint64_t most = (uint64_t)TRIES_BURST * TRY_MS;
	struct bucket *best = NULL;
	size_t at = (size_t)((key ^ r->cfg->hash_seed) *
	    0x9e3779b97f4a7c15u >> 40) % BUCKETS;

	for (size_t i = 0; i < 8; i++) {
		struct bucket *b = &r->buckets[(at + i) % BUCKETS];

		if (b->key == key) {
			best = b;
			break;
		}
		if (best == NULL || b->full_ms < best->full_ms)
			best = b;
	}
	if (best->key != key)
		*best = (struct bucket){ .key = key };
	full = max_u64(best->full_ms, now) + TRY_MS;
	if (full - now > most) {
		*retry_s = (full - now - most + 999) / 1000;
		return false;
	}
	best->full_ms = full;
	return true;
}

static uint64_t
address_key(const struct addr *a)
{
	return (a->family == ADDR_V4 ? get_u32(a->ip) : get_u64(a->ip)) << 1;
}

/* The password (and where to go) as the person sent it. */
struct login {
	uint8_t password[ASK_TEXT_MAX];
	uint8_t next[URL_NEXT_MAX];
	uint8_t nonce[TOKEN_CHARS + 1];
	struct buf p, n, h;
	bool form;
};

static bool
login_parse_json(struct login *l, struct slice body)
{
	struct json v;
	struct json_field f[2] = {
		{ .name = SL("password") }, { .name = SL("user") } };

	return json_parse(body, 4, &v) == E_OK &&
	    json_fields(v, f, 2) == E_OK &&
	    json_string(f[0].v, &l->p) == E_OK &&
	    (f[1].v.kind == JSON_NONE || json_is(f[1].v, SL("shared")));
}

static bool
login_parse(struct login *l, const struct http_head *h, struct slice body)
{
	const struct http_field *f =
	    http_field_id(h, HTTP_N_CONTENT_TYPE, NULL);
	static const struct slice form =
	    SL_INIT("application/x-www-form-urlencoded");
	bool found;

	l->p = BUF_ON(l->password);
	l->n = BUF_ON(l->next);
	l->h = BUF_ON(l->nonce);
	l->form = f != NULL && f->value.n >= form.n &&
	    slice_ieq(slice_head(f->value, form.n), form);
	if (!l->form)
		return login_parse_json(l, body);
	return url_form_get(body, SL("password"), &l->p, &found) == E_OK &&
	    found && url_form_get(body, SL("next"), &l->n, &found) == E_OK &&
	    url_form_get(body, SL("h"), &l->h, &found) == E_OK;
}

static void
login_fail(struct client *c, const struct http_head *h, const struct login *l,
    unsigned status, struct slice text, struct slice extra)
{
	if (l->form)
		page_login(c, false, status, buf_slice(&l->n),
		    buf_slice(&l->h), text, extra);
	else
		reply_error(c, h, status, text, extra);
}

/* Where a login leads: a path of ours, or through our login page to an app's
 * site, else the top. */
static void
login_leave(struct client *c, const struct login *l, struct slice cookies)
{
	struct relay *r = c->r;
	uint8_t area[3 * URL_NEXT_MAX + 128];
	struct buf b = BUF_ON(area);
	struct slice next = buf_slice(&l->n), path;
	struct site to;

	if (url_next_ok(next)) {
		buf_put(&b, next);
	} else if (site_of_url(r, &r->site, next, &to, &path)) {
		buf_lit(&b, "/_adit/login?next=");
		url_put_encoded(&b, next);
		buf_lit(&b, "&h=");
		url_put_encoded(&b, buf_slice(&l->h));
	} else {
		buf_lit(&b, "/");
	}
	reply_redirect(c, false, buf_slice(&b), cookies);
}

static void
login_done(struct client *c, const struct login *l)
{
	struct relay *r = c->r;
	uint8_t area[2 * ASK_TEXT_MAX + 512];
	struct buf b = BUF_ON(area);
	const struct answer *a = r->verdict;

	put_set_cookie(&b, &r->site, SL(""), slice_of(c->hold, c->hold_n),
	    r->cfg->session_ttl_s);
	if (a->kind == ASK_ISSUE_DEVICE && a->result == E_OK)
		put_set_cookie(&b, &r->site, SL("-device"),
		    slice_of(a->text, a->text_n), (uint64_t)180 * 86400);
	wipe(c->hold, c->hold_n);
	head_give(r, c->hold, false);
	c->hold = NULL;
	LOGF(r->log, LOG_INFO, "relay", "login",
	    log_u("conn", pool_index(&r->clients, c)));
	if (l->form)
		login_leave(c, l, buf_slice(&b));
	else
		reply_json(c, false, 200, SL("{\"ok\":true}"), buf_slice(&b));
	wipe(area, sizeof area);
}

/* The steps of a login, each begun by the keeper's answer to the last. */
static void
login_step(struct client *c, const struct http_head *h, const struct login *l)
{
	struct relay *r = c->r;
	const struct answer *a = r->verdict;
	struct ask q = { .ttl_s = r->cfg->session_ttl_s };
	bool large;

	if (a->kind != ASK_ISSUE_DEVICE && a->result != E_OK) {
		LOGF(r->log, LOG_INFO, "relay", "login refused",
		    log_u("conn", pool_index(&r->clients, c)));
		login_fail(c, h, l, 401, SL("Wrong password"), SL(""));
		return;
	}
	switch (a->kind) {
	case ASK_LOGIN:
		q.kind = ASK_ISSUE;
		memcpy(q.user, a->user, a->user_n);
		q.user_n = a->user_n;
		ask_set_site(&q, &r->site);
		auth_ask(c, FOR_ISSUE, &q);
		break;
	case ASK_ISSUE:
		if (c->hold == NULL)
			c->hold = head_take(r, a->text_n, &large, c);
		if (c->hold == NULL) {
			login_fail(c, h, l, 503, SL("The relay is busy"),
			    SL("Retry-After: 2\r\n"));
			break;
		}
		memcpy(c->hold, a->text, a->text_n);
		c->hold_n = a->text_n;
		q.kind = ASK_ISSUE_DEVICE;
		q.ttl_s = 0;
		auth_ask(c, FOR_NEW_DEVICE, &q);
		break;
	case ASK_ISSUE_DEVICE:
	default:
		login_done(c, l);
	}
}

static bool
login_origin_ok(const struct relay *r, const struct http_head *h)
{
	const struct http_field *f = http_field_id(h, HTTP_N_ORIGIN, NULL);

	/* A form of a page with no-referrer says null, ours do too. There is
	 * no cookie at stake: whoever sends this knows the password. */
	if (f != NULL && slice_eq(f->value, SL("null")) &&
	    http_field_id(h, HTTP_N_SEC_FETCH_SITE, NULL) == NULL)
		return true;
	return site_same_origin(r, &r->site, h);
}

/*
 * May this client try a password now? A browser that has logged in before
 * carries a device cookie with an allowance of its own, so that guesses
 * behind the same address do not shut it out. False: answered or asked.
 */
static bool
login_allowed(struct client *c, const struct http_head *h,
    const struct login *l)
{
	struct relay *r = c->r;
	struct ask q = { .kind = ASK_DEVICE };
	struct slice device;
	uint8_t area[64];
	struct buf extra = BUF_ON(area);
	uint64_t retry_s = 1, key;
	bool asked = r->verdict != NULL && r->verdict->kind == ASK_DEVICE;

	if (asked && r->verdict->result == E_OK) {
		uint8_t hash[SHA256_BYTES];

		sha256(hash, slice_of(r->verdict->jti, r->verdict->jti_n));
		key = get_u64(hash) | 1;
	} else if (!asked && find_cookie(h, &r->site, SL("-device"),
	    &device) == 1 && ask_set_text(&q, device)) {
		auth_ask(c, FOR_DEVICE, &q);
		return false;
	} else {
		key = address_key(&r->site.client);
	}
	if (bucket_take(r, key, &retry_s))
		return true;
	buf_lit(&extra, "Retry-After: ");
	buf_put_dec(&extra, retry_s);
	buf_lit(&extra, "\r\n");
	login_fail(c, h, l, 429, SL("Too many attempts; wait a little"),
	    buf_slice(&extra));
	return false;
}

void
auth_login(struct client *c, const struct http_head *h, struct slice body)
{
	struct relay *r = c->r;
	struct login l = { .form = false };
	struct ask q = { .kind = ASK_LOGIN };

	if (!login_origin_ok(r, h)) {
		reply_error(c, h, 403, SL("Refused: the request comes from "
		    "another site"), SL(""));
		return;
	}
	if (!login_parse(&l, h, body)) {
		login_fail(c, h, &l, 400, SL("Expected a password"), SL(""));
		return;
	}
	if (r->verdict != NULL && (r->verdict->kind == ASK_LOGIN ||
	    r->verdict->kind == ASK_ISSUE ||
	    r->verdict->kind == ASK_ISSUE_DEVICE)) {
		login_step(c, h, &l);
	} else if (login_allowed(c, h, &l)) {
		ask_set_text(&q, buf_slice(&l.p));
		auth_ask(c, FOR_PASSWORD, &q);
	}
	wipe(&q, sizeof q);
	wipe(l.password, sizeof l.password);
}

/* Close what runs under a session that has ended. */
static void
session_close_all(struct relay *r, const struct client *but, uint64_t id)
{
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		struct client *c = pool_at(&r->clients, i);

		if (pool_live(&r->clients, i) && c != but &&
		    (c->state == CLIENT_PROXY || c->state == CLIENT_WS) &&
		    c->session == id)
			proxy_end_session(c);
	}
}

void
auth_logout(struct client *c, const struct http_head *h,
    const struct session *s)
{
	struct relay *r = c->r;
	uint8_t area[256];
	struct buf b = BUF_ON(area);
	struct ask q = { .kind = ASK_REVOKE, .expires_s = s->expires_s };

	if (r->verdict == NULL || r->verdict->kind != ASK_REVOKE) {
		if (!site_same_origin(r, &r->site, h)) {
			reply_error(c, h, 403, SL("Refused: the request comes "
			    "from another site"), SL(""));
			return;
		}
		if (s->ok && s->jti_n > 0) {
			ask_set_text(&q, slice_of(s->jti, s->jti_n));
			auth_forget(r, s->jti, s->jti_n);
			session_close_all(r, c, s->id);
			auth_ask(c, FOR_REVOKE, &q);
			return;
		}
	}
	put_set_cookie(&b, &r->site, SL(""), SL(""), 0);
	LOGF(r->log, LOG_INFO, "relay", "logout",
	    log_u("conn", pool_index(&r->clients, c)));
	reply_json(c, false, 200, SL("{\"ok\":true}"), buf_slice(&b));
}

/* A one-time code for `next`, which is on the site `to`. */
static void
handover_begin(struct client *c, bool head_only, const struct session *s,
    const struct site *to, struct slice path, struct slice nonce)
{
	struct relay *r = c->r;
	uint8_t text[TOKEN_CHARS], area[3 * URL_NEXT_MAX + 512];
	uint8_t hash[SHA256_BYTES];
	struct buf b = BUF_ON(area), raw = BUF_ON(hash);
	struct code *k = &r->codes[0];

	if (nonce.n != TOKEN_CHARS ||
	    b64_decode(&raw, nonce, B64_URL_BARE) != E_OK ||
	    raw.n != sizeof hash || !put_random(r, text)) {
		reply_redirect(c, head_only, SL("/"), SL(""));
		return;
	}
	for (size_t i = 1; i < CODES_MAX; i++) {
		if (r->codes[i].until_ms < k->until_ms)
			k = &r->codes[i];
	}
	*k = (struct code){ .s = *s,
		.until_ms = r->io->now_ms + CODE_MS };
	memcpy(k->nonce, hash, sizeof hash);
	sha256(k->hash, slice_of(text, sizeof text));
	k->aud_n = to->aud_n;
	memcpy(k->aud, to->aud, to->aud_n);
	site_put_origin(&b, to);
	buf_lit(&b, "/_adit/handover?code=");
	buf_put(&b, slice_of(text, sizeof text));
	buf_lit(&b, "&next=");
	url_put_encoded(&b, path);
	reply_redirect(c, head_only, buf_slice(&b), SL(""));
}

void
auth_login_page(struct client *c, const struct http_head *h,
    const struct session *s)
{
	struct relay *r = c->r;
	uint8_t next_area[URL_NEXT_MAX], nonce_area[TOKEN_CHARS + 1];
	struct buf next = BUF_ON(next_area), nonce = BUF_ON(nonce_area);
	bool head_only = h->verb == HTTP_V_HEAD, found;
	struct slice query = url_query(h->target), path;
	struct site to;

	if (url_form_get(query, SL("next"), &next, &found) != E_OK ||
	    url_form_get(query, SL("h"), &nonce, &found) != E_OK) {
		next.n = 0;
		nonce.n = 0;
	}
	if (!s->ok)
		page_login(c, head_only, 200, buf_slice(&next),
		    buf_slice(&nonce), SL(""), SL(""));
	else if (url_next_ok(buf_slice(&next)))
		reply_redirect(c, head_only, buf_slice(&next), SL(""));
	else if (site_of_url(r, &r->site, buf_slice(&next), &to, &path))
		handover_begin(c, head_only, s, &to, path, buf_slice(&nonce));
	else
		reply_redirect(c, head_only, SL("/"), SL(""));
}

/* The code's entry, which is then spent; NULL if there is none. */
static bool
handover_spend(struct relay *r, const struct http_head *h,
    struct slice code, struct session *s)
{
	uint8_t hash[SHA256_BYTES], nonce[SHA256_BYTES];
	struct slice cookie;

	if (find_cookie(h, &r->site, SL("-nonce"), &cookie) != 1)
		return false;
	sha256(hash, code);
	sha256(nonce, cookie);
	for (size_t i = 0; i < CODES_MAX; i++) {
		struct code *k = &r->codes[i];

		if (k->until_ms <= r->io->now_ms ||
		    !ct_eq(k->hash, hash, sizeof hash))
			continue;
		*s = k->s;
		k->until_ms = 0;
		return ct_eq(k->nonce, nonce, sizeof nonce) &&
		    slice_eq(slice_of(k->aud, k->aud_n),
		    slice_of(r->site.aud, r->site.aud_n));
	}
	return false;
}

/*
 * On an app's site: the code becomes a session for this site. It gets the
 * main session's id and end, so that logging out there ends it here.
 */
void
auth_handover(struct client *c, const struct http_head *h)
{
	struct relay *r = c->r;
	uint8_t code_area[64], next_area[URL_NEXT_MAX];
	uint8_t area[ASK_TEXT_MAX + 512];
	struct buf code = BUF_ON(code_area), next = BUF_ON(next_area);
	struct buf b = BUF_ON(area);
	struct slice query = url_query(h->target);
	struct ask q = { .kind = ASK_ISSUE };
	struct session s;
	bool found;

	if (url_form_get(query, SL("code"), &code, &found) != E_OK ||
	    url_form_get(query, SL("next"), &next, &found) != E_OK ||
	    !url_next_ok(buf_slice(&next))) {
		reply_error(c, h, 400, SL("Not a valid login link"), SL(""));
		return;
	}
	if (r->verdict != NULL && r->verdict->kind == ASK_ISSUE &&
	    r->verdict->result == E_OK) {
		put_set_cookie(&b, &r->site, SL(""), slice_of(r->verdict->text,
		    r->verdict->text_n), r->cfg->session_ttl_s);
		put_set_cookie(&b, &r->site, SL("-nonce"), SL(""), 0);
		reply_redirect(c, h->verb == HTTP_V_HEAD, buf_slice(&next),
		    buf_slice(&b));
		return;
	}
	if (r->verdict != NULL || h->verb != HTTP_V_GET ||
	    !handover_spend(r, h, buf_slice(&code), &s)) {
		reply_redirect(c, h->verb == HTTP_V_HEAD, buf_slice(&next),
		    SL(""));
		return;
	}
	q.ttl_s = s.expires_s > r->io->wall_ms / 1000 ?
	    s.expires_s - r->io->wall_ms / 1000 : 1;
	memcpy(q.user, s.user.b, s.user.n);
	q.user_n = s.user.n;
	ask_set_text(&q, slice_of(s.jti, s.jti_n));
	ask_set_site(&q, &r->site);
	auth_ask(c, FOR_HANDOVER, &q);
}

/* Where to go on after login: half an address would be a wrong one. */
static struct slice
next_target(const struct http_head *h, size_t max)
{
	return h->target.n <= max ? h->target : SL("/");
}

/* Not logged in: to the login page, or 401 for programs. */
void
auth_refuse(struct client *c, const struct http_head *h, bool bad_cookie)
{
	struct relay *r = c->r;
	uint8_t area[3 * HTTP_TARGET_MAX + 1024], ex[512];
	uint8_t nonce[TOKEN_CHARS], hash[SHA256_BYTES];
	struct buf b = BUF_ON(area), extra = BUF_ON(ex);

	if (bad_cookie)
		put_set_cookie(&extra, &r->site, SL(""), SL(""), 0);
	if (!site_is_navigation(h)) {
		reply_error(c, h, 401, SL("Login required"),
		    buf_slice(&extra));
		return;
	}
	if (r->site.kind != SITE_APP) {
		buf_lit(&b, "/_adit/login?next=");
		url_put_encoded(&b, next_target(h, URL_NEXT_MAX));
	} else if (put_random(r, nonce)) {
		put_set_cookie(&extra, &r->site, SL("-nonce"),
		    slice_of(nonce, sizeof nonce), 600);
		site_put_main(&b, r, &r->site);
		buf_lit(&b, "/_adit/login?next=");
		url_put_encoded(&b, r->site.secure ? SL("https://") :
		    SL("http://"));
		url_put_encoded(&b, r->site.host);
		url_put_encoded(&b, next_target(h, URL_NEXT_MAX / 2));
		sha256(hash, slice_of(nonce, sizeof nonce));
		buf_lit(&b, "&h=");
		b64_encode(&b, slice_of(hash, sizeof hash), B64_URL_BARE);
	}
	if (!buf_ok(&b))
		reply_error(c, h, 401, SL("Login required"),
		    buf_slice(&extra));
	else
		reply_redirect(c, h->verb == HTTP_V_HEAD, buf_slice(&b),
		    buf_slice(&extra));
}
