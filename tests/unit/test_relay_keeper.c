/*
 * The relay with the real keeper, from the first account on: what the two say
 * to each other fits together. (Each alone: test_relay_people, test_keeper.)
 */
#include "relay_test.h"
#include "crypto/scrypt.h"

#define JSON "Content-Type: application/json\r\n"
#define FILES 8

static struct file { char name[32]; struct dyn d; } files[FILES];
static struct keeper *k;
static char text[6000];         /* the last answer's body */

/* ---- the keeper's files, and its turn ------------------------ */

static struct file *
file_of(struct slice name)
{
	for (size_t i = 0; i < FILES; i++) {
		struct file *f = &files[i];

		if (f->name[0] == 0) {
			assert_true(name.n < sizeof f->name);
			memcpy(f->name, name.p, name.n);
		}
		if (strlen(f->name) == name.n &&
		    memcmp(f->name, name.p, name.n) == 0)
			return f;
	}
	fail();
	return NULL;
}

static enum err
load(void *ctx, struct slice name, struct buf *into)
{
	struct file *f = file_of(name);

	(void)ctx;
	if (f->d.n == 0)
		return E_EOF;
	return buf_put(into, slice_of(f->d.p, f->d.n)) ? E_OK : E_FULL;
}

static bool
append(void *ctx, struct slice name, struct slice content)
{
	(void)ctx;
	dyn_put(&file_of(name)->d, content.p, content.n);
	return true;
}

static bool
save(void *ctx, struct slice name, struct slice content)
{
	dyn_drop(&file_of(name)->d, file_of(name)->d.n);
	return append(ctx, name, content);
}

static bool
rotate(void *ctx, struct slice name, unsigned n)
{
	(void)n;
	return save(ctx, name, SL(""));
}

static bool
forget(void *ctx, struct slice name)
{
	return save(ctx, name, SL(""));
}

static bool
real(struct rig *rig, const struct ask *q, struct answer *a)
{
	static uint8_t area[2 << 20] __attribute__((aligned(64)));
	enum keeper_for who = keeper_answer(k, q, a);
	struct keeper_job j;
	struct keeper_result r = { .ok = true, .now_s = q->now_s };
	struct answer note;

	while (who == KEEPER_LATER && keeper_job(k, &j)) {
		r.id = j.id;
		scrypt(r.hash, sizeof r.hash, secret_bytes(&j.password),
		    slice_of(j.salt, sizeof j.salt), j.cost, area);
		who = keeper_done(k, &r, a);
	}
	assert_int_equal(who, KEEPER_RELAY);
	while (keeper_note(k, &note))
		world_answer(rig->host, &note, 2);
	return true;
}

static void
begin_empty(void)
{
	static struct secret jwt, none, token;
	struct keeper_cfg cfg = { .jwt = &jwt, .password = &none,
		.token = &token, .cost = { 10, 1, 1 }, .io = { load, save,
		append, rotate, forget, NULL },
		.seed = SL("0123456789abcdef0123456789abcdef") };
	struct store_fault fault;
	size_t cut;
	uint8_t area[32];

	memset(files, 0, sizeof files);
	secret_set(&jwt, SL("a jwt secret of more than 32 bytes"));
	secret_set(&token, SL(RIG_TOKEN));
	begin();
	g.cfg.app_domain = SL("apps.test");
	g.keeper_hook = real;
	k = calloc(1, sizeof *k);
	keeper_init(k, &cfg);
	assert_int_equal(keeper_load(k, world_io(g.host)->wall_ms / 1000, &cut,
	    &fault), E_OK);
	rig_start(&g);
	relay_set_mode(g.r, keeper_mode_name(k));
	web = ag_up(&g, A1, "mac");
	assert_int_equal(keeper_setup_code(k, area).n, 19);
}

static void
end(void)
{
	keeper_wipe(k);
	free(k);
	for (size_t i = 0; i < FILES; i++)
		free(files[i].d.p);
	rig_close(&g);
}

/* ---- people ------------------------ */

static unsigned
send_as(const char *line, const char *cookie, const char *body)
{
	static char area[8000];
	struct cl *c = cl_new(&g, C1, NULL);
	unsigned status;
	const char *p;

	snprintf(area, sizeof area, "%s HTTP/1.1\r\n" HOST "%s" JSON
	    "Content-Length: %zu\r\n\r\n%s", line, cookie, strlen(body), body);
	status = cl_ask(c, area);
	snprintf(text, sizeof text, "%s", c->body.n > 0 ? c->body.p : "");
	p = strstr(c->head.p, "Set-Cookie: adit=ey");
	if (p != NULL)          /* who is logged in now, for the caller */
		snprintf(text, sizeof text, "Cookie: %.*s\r\n",
		    (int)strcspn(p + 12, ";"), p + 12);
	cl_close(c, false);
	return status;
}

/* A string member of the last answer. */
static const char *
member(const char *name)
{
	static char out[4][200];
	static unsigned next;
	char *to = out[next++ % 4], key[40];
	const char *p;

	snprintf(key, sizeof key, "\"%s\":\"", name);
	p = strstr(text, key);
	assert_non_null(p);
	p += strlen(key);
	snprintf(to, sizeof out[0], "%.*s", (int)strcspn(p, "\""), p);
	return to;
}

static char ann[900], mem[900];

/* The first account by the code, another by an invitation. */
static void
two_people(void)
{
	uint8_t area[32];
	char body[400];
	struct slice code = keeper_setup_code(k, area);

	assert_int_equal(send_as("GET /api/me", "", ""), 403);
	assert_int_equal(send_as("POST /api/setup", "", "{\"code\":\"AAAA-AAAA-"
	    "AAAA-AAAA\",\"user\":\"ann\",\"password\":\"long enough 1\"}"),
	    403);
	snprintf(body, sizeof body, "{\"code\":\"%.*s\",\"user\":\"ann\","
	    "\"password\":\"long enough 1\"}", (int)code.n,
	    (const char *)code.p);
	assert_int_equal(send_as("POST /api/setup", "", body), 200);
	snprintf(ann, sizeof ann, "%.890s", text);
	assert_int_equal(send_as("GET /api/me", ann, ""), 200);
	assert_string_equal(text, "{\"user\":\"ann\",\"role\":\"admin\","
	    "\"mode\":\"accounts\"}");
	assert_int_not_equal(send_as("POST /api/setup", "", body), 200);
	assert_int_equal(send_as("POST /api/invites/new", ann,
	    "{\"role\":\"member\"}"), 200);
	snprintf(body, sizeof body, "{\"secret\":\"%s\"}", member("secret"));
	assert_int_equal(send_as("POST /api/invite/look", "", body), 200);
	assert_string_equal(member("role"), "member");
	snprintf(body + strlen(body) - 1, sizeof body - strlen(body),
	    ",\"user\":\"mem\",\"password\":\"long enough 2\"}");
	assert_int_equal(send_as("POST /api/invite/accept", "", body), 200);
	snprintf(mem, sizeof mem, "%.890s", text);
	assert_int_not_equal(send_as("POST /api/invite/accept", "", body),
	    200);
}

static void
from_the_first_account_on(void **state)
{
	(void)state;
	begin_empty();
	two_people();
	assert_int_equal(send_as("GET /api/me", mem, ""), 200);
	assert_string_equal(member("role"), "member");
	/* A member decides nothing. */
	assert_int_equal(send_as("GET /api/people", mem, ""), 403);
	assert_int_equal(send_as("POST /api/people/role", mem,
	    "{\"user\":\"mem\",\"role\":\"admin\"}"), 403);
	assert_int_equal(send_as("GET /api/people", ann, ""), 200);
	assert_non_null(strstr(text, "\"user\":\"mem\",\"role\":\"member\""));
	assert_int_equal(send_as("POST /api/people/role", ann,
	    "{\"user\":\"ann\",\"role\":\"viewer\"}"), 409);
	/* By password. */
	assert_int_equal(send_as("POST /api/auth/login", "",
	    "{\"user\":\"mem\",\"password\":\"long enough 1\"}"), 401);
	assert_int_equal(send_as("POST /api/auth/login", "",
	    "{\"user\":\"mem\",\"password\":\"long enough 2\"}"), 200);
	/* A new one ends the other sessions, not this one. */
	assert_int_equal(send_as("POST /api/me/password", mem,
	    "{\"old\":\"long enough 2\",\"new\":\"long enough 3\"}"), 200);
	assert_int_equal(send_as("GET /api/sessions", mem, ""), 200);
	assert_null(strstr(strstr(text, "\"id\"") + 1, "\"id\""));
	/* Who is removed is out at once. */
	assert_int_equal(send_as("POST /api/people/remove", ann,
	    "{\"user\":\"mem\"}"), 200);
	assert_int_equal(send_as("GET /api/me", mem, ""), 401);
	assert_int_equal(send_as("GET /api/audit", ann, ""), 200);
	assert_non_null(strstr(text, "people.remove"));
	assert_int_equal(send_as("POST /api/auth/logout", ann, ""), 200);
	assert_int_equal(send_as("GET /api/me", ann, ""), 401);
	end();
}

/* The clock is ahead, and put right after they left. */
static void
who_leaves_in_the_future_does_not_come_back(void **state)
{
	const struct io *io;
	uint64_t then;
	struct cl *c;

	(void)state;
	begin_empty();
	two_people();
	c = cl_new(&g, C1, NULL);
	cl_put(c, "GET /api/events HTTP/1.1\r\n" HOST);
	cl_put(c, mem);
	cl_put(c, "\r\n");
	rig_settle(&g);
	io = world_io(g.host);
	then = io->wall_ms;
	world_wall(g.host, then + 400 * 86400000ull);
	assert_int_equal(send_as("GET /api/me", mem, ""), 401);
	assert_int_equal(send_as("POST /api/auth/logout", mem, ""), 200);
	rig_settle(&g);
	assert_true(c->eof && cl_has(c, "event: end\n"));
	world_wall(g.host, then);
	assert_int_equal(send_as("GET /api/me", mem, ""), 401);
	assert_int_equal(send_as("GET /api/me", ann, ""), 200);
	end();
}

static void
who_listens_hears_of_the_end(void **state)
{
	struct cl *c;
	char body[200];

	(void)state;
	begin_empty();
	two_people();
	c = cl_new(&g, C1, NULL);
	cl_put(c, "GET /api/events HTTP/1.1\r\n" HOST);
	cl_put(c, mem);
	cl_put(c, "\r\n");
	rig_settle(&g);
	assert_true(cl_has(c, "event: status"));
	/* A viewer may still look; */
	assert_int_equal(send_as("POST /api/people/role", ann,
	    "{\"user\":\"mem\",\"role\":\"viewer\"}"), 200);
	rig_settle(&g);
	assert_false(c->eof);
	/* the session that an admin ends is over. */
	assert_int_equal(send_as("GET /api/sessions", mem, ""), 200);
	snprintf(body, sizeof body, "{\"id\":\"%s\"}", member("id"));
	assert_int_equal(send_as("POST /api/sessions/revoke", ann, body), 200);
	rig_settle(&g);
	assert_true(c->eof && cl_has(c, "event: end\n"));
	end();
}

static void
tokens_do_what_they_are_for(void **state)
{
	char api[200], body[200], id[2][40];
	struct ag *pi;

	(void)state;
	begin_empty();
	two_people();
	assert_int_equal(send_as("POST /api/tokens/new", ann, "{\"kind\":"
	    "\"api\",\"name\":\"ci\",\"scopes\":[\"metrics\"]}"), 200);
	snprintf(api, sizeof api, "Authorization: Bearer %s\r\n",
	    member("token"));
	snprintf(id[0], sizeof id[0], "%s", member("id"));
	assert_int_equal(send_as("GET /metrics", api, ""), 200);
	assert_int_equal(send_as("GET /api/people", api, ""), 403);
	assert_int_equal(send_as("GET /api/events", api, ""), 403);
	snprintf(body, sizeof body, "{\"id\":\"%s\"}", id[0]);
	assert_int_equal(send_as("POST /api/tokens/revoke", ann, body), 200);
	assert_int_equal(send_as("GET /metrics", api, ""), 401);
	/* The relay's own token is none of them. */
	pi = ag_up(&g, A2, "pi");
	assert_int_equal(pi->close_code, 0);
	end();
}

static void
apps_are_for_whom_it_is_said(void **state)
{
	char nonce[200], at[2000], line[4000], mine[1200];
	struct cl *c;

	(void)state;
	begin_empty();
	two_people();
	g.cfg.root = SL("web");         /* it is looked at each time */
	assert_int_equal(send_as("GET /_adit/api/access", ann, ""), 200);
	/* On the shared site nothing is changed: the root app could do it. */
	assert_int_equal(send_as("POST /_adit/api/access/set", ann,
	    "{\"app\":\"mac/web\",\"people\":[\"ann\"]}"), 403);
	g.cfg.root = SL("dashboard");
	c = cl_new(&g, C1, NULL);
	cl_put(c, "GET /x HTTP/1.1\r\nHost: web.apps.test\r\n"
	    "Sec-Fetch-Mode: navigate\r\n\r\n");
	rig_settle(&g);
	assert_int_equal(cl_take(c, false), 303);
	snprintf(nonce, sizeof nonce, "%.*s", (int)strcspn(strstr(c->head.p,
	    "adit-nonce="), ";"), strstr(c->head.p, "adit-nonce="));
	snprintf(at, sizeof at, "%.*s", (int)strcspn(strstr(c->head.p,
	    "/_adit/login"), "\r"), strstr(c->head.p, "/_adit/login"));
	snprintf(line, sizeof line, "GET %s HTTP/1.1\r\nHost: apps.test\r\n"
	    "%s\r\n", at, mem);
	assert_int_equal(cl_ask(c, line), 303);
	snprintf(at, sizeof at, "%.*s", (int)strcspn(strstr(c->head.p,
	    "/_adit/handover"), "\r"), strstr(c->head.p, "/_adit/handover"));
	snprintf(line, sizeof line, "GET %s HTTP/1.1\r\nHost: web.apps.test"
	    "\r\nCookie: %s\r\n\r\n", at, nonce);
	assert_int_equal(cl_ask(c, line), 303);
	snprintf(mine, sizeof mine, "Cookie: %.*s\r\n", (int)strcspn(strstr(
	    c->head.p, "adit=ey"), ";"), strstr(c->head.p, "adit=ey"));
	/* Everybody who may open apps; an answer is under way. */
	snprintf(line, sizeof line, "GET /x HTTP/1.1\r\nHost: web.apps.test"
	    "\r\n%s\r\n", mine);
	cl_put(c, line);
	rig_settle(&g);
	assert_true(as_has(ag_last(web), "X-Forwarded-User: mem\r\n"));
	as_say(ag_last(web), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
	rig_settle(&g);
	/* Named people: it ends there, and does not begin again. */
	assert_int_equal(send_as("POST /api/access/set", ann,
	    "{\"app\":\"mac/web\",\"people\":[\"ann\"]}"), 200);
	rig_settle(&g);
	assert_true(c->broken);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(cl_ask(c, line), 403);
	assert_int_equal(send_as("POST /api/access/set", ann,
	    "{\"app\":\"mac/web\",\"people\":[\"ann\",\"mem\"]}"), 200);
	cl_put(c, line);
	rig_settle(&g);
	assert_int_equal(answered(c, ag_last(web), OK2), 200);
	end();
}

#define T(f) cmocka_unit_test(f)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(from_the_first_account_on),
		T(who_leaves_in_the_future_does_not_come_back),
		T(who_listens_hears_of_the_end),
		T(tokens_do_what_they_are_for),
		T(apps_are_for_whom_it_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
