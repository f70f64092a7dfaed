/*
 * The kept files of the relay, under DATA/relay/:
 *
 *     jwt-secret      signs sessions; made when JWT_SECRET is not set
 *     relay-token     for agents; made when RELAY_TOKEN is not set
 *     setup-code      while nobody can log in (state/keeper.h)
 *     people.json, tokens.json, sessions.json     (state/people.h)
 *     audit.log       and older ones (state/audit.h)
 *
 * A secret's file is one line of text: exactly what one would put into the
 * environment variable. After a rotation jwt-secret has a second line, the
 * secret before it and the Unix time until which it counts. Files are read and
 * written through callbacks; the kernel's implementation creates them with mode
 * 0600, makes new content durable before the old is gone, and keeps the
 * previous generation.
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

enum {
	STORE_FILE_MAX = 416 * 1024,    /* bytes of the largest file */
	STORE_RANDOM_BYTES = 32,        /* of a secret made here */
};

struct store_io {
	/* Append the file's content to *into. E_OK; E_EOF: there is no such
	 * file; E_FULL: too large; E_IO: it cannot be read. */
	enum err (*load)(void *ctx, struct slice name, struct buf *into);
	/* Write the file whole; false, and the old stays, if that failed. */
	bool (*save)(void *ctx, struct slice name, struct slice content);
	/* Append to the file, making it, durably (with nothing to append:
	 * what is there). False: it may have been appended in part. */
	bool (*append)(void *ctx, struct slice name, struct slice content);
	/* NAME becomes NAME.1, that one NAME.2, and so on, so that `files` of
	 * them stay. False if a step failed; no content is lost but that of
	 * the oldest. */
	bool (*rotate)(void *ctx, struct slice name, unsigned files);
	/* Remove the file and its previous generation. True if it is gone. */
	bool (*remove)(void *ctx, struct slice name);
	void *ctx;
};

/* What is wrong with which file, for one line to a person. */
struct store_fault {
	struct slice file;
	size_t line;            /* 0: no particular one */
	const char *why;        /* static */
};

/* The signing secret that is kept. */
struct store_jwt {
	struct secret now;
	struct secret before;           /* empty: none, or its time is over */
	uint64_t until_s;               /* for sessions of the store */
};

/*
 * store_jwt_secret, store_relay_token: the kept secret, or, at first start, a
 * new one of STORE_RANDOM_BYTES random bytes in base64url (the token's begins
 * with `adit_`), which is saved before it is used.
 *   E_OK       *out is it; *made tells whether it is new. If *made is false
 *              before, no new token is made, and *out is empty without one
 *   E_SYNTAX   the file is damaged, or what it holds may be no secret
 *   E_IO       it cannot be read or written
 * *f is filled on an error.
 */
enum err store_jwt_secret(struct store_jwt *out, const struct store_io *io,
    struct rng *rng, bool *made, struct store_fault *f);
enum err store_relay_token(struct secret *out, const struct store_io *io,
    struct rng *rng, bool *made, struct store_fault *f);

/* The line, from 1 on, of an offset in a text. */
size_t store_line(struct slice text, size_t at);

/* Let a new secret be j->now, and the present one j->before until `until_s`, in
 * the file and then in *j. False, and both are as they were, if that failed. */
bool store_rotate_jwt(struct store_jwt *j, const struct store_io *io,
    struct rng *rng, uint64_t until_s);

/* For other files: *f and the error for what `load` answered. */
enum err store_load_fault(struct store_fault *f, enum err e);
/* Fill *f but for its file; returns e. */
enum err store_wrong(struct store_fault *f, enum err e, size_t line,
    const char *why);

#endif
