/*
 * The gate: how a stranger becomes a workstation or a client. A workstation
 * shows the channel's key, and what its auth_key was the first time under its
 * id; a client shows that auth_key. The workstation itself serves whoever gets
 * through here, so nothing else of the channel lets anybody in.
 */
#include "relay/channel.h"

#include "base/num.h"
#include "codec/json.h"
#include "crypto/ct.h"

static const struct slice invalid = SL_INIT("INVALID_PAYLOAD");

/* ---- fields ---- */

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
	    field_trim(buf_slice(&f->b[F_AUTH_KEY])).n > 0);
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
	struct slice id = field_trim(buf_slice(&f->b[F_TUNNEL]));
	struct station *st;
	bool restored;

	st = station_claim(r, f->reconnect ? id : SL(""),
	    field_trim(buf_slice(&f->b[F_AUTH_KEY])), buf_slice(&f->b[F_NAME]),
	    &restored);
	if (st == NULL) {
		talk_error(s, SL("INTERNAL_ERROR"), SL("The relay has no room "
		    "for another workstation"), SL(""), SL(""));
		return;
	}
	if (st->sock != NULL && st->sock != s)
		talk_retire(st->sock);
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
		talk_tell(r, st, SL("connection.workstation_online"));
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

void
gate_register(struct channel_sock *s, const struct answer *verdict)
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
		talk_retire(old);
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

void
gate_connect(struct channel_sock *s)
{
	struct relay *r = s->c->r;
	struct fields f = { .reconnect = false };
	struct station *st;
	struct slice id, device;

	s->m->secret = true;
	if (!parse_fields(s, &f, false))
		goto out;
	id = field_trim(buf_slice(&f.b[F_TUNNEL]));
	device = buf_slice(&f.b[F_DEVICE]);
	st = station_find(r, id);
	if (!device_ok(device)) {
		talk_error(s, invalid, SL("Invalid connection payload"),
		    SL(""), SL(""));
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
