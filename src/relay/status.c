/*
 * What is there, as JSON: agents, their apps with the addresses that they have
 * for who asks, and what became of their connections lately. For people who
 * look (GET /api/relay/status, the live events of live.c).
 *
 * Of each agent the last few connects and cuts are kept, and of those that are
 * away when they left: in memory, for as many names as could be here twice
 * over; who was away the longest is forgotten first.
 */
#include "relay/parts.h"

#include "base/num.h"
#include "codec/json.h"

/* The app's address for this person: its own site, or the shared one. */
static bool
put_app_url(struct buf *b, struct relay *r, const struct remote *l,
    const struct remote_app *app)
{
	uint16_t i;
	struct slice name = name_slice(&app->name);
	uint8_t area[NAME_BYTES];
	struct buf full = BUF_ON(area);

	if (site_root(r).n > 0 && remote_find_app(r, site_root(r), &i) == l &&
	    &l->apps[i] == app) {
		if (r->site.main)
			return buf_lit(b, "/");
		site_put_main(b, r, &r->site);
		return buf_lit(b, "/");
	}
	if (remote_find_app(r, name, &i) != l) {
		buf_put(&full, name);
		buf_lit(&full, "--");
		buf_put(&full, name_slice(&l->name));
		name = buf_slice(&full);
	}
	return site_put_app(b, r, &r->site, name) && buf_lit(b, "/");
}

bool
status_is_up(const struct relay *r, uint32_t i)
{
	const struct remote *l = pool_at(&r->remotes, i);

	return pool_live(&r->remotes, i) && !l->dead && !remote_parked(l) &&
	    l->state == REMOTE_CURRENT;
}

static bool
name_is_up(const struct relay *r, const struct name *name)
{
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		const struct remote *l = pool_at(&r->remotes, i);

		if (status_is_up(r, i) &&
		    slice_eq(name_slice(&l->name), name_slice(name)))
			return true;
	}
	return false;
}

/* ---- what became of them ------------------------ */

static struct past *
past_find(const struct relay *r, const struct name *name)
{
	for (uint32_t i = 0; i < r->npast; i++) {
		if (slice_eq(name_slice(&r->past[i].name), name_slice(name)))
			return &r->past[i];
	}
	return NULL;
}

/* A place for a name that has none yet. */
static struct past *
past_make(struct relay *r, const struct name *name)
{
	struct past *p = NULL;

	for (uint32_t i = 0; i < r->npast; i++) {
		struct past *q = &r->past[i];

		if (q->n == 0 || (!name_is_up(r, &q->name) && (p == NULL ||
		    q->last_s < p->last_s)))
			p = q;
		if (q->n == 0)
			break;
	}
	if (p != NULL)
		*p = (struct past){ .name = *name };
	return p;
}

void
status_log(struct relay *r, const struct name *name, enum past_what what,
    const char *why)
{
	struct past *p = past_find(r, name);

	if (p == NULL)
		p = past_make(r, name);
	if (p == NULL)
		return;
	p->last_s = r->io->wall_ms / 1000;
	p->e[p->n++ % PAST_EVENTS] = (struct past_event){
		.t_s = p->last_s, .what = (uint8_t)what, .why = why };
	r->past_count[what]++;
}

static struct slice
past_name(unsigned what)
{
	static const struct slice names[PAST_WHATS] = {
		[PAST_CONNECTED] = SL_INIT("connected"),
		[PAST_CUT] = SL_INIT("cut"),
		[PAST_RESUMED] = SL_INIT("resumed"),
		[PAST_GONE] = SL_INIT("gone"),
	};

	return names[what];
}

static struct slice
text_slice(const char *s)
{
	size_t n = 0;

	while (s != NULL && s[n] != 0)
		n++;
	return slice_of(s, n);
}

/* The latest first. */
static void
put_log(struct json_out *o, const struct past *p)
{
	json_name(o, SL("log"));
	json_array(o);
	for (uint32_t i = 0; p != NULL && i < p->n && i < PAST_EVENTS; i++) {
		const struct past_event *e =
		    &p->e[(p->n - 1 - i) % PAST_EVENTS];

		json_object(o);
		json_pair_u64(o, SL("t"), e->t_s);
		json_pair_string(o, SL("what"), past_name(e->what));
		json_pair_string(o, SL("why"), text_slice(e->why));
		json_object_end(o);
	}
	json_array_end(o);
}

static void
put_away(struct json_out *o, const struct relay *r)
{
	json_name(o, SL("away"));
	json_array(o);
	for (uint32_t i = 0; i < r->npast; i++) {
		const struct past *p = &r->past[i];

		if (p->n == 0 || name_is_up(r, &p->name))
			continue;
		json_object(o);
		json_pair_string(o, SL("name"), name_slice(&p->name));
		json_pair_u64(o, SL("since"), p->last_s);
		json_object_end(o);
	}
	json_array_end(o);
}

/* ---- the whole ------------------------ */

/* Is the app for named people? */
static bool
is_limited(const struct relay *r, const struct remote *l,
    const struct remote_app *app)
{
	struct slice rest = { r->limited, r->limited_n };

	while (rest.n > 0) {
		struct slice name = slice_cut(&rest, '\n');
		struct slice agent = slice_cut(&name, '/');

		if (slice_eq(agent, name_slice(&l->name)) &&
		    slice_eq(name, name_slice(&app->name)))
			return !app->is_public;
	}
	return false;
}

static void
put_apps(struct json_out *o, struct relay *r, const struct remote *l)
{
	json_name(o, SL("apps"));
	json_array(o);
	for (size_t i = 0; i < l->napps; i++) {
		uint8_t area[512];
		struct buf url = BUF_ON(area);

		json_object(o);
		json_pair_string(o, SL("name"), name_slice(&l->apps[i].name));
		if (put_app_url(&url, r, l, &l->apps[i]) && buf_ok(&url))
			json_pair_string(o, SL("url"), buf_slice(&url));
		json_pair_bool(o, SL("public"), l->apps[i].is_public);
		json_pair_bool(o, SL("people"), is_limited(r, l, &l->apps[i]));
		json_object_end(o);
	}
	json_array_end(o);
}

static void
put_agent(struct json_out *o, struct relay *r, const struct remote *l,
    bool log)
{
	struct tunnel_stats st = tunnel_stats(&l->t);

	json_object(o);
	json_pair_string(o, SL("name"), name_slice(&l->name));
	json_pair_string(o, SL("tunnelId"), name_slice(&l->tunnel_id));
	json_pair_string(o, SL("version"), name_slice(&l->version));
	json_pair_u64(o, SL("since"), l->since_wall_ms / 1000);
	json_pair_u64(o, SL("streams"), st.streams);
	json_pair_u64(o, SL("rttMs"), st.rtt_ms);
	json_pair_u64(o, SL("bytesFromAgent"), st.bytes_in);
	json_pair_u64(o, SL("bytesToAgent"), st.bytes_out);
	put_apps(o, r, l);
	if (log)
		put_log(o, past_find(r, &l->name));
	json_object_end(o);
}

static void
put_base(struct json_out *o, const struct relay *r)
{
	uint8_t area[LIVE_HOST + 300];
	struct buf b = BUF_ON(area);

	if (site_put_base(&b, r, &r->site))
		json_pair_string(o, SL("base"), buf_slice(&b));
	if (r->site.kind == SITE_SHARED)
		json_pair_bool(o, SL("readonly"), true);
}

static void
put_status(struct buf *b, struct relay *r, bool names, bool log)
{
	struct json_out o = json_out_on(b);

	json_object(&o);
	json_pair_u64(&o, SL("uptime"),
	    (r->io->now_ms - r->started_ms) / 1000);
	json_pair_bool(&o, SL("tunnelConnected"), remote_any(r));
	json_pair_string(&o, SL("version"), r->cfg->version);
	if (names) {
		put_base(&o, r);
		json_name(&o, SL("agents"));
		json_array(&o);
		for (uint32_t i = 0; i < r->remotes.fresh; i++) {
			if (status_is_up(r, i))
				put_agent(&o, r, pool_at(&r->remotes, i), log);
		}
		json_array_end(&o);
		put_away(&o, r);
		if (r->channel != NULL)
			channel_status(r, &o);
	}
	json_object_end(&o);
}

bool
status_put(struct buf *b, struct relay *r, bool names)
{
	size_t mark = b->n;

	put_status(b, r, names, true);
	if (buf_ok(b))
		return true;
	/* Very many agents: their logs are what is left out. */
	b->n = mark;
	b->is_short = false;
	put_status(b, r, names, false);
	return buf_ok(b);
}
