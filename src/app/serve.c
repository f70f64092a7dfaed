/*
 * Order matters: settings first (nothing is touched before they are right),
 * then sockets (a taken port leaves no data directory behind), then files, and
 * the helpers for names while the process knows no more than it must.
 */
#include "app/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "app/file.h"
#include "app/help.h"
#include "app/out.h"
#include "app/version.h"
#include "base/num.h"
#include "net/memory.h"
#include "state/strength.h"

enum {
	HOSTNAME_BYTES = 256,
	AGENT_FDS = 8,                  /* tunnels, data directory */
	PATH_BYTES = 1024,
};

struct serve serve_process;

/* ---- settings ---- */

static int
conf_error(const struct serve *s)
{
	out_error(buf_slice(&s->conf.error));
	return EXIT_USAGE;
}

/* A C string of a setting's text, which never holds a NUL. */
static bool
path_of(char path[PATH_BYTES], struct slice s)
{
	if (s.n >= PATH_BYTES)
		return false;
	memcpy(path, s.p, s.n);
	path[s.n] = '\0';
	return true;
}

int
serve_read_config(struct serve *s)
{
	struct conf *c = &s->conf;
	struct buf text = BUF_ON(s->text);
	char path[PATH_BYTES];
	bool exposed = false, done;
	enum err e;

	c->file_asked = conf_is_set(c, C_CONFIG);
	if (c->file_asked)
		c->file = c->v[C_CONFIG].text;
	else if (!s->has_relay)
		return EXIT_GO_ON;
	if (!path_of(path, c->file))
		return out_fail(EXIT_USAGE, NULL, c->file, "name too long");
	e = file_read(path, &text, &exposed);
	if (e == E_EOF && !c->file_asked)
		return EXIT_GO_ON;
	if (e == E_RANGE)
		return out_fail(EXIT_USAGE, NULL, c->file,
		    "larger than 64 KiB");
	if (e != E_OK)
		return out_fail(EXIT_USAGE, NULL, c->file,
		    e == E_EOF ? "no such file" : strerror(errno));
	done = conf_file(c, text.p, text.n);
	wipe(s->text, sizeof s->text);
	if (!done)
		return conf_error(s);
	s->exposed = exposed && (c->v[C_PASSWORD].source == CONF_FILE ||
	    c->v[C_RELAY_TOKEN].source == CONF_FILE ||
	    c->v[C_JWT_SECRET].source == CONF_FILE);
	return EXIT_GO_ON;
}

/* --token-file: one line. */
static int
read_token(struct serve *s)
{
	struct slice name = s->as.token_file, line;
	struct buf text = buf_of(s->text, 4 * SECRET_MAX);
	char path[PATH_BYTES];
	const char *why = "larger than a token can be";
	bool exposed;
	enum err e;

	if (name.n == 0)
		return EXIT_GO_ON;
	if (!path_of(path, name))
		return out_fail(EXIT_USAGE, NULL, name, "name too long");
	e = file_read(path, &text, &exposed);
	if (e == E_EOF || e == E_IO)
		return out_fail(EXIT_USAGE, NULL, name,
		    e == E_EOF ? "no such file" : strerror(errno));
	if (e == E_OK) {
		line = slice_trim(slice_head(buf_slice(&text),
		    slice_find(buf_slice(&text), '\n')));
		if (slice_ends(line, SL("\r")))
			line.n--;
		why = strength_fault(STRENGTH_TOKEN, line);
		if (why == NULL)
			secret_set(&s->as.cfg.token, line);
	}
	wipe(s->text, sizeof s->text);
	s->exposed = s->exposed || exposed;
	if (why != NULL)
		return out_fail(EXIT_USAGE, NULL, name, why);
	return EXIT_GO_ON;
}

static int
plan_fault(const char *who, uint64_t bytes)
{
	uint8_t area[200];
	struct buf b = BUF_ON(area);

	buf_lit(&b, "memory: too little for the limits of ");
	buf_put(&b, slice_of(who, strlen(who)));
	buf_lit(&b, "; they take ");
	buf_put_dec(&b, (bytes >> 20) + 1);
	buf_lit(&b, "MiB");
	out_error(buf_slice(&b));
	return EXIT_USAGE;
}

/*
 * Whoever reads the log may not stop the relay by not reading: a line for
 * which there is no room (a pipe that is writable takes PIPE_BUF bytes at
 * least) is counted instead, and the count is told when there is room again.
 */
static void
log_line(void *ctx, struct slice line)
{
	struct serve *s = ctx;
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	uint8_t area[64];
	struct buf b = BUF_ON(area);

	if (poll(&p, 1, 0) == 0) {
		s->lines_lost++;
		return;
	}
	if (s->lines_lost > 0) {
		buf_lit(&b, "adit: lines lost: ");
		buf_put_dec(&b, s->lines_lost);
		buf_lit(&b, "\n");
		s->lines_lost = 0;
		out_write(STDERR_FILENO, buf_slice(&b));
	}
	out_write(STDERR_FILENO, line);
}

_Static_assert(LOG_LINE_MAX + 64 <= 4096, "two lines fit a pipe's PIPE_BUF");

static int
make_plans(struct serve *s)
{
	char host[HOSTNAME_BYTES] = "";

	if (s->has_relay) {
		if (!setup_relay(&s->rs, &s->conf))
			return conf_error(s);
		s->rs.cfg.version = version_text;
		if (relay_plan(&s->rs.cfg, &s->rplan) != E_OK)
			return plan_fault("the relay", s->rplan.bytes +
			    s->rs.hasher_bytes);
	}
	if (s->has_agent) {
		(void)gethostname(host, sizeof host - 1);
		if (!setup_agent(&s->as, &s->conf,
		    slice_of(host, strlen(host))))
			return conf_error(s);
		s->as.cfg.version = version_text;
		if (agent_plan(&s->as.cfg, &s->aplan) != E_OK)
			return plan_fault("the agent", s->aplan.bytes);
	}
	if (s->has_relay) {
		int code = serve_certs(s);

		if (code != EXIT_GO_ON)
			return code;
	}
	if (s->as.cfg.secure) {
		int code = serve_trust(s);

		if (code != EXIT_GO_ON)
			return code;
	}
	return read_token(s);
}

int
serve_settings(struct serve *s, enum conf_role role, const struct cmd *cmd)
{
	struct conf *c = &s->conf;
	int code;

	s->cmd = cmd;
	s->has_relay = (role & CONF_RELAYS) != 0;
	s->has_agent = (role & CONF_AGENTS) != 0;
	takeover_reserve(s);
	conf_init(c, role);
	if (!conf_flags(c, cmd->argc, cmd->argv))
		return conf_error(s);
	if (conf_is_set(c, C_HELP)) {
		help_print(role);
		return EXIT_STOPPED;
	}
	code = serve_read_config(s);
	if (code != EXIT_GO_ON)
		return code;
	if (!conf_env(c, cmd->envp))
		return conf_error(s);
	s->log = (struct log){ .sink = log_line, .ctx = s,
		.level = setup_log_level(c), .json = setup_log_json(c),
		.journal = serve_is_journal() };
	code = make_plans(s);
	if (code == EXIT_GO_ON)
		code = serve_sandbox_mode(s);
	if (code == EXIT_GO_ON && conf_is_set(c, C_POLICY))
		return serve_print_policy(s);
	if (code == EXIT_GO_ON && conf_is_set(c, C_CHECK)) {
		out_write(STDOUT_FILENO, SL("the settings are good\n"));
		return EXIT_STOPPED;
	}
	return code;
}

/* ---- the world ---- */

/* A standard stream that is closed would be the number of the next socket,
 * and get our log. */
static void
hold_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

void
serve_undumpable(void)
{
#ifdef __linux__
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

void
serve_harden(void)
{
	struct rlimit none = { 0, 0 };

	hold_standard_streams();
	(void)setrlimit(RLIMIT_CORE, &none);
	serve_undumpable();
	(void)umask(077);
}

/* The agent's io is the kernel's but for its data directory. */
static bool
agent_save(void *ctx, struct slice name, struct slice content)
{
	struct kernel *k = ctx;
	struct serve *s = k->cfg.ask_ctx;

	return data_save(&s->agent_data, name, content) == E_OK;
}

uint32_t
serve_descriptors(const struct serve *s)
{
	uint64_t n = KERNEL_FDS_OWN + AGENT_FDS;

	if (s->has_relay)
		n += (uint64_t)s->rplan.connections + s->rplan.remotes +
		    LISTENS_MAX;
	if (s->has_agent)
		n += s->aplan.streams;
	return to_u32(n);
}

/* One pool for both roles; the relay's small records where there is one. */
static void
plan_tls(const struct serve *s, struct kernel_cfg *cfg)
{
	size_t item = kernel_tls_item_bytes(TLS_OUT_BULK_BYTES);

	cfg->tls_out_bytes = s->certs.n > 0 ? TLS_OUT_BYTES :
	    TLS_OUT_BULK_BYTES;
	cfg->tls_server = s->certs.n > 0 ? &s->certs.server : NULL;
	cfg->tls_trust = s->as.cfg.secure ? &s->trust.tls : NULL;
	cfg->tls_max = (s->has_relay ? s->rplan.tls : 0) +
	    to_u32(s->as.cfg.tls_bytes / item);
}

int
serve_world(struct serve *s)
{
	struct kernel_cfg cfg = {
		.fds_max = serve_descriptors(s),
		.signals = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 },
		.nsignals = 4,
		.ask = s->has_relay ? serve_ask : NULL,
		.ask_ctx = s,
		.ask_fd = s->vault.fd,
		.ask_ready = s->has_relay ? serve_answers : NULL,
	};
	struct resolve_cfg names = { .argv = s->cmd->title,
		.enter = serve_sandbox_names, .enter_ctx = s,
		.once = s->sandbox.mode != SANDBOX_OFF };
	uint64_t bytes;

	plan_tls(s, &cfg);
	bytes = kernel_bytes(&cfg);
	if (s->has_agent) {
		if (!resolver_open(&s->resolver, &names))
			return out_fail(EXIT_FAILED, "helpers for names",
			    SL(""), strerror(errno));
		cfg.resolver = &s->resolver;
		bytes += s->aplan.bytes;
	}
	if (s->has_relay)
		bytes += s->rplan.bytes;
	errno = ENOMEM;
	if (bytes > SIZE_MAX / 2 || !net_reserve(&s->arena, (size_t)bytes))
		return out_fail(EXIT_FAILED, "memory", SL(""),
		    strerror(errno));
	if (kernel_init(&s->kernel, &cfg, &s->arena) != E_OK)
		return out_fail(EXIT_FAILED, "events", SL(""),
		    strerror(errno));
	loop_init(&s->loop, &s->kernel, &s->log);
	s->relay_ops = kernel_ops;
	s->relay_ops.save = serve_save;
	s->loop.io.ops = &s->relay_ops;
	s->agent_ops = kernel_ops;
	s->agent_ops.save = agent_save;
	s->agent_ops.tls = serve_tls_dial;
	if (s->kernel.cfg.fds_max < cfg.fds_max)
		LOGF(&s->log, LOG_WARN, "app", "the system allows fewer open "
		    "files than the limits want (ulimit -n)",
		    log_u("wanted", cfg.fds_max),
		    log_u("allowed", s->kernel.cfg.fds_max));
	if (s->exposed)
		LOGF(&s->log, LOG_WARN, "app", "others than its owner may "
		    "read a file that holds a secret (chmod 600)");
	return EXIT_GO_ON;
}

/* ---- files ---- */

int
serve_file_fault(int code, struct slice path, struct slice role,
    struct slice file, size_t line, const char *why)
{
	uint8_t area[PATH_BYTES];
	struct buf b = BUF_ON(area);

	buf_put(&b, path);
	buf_lit(&b, "/");
	buf_put(&b, role);
	if (file.n > 0) {
		buf_lit(&b, "/");
		buf_put(&b, file);
	}
	if (line > 0) {
		buf_lit(&b, ":");
		buf_put_dec(&b, line);
	}
	return out_fail(code, NULL, buf_slice(&b), why);
}

/* ---- running ---- */

static const struct io *
agent_io(struct serve *s, const struct io *io)
{
	s->agent_io = *io;
	s->agent_io.ops = &s->agent_ops;
	return &s->agent_io;
}

static void
on_event(void *ctx, const struct io *io, const struct io_event *ev)
{
	struct serve *s = ctx;

	if (s->relay != NULL && relay_owns(ev->who))
		relay_event(s->relay, io, ev);
	else if (takeover_owns(ev->who))
		takeover_event(s, io, ev);
	else if (s->agent != NULL && agent_owns(ev->who))
		agent_event(s->agent, agent_io(s, io), ev);
}

static void
finish(struct serve *s, int code)
{
	s->exit_code = code;
	loop_stop(&s->loop);
}

static void
stop(struct serve *s, const struct io *io)
{
	if (++s->stops > 1) {
		finish(s, EXIT_STOPPED);
		return;
	}
	LOGF(&s->log, LOG_INFO, "app", "stopping; a second signal stops at "
	    "once");
	takeover_stop(s, io);
	if (s->agent != NULL)
		agent_stop(s->agent, agent_io(s, io));
	if (s->relay != NULL)
		relay_stop(s->relay, io);
}

static void
on_signal(void *ctx, const struct io *io, int signo)
{
	struct serve *s = ctx;

	if (signo == SIGTERM || signo == SIGINT)
		stop(s, io);
	else if (signo == SIGUSR1 && s->agent != NULL)
		agent_dial_now(s->agent, agent_io(s, io));
	else if (signo == SIGHUP)
		serve_tls_reload(s, io);
}

/* The agent has ended by itself. True if the program ends with it. */
static bool
agent_over(struct serve *s, int code)
{
	if (s->relay == NULL || (code != EXIT_STOPPED &&
	    code != EXIT_REPLACED))
		return true;
	if (s->stops == 0)
		LOGF(&s->log, LOG_WARN, "app", "the relay goes on without "
		    "the agent of this process");
	s->agent = NULL;
	return false;
}

static uint64_t
on_step(void *ctx, const struct io *io)
{
	struct serve *s = ctx;
	uint64_t due = UINT64_MAX;
	int code;

	if (s->answers_left)
		serve_answers(s);
	if (s->relay != NULL)
		due = min_u64(takeover_step(s, io), min_u64(
		    relay_step(s->relay, io), serve_tls_step(s, io)));
	if (s->agent != NULL) {
		due = min_u64(due, agent_step(s->agent, agent_io(s, io)));
		code = agent_exit_code(s->agent);
		if (code >= 0 && agent_over(s, code))
			finish(s, code);
	}
	if (s->resolver.gone && s->exit_code != EXIT_FAILED) {
		LOGF(&s->log, LOG_FATAL, "app", "the helpers for names have "
		    "ended, and the sandbox lets nobody start others");
		finish(s, EXIT_FAILED);
	}
	if (s->relay != NULL && relay_stopped(s->relay) &&
	    takeover_over(s) && s->agent == NULL)
		finish(s, EXIT_STOPPED);
	return due;
}

int
serve_run(struct serve *s)
{
	static const struct loop_ops ops = { on_event, on_step, on_signal };

	serve_published(s);
	serve_notify(s);
	loop_run(&s->loop, &ops, s);
	if (s->resolver.pid > 0)
		resolver_close(&s->resolver);
	vault_close(&s->vault);
	secret_wipe(&s->as.cfg.token);
	LOGF(&s->log, LOG_INFO, "app", "stopped",
	    log_u("code", (uint64_t)s->exit_code));
	return s->exit_code;
}
