/*
 * Apps. A stream is one connection to the one address that its app stands for,
 * and nothing the relay sends chooses another: OPEN says a name, and that is
 * looked for among the names of our own configuration.
 *
 * A host's addresses are looked up when a stream needs them, and kept for
 * AGENT_NAME_MS; connections that wait for them are found by their app.
 */
#include "agent/inside.h"

#include <assert.h>

#include "base/num.h"

/* What host=app makes of the app's address: the Host its own clients send. */
static bool
app_authority(struct app *a)
{
	struct buf b = BUF_ON(a->authority);
	const struct agent_app *cfg = a->cfg;
	bool v6 = slice_find(cfg->host, ':') < cfg->host.n;

	if (cfg->host.n == 0) {
		buf_lit(&b, "localhost");
	} else {
		if (v6)
			buf_lit(&b, "[");
		buf_put(&b, cfg->host);
		if (v6)
			buf_lit(&b, "]");
		if (cfg->port != 80) {
			buf_lit(&b, ":");
			buf_put_dec(&b, cfg->port);
		}
	}
	a->nauthority = b.n;
	return buf_ok(&b) || !cfg->host_app;
}

enum err
app_init(struct agent *g)
{
	for (size_t i = 0; i < g->cfg->napps; i++) {
		struct app *a = &g->apps[i];

		a->cfg = &g->cfg->apps[i];
		if (!app_authority(a))
			return E_RANGE;
		if (a->cfg->host.n == 0) {
			a->numeric = true;
			a->addrs[0].family = ADDR_UNIX;
			a->addrs[0].path_n = to_u8(a->cfg->path.n);
		} else if (addr_parse_ip(&a->addrs[0], a->cfg->host)) {
			a->numeric = true;
			a->addrs[0].port = a->cfg->port;
		}
		a->naddrs = a->numeric;
	}
	return E_OK;
}

/* Its addresses are known now. */
static bool
app_fresh(const struct app *a, uint64_t now_ms)
{
	return a->numeric || now_ms < a->fresh_until_ms;
}

/* Have the app's name looked up, unless somebody asked a moment ago. */
static enum reset_code
app_resolve(struct agent *g, struct app *a)
{
	const struct io *io = g->io;

	if (a->resolving && io->now_ms - a->asked_ms < g->cfg->connect_ms)
		return RESET_NONE;
	if (!io->ops->resolve(io->ctx, a->cfg->host, a->cfg->port,
	    app_handle((size_t)(a - g->apps))))
		return RESET_OVER_LIMIT;
	a->resolving = true;
	a->asked_ms = io->now_ms;
	return RESET_NONE;
}

void
app_resolved(struct agent *g, struct app *a, const struct io_event *ev)
{
	a->resolving = false;
	a->naddrs = (uint32_t)min_u64(ev->naddrs, RESOLVE_MAX);
	for (uint32_t i = 0; i < a->naddrs; i++)
		a->addrs[i] = ev->addrs[i];
	a->fresh_until_ms = a->naddrs > 0 ? g->io->now_ms + AGENT_NAME_MS : 0;
	for (uint32_t i = 0; i < g->plan.streams; i++) {
		struct conn *c = pool_at(&g->conns, i);
		enum reset_code why;

		if (!pool_live(&g->conns, i) || c->state != CONN_RESOLVING ||
		    conn_app(c) != a)
			continue;
		conn_to(c, CONN_CONNECTING);
		why = conn_connect(c, RESET_UNREACHABLE);
		if (why != RESET_NONE)
			conn_fail(c, why);
	}
}

static struct app *
app_named(struct agent *g, const struct frame_open *o)
{
	for (size_t i = 0; i < g->cfg->napps; i++) {
		const struct agent_app *a = &g->cfg->apps[i];

		if (slice_eq(a->name, o->app) && a->kind == o->kind)
			return &g->apps[i];
	}
	return NULL;
}

struct tunnel_stream *
app_open(void *owner, const struct frame_open *o, enum reset_code *refuse)
{
	struct link *l = owner;
	struct agent *g = l->g;
	struct app *a = app_named(g, o);
	uint32_t blocks = blocks_for(WINDOW_INITIAL);
	struct conn *c;

	*refuse = RESET_UNKNOWN_APP;
	if (a == NULL)
		return NULL;
	*refuse = RESET_OVER_LIMIT;
	if (g->conns.used == g->conns.cap ||
	    !blocks_reserve(&g->blocks, blocks))
		return NULL;
	c = pool_take(&g->conns);
	assert(c != NULL);
	c->g = g;
	c->s.owner = c;
	c->fd = -1;
	c->app = to_u16((uint64_t)(a - g->apps));
	c->blocks = to_u16(blocks);
	c->by_ms = g->io->now_ms + g->cfg->connect_ms;
	if (app_fresh(a, g->io->now_ms)) {
		conn_to(c, CONN_CONNECTING);
		*refuse = conn_connect(c, RESET_UNREACHABLE);
	} else {
		conn_to(c, CONN_RESOLVING);
		timer_set(&g->timers, &c->timer, conn_handle(c), c->by_ms);
		*refuse = app_resolve(g, a);
	}
	if (*refuse != RESET_NONE) {
		enum reset_code why = *refuse;

		conn_fail(c, why);
		return NULL;
	}
	return &c->s;
}
