/*
 * The session's numbers: close codes and limits, each named once here and
 * once in PROTOCOL.md's tables (a test compares the two). Those that stand in
 * frames are in codec/frame.h.
 */
#ifndef ADIT_TUNNEL_WIRE_H
#define ADIT_TUNNEL_WIRE_H

#include "codec/frame.h"

#define CLOSE_LIST(X)                                                   \
	/* name        code  meaning */                                 \
	X(DONE,       4000, "the session ended in order")               \
	X(PROTOCOL,   4001, "the peer broke this protocol")             \
	X(REPLACED,   4002, "a newer process took the name")            \
	X(REFUSED,    4003, "credentials, name or hello refused")       \
	X(EXPIRED,    4004, "a deadline of the session passed")
#define X(name, code, text) CLOSE_##name = code,
enum close_code { CLOSE_LIST(X) };
#undef X

/* Why a relay answers a hello with `refused`. */
#define REFUSE_LIST(X)                                                  \
	/* name             code               then the agent */        \
	X(UNKNOWN_SESSION, "unknown-session", "dials without resume")   \
	X(PROOF,           "proof",           "dials without resume")   \
	X(REPLACED,        "replaced",        "stops, exit code 4")     \
	X(NAME,            "name",            "stops, exit code 3")     \
	X(LIMIT,           "limit",           "dials later")
#define X(name, code, then) REFUSE_##name,
enum refuse_code { REFUSE_LIST(X) REFUSE_CODES };
#undef X

#define WIRE_LIST(X)                                                    \
	/* name                value  meaning */                        \
	X(PROTOCOL_VERSION,        1, "`protocol` in hello and welcome") \
	X(HELLO_MAX,           16384, "bytes of a text message")        \
	X(WINDOW_INITIAL,      65536, "a stream's first window, usual") \
	X(WINDOW_MIN,          16384, "a stream's first window, least") \
	X(WINDOW_MAX,        4194304, "a stream's window, most")        \
	X(STREAMS_MAX,         16384, "streams open at once, most")     \
	X(RING_MAX,          4194304, "R: bytes kept unacknowledged, usual") \
	X(RING_MIN,           262144, "R, least")                       \
	X(RING_CONTROL_BYTES,  65536, "of R, kept for control frames")  \
	X(ACK_BYTES,           32768, "acknowledge after so many bytes") \
	X(ACK_DELAY_MS,           25, "or so long after the first")     \
	X(PING_AFTER_MS,       10000, "ping after silence of so long")  \
	X(DEAD_AFTER_MS,        5000, "dead after so much more")        \
	X(HELLO_DEADLINE_MS,    5000, "for each step of the beginning") \
	X(RTT_PING_MS,          1000, "between pings that measure, least") \
	X(RTT_GROW_MS,             2, "a shorter round trip is near")   \
	X(RTT_NEAR_MS,             1, "what a near one counts as")      \
	X(WINDOW_NEAR,        262144, "a stream's window, most, when near") \
	X(OPEN_BURST,           8192, "streams that the relay opens at once") \
	X(OPEN_PER_MS,             8, "and so many more each ms")       \
	X(FLOOD_BURST,        163840, "streams that an agent takes at once") \
	X(FLOOD_PER_MS,           10, "and so many more each ms")       \
	X(STREAM_RENEW,   2147418112, "the relay goes away at this stream") \
	X(RENEW_MS,          3600000, "deadline of that go-away")       \
	X(GRACE_MS,            30000, "a parked session lives so long, usual")
#define X(name, value, text) name = value,
enum wire_limit { WIRE_LIST(X) };
#undef X

/* What the relay may have opened and the agent not seen: before a dead
 * connection is noticed, and what waits for room in the ring. */
_Static_assert(OPEN_BURST + OPEN_PER_MS * (PING_AFTER_MS + DEAD_AFTER_MS) +
    STREAMS_MAX < FLOOD_BURST && OPEN_PER_MS < FLOOD_PER_MS,
    "an honest relay is never refused");

#endif
