/*
 * The handover: an app's site without a session sets a nonce cookie and sends
 * the browser to the main site's login with the nonce's hash. Whoever is
 * logged in there gets a one-time code for that hash, that site and 30 seconds.
 * The app's site takes the code only with the nonce cookie: a code that leaks,
 * or is forced on somebody, is worth nothing.
 */
#include "relay/parts.h"

#include "codec/b64.h"
#include "crypto/ct.h"
#include "crypto/hash.h"

void
handover_begin(struct client *c, bool head_only, const struct session *s,
    const struct site *to, struct slice path, struct slice nonce)
{
	struct relay *r = c->r;
	uint8_t text[AUTH_TOKEN_CHARS], area[3 * URL_NEXT_MAX + 512];
	uint8_t hash[SHA256_BYTES];
	struct buf b = BUF_ON(area), raw = BUF_ON(hash);
	struct code *k = &r->codes[0];

	if (nonce.n != AUTH_TOKEN_CHARS ||
	    b64_decode(&raw, nonce, B64_URL_BARE) != E_OK ||
	    raw.n != sizeof hash || !auth_random(r, text)) {
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

/* The code's entry, which is then spent; NULL if there is none. */
static bool
handover_spend(struct relay *r, const struct http_head *h,
    struct slice code, struct session *s)
{
	uint8_t hash[SHA256_BYTES], nonce[SHA256_BYTES];
	struct slice cookie;

	if (auth_cookie(h, &r->site, SL("-nonce"), &cookie) != 1)
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
handover_end(struct client *c, const struct http_head *h)
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
		auth_put_cookie(&b, &r->site, SL(""), slice_of(r->verdict->text,
		    r->verdict->text_n), r->cfg->session_ttl_s);
		auth_put_cookie(&b, &r->site, SL("-nonce"), SL(""), 0);
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
	auth_ask_text(&q, slice_of(s.jti, s.jti_n));
	auth_ask_site(&q, &r->site);
	auth_ask(c, FOR_HANDOVER, &q);
}
