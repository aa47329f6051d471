/* Delivery at QoS 1 and 2, sending again, windows and order (sections 4.3 to 4.6 and 4.9): the
 * broker as receiver and as sender. */
#include "server.h"

/* A subscriber of `t` at QoS 2 that keeps its session. */
static struct world_conn *subscriber(struct scene *s)
{
	struct world_conn *conn = enter(&s->world, s->version, KEPT("sub"));
	subscribe(&s->world, conn, "t", 2);
	return conn;
}

static struct world_conn *back(struct scene *s)
{
	return enter_again(&s->world, s->version, KEPT("sub"));
}

/* ---- the broker receives ---- */

static void puback_accepts_and_frees_the_id(void **state)
{
	struct scene *s = *state;
	struct world_conn *sub = subscriber(s);
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	SPEC(MQTT3, "4.3.2-2");
	SPEC(MQTT5, "4.3.2-4");
	SPEC(MQTT5, "4.3.2-5");
	send(&s->world, pub, 0x32, "<t> 0005 {} 'one'");
	expect(pub, 0x40, "0005");
	expect(sub, 0x32, "<t> 0001 {} 'one'");
	/* The same id is a new message, DUP or not. */
	send(&s->world, pub, 0x32, "<t> 0005 {} 'two'");
	expect(pub, 0x40, "0005");
	expect(sub, 0x32, "<t> 0002 {} 'two'");
	send(&s->world, pub, 0x3a, "<t> 0005 {} 'two'");
	expect(pub, 0x40, "0005");
	expect(sub, 0x32, "<t> 0003 {} 'two'");
}

static void qos_2_is_passed_on_once(void **state)
{
	struct scene *s = *state;
	struct world_conn *sub = subscriber(s);
	struct world_conn *pub = enter(&s->world, s->version, KEPT("pub"));
	SPEC(MQTT3, "4.3.3-2");
	SPEC(MQTT5, "4.3.3-8");
	SPEC(MQTT5, "4.3.3-10");
	SPEC(MQTT5, "4.3.3-11");
	SPEC(MQTT5, "4.3.3-12");
	send(&s->world, pub, 0x34, "<t> 0005 {} 'one'");
	expect(pub, 0x50, "0005");
	expect(sub, 0x34, "<t> 0001 {} 'one'");
	send(&s->world, pub, 0x3c, "<t> 0005 {} 'one'");
	expect(pub, 0x50, "0005");
	/* Also after the network was lost. */
	world_cut(&s->world, pub);
	pub = enter_again(&s->world, s->version, KEPT("pub"));
	send(&s->world, pub, 0x3c, "<t> 0005 {} 'one'");
	expect(pub, 0x50, "0005");
	expect_quiet(sub);
	send(&s->world, pub, 0x62, "0005");
	expect(pub, 0x70, "0005");
	send(&s->world, pub, 0x62, "0005");
	expect(pub, 0x70, "0005 [92]");
	send(&s->world, pub, 0x34, "<t> 0005 {} 'two'");
	expect(pub, 0x50, "0005");
	expect(sub, 0x34, "<t> 0002 {} 'two'");
}

/* A denied id is free again at once. */
static void after_a_pubrec_that_refuses_the_id_is_new(void **state)
{
	struct mt_rule rules[] = {{.id = 1,
				   .operation = MT_OPERATION_BOTH,
				   .qos_mask = 7,
				   .filter = mt_bytes_str("t")}};
	struct mt_core_settings settings = world_settings();
	struct scene *s = *state;
	struct world_conn *sub, *pub;
	SPEC(MQTT5, "4.3.3-9");
	SPEC(MQTT5, "3.5.2-1");
	scene_restart(s, &settings, world_policy(rules, 1));
	sub = subscriber(s);
	pub = enter_as_ann(&s->world, s->version, "<MQTT> V c2 0000 {17 00} <pub> <ann> <p>");
	send(&s->world, pub, 0x34, "<denied> 0005 {} 'one'");
	expect(pub, 0x50, "0005 87");
	send(&s->world, pub, 0x34, "<t> 0005 {} 'two'");
	expect(pub, 0x50, "0005");
	expect(sub, 0x34, "<t> 0001 {} 'two'");
}

static void expiry_does_not_break_off_an_exchange(void **state)
{
	struct scene *s = *state;
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	struct world_conn *sub = subscriber(s);
	SPEC(MQTT5, "4.3.3-7");
	SPEC(MQTT5, "4.3.3-13");
	send(&s->world, pub, 0x34, "<t> 0005 {02 00000005} 'x'");
	expect(sub, 0x34, "<t> 0001 {02 00000005} 'x'");
	expect(pub, 0x50, "0005");
	world_pass(&s->world, 10 * MT_SECOND);
	/* As receiver. */
	send(&s->world, pub, 0x62, "0005");
	expect(pub, 0x70, "0005");
	/* As sender: it was sent, so it does not expire; only its seconds are used up. */
	world_cut(&s->world, sub);
	sub = back(s);
	expect(sub, 0x3c, "<t> 0001 {02 00000000} 'x'");
	send(&s->world, sub, 0x50, "0001");
	expect(sub, 0x62, "0001");
	world_pass(&s->world, 10 * MT_SECOND);
	send(&s->world, sub, 0x70, "0001");
	expect_quiet(sub);
}

/* ---- the broker sends ---- */

static void each_message_gets_an_unused_id(void **state)
{
	struct scene *s = *state;
	struct world_conn *sub = subscriber(s);
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	bool is_used[65536] = {false};
	SPEC(MQTT3, "2.3.1-1");
	SPEC(MQTT3, "2.3.1-4");
	SPEC(MQTT5, "2.2.1-4");
	SPEC(MQTT5, "4.3.2-1");
	SPEC(MQTT5, "4.3.3-1");
	for (unsigned i = 0; i < 10; i++) {
		struct world_conn *from = i == 5 ? enter(&s->world, s->version, CLEAN("p2")) : pub;
		const uint8_t *at = sub->out + sub->out_pos;
		unsigned id;
		send(&s->world, from, i % 2 ? 0x32 : 0x34, "<t> 0001 {} 'x'");
		if (i % 2 == 0)
			send(&s->world, from, 0x62, "0001");
		assert_int_equal(at[0], i % 2 ? 0x32 : 0x34);
		id = at[5] * 256u + at[6];
		assert_true(id > 0);
		assert_false(is_used[id]);
		is_used[id] = true;
		sub->out_pos += 2u + at[1];
	}
}

static void qos_1_waits_for_puback(void **state)
{
	struct scene *s = *state;
	struct world_conn *sub = subscriber(s);
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	SPEC(MQTT3, "2.3.1-4");
	SPEC(MQTT3, "3.3.1-1");
	SPEC(MQTT3, "4.3.2-1");
	SPEC(MQTT3, "4.4.0-1");
	SPEC(MQTT5, "3.3.1-1");
	SPEC(MQTT5, "4.3.2-2");
	SPEC(MQTT5, "4.3.2-3");
	SPEC(MQTT5, "4.4.0-1");
	send(&s->world, pub, 0x32, "<t> 0001 {} 'x'");
	expect(sub, 0x32, "<t> 0001 {} 'x'");
	/* At no other time than on a resumed session. */
	world_pass(&s->world, 3600 * MT_SECOND);
	expect_quiet(sub);
	world_cut(&s->world, sub);
	sub = back(s);
	expect(sub, 0x3a, "<t> 0001 {} 'x'");
	world_cut(&s->world, sub);
	sub = back(s);
	expect(sub, 0x3a, "<t> 0001 {} 'x'");
	send(&s->world, sub, 0x40, "0001");
	world_cut(&s->world, sub);
	sub = back(s);
	expect_quiet(sub);
}

static void qos_2_waits_for_pubrec_then_for_pubcomp(void **state)
{
	struct scene *s = *state;
	struct world_conn *sub = subscriber(s);
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	SPEC(MQTT3, "4.3.3-1");
	SPEC(MQTT3, "4.4.0-1");
	SPEC(MQTT3, "2.3.1-6");
	SPEC(MQTT5, "2.2.1-5");
	SPEC(MQTT5, "4.3.3-2");
	SPEC(MQTT5, "4.3.3-3");
	SPEC(MQTT5, "4.3.3-4");
	SPEC(MQTT5, "4.3.3-5");
	SPEC(MQTT5, "4.3.3-6");
	SPEC(MQTT5, "4.4.0-1");
	send(&s->world, pub, 0x34, "<t> 0001 {} 'x'");
	expect(sub, 0x34, "<t> 0001 {} 'x'");
	world_cut(&s->world, sub);
	sub = back(s);
	expect(sub, 0x3c, "<t> 0001 {} 'x'");
	send(&s->world, sub, 0x50, "0001");
	expect(sub, 0x62, "0001");
	/* From here on PUBREL alone is sent again. */
	for (int i = 0; i < 2; i++) {
		world_cut(&s->world, sub);
		sub = back(s);
		expect(sub, 0x62, "0001");
		expect_quiet(sub);
	}
	send(&s->world, sub, 0x70, "0001");
	world_cut(&s->world, sub);
	sub = back(s);
	expect_quiet(sub);
}

static void a_refusal_ends_the_delivery(void **state)
{
	struct scene *s = *state;
	struct world_conn *sub = subscriber(s);
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	SPEC(MQTT5, "4.4.0-2");
	send(&s->world, pub, 0x32, "<t> 0001 {} 'x'");
	send(&s->world, pub, 0x34, "<t> 0002 {} 'y'");
	expect(sub, 0x32, "<t> 0001 {} 'x'");
	expect(sub, 0x34, "<t> 0002 {} 'y'");
	send(&s->world, sub, 0x40, "0001 83");
	send(&s->world, sub, 0x50, "0002 83");
	expect_quiet(sub);
	world_cut(&s->world, sub);
	sub = back(s);
	expect_quiet(sub);
}

/* ---- order ---- */

static void messages_keep_their_order(void **state)
{
	struct scene *s = *state;
	struct world_conn *sub = subscriber(s);
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	char body[64];
	SPEC(MQTT3, "4.6.0-5");
	SPEC(MQTT3, "4.6.0-6");
	SPEC(MQTT5, "4.6.0-5");
	SPEC(MQTT5, "4.6.0-6");
	for (unsigned i = 1; i <= 9; i++) {
		snprintf(body, sizeof(body), "<t> %04x {} '%u'", i, i);
		send(&s->world, pub, 0x32, body);
	}
	for (unsigned i = 1; i <= 9; i++) {
		snprintf(body, sizeof(body), "<t> %04x {} '%u'", i, i);
		expect(sub, 0x32, body);
		snprintf(body, sizeof(body), "%04x", i);
		expect(pub, 0x40, body);
	}
	expect_quiet(sub);
}

static void what_is_sent_again_keeps_its_order(void **state)
{
	struct scene *s = *state;
	struct world_conn *sub = subscriber(s);
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	SPEC(MQTT3, "4.6.0-1");
	SPEC(MQTT3, "4.6.0-4");
	SPEC(MQTT5, "4.6.0-1");
	SPEC(MQTT5, "4.6.0-4");
	send(&s->world, pub, 0x34, "<t> 0001 {} 'a'");
	send(&s->world, pub, 0x32, "<t> 0002 {} 'b'");
	send(&s->world, pub, 0x34, "<t> 0003 {} 'c'");
	send(&s->world, pub, 0x34, "<t> 0004 {} 'd'");
	world_cut(&s->world, sub);
	send(&s->world, pub, 0x32, "<t> 0005 {} 'e'");
	sub = back(s);
	expect(sub, 0x3c, "<t> 0001 {} 'a'");
	expect(sub, 0x3a, "<t> 0002 {} 'b'");
	expect(sub, 0x3c, "<t> 0003 {} 'c'");
	expect(sub, 0x3c, "<t> 0004 {} 'd'");
	expect(sub, 0x32, "<t> 0005 {} 'e'");
	/* PUBRELs in the order of the PUBRECs, also on the next connection. */
	send(&s->world, sub, 0x50, "0003");
	send(&s->world, sub, 0x50, "0001");
	expect(sub, 0x62, "0003");
	expect(sub, 0x62, "0001");
	world_cut(&s->world, sub);
	sub = back(s);
	expect(sub, 0x62, "0003");
	expect(sub, 0x62, "0001");
	expect(sub, 0x3a, "<t> 0002 {} 'b'");
	expect(sub, 0x3c, "<t> 0004 {} 'd'");
	expect(sub, 0x3a, "<t> 0005 {} 'e'");
	expect_quiet(sub);
}

/* While the store holds the first message, the answer to the second does not overtake it. */
static void answers_go_in_the_order_of_the_messages(void **state)
{
	struct scene *s = *state;
	struct world_conn *keeper = subscriber(s);
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	SPEC(MQTT3, "4.6.0-2");
	SPEC(MQTT3, "4.6.0-3");
	SPEC(MQTT5, "4.6.0-2");
	SPEC(MQTT5, "4.6.0-3");
	s->world.is_store_held = true;
	world_cut(&s->world, keeper);
	send(&s->world, pub, 0x32, "<t> 0001 {} 'kept'");
	send(&s->world, pub, 0x32, "<nobody> 0002 {} 'x'");
	send(&s->world, pub, 0x34, "<t> 0003 {} 'kept'");
	send(&s->world, pub, 0x34, "<nobody> 0004 {} 'x'");
	expect_quiet(pub);
	assert_int_equal(s->world.ticket_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		mt_core_stored(s->world.core, s->world.now, s->world.tickets[i], MT_OK);
		world_serve(&s->world);
		expect(pub, i ? 0x50 : 0x40, i ? "0003" : "0001");
		expect(pub, i ? 0x50 : 0x40, i ? "0004 [10]" : "0002 [10]");
	}
}

/* ---- windows ---- */

/* Receive maximum 2 in 5; 3.1.1 names none, the broker's own is 10. */
static void a_full_window_holds_back_publishes_alone(void **state)
{
	struct scene *s = *state;
	bool is_new = s->version == MT_VERSION_5;
	struct world_conn *sub = enter(&s->world, s->version, "<MQTT> V 02 0000 {21 0002} <sub>");
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	unsigned window = is_new ? 2 : 10;
	char body[64];
	SPEC(MQTT5, "3.3.4-9");
	SPEC(MQTT5, "3.3.4-10");
	SPEC(MQTT5, "4.9.0-1");
	SPEC(MQTT5, "4.9.0-2");
	SPEC(MQTT5, "4.9.0-3");
	subscribe(&s->world, sub, "t", 2);
	for (unsigned i = 1; i <= window + 1; i++)
		send(&s->world, pub, 0x32, "<t> 0001 {} 'x'");
	for (unsigned i = 1; i <= window; i++) {
		snprintf(body, sizeof(body), "<t> %04x {} 'x'", i);
		expect(sub, 0x32, body);
	}
	expect_quiet(sub);
	/* Everything else goes on. */
	send(&s->world, sub, 0xc0, "");
	expect(sub, 0xd0, "");
	subscribe(&s->world, sub, "u", 0);
	send(&s->world, pub, 0x30, "<u> {} 'y'");
	expect_message(sub, "u", "y");
	send(&s->world, sub, 0x32, "<nobody> 0001 {} 'z'");
	expect(sub, 0x40, "0001 [10]");
	/* PUBACK opens it. */
	send(&s->world, sub, 0x40, "0002");
	snprintf(body, sizeof(body), "<t> %04x {} 'x'", window + 1);
	expect(sub, 0x32, body);
	expect_quiet(sub);
}

/* A QoS 2 exchange holds its place until PUBCOMP. */
static void pubrec_does_not_open_the_window(void **state)
{
	struct scene *s = *state;
	struct world_conn *sub = enter(&s->world, s->version, "<MQTT> V 02 0000 {21 0001} <sub>");
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	SPEC(MQTT5, "3.3.4-9");
	SPEC(MQTT5, "4.9.0-2");
	subscribe(&s->world, sub, "t", 2);
	send(&s->world, pub, 0x34, "<t> 0001 {} 'x'");
	send(&s->world, pub, 0x34, "<t> 0002 {} 'y'");
	expect(sub, 0x34, "<t> 0001 {} 'x'");
	send(&s->world, sub, 0x50, "0001");
	expect(sub, 0x62, "0001");
	expect_quiet(sub);
	send(&s->world, sub, 0x70, "0001");
	expect(sub, 0x34, "<t> 0002 {} 'y'");
}

static void a_window_that_is_broken_ends_it(void **state)
{
	struct scene *s = *state;
	struct world_conn *keeper = subscriber(s);
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	char body[64];
	SPEC(MQTT5, "4.13.1-1");
	world_cut(&s->world, keeper);
	s->world.is_store_held = true;
	for (unsigned i = 1; i <= 10; i++) {
		snprintf(body, sizeof(body), "<t> %04x {} 'x'", i);
		send(&s->world, pub, 0x32, body);
		expect_quiet(pub);
	}
	send(&s->world, pub, 0x32, "<t> 000b {} 'x'");
	expect_end(pub, 0x93);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BOTH(puback_accepts_and_frees_the_id),
		IN_BOTH(qos_2_is_passed_on_once),
		IN_5(after_a_pubrec_that_refuses_the_id_is_new),
		IN_5(expiry_does_not_break_off_an_exchange),
		IN_BOTH(each_message_gets_an_unused_id),
		IN_BOTH(qos_1_waits_for_puback),
		IN_BOTH(qos_2_waits_for_pubrec_then_for_pubcomp),
		IN_5(a_refusal_ends_the_delivery),
		IN_BOTH(messages_keep_their_order),
		IN_BOTH(what_is_sent_again_keeps_its_order),
		IN_BOTH(answers_go_in_the_order_of_the_messages),
		IN_BOTH(a_full_window_holds_back_publishes_alone),
		IN_5(pubrec_does_not_open_the_window),
		IN_5(a_window_that_is_broken_ends_it),
	};
	return cmocka_run_group_tests_name("server: qos", tests, NULL, NULL);
}
