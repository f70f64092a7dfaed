/*
 * POST connect, command and disconnect. A body is read into a message, so that
 * a command goes on without a copy; it is looked at when it is whole, and once
 * more after a pause if too many keys were wrong.
 */
#include "relay/channel.h"

#include <assert.h>

#include "base/num.h"
#include "codec/json.h"
#include "crypto/ct.h"

enum { POST_MS = 30 * 1000 };   /* for a body */

/* The message that goes ahead of each call: the workstation has to know the
 * device. */
static void
send_auth(struct relay *r, struct station *st, const struct watch_params *p)
{
	uint8_t area[6 * (FIELD_MAX + DEVICE_BYTES_MAX) + 64];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);
	struct channel_msg *m;

	json_object(&o);
	json_pair_string(&o, SL("type"), SL("auth"));
	json_name(&o, SL("payload"));
	json_object(&o);
	json_pair_string(&o, SL("auth_key"), field_trim(buf_slice(&p->key)));
	json_pair_string(&o, SL("device_id"), buf_slice(&p->device));
	json_object_end(&o);
	json_object_end(&o);
	m = msg_of(r, buf_slice(&b), false);
	if (m != NULL) {
		m->secret = true;
		st->to++;
		r->channel->count[COUNT_TO]++;
		sock_send(st->sock, m);
	}
	msg_unref(r, m);
	wipe(area, b.n);
}

static void
call_connect(struct client *c, const struct station *st)
{
	uint8_t area[768];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);

	json_object(&o);
	json_pair_bool(&o, SL("success"), true);
	json_pair_string(&o, SL("tunnel_id"), name_slice(&st->id));
	json_pair_bool(&o, SL("workstation_online"), st->sock != NULL);
	json_pair_string(&o, SL("workstation_name"), name_slice(&st->name));
	json_object_end(&o);
	watch_say(c, 200, buf_slice(&b));
}

static void
call_command(struct client *c, struct station *st, const struct watch_params *p)
{
	struct relay *r = c->r;
	struct channel_msg *m = c->post;
	struct envelope_span v = m->env.v[ENV_MESSAGE];

	if (v.kind != JSON_OBJECT) {
		watch_fault(c, 400, SL("missing_parameters"),
		    SL("message must be an object"));
		return;
	}
	if (st->sock == NULL) {
		watch_fault(c, 503, SL("workstation_offline"),
		    SL("Workstation is offline"));
		return;
	}
	msg_keep(r, m, v.from, v.to - v.from);
	msg_scan(r, m, true);
	if (m->env.v[ENV_TYPE].kind != JSON_STRING) {
		watch_fault(c, 400, SL("missing_parameters"),
		    SL("message needs a type"));
		return;
	}
	send_auth(r, st, p);
	/* Here too nobody speaks in the relay's name: it is dropped. */
	if (talk_forged(r, m) || talk_up(r, st, buf_slice(&p->device), m))
		watch_say(c, 200, SL("{\"success\":true}"));
	else
		watch_fault(c, 503, SL("send_failed"),
		    SL("The workstation does not read"));
}

static void
call_disconnect(struct client *c, struct station *st,
    const struct watch_params *p)
{
	struct watch *w = device_find(st, buf_slice(&p->device));

	if (w != NULL)
		device_forget(c->r, w);
	watch_say(c, 200, w != NULL ? SL("{\"success\":true}") :
	    SL("{\"success\":false}"));
}

static void
post_call(struct client *c, struct station *st, const struct watch_params *p)
{
	if (c->call == CALL_DISCONNECT) {
		call_disconnect(c, st, p);
	} else if (watch_device(c, st, p) == NULL) {
		return;
	} else if (c->call == CALL_COMMAND) {
		call_command(c, st, p);
	} else {
		if (st->sock != NULL)
			send_auth(c->r, st, p);
		call_connect(c, st);
	}
}

/* The body is whole, and may be so for the second time. */
void
post_done(struct client *c)
{
	struct relay *r = c->r;
	struct channel_msg *m = c->post;
	struct watch_params p = { .address = m->address };
	struct station *st;
	bool pause = false;

	c->body_done = true;
	watch_params_init(&p);
	if (!utf8_end(&m->utf8) || msg_scan(r, m, false) != E_OK) {
		watch_bad(c, 400, SL("The body is not JSON"),
		    SL("FST_ERR_CTP_INVALID_JSON_BODY"));
	} else {
		(void)msg_string(r, m, &m->env.v[ENV_TUNNEL_ID], &p.id);
		(void)msg_string(r, m, &m->env.v[ENV_AUTH_KEY], &p.key);
		(void)msg_string(r, m, &m->env.v[ENV_DEVICE_ID], &p.device);
		st = watch_station(c, &p, &pause);
		if (st != NULL)
			post_call(c, st, &p);
	}
	wipe(&p, sizeof p);
	if (pause) {
		c->wait_until_ms = r->io->now_ms + GUESS_PAUSE_MS;
		client_arm(c);
		return;
	}
	if (c->state == CLIENT_POST)
		return;
	watch_gone(c);
}

static bool
post_put(struct client *c, struct slice s)
{
	bool ok = msg_put(c->r, c->post, s);

	assert(ok);
	(void)utf8_step(&c->post->utf8, s);
	c->body_left -= s.n;
	return c->body_left == 0;
}

void
post_body(struct client *c)
{
	while (c->rd && c->state == CLIENT_POST && c->body_left > 0) {
		int64_t n = io_read(c->r->io, c->fd, c->r->io->scratch,
		    (size_t)min_u64(c->body_left, IO_SCRATCH));

		if (n == IO_AGAIN) {
			c->rd = false;
			return;
		}
		if (n <= 0) {
			client_close(c, false);
			return;
		}
		if (post_put(c, slice_of(c->r->io->scratch, (size_t)n)))
			post_done(c);
	}
}

static bool
is_json(const struct http_head *h)
{
	const struct http_field *f =
	    http_field_id(h, HTTP_N_CONTENT_TYPE, NULL);
	struct slice type = f != NULL ? f->value : SL("");

	return slice_ieq(slice_trim(slice_cut(&type, ';')),
	    SL("application/json"));
}

static bool
post_refused(struct client *c, const struct http_head *h)
{
	if (h->body == HTTP_BODY_CHUNKED)
		watch_bad(c, 411, SL("A length is needed here"),
		    SL("LENGTH_REQUIRED"));
	else if (h->length > WATCH_BODY_MAX)
		watch_bad(c, 413, SL("Request body is too large"),
		    SL("FST_ERR_CTP_BODY_TOO_LARGE"));
	else if (h->length == 0 && is_json(h))
		watch_bad(c, 400, SL("The body is empty"),
		    SL("FST_ERR_CTP_EMPTY_JSON_BODY"));
	else if (h->length == 0)
		watch_fault(c, 400, SL("missing_parameters"), SL("tunnel_id, "
		    "auth_key and device_id are required"));
	else if (!is_json(h))
		watch_bad(c, 415, SL("Unsupported Media Type"),
		    SL("FST_ERR_CTP_INVALID_MEDIA_TYPE"));
	else
		return false;
	return true;
}

void
post_request(struct client *c, const struct http_head *h, enum watch_call call,
    struct slice rest)
{
	struct relay *r = c->r;
	struct channel_msg *m;

	c->body_done = h->body == HTTP_BODY_NONE || (h->length == 0 &&
	    h->body == HTTP_BODY_LENGTH);
	if (post_refused(c, h))
		return;
	m = msg_new(r->channel);
	if (m == NULL || !msg_reserve(r, m, (size_t)h->length)) {
		msg_unref(r, m);
		device_relieve(r);
		c->keep = false;
		watch_fault(c, 503, SL("internal_error"),
		    SL("The relay is busy"));
		return;
	}
	m->secret = true;
	m->address = guess_address(&r->site.client);
	c->post = m;
	c->call = (uint8_t)call;
	c->body_left = h->length;
	c->wait_until_ms = r->io->now_ms + POST_MS;
	rest = slice_head(rest, (size_t)h->length);
	r->req_head += rest.n;
	client_to(c, CLIENT_POST);
	if (post_put(c, rest)) {
		post_done(c);
		return;
	}
	client_try_keep(c, SL(""));
	if (h->expect_continue &&
	    !client_send(c, SL("HTTP/1.1 100 Continue\r\n\r\n")))
		return;
	client_arm(c);
	client_mark(c);
}
