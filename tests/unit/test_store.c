/*
 * Kept files: made once, read back, and never trusted blindly.
 */
#include "keeper_rig.h"

static struct rng rng;
static struct secret secret;
static struct store_jwt jwt;
static bool made;

static int
fresh(void **state)
{
	static const uint8_t seed[RNG_SEED_MIN] = { 7 };

	(void)state;
	disk_empty();
	memset(&secret, 0, sizeof secret);
	memset(&jwt, 0, sizeof jwt);
	rng_init(&rng, slice_of(seed, sizeof seed));
	return 0;
}

static enum err
load_jwt(void)
{
	return store_jwt_secret(&jwt, &disk_io, &rng, &made, &fault);
}

static enum err
load_token(bool make)
{
	made = make;
	return store_relay_token(&secret, &disk_io, &rng, &made, &fault);
}

static void
a_secret_is_made_once_and_kept(void **state)
{
	struct store_jwt first;

	(void)state;
	assert_int_equal(load_jwt(), E_OK);
	assert_true(made);
	assert_int_equal(jwt.now.n, 43);
	assert_int_equal(strlen(disk_text("jwt-secret")), 44);
	first = jwt;
	assert_int_equal(load_jwt(), E_OK);
	assert_false(made);
	assert_true(slice_eq(secret_bytes(&first.now),
	    secret_bytes(&jwt.now)));
	assert_int_equal(jwt.before.n, 0);
	assert_int_equal(disk.writes, 1);
}

static void
a_made_token_is_recognisable_and_made_only_where_wanted(void **state)
{
	(void)state;
	assert_int_equal(load_token(false), E_OK);
	assert_int_equal(secret.n, 0);
	assert_null(disk_text("relay-token"));
	assert_int_equal(load_token(true), E_OK);
	assert_true(made);
	assert_non_null(disk_text("relay-token"));
	assert_true(slice_starts(secret_bytes(&secret), SL("adit_")));
	assert_int_equal(secret.n, 48);
	assert_int_equal(load_token(false), E_OK);
	assert_int_equal(secret.n, 48);
	assert_false(made);
}

static void
a_secret_that_cannot_be_kept_is_not_used(void **state)
{
	(void)state;
	disk.fail_at = 1;
	assert_int_equal(load_jwt(), E_IO);
	assert_int_equal(jwt.now.n, 0);
	assert_string_equal(fault.why, "cannot be written");
	assert_int_equal(load_token(true), E_IO);
	assert_int_equal(secret.n, 0);
}

static void
a_rotated_secret_keeps_the_one_before(void **state)
{
	struct store_jwt first, second;

	(void)state;
	assert_int_equal(load_jwt(), E_OK);
	first = jwt;
	disk.fail_at = disk.writes + 1;
	assert_false(store_rotate_jwt(&jwt, &disk_io, &rng, NOW));
	assert_memory_equal(&jwt, &first, sizeof jwt);
	disk.fail_at = 0;
	assert_true(store_rotate_jwt(&jwt, &disk_io, &rng, NOW));
	assert_true(slice_eq(secret_bytes(&jwt.before),
	    secret_bytes(&first.now)));
	assert_false(slice_eq(secret_bytes(&jwt.now),
	    secret_bytes(&first.now)));
	second = jwt;
	assert_int_equal(load_jwt(), E_OK);
	assert_memory_equal(&jwt, &second, sizeof jwt);
	assert_int_equal(jwt.until_s, NOW);
}

static void
a_damaged_secret_stops_the_start(void **state)
{
#define BIRD "Zaunkoenig-am-Bach-mit-vielen-Federn"
	static const struct { struct slice text; enum err want; size_t line; }
	    t[] = {
		{ SL_INIT(BIRD), E_OK, 0 },
		{ SL_INIT(BIRD "\n"), E_OK, 0 },
		{ SL_INIT(BIRD "\nthe one before 1700000000\n"), E_OK, 0 },
		{ SL_INIT(BIRD "\n1700000000\n"), E_SYNTAX, 2 },
		{ SL_INIT(BIRD "\n 1700000000\n"), E_SYNTAX, 2 },
		{ SL_INIT(BIRD "\nbefore 17000x\n"), E_SYNTAX, 2 },
		{ SL_INIT(BIRD "\nbefore 1700000000\nx"), E_SYNTAX, 2 },
		{ SL_INIT(BIRD "\r\n"), E_SYNTAX, 1 },
		{ SL_INIT(BIRD "\nx"), E_SYNTAX, 2 },
		{ SL_INIT(BIRD "\n\n"), E_SYNTAX, 2 },
		{ SL_INIT(""), E_SYNTAX, 1 },
		{ SL_INIT("\n"), E_SYNTAX, 1 },
		{ SL_INIT("short\n"), E_SYNTAX, 1 },
		{ SL_INIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), E_SYNTAX, 1 },
	};
	static uint8_t long_one[2000];

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		disk_put(SL("jwt-secret"), t[i].text);
		if (load_jwt() != t[i].want || fault.line != t[i].line)
			fail_msg("%zu: line %zu", i, fault.line);
	}
	memset(long_one, 'x', sizeof long_one);
	disk_put(SL("relay-token"), slice_of(long_one, sizeof long_one));
	assert_int_equal(load_token(true), E_SYNTAX);
	disk_put(SL("relay-token"), SL("Zaun koenig am Bach"));
	assert_int_equal(load_token(true), E_SYNTAX);
	disk_put(SL("relay-token"), SL(BIRD "\nthe one before 1\n"));
	assert_int_equal(load_token(true), E_SYNTAX);
	assert_int_equal(disk.writes, 0);
}

/* ---- the tables ---- */

static uint8_t area[STORE_FILE_MAX];

/* Load one of the three files; what is wrong is in `fault`. */
static enum err
load_table(struct slice name, void *table)
{
	struct buf b = BUF_ON(area);

	memset(table, 0, slice_eq(name, SL("people.json")) ?
	    sizeof(struct people) : slice_eq(name, SL("tokens.json")) ?
	    sizeof(struct tokens) : sizeof(struct sessions));
	return slice_eq(name, SL("people.json")) ?
	    people_load(table, &disk_io, &b, &fault) :
	    slice_eq(name, SL("tokens.json")) ?
	    tokens_load(table, &disk_io, &b, &fault) :
	    sessions_load(table, &disk_io, &b, &fault);
}

static struct people people, people_again;
static struct tokens tokens, tokens_again;
static struct sessions sessions, sessions_again;

/* As full as they can be, with the longest texts. */
static void
fill(void)
{
	memset(&people, 0, sizeof people);
	memset(&tokens, 0, sizeof tokens);
	memset(&sessions, 0, sizeof sessions);
	people.next = tokens.next = ((uint64_t)1 << 53) - 1;
	for (unsigned i = 0; i < PEOPLE_MAX; i++) {
		struct person_row *r = &people.rows[i];

		*r = (struct person_row){ .role = ROLE_ADMIN, .serial =
		    people.next - 1 - i, .created_s = people.next,
		    .seen_s = people.next,
		    .hash = { .cost = { 15, 10, 10 } } };
		r->name.n = USER_MAX;
		memset(r->name.b, 'u', USER_MAX);
		r->name.b[0] = (uint8_t)('a' + i % 26);
		r->name.b[1] = (uint8_t)('a' + i / 26);
	}
	for (unsigned i = 0; i < INVITES_MAX; i++) {
		struct invite *r = &people.invites[i];

		*r = (struct invite){ .kind = INVITE_NEW, .role = ROLE_VIEWER,
		    .serial = people.next, .expires_s = people.next };
		r->by.n = USER_MAX;
		memset(r->by.b, 'b', USER_MAX);
	}
	for (unsigned i = 0; i < RULES_MAX; i++) {
		struct rule *r = &people.rules[i];

		memset(r->people, 0, sizeof r->people);
		r->people[i % 4] = UINT64_MAX;          /* 64 of them */
		r->app.n = APP_MAX;
		memset(r->app.b, 'x', APP_MAX);
		r->app.b[AGENT_MAX] = '/';
		r->app.b[0] = (uint8_t)('a' + i % 26);
		r->app.b[1] = (uint8_t)('a' + i / 26);
	}
	for (unsigned i = 0; i < TOKENS_MAX; i++) {
		struct token *r = &tokens.rows[i];

		*r = (struct token){ .kind = TOKEN_CHANNEL, .scopes = 15,
		    .number = tokens.next - 1 - i, .created_s = tokens.next,
		    .expires_s = tokens.next, .used_s = tokens.next };
		r->name.n = LABEL_MAX;
		memset(r->name.b, '<', LABEL_MAX);
		r->agent.n = AGENT_MAX;
		memset(r->agent.b, 'a', AGENT_MAX);
		r->by.n = USER_MAX;
		memset(r->by.b, 'b', USER_MAX);
	}
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct session_row *r = &sessions.rows[i];

		*r = (struct session_row){ .used = 1, .serial = people.next,
		    .since_s = people.next, .seen_s = people.next,
		    .expires_s = people.next };
		set_u32(r->jti, i);
		r->from.n = ASK_FROM_MAX;
		memset(r->from.b, 'f', ASK_FROM_MAX);
		r->device.n = ASK_DEVICE_MAX;
		memset(r->device.b, 'd', ASK_DEVICE_MAX);
	}
}

static void
full_tables_fit_their_files_and_come_back(void **state)
{
	struct buf b = BUF_ON(area);

	(void)state;
	fill();
	assert_true(people_save(&people, &disk_io, &b));
	assert_true(tokens_save(&tokens, &disk_io, &b));
	assert_true(sessions_save(&sessions, &disk_io, &b));
	assert_int_equal(load_table(SL("people.json"), &people_again), E_OK);
	assert_int_equal(load_table(SL("tokens.json"), &tokens_again), E_OK);
	assert_int_equal(load_table(SL("sessions.json"), &sessions_again),
	    E_OK);
	assert_memory_equal(&people_again, &people, sizeof people);
	assert_memory_equal(&tokens_again, &tokens, sizeof tokens);
	assert_memory_equal(&sessions_again, &sessions, sizeof sessions);
}

#define PERSON(user, role, id) "{\"user\":\"" user "\",\"role\":\"" role \
	"\",\"id\":" id ",\"created\":1,\"seen\":2,\"password\":" \
	"\"scrypt$15$8$3$AAAAAAAAAAAAAAAAAAAAAA" \
	"$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"
#define PEOPLE(rows, invites, rules) "{\"version\":1,\"next\":9," \
	"\"people\":[\n" rows "\n],\"invites\":[\n" invites \
	"\n],\"access\":[\n" rules "\n]}\n"
#define ANNA PERSON("anna", "admin", "1")
#define INVITE(kind, role) "{\"id\":\"AAAAAAAA\",\"kind\":\"" kind \
	"\",\"role\":\"" role "\",\"secret\":" \
	"\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"person\":0," \
	"\"expires\":5,\"by\":\"anna\"}"
#define TOKENROW(number) NAMED(number, "ci")
#define NAMED(number, name) "{\"id\":\"AAAAAAAA\",\"kind\":\"api\"," \
	"\"name\":\"" name "\",\"agent\":\"\",\"scopes\":[\"read\"],\"hash\":" \
	"\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"number\":" number \
	",\"created\":1,\"expires\":0,\"used\":0,\"by\":\"anna\"}"
#define SESSIONROW(jti) "{\"jti\":\"" jti "AAAAAAAAAAAAAAAAAAAA\"," \
	"\"person\":1,\"since\":1,\"seen\":1,\"expires\":2,\"from\":" \
	"\"::1\",\"device\":\"x\"}"

static const struct damaged {
	const char *file, *text;
	enum err want;
	size_t line;
} damaged[] = {
	{ "people.json", PEOPLE(ANNA, "", ""), E_OK, 0 },
	{ "people.json", PEOPLE(ANNA, INVITE("invite", "viewer"),
	    "{\"app\":\"mac/web\",\"people\":[\"anna\"]}"), E_OK, 0 },
	{ "people.json", PEOPLE("", "", ""), E_OK, 0 },
	{ "people.json", "", E_SYNTAX, 1 },
	{ "people.json", "{}", E_SYNTAX, 1 },
	{ "people.json", "[]", E_SYNTAX, 1 },
	{ "people.json", "{\"version\":1,\n\"next\":9,", E_SYNTAX, 2 },
	{ "people.json", "{\"version\":2,\"next\":9,\"people\":[],"
	    "\"invites\":[],\"access\":[]}", E_SYNTAX, 1 },
	{ "people.json", "{\"version\":1,\"next\":9,\"people\":[],"
	    "\"invites\":[],\"access\":[],\n\"x\":1}", E_SYNTAX, 1 },
	{ "people.json", "{\"version\":1,\"next\":9,\n\"people\":{},"
	    "\"invites\":[],\"access\":[]}", E_SYNTAX, 2 },
	{ "people.json", PEOPLE(ANNA ",\n" PERSON("anna", "viewer", "2"), "",
	    ""), E_SYNTAX, 3 },
	{ "people.json", PEOPLE(ANNA ",\n" PERSON("ben", "viewer", "1"), "",
	    ""), E_SYNTAX, 3 },
	{ "people.json", PEOPLE(ANNA ",\n" PERSON("ben", "boss", "2"), "",
	    ""), E_SYNTAX, 3 },
	{ "people.json", PEOPLE(ANNA ",\n" PERSON("ben", "", "2"), "", ""),
	    E_SYNTAX, 3 },
	{ "people.json", PEOPLE(ANNA ",\n" PERSON("Ben", "viewer", "2"), "",
	    ""), E_SYNTAX, 3 },
	{ "people.json", PEOPLE(ANNA ",\n" PERSON("shared", "viewer", "2"),
	    "", ""), E_SYNTAX, 3 },
	{ "people.json", PEOPLE(ANNA ",\n" PERSON("ben", "viewer", "9"), "",
	    ""), E_SYNTAX, 3 },
	{ "people.json", PEOPLE(ANNA ",\n" PERSON("ben", "viewer", "0"), "",
	    ""), E_SYNTAX, 3 },
	{ "people.json", PEOPLE(ANNA ",\n7", "", ""), E_SYNTAX, 3 },
	{ "people.json", PEOPLE(ANNA ",\n{\"user\":\"ben\"}", "", ""),
	    E_SYNTAX, 3 },
	/* no admin: damaged, and never a reason to start afresh */
	{ "people.json", PEOPLE(PERSON("ben", "member", "1"), "", ""),
	    E_SYNTAX, 0 },
	{ "people.json", PEOPLE(ANNA, INVITE("invite", ""), ""), E_SYNTAX,
	    4 },
	{ "people.json", PEOPLE(ANNA, INVITE("reset", "viewer"), ""),
	    E_SYNTAX, 4 },
	{ "people.json", PEOPLE(ANNA, INVITE("", ""), ""), E_SYNTAX, 4 },
	{ "people.json", PEOPLE(ANNA, "",
	    "{\"app\":\"mac/web\",\"people\":[\"ben\"]}"), E_SYNTAX, 6 },
	{ "people.json", PEOPLE(ANNA, "", "{\"app\":\"mac\",\"people\":[]}"),
	    E_SYNTAX, 6 },
	{ "people.json", PEOPLE(ANNA, "", "{\"app\":\"m/w\",\"people\":[]},"
	    "\n{\"app\":\"m/w\",\"people\":[]}"), E_SYNTAX, 7 },
	{ "tokens.json", "{\"version\":1,\"next\":17,\"tokens\":[\n"
	    TOKENROW("16") "]}", E_OK, 0 },
	{ "tokens.json", "{\"version\":1,\"next\":17,\"tokens\":[\n"
	    TOKENROW("17") "]}", E_SYNTAX, 2 },
	{ "tokens.json", "{\"version\":1,\"next\":18,\"tokens\":[\n"
	    TOKENROW("16") ",\n" TOKENROW("16") "]}", E_SYNTAX, 3 },
	{ "tokens.json", "{\"version\":1,\"next\":17,\"tokens\":[\n"
	    NAMED("16", "\\u00e9\xc3\xa9 x") "]}", E_OK, 0 },
	{ "tokens.json", "{\"version\":1,\"next\":17,\"tokens\":[\n"
	    NAMED("16", "") "]}", E_SYNTAX, 2 },
	{ "tokens.json", "{\"version\":1,\"next\":17,\"tokens\":[\n"
	    NAMED("16", "x\\r\\nX-Admin: 1") "]}", E_SYNTAX, 2 },
	{ "tokens.json", "{\"version\":1,\"next\":17,\"tokens\":[\n"
	    NAMED("16", "\\u0085") "]}", E_SYNTAX, 2 },
	{ "tokens.json", "{\"version\":1,\"next\":-1,\"tokens\":[]}",
	    E_SYNTAX, 1 },
	{ "sessions.json", "{\"version\":1,\"gen\":\"AAAAAAAAAAAAAAAA\","
	    "\"sessions\":[\n" SESSIONROW("AA") ",\n" SESSIONROW("BB") "]}",
	    E_OK, 0 },
	{ "sessions.json", "{\"version\":1,\"gen\":\"AAAAAAAAAAAAAAAA\","
	    "\"sessions\":[\n" SESSIONROW("AA") ",\n" SESSIONROW("AA") "]}",
	    E_SYNTAX, 3 },
	{ "sessions.json", "{\"version\":1,\"gen\":\"AAAAAAAAAAAAAAAA\","
	    "\"sessions\":[\n" SESSIONROW("A") "]}", E_SYNTAX, 2 },
	{ "sessions.json", "{\"version\":1,\"gen\":\"AAAA\","
	    "\"sessions\":[]}", E_SYNTAX, 1 },
};

static void
a_damaged_table_is_refused_with_its_line(void **state)
{
	static union state_copy table;

	(void)state;
	for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
		const struct damaged *d = &damaged[i];

		disk_put(str(d->file), str(d->text));
		fault.line = 0;
		if (load_table(str(d->file), &table) != d->want ||
		    fault.line != d->line)
			fail_msg("%s: line %zu, %s\n%s", d->file, fault.line,
			    fault.why, d->text);
		assert_true(slice_eq(fault.file, str(d->file)));
	}
	assert_int_equal(disk.writes, 0);
}

/* No half of a file is ever taken for one. */
static void
a_table_cut_anywhere_is_refused(void **state)
{
	static union state_copy table;
	struct slice whole = SL(PEOPLE(ANNA, INVITE("invite", "viewer"),
	    "{\"app\":\"mac/web\",\"people\":[\"anna\"]}"));

	(void)state;
	for (size_t n = 0; n + 1 < whole.n; n++) {
		disk_put(SL("people.json"), slice_head(whole, n));
		assert_int_equal(load_table(SL("people.json"), &table),
		    E_SYNTAX);
	}
}

static void
one_row_too_many_is_refused(void **state)
{
	static union state_copy table;
	static uint8_t text_area[STORE_FILE_MAX + 1];
	struct buf b = BUF_ON(area), more = BUF_ON(text_area);

	(void)state;
	fill();
	assert_true(sessions_save(&sessions, &disk_io, &b));
	buf_put(&more, slice_head(buf_slice(&b), b.n - 4));
	buf_lit(&more, ",\n" SESSIONROW("zz") "\n]}\n");
	assert_true(buf_ok(&more));
	disk_put(SL("sessions.json"), buf_slice(&more));
	assert_int_equal(load_table(SL("sessions.json"), &table), E_SYNTAX);
	assert_int_equal(fault.line, SESSIONS_MAX + 2);
	more.n = sizeof text_area;
	disk_put(SL("sessions.json"), buf_slice(&more));
	assert_int_equal(load_table(SL("sessions.json"), &table), E_SYNTAX);
	assert_string_equal(fault.why, "larger than it can be");
}

/* ---- the audit log ---- */

static struct audit audit;

static enum err
open_log(void)
{
	struct buf b = BUF_ON(area);

	return audit_load(&audit, &disk_io, &b, &cut, &fault);
}

static bool
put_entry(const char *what, const char *on)
{
	struct buf b = BUF_ON(area);
	struct audit_entry e = { .t = NOW, .who = SL("anna"),
		.from = SL("::1"), .what = str(what), .on = str(on) };

	return audit_put(&audit, &disk_io, &b, &e);
}

/* The rows older than `before` in *text. */
static uint8_t rows_area[4096];
static uint64_t
read_rows(uint64_t before, size_t room)
{
	struct buf b = BUF_ON(area), text = BUF_ON(rows_area);
	struct json_out o = json_out_on(&text);

	memset(rows_area, 0, sizeof rows_area);
	json_array(&o);
	before = audit_rows(&disk_io, &b, before, &o, room);
	json_array_end(&o);
	assert_true(buf_ok(&text));
	return before;
}

static void
an_entry_is_a_line_with_its_checksum(void **state)
{
	(void)state;
	assert_int_equal(open_log(), E_OK);
	assert_true(put_entry("people.remove", "ben"));
	assert_string_equal(disk_text("audit.log"),
	    "{\"n\":1,\"t\":1700000000,\"who\":\"anna\",\"from\":\"::1\","
	    "\"what\":\"people.remove\",\"on\":\"ben\"} e02060662cd69594\n");
	assert_int_equal(read_rows(0, 0), 0);
	assert_string_equal((char *)rows_area,
	    "[{\"n\":1,\"t\":1700000000,\"who\":\"anna\",\"from\":"
	    "\"::1\",\"what\":\"people.remove\",\"on\":\"ben\"}]");
}

static void
a_torn_last_line_is_cut_wherever_it_tore(void **state)
{
	char whole[600];
	size_t n, first;

	(void)state;
	assert_int_equal(open_log(), E_OK);
	assert_true(put_entry("one", ""));
	first = strlen(disk_text("audit.log"));
	assert_true(put_entry("two", ""));
	n = strlen(disk_text("audit.log"));
	memcpy(whole, disk_text("audit.log"), n + 1);
	for (size_t at = first; at <= n; at++) {
		disk_put(SL("audit.log"), slice_of(whole, at));
		assert_int_equal(open_log(), E_OK);
		assert_int_equal(cut, at == n ? 0 : at - first);
		assert_int_equal(audit.next, at == n ? 3 : 2);
		assert_true(put_entry("three", ""));
		assert_int_equal(open_log(), E_OK);
		assert_int_equal(cut, 0);
	}
	/* A line that is no crash's, but damaged. */
	whole[first + 20] ^= 1;
	disk_put(SL("audit.log"), slice_of(whole, n));
	assert_int_equal(open_log(), E_SYNTAX);
	assert_int_equal(fault.line, 2);
	/* A hole or a tail of zeros, as some file systems leave them. */
	memset(whole + first + 10, 0, 30);
	disk_put(SL("audit.log"), slice_of(whole, n));
	assert_int_equal(open_log(), E_OK);
	assert_int_equal(cut, n - first);
	memset(whole + first, 0, 40);
	disk_put(SL("audit.log"), slice_of(whole, first + 40));
	assert_int_equal(open_log(), E_OK);
	assert_int_equal(cut, 40);
}

static void
a_torn_line_on_a_full_disk_is_cut_later(void **state)
{
	size_t n;

	(void)state;
	assert_int_equal(open_log(), E_OK);
	assert_true(put_entry("one", ""));
	n = strlen(disk_text("audit.log"));
	disk_add(SL("audit.log"), SL("{\"n\":2,\"t\":1"));
	disk.fail_at = disk.writes + 1;
	assert_int_equal(open_log(), E_OK);
	assert_int_equal(cut, 12);
	assert_false(put_entry("lost", ""));
	disk.fail_at = 0;
	assert_true(put_entry("two", ""));
	assert_non_null(strstr(disk_text("audit.log") + n, "{\"n\":2,"));
	assert_int_equal(open_log(), E_OK);
	assert_int_equal(cut, 0);
	assert_int_equal(audit.next, 3);
}

/* Who wrote it may have been killed before it was. */
static void
what_was_read_of_the_log_is_made_durable(void **state)
{
	unsigned writes;

	(void)state;
	assert_int_equal(open_log(), E_OK);
	assert_int_equal(disk.writes, 0);
	assert_true(put_entry("one", ""));
	writes = disk.writes;
	assert_int_equal(open_log(), E_OK);
	assert_int_equal(disk.writes, writes + 1);
}

static void
a_log_damaged_before_its_end_is_refused(void **state)
{
	static uint8_t whole[2000];
	size_t n, lines[4] = { 0 };

	(void)state;
	assert_int_equal(open_log(), E_OK);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(put_entry("entry", "x"));
		lines[i + 1] = strlen(disk_text("audit.log"));
	}
	n = lines[3];
	memcpy(whole, disk_text("audit.log"), n);
	for (size_t i = 0; i < lines[2]; i++) {
		whole[i] ^= 1;
		disk_put(SL("audit.log"), slice_of(whole, n));
		assert_int_equal(open_log(), E_SYNTAX);
		assert_true(fault.line == 1 + (i >= lines[1]));
		whole[i] ^= 1;
	}
	/* A line that is missing is noticed by the numbers. */
	memmove(whole + lines[1], whole + lines[2], n - lines[2]);
	disk_put(SL("audit.log"), slice_of(whole, n - lines[2] + lines[1]));
	assert_int_equal(open_log(), E_SYNTAX);
	assert_int_equal(fault.line, 2);
}

static void
a_failed_append_leaves_nothing_behind(void **state)
{
	(void)state;
	assert_int_equal(open_log(), E_OK);
	for (size_t torn = 0; torn < 60; torn++) {
		size_t n = audit.bytes;

		disk.torn = torn;
		disk.fail_at = disk.writes + 1;
		assert_false(put_entry("lost", ""));
		assert_false(put_entry("lost as well", ""));
		disk.fail_at = 0;
		assert_true(put_entry("kept", ""));
		assert_true(audit.bytes > n);
		assert_int_equal(open_log(), E_OK);
		assert_int_equal(cut, 0);
		assert_int_equal(audit.next, torn + 2);
	}
	assert_null(strstr(disk_text("audit.log"), "lost"));
}

static void
the_log_is_rotated_by_size_and_bounded(void **state)
{
	uint64_t last = 0, before = 0, seen = 0;
	static char on[200];

	(void)state;
	memset(on, 'x', sizeof on - 1);
	assert_int_equal(open_log(), E_OK);
	while (audit.next < 12000)
		assert_true(put_entry("entry", on));
	assert_null(disk_text("audit.log.4"));
	for (unsigned i = 0; i < AUDIT_FILES; i++) {
		char name[16] = "audit.log";

		if (i > 0)
			snprintf(name, sizeof name, "audit.log.%u", i);
		assert_non_null(disk_text(name));
		assert_true(strlen(disk_text(name)) <= AUDIT_BYTES);
	}
	/* Page by page to the oldest, without a gap. */
	do {
		const char *at = (const char *)rows_area;

		before = read_rows(before, 64);
		while ((at = strstr(at, "{\"n\":")) != NULL) {
			uint64_t n = strtoull(at + 5, NULL, 10);

			assert_true(last == 0 || n == last - 1);
			last = n;
			seen++;
			at += 5;
		}
	} while (before != 0);
	assert_true(seen > 3 * AUDIT_BYTES / 200);
	/* The count goes on although the file is new. */
	disk_drop(SL("audit.log"));
	last = audit.next;
	assert_true(strstr(disk_text("audit.log.1"), "\"n\"") != NULL);
	assert_int_equal(open_log(), E_OK);
	assert_true(audit.next > 1 && audit.next < last);
}

static void
a_rotation_that_fails_refuses_the_entry(void **state)
{
	static char on[200];

	(void)state;
	memset(on, 'x', sizeof on - 1);
	assert_int_equal(open_log(), E_OK);
	while (disk_text("audit.log.1") == NULL) {
		disk.fail_at = disk.writes + 2;
		if (!put_entry("entry", on))
			break;
	}
	assert_non_null(disk_text("audit.log.1"));
	assert_int_equal(open_log(), E_OK);
	disk.fail_at = 0;
	assert_true(put_entry("entry", on));
	assert_int_equal(open_log(), E_OK);
}

static void
lines_are_counted_from_one(void **state)
{
	(void)state;
	assert_int_equal(store_line(SL("a\nb\n"), 0), 1);
	assert_int_equal(store_line(SL("a\nb\n"), 2), 2);
	assert_int_equal(store_line(SL("a\nb\n"), 99), 3);
	assert_int_equal(store_line(SL(""), 5), 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, fresh)
	const struct CMUnitTest tests[] = {
		T(a_secret_is_made_once_and_kept),
		T(a_made_token_is_recognisable_and_made_only_where_wanted),
		T(a_secret_that_cannot_be_kept_is_not_used),
		T(a_rotated_secret_keeps_the_one_before),
		T(a_damaged_secret_stops_the_start),
		T(full_tables_fit_their_files_and_come_back),
		T(a_damaged_table_is_refused_with_its_line),
		T(a_table_cut_anywhere_is_refused),
		T(one_row_too_many_is_refused),
		T(an_entry_is_a_line_with_its_checksum),
		T(a_torn_last_line_is_cut_wherever_it_tore),
		T(a_torn_line_on_a_full_disk_is_cut_later),
		T(what_was_read_of_the_log_is_made_durable),
		T(a_log_damaged_before_its_end_is_refused),
		T(a_failed_append_leaves_nothing_behind),
		T(the_log_is_rotated_by_size_and_bounded),
		T(a_rotation_that_fails_refuses_the_entry),
		T(lines_are_counted_from_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
