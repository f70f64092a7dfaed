/*
 * Operations, and questions of any kind, from somebody without rights, a
 * viewer, an admin and the console. Oracles: an operation's answer is JSON with
 * a status, and an error exactly if that is not 200; who is no admin changes no
 * account, rule or token; there is always an admin; what is kept can be
 * written. Bytes: who asks, the kind, then the text; a line each.
 */
#include <stdlib.h>

#include "state/keeper.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

static struct keeper k;
static uint8_t sessions[2][2048];       /* of the viewer and the admin */
static uint16_t session_n[2];

static enum err
load(void *ctx, struct slice name, struct buf *into)
{
	(void)ctx;
	(void)name;
	(void)into;
	return E_EOF;
}

static bool
write_any(void *ctx, struct slice name, struct slice content)
{
	(void)ctx;
	return name.n > 0 && content.n <= STORE_FILE_MAX;
}

static bool
rotate(void *ctx, struct slice name, unsigned files)
{
	(void)ctx;
	return name.n > 0 && files > 1;
}

static bool
remove_any(void *ctx, struct slice name)
{
	(void)ctx;
	return name.n > 0;
}

static const struct store_io io = { load, write_any, write_any, rotate,
	remove_any, NULL };

/* An account, and a session for it by way of a grant. */
static void
make_person(unsigned i, uint8_t role, uint8_t name)
{
	struct person_row *p = &k.people.rows[i];
	static struct ask q;
	static struct answer a;

	*p = (struct person_row){ .role = role, .serial = k.people.next++,
		.name = { 1, { name } }, .hash = { .cost = { 10, 1, 1 } } };
	memset(&q, 0, sizeof q);
	k.grants[0] = (struct keeper_grant){ .serial = p->serial,
		.until_s = 100, .jti = { name } };
	q.kind = ASK_ISSUE;
	q.now_s = 99;
	q.ttl_s = 1000;
	q.text_n = JTI_CHARS;
	memset(q.text, 'A', JTI_CHARS);
	q.text[0] = (uint8_t)('A' + (name >> 2));
	q.text[1] = (uint8_t)('A' + ((name & 3) << 4));
	MUST(keeper_answer(&k, &q, &a) == KEEPER_RELAY && a.result == E_OK);
	memcpy(sessions[i], a.text, a.text_n);
	session_n[i] = a.text_n;
}

static void
begin(void)
{
	static const uint8_t seed[RNG_SEED_MIN] = { 1 };
	static struct secret jwt, none;
	struct keeper_cfg cfg = { .jwt = &jwt, .password = &none,
		.token = &none, .seed = { seed, sizeof seed }, .io = io,
		.cost = { 10, 1, 1 } };
	struct store_fault f;
	size_t cut;

	secret_set(&jwt, SL("a-signing-key-of-thirty-two-bytes"));
	keeper_wipe(&k);
	keeper_init(&k, &cfg);
	MUST(keeper_load(&k, 99, &cut, &f) == E_OK);
	k.mode = MODE_ACCOUNTS;
	make_person(0, ROLE_VIEWER, 'X');
	make_person(1, ROLE_ADMIN, 'Y');
}

static void
check_answer(const struct ask *q, const struct answer *a)
{
	struct json root, error;

	MUST(a->text_n <= sizeof a->text && a->user_n <= sizeof a->user);
	if (q->kind != ASK_OP)
		return;
	MUST(a->status >= 200 && a->status < 600);
	MUST((a->result == E_OK) == (a->status == 200));
	MUST(json_parse(slice_of(a->text, a->text_n), 5, &root) == E_OK);
	MUST(json_get(root, SL("error"), &error) == E_OK);
	MUST((error.kind == JSON_STRING) == (a->status != 200));
}

static void
check_state(bool admin)
{
	static struct people people;
	static struct tokens tokens;
	unsigned admins = 0;

	if (!admin) {
		/* Seen and used may have changed, and nothing else can. */
		k.people.rows[0].seen_s = k.people.rows[1].seen_s = 0;
		MUST(memcmp(&k.people, &people, sizeof people) == 0);
		MUST(memcmp(&k.tokens, &tokens, sizeof tokens) == 0);
	}
	k.people.rows[0].seen_s = k.people.rows[1].seen_s = 0;
	people = k.people;
	tokens = k.tokens;
	for (unsigned i = 0; i < PEOPLE_MAX; i++)
		admins += k.people.rows[i].role == ROLE_ADMIN;
	MUST(admins > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct ask q;
	static struct answer a;
	struct slice in = { p, n }, part;
	struct buf b = BUF_ON(k.file);
	enum keeper_for who;

	begin();
	check_state(true);
	while (in.n > 2) {
		part = slice_cut(&in, '\n');
		if (part.n < 2)
			continue;
		memset(&q, 0, sizeof q);
		q.kind = part.p[1] % 4 != 0 ? ASK_OP : part.p[1] / 4;
		q.now_s = 100 + part.p[1] / 64;
		q.text_n = (uint16_t)(part.n - 2 < sizeof q.text ?
		    part.n - 2 : sizeof q.text);
		memcpy(q.text, part.p + 2, q.text_n);
		if (part.p[0] % 4 == 1 || part.p[0] % 4 == 2) {
			q.by_n = session_n[part.p[0] % 4 - 1];
			memcpy(q.by, sessions[part.p[0] % 4 - 1], q.by_n);
		}
		who = part.p[0] % 4 == 3 ? keeper_console(&k, &q, &a) :
		    keeper_answer(&k, &q, &a);
		if (who != KEEPER_LATER)
			check_answer(&q, &a);
		check_state(part.p[0] % 4 >= 2);
		while (keeper_note(&k, &a))
			MUST(a.kind >= NOTE_SESSION && a.seq == 0);
	}
	MUST(people_save(&k.people, &io, &b) && tokens_save(&k.tokens, &io,
	    &b) && sessions_save(&k.sessions, &io, &b));
	return 0;
}
