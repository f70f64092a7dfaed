/*
 * The keeper: what it signs, and the passwords and tokens of the settings.
 */
#include "keeper_rig.h"

#include "crypto/jwt.h"
#include "state/strength.h"

static int
fresh(void **state)
{
	(void)state;
	disk_empty();
	now = NOW;
	start(JWT_A, PASSWORD, TOKEN);
	return 0;
}

static struct token_text token;

static void
shared(const char *site, uint64_t ttl_s)
{
	assert_int_equal(login("", PASSWORD), E_OK);
	assert_int_equal(issue(&token, site, ttl_s), E_OK);
}

static enum err
session_at(uint64_t now_s, struct slice site)
{
	begin(ASK_SESSION, slice_of(token.b, token.n));
	q.now_s = now_s;
	if (site.n > 0)
		SET(q, site, site);
	return answer();
}

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
	assert_int_equal(a.credential, KEEPER_SHARED_TOKEN);
	assert_int_equal(a.user_n, 0);
	assert_int_equal(ask_text(ASK_TOKEN, SL(PASSWORD)), E_AUTH);
	assert_int_equal(ask_text(ASK_TOKEN, SL("adit_Zaunkoenig")), E_AUTH);
	assert_int_equal(a.credential, 0);
}

static void
a_session_says_who_and_where(void **state)
{
	(void)state;
	shared("http://r.example:4000", DAY);
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
	shared("s", DAY);
	secret_set(&key, SL(JWT_A));
	assert_int_equal(jwt_verify(&j, &b, slice_of(token.b, token.n), &key,
	    NOW, JWT_OWN), E_OK);
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
	shared("s", DAY);
	memcpy(first, a.jti, sizeof first);
	shared("s", DAY);
	assert_memory_not_equal(a.jti, first, sizeof first);
}

static void
a_session_ends_on_its_second(void **state)
{
	(void)state;
	shared("s", 60);
	assert_int_equal(session_at(NOW + 59, SL("")), E_OK);
	assert_int_equal(session_at(NOW + 60, SL("")), E_EXPIRED);
	assert_int_equal(session_at(NOW + DAY, SL("")), E_EXPIRED);
}

static void
every_changed_byte_of_a_session_ends_it(void **state)
{
	size_t whole;

	(void)state;
	shared("s", DAY);
	for (size_t i = 0; i < token.n; i++) {
		token.b[i] ^= 1;
		assert_int_equal(session_at(NOW, SL("")), E_AUTH);
		token.b[i] ^= 1;
	}
	whole = token.n;
	for (token.n = 0; token.n < whole; token.n++)
		assert_int_equal(session_at(NOW, SL("")), E_AUTH);
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
		{ JWT_A, PASSWORD, E_OK },
		{ JWT_A, "Mondkalb und Kuh.", E_AUTH },
		{ JWT_A, PASSWORD, E_AUTH },    /* and they stay ended */
	};

	(void)state;
	shared("s", DAY);
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		start(t[i].jwt, t[i].password, TOKEN);
		assert_int_equal(session_at(NOW, SL("")), t[i].want);
	}
	shared("s", DAY);
	start(JWT_B, PASSWORD, TOKEN);
	assert_int_equal(session_at(NOW, SL("")), E_AUTH);
	start(JWT_A, PASSWORD, TOKEN);
	assert_int_equal(session_at(NOW, SL("")), E_AUTH);
	shared("s", DAY);
	start(JWT_A, "", TOKEN);
	assert_int_equal(session_at(NOW, SL("")), E_AUTH);
	start(JWT_A, PASSWORD, TOKEN);
	shared("s", DAY);
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
	uint8_t gen[100];

	(void)state;
	secret_set(&key, SL(JWT_A));
	for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
		struct buf b = BUF_ON(token.b);

		assert_int_equal(jwt_sign(&b, slice_of(claims[i],
		    strlen(claims[i])), &key), E_OK);
		token.n = b.n;
		assert_int_equal(session_at(NOW, SL("")), E_AUTH);
	}
	/* A jti of the store or none, with the right gen or another one. */
	shared("s", DAY);
	for (unsigned i = 0; i < 8; i++) {
		static const int longer[] = { 0, -1, 1, 0 };
		uint8_t other[GEN_BYTES + 1] = { 0 };
		bool good = i == 7;
		struct buf b = BUF_ON(token.b), g = BUF_ON(gen);
		uint8_t text[300];
		struct buf t = BUF_ON(text);

		memcpy(other, k.keys[0].gen, GEN_BYTES);
		other[GEN_BYTES - 1] ^= i / 2 == 0;
		b64_encode(&g, slice_of(other, (size_t)(GEN_BYTES +
		    longer[i / 2])), B64_URL_BARE);
		buf_lit(&t, "{\"sub\":\"x\",\"aud\":\"s\","
		    "\"exp\":1800000000,\"jti\":\"");
		buf_put(&t, i % 2 == 1 ? slice_of(token.jti, JTI_CHARS) :
		    SL("AAAAAAAAAAAAAAAAAAAAAA"));
		buf_lit(&t, "\",\"gen\":\"");
		buf_put(&t, buf_slice(&g));
		buf_lit(&t, "\"}");
		assert_int_equal(jwt_sign(&b, buf_slice(&t), &key), E_OK);
		token.n = b.n;
		assert_int_equal(session_at(NOW, SL("")),
		    good ? E_OK : E_AUTH);
	}
	/* Who it is, and until when, the store says. */
	assert_text(a.user, a.user_n, "shared");
	assert_int_equal(a.expires_s, NOW + DAY);
}

static enum err
revoke(const struct token_text *t)
{
	return ask_text(ASK_REVOKE, slice_of(t->b, t->n));
}

static void
a_revoked_session_stays_out_after_a_restart(void **state)
{
	unsigned writes;

	(void)state;
	shared("s", DAY);
	writes = disk.writes;
	assert_int_equal(revoke(&token), E_OK);
	assert_int_equal(disk.writes, writes + 2);      /* and the audit log */
	assert_int_equal(session_at(NOW, SL("")), E_AUTH);
	assert_int_equal(revoke(&token), E_OK);
	assert_int_equal(disk.writes, writes + 2);
	start(JWT_A, PASSWORD, TOKEN);
	assert_int_equal(session_at(NOW, SL("")), E_AUTH);
	shared("s", DAY);
	assert_int_equal(session_at(NOW, SL("")), E_OK);
}

static void
sessions_of_one_id_end_together(void **state)
{
	struct token_text first;
	struct slice jti = { first.jti, JTI_CHARS };

	(void)state;
	shared("main", DAY);
	first = token;
	begin(ASK_ISSUE, jti);
	SET(q, site, SL("app"));
	q.ttl_s = 2 * DAY;
	assert_int_equal(answer(), E_OK);
	assert_memory_equal(a.jti, jti.p, jti.n);
	assert_int_equal(a.expires_s, NOW + DAY);
	memcpy(token.b, a.text, a.text_n);
	token.n = a.text_n;
	assert_int_equal(session_at(NOW, SL("app")), E_OK);
	assert_int_equal(session_at(NOW, SL("main")), E_AUTH);
	assert_int_equal(revoke(&token), E_OK);
	assert_int_equal(session_at(NOW, SL("app")), E_AUTH);
	token = first;
	assert_int_equal(session_at(NOW, SL("main")), E_AUTH);
	/* and none can be made of it any more */
	begin(ASK_ISSUE, jti);
	q.ttl_s = DAY;
	assert_int_equal(answer(), E_AUTH);
	assert_int_equal(a.text_n, 0);
	begin(ASK_ISSUE, SL("no id"));
	q.ttl_s = DAY;
	assert_int_equal(answer(), E_SYNTAX);
}

static void
sessions_outlive_a_clock_that_jumps(void **state)
{
	struct token_text first;

	(void)state;
	shared("s", DAY);
	assert_int_equal(session_at(NOW - 10 * 365 * DAY, SL("")), E_OK);
	assert_int_equal(session_at(NOW + 10 * 365 * DAY, SL("")), E_EXPIRED);
	assert_int_equal(session_at(NOW, SL("")), E_OK);
	/* Somebody logs in in the future, and there is a restart then. */
	first = token;
	now = NOW + 10 * 365 * DAY;
	shared("s", DAY);
	start(JWT_A, PASSWORD, TOKEN);
	now = NOW;
	assert_int_equal(session(&token), E_OK);
	assert_int_equal(session(&first), E_OK);
	assert_int_equal(revoke(&first), E_OK);
	assert_int_equal(session(&first), E_AUTH);
}

static void
a_full_disk_does_not_keep_a_session_alive(void **state)
{
	(void)state;
	for (unsigned step = 1; step <= 2; step++) {
		shared("s", DAY);
		disk.fail_at = disk.writes + step;
		assert_int_equal(revoke(&token), E_IO);
		assert_int_equal(session_at(NOW, SL("")), E_AUTH);
		/* It is written as soon as it can be, or said again. */
		assert_int_equal(revoke(&token), E_IO);
		disk.fail_at = 0;
		if (step == 1)
			keeper_tick(&k, NOW);
		else
			assert_int_equal(revoke(&token), E_OK);
		start(JWT_A, PASSWORD, TOKEN);
		assert_int_equal(session_at(NOW, SL("")), E_AUTH);
	}
}

static void
its_size_is_what_the_document_says(void **state)
{
	char text[64];
	uint8_t *all = calloc(1, 200000);
	FILE *f = fopen("SECURITY.md", "r");

	(void)state;
	assert_non_null(all);
	assert_non_null(f);
	assert_true(fread(all, 1, 199999, f) > 1000);
	fclose(f);
	snprintf(text, sizeof text, "lies in one struct of %zu KiB",
	    (sizeof(struct keeper) + 1023) / 1024);
	if (strstr((char *)all, text) == NULL)
		fail_msg("SECURITY.md does not say: %s", text);
	free(all);
}

/* The clock is ahead, by so much that the session seems to be over. */
static void
a_logout_in_the_future_ends_the_session_for_good(void **state)
{
	unsigned writes;

	(void)state;
	shared("s", DAY);
	now = NOW + 10 * 365 * DAY;
	assert_int_equal(session(&token), E_EXPIRED);
	writes = disk.writes;
	assert_int_equal(revoke(&token), E_OK);
	assert_int_equal(disk.writes, writes + 2);
	now = NOW;
	assert_int_equal(session(&token), E_AUTH);
	start(JWT_A, PASSWORD, TOKEN);
	assert_int_equal(session(&token), E_AUTH);
}

static void
only_a_token_of_ours_and_of_its_site_ends_a_session(void **state)
{
	unsigned writes;

	(void)state;
	shared("s", DAY);
	writes = disk.writes;
	assert_int_equal(ask_text(ASK_REVOKE, SL("")), E_OK);
	/* The id alone, which lists and logs may have known in part. */
	assert_int_equal(ask_text(ASK_REVOKE, slice_of(token.jti, JTI_CHARS)),
	    E_OK);
	token.b[token.n - 2] ^= 1;
	assert_int_equal(revoke(&token), E_OK);
	token.b[token.n - 2] ^= 1;
	begin(ASK_REVOKE, slice_of(token.b, token.n));
	SET(q, site, SL("another"));
	assert_int_equal(answer(), E_OK);
	assert_int_equal(disk.writes, writes);
	assert_int_equal(session(&token), E_OK);
}

static void
a_session_begins_only_after_a_login_and_once(void **state)
{
	uint8_t jti[JTI_CHARS];

	(void)state;
	begin(ASK_ISSUE, SL(""));
	SET(q, user, SL("shared"));
	q.ttl_s = DAY;
	assert_int_equal(answer(), E_SYNTAX);
	assert_int_equal(login("", PASSWORD), E_OK);
	memcpy(jti, a.jti, sizeof jti);
	jti[0] ^= 1;
	memcpy(a.jti, jti, sizeof jti);
	assert_int_equal(issue(&token, "s", DAY), E_AUTH);
	jti[0] ^= 1;
	memcpy(a.jti, jti, sizeof jti);
	a.jti_n = sizeof jti;
	now += KEEPER_GRANT_S;
	assert_int_equal(issue(&token, "s", DAY), E_AUTH);
	assert_int_equal(login("", PASSWORD), E_OK);
	assert_int_equal(issue(&token, "s", DAY), E_OK);
	assert_text(a.user, a.user_n, "shared");
	assert_int_equal(a.role, ROLE_ADMIN);
}

static void
a_session_that_cannot_be_written_is_none(void **state)
{
	(void)state;
	for (unsigned step = 1; step <= 2; step++) {
		assert_int_equal(login("", PASSWORD), E_OK);
		memcpy(token.jti, a.jti, JTI_CHARS);
		disk.fail_at = disk.writes + step;
		assert_int_equal(issue(&token, "s", DAY), E_IO);
		assert_int_equal(a.text_n + a.jti_n, 0);
		disk.fail_at = 0;
		begin(ASK_ISSUE, slice_of(token.jti, JTI_CHARS));
		q.ttl_s = DAY;
		assert_int_equal(answer(), E_AUTH);
	}
}

static void
nobody_pushes_out_anothers_session(void **state)
{
	static struct token_text one;

	(void)state;
	/* Of two accounts one begins sessions without end. */
	for (unsigned i = 0; i < 2; i++) {
		struct person_row *p = &k.people.rows[i];

		p->role = ROLE_MEMBER;
		p->serial = 1 + i;
		p->name.n = 1;
		p->name.b[0] = (uint8_t)('a' + i);
	}
	k.people.next = 3;
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct session_row *s = &k.sessions.rows[i];

		*s = (struct session_row){ .used = 1, .serial = 1 + (i > 0),
			.since_s = NOW, .expires_s = NOW + DAY,
			.seen_s = NOW - (i == 0 ? 5000 : i) };
		set_u32(s->jti, i);
	}
	assert_int_equal(login("", PASSWORD), E_OK);
	assert_int_equal(issue(&one, "s", DAY), E_OK);
	assert_true(keeper_note(&k, &a));
	assert_int_equal(a.kind, NOTE_SESSION);
	assert_text(a.user, a.user_n, "b");
	/* It was the one of theirs that was seen least lately. */
	assert_int_equal(k.sessions.rows[0].serial, 1);
	assert_int_equal(k.sessions.rows[SESSIONS_MAX - 1].serial,
	    SERIAL_SHARED);
	assert_false(keeper_note(&k, &a));
	/* A session that is over goes first. */
	k.sessions.rows[77].expires_s = NOW;
	assert_int_equal(login("", PASSWORD), E_OK);
	assert_int_equal(issue(&one, "s", DAY), E_OK);
	assert_int_equal(k.sessions.rows[77].serial, SERIAL_SHARED);
	assert_false(keeper_note(&k, &a));
}

static void
last_seen_is_written_lazily(void **state)
{
	unsigned writes;

	(void)state;
	shared("s", DAY);
	writes = disk.writes;
	now += 59;
	assert_int_equal(session(&token), E_OK);
	keeper_tick(&k, now);
	assert_int_equal(disk.writes, writes);
	now += 1;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(session(&token), E_OK);
	assert_int_equal(disk.writes, writes);
	keeper_tick(&k, now);
	assert_int_equal(disk.writes, writes + 1);
	assert_non_null(strstr(disk_text("sessions.json"),
	    "\"seen\":1700000060,"));
}

static void
refused_logins_are_told_in_sum(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(login("", "wrong password"), E_AUTH);
	keeper_tick(&k, now);
	keeper_tick(&k, now);
	assert_non_null(strstr(disk_text("audit.log"),
	    "{\"n\":1,\"t\":1700000000,\"what\":\"login.refused\","
	    "\"note\":\"3\"} "));
	assert_null(strstr(disk_text("audit.log"), "{\"n\":2"));
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
	static const uint32_t kinds[] = { 0, ASK_OP + 1, NOTE_SESSION,
		0xffffffff };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(ask_text((enum ask_kind)kinds[i], SL("")),
		    E_RANGE);
	for (unsigned kind = ASK_LOGIN; kind <= ASK_OP; kind++) {
		uint16_t *const lengths[] = { &q.text_n, &q.site_n,
			&q.user_n, &q.by_n, &q.from_n, &q.device_n };

		for (size_t i = 0; i < 6; i++) {
			begin((enum ask_kind)kind, SL(""));
			*lengths[i] = ASK_TEXT_MAX + 1;
			assert_int_equal(answer(), E_RANGE);
		}
		begin((enum ask_kind)kind, SL(""));
		q.now_s = UINT64_MAX;
		assert_int_equal(answer(), E_RANGE);
	}
	assert_int_equal(login("", PASSWORD), E_OK);
	assert_int_equal(issue(&token, "s", UINT64_MAX), E_RANGE);
	assert_int_equal(a.text_n, 0);
	/* The console asks for nothing but operations. */
	begin(ASK_LOGIN, SL(PASSWORD));
	assert_int_equal(keeper_console(&k, &q, &a), KEEPER_CONSOLE);
	assert_int_equal(a.result, E_RANGE);
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
		T(a_session_begins_only_after_a_login_and_once),
		T(a_session_that_cannot_be_written_is_none),
		T(nobody_pushes_out_anothers_session),
		T(last_seen_is_written_lazily),
		T(refused_logins_are_told_in_sum),
		T(a_full_disk_does_not_keep_a_session_alive),
		T(its_size_is_what_the_document_says),
		T(a_logout_in_the_future_ends_the_session_for_good),
		T(only_a_token_of_ours_and_of_its_site_ends_a_session),
		T(sessions_outlive_a_clock_that_jumps),
		T(device_cookies_are_ours_and_expire),
		T(signing_depends_on_text_and_key),
		T(questions_out_of_range_get_no_answer),
		T(what_may_be_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
