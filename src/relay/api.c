/*
 * Operations on people, tokens and rights. The relay decides none of them: it
 * hands the keeper what was asked, as JSON, with the session or token of who
 * asks, and passes the answer on. What is decided here is only what has to do
 * with where a request came from: its method and type, the page behind it, and
 * that an app which shares the site may not act for the people who visit it.
 *
 * The path names the operation: POST /api/people/add is people.add, GET
 * /api/people is people.list. Only those of the table exist.
 */
#include "relay/parts.h"

#include "codec/json.h"
#include "crypto/ct.h"

enum {
	API_GET = 1,
	API_NOBODY = 2,         /* no session: a secret in the body */
	API_ENTERS = 4,         /* who succeeds is logged in */
	API_UNSHARED = 8,       /* not where an app shares the site */
	API_SETUP = 16,         /* while there is no account */
	API_OWN = 32,           /* where an app shares the site: of one's own */
	API_PASSWORD = 64,      /* shows a password: so often and no more */
	API_MEMBERS = 16,       /* of a body, at most */
	API_CURSOR = 64,        /* of `after`, bytes */
};

static const struct api_row {
	struct slice op;
	unsigned flags;
} rows[] = {
	{ SL_INIT("me.password"), API_PASSWORD },
	{ SL_INIT("people.list"), API_GET },
	{ SL_INIT("people.add"), API_UNSHARED },
	{ SL_INIT("people.role"), API_UNSHARED },
	{ SL_INIT("people.remove"), API_UNSHARED },
	{ SL_INIT("people.reset"), API_UNSHARED },
	{ SL_INIT("invites.list"), API_GET },
	{ SL_INIT("invites.new"), API_UNSHARED },
	{ SL_INIT("invites.revoke"), API_UNSHARED },
	{ SL_INIT("invite.look"), API_NOBODY },
	{ SL_INIT("invite.accept"), API_NOBODY | API_ENTERS },
	{ SL_INIT("setup"), API_NOBODY | API_ENTERS | API_SETUP },
	{ SL_INIT("tokens.list"), API_GET },
	{ SL_INIT("tokens.new"), API_UNSHARED },
	{ SL_INIT("tokens.revoke"), API_UNSHARED },
	{ SL_INIT("sessions.list"), API_GET },
	{ SL_INIT("sessions.revoke"), API_OWN },
	{ SL_INIT("access.list"), API_GET },
	{ SL_INIT("access.set"), API_UNSHARED },
	{ SL_INIT("audit.list"), API_GET },
};

/* The row of /api/PATH, NULL if there is none. */
static const struct api_row *
api_find(struct slice path, bool get)
{
	uint8_t area[32];
	struct buf op = BUF_ON(area);

	if (!slice_starts(path, SL("/api/")) ||
	    slice_find(path, '.') < path.n)
		return NULL;
	for (size_t i = 5; i < path.n; i++)
		buf_put_u8(&op, path.p[i] == '/' ? '.' : path.p[i]);
	if (get)
		buf_lit(&op, ".list");
	for (size_t i = 0; buf_ok(&op) && i < sizeof rows / sizeof rows[0];
	    i++) {
		if (slice_eq(rows[i].op, buf_slice(&op)) &&
		    get == ((rows[i].flags & API_GET) != 0))
			return &rows[i];
	}
	return NULL;
}

static bool
is_json(const struct http_head *h)
{
	const struct http_field *f =
	    http_field_id(h, HTTP_N_CONTENT_TYPE, NULL);
	static const struct slice json = SL_INIT("application/json");

	return f != NULL && slice_ieq(slice_trim(slice_head(f->value,
	    slice_find(f->value, ';'))), json);
}

/* The members of the body, behind "op". */
static bool
put_body(struct json_out *o, struct slice body)
{
	struct json_iter it;
	struct json v, name;

	if (json_parse(body, 3, &v) != E_OK ||
	    json_unique(v, API_MEMBERS) != E_OK)
		return false;
	json_iter(&it, v);
	while (json_next(&it, &name, &v)) {
		if (json_is(name, SL("op")))
			return false;
		json_name_raw(o, name.raw);
		json_put_raw(o, v.raw);
	}
	return true;
}

static bool
put_query(struct json_out *o, struct slice query)
{
	uint8_t area[API_CURSOR], all_area[8];
	struct buf after = BUF_ON(area), all = BUF_ON(all_area);
	bool found;

	if (url_form_get(query, SL("after"), &after, &found) != E_OK ||
	    url_form_get(query, SL("all"), &all, &found) != E_OK)
		return false;
	if (after.n > 0)
		json_pair_string(o, SL("after"), buf_slice(&after));
	if (all.n > 0)
		json_pair_bool(o, SL("all"), true);
	return true;
}

/* Fill the question. False: it is malformed, or too long. */
static bool
put_question(struct ask *q, const struct http_head *h,
    const struct api_row *row, bool shared, struct slice body)
{
	struct buf text = BUF_ON(q->text);
	struct json_out o = json_out_on(&text);

	json_object(&o);
	json_pair_string(&o, SL("op"), row->op);
	if (!((row->flags & API_GET) != 0 ?
	    put_query(&o, url_query(h->target)) : put_body(&o, body)))
		return false;
	if ((row->flags & API_OWN) != 0 && shared)
		json_pair_bool(&o, SL("all"), false);
	json_object_end(&o);
	q->text_n = (uint16_t)text.n;
	return buf_ok(&text);
}

/* What the keeper said; then, for who came with a good secret, the steps to a
 * session. */
static void
api_answer(struct client *c, const struct http_head *h,
    const struct api_row *row)
{
	const struct answer *a = c->r->verdict;
	uint8_t area[2 * ASK_TEXT_MAX + 512];
	struct buf b = BUF_ON(area);
	enum err e = E_MORE;

	if (a->kind == ASK_OP && (a->status < 200 || a->status > 599)) {
		reply_error(c, h, 500, SL("The keeper has no answer to that"),
		    SL(""));
		return;
	}
	if (a->kind == ASK_OP && (a->status != 200 ||
	    (row->flags & API_ENTERS) == 0)) {
		reply_json(c, h->verb == HTTP_V_HEAD, a->status,
		    slice_of(a->text, a->text_n), SL(""));
		return;
	}
	e = login_issue(c, h);
	if (e == E_OK) {
		login_cookies(c, &b);
		reply_json(c, false, 200, SL("{\"ok\":true}"), buf_slice(&b));
		wipe(area, sizeof area);
	} else if (e != E_MORE) {
		reply_error(c, h, 503, SL("It is done; log in now"), SL(""));
	}
}

/* Where the request came from, and how. False: refused. */
static bool
api_allowed(struct client *c, const struct http_head *h,
    const struct api_row *row)
{
	struct relay *r = c->r;

	if (r->mode == RELAY_OPEN) {
		reply_error(c, h, 403, SL("This relay asks nobody to log in: "
		    "it has no accounts and no tokens of theirs"), SL(""));
	} else if ((row->flags & API_GET) != 0) {
		return true;
	} else if (!site_same_origin(r, &r->site, h)) {
		reply_foreign(c, h);
	} else if (!is_json(h)) {
		reply_error(c, h, 415, SL("Expected application/json"),
		    SL(""));
	} else if (r->site.kind == SITE_SHARED &&
	    (row->flags & API_UNSHARED) != 0) {
		reply_error(c, h, 403, SL("An app shares this site with the "
		    "dashboard, so this is not changed here: do it on the "
		    "command line, or give the dashboard a site of its own "
		    "(--listen ADDR:PORT=dashboard)"), SL(""));
	} else {
		return true;
	}
	return false;
}

static bool
is_ours(const struct answer *a)
{
	return a != NULL && (a->kind == ASK_OP || a->kind == ASK_ISSUE ||
	    a->kind == ASK_ISSUE_DEVICE);
}

bool
api_is(struct slice path)
{
	return api_find(path, true) != NULL || api_find(path, false) != NULL;
}

bool
api_sets_up(struct slice path)
{
	const struct api_row *row = api_find(path, false);

	return row != NULL && (row->flags & API_SETUP) != 0;
}

void
api_request(struct client *c, const struct http_head *h, struct slice path,
    struct slice body)
{
	struct relay *r = c->r;
	const struct api_row *row = api_find(path, h->verb != HTTP_V_POST);
	struct ask q = { .kind = ASK_OP };
	struct slice by = { NULL, 0 };
	struct session s;
	uint64_t retry_s;
	enum auth a;

	if (row == NULL || (h->verb != HTTP_V_POST && h->verb != HTTP_V_GET &&
	    h->verb != HTTP_V_HEAD)) {
		reply_error(c, h, 405, SL("Method not allowed"), row != NULL ||
		    h->verb == HTTP_V_POST ? SL("Allow: GET, HEAD\r\n") :
		    SL("Allow: POST\r\n"));
		return;
	}
	if (is_ours(r->verdict)) {
		api_answer(c, h, row);
		return;
	}
	if (!api_allowed(c, h, row))
		return;
	if ((row->flags & API_NOBODY) == 0) {
		a = auth_request(c, h, &r->site, &s);
		if (a == AUTH_ASKED)
			return;
		if (a != AUTH_YES) {
			auth_refuse(c, h, a == AUTH_BAD);
			return;
		}
		by = auth_proof(h, &r->site);
	}
	if (by.n > sizeof q.by || !put_question(&q, h, row,
	    r->site.kind == SITE_SHARED, body)) {
		reply_error(c, h, 400, SL("Malformed, or too long"), SL(""));
	} else if ((row->flags & API_PASSWORD) != 0 &&
	    !login_again(r, name_slice(&s.user), &retry_s)) {
		reply_later(c, h, retry_s, SL("Too many attempts; wait a "
		    "little"));
	} else {
		memcpy(q.by, by.n > 0 ? by.p : q.by, by.n);
		q.by_n = (uint16_t)by.n;
		auth_ask_site(&q, &r->site);
		auth_ask_from(&q, &r->site, h);
		auth_ask(c, FOR_OP, &q);
	}
	wipe(&q, sizeof q);
}
