/*
 * adit status: one GET to the relay, on the same loop as everything else. It
 * touches no file, and believes nothing of the answer: what it prints is
 * escaped, what is too long or not JSON is an error.
 */
#include <string.h>
#include <unistd.h>

#include "app/conf.h"
#include "app/cmd.h"
#include "app/help.h"
#include "app/out.h"
#include "app/setup.h"
#include "base/num.h"
#include "codec/http1.h"
#include "codec/json.h"
#include "net/loop.h"
#include "net/memory.h"
#include "net/trust.h"

enum {
	ANSWER_MAX = 256 * 1024,
	TIMEOUT_MS = 10 * 1000,
	SHOWN_MAX = 200,
};

#define STATUS_HANDLE ((handle)0x70 << 56)

static const struct slice path = SL_INIT("/api/relay/status");

static struct status {
	struct conf conf;
	struct trust trust;
	struct slice tls_host;
	bool securing;
	uint8_t tls_why[SHOWN_MAX];
	struct value_relay to;
	struct arena arena;
	struct resolver resolver;
	struct kernel kernel;
	struct loop loop;
	struct addr addrs[RESOLVE_MAX];
	size_t naddrs, next;            /* to try */
	int fd;                         /* -1: none */
	bool sent;
	uint64_t due_ms;
	uint8_t answer[ANSWER_MAX];
	size_t n;
	struct http_field fields[HTTP_FIELDS_MAX];
	struct slice body;
	const char *why;                /* it failed */
} status;

static void
done(struct status *s, const char *why)
{
	s->why = why;
	loop_stop(&s->loop);
}

static void
dial(struct status *s, const struct io *io)
{
	while (s->next < s->naddrs) {
		s->fd = io->ops->connect(io->ctx, &s->addrs[s->next++],
		    SL(""));
		if (s->fd < 0)
			continue;
		if (io->ops->watch(io->ctx, s->fd, STATUS_HANDLE))
			return;
		io->ops->close(io->ctx, s->fd, true);
	}
	s->fd = -1;
	done(s, s->naddrs == 0 ? "no such host" : "cannot connect");
}

static void
send_request(struct status *s, const struct io *io)
{
	uint8_t area[1024];
	struct buf b = BUF_ON(area);

	http_put_request_line(&b, SL("GET"), path);
	http_put_field(&b, SL("Host"), s->to.authority);
	http_put_field(&b, SL("Accept"), SL("application/json"));
	http_put_field(&b, SL("User-Agent"), SL("adit-status"));
	http_put_field(&b, SL("Connection"), SL("close"));
	http_put_end(&b);
	s->sent = true;
	if (!buf_ok(&b) ||
	    io_write(io, s->fd, buf_slice(&b)) != (int64_t)b.n)
		done(s, "cannot send");
}

/* Is the answer complete? Then it is the end, good or bad. */
static void
look(struct status *s, bool ended)
{
	struct http_scan scan = { 0 };
	struct http_head h = { .fields = s->fields };
	struct slice in = { s->answer, s->n };
	size_t used;
	enum err e = http_response_parse(&h, &scan, HTTP_TO_OTHER, in, &used);

	if (e == E_MORE && !ended)
		return;
	if (e != E_OK) {
		done(s, "the answer is not HTTP");
		return;
	}
	s->body = slice_from(in, used);
	if (h.status != 200)
		done(s, "the answer is not a relay's");
	else if (h.body == HTTP_BODY_CHUNKED)
		done(s, "the answer is not a relay's");
	else if (h.body == HTTP_BODY_LENGTH && s->body.n >= h.length) {
		s->body.n = (size_t)h.length;
		done(s, NULL);
	} else if (ended) {
		done(s, h.body == HTTP_BODY_CLOSE ? NULL :
		    "the answer is cut");
	}
}

static void
receive(struct status *s, const struct io *io)
{
	int64_t n = 1;

	while (n > 0 && !s->loop.stop) {
		if (s->n == sizeof s->answer) {
			done(s, "the answer is too long");
			return;
		}
		n = io_read(io, s->fd, s->answer + s->n,
		    sizeof s->answer - s->n);
		if (n > 0)
			s->n += (size_t)n;
		if (n == IO_FAIL)
			done(s, "the connection broke");
		else if (n != IO_AGAIN)
			look(s, n == IO_EOF);
	}
}

static void
tls_failed(struct status *s, const struct io *io)
{
	struct buf b = buf_of(s->tls_why, sizeof s->tls_why - 1);

	io->ops->why(io->ctx, s->fd, &b);
	s->tls_why[b.n] = '\0';
	done(s, (const char *)s->tls_why);
}

static void
on_event(void *ctx, const struct io *io, const struct io_event *ev)
{
	struct status *s = ctx;
	int r;

	if ((ev->flags & EV_RESOLVED) != 0) {
		s->naddrs = min_size(ev->naddrs, RESOLVE_MAX);
		if (s->naddrs > 0)
			memcpy(s->addrs, ev->addrs,
			    s->naddrs * sizeof s->addrs[0]);
		dial(s, io);
		return;
	}
	if (s->fd < 0 || s->loop.stop)
		return;
	if (!s->sent) {
		r = io->ops->connected(io->ctx, s->fd);
		if (r == IO_AGAIN)
			return;
		if (r == IO_FAIL && s->securing) {
			tls_failed(s, io);
			return;
		}
		if (r == IO_FAIL) {
			io->ops->close(io->ctx, s->fd, true);
			dial(s, io);
			return;
		}
		if (s->to.secure && !s->securing) {
			s->securing = true;
			if (!io->ops->tls(io->ctx, s->fd, s->tls_host))
				done(s, "no room for TLS");
			return;
		}
		send_request(s, io);
	}
	receive(s, io);
}

static uint64_t
on_step(void *ctx, const struct io *io)
{
	struct status *s = ctx;

	if (io->now_ms >= s->due_ms && !s->loop.stop)
		done(s, "no answer within 10 s");
	return s->due_ms;
}

static void
on_signal(void *ctx, const struct io *io, int signo)
{
	(void)ctx;
	(void)io;
	(void)signo;
}

/* ---- what it says ---- */

static void
put_line(struct buf *b, const char *name, struct json v)
{
	uint8_t area[SHOWN_MAX];
	struct buf text = BUF_ON(area);

	if (v.kind == JSON_NONE)
		return;
	buf_put(b, slice_of(name, strlen(name)));
	if (v.kind != JSON_STRING || json_string(v, &text) != E_OK)
		buf_put(&text, slice_head(v.raw, SHOWN_MAX));
	buf_put_escaped(b, buf_slice(&text), SHOWN_MAX);
	buf_lit(b, "\n");
}

static void
put_agents(struct buf *b, struct json agents)
{
	struct json_iter it, apps;
	struct json none, agent, app;

	json_iter(&it, agents);
	while (json_next(&it, &none, &agent)) {
		struct json_field f[] = { { SL("name"), { 0 } },
			{ SL("apps"), { 0 } } };

		if (json_fields(agent, f, 2) != E_OK)
			continue;
		put_line(b, "agent      ", f[0].v);
		json_iter(&apps, f[1].v);
		while (json_next(&apps, &none, &app)) {
			struct json name;

			if (json_get(app, SL("name"), &name) == E_OK)
				put_line(b, "  app      ", name);
		}
	}
}

static int
report(struct status *s, struct slice url)
{
	struct json_field f[] = {
		{ SL("tunnelConnected"), { 0 } }, { SL("uptime"), { 0 } },
		{ SL("version"), { 0 } }, { SL("agents"), { 0 } },
	};
	uint8_t area[16384];
	struct buf b = BUF_ON(area);
	struct json root;
	bool up;

	if (s->why == NULL && (json_parse(s->body, JSON_DEPTH, &root) != E_OK ||
	    json_fields(root, f, 4) != E_OK || json_bool(f[0].v, &up) != E_OK))
		s->why = "the answer is not a relay's";
	if (s->why != NULL)
		return out_fail(EXIT_FAILED, NULL, url, s->why);
	if (conf_is_set(&s->conf, C_JSON)) {
		out_write(STDOUT_FILENO, root.raw);
		out_write(STDOUT_FILENO, SL("\n"));
		return EXIT_STOPPED;
	}
	buf_lit(&b, "relay      ");
	buf_put_escaped(&b, url, SHOWN_MAX);
	buf_put(&b, up ? SL("\nconnected  yes\n") : SL("\nconnected  no\n"));
	put_line(&b, "uptime s   ", f[1].v);
	put_line(&b, "version    ", f[2].v);
	put_agents(&b, f[3].v);
	out_write(STDOUT_FILENO, buf_slice(&b));
	return EXIT_STOPPED;
}

static int
ask(struct status *s, const struct cmd *cmd)
{
	static const struct loop_ops ops = { on_event, on_step, on_signal };
	struct resolve_cfg names = { .workers = 1, .argv = cmd->title };
	struct kernel_cfg cfg = { .fds_max = KERNEL_FDS_OWN + 8,
		.resolver = &s->resolver, .tls_max = s->to.secure ? 1 : 0,
		.tls_out_bytes = TLS_OUT_BYTES, .tls_trust = &s->trust.tls };

	if (!resolver_open(&s->resolver, &names) ||
	    !net_reserve(&s->arena, kernel_bytes(&cfg)) ||
	    kernel_init(&s->kernel, &cfg, &s->arena) != E_OK) {
		s->why = "no memory or no descriptors";
		return EXIT_FAILED;
	}
	loop_init(&s->loop, &s->kernel, NULL);
	s->fd = -1;
	s->due_ms = s->loop.io.now_ms + TIMEOUT_MS;
	if (s->loop.io.ops->resolve(s->loop.io.ctx, s->to.host, s->to.port,
	    STATUS_HANDLE))
		loop_run(&s->loop, &ops, s);
	else
		s->why = "no such host";
	resolver_close(&s->resolver);
	return EXIT_GO_ON;
}

/* As an agent would: pins, or a name and certificate authorities. */
static int
trust_relay(struct status *s)
{
	struct conf *c = &s->conf;
	struct slice ca = conf_text(c, C_CA, SL(""));
	struct tls_trust *t = &s->trust.tls;
	struct addr ip = { 0 };
	char file[1024];
	bool numeric = addr_parse_ip(&ip, s->to.host);

	if (!setup_pins(c, t->pins, &t->npins)) {
		out_error(buf_slice(&c->error));
		return EXIT_USAGE;
	}
	s->tls_host = numeric ? SL("") : s->to.host;
	if (t->npins > 0)
		return EXIT_GO_ON;
	if (numeric)
		return out_fail(EXIT_USAGE, NULL, s->to.host, "an address "
		    "cannot be checked against a certificate: give --pin");
	if (ca.n >= sizeof file)
		return out_fail(EXIT_USAGE, NULL, ca, "name too long");
	memcpy(file, ca.p, ca.n);
	file[ca.n] = '\0';
	if (trust_load(&s->trust, ca.n > 0 ? file : NULL) == E_OK)
		return EXIT_GO_ON;
	return out_fail(EXIT_USAGE, "certificate authorities", ca,
	    s->trust.why);
}

int
status_cmd(const struct cmd *cmd)
{
	struct status *s = &status;
	struct conf *c = &s->conf;
	struct slice url;

	conf_init(c, CONF_STATUS);
	if (!conf_flags(c, cmd->argc, cmd->argv) ||
	    (!conf_is_set(c, C_HELP) && !conf_env(c, cmd->envp))) {
		out_error(buf_slice(&c->error));
		return EXIT_USAGE;
	}
	if (conf_is_set(c, C_HELP)) {
		help_print(CONF_STATUS);
		return EXIT_STOPPED;
	}
	url = conf_text(c, C_RELAY, SL("http://127.0.0.1:4000"));
	(void)value_relay(&s->to, url);
	if (s->to.secure) {
		int code = trust_relay(s);

		if (code != EXIT_GO_ON)
			return code;
	}
	(void)ask(s, cmd);
	return report(s, url);
}
