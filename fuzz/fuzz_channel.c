/*
 * A whole conversation of the channel: the input is what a workstation, two
 * clients, a stranger and a device that polls say, in turn, cut as the input
 * says. Oracles: the
 * checks of tests/sim/rig.c after every step (every block and every reference
 * has an owner), and nothing is left when all have gone. A client's words
 * reach the workstation with its own device_id and no other.
 */
#include "relay_world.h"

#include "codec/envelope.h"
#include "relay/channel.h"

enum { TALKERS = 4 };

static const char *const hello[] = {
	"{\"type\":\"workstation.register\",\"payload\":{\"api_key\":\""
	RIG_CHANNEL_KEY "\",\"name\":\"n\",\"auth_key\":\"0123456789abcdef\","
	"\"reconnect\":true,\"previous_tunnel_id\":\"fuzz-fuzz-fuzz\"}}",
	"{\"type\":\"connect\",\"payload\":{\"tunnel_id\":\"fuzz-fuzz-fuzz\","
	"\"auth_key\":\"0123456789abcdef\",\"device_id\":\"one\"}}",
	"{\"type\":\"connect\",\"payload\":{\"tunnel_id\":\"fuzz-fuzz-fuzz\","
	"\"auth_key\":\"0123456789abcdef\",\"device_id\":\"two\"}}",
};

static void
say(struct cl *c, uint8_t first, struct slice s)
{
	uint8_t head[14];
	struct ws_frame f = { .length = s.n, .opcode = WS_TEXT, .fin = true,
		.masked = true };
	size_t n = ws_encode_raw(head, &f);

	head[0] = 0x80 | (first & 15);  /* perhaps none that there is */
	cl_putn(c, head, n);
	cl_putn(c, s.p, s.n);
}

static struct cl *
begin(unsigned i)
{
	struct cl *c = cl_new(&g, "198.51.100.7", NULL);

	cl_put(c, "GET /ws HTTP/1.1\r\nHost: localhost\r\n" WS_FIELDS
	    "\r\n");
	rig_run(&g, 5);
	if (i < sizeof hello / sizeof hello[0])
		say(c, WS_TEXT, slice_of(hello[i], strlen(hello[i])));
	rig_run(&g, 5);
	c->in.n = 0;
	return c;
}

/* What came to the workstation of the first client: its own, or none. */
static void
look(struct cl *c)
{
	size_t at = 0, head;
	struct ws_frame f;

	while (ws_decode(&f, slice_of(c->in.p + at, c->in.n - at), &head) ==
	    E_OK && f.length <= c->in.n - at - head) {
		struct slice text = slice_of(c->in.p + at + head,
		    (size_t)f.length);
		struct json v, device;

		MUST(!f.masked && f.rsv == 0);
		if (f.opcode == WS_TEXT && json_parse(text, JSON_DEPTH_MAX,
		    &v) == E_OK && slice_starts(text,
		    SL("{\"device_id\":\""))) {
			MUST(json_get(v, SL("device_id"), &device) == E_OK);
			MUST(json_is(device, SL("one")) ||
			    json_is(device, SL("two")) ||
			    json_is(device, SL("poll")));
		}
		at += head + (size_t)f.length;
	}
}

#define ID_KEY "\"tunnel_id\":\"fuzz-fuzz-fuzz\",\"auth_key\":\""           \
	"0123456789abcdef\",\"device_id\":\"poll\""

/* One call of the device: a query, or a body that is the input or has it in
 * it, before the key or behind, short or long, in two pieces. */
static struct cl *
call(struct cl *c, unsigned how, struct slice s)
{
	static const char *const posts[] = { "connect", "command", "command",
		"disconnect" };
	static uint8_t area[4096];
	struct buf b = BUF_ON(area);
	char head[300];
	size_t half;

	if (c == NULL || c->eof)
		c = cl_new(&g, "198.51.100.8", NULL);
	if (how % 4 == 0) {
		cl_put(c, "GET /api/v1/watch/messages?tunnel_id=fuzz-fuzz-fuzz"
		    "&auth_key=0123456789abcdef&device_id=poll&");
		cl_putn(c, s.p, s.n);
		cl_put(c, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
		return c;
	}
	if (how % 4 == 1)
		buf_lit(&b, "{" ID_KEY ",\"message\":");
	if (how % 4 == 2)
		buf_lit(&b, "{\"message\":");
	buf_put(&b, s);
	for (size_t i = 0; (how & 4) != 0 && i < 2000; i++)
		buf_put_u8(&b, ' ');
	if (how % 4 == 1)
		buf_lit(&b, "}");
	if (how % 4 == 2)
		buf_lit(&b, "," ID_KEY "}");
	snprintf(head, sizeof head, "POST /api/v1/watch/%s HTTP/1.1\r\nHost: "
	    "localhost\r\nContent-Type: application/json\r\nContent-Length: "
	    "%zu\r\n\r\n", posts[how >> 3 & 3], b.n);
	cl_put(c, head);
	half = (how & 32) != 0 ? b.n / 2 : b.n;
	cl_putn(c, area, half);
	if (half < b.n)
		rig_run(&g, 2);
	cl_putn(c, area + half, b.n - half);
	return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size), part;
	struct cl *c[TALKERS], *device = NULL;
	uint8_t what, n;

	if (size < 3 || size > 16384)
		return 0;
	channel_on = true;
	fuzz_begin();
	for (unsigned i = 0; i < TALKERS; i++)
		c[i] = begin(i);
	while (slice_take_u8(&in, &what) && slice_take_u8(&in, &n)) {
		part = slice_head(in, n);
		in = slice_from(in, n);
		if ((what & 0x4f) == 0x4f && part.n > 0)
			device = call(device, part.p[0], slice_from(part, 1));
		else if ((what & 0x40) != 0)
			cl_putn(c[what >> 4 & 3], part.p, part.n);
		else
			say(c[what >> 4 & 3], what, part);
		if ((what & 0x80) != 0)
			rig_run(&g, 2);
	}
	rig_run(&g, 50);
	look(c[0]);
	for (unsigned i = 0; i < TALKERS; i++)
		cl_close(c[i], i % 2 == 0);
	if (device != NULL) {
		cl_close(device, true);
		rig_run(&g, WATCH_AGE_MS);
	}
	rig_run(&g, 10 * 1000);
	MUST(g.r->channel->socks.used == 0 && g.r->channel->msgs.used == 0);
	rig_zero(&g, true);
	rig_forget(&g);
	return 0;
}
