/*
 * Accounts in the simulator. In some of the seeds the relay's keeper is the
 * real one in mode accounts, its files on the virtual disk, and one act after
 * the other changes them, by the console, a session or an API token:
 *
 *   sim_keeper.c  the keeper's process: questions, notes, and the hasher, which
 *                 is a cheap hash that takes its time
 *   sim_folk.c    the model: what every act must lead to, and that the keeper's
 *                 tables are that, after each act and each start
 *   sim_act.c     the acts
 *   sim_audit.c   the audit log, as it lies on the disk
 *   sim_stream.c  who has an app open, and when that must end
 *
 * Power is lost or the process killed at any step of writing an act. What had
 * been answered is there after the start; what had not has happened or has not,
 * whole. A start never fails.
 */
#ifndef ADIT_TESTS_SIM_FOLK_H
#define ADIT_TESTS_SIM_FOLK_H

#include "sim.h"

#include "state/keeper.h"

#define FOLK_ROOT "root"                /* whose sessions the others use */
#define FOLK_PASSWORD "the password of root"

enum { FOLK = 6, ROOT = FOLK, LINKS = 40, TOKS = 24, SESS = 64, RULES = 2,
	SECRETS = 4,
	AT_ONCE = 3, NOBODY = 255, NAME_CHARS = 8 };

/* A session: GOING is over, but the disk does not have that yet; FRAIL goes on,
 * but the disk may not have it. */
enum sess_is { SESS_NO, SESS_ON, SESS_FRAIL, SESS_GOING };

/* What is. Slots of links, tokens and sessions are used once. */
struct folk_state {
	struct { uint8_t role; unsigned pw, gen; } who[FOLK];
	struct { uint8_t kind, role, who; unsigned gen; } links[LINKS];
	struct { uint8_t kind, scopes; } toks[TOKS];
	struct { uint8_t is, who; } sess[SESS];
	struct { bool on; uint32_t who; } rules[RULES];
	unsigned secret;
};

/* What was told or found out about them. */
struct folk_known {
	struct { char id[ID_CHARS + 1], secret[64]; uint64_t expires_s; }
	    links[LINKS];
	struct { char id[ID_CHARS + 1], text[64]; uint64_t expires_s; }
	    toks[TOKS];
	struct { char jti[JTI_CHARS + 1], text[ASK_BY_MAX];
		uint64_t expires_s; } sess[SESS];
	struct secret secrets[SECRETS];
	unsigned nlinks, ntoks, nsess, npws;
};

enum act_kind { ACT_ADD, ACT_ROLE, ACT_REMOVE, ACT_RESET, ACT_INVITE,
	ACT_UNINVITE, ACT_ACCEPT, ACT_PASSWORD, ACT_TOKEN, ACT_UNTOKEN,
	ACT_END, ACT_ACCESS, ACT_ROTATE, ACT_LAST, ACT_LOGIN, ACT_ISSUE,
	ACT_LOGOUT, ACTS };
enum act_by { BY_CONSOLE, BY_SESS, BY_TOK, BY_NOBODY };

struct act {
	enum act_kind kind;
	enum act_by by;
	unsigned by_i;          /* which session or token */
	unsigned i;             /* account, link, token, session, rule */
	unsigned who;           /* account */
	uint8_t role, scopes;
	uint8_t token;          /* enum token_kind */
	bool on;                /* ACT_ACCESS: named people only; ACT_LAST:
	                         * removed, not demoted */
	uint32_t names;
	unsigned pw, old;
	unsigned gen;           /* of the account, when it was asked */
	uint32_t seq;           /* 0: none under way */
};

struct folk {
	bool always, on, begun, deadly, peace;
	struct folk_state s;
	struct folk_known k;
	struct act acts[AT_ONCE];
	unsigned failed;                /* hashes that could not be made */
};
extern struct folk folk;

/* ---- from the run ---- */

/* Is this a seed with accounts? Then: before rig_start; when the relay runs. */
bool folk_wanted(void);
void folk_begin(void);
void folk_setup(void);
void folk_turn(void);
/* Shall there be a crash now? In so many of 1000. */
bool folk_crashes(unsigned pm);
/* No crash any more. Nothing is under way, and no stream is open? */
void folk_peace(void);
bool folk_rest(void);
/* All is as the model has it. */
void folk_check(void);

/* ---- keeper ---- */

/* The answer comes by act_answered, now or later, or never. */
void keeper_ask(const struct ask *q, bool console);
uint64_t keeper_now_s(void);
void keeper_hash(uint8_t hash[SCRYPT_HASH_BYTES], struct slice password,
    const uint8_t salt[SCRYPT_SALT_BYTES]);

/* ---- model ---- */

const char *folk_name(unsigned who);
const char *folk_app(unsigned rule);
struct slice folk_password(unsigned pw, char area[40]);
/* The status that the act must be answered with, 0: 200 or 404. */
unsigned folk_predict(const struct act *a);
/* It is done. */
void folk_apply(struct folk_state *s, const struct act *a);
/* As the keeper has it; else the seed fails. */
void folk_is(const char *when);
/* The keeper has started: what was under way has happened or has not. */
void folk_started(void);
/* May the session or token open the app of that rule? FOLK_LATE: but for the
 * clock. */
enum folk_may { FOLK_NO, FOLK_YES, FOLK_LATE };
enum folk_may folk_may(enum act_by by, unsigned i, unsigned rule);

/* ---- acts ---- */

void act_turn(void);
void act_answered(const struct answer *a);
/* The relay asks to end a session; then what it was answered. */
void act_logout(const struct ask *q);
void act_logged_out(const struct answer *a);
bool act_rest(void);
const char *act_name(const struct act *a);

/* ---- the audit log ---- */

/* One that is nearly full. */
void audit_fill(void);
/* The entry of that number says that, or the one before it. */
void audit_must(uint64_t n, const char *what, bool before);
void audit_check(void);

/* ---- streams ---- */

void stream_turn(void);
/* Rights have changed. */
void stream_look(void);
bool stream_rest(void);

#endif
