/*
 * The chunked coding, both ways. RFC 9112 7.1.
 *
 * The decoder has no buffer: size lines are followed byte by byte in its
 * state, data is handed on as slices of the input, and only the trailer
 * section has to stay with the caller until it is complete.
 *
 * Refused (E_HTTP_CHUNK): a size that is not 1 to 16 hex digits or above
 * 2^63-1, extensions outside the grammar or above CHUNK_EXT_MAX bytes in one
 * line, any line end but CRLF. Extensions are checked and dropped. The
 * trailer section is checked as header fields are (E_HTTP_LINE,
 * E_HTTP_FIELD); above CHUNK_TRAILERS_MAX bytes it is E_HTTP_HEAD_LONG.
 */
#ifndef ADIT_CODEC_CHUNK_H
#define ADIT_CODEC_CHUNK_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "codec/http1.h"

enum {
	CHUNK_EXT_MAX      = 1024,      /* bytes of extensions in one line */
	CHUNK_TRAILERS_MAX = 8192,      /* bytes, with the empty line */
	CHUNK_LINE_MAX     = 18,        /* bytes chunk_put_size may write */
};

#define CHUNK_SIZE_MAX INT64_MAX

enum chunk_what {
	CHUNK_SIZE,     /* a chunk of `size` > 0 bytes begins */
	CHUNK_DATA,     /* `data`, a part of it, never empty */
	CHUNK_END,      /* the chunk and its CRLF are complete */
	CHUNK_TRAILERS, /* the last chunk was there; `data` is the complete,
	                 * checked trailer section with its empty line: just
	                 * CRLF when there are no trailers */
	CHUNK_DONE,     /* the body is complete; what follows is not ours */
};

struct chunk_ev {
	enum chunk_what what;
	uint64_t size;
	struct slice data;      /* part of the input */
};

/* All zero is the start of a body. */
struct chunk_dec {
	uint64_t size;          /* of the current chunk; then what is left */
	enum err err;           /* sticky */
	uint16_t ext;           /* extension bytes of this line */
	uint8_t digits;
	uint8_t state;
	struct http_scan scan;  /* of the trailer section */
};

/*
 * chunk_next: the next event.
 *   E_OK    *ev is filled
 *   E_MORE  nothing more can be said; *ev untouched
 *   E_HTTP_*  the first error; every later call returns it again
 * In all cases *used bytes of `in` are consumed; what follows them is to be
 * presented again, with more behind it. After E_MORE something is left over
 * only within the trailer section, at most CHUNK_TRAILERS_MAX - 1 bytes.
 * CHUNK_DONE comes in the call after CHUNK_TRAILERS, needs no input, consumes
 * nothing and comes again in every later call.
 */
enum err chunk_next(struct chunk_dec *d, struct slice in, size_t *used,
    struct chunk_ev *ev);

/* The body is complete: CHUNK_TRAILERS was returned. */
bool chunk_is_done(const struct chunk_dec *d);

/*
 * chunk_trailer_next: the next trailer field off the front of the section that
 * CHUNK_TRAILERS gave; false at its end. *may_trail tells whether it may be
 * forwarded (http_may_trail); the forwarder drops the others.
 */
bool chunk_trailer_next(struct slice *section, struct http_field *f,
    bool *may_trail);

/* Writers: all or nothing, as all puts. */
/* The size line of a chunk of n bytes, 0 < n <= CHUNK_SIZE_MAX. */
bool chunk_put_size(struct buf *b, uint64_t n);
/* CRLF after a chunk's data. */
bool chunk_put_end(struct buf *b);
/* The last chunk's line. Trailer fields (http_put_parsed) and then
 * http_put_end have to follow. */
bool chunk_put_last(struct buf *b);

#endif
