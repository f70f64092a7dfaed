/*
 * Addresses as text and back, without the C library's help: inet_ntop and
 * getaddrinfo belong to net.
 */
#include "base/addr.h"

static void
put_hex16(struct buf *b, unsigned v)
{
	static const char digits[16] = "0123456789abcdef";
	bool begun = false;

	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned d = v >> shift & 15;

		if (d != 0 || begun || shift == 0) {
			buf_put_u8(b, (uint8_t)digits[d]);
			begun = true;
		}
	}
}

/* The longest run of zero groups, at least two: the first of equals. */
static void
zero_run(const uint8_t *ip, unsigned *at, unsigned *len)
{
	*at = 8;
	*len = 1;
	for (unsigned i = 0; i < 8; i++) {
		unsigned n = 0;

		while (i + n < 8 && get_u16(ip + 2 * (i + n)) == 0)
			n++;
		if (n > *len) {
			*at = i;
			*len = n;
		}
	}
}

bool
addr_put_ip(struct buf *b, const struct addr *a)
{
	unsigned at, len;

	if (a->family == ADDR_V4) {
		for (unsigned i = 0; i < 4; i++) {
			if (i > 0)
				buf_lit(b, ".");
			buf_put_dec(b, a->ip[i]);
		}
	}
	if (a->family != ADDR_V6)
		return buf_ok(b);
	zero_run(a->ip, &at, &len);
	for (unsigned i = 0; i < 8; i++) {
		if (i == at) {
			buf_lit(b, "::");
			i += len - 1;
			continue;
		}
		if (i > 0 && i != at + len)
			buf_lit(b, ":");
		put_hex16(b, get_u16(a->ip + (size_t)2 * i));
	}
	return buf_ok(b);
}

bool
addr_put(struct buf *b, const struct addr *a)
{
	if (a->family == ADDR_V6)
		buf_lit(b, "[");
	addr_put_ip(b, a);
	if (a->family == ADDR_V6)
		buf_lit(b, "]");
	buf_lit(b, ":");
	return buf_put_dec(b, a->port);
}

bool
addr_parse_v4(uint8_t ip[4], struct slice s)
{
	for (unsigned i = 0; i < 4; i++) {
		struct slice part = i < 3 ? slice_cut(&s, '.') : s;
		uint64_t v;

		if (part.n > 3 || !slice_dec(part, 255, &v) ||
		    (part.n > 1 && part.p[0] == '0'))
			return false;
		ip[i] = (uint8_t)v;
	}
	return true;
}

/* 1 to 4 hexadecimal digits. */
static bool
parse_group(uint8_t out[2], struct slice s)
{
	unsigned v = 0;

	if (s.n < 1 || s.n > 4)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = ascii_hex(s.p[i]);

		if (d > 15)
			return false;
		v = v << 4 | d;
	}
	set_u16(out, (uint16_t)v);
	return true;
}

/*
 * RFC 4291 2.2: groups are written from the front; where `::` stood is
 * remembered, and at the end what came after it moves to the back.
 */
bool
addr_parse_v6(uint8_t ip[16], struct slice s)
{
	uint8_t out[16] = { 0 };
	size_t at = 0, gap = sizeof out + 1, tail;

	if (slice_starts(s, SL("::"))) {
		gap = 0;
		s = slice_from(s, 2);
	}
	while (s.n > 0) {
		size_t colon = slice_find(s, ':');
		struct slice part = slice_head(s, colon);

		if (colon == s.n && slice_find(part, '.') < part.n) {
			if (at > 12 || !addr_parse_v4(out + at, part))
				return false;
			at += 4;
			break;
		}
		if (at > 14 || !parse_group(out + at, part))
			return false;
		at += 2;
		if (colon == s.n)
			break;
		s = slice_from(s, colon + 1);
		if (s.n == 0)
			return false;
		if (s.p[0] == ':') {
			if (gap <= sizeof out)
				return false;
			gap = at;
			s = slice_from(s, 1);
		}
	}
	if (gap > sizeof out ? at != 16 : at > 14)
		return false;
	tail = gap > sizeof out ? 0 : at - gap;
	memset(ip, 0, 16);
	memcpy(ip, out, at - tail);
	memcpy(ip + 16 - tail, out + at - tail, tail);
	return true;
}

bool
addr_parse_ip(struct addr *a, struct slice s)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct addr out = { .family = ADDR_V4, .port = a->port };

	if (!addr_parse_v4(out.ip, s)) {
		out.family = ADDR_V6;
		if (!addr_parse_v6(out.ip, s))
			return false;
		if (memcmp(out.ip, mapped, sizeof mapped) == 0) {
			memmove(out.ip, out.ip + 12, 4);
			memset(out.ip + 4, 0, 12);
			out.family = ADDR_V4;
		}
	}
	*a = out;
	return true;
}

bool
addr_same_ip(const struct addr *a, const struct addr *b)
{
	size_t n = a->family == ADDR_V4 ? 4 : 16;

	return a->family == b->family && memcmp(a->ip, b->ip, n) == 0;
}

bool
addr_within(const struct addr *a, const struct addr *net, unsigned bits)
{
	size_t n = a->family == ADDR_V4 ? 4 : 16;
	size_t whole = bits / 8;

	if (a->family != net->family || bits > 8 * n)
		return false;
	if (memcmp(a->ip, net->ip, whole) != 0)
		return false;
	if (bits % 8 == 0)
		return true;
	return ((a->ip[whole] ^ net->ip[whole]) >> (8 - bits % 8)) == 0;
}

static bool
within_text(const struct addr *a, struct slice net, unsigned bits)
{
	struct addr n = { 0 };

	return addr_parse_ip(&n, net) && addr_within(a, &n, bits);
}

bool
addr_loopback(const struct addr *a)
{
	return within_text(a, SL("127.0.0.0"), 8) ||
	    within_text(a, SL("::1"), 128);
}
