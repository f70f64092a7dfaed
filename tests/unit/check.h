/*
 * What tests with tables of cases share. Include <cmocka.h> and what it needs
 * first.
 */
#ifndef ADIT_TESTS_CHECK_H
#define ADIT_TESTS_CHECK_H

#include "base/slice.h"

#define COUNT(v) (sizeof(v) / sizeof(v)[0])

/* As assert_true, but says which row of a table it was. */
#define CHECK(condition, why)                                                  \
	do {                                                                   \
		if (!(condition))                                              \
			fail_msg("%s: %s", (why), #condition);                 \
	} while (0)

/* Slices of C strings: tests have them, src/ has not. */
static inline struct slice
str(const char *s)
{
	return slice_of(s, strlen(s));
}

#endif
