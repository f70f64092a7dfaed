/*
 * Certificates and keys. All decoding is BearSSL's; of a certificate of our
 * own we read two more things than it tells: the names, to choose by SNI, and
 * that is the only place where der_take meets a file.
 *
 * A pair is test-signed when it is loaded: BearSSL would notice a key that
 * does not belong to its certificate only in the clients' error messages.
 */
#include "crypto/choice.h"
#include "crypto/cert.h"

#include "base/io.h"
#include "base/num.h"
#include "codec/b64.h"
#include "crypto/ct.h"
#include "crypto/der.h"
#include "crypto/hash.h"

/* Days from year 0, where BearSSL counts from, to 1970. */
enum { DAYS_TO_1970 = 719528 };

/* ---- PEM ------------------------ */

static void
pem_out(void *ctx, const void *p, size_t n)
{
	buf_put(ctx, slice_of(p, n));
}

static void
pem_begin(br_pem_decoder_context *pem, struct buf *name, struct buf *der)
{
	const char *text = br_pem_decoder_name(pem);
	size_t n = 0;

	buf_reset(name);
	while (text[n] != '\0')
		n++;
	/* BearSSL takes the dashes off only where no CR follows. */
	while (n > 0 && text[n - 1] == '-')
		n--;
	buf_put(name, slice_of(text, n));
	br_pem_decoder_setdest(pem, pem_out, der);
}

enum err
pem_next(struct slice *rest, struct buf *name, struct buf *der)
{
	br_pem_decoder_context pem;
	size_t had = der->n;
	bool inside = false, ended = false;
	enum err e = E_EOF;

	br_pem_decoder_init(&pem);
	for (;;) {
		/* A last line without an end is one all the same. */
		struct slice in = rest->n > 0 ? *rest : SL("\n");
		size_t used = br_pem_decoder_push(&pem, in.p, in.n);
		int ev = br_pem_decoder_event(&pem);

		if (rest->n > 0)
			*rest = slice_from(*rest, used);
		if (ev == BR_PEM_BEGIN_OBJ) {
			inside = true;
			pem_begin(&pem, name, der);
		} else if (ev == BR_PEM_END_OBJ) {
			e = buf_ok(der) ? E_OK : E_FULL;
			break;
		} else if (ev == BR_PEM_ERROR) {
			e = E_SYNTAX;
			break;
		} else if (rest->n == 0 && ended) {
			e = inside ? E_SYNTAX : E_EOF;
			break;
		}
		ended = rest->n == 0;
	}
	if (e != E_OK) {
		der->n = had;
		der->is_short = false;
	}
	wipe(&pem, sizeof pem);
	return e;
}

/* ---- chains ------------------------ */

static uint64_t
unix_time(uint32_t days, uint32_t seconds)
{
	if (days < DAYS_TO_1970)
		return 0;
	return (uint64_t)(days - DAYS_TO_1970) * 86400 + seconds;
}

static enum err
decode_cert(br_x509_decoder_context *dc, struct slice der)
{
	const br_x509_pkey *key;

	br_x509_decoder_init(dc, NULL, NULL);
	br_x509_decoder_push(dc, der.p, der.n);
	if (br_x509_decoder_last_error(dc) == BR_ERR_X509_UNSUPPORTED)
		return E_RANGE;
	key = br_x509_decoder_get_pkey(dc);
	if (key == NULL)
		return E_SYNTAX;
	return key->key_type == BR_KEYTYPE_RSA ||
	    key->key_type == BR_KEYTYPE_EC ? E_OK : E_RANGE;
}

/* The last common name of a subject. */
static struct slice
common_name(struct slice subject)
{
	struct slice found = { NULL, 0 }, set, pair, oid, value;
	uint8_t tag;

	while (der_take(&subject, DER_SET, &set)) {
		while (der_take(&set, DER_SEQUENCE, &pair)) {
			if (der_take(&pair, DER_OID, &oid) &&
			    slice_eq(oid, SL("\x55\x04\x03")) &&
			    der_take_any(&pair, &tag, &value))
				found = value;
		}
	}
	return found;
}

/* The content of subjectAltName among the extensions; empty if none. */
static struct slice
find_san(struct slice tbs)
{
	struct slice outer, list, ext, oid, flag, value, names;
	uint8_t tag;

	while (der_take_any(&tbs, &tag, &outer)) {
		if (tag != (DER_EXPLICIT | 3) ||
		    !der_take(&outer, DER_SEQUENCE, &list))
			continue;
		while (der_take(&list, DER_SEQUENCE, &ext)) {
			if (!der_take(&ext, DER_OID, &oid) ||
			    !slice_eq(oid, SL("\x55\x1d\x11")))
				continue;
			(void)der_take(&ext, DER_BOOLEAN, &flag);
			if (der_take(&ext, DER_OCTETS, &value) &&
			    der_take(&value, DER_SEQUENCE, &names))
				return names;
		}
	}
	return slice_of(NULL, 0);
}

static bool
read_names(struct cert_chain *c)
{
	struct slice in = { c->certs[0].data, c->certs[0].data_len };
	struct slice cert, tbs, skip, subject;

	if (!der_take(&in, DER_SEQUENCE, &cert) ||
	    !der_take(&cert, DER_SEQUENCE, &tbs))
		return false;
	(void)der_take(&tbs, DER_EXPLICIT | 0, &skip);
	if (!der_take(&tbs, DER_INTEGER, &skip) ||
	    !der_take(&tbs, DER_SEQUENCE, &skip) ||      /* algorithm */
	    !der_take(&tbs, DER_SEQUENCE, &skip) ||      /* issuer */
	    !der_take(&tbs, DER_SEQUENCE, &skip) ||      /* validity */
	    !der_take(&tbs, DER_SEQUENCE, &subject) ||
	    !der_take(&tbs, DER_SEQUENCE, &skip))        /* public key */
		return false;
	c->san = find_san(tbs);
	if (c->san.n == 0)
		c->cn = common_name(subject);
	return true;
}

static enum err
add_cert(struct cert_chain *c, size_t at)
{
	br_x509_decoder_context other, *dc = c->n == 0 ? &c->own : &other;
	struct slice der = { c->der + at, c->nder - at };
	uint64_t from, until;
	enum err e = E_FULL;

	if (c->n < CHAIN_CERTS_MAX)
		e = decode_cert(dc, der);
	if (e != E_OK)
		return e;
	from = unix_time(dc->notbefore_days, dc->notbefore_seconds);
	until = unix_time(dc->notafter_days, dc->notafter_seconds);
	c->not_before_s = c->n == 0 ? from : max_u64(c->not_before_s, from);
	c->not_after_s = c->n == 0 ? until : min_u64(c->not_after_s, until);
	c->certs[c->n].data = c->der + at;
	c->certs[c->n++].data_len = der.n;
	return E_OK;
}

enum err
chain_load(struct cert_chain *c, struct slice pem)
{
	uint8_t area[PEM_NAME_MAX];
	struct buf name = BUF_ON(area), der = BUF_ON(c->der);
	enum err e;

	c->n = c->nder = 0;
	c->san = c->cn = slice_of(NULL, 0);
	while ((e = pem_next(&pem, &name, &der)) == E_OK) {
		size_t at = c->nder;

		if (!slice_eq(buf_slice(&name), SL("CERTIFICATE")) &&
		    !slice_eq(buf_slice(&name), SL("X509 CERTIFICATE"))) {
			wipe(c->der + at, der.n - at);
			der.n = at;
			continue;
		}
		c->nder = der.n;
		e = add_cert(c, at);
		if (e != E_OK)
			return e;
	}
	if (e != E_EOF)
		return e;
	if (c->n == 0)
		return E_EOF;
	return read_names(c) ? E_OK : E_SYNTAX;
}

bool
chain_pack(struct buf *b, const struct cert_chain *c)
{
	for (size_t i = 0; i < c->n; i++) {
		buf_put_u32(b, to_u32(c->certs[i].data_len));
		buf_put(b, slice_of(c->certs[i].data, c->certs[i].data_len));
	}
	return buf_ok(b);
}

enum err
chain_unpack(struct cert_chain *c, struct slice packed)
{
	struct buf der = BUF_ON(c->der);
	struct slice head, one;
	enum err e;

	c->n = c->nder = 0;
	c->san = c->cn = slice_of(NULL, 0);
	while (slice_take(&packed, 4, &head)) {
		size_t at = der.n;

		if (!slice_take(&packed, get_u32(head.p), &one))
			return E_SYNTAX;
		if (!buf_put(&der, one))
			return E_FULL;
		c->nder = der.n;
		e = add_cert(c, at);
		if (e != E_OK)
			return e;
	}
	if (c->n == 0)
		return E_EOF;
	return read_names(c) ? E_OK : E_SYNTAX;
}

unsigned
chain_key_type(const struct cert_chain *c)
{
	return c->own.pkey.key_type;
}

/* "*.example.org" is for "a.example.org", not for "a.b.example.org". */
static bool
name_is_for(struct slice name, struct slice host)
{
	size_t dot = slice_find(host, '.');

	if (!slice_starts(name, SL("*.")))
		return slice_ieq(name, host);
	return dot > 0 && dot < host.n &&
	    slice_ieq(slice_from(name, 1), slice_from(host, dot));
}

bool
chain_names(const struct cert_chain *c, struct slice host)
{
	struct slice list = c->san, name;
	struct addr ip = { 0 };
	bool numeric = addr_parse_ip(&ip, host);
	size_t ip_n = ip.family == ADDR_V4 ? 4 : 16;
	uint8_t tag;

	if (slice_ends(host, SL(".")))
		host.n--;
	while (der_take_any(&list, &tag, &name)) {
		if (tag == (DER_CONTEXT | 2) && !numeric &&
		    name_is_for(name, host))
			return true;
		if (tag == (DER_CONTEXT | 7) && numeric &&
		    slice_eq(name, slice_of(ip.ip, ip_n)))
			return true;
	}
	return c->san.n == 0 && c->cn.n > 0 && name_is_for(c->cn, host);
}

/* ---- private keys ------------------------ */

static enum err
decode_key(struct privkey *k, struct slice der)
{
	br_skey_decoder_init(&k->c);
	br_skey_decoder_push(&k->c, der.p, der.n);
	if (br_skey_decoder_last_error(&k->c) == BR_ERR_X509_UNSUPPORTED)
		return E_RANGE;
	k->type = (uint8_t)br_skey_decoder_key_type(&k->c);
	if (k->type == BR_KEYTYPE_EC) {
		int curve = br_skey_decoder_get_ec(&k->c)->curve;

		return curve == BR_EC_secp256r1 || curve == BR_EC_secp384r1 ?
		    E_OK : E_RANGE;
	}
	return k->type == BR_KEYTYPE_RSA ? E_OK : E_SYNTAX;
}

enum err
privkey_load(struct privkey *k, struct slice pem)
{
	uint8_t area[PEM_NAME_MAX], raw[4096];
	struct buf name = BUF_ON(area), der = BUF_ON(raw);
	enum err e;

	k->type = 0;
	while ((e = pem_next(&pem, &name, &der)) == E_OK ||
	    e == E_FULL) {
		struct slice what = buf_slice(&name);

		if (slice_eq(what, SL("ENCRYPTED PRIVATE KEY"))) {
			e = E_AUTH;
			break;
		}
		if (e == E_OK && (slice_eq(what, SL("PRIVATE KEY")) ||
		    slice_eq(what, SL("EC PRIVATE KEY")) ||
		    slice_eq(what, SL("RSA PRIVATE KEY")))) {
			e = decode_key(k, buf_slice(&der));
			break;
		}
		buf_reset(&der);
	}
	wipe(raw, sizeof raw);
	if (e != E_OK)
		privkey_wipe(k);
	return e;
}

void
privkey_wipe(struct privkey *k)
{
	wipe(k, sizeof *k);
}

static const br_hash_class *
hash_class(int id)
{
	switch (id) {
	case br_sha256_ID:
		return &br_sha256_vtable;
	case br_sha384_ID:
		return &br_sha384_vtable;
	default:
		return NULL;
	}
}

static const unsigned char *
hash_oid(int id)
{
	return id == br_sha256_ID ? BR_HASH_OID_SHA256 : BR_HASH_OID_SHA384;
}

size_t
privkey_sign(const struct privkey *k, int hash_id, struct slice hash,
    uint8_t out[SIGNATURE_MAX])
{
	const br_hash_class *h = hash_class(hash_id);
	const br_rsa_private_key *rsa;
	size_t n;

	if (h == NULL || hash.n != ((h->desc >> BR_HASHDESC_OUT_OFF) &
	    BR_HASHDESC_OUT_MASK))
		return 0;
	if (k->type == BR_KEYTYPE_EC)
		return CHOICE_ECDSA_SIGN(
		    CHOICE_EC, h, hash.p,
		    br_skey_decoder_get_ec(&k->c), out);
	rsa = br_skey_decoder_get_rsa(&k->c);
	if (rsa == NULL)
		return 0;
	n = ((size_t)rsa->n_bitlen + 7) / 8;
	if (n > SIGNATURE_MAX || !CHOICE_RSA_SIGN(
	    hash_oid(hash_id), hash.p, hash.n, rsa, out))
		return 0;
	return n;
}

bool
privkey_fits(const struct privkey *k, const struct cert_chain *c)
{
	uint8_t hash[SHA256_BYTES], sig[SIGNATURE_MAX], back[SHA256_BYTES];
	const br_x509_pkey *pub = &c->own.pkey;
	size_t n;

	if (c->n == 0 || k->type == 0 || k->type != pub->key_type)
		return false;
	if (k->type == BR_KEYTYPE_EC &&
	    pub->key.ec.curve != br_skey_decoder_get_ec(&k->c)->curve)
		return false;
	sha256(hash, SL("does this key belong to this certificate?"));
	n = privkey_sign(k, br_sha256_ID, slice_of(hash, sizeof hash), sig);
	if (n == 0)
		return false;
	if (k->type == BR_KEYTYPE_EC)
		return CHOICE_ECDSA_VERIFY(CHOICE_EC,
		    hash, sizeof hash, &pub->key.ec, sig, n) == 1;
	return n == pub->key.rsa.nlen && CHOICE_RSA_VERIFY(sig,
	    n, BR_HASH_OID_SHA256, sizeof back, &pub->key.rsa, back) == 1 &&
	    memcmp(back, hash, sizeof back) == 0;
}

/* ---- pins ------------------------ */

#define OID_EC_KEY SL("\x2a\x86\x48\xce\x3d\x02\x01")
#define OID_P256 SL("\x2a\x86\x48\xce\x3d\x03\x01\x07")
#define OID_P384 SL("\x2b\x81\x04\x00\x22")
#define OID_P521 SL("\x2b\x81\x04\x00\x23")
#define OID_RSA SL("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01")

static bool
put_curve(struct der *d, int curve)
{
	switch (curve) {
	case BR_EC_secp256r1:
		der_put_tlv(d, DER_OID, OID_P256);
		return true;
	case BR_EC_secp384r1:
		der_put_tlv(d, DER_OID, OID_P384);
		return true;
	case BR_EC_secp521r1:
		der_put_tlv(d, DER_OID, OID_P521);
		return true;
	default:
		return false;
	}
}

/* SubjectPublicKeyInfo, RFC 5280 4.1.2.7, RFC 5480, RFC 3279. */
static bool
put_spki(struct der *d, const br_x509_pkey *key)
{
	size_t all = der_mark(d), part, mark;

	part = der_mark(d);
	if (key->key_type == BR_KEYTYPE_EC) {
		der_put(d, slice_of(key->key.ec.q, key->key.ec.qlen));
	} else if (key->key_type == BR_KEYTYPE_RSA &&
	    key->key.rsa.nlen > 0 && key->key.rsa.elen > 0) {
		mark = der_mark(d);
		der_put_uint(d, slice_of(key->key.rsa.e, key->key.rsa.elen));
		der_put_uint(d, slice_of(key->key.rsa.n, key->key.rsa.nlen));
		der_wrap(d, DER_SEQUENCE, mark);
	} else {
		return false;
	}
	der_put_u8(d, 0);               /* no unused bits */
	der_wrap(d, DER_BITS, part);
	part = der_mark(d);
	if (key->key_type == BR_KEYTYPE_EC) {
		if (!put_curve(d, key->key.ec.curve))
			return false;
		der_put_tlv(d, DER_OID, OID_EC_KEY);
	} else {
		der_put_tlv(d, DER_NULL, SL(""));
		der_put_tlv(d, DER_OID, OID_RSA);
	}
	der_wrap(d, DER_SEQUENCE, part);
	der_wrap(d, DER_SEQUENCE, all);
	return !d->is_short;
}

bool
pin_of(uint8_t pin[PIN_BYTES], const br_x509_pkey *key)
{
	uint8_t area[2 * BR_X509_BUFSIZE_KEY];
	struct der d = der_on(area, sizeof area);

	if (key == NULL || !put_spki(&d, key))
		return false;
	sha256(pin, der_slice(&d));
	return true;
}

bool
pin_parse(uint8_t pin[PIN_BYTES], struct slice text)
{
	uint8_t area[PIN_BYTES + 3];
	struct buf b = BUF_ON(area);

	if (!slice_starts(text, SL("sha256:")) || text.n != 7 + 44 ||
	    b64_decode(&b, slice_from(text, 7), B64_STD) != E_OK ||
	    b.n != PIN_BYTES)
		return false;
	memcpy(pin, area, PIN_BYTES);
	return true;
}

bool
pin_put(struct buf *b, const uint8_t pin[PIN_BYTES])
{
	buf_lit(b, "sha256:");
	return b64_encode(b, slice_of(pin, PIN_BYTES), B64_STD);
}
