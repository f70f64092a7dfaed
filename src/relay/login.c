/*
 * Logging in and out.
 *
 * A login is up to four questions, each asked when the last was answered: is
 * the device known, is the password right, a token for the session, a cookie
 * for the device. Names that do not exist are asked like others, so they get
 * the same answer after the same time.
 *
 * Guesses. Each address has an allowance, and each account a smaller one for
 * each address, so that trying one account from somewhere does not use up what
 * others have there. When an account is tried from many addresses, no address
 * is refused for it: each has few tries then, and slowly more, so that its
 * owner still gets in from wherever they are. A browser that has logged in
 * before carries a signed cookie with an allowance of its own for that account:
 * nobody can use that up but who has the cookie.
 */
#include "relay/parts.h"

#include "base/num.h"
#include "codec/json.h"
#include "crypto/ct.h"
#include "crypto/hash.h"

/* What a person sent: user, password, and where to go on. */
struct login {
	uint8_t user[ASK_USER_MAX];
	uint8_t password[ASK_TEXT_MAX];
	uint8_t next[URL_NEXT_MAX];
	uint8_t nonce[AUTH_TOKEN_CHARS + 1];
	struct buf u, p, n, h;
	bool form;
};

_Static_assert(GUESSED_BURST * GUESSED_MS == TRIES_BURST * TRY_MS,
    "the two measures are of one bucket");

static struct bucket *
bucket_of(struct relay *r, uint64_t key)
{
	size_t at = (size_t)((key ^ r->cfg->hash_seed) *
	    0x9e3779b97f4a7c15u >> 40) % BUCKETS;
	struct bucket *best = NULL;

	for (size_t i = 0; i < 8; i++) {
		struct bucket *b = &r->buckets[(at + i) % BUCKETS];

		if (b->key == key)
			return b;
		if (best == NULL || b->full_ms < best->full_ms)
			best = b;
	}
	*best = (struct bucket){ .key = key };
	return best;
}

/*
 * Take a try out of the bucket `key`, which holds `burst` and gets one more
 * every each_ms. False, and how long to wait, if there is none.
 */
static bool
bucket_take(struct relay *r, uint64_t key, uint64_t burst, uint64_t each_ms,
    uint64_t *retry_s)
{
	struct bucket *b = bucket_of(r, key);
	uint64_t now = r->io->now_ms;
	uint64_t full = max_u64(b->full_ms, now) + each_ms;

	if (full - now > burst * each_ms) {
		*retry_s = (full - now - burst * each_ms + 999) / 1000;
		return false;
	}
	b->full_ms = full;
	return true;
}

static uint64_t
bucket_key(char what, struct slice a, struct slice b)
{
	uint8_t hash[SHA256_BYTES];
	struct sha256 sum;

	sha256_init(&sum);
	sha256_add(&sum, slice_of(&what, 1));
	sha256_add(&sum, slice_of(&a.n, sizeof a.n));
	sha256_add(&sum, a);
	sha256_add(&sum, b);
	sha256_out(&sum, hash);
	return get_u64(hash) | 1;
}

/* By address: see the top of this file. */
static bool
address_try(struct relay *r, struct slice user, uint64_t *retry_s)
{
	const struct addr *a = &r->site.client;
	struct slice from = slice_of(a->ip, a->family == ADDR_V4 ? 4 : 8);
	uint64_t ignored;
	/* All of its tries were used, from wherever, before this one. */
	bool guessed = !bucket_take(r, bucket_key('u', user, SL("")),
	    ACCOUNT_BURST, ACCOUNT_MS, &ignored);

	return bucket_take(r, bucket_key('b', from, user),
	    guessed ? GUESSED_BURST : TRIES_BURST,
	    guessed ? GUESSED_MS : TRY_MS, retry_s) &&
	    bucket_take(r, bucket_key('a', from, SL("")), ADDRESS_BURST,
	    ADDRESS_MS, retry_s);
}

bool
login_token_wrong(struct relay *r, uint64_t *retry_s)
{
	const struct addr *a = &r->site.client;

	return bucket_take(r, bucket_key('t', slice_of(a->ip,
	    a->family == ADDR_V4 ? 4 : 8), SL("")), TOKENS_BURST, TOKEN_MS,
	    retry_s);
}

bool
login_again(struct relay *r, struct slice user, uint64_t *retry_s)
{
	/* From wherever: all sessions of an account share them. */
	return bucket_take(r, bucket_key('p', user, SL("")), TRIES_BURST,
	    TRY_MS, retry_s);
}

static bool
login_parse_json(struct login *l, struct slice body)
{
	struct json v;
	struct json_field f[2] = {
		{ .name = SL("password") }, { .name = SL("user") } };

	return json_parse(body, 4, &v) == E_OK &&
	    json_fields(v, f, 2) == E_OK &&
	    json_string(f[0].v, &l->p) == E_OK &&
	    (f[1].v.kind == JSON_NONE || json_string(f[1].v, &l->u) == E_OK);
}

static bool
login_parse(struct login *l, const struct http_head *h, struct slice body)
{
	const struct http_field *f =
	    http_field_id(h, HTTP_N_CONTENT_TYPE, NULL);
	static const struct slice form =
	    SL_INIT("application/x-www-form-urlencoded");
	bool found;

	l->u = BUF_ON(l->user);
	l->p = BUF_ON(l->password);
	l->n = BUF_ON(l->next);
	l->h = BUF_ON(l->nonce);
	l->form = f != NULL && f->value.n >= form.n &&
	    slice_ieq(slice_head(f->value, form.n), form);
	if (!l->form)
		return login_parse_json(l, body);
	return url_form_get(body, SL("password"), &l->p, &found) == E_OK &&
	    found && url_form_get(body, SL("user"), &l->u, &found) == E_OK &&
	    url_form_get(body, SL("next"), &l->n, &found) == E_OK &&
	    url_form_get(body, SL("h"), &l->h, &found) == E_OK;
}

static void
login_fail(struct client *c, const struct http_head *h, const struct login *l,
    unsigned status, struct slice text, struct slice extra)
{
	if (l->form)
		page_login(c, false, status, buf_slice(&l->u),
		    buf_slice(&l->n), buf_slice(&l->h), text, extra);
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

/* "Retry-After: N" for a 429, as a line of its own. */
static void
login_later(struct client *c, const struct http_head *h, const struct login *l,
    uint64_t retry_s, struct slice text)
{
	uint8_t area[64];
	struct buf extra = BUF_ON(area);

	buf_lit(&extra, "Retry-After: ");
	buf_put_dec(&extra, retry_s);
	buf_lit(&extra, "\r\n");
	login_fail(c, h, l, 429, text, buf_slice(&extra));
}

/* The keeper said no, or not now. */
static void
login_refused(struct client *c, const struct http_head *h,
    const struct login *l, enum err e)
{
	struct relay *r = c->r;

	r->logins_refused++;
	LOGF(r->log, LOG_INFO, "relay", "login refused",
	    log_u("conn", pool_index(&r->clients, c)),
	    log_c("why", err_name(e)));
	if (e == E_FULL)
		login_later(c, h, l, 2, SL("Many people are logging in; try "
		    "again in a moment"));
	else
		login_fail(c, h, l, 401, r->mode == RELAY_SHARED ?
		    SL("Wrong password") : SL("Wrong name or password"),
		    SL(""));
}

/* The session's token waits in c->hold for the device's. */
static bool
login_hold(struct client *c, struct slice token)
{
	bool large;

	if (c->hold == NULL)
		c->hold = head_take(c->r, token.n, &large, c);
	if (c->hold == NULL)
		return false;
	memcpy(c->hold, token.p, token.n);
	c->hold_n = (uint32_t)token.n;
	return true;
}

void
login_cookies(struct client *c, struct buf *b)
{
	struct relay *r = c->r;
	const struct answer *a = r->verdict;

	auth_put_cookie(b, &r->site, SL(""), slice_of(c->hold, c->hold_n),
	    r->cfg->session_ttl_s);
	if (a->result == E_OK)
		auth_put_cookie(b, &r->site, SL("-device"),
		    slice_of(a->text, a->text_n), (uint64_t)180 * 86400);
	wipe(c->hold, c->hold_n);
	head_give(r, c->hold, false);
	c->hold = NULL;
	r->logins++;
	LOGF(r->log, LOG_INFO, "relay", "login",
	    log_u("conn", pool_index(&r->clients, c)));
}

enum err
login_issue(struct client *c, const struct http_head *h)
{
	struct relay *r = c->r;
	const struct answer *a = r->verdict;
	struct ask q = { .kind = ASK_ISSUE, .ttl_s = r->cfg->session_ttl_s };

	if (a->kind == ASK_ISSUE_DEVICE)
		return E_OK;
	if (a->result != E_OK)
		return a->result;
	if (a->kind == ASK_ISSUE) {
		if (!login_hold(c, slice_of(a->text, a->text_n)))
			return E_FULL;
		q.kind = ASK_ISSUE_DEVICE;
		q.ttl_s = 0;
	} else {
		auth_ask_text(&q, slice_of(a->jti, a->jti_n));
		auth_ask_site(&q, &r->site);
		auth_ask_from(&q, &r->site, h);
	}
	auth_ask_user(&q, slice_of(a->user, a->user_n));
	auth_ask(c, FOR_ISSUE, &q);
	return E_MORE;
}

static void
login_done(struct client *c, const struct login *l)
{
	uint8_t area[2 * ASK_TEXT_MAX + 512];
	struct buf b = BUF_ON(area);

	login_cookies(c, &b);
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
	enum err e = login_issue(c, h);

	if (e == E_OK)
		login_done(c, l);
	else if (e != E_MORE)
		login_refused(c, h, l, e);
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
	const struct answer *a = r->verdict;
	struct slice device, user = buf_slice(&l->u);
	uint64_t retry_s = 1;
	bool asked = a != NULL && a->kind == ASK_DEVICE, may;

	if (!asked && auth_cookie(h, &r->site, SL("-device"), &device) == 1 &&
	    auth_ask_text(&q, device)) {
		auth_ask_user(&q, user);
		auth_ask(c, FOR_DEVICE, &q);
		return false;
	}
	if (asked && a->result == E_OK)
		may = bucket_take(r, bucket_key('d', slice_of(a->jti,
		    a->jti_n), user), TRIES_BURST, TRY_MS, &retry_s);
	else
		may = address_try(r, user, &retry_s);
	if (may)
		return true;
	r->logins_refused++;
	login_later(c, h, l, retry_s, SL("Too many attempts; wait a little"));
	return false;
}

void
login_post(struct client *c, const struct http_head *h, struct slice body)
{
	struct relay *r = c->r;
	struct login l = { .form = false };
	struct ask q = { .kind = ASK_LOGIN };

	if (!login_origin_ok(r, h)) {
		reply_foreign(c, h);
		return;
	}
	if (!login_parse(&l, h, body)) {
		login_fail(c, h, &l, 400, SL("Expected a password"), SL(""));
		return;
	}
	if (r->mode == RELAY_SHARED && l.u.n == 0)
		buf_lit(&l.u, "shared");
	if (r->verdict != NULL && (r->verdict->kind == ASK_LOGIN ||
	    r->verdict->kind == ASK_ISSUE ||
	    r->verdict->kind == ASK_ISSUE_DEVICE)) {
		login_step(c, h, &l);
	} else if (login_allowed(c, h, &l)) {
		auth_ask_text(&q, buf_slice(&l.p));
		if (r->mode != RELAY_SHARED ||
		    !slice_eq(buf_slice(&l.u), SL("shared")))
			auth_ask_user(&q, buf_slice(&l.u));
		auth_ask_from(&q, &r->site, h);
		auth_ask(c, FOR_PASSWORD, &q);
	}
	wipe(&q, sizeof q);
	wipe(l.password, sizeof l.password);
}

void
login_out(struct client *c, const struct http_head *h,
    const struct session *s)
{
	struct relay *r = c->r;
	uint8_t area[256];
	struct buf b = BUF_ON(area);
	struct ask q = { .kind = ASK_REVOKE };
	struct slice token;

	if (r->verdict == NULL || r->verdict->kind != ASK_REVOKE) {
		if (!site_same_origin(r, &r->site, h)) {
			reply_foreign(c, h);
			return;
		}
		if (s->ok && s->jti_n > 0)
			auth_end(r, c, slice_of(s->jti, s->jti_n));
		/* Also one that is no longer good: the keeper knows more
		 * than the clock. */
		if (auth_cookie(h, &r->site, SL(""), &token) == 1 &&
		    auth_ask_text(&q, token)) {
			auth_ask_site(&q, &r->site);
			auth_ask_from(&q, &r->site, h);
			auth_ask(c, FOR_REVOKE, &q);
			return;
		}
	}
	if (r->verdict != NULL && r->verdict->jti_n > 0)
		auth_end(r, c, slice_of(r->verdict->jti, r->verdict->jti_n));
	if (r->verdict != NULL && r->verdict->kind == ASK_REVOKE &&
	    r->verdict->result != E_OK) {
		reply_error(c, h, 500, SL("The end of the session could not "
		    "be written down; try again"), SL(""));
		return;
	}
	auth_put_cookie(&b, &r->site, SL(""), SL(""), 0);
	LOGF(r->log, LOG_INFO, "relay", "logout",
	    log_u("conn", pool_index(&r->clients, c)));
	reply_json(c, false, 200, SL("{\"ok\":true}"), buf_slice(&b));
}

void
login_page(struct client *c, const struct http_head *h,
    const struct session *s)
{
	struct relay *r = c->r;
	uint8_t next_area[URL_NEXT_MAX], nonce_area[AUTH_TOKEN_CHARS + 1];
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
		page_login(c, head_only, 200, SL(""), buf_slice(&next),
		    buf_slice(&nonce), SL(""), SL(""));
	else if (url_next_ok(buf_slice(&next)))
		reply_redirect(c, head_only, buf_slice(&next), SL(""));
	else if (site_of_url(r, &r->site, buf_slice(&next), &to, &path))
		handover_begin(c, head_only, s, &to, path, buf_slice(&nonce));
	else
		reply_redirect(c, head_only, SL("/"), SL(""));
}
