/*
 * What is shown of an answer: lists as a table whose columns are as wide as
 * they must be, or as JSON; secrets that are shown once alone on standard
 * output, so that a script can take them.
 */
#include "app/console_cmd.h"

#include <unistd.h>

#include "app/out.h"
#include "base/num.h"
#include "codec/date.h"

enum {
	LIST_BYTES = 4 << 20,           /* all rows of a list */
	COLUMNS_MAX = 12,
	CELL_MAX = 100,                 /* bytes of one, then cut */
	AUDIT_SHOWN = 50,
};

static void
put_time(struct buf *b, uint64_t unix_s)
{
	size_t from = b->n;

	if (unix_s == 0 || !date_put_iso(b, (int64_t)unix_s * 1000)) {
		buf_lit(b, "never");
		return;
	}
	/* 2026-11-21T04:05:06.000Z */
	b->n = from + DATE_ISO_BYTES - 5;
	buf_lit(b, "Z");
}

static void
put_value(struct buf *b, struct json v, bool is_time)
{
	uint8_t area[4 * CELL_MAX];
	struct buf text = BUF_ON(area);
	struct json_iter it;
	struct json none, item;
	uint64_t n;
	size_t from = b->n;

	if (is_time && json_u64(v, &n) == E_OK) {
		put_time(b, n);
	} else if (v.kind == JSON_STRING) {
		if (json_string(v, &text) != E_OK)
			buf_put(&text, slice_head(v.raw, sizeof area));
		buf_put_escaped(b, buf_slice(&text), CELL_MAX);
	} else if (v.kind == JSON_ARRAY) {
		json_iter(&it, v);
		while (json_next(&it, &none, &item) &&
		    b->n - from < (size_t)4 * CELL_MAX) {
			if (b->n > from)
				buf_lit(b, ",");
			put_value(b, item, false);
		}
	} else if (v.kind == JSON_NUMBER) {
		buf_put(b, v.raw);
	}
	if (b->n == from)
		buf_lit(b, "-");
}

struct list {
	struct buf rows;                /* one a line, as JSON */
	size_t n, max;
	const char *columns;
	size_t width[COLUMNS_MAX];
};

/* One line of the table: of a row, or the head. Widths are taken, or used. */
static void
table_line(struct list *l, struct slice row, bool measure)
{
	static uint8_t area[COLUMNS_MAX * 8 * CELL_MAX];
	struct buf b = BUF_ON(area);
	struct slice names = out_str(l->columns);
	struct json root = { 0 }, v;

	if (row.n > 0)
		(void)json_parse(row, JSON_DEPTH, &root);
	for (size_t i = 0; names.n > 0; i++) {
		struct slice name = slice_cut(&names, ' ');
		bool is_time = slice_ends(name, SL("@"));
		size_t from = b.n;

		name.n -= is_time;
		if (row.n == 0)
			buf_put(&b, name);
		else if (json_get(root, name, &v) == E_OK)
			put_value(&b, v, is_time);
		if (measure)
			l->width[i] = max_size(l->width[i], b.n - from);
		while (names.n > 0 && b.n - from < l->width[i] + 2)
			buf_lit(&b, " ");
	}
	buf_lit(&b, "\n");
	if (!measure)
		out_write(STDOUT_FILENO, buf_slice(&b));
}

static void
show_table(struct list *l)
{
	for (int measure = 1; measure >= 0; measure--) {
		struct slice rest = buf_slice(&l->rows);

		table_line(l, SL(""), measure != 0);
		while (rest.n > 0)
			table_line(l, slice_cut(&rest, '\n'), measure != 0);
	}
}

static void
show_json(struct list *l)
{
	struct slice rest = buf_slice(&l->rows);

	out_write(STDOUT_FILENO, SL("["));
	while (rest.n > 0) {
		out_write(STDOUT_FILENO, slice_cut(&rest, '\n'));
		if (rest.n > 0)
			out_write(STDOUT_FILENO, SL(",\n"));
	}
	out_write(STDOUT_FILENO, SL("]\n"));
}

/* Keep a page's rows. The cursor of the next page goes to `next`. */
static bool
take_page(struct list *l, struct json body, struct buf *next)
{
	struct json_field f[] = { { SL("rows"), { 0 } },
		{ SL("next"), { 0 } } };
	struct json_iter it;
	struct json none, row;

	buf_reset(next);
	if (json_fields(body, f, 2) != E_OK || f[0].v.kind != JSON_ARRAY)
		return false;
	json_iter(&it, f[0].v);
	while (l->n < l->max && json_next(&it, &none, &row)) {
		buf_put(&l->rows, row.raw);
		buf_lit(&l->rows, "\n");
		l->n++;
	}
	if (l->n < l->max && f[1].v.kind == JSON_STRING)
		(void)json_string(f[1].v, next);
	return buf_ok(&l->rows);
}

int
console_list(struct command *c)
{
	static uint8_t rows[LIST_BYTES];
	uint8_t area[64];
	struct buf next = BUF_ON(area);
	struct list l = { .rows = BUF_ON(rows), .columns = c->sub->text,
		.max = SIZE_MAX };
	uint64_t n = AUDIT_SHOWN;

	if ((c->sub->flags & F(N)) != 0) {
		if (c->value[N] != NULL)
			(void)slice_dec(out_str(c->value[N]), 100000, &n);
		l.max = (size_t)n;
	}
	do {
		struct buf b = BUF_ON(c->text);
		struct json body;
		int code = console_question(c, &b, buf_slice(&next));

		if (code == EXIT_GO_ON)
			code = console_do(&c->console, buf_slice(&b), &body);
		if (code != EXIT_GO_ON)
			return code;
		if (!take_page(&l, body, &next))
			return out_fail(EXIT_FAILED, NULL,
			    out_str(c->sub->command),
			    "the answer is not a list");
	} while (next.n > 0);
	if (conf_is_set(&c->console.s->conf, C_JSON))
		show_json(&l);
	else
		show_table(&l);
	return EXIT_STOPPED;
}

/* ---- one result ------------------------ */

static struct slice
member(struct json body, struct slice name)
{
	struct slice text = { 0 };
	struct json v;

	if (json_get(body, name, &v) == E_OK)
		(void)json_plain(v, &text);
	return text;
}

/* What only this command will ever show goes to standard output, alone. */
static void
show_once(const struct command *c, struct json body)
{
	uint8_t area[1024], notes[512];
	struct buf b = BUF_ON(area), note = BUF_ON(notes);
	struct json v;
	uint64_t expires = 0;

	if (c->sub->shows == TOKEN) {
		buf_put(&b, member(body, SL("token")));
		buf_lit(&note, "Shown this once. Id ");
		buf_put_escaped(&note, member(body, SL("id")), CELL_MAX);
	} else {
		buf_put(&b, c->console.url);
		buf_lit(&b, "/_adit/invite#");
		buf_put(&b, member(body, SL("secret")));
		buf_lit(&note, "Good once, until ");
		if (json_get(body, SL("expires"), &v) == E_OK)
			(void)json_u64(v, &expires);
		put_time(&note, expires);
	}
	if (c->sub->shows == LINK && c->console.url.n == 0)
		buf_lit(&note, "\nPut the relay's address in front of it; "
		    "with public_url or domain in adit.json that is done "
		    "here");
	buf_lit(&b, "\n");
	buf_lit(&note, "\n");
	out_write(STDOUT_FILENO, buf_slice(&b));
	out_write(STDERR_FILENO, buf_slice(&note));
	wipe(area, sizeof area);
}

/* The link that resets the password is used here and now. */
static int
pass(struct command *c, struct json body)
{
	uint8_t area[ASK_TEXT_MAX];
	struct buf b = BUF_ON(area);
	struct json_out o = json_out_on(&b);
	int code;

	json_object(&o);
	json_pair_string(&o, SL("op"), SL("invite.accept"));
	json_pair_string(&o, SL("secret"), member(body, SL("secret")));
	json_pair_string(&o, SL("password"), secret_bytes(&c->password));
	json_object_end(&o);
	code = console_do(&c->console, buf_slice(&b), &body);
	wipe(area, sizeof area);
	return code;
}

int
console_once(struct command *c)
{
	struct buf b = BUF_ON(c->text);
	struct json body;
	int code = console_question(c, &b, SL(""));

	if (code == EXIT_GO_ON)
		code = console_do(&c->console, buf_slice(&b), &body);
	wipe(c->text, sizeof c->text);
	if (code == EXIT_GO_ON && c->sub->shows == PASSES)
		code = pass(c, body);
	if (code != EXIT_GO_ON)
		return code;
	if (conf_is_set(&c->console.s->conf, C_JSON)) {
		out_write(STDOUT_FILENO, body.raw);
		out_write(STDOUT_FILENO, SL("\n"));
	} else if (c->sub->text == NULL) {
		show_once(c, body);
	} else {
		out_write(STDERR_FILENO, out_str(c->sub->text));
		out_write(STDERR_FILENO, SL("\n"));
	}
	return EXIT_STOPPED;
}
