/* QoS 1 and 2, sending again, windows and order (sections 4.3 to 4.6 and 4.9): libmortise as sender
 * and as receiver. */
#include "client.h"

/* The server's word that a publish is done. */
static void hear_done(struct scene *s, unsigned first, const char *body)
{
	hear(s, first, body);
	expect_event(s->world, MT_CLIENT_PUBLISHED);
	expect_none(s->world);
}

/* ---- libmortise sends ---- */

static void qos_0_has_no_id_and_no_dup(void **state)
{
	struct scene *s = *state;
	struct mt_publish packet = {.is_dup = true,
				    .packet_id = 7,
				    .topic = mt_bytes_str("t"),
				    .payload = mt_bytes_str("x")};
	struct mt_violation why;
	uint16_t id;
	SPEC(MQTT3, "2.3.1-5");
	SPEC(MQTT3, "3.3.1-2");
	SPEC(MQTT3, "4.3.1-1");
	SPEC(MQTT5, "2.2.1-2");
	SPEC(MQTT5, "2.2.2-1");
	SPEC(MQTT5, "3.3.1-2");
	SPEC(MQTT5, "4.3.1-1");
	enter(s);
	assert_int_equal(mt_client_publish(s->world->client, &packet, &id, &why), MT_OK);
	said(s, 0x30, "<t> {} 'x'");
	said_nothing(s);
}

/* Publishes, subscriptions and their ends share the ids; one that is taken is not given again. */
static void each_gets_an_unused_id(void **state)
{
	struct scene *s = *state;
	bool is_used[65536] = {false};
	SPEC(MQTT3, "2.3.1-1");
	SPEC(MQTT3, "2.3.1-2");
	SPEC(MQTT5, "2.2.1-3");
	SPEC(MQTT5, "4.3.2-1");
	SPEC(MQTT5, "4.3.3-1");
	enter(s);
	for (unsigned i = 0; i < 40; i++) {
		const uint8_t *at = s->world->sent;
		unsigned id;
		enum mt_status status = i % 4 == 0   ? publish_to(s, "t", "x", 1)
					: i % 4 == 1 ? subscribe_to(s, "t", 1)
					: i % 4 == 2 ? publish_to(s, "t", "x", 2)
						     : unsubscribe_from(s, "t");
		if (status == MT_AGAIN) /* so many requests wait already */
			continue;
		assert_int_equal(status, MT_OK);
		pull(s->world);
		id = i % 2 ? at[2] * 256u + at[3] : at[5] * 256u + at[6];
		assert_true(id > 0);
		assert_false(is_used[id]);
		is_used[id] = true;
		skip_sent(s->world);
	}
}

static void ids_go_round_past_those_in_use(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "2.3.1-2");
	SPEC(MQTT5, "2.2.1-3");
	s->settings.limits.queue_messages = 3;
	s->settings.limits.requests = 1;
	enter(s);
	for (int i = 0; i < 2; i++)
		assert_int_equal(publish_to(s, "t", "stuck", 1), MT_OK);
	said(s, 0x32, "<t> 0001 {} 'stuck'");
	said(s, 0x32, "<t> 0002 {} 'stuck'");
	for (int i = 0; i < 10; i++) {
		char body[32];
		uint16_t id;
		assert_int_equal(publish_to(s, "t", "x", 1), MT_OK);
		pull(s->world);
		id = (uint16_t)(s->world->sent[5] * 256 + s->world->sent[6]);
		assert_true(id > 2);
		skip_sent(s->world);
		snprintf(body, sizeof(body), "%04x", id);
		hear_done(s, 0x40, body);
	}
}

static void qos_1_waits_for_puback(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "2.3.1-3");
	SPEC(MQTT3, "3.3.1-1");
	SPEC(MQTT3, "4.3.2-1");
	SPEC(MQTT3, "4.4.0-1");
	SPEC(MQTT5, "3.3.1-1");
	SPEC(MQTT5, "4.3.2-2");
	SPEC(MQTT5, "4.3.2-3");
	SPEC(MQTT5, "4.4.0-1");
	enter_kept(s);
	assert_int_equal(publish_to(s, "t", "x", 1), MT_OK);
	said(s, 0x32, "<t> 0001 {} 'x'");
	/* Never again on this connection, however long it takes. */
	s->world->now.mono_ns += 3600 * MT_SECOND;
	mt_client_tick(s->world->client, s->world->now);
	said_nothing(s);
	for (int i = 0; i < 2; i++) {
		come_back(s);
		said(s, 0x3a, "<t> 0001 {} 'x'");
		said_nothing(s);
	}
	assert_int_equal(mt_client_pending(s->world->client), 1);
	hear_done(s, 0x40, "0001");
	assert_int_equal(mt_client_pending(s->world->client), 0);
	come_back(s);
	said_nothing(s);
}

static void qos_2_waits_for_pubrec_then_for_pubcomp(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "2.3.1-6");
	SPEC(MQTT3, "4.3.3-1");
	SPEC(MQTT3, "4.4.0-1");
	SPEC(MQTT5, "2.2.1-5");
	SPEC(MQTT5, "4.3.3-2");
	SPEC(MQTT5, "4.3.3-3");
	SPEC(MQTT5, "4.3.3-4");
	SPEC(MQTT5, "4.3.3-5");
	SPEC(MQTT5, "4.3.3-6");
	SPEC(MQTT5, "4.4.0-1");
	enter_kept(s);
	assert_int_equal(publish_to(s, "t", "x", 2), MT_OK);
	said(s, 0x34, "<t> 0001 {} 'x'");
	come_back(s);
	said(s, 0x3c, "<t> 0001 {} 'x'");
	hear_quietly(s, 0x50, "0001");
	said(s, 0x62, "0001");
	for (int i = 0; i < 2; i++) {
		come_back(s);
		said(s, 0x62, "0001");
		said_nothing(s);
	}
	hear_done(s, 0x70, "0001");
	come_back(s);
	said_nothing(s);
}

static void a_refusal_ends_the_delivery(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "4.4.0-2");
	enter_kept(s);
	assert_int_equal(publish_to(s, "t", "x", 1), MT_OK);
	assert_int_equal(publish_to(s, "t", "y", 2), MT_OK);
	skip_sent(s->world);
	hear_done(s, 0x40, "0001 97");
	hear_done(s, 0x50, "0002 97");
	said_nothing(s);
	come_back(s);
	said_nothing(s);
}

/* Message expiry is the server's business; what was sent is sent again, and QoS 2 goes on. */
static void what_was_sent_does_not_expire(void **state)
{
	struct scene *s = *state;
	struct mt_publish packet = {
		.qos = 2, .topic = mt_bytes_str("t"), .payload = mt_bytes_str("x")};
	struct mt_violation why;
	uint16_t id;
	SPEC(MQTT5, "4.3.3-7");
	SPEC(MQTT5, "4.3.3-13");
	packet.props.present = MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL);
	packet.props.message_expiry_s = 1;
	enter_kept(s);
	assert_int_equal(mt_client_publish(s->world->client, &packet, &id, &why), MT_OK);
	said(s, 0x34, "<t> 0001 {02 00000001} 'x'");
	s->world->now.mono_ns += 100 * MT_SECOND;
	come_back(s);
	said(s, 0x3c, "<t> 0001 {02 00000001} 'x'");
	hear_quietly(s, 0x50, "0001");
	s->world->now.mono_ns += 100 * MT_SECOND;
	said(s, 0x62, "0001");
	hear_done(s, 0x70, "0001");
}

static void what_is_sent_again_keeps_its_order(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "4.6.0-1");
	SPEC(MQTT3, "4.6.0-4");
	SPEC(MQTT5, "4.6.0-1");
	SPEC(MQTT5, "4.6.0-4");
	enter_kept(s);
	assert_int_equal(publish_to(s, "t", "a", 2), MT_OK);
	assert_int_equal(publish_to(s, "t", "b", 1), MT_OK);
	assert_int_equal(publish_to(s, "t", "c", 2), MT_OK);
	assert_int_equal(publish_to(s, "t", "d", 2), MT_OK);
	skip_sent(s->world);
	come_back(s);
	said(s, 0x3c, "<t> 0001 {} 'a'");
	said(s, 0x3a, "<t> 0002 {} 'b'");
	said(s, 0x3c, "<t> 0003 {} 'c'");
	said(s, 0x3c, "<t> 0004 {} 'd'");
	hear_quietly(s, 0x50, "0003");
	hear_quietly(s, 0x50, "0001");
	said(s, 0x62, "0003");
	said(s, 0x62, "0001");
	come_back(s);
	said(s, 0x62, "0003");
	said(s, 0x62, "0001");
	said(s, 0x3a, "<t> 0002 {} 'b'");
	said(s, 0x3c, "<t> 0004 {} 'd'");
	said_nothing(s);
}

static void a_full_window_holds_back_publishes_alone(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.3.4-7");
	SPEC(MQTT5, "3.3.4-8");
	SPEC(MQTT5, "4.9.0-1");
	SPEC(MQTT5, "4.9.0-2");
	SPEC(MQTT5, "4.9.0-3");
	enter_with(s, "00 00 {21 0002}");
	for (int i = 0; i < 3; i++)
		assert_int_equal(publish_to(s, "t", "x", 2), MT_OK);
	said(s, 0x34, "<t> 0001 {} 'x'");
	said(s, 0x34, "<t> 0002 {} 'x'");
	said_nothing(s);
	/* Everything else goes on, both ways. */
	assert_int_equal(subscribe_to(s, "t", 0), MT_OK);
	said(s, 0x82, "0004 {} <t> 00");
	assert_int_equal(publish_to(s, "t", "y", 0), MT_OK);
	said(s, 0x30, "<t> {} 'y'");
	hear_message(s, 0x32, "<t> 0001 {} 'z'");
	said(s, 0x40, "0001");
	hear_quietly(s, 0x50, "0001");
	said(s, 0x62, "0001");
	said_nothing(s);
	/* PUBCOMP opens it. */
	hear_done(s, 0x70, "0001");
	said(s, 0x34, "<t> 0003 {} 'x'");
}

/* ---- libmortise receives ---- */

static void every_qos_has_its_answer(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.3.4-1");
	SPEC(MQTT3, "4.3.2-2");
	SPEC(MQTT5, "3.3.4-1");
	SPEC(MQTT5, "4.3.2-4");
	SPEC(MQTT5, "4.3.3-8");
	SPEC(MQTT5, "4.5.0-2");
	enter(s);
	hear_message(s, 0x30, "<t> {} 'x'");
	said_nothing(s);
	hear_message(s, 0x32, "<t> 1234 {} 'x'");
	said(s, 0x40, "1234");
	hear_message(s, 0x34, "<t> 1235 {} 'x'");
	said(s, 0x50, "1235");
	/* Nobody subscribed to this; it is answered as well. */
	hear_message(s, 0x32, "<unwanted> 1236 {} 'x'");
	said(s, 0x40, "1236");
	said_nothing(s);
}

static void after_puback_the_id_is_new(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "4.3.2-2");
	SPEC(MQTT5, "4.3.2-5");
	enter(s);
	for (int i = 0; i < 3; i++) {
		hear_message(s, i == 1 ? 0x3a : 0x32, "<t> 0001 {} 'x'");
		said(s, 0x40, "0001");
	}
}

static void qos_2_is_shown_once(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "4.3.3-2");
	SPEC(MQTT5, "4.1.0-1");
	SPEC(MQTT5, "4.3.3-10");
	SPEC(MQTT5, "4.3.3-11");
	SPEC(MQTT5, "4.3.3-12");
	enter_kept(s);
	hear_message(s, 0x34, "<t> 0001 {} 'x'");
	said(s, 0x50, "0001");
	/* The state stays, for as long as the connection does, and on the next one. */
	s->world->now.mono_ns += 86400 * MT_SECOND;
	mt_client_tick(s->world->client, s->world->now);
	hear_quietly(s, 0x3c, "<t> 0001 {} 'x'");
	said(s, 0x50, "0001");
	come_back(s);
	hear_quietly(s, 0x3c, "<t> 0001 {} 'x'");
	said(s, 0x50, "0001");
	hear_quietly(s, 0x62, "0001");
	said(s, 0x70, "0001");
	hear_message(s, 0x34, "<t> 0001 {} 'y'");
	said(s, 0x50, "0001");
}

/* libmortise refuses no message, so that no id is freed by a PUBREC. */
static void pubrec_never_refuses(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "4.3.3-9");
	enter(s);
	for (unsigned id = 1; id <= 10; id++) {
		char body[64], answer[16];
		snprintf(body, sizeof(body), "<t> %04x {} 'x'", id);
		snprintf(answer, sizeof(answer), "%04x", id);
		hear_message(s, 0x34, body);
		said(s, 0x50, answer);
	}
}

static void answers_go_in_the_order_of_the_messages(void **state)
{
	struct scene *s = *state;
	struct note note;
	struct mt_buf buf;
	SPEC(MQTT3, "4.6.0-2");
	SPEC(MQTT3, "4.6.0-3");
	SPEC(MQTT5, "4.6.0-2");
	SPEC(MQTT5, "4.6.0-3");
	enter(s);
	buf = mt_buf_of(s->world->held, sizeof(s->world->held));
	mt_buf_put(&buf, note_packet(&note, s->version, 0x32, "<t> 0005 {} 'a'"));
	mt_buf_put(&buf, note_packet(&note, s->version, 0x34, "<t> 0004 {} 'b'"));
	mt_buf_put(&buf, note_packet(&note, s->version, 0x32, "<t> 0003 {} 'c'"));
	mt_buf_put(&buf, note_packet(&note, s->version, 0x34, "<t> 0002 {} 'd'"));
	mt_client_input(s->world->client, s->world->now, mt_buf_view(&buf));
	for (int i = 0; i < 4; i++)
		expect_event(s->world, MT_CLIENT_MESSAGE);
	expect_none(s->world);
	said(s, 0x40, "0005");
	said(s, 0x50, "0004");
	said(s, 0x40, "0003");
	said(s, 0x50, "0002");
}

static void a_window_that_is_broken_ends_it(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "4.9.0-2");
	enter(s);
	for (unsigned id = 1; id <= 10; id++) {
		char body[64];
		snprintf(body, sizeof(body), "<t> %04x {} 'x'", id);
		hear_message(s, 0x34, body);
	}
	hear(s, 0x34, "<t> 000b {} 'x'");
	expect_end(s, 0x93);
}

static void the_stream_has_no_other_borders(void **state)
{
	struct scene *s = *state;
	struct note note;
	uint8_t bytes[128];
	struct mt_buf buf = mt_buf_of(bytes, sizeof(bytes));
	SPEC(MQTT5, "4.2-1");
	mt_buf_put(&buf, note_packet(&note, s->version, 0x20, "00 00 {}"));
	mt_buf_put(&buf, note_packet(&note, s->version, 0x32, "<t> 0001 {} 'x'"));
	mt_buf_put(&buf, note_packet(&note, s->version, 0x30, "<t> {} 'y'"));
	for (size_t step = 1; step <= buf.pos; step++) {
		uint32_t message_count = 0;
		dial(s);
		skip_sent(s->world);
		for (size_t at = 0; at < buf.pos; at += step) {
			size_t len = buf.pos - at < step ? buf.pos - at : step;
			mt_client_input(s->world->client, s->world->now,
					mt_bytes_of(bytes + at, len));
			while (next(s->world))
				message_count += s->world->event.type == MT_CLIENT_MESSAGE;
		}
		assert_int_equal(message_count, 2);
		said(s, 0x40, "0001");
		said_nothing(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BOTH(qos_0_has_no_id_and_no_dup),
		IN_BOTH(each_gets_an_unused_id),
		IN_BOTH(ids_go_round_past_those_in_use),
		IN_BOTH(qos_1_waits_for_puback),
		IN_BOTH(qos_2_waits_for_pubrec_then_for_pubcomp),
		IN_5(a_refusal_ends_the_delivery),
		IN_5(what_was_sent_does_not_expire),
		IN_BOTH(what_is_sent_again_keeps_its_order),
		IN_5(a_full_window_holds_back_publishes_alone),
		IN_BOTH(every_qos_has_its_answer),
		IN_BOTH(after_puback_the_id_is_new),
		IN_BOTH(qos_2_is_shown_once),
		IN_5(pubrec_never_refuses),
		IN_BOTH(answers_go_in_the_order_of_the_messages),
		IN_5(a_window_that_is_broken_ends_it),
		IN_BOTH(the_stream_has_no_other_borders),
	};
	return cmocka_run_group_tests_name("client: qos", tests, NULL, NULL);
}
