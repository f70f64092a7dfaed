/*
 * Legal edges of machines of states. Each machine lists its own, in the same
 * words as PROTOCOL.md or its header does, and has one function that changes
 * the state; that one asserts this.
 */
#ifndef ADIT_BASE_EDGE_H
#define ADIT_BASE_EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct edge {
	uint8_t from, to;
};

/* Is from -> to among the n edges? */
bool edge_legal(const struct edge *edges, size_t n, unsigned from,
    unsigned to);

#define EDGE_LEGAL(edges, from, to)                                     \
	edge_legal(edges, sizeof (edges) / sizeof (edges)[0], from, to)

#endif
