/*
 * Which of BearSSL's implementations the program carries. Its `_get_default`
 * functions choose at run time and so bring all of them along; one of each is
 * enough, and the binary has a limit (SIZE_MAX in the Makefile). Those named
 * here are constant-time and right on all three architectures; what the
 * processor itself can do (AES, SSE2) is still asked at run time.
 */
#ifndef ADIT_CRYPTO_CHOICE_H
#define ADIT_CRYPTO_CHOICE_H

#include <bearssl.h>

#define CHOICE_EC               (&br_ec_all_m31)
#define CHOICE_ECDSA_SIGN       br_ecdsa_i31_sign_asn1
#define CHOICE_ECDSA_VERIFY     br_ecdsa_i31_vrfy_asn1
#define CHOICE_RSA_SIGN         br_rsa_i31_pkcs1_sign
#define CHOICE_RSA_VERIFY       br_rsa_i31_pkcs1_vrfy
#define CHOICE_CHACHA20         (br_chacha20_sse2_get() != 0 ?          \
	br_chacha20_sse2_get() : br_chacha20_ct_run)
#if defined(__x86_64__) || defined(__aarch64__)
#define CHOICE_POLY1305         br_poly1305_ctmulq_get()
#else
#define CHOICE_POLY1305         br_poly1305_ctmul_run
#endif

#endif
