/*
 * Inside the engine: what its files say to each other. Nobody else includes
 * this (tests do).
 *
 *     receive.c   bytes to WebSocket frames to messages to tunnel frames
 *     session.c   counting, ACK, go-away, liveness, the end: no streams
 *     streams.c   streams, their numbers and states: no WebSocket, no cuts
 *     control.c   their control frames, into the ring
 *     turn.c      their data, into the ring: whose turn it is
 *     credit.c    windows, for streams and the session
 *     send.c      the ring and the rest to WebSocket frames
 *     tunnel.c    the functions of tunnel.h
 *
 * Functions that can find the peer at fault end the session by session_fail
 * and return nothing: who called them looks at t->state, since a callback may
 * have closed the tunnel as well.
 */
#ifndef ADIT_TUNNEL_ENGINE_H
#define ADIT_TUNNEL_ENGINE_H

#include "tunnel/tunnel.h"

#define NEVER UINT64_MAX

/* Flags of a stream. */
enum {
	F_READY       = 1,      /* the owner has something for pull */
	F_END_DUE     = 2,      /* END could not enter the ring yet */
	F_STOP_DUE    = 4,      /* so STOP */
	F_CREDIT_DUE  = 8,      /* enough is owed for a CREDIT */
	F_STOPPED     = 16,     /* we want no more: drop what comes */
	F_UNWANTED    = 32,     /* the peer wants no more of us */
	F_CTL         = 64,     /* it is in the list t->ctl */
};
enum { LIST_NONE, LIST_FRESH, LIST_OLD };

enum {
	CONTROL_WANT = 256,     /* room for any control frame of ours */
	PULL_WANT = 2048,       /* do not pull into less than this */
	RESET_BYTES = 8,        /* one entry of t->resets */
};

/* session.c. PROTOCOL.md 4, 6, 10, 11. */
/* LIVE or DRAINING. */
bool session_live(const struct tunnel *t);
/* There is a connection and it is read. */
bool session_open(const struct tunnel *t);
/* The one place that changes t->state; the edge must be a legal one. */
void session_to(struct tunnel *t, enum tunnel_state next);
/*
 * End the session: e is why, `code` goes into our Close frame and every
 * stream is reset. With code 0: no Close, and streams stay for tunnel_free.
 * Nothing happens if it is over already.
 */
void session_fail(struct tunnel *t, enum err e, uint16_t code);
/* The connection is lost, because of e: park the session if that can be. */
void session_cut(struct tunnel *t, enum err e);
/* A connection is there again, and the peer has so many frames of ours. E_OK,
 * or E_MUX_ACK and the session has ended: it cannot have so many. */
enum err session_resume(struct tunnel *t, uint64_t peer_received);
/* A text message came: a hello, if that is what is waited for. */
void session_text(struct tunnel *t, struct slice json);
/* The head of a frame came: may it? */
void session_head(struct tunnel *t, const struct frame *f);
/* A whole frame came but its DATA, which streams_data had. */
void session_frame(struct tunnel *t, const struct frame *f);
/* A frame of n bytes is complete. */
void session_count(struct tunnel *t, const struct frame *f, uint32_t n);
/* A WebSocket Pong, or Close, came. */
void session_pong(struct tunnel *t, struct slice payload);
void session_closed(struct tunnel *t, struct slice payload);
/* Put a control frame in the ring. False if that is full. */
bool session_put(struct tunnel *t, const struct frame *f);
/* Put one of the session's own: CREDIT 0. GOAWAY. False if none, or full. */
bool session_put_credit(struct tunnel *t);
bool session_put_goaway(struct tunnel *t);
/* Do what is due at t->now_ms; when the next is. */
void session_step(struct tunnel *t);
uint64_t session_due_ms(const struct tunnel *t);

/* receive.c */
/* The next n bytes of the connection. They are unmasked in place. */
void receive_bytes(struct tunnel *t, uint8_t *p, size_t n);
/* Give the buffers back. */
void receive_free(struct tunnel *t);
/* The connection is gone, in the middle of what it brought. */
void receive_park(struct tunnel *t);

/* send.c */
/* Compose WebSocket messages to dst, at most cap bytes; how many there are. */
size_t send_compose(struct tunnel *t, uint8_t *dst, size_t cap);
/* A text message (a hello), before all frames. False if it does not fit. */
bool send_text(struct tunnel *t, struct slice json);
/* Would send_compose have something? */
bool send_wants(const struct tunnel *t, uint64_t now_ms);
/* The connection is gone, and what was meant for it alone. */
void send_park(struct tunnel *t);

/* streams.c. PROTOCOL.md 7. */
/* The one place that changes s->state; the edge must be a legal one. */
void streams_to(struct tunnel_stream *s, enum stream_state next);
/* NULL if no stream that is open has that number. */
struct tunnel_stream *streams_find(const struct tunnel *t, uint32_t id);
/* What the owner says: a new stream; no more of it; it is over. */
void streams_open(struct tunnel *t, struct tunnel_stream *s);
void streams_stop(struct tunnel_stream *s);
void streams_reset(struct tunnel_stream *s, enum reset_code code);
/* What the peer says: OPEN, DATA, END, STOP, RESET, CREDIT. */
void streams_opened(struct tunnel *t, const struct frame *f);
void streams_data(struct tunnel *t, uint32_t id, uint8_t *p, size_t n);
void streams_end(struct tunnel *t, uint32_t id);
void streams_stopped(struct tunnel *t, uint32_t id);
void streams_was_reset(struct tunnel *t, uint32_t id, enum reset_code code);
void streams_credit(struct tunnel *t, uint32_t id, uint32_t n);
/* It is open, and this is its number. */
void streams_number(struct tunnel_stream *s, uint32_t id);
/* Both directions have ended in order. */
void streams_closed(struct tunnel_stream *s);
/* Every stream gets op reset with `code`. */
void streams_drop(struct tunnel *t, enum reset_code code);

/* control.c */
/* A control frame of s is due: it will be asked for it. None is any more. */
void control_due(struct tunnel_stream *s);
void control_leave(struct tunnel_stream *s);
/* Number `id` is over on our side; its RESET goes, now or later. `ended`: our
 * END went before. */
void control_reset(struct tunnel *t, uint32_t id, enum reset_code code,
    bool ended);
/*
 * The peer has closed `id` as well: a RESET of ours that still waits need not
 * say so, nor count; the peer is free to open another stream already. An END
 * (`by_end`) closes only what we had ended before.
 */
void control_forget_reset(struct tunnel *t, uint32_t id, bool by_end);
/* Put one frame in the ring, if one is due, may go and has room. */
bool control_put(struct tunnel *t);
/* Would it? */
bool control_wants(const struct tunnel *t);

/* turn.c. PROTOCOL.md 9. */
/* The owner of s has something for pull. */
void turn_ready(struct tunnel_stream *s);
/* The peer granted s credit. */
void turn_credited(struct tunnel_stream *s);
/* s sends no more DATA. */
void turn_leave(struct tunnel_stream *s);
/* Put one DATA frame of at most `max` payload bytes (or an END). */
bool turn_put(struct tunnel *t, size_t max);
/* Would it? */
bool turn_wants(const struct tunnel *t);

/* credit.c. PROTOCOL.md 8. */
/* The session begins: what each side grants it. */
void credit_begin(struct tunnel *t);
/* s has its number: its windows begin. */
void credit_attach(struct tunnel_stream *s);
/* What s has given to its owner and not been told to have left. */
uint32_t credit_unread(const struct tunnel_stream *s);
/* n bytes came, for s or (NULL) for a closed stream. False, and nothing
 * changes: beyond the credit. */
bool credit_spend(struct tunnel *t, struct tunnel_stream *s, size_t n);
/* n bytes of the session's are free again. */
void credit_return(struct tunnel *t, size_t n);
/* n bytes of s have left its owner. */
void credit_consumed(struct tunnel_stream *s, size_t n, uint64_t now_ms);
/* What s holds is dropped, now and for what still comes. */
void credit_stop(struct tunnel_stream *s);
/* s is to be detached: what it holds of the session goes back. */
void credit_detach(struct tunnel_stream *s);
/* How much a CREDIT grants now; it is then granted. */
uint32_t credit_grant(struct tunnel_stream *s);
uint32_t credit_grant_session(struct tunnel *t);

/*
 * Every invariant that can be seen from inside, by walking everything: for
 * tests, fuzzers and the simulator. Asserts.
 */
void tunnel_check(const struct tunnel *t);

#endif
