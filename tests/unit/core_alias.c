/* Topic aliases towards clients: a client that keeps the table of the standard reads every topic.
 */
#include "../core_world.h"
#include "../spec.h"

#include "base/rng.h"

#include <stdio.h>

#define ALIASES 64

/* A client's own table, and what came in last. */
struct reader {
	struct world_conn *conn;
	uint16_t most;
	char topics[ALIASES + 1][64];
	char topic[64]; /* of the last one, resolved */
	bool was_named; /* it came with its name */
	bool was_aliased;
	size_t bytes;
};

static void open_world(struct world *world, uint16_t aliases)
{
	struct mt_core_settings settings = world_settings();
	settings.limits.client_aliases = aliases;
	world_open_with(world, &settings, world_policy(NULL, 0));
}

static void join(struct world *world, struct reader *reader, const char *id, uint16_t most,
		 uint32_t packet_bytes_max)
{
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = false, .client_id = mt_bytes_str(id)};
	memset(reader, 0, sizeof(*reader));
	reader->most = most;
	reader->conn = world_dial(world, "open");
	connect.props.present =
		MT_PROP_BIT(TOPIC_ALIAS_MAXIMUM) | MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
	connect.props.topic_alias_max = most;
	connect.props.session_expiry_s = 600;
	if (packet_bytes_max > 0) {
		connect.props.present |= MT_PROP_BIT(MAXIMUM_PACKET_SIZE);
		connect.props.packet_bytes_max = packet_bytes_max;
	}
	world_send_connect(world, reader->conn, &connect);
	assert_int_equal(world_take_connack(reader->conn).reason, 0);
}

static struct mt_publish receive(struct reader *reader)
{
	size_t pos = reader->conn->out_pos;
	struct mt_publish publish = world_take_publish(reader->conn);
	uint16_t alias = publish.props.topic_alias;
	reader->bytes = reader->conn->out_pos - pos;
	reader->was_aliased = publish.props.present & MT_PROP_BIT(TOPIC_ALIAS);
	reader->was_named = publish.topic.len > 0;
	assert_true(publish.topic.len < sizeof(reader->topic));
	if (reader->was_aliased) {
		assert_in_range(alias, 1, reader->most);
		if (reader->was_named)
			mt_bytes_cut(reader->topics[alias], sizeof(reader->topics[0]),
				     publish.topic);
		assert_true(reader->topics[alias][0] != '\0');
		strcpy(reader->topic, reader->topics[alias]);
	} else {
		mt_bytes_cut(reader->topic, sizeof(reader->topic), publish.topic);
	}
	return publish;
}

static void the_name_goes_once(void **state)
{
	struct world world;
	struct reader reader;
	struct world_conn *from;
	size_t first_bytes;
	(void)state;
	SPEC(MQTT5, "3.1.2-26");
	SPEC(MQTT5, "3.3.2-11");
	open_world(&world, 32);
	join(&world, &reader, "r", 10, 0);
	world_subscribe(&world, reader.conn, "#", 2);
	from = world_client(&world, MT_VERSION_3_1_1, "f", true);
	for (uint16_t i = 0; i < 6; i++) {
		struct mt_publish publish;
		world_publish(&world, from, "plant/line/7/temperature", "21.5", (uint8_t)(i % 3),
			      false, i % 3 ? (uint16_t)(i + 1) : 0);
		publish = receive(&reader);
		assert_string_equal(reader.topic, "plant/line/7/temperature");
		assert_int_equal(publish.qos, i % 3);
		assert_true(mt_bytes_equal(publish.payload, mt_bytes_str("21.5")));
		assert_int_equal(reader.was_named, i == 0);
		if (i == 0)
			first_bytes = reader.bytes;
		if (i == 3)
			assert_int_equal(reader.bytes,
					 first_bytes - strlen("plant/line/7/temperature"));
		if (publish.qos > 0)
			world_send_ack(&world, reader.conn,
				       publish.qos == 1 ? MT_PACKET_PUBACK : MT_PACKET_PUBREC,
				       publish.packet_id, publish.qos == 1 ? 0 : 0x80);
	}
	world_close(&world);
}

/* Each of them has its own table, and its own state of it. */
static void many_receivers_have_many_tables(void **state)
{
	static const uint16_t most[] = {0, 1, 4, 32};
	struct world world;
	struct reader readers[8];
	struct world_conn *from;
	(void)state;
	SPEC(MQTT5, "3.1.2-27");
	open_world(&world, 16);
	from = world_client(&world, MT_VERSION_5, "f", true);
	for (int round = 0; round < 8; round++) {
		char id[] = {'r', (char)('0' + round), '\0'};
		join(&world, &readers[round], id, most[round % 4], 0);
		world_subscribe(&world, readers[round].conn, "+/long/enough", 1);
		for (uint16_t i = 0; i < 3; i++) {
			const char *topic = i == 1 ? "b/long/enough" : "a/long/enough";
			world_publish(&world, from, topic, "x", 0, false, 0);
			for (int r = 0; r <= round; r++) {
				struct mt_publish publish = receive(&readers[r]);
				assert_string_equal(readers[r].topic, topic);
				assert_true(mt_bytes_equal(publish.payload, mt_bytes_str("x")));
				if (most[r % 4] == 0)
					assert_false(readers[r].was_aliased);
			}
		}
	}
	world_close(&world);
}

/* The first few of twelve topics are asked for much more often than the others. */
static void draw_topic(struct mt_rng *rng, char *out, size_t cap)
{
	uint32_t pick = (uint32_t)mt_rng_below(rng, 12);
	snprintf(out, cap, "%s/number/%u", pick % 2 ? "topic" : "other",
		 pick < 9 ? pick % 3 : pick);
}

static void publish_drawn(struct world *world, struct world_conn *from, struct mt_rng *rng,
			  const char *topic, uint16_t number)
{
	struct mt_publish publish = {.qos = number % 2,
				     .packet_id = number % 2 ? number : 0,
				     .topic = mt_bytes_str(topic),
				     .payload = mt_bytes_of(&number, sizeof(number))};
	publish.props.present = MT_PROP_BIT(CONTENT_TYPE);
	publish.props.content_type = mt_bytes_str("text");
	if (mt_rng_below(rng, 4) == 0) {
		publish.props.present |= MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL);
		publish.props.message_expiry_s = 60;
	}
	world_send_publish(world, from, &publish);
}

/* More topics than aliases, in any order, with everything that stands beside an alias. */
static void any_order_of_topics_is_read(void **state)
{
	struct world world;
	struct reader reader;
	struct world_conn *from;
	struct mt_rng rng;
	struct mt_sub_options options = {.qos = 1};
	int unnamed = 0, plain = 0;
	(void)state;
	SPEC(MQTT5, "3.3.2-12");
	mt_rng_init(&rng, 11);
	open_world(&world, 64);
	join(&world, &reader, "r", 5, 0);
	world_subscribe_with(&world, reader.conn, "topic/#", &options, 200);
	world_subscribe(&world, reader.conn, "other/#", 1);
	from = world_client(&world, MT_VERSION_5, "f", true);
	for (uint16_t i = 1; i <= 2000; i++) {
		char topic[32];
		struct mt_publish got;
		draw_topic(&rng, topic, sizeof(topic));
		publish_drawn(&world, from, &rng, topic, i);
		got = receive(&reader);
		assert_string_equal(reader.topic, topic);
		assert_true(mt_bytes_equal(got.payload, mt_bytes_of(&i, sizeof(i))));
		assert_true(mt_bytes_equal(got.props.content_type, mt_bytes_str("text")));
		assert_int_equal(got.props.subscription_id, topic[0] == 't' ? 200 : 0);
		if (got.qos > 0)
			world_send_ack(&world, reader.conn, MT_PACKET_PUBACK, got.packet_id, 0);
		unnamed += !reader.was_named;
		plain += !reader.was_aliased;
	}
	assert_true(unnamed > 500);
	assert_true(plain > 0);
	world_close(&world);
}

/* A new connection knows no alias, and what is sent again bears none. */
static void a_new_connection_knows_nothing(void **state)
{
	struct world world;
	struct reader reader;
	struct world_conn *from;
	(void)state;
	SPEC(MQTT5, "3.3.2-10");
	open_world(&world, 8);
	join(&world, &reader, "r", 8, 0);
	world_subscribe(&world, reader.conn, "#", 1);
	from = world_client(&world, MT_VERSION_5, "f", true);
	world_publish(&world, from, "some/long/topic", "1", 1, false, 1);
	world_publish(&world, from, "some/long/topic", "2", 1, false, 2);
	receive(&reader);
	receive(&reader);
	assert_false(reader.was_named);
	world_cut(&world, reader.conn);
	world_publish(&world, from, "some/long/topic", "3", 1, false, 3);
	join(&world, &reader, "r", 8, 0);
	for (int i = 0; i < 2; i++) {
		assert_true(receive(&reader).is_dup);
		assert_true(reader.was_named);
		assert_false(reader.was_aliased);
	}
	receive(&reader);
	assert_true(reader.was_named && reader.was_aliased);
	assert_string_equal(reader.topic, "some/long/topic");
	world_close(&world);
}

/* An alias may not make a packet too large that fits without it. */
static void an_alias_costs_no_message(void **state)
{
	struct world world;
	struct reader reader;
	struct world_conn *from;
	char payload[40];
	(void)state;
	open_world(&world, 8);
	join(&world, &reader, "r", 8, 50);
	world_subscribe(&world, reader.conn, "#", 0);
	from = world_client(&world, MT_VERSION_5, "f", true);
	/* Head 2, topic 2 + 10, no properties 1, payload 35: exactly 50. */
	memset(payload, 'x', sizeof(payload));
	payload[35] = '\0';
	world_publish(&world, from, "topic/long", payload, 0, false, 0);
	receive(&reader);
	assert_int_equal(reader.bytes, 50);
	assert_false(reader.was_aliased);
	payload[30] = '\0';
	world_publish(&world, from, "topic/long", payload, 0, false, 0);
	receive(&reader);
	assert_true(reader.was_aliased);
	/* What did not fit is small enough now that the name need not go with it. */
	memset(payload, 'x', sizeof(payload));
	payload[39] = '\0';
	world_publish(&world, from, "topic/long", payload, 0, false, 0);
	receive(&reader);
	assert_string_equal(reader.topic, "topic/long");
	assert_true(reader.bytes <= 50);
	world_close(&world);
}

static void short_topics_and_other_settings_have_none(void **state)
{
	struct world world;
	struct reader reader;
	struct world_conn *from;
	(void)state;
	open_world(&world, 8);
	join(&world, &reader, "r", 8, 0);
	world_subscribe(&world, reader.conn, "#", 0);
	from = world_client(&world, MT_VERSION_5, "f", true);
	world_publish(&world, from, "a/b", "x", 0, false, 0);
	receive(&reader);
	assert_false(reader.was_aliased);
	world_close(&world);
	open_world(&world, 0);
	join(&world, &reader, "r", 8, 0);
	world_subscribe(&world, reader.conn, "#", 0);
	from = world_client(&world, MT_VERSION_5, "f", true);
	world_publish(&world, from, "some/long/topic", "x", 0, false, 0);
	receive(&reader);
	assert_false(reader.was_aliased);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_name_goes_once),
		cmocka_unit_test(many_receivers_have_many_tables),
		cmocka_unit_test(any_order_of_topics_is_read),
		cmocka_unit_test(a_new_connection_knows_nothing),
		cmocka_unit_test(an_alias_costs_no_message),
		cmocka_unit_test(short_topics_and_other_settings_have_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
