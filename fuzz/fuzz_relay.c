/*
 * The whole relay: arbitrary bytes from a client, or from an app in answer to
 * a request. The first byte says which, the second where to cut. Oracles: the
 * checks of tests/sim/rig.c after every step, pools at zero at the end, and
 * the other side gets the same whether the bytes come at once or in pieces.
 */
#include "relay_world.h"

static const char *const asked[] = {
	"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
	"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
	"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: localhost\r\n" WS_FIELDS "\r\n",
};

static void
run(struct outcome *o, uint8_t how, struct slice in, size_t piece)
{
	struct cl *c;
	struct as *s = NULL;
	unsigned first;

	fuzz_begin();
	first = web->nstreams + 1;
	app_answers = how % 2 == 0;
	c = cl_new(&g, "198.51.100.7", NULL);
	if (!app_answers) {
		cl_put(c, asked[how / 2 % 4]);
		rig_run(&g, 10);
		s = ag_stream(web, first);
		MUST(s != NULL);
		s->answered = (unsigned)s->in.n;
		s->own = calloc(1, 1);
	}
	while (in.n > 0) {
		struct slice part = slice_head(in, piece);

		if (s != NULL)
			as_sayn(s, part.p, part.n);
		else
			cl_putn(c, part.p, part.n);
		rig_run(&g, 1);
		in = slice_from(in, part.n);
	}
	rig_run(&g, 50);
	if (s != NULL)
		as_end(s);
	rig_run(&g, 50);
	see(o, c, first);
	fuzz_end(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct outcome whole = { .napp = 0 }, cut = { .napp = 0 };

	if (size < 3 || size > 65536)
		return 0;
	in = slice_from(in, 2);
	run(&whole, data[0], in, in.n);
	run(&cut, data[0], in, 1 + in.n * (data[1] + 1u) / 2048);
	outcomes_agree(&whole, &cut);
	outcome_free(&whole);
	outcome_free(&cut);
	return 0;
}
