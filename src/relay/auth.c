/*
 * Who is it, and may they? Sessions and API tokens are the keeper's to sign
 * and check; here is the cookie, and the cache of its verdicts.
 *
 * A question to the keeper suspends the request: it is kept whole and looked at
 * again when the answer is there (r->verdict), so every function below is
 * written as if the answer had always been known, and asks where it is not.
 *
 * A verdict may be kept because the keeper says by itself when it is no longer
 * true (NOTE_*): it is forgotten then, and what runs on it is closed. Its notes
 * and answers come in the order in which they were true, so no verdict is kept
 * that was overtaken on the way.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"
#include "crypto/hash.h"

/* [__Host-]adit[-PORT][-kind]: cookies know no port, so where apps have ports
 * of their own the name tells them apart. */
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

void
auth_put_cookie(struct buf *b, const struct site *site, struct slice kind,
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

size_t
auth_cookie(const struct http_head *h, const struct site *site,
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

struct slice
auth_bearer(const struct http_head *h)
{
	const struct http_field *f =
	    http_field_id(h, HTTP_N_AUTHORIZATION, NULL);
	static const struct slice bearer = SL_INIT("bearer ");
	struct slice token = { NULL, 0 };

	if (f != NULL && f->value.n > bearer.n &&
	    slice_ieq(slice_head(f->value, bearer.n), bearer))
		token = slice_trim(slice_from(f->value, bearer.n));
	return token;
}

struct slice
auth_proof(const struct http_head *h, const struct site *site)
{
	struct slice token;

	return auth_cookie(h, site, SL(""), &token) == 1 ? token :
	    auth_bearer(h);
}

bool
auth_random(struct relay *r, uint8_t out[AUTH_TOKEN_CHARS])
{
	uint8_t raw[32];
	struct buf b = buf_of(out, AUTH_TOKEN_CHARS);

	io_random(r->io, raw, sizeof raw);
	return b64_encode(&b, slice_of(raw, sizeof raw), B64_URL_BARE);
}

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

bool
auth_ask_text(struct ask *q, struct slice text)
{
	if (text.n > sizeof q->text)
		return false;
	if (text.n > 0)
		memcpy(q->text, text.p, text.n);
	q->text_n = (uint16_t)text.n;
	return true;
}

void
auth_ask_site(struct ask *q, const struct site *site)
{
	memcpy(q->site, site->aud, site->aud_n);
	q->site_n = site->aud_n;
}

void
auth_ask_user(struct ask *q, struct slice user)
{
	if (user.n > 0)
		memcpy(q->user, user.p, user.n);
	q->user_n = (uint16_t)user.n;
}

void
auth_ask_from(struct ask *q, const struct site *site,
    const struct http_head *h)
{
	const struct http_field *f =
	    http_field_id(h, HTTP_N_USER_AGENT, NULL);
	struct buf from = BUF_ON(q->from), device = BUF_ON(q->device);

	if (addr_put_ip(&from, &site->client))
		q->from_n = (uint16_t)from.n;
	if (f != NULL)
		buf_put(&device, slice_head(f->value, sizeof q->device));
	q->device_n = (uint16_t)device.n;
}

/* ---- verdicts ------------------------ */

/* The first 64 bits of a hash, odd: never the id of an API token. */
static uint64_t
id_of(struct slice s)
{
	uint8_t hash[SHA256_BYTES];

	sha256(hash, s);
	return get_u64(hash) | 1;
}

static uint64_t
token_id(uint32_t credential)
{
	return (uint64_t)credential << 1;
}

static uint8_t
scopes_of(unsigned role)
{
	static const uint8_t scopes[] = {
		[ROLE_VIEWER] = SCOPE_READ,
		[ROLE_MEMBER] = SCOPE_READ | SCOPE_APPS,
		[ROLE_ADMIN] = SCOPES_ALL,
	};

	return role < sizeof scopes ? scopes[role] : 0;
}

static void
session_from(struct session *s, const struct answer *a)
{
	bool token = a->kind == ASK_BEARER;

	*s = (struct session){ .ok = true, .expires_s = a->expires_s,
		.role = a->role, .rules = a->rules,
		.scopes = token ? a->scopes : scopes_of(a->role) };
	name_set(&s->user, slice_of(a->user, a->user_n));
	s->jti_n = (uint8_t)min_size(a->jti_n, sizeof s->jti);
	memcpy(s->jti, a->jti, s->jti_n);
	s->id = token ? token_id(a->credential) :
	    id_of(slice_of(s->jti, s->jti_n));
	s->person = token ? 0 : id_of(name_slice(&s->user));
	if ((s->scopes & SCOPE_ADMIN) != 0)
		s->scopes = SCOPES_ALL;
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

static enum auth
auth_verdict(struct relay *r, struct slice aud, const uint8_t hash[32],
    struct session *s)
{
	const struct answer *a = r->verdict;
	struct cached *k;
	bool hit;

	if (a->result != E_OK)
		return a->kind == ASK_BEARER ? AUTH_NO : AUTH_BAD;
	session_from(s, a);
	k = cache_slot(r, hash, &hit);
	memcpy(k->hash, hash, sizeof k->hash);
	k->until_ms = r->io->now_ms + SESSION_CHECK_MS;
	k->s = *s;
	k->aud_n = (uint16_t)aud.n;
	memcpy(k->aud, aud.p, aud.n);
	return AUTH_YES;
}

enum auth
auth_request(struct client *c, const struct http_head *h,
    const struct site *site, struct session *s)
{
	struct relay *r = c->r;
	struct slice token = { NULL, 0 }, aud;
	uint8_t hash[SHA256_BYTES];
	struct ask q = { .kind = ASK_SESSION };
	struct cached *k;
	bool hit;

	*s = (struct session){ 0 };
	if (r->mode == RELAY_OPEN) {
		s->ok = true;
		s->role = ROLE_ADMIN;
		s->scopes = SCOPES_ALL;
		return AUTH_YES;
	}
	switch (auth_cookie(h, site, SL(""), &token)) {
	case 0:
		q.kind = ASK_BEARER;
		token = auth_bearer(h);
		if (!slice_starts(token, SL("adit_")))
			return AUTH_NO;
		break;
	case 1:
		break;
	default:
		return AUTH_BAD;
	}
	/* An API token is good at every site. */
	aud = slice_of(site->aud, q.kind == ASK_SESSION ? site->aud_n : 0);
	sha256(hash, token);
	if (r->verdict != NULL && r->verdict->kind == q.kind)
		return auth_verdict(r, aud, hash, s);
	k = cache_slot(r, hash, &hit);
	if (hit && slice_eq(slice_of(k->aud, k->aud_n), aud) &&
	    (k->s.expires_s == 0 ||
	    k->s.expires_s > r->io->wall_ms / 1000)) {
		*s = k->s;
		return AUTH_YES;
	}
	if (!auth_ask_text(&q, token))
		return AUTH_BAD;
	auth_ask_site(&q, site);
	auth_ask_from(&q, site, h);
	auth_ask(c, FOR_SESSION, &q);
	return AUTH_ASKED;
}

/* ---- access to apps ------------------------ */

/* ASK_ACCESS for one app, by that session. */
static void
ask_access(struct ask *q, struct slice by, const struct remote *l,
    uint16_t app)
{
	struct buf text = BUF_ON(q->text);

	q->kind = ASK_ACCESS;
	assert(by.n <= sizeof q->by);
	buf_put(&text, name_slice(&l->name));
	buf_lit(&text, "/");
	buf_put(&text, name_slice(&l->apps[app].name));
	q->text_n = (uint16_t)text.n;
	if (by.n > 0)
		memcpy(q->by, by.p, by.n);
	q->by_n = (uint16_t)by.n;
}

enum auth
auth_access(struct client *c, const struct session *s,
    const struct remote *l, uint16_t app)
{
	struct relay *r = c->r;
	const struct answer *a = r->verdict;
	uint8_t hash[SHA256_BYTES];
	struct allowed *k;
	struct ask q = { .text_n = 0 };
	struct sha256 sum;

	if ((s->scopes & SCOPE_APPS) == 0)
		return AUTH_NO;
	if (s->rules == 0 || l == NULL)
		return AUTH_YES;
	ask_access(&q, slice_of(s->jti, s->jti_n), l, app);
	sha256_init(&sum);
	sha256_add(&sum, slice_of(&s->id, sizeof s->id));
	sha256_add(&sum, slice_of(q.text, q.text_n));
	sha256_out(&sum, hash);
	k = &r->access[get_u32(hash) % ACCESS_CACHED];
	if (a != NULL && a->kind == ASK_ACCESS) {
		memcpy(k->key, hash, sizeof k->key);
		k->until_ms = r->io->now_ms + SESSION_CHECK_MS;
		k->yes = a->result == E_OK;
	}
	if (k->until_ms > r->io->now_ms &&
	    memcmp(k->key, hash, sizeof k->key) == 0)
		return k->yes ? AUTH_YES : AUTH_NO;
	auth_ask(c, FOR_ACCESS, &q);
	return AUTH_ASKED;
}

void
auth_rechecked(struct client *c, const struct answer *a)
{
	if ((c->state == CLIENT_PROXY || c->state == CLIENT_WS) &&
	    c->ask_seq == a->seq && a->result != E_OK)
		proxy_end_session(c);
}

bool
auth_recheck(struct relay *r)
{
	unsigned n = 0;

	for (; r->recheck < r->clients.fresh; r->recheck++) {
		struct client *c = pool_at(&r->clients, r->recheck);
		struct ask q = { .now_s = r->io->wall_ms / 1000 };

		if (!pool_live(&r->clients, r->recheck) || c->session == 0 ||
		    (c->state != CLIENT_PROXY && c->state != CLIENT_WS))
			continue;
		ask_access(&q, slice_of(c->s->jti, c->s->jti_n), c->s->l,
		    c->s->app);
		q.seq = c->ask_seq = ++r->ask_seq;
		q.who = pool_handle(&r->clients, c);
		if (n++ == RECHECKS || !r->io->ops->ask(r->io->ctx, &q))
			return true;
	}
	r->recheck = UINT32_MAX;
	return false;
}

/* ---- the end of sessions ------------------------ */

/* One of the two may be 0, for none. */
struct who { uint64_t session, person; };

static bool
is_who(const struct who *w, uint64_t session, uint64_t person)
{
	return (w->session != 0 && w->session == session) ||
	    (w->person != 0 && w->person == person);
}

static void
forget(struct relay *r, const struct who *w)
{
	for (size_t i = 0; i < SESSIONS_CACHED; i++) {
		if (is_who(w, r->cache[i].s.id, r->cache[i].s.person))
			r->cache[i] = (struct cached){ 0 };
	}
	for (size_t i = 0; i < CODES_MAX; i++) {
		if (is_who(w, r->codes[i].s.id, r->codes[i].s.person))
			r->codes[i] = (struct code){ 0 };
	}
}

static void
forget_all(struct relay *r)
{
	memset(r->cache, 0, sizeof *r->cache * SESSIONS_CACHED);
	memset(r->access, 0, sizeof *r->access * ACCESS_CACHED);
}

/* Close what runs, but what `but` and the session `keep` (or 0) do: streams of
 * apps, and unless `apps` what is live too. */
static void
close_all(struct relay *r, const struct client *but, const struct who *w,
    uint64_t keep, bool apps)
{
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		struct client *c = pool_at(&r->clients, i);

		if (!pool_live(&r->clients, i) || c == but ||
		    (keep != 0 && c->session == keep) ||
		    !is_who(w, c->session, c->person))
			continue;
		if (c->state == CLIENT_PROXY || c->state == CLIENT_WS ||
		    (c->state == CLIENT_LIVE && !apps))
			proxy_end_session(c);
	}
}

void
auth_end(struct relay *r, const struct client *but, struct slice jti)
{
	struct who w = { .session = id_of(jti) };

	forget(r, &w);
	close_all(r, but, &w, 0, false);
}

/* Their role is another now; or it is over with their sessions, but one. */
static void
note_user(struct relay *r, const struct answer *a)
{
	struct who w = { .person = id_of(slice_of(a->user, a->user_n)) };
	uint64_t keep = a->jti_n > 0 ? id_of(slice_of(a->jti, a->jti_n)) : 0;

	forget(r, &w);
	if (a->result != E_OK)
		close_all(r, NULL, &w, keep, false);
	if ((scopes_of(a->role) & SCOPE_APPS) == 0)
		close_all(r, NULL, &w, 0, true);
}

void
auth_note(struct relay *r, const struct answer *a)
{
	struct who w = { 0 };

	switch (a->kind) {
	case NOTE_SESSION:
		auth_end(r, NULL, slice_of(a->jti, a->jti_n));
		break;
	case NOTE_USER:
		note_user(r, a);
		break;
	case NOTE_CREDENTIAL:
		w.session = token_id(a->credential);
		forget(r, &w);
		close_all(r, NULL, &w, 0, false);
		remote_end_credential(r, a->credential);
		channel_credential_gone(r, a->credential);
		break;
	case NOTE_FLUSH:
		forget_all(r);
		r->limited_n = a->text_n;
		memcpy(r->limited, a->text, a->text_n);
		r->recheck = 0;
		break;
	case NOTE_MODE:
		forget_all(r);
		relay_set_mode(r, slice_of(a->text, a->text_n));
		break;
	default:
		break;
	}
}

/* ---- not logged in ------------------------ */

/* Where to go on after login: half an address would be a wrong one. */
static struct slice
next_target(const struct http_head *h, size_t max)
{
	return h->target.n <= max ? h->target : SL("/");
}

void
auth_refuse(struct client *c, const struct http_head *h, bool bad_cookie)
{
	struct relay *r = c->r;
	uint8_t area[3 * HTTP_TARGET_MAX + 1024], ex[512];
	uint8_t nonce[AUTH_TOKEN_CHARS], hash[SHA256_BYTES];
	struct buf b = BUF_ON(area), extra = BUF_ON(ex);

	if (bad_cookie)
		auth_put_cookie(&extra, &r->site, SL(""), SL(""), 0);
	if (!site_is_navigation(h)) {
		reply_error(c, h, 401, SL("Login required"),
		    buf_slice(&extra));
		return;
	}
	if (r->site.kind != SITE_APP) {
		buf_lit(&b, "/_adit/login?next=");
		url_put_encoded(&b, next_target(h, URL_NEXT_MAX));
	} else if (auth_random(r, nonce)) {
		auth_put_cookie(&extra, &r->site, SL("-nonce"),
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
