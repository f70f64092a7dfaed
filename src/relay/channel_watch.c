/*
 * Devices that poll, as HTTP sees them: which call a request is, who makes it,
 * and what becomes of its connection meanwhile. What the calls do is in
 * channel_poll.c (GET) and channel_post.c (POST); the two forms of an error are
 * those that programs know, of the calls and of the framework below them.
 */
#include "relay/channel.h"

#include "codec/json.h"

static const struct slice calls[CALLS] = {
	SL_INIT("connect"), SL_INIT("command"), SL_INIT("disconnect"),
	SL_INIT("messages"), SL_INIT("state"),
};

/* ---- answers ---- */

void
watch_say(struct client *c, unsigned status, struct slice json)
{
	reply_json(c, false, status, json, SL(""));
}

/* As the calls' own errors are told, or the framework's (`code`). */
static void
say_error(struct client *c, unsigned status, struct slice error,
    struct slice key, struct slice text)
{
	uint8_t area[256];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);

	json_object(&o);
	json_pair_string(&o, SL("error"), error);
	json_pair_string(&o, key, text);
	json_object_end(&o);
	watch_say(c, status, buf_slice(&b));
}

void
watch_fault(struct client *c, unsigned status, struct slice error,
    struct slice text)
{
	say_error(c, status, error, SL("message"), text);
}

void
watch_bad(struct client *c, unsigned status, struct slice text,
    struct slice code)
{
	c->keep = c->keep && c->body_done;
	say_error(c, status, text, SL("code"), code);
}

void
watch_busy(struct client *c)
{
	c->keep = c->keep && c->body_done;
	reply_json(c, false, 503, SL("{\"error\":\"internal_error\","
	    "\"message\":\"The relay is busy\"}"),
	    SL("Retry-After: 5\r\n"));
}

/* ---- who calls ---- */

void
watch_params_init(struct watch_params *p)
{
	p->id = BUF_ON(p->areas[0]);
	p->key = BUF_ON(p->areas[1]);
	p->device = buf_of(p->areas[2], DEVICE_BYTES_MAX);
}

struct station *
watch_station(struct client *c, const struct watch_params *p, bool *pause)
{
	struct relay *r = c->r;
	struct slice id = field_trim(buf_slice(&p->id));
	struct slice key = field_trim(buf_slice(&p->key));
	struct station *st = station_find(r, id);

	*pause = false;
	if (id.n == 0 || key.n == 0 || p->device.n == 0) {
		watch_fault(c, 400, SL("missing_parameters"), SL("tunnel_id, "
		    "auth_key and device_id are required"));
		return NULL;
	}
	if (!c->paused && !guess_free(r, p->address, id)) {
		*pause = true;
		return NULL;
	}
	if (st == NULL) {
		guess_wrong(r, p->address, SL(""));
		watch_fault(c, 404, SL("tunnel_not_found"),
		    SL("Tunnel not found"));
		return NULL;
	}
	if (station_key_ok(st, key))
		return st;
	guess_wrong(r, p->address, id);
	watch_fault(c, 401, SL("invalid_auth_key"), SL("Invalid auth key"));
	return NULL;
}

struct watch *
watch_device(struct client *c, struct station *st, const struct watch_params *p)
{
	struct relay *r = c->r;
	struct watch *w = device_get(r, st, buf_slice(&p->device));

	if (w == NULL)
		watch_busy(c);
	return w;
}

/* ---- as the connection sees it ---- */

void
watch_request(struct client *c, const struct http_head *h, struct slice name,
    struct slice rest)
{
	unsigned call = 0;
	bool get = h->verb == HTTP_V_GET;

	while (call < CALLS && !slice_eq(name, calls[call]))
		call++;
	if (call == CALLS || get != (call >= CALL_MESSAGES) ||
	    (!get && h->verb != HTTP_V_POST))
		watch_bad(c, 404, SL("Not Found"), SL("NOT_FOUND"));
	else if (get && h->body != HTTP_BODY_NONE)
		watch_bad(c, 400, SL("A body is not expected here"),
		    SL("BAD_REQUEST"));
	else if (get)
		poll_request(c, h, (enum watch_call)call);
	else
		post_request(c, h, (enum watch_call)call, rest);
}

bool
watch_hold(struct client *c, uint64_t until_ms)
{
	struct relay *r = c->r;

	/* Half of the buffers stay for heads that come in pieces. */
	if ((c->in == NULL && r->small.used >= r->small.cap / 2) ||
	    !client_try_keep(c, r->req_in))
		return false;
	c->wait_until_ms = until_ms;
	client_to(c, CLIENT_POLL);
	client_arm(c);
	return true;
}

uint64_t
watch_due(const struct client *c)
{
	return c->wait_until_ms;
}

void
watch_timer(struct client *c)
{
	if (c->r->io->now_ms < c->wait_until_ms) {
		client_arm(c);
	} else if (c->state == CLIENT_POST) {
		post_timer(c);
	} else {
		/* A pause is over, or nothing came. */
		c->paused = c->poll == NULL;
		client_poll(c);
	}
}

void
watch_gone(struct client *c)
{
	struct client **at;

	if (c->post != NULL)
		msg_unref(c->r, c->post);
	c->post = NULL;
	c->paused = false;
	if (c->poll == NULL)
		return;
	at = &c->poll->polls;
	while (*at != c)
		at = &(*at)->next_poll;
	*at = c->next_poll;
	c->poll = NULL;
}
