/* Calls onto the loop: they run there, in order, and every caller is answered whatever happens. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/hub.h"

#include <poll.h>

#define CALLERS 8
#define CALLS_EACH 500

struct world {
	struct mt_hub hub;
	pthread_t loop_thread;
	_Atomic bool is_over;
	uint64_t sum; /* touched by the loop's thread alone while it runs */
	bool was_elsewhere;
};

static void add(struct mt_broker *broker, void *argument)
{
	struct world *world = (struct world *)(void *)broker;
	world->sum += *(uint64_t *)argument;
	*(uint64_t *)argument = 0;
	if (!pthread_equal(pthread_self(), world->loop_thread))
		world->was_elsewhere = true;
}

/* A loop that serves the hub until it is told to end. */
static void *run_loop(void *context)
{
	struct world *world = context;
	struct pollfd wait = {.fd = world->hub.box.event_fd, .events = POLLIN};
	while (!world->is_over) {
		if (poll(&wait, 1, 1) > 0)
			mt_hub_serve(&world->hub, (struct mt_broker *)(void *)world);
	}
	mt_hub_close(&world->hub);
	return NULL;
}

static void *call_often(void *context)
{
	struct world *world = context;
	for (uint64_t i = 1; i <= CALLS_EACH; i++) {
		uint64_t value = i;
		if (mt_hub_call(&world->hub, add, &value) != MT_OK || value != 0)
			return context;
	}
	return NULL;
}

static void test_calls_run_on_the_loop_before_they_return(void **state)
{
	static struct world world;
	pthread_t callers[CALLERS];
	void *failed;
	(void)state;
	assert_int_equal(mt_hub_open(&world.hub), MT_OK);
	assert_int_equal(pthread_create(&world.loop_thread, NULL, run_loop, &world), 0);
	for (int i = 0; i < CALLERS; i++)
		assert_int_equal(pthread_create(&callers[i], NULL, call_often, &world), 0);
	for (int i = 0; i < CALLERS; i++) {
		assert_int_equal(pthread_join(callers[i], &failed), 0);
		assert_null(failed);
	}
	world.is_over = true;
	assert_int_equal(pthread_join(world.loop_thread, NULL), 0);
	assert_false(world.was_elsewhere);
	assert_int_equal(world.sum, (uint64_t)CALLERS * CALLS_EACH * (CALLS_EACH + 1) / 2);
}

static void *call_until_closed(void *context)
{
	struct world *world = context;
	enum mt_status status = MT_OK;
	uint64_t value = 1;
	while (status == MT_OK)
		status = mt_hub_call(&world->hub, add, &value);
	return status == MT_CLOSED ? NULL : context;
}

static void test_close_answers_those_who_wait_and_those_who_come(void **state)
{
	(void)state;
	for (int round = 0; round < 50; round++) {
		static struct world world;
		pthread_t callers[CALLERS];
		void *failed;
		world.is_over = false;
		assert_int_equal(mt_hub_open(&world.hub), MT_OK);
		assert_int_equal(pthread_create(&world.loop_thread, NULL, run_loop, &world), 0);
		for (int i = 0; i < CALLERS; i++)
			assert_int_equal(
				pthread_create(&callers[i], NULL, call_until_closed, &world), 0);
		world.is_over = true;
		assert_int_equal(pthread_join(world.loop_thread, NULL), 0);
		for (int i = 0; i < CALLERS; i++) {
			assert_int_equal(pthread_join(callers[i], &failed), 0);
			assert_null(failed);
		}
	}
}

static void test_a_call_after_close_does_not_run(void **state)
{
	struct mt_hub hub;
	uint64_t value = 5;
	(void)state;
	assert_int_equal(mt_hub_open(&hub), MT_OK);
	mt_hub_close(&hub);
	assert_int_equal(mt_hub_call(&hub, add, &value), MT_CLOSED);
	assert_int_equal(value, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_run_on_the_loop_before_they_return),
		cmocka_unit_test(test_close_answers_those_who_wait_and_those_who_come),
		cmocka_unit_test(test_a_call_after_close_does_not_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
