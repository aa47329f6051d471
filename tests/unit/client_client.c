/* The client machine against hand-made packets of a server, honest and hostile. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/client.h"
#include "client/state.h"
#include "spec.h"
#include "wire/ack.h"

#include <stdio.h>
#include <stdlib.h>

struct world {
	struct mt_client *client;
	struct mt_now now;
	struct mt_client_event event;
	uint8_t sent[65536]; /* what the client put out, as yet unread by the test */
	size_t sent_len;
	uint8_t held[65536]; /* the view given to input stays valid here */
};

static struct mt_bytes hex(const char *text, uint8_t *out)
{
	size_t len = 0;
	for (; *text; text++) {
		unsigned value;
		if (*text == ' ')
			continue;
		assert_int_equal(sscanf(text, "%2x", &value), 1);
		out[len++] = (uint8_t)value;
		text++;
	}
	return mt_bytes_of(out, len);
}

static void pull(struct world *world)
{
	struct mt_bytes list[4];
	size_t count;
	while ((count = mt_client_output(world->client, list, 4)) > 0)
		for (size_t i = 0; i < count; i++) {
			assert_true(world->sent_len + list[i].len <= sizeof(world->sent));
			memcpy(world->sent + world->sent_len, list[i].data, list[i].len);
			world->sent_len += list[i].len;
			mt_client_sent(world->client, world->now, list[i].len);
			break;
		}
}

/* What the client sent since the last look, as a whole. */
static void expect_sent(struct world *world, const char *text)
{
	uint8_t wanted[4096];
	struct mt_bytes view = hex(text, wanted);
	pull(world);
	assert_int_equal(world->sent_len, view.len);
	assert_memory_equal(world->sent, view.data, view.len);
	world->sent_len = 0;
}

static void skip_sent(struct world *world)
{
	pull(world);
	world->sent_len = 0;
}

static void give(struct world *world, const char *text)
{
	struct mt_bytes view = hex(text, world->held);
	mt_client_input(world->client, world->now, view);
}

static bool next(struct world *world)
{
	return mt_client_event(world->client, &world->event);
}

static void expect_event(struct world *world, enum mt_client_event_type type)
{
	assert_true(next(world));
	assert_int_equal(world->event.type, type);
}

static void expect_none(struct world *world)
{
	assert_false(next(world));
}

static void expect_violation(struct world *world, const char *statement)
{
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_VIOLATION);
	assert_string_equal(world->event.violation.statement, statement);
	assert_false(mt_client_is_open(world->client));
	expect_none(world);
}

static struct mt_client_settings settings_of(enum mt_version version)
{
	struct mt_client_settings settings = mt_client_defaults();
	settings.connect.version = version;
	settings.connect.client_id = mt_bytes_str("c");
	return settings;
}

static struct world *begin(const struct mt_client_settings *settings)
{
	struct world *world = calloc(1, sizeof(*world));
	struct mt_violation why;
	assert_non_null(world);
	world->now = (struct mt_now){1000 * MT_SECOND, 0};
	assert_int_equal(mt_client_create(settings, &world->client, &why), MT_OK);
	assert_int_equal(mt_client_connect(world->client, world->now), MT_OK);
	return world;
}

static struct world *begin_open(enum mt_version version)
{
	struct mt_client_settings settings = settings_of(version);
	struct world *world = begin(&settings);
	skip_sent(world);
	give(world, version == MT_VERSION_5 ? "20 03 00 00 00" : "20 02 00 00");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_none(world);
	return world;
}

static void end(struct world *world)
{
	mt_client_destroy(&world->client);
	free(world);
}

static enum mt_status publish(struct world *world, uint8_t qos, bool is_retain, uint16_t *id)
{
	struct mt_violation why;
	struct mt_publish packet = {.qos = qos,
				    .is_retain = is_retain,
				    .topic = mt_bytes_str("t"),
				    .payload = mt_bytes_str("p")};
	return mt_client_publish(world->client, &packet, id, &why);
}

static void reconnect(struct world *world, const char *connack)
{
	mt_client_closed(world->client);
	assert_int_equal(mt_client_connect(world->client, world->now), MT_OK);
	skip_sent(world);
	give(world, connack);
	expect_event(world, MT_CLIENT_CONNECTED);
}

static void connect_says_what_was_asked(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_3_1_1);
	struct world *world;
	(void)state;
	settings.connect.has_user = settings.connect.has_password = true;
	settings.connect.user = mt_bytes_str("u");
	settings.connect.password = mt_bytes_str("pw");
	settings.connect.keep_alive_s = 30;
	settings.connect.has_will = true;
	settings.connect.will_qos = 1;
	settings.connect.will_topic = mt_bytes_str("w");
	settings.connect.will_payload = mt_bytes_str("x");
	world = begin(&settings);
	expect_sent(world, "10 1a 0004 4d515454 04 ce 001e 0001 63 0001 77 0001 78 0001 75 0002 7077");
	end(world);
}

static void connect_of_5_announces_limits(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct world *world;
	(void)state;
	settings.limits.receive_max = 7;
	settings.limits.topic_alias_max = 3;
	settings.limits.packet_bytes = 65536;
	world = begin(&settings);
	expect_sent(world, "10 19 0004 4d515454 05 02 003c 0b 21 0007 22 0003 27 00010000 0001 63");
	end(world);
}

static void illegal_settings_are_refused(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct mt_client *client = NULL;
	struct mt_violation why;
	(void)state;
	settings.connect.has_will = true;
	settings.connect.will_topic = mt_bytes_str("a/#");
	assert_int_equal(mt_client_create(&settings, &client, &why), MT_INVALID);
	settings = settings_of(MT_VERSION_3_1_1);
	settings.connect.has_password = true;
	assert_int_equal(mt_client_create(&settings, &client, &why), MT_INVALID);
	settings = settings_of(MT_VERSION_5);
	settings.limits.window = 0;
	assert_int_equal(mt_client_create(&settings, &client, &why), MT_LIMIT);
	SPEC(MQTT5, "4.12.0-7");
	settings = settings_of(MT_VERSION_5);
	settings.connect.props.present = MT_PROP_BIT(AUTHENTICATION_METHOD);
	settings.connect.props.auth_method = mt_bytes_str("x");
	assert_int_equal(mt_client_create(&settings, &client, &why), MT_INVALID);
	assert_null(client);
}

static void no_memory_is_survived(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct mt_client *client = NULL;
	struct mt_violation why;
	enum mt_status status = MT_MEMORY;
	size_t bytes;
	(void)state;
	settings.limits.output_bytes = 64;
	for (bytes = 64; status != MT_OK; bytes += 64) {
		settings.limits.memory_bytes = bytes;
		status = mt_client_create(&settings, &client, &why);
		assert_true(status == MT_OK || status == MT_MEMORY);
		assert_true(bytes < 1u << 20);
	}
	assert_true(bytes > sizeof(struct mt_client));
	mt_client_destroy(&client);
}

static void refusal_ends(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct world *world = begin(&settings);
	(void)state;
	skip_sent(world);
	give(world, "20 0a 00 87 07 1f 0004 6e6f7065");
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_DENIED);
	assert_int_equal(world->event.reason, MT_REASON_NOT_AUTHORIZED);
	assert_int_equal(world->event.props->reason_string.len, 4);
	assert_true(mt_client_is_over(world->client));
	end(world);
	settings = settings_of(MT_VERSION_3_1_1);
	world = begin(&settings);
	skip_sent(world);
	give(world, "20 02 00 04");
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.reason, MT_REASON_BAD_USER_NAME_OR_PASSWORD);
	end(world);
}

static void first_packet_must_be_connack(void **state)
{
	static const struct {
		const char *packet;
		const char *statement;
	} cases[] = {
		{"d0 00", "MQTT-3.2.0-1"},
		{"30 05 0001 74 00 70", "MQTT-3.2.0-1"},
		{"e0 00", "MQTT-3.2.0-1"},
		{"f0 00", "MQTT-4.12.0-6"},
		{"20 03 01 00 00", "MQTT-3.2.2-2"},
	};
	(void)state;
	SPEC(MQTT5, "3.2.0-1");
	SPEC(MQTT5, "3.2.2-4");
	SPEC(MQTT5, "4.12.0-6");
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct mt_client_settings settings = settings_of(MT_VERSION_5);
		struct world *world = begin(&settings);
		skip_sent(world);
		give(world, cases[i].packet);
		expect_violation(world, cases[i].statement);
		expect_sent(world, ""); /* no DISCONNECT before CONNACK */
		end(world);
	}
}

static void packets_of_clients_are_violations(void **state)
{
	static const struct {
		const char *packet;
		const char *statement;
	} cases[] = {
		{"20 03 00 00 00", "MQTT-3.2.0-2"}, {"f0 00", "MQTT-4.12.0-6"},	 {"c0 00", "malformed"},
		{"82 07 0001 00 0001 74 00", "malformed"}, {"a2 06 0001 00 0001 74", "malformed"},
		{"90 04 0001 00 00", "MQTT-3.9.2-1"}, {"b0 04 0001 00 00", "MQTT-3.11.2-1"},
	};
	(void)state;
	SPEC(MQTT5, "3.2.0-2");
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct world *world = begin_open(MT_VERSION_5);
		give(world, cases[i].packet);
		expect_violation(world, cases[i].statement);
		expect_sent(world, "e0 01 82");
		assert_true(mt_client_is_over(world->client));
		end(world);
	}
}

static void qos_1_is_acknowledged(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	uint16_t id = 0;
	(void)state;
	SPEC(MQTT5, "4.3.2-2");
	assert_int_equal(publish(world, 1, false, &id), MT_OK);
	assert_int_equal(id, 1);
	expect_sent(world, "32 07 0001 74 0001 00 70");
	assert_int_equal(mt_client_pending(world->client), 1);
	give(world, "40 03 0001 10");
	expect_event(world, MT_CLIENT_PUBLISHED);
	assert_int_equal(world->event.id, 1);
	assert_int_equal(world->event.reason, MT_REASON_NO_MATCHING_SUBSCRIBERS);
	assert_int_equal(mt_client_pending(world->client), 0);
	SPEC(MQTT5, "4.3.2-1");
	assert_int_equal(publish(world, 1, false, &id), MT_OK);
	assert_int_equal(id, 2);
	end(world);
}

static void qos_2_goes_four_ways(void **state)
{
	struct world *world = begin_open(MT_VERSION_3_1_1);
	uint16_t id = 0;
	(void)state;
	SPEC(MQTT5, "4.3.3-4");
	SPEC(MQTT5, "4.3.3-6");
	assert_int_equal(publish(world, 2, true, &id), MT_OK);
	expect_sent(world, "35 06 0001 74 0001 70");
	give(world, "50 02 0001");
	expect_none(world);
	expect_sent(world, "62 02 0001");
	give(world, "70 02 0001");
	expect_event(world, MT_CLIENT_PUBLISHED);
	assert_int_equal(world->event.reason, 0);
	end(world);
}

static void refused_qos_2_is_over(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	uint16_t id;
	(void)state;
	SPEC(MQTT5, "4.4.0-2");
	assert_int_equal(publish(world, 2, false, &id), MT_OK);
	skip_sent(world);
	give(world, "50 03 0001 87");
	expect_event(world, MT_CLIENT_PUBLISHED);
	assert_int_equal(world->event.reason, MT_REASON_NOT_AUTHORIZED);
	expect_sent(world, "");
	assert_int_equal(mt_client_pending(world->client), 0);
	end(world);
}

static void wrong_acknowledgements_end(void **state)
{
	static const char *const packets[] = {"40 02 0001", "70 02 0001"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(packets); i++) {
		struct world *world = begin_open(MT_VERSION_5);
		uint16_t id;
		assert_int_equal(publish(world, 2, false, &id), MT_OK);
		skip_sent(world);
		give(world, packets[i]);
		expect_violation(world, "malformed");
		end(world);
	}
}

static void unknown_ids_do_no_harm(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	(void)state;
	give(world, "40 02 0009 50 02 ffff 62 02 0009 70 02 0009");
	expect_none(world);
	expect_sent(world, "62 03 ffff 92 70 03 0009 92");
	assert_true(mt_client_is_open(world->client));
	end(world);
}

static void window_is_kept(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct world *world = begin(&settings);
	uint16_t id;
	(void)state;
	SPEC(MQTT5, "4.9.0-1");
	SPEC(MQTT5, "4.9.0-2");
	SPEC(MQTT5, "3.3.4-9");
	skip_sent(world);
	give(world, "20 06 00 00 03 21 0002");
	expect_event(world, MT_CLIENT_CONNECTED);
	for (int i = 0; i < 3; i++)
		assert_int_equal(publish(world, 1, false, &id), MT_OK);
	expect_sent(world, "32 07 0001 74 0001 00 70 32 07 0001 74 0002 00 70");
	assert_int_equal(publish(world, 0, false, &id), MT_OK);
	expect_sent(world, "30 05 0001 74 00 70");
	expect_none(world);
	give(world, "40 02 0001");
	expect_event(world, MT_CLIENT_PUBLISHED);
	expect_sent(world, "32 07 0001 74 0003 00 70");
	end(world);
}

static void resends_after_reconnect(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_3_1_1);
	struct world *world;
	uint16_t id;
	(void)state;
	SPEC(MQTT5, "3.3.1-1");
	SPEC(MQTT5, "4.6.0-1");
	SPEC(MQTT5, "4.3.3-6");
	settings.connect.is_clean = false;
	world = begin(&settings);
	skip_sent(world);
	give(world, "20 02 00 00");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_none(world);
	assert_int_equal(publish(world, 1, false, &id), MT_OK);
	assert_int_equal(publish(world, 2, false, &id), MT_OK);
	assert_int_equal(publish(world, 2, false, &id), MT_OK);
	skip_sent(world);
	give(world, "50 02 0002");
	expect_none(world);
	skip_sent(world);
	mt_client_closed(world->client);
	assert_int_equal(publish(world, 1, false, &id), MT_OK); /* while there is no connection */
	assert_int_equal(mt_client_connect(world->client, world->now), MT_OK);
	expect_sent(world, "10 0d 0004 4d515454 04 00 003c 0001 63");
	give(world, "20 02 01 00");
	expect_event(world, MT_CLIENT_CONNECTED);
	assert_true(world->event.is_session_present);
	expect_sent(world, "62 02 0002 3a 06 0001 74 0001 70 3c 06 0001 74 0003 70 32 06 0001 74 0004 70");
	end(world);
}

static void lost_session_begins_anew(void **state)
{
	struct world *world = begin_open(MT_VERSION_3_1_1);
	uint16_t id;
	(void)state;
	assert_int_equal(publish(world, 1, false, &id), MT_OK);
	assert_int_equal(publish(world, 2, false, &id), MT_OK);
	skip_sent(world);
	give(world, "50 02 0002");
	expect_none(world);
	skip_sent(world);
	reconnect(world, "20 02 00 00");
	expect_event(world, MT_CLIENT_PUBLISHED); /* PUBREC had taken it over */
	assert_int_equal(world->event.id, 2);
	expect_sent(world, "32 06 0001 74 0001 70");
	end(world);
}

static void messages_are_acknowledged_when_taken(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	(void)state;
	SPEC(MQTT5, "4.3.2-4");
	give(world, "32 07 0001 74 0005 00 70");
	expect_event(world, MT_CLIENT_MESSAGE);
	assert_int_equal(world->event.message.payload.len, 1);
	assert_int_equal(world->event.message.qos, 1);
	expect_sent(world, "");
	expect_none(world);
	expect_sent(world, "40 02 0005");
	end(world);
}

static void qos_2_message_comes_once(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_3_1_1);
	struct world *world;
	(void)state;
	SPEC(MQTT5, "4.3.3-8");
	SPEC(MQTT5, "4.3.3-10");
	SPEC(MQTT5, "4.3.3-11");
	settings.connect.is_clean = false;
	world = begin(&settings);
	skip_sent(world);
	give(world, "20 02 00 00 34 06 0001 74 0005 70");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_event(world, MT_CLIENT_MESSAGE);
	expect_none(world);
	expect_sent(world, "50 02 0005");
	reconnect(world, "20 02 01 00");
	expect_none(world);
	give(world, "3c 06 0001 74 0005 70");
	expect_none(world);
	expect_sent(world, "50 02 0005");
	give(world, "62 02 0005 34 06 0001 74 0005 70");
	expect_event(world, MT_CLIENT_MESSAGE);
	expect_none(world);
	expect_sent(world, "70 02 0005 50 02 0005");
	end(world);
}

static void receive_maximum_binds_the_server(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct world *world;
	(void)state;
	SPEC(MQTT5, "3.3.4-7");
	settings.limits.receive_max = 2;
	world = begin(&settings);
	skip_sent(world);
	give(world, "20 03 00 00 00 34 07 0001 74 0001 00 70 34 07 0001 74 0002 00 70 34 07 0001 74 0003 00 70");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_event(world, MT_CLIENT_MESSAGE);
	expect_event(world, MT_CLIENT_MESSAGE);
	expect_violation(world, "MQTT-3.3.4-7");
	expect_sent(world, "50 02 0001 50 02 0002 e0 01 93");
	end(world);
}

static void aliases_of_the_server_work(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	(void)state;
	SPEC(MQTT5, "3.3.2-12");
	give(world, "30 08 0001 61 03 23 0001 70 30 07 0000 03 23 0001 71 30 08 0001 62 03 23 0001 72"
		    "30 07 0000 03 23 0001 73");
	for (int i = 0; i < 4; i++) {
		expect_event(world, MT_CLIENT_MESSAGE);
		assert_int_equal(world->event.message.topic.len, 1);
		assert_int_equal(world->event.message.topic.data[0], i < 2 ? 'a' : 'b');
	}
	expect_none(world);
	SPEC(MQTT5, "3.3.2-10");
	reconnect(world, "20 03 00 00 00");
	expect_none(world);
	give(world, "30 07 0000 03 23 0001 73");
	expect_violation(world, "malformed");
	end(world);
	SPEC(MQTT5, "3.3.2-11");
	world = begin_open(MT_VERSION_5);
	give(world, "30 08 0001 61 03 23 0011 70");
	expect_violation(world, "MQTT-3.3.2-11");
	expect_sent(world, "e0 01 94");
	end(world);
}

static void limits_of_the_server_are_kept(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct world *world = begin(&settings);
	struct mt_violation why;
	struct mt_publish large = {.topic = mt_bytes_str("t"), .payload = mt_bytes_str("0123456789012345678901")};
	struct mt_client_filter filter = {.filter = mt_bytes_str("a/#")};
	struct mt_props props = {.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER), .subscription_id = 1};
	uint16_t id;
	(void)state;
	SPEC(MQTT5, "3.2.2-11");
	SPEC(MQTT5, "3.2.2-14");
	SPEC(MQTT5, "3.2.2-15");
	SPEC(MQTT5, "3.2.2-21");
	assert_int_equal(publish(world, 2, false, &id), MT_OK); /* before it is known */
	skip_sent(world);
	give(world, "20 12 00 00 0f 24 01 25 00 27 00000018 28 00 29 00 2a 00");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_event(world, MT_CLIENT_PUBLISHED);
	assert_int_equal(world->event.reason, MT_REASON_QOS_NOT_SUPPORTED);
	assert_int_equal(publish(world, 2, false, &id), MT_LIMIT);
	assert_int_equal(publish(world, 1, true, &id), MT_LIMIT);
	assert_int_equal(mt_client_publish(world->client, &large, &id, &why), MT_LIMIT);
	assert_string_equal(why.statement, "MQTT-3.2.2-15");
	assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why), MT_LIMIT);
	filter.filter = mt_bytes_str("$share/g/a");
	assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why), MT_LIMIT);
	filter.filter = mt_bytes_str("a");
	assert_int_equal(mt_client_subscribe(world->client, &filter, 1, &props, &id, &why), MT_LIMIT);
	filter.filter = mt_bytes_str("aaaaaaaaaaaaaaaaaaaaaaaa");
	assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why), MT_LIMIT);
	assert_int_equal(publish(world, 1, false, &id), MT_OK);
	expect_sent(world, "32 07 0001 74 0003 00 70");
	end(world);
}

static void illegal_publishes_are_refused(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	struct mt_violation why;
	struct mt_publish cases[] = {
		{.topic = mt_bytes_str("")},
		{.topic = mt_bytes_str("a/+")},
		{.topic = mt_bytes_str("\xff")},
		{.topic = mt_bytes_str("t"), .qos = 3},
		{.topic = mt_bytes_str("t"),
		 .props = {.present = MT_PROP_BIT(TOPIC_ALIAS), .topic_alias = 1}},
		{.topic = mt_bytes_str("t"),
		 .props = {.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER), .subscription_id = 1}},
		{.topic = mt_bytes_str("t"),
		 .props = {.present = MT_PROP_BIT(RESPONSE_TOPIC), .response_topic = mt_bytes_str("a/#")}},
	};
	uint16_t id;
	(void)state;
	SPEC(MQTT5, "3.3.4-6");
	SPEC(MQTT5, "3.3.2-2");
	SPEC(MQTT5, "3.3.2-14");
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++)
		for (uint8_t qos = 0; qos < 2; qos++) {
			if (cases[i].qos < 3)
				cases[i].qos = qos;
			assert_int_equal(mt_client_publish(world->client, &cases[i], &id, &why), MT_INVALID);
		}
	expect_sent(world, "");
	assert_int_equal(mt_client_pending(world->client), 0);
	end(world);
}

static void subscribes_and_unsubscribes(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	struct mt_violation why;
	struct mt_client_filter filters[] = {
		{mt_bytes_str("a"), {.qos = 2, .is_no_local = true}},
		{mt_bytes_str("b"), {.retain_handling = 2, .is_retain_as_published = true}},
	};
	struct mt_props props = {
		.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER), .subscription_id = 9, .subscription_id_count = 1};
	uint16_t id;
	(void)state;
	SPEC(MQTT5, "3.8.4-2");
	assert_int_equal(mt_client_subscribe(world->client, filters, 2, &props, &id, &why), MT_OK);
	expect_sent(world, "82 0d 0001 02 0b 09 0001 61 06 0001 62 28");
	give(world, "90 05 0001 00 02 87");
	expect_event(world, MT_CLIENT_SUBSCRIBED);
	assert_int_equal(world->event.id, 1);
	assert_int_equal(world->event.reasons.len, 2);
	assert_int_equal(world->event.reasons.data[1], 0x87);
	expect_none(world);
	assert_int_equal(mt_client_unsubscribe(world->client, filters, 1, NULL, &id, &why), MT_OK);
	expect_sent(world, "a2 06 0002 00 0001 61");
	give(world, "b0 04 0002 00 11");
	expect_event(world, MT_CLIENT_UNSUBSCRIBED);
	expect_none(world);
	filters[0].filter = mt_bytes_str("a/#/b");
	assert_int_equal(mt_client_subscribe(world->client, filters, 1, NULL, &id, &why), MT_INVALID);
	assert_int_equal(mt_client_subscribe(world->client, filters, 0, NULL, &id, &why), MT_INVALID);
	end(world);
}

static void answers_must_fit(void **state)
{
	static const struct {
		enum mt_version version;
		const char *answer;
		const char *statement;
	} cases[] = {
		{MT_VERSION_5, "90 05 0001 00 00 00", "MQTT-3.9.3-1"},
		{MT_VERSION_5, "90 04 0002 00 00", "MQTT-3.9.2-1"},
		{MT_VERSION_5, "b0 04 0001 00 00", "MQTT-3.11.2-1"},
		{MT_VERSION_3_1_1, "90 04 0001 00 00", "MQTT-3.8.4-5"},
	};
	(void)state;
	SPEC(MQTT5, "3.9.3-1");
	SPEC(MQTT5, "3.9.2-1");
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct world *world = begin_open(cases[i].version);
		struct mt_client_filter filter = {.filter = mt_bytes_str("a")};
		struct mt_violation why;
		uint16_t id;
		assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why), MT_OK);
		skip_sent(world);
		give(world, cases[i].answer);
		expect_violation(world, cases[i].statement);
		end(world);
	}
}

static void requests_are_bounded(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct mt_client_filter filter = {.filter = mt_bytes_str("a")};
	struct mt_violation why;
	struct world *world;
	uint16_t id;
	(void)state;
	settings.limits.requests = 2;
	settings.limits.queue_messages = 2;
	world = begin(&settings);
	assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why), MT_CLOSED);
	assert_int_equal(publish(world, 0, false, &id), MT_CLOSED);
	skip_sent(world);
	give(world, "20 03 00 00 00");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_none(world);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why), MT_OK);
		assert_int_equal(publish(world, 1, false, &id), MT_OK);
	}
	assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why), MT_AGAIN);
	assert_int_equal(publish(world, 1, false, &id), MT_AGAIN);
	mt_client_closed(world->client);
	assert_int_equal(mt_client_pending(world->client), 2);
	reconnect(world, "20 03 00 00 00");
	assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why), MT_OK);
	end(world);
}

static void keep_alive_pings_and_gives_up(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	mt_time due;
	(void)state;
	due = mt_client_deadline(world->client);
	assert_true(due > world->now.mono_ns && due <= world->now.mono_ns + 60 * MT_SECOND);
	world->now.mono_ns = due;
	mt_client_tick(world->client, world->now);
	expect_sent(world, "c0 00");
	give(world, "d0 00");
	expect_none(world);
	due = mt_client_deadline(world->client);
	assert_true(due > world->now.mono_ns + 10 * MT_SECOND);
	world->now.mono_ns = due;
	mt_client_tick(world->client, world->now);
	skip_sent(world);
	world->now.mono_ns = mt_client_deadline(world->client);
	expect_none(world);
	mt_client_tick(world->client, world->now);
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_TIMEOUT);
	end(world);
}

static void server_keep_alive_rules(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct world *world = begin(&settings);
	(void)state;
	SPEC(MQTT5, "3.2.2-22");
	assert_true(mt_client_deadline(world->client) == world->now.mono_ns + settings.connect_ns);
	skip_sent(world);
	give(world, "20 06 00 00 03 13 0000");
	expect_event(world, MT_CLIENT_CONNECTED);
	assert_true(mt_client_deadline(world->client) == MT_TIME_NEVER);
	end(world);
	world = begin(&settings);
	skip_sent(world);
	world->now.mono_ns += settings.connect_ns;
	mt_client_tick(world->client, world->now);
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_TIMEOUT);
	end(world);
}

static void assigned_id_is_kept(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct world *world;
	(void)state;
	settings.connect.client_id = mt_bytes_str("");
	settings.connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
	settings.connect.props.session_expiry_s = 60;
	world = begin(&settings);
	skip_sent(world);
	give(world, "20 07 00 00 04 12 0001 7a");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_none(world);
	assert_int_equal(mt_client_id(world->client).len, 1);
	mt_client_closed(world->client);
	assert_int_equal(mt_client_connect(world->client, world->now), MT_OK);
	pull(world);
	assert_int_equal(world->sent[9] & 2, 0); /* the session is resumed, not begun */
	assert_int_equal(world->sent[world->sent_len - 1], 'z');
	world->sent_len = 0;
	give(world, "20 03 01 00 00");
	expect_event(world, MT_CLIENT_CONNECTED);
	end(world);
}

static void disconnect_is_last(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	struct mt_control control = {.reason = MT_REASON_DISCONNECT_WITH_WILL};
	struct mt_violation why;
	uint16_t id;
	(void)state;
	SPEC(MQTT5, "3.14.4-1");
	give(world, "32 07 0001 74 0005 00 70");
	expect_event(world, MT_CLIENT_MESSAGE);
	assert_int_equal(publish(world, 0, false, &id), MT_OK);
	assert_int_equal(mt_client_disconnect(world->client, &control, &why), MT_OK);
	assert_false(mt_client_is_over(world->client));
	assert_int_equal(publish(world, 0, false, &id), MT_CLOSED);
	give(world, "32 07 0001 74 0006 00 70");
	expect_none(world);
	expect_sent(world, "30 05 0001 74 00 70 40 02 0005 e0 01 04");
	assert_true(mt_client_is_over(world->client));
	assert_int_equal(mt_client_disconnect(world->client, &control, &why), MT_CLOSED);
	end(world);
	world = begin_open(MT_VERSION_5);
	control.reason = MT_REASON_SESSION_TAKEN_OVER; /* only a server may say so */
	assert_int_equal(mt_client_disconnect(world->client, &control, &why), MT_INVALID);
	control = (struct mt_control){.props = {.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL), .session_expiry_s = 1}};
	assert_int_equal(mt_client_disconnect(world->client, &control, &why), MT_INVALID);
	assert_true(mt_client_is_open(world->client));
	end(world);
}

static void server_disconnect_ends(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	(void)state;
	give(world, "e0 01 8b");
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_CLOSED);
	assert_int_equal(world->event.reason, MT_REASON_SERVER_SHUTTING_DOWN);
	expect_sent(world, "");
	end(world);
	world = begin_open(MT_VERSION_3_1_1);
	give(world, "e0 00");
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_VIOLATION);
	end(world);
}

static void too_large_is_refused_by_its_header(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct world *world;
	size_t before;
	(void)state;
	settings.limits.packet_bytes = 1000;
	world = begin(&settings);
	skip_sent(world);
	before = mt_client_used_bytes(world->client);
	give(world, "20 03 00 00 00");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_none(world);
	give(world, "30 ff ff ff 7f 00");
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.violation.reason, MT_REASON_PACKET_TOO_LARGE);
	assert_true(mt_client_used_bytes(world->client) < before + 4096);
	end(world);
}

static void server_that_does_not_read_is_left(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_3_1_1);
	struct world *world;
	bool has_ended = false;
	(void)state;
	settings.limits.output_bytes = 256;
	world = begin(&settings);
	skip_sent(world);
	give(world, "20 02 00 00");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_none(world);
	for (int i = 0; i < 1000 && !has_ended; i++) {
		give(world, "62 02 0001");
		has_ended = next(world);
	}
	assert_true(has_ended);
	assert_int_equal(world->event.status, MT_LIMIT);
	end(world);
}

static void pieces_are_put_together(void **state)
{
	static const char stream[] = "20 03 00 00 00 34 07 0001 74 0007 00 70 32 07 0001 74 0005 00 70 30 05 0001 74 00 71";
	uint8_t bytes[128];
	struct mt_bytes view = hex(stream, bytes);
	(void)state;
	for (size_t step = 1; step <= view.len; step++) {
		struct mt_client_settings settings = settings_of(MT_VERSION_5);
		struct world *world = begin(&settings);
		unsigned messages = 0;
		skip_sent(world);
		for (size_t at = 0; at < view.len; at += step) {
			size_t len = view.len - at < step ? view.len - at : step;
			uint8_t *piece = malloc(len); /* so that a read past it shows */
			assert_non_null(piece);
			memcpy(piece, view.data + at, len);
			mt_client_input(world->client, world->now, mt_bytes_of(piece, len));
			while (next(world))
				messages += world->event.type == MT_CLIENT_MESSAGE &&
					    world->event.message.topic.data[0] == 't';
			free(piece);
		}
		assert_int_equal(messages, 3);
		end(world);
	}
}

/* Feeds a packet as it may have been damaged; whatever comes, the machine stays within its memory and ends cleanly. */
static void feed_damaged(struct mt_bytes packet, bool is_first)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct mt_client_filter filter = {.filter = mt_bytes_str("a")};
	struct world *world;
	struct mt_violation why;
	uint8_t *exact = malloc(packet.len + 1);
	uint16_t id;
	assert_non_null(exact);
	memcpy(exact, packet.data, packet.len);
	settings.limits.packet_bytes = 4096;
	world = begin(&settings);
	skip_sent(world);
	if (!is_first) {
		give(world, "20 03 00 00 00");
		expect_event(world, MT_CLIENT_CONNECTED);
		expect_none(world);
		assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why), MT_OK);
		assert_int_equal(publish(world, 1, false, &id), MT_OK);
		assert_int_equal(publish(world, 2, false, &id), MT_OK);
	}
	mt_client_input(world->client, world->now, mt_bytes_of(exact, packet.len));
	while (next(world))
		pull(world);
	free(exact);
	skip_sent(world);
	assert_true(mt_client_used_bytes(world->client) < 128 * 1024);
	mt_client_closed(world->client);
	end(world);
}

static void damaged_packets_do_no_harm(void **state)
{
	static const char *const packets[] = {
		"20 12 00 00 0f 24 01 25 00 27 00000018 28 00 29 00 2a 00",
		"20 0a 00 87 07 1f 0004 6e6f7065",
		"90 09 0001 05 1f 0002 6e6f 00",
		"b0 04 0001 00 00",
		"34 12 0003 612f62 0007 07 23 0001 03 0001 63 70617969",
		"40 07 0002 10 03 1f 0000",
		"50 03 0003 10",
		"62 03 0007 92",
		"70 02 0003",
		"e0 06 8b 04 1f 0001 78",
		"d0 00",
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(packets); i++) {
		uint8_t bytes[64];
		struct mt_bytes view = hex(packets[i], bytes);
		bool is_first = bytes[0] == 0x20;
		for (size_t len = 0; len <= view.len; len++)
			feed_damaged(mt_bytes_of(bytes, len), is_first);
		for (size_t at = 0; at < view.len; at++)
			for (unsigned value = 0; value < 256; value++) {
				uint8_t before = bytes[at];
				bytes[at] = (uint8_t)value;
				feed_damaged(view, is_first);
				bytes[at] = before;
			}
	}
}

/* Every allocation of a whole conversation fails once; the machine says so or goes on, and leaks nothing. */
static void each_allocation_may_fail(void **state)
{
	(void)state;
	for (uint64_t fail_in = 1; fail_in < 40; fail_in++) {
		struct mt_client_settings settings = settings_of(MT_VERSION_5);
		struct mt_client_filter filter = {.filter = mt_bytes_str("a")};
		struct world *world = calloc(1, sizeof(*world));
		struct mt_violation why;
		uint16_t id;
		assert_non_null(world);
		assert_int_equal(mt_client_create(&settings, &world->client, &why), MT_OK);
		world->client->mem.fail_in = fail_in;
		if (mt_client_connect(world->client, world->now) == MT_OK) {
			give(world, "20 07 00 00 04 12 0001 7a");
			while (next(world))
				pull(world);
			(void)!publish(world, 2, false, &id);
			(void)!publish(world, 0, false, &id);
			(void)!mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why);
			give(world, "30 08 0001 61 03 23 0001");
			while (next(world))
				pull(world);
			give(world, "70 30 07 0000 03 23 0001 71 50 02 0001");
			while (next(world))
				pull(world);
		}
		end(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_says_what_was_asked),
		cmocka_unit_test(connect_of_5_announces_limits),
		cmocka_unit_test(illegal_settings_are_refused),
		cmocka_unit_test(no_memory_is_survived),
		cmocka_unit_test(refusal_ends),
		cmocka_unit_test(first_packet_must_be_connack),
		cmocka_unit_test(packets_of_clients_are_violations),
		cmocka_unit_test(qos_1_is_acknowledged),
		cmocka_unit_test(qos_2_goes_four_ways),
		cmocka_unit_test(refused_qos_2_is_over),
		cmocka_unit_test(wrong_acknowledgements_end),
		cmocka_unit_test(unknown_ids_do_no_harm),
		cmocka_unit_test(window_is_kept),
		cmocka_unit_test(resends_after_reconnect),
		cmocka_unit_test(lost_session_begins_anew),
		cmocka_unit_test(messages_are_acknowledged_when_taken),
		cmocka_unit_test(qos_2_message_comes_once),
		cmocka_unit_test(receive_maximum_binds_the_server),
		cmocka_unit_test(aliases_of_the_server_work),
		cmocka_unit_test(limits_of_the_server_are_kept),
		cmocka_unit_test(illegal_publishes_are_refused),
		cmocka_unit_test(subscribes_and_unsubscribes),
		cmocka_unit_test(answers_must_fit),
		cmocka_unit_test(requests_are_bounded),
		cmocka_unit_test(keep_alive_pings_and_gives_up),
		cmocka_unit_test(server_keep_alive_rules),
		cmocka_unit_test(assigned_id_is_kept),
		cmocka_unit_test(disconnect_is_last),
		cmocka_unit_test(server_disconnect_ends),
		cmocka_unit_test(too_large_is_refused_by_its_header),
		cmocka_unit_test(server_that_does_not_read_is_left),
		cmocka_unit_test(pieces_are_put_together),
		cmocka_unit_test(damaged_packets_do_no_harm),
		cmocka_unit_test(each_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
