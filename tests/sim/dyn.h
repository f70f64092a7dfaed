/*
 * Bytes that grow: for tests only.
 */
#ifndef ADIT_TESTS_DYN_H
#define ADIT_TESTS_DYN_H

#include <stdbool.h>
#include <stddef.h>

struct dyn {                    /* always a NUL behind them */
	char *p;
	size_t n, cap;
};

void dyn_put(struct dyn *d, const void *p, size_t n);
void dyn_drop(struct dyn *d, size_t n);
bool dyn_has(const struct dyn *d, const char *text);

#endif
