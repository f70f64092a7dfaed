/*
 * How an agent's connection begins: as a request for /tunnel (PROTOCOL.md 2).
 * What its head says is checked first, then its token, by the keeper; only
 * then is a record taken, and the client's socket becomes the remote's.
 *
 * Nothing the agent sends is read before our 101 is out, and nothing may have
 * come with the request: so no byte is looked at by two parsers.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"
#include "crypto/wsaccept.h"

static bool
speaks_adit(const struct http_head *h)
{
	const struct http_field *f = NULL;

	while ((f = http_field_id(h, HTTP_N_SEC_WS_PROTOCOL, f)) != NULL) {
		if (ws_list_has(f->value, SL("adit.tunnel.1")))
			return true;
	}
	return false;
}

/* Our 101; what the socket does not take goes before the first frame. */
static bool
remote_send_101(struct remote *l, const struct http_head *h)
{
	const struct http_field *k = http_field_id(h, HTTP_N_SEC_WS_KEY, NULL);
	uint8_t area[256], accept[WSACCEPT_BYTES];
	struct buf b = BUF_ON(area);
	int64_t n;

	wsaccept(accept, k->value);
	http_put_status_line(&b, 101, SL("Switching Protocols"));
	buf_lit(&b, "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Protocol: adit.tunnel.1\r\n");
	http_put_field(&b, SL("Sec-WebSocket-Accept"),
	    slice_of(accept, sizeof accept));
	http_put_end(&b);
	assert(buf_ok(&b));
	n = io_write(l->r->io, l->fd, buf_slice(&b));
	if (n == IO_FAIL)
		return false;
	l->wr = n != IO_AGAIN;
	n = n > 0 ? n : 0;
	if ((size_t)n < b.n)
		tunnel_unsent(&l->t, slice_from(buf_slice(&b), (size_t)n));
	return true;
}

struct tunnel_limits
remote_limits(const struct relay *r)
{
	struct tunnel_limits lim = { .window = STREAM_WINDOW };

	lim.streams = (uint32_t)min_u64(r->plan.streams, STREAMS_MAX);
	lim.session = (uint32_t)min_u64((uint64_t)(lim.streams + 1) *
	    lim.window, CREDIT_MAX);
	return lim;
}

static struct remote *
remote_make(struct client *c)
{
	struct relay *r = c->r;
	struct remote *l = pool_take(&r->remotes);
	struct tunnel_cfg cfg = {
		.role = TUNNEL_RELAY,
		.ops = &stream_ops,
		.owner = l,
		.blocks = &r->blocks,
		.log = r->log,
		.ours = remote_limits(r),
		.ring_max = RING_MAX,
		.hello_ms = r->cfg->hello_ms,
		.grace_ms = r->cfg->grace_ms,
		.hash_n = r->remote_hash_n,
	};

	if (l == NULL)
		return NULL;
	memset(l, 0, sizeof *l);
	io_random(r->io, &cfg.seed, sizeof cfg.seed);
	cfg.hash = r->remote_hash + (size_t)pool_index(&r->remotes, l) *
	    r->remote_hash_n;
	memset(cfg.hash, 0, sizeof *cfg.hash * cfg.hash_n);
	l->r = r;
	l->peer = c->peer;
	l->credential = r->verdict->credential;
	name_set(&l->may, slice_of(r->verdict->user, r->verdict->user_n));
	l->expires_s = r->verdict->expires_s;
	if (tunnel_init(&l->t, &cfg, r->io->now_ms) == E_OK ||
	    (resume_use_spare(r) &&
	    tunnel_init(&l->t, &cfg, r->io->now_ms) == E_OK))
		return l;
	pool_give(&r->remotes, l);
	return NULL;
}

/*
 * Guesses cost their sender a connection each, and the log nothing, once there
 * were too many from an address. Each is looked at all the same: an agent that
 * shares that address gets in with the right one.
 */
static void
remote_wrong_token(struct client *c, const struct http_head *h)
{
	struct relay *r = c->r;
	uint64_t retry_s;

	if (login_token_wrong(r, &retry_s)) {
		LOGF(r->log, LOG_WARN, "relay", "agent refused: wrong token",
		    log_u("conn", pool_index(&r->clients, c)));
		reply_json(c, false, 401, SL("{\"error\":\"The token is not "
		    "right\",\"code\":\"token\"}"), SL(""));
		return;
	}
	c->keep = false;
	reply_later(c, h, retry_s, SL("Too many wrong tokens from this "
	    "address"));
}

/* The token was looked at: the connection becomes a tunnel, or is refused. */
static void
remote_begin(struct client *c, const struct http_head *h)
{
	struct relay *r = c->r;
	struct remote *l;

	if (r->verdict->result != E_OK) {
		remote_wrong_token(c, h);
		return;
	}
	l = remote_make(c);
	if (l == NULL) {
		reply_error(c, h, 503, SL("The relay has no room for another "
		    "agent"), SL("Retry-After: 5\r\n"));
		return;
	}
	assert(c->out.n == 0);
	l->fd = c->fd;
	c->fd = -1;
	l->by_addr = c->by_addr;
	c->by_addr = NULL;
	l->rd = l->wr = true;
	l->dead = !r->io->ops->watch(r->io->ctx, l->fd,
	    pool_handle(&r->remotes, l)) || !remote_send_101(l, h);
	r->io->ops->bulk(r->io->ctx, l->fd);
	client_close(c, false);
}

void
remote_upgrade(struct client *c, const struct http_head *h)
{
	struct relay *r = c->r;
	struct slice token = auth_bearer(h);
	struct ask q = { .kind = ASK_TOKEN };

	if (!r->site.main) {
		reply_error(c, h, 404, SL("Not found"), SL(""));
	} else if (!h->upgrade_websocket) {
		reply_error(c, h, 426, SL("Agents connect here by WebSocket; a "
		    "proxy in front must pass the Upgrade and Connection "
		    "headers"), SL("Upgrade: websocket\r\n"));
	} else if (!request_ws_ok(h) || !speaks_adit(h) ||
	    r->req_head < r->req_in.n) {
		/* Nor may anything follow before our answer. */
		reply_error(c, h, 400, SL("Not a handshake of adit.tunnel.1"),
		    SL("Sec-WebSocket-Version: 13\r\n"));
	} else if (r->held || (r->stopping && !resume_awaited(r))) {
		reply_error(c, h, 503, SL("The relay is stopping"),
		    SL("Retry-After: 1\r\n"));
	} else if (r->verdict != NULL && r->verdict->kind == ASK_TOKEN) {
		remote_begin(c, h);
	} else if (token.n > 0 && auth_ask_text(&q, token)) {
		auth_ask_from(&q, &r->site, h);
		auth_ask(c, FOR_TOKEN, &q);
	} else {
		reply_json(c, false, 401, SL("{\"error\":\"The token is not "
		    "right\",\"code\":\"token\"}"), SL(""));
	}
}
