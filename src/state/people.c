/*
 * One description of each table serves its reader, its writer and the lists
 * that people see: a column has a name, a kind and a place in the row. A row is
 * in use if its first byte is not zero.
 *
 * JSON rather than a format of our own, because people look into these files
 * and mend them; one row a line, so that an error has a line that helps.
 */
#include "state/people.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"

enum kind {
	C_TEXT,         /* ROW_TEXT(size) */
	C_PLAIN,        /* the same, of visible ASCII */
	C_TIME,         /* uint64_t below 2^53 */
	C_WORD,         /* uint8_t: index of one of `size` names */
	C_SCOPES,       /* uint8_t: bits of an array of names */
	C_BYTES,        /* size bytes, base64url */
	C_HASH,         /* struct scrypt_hash */
	C_NAMES,        /* bits of people, an array of their names */
	C_HIDDEN = 64,  /* not in lists */
};

struct column {
	struct slice name;
	uint8_t kind;
	uint8_t size;
	uint16_t at;                    /* offset in the row */
	const struct slice *words;
};

struct section {
	struct slice name;
	const struct column *columns;
	uint8_t ncolumns;
	uint16_t row_bytes, rows;
	uint32_t at;                    /* offset in the table */
	/* What is wrong with row i, which is the last one so far. */
	const char *(*fault)(const void *table, size_t i);
};

struct book {
	struct slice file;
	struct column head;
	const struct section *sections;
	size_t n;
};

enum { COLUMNS_MAX = 12 };

#define SAME4(a, b) _Static_assert((int)(a) == (int)(b), "words follow enums")
SAME4(ROLE_ADMIN, 3);
SAME4(TOKEN_CHANNEL, 3);
SAME4(INVITE_RESET, 2);
SAME4(SCOPE_ADMIN, 1 << 3);
const struct slice people_roles[ROLES] = { SL_INIT(""), SL_INIT("viewer"),
	SL_INIT("member"), SL_INIT("admin") };
const struct slice people_token_kinds[TOKEN_KINDS] = { SL_INIT(""),
	SL_INIT("agent"), SL_INIT("api"), SL_INIT("channel") };
const struct slice people_invite_kinds[INVITE_KINDS] = { SL_INIT(""),
	SL_INIT("invite"), SL_INIT("reset") };
const struct slice people_scopes[SCOPES] = { SL_INIT("read"),
	SL_INIT("metrics"), SL_INIT("apps"), SL_INIT("admin") };

/* ---- names ------------------------ */

static bool
name_ok(struct slice s, size_t max, struct slice inner)
{
	if (s.n == 0 || s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool edge = i == 0 || i == s.n - 1;

		if (!(c >= 'a' && c <= 'z') && !ascii_digit(c) &&
		    (edge || slice_find(inner, c) == inner.n))
			return false;
	}
	return true;
}

bool
people_user_ok(struct slice s)
{
	/* Words that the audit log has other uses for. */
	return name_ok(s, USER_MAX, SL("._-")) && !slice_eq(s, SL("shared")) &&
	    !slice_eq(s, SL("console"));
}

bool
people_agent_ok(struct slice s)
{
	for (size_t i = 1; i < s.n; i++)
		if (s.p[i] == '-' && s.p[i - 1] == '-')
			return false;
	return name_ok(s, AGENT_MAX, SL("-"));
}

bool
people_app_ok(struct slice s)
{
	struct slice agent = slice_cut(&s, '/');

	return people_agent_ok(agent) && people_agent_ok(s);
}

static bool
plain(uint8_t c)
{
	return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\' && c != '<';
}

uint8_t
people_plain(uint8_t *to, size_t max, struct slice s)
{
	size_t n = min_size(s.n, max);

	for (size_t i = 0; i < n; i++)
		to[i] = plain(s.p[i]) ? s.p[i] : '?';
	return to_u8(n);
}

unsigned
people_word(const struct slice *names, size_t n, struct slice s)
{
	for (unsigned i = 1; i < n; i++)
		if (slice_eq(names[i], s))
			return i;
	return 0;
}

struct person_row *
people_find(struct people *p, struct slice name)
{
	for (size_t i = 0; i < PEOPLE_MAX; i++)
		if (p->rows[i].role != ROLE_NONE &&
		    slice_eq(row_text(p->rows[i].name), name))
			return &p->rows[i];
	return NULL;
}

struct person_row *
people_by_serial(struct people *p, uint64_t serial)
{
	for (size_t i = 0; i < PEOPLE_MAX; i++)
		if (p->rows[i].role != ROLE_NONE &&
		    p->rows[i].serial == serial)
			return &p->rows[i];
	return NULL;
}

/* ---- what may stand in a row ------------------------ */

static const char *
person_fault(const void *table, size_t i)
{
	const struct people *p = table;
	const struct person_row *row = &p->rows[i];

	if (row->role == ROLE_NONE || !people_user_ok(row_text(row->name)))
		return "no user name or role";
	if (row->serial == SERIAL_SHARED || row->serial >= p->next)
		return "\"id\" is not below \"next\"";
	for (size_t j = 0; j < i; j++)
		if (p->rows[j].serial == row->serial ||
		    slice_eq(row_text(p->rows[j].name), row_text(row->name)))
			return "given twice";
	return NULL;
}

static const char *
invite_fault(const void *table, size_t i)
{
	const struct invite *row = &((const struct people *)table)->invites[i];

	return row->kind == INVITE_NONE || (row->kind == INVITE_NEW) !=
	    (row->role != ROLE_NONE) ? "no invitation and no reset" : NULL;
}

static const char *
rule_fault(const void *table, size_t i)
{
	const struct people *p = table;

	if (!people_app_ok(row_text(p->rules[i].app)))
		return "\"app\" is not AGENT/APP";
	for (size_t j = 0; j < i; j++)
		if (slice_eq(row_text(p->rules[j].app),
		    row_text(p->rules[i].app)))
			return "given twice";
	return NULL;
}

static const char *
token_fault(const void *table, size_t i)
{
	const struct tokens *t = table;
	const struct token *row = &t->rows[i];

	if (row->kind == TOKEN_NONE || (row->agent.n > 0 &&
	    !people_agent_ok(row_text(row->agent))))
		return "no kind of token, or no name of an agent";
	if (row->number == 0 || row->number >= t->next)
		return "\"number\" is not below \"next\"";
	for (size_t j = 0; j < i; j++)
		if (t->rows[j].number == row->number)
			return "given twice";
	return NULL;
}

static const char *
session_fault(const void *table, size_t i)
{
	const struct sessions *s = table;

	for (size_t j = 0; j < i; j++)
		if (memcmp(s->rows[j].jti, s->rows[i].jti, JTI_BYTES) == 0)
			return "given twice";
	return NULL;
}

/* ---- the tables ------------------------ */

#define AT(type, field) (uint16_t)offsetof(struct type, field)
#define COL(name, kind, type, field) \
	{ SL_INIT(name), (kind), 0, AT(type, field), NULL }
#define COL_TEXT(name, kind, type, field) \
	{ SL_INIT(name), (kind), sizeof ((struct type *)0)->field.b, \
	    AT(type, field), NULL }
#define COL_BYTES(name, kind, type, field) \
	{ SL_INIT(name), (kind), sizeof ((struct type *)0)->field, \
	    AT(type, field), NULL }
#define COL_WORD(name, words, type, field) \
	{ SL_INIT(name), C_WORD, sizeof words / sizeof words[0], \
	    AT(type, field), words }

static const struct column person_columns[] = {
	COL_TEXT("user", C_PLAIN, person_row, name),
	COL_WORD("role", people_roles, person_row, role),
	COL("id", C_TIME | C_HIDDEN, person_row, serial),
	COL("created", C_TIME, person_row, created_s),
	COL("seen", C_TIME, person_row, seen_s),
	COL("password", C_HASH | C_HIDDEN, person_row, hash),
};
static const struct column invite_columns[] = {
	COL_BYTES("id", C_BYTES, invite, id),
	COL_WORD("kind", people_invite_kinds, invite, kind),
	COL_WORD("role", people_roles, invite, role),
	COL_BYTES("secret", C_BYTES | C_HIDDEN, invite, secret),
	COL("person", C_TIME | C_HIDDEN, invite, serial),
	COL("expires", C_TIME, invite, expires_s),
	COL_TEXT("by", C_PLAIN, invite, by),
};
static const struct column rule_columns[] = {
	COL_TEXT("app", C_PLAIN, rule, app),
	COL("people", C_NAMES, rule, people),
};
static const struct column token_columns[] = {
	COL_BYTES("id", C_BYTES, token, id),
	COL_WORD("kind", people_token_kinds, token, kind),
	COL_TEXT("name", C_TEXT, token, name),
	COL_TEXT("agent", C_PLAIN, token, agent),
	COL("scopes", C_SCOPES, token, scopes),
	COL_BYTES("hash", C_BYTES | C_HIDDEN, token, hash),
	COL("number", C_TIME | C_HIDDEN, token, number),
	COL("created", C_TIME, token, created_s),
	COL("expires", C_TIME, token, expires_s),
	COL("used", C_TIME, token, used_s),
	COL_TEXT("by", C_PLAIN, token, by),
};
static const struct column session_columns[] = {
	COL_BYTES("jti", C_BYTES | C_HIDDEN, session_row, jti),
	COL("person", C_TIME | C_HIDDEN, session_row, serial),
	COL("since", C_TIME, session_row, since_s),
	COL("seen", C_TIME, session_row, seen_s),
	COL("expires", C_TIME, session_row, expires_s),
	COL_TEXT("from", C_PLAIN, session_row, from),
	COL_TEXT("device", C_PLAIN, session_row, device),
};

#define SECTION(name, columns, type, table, field, fault) \
	{ SL_INIT(name), columns, sizeof columns / sizeof columns[0], \
	    sizeof(struct type), sizeof ((struct table *)0)->field / \
	    sizeof(struct type), offsetof(struct table, field), fault }

/* By enum people_list. */
static const struct section sections[] = {
	SECTION("people", person_columns, person_row, people, rows,
	    person_fault),
	SECTION("invites", invite_columns, invite, people, invites,
	    invite_fault),
	SECTION("access", rule_columns, rule, people, rules, rule_fault),
	SECTION("tokens", token_columns, token, tokens, rows, token_fault),
	SECTION("sessions", session_columns, session_row, sessions, rows,
	    session_fault),
};

static const struct book people_book = { SL_INIT("people.json"),
	COL("next", C_TIME, people, next),
	&sections[LIST_PEOPLE], 3 };
static const struct book tokens_book = { SL_INIT("tokens.json"),
	COL("next", C_TIME, tokens, next),
	&sections[LIST_TOKENS], 1 };
static const struct book sessions_book = { SL_INIT("sessions.json"),
	COL_BYTES("gen", C_BYTES, sessions, gen),
	&sections[LIST_SESSIONS], 1 };

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

static const uint8_t *
row_at(const struct section *s, const void *table, size_t i)
{
	return (const uint8_t *)table + s->at + i * s->row_bytes;
}

static void
put_section(struct buf *b, const struct section *s, const void *table)
{
	bool first = true;

	buf_lit(b, ",\"");
	buf_put(b, s->name);
	buf_lit(b, "\":[\n");
	for (size_t i = 0; i < s->rows; i++) {
		const uint8_t *row = row_at(s, table, i);
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

static bool
save_book(const struct book *k, const void *table, const struct store_io *io,
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

bool
people_scopes_read(uint8_t *bits, struct json v)
{
	struct json_iter it;
	struct json name, e;

	*bits = 0;
	if (v.kind != JSON_ARRAY)
		return false;
	json_iter(&it, v);
	while (json_next(&it, &name, &e)) {
		size_t i = 0;

		while (i < SCOPES && !json_is(e, people_scopes[i]))
			i++;
		if (i == SCOPES || (*bits >> i & 1) != 0)
			return false;
		*bits |= (uint8_t)(1 << i);
	}
	return true;
}

bool
people_names_read(uint64_t bits[PEOPLE_MAX / 64], const struct people *p,
    struct json v)
{
	struct json_iter it;
	struct json name, e;
	size_t n = 0;

	memset(bits, 0, PEOPLE_MAX / 8);
	if (v.kind != JSON_ARRAY)
		return false;
	json_iter(&it, v);
	while (json_next(&it, &name, &e)) {
		size_t i = 0;

		while (i < PEOPLE_MAX && (p->rows[i].role == ROLE_NONE ||
		    !json_is(e, row_text(p->rows[i].name))))
			i++;
		if (i == PEOPLE_MAX || ++n > RULE_PEOPLE_MAX)
			return false;
		bits[i / 64] |= (uint64_t)1 << i % 64;
	}
	return true;
}

static bool
read_text(uint8_t *p, size_t max, bool is_plain, struct json v)
{
	struct buf b = buf_of(p + 1, max);

	if (json_string(v, &b) != E_OK)
		return false;
	p[0] = to_u8(b.n);
	for (size_t i = 0; i < b.n; i++)
		if (is_plain && !plain(b.p[i]))
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
	struct json_field f[5] = { { .name = SL("version") },
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

static enum err
load_book(const struct book *k, void *table, const struct store_io *io,
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

/* ---- what others call ------------------------ */

enum err
people_load(struct people *p, const struct store_io *io, struct buf *area,
    struct store_fault *f)
{
	enum err e = load_book(&people_book, p, io, area, f);
	bool any = false, admin = false;

	for (size_t i = 0; i < PEOPLE_MAX; i++) {
		any = any || p->rows[i].role != ROLE_NONE;
		admin = admin || p->rows[i].role == ROLE_ADMIN;
	}
	if (e == E_OK && any && !admin)
		return store_wrong(f, E_SYNTAX, 0, "there is no admin");
	return e;
}

enum err
tokens_load(struct tokens *t, const struct store_io *io, struct buf *area,
    struct store_fault *f)
{
	return load_book(&tokens_book, t, io, area, f);
}

enum err
sessions_load(struct sessions *s, const struct store_io *io, struct buf *area,
    struct store_fault *f)
{
	return load_book(&sessions_book, s, io, area, f);
}

bool
people_save(const struct people *p, const struct store_io *io,
    struct buf *area)
{
	return save_book(&people_book, p, io, area);
}

bool
tokens_save(const struct tokens *t, const struct store_io *io,
    struct buf *area)
{
	return save_book(&tokens_book, t, io, area);
}

bool
sessions_save(const struct sessions *s, const struct store_io *io,
    struct buf *area)
{
	return save_book(&sessions_book, s, io, area);
}

size_t
people_rows(enum people_list which)
{
	return sections[which].rows;
}

const void *
people_row(enum people_list which, const void *table, size_t i)
{
	const uint8_t *row = row_at(&sections[which], table, i);

	return row[0] == 0 ? NULL : row;
}

void
people_put_row(struct json_out *o, enum people_list which, const void *table,
    size_t i)
{
	const struct section *s = &sections[which];

	for (size_t j = 0; j < s->ncolumns; j++)
		if ((s->columns[j].kind & C_HIDDEN) == 0)
			put_value(o, &s->columns[j], row_at(s, table, i),
			    table);
}
