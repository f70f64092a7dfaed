/*
 * RFC 6455 4.2.2. The key is hashed as it was sent, not decoded: whether it
 * is the base64 of 16 bytes is ws_key_valid's question.
 */
#include "crypto/wsaccept.h"

#include "codec/b64.h"
#include "crypto/hash.h"

#include <assert.h>

void
wsaccept(uint8_t out[WSACCEPT_BYTES], struct slice key)
{
	struct buf b = buf_of(out, WSACCEPT_BYTES);
	uint8_t digest[SHA1_BYTES];
	struct sha1 h;

	sha1_init(&h);
	sha1_add(&h, key);
	sha1_add(&h, SL("258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
	sha1_out(&h, digest);
	b64_encode(&b, slice_of(digest, sizeof digest), B64_STD);
	assert(b.n == WSACCEPT_BYTES);
}

bool
wsaccept_ok(struct slice value, struct slice key)
{
	uint8_t right[WSACCEPT_BYTES];

	wsaccept(right, key);
	return slice_eq(value, slice_of(right, sizeof right));
}
