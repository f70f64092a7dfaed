/*
 * What messages mean. A socket is a stranger until it registers (a
 * workstation) or connects (a client); then its messages go to the other side,
 * but for those that are the relay's own. An error is a message and ends
 * nothing.
 *
 * The gate is the auth_key: the workstation itself serves whoever gets through
 * it. So a client can say nothing that a workstation would take for the relay's
 * word, and everything from it carries the device_id under which it connected.
 */
#include "relay/channel.h"

#include <assert.h>

#include "base/num.h"
#include "codec/json.h"
#include "crypto/ct.h"

static const struct slice invalid = SL_INIT("INVALID_PAYLOAD");

/* ---- words of ours ---- */

void
talk_error(struct channel_sock *s, struct slice code, struct slice text,
    struct slice more, struct slice details)
{
	uint8_t area[1024], both[256];
	struct buf b = BUF_ON(area), t = BUF_ON(both);
	struct json_out o = json_out_on(&b);

	buf_put(&t, text);
	buf_put(&t, more);
	json_object(&o);
	json_pair_string(&o, SL("type"), SL("error"));
	json_name(&o, SL("payload"));
	json_object(&o);
	json_pair_string(&o, SL("code"), code);
	json_pair_string(&o, SL("message"), buf_slice(&t));
	if (details.n > 0) {
		json_name(&o, SL("details"));
		json_put_raw(&o, details);
	}
	json_object_end(&o);
	json_object_end(&o);
	assert(buf_ok(&b));
	sock_say(s, buf_slice(&b));
}

static void
talk_invalid(struct channel_sock *s, struct slice text)
{
	talk_error(s, invalid, text, SL(""), SL(""));
}

struct channel_msg *
talk_notice(struct relay *r, struct slice type, struct slice id,
    struct slice device)
{
	uint8_t area[1280];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);

	json_object(&o);
	json_pair_string(&o, SL("type"), type);
	json_name(&o, SL("payload"));
	json_object(&o);
	if (device.n > 0)
		json_pair_string(&o, SL("device_id"), device);
	json_pair_string(&o, SL("tunnel_id"), id);
	json_object_end(&o);
	json_object_end(&o);
	assert(buf_ok(&b));
	return msg_of(r, buf_slice(&b), false);
}

/* ---- to whom ---- */

void
talk_broadcast(struct relay *r, struct station *st, struct channel_msg *m)
{
	if (m == NULL)
		return;
	for (struct channel_sock *s = st->clients; s != NULL; s = s->next)
		sock_send(s, m);
	for (struct watch *w = st->watches; w != NULL; w = w->next)
		watch_put(r, w, m);
}

static void
broadcast_notice(struct relay *r, struct station *st, struct slice type)
{
	struct channel_msg *m = talk_notice(r, type, name_slice(&st->id),
	    SL(""));

	talk_broadcast(r, st, m);
	msg_unref(r, m);
}

struct channel_sock *
talk_find(const struct station *st, struct slice device)
{
	uint32_t hash = device_hash(device);
	struct channel_sock *s = st->clients;

	while (s != NULL && (s->hash != hash ||
	    !slice_eq(slice_of(s->device, s->device_n), device)))
		s = s->next;
	return s;
}

bool
talk_up(struct relay *r, struct station *st, struct slice device,
    struct channel_msg *m)
{
	uint8_t area[MESSAGE_HEAD];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);
	size_t skip = m->env.open + 1;

	if (st->sock == NULL)
		return false;
	json_object(&o);
	json_pair_string(&o, SL("device_id"), device);
	buf_lit(&b, ",");       /* there is a type */
	assert(buf_ok(&b));
	msg_keep(r, m, m->from + skip, m->n - skip);
	msg_seal(m, buf_slice(&b));
	st->to++;
	return sock_send(st->sock, m);
}

/* ---- leaving ---- */

static void
unlink_client(struct channel_sock *s)
{
	struct channel_sock **at = &s->st->clients;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->st->nclients--;
	s->c->r->channel->clients--;
}

/* A client that is gone: its workstation forgets the device. */
static void
client_leaves(struct channel_sock *s)
{
	struct relay *r = s->c->r;
	struct slice device = slice_of(s->device, s->device_n);
	struct channel_msg *m;

	unlink_client(s);
	if (s->st->sock == NULL || watch_find(s->st, device) != NULL)
		return;
	m = talk_notice(r, SL("client.disconnected"), name_slice(&s->st->id),
	    device);
	if (m != NULL)
		sock_send(s->st->sock, m);
	msg_unref(r, m);
}

void
talk_leave(struct channel_sock *s)
{
	struct relay *r = s->c->r;
	struct station *st = s->st;

	if (s->role == CH_CLIENT) {
		client_leaves(s);
	} else if (s->role == CH_STATION) {
		assert(st->sock == s);
		st->sock = NULL;
		st->seen_s = r->io->wall_ms / 1000;
		LOGF(r->log, LOG_INFO, "channel", "workstation offline",
		    log_s("tunnel_id", name_slice(&st->id)),
		    log_s("name", name_slice(&st->name)));
		broadcast_notice(r, st, SL("connection.workstation_offline"));
	}
	s->role = CH_RETIRED;
	s->st = NULL;
}

/* A newer socket has its place. It stays open, and is told nothing more: a
 * program that is closed dials again, and would take the place back. */
static void
retire(struct channel_sock *s)
{
	if (s->role == CH_CLIENT)
		unlink_client(s);
	s->role = CH_RETIRED;
	s->st = NULL;
}

/* ---- fields of register and connect ---- */

enum { F_API_KEY, F_NAME, F_AUTH_KEY, F_RECONNECT, F_TUNNEL, F_DEVICE,
	FIELDS };

static const struct field_row {
	struct slice name, prior;
	uint8_t min;            /* characters; 0: may be absent */
	uint16_t max;           /* bytes */
} field_rows[FIELDS] = {
	[F_API_KEY] = { SL_INIT("api_key"), SL_INIT(""), 32, FIELD_MAX },
	[F_NAME] = { SL_INIT("name"), SL_INIT(""), 1, FIELD_MAX },
	[F_AUTH_KEY] = { SL_INIT("auth_key"), SL_INIT(""), AUTH_KEY_MIN,
	    FIELD_MAX },
	[F_RECONNECT] = { SL_INIT("reconnect"), SL_INIT(""), 0, 0 },
	[F_TUNNEL] = { SL_INIT("tunnel_id"), SL_INIT("previous_tunnel_id"), 1,
	    FIELD_MAX },
	[F_DEVICE] = { SL_INIT("device_id"), SL_INIT(""), 1,
	    DEVICE_BYTES_MAX },
};

struct fields {
	uint8_t area[FIELDS][FIELD_MAX];
	struct buf b[FIELDS];
	bool reconnect;
};

/* As JavaScript counts: units of UTF-16. */
static size_t
units(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += (s.p[i] & 0xc0) != 0x80 ? 1u + (s.p[i] >= 0xf0) : 0u;
	return n;
}

/* Why the value is not right, or empty. */
static struct slice
field_fault(const struct field_row *row, struct json v, struct buf *out)
{
	if (v.kind == JSON_NONE)
		return row->min > 0 ? SL("Required") : SL("");
	if (row->max == 0)
		return v.kind == JSON_BOOL ? SL("") : SL("Expected boolean");
	*out = buf_of(out->p, row->max);
	if (v.kind != JSON_STRING)
		return SL("Expected string");
	switch (json_string(v, out)) {
	case E_OK:
		break;
	case E_FULL:
		return SL("String is too long");
	default:
		return SL("String is not Unicode");
	}
	return units(buf_slice(out)) < row->min ? SL("String is too short") :
	    SL("");
}

/* Take the payload apart; true if all is right. Else *details says what. */
static bool
take_fields(struct fields *f, struct json payload, const uint8_t *ids,
    size_t n, bool station, struct buf *details)
{
	struct json_out o = json_out_on(details);
	bool good = true, object = payload.kind == JSON_OBJECT;

	json_object(&o);
	json_name(&o, SL("formErrors"));
	json_array(&o);
	json_array_end(&o);
	json_name(&o, SL("fieldErrors"));
	json_object(&o);
	json_name(&o, SL("payload"));
	json_array(&o);
	for (size_t i = 0; i < n; i++) {
		struct field_row row = field_rows[ids[i]];
		struct buf *b = &f->b[ids[i]];
		struct json v = { 0 };
		struct slice why;

		*b = BUF_ON(f->area[ids[i]]);
		if (station && row.prior.n > 0) {
			row.name = row.prior;
			row.min = 0;
		}
		if (object && json_get(payload, row.name, &v) == E_JSON_DUP)
			why = SL("Given twice");
		else
			why = field_fault(&row, v, b);
		if (why.n > 0)
			json_put_string(&o, why);
		good = good && why.n == 0;
		if (ids[i] == F_RECONNECT && good)
			json_bool(v, &f->reconnect);
	}
	json_array_end(&o);
	json_object_end(&o);
	json_object_end(&o);
	return good && object;
}

/* White space as people leave it at the ends. */
static struct slice
trim(struct slice s)
{
	while (s.n > 0 && (s.p[0] == ' ' || (s.p[0] >= 9 && s.p[0] <= 13)))
		s = slice_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' ||
	    (s.p[s.n - 1] >= 9 && s.p[s.n - 1] <= 13)))
		s.n--;
	return s;
}

/*
 * The payload of a register or connect, which is small. False: the sender was
 * told what is wrong.
 */
static bool
parse_fields(struct channel_sock *s, struct fields *f, bool station)
{
	static const uint8_t of_station[] = { F_API_KEY, F_NAME, F_AUTH_KEY,
		F_RECONNECT, F_TUNNEL };
	static const uint8_t of_client[] = { F_TUNNEL, F_AUTH_KEY, F_DEVICE,
		F_RECONNECT };
	const struct envelope_span *v = &s->m->env.v[ENV_PAYLOAD];
	uint8_t area[STRANGER_MAX], why[512];
	struct buf b = BUF_ON(area), details = BUF_ON(why);
	struct json payload = { 0 };
	bool good;

	if (msg_copy(s->c->r, s->m, v, &b))
		(void)json_parse(buf_slice(&b), JSON_DEPTH_MAX, &payload);
	good = take_fields(f, payload, station ? of_station : of_client,
	    station ? sizeof of_station : sizeof of_client, station,
	    &details) && (!station ||
	    trim(buf_slice(&f->b[F_AUTH_KEY])).n > 0);
	wipe(area, sizeof area);
	if (!good)
		talk_error(s, invalid, station ?
		    SL("Invalid registration payload") :
		    SL("Invalid connection payload"), SL(""),
		    buf_slice(&details));
	return good;
}

/* ---- registration ---- */

/* The public URL in full: where this workstation reaches us. */
static void
put_public_url(struct buf *b, const struct channel_sock *s)
{
	const struct relay *r = s->c->r;
	struct slice url = r->cfg->public_url;
	uint8_t area[300];
	struct buf host = BUF_ON(area);
	bool secure = s->secure;

	if (url.n > 0) {
		secure = slice_starts(url, SL("https:"));
		buf_put(&host, slice_from(url, secure ? 8 : 7));
	} else if (s->host.n > 0) {
		buf_put(&host, name_slice(&s->host));
	} else {
		site_main_host(r, &host, &secure);
	}
	buf_put(b, secure ? SL("wss://") : SL("ws://"));
	buf_put(b, buf_slice(&host));
	buf_put(b, r->cfg->channel_path);
}

static void
say_registered(struct channel_sock *s, bool restored)
{
	uint8_t area[1024], url[512];
	struct buf b = BUF_ON(area), u = BUF_ON(url);
	struct json_out o = json_out_on(&b);

	put_public_url(&u, s);
	json_object(&o);
	json_pair_string(&o, SL("type"), SL("workstation.registered"));
	json_name(&o, SL("payload"));
	json_object(&o);
	json_pair_string(&o, SL("tunnel_id"), name_slice(&s->st->id));
	json_pair_string(&o, SL("public_url"), buf_slice(&u));
	if (restored)
		json_pair_bool(&o, SL("restored"), true);
	json_object_end(&o);
	json_object_end(&o);
	sock_say(s, buf_slice(&b));
}

static void
register_now(struct channel_sock *s, const struct fields *f,
    const struct answer *verdict)
{
	struct relay *r = s->c->r;
	struct slice id = trim(buf_slice(&f->b[F_TUNNEL]));
	struct station *st;
	bool restored;

	st = station_claim(r, f->reconnect ? id : SL(""),
	    trim(buf_slice(&f->b[F_AUTH_KEY])), buf_slice(&f->b[F_NAME]),
	    &restored);
	if (st == NULL) {
		talk_error(s, SL("INTERNAL_ERROR"), SL("The relay has no room "
		    "for another workstation"), SL(""), SL(""));
		return;
	}
	if (st->sock != NULL && st->sock != s)
		retire(st->sock);
	if (s->st != st || s->role != CH_STATION)
		talk_leave(s);
	s->role = CH_STATION;
	s->st = st;
	st->sock = s;
	st->credential = verdict->credential;
	s->expires_ms = verdict->expires_s == 0 ? TIMER_NEVER :
	    r->io->now_ms + 1000 * (verdict->expires_s -
	    min_u64(verdict->expires_s, r->io->wall_ms / 1000));
	s->life_ms = r->io->now_ms + CHANNEL_LIFE_MS;
	LOGF(r->log, LOG_INFO, "channel", "workstation online",
	    log_s("tunnel_id", name_slice(&st->id)),
	    log_s("name", name_slice(&st->name)));
	if (restored)
		broadcast_notice(r, st, SL("connection.workstation_online"));
	say_registered(s, restored);
}

static void
ask_key(struct channel_sock *s, struct slice api_key)
{
	struct relay *r = s->c->r;
	struct ask q = { .kind = ASK_CHANNEL_KEY };

	memcpy(q.text, api_key.p, api_key.n);
	q.text_n = to_u16(api_key.n);
	q.seq = s->c->ask_seq = ++r->ask_seq;
	q.who = pool_handle(&r->clients, s->c);
	q.now_s = r->io->wall_ms / 1000;
	if (r->io->ops->ask(r->io->ctx, &q))
		sock_pause(s, CH_ASKS, r->io->now_ms + CHANNEL_HELLO_MS);
	else
		talk_error(s, SL("INTERNAL_ERROR"),
		    SL("An internal error occurred"), SL(""), SL(""));
	wipe(&q, sizeof q);
}

/* A wrong key may be tried again, but not at any speed. */
static bool
guess_waits(struct channel_sock *s, struct slice id)
{
	struct relay *r = s->c->r;

	if (s->paused || guess_free(r, s->address, id))
		return false;
	sock_pause(s, CH_PAUSES, r->io->now_ms + GUESS_PAUSE_MS);
	return true;
}

static void
talk_register(struct channel_sock *s, const struct answer *verdict)
{
	struct relay *r = s->c->r;
	struct fields f = { .reconnect = false };

	s->m->secret = true;
	if (!parse_fields(s, &f, true))
		goto out;
	if (verdict == NULL) {
		if (!guess_waits(s, SL("")))
			ask_key(s, buf_slice(&f.b[F_API_KEY]));
	} else if (verdict->result == E_OK) {
		register_now(s, &f, verdict);
	} else {
		guess_wrong(r, s->address, SL(""));
		LOGF(r->log, LOG_WARN, "channel", "workstation refused: wrong "
		    "API key", log_u("conn", pool_index(&r->clients, s->c)));
		talk_error(s, SL("INVALID_API_KEY"), SL("Invalid API key for "
		    "workstation registration"), SL(""), SL(""));
	}
out:
	wipe(&f, sizeof f);
}

/* ---- a client ---- */

static void
say_connected(struct channel_sock *s, bool restored)
{
	uint8_t area[512];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);

	json_object(&o);
	json_pair_string(&o, SL("type"), SL("connected"));
	json_name(&o, SL("payload"));
	json_object(&o);
	json_pair_string(&o, SL("tunnel_id"), name_slice(&s->st->id));
	json_pair_string(&o, SL("tunnel_version"), s->c->r->cfg->version);
	json_pair_string(&o, SL("protocol_version"), SL("1.0.0"));
	if (restored)
		json_pair_bool(&o, SL("restored"), true);
	json_object_end(&o);
	json_object_end(&o);
	sock_say(s, buf_slice(&b));
}

static void
connect_now(struct channel_sock *s, struct station *st, struct slice device,
    bool reconnect)
{
	struct relay *r = s->c->r;
	struct channel_sock *old = talk_find(st, device);

	if (old != NULL)
		retire(old);
	if (s->role != CH_RETIRED && s != old)
		talk_leave(s);
	memcpy(s->device, device.p, device.n);
	s->device_n = to_u8(device.n);
	s->hash = device_hash(device);
	s->role = CH_CLIENT;
	s->st = st;
	s->next = st->clients;
	st->clients = s;
	st->nclients++;
	r->channel->clients++;
	s->life_ms = r->io->now_ms + CHANNEL_LIFE_MS;
	s->expires_ms = TIMER_NEVER;
	LOGF(r->log, LOG_DEBUG, "channel", "client connected",
	    log_s("tunnel_id", name_slice(&st->id)),
	    log_s("device", device));
	say_connected(s, old != NULL && reconnect);
}

/* A message from this device has to fit the head of a message. */
static bool
device_ok(struct slice device)
{
	uint8_t area[MESSAGE_HEAD - WS_HEAD_MAX - 16];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);

	json_put_string(&o, device);
	return buf_ok(&b);
}

static void
talk_connect(struct channel_sock *s)
{
	struct relay *r = s->c->r;
	struct fields f = { .reconnect = false };
	struct station *st;
	struct slice id, device;

	s->m->secret = true;
	if (!parse_fields(s, &f, false))
		goto out;
	id = trim(buf_slice(&f.b[F_TUNNEL]));
	device = buf_slice(&f.b[F_DEVICE]);
	st = station_find(r, id);
	if (!device_ok(device)) {
		talk_invalid(s, SL("Invalid connection payload"));
	} else if (guess_waits(s, id)) {
		goto out;
	} else if (st == NULL) {
		guess_wrong(r, s->address, SL(""));
		talk_error(s, SL("TUNNEL_NOT_FOUND"), SL("Tunnel not found: "),
		    slice_head(id, 128), SL(""));
	} else if (!station_key_ok(st, buf_slice(&f.b[F_AUTH_KEY]))) {
		guess_wrong(r, s->address, id);
		talk_error(s, SL("INVALID_AUTH_KEY"), SL("Invalid auth key"),
		    SL(""), SL(""));
	} else if (st->sock == NULL) {
		talk_error(s, SL("WORKSTATION_OFFLINE"),
		    SL("Workstation is offline: "), id, SL(""));
	} else {
		connect_now(s, st, device, f.reconnect);
	}
out:
	wipe(&f, sizeof f);
}

/* ---- everything else ---- */

static void
talk_ping(struct channel_sock *s)
{
	struct relay *r = s->c->r;
	uint8_t area[384], num[320];
	struct buf b = BUF_ON(area), stamp = BUF_ON(num);
	const struct envelope_span *v = &s->m->env.v[ENV_TIMESTAMP];

	if (v->kind != JSON_NUMBER || !msg_copy(r, s->m, v, &stamp))
		return;
	s->life_ms = r->io->now_ms + (s->role == CH_STRANGER ?
	    CHANNEL_HELLO_MS : CHANNEL_LIFE_MS);
	client_arm(s->c);
	buf_lit(&b, "{\"type\":\"pong\",\"timestamp\":");
	buf_put(&b, buf_slice(&stamp));
	buf_lit(&b, "}");
	sock_say(s, buf_slice(&b));
}

/* What a workstation would take for the relay's own word. */
static bool
forged(struct slice type)
{
	static const struct slice whole[] = { SL_INIT("client.disconnected"),
		SL_INIT("pong"), SL_INIT("error"), SL_INIT("registered"),
		SL_INIT("connected") };

	for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
		if (slice_eq(type, whole[i]))
			return true;
	}
	return slice_starts(type, SL("workstation.")) ||
	    slice_starts(type, SL("connection."));
}

bool
talk_forged(struct relay *r, struct channel_msg *m)
{
	struct envelope_span v = m->env.v[ENV_TYPE];
	uint8_t area[64];
	struct buf b = BUF_ON(area);

	v.from += m->from;
	v.to += m->from;
	return msg_string(r, m, &v, &b) && forged(buf_slice(&b));
}

static void
from_client(struct channel_sock *s, struct slice type)
{
	struct relay *r = s->c->r;

	if (slice_eq(type, SL("forward.to_device")))
		talk_invalid(s, SL("Invalid forward.to_device payload"));
	else if (forged(type))
		LOGF(r->log, LOG_DEBUG, "channel", "dropped",
		    log_s("type", type));
	else if (s->st->sock == NULL)
		talk_error(s, SL("WORKSTATION_OFFLINE"),
		    SL("Workstation is offline: "), name_slice(&s->st->id),
		    SL(""));
	else
		talk_up(r, s->st, slice_of(s->device, s->device_n), s->m);
}

static void
to_device(struct channel_sock *s)
{
	struct relay *r = s->c->r;
	struct envelope_span *v = s->m->env.v;
	uint8_t area[DEVICE_BYTES_MAX];
	struct buf device = BUF_ON(area);
	struct channel_sock *to;
	struct watch *w;

	if (v[ENV_DEVICE_ID].kind != JSON_STRING ||
	    v[ENV_PAYLOAD].kind != JSON_STRING) {
		talk_invalid(s, SL("Invalid forward.to_device payload"));
		return;
	}
	if (!msg_string(r, s->m, &v[ENV_DEVICE_ID], &device))
		return;         /* no device has such a name */
	to = talk_find(s->st, buf_slice(&device));
	w = to == NULL ? watch_find(s->st, buf_slice(&device)) : NULL;
	if (to == NULL && w == NULL)
		return;
	msg_unescape(r, s->m, &v[ENV_PAYLOAD]);
	msg_seal(s->m, SL(""));
	if (to != NULL) {
		sock_send(to, s->m);
	} else {
		s->m->not_json = msg_scan(r, s->m, false) != E_OK;
		watch_put(r, w, s->m);
	}
}

static void
from_station(struct channel_sock *s, struct slice type)
{
	s->st->from++;
	if (slice_eq(type, SL("forward.to_device"))) {
		to_device(s);
		return;
	}
	msg_seal(s->m, SL(""));
	talk_broadcast(s->c->r, s->st, s->m);
}

/* The message's type; false: it has none that is a string. A long one is none
 * of those that mean something here. */
static bool
take_type(struct channel_sock *s, struct buf *type)
{
	const struct envelope *e = &s->m->env;

	if (e->kind != JSON_OBJECT || e->v[ENV_TYPE].kind != JSON_STRING)
		return false;
	if (!msg_string(s->c->r, s->m, &e->v[ENV_TYPE], type))
		buf_reset(type);
	return true;
}

void
talk_message(struct channel_sock *s, enum err e, const struct answer *verdict)
{
	uint8_t area[64];
	struct buf b = BUF_ON(area);
	struct slice type;

	if (e != E_OK) {
		talk_invalid(s, SL("Invalid JSON"));
		return;
	}
	if (!take_type(s, &b)) {
		talk_invalid(s, SL("Missing message type"));
		return;
	}
	type = buf_slice(&b);
	if (slice_eq(type, SL("ping")))
		talk_ping(s);
	else if (slice_eq(type, SL("workstation.register")))
		talk_register(s, verdict);
	else if (slice_eq(type, SL("connect")))
		talk_connect(s);
	else if (s->role == CH_STRANGER)
		talk_invalid(s, SL("Not authenticated"));
	else if (s->role == CH_CLIENT)
		from_client(s, type);
	else if (s->role == CH_STATION)
		from_station(s, type);
}
