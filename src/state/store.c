/*
 * What is read is checked as if somebody else had written it: people edit,
 * restore and copy these files. A secret is wiped from every buffer that it
 * passed through, on failure too.
 */
#include "state/store.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"
#include "state/strength.h"

size_t
store_line(struct slice text, size_t at)
{
	size_t line = 1;

	for (size_t i = 0; i < min_size(at, text.n); i++)
		line += text.p[i] == '\n';
	return line;
}

static enum err
fault(struct store_fault *f, enum err e, size_t line, const char *why)
{
	f->line = line;
	f->why = why;
	return e;
}

static enum err
load_fault(struct store_fault *f, enum err e)
{
	if (e == E_FULL)
		return fault(f, E_SYNTAX, 0, "larger than it can be");
	return fault(f, E_IO, 0, "cannot be read");
}

/* One line, with or without its LF. */
static enum err
parse_secret(struct secret *out, struct slice text, enum strength_kind kind,
    struct store_fault *f)
{
	struct slice line = slice_head(text, slice_find(text, '\n'));
	const char *why;

	if (slice_from(text, line.n + 1).n > 0)
		return fault(f, E_SYNTAX, 2, "holds more than one line");
	if (slice_find(line, '\0') < line.n || slice_find(line, '\r') < line.n)
		return fault(f, E_SYNTAX, 1,
		    "holds a byte that belongs to no secret");
	why = strength_fault(kind, line);
	if (why != NULL)
		return fault(f, E_SYNTAX, 1, why);
	if (!secret_set(out, line))
		return fault(f, E_SYNTAX, 1, "too long");
	return E_OK;
}

static enum err
make_secret(struct secret *out, struct slice prefix, const struct store_io *io,
    struct rng *rng, struct store_fault *f)
{
	uint8_t area[SECRET_MAX];
	struct buf b = BUF_ON(area);
	bool done;

	buf_put(&b, prefix);
	rng_put_id(rng, &b, STORE_RANDOM_BYTES);
	secret_set(out, buf_slice(&b));
	buf_lit(&b, "\n");
	assert(buf_ok(&b));
	done = io->save(io->ctx, f->file, buf_slice(&b));
	wipe(area, sizeof area);
	if (done)
		return E_OK;
	secret_wipe(out);
	return fault(f, E_IO, 0, "cannot be written");
}

static enum err
keep_secret(struct secret *out, struct slice file, enum strength_kind kind,
    struct slice prefix, const struct store_io *io, struct rng *rng,
    bool *made, struct store_fault *f)
{
	uint8_t area[2 * SECRET_MAX];
	struct buf b = BUF_ON(area);
	enum err e;

	*f = (struct store_fault){ .file = file };
	*made = false;
	e = io->load(io->ctx, file, &b);
	if (e == E_OK) {
		e = parse_secret(out, buf_slice(&b), kind, f);
	} else if (e == E_EOF) {
		*made = true;
		e = make_secret(out, prefix, io, rng, f);
	} else {
		e = load_fault(f, e);
	}
	wipe(area, sizeof area);
	return e;
}

enum err
store_jwt_secret(struct secret *out, const struct store_io *io,
    struct rng *rng, bool *made, struct store_fault *f)
{
	return keep_secret(out, SL("jwt-secret"), STRENGTH_JWT, SL(""), io,
	    rng, made, f);
}

enum err
store_relay_token(struct secret *out, const struct store_io *io,
    struct rng *rng, bool *made, struct store_fault *f)
{
	return keep_secret(out, SL("relay-token"), STRENGTH_TOKEN,
	    SL("adit_"), io, rng, made, f);
}

enum err
store_revoked(struct revoked *r, const struct store_io *io, struct buf *area,
    struct store_fault *f)
{
	const char *why;
	size_t at;
	enum err e;

	assert(area->cap >= STORE_FILE_MAX);
	memset(r, 0, sizeof *r);
	*f = (struct store_fault){ .file = SL("revoked.json") };
	buf_reset(area);
	e = io->load(io->ctx, f->file, area);
	if (e == E_EOF)
		return E_OK;
	if (e != E_OK)
		return load_fault(f, e);
	e = revoked_parse(r, buf_slice(area), &at, &why);
	if (e != E_OK)
		return fault(f, e, store_line(buf_slice(area), at), why);
	return E_OK;
}

bool
store_save_revoked(const struct revoked *r, const struct store_io *io,
    struct buf *area)
{
	buf_reset(area);
	return revoked_put(area, r) &&
	    io->save(io->ctx, SL("revoked.json"), buf_slice(area));
}
