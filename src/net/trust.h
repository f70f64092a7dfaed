/*
 * The certificate authorities that an agent trusts: from the system's bundle,
 * the file that SSL_CERT_FILE names, or --ca. Read once, at start.
 */
#ifndef ADIT_NET_TRUST_H
#define ADIT_NET_TRUST_H

#include "base/err.h"
#include "net/tls.h"

enum {
	TRUST_ANCHORS_MAX = 512,
	TRUST_BYTES = 320 * 1024,       /* names and keys; 71 KiB on Debian */
	TRUST_FILE_MAX = 4 << 20,
};

struct trust {
	struct tls_trust tls;           /* to give to the kernel; pins are set
	                                 * by the owner */
	const char *file;               /* which it was */
	const char *why;                /* after an error: a static text */
	size_t skipped;                 /* of kinds that BearSSL cannot use */
	size_t used;                    /* of data */
	br_x509_trust_anchor anchors[TRUST_ANCHORS_MAX];
	uint8_t data[TRUST_BYTES];
	uint8_t cert[16384];            /* DER of the one being read */
};

/*
 * trust_load: read `file`; NULL: the first of the usual places that is there.
 * What cannot be used as an anchor (Ed25519 keys) is counted and skipped.
 * E_EOF: no such file. E_IO, E_SYNTAX, E_FULL: see why.
 */
enum err trust_load(struct trust *t, const char *file);

#endif
