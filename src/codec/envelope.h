/*
 * Envelopes: what of a JSON message its carrier has to know. PROTOCOL.md 18.
 *
 * A message of the channel is one JSON object of which the relay looks at a few
 * top-level members and passes on the rest as it is. The scanner checks the
 * whole text against RFC 8259 in one pass, byte by byte and resumable
 * anywhere, so a message can be checked while it arrives; it builds nothing
 * and copies nothing. What it finds are places: offsets from the message's
 * first byte.
 *
 * Names are compared after unescaping, and of a name given twice the last
 * counts, as JSON.parse has it. That the bytes are UTF-8 is the caller's affair
 * (codec/utf8.h): they come from WebSocket frames, which demand it anyway.
 */
#ifndef ADIT_CODEC_ENVELOPE_H
#define ADIT_CODEC_ENVELOPE_H

#include "codec/json.h"

enum envelope_key {             /* the members that somebody asks for */
	ENV_TYPE, ENV_DEVICE_ID, ENV_PAYLOAD, ENV_TIMESTAMP, ENV_TUNNEL_ID,
	ENV_AUTH_KEY, ENV_MESSAGE, ENV_KEYS
};

enum { ENVELOPE_DEPTH = JSON_DEPTH_MAX };       /* arrays and objects */

struct envelope_span {          /* a value, quotes and brackets included */
	size_t from, to;
	enum json_kind kind;    /* JSON_NONE: there is none */
};

struct envelope {
	size_t at;              /* bytes taken so far */
	size_t open;            /* of the top-level `{` */
	enum json_kind kind;    /* of the whole, once it began */
	struct envelope_span v[ENV_KEYS];
	size_t cut_from, cut_to;        /* see envelope_feed */
	enum err err;           /* sticky */
	uint8_t state, number, hex_left, word_left;
	const char *word;       /* rest of true, false, null */
	bool cuts;              /* report ENV_DEVICE_ID members */
	bool in_name, has_comma, cut_due;
	uint8_t name_n;         /* bytes of `name`; above its size: too long */
	uint8_t name[9];
	uint8_t key;            /* of the top-level member under way */
	uint16_t unit;          /* of a \u escape */
	uint16_t depth;
	size_t name_from, from; /* the member's name and value */
	size_t comma;           /* the last that stays */
	uint8_t is_object[ENVELOPE_DEPTH / 8];
};

/*
 * Start. `cuts`: the message goes on without its top-level device_id, and
 * envelope_feed tells where to remove it.
 */
void envelope_init(struct envelope *e, bool cuts);

/*
 * Take the next bytes; *used tells how many.
 *   E_MORE         all of them
 *   E_OK           the bytes of the message from cut_from to cut_to are a
 *                  device_id member with one comma: without them (or with
 *                  blanks instead) the text is the same object without it.
 *                  They have been taken; go on with the rest of `in`
 *   E_JSON_SYNTAX  not JSON
 *   E_JSON_DEPTH   nested more than ENVELOPE_DEPTH deep
 * An error stays. Cuts come in order, but that of the last member may reach
 * back to a comma before earlier ones.
 */
enum err envelope_feed(struct envelope *e, struct slice in, size_t *used);

/*
 * The text ends here: E_OK if it is one JSON value, with e->kind and e->v, or
 * the error. Members are looked for in an object only.
 */
enum err envelope_end(struct envelope *e);

#endif
