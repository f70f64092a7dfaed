/*
 * A GET in steps: look the name up, connect, speak TLS, ask, read until the
 * answer is whole. An address that refuses is followed by the next one; what
 * goes wrong after a connection stands is an answer by itself.
 */
#include "app/fetch.h"

#include <string.h>

#include "app/help.h"
#include "app/out.h"
#include "app/setup.h"
#include "base/num.h"
#include "net/memory.h"

enum { REQUEST_MAX = 2048 };

#define FETCH_HANDLE ((handle)0x70 << 56)

static void
done(struct fetch *f, const char *why)
{
	f->why = why;
	loop_stop(&f->loop);
}

static void
dial(struct fetch *f, const struct io *io)
{
	while (f->next < f->last && f->next < f->naddrs) {
		f->fd = io->ops->connect(io->ctx, &f->addrs[f->next++],
		    SL(""));
		if (f->fd < 0)
			continue;
		if (io->ops->watch(io->ctx, f->fd, FETCH_HANDLE))
			return;
		io->ops->close(io->ctx, f->fd, true);
	}
	f->fd = -1;
	done(f, f->naddrs == 0 ? "no such host" : "cannot connect");
}

/* Is the answer complete? Then it is the end, good or bad. */
static void
look(struct fetch *f, bool ended)
{
	struct http_scan scan = { 0 };
	struct slice in = { f->answer, f->n };
	size_t used;
	enum err e;

	f->head = (struct http_head){ .fields = f->fields };
	e = http_response_parse(&f->head, &scan, HTTP_TO_OTHER, in, &used);
	if (e == E_MORE && !ended)
		return;
	if (e != E_OK) {
		done(f, "the answer is not HTTP");
		return;
	}
	f->step = FETCH_ANSWERED;
	f->body = slice_from(in, used);
	switch (f->head.body) {
	case HTTP_BODY_CHUNKED:         /* ours never are: only its head */
		f->body.n = 0;
		done(f, NULL);
		break;
	case HTTP_BODY_CLOSE:
		if (ended)
			done(f, NULL);
		break;
	default:
		if (f->body.n >= f->head.length) {
			f->body.n = (size_t)f->head.length;
			done(f, NULL);
		} else if (ended) {
			done(f, "the answer is cut");
		}
	}
}

static void
receive(struct fetch *f, const struct io *io)
{
	int64_t n = 1;

	while (n > 0 && !f->loop.stop) {
		if (f->n == sizeof f->answer) {
			done(f, "the answer is too long");
			return;
		}
		n = io_read(io, f->fd, f->answer + f->n,
		    sizeof f->answer - f->n);
		if (n > 0)
			f->n += (size_t)n;
		if (n == IO_FAIL)
			done(f, "the connection broke");
		else if (n != IO_AGAIN)
			look(f, n == IO_EOF);
	}
}

static void
tls_failed(struct fetch *f, const struct io *io)
{
	struct buf b = buf_of(f->tls_why, sizeof f->tls_why - 1);

	io->ops->why(io->ctx, f->fd, &b);
	f->tls_why[b.n] = '\0';
	done(f, (const char *)f->tls_why);
}

/* The connection's state is decided, or not yet. True: it is ready to send. */
static bool
ready(struct fetch *f, const struct io *io)
{
	int r = io->ops->connected(io->ctx, f->fd);

	if (r == IO_AGAIN)
		return false;
	if (r < 0) {
		if (f->securing) {
			tls_failed(f, io);
			return false;
		}
		io->ops->close(io->ctx, f->fd, true);
		dial(f, io);
		return false;
	}
	f->step = f->securing ? FETCH_SECURED : FETCH_CONNECTED;
	if (!f->to.secure || f->securing)
		return true;
	f->securing = true;
	if (!io->ops->tls(io->ctx, f->fd, f->tls_host))
		done(f, "no room for TLS");
	return false;
}

static void
on_event(void *ctx, const struct io *io, const struct io_event *ev)
{
	struct fetch *f = ctx;

	if ((ev->flags & EV_RESOLVED) != 0) {
		f->naddrs = min_size(ev->naddrs, RESOLVE_MAX);
		if (f->naddrs > 0) {
			memcpy(f->addrs, ev->addrs,
			    f->naddrs * sizeof f->addrs[0]);
			f->step = FETCH_RESOLVED;
		}
		dial(f, io);
		return;
	}
	if (f->fd < 0 || f->loop.stop)
		return;
	if (!f->sent) {
		if (!ready(f, io))
			return;
		f->sent = true;
		if (io_write(io, f->fd, f->request) != (int64_t)f->request.n) {
			done(f, "cannot send");
			return;
		}
	}
	receive(f, io);
}

static uint64_t
on_step(void *ctx, const struct io *io)
{
	struct fetch *f = ctx;

	if (io->now_ms >= f->due_ms && !f->loop.stop)
		done(f, "no answer within 10 s");
	return f->due_ms;
}

static void
on_signal(void *ctx, const struct io *io, int signo)
{
	(void)io;
	(void)signo;
	done(ctx, "interrupted");
}

void
fetch_get(struct fetch *f, struct slice path, struct slice extra, size_t from,
    size_t to)
{
	static const struct loop_ops ops = { on_event, on_step, on_signal };
	uint8_t area[REQUEST_MAX];
	struct buf b = BUF_ON(area);
	const struct io *io = &f->loop.io;

	buf_lit(&b, "GET ");
	buf_put(&b, f->to.prefix);
	buf_put(&b, path);
	buf_lit(&b, " HTTP/1.1\r\n");
	http_put_field(&b, SL("Host"), f->to.authority);
	http_put_field(&b, SL("User-Agent"), SL("adit"));
	buf_put(&b, extra);
	http_put_end(&b);
	f->request = buf_slice(&b);
	f->step = f->naddrs > 0 ? FETCH_RESOLVED : FETCH_NOTHING;
	f->why = NULL;
	f->n = 0;
	f->body = (struct slice){ NULL, 0 };
	f->securing = f->sent = false;
	f->fd = -1;
	f->next = from;
	f->last = to;
	f->loop.stop = false;
	f->loop.due_ms = 0;
	f->due_ms = io->now_ms + FETCH_TIMEOUT_MS;
	if (!buf_ok(&b))
		done(f, "the request is too long");
	else if (f->naddrs > 0)
		dial(f, io);
	else if (!io->ops->resolve(io->ctx, f->to.host, f->to.port,
	    FETCH_HANDLE))
		done(f, "no such host");
	loop_run(&f->loop, &ops, f);
	if (f->fd >= 0)
		io->ops->close(io->ctx, f->fd, true);
	f->fd = -1;
	f->request = SL("");
	wipe(area, sizeof area);
}

/* As an agent would: pins, or a name and certificate authorities. */
static int
trust_relay(struct fetch *f, struct conf *c)
{
	struct slice ca = conf_text(c, C_CA, SL(""));
	struct tls_trust *t = &f->trust.tls;
	struct addr ip = { 0 };
	bool numeric = addr_parse_ip(&ip, f->to.host);

	if (!setup_pins(c, t->pins, &t->npins)) {
		out_error(buf_slice(&c->error));
		return EXIT_USAGE;
	}
	f->tls_host = numeric ? SL("") : f->to.host;
	if (t->npins > 0)
		return EXIT_GO_ON;
	if (numeric)
		return out_fail(EXIT_USAGE, NULL, f->to.host, "an address "
		    "cannot be checked against a certificate: give --pin");
	if (trust_load(&f->trust, ca) == E_OK)
		return EXIT_GO_ON;
	return out_fail(EXIT_USAGE, "certificate authorities", ca,
	    f->trust.why);
}

static int
settings(struct conf *c, enum conf_role role, const struct cmd *cmd)
{
	conf_init(c, role);
	if (!conf_flags(c, cmd->argc, cmd->argv) ||
	    (!conf_is_set(c, C_HELP) && !conf_env(c, cmd->envp))) {
		out_error(buf_slice(&c->error));
		return EXIT_USAGE;
	}
	if (!conf_is_set(c, C_HELP))
		return EXIT_GO_ON;
	help_print(role);
	return EXIT_STOPPED;
}

int
fetch_open(struct fetch *f, struct conf *c, enum conf_role role,
    const struct cmd *cmd)
{
	int code = settings(c, role, cmd);
	struct resolve_cfg names = { .workers = 1, .argv = cmd->title };
	struct kernel_cfg cfg = { .fds_max = KERNEL_FDS_OWN + 8,
		.resolver = &f->resolver, .tls_out_bytes = TLS_OUT_BYTES,
		.tls_trust = &f->trust.tls };

	if (code != EXIT_GO_ON)
		return code;
	(void)value_relay(&f->to, conf_text(c, C_RELAY,
	    SL("http://127.0.0.1:4000")));
	if (f->to.secure)
		code = trust_relay(f, c);
	if (code != EXIT_GO_ON)
		return code;
	cfg.tls_max = f->to.secure ? 1 : 0;
	if (!resolver_open(&f->resolver, &names) ||
	    !net_reserve(&f->arena, kernel_bytes(&cfg)) ||
	    kernel_init(&f->kernel, &cfg, &f->arena) != E_OK)
		return out_fail(EXIT_FAILED, NULL, SL("no memory or no "
		    "descriptors"), NULL);
	loop_init(&f->loop, &f->kernel, NULL);
	return EXIT_GO_ON;
}

void
fetch_close(struct fetch *f)
{
	resolver_close(&f->resolver);
}
