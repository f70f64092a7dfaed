/*
 * hello, welcome, refused: what is written is read back the same, every
 * member has its bounds, and nothing but the one form is accepted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tunnel/hello.h"
#include "vec.h"

#define HELLO "{\"type\":\"hello\",\"protocol\":1,\"name\":\"mac\"," \
	"\"instance\":\"AAECAwQFBgcICQoLDA0ODw\",\"start\":true," \
	"\"tunnel_id\":\"Z6q62aKz-F96\",\"version\":\"0.1.0\"," \
	"\"apps\":[{\"name\":\"web\",\"kind\":\"http\"}]," \
	"\"limits\":{\"streams\":64,\"window\":65536,\"session\":4259840}," \
	"\"resume\":{\"session\":\"EBESExQVFhcYGRobHB0eHw\",\"attempt\":7," \
	"\"proof\":\"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8\"," \
	"\"received\":4711}}"

#define WELCOME "{\"type\":\"welcome\",\"protocol\":1," \
	"\"tunnel_id\":\"Z6q62aKz-F96\"," \
	"\"session\":\"EBESExQVFhcYGRobHB0eHw\"," \
	"\"secret\":\"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8\"," \
	"\"resumed\":false,\"received\":0," \
	"\"limits\":{\"streams\":64,\"window\":65536,\"session\":16842752}," \
	"\"urls\":[\"https://web.apps.example/\"]}"

static struct hello h;
static struct welcome w;

static enum err
parse_hello(struct slice json)
{
	struct slice g = guard_slice(json);
	enum err e = hello_parse(&h, g);

	guard_free(g);
	return e;
}

static enum err
parse_welcome(struct slice json)
{
	struct slice g = guard_slice(json);
	enum err e = welcome_parse(&w, g);

	guard_free(g);
	return e;
}

static void
a_hello_is_read_and_written_the_same(void **state)
{
	uint8_t area[HELLO_MAX];
	struct buf b = BUF_ON(area);
	struct slice json = SL(HELLO);

	(void)state;
	assert_int_equal(hello_parse(&h, json), E_OK);
	assert_true(slice_eq(h.name, SL("mac")));
	assert_true(slice_eq(h.version, SL("0.1.0")));
	assert_true(slice_eq(h.tunnel_id, SL("Z6q62aKz-F96")));
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(h.instance[i], i);
	assert_true(h.start && h.resume);
	assert_int_equal(h.napps, 1);
	assert_true(slice_eq(h.apps[0].name, SL("web")));
	assert_int_equal(h.apps[0].kind, APP_HTTP);
	assert_false(h.apps[0].is_public);
	assert_int_equal(h.limits.streams, 64);
	assert_int_equal(h.limits.window, 65536);
	assert_int_equal(h.limits.session, 4259840);
	assert_int_equal(h.attempt, 7);
	assert_int_equal(h.received, 4711);
	assert_int_equal(h.proof[31], 63);
	assert_true(hello_put(&b, &h));
	assert_true(slice_eq(buf_slice(&b), json));
	for (size_t cap = 0; cap < json.n; cap++) {
		b = buf_of(area, cap);
		assert_false(hello_put(&b, &h));
	}
}

static void
an_app_has_its_options(void **state)
{
	uint8_t area[HELLO_MAX];
	struct buf b = BUF_ON(area);

	(void)state;
	assert_int_equal(hello_parse(&h, SL(HELLO)), E_OK);
	h.resume = h.start = false;
	h.tunnel_id.n = 0;
	h.napps = 2;
	h.apps[1] = (struct hello_app){ .name = SL("dev"), .kind = APP_TCP,
	    .is_public = true, .host = SL("127.0.0.1:5173"),
	    .origin = SL("https://other.example") };
	assert_true(hello_put(&b, &h));
	assert_int_equal(hello_parse(&h, buf_slice(&b)), E_OK);
	assert_false(h.resume || h.start);
	assert_int_equal(h.tunnel_id.n, 0);
	assert_int_equal(h.napps, 2);
	assert_int_equal(h.apps[1].kind, APP_TCP);
	assert_true(h.apps[1].is_public);
	assert_true(slice_eq(h.apps[1].host, SL("127.0.0.1:5173")));
	assert_true(slice_eq(h.apps[1].origin, SL("https://other.example")));
}

static void
a_welcome_is_read_and_written_the_same(void **state)
{
	uint8_t area[HELLO_MAX];
	struct buf b = BUF_ON(area);
	struct slice json = SL(WELCOME);

	(void)state;
	assert_int_equal(welcome_parse(&w, json), E_OK);
	assert_false(w.refused || w.resumed);
	assert_int_equal(w.secret[0], 32);
	assert_int_equal(w.nurls, 1);
	assert_int_equal(w.limits.session, 16842752);
	assert_true(welcome_put(&b, &w));
	assert_true(slice_eq(buf_slice(&b), json));
	/* Resumed: the number and no secret. */
	w.resumed = true;
	w.received = 99;
	buf_reset(&b);
	assert_true(welcome_put(&b, &w));
	assert_int_equal(welcome_parse(&w, buf_slice(&b)), E_OK);
	assert_true(w.resumed);
	assert_int_equal(w.received, 99);
	assert_int_equal(w.secret[0], 0);
	for (size_t cap = 0; cap < 100; cap++) {
		b = buf_of(area, cap);
		assert_false(welcome_put(&b, &w));
	}
}

static void
refused_says_why(void **state)
{
	uint8_t area[100];
	struct buf b = BUF_ON(area);
	static const char *const bad[] = {
		"{\"type\":\"refused\"}",
		"{\"type\":\"refused\",\"code\":\"\"}",
		"{\"type\":\"refused\",\"code\":\"A\"}",
		"{\"type\":\"refused\",\"code\":7}",
		"{\"type\":\"refused\",\"code\":\"a\",\"code\":\"a\"}",
		("{\"type\":\"refused\","
		"\"code\":\"abcdefghijklmnopqrstuvwxyzabcdefg\"}"),
	};

	(void)state;
#define X(name, text, then) do {                                        \
		buf_reset(&b);                                          \
		assert_true(refused_put(&b, SL(text)));                 \
		assert_int_equal(welcome_parse(&w, buf_slice(&b)), E_OK); \
		assert_true(w.refused && slice_eq(w.code, SL(text)));   \
	} while (0);
	REFUSE_LIST(X)
#undef X
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK(parse_welcome(str(bad[i])) == E_MUX_HELLO, bad[i]);
}

/* One part of a text put in place of another. */
struct change { const char *why, *old, *new; bool ok; };

static void
run_changes(const char *base, const struct change *c, size_t n,
    enum err (*parse)(struct slice))
{
	static char text[4 * HELLO_MAX];

	for (size_t i = 0; i < n; i++, c++) {
		const char *at = strstr(base, c->old);
		enum err e;

		assert_non_null(at);
		snprintf(text, sizeof text, "%.*s%s%s", (int)(at - base),
		    base, c->new, at + strlen(c->old));
		e = parse(str(text));
		if ((e == E_OK) != c->ok || (!c->ok && e != E_MUX_HELLO))
			fail_msg("%s: %s", c->why, err_name(e));
	}
}

#define M53 "9007199254740991"

static const struct change hellos[] = {
	{ "unknown members are passed over", "\"start\"",
	    "\"x\":[{}],\"start\"", true },
	{ "white space", "\"start\":true", " \"start\" :\n\ttrue ", true },
	{ "another type", "\"hello\"", "\"helo\"", false },
	{ "no type", "\"type\"", "\"typ\"", false },
	{ "protocol 2", "\"protocol\":1", "\"protocol\":2", false },
	{ "protocol as text", "\"protocol\":1", "\"protocol\":\"1\"", false },
	{ "protocol 1.0", "\"protocol\":1", "\"protocol\":1.0", false },
	{ "a member twice", "\"start\":true", "\"start\":true,\"start\":true",
	    false },
	{ "a member twice, escaped", "\"start\":true",
	    "\"start\":true,\"st\\u0061rt\":true", false },
	{ "an unknown member twice", "\"start\"", "\"x\":1,\"x\":1,\"start\"",
	    false },
	{ "a null", "\"tunnel_id\":\"Z6q62aKz-F96\"", "\"tunnel_id\":null",
	    false },
	{ "start as a number", "\"start\":true", "\"start\":1", false },
	{ "no start", "\"start\":true,", "", false },
	{ "no name", "\"name\":\"mac\",", "", false },
	{ "a name of the wrong form", "\"mac\"", "\"Mac\"", false },
	{ "a name with an escape", "\"mac\"", "\"m\\u0061c\"", false },
	{ "a name of 30", "\"mac\"", "\"abcdefghijklmnopqrstuvwxyz0123\"",
	    true },
	{ "a name of 31", "\"mac\"", "\"abcdefghijklmnopqrstuvwxyz01234\"",
	    false },
	{ "an instance too short", "AAECAwQFBgcICQoLDA0ODw",
	    "AAECAwQFBgcICQoLDA0O", false },
	{ "an instance too long", "AAECAwQFBgcICQoLDA0ODw",
	    "AAECAwQFBgcICQoLDA0ODxA", false },
	{ "an instance with loose bits", "AAECAwQFBgcICQoLDA0ODw",
	    "AAECAwQFBgcICQoLDA0ODx", false },
	{ "an instance with padding", "AAECAwQFBgcICQoLDA0ODw",
	    "AAECAwQFBgcICQoLDA0ODw==", false },
	{ "no tunnel_id", "\"tunnel_id\":\"Z6q62aKz-F96\",", "", true },
	{ "tunnel_id of 11", "Z6q62aKz-F96", "Z6q62aKz-F9", false },
	{ "tunnel_id of 13", "Z6q62aKz-F96", "Z6q62aKz-F966", false },
	{ "tunnel_id with +", "Z6q62aKz-F96", "Z6q62aKz+F96", false },
	{ "an empty version", "\"0.1.0\"", "\"\"", true },
	{ "no version", "\"version\":\"0.1.0\",", "", false },
	{ "a version with a space", "\"0.1.0\"", "\"0 1\"", false },
	{ "a version of 65", "\"0.1.0\"", "\"12345678901234567890123456789012"
	    "345678901234567890123456789012345\"", false },
	{ "no apps", "[{\"name\":\"web\",\"kind\":\"http\"}]", "[]", true },
	{ "apps as an object", "[{\"name\":\"web\",\"kind\":\"http\"}]", "{}",
	    false },
	{ "an app as a string", "{\"name\":\"web\",\"kind\":\"http\"}",
	    "\"web\"", false },
	{ "an app of no kind", ",\"kind\":\"http\"", "", false },
	{ "an app of an unknown kind", "\"http\"", "\"udp\"", false },
	{ "an app without a name", "\"name\":\"web\",", "", false },
	{ "two apps of one name", "{\"name\":\"web\",\"kind\":\"http\"}",
	    "{\"name\":\"web\",\"kind\":\"http\"},"
	    "{\"name\":\"web\",\"kind\":\"tcp\"}", false },
	{ "public as text", "\"kind\":\"http\"",
	    "\"kind\":\"http\",\"public\":\"yes\"", false },
	{ "a host with a space", "\"kind\":\"http\"",
	    "\"kind\":\"http\",\"host\":\"a b\"", false },
	{ "a host with CR and LF", "\"kind\":\"http\"",
	    "\"kind\":\"http\",\"host\":\"a\\r\\nb\"", false },
	{ "an origin with a quote", "\"kind\":\"http\"",
	    "\"kind\":\"http\",\"origin\":\"a\\\"b\"", false },
	{ "streams 0", "\"streams\":64", "\"streams\":0", false },
	{ "streams above the most", "\"streams\":64", "\"streams\":16385",
	    false },
	{ "streams 1", "\"streams\":64", "\"streams\":1", true },
	{ "a window too small", "65536", "16383", false },
	{ "a window too large", "65536", "4194305", false },
	{ "the smallest window", "65536", "16384", true },
	{ "a session that could schedule", "4259840", "4259839", false },
	{ "a session above 2^31 - 1", "4259840", "2147483648", false },
	{ "the largest session", "4259840", "2147483647", true },
	{ "no limits", "\"limits\"", "\"limit\"", false },
	{ "attempt 0", "\"attempt\":7", "\"attempt\":0", false },
	{ "attempt 2^53 - 1", "\"attempt\":7", "\"attempt\":" M53, true },
	{ "attempt 2^53", "\"attempt\":7", "\"attempt\":9007199254740992",
	    false },
	{ "received -1", "4711", "-1", false },
	{ "received 2^53 - 1", "4711", M53, true },
	{ "received as 1e3", "4711", "1e3", false },
	{ "a proof too short", "\"proof\":\"ICEi", "\"proof\":\"ICE", false },
	{ "a session too long", "\"session\":\"EBES", "\"session\":\"EBESA",
	    false },
	{ "no proof", "\"proof\"", "\"prof\"", false },
	{ "resume as true", "\"resume\":{", "\"resume\":true,\"y\":{", false },
	{ "a byte too many", "4711}}", "4711}}x", false },
	{ "cut short", "4711}}", "4711}", false },
	{ "nested too deeply", "\"start\"",
	    "\"x\":[[[[[[[[]]]]]]]],\"start\"", false },
};

static void
each_member_of_a_hello_has_its_bounds(void **state)
{
	(void)state;
	run_changes(HELLO, hellos, sizeof hellos / sizeof hellos[0],
	    parse_hello);
}

static const struct change welcomes[] = {
	{ "unknown members are passed over", "\"urls\"", "\"x\":{},\"urls\"",
	    true },
	{ "a hello", "\"welcome\"", "\"hello\"", false },
	{ "protocol 0", "\"protocol\":1", "\"protocol\":0", false },
	{ "no tunnel_id", "\"tunnel_id\":\"Z6q62aKz-F96\",", "", false },
	{ "no session", "\"session\":\"EBESExQVFhcYGRobHB0eHw\",", "", false },
	{ "no secret", "\"secret\":\"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw"
	    "9Pj8\",", "", false },
	{ "a secret when resumed", "\"resumed\":false", "\"resumed\":true",
	    false },
	{ "received in a new session", "\"received\":0", "\"received\":1",
	    false },
	{ "no urls", "[\"https://web.apps.example/\"]", "[]", true },
	{ "a url that is a number", "\"https://web.apps.example/\"", "1",
	    false },
	{ "a url with a space", "apps.example", "apps example", false },
	{ "a url that a writer has to escape", "apps.example", "apps<example",
	    false },
	{ "no limits", "\"limits\"", "\"limit\"", false },
	{ "a limit missing", "\"window\":65536,", "", false },
};

static void
each_member_of_a_welcome_has_its_bounds(void **state)
{
	(void)state;
	run_changes(WELCOME, welcomes, sizeof welcomes / sizeof welcomes[0],
	    parse_welcome);
}

static void
every_front_of_a_message_is_refused(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof HELLO - 1; n++)
		assert_int_equal(parse_hello(slice_head(SL(HELLO), n)),
		    E_MUX_HELLO);
	for (size_t n = 0; n < sizeof WELCOME - 1; n++)
		assert_int_equal(parse_welcome(slice_head(SL(WELCOME), n)),
		    E_MUX_HELLO);
}

static void
as_many_apps_and_urls_as_allowed(void **state)
{
	static uint8_t area[64 * 1024];
	struct buf b = BUF_ON(area);
	char name[HELLO_APPS_MAX][16];

	(void)state;
	assert_int_equal(hello_parse(&h, SL(HELLO)), E_OK);
	for (int i = 0; i < HELLO_APPS_MAX; i++) {
		snprintf(name[i], sizeof name[i], "a%d", i);
		h.apps[i] = (struct hello_app){ .name = str(name[i]),
		    .kind = APP_HTTP };
	}
	h.napps = HELLO_APPS_MAX;
	assert_true(hello_put(&b, &h));
	assert_int_equal(parse_hello(buf_slice(&b)), E_OK);
	assert_int_equal(h.napps, HELLO_APPS_MAX);
	/* One more: the list's end is put behind another element. */
	buf_reset(&b);
	buf_lit(&b, "{\"type\":\"welcome\",\"protocol\":1,"
	    "\"tunnel_id\":\"Z6q62aKz-F96\","
	    "\"session\":\"EBESExQVFhcYGRobHB0eHw\",\"resumed\":true,"
	    "\"received\":0,\"limits\":{\"streams\":64,\"window\":65536,"
	    "\"session\":16842752},\"urls\":[\"u\"");
	for (int i = 1; i < HELLO_URLS_MAX; i++)
		buf_lit(&b, ",\"u\"");
	buf_lit(&b, "]}");
	assert_int_equal(parse_welcome(buf_slice(&b)), E_OK);
	assert_int_equal(w.nurls, HELLO_URLS_MAX);
	b.n -= 2;
	buf_lit(&b, ",\"u\"]}");
	assert_int_equal(parse_welcome(buf_slice(&b)), E_MUX_HELLO);
}

/* The value was computed with Python's hmac. */
static void
a_proof_binds_session_attempt_and_position(void **state)
{
	static const uint8_t want[32] = {
		0x80, 0xcd, 0xe9, 0x73, 0x4b, 0xc5, 0xbb, 0x55,
		0x65, 0xa1, 0x25, 0x36, 0x77, 0xb2, 0xa7, 0x0c,
		0xbf, 0x62, 0x9e, 0x19, 0x70, 0x3a, 0xee, 0xd2,
		0xe9, 0x69, 0x8f, 0x38, 0xf4, 0x71, 0x0b, 0xa8,
	};
	uint8_t secret[32], proof[32], other[32];
	struct slice session = SL("EBESExQVFhcYGRobHB0eHw");

	(void)state;
	for (uint8_t i = 0; i < 32; i++)
		secret[i] = (uint8_t)(32 + i);
	assert_int_equal(hello_proof(proof, secret, session, 1, 2), E_OK);
	assert_memory_equal(proof, want, 32);
	hello_proof(other, secret, session, 2, 2);
	assert_memory_not_equal(proof, other, 32);
	hello_proof(other, secret, session, 1, 3);
	assert_memory_not_equal(proof, other, 32);
	hello_proof(other, secret, SL("EBESExQVFhcYGRobHB0eHg"), 1, 2);
	assert_memory_not_equal(proof, other, 32);
	secret[0] ^= 1;
	hello_proof(other, secret, session, 1, 2);
	assert_memory_not_equal(proof, other, 32);
	assert_int_equal(hello_proof(other, secret, SL("EBES"), 1, 2),
	    E_SYNTAX);
	assert_int_equal(hello_proof(other, secret,
	    SL("EBESExQVFhcYGRobHB0eHx"), 1, 2), E_SYNTAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_is_read_and_written_the_same),
		cmocka_unit_test(an_app_has_its_options),
		cmocka_unit_test(a_welcome_is_read_and_written_the_same),
		cmocka_unit_test(refused_says_why),
		cmocka_unit_test(each_member_of_a_hello_has_its_bounds),
		cmocka_unit_test(each_member_of_a_welcome_has_its_bounds),
		cmocka_unit_test(every_front_of_a_message_is_refused),
		cmocka_unit_test(as_many_apps_and_urls_as_allowed),
		cmocka_unit_test(a_proof_binds_session_attempt_and_position),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
