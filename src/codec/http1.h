/*
 * HTTP/1.1 message heads: a strict parser for requests and responses, and
 * the writers for both. RFC 9110, RFC 9112.
 *
 * The rule behind every choice here: what two parsers could read differently
 * is refused, because the app behind us has another parser. So there is one
 * line end (CRLF), one way to give a length, and no repair.
 *
 * What is refused, and how:
 *   E_HTTP_LINE         a malformed start line; a lone CR or LF anywhere; a
 *                       second empty line before the request line
 *   E_HTTP_VERSION      well-formed, but neither HTTP/1.0 nor HTTP/1.1
 *   E_HTTP_METHOD       CONNECT, or a method above HTTP_METHOD_MAX bytes
 *   E_HTTP_TARGET       bytes outside 0x21..0x7e, `#`, or a form that does
 *                       not go with the method (`*` is for OPTIONS only)
 *   E_HTTP_TARGET_LONG  above HTTP_TARGET_MAX bytes
 *   E_HTTP_FIELD        no name, a name that is no token, a space before the
 *                       colon, obs-fold, a control byte but HTAB in a value
 *   E_HTTP_HOST         in 1.1 not exactly one Host, in 1.0 more than one; not
 *                       host[:port] as url_auth_parse has it; an absolute
 *                       target with another authority than Host
 *   E_HTTP_FRAMING      Content-Length that is not 1 to 19 digits or above
 *                       2^63-1; two of them, equal or not; Transfer-Encoding
 *                       twice, beside Content-Length, in 1.0, or malformed;
 *                       either name spelled with `_` (some apps read it so)
 *   E_HTTP_CODING       a transfer coding that is not exactly `chunked`
 *   E_HTTP_STATUS       a status code that is not 100..999
 *   E_HTTP_HEAD_LONG    above HTTP_HEAD_MAX bytes or HTTP_FIELDS_MAX fields,
 *                       a field name above HTTP_NAME_MAX bytes, or above
 *                       HTTP_CONNECTION_MAX in all Connection values: each
 *                       field is looked for there
 *
 * Bytes 0x80..0xff in field values and reason phrases pass as they are.
 */
#ifndef ADIT_CODEC_HTTP1_H
#define ADIT_CODEC_HTTP1_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "codec/url.h"

enum {
	HTTP_HEAD_MAX   = 65536,        /* bytes, with both ends */
	HTTP_FIELDS_MAX = 256,          /* in one section */
	HTTP_TARGET_MAX = 16384,        /* bytes */
	HTTP_METHOD_MAX = 32,           /* bytes */
	HTTP_NAME_MAX   = 256,          /* bytes of a field name */
	HTTP_CONNECTION_MAX = 1024,     /* bytes of Connection's values */
};

/*
 * The field names that somebody here has to tell apart, in lower case, with
 * what is known about each:
 *   HOP  belongs to one connection and is never forwarded (RFC 9110 7.6.1):
 *        a forwarder writes its own where it needs one
 *   NT   may not stand in a trailer section (RFC 9110 6.5.1): framing,
 *        routing, authentication, request modifiers, response control,
 *        what describes the content, and everything that a browser or app
 *        takes as a security setting
 * `Trailer` and `Expect` are forwarded. `TE` is HOP: where te_trailers is
 * set, the forwarder writes `TE: trailers` and names TE in its Connection.
 */
enum { HTTP_F_HOP = 1, HTTP_F_NT = 2 };

#define HTTP_NAMES(X)                                                          \
	X(CONNECTION,          "connection",                3)                 \
	X(KEEP_ALIVE,          "keep-alive",                3)                 \
	X(TE,                  "te",                        3)                 \
	X(TRANSFER_ENCODING,   "transfer-encoding",         3)                 \
	X(UPGRADE,             "upgrade",                   3)                 \
	X(HTTP2_SETTINGS,      "http2-settings",            3)                 \
	X(PROXY,               "proxy",                     3)                 \
	X(PROXY_CONNECTION,    "proxy-connection",          3)                 \
	X(PROXY_AUTHENTICATE,  "proxy-authenticate",        3)                 \
	X(PROXY_AUTHORIZATION, "proxy-authorization",       3)                 \
	X(PROXY_AUTH_INFO,     "proxy-authentication-info", 3)                 \
	X(HOST,                "host",                      2)                 \
	X(CONTENT_LENGTH,      "content-length",            2)                 \
	X(CONTENT_TYPE,        "content-type",              2)                 \
	X(CONTENT_ENCODING,    "content-encoding",          2)                 \
	X(CONTENT_LANGUAGE,    "content-language",          2)                 \
	X(CONTENT_LOCATION,    "content-location",          2)                 \
	X(CONTENT_RANGE,       "content-range",             2)                 \
	X(CONTENT_DISPOSITION, "content-disposition",       2)                 \
	X(TRAILER,             "trailer",                   2)                 \
	X(EXPECT,              "expect",                    2)                 \
	X(MAX_FORWARDS,        "max-forwards",              2)                 \
	X(RANGE,               "range",                     2)                 \
	X(IF_MATCH,            "if-match",                  2)                 \
	X(IF_NONE_MATCH,       "if-none-match",             2)                 \
	X(IF_MODIFIED_SINCE,   "if-modified-since",         2)                 \
	X(IF_UNMODIFIED_SINCE, "if-unmodified-since",       2)                 \
	X(IF_RANGE,            "if-range",                  2)                 \
	X(CACHE_CONTROL,       "cache-control",             2)                 \
	X(PRAGMA,              "pragma",                    2)                 \
	X(AGE,                 "age",                       2)                 \
	X(DATE,                "date",                      2)                 \
	X(EXPIRES,             "expires",                   2)                 \
	X(LOCATION,            "location",                  2)                 \
	X(RETRY_AFTER,         "retry-after",               2)                 \
	X(VARY,                "vary",                      2)                 \
	X(WARNING,             "warning",                   2)                 \
	X(AUTHORIZATION,       "authorization",             2)                 \
	X(WWW_AUTHENTICATE,    "www-authenticate",          2)                 \
	X(COOKIE,              "cookie",                    2)                 \
	X(SET_COOKIE,          "set-cookie",                2)                 \
	X(ORIGIN,              "origin",                    2)                 \
	X(REFERER,             "referer",                   2)                 \
	X(FORWARDED,           "forwarded",                 2)                 \
	X(X_FORWARDED_FOR,     "x-forwarded-for",           2)                 \
	X(X_FORWARDED_PROTO,   "x-forwarded-proto",         2)                 \
	X(X_FORWARDED_HOST,    "x-forwarded-host",          2)                 \
	X(X_FORWARDED_PORT,    "x-forwarded-port",          2)                 \
	X(X_FORWARDED_USER,    "x-forwarded-user",          2)                 \
	X(X_FORWARDED_GROUPS,  "x-forwarded-groups",        2)                 \
	X(X_REAL_IP,           "x-real-ip",                 2)                 \
	X(SEC_FETCH_MODE,      "sec-fetch-mode",            2)                 \
	X(SEC_FETCH_SITE,      "sec-fetch-site",            2)                 \
	X(SEC_FETCH_DEST,      "sec-fetch-dest",            2)                 \
	X(SEC_WS_KEY,          "sec-websocket-key",         2)                 \
	X(SEC_WS_VERSION,      "sec-websocket-version",     2)                 \
	X(SEC_WS_PROTOCOL,     "sec-websocket-protocol",    2)                 \
	X(SEC_WS_EXTENSIONS,   "sec-websocket-extensions",  2)                 \
	X(SEC_WS_ACCEPT,       "sec-websocket-accept",      2)                 \
	X(SERVICE_WORKER,      "service-worker",            2)                 \
	X(SERVICE_WORKER_ALLOWED, "service-worker-allowed", 2)                 \
	X(ALT_SVC,             "alt-svc",                   2)                 \
	X(CLEAR_SITE_DATA,     "clear-site-data",           2)                 \
	X(STRICT_TRANSPORT_SECURITY, "strict-transport-security", 2)           \
	X(CONTENT_SECURITY_POLICY, "content-security-policy", 2)               \
	X(X_FRAME_OPTIONS,     "x-frame-options",           2)                 \
	X(REPORTING_ENDPOINTS, "reporting-endpoints",       2)                 \
	X(REPORT_TO,           "report-to",                 2)                 \
	X(NEL,                 "nel",                       2)                 \
	X(REFRESH,             "refresh",                   2)                 \
	X(ACCEPT,              "accept",                    0)                 \
	X(ACCEPT_ENCODING,     "accept-encoding",           0)                 \
	X(ACCEPT_LANGUAGE,     "accept-language",           0)                 \
	X(USER_AGENT,          "user-agent",                0)                 \
	X(SERVER,              "server",                    0)                 \
	X(ETAG,                "etag",                      0)                 \
	X(LAST_MODIFIED,       "last-modified",             0)

#define X(id, name, flags) HTTP_N_##id,
enum http_name { HTTP_N_OTHER, HTTP_NAMES(X) HTTP_N_COUNT };
#undef X

/* One field line. The value has no blanks at its ends and may be empty. */
struct http_field {
	struct slice name;      /* as it was spelled */
	struct slice value;
	enum http_name id;      /* HTTP_N_OTHER: not one of the list */
};

enum http_verb {
	HTTP_V_OTHER, HTTP_V_GET, HTTP_V_HEAD, HTTP_V_POST, HTTP_V_PUT,
	HTTP_V_DELETE, HTTP_V_OPTIONS, HTTP_V_PATCH,
};

enum http_body {
	HTTP_BODY_NONE,         /* the next message starts right after */
	HTTP_BODY_LENGTH,       /* `length` bytes, more than 0 */
	HTTP_BODY_CHUNKED,      /* see codec/chunk.h */
	HTTP_BODY_CLOSE,        /* until the connection ends; responses only */
};

/* What a response answers, which decides whether it has a body. */
enum http_answers { HTTP_TO_OTHER, HTTP_TO_HEAD, HTTP_TO_CONNECT };

/*
 * A parsed head. All slices are parts of the input and live as long as it
 * stays in place (one exception: a target of `/` or `*` made from an absolute
 * target without a path is static).
 */
struct http_head {
	struct http_field *fields;      /* the caller's, HTTP_FIELDS_MAX */
	size_t nfields;

	unsigned minor;         /* HTTP/1.`minor`: 0 or 1 */
	struct slice method;    /* requests */
	enum http_verb verb;
	struct slice target;    /* origin form (starts with `/`) or `*` */
	bool absolute;          /* it came in absolute form */
	unsigned status;        /* responses: 100..999 */
	struct slice reason;    /* may be empty */

	struct slice host;      /* requests: Host or the absolute target's
	                         * authority; empty in 1.0 without either */
	struct url_auth auth;   /* the same, parsed, if host.n > 0 */

	enum http_body body;
	uint64_t length;        /* value of Content-Length, else 0 */
	bool has_length;        /* Content-Length was given, also where there
	                         * is no body (HEAD, 304: forward it; 1xx, 204:
	                         * do not, RFC 9110 8.6) */
	bool keep_alive;        /* the connection outlives this message */
	bool conn_close;        /* Connection lists close, ... */
	bool conn_upgrade;      /* ... upgrade, ... */
	bool conn_named;        /* ... or a name that is none of close,
	                         * keep-alive, upgrade, te */
	bool upgrade_websocket; /* Upgrade lists websocket, Connection lists
	                         * upgrade, version 1.1; in a request also GET
	                         * without body, in a response also 101 */
	bool expect_continue;   /* Expect: 100-continue in a 1.1 request */
	bool te_trailers;       /* TE lists trailers */
};

/*
 * How far an incomplete head was looked at; 16 bytes a connection can keep
 * while it waits. All zero before the first byte of each head. The parsers
 * set it back to zero when they return anything but E_MORE.
 */
struct http_scan {
	uint32_t line;          /* where the current line starts */
	uint32_t seen;          /* all before this was looked at */
	uint16_t run;           /* the current line's long part starts at
	                         * line + run; 0: not in it yet */
	uint16_t fields;        /* complete field lines */
	uint8_t where;          /* which line comes next */
};

/*
 * http_request_parse: the head at the front of `in`. RFC 9112 2 to 6.
 *   E_OK      *h is filled, *used is the head's length with the empty line
 *   E_MORE    the head is not complete; nothing is consumed and *h is
 *             unspecified. Call again with the same bytes and more of them
 *             (they may have moved). The cost of all calls together is linear
 *             in the length of the head, however it is cut.
 *   E_HTTP_*  as listed above, for the first fault in the order of the bytes;
 *             what needs several fields to be seen (Host count, framing) comes
 *             with the end of the head. A faulty byte is reported when it
 *             is there, even if the head is not complete. The result for a
 *             given input does not depend on how it was cut.
 * The caller sets h->fields before; the rest of *h needs no preparation.
 * One empty line (CRLF) before the request line is skipped and counted in
 * *used. An absolute target must name the authority that Host names (a
 * missing port means the scheme's) and is turned into origin form: nobody has
 * to choose which of the two to believe. Its scheme is http or https.
 */
enum err http_request_parse(struct http_head *h, struct http_scan *scan,
    struct slice in, size_t *used);

/*
 * http_response_parse: likewise for a response; `to` is what it answers.
 * RFC 9112 4 and 6.3: 1xx, 204, 304 and answers to HEAD (2xx to CONNECT) have
 * no body whatever their fields say. The status line may end after the code
 * without the space that RFC 9112 asks for.
 * Whether a 1xx is in place, and a 101 asked for, is the caller's affair.
 */
enum err http_response_parse(struct http_head *h, struct http_scan *scan,
    enum http_answers to, struct slice in, size_t *used);

/*
 * http_section_scan: check a field section (a trailer section) at the front of
 * `in` up to its empty line. E_OK with *used its length, E_MORE, E_HTTP_LINE,
 * E_HTTP_FIELD, E_HTTP_HEAD_LONG (fields, name). The total length is the
 * caller's to bound, below 2^31. *scan as above.
 */
enum err http_section_scan(struct http_scan *scan, struct slice in,
    size_t *used);

/*
 * http_section_next: the next field of a checked section, taken off the front.
 * False at the empty line, which stays.
 */
bool http_section_next(struct slice *section, struct http_field *f);

/* The first field of that name, or NULL. */
const struct http_field *http_field_get(const struct http_head *h,
    struct slice name);
/* The first field after `prev` (NULL: from the start) with that id. */
const struct http_field *http_field_id(const struct http_head *h,
    enum http_name id, const struct http_field *prev);

/* Take the next element of a comma-separated list, trimmed; empty elements
 * are skipped. False at the end. Commas inside quotes are not known: for
 * lists of tokens. */
bool http_list_next(struct slice *rest, struct slice *element);
/* A list of tokens has `token`, in any case. */
bool http_list_has(struct slice list, struct slice token);
/* Any Connection field lists `token`. */
bool http_connection_has(const struct http_head *h, struct slice token);

/*
 * The field belongs to this connection: HOP, or named in Connection. The
 * names Host and Content-Length stay whatever Connection says: without them
 * the next parser would read another message.
 */
bool http_field_is_hop(const struct http_head *h, const struct http_field *f);
/* A field that may be in a trailer section: not NT, not Sec-*, Proxy-*,
 * X-Forwarded-*, Access-Control-*, nor any of these spelled with `_`. */
bool http_may_trail(const struct http_field *f);
/* A name by which a proxy tells who the client is: Forwarded, X-Real-IP,
 * X-Forwarded-*, in any case, with `_` for any `-`. */
bool http_names_client(struct slice name);

/* The id of a name in any case, HTTP_N_OTHER if it is not of the list. */
enum http_name http_name_id(struct slice name);
/* The name of an id in lower case; empty for HTTP_N_OTHER. */
struct slice http_name_text(enum http_name id);

/* token of RFC 9110 5.6.2, not empty. */
bool http_token_valid(struct slice s);
/* No byte that a field value may not have (control bytes but HTAB). */
bool http_value_valid(struct slice s);
/* 0x21..0x7e without `#`, 1 to HTTP_TARGET_MAX bytes. */
bool http_target_valid(struct slice s);

/*
 * Writers. Each writes all of its line with CRLF or nothing. A part that is
 * not valid by the tests above is treated as not fitting: false, and the buffer
 * is marked short. No caller can write a line that it did not mean.
 */
bool http_put_request_line(struct buf *b, struct slice method,
    struct slice target);
bool http_put_status_line(struct buf *b, unsigned status, struct slice reason);
bool http_put_field(struct buf *b, struct slice name, struct slice value);
bool http_put_field_dec(struct buf *b, struct slice name, uint64_t value);
/* A field that a parser of ours filled: not checked again. */
bool http_put_parsed(struct buf *b, const struct http_field *f);
/* The empty line. */
bool http_put_end(struct buf *b);

/* The registered reason phrase, or empty. */
struct slice http_reason(unsigned status);

#endif
