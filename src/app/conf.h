/*
 * Settings: what one can say on the command line, in adit.json and in the
 * environment, collected and checked. Pure: the caller brings argv, environ
 * and the file's text.
 *
 * Each setting is one row of conf_rows: up to three spellings, a type, a range
 * and its help; --help prints the rows, so nothing can be set that is not
 * documented. Flag beats environment beats file beats default; a value that is
 * beaten is checked all the same. An empty environment variable counts as not
 * set. What belongs to another version is a row too, and refused by name.
 *
 * Secrets go into struct secret at once and are overwritten where they stood.
 * Everything else is a slice of argv, environ or the struct conf itself, which
 * must live as long as it is used.
 */
#ifndef ADIT_APP_CONF_H
#define ADIT_APP_CONF_H

#include "base/buf.h"
#include "crypto/ct.h"

enum conf_role {
	CONF_RELAY = 1,
	CONF_AGENT = 2,
	CONF_START = 4,
	CONF_STATUS = 8,
	CONF_INIT = 16,
	CONF_DOCTOR = 32,
	CONF_CONSOLE = 64,      /* commands about people, tokens, backups */
	CONF_OFFICE = CONF_CONSOLE | CONF_INIT,
	CONF_ASKS = CONF_STATUS | CONF_DOCTOR,
	CONF_RELAYS = CONF_RELAY | CONF_START,
	CONF_AGENTS = CONF_AGENT | CONF_START,
	CONF_BOTH = CONF_RELAY | CONF_AGENT | CONF_START,
};

enum conf_id {
	C_CONFIG, C_CHECK, C_USER, C_SANDBOX, C_POLICY, C_HELP, C_JSON,
	C_TAKEOVER, C_DETACH,
	C_SELF_SIGNED, C_CERT_NAME, C_ADMIN, C_PASSWORD_FILE,
	C_LISTEN, C_SITE, C_HOST, C_PORT, C_DATA,   /* SITE: --listen with = */
	C_JWT_SECRET, C_RELAY_TOKEN, C_TOKEN_FILE, C_PASSWORD, C_NO_LOGIN,
	C_PASSWORD_COST,
	C_DOMAIN, C_APP_DOMAIN, C_APP_PORTS, C_ROOT, C_RESERVE, C_PUBLIC,
	C_PUBLIC_URL, C_TRUST_PROXY,
	C_CHANNEL_KEY, C_CHANNEL_PATH, C_CHANNEL_MESSAGE,
	C_TLS_CERT, C_TLS_KEY, C_LISTEN_HTTP,
	C_RELAY, C_NAME, C_APP, C_CA, C_PIN, C_PROXY, C_NO_PROXY,
	C_MEMORY, C_MAX_CONNECTIONS, C_MAX_PER_ADDRESS, C_MAX_AGENTS,
	C_MAX_STREAMS,
	C_HEAD_TIMEOUT, C_HELLO_TIMEOUT, C_FIRST_BYTE_TIMEOUT,
	C_PROGRESS_TIMEOUT, C_IDLE_TIMEOUT, C_CONNECT_TIMEOUT,
	C_DRAIN_TIMEOUT, C_RESUME_TIMEOUT, C_SESSION_TTL,
	C_LOG_LEVEL, C_LOG_FORMAT,
	C_LATER,                /* rows that are refused share this id */
	CONF_IDS,
};

enum conf_type {
	CONF_SWITCH,            /* a flag without value; true or false */
	CONF_COUNT,             /* min..max */
	CONF_SIZE,              /* bytes: 48m, 48MiB; min..max */
	CONF_TIME,              /* milliseconds: 10s; min..max */
	CONF_TEXT,
	CONF_LIST,              /* may be repeated */
	CONF_SECRET,
	CONF_REFUSED,           /* `help` says why */
};

struct conf_row {
	uint8_t id;             /* enum conf_id */
	uint8_t type;
	uint8_t roles;
	const char *flag;       /* without --; NULL: none */
	const char *key;        /* in adit.json */
	const char *env, *env2; /* env2 counts if env is not set */
	const char *arg;        /* the value's name in the help */
	uint64_t min, max;
	/* NULL if the text is right, else why not: see app/value.h */
	const char *(*check)(struct slice s);
	const char *dflt;       /* for the help; NULL: none */
	const char *dflt_agent; /* an agent's, if it is another */
	const char *help;
};

extern const struct conf_row conf_rows[];
extern const size_t conf_nrows;

enum conf_source { CONF_DEFAULT, CONF_FILE, CONF_ENV, CONF_FLAG };

struct conf_value {
	uint8_t source;         /* enum conf_source; CONF_DEFAULT: not set */
	uint32_t line;          /* CONF_FILE */
	const char *spelling;   /* the flag, key or variable that said it */
	struct slice text;      /* TEXT */
	uint64_t num;           /* SWITCH, COUNT, SIZE, TIME */
};

enum {
	CONF_ITEMS_MAX = 384,   /* of all lists together */
	CONF_FILE_MAX = 65536,  /* bytes of adit.json */
	CONF_ROWS_MAX = 80,
	CONF_ERROR_MAX = 640,
};

struct conf_item {
	uint8_t id;
	struct conf_value v;
};

struct conf {
	enum conf_role role;
	struct slice file;      /* name of the configuration file */
	bool file_asked;        /* it was named by --config */
	struct conf_value v[CONF_IDS];
	struct conf_item items[CONF_ITEMS_MAX];
	size_t nitems;
	struct secret jwt, token, password, proxy, channel;
	struct buf error;       /* the line for the person, without newline */
	uint8_t error_area[CONF_ERROR_MAX];
	uint8_t text[CONF_FILE_MAX];    /* strings of the file, unescaped */
	size_t text_n;
};

void conf_init(struct conf *c, enum conf_role role);

/*
 * The sources, in any order; each returns false after writing c->error.
 *
 * conf_flags: argv[0..argc) are the arguments after the command. Secrets in
 * them are overwritten, whether right or not. Stops at --help: then
 * c->v[C_HELP].num is 1, whatever else is wrong.
 */
bool conf_flags(struct conf *c, int argc, char **argv);
/* envp as environ; secrets in it are overwritten. */
bool conf_env(struct conf *c, char **envp);
/* The text of the file c->file, n bytes, at most CONF_FILE_MAX; secrets in it
 * are overwritten. It need not stay. One file only. */
bool conf_file(struct conf *c, uint8_t *text, size_t n);

/* The value, or `other` if it was not set. */
static inline uint64_t
conf_num(const struct conf *c, enum conf_id id, uint64_t other)
{
	return c->v[id].source != CONF_DEFAULT ? c->v[id].num : other;
}

static inline struct slice
conf_text(const struct conf *c, enum conf_id id, struct slice other)
{
	return c->v[id].source != CONF_DEFAULT ? c->v[id].text : other;
}

static inline bool
conf_is_set(const struct conf *c, enum conf_id id)
{
	return c->v[id].source != CONF_DEFAULT;
}

/*
 * The next item of a list at or after *at, which it advances; NULL at the end.
 * Only items of the source that wins are given.
 */
const struct conf_value *conf_next(const struct conf *c, enum conf_id id,
    size_t *at);

/*
 * Errors. All return false and write c->error once: the first error stays.
 * conf_fail: about a value: where it was said, the value, why.
 * conf_refuse: `why` alone.
 */
bool conf_fail(struct conf *c, const struct conf_value *v, const char *why);
bool conf_refuse(struct conf *c, const char *why);

#endif
