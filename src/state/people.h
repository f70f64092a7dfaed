/*
 * What is kept about people: three files of DATA/relay/, read and written
 * whole, one row a line, and the tables that they become.
 *
 *     people.json     accounts, invitations and reset links, access rules
 *     tokens.json     agents', API and channel tokens
 *     sessions.json   who is logged in
 *
 *     {"version":1,"next":4,"people":[
 *     {"user":"anna","role":"admin",...}
 *     ],"invites":[
 *     ],"access":[
 *     ]}
 *
 * Every table is an array of rows that stay where they are, free ones in
 * between: a row's index is its cursor in a list. People are known by `serial`,
 * a number that is never used twice and changes with their password. A session
 * names the serial that it was made for, so removing somebody or changing a
 * password is one write of one file and ends their sessions by it.
 */
#ifndef ADIT_STATE_PEOPLE_H
#define ADIT_STATE_PEOPLE_H

#include "base/ask.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "crypto/rng.h"
#include "crypto/scrypt.h"
#include "state/store.h"

enum {
	PEOPLE_MAX = 256,
	INVITES_MAX = 64,
	RULES_MAX = 64,
	RULE_PEOPLE_MAX = 64,           /* named in one rule */
	TOKENS_MAX = 256,
	SESSIONS_MAX = 1024,
	USER_MAX = 32,                  /* bytes of a name */
	AGENT_MAX = 30,
	APP_MAX = 2 * AGENT_MAX + 1,    /* AGENT/APP */
	LABEL_MAX = 48,                 /* of a token's name */
	ID_BYTES = 6,
	ID_CHARS = 8,
	JTI_BYTES = 16,
	JTI_CHARS = 22,                 /* the same in base64url */
	SESSION_ID_CHARS = 12,          /* of the jti: what lists show */
	GEN_BYTES = 12,
	GEN_CHARS = 16,
	SERIAL_SHARED = 0,              /* who has the shared password */
};

/* A short text in a row. */
#define ROW_TEXT(max) struct { uint8_t n; uint8_t b[max]; }
#define row_text(t) slice_of((t).b, (t).n)

struct person_row {
	uint8_t role;                   /* ROLE_NONE: free */
	ROW_TEXT(USER_MAX) name;
	uint64_t serial;
	uint64_t created_s, seen_s;
	struct scrypt_hash hash;
};

enum invite_kind { INVITE_NONE, INVITE_NEW, INVITE_RESET };
struct invite {
	uint8_t kind;
	uint8_t role;                   /* of who accepts */
	uint8_t id[ID_BYTES];
	uint8_t secret[SHA256_BYTES];   /* its SHA-256 */
	uint64_t serial;                /* INVITE_RESET: whose */
	uint64_t expires_s;
	ROW_TEXT(USER_MAX) by;
};

/* Only these people may open it. */
struct rule {
	ROW_TEXT(APP_MAX) app;              /* empty: free */
	uint64_t people[PEOPLE_MAX / 64];
};

struct people {
	uint64_t next;                  /* serial */
	struct person_row rows[PEOPLE_MAX];
	struct invite invites[INVITES_MAX];
	struct rule rules[RULES_MAX];
};

enum token_kind { TOKEN_NONE, TOKEN_AGENT, TOKEN_API, TOKEN_CHANNEL };
struct token {
	uint8_t kind;
	uint8_t scopes;                 /* TOKEN_API: enum ask_scope */
	uint8_t id[ID_BYTES];
	uint8_t hash[SHA256_BYTES];     /* of the whole text */
	uint64_t number;                /* credential */
	uint64_t created_s, expires_s, used_s;  /* expires 0: never */
	ROW_TEXT(LABEL_MAX) name;
	ROW_TEXT(AGENT_MAX) agent;          /* TOKEN_AGENT: the only name */
	ROW_TEXT(USER_MAX) by;
};

struct tokens {
	uint64_t next;                  /* number */
	struct token rows[TOKENS_MAX];
};

struct session_row {
	uint8_t used;
	uint8_t jti[JTI_BYTES];
	uint64_t serial;                /* whose, or SERIAL_SHARED */
	uint64_t since_s, seen_s, expires_s;
	ROW_TEXT(ASK_FROM_MAX) from;
	ROW_TEXT(ASK_DEVICE_MAX) device;
};

struct sessions {
	uint8_t gen[GEN_BYTES];         /* of the key that signed the last */
	struct session_row rows[SESSIONS_MAX];
};

/* As it was before a change that may fail. */
union state_copy {
	struct people people;
	struct tokens tokens;
	struct sessions sessions;
};

/*
 * people_load and so on: read the file into a table that is all zero; without
 * one it stays so (and costs no memory).
 *   E_OK
 *   E_SYNTAX  damaged, *f says where. Strict: what is not understood, missing,
 *             doubled, out of bounds or impossible (no admin among accounts, a
 *             rule about nobody) is an error, never skipped
 *   E_IO      it cannot be read
 * people_save and so on: write it. False if that failed.
 * `area` is space for the text, at least STORE_FILE_MAX bytes.
 */
enum err people_load(struct people *p, const struct store_io *io,
    struct buf *area, struct store_fault *f);
enum err tokens_load(struct tokens *t, const struct store_io *io,
    struct buf *area, struct store_fault *f);
enum err sessions_load(struct sessions *s, const struct store_io *io,
    struct buf *area, struct store_fault *f);
bool people_save(const struct people *p, const struct store_io *io,
    struct buf *area);
bool tokens_save(const struct tokens *t, const struct store_io *io,
    struct buf *area);
bool sessions_save(const struct sessions *s, const struct store_io *io,
    struct buf *area);

/* Rows as lists show them. */
enum people_list { LIST_PEOPLE, LIST_INVITES, LIST_RULES, LIST_TOKENS,
	LIST_SESSIONS };
/* How many rows the table has, free ones included. `table` is the struct
 * people, tokens or sessions that the list is from. */
size_t people_rows(enum people_list which);
/* Row i, NULL if it is free. */
const void *people_row(enum people_list which, const void *table, size_t i);
/* The members that people may see, into an open object. */
void people_put_row(struct json_out *o, enum people_list which,
    const void *table, size_t i);

/* "", viewer, member, admin; and so on. Index: enum ask_role, token_kind,
 * invite_kind. people_word: the index of a name of one of them, 0 if none. */
enum { ROLES = 4, TOKEN_KINDS = 4, INVITE_KINDS = 3, SCOPES = 4 };
extern const struct slice people_roles[ROLES];
extern const struct slice people_token_kinds[TOKEN_KINDS];
extern const struct slice people_invite_kinds[INVITE_KINDS];
extern const struct slice people_scopes[SCOPES];        /* by bit */
unsigned people_word(const struct slice *names, size_t n, struct slice s);
/* read, metrics, ... of a JSON array as bits; false for anything else. */
bool people_scopes_read(uint8_t *bits, struct json v);
/* The names of a JSON array as bits, each an account of p. False for anything
 * else, or for more than RULE_PEOPLE_MAX. */
bool people_names_read(uint64_t bits[PEOPLE_MAX / 64], const struct people *p,
    struct json v);

/* May somebody, an agent or app, AGENT/APP be called so? */
bool people_user_ok(struct slice s);
bool people_agent_ok(struct slice s);
bool people_app_ok(struct slice s);
/* A token? Its name goes where a user's does: into frames and fields. */
bool people_label_ok(struct slice s);

/* The account of that name, or with that serial; NULL if there is none. */
struct person_row *people_find(struct people *p, struct slice name);
struct person_row *people_by_serial(struct people *p, uint64_t serial);

/* Visible ASCII that neither JSON nor HTML has another use for? */
bool people_is_plain(uint8_t c);
/* Copy what a stranger says about themselves: at most `max` bytes, each that
 * is not plain as '?'. Returns how many. */
uint8_t people_plain(uint8_t *to, size_t max, struct slice s);
#define PLAIN(t, s) ((t).n = people_plain((t).b, sizeof (t).b, (s)))

#endif
