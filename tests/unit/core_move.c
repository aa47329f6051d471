/* Connections that move to the core that owns their session. */
#include "cores_world.h"

#include "spec.h"

static void a_session_lives_on_one_core(void **state)
{
	struct cores *cores = cores_open(3);
	struct cores_conn *first = cores_client(cores, 0, "c", false), *again;
	uint32_t home = first->core;
	(void)state;
	SPEC(MQTT5, "3.1.4-3");
	for (uint32_t i = 1; i < 3; i++) {
		again = cores_client(cores, i, "c", false);
		assert_int_equal(again->core, home);
		assert_true(first->out.is_closed);
		assert_int_equal(world_take_disconnect(&first->out), MT_REASON_SESSION_TAKEN_OVER);
		first = again;
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(mt_core_counts(cores->core[i]).sessions, i == home);
		assert_int_equal(mt_core_counts(cores->core[i]).connections, i == home);
	}
	cores_close(cores);
}

static void a_session_is_resumed_from_any_core(void **state)
{
	struct cores *cores = cores_open(2);
	struct cores_conn *pub = cores_client_at(cores, 1, "pub", true);
	struct cores_conn *sub = cores_client(cores, 0, "c", false);
	struct cores_conn *again;
	(void)state;
	cores_subscribe(cores, sub, "t", 1);
	mt_core_closed(cores->core[sub->core], cores->now, sub->conn);
	sub->conn = MT_HANDLE_NONE;
	cores_serve(cores);
	cores_publish(cores, pub, "t", "x", 1, false, 1);
	again = cores_dial(cores, 1, "open");
	cores_send_connect(cores, again, "c", false);
	assert_true(world_take_connack(&again->out).is_session_present);
	world_expect(&again->out, "t", "x");
	cores_close(cores);
}

/* An id, whose session belongs to core 1. */
static void find_id(struct cores *cores, char id[64])
{
	struct cores_conn *conn = cores_client_at(cores, 1, "c", true);
	struct mt_client_info info;
	uint32_t cursor = 0;
	assert_true(mt_core_next_client(cores->core[1], &cursor, &info));
	memcpy(id, info.client_id, 64);
	mt_core_closed(cores->core[1], cores->now, conn->conn);
	conn->conn = MT_HANDLE_NONE;
	cores_serve(cores);
}

/* What came behind the CONNECT in one piece, and in a later one, goes with it, in order. */
static void unread_bytes_go_with_it(void **state)
{
	struct cores *cores = cores_open(2);
	struct cores_conn *conn;
	struct mt_connect connect = {.version = MT_VERSION_5, .is_clean = true};
	uint8_t data[512];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	char id[64];
	(void)state;
	find_id(cores, id);
	conn = cores_dial(cores, 0, "open");
	conn->out.version = MT_VERSION_5;
	connect.client_id = mt_bytes_str(id);
	assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
	mt_ping_encode(MT_PACKET_PINGREQ, &buf);
	mt_ping_encode(MT_PACKET_PINGREQ, &buf);
	/* The last byte comes later, before the shell has seen the request. */
	mt_core_input(cores->core[0], cores->now, conn->conn, mt_bytes_of(data, buf.pos - 1));
	mt_core_input(cores->core[0], cores->now, conn->conn, mt_bytes_of(data + buf.pos - 1, 1));
	cores_serve(cores);
	assert_int_equal(conn->core, 1);
	assert_int_equal(conn->moves, 1);
	assert_int_equal(world_take_connack(&conn->out).reason, MT_REASON_SUCCESS);
	assert_int_equal(world_take(&conn->out).type, MT_PACKET_PINGRESP);
	assert_int_equal(world_take(&conn->out).type, MT_PACKET_PINGRESP);
	assert_int_equal(mt_core_counts(cores->core[0]).connections, 0);
	cores_close(cores);
}

static void who_cannot_come_back_stays(void **state)
{
	struct cores *cores = cores_open(3);
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct cores_conn *conn = cores_dial(cores, i, "open"), *again;
		struct mt_connack connack;
		char id[64];
		cores_send_connect(cores, conn, "", false);
		connack = world_take_connack(&conn->out);
		assert_int_equal(conn->moves, 0);
		assert_int_equal(conn->core, i);
		/* And who comes back with the id that was given finds its session there. */
		mt_bytes_cut(id, sizeof(id), connack.props.assigned_client_id);
		mt_core_closed(cores->core[i], cores->now, conn->conn);
		conn->conn = MT_HANDLE_NONE;
		cores_serve(cores);
		again = cores_dial(cores, i + 1, "open");
		cores_send_connect(cores, again, id, false);
		assert_true(world_take_connack(&again->out).is_session_present);
		assert_int_equal(again->core, i);
	}
	cores_close(cores);
}

/* The password is checked where the client dialled; what policy says, where it goes. */
static void policy_is_asked_again(void **state)
{
	struct mt_rule rules[] = {
		{.operation = MT_OPERATION_BOTH, .qos_mask = 7, .filter = mt_bytes_str("#")}};
	struct mt_core_settings settings = world_settings();
	struct cores *cores = cores_open_with(2, &settings, world_policy(rules, 1));
	struct mt_auth_verdict verdict = {.is_accepted = true, .user_id = 7};
	uint32_t moved = 0;
	(void)state;
	for (int i = 0; i < 8; i++) {
		struct cores_conn *conn = cores_dial(cores, 0, "");
		struct mt_connect connect = {.version = MT_VERSION_5,
					     .is_clean = true,
					     .has_user = true,
					     .has_password = true,
					     .user = mt_bytes_str("ann"),
					     .password = mt_bytes_str("secret")};
		uint8_t data[512];
		struct mt_buf buf = mt_buf_of(data, sizeof(data));
		char id[8];
		snprintf(id, sizeof(id), "a%d", i);
		connect.client_id = mt_bytes_str(id);
		conn->out.version = MT_VERSION_5;
		assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
		cores_send(cores, conn, mt_buf_view(&buf));
		verdict.user_id = i < 4 ? 7 : 8; /* 8: gone from the policy since */
		mt_core_authenticated(cores->core[0], cores->now, cores->auth_ticket[0], &verdict);
		cores_serve(cores);
		moved += conn->moves;
		assert_int_equal(world_take_connack(&conn->out).reason,
				 i < 4 ? MT_REASON_SUCCESS : MT_REASON_NOT_AUTHORIZED);
	}
	assert_in_range(moved, 1, 7);
	cores_close(cores);
}

static void a_will_fires_on_the_core_of_the_session(void **state)
{
	struct cores *cores = cores_open(2);
	struct cores_conn *sub = cores_client_at(cores, 0, "sub", true), *conn;
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .has_will = true,
				     .will_topic = mt_bytes_str("w"),
				     .will_payload = mt_bytes_str("x")};
	uint8_t data[512];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	char id[64];
	(void)state;
	cores_subscribe(cores, sub, "w", 0);
	find_id(cores, id);
	conn = cores_dial(cores, 0, "open");
	conn->out.version = MT_VERSION_5;
	connect.client_id = mt_bytes_str(id);
	assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
	cores_send(cores, conn, mt_buf_view(&buf));
	assert_int_equal(conn->core, 1);
	mt_core_closed(cores->core[1], cores->now, conn->conn);
	cores_serve(cores);
	world_expect(&sub->out, "w", "x");
	cores_close(cores);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_lives_on_one_core),
		cmocka_unit_test(a_session_is_resumed_from_any_core),
		cmocka_unit_test(unread_bytes_go_with_it),
		cmocka_unit_test(who_cannot_come_back_stays),
		cmocka_unit_test(policy_is_asked_again),
		cmocka_unit_test(a_will_fires_on_the_core_of_the_session),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
