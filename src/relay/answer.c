/*
 * Answers of apps, on their way to the client. Each head is parsed, checked
 * and written anew; of a body the framing is followed and the bytes pass as
 * they came.
 *
 * Bytes count as consumed (the agent gets credit for them) when the client's
 * socket took them, so a slow reader holds up its own stream and no other.
 */
#include "relay/parts.h"

#include "base/num.h"

/* The exchange failed before the client got anything of an answer. What is
 * said depends on what was asked: a page for a person going to one. */
void
answer_fail(struct client *c, unsigned status, struct slice text)
{
	const struct rstream *s = c->s;
	struct http_field nav = { .name = SL("Sec-Fetch-Mode"),
		.value = SL("navigate"), .id = HTTP_N_SEC_FETCH_MODE };
	struct http_head h = { .fields = &nav, .nfields = s->navigation,
		.minor = c->minor, .verb = s->to == HTTP_TO_HEAD ?
		HTTP_V_HEAD : HTTP_V_GET };

	stream_client_gone(c);
	c->keep = c->keep && c->body_done;
	reply_error(c, &h, status, text, status == 503 ?
	    SL("Retry-After: 2\r\n") : SL(""));
}

/*
 * The answer ends before its length or its last chunk: the client gets what
 * came, and sees by the framing that it is not all.
 */
static void
answer_cut_short(struct rstream *s)
{
	struct client *c = s->c;

	gather_flush(s->r);
	if (s->c == NULL)
		return;
	if (s->unchunk) {
		/* Without framing only a reset tells. */
		client_close(c, true);
		return;
	}
	stream_client_gone(c);
	c->keep = false;
	client_answered(c);
}

/* What the app sent is not an answer. */
static void
answer_bad(struct rstream *s, enum err e)
{
	struct client *c = s->c;

	LOGF(s->r->log, LOG_WARN, "relay", "app's answer refused",
	    log_s("app", name_slice(&s->l->apps[s->app].name)),
	    log_s("agent", name_slice(&s->l->name)),
	    log_c("error", err_name(e)));
	if (s->head_sent) {
		answer_cut_short(s);
	} else {
		answer_fail(c, 502, SL("The app sent a malformed answer"));
	}
}

/* How long the app keeps an idle connection: it says so, or we guess low. */
static uint32_t
keep_ms(const struct http_head *h)
{
	const struct http_field *f =
	    http_field_id(h, HTTP_N_KEEP_ALIVE, NULL);
	struct slice rest, e;
	uint64_t v;

	if (f == NULL)
		return STREAM_IDLE_MS;
	rest = f->value;
	while (http_list_next(&rest, &e)) {
		if (!slice_starts(e, SL("timeout=")) ||
		    !slice_dec(slice_from(e, 8), 3600, &v))
			continue;
		return v > 1 ? (uint32_t)min_u64((v - 1) * 1000, 60000) : 0;
	}
	return STREAM_IDLE_MS;
}

/* The answer is complete. */
static void
answer_done(struct rstream *s)
{
	struct relay *r = s->r;
	struct client *c = s->c;

	gather_flush(r);
	if (s->c == NULL)
		return;
	if (s->app_keeps && c->keep && c->body_done && !s->peer_end &&
	    !s->unwanted && s->keep_ms > 0) {
		s->resp = RESP_IDLE;
		s->reused = true;
		s->idle_until_ms = r->io->now_ms + s->keep_ms;
		timer_set(&r->timers, &s->timer, pool_handle(&r->streams, s),
		    s->idle_until_ms);
	} else if (c->body_done && s->up.n == 0) {
		stream_orphan(s);
	} else {
		stream_client_gone(c);
	}
	client_answered(c);
}

static bool
answer_put_head(struct rstream *s, const struct http_head *h, bool close)
{
	struct client *c = s->c;
	struct remote_app *app = &s->l->apps[s->app];
	struct buf b = buf_of(s->r->area, AREA_BYTES);
	struct rewrite_response w = {
		.client_minor = c->minor,
		.close = close,
		.shared = s->shared,
		.secure = s->secure,
		.unchunk = s->unchunk,
		.own_location = s->host_app,
		.app_host = slice_of(app->host, app->host_n),
		.site_host = name_slice(&s->site_host),
	};

	if (!rewrite_response(&b, h, &w)) {
		answer_bad(s, E_HTTP_HEAD_LONG);
		return false;
	}
	if (h->status >= 200 || h->status == 101) {
		s->head_sent = true;
		s->r->answers[h->status / 100]++;
	}
	return gather_put(c, buf_slice(&b));
}

static void
answer_upgraded(struct rstream *s, const struct http_head *h)
{
	const struct http_field *f = NULL;
	uint8_t bits = 0;

	if (!s->upgrade || !h->upgrade_websocket) {
		answer_bad(s, E_WS_HANDSHAKE);
		return;
	}
	while ((f = http_field_id(h, HTTP_N_SEC_WS_EXTENSIONS, f)) != NULL) {
		if (ws_extension_bits(f->value, &bits) != E_OK) {
			answer_bad(s, E_WS_HANDSHAKE);
			return;
		}
	}
	if (!answer_put_head(s, h, false))
		return;
	ws_follow_init(&s->ws_up, true, bits);
	ws_follow_init(&s->ws_down, false, bits);
	s->resp = RESP_WS;
	client_to(s->c, CLIENT_WS);
	client_arm(s->c);
	tunnel_ready(&s->ts);
}

static void
answer_final(struct rstream *s, const struct http_head *h)
{
	struct client *c = s->c;

	s->unchunk = c->minor == 0 && h->body == HTTP_BODY_CHUNKED;
	s->app_keeps = h->keep_alive;
	s->keep_ms = keep_ms(h);
	if (!c->body_done || h->body == HTTP_BODY_CLOSE || s->unchunk ||
	    s->r->stopping)
		c->keep = false;
	if (!answer_put_head(s, h, !c->keep))
		return;
	switch (h->body) {
	case HTTP_BODY_LENGTH:
		s->left = h->length;
		s->resp = RESP_LENGTH;
		break;
	case HTTP_BODY_CHUNKED:
		s->chunk = (struct chunk_dec){ 0 };
		s->resp = RESP_CHUNKED;
		break;
	case HTTP_BODY_CLOSE:
		s->resp = RESP_CLOSE;
		break;
	case HTTP_BODY_NONE:
	default:
		answer_done(s);
		return;
	}
	client_arm(c);
}

static void
answer_head(struct rstream *s, const struct http_head *h)
{
	if (h->status == 101) {
		answer_upgraded(s, h);
	} else if (h->status < 200) {
		if (s->c->minor > 0)
			answer_put_head(s, h, false);
	} else {
		answer_final(s, h);
	}
}

/* Keep the beginning of a head (or trailers) until the rest comes. */
static bool
rin_keep(struct rstream *s, struct slice v)
{
	struct relay *r = s->r;
	bool large;
	uint8_t *p;

	if (v.n > HTTP_HEAD_MAX + FRAME_DATA_MAX)
		return false;
	if (v.p == r->joined) {
		s->rin = r->joined;
		s->rin_large = r->joined_large;
		r->joined = NULL;
	} else {
		p = head_take(r, v.n, &large, s->c);
		if (p == NULL)
			return false;
		memcpy(p, v.p, v.n);
		s->rin = p;
		s->rin_large = large;
	}
	s->rin_n = (uint32_t)v.n;
	return true;
}

/*
 * Bytes before which something was kept: append them, so that the parser sees
 * one piece. The kept buffer is r->joined until these bytes are dealt with.
 */
static bool
rin_join(struct rstream *s, struct slice *in)
{
	struct relay *r = s->r;
	size_t cap = s->rin_large ? LARGE_BYTES : SMALL_BYTES;

	if (s->rin == NULL)
		return true;
	if (s->rin_n + in->n > LARGE_BYTES)
		return false;
	if (s->rin_n + in->n > cap) {
		bool large;
		uint8_t *p = head_take(r, LARGE_BYTES, &large, s->c);

		if (p == NULL)
			return false;
		memcpy(p, s->rin, s->rin_n);
		head_give(r, s->rin, s->rin_large);
		s->rin = p;
		s->rin_large = true;
	}
	memcpy(s->rin + s->rin_n, in->p, in->n);
	*in = slice_of(s->rin, s->rin_n + in->n);
	r->joined = s->rin;
	r->joined_large = s->rin_large;
	s->rin = NULL;
	s->rin_n = 0;
	return true;
}

static void answer_bytes(struct rstream *s, struct slice in);

/* Heads, until the final one is there. */
static struct slice
answer_read_head(struct rstream *s, struct slice in)
{
	struct http_head h = { .fields = s->r->fields };
	size_t used = 0;
	enum err e = http_response_parse(&h, &s->rscan,
	    (enum http_answers)s->to, in, &used);

	if (e == E_MORE) {
		if (!rin_keep(s, in))
			answer_bad(s, E_FULL);
		return slice_from(in, in.n);
	}
	if (e != E_OK) {
		answer_bad(s, e);
		return slice_from(in, in.n);
	}
	answer_head(s, &h);
	return slice_from(in, used);
}

static void
answer_chunk(struct rstream *s, struct chunk_ev *ev)
{
	uint8_t area[TRAILERS_AREA];
	struct buf b = BUF_ON(area);
	struct http_field f;
	bool may;

	if (ev->what == CHUNK_DATA) {
		gather_put(s->c, ev->data);
		return;
	}
	if (s->unchunk)
		return;
	if (ev->what == CHUNK_SIZE) {
		chunk_put_size(&b, ev->size);
	} else if (ev->what == CHUNK_END) {
		chunk_put_end(&b);
	} else if (ev->what == CHUNK_TRAILERS) {
		chunk_put_last(&b);
		while (chunk_trailer_next(&ev->data, &f, &may)) {
			if (may)
				http_put_parsed(&b, &f);
		}
		http_put_end(&b);
	}
	gather_put(s->c, buf_slice(&b));
}

static struct slice
answer_read_chunks(struct rstream *s, struct slice in)
{
	while (s->c != NULL && s->resp == RESP_CHUNKED) {
		struct chunk_ev ev;
		size_t used = 0;
		enum err e = chunk_next(&s->chunk, in, &used, &ev);

		in = slice_from(in, used);
		if (e == E_MORE) {
			if (in.n > 0 && !rin_keep(s, in))
				answer_bad(s, E_FULL);
			return slice_from(in, in.n);
		}
		if (e != E_OK) {
			answer_bad(s, e);
			return slice_from(in, in.n);
		}
		if (ev.what == CHUNK_DONE)
			answer_done(s);
		else
			answer_chunk(s, &ev);
	}
	return in;
}

static struct slice
answer_read_ws(struct rstream *s, struct slice in)
{
	struct client *c = s->c;
	struct slice out[2];
	/* Of what comes after a Close of ours only the frame's rest passes. */
	struct slice part = c->ws_code == 0 ? in :
	    slice_head(in, (size_t)min_u64(in.n, s->ws_down.left));
	enum err e = ws_follow(&s->ws_down, part, out);
	uint8_t held[WS_HEAD_MAX];

	memcpy(held, out[0].p == NULL ? held : out[0].p, out[0].n);
	if (gather_put(c, slice_of(held, out[0].n)))
		gather_put(c, out[1]);
	if (e != E_OK && e != E_WS_AFTER_CLOSE && c->state == CLIENT_WS) {
		LOGF(s->r->log, LOG_WARN, "relay", "app broke RFC 6455",
		    log_s("app", name_slice(&s->l->apps[s->app].name)),
		    log_c("error", err_name(e)));
		proxy_ws_end(c, ws_close_code(e), SL(""));
	} else if (c->state == CLIENT_WS && c->ws_code != 0 &&
	    ws_follow_at_boundary(&s->ws_down)) {
		proxy_ws_end_now(c);
	}
	return slice_from(in, in.n);
}

static struct slice
answer_read_length(struct rstream *s, struct slice in)
{
	struct slice part = slice_head(in, (size_t)min_u64(in.n, s->left));

	s->left -= part.n;
	if (gather_put(s->c, part) && s->left == 0)
		answer_done(s);
	return slice_from(in, part.n);
}

/* Give the bytes to whoever the state says, until there are none left. */
static void
answer_bytes(struct rstream *s, struct slice in)
{
	while (in.n > 0) {
		switch (s->resp) {
		case RESP_HEAD:
			in = answer_read_head(s, in);
			break;
		case RESP_LENGTH:
			in = answer_read_length(s, in);
			break;
		case RESP_CHUNKED:
			in = answer_read_chunks(s, in);
			break;
		case RESP_CLOSE:
			gather_put(s->c, in);
			return;
		case RESP_WS:
			in = answer_read_ws(s, in);
			break;
		case RESP_IDLE:
			/* Bytes that answer nothing: this connection to the
			 * app cannot be trusted with another request. */
			stream_orphan(s);
			return;
		default:
			return;
		}
	}
}

void
answer_data(void *owner, struct tunnel_stream *ts, uint8_t *p, size_t n)
{
	struct rstream *s = ts->owner;
	struct relay *r = s->r;
	struct slice in = slice_of(p, n);

	(void)owner;
	if (s->resp == RESP_ORPHAN) {
		tunnel_consumed(ts, n, r->io->now_ms);
		return;
	}
	s->unreturned += n;
	s->answered = true;
	s->c->moved_ms = r->io->now_ms;
	if (rin_join(s, &in))
		answer_bytes(s, in);
	else
		answer_bad(s, E_FULL);
	head_give(r, r->joined, r->joined_large);
	r->joined = NULL;
	if (s->c != NULL && r->gather.c != s->c)
		stream_drained(s->c);
}

/* The app closed its side. */
void
answer_end(void *owner, struct tunnel_stream *ts)
{
	struct rstream *s = ts->owner;
	struct client *c = s->c;

	(void)owner;
	s->peer_end = true;
	gather_flush(s->r);
	switch (s->resp) {
	case RESP_CLOSE:
		answer_done(s);
		break;
	case RESP_HEAD:
		if (s->reused && !s->answered && s->c != NULL)
			client_close(c, false);
		else if (s->c != NULL)
			answer_fail(c, 502, SL("The app closed the connection "
			    "without an answer"));
		break;
	case RESP_LENGTH:
	case RESP_CHUNKED:
		if (s->c != NULL)
			answer_cut_short(s);
		break;
	case RESP_WS:
		if (s->c == NULL)
			break;
		stream_orphan(s);
		c->keep = c->body_done = false;
		client_answered(c);
		break;
	case RESP_IDLE:
		stream_orphan(s);
		break;
	default:
		break;
	}
}

/* The app reads no more: this connection to it takes no further request. */
void
answer_stop(void *owner, struct tunnel_stream *ts)
{
	struct rstream *s = ts->owner;

	(void)owner;
	s->unwanted = true;
	if (s->resp == RESP_IDLE)
		stream_orphan(s);
}

static const struct reset_row {
	unsigned status;
	struct slice text;
} resets[RESET_CODES] = {
	[RESET_NONE] = { 502, SL_INIT("Tunnel not connected") },
	[RESET_UNKNOWN_APP] = { 502, SL_INIT("The agent has no such app") },
	[RESET_REFUSED] = { 502, SL_INIT("The agent is connected, but the app "
	    "does not answer: it refused the connection") },
	[RESET_UNREACHABLE] = { 502, SL_INIT("The agent is connected, but the "
	    "app's address cannot be reached") },
	[RESET_TIMED_OUT] = { 504, SL_INIT("The app did not accept in time") },
	[RESET_OVER_LIMIT] = { 503, SL_INIT("The agent is at a limit") },
	[RESET_CANCELLED] = { 502, SL_INIT("The agent gave up") },
	[RESET_INTERNAL] = { 502, SL_INIT("The agent failed") },
	[RESET_BROKEN] = { 502, SL_INIT("The app broke the connection") },
};

/* The stream is over: what does its client get? */
void
answer_reset(void *owner, struct tunnel_stream *ts, enum reset_code code)
{
	struct rstream *s = ts->owner;
	struct client *c = s->c;

	(void)owner;
	gather_flush(s->r);
	if (s->c == NULL) {
		stream_free(s);
		return;
	}
	if (s->client_gone || (s->reused && !s->answered &&
	    s->resp == RESP_HEAD && (code == RESET_BROKEN ||
	    code == RESET_CANCELLED) && !s->bad_body)) {
		client_close(c, s->client_gone);
	} else if (s->bad_body && !s->head_sent) {
		c->keep = false;
		answer_fail(c, 400, SL("Malformed chunked body"));
	} else if (s->resp == RESP_HEAD && !s->head_sent) {
		answer_fail(c, resets[code].status, resets[code].text);
	} else if (s->resp == RESP_WS) {
		proxy_ws_end(c, code == RESET_NONE ? WS_CODE_GOING_AWAY :
		    WS_CODE_INTERNAL, resets[code].text);
	} else if (s->resp == RESP_IDLE) {
		stream_free(s);
	} else if (s->resp == RESP_LENGTH || s->resp == RESP_CHUNKED) {
		answer_cut_short(s);
	} else {
		/* Without a length only a reset tells that this is no end. */
		client_close(c, true);
	}
}

void
answer_closed(void *owner, struct tunnel_stream *ts)
{
	struct rstream *s = ts->owner;

	(void)owner;
	if (s->c != NULL)
		client_close(s->c, true);
	else
		stream_free(s);
}
