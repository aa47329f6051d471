/* SUBSCRIBE and UNSUBSCRIBE, filters, shared subscriptions (sections 3.8 to 3.11, 4.7, 4.8), as
 * clients see the broker. */
#include "server.h"

static void breaks(struct scene *s, unsigned first, const char *body, uint8_t reason)
{
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("bad"));
	send(&s->world, conn, first, body);
	expect_end(conn, reason);
}

static void subscribe_is_answered(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "2.3.1-7");
	SPEC(MQTT3, "3.8.4-1");
	SPEC(MQTT3, "3.8.4-2");
	SPEC(MQTT5, "2.2.1-6");
	SPEC(MQTT5, "3.8.4-1");
	SPEC(MQTT5, "3.8.4-2");
	send(&s->world, conn, 0x82, "1234 {} <t> 01");
	expect(conn, 0x90, "1234 {} 01");
	send(&s->world, conn, 0x82, "ffff {} <t> 00");
	expect(conn, 0x90, "ffff {} 00");
	expect_quiet(conn);
}

static void each_filter_has_its_reason(void **state)
{
	struct mt_rule rule = {
		.operation = MT_OPERATION_BOTH, .qos_mask = 3, .filter = mt_bytes_str("my/#")};
	struct mt_core_settings settings = world_settings();
	struct scene *s = *state;
	struct world_conn *conn;
	SPEC(MQTT3, "3.8.4-4");
	SPEC(MQTT3, "3.8.4-5");
	SPEC(MQTT5, "3.8.4-5");
	SPEC(MQTT5, "3.8.4-6");
	SPEC(MQTT5, "3.8.4-7");
	SPEC(MQTT5, "3.9.3-1");
	SPEC(MQTT5, "3.9.3-2");
	scene_restart(s, &settings, world_policy(&rule, 1));
	conn = enter_as_ann(&s->world, s->version, "<MQTT> V c2 0000 {17 00} <a> <ann> <p>");
	send(&s->world, conn, 0x82, "0001 {} <my/a> 00 <other> 01 <my/b> 02 <my/c> 01");
	expect(conn, 0x90, "0001 {} 00 [87] (80) 01 01");
	send(&s->world, conn, 0x30, "<my/a> {} 'x'");
	expect_message(conn, "my/a", "x");
}

static void several_filters_count_as_several_packets(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.8.4-4");
	SPEC(MQTT3, "3.10.4-3");
	SPEC(MQTT5, "3.8.4-5");
	SPEC(MQTT5, "3.10.4-6");
	SPEC(MQTT5, "3.11.3-1");
	SPEC(MQTT5, "3.11.3-2");
	/* The last one of the same filter counts. */
	send(&s->world, conn, 0x82, "0001 {} <a> 00 <b> 00 <a> 01");
	expect(conn, 0x90, "0001 {} 00 00 01");
	expect_quiet(conn);
	send(&s->world, conn, 0x32, "<a> 0001 {} 'x'");
	expect(conn, 0x32, "<a> 0001 {} 'x'");
	expect(conn, 0x40, "0001");
	expect_quiet(conn);
	send(&s->world, conn, 0xa2, "0002 {} <a> <none> <b> <a>");
	expect(conn, 0xb0, "0002 {} [00 11 00 11]");
	send(&s->world, conn, 0x30, "<a> {} 'x'");
	send(&s->world, conn, 0x30, "<b> {} 'x'");
	expect_quiet(conn);
}

static void the_same_filter_replaces(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.8.4-3");
	SPEC(MQTT5, "3.8.4-3");
	SPEC(MQTT5, "3.8.4-4");
	send(&s->world, conn, 0x33, "<t> 0001 {} 'kept'");
	expect(conn, 0x40, "0001 [10]");
	subscribe(&s->world, conn, "t", 0);
	expect(conn, 0x31, "<t> {} 'kept'");
	subscribe(&s->world, conn, "t", 1);
	expect(conn, 0x33, "<t> 0001 {} 'kept'");
	/* One subscription, with the new QoS. */
	send(&s->world, conn, 0x32, "<t> 0002 {} 'x'");
	expect(conn, 0x32, "<t> 0002 {} 'x'");
	expect(conn, 0x40, "0002");
	expect_quiet(conn);
	send(&s->world, conn, 0xa2, "0003 {} <t>");
	expect(conn, 0xb0, "0003 {} [00]");
	send(&s->world, conn, 0x30, "<t> {} 'x'");
	expect_quiet(conn);
}

/* Messages for an absent client that waited under the old subscription are not lost. */
static void replacing_loses_nothing(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, "<MQTT> V 02 0000 {21 0001} <a>");
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	SPEC(MQTT5, "3.8.4-4");
	subscribe(&s->world, conn, "t", 1);
	send(&s->world, pub, 0x32, "<t> 0001 {} 'one'");
	send(&s->world, pub, 0x32, "<t> 0002 {} 'two'");
	expect(conn, 0x32, "<t> 0001 {} 'one'");
	subscribe(&s->world, conn, "t", 0);
	send(&s->world, conn, 0x40, "0001");
	expect(conn, 0x32, "<t> 0002 {} 'two'");
}

static void the_lower_qos_is_sent(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.8.4-8");
	SPEC(MQTT5, "3.8.4-7");
	for (unsigned granted = 0; granted <= 2; granted++) {
		struct world_conn *sub = enter(&s->world, s->version, CLEAN("sub"));
		struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
		subscribe(&s->world, sub, "t", granted);
		send(&s->world, pub, 0x34, "<t> 0001 {} 'x'");
		expect(sub, 0x30 | granted << 1, granted ? "<t> 0001 {} 'x'" : "<t> {} 'x'");
		send(&s->world, pub, 0x32, "<t> 0002 {} 'x'");
		expect(sub, granted ? 0x32 : 0x30, granted ? "<t> 0002 {} 'x'" : "<t> {} 'x'");
		send(&s->world, pub, 0x30, "<t> {} 'x'");
		expect(sub, 0x30, "<t> {} 'x'");
		expect_quiet(sub);
	}
}

static void malformed_requests_end_it(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "2.2.2-2");
	SPEC(MQTT3, "2.3.1-1");
	SPEC(MQTT3, "3.6.1-1");
	SPEC(MQTT3, "3.8.1-1");
	SPEC(MQTT3, "3.10.1-1");
	SPEC(MQTT3, "3.8.3-1");
	SPEC(MQTT3, "3.8.3-3");
	SPEC(MQTT3, "3.8.3-4");
	SPEC(MQTT3, "3.10.3-1");
	SPEC(MQTT3, "3.10.3-2");
	SPEC(MQTT5, "3.6.1-1");
	SPEC(MQTT5, "3.8.1-1");
	SPEC(MQTT5, "3.8.3-1");
	SPEC(MQTT5, "3.8.3-2");
	SPEC(MQTT5, "3.8.3-5");
	SPEC(MQTT5, "3.10.1-1");
	SPEC(MQTT5, "3.10.3-1");
	SPEC(MQTT5, "3.10.3-2");
	SPEC(MQTT5, "4.13.1-1");
	for (unsigned flags = 0; flags < 16; flags++)
		if (flags != 2) {
			breaks(s, 0x80 | flags, "0001 {} <t> 00", 0x81);
			breaks(s, 0xa0 | flags, "0001 {} <t>", 0x81);
			breaks(s, 0x60 | flags, "0001", 0x81);
		}
	breaks(s, 0x82, "0001 {} 0002 c0 80 00", 0x81);
	breaks(s, 0xa2, "0001 {} 0002 c0 80", 0x81);
	breaks(s, 0x82, "0001 {} <t>", 0x81);
	breaks(s, 0x82, "0001 {}", 0x82);
	breaks(s, 0xa2, "0001 {}", 0x82);
	breaks(s, 0x82, "0001 {} <t> 03", s->version == MT_VERSION_5 ? 0x82 : 0);
	breaks(s, 0x82, "0001 {} <t> 40", 0x81);
	breaks(s, 0x82, "0001 {} <t> 80", 0x81);
	breaks(s, 0x82, "0000 {} <t> 00", 0x82);
}

static void bad_filters_end_it(void **state)
{
	static const char *const bad[] = {"0001 {} <a#> 00",	"0001 {} <#/a> 00",
					  "0001 {} <a/#/b> 00", "0001 {} <a+> 00",
					  "0001 {} <+a/b> 00",	"0001 {} <> 00"};
	struct scene *s = *state;
	SPEC(MQTT3, "4.7.0-1");
	SPEC(MQTT3, "4.7.1-1");
	SPEC(MQTT3, "4.7.1-2");
	SPEC(MQTT5, "4.7.1-1");
	SPEC(MQTT5, "4.7.1-2");
	SPEC(MQTT5, "4.7.3-1");
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		struct world_conn *conn = enter(&s->world, s->version, CLEAN("bad"));
		send(&s->world, conn, 0x82, bad[i]);
		assert_true(conn->is_closed);
	}
}

/* Filter, topic, whether it matches. */
static void filters_match_as_the_standard_says(void **state)
{
	static const struct {
		const char *filter, *topic;
		bool is_match;
	} cases[] = {
		{"#", "a", true},	  {"#", "/a/b", true},	    {"+", "a", true},
		{"+", "a/b", false},	  {"+/+", "/a", true},	    {"/+", "/a", true},
		{"+", "/a", false},	  {"a/#", "a", true},	    {"a/#", "a/", true},
		{"a/#", "ab", false},	  {"a/+", "a", false},	    {"a/+", "a/", true},
		{"+/b/+", "a/b/c", true}, {"a/+/c", "a/b/c", true}, {"#", "$x/a", false},
		{"+/a", "$x/a", false},	  {"$x/#", "$x/a", true},   {"$x/+", "$x/a", true},
		{"a", "A", false},	  {"a", "a ", false},	    {"a/b", "a//b", false},
		{"/a", "a", false},
	};
	const struct mt_rule rules[] = {
		{.operation = MT_OPERATION_BOTH, .qos_mask = 7, .filter = mt_bytes_str("#")},
		{.operation = MT_OPERATION_BOTH, .qos_mask = 7, .filter = mt_bytes_str("$x/#")}};
	struct mt_core_settings settings = world_settings();
	struct scene *s = *state;
	SPEC(MQTT3, "4.7.1-2");
	SPEC(MQTT3, "4.7.1-3");
	SPEC(MQTT3, "4.7.2-1");
	SPEC(MQTT5, "4.7.1-2");
	SPEC(MQTT5, "4.7.2-1");
	SPEC(MQTT5, "4.7.3-4");
	scene_restart(s, &settings, world_policy(rules, 2));
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct world_conn *conn =
			enter_as_ann(&s->world, s->version, "<MQTT> V c2 0000 {} <a> <ann> <p>");
		char body[64];
		subscribe(&s->world, conn, cases[i].filter, 0);
		snprintf(body, sizeof(body), "<%s> {} 'x'", cases[i].topic);
		send(&s->world, conn, 0x30, body);
		if (cases[i].is_match)
			expect_message(conn, cases[i].topic, "x");
		expect_quiet(conn);
		/* The same for what is retained. */
		send(&s->world, conn, 0x31, body);
		if (cases[i].is_match)
			expect_message(conn, cases[i].topic, "x");
		subscribe(&s->world, conn, cases[i].filter, 0);
		if (cases[i].is_match)
			expect(conn, 0x31, body);
		expect_quiet(conn);
		snprintf(body, sizeof(body), "<%s> {}", cases[i].topic);
		send(&s->world, conn, 0x31, body);
		world_cut(&s->world, conn);
	}
}

static void names_are_not_normalized(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT5, "4.7.3-4");
	/* The letter e with an acute accent: composed, and as e with a combining accent. */
	send(&s->world, conn, 0x82, "0001 {} 0002 c3a9 00");
	expect(conn, 0x90, "0001 {} 00");
	send(&s->world, conn, 0x30, "0003 65 cc81 {} 'x'");
	expect_quiet(conn);
	send(&s->world, conn, 0x30, "0002 c3a9 {} 'x'");
	expect(conn, 0x30, "0002 c3a9 {} 'x'");
}

/* 65,535 bytes are the most that the length of a string can say, and they are taken. */
static void the_longest_topic_is_taken(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	size_t bytes = 4 + 2 + 65535 + (s->version == MT_VERSION_5);
	uint8_t *packet = malloc(bytes);
	SPEC(MQTT5, "4.7.3-3");
	subscribe(&s->world, conn, "#", 0);
	memset(packet, 'a', bytes);
	memcpy(packet,
	       s->version == MT_VERSION_5 ? "\x30\x82\x80\x04\xff\xff" : "\x30\x81\x80\x04\xff\xff",
	       6);
	if (s->version == MT_VERSION_5)
		packet[bytes - 1] = 0;
	world_send(&s->world, conn, mt_bytes_of(packet, bytes));
	assert_int_equal(conn->out_bytes - conn->out_pos, bytes);
	assert_memory_equal(conn->out + conn->out_pos, packet, bytes);
	free(packet);
}

static void unsubscribe_is_answered(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "2.3.1-7");
	SPEC(MQTT3, "3.10.4-1");
	SPEC(MQTT3, "3.10.4-2");
	SPEC(MQTT5, "2.2.1-6");
	SPEC(MQTT5, "3.10.4-4");
	SPEC(MQTT5, "3.10.4-5");
	SPEC(MQTT5, "3.11.3-2");
	send(&s->world, conn, 0xa2, "1234 {} <never>");
	expect(conn, 0xb0, "1234 {} [11]");
	subscribe(&s->world, conn, "t", 0);
	send(&s->world, conn, 0xa2, "1235 {} <t>");
	expect(conn, 0xb0, "1235 {} [00]");
}

static void filters_are_compared_character_by_character(void **state)
{
	static const char *const other[] = {"a/+", "+/b", "#", "a/b/", "A/b", "/a/b"};
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.10.4-4");
	SPEC(MQTT5, "3.10.4-1");
	subscribe(&s->world, conn, "a/b", 0);
	for (size_t i = 0; i < MT_COUNT_OF(other); i++) {
		char body[64];
		snprintf(body, sizeof(body), "0001 {} <%s>", other[i]);
		send(&s->world, conn, 0xa2, body);
		expect(conn, 0xb0, "0001 {} [11]");
	}
	send(&s->world, conn, 0x30, "<a/b> {} 'x'");
	expect_message(conn, "a/b", "x");
	send(&s->world, conn, 0xa2, "0001 {} <a/b>");
	expect(conn, 0xb0, "0001 {} [00]");
	send(&s->world, conn, 0x30, "<a/b> {} 'x'");
	expect_quiet(conn);
}

static void what_has_begun_is_completed(void **state)
{
	struct scene *s = *state;
	struct world_conn *sub = enter(&s->world, s->version, KEPT("sub"));
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	SPEC(MQTT3, "3.10.4-5");
	SPEC(MQTT5, "3.10.4-2");
	SPEC(MQTT5, "3.10.4-3");
	subscribe(&s->world, sub, "t", 2);
	send(&s->world, pub, 0x32, "<t> 0001 {} 'one'");
	send(&s->world, pub, 0x34, "<t> 0002 {} 'two'");
	expect(sub, 0x32, "<t> 0001 {} 'one'");
	expect(sub, 0x34, "<t> 0002 {} 'two'");
	send(&s->world, sub, 0xa2, "0001 {} <t>");
	expect(sub, 0xb0, "0001 {} [00]");
	send(&s->world, pub, 0x32, "<t> 0003 {} 'three'");
	expect_quiet(sub);
	world_cut(&s->world, sub);
	sub = enter_again(&s->world, s->version, KEPT("sub"));
	expect(sub, 0x3a, "<t> 0001 {} 'one'");
	expect(sub, 0x3c, "<t> 0002 {} 'two'");
	send(&s->world, sub, 0x40, "0001");
	send(&s->world, sub, 0x50, "0002");
	expect(sub, 0x62, "0002");
	send(&s->world, sub, 0x70, "0002");
	expect_quiet(sub);
}

static void no_local_keeps_ones_own_away(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	struct world_conn *other = enter(&s->world, s->version, CLEAN("b"));
	SPEC(MQTT5, "3.8.3-3");
	subscribe(&s->world, conn, "t", 0x04);
	send(&s->world, conn, 0x30, "<t> {} 'mine'");
	expect_quiet(conn);
	send(&s->world, other, 0x30, "<t> {} 'yours'");
	expect_message(conn, "t", "yours");
}

/* A connection through a listener that offers less. */
static struct world_conn *dial_with(struct scene *s, const struct mt_offer *offer)
{
	struct mt_conn_facts facts = {.listener = "poor",
				      .anonymous_role = "open",
				      .has_anonymous_sessions = true,
				      .offer = offer,
				      .is_secret_safe = true};
	struct world_conn *conn = dial(&s->world, s->version, "open");
	world_cut(&s->world, conn);
	conn->is_closed = false;
	assert_int_equal(mt_core_open(s->world.core, s->world.now, &facts, &conn->conn), MT_OK);
	send(&s->world, conn, 0x10, CLEAN("a"));
	return conn;
}

static void a_poorer_broker_grants_less(void **state)
{
	static const struct mt_offer poor = {.qos_max = 1,
					     .is_retain_available = true,
					     .is_wildcard_available = true,
					     .is_shared_available = true,
					     .is_subscription_id_available = true,
					     .server_reference = ""};
	struct scene *s = *state;
	struct world_conn *conn = dial_with(s, &poor);
	SPEC(MQTT5, "3.2.2-9");
	SPEC(MQTT5, "3.2.2-10");
	if (s->version == MT_VERSION_5)
		assert_non_null(memmem(conn->out + 5, conn->out_bytes - 5, "\x24\x01", 2));
	expect_connack(conn, 0, 0);
	send(&s->world, conn, 0x82, "0001 {} <a> 00 <b> 01 <c> 02");
	expect(conn, 0x90, "0001 {} 00 01 01");
}

static void a_broker_without_wildcards_refuses_them(void **state)
{
	static const struct mt_offer poor = {.qos_max = 2,
					     .is_retain_available = true,
					     .is_shared_available = true,
					     .is_subscription_id_available = true,
					     .server_reference = ""};
	struct scene *s = *state;
	struct world_conn *conn = dial_with(s, &poor);
	SPEC(MQTT3, "3.8.3-2");
	expect_connack(conn, 0, 0);
	send(&s->world, conn, 0x82, "0001 {} <a/#> 00 <b> 01 <+> 02");
	expect(conn, 0x90, "0001 {} 80 01 80");
}

/* ---- shared subscriptions (section 4.8) ---- */

static void share_names_have_their_form(void **state)
{
	static const char *const bad[] = {"0001 {} <$share/g> 00",   "0001 {} <$share//t> 00",
					  "0001 {} <$share/g/> 00",  "0001 {} <$share/+/t> 00",
					  "0001 {} <$share/#/t> 00", "0001 {} <$share/a+/t> 00"};
	struct scene *s = *state;
	SPEC(MQTT5, "4.8.2-1");
	SPEC(MQTT5, "4.8.2-2");
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		struct world_conn *conn = enter(&s->world, s->version, CLEAN("bad"));
		send(&s->world, conn, 0x82, bad[i]);
		assert_true(conn->is_closed);
	}
	subscribe(&s->world, enter(&s->world, s->version, CLEAN("a")), "$share/g/t/+", 0);
}

static void no_local_and_shared_do_not_go_together(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.8.3-4");
	breaks(s, 0x82, "0001 {} <$share/g/t> 04", 0x82);
}

static void a_shared_subscription_gives_its_qos(void **state)
{
	struct scene *s = *state;
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	SPEC(MQTT5, "4.8.2-3");
	for (unsigned granted = 0; granted <= 2; granted++) {
		struct world_conn *sub = enter(&s->world, s->version, CLEAN("sub"));
		subscribe(&s->world, sub, "$share/g/t", granted);
		send(&s->world, pub, 0x34, "<t> 0001 {} 'x'");
		send(&s->world, pub, 0x62, "0001");
		expect(sub, 0x30 | granted << 1, granted ? "<t> 0001 {} 'x'" : "<t> {} 'x'");
	}
}

/* Two members; the QoS 2 message goes to `one`, which then breaks off. */
static struct world_conn *give_to_one(struct scene *s, struct world_conn **two)
{
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	struct world_conn *members[2];
	members[0] = enter(&s->world, s->version, KEPT("one"));
	members[1] = enter(&s->world, s->version, CLEAN("two"));
	for (int i = 0; i < 2; i++)
		subscribe(&s->world, members[i], "$share/g/t", 2);
	while (world_is_quiet(members[0])) {
		send(&s->world, pub, 0x34, "<t> 0001 {} 'x'");
		send(&s->world, pub, 0x62, "0001");
		members[1]->out_pos = members[1]->out_bytes;
	}
	expect(members[0], 0x34, "<t> 0001 {} 'x'");
	*two = members[1];
	return members[0];
}

static void a_shared_qos_2_delivery_stays_with_its_client(void **state)
{
	struct scene *s = *state;
	struct world_conn *two, *one = give_to_one(s, &two);
	SPEC(MQTT5, "4.8.2-4");
	world_cut(&s->world, one);
	expect_quiet(two);
	one = enter_again(&s->world, s->version, KEPT("one"));
	expect(one, 0x3c, "<t> 0001 {} 'x'");
	send(&s->world, one, 0x50, "0001");
	expect(one, 0x62, "0001");
	send(&s->world, one, 0x70, "0001");
	expect_quiet(two);
}

static void a_shared_qos_2_delivery_dies_with_its_session(void **state)
{
	struct scene *s = *state;
	struct world_conn *two, *one = give_to_one(s, &two);
	SPEC(MQTT5, "4.8.2-5");
	world_cut(&s->world, one);
	world_pass(&s->world, 3600 * MT_SECOND);
	expect_quiet(two);
}

static void a_shared_message_that_is_refused_goes_nowhere_else(void **state)
{
	struct scene *s = *state;
	struct world_conn *two, *one = give_to_one(s, &two);
	SPEC(MQTT5, "4.8.2-6");
	send(&s->world, one, 0x50, "0001 80");
	expect_quiet(one);
	expect_quiet(two);
	world_pass(&s->world, 60 * MT_SECOND);
	expect_quiet(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BOTH(subscribe_is_answered),
		IN_BOTH(each_filter_has_its_reason),
		IN_BOTH(several_filters_count_as_several_packets),
		IN_BOTH(the_same_filter_replaces),
		IN_5(replacing_loses_nothing),
		IN_BOTH(the_lower_qos_is_sent),
		IN_BOTH(malformed_requests_end_it),
		IN_BOTH(bad_filters_end_it),
		IN_BOTH(filters_match_as_the_standard_says),
		IN_BOTH(names_are_not_normalized),
		IN_BOTH(the_longest_topic_is_taken),
		IN_BOTH(unsubscribe_is_answered),
		IN_BOTH(filters_are_compared_character_by_character),
		IN_BOTH(what_has_begun_is_completed),
		IN_5(no_local_keeps_ones_own_away),
		IN_BOTH(a_poorer_broker_grants_less),
		IN_3(a_broker_without_wildcards_refuses_them),
		IN_5(share_names_have_their_form),
		IN_5(no_local_and_shared_do_not_go_together),
		IN_5(a_shared_subscription_gives_its_qos),
		IN_5(a_shared_qos_2_delivery_stays_with_its_client),
		IN_5(a_shared_qos_2_delivery_dies_with_its_session),
		IN_5(a_shared_message_that_is_refused_goes_nowhere_else),
	};
	return cmocka_run_group_tests_name("server: subscribe", tests, NULL, NULL);
}
