/*
 * TLS 1.2 over a transport that does not wait: a pump around one BearSSL
 * engine, as server or as client. Pure: bytes move through struct
 * tls_transport, time and randomness come as arguments, memory is the caller's.
 * kernel_tls.c puts it under descriptors; tests and fuzzers put two of them
 * against each other over memory.
 *
 * The profile is TOOLCHAIN.md's lean one: ECDHE with AES-128-GCM or
 * ChaCha20-Poly1305, X25519, P-256, P-384, SHA-256 and SHA-384, nothing older
 * than TLS 1.2, no renegotiation, all of it in constant time. GCM comes first
 * only where the processor has both AES and carry-less multiplication.
 *
 * Reads and writes keep the contract of base/io.h with two things to know:
 *
 * - A connection that ends without close_notify was perhaps cut by somebody:
 *   IO_FAIL, never IO_EOF, so that nothing that ends by closing is taken for
 *   whole when it is not.
 * - TLS 1.2 has no half-close (RFC 5246 7.2.1): after tls_shutdown nothing
 *   more can be read, and after the peer's close_notify nothing be written.
 *   tls_read then says IO_EOF once the peer has ended too.
 */
#ifndef ADIT_NET_TLS_H
#define ADIT_NET_TLS_H

#include "base/buf.h"
#include "base/io.h"
#include "crypto/cert.h"

enum {
	TLS_IN_BYTES = 16709,           /* less, and a full record is refused */
	TLS_OUT_BYTES = 4181,           /* of a server: thousands of them */
	TLS_OUT_BULK_BYTES = 16469,     /* of an agent: a handful */
	TLS_HOST_MAX = 255,
	TLS_PINS_MAX = 2,
	TLS_SEED_BYTES = 32,
	TLS_READ_MAX = 256 * 1024,      /* of the transport, in one call */
	TLS_SESSION_BYTES = 100,        /* of a cached session */
};

struct tls_transport {
	void *ctx;
	/* >0 bytes, IO_EOF, IO_AGAIN, IO_FAIL */
	int64_t (*recv)(void *ctx, uint8_t *p, size_t n);
	/* >0 bytes, IO_AGAIN, IO_FAIL */
	int64_t (*send)(void *ctx, const uint8_t *p, size_t n);
};

/*
 * What a server presents. `choose` gives the certificate for a host name
 * (empty: the client named none); `held` is for the owner, who is told by
 * `release` when the handshake that got it is over, whatever its end. `sign`
 * makes the one signature of a handshake: hash in, signature (at most cap
 * bytes) out, 0 if it cannot. It is the only use of the private key, and it
 * may ask another process.
 */
struct tls_server {
	void *ctx;
	const struct cert_chain *(*choose)(void *ctx, struct slice host,
	    unsigned key_types, uint32_t *held);
	void (*release)(void *ctx, uint32_t held);
	size_t (*sign)(void *ctx, uint32_t held, int hash_id,
	    struct slice hash, uint8_t *sig, size_t cap);
	br_ssl_session_cache_lru *cache;        /* NULL: no resumption */
};

/* What a client trusts: pins alone if there are any, else the anchors. */
struct tls_trust {
	const br_x509_trust_anchor *anchors;
	size_t nanchors;
	uint8_t pins[TLS_PINS_MAX][PIN_BYTES];
	size_t npins;
};

/* A BearSSL X.509 engine of our own around br_x509_minimal. */
struct tls_verify {
	const br_x509_class *vtable;
	const struct tls_trust *trust;
	br_x509_minimal_context chain;
	br_x509_decoder_context own;    /* the server's own certificate */
	uint32_t ncerts;
	bool has_own;                   /* it could be decoded */
	bool names;                     /* the host name is checked */
};

struct tls_policy {
	const br_ssl_server_policy_class *vtable;
	const struct tls_server *server;
	uint32_t held;
	bool holds;
	bool chose;                     /* a full handshake */
};

struct tls {
	union {
		br_ssl_engine_context eng;      /* first in both */
		struct {
			br_ssl_server_context c;
			struct tls_policy policy;
		} server;
		struct {
			br_ssl_client_context c;
			struct tls_verify verify;
		} client;
	} u;
	struct tls_transport io;
	uint64_t wall_ms;               /* when it began */
	uint32_t out_bytes;             /* of the buffer for output */
	bool is_client;
	bool ready;                     /* the handshake is done */
	bool shut;                      /* close_notify was asked for */
	bool broken;                    /* the transport failed */
	bool cut;                       /* it ended without close_notify */
	bool late;                      /* given up by tls_give_up */
	/* What the last calls ended with: an event for one side may be due to
	 * the other. */
	bool read_waits, write_waits;
	bool again;  /* stopped without IO_AGAIN from below */
	/* Then the buffers, for output and for input. */
	uint8_t bytes[];
};

/* Size of a struct tls with its buffers. */
static inline size_t
tls_bytes(uint32_t out_bytes)
{
	return sizeof(struct tls) + out_bytes + TLS_IN_BYTES;
}

/*
 * Begin. `t` is of tls_bytes(out_bytes), its content does not matter; `seed`
 * is TLS_SEED_BYTES of entropy. A server's handshake begins when the client
 * speaks, a client's with the first call of tls_shake. What the pointers lead
 * to must stay. `host`: the name to send and, without pins, to verify; empty
 * for an address, which cannot be verified without pins.
 */
void tls_begin_server(struct tls *t, uint32_t out_bytes,
    const struct tls_server *s, const struct tls_transport *io,
    const uint8_t *seed);
bool tls_begin_client(struct tls *t, uint32_t out_bytes,
    const struct tls_trust *trust, struct slice host, uint64_t wall_ms,
    const struct tls_transport *io, const uint8_t *seed);
/* The handshake took too long: everything says IO_FAIL from now on. */
void tls_give_up(struct tls *t);
/* Wipe it: keys and plaintext are in it. */
void tls_end(struct tls *t);

/* Go on with the handshake: 0 done, IO_AGAIN, IO_FAIL (see tls_tell). */
int tls_shake(struct tls *t);
/* As io_ops.read and writev. */
int64_t tls_read(struct tls *t, uint8_t *p, size_t n);
int64_t tls_writev(struct tls *t, const struct slice *v, size_t n);
/* Send close_notify, after what was written. */
void tls_shutdown(struct tls *t);
/* Send what waits. False when the transport takes no more for now. */
bool tls_flush(struct tls *t);
/* There is plaintext to read without the transport. */
bool tls_has_plaintext(struct tls *t);
/* Failed, or closed by either side. */
bool tls_closed(struct tls *t);
/* For people: why the handshake or the connection failed. */
void tls_tell(struct tls *t, struct buf *b);

#endif
