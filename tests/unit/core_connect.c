/* CONNECT: client ids by the listener's rule and the user's, and those that are assigned. */
#include "../core_world.h"
#include "../spec.h"

/* User 7, `ann`, whose ids end in her name or are of ours. */
static struct mt_policy *policy_of_ann(const char *rule)
{
	struct mt_policy_builder *builder = mt_policy_builder_create(1, (struct mt_seed){{3, 4}});
	struct mt_user user = {.id = 7,
			       .name = mt_bytes_str("ann"),
			       .is_enabled = true,
			       .client_id_rule = mt_bytes_str(rule)};
	struct mt_policy *policy;
	assert_non_null(builder);
	assert_int_equal(mt_policy_builder_user(builder, &user, NULL, 0), MT_OK);
	assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
	return policy;
}

struct caller {
	const char *rule; /* of the listener */
	bool is_demanded;
	bool is_ann;
	const char *id;
};

/* The reason of the CONNACK, as it is sent. */
static uint8_t try(struct world *world, const struct caller *caller, enum mt_version version)
{
	struct world_conn *conn = &world->conns[world->conn_count++];
	struct mt_conn_facts facts = {.listener = "test",
				      .anonymous_role = "open",
				      .client_id_rule = caller->rule,
				      .is_id_demanded = caller->is_demanded,
				      .is_secret_safe = true};
	uint8_t data[256];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	struct mt_connect connect = {
		.version = version, .client_id = mt_bytes_str(caller->id), .is_clean = true};
	struct mt_auth_verdict yes = {.is_accepted = true, .user_id = 7};
	struct mt_frame frame;
	assert_true(world->conn_count <= WORLD_CONNS);
	conn->out = malloc(WORLD_OUT_BYTES);
	assert_non_null(conn->out);
	assert_int_equal(mt_core_open(world->core, world->now, &facts, &conn->conn), MT_OK);
	if (caller->is_ann) {
		connect.has_user = connect.has_password = true;
		connect.user = mt_bytes_str("ann");
		connect.password = mt_bytes_str("secret");
	}
	assert_int_equal(mt_connect_encode(&connect, &out), MT_OK);
	assert_false(out.is_overflown);
	world_send(world, conn, mt_buf_view(&out));
	if (caller->is_ann) {
		mt_core_authenticated(world->core, world->now, world->auth_ticket, &yes);
		world_serve(world);
	}
	frame = world_take(conn);
	assert_int_equal(frame.type, MT_PACKET_CONNACK);
	assert_true(frame.body.len >= 2);
	world_cut(world, conn);
	return frame.body.data[1];
}

static void expect_refused(struct world *world, struct caller caller, const char *what)
{
	assert_int_equal(try(world, &caller, MT_VERSION_5), 0x85);
	assert_string_equal(world->last_audit.what, what);
	assert_int_equal(try(world, &caller, MT_VERSION_3_1_1), 2);
	assert_string_equal(world->last_audit.what, what);
}

static void expect_taken(struct world *world, struct caller caller)
{
	assert_int_equal(try(world, &caller, MT_VERSION_5), 0);
	assert_int_equal(try(world, &caller, MT_VERSION_3_1_1), 0);
}

#define LISTENER "client id breaks the listener's rule"
#define USER "client id breaks the user's rule"
#define EMPTY "client id is empty, and the listener assigns none"

static void a_listener_demands_a_format(void **state)
{
	struct world world;
	(void)state;
	SPEC(MQTT3, "3.1.3-9");
	world_open(&world);
	expect_taken(&world, (struct caller){.id = "x"});
	expect_taken(&world, (struct caller){.rule = "", .id = "x"});
	expect_taken(&world, (struct caller){.rule = "d-%{mac}", .id = "d-001b638445e6"});
	expect_refused(&world, (struct caller){.rule = "d-%{mac}", .id = "d-001b638445e"},
		       LISTENER);
	expect_refused(&world, (struct caller){.rule = "d-%{mac}", .id = "e-001b638445e6"},
		       LISTENER);
	/* Nobody has no name, and a rule that is none lets nobody in. */
	expect_refused(&world, (struct caller){.rule = "%u*", .id = "x"}, LISTENER);
	expect_refused(&world, (struct caller){.rule = "%{uid}", .id = "%{uid}"}, LISTENER);
	world_close(&world);
}

static void both_rules_hold(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	(void)state;
	world_open_with(&world, &settings, policy_of_ann("*-%u"));
	expect_taken(&world, (struct caller){.rule = "x-*", .is_ann = true, .id = "x-ann"});
	expect_taken(&world, (struct caller){.rule = "x-%u", .is_ann = true, .id = "x-ann"});
	expect_refused(&world, (struct caller){.rule = "x-*", .is_ann = true, .id = "x-bob"}, USER);
	expect_refused(&world, (struct caller){.rule = "x-*", .is_ann = true, .id = "y-ann"},
		       LISTENER);
	world_close(&world);
}

static void an_empty_id_is_assigned_where_it_may(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	(void)state;
	SPEC(MQTT5, "3.1.3-6");
	world_open_with(&world, &settings, policy_of_ann("mortise-*"));
	expect_taken(&world, (struct caller){.id = ""});
	expect_taken(&world, (struct caller){.rule = "%{uuid}", .id = ""});
	expect_taken(&world, (struct caller){.is_ann = true, .id = ""});
	expect_refused(&world, (struct caller){.is_demanded = true, .id = ""}, EMPTY);
	expect_refused(&world, (struct caller){.is_demanded = true, .is_ann = true, .id = ""},
		       EMPTY);
	expect_taken(&world, (struct caller){.is_demanded = true, .id = "x"});
	world_close(&world);
	/* Of an assigned id, too, the user's rule says whether it is the user's. */
	world_open_with(&world, &settings, policy_of_ann("%u-*"));
	expect_refused(&world, (struct caller){.is_ann = true, .id = ""}, USER);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listener_demands_a_format),
		cmocka_unit_test(both_rules_hold),
		cmocka_unit_test(an_empty_id_is_assigned_where_it_may),
	};
	return cmocka_run_group_tests_name("core_connect", tests, NULL, NULL);
}
