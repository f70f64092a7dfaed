/*
 * The audit log: who did what, when, from where. One line an entry, appended
 * and made durable before the thing itself is done; secrets never in it.
 *
 *     {"n":17,"t":1700000000,"who":"anna","from":"192.0.2.1",
 *     "what":"people.role","on":"ben","note":"member"} 9f86d081884c7d65
 *
 * (as one line): n counts without a gap, and the last 16 characters are the
 * start of the SHA-256 of what stands before them, in hex. That finds damage,
 * not forgery: who can write the file can compute it. A last line without its
 * end, or with zeros in it, is what a crash leaves; it is cut off at the next
 * start, or before the next entry. Any other damage is an error. At AUDIT_BYTES
 * the file becomes audit.log.1, that one .2, and so on; the oldest goes.
 */
#ifndef ADIT_STATE_AUDIT_H
#define ADIT_STATE_AUDIT_H

#include "codec/json.h"
#include "state/store.h"

enum {
	AUDIT_BYTES = 256 * 1024,       /* of one file, at most */
	AUDIT_FILES = 4,                /* audit.log and three older ones */
	AUDIT_LINE_MAX = 2304,
	AUDIT_TEXT_MAX = 64,            /* bytes of one field, then cut */
};

struct audit {
	uint64_t next;                  /* n of the next entry */
	size_t bytes;                   /* of audit.log */
	bool torn;                      /* a write failed: what stands behind
	                                 * these bytes is to be cut off */
};

/* Empty fields are left out. */
struct audit_entry {
	uint64_t t;                     /* Unix time */
	struct slice who, from, what, on, note;
};

/*
 * audit_load: look through audit.log, and make durable what is there. *cut is
 * set to the bytes of a torn last line, which does not count.
 *   E_OK; E_SYNTAX with *f: damaged before its last line; E_IO
 */
enum err audit_load(struct audit *a, const struct store_io *io,
    struct buf *area, size_t *cut, struct store_fault *f);

/* Append an entry. False if it is not durable: then it is not in the log. */
bool audit_put(struct audit *a, const struct store_io *io, struct buf *area,
    const struct audit_entry *e);

/*
 * audit_rows: write entries older than n `before` (0: all) into an open array,
 * newest first, while `room` bytes of o->b stay free. Returns the `before` to
 * go on with, 0 at the end. Damaged lines are passed over.
 */
uint64_t audit_rows(const struct store_io *io, struct buf *area,
    uint64_t before, struct json_out *o, size_t room);

#endif
