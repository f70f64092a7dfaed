/*
 * Every address under which a relay can be opened, for the lines at its start.
 */
#include "app/urls.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/listen.h"

static bool
link_local(const struct addr *a)
{
	static const struct addr v4 = { .family = ADDR_V4,
		.ip = { 169, 254 } };
	static const struct addr v6 = { .family = ADDR_V6,
		.ip = { 0xfe, 0x80 } };

	return addr_within(a, &v4, 16) || addr_within(a, &v6, 10);
}

static bool
wildcard(const struct addr *a)
{
	static const uint8_t zero[16];

	return a->family == ADDR_NONE ||
	    (a->family == ADDR_V4 && memcmp(a->ip, zero, 4) == 0) ||
	    (a->family == ADDR_V6 && memcmp(a->ip, zero, 16) == 0);
}

/*
 * The address from which this machine would reach the world in one family: a
 * UDP socket is connected to a documentation address (RFC 5737, RFC 3849) and
 * asked for its own. Nothing is sent.
 */
static bool
outward_address(uint8_t family, struct addr *a)
{
	struct addr to = { .family = family, .port = 9 };
	struct sockaddr_storage ss;
	socklen_t n;
	bool ok;
	int fd;

	if (!addr_parse_ip(&to, family == ADDR_V4 ? SL("192.0.2.1") :
	    SL("2001:db8::1")))
		return false;
	n = net_to_sockaddr(&ss, &to, SL(""));
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	ok = connect(fd, (struct sockaddr *)&ss, n) == 0;
	n = sizeof ss;
	ok = ok && getsockname(fd, (struct sockaddr *)&ss, &n) == 0;
	(void)close(fd);
	if (ok)
		net_from_sockaddr(a, &ss);
	return ok && !link_local(a) && !addr_loopback(a);
}

size_t
urls_addresses(const struct addr *bound, struct addr *out, size_t max)
{
	static const uint8_t families[] = { ADDR_V4, ADDR_V6 };
	size_t n = 0;

	if (max == 0)
		return 0;
	if (!wildcard(bound)) {
		out[0] = *bound;
		return 1;
	}
	for (int outward = 0; outward <= 1; outward++) {
		for (size_t i = 0; i < 2 && n < max; i++) {
			struct addr a = { .family = families[i] };

			if (bound->family != ADDR_NONE &&
			    bound->family != families[i])
				continue;
			if (outward == 0 && !addr_parse_ip(&a, i == 0 ?
			    SL("127.0.0.1") : SL("::1")))
				continue;
			if (outward == 1 && !outward_address(families[i], &a))
				continue;
			a.port = bound->port;
			out[n++] = a;
		}
	}
	return n;
}

static void
put_scheme(struct buf *b, bool secure)
{
	buf_put(b, secure ? SL("https://") : SL("http://"));
}

static void
put_port(struct buf *b, bool secure, uint16_t port)
{
	if (port != (secure ? 443 : 80)) {
		buf_lit(b, ":");
		buf_put_dec(b, port);
	}
	buf_lit(b, "/");
}

void
urls_put(struct buf *b, bool secure, const struct addr *a)
{
	put_scheme(b, secure);
	if (a->family == ADDR_V6)
		buf_lit(b, "[");
	addr_put_ip(b, a);
	if (a->family == ADDR_V6)
		buf_lit(b, "]");
	put_port(b, secure, a->port);
}

void
urls_put_name(struct buf *b, bool secure, struct slice name, uint16_t port)
{
	put_scheme(b, secure);
	buf_put(b, name);
	put_port(b, secure, port);
}
