/* Names of packets and reasons, and who may carry which reason. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "spec.h"
#include "wire/packet.h"

static void names_come_from_the_tables(void **state)
{
	(void)state;
	assert_string_equal(mt_packet_name(MT_PACKET_CONNECT), "CONNECT");
	assert_string_equal(mt_packet_name(15), "AUTH");
	assert_string_equal(mt_packet_name(0), "unknown");
	assert_string_equal(mt_packet_name(16), "unknown");
	assert_string_equal(mt_reason_text(0x8e), "session taken over");
	assert_string_equal(mt_reason_text(0x03), "unknown");
	assert_string_equal(mt_reason_text(0xff), "unknown");
}

/* The table of section 2.4 lists 43 codes. */
static void every_code_of_the_standard_is_there(void **state)
{
	unsigned known = 0;
	(void)state;
	for (unsigned code = 0; code < 256; code++)
		known += mt_reason_text((uint8_t)code)[0] != 'u' ||
			 code == MT_REASON_UNSPECIFIED_ERROR ||
			 code == MT_REASON_UNSUPPORTED_PROTOCOL_VERSION ||
			 code == MT_REASON_USE_ANOTHER_SERVER;
	assert_int_equal(known, 43);
}

/* How many codes of each packet the standard's own tables list (sections 3.2.2.2 to 3.15.2.1). */
static void packets_know_as_many_codes_as_the_standard(void **state)
{
	static const struct {
		uint8_t type;
		enum mt_side side;
		unsigned count;
	} expected[] = {
		{MT_PACKET_CONNACK, MT_SIDE_SERVER, 22}, {MT_PACKET_PUBACK, MT_SIDE_CLIENT, 9},
		{MT_PACKET_PUBREC, MT_SIDE_SERVER, 9},	 {MT_PACKET_PUBREL, MT_SIDE_CLIENT, 2},
		{MT_PACKET_PUBCOMP, MT_SIDE_SERVER, 2},	 {MT_PACKET_SUBACK, MT_SIDE_SERVER, 12},
		{MT_PACKET_UNSUBACK, MT_SIDE_SERVER, 7}, {MT_PACKET_AUTH, MT_SIDE_CLIENT, 2},
		{MT_PACKET_AUTH, MT_SIDE_SERVER, 2},
	};
	(void)state;
	SPEC(MQTT5, "3.2.2-8");
	for (size_t i = 0; i < MT_COUNT_OF(expected); i++) {
		unsigned count = 0;
		for (unsigned code = 0; code < 256; code++)
			count += mt_reason_is_legal((uint8_t)code, expected[i].type,
						    expected[i].side);
		assert_int_equal(count, expected[i].count);
	}
}

static void sides_differ(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.14.2-1");
	SPEC(MQTT5, "3.15.2-1");
	assert_true(mt_reason_is_legal(MT_REASON_DISCONNECT_WITH_WILL, MT_PACKET_DISCONNECT,
				       MT_SIDE_CLIENT));
	assert_false(mt_reason_is_legal(MT_REASON_DISCONNECT_WITH_WILL, MT_PACKET_DISCONNECT,
					MT_SIDE_SERVER));
	assert_false(mt_reason_is_legal(MT_REASON_SESSION_TAKEN_OVER, MT_PACKET_DISCONNECT,
					MT_SIDE_CLIENT));
	assert_true(mt_reason_is_legal(MT_REASON_SESSION_TAKEN_OVER, MT_PACKET_DISCONNECT,
				       MT_SIDE_SERVER));
	assert_false(mt_reason_is_legal(MT_REASON_RE_AUTHENTICATE, MT_PACKET_AUTH, MT_SIDE_SERVER));
	assert_false(mt_reason_is_legal(MT_REASON_SUCCESS, MT_PACKET_AUTH, MT_SIDE_CLIENT));
	assert_false(mt_reason_is_legal(MT_REASON_SUCCESS, MT_PACKET_PUBLISH, MT_SIDE_CLIENT));
}

static void violations_are_filled_in(void **state)
{
	struct mt_violation why = {0};
	(void)state;
	assert_int_equal(mt_violate(&why, "MQTT-1.5.4-1", MT_REASON_MALFORMED_PACKET, 7),
			 MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-1.5.4-1");
	assert_int_equal(why.reason, 0x81);
	assert_int_equal(why.offset, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_from_the_tables),
		cmocka_unit_test(every_code_of_the_standard_is_there),
		cmocka_unit_test(packets_know_as_many_codes_as_the_standard),
		cmocka_unit_test(sides_differ),
		cmocka_unit_test(violations_are_filled_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
