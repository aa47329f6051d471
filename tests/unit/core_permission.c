/* Who may what in the core: logins, permissions, other identities, revocation. */
#include "core_world.h"
#include "spec.h"

#include <stdio.h>

static const struct mt_rule ann_rules[] = {
	{.id = 1,
	 .operation = MT_OPERATION_BOTH,
	 .qos_mask = 3,
	 .filter = {(const uint8_t *)"own/%c/#", 8}},
	{.id = 2,
	 .operation = MT_OPERATION_SUBSCRIBE,
	 .qos_mask = 7,
	 .filter = {(const uint8_t *)"news/#", 6}},
	{.id = 3,
	 .is_deny = true,
	 .operation = MT_OPERATION_BOTH,
	 .qos_mask = 7,
	 .filter = {(const uint8_t *)"news/secret", 11}},
};

static struct world_conn *login(struct world *world, enum mt_version version, const char *id)
{
	struct mt_connect connect = {.version = version,
				     .is_clean = true,
				     .client_id = mt_bytes_str(id),
				     .has_user = true,
				     .has_password = true,
				     .user = mt_bytes_str("ann"),
				     .password = mt_bytes_str("pw")};
	struct mt_auth_verdict verdict = {.is_accepted = true, .user_id = 7};
	struct world_conn *conn = world_dial(world, "");
	world_send_connect(world, conn, &connect);
	assert_true(world_is_quiet(conn));
	assert_true(conn->is_paused);
	assert_string_equal(world->auth_user, "ann");
	assert_string_equal(world->auth_password, "pw");
	mt_core_authenticated(world->core, world->now, world->auth_ticket, &verdict);
	world_serve(world);
	return conn;
}

static void open_for_ann(struct world *world)
{
	struct mt_core_settings settings = world_settings();
	world_open_with(world, &settings, world_policy(ann_rules, MT_COUNT_OF(ann_rules)));
}

static void permissions_hold(void **state)
{
	struct world world;
	struct world_conn *a, *admin;
	(void)state;
	open_for_ann(&world);
	a = login(&world, MT_VERSION_5, "dev");
	assert_int_equal(world_take_connack(a).reason, MT_REASON_SUCCESS);
	assert_false(a->is_paused);
	admin = world_client(&world, MT_VERSION_5, "x", true);
	assert_int_equal(world_subscribe(&world, a, "own/dev/#", 2), 1);
	assert_int_equal(world_subscribe(&world, a, "own/other/#", 0), MT_REASON_NOT_AUTHORIZED);
	assert_int_equal(world_subscribe(&world, a, "#", 0), MT_REASON_NOT_AUTHORIZED);
	assert_int_equal(world_subscribe(&world, a, "news/secret", 0), MT_REASON_NOT_AUTHORIZED);
	assert_int_equal(world_subscribe(&world, a, "news/#", 0), 0);
	assert_int_equal(world_subscribe(&world, a, "$share/g/news/#", 0),
			 MT_REASON_NOT_AUTHORIZED);
	world_publish(&world, admin, "news/secret", "s", 0, false, 0);
	world_publish(&world, admin, "news/a", "n", 0, false, 0);
	world_expect(a, "news/a", "n");
	world_publish(&world, a, "news/a", "no", 1, false, 3);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBACK, 3).reason, MT_REASON_NOT_AUTHORIZED);
	world_publish(&world, a, "own/dev/t", "yes", 1, false, 4);
	world_expect(a, "own/dev/t", "yes");
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBACK, 4).reason, MT_REASON_SUCCESS);
	world_publish(&world, a, "own/dev/t", "no", 2, false, 5);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBREC, 5).reason, MT_REASON_NOT_AUTHORIZED);
	assert_true(world_is_quiet(a));
	assert_true(world.audit_count[MT_AUDIT_DENY] >= 5);
	world_close(&world);
}

/* A rule for one network does not follow a session to another. */
static void resumed_session_is_decided_anew(void **state)
{
	struct mt_rule rule = {.id = 1,
			       .operation = MT_OPERATION_SUBSCRIBE,
			       .qos_mask = 7,
			       .has_network = true,
			       .filter = mt_bytes_str("lan/#")};
	struct mt_core_settings settings = world_settings();
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .client_id = mt_bytes_str("dev"),
				     .has_user = true,
				     .user = mt_bytes_str("ann")};
	struct mt_auth_verdict verdict = {.is_accepted = true, .user_id = 7};
	struct world world;
	struct world_conn *a, *admin;
	(void)state;
	assert_true(mt_network_parse(mt_bytes_str("::1"), &rule.network));
	world_open_with(&world, &settings, world_policy(&rule, 1));
	connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
	connect.props.session_expiry_s = 600;
	admin = world_client(&world, MT_VERSION_5, "x", true);
	for (uint8_t last = 1; last <= 2; last++) {
		struct mt_conn_facts facts = {
			.listener = "test", .anonymous_role = "", .is_secret_safe = true};
		a = &world.conns[world.conn_count++];
		a->out = malloc(WORLD_OUT_BYTES);
		facts.address.byte[15] = last;
		assert_int_equal(mt_core_open(world.core, world.now, &facts, &a->conn), MT_OK);
		world_send_connect(&world, a, &connect);
		mt_core_authenticated(world.core, world.now, world.auth_ticket, &verdict);
		world_serve(&world);
		assert_int_equal(world_take_connack(a).is_session_present, last == 2);
		if (last == 1)
			assert_int_equal(world_subscribe(&world, a, "lan/#", 1), 1);
		world_publish(&world, admin, "lan/1", "m", 1, false, last);
		if (last == 1)
			world_expect(a, "lan/1", "m");
		world_cut(&world, a);
		world_publish(&world, admin, "lan/2", "away", 1, false, (uint16_t)(last + 10));
	}
	assert_true(world_is_quiet(a));
	world_close(&world);
}

static void asking_for_retained_again_and_again_is_bounded(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a, *b;
	uint8_t list[64], data[128];
	uint32_t refused = 0;
	(void)state;
	settings.limits.output_bytes = 500;
	settings.limits.retained_count = 40;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	for (int i = 0; i < 40; i++) {
		char topic[16];
		snprintf(topic, sizeof(topic), "r/%d", i);
		world_publish(&world, a, topic, "payload of some length", 0, true, 0);
	}
	/* b does not read: nothing is pulled while it asks. */
	for (int i = 0; i < 10; i++) {
		struct mt_buf items = mt_buf_of(list, sizeof(list)),
			      buf = mt_buf_of(data, sizeof(data));
		struct mt_subscribe subscribe = {
			.type = MT_PACKET_SUBSCRIBE, .packet_id = 1, .filter_count = 1};
		mt_subscribe_put(&items, mt_bytes_str("r/#"), &(struct mt_sub_options){0},
				 MT_VERSION_5);
		subscribe.list = mt_buf_view(&items);
		assert_int_equal(mt_subscribe_encode(&subscribe, MT_VERSION_5, &buf), MT_OK);
		mt_core_input(world.core, world.now, b->conn, mt_buf_view(&buf));
	}
	world_serve(&world);
	while (!world_is_quiet(b)) {
		struct mt_frame frame = world_take(b);
		refused += frame.type == MT_PACKET_SUBACK &&
			   frame.body.data[frame.body.len - 1] == MT_REASON_QUOTA_EXCEEDED;
	}
	assert_true(refused >= 8);
	assert_false(b->is_closed);
	world_close(&world);
}

/* 3.1.1 knows no $share syntax, so nothing refuses an empty group before the permissions do. */
static void empty_share_group_gains_nothing(void **state)
{
	static const char *const filters[] = {"$share//news/#", "$share/+/news/#", "$share/g/",
					      "$share/news/#"};
	struct world world;
	struct world_conn *a;
	(void)state;
	open_for_ann(&world);
	a = login(&world, MT_VERSION_3_1_1, "dev");
	assert_int_equal(world_take_connack(a).reason, MT_REASON_SUCCESS);
	for (size_t i = 0; i < MT_COUNT_OF(filters); i++)
		assert_int_equal(world_subscribe(&world, a, filters[i], 0), 0x80);
	assert_int_equal(world_subscribe(&world, a, "news/#", 0), 0);
	world_close(&world);
}

static void hostile_client_ids_are_refused(void **state)
{
	static const char *const ids[] = {"a/b", "+", "#", "", "$SYS"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(ids); i++) {
		struct world world;
		struct world_conn *a;
		open_for_ann(&world);
		a = login(&world, MT_VERSION_5, ids[i]);
		/* the empty id gets one assigned, and that is plain */
		assert_int_equal(world_take_connack(a).reason,
				 ids[i][0] ? MT_REASON_CLIENT_IDENTIFIER_NOT_VALID
					   : MT_REASON_SUCCESS);
		world_close(&world);
	}
}

static void wrong_password_and_no_credentials_are_refused(void **state)
{
	struct world world;
	struct world_conn *a;
	struct mt_connect connect = {.version = MT_VERSION_3_1_1,
				     .is_clean = true,
				     .client_id = mt_bytes_str("a"),
				     .has_user = true,
				     .has_password = true,
				     .user = mt_bytes_str("ann"),
				     .password = mt_bytes_str("no")};
	struct mt_auth_verdict verdict = {.reason = MT_REASON_BAD_USER_NAME_OR_PASSWORD};
	(void)state;
	open_for_ann(&world);
	a = world_dial(&world, "");
	world_send_connect(&world, a, &connect);
	mt_core_authenticated(world.core, world.now, world.auth_ticket, &verdict);
	world_serve(&world);
	assert_int_equal(world_take_connack(a).reason, MT_REASON_BAD_USER_NAME_OR_PASSWORD);
	assert_true(a->is_closed);
	/* a late second answer hits nobody */
	mt_core_authenticated(world.core, world.now, world.auth_ticket,
			      &(struct mt_auth_verdict){.is_accepted = true, .user_id = 7});
	world_serve(&world);
	a = world_dial(&world, "");
	connect.has_user = connect.has_password = false;
	world_send_connect(&world, a, &connect);
	assert_int_equal(world_take_connack(a).reason, MT_REASON_NOT_AUTHORIZED);
	assert_true(a->is_closed);
	world_close(&world);
}

static void another_identity_cannot_take_a_session(void **state)
{
	struct world world;
	struct world_conn *a, *thief;
	(void)state;
	open_for_ann(&world);
	a = login(&world, MT_VERSION_5, "dev");
	world_take_connack(a);
	thief = world_dial(&world, "open");
	assert_false(world_connect(&world, thief, MT_VERSION_5, "dev", false).is_session_present);
	assert_false(a->is_closed);
	world_close(&world);
}

static struct mt_rehearsal rehearse(struct world *world, const struct mt_rule *rules, size_t count)
{
	struct mt_policy *policy = world_policy(rules, count);
	struct mt_rehearsal found = {0};
	while (!mt_core_rehearse(world->core, world->now, policy, &found))
		;
	mt_policy_unref(&policy);
	return found;
}

/* What is rehearsed is what then happens, and nothing happens before. */
static void a_change_can_be_rehearsed(void **state)
{
	struct world world;
	struct world_conn *a, *admin, *away;
	struct mt_rehearsal would;
	struct mt_core_counts counts;
	struct mt_policy *policy;
	(void)state;
	open_for_ann(&world);
	a = login(&world, MT_VERSION_5, "dev");
	world_take_connack(a);
	away = login(&world, MT_VERSION_3_1_1, "away");
	world_take_connack(away);
	admin = world_client(&world, MT_VERSION_5, "x", true);
	world_subscribe(&world, a, "news/#", 1);
	world_subscribe(&world, a, "own/dev/#", 1);
	world_publish(&world, a, "own/dev/1", "kept", 0, true, 0);
	world_expect(a, "own/dev/1", "kept");
	for (uint16_t i = 1; i <= 12; i++)
		world_publish(&world, admin, "news/a", "n", 1, false, i);
	for (int i = 0; i < 10; i++)
		world_expect(a, "news/a", "n");
	would = rehearse(&world, ann_rules, MT_COUNT_OF(ann_rules));
	assert_int_equal(would.sessions + would.subscriptions + would.queued + would.retained, 0);
	would = rehearse(&world, ann_rules + 1, 1);
	assert_int_equal(would.subscriptions, 1);
	assert_int_equal(would.retained, 1);
	/* Those that were sent are the client's. */
	would = rehearse(&world, ann_rules, 1);
	assert_int_equal(would.sessions, 0);
	assert_int_equal(would.subscriptions, 1);
	assert_int_equal(would.queued, 2);
	assert_int_equal(would.retained, 0);
	counts = mt_core_counts(world.core);
	assert_int_equal(counts.subscriptions, 2);
	assert_int_equal(counts.revoked_subscriptions, 0);
	policy = world_policy(ann_rules, 1);
	mt_core_set_policy(world.core, world.now, policy);
	mt_policy_unref(&policy);
	world_pass(&world, MT_MS);
	counts = mt_core_counts(world.core);
	assert_int_equal(counts.revoked_subscriptions, 1);
	assert_int_equal(counts.revoked_queued, 2);
	assert_int_equal(counts.revoked_sessions, 0);
	world_close(&world);
}

static void revocation_acts_at_once(void **state)
{
	struct world world;
	struct world_conn *a, *admin;
	struct mt_policy *policy;
	(void)state;
	open_for_ann(&world);
	a = login(&world, MT_VERSION_5, "dev");
	world_take_connack(a);
	admin = world_client(&world, MT_VERSION_5, "x", true);
	world_subscribe(&world, a, "news/#", 1);
	/* one in flight fills nothing; the queue fills behind the window */
	for (uint16_t i = 1; i <= 12; i++)
		world_publish(&world, admin, "news/a", "n", 1, false, i);
	for (int i = 0; i < 10; i++)
		world_expect(a, "news/a", "n");
	policy = world_policy(ann_rules, 1);
	mt_core_set_policy(world.core, world.now, policy);
	mt_policy_unref(&policy);
	world_publish(&world, admin, "news/b", "late", 0, false, 0);
	/* what waited behind the window may not go out either */
	for (uint16_t i = 1; i <= 10; i++)
		world_send_ack(&world, a, MT_PACKET_PUBACK, i, 0);
	assert_true(world_is_quiet(a));
	world_pass(&world, MT_MS);
	assert_int_equal(mt_core_counts(world.core).subscriptions, 0);
	assert_int_equal(mt_core_counts(world.core).queued_messages, 0);
	assert_false(a->is_closed);
	/* the identity itself goes: the connection does */
	policy = mt_policy_ref(mt_core_policy(world.core));
	mt_policy_unref(&policy);
	{
		struct mt_policy_builder *builder =
			mt_policy_builder_create(3, (struct mt_seed){{5, 6}});
		assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
		mt_core_set_policy(world.core, world.now, policy);
		mt_policy_unref(&policy);
	}
	world_pass(&world, MT_MS);
	assert_true(a->is_closed);
	assert_int_equal(world_take_disconnect(a), MT_REASON_ADMINISTRATIVE_ACTION);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(permissions_hold),
		cmocka_unit_test(resumed_session_is_decided_anew),
		cmocka_unit_test(asking_for_retained_again_and_again_is_bounded),
		cmocka_unit_test(empty_share_group_gains_nothing),
		cmocka_unit_test(hostile_client_ids_are_refused),
		cmocka_unit_test(wrong_password_and_no_credentials_are_refused),
		cmocka_unit_test(another_identity_cannot_take_a_session),
		cmocka_unit_test(a_change_can_be_rehearsed),
		cmocka_unit_test(revocation_acts_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
