/*
 * What stands in the tables: names and their rules, how rows are found, and the
 * description of each file by which book.c reads and writes it. A new column is
 * a row here and a member of its struct.
 */
#include "state/people.h"

#include "base/num.h"
#include "codec/frame.h"
#include "state/book.h"

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

bool
people_label_ok(struct slice s)
{
	return s.n > 0 && s.n <= LABEL_MAX && frame_user_valid(s);
}

bool
people_is_plain(uint8_t c)
{
	return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\' && c != '<';
}

uint8_t
people_plain(uint8_t *to, size_t max, struct slice s)
{
	size_t n = min_size(s.n, max);

	for (size_t i = 0; i < n; i++)
		to[i] = people_is_plain(s.p[i]) ? s.p[i] : '?';
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

/* ---- lists in JSON ------------------------ */

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
	if (!people_label_ok(row_text(row->name)))
		return "\"name\" is not 1 to 48 bytes of text";
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

/* ---- what others call ------------------------ */

enum err
people_load(struct people *p, const struct store_io *io, struct buf *area,
    struct store_fault *f)
{
	enum err e = book_load(&people_book, p, io, area, f);
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
	return book_load(&tokens_book, t, io, area, f);
}

enum err
sessions_load(struct sessions *s, const struct store_io *io, struct buf *area,
    struct store_fault *f)
{
	return book_load(&sessions_book, s, io, area, f);
}

bool
people_save(const struct people *p, const struct store_io *io,
    struct buf *area)
{
	return book_save(&people_book, p, io, area);
}

bool
tokens_save(const struct tokens *t, const struct store_io *io,
    struct buf *area)
{
	return book_save(&tokens_book, t, io, area);
}

bool
sessions_save(const struct sessions *s, const struct store_io *io,
    struct buf *area)
{
	return book_save(&sessions_book, s, io, area);
}

size_t
people_rows(enum people_list which)
{
	return sections[which].rows;
}

const void *
people_row(enum people_list which, const void *table, size_t i)
{
	const uint8_t *row = book_row(&sections[which], table, i);

	return row[0] == 0 ? NULL : row;
}

void
people_put_row(struct json_out *o, enum people_list which, const void *table,
    size_t i)
{
	book_put_row(o, &sections[which], table, i);
}
