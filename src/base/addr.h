/*
 * Addresses of sockets, and their text. The text of an IPv6 address is read as
 * RFC 4291 2.2 and written as RFC 5952.
 */
#ifndef ADIT_BASE_ADDR_H
#define ADIT_BASE_ADDR_H

#include "base/buf.h"
#include "base/slice.h"

enum { ADDR_NONE = 0, ADDR_V4 = 4, ADDR_V6 = 6, ADDR_UNIX = 1 };
enum { UNIX_PATH_MAX_BYTES = 107, ADDR_TEXT_MAX = 120 };

struct addr {
	uint8_t family;         /* ADDR_* */
	uint8_t path_n;         /* ADDR_UNIX: bytes of path */
	uint16_t port;          /* in the machine's byte order */
	uint8_t ip[16];         /* 4 or 16 bytes; v4-mapped is given as v4 */
};

/* Append "192.0.2.1", "2001:db8::1", or "" for none. As buf_put. */
bool addr_put_ip(struct buf *b, const struct addr *a);
/* With the port: "192.0.2.1:80", "[2001:db8::1]:80". */
bool addr_put(struct buf *b, const struct addr *a);

/*
 * All of `s` as four decimal numbers without leading zeros, or as an IPv6
 * address without brackets or zone; in network order. False, and bytes of ip
 * that mean nothing, if it is none.
 */
bool addr_parse_v4(uint8_t ip[4], struct slice s);
bool addr_parse_v6(uint8_t ip[16], struct slice s);
/* Either of them, a v4-mapped one as v4; a->port stays. False, and *a
 * untouched, if it is none. */
bool addr_parse_ip(struct addr *a, struct slice s);

/* The same address; ports are not looked at. */
bool addr_same_ip(const struct addr *a, const struct addr *b);
/* 127.0.0.0/8 or ::1. */
bool addr_loopback(const struct addr *a);
/* a is within net/bits. False for different families. */
bool addr_within(const struct addr *a, const struct addr *net, unsigned bits);

#endif
