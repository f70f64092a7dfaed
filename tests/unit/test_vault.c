/*
 * The vault's two sides, in two processes as in the program: answers in any
 * order, notes between them, messages of any length, and nobody who waits for
 * room.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/out.h"
#include "app/vault.h"
#include "base/num.h"

enum { LATER = 1, NOTES = 2, LONG = 3, CALLS = 4 };    /* ask.ttl_s */

static struct inside {
	struct ask put_off[VAULT_ASKS_MAX];
	uint32_t n;
	uint32_t notes;
	int pipe[2];            /* readable: what was put off is due */
} inside;

static struct vault v;

/* ---- inside ------------------------ */

static int
open_inside(void *ctx, struct vault_hello *h)
{
	(void)ctx;
	memcpy(h->mode, "shared", 6);
	return EXIT_GO_ON;
}

static void
fill(struct answer *a, const struct ask *q)
{
	*a = (struct answer){ .kind = q->kind, .seq = q->seq, .who = q->who,
		.text_n = q->text_n };
	memcpy(a->text, q->text, q->text_n);
}

static bool
answer_inside(void *ctx, struct ask *q, struct answer *a)
{
	struct inside *in = ctx;

	fill(a, q);
	switch (q->ttl_s) {
	case LATER:
		in->put_off[in->n++] = *q;
		return false;
	case NOTES:
		in->notes = 100;
		break;
	case LONG:
		a->text_n = ANSWER_TEXT_MAX;
		memset(a->text, (int)q->seq, ANSWER_TEXT_MAX);
		break;
	default:
		break;
	}
	return true;
}

/* The last that was put off first. */
static bool
next_inside(void *ctx, struct answer *a)
{
	struct inside *in = ctx;
	struct pollfd p = { .fd = in->pipe[0], .events = POLLIN };

	if (in->n > 0 && poll(&p, 1, 0) == 1) {
		fill(a, &in->put_off[--in->n]);
		return true;
	}
	if (in->notes == 0)
		return false;
	*a = (struct answer){ .kind = NOTE_FLUSH, .rules =
		to_u16(in->notes--) };
	return true;
}

static void
call_inside(void *ctx, const struct vault_call *c, struct vault_reply *r,
    uint8_t *shared)
{
	(void)ctx;
	(void)shared;
	r->ok = 1;
	r->n = c->arg + 1;
}

static size_t
watch_inside(void *ctx, struct pollfd *p, int *ms)
{
	struct inside *in = ctx;

	(void)ms;
	p[0] = (struct pollfd){ .fd = in->n > 0 ? in->pipe[0] : -1,
		.events = POLLIN };
	return 1;
}

static void
ready_inside(void *ctx, const struct pollfd *p, size_t n)
{
	(void)ctx;
	(void)p;
	assert_int_equal(n, 1);
}

static const struct vault_ops ops = { open_inside, answer_inside, next_inside,
	call_inside, watch_inside, ready_inside };

/* ---- outside ------------------------ */

static int
setup(void **state)
{
	struct vault_hello h;

	(void)state;
	inside = (struct inside){ 0 };
	assert_int_equal(pipe(inside.pipe), 0);
	v = (struct vault){ 0 };
	assert_int_equal(vault_open(&v, &ops, &inside, &h), EXIT_GO_ON);
	assert_memory_equal(h.mode, "shared", 7);
	return 0;
}

static int
teardown(void **state)
{
	int status = 0;

	(void)state;
	(void)close(inside.pipe[1]);
	(void)close(inside.pipe[0]);
	vault_close(&v);
	(void)waitpid(v.pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	return 0;
}

static void
ask(uint32_t seq, uint64_t how, uint16_t text_n)
{
	struct ask q = { .kind = ASK_SIGN, .seq = seq, .ttl_s = how,
		.text_n = text_n };

	memset(q.text, (int)seq, text_n);
	assert_true(vault_ask(&v, &q));
}

/* The next answer, however long it takes. */
static void
get(struct answer *a)
{
	struct pollfd p = { .fd = v.fd, .events = POLLIN };
	enum err e;

	while ((e = vault_answer(&v, a)) == E_MORE)
		assert_int_equal(poll(&p, 1, 60000), 1);
	assert_int_equal(e, E_OK);
}

static void
answers_come_in_any_order(void **state)
{
	struct answer a;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		ask(i, LATER, 1);
	ask(9, 0, 1);
	get(&a);
	assert_int_equal(a.seq, 9);
	assert_int_equal(vault_pending(&v), 3);
	assert_int_equal(write(inside.pipe[1], "x", 1), 1);
	for (uint32_t i = 3; i-- > 0;) {
		get(&a);
		assert_int_equal(a.seq, i);
	}
	assert_int_equal(vault_pending(&v), 0);
}

static void
notes_go_before_their_answer_and_are_none(void **state)
{
	uint32_t notes = 0;
	struct answer a;

	(void)state;
	ask(0, NOTES, 0);
	for (uint32_t i = 1; i < VAULT_QUEUE; i++)
		ask(i, 0, 0);
	for (uint32_t seen = 0; seen < VAULT_QUEUE + 100;) {
		get(&a);
		if (a.kind == NOTE_FLUSH) {
			assert_int_equal(seen, notes);
			assert_int_equal(a.rules, 100 - notes++);
		} else {
			assert_int_equal(a.seq, seen - notes);
		}
		seen++;
		assert_int_equal(vault_pending(&v),
		    VAULT_QUEUE - (seen - notes));
	}
	assert_int_equal(notes, 100);
}

static void
texts_of_every_length_arrive(void **state)
{
	static const uint16_t lengths[] = { 0, 1, 2, 1000,
		ASK_TEXT_MAX - 1, ASK_TEXT_MAX };
	struct answer a;

	(void)state;
	for (uint32_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		ask(i + 1, 0, lengths[i]);
		get(&a);
		assert_int_equal(a.text_n, lengths[i]);
		for (uint32_t j = 0; j < a.text_n; j++)
			assert_int_equal(a.text[j], i + 1);
	}
}

static void
a_text_beyond_its_array_is_not_asked(void **state)
{
	struct ask q = { .kind = ASK_SIGN, .text_n = ASK_TEXT_MAX + 1 };

	(void)state;
	assert_false(vault_ask(&v, &q));
}

static void
put(const struct ask *q, size_t n)
{
	struct pollfd p = { .fd = v.fd, .events = POLLOUT };
	ssize_t r;

	while ((r = send(v.fd, q, n, 0)) < 0) {
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(poll(&p, 1, 60000), 1);
	}
	assert_int_equal(r, n);
}

/* What the other process would send that has been taken over. */
static void
a_message_of_a_wrong_length_is_no_question(void **state)
{
	struct ask q = { .kind = ASK_SIGN, .text_n = 8 };
	struct answer a;

	(void)state;
	for (size_t n = 1; n < offsetof(struct ask, text) + 9; n++)
		if (n != offsetof(struct ask, text) + 8)
			put(&q, n);
	q.text_n = 0xffff;
	put(&q, sizeof q);
	/* Past vault_ask, which does not wait for room. */
	q.seq = 77;
	q.text_n = 3;
	put(&q, offsetof(struct ask, text) + 3);
	v.sent = 1;
	get(&a);
	assert_int_equal(a.seq, 77);
	assert_int_equal(vault_answer(&v, &a), E_MORE);
}

/* Far more than any buffer holds, and nobody reads: calls go on. */
static void
nobody_waits_for_room(void **state)
{
	struct vault_call c = { .kind = VAULT_LOOK };
	struct vault_reply r;
	struct answer a;
	uint32_t asked = 0;
	struct ask q = { .kind = ASK_SIGN, .ttl_s = LONG };

	(void)state;
	/* Past vault_ask and its limit: the socket takes what it takes. */
	while (send(v.fd, &q, offsetof(struct ask, text), MSG_DONTWAIT) > 0) {
		asked++;
		q.seq++;
	}
	assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
	assert_true(asked > 60);
	v.sent = asked;
	for (uint32_t i = 0; i < 20; i++) {
		c.arg = i;
		assert_true(vault_call(&v, &c, &r, 60000));
		assert_int_equal(r.n, i + 1);
	}
	for (uint32_t i = 0; i < asked; i++) {
		get(&a);
		assert_int_equal(a.seq, i);
		assert_int_equal(a.text_n, ANSWER_TEXT_MAX);
		assert_int_equal(a.text[ANSWER_TEXT_MAX - 1], (uint8_t)i);
	}
}

static void
its_end_is_noticed(void **state)
{
	struct pollfd p = { .fd = v.fd, .events = POLLIN };
	struct answer a;

	(void)state;
	assert_int_equal(kill(v.pid, SIGKILL), 0);
	assert_int_equal(poll(&p, 1, 60000), 1);
	assert_int_equal(vault_answer(&v, &a), E_EOF);
	(void)waitpid(v.pid, NULL, 0);
	vault_close(&v);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(answers_come_in_any_order),
		T(notes_go_before_their_answer_and_are_none),
		T(texts_of_every_length_arrive),
		T(a_text_beyond_its_array_is_not_asked),
		T(a_message_of_a_wrong_length_is_no_question),
		T(nobody_waits_for_room),
		cmocka_unit_test_setup(its_end_is_noticed, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
