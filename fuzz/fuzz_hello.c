/*
 * hello, welcome and refused. What is accepted is written and read again; the
 * second writing equals the first, so nothing of meaning is lost or invented.
 */
#include <stdlib.h>

#include "tunnel/hello.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t one[1 << 17], two[1 << 17];

static void
check_hello(struct slice json)
{
	static struct hello h, again;
	struct buf a = BUF_ON(one), b = BUF_ON(two);

	if (hello_parse(&h, json) != E_OK)
		return;
	MUST(h.napps <= HELLO_APPS_MAX && frame_name_valid(h.name));
	MUST(h.limits.session / h.limits.window > h.limits.streams);
	MUST(hello_put(&a, &h));
	MUST(hello_parse(&again, buf_slice(&a)) == E_OK);
	MUST(hello_put(&b, &again));
	MUST(slice_eq(buf_slice(&a), buf_slice(&b)));
}

static void
check_welcome(struct slice json)
{
	static struct welcome w, again;
	struct buf a = BUF_ON(one), b = BUF_ON(two);

	if (welcome_parse(&w, json) != E_OK)
		return;
	if (w.refused) {
		MUST(refused_put(&a, w.code));
		MUST(welcome_parse(&again, buf_slice(&a)) == E_OK);
		MUST(again.refused && slice_eq(w.code, again.code));
		return;
	}
	MUST(w.resumed || w.received == 0);
	MUST(welcome_put(&a, &w));
	MUST(welcome_parse(&again, buf_slice(&a)) == E_OK);
	MUST(welcome_put(&b, &again));
	MUST(slice_eq(buf_slice(&a), buf_slice(&b)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > HELLO_MAX)
		return 0;
	check_hello(slice_of(data, size));
	check_welcome(slice_of(data, size));
	return 0;
}
