/*
 * The ring of unacknowledged frames against a plain queue, under random puts,
 * sends and acknowledgements; its bounds, and the budget it shares.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tunnel/ring.h"

enum { CAP = 64, FLOOR = 16, KEPT_MAX = 1 << 16 };

static struct arena arena;
static struct blocks blocks;
static struct ring ring;

static void
begin(uint32_t max)
{
	if (arena.p == NULL) {
		arena.cap = blocks_bytes(CAP) + 4096;
		arena.p = calloc(1, arena.cap);
		assert_non_null(arena.p);
	}
	arena.used = 0;
	blocks_init(&blocks, &arena, 1, CAP);
	for (uint32_t i = 0; i < CAP; i++)
		blocks.pool.gen[i] = 0;
	assert_true(ring_init(&ring, &blocks, FLOOR, max));
}

static void
end(void)
{
	ring_free(&ring, &blocks);
	assert_int_equal(blocks.pool.used, 0);
	assert_int_equal(blocks.reserved, 0);
}

static uint32_t
below(uint64_t *seed, uint32_t n)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % n;
}

/* A record of n bytes that tell its number. */
static bool
put(uint64_t number, size_t n, bool data)
{
	size_t room;
	uint8_t *p = ring_room(&ring, &blocks, n, data, &room);

	if (p == NULL)
		return false;
	assert_true(room >= n && room <= RING_RECORD_MAX);
	memset(p, (int)(number % 251), n);
	ring_commit(&ring, &blocks, n);
	return true;
}

static void
check_next(uint64_t number, size_t n)
{
	struct slice s = ring_unsent(&ring, &blocks);

	assert_int_equal(s.n, n);
	assert_int_equal(s.p[0], number % 251);
	assert_int_equal(s.p[n - 1], number % 251);
}

static size_t
size_of(uint64_t *seed)
{
	switch (below(seed, 4)) {
	case 0: return 8 + below(seed, 30);
	case 1: return RING_RECORD_MAX;
	case 2: return 1 + below(seed, RING_RECORD_MAX);
	default: return 1 + below(seed, 4000);
	}
}

static void
random_run(uint64_t seed)
{
	static size_t len[KEPT_MAX];
	uint64_t n_put = 0, sent = 0, acked = 0;
	size_t n;

	begin(40);
	for (int i = 0; i < 3000; i++) {
		switch (below(&seed, 5)) {
		case 0: case 1:
			n = size_of(&seed);
			if (put(n_put, n, below(&seed, 3) != 0))
				len[n_put++ % KEPT_MAX] = n;
			break;
		case 2:
			if (ring_room(&ring, &blocks, 100, true, &n) != NULL)
				ring_commit(&ring, &blocks, 0);
			break;
		case 3:
			for (uint32_t k = below(&seed, 20); k > 0 &&
			    sent < n_put; k--) {
				check_next(sent, len[sent % KEPT_MAX]);
				ring_sent(&ring, &blocks);
				sent++;
			}
			break;
		default:
			acked += below(&seed, (uint32_t)(sent - acked) + 1);
			assert_true(ring_ack(&ring, &blocks, acked));
		}
		assert_int_equal(ring.put, n_put);
		assert_int_equal(ring.sent, sent);
		assert_int_equal(ring.acked, acked);
		assert_int_equal(ring_count(&ring, &blocks), n_put - acked);
		assert_int_equal(blocks.pool.used, ring.nblocks);
		assert_int_equal(blocks.reserved, ring.reserved);
		assert_true(ring.nblocks <= 40);
		if (acked == n_put)
			assert_true(ring.nblocks <= 1);
	}
	end();
}

static void
it_is_a_queue(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++)
		random_run(seed);
}

static void
a_full_record_fills_its_block(void **state)
{
	(void)state;
	begin(FLOOR);
	for (uint64_t i = 0; i < FLOOR - RING_CONTROL_BLOCKS; i++) {
		assert_true(put(i, RING_RECORD_MAX, true));
		assert_int_equal(ring.nblocks, i + 1);
	}
	assert_false(ring_has_room(&ring, &blocks, 1, true));
	assert_false(put(0, 1, true));
	assert_true(ring_has_room(&ring, &blocks, 1, false));
	for (uint64_t i = 0; i < RING_CONTROL_BLOCKS; i++)
		assert_true(put(i, RING_RECORD_MAX, false));
	assert_false(ring_has_room(&ring, &blocks, 1, false));
	assert_false(put(0, 1, false));
	end();
}

/*
 * Control frames open the blocks that are kept for them; what is left of
 * those is not for data, or some rounds later no control frame would fit.
 */
static void
data_leaves_what_control_frames_opened(void **state)
{
	uint64_t n = 0;

	(void)state;
	begin(FLOOR);
	while (put(n, RING_RECORD_MAX, true))
		n++;
	for (int i = 0; i < RING_CONTROL_BLOCKS; i++) {
		while (ring.nblocks == n + (uint64_t)i) {
			assert_true(ring_has_room(&ring, &blocks, 100, false));
			assert_true(put(0, 100, false));
		}
		assert_false(ring_has_room(&ring, &blocks, 1, true));
		assert_false(put(0, 1, true));
	}
	/* So it is when it is the budget that ends, not the ring. */
	end();
	begin(CAP);
	assert_true(blocks_reserve(&blocks, CAP - FLOOR));
	while (put(n, RING_RECORD_MAX, true))
		n++;
	assert_true(put(0, 100, false));
	assert_false(ring_has_room(&ring, &blocks, 1, true));
	assert_false(put(0, 1, true));
	/* One block more for it: the one that data may then end in. */
	blocks_unreserve(&blocks, 1);
	assert_true(ring_has_room(&ring, &blocks, 1, true));
	assert_true(put(0, 1, true));
	assert_int_equal(blocks.reserved, CAP);
	for (int i = 0; i < RING_CONTROL_BLOCKS; i++)
		assert_true(put(0, RING_RECORD_MAX, false));
	assert_false(put(0, RING_RECORD_MAX, false));
	blocks_unreserve(&blocks, CAP - FLOOR - 1);
	end();
}

static void
an_acknowledgement_may_not_fall_or_run_ahead(void **state)
{
	(void)state;
	begin(FLOOR);
	for (uint64_t i = 0; i < 10; i++)
		assert_true(put(i, 5000, true));
	assert_false(ring_ack(&ring, &blocks, 1));
	for (int i = 0; i < 6; i++)
		ring_sent(&ring, &blocks);
	assert_false(ring_ack(&ring, &blocks, 7));
	assert_true(ring_ack(&ring, &blocks, 6));
	assert_true(ring_ack(&ring, &blocks, 6));
	assert_false(ring_ack(&ring, &blocks, 5));
	check_next(6, 5000);
	end();
}

/* Beyond its floor a ring takes what nobody else was promised, no more. */
static void
the_budget_is_shared(void **state)
{
	uint64_t n = 0;

	(void)state;
	begin(CAP);
	assert_true(blocks_reserve(&blocks, CAP - FLOOR - 3));
	while (ring_has_room(&ring, &blocks, RING_RECORD_MAX, true))
		assert_true(put(n++, RING_RECORD_MAX, true));
	assert_int_equal(n, FLOOR - RING_CONTROL_BLOCKS + 3);
	assert_false(put(0, 1, true));
	assert_int_equal(blocks.reserved, CAP);
	/* The blocks of control frames are its own in any case. */
	for (int i = 0; i < RING_CONTROL_BLOCKS; i++)
		assert_true(put(n++, RING_RECORD_MAX, false));
	assert_false(ring_has_room(&ring, &blocks, 1, false));
	assert_false(put(0, 1, false));
	while (ring.sent < ring.put)
		ring_sent(&ring, &blocks);
	assert_true(ring_ack(&ring, &blocks, 8));
	assert_true(ring_ack(&ring, &blocks, n));
	assert_int_equal(ring.reserved, FLOOR);
	blocks_unreserve(&blocks, CAP - FLOOR - 3);
	end();
	/* No floor: no ring. */
	assert_true(blocks_reserve(&blocks, CAP - FLOOR + 1));
	assert_false(ring_init(&ring, &blocks, FLOOR, FLOOR));
	assert_int_equal(blocks.reserved, CAP - FLOOR + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_a_queue),
		cmocka_unit_test(a_full_record_fills_its_block),
		cmocka_unit_test(data_leaves_what_control_frames_opened),
		cmocka_unit_test(an_acknowledgement_may_not_fall_or_run_ahead),
		cmocka_unit_test(the_budget_is_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
