/*
 * The relay as its clients and agents see it, in the virtual world.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../sim/rig.h"
#include "base/num.h"

#define C1 "198.51.100.7"
#define HOST "Host: " RIG_MAIN "\r\n"

static struct rig g;

static void
begin(void)
{
	struct world_cfg w = world_gentle(1);

	rig_init(&g, &w);
}

static void
nothing_happens(void **state)
{
	(void)state;
	begin();
	rig_start(&g);
	rig_run(&g, 1000);
	rig_close(&g);
}

static void
answers_health(void **state)
{
	struct cl *c;

	(void)state;
	begin();
	rig_start(&g);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(cl_ask(c, "GET /healthz HTTP/1.1\r\n" HOST "\r\n"),
	    200);
	assert_true(cl_body_has(c, "\"ok\""));
	rig_close(&g);
}

static void
an_agent_comes(void **state)
{
	struct cl *c;
	struct ag *a;

	(void)state;
	begin();
	rig_start(&g);
	a = ag_up(&g, "203.0.113.9", "mac");
	rig_login(&g, C1);
	c = cl_new(&g, C1, NULL);
	assert_int_equal(cl_ask(c, "GET /api/relay/status HTTP/1.1\r\n" HOST
	    "\r\n"), 200);
	assert_true(cl_body_has(c, "\"tunnelConnected\":true"));
	(void)a;
	rig_close(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_happens),
		cmocka_unit_test(answers_health),
		cmocka_unit_test(an_agent_comes),
	};

	return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
