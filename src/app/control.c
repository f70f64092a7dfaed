/*
 * Nothing here waits: an answer goes out whole or ends the connection. The
 * socket gets its name when the relay serves, so that whoever finds it finds
 * one that answers; and one that was to take a relay's place and failed has not
 * taken its name away.
 */
#include "app/control.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/backup.h"
#include "base/num.h"
#include "codec/json.h"
#include "crypto/ct.h"
#include "net/pass.h"

static const char name[] = "control", early_name[] = "control.new";

bool
control_open(struct control *c, struct data *d)
{
	c->data = d;
	c->uid = geteuid();
	for (size_t i = 0; i < CONTROL_MAX; i++)
		c->clients[i].fd = -1;
	c->fd = pass_listen(d->dir, early_name);
	return c->fd >= 0;
}

bool
control_publish(const struct control *c)
{
	return c->fd >= 0 && renameat(c->data->dir, early_name, c->data->dir,
	    name) == 0;
}

int
control_connect(int dir)
{
	return pass_connect(dir, name, CONTROL_WAIT_MS);
}

/* ---- clients ------------------------ */

static void
drop(struct control_client *l)
{
	if (l->fd >= 0)
		(void)close(l->fd);
	*l = (struct control_client){ .fd = -1, .gen = l->gen + 1 };
}

void
control_close(struct control *c)
{
	for (size_t i = 0; i < CONTROL_MAX; i++)
		drop(&c->clients[i]);
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

static void
admit(struct control *c, uint64_t now_ms)
{
	struct control_client *l = c->clients;
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	uint32_t uid;

	if (fd < 0)
		return;
	while (l < c->clients + CONTROL_MAX && l->fd >= 0)
		l++;
	if (l == c->clients + CONTROL_MAX || !pass_peer(fd, &uid) ||
	    (uid != 0 && uid != c->uid)) {
		(void)close(fd);
		return;
	}
	l->fd = fd;
	l->due_ms = now_ms + CONTROL_MS;
}

/* Send a result, and these files with it. */
static void
reply(const struct control *c, struct control_client *l, unsigned status,
    struct slice body, const struct backup_files *f)
{
	uint8_t area[CONTROL_TEXT_MAX];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);

	json_object(&o);
	json_pair_u64(&o, SL("status"), status);
	if (c->url.n > 0 && c->url.n <= CONTROL_URL_MAX / 6)
		json_pair_string(&o, SL("url"), c->url);
	json_name(&o, SL("body"));
	json_put_raw(&o, body);
	json_object_end(&o);
	assert(buf_ok(&b));
	if (!pass_send(l->fd, b.p, b.n, f != NULL ? f->fds : NULL,
	    f != NULL ? f->n : 0))
		drop(l);
	wipe(area, sizeof area);
}

static void
send_files(struct control *c, struct control_client *l)
{
	struct backup_files f;
	uint8_t area[ANSWER_TEXT_MAX];
	struct buf b = BUF_ON(area);

	if (backup_open(&f, c->data) && backup_list(&b, &f))
		reply(c, l, 200, buf_slice(&b), &f);
	else
		reply(c, l, 500, SL("{\"error\":\"A file cannot be read\"}"),
		    NULL);
	backup_close(&f);
}

static bool
is_backup(struct slice text)
{
	struct json root, op;

	return json_parse(text, JSON_DEPTH, &root) == E_OK &&
	    json_get(root, SL("op"), &op) == E_OK && json_is(op, SL("backup"));
}

static void
receive(struct control *c, struct control_client *l)
{
	struct ask q = { .kind = ASK_OP, .from = "console", .from_n = 7 };
	uint8_t text[ASK_TEXT_MAX + 1];
	ssize_t n = recv(l->fd, text, sizeof text, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || n > ASK_TEXT_MAX) {
		drop(l);
	} else if (is_backup(slice_of(text, (size_t)n))) {
		send_files(c, l);
	} else {
		memcpy(q.text, text, (size_t)n);
		q.text_n = to_u16((size_t)n);
		q.who = (handle)l->gen << 24 | (handle)(l - c->clients);
		l->asked = true;
		c->ask(c->ctx, &q);
	}
	wipe(&q, sizeof q);
	wipe(text, sizeof text);
}

void
control_answer(struct control *c, const struct answer *a, uint64_t now_ms)
{
	struct control_client *l = &c->clients[a->who % CONTROL_MAX];
	struct slice text = { a->text, a->text_n };

	/* It may have gone meanwhile, and another come. */
	if (l->fd < 0 || !l->asked || a->who >> 24 != l->gen)
		return;
	l->asked = false;
	l->due_ms = now_ms + CONTROL_MS;
	reply(c, l, a->status, text.n > 0 ? text : SL("{}"), NULL);
}

/* ---- in the keeper's loop ------------------------ */

size_t
control_watch(struct control *c, struct pollfd *p, uint64_t now_ms, int *ms)
{
	bool room = false;

	for (size_t i = 0; i < CONTROL_MAX; i++) {
		const struct control_client *l = &c->clients[i];
		uint64_t left = l->due_ms > now_ms ? l->due_ms - now_ms : 0;

		/* One that waits for us is looked at again when answered. */
		p[1 + i] = (struct pollfd){ .events = POLLIN,
			.fd = l->asked ? -1 : l->fd };
		room = room || l->fd < 0;
		if (p[1 + i].fd >= 0 && (*ms < 0 || left < (uint64_t)*ms))
			*ms = (int)left;
	}
	p[0] = (struct pollfd){ .events = POLLIN, .fd = room ? c->fd : -1 };
	return CONTROL_POLL;
}

void
control_ready(struct control *c, const struct pollfd *p, size_t n,
    uint64_t now_ms)
{
	assert(n == CONTROL_POLL);
	for (size_t i = 0; i < CONTROL_MAX; i++) {
		struct control_client *l = &c->clients[i];

		if (l->fd >= 0 && p[1 + i].revents != 0)
			receive(c, l);
		if (l->fd >= 0 && !l->asked && now_ms >= l->due_ms)
			drop(l);
	}
	if (p[0].revents != 0)
		admit(c, now_ms);
}
