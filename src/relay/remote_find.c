/*
 * Which session a name means. There are few remotes (cfg.agents), so all are
 * looked at each time, and there is no index that could be out of date.
 */
#include "relay/parts.h"

struct remote *
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
