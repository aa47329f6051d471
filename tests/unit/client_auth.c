/* Enhanced authentication as the client machine speaks it: turns, names, times. The method is "M".
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client_world.h"
#include "spec.h"

#define M "15 0001 4d"
#define ASKS "f0 0a 18 08 " M "16 0001 62"    /* the server: b */
#define ANSWERS "f0 0a 18 08 " M "16 0001 63" /* the client: c */
#define BEGINS "f0 0a 19 08 " M "16 0001 61"  /* the client, again: a */
#define ENDS "f0 0a 00 08 " M "16 0001 64"    /* the server, again: d */
#define ACCEPTS "20 0b 00 00 08 " M "16 0001 64"

static struct world *begin_by_method(void)
{
	struct mt_client_settings settings = settings_of(MT_VERSION_5);
	struct world *world = calloc(1, sizeof(*world));
	struct mt_violation why;
	assert_non_null(world);
	settings.connect.props.present |= MT_PROP_BIT(AUTHENTICATION_METHOD);
	settings.connect.props.auth_method = mt_bytes_str("M");
	settings.connect_ns = 5 * MT_SECOND;
	world->now = (struct mt_now){1000 * MT_SECOND, 0};
	assert_int_equal(mt_client_create(&settings, &world->client, &why), MT_OK);
	assert_int_equal(mt_client_connect(world->client, world->now), MT_INVALID);
	assert_int_equal(mt_client_connect_by(world->client, world->now, mt_bytes_str("a")), MT_OK);
	return world;
}

static enum mt_status say(struct world *world, const char *text)
{
	return mt_client_authenticate(world->client, world->now, mt_bytes_str(text));
}

static void expect_data(struct world *world, enum mt_client_event_type type, const char *text)
{
	expect_event(world, type);
	assert_true(mt_bytes_equal(world->event.data, mt_bytes_str(text)));
}

static struct world *open_by_method(void)
{
	struct world *world = begin_by_method();
	skip_sent(world);
	give(world, ACCEPTS);
	expect_data(world, MT_CLIENT_CONNECTED, "d");
	expect_none(world);
	return world;
}

static void an_exchange_goes_word_by_word(void **state)
{
	struct world *world = begin_by_method();
	struct mt_violation why;
	struct mt_client_filter filter = {.filter = mt_bytes_str("t")};
	uint16_t id;
	(void)state;
	SPEC(MQTT5, "4.12.0-3");
	SPEC(MQTT5, "4.12.0-5");
	SPEC(MQTT5, "3.1.2-30");
	SPEC(MQTT5, "3.15.2-2");
	SPEC(MQTT5, "3.15.2-3");
	expect_sent(world, "10 21 0004 4d515454 05 02 003c 13 " M
			   "16 0001 61 21 0064 22 0010 27 00100000 0001 63");
	for (int i = 0; i < 2; i++) {
		give(world, ASKS);
		expect_data(world, MT_CLIENT_CHALLENGE, "b");
		expect_none(world);
		/* Nothing goes before CONNACK but our answer. */
		assert_int_equal(publish(world, 1, false, &id), MT_OK);
		assert_int_equal(mt_client_subscribe(world->client, &filter, 1, NULL, &id, &why),
				 MT_CLOSED);
		expect_sent(world, "");
		assert_int_equal(say(world, "c"), MT_OK);
		expect_sent(world, ANSWERS);
		assert_int_equal(say(world, "c"), MT_INVALID); /* it is the server's turn */
	}
	give(world, ACCEPTS);
	expect_data(world, MT_CLIENT_CONNECTED, "d");
	expect_none(world);
	assert_true(mt_client_is_open(world->client));
	pull(world);
	assert_true(world->sent_len > 0); /* the publishes */
	end(world);
}

static void another_one_goes_on_beside_messages(void **state)
{
	struct world *world = open_by_method();
	uint16_t id;
	(void)state;
	SPEC(MQTT5, "4.12.1-1");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(say(world, "a"), MT_OK);
		expect_sent(world, BEGINS);
		assert_int_equal(say(world, "a"), MT_INVALID);
		assert_int_equal(publish(world, 0, false, &id), MT_OK);
		skip_sent(world);
		give(world, "30 05 0001 74 00 70");
		expect_event(world, MT_CLIENT_MESSAGE);
		expect_none(world);
		give(world, ASKS);
		expect_data(world, MT_CLIENT_CHALLENGE, "b");
		expect_none(world);
		assert_int_equal(say(world, "c"), MT_OK);
		expect_sent(world, ANSWERS);
		give(world, ENDS);
		expect_data(world, MT_CLIENT_AUTHENTICATED, "d");
		expect_none(world);
	}
	end(world);
}

/* The server lies: out of turn, by another method, by none. */
static void lies_before_connack_end_it(void **state)
{
	static const struct {
		const char *packet;
		const char *statement;
	} cases[] = {
		{"f0 0a 18 08 15 0001 4e 16 0001 62", "MQTT-4.12.0-5"},
		{"f0 02 18 00", "section 3.15.2.2.2"},
		{"20 03 00 00 00", "MQTT-4.12.0-5"},
		{"20 07 00 00 04 15 0001 4e", "MQTT-4.12.0-5"},
		{ENDS, "MQTT-4.12.0-2"},
	};
	(void)state;
	SPEC(MQTT5, "4.12.0-5");
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct world *world = begin_by_method();
		skip_sent(world);
		give(world, cases[i].packet);
		expect_violation(world, cases[i].statement);
		expect_sent(world, "");
		end(world);
	}
}

static void words_out_of_turn_end_it(void **state)
{
	static const char *const packets[] = {ASKS, ENDS};
	struct world *world;
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(packets); i++) {
		world = open_by_method(); /* nothing was begun */
		give(world, packets[i]);
		expect_violation(world, "MQTT-4.12.0-2");
		expect_sent(world, "e0 01 82");
		end(world);
	}
	world = begin_by_method(); /* our word was next */
	skip_sent(world);
	give(world, ASKS);
	expect_event(world, MT_CLIENT_CHALLENGE);
	give(world, ACCEPTS);
	expect_violation(world, "MQTT-4.12.0-2");
	end(world);
	world = begin_open(MT_VERSION_5); /* no method */
	assert_int_equal(say(world, "a"), MT_INVALID);
	give(world, ASKS);
	expect_violation(world, "MQTT-4.12.0-6");
	end(world);
}

static void a_refusal_ends_it(void **state)
{
	struct world *world = begin_by_method();
	(void)state;
	SPEC(MQTT5, "4.12.1-2");
	skip_sent(world);
	give(world, ASKS);
	expect_event(world, MT_CLIENT_CHALLENGE);
	expect_none(world);
	assert_int_equal(say(world, "c"), MT_OK);
	give(world, "20 03 00 86 00");
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_DENIED);
	assert_int_equal(world->event.reason, 0x86);
	end(world);
	world = open_by_method();
	assert_int_equal(say(world, "a"), MT_OK);
	give(world, "e0 01 87");
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_CLOSED);
	assert_int_equal(world->event.reason, 0x87);
	end(world);
}

/* It has as long for each word as for CONNACK. */
static void a_silent_server_is_left(void **state)
{
	struct world *world = begin_by_method();
	(void)state;
	skip_sent(world);
	world->now.mono_ns += 4 * MT_SECOND;
	give(world, ASKS);
	expect_event(world, MT_CLIENT_CHALLENGE);
	expect_none(world);
	assert_int_equal(say(world, "c"), MT_OK);
	world->now.mono_ns += 4 * MT_SECOND;
	mt_client_tick(world->client, world->now);
	expect_none(world);
	world->now.mono_ns += MT_SECOND;
	mt_client_tick(world->client, world->now);
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_TIMEOUT);
	end(world);
	world = open_by_method();
	assert_int_equal(say(world, "a"), MT_OK);
	assert_true(mt_client_deadline(world->client) == world->now.mono_ns + 5 * MT_SECOND);
	world->now.mono_ns += 5 * MT_SECOND;
	mt_client_tick(world->client, world->now);
	expect_event(world, MT_CLIENT_ENDED);
	assert_int_equal(world->event.status, MT_TIMEOUT);
	end(world);
}

static void the_next_connection_begins_anew(void **state)
{
	struct world *world = open_by_method();
	(void)state;
	assert_int_equal(say(world, "a"), MT_OK);
	mt_client_closed(world->client);
	assert_int_equal(say(world, "a"), MT_INVALID);
	assert_int_equal(mt_client_connect_by(world->client, world->now, mt_bytes_str("x")), MT_OK);
	skip_sent(world);
	give(world, ACCEPTS);
	expect_event(world, MT_CLIENT_CONNECTED);
	assert_int_equal(say(world, "a"), MT_OK);
	end(world);
}

/* What is longer than the server takes is not sent. */
static void a_small_server_is_heeded(void **state)
{
	struct world *world = begin_by_method();
	(void)state;
	skip_sent(world);
	give(world, "20 10 00 00 0d " M "16 0001 64 27 0000000b");
	expect_event(world, MT_CLIENT_CONNECTED);
	expect_none(world);
	assert_int_equal(say(world, "ab"), MT_LIMIT);
	expect_sent(world, "");
	end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exchange_goes_word_by_word),
		cmocka_unit_test(another_one_goes_on_beside_messages),
		cmocka_unit_test(lies_before_connack_end_it),
		cmocka_unit_test(words_out_of_turn_end_it),
		cmocka_unit_test(a_refusal_ends_it),
		cmocka_unit_test(a_silent_server_is_left),
		cmocka_unit_test(the_next_connection_begins_anew),
		cmocka_unit_test(a_small_server_is_heeded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
