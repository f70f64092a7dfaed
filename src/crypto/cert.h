/*
 * Certificates and keys: from PEM as certbot, openssl and BearSSL write it to
 * what a TLS engine takes, and a self-signed pair made on the spot. Thin over
 * BearSSL: its decoders read all that comes from outside.
 */
#ifndef ADIT_CRYPTO_CERT_H
#define ADIT_CRYPTO_CERT_H

#include "base/buf.h"
#include "base/err.h"
#include "crypto/rng.h"

#include <bearssl.h>

enum {
	CHAIN_CERTS_MAX = 8,
	CHAIN_BYTES = 24 * 1024,        /* DER of all of them */
	PEM_NAME_MAX = 64,
	PIN_BYTES = 32,
	SELF_CERT_MAX = 2048,           /* PEM of either */
	SIGNATURE_MAX = 512,            /* RSA-4096 */
};

/*
 * pem_next: the next object of *rest, which is advanced behind it. Its name
 * ("CERTIFICATE") goes to *name, what it holds is appended to *der.
 *   E_OK      there it is
 *   E_EOF     there is none any more; text outside of objects is skipped
 *   E_SYNTAX  damaged, or it ends within an object
 *   E_FULL    larger than the room in *der
 */
enum err pem_next(struct slice *rest, struct buf *name, struct buf *der);

/* A server's certificates, its own first. Owns the bytes; do not move it. */
struct cert_chain {
	br_x509_certificate certs[CHAIN_CERTS_MAX];
	size_t n;
	br_x509_decoder_context own;    /* read: holds the public key */
	uint64_t not_before_s, not_after_s;     /* of the one that ends first */
	struct slice san;               /* content of subjectAltName */
	struct slice cn;                /* only where there is no san */
	size_t nder;
	uint8_t der[CHAIN_BYTES];
};

/*
 * chain_load: all CERTIFICATE objects of the text, in its order; others are
 * skipped, so a file that also holds the key is fine.
 *   E_OK      loaded
 *   E_EOF     no certificate in it
 *   E_SYNTAX  damaged PEM or DER
 *   E_FULL    more than CHAIN_CERTS_MAX or CHAIN_BYTES
 *   E_RANGE   a public key that is not RSA or EC (Ed25519, say)
 */
enum err chain_load(struct cert_chain *c, struct slice pem);
/*
 * A chain for another process: each certificate's length (4 bytes) and DER.
 * chain_pack appends it, false if there is no room; chain_unpack fills *c as
 * chain_load does, with its errors.
 */
bool chain_pack(struct buf *b, const struct cert_chain *c);
enum err chain_unpack(struct cert_chain *c, struct slice packed);
/* RSA or EC: BR_KEYTYPE_RSA, BR_KEYTYPE_EC. */
unsigned chain_key_type(const struct cert_chain *c);
/*
 * Is it for this host? dNSName and iPAddress of subjectAltName, where a first
 * label of `*` matches one label; the common name only without a SAN.
 */
bool chain_names(const struct cert_chain *c, struct slice host);

/* A private key, decoded. Secret: wipe it. */
struct privkey {
	br_skey_decoder_context c;
	uint8_t type;                   /* BR_KEYTYPE_*; 0: none */
};

/*
 * privkey_load: the first PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY of the
 * text (PKCS#8, SEC1, PKCS#1).
 *   E_EOF    none in it        E_AUTH    it is encrypted
 *   E_SYNTAX damaged           E_RANGE   a kind or curve that TLS 1.2 or
 *                                        BearSSL does not sign with
 */
enum err privkey_load(struct privkey *k, struct slice pem);
/*
 * privkey_sign: a signature of the hash in `hash` (its kind: br_sha256_ID and
 * so on) as TLS 1.2 wants it. Returns its length, 0 if it cannot be made.
 */
size_t privkey_sign(const struct privkey *k, int hash_id, struct slice hash,
    uint8_t out[SIGNATURE_MAX]);
/* Sign something and verify it: do they belong together? */
bool privkey_fits(const struct privkey *k, const struct cert_chain *c);
void privkey_wipe(struct privkey *k);

/*
 * Pins: SHA-256 of the DER SubjectPublicKeyInfo, as RFC 7469 2.4, curl and
 * openssl have it. pin_of writes it anew from the key's numbers: two encodings
 * of one key have one pin. False for a key that is not RSA or a known curve.
 */
bool pin_of(uint8_t pin[PIN_BYTES], const br_x509_pkey *key);
/* "sha256:" and 44 characters of base64, with its padding. */
bool pin_parse(uint8_t pin[PIN_BYTES], struct slice text);
bool pin_put(struct buf *b, const uint8_t pin[PIN_BYTES]);

struct self_cert {
	struct slice name;              /* host name or address */
	uint64_t now_s;                 /* Unix time */
	uint32_t days;                  /* of validity */
	struct rng *rng;
};
/*
 * self_cert: make an EC P-256 key and a certificate of it, signed by itself:
 * version 3, serverAuth, no CA, the name as subjectAltName. PEM is appended to
 * *cert and *key (PKCS#8). E_FULL if there is no room, E_RANGE for a name that
 * is neither an address nor a host name.
 */
enum err self_cert(const struct self_cert *s, struct buf *cert,
    struct buf *key, uint8_t pin[PIN_BYTES]);

#endif
