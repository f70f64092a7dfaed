/*
 * A change of what is kept is made in memory, told to the audit log, written,
 * and taken back if one of these fails: copies of whole tables are dear and
 * rare, and simpler than undoing each change by hand. What the relay must know
 * of it waits as a note.
 */
#include "state/inside.h"

#include <assert.h>

#include "base/num.h"

void
change_begin(struct keeper *k, enum change what)
{
	if (what == CHANGE_PEOPLE)
		k->old.people = k->people;
	else if (what == CHANGE_TOKENS)
		k->old.tokens = k->tokens;
	else
		k->old.sessions = k->sessions;
}

bool
change_save(struct keeper *k, enum change what)
{
	struct buf area = BUF_ON(k->file);

	if (what == CHANGE_PEOPLE)
		return people_save(&k->people, &k->io, &area);
	if (what == CHANGE_TOKENS)
		return tokens_save(&k->tokens, &k->io, &area);
	memcpy(k->sessions.gen, k->keys[0].gen, GEN_BYTES);
	return sessions_save(&k->sessions, &k->io, &area);
}

bool
keeper_audit(struct keeper *k, const struct audit_entry *e)
{
	struct buf area = BUF_ON(k->file);

	return audit_put(&k->audit, &k->io, &area, e);
}

bool
change_end(struct keeper *k, enum change what, const struct audit_entry *e)
{
	struct audit_entry failed = *e;
	bool told = keeper_audit(k, e);

	if (told && change_save(k, what)) {
		k->seen[what] = false;
		return true;
	}
	if (what == CHANGE_PEOPLE)
		k->people = k->old.people;
	else if (what == CHANGE_TOKENS)
		k->tokens = k->old.tokens;
	else
		k->sessions = k->old.sessions;
	failed.note = SL("failed: could not be written");
	if (told)
		(void)keeper_audit(k, &failed);
	return false;
}

void
keeper_tick(struct keeper *k, uint64_t now_s)
{
	uint8_t area[24];
	struct buf n = BUF_ON(area);
	struct audit_entry e = { .t = now_s, .what = SL("login.refused") };

	if (k->refused > 0) {
		buf_put_dec(&n, k->refused);
		e.note = buf_slice(&n);
		if (keeper_audit(k, &e))
			k->refused = 0;
	}
	for (unsigned i = 0; i < CHANGES; i++)
		if (k->seen[i] && change_save(k, i))
			k->seen[i] = false;
}

/* ---- notes ------------------------ */

bool
note_room(const struct keeper *k)
{
	return k->note_tail - k->note_head <= KEEPER_NOTES - NOTES_OF_ONE;
}

void
note_put(struct keeper *k, const struct keeper_note *n)
{
	assert(k->note_tail - k->note_head < KEEPER_NOTES);
	k->notes[k->note_tail++ % KEEPER_NOTES] = *n;
}

/* AGENT/APP of each rule, a line each. */
static void
put_rules(const struct keeper *k, struct answer *a)
{
	struct buf b = BUF_ON(a->text);

	_Static_assert(RULES_MAX * (APP_MAX + 1) <= ANSWER_TEXT_MAX, "");
	for (size_t i = 0; i < RULES_MAX; i++) {
		if (k->people.rules[i].app.n == 0)
			continue;
		buf_put(&b, row_text(k->people.rules[i].app));
		buf_lit(&b, "\n");
	}
	assert(buf_ok(&b));
	a->text_n = to_u16(b.n);
}

bool
keeper_note(struct keeper *k, struct answer *a)
{
	const struct keeper_note *n = &k->notes[k->note_head % KEEPER_NOTES];

	if (k->note_head == k->note_tail)
		return false;
	k->note_head++;
	memset(a, 0, sizeof *a);
	a->kind = n->kind;
	a->result = n->ended ? E_AUTH : E_OK;
	a->role = n->role;
	a->credential = n->credential;
	GIVE(a, user, row_text(n->user));
	GIVE(a, jti, row_text(n->jti));
	if (n->kind == NOTE_MODE)
		GIVE(a, text, keeper_mode_name(k));
	else if (n->kind == NOTE_FLUSH)
		put_rules(k, a);
	return true;
}
