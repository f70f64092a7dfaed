/*
 * The keeper: who is let in, and what ends it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "codec/b64.h"
#include "crypto/jwt.h"
#include "guard.h"
#include "state/keeper.h"
#include "state/strength.h"

enum { NOW = 1700000000, DAY = 86400 };

static struct keeper k;
static struct ask q;
static struct answer a;

/* What the keeper saved last; `broken` makes it fail. */
static struct {
	uint8_t area[STORE_FILE_MAX];
	size_t n;
	unsigned saves;
	bool broken;
} disk;

static enum err
disk_load(void *ctx, struct slice name, struct buf *into)
{
	(void)ctx;
	if (disk.n == 0 || !slice_eq(name, SL("revoked.json")))
		return E_EOF;
	return buf_put(into, slice_of(disk.area, disk.n)) ? E_OK : E_FULL;
}

static bool
disk_save(void *ctx, struct slice name, struct slice content)
{
	(void)ctx;
	assert_true(slice_eq(name, SL("revoked.json")));
	assert_true(content.n <= sizeof disk.area);
	if (disk.broken)
		return false;
	memcpy(disk.area, content.p, content.n);
	disk.n = content.n;
	disk.saves++;
	return true;
}

static const struct store_io disk_io = { disk_load, disk_save, NULL };

static void
start(const char *jwt, const char *password, const char *token)
{
	static uint8_t seed[RNG_SEED_MIN];
	struct secret j = { 0 }, p = { 0 }, t = { 0 };
	struct keeper_cfg cfg = { .jwt = &j, .password = &p, .token = &t,
		.seed = { seed, sizeof seed }, .io = disk_io };
	static uint8_t area[STORE_FILE_MAX];
	struct buf file = BUF_ON(area);
	struct store_fault f;

	seed[0]++;
	secret_set(&j, slice_of(jwt, strlen(jwt)));
	secret_set(&p, slice_of(password, strlen(password)));
	secret_set(&t, slice_of(token, strlen(token)));
	keeper_init(&k, &cfg);
	assert_int_equal(store_revoked(&k.revoked, &disk_io, &file, &f), E_OK);
}

#define JWT_A "a-signing-key-of-thirty-two-bytes"
#define JWT_B "b-signing-key-of-thirty-two-bytes"
#define PASSWORD "Mondkalb und Kuh"
#define TOKEN "adit_Zaunkoenig-am-Bach"

static int
fresh(void **state)
{
	(void)state;
	memset(&disk, 0, sizeof disk);
	start(JWT_A, PASSWORD, TOKEN);
	return 0;
}

static enum err
answer(void)
{
	q.seq = 4711;
	q.who = 0x1234;
	(void)keeper_answer(&k, &q, &a);
	assert_int_equal(a.kind, q.kind);
	assert_int_equal(a.seq, 4711);
	assert_int_equal(a.who, 0x1234);
	return a.result;
}

static void
begin(enum ask_kind kind, struct slice text)
{
	memset(&q, 0, sizeof q);
	q.kind = kind;
	q.now_s = NOW;
	assert_true(text.n <= sizeof q.text);
	if (text.n > 0)
		memcpy(q.text, text.p, text.n);
	q.text_n = (uint16_t)text.n;
}

static void
set_site(struct slice site)
{
	memcpy(q.site, site.p, site.n);
	q.site_n = (uint16_t)site.n;
}

static enum err
ask_text(enum ask_kind kind, struct slice text)
{
	begin(kind, text);
	return answer();
}

/* A session token for `site`, kept in `token`. */
static uint8_t token_area[ASK_TEXT_MAX];
static struct slice token;

static void
issue(struct slice user, struct slice site, uint64_t ttl_s)
{
	begin(ASK_ISSUE, SL(""));
	memcpy(q.user, user.p, user.n);
	q.user_n = (uint16_t)user.n;
	set_site(site);
	q.ttl_s = ttl_s;
	assert_int_equal(answer(), E_OK);
	memcpy(token_area, a.text, a.text_n);
	token = slice_of(token_area, a.text_n);
}

static enum err
session_at(uint64_t now_s, struct slice site)
{
	begin(ASK_SESSION, token);
	q.now_s = now_s;
	if (site.n > 0)
		set_site(site);
	return answer();
}

#define assert_text(s, n, want) do {                                    \
	assert_int_equal(n, sizeof(want) - 1);                          \
	assert_memory_equal(s, want, sizeof(want) - 1);                 \
} while (0)

static void
only_the_password_is_the_password(void **state)
{
	static const struct { struct slice guess; enum err want; } t[] = {
		{ SL_INIT(PASSWORD), E_OK },
		{ SL_INIT(""), E_AUTH },
		{ SL_INIT("Mondkalb und Ku"), E_AUTH },
		{ SL_INIT("Mondkalb und Kuh "), E_AUTH },
		{ SL_INIT("Mondkalb und Kuh\0"), E_AUTH },
		{ SL_INIT("mondkalb und kuh"), E_AUTH },
		{ SL_INIT(TOKEN), E_AUTH },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
		assert_int_equal(ask_text(ASK_LOGIN, t[i].guess),
		    t[i].want);
	assert_int_equal(ask_text(ASK_LOGIN, SL(PASSWORD)), E_OK);
	assert_text(a.user, a.user_n, "shared");
}

static void
without_a_password_nothing_is_right(void **state)
{
	(void)state;
	start(JWT_A, "", "");
	assert_int_equal(ask_text(ASK_LOGIN, SL("")), E_AUTH);
	assert_int_equal(a.user_n, 0);
	assert_int_equal(ask_text(ASK_LOGIN, SL("x")), E_AUTH);
	assert_int_equal(ask_text(ASK_TOKEN, SL("")), E_AUTH);
	assert_int_equal(a.credential, 0);
}

static void
the_agents_token_is_credential_one(void **state)
{
	(void)state;
	assert_int_equal(ask_text(ASK_TOKEN, SL(TOKEN)), E_OK);
	assert_int_equal(a.credential, 1);
	assert_int_equal(ask_text(ASK_TOKEN, SL(PASSWORD)), E_AUTH);
	assert_int_equal(ask_text(ASK_TOKEN, SL("adit_Zaunkoenig")), E_AUTH);
	assert_int_equal(a.credential, 0);
}

static void
a_session_says_who_and_where(void **state)
{
	(void)state;
	issue(SL("shared"), SL("http://r.example:4000"), DAY);
	assert_int_equal(a.jti_n, JTI_CHARS);
	assert_int_equal(a.expires_s, NOW + DAY);
	assert_int_equal(session_at(NOW, SL("")), E_OK);
	assert_text(a.user, a.user_n, "shared");
	assert_text(a.site, a.site_n, "http://r.example:4000");
	assert_int_equal(a.jti_n, JTI_CHARS);
	assert_int_equal(a.expires_s, NOW + DAY);
	assert_int_equal(session_at(NOW, SL("http://r.example:4000")), E_OK);
	assert_int_equal(session_at(NOW, SL("http://r.example:4001")),
	    E_AUTH);
	assert_int_equal(a.user_n + a.site_n + a.jti_n, 0);
}

static void
a_session_has_the_claims_that_are_documented(void **state)
{
	static const char *const names[] = { "sub", "aud", "iat", "exp",
		"jti", "gen" };
	uint8_t area[JWT_BYTES_MAX];
	struct buf b = BUF_ON(area);
	struct secret key = { 0 };
	struct json_iter it;
	struct json name, v;
	struct jwt j;
	size_t n = 0;

	(void)state;
	issue(SL("shared"), SL("s"), DAY);
	secret_set(&key, SL(JWT_A));
	assert_int_equal(jwt_verify(&j, &b, token, &key, NOW, JWT_OWN), E_OK);
	json_iter(&it, j.claims);
	while (json_next(&it, &name, &v)) {
		assert_true(n < 6);
		assert_true(json_is(name, slice_of(names[n],
		    strlen(names[n]))));
		n++;
	}
	assert_int_equal(n, 6);
	assert_int_equal(j.iat_s, NOW);
}

static void
no_two_sessions_have_the_same_id(void **state)
{
	uint8_t first[JTI_CHARS];

	(void)state;
	issue(SL("shared"), SL("s"), DAY);
	memcpy(first, a.jti, sizeof first);
	issue(SL("shared"), SL("s"), DAY);
	assert_memory_not_equal(a.jti, first, sizeof first);
}

static void
a_session_ends_on_its_second(void **state)
{
	(void)state;
	issue(SL("shared"), SL("s"), 60);
	assert_int_equal(session_at(NOW + 59, SL("")), E_OK);
	assert_int_equal(session_at(NOW + 60, SL("")), E_EXPIRED);
	assert_int_equal(session_at(NOW + DAY, SL("")), E_EXPIRED);
}

static void
every_changed_byte_of_a_session_ends_it(void **state)
{
	(void)state;
	issue(SL("shared"), SL("s"), DAY);
	for (size_t i = 0; i < token.n; i++) {
		token_area[i] ^= 1;
		assert_int_equal(session_at(NOW, SL("")), E_AUTH);
		token_area[i] ^= 1;
	}
	for (size_t n = 0; n < token.n; n++) {
		struct slice whole = token;

		token.n = n;
		assert_int_equal(session_at(NOW, SL("")), E_AUTH);
		token = whole;
	}
	assert_int_equal(session_at(NOW, SL("")), E_OK);
}

static void
another_password_or_secret_ends_sessions(void **state)
{
	static const struct {
		const char *jwt, *password;
		enum err want;
	} t[] = {
		{ JWT_A, PASSWORD, E_OK },
		{ JWT_A, "Mondkalb und Kuh.", E_AUTH },
		{ JWT_A, "", E_AUTH },
		{ JWT_B, PASSWORD, E_AUTH },
		{ JWT_A, PASSWORD, E_OK },
	};

	(void)state;
	issue(SL("shared"), SL("s"), DAY);
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		start(t[i].jwt, t[i].password, TOKEN);
		assert_int_equal(session_at(NOW, SL("")), t[i].want);
	}
	start(JWT_A, PASSWORD, "adit_another-token-altogether");
	assert_int_equal(session_at(NOW, SL("")), E_OK);
}

/* Signed with the right key, but not as we do. */
static void
tokens_of_other_programs_are_no_sessions(void **state)
{
	static const char *const claims[] = {
		"{\"exp\":1800000000}",
		"{\"sub\":\"shared\",\"aud\":\"s\",\"exp\":1800000000,"
		"\"jti\":\"AAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"sub\":\"shared\",\"aud\":\"s\",\"exp\":1800000000,"
		"\"jti\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"gen\":\"\"}",
		"{\"sub\":\"shared\",\"aud\":\"s\",\"exp\":1800000000,"
		"\"jti\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"gen\":"
		"\"AAAAAAAAAAAAAAAA\"}",
		"{\"sub\":1,\"aud\":\"s\",\"exp\":1800000000,\"jti\":\"A\","
		"\"gen\":null}",
	};
	struct secret key = { 0 };
	uint8_t area[ASK_TEXT_MAX], gen[100];

	(void)state;
	secret_set(&key, SL(JWT_A));
	for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
		struct buf b = BUF_ON(area);

		assert_int_equal(jwt_sign(&b, slice_of(claims[i],
		    strlen(claims[i])), &key), E_OK);
		token = buf_slice(&b);
		assert_int_equal(session_at(NOW, SL("")), E_AUTH);
	}
	for (int good = 0; good < 2; good++) {  /* jti not of our form */
		struct buf b = BUF_ON(area), c = BUF_ON(gen);
		uint8_t text[300];
		struct buf t = BUF_ON(text);

		buf_put(&c, slice_of(k.gen, sizeof k.gen));
		buf_lit(&t, "{\"sub\":\"shared\",\"aud\":\"s\","
		    "\"exp\":1800000000,\"jti\":\"AAAAAAAAAAAAAAAAAAAAA");
		buf_put(&t, good ? SL("A") : SL(""));
		buf_lit(&t, "\",\"gen\":\"");
		buf_put(&t, buf_slice(&c));
		buf_lit(&t, "\"}");
		assert_int_equal(jwt_sign(&b, buf_slice(&t), &key), E_OK);
		token = buf_slice(&b);
		assert_int_equal(session_at(NOW, SL("")),
		    good ? E_OK : E_AUTH);
	}
}

static enum err
revoke(struct slice jti, uint64_t expires_s)
{
	begin(ASK_REVOKE, jti);
	q.expires_s = expires_s;
	return answer();
}

static void
a_revoked_session_stays_out_after_a_restart(void **state)
{
	uint8_t jti[JTI_CHARS];

	(void)state;
	issue(SL("shared"), SL("s"), DAY);
	memcpy(jti, a.jti, sizeof jti);
	assert_int_equal(revoke(slice_of(jti, sizeof jti), NOW + DAY), E_OK);
	assert_int_equal(disk.saves, 1);
	assert_int_equal(session_at(NOW, SL("")), E_AUTH);
	assert_int_equal(revoke(slice_of(jti, sizeof jti), NOW + DAY), E_OK);
	assert_int_equal(disk.saves, 1);
	start(JWT_A, PASSWORD, TOKEN);
	assert_int_equal(session_at(NOW, SL("")), E_AUTH);
	issue(SL("shared"), SL("s"), DAY);
	assert_int_equal(session_at(NOW, SL("")), E_OK);
}

static void
sessions_of_one_id_end_together(void **state)
{
	uint8_t jti[JTI_CHARS], first[ASK_TEXT_MAX];
	size_t n;

	(void)state;
	issue(SL("shared"), SL("main"), DAY);
	n = token.n;
	memcpy(first, token.p, n);
	memcpy(jti, a.jti, sizeof jti);
	begin(ASK_ISSUE, slice_of(jti, sizeof jti));
	set_site(SL("app"));
	q.ttl_s = DAY;
	assert_int_equal(answer(), E_OK);
	assert_memory_equal(a.jti, jti, sizeof jti);
	memcpy(token_area, a.text, a.text_n);
	token = slice_of(token_area, a.text_n);
	assert_int_equal(session_at(NOW, SL("app")), E_OK);
	assert_int_equal(session_at(NOW, SL("main")), E_AUTH);
	assert_int_equal(revoke(slice_of(jti, sizeof jti), NOW + DAY), E_OK);
	assert_int_equal(session_at(NOW, SL("app")), E_AUTH);
	token = slice_of(first, n);
	assert_int_equal(session_at(NOW, SL("main")), E_AUTH);
	/* and none can be made of it any more */
	begin(ASK_ISSUE, slice_of(jti, sizeof jti));
	q.ttl_s = DAY;
	assert_int_equal(answer(), E_AUTH);
	assert_int_equal(a.text_n, 0);
	begin(ASK_ISSUE, SL("no id"));
	q.ttl_s = DAY;
	assert_int_equal(answer(), E_SYNTAX);
}

/* A clock that was ahead for a moment, or set back, changes nothing. */
static void
sessions_outlive_a_clock_that_jumps(void **state)
{
	uint8_t jti[JTI_CHARS];

	(void)state;
	issue(SL("shared"), SL("s"), DAY);
	memcpy(jti, a.jti, sizeof jti);
	assert_int_equal(session_at(NOW - 10 * 365 * DAY, SL("")), E_OK);
	assert_int_equal(session_at(NOW + 10 * 365 * DAY, SL("")), E_EXPIRED);
	assert_int_equal(session_at(NOW, SL("")), E_OK);
	assert_int_equal(revoke(slice_of(jti, sizeof jti), NOW + DAY), E_OK);
	assert_int_equal(disk.saves, 1);
	/* Somebody logs out in the future, and there is a restart then. */
	begin(ASK_REVOKE, SL("AAAAAAAAAAAAAAAAAAAAAA"));
	q.now_s = NOW + 10 * 365 * DAY;
	q.expires_s = q.now_s + DAY;
	assert_int_equal(answer(), E_OK);
	assert_int_equal(disk.saves, 2);
	start(JWT_A, PASSWORD, TOKEN);
	assert_int_equal(session_at(NOW, SL("")), E_AUTH);
}

static void
a_full_disk_does_not_keep_a_session_alive(void **state)
{
	uint8_t jti[JTI_CHARS];

	(void)state;
	issue(SL("shared"), SL("s"), DAY);
	memcpy(jti, a.jti, sizeof jti);
	disk.broken = true;
	assert_int_equal(revoke(slice_of(jti, sizeof jti), NOW + DAY), E_IO);
	assert_int_equal(session_at(NOW, SL("")), E_AUTH);
}

static void
what_is_no_id_cannot_be_revoked(void **state)
{
	(void)state;
	assert_int_equal(revoke(SL(""), NOW + 1), E_SYNTAX);
	assert_int_equal(revoke(SL("AAAAAAAAAAAAAAAAAAAAAB"), NOW + 1),
	    E_SYNTAX);
	assert_int_equal(revoke(SL("AAAAAAAAAAAAAAAAAAAAA"), NOW + 1),
	    E_SYNTAX);
	assert_int_equal(revoke(SL("AAAAAAAAAAAAAAAAAAAAAA"), NOW), E_OK);
	assert_int_equal(disk.saves, 0);
}

static void
device_cookies_are_ours_and_expire(void **state)
{
	uint8_t cookie[ASK_TEXT_MAX], id[JTI_CHARS];
	size_t n;

	(void)state;
	assert_int_equal(ask_text(ASK_ISSUE_DEVICE, SL("")), E_OK);
	assert_int_equal(a.expires_s, NOW + KEEPER_DEVICE_S);
	n = a.text_n;
	memcpy(cookie, a.text, n);
	memcpy(id, a.jti, sizeof id);
	assert_int_equal(ask_text(ASK_DEVICE, slice_of(cookie, n)), E_OK);
	assert_memory_equal(a.jti, id, sizeof id);
	for (size_t i = 0; i < n; i++) {
		cookie[i] ^= 1;
		assert_int_equal(ask_text(ASK_DEVICE, slice_of(cookie, n)),
		    E_AUTH);
		cookie[i] ^= 1;
	}
	assert_int_equal(ask_text(ASK_DEVICE, slice_of(cookie, n - 1)),
	    E_AUTH);
	assert_int_equal(ask_text(ASK_DEVICE, SL("")), E_AUTH);
	begin(ASK_DEVICE, slice_of(cookie, n));
	q.now_s = NOW + KEEPER_DEVICE_S;
	assert_int_equal(answer(), E_EXPIRED);
	start(JWT_B, PASSWORD, TOKEN);
	assert_int_equal(ask_text(ASK_DEVICE, slice_of(cookie, n)), E_AUTH);
}

static void
signing_depends_on_text_and_key(void **state)
{
	uint8_t mac[32], raw[64], out[100];
	struct buf b = BUF_ON(out);

	(void)state;
	assert_int_equal(ask_text(ASK_SIGN, SL("one")), E_OK);
	assert_int_equal(a.text_n, 32);
	memcpy(mac, a.text, 32);
	assert_int_equal(ask_text(ASK_SIGN, SL("one")), E_OK);
	assert_memory_equal(a.text, mac, 32);
	assert_int_equal(ask_text(ASK_SIGN, SL("two")), E_OK);
	assert_memory_not_equal(a.text, mac, 32);
	start(JWT_B, PASSWORD, TOKEN);
	assert_int_equal(ask_text(ASK_SIGN, SL("one")), E_OK);
	assert_memory_not_equal(a.text, mac, 32);
	/* What ASK_SIGN signs is no device cookie. */
	memset(raw, 0xff, 24);
	assert_int_equal(ask_text(ASK_SIGN, slice_of(raw, 24)), E_OK);
	memcpy(raw + 24, a.text, 32);
	b64_encode(&b, slice_of(raw, 56), B64_URL_BARE);
	assert_int_equal(ask_text(ASK_DEVICE, buf_slice(&b)), E_AUTH);
}

static void
questions_out_of_range_get_no_answer(void **state)
{
	static const uint32_t kinds[] = { 0, ASK_SIGN + 1, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(ask_text((enum ask_kind)kinds[i], SL("")),
		    E_RANGE);
	for (unsigned kind = ASK_LOGIN; kind <= ASK_SIGN; kind++) {
		begin((enum ask_kind)kind, SL(""));
		q.text_n = ASK_TEXT_MAX + 1;
		assert_int_equal(answer(), E_RANGE);
		begin((enum ask_kind)kind, SL(""));
		q.site_n = ASK_SITE_MAX + 1;
		assert_int_equal(answer(), E_RANGE);
		begin((enum ask_kind)kind, SL(""));
		q.user_n = 0xffff;
		assert_int_equal(answer(), E_RANGE);
	}
	begin(ASK_ISSUE, SL(""));
	q.ttl_s = UINT64_MAX;
	assert_int_equal(answer(), E_RANGE);
	begin(ASK_ISSUE, SL(""));
	q.user_n = ASK_USER_MAX;        /* 64 NULs: six bytes each */
	q.site_n = ASK_SITE_MAX;
	q.ttl_s = 1;
	assert_int_equal(answer(), E_FULL);
	assert_int_equal(a.text_n, 0);
}

static void
what_may_be_a_secret(void **state)
{
	static const struct {
		enum strength_kind kind;
		struct slice s;
		bool good;
	} t[] = {
		{ STRENGTH_PASSWORD, SL_INIT("kupferkanne"), true },
		{ STRENGTH_PASSWORD, SL_INIT("h\xc3\xa4uschen 7"), true },
		{ STRENGTH_PASSWORD, SL_INIT("sieben7"), false },
		{ STRENGTH_PASSWORD, SL_INIT("h\xe4uschen 7"), false },
		{ STRENGTH_PASSWORD, SL_INIT("tab\tulator"), false },
		{ STRENGTH_PASSWORD, SL_INIT("password"), false },
		{ STRENGTH_PASSWORD, SL_INIT("PassWord1"), false },
		{ STRENGTH_PASSWORD, SL_INIT("change-me"), false },
		{ STRENGTH_PASSWORD, SL_INIT("12345678"), false },
		{ STRENGTH_PASSWORD, SL_INIT("1234567890"), false },
		{ STRENGTH_PASSWORD, SL_INIT("aaaaaaaa"), false },
		{ STRENGTH_PASSWORD, SL_INIT("abababab"), false },
		{ STRENGTH_PASSWORD, SL_INIT("87654321"), false },
		{ STRENGTH_PASSWORD, SL_INIT("Correct Horse Battery Staple"),
		    false },
		{ STRENGTH_TOKEN, SL_INIT("Zaunkoenig-Bach1"), true },
		{ STRENGTH_TOKEN, SL_INIT("Zaunkoenig Bach1"), false },
		{ STRENGTH_TOKEN, SL_INIT("Zaunk\xc3\xb6nig-Bach"), false },
		{ STRENGTH_TOKEN, SL_INIT("YOUR_RELAY_TOKEN_HERE"), false },
		{ STRENGTH_TOKEN, SL_INIT("fifteen-bytes-x"), false },
		{ STRENGTH_JWT, SL_INIT("your-secret-here-your-secret-here"),
		    false },
		{ STRENGTH_JWT,
		    SL_INIT("change_me_change_me_change_me_change"), false },
		{ STRENGTH_JWT, SL_INIT("31-bytes-are-too-short-for-a-ke"),
		    false },
		{ STRENGTH_JWT, SL_INIT("\xff\x00 any bytes: nobody types it."
		    "...."), true },
	};
	static uint8_t long_one[STRENGTH_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct slice s = guard_slice(t[i].s);

		if ((strength_fault(t[i].kind, s) == NULL) != t[i].good)
			fail_msg("%.*s", (int)s.n, (const char *)s.p);
		guard_free(s);
	}
	for (size_t i = 0; i < sizeof long_one; i++)
		long_one[i] = (uint8_t)(i * 37 % 251);
	assert_null(strength_fault(STRENGTH_JWT,
	    slice_of(long_one, STRENGTH_MAX)));
	assert_non_null(strength_fault(STRENGTH_JWT,
	    slice_of(long_one, STRENGTH_MAX + 1)));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, fresh)
	const struct CMUnitTest tests[] = {
		T(only_the_password_is_the_password),
		T(without_a_password_nothing_is_right),
		T(the_agents_token_is_credential_one),
		T(a_session_says_who_and_where),
		T(a_session_has_the_claims_that_are_documented),
		T(no_two_sessions_have_the_same_id),
		T(a_session_ends_on_its_second),
		T(every_changed_byte_of_a_session_ends_it),
		T(another_password_or_secret_ends_sessions),
		T(tokens_of_other_programs_are_no_sessions),
		T(a_revoked_session_stays_out_after_a_restart),
		T(sessions_of_one_id_end_together),
		T(a_full_disk_does_not_keep_a_session_alive),
		T(what_is_no_id_cannot_be_revoked),
		T(sessions_outlive_a_clock_that_jumps),
		T(device_cookies_are_ours_and_expire),
		T(signing_depends_on_text_and_key),
		T(questions_out_of_range_get_no_answer),
		T(what_may_be_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
