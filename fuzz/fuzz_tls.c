/*
 * Two TLS engines against each other while the input damages, cuts, delays and
 * adds bytes on the way. The oracle: what one side reads is what the other side
 * wrote, from its beginning, whatever happens; an end is told as an end only if
 * the other side said so; and no handshake keeps the certificate held.
 */
#include "../tests/unit/tls_pair.h"

static struct fixture {
	bool made;
	struct cert_chain chain;
	struct privkey key;
	struct tls_trust trust;
	int held;
} fx;

static const struct cert_chain *
choose(void *ctx, struct slice host, unsigned key_types, uint32_t *held)
{
	(void)ctx;
	(void)host;
	*held = 0;
	if ((key_types >> BR_KEYTYPE_EC & 1) == 0)
		return NULL;
	fx.held++;
	return &fx.chain;
}

static void
release(void *ctx, uint32_t held)
{
	(void)ctx;
	(void)held;
	fx.held--;
}

static size_t
sign(void *ctx, uint32_t held, int hash_id, struct slice hash, uint8_t *sig,
    size_t cap)
{
	uint8_t out[SIGNATURE_MAX];
	size_t n = privkey_sign(&fx.key, hash_id, hash, out);

	(void)ctx;
	(void)held;
	if (n > cap)
		return 0;
	memcpy(sig, out, n);
	return n;
}

static void
make_fixture(void)
{
	static uint8_t a[SELF_CERT_MAX], b[SELF_CERT_MAX];
	struct buf cert = BUF_ON(a), key = BUF_ON(b);
	uint8_t seed[RNG_SEED_MIN] = { 3 };
	struct rng rng;
	struct self_cert s = { SL("relay.test"), MAY_2026 / 1000, 9, &rng };

	rng_init(&rng, slice_of(seed, sizeof seed));
	assert(self_cert(&s, &cert, &key, fx.trust.pins[0]) == E_OK);
	assert(chain_load(&fx.chain, buf_slice(&cert)) == E_OK);
	assert(privkey_load(&fx.key, buf_slice(&key)) == E_OK);
	fx.trust.npins = 1;
	fx.made = true;
}

/* Read what is there; it must be the next bytes of the pattern. */
static void
read_some(struct tls *t, uint64_t *got, bool other_ended)
{
	uint8_t area[3000];
	int64_t n = tls_read(t, area, sizeof area);

	assert(n != IO_EOF || other_ended || t->shut);
	for (int64_t i = 0; i < n; i++)
		assert(area[i] == (uint8_t)((*got)++ * 31));
}

static void
write_some(struct tls *t, uint64_t *sent, size_t n)
{
	uint8_t area[6000];
	int64_t w;

	n = min_size(n, sizeof area);
	for (size_t i = 0; i < n; i++)
		area[i] = (uint8_t)((*sent + i) * 31);
	w = tls_writev(t, &(struct slice){ area, n }, 1);
	assert(w <= (int64_t)n);
	if (w > 0)
		*sent += (uint64_t)w;
}

/* One instruction of the input: an operation, a side, a number. */
static void
step(struct tls_pair *p, struct slice *in, uint64_t *sent, uint64_t *got)
{
	uint8_t op, v = 0;
	int side;
	struct tls *t;
	struct pipe_end *out;

	if (!slice_take_u8(in, &op))
		return;
	(void)slice_take_u8(in, &v);
	side = op >> 7;
	t = side ? p->server : p->client;
	out = side ? &p->down : &p->up;
	switch (op % 9) {
	case 0: case 1:
		(void)tls_shake(t);
		break;
	case 2:
		write_some(t, &sent[side], (size_t)v * 40);
		break;
	case 3: case 4:
		read_some(t, &got[side], side ? p->client->shut :
		    p->server->shut);
		break;
	case 5:
		out->damage_at = out->total + v;
		out->damage = (uint8_t)(1u << (v % 8));
		break;
	case 6:
		out->piece = v;
		out->room = v % 2 ? PIPE_BYTES : max_u64(v, out->n);
		break;
	case 7:
		if (v < 32)
			tls_shutdown(t);
		else if (v < 64)
			out->ended = true;
		else if (v < 96 && out->n < out->room)
			out->b[out->n++] = v;
		break;
	case 8:
		for (int i = 0; i < 4; i++) {
			(void)tls_shake(p->client);
			(void)tls_shake(p->server);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_server server = { NULL, choose, release, sign, NULL };
	struct slice in = { data, size };
	uint64_t sent[2] = { 0 }, got[2] = { 0 };
	struct tls_pair *p;

	if (!fx.made)
		make_fixture();
	p = pair_new(0, &server, &fx.trust, SL("relay.test"), MAY_2026);
	for (int i = 0; i < 400 && in.n > 0; i++)
		step(p, &in, sent, got);
	assert(got[0] <= sent[1] && got[1] <= sent[0]);
	assert(p->up.damage_at == UINT64_MAX || got[1] <= sent[0]);
	pair_free(p);
	assert(fx.held == 0);
	return 0;
}
