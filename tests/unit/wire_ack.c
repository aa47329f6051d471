/* PUBACK, PUBREC, PUBREL and PUBCOMP. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "refuse.h"
#include "spec.h"

static void short_forms_mean_success(void **state)
{
	struct mt_any any = ACCEPTED_5("\x62\2\1\2");
	(void)state;
	assert_int_equal(any.ack.type, MT_PACKET_PUBREL);
	assert_int_equal(any.ack.packet_id, 0x102);
	assert_int_equal(any.ack.reason, MT_REASON_SUCCESS);
	any = ACCEPTED_5("\x40\3\0\1\x97");
	assert_int_equal(any.ack.reason, MT_REASON_QUOTA_EXCEEDED);
	any = ACCEPTED_5("\x40\x09\0\1\x10\5\x1f\0\2no");
	assert_view(any.ack.props.reason_string, "no");
}

static void reasons_belong_to_their_packet(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.4.2-1");
	SPEC(MQTT5, "3.5.2-1");
	SPEC(MQTT5, "3.6.2-1");
	SPEC(MQTT5, "3.7.2-1");
	REFUSED_5("\x40\3\0\1\x92", "MQTT-3.4.2-1", PROTOCOL_ERROR);
	REFUSED_5("\x50\3\0\1\x01", "MQTT-3.5.2-1", PROTOCOL_ERROR);
	REFUSED_5("\x62\3\0\1\x10", "MQTT-3.6.2-1", PROTOCOL_ERROR);
	REFUSED_5("\x70\3\0\1\x80", "MQTT-3.7.2-1", PROTOCOL_ERROR);
	(void)ACCEPTED_5("\x70\3\0\1\x92");
}

static void packet_ids_are_not_zero(void **state)
{
	(void)state;
	SPEC(MQTT5, "2.2.1-5");
	SPEC(MQTT3, "2.3.1-6");
	REFUSED_5("\x40\2\0\0", "MQTT-2.2.1-5", PROTOCOL_ERROR);
	REFUSED_3("\x70\2\0\0", "MQTT-2.3.1-6", PROTOCOL_ERROR);
	REFUSED_3("\x40\1\1", "malformed", MALFORMED_PACKET);
	REFUSED_3("\x40\0", "malformed", MALFORMED_PACKET);
}

static void nothing_may_follow(void **state)
{
	(void)state;
	REFUSED_3("\x40\3\0\1\0", "malformed", MALFORMED_PACKET);
	REFUSED_5("\x40\5\0\1\0\0\0", "malformed", MALFORMED_PACKET);
}

static void the_shortest_form_is_written(void **state)
{
	uint8_t room[32];
	struct mt_buf out = mt_buf_of(room, sizeof(room));
	struct mt_ack ack = {.type = MT_PACKET_PUBREL, .packet_id = 0x102};
	(void)state;
	assert_int_equal(mt_ack_encode(&ack, MT_VERSION_5, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x62\2\1\2");
	out.pos = 0;
	ack.reason = MT_REASON_PACKET_IDENTIFIER_NOT_FOUND;
	assert_int_equal(mt_ack_encode(&ack, MT_VERSION_5, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x62\3\1\2\x92");
	out.pos = 0;
	ack.props = (struct mt_props){.present = MT_PROP_BIT(REASON_STRING),
				      .reason_string = mt_bytes_str("x")};
	assert_int_equal(mt_ack_encode(&ack, MT_VERSION_5, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x62\x08\1\2\x92\4\x1f\0\1x");
	out.pos = 0;
	assert_int_equal(mt_ack_encode(&ack, MT_VERSION_3_1_1, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x62\2\1\2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_forms_mean_success),
		cmocka_unit_test(reasons_belong_to_their_packet),
		cmocka_unit_test(packet_ids_are_not_zero),
		cmocka_unit_test(nothing_may_follow),
		cmocka_unit_test(the_shortest_form_is_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
