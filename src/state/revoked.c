/*
 * An unordered array and linear search: 2048 entries of 24 bytes are looked
 * through in a few microseconds, once per session and minute. A tree or a hash
 * would be faster and one more thing to be wrong about who is logged in.
 */
#include "state/revoked.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"
#include "codec/json.h"

bool
revoked_has(const struct revoked *r, const uint8_t jti[JTI_BYTES],
    uint64_t expires_s)
{
	if (expires_s <= r->ended_s)
		return true;
	for (uint32_t i = 0; i < r->n; i++)
		if (memcmp(r->rows[i].jti, jti, JTI_BYTES) == 0)
			return true;
	return false;
}

/* Let the entries that expire first become part of ended_s. */
static void
fold_first(struct revoked *r)
{
	uint32_t kept = 0;

	r->ended_s = r->rows[0].expires_s;
	for (uint32_t i = 1; i < r->n; i++)
		r->ended_s = min_u64(r->ended_s, r->rows[i].expires_s);
	for (uint32_t i = 0; i < r->n; i++)
		if (r->rows[i].expires_s > r->ended_s)
			r->rows[kept++] = r->rows[i];
	r->n = kept;
}

bool
revoked_add(struct revoked *r, const uint8_t jti[JTI_BYTES],
    uint64_t expires_s, uint64_t now_s)
{
	struct revoked_row row = { .expires_s = expires_s };

	assert(r->n <= REVOKED_MAX);
	if (expires_s <= now_s || revoked_has(r, jti, expires_s))
		return false;
	memcpy(row.jti, jti, JTI_BYTES);
	if (r->n == REVOKED_MAX)
		fold_first(r);
	if (expires_s > r->ended_s)
		r->rows[r->n++] = row;
	assert(revoked_has(r, jti, expires_s));
	return true;
}

bool
revoked_put(struct buf *b, const struct revoked *r)
{
	buf_lit(b, "{\"version\":1,\"ended_s\":");
	buf_put_dec(b, r->ended_s);
	buf_lit(b, ",\"revoked\":[");
	for (uint32_t i = 0; i < r->n; i++) {
		const struct revoked_row *row = &r->rows[i];

		buf_put(b, i > 0 ? SL(",\n") : SL("\n"));
		buf_lit(b, "{\"jti\":\"");
		b64_encode(b, slice_of(row->jti, JTI_BYTES), B64_URL_BARE);
		buf_lit(b, "\",\"exp\":");
		buf_put_dec(b, row->expires_s);
		buf_lit(b, "}");
	}
	buf_lit(b, "\n]}\n");
	return buf_ok(b);
}

static enum err
fault(struct slice text, struct slice at, const char *what, size_t *offset,
    const char **why)
{
	*offset = (size_t)(at.p - text.p);
	*why = what;
	return E_SYNTAX;
}

/* One {"jti":...,"exp":...}. False if it is anything else. */
static bool
parse_row(struct revoked_row *row, struct json v)
{
	struct json_field f[] = { { SL("jti"), { 0 } }, { SL("exp"), { 0 } } };
	struct buf jti = BUF_ON(row->jti);
	struct json_iter it;
	struct json name, member;
	struct slice s;
	size_t n = 0;

	if (json_fields(v, f, 2) != E_OK)
		return false;
	json_iter(&it, v);
	while (json_next(&it, &name, &member))
		n++;
	return n == 2 && json_plain(f[0].v, &s) && s.n == JTI_CHARS &&
	    b64_decode(&jti, s, B64_URL_BARE) == E_OK &&
	    json_u64(f[1].v, &row->expires_s) == E_OK;
}

static enum err
parse_rows(struct revoked *r, struct slice text, struct json list, size_t *at,
    const char **why)
{
	struct json_iter it;
	struct json name, v;

	json_iter(&it, list);
	while (json_next(&it, &name, &v)) {
		struct revoked_row row = { 0 };

		if (!parse_row(&row, v))
			return fault(text, v.raw, "not an entry of the form "
			    "{\"jti\":...,\"exp\":...}", at, why);
		if (r->n == REVOKED_MAX)
			return fault(text, v.raw, "too many entries", at, why);
		r->rows[r->n++] = row;
	}
	return E_OK;
}

enum err
revoked_parse(struct revoked *r, struct slice text, size_t *at,
    const char **why)
{
	struct json_field f[] = {
		{ SL("version"), { 0 } }, { SL("ended_s"), { 0 } },
		{ SL("revoked"), { 0 } },
	};
	struct json root;
	uint64_t version;

	memset(r, 0, sizeof *r);
	if (json_parse(text, JSON_DEPTH, &root) != E_OK) {
		*at = json_error_at(text, JSON_DEPTH);
		*why = "not JSON";
		return E_SYNTAX;
	}
	if (root.kind != JSON_OBJECT || json_unique(root, 3) != E_OK ||
	    json_fields(root, f, 3) != E_OK || f[2].v.kind != JSON_ARRAY)
		return fault(text, root.raw,
		    "not of the form {\"version\":1,\"ended_s\":...,"
		    "\"revoked\":[...]}", at, why);
	if (json_u64(f[0].v, &version) != E_OK || version != 1)
		return fault(text, root.raw,
		    "\"version\" is not 1, the one this program knows",
		    at, why);
	if (json_u64(f[1].v, &r->ended_s) != E_OK)
		return fault(text, root.raw, "\"ended_s\" is not a time",
		    at, why);
	return parse_rows(r, text, f[2].v, at, why);
}
