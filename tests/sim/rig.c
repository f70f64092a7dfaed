/*
 * The relay in the virtual world: see rig.h. Clients and agents are programs
 * of their own hosts, driven by events as the relay is.
 */
#include "rig.h"

#include "relay/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/num.h"

#define MUST(x) do {                                                    \
	if (!(x)) {                                                     \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
		abort();                                                \
	}                                                               \
} while (0)

enum { ALIGN = 64 * 1024 };

static void *
get_mem(size_t n)
{
	void *p = calloc(1, n);

	MUST(p != NULL);
	return p;
}

static struct arena
arena_new(size_t n)
{
	struct arena a = { .cap = n };
	uint8_t *p = mmap(NULL, n + ALIGN, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	MUST(p != MAP_FAILED);
	a.p = p + (ALIGN - (uintptr_t)p % ALIGN) % ALIGN;
	return a;
}

static void
arena_end(struct arena *a)
{
	munmap(a->p, a->cap);
}

/* ---- bytes ---- */

void
dyn_put(struct dyn *d, const void *p, size_t n)
{
	if (d->n + n + 1 > d->cap) {
		d->cap = (d->n + n + 1) * 2;
		d->p = realloc(d->p, d->cap);
		MUST(d->p != NULL);
	}
	if (n > 0)
		memcpy(d->p + d->n, p, n);
	d->n += n;
	d->p[d->n] = 0;
}

void
dyn_drop(struct dyn *d, size_t n)
{
	MUST(n <= d->n);
	if (d->p == NULL)
		return;
	memmove(d->p, d->p + n, d->n - n + 1);
	d->n -= n;
}

bool
dyn_has(const struct dyn *d, const char *text)
{
	return d->n > 0 && memmem(d->p, d->n, text, strlen(text)) != NULL;
}

static void
dyn_free(struct dyn *d)
{
	free(d->p);
	*d = (struct dyn){ 0 };
}

static void
dyn_set(struct dyn *d, const void *p, size_t n)
{
	d->n = 0;
	dyn_put(d, p, n);
}

/* ---- the relay ---- */

/* Passwords are stretched at once, and at the least cost. */
static void
keeper_now(struct keeper *k, const struct ask *q, struct answer *a)
{
	static uint8_t area[2 << 20] __attribute__((aligned(64)));
	enum keeper_for who = keeper_answer(k, q, a);
	struct keeper_job j;
	struct keeper_result r = { .ok = true, .now_s = q->now_s };

	while (who == KEEPER_LATER && keeper_job(k, &j)) {
		MUST(scrypt_area(j.cost) <= sizeof area);
		r.id = j.id;
		scrypt(r.hash, sizeof r.hash, secret_bytes(&j.password),
		    slice_of(j.salt, sizeof j.salt), j.cost, area);
		who = keeper_done(k, &r, a);
	}
	MUST(who == KEEPER_RELAY);
}

/* In the order in which they were true. */
void
rig_answer(struct rig *g, const struct answer *a)
{
	uint64_t now_ms = world_now(g->w);

	g->answer_ms = max_u64(g->answer_ms, now_ms + g->keeper_ms);
	world_answer(g->host, a, (uint32_t)(g->answer_ms - now_ms));
}

static bool
keeper_ask(void *arg, struct world_host *h, const struct ask *q)
{
	struct rig *g = arg;
	struct answer a;

	(void)h;
	if (g->keeper_full)
		return false;
	MUST(q->kind < sizeof g->asked / sizeof g->asked[0]);
	g->asked[q->kind]++;
	if (g->keeper_hook == NULL || !g->keeper_hook(g, q, &a)) {
		if (g->keeper_asked != NULL) {
			g->keeper_asked(g, q);
			return true;
		}
		keeper_now(g->keeper, q, &a);
	}
	if (!g->keeper_deaf)
		rig_answer(g, &a);
	return true;
}

static enum err
file_load(void *ctx, struct slice name, struct buf *into)
{
	const struct rig *g = ctx;
	struct slice s = slice_of(g->sessions.p, g->sessions.n);

	if (!slice_eq(name, SL("sessions.json")))
		return E_EOF;
	if (g->keeper_files)
		s = world_file(g->host, "sessions.json");
	if (s.n == 0)
		return E_EOF;
	return buf_put(into, s) ? E_OK : E_FULL;
}

static bool
file_save(void *ctx, struct slice name, struct slice content)
{
	struct rig *g = ctx;
	const struct io *io = world_io(g->host);

	MUST(slice_eq(name, SL("sessions.json")));
	if (g->keeper_files)
		return io->ops->save(io->ctx, name, content);
	dyn_set(&g->sessions, content.p, content.n);
	return true;
}

/* The audit log: nobody reads it here. */
static bool
file_append(void *ctx, struct slice name, struct slice content)
{
	(void)ctx;
	return slice_eq(name, SL("audit.log")) && content.n > 0;
}

static bool
file_rotate(void *ctx, struct slice name, unsigned files)
{
	(void)ctx;
	return slice_eq(name, SL("audit.log")) && files > 1;
}

static bool
file_remove(void *ctx, struct slice name)
{
	(void)ctx;
	return slice_eq(name, SL("setup-code"));
}

static void
keeper_begin(struct rig *g)
{
	static struct secret jwt, password, token, channel;
	struct keeper_cfg cfg = { .jwt = &jwt, .password = &password,
		.token = &token, .channel = &channel,
		.io = { file_load, file_save, file_append, file_rotate,
		    file_remove, g }, .cost = { 10, 1, 1 } };
	uint8_t seed[RNG_SEED_MIN] = { g->starts++ };
	struct store_fault fault;
	size_t cut;

	g->keeper_ms = 1;
	g->answer_ms = 0;
	g->keeper = get_mem(sizeof *g->keeper);
	if (g->keeper_open != NULL) {
		g->keeper_open(g);
		return;
	}
	cfg.seed = slice_of(seed, sizeof seed);
	secret_set(&jwt, SL("a jwt secret of more than 32 bytes"));
	secret_set(&password, SL(RIG_PASSWORD));
	secret_set(&token, SL(RIG_TOKEN));
	secret_set(&channel, SL(RIG_CHANNEL_KEY));
	keeper_init(g->keeper, &cfg);
	MUST(keeper_load(g->keeper, world_io(g->host)->wall_ms / 1000, &cut,
	    &fault) == E_OK);
}

static void
keeper_end(struct rig *g)
{
	keeper_wipe(g->keeper);
	free(g->keeper);
	g->keeper = NULL;
}

void
rig_keeper(struct rig *g, void (*open)(struct rig *g),
    void (*asked)(struct rig *g, const struct ask *q), const char *login)
{
	keeper_end(g);
	g->keeper_open = open;
	g->keeper_asked = asked;
	g->login = login;
	keeper_begin(g);
}

void
rig_init(struct rig *g, const struct world_cfg *cfg)
{
	memset(g, 0, sizeof *g);
	g->w = world_new(cfg);
	if (getenv("ADIT_WORLD_LOG") == NULL)
		world_log(g->w)->level = LOG_INFO;
	g->host = world_host(g->w, "relay", RIG_IP);
	relay_cfg_defaults(&g->cfg);
	g->cfg.grace_ms = 0;            /* a cut is the end, unless asked */
	g->cfg.hash_seed = 12345;
	g->cfg.version = SL("0.0.0-test");
	g->check_each = 1;
	g->login = "{\"password\":\"" RIG_PASSWORD "\"}";
	keeper_begin(g);
	world_keeper(g->host, keeper_ask, g);
	rig_listen(g, RIG_MAIN, LISTEN_MAIN, "");
}

void
rig_listen(struct rig *g, const char *where, enum listen_kind kind,
    const char *app)
{
	struct relay_listen *l = &g->cfg.listens[g->cfg.nlistens++];

	l->fd = world_listen(g->host, where);
	l->addr = world_addr(where);
	l->kind = kind;
	l->app = slice_of(app, strlen(app));
}

static void
relay_on_event(void *arg, const struct io *io, const struct io_event *ev)
{
	struct rig *g = arg;

	MUST(relay_owns(ev->who));
	relay_event(g->r, io, ev);
}

static uint64_t
relay_on_step(void *arg, const struct io *io)
{
	struct rig *g = arg;
	uint64_t due = relay_step(g->r, io);

	if (++g->steps % g->check_each == 0)
		rig_check(g, due);
	return due;
}

void
rig_start(struct rig *g)
{
	if (g->quiet)
		world_log(g->w)->level = LOG_FATAL;
	MUST(relay_plan(&g->cfg, &g->plan) == E_OK);
	g->arena = arena_new(g->plan.bytes);
	MUST(relay_new(&g->r, &g->cfg, &g->plan, &g->arena, world_log(g->w),
	    world_io(g->host), world_file(g->host, "relay.json")) == E_OK);
	MUST(relay_load_channel(g->r, world_file(g->host, "channel.json")) ==
	    E_OK);
	relay_set_mode(g->r, keeper_mode_name(g->keeper));
	world_program(g->host, relay_on_event, relay_on_step, g);
}

void
rig_kill(struct rig *g)
{
	world_kill(g->host);
	arena_end(&g->arena);
	g->r = NULL;
	g->taken = 0;
	keeper_end(g);
}

void
rig_again(struct rig *g)
{
	keeper_begin(g);
	for (size_t i = 0; i < g->cfg.nlistens; i++) {
		struct relay_listen *l = &g->cfg.listens[i];
		uint8_t where[ADDR_TEXT_MAX];
		struct buf b = BUF_ON(where);

		MUST(addr_put(&b, &l->addr) && buf_put_u8(&b, 0));
		l->fd = world_listen(g->host, (const char *)where);
	}
	rig_start(g);
}

void
rig_run(struct rig *g, uint64_t ms)
{
	world_run(g->w, ms);
}

void
rig_settle(struct rig *g)
{
	world_run(g->w, 60);
}

size_t
rig_held(const struct rig *g)
{
	const struct relay *r = g->r;
	size_t n = 0;

	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		const struct client *c = pool_at(&r->clients, i);

		if (pool_live(&r->clients, i))
			n += c->out.n + c->in_n;
	}
	for (uint32_t i = 0; i < r->streams.fresh; i++) {
		const struct rstream *s = pool_at(&r->streams, i);

		if (pool_live(&r->streams, i))
			n += s->up.n + s->rin_n;
	}
	return n;
}

/* Will somebody look at the client's socket again without an event? */
static void
check_client(const struct relay *r, const struct client *c)
{
	const struct rstream *s = c->s;
	bool reads = c->state == CLIENT_IDLE || c->state == CLIENT_HEAD ||
	    c->state == CLIENT_BODY;

	if (c->state == CLIENT_DEAD) {
		MUST(c->dirty);
		return;
	}
	MUST(c->fd >= 0 && c->by_addr != NULL);
	MUST((c->in == NULL) == (c->in_n == 0));
	MUST(s == NULL || (s->c == c && s->resp != RESP_ORPHAN &&
	    s->resp != RESP_DEAD));
	MUST(c->out.n == 0 || blocks_for(c->out.n) <= c->out_blocks);
	MUST(s != NULL || c->out.n > 0 || c->out_blocks == 0);
	MUST(c->dirty || !(c->wr && c->out.n > 0));
	MUST(c->dirty || !(reads && c->rd && c->out.n == 0));
	MUST(c->dirty || !(c->state == CLIENT_IDLE && c->in_n > 0 &&
	    c->out.n == 0));
	MUST(c->dirty || !(c->state == CLIENT_LINGER && c->rd));
	MUST(c->state != CLIENT_FLUSH || c->out.n > 0);
	MUST((c->state == CLIENT_PROXY || c->state == CLIENT_WS) ==
	    (s != NULL && s->resp != RESP_IDLE));
	if (c->state != CLIENT_WS && c->state != CLIENT_PROXY)
		MUST(c->timer.pos != 0);
	MUST(pool_live(&r->clients, pool_index(&r->clients, c)));
}

static void
check_stream(const struct relay *r, const struct rstream *s)
{
	const struct client *c = s->c;
	bool wants = s->up.n > 0;

	MUST(s->resp != RESP_DEAD);
	MUST(s->up.n == 0 || blocks_for(s->up.n) <= s->up_blocks);
	MUST(s->ts.tunnel == &s->l->t);
	MUST(pool_live(&r->remotes, pool_index(&r->remotes, s->l)));
	if (c == NULL) {
		MUST(s->resp == RESP_ORPHAN && s->timer.pos != 0);
		wants = wants || s->ts.state == STREAM_OPEN ||
		    s->ts.state == STREAM_GOT_END;
	} else {
		MUST(s->unreturned <= s->ts.window);
		if (c->state == CLIENT_WS)
			wants = wants || c->ws_code != 0 || c->rd ||
			    c->in_n > 0;
		if (c->state == CLIENT_PROXY)
			wants = wants || (!c->body_done && c->rd);
		if (s->resp == RESP_IDLE)
			MUST(s->timer.pos != 0);
		if (c->dirty && c->out.n == 0)
			wants = false;
	}
	MUST(!wants || (s->ts.flags & (F_READY | F_END_DUE | F_UNWANTED)) ||
	    s->ts.state == STREAM_SENT_END);
}

/* Everything that is reserved is somebody's. */
static void
check_blocks(const struct relay *r, uint64_t sum)
{

	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		const struct client *c = pool_at(&r->clients, i);

		sum += pool_live(&r->clients, i) ? c->out_blocks : 0;
	}
	for (uint32_t i = 0; i < r->streams.fresh; i++) {
		const struct rstream *s = pool_at(&r->streams, i);

		sum += pool_live(&r->streams, i) ? s->up_blocks : 0;
	}
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		const struct remote *l = pool_at(&r->remotes, i);

		if (pool_live(&r->remotes, i))
			sum += l->t.ring.reserved +
			    tunnel_blocks(l->t.cfg.ours.streams) -
			    RING_MIN / BLOCK_BYTES;
	}
	sum += r->spare + r->plan.channel_blocks;
	MUST(sum == r->blocks.reserved);
	MUST(r->blocks.pool.used <= r->blocks.reserved);
}

static uint32_t
count_queues(const struct channel *ch)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ch->socks.fresh; i++) {
		const struct channel_sock *s = pool_at(&ch->socks, i);

		if (!pool_live(&ch->socks, i))
			continue;
		n += s->q.n;
		MUST(s->c->state == CLIENT_CHANNEL && s->c->channel == s);
		MUST(s->c->dirty || (!s->doomed && !s->ending &&
		    !(s->c->wr && s->q.n > 0)) || s->ending);
		MUST(s->c->dirty || s->wait != CH_READS || s->ending ||
		    !(s->c->rd && s->c->out.n == 0));
		MUST((s->role == CH_CLIENT || s->role == CH_STATION) ==
		    (s->st != NULL));
		MUST(s->role != CH_STATION || s->st->sock == s);
	}
	for (uint32_t i = 0; i < ch->watches.fresh; i++) {
		const struct watch *w = pool_at(&ch->watches, i);

		n += pool_live(&ch->watches, i) ? w->q.n : 0;
	}
	return n;
}

/* Messages that are bodies coming in. */
static uint32_t
count_posts(const struct relay *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		const struct client *c = pool_at(&r->clients, i);

		n += pool_live(&r->clients, i) && c->post != NULL;
	}
	return n;
}

/* Every node is in a queue, every reserved block is a message's, and no
 * message takes more than it reserved. */
static void
check_channel(const struct relay *r)
{
	const struct channel *ch = r->channel;
	uint32_t used = 0, loose = 0;

	for (uint32_t i = 0; i < ch->msgs.fresh; i++) {
		const struct channel_msg *m = pool_at(&ch->msgs, i);

		if (!pool_live(&ch->msgs, i))
			continue;
		used += m->blocks;
		loose += m->loose ? m->blocks : 0;
		MUST(m->refs > 0);
		MUST(m->chain.n == 0 || blocks_for(m->chain.n) <= m->blocks);
	}
	MUST(used == ch->used && used <= ch->budget);
	MUST(loose == ch->loose);
	MUST(count_queues(ch) == ch->nodes.used);
	if (ch->socks.used == 0 && ch->watches.used == 0)
		MUST(ch->msgs.used == count_posts(r));
}

void
rig_check(struct rig *g, uint64_t due_ms)
{
	const struct relay *r = g->r;
	uint64_t now_ms = world_now(g->w);

	MUST(r->gather.c == NULL && r->joined == NULL && r->stable == NULL);
	MUST(r->verdict == NULL);
	MUST(r->dirty == NULL || due_ms <= now_ms);
	for (size_t i = 0; i < g->cfg.nlistens; i++)
		MUST(!r->listeners[i].ready || r->held ||
		    due_ms <= max_u64(now_ms, r->listeners[i].again_ms));
	for (uint32_t i = 0; i < r->clients.fresh; i++) {
		if (pool_live(&r->clients, i))
			check_client(r, pool_at(&r->clients, i));
	}
	for (uint32_t i = 0; i < r->streams.fresh; i++) {
		if (pool_live(&r->streams, i))
			check_stream(r, pool_at(&r->streams, i));
	}
	for (uint32_t i = 0; i < r->remotes.fresh; i++) {
		const struct remote *l = pool_at(&r->remotes, i);

		if (!pool_live(&r->remotes, i))
			continue;
		tunnel_check(&l->t);
		MUST(due_ms <= now_ms || (!l->rd && !l->dead &&
		    !(l->wr && tunnel_wants(&l->t, now_ms))));
	}
	check_blocks(r, g->taken);
	if (r->channel != NULL)
		check_channel(r);
}

void
rig_scarce(struct rig *g, uint32_t n)
{
	struct blocks *b = &g->r->blocks;
	uint32_t left = b->pool.cap - b->reserved;

	if (left <= n)
		return;
	g->taken += left - n;
	MUST(blocks_reserve(b, left - n));
}

void
rig_zero(struct rig *g, bool agents)
{
	const struct relay *r = g->r;

	MUST(r->clients.used == 0);
	MUST(r->streams.used == 0);
	MUST(r->small.used == 0);
	MUST(r->large.used == 0);
	MUST(r->timers.n == 0);
	MUST(r->dirty == NULL && r->dead_clients == NULL &&
	    r->dead_streams == NULL);
	if (r->channel != NULL) {
		MUST(r->channel->socks.used == 0);
		check_channel(r);
	}
	if (agents)
		return;
	MUST(r->remotes.used == 0);
	MUST(r->peers.used == 0);
	MUST(r->blocks.reserved == r->spare + r->plan.channel_blocks);
	MUST(r->blocks.pool.used == 0);
	MUST(world_fds(g->host) ==
	    (relay_stopped(g->r) ? 0 : g->cfg.nlistens));
}

/* ---- clients ---- */

static void
cl_end(struct cl *c, bool broken)
{
	c->rd = false;
	c->eof = true;
	c->broken = c->broken || broken;
	c->end_ms = world_now(c->g->w);
}

static void
cl_turn(struct cl *c, const struct io *io)
{
	uint8_t area[4096];

	if (c->fd < 0)
		return;
	while (c->rd && !c->hold) {
		int64_t n = io_read(io, c->fd, area, sizeof area);

		if (n == IO_AGAIN)
			c->rd = false;
		else if (n <= 0)
			cl_end(c, n == IO_FAIL);
		else
			dyn_put(&c->in, area, (size_t)n);
	}
	while (c->wr && c->open && c->out.n > 0) {
		int64_t n = io_write(io, c->fd, slice_of(c->out.p, c->out.n));

		if (n == IO_FAIL) {
			c->out.n = 0;
			c->broken = true;
		}
		if (n <= 0) {
			c->wr = false;
			break;
		}
		dyn_drop(&c->out, (size_t)n);
	}
	if (c->shut && c->open && c->out.n == 0) {
		io->ops->shutdown(io->ctx, c->fd);
		c->shut = false;
	}
}

static void
people_event(void *arg, const struct io *io, const struct io_event *ev)
{
	struct rig *g = arg;
	struct cl *c = g->cls;

	while (c != NULL && c->serial != ev->who)
		c = c->next;
	if (c == NULL || c->fd < 0)
		return;
	if (ev->flags & (EV_READ | EV_HUP))
		c->rd = true;
	if (ev->flags & EV_WRITE) {
		int up = c->open ? 0 : io->ops->connected(io->ctx, c->fd);

		if (up == IO_FAIL)
			cl_end(c, true);
		c->open = c->open || up == 0;
		c->wr = c->open;
	}
}

static uint64_t
people_step(void *arg, const struct io *io)
{
	struct rig *g = arg;

	for (struct cl *c = g->cls; c != NULL; c = c->next) {
		if (world_io(c->host) == io)
			cl_turn(c, io);
	}
	return UINT64_MAX;
}

static struct world_host *
people_host(struct rig *g, const char *ip)
{
	for (size_t i = 0; i < g->nhosts; i++) {
		if (strcmp(g->ips[i], ip) == 0)
			return g->hosts[i];
	}
	MUST(g->nhosts < RIG_HOSTS);
	snprintf(g->ips[g->nhosts], sizeof g->ips[0], "%s", ip);
	g->hosts[g->nhosts] = world_host(g->w, ip, ip);
	world_program(g->hosts[g->nhosts], people_event, people_step, g);
	return g->hosts[g->nhosts++];
}

struct cl *
cl_new(struct rig *g, const char *ip, const char *where)
{
	struct cl *c = get_mem(sizeof *c);
	const struct io *io;

	c->g = g;
	c->next = g->cls;
	g->cls = c;
	c->serial = ++g->ncls;
	c->host = people_host(g, ip);
	io = world_io(c->host);
	c->fd = world_dial(c->host, where != NULL ? where : RIG_MAIN);
	MUST(c->fd >= 0);
	io->ops->watch(io->ctx, c->fd, c->serial);
	return c;
}

void
cl_putn(struct cl *c, const void *p, size_t n)
{
	dyn_put(&c->out, p, n);
	world_kick(c->host);
}

void
cl_put(struct cl *c, const char *text)
{
	cl_putn(c, text, strlen(text));
}

void
cl_shut(struct cl *c)
{
	c->shut = true;
	world_kick(c->host);
}

void
cl_close(struct cl *c, bool abort_it)
{
	const struct io *io = world_io(c->host);

	if (c->fd < 0)
		return;
	io->ops->close(io->ctx, c->fd, abort_it);
	c->fd = -1;
}

bool
cl_has(const struct cl *c, const char *text)
{
	return dyn_has(&c->in, text);
}

/* Where the body at `in` ends; SIZE_MAX if it is not whole. What it was is
 * put into c->body. */
static size_t
take_body(struct cl *c, const struct http_head *h, struct slice in)
{
	struct chunk_dec d = { 0 };
	size_t at = 0;

	c->body.n = 0;
	dyn_put(&c->body, "", 0);
	if (h->body == HTTP_BODY_LENGTH && in.n < h->length)
		return SIZE_MAX;
	if (h->body == HTTP_BODY_CLOSE && !c->eof)
		return SIZE_MAX;
	if (h->body != HTTP_BODY_CHUNKED) {
		at = h->body == HTTP_BODY_NONE ? 0 :
		    h->body == HTTP_BODY_LENGTH ? (size_t)h->length : in.n;
		dyn_put(&c->body, in.p, at);
		return at;
	}
	for (;;) {
		struct chunk_ev ev;
		size_t used = 0;
		enum err e = chunk_next(&d, slice_from(in, at), &used, &ev);

		if (e == E_MORE)
			return SIZE_MAX;
		MUST(e == E_OK);
		at += used;
		if (ev.what == CHUNK_DATA)
			dyn_put(&c->body, ev.data.p, ev.data.n);
		if (ev.what == CHUNK_DONE)
			return at;
	}
}

unsigned
cl_take(struct cl *c, bool to_head)
{
	static struct http_field fields[HTTP_FIELDS_MAX];
	struct http_head h = { .fields = fields };
	struct http_scan scan = { 0 };
	struct slice in = slice_of(c->in.p, c->in.n);
	size_t used = 0, body;
	enum err e = E_MORE;

	c->status = 0;
	if (in.n > 0)
		e = http_response_parse(&h, &scan, to_head ? HTTP_TO_HEAD :
		    HTTP_TO_OTHER, in, &used);
	if (e == E_MORE)
		return 0;
	if (e != E_OK)
		fprintf(stderr, "%s\n%s\n", err_name(e), c->in.p);
	MUST(e == E_OK);
	body = take_body(c, &h, slice_from(in, used));
	if (body == SIZE_MAX)
		return 0;
	c->status = h.status;
	dyn_set(&c->head, in.p, used);
	dyn_drop(&c->in, used + body);
	c->taken += used + body;
	return c->status;
}

unsigned
cl_ask(struct cl *c, const char *request)
{
	bool to_head = strncmp(request, "HEAD ", 5) == 0;

	cl_put(c, request);
	for (int i = 0; i < 100 && !c->eof; i++) {
		rig_settle(c->g);
		if (cl_take(c, to_head) != 0)
			return c->status;
	}
	return cl_take(c, to_head);
}

bool
cl_body_has(const struct cl *c, const char *text)
{
	return dyn_has(&c->body, text);
}

bool
cl_head_has(const struct cl *c, const char *text)
{
	return dyn_has(&c->head, text);
}

/* The value of a cookie that the answer sets, with its name in front. */
static void
take_cookie(const struct cl *c, const char *name, char *out, size_t cap)
{
	char line[64];
	const char *p, *end;

	snprintf(line, sizeof line, "Set-Cookie: %s=", name);
	p = strstr(c->head.p, line);
	MUST(p != NULL);
	p += strlen("Set-Cookie: ");
	end = strchr(p, ';');
	MUST(end != NULL && (size_t)(end - p) < cap);
	memcpy(out, p, (size_t)(end - p));
	out[end - p] = 0;
}

void
rig_login(struct rig *g, const char *ip)
{
	struct cl *c = cl_new(g, ip, NULL);
	char req[400];

	snprintf(req, sizeof req, "POST /_adit/api/auth/login HTTP/1.1\r\n"
	    "Host: " RIG_MAIN "\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
	    strlen(g->login), g->login);
	MUST(cl_ask(c, req) == 200);
	take_cookie(c, "adit", g->cookie, sizeof g->cookie);
	take_cookie(c, "adit-device", g->device, sizeof g->device);
	cl_close(c, false);
}

/* ---- agents: the engine's side ---- */

static struct as *
as_of(struct tunnel_stream *ts)
{
	return ts->owner;
}

static void
as_app(struct as *s)
{
	if (s->a->app != NULL)
		s->a->app(s);
}

static void
put_text(char *out, size_t cap, struct slice s)
{
	MUST(s.n < cap);
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	out[s.n] = 0;
}

static struct tunnel_stream *
ag_open(void *owner, const struct frame_open *o, enum reset_code *refuse)
{
	struct ag *a = owner;
	struct as *s = get_mem(sizeof *s);

	(void)refuse;
	s->ts.owner = s;
	s->a = a;
	s->n = ++a->nstreams;
	s->next = a->streams;
	a->streams = s;
	put_text(s->app, sizeof s->app, o->app);
	put_text(s->client, sizeof s->client, o->client);
	put_text(s->user, sizeof s->user, o->user);
	put_text(s->scheme, sizeof s->scheme, o->scheme);
	return &s->ts;
}

static enum tunnel_pull
ag_pull(void *owner, struct tunnel_stream *ts, uint8_t *dst, size_t max,
    size_t *n, enum reset_code *code)
{
	struct as *s = as_of(ts);

	(void)owner;
	(void)code;
	*n = min_size(max, s->out.n);
	if (*n > 0)
		memcpy(dst, s->out.p, *n);
	dyn_drop(&s->out, *n);
	if (s->out.n > 0)
		return PULL_MORE;
	return s->out_end ? PULL_END : PULL_WAIT;
}

static void
ag_data(void *owner, struct tunnel_stream *ts, uint8_t *p, size_t n)
{
	struct as *s = as_of(ts);

	(void)owner;
	dyn_put(&s->in, p, n);
	s->got += n;
	s->came_ms = world_now(s->a->g->w);
	if (s->hold)
		s->unread += n;
	else
		tunnel_consumed(ts, n, s->came_ms);
	as_app(s);
}

static void
ag_ended(void *owner, struct tunnel_stream *ts)
{
	struct as *s = as_of(ts);

	(void)owner;
	s->in_end = true;
	s->over_ms = world_now(s->a->g->w);
	as_app(s);
}

static void
ag_stop(void *owner, struct tunnel_stream *ts)
{
	(void)owner;
	as_of(ts)->stopped = true;
}

static void
ag_was_reset(void *owner, struct tunnel_stream *ts, enum reset_code code)
{
	struct as *s = as_of(ts);

	(void)owner;
	s->was_reset = true;
	s->code = code;
	s->over_ms = world_now(s->a->g->w);
}

static void
ag_closed(void *owner, struct tunnel_stream *ts)
{
	(void)owner;
	as_of(ts)->closed = true;
}

static void
ag_welcome(struct ag *a, struct slice json)
{
	static struct welcome w;

	MUST(welcome_parse(&w, json) == E_OK);
	if (w.resumed) {
		MUST(a->parked && tunnel_state(&a->t) == TUNNEL_RESUMING);
		MUST(slice_eq(w.session, slice_of(a->session,
		    sizeof a->session)));
		a->resumed = tunnel_resumed(&a->t, w.received) == E_OK;
		a->parked = false;
		return;
	}
	if (w.refused) {
		a->refused = true;
		put_text(a->code, sizeof a->code, w.code);
		tunnel_close(&a->t, CLOSE_REFUSED);
		return;
	}
	a->welcomed = true;
	a->attempt = 0;
	memcpy(a->secret, w.secret, sizeof a->secret);
	MUST(w.session.n == sizeof a->session);
	memcpy(a->session, w.session.p, sizeof a->session);
	tunnel_welcomed(&a->t, &w.limits);
}

static void
ag_hello(void *owner, struct slice json)
{
	struct ag *a = owner;

	dyn_set(&a->welcome, json.p, json.n);
	if (!a->hold_welcome)
		ag_welcome(a, json);
}

void
ag_confirm(struct ag *a)
{
	a->hold_welcome = false;
	MUST(a->welcome.n > 0);
	ag_welcome(a, slice_of(a->welcome.p, a->welcome.n));
}

static void
ag_confirmed(void *owner)
{
	((struct ag *)owner)->confirmed = true;
}

static void
ag_goaway(void *owner, enum goaway_reason reason, uint32_t deadline_ms)
{
	struct ag *a = owner;

	(void)deadline_ms;
	a->goaway = true;
	a->goaway_reason = reason;
}

static const struct tunnel_ops ag_ops = {
	.hello = ag_hello, .confirmed = ag_confirmed, .open = ag_open,
	.pull = ag_pull, .data = ag_data, .end = ag_ended, .stop = ag_stop,
	.reset = ag_was_reset, .closed = ag_closed, .goaway = ag_goaway,
};

/* ---- agents: their connection ---- */

void
ag_drop(struct ag *a, bool abort_it)
{
	const struct io *io = world_io(a->host);

	if (a->fd < 0)
		return;
	io->ops->close(io->ctx, a->fd, abort_it);
	a->fd = -1;
	a->rd = a->wr = false;
	a->end_ms = world_now(a->g->w);
	if (a->has_tunnel) {
		a->close_code = tunnel_close_code(&a->t);
		a->parked = tunnel_park(&a->t, a->end_ms);
	}
	if (!a->parked)
		ag_forget(a);
}

void
ag_abandon(struct ag *a)
{
	MUST(a->fd >= 0 && a->left < 0);
	a->left = a->fd;
	a->fd = -1;
	a->rd = a->wr = false;
	a->parked = tunnel_park(&a->t, world_now(a->g->w));
	MUST(a->parked);
}

static void
ag_end(struct ag *a)
{
	const struct io *io = world_io(a->host);

	ag_drop(a, false);
	ag_forget(a);
	if (a->left >= 0)
		io->ops->close(io->ctx, a->left, true);
	a->left = -1;
}

void
ag_forget(struct ag *a)
{
	if (a->has_tunnel)
		tunnel_free(&a->t, RESET_BROKEN);
	a->has_tunnel = a->parked = false;
	MUST(a->blocks.reserved == 0 && a->blocks.pool.used == 0);
}

static void
ag_begin(struct ag *a)
{
	struct tunnel_cfg cfg = {
		.role = TUNNEL_AGENT, .ops = &ag_ops, .owner = a,
		.blocks = &a->blocks, .log = world_log(a->g->w),
		.ours = a->limits, .ring_max = 1024 * 1024,
		.hello_ms = HELLO_DEADLINE_MS, .seed = 99,
		.grace_ms = a->parks ? GRACE_MS : 0,
		.hash = a->hash, .hash_n = RIG_HASH,
	};
	static uint8_t area[HELLO_MAX];
	struct buf b = BUF_ON(area);

	if (a->parked) {
		tunnel_rejoin(&a->t, world_now(a->g->w));
	} else {
		memset(a->hash, 0, sizeof a->hash);
		MUST(tunnel_init(&a->t, &cfg, world_now(a->g->w)) == E_OK);
		a->hello.resume = a->forges;
	}
	a->has_tunnel = true;
	a->hello.limits = a->limits;
	MUST(hello_put(&b, &a->hello));
	if (a->hello_text != NULL)
		tunnel_text(&a->t, slice_of(a->hello_text,
		    strlen(a->hello_text)));
	else if (!a->no_hello)
		tunnel_text(&a->t, buf_slice(&b));
}

static void
ag_take(struct ag *a, uint8_t *p, size_t n, const struct io *io)
{
	char *end;
	size_t used;

	if (a->status == 101) {
		a->err = tunnel_input(&a->t, p, n, io->now_ms);
		tunnel_check(&a->t);
		return;
	}
	dyn_put(&a->head, p, n);
	end = memmem(a->head.p, a->head.n, "\r\n\r\n", 4);
	if (end == NULL || a->status != 0)
		return;
	a->status = (unsigned)atoi(a->head.p + 9);
	if (a->status != 101)
		return;
	used = (size_t)(end - a->head.p) + 4;
	ag_begin(a);
	if (used < a->head.n)
		ag_take(a, (uint8_t *)a->head.p + used, a->head.n - used, io);
}

static void
ag_write(struct ag *a, const struct io *io)
{
	while (a->wr && a->has_tunnel) {
		size_t n = tunnel_output(&a->t, io->scratch, IO_SCRATCH,
		    io->now_ms);
		int64_t k;

		if (n == 0)
			return;
		k = io_write(io, a->fd, slice_of(io->scratch, n));
		if (k < 0)
			a->wr = false;
		k = k < 0 ? 0 : k;
		if ((size_t)k < n)
			tunnel_unsent(&a->t, slice_of(io->scratch + k,
			    n - (size_t)k));
	}
}

static void
ag_event(void *arg, const struct io *io, const struct io_event *ev)
{
	struct ag *a = arg;

	if (a->fd < 0)
		return;
	if (ev->flags & (EV_READ | EV_HUP))
		a->rd = true;
	if (ev->flags & EV_WRITE)
		a->wr = io->ops->connected(io->ctx, a->fd) == 0;
}

static uint64_t
ag_step(void *arg, const struct io *io)
{
	struct ag *a = arg;
	uint64_t due = UINT64_MAX;

	while (a->fd >= 0 && a->rd) {
		int64_t n = io_read(io, a->fd, io->scratch, IO_SCRATCH);

		if (n == IO_AGAIN)
			a->rd = false;
		else if (n <= 0)
			ag_drop(a, false);
		else
			ag_take(a, io->scratch, (size_t)n, io);
	}
	if (a->has_tunnel)
		a->err = tunnel_step(&a->t, io->now_ms, &due);
	ag_write(a, io);
	if (a->has_tunnel && a->wr && tunnel_wants(&a->t, io->now_ms))
		return io->now_ms;
	if (a->has_tunnel && (tunnel_state(&a->t) == TUNNEL_CLOSED ||
	    (a->err != E_OK && tunnel_state(&a->t) == TUNNEL_PARKED)) &&
	    a->status == 101 && !tunnel_wants(&a->t, io->now_ms))
		ag_drop(a, false);
	if (a->parked && tunnel_state(&a->t) == TUNNEL_CLOSED)
		ag_forget(a);
	return due;
}

struct ag *
ag_new(struct rig *g, const char *ip, const char *name)
{
	struct ag *a = get_mem(sizeof *a);

	a->g = g;
	a->next = g->ags;
	g->ags = a;
	a->fd = a->left = -1;
	a->host = world_host(g->w, name, ip);
	a->arena = arena_new((size_t)64 << 20);
	blocks_init(&a->blocks, &a->arena, 1, 2000);
	a->limits = (struct tunnel_limits){ 1024, WINDOW_INITIAL,
		1025 * WINDOW_INITIAL };
	a->hello = (struct hello){ .start = true, .version = SL("0.0.0"),
		.name = slice_of(name, strlen(name)), .napps = 1 };
	a->hello.apps[0] = (struct hello_app){ .name = SL("web"),
		.kind = APP_HTTP };
	for (size_t i = 0; i < sizeof a->hello.instance; i++)
		a->hello.instance[i] = (uint8_t)world_below(g->w, 256);
	return a;
}

void
ag_dial(struct ag *a)
{
	static const char head[] = "GET /tunnel HTTP/1.1\r\n"
	    "Host: " RIG_MAIN "\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Protocol: adit.tunnel.1\r\n"
	    "Authorization: Bearer " RIG_TOKEN "\r\n\r\n";
	const struct io *io = world_io(a->host);
	size_t done = 0;

	MUST(a->fd < 0);
	a->welcomed = a->confirmed = a->refused = a->goaway = false;
	a->resumed = false;
	a->rd = a->wr = false;
	a->status = 0;
	a->head.n = a->welcome.n = 0;
	a->err = E_OK;
	a->fd = world_dial(a->host, RIG_MAIN);
	while (io->ops->connected(io->ctx, a->fd) != 0)
		world_run(a->g->w, 1);
	world_program(a->host, ag_event, ag_step, a);
	io->ops->watch(io->ctx, a->fd, 1);
	while (done < sizeof head - 1) {
		int64_t n = io_write(io, a->fd, slice_of(head + done,
		    sizeof head - 1 - done));

		MUST(n > 0 || n == IO_AGAIN);
		done += n > 0 ? (size_t)n : 0;
	}
	a->wr = true;
}

void
ag_resume(struct ag *a)
{
	struct hello *h = &a->hello;

	MUST(a->parked);
	h->resume = true;
	h->start = false;
	h->session = slice_of(a->session, sizeof a->session);
	h->attempt = ++a->attempt;
	h->received = tunnel_received(&a->t);
	MUST(hello_proof(h->proof, a->secret, h->session, h->attempt,
	    h->received) == E_OK);
	ag_dial(a);
}

struct ag *
ag_up(struct rig *g, const char *ip, const char *name)
{
	struct ag *a = ag_new(g, ip, name);

	ag_dial(a);
	for (int i = 0; i < 100 && !a->confirmed; i++)
		rig_run(g, 10);
	MUST(a->confirmed);
	return a;
}

struct as *
ag_stream(const struct ag *a, unsigned n)
{
	struct as *s = a->streams;

	while (s != NULL && s->n != n)
		s = s->next;
	return s;
}

struct as *
ag_last(const struct ag *a)
{
	return a->streams;
}

void
as_sayn(struct as *s, const void *p, size_t n)
{
	dyn_put(&s->out, p, n);
	tunnel_ready(&s->ts);
}

void
as_say(struct as *s, const char *text)
{
	as_sayn(s, text, strlen(text));
}

void
as_end(struct as *s)
{
	s->out_end = true;
	tunnel_ready(&s->ts);
}

void
as_reset(struct as *s, enum reset_code code)
{
	s->did_reset = true;
	tunnel_reset(&s->ts, code);
}

void
as_stop(struct as *s)
{
	tunnel_stop(&s->ts);
}

void
as_read(struct as *s)
{
	uint64_t n = s->unread;

	s->hold = false;
	s->unread = 0;
	tunnel_consumed(&s->ts, (size_t)n, world_now(s->a->g->w));
}

bool
as_has(const struct as *s, const char *text)
{
	return dyn_has(&s->in, text);
}

bool
as_request(struct as *s, size_t at, struct http_head *h, size_t *n)
{
	static struct http_field fields[HTTP_FIELDS_MAX];
	struct slice in = slice_from(slice_of(s->in.p, s->in.n), at);
	struct http_scan scan = { 0 };
	struct chunk_dec d = { 0 };
	struct chunk_ev ev = { .what = CHUNK_SIZE };
	size_t used;

	*h = (struct http_head){ .fields = fields };
	*n = 0;
	if (in.n == 0 || http_request_parse(h, &scan, in, n) != E_OK)
		return false;
	if (h->body == HTTP_BODY_LENGTH && in.n - *n < h->length)
		return false;
	*n += h->body == HTTP_BODY_LENGTH ? (size_t)h->length : 0;
	while (h->body == HTTP_BODY_CHUNKED && ev.what != CHUNK_DONE) {
		if (chunk_next(&d, slice_from(in, *n), &used, &ev) != E_OK)
			return false;
		*n += used;
	}
	return true;
}

/* ---- the end ---- */

static void
free_stream(struct as *s)
{
	dyn_free(&s->in);
	dyn_free(&s->out);
	free(s->own);
	free(s);
}

static void
free_agent(struct ag *a)
{
	while (a->streams != NULL) {
		struct as *s = a->streams;

		a->streams = s->next;
		free_stream(s);
	}
	dyn_free(&a->head);
	dyn_free(&a->welcome);
	arena_end(&a->arena);
	free(a);
}

static void
free_client(struct cl *c)
{
	dyn_free(&c->in);
	dyn_free(&c->out);
	dyn_free(&c->head);
	dyn_free(&c->body);
	free(c);
}

void
rig_forget(struct rig *g)
{
	for (struct cl **at = &g->cls; *at != NULL;) {
		struct cl *c = *at;

		if (c->fd >= 0) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		free_client(c);
	}
	for (struct ag *a = g->ags; a != NULL; a = a->next) {
		for (struct as **at = &a->streams; *at != NULL;) {
			struct as *s = *at;

			if (s->ts.tunnel != NULL) {
				at = &s->next;
				continue;
			}
			*at = s->next;
			free_stream(s);
		}
	}
}

void
rig_close(struct rig *g)
{
	blocks_unreserve(&g->r->blocks, g->taken);
	g->taken = 0;
	for (struct cl *c = g->cls; c != NULL; c = c->next)
		cl_close(c, true);
	rig_run(g, ORPHAN_MS + 2000);
	rig_zero(g, true);
	for (struct ag *a = g->ags; a != NULL; a = a->next)
		ag_end(a);
	rig_run(g, LINGER_MS + 1000 + g->cfg.grace_ms);
	rig_zero(g, false);
	world_program(g->host, NULL, NULL, NULL);
	while (g->cls != NULL) {
		struct cl *c = g->cls;

		g->cls = c->next;
		free_client(c);
	}
	while (g->ags != NULL) {
		struct ag *a = g->ags;

		g->ags = a->next;
		free_agent(a);
	}
	world_free(g->w);
	arena_end(&g->arena);
	keeper_end(g);
	dyn_free(&g->sessions);
}
