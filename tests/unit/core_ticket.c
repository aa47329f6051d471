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
	SPEC(MQTT5, "3.3.4-7");
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

/* Exactly once: nobody gets a message of QoS 2 that its author may have to send again because it
 * could not be stored. */
static void nobody_gets_qos_2_before_it_is_stored(void **state)
{
	struct mt_publish again = {.qos = 2,
				   .is_dup = true,
				   .packet_id = 5,
				   .topic = mt_bytes_str("t"),
				   .payload = mt_bytes_str("m")};
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	SPEC(MQTT5, "4.3.3-10");
	world_open(&world);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_subscribe(&world, b, "t", 0);
	a = world_client(&world, MT_VERSION_3_1_1, "a", false);
	world.is_store_held = true;
	world_publish(&world, a, "t", "m", 2, false, 5);
	assert_true(world_is_quiet(b));
	settle(&world, 0, MT_SYSTEM);
	assert_true(a->is_closed);
	a = world_dial(&world, "open");
	world_connect(&world, a, MT_VERSION_3_1_1, "a", false);
	world_send_publish(&world, a, &again);
	assert_true(world_is_quiet(b));
	settle(&world, 1, MT_OK);
	world_take_ack(a, MT_PACKET_PUBREC, 5);
	world_expect(b, "t", "m");
	assert_true(world_is_quiet(b));
	world_close(&world);
}

/* Only the first needs the store; the second may not pass it. */
static void qos_2_keeps_its_order_behind_the_store(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	SPEC(MQTT5, "4.6.0-5");
	world_open(&world);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_subscribe(&world, b, "t", 0);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world.is_store_held = true;
	world_publish(&world, a, "t", "first", 2, true, 5);
	world_publish(&world, a, "t", "second", 2, false, 6);
	assert_true(world_is_quiet(b));
	assert_int_equal(world.ticket_count, 2);
	settle(&world, 0, MT_OK);
	settle(&world, 1, MT_OK);
	world_expect(b, "t", "first");
	world_expect(b, "t", "second");
	world_publish(&world, a, "t", "third", 2, false, 7);
	world_expect(b, "t", "third");
	assert_int_equal(world.ticket_count, 2);
	world_close(&world);
}

/* Its author left before it was stored; no local still means its author. */
static void what_is_stored_late_is_delivered_all_the_same(void **state)
{
	struct mt_sub_options no_local = {.qos = 2, .is_no_local = true};
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	world_open(&world);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_subscribe(&world, b, "t", 2);
	a = world_client(&world, MT_VERSION_5, "a", false);
	world_subscribe_with(&world, a, "t", &no_local, 0);
	world.is_store_held = true;
	world_publish(&world, a, "t", "m", 2, false, 5);
	world_cut(&world, a);
	settle(&world, 0, MT_OK);
	world_expect(b, "t", "m");
	a = world_dial(&world, "open");
	world_connect(&world, a, MT_VERSION_5, "a", false);
	assert_true(world_is_quiet(a));
	world_close(&world);
}

/* 3.1.1 is told no number: more than that are not read while the store takes its time, and none is
 * lost. */
static void a_client_without_a_number_waits_for_the_store(void **state)
{
	struct world world;
	struct world_conn *a;
	(void)state;
	SPEC(MQTT3, "4.6.0-2");
	world_open(&world);
	a = world_client(&world, MT_VERSION_3_1_1, "a", true);
	world.is_store_held = true;
	for (uint16_t id = 1; id <= 30; id++)
		world_publish(&world, a, "r", "m", 1, true, id);
	assert_false(a->is_closed);
	assert_true(a->is_paused);
	assert_int_equal(world.ticket_count, world_settings().limits.inflight);
	for (uint32_t i = 0; i < world.ticket_count; i++)
		settle(&world, i, MT_OK);
	assert_false(a->is_paused);
	for (uint16_t id = 1; id <= 30; id++)
		world_take_ack(a, MT_PACKET_PUBACK, id);
	world_close(&world);
}

/* Its QoS 2 ids between PUBREC and PUBREL are bounded by the queue of a session. */
static void ids_of_a_client_without_a_number_are_bounded(void **state)
{
	uint32_t most = world_settings().limits.queue_messages;
	struct world world;
	struct world_conn *a;
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_3_1_1, "a", true);
	for (uint16_t id = 1; id <= most; id++) {
		world_publish(&world, a, "r", "m", 2, false, id);
		world_take_ack(a, MT_PACKET_PUBREC, id);
	}
	assert_false(a->is_closed);
	world_publish(&world, a, "r", "m", 2, false, (uint16_t)(most + 1));
	assert_true(a->is_closed);
	world_close(&world);
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
		cmocka_unit_test(nobody_gets_qos_2_before_it_is_stored),
		cmocka_unit_test(qos_2_keeps_its_order_behind_the_store),
		cmocka_unit_test(what_is_stored_late_is_delivered_all_the_same),
		cmocka_unit_test(a_client_without_a_number_waits_for_the_store),
		cmocka_unit_test(ids_of_a_client_without_a_number_are_bounded),
		cmocka_unit_test(early_releases_pile_nothing_up),
		cmocka_unit_test(refusals_that_wait_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
