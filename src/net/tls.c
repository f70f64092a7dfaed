/*
 * The pump. BearSSL's engine never touches a socket: it says which of four
 * things it can do (take a record, give a record, take or give plaintext), and
 * the loops here do them until nothing moves. The state is asked for again
 * after every acknowledgement, since one can close the other buffers.
 *
 * Output is written as large as the buffer allows; a caller's slices are
 * gathered into records, and all that the transport takes is taken, so a
 * short write means that the transport is full.
 */
#include "net/tls.h"

#include <assert.h>

#include "crypto/choice.h"
#include "base/num.h"
#include "crypto/ct.h"
#include "net/tls_inside.h"

_Static_assert(offsetof(br_ssl_server_context, eng) == 0 &&
    offsetof(br_ssl_client_context, eng) == 0, "one engine for both");

static br_ssl_engine_context *
engine(struct tls *t)
{
	return &t->u.eng;
}

static unsigned
state(struct tls *t)
{
	return br_ssl_engine_current_state(engine(t));
}

/* ---- the profile ------------------------ */

/*
 * AES-GCM first where the processor has AES, else ChaCha20 first. An x86-64
 * without it (before 2010) offers ChaCha20 alone: AES in plain code is slow,
 * and would be carried for nobody else.
 */
static void
set_suites(br_ssl_engine_context *eng)
{
	static const uint16_t suites[] = {
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	};
#ifdef __x86_64__
	const br_block_ctr_class *aes = br_aes_x86ni_ctr_get_vtable();

	if (aes == NULL || br_ghash_pclmul_get() == 0) {
		br_ssl_engine_set_suites(eng, suites + 2, 2);
		return;
	}
	br_ssl_engine_set_suites(eng, suites, 4);
	br_ssl_engine_set_gcm(eng, &br_sslrec_in_gcm_vtable,
	    &br_sslrec_out_gcm_vtable);
	br_ssl_engine_set_aes_ctr(eng, aes);
	br_ssl_engine_set_ghash(eng, br_ghash_pclmul_get());
#else
	br_ssl_engine_set_suites(eng, suites + 2, 4);
	br_ssl_engine_set_default_aes_gcm(eng);
#endif
}

static void
set_profile(struct tls *t, uint32_t out_bytes, const uint8_t *seed)
{
	static const char *names[] = { "http/1.1" };
	br_ssl_engine_context *eng = engine(t);

	br_ssl_engine_set_versions(eng, BR_TLS12, BR_TLS12);
	set_suites(eng);
	br_ssl_engine_set_ec(eng, CHOICE_EC);
	br_ssl_engine_set_hash(eng, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_hash(eng, br_sha384_ID, &br_sha384_vtable);
	br_ssl_engine_set_prf_sha256(eng, &br_tls12_sha256_prf);
	br_ssl_engine_set_chapol(eng, &br_sslrec_in_chapol_vtable,
	    &br_sslrec_out_chapol_vtable);
	br_ssl_engine_set_chacha20(eng, CHOICE_CHACHA20);
	br_ssl_engine_set_poly1305(eng, CHOICE_POLY1305);
	br_ssl_engine_add_flags(eng, BR_OPT_NO_RENEGOTIATION);
	br_ssl_engine_set_protocol_names(eng, names, 1);
	br_ssl_engine_inject_entropy(eng, seed, TLS_SEED_BYTES);
	/* Else it asks RDRAND, and where there is none opens /dev/urandom,
	 * which the sandbox does not allow. The seed is enough. */
	eng->rng_os_rand_done = 1;
	t->out_bytes = out_bytes;
	br_ssl_engine_set_buffers_bidi(eng, t->bytes + out_bytes,
	    TLS_IN_BYTES, t->bytes, out_bytes);
}

void
tls_begin_server(struct tls *t, uint32_t out_bytes,
    const struct tls_server *s, const struct tls_transport *io,
    const uint8_t *seed)
{
	br_ssl_server_context *c = &t->u.server.c;

	memset(t, 0, sizeof *t);
	t->io = *io;
	br_ssl_server_zero(c);
	set_profile(t, out_bytes, seed);
	br_ssl_engine_add_flags(&c->eng, BR_OPT_ENFORCE_SERVER_PREFERENCES);
	tls_policy_init(&t->u.server.policy, s);
	br_ssl_server_set_policy(c, &t->u.server.policy.vtable);
	if (s->cache != NULL)
		br_ssl_server_set_cache(c, &s->cache->vtable);
	if (br_ssl_server_reset(c) == 0)
		t->broken = true;
}

bool
tls_begin_client(struct tls *t, uint32_t out_bytes,
    const struct tls_trust *trust, struct slice host, uint64_t wall_ms,
    const struct tls_transport *io, const uint8_t *seed)
{
	br_ssl_client_context *c = &t->u.client.c;
	char name[TLS_HOST_MAX + 1];

	if (host.n > TLS_HOST_MAX || slice_find(host, 0) < host.n)
		return false;
	if (host.n > 0)
		memcpy(name, host.p, host.n);
	name[host.n] = '\0';
	memset(t, 0, sizeof *t);
	t->io = *io;
	t->is_client = true;
	t->wall_ms = wall_ms;
	br_ssl_client_zero(c);
	set_profile(t, out_bytes, seed);
	br_ssl_engine_set_rsavrfy(&c->eng, CHOICE_RSA_VERIFY);
	br_ssl_engine_set_ecdsa(&c->eng, CHOICE_ECDSA_VERIFY);
	tls_verify_init(&t->u.client.verify, trust, wall_ms, host.n > 0);
	br_ssl_engine_set_x509(&c->eng, &t->u.client.verify.vtable);
	return br_ssl_client_reset(c, host.n > 0 ? name : NULL, 0) == 1;
}

static void
release_pair(struct tls *t)
{
	if (!t->is_client)
		tls_policy_release(&t->u.server.policy);
}

void
tls_end(struct tls *t)
{
	release_pair(t);
	wipe(t, tls_bytes(t->out_bytes));
}

/* ---- moving records ------------------------ */

static void
transport_failed(struct tls *t)
{
	t->broken = true;
	release_pair(t);
}

bool
tls_flush(struct tls *t)
{
	while (!t->broken && (state(t) & BR_SSL_SENDREC) != 0) {
		size_t n;
		const uint8_t *p = br_ssl_engine_sendrec_buf(engine(t), &n);
		int64_t r = t->io.send(t->io.ctx, p, n);

		if (r == IO_AGAIN)
			return false;
		if (r <= 0) {
			transport_failed(t);
			break;
		}
		br_ssl_engine_sendrec_ack(engine(t), (size_t)r);
	}
	return true;
}

void
tls_give_up(struct tls *t)
{
	t->late = true;
	transport_failed(t);
}

static void
note_ready(struct tls *t)
{
	if (t->ready || (state(t) & (BR_SSL_SENDAPP | BR_SSL_RECVAPP)) == 0)
		return;
	t->ready = true;
	release_pair(t);
}

/*
 * Take bytes of the peer. 1 when some came, else IO_AGAIN, or IO_FAIL when no
 * more will. The engine must be willing.
 */
static int64_t
take_record(struct tls *t)
{
	size_t n;
	uint8_t *p = br_ssl_engine_recvrec_buf(engine(t), &n);
	int64_t r;

	assert(p != NULL && n > 0);
	r = t->io.recv(t->io.ctx, p, n);
	if (r == IO_AGAIN)
		return IO_AGAIN;
	if (r <= 0) {
		t->cut = r == IO_EOF;
		transport_failed(t);
		return IO_FAIL;
	}
	br_ssl_engine_recvrec_ack(engine(t), (size_t)r);
	return r;
}

static bool
is_over(struct tls *t)
{
	if (t->broken)
		return true;
	if ((state(t) & BR_SSL_CLOSED) == 0)
		return false;
	release_pair(t);
	return true;
}

/* The end of a connection, as a reader sees it. */
static int
end_of(struct tls *t)
{
	if (t->broken)
		return t->shut && t->cut ? IO_EOF : IO_FAIL;
	return br_ssl_engine_last_error(engine(t)) == BR_ERR_OK ? IO_EOF :
	    IO_FAIL;
}

/* After our close_notify nobody wants it any more. */
static void
drop_plaintext(struct tls *t)
{
	size_t n;

	(void)br_ssl_engine_recvapp_buf(engine(t), &n);
	br_ssl_engine_recvapp_ack(engine(t), n);
}

/*
 * Move records until there is plaintext to read (1), the handshake is done and
 * `plain` is false (1), or it is over (IO_EOF, IO_FAIL), or nothing moves
 * (IO_AGAIN).
 */
static int
pump(struct tls *t, bool plain)
{
	int64_t taken = 0, r;

	for (;;) {
		unsigned st;

		(void)tls_flush(t);
		if (is_over(t))
			return end_of(t);
		note_ready(t);
		st = state(t);
		if (t->ready && !plain)
			return 1;
		if ((st & BR_SSL_RECVAPP) != 0) {
			if (!t->shut)
				return 1;
			drop_plaintext(t);
			continue;
		}
		/* Else it wants to send first, and cannot yet. */
		if ((st & BR_SSL_RECVREC) == 0)
			return IO_AGAIN;
		if (taken >= TLS_READ_MAX) {
			t->again = true;
			return IO_AGAIN;
		}
		r = take_record(t);
		if (r == IO_AGAIN)
			return IO_AGAIN;
		if (r > 0)
			taken += r;
	}
}

int
tls_shake(struct tls *t)
{
	int r;

	if (t->ready)
		return is_over(t) ? IO_FAIL : 0;
	r = pump(t, false);
	t->read_waits = r == IO_AGAIN;
	return r == 1 ? 0 : r == IO_AGAIN ? IO_AGAIN : IO_FAIL;
}

/* ---- plaintext ------------------------ */

int64_t
tls_read(struct tls *t, uint8_t *p, size_t n)
{
	size_t got = 0;
	int r;

	assert(n > 0);
	r = pump(t, true);
	t->read_waits = r == IO_AGAIN;
	if (r != 1)
		return r;
	while (got < n && (state(t) & BR_SSL_RECVAPP) != 0) {
		size_t some;
		const uint8_t *from = br_ssl_engine_recvapp_buf(engine(t),
		    &some);

		some = min_size(some, n - got);
		memcpy(p + got, from, some);
		br_ssl_engine_recvapp_ack(engine(t), some);
		got += some;
	}
	assert(got > 0);
	return (int64_t)got;
}

/* Fill one record from the slices at (*i, *at); how much went in. */
static size_t
fill_record(struct tls *t, const struct slice *v, size_t n, size_t *i,
    size_t *at)
{
	size_t room, used = 0;
	uint8_t *to = br_ssl_engine_sendapp_buf(engine(t), &room);

	while (*i < n && used < room) {
		size_t some = min_size(v[*i].n - *at, room - used);

		if (some > 0)
			memcpy(to + used, v[*i].p + *at, some);
		used += some;
		*at += some;
		if (*at == v[*i].n) {
			*i += 1;
			*at = 0;
		}
	}
	if (used > 0) {
		br_ssl_engine_sendapp_ack(engine(t), used);
		br_ssl_engine_flush(engine(t), 0);
	}
	return used;
}

int64_t
tls_writev(struct tls *t, const struct slice *v, size_t n)
{
	size_t i = 0, at = 0, done = 0;

	if (!t->ready && tls_shake(t) == IO_FAIL)
		return IO_FAIL;
	t->write_waits = false;
	for (;;) {
		(void)tls_flush(t);
		if (is_over(t) || t->shut)
			return IO_FAIL;
		while (i < n && v[i].n == at) {
			i++;
			at = 0;
		}
		if (i == n)
			break;
		if ((state(t) & BR_SSL_SENDAPP) == 0) {
			t->write_waits = true;
			break;
		}
		done += fill_record(t, v, n, &i, &at);
	}
	return done > 0 || i == n ? (int64_t)done : IO_AGAIN;
}

void
tls_shutdown(struct tls *t)
{
	if (t->shut)
		return;
	t->shut = true;
	br_ssl_engine_close(engine(t));
	(void)tls_flush(t);
}

bool
tls_has_plaintext(struct tls *t)
{
	return !t->broken && (state(t) & BR_SSL_RECVAPP) != 0;
}

bool
tls_closed(struct tls *t)
{
	return is_over(t);
}
