/* CONNECT and CONNACK (sections 3.1 and 3.2), as a server sees libmortise. */
#include "client.h"

static void connect_is_the_first_packet(void **state)
{
	struct scene *s = *state;
	struct mt_violation why;
	struct mt_publish packet = {.qos = 1, .topic = mt_bytes_str("t")};
	uint16_t id;
	SPEC(MQTT3, "3.1.0-1");
	SPEC(MQTT5, "3.1.0-1");
	s->world = calloc(1, sizeof(*s->world));
	assert_int_equal(mt_client_create(&s->settings, &s->world->client, &why), MT_OK);
	assert_int_equal(mt_client_publish(s->world->client, &packet, &id, &why), MT_OK);
	assert_int_equal(publish_to(s, "t", "x", 0), MT_CLOSED);
	assert_int_equal(subscribe_to(s, "t", 0), MT_CLOSED);
	said_nothing(s);
	assert_int_equal(mt_client_connect(s->world->client, s->world->now), MT_OK);
	said(s, 0x10, "<MQTT> V 02 0000 {" ANNOUNCED "} <c>");
	said_nothing(s);
	assert_int_equal(publish_to(s, "t", "x", 0), MT_CLOSED);
	assert_int_equal(subscribe_to(s, "t", 0), MT_CLOSED);
	said_nothing(s);
}

static void connect_has_its_order(void **state)
{
	struct scene *s = *state;
	struct mt_connect *connect = &s->settings.connect;
	SPEC(MQTT3, "3.1.2-9");
	SPEC(MQTT3, "3.1.2-19");
	SPEC(MQTT3, "3.1.2-21");
	SPEC(MQTT3, "3.1.3-1");
	SPEC(MQTT3, "3.1.3-3");
	SPEC(MQTT5, "3.1.2-9");
	SPEC(MQTT5, "3.1.2-17");
	SPEC(MQTT5, "3.1.2-19");
	SPEC(MQTT5, "3.1.3-1");
	SPEC(MQTT5, "3.1.3-3");
	connect->has_will = connect->has_user = connect->has_password = true;
	connect->will_qos = 2;
	connect->is_will_retain = true;
	connect->will_topic = mt_bytes_str("w");
	connect->will_payload = mt_bytes_str("gone");
	connect->user = mt_bytes_str("ann");
	connect->password = mt_bytes_str("secret");
	connect->will_props.present = MT_PROP_BIT(WILL_DELAY_INTERVAL);
	connect->will_props.will_delay_s = 5;
	if (s->version == MT_VERSION_3_1_1)
		connect->will_props.present = 0;
	dial(s);
	said(s, 0x10,
	     "<MQTT> V f6 0000 {" ANNOUNCED "} <c> {18 00000005} <w> <gone> <ann> <secret>");
	said_nothing(s);
}

static void refuses_to_begin(const struct scene *s, const struct mt_client_settings *settings)
{
	struct mt_client *client = NULL;
	struct mt_violation why = {0};
	(void)s;
	assert_int_equal(mt_client_create(settings, &client, &why), MT_INVALID);
	assert_null(client);
	assert_non_null(why.statement);
}

static void absent_fields_have_no_flag(void **state)
{
	struct scene *s = *state;
	struct mt_connect *connect = &s->settings.connect;
	SPEC(MQTT3, "2.2.2-1");
	SPEC(MQTT3, "3.1.2-11");
	SPEC(MQTT3, "3.1.2-13");
	SPEC(MQTT3, "3.1.2-15");
	SPEC(MQTT3, "3.1.2-18");
	SPEC(MQTT3, "3.1.2-20");
	SPEC(MQTT5, "2.1.3-1");
	SPEC(MQTT5, "3.1.2-11");
	SPEC(MQTT5, "3.1.2-13");
	SPEC(MQTT5, "3.1.2-16");
	SPEC(MQTT5, "3.1.2-18");
	/* The fields are set, but not asked for. */
	connect->will_topic = mt_bytes_str("w");
	connect->user = mt_bytes_str("ann");
	connect->password = mt_bytes_str("secret");
	dial(s);
	said(s, 0x10, "<MQTT> V 02 0000 {" ANNOUNCED "} <c>");
	said_nothing(s);
	connect->will_qos = 2;
	refuses_to_begin(s, &s->settings);
	connect->will_qos = 0;
	connect->is_will_retain = true;
	refuses_to_begin(s, &s->settings);
}

static void a_connect_against_the_standard_is_not_sent(void **state)
{
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xed\xa0\x80", "\xff"};
	struct scene *s = *state;
	struct mt_client_settings settings;
	SPEC(MQTT3, "1.5.3-1");
	SPEC(MQTT3, "3.1.2-14");
	SPEC(MQTT3, "3.1.3-4");
	SPEC(MQTT3, "3.1.3-10");
	SPEC(MQTT3, "3.1.3-11");
	SPEC(MQTT5, "1.5.4-1");
	SPEC(MQTT5, "3.1.2-12");
	SPEC(MQTT5, "3.1.3-4");
	SPEC(MQTT5, "3.1.3-11");
	SPEC(MQTT5, "3.1.3-12");
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		settings = s->settings;
		settings.connect.client_id = mt_bytes_str(bad[i]);
		refuses_to_begin(s, &settings);
		settings = s->settings;
		settings.connect.has_user = true;
		settings.connect.user = mt_bytes_str(bad[i]);
		refuses_to_begin(s, &settings);
		settings = s->settings;
		settings.connect.has_will = true;
		settings.connect.will_topic = mt_bytes_str(bad[i]);
		refuses_to_begin(s, &settings);
	}
	settings = s->settings;
	settings.connect.has_will = true;
	settings.connect.will_topic = mt_bytes_str("w");
	settings.connect.will_qos = 3;
	refuses_to_begin(s, &settings);
	settings = s->settings;
	settings.connect.client_id = mt_bytes_of("a\0b", 3);
	SPEC(MQTT3, "1.5.3-2");
	SPEC(MQTT5, "1.5.4-2");
	refuses_to_begin(s, &settings);
}

static void what_3_does_not_know_is_not_sent(void **state)
{
	struct scene *s = *state;
	struct mt_client_settings settings = s->settings;
	SPEC(MQTT3, "3.1.2-22");
	SPEC(MQTT3, "3.1.3-7");
	settings.connect.has_password = true;
	settings.connect.password = mt_bytes_str("p");
	refuses_to_begin(s, &settings);
	settings = s->settings;
	settings.connect.client_id = mt_bytes_of(NULL, 0);
	settings.connect.is_clean = false;
	refuses_to_begin(s, &settings);
	s->settings.connect.client_id = mt_bytes_of(NULL, 0);
	dial(s);
	said(s, 0x10, "<MQTT> 04 02 0000 <>");
}

static void reserved_bits_of_connack_end_it(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.2.2-1");
	SPEC(MQTT3, "4.8.0-1");
	for (unsigned flags = 2; flags < 256; flags *= 2) {
		char body[32];
		dial(s);
		snprintf(body, sizeof(body), "%02x 00 {}", flags);
		hear(s, 0x20, body);
		expect_event(s->world, MT_CLIENT_ENDED);
		assert_int_equal(s->world->event.status, MT_VIOLATION);
	}
}

static void a_session_that_cannot_be_ends_it(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.2.2-4");
	dial(s);
	skip_sent(s->world);
	hear(s, 0x20, "01 00 {}");
	expect_event(s->world, MT_CLIENT_ENDED);
	assert_int_equal(s->world->event.status, MT_VIOLATION);
	assert_true(mt_client_is_over(s->world->client));
}

static void a_refusal_ends_it(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "4.13.2-1");
	dial(s);
	skip_sent(s->world);
	hear(s, 0x20, s->version == MT_VERSION_5 ? "00 87 {}" : "00 05");
	expect_event(s->world, MT_CLIENT_ENDED);
	assert_int_equal(s->world->event.status, MT_DENIED);
	expect_none(s->world);
	said_nothing(s);
	assert_true(mt_client_is_over(s->world->client));
}

static void silence_is_broken_by_a_ping(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-23");
	SPEC(MQTT5, "3.1.2-20");
	s->settings.connect.keep_alive_s = 80;
	enter(s);
	for (int i = 0; i < 3; i++) {
		/* Not one second longer than the keep alive. */
		assert_true(mt_client_deadline(s->world->client) <=
			    s->world->now.mono_ns + 80 * MT_SECOND);
		s->world->now.mono_ns = mt_client_deadline(s->world->client);
		mt_client_tick(s->world->client, s->world->now);
		said(s, 0xc0, "");
		hear_quietly(s, 0xd0, "");
	}
}

static void without_a_keep_alive_there_is_no_ping(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.1.2-20");
	enter(s);
	assert_int_equal(mt_client_deadline(s->world->client), MT_TIME_NEVER);
}

static void the_servers_keep_alive_counts(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.1.2-21");
	SPEC(MQTT5, "3.2.2-21");
	s->settings.connect.keep_alive_s = 600;
	enter_with(s, "00 00 {13 0008}");
	assert_true(mt_client_deadline(s->world->client) <= s->world->now.mono_ns + 8 * MT_SECOND);
	s->world->now.mono_ns += 8 * MT_SECOND;
	mt_client_tick(s->world->client, s->world->now);
	said(s, 0xc0, "");
}

/* What one CONNACK said holds for its connection alone. */
static void a_new_connack_counts_from_the_start(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.1.2-20");
	SPEC(MQTT5, "3.2.2-11");
	SPEC(MQTT5, "3.2.2-15");
	s->settings.connect.keep_alive_s = 600;
	enter_with(s, "00 00 {13 0008 21 0001 24 00 27 00000014}");
	enter(s);
	s->world->now.mono_ns += 8 * MT_SECOND;
	mt_client_tick(s->world->client, s->world->now);
	said_nothing(s);
	assert_int_equal(publish_to(s, "t", "012345678901234567890", 1), MT_OK);
	assert_int_equal(publish_to(s, "t", "x", 2), MT_OK);
	said(s, 0x32, "<t> 0001 {} '012345678901234567890'");
	said(s, 0x34, "<t> 0002 {} 'x'");
}

/* The session of this id goes on, under the same id. */
static void the_session_goes_by_the_client_id(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-4");
	SPEC(MQTT3, "3.1.3-2");
	SPEC(MQTT5, "3.1.2-23");
	SPEC(MQTT5, "3.1.3-2");
	enter_kept(s);
	assert_int_equal(publish_to(s, "t", "x", 1), MT_OK);
	said(s, 0x32, "<t> 0001 {} 'x'");
	dial(s);
	said(s, 0x10, "<MQTT> V 00 0000 {11 00000258 " ANNOUNCED "} <c>");
	hear(s, 0x20, "01 00 {}");
	expect_event(s->world, MT_CLIENT_CONNECTED);
	expect_none(s->world);
	said(s, 0x3a, "<t> 0001 {} 'x'");
}

static void an_assigned_id_is_used_again(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.1.3-2");
	s->settings.connect.client_id = mt_bytes_of(NULL, 0);
	s->settings.connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
	s->settings.connect.props.session_expiry_s = 600;
	enter_with(s, "00 00 {12 <given>}");
	dial(s);
	said(s, 0x10, "<MQTT> 05 00 0000 {11 00000258 " ANNOUNCED "} <given>");
}

/* A clean session leaves nothing that goes on: CONNECT is clean again, and a message that QoS 2 had
 * not finished is new. */
static void a_clean_session_is_not_used_again(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-6");
	SPEC(MQTT5, "3.1.2-4");
	enter(s);
	hear_message(s, 0x34, "<t> 0007 {} 'x'");
	dial(s);
	said(s, 0x10, "<MQTT> V 02 0000 {" ANNOUNCED "} <c>");
	hear(s, 0x20, "00 00 {}");
	expect_event(s->world, MT_CLIENT_CONNECTED);
	expect_none(s->world);
	hear_message(s, 0x34, "<t> 0007 {} 'x'");
}

/* The server lost the session: ids of QoS 2 that were received are forgotten. */
static void a_lost_session_is_dropped(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.2.2-5");
	enter_kept(s);
	hear_message(s, 0x34, "<t> 0007 {} 'x'");
	said(s, 0x50, "0007");
	assert_int_equal(publish_to(s, "t", "y", 2), MT_OK);
	said(s, 0x34, "<t> 0001 {} 'y'");
	hear_quietly(s, 0x50, "0001");
	said(s, 0x62, "0001");
	dial(s);
	skip_sent(s->world);
	hear(s, 0x20, "00 00 {}");
	while (next(s->world))
		assert_int_not_equal(s->world->event.type, MT_CLIENT_ENDED);
	/* No PUBREL of the old session, and the same id is a new message. */
	said_nothing(s);
	hear_message(s, 0x34, "<t> 0007 {} 'z'");
	said(s, 0x50, "0007");
}

/* What the server's CONNACK rules out is not sent. */
static void what_the_server_does_not_take_is_not_sent(void **state)
{
	struct scene *s = *state;
	struct mt_publish retained = {.is_retain = true, .topic = mt_bytes_str("t")};
	struct mt_publish aliased = {.topic = mt_bytes_str("t")};
	struct mt_violation why;
	uint16_t id;
	SPEC(MQTT5, "3.2.2-11");
	SPEC(MQTT5, "3.2.2-14");
	SPEC(MQTT5, "3.2.2-15");
	enter_with(s, "00 00 {24 00 25 00 27 00000014}");
	assert_int_equal(publish_to(s, "t", "x", 1), MT_LIMIT);
	assert_int_equal(publish_to(s, "t", "x", 2), MT_LIMIT);
	assert_int_equal(mt_client_publish(s->world->client, &retained, &id, &why), MT_LIMIT);
	assert_int_equal(publish_to(s, "t", "01234567890123", 0), MT_OK);
	said(s, 0x30, "<t> {} '01234567890123'");
	assert_int_equal(publish_to(s, "t", "012345678901234", 0), MT_LIMIT);
	assert_int_equal(subscribe_to(s, "01234567890123456", 0), MT_LIMIT);
	SPEC(MQTT5, "3.2.2-17");
	SPEC(MQTT5, "3.2.2-18");
	SPEC(MQTT5, "3.3.2-8");
	SPEC(MQTT5, "3.3.2-9");
	aliased.props.present = MT_PROP_BIT(TOPIC_ALIAS);
	for (unsigned alias = 0; alias < 3; alias++) {
		aliased.props.topic_alias = (uint16_t)alias;
		assert_int_not_equal(mt_client_publish(s->world->client, &aliased, &id, &why),
				     MT_OK);
	}
	said_nothing(s);
}

/* Also not when it was taken before the server said so. */
static void what_waited_is_held_to_the_new_connack(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.2.2-11");
	enter_kept(s);
	mt_client_closed(s->world->client);
	assert_int_equal(publish_to(s, "t", "x", 2), MT_OK);
	assert_int_equal(mt_client_connect(s->world->client, s->world->now), MT_OK);
	skip_sent(s->world);
	hear(s, 0x20, "01 00 {24 01}");
	while (next(s->world))
		;
	said_nothing(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BOTH(connect_is_the_first_packet),
		IN_BOTH(connect_has_its_order),
		IN_BOTH(absent_fields_have_no_flag),
		IN_BOTH(a_connect_against_the_standard_is_not_sent),
		IN_3(what_3_does_not_know_is_not_sent),
		IN_BOTH(reserved_bits_of_connack_end_it),
		IN_BOTH(a_session_that_cannot_be_ends_it),
		IN_BOTH(a_refusal_ends_it),
		IN_BOTH(silence_is_broken_by_a_ping),
		IN_BOTH(without_a_keep_alive_there_is_no_ping),
		IN_5(the_servers_keep_alive_counts),
		IN_5(a_new_connack_counts_from_the_start),
		IN_BOTH(the_session_goes_by_the_client_id),
		IN_5(an_assigned_id_is_used_again),
		IN_BOTH(a_clean_session_is_not_used_again),
		IN_BOTH(a_lost_session_is_dropped),
		IN_5(what_the_server_does_not_take_is_not_sent),
		IN_5(what_waited_is_held_to_the_new_connack),
	};
	return cmocka_run_group_tests_name("client: connect", tests, NULL, NULL);
}
