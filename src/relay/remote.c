/*
 * Agents. An agent's connection begins as a request for /tunnel; its token
 * goes to the keeper; then the connection carries a tunnel and nothing else.
 *
 * Who owns a name (TUNNEL.md, PROTOCOL.md 4): the process (instance) confirmed
 * last, while a session of it lives. A hello changes nothing: only the agent's
 * first frame after the welcome makes the session the name's current one and
 * ends its predecessor, so a hello that comes late, or whose welcome is lost,
 * harms nobody. Another process takes over only if it says that it has just
 * started; one that slept is told that it was replaced.
 */
#include "relay/parts.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"
#include "crypto/ct.h"
#include "crypto/wsaccept.h"

static const uint8_t remote_edges[REMOTE_STATES] = {
	[REMOTE_NEW] = 1 << REMOTE_PROVISIONAL | 1 << REMOTE_CLOSING,
	[REMOTE_PROVISIONAL] = 1 << REMOTE_CURRENT | 1 << REMOTE_CLOSING,
	[REMOTE_CURRENT] = 1 << REMOTE_DRAINING | 1 << REMOTE_CLOSING,
	[REMOTE_DRAINING] = 1 << REMOTE_CLOSING,
	[REMOTE_CLOSING] = 0,
};

static void
remote_to(struct remote *l, enum remote_state next)
{
	assert(next < REMOTE_STATES);
	if (l->state == next)
		return;
	assert((remote_edges[l->state] & 1u << next) != 0);
	l->state = (uint8_t)next;
}

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

static void remote_begin(struct client *c, const struct http_head *h);

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

static struct tunnel_limits
our_limits(const struct relay *r)
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
		.ours = our_limits(r),
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
remote_wrong_token(struct client *c)
{
	struct relay *r = c->r;
	uint8_t area[64];
	struct buf extra = BUF_ON(area);
	uint64_t retry_s;

	if (login_token_wrong(r, &retry_s)) {
		LOGF(r->log, LOG_WARN, "relay", "agent refused: wrong token",
		    log_u("conn", pool_index(&r->clients, c)));
		reply_json(c, false, 401, SL("{\"error\":\"The token is not "
		    "right\",\"code\":\"token\"}"), SL(""));
		return;
	}
	c->keep = false;
	buf_lit(&extra, "Retry-After: ");
	buf_put_dec(&extra, retry_s);
	buf_lit(&extra, "\r\n");
	reply_json(c, false, 429, SL("{\"error\":\"Too many wrong tokens from "
	    "this address\"}"), buf_slice(&extra));
}

/* The token was looked at: the connection becomes a tunnel, or is refused. */
static void
remote_begin(struct client *c, const struct http_head *h)
{
	struct relay *r = c->r;
	struct remote *l;

	if (r->verdict->result != E_OK) {
		remote_wrong_token(c);
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

/* End its session; its Close frame may take a while to leave. */
static void
remote_end(struct remote *l, enum close_code code)
{
	tunnel_close(&l->t, code);
	l->close_ms = l->r->io->now_ms + LINGER_MS;
	remote_to(l, REMOTE_CLOSING);
}

void
remote_end_credential(struct relay *r, uint32_t credential)
{
	names_free(r, credential);
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead &&
		    l->credential == credential) {
			LOGF(r->log, LOG_INFO, "relay", "agent's token removed",
			    log_s("agent", name_slice(&l->name)));
			remote_end(l, CLOSE_REFUSED);
		}
	}
}

/* The name's current session, NULL if it has none. */
static struct remote *
remote_current(const struct relay *r, struct slice name)
{
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead &&
		    l->state == REMOTE_CURRENT &&
		    slice_eq(name_slice(&l->name), name))
			return l;
	}
	return NULL;
}

/*
 * The process that owns the name: of its sessions that live, current or
 * draining, the one confirmed last.
 */
static const struct remote *
remote_owner(const struct relay *r, struct slice name)
{
	const struct remote *found = NULL;

	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		const struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead &&
		    (l->state == REMOTE_CURRENT ||
		    l->state == REMOTE_DRAINING) &&
		    slice_eq(name_slice(&l->name), name) &&
		    (found == NULL || l->seq > found->seq))
			found = l;
	}
	return found;
}

/* Does the name belong to it, as far as tokens go? One that is made for this
 * very name takes it from any other. */
static bool
remote_may_name(const struct remote *l)
{
	const struct remote *o = remote_owner(l->r, name_slice(&l->name));

	if (l->may.n > 0)
		return slice_eq(name_slice(&l->may), name_slice(&l->name));
	return o == NULL || o->credential == l->credential;
}

/* May this session's process have the name? */
static bool
remote_may_own(const struct remote *l)
{
	const struct remote *o = remote_owner(l->r, name_slice(&l->name));

	return o == NULL || l->start ||
	    memcmp(o->instance, l->instance, sizeof l->instance) == 0;
}

void
remote_refuse(struct remote *l, struct slice code)
{
	uint8_t area[128];
	struct buf b = BUF_ON(area);

	refused_put(&b, code);
	LOGF(l->r->log, LOG_WARN, "relay", "agent refused",
	    log_s("agent", name_slice(&l->name)), log_s("code", code));
	tunnel_text(&l->t, buf_slice(&b));
	tunnel_close(&l->t, CLOSE_REFUSED);
}

static bool
remote_set_apps(struct remote *l, const struct hello *hello)
{
	for (size_t i = 0; i < hello->napps; i++) {
		const struct hello_app *from = &hello->apps[i];
		struct remote_app *to = &l->apps[i];

		if (from->host.n > sizeof to->host ||
		    from->origin.n > sizeof to->origin)
			return false;
		name_set(&to->name, from->name);
		to->kind = from->kind;
		to->is_public = from->is_public;
		to->host_n = (uint8_t)from->host.n;
		memcpy(to->host, from->host.n > 0 ? from->host.p : to->host,
		    from->host.n);
		to->origin_n = (uint8_t)from->origin.n;
		memcpy(to->origin, from->origin.n > 0 ? from->origin.p :
		    to->origin, from->origin.n);
	}
	l->napps = (uint16_t)hello->napps;
	return true;
}

/* The id the agent had before, unless another agent has it now. */
static void
remote_set_tunnel_id(struct remote *l, struct slice wanted)
{
	struct relay *r = l->r;
	uint8_t raw[9];
	struct buf b = buf_of(l->tunnel_id.b, sizeof l->tunnel_id.b);
	struct slice kept = kept_tunnel_id(r, name_slice(&l->name));

	if (kept.n > 0) {
		name_set(&l->tunnel_id, kept);
		return;
	}
	if (wanted.n == HELLO_TUNNEL_ID_BYTES && !kept_has_id(r, wanted)) {
		name_set(&l->tunnel_id, wanted);
		return;
	}
	io_random(r->io, raw, sizeof raw);
	b64_encode(&b, slice_of(raw, sizeof raw), B64_URL_BARE);
	l->tunnel_id.n = (uint8_t)b.n;
}

/* Public only where both sides say so: the agent's option and --public. */
static void
remote_set_public(struct remote *l)
{
	for (size_t i = 0; i < l->napps; i++) {
		uint8_t area[2 * NAME_BYTES + 1];
		struct buf full = BUF_ON(area);
		bool said = false;

		buf_put(&full, name_slice(&l->name));
		buf_lit(&full, "/");
		buf_put(&full, name_slice(&l->apps[i].name));
		for (size_t j = 0; j < l->r->cfg->npublics; j++)
			said = said || slice_eq(l->r->cfg->publics[j],
			    buf_slice(&full));
		l->apps[i].is_public = l->apps[i].is_public && said;
	}
}

/* The URLs of the agent's apps, as the relay would print them. */
static void
welcome_urls(struct remote *l, struct welcome *w, struct buf *area)
{
	struct relay *r = l->r;
	struct site any = { .main = false };
	uint8_t host[300];
	struct buf h = BUF_ON(host);

	site_main_host(r, &h, &any.secure);
	any.host = buf_slice(&h);
	for (size_t i = 0; i < l->napps && w->nurls < HELLO_URLS_MAX; i++) {
		size_t at = area->n;
		struct slice name = name_slice(&l->apps[i].name);
		bool ok;

		if (slice_eq(name, site_root(r)) ||
		    (i == 0 && site_roots_first(r)))
			ok = site_put_main(area, r, &any);
		else
			ok = site_put_app(area, r, &any, name);
		if (ok && buf_lit(area, "/") && buf_ok(area) &&
		    area->n - at <= HELLO_URL_BYTES)
			w->urls[w->nurls++] = slice_of(area->p + at,
			    area->n - at);
		else
			area->n = at;
	}
}

static bool
same_instance(const struct remote *a, const struct remote *b)
{
	return memcmp(a->instance, b->instance, sizeof a->instance) == 0;
}

/* An agent that says hello again has not seen its last welcome. */
static void
end_unconfirmed(const struct remote *l)
{
	struct relay *r = l->r;

	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *o = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && o != l && !o->dead &&
		    o->state == REMOTE_PROVISIONAL && same_instance(o, l))
			remote_end(o, CLOSE_DONE);
	}
}

struct slice
remote_put_welcome(struct remote *l, struct welcome *w)
{
	struct relay *r = l->r;
	struct buf text = buf_of(r->area, HELLO_MAX);
	struct buf urls = buf_of(r->area + HELLO_MAX, 64 * 1024);

	w->session = name_slice(&l->session);
	w->tunnel_id = name_slice(&l->tunnel_id);
	w->limits = our_limits(r);
	w->limits.streams = l->limit;
	for (size_t i = 0; i < l->napps; i++)
		kept_bind_port(r, name_slice(&l->apps[i].name));
	welcome_urls(l, w, &urls);
	if (!welcome_put(&text, w)) {
		buf_reset(&text);
		w->nurls = 0;
		welcome_put(&text, w);
	}
	return buf_slice(&text);
}

static void
remote_welcome(struct remote *l, const struct hello *hello)
{
	struct relay *r = l->r;
	uint8_t raw[HELLO_SESSION_BYTES];
	struct buf id = buf_of(l->session.b, sizeof l->session.b);
	struct welcome w = { .resumed = false };
	struct slice text;

	io_random(r->io, raw, sizeof raw);
	io_random(r->io, l->secret, sizeof l->secret);
	b64_encode(&id, slice_of(raw, sizeof raw), B64_URL_BARE);
	l->session.n = (uint8_t)id.n;
	l->limit = tunnel_streams_limit(&l->t, hello->limits.streams);
	memcpy(w.secret, l->secret, sizeof w.secret);
	text = remote_put_welcome(l, &w);
	end_unconfirmed(l);
	l->welcomed = ++r->remote_seq;
	remote_to(l, REMOTE_PROVISIONAL);
	tunnel_welcome(&l->t, text, &hello->limits);
	wipe(w.secret, sizeof w.secret);
	wipe(r->area, text.n);
}

/* A record that is kept for those who resume is not for a new session; nor
 * are the blocks; nor is a relay that stops. */
static bool
remote_has_room(const struct remote *l)
{
	const struct relay *r = l->r;
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		const struct remote *o = pool_at(&r->remotes, i);

		n += pool_live(&r->remotes, i) && o != l &&
		    o->state != REMOTE_NEW;
	}
	return n < r->plan.agents && !r->stopping &&
	    (r->spare > 0 || r->cfg->grace_ms == 0);
}

void
remote_hello(void *owner, struct slice json)
{
	struct remote *l = owner;
	static struct hello hello;      /* large; used within this call only */

	if (hello_parse(&hello, json) != E_OK) {
		LOGF(l->r->log, LOG_WARN, "relay",
		    "agent's hello is malformed");
		tunnel_close(&l->t, CLOSE_PROTOCOL);
		return;
	}
	name_set(&l->name, hello.name);
	name_set(&l->version, slice_head(hello.version, NAME_BYTES));
	memcpy(l->instance, hello.instance, sizeof l->instance);
	l->start = hello.start;
	if (!remote_set_apps(l, &hello)) {
		tunnel_close(&l->t, CLOSE_PROTOCOL);
	} else if (!remote_may_name(l)) {
		remote_refuse(l, SL("name"));
	} else if (hello.resume) {
		remote_set_public(l);
		resume_asked(l, &hello);
	} else if (!remote_may_own(l)) {
		remote_refuse(l, SL("replaced"));
	} else if (!remote_has_room(l)) {
		remote_refuse(l, SL("limit"));
	} else {
		remote_set_public(l);
		remote_set_tunnel_id(l, hello.tunnel_id);
		remote_welcome(l, &hello);
	}
}

/* End what the confirmed session `l` succeeds. */
static void
remote_succeed(struct remote *l)
{
	struct relay *r = l->r;

	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *o = pool_at(&r->remotes, i);
		bool same;

		if (!pool_live(&r->remotes, i) || o == l || o->dead ||
		    !slice_eq(name_slice(&o->name), name_slice(&l->name)))
			continue;
		same = same_instance(o, l);
		if (o->state == REMOTE_CURRENT && same &&
		    tunnel_state(&o->t) == TUNNEL_DRAINING)
			remote_to(o, REMOTE_DRAINING);
		else if (o->state == REMOTE_CURRENT ||
		    (o->state == REMOTE_DRAINING && !same) ||
		    (o->state == REMOTE_PROVISIONAL &&
		    o->welcomed < l->welcomed &&
		    (same || l->start || !o->start)))
			remote_end(o, same ? CLOSE_DONE : CLOSE_REPLACED);
	}
}

void
remote_confirmed(void *owner)
{
	struct remote *l = owner;
	struct relay *r = l->r;

	if (!remote_may_own(l)) {
		tunnel_close(&l->t, CLOSE_REPLACED);
		return;
	}
	l->seq = ++r->remote_seq;
	l->since_wall_ms = r->io->wall_ms;
	r->wake = true;
	remote_succeed(l);
	remote_to(l, REMOTE_CURRENT);
	kept_set_tunnel_id(r, name_slice(&l->name),
	    name_slice(&l->tunnel_id));
	status_log(r, &l->name, PAST_CONNECTED, NULL);
	names_seen(r, l, true);
	LOGF(r->log, LOG_INFO, "relay", "agent connected",
	    log_s("agent", name_slice(&l->name)),
	    log_u("apps", l->napps));
	if (l->napps > 0 && site_roots_first(r)) {
		r->first_app = l->apps[0].name;
		LOGF(r->log, LOG_INFO, "relay", "the main site serves the "
		    "first app; --root says otherwise",
		    log_s("app", name_slice(&r->first_app)));
	}
}

/* A name has two draining sessions at most: a third ends the oldest. */
static void
limit_draining(const struct remote *l)
{
	struct relay *r = l->r;
	struct remote *oldest = NULL;
	unsigned n = 0;

	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		struct remote *o = pool_at(&r->remotes, i);

		if (!pool_live(&r->remotes, i) || o->dead ||
		    o->state != REMOTE_DRAINING ||
		    !slice_eq(name_slice(&o->name), name_slice(&l->name)))
			continue;
		n++;
		if (oldest == NULL || o->seq < oldest->seq)
			oldest = o;
	}
	if (n > DRAINING_MAX)
		remote_end(oldest, CLOSE_EXPIRED);
}

void
remote_goaway(void *owner, enum goaway_reason reason, uint32_t ms)
{
	struct remote *l = owner;

	LOGF(l->r->log, LOG_INFO, "relay", "agent leaves",
	    log_s("agent", name_slice(&l->name)), log_u("reason", reason),
	    log_u("within_ms", ms));
	if (l->state == REMOTE_CURRENT) {
		remote_to(l, REMOTE_DRAINING);
		limit_draining(l);
	}
	stream_release_idle(l->r, l);
}

bool
remote_any(const struct relay *r)
{
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		const struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead &&
		    !remote_parked(l) && l->state == REMOTE_CURRENT)
			return true;
	}
	return false;
}

static bool
remote_has_app(const struct remote *l, struct slice app, uint16_t *index)
{
	for (size_t i = 0; i < l->napps; i++) {
		if (l->apps[i].kind == APP_HTTP &&
		    slice_eq(name_slice(&l->apps[i].name), app)) {
			*index = (uint16_t)i;
			return true;
		}
	}
	return false;
}

static struct slice
cut_agent(struct slice *name)
{
	for (size_t i = 0; i + 1 < name->n; i++) {
		if (name->p[i] == '-' && name->p[i + 1] == '-') {
			struct slice agent = slice_from(*name, i + 2);

			*name = slice_head(*name, i);
			return agent;
		}
	}
	return (struct slice){ NULL, 0 };
}

/*
 * NAME--AGENT: that agent's. NAME: of the agents of the credential that holds
 * it, the one that connected last.
 */
struct remote *
remote_find_app(struct relay *r, struct slice name, uint16_t *index)
{
	struct slice agent = cut_agent(&name);
	struct remote *found = NULL;
	uint16_t i = 0;

	if (agent.n > 0) {
		found = remote_current(r, agent);
		return found != NULL && remote_has_app(found, name, index) ?
		    found : NULL;
	}
	for (uint32_t k = 0; k < r->remotes.fresh; k++) {
		struct remote *l = pool_at(&r->remotes, k);

		if (pool_live(&r->remotes, k) && !l->dead &&
		    l->state == REMOTE_CURRENT && remote_has_app(l, name, &i) &&
		    names_may(r, name, l->credential) &&
		    (found == NULL || l->seq > found->seq)) {
			found = l;
			*index = i;
		}
	}
	return found;
}

bool
remote_lacks_app(const struct relay *r, struct slice name)
{
	struct slice agent = cut_agent(&name);
	const struct remote *l = remote_current(r, agent);

	return agent.n > 0 ? l != NULL && !remote_parked(l) : remote_any(r);
}

static void
remote_lost(struct remote *l, const char *why)
{
	if (l->dead || resume_park(l, why, false))
		return;
	if (l->seq > 0)
		names_seen(l->r, l, false);
	l->dead = true;
	l->r->wake = true;
	if (l->seq > 0 && remote_current(l->r, name_slice(&l->name)) == NULL)
		status_log(l->r, &l->name, PAST_GONE, why);
	LOGF(l->r->log, LOG_INFO, "relay", "agent gone",
	    log_s("agent", name_slice(&l->name)), log_c("why", why),
	    log_u("close_code", tunnel_close_code(&l->t)));
}

static void
remote_read(struct remote *l)
{
	struct relay *r = l->r;
	size_t done = 0;

	while (l->rd && !l->dead && done < TURN_BYTES) {
		int64_t n = io_read(r->io, l->fd, r->io->scratch, IO_SCRATCH);

		if (n == IO_AGAIN) {
			l->rd = false;
			break;
		}
		if (n <= 0) {
			remote_lost(l, "connection ended");
			break;
		}
		done += (size_t)n;
		r->stable = r->io->scratch;
		r->stable_n = (size_t)n;
		tunnel_input(&l->t, r->io->scratch, (size_t)n, r->io->now_ms);
		gather_flush(r);
		r->stable = NULL;
		if (l->resumes != HANDLE_NONE)
			resume_take(l);
	}
}

static void
remote_write(struct remote *l)
{
	struct relay *r = l->r;
	size_t done = 0;

	while (l->wr && !l->dead && done < TURN_BYTES) {
		size_t n = tunnel_output(&l->t, r->io->scratch, OUT_BYTES +
		    4096, r->io->now_ms);
		int64_t w;

		if (n == 0)
			break;
		w = io_write(r->io, l->fd, slice_of(r->io->scratch, n));
		if (w == IO_FAIL) {
			remote_lost(l, "connection broke");
			break;
		}
		if (w < (int64_t)n) {
			size_t sent = w > 0 ? (size_t)w : 0;

			l->wr = w > 0 && l->wr;
			tunnel_unsent(&l->t, slice_of(r->io->scratch + sent,
			    n - sent));
		}
		done += n;
	}
}

void
remote_event(struct remote *l, uint32_t flags)
{
	if (remote_parked(l))
		return;         /* of the connection that it had */
	if ((flags & (EV_READ | EV_HUP)) != 0)
		l->rd = true;
	if ((flags & EV_WRITE) != 0)
		l->wr = true;
	if (!l->dead)
		remote_read(l);
}

/* A closing link may stay until its Close frame is out. */
static void
remote_close_when_out(struct remote *l)
{
	struct relay *r = l->r;

	if (l->state != REMOTE_CLOSING) {
		remote_to(l, REMOTE_CLOSING);
		l->close_ms = r->io->now_ms + LINGER_MS;
	}
	if ((tunnel_close_code(&l->t) != 0 &&
	    !tunnel_wants(&l->t, r->io->now_ms)) ||
	    r->io->now_ms >= l->close_ms)
		remote_lost(l, "closed");
}

void
remote_input(struct remote *l)
{
	if (!l->dead && l->rd)
		remote_read(l);
}

/* When its token ends. */
static uint64_t
remote_until_ms(const struct remote *l)
{
	const struct io *io = l->r->io;
	uint64_t end_ms = l->expires_s * 1000;

	return l->expires_s == 0 ? TIMER_NEVER : io->now_ms + end_ms -
	    min_u64(end_ms, io->wall_ms);
}

/* What is due, and what its socket takes. */
static void
remote_go_on(struct remote *l)
{
	struct relay *r = l->r;
	uint64_t due;

	if (remote_until_ms(l) <= r->io->now_ms && l->state != REMOTE_CLOSING)
		remote_end(l, CLOSE_REFUSED);
	/* A dead peer is told nothing; one that was too slow is. */
	if (tunnel_step(&l->t, r->io->now_ms, &due) == E_TIMEOUT &&
	    !tunnel_wants(&l->t, r->io->now_ms) && !remote_parked(l))
		remote_lost(l, "no sign of life");
	remote_write(l);
	if (!l->dead && tunnel_state(&l->t) == TUNNEL_DRAINING) {
		/* What was just written may have been the last of it. */
		tunnel_step(&l->t, r->io->now_ms, &due);
		remote_write(l);
	}
	if (l->dead)
		return;
	if (tunnel_state(&l->t) == TUNNEL_PARKED)
		remote_lost(l, "closed on the way");
	else if (tunnel_state(&l->t) == TUNNEL_CLOSED && remote_parked(l))
		remote_lost(l, "over while it was parked");
	else if (tunnel_state(&l->t) == TUNNEL_CLOSED)
		remote_close_when_out(l);
}

/* Step and write; frees it once it is dead. When to come back. */
uint64_t
remote_turn(struct remote *l)
{
	struct relay *r = l->r;
	uint64_t due;

	if (!l->dead)
		remote_go_on(l);
	if (!l->dead) {
		if (l->rd || (l->wr && tunnel_wants(&l->t, r->io->now_ms)))
			return r->io->now_ms;
		tunnel_step(&l->t, r->io->now_ms, &due);
		return l->state == REMOTE_CLOSING ? l->close_ms :
		    min_u64(due, remote_until_ms(l));
	}
	r->past_in += tunnel_stats(&l->t).bytes_in;
	r->past_out += tunnel_stats(&l->t).bytes_out;
	tunnel_free(&l->t, RESET_NONE);
	if (l->fd >= 0)
		r->io->ops->close(r->io->ctx, l->fd, false);
	peer_drop(r, l->by_addr);
	wipe(l->secret, sizeof l->secret);
	pool_give(&r->remotes, l);
	resume_keep_spare(r);
	return r->io->now_ms;
}
