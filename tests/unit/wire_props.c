/* Properties: each kind, each rule, and the way of a message through the broker. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "refuse.h"
#include "spec.h"

/* Decodes a property list of one packet type, its length included. */
static enum mt_status decode(const char *data, size_t len, uint8_t type, enum mt_side side,
			     struct mt_props *props, struct mt_violation *why)
{
	struct mt_reader in = mt_reader_of(mt_bytes_of(data, len));
	return mt_props_decode(&in, type, side, props, why);
}

#define DECODE(bytes, type, side) decode(bytes, sizeof(bytes) - 1, type, side, &props, &why)

static void every_property_lands_in_its_field(void **state)
{
	struct mt_any any = ACCEPTED_5_SERVER(
		"\x20\x44\0\0\x41"
		"\x11\0\0\0\x0a\x21\0\x14\x24\1\x25\0\x27\0\0\4\0\x12\0\3id7\x22\0\x0b"
		"\x1f\0\2ok\x26\0\1k\0\1v\x28\1\x29\0\x2a\1\x13\0\x1e\x1a\0\2r/"
		"\x1c\0\2s2\x15\0\1m\x16\0\1d");
	const struct mt_props *props = &any.connack.props;
	(void)state;
	assert_int_equal(props->session_expiry_s, 10);
	assert_int_equal(props->receive_max, 20);
	assert_int_equal(props->qos_max, 1);
	assert_int_equal(props->is_retain_available, 0);
	assert_int_equal(props->packet_bytes_max, 1024);
	assert_view(props->assigned_client_id, "id7");
	assert_int_equal(props->topic_alias_max, 11);
	assert_view(props->reason_string, "ok");
	assert_int_equal(props->user_property_count, 1);
	assert_int_equal(props->is_wildcard_available, 1);
	assert_int_equal(props->is_subscription_id_available, 0);
	assert_int_equal(props->is_shared_available, 1);
	assert_int_equal(props->server_keep_alive_s, 30);
	assert_view(props->response_info, "r/");
	assert_view(props->server_reference, "s2");
	assert_view(props->auth_method, "m");
	assert_view(props->auth_data, "d");
	assert_true(props->present & MT_PROP_BIT(RETAIN_AVAILABLE));
	assert_false(props->present & MT_PROP_BIT(WILL_DELAY_INTERVAL));
	assert_int_equal(props->raw.len, 0x41);
}

static void properties_of_messages_and_wills(void **state)
{
	struct mt_props props;
	struct mt_violation why;
	(void)state;
	assert_int_equal(DECODE("\x1a\x18\0\0\0\5\1\1\2\0\0\1\0\3\0\1t\x08\0\3r/t\x09\0\1\xfe",
				MT_PACKET_WILL, MT_SIDE_CLIENT),
			 MT_OK);
	assert_int_equal(props.will_delay_s, 5);
	assert_int_equal(props.payload_format, 1);
	assert_int_equal(props.message_expiry_s, 256);
	assert_view(props.content_type, "t");
	assert_view(props.response_topic, "r/t");
	assert_view(props.correlation_data, "\xfe");
	assert_int_equal(DECODE("\x04\x17\1\x19\1", MT_PACKET_CONNECT, MT_SIDE_CLIENT), MT_OK);
	assert_int_equal(props.request_problem_info, 1);
	assert_int_equal(props.request_response_info, 1);
	assert_int_equal(DECODE("\x03\x23\1\2", MT_PACKET_PUBLISH, MT_SIDE_CLIENT), MT_OK);
	assert_int_equal(props.topic_alias, 0x102);
}

static void the_length_is_checked(void **state)
{
	struct mt_props props = {.present = 99};
	struct mt_violation why = {0};
	(void)state;
	SPEC(MQTT5, "2.2.2-1");
	SPEC(MQTT5, "1.5.5-1");
	assert_int_equal(DECODE("", MT_PACKET_CONNECT, MT_SIDE_CLIENT), MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-2.2.2-1");
	assert_int_equal(DECODE("\x80\0", MT_PACKET_CONNECT, MT_SIDE_CLIENT), MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-1.5.5-1");
	assert_int_equal(DECODE("\x05\x21\0\1", MT_PACKET_CONNECT, MT_SIDE_CLIENT), MT_VIOLATION);
	assert_string_equal(why.statement, "malformed");
	/* The value goes beyond the properties, though not beyond the packet. */
	assert_int_equal(DECODE("\x02\x21\0\1", MT_PACKET_CONNECT, MT_SIDE_CLIENT), MT_VIOLATION);
	assert_int_equal(why.offset, 1);
	assert_int_equal(props.present, 99);
	assert_int_equal(DECODE("\0", MT_PACKET_CONNECT, MT_SIDE_CLIENT), MT_OK);
	assert_int_equal(props.present, 0);
}

/* For each identifier: refused in the packets that table 2-4 of the standard does not list. */
static void properties_stay_in_their_packets(void **state)
{
	static const struct {
		const char *item;
		size_t len;
		uint32_t types; /* bits by packet type, as table 2-4 has them */
	} table[] = {
#define ITEM(bytes, types) {bytes, sizeof(bytes) - 1, types}
#define ACKS (0xfu << MT_PACKET_PUBACK)
#define SUBS (0xfu << MT_PACKET_SUBSCRIBE)
#define ON(type) (1u << MT_PACKET_##type)
		ITEM("\x02\1\1", ON(PUBLISH) | ON(WILL)),
		ITEM("\x05\2\0\0\0\1", ON(PUBLISH) | ON(WILL)),
		ITEM("\x04\3\0\1t", ON(PUBLISH) | ON(WILL)),
		ITEM("\x04\x08\0\1t", ON(PUBLISH) | ON(WILL)),
		ITEM("\x04\x09\0\1t", ON(PUBLISH) | ON(WILL)),
		ITEM("\x02\x0b\1", ON(SUBSCRIBE)),
		ITEM("\x05\x11\0\0\0\1", ON(CONNECT) | ON(CONNACK) | ON(DISCONNECT)),
		ITEM("\x04\x12\0\1t", ON(CONNACK)),
		ITEM("\x03\x13\0\1", ON(CONNACK)),
		ITEM("\x04\x15\0\1t", ON(CONNECT) | ON(CONNACK) | ON(AUTH)),
		ITEM("\x08\x15\0\1t\x16\0\1t", ON(CONNECT) | ON(CONNACK) | ON(AUTH)),
		ITEM("\x02\x17\1", ON(CONNECT)),
		ITEM("\x05\x18\0\0\0\1", ON(WILL)),
		ITEM("\x02\x19\1", ON(CONNECT)),
		ITEM("\x04\x1a\0\1t", ON(CONNACK)),
		ITEM("\x04\x1c\0\1t", ON(CONNACK)),
		ITEM("\x04\x1f\0\1t",
		     ON(CONNACK) | ACKS | ON(SUBACK) | ON(UNSUBACK) | ON(DISCONNECT) | ON(AUTH)),
		ITEM("\x03\x21\0\1", ON(CONNECT) | ON(CONNACK)),
		ITEM("\x03\x22\0\1", ON(CONNECT) | ON(CONNACK)),
		ITEM("\x03\x23\0\1", ON(PUBLISH)),
		ITEM("\x02\x24\1", ON(CONNACK)),
		ITEM("\x02\x25\1", ON(CONNACK)),
		ITEM("\x05\x26\0\0\0\0", ON(CONNECT) | ON(CONNACK) | ON(PUBLISH) | ACKS | SUBS |
						 ON(DISCONNECT) | ON(AUTH) | ON(WILL)),
		ITEM("\x05\x27\0\0\0\1", ON(CONNECT) | ON(CONNACK)),
		ITEM("\x02\x28\1", ON(CONNACK)),
		ITEM("\x02\x29\1", ON(CONNACK)),
		ITEM("\x02\x2a\1", ON(CONNACK)),
#undef ITEM
#undef ACKS
#undef SUBS
#undef ON
	};
	struct mt_props props;
	struct mt_violation why;
	(void)state;
	assert_int_equal(MT_COUNT_OF(table), MT_PROP_COUNT);
	for (size_t i = 0; i < MT_COUNT_OF(table); i++)
		for (uint8_t type = MT_PACKET_CONNECT; type <= MT_PACKET_WILL; type++)
			if (decode(table[i].item, table[i].len, type, MT_SIDE_CLIENT, &props,
				   &why) != (table[i].types >> type & 1 ? MT_OK : MT_VIOLATION))
				fail_msg("property %zu in packet %u", i, type);
}

static void the_server_may_send_other_properties(void **state)
{
	struct mt_props props;
	struct mt_violation why = {0};
	(void)state;
	SPEC(MQTT5, "3.3.4-6");
	SPEC(MQTT5, "3.14.2-2");
	assert_int_equal(DECODE("\x05\x0b\1\x0b\x80\1", MT_PACKET_PUBLISH, MT_SIDE_SERVER), MT_OK);
	assert_int_equal(props.subscription_id, 1);
	assert_int_equal(props.subscription_id_count, 2);
	assert_int_equal(DECODE("\x02\x0b\1", MT_PACKET_PUBLISH, MT_SIDE_CLIENT), MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-3.3.4-6");
	assert_int_equal(why.reason, MT_REASON_PROTOCOL_ERROR);
	assert_int_equal(DECODE("\x05\x11\0\0\0\1", MT_PACKET_DISCONNECT, MT_SIDE_SERVER),
			 MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-3.14.2-2");
	assert_int_equal(DECODE("\x04\x1c\0\1s", MT_PACKET_DISCONNECT, MT_SIDE_SERVER), MT_OK);
	assert_int_equal(DECODE("\x04\x1c\0\1s", MT_PACKET_DISCONNECT, MT_SIDE_CLIENT),
			 MT_VIOLATION);
}

/* All but user properties stand once (section 2.2.2.2). */
static void duplicates_are_refused(void **state)
{
	struct mt_props props;
	struct mt_violation why = {0};
	(void)state;
	assert_int_equal(DECODE("\x06\x21\0\1\x21\0\1", MT_PACKET_CONNECT, MT_SIDE_CLIENT),
			 MT_VIOLATION);
	assert_int_equal(why.reason, MT_REASON_PROTOCOL_ERROR);
	assert_int_equal(why.offset, 4);
	assert_int_equal(DECODE("\x04\x0b\1\x0b\2", MT_PACKET_SUBSCRIBE, MT_SIDE_CLIENT),
			 MT_VIOLATION);
	assert_int_equal(DECODE("\x08\x1f\0\1a\x1f\0\1a", MT_PACKET_PUBACK, MT_SIDE_CLIENT),
			 MT_VIOLATION);
	assert_int_equal(
		DECODE("\x0e\x26\0\1k\0\1v\x26\0\1k\0\1v", MT_PACKET_PUBACK, MT_SIDE_CLIENT),
		MT_OK);
	assert_int_equal(props.user_property_count, 2);
}

static void values_keep_their_range(void **state)
{
	static const struct {
		const char *bytes;
		uint8_t type;
	} bad[] = {
		{"\x03\x21\0\0", MT_PACKET_CONNECT},  {"\x05\x27\0\0\0\0", MT_PACKET_CONNECT},
		{"\x02\x17\2", MT_PACKET_CONNECT},    {"\x02\x19\xff", MT_PACKET_CONNECT},
		{"\x02\x0b\0", MT_PACKET_SUBSCRIBE},  {"\x02\1\2", MT_PACKET_PUBLISH},
		{"\x02\x24\2", MT_PACKET_CONNACK},    {"\x02\x25\2", MT_PACKET_CONNACK},
		{"\x04\x16\0\1d", MT_PACKET_CONNECT},
	};
	struct mt_props props;
	struct mt_violation why = {0};
	(void)state;
	SPEC(MQTT5, "3.3.2-7");
	SPEC(MQTT5, "3.3.2-8");
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		assert_int_equal(decode(bad[i].bytes, (size_t)bad[i].bytes[0] + 1, bad[i].type,
					MT_SIDE_CLIENT, &props, &why),
				 MT_VIOLATION);
		assert_int_equal(why.reason, MT_REASON_PROTOCOL_ERROR);
	}
	assert_int_equal(DECODE("\x03\x23\0\0", MT_PACKET_PUBLISH, MT_SIDE_CLIENT), MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-3.3.2-8");
	assert_int_equal(why.reason, MT_REASON_TOPIC_ALIAS_INVALID);
}

static void unknown_identifiers_are_malformed(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		char bytes[16] = {8, (char)code};
		struct mt_props props;
		struct mt_violation why = {0};
		bool is_known =
			strchr("\x11\x15\x16\x17\x19\x21\x22\x26\x27", (int)code) && code != 0;
		if (is_known)
			continue;
		assert_int_equal(decode(bytes, 9, MT_PACKET_CONNECT, MT_SIDE_CLIENT, &props, &why),
				 MT_VIOLATION);
		assert_int_equal(why.reason, MT_REASON_MALFORMED_PACKET);
		assert_int_equal(why.offset, 1);
	}
}

static void texts_are_utf8(void **state)
{
	struct mt_props props;
	struct mt_violation why = {0};
	(void)state;
	SPEC(MQTT5, "1.5.4-1");
	SPEC(MQTT5, "1.5.7-1");
	SPEC(MQTT5, "3.3.2-13");
	SPEC(MQTT5, "3.3.2-14");
	SPEC(MQTT5, "3.3.2-19");
	assert_int_equal(DECODE("\x05\3\0\2a\xff", MT_PACKET_PUBLISH, MT_SIDE_CLIENT),
			 MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-1.5.4-1");
	assert_int_equal(why.offset, 5);
	assert_int_equal(DECODE("\x04\x08\0\1\xff", MT_PACKET_PUBLISH, MT_SIDE_CLIENT),
			 MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-1.5.4-1");
	assert_int_equal(DECODE("\x04\x08\0\1+", MT_PACKET_PUBLISH, MT_SIDE_CLIENT), MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-3.3.2-14");
	assert_int_equal(DECODE("\x07\x26\0\1\xc0\0\1v", MT_PACKET_PUBLISH, MT_SIDE_CLIENT),
			 MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-1.5.7-1");
	assert_int_equal(why.offset, 4);
	assert_int_equal(DECODE("\x07\x26\0\1k\0\1\0", MT_PACKET_PUBLISH, MT_SIDE_CLIENT),
			 MT_VIOLATION);
	assert_string_equal(why.statement, "MQTT-1.5.7-1");
	assert_int_equal(why.offset, 7);
	/* Correlation data are bytes. */
	assert_int_equal(DECODE("\x04\x09\0\1\xff", MT_PACKET_PUBLISH, MT_SIDE_CLIENT), MT_OK);
}

static void encoding_writes_what_it_announces(void **state)
{
	uint8_t room[64], user[32];
	struct mt_buf out = mt_buf_of(room, sizeof(room)), list = mt_buf_of(user, sizeof(user));
	struct mt_props props = {
		.present = MT_PROP_BIT(RECEIVE_MAXIMUM) | MT_PROP_BIT(USER_PROPERTY),
		.receive_max = 7,
		.topic_alias_max = 9, /* without its bit: not written */
	};
	(void)state;
	mt_props_put_user(&list, mt_bytes_str("k"), mt_bytes_str("v"));
	props.user = mt_buf_view(&list);
	assert_int_equal(mt_props_bytes(&props), 11);
	mt_props_encode(&props, &out);
	assert_view(mt_buf_view(&out), "\x0a\x21\0\7\x26\0\1k\0\1v");
	out.pos = 0;
	props = (struct mt_props){0};
	mt_props_encode(&props, &out);
	assert_view(mt_buf_view(&out), "\0");
}

static void what_cannot_be_encoded_is_not(void **state)
{
	static const uint8_t big[65536];
	uint8_t room[64];
	struct mt_buf out = mt_buf_of(room, sizeof(room));
	struct mt_props props = {.present = MT_PROP_BIT(REASON_STRING),
				 .reason_string = {big, sizeof(big)}};
	(void)state;
	assert_true(mt_props_bytes(&props) > MT_VARINT_MAX);
	mt_props_encode(&props, &out);
	assert_true(out.is_overflown);
	assert_int_equal(out.pos, 0);
	props = (struct mt_props){.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER),
				  .subscription_id = MT_VARINT_MAX + 1};
	assert_true(mt_props_bytes(&props) > MT_VARINT_MAX);
	out = mt_buf_of(room, sizeof(room));
	mt_props_put_user(&out, mt_bytes_of(big, sizeof(big)), mt_bytes_str("v"));
	assert_true(out.is_overflown);
}

static void forwarding_drops_what_belongs_to_one_connection(void **state)
{
	uint8_t room[128];
	struct mt_buf out = mt_buf_of(room, sizeof(room));
	struct mt_props props;
	struct mt_violation why;
	(void)state;
	SPEC(MQTT5, "3.3.2-4");
	SPEC(MQTT5, "3.3.2-15");
	SPEC(MQTT5, "3.3.2-16");
	SPEC(MQTT5, "3.3.2-17");
	SPEC(MQTT5, "3.3.2-18");
	SPEC(MQTT5, "3.3.2-20");
	assert_int_equal(
		DECODE("\x20\x26\0\1b\0\1v\2\0\0\0\1\x09\0\1\0\x23\0\1\1\1\x0b\5\x26\0\1a\0\1v",
		       MT_PACKET_PUBLISH, MT_SIDE_SERVER),
		MT_VIOLATION);
	assert_int_equal(
		DECODE("\x1e\x26\0\1b\0\1v\2\0\0\0\1\x09\0\1\0\x23\0\1\1\1\x0b\5\x26\0\1a\0\1v",
		       MT_PACKET_PUBLISH, MT_SIDE_SERVER),
		MT_OK);
	mt_props_forward(&props, &out);
	assert_view(mt_buf_view(&out), "\x26\0\1b\0\1v\x09\0\1\0\1\1\x26\0\1a\0\1v");
	out.pos = 0;
	assert_int_equal(DECODE("\x06\x18\0\0\0\1\1", MT_PACKET_WILL, MT_SIDE_CLIENT),
			 MT_VIOLATION);
	assert_int_equal(DECODE("\x07\x18\0\0\0\1\1\1", MT_PACKET_WILL, MT_SIDE_CLIENT), MT_OK);
	mt_props_forward(&props, &out);
	assert_view(mt_buf_view(&out), "\1\1");
	out.pos = 0;
	assert_int_equal(DECODE("\x04\3\0\1t", MT_PACKET_WILL, MT_SIDE_CLIENT), MT_OK);
	mt_props_forward(&props, &out);
	assert_view(mt_buf_view(&out), "\3\0\1t");
}

static void walking_yields_each_item(void **state)
{
	struct mt_bytes raw = mt_bytes_of("\x26\0\1k\0\2vw\x21\1\2\x0b\x80\1", 14);
	struct mt_prop_item item;
	size_t pos = 0;
	(void)state;
	assert_true(mt_props_next(raw, &pos, &item));
	assert_int_equal(item.prop, MT_PROP_USER_PROPERTY);
	assert_view(item.text, "k");
	assert_view(item.value, "vw");
	assert_int_equal(item.raw.len, 8);
	assert_true(mt_props_next(raw, &pos, &item));
	assert_int_equal(item.prop, MT_PROP_RECEIVE_MAXIMUM);
	assert_int_equal(item.number, 0x102);
	assert_true(mt_props_next(raw, &pos, &item));
	assert_int_equal(item.number, 128);
	assert_false(mt_props_next(raw, &pos, &item));
	assert_int_equal(pos, 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_property_lands_in_its_field),
		cmocka_unit_test(properties_of_messages_and_wills),
		cmocka_unit_test(the_length_is_checked),
		cmocka_unit_test(properties_stay_in_their_packets),
		cmocka_unit_test(the_server_may_send_other_properties),
		cmocka_unit_test(duplicates_are_refused),
		cmocka_unit_test(values_keep_their_range),
		cmocka_unit_test(unknown_identifiers_are_malformed),
		cmocka_unit_test(texts_are_utf8),
		cmocka_unit_test(encoding_writes_what_it_announces),
		cmocka_unit_test(what_cannot_be_encoded_is_not),
		cmocka_unit_test(forwarding_drops_what_belongs_to_one_connection),
		cmocka_unit_test(walking_yields_each_item),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
