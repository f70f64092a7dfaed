/*
 * The channel in the virtual world: what time, memory and restarts do to it.
 * After every step tests/sim/rig.c looks whether each block and each reference
 * has an owner. What programs see otherwise is tests/e2e/channel.test.mjs.
 */
#include "relay_test.h"

#include "relay/channel.h"

#define AUTH_KEY "0123456789abcdef"
#define ID "kept-id-0001"

static void
set_channel(uint64_t message_max)
{
	begin();
	g.cfg.channel = true;
	g.cfg.no_login = true;
	g.cfg.channel_message_max = message_max;
}

static void
begin_channel(uint64_t message_max)
{
	set_channel(message_max);
	rig_start(&g);
}

static struct cl *
dial(const char *ip)
{
	struct cl *c = cl_new(&g, ip, NULL);

	cl_put(c, "GET /ws HTTP/1.1\r\n" HOST UPGRADE VERSION KEY "\r\n");
	rig_settle(&g);
	assert_true(cl_has(c, "101 Switching"));
	c->in.n = 0;
	return c;
}

static void
put_frame(struct cl *c, unsigned opcode, bool fin, const char *text, size_t n)
{
	uint8_t head[WS_HEAD_MAX];
	struct ws_frame f = { .length = n, .opcode = (uint8_t)opcode,
		.fin = fin, .masked = true };

	cl_putn(c, head, ws_encode_raw(head, &f));
	cl_putn(c, text, n);
}

static void
say(struct cl *c, const char *text)
{
	put_frame(c, WS_TEXT, true, text, strlen(text));
}

static struct cl *
station(const char *ip)
{
	struct cl *c = dial(ip);

	say(c, "{\"type\":\"workstation.register\",\"payload\":{\"api_key\":\""
	    RIG_CHANNEL_KEY "\",\"name\":\"mac\",\"auth_key\":\"" AUTH_KEY "\","
	    "\"reconnect\":true,\"previous_tunnel_id\":\"" ID "\"}}");
	rig_settle(&g);
	assert_true(cl_has(c, "workstation.registered"));
	return c;
}

static struct cl *
begin_station(uint64_t message_max)
{
	begin_channel(message_max);
	return station(A1);
}

static void
say_connect(struct cl *c, const char *device, const char *key)
{
	char text[300];

	snprintf(text, sizeof text, "{\"type\":\"connect\",\"payload\":{"
	    "\"tunnel_id\":\"" ID "\",\"auth_key\":\"%s\","
	    "\"device_id\":\"%s\"}}", key, device);
	say(c, text);
}

static struct cl *
join(const char *ip, const char *device)
{
	struct cl *c = dial(ip);

	say_connect(c, device, AUTH_KEY);
	rig_settle(&g);
	assert_true(cl_has(c, "\"connected\""));
	c->in.n = 0;
	return c;
}

/* A message of n bytes of the type `name`. */
static const char *
large(const char *name, size_t n)
{
	static char area[1 << 20];
	int k = snprintf(area, sizeof area, "{\"type\":\"%s\",\"x\":\"", name);

	assert_true(n < sizeof area - 8);
	memset(area + k, 'x', n - (size_t)k - 2);
	memcpy(area + n - 2, "\"}", 3);
	return area;
}

/* Let so much time pass, everybody pinging who is given. */
static void
pass(uint64_t ms, struct cl *a, struct cl *b)
{
	for (uint64_t t = 0; t < ms; t += 4000) {
		if (a != NULL)
			say(a, "{\"type\":\"ping\",\"timestamp\":1}");
		if (b != NULL)
			say(b, "{\"type\":\"ping\",\"timestamp\":1}");
		rig_run(&g, 4000);
	}
}

static void
silence_has_its_limits(void **state)
{
	struct cl *w, *c, *s;
	uint64_t at;

	(void)state;
	w = begin_station(1 << 20);
	c = join(C1, "one");
	s = dial(C2);
	at = world_now(g.w);
	pass(40000, w, NULL);
	assert_true(s->eof && s->end_ms - at <= 15200 &&
	    s->end_ms - at >= 14900);
	assert_true(cl_has(s, "Not authenticated"));
	assert_true(c->eof && c->end_ms - at <= 20000 &&
	    c->end_ms - at >= 15000);
	assert_true(cl_has(c, "Connection timed out"));
	assert_true(cl_has(w, "client.disconnected"));
	assert_false(w->eof);
	/* Pings keep a stranger for a minute, and no longer. */
	s = dial(C2);
	at = world_now(g.w);
	pass(80000, w, s);
	assert_true(s->eof && s->end_ms - at <= 60200);
	rig_close(&g);
}

/* Neither what it says nor a ping frame stands for the ping of the channel. */
static void
data_is_no_ping(void **state)
{
	struct cl *w, *c;
	uint64_t at;

	(void)state;
	w = begin_station(1 << 20);
	c = join(C1, "one");
	at = world_now(g.w);
	for (unsigned i = 0; i < 20 && !c->eof; i++) {
		say(c, "{\"type\":\"data\"}");
		put_frame(c, WS_PING, true, "hi", 2);
		pass(2000, w, NULL);
	}
	assert_true(c->eof && cl_has(c, "Connection timed out"));
	assert_in_range(c->end_ms - at, 15000, 20000);
	rig_close(&g);
}

/* Connect with that key: the time until the wanted answer. */
static uint64_t
answered_after(struct cl *c, const char *key, const char *want)
{
	uint64_t at = world_now(g.w);

	c->in.n = 0;
	say_connect(c, "one", key);
	while (!cl_has(c, want)) {
		assert_true(world_now(g.w) - at < 10000);
		rig_run(&g, 10);
	}
	return world_now(g.w) - at;
}

static uint64_t
guess(struct cl *c)
{
	return answered_after(c, "fedcba9876543210", "INVALID_AUTH_KEY");
}

static void
who_guesses_keys_waits(void **state)
{
	struct cl *c;

	(void)state;
	begin_station(1 << 20);
	c = dial(C1);
	for (unsigned i = 0; i < GUESS_BURST; i++)
		assert_in_range(guess(c), 0, 100);
	(void)guess(c);                 /* a moment has passed meanwhile */
	for (unsigned i = 0; i < 5; i++)
		assert_in_range(guess(c), GUESS_PAUSE_MS, GUESS_PAUSE_MS + 100);
	/* The right one, from elsewhere, is not refused; and time forgives. */
	assert_in_range(answered_after(dial(C2), AUTH_KEY, "\"connected\""), 0,
	    GUESS_PAUSE_MS + 100);
	rig_run(&g, 2 * GUESS_MS);
	station(A1);
	assert_in_range(guess(dial(C1)), 0, 100);
	rig_close(&g);
}

static void
ids_survive_a_restart(void **state)
{
	struct cl *w;

	(void)state;
	w = begin_station(1 << 20);
	assert_false(cl_has(w, "restored"));
	assert_null(memmem(world_file(g.host, "channel.json").p,
	    world_file(g.host, "channel.json").n, AUTH_KEY, strlen(AUTH_KEY)));
	rig_kill(&g);
	rig_run(&g, 1000);
	rig_again(&g);
	w = station(A2);
	assert_true(cl_has(w, "\"restored\":true"));
	rig_close(&g);
}

static void
damaged_ids_are_not_taken(void **state)
{
#define ROW(id, key, seen) "{\"workstations\":[{\"id\":\"" id "\","    \
	"\"key\":\"" key "\",\"name\":\"n\",\"seen\":" seen "}]}"
#define HASH "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	static const char *const v[] = { "{", "{}", "[]",
		"{\"workstations\":[{}]}", ROW("short", HASH, "1"),
		ROW("long-enough-1", "AAAA", "1"),
		ROW("long-enough-1", HASH, "-1"),
		ROW("long-enough 1", HASH, "1") };
	static const char good[] = ROW("long-enough-1", HASH, "1");

	(void)state;
	begin_channel(1 << 20);
	for (size_t i = 0; i < sizeof v / sizeof v[0]; i++)
		assert_int_equal(relay_load_channel(g.r, slice_of(v[i],
		    strlen(v[i]))), E_SYNTAX);
	assert_int_equal(relay_load_channel(g.r, slice_of(good,
	    sizeof good - 1)), E_OK);
	rig_close(&g);
}

/* All ids but one; the one with the number `oldest` is away longest, then the
 * next ones. */
static void
load_ids(unsigned oldest)
{
	static uint8_t text[STATIONS_MAX * 128];
	struct buf b = BUF_ON(text);
	unsigned n = STATIONS_MAX - 1;

	buf_lit(&b, "{\"workstations\":[");
	for (unsigned i = 0; i < n; i++) {
		char row[128];
		int k = snprintf(row, sizeof row, "%s{\"id\":\"long-enough-"
		    "%03u\",\"key\":\"" HASH "\",\"name\":\"n\","
		    "\"seen\":%u}", i > 0 ? "," : "", i,
		    1000 + (i + n - oldest) % n);

		buf_put(&b, slice_of(row, (size_t)k));
	}
	buf_lit(&b, "]}");
	assert_true(buf_ok(&b));
	assert_int_equal(relay_load_channel(g.r, buf_slice(&b)), E_OK);
}

static bool
is_kept(unsigned i)
{
	char id[32];
	int n = snprintf(id, sizeof id, "long-enough-%03u", i);

	return station_find(g.r, slice_of(id, (size_t)n)) != NULL;
}

static void
ask_anew(struct cl *c)
{
	c->in.n = 0;
	say(c, "{\"type\":\"workstation.register\",\"payload\":{\"api_key\":\""
	    RIG_CHANNEL_KEY "\",\"name\":\"new\",\"auth_key\":\"" AUTH_KEY
	    "\"}}");
	rig_settle(&g);
}

/* One more registration of the socket, under a new id. */
static void
register_anew(struct cl *c)
{
	ask_anew(c);
	assert_true(cl_has(c, "workstation.registered"));
}

static void
the_longest_away_makes_room_an_online_one_never(void **state)
{
	enum { OLDEST = 150 };
	struct cl *w, *c;

	(void)state;
	begin_channel(1 << 20);
	load_ids(OLDEST);
	w = station(A1);
	station_find(g.r, SL(ID))->seen_s = 0;
	c = dial(A2);
	for (unsigned n = 0; n < STATIONS_MAX - 1; n++) {
		unsigned i = (OLDEST + n) % (STATIONS_MAX - 1);

		assert_true(is_kept(i));
		register_anew(c);
		assert_false(is_kept(i));
	}
	assert_non_null(station_find(g.r, SL(ID))->sock);
	assert_false(w->eof);
	rig_close(&g);
}

/* A device polls the id that the socket was just given. */
static void
poll_given(struct cl *c, const struct cl *w)
{
	static const char before[] = "\"tunnel_id\":\"";
	const char *at = memmem(w->in.p, w->in.n, before, strlen(before));
	char path[300];

	assert_non_null(at);
	snprintf(path, sizeof path, "/api/v1/watch/state?tunnel_id=%.12s"
	    "&device_id=w&auth_key=" AUTH_KEY, at + strlen(before));
	assert_int_equal(get(c, path, ""), 200);
}

/* An id with a polling device stays; where all have one nobody comes in, and
 * who asked stays what it was. */
static void
ids_that_are_in_use_stay(void **state)
{
	struct cl *w, *c;

	(void)state;
	set_channel(1 << 20);
	g.cfg.memory_bytes = (uint64_t)STATIONS_MAX / WATCHES_PER_MIB << 20;
	rig_start(&g);
	w = station(A1);
	c = cl_new(&g, C1, NULL);
	for (unsigned n = 1; n < STATIONS_MAX; n++) {
		register_anew(w);
		poll_given(c, w);
	}
	/* The first is offline and nobody's: it goes. */
	register_anew(w);
	assert_null(station_find(g.r, SL(ID)));
	poll_given(c, w);
	ask_anew(w);
	assert_true(cl_has(w, "INTERNAL_ERROR"));
	assert_false(cl_has(w, "workstation.registered"));
	assert_int_equal(channel_online(g.r), 1);
	pass(WATCH_AGE_MS + 6000, w, NULL);
	register_anew(w);
	rig_close(&g);
}

static void
restart(void)
{
	rig_kill(&g);
	rig_run(&g, 1000);
	rig_again(&g);
}

static uint64_t
seen_s(void)
{
	return station_find(g.r, SL(ID))->seen_s;
}

/* An hour online. */
static struct cl *
an_hour(uint64_t *end_s)
{
	struct cl *w = station(A1);

	*end_s = seen_s() + 3600;
	pass(3600 * 1000, w, NULL);
	return w;
}

/* When a workstation was seen last is known after a restart, an orderly one or
 * not, when it had left and when it is online. */
static void
when_an_id_was_seen_survives_a_restart(void **state)
{
	uint64_t end_s;

	(void)state;
	begin_channel(1 << 20);
	cl_close(an_hour(&end_s), true);
	rig_settle(&g);
	restart();
	assert_in_range(seen_s(), end_s, end_s + 10);
	an_hour(&end_s);
	register_anew(dial(A2));        /* the file is written */
	restart();
	assert_in_range(seen_s(), end_s, end_s + 10);
	an_hour(&end_s);
	relay_stop(g.r, world_io(g.host));
	rig_settle(&g);
	restart();
	assert_in_range(seen_s(), end_s, end_s + 10);
	rig_close(&g);
}

static size_t
file_bytes(void)
{
	return world_file(g.host, "channel.json").n;
}

/* Who registers again and again does not keep the disk busy; a successor
 * finds all. */
static void
ids_are_written_once_a_second(void **state)
{
	struct cl *w;
	size_t n;

	(void)state;
	w = begin_station(1 << 20);
	n = file_bytes();               /* written at once */
	for (int i = 0; i < 5; i++)
		register_anew(w);
	assert_int_equal(file_bytes(), n);
	rig_run(&g, 1000);
	assert_true(file_bytes() > 5 * n);
	n = file_bytes();
	register_anew(w);
	assert_int_equal(file_bytes(), n);
	relay_hold(g.r, world_io(g.host), true);
	assert_true(file_bytes() > n);
	rig_close(&g);
}

static unsigned
count(const struct cl *c, const char *text)
{
	const char *at = c->in.p, *end = at + c->in.n;
	unsigned n = 0;

	while ((at = memmem(at, (size_t)(end - at), text, strlen(text))) !=
	    NULL) {
		at++;
		n++;
	}
	return n;
}

static void
that_a_workstation_is_offline_is_told_once(void **state)
{
	struct cl *w, *c;

	(void)state;
	w = begin_station(1 << 20);
	c = join(C1, "one");
	cl_close(w, true);
	pass(120000, c, NULL);
	assert_false(c->eof);
	assert_int_equal(count(c, "workstation_offline"), 1);
	w = station(A2);
	assert_int_equal(count(c, "workstation_online"), 1);
	rig_close(&g);
}

static void
a_socket_lives_on_under_its_second_id(void **state)
{
	struct cl *w;

	(void)state;
	w = begin_station(1 << 20);
	register_anew(w);
	assert_null(station_find(g.r, SL(ID))->sock);
	assert_int_equal(channel_online(g.r), 1);
	pass(60000, w, NULL);
	assert_false(w->eof);
	assert_int_equal(channel_online(g.r), 1);
	rig_close(&g);
}

/* Two senders, room for one message: `a` sends this much of the first, then
 * `b` all of the second. The workstation. */
static struct cl *
little_room(struct cl **a, struct cl **b, size_t sent)
{
	struct cl *w = begin_station(512 * 1024);

	*a = join(C1, "a");
	*b = join(C2, "b");
	g.r->channel->budget = blocks_for(500 * 1024);
	put_frame(*a, WS_TEXT, true, large("first", 500000), 500000);
	(*a)->out.n -= 500000 - sent;
	rig_settle(&g);
	put_frame(*b, WS_TEXT, true, large("second", 400000), 400000);
	rig_settle(&g);
	return w;
}

/* The second is not read until the first one's has gone, and then nothing of
 * it is lost. */
static void
a_large_message_waits_unread_for_room(void **state)
{
	struct cl *w, *a, *b, *small;
	struct channel *ch;

	(void)state;
	w = little_room(&a, &b, 400000);
	small = join(C3, "small");
	ch = g.r->channel;
	assert_true(b->out.n > 0);
	say(small, "{\"type\":\"tiny\"}");
	rig_settle(&g);
	assert_true(cl_has(w, "\"tiny\""));
	assert_false(cl_has(w, "\"second\""));
	assert_true(ch->used <= ch->budget);
	cl_putn(a, large("first", 500000) + 400000, 100000);
	for (int i = 0; i < 100; i++)
		rig_settle(&g);
	assert_true(cl_has(w, "\"first\"") && cl_has(w, "\"second\""));
	assert_int_equal(ch->used, 0);
	ch->budget = g.plan.channel_blocks;
	rig_close(&g);
}

/* Whoever holds the room and sends at a crawl makes way. */
static void
a_dribbling_sender_makes_way(void **state)
{
	struct cl *w, *a, *b;

	(void)state;
	w = little_room(&a, &b, 5000);
	pass(16000, w, NULL);
	assert_true(a->eof && cl_has(a, "Messages were not read"));
	assert_true(cl_has(w, "\"second\""));
	g.r->channel->budget = g.plan.channel_blocks;
	rig_close(&g);
}

static void
fragments_are_one_message(void **state)
{
	struct cl *w, *a;

	(void)state;
	w = begin_station(512 * 1024);
	a = join(C1, "a");
	put_frame(a, WS_TEXT, false, large("long", 300000), 1000);
	put_frame(a, WS_PING, true, "hi", 2);
	put_frame(a, WS_CONT, false, large("long", 300000) + 1000, 200000);
	put_frame(a, WS_CONT, true, large("long", 300000) + 201000, 99000);
	for (int i = 0; i < 50; i++)
		rig_settle(&g);
	assert_true(cl_has(a, "hi"));
	assert_true(cl_has(w, "\"long\""));
	assert_int_equal(g.r->channel->used, 0);
	put_frame(a, WS_TEXT, false, large("long", 300000), 300000);
	put_frame(a, WS_CONT, true, large("long", 300000), 300000);
	rig_settle(&g);
	assert_true(a->in.n >= 4 && cl_has(a, "\x88\x02\x03\xf1"));  /* 1009 */
	rig_close(&g);
}

/* Does the relay go on reading, after its last word, whoever has so much more
 * to send? */
static bool
is_read_out(struct cl *c, size_t bytes)
{
	static const char junk[1 << 16];

	for (size_t at = 0; at < bytes && !c->broken; at += sizeof junk) {
		cl_putn(c, junk, sizeof junk);
		rig_run(&g, 5);
	}
	return !c->broken;
}

/* So that the Close with 1009 is not lost to a reset; nobody else has so much
 * read for nothing. */
static void
who_sends_too_much_is_read_to_its_end(void **state)
{
	enum { MAX = 6 << 20, MIB = 1 << 20 };
	struct ws_frame f = { .length = MAX + 1, .opcode = WS_TEXT,
		.fin = true, .masked = true };
	uint8_t head[WS_HEAD_MAX];
	struct cl *a, *b;

	(void)state;
	begin_channel(MAX);
	a = dial(C1);
	cl_putn(a, head, ws_encode_raw(head, &f));
	rig_settle(&g);
	assert_true(cl_has(a, "\x88\x02\x03\xf1"));   /* 1009 */
	assert_true(is_read_out(a, MAX + MIB));
	b = cl_new(&g, C2, NULL);
	cl_put(b, "POST /api/v1/watch/connect HTTP/1.1\r\n" HOST
	    "Content-Type: application/json\r\n"
	    "Content-Length: 99999999\r\n\r\n");
	rig_settle(&g);
	assert_int_equal(cl_take(b, false), 413);
	assert_true(is_read_out(b, LINGER_BYTES - MIB));
	assert_false(is_read_out(b, 2 * MIB));
	rig_close(&g);
}

/* A device that polls: the status. */
static unsigned
watch(struct cl *c, const char *more)
{
	char path[400];

	snprintf(path, sizeof path, "/api/v1/watch/messages?tunnel_id=" ID
	    "&device_id=w&auth_key=" AUTH_KEY "%s", more);
	return get(c, path, "");
}

/* A poll with `wait` holds a request and no more: it ends when a message
 * comes, after its time, with its client, and when the relay stops. */
static void
a_long_poll_ends(void **state)
{
	struct cl *w, *c, *d;
	uint64_t at;

	(void)state;
	w = begin_station(1 << 20);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(watch(c, ""), 200);
	at = world_now(g.w);
	assert_int_equal(watch(c, "&wait=4"), 200);
	assert_true(world_now(g.w) - at >= 4000);
	assert_true(cl_body_has(c, "\"messages\":[]"));
	assert_int_equal(watch(c, "&wait=25"), 0);
	say(w, "{\"type\":\"news\"}");
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 200);
	assert_true(cl_body_has(c, "\"data\":{\"type\":\"news\"}"));
	d = cl_new(&g, C2, NULL);
	assert_int_equal(watch(d, "&since=1&wait=25"), 0);
	assert_int_equal(g.r->small.used, 1);
	cl_close(d, true);
	rig_settle(&g);
	assert_int_equal(g.r->small.used, 0);
	rig_close(&g);
}

/* Queues of devices give way when there are no more messages to be had. */
static void
queues_give_way(void **state)
{
	struct cl *w, *c;

	(void)state;
	w = begin_station(1 << 20);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(watch(c, ""), 200);
	g.r->channel->msgs.cap = 10;
	for (int i = 0; i < 40; i++)
		say(w, "{\"type\":\"news\"}");
	say(w, "{\"type\":\"last\"}");
	for (int i = 0; i < 20; i++)
		rig_settle(&g);
	assert_int_equal(watch(c, "&since=1"), 200);
	assert_true(cl_body_has(c, "\"last\""));
	assert_true(cl_body_has(c, "\"may_have_missed_messages\":true"));
	rig_close(&g);
}

/* Ping and read no answer, until so many messages are held in all; false: the
 * socket was ended. */
static bool
ping_unread(struct cl *c, unsigned sock, unsigned opcode, uint32_t most)
{
	const struct channel *ch = g.r->channel;
	const struct channel_sock *s = pool_at(&ch->socks, sock);
	const char *text = large(opcode == WS_PING ? "p" :
	    "ping\",\"timestamp\":1,\"y\":\"", 120);

	c->hold = true;
	while (pool_live(&ch->socks, sock) && !s->ending &&
	    ch->msgs.used < most) {
		for (int i = ch->msgs.used + 16 < most ? 16 : 1; i > 0; i--)
			put_frame(c, opcode, true, text, 120);
		rig_run(&g, 1);
	}
	return pool_live(&ch->socks, sock) && !s->ending;
}

/* Answers that nobody reads take the room of nobody else: of who has no role
 * there are few, and when there are no messages left the longest queue goes. */
static void
answers_that_are_not_read_hurt_nobody_else(void **state)
{
	enum { MSGS = 64 };
	struct cl *w, *a, *b, *c, *d;

	(void)state;
	set_channel(1 << 20);
	rig_start(&g);
	g.r->channel->msgs.cap = MSGS;
	w = station(A1);
	a = join(C1, "a");
	assert_false(ping_unread(dial(C2), 2, WS_PING, MSGS));
	pass(CHANNEL_CLOSE_MS + 1000, w, a);
	assert_false(ping_unread(dial(C2), 2, WS_TEXT, MSGS));
	pass(CHANNEL_CLOSE_MS + 1000, w, a);
	b = join(C2, "b");
	c = join(C3, "c");
	d = join(C3, "d");
	assert_true(ping_unread(b, 2, WS_TEXT, 28));
	assert_true(ping_unread(c, 3, WS_TEXT, 56));
	assert_true(ping_unread(d, 4, WS_TEXT, MSGS - 1));
	w->in.n = a->in.n = 0;
	pass(8000, a, w);
	assert_false(w->eof || a->eof);
	assert_true(cl_has(a, "pong") && cl_has(w, "pong"));
	rig_close(&g);
}

/* All sockets of the channel are taken: whoever has been there longest without
 * a role makes way, and nobody who has one. */
static void
strangers_make_way(void **state)
{
	struct cl *w, *a, *s[3];

	(void)state;
	set_channel(1 << 20);
	rig_start(&g);
	g.r->channel->socks.cap = 4;
	s[0] = dial(C3);
	w = station(A1);
	a = join(C1, "a");
	s[1] = dial(C2);
	s[2] = dial(C3);
	assert_true(s[0]->broken);
	join(C2, "b");
	assert_true(s[1]->broken && !s[2]->broken);
	join(C3, "c");
	assert_true(s[2]->broken && !w->eof && !a->eof);
	s[0] = cl_new(&g, C3, NULL);
	cl_put(s[0], "GET /ws HTTP/1.1\r\n" HOST UPGRADE VERSION KEY "\r\n");
	rig_settle(&g);
	assert_int_equal(cl_take(s[0], false), 503);
	say(a, "{\"type\":\"still\"}");
	rig_settle(&g);
	assert_true(cl_has(w, "\"still\""));
	rig_close(&g);
}

/* There is a number of devices that poll, and who comes then is told so. */
static void
devices_have_a_limit(void **state)
{
	struct cl *c;
	char path[200];
	uint32_t n;

	(void)state;
	begin_station(1 << 20);
	c = cl_new(&g, C1, NULL);
	for (n = 0; n <= g.r->channel->watches.cap; n++) {
		snprintf(path, sizeof path, "/api/v1/watch/state?tunnel_id=" ID
		    "&device_id=d%u&auth_key=" AUTH_KEY, n);
		assert_int_equal(get(c, path, ""),
		    n < g.plan.mib * WATCHES_PER_MIB ? 200 : 503);
	}
	assert_true(cl_head_has(c, "Retry-After: 5\r\n"));
	rig_close(&g);
}

/* A POST without its body, or with the first bytes of it. */
static struct cl *
begin_post(const char *ip, const char *call, size_t length, const char *body)
{
	struct cl *c = cl_new(&g, ip, NULL);
	char head[300];

	snprintf(head, sizeof head, "POST /api/v1/watch/%s HTTP/1.1\r\n" HOST
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	    call, length);
	cl_put(c, head);
	cl_put(c, body);
	rig_settle(&g);
	return c;
}

/* Messages that are begun and not ended give way when there are no others. */
static void
the_unknown_hold_no_messages(void **state)
{
	struct cl *w, *a, *s, *p;

	(void)state;
	w = begin_station(1 << 20);
	a = join(C1, "a");
	s = dial(C2);
	put_frame(s, WS_TEXT, false, "{", 1);
	p = begin_post(C2, "connect", 100, "{");
	put_frame(dial(C2), WS_TEXT, false, "{", 1);
	rig_settle(&g);
	assert_int_equal(g.r->channel->msgs.used, 3);
	g.r->channel->msgs.cap = 3;
	say(a, "{\"type\":\"hello\"}");
	rig_settle(&g);
	assert_true(cl_has(w, "\"hello\"") && s->broken && !p->eof);
	put_frame(dial(C3), WS_TEXT, false, "{", 1);
	rig_settle(&g);
	say(w, "{\"type\":\"news\"}");
	rig_settle(&g);
	assert_true(cl_has(a, "\"news\"") && p->broken);
	/* Not even its own, when a ping is answered in its middle. */
	s = dial(C2);
	g.r->channel->msgs.cap = g.r->channel->msgs.used + 1;
	put_frame(s, WS_TEXT, false, "{", 1);
	put_frame(s, WS_PING, true, "hi", 2);
	rig_settle(&g);
	assert_true(cl_has(s, "hi") && !s->broken);
	rig_close(&g);
}

#define PARAMS "\"tunnel_id\":\"" ID "\",\"auth_key\":\"" AUTH_KEY       \
	"\",\"device_id\":\"w\""

/* A command of n bytes, whose key stands before its message or behind. */
static struct cl *
command(const char *ip, size_t n, bool before)
{
	static char text[1 << 20];
	const char *head = before ? "{" PARAMS ",\"message\":{\"type\":"
	    "\"long\",\"x\":\"" : "{\"message\":{\"type\":\"long\",\"x\":\"";
	const char *tail = before ? "\"}}" : "\"}," PARAMS "}";

	assert_true(n < sizeof text);
	memset(text, 'x', n);
	memcpy(text, head, strlen(head));
	strcpy(text + n - strlen(tail), tail);
	return begin_post(ip, "command", n, text);
}

/* More small messages at once than a queue holds end nobody who reads. */
static void
a_burst_of_small_messages_is_read_in_turns(void **state)
{
	enum { N = 6000 };
	struct cl *w, *a, *b, *c;

	(void)state;
	w = begin_station(1 << 20);
	a = join(C1, "a");
	b = join(C2, "b");
	for (int i = 0; i < N; i++) {
		say(w, "{\"type\":\"down\"}");
		say(a, "{\"type\":\"up\"}");
	}
	for (int i = 0; i < 100; i++)
		rig_settle(&g);
	assert_int_equal(count(w, "\"up\""), N);
	assert_int_equal(count(a, "\"down\""), N);
	assert_int_equal(count(b, "\"down\""), N);
	/* Nor do clients end their workstation, which does not read now. */
	w->hold = true;
	w->in.n = 0;
	for (int i = 0; i < N; i++) {
		say(a, large("up", 1000));
		say(b, large("up", 100));
	}
	pass(12000, w, NULL);
	c = begin_post(C3, "connect", strlen("{" PARAMS "}"), "{" PARAMS "}");
	assert_int_equal(cl_take(c, false), 503);
	assert_true(cl_body_has(c, "\"send_failed\""));
	assert_false(w->eof || a->eof || b->eof);
	w->hold = false;
	w->rd = true;
	for (int i = 0; i < 400; i++)
		rig_settle(&g);
	assert_int_equal(count(w, "\"up\""), 2 * N);
	rig_close(&g);
}

/* What a workstation could take for the relay's word does not reach it, be it
 * longer than any such word or written so that it cannot be read. */
static void
nobody_speaks_in_the_relays_name(void **state)
{
	static const char *const types[] = { "workstation.registered",
		"client.disconnected", "\\u0065rror", "", "pong\\ud800",
		"connection.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		"workstation.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	};
	struct cl *w, *a, *c;

	(void)state;
	w = begin_station(1 << 20);
	a = join(C1, "a");
	w->in.n = 0;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		char body[400];

		snprintf(body, sizeof body, "{" PARAMS ",\"message\":{\"type\":"
		    "\"%s\"}}", types[i]);
		c = begin_post(C2, "command", strlen(body), body);
		assert_int_equal(cl_take(c, false), 200);
		snprintf(body, sizeof body, "{\"type\":\"%s\"}", types[i]);
		say(a, body);
		rig_settle(&g);
	}
	assert_int_equal(count(w, "\"auth\""), count(w, "\"type\""));
	say(a, "{\"type\":\"mine\"}");
	rig_settle(&g);
	assert_true(cl_has(w, "\"mine\"") && !cl_has(a, "error"));
	rig_close(&g);
}

/* Who has shown no key may keep others waiting who have shown none, and nobody
 * else; and a body that waits for room is answered in the end. */
static void
bodies_of_strangers_have_their_own_room(void **state)
{
	enum { MAX = 1 << 20, N = 30 };
	struct cl *w, *a, *c, *held[N];
	struct channel *ch;
	unsigned waits = 0;

	(void)state;
	w = begin_station(MAX);
	a = join(C1, "a");
	ch = g.r->channel;
	ch->budget = msg_blocks(MAX) * 17;
	for (int i = 0; i < N; i++)
		held[i] = begin_post(C2, "connect", MAX, large("x", 2000));
	assert_int_equal(ch->loose, msg_blocks(MAX) * 8);
	assert_int_equal(ch->used, ch->loose);
	for (int i = 0; i < N; i++)
		waits += g.r->small.used > 0 && !held[i]->eof;
	assert_int_equal(waits, N);
	say(a, large("big", 900000));
	c = command(C1, 900000, true);
	for (int i = 0; i < 50; i++)
		rig_settle(&g);
	assert_true(cl_has(w, "\"big\""));
	assert_int_equal(cl_take(c, false), 200);
	assert_true(cl_has(w, "\"long\""));
	w->in.n = 0;
	c = command(C1, 900000, false);
	for (int i = 0; i < 50; i++)
		rig_settle(&g);
	assert_int_equal(cl_take(c, false), 0);
	for (int i = 0; i < N; i++)
		cl_close(held[i], true);
	pass(2000, w, a);
	assert_int_equal(cl_take(c, false), 200);
	assert_true(cl_has(w, "\"long\""));
	for (int i = 0; i < N; i++)
		begin_post(C2, "connect", MAX, large("x", 2000));
	c = begin_post(C3, "connect", MAX, large("x", 2000));
	pass(POST_ROOM_MS - 4000, w, a);
	assert_false(c->eof);
	pass(8000, w, a);
	assert_int_equal(cl_take(c, false), 503);
	assert_true(cl_head_has(c, "Retry-After: 5\r\n"));
	pass(POST_MS + 10000, w, a);
	assert_int_equal(ch->used, 0);
	ch->budget = g.plan.channel_blocks;
	rig_close(&g);
}

/* Polls that wait for their guesses have half of the small buffers; a further
 * one is told to come again. */
static void
guesses_leave_buffers_to_others(void **state)
{
	struct cl *c = NULL;
	uint64_t at;
	unsigned i;

	(void)state;
	begin_station(1 << 20);
	g.r->small.cap = 10;
	for (i = 0; i < GUESS_BURST + 7; i++) {
		c = cl_new(&g, C2, NULL);
		cl_put(c, "GET /api/v1/watch/state?tunnel_id=" ID "&device_id="
		    "w&auth_key=a-wrong-key-of-24-bytes HTTP/1.1\r\n" HOST
		    "\r\n");
		rig_settle(&g);
	}
	assert_int_equal(g.r->small.used, 5);
	assert_int_equal(cl_take(c, false), 503);
	assert_true(cl_head_has(c, "Retry-After: 5\r\n"));
	/* The rightful one waits once, and no longer. */
	g.r->small.cap = 12;
	c = cl_new(&g, C1, NULL);
	at = world_now(g.w);
	assert_int_equal(watch(c, ""), 200);
	assert_in_range(world_now(g.w) - at, GUESS_PAUSE_MS,
	    GUESS_PAUSE_MS + 100);
	assert_int_equal(g.r->small.used, 0);
	rig_close(&g);
}

static void
check_metric(const char *line)
{
	static uint8_t area[16384];
	struct buf b = BUF_ON(area);

	metrics_put(&b, g.r);
	assert_true(buf_ok(&b));
	if (memmem(area, b.n, line, strlen(line)) == NULL)
		fail_msg("not there:%s", line);
}

static void
the_metrics_count_it(void **state)
{
	struct cl *w, *a, *c;

	(void)state;
	w = begin_station(4096);
	a = join(C1, "a");
	c = cl_new(&g, C2, NULL);
	assert_int_equal(watch(c, ""), 200);
	for (int i = 0; i < 3; i++)
		say(w, "{\"type\":\"news\"}");
	say(a, "{\"type\":\"one\"}");
	say(a, "{\"type\":\"two\"}");
	rig_settle(&g);
	assert_int_equal(watch(c, "&since=1"), 200);
	check_metric("\nadit_channel_workstations 1\n");
	check_metric("\nadit_channel_clients 1\n");
	check_metric("\nadit_channel_devices 1\n");
	check_metric("\nadit_channel_from_total 3\n");
	check_metric("\nadit_channel_to_total 2\n");
	check_metric("\nadit_channel_polled_total 2\n");
	check_metric("\nadit_channel_slow_total 0\n");
	check_metric("\nadit_channel_wrong_keys_total 0\n");
	assert_int_equal(get(c, "/api/v1/watch/state?tunnel_id=" ID
	    "&device_id=w&auth_key=wrong", ""), 401);
	a->hold = true;
	for (int i = 0; i < 5000; i++) {
		say(w, large("much", 4000));
		if (i % 50 == 0)
			rig_settle(&g);
	}
	pass(8000, w, NULL);
	check_metric("\nadit_channel_from_total 5003\n");
	check_metric("\nadit_channel_slow_total 1\n");
	check_metric("\nadit_channel_wrong_keys_total 1\n");
	pass(WATCH_AGE_MS, w, NULL);
	check_metric("\nadit_channel_devices 0\n");
	rig_close(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_has_its_limits),
		cmocka_unit_test(data_is_no_ping),
		cmocka_unit_test(who_guesses_keys_waits),
		cmocka_unit_test(ids_survive_a_restart),
		cmocka_unit_test(damaged_ids_are_not_taken),
		cmocka_unit_test(
		    the_longest_away_makes_room_an_online_one_never),
		cmocka_unit_test(ids_that_are_in_use_stay),
		cmocka_unit_test(when_an_id_was_seen_survives_a_restart),
		cmocka_unit_test(ids_are_written_once_a_second),
		cmocka_unit_test(that_a_workstation_is_offline_is_told_once),
		cmocka_unit_test(a_socket_lives_on_under_its_second_id),
		cmocka_unit_test(a_large_message_waits_unread_for_room),
		cmocka_unit_test(a_dribbling_sender_makes_way),
		cmocka_unit_test(fragments_are_one_message),
		cmocka_unit_test(who_sends_too_much_is_read_to_its_end),
		cmocka_unit_test(a_long_poll_ends),
		cmocka_unit_test(queues_give_way),
		cmocka_unit_test(a_burst_of_small_messages_is_read_in_turns),
		cmocka_unit_test(nobody_speaks_in_the_relays_name),
		cmocka_unit_test(answers_that_are_not_read_hurt_nobody_else),
		cmocka_unit_test(strangers_make_way),
		cmocka_unit_test(devices_have_a_limit),
		cmocka_unit_test(the_unknown_hold_no_messages),
		cmocka_unit_test(bodies_of_strangers_have_their_own_room),
		cmocka_unit_test(guesses_leave_buffers_to_others),
		cmocka_unit_test(the_metrics_count_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
