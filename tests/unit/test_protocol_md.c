/*
 * PROTOCOL.md against the code: each marked table has exactly the rows that
 * the X-macro of its name has, in that order, and the transcripts of section
 * 16 are those of the files in tests/vectors/tunnel, and the figures of the
 * channel are its constants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/envelope.h"
#include "relay/channel.h"
#include "state/strength.h"
#include "tunnel/hello.h"
#include "tunnel/tunnel.h"
#include "vec.h"

static struct slice doc;

static int
load(void **state)
{
	(void)state;
	doc = vec_load("PROTOCOL.md");
	return 0;
}

static int
unload(void **state)
{
	(void)state;
	vec_free(doc);
	return 0;
}

static struct slice
find(struct slice in, struct slice what)
{
	while (in.n >= what.n && !slice_starts(in, what))
		in = slice_from(in, 1);
	return in.n >= what.n ? in : (struct slice){ NULL, 0 };
}

/* What follows the marker of a table: its rows, without the two of its head. */
static struct slice
table(const char *name)
{
	uint8_t area[100];
	struct buf b = BUF_ON(area);
	struct slice s;

	buf_lit(&b, "<!-- table: ");
	buf_put(&b, str(name));
	buf_lit(&b, " -->\n");
	s = find(doc, buf_slice(&b));
	CHECK(s.n > 0, name);
	s = slice_from(s, b.n);
	slice_cut(&s, '\n');
	slice_cut(&s, '\n');
	return s;
}

/* The next row begins with these cells. */
static void
row(struct slice *rows, const char *cells)
{
	struct slice line = slice_cut(rows, '\n');

	CHECK(slice_starts(line, str(cells)), cells);
}

static void
no_more(struct slice rows, const char *name)
{
	CHECK(slice_cut(&rows, '\n').n == 0, name);
}

static char cells[256];

static void
tables_of_frames_are_the_codes(void **state)
{
	struct slice t = table("FRAME_LIST");

	(void)state;
#define X(name, type, stream, least, most)                              \
	snprintf(cells, sizeof cells, "| %d | %s | %s | %d | %d |",     \
	    type, #name, type == FRAME_CREDIT ? "both" :                \
	    stream ? "stream" : "session", least, most);                \
	row(&t, cells);
	FRAME_LIST(X)
#undef X
	no_more(t, "FRAME_LIST");
	t = table("APP_LIST");
#define X(name, kind, text, meaning)                                    \
	snprintf(cells, sizeof cells, "| %d | %s | %s | %s |",          \
	    kind, #name, text, meaning);                                \
	row(&t, cells);
	APP_LIST(X)
#undef X
	no_more(t, "APP_LIST");
}

#define X(name, code, text)                                             \
	snprintf(cells, sizeof cells, "| %d | %s | %s |", code, #name, text); \
	row(&t, cells);
#define CODES(list) do {                                                \
	struct slice t = table(#list);                                  \
	list(X)                                                         \
	no_more(t, #list);                                              \
} while (0)

static void
tables_of_codes_are_the_codes(void **state)
{
	(void)state;
	CODES(RESET_LIST);
	CODES(GOAWAY_LIST);
	CODES(CLOSE_LIST);
}
#undef X

#define X(name, value, text)                                            \
	snprintf(cells, sizeof cells, "| %s | %d | %s |", #name, value, text); \
	row(&t, cells);

static void
tables_of_limits_are_the_codes(void **state)
{
	(void)state;
	CODES(FRAME_LIMIT_LIST);
	CODES(WIRE_LIST);
	CODES(HELLO_LIMIT_LIST);
}
#undef X

#define X(name, text)                                                   \
	snprintf(cells, sizeof cells, "| %s | %s |", #name, text);      \
	row(&t, cells);

static void
tables_of_states_are_the_codes(void **state)
{
	(void)state;
	CODES(TUNNEL_STATE_LIST);
	CODES(STREAM_STATE_LIST);
}
#undef X

#define X(from, to, when)                                               \
	snprintf(cells, sizeof cells, "| %s | %s | %s |", #from, #to, when); \
	row(&t, cells);

static void
tables_of_edges_are_the_codes(void **state)
{
	(void)state;
	CODES(TUNNEL_EDGE_LIST);
	CODES(STREAM_EDGE_LIST);
}
#undef X

#define X(name, code, then)                                             \
	snprintf(cells, sizeof cells, "| %s | %s |", code, then);       \
	row(&t, cells);

static void
table_of_refusals_is_the_codes(void **state)
{
	(void)state;
	CODES(REFUSE_LIST);
}
#undef X

/* Every marked table is one that a test above looks at. */
static void
no_table_is_forgotten(void **state)
{
	static const char *const known[] = {
		"FRAME_LIST", "APP_LIST", "RESET_LIST", "GOAWAY_LIST",
		"CLOSE_LIST", "FRAME_LIMIT_LIST", "WIRE_LIST",
		"HELLO_LIMIT_LIST", "TUNNEL_STATE_LIST", "STREAM_STATE_LIST",
		"TUNNEL_EDGE_LIST", "STREAM_EDGE_LIST", "REFUSE_LIST",
	};
	struct slice rest = doc, name;
	size_t n = 0;

	(void)state;
	/* The first is the example in the introduction. */
	while ((rest = find(rest, SL("\n<!-- table: "))).n > 0) {
		bool found = false;

		rest = slice_from(rest, 13);
		name = slice_head(rest, slice_find(rest, ' '));
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
			found = found || slice_eq(name, str(known[i]));
		assert_true(found);
		n++;
	}
	assert_int_equal(n, sizeof known / sizeof known[0]);
}

/* Section 16 without the breaks of its lines: a break and 11 spaces. */
static struct slice
transcripts(uint8_t *area)
{
	struct slice in = find(doc, SL("\n<!-- transcripts -->\n"));
	size_t n = 0;

	while (in.n > 0) {
		if (slice_starts(in, SL("\n           "))) {
			in = slice_from(in, 12);
			continue;
		}
		area[n++] = in.p[0];
		in = slice_from(in, 1);
	}
	return slice_of(area, n);
}

static struct slice
member(struct json o, struct slice name, struct buf *b)
{
	struct json v;

	buf_reset(b);
	assert_int_equal(json_get(o, name, &v), E_OK);
	if (v.kind == JSON_STRING)
		assert_int_equal(json_string(v, b), E_OK);
	else
		buf_put(b, v.raw);
	return buf_slice(b);
}

/* One step as the document shows it. */
static void
show(struct buf *out, struct json step)
{
	uint8_t area[4096];
	struct buf b = BUF_ON(area);
	struct json fill;
	struct slice s;

	buf_reset(out);
	buf_lit(out, "    ");
	s = member(step, SL("dir"), &b);
	if (s.n == 0)
		s = SL("*");
	buf_put(out, s);
	for (size_t i = s.n; i < 7; i++)
		buf_lit(out, " ");
	buf_put(out, member(step, SL("text"), &b));
	buf_put(out, member(step, SL("hex"), &b));
	if ((s = member(step, SL("close"), &b)).n > 0) {
		buf_lit(out, "Close ");
		buf_put(out, s);
	}
	if ((s = member(step, SL("event"), &b)).n > 0) {
		buf_lit(out, "(");
		buf_put(out, s);
		buf_lit(out, ")");
	}
	assert_int_equal(json_get(step, SL("fill"), &fill), E_OK);
	if (fill.kind == JSON_OBJECT) {
		buf_lit(out, " + ");
		buf_put(out, member(fill, SL("hex"), &b));
		buf_lit(out, " x ");
		buf_put(out, member(fill, SL("count"), &b));
	}
	buf_lit(out, "-- ");
	buf_put(out, member(step, SL("note"), &b));
	buf_lit(out, "\n");
}

static void
transcripts_are_the_files(void **state)
{
	static const char *const files[] = {
		"first-hello", "one-request", "stop-and-reset",
		"cut-with-replay", "lost-welcome", "refused-proof", "go-away",
	};
	uint8_t *area = malloc(doc.n);
	static uint8_t line[8192];
	struct buf b = BUF_ON(line);
	struct slice in;
	size_t steps = 0, shown = 0;

	(void)state;
	assert_non_null(area);
	in = transcripts(area);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		struct slice text;
		struct json_iter it;
		struct json v, name, step;

		snprintf(cells, sizeof cells,
		    "tests/vectors/tunnel/%s.json", files[i]);
		text = vec_load(cells);
		assert_int_equal(json_parse(text, 8, &v), E_OK);
		json_iter(&it, v);
		while (json_next(&it, &name, &step)) {
			show(&b, step);
			in = find(in, buf_slice(&b));
			CHECK(in.n > 0, files[i]);
			in = slice_from(in, b.n);
			steps++;
		}
		vec_free(text);
	}
	in = transcripts(area);
	while ((in = find(in, SL("-- "))).n > 0) {
		in = slice_from(in, 3);
		shown++;
	}
	/* One comes from the marker itself: <!-- transcripts --> */
	assert_int_equal(shown, steps + 1);
	free(area);
}

/* The document, each run of blanks and breaks as one blank. */
static struct slice
flat(uint8_t *area)
{
	size_t n = 0;

	for (size_t i = 0; i < doc.n; i++) {
		uint8_t c = doc.p[i] == '\n' ? ' ' : doc.p[i];

		if (c != ' ' || n == 0 || area[n - 1] != ' ')
			area[n++] = c;
	}
	return slice_of(area, n);
}

static void
figures_of_the_channel_are_its_constants(void **state)
{
	static const struct { const char *text; double a, b, c; } rows[] = {
		{ "nest at most %g deep", ENVELOPE_DEPTH, 0, 0 },
		{ "`api_key` (%g characters", STRENGTH_JWT_MIN, 0, 0 },
		{ "`auth_key` (%g or more", AUTH_KEY_MIN, 0, 0 },
		{ "character; %g bytes of it are kept", NAME_BYTES, 0, 0 },
		{ "A field has at most %g bytes", FIELD_MAX, 0, 0 },
		{ "of %g to %g of `A-Z", STATION_ID_MIN, NAME_BYTES, 0 },
		{ "%g ids are kept", STATIONS_MAX, 0, 0 },
		{ "has 1 to %g bytes and names", DEVICE_BYTES_MAX, 0, 0 },
		{ "%g s after the last one", CHANNEL_LIFE_MS / 1e3, 0, 0 },
		{ "after %g s the connection is", CHANNEL_CLOSE_MS / 1e3, 0,
		    0 },
		{ "%g s without a role since the start or a ping, or %g s",
		    CHANNEL_HELLO_MS / 1e3, CHANNEL_STRANGER_MS / 1e3, 0 },
		{ "a frame above %g bytes", MESSAGE_SMALL, 0, 0 },
		{ "and %g MiB more, and for any socket %g messages or half of "
		    "all, %g for", QUEUE_SLACK >> 20, QUEUE_MAX,
		    STRANGER_QUEUE },
		{ "read nothing for %g s, and senders below %g KB/s after "
		    "%g s", CHANNEL_STALL_MS / 1e3, CHANNEL_SLOW_RATE,
		    CHANNEL_SLOW_MS / 1e3 },
		{ "no role, %g bytes", STRANGER_MAX, 0, 0 },
		{ "A body of 18.7 above %g bytes", MESSAGE_SMALL, 0, 0 },
		{ "The first %g bytes and room have to come within %g s (else "
		    "503), the rest within %g s more", MESSAGE_SMALL,
		    POST_ROOM_MS / 1e3, POST_MS / 1e3 },
		{ "at most %g M sockets, %g M messages that wait and %g M "
		    "polling", SOCKS_PER_MIB, MSGS_PER_MIB, WATCHES_PER_MIB },
		{ "(one above %g KiB is left out)", WATCH_ODD_MAX >> 10, 0, 0 },
		{ "or %g minutes without one", WATCH_AGE_MS / 6e4, 0, 0 },
		{ "the latest %g, at most %g MiB", WATCH_MESSAGES,
		    WATCH_BYTES >> 20, 0 },
		{ "ends after %g KiB", WATCH_ANSWER >> 10, 0, 0 },
		{ "(at most %g)", WATCH_WAIT_S_MAX, 0, 0 },
		{ "above %g MiB (413)", WATCH_BODY_MAX >> 20, 0, 0 },
	};
	uint8_t *area = malloc(doc.n);
	struct slice in = flat(area);
	char want[200];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		snprintf(want, sizeof want, rows[i].text, rows[i].a,
		    rows[i].b, rows[i].c);
		CHECK(find(in, str(want)).n > 0, want);
	}
	/* In words. */
	CHECK(GUESS_BURST == 10 && GUESS_PAUSE_MS == 2000 && GUESS_MS == 6000,
	    "after ten, two seconds later, every six seconds");
	assert_true(find(in, SL("After ten wrong keys")).n > 0);
	assert_true(find(in, SL("looked at two seconds later")).n > 0);
	assert_true(find(in, SL("forgotten every six seconds")).n > 0);
	free(area);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_of_the_channel_are_its_constants),
		cmocka_unit_test(tables_of_frames_are_the_codes),
		cmocka_unit_test(tables_of_codes_are_the_codes),
		cmocka_unit_test(tables_of_limits_are_the_codes),
		cmocka_unit_test(tables_of_states_are_the_codes),
		cmocka_unit_test(tables_of_edges_are_the_codes),
		cmocka_unit_test(table_of_refusals_is_the_codes),
		cmocka_unit_test(no_table_is_forgotten),
		cmocka_unit_test(transcripts_are_the_files),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
