/*
 * A book is one file of DATA/relay/ and the table that it becomes: JSON, read
 * and written whole, one row a line.
 *
 *     {"version":1,HEAD,SECTION:[
 *     {...},
 *     {...}
 *     ],SECTION:[
 *     ]}
 *
 * A table is a struct; a section is an array of rows in it, each in use if its
 * first byte is not zero; a column is a member of a row. What a row may say is
 * the section's to judge. For people.c alone.
 */
#ifndef ADIT_STATE_BOOK_H
#define ADIT_STATE_BOOK_H

#include "codec/json.h"
#include "state/people.h"
#include "state/store.h"

enum column_kind {
	C_TEXT,         /* ROW_TEXT(size) */
	C_PLAIN,        /* the same, of visible ASCII */
	C_TIME,         /* uint64_t below 2^53 */
	C_WORD,         /* uint8_t: index of one of `size` words */
	C_SCOPES,       /* uint8_t: bits of an array of names */
	C_BYTES,        /* size bytes, base64url */
	C_HASH,         /* struct scrypt_hash */
	C_NAMES,        /* bits of people, an array of their names; the table
	                 * is a struct people */
	C_HIDDEN = 64,  /* not in lists */
};

struct column {
	struct slice name;
	uint8_t kind;                   /* enum column_kind */
	uint8_t size;
	uint16_t at;                    /* offset in the row */
	const struct slice *words;
};

enum { COLUMNS_MAX = 12, SECTIONS_MAX = 3 };
struct section {
	struct slice name;
	const struct column *columns;   /* at most COLUMNS_MAX */
	uint8_t ncolumns;
	uint16_t row_bytes, rows;
	uint32_t at;                    /* offset in the table */
	/* What is wrong with row i, which is the last one so far; NULL:
	 * nothing. */
	const char *(*fault)(const void *table, size_t i);
};

struct book {
	struct slice file;
	struct column head;             /* of the table itself */
	const struct section *sections;
	size_t n;                       /* at most SECTIONS_MAX */
};

/*
 * book_load: read the file into a table that is all zero; without one it stays
 * so. E_OK, or E_SYNTAX and E_IO with *f as store.h has it: what is not
 * understood, missing, doubled, out of bounds or, to its section, a fault is an
 * error, never skipped. After one the table holds a part.
 * book_save: write it. False if it does not fit or was not written.
 * `area` is space for the text, at least STORE_FILE_MAX bytes to load.
 */
enum err book_load(const struct book *k, void *table,
    const struct store_io *io, struct buf *area, struct store_fault *f);
bool book_save(const struct book *k, const void *table,
    const struct store_io *io, struct buf *area);

/* Row i of a section, in use or not. */
const uint8_t *book_row(const struct section *s, const void *table, size_t i);
/* Its members but the hidden ones, into an open object. */
void book_put_row(struct json_out *o, const struct section *s,
    const void *table, size_t i);

#endif
