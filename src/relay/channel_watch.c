/*
 * Devices that poll. Each has a queue of its own, known by the pair of its
 * tunnel and its name, so nobody reads another tunnel's; it holds references
 * to what the tunnel's clients got. Queues are what gives way when memory is
 * short: a device is told that it may have missed something.
 *
 * A body is read into a message, so that a command goes on without a copy. A
 * long poll keeps its request and is looked at again when a message came.
 */
#include "relay/channel.h"

#include <assert.h>

#include "base/num.h"
#include "codec/date.h"
#include "codec/json.h"
#include "codec/url.h"
#include "crypto/ct.h"

enum {
	POST_MS = 30 * 1000,            /* for a body */
	SWEEP_MS = 5000,
	ODD_MAX = 8192,                 /* of a message that is no JSON */
	PREFIX_MAX = 160,
};

enum call { CALL_CONNECT, CALL_COMMAND, CALL_DISCONNECT, CALL_MESSAGES,
	CALL_STATE, CALLS };

static const struct slice calls[CALLS] = {
	SL_INIT("connect"), SL_INIT("command"), SL_INIT("disconnect"),
	SL_INIT("messages"), SL_INIT("state"),
};

struct params {
	uint8_t areas[3][FIELD_MAX];
	struct buf id, key, device;
	uint64_t address;
};

/* ---- answers ---- */

static void
say(struct client *c, unsigned status, struct slice json)
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
	say(c, status, buf_slice(&b));
}

static void
say_fault(struct client *c, unsigned status, struct slice error,
    struct slice text)
{
	say_error(c, status, error, SL("message"), text);
}

static void
say_bad(struct client *c, unsigned status, struct slice text,
    struct slice code)
{
	c->keep = c->keep && c->body_done;
	say_error(c, status, text, SL("code"), code);
}

/* ---- queues ---- */

struct watch *
watch_find(const struct station *st, struct slice device)
{
	struct watch *w = st->watches;

	while (w != NULL &&
	    !slice_eq(slice_of(w->device, w->device_n), device))
		w = w->next;
	return w;
}

/* The device, from now on if it was not known. */
static struct watch *
watch_get(struct relay *r, struct station *st, struct slice device)
{
	struct watch *w = watch_find(st, device);

	if (w == NULL) {
		w = pool_take(&r->channel->watches);
		if (w == NULL)
			return NULL;
		memcpy(w->device, device.p, device.n);
		w->device_n = to_u8(device.n);
		w->st = st;
		w->next = st->watches;
		st->watches = w;
		st->nwatches++;
	}
	w->called_ms = r->io->now_ms;
	return w;
}

/* The oldest message is lost to the device. */
static void
watch_lose(struct relay *r, struct watch *w)
{
	w->lost = w->sequence - w->q.n + 1;
	queue_drop(r, &w->q);
}

void
watch_wake(struct watch *w)
{
	while (w->polls != NULL) {
		struct client *c = w->polls;

		w->polls = c->next_poll;
		c->poll = NULL;
		c->woken = true;
		client_mark(c);
	}
}

void
watch_put(struct relay *r, struct watch *w, struct channel_msg *m)
{
	size_t n = msg_size(m);

	w->sequence++;
	if (n > WATCH_BYTES || (m->not_json && m->n > ODD_MAX) ||
	    !queue_put(r, &w->q, m)) {
		/* A gap in a queue cannot be told: all before it goes too. */
		queue_clear(r, &w->q, 0);
		w->lost = w->sequence;
	}
	while (w->q.n > WATCH_MESSAGES || w->q.bytes > WATCH_BYTES)
		watch_lose(r, w);
	watch_wake(w);
}

/* Forget a device; its workstation does too, unless it is connected. */
static void
watch_forget(struct relay *r, struct watch *w)
{
	struct station *st = w->st;
	struct slice device = slice_of(w->device, w->device_n);
	struct watch **at = &st->watches;
	struct channel_msg *m;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	st->nwatches--;
	watch_wake(w);
	queue_clear(r, &w->q, 0);
	if (st->sock != NULL && talk_find(st, device) == NULL) {
		m = talk_notice(r, SL("client.disconnected"),
		    name_slice(&st->id), device);
		if (m != NULL)
			sock_send(st->sock, m);
		msg_unref(r, m);
	}
	pool_give(&r->channel->watches, w);
}

bool
watch_relieve(struct relay *r)
{
	struct pool *p = &r->channel->watches;
	struct watch *most = NULL;

	for (uint32_t i = 0; i < p->fresh; i++) {
		struct watch *w = pool_at(p, i);

		if (pool_live(p, i) && w->q.n > 0 &&
		    (most == NULL || w->q.bytes > most->q.bytes))
			most = w;
	}
	if (most != NULL)
		watch_lose(r, most);
	return most != NULL;
}

static void
drop_old(struct relay *r, struct watch *w)
{
	uint64_t now = r->io->wall_ms;

	while (w->q.n > 0 && queue_first(r, &w->q)->wall_ms + WATCH_AGE_MS <
	    now)
		watch_lose(r, w);
}

void
watch_sweep(struct relay *r)
{
	struct channel *ch = r->channel;

	if (r->io->now_ms < ch->watch_ms)
		return;
	ch->watch_ms = r->io->now_ms + SWEEP_MS;
	for (uint32_t i = 0; i < ch->watches.fresh; i++) {
		struct watch *w = pool_at(&ch->watches, i);

		if (!pool_live(&ch->watches, i))
			continue;
		if (w->polls == NULL && r->io->now_ms - w->called_ms >=
		    WATCH_AGE_MS)
			watch_forget(r, w);
		else
			drop_old(r, w);
	}
	if (ch->watches.used == 0)
		ch->watch_ms = TIMER_NEVER;
}

/* ---- who calls ---- */

static struct slice
blank_trim(struct slice s)
{
	while (s.n > 0 && s.p[0] <= ' ')
		s = slice_from(s, 1);
	while (s.n > 0 && s.p[s.n - 1] <= ' ')
		s.n--;
	return s;
}

static void
params_init(struct params *p)
{
	p->id = BUF_ON(p->areas[0]);
	p->key = BUF_ON(p->areas[1]);
	p->device = buf_of(p->areas[2], DEVICE_BYTES_MAX);
}

/*
 * The station that these parameters name and may use; NULL: answered, or
 * *pause, since too many keys were wrong.
 */
static struct station *
params_station(struct client *c, const struct params *p, bool *pause)
{
	struct relay *r = c->r;
	struct slice id = blank_trim(buf_slice(&p->id));
	struct slice key = blank_trim(buf_slice(&p->key));
	struct station *st = station_find(r, id);

	*pause = false;
	if (id.n == 0 || key.n == 0 || p->device.n == 0) {
		say_fault(c, 400, SL("missing_parameters"), SL("tunnel_id, "
		    "auth_key and device_id are required"));
		return NULL;
	}
	if (!c->paused && !guess_free(r, p->address, id)) {
		*pause = true;
		return NULL;
	}
	if (st == NULL) {
		guess_wrong(r, p->address, SL(""));
		say_fault(c, 404, SL("tunnel_not_found"),
		    SL("Tunnel not found"));
		return NULL;
	}
	if (station_key_ok(st, key))
		return st;
	guess_wrong(r, p->address, id);
	say_fault(c, 401, SL("invalid_auth_key"), SL("Invalid auth key"));
	return NULL;
}

static struct watch *
device_of(struct client *c, struct station *st, const struct params *p)
{
	struct relay *r = c->r;
	struct watch *w = watch_get(r, st, buf_slice(&p->device));

	if (w == NULL)
		say_fault(c, 503, SL("internal_error"),
		    SL("No room for another device"));
	else if (r->channel->watch_ms == TIMER_NEVER)
		r->channel->watch_ms = r->io->now_ms + SWEEP_MS;
	return w;
}

/* ---- GET messages, state ---- */

/* The first of the name's values; none, or none that fits: empty. */
static void
query_get(struct slice query, struct slice name, struct buf *out)
{
	bool found = false;

	while (query.n > 0 && !found) {
		struct slice pair = slice_cut(&query, '&');

		if (url_form_get(pair, name, out, &found) == E_FULL)
			return;
	}
}

/* As parseInt reads it; *nan: it is no number. A sign makes it 0. */
static uint64_t
query_num(struct slice query, struct slice name, bool *nan)
{
	uint8_t area[32];
	struct buf b = BUF_ON(area);
	struct slice s;
	uint64_t v = 0;
	size_t n = 0;

	query_get(query, name, &b);
	s = blank_trim(buf_slice(&b));
	*nan = false;
	if (s.n == 0 || s.p[0] == '-')
		return 0;
	while (n < s.n && ascii_digit(s.p[n]))
		n++;
	*nan = n == 0;
	if (n > 0 && !slice_dec(slice_head(s, n), UINT64_MAX / 2, &v))
		return UINT64_MAX / 2;
	return v;
}

/* What stands before a message in an answer. */
static void
put_prefix(struct buf *b, uint64_t sequence, const struct channel_msg *m,
    bool first)
{
	uint8_t area[DATE_ISO_BYTES];
	struct buf date = BUF_ON(area);

	date_put_iso(&date, (int64_t)m->wall_ms);
	buf_put(b, first ? SL("{\"sequence\":") : SL(",{\"sequence\":"));
	buf_put_dec(b, sequence);
	buf_lit(b, ",\"timestamp\":\"");
	buf_put(b, buf_slice(&date));
	buf_lit(b, "\",\"data\":");
}

/* A message that is no JSON, as a string of JSON. */
static struct slice
odd_text(struct relay *r, struct channel_msg *m)
{
	struct envelope_span all = { m->from, m->from + m->n, JSON_STRING };
	struct buf raw = buf_of(r->area, ODD_MAX);
	struct buf b = buf_of(r->area + ODD_MAX, AREA_BYTES - ODD_MAX);
	struct json_out o = json_out_on(&b);

	msg_copy(r, m, &all, &raw);
	json_put_string(&o, buf_slice(&raw));
	return buf_slice(&b);
}

static size_t
entry_size(struct relay *r, uint64_t sequence, struct channel_msg *m,
    bool first)
{
	uint8_t area[PREFIX_MAX];
	struct buf b = BUF_ON(area);

	put_prefix(&b, sequence, m, first);
	return b.n + (m->not_json ? odd_text(r, m).n : m->n) + 1;
}

static bool
send_entry(struct client *c, uint64_t sequence, struct channel_msg *m,
    bool first)
{
	struct relay *r = c->r;
	struct channel_place place = { 0 };
	uint8_t area[PREFIX_MAX];
	struct buf b = BUF_ON(area);
	size_t at = m->head_n;

	put_prefix(&b, sequence, m, first);
	if (!client_send(c, buf_slice(&b)))
		return false;
	if (m->not_json)
		return client_send(c, odd_text(r, m)) &&
		    client_send(c, SL("}"));
	while (at < msg_size(m)) {
		struct slice v;

		msg_slices(r, m, &place, at, &v, 1);
		if (!client_send(c, v))
			return false;
		at += v.n;
	}
	return client_send(c, SL("}"));
}

/* The part of a device's queue that an answer has. */
struct part {
	struct channel_queue q;         /* begins with its first message */
	uint64_t first;                 /* which has this number */
	uint32_t n;
	size_t bytes;
};

static void
part_find(struct relay *r, const struct watch *w, uint64_t since,
    struct part *p)
{
	const struct pool *nodes = &r->channel->nodes;
	struct channel_queue q;

	*p = (struct part){ .q = w->q, .first = w->sequence - w->q.n + 1 };
	while (p->q.n > 0 && p->first <= since) {
		p->q.head = nodes->link[p->q.head];
		p->q.n--;
		p->first++;
	}
	for (q = p->q; q.n > 0; q.n--) {
		size_t more = entry_size(r, p->first + p->n,
		    queue_first(r, &q), p->n == 0);

		if (p->n > 0 && p->bytes + more > WATCH_ANSWER)
			break;
		p->bytes += more;
		p->n++;
		q.head = nodes->link[q.head];
	}
}

static void
put_tail(struct buf *b, const struct watch *w, const struct part *p,
    bool missed)
{
	struct json_out o = { .b = b, .objects = 1, .depth = 1,
		.comma = true };
	/* An answer that is cut ends with its last message: the rest comes
	 * with the next one. */
	uint64_t current = p->n < p->q.n ? p->first + p->n - 1 : w->sequence;

	buf_lit(b, "]");
	json_pair_u64(&o, SL("current_sequence"), current);
	json_pair_bool(&o, SL("workstation_online"), w->st->sock != NULL);
	json_name(&o, SL("oldest_available_sequence"));
	if (w->q.n > 0)
		json_put_u64(&o, w->sequence - w->q.n + 1);
	else
		json_put_null(&o);
	json_pair_bool(&o, SL("may_have_missed_messages"), missed);
	json_object_end(&o);
}

static void
send_messages(struct client *c, const struct watch *w, const struct part *p,
    bool missed)
{
	struct relay *r = c->r;
	static const struct slice open = SL_INIT("{\"messages\":[");
	uint8_t area[256];
	struct buf tail = BUF_ON(area);
	struct channel_queue q = p->q;
	struct reply rep = { .status = 200, .body = open,
		.type = SL("application/json; charset=utf-8") };

	put_tail(&tail, w, p, missed);
	rep.more = p->bytes + tail.n;
	reply_send(c, false, &rep);
	for (uint32_t i = 0; i < p->n && c->state != CLIENT_DEAD; i++) {
		if (!send_entry(c, p->first + i, queue_first(r, &q), i == 0))
			return;
		q.head = r->channel->nodes.link[q.head];
	}
	if (c->state != CLIENT_DEAD && client_send(c, buf_slice(&tail)))
		client_answered(c);
}

/* Keep the request until a message comes. False: answer now. */
static bool
wait_for_message(struct client *c, struct watch *w, uint64_t wait_s)
{
	struct relay *r = c->r;
	uint64_t now = r->io->now_ms;

	if (c->wait_until_ms == 0)
		c->wait_until_ms = now + 1000 * min_u64(wait_s,
		    WATCH_WAIT_S_MAX);
	if (now >= c->wait_until_ms || r->stopping ||
	    (c->in == NULL && r->small.used >= r->small.cap / 2) ||
	    !client_try_keep(c, r->req_in))
		return false;
	client_to(c, CLIENT_POLL);
	c->poll = w;
	c->next_poll = w->polls;
	w->polls = c;
	client_arm(c);
	return true;
}

static void
call_messages(struct client *c, struct watch *w, struct slice query)
{
	struct relay *r = c->r;
	bool nan, none, missed;
	uint64_t since = query_num(query, SL("since"), &nan);
	uint64_t ack = query_num(query, SL("ack"), &none);
	uint64_t wait_s = query_num(query, SL("wait"), &none);
	struct part p;

	while (w->q.n > 0 && w->sequence - w->q.n + 1 <= ack)
		queue_drop(r, &w->q);
	drop_old(r, w);
	missed = since > 0 && (w->q.n > 0 ?
	    since < w->sequence - w->q.n : since < w->lost);
	if (since > w->sequence) {      /* of a queue that is no more */
		missed = true;
		since = 0;
	}
	part_find(r, w, since, &p);
	if (nan) {
		p.q.n = p.n = 0;
		p.bytes = 0;
		missed = false;
	}
	if (p.n == 0 && !missed && !nan && wait_s > 0 &&
	    wait_for_message(c, w, wait_s))
		return;
	send_messages(c, w, &p, missed);
}

static void
call_state(struct client *c, const struct watch *w)
{
	uint8_t area[512];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);

	json_object(&o);
	json_pair_bool(&o, SL("connected"), true);
	json_pair_bool(&o, SL("workstation_online"), w->st->sock != NULL);
	json_pair_string(&o, SL("workstation_name"),
	    name_slice(&w->st->name));
	json_pair_u64(&o, SL("queue_size"), w->q.n);
	json_pair_u64(&o, SL("current_sequence"), w->sequence);
	json_object_end(&o);
	say(c, 200, buf_slice(&b));
}

static void
watch_get_call(struct client *c, const struct http_head *h, enum call call)
{
	struct relay *r = c->r;
	struct slice query = url_query(h->target);
	struct params p = { .address = guess_address(&r->site.client) };
	struct station *st;
	struct watch *w;
	bool pause;

	params_init(&p);
	query_get(query, SL("tunnel_id"), &p.id);
	query_get(query, SL("auth_key"), &p.key);
	query_get(query, SL("device_id"), &p.device);
	if (!utf8_valid(buf_slice(&p.device)))
		p.device.n = 0;
	c->woken = false;
	st = params_station(c, &p, &pause);
	if (pause) {
		c->wait_until_ms = r->io->now_ms + GUESS_PAUSE_MS;
		client_hold(c, CLIENT_POLL);
	}
	if (st != NULL && c->paused) {
		c->wait_until_ms = 0;   /* the pause is over */
		c->paused = false;
	}
	w = st != NULL ? device_of(c, st, &p) : NULL;
	if (w != NULL && call == CALL_MESSAGES)
		call_messages(c, w, query);
	else if (w != NULL)
		call_state(c, w);
	wipe(&p, sizeof p);
}

/* ---- POST connect, command, disconnect ---- */

/* The message that goes ahead of each call: the workstation has to know the
 * device. */
static void
send_auth(struct relay *r, struct station *st, const struct params *p)
{
	uint8_t area[6 * (FIELD_MAX + DEVICE_BYTES_MAX) + 64];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);
	struct channel_msg *m;

	json_object(&o);
	json_pair_string(&o, SL("type"), SL("auth"));
	json_name(&o, SL("payload"));
	json_object(&o);
	json_pair_string(&o, SL("auth_key"), blank_trim(buf_slice(&p->key)));
	json_pair_string(&o, SL("device_id"), buf_slice(&p->device));
	json_object_end(&o);
	json_object_end(&o);
	m = msg_of(r, buf_slice(&b), false);
	if (m != NULL) {
		m->secret = true;
		st->to++;
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
	say(c, 200, buf_slice(&b));
}

static void
call_command(struct client *c, struct station *st, const struct params *p)
{
	struct relay *r = c->r;
	struct channel_msg *m = c->post;
	struct envelope_span v = m->env.v[ENV_MESSAGE];

	if (v.kind != JSON_OBJECT) {
		say_fault(c, 400, SL("missing_parameters"),
		    SL("message must be an object"));
		return;
	}
	if (st->sock == NULL) {
		say_fault(c, 503, SL("workstation_offline"),
		    SL("Workstation is offline"));
		return;
	}
	msg_keep(r, m, v.from, v.to - v.from);
	msg_scan(r, m, true);
	if (m->env.v[ENV_TYPE].kind != JSON_STRING) {
		say_fault(c, 400, SL("missing_parameters"),
		    SL("message needs a type"));
		return;
	}
	send_auth(r, st, p);
	/* Here too nobody speaks in the relay's name: it is dropped. */
	if (talk_forged(r, m) || talk_up(r, st, buf_slice(&p->device), m))
		say(c, 200, SL("{\"success\":true}"));
	else
		say_fault(c, 503, SL("send_failed"),
		    SL("The workstation does not read"));
}

static void
call_disconnect(struct client *c, struct station *st, const struct params *p)
{
	struct watch *w = watch_find(st, buf_slice(&p->device));

	if (w != NULL)
		watch_forget(c->r, w);
	say(c, 200, w != NULL ? SL("{\"success\":true}") :
	    SL("{\"success\":false}"));
}

static void
post_call(struct client *c, struct station *st, const struct params *p)
{
	if (c->call == CALL_DISCONNECT) {
		call_disconnect(c, st, p);
	} else if (device_of(c, st, p) == NULL) {
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
static void
post_done(struct client *c)
{
	struct relay *r = c->r;
	struct channel_msg *m = c->post;
	struct params p = { .address = m->address };
	struct station *st;
	bool pause = false;

	c->body_done = true;
	params_init(&p);
	if (!utf8_end(&m->utf8) || msg_scan(r, m, false) != E_OK) {
		say_bad(c, 400, SL("The body is not JSON"),
		    SL("FST_ERR_CTP_INVALID_JSON_BODY"));
	} else {
		(void)msg_string(r, m, &m->env.v[ENV_TUNNEL_ID], &p.id);
		(void)msg_string(r, m, &m->env.v[ENV_AUTH_KEY], &p.key);
		(void)msg_string(r, m, &m->env.v[ENV_DEVICE_ID], &p.device);
		st = params_station(c, &p, &pause);
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
watch_body(struct client *c)
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
		say_bad(c, 411, SL("A length is needed here"),
		    SL("LENGTH_REQUIRED"));
	else if (h->length > WATCH_BODY_MAX)
		say_bad(c, 413, SL("Request body is too large"),
		    SL("FST_ERR_CTP_BODY_TOO_LARGE"));
	else if (h->length == 0 && is_json(h))
		say_bad(c, 400, SL("The body is empty"),
		    SL("FST_ERR_CTP_EMPTY_JSON_BODY"));
	else if (h->length == 0)
		say_fault(c, 400, SL("missing_parameters"), SL("tunnel_id, "
		    "auth_key and device_id are required"));
	else if (!is_json(h))
		say_bad(c, 415, SL("Unsupported Media Type"),
		    SL("FST_ERR_CTP_INVALID_MEDIA_TYPE"));
	else
		return false;
	return true;
}

static void
watch_post_call(struct client *c, const struct http_head *h, enum call call,
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
		watch_relieve(r);
		c->keep = false;
		say_fault(c, 503, SL("internal_error"),
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
		say_bad(c, 404, SL("Not Found"), SL("NOT_FOUND"));
	else if (get && h->body != HTTP_BODY_NONE)
		say_bad(c, 400, SL("A body is not expected here"),
		    SL("BAD_REQUEST"));
	else if (get)
		watch_get_call(c, h, (enum call)call);
	else
		watch_post_call(c, h, (enum call)call, rest);
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
	} else if (c->state == CLIENT_POST && c->body_left > 0) {
		client_close(c, true);
	} else {
		/* A pause is over, or nothing came. */
		c->paused = c->poll == NULL;
		if (c->state == CLIENT_POST)
			post_done(c);
		else
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
