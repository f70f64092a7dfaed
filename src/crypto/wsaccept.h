/*
 * The answer to a Sec-WebSocket-Key, RFC 6455 4.2.2 (5.4): base64 of the
 * SHA-1 of the key as it was sent followed by a fixed text. It proves that the
 * server read the handshake; it is no secret.
 */
#ifndef ADIT_CRYPTO_WSACCEPT_H
#define ADIT_CRYPTO_WSACCEPT_H

#include "base/slice.h"

enum { WSACCEPT_BYTES = 28 };

/* Write the Sec-WebSocket-Accept value for `key` (as it stands, trimmed). */
void wsaccept(uint8_t out[WSACCEPT_BYTES], struct slice key);

/* For a client: `value` is the right answer to `key`. */
bool wsaccept_ok(struct slice value, struct slice key);

#endif
