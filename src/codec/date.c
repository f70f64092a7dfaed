/*
 * Dates: the proleptic Gregorian calendar in whole numbers.
 *
 * Days are counted in years that begin on 1 March, so that the leap day is the
 * last of its year and month lengths follow one formula: (153 m + 2) / 5 days
 * lie before month m (March is 0). 146097 days are 400 years. No table, no
 * loop, no libc call that may look for a time zone.
 */
#include "codec/date.h"

#include <assert.h>

#include "base/num.h"

struct civil {
	unsigned year, month, day;      /* month 1..12, day 1..31 */
	unsigned hour, minute, second;
	unsigned weekday;               /* 0 Sunday */
};

enum { DAY_S = 86400, DAYS_400Y = 146097, DAYS_TO_1970 = 719468 };

static const uint8_t weekdays[] = "SunMonTueWedThuFriSat";
static const uint8_t months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days since 1970-01-01 of a day in the year 0 or later. */
static int64_t
days_of(unsigned year, unsigned month, unsigned day)
{
	/* one era earlier, so that January of year 0 stays positive */
	uint32_t y = year + 400 - (month <= 2);
	uint32_t m = (month + 9) % 12;
	uint32_t era = y / 400, yoe = y % 400;
	uint32_t doy = (153 * m + 2) / 5 + day - 1;
	uint32_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return ((int64_t)era - 1) * DAYS_400Y + doe - DAYS_TO_1970;
}

static bool
civil_of(struct civil *c, int64_t unix_s)
{
	uint64_t s, days;
	uint32_t era, doe, yoe, doy, m;

	if (unix_s < DATE_MIN_S || unix_s > DATE_MAX_S)
		return false;
	/* seconds since 1 March of the year -400 */
	s = (uint64_t)(unix_s +
	    (int64_t)DAY_S * (DAYS_TO_1970 + DAYS_400Y));
	days = s / DAY_S;
	s %= DAY_S;
	era = to_u32(days / DAYS_400Y);
	doe = to_u32(days % DAYS_400Y);
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	m = (5 * doy + 2) / 153;
	c->day = doy - (153 * m + 2) / 5 + 1;
	c->month = m < 10 ? m + 3 : m - 9;
	c->year = era * 400 + yoe + (c->month <= 2) - 400;
	c->hour = (unsigned)(s / 3600);
	c->minute = (unsigned)(s / 60 % 60);
	c->second = (unsigned)(s % 60);
	c->weekday = (unsigned)((days + 3) % 7);        /* from a Wednesday */
	assert(c->year <= 9999 && c->day >= 1 && c->day <= 31);
	return true;
}

/* v in exactly `n` decimal digits. */
static void
put_digits(struct buf *b, unsigned v, unsigned n)
{
	uint8_t t[4];

	assert(n <= sizeof t);
	for (unsigned i = n; i > 0; i--) {
		t[i - 1] = (uint8_t)('0' + v % 10);
		v /= 10;
	}
	assert(v == 0);
	buf_put(b, slice_of(t, n));
}

static void
put_clock(struct buf *b, const struct civil *c)
{
	put_digits(b, c->hour, 2);
	buf_lit(b, ":");
	put_digits(b, c->minute, 2);
	buf_lit(b, ":");
	put_digits(b, c->second, 2);
}

static bool
put_refused(struct buf *b)
{
	b->is_short = true;
	return false;
}

bool
date_put_http(struct buf *b, int64_t unix_s)
{
	struct civil c;
	size_t before = b->n;

	if (!civil_of(&c, unix_s) || buf_room(b) < DATE_HTTP_BYTES)
		return put_refused(b);
	buf_put(b, slice_of(weekdays + (size_t)3 * c.weekday, 3));
	buf_lit(b, ", ");
	put_digits(b, c.day, 2);
	buf_lit(b, " ");
	buf_put(b, slice_of(months + (size_t)3 * (c.month - 1), 3));
	buf_lit(b, " ");
	put_digits(b, c.year, 4);
	buf_lit(b, " ");
	put_clock(b, &c);
	buf_lit(b, " GMT");
	assert(!buf_ok(b) || b->n - before == DATE_HTTP_BYTES);
	return buf_ok(b);
}

bool
date_put_iso(struct buf *b, int64_t unix_ms)
{
	struct civil c;
	size_t before = b->n;
	int64_t s = unix_ms / 1000, ms = unix_ms % 1000;

	if (ms < 0) {
		ms += 1000;
		s -= 1;
	}
	if (!civil_of(&c, s) || buf_room(b) < DATE_ISO_BYTES)
		return put_refused(b);
	put_digits(b, c.year, 4);
	buf_lit(b, "-");
	put_digits(b, c.month, 2);
	buf_lit(b, "-");
	put_digits(b, c.day, 2);
	buf_lit(b, "T");
	put_clock(b, &c);
	buf_lit(b, ".");
	put_digits(b, (unsigned)ms, 3);
	buf_lit(b, "Z");
	assert(!buf_ok(b) || b->n - before == DATE_ISO_BYTES);
	return buf_ok(b);
}

/* `n` decimal digits at `at`. */
static bool
get_digits(struct slice s, size_t at, size_t n, unsigned max, unsigned *v)
{
	uint64_t t;

	if (!slice_dec(slice_head(slice_from(s, at), n), max, &t))
		return false;
	*v = (unsigned)t;
	return true;
}

/* Which of the three-letter names in `list` stands at `at`; false if none. */
static bool
get_name(struct slice s, size_t at, const uint8_t *list, unsigned count,
    unsigned *v)
{
	for (unsigned i = 0; i < count; i++) {
		if (slice_eq(slice_head(slice_from(s, at), 3),
		    slice_of(list + (size_t)3 * i, 3))) {
			*v = i;
			return true;
		}
	}
	return false;
}

enum err
date_parse_http(struct slice s, int64_t *unix_s)
{
	struct civil c, back;
	int64_t t;

	if (s.n != DATE_HTTP_BYTES ||
	    !slice_eq(slice_head(slice_from(s, 3), 2), SL(", ")) ||
	    s.p[7] != ' ' || s.p[11] != ' ' || s.p[16] != ' ' ||
	    s.p[19] != ':' || s.p[22] != ':' ||
	    !slice_ends(s, SL(" GMT")))
		return E_SYNTAX;
	if (!get_name(s, 0, weekdays, 7, &c.weekday) ||
	    !get_digits(s, 5, 2, 31, &c.day) ||
	    !get_name(s, 8, months, 12, &c.month) ||
	    !get_digits(s, 12, 4, 9999, &c.year) ||
	    !get_digits(s, 17, 2, 23, &c.hour) ||
	    !get_digits(s, 20, 2, 59, &c.minute) ||
	    !get_digits(s, 23, 2, 59, &c.second) || c.day == 0)
		return E_SYNTAX;
	c.month++;
	t = days_of(c.year, c.month, c.day) * DAY_S + c.hour * INT64_C(3600) +
	    c.minute * INT64_C(60) + c.second;
	/* 31 April comes back as 1 May: that day does not exist */
	if (!civil_of(&back, t) || back.day != c.day ||
	    back.weekday != c.weekday)
		return E_SYNTAX;
	*unix_s = t;
	return E_OK;
}
