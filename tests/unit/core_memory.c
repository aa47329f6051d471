/* Each allocation fails in turn while everything that keeps memory for a client is in use: some
 * connection may go, the core may not, and nothing is left behind. */
#include "core/state.h"
#include "core_world.h"

static void say(struct world *world, struct world_conn *conn, const struct mt_connect *connect)
{
	uint8_t data[256];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	assert_int_equal(mt_connect_encode(connect, &buf), MT_OK);
	world_send(world, conn, mt_buf_view(&buf));
}

static struct world_conn *dial(struct world *world)
{
	struct world_conn *conn = &world->conns[world->conn_count++];
	struct mt_conn_facts facts = {.listener = "test",
				      .anonymous_role = "open",
				      .has_anonymous_sessions = true,
				      .is_secret_safe = true};
	conn->version = MT_VERSION_5;
	conn->out = malloc(WORLD_OUT_BYTES);
	assert_non_null(conn->out);
	if (mt_core_open(world->core, world->now, &facts, &conn->conn) != MT_OK)
		conn->conn = UINT64_MAX;
	world_serve(world);
	return conn;
}

static struct mt_connect connect_of(const char *id)
{
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str(id)};
	connect.props.present =
		MT_PROP_BIT(TOPIC_ALIAS_MAXIMUM) | MT_PROP_BIT(REQUEST_RESPONSE_INFORMATION);
	connect.props.topic_alias_max = 8;
	connect.props.request_response_info = 1;
	return connect;
}

/* Two rounds of a method, then yes. */
static struct world_conn *enter_by_method(struct world *world)
{
	static const uint8_t more[] = {0xf0, 10, 0x18, 8, 0x15, 0, 1, 'M', 0x16, 0, 1, 'x'};
	struct mt_auth_verdict verdict = {.is_continued = true, .data = mt_bytes_str("more")};
	struct mt_connect connect = connect_of("ann");
	struct world_conn *conn = dial(world);
	connect.props.present |=
		MT_PROP_BIT(AUTHENTICATION_METHOD) | MT_PROP_BIT(AUTHENTICATION_DATA);
	connect.props.auth_method = mt_bytes_str("M");
	connect.props.auth_data = mt_bytes_str("begin");
	say(world, conn, &connect);
	mt_core_authenticated(world->core, world->now, world->auth_ticket, &verdict);
	world_serve(world);
	world_send(world, conn, mt_bytes_of(more, sizeof(more)));
	verdict.is_continued = false;
	verdict.is_accepted = true;
	verdict.user_id = 7;
	mt_core_authenticated(world->core, world->now, world->auth_ticket, &verdict);
	world_serve(world);
	return conn;
}

static struct world_conn *join_group(struct world *world, const char *id)
{
	static const uint8_t subscribe[] = "\x82\x19\0\1\2\x0b\5\0\x0a$share/g/#\1\0\4long\1";
	struct mt_connect connect = connect_of(id);
	struct world_conn *conn = dial(world);
	say(world, conn, &connect);
	world_send(world, conn, mt_bytes_of(subscribe, sizeof(subscribe) - 1));
	return conn;
}

static void live(struct world *world)
{
	static const char *const topics[] = {"a/rather/long/topic", "another/long/topic", "long"};
	struct world_conn *ann = enter_by_method(world), *first = join_group(world, "first");
	struct world_conn *from = dial(world), *second = join_group(world, "second");
	struct mt_connect connect = connect_of("from");
	say(world, from, &connect);
	for (uint16_t i = 1; i <= 9; i++) {
		struct mt_publish publish = {.qos = (uint8_t)(i % 3),
					     .packet_id = (uint16_t)(i % 3 ? i : 0),
					     .is_retain = i == 4,
					     .topic = mt_bytes_str(topics[i % 3]),
					     .payload = mt_bytes_str("payload")};
		uint8_t data[128];
		struct mt_buf buf = mt_buf_of(data, sizeof(data));
		publish.props.present = MT_PROP_BIT(CONTENT_TYPE);
		publish.props.content_type = mt_bytes_str("text");
		assert_int_equal(mt_publish_encode(&publish, MT_VERSION_5, &buf), MT_OK);
		world_send(world, from, mt_buf_view(&buf));
	}
	mt_core_closed(world->core, world->now, first->conn);
	world_serve(world);
	world_pass(world, 10 * MT_SECOND);
	mt_core_closed(world->core, world->now, ann->conn);
	mt_core_closed(world->core, world->now, second->conn);
	world_serve(world);
}

static void every_failed_allocation_is_survived(void **state)
{
	bool has_failed = true;
	uint64_t count = 0;
	(void)state;
	while (has_failed) {
		struct mt_core_settings settings = world_settings();
		struct mt_connect connect = connect_of("late");
		struct world world;
		struct world_conn *late;
		settings.limits.client_aliases = 4;
		settings.limits.retained_count = 1000;
		settings.sys_interval_ns = 10 * MT_SECOND;
		settings.response_topic = "reply/%c";
		world_open_with(&world, &settings, world_policy(NULL, 0));
		world.core->mem.fail_in = ++count;
		live(&world);
		has_failed = world.core->mem.fail_in == 0;
		world.core->mem.fail_in = 0;
		late = dial(&world);
		say(&world, late, &connect);
		assert_int_equal(world_take_connack(late).reason, 0);
		world_close(&world);
	}
	assert_true(count > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_failed_allocation_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
