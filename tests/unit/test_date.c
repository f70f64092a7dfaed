/*
 * codec/date: known dates, every day of 10,000 years, and what is no date.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "codec/date.h"
#include "check.h"
#include "guard.h"

static const struct {
	int64_t unix_s;
	const char *http, *iso;
} known[] = {
	{ 0, "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00.000Z" },
	{ 784111777, "Sun, 06 Nov 1994 08:49:37 GMT",
	    "1994-11-06T08:49:37.000Z" },
	{ 951782400, "Tue, 29 Feb 2000 00:00:00 GMT",
	    "2000-02-29T00:00:00.000Z" },
	{ 4107542399, "Sun, 28 Feb 2100 23:59:59 GMT",
	    "2100-02-28T23:59:59.000Z" },
	{ 2147483648, "Tue, 19 Jan 2038 03:14:08 GMT",
	    "2038-01-19T03:14:08.000Z" },
	{ -1, "Wed, 31 Dec 1969 23:59:59 GMT", "1969-12-31T23:59:59.000Z" },
	{ DATE_MIN_S, "Sat, 01 Jan 0000 00:00:00 GMT",
	    "0000-01-01T00:00:00.000Z" },
	{ DATE_MAX_S, "Fri, 31 Dec 9999 23:59:59 GMT",
	    "9999-12-31T23:59:59.000Z" },
};

static void
writes_and_reads_known_dates(void **state)
{
	uint8_t area[DATE_HTTP_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		struct buf b = BUF_ON(area);
		int64_t t;

		assert_true(date_put_http(&b, known[i].unix_s));
		CHECK(slice_eq(buf_slice(&b), str(known[i].http)),
		    known[i].http);
		assert_int_equal(date_parse_http(buf_slice(&b), &t), E_OK);
		assert_true(t == known[i].unix_s);
		buf_reset(&b);
		assert_true(date_put_iso(&b, known[i].unix_s * 1000));
		CHECK(slice_eq(buf_slice(&b), str(known[i].iso)),
		    known[i].iso);
	}
}

static void
writes_milliseconds(void **state)
{
	static const struct { int64_t ms; const char *want; } v[] = {
		{ 1, "1970-01-01T00:00:00.001Z" },
		{ 999, "1970-01-01T00:00:00.999Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ 1700000000123, "2023-11-14T22:13:20.123Z" },
	};
	uint8_t area[DATE_ISO_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		struct buf b = BUF_ON(area);

		assert_true(date_put_iso(&b, v[i].ms));
		CHECK(slice_eq(buf_slice(&b), str(v[i].want)), v[i].want);
	}
}

/* The day after: a calendar that counts, to check the one that computes. */
static void
next_day(unsigned *y, unsigned *m, unsigned *d)
{
	static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };
	bool leap = *y % 4 == 0 && (*y % 100 != 0 || *y % 400 == 0);

	if (++*d <= days[*m - 1] + (*m == 2 && leap))
		return;
	*d = 1;
	if (++*m <= 12)
		return;
	*m = 1;
	++*y;
}

static void
agrees_with_counting_every_day(void **state)
{
	unsigned y = 0, m = 1, d = 1;
	char want[32];
	uint8_t area[DATE_HTTP_BYTES];
	int64_t t, back;

	(void)state;
	for (t = DATE_MIN_S; t <= DATE_MAX_S; t += 86400) {
		struct buf b = BUF_ON(area);

		assert_true(date_put_iso(&b, t * 1000));
		snprintf(want, sizeof want, "%04u-%02u-%02uT", y, m, d);
		if (!slice_starts(buf_slice(&b), str(want)))
			fail_msg("%s: %.24s", want, (const char *)area);
		buf_reset(&b);
		assert_true(date_put_http(&b, t + 86399));
		assert_int_equal(date_parse_http(buf_slice(&b), &back), E_OK);
		assert_true(back == t + 86399);
		next_day(&y, &m, &d);
	}
	assert_int_equal(y, 10000);
}

static void
refuses_what_is_no_date(void **state)
{
	static const char *const v[] = {
		"", "Sun, 06 Nov 1994 08:49:37 GM",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Mon, 06 Nov 1994 08:49:37 GMT",
		"sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 Nov 1994 08:49:60 GMT",
		"Sun,  6 Nov 1994 08:49:37 GMT",
		"Sun, +6 Nov 1994 08:49:37 GMT",
		"Sun; 06 Nov 1994 08:49:37 GMT",
		"Sun, 06-Nov-1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08.49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Fri, 31 Apr 2026 00:00:00 GMT",
		"Sat, 29 Feb 2025 00:00:00 GMT",
		"Sun, 32 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
	};
	int64_t t;

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		struct slice s = guard_slice(str(v[i]));

		CHECK(date_parse_http(s, &t) == E_SYNTAX, v[i]);
		guard_free(s);
	}
	/* no byte of a date can be another one */
	for (size_t n = 0; n < DATE_HTTP_BYTES; n++) {
		uint8_t text[DATE_HTTP_BYTES];

		memcpy(text, known[1].http, DATE_HTTP_BYTES);
		text[n] ^= 0x50;
		assert_int_equal(date_parse_http(slice_of(text,
		    DATE_HTTP_BYTES), &t), E_SYNTAX);
	}
	for (size_t n = 0; n < DATE_HTTP_BYTES; n++) {
		struct slice s = guard_put(known[0].http, n);

		assert_int_equal(date_parse_http(s, &t), E_SYNTAX);
		guard_free(s);
	}
}

static void
stays_in_range_and_in_the_buffer(void **state)
{
	static const int64_t out[] = { DATE_MIN_S - 1, DATE_MAX_S + 1,
		INT64_MIN, INT64_MAX };
	uint8_t area[DATE_HTTP_BYTES];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT(out); i++) {
		b = BUF_ON(area);
		assert_false(date_put_http(&b, out[i]));
		assert_false(buf_ok(&b));
	}
	b = BUF_ON(area);
	assert_false(date_put_iso(&b, INT64_MIN));
	b = BUF_ON(area);
	assert_false(date_put_iso(&b, INT64_MAX));
	b = buf_of(area, DATE_HTTP_BYTES - 1);
	assert_false(date_put_http(&b, 0));
	assert_int_equal(b.n, 0);
	b = buf_of(area, DATE_ISO_BYTES - 1);
	assert_false(date_put_iso(&b, 0));
	assert_int_equal(b.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_and_reads_known_dates),
		cmocka_unit_test(writes_milliseconds),
		cmocka_unit_test(agrees_with_counting_every_day),
		cmocka_unit_test(refuses_what_is_no_date),
		cmocka_unit_test(stays_in_range_and_in_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
