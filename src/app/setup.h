/*
 * From settings to what a relay and an agent are made of. Pure. Slices are
 * parts of the settings or of the struct itself, which must both stay where
 * they are.
 */
#ifndef ADIT_APP_SETUP_H
#define ADIT_APP_SETUP_H

#include "app/conf.h"
#include "app/value.h"
#include "codec/url.h"
#include "crypto/scrypt.h"
#include "net/certs.h"
#include "net/kernel.h"

enum {
	SETUP_LISTENS_MAX = 64, /* main site and named sites */
	SETUP_HTTP_MAX = 4,     /* --listen-http */
	SETUP_PORTS_MAX = 172,  /* app ports */
	SETUP_URL_MAX = 400,
	SETUP_SETTINGS_MAX = 16384,
};

_Static_assert(2 * (SETUP_LISTENS_MAX + SETUP_HTTP_MAX) <= LISTENS_MAX,
    "localhost is two sockets");

struct setup_relay {
	struct relay_cfg cfg;           /* but for listens and hash_seed */
	struct value_listen listens[SETUP_LISTENS_MAX];
	size_t nlistens;
	size_t nmain;                   /* the first of them: the main site */
	bool has_ports;
	uint16_t port_first, port_last;
	struct value_listen http[SETUP_HTTP_MAX];       /* --listen-http */
	size_t nhttp;
	struct slice certs[CERTS_MAX], keys[CERTS_MAX]; /* --tls-cert, -key */
	size_t ncerts;
	struct slice data;
	bool accounts;                  /* no shared password, no no-login */
	struct scrypt_cost cost;        /* of their passwords */
	uint64_t hasher_bytes;          /* the memory that they take */
	uint8_t public_url[SETUP_URL_MAX];
	uint8_t settings[SETUP_SETTINGS_MAX];   /* cfg.settings_json */
};

/*
 * False, with c->error, if settings contradict each other or one that is
 * needed is missing.
 */
bool setup_relay(struct setup_relay *s, struct conf *c);

struct setup_agent {
	struct agent_cfg cfg;           /* but for tunnel_id and, with
	                                 * token_file, the token */
	struct slice data, token_file;
	struct slice ca;                /* a file; empty: the system's */
	uint8_t pins[TLS_PINS_MAX][PIN_BYTES];
	size_t npins;
	uint8_t name[URL_NAME_MAX];
	uint8_t path[SETUP_URL_MAX], url[SETUP_URL_MAX];
	uint8_t proxy[SETUP_URL_MAX];
};

/*
 * The same for the agent; `hostname` gives the name if there is no other. In
 * the role CONF_START the relay's address is left open: setup_agent_dial.
 */
bool setup_agent(struct setup_agent *s, struct conf *c,
    struct slice hostname);
/* Let it dial this URL, which value_relay must find good. */
bool setup_agent_dial(struct setup_agent *s, struct conf *c,
    const struct conf_value *url);

/* --pin; false if there are too many. */
bool setup_pins(struct conf *c, uint8_t pins[TLS_PINS_MAX][PIN_BYTES],
    size_t *n);

/* Logging, for all roles: checked already. */
enum log_level setup_log_level(const struct conf *c);
bool setup_log_json(const struct conf *c);

#endif
