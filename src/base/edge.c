/*
 * Legal edges. The lists are short and looked at when a state changes, so they
 * are searched from the front; a bit for each pair would be quicker and could
 * not be written from a list of edges by the preprocessor.
 */
#include "base/edge.h"

bool
edge_legal(const struct edge *edges, size_t n, unsigned from, unsigned to)
{
	for (size_t i = 0; i < n; i++) {
		if (edges[i].from == from && edges[i].to == to)
			return true;
	}
	return false;
}
