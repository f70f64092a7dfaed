/*
 * Both ways end in the same function of the keeper, so a command does the same
 * whether a relay runs or not. Who connects to the relay has proved to be its
 * account or root; who opens the files is.
 */
#include "app/console.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "app/file.h"
#include "app/hasher.h"
#include "app/help.h"
#include "app/out.h"
#include "base/num.h"
#include "net/clock.h"
#include "net/memory.h"
#include "net/pass.h"
#include "state/strength.h"

enum { TRIES = 30, TRY_MS = 100 };

static unsigned
lost(const char *why)
{
	(void)out_fail(EXIT_FAILED, NULL, SL("the relay"), why);
	return 0;
}

static void
console_log(void *ctx, struct slice line)
{
	(void)ctx;
	out_write(STDERR_FILENO, line);
}

int
console_settings(struct serve *s, enum conf_role role, const struct cmd *cmd)
{
	struct conf *c = &s->conf;
	int code;

	s->cmd = cmd;
	s->has_relay = true;
	conf_init(c, role);
	if (!conf_flags(c, cmd->argc, cmd->argv))
		goto fault;
	if (conf_is_set(c, C_HELP) && role == CONF_CONSOLE)
		return console_help(cmd->title[1]);
	if (conf_is_set(c, C_HELP)) {
		help_print(role);
		return EXIT_STOPPED;
	}
	c->role = (enum conf_role)(role | CONF_RELAY);
	code = serve_read_config(s);
	if (code != EXIT_GO_ON)
		return code;
	if (!conf_env(c, cmd->envp) || !setup_relay(&s->rs, c))
		goto fault;
	/* Accounts are what it is about, whatever a relay is started with. */
	secret_wipe(&c->password);
	s->rs.cfg.no_login = false;
	s->log = (struct log){ .sink = console_log, .level = LOG_WARN };
	return EXIT_GO_ON;
fault:
	out_error(buf_slice(&c->error));
	return EXIT_USAGE;
}

/* ---- finding it ------------------------ */

enum place { RUNS, LOCKED, FREE, MISSING, FAULT };

static enum place
look(struct console *c, const char *path)
{
	enum place at = FAULT;
	struct data d;

	c->fd = -1;
	if (data_peek(&d, path, "relay") != E_OK) {
		errno = d.error;
		return errno == ENOENT ? MISSING : FAULT;
	}
	c->fd = control_connect(d.dir);
	if (c->fd >= 0)
		at = RUNS;
	else if (errno == ENOENT || errno == ECONNREFUSED)
		at = data_locked(&d) ? LOCKED : FREE;
	data_close(&d);
	return at;
}

static int
place_fault(const struct console *c, enum place at)
{
	return out_fail(EXIT_FAILED, NULL, c->s->rs.data,
	    at == RUNS ? "its relay runs; stop it first" :
	    at == LOCKED ? "in use, and nobody answers" :
	    at == MISSING ? "there is no relay's data; adit init makes it" :
	    errno == EACCES || errno == EPERM ? "not yours: run this as the "
	    "relay's account, or as root" : strerror(errno));
}

int
console_open(struct console *c, struct serve *s, bool make, bool alone)
{
	static const struct timespec pause = { .tv_nsec = TRY_MS * 1000000 };
	struct buf b = BUF_ON(c->url_area);
	char path[SERVE_PATH_BYTES] = "";
	enum place at = LOCKED;
	int code;

	c->s = s;
	serve_url(s, &b);
	c->url = buf_slice(&b);
	if (s->rs.data.n >= sizeof path)
		return out_fail(EXIT_USAGE, NULL, s->rs.data, "name too long");
	memcpy(path, s->rs.data.p, s->rs.data.n);
	/* One that starts has the lock before it listens. */
	for (int i = 0; i < TRIES && at == LOCKED; i++) {
		if (i > 0)
			(void)nanosleep(&pause, NULL);
		at = look(c, path);
	}
	if (at == RUNS && !alone)
		return EXIT_GO_ON;
	if (at != FREE && (at != MISSING || !make))
		return place_fault(c, at);
	code = serve_account_of_data(s);
	return code == EXIT_GO_ON && !alone ? keep_open(s, true, NULL) : code;
}

/* ---- asking ------------------------ */

/* Stretch what is waiting, here and now. */
static bool
stretch(struct keeper *k, struct answer *a, enum keeper_for *who)
{
	struct keeper_job j;
	struct keeper_result r;
	struct arena memory;
	bool done = keeper_job(k, &j);

	if (!done)
		return false;
	done = net_reserve(&memory, scrypt_area(j.cost) + 64);
	r = (struct keeper_result){ .id = j.id };
	if (done) {
		hasher_work(&j, arena_take(&memory, scrypt_area(j.cost), 64),
		    &r);
		net_unreserve(&memory);
	}
	r.now_s = net_wall_ms() / 1000;
	*who = keeper_done(k, &r, a);
	wipe(&j, sizeof j);
	wipe(&r, sizeof r);
	return true;
}

static unsigned
ask_own(struct console *c, struct slice text, struct json *body)
{
	struct keeper *k = &c->s->keeper;
	struct ask q = { .kind = ASK_OP, .now_s = net_wall_ms() / 1000,
		.from = "console", .from_n = 7 };
	struct answer a = { 0 }, note;
	enum keeper_for who;

	memcpy(q.text, text.p, text.n);
	q.text_n = to_u16(text.n);
	who = keeper_console(k, &q, &a);
	while (who == KEEPER_LATER && stretch(k, &a, &who))
		;
	while (keeper_note(k, &note))
		;
	memcpy(c->line, a.text, a.text_n);
	wipe(&q, sizeof q);
	if (who != KEEPER_CONSOLE || json_parse(slice_of(c->line, a.text_n),
	    JSON_DEPTH, body) != E_OK)
		return lost("no answer");
	return a.status;
}

static unsigned
ask_relay(struct console *c, struct slice text, struct json *body,
    struct backup_files *files)
{
	struct json_field f[] = { { SL("status"), { 0 } },
		{ SL("body"), { 0 } }, { SL("url"), { 0 } } };
	struct buf url = BUF_ON(c->url_area);
	int fds[PASS_FDS_MAX];
	struct json root;
	uint64_t status;
	size_t nfds = 0;
	ssize_t n;

	if (!pass_send(c->fd, text.p, text.n, NULL, 0) ||
	    (n = pass_receive(c->fd, c->line, sizeof c->line, fds, &nfds)) <= 0)
		return lost(errno == EAGAIN ? "no answer" :
		    "it closed the connection");
	for (size_t i = 0; i < nfds; i++)
		if (files == NULL || i >= BACKUP_FILES)
			(void)close(fds[i]);
		else
			files->fds[i] = fds[i];
	if (json_parse(slice_of(c->line, (size_t)n), JSON_DEPTH, &root) !=
	    E_OK ||
	    json_fields(root, f, 3) != E_OK ||
	    json_u64(f[0].v, &status) != E_OK || status > 999)
		return lost("not an answer");
	*body = f[1].v;
	if (json_string(f[2].v, &url) == E_OK)
		c->url = buf_slice(&url);
	return (unsigned)status;
}

unsigned
console_op(struct console *c, struct slice text, struct json *body,
    struct backup_files *files)
{
	return c->fd >= 0 ? ask_relay(c, text, body, files) :
	    ask_own(c, text, body);
}

int
console_do(struct console *c, struct slice text, struct json *body)
{
	uint8_t area[512];
	struct buf b = buf_of(area, sizeof area - 1);
	unsigned status = console_op(c, text, body, NULL);
	struct json why;

	if (status == 200)
		return EXIT_GO_ON;
	if (status == 0)
		return EXIT_FAILED;
	if (json_get(*body, SL("error"), &why) != E_OK ||
	    json_string(why, &b) != E_OK)
		buf_lit(&b, "refused");
	return out_fail(status == 400 ? EXIT_USAGE : EXIT_FAILED, NULL,
	    buf_slice(&b), NULL);
}

/* ---- passwords ------------------------ */

static int
password_fault(struct slice name, const char *why)
{
	return out_fail(EXIT_USAGE, NULL, name, why);
}

static int
password_file(struct secret *to, const char *file)
{
	uint8_t area[2 * SECRET_MAX];
	struct buf b = BUF_ON(area);
	struct slice name = slice_of(file, strlen(file)), line;
	enum err e = strcmp(file, "-") == 0 ?
	    file_take(STDIN_FILENO, &b) : file_read(file, &b, NULL);
	const char *why = e == E_EOF ? "no such file" : strerror(errno);

	if (e == E_OK || e == E_RANGE) {
		line = slice_head(buf_slice(&b),
		    slice_find(buf_slice(&b), '\n'));
		if (slice_ends(line, SL("\r")))
			line.n--;
		why = strength_fault(STRENGTH_PASSWORD, line);
		if (why == NULL)
			(void)secret_set(to, line);
	}
	wipe(area, sizeof area);
	return why == NULL ? EXIT_GO_ON : password_fault(name, why);
}

/* A line from the terminal, perhaps without echo. False at its end and at
 * Ctrl-C, which must not leave the terminal so. */
static bool
read_line(int tty, struct slice prompt, struct buf *b, bool hide)
{
	struct termios as_was, hidden;
	bool done = false;
	uint8_t c;

	out_write(tty, prompt);
	if (tcgetattr(tty, &as_was) != 0)
		return false;
	hidden = as_was;
	hidden.c_lflag &= ~(tcflag_t)(ISIG | (hide ? ECHO : 0));
	(void)tcsetattr(tty, TCSAFLUSH, &hidden);
	while (read(tty, &c, 1) == 1 && c != 3) {
		done = c == '\n';
		if (done)
			break;
		buf_put_u8(b, c);
	}
	(void)tcsetattr(tty, TCSAFLUSH, &as_was);
	if (hide)
		out_write(tty, SL("\n"));
	return done;
}

static int
terminal(void)
{
	return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

bool
console_line(struct slice prompt, struct buf *b)
{
	int tty = terminal();
	bool done = tty >= 0 && read_line(tty, prompt, b, false);

	if (tty >= 0)
		(void)close(tty);
	return done;
}

int
console_password(struct secret *to, const char *file)
{
	uint8_t one[2 * SECRET_MAX], two[2 * SECRET_MAX];
	struct buf a = BUF_ON(one), b = BUF_ON(two);
	const char *why = "no password given";
	int tty;

	if (file != NULL)
		return password_file(to, file);
	tty = terminal();
	if (tty < 0)
		return password_fault(SL("password"), "there is no terminal "
		    "to ask on; say --password-file FILE, or - for standard "
		    "input");
	if (read_line(tty, SL("Password (8 bytes at least): "), &a,
	    true)) {
		why = strength_fault(STRENGTH_PASSWORD, buf_slice(&a));
		if (why == NULL && (!read_line(tty, SL("Once more: "), &b,
		    true) ||
		    !slice_eq(buf_slice(&a), buf_slice(&b))))
			why = "they are not the same";
		if (why == NULL)
			(void)secret_set(to, buf_slice(&a));
	}
	(void)close(tty);
	wipe(one, sizeof one);
	wipe(two, sizeof two);
	return why == NULL ? EXIT_GO_ON :
	    password_fault(SL("password"), why);
}
