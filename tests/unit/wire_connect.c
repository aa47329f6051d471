/* CONNECT and CONNACK in both versions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "refuse.h"
#include "spec.h"

static void fields_of_a_full_connect(void **state)
{
	struct mt_any any =
		ACCEPTED_3("\x10\x20\0\4MQTT\4\xf6\0\x0a\0\2c1\0\3w/t\0\2by\0\1u\0\4pass");
	const struct mt_connect *connect = &any.connect;
	(void)state;
	SPEC(MQTT3, "3.1.3-1");
	SPEC(MQTT5, "3.1.3-1");
	assert_int_equal(connect->version, MT_VERSION_3_1_1);
	assert_true(connect->is_clean && connect->has_will && connect->has_user &&
		    connect->has_password);
	assert_int_equal(connect->will_qos, 2);
	assert_true(connect->is_will_retain);
	assert_int_equal(connect->keep_alive_s, 10);
	assert_view(connect->client_id, "c1");
	assert_view(connect->will_topic, "w/t");
	assert_view(connect->will_payload, "by");
	assert_view(connect->user, "u");
	assert_view(connect->password, "pass");
	any = ACCEPTED_5("\x10\x13\0\4MQTT\5\4\0\0\0\0\0\0\0\1w\0\0");
	assert_true(any.connect.has_will);
	assert_false(any.connect.is_clean || any.connect.has_user || any.connect.is_will_retain);
	assert_int_equal(any.connect.client_id.len, 0);
}

static enum mt_version version_of(const char *data, size_t len, struct mt_violation *why)
{
	enum mt_version version = (enum mt_version)0;
	struct mt_connect connect;
	struct mt_frame frame = {.type = MT_PACKET_CONNECT, .body = mt_bytes_of(data, len)};
	assert_int_equal(mt_connect_decode(&frame, &connect, &version, why), MT_VIOLATION);
	return version;
}

static void foreign_protocols_are_refused(void **state)
{
	struct mt_violation why = {0};
	(void)state;
	SPEC(MQTT5, "3.1.2-1");
	SPEC(MQTT3, "3.1.2-1");
	SPEC(MQTT5, "3.1.2-2");
	SPEC(MQTT3, "3.1.2-2");
	REFUSED_3("\x10\x10\0\6MQIsdp\3\2\0\0\0\2c1", "MQTT-3.1.2-1", UNSUPPORTED_PROTOCOL_VERSION);
	REFUSED_3("\x10\x0e\0\4mqtt\4\2\0\0\0\2c1", "MQTT-3.1.2-1", UNSUPPORTED_PROTOCOL_VERSION);
	REFUSED_3("\x10\x0e\0\4MQTT\3\2\0\0\0\2c1", "MQTT-3.1.2-2", UNSUPPORTED_PROTOCOL_VERSION);
	REFUSED_3("\x10\x0e\0\4MQTT\6\2\0\0\0\2c1", "MQTT-3.1.2-2", UNSUPPORTED_PROTOCOL_VERSION);
	assert_int_equal(version_of("\0\4MQTT\6\2\0\0\0\0", 12, &why), MT_VERSION_3_1_1);
	assert_int_equal(version_of("\0\4MQTT\5\1\0\0\0\0\0", 13, &why), MT_VERSION_5);
	assert_int_equal(version_of("", 0, &why), MT_VERSION_3_1_1);
	assert_string_equal(why.statement, "MQTT-3.1.4-1");
}

static void flags_are_checked(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.1.2-3");
	SPEC(MQTT3, "3.1.2-3");
	SPEC(MQTT3, "3.1.2-11");
	SPEC(MQTT3, "3.1.2-13");
	SPEC(MQTT3, "3.1.2-14");
	SPEC(MQTT3, "3.1.2-15");
	SPEC(MQTT5, "3.1.2-7");
	SPEC(MQTT5, "3.1.2-8");
	SPEC(MQTT5, "3.1.2-11");
	SPEC(MQTT5, "3.1.2-12");
	SPEC(MQTT5, "3.1.2-13");
	REFUSED_3("\x10\x0e\0\4MQTT\4\3\0\0\0\2c1", "MQTT-3.1.2-3", MALFORMED_PACKET);
	REFUSED_5("\x10\x0f\0\4MQTT\5\3\0\0\0\0\2c1", "MQTT-3.1.2-3", MALFORMED_PACKET);
	REFUSED_3("\x10\x0e\0\4MQTT\4\x0a\0\0\0\2c1", "MQTT-3.1.2-13", MALFORMED_PACKET);
	REFUSED_5("\x10\x0f\0\4MQTT\5\x12\0\0\0\0\2c1", "MQTT-3.1.2-11", MALFORMED_PACKET);
	REFUSED_3("\x10\x0e\0\4MQTT\4\x22\0\0\0\2c1", "MQTT-3.1.2-15", MALFORMED_PACKET);
	REFUSED_5("\x10\x0f\0\4MQTT\5\x22\0\0\0\0\2c1", "MQTT-3.1.2-13", MALFORMED_PACKET);
	REFUSED_3("\x10\x13\0\4MQTT\4\x1e\0\0\0\2c1\0\1w\0\0", "MQTT-3.1.2-14", MALFORMED_PACKET);
	REFUSED_5("\x10\x15\0\4MQTT\5\x1e\0\0\0\0\2c1\0\0\1w\0\0", "MQTT-3.1.2-12",
		  MALFORMED_PACKET);
}

/* 3.1.1 wants a user name with each password; 5 does not. */
static void a_password_may_stand_alone_in_5(void **state)
{
	struct mt_any any = ACCEPTED_5("\x10\x10\0\4MQTT\5\x42\0\0\0\0\0\0\1\xff");
	(void)state;
	SPEC(MQTT3, "3.1.2-22");
	assert_false(any.connect.has_user);
	assert_view(any.connect.password, "\xff");
	REFUSED_3("\x10\x0f\0\4MQTT\4\x42\0\0\0\0\0\1p", "MQTT-3.1.2-22", MALFORMED_PACKET);
}

static void an_empty_id_needs_a_clean_session_in_3(void **state)
{
	(void)state;
	SPEC(MQTT3, "3.1.3-7");
	SPEC(MQTT3, "3.1.3-8");
	REFUSED_3("\x10\x0c\0\4MQTT\4\0\0\0\0\0", "MQTT-3.1.3-7", CLIENT_IDENTIFIER_NOT_VALID);
	(void)ACCEPTED_3("\x10\x0c\0\4MQTT\4\2\0\0\0\0");
	(void)ACCEPTED_5("\x10\x0d\0\4MQTT\5\0\0\0\0\0\0");
}

static void announced_fields_must_be_there(void **state)
{
	(void)state;
	SPEC(MQTT3, "3.1.2-9");
	SPEC(MQTT5, "3.1.2-9");
	SPEC(MQTT5, "3.1.2-6");
	SPEC(MQTT3, "3.1.2-19");
	SPEC(MQTT5, "3.1.2-17");
	SPEC(MQTT3, "3.1.2-21");
	SPEC(MQTT5, "3.1.2-19");
	SPEC(MQTT3, "3.1.3-3");
	REFUSED_3("\x10\x0a\0\4MQTT\4\2\0\0", "MQTT-3.1.3-3", MALFORMED_PACKET);
	REFUSED_3("\x10\x09\0\4MQTT\4\2\0", "MQTT-3.1.4-1", MALFORMED_PACKET);
	REFUSED_3("\x10\x0d\0\4MQTT\4\6\0\0\0\1c", "MQTT-3.1.2-9", MALFORMED_PACKET);
	REFUSED_3("\x10\x10\0\4MQTT\4\6\0\0\0\1c\0\1w", "MQTT-3.1.2-9", MALFORMED_PACKET);
	REFUSED_5("\x10\x11\0\4MQTT\5\6\0\0\0\0\0\0\0\1w\0", "MQTT-3.1.2-9", MALFORMED_PACKET);
	REFUSED_3("\x10\x0d\0\4MQTT\4\x82\0\0\0\1c", "MQTT-3.1.2-19", MALFORMED_PACKET);
	REFUSED_5("\x10\x0e\0\4MQTT\5\x82\0\0\0\0\1c", "MQTT-3.1.2-17", MALFORMED_PACKET);
	REFUSED_3("\x10\x10\0\4MQTT\4\xc2\0\0\0\1c\0\1u", "MQTT-3.1.2-21", MALFORMED_PACKET);
	REFUSED_5("\x10\x11\0\4MQTT\5\xc2\0\0\0\0\1c\0\1u", "MQTT-3.1.2-19", MALFORMED_PACKET);
}

static void nothing_may_follow(void **state)
{
	(void)state;
	SPEC(MQTT3, "3.1.2-18");
	SPEC(MQTT5, "3.1.2-16");
	SPEC(MQTT3, "3.1.2-20");
	SPEC(MQTT5, "3.1.2-18");
	SPEC(MQTT3, "3.1.4-1");
	REFUSED_3("\x10\x10\0\4MQTT\4\2\0\0\0\1c\0\1u", "MQTT-3.1.2-18", MALFORMED_PACKET);
	REFUSED_5("\x10\x11\0\4MQTT\5\2\0\0\0\0\1c\0\1u", "MQTT-3.1.2-16", MALFORMED_PACKET);
	REFUSED_3("\x10\x13\0\4MQTT\4\x82\0\0\0\1c\0\1u\0\1p", "MQTT-3.1.2-20", MALFORMED_PACKET);
	REFUSED_5("\x10\x14\0\4MQTT\5\x82\0\0\0\0\1c\0\1u\0\1p", "MQTT-3.1.2-18", MALFORMED_PACKET);
	REFUSED_3("\x10\x14\0\4MQTT\4\xc2\0\0\0\1c\0\1u\0\1p!", "MQTT-3.1.4-1", MALFORMED_PACKET);
}

static void texts_of_connect_are_utf8(void **state)
{
	(void)state;
	SPEC(MQTT3, "3.1.3-4");
	SPEC(MQTT3, "3.1.3-10");
	SPEC(MQTT3, "3.1.3-11");
	SPEC(MQTT5, "3.1.3-11");
	SPEC(MQTT5, "3.1.3-12");
	REFUSED_3("\x10\x0d\0\4MQTT\4\2\0\0\0\1\xff", "MQTT-1.5.3-1", MALFORMED_PACKET);
	REFUSED_5("\x10\x0e\0\4MQTT\5\2\0\0\0\0\1\0", "MQTT-1.5.4-2", MALFORMED_PACKET);
	REFUSED_3("\x10\x11\0\4MQTT\4\6\0\0\0\0\0\1\xc0\0\0", "MQTT-1.5.3-1", MALFORMED_PACKET);
	REFUSED_5("\x10\x13\0\4MQTT\5\6\0\0\0\0\0\0\0\1\xc0\0\0", "MQTT-1.5.4-1", MALFORMED_PACKET);
	REFUSED_3("\x10\x0f\0\4MQTT\4\x82\0\0\0\0\0\1\x80", "MQTT-1.5.3-1", MALFORMED_PACKET);
	REFUSED_5("\x10\x10\0\4MQTT\5\x82\0\0\0\0\0\0\1\0", "MQTT-1.5.4-2", MALFORMED_PACKET);
}

static void will_topics_are_names(void **state)
{
	(void)state;
	SPEC(MQTT5, "4.7.0-1");
	SPEC(MQTT3, "4.7.1-1");
	REFUSED_3("\x10\x11\0\4MQTT\4\6\0\0\0\0\0\1#\0\0", "MQTT-4.7.1-1", MALFORMED_PACKET);
	REFUSED_5("\x10\x13\0\4MQTT\5\6\0\0\0\0\0\0\0\1+\0\0", "MQTT-4.7.0-1", MALFORMED_PACKET);
	REFUSED_5("\x10\x12\0\4MQTT\5\6\0\0\0\0\0\0\0\0\0\0", "MQTT-4.7.3-1", PROTOCOL_ERROR);
}

static void connect_encodes_as_the_standard_has_it(void **state)
{
	uint8_t room[64];
	struct mt_buf out = mt_buf_of(room, sizeof(room));
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .has_user = true,
				     .user = mt_bytes_str("u"),
				     .keep_alive_s = 60,
				     .client_id = mt_bytes_str("c1")};
	(void)state;
	assert_int_equal(mt_connect_encode(&connect, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x10\x12\0\4MQTT\5\x82\0\x3c\0\0\2c1\0\1u");
	out.pos = 0;
	connect.version = MT_VERSION_3_1_1;
	assert_int_equal(mt_connect_encode(&connect, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x10\x11\0\4MQTT\4\x82\0\x3c\0\2c1\0\1u");
	connect.has_user = false;
	connect.has_password = true;
	assert_int_equal(mt_connect_encode(&connect, &out), MT_INVALID);
	connect.has_password = false;
	connect.is_will_retain = true;
	assert_int_equal(mt_connect_encode(&connect, &out), MT_INVALID);
	connect.has_will = true;
	connect.will_qos = 3;
	assert_int_equal(mt_connect_encode(&connect, &out), MT_INVALID);
}

static void connack_is_checked(void **state)
{
	struct mt_any any = ACCEPTED(MT_VERSION_3_1_1, MT_SIDE_SERVER, "\x20\2\0\4");
	(void)state;
	SPEC(MQTT5, "3.2.2-1");
	SPEC(MQTT5, "3.2.2-6");
	SPEC(MQTT3, "3.2.2-4");
	SPEC(MQTT5, "3.2.2-8");
	SPEC(MQTT3, "3.2.2-6");
	assert_int_equal(any.connack.reason, MT_REASON_BAD_USER_NAME_OR_PASSWORD);
	REFUSED_3("\x20\2\2\0", "MQTT-2.2.2-1", MALFORMED_PACKET);
	REFUSED_5("\x20\3\2\0\0", "MQTT-3.2.2-1", MALFORMED_PACKET);
	REFUSED_3("\x20\2\1\5", "MQTT-3.2.2-4", PROTOCOL_ERROR);
	REFUSED_5("\x20\3\1\x87\0", "MQTT-3.2.2-6", PROTOCOL_ERROR);
	REFUSED_3("\x20\2\0\6", "MQTT-3.2.2-6", PROTOCOL_ERROR);
	REFUSED_5("\x20\3\0\1\0", "MQTT-3.2.2-8", PROTOCOL_ERROR);
	REFUSED_5("\x20\3\0\x8e\0", "MQTT-3.2.2-8", PROTOCOL_ERROR);
	REFUSED_5("\x20\2\0\0", "MQTT-2.2.2-1", MALFORMED_PACKET);
	REFUSED_3("\x20\3\0\0\0", "malformed", MALFORMED_PACKET);
	REFUSED_3("\x20\1\0", "malformed", MALFORMED_PACKET);
	REFUSED_3("\x20\0", "malformed", MALFORMED_PACKET);
}

static void connack_reasons_have_codes_in_3(void **state)
{
	uint8_t room[8];
	struct mt_buf out = mt_buf_of(room, sizeof(room));
	struct mt_connack connack = {.reason = MT_REASON_BANNED,
				     .props = {.present = MT_PROP_BIT(MAXIMUM_QOS)}};
	(void)state;
	assert_int_equal(mt_connack_code_v3(MT_REASON_SUCCESS), 0);
	assert_int_equal(mt_connack_code_v3(MT_REASON_UNSUPPORTED_PROTOCOL_VERSION), 1);
	assert_int_equal(mt_connack_code_v3(MT_REASON_CLIENT_IDENTIFIER_NOT_VALID), 2);
	assert_int_equal(mt_connack_code_v3(MT_REASON_SERVER_BUSY), 3);
	assert_int_equal(mt_connack_code_v3(MT_REASON_BAD_USER_NAME_OR_PASSWORD), 4);
	assert_int_equal(mt_connack_code_v3(MT_REASON_NOT_AUTHORIZED), 5);
	assert_int_equal(mt_connack_encode(&connack, MT_VERSION_3_1_1, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x20\2\0\5");
	out.pos = 0;
	assert_int_equal(mt_connack_encode(&connack, MT_VERSION_5, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x20\5\0\x8a\2\x24\0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_a_full_connect),
		cmocka_unit_test(foreign_protocols_are_refused),
		cmocka_unit_test(flags_are_checked),
		cmocka_unit_test(a_password_may_stand_alone_in_5),
		cmocka_unit_test(an_empty_id_needs_a_clean_session_in_3),
		cmocka_unit_test(announced_fields_must_be_there),
		cmocka_unit_test(nothing_may_follow),
		cmocka_unit_test(texts_of_connect_are_utf8),
		cmocka_unit_test(will_topics_are_names),
		cmocka_unit_test(connect_encodes_as_the_standard_has_it),
		cmocka_unit_test(connack_is_checked),
		cmocka_unit_test(connack_reasons_have_codes_in_3),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
