/*
 * Under which URLs a listening socket can be reached, for people.
 */
#ifndef ADIT_APP_URLS_H
#define ADIT_APP_URLS_H

#include "base/buf.h"
#include "base/io.h"

enum { URLS_MAX = 24 };

/*
 * The addresses of a bound socket: itself, or for every address (ADDR_NONE,
 * 0.0.0.0, ::) loopback and, of each family, the one from which this machine
 * reaches the world. Returns how many; each has the socket's port.
 */
size_t urls_addresses(const struct addr *bound, struct addr *out, size_t max);

/* Append "http://ADDR[:PORT]/", or with https if `secure`. */
void urls_put(struct buf *b, bool secure, const struct addr *a);
/* Append "http://NAME[:PORT]/". */
void urls_put_name(struct buf *b, bool secure, struct slice name,
    uint16_t port);

#endif
