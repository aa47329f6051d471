/* SUBSCRIBE and UNSUBSCRIBE in the core, and how administrators and policies end what was granted.
 */
#include "core_world.h"
#include "spec.h"

static const struct mt_rule own_rule = {.id = 1,
					.operation = MT_OPERATION_BOTH,
					.qos_mask = 7,
					.filter = {(const uint8_t *)"own/#", 5}};

static uint8_t subscribe_retain(struct world *world, struct world_conn *conn,
				uint8_t retain_handling)
{
	struct mt_sub_options options = {.qos = 1, .retain_handling = retain_handling};
	return world_subscribe_with(world, conn, "r", &options, 0);
}

static void retain_handling_is_followed(void **state)
{
	struct world world;
	struct world_conn *a;
	(void)state;
	SPEC(MQTT5, "3.3.1-9");
	SPEC(MQTT5, "3.3.1-10");
	SPEC(MQTT5, "3.3.1-11");
	SPEC(MQTT5, "3.8.4-4");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_publish(&world, a, "r", "v", 0, true, 0);
	assert_int_equal(subscribe_retain(&world, a, 2), 1);
	assert_true(world_is_quiet(a));
	assert_int_equal(subscribe_retain(&world, a, 1), 1);
	assert_true(world_is_quiet(a)); /* it was there already */
	assert_int_equal(subscribe_retain(&world, a, 0), 1);
	assert_true(world_expect(a, "r", "v").is_retain);
	assert_int_equal(mt_core_counts(world.core).subscriptions, 1);
	world_close(&world);
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_publish(&world, a, "r", "v", 0, true, 0);
	assert_int_equal(subscribe_retain(&world, a, 1), 1);
	assert_true(world_expect(a, "r", "v").is_retain);
	world_close(&world);
}

static void shared_subscriptions_get_no_retained(void **state)
{
	struct world world;
	struct world_conn *a;
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_publish(&world, a, "r", "v", 0, true, 0);
	assert_int_equal(world_subscribe(&world, a, "$share/g/r", 1), 1);
	assert_true(world_is_quiet(a));
	world_close(&world);
}

static void retain_as_published_keeps_the_flag(void **state)
{
	struct world world;
	struct world_conn *a, *b, *c;
	struct mt_sub_options options = {.is_retain_as_published = true};
	(void)state;
	SPEC(MQTT5, "3.3.1-12");
	SPEC(MQTT5, "3.3.1-13");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	c = world_client(&world, MT_VERSION_5, "c", true);
	assert_int_equal(world_subscribe_with(&world, b, "r", &options, 0), 0);
	assert_int_equal(world_subscribe(&world, c, "r", 0), 0);
	for (int is_retain = 0; is_retain < 2; is_retain++) {
		world_publish(&world, a, "r", "v", 0, is_retain, 0);
		assert_int_equal(world_expect(b, "r", "v").is_retain, is_retain);
		assert_false(world_expect(c, "r", "v").is_retain);
	}
	world_close(&world);
}

static void send_filters(struct world *world, struct world_conn *conn, uint8_t type,
			 const char *const *filters, uint32_t count)
{
	uint8_t list[1024], data[1100];
	struct mt_buf items = mt_buf_of(list, sizeof(list)), buf = mt_buf_of(data, sizeof(data));
	struct mt_subscribe subscribe = {.type = type, .packet_id = 12, .filter_count = count};
	const struct mt_sub_options options = {.qos = 0};
	for (uint32_t i = 0; i < count; i++)
		mt_subscribe_put(&items, mt_bytes_str(filters[i]),
				 type == MT_PACKET_SUBSCRIBE ? &options : NULL, conn->version);
	subscribe.list = mt_buf_view(&items);
	assert_int_equal(mt_subscribe_encode(&subscribe, conn->version, &buf), MT_OK);
	world_send(world, conn, mt_buf_view(&buf));
}

static struct mt_suback take_suback(struct world_conn *conn, uint8_t type)
{
	struct mt_frame frame = world_take(conn);
	struct mt_suback suback;
	struct mt_violation why;
	assert_int_equal(frame.type, type);
	assert_int_equal(mt_suback_decode(&frame, conn->version, &suback, &why), MT_OK);
	assert_int_equal(suback.packet_id, 12);
	return suback;
}

static void unsubscribe_says_what_there_was(void **state)
{
	static const char *const filters[] = {"a", "never", "$share/g/a", "b/#"};
	static const uint8_t reasons[] = {0, MT_REASON_NO_SUBSCRIPTION_EXISTED, 0,
					  MT_REASON_NO_SUBSCRIPTION_EXISTED};
	struct world world;
	struct world_conn *a;
	struct mt_suback suback;
	(void)state;
	SPEC(MQTT5, "3.10.4-1");
	SPEC(MQTT5, "3.10.4-2");
	SPEC(MQTT5, "3.11.3-1");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_subscribe(&world, a, "a", 0);
	world_subscribe(&world, a, "$share/g/a", 0);
	world_subscribe(&world, a, "b/+", 0);
	send_filters(&world, a, MT_PACKET_UNSUBSCRIBE, filters, 4);
	suback = take_suback(a, MT_PACKET_UNSUBACK);
	assert_int_equal(suback.reasons.len, 4);
	assert_memory_equal(suback.reasons.data, reasons, 4);
	assert_int_equal(mt_core_counts(world.core).subscriptions, 1);
	world_publish(&world, a, "a", "m", 0, false, 0);
	assert_true(world_is_quiet(a));
	world_close(&world);
	world_open(&world);
	a = world_client(&world, MT_VERSION_3_1_1, "a", true);
	send_filters(&world, a, MT_PACKET_UNSUBSCRIBE, filters, 2);
	take_suback(a, MT_PACKET_UNSUBACK);
	assert_true(world_is_quiet(a));
	world_close(&world);
}

static void too_many_filters_are_refused(void **state)
{
	struct mt_core_settings settings = world_settings();
	static const char *const filters[] = {"a", "b", "c", "d", "e"};
	struct mt_suback suback;
	struct world world;
	struct world_conn *a;
	(void)state;
	settings.limits.filters_per_subscribe = 4;
	settings.limits.filters_per_session = 3;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	send_filters(&world, a, MT_PACKET_SUBSCRIBE, filters, 4);
	suback = take_suback(a, MT_PACKET_SUBACK);
	assert_int_equal(suback.reasons.len, 4);
	assert_int_equal(suback.reasons.data[2], 0);
	assert_int_equal(suback.reasons.data[3], MT_REASON_QUOTA_EXCEEDED);
	/* what is there already may be subscribed again at the limit */
	assert_int_equal(world_subscribe(&world, a, "b", 1), 1);
	send_filters(&world, a, MT_PACKET_SUBSCRIBE, filters, 5);
	assert_int_equal(world_take_disconnect(a), MT_REASON_QUOTA_EXCEEDED);
	assert_true(a->is_closed);
	world_close(&world);
}

/* ---- what a policy or an administrator ends ---- */

static struct world_conn *login_with(struct world *world, const struct mt_connect *asked)
{
	struct mt_connect connect = *asked;
	struct mt_auth_verdict verdict = {.is_accepted = true, .user_id = 7};
	struct world_conn *conn = world_dial(world, "");
	connect.has_user = true;
	connect.user = mt_bytes_str("ann");
	world_send_connect(world, conn, &connect);
	mt_core_authenticated(world->core, world->now, world->auth_ticket, &verdict);
	world_serve(world);
	assert_int_equal(world_take_connack(conn).reason, MT_REASON_SUCCESS);
	return conn;
}

static struct world_conn *login(struct world *world, enum mt_version version)
{
	return login_with(world, &(struct mt_connect){.version = version,
						      .is_clean = true,
						      .client_id = mt_bytes_str("dev")});
}

static void denied_publish_of_the_older_version(void **state)
{
	(void)state;
	SPEC(MQTT3, "3.3.5-2");
	for (int is_closing = 0; is_closing < 2; is_closing++)
		for (uint8_t qos = 0; qos <= 2; qos++) {
			struct mt_core_settings settings = world_settings();
			struct world world;
			struct world_conn *a, *b;
			settings.is_denial_closing = is_closing;
			world_open_with(&world, &settings, world_policy(&own_rule, 1));
			a = login(&world, MT_VERSION_3_1_1);
			b = world_client(&world, MT_VERSION_5, "b", true);
			world_subscribe(&world, b, "#", 2);
			world_publish(&world, a, "foreign", "m", qos, true, qos ? 3 : 0);
			assert_int_equal(a->is_closed, is_closing);
			if (qos > 0 && !is_closing)
				world_take_ack(a, qos == 1 ? MT_PACKET_PUBACK : MT_PACKET_PUBREC,
					       3);
			assert_true(world_is_quiet(a));
			assert_true(world_is_quiet(b));
			assert_int_equal(mt_core_counts(world.core).publishes_denied, 1);
			assert_int_equal(mt_core_counts(world.core).retained_count, 0);
			world_close(&world);
		}
}

static void change_policy(struct world *world, const struct mt_rule *rules, size_t count)
{
	struct mt_policy *policy = world_policy(rules, count);
	mt_core_set_policy(world->core, world->now, policy);
	mt_policy_unref(&policy);
}

static void will_is_decided_when_it_fires(void **state)
{
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .client_id = mt_bytes_str("dev"),
				     .has_will = true,
				     .will_topic = mt_bytes_str("own/will"),
				     .will_payload = mt_bytes_str("gone")};
	(void)state;
	for (int is_revoked = 0; is_revoked < 2; is_revoked++) {
		struct mt_core_settings settings = world_settings();
		struct world world;
		struct world_conn *a, *b;
		world_open_with(&world, &settings, world_policy(&own_rule, 1));
		b = world_client(&world, MT_VERSION_5, "b", true);
		world_subscribe(&world, b, "#", 0);
		a = login_with(&world, &connect);
		if (is_revoked)
			change_policy(&world, NULL, 0);
		world_cut(&world, a);
		if (!is_revoked)
			world_expect(b, "own/will", "gone");
		assert_true(world_is_quiet(b));
		assert_int_equal(mt_core_counts(world.core).publishes_denied, is_revoked);
		world_close(&world);
	}
}

static void kick_ends_who_is_meant(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .client_id = mt_bytes_str("dev"),
				     .has_will = true,
				     .will_topic = mt_bytes_str("own/will"),
				     .will_payload = mt_bytes_str("gone")};
	struct world world;
	struct world_conn *ann, *nobody, *other;
	(void)state;
	world_open_with(&world, &settings, world_policy(&own_rule, 1));
	ann = login_with(&world, &connect);
	nobody = world_client(&world, MT_VERSION_5, "dev", true);
	other = world_client(&world, MT_VERSION_5, "other", true);
	world_subscribe(&world, other, "own/will", 0);
	assert_int_equal(
		mt_core_kick(world.core, world.now, mt_bytes_str("bob"), mt_bytes_str("dev")), 0);
	assert_int_equal(
		mt_core_kick(world.core, world.now, mt_bytes_str("ann"), mt_bytes_str("dev")), 1);
	world_serve(&world);
	assert_int_equal(world_take_disconnect(ann), MT_REASON_ADMINISTRATIVE_ACTION);
	assert_true(ann->is_closed);
	world_expect(other, "own/will", "gone");
	assert_false(nobody->is_closed);
	assert_int_equal(mt_core_kick(world.core, world.now, mt_bytes_str(""), mt_bytes_str("dev")),
			 1);
	world_serve(&world);
	assert_true(nobody->is_closed);
	assert_false(other->is_closed);
	world_close(&world);
}

static void shut_down_says_so_and_keeps_wills(void **state)
{
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .client_id = mt_bytes_str("w"),
				     .has_will = true,
				     .will_topic = mt_bytes_str("t"),
				     .will_qos = 1};
	struct world world;
	struct world_conn *five, *three, *silent;
	(void)state;
	world_open(&world);
	three = world_client(&world, MT_VERSION_3_1_1, "three", true);
	world_subscribe(&world, three, "t", 0);
	silent = world_dial(&world, "open");
	five = world_dial(&world, "open");
	world_send_connect(&world, five, &connect);
	world_take_connack(five);
	mt_core_shut_down(world.core, world.now);
	world_serve(&world);
	assert_int_equal(world_take_disconnect(five), MT_REASON_SERVER_SHUTTING_DOWN);
	assert_true(world_is_quiet(three));
	assert_true(world_is_quiet(silent));
	assert_true(five->is_closed && three->is_closed && silent->is_closed);
	assert_int_equal(mt_core_counts(world.core).connections, 0);
	world_close(&world);
}

/* ---- sessions ---- */

static void resume_goes_on_after_pubrec(void **state)
{
	static const enum mt_version versions[] = {MT_VERSION_3_1_1, MT_VERSION_5};
	(void)state;
	SPEC(MQTT5, "4.4.0-1");
	SPEC(MQTT5, "4.3.3-4");
	for (size_t v = 0; v < 2; v++) {
		struct world world;
		struct world_conn *a, *b;
		uint16_t id;
		world_open(&world);
		a = world_client(&world, MT_VERSION_5, "a", true);
		b = world_client(&world, versions[v], "b", false);
		world_subscribe(&world, b, "t", 2);
		world_publish(&world, a, "t", "m", 2, false, 1);
		id = world_expect(b, "t", "m").packet_id;
		world_send_ack(&world, b, MT_PACKET_PUBREC, id, 0);
		world_take_ack(b, MT_PACKET_PUBREL, id);
		world_cut(&world, b);
		b = world_dial(&world, "open");
		assert_true(world_connect(&world, b, versions[v], "b", false).is_session_present);
		world_take_ack(b, MT_PACKET_PUBREL, id);
		assert_true(world_is_quiet(b));
		world_send_ack(&world, b, MT_PACKET_PUBCOMP, id, 0);
		assert_int_equal(mt_core_counts(world.core).queued_messages, 0);
		world_close(&world);
	}
}

static void anonymous_sessions_are_kept_only_where_wanted(void **state)
{
	(void)state;
	for (int has_sessions = 0; has_sessions < 2; has_sessions++) {
		struct mt_conn_facts facts = {.listener = "test",
					      .anonymous_role = "open",
					      .has_anonymous_sessions = has_sessions};
		struct world world;
		world_open(&world);
		for (int round = 0; round < 2; round++) {
			struct world_conn *a = &world.conns[world.conn_count++];
			a->out = malloc(WORLD_OUT_BYTES);
			assert_non_null(a->out);
			assert_int_equal(mt_core_open(world.core, world.now, &facts, &a->conn),
					 MT_OK);
			assert_int_equal(world_connect(&world, a, MT_VERSION_5, "same", false)
						 .is_session_present,
					 round && has_sessions);
			world_cut(&world, a);
			assert_int_equal(mt_core_counts(world.core).sessions, has_sessions);
		}
		world_close(&world);
	}
}

/* ---- questions ---- */

static void sys_reaches_only_who_may(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct mt_rule all = {.id = 1,
			      .operation = MT_OPERATION_BOTH,
			      .qos_mask = 7,
			      .filter = mt_bytes_str("#")};
	struct world world;
	struct world_conn *open, *ann;
	(void)state;
	SPEC(MQTT5, "4.7.2-1");
	settings.sys_interval_ns = 10 * MT_SECOND;
	world_open_with(&world, &settings, world_policy(&all, 1));
	world_pass(&world, MT_SECOND);
	open = world_client(&world, MT_VERSION_5, "open", true);
	ann = login(&world, MT_VERSION_5);
	assert_int_equal(world_subscribe(&world, open, "$SYS/broker/version", 0), 0);
	world_expect(open, "$SYS/broker/version", "test");
	assert_int_equal(world_subscribe(&world, ann, "$SYS/broker/version", 0),
			 MT_REASON_NOT_AUTHORIZED);
	assert_int_equal(world_subscribe(&world, ann, "#", 0), 0);
	world_subscribe(&world, open, "$SYS/broker/clients/connected", 0);
	world_expect(open, "$SYS/broker/clients/connected", "0");
	world_pass(&world, 10 * MT_SECOND);
	world_expect(open, "$SYS/broker/clients/connected", "2");
	assert_true(world_is_quiet(ann));
	/* nobody writes there */
	world_publish(&world, open, "$SYS/broker/version", "forged", 1, true, 4);
	assert_int_equal(world_take_ack(open, MT_PACKET_PUBACK, 4).reason,
			 MT_REASON_NOT_AUTHORIZED);
	world_close(&world);
}

static void every_client_is_named_once(void **state)
{
	static const char *const ids[] = {"a", "b", "c"};
	struct mt_client_info info;
	struct mt_subscription_info sub;
	struct world world;
	struct world_conn *b;
	uint32_t cursor = 0, seen = 0;
	(void)state;
	world_open(&world);
	world_client(&world, MT_VERSION_3_1_1, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_client(&world, MT_VERSION_5, "c", true);
	world_subscribe(&world, b, "x/#", 2);
	world_subscribe(&world, b, "$share/g/y", 1);
	world_cut(&world, b);
	while (mt_core_next_client(world.core, &cursor, &info)) {
		size_t i = 0;
		while (strcmp(info.client_id, ids[i]) != 0)
			assert_true(++i < MT_COUNT_OF(ids));
		assert_false(seen >> i & 1);
		seen |= 1u << i;
		assert_int_equal(info.is_connected, i != 1);
		assert_int_equal(info.version, i == 0 ? 4 : 5);
		assert_string_equal(info.listener, "test");
		assert_string_equal(info.user, "");
		assert_int_equal(info.expiry_s, i == 1 ? 600 : 0);
		assert_int_equal(info.subscription_count, i == 1 ? 2 : 0);
		for (uint32_t s = 0; s < info.subscription_count; s++) {
			assert_true(mt_core_client_subscription(world.core, cursor, s, &sub));
			assert_int_equal(sub.qos, strcmp(sub.filter, "x/#") == 0 ? 2 : 1);
		}
		assert_false(mt_core_client_subscription(world.core, cursor,
							 info.subscription_count, &sub));
	}
	assert_int_equal(seen, 7);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retain_handling_is_followed),
		cmocka_unit_test(shared_subscriptions_get_no_retained),
		cmocka_unit_test(retain_as_published_keeps_the_flag),
		cmocka_unit_test(unsubscribe_says_what_there_was),
		cmocka_unit_test(too_many_filters_are_refused),
		cmocka_unit_test(denied_publish_of_the_older_version),
		cmocka_unit_test(will_is_decided_when_it_fires),
		cmocka_unit_test(kick_ends_who_is_meant),
		cmocka_unit_test(shut_down_says_so_and_keeps_wills),
		cmocka_unit_test(resume_goes_on_after_pubrec),
		cmocka_unit_test(anonymous_sessions_are_kept_only_where_wanted),
		cmocka_unit_test(sys_reaches_only_who_may),
		cmocka_unit_test(every_client_is_named_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
