#include "app/urls.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

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

/* The address of one interface, if it is one that `bound` covers. */
static bool
interface_address(const struct ifaddrs *i, const struct addr *bound,
    struct addr *a)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n;

	if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0)
		return false;
	if (i->ifa_addr->sa_family == AF_INET)
		n = sizeof(struct sockaddr_in);
	else if (i->ifa_addr->sa_family == AF_INET6)
		n = sizeof(struct sockaddr_in6);
	else
		return false;
	memcpy(&ss, i->ifa_addr, n);
	net_from_sockaddr(a, &ss);
	a->port = bound->port;
	return !link_local(a) && (bound->family == ADDR_NONE ||
	    bound->family == a->family);
}

size_t
urls_addresses(const struct addr *bound, struct addr *out, size_t max)
{
	struct ifaddrs *list = NULL;
	struct addr a;
	size_t n = 0;

	if (max == 0)
		return 0;
	if (!wildcard(bound)) {
		out[0] = *bound;
		return 1;
	}
	if (getifaddrs(&list) != 0)
		return 0;
	for (int loopback = 1; loopback >= 0; loopback--)
		for (struct ifaddrs *i = list; i != NULL && n < max;
		    i = i->ifa_next)
			if (interface_address(i, bound, &a) &&
			    addr_loopback(&a) == (loopback == 1))
				out[n++] = a;
	freeifaddrs(list);
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
