/*
 * HTTP field names and lists of tokens.
 *
 * A name is looked up by its length first: of the names we know at most eight
 * share one, and they differ in their first bytes, so a lookup is one or two
 * compared bytes in most cases. A perfect hash was rejected: it needs a
 * generator, and saves nothing that can be measured on ten fields.
 * tests/unit/test_http1.c looks every row of HTTP_NAMES up, so a row that is
 * missing in by_length does not go unnoticed.
 */
#include "codec/http1.h"

#include <assert.h>

#include "codec/http1_class.h"

enum { T = HTTP_C_TOKEN, V = HTTP_C_VALUE, U = HTTP_C_TARGET, ALL = T | V | U };

const uint8_t http_class[256] = {
	['\t'] = V,
	[' '] = V,
	['!'] = ALL,
	['"'] = V | U,
	['#'] = T | V,
	['$' ... '\''] = ALL,
	['(' ... ')'] = V | U,
	['*' ... '+'] = ALL,
	[','] = V | U,
	['-' ... '.'] = ALL,
	['/'] = V | U,
	['0' ... '9'] = ALL,
	[':' ... '@'] = V | U,
	['A' ... 'Z'] = ALL,
	['[' ... ']'] = V | U,
	['^' ... 'z'] = ALL,
	['{'] = V | U,
	['|'] = ALL,
	['}'] = V | U,
	['~'] = ALL,
	[0x80 ... 0xff] = V,
};

static const struct {
	struct slice text;
	unsigned flags;
} names[HTTP_N_COUNT] = {
#define X(id, name, flags) [HTTP_N_##id] = { SL_INIT(name), flags },
	HTTP_NAMES(X)
#undef X
};

enum { KNOWN_MAX = 25, SAME_MAX = 8 };

#define N(id) HTTP_N_##id
static const uint8_t by_length[KNOWN_MAX + 1][SAME_MAX + 1] = {
	[2] = { N(TE) },
	[3] = { N(AGE), N(NEL) },
	[4] = { N(HOST), N(DATE), N(VARY), N(ETAG) },
	[5] = { N(PROXY), N(RANGE) },
	[6] = { N(COOKIE), N(ACCEPT), N(ORIGIN), N(SERVER), N(EXPECT),
	    N(PRAGMA) },
	[7] = { N(REFERER), N(UPGRADE), N(TRAILER), N(EXPIRES), N(WARNING),
	    N(ALT_SVC), N(REFRESH) },
	[8] = { N(LOCATION), N(IF_RANGE), N(IF_MATCH) },
	[9] = { N(FORWARDED), N(X_REAL_IP), N(REPORT_TO) },
	[10] = { N(CONNECTION), N(USER_AGENT), N(SET_COOKIE), N(KEEP_ALIVE) },
	[11] = { N(RETRY_AFTER) },
	[12] = { N(CONTENT_TYPE), N(MAX_FORWARDS) },
	[13] = { N(CACHE_CONTROL), N(IF_NONE_MATCH), N(LAST_MODIFIED),
	    N(AUTHORIZATION), N(CONTENT_RANGE) },
	[14] = { N(CONTENT_LENGTH), N(SEC_FETCH_MODE), N(SEC_FETCH_SITE),
	    N(SEC_FETCH_DEST), N(SERVICE_WORKER), N(HTTP2_SETTINGS) },
	[15] = { N(ACCEPT_ENCODING), N(ACCEPT_LANGUAGE), N(X_FORWARDED_FOR),
	    N(CLEAR_SITE_DATA), N(X_FRAME_OPTIONS) },
	[16] = { N(CONTENT_ENCODING), N(CONTENT_LANGUAGE), N(CONTENT_LOCATION),
	    N(PROXY_CONNECTION), N(WWW_AUTHENTICATE), N(X_FORWARDED_HOST),
	    N(X_FORWARDED_PORT), N(X_FORWARDED_USER) },
	[17] = { N(TRANSFER_ENCODING), N(IF_MODIFIED_SINCE),
	    N(X_FORWARDED_PROTO), N(SEC_WS_KEY) },
	[18] = { N(PROXY_AUTHENTICATE), N(X_FORWARDED_GROUPS) },
	[19] = { N(PROXY_AUTHORIZATION), N(CONTENT_DISPOSITION),
	    N(IF_UNMODIFIED_SINCE), N(REPORTING_ENDPOINTS) },
	[20] = { N(SEC_WS_ACCEPT) },
	[21] = { N(SEC_WS_VERSION) },
	[22] = { N(SEC_WS_PROTOCOL), N(SERVICE_WORKER_ALLOWED) },
	[23] = { N(CONTENT_SECURITY_POLICY) },
	[24] = { N(SEC_WS_EXTENSIONS) },
	[25] = { N(PROXY_AUTH_INFO), N(STRICT_TRANSPORT_SECURITY) },
};
#undef N
_Static_assert(HTTP_N_COUNT <= 256, "by_length holds ids in a byte");

enum http_name
http_name_id(struct slice name)
{
	if (name.n > KNOWN_MAX)
		return HTTP_N_OTHER;
	for (const uint8_t *id = by_length[name.n]; *id != HTTP_N_OTHER; id++) {
		const uint8_t *text = names[*id].text.p;
		size_t i = 0;

		while (i < name.n && ascii_lower(name.p[i]) == text[i])
			i++;
		if (i == name.n)
			return (enum http_name)*id;
	}
	return HTTP_N_OTHER;
}

struct slice
http_name_text(enum http_name id)
{
	assert(id < HTTP_N_COUNT);
	return names[id].text;
}

static unsigned
http_name_flags(enum http_name id)
{
	assert(id < HTTP_N_COUNT);
	return names[id].flags;
}

/* The start of a name in lower case with `-` for `_`, as CGI readers see it.
 * `area` has to hold what the caller wants to compare with. */
static struct slice
name_fold(uint8_t *area, size_t cap, struct slice name)
{
	size_t n = name.n < cap ? name.n : cap;

	for (size_t i = 0; i < n; i++)
		area[i] = name.p[i] == '_' ? '-' : ascii_lower(name.p[i]);
	return slice_of(area, n);
}

bool
http_names_client(struct slice name)
{
	uint8_t area[16];
	struct slice s;

	if (name.n < 9 || (name.p[0] | 0x20) < 'f')
		return false;
	s = name_fold(area, sizeof area, name);
	return slice_starts(s, SL("x-forwarded-")) ||
	    slice_eq(s, SL("forwarded")) || slice_eq(s, SL("x-real-ip"));
}

bool
http_may_trail(const struct http_field *f)
{
	uint8_t area[KNOWN_MAX + 1];
	struct slice s = name_fold(area, sizeof area, f->name);

	return (http_name_flags(http_name_id(s)) & HTTP_F_NT) == 0 &&
	    !slice_starts(s, SL("sec-")) && !slice_starts(s, SL("proxy-")) &&
	    !slice_starts(s, SL("x-forwarded-")) &&
	    !slice_starts(s, SL("access-control-"));
}

bool
http_list_next(struct slice *rest, struct slice *element)
{
	while (rest->n > 0) {
		*element = slice_trim(slice_cut(rest, ','));
		if (element->n > 0)
			return true;
	}
	return false;
}

bool
http_list_has(struct slice list, struct slice token)
{
	struct slice e;

	while (http_list_next(&list, &e)) {
		if (slice_ieq(e, token))
			return true;
	}
	return false;
}

const struct http_field *
http_field_get(const struct http_head *h, struct slice name)
{
	for (size_t i = 0; i < h->nfields; i++) {
		if (slice_ieq(h->fields[i].name, name))
			return &h->fields[i];
	}
	return NULL;
}

const struct http_field *
http_field_id(const struct http_head *h, enum http_name id,
    const struct http_field *prev)
{
	size_t i = prev == NULL ? 0 : (size_t)(prev - h->fields) + 1;

	for (; i < h->nfields; i++) {
		if (h->fields[i].id == id)
			return &h->fields[i];
	}
	return NULL;
}

bool
http_connection_has(const struct http_head *h, struct slice token)
{
	const struct http_field *f = NULL;

	while ((f = http_field_id(h, HTTP_N_CONNECTION, f)) != NULL) {
		if (http_list_has(f->value, token))
			return true;
	}
	return false;
}

bool
http_field_is_hop(const struct http_head *h, const struct http_field *f)
{
	if ((http_name_flags(f->id) & HTTP_F_HOP) != 0)
		return true;
	if (!h->conn_named || f->id == HTTP_N_HOST ||
	    f->id == HTTP_N_CONTENT_LENGTH)
		return false;
	return http_connection_has(h, f->name);
}

bool
http_token_valid(struct slice s)
{
	return s.n > 0 && http_class_end(s, 0, HTTP_C_TOKEN) == s.n;
}

bool
http_value_valid(struct slice s)
{
	return http_value_end(s, 0) == s.n;
}

bool
http_target_valid(struct slice s)
{
	return s.n > 0 && s.n <= HTTP_TARGET_MAX &&
	    http_class_end(s, 0, HTTP_C_TARGET) == s.n;
}
