/*
 * The relay's kept files, damaged. Oracles: a table that was accepted comes
 * back the same when it is written and read again; a fault has a line within
 * the text; a secret that was accepted is the file's line; an audit log that
 * was accepted takes another entry and is accepted again, with nothing cut.
 * The first byte chooses the file.
 */
#include <stdlib.h>

#include "state/audit.h"
#include "state/people.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

static uint8_t kept[STORE_FILE_MAX + AUDIT_LINE_MAX];
static size_t kept_n;

static enum err
load(void *ctx, struct slice name, struct buf *into)
{
	(void)ctx;
	if (slice_eq(name, SL("audit.log.1")))
		return E_EOF;
	return buf_put(into, slice_of(kept, kept_n)) ? E_OK : E_FULL;
}

static bool
save(void *ctx, struct slice name, struct slice content)
{
	(void)ctx;
	(void)name;
	MUST(content.n <= sizeof kept);
	memmove(kept, content.p, content.n);
	kept_n = content.n;
	return true;
}

static bool
append(void *ctx, struct slice name, struct slice content)
{
	(void)ctx;
	(void)name;
	MUST(content.n <= sizeof kept - kept_n);
	memcpy(kept + kept_n, content.p, content.n);
	kept_n += content.n;
	return true;
}

static bool
rotate(void *ctx, struct slice name, unsigned files)
{
	(void)ctx;
	(void)name;
	kept_n = 0;
	return files > 1;
}

static const struct store_io io = { load, save, append, rotate, NULL, NULL };
static uint8_t area[STORE_FILE_MAX];
static struct store_fault f;

static void
refused(void)
{
	size_t lines = 1;

	for (size_t i = 0; i < kept_n; i++)
		lines += kept[i] == '\n';
	MUST(f.why != NULL && f.line <= lines);
}

static void
one_secret(bool jwt)
{
	struct slice in = { kept, kept_n };
	struct store_jwt j = { .until_s = 0 };
	bool made = false;
	enum err e;

	if (jwt)
		e = store_jwt_secret(&j, &io, NULL, &made, &f);
	else
		e = store_relay_token(&j.now, &io, NULL, &made, &f);
	if (e != E_OK) {
		refused();
		return;
	}
	MUST(!made && slice_starts(in, secret_bytes(&j.now)) &&
	    j.now.n >= 16 && (j.before.n > 0 || in.n - j.now.n <= 1));
}

static enum err
read_table(unsigned which, union state_copy *t)
{
	struct buf b = BUF_ON(area);

	return which == 0 ? people_load(&t->people, &io, &b, &f) :
	    which == 1 ? tokens_load(&t->tokens, &io, &b, &f) :
	    sessions_load(&t->sessions, &io, &b, &f);
}

static void
one_table(unsigned which)
{
	static union state_copy first, again;
	struct buf b = BUF_ON(area);
	bool saved;

	memset(&first, 0, sizeof first);
	memset(&again, 0, sizeof again);
	if (read_table(which, &first) != E_OK) {
		refused();
		return;
	}
	saved = which == 0 ? people_save(&first.people, &io, &b) :
	    which == 1 ? tokens_save(&first.tokens, &io, &b) :
	    sessions_save(&first.sessions, &io, &b);
	MUST(saved && read_table(which, &again) == E_OK);
	MUST(memcmp(&first, &again, sizeof first) == 0);
}

static void
one_log(void)
{
	const struct audit_entry e = { .t = 1, .who = { kept, kept_n },
		.what = SL("x") };
	struct buf b = BUF_ON(area);
	struct audit a;
	size_t cut;

	if (audit_load(&a, &io, &b, &cut, &f) != E_OK) {
		refused();
		return;
	}
	MUST(a.bytes == kept_n && a.next < UINT64_MAX);
	MUST(audit_put(&a, &io, &b, &e));
	MUST(audit_load(&a, &io, &b, &cut, &f) == E_OK && cut == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n == 0 || n > STORE_FILE_MAX)
		return 0;
	memcpy(kept, p + 1, n - 1);
	kept_n = n - 1;
	if (p[0] % 6 < 2)
		one_secret(p[0] % 6 == 0);
	else if (p[0] % 6 < 5)
		one_table(p[0] % 6 - 2);
	else
		one_log();
	return 0;
}
