/*
 * Values of settings: text in, number or struct out. Pure; slices are parts of
 * the input. A function that can refuse in more than one way returns NULL, or
 * why not: a static text that completes "--flag VALUE: ...".
 */
#ifndef ADIT_APP_VALUE_H
#define ADIT_APP_VALUE_H

#include "agent/agent.h"
#include "base/io.h"
#include "base/slice.h"
#include "relay/relay.h"

/* "4096", "512k", "48m", "48MiB", "2g": powers of 1024. False if none. */
bool value_size(struct slice s, uint64_t *bytes);
/* "250ms", "10s", "5m", "24h", "7d". The unit is needed, but for 0. */
bool value_time(struct slice s, uint64_t *ms);
/* Appends what value_size or value_time would read: "48MiB", "10s". */
void value_put_size(struct buf *b, uint64_t bytes);
void value_put_time(struct buf *b, uint64_t ms);

/*
 * Where to listen: PORT, :PORT, ADDR:PORT, [ADDR]:PORT, localhost:PORT, each
 * with or without =NAME. `*`, `[::]` or no address is every address.
 */
struct value_listen {
	enum { VALUE_EVERY, VALUE_LOCALHOST, VALUE_ONE } where;
	struct addr addr;               /* VALUE_ONE; port in any case */
	bool named;
	struct slice name;              /* "dashboard", NAME or NAME--AGENT */
};
const char *value_listen(struct value_listen *l, struct slice s);
/* The address alone, as in HOST: fills where and addr but for the port. */
const char *value_host(struct value_listen *l, struct slice s);
/* "4100-4199", or one port. */
const char *value_ports(struct slice s, uint16_t *first, uint16_t *last);

/* A name of an agent or an app. */
const char *value_name(struct slice s);
/* NAME or NAME--AGENT. */
const char *value_site(struct slice s);
/* A host name or address without a port. */
const char *value_domain(struct slice s);
/* A host name below which names can be put: no address. */
const char *value_app_domain(struct slice s);
/* A path prefix that can be reserved. */
const char *value_prefix(struct slice s);
/* The path of the channel's WebSocket: none of the relay's own. */
const char *value_channel_path(struct slice s);
/* AGENT/APP. */
const char *value_public(struct slice s);
/* An absolute URL without query, as in links. */
const char *value_public_url(struct slice s);

/*
 * One item of trust-proxy: appends networks to net[*n], *n <= max. `true` and
 * `loopback`, `private`, ADDR or ADDR/BITS; `false` and `none` append nothing.
 */
const char *value_trust(struct slice s, struct relay_net *net, size_t *n,
    size_t max);

/* [NAME=]TARGET[,option]...: an app of the agent. */
const char *value_app(struct agent_app *app, struct slice s);

/* The relay's URL as an agent needs it. */
struct value_relay {
	struct slice host;              /* without brackets */
	uint16_t port;
	struct slice authority;
	struct slice prefix;            /* path without final `/` or /tunnel */
	bool secure;
};
const char *value_relay(struct value_relay *r, struct slice s);

/* "http://[USER:PASSWORD@]HOST:PORT[/]", or without http://. */
struct value_proxy {
	struct slice host;              /* without brackets */
	uint16_t port;
	struct slice user, password;    /* may hold %XX */
};
const char *value_proxy(struct value_proxy *p, struct slice s);
/*
 * Does NO_PROXY say that `host` is reached without one? Names (themselves and
 * what ends in `.name`; a dot before counts as none), addresses and networks
 * (ADDR/BITS), with commas or spaces between, or `*` for all. Items of other
 * programs, such as NAME:PORT, match nothing.
 */
bool value_no_proxy(struct slice list, struct slice host);

#endif
