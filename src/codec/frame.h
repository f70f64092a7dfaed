/*
 * Tunnel frames: what one binary WebSocket message of the tunnel holds.
 * PROTOCOL.md 5.
 *
 *     type u8 | flags u8 | zero u16 | stream u32 | payload
 *
 * Big endian. Strict both ways: what is not defined here (a type, a flag, a
 * set bit in `zero`, a stream number where none belongs, a byte too many, a
 * code without a row) is E_MUX_FRAME, so nothing can be smuggled in fields
 * that one implementation looks at and another does not.
 *
 * The numbers of PROTOCOL.md's tables that stand in frames are named here,
 * once; those of the session are in tunnel/wire.h.
 */
#ifndef ADIT_CODEC_FRAME_H
#define ADIT_CODEC_FRAME_H

#include "base/buf.h"
#include "base/err.h"

#define FRAME_LIST(X)                                                   \
	/* name  type  stream  least  most bytes of payload */          \
	X(OPEN,    1,  true,      6,  4096)                             \
	X(DATA,    2,  true,      1, 16384)                             \
	X(END,     3,  true,      0,     0)                             \
	X(STOP,    4,  true,      0,     0)                             \
	X(RESET,   5,  true,      4,     4)                             \
	X(CREDIT,  6,  true,      4,     4)                             \
	X(ACK,     7,  false,     8,     8)                             \
	X(GOAWAY,  8,  false,     8,     8)
#define X(name, type, stream, least, most) FRAME_##name = type,
enum frame_type { FRAME_LIST(X) FRAME_TYPES };
#undef X

#define RESET_LIST(X)                                                   \
	/* name        code  meaning */                                 \
	X(UNKNOWN_APP,    1, "the agent has no app of that name")       \
	X(REFUSED,        2, "the app refused the connection")          \
	X(UNREACHABLE,    3, "the app's address cannot be reached")     \
	X(TIMED_OUT,      4, "the app did not accept in time")          \
	X(OVER_LIMIT,     5, "the agent is at a limit")                 \
	X(CANCELLED,      6, "the other side is not interested")        \
	X(INTERNAL,       7, "the sender failed")                       \
	X(BROKEN,         8, "the connection beyond broke")
#define X(name, code, text) RESET_##name = code,
enum reset_code { RESET_NONE = 0, RESET_LIST(X) RESET_CODES };
#undef X

#define GOAWAY_LIST(X)                                                  \
	/* name     reason  meaning */                                  \
	X(SHUTDOWN,     1, "the sender is stopping")                    \
	X(UPGRADE,      2, "a new process takes over")                  \
	X(RENEW,        3, "stream numbers run out")
#define X(name, code, text) GOAWAY_##name = code,
enum goaway_reason { GOAWAY_LIST(X) GOAWAY_REASONS };
#undef X

#define APP_LIST(X)                                                     \
	/* name  kind  in JSON  the stream carries */                   \
	X(HTTP,     1, "http",  "HTTP/1.1 as the relay rewrote it")     \
	X(TCP,      2, "tcp",   "bytes, unread")
#define X(name, kind, text, meaning) APP_##name = kind,
enum app_kind { APP_LIST(X) APP_KINDS };
#undef X

#define FRAME_LIMIT_LIST(X)                                             \
	/* name              value  meaning */                          \
	X(FRAME_HEAD_BYTES,      8, "bytes before a frame's payload")   \
	X(FRAME_DATA_MAX,    16384, "payload bytes of a DATA frame")    \
	X(FRAME_CONTROL_MAX,  4096, "payload bytes of any other frame") \
	X(FRAME_NAME_MAX,       30, "bytes of an app's or agent's name") \
	X(FRAME_CLIENT_MAX,     64, "bytes of a client's address")      \
	X(FRAME_USER_MAX,      128, "bytes of a user's name")           \
	X(STREAM_ID_MAX, 2147483647, "the last stream number")          \
	X(CREDIT_MAX,    2147483647, "sum of unused credit")            \
	X(GOAWAY_MS_MAX,   86400000, "deadline of a go-away, ms")
#define X(name, value, text) name = value,
enum frame_limit { FRAME_LIMIT_LIST(X) };
#undef X

/*
 * What OPEN says. Its payload: kind u8, then app, client, user and scheme,
 * each as a length u8 and so many bytes, and nothing after them.
 */
struct frame_open {
	struct slice app;       /* name_valid */
	struct slice client;    /* the client's address as text: printable
	                         * ASCII without spaces, may be empty */
	struct slice user;      /* who is logged in: frame_user_valid; empty
	                         * for nobody */
	struct slice scheme;    /* as the client sees it: "http" or "https" for
	                         * APP_HTTP, empty for APP_TCP */
	uint8_t kind;           /* enum app_kind */
};

struct frame {
	uint8_t type;           /* enum frame_type */
	uint32_t stream;        /* 0: the session */
	union {
		struct slice data;              /* DATA */
		struct frame_open open;         /* OPEN */
		enum reset_code code;           /* RESET */
		uint32_t credit;                /* CREDIT: 1..CREDIT_MAX */
		uint64_t ack;                   /* ACK: frames received */
		struct {
			enum goaway_reason reason;
			uint32_t deadline_ms;   /* 0..GOAWAY_MS_MAX */
		} goaway;
	} u;
};

/*
 * frame_head: the first FRAME_HEAD_BYTES of a message: type and stream of *f.
 *   E_OK         a head that may begin a frame
 *   E_MUX_FRAME  an unknown type, a flag, `zero` not zero, a stream number
 *                above STREAM_ID_MAX, a stream where none may stand (ACK,
 *                GOAWAY) or none where one must (all but those and CREDIT)
 * The payload is the caller's to bring: DATA may be taken as it comes.
 */
enum err frame_head(struct frame *f, const uint8_t head[FRAME_HEAD_BYTES]);

/*
 * frame_body: the whole payload of the frame whose head is in *f.
 *   E_OK         f->u is filled; its slices are parts of `payload`
 *   E_MUX_FRAME  wrong length, or content without a meaning
 */
enum err frame_body(struct frame *f, struct slice payload);

/* Both at once, for a whole message. */
enum err frame_decode(struct frame *f, struct slice message);

/* The least and most payload bytes of a type that frame_head accepted. */
uint32_t frame_payload_min(uint8_t type);
uint32_t frame_payload_max(uint8_t type);

/*
 * frame_put: append the whole frame. False, and nothing appended, if it does
 * not fit. The frame is ours: that frame_decode would accept it is an
 * assertion.
 */
bool frame_put(struct buf *b, const struct frame *f);

/* Only the head: for DATA whose payload is read to its place. */
void frame_put_head(uint8_t head[FRAME_HEAD_BYTES], uint8_t type,
    uint32_t stream);

/* [a-z0-9]([a-z0-9-]*[a-z0-9])?, at most FRAME_NAME_MAX, without "--". */
bool frame_name_valid(struct slice s);
/* At most FRAME_USER_MAX bytes of UTF-8 without control characters (those from
 * U+0080 to U+009F are too). */
bool frame_user_valid(struct slice s);

/* What the code says of a stream, for a log; "?" for none. */
const char *frame_reset_text(enum reset_code code);

#endif
