/*
 * A keeper with a disk in memory that can fail at any step, and short ways to
 * ask it. Passwords are stretched at the least cost; `jobs` counts them.
 */
#ifndef ADIT_TESTS_KEEPER_RIG_H
#define ADIT_TESTS_KEEPER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/b64.h"
#include "check.h"
#include "guard.h"
#include "state/keeper.h"

enum { NOW = 1700000000, DAY = 86400, DISK_FILES = 12 };

#define JWT_A "a-signing-key-of-thirty-two-bytes"
#define JWT_B "b-signing-key-of-thirty-two-bytes"
#define PASSWORD "Mondkalb und Kuh"
#define TOKEN "adit_Zaunkoenig-am-Bach"

static struct keeper k;
static struct ask q;
static struct answer a;
static unsigned jobs;
static uint64_t now = NOW;
static enum keeper_for last_for;

/* ---- the disk ---- */

static struct disk {
	struct { char name[32]; uint8_t *p; size_t n; } f[DISK_FILES];
	unsigned writes;        /* steps so far */
	unsigned fail_at;       /* from this step on all fail; 0: none */
	size_t torn;            /* bytes of an append that fails */
} disk;

static inline size_t
disk_find(struct slice name, bool make)
{
	size_t i = 0;

	while (i < DISK_FILES && (disk.f[i].name[0] == '\0' || !slice_eq(name,
	    slice_of(disk.f[i].name, strlen(disk.f[i].name)))))
		i++;
	if (i < DISK_FILES || !make)
		return i;
	for (i = 0; disk.f[i].name[0] != '\0'; )
		assert_true(++i < DISK_FILES);
	assert_true(name.n < sizeof disk.f[i].name);
	memcpy(disk.f[i].name, name.p, name.n);
	disk.f[i].name[name.n] = '\0';
	disk.f[i].n = 0;
	return i;
}

static inline void
disk_add(struct slice name, struct slice content)
{
	size_t i = disk_find(name, true);
	size_t n = disk.f[i].n + content.n;
	uint8_t *p = realloc(disk.f[i].p, n + 1);

	assert_non_null(p);
	disk.f[i].p = p;
	if (content.n > 0)
		memcpy(p + disk.f[i].n, content.p, content.n);
	disk.f[i].n = n;
	p[n] = '\0';
}

static inline void
disk_put(struct slice name, struct slice content)
{
	disk.f[disk_find(name, true)].n = 0;
	disk_add(name, content);
}

/* The content as a C string; NULL if there is no such file. */
static inline const char *
disk_text(const char *name)
{
	size_t i = disk_find(slice_of(name, strlen(name)), false);

	return i == DISK_FILES ? NULL : (const char *)disk.f[i].p;
}

static inline void
disk_drop(struct slice name)
{
	size_t i = disk_find(name, false);

	if (i == DISK_FILES)
		return;
	free(disk.f[i].p);
	memset(&disk.f[i], 0, sizeof disk.f[i]);
}

static inline void
disk_empty(void)
{
	for (size_t i = 0; i < DISK_FILES; i++)
		free(disk.f[i].p);
	memset(&disk, 0, sizeof disk);
}

static inline bool
disk_fails(void)
{
	disk.writes++;
	return disk.fail_at > 0 && disk.writes >= disk.fail_at;
}

static inline enum err
disk_load(void *ctx, struct slice name, struct buf *into)
{
	size_t i = disk_find(name, false);

	(void)ctx;
	if (i == DISK_FILES)
		return E_EOF;
	return buf_put(into, slice_of(disk.f[i].p, disk.f[i].n)) ? E_OK :
	    E_FULL;
}

static inline bool
disk_save(void *ctx, struct slice name, struct slice content)
{
	(void)ctx;
	assert_true(content.n <= STORE_FILE_MAX);
	if (disk_fails())
		return false;
	disk_put(name, content);
	return true;
}

static inline bool
disk_append(void *ctx, struct slice name, struct slice content)
{
	(void)ctx;
	if (disk_fails()) {
		if (disk.writes == disk.fail_at)
			disk_add(name, slice_head(content, disk.torn));
		return false;
	}
	disk_add(name, content);
	return true;
}

static inline bool
disk_rotate(void *ctx, struct slice name, unsigned files)
{
	(void)ctx;
	if (disk_fails())
		return false;
	for (unsigned i = files; i-- > 0; ) {
		char from[40], to[40];
		size_t at;

		snprintf(to, sizeof to, "%.*s.%u", (int)name.n,
		    (const char *)name.p, i);
		snprintf(from, sizeof from, "%.*s.%u", (int)name.n,
		    (const char *)name.p, i - 1);
		if (i == 1)
			snprintf(from, sizeof from, "%.*s", (int)name.n,
			    (const char *)name.p);
		if (i == 0)
			break;
		disk_drop(slice_of(to, strlen(to)));
		at = disk_find(slice_of(from, strlen(from)), false);
		if (at < DISK_FILES)
			snprintf(disk.f[at].name, sizeof disk.f[at].name,
			    "%.31s", to);
	}
	return true;
}

static inline bool
disk_remove(void *ctx, struct slice name)
{
	(void)ctx;
	if (disk_fails())
		return false;
	disk_drop(name);
	return true;
}

static const struct store_io disk_io = { disk_load, disk_save, disk_append,
	disk_rotate, disk_remove, NULL };

/* ---- the keeper ---- */

static struct store_fault fault;
static size_t cut;
static struct scrypt_cost cost = { 10, 1, 1 };

/* Without `jwt` it is the kept one. */
static inline enum err
try_start(const char *jwt, const char *password, const char *token)
{
	static uint8_t seed[RNG_SEED_MIN];
	struct secret j = { 0 }, p = { 0 }, t = { 0 };
	struct keeper_cfg cfg = { .jwt = &j, .password = &p, .token = &t,
		.seed = { seed, sizeof seed }, .io = disk_io, .cost = cost };
	struct store_jwt kept;
	struct rng rng;
	bool made;

	seed[0]++;
	secret_set(&p, str(password));
	secret_set(&t, str(token));
	if (jwt != NULL) {
		secret_set(&j, str(jwt));
	} else {
		rng_init(&rng, cfg.seed);
		if (store_jwt_secret(&kept, &disk_io, &rng, &made, &fault) !=
		    E_OK)
			return E_IO;
		cfg.kept = &kept;
		seed[1]++;
	}
	keeper_wipe(&k);
	keeper_init(&k, &cfg);
	return keeper_load(&k, now, &cut, &fault);
}

static inline void
start(const char *jwt, const char *password, const char *token)
{
	assert_int_equal(try_start(jwt, password, token), E_OK);
}

static inline void
stretch(const struct keeper_job *j, struct keeper_result *r)
{
	static uint8_t area[4 << 20] __attribute__((aligned(64)));

	assert_true(scrypt_area(j->cost) <= sizeof area);
	*r = (struct keeper_result){ .id = j->id, .ok = true, .now_s = now };
	scrypt(r->hash, sizeof r->hash, secret_bytes(&j->password),
	    slice_of(j->salt, sizeof j->salt), j->cost, area);
	jobs++;
}

/* Do what is to be stretched until there is an answer. */
static inline void
finish(void)
{
	struct keeper_job j;
	struct keeper_result r;

	while (last_for == KEEPER_LATER) {
		assert_true(keeper_job(&k, &j));
		stretch(&j, &r);
		last_for = keeper_done(&k, &r, &a);
	}
}

static inline enum err
answer(void)
{
	q.seq = 4711;
	q.who = 0x1234;
	last_for = keeper_answer(&k, &q, &a);
	finish();
	assert_int_equal(last_for, KEEPER_RELAY);
	assert_int_equal(a.kind, q.kind);
	assert_int_equal(a.seq, 4711);
	assert_int_equal(a.who, 0x1234);
	return a.result;
}

static inline void
begin(enum ask_kind kind, struct slice text)
{
	memset(&q, 0, sizeof q);
	q.kind = kind;
	q.now_s = now;
	assert_true(text.n <= sizeof q.text);
	if (text.n > 0)
		memcpy(q.text, text.p, text.n);
	q.text_n = (uint16_t)text.n;
}

static inline enum err
ask_text(enum ask_kind kind, struct slice text)
{
	begin(kind, text);
	return answer();
}

#define SET(q, field, s) do {                                           \
	struct slice set_ = (s);                                        \
	assert_true(set_.n <= sizeof (q).field);                        \
	memcpy((q).field, set_.p, set_.n);                              \
	(q).field##_n = (uint16_t)set_.n;                               \
} while (0)

#define assert_text(s, n, want) do {                                    \
	assert_int_equal(n, sizeof(want) - 1);                          \
	assert_memory_equal(s, want, sizeof(want) - 1);                 \
} while (0)

static inline enum err
login(const char *user, const char *password)
{
	begin(ASK_LOGIN, str(password));
	if (*user != '\0')
		SET(q, user, str(user));
	return answer();
}

/* A session of the login before, kept in *token. */
struct token_text { uint8_t b[ASK_TEXT_MAX]; size_t n; uint8_t jti[32]; };

static inline enum err
issue(struct token_text *t, const char *site, uint64_t ttl_s)
{
	begin(ASK_ISSUE, slice_of(a.jti, a.jti_n));
	SET(q, site, str(site));
	SET(q, from, SL("192.0.2.7"));
	SET(q, device, SL("Firefox"));
	q.ttl_s = ttl_s;
	if (answer() != E_OK)
		return a.result;
	memcpy(t->b, a.text, a.text_n);
	t->n = a.text_n;
	memcpy(t->jti, a.jti, sizeof t->jti);
	return E_OK;
}

static inline void
enter(struct token_text *t, const char *user, const char *password)
{
	assert_int_equal(login(user, password), E_OK);
	assert_int_equal(issue(t, "main", DAY), E_OK);
}

static inline enum err
session(const struct token_text *t)
{
	begin(ASK_SESSION, slice_of(t->b, t->n));
	return answer();
}

#endif
