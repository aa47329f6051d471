/* The core against a world of virtual clients: the protocol's behaviour, end to end and pure. */
#include "core_world.h"
#include "spec.h"

#include <stdio.h>

static const enum mt_version both[] = {MT_VERSION_3_1_1, MT_VERSION_5};

static void passes_on_by_qos(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.8.4-8");
	for (size_t v = 0; v < 2; v++)
		for (uint8_t granted = 0; granted <= 2; granted++)
			for (uint8_t qos = 0; qos <= 2; qos++) {
				struct world world;
				struct world_conn *a, *b;
				struct mt_publish got;
				world_open(&world);
				a = world_client(&world, both[v], "a", true);
				b = world_client(&world, both[1 - v], "b", true);
				assert_int_equal(world_subscribe(&world, b, "x/+", granted),
						 granted);
				world_publish(&world, a, "x/y", "hi", qos, false, qos ? 5 : 0);
				got = world_expect(b, "x/y", "hi");
				assert_int_equal(got.qos, qos < granted ? qos : granted);
				assert_false(got.is_retain);
				assert_false(got.is_dup);
				if (qos == 1)
					world_take_ack(a, MT_PACKET_PUBACK, 5);
				if (qos == 2)
					world_take_ack(a, MT_PACKET_PUBREC, 5);
				assert_true(world_is_quiet(a));
				assert_true(world_is_quiet(b));
				world_close(&world);
			}
}

static void qos2_is_passed_on_once(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_publish again = {.qos = 2,
				   .is_dup = true,
				   .packet_id = 5,
				   .topic = mt_bytes_str("t"),
				   .payload = mt_bytes_str("m")};
	struct mt_publish got;
	(void)state;
	SPEC(MQTT5, "4.3.3-10");
	SPEC(MQTT5, "4.3.3-12");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_subscribe(&world, b, "t", 2);
	world_publish(&world, a, "t", "m", 2, false, 5);
	world_take_ack(a, MT_PACKET_PUBREC, 5);
	world_send_publish(&world, a, &again);
	world_take_ack(a, MT_PACKET_PUBREC, 5);
	got = world_expect(b, "t", "m");
	assert_true(world_is_quiet(b));
	world_send_ack(&world, a, MT_PACKET_PUBREL, 5, 0);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBCOMP, 5).reason, MT_REASON_SUCCESS);
	world_send_ack(&world, a, MT_PACKET_PUBREL, 5, 0);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBCOMP, 5).reason,
			 MT_REASON_PACKET_IDENTIFIER_NOT_FOUND);
	/* after PUBCOMP the id stands for a new message */
	world_publish(&world, a, "t", "n", 2, false, 5);
	world_send_ack(&world, b, MT_PACKET_PUBREC, got.packet_id, 0);
	world_expect(b, "t", "n");
	world_take_ack(b, MT_PACKET_PUBREL, got.packet_id);
	world_send_ack(&world, b, MT_PACKET_PUBCOMP, got.packet_id, 0);
	assert_true(world_is_quiet(b));
	assert_int_equal(mt_core_counts(world.core).queued_messages, 1);
	world_close(&world);
}

static void session_keeps_and_sends_again(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_publish got;
	(void)state;
	SPEC(MQTT5, "4.4.0-1");
	for (size_t v = 0; v < 2; v++) {
		world_open(&world);
		a = world_client(&world, both[v], "a", true);
		b = world_client(&world, both[v], "b", false);
		world_subscribe(&world, b, "q/#", 1);
		world_publish(&world, a, "q/1", "one", 1, false, 1);
		got = world_expect(b, "q/1", "one");
		world_cut(&world, b);
		world_publish(&world, a, "q/2", "two", 1, false, 2);
		world_publish(&world, a, "q/0", "lost", 0, false, 0);
		b = world_dial(&world, "open");
		assert_true(world_connect(&world, b, both[v], "b", false).is_session_present);
		{
			struct mt_publish again = world_expect(b, "q/1", "one");
			assert_true(again.is_dup);
			assert_int_equal(again.packet_id, got.packet_id);
		}
		assert_false(world_expect(b, "q/2", "two").is_dup);
		assert_true(world_is_quiet(b));
		world_close(&world);
	}
}

static void clean_start_forgets(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	SPEC(MQTT5, "3.1.2-4");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_subscribe(&world, b, "t", 1);
	world_cut(&world, b);
	b = world_dial(&world, "open");
	assert_false(world_connect(&world, b, MT_VERSION_5, "b", true).is_session_present);
	world_publish(&world, a, "t", "m", 1, false, 1);
	assert_true(world_is_quiet(b));
	world_close(&world);
}

static void session_expires(void **state)
{
	struct world world;
	struct world_conn *b;
	(void)state;
	world_open(&world);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_subscribe(&world, b, "t", 1);
	world_cut(&world, b);
	world_pass(&world, 599 * MT_SECOND);
	assert_int_equal(mt_core_counts(world.core).sessions, 1);
	world_pass(&world, 2 * MT_SECOND);
	assert_int_equal(mt_core_counts(world.core).sessions, 0);
	assert_int_equal(mt_core_counts(world.core).subscriptions, 0);
	world_close(&world);
}

static void retained_reaches_new_subscribers(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_publish(&world, a, "r/1", "v", 1, true, 1);
	world_take_ack(a, MT_PACKET_PUBACK, 1);
	world_subscribe(&world, b, "r/#", 1);
	assert_true(world_expect(b, "r/1", "v").is_retain);
	world_publish(&world, a, "r/1", "w", 0, true, 0);
	assert_false(world_expect(b, "r/1", "w").is_retain);
	world_publish(&world, a, "r/1", "", 0, true, 0);
	world_expect(b, "r/1", "");
	assert_int_equal(mt_core_counts(world.core).retained_count, 0);
	assert_int_equal(world_subscribe(&world, b, "r/1", 0), 0);
	assert_true(world_is_quiet(b));
	world_close(&world);
}

static void shared_group_takes_turns(void **state)
{
	struct world world;
	struct world_conn *a, *b, *c;
	size_t b_count = 0, c_count = 0;
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	c = world_client(&world, MT_VERSION_5, "c", true);
	assert_int_equal(world_subscribe(&world, b, "$share/g/t", 0), 0);
	assert_int_equal(world_subscribe(&world, c, "$share/g/t", 0), 0);
	for (int i = 0; i < 10; i++)
		world_publish(&world, a, "t", "m", 0, false, 0);
	for (; !world_is_quiet(b); b_count++)
		world_take_publish(b);
	for (; !world_is_quiet(c); c_count++)
		world_take_publish(c);
	assert_int_equal(b_count, 5);
	assert_int_equal(c_count, 5);
	world_close(&world);
}

static void overlapping_subscriptions_deliver_once_with_all_ids(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_publish got;
	struct mt_sub_options options = {.qos = 0};
	(void)state;
	SPEC(MQTT5, "3.3.4-2");
	SPEC(MQTT5, "3.3.4-4");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_subscribe_with(&world, b, "t/+", &options, 11);
	options.qos = 1;
	world_subscribe_with(&world, b, "t/x", &options, 222);
	world_publish(&world, a, "t/x", "m", 1, false, 1);
	got = world_expect(b, "t/x", "m");
	assert_int_equal(got.qos, 1);
	assert_int_equal(got.props.subscription_id_count, 2);
	assert_true(world_is_quiet(b));
	world_close(&world);
}

static void no_local_is_kept(void **state)
{
	struct world world;
	struct world_conn *a;
	struct mt_sub_options options = {.qos = 0, .is_no_local = true};
	(void)state;
	SPEC(MQTT5, "3.8.3-3");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_subscribe_with(&world, a, "t", &options, 0);
	world_publish(&world, a, "t", "m", 0, false, 0);
	assert_true(world_is_quiet(a));
	world_close(&world);
}

static struct mt_connect with_will(enum mt_version version, const char *id, uint32_t delay_s)
{
	struct mt_connect connect = {.version = version,
				     .is_clean = version == MT_VERSION_3_1_1,
				     .client_id = mt_bytes_str(id),
				     .has_will = true,
				     .will_qos = 1,
				     .will_topic = mt_bytes_str("will"),
				     .will_payload = mt_bytes_str("gone")};
	if (version == MT_VERSION_5) {
		connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		connect.props.session_expiry_s = 100;
		connect.will_props.present = MT_PROP_BIT(WILL_DELAY_INTERVAL);
		connect.will_props.will_delay_s = delay_s;
	}
	return connect;
}

static void will_fires_when_it_should(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_connect connect;
	(void)state;
	SPEC(MQTT5, "3.1.2-8");
	for (size_t v = 0; v < 2; v++) {
		world_open(&world);
		b = world_client(&world, both[v], "b", true);
		world_subscribe(&world, b, "will", 1);
		connect = with_will(both[v], "a", 0);
		a = world_dial(&world, "open");
		world_send_connect(&world, a, &connect);
		world_cut(&world, a);
		world_expect(b, "will", "gone");
		/* an orderly DISCONNECT takes the will with it */
		a = world_dial(&world, "open");
		world_send_connect(&world, a, &connect);
		world_disconnect(&world, a, 0);
		assert_true(world_is_quiet(b));
		world_close(&world);
	}
}

static void will_waits_its_delay(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_connect connect = with_will(MT_VERSION_5, "a", 10);
	(void)state;
	SPEC(MQTT5, "3.1.3-9");
	world_open(&world);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_subscribe(&world, b, "will", 1);
	a = world_dial(&world, "open");
	world_send_connect(&world, a, &connect);
	world_cut(&world, a);
	world_pass(&world, 9 * MT_SECOND);
	assert_true(world_is_quiet(b));
	/* back in time: no will */
	a = world_dial(&world, "open");
	world_send_connect(&world, a, &connect);
	world_pass(&world, 20 * MT_SECOND);
	assert_true(world_is_quiet(b));
	world_cut(&world, a);
	world_pass(&world, 11 * MT_SECOND);
	world_expect(b, "will", "gone");
	world_close(&world);
}

static void newer_connection_takes_over(void **state)
{
	struct world world;
	struct world_conn *first, *second;
	(void)state;
	SPEC(MQTT5, "3.1.4-3");
	world_open(&world);
	first = world_client(&world, MT_VERSION_5, "same", false);
	second = world_dial(&world, "open");
	assert_true(world_connect(&world, second, MT_VERSION_5, "same", false).is_session_present);
	assert_int_equal(world_take_disconnect(first), MT_REASON_SESSION_TAKEN_OVER);
	assert_true(first->is_closed);
	assert_false(second->is_closed);
	assert_int_equal(mt_core_counts(world.core).sessions, 1);
	world_close(&world);
}

static void keep_alive_runs_out(void **state)
{
	struct world world;
	struct world_conn *a;
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .keep_alive_s = 10,
				     .client_id = mt_bytes_str("a")};
	static const uint8_t ping[] = {0xc0, 0};
	(void)state;
	SPEC(MQTT5, "3.1.2-22");
	SPEC(MQTT5, "3.12.4-1");
	world_open(&world);
	a = world_dial(&world, "open");
	world_send_connect(&world, a, &connect);
	world_take_connack(a);
	world_pass(&world, 14 * MT_SECOND);
	world_send(&world, a, mt_bytes_of(ping, sizeof(ping)));
	assert_int_equal(world_take(a).type, MT_PACKET_PINGRESP);
	world_pass(&world, 14 * MT_SECOND);
	assert_false(a->is_closed);
	world_pass(&world, 2 * MT_SECOND);
	assert_true(a->is_closed);
	assert_int_equal(world_take_disconnect(a), MT_REASON_KEEP_ALIVE_TIMEOUT);
	world_close(&world);
}

static void connect_must_come_in_time_and_first(void **state)
{
	static const uint8_t ping[] = {0xc0, 0};
	static const uint8_t huge[] = {0x10, 0xff, 0xff, 0xff, 0x7f};
	struct world world;
	struct world_conn *a, *b, *c;
	(void)state;
	SPEC(MQTT5, "3.1.0-1");
	world_open(&world);
	a = world_dial(&world, "open");
	b = world_dial(&world, "open");
	c = world_dial(&world, "open");
	world_send(&world, b, mt_bytes_of(ping, sizeof(ping)));
	assert_true(b->is_closed);
	assert_string_equal(world.last_audit.statement, "MQTT-3.1.0-1");
	world_send(&world, c, mt_bytes_of(huge, sizeof(huge)));
	assert_true(c->is_closed);
	world_pass(&world, 11 * MT_SECOND);
	assert_true(a->is_closed);
	assert_int_equal(mt_core_counts(world.core).connections, 0);
	world_close(&world);
}

static void second_connect_is_a_violation(void **state)
{
	struct world world;
	struct world_conn *a;
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("a")};
	(void)state;
	SPEC(MQTT5, "3.1.0-2");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_send_connect(&world, a, &connect);
	assert_true(a->is_closed);
	assert_int_equal(world_take_disconnect(a), MT_REASON_PROTOCOL_ERROR);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_on_by_qos),
		cmocka_unit_test(qos2_is_passed_on_once),
		cmocka_unit_test(session_keeps_and_sends_again),
		cmocka_unit_test(clean_start_forgets),
		cmocka_unit_test(session_expires),
		cmocka_unit_test(retained_reaches_new_subscribers),
		cmocka_unit_test(shared_group_takes_turns),
		cmocka_unit_test(overlapping_subscriptions_deliver_once_with_all_ids),
		cmocka_unit_test(no_local_is_kept),
		cmocka_unit_test(will_fires_when_it_should),
		cmocka_unit_test(will_waits_its_delay),
		cmocka_unit_test(newer_connection_takes_over),
		cmocka_unit_test(keep_alive_runs_out),
		cmocka_unit_test(connect_must_come_in_time_and_first),
		cmocka_unit_test(second_connect_is_a_violation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
