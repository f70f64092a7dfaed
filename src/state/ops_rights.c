/*
 * Operations on what opens a door: one's own session and those of others,
 * tokens, rules for apps, the secret that signs.
 */
#include "state/ops.h"

#include <assert.h>

#include "codec/b64.h"

enum { TOKEN_CHARS = 43 };

unsigned
op_me(struct op *p)
{
	uint8_t area[JTI_CHARS];
	struct buf b = BUF_ON(area);

	json_pair_string(&p->o, SL("user"), p->who);
	json_pair_string(&p->o, SL("role"), people_roles[p->role]);
	json_pair_string(&p->o, SL("mode"), keeper_mode_name(p->k));
	if (p->session != NULL) {
		b64_encode(&b, slice_of(p->session->jti, JTI_BYTES),
		    B64_URL_BARE);
		json_pair_string(&p->o, SL("session"),
		    slice_of(area, SESSION_ID_CHARS));
	}
	return OP_OK;
}

unsigned
op_sessions_revoke(struct op *p)
{
	struct keeper *k = p->k;
	bool own = p->v[F_ALL].kind != JSON_NONE && !p->all;

	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		struct session_row *s = &k->sessions.rows[i];
		uint8_t area[JTI_CHARS], role;
		struct buf b = BUF_ON(area);
		struct session_row was = *s;
		unsigned status;

		b64_encode(&b, slice_of(s->jti, JTI_BYTES), B64_URL_BARE);
		if (!s->used || !slice_eq(p->s[F_ID],
		    slice_of(area, SESSION_ID_CHARS)))
			continue;
		if ((p->role != ROLE_ADMIN || own) && (p->session == NULL ||
		    p->session->serial != s->serial))
			break;
		change_begin(k, CHANGE_SESSIONS);
		s->used = 0;
		status = op_change(p, CHANGE_SESSIONS,
		    session_user(k, was.serial, &role), p->s[F_ID]);
		if (status == OP_OK)
			note_session(k, &was);
		return status;
	}
	return op_fail(p, 404, "No such session");
}

static const char why_scopes[] =
    "scopes: of read, metrics, apps, admin, for a token of kind api";

static const char *
token_fault(const struct op *p, unsigned kind, uint8_t scopes)
{
	if (kind == TOKEN_NONE)
		return "kind: agent, api or channel";
	if (!people_label_ok(p->s[F_NAME]))
		return "name: 1 to 48 bytes of text";
	if (p->s[F_AGENT].n > 0 && (kind != TOKEN_AGENT ||
	    !people_agent_ok(p->s[F_AGENT])))
		return "agent: the name of one, for a token of kind agent";
	if ((kind == TOKEN_API) != (scopes != 0))
		return why_scopes;
	return NULL;
}

static void
put_secret(struct op *p, struct slice name, struct slice prefix,
    uint8_t hash[SHA256_BYTES])
{
	uint8_t area[8 + TOKEN_CHARS];
	struct buf b = BUF_ON(area);

	buf_put(&b, prefix);
	rng_put_id(&p->k->rng, &b, SHA256_BYTES);
	assert(buf_ok(&b));
	sha256(hash, buf_slice(&b));
	json_pair_string(&p->o, name, buf_slice(&b));
	wipe(area, sizeof area);
}

unsigned
op_tokens_new(struct op *p)
{
	static const struct slice prefixes[TOKEN_KINDS] = { SL_INIT(""),
		SL_INIT("adit_a"), SL_INIT("adit_p"), SL_INIT("adit_c") };
	struct tokens *t = &p->k->tokens;
	unsigned kind = people_word(people_token_kinds, TOKEN_KINDS,
	    p->s[F_KIND]);
	struct token *row = NULL;
	uint8_t scopes = 0;
	const char *why;

	if (p->v[F_SCOPES].kind != JSON_NONE &&
	    !people_scopes_read(&scopes, p->v[F_SCOPES]))
		return op_fail(p, 400, why_scopes);
	why = token_fault(p, kind, scopes);
	if (why != NULL)
		return op_fail(p, 400, why);
	for (size_t i = TOKENS_MAX; i-- > 0; )
		if (t->rows[i].kind == TOKEN_NONE)
			row = &t->rows[i];
	if (row == NULL)
		return op_fail(p, 409, "There are 256 tokens: revoke some");
	change_begin(p->k, CHANGE_TOKENS);
	*row = (struct token){ .kind = (uint8_t)kind, .scopes = scopes,
		.number = t->next++, .created_s = p->now_s,
		.expires_s = p->ttl_s > 0 ? p->now_s + p->ttl_s : 0 };
	op_put_id(p, row->id);
	put_secret(p, SL("token"), prefixes[kind], row->hash);
	row->name.n = (uint8_t)p->s[F_NAME].n;
	memcpy(row->name.b, p->s[F_NAME].p, row->name.n);
	PLAIN(row->agent, p->s[F_AGENT]);
	PLAIN(row->by, p->who);
	return op_change(p, CHANGE_TOKENS, p->s[F_NAME],
	    people_token_kinds[kind]);
}

unsigned
op_tokens_revoke(struct op *p)
{
	struct token *rows = p->k->tokens.rows;

	for (size_t i = 0; i < TOKENS_MAX; i++) {
		struct token was = rows[i];
		unsigned status;

		if (was.kind == TOKEN_NONE || !op_id_is(p, was.id))
			continue;
		change_begin(p->k, CHANGE_TOKENS);
		rows[i].kind = TOKEN_NONE;
		status = op_change(p, CHANGE_TOKENS, row_text(was.name),
		    p->s[F_ID]);
		if (status == OP_OK)
			note_put(p->k, &(struct keeper_note){
			    .kind = NOTE_CREDENTIAL,
			    .credential = (uint32_t)was.number });
		return status;
	}
	return op_fail(p, 404, "No such token");
}

unsigned
op_access_set(struct op *p)
{
	struct people *t = &p->k->people;
	struct rule *row = NULL, want = { .app = { 0 } };
	bool limit = p->v[F_PEOPLE].kind != JSON_NULL;
	unsigned status;

	if (!people_app_ok(p->s[F_APP]))
		return op_fail(p, 400, "app: AGENT/APP");
	if (limit && !people_names_read(want.people, t, p->v[F_PEOPLE]))
		return op_fail(p, 400,
		    "people: at most 64 names, each of an account");
	for (size_t i = RULES_MAX; i-- > 0; )
		if (t->rules[i].app.n == 0 && row == NULL)
			row = &t->rules[i];
	for (size_t i = 0; i < RULES_MAX; i++)
		if (slice_eq(row_text(t->rules[i].app), p->s[F_APP]))
			row = &t->rules[i];
	if (row == NULL)
		return op_fail(p, 409, "There are rules for 64 apps already");
	change_begin(p->k, CHANGE_PEOPLE);
	if (limit)
		PLAIN(want.app, p->s[F_APP]);
	*row = want;
	status = op_change(p, CHANGE_PEOPLE, p->s[F_APP],
	    limit ? p->v[F_PEOPLE].raw : SL("everyone"));
	if (status == OP_OK)
		note_put(p->k, &(struct keeper_note){ .kind = NOTE_FLUSH });
	return status;
}

unsigned
op_rotate(struct op *p)
{
	struct audit_entry e = op_entry(p, SL(""), SL(""));

	if (!p->k->jwt_is_kept)
		return op_fail(p, 409, "JWT_SECRET is set: change it there, "
		    "which ends all sessions");
	return keeper_audit(p->k, &e) && keeper_rotate(p->k, p->now_s) ?
	    OP_OK : op_fail(p, 500, "It could not be written");
}
