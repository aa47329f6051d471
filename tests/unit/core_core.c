/* The core against a world of virtual clients: the protocol's behaviour, end to end and pure. */
#include "core_world.h"
#include "spec.h"

#include <stdio.h>

static const enum mt_version both[] = {MT_VERSION_3_1_1, MT_VERSION_5};

static void passes_on_by_qos(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.8.4-8");
	for (size_t v = 0; v < 2; v++)
		for (uint8_t granted = 0; granted <= 2; granted++)
			for (uint8_t qos = 0; qos <= 2; qos++) {
				struct world world;
				struct world_conn *a, *b;
				struct mt_publish got;
				world_open(&world);
				a = world_client(&world, both[v], "a", true);
				b = world_client(&world, both[1 - v], "b", true);
				assert_int_equal(world_subscribe(&world, b, "x/+", granted), granted);
				world_publish(&world, a, "x/y", "hi", qos, false, qos ? 5 : 0);
				got = world_expect(b, "x/y", "hi");
				assert_int_equal(got.qos, qos < granted ? qos : granted);
				assert_false(got.is_retain);
				assert_false(got.is_dup);
				if (qos == 1)
					world_take_ack(a, MT_PACKET_PUBACK, 5);
				if (qos == 2)
					world_take_ack(a, MT_PACKET_PUBREC, 5);
				assert_true(world_is_quiet(a));
				assert_true(world_is_quiet(b));
				world_close(&world);
			}
}

static void qos2_is_passed_on_once(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_publish again = {.qos = 2, .is_dup = true, .packet_id = 5, .topic = mt_bytes_str("t"),
				   .payload = mt_bytes_str("m")};
	struct mt_publish got;
	(void)state;
	SPEC(MQTT5, "4.3.3-10");
	SPEC(MQTT5, "4.3.3-12");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_subscribe(&world, b, "t", 2);
	world_publish(&world, a, "t", "m", 2, false, 5);
	world_take_ack(a, MT_PACKET_PUBREC, 5);
	world_send_publish(&world, a, &again);
	world_take_ack(a, MT_PACKET_PUBREC, 5);
	got = world_expect(b, "t", "m");
	assert_true(world_is_quiet(b));
	world_send_ack(&world, a, MT_PACKET_PUBREL, 5, 0);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBCOMP, 5).reason, MT_REASON_SUCCESS);
	world_send_ack(&world, a, MT_PACKET_PUBREL, 5, 0);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBCOMP, 5).reason, MT_REASON_PACKET_IDENTIFIER_NOT_FOUND);
	/* after PUBCOMP the id stands for a new message */
	world_publish(&world, a, "t", "n", 2, false, 5);
	world_send_ack(&world, b, MT_PACKET_PUBREC, got.packet_id, 0);
	world_expect(b, "t", "n");
	world_take_ack(b, MT_PACKET_PUBREL, got.packet_id);
	world_send_ack(&world, b, MT_PACKET_PUBCOMP, got.packet_id, 0);
	assert_true(world_is_quiet(b));
	assert_int_equal(mt_core_counts(world.core).queued_messages, 1);
	world_close(&world);
}

static void session_keeps_and_sends_again(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_publish got;
	(void)state;
	SPEC(MQTT5, "4.4.0-1");
	for (size_t v = 0; v < 2; v++) {
		world_open(&world);
		a = world_client(&world, both[v], "a", true);
		b = world_client(&world, both[v], "b", false);
		world_subscribe(&world, b, "q/#", 1);
		world_publish(&world, a, "q/1", "one", 1, false, 1);
		got = world_expect(b, "q/1", "one");
		world_cut(&world, b);
		world_publish(&world, a, "q/2", "two", 1, false, 2);
		world_publish(&world, a, "q/0", "lost", 0, false, 0);
		b = world_dial(&world, "open");
		assert_true(world_connect(&world, b, both[v], "b", false).is_session_present);
		{
			struct mt_publish again = world_expect(b, "q/1", "one");
			assert_true(again.is_dup);
			assert_int_equal(again.packet_id, got.packet_id);
		}
		assert_false(world_expect(b, "q/2", "two").is_dup);
		assert_true(world_is_quiet(b));
		world_close(&world);
	}
}

static void clean_start_forgets(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	SPEC(MQTT5, "3.1.2-4");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_subscribe(&world, b, "t", 1);
	world_cut(&world, b);
	b = world_dial(&world, "open");
	assert_false(world_connect(&world, b, MT_VERSION_5, "b", true).is_session_present);
	world_publish(&world, a, "t", "m", 1, false, 1);
	assert_true(world_is_quiet(b));
	world_close(&world);
}

static void session_expires(void **state)
{
	struct world world;
	struct world_conn *b;
	(void)state;
	world_open(&world);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_subscribe(&world, b, "t", 1);
	world_cut(&world, b);
	world_pass(&world, 599 * MT_SECOND);
	assert_int_equal(mt_core_counts(world.core).sessions, 1);
	world_pass(&world, 2 * MT_SECOND);
	assert_int_equal(mt_core_counts(world.core).sessions, 0);
	assert_int_equal(mt_core_counts(world.core).subscriptions, 0);
	world_close(&world);
}

static void retained_reaches_new_subscribers(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_publish(&world, a, "r/1", "v", 1, true, 1);
	world_take_ack(a, MT_PACKET_PUBACK, 1);
	world_subscribe(&world, b, "r/#", 1);
	assert_true(world_expect(b, "r/1", "v").is_retain);
	world_publish(&world, a, "r/1", "w", 0, true, 0);
	assert_false(world_expect(b, "r/1", "w").is_retain);
	world_publish(&world, a, "r/1", "", 0, true, 0);
	world_expect(b, "r/1", "");
	assert_int_equal(mt_core_counts(world.core).retained_count, 0);
	assert_int_equal(world_subscribe(&world, b, "r/1", 0), 0);
	assert_true(world_is_quiet(b));
	world_close(&world);
}

static void shared_group_takes_turns(void **state)
{
	struct world world;
	struct world_conn *a, *b, *c;
	size_t b_count = 0, c_count = 0;
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	c = world_client(&world, MT_VERSION_5, "c", true);
	assert_int_equal(world_subscribe(&world, b, "$share/g/t", 0), 0);
	assert_int_equal(world_subscribe(&world, c, "$share/g/t", 0), 0);
	for (int i = 0; i < 10; i++)
		world_publish(&world, a, "t", "m", 0, false, 0);
	for (; !world_is_quiet(b); b_count++)
		world_take_publish(b);
	for (; !world_is_quiet(c); c_count++)
		world_take_publish(c);
	assert_int_equal(b_count, 5);
	assert_int_equal(c_count, 5);
	world_close(&world);
}

static void overlapping_subscriptions_deliver_once_with_all_ids(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_publish got;
	struct mt_sub_options options = {.qos = 0};
	(void)state;
	SPEC(MQTT5, "3.3.4-2");
	SPEC(MQTT5, "3.3.4-4");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_subscribe_with(&world, b, "t/+", &options, 11);
	options.qos = 1;
	world_subscribe_with(&world, b, "t/x", &options, 222);
	world_publish(&world, a, "t/x", "m", 1, false, 1);
	got = world_expect(b, "t/x", "m");
	assert_int_equal(got.qos, 1);
	assert_int_equal(got.props.subscription_id_count, 2);
	assert_true(world_is_quiet(b));
	world_close(&world);
}

static void no_local_is_kept(void **state)
{
	struct world world;
	struct world_conn *a;
	struct mt_sub_options options = {.qos = 0, .is_no_local = true};
	(void)state;
	SPEC(MQTT5, "3.8.3-3");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_subscribe_with(&world, a, "t", &options, 0);
	world_publish(&world, a, "t", "m", 0, false, 0);
	assert_true(world_is_quiet(a));
	world_close(&world);
}

static struct mt_connect with_will(enum mt_version version, const char *id, uint32_t delay_s)
{
	struct mt_connect connect = {.version = version,
				     .is_clean = version == MT_VERSION_3_1_1,
				     .client_id = mt_bytes_str(id),
				     .has_will = true,
				     .will_qos = 1,
				     .will_topic = mt_bytes_str("will"),
				     .will_payload = mt_bytes_str("gone")};
	if (version == MT_VERSION_5) {
		connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		connect.props.session_expiry_s = 100;
		connect.will_props.present = MT_PROP_BIT(WILL_DELAY_INTERVAL);
		connect.will_props.will_delay_s = delay_s;
	}
	return connect;
}

static void will_fires_when_it_should(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_connect connect;
	(void)state;
	SPEC(MQTT5, "3.1.2-8");
	for (size_t v = 0; v < 2; v++) {
		world_open(&world);
		b = world_client(&world, both[v], "b", true);
		world_subscribe(&world, b, "will", 1);
		connect = with_will(both[v], "a", 0);
		a = world_dial(&world, "open");
		world_send_connect(&world, a, &connect);
		world_cut(&world, a);
		world_expect(b, "will", "gone");
		/* an orderly DISCONNECT takes the will with it */
		a = world_dial(&world, "open");
		world_send_connect(&world, a, &connect);
		world_disconnect(&world, a, 0);
		assert_true(world_is_quiet(b));
		world_close(&world);
	}
}

static void will_waits_its_delay(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_connect connect = with_will(MT_VERSION_5, "a", 10);
	(void)state;
	SPEC(MQTT5, "3.1.3-9");
	world_open(&world);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_subscribe(&world, b, "will", 1);
	a = world_dial(&world, "open");
	world_send_connect(&world, a, &connect);
	world_cut(&world, a);
	world_pass(&world, 9 * MT_SECOND);
	assert_true(world_is_quiet(b));
	/* back in time: no will */
	a = world_dial(&world, "open");
	world_send_connect(&world, a, &connect);
	world_pass(&world, 20 * MT_SECOND);
	assert_true(world_is_quiet(b));
	world_cut(&world, a);
	world_pass(&world, 11 * MT_SECOND);
	world_expect(b, "will", "gone");
	world_close(&world);
}

static void newer_connection_takes_over(void **state)
{
	struct world world;
	struct world_conn *first, *second;
	(void)state;
	SPEC(MQTT5, "3.1.4-3");
	world_open(&world);
	first = world_client(&world, MT_VERSION_5, "same", false);
	second = world_dial(&world, "open");
	assert_true(world_connect(&world, second, MT_VERSION_5, "same", false).is_session_present);
	assert_int_equal(world_take_disconnect(first), MT_REASON_SESSION_TAKEN_OVER);
	assert_true(first->is_closed);
	assert_false(second->is_closed);
	assert_int_equal(mt_core_counts(world.core).sessions, 1);
	world_close(&world);
}

static void keep_alive_runs_out(void **state)
{
	struct world world;
	struct world_conn *a;
	struct mt_connect connect = {.version = MT_VERSION_5, .is_clean = true, .keep_alive_s = 10,
				     .client_id = mt_bytes_str("a")};
	static const uint8_t ping[] = {0xc0, 0};
	(void)state;
	SPEC(MQTT5, "3.1.2-22");
	SPEC(MQTT5, "3.12.4-1");
	world_open(&world);
	a = world_dial(&world, "open");
	world_send_connect(&world, a, &connect);
	world_take_connack(a);
	world_pass(&world, 14 * MT_SECOND);
	world_send(&world, a, mt_bytes_of(ping, sizeof(ping)));
	assert_int_equal(world_take(a).type, MT_PACKET_PINGRESP);
	world_pass(&world, 14 * MT_SECOND);
	assert_false(a->is_closed);
	world_pass(&world, 2 * MT_SECOND);
	assert_true(a->is_closed);
	assert_int_equal(world_take_disconnect(a), MT_REASON_KEEP_ALIVE_TIMEOUT);
	world_close(&world);
}

static void connect_must_come_in_time_and_first(void **state)
{
	static const uint8_t ping[] = {0xc0, 0};
	static const uint8_t huge[] = {0x10, 0xff, 0xff, 0xff, 0x7f};
	struct world world;
	struct world_conn *a, *b, *c;
	(void)state;
	SPEC(MQTT5, "3.1.0-1");
	world_open(&world);
	a = world_dial(&world, "open");
	b = world_dial(&world, "open");
	c = world_dial(&world, "open");
	world_send(&world, b, mt_bytes_of(ping, sizeof(ping)));
	assert_true(b->is_closed);
	assert_string_equal(world.last_audit.statement, "MQTT-3.1.0-1");
	world_send(&world, c, mt_bytes_of(huge, sizeof(huge)));
	assert_true(c->is_closed);
	world_pass(&world, 11 * MT_SECOND);
	assert_true(a->is_closed);
	assert_int_equal(mt_core_counts(world.core).connections, 0);
	world_close(&world);
}

static void second_connect_is_a_violation(void **state)
{
	struct world world;
	struct world_conn *a;
	struct mt_connect connect = {.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("a")};
	(void)state;
	SPEC(MQTT5, "3.1.0-2");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_send_connect(&world, a, &connect);
	assert_true(a->is_closed);
	assert_int_equal(world_take_disconnect(a), MT_REASON_PROTOCOL_ERROR);
	world_close(&world);
}

/* ---- identity and permission ---- */

static const struct mt_rule ann_rules[] = {
	{.id = 1, .operation = MT_OPERATION_BOTH, .qos_mask = 3, .filter = {(const uint8_t *)"own/%c/#", 8}},
	{.id = 2, .operation = MT_OPERATION_SUBSCRIBE, .qos_mask = 7, .filter = {(const uint8_t *)"news/#", 6}},
	{.id = 3, .is_deny = true, .operation = MT_OPERATION_BOTH, .qos_mask = 7, .filter = {(const uint8_t *)"news/secret", 11}},
};

static struct world_conn *login(struct world *world, enum mt_version version, const char *id)
{
	struct mt_connect connect = {.version = version, .is_clean = true, .client_id = mt_bytes_str(id),
				     .has_user = true, .has_password = true, .user = mt_bytes_str("ann"),
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
	assert_int_equal(world_subscribe(&world, a, "$share/g/news/#", 0), MT_REASON_NOT_AUTHORIZED);
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
	struct mt_rule rule = {.id = 1, .operation = MT_OPERATION_SUBSCRIBE, .qos_mask = 7, .has_network = true,
			       .filter = mt_bytes_str("lan/#")};
	struct mt_core_settings settings = world_settings();
	struct mt_connect connect = {.version = MT_VERSION_5, .client_id = mt_bytes_str("dev"), .has_user = true,
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
		struct mt_conn_facts facts = {.listener = "test", .anonymous_role = "", .is_secret_safe = true};
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
		struct mt_buf items = mt_buf_of(list, sizeof(list)), buf = mt_buf_of(data, sizeof(data));
		struct mt_subscribe subscribe = {.type = MT_PACKET_SUBSCRIBE, .packet_id = 1, .filter_count = 1};
		mt_subscribe_put(&items, mt_bytes_str("r/#"), &(struct mt_sub_options){0}, MT_VERSION_5);
		subscribe.list = mt_buf_view(&items);
		assert_int_equal(mt_subscribe_encode(&subscribe, MT_VERSION_5, &buf), MT_OK);
		mt_core_input(world.core, world.now, b->conn, mt_buf_view(&buf));
	}
	world_serve(&world);
	while (!world_is_quiet(b)) {
		struct mt_frame frame = world_take(b);
		refused += frame.type == MT_PACKET_SUBACK && frame.body.data[frame.body.len - 1] == MT_REASON_QUOTA_EXCEEDED;
	}
	assert_true(refused >= 8);
	assert_false(b->is_closed);
	world_close(&world);
}

/* 3.1.1 knows no $share syntax, so nothing refuses an empty group before the permissions do. */
static void empty_share_group_gains_nothing(void **state)
{
	static const char *const filters[] = {"$share//news/#", "$share/+/news/#", "$share/g/", "$share/news/#"};
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
				 ids[i][0] ? MT_REASON_CLIENT_IDENTIFIER_NOT_VALID : MT_REASON_SUCCESS);
		world_close(&world);
	}
}

static void wrong_password_and_no_credentials_are_refused(void **state)
{
	struct world world;
	struct world_conn *a;
	struct mt_connect connect = {.version = MT_VERSION_3_1_1, .is_clean = true, .client_id = mt_bytes_str("a"),
				     .has_user = true, .has_password = true, .user = mt_bytes_str("ann"),
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
	mt_core_authenticated(world.core, world.now, world.auth_ticket, &(struct mt_auth_verdict){.is_accepted = true, .user_id = 7});
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
		struct mt_policy_builder *builder = mt_policy_builder_create(3, (struct mt_seed){{5, 6}});
		assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
		mt_core_set_policy(world.core, world.now, policy);
		mt_policy_unref(&policy);
	}
	world_pass(&world, MT_MS);
	assert_true(a->is_closed);
	assert_int_equal(world_take_disconnect(a), MT_REASON_ADMINISTRATIVE_ACTION);
	world_close(&world);
}

/* ---- the store ---- */

static void acknowledgement_waits_for_the_store(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	SPEC(MQTT5, "4.6.0-2");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_subscribe(&world, b, "t", 1);
	world.is_store_held = true;
	world_publish(&world, a, "t", "kept", 1, false, 1);
	world_publish(&world, a, "nobody", "x", 1, false, 2);
	assert_true(world_is_quiet(a)); /* the second waits behind the first */
	assert_int_equal(world.ticket_count, 1);
	mt_core_stored(world.core, world.now, world.tickets[0], MT_OK);
	world_serve(&world);
	world_take_ack(a, MT_PACKET_PUBACK, 1);
	world_take_ack(a, MT_PACKET_PUBACK, 2);
	/* not stored: taken back, said honestly, and the former retained message returns */
	world.is_store_held = false;
	world_publish(&world, a, "ret", "old", 1, true, 3);
	world_take_ack(a, MT_PACKET_PUBACK, 3);
	world_cut(&world, b);
	world.is_store_held = true;
	world_publish(&world, a, "t", "never", 1, false, 4);
	world_publish(&world, a, "ret", "new", 2, true, 5);
	assert_int_equal(mt_core_counts(world.core).queued_messages, 2);
	mt_core_stored(world.core, world.now, world.tickets[1], MT_SYSTEM);
	mt_core_stored(world.core, world.now, world.tickets[2], MT_SYSTEM);
	world_serve(&world);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBACK, 4).reason, MT_REASON_QUOTA_EXCEEDED);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBREC, 5).reason, MT_REASON_QUOTA_EXCEEDED);
	assert_int_equal(mt_core_counts(world.core).queued_messages, 1);
	world_subscribe(&world, a, "ret", 0);
	world_expect(a, "ret", "old");
	world_close(&world);
}

/* ---- limits ---- */

static void receive_maximum_is_enforced(void **state)
{
	struct world world;
	struct world_conn *a;
	(void)state;
	SPEC(MQTT5, "3.3.4-8");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	for (uint16_t id = 1; id <= 11; id++)
		world_publish(&world, a, "t", "m", 2, false, id);
	for (uint16_t id = 1; id <= 10; id++)
		world_take_ack(a, MT_PACKET_PUBREC, id);
	assert_int_equal(world_take_disconnect(a), MT_REASON_RECEIVE_MAXIMUM_EXCEEDED);
	assert_true(a->is_closed);
	world_close(&world);
}

static void client_window_is_kept(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_connect connect = {.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("b")};
	uint16_t first;
	(void)state;
	SPEC(MQTT5, "3.3.4-7");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_dial(&world, "open");
	connect.props.present = MT_PROP_BIT(RECEIVE_MAXIMUM);
	connect.props.receive_max = 2;
	world_send_connect(&world, b, &connect);
	world_take_connack(b);
	world_subscribe(&world, b, "t", 1);
	world_publish(&world, a, "t", "1", 1, false, 1);
	world_publish(&world, a, "t", "2", 1, false, 2);
	world_publish(&world, a, "t", "3", 1, false, 3);
	first = world_expect(b, "t", "1").packet_id;
	world_expect(b, "t", "2");
	assert_true(world_is_quiet(b));
	world_send_ack(&world, b, MT_PACKET_PUBACK, first, 0);
	world_expect(b, "t", "3");
	world_close(&world);
}

static void large_packets_pass_over_small_clients(void **state)
{
	struct world world;
	struct world_conn *a, *b, *c;
	struct mt_connect connect = {.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("b")};
	char big[3000];
	(void)state;
	SPEC(MQTT5, "3.1.2-24");
	SPEC(MQTT5, "3.1.2-25");
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_dial(&world, "open");
	connect.props.present = MT_PROP_BIT(MAXIMUM_PACKET_SIZE);
	connect.props.packet_bytes_max = 100;
	world_send_connect(&world, b, &connect);
	world_take_connack(b);
	c = world_client(&world, MT_VERSION_3_1_1, "c", true);
	world_subscribe(&world, b, "t", 1);
	world_subscribe(&world, c, "t", 1);
	world_publish(&world, a, "t", big, 1, false, 1);
	world_publish(&world, a, "t", "small", 1, false, 2);
	world_expect(b, "t", "small");
	world_expect(c, "t", big);
	world_expect(c, "t", "small");
	assert_true(world_is_quiet(b));
	world_close(&world);
}

static void topic_aliases_resolve(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_publish publish = {.topic = mt_bytes_str("long/topic"), .payload = mt_bytes_str("1")};
	(void)state;
	SPEC(MQTT5, "3.3.2-12");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_subscribe(&world, b, "#", 0);
	publish.props.present = MT_PROP_BIT(TOPIC_ALIAS);
	publish.props.topic_alias = 3;
	world_send_publish(&world, a, &publish);
	publish.topic = mt_bytes_str("");
	publish.payload = mt_bytes_str("2");
	world_send_publish(&world, a, &publish);
	assert_int_equal(world_expect(b, "long/topic", "1").props.present & MT_PROP_BIT(TOPIC_ALIAS), 0);
	world_expect(b, "long/topic", "2");
	publish.props.topic_alias = 9;
	publish.topic = mt_bytes_str("t");
	SPEC(MQTT5, "3.3.2-9");
	world_send_publish(&world, a, &publish);
	assert_int_equal(world_take_disconnect(a), MT_REASON_TOPIC_ALIAS_INVALID);
	world_close(&world);
}

static void expired_messages_are_not_delivered(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	struct mt_publish publish = {.qos = 1, .packet_id = 1, .topic = mt_bytes_str("t"), .payload = mt_bytes_str("m")};
	(void)state;
	SPEC(MQTT5, "3.3.2-5");
	SPEC(MQTT5, "3.3.2-6");
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", false);
	world_subscribe(&world, b, "t", 1);
	world_cut(&world, b);
	publish.props.present = MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL);
	publish.props.message_expiry_s = 10;
	world_send_publish(&world, a, &publish);
	publish.props.message_expiry_s = 100;
	publish.packet_id = 2;
	world_send_publish(&world, a, &publish);
	world_pass(&world, 30 * MT_SECOND);
	b = world_dial(&world, "open");
	world_connect(&world, b, MT_VERSION_5, "b", false);
	assert_int_equal(world_expect(b, "t", "m").props.message_expiry_s, 70);
	assert_true(world_is_quiet(b));
	world_close(&world);
}

/* A burst that is larger than the receiver's queue: the publisher is not read until there is room, and nothing acknowledged is lost. */
static void bursts_wait_for_the_receiver(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	uint8_t data[300 * 16];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	uint32_t delivered = 0, acked = 0;
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	world_subscribe(&world, b, "t", 1);
	for (uint16_t id = 1; id <= 300; id++) {
		struct mt_publish publish = {.qos = 1, .packet_id = id, .topic = mt_bytes_str("t"),
					     .payload = mt_bytes_str("m")};
		assert_int_equal(mt_publish_encode(&publish, MT_VERSION_5, &buf), MT_OK);
	}
	world_send(&world, a, mt_buf_view(&buf));
	assert_true(a->is_paused);
	while (!world_is_quiet(b)) {
		world_send_ack(&world, b, MT_PACKET_PUBACK, world_expect(b, "t", "m").packet_id, 0);
		delivered++;
	}
	for (; !world_is_quiet(a); acked++)
		assert_int_equal(world_take(a).type, MT_PACKET_PUBACK);
	assert_int_equal(delivered, 300);
	assert_int_equal(acked, 300);
	assert_false(a->is_paused);
	assert_int_equal(mt_core_counts(world.core).publishes_dropped, 0);
	assert_true(mt_core_counts(world.core).throttles > 0);
	world_close(&world);
}

/* A receiver that takes nothing holds its publishers up for a second, not for ever; a receiver that goes lets them go at once. */
static void nobody_waits_for_ever(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	(void)state;
	for (int is_cut = 0; is_cut <= 1; is_cut++) {
		world_open(&world);
		a = world_client(&world, MT_VERSION_5, "a", true);
		b = world_client(&world, MT_VERSION_5, "b", true);
		world_subscribe(&world, b, "t", 1);
		for (uint16_t id = 1; id <= 75; id++)
			world_publish(&world, a, "t", "m", 1, false, id);
		assert_true(a->is_paused);
		if (is_cut)
			world_cut(&world, b);
		else
			world_pass(&world, 2 * MT_SECOND);
		assert_false(a->is_paused);
		assert_false(a->is_closed);
		for (uint16_t id = 76; id <= 200; id++)
			world_publish(&world, a, "t", "m", 1, false, id);
		assert_false(a->is_paused);
		assert_int_equal(mt_core_counts(world.core).publishes_dropped, is_cut ? 0 : 100);
		/* the publisher may go while others wait */
		world_cut(&world, a);
		world_close(&world);
	}
}

static void too_deep_topics_are_named_so(void **state)
{
	struct world world;
	struct world_conn *a;
	char topic[64];
	(void)state;
	memset(topic, '/', sizeof(topic) - 1);
	topic[sizeof(topic) - 1] = '\0';
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	world_publish(&world, a, topic, "m", 1, false, 1);
	assert_int_equal(world_take_ack(a, MT_PACKET_PUBACK, 1).reason, MT_REASON_TOPIC_NAME_INVALID);
	assert_int_equal(world_subscribe(&world, a, topic, 0), MT_REASON_TOPIC_FILTER_INVALID);
	world_close(&world);
}

/* Everything in pieces of one byte gives the same as everything at once. */
static void packets_may_come_in_pieces(void **state)
{
	struct world world;
	struct world_conn *a, *b;
	uint8_t data[256];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_publish publish = {.qos = 0, .topic = mt_bytes_str("t"), .payload = mt_bytes_str("piece")};
	(void)state;
	world_open(&world);
	a = world_client(&world, MT_VERSION_3_1_1, "a", true);
	b = world_client(&world, MT_VERSION_3_1_1, "b", true);
	world_subscribe(&world, b, "t", 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(mt_publish_encode(&publish, MT_VERSION_3_1_1, &buf), MT_OK);
	for (size_t i = 0; i < buf.pos; i++)
		world_send(&world, a, mt_bytes_of(data + i, 1));
	for (int i = 0; i < 5; i++)
		world_expect(b, "t", "piece");
	assert_true(world_is_quiet(b));
	world_close(&world);
}

static void retained_backlog_outlasts_the_output_limit(void **state)
{
	struct mt_core_settings settings = world_settings();
	struct world world;
	struct world_conn *a, *b;
	char topic[16];
	char payload[200];
	size_t count = 0;
	(void)state;
	memset(payload, 'p', sizeof(payload) - 1);
	payload[sizeof(payload) - 1] = '\0';
	settings.limits.output_bytes = 2000;
	world_open_with(&world, &settings, world_policy(NULL, 0));
	a = world_client(&world, MT_VERSION_5, "a", true);
	b = world_client(&world, MT_VERSION_5, "b", true);
	for (int i = 0; i < 80; i++) {
		snprintf(topic, sizeof(topic), "r/%d", i);
		world_publish(&world, a, topic, payload, 0, true, 0);
	}
	world_subscribe(&world, b, "r/#", 0);
	for (; !world_is_quiet(b); count++)
		world_take_publish(b);
	assert_int_equal(count, 80);
	world_close(&world);
}

/* Memory runs out at every possible moment: connections may go, the core may not. */
static void survives_every_failed_allocation(void **state)
{
	(void)state;
	for (size_t ceiling = 60000; ceiling < 140000; ceiling += 512) {
		struct mt_core_settings settings = world_settings();
		struct mt_policy *policy = world_policy(NULL, 0);
		struct world world = {.now = {MT_SECOND, MT_SECOND}};
		settings.memory_bytes = ceiling;
		world.core = mt_core_create(&settings, policy, world.now);
		mt_policy_unref(&policy);
		for (int i = 0; world.core && i < 20; i++) {
			struct mt_connect connect = {.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("")};
			static const uint8_t subscribe[] = {0x82, 7, 0, 1, 0, 0, 1, '#', 1};
			static const uint8_t publish[] = {0x3b, 6, 0, 1, 't', 0, 1, 0};
			uint8_t data[64];
			struct mt_buf buf = mt_buf_of(data, sizeof(data));
			struct mt_conn_facts facts = {.listener = "t", .anonymous_role = "open"};
			struct world_conn *conn = &world.conns[world.conn_count];
			if (mt_core_open(world.core, world.now, &facts, &conn->conn) != MT_OK)
				continue;
			world.conn_count++;
			conn->out = malloc(WORLD_OUT_BYTES);
			assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
			world_send(&world, conn, mt_buf_view(&buf));
			world_send(&world, conn, mt_bytes_of(subscribe, sizeof(subscribe)));
			world_send(&world, conn, mt_bytes_of(publish, sizeof(publish)));
		}
		world_close(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_on_by_qos),
		cmocka_unit_test(qos2_is_passed_on_once),
		cmocka_unit_test(session_keeps_and_sends_again),
		cmocka_unit_test(clean_start_forgets),
		cmocka_unit_test(session_expires),
		cmocka_unit_test(retained_reaches_new_subscribers),
		cmocka_unit_test(shared_group_takes_turns),
		cmocka_unit_test(overlapping_subscriptions_deliver_once_with_all_ids),
		cmocka_unit_test(no_local_is_kept),
		cmocka_unit_test(will_fires_when_it_should),
		cmocka_unit_test(will_waits_its_delay),
		cmocka_unit_test(newer_connection_takes_over),
		cmocka_unit_test(keep_alive_runs_out),
		cmocka_unit_test(connect_must_come_in_time_and_first),
		cmocka_unit_test(second_connect_is_a_violation),
		cmocka_unit_test(permissions_hold),
		cmocka_unit_test(resumed_session_is_decided_anew),
		cmocka_unit_test(asking_for_retained_again_and_again_is_bounded),
		cmocka_unit_test(empty_share_group_gains_nothing),
		cmocka_unit_test(hostile_client_ids_are_refused),
		cmocka_unit_test(wrong_password_and_no_credentials_are_refused),
		cmocka_unit_test(another_identity_cannot_take_a_session),
		cmocka_unit_test(revocation_acts_at_once),
		cmocka_unit_test(acknowledgement_waits_for_the_store),
		cmocka_unit_test(receive_maximum_is_enforced),
		cmocka_unit_test(client_window_is_kept),
		cmocka_unit_test(large_packets_pass_over_small_clients),
		cmocka_unit_test(topic_aliases_resolve),
		cmocka_unit_test(expired_messages_are_not_delivered),
		cmocka_unit_test(bursts_wait_for_the_receiver),
		cmocka_unit_test(nobody_waits_for_ever),
		cmocka_unit_test(too_deep_topics_are_named_so),
		cmocka_unit_test(packets_may_come_in_pieces),
		cmocka_unit_test(retained_backlog_outlasts_the_output_limit),
		cmocka_unit_test(survives_every_failed_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
