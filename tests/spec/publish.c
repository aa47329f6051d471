/* PUBLISH and retained messages (section 3.3), as clients see the broker. */
#include "server.h"

static void every_qos_has_its_answer(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.3.4-1");
	SPEC(MQTT5, "3.3.4-1");
	SPEC(MQTT3, "2.3.1-6");
	SPEC(MQTT5, "2.2.1-5");
	subscribe(&s->world, enter(&s->world, s->version, CLEAN("b")), "t", 0);
	send(&s->world, conn, 0x30, "<t> {} 'x'");
	expect_quiet(conn);
	send(&s->world, conn, 0x32, "<t> 1234 {} 'x'");
	expect(conn, 0x40, "1234");
	send(&s->world, conn, 0x34, "<t> 1235 {} 'x'");
	expect(conn, 0x50, "1235");
	send(&s->world, conn, 0x62, "1235");
	expect(conn, 0x70, "1235");
}

/* Byte 1 of what is passed on says nothing of how it came. */
static void dup_is_not_passed_on(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.3.1-3");
	SPEC(MQTT5, "3.3.1-3");
	subscribe(&s->world, conn, "t", 2);
	send(&s->world, conn, 0x3a, "<t> 0001 {} 'x'");
	expect(conn, 0x32, "<t> 0001 {} 'x'");
	expect(conn, 0x40, "0001");
	send(&s->world, conn, 0x3c, "<t> 0002 {} 'y'");
	expect(conn, 0x34, "<t> 0002 {} 'y'");
	expect(conn, 0x50, "0002");
}

/* Sends a PUBLISH that a fresh client may not send. */
static void breaks(struct scene *s, unsigned first, const char *body, uint8_t reason)
{
	struct world_conn *watcher = enter(&s->world, s->version, CLEAN("watcher"));
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("bad"));
	subscribe(&s->world, watcher, "#", 2);
	send(&s->world, conn, first, body);
	expect_end(conn, reason);
	expect_quiet(watcher);
	world_cut(&s->world, watcher);
}

static void qos_3_is_malformed(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.3.1-4");
	SPEC(MQTT5, "3.3.1-4");
	SPEC(MQTT3, "4.8.0-1");
	SPEC(MQTT5, "4.13.1-1");
	breaks(s, 0x36, "<t> 0001 {} 'x'", 0x81);
}

static void dup_of_qos_0_is_wrong(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.3.1-2");
	SPEC(MQTT5, "3.3.1-2");
	breaks(s, 0x38, "<t> {} 'x'", 0x81);
}

static void a_packet_id_of_0_is_wrong(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "2.3.1-1");
	SPEC(MQTT5, "4.13.1-1");
	breaks(s, 0x32, "<t> 0000 {} 'x'", s->version == MT_VERSION_5 ? 0x82 : 0);
}

static void the_topic_is_a_string_and_comes_first(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.3.2-1");
	SPEC(MQTT3, "1.5.3-1");
	SPEC(MQTT3, "1.5.3-2");
	SPEC(MQTT5, "3.3.2-1");
	SPEC(MQTT5, "4.7.3-2");
	breaks(s, 0x30, "", 0x81);
	breaks(s, 0x30, "0009 't'", 0x81);
	breaks(s, 0x30, "0002 c0 80 {}", 0x81);
	breaks(s, 0x30, "0003 'a' 00 'b' {}", 0x81);
}

static void a_topic_holds_no_wildcards(void **state)
{
	static const char *const bad[] = {"<+> {}",	"<#> {}",  "<a/#> {}",
					  "<a/+/b> {}", "<a+> {}", "<a#b> {}"};
	struct scene *s = *state;
	SPEC(MQTT3, "3.3.2-2");
	SPEC(MQTT3, "4.7.3-1");
	SPEC(MQTT3, "4.7.3-2");
	SPEC(MQTT5, "3.3.2-2");
	SPEC(MQTT5, "4.7.0-1");
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		breaks(s, 0x30, bad[i], 0x81);
}

static void a_topic_is_not_empty(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "4.7.0-1");
	SPEC(MQTT5, "4.7.3-1");
	breaks(s, 0x30, "<> {} 'x'", 0x82);
}

static void what_comes_matches_the_filter(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.3.2-3");
	SPEC(MQTT5, "3.3.2-3");
	subscribe(&s->world, conn, "a/+/c", 0);
	send(&s->world, conn, 0x30, "<a/b/d> {} 'x'");
	send(&s->world, conn, 0x30, "<a/b> {} 'x'");
	send(&s->world, conn, 0x30, "<a/b/c/d> {} 'x'");
	send(&s->world, conn, 0x30, "<A/b/c> {} 'x'");
	expect_quiet(conn);
	send(&s->world, conn, 0x30, "<a/b/c> {} 'x'");
	expect_message(conn, "a/b/c", "x");
	send(&s->world, conn, 0x30, "<a//c> {} 'y'");
	expect_message(conn, "a//c", "y");
}

static void overlapping_subscriptions_give_the_highest_qos(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	struct world_conn *other = enter(&s->world, s->version, CLEAN("b"));
	SPEC(MQTT3, "3.3.5-1");
	SPEC(MQTT5, "3.3.4-2");
	subscribe(&s->world, conn, "a/#", 0);
	subscribe(&s->world, conn, "a/+", 2);
	subscribe(&s->world, conn, "a/b", 1);
	send(&s->world, other, 0x34, "<a/b> 0001 {} 'x'");
	expect(conn, 0x34, "<a/b> 0001 {} 'x'");
	expect_quiet(conn);
	send(&s->world, other, 0x32, "<a/b> 0002 {} 'y'");
	expect(conn, 0x32, "<a/b> 0002 {} 'y'");
	expect_quiet(conn);
}

/* What is not permitted is acknowledged all the same in 3.1.1, and reaches nobody. */
static void a_denied_publish_is_acknowledged_or_ends_it(void **state)
{
	struct mt_rule rule = {
		.operation = MT_OPERATION_SUBSCRIBE, .qos_mask = 7, .filter = mt_bytes_str("#")};
	struct mt_core_settings settings = world_settings();
	struct scene *s = *state;
	SPEC(MQTT3, "3.3.5-2");
	for (int is_closing = 0; is_closing < 2; is_closing++) {
		struct world_conn *conn, *watcher;
		settings.is_denial_closing = is_closing;
		scene_restart(s, &settings, world_policy(&rule, 1));
		watcher = enter(&s->world, s->version, CLEAN("w"));
		subscribe(&s->world, watcher, "#", 0);
		conn = enter_as_ann(&s->world, s->version, "<MQTT> V c2 0000 {} <a> <ann> <p>");
		send(&s->world, conn, 0x32, "<t> 0001 {} 'x'");
		if (is_closing) {
			expect_closed(conn);
		} else {
			expect(conn, 0x40, "0001");
			expect_quiet(conn);
		}
		expect_quiet(watcher);
	}
}

/* Subscribes again and sees what is retained; empty: nothing. */
static void expect_retained(struct scene *s, unsigned first, const char *body)
{
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("reader"));
	subscribe(&s->world, conn, "r/#", 2);
	if (body)
		expect(conn, first, body);
	expect_quiet(conn);
	world_cut(&s->world, conn);
}

static void the_last_retained_message_is_kept_with_its_qos(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.3.1-5");
	SPEC(MQTT3, "3.3.1-6");
	SPEC(MQTT3, "3.3.1-7");
	SPEC(MQTT3, "3.3.1-8");
	SPEC(MQTT5, "3.3.1-5");
	SPEC(MQTT5, "3.3.1-9");
	expect_retained(s, 0, NULL);
	send(&s->world, conn, 0x35, "<r/a> 0001 {} 'one'");
	expect_retained(s, 0x35, "<r/a> 0001 {} 'one'");
	send(&s->world, conn, 0x33, "<r/a> 0002 {} 'two'");
	expect_retained(s, 0x33, "<r/a> 0001 {} 'two'");
	send(&s->world, conn, 0x31, "<r/a> {} 'three'");
	expect_retained(s, 0x31, "<r/a> {} 'three'");
}

static void an_empty_retained_message_removes(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	struct world_conn *live = enter(&s->world, s->version, CLEAN("live"));
	SPEC(MQTT3, "3.3.1-10");
	SPEC(MQTT3, "3.3.1-11");
	SPEC(MQTT5, "3.3.1-6");
	SPEC(MQTT5, "3.3.1-7");
	send(&s->world, conn, 0x31, "<r/a> {} 'one'");
	subscribe(&s->world, live, "r/a", 0);
	expect(live, 0x31, "<r/a> {} 'one'");
	send(&s->world, conn, 0x31, "<r/a> {}");
	/* It is a message like any other for those who listen. */
	expect(live, 0x30, "<r/a> {}");
	expect_retained(s, 0, NULL);
	send(&s->world, conn, 0x31, "<r/b> {}");
	expect_retained(s, 0, NULL);
}

static void a_plain_message_leaves_retained_ones_alone(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.3.1-12");
	SPEC(MQTT5, "3.3.1-8");
	send(&s->world, conn, 0x30, "<r/a> {} 'plain'");
	expect_retained(s, 0, NULL);
	send(&s->world, conn, 0x31, "<r/a> {} 'kept'");
	send(&s->world, conn, 0x30, "<r/a> {} 'plain'");
	send(&s->world, conn, 0x30, "<r/a> {}");
	expect_retained(s, 0x31, "<r/a> {} 'kept'");
}

static void established_subscriptions_see_no_retain_flag(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.3.1-9");
	SPEC(MQTT5, "3.3.1-12");
	subscribe(&s->world, conn, "r/a", 0);
	send(&s->world, conn, 0x31, "<r/a> {} 'x'");
	expect(conn, 0x30, "<r/a> {} 'x'");
}

static void retain_as_published_keeps_the_flag(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT5, "3.3.1-13");
	subscribe(&s->world, conn, "r/a", 0x08);
	send(&s->world, conn, 0x31, "<r/a> {} 'x'");
	expect(conn, 0x31, "<r/a> {} 'x'");
	send(&s->world, conn, 0x30, "<r/a> {} 'y'");
	expect(conn, 0x30, "<r/a> {} 'y'");
}

static void retain_handling_says_when_they_come(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT5, "3.3.1-9");
	SPEC(MQTT5, "3.3.1-10");
	SPEC(MQTT5, "3.3.1-11");
	SPEC(MQTT5, "3.8.4-4");
	send(&s->world, conn, 0x31, "<r/a> {} 'kept'");
	subscribe(&s->world, conn, "r/a", 0x20);
	expect_quiet(conn);
	subscribe(&s->world, conn, "r/a", 0x10);
	expect_quiet(conn);
	subscribe(&s->world, conn, "r/+", 0x10);
	expect(conn, 0x31, "<r/a> {} 'kept'");
	for (int i = 0; i < 2; i++) {
		subscribe(&s->world, conn, "r/a", 0x00);
		expect(conn, 0x31, "<r/a> {} 'kept'");
	}
	expect_quiet(conn);
}

/* Everything that belongs to the message comes as it went, in its order. */
static void properties_are_passed_on(void **state)
{
	static const char props[] = "01 01 03 <text/plain> 08 <back/to> 09 0003 00 ff 07 "
				    "26 <b> <2> 26 <a> <1> 26 <b> <0>";
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	char publish[256];
	SPEC(MQTT5, "3.3.2-4");
	SPEC(MQTT5, "3.3.2-15");
	SPEC(MQTT5, "3.3.2-16");
	SPEC(MQTT5, "3.3.2-17");
	SPEC(MQTT5, "3.3.2-18");
	SPEC(MQTT5, "3.3.2-20");
	snprintf(publish, sizeof(publish), "<t> {%s} 'x'", props);
	subscribe(&s->world, conn, "t", 0);
	send(&s->world, conn, 0x30, publish);
	expect(conn, 0x30, publish);
	/* Also those that are kept. */
	send(&s->world, conn, 0x31, publish);
	expect(conn, 0x30, publish);
	subscribe(&s->world, conn, "t", 0);
	expect(conn, 0x31, publish);
}

static void strings_of_properties_are_checked(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "1.5.7-1");
	SPEC(MQTT5, "3.3.2-13");
	SPEC(MQTT5, "3.3.2-14");
	SPEC(MQTT5, "3.3.2-19");
	breaks(s, 0x30, "<t> {08 0001 ff} 'x'", 0x81);
	breaks(s, 0x30, "<t> {08 <back/+>} 'x'", 0x82);
	breaks(s, 0x30, "<t> {08 <back/#>} 'x'", 0x82);
	breaks(s, 0x30, "<t> {03 0001 ff} 'x'", 0x81);
	breaks(s, 0x30, "<t> {26 0001 ff <v>} 'x'", 0x81);
	breaks(s, 0x30, "<t> {26 <n> 0001 00} 'x'", 0x81);
}

static void expiry_counts_down_and_ends(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	struct world_conn *kept = enter(&s->world, s->version, KEPT("k"));
	SPEC(MQTT5, "3.3.2-5");
	SPEC(MQTT5, "3.3.2-6");
	subscribe(&s->world, kept, "t", 1);
	world_cut(&s->world, kept);
	send(&s->world, conn, 0x32, "<t> 0001 {02 0000000a} 'short'");
	send(&s->world, conn, 0x32, "<t> 0002 {02 0000003c} 'long'");
	world_pass(&s->world, 20 * MT_SECOND);
	kept = enter_again(&s->world, s->version, KEPT("k"));
	expect(kept, 0x32, "<t> 0001 {02 00000028} 'long'");
	expect_quiet(kept);
}

static void an_expired_retained_message_is_gone(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT5, "3.3.2-5");
	SPEC(MQTT5, "3.3.2-6");
	send(&s->world, conn, 0x31, "<r/a> {02 0000000a} 'x'");
	world_pass(&s->world, 4 * MT_SECOND);
	expect_retained(s, 0x31, "<r/a> {02 00000006} 'x'");
	world_pass(&s->world, 7 * MT_SECOND);
	expect_retained(s, 0, NULL);
}

static void what_waits_for_the_window_expires_too(void **state)
{
	struct scene *s = *state;
	struct world_conn *pub = enter(&s->world, s->version, CLEAN("pub"));
	struct world_conn *conn = enter(&s->world, s->version, "<MQTT> V 02 0000 {21 0001} <a>");
	SPEC(MQTT5, "3.3.2-5");
	send(&s->world, pub, 0x33, "<r/a> 0001 {02 0000000a} 'x'");
	send(&s->world, pub, 0x33, "<r/b> 0002 {02 0000000a} 'x'");
	subscribe(&s->world, conn, "r/#", 1);
	assert_int_equal(conn->out[conn->out_pos], 0x33);
	conn->out_pos = conn->out_bytes;
	world_pass(&s->world, 11 * MT_SECOND);
	send(&s->world, conn, 0x40, "0001");
	expect_quiet(conn);
}

static void aliases_of_a_client_stand_for_topics(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT5, "3.3.2-12");
	subscribe(&s->world, conn, "#", 0);
	/* The broker of these tests announces 8. */
	for (unsigned alias = 1; alias <= 8; alias++) {
		char body[64];
		snprintf(body, sizeof(body), "<t/%u> {23 %04x} 'x'", alias, alias);
		send(&s->world, conn, 0x30, body);
		snprintf(body, sizeof(body), "t/%u", alias);
		expect_message(conn, body, "x");
	}
	send(&s->world, conn, 0x30, "<> {23 0003} 'y'");
	expect_message(conn, "t/3", "y");
	send(&s->world, conn, 0x30, "<other> {23 0003} 'z'");
	expect_message(conn, "other", "z");
	send(&s->world, conn, 0x30, "<> {23 0003} 'z'");
	expect_message(conn, "other", "z");
}

static void an_alias_of_0_or_above_the_maximum_is_refused(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.3.2-8");
	SPEC(MQTT5, "4.13.1-1");
	breaks(s, 0x30, "<t> {23 0000} 'x'", 0x94);
	breaks(s, 0x30, "<t> {23 0009} 'x'", 0x94);
}

static void aliases_end_with_the_connection(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, KEPT("a"));
	SPEC(MQTT5, "3.3.2-7");
	send(&s->world, conn, 0x30, "<t> {23 0001} 'x'");
	world_cut(&s->world, conn);
	conn = enter_again(&s->world, s->version, KEPT("a"));
	send(&s->world, conn, 0x30, "<> {23 0001} 'x'");
	expect_end(conn, 0x82);
}

static void without_a_maximum_no_alias_comes(void **state)
{
	static const char *const connects[] = {CLEAN("a"), "<MQTT> V 02 0000 {22 0000} <a>"};
	struct mt_core_settings settings = world_settings();
	struct scene *s = *state;
	SPEC(MQTT5, "3.1.2-27");
	settings.limits.client_aliases = 16;
	scene_restart(s, &settings, world_policy(NULL, 0));
	for (size_t i = 0; i < MT_COUNT_OF(connects); i++) {
		struct world_conn *conn = enter(&s->world, s->version, connects[i]);
		subscribe(&s->world, conn, "sensors/first", 0);
		for (int n = 0; n < 20; n++) {
			send(&s->world, conn, 0x30, "<sensors/first> {23 0001} 'x'");
			expect_message(conn, "sensors/first", "x");
		}
	}
}

/* What aliases stand for on one connection, as a client keeps it. */
struct alias_book {
	char topic[3][32];
	uint32_t use_count;
};

/* The next PUBLISH of QoS 0 has this topic, by name or by an alias within the maximum of 2. */
static void expect_by_book(struct world_conn *conn, struct alias_book *book, const char *topic)
{
	const uint8_t *at = conn->out + conn->out_pos;
	size_t len = at[2] * 256u + at[3];
	const uint8_t *props = at + 4 + len;
	const char *name = (const char *)at + 4;
	assert_int_equal(at[0], 0x30);
	assert_true(props[0] == 0 || (props[0] == 3 && props[1] == 0x23 && props[2] == 0));
	if (props[0] == 3) {
		assert_in_range(props[3], 1, 2);
		if (len > 0)
			snprintf(book->topic[props[3]], sizeof(book->topic[0]), "%.*s", (int)len,
				 name);
		else
			book->use_count++;
		name = book->topic[props[3]];
		len = strlen(name);
	}
	assert_int_equal(len, strlen(topic));
	assert_memory_equal(name, topic, len);
	conn->out_pos += at[1] + 2u;
}

static void aliases_keep_to_the_clients_maximum(void **state)
{
	static const char *const topics[] = {"sensors/first", "sensors/second", "sensors/third"};
	struct scene *s = *state;
	struct mt_core_settings settings = world_settings();
	struct alias_book book = {.use_count = 0};
	struct world_conn *conn, *pub;
	SPEC(MQTT5, "3.1.2-26");
	SPEC(MQTT5, "3.3.2-8");
	SPEC(MQTT5, "3.3.2-11");
	settings.limits.client_aliases = 16;
	scene_restart(s, &settings, world_policy(NULL, 0));
	conn = enter(&s->world, s->version, "<MQTT> V 02 0000 {22 0002} <a>");
	pub = enter(&s->world, s->version, CLEAN("pub"));
	subscribe(&s->world, conn, "#", 0);
	for (unsigned i = 0; i < 60; i++) {
		const char *topic = topics[i % 7 % 3];
		char body[64];
		snprintf(body, sizeof(body), "<%s> {} 'x'", topic);
		send(&s->world, pub, 0x30, body);
		expect_by_book(conn, &book, topic);
		expect_quiet(conn);
	}
	assert_true(book.use_count > 0);
	/* They end with the connection, also on this side. */
	SPEC(MQTT5, "3.3.2-7");
	world_cut(&s->world, conn);
	conn = enter(&s->world, s->version, "<MQTT> V 02 0000 {22 0002} <a>");
	memset(&book, 0, sizeof(book));
	subscribe(&s->world, conn, "#", 0);
	send(&s->world, pub, 0x30, "<sensors/first> {} 'x'");
	expect_by_book(conn, &book, "sensors/first");
}

static void subscription_identifiers_come_with_the_message(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	struct world_conn *other = enter(&s->world, s->version, CLEAN("b"));
	SPEC(MQTT5, "3.3.4-3");
	SPEC(MQTT5, "3.3.4-4");
	send(&s->world, conn, 0x82, "0001 {0b 07} <a/b> 00");
	expect(conn, 0x90, "0001 {} 00");
	send(&s->world, other, 0x30, "<a/b> {} 'x'");
	expect(conn, 0x30, "<a/b> {0b 07} 'x'");
	subscribe(&s->world, conn, "a/+", 0);
	send(&s->world, other, 0x30, "<a/b> {} 'x'");
	expect(conn, 0x30, "<a/b> {0b 07} 'x'");
	send(&s->world, conn, 0x82, "0001 {0b 8101} <#> 00");
	expect(conn, 0x90, "0001 {} 00");
	send(&s->world, other, 0x30, "<a/b> {} 'x'");
	/* One copy with both, in whichever order. */
	if (conn->out[conn->out_pos + 9] == 7)
		expect(conn, 0x30, "<a/b> {0b 07 0b 8101} 'x'");
	else
		expect(conn, 0x30, "<a/b> {0b 8101 0b 07} 'x'");
	expect_quiet(conn);
	/* Not a single one when no identifier was given. */
	send(&s->world, conn, 0x82, "0001 {} <#> 00");
	expect(conn, 0x90, "0001 {} 00");
	send(&s->world, other, 0x30, "<c> {} 'x'");
	expect_message(conn, "c", "x");
}

static void a_client_sends_no_subscription_identifier(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "4.13.1-1");
	breaks(s, 0x30, "<t> {0b 01} 'x'", 0x82);
}

static void lengths_take_as_few_bytes_as_they_need(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT5, "1.5.5-1");
	SPEC(MQTT5, "4.13.1-1");
	world_send(&s->world, conn, mt_bytes_of("\xc0\x80\x00", 3));
	expect_end(conn, 0x81);
	breaks(s, 0x30, "<t> [8000] 'x'", 0x81);
	breaks(s, 0x82, "0001 {0b 8100} <t> 00", 0x81);
}

static void a_byte_order_mark_stays(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "1.5.3-3");
	SPEC(MQTT5, "1.5.4-3");
	subscribe(&s->world, conn, "+", 0);
	send(&s->world, conn, 0x30, "0005 efbbbf 'ab' {} 'x'");
	expect(conn, 0x30, "0005 efbbbf 'ab' {} 'x'");
	subscribe(&s->world, conn, "ab", 0);
	send(&s->world, conn, 0x30, "0005 'a' efbbbf 'b' {} 'x'");
	expect(conn, 0x30, "0005 'a' efbbbf 'b' {} 'x'");
	expect_quiet(conn);
}

static void qos_0_has_no_packet_id_and_no_dup(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "2.3.1-5");
	SPEC(MQTT3, "3.3.1-2");
	SPEC(MQTT3, "4.3.1-1");
	SPEC(MQTT5, "2.2.1-2");
	SPEC(MQTT5, "2.2.2-1");
	SPEC(MQTT5, "3.3.1-2");
	SPEC(MQTT5, "4.3.1-1");
	subscribe(&s->world, conn, "t", 0);
	send(&s->world, conn, 0x3c, "<t> 0001 {} 'x'");
	expect(conn, 0x30, "<t> {} 'x'");
	expect(conn, 0x50, "0001");
	expect_quiet(conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BOTH(every_qos_has_its_answer),
		IN_BOTH(dup_is_not_passed_on),
		IN_BOTH(qos_3_is_malformed),
		IN_BOTH(dup_of_qos_0_is_wrong),
		IN_BOTH(a_packet_id_of_0_is_wrong),
		IN_BOTH(the_topic_is_a_string_and_comes_first),
		IN_BOTH(a_topic_holds_no_wildcards),
		IN_BOTH(a_topic_is_not_empty),
		IN_BOTH(what_comes_matches_the_filter),
		IN_BOTH(overlapping_subscriptions_give_the_highest_qos),
		IN_3(a_denied_publish_is_acknowledged_or_ends_it),
		IN_BOTH(the_last_retained_message_is_kept_with_its_qos),
		IN_BOTH(an_empty_retained_message_removes),
		IN_BOTH(a_plain_message_leaves_retained_ones_alone),
		IN_BOTH(established_subscriptions_see_no_retain_flag),
		IN_5(retain_as_published_keeps_the_flag),
		IN_5(retain_handling_says_when_they_come),
		IN_5(properties_are_passed_on),
		IN_5(strings_of_properties_are_checked),
		IN_5(expiry_counts_down_and_ends),
		IN_5(an_expired_retained_message_is_gone),
		IN_5(what_waits_for_the_window_expires_too),
		IN_5(aliases_of_a_client_stand_for_topics),
		IN_5(an_alias_of_0_or_above_the_maximum_is_refused),
		IN_5(aliases_end_with_the_connection),
		IN_5(without_a_maximum_no_alias_comes),
		IN_5(aliases_keep_to_the_clients_maximum),
		IN_5(subscription_identifiers_come_with_the_message),
		IN_5(a_client_sends_no_subscription_identifier),
		IN_5(lengths_take_as_few_bytes_as_they_need),
		IN_BOTH(a_byte_order_mark_stays),
		IN_BOTH(qos_0_has_no_packet_id_and_no_dup),
	};
	return cmocka_run_group_tests_name("server: publish", tests, NULL, NULL);
}
