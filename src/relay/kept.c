/*
 * What survives a restart: which app port belongs to which app, and each
 * agent's tunnel_id. One small JSON file that a person can read:
 *
 *     {"ports":{"web":4100},"agents":{"mac":"Z6q62aKz-F96"}}
 *
 * It is written whole when it changed, at the end of the turn.
 */
#include "relay/parts.h"

#include "codec/json.h"

static enum err
load_ports(struct relay *r, struct json ports)
{
	struct json_iter it;
	struct json name, v;

	json_iter(&it, ports);
	while (json_next(&it, &name, &v)) {
		struct slice app;
		struct listener *l;
		uint64_t port;

		if (!json_plain(name, &app) || !url_name_ok(app) ||
		    json_u64(v, &port) != E_OK)
			return E_SYNTAX;
		for (size_t i = 0; i < r->cfg->nlistens; i++) {
			l = &r->listeners[i];
			if (r->cfg->listens[i].kind == LISTEN_PORT &&
			    r->cfg->listens[i].addr.port == port)
				name_set(&l->bound, app);
		}
	}
	return E_OK;
}

static enum err
load_agents(struct relay *r, struct json agents)
{
	struct json_iter it;
	struct json name, v;

	json_iter(&it, agents);
	while (json_next(&it, &name, &v)) {
		struct slice agent, id;

		if (!json_plain(name, &agent) || !url_name_ok(agent) ||
		    !json_plain(v, &id) || id.n != HELLO_TUNNEL_ID_BYTES ||
		    r->nkept == AGENT_NAMES_MAX)
			return E_SYNTAX;
		name_set(&r->kept[r->nkept].name, agent);
		name_set(&r->kept[r->nkept++].tunnel_id, id);
	}
	return E_OK;
}

enum err
kept_load(struct relay *r, struct slice state)
{
	struct json v;
	struct json_field f[2] = {
		{ .name = SL("ports") }, { .name = SL("agents") } };

	if (state.n == 0)
		return E_OK;
	if (json_parse(state, 4, &v) != E_OK || json_fields(v, f, 2) != E_OK ||
	    f[0].v.kind != JSON_OBJECT || f[1].v.kind != JSON_OBJECT)
		return E_SYNTAX;
	if (load_ports(r, f[0].v) != E_OK)
		return E_SYNTAX;
	return load_agents(r, f[1].v);
}

void
kept_save(struct relay *r)
{
	struct buf b = buf_of(r->area, AREA_BYTES);
	struct json_out o = json_out_on(&b);
	struct slice before = { NULL, 0 };

	r->kept_changed = false;
	json_object(&o);
	json_name(&o, SL("ports"));
	json_object(&o);
	for (size_t i = 0; i < r->cfg->nlistens; i++) {
		struct slice app = name_slice(&r->listeners[i].bound);

		/* IPv4 and IPv6 sockets of one port stand side by side. */
		if (r->cfg->listens[i].kind == LISTEN_PORT && app.n > 0 &&
		    !slice_eq(app, before)) {
			json_pair_u64(&o, app, r->cfg->listens[i].addr.port);
			before = app;
		}
	}
	json_object_end(&o);
	json_name(&o, SL("agents"));
	json_object(&o);
	for (size_t i = 0; i < r->nkept; i++)
		json_pair_string(&o, name_slice(&r->kept[i].name),
		    name_slice(&r->kept[i].tunnel_id));
	json_object_end(&o);
	json_object_end(&o);
	buf_lit(&b, "\n");
	if (!buf_ok(&b) || !r->io->ops->save(r->io->ctx, SL("relay.json"),
	    buf_slice(&b)))
		LOGF(r->log, LOG_ERROR, "relay", "state could not be saved",
		    log_c("file", "relay.json"));
}

void
kept_bind_port(struct relay *r, struct slice app)
{
	uint16_t port = 0;

	for (size_t i = 0; i < r->cfg->nlistens; i++) {
		struct listener *l = &r->listeners[i];

		if (r->cfg->listens[i].kind != LISTEN_PORT)
			continue;
		if (slice_eq(name_slice(&l->bound), app))
			return;
		if (l->bound.n == 0 && port == 0)
			port = r->cfg->listens[i].addr.port;
	}
	if (port == 0)
		return;
	for (size_t i = 0; i < r->cfg->nlistens; i++) {
		if (r->cfg->listens[i].kind == LISTEN_PORT &&
		    r->cfg->listens[i].addr.port == port)
			name_set(&r->listeners[i].bound, app);
	}
	r->kept_changed = true;
}

struct slice
kept_tunnel_id(const struct relay *r, struct slice agent)
{
	for (size_t i = 0; i < r->nkept; i++) {
		if (slice_eq(name_slice(&r->kept[i].name), agent))
			return name_slice(&r->kept[i].tunnel_id);
	}
	return (struct slice){ NULL, 0 };
}

bool
kept_has_id(const struct relay *r, struct slice id)
{
	for (size_t i = 0; i < r->nkept; i++) {
		if (slice_eq(name_slice(&r->kept[i].tunnel_id), id))
			return true;
	}
	return false;
}

void
kept_set_tunnel_id(struct relay *r, struct slice agent, struct slice id)
{
	if (kept_tunnel_id(r, agent).n > 0)
		return;
	if (r->nkept == AGENT_NAMES_MAX) {
		/* The oldest name makes room. */
		memmove(r->kept, r->kept + 1,
		    sizeof *r->kept * (AGENT_NAMES_MAX - 1));
		r->nkept--;
	}
	name_set(&r->kept[r->nkept].name, agent);
	name_set(&r->kept[r->nkept++].tunnel_id, id);
	r->kept_changed = true;
}
