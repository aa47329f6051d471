/* One message to one session: windows, sizes, and what is sent again. */
#include "core_world.h"
#include "spec.h"

#include <stdio.h>

static struct world_conn *reconnect(struct world *world, uint16_t receive_max)
{
	struct world_conn *conn = world_dial(world, "open");
	struct mt_connect connect = {.version = MT_VERSION_5, .client_id = mt_bytes_str("a")};
	connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL) | MT_PROP_BIT(RECEIVE_MAXIMUM);
	connect.props.session_expiry_s = 600;
	connect.props.receive_max = receive_max;
	world_send_connect(world, conn, &connect);
	assert_true(world_take_connack(conn).is_session_present);
	return conn;
}

/* The window of a new connection holds for what is sent again as well; the rest follows in order,
 * under the old ids, before anything new. */
static void resume_keeps_the_new_window(void **state)
{
	struct world world;
	struct world_conn *publisher, *a;
	struct mt_publish publish;
	uint16_t ids[6];
	char payload[2] = "0";
	(void)state;
	SPEC(MQTT5, "3.3.4-9");
	SPEC(MQTT5, "4.4.0-1");
	world_open(&world);
	publisher = world_client(&world, MT_VERSION_5, "p", true);
	a = world_client(&world, MT_VERSION_5, "a", false);
	world_subscribe(&world, a, "t", 1);
	for (int i = 0; i < 6; i++) {
		payload[0] = (char)('0' + i);
		world_publish(&world, publisher, "t", payload, 1, false, (uint16_t)(i + 1));
		ids[i] = world_expect(a, "t", payload).packet_id;
	}
	world_cut(&world, a);
	world_publish(&world, publisher, "t", "6", 1, false, 7);
	a = reconnect(&world, 2);
	for (int i = 0; i < 6; i++) {
		payload[0] = (char)('0' + i);
		publish = world_expect(a, "t", payload);
		assert_true(publish.is_dup);
		assert_int_equal(publish.packet_id, ids[i]);
		if (i == 0)
			continue;
		assert_true(world_is_quiet(a));
		world_send_ack(&world, a, MT_PACKET_PUBACK, ids[i - 1], 0);
	}
	assert_false(world_expect(a, "t", "6").is_dup);
	assert_true(world_is_quiet(a));
	world_close(&world);
}

/* Those between PUBREC and PUBCOMP take their place in the window too. */
static void released_messages_fill_the_window(void **state)
{
	struct world world;
	struct world_conn *publisher, *a;
	uint16_t ids[3];
	(void)state;
	SPEC(MQTT5, "3.3.4-9");
	world_open(&world);
	publisher = world_client(&world, MT_VERSION_5, "p", true);
	a = world_client(&world, MT_VERSION_5, "a", false);
	world_subscribe(&world, a, "t", 2);
	for (uint16_t i = 0; i < 3; i++) {
		world_publish(&world, publisher, "t", "m", 2, false, (uint16_t)(i + 1));
		ids[i] = world_expect(a, "t", "m").packet_id;
	}
	world_send_ack(&world, a, MT_PACKET_PUBREC, ids[0], 0);
	world_send_ack(&world, a, MT_PACKET_PUBREC, ids[2], 0);
	world_cut(&world, a);
	a = reconnect(&world, 2);
	world_take_ack(a, MT_PACKET_PUBREL, ids[0]);
	world_take_ack(a, MT_PACKET_PUBREL, ids[2]);
	assert_true(world_is_quiet(a));
	world_send_ack(&world, a, MT_PACKET_PUBCOMP, ids[2], 0);
	assert_int_equal(world_expect(a, "t", "m").packet_id, ids[1]);
	world_cut(&world, a);
	/* and an acknowledgement that comes before its message is sent again is good */
	a = reconnect(&world, 1);
	world_take_ack(a, MT_PACKET_PUBREL, ids[0]);
	world_send_ack(&world, a, MT_PACKET_PUBREC, ids[1], 0);
	world_take_ack(a, MT_PACKET_PUBREL, ids[1]);
	world_send_ack(&world, a, MT_PACKET_PUBCOMP, ids[0], 0);
	world_send_ack(&world, a, MT_PACKET_PUBCOMP, ids[1], 0);
	assert_true(world_is_quiet(a));
	assert_int_equal(mt_core_counts(world.core).queued_messages, 0);
	world_close(&world);
}

/* Takes what comes to a client with two overlapping subscriptions of long identifiers. */
static bool arrives_within(uint32_t packet_bytes_max, size_t *bytes)
{
	struct mt_sub_options options = {.qos = 0};
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("a")};
	struct world world;
	struct world_conn *publisher, *a;
	bool is_there;
	world_open(&world);
	publisher = world_client(&world, MT_VERSION_5, "p", true);
	a = world_dial(&world, "open");
	connect.props.present = MT_PROP_BIT(MAXIMUM_PACKET_SIZE);
	connect.props.packet_bytes_max = packet_bytes_max;
	world_send_connect(&world, a, &connect);
	world_take_connack(a);
	world_subscribe_with(&world, a, "t", &options, 1);
	world_subscribe_with(&world, a, "+", &options, 300);
	world_publish(&world, publisher, "t", "a payload that goes right to the edge", 0, false, 0);
	is_there = !world_is_quiet(a);
	if (is_there)
		*bytes = world_take(a).bytes;
	world_close(&world);
	return is_there;
}

static void what_fits_exactly_is_sent(void **state)
{
	size_t bytes, same;
	(void)state;
	SPEC(MQTT5, "3.1.2-24");
	SPEC(MQTT5, "3.1.2-25");
	assert_true(arrives_within(1000, &bytes));
	assert_true(arrives_within((uint32_t)bytes, &same));
	assert_int_equal(same, bytes);
	assert_false(arrives_within((uint32_t)bytes - 1, &same));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resume_keeps_the_new_window),
		cmocka_unit_test(released_messages_fill_the_window),
		cmocka_unit_test(what_fits_exactly_is_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
