/*
 * The sessions that were ended before their time, by the id of their token
 * (jti).
 *
 * Nothing is forgotten because its token seems to have expired: a clock that
 * was ahead for a moment would make a session that was ended valid again.
 *
 * The list is bounded. When it is full, the entry that expires first makes
 * room by raising `ended_s`: every session that expires no later than that is
 * over, as it is by the clock as a rule. A logout is never forgotten and never
 * refused; what it can cost, after more than REVOKED_MAX of them in the life of
 * a session, is that sessions older than the entry log in again.
 */
#ifndef ADIT_STATE_REVOKED_H
#define ADIT_STATE_REVOKED_H

#include "base/buf.h"
#include "base/err.h"

enum {
	REVOKED_MAX = 2048,
	JTI_BYTES = 16,
	JTI_CHARS = 22,                 /* the same in base64url */
	REVOKED_ROW_MAX = 72,           /* bytes of one entry in the file */
	REVOKED_FILE_MAX = REVOKED_MAX * REVOKED_ROW_MAX + 128,
};

struct revoked {
	uint64_t ended_s;       /* sessions up to this expiry are over */
	uint32_t n;
	struct revoked_row {
		uint64_t expires_s;
		uint8_t jti[JTI_BYTES];
	} rows[REVOKED_MAX];
};

/* The session with this id and expiry was ended. */
bool revoked_has(const struct revoked *r, const uint8_t jti[JTI_BYTES],
    uint64_t expires_s);

/*
 * End a session. Nothing changes, and false, if it was ended already or has
 * expired.
 */
bool revoked_add(struct revoked *r, const uint8_t jti[JTI_BYTES],
    uint64_t expires_s, uint64_t now_s);

/*
 * The file: JSON, one entry a line.
 *
 *     {"version":1,"ended_s":0,"revoked":[
 *     {"jti":"AAAAAAAAAAAAAAAAAAAAAA","exp":1700000000}
 *     ]}
 *
 * revoked_put: append it. False if it does not fit; REVOKED_FILE_MAX does.
 */
bool revoked_put(struct buf *b, const struct revoked *r);

/*
 * revoked_parse: read it back.
 *   E_OK        *r is filled
 *   E_SYNTAX    *at is the offset where it is wrong, *why a static text
 * Strict: an unknown, missing or doubled member is an error, for this file is
 * written by the relay alone and a part that is not understood may be a
 * session that should be over. *r is unspecified on an error.
 */
enum err revoked_parse(struct revoked *r, struct slice text, size_t *at,
    const char **why);

#endif
