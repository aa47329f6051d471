/* Shared subscriptions: who gets a message, who is passed over, who inherits. */
#include "../core_world.h"
#include "../spec.h"

#define FILTER "$share/g/t"

static uint32_t waiting_of(struct world_conn *conn, char *out, size_t cap)
{
	uint32_t count = 0;
	while (!world_is_quiet(conn)) {
		struct mt_publish publish = world_take_publish(conn);
		assert_true(count + 1 < cap);
		out[count++] = (char)publish.payload.data[0];
	}
	out[count] = '\0';
	return count;
}

static void acknowledge_all(struct world *world, struct world_conn *conn)
{
	while (!world_is_quiet(conn)) {
		struct mt_publish publish = world_take_publish(conn);
		world_send_ack(world, conn, MT_PACKET_PUBACK, publish.packet_id, 0);
	}
}

static void publish_letters(struct world *world, struct world_conn *from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		char payload[2] = {(char)('a' + i), '\0'};
		world_publish(world, from, "t", payload, 0, false, 0);
	}
}

static void sticky_keeps_a_sender_with_one_member(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *members[4], *senders[8];
	bool is_used[4] = {false};
	int used_count = 0;
	(void)state;
	SPEC(MQTT5, "4.6.0-5");
	settings.shared_strategy = MT_SHARED_STICKY;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	for (int i = 0; i < 4; i++) {
		char id[] = {'m', (char)('0' + i), '\0'};
		members[i] = world_client(&world, MT_VERSION_5, id, true);
		world_subscribe(&world, members[i], FILTER, 0);
	}
	for (int s = 0; s < 8; s++) {
		char id[] = {'s', (char)('0' + s), '\0'}, got[16];
		int receivers = 0;
		senders[s] = world_client(&world, MT_VERSION_3_1_1, id, true);
		publish_letters(&world, senders[s], 5);
		for (int i = 0; i < 4; i++) {
			if (waiting_of(members[i], got, sizeof(got)) == 0)
				continue;
			assert_string_equal(got, "abcde");
			receivers++;
			used_count += !is_used[i];
			is_used[i] = true;
		}
		assert_int_equal(receivers, 1);
	}
	/* Not all to one: 8 senders with 4 members all on one would be 4^-7. */
	assert_true(used_count > 1);
	world_close(&world);
}

/* When others come and go, a sender whose member stays keeps it. */
static void sticky_moves_few(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *members[3], *sender;
	char got[16];
	int chosen = -1;
	(void)state;
	settings.shared_strategy = MT_SHARED_STICKY;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	for (int i = 0; i < 3; i++) {
		char id[] = {'m', (char)('0' + i), '\0'};
		members[i] = world_client(&world, MT_VERSION_5, id, true);
		world_subscribe(&world, members[i], FILTER, 0);
	}
	sender = world_client(&world, MT_VERSION_5, "s", true);
	publish_letters(&world, sender, 1);
	for (int i = 0; i < 3; i++)
		if (waiting_of(members[i], got, sizeof(got)) > 0)
			chosen = i;
	world_cut(&world, members[(chosen + 1) % 3]);
	publish_letters(&world, sender, 3);
	assert_int_equal(waiting_of(members[chosen], got, sizeof(got)), 3);
	world_cut(&world, members[chosen]);
	publish_letters(&world, sender, 3);
	assert_int_equal(waiting_of(members[(chosen + 2) % 3], got, sizeof(got)), 3);
	world_close(&world);
}

/* A queue that is full is passed over while another member has room; none has: it is dropped. */
static void a_full_member_is_passed_over(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *full, *other, *from;
	(void)state;
	settings.limits.queue_messages = 4;
	settings.limits.inflight = 4;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	full = world_client(&world, MT_VERSION_5, "full", true);
	other = world_client(&world, MT_VERSION_5, "other", true);
	from = world_client(&world, MT_VERSION_5, "from", true);
	world_subscribe(&world, full, FILTER, 1);
	world_subscribe(&world, other, FILTER, 1);
	for (uint16_t i = 1; i <= 20; i++) {
		world_publish(&world, from, "t", "x", 1, false, i);
		assert_int_equal(world_take_ack(from, MT_PACKET_PUBACK, i).reason, 0);
		acknowledge_all(&world, other);
	}
	assert_int_equal(mt_core_counts(world.core).publishes_dropped, 0);
	assert_true(mt_core_counts(world.core).queued_messages <= 4);
	world_close(&world);
}

static void a_member_that_is_away_is_passed_over(void **state)
{
	struct world world;
	struct world_conn *away, *there, *from;
	char got[16];
	(void)state;
	world_open(&world);
	away = world_client(&world, MT_VERSION_5, "away", false);
	there = world_client(&world, MT_VERSION_5, "there", true);
	from = world_client(&world, MT_VERSION_5, "from", true);
	world_subscribe(&world, away, FILTER, 1);
	world_subscribe(&world, there, FILTER, 1);
	world_cut(&world, away);
	for (uint16_t i = 1; i <= 4; i++)
		world_publish(&world, from, "t", "x", 1, false, i);
	assert_int_equal(waiting_of(there, got, sizeof(got)), 4);
	world_cut(&world, there);
	/* Nobody is there: it waits for the one that will come back. */
	world_publish(&world, from, "t", "y", 1, false, 9);
	away = world_client(&world, MT_VERSION_5, "away", false);
	world_expect(away, "t", "x");
	world_close(&world);
}

/* QoS 1 goes to another member when the session of the first one ends; of QoS 2 only what was never
 * sent. */
static void another_member_inherits(void **state)
{
	struct world world;
	struct world_conn *first, *second, *from;
	struct mt_publish publish;
	struct mt_connect small = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("first")};
	(void)state;
	SPEC(MQTT5, "4.8.2-5");
	world_open(&world);
	first = world_dial(&world, "open");
	small.props.present = MT_PROP_BIT(RECEIVE_MAXIMUM);
	small.props.receive_max = 2;
	world_send_connect(&world, first, &small);
	assert_int_equal(world_take_connack(first).reason, 0);
	from = world_client(&world, MT_VERSION_5, "from", true);
	world_subscribe(&world, first, FILTER, 2);
	world_publish(&world, from, "t", "one", 1, false, 1);
	world_publish(&world, from, "t", "two", 2, false, 2);
	world_publish(&world, from, "t", "three", 2, false, 3);
	world_publish(&world, from, "t", "four", 1, false, 4);
	world_expect(first, "t", "one");
	world_expect(first, "t", "two");
	assert_true(world_is_quiet(first));
	second = world_client(&world, MT_VERSION_5, "second", true);
	world_subscribe(&world, second, FILTER, 2);
	assert_true(world_is_quiet(second));
	world_cut(&world, first);
	publish = world_expect(second, "t", "one");
	assert_false(publish.is_dup);
	assert_int_equal(publish.qos, 1);
	world_expect(second, "t", "three");
	world_expect(second, "t", "four");
	assert_true(world_is_quiet(second));
	assert_int_equal(mt_core_counts(world.core).queued_messages, 3);
	world_close(&world);
}

/* What waits for the store when it is handed on is still taken back when the store says no. */
static void an_inheritance_can_still_be_taken_back(void **state)
{
	struct world world;
	struct world_conn *first, *second, *from;
	struct mt_connect small = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("second")};
	(void)state;
	world_open(&world);
	first = world_client(&world, MT_VERSION_5, "first", false);
	from = world_client(&world, MT_VERSION_5, "from", true);
	world_subscribe(&world, first, FILTER, 1);
	world_cut(&world, first);
	world.is_store_held = true;
	world_publish(&world, from, "t", "x", 1, false, 1);
	second = world_dial(&world, "open");
	small.props.present = MT_PROP_BIT(RECEIVE_MAXIMUM);
	small.props.receive_max = 1;
	world_send_connect(&world, second, &small);
	assert_int_equal(world_take_connack(second).reason, 0);
	world_subscribe(&world, second, FILTER, 1);
	world_subscribe(&world, second, "fill", 1);
	world_publish(&world, from, "fill", "y", 1, false, 2);
	world_expect(second, "fill", "y");
	first = world_client(&world, MT_VERSION_5, "first", true);
	assert_int_equal(mt_core_counts(world.core).queued_messages, 2);
	mt_core_stored(world.core, world.now, world.tickets[0], MT_SYSTEM);
	world_serve(&world);
	assert_int_equal(mt_core_counts(world.core).queued_messages, 1);
	assert_int_equal(world_take_ack(from, MT_PACKET_PUBACK, 1).reason, 0x97);
	assert_int_equal(world_take_ack(from, MT_PACKET_PUBACK, 2).reason, 0);
	world_close(&world);
}

/* A refusal by the receiver ends the message. */
static void a_refused_message_goes_to_nobody_else(void **state)
{
	struct world world;
	struct world_conn *first, *second, *from;
	struct mt_publish publish;
	(void)state;
	SPEC(MQTT5, "4.8.2-6");
	world_open(&world);
	first = world_client(&world, MT_VERSION_5, "first", true);
	from = world_client(&world, MT_VERSION_5, "from", true);
	world_subscribe(&world, first, FILTER, 1);
	world_publish(&world, from, "t", "x", 1, false, 1);
	publish = world_expect(first, "t", "x");
	second = world_client(&world, MT_VERSION_5, "second", true);
	world_subscribe(&world, second, FILTER, 1);
	world_send_ack(&world, first, MT_PACKET_PUBACK, publish.packet_id, 0x80);
	world_cut(&world, first);
	assert_true(world_is_quiet(second));
	assert_int_equal(mt_core_counts(world.core).queued_messages, 0);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sticky_keeps_a_sender_with_one_member),
		cmocka_unit_test(sticky_moves_few),
		cmocka_unit_test(a_full_member_is_passed_over),
		cmocka_unit_test(a_member_that_is_away_is_passed_over),
		cmocka_unit_test(another_member_inherits),
		cmocka_unit_test(an_inheritance_can_still_be_taken_back),
		cmocka_unit_test(a_refused_message_goes_to_nobody_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
