/* SUBSCRIBE, UNSUBSCRIBE and their acknowledgements. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "refuse.h"
#include "spec.h"

static void filters_and_options_are_walked(void **state)
{
	struct mt_any any = ACCEPTED_5("\x82\x11\1\2\2\x0b\7\0\3a/b\x2d\0\3+/#\2");
	struct mt_sub_options options = {0};
	struct mt_bytes filter;
	size_t pos = 0;
	(void)state;
	assert_int_equal(any.subscribe.packet_id, 0x102);
	assert_int_equal(any.subscribe.props.subscription_id, 7);
	assert_int_equal(any.subscribe.filter_count, 2);
	assert_true(mt_subscribe_next(&any.subscribe, &pos, &filter, &options));
	assert_view(filter, "a/b");
	assert_int_equal(options.qos, 1);
	assert_true(options.is_no_local);
	assert_true(options.is_retain_as_published);
	assert_int_equal(options.retain_handling, 2);
	assert_true(mt_subscribe_next(&any.subscribe, &pos, &filter, &options));
	assert_view(filter, "+/#");
	assert_int_equal(options.qos, 2);
	assert_false(options.is_no_local || options.is_retain_as_published);
	assert_int_equal(options.retain_handling, 0);
	assert_false(mt_subscribe_next(&any.subscribe, &pos, &filter, &options));
}

static void unsubscribe_has_no_options(void **state)
{
	struct mt_any any = ACCEPTED_3("\xa2\x0c\0\1\0\3a/b\0\3c/#");
	struct mt_sub_options options = {.qos = 9};
	struct mt_bytes filter;
	size_t pos = 0;
	(void)state;
	assert_int_equal(any.subscribe.filter_count, 2);
	assert_true(mt_subscribe_next(&any.subscribe, &pos, &filter, &options));
	assert_true(mt_subscribe_next(&any.subscribe, &pos, &filter, &options));
	assert_view(filter, "c/#");
	assert_int_equal(options.qos, 9);
	assert_false(mt_subscribe_next(&any.subscribe, &pos, &filter, &options));
}

static void a_list_has_a_filter(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.8.3-2");
	SPEC(MQTT5, "3.8.3-3");
	SPEC(MQTT3, "3.8.3-3");
	SPEC(MQTT5, "3.10.3-2");
	SPEC(MQTT3, "3.10.3-2");
	REFUSED_5("\x82\3\0\1\0", "MQTT-3.8.3-2", PROTOCOL_ERROR);
	REFUSED_3("\x82\2\0\1", "MQTT-3.8.3-3", PROTOCOL_ERROR);
	REFUSED_5("\xa2\3\0\1\0", "MQTT-3.10.3-2", PROTOCOL_ERROR);
	REFUSED_3("\xa2\2\0\1", "MQTT-3.10.3-2", PROTOCOL_ERROR);
	REFUSED_3("\x82\7\0\1\0\3a/b", "malformed", MALFORMED_PACKET);
	REFUSED_3("\x82\6\0\1\0\3a/", "malformed", MALFORMED_PACKET);
}

static void packet_ids_are_not_zero(void **state)
{
	(void)state;
	SPEC(MQTT5, "2.2.1-3");
	SPEC(MQTT5, "2.2.1-6");
	SPEC(MQTT3, "2.3.1-1");
	SPEC(MQTT3, "2.3.1-7");
	REFUSED_5("\x82\x09\0\0\0\0\3a/b\0", "MQTT-2.2.1-3", PROTOCOL_ERROR);
	REFUSED_3("\xa2\7\0\0\0\3a/b", "MQTT-2.3.1-1", PROTOCOL_ERROR);
	REFUSED_5("\x90\4\0\0\0\0", "MQTT-2.2.1-6", PROTOCOL_ERROR);
	REFUSED_3("\xb0\2\0\0", "MQTT-2.3.1-7", PROTOCOL_ERROR);
}

static void options_are_checked(void **state)
{
	(void)state;
	SPEC(MQTT3, "3.8.3-4");
	SPEC(MQTT5, "3.8.3-5");
	REFUSED_3("\x82\x08\0\1\0\3a/b\3", "MQTT-3.8.3-4", MALFORMED_PACKET);
	REFUSED_3("\x82\x08\0\1\0\3a/b\4", "MQTT-3.8.3-4", MALFORMED_PACKET);
	REFUSED_5("\x82\x09\0\1\0\0\3a/b\x40", "MQTT-3.8.3-5", MALFORMED_PACKET);
	REFUSED_5("\x82\x09\0\1\0\0\3a/b\x80", "MQTT-3.8.3-5", MALFORMED_PACKET);
	REFUSED_5("\x82\x09\0\1\0\0\3a/b\3", "section 3.8.3.1", PROTOCOL_ERROR);
	REFUSED_5("\x82\x09\0\1\0\0\3a/b\x30", "section 3.8.3.1", PROTOCOL_ERROR);
}

/* One filter in a SUBSCRIBE or UNSUBSCRIBE of each version. */
static enum mt_status try_filter(const char *filter, uint8_t type, enum mt_version version,
				 struct mt_violation *why)
{
	static const struct mt_sub_options options = {0};
	uint8_t room[64];
	struct mt_buf body = mt_buf_of(room, sizeof(room));
	struct mt_subscribe out;
	struct mt_frame frame = {.type = type, .flags = 2};
	mt_buf_put_u16(&body, 1);
	if (version == MT_VERSION_5)
		mt_buf_put_u8(&body, 0);
	mt_subscribe_put(&body, mt_bytes_str(filter), type == MT_PACKET_SUBSCRIBE ? &options : NULL,
			 version);
	frame.body = mt_buf_view(&body);
	return mt_subscribe_decode(&frame, version, &out, why);
}

static void good_filters_pass(void **state)
{
	static const char *const good[] = {"#",	 "+",	  "/",	    "a/#",    "+/+/+",	    "a//b",
					   "/#", "+/a/#", "$share", "$SYS/#", "$shared/x/#"};
	struct mt_violation why;
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(good); i++) {
		assert_int_equal(try_filter(good[i], MT_PACKET_SUBSCRIBE, MT_VERSION_3_1_1, &why),
				 MT_OK);
		assert_int_equal(try_filter(good[i], MT_PACKET_SUBSCRIBE, MT_VERSION_5, &why),
				 MT_OK);
		assert_int_equal(try_filter(good[i], MT_PACKET_UNSUBSCRIBE, MT_VERSION_5, &why),
				 MT_OK);
	}
}

static void wildcards_have_their_place(void **state)
{
	static const struct {
		const char *filter, *in_3, *in_5;
	} bad[] = {
		{"a#", "MQTT-4.7.1-2", "MQTT-4.7.1-1"},	   {"#/a", "MQTT-4.7.1-2", "MQTT-4.7.1-1"},
		{"a/#/b", "MQTT-4.7.1-2", "MQTT-4.7.1-1"}, {"##", "MQTT-4.7.1-2", "MQTT-4.7.1-1"},
		{"+#", "MQTT-4.7.1-3", "MQTT-4.7.1-2"},	   {"a+", "MQTT-4.7.1-3", "MQTT-4.7.1-2"},
		{"+a/b", "MQTT-4.7.1-3", "MQTT-4.7.1-2"},  {"a/++", "MQTT-4.7.1-3", "MQTT-4.7.1-2"},
	};
	struct mt_violation why = {0};
	(void)state;
	SPEC(MQTT5, "4.7.1-1");
	SPEC(MQTT5, "4.7.1-2");
	SPEC(MQTT3, "4.7.1-1");
	SPEC(MQTT3, "4.7.1-2");
	SPEC(MQTT3, "4.7.1-3");
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		assert_int_equal(
			try_filter(bad[i].filter, MT_PACKET_SUBSCRIBE, MT_VERSION_3_1_1, &why),
			MT_VIOLATION);
		assert_string_equal(why.statement, bad[i].in_3);
		assert_int_equal(why.reason, MT_REASON_TOPIC_FILTER_INVALID);
		assert_int_equal(
			try_filter(bad[i].filter, MT_PACKET_UNSUBSCRIBE, MT_VERSION_5, &why),
			MT_VIOLATION);
		assert_string_equal(why.statement, bad[i].in_5);
	}
}

static void filters_are_text_and_not_empty(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.8.3-1");
	SPEC(MQTT3, "3.8.3-1");
	SPEC(MQTT5, "3.10.3-1");
	SPEC(MQTT3, "3.10.3-1");
	SPEC(MQTT5, "4.7.3-1");
	SPEC(MQTT5, "4.7.3-2");
	SPEC(MQTT3, "4.7.0-1");
	REFUSED_5("\x82\x07\0\1\0\0\1\xff\0", "MQTT-1.5.4-1", MALFORMED_PACKET);
	REFUSED_3("\x82\x06\0\1\0\1\xff\0", "MQTT-1.5.3-1", MALFORMED_PACKET);
	REFUSED_5("\xa2\x06\0\1\0\0\1\0", "MQTT-1.5.4-2", MALFORMED_PACKET);
	REFUSED_3("\xa2\x05\0\1\0\1\xff", "MQTT-1.5.3-1", MALFORMED_PACKET);
	REFUSED_5("\x82\x06\0\1\0\0\0\0", "MQTT-4.7.3-1", PROTOCOL_ERROR);
	REFUSED_3("\x82\x05\0\1\0\0\0", "MQTT-4.7.3-1", PROTOCOL_ERROR);
}

static void shared_filters_of_5_are_whole(void **state)
{
	static const char *const bad[] = {"$share/",	 "$share/g",   "$share/g/", "$share//a",
					  "$share/g+/a", "$share/#/a", "$share/+/a"};
	struct mt_violation why = {0};
	(void)state;
	SPEC(MQTT5, "4.8.2-1");
	SPEC(MQTT5, "4.8.2-2");
	SPEC(MQTT5, "3.8.3-4");
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		assert_int_equal(try_filter(bad[i], MT_PACKET_SUBSCRIBE, MT_VERSION_5, &why),
				 MT_VIOLATION);
		assert_string_equal(why.statement, "MQTT-4.8.2-2");
		assert_int_equal(why.reason, MT_REASON_TOPIC_FILTER_INVALID);
	}
	assert_int_equal(try_filter("$share/g/#", MT_PACKET_SUBSCRIBE, MT_VERSION_5, &why), MT_OK);
	assert_int_equal(try_filter("$share/g//", MT_PACKET_SUBSCRIBE, MT_VERSION_5, &why), MT_OK);
	assert_int_equal(try_filter("$share/g/a#", MT_PACKET_SUBSCRIBE, MT_VERSION_5, &why),
			 MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-4.7.1-1");
	assert_int_equal(try_filter("$share//a", MT_PACKET_SUBSCRIBE, MT_VERSION_3_1_1, &why),
			 MT_OK);
	REFUSED_5("\x82\x10\0\1\0\0\x0a$share/g/a\4", "MQTT-3.8.3-4", PROTOCOL_ERROR);
}

static void lists_are_written_as_they_are_read(void **state)
{
	static const struct mt_sub_options options = {.qos = 1,
						      .is_no_local = true,
						      .is_retain_as_published = true,
						      .retain_handling = 2};
	static const uint8_t big[65536];
	uint8_t room[32], entries[16];
	struct mt_buf out = mt_buf_of(room, sizeof(room)),
		      list = mt_buf_of(entries, sizeof(entries));
	struct mt_subscribe subscribe = {.type = MT_PACKET_SUBSCRIBE, .packet_id = 5};
	(void)state;
	assert_int_equal(mt_subscribe_encode(&subscribe, MT_VERSION_5, &out), MT_INVALID);
	mt_subscribe_put(&list, mt_bytes_str("a/#"), &options, MT_VERSION_5);
	subscribe.list = mt_buf_view(&list);
	assert_int_equal(mt_subscribe_encode(&subscribe, MT_VERSION_5, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x82\x09\0\5\0\0\3a/#\x2d");
	list.pos = out.pos = 0;
	mt_subscribe_put(&list, mt_bytes_str("a/#"), &options, MT_VERSION_3_1_1);
	assert_int_equal(mt_subscribe_encode(&subscribe, MT_VERSION_3_1_1, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x82\x08\0\5\0\3a/#\1");
	mt_subscribe_put(&list, mt_bytes_of(big, sizeof(big)), &options, MT_VERSION_5);
	assert_true(list.is_overflown);
}

static void codes_answer_each_filter(void **state)
{
	struct mt_any any = ACCEPTED_5_SERVER("\x90\6\1\2\0\0\2\x9e");
	(void)state;
	SPEC(MQTT5, "3.9.3-1");
	SPEC(MQTT5, "3.9.3-2");
	SPEC(MQTT5, "3.11.3-1");
	SPEC(MQTT5, "3.11.3-2");
	SPEC(MQTT3, "3.8.4-5");
	assert_int_equal(any.suback.packet_id, 0x102);
	assert_view(any.suback.reasons, "\0\2\x9e");
	REFUSED_5_SERVER("\x90\3\0\1\0", "MQTT-3.9.3-1", PROTOCOL_ERROR);
	REFUSED_5_SERVER("\x90\4\0\1\0\3", "MQTT-3.9.3-2", PROTOCOL_ERROR);
	REFUSED_5_SERVER("\x90\4\0\1\0\x11", "MQTT-3.9.3-2", PROTOCOL_ERROR);
	REFUSED_5_SERVER("\xb0\3\0\1\0", "MQTT-3.11.3-1", PROTOCOL_ERROR);
	REFUSED_5_SERVER("\xb0\4\0\1\0\1", "MQTT-3.11.3-2", PROTOCOL_ERROR);
	REFUSED_3("\x90\2\0\1", "MQTT-3.8.4-5", PROTOCOL_ERROR);
	REFUSED_3("\x90\3\0\1\x87", "MQTT-3.9.3-2", PROTOCOL_ERROR);
	REFUSED_3("\xb0\3\0\1\0", "malformed", MALFORMED_PACKET);
}

static void codes_fold_in_3(void **state)
{
	uint8_t room[16];
	struct mt_buf out = mt_buf_of(room, sizeof(room));
	struct mt_suback suback = {.type = MT_PACKET_SUBACK,
				   .packet_id = 1,
				   .reasons = mt_bytes_of("\0\2\x87\x9e", 4)};
	(void)state;
	assert_int_equal(mt_suback_encode(&suback, MT_VERSION_3_1_1, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x90\6\0\1\0\2\x80\x80");
	out.pos = 0;
	assert_int_equal(mt_suback_encode(&suback, MT_VERSION_5, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\x90\7\0\1\0\0\2\x87\x9e");
	out.pos = 0;
	suback.type = MT_PACKET_UNSUBACK;
	assert_int_equal(mt_suback_encode(&suback, MT_VERSION_3_1_1, &out), MT_OK);
	assert_view(mt_buf_view(&out), "\xb0\2\0\1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_and_options_are_walked),
		cmocka_unit_test(unsubscribe_has_no_options),
		cmocka_unit_test(a_list_has_a_filter),
		cmocka_unit_test(packet_ids_are_not_zero),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(good_filters_pass),
		cmocka_unit_test(wildcards_have_their_place),
		cmocka_unit_test(filters_are_text_and_not_empty),
		cmocka_unit_test(shared_filters_of_5_are_whole),
		cmocka_unit_test(lists_are_written_as_they_are_read),
		cmocka_unit_test(codes_answer_each_filter),
		cmocka_unit_test(codes_fold_in_3),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
