/*
 * Assets: the files of web/, compiled into the program by tools/embed.
 *
 * They exist packed by gzip only: every answer with one says so in
 * Content-Encoding. A page refers to them as /_adit/assets/NAME?v=VERSION,
 * and with that query, and no other, a copy may be kept for ever.
 */
#ifndef ADIT_BASE_ASSET_H
#define ADIT_BASE_ASSET_H

#include "base/slice.h"

struct asset {
	struct slice path;      /* the file's name in web/: "style.css" */
	struct slice type;      /* Content-Type, by the name's ending */
	struct slice etag;      /* of the bytes, with its quotes */
	struct slice body;      /* gzip */
};

/* Sorted by path, bytewise. */
extern const struct asset assets[];
extern const size_t assets_n;
/* Of all of them together: 12 hexadecimal digits. */
extern const struct slice assets_version;

#endif
