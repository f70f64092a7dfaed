/*
 * A line is looked at by itself: its checksum, then its number. No index is
 * kept; a page of the list reads at most the four files from their ends, which
 * is a few milliseconds and only done for an admin.
 */
#include "state/audit.h"

#include <assert.h>

#include "base/num.h"
#include "crypto/hash.h"

_Static_assert((int)AUDIT_BYTES <= (int)STORE_FILE_MAX, "it is loaded whole");

enum { SUM_BYTES = 8, SUM_CHARS = 16 };

static const struct slice log_file = SL_INIT("audit.log");

static void
put_sum(struct buf *b, struct slice text)
{
	uint8_t hash[SHA256_BYTES];

	sha256(hash, text);
	buf_put_hex(b, slice_of(hash, SUM_BYTES));
}

/* The object of a line without its LF, and its number; false if damaged. */
static bool
read_line(struct slice line, struct json *v, uint64_t *n)
{
	uint8_t area[SUM_CHARS];
	struct buf sum = BUF_ON(area);
	struct json number;
	struct slice text;

	if (line.n <= SUM_CHARS + 1 || line.n >= AUDIT_LINE_MAX ||
	    line.p[line.n - SUM_CHARS - 1] != ' ')
		return false;
	text = slice_head(line, line.n - SUM_CHARS - 1);
	put_sum(&sum, text);
	return slice_ends(line, buf_slice(&sum)) &&
	    json_parse(text, 2, v) == E_OK &&
	    json_get(*v, SL("n"), &number) == E_OK &&
	    json_u64(number, n) == E_OK;
}

/* Whole good lines at the front of `text`: their bytes and how many; *next
 * becomes the number after the last of them. False: a line of a wrong number
 * stopped it. */
static bool
scan(struct slice text, size_t *good, size_t *lines, uint64_t *next)
{
	struct slice rest = text;
	struct json v;
	uint64_t n;

	*good = *lines = 0;
	while (slice_find(rest, '\n') < rest.n &&
	    read_line(slice_cut(&rest, '\n'), &v, &n)) {
		if (*lines > 0 && n != *next)
			return false;
		*next = n + 1;
		*lines += 1;
		*good = text.n - rest.n;
	}
	return true;
}

static enum err
load(const struct store_io *io, struct slice name, struct buf *area)
{
	enum err e;

	buf_reset(area);
	e = io->load(io->ctx, name, area);
	return e == E_EOF ? E_OK : e;
}

/* audit.log, audit.log.1, ... */
static struct slice
file_name(uint8_t area[16], unsigned i)
{
	struct buf b = buf_of(area, 16);

	buf_put(&b, log_file);
	if (i > 0) {
		buf_lit(&b, ".");
		buf_put_dec(&b, i);
	}
	return buf_slice(&b);
}

enum err
audit_load(struct audit *a, const struct store_io *io, struct buf *area,
    size_t *cut, struct store_fault *f)
{
	struct slice text, rest;
	uint8_t name[16];
	size_t lines, good, end;
	bool in_order;
	enum err e = load(io, log_file, area);

	*a = (struct audit){ .next = 1 };
	*f = (struct store_fault){ .file = log_file };
	*cut = 0;
	if (e != E_OK)
		return store_load_fault(f, e);
	text = buf_slice(area);
	in_order = scan(text, &good, &lines, &a->next);
	rest = slice_from(text, good);
	/* Of the last line a crash leaves the front, or a line with a hole of
	 * zeros. */
	end = slice_find(rest, '\n');
	if (!in_order || (end < rest.n && (end + 1 < rest.n ||
	    slice_find(rest, 0) == rest.n)))
		return store_wrong(f, E_SYNTAX, lines + 1, in_order ?
		    "damaged" : "lines are missing before this one");
	*cut = rest.n;
	a->bytes = good;
	/* On a full disk that has to wait for the next entry. */
	a->torn = *cut > 0 && !io->save(io->ctx, log_file,
	    slice_head(text, good));
	/* What was read must not get lost after what follows: whoever wrote
	 * it may have ended before it was durable. */
	if (text.n > 0 && !a->torn)
		(void)io->append(io->ctx, log_file, SL(""));
	if (lines == 0 && load(io, file_name(name, 1), area) == E_OK)
		(void)scan(buf_slice(area), &good, &lines, &a->next);
	return E_OK;
}

static void
put_line(struct buf *b, uint64_t n, const struct audit_entry *e)
{
	const struct { struct slice name, text; } f[] = {
		{ SL_INIT("who"), e->who }, { SL_INIT("from"), e->from },
		{ SL_INIT("what"), e->what }, { SL_INIT("on"), e->on },
		{ SL_INIT("note"), e->note },
	};
	struct json_out o = json_out_on(b);

	json_object(&o);
	json_pair_u64(&o, SL("n"), n);
	json_pair_u64(&o, SL("t"), e->t);
	for (size_t i = 0; i < sizeof f / sizeof f[0]; i++)
		if (f[i].text.n > 0)
			json_pair_string(&o, f[i].name,
			    slice_head(f[i].text, AUDIT_TEXT_MAX));
	json_object_end(&o);
	buf_lit(b, " ");
	put_sum(b, slice_head(buf_slice(b), b->n - 1));
	buf_lit(b, "\n");
}

/* What a failed write may have left behind a->bytes. */
static bool
cut_torn(struct audit *a, const struct store_io *io, struct buf *area)
{
	if (a->torn && (load(io, log_file, area) != E_OK ||
	    area->n < a->bytes || !io->save(io->ctx, log_file,
	    slice_head(buf_slice(area), a->bytes))))
		return false;
	a->torn = false;
	return true;
}

bool
audit_put(struct audit *a, const struct store_io *io, struct buf *area,
    const struct audit_entry *e)
{
	uint8_t text[AUDIT_LINE_MAX];
	struct buf line = BUF_ON(text);

	put_line(&line, a->next, e);
	assert(buf_ok(&line));
	if (!cut_torn(a, io, area))
		return false;
	if (a->bytes + line.n > AUDIT_BYTES) {
		if (!io->rotate(io->ctx, log_file, AUDIT_FILES))
			return false;
		a->bytes = 0;
	}
	a->torn = !io->append(io->ctx, log_file, buf_slice(&line));
	if (a->torn)
		return false;
	a->bytes += line.n;
	a->next++;
	return true;
}

/* The rows of one file from its end; *before is the last one written. False
 * if there was no room for the next. */
static bool
put_rows(struct slice text, uint64_t *before, struct json_out *o, size_t room)
{
	while (text.n > 0) {
		struct slice line = slice_head(text, text.n - 1);
		struct json v;
		uint64_t n;

		line = slice_from(line, line.n == slice_rfind(line, '\n') ? 0 :
		    slice_rfind(line, '\n') + 1);
		text.n -= line.n + 1;
		if (!read_line(line, &v, &n) || (*before > 0 && n >= *before))
			continue;
		if (buf_room(o->b) < v.raw.n + 1 + room)
			return false;
		json_put_raw(o, v.raw);
		*before = n;
	}
	return true;
}

uint64_t
audit_rows(const struct store_io *io, struct buf *area, uint64_t before,
    struct json_out *o, size_t room)
{
	uint8_t name[16];

	for (unsigned i = 0; i < AUDIT_FILES && before != 1; i++)
		if (load(io, file_name(name, i), area) == E_OK &&
		    !put_rows(buf_slice(area), &before, o, room))
			return before;
	return 0;
}
