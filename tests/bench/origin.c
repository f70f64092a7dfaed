/*
 * origin: the app behind whatever is measured. Fast and dumb on purpose, so
 * that it is not what the figures show. Loopback only; serves until standard
 * input ends.
 *
 *   origin [LISTEN_PORT]
 *
 *   GET  /hello     "hello\n"
 *   GET  /bytes/N   N bytes of the pattern
 *   GET  /split/N   the same (N up to 16384) in three separate writes: head,
 *                   half, rest. A hop that leaves Nagle's algorithm on waits
 *                   40 ms here.
 *   POST anything   reads a body of Content-Length, checks its pattern,
 *                   answers "ok\n", or 500 if a byte was wrong
 *   GET  /ws        upgrade; WebSocket echo of messages up to 4 KiB
 *
 * One thread, epoll, level triggered. At most 256 KiB for one socket per
 * turn, so that a long download does not hold up a small answer by much.
 * Bodies are read with MSG_TRUNC (the kernel drops the bytes instead of
 * copying them) and every sixteenth read is a real one and checked. Requests
 * come from our own client, through a proxy or not: what is not understood
 * closes the connection with a line on standard error.
 */
#include "util.h"

#include <sys/uio.h>

enum {
	IN_BYTES = 16 * 1024,
	EVENTS = 256,
	MESSAGE_BYTES_MAX = 4096,
	SPLIT_BYTES_MAX = 16384,
	CHECK_EVERY = 16,
};

enum state { ST_HEAD, ST_SINK, ST_SEND, ST_WS };

struct conn {
	int fd;
	enum state state;
	uint32_t armed;
	bool dead, close_after, wrong;
	unsigned reads;
	uint64_t left, pos;     /* of the body coming in or going out */
	size_t in_n;
	uint8_t *in;            /* IN_BYTES */
	struct conn *next_dead;
};

static int ep;
static struct conn *dead_list;
static uint8_t area[READ_BYTES];

/* ---- SHA-1 and base64, for Sec-WebSocket-Accept (RFC 6455 4.2.2) ---- */

static uint32_t rol(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void sha1_block(uint32_t h[5], const uint8_t *p)
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
		    (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (int i = 0; i < 80; i++) {
		uint32_t f, k, t;

		if (i < 20) {
			f = (b & c) | (~b & d);
			k = 0x5a827999;
		} else if (i < 40) {
			f = b ^ c ^ d;
			k = 0x6ed9eba1;
		} else if (i < 60) {
			f = (b & c) | (b & d) | (c & d);
			k = 0x8f1bbcdc;
		} else {
			f = b ^ c ^ d;
			k = 0xca62c1d6;
		}
		t = rol(a, 5) + f + e + k + w[i];
		e = d;
		d = c;
		c = rol(b, 30);
		b = a;
		a = t;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

/* accept_value: of a 24-byte key; key and GUID are 60 bytes: two blocks. */
static void accept_value(const char *key, char out[29])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
		0xc3d2e1f0 };
	uint8_t m[128] = { 0 }, d[21] = { 0 };

	memcpy(m, key, 24);
	memcpy(m + 24, guid, 36);
	m[60] = 0x80;
	m[126] = 60 * 8 >> 8;
	m[127] = (60 * 8) & 255;
	sha1_block(h, m);
	sha1_block(h, m + 64);
	for (int i = 0; i < 20; i++)
		d[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
	for (int i = 0; i < 7; i++) {
		uint32_t v = (uint32_t)d[3 * i] << 16 |
		    (uint32_t)d[3 * i + 1] << 8 | d[3 * i + 2];

		for (int j = 0; j < 4; j++)
			out[4 * i + j] = digits[v >> (18 - 6 * j) & 63];
	}
	out[27] = '=';
	out[28] = '\0';
}

/* ---- connections ---- */

static void conn_kill(struct conn *c, const char *why)
{
	if (c->dead)
		return;
	if (why != NULL)
		fprintf(stderr, "origin: %s\n", why);
	c->dead = true;
	close(c->fd);
	free(c->in);
	c->next_dead = dead_list;
	dead_list = c;
}

static void conn_arm(struct conn *c)
{
	uint32_t want = c->state == ST_SEND ? EPOLLOUT : EPOLLIN;

	if (want != c->armed) {
		epoll_set(ep, EPOLL_CTL_MOD, c->fd, want, c);
		c->armed = want;
	}
}

/* Small answers fit an empty socket: a short write is a fault of the bench. */
static void say(struct conn *c, const void *p, size_t n)
{
	if (send(c->fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
		conn_kill(c, errno == EPIPE || errno == ECONNRESET
		    ? NULL : "short write of a small answer");
}

static void answered(struct conn *c)
{
	c->state = ST_HEAD;
	if (c->close_after)
		conn_kill(c, NULL);
}

/* header: the value of a header in head[0..n), or NULL; *vn its length. */
static const char *header(const char *head, size_t n, const char *name,
    size_t *vn)
{
	size_t k = strlen(name);
	const char *p = head, *stop = head + n;

	while ((p = memchr(p, '\n', (size_t)(stop - p))) != NULL) {
		const char *v, *end;

		p++;
		if ((size_t)(stop - p) < k + 1)
			return NULL;
		if (strncasecmp(p, name, k) != 0 || p[k] != ':')
			continue;
		v = p + k + 1;
		end = memchr(v, '\r', (size_t)(stop - v));
		while (v < end && *v == ' ')
			v++;
		*vn = (size_t)(end - v);
		return v;
	}
	return NULL;
}

static bool number(const char *p, size_t n, uint64_t *out)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < n && i < 15 && p[i] >= '0' && p[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(p[i] - '0');
	*out = v;
	return i > 0;
}

static void send_more(struct conn *c)
{
	size_t n;
	const uint8_t *p = pattern_at(c->pos, c->left, &n);
	ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);

	if (k < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn_kill(c, NULL);     /* the reader went away */
		return;
	}
	c->pos += (uint64_t)k;
	c->left -= (uint64_t)k;
	if (c->left == 0)
		answered(c);
}

static void start_bytes(struct conn *c, uint64_t n)
{
	char head[128];
	int k = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n"
	    "Content-Type: application/octet-stream\r\n"
	    "Content-Length: %llu\r\n\r\n", (unsigned long long)n);
	size_t first;
	struct iovec v[2] = { { head, (size_t)k }, { NULL, 0 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	ssize_t sent;

	v[1].iov_base = (void *)(uintptr_t)pattern_at(0, n, &first);
	v[1].iov_len = first;
	sent = sendmsg(c->fd, &m, MSG_NOSIGNAL);
	if (sent < k) {
		conn_kill(c, NULL);
		return;
	}
	c->pos = (uint64_t)(sent - k);
	c->left = n - c->pos;
	c->state = ST_SEND;
	if (c->left == 0)
		answered(c);
}

static void answer_split(struct conn *c, uint64_t n)
{
	char head[128];
	int k = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n"
	    "Content-Type: application/octet-stream\r\n"
	    "Content-Length: %llu\r\n\r\n", (unsigned long long)n);
	size_t half = (size_t)n / 2;

	say(c, head, (size_t)k);
	if (!c->dead)
		say(c, pattern_area, half);
	if (!c->dead)
		say(c, pattern_area + half % PATTERN_PRIME, (size_t)n - half);
	if (!c->dead)
		answered(c);
}

static void answer_sink(struct conn *c)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\n"
	    "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";
	static const char bad[] = "HTTP/1.1 500 Wrong Bytes\r\n"
	    "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nbad\n";

	if (c->wrong)
		say(c, bad, sizeof bad - 1);
	else
		say(c, ok, sizeof ok - 1);
	if (!c->dead)
		answered(c);
}

static void sink_take(struct conn *c, const uint8_t *p, size_t n)
{
	if (p != NULL && !pattern_holds(p, n, c->pos))
		c->wrong = true;
	c->pos += n;
	c->left -= n;
	if (c->left == 0)
		answer_sink(c);
}

static void sink_read(struct conn *c)
{
	bool real = c->reads++ % CHECK_EVERY == 0;
	size_t want = c->left < READ_BYTES ? (size_t)c->left : READ_BYTES;
	ssize_t n = recv(c->fd, area, want, real ? 0 : MSG_TRUNC);

	if (n > 0)
		sink_take(c, real ? area : NULL, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		conn_kill(c, "an upload broke off");
}

static void answer_upgrade(struct conn *c, const char *head, size_t n)
{
	char out[200], accept[29];
	size_t kn = 0;
	const char *key = header(head, n, "Sec-WebSocket-Key", &kn);
	int k;

	if (key == NULL || kn != 24) {
		conn_kill(c, "an upgrade without a usable key");
		return;
	}
	accept_value(key, accept);
	k = snprintf(out, sizeof out, "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
	c->state = ST_WS;
	say(c, out, (size_t)k);
}

static void request(struct conn *c, const char *head, size_t n)
{
	static const char hello[] = "HTTP/1.1 200 OK\r\n"
	    "Content-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n";
	static const char none[] = "HTTP/1.1 404 Not Found\r\n"
	    "Content-Length: 0\r\n\r\n";
	uint64_t len = 0;
	size_t vn = 0;
	const char *v = header(head, n, "Connection", &vn);

	c->close_after = v != NULL && vn == 5 &&
	    strncasecmp(v, "close", 5) == 0;
	if (strncmp(head, "POST ", 5) == 0) {
		v = header(head, n, "Content-Length", &vn);
		if (v == NULL || !number(v, vn, &len)) {
			conn_kill(c, "a POST without Content-Length");
			return;
		}
		c->state = ST_SINK;
		c->wrong = false;
		c->pos = 0;
		c->left = len;
		if (len == 0)
			answer_sink(c);
	} else if (strncmp(head, "GET /hello ", 11) == 0) {
		say(c, hello, sizeof hello - 1);
		if (!c->dead)
			answered(c);
	} else if (strncmp(head, "GET /bytes/", 11) == 0 &&
	    number(head + 11, n - 11, &len) && len > 0) {
		start_bytes(c, len);
	} else if (strncmp(head, "GET /split/", 11) == 0 &&
	    number(head + 11, n - 11, &len) && len >= 2 &&
	    len <= SPLIT_BYTES_MAX) {
		answer_split(c, len);
	} else if (strncmp(head, "GET /ws ", 8) == 0) {
		answer_upgrade(c, head, n);
	} else {
		say(c, none, sizeof none - 1);
	}
}

/*
 * ws_take: echo the first whole message of in[0..n). Returns how many bytes
 * it took, 0 when the message is not whole yet.
 */
static size_t ws_take(struct conn *c, uint8_t *in, size_t n)
{
	size_t head = 2, len, out_head = 2;
	uint8_t out[4 + MESSAGE_BYTES_MAX], *mask;
	uint8_t opcode;

	if (n < 2)
		return 0;
	opcode = in[0] & 15;
	len = in[1] & 127;
	if (len == 126) {
		if (n < 4)
			return 0;
		len = (size_t)in[2] << 8 | in[3];
		head = 4;
	}
	if (!(in[0] & 0x80) || !(in[1] & 0x80) || len > MESSAGE_BYTES_MAX) {
		conn_kill(c, "a frame that this echo does not know");
		return 0;
	}
	if (n < head + 4 + len)
		return 0;
	mask = in + head;
	out[0] = in[0];
	if (opcode == 9)
		out[0] = 0x8a;
	if (len < 126) {
		out[1] = (uint8_t)len;
	} else {
		out[1] = 126;
		out[2] = (uint8_t)(len >> 8);
		out[3] = (uint8_t)len;
		out_head = 4;
	}
	for (size_t i = 0; i < len; i++)
		out[out_head + i] = in[head + 4 + i] ^ mask[i & 3];
	if (opcode != 10)
		say(c, out, out_head + len);
	if (opcode == 8)
		conn_kill(c, NULL);
	return head + 4 + len;
}

/* feed: all that in[0..in_n) allows; the rest stays at its front. */
static void feed(struct conn *c)
{
	size_t at = 0;

	while (!c->dead && at < c->in_n) {
		uint8_t *p = c->in + at;
		size_t n = c->in_n - at, k = 0;

		if (c->state == ST_HEAD) {
			uint8_t *end = memmem(p, n, "\r\n\r\n", 4);

			if (end != NULL) {
				k = (size_t)(end - p) + 4;
				request(c, (char *)p, k);
			}
		} else if (c->state == ST_SINK) {
			k = c->left < n ? (size_t)c->left : n;
			sink_take(c, p, k);
		} else if (c->state == ST_WS) {
			k = ws_take(c, p, n);
		}
		if (k == 0)
			break;
		at += k;
	}
	if (c->dead)
		return;
	if (at > 0 && at < c->in_n)
		memmove(c->in, c->in + at, c->in_n - at);
	c->in_n -= at;
	if (c->in_n == IN_BYTES)
		conn_kill(c, "a head beyond 16 KiB");
}

static void conn_readable(struct conn *c)
{
	ssize_t n;

	if (c->state == ST_SINK) {
		sink_read(c);
		return;
	}
	n = recv(c->fd, c->in + c->in_n, IN_BYTES - c->in_n, 0);
	if (n > 0) {
		c->in_n += (size_t)n;
		feed(c);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		conn_kill(c, NULL);
	}
}

static void conn_event(struct conn *c, uint32_t events)
{
	if (c->dead)
		return;
	if (c->state == ST_SEND) {
		if (events & (EPOLLERR | EPOLLHUP))
			conn_kill(c, NULL);
		else
			send_more(c);
		if (!c->dead && c->state == ST_HEAD && c->in_n > 0)
			feed(c);
	} else {
		conn_readable(c);
	}
	if (!c->dead)
		conn_arm(c);
}

static void conn_accept(int listen_fd)
{
	for (;;) {
		int fd = accept4(listen_fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;

		if (fd < 0)
			return;
		c = calloc(1, sizeof *c);
		if (c == NULL || (c->in = malloc(IN_BYTES)) == NULL)
			DIE("out of memory");
		set_nodelay(fd);
		c->fd = fd;
		c->armed = EPOLLIN;
		epoll_set(ep, EPOLL_CTL_ADD, fd, EPOLLIN, c);
	}
}

int main(int argc, char **argv)
{
	static int listen_mark, stdin_mark;
	struct epoll_event evs[EVENTS];
	unsigned long port = argc > 1 ? arg_number(argv[1], 65535) : 0;
	int listen_fd;

	prog = "origin";
	pattern_init();
	ep = epoll_make();
	listen_fd = listen_loopback((uint16_t)port);
	epoll_set(ep, EPOLL_CTL_ADD, listen_fd, EPOLLIN, &listen_mark);
	epoll_set(ep, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, &stdin_mark);
	for (;;) {
		int n = epoll_wait(ep, evs, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (evs[i].data.ptr == &stdin_mark)
				return 0;
			if (evs[i].data.ptr == &listen_mark)
				conn_accept(listen_fd);
			else
				conn_event(evs[i].data.ptr, evs[i].events);
		}
		while (dead_list != NULL) {
			struct conn *c = dead_list;

			dead_list = c->next_dead;
			free(c);
		}
	}
}
