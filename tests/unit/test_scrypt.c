/*
 * scrypt and PBKDF2: the vectors of RFC 7914, sections 8 to 12, and what the
 * text of a hash may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Its parts have vectors of their own. */
#include "crypto/scrypt.c"

static size_t
unhex(uint8_t *out, const char *hex)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)((strchr(digits, hex[2 * i]) - digits) << 4 |
		    (strchr(digits, hex[2 * i + 1]) - digits));
	return n;
}

static void
is_hex(const uint8_t *p, const char *hex)
{
	uint8_t want[256];
	size_t n = unhex(want, hex);

	assert_memory_equal(p, want, n);
}

static void
salsa_is_that_of_section_8(void **state)
{
	uint32_t b[CHUNK], x[CHUNK];

	(void)state;
	unhex((uint8_t *)b,
	    "7e879a214f3ec9867ca940e641718f26baee555b8c61c1b50df846116dcd3b1d"
	    "ee24f319df9b3d8514121e4b5ac5aa3276021d2909c74829edebc68db8b8c25e");
	turn(b, CHUNK);
	salsa20_8(b, x);
	turn(b, CHUNK);
	is_hex((uint8_t *)b,
	    "a41f859c6608cc993b81cacb020cef05044b2181a2fd337dfd7b1c6396682f29"
	    "b4393168e3c9e6bcfe6bc5b7a06d96bae424cc102c91745c24ad673dc7618f81");
}

/* The input of sections 9 and 10. */
static const char block[] =
    "f7ce0b653d2d72a4108cf5abe912ffdd777616dbbb27a70e8204f3ae2d0f6fad"
    "89f68f4811d1e87bcc3bd7400a9ffd29094f0184639574f39ae5a1315217bcd7"
    "894991447213bb226c25b54da86370fbcd984380374666bb8ffcb5bf40c254b0"
    "67d27c51ce4ad5fed829c90b505a571b7f4d1cad6a523cda770e67bceaaf7e89";

static void
block_mix_is_that_of_section_9(void **state)
{
	uint32_t in[2 * CHUNK], out[2 * CHUNK], t[2 * CHUNK];

	(void)state;
	unhex((uint8_t *)in, block);
	turn(in, 2 * CHUNK);
	block_mix(out, in, 1, t);
	turn(out, 2 * CHUNK);
	is_hex((uint8_t *)out,
	    "a41f859c6608cc993b81cacb020cef05044b2181a2fd337dfd7b1c6396682f29"
	    "b4393168e3c9e6bcfe6bc5b7a06d96bae424cc102c91745c24ad673dc7618f81"
	    "20edc975323881a80540f64c162dcd3c21077cfe5f8d5fe2b1a4168f953678b7"
	    "7d3b3d803b60e4ab920996e59b4d53b65d2a225877d5edf5842cb9f14eefe425");
}

static void
ro_mix_is_that_of_section_10(void **state)
{
	uint32_t b[2 * CHUNK], v[16 * 2 * CHUNK], x[6 * CHUNK];

	(void)state;
	unhex((uint8_t *)b, block);
	turn(b, 2 * CHUNK);
	ro_mix(b, 1, 16, v, x);
	turn(b, 2 * CHUNK);
	is_hex((uint8_t *)b,
	    "79ccc193629debca047f0b70604bf6b62ce3dd4a9626e355fafc6198e6ea2b46"
	    "d58413673b99b029d665c357601fb426a0b2f4bba200ee9f0a43d19b571a9c71"
	    "ef1142e65d5a266fddca832ce59faa7cac0b9cf1be2bffca300d01ee387619c4"
	    "ae12fd4438f203a0e4e1c47ec314861f4e9087cb33396a6873e8f9d2539a4b8e");
}

static void
pbkdf2_is_that_of_section_11(void **state)
{
	uint8_t out[64];

	(void)state;
	pbkdf2_sha256(out, sizeof out, SL("passwd"), SL("salt"), 1);
	is_hex(out,
	    "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
	    "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
	pbkdf2_sha256(out, sizeof out, SL("Password"), SL("NaCl"), 80000);
	is_hex(out,
	    "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
	    "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d");
}

static void
scrypt_is_that_of_section_12(void **state)
{
	static const struct { struct slice password, salt;
	    struct scrypt_cost cost; const char *hex; } t[] = {
		{ SL_INIT(""), SL_INIT(""), { 4, 1, 1 },
		    "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3f"
		    "ede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628"
		    "cf35e20c38d18906" },
		{ SL_INIT("password"), SL_INIT("NaCl"), { 10, 8, 16 },
		    "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e7737663"
		    "4b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d"
		    "8360cbdfa2cc0640" },
		{ SL_INIT("pleaseletmein"), SL_INIT("SodiumChloride"),
		    { 14, 8, 1 },
		    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6"
		    "545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40"
		    "dfcf017b45575887" },
		{ SL_INIT("pleaseletmein"), SL_INIT("SodiumChloride"),
		    { 20, 8, 1 },
		    "2101cb9b6a511aaeaddbbe09cf70f881ec568d574a2ffd4dabe5ee98"
		    "20adaa478e56fd8f4ba5d09ffa1c6d927c40f4c337304049e8a952fb"
		    "cbf45c6fa77a41a4" },
	};
	uint8_t out[64];

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		size_t n = scrypt_area(t[i].cost);
		uint8_t *area = aligned_alloc(64, (n + 63) / 64 * 64);

		assert_non_null(area);
		scrypt(out, sizeof out, t[i].password, t[i].salt, t[i].cost,
		    area);
		is_hex(out, t[i].hex);
		for (size_t j = 0; j < n; j++)
			if (area[j] != 0)
				fail_msg("byte %zu is not wiped", j);
		free(area);
	}
}

#define TAIL "$AAAAAAAAAAAAAAAAAAAAAA" \
	"$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void
a_hash_comes_back_from_its_text(void **state)
{
	uint8_t area[SCRYPT_TEXT_MAX];
	struct buf b = BUF_ON(area);
	struct scrypt_hash h = { .cost = { 15, 8, 3 } }, again;

	(void)state;
	memset(h.salt, 0xa7, sizeof h.salt);
	memset(h.hash, 0x5c, sizeof h.hash);
	assert_true(scrypt_put(&b, &h));
	assert_true(slice_starts(buf_slice(&b), SL("scrypt$15$8$3$p6en")));
	assert_true(scrypt_parse(&again, buf_slice(&b)));
	assert_memory_equal(&again, &h, sizeof h);
}

static void
only_a_bounded_cost_in_one_spelling_is_read(void **state)
{
	static const struct { const char *text; bool want; } t[] = {
		{ "scrypt$15$8$3" TAIL, true },
		{ "scrypt$10$1$1" TAIL, true },
		{ "scrypt$17$8$1" TAIL, true },
		{ "scrypt$18$8$1" TAIL, false },        /* too much memory */
		{ "scrypt$16$8$16" TAIL, true },
		{ "scrypt$9$8$1" TAIL, false },
		{ "scrypt$20$8$1" TAIL, false },
		{ "scrypt$21$1$1" TAIL, false },
		{ "scrypt$255$1$1" TAIL, false },
		{ "scrypt$256$1$1" TAIL, false },
		{ "scrypt$15$33$1" TAIL, false },
		{ "scrypt$15$8$17" TAIL, false },
		{ "scrypt$15$32$16" TAIL, false },      /* too much work */
		{ "scrypt$15$0$1" TAIL, false },
		{ "scrypt$015$8$1" TAIL, false },
		{ "scrypt$15$8$+3" TAIL, false },
		{ "scrypt$15$8$3" TAIL "A", false },
		{ "scrypt$15$8$3" TAIL "$", false },
		{ "scrypt$15$8$3$AA" TAIL, false },
		{ "Scrypt$15$8$3" TAIL, false },
		{ "scrypt$15$8$3", false },
		{ "scrypt", false },
		{ "", false },
	};
	struct scrypt_hash h;

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
		if (scrypt_parse(&h, slice_of(t[i].text, strlen(t[i].text))) !=
		    t[i].want)
			fail_msg("%s", t[i].text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(salsa_is_that_of_section_8),
		cmocka_unit_test(block_mix_is_that_of_section_9),
		cmocka_unit_test(ro_mix_is_that_of_section_10),
		cmocka_unit_test(pbkdf2_is_that_of_section_11),
		cmocka_unit_test(scrypt_is_that_of_section_12),
		cmocka_unit_test(a_hash_comes_back_from_its_text),
		cmocka_unit_test(only_a_bounded_cost_in_one_spelling_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
