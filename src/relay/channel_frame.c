/*
 * The channel's input: frames as they come, and the messages in them. A message
 * is checked while it arrives (UTF-8, JSON) and kept whole until its end, in
 * room that was reserved before its first byte was read. Of what a stranger
 * says little is kept, and of what is no JSON nothing more.
 */
#include "relay/channel.h"

#include <assert.h>

#include "base/num.h"

/* The peer broke a rule of RFC 6455, or a limit. */
static void
frame_fail(struct channel_sock *s, uint16_t code)
{
	sock_end(s, code, SL(""));
}

/* ---- messages ---- */

/* Room for the message whose frame begins; false: not now, or never. */
static bool
frame_room(struct channel_sock *s, const struct ws_frame *f)
{
	struct relay *r = s->c->r;
	bool first = f->opcode != WS_CONT;
	uint64_t max = r->cfg->channel_message_max;
	size_t want;

	if (f->length > max - (first ? 0 : s->total)) {
		frame_fail(s, WS_CODE_TOO_BIG);
		return false;
	}
	want = (size_t)f->length + (first ? 0 : s->total);
	/* What comes in fragments has no length: it gets room for the longest
	 * at once, so that nobody waits who holds what others wait for. */
	if (want > MESSAGE_SMALL && !(first && f->fin))
		want = (size_t)max;
	if (first)
		s->known = s->role != CH_STRANGER;
	if (s->known && want > MESSAGE_SMALL &&
	    (first || s->m->blocks == 0) &&
	    (room_wanted(r, s) || !msg_room(r, want)))
		goto wait;
	if (first)
		s->m = msg_new(r);
	if (s->m == NULL)
		goto wait;
	return !s->known || s->m->blocks > 0 || msg_reserve(r, s->m, want);
wait:
	room_wait(s);
	return false;
}

static void
message_begin(struct channel_sock *s, const struct ws_frame *f)
{
	if (f->opcode == WS_CONT)
		return;
	envelope_init(&s->m->env, s->role == CH_CLIENT);
	s->mend = (struct utf8_mend){ .n = 0 };
	s->binary = f->opcode == WS_BINARY;
	s->total = 0;
	s->paused = false;
}

/* Bytes that are UTF-8. False: the socket is being closed. */
static bool
message_text(struct channel_sock *s, struct slice in)
{
	struct relay *r = s->c->r;
	struct channel_msg *m = s->m;
	enum err e = m->env.err;

	s->total += in.n;
	if (e != E_OK)
		return true;    /* no JSON: nobody will want it */
	if (!s->known) {
		msg_put(r, m, slice_head(in, STRANGER_MAX - m->total));
	} else if (!msg_put(r, m, in) && (s->total >
	    r->cfg->channel_message_max || !msg_reserve(r, m, s->total) ||
	    !msg_put(r, m, in))) {
		frame_fail(s, WS_CODE_TOO_BIG);  /* what was mended is longer */
		return false;
	}
	do {
		size_t used;

		e = envelope_feed(&m->env, in, &used);
		in = slice_from(in, used);
		if (e == E_OK)
			msg_blank(r, m, m->env.cut_from, m->env.cut_to);
	} while (e == E_OK);
	return true;
}

static bool
message_bytes(struct channel_sock *s, struct slice in)
{
	while (s->binary && in.n > 0) {
		struct slice out;
		size_t used;

		utf8_mend(&s->mend, in, &used, &out);
		if (out.n > 0 && !message_text(s, out))
			return false;
		in = slice_from(in, used);
	}
	if (in.n == 0)
		return true;
	if (utf8_step(&s->mend.u, in))
		return message_text(s, in);
	frame_fail(s, WS_CODE_UTF8);
	return false;
}

/* What became of the message is known: the socket reads on. */
static void
message_over(struct channel_sock *s)
{
	if (s->ending || s->wait != CH_READS)
		return;
	msg_unref(s->c->r, s->m);
	s->m = NULL;
}

void
frame_again(struct channel_sock *s, const struct answer *a)
{
	s->c->r->channel->busy = s->c;
	talk_message(s, E_OK, a);
	message_over(s);
}

static void
message_done(struct channel_sock *s)
{
	struct relay *r = s->c->r;
	struct slice rest = utf8_mend_end(&s->mend);

	if (!s->binary && !utf8_end(&s->mend.u)) {
		frame_fail(s, WS_CODE_UTF8);
		return;
	}
	if (rest.n > 0 && s->binary && !message_text(s, rest))
		return;
	if (r->io->now_ms - s->m->begun_ms >= CHANNEL_SHORT_MS)
		s->life_ms = max_u64(s->life_ms, r->io->now_ms +
		    CHANNEL_SHORT_MS);
	s->m->wall_ms = r->io->wall_ms;
	msg_reserve(r, s->m, s->m->total);
	talk_message(s, envelope_end(&s->m->env), NULL);
	message_over(s);
}

/* ---- frames ---- */

static void
control_done(struct channel_sock *s)
{
	struct slice payload = slice_of(s->ctl, s->ctl_n), reason;
	uint8_t area[WS_HEAD_MAX + WS_CONTROL_MAX];
	struct buf b = BUF_ON(area);
	struct ws_frame f = { .length = payload.n, .opcode = WS_PONG,
		.fin = true };
	uint16_t code;
	enum err e;

	if (s->f.opcode == WS_PING) {
		ws_encode(&b, &f);
		buf_put(&b, payload);
		if (!sock_put_frame(s, buf_slice(&b)))
			sock_doom(s);
		client_mark(s->c);
	} else if (s->f.opcode == WS_CLOSE) {
		e = ws_close_parse(payload, &code, &reason);
		if (e == E_OK)
			sock_end(s, code, SL(""));
		else
			frame_fail(s, ws_close_code(e));
	}
}

static void
frame_done(struct channel_sock *s)
{
	s->framed = false;
	s->n_held = 0;
	if (s->f.opcode >= WS_CLOSE)
		control_done(s);
	else if (s->f.fin)
		message_done(s);
}

/* A header, or a part of it. How many bytes were taken; none: it waits. */
static size_t
feed_head(struct channel_sock *s, struct slice in)
{
	size_t more = min_size(in.n, sizeof s->held - s->n_held), used = 0;
	struct ws_rules rules = s->rules;
	struct ws_frame f;
	enum err e;

	memcpy(s->held + s->n_held, in.p, more);
	e = ws_decode(&f, slice_of(s->held, s->n_held + more), &used);
	if (e == E_MORE) {
		s->n_held = to_u8(s->n_held + more);
		return more;
	}
	if (e == E_OK)
		e = ws_admit(&rules, &f);
	if (e != E_OK) {
		frame_fail(s, ws_close_code(e));
		return in.n;
	}
	if (s->role == CH_CLIENT && f.opcode < WS_CLOSE &&
	    sock_full(s->c->r, s->st)) {
		sock_pause(s, CH_FULL, s->c->r->io->now_ms + CHANNEL_FULL_MS);
		return 0;
	}
	if (f.opcode < WS_CLOSE && !frame_room(s, &f))
		return 0;
	if (f.opcode < WS_CLOSE)
		message_begin(s, &f);
	if (s->ticket != 0)
		s->c->r->channel->freed = true; /* who is next? */
	s->ticket = 0;
	s->rules = rules;
	s->f = f;
	s->left = f.length;
	s->masked = 0;
	s->ctl_n = 0;
	s->framed = true;
	used -= s->n_held;
	if (s->left == 0)
		frame_done(s);
	return used;
}

static size_t
feed_payload(struct channel_sock *s, uint8_t *p, size_t n)
{
	n = (size_t)min_u64(n, s->left);
	ws_mask(p, p, n, s->f.key, s->masked);
	s->masked += n;
	s->left -= n;
	if (s->f.opcode >= WS_CLOSE) {
		assert(n <= sizeof s->ctl - s->ctl_n);
		memcpy(s->ctl + s->ctl_n, p, n);
		s->ctl_n = to_u8(s->ctl_n + n);
	} else if (!message_bytes(s, slice_of(p, n))) {
		return n;
	}
	if (s->left == 0)
		frame_done(s);
	return n;
}

size_t
frame_feed(struct channel_sock *s, uint8_t *p, size_t n)
{
	size_t at = 0;

	s->moved_ms = s->c->r->io->now_ms;
	s->c->r->channel->busy = s->c;
	while (at < n && sock_reads(s)) {
		if (s->framed)
			at += feed_payload(s, p + at, n - at);
		else
			at += feed_head(s, slice_of(p + at, n - at));
	}
	return s->ending ? n : at;
}
