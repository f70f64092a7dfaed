/*
 * The certificate authorities that an agent trusts: from the system's bundle,
 * the file that SSL_CERT_FILE names, or --ca. Read at start, and again before a
 * dial when the file has changed: roots come and go in the years that an agent
 * runs. Two places, so that a file which cannot be used changes nothing, and
 * that a handshake under way ends with what it began with.
 */
#ifndef ADIT_NET_TRUST_H
#define ADIT_NET_TRUST_H

#include "base/err.h"
#include "net/certs.h"

enum {
	TRUST_ANCHORS_MAX = 512,
	TRUST_BYTES = 320 * 1024,       /* names and keys; 71 KiB on Debian */
	TRUST_FILE_MAX = 4 << 20,
	TRUST_PATH_MAX = 1024,
};

struct trust_place {
	size_t n, used;                 /* of anchors, of data */
	br_x509_trust_anchor anchors[TRUST_ANCHORS_MAX];
	uint8_t data[TRUST_BYTES];
};

struct trust {
	struct tls_trust tls;           /* to give to the kernel; pins are set
	                                 * by the owner */
	const char *why;                /* after an error: a static text */
	bool is_usual;                  /* the system's own file */
	uint8_t live;                   /* which place is in use */
	struct certs_stamp stamp;       /* of the file, at the last look */
	char file[TRUST_PATH_MAX];
	struct trust_place places[2];
	uint8_t cert[16384];            /* DER of the one being read */
	uint8_t text[TRUST_FILE_MAX];   /* the file being read */
};

/*
 * trust_load: read `file`; empty: the first of the usual places that is there.
 * What cannot be used as an anchor (Ed25519 keys) is skipped. E_EOF: no such
 * file. E_IO, E_SYNTAX, E_FULL: see why.
 */
enum err trust_load(struct trust *t, struct slice file);
/*
 * trust_look: is it another file than at the last look? True if so: then it is
 * in use and why is NULL, or why tells what is wrong with it, and what was read
 * before stays in use. No descriptor stays open, nothing is allocated.
 */
bool trust_look(struct trust *t);

#endif
