/*
 * TLS: engines against each other over memory, certificates and keys in all
 * their forms, whom a client believes, and certificates that change on disk.
 * The clock is an argument everywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "crypto/der.h"
#include "crypto/hash.h"
#include "tls_pair.h"

static struct certs certs;
static struct trust trust;
static uint8_t text[65536], sent[200000], got[200000];

static struct slice
lit(const char *c)
{
	return slice_of(c, strlen(c));
}

static struct slice
load(const char *name)
{
	char path[200];
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, VEC "%s", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(text, 1, sizeof text, f);
	fclose(f);
	return slice_of(text, n);
}

static void
serve(const char *cert, const char *key)
{
	char a[200], b[200];
	struct certs_fault f;

	snprintf(a, sizeof a, VEC "%s", cert);
	snprintf(b, sizeof b, VEC "%s", key);
	assert_int_equal(certs_add(&certs, lit(a), lit(b), &f), E_OK);
}

static int
setup(void **state)
{
	(void)state;
	certs_init(&certs);
	assert_int_equal(trust_load(&trust, SL(VEC "ca.pem")), E_OK);
	assert_int_equal(trust.tls.nanchors, 1);
	for (size_t i = 0; i < sizeof sent; i++)
		sent[i] = (uint8_t)(i * 7 + i / 251);
	return 0;
}

/* ---- engines ---- */

/* Move n bytes of sent[] from a to b. */
static void
carry(struct tls *a, struct tls *b, size_t n)
{
	size_t out = 0, in = 0;

	while (in < n) {
		struct slice v[3] = {
			slice_of(sent + out, min_size(n - out, 5)),
			slice_of(NULL, 0),
			slice_from(slice_of(sent + out, n - out), 5),
		};
		int64_t w = out < n ? tls_writev(a, v, 3) : 0;
		int64_t r;

		assert_true(w >= 0 || w == IO_AGAIN);
		if (w > 0)
			out += (size_t)w;
		(void)tls_flush(a);
		r = tls_read(b, got + in, sizeof got - in);
		assert_true(r > 0 || r == IO_AGAIN);
		if (r > 0)
			in += (size_t)r;
	}
	assert_int_equal(in, n);
	assert_memory_equal(sent, got, n);
}

static void
close_both(struct tls *a, struct tls *b)
{
	tls_shutdown(a);
	for (int i = 0; i < 64; i++)
		(void)tls_flush(a);
	assert_int_equal(tls_read(b, got, sizeof got), IO_EOF);
	assert_int_equal(tls_read(b, got, sizeof got), IO_EOF);
	assert_int_equal(tls_writev(b, &(struct slice){ sent, 1 }, 1),
	    IO_FAIL);
	assert_int_equal(tls_read(a, got, sizeof got), IO_EOF);
}

static const char *const pairs[][2] = {
	{ "ec256.chain", "ec256.key" }, { "ec384.chain", "ec384.key" },
	{ "rsa.chain", "rsa.key" }, { "cn.chain", "cn.key" },
};

static void
carries_bytes_whatever_the_pieces(void **state)
{
	static const size_t pieces[] = { 0, 1, 5, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		certs_init(&certs);
		serve(pairs[i][0], pairs[i][1]);
		for (size_t j = 0; j < 4; j++) {
			struct tls_pair *p = pair_new(pieces[j],
			    &certs.server, &trust.tls, SL("relay.test"),
			    MAY_2026);

			assert_true(pair_shake(p));
			carry(p->client, p->server, 1);
			carry(p->server, p->client, 70000);
			carry(p->client, p->server, 50000);
			if (j % 2 == 0)
				close_both(p->client, p->server);
			else
				close_both(p->server, p->client);
			assert_int_equal(certs.pairs[0].places[0].users, 0);
			pair_free(p);
		}
	}
}

static void
a_full_transport_makes_short_writes(void **state)
{
	struct tls_pair *p;
	int64_t n;

	(void)state;
	serve("ec256.chain", "ec256.key");
	p = pair_new(0, &certs.server, &trust.tls, SL("relay.test"),
	    MAY_2026);
	assert_true(pair_shake(p));
	p->down.room = 10000;
	n = tls_writev(p->server, &(struct slice){ sent, 100000 }, 1);
	assert_true(n > 8000 && n < 20000);
	assert_int_equal(tls_writev(p->server,
	    &(struct slice){ sent + n, 1000 }, 1), IO_AGAIN);
	assert_true(p->server->write_waits);
	assert_int_equal(tls_read(p->client, got, sizeof got) > 0, 1);
	/* The last record is ours until the transport has taken it. */
	p->down.room = PIPE_BYTES;
	assert_true(tls_flush(p->server));
	pair_free(p);
}

static void
a_cut_is_not_an_end(void **state)
{
	(void)state;
	serve("ec256.chain", "ec256.key");
	for (int side = 0; side < 2; side++) {
		struct tls_pair *p = pair_new(0, &certs.server, &trust.tls,
		    SL("relay.test"), MAY_2026);
		struct tls *a = side ? p->client : p->server;
		struct tls *b = side ? p->server : p->client;

		assert_true(pair_shake(p));
		assert_int_equal(tls_writev(a, &(struct slice){ sent, 100 },
		    1), 100);
		*(side ? &p->up.ended : &p->down.ended) = true;
		assert_int_equal(tls_read(b, got, sizeof got), 100);
		assert_int_equal(tls_read(b, got, sizeof got), IO_FAIL);
		assert_int_equal(tls_read(b, got, sizeof got), IO_FAIL);
		pair_free(p);
	}
}

static void
damaged_records_end_the_connection(void **state)
{
	(void)state;
	serve("ec256.chain", "ec256.key");
	for (uint64_t at = 0; at < 4000; at += 37) {
		for (int side = 0; side < 2; side++) {
			struct tls_pair *p = pair_new(0, &certs.server,
			    &trust.tls, SL("relay.test"), MAY_2026);
			struct pipe_end *e = side ? &p->up : &p->down;
			struct tls *a = side ? p->client : p->server;
			struct tls *b = side ? p->server : p->client;
			bool up;

			e->damage_at = at;
			e->damage = 0x10;
			up = pair_shake(p);
			if (up && e->total <= at) {
				int64_t r;

				(void)tls_writev(a, &(struct slice){ sent,
				    5000 }, 1);
				r = tls_read(b, got, sizeof got);
				/* Whole records before it may arrive. */
				assert_true(r == IO_FAIL || r > 0);
				if (r > 0) {
					assert_memory_equal(got, sent,
					    (size_t)r);
					r = tls_read(b, got, sizeof got);
				}
				assert_int_equal(r, IO_FAIL);
				assert_true(tls_closed(b));
			} else {
				assert_false(up);
			}
			pair_free(p);
		}
	}
	assert_int_equal(certs.pairs[0].places[0].users, 0);
}

static void
garbage_is_no_handshake(void **state)
{
	static const char *const in[] = {
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\xff\xff",
		"\x80\x2e\x01\x00\x02", "\x15\x03\x03\x00\x02\x02\x28",
		"\x16\x03\x03\x00\x04\x01\xff\xff\xff",
	};

	(void)state;
	serve("ec256.chain", "ec256.key");
	for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
		struct tls_pair *p = pair_new(0, &certs.server, &trust.tls,
		    SL("relay.test"), MAY_2026);
		size_t n = i == 0 ? strlen(in[0]) : i == 1 ? 5 : i == 2 ? 5 :
		    i == 3 ? 7 : 9;

		memcpy(p->up.b, in[i], n);
		p->up.n = n;
		p->up.ended = true;
		assert_int_equal(tls_shake(p->server), IO_FAIL);
		assert_true(tls_closed(p->server));
		pair_free(p);
	}
}

static void
resumes_without_a_signature(void **state)
{
	br_ssl_session_parameters pp;
	struct tls_pair *p, *q;

	(void)state;
	serve("ec256.chain", "ec256.key");
	p = pair_new(0, &certs.server, &trust.tls, SL("relay.test"),
	    MAY_2026);
	assert_true(pair_shake(p));
	br_ssl_engine_get_session_parameters(&p->client->u.eng, &pp);
	q = pair_new(0, &certs.server, &trust.tls, SL("relay.test"),
	    MAY_2026);
	br_ssl_engine_set_session_parameters(&q->client->u.eng, &pp);
	assert_int_equal(br_ssl_client_reset(&q->client->u.client.c,
	    "relay.test", 1), 1);
	assert_true(pair_shake(q));
	assert_true(q->down.total < p->down.total / 3);
	assert_int_equal(q->server->u.server.policy.held, 0);
	carry(q->client, q->server, 1000);
	pair_free(p);
	pair_free(q);
}

static void
gives_up_a_handshake_that_stalls(void **state)
{
	uint8_t area[200];
	struct buf b = BUF_ON(area);
	struct tls_pair *p;

	(void)state;
	serve("ec256.chain", "ec256.key");
	p = pair_new(0, &certs.server, &trust.tls, SL("relay.test"),
	    MAY_2026);
	assert_int_equal(tls_shake(p->client), IO_AGAIN);
	assert_int_equal(tls_shake(p->server), IO_AGAIN);
	assert_int_equal(certs.pairs[0].places[0].users, 1);
	tls_give_up(p->server);
	assert_int_equal(certs.pairs[0].places[0].users, 0);
	assert_int_equal(tls_read(p->server, got, 1), IO_FAIL);
	tls_tell(p->server, &b);
	assert_true(slice_eq(buf_slice(&b), SL("the TLS handshake stalled")));
	pair_free(p);
}

/* ---- whom a client believes ---- */

#define PIN_256 "ec256.pin"

static const struct {
	const char *why, *cert, *key, *host;
	uint64_t wall_ms;
	const char *pin;        /* file */
	const char *tell;       /* NULL: believed */
} verdicts[] = {
	{ "a chain to the CA", "ec256.chain", "ec256.key", "relay.test",
	    MAY_2026, NULL, NULL },
	{ "case does not count", "ec256.chain", "ec256.key", "Relay.TEST",
	    MAY_2026, NULL, NULL },
	{ "a wildcard is one label", "ec256.chain", "ec256.key",
	    "a.apps.test", MAY_2026, NULL, NULL },
	{ "and not two", "ec256.chain", "ec256.key", "a.b.apps.test",
	    MAY_2026, NULL, "for another name" },
	{ "and not none", "ec256.chain", "ec256.key", "apps.test", MAY_2026,
	    NULL, "for another name" },
	{ "another host", "other.chain", "other.key", "relay.test", MAY_2026,
	    NULL, "for another name" },
	{ "CN without a SAN (documented)", "cn.chain", "cn.key", "relay.test",
	    MAY_2026, NULL, NULL },
	{ "an address in a certificate does not count", "ip.chain", "ip.key",
	    "127.0.0.1", MAY_2026, NULL, "for another name" },
	{ "no name, no proof", "ec256.chain", "ec256.key", "", MAY_2026,
	    NULL, "for another name" },
	{ "expired", "old.chain", "old.key", "relay.test", MAY_2026, NULL,
	    "expired on 2026-02-01 (this machine's clock says 2026-05-01)" },
	{ "in its time", "old.chain", "old.key", "relay.test",
	    UINT64_C(1768000000000), NULL, NULL },
	{ "not yet", "old.chain", "old.key", "relay.test",
	    UINT64_C(1766000000000), NULL, "not valid before 2026-01-01" },
	{ "a clock that was never set", "ec256.chain", "ec256.key",
	    "relay.test", UINT64_C(1000), NULL,
	    "this machine's clock is wrong: it says 1970-01-01" },
	{ "self-signed", "alien.pem", "alien.key", "relay.test", MAY_2026,
	    NULL, "comes from no CA that is trusted here" },
	{ "without the intermediate", "ec256.pem", "ec256.key", "relay.test",
	    MAY_2026, NULL, "its chain is incomplete" },
	{ "an unknown critical extension", "bad.chain", "bad.key",
	    "relay.test", MAY_2026, NULL, "critical extension" },
	{ "the pinned key", "ec256.chain", "ec256.key", "relay.test",
	    MAY_2026, PIN_256, NULL },
	{ "a pin needs no name", "ec256.chain", "ec256.key", "", MAY_2026,
	    PIN_256, NULL },
	{ "nor the right one", "other.chain", "other.key", "relay.test",
	    MAY_2026, PIN_256, "not the pinned one but sha256:" },
	{ "nor a clock", "old.chain", "old.key", "x.test", 0, PIN_256, NULL },
	{ "nor a CA", "ec256.pem", "ec256.key", "", 0, PIN_256, NULL },
	{ "RSA pinned", "rsa.pem", "rsa.key", "", 0, "rsa.pin", NULL },
	{ "P-384 pinned", "ec384.pem", "ec384.key", "", 0, "ec384.pin",
	    NULL },
	{ "pinned, and a good chain of another key", "rsa.chain", "rsa.key",
	    "relay.test", MAY_2026, PIN_256, "not the pinned one" },
};

static void
believes_only_the_right_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
		struct tls_trust t = trust.tls;
		struct tls_pair *p;
		uint8_t area[400];
		struct buf b = BUF_ON(area);
		bool up;

		certs_init(&certs);
		serve(verdicts[i].cert, verdicts[i].key);
		if (verdicts[i].pin != NULL) {
			struct slice s = load(verdicts[i].pin);

			s.n--;
			assert_true(pin_parse(t.pins[1], s));
			t.npins = 2;    /* the first is all zeros */
		}
		p = pair_new(0, &certs.server, &t, lit(verdicts[i].host),
		    verdicts[i].wall_ms);
		up = pair_shake(p);
		tls_tell(p->client, &b);
		if (up != (verdicts[i].tell == NULL))
			fail_msg("%s: %.*s", verdicts[i].why, (int)b.n,
			    (char *)b.p);
		if (verdicts[i].tell != NULL && memmem(b.p, b.n,
		    verdicts[i].tell, strlen(verdicts[i].tell)) == NULL)
			fail_msg("%s: it says: %.*s", verdicts[i].why,
			    (int)b.n, (char *)b.p);
		pair_free(p);
	}
}

/* ---- files ---- */

static const struct {
	const char *file;
	enum err want;
	size_t n;
} chains[] = {
	{ "ec256.chain", E_OK, 2 }, { "ec256.pem", E_OK, 1 },
	{ "rsa.chain", E_OK, 2 }, { "both.pem", E_OK, 2 },
	{ "no-newline.pem", E_OK, 2 }, { "crlf.pem", E_OK, 2 },
	{ "text.pem", E_OK, 2 }, { "ec256.key", E_EOF, 0 },
	{ "ed25519.pem", E_RANGE, 0 },
};

static const struct {
	const char *file;
	enum err want;
} keys[] = {
	{ "ec256.key", E_OK }, { "ec256.pkcs8", E_OK },
	{ "ec384.key", E_OK }, { "rsa.key", E_OK }, { "rsa.pkcs8", E_OK },
	{ "params.key", E_OK }, { "both.pem", E_OK },
	{ "locked.key", E_AUTH }, { "ed25519.key", E_RANGE },
	{ "ec256.pem", E_EOF },
};

static void
reads_pem_as_others_write_it(void **state)
{
	static struct cert_chain c;
	struct privkey k;

	(void)state;
	for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
		if (chain_load(&c, load(chains[i].file)) != chains[i].want)
			fail_msg("%s", chains[i].file);
		if (chains[i].want == E_OK)
			assert_int_equal(c.n, chains[i].n);
	}
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		enum err e = privkey_load(&k, load(keys[i].file));

		if (e != keys[i].want)
			fail_msg("%s: %s", keys[i].file, err_name(e));
		privkey_wipe(&k);
	}
}

static void
a_damaged_file_is_an_error(void **state)
{
	static struct cert_chain c;
	static uint8_t copy[8192];
	struct slice s = load("ec256.chain");
	struct privkey k;

	(void)state;
	memcpy(copy, s.p, s.n);
	/* Cut anywhere: never a crash; good only where an object is whole. */
	for (size_t n = 0; n < s.n; n++) {
		enum err e = chain_load(&c, slice_of(copy, n));

		assert_true(e == E_EOF || e == E_SYNTAX || e == E_OK);
		assert_true(e != E_OK || n > s.n / 3);
	}
	for (size_t i = 30; i < s.n; i += 3) {
		copy[i] ^= 1;
		(void)chain_load(&c, slice_of(copy, s.n));
		copy[i] ^= 1;
	}
	s = load("ec256.pkcs8");
	memcpy(copy, s.p, s.n);
	for (size_t i = 0; i < s.n; i++) {
		copy[i] ^= 2;
		(void)privkey_load(&k, slice_of(copy, s.n));
		copy[i] ^= 2;
	}
	privkey_wipe(&k);
}

static void
a_key_of_another_certificate_is_noticed(void **state)
{
	static const char *const wrong[][2] = {
		{ "ec256.chain", "other.key" }, { "ec256.chain", "ec384.key" },
		{ "ec256.chain", "rsa.key" }, { "rsa.chain", "ec256.key" },
	};
	struct certs_fault f;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char a[100], b[100];

		snprintf(a, sizeof a, VEC "%s", wrong[i][0]);
		snprintf(b, sizeof b, VEC "%s", wrong[i][1]);
		assert_int_equal(certs_add(&certs, lit(a), lit(b), &f),
		    E_SYNTAX);
		assert_string_equal(f.why, "this private key does not belong "
		    "to the certificate");
		assert_string_equal(f.file, b);
	}
	assert_int_equal(certs.n, 0);
}

static void
pins_are_openssl_s(void **state)
{
	static const char *const names[] = { "ec256", "ec384", "rsa" };
	static struct cert_chain c;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char cert[50], file[50];
		uint8_t pin[PIN_BYTES], area[64];
		struct buf b = BUF_ON(area);

		snprintf(cert, sizeof cert, "%s.pem", names[i]);
		snprintf(file, sizeof file, "%s.pin", names[i]);
		assert_int_equal(chain_load(&c, load(cert)), E_OK);
		assert_true(pin_of(pin, &c.own.pkey));
		assert_true(pin_put(&b, pin));
		assert_true(slice_eq(buf_slice(&b),
		    slice_head(load(file), 51)));
	}
}

static void
one_spelling_of_a_pin(void **state)
{
	static const char *const bad[] = {
		"", "sha256:", "sha1:vv/qZxO602qE4D0MndBF+rYg5hjqv/wdwa/z",
		"sha256:vv/qZxO602qE4D0MndBF+rYg5hjqv/wdwa/zoophu9Y",
		"sha256:vv_qZxO602qE4D0MndBF-rYg5hjqv_wdwa_zoophu9Y=",
		"sha256:vv/qZxO602qE4D0MndBF+rYg5hjqv/wdwa/zoophu9Z=",
		"sha256:vv/qZxO602qE4D0MndBF+rYg5hjqv/wdwa/zoophu9Y= ",
	};
	uint8_t pin[PIN_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(pin_parse(pin, lit(bad[i])));
}

static void
chooses_by_host_name(void **state)
{
	static const struct { const char *host, *cert; } want[] = {
		{ "relay.test", "ec256" }, { "other.test", "other" },
		{ "OTHER.test", "other" }, { "x.apps.test", "ec256" },
		{ "unknown.test", "ec256" }, { "", "ec256" },
	};
	struct tls_trust any = { .npins = 1 };

	(void)state;
	serve("ec256.chain", "ec256.key");
	serve("other.chain", "other.key");
	serve("rsa.chain", "rsa.key");
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
		static struct cert_chain c;
		char file[50];
		struct tls_pair *p;

		snprintf(file, sizeof file, "%s.pem", want[i].cert);
		assert_int_equal(chain_load(&c, load(file)), E_OK);
		assert_true(pin_of(any.pins[0], &c.own.pkey));
		p = pair_new(0, &certs.server, &any, lit(want[i].host),
		    MAY_2026);
		if (!pair_shake(p))
			fail_msg("%s", want[i].host);
		pair_free(p);
	}
}

/* A client that verifies RSA only gets the RSA certificate. */
static void
chooses_what_the_client_can_verify(void **state)
{
	static const uint16_t rsa_only[] = {
		BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 };
	struct tls_pair *p;

	(void)state;
	serve("ec256.chain", "ec256.key");
	serve("rsa.chain", "rsa.key");
	p = pair_new(0, &certs.server, &trust.tls, SL("relay.test"),
	    MAY_2026);
	br_ssl_engine_set_suites(&p->client->u.eng, rsa_only, 1);
	br_ssl_client_reset(&p->client->u.client.c, "relay.test", 0);
	assert_true(pair_shake(p));
	pair_free(p);
}

/* ---- changes on disk ---- */

static void
copy_to(const char *name, const char *to)
{
	struct slice s = load(name);
	FILE *f = fopen(to, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(s.p, 1, s.n, f), s.n);
	fclose(f);
}

static void
count_line(void *ctx, struct slice line)
{
	size_t *n = ctx;

	*n += memmem(line.p, line.n, "the old pair stays", 18) != NULL;
}

static void
a_bad_pair_leaves_the_old_one_in_use(void **state)
{
	char dir[] = "/tmp/adit-tls-XXXXXX", cert[100], key[100];
	uint64_t due, now = 1000;
	size_t kept = 0;
	struct log log = { .sink = count_line, .ctx = &kept,
		.level = LOG_INFO };
	struct certs_fault f;
	uint8_t pin[3][PIN_BYTES];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(cert, sizeof cert, "%s/c", dir);
	snprintf(key, sizeof key, "%s/k", dir);
	copy_to("ec256.chain", cert);
	copy_to("ec256.key", key);
	assert_int_equal(certs_add(&certs, lit(cert), lit(key), &f), E_OK);
	assert_true(certs_pin(&certs, 0, pin[0]));
	assert_false(certs_step(&certs, &log, now, MAY_2026, &due));
	assert_int_equal(due, now + CERTS_LOOK_MS);
	/* Half of a renewal: the certificate is new, the key is not yet. */
	copy_to("other.chain", cert);
	assert_false(certs_step(&certs, &log, due - 1, MAY_2026, &due));
	assert_int_equal(kept, 0);
	assert_false(certs_step(&certs, &log, due, MAY_2026, &due));
	assert_int_equal(kept, 1);
	assert_true(certs_pin(&certs, 0, pin[1]));
	assert_memory_equal(pin[0], pin[1], PIN_BYTES);
	/* Said once, not at every look. */
	assert_false(certs_step(&certs, &log, due, MAY_2026, &due));
	assert_int_equal(kept, 1);
	copy_to("other.key", key);
	/* A handshake that holds the spare place is not disturbed. */
	certs.pairs[0].places[1].users = 1;
	assert_false(certs_step(&certs, &log, due, MAY_2026, &due));
	certs.pairs[0].places[1].users = 0;
	assert_true(certs_step(&certs, &log, due, MAY_2026, &due));
	assert_true(certs_pin(&certs, 0, pin[2]));
	assert_memory_not_equal(pin[0], pin[2], PIN_BYTES);
	/* Gone: the same. */
	unlink(key);
	certs_reload(&certs, &log, MAY_2026);
	assert_int_equal(kept, 2);
	assert_true(certs_pin(&certs, 0, pin[1]));
	assert_memory_equal(pin[1], pin[2], PIN_BYTES);
	unlink(cert);
	rmdir(dir);
}

static void
the_system_s_bundle_is_read(void **state)
{
	static struct trust t;

	(void)state;
	if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) != 0)
		skip();
	assert_int_equal(trust_load(&t, SL("")), E_OK);
	assert_true(t.tls.nanchors > 100 && t.is_usual);
	assert_int_equal(trust_load(&t, lit(t.file)), E_OK);
	assert_true(t.tls.nanchors > 100 && t.is_usual);
	assert_int_equal(trust_load(&t, SL(VEC "none")), E_EOF);
	assert_int_equal(trust_load(&t, SL(VEC "ec256.key")), E_SYNTAX);
	assert_false(t.is_usual);
}

static int
lowest_fd(void)
{
	int fd = dup(0);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static void
roots_that_change_are_read_again(void **state)
{
	char dir[] = "/tmp/adit-tls-XXXXXX", file[100], next[100];
	const br_x509_trust_anchor *before;
	int fd = lowest_fd();
	struct tls_pair *p;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof file, "%s/ca", dir);
	snprintf(next, sizeof next, "%s/next", dir);
	copy_to("ca.pem", file);
	assert_int_equal(trust_load(&trust, lit(file)), E_OK);
	assert_false(trust_look(&trust));
	serve("ec256.chain", "ec256.key");
	p = pair_new(0, &certs.server, &trust.tls, SL("relay.test"),
	    MAY_2026);
	/* Another root takes its place, as a package's update does it. */
	copy_to("alien.pem", next);
	assert_int_equal(rename(next, file), 0);
	before = trust.tls.anchors;
	assert_true(trust_look(&trust) && trust.why == NULL);
	assert_true(trust.tls.nanchors == 1 && trust.tls.anchors != before);
	assert_false(trust_look(&trust));
	/* Who began before ends with the old one, who begins now has this. */
	assert_true(pair_shake(p));
	pair_free(p);
	p = pair_new(0, &certs.server, &trust.tls, SL("relay.test"),
	    MAY_2026);
	assert_false(pair_shake(p));
	pair_free(p);
	/* Half, none, gone: each is told once, and changes nothing. */
	before = trust.tls.anchors;
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			assert_int_equal(truncate(file, 300), 0);
		else if (i == 1)
			copy_to("ec256.pin", file);
		else
			unlink(file);
		assert_true(trust_look(&trust) && trust.why != NULL);
		assert_false(trust_look(&trust));
		assert_true(trust.tls.nanchors == 1 &&
		    trust.tls.anchors == before);
	}
	copy_to("ca.pem", file);
	assert_true(trust_look(&trust) && trust.why == NULL);
	p = pair_new(0, &certs.server, &trust.tls, SL("relay.test"),
	    MAY_2026);
	assert_true(pair_shake(p));
	pair_free(p);
	assert_int_equal(lowest_fd(), fd);
	unlink(file);
	rmdir(dir);
}

/* ---- DER and what we make of it ---- */

static void
der_lengths_are_the_shortest(void **state)
{
	static uint8_t area[70000];
	static const size_t n[] = { 0, 1, 127, 128, 255, 256, 65535, 65536 };

	(void)state;
	for (size_t i = 0; i < sizeof n / sizeof n[0]; i++) {
		struct der d = der_on(area, sizeof area);
		struct slice in, out;

		der_put_tlv(&d, DER_OCTETS, slice_of(sent, n[i]));
		assert_false(d.is_short);
		in = der_slice(&d);
		assert_true(der_take(&in, DER_OCTETS, &out));
		assert_int_equal(out.n, n[i]);
		assert_int_equal(in.n, 0);
		for (size_t cut = 1; cut <= min_size(4, n[i] + 2); cut++) {
			in = slice_head(der_slice(&d),
			    der_slice(&d).n - cut);
			assert_false(der_take(&in, DER_OCTETS, &out));
		}
	}
}

static void
der_refuses_other_forms(void **state)
{
	static const struct { const char *b; size_t n; } bad[] = {
		{ "", 0 }, { "\x04", 1 }, { "\x04\x80\x00\x00", 4 },
		{ "\x04\x81\x7f", 3 }, { "\x04\x82\x00\x80", 4 },
		{ "\x04\x84\x00\x00\x00\x00", 6 }, { "\x1f\x01\x00", 3 },
		{ "\x05\x00", 2 }, { "\x04\x02\x00", 3 },
	};
	struct slice in, out;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		in = slice_of(bad[i].b, bad[i].n);
		assert_false(der_take(&in, DER_OCTETS, &out));
		assert_int_equal(in.n, bad[i].n);
	}
}

static void
der_times(void **state)
{
	static const struct { uint64_t s; const char *want; } v[] = {
		{ 0, "\x17\x0d" "700101000000Z" },
		{ 951782399, "\x17\x0d" "000228235959Z" },
		{ 951782400, "\x17\x0d" "000229000000Z" },
		{ UINT64_C(2524607999), "\x17\x0d" "491231235959Z" },
		{ UINT64_C(2524608000), "\x18\x0f" "20500101000000Z" },
		{ UINT64_C(253402300799), "\x18\x0f" "99991231235959Z" },
	};
	uint8_t area[32];

	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof v[0]; i++) {
		struct der d = der_on(area, sizeof area);

		der_put_time(&d, v[i].s);
		assert_true(slice_eq(der_slice(&d), lit(v[i].want)));
	}
}

static void
a_certificate_of_our_own_is_one(void **state)
{
	static const char *const names[] = { "relay.test", "192.0.2.7",
		"2001:db8::7" };
	static struct cert_chain c;
	uint8_t seed[RNG_SEED_MIN] = { 7 };
	struct rng rng;

	(void)state;
	rng_init(&rng, slice_of(seed, sizeof seed));
	for (size_t i = 0; i < 3; i++) {
		uint8_t a[SELF_CERT_MAX], b[SELF_CERT_MAX];
		struct buf cert = BUF_ON(a), key = BUF_ON(b);
		struct self_cert s = { lit(names[i]), MAY_2026 / 1000, 3650,
			&rng };
		uint8_t pin[PIN_BYTES], again[PIN_BYTES];
		struct privkey k;

		assert_int_equal(self_cert(&s, &cert, &key, pin), E_OK);
		assert_int_equal(chain_load(&c, buf_slice(&cert)), E_OK);
		assert_int_equal(privkey_load(&k, buf_slice(&key)), E_OK);
		assert_true(privkey_fits(&k, &c));
		assert_true(pin_of(again, &c.own.pkey));
		assert_memory_equal(pin, again, PIN_BYTES);
		assert_true(chain_names(&c, lit(names[i])));
		assert_false(chain_names(&c, SL("192.0.2.8")));
		assert_int_equal(c.not_after_s, MAY_2026 / 1000 +
		    UINT64_C(3650) * 86400);
		assert_int_equal(c.not_before_s, MAY_2026 / 1000 - 86400);
		privkey_wipe(&k);
		buf_reset(&key);
		key.cap = 100;
		assert_int_equal(self_cert(&s, &cert, &key, pin), E_FULL);
	}
	for (size_t i = 0; i < 4; i++) {
		static const char *const bad[] = { "", "a b", "a:1",
			"x/y" };
		uint8_t a[SELF_CERT_MAX], b[SELF_CERT_MAX], pin[PIN_BYTES];
		struct buf cert = BUF_ON(a), key = BUF_ON(b);
		struct self_cert s = { lit(bad[i]), 0, 1, &rng };

		assert_int_equal(self_cert(&s, &cert, &key, pin), E_RANGE);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(carries_bytes_whatever_the_pieces),
		T(a_full_transport_makes_short_writes),
		T(a_cut_is_not_an_end),
		T(damaged_records_end_the_connection),
		T(garbage_is_no_handshake),
		T(resumes_without_a_signature),
		T(gives_up_a_handshake_that_stalls),
		T(believes_only_the_right_one),
		T(reads_pem_as_others_write_it),
		T(a_damaged_file_is_an_error),
		T(a_key_of_another_certificate_is_noticed),
		T(pins_are_openssl_s),
		T(one_spelling_of_a_pin),
		T(chooses_by_host_name),
		T(chooses_what_the_client_can_verify),
		T(a_bad_pair_leaves_the_old_one_in_use),
		T(the_system_s_bundle_is_read),
		T(roots_that_change_are_read_again),
		T(der_lengths_are_the_shortest),
		T(der_refuses_other_forms),
		T(der_times),
		T(a_certificate_of_our_own_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
