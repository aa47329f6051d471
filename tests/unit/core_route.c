/* Routes: who receives, in which order. */
#include "core_world.h"
#include "spec.h"

#include <stdio.h>

/* A log of calls replays exactly: the order of groups is that of their making, wherever the
 * allocator puts them. */
static void groups_are_served_in_the_order_of_their_making(void **state)
{
	struct mt_sub_options options = {.qos = 0};
	struct world world;
	struct world_conn *publisher;
	char filter[32];
	(void)state;
	world_open(&world);
	publisher = world_client(&world, MT_VERSION_5, "p", true);
	for (uint32_t round = 0; round < 4; round++) {
		struct world_conn *client = world_client(&world, MT_VERSION_5, "c", true);
		for (uint32_t i = 1; i <= 9; i++) {
			snprintf(filter, sizeof(filter), "$share/g%u/t", 100 - i);
			world_subscribe_with(&world, client, filter, &options, i);
		}
		world_publish(&world, publisher, "t", "m", 0, false, 0);
		for (uint32_t i = 1; i <= 9; i++)
			assert_int_equal(world_take_publish(client).props.subscription_id, i);
		assert_true(world_is_quiet(client));
		world_disconnect(&world, client, 0);
	}
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_served_in_the_order_of_their_making),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
