/* What MQTT 5.0 says without giving it an id, and calls a Protocol Error or a rule all the same, as
 * clients see the broker. */
#include "server.h"

static void connect_fails(struct scene *s, const char *body)
{
	struct world_conn *conn = dial(&s->world, s->version, "open");
	send(&s->world, conn, 0x10, body);
	if (!world_is_quiet(conn))
		expect_connack(conn, 0, conn->out[conn->out_pos + 3] == 0x81 ? 0x81 : 0x82);
	expect_closed(conn);
}

/* Sections 3.1.2.11 and 3.1.3.2. */
static void properties_of_connect_have_their_rules(void **state)
{
	struct scene *s = *state;
	connect_fails(s, "<MQTT> 05 02 0000 {21 0000} <a>");
	connect_fails(s, "<MQTT> 05 02 0000 {27 00000000} <a>");
	connect_fails(s, "<MQTT> 05 02 0000 {17 02} <a>");
	connect_fails(s, "<MQTT> 05 02 0000 {19 02} <a>");
	connect_fails(s, "<MQTT> 05 02 0000 {16 <data>} <a>");
	connect_fails(s, "<MQTT> 05 02 0000 {11 00000001 11 00000001} <a>");
	connect_fails(s, "<MQTT> 05 02 0000 {21 0001 21 0001} <a>");
	connect_fails(s, "<MQTT> 05 02 0000 {24 01} <a>");
	connect_fails(s, "<MQTT> 05 02 0000 {7f} <a>");
	connect_fails(s, "<MQTT> 05 06 0000 00 <a> {01 02} <w> <p>");
	connect_fails(s, "<MQTT> 05 06 0000 00 <a> {18 00000001 18 00000001} <w> <p>");
	connect_fails(s, "<MQTT> 05 06 0000 00 <a> {11 00000001} <w> <p>");
	connect_fails(s, "<MQTT> 05 06 0000 00 <a> {} <w/+> <p>");
	enter(&s->world, s->version, "<MQTT> 05 02 0000 {26 <n> <1> 26 <n> <1>} <a>");
}

/* Section 3.1.2.9: a password may come without a user name. */
static void a_password_needs_no_user_name(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = dial(&s->world, s->version, "");
	send(&s->world, conn, 0x10, "<MQTT> 05 42 0000 00 <a> <secret>");
	if (s->world.auth_count == 0) {
		/* It may also be refused, but not as malformed. */
		expect_connack(conn, 0, conn->out[3] == 0x86 ? 0x86 : 0x87);
		expect_closed(conn);
		return;
	}
	assert_string_equal(s->world.auth_password, "secret");
	assert_string_equal(s->world.auth_user, "");
}

/* Section 3.14.2.2.2. */
static void disconnect_cannot_begin_an_expiry(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	send(&s->world, conn, 0xe0, "00 {11 00000001}");
	expect_end(conn, 0x82);
	conn = enter(&s->world, s->version, CLEAN("a"));
	send(&s->world, conn, 0xe0, "00 {11 00000000}");
	expect_closed(conn);
}

/* Section 3.1.2.11.2: FFFFFFFF is for ever. */
static void a_session_without_end_stays(void **state)
{
	struct scene *s = *state;
	struct mt_core_settings settings = world_settings();
	struct world_conn *conn;
	settings.limits.session_expiry_s = UINT32_MAX;
	scene_restart(s, &settings, world_policy(NULL, 0));
	conn = enter(&s->world, s->version, "<MQTT> 05 00 0000 {11 ffffffff} <a>");
	world_cut(&s->world, conn);
	world_pass(&s->world, (mt_time)10 * 365 * 86400 * MT_SECOND);
	enter_again(&s->world, s->version, "<MQTT> 05 00 0000 {11 ffffffff} <a>");
}

/* Section 3.1.4: a clean start ends the session, and with it the delay of its will. */
static void a_clean_start_sends_the_will_of_the_session_it_ends(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = enter(&s->world, s->version, CLEAN("w"));
	struct world_conn *conn;
	subscribe(&s->world, watcher, "#", 0);
	for (int is_connected = 0; is_connected < 2; is_connected++) {
		conn = enter(&s->world, s->version,
			     "<MQTT> 05 06 0000 {11 00000258} <a> {18 0000003c} <w> <gone>");
		if (!is_connected)
			world_cut(&s->world, conn);
		expect_quiet(watcher);
		conn = enter(&s->world, s->version, CLEAN("a"));
		expect_message(watcher, "w", "gone");
		world_cut(&s->world, conn);
	}
}

/* Sections 3.8.2.1.2 and 3.8.3.1. */
static void requests_have_their_rules(void **state)
{
	static const char *const bad[] = {"0001 {0b 00} <t> 00", "0001 {0b 01 0b 02} <t> 00",
					  "0001 {} <t> 30"};
	struct scene *s = *state;
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		struct world_conn *conn = enter(&s->world, s->version, CLEAN("bad"));
		send(&s->world, conn, 0x82, bad[i]);
		expect_end(conn, 0x82);
	}
}

/* Section 4.3: acknowledgements of ids that are not known do no harm, and have their answers. */
static void unknown_ids_do_no_harm(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	send(&s->world, conn, 0x40, "0001");
	send(&s->world, conn, 0x70, "0001");
	expect_quiet(conn);
	send(&s->world, conn, 0x50, "0001");
	expect(conn, 0x62, "0001 [92]");
	send(&s->world, conn, 0x62, "0001");
	expect(conn, 0x70, "0001 [92]");
	expect_quiet(conn);
}

/* Sections 2.1.4 and 3.12: a length of five bytes, a PINGREQ with a body. */
static void frames_have_their_rules(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	world_send(&s->world, conn, mt_bytes_of("\x30\xff\xff\xff\xff\x01", 6));
	expect_end(conn, 0x81);
	conn = enter(&s->world, s->version, CLEAN("a"));
	send(&s->world, conn, 0xc0, "00");
	expect_end(conn, 0x81);
}

/* Section 2.2.2.2: a property of another packet is malformed. */
static void properties_stay_in_their_packets(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	send(&s->world, conn, 0x82, "0001 {11 00000001} <t> 00");
	expect_end(conn, 0x81);
	conn = enter(&s->world, s->version, CLEAN("a"));
	send(&s->world, conn, 0x30, "<t> {11 00000001} 'x'");
	expect_end(conn, 0x81);
}

/* Section 3.8.3.1: one subscription with no local hides nothing that another one shows. */
static void no_local_is_of_one_subscription(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	send(&s->world, conn, 0x82, "0001 {0b 01} <t> 04");
	expect(conn, 0x90, "0001 {} 00");
	send(&s->world, conn, 0x82, "0002 {0b 02} <#> 00");
	expect(conn, 0x90, "0002 {} 00");
	send(&s->world, conn, 0x30, "<t> {} 'x'");
	expect(conn, 0x30, "<t> {0b 02} 'x'");
	expect_quiet(conn);
}

/* Section 3.8.4: the identifier is part of the subscription that is replaced; retained messages
 * bear it as well. */
static void an_identifier_is_replaced(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	send(&s->world, conn, 0x31, "<t> {} 'kept'");
	send(&s->world, conn, 0x82, "0001 {0b 01} <t> 00");
	expect(conn, 0x90, "0001 {} 00");
	expect(conn, 0x31, "<t> {0b 01} 'kept'");
	send(&s->world, conn, 0x82, "0001 {0b 02} <t> 20");
	expect(conn, 0x90, "0001 {} 00");
	send(&s->world, conn, 0x30, "<t> {} 'x'");
	expect(conn, 0x30, "<t> {0b 02} 'x'");
	send(&s->world, conn, 0x82, "0001 {} <t> 20");
	expect(conn, 0x90, "0001 {} 00");
	send(&s->world, conn, 0x30, "<t> {} 'x'");
	expect(conn, 0x30, "<t> {} 'x'");
	expect_quiet(conn);
}

/* Section 3.3.1.3: a subscription of a resumed session exists already; and a shared one brings no
 * retained messages. */
static void retained_messages_come_to_what_is_new(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, KEPT("a"));
	send(&s->world, conn, 0x31, "<t> {} 'kept'");
	subscribe(&s->world, conn, "t", 0x10);
	expect(conn, 0x31, "<t> {} 'kept'");
	world_cut(&s->world, conn);
	conn = enter_again(&s->world, s->version, KEPT("a"));
	expect_quiet(conn);
	subscribe(&s->world, conn, "t", 0x10);
	expect_quiet(conn);
	subscribe(&s->world, conn, "$share/g/t", 0);
	expect_quiet(conn);
}

/* Section 3.3.2.3.4 and 2.2.2: properties that PUBLISH has once, or not at all. */
static void properties_of_publish_have_their_rules(void **state)
{
	static const char *const bad[] = {"<t> {01 02}", "<t> {01 00 01 00}",
					  "<t> {02 00000001 02 00000001}",

					  "<> {}", "<> {23 0001}"};
	struct scene *s = *state;
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		struct world_conn *conn = enter(&s->world, s->version, CLEAN("bad"));
		send(&s->world, conn, 0x30, bad[i]);
		expect_end(conn, 0x82);
	}
}

/* An id that a clean start freed is new; in both versions a session belongs to its client id alone.
 */
static void a_clean_start_frees_ids_of_qos_2(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = enter(&s->world, s->version, CLEAN("w"));
	struct world_conn *conn = enter(&s->world, s->version, KEPT("a"));
	subscribe(&s->world, watcher, "t", 0);
	send(&s->world, conn, 0x34, "<t> 0001 {} 'x'");
	expect(conn, 0x50, "0001");
	expect_message(watcher, "t", "x");
	conn = enter(&s->world, s->version, CLEAN("a"));
	send(&s->world, conn, 0x34, "<t> 0001 {} 'y'");
	expect(conn, 0x50, "0001");
	expect_message(watcher, "t", "y");
}

/* A session of one version is resumed in the other. */
static void a_session_crosses_versions(void **state)
{
	struct scene *s = *state;
	enum mt_version other = s->version == MT_VERSION_5 ? MT_VERSION_3_1_1 : MT_VERSION_5;
	struct world_conn *pub = enter(&s->world, MT_VERSION_5, CLEAN("pub"));
	struct world_conn *conn = enter(&s->world, s->version, KEPT("a"));
	subscribe(&s->world, conn, "t", 1);
	send(&s->world, pub, 0x32, "<t> 0001 {03 <text>} 'x'");
	expect(conn, 0x32, "<t> 0001 {03 <text>} 'x'");
	world_cut(&s->world, conn);
	conn = enter_again(&s->world, other, KEPT("a"));
	expect(conn, 0x3a, "<t> 0001 {03 <text>} 'x'");
	send(&s->world, conn, 0x40, "0001");
	send(&s->world, pub, 0x32, "<t> 0002 {26 <n> <v>} 'y'");
	expect(conn, 0x32, "<t> 0002 {26 <n> <v>} 'y'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_5(properties_of_connect_have_their_rules),
		IN_5(a_password_needs_no_user_name),
		IN_5(disconnect_cannot_begin_an_expiry),
		IN_5(a_session_without_end_stays),
		IN_5(a_clean_start_sends_the_will_of_the_session_it_ends),
		IN_5(requests_have_their_rules),
		IN_BOTH(unknown_ids_do_no_harm),
		IN_BOTH(frames_have_their_rules),
		IN_5(properties_stay_in_their_packets),
		IN_5(no_local_is_of_one_subscription),
		IN_5(an_identifier_is_replaced),
		IN_5(retained_messages_come_to_what_is_new),
		IN_5(properties_of_publish_have_their_rules),
		IN_BOTH(a_clean_start_frees_ids_of_qos_2),
		IN_BOTH(a_session_crosses_versions),
	};
	return cmocka_run_group_tests_name("server: sections", tests, NULL, NULL);
}
