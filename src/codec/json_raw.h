/*
 * What json.c and json_get.c both know of a value's bytes. Not for others.
 */
#ifndef ADIT_CODEC_JSON_RAW_H
#define ADIT_CODEC_JSON_RAW_H

#include "codec/json.h"

/* RFC 8259 2: ws. */
static inline bool
json_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The kind of the value that begins with `first`, if it is one. */
enum json_kind json_kind_of(uint8_t first);

#endif
