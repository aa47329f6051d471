/* Strings, names, packet ids, and the start of a packet. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "refuse.h"
#include "spec.h"
#include "wire/field.h"

static enum mt_status check(const char *text, size_t len, enum mt_version version,
			    struct mt_violation *why)
{
	return mt_field_check_text(mt_bytes_of(text, len), version, 10, why);
}

#define CHECK(text, version) check(text, sizeof(text) - 1, version, &why)

static void good_text_passes_untouched(void **state)
{
	struct mt_reader in = mt_reader_of(mt_bytes_of("\0\6\xef\xbb\xbf"
						       "abc!",
						       9));
	struct mt_violation why;
	struct mt_bytes text;
	(void)state;
	SPEC(MQTT5, "1.5.4-3");
	SPEC(MQTT3, "1.5.3-3");
	assert_true(mt_field_take(&in, &text));
	assert_int_equal(mt_field_check_text(text, MT_VERSION_5, 0, &why), MT_OK);
	assert_view(text, "\xef\xbb\xbf"
			  "abc");
	assert_int_equal(mt_reader_left(&in), 1);
	assert_int_equal(CHECK("", MT_VERSION_5), MT_OK);
	assert_int_equal(CHECK("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", MT_VERSION_5), MT_OK);
}

static void bad_text_names_the_rule_of_its_version(void **state)
{
	struct mt_violation why = {0};
	(void)state;
	SPEC(MQTT5, "1.5.4-1");
	SPEC(MQTT3, "1.5.3-1");
	SPEC(MQTT5, "1.5.4-2");
	SPEC(MQTT3, "1.5.3-2");
	assert_int_equal(CHECK("ab\xed\xa0\x80", MT_VERSION_5), MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-1.5.4-1");
	assert_int_equal(why.offset, 12);
	assert_int_equal(CHECK("\xc0\x80", MT_VERSION_3_1_1), MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-1.5.3-1");
	assert_int_equal(CHECK("a\0", MT_VERSION_5), MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-1.5.4-2");
	assert_int_equal(why.offset, 11);
	assert_int_equal(CHECK("\0", MT_VERSION_3_1_1), MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-1.5.3-2");
	assert_int_equal(why.reason, MT_REASON_MALFORMED_PACKET);
}

static void short_fields_write_nothing(void **state)
{
	static const char *const cut[] = {"", "\1", "\1\2", "\1\2abc"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cut); i++) {
		struct mt_reader in = mt_reader_of(mt_bytes_str(cut[i]));
		struct mt_bytes field = mt_bytes_str("before");
		assert_false(mt_field_take(&in, &field));
		assert_view(field, "before");
	}
}

static void names_have_a_character_and_no_wildcard(void **state)
{
	struct mt_violation why = {0};
	(void)state;
	SPEC(MQTT5, "4.7.3-1");
	SPEC(MQTT5, "4.7.0-1");
	assert_int_equal(mt_field_check_name(mt_bytes_str("a/b"), MT_VERSION_5, 0, "x", 0x81, &why),
			 MT_OK);
	assert_int_equal(mt_field_check_name(mt_bytes_str("/"), MT_VERSION_5, 0, "x", 0x81, &why),
			 MT_OK);
	assert_int_equal(mt_field_check_name(mt_bytes_str(""), MT_VERSION_5, 0, "x", 0x81, &why),
			 MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-4.7.3-1");
	assert_int_equal(mt_field_check_name(mt_bytes_str("a/+"), MT_VERSION_5, 5, "x", 0x90, &why),
			 MT_VIOLATION);
	assert_string_equal(why.statement, "x");
	assert_int_equal(why.reason, 0x90);
	assert_int_equal(why.offset, 7);
	assert_int_equal(mt_field_check_name(mt_bytes_str("#"), MT_VERSION_5, 0, "x", 0x81, &why),
			 MT_VIOLATION);
}

static void packet_ids_are_not_zero(void **state)
{
	struct mt_reader in = mt_reader_of(mt_bytes_of("\1\2\0\0\1", 5));
	struct mt_violation why = {0};
	uint16_t packet_id = 0;
	(void)state;
	assert_int_equal(mt_field_take_id(&in, "x", &packet_id, &why), MT_OK);
	assert_int_equal(packet_id, 0x102);
	assert_int_equal(mt_field_take_id(&in, "x", &packet_id, &why), MT_VIOLATION);
	assert_string_equal(why.statement, "x");
	assert_int_equal(why.offset, 2);
	assert_int_equal(mt_field_take_id(&in, "x", &packet_id, &why), MT_VIOLATION);
	assert_string_equal(why.statement, "malformed");
	assert_int_equal(packet_id, 0x102);
}

static void a_packet_begins_only_when_it_fits(void **state)
{
	uint8_t room[8];
	struct mt_buf out = mt_buf_of(room, 7);
	(void)state;
	assert_int_equal(mt_field_begin(&out, MT_PACKET_PUBLISH, 0, 6), MT_LIMIT);
	assert_int_equal(mt_field_begin(&out, MT_PACKET_PUBLISH, 0, (size_t)MT_VARINT_MAX + 1),
			 MT_LIMIT);
	assert_int_equal(out.pos, 0);
	assert_int_equal(mt_field_begin(&out, MT_PACKET_PUBLISH, 0, 5), MT_OK);
	assert_int_equal(out.pos, 2);
}

static void fields_that_cannot_be_written_are_too_large_to_sum(void **state)
{
	static const uint8_t big[65536];
	(void)state;
	SPEC(MQTT5, "4.7.3-3");
	assert_int_equal(mt_field_bytes(mt_bytes_of(big, 65535)), 65537);
	assert_true(mt_field_bytes(mt_bytes_of(big, 65536)) > MT_VARINT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_text_passes_untouched),
		cmocka_unit_test(bad_text_names_the_rule_of_its_version),
		cmocka_unit_test(short_fields_write_nothing),
		cmocka_unit_test(names_have_a_character_and_no_wildcard),
		cmocka_unit_test(packet_ids_are_not_zero),
		cmocka_unit_test(a_packet_begins_only_when_it_fits),
		cmocka_unit_test(fields_that_cannot_be_written_are_too_large_to_sum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
