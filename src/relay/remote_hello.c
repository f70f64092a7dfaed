/*
 * Who owns an agent's name (PROTOCOL.md 4.4): the process (instance) confirmed
 * last, while a session of it lives. A hello changes nothing: only the agent's
 * first frame after the welcome makes the session the name's current one and
 * ends its predecessor, so a hello that comes late, or whose welcome is lost,
 * harms nobody. Another process takes over only if it says that it has just
 * started; one that slept is told that it was replaced.
 */
#include "relay/parts.h"

#include "codec/b64.h"
#include "crypto/ct.h"

/* The same process; that of another credential only says so. */
static bool
same_instance(const struct remote *a, const struct remote *b)
{
	return a->credential == b->credential &&
	    memcmp(a->instance, b->instance, sizeof a->instance) == 0;
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

/* May this session's process have the name? Who has a token for it need not be
 * new to take it from who has none. */
static bool
remote_may_own(const struct remote *l)
{
	const struct remote *o = remote_owner(l->r, name_slice(&l->name));

	return o == NULL || l->start || (l->may.n > 0 && o->may.n == 0) ||
	    same_instance(o, l);
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

struct slice
remote_put_welcome(struct remote *l, struct welcome *w)
{
	struct relay *r = l->r;
	struct buf text = buf_of(r->area, HELLO_MAX);
	struct buf urls = buf_of(r->area + HELLO_MAX, 64 * 1024);

	w->session = name_slice(&l->session);
	w->tunnel_id = name_slice(&l->tunnel_id);
	w->limits = remote_limits(r);
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
		    (l->may.n > 0 || o->credential == l->credential) &&
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

	if (!remote_may_name(l) || !remote_may_own(l)) {
		tunnel_close(&l->t, remote_may_name(l) ? CLOSE_REPLACED :
		    CLOSE_REFUSED);
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
