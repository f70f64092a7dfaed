/*
 * The nearest of some names: "did you mean".
 */
#ifndef ADIT_APP_NEAR_H
#define ADIT_APP_NEAR_H

#include "base/slice.h"

enum { NEAR_MAX = 40 };         /* bytes of the longest name looked at */

/*
 * near_distance: how many letters must be put in, left out, changed or swapped
 * with their neighbour to get from one to the other; case, `-` and `_` do not
 * count. SIZE_MAX if one is longer than NEAR_MAX.
 */
size_t near_distance(struct slice a, struct slice b);

/* Near enough to be worth a question. */
bool near_enough(struct slice a, size_t distance);

#endif
