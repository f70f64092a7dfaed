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

#include "codec/json.h"

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

static void
talk_broadcast(struct relay *r, struct station *st, struct channel_msg *m)
{
	if (m == NULL)
		return;
	for (struct channel_sock *s = st->clients; s != NULL; s = s->next)
		sock_send(s, m);
	for (struct watch *w = st->watches; w != NULL; w = w->next)
		device_put(r, w, m);
}

void
talk_tell(struct relay *r, struct station *st, struct slice type)
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
	r->channel->count[COUNT_TO]++;
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
	if (s->st->sock == NULL || device_find(s->st, device) != NULL)
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
		r->channel->changed = true;
		LOGF(r->log, LOG_INFO, "channel", "workstation offline",
		    log_s("tunnel_id", name_slice(&st->id)),
		    log_s("name", name_slice(&st->name)));
		talk_tell(r, st, SL("connection.workstation_offline"));
	}
	s->role = CH_RETIRED;
	s->st = NULL;
}

void
talk_retire(struct channel_sock *s)
{
	if (s->role == CH_CLIENT)
		unlink_client(s);
	s->role = CH_RETIRED;
	s->st = NULL;
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

/* What a workstation would take for the relay's own word, or what we cannot
 * read: see take_type. */
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
	return type.n == 0 || slice_starts(type, SL("workstation.")) ||
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
	return !msg_string(r, m, &v, &b) || forged(buf_slice(&b));
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
	w = to == NULL ? device_find(s->st, buf_slice(&device)) : NULL;
	if (to == NULL && w == NULL)
		return;
	msg_unescape(r, s->m, &v[ENV_PAYLOAD]);
	msg_seal(s->m, SL(""));
	if (to != NULL) {
		sock_send(to, s->m);
	} else {
		s->m->not_json = msg_scan(r, s->m, false) != E_OK;
		device_put(r, w, s->m);
	}
}

static void
from_station(struct channel_sock *s, struct slice type)
{
	s->st->from++;
	s->c->r->channel->count[COUNT_FROM]++;
	if (slice_eq(type, SL("forward.to_device"))) {
		to_device(s);
		return;
	}
	msg_seal(s->m, SL(""));
	talk_broadcast(s->c->r, s->st, s->m);
}

/* The message's type; false: it has none that is a string. One that is long, or
 * no Unicode, is empty here. */
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
		gate_register(s, verdict);
	else if (slice_eq(type, SL("connect")))
		gate_connect(s);
	else if (s->role == CH_STRANGER)
		talk_invalid(s, SL("Not authenticated"));
	else if (s->role == CH_CLIENT)
		from_client(s, type);
	else if (s->role == CH_STATION)
		from_station(s, type);
}
