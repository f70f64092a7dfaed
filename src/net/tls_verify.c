/*
 * Whom does a client talk to? With pins: the holder of one of these keys,
 * whatever the certificate around it says of names, dates and issuers, so it
 * needs no CA, no name and no clock. Without: whoever has a chain to an anchor
 * for this name, as BearSSL's br_x509_minimal checks it (and where it is less
 * than others: see SECURITY.md).
 *
 * The server's own certificate is decoded once more in either case: for its
 * key, and for its dates, which make the difference between "expired" and
 * "this machine's clock is wrong".
 */
#include "net/tls_inside.h"

#include "crypto/choice.h"
#include "codec/date.h"
#include "crypto/ct.h"

enum { DAYS_TO_1970 = 719528 };

/* Earlier than this program was written: the clock was never set. */
#define CLOCK_MIN_S UINT64_C(1735689600)        /* 2025-01-01 */

static struct tls_verify *
verify_of(const br_x509_class **ctx)
{
	return (struct tls_verify *)(void *)ctx;
}

static const br_x509_class **
inner(struct tls_verify *v)
{
	return &v->chain.vtable;
}

static void
start_chain(const br_x509_class **ctx, const char *server_name)
{
	struct tls_verify *v = verify_of(ctx);

	v->ncerts = 0;
	v->has_own = false;
	v->chain.vtable->start_chain(inner(v), server_name);
}

static void
start_cert(const br_x509_class **ctx, uint32_t length)
{
	struct tls_verify *v = verify_of(ctx);

	if (v->ncerts == 0)
		br_x509_decoder_init(&v->own, NULL, NULL);
	v->chain.vtable->start_cert(inner(v), length);
}

static void
append(const br_x509_class **ctx, const unsigned char *p, size_t n)
{
	struct tls_verify *v = verify_of(ctx);

	if (v->ncerts == 0)
		br_x509_decoder_push(&v->own, p, n);
	v->chain.vtable->append(inner(v), p, n);
}

static void
end_cert(const br_x509_class **ctx)
{
	struct tls_verify *v = verify_of(ctx);

	if (v->ncerts == 0)
		v->has_own = br_x509_decoder_get_pkey(&v->own) != NULL;
	v->ncerts++;
	v->chain.vtable->end_cert(inner(v));
}

static bool
pinned(const struct tls_verify *v)
{
	uint8_t pin[PIN_BYTES];
	bool found = false;

	if (!v->has_own || !pin_of(pin, &v->own.pkey))
		return false;
	for (size_t i = 0; i < v->trust->npins; i++)
		found = found || ct_eq(pin, v->trust->pins[i], PIN_BYTES);
	return found;
}

static unsigned
end_chain(const br_x509_class **ctx)
{
	struct tls_verify *v = verify_of(ctx);
	unsigned e = v->chain.vtable->end_chain(inner(v));

	if (v->trust->npins > 0)
		return pinned(v) ? 0 : BR_ERR_X509_NOT_TRUSTED;
	/* Without a name there is nothing that a chain could prove. */
	return e == 0 && !v->names ? BR_ERR_X509_BAD_SERVER_NAME : e;
}

static const br_x509_pkey *
get_pkey(const br_x509_class *const *ctx, unsigned *usages)
{
	const struct tls_verify *v =
	    (const struct tls_verify *)(const void *)ctx;

	if (v->trust->npins == 0)
		return v->chain.vtable->get_pkey(&v->chain.vtable, usages);
	if (usages != NULL)
		*usages = BR_KEYTYPE_SIGN;
	return v->has_own ? &v->own.pkey : NULL;
}

void
tls_verify_init(struct tls_verify *v, const struct tls_trust *trust,
    uint64_t wall_ms, bool names)
{
	static const br_x509_class verify = {
		sizeof(struct tls_verify), start_chain, start_cert, append,
		end_cert, end_chain, get_pkey,
	};
	uint64_t s = wall_ms / 1000;

	v->vtable = &verify;
	v->trust = trust;
	v->names = names;
	br_x509_minimal_init(&v->chain, &br_sha256_vtable, trust->anchors,
	    trust->nanchors);
	br_x509_minimal_set_hash(&v->chain, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_hash(&v->chain, br_sha384_ID, &br_sha384_vtable);
	br_x509_minimal_set_hash(&v->chain, br_sha512_ID, &br_sha512_vtable);
	br_x509_minimal_set_rsa(&v->chain, CHOICE_RSA_VERIFY);
	br_x509_minimal_set_ecdsa(&v->chain, CHOICE_EC,
	    CHOICE_ECDSA_VERIFY);
	br_x509_minimal_set_time(&v->chain,
	    (uint32_t)(s / 86400) + DAYS_TO_1970, (uint32_t)(s % 86400));
}

/* ---- for people ------------------------ */

static void
put_day(struct buf *b, uint64_t unix_s)
{
	uint8_t area[DATE_ISO_BYTES];
	struct buf text = BUF_ON(area);

	if (date_put_iso(&text, (int64_t)unix_s * 1000))
		buf_put(b, slice_head(buf_slice(&text), 10));
}

static void
tell_dates(const struct tls_verify *v, uint64_t wall_ms, struct buf *b)
{
	uint64_t now = wall_ms / 1000, from = 0, until = 0;

	if (v->has_own) {
		from = ((uint64_t)v->own.notbefore_days - DAYS_TO_1970) *
		    86400 + v->own.notbefore_seconds;
		until = ((uint64_t)v->own.notafter_days - DAYS_TO_1970) *
		    86400 + v->own.notafter_seconds;
	}
	if (now < CLOCK_MIN_S) {
		buf_lit(b, "this machine's clock is wrong: it says ");
		put_day(b, now);
		return;
	}
	if (v->has_own && now < from) {
		buf_lit(b, "the relay's certificate is not valid before ");
		put_day(b, from);
	} else if (v->has_own && now > until) {
		buf_lit(b, "the relay's certificate expired on ");
		put_day(b, until);
	} else {
		buf_lit(b, "a certificate that the relay's depends on is "
		    "expired or not valid yet");
	}
	buf_lit(b, " (this machine's clock says ");
	put_day(b, now);
	buf_lit(b, ")");
}

static void
tell_pin(const struct tls_verify *v, struct buf *b)
{
	uint8_t pin[PIN_BYTES];

	if (!v->has_own || !pin_of(pin, &v->own.pkey)) {
		buf_lit(b, "the relay's certificate cannot be read");
		return;
	}
	buf_lit(b, "the relay's key is not the pinned one but ");
	pin_put(b, pin);
	buf_lit(b, ": somebody is in between, or the relay has a new key");
}

static bool
tls_verify_tell(const struct tls_verify *v, int error, uint64_t wall_ms,
    struct buf *b)
{
	if (error < BR_ERR_X509_OK || error > BR_ERR_X509_NOT_TRUSTED)
		return false;
	if (v->trust->npins > 0) {
		tell_pin(v, b);
		return true;
	}
	switch (error) {
	case BR_ERR_X509_EXPIRED:
		tell_dates(v, wall_ms, b);
		break;
	case BR_ERR_X509_BAD_SERVER_NAME:
		buf_lit(b, "the relay's certificate is for another name");
		break;
	case BR_ERR_X509_NOT_TRUSTED:
		buf_lit(b, "the relay's certificate comes from no CA that is "
		    "trusted here, or its chain is incomplete; if it is "
		    "self-signed, give its --pin");
		break;
	case BR_ERR_X509_BAD_SIGNATURE:
	case BR_ERR_X509_DN_MISMATCH:
		buf_lit(b, "the relay's chain of certificates does not fit "
		    "together");
		break;
	case BR_ERR_X509_WEAK_PUBLIC_KEY:
		buf_lit(b, "a key in the relay's chain is too short");
		break;
	case BR_ERR_X509_CRITICAL_EXTENSION:
		buf_lit(b, "a certificate has a critical extension that is "
		    "not understood");
		break;
	default:
		buf_lit(b, "the relay's certificate is not acceptable "
		    "(X.509 error ");
		buf_put_dec(b, (uint64_t)error);
		buf_lit(b, ")");
	}
	return true;
}

static void
tell_alert(int alert, struct buf *b)
{
	switch (alert) {
	case 40:
		buf_lit(b, "the other side has no cipher suite in common with "
		    "us (is it older than TLS 1.2?), or wants a client "
		    "certificate");
		return;
	case 70:
		buf_lit(b, "the other side does not speak TLS 1.2 (one that "
		    "insists on 1.3 needs to allow 1.2)");
		return;
	case 112:
		buf_lit(b, "the other side knows no such host name");
		return;
	default:
		buf_lit(b, "the other side refused with TLS alert ");
		buf_put_dec(b, (uint64_t)alert);
	}
}

void
tls_tell(struct tls *t, struct buf *b)
{
	int e = br_ssl_engine_last_error(&t->u.eng);

	if (t->is_client && tls_verify_tell(&t->u.client.verify, e,
	    t->wall_ms, b))
		return;
	if (e >= BR_ERR_RECV_FATAL_ALERT && e < BR_ERR_SEND_FATAL_ALERT) {
		tell_alert(e - BR_ERR_RECV_FATAL_ALERT, b);
	} else if (e == BR_ERR_UNSUPPORTED_VERSION || e == BR_ERR_BAD_VERSION) {
		buf_lit(b, "the other side does not speak TLS 1.2");
	} else if (e == BR_ERR_UNKNOWN_TYPE) {
		buf_lit(b, "the other side does not speak TLS (is it plain "
		    "http?)");
	} else if (e != BR_ERR_OK) {
		buf_lit(b, "TLS error ");
		buf_put_dec(b, (uint64_t)e);
	} else if (t->late) {
		buf_lit(b, "the TLS handshake stalled");
	} else if (!t->ready) {
		buf_lit(b, "closed during the TLS handshake");
	} else if (t->cut) {
		buf_lit(b, "cut without a TLS end");
	} else {
		buf_lit(b, "the connection broke");
	}
}
