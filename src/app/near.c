/*
 * Optimal string alignment, three rows of a table. Names are short and this
 * runs once, on the way out.
 */
#include "app/near.h"

#include "base/num.h"

static uint8_t
fold(uint8_t c)
{
	return c == '_' ? '-' : ascii_lower(c);
}

size_t
near_distance(struct slice a, struct slice b)
{
	size_t rows[3][NEAR_MAX + 1] = { 0 };
	size_t *before = rows[0], *last = rows[1], *row = rows[2], *t;

	if (a.n > NEAR_MAX || b.n > NEAR_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.n; j++)
		last[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		uint8_t c = fold(a.p[i - 1]);

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			uint8_t d = fold(b.p[j - 1]);

			row[j] = min_size(last[j - 1] + (c != d),
			    min_size(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && c == fold(b.p[j - 2]) &&
			    d == fold(a.p[i - 2]))
				row[j] = min_size(row[j], before[j - 2] + 1);
		}
		t = before;
		before = last;
		last = row;
		row = t;
	}
	return last[b.n];
}

bool
near_enough(struct slice a, size_t distance)
{
	return distance <= 1 || distance <= a.n / 3;
}
