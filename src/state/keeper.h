/*
 * The keeper: the one place that knows the relay's secrets and decides who may
 * what. It answers the questions of base/ask.h and holds accounts, invitations,
 * tokens, sessions, access rules and the audit log; it reads no socket, parses
 * no HTTP and does no I/O but through struct store_io.
 *
 * What it signs, and with what:
 *   session    HS256 JWT under the JWT secret itself. Claims: sub (who), aud
 *              (the site, ask.site), iat, exp, jti (16 random bytes, base64url)
 *              and gen. It is good while its jti is in the store
 *   gen        derived from the JWT secret and the shared password: a token
 *              carries the one it was made under, so another password ends the
 *              sessions, and another JWT secret all of them
 *   device     id, expiry and HMAC, under a key derived for devices alone
 *   ASK_SIGN   HMAC under a key derived for that alone
 * The shared password and RELAY_TOKEN are kept as HMACs and compared as such,
 * in a time that depends on the lengths of the guess alone; accounts' passwords
 * by scrypt, tokens and invitations as SHA-256 of their random text.
 *
 * Time comes with each question (now_s). Whoever calls keeper_answer sets it
 * from a clock of its own: it is not the asker's to choose.
 */
#ifndef ADIT_STATE_KEEPER_H
#define ADIT_STATE_KEEPER_H

#include "base/ask.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "crypto/rng.h"
#include "crypto/scrypt.h"
#include "state/audit.h"
#include "state/people.h"
#include "state/store.h"

enum {
	KEEPER_SHARED_TOKEN = 1,        /* credential of RELAY_TOKEN */
	KEEPER_TOKEN_FIRST = 16,        /* credentials of kept tokens: from
	                                 * here on, never used twice */
	KEEPER_DEVICE_S = 180 * 86400,  /* ASK_ISSUE_DEVICE without a ttl_s */
	SESSION_S_MAX = 366 * 86400,    /* no session is longer */
	KEEPER_GRANT_S = 10,            /* from login to ASK_ISSUE */
	KEEPER_GRANTS = 16,             /* such, at once */
	KEEPER_WAITING_MAX = 8,         /* questions behind the one that is
	                                 * being stretched */
	KEEPER_NOTES = 32,
	NOTES_OF_ONE = 4,               /* of one question, at most */
	KEEPER_LAZY_S = 60,             /* "last seen" is written so often */
	SETUP_CHARS = 16,               /* of base32: 80 bits */
	SETUP_TRIES = 5,
	SETUP_S = 3600,
	INVITE_S = 7 * 86400,
	RESET_S = 86400,
};

/* The tables that change, a file each. */
enum change { CHANGE_PEOPLE, CHANGE_TOKENS, CHANGE_SESSIONS, CHANGES };

enum keeper_mode { MODE_NONE, MODE_SHARED, MODE_SETUP, MODE_ACCOUNTS };

/* A password to be stretched. Wipe it after use. */
struct keeper_job {
	uint32_t id;
	struct scrypt_cost cost;
	uint8_t salt[SCRYPT_SALT_BYTES];
	struct secret password;
};

struct keeper_result {
	uint32_t id;                    /* the job's */
	bool ok;                        /* false: it could not be done */
	uint64_t now_s;
	uint8_t hash[SCRYPT_HASH_BYTES];
};

/* A question that waits for its password to be stretched. */
struct keeper_waiting {
	uint32_t id;                    /* 0: free */
	bool console, running;
	uint64_t rehash;                /* not a question: a dearer hash for
	                                 * this serial */
	uint8_t stage;                  /* so many of those below are done */
	struct scrypt_hash made[2];     /* [stage]: is wanted */
	struct secret password;         /* for it */
	struct ask q;
};

/* What follows from a JWT secret: [0] the current one's, [1] those of the one
 * before the last rotation, good until jwt.until_s. */
struct keeper_keys {
	uint8_t device[SHA256_BYTES];
	uint8_t gen[GEN_BYTES];
};

/* Who has just proved who they are may be given this session. */
struct keeper_grant {
	uint8_t jti[JTI_BYTES];
	uint64_t serial;                /* whose; SERIAL_SHARED */
	uint64_t until_s;               /* 0: free */
};

struct keeper {
	struct store_jwt jwt;
	struct keeper_keys keys[2];
	uint8_t password_id[SHA256_BYTES];      /* its SHA-256 */
	bool has_token, has_channel, jwt_is_kept, offline;
	enum keeper_mode mode;
	uint8_t password_mac[SHA256_BYTES];
	uint8_t token_mac[SHA256_BYTES];
	uint8_t channel_mac[SHA256_BYTES];
	uint8_t key_compare[SHA256_BYTES];
	uint8_t key_sign[SHA256_BYTES];
	uint8_t key_salt[SHA256_BYTES]; /* salts of nobody */
	struct rng rng;
	uint8_t setup[SETUP_CHARS];     /* the code */
	uint8_t setup_tries;            /* left; 0: there is none */
	uint64_t setup_until_s;
	struct keeper_grant grants[KEEPER_GRANTS];
	struct keeper_waiting waiting[1 + KEEPER_WAITING_MAX];
	uint32_t jobs;                  /* ids given so far */
	struct store_io io;
	struct scrypt_cost cost;        /* of passwords set from now on */
	struct people people;
	struct tokens tokens;
	struct sessions sessions;
	struct audit audit;
	bool seen[CHANGES];             /* "last seen" is to be written */
	uint32_t refused;               /* logins, not in the audit log yet */
	uint32_t note_head, note_tail;
	struct keeper_note {
		uint8_t kind, role;
		bool ended;
		uint32_t credential;
		ROW_TEXT(USER_MAX) user;
		ROW_TEXT(JTI_CHARS) jti;
	} notes[KEEPER_NOTES];
	union state_copy old;           /* while a change is being written */
	uint8_t file[STORE_FILE_MAX];   /* text, while it is read or written */
};

struct keeper_cfg {
	/* One of at least 32 bytes, an assertion: set, or kept. */
	const struct secret *jwt;
	const struct secret *password;  /* empty: no password is right */
	const struct secret *token;     /* empty: no token is right */
	const struct secret *channel;   /* the workstations' shared key; NULL
	                                 * or empty: none is right */
	struct slice seed;              /* at least RNG_SEED_MIN random bytes */
	struct store_io io;
	const struct store_jwt *kept;   /* instead of jwt: may be rotated */
	struct scrypt_cost cost;        /* log2n 0: the usual one */
	bool no_login;
	bool offline;                   /* a command's, with no relay running:
	                                 * keeper_load makes no setup code */
};

/* *k is all zero: of what is not used no page is ever touched. Copies what it
 * needs of *cfg, whose secrets the caller then wipes. */
void keeper_init(struct keeper *k, const struct keeper_cfg *cfg);

/*
 * keeper_load: read people.json, tokens.json, sessions.json and the audit log,
 * decide the mode, and, in mode setup, make the code and write setup-code.
 *   E_OK      *cut is the number of bytes of a torn last line that were cut
 *             off the audit log: say so
 *   E_SYNTAX  a file is damaged: *f says which, where and why
 *   E_AUTH    a shared password, although there are accounts: *f says it
 *   E_IO      a file cannot be read or written
 */
enum err keeper_load(struct keeper *k, uint64_t now_s, size_t *cut,
    struct store_fault *f);
/* Is there a kept token for agents? If not, one is made (store_relay_token)
 * and given by keeper_set_token, at any time before the first question. */
bool keeper_has_agent_token(const struct keeper *k);
void keeper_set_token(struct keeper *k, const struct secret *token);
void keeper_wipe(struct keeper *k);

/* What an answer is for; a question of which is still open. */
enum keeper_for { KEEPER_LATER, KEEPER_RELAY, KEEPER_CONSOLE };

/*
 * keeper_answer: *a becomes the answer to *q; kind, seq and who are the
 * question's. KEEPER_LATER: *a is not filled; a password must be stretched
 * first, and keeper_done gives the answer.
 *
 * keeper_console: the same for a question of the host's own people (the control
 * socket, a command under the lock), who may what an admin may and a few things
 * more. ASK_OP only.
 *
 * a->result by kind:
 *   ASK_LOGIN         user: who, or empty: the shared password. E_OK: user,
 *                     role, and jti: the session that ASK_ISSUE may make for
 *                     them within KEEPER_GRANT_S. E_AUTH: no such user, or
 *                     another password, after equal work. E_FULL: too many
 *                     wait
 *   ASK_SESSION       E_OK: user, role, rules, site, jti and expires_s are
 *                     filled. E_AUTH: not ours, not in the store, or for
 *                     another site than q->site (empty: any). E_EXPIRED
 *   ASK_ISSUE         text: a jti. One that a login, invite.accept or setup
 *                     has just given: that session begins, durably, with from
 *                     and device. One of the store: a token for another site,
 *                     good no longer than the session; q->user is not looked
 *                     at. E_OK: text is the token, jti, user, role, expires_s.
 *                     E_AUTH: neither. E_SYNTAX: no jti. E_RANGE: no such
 *                     time. E_IO: it could not be written. E_FULL
 *   ASK_REVOKE        text: a session token of that site, of any age
 *                     (logout). E_OK: over, and durably so, or it was, or it
 *                     is none. E_IO: over, but it could not be written: until
 *                     a keeper_tick can, a restart would forget it. jti: the
 *                     session, if it ended now
 *   ASK_TOKEN         E_OK: credential; user: the one name that the agent may
 *                     have, or empty: any; expires_s: 0 for never, else its
 *                     tunnels end then. E_AUTH, E_EXPIRED
 *   ASK_BEARER        E_OK: credential, scopes, role (by scope: admin, apps:
 *                     member, else viewer), user ("token:NAME"), rules,
 *                     expires_s. E_AUTH, E_EXPIRED
 *   ASK_CHANNEL_KEY   E_OK: credential, expires_s. E_AUTH, E_EXPIRED
 *   ASK_ACCESS        by: jti, or empty for an API token; text: AGENT/APP.
 *                     E_OK: they may open it. E_AUTH. A token is nobody who
 *                     could be named in a rule
 *   ASK_DEVICE        user: whose it should be. E_OK: jti is the device's id,
 *                     expires_s its expiry. E_AUTH: not ours, or somebody
 *                     else's; E_EXPIRED
 *   ASK_ISSUE_DEVICE  user: whose it is. E_OK: text is the cookie, jti the
 *                     id, expires_s the expiry (ttl_s, KEEPER_DEVICE_S if 0)
 *   ASK_SIGN          E_OK: text is 32 bytes, the MAC of q->text
 *   ASK_OP            by: session token, API token, or empty (ops for nobody);
 *                     text: {"op":...}. Always: text is JSON, status as HTTP
 *                     has it; E_OK if that is 200. With invite.accept and
 *                     setup also user, role and jti, as ASK_LOGIN
 * A question of unknown kind, or with a length beyond its array, is E_RANGE.
 *
 * The operations, with their fields ("?": may be absent), who may (any: who is
 * logged in; own: who has an account; admin: by session, by API token of that
 * scope, or the console), and members of the result. Times are Unix seconds.
 *   me               any      -> user role mode session? (its id)
 *   me.password      own      old new -> (other sessions of theirs end)
 *   people.list      admin    after? -> rows: user role created seen sessions
 *   people.add       console  user role password ->
 *   people.role      admin    user role ->
 *   people.remove    admin    user ->
 *   people.reset     admin    user -> id secret expires
 *   invites.list     admin    after? -> rows: id kind role user by expires
 *   invites.new      admin    role ttl_s? -> id secret expires
 *   invites.revoke   admin    id ->
 *   invite.look      nobody   secret -> kind role user expires
 *   invite.accept    nobody   secret user? password -> user role
 *   setup            nobody   code user password -> user role (the console
 *                             needs no code)
 *   setup.code       console  -> (a new code, in the file)
 *   tokens.list      admin    after? -> rows: id kind name agent scopes created
 *                                 expires used by   (expires 0: never)
 *   tokens.new       admin    kind name agent? scopes? ttl_s? -> id token
 *   tokens.revoke    admin    id ->
 *   sessions.list    any      after? all? (admin) -> rows: id user device from
 *                                 since seen expires mine current
 *   sessions.revoke  any      id all? -> (of another's: admin, unless all is
 *                                 false)
 *   access.list      admin    after? -> rows: app people
 *   access.set       admin    app people (names, or null: everyone) ->
 *   audit.list       admin    after? -> rows: n t who from what on note
 *   rotate           admin    ->
 * An error is {"error":"text for people"}: 400 the question is wrong, 401 no
 * valid session or token, 403 not for you, 404 no such thing, 409 it cannot be
 * as things are, 429 too many wait, 500 it could not be written (and then it
 * is as before).
 */
enum keeper_for keeper_answer(struct keeper *k, const struct ask *q,
    struct answer *a);
enum keeper_for keeper_console(struct keeper *k, const struct ask *q,
    struct answer *a);

/*
 * keeper_job: the next password to stretch; false if there is none or one is
 * under way. keeper_done: it has been; *a as by keeper_answer. KEEPER_LATER:
 * nothing to send now (another job follows, or nobody waits for this one). A
 * result of no job under way is dropped.
 */
bool keeper_job(struct keeper *k, struct keeper_job *j);
enum keeper_for keeper_done(struct keeper *k, const struct keeper_result *r,
    struct answer *a);

/*
 * keeper_note: the next note to the relay, false if there is none. Look after
 * every answer: questions that would make notes are answered with E_FULL (429)
 * while KEEPER_NOTES are waiting.
 *   NOTE_SESSION     jti: it has ended; user
 *   NOTE_USER        user, role (as it is now; ROLE_NONE: the account is gone).
 *                    result E_OK: their sessions go on. E_AUTH: they have
 *                    ended, but for that of `jti` if there is one
 *   NOTE_CREDENTIAL  credential: removed
 *   NOTE_FLUSH       access rules have changed, or there are some at the
 *                    start; text: their apps, AGENT/APP, a line each
 *   NOTE_MODE        text: keeper_mode_name
 */
bool keeper_note(struct keeper *k, struct answer *a);

/* Write what may wait (last seen, refused logins): every KEEPER_LAZY_S, and
 * at the end. */
void keeper_tick(struct keeper *k, uint64_t now_s);

/* In mode setup while it is good: the code as people see it, 19 characters,
 * else empty. */
struct slice keeper_setup_code(const struct keeper *k, uint8_t area[32]);

/* "none", "shared", "setup", "accounts". */
struct slice keeper_mode_name(const struct keeper *k);

#endif
