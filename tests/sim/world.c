/*
 * The virtual world: see world.h.
 *
 * A connection is two ends and two pipes. A pipe counts bytes in four places,
 * read <= arrived <= sent <= written, over one ring: written - sent is the
 * send queue, sent - arrived is under way in segments that have a time of
 * arrival, arrived - read is the receive queue. Ends and resets travel behind
 * or past the bytes as they do in TCP. Everything is found by walking arrays
 * in the order of creation, so nothing depends on addresses; with some
 * thousands of sockets that is slow, and simple enough to be believed.
 */
#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/num.h"

enum {
	FD_FIRST = 3, BACKLOG = 128, BUSY_TURNS = 200000,
	LOWAT = 64 * 1024, LOG_KEEP = 4 << 20,
};

#define NEVER UINT64_MAX

struct segment { uint64_t upto, at_ms; };

struct pipe {
	uint8_t *ring;
	uint64_t written, sent, arrived, read;
	struct segment *segs;   /* under way, in order */
	size_t nsegs, seg_cap;
	uint64_t last_at;       /* arrival of what was sent last */
	uint64_t rate_ms;       /* the ms that rate_used is of */
	uint64_t rate_used;
	uint64_t fin_at;        /* arrival of the end, NEVER: not sent */
	bool fin_queued, fin_arrived;
};

/* What a descriptor can stand for; the part that is watched. */
struct watch {
	handle who;
	bool on, armed_r, armed_w, hup_given;
};

struct end {
	struct world_host *host;
	int fd;                 /* -1: not accepted yet, or closed */
	bool closed;
	bool open;              /* established, as this side sees it */
	bool broken;            /* a reset arrived, or the connect failed */
	uint64_t broken_at;     /* when it will be */
	uint64_t open_at;       /* when it is decided */
	bool securing;          /* TLS: the handshake is not decided */
	uint64_t secure_at;     /* when it is */
	size_t send_max;
	struct watch watch;
	struct pipe out;
	struct addr addr;
};

struct wconn {
	struct end e[2];        /* 0 dialled, 1 accepts */
	uint64_t syn_at;        /* arrival at the listener; NEVER: done */
	struct addr to;
	char path[UNIX_PATH_MAX_BYTES + 1];
	enum world_fate fate;
	uint64_t frozen_ms;     /* nothing passes before; NEVER: ever */
	uint64_t held_ms[2];    /* nothing that this side said arrives before */
	bool touched;           /* look at it in the next turn, */
	uint64_t next_ms;       /* or then */
};

struct listener {
	struct world_host *host;
	int fd;
	struct addr addr;
	char path[UNIX_PATH_MAX_BYTES + 1];
	struct watch watch;
	struct wconn *queue[BACKLOG];
	size_t nqueue;
};

struct wfd {
	struct listener *l;
	struct wconn *c;
	unsigned side;
};

struct pending {                /* an answer on its way to a host */
	struct pending *next;
	struct world_host *host;
	uint64_t at_ms;
	uint32_t flags;
	handle who;
	uint32_t naddrs;
	struct addr addrs[RESOLVE_MAX];
	struct answer answer;
};

struct file { struct file *next; char *name; uint8_t *p; size_t n; };

struct world_host {
	struct world *w;
	struct world_host *machine;     /* itself, or whose process it is */
	char name[32];
	struct addr ip;
	struct io io;
	struct wfd *fds;
	int fds_high;           /* all above are free */
	unsigned fds_used, accepted, writes;
	unsigned accepts_fail;  /* so many more */
	unsigned close_lost;    /* the one that is; 0: none */
	uint64_t ops, fail_at;  /* operations so far; the one that fails */
	world_event_fn *event;
	world_step_fn *step;
	void *arg;
	uint64_t due_ms;
	bool kick;              /* call step in any case */
	bool hot;               /* something of its descriptors changed */
	bool paused;
	world_ask_fn *ask;
	void *ask_arg;
	struct file *files;
	world_save_fn *save;
	world_load_fn *load;
	void *disk_arg;
	bool saves_fail;
	int64_t wall_off;
};

struct link { struct world_host *a, *b; bool stall, own; uint32_t ms; };
struct name { char name[64]; struct addr ip; };
struct fated { struct addr to; enum world_fate fate; };

enum { HOSTS_MAX = 256, LINKS_MAX = 1024, NAMES_MAX = 64, FATES_MAX = 64 };

struct world {
	struct world_cfg cfg;
	uint64_t rng, now_ms, busy;
	bool moved;             /* something happened in this turn */
	uint64_t net_due;       /* when something of a connection is next */
	struct world_host *hosts[HOSTS_MAX];    /* a machine first */
	size_t nhosts;
	struct wconn **conns;
	size_t nconns, conn_cap;
	struct listener **listeners;
	size_t nlisteners, listener_cap;
	struct link links[LINKS_MAX];
	size_t nlinks;
	struct name names[NAMES_MAX];
	size_t nnames;
	struct fated fates[FATES_MAX];
	size_t nfates;
	struct pending *pending, **pending_end;
	struct io_event *evs;   /* of one host's turn */
	size_t nevs;
	uint32_t resolve_ms;
	unsigned resolves;
	uint32_t tls_ms;
	const char *tls_why;
	char tls_host[64];
	uint16_t port;          /* next ephemeral one */
	struct log log;
	char *lines;
	size_t nlines;
	bool show;
};

#define WANT(ok, what) do { if (!(ok)) world_die(what); } while (0)

static _Noreturn void
world_die(const char *what)
{
	fprintf(stderr, "world: %s\n", what);
	abort();
}

/* Not zeroed: large, and little of it is used. */
static void *
get_raw(size_t n)
{
	void *p = malloc(n);

	WANT(p != NULL, "out of memory");
	return p;
}

static void *
get_mem(size_t n)
{
	void *p = calloc(1, n);

	WANT(p != NULL, "out of memory");
	return p;
}

/* Make room for one more pointer-sized item. */
static void *
grow(void *p, size_t n, size_t *cap, size_t item)
{
	if (n < *cap)
		return p;
	*cap = *cap == 0 ? 16 : *cap * 2;
	p = realloc(p, *cap * item);
	WANT(p != NULL, "out of memory");
	return p;
}

static uint64_t
world_random(struct world *w)
{
	uint64_t z = w->rng += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint64_t
world_below(struct world *w, uint64_t n)
{
	WANT(n > 0, "a number below 0");
	return world_random(w) % n;
}

static bool
chance(struct world *w, uint32_t pm)
{
	return pm > 0 && world_below(w, 1000) < pm;
}

static void
touch_all(struct world *w)
{
	for (size_t i = 0; i < w->nconns; i++)
		w->conns[i]->touched = true;
	w->moved = true;
}

/* ---- settings ---- */

struct world_cfg
world_gentle(uint64_t seed)
{
	return (struct world_cfg){
		.seed = seed, .latency_ms = 1, .send_bytes = 128 * 1024,
		.recv_bytes = 128 * 1024, .fds_max = 16384,
	};
}

struct world_cfg
world_rough(uint64_t seed)
{
	struct world_cfg c = world_gentle(seed);

	c.jitter_ms = 7;
	c.send_bytes = 20000;
	c.recv_bytes = 20000;
	c.short_pm = 300;
	c.again_pm = 100;
	c.spurious_pm = 50;
	return c;
}

static struct link *
find_link(const struct world *w, const struct world_host *a,
    const struct world_host *b)
{
	for (size_t i = w->nlinks; i-- > 0;) {
		const struct link *l = &w->links[i];

		if (a == NULL)
			break;

		if ((l->a == a && (l->b == b || l->b == NULL)) ||
		    (l->a == b && (l->b == a || l->b == NULL)))
			return (struct link *)(uintptr_t)l;
	}
	return NULL;
}

static struct link *
make_link(struct world *w, struct world_host *a, struct world_host *b)
{
	a = a->machine;
	b = b != NULL ? b->machine : NULL;
	for (size_t i = 0; i < w->nlinks; i++) {
		if (w->links[i].a == a && w->links[i].b == b)
			return &w->links[i];
	}
	WANT(w->nlinks < LINKS_MAX, "too many links");
	w->links[w->nlinks] = (struct link){ .a = a, .b = b };
	return &w->links[w->nlinks++];
}

void
world_stall(struct world *w, struct world_host *a, struct world_host *b,
    bool on)
{
	make_link(w, a, b)->stall = on;
	touch_all(w);
}

void
world_latency(struct world *w, struct world_host *a, struct world_host *b,
    uint32_t ms)
{
	struct link *l = make_link(w, a, b);

	l->own = true;
	l->ms = ms;
}

static bool
stalled(const struct wconn *c)
{
	const struct world_host *a = c->e[0].host, *b = c->e[1].host;
	const struct link *l;

	if (a == NULL || b == NULL || a->machine == b->machine)
		return false;
	if (c->frozen_ms > a->w->now_ms)
		return true;
	l = find_link(a->w, a->machine, b->machine);
	return l != NULL && l->stall;
}

/* How long something takes from a to b now. */
static uint64_t
latency(struct world *w, const struct world_host *a, const struct world_host *b)
{
	const struct link *l;
	uint64_t ms;

	a = a != NULL ? a->machine : NULL;
	b = b != NULL ? b->machine : NULL;
	if (a == b)
		return 0;
	l = find_link(w, a, b);
	ms = l != NULL && l->own ? l->ms : w->cfg.latency_ms;
	if (w->cfg.jitter_ms > 0)
		ms += world_below(w, w->cfg.jitter_ms + 1);
	return ms;
}

/* ---- addresses ---- */

static struct slice
text(const char *s)
{
	return slice_of(s, strlen(s));
}

struct addr
world_addr(const char *where)
{
	struct slice s = text(where);
	size_t colon = slice_rfind(s, ':');
	struct slice ip = slice_head(s, colon);
	struct addr a = { 0 };
	uint64_t port;

	if (ip.n > 2 && ip.p[0] == '[')
		ip = slice_of(ip.p + 1, ip.n - 2);
	WANT(colon < s.n && slice_dec(slice_from(s, colon + 1), 65535, &port) &&
	    addr_parse_ip(&a, ip), where);
	a.port = (uint16_t)port;
	return a;
}

static bool
addr_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->ip, zero, a->family == ADDR_V6 ? 16 : 4) == 0;
}

static struct world_host *
host_at(struct world *w, const struct addr *a)
{
	for (size_t i = 0; i < w->nhosts; i++) {
		if (addr_same_ip(&w->hosts[i]->ip, a))
			return w->hosts[i];
	}
	return NULL;
}

static struct listener *
listener_at(struct world *w, const struct world_host *from,
    const struct addr *a, const char *path)
{
	const struct world_host *h = from->machine;

	if (a->family != ADDR_UNIX && !addr_loopback(a))
		h = host_at(w, a);
	for (size_t i = 0; i < w->nlisteners; i++) {
		struct listener *l = w->listeners[i];

		if (l->host->machine != h || l->addr.family != a->family)
			continue;
		if (a->family == ADDR_UNIX ? strcmp(l->path, path) == 0 :
		    l->addr.port == a->port && (addr_any(&l->addr) ||
		    addr_same_ip(&l->addr, a)))
			return l;
	}
	return NULL;
}

void
world_name(struct world *w, const char *name, const char *ip)
{
	size_t k = 0;

	if (ip == NULL) {
		for (size_t i = 0; i < w->nnames; i++) {
			if (strcmp(w->names[i].name, name) != 0)
				w->names[k++] = w->names[i];
		}
		w->nnames = k;
		return;
	}
	WANT(w->nnames < NAMES_MAX && strlen(name) < 64, "too many names");
	snprintf(w->names[w->nnames].name, 64, "%s", name);
	WANT(addr_parse_ip(&w->names[w->nnames].ip, text(ip)), ip);
	w->nnames++;
}

void
world_resolve_ms(struct world *w, uint32_t ms)
{
	w->resolve_ms = ms;
}

unsigned
world_resolves(const struct world *w)
{
	return w->resolves;
}

void
world_tls(struct world *w, uint32_t ms, const char *why)
{
	w->tls_ms = ms;
	w->tls_why = why;
}

const char *
world_tls_host(const struct world *w)
{
	return w->tls_host;
}

void
world_fate(struct world *w, const char *where, enum world_fate fate)
{
	struct addr a = world_addr(where);

	for (size_t i = 0; i < w->nfates; i++) {
		if (addr_same_ip(&w->fates[i].to, &a) &&
		    w->fates[i].to.port == a.port) {
			w->fates[i].fate = fate;
			return;
		}
	}
	WANT(w->nfates < FATES_MAX, "too many fates");
	w->fates[w->nfates++] = (struct fated){ a, fate };
}

static enum world_fate
fate_of(const struct world *w, const struct addr *a)
{
	for (size_t i = 0; i < w->nfates; i++) {
		if (addr_same_ip(&w->fates[i].to, a) &&
		    w->fates[i].to.port == a->port)
			return w->fates[i].fate;
	}
	return FATE_NONE;
}

/* ---- descriptors ---- */

static int
fd_new(struct world_host *h)
{
	int max = (int)h->w->cfg.fds_max;

	for (int fd = FD_FIRST; fd < max; fd++) {
		if (h->fds[fd].l == NULL && h->fds[fd].c == NULL) {
			h->fds_used++;
			if (fd >= h->fds_high)
				h->fds_high = fd + 1;
			return fd;
		}
	}
	return -1;
}

static void
fd_free(struct world_host *h, int fd)
{
	h->fds[fd] = (struct wfd){ 0 };
	h->fds_used--;
}

static struct wfd *
fd_get(struct world_host *h, int fd)
{
	WANT(fd >= FD_FIRST && fd < h->fds_high &&
	    (h->fds[fd].l != NULL || h->fds[fd].c != NULL),
	    "a descriptor that is not open was used");
	h->hot = true;
	if (h->fds[fd].c != NULL)
		h->fds[fd].c->touched = true;
	return &h->fds[fd];
}

static struct end *
end_get(struct world_host *h, int fd)
{
	struct wfd *f = fd_get(h, fd);

	WANT(f->c != NULL, "a listener was used as a connection");
	return &f->c->e[f->side];
}

static struct end *
other_end(struct world_host *h, int fd)
{
	struct wfd *f = fd_get(h, fd);

	return &f->c->e[!f->side];
}

unsigned
world_fds(const struct world_host *h)
{
	return h->fds_used;
}

unsigned
world_writes(const struct world_host *h)
{
	return h->writes;
}

unsigned
world_accepted(const struct world_host *h)
{
	return h->accepted;
}

size_t
world_unsent(struct world_host *h, int fd)
{
	const struct pipe *p = &end_get(h, fd)->out;

	return (size_t)(p->written - p->arrived);
}

size_t
world_unread(struct world_host *h, int fd)
{
	const struct pipe *p = &other_end(h, fd)->out;

	return (size_t)(p->arrived - p->read);
}

/* ---- pipes ---- */

static size_t
ring_bytes(const struct world *w)
{
	return (size_t)w->cfg.send_bytes + w->cfg.recv_bytes;
}

static void
ring_copy_in(struct world *w, struct pipe *p, struct slice s)
{
	size_t cap = ring_bytes(w);

	if (p->ring == NULL)
		p->ring = get_raw(cap);
	while (s.n > 0) {
		size_t at = (size_t)(p->written % cap);
		size_t n = min_size(s.n, cap - at);

		memcpy(p->ring + at, s.p, n);
		p->written += n;
		s = slice_from(s, n);
	}
}

static void
ring_copy_out(struct world *w, struct pipe *p, uint8_t *dst, size_t n)
{
	size_t cap = ring_bytes(w);

	while (n > 0) {
		size_t at = (size_t)(p->read % cap);
		size_t k = min_size(n, cap - at);

		memcpy(dst, p->ring + at, k);
		p->read += k;
		dst += k;
		n -= k;
	}
}

static void
pipe_send(struct world *w, struct pipe *p, size_t n, uint64_t took)
{
	p->sent += n;
	p->last_at = max_u64(p->last_at, w->now_ms + took);
	p->segs = grow(p->segs, p->nsegs, &p->seg_cap, sizeof *p->segs);
	p->segs[p->nsegs++] = (struct segment){ p->sent, p->last_at };
}

/* Let what is in the send queue leave. */
static void
pipe_leave(struct world *w, struct wconn *c, unsigned side)
{
	struct pipe *p = &c->e[side].out;
	size_t n = (size_t)(p->written - p->sent);
	uint64_t took;

	n = min_size(n, w->cfg.recv_bytes - (size_t)(p->sent - p->read));
	if (w->cfg.rate > 0) {
		if (p->rate_ms != w->now_ms) {
			p->rate_ms = w->now_ms;
			p->rate_used = 0;
		}
		n = min_size(n, (size_t)(w->cfg.rate - p->rate_used));
		p->rate_used += n;
	}
	while (n > 0) {
		size_t piece = n;

		if (w->cfg.short_pm > 0)
			piece = 1 + (size_t)world_below(w, min_size(n, 9000));
		took = latency(w, c->e[0].host, c->e[1].host);
		pipe_send(w, p, piece, took);
		n -= piece;
		w->moved = true;
	}
	if (p->fin_queued && p->fin_at == NEVER && p->sent == p->written) {
		took = latency(w, c->e[0].host, c->e[1].host);
		p->last_at = max_u64(p->last_at, w->now_ms + took);
		p->fin_at = p->last_at;
		w->moved = true;
	}
}

static void
end_break(struct world *w, struct end *e)
{
	e->broken = true;
	e->broken_at = NEVER;
	e->out.written = e->out.sent = e->out.arrived;
	e->out.nsegs = 0;
	w->moved = true;
}

/* Let what is under way arrive at the other end. */
static void
pipe_arrive(struct world *w, struct wconn *c, unsigned side)
{
	struct end *to = &c->e[!side];
	struct pipe *p = &c->e[side].out;
	size_t k = 0;

	while (k < p->nsegs && p->segs[k].at_ms <= w->now_ms)
		p->arrived = p->segs[k++].upto;
	if (k > 0) {
		memmove(p->segs, p->segs + k, (p->nsegs - k) * sizeof *p->segs);
		p->nsegs -= k;
		w->moved = true;
		if (to->closed && c->e[side].broken_at == NEVER &&
		    !c->e[side].broken)
			c->e[side].broken_at = w->now_ms +
			    latency(w, c->e[0].host, c->e[1].host);
	}
	if (!p->fin_arrived && p->nsegs == 0 && p->fin_at <= w->now_ms &&
	    p->sent == p->written) {
		p->fin_arrived = true;
		w->moved = true;
	}
}

/* ---- connections ---- */

static struct wconn *
conn_new(struct world *w, struct world_host *from)
{
	struct wconn *c = get_mem(sizeof *c);

	w->conns = grow(w->conns, w->nconns, &w->conn_cap, sizeof *w->conns);
	w->conns[w->nconns++] = c;
	for (int i = 0; i < 2; i++) {
		c->e[i].fd = -1;
		c->e[i].broken_at = c->e[i].open_at = NEVER;
		c->e[i].out.fin_at = NEVER;
		c->e[i].send_max = w->cfg.send_bytes;
	}
	c->e[0].host = from;
	c->touched = true;
	c->e[1].closed = true;  /* until it is accepted or queued */
	return c;
}

static void
conn_free(struct wconn *c)
{
	for (int i = 0; i < 2; i++) {
		free(c->e[i].out.ring);
		free(c->e[i].out.segs);
	}
	free(c);
}

static void
queue_leave(struct world *w, const struct wconn *c)
{
	for (size_t i = 0; i < w->nlisteners; i++) {
		struct listener *l = w->listeners[i];
		size_t k = 0;

		for (size_t j = 0; j < l->nqueue; j++) {
			if (l->queue[j] != c)
				l->queue[k++] = l->queue[j];
		}
		l->nqueue = k;
	}
}

/* The first packet reaches the other machine. */
static void
conn_syn(struct world *w, struct wconn *c)
{
	struct listener *l = listener_at(w, c->e[0].host, &c->to, c->path);
	uint64_t back = latency(w, c->e[0].host,
	    l != NULL ? l->host : host_at(w, &c->to));

	c->syn_at = NEVER;
	w->moved = true;
	if (c->fate == FATE_SILENCE || (l != NULL && l->nqueue == BACKLOG))
		return;
	c->e[0].open_at = w->now_ms + back;
	if (c->fate != FATE_NONE || l == NULL) {
		c->e[0].broken_at = c->e[0].open_at;
		return;
	}
	c->e[1].host = l->host;
	c->e[1].closed = false;
	c->e[1].open = true;
	c->e[1].addr = c->to;
	if (c->e[0].closed)             /* given up meanwhile */
		c->e[1].broken_at = c->e[0].open_at;
	l->queue[l->nqueue++] = c;
}

/* Its first packet waits for a stall to end. */
static bool
syn_stalled(struct world *w, const struct wconn *c)
{
	const struct world_host *to = c->to.family == ADDR_UNIX ||
	    addr_loopback(&c->to) ? NULL : host_at(w, &c->to);
	const struct link *l = to == NULL ? NULL :
	    find_link(w, c->e[0].host->machine, to);

	return l != NULL && l->stall;
}

static void
conn_move(struct world *w, struct wconn *c)
{
	if (c->syn_at <= w->now_ms && !syn_stalled(w, c))
		conn_syn(w, c);
	if (stalled(c))
		return;
	if (c->e[0].open_at <= w->now_ms) {
		c->e[0].open_at = NEVER;
		c->e[0].open = true;
		w->moved = true;
	}
	for (unsigned side = 0; side < 2; side++) {
		struct end *e = &c->e[side];
		bool held = c->held_ms[side] > w->now_ms;

		if (!held)
			pipe_arrive(w, c, side);
		if (e->broken_at <= w->now_ms && c->held_ms[!side] <= w->now_ms)
			end_break(w, e);
		if (!e->broken && e->open)
			pipe_leave(w, c, side);
		if (!held)
			pipe_arrive(w, c, side);
	}
}

/* When something of it is due next. */
static uint64_t
conn_due(struct world *w, const struct wconn *c)
{
	uint64_t due = c->syn_at;

	if (stalled(c))
		return c->frozen_ms > w->now_ms ? c->frozen_ms : NEVER;
	if (due <= w->now_ms && syn_stalled(w, c))
		due = NEVER;
	for (int i = 0; i < 2; i++) {
		const struct end *e = &c->e[i];
		const struct pipe *p = &e->out;
		uint64_t held = c->held_ms[i];

		if (e->securing && e->secure_at > w->now_ms)
			due = min_u64(due, e->secure_at);
		due = min_u64(due, min_u64(e->open_at,
		    max_u64(e->broken_at, c->held_ms[!i])));
		if (p->nsegs > 0)
			due = min_u64(due, max_u64(p->segs[0].at_ms, held));
		if (!p->fin_arrived)
			due = min_u64(due, max_u64(p->fin_at, held));
		if (w->cfg.rate > 0 && p->written > p->sent)
			due = min_u64(due, w->now_ms + 1);
	}
	return max_u64(due, w->now_ms + 1);
}

static bool
conn_over(const struct wconn *c)
{
	for (int i = 0; i < 2; i++) {
		const struct end *e = &c->e[i], *o = &c->e[!i];

		if (!e->closed)
			return false;
		/* What was said before the close still has to arrive. */
		if (!e->broken && e->out.fin_queued && !e->out.fin_arrived &&
		    !o->closed)
			return false;
	}
	return c->syn_at == NEVER || c->e[0].closed;
}

static void
net_move(struct world *w)
{
	size_t k = 0;
	bool over = false;

	w->net_due = NEVER;
	for (size_t i = 0; i < w->nconns; i++) {
		struct wconn *c = w->conns[i];

		if (!c->touched && c->next_ms > w->now_ms) {
			w->net_due = min_u64(w->net_due, c->next_ms);
			continue;
		}
		c->touched = false;
		conn_move(w, c);
		for (int e = 0; e < 2; e++) {
			if (c->e[e].host != NULL)
				c->e[e].host->hot = true;
		}
		c->next_ms = conn_due(w, c);
		w->net_due = min_u64(w->net_due, c->next_ms);
		over = over || conn_over(c);
	}
	for (size_t i = 0; over && i < w->nconns; i++) {
		if (conn_over(w->conns[i])) {
			queue_leave(w, w->conns[i]);
			conn_free(w->conns[i]);
		} else {
			w->conns[k++] = w->conns[i];
		}
	}
	w->nconns = over ? k : w->nconns;
}

/* Reset the other end; this one is done. */
static void
conn_reset(struct world *w, struct wconn *c, unsigned side)
{
	struct end *e = &c->e[side], *o = &c->e[!side];

	c->touched = true;
	end_break(w, e);
	if (o->host != NULL && !o->closed && !o->broken)
		o->broken_at = min_u64(o->broken_at, w->now_ms +
		    latency(w, c->e[0].host, c->e[1].host));
}

static void
end_close(struct world *w, struct wconn *c, unsigned side, bool abort_it)
{
	struct end *e = &c->e[side];
	const struct pipe *in = &c->e[!side].out;

	c->touched = true;
	e->closed = true;
	e->fd = -1;
	e->watch.on = false;
	if (abort_it || in->arrived != in->read || !e->open)
		conn_reset(w, c, side);
	else
		e->out.fin_queued = true;
}

/* ---- the operations ---- */

static bool
op_fails(struct world_host *h)
{
	return ++h->ops == h->fail_at;
}

/* Break the connection: what a failing read or write means. */
static int64_t
op_broke(struct world_host *h, int fd)
{
	struct wfd *f = fd_get(h, fd);

	conn_reset(h->w, f->c, f->side);
	return IO_FAIL;
}

static int64_t
op_read(void *ctx, int fd, uint8_t *p, size_t n)
{
	struct world_host *h = ctx;
	struct end *e = end_get(h, fd);
	struct pipe *in = &other_end(h, fd)->out;
	size_t have = (size_t)(in->arrived - in->read);

	WANT(n > 0, "a read of nothing");
	WANT(!e->securing, "a read before the TLS handshake was decided");
	if (op_fails(h))
		return op_broke(h, fd);
	if (!chance(h->w, h->w->cfg.again_pm)) {
		if (have > 0) {
			n = min_size(n, have);
			if (chance(h->w, h->w->cfg.short_pm))
				n = 1 + (size_t)world_below(h->w, n);
			ring_copy_out(h->w, in, p, n);
			h->w->moved = true;
			return (int64_t)n;
		}
		if (e->broken)
			return IO_FAIL;
		if (in->fin_arrived)
			return IO_EOF;
	}
	e->watch.armed_r = true;
	h->w->moved = true;
	return IO_AGAIN;
}

static size_t
send_room(const struct end *e)
{
	size_t used = (size_t)(e->out.written - e->out.sent);

	return used < e->send_max ? e->send_max - used : 0;
}

static int64_t
op_writev(void *ctx, int fd, const struct slice *v, size_t n)
{
	struct world_host *h = ctx;
	struct end *e = end_get(h, fd);
	size_t room = send_room(e), done = 0;
	bool again = chance(h->w, h->w->cfg.again_pm);

	h->writes++;
	if (e->broken || e->out.fin_queued)
		return IO_FAIL;
	WANT(e->open, "a write before the connect was decided");
	WANT(!e->securing, "a write before the TLS handshake was decided");
	if (op_fails(h))
		return op_broke(h, fd);
	if (chance(h->w, h->w->cfg.short_pm) && room > 0)
		room = 1 + (size_t)world_below(h->w, room);
	for (size_t i = 0; i < n && !again && done < room; i++) {
		struct slice s = slice_head(v[i], room - done);

		ring_copy_in(h->w, &e->out, s);
		done += s.n;
	}
	h->w->moved = true;
	if (done > 0)
		return (int64_t)done;
	e->watch.armed_w = true;
	return IO_AGAIN;
}

static int
op_accept(void *ctx, int fd, struct addr *peer)
{
	struct world_host *h = ctx;
	struct listener *l = fd_get(h, fd)->l;
	struct wconn *c;
	int nfd;

	WANT(l != NULL, "accept on a connection");
	if (l->nqueue == 0 || chance(h->w, h->w->cfg.again_pm)) {
		l->watch.armed_r = true;
		h->w->moved = true;
		return IO_AGAIN;
	}
	if (h->accepts_fail > 0) {
		h->accepts_fail--;
		return IO_FAIL;
	}
	nfd = fd_new(h);
	if (nfd < 0)
		return IO_FAIL;
	c = l->queue[0];
	memmove(l->queue, l->queue + 1, --l->nqueue * sizeof l->queue[0]);
	h->fds[nfd] = (struct wfd){ NULL, c, 1 };
	c->e[1].fd = nfd;
	*peer = c->e[0].addr;
	h->accepted++;
	return nfd;
}

static int
op_connect(void *ctx, const struct addr *to, struct slice path)
{
	struct world_host *h = ctx;
	struct world *w = h->w;
	struct wconn *c;
	int fd;

	if (op_fails(h) || path.n > UNIX_PATH_MAX_BYTES)
		return IO_FAIL;
	fd = fd_new(h);
	if (fd < 0)
		return IO_FAIL;
	c = conn_new(w, h);
	h->fds[fd] = (struct wfd){ NULL, c, 0 };
	c->e[0].fd = fd;
	c->e[0].watch.armed_r = c->e[0].watch.armed_w = true;
	c->to = *to;
	if (path.n > 0)
		memcpy(c->path, path.p, path.n);
	c->e[0].addr = to->family != ADDR_UNIX && addr_loopback(to) ?
	    *to : h->ip;
	if (to->family == ADDR_UNIX)
		c->e[0].addr = (struct addr){ .family = ADDR_UNIX };
	else
		c->e[0].addr.port = w->port++;
	c->fate = to->family == ADDR_UNIX ? FATE_NONE : fate_of(w, to);
	c->syn_at = w->now_ms;
	if (to->family != ADDR_UNIX && !addr_loopback(to))
		c->syn_at += latency(w, h, host_at(w, to));
	w->moved = true;
	return fd;
}

static int
op_connected(void *ctx, int fd)
{
	struct world_host *h = ctx;
	const struct wconn *c = fd_get(h, fd)->c;
	struct end *e = end_get(h, fd);

	if (op_fails(h))
		return (int)op_broke(h, fd);
	if (e->broken)
		return c->e[1].host == NULL && c->fate != FATE_UNREACHABLE ?
		    IO_REFUSED : IO_FAIL;
	if (e->securing && h->w->now_ms >= e->secure_at) {
		e->securing = false;
		if (h->w->tls_why != NULL)
			return (int)op_broke(h, fd);
	}
	if (e->open && !e->securing)
		return 0;
	e->watch.armed_w = true;
	return IO_AGAIN;
}

static bool
op_watch(void *ctx, int fd, handle who)
{
	struct world_host *h = ctx;
	struct wfd *f = fd_get(h, fd);
	struct watch *wa = f->l != NULL ? &f->l->watch :
	    &f->c->e[f->side].watch;

	if (op_fails(h))
		return false;
	*wa = (struct watch){ who, true, true, true, false };
	h->w->moved = true;
	return true;
}

static void
op_shutdown(void *ctx, int fd)
{
	struct world_host *h = ctx;
	struct end *e = end_get(h, fd);

	e->out.fin_queued = true;
	h->w->moved = true;
}

static void
op_close(void *ctx, int fd, bool abort_it)
{
	struct world_host *h = ctx;
	struct world *w = h->w;
	struct wfd f = *fd_get(h, fd);
	size_t k = 0;

	w->moved = true;
	if (h->close_lost > 0 && --h->close_lost == 0) {
		f.c->e[f.side].watch.on = false;
		return;
	}
	if (f.c != NULL) {
		end_close(w, f.c, f.side, abort_it);
	} else {
		for (size_t i = 0; i < f.l->nqueue; i++) {
			f.l->queue[i]->e[1].closed = true;
			conn_reset(w, f.l->queue[i], 1);
		}
		for (size_t i = 0; i < w->nlisteners; i++) {
			if (w->listeners[i] != f.l)
				w->listeners[k++] = w->listeners[i];
		}
		w->nlisteners = k;
		free(f.l);
	}
	fd_free(h, fd);
}

static void
op_bulk(void *ctx, int fd)
{
	struct end *e = end_get(ctx, fd);

	e->send_max = min_size(e->send_max, LOWAT);
}

/* TLS without TLS: it takes its time and goes well or not. */
static bool
op_tls(void *ctx, int fd, struct slice host)
{
	struct world_host *h = ctx;
	struct end *e = end_get(h, fd);

	if (op_fails(h))
		return false;
	WANT(e->open && !e->securing, "TLS before the connection");
	snprintf(h->w->tls_host, sizeof h->w->tls_host, "%.*s", (int)host.n,
	    (const char *)host.p);
	e->securing = true;
	e->secure_at = h->w->now_ms + h->w->tls_ms;
	e->watch.armed_w = true;
	h->w->moved = true;
	return true;
}

static void
op_why(void *ctx, int fd, struct buf *b)
{
	struct world_host *h = ctx;
	const char *why = h->w->tls_why;

	end_get(h, fd);
	buf_put(b, text(why != NULL ? why : "the connection broke"));
}

static struct pending *
pending_new(struct world_host *h, uint32_t flags, handle who, uint64_t at)
{
	struct world *w = h->w;
	struct pending *p = get_mem(sizeof *p);

	p->host = h;
	p->flags = flags;
	p->who = who;
	p->at_ms = at;
	*w->pending_end = p;
	w->pending_end = &p->next;
	w->moved = true;
	return p;
}

static bool
op_resolve(void *ctx, struct slice name, uint16_t port, handle who)
{
	struct world_host *h = ctx;
	struct world *w = h->w;
	struct pending *p;

	if (op_fails(h))
		return false;
	p = pending_new(h, EV_RESOLVED, who, w->now_ms + w->resolve_ms);
	w->resolves++;
	for (size_t i = 0; i < w->nnames && p->naddrs < RESOLVE_MAX; i++) {
		if (!slice_ieq(name, text(w->names[i].name)))
			continue;
		p->addrs[p->naddrs] = w->names[i].ip;
		p->addrs[p->naddrs++].port = port;
	}
	return true;
}

static void
op_random(void *ctx, uint8_t *p, size_t n)
{
	struct world_host *h = ctx;

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)world_random(h->w);
}

static bool
op_ask(void *ctx, const struct ask *q)
{
	struct world_host *h = ctx;

	WANT(h->ask != NULL, "a question on a host without a keeper");
	return h->ask(h->ask_arg, h, q);
}

static bool
op_save(void *ctx, struct slice name, struct slice content)
{
	struct world_host *h = ctx;
	struct file *f = h->files;

	if (h->saves_fail || op_fails(h))
		return false;
	if (h->save != NULL)
		return h->save(h->disk_arg, name, content);
	while (f != NULL && !slice_eq(name, text(f->name)))
		f = f->next;
	if (f == NULL) {
		f = get_mem(sizeof *f);
		f->name = get_mem(name.n + 1);
		memcpy(f->name, name.p, name.n);
		f->next = h->files;
		h->files = f;
	}
	free(f->p);
	f->p = get_mem(content.n + 1);
	memcpy(f->p, content.p, content.n);
	f->n = content.n;
	return true;
}

static const struct io_ops world_ops = {
	.read = op_read, .writev = op_writev, .accept = op_accept,
	.connect = op_connect, .connected = op_connected, .watch = op_watch,
	.shutdown = op_shutdown, .close = op_close, .bulk = op_bulk,
	.resolve = op_resolve, .random = op_random, .ask = op_ask,
	.save = op_save, .tls = op_tls, .why = op_why,
};

/* ---- hosts ---- */

struct world_host *
world_host(struct world *w, const char *name, const char *ip)
{
	struct world_host *h = get_mem(sizeof *h);

	WANT(w->nhosts < HOSTS_MAX, "too many hosts");
	w->hosts[w->nhosts++] = h;
	h->w = w;
	h->machine = h;
	snprintf(h->name, sizeof h->name, "%s", name);
	WANT(addr_parse_ip(&h->ip, text(ip)), ip);
	h->fds = get_mem(sizeof *h->fds * w->cfg.fds_max);
	h->due_ms = NEVER;
	h->io = (struct io){ &world_ops, h, w->now_ms, 0, NULL };
	h->io.scratch = get_raw(IO_SCRATCH);
	world_wall(h, 1700000000000 + w->now_ms);
	return h;
}

struct world_host *
world_process(struct world_host *machine, const char *name)
{
	uint8_t area[ADDR_TEXT_MAX];
	struct buf b = BUF_ON(area);
	struct world_host *h;

	addr_put_ip(&b, &machine->ip);
	buf_put_u8(&b, 0);
	h = world_host(machine->w, name, (const char *)area);
	h->machine = machine->machine;
	return h;
}

const struct io *
world_io(struct world_host *h)
{
	return &h->io;
}

void
world_accepts_fail(struct world_host *h, unsigned n)
{
	h->accepts_fail = n;
}

void
world_close_lost(struct world_host *h, unsigned n)
{
	h->close_lost = n;
}

uint64_t
world_fail(struct world_host *h, uint64_t n)
{
	uint64_t ops = h->ops;

	h->ops = 0;
	h->fail_at = n;
	return ops;
}

void
world_wall(struct world_host *h, uint64_t wall_ms)
{
	h->io.wall_ms = wall_ms;
	h->wall_off = (int64_t)(wall_ms - h->w->now_ms);
}

void
world_program(struct world_host *h, world_event_fn *event, world_step_fn *step,
    void *arg)
{
	h->event = event;
	h->step = step;
	h->arg = arg;
	h->due_ms = NEVER;
	h->kick = step != NULL;
	h->w->moved = true;
}

void
world_kick(struct world_host *h)
{
	h->kick = h->step != NULL;
}

void
world_pause(struct world_host *h, bool on)
{
	h->paused = on;
	world_kick(h);
	h->w->moved = true;
}

void
world_keeper(struct world_host *h, world_ask_fn *ask, void *arg)
{
	h->ask = ask;
	h->ask_arg = arg;
}

void
world_answer(struct world_host *h, const struct answer *a, uint32_t delay_ms)
{
	struct pending *p = pending_new(h, EV_ANSWER, a->who,
	    h->w->now_ms + delay_ms);

	p->answer = *a;
}

struct slice
world_file(const struct world_host *h, const char *name)
{
	if (h->load != NULL)
		return h->load(h->disk_arg, name);
	for (const struct file *f = h->files; f != NULL; f = f->next) {
		if (strcmp(f->name, name) == 0)
			return slice_of(f->p, f->n);
	}
	return slice_of(NULL, 0);
}

void
world_disk(struct world_host *h, world_save_fn *save, world_load_fn *load,
    void *arg)
{
	h->save = save;
	h->load = load;
	h->disk_arg = arg;
}

void
world_saves_fail(struct world_host *h, bool fail)
{
	h->saves_fail = fail;
}

int
world_listen(struct world_host *h, const char *where)
{
	struct world *w = h->w;
	struct listener *l = get_mem(sizeof *l);
	int fd = fd_new(h);

	WANT(fd >= 0, "out of descriptors");
	if (strncmp(where, "unix:", 5) == 0) {
		l->addr.family = ADDR_UNIX;
		snprintf(l->path, sizeof l->path, "%s", where + 5);
	} else {
		l->addr = world_addr(where);
	}
	l->host = h;
	l->fd = fd;
	for (size_t i = 0; i < w->nlisteners; i++) {
		const struct listener *o = w->listeners[i];

		WANT(o->host->machine != h->machine ||
		    o->addr.family != l->addr.family ||
		    o->addr.port != l->addr.port ||
		    strcmp(o->path, l->path) != 0 ||
		    !addr_same_ip(&o->addr, &l->addr), "address in use");
	}
	w->listeners = grow(w->listeners, w->nlisteners, &w->listener_cap,
	    sizeof(struct listener *));
	w->listeners[w->nlisteners++] = l;
	h->fds[fd].l = l;
	return fd;
}

int
world_dial(struct world_host *h, const char *where)
{
	struct addr a = { .family = ADDR_UNIX };

	if (strncmp(where, "unix:", 5) == 0)
		return op_connect(h, &a, text(where + 5));
	a = world_addr(where);
	return op_connect(h, &a, slice_of("", 0));
}

void
world_kill(struct world_host *h)
{
	struct pending **p = &h->w->pending;

	world_program(h, NULL, NULL, NULL);
	h->paused = false;
	for (int fd = FD_FIRST; fd < h->fds_high; fd++) {
		if (h->fds[fd].l != NULL || h->fds[fd].c != NULL)
			op_close(h, fd, true);
	}
	while (*p != NULL) {
		struct pending *q = *p;

		if (q->host == h) {
			*p = q->next;
			free(q);
		} else {
			p = &q->next;
		}
	}
	h->w->pending_end = p;
}

void
world_freeze(struct world *w, struct world_host *a, struct world_host *b,
    uint64_t ms)
{
	uint64_t until = ms == 0 ? NEVER : w->now_ms + ms;

	for (size_t i = 0; i < w->nconns; i++) {
		struct wconn *c = w->conns[i];
		const struct world_host *x = c->e[0].host, *y = c->e[1].host;

		if (y != NULL && ((x->machine == a->machine &&
		    y->machine == b->machine) || (x->machine == b->machine &&
		    y->machine == a->machine)))
			c->frozen_ms = until;
	}
	touch_all(w);
}

void
world_hold(struct world *w, struct world_host *from, struct world_host *to,
    uint64_t ms)
{
	for (size_t i = 0; i < w->nconns; i++) {
		struct wconn *c = w->conns[i];

		for (int side = 0; side < 2 && c->e[1].host != NULL; side++) {
			if (c->e[side].host->machine == from->machine &&
			    c->e[!side].host->machine == to->machine)
				c->held_ms[side] = w->now_ms + ms;
		}
	}
	touch_all(w);
}

void
world_cut_half(struct world *w, struct world_host *a, struct world_host *b)
{
	for (size_t i = 0; i < w->nconns; i++) {
		struct wconn *c = w->conns[i];
		const struct world_host *x = c->e[0].host, *y = c->e[1].host;

		if (y == NULL)
			continue;
		if (x->machine == a->machine && y->machine == b->machine)
			end_break(w, &c->e[0]);
		else if (x->machine == b->machine && y->machine == a->machine)
			end_break(w, &c->e[1]);
		else
			continue;
		c->frozen_ms = NEVER;
	}
	touch_all(w);
}

void
world_cut(struct world *w, struct world_host *a, struct world_host *b)
{
	a = a->machine;
	b = b != NULL ? b->machine : NULL;
	for (size_t i = 0; i < w->nconns; i++) {
		struct wconn *c = w->conns[i];
		const struct world_host *x = c->e[0].host->machine;
		const struct world_host *y = c->e[1].host;

		if (y == NULL || x == y->machine)
			continue;
		y = y->machine;
		if ((x == a && (b == NULL || y == b)) ||
		    (y == a && (b == NULL || x == b))) {
			end_break(w, &c->e[0]);
			end_break(w, &c->e[1]);
			c->touched = true;
		}
	}
}

/* ---- time ---- */

/* The flags of the event that is due for a descriptor, taken; 0: none. */
static uint32_t
fd_event(struct world_host *h, int fd)
{
	struct wfd *f = &h->fds[fd];
	struct watch *wa;
	bool r, wr = false, hup = false;
	uint32_t ev = 0;

	if (f->l != NULL) {
		wa = &f->l->watch;
		r = f->l->nqueue > 0;
	} else if (f->c != NULL) {
		struct end *e = &f->c->e[f->side];
		struct pipe *in = &f->c->e[!f->side].out;

		wa = &e->watch;
		hup = e->broken || in->fin_arrived;
		r = e->open && (in->arrived > in->read || hup);
		wr = e->broken || (e->securing ?
		    h->w->now_ms >= e->secure_at :
		    e->open && send_room(e) * 4 >= e->send_max);
		r = r && (e->broken || !e->securing);
	} else {
		return 0;
	}
	if (!wa->on)
		return 0;
	if (hup && !wa->hup_given)
		ev |= EV_HUP | (r ? EV_READ : 0);
	if (wa->armed_r && r)
		ev |= EV_READ;
	if (wa->armed_w && wr)
		ev |= EV_WRITE;
	if (ev & EV_READ)
		wa->armed_r = false;
	if (ev & EV_WRITE)
		wa->armed_w = false;
	if (ev & EV_HUP)
		wa->hup_given = true;
	return ev;
}

static bool
fd_watched(const struct world_host *h, int fd, handle *who)
{
	const struct wfd *f = &h->fds[fd];
	const struct watch *wa = NULL;

	if (f->l != NULL)
		wa = &f->l->watch;
	else if (f->c != NULL)
		wa = &f->c->e[f->side].watch;
	if (wa == NULL || !wa->on)
		return false;
	*who = wa->who;
	return true;
}

/*
 * As epoll does: first all that is ready is written down, then it is handed
 * out, so that an event can come for what was closed a moment ago.
 */
static bool
host_events(struct world_host *h)
{
	struct world *w = h->w;
	size_t n = 0;
	bool vain = !h->kick && w->busy < 100 && h->fds_used > 0;
	uint64_t spare = vain ? world_below(w, 1000 * h->fds_used) : 0;

	h->hot = false;
	if (h->fds_used >= w->nevs) {
		free(w->evs);
		w->nevs = (size_t)h->fds_used * 2 + 16;
		w->evs = get_mem(sizeof *w->evs * w->nevs);
	}
	for (int fd = FD_FIRST; fd < h->fds_high; fd++) {
		struct io_event ev = { 0 };

		if (!fd_watched(h, fd, &ev.who))
			continue;
		ev.flags = fd_event(h, fd);
		if (vain && ev.flags == 0 && spare < w->cfg.spurious_pm *
		    h->fds_used && spare % h->fds_used == (uint64_t)fd %
		    h->fds_used)
			ev.flags = EV_READ | EV_WRITE;
		if (ev.flags != 0)
			w->evs[n++] = ev;
	}
	for (size_t i = 0; i < n; i++) {
		size_t j = i + (size_t)world_below(w, n - i);
		struct io_event ev = w->evs[j];

		w->evs[j] = w->evs[i];
		h->event(h->arg, &h->io, &ev);
	}
	return n > 0;
}

/* Answers that are due, in order. */
static bool
host_answers(struct world_host *h)
{
	struct world *w = h->w;
	struct pending **p = &w->pending;
	bool any = false;

	while (*p != NULL) {
		struct pending *q = *p;
		struct io_event ev;

		if (q->host != h || q->at_ms > w->now_ms) {
			p = &q->next;
			continue;
		}
		*p = q->next;
		if (w->pending_end == &q->next)
			w->pending_end = p;
		ev = (struct io_event){ q->who, q->flags, q->naddrs,
			q->naddrs > 0 ? q->addrs : NULL,
			q->flags & EV_ANSWER ? &q->answer : NULL };
		h->event(h->arg, &h->io, &ev);
		any = true;
		free(q);
		p = &w->pending;        /* it may have asked anew */
	}
	return any;
}

static void
host_turn(struct world_host *h)
{
	bool any;

	if (h->step == NULL || h->paused)
		return;
	any = host_answers(h);
	if (h->step != NULL && (h->hot || h->kick))
		any = host_events(h) || any;
	if (h->step == NULL || !(any || h->kick || h->due_ms <= h->w->now_ms))
		return;
	h->kick = false;
	h->w->moved = true;
	h->due_ms = h->step(h->arg, &h->io);
}

static uint64_t
world_due(const struct world *w)
{
	uint64_t due = w->net_due;

	for (size_t i = 0; i < w->nhosts; i++) {
		if (w->hosts[i]->step != NULL && !w->hosts[i]->paused)
			due = min_u64(due, w->hosts[i]->due_ms);
	}
	for (const struct pending *p = w->pending; p != NULL; p = p->next)
		due = min_u64(due, p->host->paused ? NEVER : p->at_ms);
	return due;
}

static void
set_time(struct world *w, uint64_t now_ms)
{
	assert(now_ms >= w->now_ms);
	if (now_ms > w->now_ms)
		w->busy = 0;
	w->now_ms = now_ms;
	for (size_t i = 0; i < w->nhosts; i++) {
		struct world_host *h = w->hosts[i];

		h->io.now_ms = now_ms;
		h->io.wall_ms = (uint64_t)((int64_t)now_ms + h->wall_off);
	}
	w->log.wall_ms = 1700000000000 + now_ms;
}

bool
world_until(struct world *w, bool (*done)(void *), void *arg, uint64_t max_ms)
{
	uint64_t limit = w->now_ms + max_ms;

	for (size_t i = 0; i < w->nhosts && !w->cfg.lazy; i++)
		world_kick(w->hosts[i]);
	for (;;) {
		uint64_t due;

		w->moved = false;
		net_move(w);
		for (size_t i = 0; i < w->nhosts; i++)
			host_turn(w->hosts[i]);
		if (done != NULL && done(arg))
			return true;
		WANT(++w->busy < BUSY_TURNS, "busy without end");
		if (w->moved)
			continue;
		due = max_u64(world_due(w), w->now_ms);
		if (due > limit) {
			set_time(w, limit);
			return false;
		}
		set_time(w, due);
	}
}

void
world_run(struct world *w, uint64_t ms)
{
	world_until(w, NULL, NULL, ms);
}

uint64_t
world_now(const struct world *w)
{
	return w->now_ms;
}

/* ---- the log ---- */

static void
log_sink(void *ctx, struct slice line)
{
	struct world *w = ctx;

	if (w->show)
		fprintf(stderr, "%8llu %.*s", (unsigned long long)w->now_ms,
		    (int)line.n, (const char *)line.p);
	if (w->nlines + line.n >= LOG_KEEP)
		w->nlines = 0;
	memcpy(w->lines + w->nlines, line.p, line.n);
	w->nlines += line.n;
	w->lines[w->nlines] = 0;
}

struct log *
world_log(struct world *w)
{
	return &w->log;
}

unsigned
world_log_count(const struct world *w, const char *what)
{
	const char *p = w->lines;
	unsigned n = 0;

	while ((p = strstr(p, what)) != NULL) {
		n++;
		p += strlen(what);
	}
	return n;
}

bool
world_log_has(const struct world *w, const char *what)
{
	return world_log_count(w, what) > 0;
}

const char *
world_log_text(const struct world *w)
{
	return w->lines;
}

void
world_log_clear(struct world *w)
{
	w->nlines = 0;
	w->lines[0] = 0;
}

void
world_log_show(struct world *w, bool on)
{
	w->show = on;
}

struct world *
world_new(const struct world_cfg *cfg)
{
	struct world *w = get_mem(sizeof *w);

	w->cfg = *cfg;
	w->rng = cfg->seed;
	w->port = 40000;
	w->pending_end = &w->pending;
	w->resolve_ms = 1;
	w->tls_ms = 4;
	w->lines = get_mem(LOG_KEEP + 1);
	w->log = (struct log){ .sink = log_sink, .ctx = w, .level = LOG_TRACE };
	w->show = getenv("ADIT_WORLD_LOG") != NULL;
	set_time(w, 1000000);
	return w;
}

void
world_free(struct world *w)
{
	for (size_t i = 0; i < w->nhosts; i++) {
		struct world_host *h = w->hosts[i];

		world_kill(h);
		while (h->files != NULL) {
			struct file *f = h->files;

			h->files = f->next;
			free(f->name);
			free(f->p);
			free(f);
		}
	}
	for (size_t i = 0; i < w->nconns; i++)
		conn_free(w->conns[i]);
	for (size_t i = 0; i < w->nhosts; i++) {
		free(w->hosts[i]->io.scratch);
		free(w->hosts[i]->fds);
		free(w->hosts[i]);
	}
	free(w->conns);
	free(w->evs);
	free(w->listeners);
	free(w->lines);
	free(w);
}
