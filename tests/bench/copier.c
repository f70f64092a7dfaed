/*
 * copier: one hop that does nothing but copy, as cheaply as plain reads and
 * writes can. Two of them in a row are the floor for any relay whose bytes
 * pass through two processes: what adit costs above that is adit's.
 *
 *   copier LISTEN_PORT TARGET_PORT     (LISTEN_PORT 0: the kernel chooses)
 *
 * Prints "port N", serves until standard input ends. One thread, epoll, one
 * 64 KiB buffer for all: what the far socket does not take at once is kept
 * for that direction alone, which then stops reading. Half-close is passed
 * on. splice(2) would be cheaper still, but no program that looks at the
 * bytes could use it, so it would not be a floor worth comparing with.
 */
#include "util.h"

enum { COPY_BYTES = 64 * 1024, TURN_READS = 4, EVENTS = 256 };

struct pair;

struct end {                    /* one socket, and what waits to leave it */
	struct pair *pair;
	int fd;
	uint32_t armed;
	bool read_ended;        /* its peer has sent FIN */
	bool write_ended;       /* we have sent FIN */
	uint8_t *keep;          /* NULL when nothing waits */
	size_t keep_n, keep_off;
};

struct pair {
	struct end end[2];
	struct pair *next_dead;
	bool dead;
};

static int ep;
static uint16_t target_port;
static struct pair *dead_list;
static uint8_t area[COPY_BYTES];

static struct end *other(struct end *e)
{
	return e == &e->pair->end[0] ? &e->pair->end[1] : &e->pair->end[0];
}

/* Freed after the batch: a later event of it may still name the pair. */
static void pair_kill(struct pair *p)
{
	if (p->dead)
		return;
	p->dead = true;
	for (int i = 0; i < 2; i++) {
		close(p->end[i].fd);
		free(p->end[i].keep);
	}
	p->next_dead = dead_list;
	dead_list = p;
}

static void end_arm(struct end *e)
{
	uint32_t want = 0;

	if (!e->read_ended && other(e)->keep == NULL)
		want |= EPOLLIN;
	if (e->keep != NULL)
		want |= EPOLLOUT;
	if (want != e->armed) {
		epoll_set(ep, EPOLL_CTL_MOD, e->fd, want, e);
		e->armed = want;
	}
}

static bool end_flush(struct end *e)
{
	while (e->keep_off < e->keep_n) {
		ssize_t k = send(e->fd, e->keep + e->keep_off,
		    e->keep_n - e->keep_off, MSG_NOSIGNAL);

		if (k < 0)
			return errno == EAGAIN || errno == EINTR;
		e->keep_off += (size_t)k;
	}
	free(e->keep);
	e->keep = NULL;
	e->keep_n = e->keep_off = 0;
	return true;
}

/* end_fin: pass a FIN on once everything before it has left. */
static void end_fin(struct end *e)
{
	if (other(e)->read_ended && e->keep == NULL && !e->write_ended) {
		shutdown(e->fd, SHUT_WR);
		e->write_ended = true;
	}
}

static bool end_copy(struct end *from)
{
	struct end *to = other(from);

	for (int i = 0; i < TURN_READS; i++) {
		ssize_t n = recv(from->fd, area, sizeof area, 0);
		ssize_t k;

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0) {
			from->read_ended = true;
			return true;
		}
		k = send(to->fd, area, (size_t)n, MSG_NOSIGNAL);
		if (k < 0 && errno != EAGAIN)
			return false;
		if (k < 0)
			k = 0;
		if (k < n) {
			to->keep_n = (size_t)(n - k);
			to->keep_off = 0;
			to->keep = malloc(to->keep_n);
			if (to->keep == NULL)
				return false;
			memcpy(to->keep, area + k, to->keep_n);
			return true;
		}
		if (n < COPY_BYTES)
			return true;
	}
	return true;
}

static void pair_accept(int listen_fd)
{
	for (;;) {
		int in = accept4(listen_fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		int out;
		struct pair *p;

		if (in < 0)
			return;
		out = connect_loopback(target_port);
		p = out < 0 ? NULL : calloc(1, sizeof *p);
		if (p == NULL) {
			close(in);
			if (out >= 0)
				close(out);
			continue;
		}
		set_nodelay(in);
		p->end[0] = (struct end){ .pair = p, .fd = in };
		p->end[1] = (struct end){ .pair = p, .fd = out };
		for (int i = 0; i < 2; i++) {
			p->end[i].armed = EPOLLIN;
			epoll_set(ep, EPOLL_CTL_ADD, p->end[i].fd, EPOLLIN,
			    &p->end[i]);
		}
	}
}

static void end_event(struct end *e, uint32_t events)
{
	struct pair *p = e->pair;
	bool ok = true;

	if (p->dead)
		return;
	if (events & EPOLLERR)
		ok = false;
	if (ok && (events & EPOLLOUT) && e->keep != NULL)
		ok = end_flush(e);
	if (ok && (events & (EPOLLIN | EPOLLHUP)) && !e->read_ended &&
	    other(e)->keep == NULL)
		ok = end_copy(e);
	if (!ok) {
		pair_kill(p);
		return;
	}
	end_fin(e);
	end_fin(other(e));
	if (e->write_ended && other(e)->write_ended) {
		pair_kill(p);
		return;
	}
	end_arm(e);
	end_arm(other(e));
}

int main(int argc, char **argv)
{
	static int listen_mark, stdin_mark;
	struct epoll_event evs[EVENTS];
	int listen_fd;

	prog = "copier";
	if (argc != 3)
		DIE("usage: copier LISTEN_PORT TARGET_PORT");
	target_port = (uint16_t)arg_number(argv[2], 65535);
	ep = epoll_make();
	listen_fd = listen_loopback((uint16_t)arg_number(argv[1], 65535));
	epoll_set(ep, EPOLL_CTL_ADD, listen_fd, EPOLLIN, &listen_mark);
	epoll_set(ep, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, &stdin_mark);
	for (;;) {
		int n = epoll_wait(ep, evs, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (evs[i].data.ptr == &stdin_mark)
				return 0;
			if (evs[i].data.ptr == &listen_mark)
				pair_accept(listen_fd);
			else
				end_event(evs[i].data.ptr, evs[i].events);
		}
		while (dead_list != NULL) {
			struct pair *p = dead_list;

			dead_list = p->next_dead;
			free(p);
		}
	}
}
