/*
 * Settings from hostile text. The first byte picks the role and the source:
 * the file, the command line or the environment (one word a line).
 *
 * Oracle: a refusal is one printable line and nothing else is; what was
 * accepted is accepted again in the same way, from another place in memory;
 * and what is in range stays in range.
 */
#include "app/setup.h"

#include <stdlib.h>

#include "base/num.h"

#define CHECK(x) do { if (!(x)) abort(); } while (0)

enum { INPUT_MAX = 8192, WORDS_MAX = 64 };

static struct conf conf[2];
static struct setup_relay relay[2];
static struct setup_agent agent[2];

static bool
read_once(unsigned i, unsigned how, const uint8_t *p, size_t n)
{
	static const enum conf_role roles[] = { CONF_RELAY, CONF_AGENT,
		CONF_START, CONF_STATUS };
	static char text[2][INPUT_MAX + 1];
	char *words[WORDS_MAX + 1] = { 0 };
	struct conf *c = &conf[i];
	int count = 0;
	bool ok;

	memset(text[i], 0, sizeof text[i]);
	memcpy(text[i], p, n);
	for (size_t at = 0; at < n && count < WORDS_MAX;) {
		words[count++] = text[i] + at;
		while (at < n && text[i][at] != '\n')
			at++;
		if (how / 4 % 3 != 0)
			text[i][at] = '\0';
		at++;
	}
	conf_init(c, roles[how % 4]);
	c->file_asked = (how & 0x40) != 0;
	if (how / 4 % 3 == 0)
		ok = conf_file(c, (uint8_t *)text[i], n);
	else if (how / 4 % 3 == 1)
		ok = conf_flags(c, count, words);
	else
		ok = conf_env(c, words);
	if (ok && (c->role & CONF_RELAYS) != 0)
		ok = setup_relay(&relay[i], c);
	if (ok && (c->role & CONF_AGENTS) != 0)
		ok = setup_agent(&agent[i], c, slice_of(p, min_size(n, 70)));
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	bool ok;

	if (n < 1 || n > INPUT_MAX)
		return 0;
	ok = read_once(0, p[0], p + 1, n - 1);
	CHECK(ok == (conf[0].error.n == 0));
	CHECK(read_once(1, p[0], p + 1, n - 1) == ok);
	CHECK(slice_eq(buf_slice(&conf[0].error), buf_slice(&conf[1].error)));
	for (size_t i = 0; i < conf[0].error.n; i++)
		CHECK(conf[0].error.p[i] >= ' ' && conf[0].error.p[i] < 0x7f);
	CHECK(conf[0].nitems == conf[1].nitems);
	for (size_t i = 0; i < conf_nrows; i++) {
		const struct conf_row *r = &conf_rows[i];
		const struct conf_value *v = &conf[0].v[r->id];

		if (v->source != CONF_DEFAULT && (r->type == CONF_COUNT ||
		    r->type == CONF_SIZE || r->type == CONF_TIME))
			CHECK(v->num >= r->min && v->num <= r->max);
		CHECK(v->num == conf[1].v[r->id].num);
		CHECK(slice_eq(v->text, conf[1].v[r->id].text));
	}
	return 0;
}
