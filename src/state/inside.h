/*
 * What the parts of the keeper share. Outside of state/ nobody includes this.
 */
#ifndef ADIT_STATE_INSIDE_H
#define ADIT_STATE_INSIDE_H

#include "state/keeper.h"

/* One go at a question. It is made again, from its beginning, each time that
 * a password has been stretched for it (w holds what came out). */
struct turn {
	struct keeper *k;
	const struct ask *q;
	struct answer *a;
	struct keeper_waiting *w;       /* NULL the first time */
	bool console;
	bool later;                     /* a job was queued: no answer now */
};

/* login.c: is it the password of `h`; make *h from a password. Each stage is
 * one stretching; a turn counts them from 0. SAID_LATER: a job was queued, or
 * there was no room (a->result is E_FULL then): give up this turn. */
enum said { SAID_NO, SAID_YES, SAID_LATER };
enum said login_verify(struct turn *t, unsigned stage, struct slice password,
    const struct scrypt_hash *h);
enum said login_make(struct turn *t, unsigned stage, struct slice password,
    struct scrypt_hash *h);
enum err answer_login(struct turn *t);
/* They may have a session now: a->jti, user, role. */
void login_grant(struct turn *t, uint64_t serial);

/* session.c */
enum err answer_issue(struct turn *t);
enum err answer_session(struct turn *t);
enum err answer_revoke(struct turn *t);
enum err answer_access(struct turn *t);
enum err answer_token(struct turn *t);
/* The session of a token and its row; E_OK, E_AUTH, E_EXPIRED. */
enum err session_check(struct turn *t, struct slice token,
    struct session_row **row);
/* The kept token of that text and kind; NULL and *e if there is none. */
struct token *token_check(struct turn *t, struct slice text,
    enum token_kind kind, enum err *e);
/* Whose it is: the name, and the role as of now (ROLE_NONE: nobody's). */
struct slice session_user(struct keeper *k, uint64_t serial, uint8_t *role);
uint8_t token_role(const struct token *row);

/* ops.c */
enum err answer_op(struct turn *t);

/* change.c: a change of one table. change_begin keeps a copy; change_end
 * writes the entry and then the table. False: it could not be written, and all
 * is as before. change_save: write it, with no entry. */
void change_begin(struct keeper *k, enum change what);
bool change_end(struct keeper *k, enum change what,
    const struct audit_entry *e);
bool change_save(struct keeper *k, enum change what);
bool keeper_audit(struct keeper *k, const struct audit_entry *e);
/* Room for the notes of one question? */
bool note_room(const struct keeper *k);
/* ROLE_NONE as role: gone. */
void note_put(struct keeper *k, const struct keeper_note *n);
void note_session(struct keeper *k, const struct session_row *s);

/* setup.c: the code; a new one; true if `code` is it (a wrong one costs a
 * try). */
#define SETUP_FILE SL("setup-code")
bool setup_make(struct keeper *k, uint64_t now_s);
bool setup_check(struct keeper *k, struct slice code, uint64_t now_s);
/* There is an account now. */
void setup_over(struct keeper *k);

/* secrets.c: take those of *cfg; derive what follows from k->jwt. */
void secrets_init(struct keeper *k, const struct keeper_cfg *cfg);
void secrets_derive(struct keeper *k);
/* Is it the one of the settings? */
bool secrets_is_password(const struct keeper *k, struct slice guess);
bool secrets_is_token(const struct keeper *k, struct slice guess);
bool secrets_is_channel_key(const struct keeper *k, struct slice guess);
enum err answer_device(struct turn *t);
enum err answer_issue_device(struct turn *t);
enum err answer_sign(struct turn *t);

/* keeper.c */
bool keeper_rotate(struct keeper *k, uint64_t now_s);
enum keeper_for keeper_turn(struct keeper *k, const struct ask *q,
    struct answer *a, bool console, struct keeper_waiting *w);
bool keeper_has_accounts(const struct keeper *k);

/* Copy into one of the answer's arrays. False if it does not fit. */
bool answer_give(uint8_t *to, uint16_t *to_n, size_t max, struct slice s);
#define GIVE(a, field, s) \
	answer_give((a)->field, &(a)->field##_n, sizeof (a)->field, (s))

#endif
