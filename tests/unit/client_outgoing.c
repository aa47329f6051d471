/* Publishes of the client machine on their way to the server. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client_world.h"
#include "spec.h"

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
	SPEC(MQTT5, "3.3.4-7");
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
	expect_sent(world,
		    "62 02 0002 3a 06 0001 74 0001 70 3c 06 0001 74 0003 70 32 06 0001 74 0004 70");
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

static void limits_of_the_server_are_kept(void **state)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct world *world = begin(&settings);
	struct mt_violation why;
	struct mt_publish large = {.topic = mt_bytes_str("t"),
				   .payload = mt_bytes_str("0123456789012345678901")};
	struct mt_client_filter filter = {.filter = mt_bytes_str("a/#")};
	struct mt_props props = {.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER),
				 .subscription_id = 1};
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
	assert_int_equal(mt_client_subscribe(world->client, &filter, 1, &props, &id, &why),
			 MT_LIMIT);
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
		 .props = {.present = MT_PROP_BIT(RESPONSE_TOPIC),
			   .response_topic = mt_bytes_str("a/#")}},
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
			assert_int_equal(mt_client_publish(world->client, &cases[i], &id, &why),
					 MT_INVALID);
		}
	expect_sent(world, "");
	assert_int_equal(mt_client_pending(world->client), 0);
	end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qos_1_is_acknowledged),
		cmocka_unit_test(qos_2_goes_four_ways),
		cmocka_unit_test(refused_qos_2_is_over),
		cmocka_unit_test(wrong_acknowledgements_end),
		cmocka_unit_test(unknown_ids_do_no_harm),
		cmocka_unit_test(window_is_kept),
		cmocka_unit_test(resends_after_reconnect),
		cmocka_unit_test(lost_session_begins_anew),
		cmocka_unit_test(limits_of_the_server_are_kept),
		cmocka_unit_test(illegal_publishes_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
