/* Routes: who receives, in which order. */
#include "core_world.h"
#include "spec.h"

#include <stdio.h>

/* A log of calls replays exactly: the order of groups is that of their numbers, wherever the
 * allocator puts them, and whatever the order of their making. */
static void groups_are_served_in_the_same_order_each_time(void **state)
{
	struct mt_sub_options options = {.qos = 0};
	struct world world;
	struct world_conn *publisher;
	uint32_t order[9];
	char filter[32];
	(void)state;
	world_open(&world);
	publisher = world_client(&world, MT_VERSION_5, "p", true);
	for (uint32_t round = 0; round < 4; round++) {
		struct world_conn *client = world_client(&world, MT_VERSION_5, "c", true);
		for (uint32_t i = 0; i < 9; i++) {
			uint32_t which = (i * 2 + round) % 9;
			snprintf(filter, sizeof(filter), "$share/g%u/t", which);
			world_subscribe_with(&world, client, filter, &options, which + 1);
		}
		world_publish(&world, publisher, "t", "m", 0, false, 0);
		for (uint32_t i = 0; i < 9; i++) {
			uint32_t which = world_take_publish(client).props.subscription_id;
			if (round > 0)
				assert_int_equal(which, order[i]);
			order[i] = which;
		}
		assert_true(world_is_quiet(client));
		world_disconnect(&world, client, 0);
	}
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_served_in_the_same_order_each_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
