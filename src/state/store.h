/*
 * The kept files of the relay, under DATA/relay/:
 *
 *     jwt-secret      signs sessions; made when JWT_SECRET is not set
 *     relay-token     for agents; made when RELAY_TOKEN is not set
 *     revoked.json    ended sessions (state/revoked.h)
 *
 * A secret's file is one line of text: exactly what one would put into the
 * environment variable. Files are read and written through two callbacks; the
 * kernel's implementation creates them with mode 0600, makes new content
 * durable before the old is gone, and keeps the previous generation.
 *
 * A file that is there but damaged is an error with its name and line, never
 * a reason to start afresh.
 */
#ifndef ADIT_STATE_STORE_H
#define ADIT_STATE_STORE_H

#include "base/buf.h"
#include "base/err.h"
#include "crypto/ct.h"
#include "crypto/rng.h"
#include "state/revoked.h"

enum {
	STORE_FILE_MAX = REVOKED_FILE_MAX,      /* bytes of the largest file */
	STORE_RANDOM_BYTES = 32,        /* of a secret made here */
};

struct store_io {
	/* Append the file's content to *into. E_OK; E_EOF: there is no such
	 * file; E_FULL: too large; E_IO: it cannot be read. */
	enum err (*load)(void *ctx, struct slice name, struct buf *into);
	/* Write the file whole; false, and the old stays, if that failed. */
	bool (*save)(void *ctx, struct slice name, struct slice content);
	void *ctx;
};

/* What is wrong with which file, for one line to a person. */
struct store_fault {
	struct slice file;
	size_t line;            /* 0: no particular one */
	const char *why;        /* static */
};

/*
 * store_jwt_secret, store_relay_token: the kept secret, or, at first start, a
 * new one of STORE_RANDOM_BYTES random bytes in base64url (the token's begins
 * with `adit_`), which is saved before it is used.
 *   E_OK       *out is it; *made tells whether it is new
 *   E_SYNTAX   the file is damaged, or what it holds may be no secret
 *   E_IO       it cannot be read or written
 * *f is filled on an error.
 */
enum err store_jwt_secret(struct secret *out, const struct store_io *io,
    struct rng *rng, bool *made, struct store_fault *f);
enum err store_relay_token(struct secret *out, const struct store_io *io,
    struct rng *rng, bool *made, struct store_fault *f);

/*
 * store_revoked: the list; empty without the file. `area` is space for the
 * file's text, STORE_FILE_MAX bytes, not needed afterwards. Errors as above.
 */
enum err store_revoked(struct revoked *r, const struct store_io *io,
    struct buf *area, struct store_fault *f);

/* Write the list. `area` as above. False if that failed. */
bool store_save_revoked(const struct revoked *r, const struct store_io *io,
    struct buf *area);

/* The line, from 1 on, of an offset in a text. */
size_t store_line(struct slice text, size_t at);

#endif
