/*
 * One description of each table serves its reader, its writer and the lists
 * that people see.
 *
 * JSON rather than a format of our own, because people look into these files
 * and mend them; one row a line, so that an error has a line that helps.
 */
#include "state/book.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"

/* ---- writing ------------------------ */

static void
put_names(struct json_out *o, const struct people *p, const uint64_t *bits)
{
	json_array(o);
	for (size_t i = 0; i < PEOPLE_MAX; i++)
		if ((bits[i / 64] >> i % 64 & 1) != 0)
			json_put_string(o, row_text(p->rows[i].name));
	json_array_end(o);
}

static void
put_scopes(struct json_out *o, unsigned bits)
{
	json_array(o);
	for (size_t i = 0; i < SCOPES; i++)
		if ((bits >> i & 1) != 0)
			json_put_string(o, people_scopes[i]);
	json_array_end(o);
}

static void
put_value(struct json_out *o, const struct column *c, const uint8_t *row,
    const void *table)
{
	uint8_t area[SCRYPT_TEXT_MAX];
	struct buf b = BUF_ON(area);
	const uint8_t *p = row + c->at;
	uint64_t n;

	json_name(o, c->name);
	switch (c->kind & ~C_HIDDEN) {
	case C_TEXT:
	case C_PLAIN:
		json_put_string(o, slice_of(p + 1, p[0]));
		break;
	case C_TIME:
		memcpy(&n, p, sizeof n);
		json_put_u64(o, n);
		break;
	case C_WORD:
		json_put_string(o, c->words[*p]);
		break;
	case C_SCOPES:
		put_scopes(o, *p);
		break;
	case C_BYTES:
		b64_encode(&b, slice_of(p, c->size), B64_URL_BARE);
		json_put_string(o, buf_slice(&b));
		break;
	case C_HASH:
		scrypt_put(&b, (const void *)p);
		json_put_string(o, buf_slice(&b));
		break;
	default:
		put_names(o, table, (const void *)p);
	}
	wipe(area, sizeof area);
}

const uint8_t *
book_row(const struct section *s, const void *table, size_t i)
{
	return (const uint8_t *)table + s->at + i * s->row_bytes;
}

void
book_put_row(struct json_out *o, const struct section *s, const void *table,
    size_t i)
{
	for (size_t j = 0; j < s->ncolumns; j++)
		if ((s->columns[j].kind & C_HIDDEN) == 0)
			put_value(o, &s->columns[j], book_row(s, table, i),
			    table);
}

static void
put_section(struct buf *b, const struct section *s, const void *table)
{
	bool first = true;

	buf_lit(b, ",\"");
	buf_put(b, s->name);
	buf_lit(b, "\":[\n");
	for (size_t i = 0; i < s->rows; i++) {
		const uint8_t *row = book_row(s, table, i);
		struct json_out o = json_out_on(b);

		if (row[0] == 0)
			continue;
		if (!first)
			buf_lit(b, ",\n");
		first = false;
		json_object(&o);
		for (size_t j = 0; j < s->ncolumns; j++)
			put_value(&o, &s->columns[j], row, table);
		json_object_end(&o);
	}
	buf_put(b, first ? SL("]") : SL("\n]"));
}

bool
book_save(const struct book *k, const void *table, const struct store_io *io,
    struct buf *b)
{
	struct json_out o = json_out_on(b);

	buf_reset(b);
	json_object(&o);
	json_pair_u64(&o, SL("version"), 1);
	put_value(&o, &k->head, table, table);
	for (size_t i = 0; i < k->n; i++)
		put_section(b, &k->sections[i], table);
	buf_lit(b, "}\n");
	return buf_ok(b) && io->save(io->ctx, k->file, buf_slice(b));
}

/* ---- reading ------------------------ */

static bool
read_text(uint8_t *p, size_t max, bool is_plain, struct json v)
{
	struct buf b = buf_of(p + 1, max);

	if (json_string(v, &b) != E_OK)
		return false;
	p[0] = to_u8(b.n);
	for (size_t i = 0; i < b.n; i++)
		if (is_plain && !people_is_plain(b.p[i]))
			return false;
	return true;
}

static bool
read_word(uint8_t *p, const struct column *c, struct json v)
{
	for (*p = 0; *p < c->size; (*p)++)
		if (json_is(v, c->words[*p]))
			return true;
	return false;
}

static bool
read_value(const struct column *c, uint8_t *row, const void *table,
    struct json v)
{
	uint8_t *p = row + c->at;
	struct buf b = buf_of(p, c->size);
	struct slice s = { NULL, 0 };
	uint64_t n;

	switch (c->kind & ~C_HIDDEN) {
	case C_TEXT:
	case C_PLAIN:
		return read_text(p, c->size, (c->kind & C_PLAIN) != 0, v);
	case C_TIME:
		if (json_u64(v, &n) != E_OK || n >= (uint64_t)1 << 53)
			return false;
		memcpy(p, &n, sizeof n);
		return true;
	case C_WORD:
		return read_word(p, c, v);
	case C_SCOPES:
		return people_scopes_read(p, v);
	case C_BYTES:
		return json_plain(v, &s) &&
		    b64_decode(&b, s, B64_URL_BARE) == E_OK && b.n == c->size;
	case C_HASH:
		return json_plain(v, &s) && scrypt_parse((void *)p, s);
	default:
		return people_names_read((void *)p, table, v);
	}
}

/* What is being read, and where it is wrong. */
struct reading {
	struct slice text;
	struct store_fault *f;
	struct json at;
};

static enum err
wrong(const struct reading *r, struct json at, const char *why)
{
	return store_wrong(r->f, E_SYNTAX, store_line(r->text,
	    at.raw.p == NULL ? 0 : (size_t)(at.raw.p - r->text.p)), why);
}

/* An object with these members and no others. */
static bool
members(struct json v, struct json_field *f, size_t n)
{
	struct json_iter it;
	struct json name, member;
	size_t found = 0;

	if (v.kind != JSON_OBJECT || json_fields(v, f, n) != E_OK)
		return false;
	json_iter(&it, v);
	while (json_next(&it, &name, &member))
		found++;
	for (size_t i = 0; i < n; i++)
		if (f[i].v.kind == JSON_NONE)
			return false;
	return found == n;
}

static enum err
read_row(const struct reading *r, const struct section *s, void *table,
    size_t i, struct json v)
{
	struct json_field f[COLUMNS_MAX];
	uint8_t *row = (uint8_t *)table + s->at + i * s->row_bytes;
	const char *why;

	for (size_t j = 0; j < s->ncolumns; j++)
		f[j] = (struct json_field){ .name = s->columns[j].name };
	if (!members(v, f, s->ncolumns))
		return wrong(r, v, "a member is missing, unknown or doubled");
	row[0] = 1;
	for (size_t j = 0; j < s->ncolumns; j++)
		if (!read_value(&s->columns[j], row, table, f[j].v))
			return wrong(r, f[j].v, "a value that cannot be");
	why = s->fault(table, i);
	return why == NULL ? E_OK : wrong(r, v, why);
}

static enum err
read_section(const struct reading *r, const struct section *s, void *table,
    struct json list)
{
	struct json_iter it;
	struct json name, v;
	size_t i = 0;
	enum err e = E_OK;

	if (list.kind != JSON_ARRAY)
		return wrong(r, list, "not a list");
	json_iter(&it, list);
	while (e == E_OK && json_next(&it, &name, &v)) {
		if (i == s->rows)
			return wrong(r, v, "too many rows");
		e = read_row(r, s, table, i++, v);
	}
	return e;
}

static enum err
read_book(const struct reading *r, const struct book *k, void *table)
{
	struct json_field f[2 + SECTIONS_MAX] = { { .name = SL("version") },
		{ .name = k->head.name } };
	struct json root;
	uint64_t version;
	enum err e = E_OK;

	if (json_parse(r->text, 4, &root) != E_OK)
		return store_wrong(r->f, E_SYNTAX, store_line(r->text,
		    json_error_at(r->text, 4)), "not JSON");
	for (size_t i = 0; i < k->n; i++)
		f[2 + i] = (struct json_field){ .name = k->sections[i].name };
	if (!members(root, f, 2 + k->n))
		return wrong(r, root,
		    "a member is missing, unknown or doubled");
	if (json_u64(f[0].v, &version) != E_OK || version != 1)
		return wrong(r, f[0].v,
		    "\"version\" is not 1, the one this program knows");
	if (!read_value(&k->head, table, table, f[1].v))
		return wrong(r, f[1].v, "a value that cannot be");
	for (size_t i = 0; e == E_OK && i < k->n; i++)
		e = read_section(r, &k->sections[i], table, f[2 + i].v);
	return e;
}

enum err
book_load(const struct book *k, void *table, const struct store_io *io,
    struct buf *area, struct store_fault *f)
{
	struct reading r = { .f = f };
	enum err e;

	assert(area->cap >= STORE_FILE_MAX);
	*f = (struct store_fault){ .file = k->file };
	buf_reset(area);
	e = io->load(io->ctx, k->file, area);
	if (e == E_EOF)
		return E_OK;
	if (e != E_OK)
		return store_load_fault(f, e);
	r.text = buf_slice(area);
	return read_book(&r, k, table);
}
