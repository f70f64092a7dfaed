/*
 * The order of reads in the second half depends on the password: that is what
 * scrypt is (RFC 7914, section 13), and why it runs in a process of its own.
 * Blocks are kept as words in the byte order of the machine and turned only at
 * both ends. No SIMD: 0.1 s per 16 MiB is what a login may cost.
 */
#include "crypto/scrypt.h"

#include <assert.h>

#include "base/num.h"
#include "codec/b64.h"
#include "crypto/ct.h"
#include "crypto/hash.h"

enum { CHUNK = 16 };            /* words of a Salsa20 block */

bool
scrypt_cost_ok(struct scrypt_cost c)
{
	return c.log2n >= SCRYPT_LOG2N_MIN && c.log2n <= SCRYPT_LOG2N_MAX &&
	    c.r >= 1 && c.r <= SCRYPT_R_MAX &&
	    c.p >= 1 && c.p <= SCRYPT_P_MAX &&
	    scrypt_area(c) <= SCRYPT_AREA_MAX &&
	    scrypt_work(c) <= SCRYPT_WORK_MAX;
}

uint32_t
scrypt_work(struct scrypt_cost c)
{
	return ((uint32_t)c.r * c.p) << c.log2n;
}

/* V (N blocks), B (p blocks), two more to work in, and two chunks: nothing of
 * it is left on the stack. */
size_t
scrypt_area(struct scrypt_cost c)
{
	return (((size_t)1 << c.log2n) + c.p + 2) * 128 * c.r +
	    2 * CHUNK * sizeof(uint32_t);
}

/* ---- Salsa20/8 and scryptBlockMix, sections 3 and 4 ---------------------- */

static inline uint32_t
rotl(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static inline void
quarter(uint32_t x[CHUNK], unsigned a, unsigned b, unsigned c, unsigned d)
{
	x[b] ^= rotl(x[a] + x[d], 7);
	x[c] ^= rotl(x[b] + x[a], 9);
	x[d] ^= rotl(x[c] + x[b], 13);
	x[a] ^= rotl(x[d] + x[c], 18);
}

/* x: space to work in, as `t` of the two functions below. */
static void
salsa20_8(uint32_t b[CHUNK], uint32_t x[CHUNK])
{
	memcpy(x, b, CHUNK * sizeof *x);
	for (unsigned i = 0; i < 8; i += 2) {
		quarter(x, 0, 4, 8, 12);
		quarter(x, 5, 9, 13, 1);
		quarter(x, 10, 14, 2, 6);
		quarter(x, 15, 3, 7, 11);
		quarter(x, 0, 1, 2, 3);
		quarter(x, 5, 6, 7, 4);
		quarter(x, 10, 11, 8, 9);
		quarter(x, 15, 12, 13, 14);
	}
	for (unsigned i = 0; i < CHUNK; i++)
		b[i] += x[i];
}

static void
block_mix(uint32_t *out, const uint32_t *in, size_t r, uint32_t t[2 * CHUNK])
{
	uint32_t *x = t;

	memcpy(x, in + (2 * r - 1) * CHUNK, CHUNK * sizeof *x);
	for (size_t i = 0; i < 2 * r; i++) {
		for (size_t j = 0; j < CHUNK; j++)
			x[j] ^= in[i * CHUNK + j];
		salsa20_8(x, t + CHUNK);
		/* Even ones first, then the odd ones. */
		memcpy(out + (i / 2 + (i & 1) * r) * CHUNK, x,
		    CHUNK * sizeof *x);
	}
}

/* ---- scryptROMix, section 5 ------------------------ */

/* Words from little-endian bytes and back; its own inverse. */
static void
turn(uint32_t *w, size_t n)
{
	const uint8_t *p = (const uint8_t *)w;

	for (size_t i = 0; i < n; i++, p += 4)
		w[i] = (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
		    (uint32_t)p[1] << 8 | p[0];
}

static void
ro_mix(uint32_t *b, size_t r, size_t n, uint32_t *v, uint32_t *x)
{
	const size_t words = 32 * r;
	uint32_t *y = x + words, *t = y + words;

	memcpy(x, b, words * sizeof *x);
	for (size_t i = 0; i < n; i++) {
		memcpy(v + i * words, x, words * sizeof *x);
		block_mix(y, x, r, t);
		memcpy(x, y, words * sizeof *x);
	}
	for (size_t i = 0; i < n; i++) {
		/* Integerify: N is a power of two below 2^32. */
		size_t j = x[(2 * r - 1) * CHUNK] & (n - 1);

		for (size_t k = 0; k < words; k++)
			x[k] ^= v[j * words + k];
		block_mix(y, x, r, t);
		memcpy(x, y, words * sizeof *x);
	}
	memcpy(b, x, words * sizeof *x);
}

void
scrypt(uint8_t *out, size_t n, struct slice password, struct slice salt,
    struct scrypt_cost c, void *area)
{
	const size_t big_n = (size_t)1 << c.log2n, words = (size_t)32 * c.r;
	uint32_t *v = area;
	uint32_t *b = v + big_n * words, *x = b + c.p * words;
	struct slice made = slice_of(b, c.p * words * sizeof *b);

	assert(c.log2n >= 1 && c.log2n <= SCRYPT_LOG2N_MAX);
	assert(c.r >= 1 && c.p >= 1 && (uintptr_t)area % 64 == 0);
	pbkdf2_sha256((uint8_t *)b, made.n, password, salt, 1);
	turn(b, c.p * words);
	for (size_t i = 0; i < c.p; i++)
		ro_mix(b + i * words, c.r, big_n, v, x);
	turn(b, c.p * words);
	pbkdf2_sha256(out, n, password, made, 1);
	wipe(area, scrypt_area(c));
}

void
pbkdf2_sha256(uint8_t *out, size_t n, struct slice password,
    struct slice salt, uint32_t rounds)
{
	uint8_t u[SHA256_BYTES], t[SHA256_BYTES], number[4];

	assert(rounds > 0);
	for (uint32_t i = 1; n > 0; i++) {
		size_t part = min_size(n, sizeof t);
		struct hmac h;

		set_u32(number, i);
		hmac_init(&h, password);
		hmac_add(&h, salt);
		hmac_add(&h, slice_of(number, sizeof number));
		hmac_out(&h, u);
		hmac_wipe(&h);
		memcpy(t, u, sizeof t);
		for (uint32_t j = 1; j < rounds; j++) {
			hmac_sha256(u, password, slice_of(u, sizeof u));
			for (size_t k = 0; k < sizeof t; k++)
				t[k] ^= u[k];
		}
		memcpy(out, t, part);
		out += part;
		n -= part;
	}
	wipe(u, sizeof u);
	wipe(t, sizeof t);
}

/* ---- as text ------------------------ */

bool
scrypt_put(struct buf *b, const struct scrypt_hash *h)
{
	const uint8_t cost[] = { h->cost.log2n, h->cost.r, h->cost.p };

	buf_lit(b, "scrypt$");
	for (size_t i = 0; i < sizeof cost; i++) {
		buf_put_dec(b, cost[i]);
		buf_lit(b, "$");
	}
	b64_encode(b, slice_of(h->salt, sizeof h->salt), B64_URL_BARE);
	buf_lit(b, "$");
	b64_encode(b, slice_of(h->hash, sizeof h->hash), B64_URL_BARE);
	return buf_ok(b);
}

/* One spelling: no leading zero. */
static bool
take_number(struct slice *s, uint8_t *v)
{
	struct slice digits = slice_cut(s, '$');
	uint64_t n;

	if (digits.n == 0 || digits.p[0] == '0' ||
	    !slice_dec(digits, UINT8_MAX, &n))
		return false;
	*v = (uint8_t)n;
	return true;
}

static bool
take_bytes(struct slice text, void *to, size_t n)
{
	struct buf b = buf_of(to, n);

	return b64_decode(&b, text, B64_URL_BARE) == E_OK && b.n == n;
}

bool
scrypt_parse(struct scrypt_hash *h, struct slice s)
{
	return slice_eq(slice_cut(&s, '$'), SL("scrypt")) &&
	    take_number(&s, &h->cost.log2n) && take_number(&s, &h->cost.r) &&
	    take_number(&s, &h->cost.p) && scrypt_cost_ok(h->cost) &&
	    take_bytes(slice_cut(&s, '$'), h->salt, sizeof h->salt) &&
	    take_bytes(s, h->hash, sizeof h->hash);
}
