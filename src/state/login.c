/*
 * Passwords of accounts, and the questions that wait for one to be stretched.
 *
 * Such a question is begun again from the start when a hash is there, with the
 * hash at hand, instead of being continued in the middle: whatever changed
 * meanwhile (the account is gone, the invitation was revoked) is then seen by
 * the same checks as ever, and nobody has to think of it.
 */
#include "state/inside.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"

static struct keeper_waiting *
waiting_free(struct keeper *k)
{
	for (size_t i = 0; i <= KEEPER_WAITING_MAX; i++)
		if (k->waiting[i].id == 0)
			return &k->waiting[i];
	return NULL;
}

/* Want the hash of this stage; its cost and salt are in *h. */
static void
want(struct keeper *k, struct keeper_waiting *w, struct slice password,
    const struct scrypt_hash *h)
{
	/* 0 is no id. */
	w->id = ++k->jobs != 0 ? k->jobs : ++k->jobs;
	w->running = false;
	w->made[w->stage] = *h;
	secret_set(&w->password, slice_head(password, SECRET_MAX));
}

static enum said
stretch(struct turn *t, unsigned stage, struct slice password,
    const struct scrypt_hash *h)
{
	struct keeper_waiting *w = t->w;

	assert(stage < sizeof w->made / sizeof w->made[0]);
	if (w != NULL && stage < w->stage)
		return SAID_YES;
	if (w == NULL) {
		w = waiting_free(t->k);
		if (w == NULL) {
			t->a->result = E_FULL;
			return SAID_LATER;
		}
		w->q = *t->q;
		w->console = t->console;
	}
	want(t->k, w, password, h);
	t->w = w;
	t->later = true;
	return SAID_LATER;
}

enum said
login_verify(struct turn *t, unsigned stage, struct slice password,
    const struct scrypt_hash *h)
{
	const struct scrypt_hash *made;

	if (stretch(t, stage, password, h) == SAID_LATER)
		return SAID_LATER;
	made = &t->w->made[stage];
	/* Of another salt or cost: the password was changed meanwhile. */
	return memcmp(&made->cost, &h->cost, sizeof h->cost) == 0 &&
	    memcmp(made->salt, h->salt, sizeof h->salt) == 0 &&
	    password.n <= SECRET_MAX &&
	    ct_eq(made->hash, h->hash, sizeof h->hash) ? SAID_YES : SAID_NO;
}

enum said
login_make(struct turn *t, unsigned stage, struct slice password,
    struct scrypt_hash *h)
{
	*h = (struct scrypt_hash){ .cost = t->k->cost };
	rng_fill(&t->k->rng, h->salt, sizeof h->salt);
	if (stretch(t, stage, password, h) == SAID_LATER)
		return SAID_LATER;
	*h = t->w->made[stage];
	return SAID_YES;
}

/* ---- jobs ------------------------ */

bool
keeper_job(struct keeper *k, struct keeper_job *j)
{
	struct keeper_waiting *first = NULL;

	for (size_t i = 0; i <= KEEPER_WAITING_MAX; i++) {
		struct keeper_waiting *w = &k->waiting[i];

		if (w->running)
			return false;
		if (w->id != 0 && (first == NULL ||
		    (int32_t)(w->id - first->id) < 0))
			first = w;
	}
	if (first == NULL)
		return false;
	first->running = true;
	*j = (struct keeper_job){ .id = first->id, .password =
	    first->password, .cost = first->made[first->stage].cost };
	memcpy(j->salt, first->made[first->stage].salt, sizeof j->salt);
	return true;
}

/* The dearer hash of a password that was right a moment ago. */
static void
rehash_end(struct keeper *k, const struct keeper_waiting *w)
{
	struct person_row *p = people_by_serial(&k->people, w->rehash);

	/* Not told to the audit log, not worth a complaint: if it cannot be
	 * written now, the next login tries again. */
	if (p != NULL) {
		p->hash = w->made[0];
		k->seen[CHANGE_PEOPLE] = true;
	}
}

static void
rehash_begin(struct turn *t, const struct person_row *p, struct slice password)
{
	struct keeper *k = t->k;
	struct keeper_waiting *w = waiting_free(k);
	struct scrypt_hash h = { .cost = k->cost };

	if (w == NULL || scrypt_work(p->hash.cost) >= scrypt_work(k->cost))
		return;
	rng_fill(&k->rng, h.salt, sizeof h.salt);
	w->rehash = p->serial;
	want(k, w, password, &h);
}

/* It could not be stretched. */
static enum keeper_for
job_failed(const struct keeper_waiting *w, struct answer *a)
{
	struct buf text = BUF_ON(a->text);

	memset(a, 0, sizeof *a);
	a->kind = w->q.kind;
	a->seq = w->q.seq;
	a->who = w->q.who;
	a->result = E_IO;
	a->status = 500;
	buf_lit(&text, "{\"error\":\"The password could not be checked\"}");
	a->text_n = to_u16(text.n);
	return w->console ? KEEPER_CONSOLE : KEEPER_RELAY;
}

enum keeper_for
keeper_done(struct keeper *k, const struct keeper_result *r, struct answer *a)
{
	struct keeper_waiting *w = NULL;
	enum keeper_for who = KEEPER_LATER;

	for (size_t i = 0; i <= KEEPER_WAITING_MAX; i++)
		if (k->waiting[i].running && k->waiting[i].id == r->id)
			w = &k->waiting[i];
	if (w == NULL)
		return KEEPER_LATER;
	secret_wipe(&w->password);
	memcpy(w->made[w->stage++].hash, r->hash, sizeof r->hash);
	w->running = false;
	w->q.now_s = r->now_s;
	if (w->rehash != 0 && r->ok)
		rehash_end(k, w);
	else if (w->rehash == 0)
		who = r->ok ? keeper_turn(k, &w->q, a, w->console, w) :
		    job_failed(w, a);
	if (who != KEEPER_LATER || w->rehash != 0)
		wipe(w, sizeof *w);
	return who;
}

/* ---- login ------------------------ */

/* Of somebody who is not there: the same work, and the same each time. */
static void
nobody(const struct keeper *k, struct slice user, struct scrypt_hash *h)
{
	uint8_t mac[SHA256_BYTES];

	hmac_sha256(mac, slice_of(k->key_salt, sizeof k->key_salt), user);
	*h = (struct scrypt_hash){ .cost = k->cost };
	memcpy(h->salt, mac, sizeof h->salt);
}

void
login_grant(struct turn *t, uint64_t serial)
{
	struct keeper_grant *g = &t->k->grants[0];
	struct buf jti = BUF_ON(t->a->jti);

	for (size_t i = 1; i < KEEPER_GRANTS; i++)
		if (t->k->grants[i].until_s < g->until_s)
			g = &t->k->grants[i];
	rng_fill(&t->k->rng, g->jti, sizeof g->jti);
	g->serial = serial;
	g->until_s = t->q->now_s + KEEPER_GRANT_S;
	b64_encode(&jti, slice_of(g->jti, sizeof g->jti), B64_URL_BARE);
	t->a->jti_n = to_u16(jti.n);
	GIVE(t->a, user, session_user(t->k, serial, &t->a->role));
}

enum err
answer_login(struct turn *t)
{
	struct keeper *k = t->k;
	struct slice user = { t->q->user, t->q->user_n };
	struct slice password = { t->q->text, t->q->text_n };
	struct person_row *p = people_find(&k->people, user);
	struct scrypt_hash h;
	enum said said;

	if (user.n == 0 || slice_eq(user, SL("shared"))) {
		if (!secrets_is_password(k, password)) {
			k->refused++;
			return E_AUTH;
		}
		login_grant(t, SERIAL_SHARED);
		return E_OK;
	}
	nobody(k, user, &h);
	said = login_verify(t, 0, password, p != NULL ? &p->hash : &h);
	if (said == SAID_LATER)
		return t->a->result;
	if (said == SAID_NO || p == NULL) {
		k->refused++;
		return E_AUTH;
	}
	login_grant(t, p->serial);
	rehash_begin(t, p, password);
	return E_OK;
}
