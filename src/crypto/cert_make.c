/*
 * A certificate signed by its own key: for a relay without a domain, whose
 * agents know its key by the pin. RFC 5280 4.1; what browsers ask of any
 * server certificate (a SAN, serverAuth, no CA) is there, so that the one
 * thing they complain about is who signed it.
 */
#include "crypto/choice.h"
#include "crypto/cert.h"

#include <assert.h>

#include "base/io.h"
#include "base/num.h"
#include "codec/url.h"
#include "crypto/ct.h"
#include "crypto/der.h"
#include "crypto/hash.h"

enum {
	SERIAL_BYTES = 16,
	CN_MAX = 64,                    /* RFC 5280 A.1, ub-common-name */
	BACKDATED_S = 86400,            /* for clocks that are behind */
};

#define OID_ECDSA_SHA256 SL("\x2a\x86\x48\xce\x3d\x04\x03\x02")
#define OID_CN SL("\x55\x04\x03")
#define OID_SKI SL("\x55\x1d\x0e")
#define OID_KEY_USAGE SL("\x55\x1d\x0f")
#define OID_SAN SL("\x55\x1d\x11")
#define OID_BASIC SL("\x55\x1d\x13")
#define OID_EKU SL("\x55\x1d\x25")
#define OID_SERVER_AUTH SL("\x2b\x06\x01\x05\x05\x07\x03\x01")

static void
put_algorithm(struct der *d)
{
	size_t mark = der_mark(d);

	der_put_tlv(d, DER_OID, OID_ECDSA_SHA256);
	der_wrap(d, DER_SEQUENCE, mark);
}

static void
put_name(struct der *d, struct slice name)
{
	size_t mark = der_mark(d);

	if (name.n > CN_MAX)
		name = SL("adit");
	der_put_tlv(d, DER_UTF8, name);
	der_put_tlv(d, DER_OID, OID_CN);
	der_wrap(d, DER_SEQUENCE, mark);
	der_wrap(d, DER_SET, mark);
	der_wrap(d, DER_SEQUENCE, mark);
}

/* What was written since `mark` becomes the extension's value. */
static void
wrap_extension(struct der *d, struct slice oid, bool critical, size_t mark)
{
	der_wrap(d, DER_OCTETS, mark);
	if (critical)
		der_put_tlv(d, DER_BOOLEAN, SL("\xff"));
	der_put_tlv(d, DER_OID, oid);
	der_wrap(d, DER_SEQUENCE, mark);
}

static void
put_san(struct der *d, struct slice name)
{
	size_t mark = der_mark(d);
	struct addr ip = { 0 };

	if (addr_parse_ip(&ip, name))
		der_put_tlv(d, DER_CONTEXT | 7, slice_of(ip.ip,
		    ip.family == ADDR_V4 ? 4 : 16));
	else
		der_put_tlv(d, DER_CONTEXT | 2, name);
	der_wrap(d, DER_SEQUENCE, mark);
	wrap_extension(d, OID_SAN, false, mark);
}

static void
put_extensions(struct der *d, struct slice name, struct slice point)
{
	size_t all = der_mark(d), mark;
	uint8_t id[SHA1_BYTES];

	put_san(d, name);
	mark = der_mark(d);
	der_put_tlv(d, DER_OID, OID_SERVER_AUTH);
	der_wrap(d, DER_SEQUENCE, mark);
	wrap_extension(d, OID_EKU, false, mark);
	mark = der_mark(d);
	der_put_tlv(d, DER_BITS, SL("\x07\x80"));        /* digitalSignature */
	wrap_extension(d, OID_KEY_USAGE, true, mark);
	mark = der_mark(d);
	der_put_tlv(d, DER_SEQUENCE, SL(""));            /* cA is false */
	wrap_extension(d, OID_BASIC, true, mark);
	sha1(id, point);
	mark = der_mark(d);
	der_put_tlv(d, DER_OCTETS, slice_of(id, sizeof id));
	wrap_extension(d, OID_SKI, false, mark);
	der_wrap(d, DER_SEQUENCE, all);
	der_wrap(d, DER_EXPLICIT | 3, all);
}

static void
put_public_key(struct der *d, struct slice point)
{
	size_t all = der_mark(d), mark = all;

	der_put(d, point);
	der_put_u8(d, 0);
	der_wrap(d, DER_BITS, mark);
	mark = der_mark(d);
	der_put_tlv(d, DER_OID, SL("\x2a\x86\x48\xce\x3d\x03\x01\x07"));
	der_put_tlv(d, DER_OID, SL("\x2a\x86\x48\xce\x3d\x02\x01"));
	der_wrap(d, DER_SEQUENCE, mark);
	der_wrap(d, DER_SEQUENCE, all);
}

/* TBSCertificate, from its end to its front. */
static void
put_tbs(struct der *d, const struct self_cert *s, struct slice point)
{
	size_t all = der_mark(d), mark;
	uint8_t serial[SERIAL_BYTES];

	rng_fill(s->rng, serial, sizeof serial);
	serial[0] = (serial[0] & 0x7f) | 0x40;  /* positive, of full length */
	put_extensions(d, s->name, point);
	put_public_key(d, point);
	put_name(d, s->name);
	mark = der_mark(d);
	der_put_time(d, s->now_s + (uint64_t)s->days * 86400);
	der_put_time(d, s->now_s > BACKDATED_S ? s->now_s - BACKDATED_S : 0);
	der_wrap(d, DER_SEQUENCE, mark);
	put_name(d, s->name);
	put_algorithm(d);
	der_put_uint(d, slice_of(serial, sizeof serial));
	mark = der_mark(d);
	der_put_tlv(d, DER_INTEGER, SL("\x02"));         /* version 3 */
	der_wrap(d, DER_EXPLICIT | 0, mark);
	der_wrap(d, DER_SEQUENCE, all);
}

static bool
put_cert(struct der *d, const struct self_cert *s,
    const br_ec_private_key *sk, struct slice point)
{
	uint8_t tbs_area[SELF_CERT_MAX / 2], hash[SHA256_BYTES];
	uint8_t sig[BR_EC_KBUF_PUB_MAX_SIZE];
	struct der tbs = der_on(tbs_area, sizeof tbs_area);
	size_t n, all = der_mark(d);

	put_tbs(&tbs, s, point);
	if (tbs.is_short)
		return false;
	sha256(hash, der_slice(&tbs));
	n = CHOICE_ECDSA_SIGN(CHOICE_EC,
	    &br_sha256_vtable, hash, sk, sig);
	assert(n > 0 && n <= sizeof sig);
	der_put(d, slice_of(sig, n));
	der_put_u8(d, 0);
	der_wrap(d, DER_BITS, all);
	put_algorithm(d);
	der_put(d, der_slice(&tbs));
	der_wrap(d, DER_SEQUENCE, all);
	return !d->is_short;
}

static enum err
put_pem(struct buf *out, struct slice der, const char *banner)
{
	size_t n = br_pem_encode(NULL, NULL, der.n, banner, BR_PEM_LINE64);

	if (n >= buf_room(out))         /* it adds a NUL */
		return E_FULL;
	br_pem_encode(out->p + out->n, der.p, der.n, banner, BR_PEM_LINE64);
	out->n += n;
	return E_OK;
}

static bool
name_fits(struct slice name)
{
	struct url_auth a;
	struct addr ip = { 0 };

	return addr_parse_ip(&ip, name) || (url_auth_parse(&a, name) == E_OK &&
	    !a.has_port && a.kind == URL_HOST_NAME);
}

enum err
self_cert(const struct self_cert *s, struct buf *cert, struct buf *key,
    uint8_t pin[PIN_BYTES])
{
	uint8_t kbuf[BR_EC_KBUF_PRIV_MAX_SIZE], area[SELF_CERT_MAX];
	uint8_t pbuf[BR_EC_KBUF_PUB_MAX_SIZE];
	struct der d = der_on(area, sizeof area);
	br_ec_private_key sk;
	br_x509_pkey pk = { .key_type = BR_KEYTYPE_EC };
	enum err e = E_FULL;
	size_t n;

	if (!name_fits(s->name))
		return E_RANGE;
	n = br_ec_keygen(&s->rng->c.vtable, CHOICE_EC, &sk, kbuf,
	    BR_EC_secp256r1);
	assert(n > 0);
	n = br_ec_compute_pub(CHOICE_EC, &pk.key.ec, pbuf, &sk);
	assert(n == 65);
	if (!put_cert(&d, s, &sk, slice_of(pbuf, n)) ||
	    !pin_of(pin, &pk))
		goto out;
	e = put_pem(cert, der_slice(&d), "CERTIFICATE");
	if (e != E_OK)
		goto out;
	n = br_encode_ec_pkcs8_der(area, &sk, &pk.key.ec);
	assert(n > 0 && n <= sizeof area);
	e = put_pem(key, slice_of(area, n), BR_ENCODE_PEM_PKCS8);
out:
	wipe(kbuf, sizeof kbuf);
	wipe(&sk, sizeof sk);
	wipe(area, sizeof area);
	return e;
}
