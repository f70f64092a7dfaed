/*
 * UTF-8 by the table of RFC 3629 section 4: the first byte says how many
 * follow and between which bounds the second one lies; that alone excludes
 * overlong forms, surrogates and what lies above U+10FFFF. Runs of ASCII,
 * which is most text, are skipped eight bytes at a time.
 *
 * Rejected: decoding and then comparing numbers (refuses late, and needs the
 * code point, which nobody wants here), and a 256-byte state table (no faster
 * once ASCII is skipped, and nothing that a reader can check by eye).
 */
#include "codec/utf8.h"

#include <assert.h>

/* Begin a character above ASCII. False if no character begins so. */
static bool
begin(struct utf8 *u, uint8_t c)
{
	u->lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	u->hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (c < 0xc2 || c > 0xf4)
		return false;
	u->left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	return true;
}

static size_t
ascii_run(const uint8_t *p, size_t n)
{
	size_t i = 0;

	for (; n - i >= 8; i += 8) {
		uint64_t w;

		memcpy(&w, p + i, 8);
		if ((w & 0x8080808080808080u) != 0)
			break;
	}
	while (i < n && p[i] < 0x80)
		i++;
	return i;
}

bool
utf8_step(struct utf8 *u, struct slice in)
{
	size_t i = 0;

	assert(u->left <= 3);
	while (i < in.n && !u->bad) {
		uint8_t c = in.p[i];

		if (u->left == 0 && c < 0x80) {
			i += ascii_run(in.p + i, in.n - i);
			continue;
		}
		if (u->left == 0) {
			u->bad = !begin(u, c);
		} else if (c < u->lo || c > u->hi) {
			u->bad = true;
		} else {
			u->left--;
			u->lo = 0x80;
			u->hi = 0xbf;
		}
		i++;
	}
	return !u->bad;
}

bool
utf8_end(const struct utf8 *u)
{
	return !u->bad && u->left == 0;
}

static const struct slice replacement = SL_INIT("\xef\xbf\xbd");

/* The front of `in` that is whole characters. */
static size_t
whole_run(struct slice in)
{
	size_t good = 0;

	while (good < in.n) {
		struct slice rest;
		uint32_t code_point;

		good += ascii_run(in.p + good, in.n - good);
		rest = slice_from(in, good);
		if (!utf8_take(&rest, &code_point))
			break;
		good = in.n - rest.n;
	}
	return good;
}

void
utf8_mend(struct utf8_mend *m, struct slice in, size_t *used,
    struct slice *out)
{
	*used = 0;
	*out = slice_head(in, m->n == 0 ? whole_run(in) : 0);
	if (out->n > 0 || in.n == 0) {
		*used = out->n;
		return;
	}
	/* What comes is, or may be, a part of a character. */
	if (utf8_step(&m->u, slice_head(in, 1))) {
		assert(m->n < sizeof m->held);
		m->held[m->n++] = in.p[0];
		*used = 1;
		if (m->u.left == 0) {
			*out = slice_of(m->held, m->n);
			m->n = 0;
		}
		return;
	}
	/* Looked at again as the first byte of another one, unless it was. */
	*used = m->n == 0;
	*out = replacement;
	*m = (struct utf8_mend){ .n = 0 };
}

struct slice
utf8_mend_end(struct utf8_mend *m)
{
	return m->n > 0 ? replacement : SL("");
}

bool
utf8_valid(struct slice s)
{
	struct utf8 u = { 0 };

	return utf8_step(&u, s) && utf8_end(&u);
}

struct slice
utf8_head(struct slice s, size_t n_max)
{
	size_t n = n_max;

	if (s.n <= n_max)
		return s;
	while (n > 0 && n_max - n < 3 && (s.p[n] & 0xc0) == 0x80)
		n--;
	return slice_head(s, n);
}

bool
utf8_put(struct buf *out, uint32_t code_point)
{
	static const uint8_t lead[4] = { 0x00, 0xc0, 0xe0, 0xf0 };
	uint8_t t[4];
	size_t more = code_point < 0x80 ? 0 : code_point < 0x800 ? 1 :
	    code_point < 0x10000 ? 2 : 3;

	assert(code_point <= 0x10ffff);
	assert(code_point < 0xd800 || code_point > 0xdfff);
	t[0] = (uint8_t)(lead[more] | code_point >> 6 * more);
	for (size_t i = 1; i <= more; i++)
		t[i] = (uint8_t)(0x80 | (code_point >> 6 * (more - i) & 63));
	return buf_put(out, slice_of(t, more + 1));
}

bool
utf8_take(struct slice *in, uint32_t *code_point)
{
	static const uint8_t lead_bits[4] = { 0x7f, 0x1f, 0x0f, 0x07 };
	struct utf8 u = { 0 };
	struct slice one;
	uint32_t v;
	size_t n;

	if (in->n == 0)
		return false;
	if (in->p[0] >= 0x80 && !begin(&u, in->p[0]))
		return false;
	n = (size_t)u.left + 1;
	if (n > in->n || !utf8_valid(slice_head(*in, n)))
		return false;
	(void)slice_take(in, n, &one);
	v = one.p[0] & lead_bits[n - 1];
	for (size_t i = 1; i < n; i++)
		v = v << 6 | (one.p[i] & 63);
	*code_point = v;
	return true;
}
