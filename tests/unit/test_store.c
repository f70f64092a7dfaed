/*
 * Kept files: made once, read back, and never trusted blindly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "guard.h"
#include "state/store.h"

enum { NOW = 1700000000 };

/* One file. */
static struct {
	bool exists, unreadable, full;
	uint8_t area[STORE_FILE_MAX];
	size_t n;
	char name[32];
	unsigned saves;
} disk;

static enum err
disk_load(void *ctx, struct slice name, struct buf *into)
{
	(void)ctx;
	memcpy(disk.name, name.p, name.n);
	disk.name[name.n] = '\0';
	if (disk.unreadable)
		return E_IO;
	if (!disk.exists)
		return E_EOF;
	return buf_put(into, slice_of(disk.area, disk.n)) ? E_OK : E_FULL;
}

static bool
disk_save(void *ctx, struct slice name, struct slice content)
{
	(void)ctx;
	assert_true(slice_eq(name, slice_of(disk.name, strlen(disk.name))));
	if (disk.full)
		return false;
	memcpy(disk.area, content.p, content.n);
	disk.n = content.n;
	disk.exists = true;
	disk.saves++;
	return true;
}

static const struct store_io io = { disk_load, disk_save, NULL };
static struct rng rng;
static struct secret secret;
static struct store_fault fault;
static struct revoked revoked;
static uint8_t area[STORE_FILE_MAX];
static bool made;

static int
fresh(void **state)
{
	static const uint8_t seed[RNG_SEED_MIN] = { 7 };

	(void)state;
	memset(&disk, 0, sizeof disk);
	memset(&secret, 0, sizeof secret);
	rng_init(&rng, slice_of(seed, sizeof seed));
	return 0;
}

static void
put_file(struct slice s)
{
	if (s.n > 0)
		memcpy(disk.area, s.p, s.n);
	disk.n = s.n;
	disk.exists = true;
}

static enum err
load_revoked(void)
{
	struct buf b = BUF_ON(area);

	return store_revoked(&revoked, &io, &b, &fault);
}

static void
a_secret_is_made_once_and_kept(void **state)
{
	struct secret first;

	(void)state;
	assert_int_equal(store_jwt_secret(&secret, &io, &rng, &made, &fault),
	    E_OK);
	assert_true(made);
	assert_int_equal(secret.n, 43);
	assert_string_equal(disk.name, "jwt-secret");
	assert_int_equal(disk.area[disk.n - 1], '\n');
	first = secret;
	assert_int_equal(store_jwt_secret(&secret, &io, &rng, &made, &fault),
	    E_OK);
	assert_false(made);
	assert_true(secret_eq(&first, secret_bytes(&secret)));
	assert_int_equal(disk.saves, 1);
}

static void
a_made_token_is_recognisable(void **state)
{
	(void)state;
	assert_int_equal(store_relay_token(&secret, &io, &rng, &made, &fault),
	    E_OK);
	assert_string_equal(disk.name, "relay-token");
	assert_true(slice_starts(secret_bytes(&secret), SL("adit_")));
	assert_int_equal(secret.n, 48);
}

static void
a_secret_that_cannot_be_kept_is_not_used(void **state)
{
	(void)state;
	disk.full = true;
	assert_int_equal(store_jwt_secret(&secret, &io, &rng, &made, &fault),
	    E_IO);
	assert_int_equal(secret.n, 0);
	assert_string_equal(fault.why, "cannot be written");
	disk.full = false;
	disk.unreadable = true;
	assert_int_equal(store_jwt_secret(&secret, &io, &rng, &made, &fault),
	    E_IO);
	assert_int_equal(disk.saves, 0);
}

static void
a_damaged_secret_stops_the_start(void **state)
{
	static const struct { struct slice text; enum err want; size_t line; }
	    t[] = {
		{ SL_INIT("Zaunkoenig-am-Bach-mit-vielen-Federn"), E_OK, 0 },
		{ SL_INIT("Zaunkoenig-am-Bach-mit-vielen-Federn\n"), E_OK, 0 },
		{ SL_INIT("Zaunkoenig-am-Bach-mit-vielen-Federn\r\n"),
		    E_SYNTAX, 1 },
		{ SL_INIT("Zaunkoenig-am-Bach-mit-vielen-Federn\nx"),
		    E_SYNTAX, 2 },
		{ SL_INIT("Zaunkoenig-am-Bach-mit-vielen-Federn\n\n"),
		    E_SYNTAX, 2 },
		{ SL_INIT(""), E_SYNTAX, 1 },
		{ SL_INIT("\n"), E_SYNTAX, 1 },
		{ SL_INIT("short\n"), E_SYNTAX, 1 },
		{ SL_INIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), E_SYNTAX, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		put_file(t[i].text);
		assert_int_equal(store_jwt_secret(&secret, &io, &rng, &made,
		    &fault), t[i].want);
		assert_int_equal(fault.line, t[i].line);
	}
	memset(disk.area, 'x', 2000);
	disk.n = 2000;
	assert_int_equal(store_relay_token(&secret, &io, &rng, &made, &fault),
	    E_SYNTAX);
	assert_int_equal(disk.saves, 0);
	put_file(SL("Zaun koenig am Bach mit vielen Federn"));
	assert_int_equal(store_relay_token(&secret, &io, &rng, &made, &fault),
	    E_SYNTAX);
}

static void
number_jti(uint8_t jti[JTI_BYTES], uint64_t i)
{
	memset(jti, 0xa5, JTI_BYTES);
	set_u64(jti, i);
}

static void
the_list_comes_back_as_it_was(void **state)
{
	static struct revoked before;
	uint8_t jti[JTI_BYTES];

	(void)state;
	memset(&before, 0, sizeof before);
	for (uint64_t i = 0; i < REVOKED_MAX; i++) {
		number_jti(jti, i);
		assert_true(revoked_add(&before, jti, NOW + 1 + i, NOW));
	}
	before.ended_s = NOW - 5;
	strcpy(disk.name, "revoked.json");
	assert_true(store_save_revoked(&before, &io,
	    &(struct buf){ area, sizeof area, 0, false }));
	assert_int_equal(load_revoked(), E_OK);
	assert_int_equal(revoked.n, REVOKED_MAX);
	assert_int_equal(revoked.ended_s, NOW - 5);
	assert_memory_equal(revoked.rows, before.rows, sizeof before.rows);
}

static void
no_file_is_an_empty_list(void **state)
{
	(void)state;
	assert_int_equal(load_revoked(), E_OK);
	assert_int_equal(revoked.n, 0);
	disk.unreadable = true;
	assert_int_equal(load_revoked(), E_IO);
}

static void
a_damaged_list_stops_the_start_with_its_line(void **state)
{
#define HEAD "{\"version\":1,\"ended_s\":0,\"revoked\":["
#define ROW "{\"jti\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"exp\":1800000000}"
	static const struct { const char *text; enum err want; size_t line; }
	    t[] = {
		{ HEAD "]}", E_OK, 0 },
		{ HEAD "\n" ROW "\n]}\n", E_OK, 0 },
		{ "", E_SYNTAX, 1 },
		{ HEAD "\n" ROW ",\n", E_SYNTAX, 3 },
		{ HEAD "\n" ROW "\n" ROW "]}", E_SYNTAX, 3 },
		{ "[]", E_SYNTAX, 1 },
		{ "{}", E_SYNTAX, 1 },
		{ "{\"version\":2,\"ended_s\":0,\"revoked\":[]}", E_SYNTAX, 1 },
		{ "{\"version\":1,\"revoked\":[]}", E_SYNTAX, 1 },
		{ "{\"version\":1,\"ended_s\":0}", E_SYNTAX, 1 },
		{ "{\"version\":1,\"ended_s\":-1,\"revoked\":[]}", E_SYNTAX,
		    1 },
		{ "{\"version\":1,\"ended_s\":0,\"revoked\":[],\"x\":1}",
		    E_SYNTAX, 1 },
		{ "{\"version\":1,\"ended_s\":0,\"revoked\":[],"
		    "\"revoked\":[]}", E_SYNTAX, 1 },
		{ HEAD "\n" ROW ",\n{\"jti\":\"AAAAAAAAAAAAAAAAAAAAAB\","
		    "\"exp\":1800000000}]}", E_SYNTAX, 3 },
		{ HEAD "\n{\"jti\":\"AAAAAAAAAAAAAAAAAAAAAA\"}]}", E_SYNTAX,
		    2 },
		{ HEAD "\n{\"jti\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"exp\":1.5}]}",
		    E_SYNTAX, 2 },
		{ HEAD "\n{\"jti\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"exp\":1,"
		    "\"x\":0}]}", E_SYNTAX, 2 },
		{ HEAD "7]}", E_SYNTAX, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		put_file(slice_of(t[i].text, strlen(t[i].text)));
		if (load_revoked() != t[i].want || fault.line != t[i].line)
			fail_msg("%s: line %zu", t[i].text, fault.line);
		if (t[i].want != E_OK)
			assert_non_null(fault.why);
	}
	assert_true(slice_eq(fault.file, SL("revoked.json")));
}

/* The clock may be ahead just now. */
static void
entries_that_expired_are_kept(void **state)
{
	(void)state;
	put_file(SL(HEAD "{\"jti\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"exp\":17},"
	    ROW "]}"));
	assert_int_equal(load_revoked(), E_OK);
	assert_int_equal(revoked.n, 2);
}

static void
a_full_list_forgets_nobody(void **state)
{
	static struct revoked r;
	uint8_t jti[JTI_BYTES];
	enum { MORE = REVOKED_MAX + 500 };

	(void)state;
	memset(&r, 0, sizeof r);
	for (uint64_t i = 0; i < MORE; i++) {
		number_jti(jti, i);
		assert_true(revoked_add(&r, jti, NOW + 100 + i, NOW));
		assert_true(r.n <= REVOKED_MAX);
	}
	for (uint64_t i = 0; i < MORE; i++) {
		number_jti(jti, i);
		assert_true(revoked_has(&r, jti, NOW + 100 + i));
	}
	/* Who did not log out and expires later than those is still in. */
	number_jti(jti, 999999);
	assert_false(revoked_has(&r, jti, NOW + 100 + MORE));
	assert_int_equal(r.ended_s, NOW + 100 + 499);
}

static void
a_full_list_makes_room_at_its_end(void **state)
{
	static struct revoked r;
	uint8_t jti[JTI_BYTES];

	(void)state;
	memset(&r, 0, sizeof r);
	for (uint64_t i = 0; i < REVOKED_MAX; i++) {
		number_jti(jti, i);
		revoked_add(&r, jti, NOW + 1, NOW);
	}
	number_jti(jti, 9999);
	assert_true(revoked_add(&r, jti, NOW + 100, NOW + 1));
	assert_int_equal(r.n, 1);
	assert_int_equal(r.ended_s, NOW + 1);
	assert_false(revoked_add(&r, jti, NOW + 100, NOW + 1));
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
		T(a_made_token_is_recognisable),
		T(a_secret_that_cannot_be_kept_is_not_used),
		T(a_damaged_secret_stops_the_start),
		T(the_list_comes_back_as_it_was),
		T(no_file_is_an_empty_list),
		T(a_damaged_list_stops_the_start_with_its_line),
		T(entries_that_expired_are_kept),
		T(a_full_list_forgets_nobody),
		T(a_full_list_makes_room_at_its_end),
		T(lines_are_counted_from_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
