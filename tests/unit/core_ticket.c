/* Tickets of the store: what is undone when a message could not be made durable, and repeated
 * messages meanwhile. */
#include "core_world.h"
#include "spec.h"

static void settle(struct world *world, uint32_t ticket, enum mt_status status)
{
	mt_core_stored(world->core, world->now, world->tickets[ticket], status);
	world_serve(world);
}

/* A repeated QoS 2 PUBLISH that waits for the store is answered, and blocks nothing behind it. */
static void repeated_message_waits_once(void **state)
{
	struct mt_publish again = {.qos = 2,
				   .is_dup = true,
				   .packet_id = 5,
				   .topic = mt_bytes_str("r"),
				   .is_retain = true,
				   .payload = mt_bytes_str("m")};
	struct world world;
	struct world_conn *a;
	(void)state;
	SPEC(MQTT5, "4.3.3-10");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world.is_store_held = true;
	world_publish(&world, a, "r", "m", 2, true, 5);
	for (int i = 0; i < 1000; i++)
		world_send_publish(&world, a, &again);
	world_publish(&world, a, "nobody", "m", 1, false, 6);
	assert_true(world_is_quiet(a));
	assert_int_equal(world.ticket_count, 1);
	settle(&world, 0, MT_OK);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBREC, 5).reason,
			 MT_REASON_NO_MATCHING_SUBSCRIBERS);
	world_take_ack(a, MT_PACKET_PUBACK, 6);
	assert_true(world_is_quiet(a));
	world_close(&world);
}

/* The retained messages of one topic in a row, each stored or not: the last that was acknowledged
 * stays. */
static void last_stored_retained_message_stays(void **state)
{
	static const char *const payloads[] = {"one", "two", "", "four"};
	(void)state;
	for (uint32_t mask = 0; mask < 16; mask++) {
		const char *expected = "old";
		struct world world;
		struct world_conn *a, *b;
		world_open(&world);
		a = world_client(&world, MT_VERSION_5, "a", true);
		b = world_client(&world, MT_VERSION_5, "b", true);
		world_publish(&world, a, "r", "old", 0, true, 0);
		world.is_store_held = true;
		for (uint16_t i = 0; i < 4; i++)
			world_publish(&world, a, "r", payloads[i], 1, true, (uint16_t)(i + 1));
		for (uint32_t i = 0; i < 4; i++) {
			settle(&world, i, mask >> i & 1 ? MT_OK : MT_SYSTEM);
			if (mask >> i & 1)
				expected = payloads[i];
		}
		world_subscribe(&world, b, "r", 0);
		if (expected[0])
			world_expect(b, "r", expected);
		assert_true(world_is_quiet(b));
		world_close(&world);
	}
}

/* What replaced it meanwhile without a ticket is not undone with it. */
static void newer_retained_message_without_ticket_stays(void **state)
{
	struct world world;
	struct world_conn *a;
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world.is_store_held = true;
	world_publish(&world, a, "r", "lost", 1, true, 1);
	world_publish(&world, a, "r", "newer", 0, true, 0);
	settle(&world, 0, MT_SYSTEM);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBACK, 1).reason, MT_REASON_QUOTA_EXCEEDED);
	world_subscribe(&world, a, "r", 0);
	world_expect(a, "r", "newer");
	world_close(&world);
}

/* As many as were announced may be under way, of either kind, while the store takes its time; one
 * more is a violation, and asking for the end of an exchange early makes no room. */
static void the_whole_window_may_wait_for_the_store(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.3.4-8");
	for (uint8_t mix = 0; mix < 3; mix++) {
		uint16_t most = world_settings().limits.inflight;
		struct world world;
		struct world_conn *a;
		world_open(&world);
		a = world_client(&world, MT_VERSION_5, "a", true);
		world.is_store_held = true;
		for (uint16_t i = 0; i < most; i++)
			world_publish(&world, a, "r", "m", mix < 2 ? mix + 1 : 1 + i % 2, true,
				      (uint16_t)(i + 1));
		assert_false(a->is_closed);
		world_publish(&world, a, "r", "m", 1, true, 99);
		assert_int_equal(world_take_disconnect(a), MT_REASON_RECEIVE_MAXIMUM_EXCEEDED);
		world_close(&world);
	}
}

/* PUBLISH and PUBREL of one id again and again while the store stands still: bounded. */
static void early_releases_pile_nothing_up(void **state)
{
	struct world world;
	struct world_conn *a;
	uint32_t rounds = 0;
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world.is_store_held = true;
	for (; rounds < 200 && !a->is_closed; rounds++) {
		world_publish(&world, a, "r", "m", 2, true, 1);
		if (!a->is_closed)
			world_send_ack(&world, a, MT_PACKET_PUBREL, 1, 0);
	}
	assert_int_equal(rounds, world_settings().limits.inflight + 1);
	world_close(&world);
}

/* What is refused behind a message that waits counts until its answer has left. */
static void refusals_that_wait_count(void **state)
{
	const struct mt_rule rules[] = {{.id = 1,
					 .operation = MT_OPERATION_PUBLISH,
					 .qos_mask = 7,
					 .filter = mt_bytes_str("r")}};
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a;
	uint16_t id = 1;
	(void)state;
	world_open_with(&world, &settings, world_policy(rules, 1));
	a = world_dial(&world, "r");
	world_connect(&world, a, MT_VERSION_5, "a", true);
	world.is_store_held = true;
	world_publish(&world, a, "r", "m", 1, true, id);
	while (!a->is_closed && id < 100)
		world_publish(&world, a, "denied", "m", 2, false, ++id);
	assert_int_equal(id, settings.limits.inflight + 1);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repeated_message_waits_once),
		cmocka_unit_test(last_stored_retained_message_stays),
		cmocka_unit_test(newer_retained_message_without_ticket_stays),
		cmocka_unit_test(the_whole_window_may_wait_for_the_store),
		cmocka_unit_test(early_releases_pile_nothing_up),
		cmocka_unit_test(refusals_that_wait_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
