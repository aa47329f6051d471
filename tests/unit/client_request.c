/* SUBSCRIBE and UNSUBSCRIBE of the client machine. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client_world.h"
#include "spec.h"

static void subscribes_and_unsubscribes(void **state)
{
	struct world *world = begin_open(MT_VERSION_5);
	struct mt_violation why;
	struct mt_client_filter filters[] = {
		{mt_bytes_str("a"), {.qos = 2, .is_no_local = true}},
		{mt_bytes_str("b"), {.retain_handling = 2, .is_retain_as_published = true}},
	};
	struct mt_props props = {.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER),
				 .subscription_id = 9,
				 .subscription_id_count = 1};
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
	assert_int_equal(mt_client_subscribe(world->client, filters, 1, NULL, &id, &why),
			 MT_INVALID);
	assert_int_equal(mt_client_subscribe(world->client, filters, 0, NULL, &id, &why),
			 MT_INVALID);
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
		assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why),
				 MT_OK);
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
	assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why),
			 MT_CLOSED);
	assert_int_equal(publish(world, 0, false, &id), MT_CLOSED);
	skip_sent(world);
	give(world, "20 03 00 00 00");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_none(world);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why),
				 MT_OK);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subscribes_and_unsubscribes),
		cmocka_unit_test(answers_must_fit),
		cmocka_unit_test(requests_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
