/* Topics, filters, SUBSCRIBE, properties, DISCONNECT and faults of the server, as a server sees
 * libmortise. */
#include "client.h"

/* ---- what it sends ---- */

static void topics_are_checked_before_they_are_sent(void **state)
{
	static const char *const bad[] = {"",	   "+",	 "#",	     "a/#",
					  "a/+/b", "a+", "\xc0\x80", "\xed\xa0\x80"};
	struct scene *s = *state;
	struct mt_publish packet = {.topic = mt_bytes_of("a\0b", 3)};
	struct mt_violation why;
	uint16_t id;
	SPEC(MQTT3, "1.5.3-1");
	SPEC(MQTT3, "1.5.3-2");
	SPEC(MQTT3, "3.3.2-1");
	SPEC(MQTT3, "3.3.2-2");
	SPEC(MQTT3, "4.7.0-1");
	SPEC(MQTT3, "4.7.3-1");
	SPEC(MQTT3, "4.7.3-2");
	SPEC(MQTT5, "1.5.4-1");
	SPEC(MQTT5, "3.3.2-1");
	SPEC(MQTT5, "3.3.2-2");
	SPEC(MQTT5, "4.7.0-1");
	SPEC(MQTT5, "4.7.3-1");
	SPEC(MQTT5, "4.7.3-2");
	enter(s);
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		for (uint8_t qos = 0; qos <= 2; qos++)
			assert_int_equal(publish_to(s, bad[i], "x", qos), MT_INVALID);
	assert_int_equal(mt_client_publish(s->world->client, &packet, &id, &why), MT_INVALID);
	assert_int_equal(publish_to(s, "t", "x", 3), MT_INVALID);
	said_nothing(s);
	assert_int_equal(publish_to(s,
				    "\xef\xbb\xbf"
				    "a b/",
				    "x", 0),
			 MT_OK);
	said(s, 0x30, "0007 efbbbf 'a b/' {} 'x'");
}

static void the_longest_topic_is_sent_and_no_longer_one(void **state)
{
	struct scene *s = *state;
	char *topic = calloc(1, 65537);
	struct mt_publish packet = {.topic = mt_bytes_of(topic, 65535)};
	struct mt_violation why;
	struct mt_bytes out;
	uint16_t id;
	SPEC(MQTT5, "4.7.3-3");
	memset(topic, 'a', 65536);
	enter(s);
	assert_int_equal(mt_client_publish(s->world->client, &packet, &id, &why), MT_OK);
	assert_int_equal(mt_client_output(s->world->client, &out, 1), 1);
	assert_int_equal(out.len, 4 + 2 + 65535 + (s->version == MT_VERSION_5));
	packet.topic.len = 65536;
	assert_int_equal(mt_client_publish(s->world->client, &packet, &id, &why), MT_INVALID);
	assert_int_equal(subscribe_to(s, topic, 0), MT_INVALID);
	free(topic);
}

static void filters_are_checked_before_they_are_sent(void **state)
{
	static const char *const bad[] = {"", "a#", "#/a", "a/#/b", "a+", "+a/b", "\xc0\x80"};
	struct scene *s = *state;
	struct mt_violation why;
	uint16_t id;
	SPEC(MQTT3, "3.8.3-1");
	SPEC(MQTT3, "3.8.3-3");
	SPEC(MQTT3, "3.10.3-1");
	SPEC(MQTT3, "3.10.3-2");
	SPEC(MQTT3, "4.7.1-1");
	SPEC(MQTT3, "4.7.1-2");
	SPEC(MQTT5, "3.8.3-1");
	SPEC(MQTT5, "3.8.3-2");
	SPEC(MQTT5, "3.10.3-1");
	SPEC(MQTT5, "3.10.3-2");
	SPEC(MQTT5, "4.7.1-1");
	SPEC(MQTT5, "4.7.1-2");
	enter(s);
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		assert_int_equal(subscribe_to(s, bad[i], 0), MT_INVALID);
		assert_int_equal(unsubscribe_from(s, bad[i]), MT_INVALID);
	}
	assert_int_equal(mt_client_subscribe(s->world->client, NULL, 0, NULL, &id, &why),
			 MT_INVALID);
	assert_int_equal(mt_client_unsubscribe(s->world->client, NULL, 0, NULL, &id, &why),
			 MT_INVALID);
	said_nothing(s);
}

static void shared_filters_are_checked_before_they_are_sent(void **state)
{
	static const char *const bad[] = {"$share/g", "$share//t", "$share/g/", "$share/+/t",
					  "$share/#/t"};
	struct scene *s = *state;
	struct mt_client_filter item = {.filter = mt_bytes_str("$share/g/t"),
					.options = {.is_no_local = true}};
	struct mt_violation why;
	uint16_t id;
	SPEC(MQTT5, "3.8.3-4");
	SPEC(MQTT5, "4.8.2-1");
	SPEC(MQTT5, "4.8.2-2");
	enter(s);
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		assert_int_equal(subscribe_to(s, bad[i], 0), MT_INVALID);
	assert_int_equal(mt_client_subscribe(s->world->client, &item, 1, NULL, &id, &why),
			 MT_INVALID);
	said_nothing(s);
	assert_int_equal(subscribe_to(s, "$share/g/t", 1), MT_OK);
	said(s, 0x82, "0007 {} <$share/g/t> 01");
}

/* Flags 0010, no reserved bit of the options, the filters one behind the other. */
static void requests_have_their_form(void **state)
{
	struct scene *s = *state;
	struct mt_client_filter items[] = {{.filter = mt_bytes_str("a"), .options = {.qos = 2}},
					   {.filter = mt_bytes_str("b/#"),
					    .options = {.qos = 1,
							.is_no_local = true,
							.is_retain_as_published = true,
							.retain_handling = 2}}};
	struct mt_violation why;
	uint16_t id;
	SPEC(MQTT3, "2.2.2-1");
	SPEC(MQTT3, "3.8.1-1");
	SPEC(MQTT3, "3.10.1-1");
	SPEC(MQTT5, "2.1.3-1");
	SPEC(MQTT5, "3.8.1-1");
	SPEC(MQTT5, "3.8.3-5");
	SPEC(MQTT5, "3.10.1-1");
	enter(s);
	assert_int_equal(mt_client_subscribe(s->world->client, items, 2, NULL, &id, &why), MT_OK);
	said(s, 0x82, "0001 {} <a> 02 <b/#> [2d] (01)");
	assert_int_equal(mt_client_unsubscribe(s->world->client, items, 2, NULL, &id, &why), MT_OK);
	said(s, 0xa2, "0002 {} <a> <b/#>");
	said_nothing(s);
}

static void answers_go_to_their_requests(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "2.3.1-7");
	SPEC(MQTT5, "2.2.1-6");
	enter(s);
	assert_int_equal(subscribe_to(s, "a", 0), MT_OK);
	assert_int_equal(subscribe_to(s, "b", 0), MT_OK);
	assert_int_equal(unsubscribe_from(s, "c"), MT_OK);
	skip_sent(s->world);
	hear(s, 0x90, "0002 {} 00");
	expect_event(s->world, MT_CLIENT_SUBSCRIBED);
	assert_int_equal(s->world->event.id, 2);
	expect_none(s->world);
	hear(s, 0xb0, "0003 {} [00]");
	expect_event(s->world, MT_CLIENT_UNSUBSCRIBED);
	assert_int_equal(s->world->event.id, 3);
	expect_none(s->world);
	hear(s, 0x90, "0007 {} 00");
	expect_end(s, 0x82);
}

static void what_the_server_does_not_offer_is_not_asked_for(void **state)
{
	struct scene *s = *state;
	struct mt_client_filter item = {.filter = mt_bytes_str("t")};
	struct mt_props props = {.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER),
				 .subscription_id = 1};
	struct mt_violation why;
	uint16_t id;
	enter_with(s, "00 00 {28 00 29 00 2a 00}");
	assert_int_equal(subscribe_to(s, "a/#", 0), MT_LIMIT);
	assert_int_equal(subscribe_to(s, "+", 0), MT_LIMIT);
	assert_int_equal(subscribe_to(s, "$share/g/t", 0), MT_LIMIT);
	assert_int_equal(mt_client_subscribe(s->world->client, &item, 1, &props, &id, &why),
			 MT_LIMIT);
	said_nothing(s);
}

static void a_publish_has_no_subscription_identifier(void **state)
{
	struct scene *s = *state;
	struct mt_publish packet = {.topic = mt_bytes_str("t")};
	struct mt_violation why;
	uint16_t id;
	SPEC(MQTT5, "3.3.4-6");
	packet.props.present = MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER);
	packet.props.subscription_id = 1;
	enter(s);
	assert_int_equal(mt_client_publish(s->world->client, &packet, &id, &why), MT_INVALID);
	said_nothing(s);
}

static void properties_are_checked_before_they_are_sent(void **state)
{
	struct scene *s = *state;
	struct mt_publish packet = {.topic = mt_bytes_str("t")};
	struct mt_violation why;
	uint8_t pairs[32];
	struct mt_buf buf = mt_buf_of(pairs, sizeof(pairs));
	uint16_t id;
	SPEC(MQTT5, "1.5.7-1");
	SPEC(MQTT5, "3.3.2-13");
	SPEC(MQTT5, "3.3.2-14");
	SPEC(MQTT5, "3.3.2-19");
	enter(s);
	packet.props.present = MT_PROP_BIT(RESPONSE_TOPIC);
	packet.props.response_topic = mt_bytes_str("a/+");
	assert_int_equal(mt_client_publish(s->world->client, &packet, &id, &why), MT_INVALID);
	packet.props.response_topic = mt_bytes_str("\xff");
	assert_int_equal(mt_client_publish(s->world->client, &packet, &id, &why), MT_INVALID);
	packet.props = (struct mt_props){.present = MT_PROP_BIT(CONTENT_TYPE),
					 .content_type = mt_bytes_str("\xff")};
	assert_int_equal(mt_client_publish(s->world->client, &packet, &id, &why), MT_INVALID);
	mt_props_put_user(&buf, mt_bytes_str("n"), mt_bytes_str("\xff"));
	packet.props = (struct mt_props){.user = mt_buf_view(&buf)};
	assert_int_equal(mt_client_publish(s->world->client, &packet, &id, &why), MT_INVALID);
	said_nothing(s);
}

/* ---- what it hears ---- */

/* The server says what it may not: the client says why, in 5, and is through. */
static void ends(struct scene *s, unsigned first, const char *body, uint8_t reason)
{
	enter(s);
	hear(s, first, body);
	expect_end(s, reason);
}

static void faults_of_the_server_end_it(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "1.5.3-1");
	SPEC(MQTT3, "1.5.3-2");
	SPEC(MQTT3, "2.2.2-2");
	SPEC(MQTT3, "3.3.1-4");
	SPEC(MQTT3, "3.3.2-2");
	SPEC(MQTT3, "3.6.1-1");
	SPEC(MQTT3, "4.8.0-1");
	SPEC(MQTT5, "3.3.1-4");
	SPEC(MQTT5, "3.3.2-2");
	SPEC(MQTT5, "3.6.1-1");
	ends(s, 0x36, "<t> 0001 {} 'x'", 0x81);
	ends(s, 0x30, "<a/+> {} 'x'", 0x81);
	ends(s, 0x30, "0002 c0 80 {} 'x'", 0x81);
	ends(s, 0x30, "0003 'a' 00 'b' {} 'x'", 0x81);
	ends(s, 0x38, "<t> {} 'x'", 0x81);
	ends(s, 0x60, "0001", 0x81);
	ends(s, 0x41, "0001", 0x81);
	ends(s, 0x00, "", 0x81);
	ends(s, 0xc0, "", 0x82);
	ends(s, 0x82, "0001 {} <t> 00", 0x82);
	ends(s, 0x10, "<MQTT> V 02 0000 {} <a>", 0x82);
	ends(s, 0x20, "00 00 {}", 0x82);
}

static void faults_of_5_end_it(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "1.5.4-1");
	SPEC(MQTT5, "1.5.5-1");
	SPEC(MQTT5, "1.5.7-1");
	SPEC(MQTT5, "3.3.2-8");
	SPEC(MQTT5, "3.3.2-14");
	SPEC(MQTT5, "3.4.2-1");
	SPEC(MQTT5, "3.5.2-1");
	SPEC(MQTT5, "3.6.2-1");
	SPEC(MQTT5, "3.7.2-1");
	SPEC(MQTT5, "3.14.1-1");
	SPEC(MQTT5, "3.14.2-1");
	SPEC(MQTT5, "3.15.1-1");
	SPEC(MQTT5, "3.15.2-1");
	ends(s, 0x30, "<t> {23 0000} 'x'", 0x94);
	ends(s, 0x30, "<t> {08 <a/#>} 'x'", 0x82);
	ends(s, 0x30, "<t> {26 0001 ff <v>} 'x'", 0x81);
	ends(s, 0x30, "<t> 8000 'x'", 0x81);
	ends(s, 0x40, "0001 92", 0x82);
	ends(s, 0x50, "0001 04", 0x82);
	ends(s, 0x62, "0001 10", 0x82);
	ends(s, 0x70, "0001 80", 0x82);
	ends(s, 0xe1, "8b", 0x81);
	ends(s, 0xe0, "03", 0x82);
	ends(s, 0xf1, "18 {15 <m>}", 0x81);
	ends(s, 0xf0, "01 {15 <m>}", 0x82);
}

static void all_aliases_that_were_offered_are_taken(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.3.2-7");
	SPEC(MQTT5, "3.3.2-10");
	s->settings.limits.topic_alias_max = 3;
	enter(s);
	for (unsigned alias = 1; alias <= 3; alias++) {
		char body[64], topic[8];
		snprintf(topic, sizeof(topic), "t/%u", alias);
		snprintf(body, sizeof(body), "<%s> {23 %04x} 'x'", topic, alias);
		hear_message(s, 0x30, body);
		snprintf(body, sizeof(body), "<> {23 %04x} 'x'", alias);
		hear(s, 0x30, body);
		expect_event(s->world, MT_CLIENT_MESSAGE);
		assert_true(mt_bytes_equal(s->world->event.message.topic, mt_bytes_str(topic)));
		expect_none(s->world);
	}
	/* They end with the connection. */
	enter(s);
	hear(s, 0x30, "<> {23 0001} 'x'");
	expect_end(s, 0x82);
	enter(s);
	hear(s, 0x30, "<t> {23 0004} 'x'");
	expect_end(s, 0x94);
}

static void explanations_that_were_not_wanted_end_it(void **state)
{
	static const struct {
		unsigned first;
		const char *body;
	} unwanted[] = {
		{0x40, "0001 00 {1f <why>}"}, {0x40, "0001 00 {26 <n> <v>}"},
		{0x90, "0002 {1f <why>} 00"}, {0x90, "0002 {26 <n> <v>} 00"},
		{0x62, "0009 92 {1f <why>}"},
	};
	struct scene *s = *state;
	SPEC(MQTT5, "3.1.2-29");
	s->settings.connect.props.present = MT_PROP_BIT(REQUEST_PROBLEM_INFORMATION);
	for (size_t i = 0; i < MT_COUNT_OF(unwanted); i++) {
		enter(s);
		assert_int_equal(publish_to(s, "t", "x", 1), MT_OK);
		assert_int_equal(subscribe_to(s, "t", 1), MT_OK);
		skip_sent(s->world);
		hear(s, unwanted[i].first, unwanted[i].body);
		expect_end(s, 0x82);
		end(s->world);
		s->world = NULL;
	}
	/* In these three they may come. */
	enter_with(s, "00 00 {1f <why> 26 <n> <v>}");
	hear_message(s, 0x30, "<t> {26 <n> <v>} 'x'");
	hear(s, 0xe0, "8b {1f <why>}");
	expect_event(s->world, MT_CLIENT_ENDED);
	assert_int_equal(s->world->event.status, MT_CLOSED);
}

/* ---- how it ends ---- */

static enum mt_status disconnect(struct scene *s, const struct mt_control *control)
{
	struct mt_violation why;
	return mt_client_disconnect(s->world->client, control, &why);
}

static void disconnect_is_the_last_packet(void **state)
{
	struct scene *s = *state;
	struct mt_control control = {.reason = 0};
	SPEC(MQTT3, "3.14.4-1");
	SPEC(MQTT5, "3.14.4-1");
	SPEC(MQTT5, "3.14.4-2");
	enter(s);
	assert_int_equal(publish_to(s, "t", "x", 0), MT_OK);
	assert_int_equal(disconnect(s, &control), MT_OK);
	assert_int_not_equal(publish_to(s, "t", "y", 0), MT_OK);
	assert_int_not_equal(subscribe_to(s, "t", 0), MT_OK);
	assert_int_equal(disconnect(s, &control), MT_CLOSED);
	/* It does not even answer any more. */
	hear(s, 0x32, "<t> 0001 {} 'z'");
	expect_none(s->world);
	said(s, 0x30, "<t> {} 'x'");
	said(s, 0xe0, "");
	said_nothing(s);
	s->world->now.mono_ns += 3600 * MT_SECOND;
	mt_client_tick(s->world->client, s->world->now);
	said_nothing(s);
	assert_true(mt_client_is_over(s->world->client));
}

static void a_fault_is_the_last_word_too(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.14.4-1");
	SPEC(MQTT5, "3.14.4-2");
	SPEC(MQTT5, "4.13.2-1");
	enter(s);
	hear(s, 0x30, "<t> {23 0001} 'x'");
	expect_end(s, 0x94);
	s->world->sent_len = 0;
	assert_int_not_equal(publish_to(s, "t", "y", 0), MT_OK);
	hear(s, 0x32, "<t> 0001 {} 'z'");
	expect_none(s->world);
	said_nothing(s);
}

static void the_servers_disconnect_ends_it(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "4.13.2-1");
	enter(s);
	hear(s, 0xe0, "8b {}");
	expect_event(s->world, MT_CLIENT_ENDED);
	assert_int_equal(s->world->event.status, MT_CLOSED);
	assert_int_equal(s->world->event.reason, 0x8b);
	said_nothing(s);
	assert_true(mt_client_is_over(s->world->client));
}

static void disconnect_has_a_reason_of_a_client(void **state)
{
	struct scene *s = *state;
	static const uint8_t bad[] = {0x01, 0x81 + 0x07, 0x8b, 0x8d, 0x9d, 0xff};
	SPEC(MQTT5, "3.14.2-1");
	enter(s);
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		struct mt_control control = {.reason = bad[i]};
		assert_int_equal(disconnect(s, &control), MT_INVALID);
	}
	said_nothing(s);
}

static void disconnect_fits_the_server(void **state)
{
	struct scene *s = *state;
	struct mt_control control = {.reason = 0x04};
	uint8_t pairs[64];
	struct mt_buf buf = mt_buf_of(pairs, sizeof(pairs));
	SPEC(MQTT5, "3.14.2-3");
	SPEC(MQTT5, "3.14.2-4");
	enter_with(s, "00 00 {27 00000014}");
	control.props.present = MT_PROP_BIT(REASON_STRING);
	control.props.reason_string = mt_bytes_str("0123456789abcdef");
	assert_int_not_equal(disconnect(s, &control), MT_OK);
	mt_props_put_user(&buf, mt_bytes_str("01234567"), mt_bytes_str("01234567"));
	control.props = (struct mt_props){.user = mt_buf_view(&buf)};
	assert_int_not_equal(disconnect(s, &control), MT_OK);
	said_nothing(s);
	/* 20 bytes exactly: 2 + 1 + 1 + 3 + 13. */
	control.props = (struct mt_props){.present = MT_PROP_BIT(REASON_STRING),
					  .reason_string = mt_bytes_str("0123456789abc")};
	assert_int_equal(disconnect(s, &control), MT_OK);
	said(s, 0xe0, "04 {1f <0123456789abc>}");
}

/* Acknowledgements of libmortise explain nothing: five bytes at most, whatever the server takes. */
static void acknowledgements_are_short(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.4.2-2");
	SPEC(MQTT5, "3.4.2-3");
	SPEC(MQTT5, "3.5.2-2");
	SPEC(MQTT5, "3.5.2-3");
	SPEC(MQTT5, "3.6.2-2");
	SPEC(MQTT5, "3.6.2-3");
	SPEC(MQTT5, "3.7.2-2");
	SPEC(MQTT5, "3.7.2-3");
	enter_with(s, "00 00 {27 00000005}");
	hear_message(s, 0x32, "<t> 0001 {} 'x'");
	said(s, 0x40, "0001");
	hear_message(s, 0x34, "<t> 0002 {} 'x'");
	said(s, 0x50, "0002");
	hear_quietly(s, 0x50, "0003");
	said(s, 0x62, "0003 92");
	hear_quietly(s, 0x62, "0002");
	said(s, 0x70, "0002");
	hear_quietly(s, 0x62, "0004");
	said(s, 0x70, "0004 92");
	said_nothing(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BOTH(topics_are_checked_before_they_are_sent),
		IN_BOTH(the_longest_topic_is_sent_and_no_longer_one),
		IN_BOTH(filters_are_checked_before_they_are_sent),
		IN_5(shared_filters_are_checked_before_they_are_sent),
		IN_BOTH(requests_have_their_form),
		IN_BOTH(answers_go_to_their_requests),
		IN_5(what_the_server_does_not_offer_is_not_asked_for),
		IN_5(a_publish_has_no_subscription_identifier),
		IN_5(properties_are_checked_before_they_are_sent),
		IN_BOTH(faults_of_the_server_end_it),
		IN_5(faults_of_5_end_it),
		IN_5(all_aliases_that_were_offered_are_taken),
		IN_5(explanations_that_were_not_wanted_end_it),
		IN_BOTH(disconnect_is_the_last_packet),
		IN_5(a_fault_is_the_last_word_too),
		IN_5(the_servers_disconnect_ends_it),
		IN_5(disconnect_has_a_reason_of_a_client),
		IN_5(disconnect_fits_the_server),
		IN_5(acknowledgements_are_short),
	};
	return cmocka_run_group_tests_name("client: packets", tests, NULL, NULL);
}
