/*
 * load: every client of the bench. Loopback only.
 *
 *   load MODE PORT [key=value ...]
 *
 *   http    conns= requests in a closed loop, path=, body=N makes it a POST
 *   ws      conns= WebSocket echoes of size= bytes at /ws
 *   first   asks /hello again and again until it is answered well
 *
 *   seconds=F   how long; what is in flight then is finished and counted.
 *               0: until standard input ends, what is in flight is dropped
 *   pace_us=N   start a request (echo) every N us instead of at once; one
 *               that is late because its predecessor was is timed from when
 *               it should have begun, so that a stall is not counted once
 *               when it hurt many
 *   burst=N     ws: N messages in N writes, then wait for all N
 *   split=1     http: head, half of the body, the rest in separate writes
 *   fresh=1     http: a new connection for every request (timed with it)
 *   browser=1   http: the headers that a browser sends
 *   hold=N      http: after N bytes of the answer stop reading for good
 *   warm=0      http: connect after go, without a first answer
 *
 * A conversation on the standard streams lets the script take figures of the
 * measured processes at the right moments:
 *
 *   load   -> ready      all are connected and have had one good answer (with
 *                        hold: have stopped reading; first: nothing yet)
 *   script -> go
 *   load   -> {...}      the result, one line of JSON; all stay connected
 *   script -> (end)      load exits
 *
 * With seconds=idle nothing is done after go; the result says how many are
 * still connected. Any answer that is not the right one ends the program
 * with a line on standard error and status 1. Latencies go into a histogram
 * with 64 steps per power of two (1.6 %), the greatest is kept exactly.
 */
#include "util.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>

enum {
	IN_BYTES = 8 * 1024,
	OUT_BYTES = 32 * 1024,
	EVENTS = 256,
	MESSAGE_BYTES_MAX = 4096,
	CHECK_EVERY = 16,
	STALLED_MS = 8000,      /* nothing at all for so long: give up */
	HIST_SUB = 64,
	HIST_MAX = 40 * HIST_SUB,
	LATE_NS = 35 * 1000000, /* Nagle against delayed ACK costs 40 ms */
};

enum state { ST_CLOSED, ST_HEAD, ST_BODY, ST_UPGRADE, ST_OPEN, ST_HELD };

struct conn {
	int fd;
	enum state state;
	uint32_t armed;
	bool busy;              /* a request or a burst is out */
	bool retired;           /* its part of the run is over */
	bool close_after;
	bool answered_once;     /* on this connection */
	unsigned reads;
	unsigned wait_n;        /* ws: echoes still to come */
	uint64_t began_ns;
	uint64_t due_ns;        /* paced: when the next should begin */
	uint64_t left, pos;     /* of the answer's body */
	uint64_t up_left, up_pos;
	uint64_t taken;         /* hold: bytes read so far */
	size_t in_n;
	uint8_t in[IN_BYTES];
};

static struct {
	bool ws, fresh, split, idle, cold, measuring, ending;
	uint16_t port;
	unsigned conns, burst;
	uint64_t seconds_ns, pace_ns, body, hold;
	size_t size;
	const char *path;
} conf = { .conns = 1, .burst = 1, .size = 32, .path = "/hello" };

static int ep, timer_fd = NO_FD;
static struct conn *conns;
static uint64_t deadline_ns;
static unsigned active;
static uint8_t area[READ_BYTES];

static uint8_t out[OUT_BYTES];          /* the request, or one ws frame */
static size_t out_n, head_n, out_whole; /* out_n: all of it that is one send */
static uint8_t message[MESSAGE_BYTES_MAX];

/* ---- result ---- */

static uint64_t hist[HIST_MAX], done_n, done_bytes, reconnects;
static uint64_t longest_ns, late_n, sum_ns;

static size_t hist_slot(uint64_t ns)
{
	unsigned shift = 0;

	while (ns >> shift >= 2 * HIST_SUB)
		shift++;
	return (size_t)shift * HIST_SUB + (size_t)(ns >> shift);
}

static double hist_us(size_t slot)
{
	unsigned shift = slot < 2 * HIST_SUB ? 0 :
	    (unsigned)(slot / HIST_SUB) - 1;
	uint64_t ns = (uint64_t)(slot - (size_t)shift * HIST_SUB) << shift;

	return ((double)ns + (double)(1ull << shift) / 2) / 1000.0;
}

static double percentile_us(double part)
{
	uint64_t need = (uint64_t)((double)done_n * part + 0.999999), seen = 0;

	for (size_t i = 0; i < HIST_MAX; i++) {
		seen += hist[i];
		if (hist[i] > 0 && seen >= need)
			return hist_us(i);
	}
	return 0;
}

static void count(uint64_t ns, uint64_t bytes)
{
	size_t slot = hist_slot(ns);

	hist[slot < HIST_MAX ? slot : HIST_MAX - 1]++;
	done_n++;
	done_bytes += bytes;
	sum_ns += ns;
	if (ns > longest_ns)
		longest_ns = ns;
	if (ns >= LATE_NS)
		late_n++;
}

static void print_result(uint64_t elapsed_ns)
{
	printf("{\"count\":%llu,\"bytes\":%llu,\"seconds\":%.6f,"
	    "\"mean_us\":%.2f,\"p50_us\":%.2f,\"p99_us\":%.2f,"
	    "\"p999_us\":%.2f,\"max_us\":%.2f,\"late\":%llu,"
	    "\"reconnects\":%llu}\n",
	    (unsigned long long)done_n, (unsigned long long)done_bytes,
	    (double)elapsed_ns / 1e9,
	    done_n > 0 ? (double)sum_ns / (double)done_n / 1000.0 : 0.0,
	    percentile_us(0.5), percentile_us(0.99), percentile_us(0.999),
	    (double)longest_ns / 1000.0, (unsigned long long)late_n,
	    (unsigned long long)reconnects);
	fflush(stdout);
}

/* ---- requests ---- */

static const char browser_headers[] =
    "Connection: keep-alive\r\n"
    "sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n"
    "Accept: application/json, text/plain, */*\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: cors\r\n"
    "Sec-Fetch-Dest: empty\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: theme=dark; sid=s%3AJ7hT0aRkq9w3ZyXn4bVd5mLc2PfE6gUi\r\n";
static const char plain_headers[] =
    "User-Agent: adit-bench\r\nAccept: */*\r\n";

static void prepare(bool browser)
{
	const char *method = conf.body > 0 ? "POST" : "GET";
	const char *extra = browser ? browser_headers : plain_headers;
	char length[96] = "";
	int k;

	if (conf.body > 0)
		snprintf(length, sizeof length, "Content-Type: "
		    "application/octet-stream\r\nContent-Length: %llu\r\n",
		    (unsigned long long)conf.body);
	k = snprintf((char *)out, sizeof out,
	    "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s%s\r\n",
	    method, conf.path, conf.port, length, extra);
	if (k < 0 || k >= 4096)
		DIE("head too long");
	head_n = out_n = (size_t)k;
	/* a small body travels with the head; a long one streams after it */
	if (conf.body > 0 && conf.body <= OUT_BYTES - 4096) {
		memcpy(out + head_n, pattern_area, conf.body);
		out_n += conf.body;
	}
	out_whole = out_n;
}

static void prepare_ws(void)
{
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	size_t n = 0;

	for (size_t i = 0; i < conf.size; i++)
		message[i] = (uint8_t)('a' + i % 26);
	out[n++] = 0x81;
	if (conf.size < 126) {
		out[n++] = 0x80 | (uint8_t)conf.size;
	} else {
		out[n++] = 0x80 | 126;
		out[n++] = (uint8_t)(conf.size >> 8);
		out[n++] = (uint8_t)conf.size;
	}
	memcpy(out + n, mask, 4);
	n += 4;
	for (size_t i = 0; i < conf.size; i++)
		out[n++] = message[i] ^ mask[i & 3];
	out_whole = out_n = n;
}

/* ---- connections ---- */

static void conn_arm(struct conn *c, uint32_t want)
{
	if (c->fd != NO_FD && want != c->armed) {
		epoll_set(ep, EPOLL_CTL_MOD, c->fd, want, c);
		c->armed = want;
	}
}

static void conn_close(struct conn *c)
{
	if (c->fd != NO_FD)
		close(c->fd);
	c->fd = NO_FD;
	c->state = ST_CLOSED;
}

static void conn_open(struct conn *c)
{
	c->fd = connect_loopback(conf.port);
	if (c->fd == NO_FD)
		DIE("connect: %s", strerror(errno));
	c->armed = EPOLLIN;
	c->in_n = 0;
	c->close_after = c->answered_once = false;
	epoll_set(ep, EPOLL_CTL_ADD, c->fd, EPOLLIN, c);
}

static void put(struct conn *c, const uint8_t *p, size_t n)
{
	if (send(c->fd, p, n, MSG_NOSIGNAL) != (ssize_t)n &&
	    errno != EPIPE && errno != ECONNRESET)
		DIE("a short write of a small request");
	/* a closed connection shows when it is read, and is opened again */
}

static void put_message(struct conn *c)
{
	size_t half = head_n + (out_n - head_n) / 2;

	if (!conf.split || conf.ws) {
		put(c, out, out_whole);
		return;
	}
	put(c, out, head_n);
	if (out_n > head_n) {
		put(c, out + head_n, half - head_n);
		put(c, out + half, out_n - half);
	}
}

static void upload_more(struct conn *c)
{
	while (c->up_left > 0) {
		size_t n;
		const uint8_t *p = pattern_at(c->up_pos, c->up_left, &n);
		ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);

		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (k < 0)
			DIE("upload: %s", strerror(errno));
		c->up_left -= (uint64_t)k;
		c->up_pos += (uint64_t)k;
		if ((size_t)k < n)
			break;
	}
	conn_arm(c, c->up_left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void transmit(struct conn *c)
{
	c->state = ST_HEAD;
	c->pos = 0;
	put_message(c);
	if (out_n == head_n && conf.body > 0) {
		c->up_left = conf.body;
		c->up_pos = 0;
		upload_more(c);
	}
}

static void begin(struct conn *c)
{
	uint64_t now = now_ns();

	c->began_ns = now;
	if (conf.measuring && conf.pace_ns > 0) {
		/* late because the one before was: timed from its due time */
		if (now - c->due_ns > conf.pace_ns)
			c->began_ns = c->due_ns;
		c->due_ns += conf.pace_ns;
	}
	c->busy = true;
	if (conf.ws) {
		c->wait_n = conf.burst;
		for (unsigned i = 0; i < conf.burst; i++)
			put_message(c);
		return;
	}
	if (conf.fresh && c->fd != NO_FD)
		conn_close(c);
	if (c->fd == NO_FD)
		conn_open(c);
	transmit(c);
}

static void next(struct conn *c)
{
	if (conf.ending || (deadline_ns > 0 && now_ns() >= deadline_ns)) {
		c->retired = true;
		active--;
		return;
	}
	if (conf.pace_ns > 0 && c->due_ns > now_ns())
		return;         /* the timer will begin it */
	begin(c);
}

static void finish(struct conn *c, uint64_t bytes)
{
	c->busy = false;
	c->answered_once = true;
	if (!conf.ws && c->in_n > 0)
		DIE("bytes behind the end of an answer");
	if (c->close_after)
		conn_close(c);
	if (!conf.measuring) {
		active--;
		return;
	}
	count(now_ns() - c->began_ns, bytes);
	next(c);
}

/* again: the far side closed a kept connection before it answered. */
static void again(struct conn *c)
{
	if (!c->answered_once || c->in_n > 0 || conf.ws)
		DIE("the connection was closed before its answer");
	conn_close(c);
	reconnects++;
	if (!c->busy)
		return;
	conn_open(c);
	transmit(c);
}

/* ---- answers ---- */

static const char *header(const char *head, size_t n, const char *name)
{
	size_t k = strlen(name);
	const char *p = head, *stop = head + n;

	while ((p = memchr(p, '\n', (size_t)(stop - p))) != NULL) {
		p++;
		if ((size_t)(stop - p) < k + 1)
			return NULL;
		if (strncasecmp(p, name, k) == 0 && p[k] == ':') {
			for (p += k + 1; *p == ' '; p++)
				;
			return p;
		}
	}
	return NULL;
}

static void take_body(struct conn *c, const uint8_t *p, size_t n)
{
	if (n > c->left)
		DIE("more body than was promised");
	if (p != NULL && strncmp(conf.path, "/hello", 6) != 0 &&
	    conf.body == 0 && !pattern_holds(p, n, c->pos))
		DIE("wrong bytes in an answer near offset %llu",
		    (unsigned long long)c->pos);
	c->pos += n;
	c->left -= n;
	c->taken += n;
}

static void held_or_finished(struct conn *c)
{
	if (conf.hold > 0 && c->taken >= conf.hold) {
		c->state = ST_HELD;
		conn_arm(c, 0);
		active--;
	} else if (c->left == 0) {
		finish(c, conf.body > 0 ? conf.body : c->pos);
	}
}

static void take_head(struct conn *c)
{
	uint8_t *end = memmem(c->in, c->in_n, "\r\n\r\n", 4);
	const char *head = (const char *)c->in, *v;
	size_t n, rest;

	if (end == NULL) {
		if (c->in_n == IN_BYTES)
			DIE("an answer's head beyond 8 KiB");
		return;
	}
	n = (size_t)(end - c->in) + 4;
	rest = c->in_n - n;
	if (strncmp(head, "HTTP/1.1 200 ", 13) != 0)
		DIE("answer: %.*s",
		    (int)strcspn(head, "\r\n"), head);
	v = header(head, n, "Content-Length");
	if (v == NULL)
		DIE("an answer without Content-Length");
	c->left = strtoull(v, NULL, 10);
	c->pos = 0;
	if (conf.body == 0 && strncmp(conf.path, "/hello", 6) == 0 &&
	    (c->left != 6 || (rest == 6 && memcmp(end + 4, "hello\n", 6) != 0)))
		DIE("not the app's answer");
	v = header(head, n, "Connection");
	c->close_after = v != NULL && strncasecmp(v, "close", 5) == 0;
	if (c->up_left > 0)
		DIE("an answer before the upload's end");
	c->state = ST_BODY;
	take_body(c, c->in + n, rest);
	c->in_n = 0;
	held_or_finished(c);
}

static void take_upgrade(struct conn *c)
{
	static const char accept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
	uint8_t *end = memmem(c->in, c->in_n, "\r\n\r\n", 4);
	const char *head = (const char *)c->in, *v;
	size_t n;

	if (end == NULL)
		return;
	n = (size_t)(end - c->in) + 4;
	v = header(head, n, "Sec-WebSocket-Accept");
	if (strncmp(head, "HTTP/1.1 101 ", 13) != 0 || v == NULL ||
	    strncmp(v, accept, sizeof accept - 1) != 0)
		DIE("upgrade: %.*s", (int)strcspn(head, "\r\n"), head);
	if (c->in_n != n)
		DIE("bytes behind the upgrade");
	c->in_n = 0;
	c->state = ST_OPEN;
	begin(c);               /* the first echo makes it ready */
}

static void take_frames(struct conn *c)
{
	size_t at = 0;

	for (;;) {
		const uint8_t *p = c->in + at;
		size_t n = c->in_n - at, head = 2, len;

		if (n < 2)
			break;
		len = p[1];
		if (len == 126) {
			if (n < 4)
				break;
			len = (size_t)p[2] << 8 | p[3];
			head = 4;
		}
		if (len > MESSAGE_BYTES_MAX)
			DIE("a frame that nobody sent");
		if (n < head + len)
			break;
		at += head + len;
		if (p[0] == 0x89 || p[0] == 0x8a)
			continue;
		if (p[0] != 0x81 || len != conf.size || c->wait_n == 0 ||
		    memcmp(p + head, message, len) != 0)
			DIE("not the echo that was due (first byte %02x)",
			    p[0]);
		c->wait_n--;
	}
	if (at > 0 && at < c->in_n)
		memmove(c->in, c->in + at, c->in_n - at);
	c->in_n -= at;
	if (c->busy && c->wait_n == 0)
		finish(c, 2 * (uint64_t)conf.size * conf.burst);
}

static void read_body(struct conn *c)
{
	bool real = c->reads++ % CHECK_EVERY == 0;
	uint64_t most = c->left;
	ssize_t n;

	if (conf.hold > 0 && conf.hold - c->taken < most)
		most = conf.hold - c->taken;
	if (most > READ_BYTES)
		most = READ_BYTES;
	n = recv(c->fd, area, (size_t)most, real ? 0 : MSG_TRUNC);
	if (n > 0) {
		take_body(c, real ? area : NULL, (size_t)n);
		held_or_finished(c);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		DIE("an answer broke off with %llu bytes missing",
		    (unsigned long long)c->left);
	}
}

static void conn_event(struct conn *c, uint32_t events)
{
	ssize_t n;

	if (c->fd == NO_FD || c->state == ST_HELD)
		return;
	if ((events & EPOLLOUT) && c->up_left > 0)
		upload_more(c);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (c->state == ST_BODY) {
		read_body(c);
		return;
	}
	n = recv(c->fd, c->in + c->in_n, IN_BYTES - c->in_n, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		again(c);
		return;
	}
	c->in_n += (size_t)n;
	if (c->state == ST_HEAD && c->busy)
		take_head(c);
	else if (c->state == ST_UPGRADE)
		take_upgrade(c);
	else if (c->state == ST_OPEN)
		take_frames(c);
	else
		DIE("bytes that nobody asked for");
}

/* ---- the run ---- */

static int timer_mark, stdin_mark;

static void timer_tick(void)
{
	uint64_t ticks, now;

	if (read(timer_fd, &ticks, sizeof ticks) != sizeof ticks)
		return;
	now = now_ns();
	for (unsigned i = 0; i < conf.conns; i++) {
		struct conn *c = &conns[i];

		if (!c->busy && !c->retired && c->due_ns <= now)
			next(c);
	}
}

/* spin: serve events until nobody is active, or standard input ended. */
static void spin(void)
{
	struct epoll_event evs[EVENTS];
	uint64_t quiet_since = now_ns();

	while (active > 0 && !conf.ending) {
		int n = epoll_wait(ep, evs, EVENTS, 1000);

		if (n > 0)
			quiet_since = now_ns();
		else if (now_ns() - quiet_since > STALLED_MS * 1000000ull)
			DIE("no progress for %d ms", STALLED_MS);
		for (int i = 0; i < n; i++) {
			void *p = evs[i].data.ptr;

			if (p == &stdin_mark)
				conf.ending = true;
			else if (p == &timer_mark)
				timer_tick();
			else
				conn_event(p, evs[i].events);
		}
	}
}

static void say_ready(void)
{
	char line[16];

	printf("ready\n");
	fflush(stdout);
	if (fgets(line, sizeof line, stdin) == NULL)
		exit(0);
}

static void wait_end(void)
{
	char line[16];

	while (fgets(line, sizeof line, stdin) != NULL)
		;
}

/* One at a time, as a patient visitor would: nothing is to be measured yet. */
static void warm(void)
{
	char up[256];
	int k = snprintf(up, sizeof up, "GET /ws HTTP/1.1\r\n"
	    "Host: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", conf.port);

	for (unsigned i = 0; i < conf.conns; i++) {
		struct conn *c = &conns[i];

		c->fd = NO_FD;
		if (conf.cold)
			continue;
		active = 1;
		if (conf.ws) {
			conn_open(c);
			c->state = ST_UPGRADE;
			put(c, (uint8_t *)up, (size_t)k);
		} else {
			begin(c);
		}
		spin();
	}
}

static void start_clock(void)
{
	struct itimerspec t = { .it_interval = {
	    (time_t)(conf.pace_ns / 1000000000u),
	    (long)(conf.pace_ns % 1000000000u) } };
	uint64_t now = now_ns();

	if (conf.pace_ns == 0)
		return;
	t.it_value = t.it_interval;
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer_fd < 0 || timerfd_settime(timer_fd, 0, &t, NULL) < 0)
		DIE("timerfd: %s", strerror(errno));
	epoll_set(ep, EPOLL_CTL_ADD, timer_fd, EPOLLIN, &timer_mark);
	for (unsigned i = 0; i < conf.conns; i++)
		conns[i].due_ns = now;
}

static void run(void)
{
	uint64_t start_ns;

	if (conf.seconds_ns == 0)
		epoll_set(ep, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN,
		    &stdin_mark);
	start_ns = now_ns();
	if (conf.seconds_ns > 0)
		deadline_ns = start_ns + conf.seconds_ns;
	conf.measuring = true;
	reconnects = 0;
	active = conf.conns;
	start_clock();
	for (unsigned i = 0; i < conf.conns; i++)
		next(&conns[i]);
	spin();
	if (conf.seconds_ns == 0) {
		for (unsigned i = 0; i < conf.conns; i++)
			done_bytes += conns[i].pos;
	}
	print_result(now_ns() - start_ns);
}

static void still_connected(void)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < conf.conns; i++) {
		struct pollfd p = { .fd = conns[i].fd, .events = POLLRDHUP };

		if (conns[i].fd != NO_FD && poll(&p, 1, 0) == 0)
			alive++;
	}
	printf("{\"alive\":%u}\n", alive);
	fflush(stdout);
}

/* try_hello: one whole exchange on a connection of its own. */
static bool try_hello(void)
{
	char in[4096];
	size_t n = 0;
	bool good = false;
	struct timeval limit = { .tv_sec = 5 };
	int fd = connect_loopback(conf.port);

	if (fd == NO_FD)
		return false;
	fcntl(fd, F_SETFL, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (send(fd, out, out_n, MSG_NOSIGNAL) == (ssize_t)out_n) {
		while (!good && n < sizeof in) {
			ssize_t k = recv(fd, in + n, sizeof in - n, 0);

			if (k <= 0)
				break;
			n += (size_t)k;
			good = n > 13 &&
			    memcmp(in, "HTTP/1.1 200 ", 13) == 0 &&
			    memmem(in, n, "\r\n\r\nhello\n", 10) != NULL;
			if (!good && n > 13 &&
			    memcmp(in, "HTTP/1.1 200 ", 13) != 0)
				break;
		}
	}
	close(fd);
	return good;
}

static void first(void)
{
	struct timespec nap = { .tv_nsec = 1000000 };
	unsigned tries = 1;
	uint64_t stop_ns;

	say_ready();
	stop_ns = now_ns() + 30000000000ull;
	while (!try_hello()) {
		if (now_ns() > stop_ns)
			DIE("no good answer within 30 s");
		nanosleep(&nap, NULL);
		tries++;
	}
	printf("{\"at_ns\":%llu,\"tries\":%u}\n",
	    (unsigned long long)now_ns(), tries);
	fflush(stdout);
	wait_end();
}

static bool setting(const char *arg, const char *key, const char **v)
{
	size_t k = strlen(key);

	if (strncmp(arg, key, k) != 0 || arg[k] != '=')
		return false;
	*v = arg + k + 1;
	return true;
}

static void parse(const char *arg, bool *browser)
{
	const char *v;

	if (setting(arg, "conns", &v))
		conf.conns = (unsigned)arg_number(v, 100000);
	else if (setting(arg, "path", &v))
		conf.path = v;
	else if (setting(arg, "body", &v))
		conf.body = arg_number(v, 1ul << 40);
	else if (setting(arg, "size", &v))
		conf.size = arg_number(v, MESSAGE_BYTES_MAX);
	else if (setting(arg, "burst", &v))
		conf.burst = (unsigned)arg_number(v, 1000);
	else if (setting(arg, "pace_us", &v))
		conf.pace_ns = arg_number(v, 1000000) * 1000;
	else if (setting(arg, "hold", &v))
		conf.hold = arg_number(v, 1ul << 40);
	else if (setting(arg, "split", &v))
		conf.split = arg_number(v, 1) != 0;
	else if (setting(arg, "fresh", &v))
		conf.fresh = arg_number(v, 1) != 0;
	else if (setting(arg, "warm", &v))
		conf.cold = arg_number(v, 1) == 0;
	else if (setting(arg, "browser", &v))
		*browser = arg_number(v, 1) != 0;
	else if (setting(arg, "seconds", &v) && strcmp(v, "idle") == 0)
		conf.idle = true;
	else if (setting(arg, "seconds", &v))
		conf.seconds_ns = (uint64_t)(strtod(v, NULL) * 1e9);
	else
		DIE("what is %s?", arg);
}

int main(int argc, char **argv)
{
	bool browser = false;

	prog = "load";
	if (argc < 3)
		DIE("usage: load http|ws|first PORT [key=value ...]");
	conf.ws = strcmp(argv[1], "ws") == 0;
	conf.port = (uint16_t)arg_number(argv[2], 65535);
	for (int i = 3; i < argc; i++)
		parse(argv[i], &browser);
	prctl(PR_SET_TIMERSLACK, 1);
	pattern_init();
	if (conf.ws)
		prepare_ws();
	else
		prepare(browser);
	if (strcmp(argv[1], "first") == 0) {
		first();
		return 0;
	}
	ep = epoll_make();
	conns = calloc(conf.conns, sizeof *conns);
	if (conns == NULL)
		DIE("out of memory");
	warm();
	say_ready();
	if (conf.idle)
		still_connected();
	else
		run();
	wait_end();
	return 0;
}
