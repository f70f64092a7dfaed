/*
 * Whose is the bare NAME of an app? PROTOCOL.md 4.4: it means the newest agent
 * of the credential that holds it; an agent of another credential never gets a
 * name that is bound to somebody else (it has NAME--AGENT).
 *
 * The first credential that offers a name holds it. It keeps it for a while
 * after its last agent left, so that nobody can take a name by being there when
 * its owner restarts; it loses it at once when the credential is removed.
 */
#include "relay/parts.h"

#include "base/num.h"

static struct held *
held_find(const struct relay *r, struct slice app)
{
	for (uint32_t i = 0; i < HELD_MAX; i++) {
		struct held *h = &r->held_names[i];

		if (h->credential != 0 && slice_eq(name_slice(&h->app), app))
			return h;
	}
	return NULL;
}

static bool
offers(const struct remote *l, struct slice app)
{
	for (size_t i = 0; i < l->napps; i++) {
		if (slice_eq(name_slice(&l->apps[i].name), app))
			return true;
	}
	return false;
}

/* Nobody of that credential has offered it for so long. */
static bool
lapsed(const struct relay *r, const struct held *h)
{
	if (r->io->now_ms - h->seen_ms < HELD_MS)
		return false;
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		const struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i) && !l->dead &&
		    l->state >= REMOTE_CURRENT &&
		    l->credential == h->credential &&
		    offers(l, name_slice(&h->app)))
			return false;
	}
	return true;
}

/* A place for one name more of that credential: one that nobody holds, or its
 * own oldest. However many it offers, others' names stay theirs, and half of
 * the places are for others. NULL: there is none. */
static struct held *
held_place(struct relay *r, uint32_t credential)
{
	struct held *free = NULL, *own = NULL;
	unsigned n = 0;

	for (uint32_t i = 0; i < HELD_MAX; i++) {
		struct held *h = &r->held_names[i];

		if (h->credential == credential) {
			n++;
			if (own == NULL || h->seen_ms < own->seen_ms)
				own = h;
		} else if (free == NULL &&
		    (h->credential == 0 || lapsed(r, h))) {
			free = h;
		}
	}
	return free == NULL || n >= HELD_MAX / 2 ? own : free;
}

bool
names_may(const struct relay *r, struct slice app, uint32_t credential)
{
	const struct held *h = held_find(r, app);

	return h == NULL || h->credential == credential || lapsed(r, h);
}

void
names_seen(struct relay *r, const struct remote *l, bool claim)
{
	for (size_t i = 0; i < l->napps; i++) {
		struct slice app = name_slice(&l->apps[i].name);
		struct held *h = held_find(r, app);

		if (h == NULL && !claim)
			continue;
		if (h == NULL) {
			h = held_place(r, l->credential);
			if (h == NULL)
				continue;
			*h = (struct held){ .app = l->apps[i].name,
				.credential = l->credential };
		} else if (h->credential != l->credential) {
			if (!claim || !lapsed(r, h))
				continue;
			h->credential = l->credential;
		}
		h->seen_ms = r->io->now_ms;
	}
}

void
names_free(struct relay *r, uint32_t credential)
{
	for (uint32_t i = 0; i < HELD_MAX; i++) {
		if (r->held_names[i].credential == credential)
			r->held_names[i] = (struct held){ 0 };
	}
}
