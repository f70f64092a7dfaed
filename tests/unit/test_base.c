/*
 * base: slices, buffers, pools, chains, timers, log lines and addresses. What
 * has state is run against a plain model with random operations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "base/buf.h"
#include "base/chain.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/timer.h"
#include "check.h"
#include "guard.h"

static void
same(struct slice got, const char *want)
{
	assert_int_equal(got.n, strlen(want));
	if (got.n > 0)
		assert_memory_equal(got.p, want, got.n);
}

/* xorshift64*: the same numbers on every machine. */
static uint64_t random_state = 88172645463325252u;

static uint64_t
rnd(uint64_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 2685821657736338717u >> 16) % below;
}

/* ---- slices ------------------------ */

static void
takes_all_or_nothing(void **state)
{
	struct slice in = guard_put("\1\2\3", 3), all = in, out;
	uint8_t v8 = 99;
	uint16_t v16 = 99;

	(void)state;
	assert_false(slice_take(&in, 4, &out));
	assert_false(slice_take(&in, SIZE_MAX, &out));
	assert_int_equal(in.n, 3);
	assert_true(slice_take_u8(&in, &v8));
	assert_true(slice_take_u16(&in, &v16));
	assert_int_equal(v8, 1);
	assert_int_equal(v16, 0x0203);
	assert_int_equal(in.n, 0);
	assert_false(slice_take_u8(&in, &v8));
	assert_false(slice_take_u16(&in, &v16));
	assert_true(slice_take(&in, 0, &out));
	assert_int_equal(out.n, 0);
	guard_free(all);
}

static void
finds_cuts_and_trims(void **state)
{
	struct slice s = guard_put("a=b=c", 5), rest = s;

	(void)state;
	assert_int_equal(slice_find(s, '='), 1);
	assert_int_equal(slice_rfind(s, '='), 3);
	assert_int_equal(slice_find(s, 'x'), 5);
	assert_int_equal(slice_rfind(s, 'x'), 5);
	same(slice_cut(&rest, '='), "a");
	same(slice_cut(&rest, '='), "b");
	same(slice_cut(&rest, '='), "c");
	same(slice_cut(&rest, '='), "");
	same(slice_from(s, 3), "=c");
	same(slice_from(s, 9), "");
	same(slice_head(s, 2), "a=");
	same(slice_head(s, 9), "a=b=c");
	guard_free(s);
	same(slice_trim(str(" \t a b\t ")), "a b");
	same(slice_trim(str(" \t ")), "");
	same(slice_trim(str("\na")), "\na");
	assert_int_equal(slice_find(slice_of(NULL, 0), 'x'), 0);
}

static void
compares_with_ascii_case_only(void **state)
{
	(void)state;
	assert_true(slice_ieq(str("Host"), str("hOST")));
	assert_false(slice_ieq(str("Host"), str("Hos")));
	assert_false(slice_ieq(str("@"), str("`")));
	assert_false(slice_ieq(str("["), str("{")));
	assert_false(slice_ieq(str("\xc4"), str("\xe4")));
	assert_true(slice_eq(slice_of(NULL, 0), str("")));
	assert_true(slice_starts(str("abc"), str("ab")));
	assert_false(slice_starts(str("ab"), str("abc")));
	assert_true(slice_ends(str("abc"), str("bc")));
	assert_false(slice_ends(str("bc"), str("abc")));
}

static void
reads_decimals_up_to_a_maximum(void **state)
{
	static const struct {
		const char *in;
		uint64_t max;
		bool ok;
		uint64_t v;
	} vecs[] = {
		{ "0", 0, true, 0 },
		{ "1", 0, false, 0 },
		{ "007", 7, true, 7 },
		{ "255", 255, true, 255 },
		{ "256", 255, false, 0 },
		{ "300", 255, false, 0 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999999", UINT64_MAX, false, 0 },
		{ "", 9, false, 0 },
		{ "+1", 9, false, 0 },
		{ "-1", 9, false, 0 },
		{ "1 ", 9, false, 0 },
		{ "1a", 99, false, 0 },
		{ "/", 99, false, 0 },
		{ ":", 99, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(vecs); i++) {
		struct slice s = guard_slice(str(vecs[i].in));
		uint64_t v = 77;

		assert_int_equal(slice_dec(s, vecs[i].max, &v), vecs[i].ok);
		assert_true(v == (vecs[i].ok ? vecs[i].v : 77));
		guard_free(s);
	}
}

/* ---- buffers ------------------------ */

static void
puts_all_or_nothing_and_remembers(void **state)
{
	uint8_t area[8];
	struct buf b = BUF_ON(area);

	(void)state;
	assert_true(buf_put_u16(&b, 0x0102));
	assert_true(buf_put_u32(&b, 0x03040506));
	assert_false(buf_put_u32(&b, 1));
	assert_int_equal(b.n, 6);
	/* Short stays short: what follows a gap must not be taken for it. */
	assert_false(buf_put_u8(&b, 7));
	assert_false(buf_ok(&b));
	assert_memory_equal(area, "\1\2\3\4\5\6", 6);
	buf_reset(&b);
	assert_true(buf_put_u64(&b, 0x0102030405060708));
	assert_memory_equal(area, "\1\2\3\4\5\6\7\10", 8);
	assert_true(buf_put(&b, slice_of(NULL, 0)));
	assert_false(buf_put_u8(&b, 0));
	b.is_short = false;
	buf_drop(&b, 3);
	assert_int_equal(b.n, 5);
	assert_memory_equal(area, "\4\5\6\7\10", 5);
	buf_drop(&b, 5);
	assert_int_equal(buf_room(&b), 8);
}

static void
writes_numbers_and_escapes(void **state)
{
	uint8_t area[256];
	struct buf b = BUF_ON(area);

	(void)state;
	buf_put_dec(&b, 0);
	buf_put_dec(&b, UINT64_MAX);
	same(buf_slice(&b), "018446744073709551615");
	buf_reset(&b);
	buf_put_hex(&b, slice_of("\0\xfe\x7f", 3));
	same(buf_slice(&b), "00fe7f");
	buf_reset(&b);
	buf_put_escaped(&b, slice_of("a b\n\"\\\0\x7f\xff", 9), 99);
	same(buf_slice(&b), "a b\\x0a\\x22\\x5c\\x00\\x7f\\xff");
	buf_reset(&b);
	buf_put_escaped(&b, str("abcdef"), 3);
	same(buf_slice(&b), "abc...");
	buf_reset(&b);
	buf_put_html(&b, str("<a href=\"x\">'&'</a>"));
	same(buf_slice(&b), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;"
	    "&lt;/a&gt;");
}

static void
leaves_nothing_of_a_put_that_is_short(void **state)
{
	(void)state;
	for (size_t cap = 0; cap < 24; cap++) {
		uint8_t area[32];
		struct buf b = buf_of(area, cap);

		assert_false(buf_put_html(&b, str("ab<cd>ef\"gh'ij")));
		assert_int_equal(b.n, 0);
		b = buf_of(area, cap);
		assert_false(buf_put_escaped(&b, str("abc\1\2\3\4\5\6\7"), 99));
		assert_int_equal(b.n, 0);
		b = buf_of(area, cap);
		assert_false(buf_put_hex(&b, str("twelve bytes")));
		assert_int_equal(b.n, 0);
	}
}

/* ---- memory ------------------------ */

static struct {
	size_t calls, bytes;
	const uint8_t *low, *high;
} released;

static void
note_release(void *p, size_t n)
{
	released.calls++;
	released.bytes += n;
	assert_int_equal((uintptr_t)p % 4096, 0);
	assert_true((const uint8_t *)p >= released.low &&
	    (const uint8_t *)p + n <= released.high);
	memset(p, 0xee, n);
}

static struct arena
arena_new(size_t n)
{
	struct arena a = { .cap = n, .release = note_release };

	a.p = aligned_alloc(65536, n);
	assert_non_null(a.p);
	memset(a.p, 0, n);
	released.calls = released.bytes = 0;
	released.low = a.p;
	released.high = a.p + n;
	return a;
}

static void
arena_end(struct arena *a)
{
	free(a->p);
}

static void
takes_no_more_than_it_says(void **state)
{
	static const struct { size_t item; uint32_t cap, align; } vecs[] = {
		{ 8, 1, 16 }, { 24, 7, 16 }, { 4096, 3, 4096 },
		{ 16384, 5, 16384 }, { 24, 0, 16 }, { 12288, 9, 4096 },
		{ 131072, 2, 65536 },
	};
	struct arena a = arena_new(4 << 20);

	(void)state;
	for (size_t i = 0; i < COUNT(vecs); i++) {
		for (size_t skew = 0; skew < 3; skew++) {
			size_t before;
			struct pool p;

			(void)arena_take(&a, 1 + 4095 * skew, 1);
			before = a.used;
			pool_init(&p, &a, 1, vecs[i].item, vecs[i].cap);
			assert_true(a.used - before <=
			    pool_bytes(vecs[i].item, vecs[i].cap));
			assert_int_equal((uintptr_t)p.items %
			    vecs[i].align, 0);
		}
	}
	arena_end(&a);
}

static void
tells_freed_items_apart(void **state)
{
	enum { CAP = 37, ITEM = 24, ROUNDS = 20000, OLD = 64 };
	struct arena a = arena_new(1 << 16);
	uint8_t *live[CAP] = { NULL };
	handle h[CAP] = { 0 }, old[OLD] = { 0 };
	size_t n = 0, nold = 0;
	struct pool p;

	(void)state;
	pool_init(&p, &a, 5, ITEM, CAP);
	for (size_t i = 0; i < ROUNDS; i++) {
		size_t k = n == 0 ? 0 : rnd(n);

		if (rnd(2) == 0) {
			uint8_t *item = pool_take(&p);

			assert_int_equal(item == NULL, n == CAP);
			if (item == NULL)
				continue;
			for (size_t j = 0; j < ITEM; j++)
				assert_int_equal(item[j], 0);
			memset(item, 0xa5, ITEM);
			live[n] = item;
			h[n] = pool_handle(&p, item);
			assert_int_equal(handle_kind(h[n]), 5);
			assert_true(h[n] != HANDLE_NONE);
			n++;
		} else if (n > 0) {
			old[nold++ % OLD] = h[k];
			pool_give(&p, live[k]);
			live[k] = live[--n];
			h[k] = h[n];
		}
		assert_int_equal(p.used, n);
		for (size_t j = 0; j < n; j++)
			assert_ptr_equal(pool_get(&p, h[j]), live[j]);
		for (size_t j = 0; j < OLD; j++)
			assert_null(pool_get(&p, old[j]));
	}
	assert_null(pool_get(&p, h[0] ^ (handle)1 << 56));
	assert_null(pool_get(&p, (handle)5 << 56 | 0xffffff));
	pool_give(&p, NULL);
	arena_end(&a);
}

static void
gives_pages_back_but_for_a_few(void **state)
{
	enum { CAP = 200 };
	struct arena a = arena_new(8 << 20);
	uint8_t *item[CAP];
	struct pool p;

	(void)state;
	pool_init(&p, &a, 1, 16384, CAP);
	for (size_t i = 0; i < CAP; i++) {
		item[i] = pool_take(&p);
		assert_non_null(item[i]);
		memset(item[i], (int)i, 16384);
	}
	assert_null(pool_take(&p));
	for (size_t i = 0; i < CAP; i += 2)
		pool_give(&p, item[i]);
	assert_int_equal(released.calls, CAP / 2 - 64);
	assert_int_equal(released.bytes, (CAP / 2 - 64) * 16384);
	for (size_t i = 1; i < CAP; i += 2) {
		assert_int_equal(item[i][0], i);
		assert_int_equal(item[i][16383], i);
	}
	/* Taking and giving one again and again releases nothing. */
	released.calls = 0;
	for (size_t i = 0; i < 100; i++)
		pool_give(&p, pool_take(&p));
	assert_true(released.calls <= 1);
	arena_end(&a);
}

/* ---- chains ------------------------ */

enum { CHAINS = 5, BLOCKS = 24, MODEL = BLOCKS * BLOCK_BYTES };

/* What the chain should hold: byte i of chain k is a function of its place in
 * the stream, so the model is two counters. */
struct model {
	struct chain c;
	uint64_t in, out;
};

static uint8_t
stream_byte(size_t k, uint64_t i)
{
	return (uint8_t)(i * 167 + (i >> 8) * 13 + k * 71);
}

static void
fill_from(uint8_t *p, size_t n, size_t k, uint64_t at)
{
	for (size_t i = 0; i < n; i++)
		p[i] = stream_byte(k, at + i);
}

static void
check_bytes(struct slice s, size_t k, uint64_t at)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != stream_byte(k, at + i))
			fail_msg("chain %zu byte %zu", k, (size_t)at + i);
	}
}

static void
check_model(const struct model *m, size_t k, const struct blocks *b)
{
	struct slice v[BLOCKS + 2];
	uint64_t at = m->out;
	size_t n = chain_slices(&m->c, b, v, COUNT(v));

	assert_true(m->c.n == m->in - m->out);
	for (size_t i = 0; i < n; i++) {
		assert_true(v[i].n > 0);
		check_bytes(v[i], k, at);
		at += v[i].n;
	}
	assert_true(at == m->in);
	assert_int_equal(chain_front(&m->c, b).n, n == 0 ? 0 : v[0].n);
}

static size_t
some_size(void)
{
	static const size_t sizes[] = { 0, 1, 100, BLOCK_BYTES - 1,
		BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES };

	return rnd(3) == 0 ? sizes[rnd(COUNT(sizes))] : rnd(9000);
}

static void
chain_act(struct model *m, size_t k, struct blocks *b)
{
	static uint8_t area[4 * BLOCK_BYTES];
	uint32_t used = b->pool.used;
	size_t n = some_size(), got;

	switch (rnd(4)) {
	case 0:
		fill_from(area, n, k, m->in);
		if (chain_put(&m->c, b, slice_of(area, n)))
			m->in += n;
		else
			assert_int_equal(b->pool.used, used);
		break;
	case 1:
		n = min_size(n, m->c.n);
		chain_drop(&m->c, b, n);
		m->out += n;
		break;
	case 2:
		got = chain_take(&m->c, b, area, n);
		assert_int_equal(got, min_u64(n, m->in - m->out));
		check_bytes(slice_of(area, got), k, m->out);
		m->out += got;
		break;
	default:
		if (rnd(20) == 0) {
			chain_free(&m->c, b);
			m->out = m->in;
		}
	}
}

static void
chains_keep_every_byte_in_order(void **state)
{
	struct arena a = arena_new(1 << 20);
	struct model m[CHAINS] = { 0 };
	struct blocks b;

	(void)state;
	blocks_init(&b, &a, 1, BLOCKS);
	for (size_t i = 0; i < 6000; i++) {
		size_t k = rnd(CHAINS), held = 0;

		chain_act(&m[k], k, &b);
		check_model(&m[k], k, &b);
		for (size_t j = 0; j < CHAINS; j++) {
			assert_true(m[j].c.n == m[j].in - m[j].out);
			held += m[j].c.n;
			if (m[j].c.n > 0)
				continue;
			assert_null(chain_front(&m[j].c, &b).p);
		}
		/* No more blocks than bytes explain: two partial ones each. */
		assert_true(b.pool.used <= held / BLOCK_BYTES + 2 * CHAINS);
	}
	for (size_t k = 0; k < CHAINS; k++)
		chain_free(&m[k].c, &b);
	assert_int_equal(b.pool.used, 0);
	arena_end(&a);
}

static void
promises_no_more_than_there_is(void **state)
{
	struct arena a = arena_new(1 << 20);
	struct chain c = { 0 };
	struct blocks b;
	uint8_t byte = 7;

	(void)state;
	blocks_init(&b, &a, 1, 4);
	assert_true(blocks_reserve(&b, 3));
	assert_false(blocks_reserve(&b, 2));
	assert_true(blocks_reserve(&b, 1));
	blocks_unreserve(&b, 4);
	assert_true(blocks_reserve(&b, 4));
	/* A chain of up to n bytes needs no more than blocks_for(n), however
	 * it is cut: one byte in the first block, the rest behind. */
	assert_int_equal(blocks_for(3 * BLOCK_BYTES), 4);
	for (size_t i = 0; i < 3 * (size_t)BLOCK_BYTES; i++)
		assert_true(chain_put(&c, &b, slice_of(&byte, 1)));
	for (size_t i = 0; i < (size_t)BLOCK_BYTES - 1; i++) {
		chain_drop(&c, &b, 1);
		assert_true(chain_put(&c, &b, slice_of(&byte, 1)));
	}
	chain_free(&c, &b);
	assert_int_equal(b.pool.used, 0);
	arena_end(&a);
}

/* ---- timers ------------------------ */

static void
timers_go_off_when_due_and_not_before(void **state)
{
	enum { N = 50 };
	struct arena a = arena_new(1 << 16);
	struct timer t[N] = { 0 };
	uint64_t due[N], now = 1000;
	struct timers h;

	(void)state;
	timers_init(&h, &a, N);
	for (size_t i = 0; i < N; i++)
		due[i] = TIMER_NEVER;
	for (size_t i = 0; i < 50000; i++) {
		size_t k = rnd(N);
		uint64_t first = TIMER_NEVER;
		struct timer *got;

		if (rnd(4) == 0) {
			timer_stop(&h, &t[k]);
			due[k] = TIMER_NEVER;
		} else {
			due[k] = now + rnd(200);
			timer_set(&h, &t[k], 100 + k, due[k]);
		}
		now += rnd(10);
		for (size_t j = 0; j < N; j++)
			first = min_u64(first, due[j]);
		assert_true(timers_due(&h) <= first);
		assert_true((timers_due(&h) == TIMER_NEVER) ==
		    (first == TIMER_NEVER));
		if (rnd(3) != 0)
			continue;
		while ((got = timers_next(&h, now)) != NULL) {
			size_t j = (size_t)(got - t);

			assert_true(due[j] <= now);
			assert_true(due[j] == got->due_ms);
			assert_true(got->who == 100 + j);
			assert_int_equal(got->pos, 0);
			due[j] = TIMER_NEVER;
		}
		for (size_t j = 0; j < N; j++)
			assert_true(due[j] > now);
	}
	arena_end(&a);
}

static void
equal_deadlines_keep_their_order(void **state)
{
	enum { N = 20 };
	struct arena a = arena_new(1 << 16);
	struct timer t[N] = { 0 };
	struct timers h;

	(void)state;
	timers_init(&h, &a, N);
	for (size_t i = 0; i < N; i++)
		timer_set(&h, &t[i], 1, i % 2 == 0 ? 70 : 50);
	for (size_t i = 1; i < N; i += 2)
		assert_ptr_equal(timers_next(&h, 99), &t[i]);
	for (size_t i = 0; i < N; i += 2)
		assert_ptr_equal(timers_next(&h, 99), &t[i]);
	assert_null(timers_next(&h, UINT64_MAX));
	arena_end(&a);
}

/* ---- log lines ------------------------ */

static struct buf sunk;

static void
sink(void *ctx, struct slice line)
{
	(void)ctx;
	assert_true(line.n > 0 && line.n <= LOG_LINE_MAX);
	assert_int_equal(line.p[line.n - 1], '\n');
	assert_int_equal(slice_find(line, '\n'), line.n - 1);
	for (size_t i = 0; i + 1 < line.n; i++)
		assert_in_range(line.p[i], 32, 126);
	buf_put(&sunk, line);
}

static void
writes_lines_for_people_and_programs(void **state)
{
	static uint8_t area[1 << 16];
	struct log l = { .sink = sink, .level = LOG_INFO,
		.wall_ms = 1709210096789 };

	(void)state;
	sunk = BUF_ON(area);
	LOGF(&l, LOG_WARN, "relay", "agent connected", log_s("name", str("a")),
	    log_u("n", 7), log_s("empty", str("")), log_c("two", "a b"),
	    log_s("evil", slice_of("\n\"=\\\0\xff", 6)));
	same(buf_slice(&sunk), "2024-02-29T12:34:56.789Z warn relay: agent "
	    "connected name=a n=7 empty=\"\" two=\"a b\" "
	    "evil=\"\\x0a\\x22=\\x5c\\x00\\xff\"\n");
	buf_reset(&sunk);
	l.journal = true;
	LOGF(&l, LOG_WARN, "relay", "no", log_u("n", 7));
	LOGF(&l, LOG_FATAL, "relay", "no");
	same(buf_slice(&sunk), "<4>warn relay: no n=7\n<2>fatal relay: no\n");
	buf_reset(&sunk);
	LOGF(&l, LOG_DEBUG, "relay", "dropped");
	assert_int_equal(sunk.n, 0);
	l.json = true;
	LOGF(&l, LOG_ERROR, "net", "no", log_u("n", UINT64_MAX),
	    log_s("evil", slice_of("\n\"\\\0\xff", 5)));
	same(buf_slice(&sunk), "{\"time\":\"2024-02-29T12:34:56.789Z\","
	    "\"level\":\"error\",\"room\":\"net\",\"event\":\"no\","
	    "\"n\":18446744073709551615,"
	    "\"evil\":\"\\u000a\\u0022\\u005c\\u0000\\u00ff\"}\n");
}

static void
cuts_lines_that_are_too_long(void **state)
{
	static uint8_t area[1 << 16], bytes[70000];
	struct log l = { .sink = sink, .level = LOG_TRACE };
	struct slice big = slice_of(bytes, sizeof bytes);

	(void)state;
	memset(bytes, 0xff, sizeof bytes);
	for (int json = 0; json < 2; json++) {
		sunk = BUF_ON(area);
		l.json = json != 0;
		LOGF(&l, LOG_INFO, "a", "b", log_s("k", big), log_s("k", big),
		    log_s("k", big), log_s("k", big), log_u("n", 1));
		assert_true(buf_ok(&sunk));
		if (json)
			assert_true(slice_ends(buf_slice(&sunk), str("}\n")));
	}
}

static void
dates_are_right(void **state)
{
	static const struct { uint64_t s; const char *want; } vecs[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 951782400, "2000-02-29T00:00:00.000Z" },
		{ 951868800, "2000-03-01T00:00:00.000Z" },
		{ 4107542399, "2100-02-28T23:59:59.000Z" },
		{ 4107542400, "2100-03-01T00:00:00.000Z" },
		{ 1735689599, "2024-12-31T23:59:59.000Z" },
	};
	uint8_t area[512];
	struct log l = { .sink = sink };

	(void)state;
	for (size_t i = 0; i < COUNT(vecs); i++) {
		sunk = BUF_ON(area);
		l.wall_ms = vecs[i].s * 1000;
		LOGF(&l, LOG_INFO, "a", "b");
		same(slice_head(buf_slice(&sunk), 24), vecs[i].want);
	}
}

static void
knows_the_levels(void **state)
{
	enum log_level v = LOG_INFO;

	(void)state;
	assert_true(log_level_parse(str("trace"), &v) && v == LOG_TRACE);
	assert_true(log_level_parse(str("fatal"), &v) && v == LOG_FATAL);
	assert_false(log_level_parse(str("Info"), &v));
	assert_false(log_level_parse(str(""), &v));
	for (int e = 0; e < ERR_COUNT; e++) {
		assert_true(strlen(err_text((enum err)e)) > 0);
		assert_true(strlen(err_name((enum err)e)) > 0);
		assert_true(err_http((enum err)e) < 600);
	}
}

/* ---- addresses ------------------------ */

static void
writes_addresses_as_rfc_5952(void **state)
{
	static const struct { const char *in, *out; } vecs[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "1::", "1::" },
		{ "2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "0:0:0:1:0:0:0:0", "0:0:0:1::" },
		{ "fe80::00ff", "fe80::ff" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::192.0.2.1", "::c000:201" },
		{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
		{ "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304" },
		{ "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
		{ "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(vecs); i++) {
		struct slice s = guard_slice(str(vecs[i].in));
		struct addr a = { .port = 8080 };
		uint8_t area[ADDR_TEXT_MAX];
		struct buf b = BUF_ON(area);

		assert_true(addr_parse_ip(&a, s));
		assert_true(addr_put_ip(&b, &a));
		same(buf_slice(&b), vecs[i].out);
		assert_int_equal(a.port, 8080);
		guard_free(s);
	}
}

static void
refuses_what_is_no_address(void **state)
{
	static const char *const vecs[] = {
		"", ".", ":", ":::", "1", "1.2.3", "1.2.3.4.5", "1.2.3.4.",
		".1.2.3.4", "1..3.4", "01.2.3.4", "1.2.3.256", "1.2.3.4 ",
		"1.2.3.-4", "1.2.3.0x4", "localhost", "1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9", "1::2::3", "::1:", ":1::", "1:::2",
		"12345::", "g::", "fe80::1%eth0", "[::1]", "::1.2.3",
		"1.2.3.4::", "::1.2.3.4:5", "::1.2.3.4.",
		"1:2:3:4:5:6:7:1.2.3.4",
		"1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:",
		"::/0", "::1\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(vecs); i++) {
		struct slice s = guard_slice(str(vecs[i]));
		struct addr a = { .family = 77 };

		if (addr_parse_ip(&a, s))
			fail_msg("accepted: %s", vecs[i]);
		assert_int_equal(a.family, 77);
		guard_free(s);
	}
}

/* The C library's opinion of the same text; it takes leading zeros in no
 * group and neither do we. */
static void
agrees_with_inet_pton(void **state)
{
	static const char bits[] = "0123456789abfF:::::...";
	unsigned accepted = 0;

	(void)state;
	for (size_t i = 0; i < 400000; i++) {
		char text[48] = "";
		uint8_t ip[16] = { 0 };
		struct addr a = { 0 };
		size_t n = rnd(20);
		int family;
		bool ok;

		for (size_t j = 0; j < n; j++)
			text[j] = bits[rnd(sizeof bits - 1)];
		family = memchr(text, ':', n) != NULL ? AF_INET6 : AF_INET;
		ok = inet_pton(family, text, ip) == 1;
		if (addr_parse_ip(&a, slice_of(text, n)) != ok)
			fail_msg("%s: inet_pton says %d", text, ok);
		if (!ok)
			continue;
		accepted++;
		if (a.family == ADDR_V6 || family == AF_INET)
			assert_memory_equal(a.ip, ip, sizeof ip);
	}
	assert_true(accepted > 1000);
}

static void
addresses_survive_text_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < 50000; i++) {
		struct addr a = { .family = ADDR_V6 }, back = { 0 };
		uint8_t area[ADDR_TEXT_MAX];
		struct buf b = BUF_ON(area);
		char want[INET6_ADDRSTRLEN];

		for (size_t j = 0; j < 16; j++)
			a.ip[j] = rnd(3) == 0 ? (uint8_t)rnd(256) : 0;
		if (rnd(4) == 0) {
			memset(a.ip + 4, 0, 12);
			a.family = ADDR_V4;
		}
		assert_true(addr_put_ip(&b, &a));
		assert_true(addr_parse_ip(&back, buf_slice(&b)));
		if (a.ip[10] == 0xff && a.ip[11] == 0xff)
			continue;       /* may be IPv4 in IPv6 */
		assert_int_equal(back.family, a.family);
		assert_memory_equal(back.ip, a.ip, 16);
		assert_true(addr_same_ip(&a, &back));
		if (a.family == ADDR_V6 && get_u64(a.ip) != 0) {
			inet_ntop(AF_INET6, a.ip, want, sizeof want);
			same(buf_slice(&b), want);
		}
	}
}

static void
knows_networks(void **state)
{
	static const struct {
		const char *addr, *net;
		unsigned bits;
		bool in;
	} vecs[] = {
		{ "10.1.2.3", "10.0.0.0", 8, true },
		{ "11.1.2.3", "10.0.0.0", 8, false },
		{ "172.31.255.255", "172.16.0.0", 12, true },
		{ "172.32.0.0", "172.16.0.0", 12, false },
		{ "1.2.3.4", "9.9.9.9", 0, true },
		{ "1.2.3.4", "1.2.3.4", 32, true },
		{ "1.2.3.5", "1.2.3.4", 32, false },
		{ "1.2.3.5", "1.2.3.4", 31, true },
		{ "1.2.3.4", "1.2.3.4", 33, false },
		{ "1.2.3.4", "::", 0, false },
		{ "2001:db8::1", "2001:db8::", 32, true },
		{ "2001:db9::1", "2001:db8::", 32, false },
		{ "2001:db9::1", "2001:db8::", 31, true },
		{ "::1", "::1", 128, true },
		{ "::1", "::1", 129, false },
	};
	static const struct { const char *a; bool loop; } kinds[] = {
		{ "127.0.0.1", true },
		{ "127.255.255.254", true },
		{ "128.0.0.1", false },
		{ "::1", true },
		{ "::2", false },
		{ "::ffff:127.0.0.1", true },
		{ "10.0.0.1", false },
		{ "172.16.0.1", false },
		{ "172.15.0.1", false },
		{ "192.168.9.9", false },
		{ "169.254.1.1", false },
		{ "fd00::1", false },
		{ "fe80::1", false },
		{ "febf::1", false },
		{ "fec0::1", false },
		{ "2001:db8::1", false },
		{ "8.8.8.8", false },
	};
	struct addr a = { 0 }, n = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(vecs); i++) {
		assert_true(addr_parse_ip(&a, str(vecs[i].addr)));
		assert_true(addr_parse_ip(&n, str(vecs[i].net)));
		assert_int_equal(addr_within(&a, &n, vecs[i].bits),
		    vecs[i].in);
	}
	for (size_t i = 0; i < COUNT(kinds); i++) {
		assert_true(addr_parse_ip(&a, str(kinds[i].a)));
		assert_int_equal(addr_loopback(&a), kinds[i].loop);
	}
}

static void
writes_ports_and_brackets(void **state)
{
	struct addr a = { .port = 80 };
	uint8_t area[ADDR_TEXT_MAX];
	struct buf b = BUF_ON(area);

	(void)state;
	assert_true(addr_parse_ip(&a, str("::1")));
	assert_true(addr_put(&b, &a));
	same(buf_slice(&b), "[::1]:80");
	buf_reset(&b);
	assert_true(addr_parse_ip(&a, str("1.2.3.4")));
	a.port = 65535;
	assert_true(addr_put(&b, &a));
	same(buf_slice(&b), "1.2.3.4:65535");
	buf_reset(&b);
	a.family = ADDR_NONE;
	assert_true(addr_put_ip(&b, &a));
	assert_int_equal(b.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_all_or_nothing),
		cmocka_unit_test(finds_cuts_and_trims),
		cmocka_unit_test(compares_with_ascii_case_only),
		cmocka_unit_test(reads_decimals_up_to_a_maximum),
		cmocka_unit_test(puts_all_or_nothing_and_remembers),
		cmocka_unit_test(writes_numbers_and_escapes),
		cmocka_unit_test(leaves_nothing_of_a_put_that_is_short),
		cmocka_unit_test(takes_no_more_than_it_says),
		cmocka_unit_test(tells_freed_items_apart),
		cmocka_unit_test(gives_pages_back_but_for_a_few),
		cmocka_unit_test(chains_keep_every_byte_in_order),
		cmocka_unit_test(promises_no_more_than_there_is),
		cmocka_unit_test(timers_go_off_when_due_and_not_before),
		cmocka_unit_test(equal_deadlines_keep_their_order),
		cmocka_unit_test(writes_lines_for_people_and_programs),
		cmocka_unit_test(cuts_lines_that_are_too_long),
		cmocka_unit_test(dates_are_right),
		cmocka_unit_test(knows_the_levels),
		cmocka_unit_test(writes_addresses_as_rfc_5952),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(agrees_with_inet_pton),
		cmocka_unit_test(addresses_survive_text_and_back),
		cmocka_unit_test(knows_networks),
		cmocka_unit_test(writes_ports_and_brackets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
