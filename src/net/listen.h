/*
 * Listening sockets, and addresses as the system wants them.
 */
#ifndef ADIT_NET_LISTEN_H
#define ADIT_NET_LISTEN_H

#include <sys/socket.h>

#include "base/io.h"

/*
 * net_listen: a listening TCP socket, or -1 with errno set (EADDRINUSE,
 * EADDRNOTAVAIL, EACCES ...; strerror says it well enough for a person).
 *   ADDR_V4, ADDR_V6   that address; :: means IPv6 only
 *   ADDR_NONE          every address, IPv4 and IPv6 on one socket where the
 *                      machine has IPv6, else IPv4
 * Port 0 takes a free one. *bound gets the address with the real port; its
 * family stays ADDR_NONE for every address. What it accepts inherits from it:
 * no delay, keepalive, and a short queue of unsent bytes.
 */
int net_listen(const struct addr *at, struct addr *bound);

/* A path as UNIX_PATH_MAX_BYTES allows, or ip and port. Returns the length, 0
 * if `a` is nothing that can be connected to. */
socklen_t net_to_sockaddr(struct sockaddr_storage *ss, const struct addr *a,
    struct slice path);
/* IPv4 mapped into IPv6 becomes IPv4. Unix sockets have no path here. */
void net_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss);

/* The options that every TCP socket of ours has. False with errno set. */
bool net_tune(int fd);

#endif
