/* The core at its limits: the store's answers, windows, sizes, back-pressure, memory. */
#include "core/state.h"
#include "core_world.h"
#include "spec.h"

#include <stdio.h>

static void acknowledgement_waits_for_the_store(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	SPEC(MQTT5, "4.6.0-2");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_subscribe(&world, b, "t", 1);
	world.is_store_held = true;
	world_publish(&world, a, "t", "kept", 1, false, 1);
	world_publish(&world, a, "nobody", "x", 1, false, 2);
	assert_true(world_is_quiet(a)); /* the second waits behind the first */
	assert_int_equal(world.ticket_count, 1);
	mt_core_stored(world.core, world.now, world.tickets[0], MT_OK);
	world_serve(&world);
	world_take_ack(a, MT_PACKET_PUBACK, 1);
	world_take_ack(a, MT_PACKET_PUBACK, 2);
	/* not stored: taken back, said honestly, and the former retained message returns */
	world.is_store_held = false;
	world_publish(&world, a, "ret", "old", 1, true, 3);
	world_take_ack(a, MT_PACKET_PUBACK, 3);
	world_cut(&world, b);
	world.is_store_held = true;
	world_publish(&world, a, "t", "never", 1, false, 4);
	world_publish(&world, a, "ret", "new", 2, true, 5);
	assert_int_equal(mt_core_counts(world.core).queued_messages, 2);
	mt_core_stored(world.core, world.now, world.tickets[1], MT_SYSTEM);
	mt_core_stored(world.core, world.now, world.tickets[2], MT_SYSTEM);
	world_serve(&world);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBACK, 4).reason, MT_REASON_QUOTA_EXCEEDED);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBREC, 5).reason, MT_REASON_QUOTA_EXCEEDED);
	assert_int_equal(mt_core_counts(world.core).queued_messages, 1);
	world_subscribe(&world, a, "ret", 0);
	world_expect(a, "ret", "old");
	world_close(&world);
}

static void receive_maximum_is_enforced(void **state)
{
	struct world world;
	struct world_conn *a;
	(void)state;
	SPEC(MQTT5, "3.3.4-7");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	for (uint16_t id = 1; id <= 11; id++)
		world_publish(&world, a, "t", "m", 2, false, id);
	for (uint16_t id = 1; id <= 10; id++)
		world_take_ack(a, MT_PACKET_PUBREC, id);
	assert_int_equal(world_take_disconnect(a), MT_REASON_RECEIVE_MAXIMUM_EXCEEDED);
	assert_true(a->is_closed);
	world_close(&world);
}

static void client_window_is_kept(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("b")};
	uint16_t first;
	(void)state;
	SPEC(MQTT5, "3.3.4-9");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_dial(&world, "open");
	connect.props.present = MT_PROP_BIT(RECEIVE_MAXIMUM);
	connect.props.receive_max = 2;
	world_send_connect(&world, b, &connect);
	world_take_connack(b);
	world_subscribe(&world, b, "t", 1);
	world_publish(&world, a, "t", "1", 1, false, 1);
	world_publish(&world, a, "t", "2", 1, false, 2);
	world_publish(&world, a, "t", "3", 1, false, 3);
	first = world_expect(b, "t", "1").packet_id;
	world_expect(b, "t", "2");
	assert_true(world_is_quiet(b));
	world_send_ack(&world, b, MT_PACKET_PUBACK, first, 0);
	world_expect(b, "t", "3");
	world_close(&world);
}

static void large_packets_pass_over_small_clients(void **state)
{
	struct world world;
	struct world_conn *a, *b, *c;
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("b")};
	char big[3000];
	(void)state;
	SPEC(MQTT5, "3.1.2-24");
	SPEC(MQTT5, "3.1.2-25");
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_dial(&world, "open");
	connect.props.present = MT_PROP_BIT(MAXIMUM_PACKET_SIZE);
	connect.props.packet_bytes_max = 100;
	world_send_connect(&world, b, &connect);
	world_take_connack(b);
	c = world_client(&world, MT_VERSION_3_1_1, "c", true);
	world_subscribe(&world, b, "t", 1);
	world_subscribe(&world, c, "t", 1);
	world_publish(&world, a, "t", big, 1, false, 1);
	world_publish(&world, a, "t", "small", 1, false, 2);
	world_expect(b, "t", "small");
	world_expect(c, "t", big);
	world_expect(c, "t", "small");
	assert_true(world_is_quiet(b));
	world_close(&world);
}

static void topic_aliases_resolve(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_publish publish = {.topic = mt_bytes_str("long/topic"),
				     .payload = mt_bytes_str("1")};
	(void)state;
	SPEC(MQTT5, "3.3.2-12");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_subscribe(&world, b, "#", 0);
	publish.props.present = MT_PROP_BIT(TOPIC_ALIAS);
	publish.props.topic_alias = 3;
	world_send_publish(&world, a, &publish);
	publish.topic = mt_bytes_str("");
	publish.payload = mt_bytes_str("2");
	world_send_publish(&world, a, &publish);
	assert_int_equal(
		world_expect(b, "long/topic", "1").props.present & MT_PROP_BIT(TOPIC_ALIAS), 0);
	world_expect(b, "long/topic", "2");
	publish.props.topic_alias = 9;
	publish.topic = mt_bytes_str("t");
	SPEC(MQTT5, "3.3.2-9");
	world_send_publish(&world, a, &publish);
	assert_int_equal(world_take_disconnect(a), MT_REASON_TOPIC_ALIAS_INVALID);
	world_close(&world);
}

static void expired_messages_are_not_delivered(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_publish publish = {
		.qos = 1, .packet_id = 1, .topic = mt_bytes_str("t"), .payload = mt_bytes_str("m")};
	(void)state;
	SPEC(MQTT5, "3.3.2-5");
	SPEC(MQTT5, "3.3.2-6");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_subscribe(&world, b, "t", 1);
	world_cut(&world, b);
	publish.props.present = MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL);
	publish.props.message_expiry_s = 10;
	world_send_publish(&world, a, &publish);
	publish.props.message_expiry_s = 100;
	publish.packet_id = 2;
	world_send_publish(&world, a, &publish);
	world_pass(&world, 30 * MT_SECOND);
	b = world_dial(&world, "open");
	world_connect(&world, b, MT_VERSION_5, "b", false);
	assert_int_equal(world_expect(b, "t", "m").props.message_expiry_s, 70);
	assert_true(world_is_quiet(b));
	world_close(&world);
}

/* A burst that is larger than the receiver's queue: the publisher is not read until there is room,
 * and nothing acknowledged is lost. */
static void bursts_wait_for_the_receiver(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	uint8_t data[300 * 16];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	uint32_t delivered = 0, acked = 0;
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_subscribe(&world, b, "t", 1);
	for (uint16_t id = 1; id <= 300; id++) {
		struct mt_publish publish = {.qos = 1,
					     .packet_id = id,
					     .topic = mt_bytes_str("t"),
					     .payload = mt_bytes_str("m")};
		assert_int_equal(mt_publish_encode(&publish, MT_VERSION_5, &buf), MT_OK);
	}
	world_send(&world, a, mt_buf_view(&buf));
	assert_true(a->is_paused);
	while (!world_is_quiet(b)) {
		world_send_ack(&world, b, MT_PACKET_PUBACK, world_expect(b, "t", "m").packet_id, 0);
		delivered++;
	}
	for (; !world_is_quiet(a); acked++)
		assert_int_equal(world_take(a).type, MT_PACKET_PUBACK);
	assert_int_equal(delivered, 300);
	assert_int_equal(acked, 300);
	assert_false(a->is_paused);
	assert_int_equal(mt_core_counts(world.core).publishes_dropped, 0);
	assert_true(mt_core_counts(world.core).throttles > 0);
	world_close(&world);
}

/* A receiver that takes nothing holds its publishers up for a second, not for ever; a receiver that
 * goes lets them go at once. */
static void nobody_waits_for_ever(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	for (int is_cut = 0; is_cut <= 1; is_cut++) {
		world_open(&world);
		a = world_client(&world, MT_VERSION_5, "a", true);
		b = world_client(&world, MT_VERSION_5, "b", true);
		world_subscribe(&world, b, "t", 1);
		for (uint16_t id = 1; id <= 75; id++)
			world_publish(&world, a, "t", "m", 1, false, id);
		assert_true(a->is_paused);
		if (is_cut)
			world_cut(&world, b);
		else
			world_pass(&world, 2 * MT_SECOND);
		assert_false(a->is_paused);
		assert_false(a->is_closed);
		for (uint16_t id = 76; id <= 200; id++)
			world_publish(&world, a, "t", "m", 1, false, id);
		assert_false(a->is_paused);
		assert_int_equal(mt_core_counts(world.core).publishes_dropped, is_cut ? 0 : 100);
		/* the publisher may go while others wait */
		world_cut(&world, a);
		world_close(&world);
	}
}

static void too_deep_topics_are_named_so(void **state)
{
	struct world world;
	struct world_conn *a;
	char topic[64];
	(void)state;
	memset(topic, '/', sizeof(topic) - 1);
	topic[sizeof(topic) - 1] = '\0';
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_publish(&world, a, topic, "m", 1, false, 1);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBACK, 1).reason,
			 MT_REASON_TOPIC_NAME_INVALID);
	assert_int_equal(world_subscribe(&world, a, topic, 0), MT_REASON_TOPIC_FILTER_INVALID);
	world_close(&world);
}

/* Everything in pieces of one byte gives the same as everything at once. */
static void packets_may_come_in_pieces(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	uint8_t data[256];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_publish publish = {
		.qos = 0, .topic = mt_bytes_str("t"), .payload = mt_bytes_str("piece")};
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_3_1_1, "a", true);
	b = world_client(&world, MT_VERSION_3_1_1, "b", true);
	world_subscribe(&world, b, "t", 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(mt_publish_encode(&publish, MT_VERSION_3_1_1, &buf), MT_OK);
	for (size_t i = 0; i < buf.pos; i++)
		world_send(&world, a, mt_bytes_of(data + i, 1));
	for (int i = 0; i < 5; i++)
		world_expect(b, "t", "piece");
	assert_true(world_is_quiet(b));
	world_close(&world);
}

static void retained_backlog_outlasts_the_output_limit(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a, *b;
	char topic[16];
	char payload[200];
	size_t count = 0;
	(void)state;
	memset(payload, 'p', sizeof(payload) - 1);
	payload[sizeof(payload) - 1] = '\0';
	settings.limits.output_bytes = 2000;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	for (int i = 0; i < 80; i++) {
		snprintf(topic, sizeof(topic), "r/%d", i);
		world_publish(&world, a, topic, payload, 0, true, 0);
	}
	world_subscribe(&world, b, "r/#", 0);
	for (; !world_is_quiet(b); count++)
		world_take_publish(b);
	assert_int_equal(count, 80);
	world_close(&world);
}

/* What messages occupy counts as well: who fills the broker with them is told, and room comes back.
 */
static void messages_count_as_memory(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a;
	static char body[40000];
	uint16_t id = 0;
	uint8_t reason = MT_REASON_SUCCESS;
	uint64_t before;
	(void)state;
	memset(body, 'x', sizeof(body) - 1);
	settings.limits.retained_bytes = SIZE_MAX;
	settings.memory_bytes = 1 << 20;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	before = mt_core_counts(world.core).memory_bytes;
	while (reason < MT_REASON_UNSPECIFIED_ERROR && id < 60) {
		char topic[16];
		snprintf(topic, sizeof(topic), "t/%d", ++id);
		world_publish(&world, a, topic, body, 1, true, id);
		reason = world_take_ack(a, MT_PACKET_PUBACK, id).reason;
	}
	assert_int_equal(reason, MT_REASON_QUOTA_EXCEEDED);
	assert_true(mt_core_counts(world.core).memory_bytes <= 1 << 20);
	assert_true(mt_core_counts(world.core).memory_bytes >= before + (id - 1u) * 40000u);
	world_publish(&world, a, "t/1", "", 1, true, 100);
	world_take_ack(a, MT_PACKET_PUBACK, 100);
	world_publish(&world, a, "t/1", body, 1, true, 101);
	assert_true(world_take_ack(a, MT_PACKET_PUBACK, 101).reason < MT_REASON_UNSPECIFIED_ERROR);
	world_close(&world);
}

static void lost_audit_records_are_counted(void **state)
{
	struct world world;
	struct world_conn *a;
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	assert_int_equal(mt_core_counts(world.core).audits_lost, 0);
	world.core->mem.fail_in = 1;
	world_disconnect(&world, a, 0);
	assert_int_equal(mt_core_counts(world.core).audits_lost, 1);
	world_close(&world);
}

/* Memory runs out at every possible moment: connections may go, the core may not. */
static void survives_every_failed_allocation(void **state)
{
	(void)state;
	for (size_t ceiling = 60000; ceiling < 140000; ceiling += 512) {
		struct mt_core_settings settings = world_settings();
		struct mt_policy *policy = world_policy(NULL, 0);
		struct world world = {.now = {MT_SECOND, MT_SECOND}};
		settings.memory_bytes = ceiling;
		world.core = mt_core_create(&settings, policy, world.now);
		mt_policy_unref(&policy);
		for (int i = 0; world.core && i < 20; i++) {
			struct mt_connect connect = {.version = MT_VERSION_5,
						     .is_clean = true,
						     .client_id = mt_bytes_str("")};
			static const uint8_t subscribe[] = {0x82, 7, 0, 1, 0, 0, 1, '#', 1};
			static const uint8_t publish[] = {0x3b, 6, 0, 1, 't', 0, 1, 0};
			uint8_t data[64];
			struct mt_buf buf = mt_buf_of(data, sizeof(data));
			struct mt_conn_facts facts = {.listener = "t", .anonymous_role = "open"};
			struct world_conn *conn = &world.conns[world.conn_count];
			if (mt_core_open(world.core, world.now, &facts, &conn->conn) != MT_OK)
				continue;
			world.conn_count++;
			conn->out = malloc(WORLD_OUT_BYTES);
			assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
			world_send(&world, conn, mt_buf_view(&buf));
			world_send(&world, conn, mt_bytes_of(subscribe, sizeof(subscribe)));
			world_send(&world, conn, mt_bytes_of(publish, sizeof(publish)));
		}
		world_close(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acknowledgement_waits_for_the_store),
		cmocka_unit_test(receive_maximum_is_enforced),
		cmocka_unit_test(client_window_is_kept),
		cmocka_unit_test(large_packets_pass_over_small_clients),
		cmocka_unit_test(topic_aliases_resolve),
		cmocka_unit_test(expired_messages_are_not_delivered),
		cmocka_unit_test(bursts_wait_for_the_receiver),
		cmocka_unit_test(nobody_waits_for_ever),
		cmocka_unit_test(too_deep_topics_are_named_so),
		cmocka_unit_test(packets_may_come_in_pieces),
		cmocka_unit_test(retained_backlog_outlasts_the_output_limit),
		cmocka_unit_test(messages_count_as_memory),
		cmocka_unit_test(lost_audit_records_are_counted),
		cmocka_unit_test(survives_every_failed_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
