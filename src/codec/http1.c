/*
 * HTTP/1.1 heads: the parser.
 *
 * One walk from left to right, line by line; whatever it can say depends only
 * on the bytes before its place, so an input gives the same answer
 * however it is cut. When the head ends too early the walk leaves behind where
 * it stood (struct http_scan), and the next call goes on from there instead of
 * from the start; its slices are not kept, because the bytes may move. When
 * the end is found that way, the whole head is walked once more to fill the
 * result: at most two walks, and one for the common head that comes whole.
 *
 * Only two parts of a line can be long, the target and a value (or reason).
 * For them the place inside is remembered as well (run, seen); everything else
 * in a line is below 300 bytes and simply read again. Per line checks are made
 * at the end of the line, those over several lines at the end of the head.
 *
 * A table-driven state machine over single bytes was rejected: it is slower by
 * the factor of what http_value_end skips, and harder to compare with the
 * grammar.
 */
#include "codec/http1.h"

#include <assert.h>

#include "codec/http1_class.h"

enum { AT_START, AT_LINE, AT_FIELDS };  /* http_scan.where */

/* What the fields said that only counts together. */
struct notes {
	unsigned hosts, lengths, codings;
	size_t connection;      /* bytes of its values */
	bool keep_alive;        /* Connection: keep-alive */
	bool websocket;         /* Upgrade: websocket */
	uint16_t scheme_port;   /* of an absolute target's scheme */
	struct slice host;      /* the last Host field's value, ... */
	struct url_auth auth;   /* ... parsed */
};

/* One walk over a head. Offsets are of in.p. */
struct walk {
	struct slice in;
	size_t line;            /* start of the current line */
	size_t run;             /* start of its long part, 0: before it */
	size_t seen;            /* in the long part: all before is good */
	size_t fields;
	uint8_t where;
	bool response;
	struct notes notes;
};

static struct walk
walk_from(const struct http_scan *s, struct slice in, bool response)
{
	struct walk w = {
		.in = in, .line = s->line, .seen = s->seen,
		.run = s->run > 0 ? s->line + s->run : 0,
		.fields = s->fields, .where = s->where, .response = response,
	};

	assert(s->line <= s->seen && s->seen <= in.n);
	return w;
}

static void
walk_keep(const struct walk *w, struct http_scan *s)
{
	assert(w->run == 0 || w->seen >= w->run);
	assert(w->run == 0 || w->run - w->line <= HTTP_NAME_MAX + 1);
	s->line = (uint32_t)w->line;
	s->seen = (uint32_t)(w->run > 0 ? w->seen : w->line);
	s->run = (uint16_t)(w->run > 0 ? w->run - w->line : 0);
	s->fields = (uint16_t)w->fields;
	s->where = w->where;
}

static struct slice
walk_part(const struct walk *w, size_t from, size_t to)
{
	assert(from <= to && to <= w->in.n);
	return slice_of(w->in.p + from, to - from);
}

static void
walk_next_line(struct walk *w, size_t at)
{
	w->line = at;
	w->run = 0;
	w->seen = at;
}

/*
 * The line's long part holds value bytes up to CRLF: *end is where the CR is,
 * and the next line begins. Any other byte is `e`, but for a lone LF.
 */
static enum err
walk_value(struct walk *w, size_t *end, enum err e)
{
	size_t at = http_value_end(w->in, w->seen);

	w->seen = at;
	if (at == w->in.n)
		return E_MORE;
	if (w->in.p[at] != '\r')
		return w->in.p[at] == '\n' ? E_HTTP_LINE : e;
	if (w->in.n - at < 2)
		return E_MORE;
	if (w->in.p[at + 1] != '\n')
		return E_HTTP_LINE;
	*end = at;
	return E_OK;
}

/*
 * One field line, or the empty line (*is_end). RFC 9112 5. A name has to stand
 * at the very start, so obs-fold falls out as a field without name.
 */
static enum err
walk_field(struct walk *w, struct http_field *f, bool *is_end)
{
	const uint8_t *p = w->in.p;
	size_t n = w->in.n, end;
	enum err e;

	*is_end = false;
	if (w->run == 0) {
		size_t at = http_class_end(w->in, w->line, HTTP_C_TOKEN);

		if (at - w->line > HTTP_NAME_MAX)
			return E_HTTP_HEAD_LONG;
		if (at == n)
			return E_MORE;
		if (p[at] == '\r' && at == w->line) {
			if (n - at < 2)
				return E_MORE;
			if (p[at + 1] != '\n')
				return E_HTTP_LINE;
			*is_end = true;
			walk_next_line(w, at + 2);
			return E_OK;
		}
		if (p[at] != ':' || at == w->line)
			return p[at] == '\n' ? E_HTTP_LINE : E_HTTP_FIELD;
		w->run = w->seen = at + 1;
	}
	e = walk_value(w, &end, E_HTTP_FIELD);
	if (e != E_OK)
		return e;
	if (w->fields == HTTP_FIELDS_MAX)
		return E_HTTP_HEAD_LONG;
	w->fields++;
	f->name = walk_part(w, w->line, w->run - 1);
	f->value = slice_trim(walk_part(w, w->run, end));
	f->id = http_name_id(f->name);
	walk_next_line(w, end + 2);
	return E_OK;
}

static enum http_verb
verb_of(struct slice method)
{
	static const struct slice text[] = {
		[HTTP_V_GET] = SL_INIT("GET"), [HTTP_V_HEAD] = SL_INIT("HEAD"),
		[HTTP_V_POST] = SL_INIT("POST"), [HTTP_V_PUT] = SL_INIT("PUT"),
		[HTTP_V_DELETE] = SL_INIT("DELETE"),
		[HTTP_V_OPTIONS] = SL_INIT("OPTIONS"),
		[HTTP_V_PATCH] = SL_INIT("PATCH"),
	};

	for (unsigned i = HTTP_V_GET; i <= HTTP_V_PATCH; i++) {
		if (slice_eq(method, text[i]))
			return (enum http_verb)i;
	}
	return HTTP_V_OTHER;
}

/*
 * RFC 9112 3.2: the form has to go with the method. An absolute target
 * becomes origin form here; the authority that it names stays in h->host and
 * h->auth, to be compared with Host at the end of the head.
 */
static enum err
target_check(struct walk *w, struct http_head *h)
{
	struct url u;

	h->absolute = false;
	if (h->target.n == 0)
		return E_HTTP_TARGET;
	if (h->target.p[0] == '/')
		return E_OK;
	if (slice_eq(h->target, SL("*")))
		return h->verb == HTTP_V_OPTIONS ? E_OK : E_HTTP_TARGET;
	if (url_parse(&u, h->target) != E_OK ||
	    (u.scheme != URL_HTTP && u.scheme != URL_HTTPS))
		return E_HTTP_TARGET;
	if (u.target.n == 0)
		u.target = h->verb == HTTP_V_OPTIONS ? SL("*") : SL("/");
	else if (u.target.p[0] != '/')
		return E_HTTP_TARGET;   /* `?` first: no slice can be right */
	h->absolute = true;
	h->target = u.target;
	h->host = u.authority;
	h->auth = u.auth;
	w->notes.scheme_port = u.secure ? 443 : 80;
	return E_OK;
}

/*
 * "HTTP/" digit "." digit at `at`, then one byte more, which is the
 * caller's. *minor is set; *bad if it is neither 1.0 nor 1.1.
 */
static enum err
walk_version(const struct walk *w, size_t at, unsigned *minor, bool *bad)
{
	static const uint8_t want[] = "HTTP/0.0";
	const uint8_t *p = w->in.p + at;
	size_t n = w->in.n - at;

	for (size_t i = 0; i < 8; i++) {
		if (i == n)
			return E_MORE;
		if (want[i] == '0' ? !ascii_digit(p[i]) : p[i] != want[i])
			return E_HTTP_LINE;
	}
	*bad = p[5] != '1' || p[7] > '1';
	*minor = p[7] - '0';
	return E_OK;
}

/* RFC 9112 3: method SP target SP version CRLF. */
static enum err
walk_request_line(struct walk *w, struct http_head *h)
{
	const uint8_t *p = w->in.p;
	size_t n = w->in.n, at;
	bool bad;
	enum err e;

	if (w->run == 0) {
		at = http_class_end(w->in, w->line, HTTP_C_TOKEN);
		if (at - w->line > HTTP_METHOD_MAX)
			return E_HTTP_METHOD;
		if (at == n)
			return E_MORE;
		if (p[at] != ' ' || at == w->line)
			return E_HTTP_LINE;
		w->run = w->seen = at + 1;
	}
	h->method = walk_part(w, w->line, w->run - 1);
	h->verb = verb_of(h->method);
	if (slice_eq(h->method, SL("CONNECT")))
		return E_HTTP_METHOD;
	w->seen = at = http_class_end(w->in, w->seen, HTTP_C_TARGET);
	if (at - w->run > HTTP_TARGET_MAX)
		return E_HTTP_TARGET_LONG;
	if (at == n)
		return E_MORE;
	if (p[at] != ' ')
		return p[at] == '\r' || p[at] == '\n' ? E_HTTP_LINE :
		    E_HTTP_TARGET;
	h->target = walk_part(w, w->run, at);
	e = target_check(w, h);
	if (e == E_OK)
		e = walk_version(w, at + 1, &h->minor, &bad);
	if (e != E_OK)
		return e;
	at += 9;
	if (at < n && p[at] != '\r')
		return E_HTTP_LINE;
	if (n - at < 2)
		return E_MORE;
	if (p[at + 1] != '\n')
		return E_HTTP_LINE;
	walk_next_line(w, at + 2);
	return bad ? E_HTTP_VERSION : E_OK;
}

/* RFC 9112 4: version SP 3DIGIT SP reason CRLF, or without the second SP. */
static enum err
walk_status_line(struct walk *w, struct http_head *h)
{
	const uint8_t *p = w->in.p + w->line;
	size_t n = w->in.n - w->line, end;
	bool bad;
	enum err e = walk_version(w, w->line, &h->minor, &bad);

	if (e != E_OK)
		return e;
	for (size_t i = 8; i < 13; i++) {
		if (i == n)
			return E_MORE;
		if (i == 8 && p[i] == ' ' && bad)
			return E_HTTP_VERSION;
		if (i == 8 ? p[i] != ' ' : i < 12 ? !ascii_digit(p[i]) :
		    p[i] != ' ' && p[i] != '\r')
			return E_HTTP_LINE;
	}
	h->status = (p[9] - '0') * 100u + (p[10] - '0') * 10u + (p[11] - '0');
	if (h->status < 100)
		return E_HTTP_STATUS;
	if (w->run == 0)
		w->run = w->seen = w->line + 12 + (p[12] == ' ');
	e = walk_value(w, &end, E_HTTP_LINE);
	if (e != E_OK)
		return e;
	h->reason = walk_part(w, w->run, end);
	walk_next_line(w, end + 2);
	return E_OK;
}

/* RFC 9112 6.1: only `chunked`, once. A list of other tokens is a coding that
 * we lack, anything else is nonsense. */
static enum err
coding_check(struct slice v)
{
	if (slice_ieq(v, SL("chunked")))
		return E_OK;
	if (v.n == 0)
		return E_HTTP_FRAMING;
	for (size_t i = 0; i < v.n; i++) {
		if (!(http_class[v.p[i]] & HTTP_C_TOKEN) && v.p[i] != ',' &&
		    v.p[i] != ' ' && v.p[i] != '\t')
			return E_HTTP_FRAMING;
	}
	return E_HTTP_CODING;
}

/* A framing name with `_` is another name to us and may be the same to an app
 * that reads its fields through CGI's spelling. */
static bool
name_imitates_framing(struct slice name)
{
	return (name.n == 14 && (name.p[7] == '_') &&
	    slice_ieq(slice_head(name, 7), SL("content")) &&
	    slice_ieq(slice_from(name, 8), SL("length"))) ||
	    (name.n == 17 && (name.p[8] == '_') &&
	    slice_ieq(slice_head(name, 8), SL("transfer")) &&
	    slice_ieq(slice_from(name, 9), SL("encoding")));
}

static void
note_connection(struct walk *w, struct http_head *h, struct slice list)
{
	struct slice e;

	while (http_list_next(&list, &e)) {
		if (slice_ieq(e, SL("keep-alive")))
			w->notes.keep_alive = true;
		else if (slice_ieq(e, SL("close")))
			h->conn_close = true;
		else if (slice_ieq(e, SL("upgrade")))
			h->conn_upgrade = true;
		else if (!slice_ieq(e, SL("te")))
			h->conn_named = true;
	}
}

/* What a field means for the message itself; E_OK for most. */
static enum err
note_field(struct walk *w, struct http_head *h, const struct http_field *f)
{
	switch (f->id) {
	case HTTP_N_HOST:
		if (w->response)
			return E_OK;
		w->notes.hosts++;
		w->notes.host = f->value;
		return url_auth_parse(&w->notes.auth, f->value) == E_OK ?
		    E_OK : E_HTTP_HOST;
	case HTTP_N_CONTENT_LENGTH:
		w->notes.lengths++;
		if (f->value.n > 19 ||
		    !slice_dec(f->value, INT64_MAX, &h->length))
			return E_HTTP_FRAMING;
		return E_OK;
	case HTTP_N_TRANSFER_ENCODING:
		w->notes.codings++;
		return coding_check(f->value);
	case HTTP_N_CONNECTION:
		w->notes.connection += f->value.n;
		note_connection(w, h, f->value);
		return E_OK;
	case HTTP_N_UPGRADE:
		w->notes.websocket |= http_list_has(f->value, SL("websocket"));
		return E_OK;
	case HTTP_N_TE:
		h->te_trailers |= http_list_has(f->value, SL("trailers"));
		return E_OK;
	case HTTP_N_EXPECT:
		h->expect_continue |= slice_ieq(f->value, SL("100-continue"));
		return E_OK;
	case HTTP_N_OTHER:
		return name_imitates_framing(f->name) ? E_HTTP_FRAMING : E_OK;
	default:
		return E_OK;
	}
}

/* RFC 9112 3.2: one Host, and an absolute target that agrees with it. */
static enum err
finish_host(const struct notes *n, struct http_head *h)
{
	if (n->hosts > 1 || (n->hosts == 0 && h->minor > 0))
		return E_HTTP_HOST;
	if (n->hosts == 0)
		return E_OK;
	if (h->absolute && !url_auth_eq(&h->auth, &n->auth, n->scheme_port))
		return E_HTTP_HOST;
	h->host = n->host;
	h->auth = n->auth;
	return E_OK;
}

/* RFC 9112 6.3, without its repairs. `none`: no body whatever is said. And how
 * much all Connection fields together may list. */
static enum err
finish_body(const struct notes *n, struct http_head *h, bool none,
    enum http_body unsaid)
{
	if (n->connection > HTTP_CONNECTION_MAX)
		return E_HTTP_HEAD_LONG;
	if (n->lengths > 1 || n->codings > 1)
		return E_HTTP_FRAMING;
	if (n->codings > 0 && (n->lengths > 0 || h->minor == 0))
		return E_HTTP_FRAMING;
	h->has_length = n->lengths > 0;
	if (none)
		h->body = HTTP_BODY_NONE;
	else if (n->codings > 0)
		h->body = HTTP_BODY_CHUNKED;
	else if (h->has_length)
		h->body = h->length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
	else
		h->body = unsaid;
	return E_OK;
}

static enum err
finish_request(const struct walk *w, struct http_head *h)
{
	enum err e = finish_host(&w->notes, h);

	if (e == E_OK)
		e = finish_body(&w->notes, h, false, HTTP_BODY_NONE);
	if (e != E_OK)
		return e;
	h->keep_alive = !h->conn_close &&
	    (h->minor > 0 || w->notes.keep_alive);
	h->expect_continue &= h->minor > 0;
	h->upgrade_websocket = w->notes.websocket && h->conn_upgrade &&
	    h->minor > 0 && h->verb == HTTP_V_GET && h->body == HTTP_BODY_NONE;
	return E_OK;
}

static enum err
finish_response(const struct walk *w, struct http_head *h,
    enum http_answers to)
{
	bool none = h->status < 200 || h->status == 204 || h->status == 304 ||
	    to == HTTP_TO_HEAD || (to == HTTP_TO_CONNECT && h->status < 300);
	enum err e = finish_body(&w->notes, h, none, HTTP_BODY_CLOSE);

	if (e != E_OK)
		return e;
	h->keep_alive = !h->conn_close && h->body != HTTP_BODY_CLOSE &&
	    (h->minor > 0 || w->notes.keep_alive);
	h->expect_continue = false;
	h->upgrade_websocket = w->notes.websocket && h->conn_upgrade &&
	    h->minor > 0 && h->status == 101;
	return E_OK;
}

/* RFC 9112 2.2: one empty line before a request line is not an error. */
static enum err
walk_start(struct walk *w)
{
	const uint8_t *p = w->in.p;

	assert(w->line == 0 && w->in.n > 0);
	if (p[0] == '\r') {
		if (w->in.n < 2)
			return E_MORE;
		if (p[1] != '\n')
			return E_HTTP_LINE;
		walk_next_line(w, 2);
	}
	w->where = AT_LINE;
	return E_OK;
}

/* From where the walk stands to the end of the head. With `keep` the fields
 * go to h->fields; without it *h is only scratch. */
static enum err
walk_head(struct walk *w, struct http_head *h, bool keep)
{
	enum err e = E_OK;
	bool is_end = false;

	if (w->where == AT_START && !w->response)
		e = walk_start(w);
	if (e == E_OK && w->where != AT_FIELDS) {
		e = w->response ? walk_status_line(w, h) :
		    walk_request_line(w, h);
		if (e == E_OK)
			w->where = AT_FIELDS;
	}
	while (e == E_OK) {
		struct http_field scratch;
		struct http_field *f = keep ? &h->fields[w->fields] : &scratch;

		e = walk_field(w, f, &is_end);
		if (e != E_OK || is_end)
			break;
		e = note_field(w, h, f);
	}
	return e;
}

static enum err
head_parse(struct http_head *h, struct http_scan *scan, bool response,
    enum http_answers to, struct slice in, size_t *used)
{
	struct slice part = slice_head(in, HTTP_HEAD_MAX);
	bool resumed = scan->seen > 0;
	struct walk w = walk_from(scan, part, response);
	enum err e;

	if (in.n == 0)
		return E_MORE;
	*h = (struct http_head){ .fields = h->fields };
	e = walk_head(&w, h, !resumed);
	if (e == E_MORE && part.n < HTTP_HEAD_MAX) {
		walk_keep(&w, scan);
		return E_MORE;
	}
	*scan = (struct http_scan){ 0 };
	if (e == E_OK && resumed) {
		w = walk_from(scan, part, response);
		*h = (struct http_head){ .fields = h->fields };
		e = walk_head(&w, h, true);
		assert(e == E_OK);
	}
	if (e == E_MORE)
		return E_HTTP_HEAD_LONG;
	if (e == E_OK)
		e = response ? finish_response(&w, h, to) :
		    finish_request(&w, h);
	if (e != E_OK)
		return e;
	h->nfields = w.fields;
	*used = w.line;
	return E_OK;
}

enum err
http_request_parse(struct http_head *h, struct http_scan *scan,
    struct slice in, size_t *used)
{
	return head_parse(h, scan, false, HTTP_TO_OTHER, in, used);
}

enum err
http_response_parse(struct http_head *h, struct http_scan *scan,
    enum http_answers to, struct slice in, size_t *used)
{
	return head_parse(h, scan, true, to, in, used);
}

enum err
http_section_scan(struct http_scan *scan, struct slice in, size_t *used)
{
	struct walk w = walk_from(scan, in, false);
	struct http_field f;
	bool is_end = false;
	enum err e = E_OK;

	assert(in.n < UINT32_MAX / 2);
	while (e == E_OK && !is_end)
		e = walk_field(&w, &f, &is_end);
	if (e == E_MORE) {
		walk_keep(&w, scan);
		return e;
	}
	*scan = (struct http_scan){ 0 };
	if (e == E_OK)
		*used = w.line;
	return e;
}

bool
http_section_next(struct slice *section, struct http_field *f)
{
	struct walk w = { .in = *section };
	bool is_end;

	if (walk_field(&w, f, &is_end) != E_OK || is_end)
		return false;
	*section = slice_from(*section, w.line);
	return true;
}
