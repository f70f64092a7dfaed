/*
 * The channel's inside: JSON messages between workstations and clients. For
 * the relay's files only. PROTOCOL.md 18.
 *
 *   channel.c         its memory, its turn, its numbers, its end
 *   channel_ids.c     who owns which tunnel_id, its file; wrong keys
 *   channel_msg.c     messages, and queues of them
 *   channel_sock.c    a WebSocket: handshake, turn, queue out, deadlines, end
 *   channel_frame.c   what a WebSocket brings: frames, and messages in them
 *   channel_room.c    who waits for memory, and who makes way
 *   channel_talk.c    what a message means, and to whom it goes
 *   channel_gate.c    register and connect: fields and keys
 *   channel_device.c  devices that poll, and their queues
 *   channel_watch.c   their HTTP calls: which, whose, and the waits
 *   channel_poll.c    ... GET messages, state
 *   channel_post.c    ... POST connect, command, disconnect
 *
 * A message is held once, however many it goes to: queues hold references. Who
 * sends never waits for who reads: a queue has a bound, and whoever lets it
 * run over is disconnected. Who sends more than there is room for is not read.
 */
#ifndef ADIT_RELAY_CHANNEL_H
#define ADIT_RELAY_CHANNEL_H

#include "codec/envelope.h"
#include "codec/utf8.h"
#include "relay/parts.h"

enum {
	STATIONS_MAX = 256,             /* tunnel_ids that are kept */
	STATION_ID_MIN = 12,            /* bytes; NAME_BYTES at most */
	AUTH_KEY_MIN = 16,
	DEVICE_BYTES_MAX = 128,         /* of a device_id, as UTF-8 */
	FIELD_MAX = 512,                /* of another field */
	MESSAGE_HEAD = 320,             /* frame header, {"device_id":"...", */
	MESSAGE_SMALL = 1280,           /* bytes that need no block */
	STRANGER_MAX = MESSAGE_SMALL,   /* kept of who is not known yet */
	QUEUE_SLACK = 1 << 20,          /* bytes beyond one largest message */
	QUEUE_MAX = 4096,               /* messages waiting for one socket */
	STRANGER_QUEUE = 16,            /* the same, without a role */
	CHANNEL_LIFE_MS = 17500,        /* after a ping: 15 to 20 s */
	CHANNEL_SHORT_MS = 5000,        /* to ping, after a long message */
	CHANNEL_HELLO_MS = 15 * 1000,   /* without a role, after a ping too */
	CHANNEL_STRANGER_MS = 60 * 1000,        /* without a role, in all */
	CHANNEL_CLOSE_MS = 5000,        /* for a Close to be read */
	CHANNEL_STALL_MS = 5000,        /* unread, while others want room */
	CHANNEL_SLOW_MS = 10 * 1000,    /* a message under way, the same: */
	CHANNEL_SLOW_RATE = 16,         /* bytes in a millisecond, at least */
	CHANNEL_ROOM_MS = 500,          /* until room is looked for again */
	CHANNEL_FULL_MS = 10,           /* ... and at a workstation's queue */
	POST_ROOM_MS = 10 * 1000,       /* for a body's first bytes, for room */
	POST_MS = 30 * 1000,            /* and then for the rest of it */
	CHANNEL_READ = 4096,            /* between frames */
	GUESS_BUCKETS = 512,
	GUESS_BURST = 10,               /* wrong keys that cost nothing */
	GUESS_MS = 6000,                /* until one of them is forgotten */
	GUESS_PAUSE_MS = 2000,          /* before a further one is looked at */
	WATCH_MESSAGES = 100,
	WATCH_BYTES = 1 << 20,          /* of one device's queue */
	WATCH_AGE_MS = 5 * 60 * 1000,   /* of a message, of a silent device */
	WATCH_BODY_MAX = 1 << 20,
	WATCH_ANSWER = 256 * 1024,      /* bytes, but one message goes always */
	WATCH_WAIT_S_MAX = 25,
	WATCH_ODD_MAX = 8192,           /* of a message that is no JSON */
};

enum {                          /* at most, for each MiB of --memory */
	SOCKS_PER_MIB = 32, MSGS_PER_MIB = 32, WATCHES_PER_MIB = 4,
};

/* A place in a message's chain, so that nobody walks it from its start. */
struct channel_place {
	uint32_t block;         /* begins with byte `off` of the chain; */
	size_t off;             /* 0: the chain's first one */
};

struct channel_msg {
	uint32_t refs;
	uint32_t blocks;        /* reserved for it */
	size_t total;           /* bytes put */
	size_t from, n;         /* what of them goes out */
	struct chain chain;     /* those that `in` has no room for */
	struct channel_place place;     /* of the last blank */
	uint64_t wall_ms;       /* when it was whole */
	uint64_t begun_ms;
	uint16_t head_n;
	bool secret;            /* keys are in it */
	bool not_json;          /* PROTOCOL.md 18: a payload may be anything */
	struct utf8 utf8;       /* of a request's body, who sent it, */
	uint64_t address;
	uint64_t by_ms;         /* until when it waits for room, or the rest */
	bool seen;              /* its first bytes were looked at */
	bool loose;             /* and nothing vouches for who sends it */
	uint8_t head[MESSAGE_HEAD];     /* goes out before it */
	struct envelope env;
	uint8_t in[MESSAGE_SMALL];
};

struct channel_node { uint64_t msg; };  /* index; the next by pool.link */

struct channel_queue {
	uint32_t head, tail, n;
	size_t bytes;           /* heads included */
};

enum channel_role {
	CH_STRANGER,            /* neither registered nor connected yet */
	CH_STATION,
	CH_CLIENT,
	CH_RETIRED,             /* a newer socket has its id or device */
};

enum channel_wait { CH_READS, CH_ROOM, CH_FULL, CH_ASKS, CH_PAUSES };

struct channel_sock {
	struct client *c;
	struct station *st;
	struct channel_sock *next;      /* in st->clients */
	uint8_t role, wait, n_held, ctl_n;
	bool doomed;            /* is to end: see sock_doom */
	bool ending;            /* nothing more is read but its end */
	bool binary, known;     /* the message under way; `known`: kept whole */
	bool framed;            /* a frame's header came, `left` is due */
	struct ws_rules rules;
	uint8_t held[WS_HEAD_MAX];
	struct ws_frame f;
	uint64_t left, masked;  /* of the frame: to come, came */
	size_t total;           /* bytes of the message, stored or not */
	struct utf8_mend mend;
	struct channel_msg *m;  /* the message under way, or being looked at */
	uint64_t moved_ms;      /* the last byte of the message */
	uint64_t start_ms, life_ms;
	uint64_t expires_ms;    /* a workstation's key; TIMER_NEVER */
	uint64_t until_ms;      /* of a wait, or of the end */
	uint64_t ticket;        /* CH_ROOM: who came first */
	bool paused;            /* this message has had its pause */
	struct channel_queue q;
	size_t sent;            /* of the first in q */
	struct channel_place place;     /* in it */
	uint64_t read_ms;       /* when it last took bytes */
	uint64_t address;       /* key for guesses */
	uint32_t hash;          /* of the device */
	uint8_t device_n;
	uint8_t device[DEVICE_BYTES_MAX];
	uint8_t ctl[WS_CONTROL_MAX];
	struct name host;       /* as the workstation reaches us */
	bool secure;
};

struct watch {                  /* a device that polls */
	struct station *st;
	struct watch *next;     /* in st->watches */
	struct channel_queue q;
	uint64_t sequence;      /* of the latest message */
	uint64_t lost;          /* up to here some were never delivered */
	uint64_t called_ms;
	uint8_t device_n;
	uint8_t device[DEVICE_BYTES_MAX];
	struct client *polls;   /* waits for a message */
};

struct station {                /* a tunnel_id */
	struct name id;         /* empty: no entry */
	struct name name;
	uint8_t key[32];        /* hash of id and auth_key */
	uint32_t credential;    /* that registered it last */
	uint64_t seen_s;
	struct channel_sock *sock;      /* NULL: offline */
	struct channel_sock *clients;
	struct watch *watches;
	uint32_t nclients, nwatches;
	uint64_t from, to;      /* messages of the workstation, to it */
};

struct guess {
	uint64_t key, full_ms;
};

enum channel_count { COUNT_FROM, COUNT_TO, COUNT_POLLED, COUNT_SLOW,
	COUNT_WRONG, COUNTS };

struct channel {
	struct pool socks, msgs, nodes, watches;
	struct station *stations;
	struct guess *guesses;
	uint32_t budget, used;  /* blocks, reserved at start, and of these */
	uint32_t loose;         /* for bodies of strangers */
	const struct client *busy;      /* is in the middle of something */
	uint64_t ticket;
	uint32_t clients;       /* connected ones */
	uint64_t count[COUNTS]; /* since the start */
	uint64_t watch_ms;      /* devices are looked through then */
	uint64_t save_ms;       /* not before, */
	bool changed;           /* the file is to be written */
	bool freed;             /* there may be room again */
	bool stopping;
};

/* ---- channel_msg.c ---- */

/* An empty message with one reference; NULL if there is none left, although
 * others were made to give way. */
struct channel_msg *msg_new(struct relay *r);
void msg_unref(struct relay *r, struct channel_msg *m);
/* What a message of so many bytes takes of the channel's room. */
uint32_t msg_blocks(size_t total);
/* Is there so much? */
bool msg_room(const struct relay *r, size_t total);
/* Reserve what `total` bytes need; false, and nothing changes, if there is
 * not so much. Less than before gives back. */
bool msg_reserve(struct relay *r, struct channel_msg *m, size_t total);
/* Append; false if the reservation is too small. */
bool msg_put(struct relay *r, struct channel_msg *m, struct slice s);
/* Blanks from `from` to `to`. */
void msg_blank(struct relay *r, struct channel_msg *m, size_t from,
    size_t to);
/* Copy a span to `b`; false if it does not fit. */
bool msg_copy(struct relay *r, struct channel_msg *m,
    const struct envelope_span *v, struct buf *b);
/* The characters of a string, appended to `b`; false if it is none, too long
 * or has half a surrogate pair. */
bool msg_string(struct relay *r, struct channel_msg *m,
    const struct envelope_span *v, struct buf *b);
/* The message becomes the characters of that string of it. */
void msg_unescape(struct relay *r, struct channel_msg *m,
    const struct envelope_span *v);
/* Only these bytes of it go out; what lies behind is dropped. */
void msg_keep(struct relay *r, struct channel_msg *m, size_t from, size_t n);
/* Scan the outgoing bytes (again). */
enum err msg_scan(struct relay *r, struct channel_msg *m, bool cuts);
/* Write its head: a text frame, `prefix` before the bytes. */
void msg_seal(struct channel_msg *m, struct slice prefix);
/* A small message of these bytes; NULL if there is no room. `framed`: they are
 * a whole frame. */
struct channel_msg *msg_of(struct relay *r, struct slice s, bool framed);
/* Slices of head and bytes from offset `off` on; offsets that rise by little
 * are found fast with the same *at. */
size_t msg_slices(struct relay *r, struct channel_msg *m,
    struct channel_place *at, size_t off, struct slice *v, size_t max);
static inline size_t
msg_size(const struct channel_msg *m)
{
	return m->head_n + m->n;
}

/* Add a reference at the end; false if there is no room for it. */
bool queue_put(struct relay *r, struct channel_queue *q,
    struct channel_msg *m);
void queue_drop(struct relay *r, struct channel_queue *q);
struct channel_msg *queue_first(struct relay *r,
    const struct channel_queue *q);
/* Drop all but the first `keep` (0 or 1). */
void queue_clear(struct relay *r, struct channel_queue *q, uint32_t keep);

/* ---- channel_ids.c ---- */

struct station *station_find(struct relay *r, struct slice id);
bool station_key_ok(const struct station *st, struct slice auth_key);
/* The id for who registers so; NULL: no room. *restored: it had it before. */
struct station *station_claim(struct relay *r, struct slice id,
    struct slice auth_key, struct slice name, bool *restored);
void ids_save(struct relay *r);
/* May another key be looked at now for this address and this id? */
bool guess_free(struct relay *r, uint64_t address, struct slice id);
void guess_wrong(struct relay *r, uint64_t address, struct slice id);
uint64_t guess_address(const struct addr *a);
uint32_t device_hash(struct slice device);
/* Without the white space that people leave at the ends. */
struct slice field_trim(struct slice s);

/* ---- channel_sock.c ---- */

/* GET on the channel's path: a socket without a role, or an error. */
void sock_upgrade(struct client *c, const struct http_head *h);
/* Send a message soon. False: the socket cannot take it any more. */
bool sock_send(struct channel_sock *s, struct channel_msg *m);
void sock_say(struct channel_sock *s, struct slice json);
/* A whole frame of ours, behind all that is queued; false: no room. */
bool sock_put_frame(struct channel_sock *s, struct slice frame);
/* Close it in order; it has no role from now on. */
void sock_end(struct channel_sock *s, uint16_t code, struct slice reason);
/* It does not read, or holds what others want: 1008 when its turn comes. It
 * takes nothing more, but its role stays until then: whoever walks through a
 * list of sockets may call this. */
void sock_doom(struct channel_sock *s);
/* Has the workstation as much to read as its clients may send? */
bool sock_full(const struct relay *r, const struct station *st);
/* Read nothing, and look at the message (CH_ASKS, CH_PAUSES) or the frame
 * (CH_ROOM, CH_FULL) again at until_ms, or when sock_resume is called. */
void sock_pause(struct channel_sock *s, enum channel_wait why,
    uint64_t until_ms);
/* `a`: the keeper's verdict, or NULL. */
void sock_resume(struct channel_sock *s, const struct answer *a);
/* Does it take input now? */
static inline bool
sock_reads(const struct channel_sock *s)
{
	return s->wait == CH_READS && !s->ending && !s->doomed;
}

/* ---- channel_frame.c ---- */

/* Bytes that came, unmasked where they lie. How many were taken: fewer than n
 * only if the socket waits (sock_reads), and then the rest is due again. */
size_t frame_feed(struct channel_sock *s, uint8_t *p, size_t n);
/* The message in s->m is looked at again: see sock_resume. */
void frame_again(struct channel_sock *s, const struct answer *a);

/* ---- channel_room.c ---- */

/* Does a socket wait for room that was there before s (NULL: at all)? */
bool room_wanted(const struct relay *r, const struct channel_sock *s);
/* Cut off whoever longest has shown no key: a socket without a role, if it is a
 * socket that is wanted; else who holds a message that is not at its end. Never
 * ch->busy. False: there is none. */
bool room_evict(struct relay *r, bool sock);
/* Wait for room, behind who asked before. */
void room_wait(struct channel_sock *s);
/* Make room, by ending those who hold it and do not get on; `nodes`: it is the
 * queues that are full, so the longest one too. */
void room_relieve(struct relay *r, bool nodes);
/* Something was freed: who waited longest looks again. */
void room_wake(struct relay *r);

/* ---- channel_talk.c ---- */

/* A whole message is in s->m; `e`: how its scan ended; `verdict`: the answer if
 * it had to ask the keeper, else NULL. */
void talk_message(struct channel_sock *s, enum err e,
    const struct answer *verdict);
/* It leaves its role: others are told. */
void talk_leave(struct channel_sock *s);
/* A newer socket has its place. It stays open, and is told nothing more: a
 * program that is closed dials again, and would take the place back. */
void talk_retire(struct channel_sock *s);
/* An error to it: the text with `more` behind, and details if there are any. */
void talk_error(struct channel_sock *s, struct slice code,
    struct slice text, struct slice more, struct slice details);
/* {"type":..,"payload":{"tunnel_id":..[,"device_id":..]}}; NULL: no room. */
struct channel_msg *talk_notice(struct relay *r, struct slice type,
    struct slice id, struct slice device);
/* To all clients and devices of a station: a message, a notice. */
void talk_tell(struct relay *r, struct station *st, struct slice type);
/* From a device to its workstation, as a message of the device's. */
bool talk_up(struct relay *r, struct station *st, struct slice device,
    struct channel_msg *m);
/* The device's socket, or NULL. */
struct channel_sock *talk_find(const struct station *st,
    struct slice device);
/* It has a type that only the relay may send. */
bool talk_forged(struct relay *r, struct channel_msg *m);

/* ---- channel_gate.c ---- */

/* The message in s->m is workstation.register, or connect: the socket gets its
 * role, is told what is wrong, or waits (sock_pause). */
void gate_register(struct channel_sock *s, const struct answer *verdict);
void gate_connect(struct channel_sock *s);

/* ---- channel_device.c ---- */

struct watch *device_find(const struct station *st, struct slice device);
/* The same, known from now on if it was not; NULL: no room. */
struct watch *device_get(struct relay *r, struct station *st,
    struct slice device);
/* Give the message to a device's queue. */
void device_put(struct relay *r, struct watch *w, struct channel_msg *m);
/* Those who wait for a message of it look again. */
void device_wake(struct watch *w);
/* Drop its messages that are too old. */
void device_trim(struct relay *r, struct watch *w);
/* It is no more; its workstation is told, unless it is connected too. */
void device_forget(struct relay *r, struct watch *w);
/* Forget the oldest message of the fullest queue; false if there is none. */
bool device_relieve(struct relay *r);
/* Old messages, silent devices; now and then. */
void device_sweep(struct relay *r);

/* ---- channel_watch.c ---- */

enum watch_call { CALL_CONNECT, CALL_COMMAND, CALL_DISCONNECT, CALL_MESSAGES,
	CALL_STATE, CALLS };

struct watch_params {           /* who calls; to be wiped */
	uint8_t areas[3][FIELD_MAX];
	struct buf id, key, device;
	uint64_t address;
};

/* A request below /api/v1/watch/; `rest` follows its head. */
void watch_request(struct client *c, const struct http_head *h,
    struct slice call, struct slice rest);
void watch_params_init(struct watch_params *p);
/*
 * The station that these parameters name and may use; NULL: answered, or
 * *pause, since too many keys were wrong.
 */
struct station *watch_station(struct client *c, const struct watch_params *p,
    bool *pause);
/* The device of the call; NULL: answered, there is no room. */
struct watch *watch_device(struct client *c, struct station *st,
    const struct watch_params *p);
/* Answers: JSON, an error of the calls, one of the framework. */
void watch_say(struct client *c, unsigned status, struct slice json);
void watch_fault(struct client *c, unsigned status, struct slice error,
    struct slice text);
void watch_bad(struct client *c, unsigned status, struct slice text,
    struct slice code);
/* 503, and when to try again. */
void watch_busy(struct client *c);
/* The request is looked at again at until_ms (CLIENT_POLL); false: no room. */
bool watch_hold(struct client *c, uint64_t until_ms);

/* ---- channel_poll.c, channel_post.c ---- */

/* GET: answered, or the client waits in CLIENT_POLL for a message or the end
 * of a pause, and the request is looked at again (client_poll). */
void poll_request(struct client *c, const struct http_head *h,
    enum watch_call call);
/* POST: answered, or the client reads its body in CLIENT_POST (post_body). */
void post_request(struct client *c, const struct http_head *h,
    enum watch_call call, struct slice rest);
/* The time of c->wait_until_ms has come. */
void post_timer(struct client *c);

#endif
