/*
 * Messages between two relays of which one takes over. Whatever came, what is
 * found right is whole and says no more than it brought.
 */
#include <stdlib.h>

#include "app/serve.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct takeover_msg m;
	enum takeover_kind kind;
	size_t fds;
	enum err e;

	if (n < 2)
		return 0;
	kind = (enum takeover_kind)(p[0] % TAKEOVER_KINDS);
	fds = p[1];
	p += 2;
	n = n - 2 < sizeof m ? n - 2 : sizeof m;
	memset(&m, 0xee, sizeof m);
	memcpy(&m, p, n);
	e = takeover_check(&m, n, fds, kind);
	if (e == E_RANGE || e == E_SYNTAX)
		return 0;
	MUST(n == sizeof m && m.version == TAKEOVER_VERSION);
	MUST(m.n <= sizeof m.text && m.fds == fds && m.left <= LISTENS_MAX);
	if (e == E_AUTH) {
		MUST(m.kind == TAKEOVER_REFUSED && fds == 0);
		return 0;
	}
	MUST(e == E_OK && m.kind == kind);
	/* The kinds that bring descriptors bring as many as they say. */
	MUST(fds == 0 || kind == TAKEOVER_SOCKETS || kind == TAKEOVER_FROZEN);
	MUST(kind != TAKEOVER_FROZEN || fds == 1);
	MUST(kind != TAKEOVER_SOCKETS || m.n == fds);
	return 0;
}
