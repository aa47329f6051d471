/* The payload format indicator, checked when the broker is told to. */
#include "core_world.h"
#include "spec.h"

static const struct {
	const char *bytes;
	size_t count;
	bool is_text;
} samples[] = {{"plain", 5, true},	  {"", 0, true},      {"gr\xc3\xbc\xc3\x9f", 6, true},
	       {"with\0nul\0", 9, true},  {"\xff", 1, false}, {"with\0then\xc3", 10, false},
	       {"\xed\xa0\x80", 3, false}};

static void open_world(struct world *world, bool is_checked)
{
	struct mt_core_settings settings = world_settings();
	settings.is_payload_checked = is_checked;
	world_open_with(world, &settings, world_policy(NULL, 0));
}

static void what_says_text_must_be_text(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.3.2-4");
	for (size_t i = 0; i < MT_COUNT_OF(samples) * 6; i++) {
		bool is_checked = i % 2, is_said = i / 2 % 3 != 0;
		uint8_t qos = (uint8_t)(i / 2 % 3);
		bool is_good = samples[i / 6].is_text || !is_checked || !is_said;
		struct mt_publish publish = {
			.qos = qos,
			.packet_id = qos ? 1 : 0,
			.topic = mt_bytes_str("t"),
			.payload = mt_bytes_of(samples[i / 6].bytes, samples[i / 6].count)};
		struct world world;
		struct world_conn *from, *to;
		open_world(&world, is_checked);
		from = world_client(&world, MT_VERSION_5, "from", true);
		to = world_client(&world, MT_VERSION_5, "to", true);
		world_subscribe(&world, to, "t", 0);
		publish.props.present = is_said ? MT_PROP_BIT(PAYLOAD_FORMAT_INDICATOR) : 0;
		publish.props.payload_format = is_said;
		world_send_publish(&world, from, &publish);
		assert_int_equal(!world_is_quiet(to), is_good);
		if (is_good)
			assert_int_equal(world_take_publish(to).props.payload_format, is_said);
		if (qos > 0)
			assert_int_equal(
				world_take_ack(from, qos == 1 ? MT_PACKET_PUBACK : MT_PACKET_PUBREC,
					       1)
					.reason,
				is_good ? 0 : 0x99);
		assert_false(from->is_closed);
		world_close(&world);
	}
}

/* QoS 0 has no answer: it is dropped and counted. */
static void qos_0_is_dropped(void **state)
{
	struct mt_publish publish = {.topic = mt_bytes_str("t"), .payload = mt_bytes_str("\xff")};
	struct world world;
	struct world_conn *from, *to;
	(void)state;
	open_world(&world, true);
	from = world_client(&world, MT_VERSION_5, "from", true);
	to = world_client(&world, MT_VERSION_5, "to", true);
	world_subscribe(&world, to, "t", 0);
	publish.props.present = MT_PROP_BIT(PAYLOAD_FORMAT_INDICATOR);
	publish.props.payload_format = 1;
	world_send_publish(&world, from, &publish);
	assert_true(world_is_quiet(to) && world_is_quiet(from));
	assert_int_equal(mt_core_counts(world.core).publishes_dropped, 1);
	world_close(&world);
}

static void wills_are_checked_when_they_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(samples); i++) {
		struct mt_connect connect = {
			.version = MT_VERSION_5,
			.is_clean = true,
			.client_id = mt_bytes_str("a"),
			.has_will = true,
			.will_topic = mt_bytes_str("t"),
			.will_payload = mt_bytes_of(samples[i].bytes, samples[i].count)};
		struct world world;
		struct world_conn *conn;
		open_world(&world, true);
		conn = world_dial(&world, "open");
		connect.will_props.present = MT_PROP_BIT(PAYLOAD_FORMAT_INDICATOR);
		connect.will_props.payload_format = 1;
		world_send_connect(&world, conn, &connect);
		assert_int_equal(world_take_connack(conn).reason, samples[i].is_text ? 0 : 0x99);
		world_close(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_says_text_must_be_text),
		cmocka_unit_test(qos_0_is_dropped),
		cmocka_unit_test(wills_are_checked_when_they_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
