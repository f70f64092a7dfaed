/*
 * scrypt, RFC 7914, and the PBKDF2-HMAC-SHA256 (RFC 8018) that it is made of:
 * what a password becomes before it is kept.
 *
 * Memory is the caller's: scrypt_area(cost) bytes, for the time of the call.
 * The time is in proportion to N * r * p; nothing in it can wait or fail.
 */
#ifndef ADIT_CRYPTO_SCRYPT_H
#define ADIT_CRYPTO_SCRYPT_H

#include "base/buf.h"
#include "base/err.h"

enum {
	SCRYPT_HASH_BYTES = 32,
	SCRYPT_SALT_BYTES = 16,         /* of salts that we make */
	SCRYPT_LOG2N_MIN = 10,
	SCRYPT_LOG2N_MAX = 20,
	SCRYPT_R_MAX = 32,
	SCRYPT_P_MAX = 16,
	/* Whatever a file says: memory and time of one stretching. The usual
	 * cost (15, 8, 3) is 32 MiB and 3/4 Mi of steps, 0.3 s. */
	SCRYPT_AREA_MAX = 130 << 20,    /* bytes; N 2^17, r 8 fits */
	SCRYPT_WORK_MAX = 8 << 20,      /* N * r * p */
	SCRYPT_TEXT_MAX = 96,           /* characters of a hash's text */
};

struct scrypt_cost {
	uint8_t log2n, r, p;
};

/* A kept password. */
struct scrypt_hash {
	struct scrypt_cost cost;        /* log2n 0: there is none */
	uint8_t salt[SCRYPT_SALT_BYTES];
	uint8_t hash[SCRYPT_HASH_BYTES];
};

/* Within the bounds above. */
bool scrypt_cost_ok(struct scrypt_cost c);

/* N * r * p: the time, in steps of one size. */
uint32_t scrypt_work(struct scrypt_cost c);

/* Bytes of memory that stretching at this cost needs. */
size_t scrypt_area(struct scrypt_cost c);

/*
 * scrypt: n bytes (at most 255 * 32) from a password and a salt. `area` is
 * scrypt_area(c) bytes, aligned to 64, wiped before the return. The cost is
 * within the bounds, an assertion, but for log2n, which may be less (1: the
 * vectors of RFC 7914 and tests that count).
 */
void scrypt(uint8_t *out, size_t n, struct slice password, struct slice salt,
    struct scrypt_cost c, void *area);

/* RFC 8018 5.2 with HMAC-SHA256; rounds > 0. */
void pbkdf2_sha256(uint8_t *out, size_t n, struct slice password,
    struct slice salt, uint32_t rounds);

/*
 * A hash as text: scrypt$LOG2N$R$P$SALT$HASH, numbers decimal, salt and hash
 * in base64url.
 *
 * scrypt_put: append it. False if it does not fit; SCRYPT_TEXT_MAX does.
 * scrypt_parse: read it. False, and *h unspecified, if it is of any other form
 * or its cost out of bounds.
 */
bool scrypt_put(struct buf *b, const struct scrypt_hash *h);
bool scrypt_parse(struct scrypt_hash *h, struct slice s);

#endif
