/*
 * Which process of a start may do what: the sandbox of each, made from the
 * settings. The list for people (--print-policy) is made from the same.
 */
#include "app/serve.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "app/out.h"

enum { POLICY_BYTES = 16 * 1024 };

_Static_assert((int)SANDBOX_PORTS_MAX > (int)HELLO_APPS_MAX, "and the relay's");

static struct sandbox
sandbox_of(const struct serve *s, unsigned roles)
{
	return (struct sandbox){ .roles = roles, .mode = s->sandbox.mode,
		.pass_fd = -1 };
}

/* ---- files ------------------------ */

/* The folder of a file, whose path is cut there. */
static void
add_folder(struct serve *s, struct sandbox *b, char *path)
{
	char *slash = path != NULL ? strrchr(path, '/') : NULL;
	const char *folder = path;

	if (path == NULL)
		return;
	if (slash == NULL)
		folder = ".";
	else
		slash[slash == path] = '\0';
	for (size_t i = 0; i < b->npaths; i++)
		if (strcmp(b->paths[i].path, folder) == 0)
			return;
	if (b->npaths == SANDBOX_PATHS_MAX || s->nfolders == SERVE_FOLDERS ||
	    strlen(folder) >= sizeof s->folders[0])
		return;
	memcpy(s->folders[s->nfolders], folder, strlen(folder) + 1);
	sandbox_add_path(b, s->folders[s->nfolders++], -1, false);
}

/* Where the file lies behind all links; NULL if it cannot be told. */
static char *
path_behind(const char *file, char *area, size_t cap)
{
	uint8_t link[32];
	struct buf b = BUF_ON(link);
	int fd = open(file, O_PATH | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return NULL;
	buf_lit(&b, "/proc/self/fd/");
	buf_put_dec(&b, (uint64_t)fd);
	buf_put_u8(&b, 0);
	n = readlink((const char *)link, area, cap - 1);
	(void)close(fd);
	if (n < 0)
		return NULL;
	area[n] = '\0';
	return area;
}

/* ---- the process that reads the network ------------------------ */

static void
net_sandbox(struct serve *s, struct sandbox *b)
{
	const struct agent_cfg *cfg = &s->as.cfg;
	const char *ca = s->trust.file;
	char real[PATH_MAX];

	*b = sandbox_of(s, (s->has_relay ? SANDBOX_RELAY : 0u) |
	    (s->has_agent ? SANDBOX_AGENT : 0u));
	if (!s->has_agent) {
		b->pass_fd = s->takeover.number;
		return;
	}
	sandbox_add_path(b, "DATA/agent-NAME", s->agent_data.dir, true);
	sandbox_add_port(b, cfg->proxy_host.n > 0 ? cfg->proxy_port :
	    cfg->relay_port);
	/* The system replaces its own by another file; a folder that a person
	 * chose may have more in it than this file. */
	if (s->trust.is_usual)
		add_folder(s, b, path_behind(ca, real, sizeof real));
	else if (ca[0] != '\0')
		sandbox_add_path(b, ca, -1, false);
	for (size_t i = 0; i < cfg->napps; i++) {
		if (cfg->apps[i].path.n > 0)
			b->unix_sockets = true;
		else
			sandbox_add_port(b, cfg->apps[i].port);
	}
}

int
serve_sandbox(struct serve *s)
{
	struct sandbox b;
	const char *why;

	serve_notify_open(s);
	net_sandbox(s, &b);
	why = sandbox_enter(&b);
	if (why != NULL)
		return out_fail(EXIT_USAGE, NULL, SL("the sandbox"), why);
	if (s->sandbox.mode != SANDBOX_ON)
		LOGF(&s->log, LOG_WARN, "app", s->sandbox.mode ==
		    SANDBOX_OFF ? "no sandbox: this process may do all that "
		    "its account may" : "the sandbox has no Landlock");
	return EXIT_GO_ON;
}

/* ---- the keeper ------------------------ */

/* The folder of a file, and the one of what its link leads to. */
static void
add_folders(struct serve *s, struct sandbox *b, const char *file)
{
	char path[SERVE_PATH_BYTES];
	char area[PATH_MAX], *real = path_behind(file, area, sizeof area);

	if (strlen(file) < sizeof path) {
		memcpy(path, file, strlen(file) + 1);
		add_folder(s, b, path);
	}
	add_folder(s, b, real);
}

static void
keeper_sandbox(struct serve *s, struct sandbox *b)
{
	*b = sandbox_of(s, SANDBOX_KEEPER);
	sandbox_add_path(b, "DATA/relay", s->relay_data.dir, true);
	for (size_t i = 0; i < s->certs.n; i++) {
		add_folders(s, b, s->certs.pairs[i].cert);
		add_folders(s, b, s->certs.pairs[i].key);
	}
}

static int
enter_told(const struct sandbox *b, struct slice name)
{
	const char *why = sandbox_enter(b);

	return why == NULL ? EXIT_GO_ON : out_fail(EXIT_USAGE, NULL, name,
	    why);
}

int
serve_sandbox_keeper(struct serve *s)
{
	struct sandbox b;

	keeper_sandbox(s, &b);
	return enter_told(&b, SL("the keeper's sandbox"));
}

int
serve_sandbox_hasher(struct serve *s)
{
	struct sandbox b = sandbox_of(s, SANDBOX_HASHER);

	return enter_told(&b, SL("the hasher's sandbox"));
}

/* ---- names ------------------------ */

static void
names_sandbox(struct serve *s, struct sandbox *b)
{
	*b = sandbox_of(s, SANDBOX_NAMES | SANDBOX_LOOKUP);
	sandbox_add_path(b, "/etc", -1, false);
	add_folders(s, b, "/etc/resolv.conf");
	sandbox_add_port(b, 53);
}

bool
serve_sandbox_names(void *ctx, bool worker)
{
	struct serve *s = ctx;
	struct sandbox b = sandbox_of(s, SANDBOX_LOOKUP);

	if (!worker)
		names_sandbox(s, &b);
	else if (b.mode == SANDBOX_ON)
		b.mode = SANDBOX_SECCOMP;       /* the rest it has already */
	return sandbox_enter(&b) == NULL;
}

/* ---- for people ------------------------ */

static void
put_process(struct buf *out, const char *what, const struct sandbox *b)
{
	buf_put(out, slice_of(what, strlen(what)));
	sandbox_put(out, b);
}

int
serve_print_policy(struct serve *s)
{
	static uint8_t area[POLICY_BYTES];
	struct buf out = BUF_ON(area);
	struct sandbox b;

	buf_lit(&out, "sandbox: ");
	buf_put(&out, s->sandbox.mode == SANDBOX_OFF ? SL("off\n") :
	    s->sandbox.mode == SANDBOX_ON ?
	    SL("on: no_new_privs, Landlock, seccomp; anything else kills\n") :
	    SL("without Landlock: files and ports are not limited\n"));
	net_sandbox(s, &b);
	put_process(&out, "reads the network:", &b);
	if (s->has_relay) {
		keeper_sandbox(s, &b);
		put_process(&out, "keeps secrets and files:", &b);
	}
	if (s->has_relay && s->rs.accounts) {
		b = sandbox_of(s, SANDBOX_HASHER);
		put_process(&out, "stretches passwords:", &b);
	}
	if (s->has_agent) {
		names_sandbox(s, &b);
		put_process(&out, "looks after the next:", &b);
		b.roles = SANDBOX_LOOKUP;
		put_process(&out, "looks up names:", &b);
	}
	out_write(STDOUT_FILENO, buf_slice(&out));
	return EXIT_STOPPED;
}

int
serve_sandbox_mode(struct serve *s)
{
	struct slice said = conf_text(&s->conf, C_SANDBOX,
	    sandbox_exists() ? SL("on") : SL("off"));
	const char *why;

	s->sandbox.mode = slice_eq(said, SL("off")) ? SANDBOX_OFF :
	    slice_eq(said, SL("seccomp")) ? SANDBOX_SECCOMP : SANDBOX_ON;
	why = sandbox_missing(s->sandbox.mode);
	return why == NULL ? EXIT_GO_ON : out_fail(EXIT_USAGE, NULL,
	    SL("sandbox"), why);
}
