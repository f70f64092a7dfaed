/*
 * A server's choices: which certificate, which suite, which hash. BearSSL's
 * own policies hold the private key; this one holds none and asks for the one
 * signature of a handshake, so that a process that parses the network need not
 * have a key.
 *
 * The suite is the first in our order that the client has too and a
 * certificate for the name can serve. EC and RSA side by side work: `choose`
 * is told which kinds the client can verify.
 */
#include "net/tls_inside.h"

#include "base/num.h"

enum { KEYX_BITS = 12, NAME_MAX_BYTES = 256 };

/* Suite u of the list wants this kind of key; 0: no kind that we have. */
static unsigned
suite_key(const br_suite_translated *st, size_t u)
{
	switch (st[u][1] >> KEYX_BITS) {
	case BR_SSLKEYX_ECDHE_RSA:
		return BR_KEYTYPE_RSA;
	case BR_SSLKEYX_ECDHE_ECDSA:
		return BR_KEYTYPE_EC;
	default:
		return 0;
	}
}

/* Of a bit for each hash that both sides have. 0: none. */
static int
choose_hash(unsigned bits)
{
	if ((bits >> br_sha256_ID & 1) != 0)
		return br_sha256_ID;
	return (bits >> br_sha384_ID & 1) != 0 ? br_sha384_ID : 0;
}

static int
hash_for(const br_ssl_server_context *cc, unsigned key_type)
{
	uint32_t bits = br_ssl_server_get_client_hashes(cc);

	return choose_hash(key_type == BR_KEYTYPE_EC ? bits >> 8 & 0xff :
	    bits & 0xff);
}

/* Which kinds of key the client can verify a signature of. */
static unsigned
client_keys(const br_ssl_server_context *cc)
{
	size_t n;
	const br_suite_translated *st = br_ssl_server_get_client_suites(cc,
	    &n);
	unsigned kinds = 0;

	for (size_t u = 0; u < n; u++) {
		unsigned k = suite_key(st, u);

		if (k != 0 && hash_for(cc, k) != 0)
			kinds |= 1u << k;
	}
	return kinds;
}

static int
policy_choose(const br_ssl_server_policy_class **pctx,
    const br_ssl_server_context *cc, br_ssl_server_choices *choices)
{
	struct tls_policy *p = (struct tls_policy *)(void *)pctx;
	const char *name = br_ssl_engine_get_server_name(&cc->eng);
	size_t len = 0, n;
	const br_suite_translated *st = br_ssl_server_get_client_suites(cc,
	    &n);
	unsigned kinds = client_keys(cc);
	const struct cert_chain *c;

	while (len < NAME_MAX_BYTES && name[len] != '\0')
		len++;
	if (kinds == 0 || p->holds)
		return 0;
	p->chose = true;
	c = p->server->choose(p->server->ctx, slice_of(name, len), kinds,
	    &p->held);
	if (c == NULL)
		return 0;
	p->holds = true;
	for (size_t u = 0; u < n; u++) {
		unsigned k = suite_key(st, u);

		if (k != chain_key_type(c) || hash_for(cc, k) == 0)
			continue;
		choices->cipher_suite = st[u][0];
		choices->algo_id = 0xff00 + (unsigned)hash_for(cc, k);
		choices->chain = c->certs;
		choices->chain_len = c->n;
		return 1;
	}
	return 0;
}

/* No suite of the profile has a static key exchange. */
static uint32_t
policy_keyx(const br_ssl_server_policy_class **pctx, unsigned char *data,
    size_t *len)
{
	(void)pctx;
	(void)data;
	(void)len;
	return 0;
}

static size_t
policy_sign(const br_ssl_server_policy_class **pctx, unsigned algo_id,
    unsigned char *data, size_t hv_len, size_t len)
{
	struct tls_policy *p = (struct tls_policy *)(void *)pctx;
	uint8_t hash[64];

	if (!p->holds || algo_id < 0xff00 || hv_len > sizeof hash)
		return 0;
	memcpy(hash, data, hv_len);
	return p->server->sign(p->server->ctx, p->held, (int)(algo_id & 0xff),
	    slice_of(hash, hv_len), data, len);
}

void
tls_policy_init(struct tls_policy *p, const struct tls_server *s)
{
	static const br_ssl_server_policy_class policy = {
		sizeof(struct tls_policy), policy_choose, policy_keyx,
		policy_sign,
	};

	*p = (struct tls_policy){ .vtable = &policy, .server = s };
}

void
tls_policy_release(struct tls_policy *p)
{
	if (!p->holds)
		return;
	p->holds = false;
	p->server->release(p->server->ctx, p->held);
}
