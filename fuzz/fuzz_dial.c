/*
 * agent/upgrade: arbitrary bytes as the relay's answer to the handshake. The
 * first two bytes choose where to cut. Oracles: the verdict, the status and
 * what is left for the tunnel do not depend on the cut; a tunnel needs the
 * right answer to our key, and a final refusal our own words.
 */
#include <stdlib.h>

#include "agent/upgrade.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

struct outcome {
	enum upgrade_verdict verdict;
	unsigned status;
	enum err err;
	size_t left;            /* bytes that are not the handshake's */
};

/* Feed `in` in pieces: `first` bytes, then all; or one by one. */
static struct outcome
feed(struct slice in, size_t first, bool bytes)
{
	static struct http_field fields[HTTP_FIELDS_MAX];
	static uint8_t area[UPGRADE_BYTES];
	struct buf b = BUF_ON(area);
	struct upgrade u = { .status = 0 };
	struct outcome o = { .verdict = UPGRADE_MORE };

	memcpy(u.key, KEY, sizeof u.key);
	while (in.n > 0 && o.verdict == UPGRADE_MORE) {
		size_t n = bytes ? 1 : first > 0 ? first : in.n;

		first = 0;
		MUST(buf_room(&b) > 0);
		n = n < buf_room(&b) ? n : buf_room(&b);
		n = n < in.n ? n : in.n;
		buf_put(&b, slice_head(in, n));
		in = slice_from(in, n);
		o.verdict = upgrade_answer(&u, fields, &b, false);
	}
	if (o.verdict == UPGRADE_MORE)
		o.verdict = upgrade_answer(&u, fields, &b, true);
	MUST(o.verdict != UPGRADE_MORE);
	MUST((o.verdict == UPGRADE_BROKEN) == (u.why != NULL));
	o.status = u.status;
	o.err = u.err;
	o.left = o.verdict == UPGRADE_TUNNEL ? b.n + in.n : 0;
	return o;
}

static bool
contains(struct slice s, struct slice part)
{
	for (size_t i = 0; part.n <= s.n && i <= s.n - part.n; i++) {
		if (slice_starts(slice_from(s, i), part))
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in;
	struct outcome a;

	if (size < 2 || size > 65536)
		return 0;
	in = slice_of(data + 2, size - 2);
	a = feed(in, 0, false);
	for (int bytes = 0; bytes < 2; bytes++) {
		struct outcome b = feed(in, get_u16(data), bytes);

		MUST(a.verdict == b.verdict && a.status == b.status);
		MUST(a.err == b.err && a.left == b.left);
	}
	MUST(a.verdict != UPGRADE_TUNNEL || contains(in, SL(ACCEPT)));
	MUST(a.verdict != UPGRADE_TOKEN || a.status == 401);
	MUST(a.verdict != UPGRADE_NAME || a.status == 409);
	MUST(a.verdict != UPGRADE_OTHER || a.status >= 200);
	return 0;
}
