/*
 * Dates as text, from and to Unix seconds. Pure: no clock, no locale, no time
 * zone. Years 0000 to 9999.
 */
#ifndef ADIT_CODEC_DATE_H
#define ADIT_CODEC_DATE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define DATE_MIN_S INT64_C(-62167219200)        /* 0000-01-01T00:00:00Z */
#define DATE_MAX_S INT64_C(253402300799)        /* 9999-12-31T23:59:59Z */

enum {
	DATE_HTTP_BYTES = 29,   /* what date_put_http writes */
	DATE_ISO_BYTES = 24,    /* what date_put_iso writes */
};

/* Append `Sun, 06 Nov 1994 08:49:37 GMT` (IMF-fixdate, RFC 9110 5.6.7). False
 * if short, or out of range (the buffer is marked short then as well). */
bool date_put_http(struct buf *b, int64_t unix_s);

/*
 * date_parse_http: all of `s` as IMF-fixdate. E_OK or E_SYNTAX. Strict: case,
 * existing day, right weekday, no second 60. So date_put_http gives
 * the same bytes again.
 */
enum err date_parse_http(struct slice s, int64_t *unix_s);

/* Append `1994-11-06T08:49:37.123Z` (ISO 8601, UTC). As date_put_http. */
bool date_put_iso(struct buf *b, int64_t unix_ms);

#endif
