/* Packet boundaries, fixed headers and variable byte integers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "refuse.h"
#include "spec.h"

static enum mt_status next(const char *data, size_t len, size_t limit, struct mt_frame *frame,
			   struct mt_violation *why)
{
	return mt_frame_next(mt_bytes_of(data, len), limit, frame, why);
}

#define NEXT(bytes, limit) next(bytes, sizeof(bytes) - 1, limit, &frame, &why)

static void a_whole_packet_is_a_view(void **state)
{
	static const char stream[] = "\x30\3abc\xc0\0";
	struct mt_violation why;
	struct mt_frame frame;
	(void)state;
	assert_int_equal(NEXT(stream, 100), MT_OK);
	assert_int_equal(frame.type, MT_PACKET_PUBLISH);
	assert_int_equal(frame.flags, 0);
	assert_int_equal(frame.bytes, 5);
	assert_view(frame.body, "abc");
	assert_ptr_equal(frame.body.data, stream + 2);
	assert_int_equal(next(stream + 5, 2, 100, &frame, &why), MT_OK);
	assert_int_equal(frame.type, MT_PACKET_PINGREQ);
	assert_int_equal(frame.body.len, 0);
}

static void long_lengths(void **state)
{
	struct mt_violation why;
	struct mt_frame frame;
	uint8_t *big = calloc(1, 16386 + 5);
	(void)state;
	assert_non_null(big);
	memcpy(big, "\x30\x80\x80\1", 4);
	assert_int_equal(mt_frame_bytes(mt_bytes_of(big, 4)), 16384 + 4);
	assert_int_equal(mt_frame_next(mt_bytes_of(big, 16387), 1u << 20, &frame, &why), MT_AGAIN);
	assert_int_equal(mt_frame_next(mt_bytes_of(big, 16388), 1u << 20, &frame, &why), MT_OK);
	assert_int_equal(frame.body.len, 16384);
	assert_ptr_equal(frame.body.data, big + 4);
	memcpy(big, "\x30\x80\1", 3);
	assert_int_equal(mt_frame_next(mt_bytes_of(big, 131), 1u << 20, &frame, &why), MT_OK);
	assert_int_equal(frame.bytes, 131);
	free(big);
}

static void incomplete_headers_ask_for_more(void **state)
{
	struct mt_violation why;
	struct mt_frame frame;
	(void)state;
	assert_int_equal(NEXT("", 100), MT_AGAIN);
	assert_int_equal(NEXT("\x30", 100), MT_AGAIN);
	assert_int_equal(NEXT("\x30\xff\xff\xff", SIZE_MAX), MT_AGAIN);
	assert_int_equal(NEXT("\x30\xff\xff\xff\x7f", SIZE_MAX), MT_AGAIN);
	assert_int_equal(mt_frame_bytes(mt_bytes_of("\x30", 1)), 0);
	assert_int_equal(mt_frame_bytes(mt_bytes_of("\x30\x80", 2)), 0);
	assert_int_equal(mt_frame_bytes(mt_bytes_of("\x30\7", 2)), 9);
	assert_int_equal(mt_frame_bytes(mt_bytes_of("\x30\xff\xff\xff\x7f", 5)), MT_VARINT_MAX + 5);
}

/* Only the flags that section 2.1.3 lists pass, for each of the 256 first bytes. */
static void reserved_flags_are_refused(void **state)
{
	static const uint8_t wanted[16] = {[6] = 2, [8] = 2, [10] = 2};
	(void)state;
	SPEC(MQTT5, "2.1.3-1");
	SPEC(MQTT3, "2.2.2-1");
	SPEC(MQTT3, "2.2.2-2");
	for (unsigned first = 0; first < 256; first++) {
		uint8_t bytes[2] = {(uint8_t)first, 0};
		unsigned type = first >> 4;
		bool is_legal = type == 3 || (type != 0 && (first & 15) == wanted[type]);
		struct mt_violation why;
		struct mt_frame frame;
		assert_int_equal(mt_frame_next(mt_bytes_of(bytes, 2), 100, &frame, &why),
				 is_legal ? MT_OK : MT_VIOLATION);
		/* The first byte alone is enough. */
		assert_int_equal(mt_frame_next(mt_bytes_of(bytes, 1), 100, &frame, &why),
				 is_legal ? MT_AGAIN : MT_VIOLATION);
	}
}

static void refusals_name_the_packet(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.6.1-1");
	SPEC(MQTT3, "3.6.1-1");
	SPEC(MQTT5, "3.8.1-1");
	SPEC(MQTT3, "3.8.1-1");
	SPEC(MQTT5, "3.10.1-1");
	SPEC(MQTT3, "3.10.1-1");
	SPEC(MQTT5, "3.14.1-1");
	SPEC(MQTT5, "3.15.1-1");
	REFUSED_5("\x01", "malformed", MALFORMED_PACKET);
	REFUSED_5("\x41", "MQTT-2.1.3-1", MALFORMED_PACKET);
	REFUSED_5("\x60", "MQTT-3.6.1-1", MALFORMED_PACKET);
	REFUSED_5("\x80", "MQTT-3.8.1-1", MALFORMED_PACKET);
	REFUSED_5("\xa3", "MQTT-3.10.1-1", MALFORMED_PACKET);
	REFUSED_5("\xe8", "MQTT-3.14.1-1", MALFORMED_PACKET);
	REFUSED_5("\xf1", "MQTT-3.15.1-1", MALFORMED_PACKET);
}

static void bad_lengths_are_refused(void **state)
{
	(void)state;
	SPEC(MQTT5, "1.5.5-1");
	REFUSED_5("\x30\x80\0", "MQTT-1.5.5-1", MALFORMED_PACKET);
	REFUSED_5("\x30\xff\xff\0", "MQTT-1.5.5-1", MALFORMED_PACKET);
	REFUSED_5("\x30\x80\x80\x80\x80", "malformed", MALFORMED_PACKET);
	REFUSED_5("\x30\xff\xff\xff\xff\1", "malformed", MALFORMED_PACKET);
}

static void too_large_is_refused_by_the_header_alone(void **state)
{
	struct mt_violation why = {0};
	struct mt_frame frame;
	(void)state;
	SPEC(MQTT5, "3.2.2-15");
	assert_int_equal(NEXT("\x30\x62", 100), MT_AGAIN);
	assert_int_equal(NEXT("\x30\x63", 100), MT_VIOLATION);
	assert_int_equal(why.reason, MT_REASON_PACKET_TOO_LARGE);
	assert_int_equal(NEXT("\x30\xff\xff\xff\x7f", MT_VARINT_MAX), MT_VIOLATION);
	assert_int_equal(NEXT("\x30\0", 1), MT_VIOLATION);
	assert_int_equal(NEXT("\x30\0", 2), MT_OK);
}

static void varints_round_trip_at_each_border(void **state)
{
	static const struct {
		uint32_t value;
		size_t bytes;
	} border[] = {{0, 1},	  {127, 1},	{128, 2},     {16383, 2},
		      {16384, 3}, {2097151, 3}, {2097152, 4}, {MT_VARINT_MAX, 4}};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(border); i++) {
		uint8_t room[4];
		struct mt_buf out = mt_buf_of(room, sizeof(room));
		struct mt_reader in;
		uint32_t value = 1;
		mt_varint_put(&out, border[i].value);
		assert_int_equal(out.pos, border[i].bytes);
		assert_int_equal(mt_varint_bytes(border[i].value), border[i].bytes);
		in = mt_reader_of(mt_buf_view(&out));
		assert_true(mt_varint_take(&in, &value));
		assert_int_equal(value, border[i].value);
		in = mt_reader_of(mt_bytes_of(room, out.pos - 1));
		assert_false(mt_varint_take(&in, &value));
	}
}

static void bad_varints_are_not_taken(void **state)
{
	static const char *const bad[] = {"\x80\x80\x80\x80\x01", "\xff\xff\xff\xff\x7f",
					  "\x81\x80"};
	struct mt_reader in = mt_reader_of(mt_bytes_of("\x80\0", 2));
	uint32_t value = 77;
	(void)state;
	assert_false(mt_varint_take(&in, &value));
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		in = mt_reader_of(mt_bytes_str(bad[i]));
		assert_false(mt_varint_take(&in, &value));
	}
	assert_int_equal(value, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_packet_is_a_view),
		cmocka_unit_test(long_lengths),
		cmocka_unit_test(incomplete_headers_ask_for_more),
		cmocka_unit_test(reserved_flags_are_refused),
		cmocka_unit_test(refusals_name_the_packet),
		cmocka_unit_test(bad_lengths_are_refused),
		cmocka_unit_test(too_large_is_refused_by_the_header_alone),
		cmocka_unit_test(varints_round_trip_at_each_border),
		cmocka_unit_test(bad_varints_are_not_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
