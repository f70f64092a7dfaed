/*
 * The relay's certificates and keys: read from files, chosen by host name,
 * read again when the files change. A pair that cannot be used is refused at
 * start; later it is logged, and the one before it stays in use.
 *
 * Each pair has two places, so that a handshake which has begun with the old
 * one ends with it; a place is filled again only when no handshake holds it.
 */
#ifndef ADIT_NET_CERTS_H
#define ADIT_NET_CERTS_H

#include <sys/stat.h>

#include "base/log.h"
#include "net/tls.h"

enum {
	CERTS_MAX = 8,                  /* pairs */
	CERTS_PATH_MAX = 512,
	CERTS_FILE_MAX = 64 * 1024,     /* of PEM */
	CERTS_SESSIONS = 1024,          /* that can be resumed */
	CERTS_LOOK_MS = 10 * 1000,      /* for changed files */
	CERTS_SOON_DAYS = 14,           /* an expiry that is warned of */
};

struct certs_place {
	struct cert_chain chain;
	struct privkey key;
	uint32_t users;                 /* handshakes under way */
};

struct certs_stamp {                    /* of a file: does it change? */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec modified, changed;
};

struct certs_pair {
	char cert[CERTS_PATH_MAX], key[CERTS_PATH_MAX];
	struct certs_stamp cert_stamp, key_stamp;
	struct certs_place places[2];
	uint8_t live;                   /* which of them is in use */
	bool later;                     /* reload once the other is free */
};

struct certs {
	struct tls_server server;       /* to give to the kernel */
	size_t n;
	uint64_t look_ms;               /* next look at the files */
	uint64_t told_day;              /* of the last warning of an expiry */
	struct certs_pair pairs[CERTS_MAX];
	br_ssl_session_cache_lru cache;
	uint8_t sessions[CERTS_SESSIONS * TLS_SESSION_BYTES];
	uint8_t text[CERTS_FILE_MAX];   /* a file that is being read */
};

struct certs_fault {
	const char *setting;            /* "tls-cert" or "tls-key" */
	const char *file;               /* a path as given to certs_add */
	const char *why;                /* a static text */
};

/* The stamp of a file; and are two the same? */
void certs_stamp_set(struct certs_stamp *out, const struct stat *st);
bool certs_stamp_same(const struct certs_stamp *a,
    const struct certs_stamp *b);

void certs_init(struct certs *c);
/*
 * Add a pair from these files (one may hold both) and test that they belong
 * together. E_SYNTAX with *fault if they cannot be used, E_FULL if CERTS_MAX
 * are there.
 */
enum err certs_add(struct certs *c, struct slice cert, struct slice key,
    struct certs_fault *fault);
/* Read all again (SIGHUP). Logs what became of each. */
void certs_reload(struct certs *c, const struct log *log, uint64_t wall_ms);
/* Once a turn: looks every CERTS_LOOK_MS whether a file changed, and warns
 * daily of a certificate that ends soon. True if one was replaced. Returns when
 * to come again in *due_ms. */
bool certs_step(struct certs *c, const struct log *log, uint64_t now_ms,
    uint64_t wall_ms, uint64_t *due_ms);
/* When the first of them ends, Unix time. */
uint64_t certs_until_s(const struct certs *c);
/* One line for each pair. */
void certs_tell(const struct certs *c, const struct log *log,
    uint64_t wall_ms);
/*
 * Where the keys live in another process. certs_forget_keys: wipe those of this
 * one. certs_busy: a bit for each place that a handshake holds, number 2 * pair
 * + place; certs_live: a bit for each pair, the place in use. certs_sign: what
 * tls_server.sign does, for `held`. certs_take: the chain of pair i, as
 * chain_pack made it, is now the one in use, in this place.
 */
void certs_forget_keys(struct certs *c);
uint32_t certs_busy(const struct certs *c);
uint32_t certs_live(const struct certs *c);
void certs_set_busy(struct certs *c, uint32_t busy);
size_t certs_sign(struct certs *c, uint32_t held, int hash_id,
    struct slice hash, uint8_t out[SIGNATURE_MAX]);
bool certs_take(struct certs *c, size_t i, unsigned place,
    struct slice packed);
/* The pin of pair i. */
bool certs_pin(const struct certs *c, size_t i, uint8_t pin[PIN_BYTES]);

#endif
