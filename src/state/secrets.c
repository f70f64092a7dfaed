/*
 * The relay's secrets: what follows from them, and what is compared with them.
 *
 * Derived keys (HKDF with a label each) part the uses: nothing that ASK_SIGN
 * can be made to sign is a device cookie or a session. The JWT secret is used
 * as it is for sessions alone, so that HS256 means what it says.
 */
#include "state/inside.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"
#include "state/strength.h"

enum {
	DEVICE_BODY_BYTES = JTI_BYTES + 8,      /* id, expiry */
	DEVICE_BYTES = DEVICE_BODY_BYTES + SHA256_BYTES,
};

static void
derive(uint8_t key[SHA256_BYTES], const struct secret *from, struct slice use)
{
	hkdf_sha256(key, SHA256_BYTES, SL(""), secret_bytes(from), use);
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
static const struct slice use_channel = SL_INIT("channel:");

/* gen: an HMAC, so that nobody without the JWT secret can try passwords. */
static void
derive_keys(struct keeper_keys *keys, const struct secret *jwt,
    struct slice password_id)
{
	uint8_t key[SHA256_BYTES], mac[SHA256_BYTES];

	derive(keys->device, jwt, SL("adit 1 device cookie"));
	derive(key, jwt, SL("adit 1 password generation"));
	hmac_sha256(mac, slice_of(key, sizeof key), password_id);
	memcpy(keys->gen, mac, GEN_BYTES);
	wipe(key, sizeof key);
	wipe(mac, sizeof mac);
}

void
secrets_derive(struct keeper *k)
{
	struct slice password_id = { k->password_id, sizeof k->password_id };

	derive(k->key_sign, &k->jwt.now, SL("adit 1 sign"));
	derive(k->key_salt, &k->jwt.now, SL("adit 1 salt of nobody"));
	derive_keys(&k->keys[0], &k->jwt.now, password_id);
	if (k->jwt.before.n > 0)
		derive_keys(&k->keys[1], &k->jwt.before, password_id);
}

void
keeper_set_token(struct keeper *k, const struct secret *token)
{
	k->has_token = token->n > 0;
	compare_mac(k->token_mac, k, use_token, secret_bytes(token));
}

void
secrets_init(struct keeper *k, const struct keeper_cfg *cfg)
{
	if (k->jwt_is_kept)
		k->jwt = *cfg->kept;
	else
		secret_set(&k->jwt.now, secret_bytes(cfg->jwt));
	assert(k->jwt.now.n >= STRENGTH_JWT_MIN);
	sha256(k->password_id, secret_bytes(cfg->password));
	secrets_derive(k);
	rng_fill(&k->rng, k->key_compare, sizeof k->key_compare);
	compare_mac(k->password_mac, k, use_password,
	    secret_bytes(cfg->password));
	keeper_set_token(k, cfg->token);
	k->has_channel = cfg->channel != NULL && cfg->channel->n > 0;
	if (k->has_channel)
		compare_mac(k->channel_mac, k, use_channel,
		    secret_bytes(cfg->channel));
}

/* ---- is it the one? ------------------------ */

static bool
compare(const struct keeper *k, struct slice use, struct slice text,
    const uint8_t want[SHA256_BYTES])
{
	uint8_t mac[SHA256_BYTES];
	bool same;

	compare_mac(mac, k, use, text);
	same = ct_eq(mac, want, sizeof mac);
	wipe(mac, sizeof mac);
	return same;
}

bool
secrets_is_password(const struct keeper *k, struct slice guess)
{
	return compare(k, use_password, guess, k->password_mac) &&
	    k->mode == MODE_SHARED;
}

bool
secrets_is_token(const struct keeper *k, struct slice guess)
{
	return compare(k, use_token, guess, k->token_mac) && k->has_token;
}

bool
secrets_is_channel_key(const struct keeper *k, struct slice guess)
{
	return compare(k, use_channel, guess, k->channel_mac) &&
	    k->has_channel;
}

/* ---- device cookies, and what is only signed ------------------------ */

static void
device_mac(uint8_t mac[SHA256_BYTES], const struct keeper_keys *keys,
    struct slice body, const struct ask *q)
{
	struct hmac h;

	hmac_init(&h, slice_of(keys->device, sizeof keys->device));
	hmac_add(&h, body);
	hmac_add(&h, slice_of(q->user, q->user_n));
	hmac_out(&h, mac);
	hmac_wipe(&h);
}

enum err
answer_issue_device(struct turn *t)
{
	uint8_t raw[DEVICE_BYTES];
	struct slice body = { raw, DEVICE_BODY_BYTES };
	struct buf text = BUF_ON(t->a->text), jti = BUF_ON(t->a->jti);
	uint64_t ttl_s = t->q->ttl_s > 0 ? t->q->ttl_s : KEEPER_DEVICE_S;

	if (ckd_add(&t->a->expires_s, t->q->now_s, ttl_s))
		return E_RANGE;
	rng_fill(&t->k->rng, raw, JTI_BYTES);
	set_u64(raw + JTI_BYTES, t->a->expires_s);
	device_mac(raw + DEVICE_BODY_BYTES, &t->k->keys[0], body, t->q);
	b64_encode(&text, slice_of(raw, sizeof raw), B64_URL_BARE);
	b64_encode(&jti, slice_of(raw, JTI_BYTES), B64_URL_BARE);
	assert(buf_ok(&text) && buf_ok(&jti));
	t->a->text_n = to_u16(text.n);
	t->a->jti_n = to_u16(jti.n);
	return E_OK;
}

enum err
answer_device(struct turn *t)
{
	uint8_t raw[DEVICE_BYTES], mac[SHA256_BYTES];
	struct slice body = { raw, DEVICE_BODY_BYTES };
	struct buf b = BUF_ON(raw), jti = BUF_ON(t->a->jti);
	bool ok = false;

	if (b64_decode(&b, slice_of(t->q->text, t->q->text_n),
	    B64_URL_BARE) != E_OK || b.n != sizeof raw)
		return E_AUTH;
	for (unsigned i = 0; i < (t->k->jwt.before.n > 0 ? 2 : 1); i++) {
		device_mac(mac, &t->k->keys[i], body, t->q);
		ok = ct_eq(mac, raw + DEVICE_BODY_BYTES, sizeof mac) || ok;
	}
	if (!ok)
		return E_AUTH;
	t->a->expires_s = get_u64(raw + JTI_BYTES);
	if (t->a->expires_s <= t->q->now_s)
		return E_EXPIRED;
	b64_encode(&jti, slice_of(raw, JTI_BYTES), B64_URL_BARE);
	t->a->jti_n = to_u16(jti.n);
	return E_OK;
}

enum err
answer_sign(struct turn *t)
{
	hmac_sha256(t->a->text, slice_of(t->k->key_sign, SHA256_BYTES),
	    slice_of(t->q->text, t->q->text_n));
	t->a->text_n = SHA256_BYTES;
	return E_OK;
}
