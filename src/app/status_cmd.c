/*
 * adit status: one GET to the relay. What it prints of the answer is escaped;
 * what is not a relay's is an error.
 */
#include <string.h>
#include <unistd.h>

#include "app/fetch.h"
#include "app/out.h"
#include "codec/json.h"

enum { SHOWN_MAX = 200 };

static struct status {
	struct conf conf;
	struct fetch fetch;
} status;

/* A line, without its end. False: there is none. */
static bool
put_start(struct buf *b, const char *name, struct json v)
{
	uint8_t area[SHOWN_MAX];
	struct buf text = BUF_ON(area);

	if (v.kind == JSON_NONE)
		return false;
	buf_put(b, slice_of(name, strlen(name)));
	if (v.kind != JSON_STRING || json_string(v, &text) != E_OK)
		buf_put(&text, slice_head(v.raw, SHOWN_MAX));
	return buf_put_escaped(b, buf_slice(&text), SHOWN_MAX);
}

static void
put_line(struct buf *b, const char *name, struct json v)
{
	if (put_start(b, name, v))
		buf_lit(b, "\n");
}

static void
put_app(struct buf *b, struct json app)
{
	struct json_field f[] = { { SL("name"), { 0 } },
		{ SL("public"), { 0 } }, { SL("people"), { 0 } } };
	bool is = false;

	if (json_fields(app, f, 3) != E_OK ||
	    !put_start(b, "  app      ", f[0].v))
		return;
	if (json_bool(f[1].v, &is) == E_OK && is)
		buf_lit(b, " (public)");
	if (json_bool(f[2].v, &is) == E_OK && is)
		buf_lit(b, " (named people)");
	buf_lit(b, "\n");
}

static void
put_agents(struct buf *b, struct json agents)
{
	struct json_iter it, apps;
	struct json none, agent, app;

	json_iter(&it, agents);
	while (json_next(&it, &none, &agent)) {
		struct json_field f[] = { { SL("name"), { 0 } },
			{ SL("apps"), { 0 } } };

		if (json_fields(agent, f, 2) != E_OK)
			continue;
		put_line(b, "agent      ", f[0].v);
		json_iter(&apps, f[1].v);
		while (json_next(&apps, &none, &app))
			put_app(b, app);
	}
}

static void
put_workstations(struct buf *b, struct json list)
{
	struct json_iter it;
	struct json none, v;

	json_iter(&it, list);
	while (json_next(&it, &none, &v)) {
		struct json_field f[] = { { SL("name"), { 0 } },
			{ SL("online"), { 0 } }, { SL("clients"), { 0 } },
			{ SL("watches"), { 0 } } };
		bool online;

		if (json_fields(v, f, 4) != E_OK ||
		    json_bool(f[1].v, &online) != E_OK)
			continue;
		put_line(b, online ? "workstation " : "(offline)   ", f[0].v);
		if (online) {
			put_line(b, "  clients  ", f[2].v);
			put_line(b, "  polling  ", f[3].v);
		}
	}
}

static int
report(struct status *s, struct slice url)
{
	struct json_field f[] = {
		{ SL("tunnelConnected"), { 0 } }, { SL("uptime"), { 0 } },
		{ SL("version"), { 0 } }, { SL("agents"), { 0 } },
		{ SL("workstations"), { 0 } },
	};
	uint8_t area[16384];
	struct buf b = BUF_ON(area);
	const char *why = s->fetch.why;
	struct json root;
	bool up;

	if (why == NULL && (s->fetch.head.status != 200 ||
	    json_parse(s->fetch.body, JSON_DEPTH, &root) != E_OK ||
	    json_fields(root, f, 5) != E_OK || json_bool(f[0].v, &up) != E_OK))
		why = "the answer is not a relay's";
	if (why != NULL)
		return out_fail(EXIT_FAILED, NULL, url, why);
	if (conf_is_set(&s->conf, C_JSON)) {
		out_write(STDOUT_FILENO, root.raw);
		out_write(STDOUT_FILENO, SL("\n"));
		return EXIT_STOPPED;
	}
	buf_lit(&b, "relay      ");
	buf_put_escaped(&b, url, SHOWN_MAX);
	buf_put(&b, up ? SL("\nconnected  yes\n") : SL("\nconnected  no\n"));
	put_line(&b, "uptime s   ", f[1].v);
	put_line(&b, "version    ", f[2].v);
	put_agents(&b, f[3].v);
	put_workstations(&b, f[4].v);
	out_write(STDOUT_FILENO, buf_slice(&b));
	return EXIT_STOPPED;
}

int
status_cmd(const struct cmd *cmd)
{
	struct status *s = &status;
	struct conf *c = &s->conf;
	uint8_t area[SECRET_MAX + 128];
	struct buf extra = BUF_ON(area);
	int code = fetch_open(&s->fetch, c, CONF_STATUS, cmd);

	if (code != EXIT_GO_ON)
		return code;
	buf_lit(&extra, "Accept: application/json\r\nConnection: close\r\n");
	if (c->token.n > 0) {
		buf_lit(&extra, "Authorization: Bearer ");
		buf_put(&extra, slice_of(c->token.b, c->token.n));
		buf_lit(&extra, "\r\n");
	}
	fetch_get(&s->fetch, SL("/api/relay/status"), buf_slice(&extra), 0,
	    RESOLVE_MAX);
	wipe(area, sizeof area);
	secret_wipe(&c->token);
	fetch_close(&s->fetch);
	return report(s, conf_text(c, C_RELAY, SL("http://127.0.0.1:4000")));
}
