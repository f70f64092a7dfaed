/*
 * What is read is checked as if somebody else had written it: people edit,
 * restore and copy these files. A secret is wiped from every buffer that it
 * passed through, on failure too.
 */
#include "state/store.h"

#include <assert.h>

#include "base/num.h"
#include "state/strength.h"

size_t
store_line(struct slice text, size_t at)
{
	size_t line = 1;

	for (size_t i = 0; i < min_size(at, text.n); i++)
		line += text.p[i] == '\n';
	return line;
}

enum err
store_wrong(struct store_fault *f, enum err e, size_t line, const char *why)
{
	f->line = line;
	f->why = why;
	return e;
}

enum err
store_load_fault(struct store_fault *f, enum err e)
{
	if (e == E_FULL)
		return store_wrong(f, E_SYNTAX, 0, "larger than it can be");
	return store_wrong(f, E_IO, 0, "cannot be read");
}

/* A secret as it stands in a line. */
static enum err
parse_secret(struct secret *out, struct slice line, enum strength_kind kind,
    struct store_fault *f)
{
	const char *why;

	if (slice_find(line, '\0') < line.n || slice_find(line, '\r') < line.n)
		return store_wrong(f, E_SYNTAX, 1,
		    "holds a byte that belongs to no secret");
	why = strength_fault(kind, line);
	if (why == NULL && !secret_set(out, line))
		why = "too long";
	return why == NULL ? E_OK : store_wrong(f, E_SYNTAX, 1, why);
}

static void
make_secret(struct secret *out, struct slice prefix, struct rng *rng)
{
	struct buf b = BUF_ON(out->b);

	buf_put(&b, prefix);
	rng_put_id(rng, &b, STORE_RANDOM_BYTES);
	assert(buf_ok(&b));
	out->n = b.n;
}

/* The lines of the file; E_EOF without one. */
static enum err
load_secret(struct store_jwt *j, struct slice file, enum strength_kind kind,
    const struct store_io *io, struct store_fault *f)
{
	uint8_t area[4 * SECRET_MAX];
	struct buf b = BUF_ON(area);
	struct slice rest, line, until;
	enum err e;

	*f = (struct store_fault){ .file = file };
	memset(j, 0, sizeof *j);
	e = io->load(io->ctx, file, &b);
	if (e != E_OK) {
		e = e == E_EOF ? e : store_load_fault(f, e);
		goto out;
	}
	rest = buf_slice(&b);
	e = parse_secret(&j->now, slice_cut(&rest, '\n'), kind, f);
	if (e != E_OK || rest.n == 0)
		goto out;
	line = slice_cut(&rest, '\n');
	until = slice_from(line, slice_rfind(line, ' ') + 1);
	if (kind != STRENGTH_JWT || rest.n > 0 || until.n + 1 >= line.n ||
	    !slice_dec(until, (uint64_t)1 << 53, &j->until_s) ||
	    !secret_set(&j->before, slice_head(line, line.n - until.n - 1)))
		e = store_wrong(f, E_SYNTAX, 2, "holds more than one line");
out:
	wipe(area, sizeof area);
	if (e != E_OK)
		wipe(j, sizeof *j);
	return e;
}

static bool
save_secret(const struct store_jwt *j, struct slice file,
    const struct store_io *io)
{
	uint8_t area[4 * SECRET_MAX];
	struct buf b = BUF_ON(area);
	bool done;

	buf_put(&b, secret_bytes(&j->now));
	buf_lit(&b, "\n");
	if (j->before.n > 0) {
		buf_put(&b, secret_bytes(&j->before));
		buf_lit(&b, " ");
		buf_put_dec(&b, j->until_s);
		buf_lit(&b, "\n");
	}
	assert(buf_ok(&b));
	done = io->save(io->ctx, file, buf_slice(&b));
	wipe(area, sizeof area);
	return done;
}

static enum err
keep_secret(struct store_jwt *j, struct slice file, enum strength_kind kind,
    struct slice prefix, const struct store_io *io, struct rng *rng,
    bool *made, struct store_fault *f)
{
	enum err e = load_secret(j, file, kind, io, f);
	bool make = *made;

	*made = make && e == E_EOF;
	if (e != E_EOF)
		return e;
	if (!make)
		return E_OK;
	make_secret(&j->now, prefix, rng);
	if (save_secret(j, file, io))
		return E_OK;
	wipe(j, sizeof *j);
	return store_wrong(f, E_IO, 0, "cannot be written");
}

static const struct slice jwt_file = SL_INIT("jwt-secret");

enum err
store_jwt_secret(struct store_jwt *out, const struct store_io *io,
    struct rng *rng, bool *made, struct store_fault *f)
{
	*made = true;
	return keep_secret(out, jwt_file, STRENGTH_JWT, SL(""), io, rng, made,
	    f);
}

bool
store_rotate_jwt(struct store_jwt *j, const struct store_io *io,
    struct rng *rng, uint64_t until_s)
{
	struct store_jwt next = { .before = j->now, .until_s = until_s };
	bool done;

	make_secret(&next.now, SL(""), rng);
	done = save_secret(&next, jwt_file, io);
	if (done)
		*j = next;
	wipe(&next, sizeof next);
	return done;
}

enum err
store_relay_token(struct secret *out, const struct store_io *io,
    struct rng *rng, bool *made, struct store_fault *f)
{
	struct store_jwt j;
	enum err e = keep_secret(&j, SL("relay-token"), STRENGTH_TOKEN,
	    SL("adit_"), io, rng, made, f);

	*out = j.now;
	wipe(&j, sizeof j);
	return e;
}
