/*
 * Writing HTTP/1.1 heads. Every line is written whole or not at all, and what
 * could break out of its line (CR, LF, NUL in a name or value from wherever)
 * is refused here, at the last place, and not only where it came in.
 */
#include "codec/http1.h"

#include <assert.h>

static bool
put_refused(struct buf *b)
{
	b->is_short = true;
	return false;
}

/* Append the parts, or nothing. One look at the room: a head has many lines. */
static bool
put_parts(struct buf *b, const struct slice *part, size_t n)
{
	size_t room = b->is_short ? 0 : buf_room(b);
	uint8_t *to;

	for (size_t i = 0; i < n; i++) {
		if (part[i].n > room)
			return put_refused(b);
		room -= part[i].n;
	}
	to = b->p + b->n;
	for (size_t i = 0; i < n; i++) {
		if (part[i].n > 0)
			memcpy(to, part[i].p, part[i].n);
		to += part[i].n;
	}
	b->n = (size_t)(to - b->p);
	return true;
}

bool
http_put_request_line(struct buf *b, struct slice method, struct slice target)
{
	struct slice part[] = { method, SL(" "), target, SL(" HTTP/1.1\r\n") };

	if (!http_token_valid(method) || !http_target_valid(target))
		return put_refused(b);
	return put_parts(b, part, 4);
}

bool
http_put_status_line(struct buf *b, unsigned status, struct slice reason)
{
	uint8_t code[4] = {
		(uint8_t)('0' + status / 100 % 10),
		(uint8_t)('0' + status / 10 % 10),
		(uint8_t)('0' + status % 10), ' ',
	};
	struct slice part[] = {
		SL("HTTP/1.1 "), slice_of(code, 4), reason, SL("\r\n"),
	};

	if (status < 100 || status > 999 || !http_value_valid(reason))
		return put_refused(b);
	return put_parts(b, part, 4);
}

bool
http_put_field(struct buf *b, struct slice name, struct slice value)
{
	struct slice part[] = { name, SL(": "), value, SL("\r\n") };

	if (!http_token_valid(name) || !http_value_valid(value))
		return put_refused(b);
	return put_parts(b, part, 4);
}

bool
http_put_field_dec(struct buf *b, struct slice name, uint64_t value)
{
	uint8_t area[20];
	struct buf digits = BUF_ON(area);

	buf_put_dec(&digits, value);
	assert(buf_ok(&digits));
	return http_put_field(b, name, buf_slice(&digits));
}

bool
http_put_parsed(struct buf *b, const struct http_field *f)
{
	struct slice part[] = { f->name, SL(": "), f->value, SL("\r\n") };

	return put_parts(b, part, 4);
}

bool
http_put_end(struct buf *b)
{
	return buf_lit(b, "\r\n");
}

/* The registry's phrases, as of RFC 9110 and the RFCs beside it. */
static const struct {
	uint16_t status;
	struct slice text;
} reasons[] = {
	{ 100, SL_INIT("Continue") },
	{ 101, SL_INIT("Switching Protocols") },
	{ 102, SL_INIT("Processing") },
	{ 103, SL_INIT("Early Hints") },
	{ 200, SL_INIT("OK") },
	{ 201, SL_INIT("Created") },
	{ 202, SL_INIT("Accepted") },
	{ 203, SL_INIT("Non-Authoritative Information") },
	{ 204, SL_INIT("No Content") },
	{ 205, SL_INIT("Reset Content") },
	{ 206, SL_INIT("Partial Content") },
	{ 207, SL_INIT("Multi-Status") },
	{ 300, SL_INIT("Multiple Choices") },
	{ 301, SL_INIT("Moved Permanently") },
	{ 302, SL_INIT("Found") },
	{ 303, SL_INIT("See Other") },
	{ 304, SL_INIT("Not Modified") },
	{ 307, SL_INIT("Temporary Redirect") },
	{ 308, SL_INIT("Permanent Redirect") },
	{ 400, SL_INIT("Bad Request") },
	{ 401, SL_INIT("Unauthorized") },
	{ 402, SL_INIT("Payment Required") },
	{ 403, SL_INIT("Forbidden") },
	{ 404, SL_INIT("Not Found") },
	{ 405, SL_INIT("Method Not Allowed") },
	{ 406, SL_INIT("Not Acceptable") },
	{ 407, SL_INIT("Proxy Authentication Required") },
	{ 408, SL_INIT("Request Timeout") },
	{ 409, SL_INIT("Conflict") },
	{ 410, SL_INIT("Gone") },
	{ 411, SL_INIT("Length Required") },
	{ 412, SL_INIT("Precondition Failed") },
	{ 413, SL_INIT("Content Too Large") },
	{ 414, SL_INIT("URI Too Long") },
	{ 415, SL_INIT("Unsupported Media Type") },
	{ 416, SL_INIT("Range Not Satisfiable") },
	{ 417, SL_INIT("Expectation Failed") },
	{ 421, SL_INIT("Misdirected Request") },
	{ 422, SL_INIT("Unprocessable Content") },
	{ 425, SL_INIT("Too Early") },
	{ 426, SL_INIT("Upgrade Required") },
	{ 428, SL_INIT("Precondition Required") },
	{ 429, SL_INIT("Too Many Requests") },
	{ 431, SL_INIT("Request Header Fields Too Large") },
	{ 500, SL_INIT("Internal Server Error") },
	{ 501, SL_INIT("Not Implemented") },
	{ 502, SL_INIT("Bad Gateway") },
	{ 503, SL_INIT("Service Unavailable") },
	{ 504, SL_INIT("Gateway Timeout") },
	{ 505, SL_INIT("HTTP Version Not Supported") },
	{ 507, SL_INIT("Insufficient Storage") },
	{ 511, SL_INIT("Network Authentication Required") },
};

struct slice
http_reason(unsigned status)
{
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
		if (reasons[i].status == status)
			return reasons[i].text;
	}
	return slice_of(NULL, 0);
}
