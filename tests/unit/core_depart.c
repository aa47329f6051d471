/* Ends of connections: what becomes of the will and of the session. */
#include "core_world.h"
#include "spec.h"

static struct world_conn *dial_with_will(struct world *world, uint32_t expiry_s, uint32_t delay_s,
					 bool is_clean)
{
	struct world_conn *conn = world_dial(world, "open");
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = is_clean,
				     .client_id = mt_bytes_str("a"),
				     .has_will = true,
				     .will_topic = mt_bytes_str("will"),
				     .will_payload = mt_bytes_str("gone")};
	connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
	connect.props.session_expiry_s = expiry_s;
	connect.will_props.present = MT_PROP_BIT(WILL_DELAY_INTERVAL);
	connect.will_props.will_delay_s = delay_s;
	world_send_connect(world, conn, &connect);
	assert_int_equal(world_take_connack(conn).reason, MT_REASON_SUCCESS);
	return conn;
}

/* Section 3.1.4: the will is sent at once when it does not wait or when the session ends with the
 * takeover; otherwise the session goes on and the will is forgotten. */
static void takeover_and_the_will(void **state)
{
	static const struct {
		uint32_t expiry_s, delay_s;
		bool is_clean, is_will_sent;
	} cases[] = {{100, 10, false, false}, {100, 0, false, true}, {100, 10, true, true},
		     {0, 10, false, true},    {0, 0, false, true},   {0, 10, true, true}};
	(void)state;
	SPEC(MQTT5, "3.1.3-9");
	SPEC(MQTT5, "3.1.4-3");
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct world world;
		struct world_conn *first, *watcher;
		world_open(&world);
		watcher = world_client(&world, MT_VERSION_5, "w", true);
		world_subscribe(&world, watcher, "will", 0);
		first = dial_with_will(&world, cases[i].expiry_s, cases[i].delay_s, true);
		world_connect(&world, world_dial(&world, "open"), MT_VERSION_5, "a",
			      cases[i].is_clean);
		assert_int_equal(world_take_disconnect(first), MT_REASON_SESSION_TAKEN_OVER);
		assert_true(first->is_closed);
		if (cases[i].is_will_sent)
			world_expect(watcher, "will", "gone");
		world_pass(&world, 60 * MT_SECOND);
		assert_true(world_is_quiet(watcher));
		world_close(&world);
	}
}

/* DISCONNECT may change how long the session lives, but not give life to one that was to end
 * (section 3.14.2.2.2). */
static void disconnect_changes_the_life_of_the_session(void **state)
{
	static const struct {
		uint32_t before_s, after_s;
		bool is_refused, lives_50_s, lives_200_s;
	} cases[] = {{100, 300, false, true, true}, {300, 100, false, true, false},
		     {300, 0, false, false, false}, {0, 100, true, false, false},
		     {0, 0, false, false, false},   {100, 100000, false, true, true}};
	(void)state;
	SPEC(MQTT5, "4.1.0-2");
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct mt_control control = {.type = MT_PACKET_DISCONNECT};
		struct world world;
		struct world_conn *conn;
		uint8_t data[32];
		struct mt_buf buf = mt_buf_of(data, sizeof(data));
		world_open(&world);
		conn = dial_with_will(&world, cases[i].before_s, 0, true);
		control.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		control.props.session_expiry_s = cases[i].after_s;
		assert_int_equal(mt_control_encode(&control, MT_VERSION_5, &buf), MT_OK);
		world_send(&world, conn, mt_buf_view(&buf));
		assert_true(conn->is_closed);
		if (cases[i].is_refused)
			assert_int_equal(world_take_disconnect(conn), MT_REASON_PROTOCOL_ERROR);
		assert_true(world_is_quiet(conn));
		world_pass(&world, 50 * MT_SECOND);
		assert_int_equal(mt_core_counts(world.core).sessions, cases[i].lives_50_s);
		world_pass(&world, 150 * MT_SECOND);
		assert_int_equal(mt_core_counts(world.core).sessions, cases[i].lives_200_s);
		/* The limit of the broker holds here too. */
		world_pass(&world, 3500 * MT_SECOND);
		assert_int_equal(mt_core_counts(world.core).sessions, 0);
		world_close(&world);
	}
}

/* A will's expiry begins when it is sent (section 3.1.3.2.4), not when it was told. */
static void a_will_expires_from_when_it_is_sent(void **state)
{
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .client_id = mt_bytes_str("a"),
				     .has_will = true,
				     .will_qos = 1,
				     .is_will_retain = true,
				     .will_topic = mt_bytes_str("will"),
				     .will_payload = mt_bytes_str("gone")};
	struct world world;
	struct world_conn *conn, *first, *second, *late;
	(void)state;
	world_open(&world);
	first = world_client(&world, MT_VERSION_5, "w", true);
	world_subscribe(&world, first, "will", 0);
	conn = world_dial(&world, "open");
	connect.will_props.present = MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL);
	connect.will_props.message_expiry_s = 60;
	world_send_connect(&world, conn, &connect);
	assert_int_equal(world_take_connack(conn).reason, 0);
	world_pass(&world, 500 * MT_SECOND);
	world_cut(&world, conn);
	assert_int_equal(world_expect(first, "will", "gone").props.message_expiry_s, 60);
	world_pass(&world, 20 * MT_SECOND);
	second = world_client(&world, MT_VERSION_5, "x", true);
	world_subscribe(&world, second, "will", 0);
	assert_int_equal(world_expect(second, "will", "gone").props.message_expiry_s, 40);
	assert_int_equal(mt_core_counts(world.core).retained_count, 1);
	world_pass(&world, 40 * MT_SECOND);
	late = world_client(&world, MT_VERSION_5, "y", true);
	world_subscribe(&world, late, "will", 0);
	assert_true(world_is_quiet(late));
	/* It has made room for another one. */
	assert_int_equal(mt_core_counts(world.core).retained_count, 0);
	world_close(&world);
}

/* Only the normal end takes the will with it; a client that leaves with an error is gone too. */
static void every_other_reason_sends_the_will(void **state)
{
	static const uint8_t reasons[] = {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90,
					  0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99};
	(void)state;
	SPEC(MQTT5, "3.14.4-3");
	for (size_t i = 0; i < MT_COUNT_OF(reasons); i++) {
		struct world world;
		struct world_conn *watcher, *leaver;
		world_open(&world);
		watcher = world_client(&world, MT_VERSION_5, "w", true);
		world_subscribe(&world, watcher, "will", 0);
		leaver = dial_with_will(&world, 100, 0, true);
		world_disconnect(&world, leaver, reasons[i]);
		if (reasons[i] != 0)
			world_expect(watcher, "will", "gone");
		assert_true(world_is_quiet(watcher));
		world_close(&world);
	}
}

/* A session ends before its will's delay does: the will goes with it, not after it. */
static void will_goes_at_the_end_of_the_session(void **state)
{
	struct world world;
	struct world_conn *watcher;
	(void)state;
	world_open(&world);
	watcher = world_client(&world, MT_VERSION_5, "w", true);
	world_subscribe(&world, watcher, "will", 0);
	world_cut(&world, dial_with_will(&world, 5, 1000, true));
	world_pass(&world, 4 * MT_SECOND);
	assert_true(world_is_quiet(watcher));
	world_pass(&world, 2 * MT_SECOND);
	world_expect(watcher, "will", "gone");
	assert_int_equal(mt_core_counts(world.core).sessions, 1);
	world_close(&world);
}

/* 3.1.1 knows no expiry: clean=0 keeps the session as long as the limit says, clean=1 ends one. */
static void older_version_keeps_sessions(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	SPEC(MQTT3, "3.1.2-4");
	SPEC(MQTT3, "3.1.2-6");
	SPEC(MQTT3, "3.2.2-2");
	world_open(&world);
	b = world_client(&world, MT_VERSION_3_1_1, "b", true);
	a = world_client(&world, MT_VERSION_3_1_1, "a", false);
	world_subscribe(&world, a, "t", 1);
	world_disconnect(&world, a, 0);
	world_publish(&world, b, "t", "while away", 1, false, 1);
	world_take_ack(b, MT_PACKET_PUBACK, 1);
	a = world_dial(&world, "open");
	assert_true(world_connect(&world, a, MT_VERSION_3_1_1, "a", false).is_session_present);
	world_expect(a, "t", "while away");
	world_disconnect(&world, a, 0);
	a = world_dial(&world, "open");
	assert_false(world_connect(&world, a, MT_VERSION_3_1_1, "a", true).is_session_present);
	world_disconnect(&world, a, 0);
	a = world_dial(&world, "open");
	assert_false(world_connect(&world, a, MT_VERSION_3_1_1, "a", false).is_session_present);
	world_disconnect(&world, a, 0);
	world_pass(&world, 3601 * MT_SECOND);
	assert_int_equal(mt_core_counts(world.core).sessions, 1);
	world_close(&world);
}

/* Kept sessions count against the limit; their owners may still come back. */
static void sessions_have_a_limit(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("c")};
	struct world world;
	struct world_conn *a, *c;
	(void)state;
	settings.limits.sessions = 2;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", false);
	world_client(&world, MT_VERSION_5, "b", false);
	world_cut(&world, a);
	c = world_dial(&world, "open");
	world_send_connect(&world, c, &connect);
	assert_int_equal(world_take_connack(c).reason, MT_REASON_QUOTA_EXCEEDED);
	assert_true(c->is_closed);
	a = world_dial(&world, "open");
	assert_true(world_connect(&world, a, MT_VERSION_5, "a", false).is_session_present);
	world_disconnect(&world, a, 0);
	world_pass(&world, 601 * MT_SECOND);
	world_client(&world, MT_VERSION_5, "c", true);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disconnect_changes_the_life_of_the_session),
		cmocka_unit_test(a_will_expires_from_when_it_is_sent),
		cmocka_unit_test(takeover_and_the_will),
		cmocka_unit_test(every_other_reason_sends_the_will),
		cmocka_unit_test(will_goes_at_the_end_of_the_session),
		cmocka_unit_test(older_version_keeps_sessions),
		cmocka_unit_test(sessions_have_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
