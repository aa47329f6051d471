/* Life of the client machine: settings, CONNECT, keep alive, DISCONNECT, memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client_world.h"
#include "spec.h"

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
	expect_sent(world,
		    "10 1a 0004 4d515454 04 ce 001e 0001 63 0001 77 0001 78 0001 75 0002 7077");
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
	settings = settings_of(MT_VERSION_3_1_1);
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
	control.reason = 0;
	control.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
	control.props.session_expiry_s = 1;
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

/* Every allocation of a whole conversation fails once; the machine says so or goes on, and leaks
 * nothing. */
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
		cmocka_unit_test(keep_alive_pings_and_gives_up),
		cmocka_unit_test(server_keep_alive_rules),
		cmocka_unit_test(assigned_id_is_kept),
		cmocka_unit_test(disconnect_is_last),
		cmocka_unit_test(server_disconnect_ends),
		cmocka_unit_test(server_that_does_not_read_is_left),
		cmocka_unit_test(each_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
