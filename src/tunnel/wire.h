/*
 * The tunnel's numbers: frame types, reset codes, close codes, limits, each
 * named once here and once in PROTOCOL.md's tables (a test compares the two).
 */
#ifndef ADIT_TUNNEL_WIRE_H
#define ADIT_TUNNEL_WIRE_H

#define FRAME_LIST(X)                                                   \
	/* name  type */                                                \
	X(OPEN,   1)                                                    \
	X(DATA,   2)                                                    \
	X(END,    3)                                                    \
	X(STOP,   4)                                                    \
	X(RESET,  5)                                                    \
	X(CREDIT, 6)                                                    \
	X(ACK,    7)                                                    \
	X(GOAWAY, 8)
#define X(name, type) FRAME_##name = type,
enum frame_type { FRAME_LIST(X) };
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
enum reset_code { RESET_NONE = 0, RESET_LIST(X) };
#undef X

#define CLOSE_LIST(X)                                                   \
	/* name        code  meaning */                                 \
	X(DONE,       4000, "the session ended in order")               \
	X(PROTOCOL,   4001, "the peer broke this protocol")             \
	X(REPLACED,   4002, "a newer process took the name")            \
	X(REFUSED,    4003, "credentials, name or hello refused")       \
	X(EXPIRED,    4004, "the session expired")
#define X(name, code, text) CLOSE_##name = code,
enum close_code { CLOSE_LIST(X) };
#undef X

#define GOAWAY_LIST(X)                                                  \
	X(SHUTDOWN,  1, "stopping")                                     \
	X(UPGRADE,   2, "a new process takes over")                     \
	X(RENEW,     3, "stream numbers run out")
#define X(name, code, text) GOAWAY_##name = code,
enum goaway_reason { GOAWAY_LIST(X) };
#undef X

enum { APP_HTTP = 1, APP_TCP = 2 };

enum {
	FRAME_HEAD_BYTES = 8,           /* type, flags, zero, stream */
	FRAME_DATA_MAX = 16384,         /* payload of a DATA frame */
	FRAME_CONTROL_MAX = 4096,       /* payload of any other frame */
	HELLO_MAX = 16384,              /* bytes of a hello or its answer */
	WINDOW_INITIAL = 64 * 1024,     /* bytes per stream and direction */
	WINDOW_MAX = 4 * 1024 * 1024,
	RING_MAX = 4 * 1024 * 1024,     /* R: kept until acknowledged */
	RING_MIN = 256 * 1024,
	RING_CONTROL_BYTES = 64 * 1024, /* of R, kept for control frames */
	ACK_BYTES = 32 * 1024,          /* acknowledge after so many bytes */
	ACK_DELAY_MS = 25,
	PING_AFTER_MS = 10 * 1000,      /* nothing received for so long */
	DEAD_AFTER_MS = 5 * 1000,       /* and then for so long more */
	HELLO_DEADLINE_MS = 5 * 1000,
};

#endif
