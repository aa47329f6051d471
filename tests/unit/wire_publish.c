/* PUBLISH in both versions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "refuse.h"
#include "spec.h"

static void fields_of_a_publish(void **state)
{
	struct mt_any any = ACCEPTED_3("\x3d\x0a\0\3a/b\1\2abc");
	(void)state;
	assert_int_equal(any.publish.qos, 2);
	assert_true(any.publish.is_retain);
	assert_true(any.publish.is_dup);
	assert_int_equal(any.publish.packet_id, 0x102);
	assert_view(any.publish.topic, "a/b");
	assert_view(any.publish.payload, "abc");
	any = ACCEPTED_5("\x30\x09\0\3a/b\3\x23\0\7");
	assert_int_equal(any.publish.qos, 0);
	assert_false(any.publish.is_retain || any.publish.is_dup);
	assert_int_equal(any.publish.packet_id, 0);
	assert_int_equal(any.publish.props.topic_alias, 7);
	assert_int_equal(any.publish.payload.len, 0);
}

static void flags_are_checked(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.3.1-2");
	SPEC(MQTT3, "3.3.1-2");
	SPEC(MQTT5, "3.3.1-4");
	SPEC(MQTT3, "3.3.1-4");
	REFUSED_3("\x36\7\0\3a/b\0\1", "MQTT-3.3.1-4", MALFORMED_PACKET);
	REFUSED_5("\x36\x08\0\3a/b\0\1\0", "MQTT-3.3.1-4", MALFORMED_PACKET);
	REFUSED_3("\x38\5\0\3a/b", "MQTT-3.3.1-2", MALFORMED_PACKET);
	REFUSED_5("\x39\6\0\3a/b\0", "MQTT-3.3.1-2", MALFORMED_PACKET);
}

static void packet_ids_follow_the_qos(void **state)
{
	struct mt_any any = ACCEPTED_3("\x30\7\0\3a/b\0\0");
	(void)state;
	SPEC(MQTT5, "2.2.1-2");
	SPEC(MQTT3, "2.3.1-5");
	SPEC(MQTT5, "2.2.1-3");
	SPEC(MQTT5, "2.2.1-4");
	SPEC(MQTT3, "2.3.1-1");
	assert_int_equal(any.publish.payload.len, 2);
	REFUSED_3("\x32\7\0\3a/b\0\0", "MQTT-2.3.1-1", PROTOCOL_ERROR);
	REFUSED_5("\x34\x08\0\3a/b\0\0\0", "MQTT-2.2.1-3", PROTOCOL_ERROR);
	REFUSED_5_SERVER("\x34\x08\0\3a/b\0\0\0", "MQTT-2.2.1-4", PROTOCOL_ERROR);
	REFUSED_3("\x32\6\0\3a/b\0", "malformed", MALFORMED_PACKET);
}

static void topics_are_names(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.3.2-1");
	SPEC(MQTT3, "3.3.2-1");
	SPEC(MQTT5, "3.3.2-2");
	SPEC(MQTT3, "3.3.2-2");
	SPEC(MQTT5, "4.7.3-1");
	SPEC(MQTT5, "4.7.3-2");
	SPEC(MQTT3, "4.7.3-1");
	REFUSED_3("\x30\0", "MQTT-3.3.2-1", MALFORMED_PACKET);
	REFUSED_3("\x30\4\0\3a/", "MQTT-3.3.2-1", MALFORMED_PACKET);
	REFUSED_3("\x30\5\0\3a/+", "MQTT-3.3.2-2", MALFORMED_PACKET);
	REFUSED_5("\x30\6\0\3#/a\0", "MQTT-3.3.2-2", MALFORMED_PACKET);
	REFUSED_3("\x30\5\0\3a/\xff", "MQTT-1.5.3-1", MALFORMED_PACKET);
	REFUSED_5("\x30\6\0\3a/\0\0", "MQTT-1.5.4-2", MALFORMED_PACKET);
	REFUSED_3("\x30\2\0\0", "MQTT-4.7.3-1", PROTOCOL_ERROR);
	REFUSED_5("\x30\3\0\0\0", "MQTT-4.7.3-1", PROTOCOL_ERROR);
	(void)ACCEPTED_5("\x30\6\0\0\3\x23\0\1");
}

/* The naive twin of the fast check: any byte at any place of names up to 20 bytes. */
static void the_fast_check_equals_the_slow_one(void **state)
{
	(void)state;
	for (size_t len = 1; len <= 20; len++) {
		for (size_t at = 0; at < len; at++) {
			for (unsigned value = 0; value < 256; value++) {
				uint8_t body[32] = {0, (uint8_t)len};
				struct mt_frame frame = {.type = MT_PACKET_PUBLISH,
							 .body = mt_bytes_of(body, len + 2)};
				struct mt_publish publish;
				struct mt_violation why = {0};
				bool is_bad =
					value == 0 || value >= 0x80 || value == '+' || value == '#';
				memset(body + 2, 'a', len);
				body[2 + at] = (uint8_t)value;
				assert_int_equal(mt_publish_decode(&frame, MT_VERSION_3_1_1,
								   MT_SIDE_CLIENT, &publish, &why),
						 is_bad ? MT_VIOLATION : MT_OK);
				if (is_bad)
					assert_int_equal(why.offset, 2 + at);
			}
		}
	}
}

static void names_beyond_ascii_pass(void **state)
{
	struct mt_any any = ACCEPTED_5("\x30\x14\0\x11\xc3\xa9t\xc3\xa9/\xe2\x82\xac/\x7f/12345\0");
	(void)state;
	assert_int_equal(any.publish.topic.len, 17);
}

static void a_refused_packet_leaves_the_result_alone(void **state)
{
	struct mt_publish publish = {.packet_id = 77};
	struct mt_frame frame = {
		.type = MT_PACKET_PUBLISH, .flags = 2, .body = mt_bytes_of("\0\3a/b\0", 6)};
	struct mt_violation why;
	(void)state;
	assert_int_equal(mt_publish_decode(&frame, MT_VERSION_5, MT_SIDE_CLIENT, &publish, &why),
			 MT_VIOLATION);
	assert_int_equal(publish.packet_id, 77);
	assert_null(publish.topic.data);
}

static void head_and_payload_make_the_packet(void **state)
{
	uint8_t whole[64], head[64];
	struct mt_buf one = mt_buf_of(whole, sizeof(whole)), two = mt_buf_of(head, sizeof(head));
	struct mt_publish publish = {.qos = 1,
				     .packet_id = 0x0203,
				     .is_retain = true,
				     .topic = mt_bytes_str("a/b"),
				     .payload = mt_bytes_str("hello"),
				     .props = {.present = MT_PROP_BIT(TOPIC_ALIAS),
					       .topic_alias = 4,
					       .user = mt_bytes_of("\1\1", 2)}};
	size_t at = 99;
	(void)state;
	SPEC(MQTT5, "3.3.1-1");
	assert_int_equal(mt_publish_encode(&publish, MT_VERSION_5, &one), MT_OK);
	assert_view(mt_buf_view(&one), "\x33\x12\0\3a/b\2\3\5\x23\0\4\1\1hello");
	assert_int_equal(one.pos, mt_publish_bytes(&publish, MT_VERSION_5));
	mt_buf_put_u8(&two, 0xee);
	assert_int_equal(mt_publish_encode_head(&publish, MT_VERSION_5, 5, &two, &at), MT_OK);
	assert_true(mt_bytes_equal(mt_bytes_of(head + 1, two.pos - 1),
				   mt_bytes_of(whole, one.pos - 5)));
	assert_int_equal(at, 7);
	assert_memory_equal(head + 1 + at, "\2\3", 2);
	publish.qos = 0;
	assert_int_equal(mt_publish_encode_head(&publish, MT_VERSION_3_1_1, 5, &two, &at), MT_OK);
	assert_int_equal(at, 0);
}

static void a_head_needs_no_room_for_the_payload(void **state)
{
	uint8_t room[9];
	struct mt_buf out = mt_buf_of(room, sizeof(room));
	struct mt_publish publish = {.topic = mt_bytes_str("a/b")};
	size_t at = 99;
	(void)state;
	assert_int_equal(
		mt_publish_encode_head(&publish, MT_VERSION_3_1_1, MT_VARINT_MAX, &out, &at),
		MT_LIMIT);
	assert_int_equal(mt_publish_encode_head(&publish, MT_VERSION_3_1_1, SIZE_MAX, &out, &at),
			 MT_LIMIT);
	assert_int_equal(at, 99);
	assert_int_equal(out.pos, 0);
	assert_int_equal(mt_publish_encode_head(&publish, MT_VERSION_3_1_1, 1u << 20, &out, &at),
			 MT_OK);
	assert_view(mt_buf_view(&out), "\x30\x85\x80\x40\0\3a/b");
}

/* The cheap head of a broker is byte for byte the head that the full encoder writes. */
static void a_forwarded_head_equals_the_full_one(void **state)
{
	static const struct mt_bytes raw = {(const uint8_t *)"\1\1\x26\0\1k\0\1v", 9};
	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		uint8_t full[64], cheap[64];
		struct mt_buf one = mt_buf_of(full, sizeof(full)),
			      two = mt_buf_of(cheap, sizeof(cheap));
		enum mt_version version = i < 6 ? MT_VERSION_3_1_1 : MT_VERSION_5;
		struct mt_publish publish = {.qos = (uint8_t)(i % 3),
					     .is_retain = i % 2,
					     .packet_id = 0x0405,
					     .topic = mt_bytes_str("a/b"),
					     .props = {.user = raw}};
		struct mt_forward forward = {.qos = publish.qos,
					     .is_retain = publish.is_retain,
					     .packet_id = publish.packet_id,
					     .topic = publish.topic,
					     .props = raw,
					     .payload_bytes = 300};
		size_t at = 99, forward_at = 98;
		assert_int_equal(mt_publish_encode_head(&publish, version, 300, &one, &at), MT_OK);
		assert_int_equal(mt_publish_encode_forward(&forward, version, &two, &forward_at),
				 MT_OK);
		assert_true(mt_bytes_equal(mt_buf_view(&one), mt_buf_view(&two)));
		assert_int_equal(at, forward_at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_a_publish),
		cmocka_unit_test(flags_are_checked),
		cmocka_unit_test(packet_ids_follow_the_qos),
		cmocka_unit_test(topics_are_names),
		cmocka_unit_test(the_fast_check_equals_the_slow_one),
		cmocka_unit_test(names_beyond_ascii_pass),
		cmocka_unit_test(a_refused_packet_leaves_the_result_alone),
		cmocka_unit_test(head_and_payload_make_the_packet),
		cmocka_unit_test(a_head_needs_no_room_for_the_payload),
		cmocka_unit_test(a_forwarded_head_equals_the_full_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
