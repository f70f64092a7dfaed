/*
 * Errors: every way in which a peer, an app, a file or the machine can fail,
 * named once. A row gives the HTTP status that a person gets for it (0: none)
 * and one line of meaning. Two values are not failures: E_OK, and E_MORE for
 * a parser that needs more bytes and has consumed none.
 *
 * Codes that go over the tunnel (resets, close codes) are not here but in
 * tunnel/wire.h: they are PROTOCOL.md's, these are ours.
 */
#ifndef ADIT_BASE_ERR_H
#define ADIT_BASE_ERR_H

#define ERR_LIST(X)                                                            \
	/* name            http  meaning */                                    \
	X(OK,                0, "no error")                                    \
	X(MORE,              0, "more bytes are needed")                       \
	X(FULL,            503, "a configured limit is reached")               \
	X(RANGE,             0, "a number is out of range")                    \
	X(SYNTAX,          400, "malformed input")                             \
	X(AUTH,            401, "not accepted as who it says it is")           \
	X(EXPIRED,         401, "expired")                                     \
	X(IO,                0, "an input or output operation failed")         \
	X(EOF,               0, "the peer closed the connection")              \
	X(TIMEOUT,         408, "a deadline passed")                           \
	/* codec/http1 */                                                      \
	X(HTTP_LINE,       400, "malformed start line or line end")            \
	X(HTTP_VERSION,    505, "HTTP version is not 1.0 or 1.1")              \
	X(HTTP_METHOD,     501, "method not supported")                        \
	X(HTTP_TARGET,     400, "request target malformed or of wrong form")   \
	X(HTTP_TARGET_LONG, 414, "request target too long")                    \
	X(HTTP_FIELD,      400, "malformed field line")                        \
	X(HTTP_HOST,       400, "Host missing, given twice or malformed")      \
	X(HTTP_FRAMING,    400, "body length is ambiguous")                    \
	X(HTTP_CODING,     501, "transfer coding not supported")               \
	X(HTTP_CHUNK,      400, "malformed chunk")                             \
	X(HTTP_HEAD_LONG,  431, "header section too large")                    \
	X(HTTP_STATUS,     502, "status code out of place")                    \
	/* codec/ws */                                                         \
	X(WS_MASK,           0, "frame masked wrongly for its direction")      \
	X(WS_OPCODE,         0, "reserved opcode")                             \
	X(WS_RESERVED,       0, "reserved bit set without an extension")       \
	X(WS_LENGTH,         0, "length not minimal or out of range")          \
	X(WS_CONTROL,        0, "control frame fragmented or too long")        \
	X(WS_FRAGMENT,       0, "continuation out of place")                   \
	X(WS_CLOSE,          0, "malformed close frame")                       \
	X(WS_UTF8,           0, "text is not UTF-8")                           \
	X(WS_TOO_BIG,        0, "message too large")                           \
	X(WS_AFTER_CLOSE,    0, "data after a close frame")                    \
	X(WS_HANDSHAKE,    400, "not a valid WebSocket handshake")             \
	/* codec/json */                                                       \
	X(JSON_SYNTAX,     400, "not JSON")                                    \
	X(JSON_DEPTH,      400, "JSON nested too deeply")                      \
	X(JSON_UTF8,       400, "JSON text is not UTF-8")                      \
	X(JSON_TYPE,       400, "JSON value of another type expected")         \
	X(JSON_DUP,        400, "JSON member given twice")                     \
	/* codec/frame and tunnel */                                           \
	X(MUX_FRAME,         0, "malformed tunnel frame")                      \
	X(MUX_HELLO,         0, "malformed hello or welcome")                  \
	X(MUX_ACK,           0, "acknowledgement out of range")                \
	X(MUX_STREAM,        0, "frame for a stream that cannot have it")      \
	X(MUX_CREDIT,        0, "data beyond granted credit")                  \
	X(MUX_WRAP,          0, "credit above its maximum")                    \
	X(MUX_LIMIT,         0, "more than the peer was told it may")          \
	X(MUX_REFUSED,       0, "refused by the peer")                         \
	X(MUX_REPLACED,      0, "a newer process took the name")

#define X(name, http, text) E_##name,
enum err { ERR_LIST(X) ERR_COUNT };
#undef X

/* The row's meaning, a static string. */
const char *err_text(enum err e);
/* The row's name without E_, a static string: for logs and tests. */
const char *err_name(enum err e);
/* The HTTP status, 0 if the row has none. */
unsigned err_http(enum err e);

#endif
