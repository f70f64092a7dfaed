/*
 * POST connect, command and disconnect. A body is read into a message, so that
 * a command goes on without a copy; it is looked at when it is whole, and once
 * more after a pause if too many keys were wrong.
 *
 * A body that does not fit a message's record needs room before anybody has
 * shown a key. So its first bytes are looked at: whoever has the right key in
 * them is treated as a socket of that tunnel. All others together have half of
 * the room beyond a longest message, so they can wait for each other and for
 * nobody else. Who finds no room is not read, and after a while answered 503.
 */
#include "relay/channel.h"

#include <assert.h>

#include "base/num.h"
#include "codec/json.h"
#include "crypto/ct.h"

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
	} else if (sock_full(c->r, st)) {
		watch_fault(c, 503, SL("send_failed"),
		    SL("The workstation does not read"));
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

/* What the body so far says of who sends it. */
static void
take_params(struct client *c, struct watch_params *p)
{
	struct channel_msg *m = c->post;

	watch_params_init(p);
	p->address = m->address;
	(void)msg_string(c->r, m, &m->env.v[ENV_TUNNEL_ID], &p->id);
	(void)msg_string(c->r, m, &m->env.v[ENV_AUTH_KEY], &p->key);
	(void)msg_string(c->r, m, &m->env.v[ENV_DEVICE_ID], &p->device);
}

/* The body is whole, and may be so for the second time. */
static void
post_done(struct client *c)
{
	struct relay *r = c->r;
	struct channel_msg *m = c->post;
	struct watch_params p;
	struct station *st;
	bool pause = false;

	c->body_done = true;
	r->channel->busy = c;
	if (!utf8_end(&m->utf8) || msg_scan(r, m, false) != E_OK) {
		watch_bad(c, 400, SL("The body is not JSON"),
		    SL("FST_ERR_CTP_INVALID_JSON_BODY"));
	} else {
		take_params(c, &p);
		st = watch_station(c, &p, &pause);
		if (st != NULL) {
			r->channel->loose -= m->loose ? m->blocks : 0;
			m->loose = false;
			post_call(c, st, &p);
		}
		wipe(&p, sizeof p);
	}
	if (pause) {
		c->wait_until_ms = r->io->now_ms + GUESS_PAUSE_MS;
		client_arm(c);
		return;
	}
	if (c->state == CLIENT_POST)
		return;
	watch_gone(c);
}

/* Do the first bytes have the key of a workstation? */
static bool
post_vouched(struct client *c)
{
	struct relay *r = c->r;
	struct watch_params p;
	struct station *st;
	bool good = false;
	struct slice id;

	(void)msg_scan(r, c->post, false);      /* it is not whole */
	take_params(c, &p);
	id = field_trim(buf_slice(&p.id));
	st = station_find(r, id);
	if (st != NULL && p.key.n > 0 && guess_free(r, p.address, id)) {
		good = station_key_ok(st, field_trim(buf_slice(&p.key)));
		if (!good)
			guess_wrong(r, p.address, id);
	}
	wipe(&p, sizeof p);
	return good;
}

/* Room for a body that is not small. False: not now. */
static bool
post_room(struct client *c)
{
	struct relay *r = c->r;
	struct channel *ch = r->channel;
	struct channel_msg *m = c->post;
	size_t total = m->total + to_size(c->body_left);
	uint32_t longest = msg_blocks(
	    to_size(r->cfg->channel_message_max));

	if (!m->seen)
		m->loose = !post_vouched(c);
	m->seen = true;
	if (room_wanted(r, NULL) || (m->loose && ch->loose > 0 &&
	    ch->loose + msg_blocks(total) > (ch->budget - longest) / 2) ||
	    !msg_reserve(r, m, total))
		return false;
	c->wait_until_ms = m->by_ms = r->io->now_ms + POST_MS;
	client_arm(c);
	return true;
}

/* How many bytes of the body may come now. */
static size_t
post_takes(struct client *c)
{
	const struct channel_msg *m = c->post;

	if (m->blocks > 0 || m->total + c->body_left <= MESSAGE_SMALL)
		return (size_t)c->body_left;
	if (m->total < MESSAGE_SMALL)
		return MESSAGE_SMALL - m->total;
	return post_room(c) ? (size_t)c->body_left : 0;
}

static void
post_put(struct client *c, struct slice s)
{
	bool ok = msg_put(c->r, c->post, s);

	assert(ok);
	(void)utf8_step(&c->post->utf8, s);
	c->body_left -= s.n;
}

/* What was kept while there was no room comes first. */
void
post_body(struct client *c)
{
	struct relay *r = c->r;
	size_t most;

	if (c->body_left == 0)
		return;         /* it pauses */
	while (c->body_left > 0 && (most = post_takes(c)) > 0) {
		struct slice kept = slice_of(c->in, c->in_n);
		size_t n = min_size(kept.n, most);

		if (n > 0) {
			post_put(c, slice_head(kept, n));
			client_try_keep(c, slice_from(kept, n));
			continue;
		}
		n = client_recv(c, r->io->scratch,
		    min_size(most, IO_SCRATCH));
		if (n == 0)
			return;
		post_put(c, slice_of(r->io->scratch, n));
	}
	if (c->body_left == 0) {
		post_done(c);
		return;
	}
	c->wait_until_ms = min_u64(c->post->by_ms,
	    r->io->now_ms + CHANNEL_ROOM_MS);
	client_arm(c);
}

void
post_timer(struct client *c)
{
	const struct channel_msg *m = c->post;

	if (c->body_left == 0) {
		c->paused = true;       /* a pause is over */
		post_done(c);
	} else if (c->r->io->now_ms < m->by_ms) {
		post_body(c);
	} else if (m->seen && m->blocks == 0) {
		watch_busy(c);
		watch_gone(c);
	} else {
		client_close(c, true);
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
	else if (h->length > min_u64(WATCH_BODY_MAX,
	    c->r->cfg->channel_message_max))
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
	size_t n;

	c->body_done = h->body == HTTP_BODY_NONE || (h->length == 0 &&
	    h->body == HTTP_BODY_LENGTH);
	if (post_refused(c, h))
		return;
	m = msg_new(r);
	if (m == NULL) {
		watch_busy(c);
		return;
	}
	m->secret = true;
	m->address = guess_address(&r->site.client);
	c->wait_until_ms = m->by_ms = r->io->now_ms + POST_ROOM_MS;
	c->post = m;
	c->call = (uint8_t)call;
	c->body_left = h->length;
	client_to(c, CLIENT_POST);
	client_arm(c);
	rest = slice_head(rest, (size_t)h->length);
	r->req_head += rest.n;
	while (rest.n > 0 && (n = min_size(rest.n, post_takes(c))) > 0) {
		post_put(c, slice_head(rest, n));
		rest = slice_from(rest, n);
	}
	if (c->body_left == 0) {
		post_done(c);
		return;
	}
	if (!client_keep_input(c, rest) || (h->expect_continue &&
	    !client_send(c, SL("HTTP/1.1 100 Continue\r\n\r\n"))))
		return;
	client_mark(c);
}
