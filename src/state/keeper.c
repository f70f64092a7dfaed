/*
 * Every question is answered from its own bytes: they will come from a process
 * that parses the internet, so lengths are checked here again and no error of
 * that process makes a token that says more than it asked for.
 *
 * Derived keys (HKDF with a label each) part the uses: nothing that ASK_SIGN
 * can be made to sign is a device cookie or a session. The JWT secret is used
 * as it is for sessions alone, so that HS256 means what it says.
 */
#include "state/keeper.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"
#include "codec/json.h"
#include "crypto/jwt.h"
#include "state/strength.h"

enum {
	DEVICE_BODY_BYTES = JTI_BYTES + 8,      /* id, expiry */
	DEVICE_BYTES = DEVICE_BODY_BYTES + SHA256_BYTES,
	CLAIMS_MAX = 1024,
};

_Static_assert((int)STRENGTH_JWT_MIN >= (int)JWT_KEY_MIN,
    "jwt_sign asserts the length of its key");

static void
derive(uint8_t key[SHA256_BYTES], const struct secret *from, struct slice use)
{
	hkdf_sha256(key, SHA256_BYTES, SL(""), secret_bytes(from), use);
}

/* gen: an HMAC, so that nobody without the JWT secret can try passwords. */
static void
derive_gen(struct keeper *k, const struct keeper_cfg *cfg)
{
	uint8_t key[SHA256_BYTES], mac[SHA256_BYTES];
	struct buf out = BUF_ON(k->gen);

	derive(key, cfg->jwt, SL("adit 1 password generation"));
	hmac_sha256(mac, slice_of(key, sizeof key),
	    secret_bytes(cfg->password));
	b64_encode(&out, slice_of(mac, KEEPER_GEN_BYTES), B64_URL_BARE);
	assert(out.n == KEEPER_GEN_CHARS);
	wipe(key, sizeof key);
	wipe(mac, sizeof mac);
}

/* The MAC by which two texts are compared, for one use. */
static void
compare_mac(uint8_t mac[SHA256_BYTES], const struct keeper *k,
    struct slice use, struct slice text)
{
	struct hmac h;

	hmac_init(&h, slice_of(k->key_compare, sizeof k->key_compare));
	hmac_add(&h, use);
	hmac_add(&h, text);
	hmac_out(&h, mac);
	hmac_wipe(&h);
}

static const struct slice use_password = SL_INIT("password:");
static const struct slice use_token = SL_INIT("token:");

void
keeper_init(struct keeper *k, const struct keeper_cfg *cfg)
{
	assert(cfg->jwt->n >= STRENGTH_JWT_MIN);
	memset(k, 0, sizeof *k);
	k->io = cfg->io;
	rng_init(&k->rng, cfg->seed);
	secret_set(&k->jwt, secret_bytes(cfg->jwt));
	derive(k->key_device, cfg->jwt, SL("adit 1 device cookie"));
	derive(k->key_sign, cfg->jwt, SL("adit 1 sign"));
	derive_gen(k, cfg);
	rng_fill(&k->rng, k->key_compare, sizeof k->key_compare);
	k->has_password = cfg->password->n > 0;
	compare_mac(k->password_mac, k, use_password,
	    secret_bytes(cfg->password));
	k->has_token = cfg->token->n > 0;
	compare_mac(k->token_mac, k, use_token, secret_bytes(cfg->token));
}

void
keeper_wipe(struct keeper *k)
{
	rng_wipe(&k->rng);
	wipe(k, sizeof *k);
}

static enum err
compare(const struct keeper *k, struct slice use, struct slice text,
    const uint8_t want[SHA256_BYTES], bool is_set)
{
	uint8_t mac[SHA256_BYTES];
	bool same;

	compare_mac(mac, k, use, text);
	same = ct_eq(mac, want, sizeof mac);
	wipe(mac, sizeof mac);
	return same && is_set ? E_OK : E_AUTH;
}

/* Copy into one of the answer's arrays. False if it does not fit. */
static bool
give(uint8_t *to, uint16_t *to_n, size_t max, struct slice s)
{
	if (s.n > max)
		return false;
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	*to_n = to_u16(s.n);
	return true;
}

#define GIVE(a, field, s) \
	give((a)->field, &(a)->field##_n, sizeof (a)->field, (s))

static enum err
answer_password(const struct keeper *k, struct slice guess, struct answer *a)
{
	enum err e = compare(k, use_password, guess, k->password_mac,
	    k->has_password);

	if (e == E_OK)
		GIVE(a, user, SL("shared"));
	return e;
}

static enum err
answer_token(const struct keeper *k, struct slice guess, struct answer *a)
{
	enum err e = compare(k, use_token, guess, k->token_mac, k->has_token);

	if (e == E_OK)
		a->credential = KEEPER_SHARED_TOKEN;
	return e;
}

static bool
expiry(uint64_t *expires_s, uint64_t now_s, uint64_t ttl_s)
{
	return !ckd_add(expires_s, now_s, ttl_s) &&
	    *expires_s < (uint64_t)1 << 53;
}

static void
put_claims(struct buf *b, const struct keeper *k, const struct ask *q,
    const struct answer *a)
{
	struct json_out o = json_out_on(b);

	json_object(&o);
	json_pair_string(&o, SL("sub"), slice_of(q->user, q->user_n));
	json_pair_string(&o, SL("aud"), slice_of(q->site, q->site_n));
	json_pair_u64(&o, SL("iat"), q->now_s);
	json_pair_u64(&o, SL("exp"), a->expires_s);
	json_pair_string(&o, SL("jti"), slice_of(a->jti, a->jti_n));
	json_pair_string(&o, SL("gen"), slice_of(k->gen, sizeof k->gen));
	json_object_end(&o);
}

static bool
parse_jti(uint8_t id[JTI_BYTES], struct slice s)
{
	struct buf b = buf_of(id, JTI_BYTES);

	return s.n == JTI_CHARS && b64_decode(&b, s, B64_URL_BARE) == E_OK;
}

static enum err
answer_issue(struct keeper *k, const struct ask *q, struct answer *a)
{
	uint8_t area[CLAIMS_MAX], id[JTI_BYTES];
	struct buf claims = BUF_ON(area);
	struct buf jti = BUF_ON(a->jti);
	struct buf text = BUF_ON(a->text);
	enum err e;

	if (!expiry(&a->expires_s, q->now_s, q->ttl_s))
		return E_RANGE;
	if (q->text_n == 0)
		rng_fill(&k->rng, id, sizeof id);
	else if (!parse_jti(id, slice_of(q->text, q->text_n)))
		return E_SYNTAX;
	else if (revoked_has(&k->revoked, id, a->expires_s))
		return E_AUTH;
	b64_encode(&jti, slice_of(id, sizeof id), B64_URL_BARE);
	a->jti_n = to_u16(jti.n);
	put_claims(&claims, k, q, a);
	if (!buf_ok(&claims))
		return E_FULL;
	e = jwt_sign(&text, buf_slice(&claims), &k->jwt);
	a->text_n = e == E_OK ? to_u16(text.n) : 0;
	return e;
}

/* A string claim, at most `max` bytes, into one of the answer's arrays. */
static bool
take_claim(struct json v, uint8_t *to, uint16_t *to_n, size_t max)
{
	struct buf b = buf_of(to, max);

	if (json_string(v, &b) != E_OK)
		return false;
	*to_n = to_u16(b.n);
	return true;
}

#define TAKE(a, field, v) \
	take_claim((v), (a)->field, &(a)->field##_n, sizeof (a)->field)

/* The token's MAC and times are right: is it a session of ours? */
static enum err
check_claims(const struct keeper *k, const struct ask *q, const struct jwt *j,
    struct answer *a)
{
	struct json_field f[] = {
		{ SL("sub"), { 0 } }, { SL("aud"), { 0 } },
		{ SL("jti"), { 0 } }, { SL("gen"), { 0 } },
	};
	struct slice site = { q->site, q->site_n }, gen;
	uint8_t id[JTI_BYTES];

	if (json_fields(j->claims, f, 4) != E_OK ||
	    !TAKE(a, user, f[0].v) || !TAKE(a, site, f[1].v) ||
	    !TAKE(a, jti, f[2].v) || !json_plain(f[3].v, &gen))
		return E_AUTH;
	if (gen.n != sizeof k->gen || !ct_eq(gen.p, k->gen, sizeof k->gen))
		return E_AUTH;
	if (site.n > 0 && !slice_eq(site, slice_of(a->site, a->site_n)))
		return E_AUTH;
	if (!parse_jti(id, slice_of(a->jti, a->jti_n)) ||
	    revoked_has(&k->revoked, id, j->exp_s))
		return E_AUTH;
	a->expires_s = j->exp_s;
	a->role = ROLE_ADMIN;   /* who knows the shared password */
	return E_OK;
}

static enum err
answer_session(const struct keeper *k, const struct ask *q, struct answer *a)
{
	uint8_t area[JWT_BYTES_MAX];
	struct buf b = BUF_ON(area);
	struct jwt j;
	enum err e;

	e = jwt_verify(&j, &b, slice_of(q->text, q->text_n), &k->jwt,
	    q->now_s, JWT_OWN);
	if (e == E_OK)
		e = check_claims(k, q, &j, a);
	if (e != E_OK)
		a->user_n = a->site_n = a->jti_n = 0;
	return e;
}

static enum err
answer_revoke(struct keeper *k, const struct ask *q)
{
	struct buf file = BUF_ON(k->file);
	uint8_t id[JTI_BYTES];

	if (!parse_jti(id, slice_of(q->text, q->text_n)))
		return E_SYNTAX;
	if (!revoked_add(&k->revoked, id, q->expires_s, q->now_s))
		return E_OK;
	return store_save_revoked(&k->revoked, &k->io, &file) ? E_OK : E_IO;
}

static void
device_mac(uint8_t mac[SHA256_BYTES], const struct keeper *k,
    struct slice body)
{
	hmac_sha256(mac, slice_of(k->key_device, sizeof k->key_device), body);
}

static enum err
answer_issue_device(struct keeper *k, const struct ask *q, struct answer *a)
{
	uint8_t raw[DEVICE_BYTES];
	struct slice body = { raw, DEVICE_BODY_BYTES };
	struct buf text = BUF_ON(a->text), jti = BUF_ON(a->jti);

	if (!expiry(&a->expires_s, q->now_s,
	    q->ttl_s > 0 ? q->ttl_s : KEEPER_DEVICE_S))
		return E_RANGE;
	rng_fill(&k->rng, raw, JTI_BYTES);
	set_u64(raw + JTI_BYTES, a->expires_s);
	device_mac(raw + DEVICE_BODY_BYTES, k, body);
	b64_encode(&text, slice_of(raw, sizeof raw), B64_URL_BARE);
	b64_encode(&jti, slice_of(raw, JTI_BYTES), B64_URL_BARE);
	assert(buf_ok(&text) && buf_ok(&jti));
	a->text_n = to_u16(text.n);
	a->jti_n = to_u16(jti.n);
	return E_OK;
}

static enum err
answer_device(const struct keeper *k, const struct ask *q, struct answer *a)
{
	uint8_t raw[DEVICE_BYTES], mac[SHA256_BYTES];
	struct slice body = { raw, DEVICE_BODY_BYTES };
	struct buf b = BUF_ON(raw), jti = BUF_ON(a->jti);

	if (b64_decode(&b, slice_of(q->text, q->text_n), B64_URL_BARE) !=
	    E_OK || b.n != sizeof raw)
		return E_AUTH;
	device_mac(mac, k, body);
	if (!ct_eq(mac, raw + DEVICE_BODY_BYTES, sizeof mac))
		return E_AUTH;
	a->expires_s = get_u64(raw + JTI_BYTES);
	if (a->expires_s <= q->now_s)
		return E_EXPIRED;
	b64_encode(&jti, slice_of(raw, JTI_BYTES), B64_URL_BARE);
	a->jti_n = to_u16(jti.n);
	return E_OK;
}

static enum err
answer_sign(const struct keeper *k, struct slice text, struct answer *a)
{
	hmac_sha256(a->text, slice_of(k->key_sign, sizeof k->key_sign), text);
	a->text_n = SHA256_BYTES;
	return E_OK;
}

enum keeper_for
keeper_answer(struct keeper *k, const struct ask *q, struct answer *a)
{
	struct slice text = { q->text, q->text_n };

	memset(a, 0, sizeof *a);
	a->kind = q->kind;
	a->seq = q->seq;
	a->who = q->who;
	a->result = E_RANGE;
	if (q->text_n > sizeof q->text || q->site_n > sizeof q->site ||
	    q->user_n > sizeof q->user || q->by_n > sizeof q->by ||
	    q->from_n > sizeof q->from || q->device_n > sizeof q->device)
		return KEEPER_RELAY;
	switch (q->kind) {
	case ASK_LOGIN:
		a->result = answer_password(k, text, a);
		if (q->user_n > 0)
			a->result = E_AUTH;     /* there are no accounts */
		break;
	case ASK_SESSION:
		a->result = answer_session(k, q, a);
		break;
	case ASK_ISSUE:
		a->result = answer_issue(k, q, a);
		break;
	case ASK_REVOKE:
		a->result = answer_revoke(k, q);
		break;
	case ASK_TOKEN:
		a->result = answer_token(k, text, a);
		break;
	case ASK_DEVICE:
		a->result = answer_device(k, q, a);
		break;
	case ASK_ISSUE_DEVICE:
		a->result = answer_issue_device(k, q, a);
		break;
	case ASK_SIGN:
		a->result = answer_sign(k, text, a);
		break;
	default:
		break;
	}
	return KEEPER_RELAY;
}
