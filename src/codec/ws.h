/*
 * WebSocket, RFC 6455: frame headers, masking, close codes, the rules that
 * bind a sequence of frames, a follower for a proxy, and the handshake fields.
 *
 * Three layers, each usable alone:
 *   ws_decode, ws_encode  one header, knowing nothing of other frames
 *   ws_admit              may this frame come now, in this direction
 *   ws_follow             both of them over a stream that is cut anywhere
 *
 * An endpoint uses ws_decode, ws_admit and ws_mask, and utf8_step on text. A
 * proxy uses one ws_follow for each direction and never looks at a payload.
 */
#ifndef ADIT_CODEC_WS_H
#define ADIT_CODEC_WS_H

#include "base/buf.h"
#include "base/err.h"

enum ws_opcode {
	WS_CONT   = 0x0,
	WS_TEXT   = 0x1,
	WS_BINARY = 0x2,
	WS_CLOSE  = 0x8,
	WS_PING   = 0x9,
	WS_PONG   = 0xa,
};

enum {
	WS_HEAD_MAX    = 14,    /* bytes of the longest frame header */
	WS_CONTROL_MAX = 125,   /* payload bytes of a control frame */
	WS_REASON_MAX  = 123,   /* bytes of a close reason */
	WS_KEY_BYTES   = 24,    /* characters of a Sec-WebSocket-Key */
	WS_RSV1        = 0x40,  /* as they stand in the first byte */
	WS_RSV2        = 0x20,
	WS_RSV3        = 0x10,
	WS_RSV         = 0x70,
};

/* Close codes that we send or look at. RFC 6455 7.4.1. */
enum ws_code {
	WS_CODE_NORMAL     = 1000,
	WS_CODE_GOING_AWAY = 1001,
	WS_CODE_PROTOCOL   = 1002,
	WS_CODE_NONE       = 1005,      /* no code given; never on the wire */
	WS_CODE_UTF8       = 1007,
	WS_CODE_POLICY     = 1008,
	WS_CODE_TOO_BIG    = 1009,
	WS_CODE_INTERNAL   = 1011,
};

struct ws_frame {
	uint64_t length;        /* payload bytes, below 2^63 */
	uint8_t opcode;         /* enum ws_opcode */
	uint8_t rsv;            /* of WS_RSV */
	bool fin;
	bool masked;
	uint8_t key[4];         /* zero if not masked */
};

/*
 * ws_decode: read one frame header from the front of `in`. RFC 6455 5.2.
 *   E_OK           *f is filled, *used is 2..14; the payload is the caller's
 *   E_MORE         incomplete, but right so far; *f and *used are untouched
 *   E_WS_OPCODE    reserved opcode
 *   E_WS_CONTROL   control frame fragmented or above 125 bytes (5.5)
 *   E_WS_LENGTH    not the shortest spelling, or 2^63 and more
 * An error is found at the first byte that proves it. *f keeps no pointer
 * into `in`. What depends on other frames or on the direction is ws_admit's.
 */
enum err ws_decode(struct ws_frame *f, struct slice in, size_t *used);

/*
 * ws_encode_raw: write the header of *f, 2..14 bytes; their count. The frame
 * is ours, so that ws_decode would accept it is an assertion.
 */
size_t ws_encode_raw(uint8_t out[WS_HEAD_MAX], const struct ws_frame *f);

/* The same appended to a buffer; false, and nothing appended, if too full. */
bool ws_encode(struct buf *out, const struct ws_frame *f);

/*
 * ws_mask: dst[i] = src[i] ^ key[(offset + i) % 4]. RFC 6455 5.3. `offset` is
 * the place of src[0] in its payload. dst may equal src; they may not overlap
 * otherwise. Any alignment. Applied twice it is the identity.
 */
void ws_mask(uint8_t *dst, const uint8_t *src, size_t n,
    const uint8_t key[4], uint64_t offset);

/*
 * The sequence of frames in one direction. RFC 6455 5.1, 5.4, 5.5.
 * Set `mask` and `rsv` (or use ws_rules_of); all else starts as zero.
 */
struct ws_rules {
	bool mask;              /* frames must be masked; else must not be */
	uint8_t rsv;            /* bits that an extension gives a meaning */
	bool in_message;        /* a first fragment came, its last did not */
	bool closed;            /* a Close frame came */
};

/* `from_client`: RFC 6455 5.1 has clients mask and servers not. */
static inline struct ws_rules
ws_rules_of(bool from_client, uint8_t rsv)
{
	return (struct ws_rules){ from_client, rsv, false, false };
}

/*
 * ws_admit: may the frame with this header come now? On E_OK *r has moved on;
 * on an error it is unchanged.
 *   E_WS_AFTER_CLOSE  a Close frame came before. Drop it: the Close that
 *                     came already decides how this connection ends
 *   E_WS_MASK         masked by a server or not by a client
 *   E_WS_RESERVED     a reserved bit without an extension; RSV1 of RFC 7692
 *                     anywhere but on the first frame of a data message
 *   E_WS_FRAGMENT     a continuation of nothing, or a new data message
 *                     before the last one ended
 *   E_WS_CLOSE        a Close frame with a payload of one byte
 */
enum err ws_admit(struct ws_rules *r, const struct ws_frame *f);

/* May `code` stand in a Close frame. RFC 6455 7.4 and the IANA registry. */
bool ws_close_code_valid(uint16_t code);

/*
 * ws_close_parse: the payload (unmasked) of a Close frame. RFC 6455 5.5.1.
 *   E_OK        *code, and *reason, a part of `payload`; an empty payload is
 *               WS_CODE_NONE with an empty reason
 *   E_WS_CLOSE  one byte, or a code that may not stand on the wire
 *   E_WS_UTF8   the reason is not UTF-8
 */
enum err ws_close_parse(struct slice payload, uint16_t *code,
    struct slice *reason);

/* The code with which to answer an error of this file: 1002, 1007, 1009. */
uint16_t ws_close_code(enum err e);

/*
 * ws_put_close: append a whole Close frame. `key` is NULL for an unmasked
 * one. WS_CODE_NONE makes an empty payload. A reason above 123 bytes is cut
 * between characters. False, and nothing appended, if it does not fit. That
 * the code is valid and the reason UTF-8 is an assertion.
 */
bool ws_put_close(struct buf *out, uint16_t code, struct slice reason,
    const uint8_t *key);

/*
 * The follower: what of a stream of frames may be passed on. A header is held
 * back in the struct until it is whole and was admitted; payload is not
 * looked at (so text is not checked to be UTF-8, nor a Close frame's code to
 * be valid: those are the endpoints' business) and not copied.
 */
struct ws_follow {
	struct ws_rules rules;
	uint64_t left;                  /* payload still to come */
	enum err err;                   /* the first error; sticky */
	uint8_t n_held;                 /* bytes of an unfinished header */
	uint8_t held[WS_HEAD_MAX];
	uint8_t pass[WS_HEAD_MAX];      /* what out[0] points at */
};

/* Start: `from_client` for the direction client to server; `rsv` as agreed. */
void ws_follow_init(struct ws_follow *w, bool from_client, uint8_t rsv);

/*
 * ws_follow: take the next bytes of the stream, all of them. Pass on out[0],
 * then out[1]; both may be empty. out[0] are bytes held back by earlier calls
 * (inside *w, valid until the next call), out[1] is the front of `in`. The
 * rest of `in`, less than a header, is held.
 *   E_OK    all of `in` was taken
 *   E_WS_*  the frame that begins after what out[] passes breaks a rule. It
 *           and all after it are dropped; this and every later call says the
 *           same error (later calls pass nothing). A Close frame of ours may
 *           follow at once: ws_follow_at_boundary is true then
 * out[0].n + out[1].n <= ws_follow_held(w) before the call + in.n.
 */
enum err ws_follow(struct ws_follow *w, struct slice in, struct slice out[2]);

/* Bytes held back now, at most 13. They count against a window once passed. */
static inline size_t
ws_follow_held(const struct ws_follow *w)
{
	return w->n_held;
}

/*
 * What was passed on so far ends between two frames: a control frame of ours
 * can be put there. (A header that is held has not been passed.) After a
 * Close of ours nothing more may be passed.
 */
static inline bool
ws_follow_at_boundary(const struct ws_follow *w)
{
	return w->left == 0;
}

/* The header of a Close frame has been passed on; its payload may be due. */
static inline bool
ws_follow_closed(const struct ws_follow *w)
{
	return w->rules.closed;
}

/* Sec-WebSocket-Key: the base64 of 16 bytes. RFC 6455 4.2.1. */
bool ws_key_valid(struct slice value);

/* Sec-WebSocket-Version: 13, the only one there is. RFC 6455 4.4. */
bool ws_version_valid(struct slice value);

/*
 * ws_extension_bits: what the server's Sec-WebSocket-Extensions agrees to.
 * Start with *bits = 0 and call it for each field line; the bits are added.
 *   E_OK            *bits has WS_RSV1 for permessage-deflate (RFC 7692)
 *   E_WS_HANDSHAKE  malformed, an unknown extension or parameter, or one
 *                   given twice; *bits is unchanged
 */
enum err ws_extension_bits(struct slice value, uint8_t *bits);

/*
 * ws_list_has: is `token` an element of this comma list? Case matters, as it
 * does for Sec-WebSocket-Protocol. False for anything that is not a token.
 */
bool ws_list_has(struct slice list, struct slice token);

#endif
