/*
 * The side that takes over. It is started like any relay, and what a start
 * does it does here too, in the same order; only where it would bind a socket
 * it looks first at those that it was given, and where it would take the lock
 * it waits for the other to pass it on. Everything blocks, with a deadline.
 */
#include "app/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/out.h"
#include "net/clock.h"
#include "net/listen.h"

static const struct slice role_name = SL_INIT("relay");

enum err
takeover_check(const struct takeover_msg *m, size_t bytes, size_t fds,
    enum takeover_kind kind)
{
	if (bytes < offsetof(struct takeover_msg, kind) ||
	    m->magic != TAKEOVER_MAGIC)
		return E_SYNTAX;
	if (m->version != TAKEOVER_VERSION)
		return E_RANGE;
	if (bytes != sizeof *m || m->n > sizeof m->text || m->fds != fds ||
	    m->left > LISTENS_MAX)
		return E_SYNTAX;
	if (m->kind == TAKEOVER_REFUSED && fds == 0)
		return E_AUTH;
	if (m->kind != kind || (m->left > 0 && kind != TAKEOVER_SOCKETS) ||
	    (kind == TAKEOVER_SOCKETS ? fds == 0 || m->n != fds :
	    fds != (kind == TAKEOVER_FROZEN)))
		return E_SYNTAX;
	return E_OK;
}

void
takeover_reserve(struct serve *s)
{
	struct takeover *t = &s->takeover;

	t->listen_fd = t->conn_fd = t->lock_fd = -1;
	t->number = t->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* ---- messages ------------------------ */

static int
fault(const struct serve *s, const char *why)
{
	return serve_file_fault(EXIT_FAILED, s->rs.data, role_name,
	    SL("takeover"), 0, why);
}

static int
say(struct serve *s, enum takeover_kind kind)
{
	struct takeover_msg m = { .magic = TAKEOVER_MAGIC,
		.version = TAKEOVER_VERSION, .kind = (uint16_t)kind };

	return pass_send(s->takeover.conn_fd, &m, sizeof m, NULL, 0) ?
	    EXIT_GO_ON : fault(s, "the running relay does not listen to this "
	    "one any more, and goes on");
}

static int
wrong_version(const struct serve *s, const struct takeover_msg *m)
{
	uint8_t area[160];
	struct buf b = BUF_ON(area);

	buf_lit(&b, "the running relay is of another version (takeover ");
	buf_put_dec(&b, m->version);
	buf_lit(&b, ", this one has ");
	buf_put_dec(&b, TAKEOVER_VERSION);
	buf_lit(&b, "): stop it, then start this one");
	buf_put_u8(&b, 0);
	return fault(s, (const char *)area);
}

static int
refused(const struct serve *s, const struct takeover_msg *m)
{
	uint8_t area[4 * TAKEOVER_TEXT + 64];
	struct buf b = BUF_ON(area);

	buf_lit(&b, "the running relay refuses: ");
	buf_put_escaped(&b, slice_of(m->text, m->n), TAKEOVER_TEXT);
	buf_put_u8(&b, 0);
	return fault(s, (const char *)area);
}

/* The next message, which must be of this kind; *nfds of fds[] are ours. */
static int
hear(struct serve *s, enum takeover_kind kind, struct takeover_msg *m,
    int fds[PASS_FDS_MAX], size_t *nfds)
{
	ssize_t n = pass_receive(s->takeover.conn_fd, m, sizeof *m, fds, nfds);
	enum err e = n > 0 ? takeover_check(m, (size_t)n, *nfds, kind) : E_OK;

	if (n > 0 && e == E_OK)
		return EXIT_GO_ON;
	if (n < 0)
		return fault(s, errno == EAGAIN || errno == EWOULDBLOCK ?
		    "the running relay does not answer" : strerror(errno));
	while (*nfds > 0)
		(void)close(fds[--*nfds]);
	return n == 0 ? fault(s, "the running relay has ended the talk, and "
	    "goes on if it still runs") :
	    e == E_RANGE ? wrong_version(s, m) :
	    e == E_AUTH ? refused(s, m) :
	    fault(s, "what answers there is not a relay");
}

/* ---- its sockets ------------------------ */

/* What the descriptor is, looked at rather than told. */
static bool
add_socket(struct takeover *t, int fd, uint8_t how)
{
	struct takeover_socket *got = &t->got[t->n];
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss, len = sizeof(int);
	int listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 ||
	    listens == 0 || getsockname(fd, (struct sockaddr *)&ss, &n) != 0)
		return false;
	if (ss.ss_family == AF_UNIX) {
		if (t->listen_fd >= 0)
			return false;
		t->listen_fd = fd;
		return true;
	}
	if (t->n == LISTENS_MAX)
		return false;
	*got = (struct takeover_socket){ .fd = fd, .kind = how & 0xf };
	net_from_sockaddr(&got->addr, &ss);
	if ((how & 0x10) != 0)
		got->addr.family = ADDR_NONE;   /* every address */
	t->n++;
	return true;
}

static int
take_sockets(struct serve *s)
{
	struct takeover_msg m;
	int fds[PASS_FDS_MAX];
	size_t n;
	int code;

	do {
		code = hear(s, TAKEOVER_SOCKETS, &m, fds, &n);
		for (size_t i = 0; code == EXIT_GO_ON && i < n; i++) {
			if (!add_socket(&s->takeover, fds[i], m.text[i]))
				code = fault(s, "what answers there is not a "
				    "relay");
		}
	} while (code == EXIT_GO_ON && m.left > 0);
	return code;
}

/* Only who owns the directory may speak for it. */
static bool
peer_right(struct serve *s, const struct data *d)
{
	struct stat st;
	uint32_t uid;

	return fstat(d->dir, &st) == 0 &&
	    pass_peer(s->takeover.conn_fd, &uid) && uid == st.st_uid;
}

int
takeover_ask(struct serve *s)
{
	struct takeover *t = &s->takeover;
	struct data d;
	char path[SERVE_PATH_BYTES];
	int code;

	t->asked = conf_num(&s->conf, C_TAKEOVER, 0) != 0;
	if (!t->asked)
		return EXIT_GO_ON;
	s->log.wall_ms = net_wall_ms();
	if (s->rs.data.n >= sizeof path)
		return fault(s, "name too long");
	memcpy(path, s->rs.data.p, s->rs.data.n);
	path[s->rs.data.n] = '\0';
	if (data_peek(&d, path, "relay") != E_OK)
		return fault(s, strerror(d.error));
	t->conn_fd = pass_connect(d.dir, "takeover",
	    2 * TAKEOVER_STEP_MS);
	if (t->conn_fd < 0)
		code = fault(s, errno == ENOENT || errno == ECONNREFUSED ?
		    "no relay runs there that could be taken over: start this "
		    "one without --takeover" : strerror(errno));
	else if (!peer_right(s, &d))
		code = fault(s, "who answers there is another account");
	else
		code = say(s, TAKEOVER_ASK);
	data_close(&d);
	if (code == EXIT_GO_ON)
		code = take_sockets(s);
	if (code == EXIT_GO_ON)
		LOGF(&s->log, LOG_INFO, "app", "takeover: has the running "
		    "relay's sockets", log_u("sockets", t->n));
	return code;
}

int
takeover_socket(struct serve *s, const struct addr *at, enum listen_kind kind,
    struct addr *bound)
{
	for (size_t i = 0; i < s->takeover.n; i++) {
		struct takeover_socket *got = &s->takeover.got[i];
		int fd = got->fd;

		if (fd < 0 || got->addr.family != at->family ||
		    (at->family != ADDR_NONE &&
		    !addr_same_ip(&got->addr, at)) ||
		    (at->port == 0 ? got->kind != kind :
		    got->addr.port != at->port))
			continue;
		*bound = got->addr;
		got->fd = -1;
		return fd;
	}
	return -1;
}

static void
takeover_close_rest(struct serve *s)
{
	for (size_t i = 0; i < s->takeover.n; i++) {
		if (s->takeover.got[i].fd >= 0)
			(void)close(s->takeover.got[i].fd);
		s->takeover.got[i].fd = -1;
	}
}

/* ---- its lock ------------------------ */

int
takeover_lock(struct serve *s, struct data *d, struct slice path,
    struct slice role)
{
	struct takeover *t = &s->takeover;
	struct takeover_msg m;
	char dir[SERVE_PATH_BYTES];
	int fds[PASS_FDS_MAX], code;
	size_t n;

	takeover_close_rest(s);
	code = say(s, TAKEOVER_READY);
	if (code == EXIT_GO_ON)
		code = hear(s, TAKEOVER_FROZEN, &m, fds, &n);
	if (code != EXIT_GO_ON)
		return code;
	memcpy(dir, path.p, path.n);
	dir[path.n] = '\0';
	if (data_adopt(d, dir, "relay", fds[0]) != E_OK)
		return serve_file_fault(EXIT_FAILED, path, role, SL("lock"),
		    0, "the running relay has another one");
	memcpy(t->first_app, m.text, m.n);
	s->rs.cfg.first_app = slice_of(t->first_app, m.n);
	s->rs.cfg.succeeds = true;
	LOGF(&s->log, LOG_INFO, "app", "takeover: has the running relay's "
	    "lock");
	return EXIT_GO_ON;
}

int
takeover_done(struct serve *s)
{
	struct takeover *t = &s->takeover;
	int code;

	if (!t->asked)
		return EXIT_GO_ON;
	code = say(s, TAKEOVER_DONE);
	if (code != EXIT_GO_ON)
		return code;
	LOGF(&s->log, LOG_INFO, "app", "takeover: done, this relay serves");
	/* The other one ends once it is closed: the manager knows who is the
	 * main process by then. */
	serve_notify(s);
	(void)close(t->conn_fd);
	t->conn_fd = -1;
	return EXIT_GO_ON;
}

void
takeover_forget(struct serve *s)
{
	struct takeover *t = &s->takeover;

	if (t->listen_fd >= 0)
		(void)close(t->listen_fd);
	if (t->conn_fd >= 0)
		(void)close(t->conn_fd);
	t->listen_fd = t->conn_fd = -1;
	if (s->notify.parent_fd > 0)
		(void)close(s->notify.parent_fd);
}
