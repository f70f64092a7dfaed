/*
 * The ring: counted frames that the peer has not acknowledged, in order, as
 * plain bytes. PROTOCOL.md 6.
 *
 * A record is one frame, head and payload, in one piece: it never crosses a
 * block, so it can be read into from a socket and masked out of in one go. A
 * full DATA record fills its block exactly (RING_DATA_MAX). The ring counts
 * its bound in whole blocks, what is left unused at a block's end included:
 * R is a bound of memory.
 */
#ifndef ADIT_TUNNEL_RING_H
#define ADIT_TUNNEL_RING_H

#include "base/chain.h"

enum {
	RING_LENGTH_BYTES = 4,          /* before each record */
	RING_RECORD_MAX = BLOCK_BYTES - RING_LENGTH_BYTES,
	RING_CONTROL_BLOCKS = 4,        /* not for DATA */
};

struct ring {
	uint32_t head, tail, cur;       /* blocks, valid while nblocks > 0 */
	uint32_t head_off, tail_end, cur_off;
	uint32_t nblocks;               /* blocks held */
	uint32_t floor, max;            /* blocks reserved always; at most */
	uint32_t reserved;              /* floor <= reserved <= max */
	uint64_t acked;                 /* frames that the peer has */
	uint64_t sent;                  /* frames that were composed */
	uint64_t put;                   /* frames ever put */
};

/* False if `floor` blocks cannot be reserved. */
bool ring_init(struct ring *r, struct blocks *b, uint32_t floor, uint32_t max);
/* Everything goes back to the pool; also the reservation. */
void ring_free(struct ring *r, struct blocks *b);
/*
 * Room for one record of at least `want` bytes; *room says how many there
 * are, at most RING_RECORD_MAX. NULL when the ring is at its limit: for data
 * earlier than for control frames. ring_commit must follow.
 */
uint8_t *ring_room(struct ring *r, struct blocks *b, size_t want, bool data,
    size_t *room);
/* The record has n bytes; n = 0: there is none after all. */
void ring_commit(struct ring *r, struct blocks *b, size_t n);
/* Could ring_room give room now? Reserves nothing. */
bool ring_has_room(const struct ring *r, const struct blocks *b, size_t want,
    bool data);
/* The first record that was not sent; empty if all were. */
struct slice ring_unsent(const struct ring *r, const struct blocks *b);
/* That record has been composed. */
void ring_sent(struct ring *r, const struct blocks *b);
/* The peer has received `count` frames in all. False, and nothing changes, if
 * it falls, or is above what was sent. */
bool ring_ack(struct ring *r, struct blocks *b, uint64_t count);
/* The same, on a new connection: all that is above has to be sent again. */
bool ring_rewind(struct ring *r, struct blocks *b, uint64_t count);
/* The records kept, by walking them: for tunnel_check. */
uint64_t ring_count(const struct ring *r, const struct blocks *b);

#endif
