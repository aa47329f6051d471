/* What an honest and a hostile server send to the client machine. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client_world.h"
#include "spec.h"

static void first_packet_must_be_connack(void **state)
{
	static const struct {
		const char *packet;
		const char *statement;
	} cases[] = {
		{"d0 00", "MQTT-3.2.0-1"},	    {"30 05 0001 74 00 70", "MQTT-3.2.0-1"},
		{"e0 00", "MQTT-3.2.0-1"},	    {"f0 00", "MQTT-4.12.0-6"},
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
		{"20 03 00 00 00", "MQTT-3.2.0-2"},
		{"f0 00", "MQTT-4.12.0-6"},
		{"c0 00", "malformed"},
		{"82 07 0001 00 0001 74 00", "malformed"},
		{"a2 06 0001 00 0001 74", "malformed"},
		{"90 04 0001 00 00", "MQTT-3.9.2-1"},
		{"b0 04 0001 00 00", "MQTT-3.11.2-1"},
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
	SPEC(MQTT5, "3.3.4-9");
	settings.limits.receive_max = 2;
	world = begin(&settings);
	skip_sent(world);
	give(world, "20 03 00 00 00 34 07 0001 74 0001 00 70 34 07 0001 74 0002 00 70 34 07 0001 "
		    "74 0003 00 70");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_event(world, MT_CLIENT_MESSAGE);
	expect_event(world, MT_CLIENT_MESSAGE);
	expect_violation(world, "MQTT-3.3.4-9");
	expect_sent(world, "50 02 0001 50 02 0002 e0 01 93");
	end(world);
}

/* The quota begins anew with each connection (section 4.9): an id whose exchange the server gave up
 * in between does not count, one that is repeated does. */
static void receive_maximum_begins_anew(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct world *world;
	(void)state;
	SPEC(MQTT5, "4.9.0-1");
	settings.limits.receive_max = 1;
	settings.connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
	settings.connect.props.session_expiry_s = 600;
	world = begin(&settings);
	skip_sent(world);
	give(world, "20 03 00 00 00 34 07 0001 74 0001 00 70");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_event(world, MT_CLIENT_MESSAGE);
	expect_none(world);
	reconnect(world, "20 03 01 00 00");
	give(world, "34 07 0001 74 0002 00 70");
	expect_event(world, MT_CLIENT_MESSAGE);
	expect_none(world);
	expect_sent(world, "50 02 0002");
	give(world, "62 02 0002 3c 07 0001 74 0001 00 70");
	expect_none(world);
	expect_sent(world, "70 02 0002 50 02 0001");
	give(world, "34 07 0001 74 0003 00 70");
	expect_violation(world, "MQTT-3.3.4-9");
	end(world);
}

static void aliases_of_the_server_work(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	(void)state;
	SPEC(MQTT5, "3.3.2-12");
	give(world,
	     "30 08 0001 61 03 23 0001 70 30 07 0000 03 23 0001 71 30 08 0001 62 03 23 0001 72"
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

static void pieces_are_put_together(void **state)
{
	static const char stream[] = "20 03 00 00 00 34 07 0001 74 0007 00 70 32 07 0001 74 0005 "
				     "00 70 30 05 0001 74 00 71";
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

/* Feeds a packet as it may have been damaged; whatever comes, the machine stays within its memory
 * and ends cleanly. */
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
		assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why),
				 MT_OK);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_packet_must_be_connack),
		cmocka_unit_test(packets_of_clients_are_violations),
		cmocka_unit_test(messages_are_acknowledged_when_taken),
		cmocka_unit_test(qos_2_message_comes_once),
		cmocka_unit_test(receive_maximum_binds_the_server),
		cmocka_unit_test(receive_maximum_begins_anew),
		cmocka_unit_test(aliases_of_the_server_work),
		cmocka_unit_test(too_large_is_refused_by_its_header),
		cmocka_unit_test(pieces_are_put_together),
		cmocka_unit_test(damaged_packets_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
