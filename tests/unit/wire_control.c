/* PINGREQ, PINGRESP, DISCONNECT and AUTH. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "refuse.h"
#include "spec.h"

static void reason_and_properties_may_be_left_out(void **state)
{
	struct mt_any any = ACCEPTED_5("\xe0\0");
	(void)state;
	assert_int_equal(any.control.type, MT_PACKET_DISCONNECT);
	assert_int_equal(any.control.reason, MT_REASON_SUCCESS);
	any = ACCEPTED_5("\xe0\1\x04");
	assert_int_equal(any.control.reason, MT_REASON_DISCONNECT_WITH_WILL);
	any = ACCEPTED_5("\xe0\7\0\5\x11\0\0\0\x3c");
	assert_int_equal(any.control.props.session_expiry_s, 60);
	any = ACCEPTED_5_SERVER("\xe0\2\x8e\0");
	assert_int_equal(any.control.reason, MT_REASON_SESSION_TAKEN_OVER);
}

static void reasons_belong_to_their_side(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.14.2-1");
	SPEC(MQTT5, "3.14.2-2");
	SPEC(MQTT5, "3.15.2-1");
	REFUSED_5("\xe0\1\x8e", "MQTT-3.14.2-1", PROTOCOL_ERROR);
	REFUSED_5_SERVER("\xe0\1\x04", "MQTT-3.14.2-1", PROTOCOL_ERROR);
	REFUSED_5("\xe0\1\x01", "MQTT-3.14.2-1", PROTOCOL_ERROR);
	REFUSED_5_SERVER("\xe0\7\0\5\x11\0\0\0\x3c", "MQTT-3.14.2-2", PROTOCOL_ERROR);
	REFUSED_5("\xf0\0", "MQTT-3.15.2-1", PROTOCOL_ERROR);
	REFUSED_5("\xf0\6\x87\4\x15\0\1m", "MQTT-3.15.2-1", PROTOCOL_ERROR);
	REFUSED_5_SERVER("\xf0\6\x19\4\x15\0\1m", "MQTT-3.15.2-1", PROTOCOL_ERROR);
}

static void auth_names_its_method(void **state)
{
	struct mt_any any = ACCEPTED_5("\xf0\x0b\x18\x09\x15\0\1m\x16\0\2\xff\1");
	(void)state;
	assert_int_equal(any.control.reason, MT_REASON_CONTINUE_AUTHENTICATION);
	assert_view(any.control.props.auth_method, "m");
	assert_view(any.control.props.auth_data, "\xff\1");
	REFUSED_5("\xf0\1\x18", "section 3.15.2.2.2", PROTOCOL_ERROR);
	REFUSED_5("\xf0\2\x18\0", "section 3.15.2.2.2", PROTOCOL_ERROR);
	REFUSED_5("\xf0\7\x18\5\x16\0\2\xff\1", "section 3.1.2.11.10", PROTOCOL_ERROR);
	(void)ACCEPTED_5_SERVER("\xf0\0");
}

static void in_3_only_the_client_disconnects(void **state)
{
	(void)state;
	(void)ACCEPTED_3("\xe0\0");
	REFUSED_3("\xe0\1\0", "malformed", MALFORMED_PACKET);
	REFUSED(MT_VERSION_3_1_1, MT_SIDE_SERVER, "\xe0\0", "section 3.14", PROTOCOL_ERROR);
	REFUSED_3("\xf0\0", "malformed", MALFORMED_PACKET);
}

static void nothing_may_follow(void **state)
{
	(void)state;
	REFUSED_5("\xe0\3\0\0\0", "malformed", MALFORMED_PACKET);
	REFUSED_5("\xc0\1\0", "malformed", MALFORMED_PACKET);
	REFUSED_3("\xd0\1\0", "malformed", MALFORMED_PACKET);
}

static void the_shortest_form_is_written(void **state)
{
	uint8_t room[16];
	struct mt_buf out = mt_buf_of(room, sizeof(room));
	struct mt_control control = {.type = MT_PACKET_DISCONNECT};
	(void)state;
	assert_int_equal(mt_control_encode(&control, MT_VERSION_5, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\xe0\0");
	out.pos = 0;
	control.reason = MT_REASON_SERVER_MOVED;
	assert_int_equal(mt_control_encode(&control, MT_VERSION_5, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\xe0\1\x9d");
	out.pos = 0;
	control.props = (struct mt_props){.present = MT_PROP_BIT(SERVER_REFERENCE),
					  .server_reference = mt_bytes_str("s")};
	assert_int_equal(mt_control_encode(&control, MT_VERSION_5, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\xe0\6\x9d\4\x1c\0\1s");
	out.pos = 0;
	assert_int_equal(mt_control_encode(&control, MT_VERSION_3_1_1, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\xe0\0");
	out.pos = 0;
	mt_ping_encode(MT_PACKET_PINGRESP, &out);
	assert_view(mt_buf_view(&out), "\xd0\0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reason_and_properties_may_be_left_out),
		cmocka_unit_test(reasons_belong_to_their_side),
		cmocka_unit_test(auth_names_its_method),
		cmocka_unit_test(in_3_only_the_client_disconnects),
		cmocka_unit_test(nothing_may_follow),
		cmocka_unit_test(the_shortest_form_is_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
