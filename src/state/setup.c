/*
 * The setup code: whoever can read it on the host makes the first account. It
 * is in a file of its own for as long as there is none.
 */
#include "state/inside.h"

struct slice
keeper_setup_code(const struct keeper *k, uint8_t area[32])
{
	struct buf b = buf_of(area, 32);

	for (unsigned i = 0; i < SETUP_CHARS && k->setup_tries > 0; i++) {
		if (i > 0 && i % 4 == 0)
			buf_lit(&b, "-");
		buf_put_u8(&b, k->setup[i]);
	}
	return buf_slice(&b);
}

bool
setup_make(struct keeper *k, uint64_t now_s)
{
	static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint8_t area[32];
	struct buf b;
	bool done;

	rng_fill(&k->rng, k->setup, sizeof k->setup);
	for (unsigned i = 0; i < SETUP_CHARS; i++)
		k->setup[i] = (uint8_t)base32[k->setup[i] % 32];
	k->setup_tries = SETUP_TRIES;
	k->setup_until_s = now_s + SETUP_S;
	b = buf_of(area, sizeof area);
	b.n = keeper_setup_code(k, area).n;
	buf_lit(&b, "\n");
	done = k->io.save(k->io.ctx, SETUP_FILE, buf_slice(&b));
	if (!done)
		k->setup_tries = 0;
	wipe(area, sizeof area);
	return done;
}

bool
setup_check(struct keeper *k, struct slice code, uint64_t now_s)
{
	uint8_t guess[SETUP_CHARS] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < code.n; i++) {
		uint8_t c = code.p[i];

		if (c == '-' || c == ' ')
			continue;
		if (n < SETUP_CHARS)
			guess[n] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) :
			    c;
		n++;
	}
	if (k->setup_tries == 0 || now_s >= k->setup_until_s)
		return false;
	if (n == SETUP_CHARS && ct_eq(guess, k->setup, SETUP_CHARS))
		return true;
	k->setup_tries--;
	return false;
}

void
setup_over(struct keeper *k)
{
	if (k->mode != MODE_SETUP)
		return;
	k->mode = MODE_ACCOUNTS;
	k->setup_tries = 0;
	wipe(k->setup, sizeof k->setup);
	/* Left behind it opens nothing, and goes at the next start. */
	(void)k->io.remove(k->io.ctx, SETUP_FILE);
	note_put(k, &(struct keeper_note){ .kind = NOTE_MODE });
}
