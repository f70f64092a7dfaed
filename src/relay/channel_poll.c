/*
 * GET messages and state. An answer is made of a device's queue as it stands,
 * with no copy of a message; its length is known before its first byte. A long
 * poll keeps its request and is looked at again when a message came.
 */
#include "relay/channel.h"

#include "base/num.h"
#include "codec/date.h"
#include "codec/json.h"
#include "codec/url.h"
#include "crypto/ct.h"

enum { PREFIX_MAX = 160 };

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
	s = field_trim(buf_slice(&b));
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
	struct buf raw = buf_of(r->area, WATCH_ODD_MAX);
	struct buf b = buf_of(r->area + WATCH_ODD_MAX,
	    AREA_BYTES - WATCH_ODD_MAX);
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
	r->channel->count[COUNT_POLLED] += p->n;
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
	    !watch_hold(c, c->wait_until_ms))
		return false;
	c->poll = w;
	c->next_poll = w->polls;
	w->polls = c;
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
	device_trim(r, w);
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
	watch_say(c, 200, buf_slice(&b));
}

void
poll_request(struct client *c, const struct http_head *h, enum watch_call call)
{
	struct relay *r = c->r;
	struct slice query = url_query(h->target);
	struct watch_params p = { .address = guess_address(&r->site.client) };
	struct station *st;
	struct watch *w;
	bool pause;

	watch_params_init(&p);
	query_get(query, SL("tunnel_id"), &p.id);
	query_get(query, SL("auth_key"), &p.key);
	query_get(query, SL("device_id"), &p.device);
	if (!utf8_valid(buf_slice(&p.device)))
		p.device.n = 0;
	c->woken = false;
	st = watch_station(c, &p, &pause);
	if (pause && !watch_hold(c, r->io->now_ms + GUESS_PAUSE_MS))
		watch_busy(c);
	if (c->paused)
		c->wait_until_ms = 0;   /* the pause is over */
	c->paused = false;
	w = st != NULL ? watch_device(c, st, &p) : NULL;
	if (w != NULL && call == CALL_MESSAGES)
		call_messages(c, w, query);
	else if (w != NULL)
		call_state(c, w);
	wipe(&p, sizeof p);
}
