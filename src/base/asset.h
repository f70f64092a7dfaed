/*
 * Assets: the files of web/, compiled into the program by tools/embed.
 */
#ifndef ADIT_BASE_ASSET_H
#define ADIT_BASE_ASSET_H

#include "base/slice.h"

struct asset {
	struct slice path;      /* the file's name in web/: "style.css" */
	struct slice type;      /* Content-Type, by the name's ending */
	struct slice etag;      /* of the bytes, with its quotes */
	struct slice body;
};

/* Sorted by path, bytewise. */
extern const struct asset assets[];
extern const size_t assets_n;

#endif
