/*
 * Hosts, URLs, query parameters, names of apps and agents. RFC 3986, as much
 * of it as a relay meets, and less where readers differ.
 *
 * All parsers return E_SYNTAX for what they refuse; slices are parts of the
 * input unless it says otherwise.
 */
#ifndef ADIT_CODEC_URL_H
#define ADIT_CODEC_URL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
	URL_HOST_MAX = 253,     /* bytes of a name, without a final dot */
	URL_LABEL_MAX = 63,
	URL_NEXT_MAX = 2048,    /* bytes of a `next` parameter */
	URL_NAME_MAX = 30,      /* bytes of an app's or agent's name */
};

enum url_host_kind { URL_HOST_NAME, URL_HOST_V4, URL_HOST_V6 };

/* host[:port] */
struct url_auth {
	struct slice host;      /* without the brackets of an IPv6 address */
	enum url_host_kind kind;
	uint8_t addr[16];       /* V4: the first 4; V6: 16; network order */
	bool has_port;
	uint16_t port;          /* 1..65535 if has_port, else 0 */
};

/*
 * url_auth_parse: all of `s` as host[:port]. E_OK or E_SYNTAX.
 * A host is an IPv4 address of four decimal numbers without leading zeros, an
 * IPv6 address in brackets (RFC 4291 2.2; no zone, no IPvFuture), or a name:
 * labels of letters, digits, `-` and `_`, 1 to URL_LABEL_MAX bytes, one final
 * dot allowed. A name whose last label is a number (`1.2.3`, `0x7f.1`) is
 * refused, since some resolvers take it for an address. No user, no `%`, no
 * empty port, no port 0, no port with more than 5 digits.
 */
enum err url_auth_parse(struct url_auth *a, struct slice s);

/* Two host names: equal but for case and one final dot. */
bool url_host_eq(struct slice a, struct slice b);
/* `host` is `domain` or ends in `.` and domain; by the same rule. */
bool url_host_within(struct slice host, struct slice domain);
/* The part before `.domain`; false if host does not end in that, or if
 * nothing stands before it. */
bool url_host_label(struct slice host, struct slice domain,
    struct slice *label);
/* Same host (addresses by value) and same port, a missing one being
 * `default_port`. */
bool url_auth_eq(const struct url_auth *a, const struct url_auth *b,
    uint16_t default_port);

enum url_scheme { URL_HTTP, URL_HTTPS, URL_WS, URL_WSS };

struct url {
	enum url_scheme scheme;
	bool secure;            /* https or wss */
	struct slice authority; /* host[:port] as it stands */
	struct url_auth auth;
	uint16_t port;          /* auth.port, or 80 or 443 */
	struct slice path;      /* starts with `/`; a static `/` if empty */
	struct slice query;     /* after `?`, may be empty */
	struct slice target;    /* path and query as they stand: may be empty or
	                         * start with `?` */
};

/*
 * url_parse: all of `s` as an absolute URL of scheme http, https, ws or wss
 * (any case). E_OK or E_SYNTAX. Refused: a user, a fragment, bytes outside
 * 0x21..0x7e, a backslash before the query, what url_auth_parse refuses.
 */
enum err url_parse(struct url *u, struct slice s);

/*
 * url_next_ok: `s` may be used as the path to go to after login: starts with
 * one `/`, not followed by `/` or `\`, no control byte (0..31, 127), at most
 * URL_NEXT_MAX bytes. It is a path of this site to every browser.
 */
bool url_next_ok(struct slice s);

/* A request target's path, and its query (after the first `?`, or empty). */
struct slice url_path(struct slice target);
struct slice url_query(struct slice target);

/*
 * url_form_get: the value of `name` among `a=b&c=d` (a query, or a body of type
 * application/x-www-form-urlencoded), decoded onto the end of `out`: `+` is
 * a space, %XX a byte (any byte: the caller checks).
 *   E_OK      *found tells whether it was there; nothing appended if not
 *   E_SYNTAX  given twice, or an escape in its value is malformed
 *   E_FULL    does not fit; `out` is marked short
 * On an error nothing is appended. Names are compared decoded; a pair whose
 * name has a malformed escape is skipped.
 */
enum err url_form_get(struct slice form, struct slice name, struct buf *out,
    bool *found);

/* Append `s` as a query or form value: all but A-Z a-z 0-9 - . _ ~ as %XX. */
bool url_put_encoded(struct buf *b, struct slice s);
/* Append `s` with each %XX as its byte, `+` as it is. False, and nothing is
 * appended, on a malformed escape (b stays good) or if short. */
bool url_put_decoded(struct buf *b, struct slice s);

/* [a-z0-9]([a-z0-9-]*[a-z0-9])?, at most URL_NAME_MAX bytes, no `--`. */
bool url_name_ok(struct slice s);
/*
 * url_name_fold: append the name that a machine of this host name gets: its
 * first label in lower case, each run of other bytes one `-`, cut to
 * URL_NAME_MAX; `agent` if nothing is left. Always passes url_name_ok. False
 * if it does not fit.
 */
bool url_name_fold(struct buf *b, struct slice hostname);

#endif
