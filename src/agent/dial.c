/*
 * Dialling: from a name to a connection that speaks tunnel. One dial is under
 * way at most, and it needs nobody: each way it can fail is one line in the
 * log and one retry, but for the two refusals that are final (upgrade.h).
 *
 * By https a dial is three steps instead of one: TCP, through a proxy where
 * there is one, then TLS, which the io does; only when that has verified the
 * relay does the token leave.
 *
 * The relay's name is resolved at each dial. Its addresses are tried in turn,
 * not side by side: two connections would be two hellos, and an agent is
 * rarely in a hurry of less than AGENT_ADDRESS_MS.
 */
#include "agent/inside.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"

enum { KEY_RANDOM = 16 };

/* This dial is over; log why and try again later. */
static void
dial_failed(struct link *l, const char *why)
{
	struct agent *g = l->g;

	LOGF(g->log, LOG_WARN, "agent", "dial failed",
	    log_s("relay", g->cfg->relay_url), log_c("why", why));
	link_unplug(l);
	agent_retry(g);
}

static void
log_addr(struct agent *g, const char *event, const struct addr *to)
{
	uint8_t area[ADDR_TEXT_MAX];
	struct buf b = BUF_ON(area);

	addr_put(&b, to);
	LOGF(g->log, LOG_INFO, "agent", event, log_s("address", buf_slice(&b)));
}

/* An address failed with r. The most telling of all reasons is kept. */
static void
connect_failed(struct link *l, int r)
{
	static const char unreachable[] = "the address cannot be reached";

	if (l->why == NULL || l->why == unreachable)
		l->why = r == IO_REFUSED ?
		    "the address refuses: nobody listens there" : unreachable;
}

/* Try the next address; the dial is over when there is none. */
static void
dial_next(struct link *l)
{
	struct agent *g = l->g;
	const struct io *io = g->io;
	handle who = pool_handle(&g->links, l);

	while (l->addr < l->naddrs && io->now_ms < l->connect_by_ms) {
		const struct addr *to = &l->addrs[l->addr++];
		uint64_t until = l->connect_by_ms;

		log_addr(g, "connecting", to);
		l->fd = io->ops->connect(io->ctx, to, slice_of(NULL, 0));
		if (l->fd < 0) {
			connect_failed(l, l->fd);
			l->fd = -1;
			continue;
		}
		if (io->ops->watch(io->ctx, l->fd, who)) {
			if (l->addr < l->naddrs)
				until = min_u64(until,
				    io->now_ms + AGENT_ADDRESS_MS);
			timer_set(&g->timers, &l->timer, who, until);
			return;
		}
		io->ops->close(io->ctx, l->fd, true);
		l->fd = -1;
	}
	dial_failed(l, l->why != NULL ? l->why : "the relay does not answer");
}

/* Where the TCP connection goes. */
static struct slice
dial_host(const struct agent *g)
{
	return g->cfg->proxy_host.n > 0 ? g->cfg->proxy_host :
	    g->cfg->relay_host;
}

static uint16_t
dial_port(const struct agent *g)
{
	return g->cfg->proxy_host.n > 0 ? g->cfg->proxy_port :
	    g->cfg->relay_port;
}

static void
dial_connect(struct link *l)
{
	link_to(l, LINK_CONNECTING);
	l->connect_by_ms = l->g->io->now_ms +
	    (l->has_tunnel ? AGENT_PARKED_MS : AGENT_CONNECT_MS);
	dial_next(l);
}

/*
 * What to dial for: of the sessions that wait, and a new one if there is no
 * current one, what was tried longest ago; the current one first.
 */
static struct link *
dial_link(struct agent *g)
{
	struct link *best = NULL;

	for (uint32_t i = 0; i < LINKS; i++) {
		struct link *l = pool_at(&g->links, i);

		if (pool_live(&g->links, i) && l->state == LINK_PARKED &&
		    (best == NULL || l->tried < best->tried ||
		    (l->tried == best->tried &&
		    g->current == pool_handle(&g->links, l))))
			best = l;
	}
	if (best == NULL || (g->current == HANDLE_NONE && !g->stopping &&
	    g->new_tried <= best->tried)) {
		best = link_new(g);
		g->new_tried = g->dials;
	}
	best->tried = g->dials;
	return best;
}

void
dial_start(struct agent *g)
{
	const struct io *io = g->io;
	struct link *l;
	struct addr *a;
	handle who;

	assert(g->dial == HANDLE_NONE);
	g->dials++;
	l = dial_link(g);
	who = pool_handle(&g->links, l);
	a = &l->addrs[0];
	g->dial = who;
	l->naddrs = l->addr = 0;
	l->why = NULL;
	link_to(l, LINK_RESOLVING);
	if (addr_parse_ip(a, dial_host(g))) {
		a->port = dial_port(g);
		l->naddrs = 1;
		dial_connect(l);
		return;
	}
	LOGF(g->log, LOG_INFO, "agent", "resolving",
	    log_s("host", dial_host(g)));
	if (!io->ops->resolve(io->ctx, dial_host(g), dial_port(g), who)) {
		dial_failed(l, "the resolver is busy");
		return;
	}
	timer_set(&g->timers, &l->timer, who, io->now_ms + AGENT_RESOLVE_MS);
}

void
dial_resolved(struct link *l, const struct io_event *ev)
{
	if (l->state != LINK_RESOLVING)
		return;
	timer_stop(&l->g->timers, &l->timer);
	l->naddrs = (uint32_t)min_u64(ev->naddrs, RESOLVE_MAX);
	if (l->naddrs == 0) {
		dial_failed(l, l->g->cfg->proxy_host.n > 0 ?
		    "the proxy's name cannot be resolved" :
		    "the relay's name cannot be resolved");
		return;
	}
	memcpy(l->addrs, ev->addrs, l->naddrs * sizeof l->addrs[0]);
	dial_connect(l);
}

/* ---- the handshake ---- */

static void
send_ask(struct link *l)
{
	struct agent *g = l->g;

	while (g->ask_left.n > 0 && l->can_write) {
		int64_t n = io_write(g->io, l->fd, g->ask_left);

		if (n == IO_AGAIN) {
			l->can_write = false;
		} else if (n < 0) {
			wipe(g->ask.p, g->ask.n);
			dial_failed(l, "the connection broke");
			return;
		} else {
			g->ask_left = slice_from(g->ask_left, (size_t)n);
		}
	}
	if (g->ask_left.n == 0)
		wipe(g->ask.p, g->ask.n);
}

/* Wait for an answer in this state. */
static void
await(struct link *l, enum link_state next, uint64_t ms)
{
	struct agent *g = l->g;

	link_to(l, next);
	if (l->has_tunnel)
		ms = min_u64(ms, AGENT_PARKED_STEP_MS);
	timer_set(&g->timers, &l->timer, pool_handle(&g->links, l),
	    g->io->now_ms + ms);
}

static void
begin_upgrade(struct link *l)
{
	struct agent *g = l->g;
	uint8_t key[KEY_RANDOM];
	struct buf text = buf_of(g->upgrade.key, sizeof g->upgrade.key);
	struct upgrade_ask ask = {
		.authority = g->cfg->relay_authority,
		.target = g->cfg->relay_path,
		.version = g->cfg->version,
		.token = &g->cfg->token,
	};

	log_addr(g, "connected", &l->addrs[l->addr - 1]);
	await(l, LINK_UPGRADING, AGENT_UPGRADE_MS);
	g->upgrade = (struct upgrade){ 0 };
	io_random(g->io, key, sizeof key);
	if (!b64_encode(&text, slice_of(key, sizeof key), B64_STD))
		assert(false);
	ask.key = buf_slice(&text);
	buf_reset(&g->answer);
	buf_reset(&g->ask);
	if (!upgrade_put(&g->ask, &ask)) {
		wipe(g->ask.p, g->ask.cap);
		dial_failed(l, "the relay's URL or the token cannot be sent");
		return;
	}
	g->ask_left = buf_slice(&g->ask);
	l->can_read = l->can_write = true;
	send_ask(l);
}

/* ---- TLS and the proxy ---- */

/* This address is not it: say why and try the next one. */
static void
secure_failed(struct link *l, bool late)
{
	struct agent *g = l->g;
	const struct io *io = g->io;
	uint8_t area[300];
	struct buf why = BUF_ON(area);

	if (late)
		buf_lit(&why, "no TLS handshake in time");
	else
		io->ops->why(io->ctx, l->fd, &why);
	LOGF(g->log, LOG_WARN, "agent", "not the relay, or not reached",
	    log_s("relay", g->cfg->relay_url), log_s("why", buf_slice(&why)));
	l->why = "TLS failed: see the line above";
	io->ops->close(io->ctx, l->fd, true);
	l->fd = -1;
	if (g->cfg->proxy_host.n > 0) {
		dial_failed(l, l->why);
		return;
	}
	link_to(l, LINK_CONNECTING);
	dial_next(l);
}

static void
secure_go_on(struct link *l)
{
	const struct io *io = l->g->io;
	int r = io->ops->connected(io->ctx, l->fd);

	if (r == 0)
		begin_upgrade(l);
	else if (r != IO_AGAIN)
		secure_failed(l, false);
}

static void
begin_secure(struct link *l)
{
	const struct io *io = l->g->io;

	if (io->ops->tls == NULL ||
	    !io->ops->tls(io->ctx, l->fd, l->g->cfg->tls_host)) {
		dial_failed(l, "no room for a TLS connection");
		return;
	}
	await(l, LINK_SECURING, AGENT_SECURE_MS);
	secure_go_on(l);
}

static void
begin_proxy(struct link *l)
{
	struct agent *g = l->g;

	log_addr(g, "asking the proxy", &l->addrs[l->addr - 1]);
	await(l, LINK_PROXYING, AGENT_UPGRADE_MS);
	g->proxy_scan = (struct http_scan){ 0 };
	buf_reset(&g->answer);
	buf_reset(&g->ask);
	if (!proxy_put(&g->ask, g->cfg->relay_host, g->cfg->relay_port,
	    &g->cfg->proxy_login)) {
		wipe(g->ask.p, g->ask.cap);
		dial_failed(l, "the proxy cannot be asked");
		return;
	}
	g->ask_left = buf_slice(&g->ask);
	l->can_read = l->can_write = true;
	send_ask(l);
}

static const char *
proxy_hint(unsigned status)
{
	switch (status) {
	case 407:
		return "the proxy wants credentials: "
		    "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT";
	case 403: case 405:
		return "the proxy does not allow this connection";
	case 502: case 503: case 504:
		return "the proxy cannot reach the relay";
	default:
		return "the proxy refused to connect";
	}
}

/* True: look for more. */
static bool
proxy_answered(struct link *l, bool eof)
{
	struct agent *g = l->g;
	unsigned status = 0;

	switch (proxy_answer(&g->answer, &g->proxy_scan, g->fields, eof,
	    &status)) {
	case PROXY_MORE:
		return true;
	case PROXY_OPEN:
		begin_secure(l);
		break;
	case PROXY_REFUSED:
		LOGF(g->log, LOG_WARN, "agent", "proxy refused",
		    log_s("proxy", g->cfg->proxy_host),
		    log_u("status", status));
		dial_failed(l, proxy_hint(status));
		break;
	case PROXY_BROKEN:
		dial_failed(l, "the proxy's answer is not one to CONNECT");
		break;
	}
	return false;
}

/* What a status that is not 101 tells the person who reads the log. */
static const char *
status_hint(unsigned status)
{
	switch (status) {
	case 301: case 302: case 303: case 307: case 308:
		return "it redirects: give the URL that it redirects to";
	case 401: case 403: case 407:
		return "something before the relay asks for credentials";
	case 404:
		return "there is no relay at this URL";
	case 426:
		return "a proxy before the relay drops Upgrade and Connection";
	case 502: case 503: case 504:
		return "the relay is not running, or stops, or is full";
	default:
		return "no WebSocket there";
	}
}

static void
answered_other(struct link *l)
{
	struct agent *g = l->g;
	unsigned status = g->upgrade.status;

	LOGF(g->log, LOG_WARN, "agent", "dial failed",
	    log_s("relay", g->cfg->relay_url), log_u("status", status),
	    log_c("why", status_hint(status)));
	link_unplug(l);
	agent_retry(g);
}

static void
answered_final(struct link *l, enum upgrade_verdict v)
{
	struct agent *g = l->g;

	if (v == UPGRADE_TOKEN)
		LOGF(g->log, LOG_ERROR, "agent", "refused: the relay does "
		    "not accept this token; give the agent one of the relay's "
		    "(RELAY_TOKEN or --token-file)",
		    log_s("relay", g->cfg->relay_url));
	else
		LOGF(g->log, LOG_ERROR, "agent", "refused: another "
		    "credential's agent has this name; choose another one "
		    "(--name)", log_s("name", g->cfg->name));
	link_free(l, true);
	agent_finish(g, 3);
}

/* True: the dial goes on, look for more. */
static bool
answered(struct link *l, bool eof)
{
	struct agent *g = l->g;
	enum upgrade_verdict v;

	v = upgrade_answer(&g->upgrade, g->fields, &g->answer, eof);
	switch (v) {
	case UPGRADE_MORE:
		return true;
	case UPGRADE_TUNNEL:
		link_begin(l, buf_slice(&g->answer));
		break;
	case UPGRADE_TOKEN:
	case UPGRADE_NAME:
		answered_final(l, v);
		break;
	case UPGRADE_OTHER:
		answered_other(l);
		break;
	case UPGRADE_BROKEN:
		dial_failed(l, g->upgrade.why);
		break;
	}
	return false;
}

static void
read_answer(struct link *l)
{
	struct agent *g = l->g;
	struct buf *b = &g->answer;

	for (;;) {
		int64_t n;

		assert(buf_room(b) > 0);
		n = io_read(g->io, l->fd, b->p + b->n, buf_room(b));
		if (n == IO_AGAIN) {
			l->can_read = false;
			return;
		}
		if (n == IO_FAIL) {
			dial_failed(l, "the connection broke");
			return;
		}
		b->n += (size_t)n;
		if (l->state == LINK_PROXYING ?
		    !proxy_answered(l, n == IO_EOF) :
		    !answered(l, n == IO_EOF))
			return;
	}
}

/* TCP is decided. */
static void
connect_decided(struct link *l)
{
	const struct agent_cfg *cfg = l->g->cfg;
	const struct io *io = l->g->io;
	int r = io->ops->connected(io->ctx, l->fd);

	if (r == IO_AGAIN)
		return;
	if (r != 0) {
		connect_failed(l, r);
		io->ops->close(io->ctx, l->fd, true);
		l->fd = -1;
		dial_next(l);
	} else if (!cfg->secure) {
		begin_upgrade(l);
	} else if (cfg->proxy_host.n > 0) {
		begin_proxy(l);
	} else {
		begin_secure(l);
	}
}

void
dial_event(struct link *l, uint32_t flags)
{
	struct agent *g = l->g;
	handle who = pool_handle(&g->links, l);

	if (l->state == LINK_CONNECTING) {
		connect_decided(l);
	} else if (l->state == LINK_SECURING) {
		secure_go_on(l);
	} else if ((flags & EV_WRITE) != 0) {
		l->can_write = true;
		send_ask(l);
	}
	if (pool_get(&g->links, who) == NULL ||
	    (l->state != LINK_UPGRADING && l->state != LINK_PROXYING))
		return;
	if (flags & (EV_READ | EV_HUP))
		l->can_read = true;
	/* An answer to half a request is not one: it has to be whole first. */
	if (l->can_read && g->ask_left.n == 0)
		read_answer(l);
}

void
dial_timer(struct link *l)
{
	const struct io *io = l->g->io;

	switch (l->state) {
	case LINK_CONNECTING:
		io->ops->close(io->ctx, l->fd, true);
		l->fd = -1;
		dial_next(l);
		break;
	case LINK_SECURING:
		secure_failed(l, true);
		break;
	case LINK_PROXYING:
		wipe(l->g->ask.p, l->g->ask.n);
		dial_failed(l, "no answer of the proxy in time");
		break;
	case LINK_UPGRADING:
		wipe(l->g->ask.p, l->g->ask.n);
		dial_failed(l, "no answer to the handshake in time");
		break;
	default:
		dial_failed(l, "the resolver does not answer");
	}
}
