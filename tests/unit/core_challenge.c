/* Enhanced authentication: the flow of AUTH packets, with a method of the test that counts. */
#include "../core_world.h"
#include "../spec.h"

#define METHOD "COUNT"

static struct world_conn *begin(struct world *world, const char *method, const char *data)
{
	struct world_conn *conn = world_dial(world, "open");
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("c")};
	connect.props.present =
		MT_PROP_BIT(AUTHENTICATION_METHOD) | MT_PROP_BIT(AUTHENTICATION_DATA);
	connect.props.auth_method = mt_bytes_str(method);
	connect.props.auth_data = mt_bytes_str(data);
	world_send_connect(world, conn, &connect);
	return conn;
}

static void send_auth(struct world *world, struct world_conn *conn, uint8_t reason,
		      const char *method, const char *data)
{
	struct mt_control control = {.type = MT_PACKET_AUTH, .reason = reason};
	uint8_t room[256];
	struct mt_buf buf = mt_buf_of(room, sizeof(room));
	control.props.present =
		MT_PROP_BIT(AUTHENTICATION_METHOD) | MT_PROP_BIT(AUTHENTICATION_DATA);
	control.props.auth_method = mt_bytes_str(method);
	control.props.auth_data = mt_bytes_str(data);
	assert_int_equal(mt_control_encode(&control, MT_VERSION_5, &buf), MT_OK);
	world_send(world, conn, mt_buf_view(&buf));
}

static void answer(struct world *world, const struct mt_auth_verdict *verdict)
{
	mt_core_authenticated(world->core, world->now, world->auth_ticket, verdict);
	world_serve(world);
}

static void say_continue(struct world *world, const char *data)
{
	answer(world, &(struct mt_auth_verdict){.is_continued = true, .data = mt_bytes_str(data)});
}

static void say_yes(struct world *world, uint64_t user_id)
{
	answer(world, &(struct mt_auth_verdict){.is_accepted = true,
						.user_id = user_id,
						.data = mt_bytes_str("bye")});
}

static void expect_auth(struct world_conn *conn, uint8_t reason, const char *data)
{
	struct mt_frame frame = world_take(conn);
	struct mt_control control;
	struct mt_violation why;
	assert_int_equal(frame.type, MT_PACKET_AUTH);
	assert_int_equal(mt_control_decode(&frame, MT_VERSION_5, MT_SIDE_SERVER, &control, &why),
			 MT_OK);
	assert_int_equal(control.reason, reason);
	assert_true(mt_bytes_equal(control.props.auth_method, mt_bytes_str(METHOD)));
	assert_true(mt_bytes_equal(control.props.auth_data, mt_bytes_str(data)));
	assert_true(world_is_quiet(conn));
}

/* Let in as ann after one round. */
static struct world_conn *enter(struct world *world)
{
	struct world_conn *conn;
	world_open(world);
	conn = begin(world, METHOD, "1");
	say_continue(world, "2");
	expect_auth(conn, 0x18, "2");
	send_auth(world, conn, 0x18, METHOD, "3");
	say_yes(world, 7);
	assert_int_equal(world_take_connack(conn).reason, 0);
	return conn;
}

static void rounds_lead_to_connack(void **state)
{
	struct world world;
	struct world_conn *conn;
	struct mt_connack connack;
	(void)state;
	SPEC(MQTT5, "4.12.0-2");
	SPEC(MQTT5, "4.12.0-3");
	SPEC(MQTT5, "4.12.0-5");
	world_open(&world);
	conn = begin(&world, METHOD, "1");
	assert_string_equal(world.auth_method, METHOD);
	assert_string_equal(world.auth_data, "1");
	assert_true(world_is_quiet(conn) && conn->is_paused);
	say_continue(&world, "2");
	expect_auth(conn, 0x18, "2");
	assert_false(conn->is_paused);
	send_auth(&world, conn, 0x18, METHOD, "3");
	assert_string_equal(world.auth_data, "3");
	say_continue(&world, "4");
	expect_auth(conn, 0x18, "4");
	send_auth(&world, conn, 0x18, METHOD, "5");
	assert_int_equal(world.auth_count, 3);
	assert_false(world.is_auth_again);
	say_yes(&world, 7);
	connack = world_take_connack(conn);
	assert_int_equal(connack.reason, 0);
	assert_true(mt_bytes_equal(connack.props.auth_method, mt_bytes_str(METHOD)));
	assert_true(mt_bytes_equal(connack.props.auth_data, mt_bytes_str("bye")));
	assert_string_equal(world.last_audit.user, "ann");
	world_close(&world);
}

static void who_is_refused_gets_connack(void **state)
{
	static const uint8_t reasons[] = {0x8c, 0x87, 0x86};
	(void)state;
	SPEC(MQTT5, "4.12.0-1");
	SPEC(MQTT5, "4.12.0-4");
	for (size_t i = 0; i < sizeof(reasons); i++)
		for (int round = 0; round < 2; round++) {
			struct world world;
			struct world_conn *conn;
			world_open(&world);
			conn = begin(&world, METHOD, "1");
			if (round == 1) {
				say_continue(&world, "2");
				expect_auth(conn, 0x18, "2");
				send_auth(&world, conn, 0x18, METHOD, "3");
			}
			answer(&world, &(struct mt_auth_verdict){.reason = reasons[i]});
			assert_int_equal(world_take_connack(conn).reason, reasons[i]);
			assert_true(conn->is_closed);
			world_close(&world);
		}
}

/* CONNECT names nobody: the method heard the name. */
static void the_log_names_who_was_refused(void **state)
{
	struct world world;
	struct world_conn *conn;
	(void)state;
	world_open(&world);
	conn = begin(&world, METHOD, "1");
	answer(&world, &(struct mt_auth_verdict){.reason = 0x86,
						 .mechanism = MT_MECHANISM_SCRAM,
						 .refusal = MT_REFUSAL_SCRAM_PROOF,
						 .user = mt_bytes_str("bob")});
	assert_int_equal(world_take_connack(conn).reason, 0x86);
	assert_string_equal(world.last_audit.user, "bob");
	assert_string_equal(world.last_audit.what, mt_refusal_text(MT_REFUSAL_SCRAM_PROOF));
	world_close(&world);
}

static void rounds_are_bounded(void **state)
{
	struct world world;
	struct world_conn *conn;
	int rounds = 0;
	(void)state;
	world_open(&world);
	conn = begin(&world, METHOD, "1");
	while (!conn->is_closed && rounds++ < 100) {
		say_continue(&world, "more");
		if (conn->is_closed)
			break;
		expect_auth(conn, 0x18, "more");
		send_auth(&world, conn, 0x18, METHOD, "again");
	}
	assert_true(rounds < 100);
	assert_int_equal(world_take_connack(conn).reason, 0x87);
	world_close(&world);
}

/* Until CONNACK a client with a method sends AUTH or DISCONNECT; everything else is a violation. */
static void only_auth_or_disconnect_before_connack(void **state)
{
	static const struct {
		const char *bytes;
		size_t count;
		const char *statement; /* NULL: it may leave */
	} cases[16] = {{"\x00\x00", 2, "malformed"},
		       {"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01z", 16, "MQTT-3.1.0-2"},
		       {"\x20\x03\x00\x00\x00", 5, "section 2.1.2"},
		       {"\x30\x04\x00\x01t\x00", 6, "MQTT-3.1.2-30"},
		       {"\x40\x02\x00\x01", 4, "MQTT-3.1.2-30"},
		       {"\x50\x02\x00\x01", 4, "MQTT-3.1.2-30"},
		       {"\x62\x02\x00\x01", 4, "MQTT-3.1.2-30"},
		       {"\x70\x02\x00\x01", 4, "MQTT-3.1.2-30"},
		       {"\x82\x07\x00\x01\x00\x00\x01t\x00", 9, "MQTT-3.1.2-30"},
		       {"\x90\x04\x00\x01\x00\x00", 6, "section 2.1.2"},
		       {"\xa2\x06\x00\x01\x00\x00\x01t", 8, "MQTT-3.1.2-30"},
		       {"\xb0\x04\x00\x01\x00\x00", 6, "section 2.1.2"},
		       {"\xc0\x00", 2, "MQTT-3.1.2-30"},
		       {"\xd0\x00", 2, "section 2.1.2"},
		       {"\xe0\x00", 2, NULL},
		       {"\xf0\x00", 2, "MQTT-3.15.2-1"}}; /* success is the server's to say */
	(void)state;
	SPEC(MQTT5, "3.1.2-30");
	SPEC(MQTT5, "3.15.2-1");
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct world world;
		struct world_conn *conn;
		world_open(&world);
		conn = begin(&world, METHOD, "1");
		say_continue(&world, "2");
		expect_auth(conn, 0x18, "2");
		world_send(&world, conn, mt_bytes_of(cases[i].bytes, cases[i].count));
		assert_true(conn->is_closed);
		assert_true(world_is_quiet(conn));
		assert_int_equal(mt_core_counts(world.core).violations, cases[i].statement != NULL);
		if (cases[i].statement)
			assert_string_equal(world.last_audit.statement, cases[i].statement);
		assert_int_equal(mt_core_counts(world.core).sessions, 0);
		world_close(&world);
	}
}

static void the_method_stays_the_same(void **state)
{
	struct world world;
	struct world_conn *conn;
	(void)state;
	SPEC(MQTT5, "4.12.0-5");
	world_open(&world);
	conn = begin(&world, METHOD, "1");
	say_continue(&world, "2");
	expect_auth(conn, 0x18, "2");
	send_auth(&world, conn, 0x18, "OTHER", "3");
	assert_true(conn->is_closed);
	assert_string_equal(world.last_audit.statement, "MQTT-4.12.0-5");
	world_close(&world);
}

/* What the client cannot take is never sent, so it is told that this does not work. */
static void no_auth_is_larger_than_the_client_takes(void **state)
{
	struct world world;
	struct world_conn *conn;
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("c")};
	(void)state;
	SPEC(MQTT5, "3.15.2-2");
	SPEC(MQTT5, "3.15.2-3");
	world_open(&world);
	conn = world_dial(&world, "open");
	connect.props.present =
		MT_PROP_BIT(AUTHENTICATION_METHOD) | MT_PROP_BIT(MAXIMUM_PACKET_SIZE);
	connect.props.auth_method = mt_bytes_str(METHOD);
	connect.props.packet_bytes_max = 40;
	world_send_connect(&world, conn, &connect);
	say_continue(&world, "a few");
	expect_auth(conn, 0x18, "a few");
	send_auth(&world, conn, 0x18, METHOD, "x");
	say_continue(&world, "more bytes than a packet of forty can hold");
	assert_int_equal(world_take_connack(conn).reason, 0x95);
	assert_true(conn->is_closed);
	world_close(&world);
}

static void the_time_for_connect_holds(void **state)
{
	struct world world;
	struct world_conn *conn;
	(void)state;
	world_open(&world);
	conn = begin(&world, METHOD, "1");
	world_pass(&world, 6 * MT_SECOND);
	say_continue(&world, "2");
	expect_auth(conn, 0x18, "2");
	world_pass(&world, 6 * MT_SECOND);
	assert_true(conn->is_closed);
	world_close(&world);
}

static void an_open_connection_authenticates_again(void **state)
{
	struct world world;
	struct world_conn *conn = enter(&world);
	static const uint8_t ping[] = {0xc0, 0};
	(void)state;
	SPEC(MQTT5, "4.12.0-5");
	send_auth(&world, conn, 0x19, METHOD, "1");
	assert_true(world.is_auth_again);
	assert_string_equal(world.auth_data, "1");
	/* Meanwhile the connection goes on. */
	world_send(&world, conn, mt_bytes_of(ping, sizeof(ping)));
	assert_int_equal(world_take(conn).type, MT_PACKET_PINGRESP);
	say_continue(&world, "2");
	expect_auth(conn, 0x18, "2");
	world_send(&world, conn, mt_bytes_of(ping, sizeof(ping)));
	assert_int_equal(world_take(conn).type, MT_PACKET_PINGRESP);
	send_auth(&world, conn, 0x18, METHOD, "3");
	say_yes(&world, 7);
	expect_auth(conn, 0x00, "bye");
	send_auth(&world, conn, 0x19, METHOD, "1");
	say_yes(&world, 7);
	expect_auth(conn, 0x00, "bye");
	assert_false(conn->is_closed);
	world_close(&world);
}

/* A failure ends the connection; so does another identity, and each reason can stand in DISCONNECT.
 */
static void a_failure_on_the_open_connection_ends_it(void **state)
{
	static const struct mt_auth_verdict verdicts[] = {{.reason = 0x86},
							  {.reason = 0x87},
							  {.is_accepted = true, .user_id = 8},
							  {.is_accepted = true, .user_id = 0}};
	(void)state;
	SPEC(MQTT5, "4.12.1-2");
	for (size_t i = 0; i < MT_COUNT_OF(verdicts); i++) {
		struct world world;
		struct world_conn *conn = enter(&world);
		send_auth(&world, conn, 0x19, METHOD, "1");
		answer(&world, &verdicts[i]);
		assert_true(conn->is_closed);
		assert_int_equal(world_take_disconnect(conn), 0x87);
		world_close(&world);
	}
}

static void turns_are_kept(void **state)
{
	static const struct {
		uint8_t first, second;
		const char *method;
		const char *statement;
	} cases[] = {{0x18, 0, METHOD, "MQTT-4.12.0-3"},
		     {0x19, 0x18, METHOD, "MQTT-4.12.0-3"},
		     {0x19, 0x19, METHOD, "section 4.12.1"},
		     {0x19, 0, "OTHER", "MQTT-4.12.1-1"}};
	(void)state;
	SPEC(MQTT5, "4.12.1-1");
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct world world;
		struct world_conn *conn = enter(&world);
		send_auth(&world, conn, cases[i].first, cases[i].method, "x");
		if (cases[i].second != 0)
			send_auth(&world, conn, cases[i].second, METHOD, "y");
		assert_true(conn->is_closed);
		assert_string_equal(world.last_audit.statement, cases[i].statement);
		assert_int_equal(world_take_disconnect(conn), 0x82);
		/* What the shell still answers meets nobody. */
		say_yes(&world, 7);
		world_close(&world);
	}
}

/* Without a method nothing of it is ever said. */
static void without_a_method_there_is_no_auth(void **state)
{
	struct world world;
	struct world_conn *conn;
	struct mt_connack connack;
	(void)state;
	SPEC(MQTT5, "4.12.0-6");
	SPEC(MQTT5, "4.12.0-7");
	world_open(&world);
	conn = world_dial(&world, "open");
	connack = world_connect(&world, conn, MT_VERSION_5, "a", true);
	assert_int_equal(connack.props.present & MT_PROP_BIT(AUTHENTICATION_METHOD), 0);
	send_auth(&world, conn, 0x19, METHOD, "1");
	assert_int_equal(world_take_disconnect(conn), 0x82);
	assert_string_equal(world.last_audit.statement, "MQTT-4.12.0-7");
	assert_int_equal(world.auth_count, 0);
	world_close(&world);
}

/* What an AUTH says is a secret like a password. */
static void secrets_need_a_safe_connection(void **state)
{
	struct world world;
	struct world_conn *conn = NULL;
	struct mt_conn_facts facts = {.listener = "test", .anonymous_role = "open"};
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("c")};
	(void)state;
	world_open(&world);
	conn = &world.conns[world.conn_count++];
	conn->out = malloc(WORLD_OUT_BYTES);
	assert_non_null(conn->out);
	assert_int_equal(mt_core_open(world.core, world.now, &facts, &conn->conn), MT_OK);
	connect.props.present = MT_PROP_BIT(AUTHENTICATION_METHOD);
	connect.props.auth_method = mt_bytes_str(METHOD);
	world_send_connect(&world, conn, &connect);
	assert_int_equal(world.auth_count, 0);
	assert_int_equal(world_take_connack(conn).reason, 0x87);
	assert_true(conn->is_closed);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_lead_to_connack),
		cmocka_unit_test(who_is_refused_gets_connack),
		cmocka_unit_test(the_log_names_who_was_refused),
		cmocka_unit_test(rounds_are_bounded),
		cmocka_unit_test(only_auth_or_disconnect_before_connack),
		cmocka_unit_test(the_method_stays_the_same),
		cmocka_unit_test(no_auth_is_larger_than_the_client_takes),
		cmocka_unit_test(the_time_for_connect_holds),
		cmocka_unit_test(an_open_connection_authenticates_again),
		cmocka_unit_test(a_failure_on_the_open_connection_ends_it),
		cmocka_unit_test(turns_are_kept),
		cmocka_unit_test(without_a_method_there_is_no_auth),
		cmocka_unit_test(secrets_need_a_safe_connection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
