/* What goes beyond a limit: the answer, the counter, the few records for the log. */
#include "core_world.h"

#include "topic/retained.h"

#include <stdio.h>

static uint64_t met(const struct world *world, enum mt_limit_id limit)
{
	return mt_core_counts(world->core).limits[limit];
}

/* A connection of a listener with limits of its own. */
static struct world_conn *dial(struct world *world, const struct mt_core_limits *limits)
{
	struct world_conn *conn = &world->conns[world->conn_count++];
	struct mt_conn_facts facts = {.listener = "own",
				      .anonymous_role = "open",
				      .has_anonymous_sessions = true,
				      .limits = limits,
				      .is_secret_safe = true};
	conn->out = malloc(WORLD_OUT_BYTES);
	assert_non_null(conn->out);
	assert_int_equal(mt_core_open(world->core, world->now, &facts, &conn->conn), MT_OK);
	world_serve(world);
	return conn;
}

static uint8_t publish_with(struct world *world, struct world_conn *conn, struct mt_bytes user)
{
	struct mt_publish publish = {
		.qos = 1, .packet_id = 1, .topic = mt_bytes_str("t"), .payload = mt_bytes_str("m")};
	publish.props.user = user;
	world_send_publish(world, conn, &publish);
	return world_take_ack(conn, MT_PACKET_PUBACK, 1).reason;
}

static void properties_are_bounded(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a;
	uint8_t data[256];
	struct mt_buf user = mt_buf_of(data, sizeof(data));
	(void)state;
	settings.limits.user_properties = 3;
	settings.limits.property_bytes = 100;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	for (int i = 0; i < 3; i++)
		mt_props_put_user(&user, mt_bytes_str("k"), mt_bytes_str("v"));
	assert_true(publish_with(&world, a, mt_buf_view(&user)) < MT_REASON_UNSPECIFIED_ERROR);
	mt_props_put_user(&user, mt_bytes_str("k"), mt_bytes_str("v"));
	assert_int_equal(publish_with(&world, a, mt_buf_view(&user)), MT_REASON_QUOTA_EXCEEDED);
	assert_int_equal(met(&world, MT_LIMIT_USER_PROPERTIES), 1);
	user = mt_buf_of(data, sizeof(data));
	mt_props_put_user(
		&user, mt_bytes_str("k"),
		mt_bytes_str("0123456789012345678901234567890123456789012345678901234567890123456"
			     "789012345678901234567890123456789"));
	assert_int_equal(publish_with(&world, a, mt_buf_view(&user)), MT_REASON_QUOTA_EXCEEDED);
	assert_int_equal(met(&world, MT_LIMIT_PROPERTY_BYTES), 1);
	assert_false(a->is_closed);
	world_close(&world);
}

static void long_topics_are_refused(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a;
	(void)state;
	settings.limits.topic_bytes = 8;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_publish(&world, a, "12345678", "m", 1, false, 1);
	assert_true(world_take_ack(a, MT_PACKET_PUBACK, 1).reason < MT_REASON_UNSPECIFIED_ERROR);
	world_publish(&world, a, "123456789", "m", 1, false, 2);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBACK, 2).reason,
			 MT_REASON_TOPIC_NAME_INVALID);
	assert_int_equal(world_subscribe(&world, a, "123456/#", 0), 0);
	assert_int_equal(world_subscribe(&world, a, "1234567/#", 0),
			 MT_REASON_TOPIC_FILTER_INVALID);
	assert_int_equal(met(&world, MT_LIMIT_TOPIC_BYTES), 2);
	world_close(&world);
}

static void filters_make_a_bounded_number_of_nodes(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a;
	(void)state;
	settings.limits.subscription_nodes = 5; /* the root is one */
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	assert_int_equal(world_subscribe(&world, a, "a/b", 0), 0);
	assert_int_equal(world_subscribe(&world, a, "a/c/d", 0), 0);
	assert_int_equal(world_subscribe(&world, a, "a/e", 0), MT_REASON_QUOTA_EXCEEDED);
	assert_int_equal(world_subscribe(&world, a, "a/c", 0), 0); /* its nodes are there */
	assert_int_equal(met(&world, MT_LIMIT_SUBSCRIPTION_NODES), 1);
	world_close(&world);
}

static uint8_t retain(struct world *world, struct world_conn *conn, const char *topic,
		      const char *payload)
{
	world_publish(world, conn, topic, payload, 1, true, 1);
	return world_take_ack(conn, MT_PACKET_PUBACK, 1).reason;
}

static void retained_messages_are_bounded_by_subtree(void **state)
{
	static const struct mt_retained_subtree subtrees[] = {
		{.filter = {(const uint8_t *)"s/#", 3}, .count_max = 2},
		{.filter = {(const uint8_t *)"s/big/#", 7}, .bytes_max = 250},
	};
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a;
	char big[200];
	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	settings.limits.subtrees = subtrees;
	settings.limits.subtree_count = 2;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	assert_true(retain(&world, a, "s/1", "m") < MT_REASON_UNSPECIFIED_ERROR);
	assert_true(retain(&world, a, "s/2", "m") < MT_REASON_UNSPECIFIED_ERROR);
	assert_int_equal(retain(&world, a, "s/3", "m"), MT_REASON_QUOTA_EXCEEDED);
	assert_true(retain(&world, a, "s/2", "again") < MT_REASON_UNSPECIFIED_ERROR);
	assert_true(retain(&world, a, "other", big) < MT_REASON_UNSPECIFIED_ERROR);
	assert_true(retain(&world, a, "s/1", "") < MT_REASON_UNSPECIFIED_ERROR);
	assert_int_equal(retain(&world, a, "s/big/1", big), MT_REASON_QUOTA_EXCEEDED);
	assert_true(retain(&world, a, "s/big/1", "m") < MT_REASON_UNSPECIFIED_ERROR);
	assert_int_equal(retain(&world, a, "s/big/1", big), MT_REASON_QUOTA_EXCEEDED);
	assert_int_equal(met(&world, MT_LIMIT_RETAINED_COUNT), 1);
	assert_int_equal(met(&world, MT_LIMIT_RETAINED_BYTES), 2);
	world_close(&world);
}

static void retained_topics_make_a_bounded_number_of_nodes(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a;
	(void)state;
	settings.limits.retained_nodes = 4;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	assert_int_equal(retain(&world, a, "1/2/3/4", "m"), MT_REASON_QUOTA_EXCEEDED);
	assert_true(retain(&world, a, "1/2/3", "m") < MT_REASON_UNSPECIFIED_ERROR);
	assert_int_equal(retain(&world, a, "2", "m"), MT_REASON_QUOTA_EXCEEDED);
	assert_int_equal(met(&world, MT_LIMIT_RETAINED_NODES), 2);
	world_close(&world);
}

/* Faster than the rate: not read for a while, nothing lost, nothing closed. */
static void fast_publishers_are_paused(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a;
	uint8_t data[1024];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	uint32_t acked = 0;
	(void)state;
	settings.limits.publish_rate = 10;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	for (uint16_t id = 1; id <= 25; id++) {
		struct mt_publish publish = {.qos = 1,
					     .packet_id = id,
					     .topic = mt_bytes_str("t"),
					     .payload = mt_bytes_str("m")};
		assert_int_equal(mt_publish_encode(&publish, MT_VERSION_5, &buf), MT_OK);
	}
	world_send(&world, a, mt_buf_view(&buf));
	assert_true(a->is_paused);
	for (; !world_is_quiet(a); acked++)
		world_take(a);
	assert_int_equal(acked, 11); /* a second's worth, and the one that went beyond */
	assert_true(mt_core_deadline(world.core) <= world.now.mono_ns + MT_SECOND / 5);
	world_pass(&world, MT_SECOND);
	for (; !world_is_quiet(a); acked++)
		world_take(a);
	assert_int_equal(acked, 21);
	world_pass(&world, MT_SECOND);
	for (; !world_is_quiet(a); acked++)
		world_take(a);
	assert_int_equal(acked, 25);
	assert_false(a->is_paused);
	assert_true(met(&world, MT_LIMIT_PUBLISH_RATE) > 0);
	world_close(&world);
}

static void many_bytes_are_paused_too(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a;
	static char body[3001];
	(void)state;
	memset(body, 'x', sizeof(body) - 1);
	settings.limits.publish_byte_rate = 1000;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_publish(&world, a, "t", body, 1, false, 1);
	world_take_ack(a, MT_PACKET_PUBACK, 1);
	assert_true(a->is_paused);
	world_pass(&world, MT_SECOND);
	assert_true(a->is_paused);
	world_pass(&world, 2 * MT_SECOND);
	assert_false(a->is_paused);
	assert_int_equal(met(&world, MT_LIMIT_PUBLISH_BYTE_RATE), 1);
	world_close(&world);
}

static void keep_alive_has_a_least(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct mt_connect connect = {.is_clean = true, .keep_alive_s = 2};
	struct world world;
	(void)state;
	settings.limits.keep_alive_least_s = 30;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	for (int is_5 = 0; is_5 <= 1; is_5++) {
		struct world_conn *conn = world_dial(&world, "open");
		struct mt_connack connack;
		connect.version = is_5 ? MT_VERSION_5 : MT_VERSION_3_1_1;
		connect.client_id = mt_bytes_str(is_5 ? "five" : "three");
		world_send_connect(&world, conn, &connect);
		connack = world_take_connack(conn);
		assert_int_equal(connack.props.server_keep_alive_s, is_5 ? 30 : 0);
		world_pass(&world, 40 * MT_SECOND);
		assert_false(conn->is_closed);
		world_pass(&world, 10 * MT_SECOND);
		assert_true(conn->is_closed);
	}
	assert_int_equal(met(&world, MT_LIMIT_KEEP_ALIVE_LEAST), 2);
	world_close(&world);
}

static void silence_ends_before_slowness(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *silent, *slow;
	static const uint8_t first = 0x10;
	(void)state;
	settings.limits.handshake_ns = 3 * MT_SECOND;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	silent = world_dial(&world, "open");
	slow = world_dial(&world, "open");
	world_send(&world, slow, mt_bytes_of(&first, 1));
	world_pass(&world, 4 * MT_SECOND);
	assert_true(silent->is_closed);
	assert_false(slow->is_closed);
	world_pass(&world, 7 * MT_SECOND);
	assert_true(slow->is_closed);
	assert_int_equal(met(&world, MT_LIMIT_HANDSHAKE_TIME), 1);
	assert_int_equal(met(&world, MT_LIMIT_CONNECT_TIME), 1);
	world_close(&world);
}

static void listeners_have_their_own(void **state)
{
	struct mt_core_limits own = world_settings().limits;
	struct world world;
	struct world_conn *a, *b;
	struct mt_connack connack;
	char big[2000];
	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	own.packet_bytes = 1024;
	own.inflight = 3;
	own.topic_aliases = 1;
	world_open(&world);
	a = dial(&world, &own);
	connack = world_connect(&world, a, MT_VERSION_5, "a", true);
	assert_int_equal(connack.props.packet_bytes_max, 1024);
	assert_int_equal(connack.props.receive_max, 3);
	assert_int_equal(connack.props.topic_alias_max, 1);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_publish(&world, b, "t", big, 0, false, 0);
	assert_false(b->is_closed);
	world_publish(&world, a, "t", big, 0, false, 0);
	assert_int_equal(world_take_disconnect(a), MT_REASON_PACKET_TOO_LARGE);
	assert_int_equal(met(&world, MT_LIMIT_PACKET_BYTES), 1);
	world_close(&world);
}

/* A flood makes few records, and each says how many there were. */
static void the_log_is_not_flooded(void **state)
{
	struct world world;
	struct mt_conn_facts facts = {.listener = "l", .anonymous_role = "open"};
	uint64_t told = 0;
	(void)state;
	world_open(&world);
	for (int i = 0; i < 1000; i++) {
		mt_core_turn_away(world.core, world.now, &facts, MT_LIMIT_CONNECT_RATE);
		world_serve(&world);
	}
	assert_int_equal(met(&world, MT_LIMIT_CONNECT_RATE), 1000);
	assert_int_equal(world.audit_count[MT_AUDIT_LIMIT], 5);
	assert_string_equal(world.last_audit.what, "connect_rate");
	told = 5;
	world_pass(&world, 10 * MT_SECOND);
	mt_core_turn_away(world.core, world.now, &facts, MT_LIMIT_CONNECT_RATE);
	world_serve(&world);
	assert_int_equal(world.audit_count[MT_AUDIT_LIMIT], 6);
	assert_int_equal(told + world.last_audit.count, 1001);
	world_close(&world);
}

/* A subscriber that is away while others publish: what is too much is dropped and counted. */
static void slow_consumers_cost_what_they_may(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_subscribe(&world, b, "t", 1);
	world_cut(&world, b);
	for (uint16_t id = 1; id <= 150; id++) {
		world_publish(&world, a, "t", "m", 1, false, id);
		world_take_ack(a, MT_PACKET_PUBACK, id);
	}
	assert_int_equal(met(&world, MT_LIMIT_QUEUE_MESSAGES), 50);
	assert_int_equal(mt_core_counts(world.core).publishes_dropped, 50);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(properties_are_bounded),
		cmocka_unit_test(long_topics_are_refused),
		cmocka_unit_test(filters_make_a_bounded_number_of_nodes),
		cmocka_unit_test(retained_messages_are_bounded_by_subtree),
		cmocka_unit_test(retained_topics_make_a_bounded_number_of_nodes),
		cmocka_unit_test(fast_publishers_are_paused),
		cmocka_unit_test(many_bytes_are_paused_too),
		cmocka_unit_test(keep_alive_has_a_least),
		cmocka_unit_test(silence_ends_before_slowness),
		cmocka_unit_test(listeners_have_their_own),
		cmocka_unit_test(the_log_is_not_flooded),
		cmocka_unit_test(slow_consumers_cost_what_they_may),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
