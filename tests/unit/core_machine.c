/* Every phase of a connection meets every packet type, in both versions: what the core does is what
 * the standard says. */
#include "../core_world.h"
#include "../spec.h"

enum phase { CONNECT, AUTHENTICATE, OPEN, CLOSING };

struct sample {
	const char *old, *new; /* the smallest valid packet, as 3.1.1 and as 5.0 writes it */
	size_t old_bytes, new_bytes;
};

#define SAMPLE(old, new) \
	{ \
		old, new, sizeof(old) - 1, sizeof(new) - 1 \
	}
static const struct sample samples[16] = {
	SAMPLE("\x00\x00", "\x00\x00"),
	SAMPLE("\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01z",
	       "\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01z"),
	SAMPLE("\x20\x02\x00\x00", "\x20\x03\x00\x00\x00"),
	SAMPLE("\x30\x03\x00\x01t", "\x30\x04\x00\x01t\x00"),
	SAMPLE("\x40\x02\x00\x01", "\x40\x02\x00\x01"),
	SAMPLE("\x50\x02\x00\x01", "\x50\x02\x00\x01"),
	SAMPLE("\x62\x02\x00\x01", "\x62\x02\x00\x01"),
	SAMPLE("\x70\x02\x00\x01", "\x70\x02\x00\x01"),
	SAMPLE("\x82\x06\x00\x01\x00\x01t\x00", "\x82\x07\x00\x01\x00\x00\x01t\x00"),
	SAMPLE("\x90\x03\x00\x01\x00", "\x90\x04\x00\x01\x00\x00"),
	SAMPLE("\xa2\x05\x00\x01\x00\x01t", "\xa2\x06\x00\x01\x00\x00\x01t"),
	SAMPLE("\xb0\x02\x00\x01", "\xb0\x04\x00\x01\x00\x00"),
	SAMPLE("\xc0\x00", "\xc0\x00"),
	SAMPLE("\xd0\x00", "\xd0\x00"),
	SAMPLE("\xe0\x00", "\xe0\x00"),
	SAMPLE("\xf0\x00", "\xf0\x00"),
};

/* What the standard wants of a server in an open connection: an answer (its first byte; 0: none),
 * an end, or a violation with its reason code of 5.0. */
struct wanted {
	uint8_t answer;
	bool is_end;
	uint8_t reason;
	const char *old, *new;
};

static const struct wanted open_wanted[16] = {
	{0, true, 0x81, "malformed", "malformed"},
	{0, true, 0x82, "MQTT-3.1.0-2", "MQTT-3.1.0-2"},
	{0, true, 0x82, "section 2.2.1", "section 2.1.2"},
	{0, false, 0, NULL, NULL},
	{0, false, 0, NULL, NULL},
	{0x62, false, 0, NULL, NULL},
	{0x70, false, 0, NULL, NULL},
	{0, false, 0, NULL, NULL},
	{0x90, false, 0, NULL, NULL},
	{0, true, 0x82, "section 2.2.1", "section 2.1.2"},
	{0xb0, false, 0, NULL, NULL},
	{0, true, 0x82, "section 2.2.1", "section 2.1.2"},
	{0xd0, false, 0, NULL, NULL},
	{0, true, 0x82, "section 2.2.1", "section 2.1.2"},
	{0, true, 0, NULL, NULL},
	{0, true, 0x82, "section 2.2.1", "MQTT-4.12.0-7"},
};

static struct mt_bytes packet_of(uint8_t type, enum mt_version version)
{
	const struct sample *sample = &samples[type];
	return version == MT_VERSION_5 ? mt_bytes_of(sample->new, sample->new_bytes)
				       : mt_bytes_of(sample->old, sample->old_bytes);
}

static struct world_conn *enter(struct world *world, enum phase phase, enum mt_version version)
{
	struct mt_connect connect = {.version = version,
				     .is_clean = true,
				     .client_id = mt_bytes_str("c"),
				     .has_user = true,
				     .has_password = true,
				     .user = mt_bytes_str("ann"),
				     .password = mt_bytes_str("secret")};
	struct world_conn *conn;
	world_open(world);
	if (phase == OPEN || phase == CLOSING)
		conn = world_client(world, version, "c", true);
	else
		conn = world_dial(world, "open");
	if (phase == AUTHENTICATE)
		world_send_connect(world, conn, &connect);
	if (phase == CLOSING)
		assert_int_equal(mt_core_kick(world->core, world->now, mt_bytes_of(NULL, 0),
					      mt_bytes_str("c")),
				 1);
	return conn;
}

static void expect_open(struct world *world, struct world_conn *conn, uint8_t type,
			enum mt_version version)
{
	const struct wanted *wanted = &open_wanted[type];
	const char *statement = version == MT_VERSION_5 ? wanted->new : wanted->old;
	world_send(world, conn, packet_of(type, version));
	assert_int_equal(conn->is_closed, wanted->is_end);
	assert_int_equal(mt_core_counts(world->core).violations, statement != NULL);
	if (statement)
		assert_string_equal(world->last_audit.statement, statement);
	if (statement && version == MT_VERSION_5)
		assert_int_equal(world_take_disconnect(conn), wanted->reason);
	if (wanted->answer)
		assert_int_equal(world_take(conn).type, wanted->answer >> 4);
	assert_true(world_is_quiet(conn));
}

static void an_open_connection_takes_what_a_client_may_send(void **state)
{
	static const enum mt_version versions[] = {MT_VERSION_3_1_1, MT_VERSION_5};
	(void)state;
	SPEC(MQTT5, "3.1.0-2");
	SPEC(MQTT3, "3.1.0-2");
	SPEC(MQTT5, "4.12.0-7");
	SPEC(MQTT5, "4.13.1-1");
	SPEC(MQTT5, "3.12.4-1");
	SPEC(MQTT3, "3.12.4-1");
	for (size_t v = 0; v < 2; v++)
		for (uint8_t type = 0; type < 16; type++) {
			struct world world;
			struct world_conn *conn = enter(&world, OPEN, versions[v]);
			expect_open(&world, conn, type, versions[v]);
			world_close(&world);
		}
}

static void nothing_comes_before_connect(void **state)
{
	static const enum mt_version versions[] = {MT_VERSION_3_1_1, MT_VERSION_5};
	(void)state;
	SPEC(MQTT5, "3.1.0-1");
	SPEC(MQTT3, "3.1.0-1");
	SPEC(MQTT5, "3.14.0-1");
	for (size_t v = 0; v < 2; v++)
		for (uint8_t type = 0; type < 16; type++) {
			struct world world;
			struct world_conn *conn = enter(&world, CONNECT, versions[v]);
			conn->version = versions[v];
			world_send(&world, conn, packet_of(type, versions[v]));
			if (type == MT_PACKET_CONNECT) {
				assert_int_equal(world_take_connack(conn).reason, 0);
				assert_false(conn->is_closed);
			} else {
				assert_true(conn->is_closed);
				assert_string_equal(world.last_audit.statement,
						    type == 0 ? "malformed" : "MQTT-3.1.0-1");
			}
			/* A DISCONNECT would not be understood: the version is not known. */
			assert_true(world_is_quiet(conn));
			world_close(&world);
		}
}

static void what_comes_before_the_verdict_waits_for_it(void **state)
{
	static const enum mt_version versions[] = {MT_VERSION_3_1_1, MT_VERSION_5};
	struct mt_auth_verdict verdict = {.is_accepted = true, .user_id = 7};
	(void)state;
	for (size_t v = 0; v < 2; v++)
		for (uint8_t type = 0; type < 16; type++) {
			struct world world;
			struct world_conn *conn = enter(&world, AUTHENTICATE, versions[v]);
			const struct wanted *wanted = &open_wanted[type];
			world_send(&world, conn, packet_of(type, versions[v]));
			assert_false(conn->is_closed);
			assert_true(world_is_quiet(conn));
			assert_int_equal(mt_core_counts(world.core).violations, 0);
			mt_core_authenticated(world.core, world.now, world.auth_ticket, &verdict);
			world_serve(&world);
			assert_int_equal(world_take_connack(conn).reason, 0);
			assert_int_equal(conn->is_closed, wanted->is_end);
			assert_int_equal(mt_core_counts(world.core).violations,
					 wanted->new != NULL);
			world_close(&world);
		}
}

/* [MQTT-3.1.4-6]: nor does anything happen after a verdict that says no. */
static void nothing_is_read_at_the_end(void **state)
{
	static const enum mt_version versions[] = {MT_VERSION_3_1_1, MT_VERSION_5};
	(void)state;
	for (size_t v = 0; v < 2; v++)
		for (uint8_t type = 0; type < 16; type++) {
			struct world world;
			struct world_conn *conn = enter(&world, CLOSING, versions[v]);
			uint64_t packets = mt_core_counts(world.core).packets_received;
			mt_core_input(world.core, world.now, conn->conn,
				      packet_of(type, versions[v]));
			assert_int_equal(mt_core_counts(world.core).packets_received, packets);
			assert_int_equal(mt_core_counts(world.core).violations, 0);
			world_serve(&world);
			assert_true(conn->is_closed);
			if (versions[v] == MT_VERSION_5)
				assert_int_equal(world_take_disconnect(conn), 0x98);
			assert_true(world_is_quiet(conn));
			world_close(&world);
		}
}

static void nothing_is_done_for_who_is_refused(void **state)
{
	struct mt_auth_verdict verdict = {.reason = MT_REASON_BAD_USER_NAME_OR_PASSWORD};
	(void)state;
	SPEC(MQTT5, "3.1.4-6");
	for (uint8_t type = 1; type < 16; type++) {
		struct world world;
		struct world_conn *conn = enter(&world, AUTHENTICATE, MT_VERSION_5);
		world_send(&world, conn, packet_of(type, MT_VERSION_5));
		mt_core_authenticated(world.core, world.now, world.auth_ticket, &verdict);
		world_serve(&world);
		assert_int_equal(world_take_connack(conn).reason, 0x86);
		assert_true(conn->is_closed);
		assert_true(world_is_quiet(conn));
		assert_int_equal(mt_core_counts(world.core).packets_received, 1);
		world_close(&world);
	}
}

/* The header's faults bear the numbers of the peer's own standard. */
static void faults_of_the_header_are_named_by_version(void **state)
{
	static const struct {
		const char *bytes;
		const char *old, *new;
	} cases[] = {
		{"\xc1\x01", "MQTT-2.2.2-2", "MQTT-2.1.3-1"},
		{"\xe1\x01", "MQTT-2.2.2-2", "MQTT-3.14.1-1"},
		{"\x61\x01", "MQTT-3.6.1-1", "MQTT-3.6.1-1"},
		{"\x81\x01", "MQTT-3.8.1-1", "MQTT-3.8.1-1"},
		{"\xa1\x01", "MQTT-3.10.1-1", "MQTT-3.10.1-1"},
	};
	(void)state;
	SPEC(MQTT3, "2.2.2-2");
	SPEC(MQTT5, "2.1.3-1");
	SPEC(MQTT5, "3.14.1-1");
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++)
		for (int v = 4; v <= 5; v++) {
			struct world world;
			struct world_conn *conn = enter(&world, OPEN, (enum mt_version)v);
			world_send(&world, conn, mt_bytes_str(cases[i].bytes));
			assert_true(conn->is_closed);
			assert_string_equal(world.last_audit.statement,
					    v == 5 ? cases[i].new : cases[i].old);
			world_close(&world);
		}
}

/* A byte now and then is no Control Packet. */
static void a_packet_must_come_within_keep_alive(void **state)
{
	static const uint8_t head[] = {0x30, 0x7f, 0, 1, 't'};
	struct world world;
	struct world_conn *conn;
	struct mt_connect connect = {.version = MT_VERSION_3_1_1,
				     .is_clean = true,
				     .keep_alive_s = 10,
				     .client_id = mt_bytes_str("drip")};
	(void)state;
	SPEC(MQTT5, "3.1.2-22");
	SPEC(MQTT3, "3.1.2-24");
	world_open(&world);
	conn = world_dial(&world, "open");
	world_send_connect(&world, conn, &connect);
	assert_int_equal(world_take_connack(conn).reason, 0);
	for (size_t i = 0; i < sizeof(head) && !conn->is_closed; i++) {
		world_send(&world, conn, mt_bytes_of(head + i, 1));
		world_pass(&world, 4 * MT_SECOND);
	}
	assert_true(conn->is_closed);
	assert_string_equal(world.last_audit.what, "keep-alive ran out");
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_connection_takes_what_a_client_may_send),
		cmocka_unit_test(nothing_comes_before_connect),
		cmocka_unit_test(what_comes_before_the_verdict_waits_for_it),
		cmocka_unit_test(nothing_is_read_at_the_end),
		cmocka_unit_test(nothing_is_done_for_who_is_refused),
		cmocka_unit_test(faults_of_the_header_are_named_by_version),
		cmocka_unit_test(a_packet_must_come_within_keep_alive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
