/* CONNACK, and what a listener does not offer. */
#include "../core_world.h"
#include "../spec.h"

#include "wire/control.h"

static const struct mt_offer little = {.qos_max = 1, .server_reference = ""};

static struct mt_core_settings settings_with_response(const char *response_topic)
{
	struct mt_core_settings settings = world_settings();
	settings.response_topic = response_topic;
	return settings;
}

static struct world_conn *dial(struct world *world, const struct mt_offer *offer)
{
	struct world_conn *conn = &world->conns[world->conn_count++];
	struct mt_conn_facts facts = {.listener = "test",
				      .anonymous_role = "open",
				      .has_anonymous_sessions = true,
				      .offer = offer,
				      .is_secret_safe = true};
	conn->out = malloc(WORLD_OUT_BYTES);
	assert_non_null(conn->out);
	assert_int_equal(mt_core_open(world->core, world->now, &facts, &conn->conn), MT_OK);
	return conn;
}

static struct world_conn *client(struct world *world, const struct mt_offer *offer,
				 enum mt_version version, const char *id)
{
	struct world_conn *conn = dial(world, offer);
	world_connect(world, conn, version, id, true);
	return conn;
}

static struct mt_control take_disconnect(struct world_conn *conn)
{
	struct mt_frame frame = world_take(conn);
	struct mt_control control;
	struct mt_violation why;
	assert_int_equal(frame.type, MT_PACKET_DISCONNECT);
	assert_int_equal(mt_control_decode(&frame, MT_VERSION_5, MT_SIDE_SERVER, &control, &why),
			 MT_OK);
	assert_true(world_is_quiet(conn));
	return control;
}

/* Absent means available: nothing is said by a listener that offers everything. */
static void connack_says_what_is_not_there(void **state)
{
	const uint32_t kinds = MT_PROP_BIT(MAXIMUM_QOS) | MT_PROP_BIT(RETAIN_AVAILABLE) |
			       MT_PROP_BIT(WILDCARD_SUBSCRIPTION_AVAILABLE) |
			       MT_PROP_BIT(SHARED_SUBSCRIPTION_AVAILABLE) |
			       MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER_AVAILABLE);
	struct world world;
	struct mt_connack connack;
	(void)state;
	world_open(&world);
	connack = world_connect(&world, dial(&world, NULL), MT_VERSION_5, "a", true);
	assert_int_equal(connack.props.present & kinds, 0);
	connack = world_connect(&world, dial(&world, &little), MT_VERSION_5, "b", true);
	assert_int_equal(connack.props.present & kinds, kinds);
	assert_int_equal(connack.props.qos_max, 1);
	assert_int_equal(connack.props.is_retain_available, 0);
	assert_int_equal(connack.props.is_wildcard_available, 0);
	assert_int_equal(connack.props.is_shared_available, 0);
	assert_int_equal(connack.props.is_subscription_id_available, 0);
	world_close(&world);
}

static void subscriptions_are_granted_the_highest_qos_there_is(void **state)
{
	struct world world;
	struct world_conn *conn, *other;
	(void)state;
	SPEC(MQTT5, "3.2.2-9");
	SPEC(MQTT5, "3.2.2-10");
	world_open(&world);
	conn = client(&world, &little, MT_VERSION_5, "a");
	other = client(&world, NULL, MT_VERSION_5, "b");
	assert_int_equal(world_subscribe(&world, conn, "t", 2), 1);
	assert_int_equal(world_subscribe(&world, conn, "u", 0), 0);
	world_publish(&world, other, "t", "x", 2, false, 1);
	assert_int_equal(world_expect(conn, "t", "x").qos, 1);
	world_close(&world);
}

static void what_was_not_offered_ends_the_connection(void **state)
{
	static const struct {
		const char *filter; /* NULL: a PUBLISH */
		uint32_t identifier;
		uint8_t qos;
		bool is_retain;
		uint8_t reason;
	} cases[] = {{NULL, 0, 2, false, 0x9b},	 {NULL, 0, 0, true, 0x9a},
		     {"a/+", 0, 0, false, 0xa2}, {"$share/g/t", 0, 0, false, 0x9e},
		     {"t", 5, 0, false, 0xa1},	 {"#", 0, 0, false, 0xa2}};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct world world;
		struct world_conn *conn;
		world_open(&world);
		conn = client(&world, &little, MT_VERSION_5, "a");
		if (cases[i].filter) {
			struct mt_sub_options options = {0};
			uint8_t list[64], data[128];
			struct mt_buf items = mt_buf_of(list, sizeof(list));
			struct mt_buf buf = mt_buf_of(data, sizeof(data));
			struct mt_subscribe subscribe = {
				.type = MT_PACKET_SUBSCRIBE, .packet_id = 1, .filter_count = 1};
			mt_subscribe_put(&items, mt_bytes_str(cases[i].filter), &options,
					 MT_VERSION_5);
			subscribe.list = mt_buf_view(&items);
			if (cases[i].identifier) {
				subscribe.props.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER);
				subscribe.props.subscription_id = cases[i].identifier;
			}
			assert_int_equal(mt_subscribe_encode(&subscribe, MT_VERSION_5, &buf),
					 MT_OK);
			world_send(&world, conn, mt_buf_view(&buf));
		} else {
			world_publish(&world, conn, "t", "x", cases[i].qos, cases[i].is_retain, 1);
		}
		assert_true(conn->is_closed);
		assert_int_equal(take_disconnect(conn).reason, cases[i].reason);
		assert_int_equal(mt_core_counts(world.core).retained_count, 0);
		world_close(&world);
	}
}

/* 3.1.1 was never told: it gets the refusals that it knows. */
static void the_older_version_is_refused_in_its_own_words(void **state)
{
	struct world world;
	struct world_conn *conn;
	(void)state;
	world_open(&world);
	conn = client(&world, &little, MT_VERSION_3_1_1, "a");
	assert_int_equal(world_subscribe(&world, conn, "a/#", 0), 0x80);
	assert_int_equal(world_subscribe(&world, conn, "$share/g/a", 0), 0x80);
	assert_int_equal(world_subscribe(&world, conn, "a", 2), 1);
	world_publish(&world, conn, "t", "x", 0, true, 0);
	assert_true(conn->is_closed);
	assert_true(world_is_quiet(conn));
	world_close(&world);
}

static uint8_t connect_with_will(struct world *world, const struct mt_offer *offer, uint8_t qos,
				 bool is_retain, struct mt_props *props)
{
	struct world_conn *conn = dial(world, offer);
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .client_id = mt_bytes_str("w"),
				     .has_will = true,
				     .will_qos = qos,
				     .is_will_retain = is_retain,
				     .will_topic = mt_bytes_str("t")};
	struct mt_connack connack;
	world_send_connect(world, conn, &connect);
	connack = world_take_connack(conn);
	assert_int_equal(conn->is_closed, connack.reason != 0);
	*props = connack.props;
	return connack.reason;
}

static void wills_keep_to_the_offer(void **state)
{
	struct world world;
	struct mt_props props;
	(void)state;
	SPEC(MQTT5, "3.2.2-12");
	SPEC(MQTT5, "3.2.2-13");
	world_open(&world);
	assert_int_equal(connect_with_will(&world, &little, 2, false, &props), 0x9b);
	assert_int_equal(connect_with_will(&world, &little, 1, true, &props), 0x9a);
	assert_int_equal(connect_with_will(&world, &little, 1, false, &props), 0);
	world_close(&world);
}

static void clients_are_sent_elsewhere(void **state)
{
	static const struct mt_offer away = {.qos_max = 2, .server_reference = "b.example"};
	static const struct mt_offer moved = {
		.qos_max = 2, .is_moved = true, .server_reference = "c.example:8883"};
	struct world world;
	struct mt_props props;
	struct world_conn *conn;
	struct mt_connect old = {
		.version = MT_VERSION_3_1_1, .is_clean = true, .client_id = mt_bytes_str("o")};
	(void)state;
	world_open(&world);
	assert_int_equal(connect_with_will(&world, &away, 0, false, &props), 0x9c);
	assert_true(mt_bytes_equal(props.server_reference, mt_bytes_str("b.example")));
	assert_int_equal(connect_with_will(&world, &moved, 0, false, &props), 0x9d);
	assert_true(mt_bytes_equal(props.server_reference, mt_bytes_str("c.example:8883")));
	conn = dial(&world, &away);
	world_send_connect(&world, conn, &old);
	assert_int_equal(world_take_connack(conn).reason, MT_REASON_SERVER_UNAVAILABLE);
	assert_true(conn->is_closed);
	world_close(&world);
}

static struct mt_connack connect_asking(struct world *world, const char *role, const char *id,
					uint8_t wish)
{
	struct world_conn *conn = world_dial(world, role);
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str(id)};
	connect.props.present = MT_PROP_BIT(REQUEST_RESPONSE_INFORMATION);
	connect.props.request_response_info = wish;
	world_send_connect(world, conn, &connect);
	return world_take_connack(conn);
}

static void response_information_is_given_to_who_may_use_it(void **state)
{
	static const struct mt_rule rule = {.id = 1,
					    .operation = MT_OPERATION_SUBSCRIBE,
					    .qos_mask = 7,
					    .filter = {(const uint8_t *)"reply/%c/x", 10}};
	struct mt_core_settings settings = settings_with_response("reply/%c");
	struct mt_connect ann = {.version = MT_VERSION_5,
				 .is_clean = true,
				 .client_id = mt_bytes_str("a"),
				 .has_user = true,
				 .has_password = true,
				 .user = mt_bytes_str("ann"),
				 .password = mt_bytes_str("p")};
	struct mt_auth_verdict verdict = {.is_accepted = true, .user_id = 7};
	struct world world;
	struct world_conn *conn;
	struct mt_connack connack;
	(void)state;
	SPEC(MQTT5, "3.1.2-28");
	world_open_with(&world, &settings, world_policy(&rule, 1));
	connack = connect_asking(&world, "open", "a", 1);
	assert_true(mt_bytes_equal(connack.props.response_info, mt_bytes_str("reply/a")));
	connack = connect_asking(&world, "open", "b", 0);
	assert_int_equal(connack.props.present & MT_PROP_BIT(RESPONSE_INFORMATION), 0);
	/* It would not be one level below reply/. */
	connack = connect_asking(&world, "open", "b/c", 1);
	assert_int_equal(connack.props.present & MT_PROP_BIT(RESPONSE_INFORMATION), 0);
	/* One topic below it is not all of it. */
	conn = world_dial(&world, "open");
	ann.props.present = MT_PROP_BIT(REQUEST_RESPONSE_INFORMATION);
	ann.props.request_response_info = 1;
	world_send_connect(&world, conn, &ann);
	mt_core_authenticated(world.core, world.now, world.auth_ticket, &verdict);
	world_serve(&world);
	connack = world_take_connack(conn);
	assert_int_equal(connack.reason, 0);
	assert_int_equal(connack.props.present & MT_PROP_BIT(RESPONSE_INFORMATION), 0);
	world_close(&world);
}

static struct world_conn *connect_limited(struct world *world, uint32_t packet_bytes_max,
					  bool is_problem_info_wanted)
{
	struct world_conn *conn = world_dial(world, "open");
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("l")};
	connect.props.present =
		MT_PROP_BIT(MAXIMUM_PACKET_SIZE) | MT_PROP_BIT(REQUEST_PROBLEM_INFORMATION);
	connect.props.packet_bytes_max = packet_bytes_max;
	connect.props.request_problem_info = is_problem_info_wanted;
	world_send_connect(world, conn, &connect);
	return conn;
}

static void reason_strings_go_to_who_wants_them_and_has_room(void **state)
{
	static const struct {
		uint32_t bytes;
		bool is_wanted, is_given;
	} cases[] = {{1000, true, true}, {1000, false, false}, {22, true, false}};
	static const uint8_t second[] = {0xf0, 0};
	(void)state;
	SPEC(MQTT5, "3.1.2-29");
	SPEC(MQTT5, "3.14.2-3");
	SPEC(MQTT5, "3.9.2-2");
	SPEC(MQTT5, "3.2.2-19");
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct world world;
		struct world_conn *conn;
		struct mt_control control;
		world_open(&world);
		conn = connect_limited(&world, cases[i].bytes, cases[i].is_wanted);
		assert_int_equal(world_take_connack(conn).reason, 0);
		world_send(&world, conn, mt_bytes_of(second, sizeof(second)));
		control = take_disconnect(conn);
		assert_int_equal(control.reason, 0x82);
		assert_int_equal((control.props.present & MT_PROP_BIT(REASON_STRING)) != 0,
				 cases[i].is_given);
		if (cases[i].is_given)
			assert_true(mt_bytes_equal(control.props.reason_string,
						   mt_bytes_str("MQTT-4.12.0-7")));
		world_close(&world);
	}
}

/* SUBACK says why, in words too, where there is room. */
static void suback_explains(void **state)
{
	struct world world;
	struct world_conn *conn;
	struct mt_sub_options options = {0};
	uint8_t list[64], data[128];
	struct mt_buf items = mt_buf_of(list, sizeof(list)), buf = mt_buf_of(data, sizeof(data));
	struct mt_subscribe subscribe = {
		.type = MT_PACKET_SUBSCRIBE, .packet_id = 1, .filter_count = 1};
	struct mt_suback suback;
	struct mt_frame frame;
	struct mt_violation why;
	(void)state;
	world_open(&world);
	conn = world_client(&world, MT_VERSION_5, "a", true);
	mt_subscribe_put(&items, mt_bytes_str("////////////////////////////////////////"), &options,
			 MT_VERSION_5);
	subscribe.list = mt_buf_view(&items);
	assert_int_equal(mt_subscribe_encode(&subscribe, MT_VERSION_5, &buf), MT_OK);
	world_send(&world, conn, mt_buf_view(&buf));
	frame = world_take(conn);
	assert_int_equal(mt_suback_decode(&frame, MT_VERSION_5, &suback, &why), MT_OK);
	assert_int_equal(suback.reasons.data[0], 0x8f);
	assert_true(suback.props.reason_string.len > 0);
	world_close(&world);
}

/* A client that takes next to nothing gets nothing that is larger. */
static void nothing_is_larger_than_the_client_takes(void **state)
{
	struct world world;
	struct world_conn *conn;
	(void)state;
	SPEC(MQTT5, "3.1.2-24");
	SPEC(MQTT5, "3.2.2-16");
	world_open(&world);
	conn = connect_limited(&world, 8, true);
	assert_true(conn->is_closed);
	assert_true(world_is_quiet(conn));
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connack_says_what_is_not_there),
		cmocka_unit_test(subscriptions_are_granted_the_highest_qos_there_is),
		cmocka_unit_test(what_was_not_offered_ends_the_connection),
		cmocka_unit_test(the_older_version_is_refused_in_its_own_words),
		cmocka_unit_test(wills_keep_to_the_offer),
		cmocka_unit_test(clients_are_sent_elsewhere),
		cmocka_unit_test(response_information_is_given_to_who_may_use_it),
		cmocka_unit_test(reason_strings_go_to_who_wants_them_and_has_room),
		cmocka_unit_test(suback_explains),
		cmocka_unit_test(nothing_is_larger_than_the_client_takes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
