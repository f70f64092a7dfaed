/*
 * What may be a secret. A relay on a public port is only as good as the words
 * that guard it, so a short one, one that cannot be sent as it is, and one
 * that stands in somebody's documentation are refused before anything starts.
 */
#ifndef ADIT_STATE_STRENGTH_H
#define ADIT_STATE_STRENGTH_H

#include "base/slice.h"

enum {
	STRENGTH_PASSWORD_MIN = 8,      /* bytes */
	STRENGTH_TOKEN_MIN = 16,
	STRENGTH_JWT_MIN = 32,
	STRENGTH_MAX = 256,             /* SECRET_MAX of crypto/ct.h */
};

enum strength_kind {
	STRENGTH_PASSWORD,      /* typed by people: UTF-8, no control bytes */
	STRENGTH_TOKEN,         /* sent as a bearer token: 0x21..0x7e only */
	STRENGTH_JWT,           /* a key: any bytes */
	STRENGTH_CHANNEL,       /* sent in JSON: UTF-8 */
};

/*
 * strength_fault: why `s` may not be the secret of this kind: a static string
 * that completes "NAME: ..." ("too short: ..."), without a byte of `s`.
 * NULL if it may.
 */
const char *strength_fault(enum strength_kind kind, struct slice s);

#endif
