/*
 * Tunnel frames. A message that is accepted is written again byte for byte;
 * head and body apart say the same as both at once; and what is refused is
 * refused for its head or for its body, whatever its type allows.
 */
#include <stdlib.h>

#include "codec/frame.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t area[FRAME_HEAD_BYTES + FRAME_DATA_MAX];
	struct buf b = BUF_ON(area);
	struct slice m = slice_of(data, size);
	struct frame f = { .type = 0 }, g = { .type = 0 };
	enum err e = frame_decode(&f, m), parts;

	MUST(e == E_OK || e == E_MUX_FRAME);
	if (size < FRAME_HEAD_BYTES) {
		MUST(e == E_MUX_FRAME);
		return 0;
	}
	parts = frame_head(&g, data);
	if (parts == E_OK) {
		size_t n = size - FRAME_HEAD_BYTES;

		parts = frame_body(&g, slice_from(m, FRAME_HEAD_BYTES));
		if (n < frame_payload_min(g.type) ||
		    n > frame_payload_max(g.type))
			MUST(parts == E_MUX_FRAME);
	}
	MUST(parts == e);
	if (e != E_OK)
		return 0;
	MUST(f.type == g.type && f.stream == g.stream);
	MUST(frame_put(&b, &f));
	MUST(slice_eq(buf_slice(&b), m));
	MUST(f.type != FRAME_OPEN || frame_name_valid(f.u.open.app));
	return 0;
}
