/* CONNECT and CONNACK (sections 3.1 and 3.2), as a client sees the broker. */
#include "server.h"

/* The broker refuses: at most a CONNACK that says no comes, then the end. */
static void expect_refusal(struct world_conn *conn)
{
	if (!world_is_quiet(conn)) {
		const uint8_t *at = conn->out + conn->out_pos;
		assert_int_equal(at[0], 0x20);
		assert_int_equal(at[2], 0);
		assert_true(at[3] > 0);
		conn->out_pos += 2u + at[1];
	}
	expect_closed(conn);
}

/* In 3.1.1 a CONNECT against the format is not answered at all. */
static void expect_format_refusal(struct world_conn *conn)
{
	if (conn->version == MT_VERSION_5)
		expect_refusal(conn);
	else
		expect_closed(conn);
}

static void refuses(struct scene *s, const char *connect)
{
	struct world_conn *conn = dial(&s->world, s->version, "open");
	send(&s->world, conn, 0x10, connect);
	expect_format_refusal(conn);
}

static void connect_is_the_first_packet(void **state)
{
	static const struct {
		unsigned first;
		const char *body;
	} others[] = {
		{0x20, "00 00 {}"},
		{0x30, "<t> {} 'x'"},
		{0x40, "0001"},
		{0x50, "0001"},
		{0x62, "0001"},
		{0x70, "0001"},
		{0x82, "0001 {} <t> 00"},
		{0x90, "0001 {} 00"},
		{0xa2, "0001 {} <t>"},
		{0xb0, "0001 {} [00]"},
		{0xc0, ""},
		{0xd0, ""},
		{0xe0, ""},
		{0xf0, "18 {}"},
	};
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.0-1");
	SPEC(MQTT5, "3.1.0-1");
	SPEC(MQTT3, "3.2.0-1");
	SPEC(MQTT5, "3.2.0-1");
	SPEC(MQTT5, "3.14.0-1");
	for (size_t i = 0; i < MT_COUNT_OF(others); i++) {
		struct world_conn *conn = dial(&s->world, s->version, "open");
		send(&s->world, conn, others[i].first, others[i].body);
		expect_closed(conn);
	}
}

static void second_connect_ends_it(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.1.0-2");
	SPEC(MQTT5, "3.1.0-2");
	SPEC(MQTT5, "3.2.0-2");
	send(&s->world, conn, 0x10, CLEAN("a"));
	expect_end(conn, 0x82);
}

static void other_protocols_are_not_served(void **state)
{
	static const char *const connects[] = {
		"<mqtt> V 02 0000 {} <a>", "<MQTX> V 02 0000 {} <a>",  "<MQIsdp> V 02 0000 {} <a>",
		"<> V 02 0000 {} <a>",	   "<MQTTS> V 02 0000 {} <a>",
	};
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-1");
	SPEC(MQTT5, "3.1.2-1");
	for (size_t i = 0; i < MT_COUNT_OF(connects); i++) {
		struct world_conn *conn = dial(&s->world, s->version, "open");
		send(&s->world, conn, 0x10, connects[i]);
		expect_refusal(conn);
	}
}

static void other_versions_are_answered_with_a_refusal(void **state)
{
	static const char *const connects[] = {"<MQTT> 03 02 0000 <a>", "<MQTT> 06 02 0000 00 <a>",
					       "<MQTT> 00 02 0000 <a>", "<MQTT> ff 02 0000 <a>"};
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-2");
	SPEC(MQTT5, "3.1.2-2");
	for (size_t i = 0; i < MT_COUNT_OF(connects); i++) {
		struct world_conn *conn = dial(&s->world, MT_VERSION_3_1_1, "open");
		send(&s->world, conn, 0x10, connects[i]);
		expect(conn, 0x20, "00 01");
		expect_closed(conn);
	}
}

static void reserved_flag_is_checked(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-3");
	SPEC(MQTT5, "3.1.2-3");
	SPEC(MQTT3, "3.1.4-1");
	refuses(s, "<MQTT> V 03 0000 {} <a>");
	refuses(s, "<MQTT> V 01 0000 {} <a>");
}

static void header_flags_are_checked(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "2.1.3-1");
	SPEC(MQTT5, "3.1.4-1");
	SPEC(MQTT3, "2.2.2-1");
	SPEC(MQTT3, "2.2.2-2");
	for (unsigned flags = 1; flags < 16; flags++) {
		struct world_conn *conn = dial(&s->world, s->version, "open");
		send(&s->world, conn, 0x10 | flags, CLEAN("a"));
		expect_format_refusal(conn);
	}
}

static void will_flags_agree(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-11");
	SPEC(MQTT3, "3.1.2-13");
	SPEC(MQTT3, "3.1.2-15");
	SPEC(MQTT5, "3.1.2-11");
	SPEC(MQTT5, "3.1.2-13");
	refuses(s, "<MQTT> V 0a 0000 {} <a>");
	refuses(s, "<MQTT> V 12 0000 {} <a>");
	refuses(s, "<MQTT> V 22 0000 {} <a>");
	/* No will flag, but a will: bytes that belong to nothing. */
	refuses(s, "<MQTT> V 02 0000 {} <a> {} <w> <p>");
}

static void will_qos_is_at_most_2(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-14");
	SPEC(MQTT5, "3.1.2-12");
	refuses(s, "<MQTT> V 1e 0000 {} <a> {} <w> <p>");
	enter(&s->world, s->version, "<MQTT> V 16 0000 {} <a> {} <w> <p>");
}

static void will_flag_goes_with_topic_and_payload(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-9");
	SPEC(MQTT5, "3.1.2-9");
	refuses(s, "<MQTT> V 06 0000 {} <a>");
	refuses(s, "<MQTT> V 06 0000 {} <a> {}");
	refuses(s, "<MQTT> V 06 0000 {} <a> {} <w>");
	refuses(s, "<MQTT> V 06 0000 {} <a> {} <w> 0005 'p'");
	enter(&s->world, s->version, "<MQTT> V 06 0000 {} <a> {} <w> <>");
}

static void user_name_flag_goes_with_a_user_name(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-18");
	SPEC(MQTT3, "3.1.2-19");
	SPEC(MQTT5, "3.1.2-16");
	SPEC(MQTT5, "3.1.2-17");
	refuses(s, "<MQTT> V 02 0000 {} <a> <u>");
	refuses(s, "<MQTT> V 82 0000 {} <a>");
	refuses(s, "<MQTT> V 82 0000 {} <a> <u> <p>");
}

static void password_flag_goes_with_a_password(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-20");
	SPEC(MQTT3, "3.1.2-21");
	SPEC(MQTT5, "3.1.2-18");
	SPEC(MQTT5, "3.1.2-19");
	refuses(s, "<MQTT> V 82 0000 {} <a> <u> <p>");
	refuses(s, "<MQTT> V c2 0000 {} <a> <u>");
}

static void password_needs_a_user_name_in_3(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.2-22");
	refuses(s, "<MQTT> V 42 0000 <a> <p>");
}

static void client_id_is_there(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.3-3");
	SPEC(MQTT5, "3.1.3-3");
	refuses(s, "<MQTT> V 02 0000 {}");
	refuses(s, "<MQTT> V 02 0000 {} 0002 'a'");
}

static void strings_are_well_formed(void **state)
{
	static const char *const bad[] = {"0001 80", "0002 c0 80",	 "0003 ed a0 80",
					  "0001 ff", "0004 f4 90 80 80", "0001 00"};
	char connect[128];
	struct scene *s = *state;
	SPEC(MQTT3, "1.5.3-1");
	SPEC(MQTT3, "1.5.3-2");
	SPEC(MQTT3, "3.1.3-4");
	SPEC(MQTT3, "3.1.3-10");
	SPEC(MQTT3, "3.1.3-11");
	SPEC(MQTT5, "1.5.4-1");
	SPEC(MQTT5, "1.5.4-2");
	SPEC(MQTT5, "3.1.3-4");
	SPEC(MQTT5, "3.1.3-11");
	SPEC(MQTT5, "3.1.3-12");
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		snprintf(connect, sizeof(connect), "<MQTT> V 02 0000 {} %s", bad[i]);
		refuses(s, connect);
		snprintf(connect, sizeof(connect), "<MQTT> V 06 0000 {} <a> {} %s <p>", bad[i]);
		refuses(s, connect);
		snprintf(connect, sizeof(connect), "<MQTT> V 82 0000 {} <a> %s", bad[i]);
		refuses(s, connect);
	}
}

/* Every field stands where the standard puts it, so each means what it should. */
static void payload_has_its_order(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = enter(&s->world, s->version, CLEAN("watcher"));
	struct world_conn *conn = dial(&s->world, s->version, "");
	struct mt_auth_verdict yes = {.is_accepted = true, .user_id = 7};
	struct mt_rule rule = {
		.operation = MT_OPERATION_BOTH, .qos_mask = 7, .filter = mt_bytes_str("will/%c")};
	struct mt_policy *policy = world_policy(&rule, 1);
	SPEC(MQTT3, "3.1.3-1");
	SPEC(MQTT5, "3.1.3-1");
	mt_core_set_policy(s->world.core, s->world.now, policy);
	mt_policy_unref(&policy);
	subscribe(&s->world, watcher, "will/#", 0);
	send(&s->world, conn, 0x10,
	     "<MQTT> V c6 0000 {} <id> {01 01} <will/id> <gone> <ann> <secret>");
	assert_string_equal(s->world.auth_user, "ann");
	assert_string_equal(s->world.auth_password, "secret");
	mt_core_authenticated(s->world.core, s->world.now, s->world.auth_ticket, &yes);
	world_serve(&s->world);
	expect_connack(conn, 0, 0);
	world_cut(&s->world, conn);
	expect(watcher, 0x30, "<will/id> {01 01} 'gone'");
}

static void ids_of_1_to_23_letters_and_digits_are_taken(void **state)
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	struct scene *s = *state;
	SPEC(MQTT3, "3.1.3-5");
	SPEC(MQTT5, "3.1.3-5");
	for (size_t len = 1; len <= 23; len++) {
		char connect[128];
		struct world_conn *conn;
		snprintf(connect, sizeof(connect), "<MQTT> V 02 0000 {} <%.*s>", (int)len,
			 letters + (len * 7) % 39);
		conn = enter(&s->world, s->version, connect);
		world_cut(&s->world, conn);
	}
}

static void an_empty_id_gets_one_of_its_own(void **state)
{
	struct scene *s = *state;
	struct world_conn *first = enter(&s->world, s->version, CLEAN(""));
	struct world_conn *second = enter(&s->world, s->version, CLEAN(""));
	SPEC(MQTT3, "3.1.3-6");
	SPEC(MQTT5, "3.1.3-6");
	/* Were they one id, the second had taken over the first. */
	expect_quiet(first);
	subscribe(&s->world, first, "t", 0);
	send(&s->world, second, 0x30, "<t> {} 'x'");
	expect_message(first, "t", "x");
	expect_quiet(second);
}

/* Finds the assigned client id (0x12) in CONNACK. */
static struct mt_bytes assigned_id(struct world_conn *conn)
{
	const uint8_t *at = conn->out + conn->out_pos;
	size_t len = at[1] + 2u;
	conn->out_pos += len;
	assert_int_equal(at[3], 0);
	for (size_t i = 5; i + 3 < len; i++)
		if (at[i] == 0x12 && at[i + 1] == 0 && i + 3 + at[i + 2] <= len)
			return mt_bytes_of(at + i + 3, at[i + 2]);
	fail_msg("no assigned client id");
	return mt_bytes_of(NULL, 0);
}

static void the_assigned_id_is_the_clients_own(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = dial(&s->world, s->version, "open"), *other;
	char connect[256];
	struct mt_bytes id;
	SPEC(MQTT5, "3.1.3-7");
	SPEC(MQTT5, "3.2.2-16");
	send(&s->world, conn, 0x10, KEPT(""));
	id = assigned_id(conn);
	assert_true(id.len > 0);
	other = dial(&s->world, s->version, "open");
	send(&s->world, other, 0x10, KEPT(""));
	assert_false(mt_bytes_equal(assigned_id(other), id));
	world_cut(&s->world, conn);
	snprintf(connect, sizeof(connect), "<MQTT> V 00 0000 {11 00000258} <%.*s>", (int)id.len,
		 (const char *)id.data);
	enter_again(&s->world, s->version, connect);
}

static void an_empty_id_cannot_keep_a_session_in_3(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = dial(&s->world, s->version, "open");
	SPEC(MQTT3, "3.1.3-8");
	send(&s->world, conn, 0x10, KEPT(""));
	expect(conn, 0x20, "00 02");
	expect_closed(conn);
}

/* The user `ann` may come with ids that begin with her name only. */
static struct mt_policy *policy_with_id_rule(void)
{
	struct mt_policy_builder *builder = mt_policy_builder_create(1, (struct mt_seed){{3, 4}});
	struct mt_user user = {.id = 7,
			       .name = mt_bytes_str("ann"),
			       .is_enabled = true,
			       .client_id_rule = mt_bytes_str("%u-*")};
	struct mt_policy *policy;
	assert_int_equal(mt_policy_builder_user(builder, &user, NULL, 0), MT_OK);
	assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
	return policy;
}

static void a_refused_id_ends_it(void **state)
{
	struct scene *s = *state;
	struct mt_core_settings settings = world_settings();
	struct mt_auth_verdict yes = {.is_accepted = true, .user_id = 7};
	struct world_conn *conn;
	SPEC(MQTT3, "3.1.3-9");
	SPEC(MQTT5, "3.1.3-8");
	scene_restart(s, &settings, policy_with_id_rule());
	conn = dial(&s->world, s->version, "");
	send(&s->world, conn, 0x10, "<MQTT> V c2 0000 {} <bob-1> <ann> <secret>");
	mt_core_authenticated(s->world.core, s->world.now, s->world.auth_ticket, &yes);
	world_serve(&s->world);
	expect_connack(conn, 0, s->version == MT_VERSION_5 ? 0x85 : 2);
	expect_closed(conn);
}

static void a_failed_check_ends_it(void **state)
{
	struct scene *s = *state;
	struct mt_auth_verdict no = {.reason = MT_REASON_BAD_USER_NAME_OR_PASSWORD};
	struct world_conn *conn = dial(&s->world, s->version, "");
	SPEC(MQTT3, "3.2.2-4");
	SPEC(MQTT3, "3.2.2-5");
	SPEC(MQTT5, "3.1.4-2");
	SPEC(MQTT5, "3.2.2-6");
	SPEC(MQTT5, "3.2.2-7");
	SPEC(MQTT5, "3.2.2-8");
	send(&s->world, conn, 0x10, "<MQTT> V c2 0000 {} <a> <ann> <wrong>");
	mt_core_authenticated(s->world.core, s->world.now, s->world.auth_ticket, &no);
	world_serve(&s->world);
	expect_connack(conn, 0, s->version == MT_VERSION_5 ? 0x86 : 4);
	expect_closed(conn);
	/* Without a name, where one is needed. */
	conn = dial(&s->world, s->version, "");
	send(&s->world, conn, 0x10, CLEAN("a"));
	expect_connack(conn, 0, s->version == MT_VERSION_5 ? 0x87 : 5);
	expect_closed(conn);
}

/* Even when a session of that name is there, a refusal does not tell. */
static void a_refusal_has_no_session_present(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, KEPT("a"));
	SPEC(MQTT3, "3.2.2-4");
	SPEC(MQTT5, "3.2.2-6");
	world_cut(&s->world, conn);
	conn = dial(&s->world, s->version, "");
	send(&s->world, conn, 0x10, KEPT("a"));
	expect_connack(conn, 0, s->version == MT_VERSION_5 ? 0x87 : 5);
	expect_closed(conn);
	enter_again(&s->world, s->version, KEPT("a"));
}

static void nothing_fits_so_nothing_is_said(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "3.2.2-6");
	SPEC(MQTT3, "3.1.4-1");
	refuses(s, "<MQTT> V 02 00");
	refuses(s, "<MQTT> V 02 0000 <a> 00");
	refuses(s, "00");
}

static void the_older_connection_ends(void **state)
{
	struct scene *s = *state;
	struct world_conn *older = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.1.4-2");
	SPEC(MQTT5, "3.1.4-3");
	enter(&s->world, s->version, CLEAN("a"));
	expect_end(older, 0x8e);
}

static void connect_is_answered_once(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = dial(&s->world, s->version, "open");
	SPEC(MQTT3, "3.1.4-4");
	SPEC(MQTT3, "3.2.0-1");
	SPEC(MQTT5, "3.1.4-5");
	SPEC(MQTT5, "3.2.0-1");
	SPEC(MQTT5, "3.2.0-2");
	SPEC(MQTT5, "3.2.2-1");
	SPEC(MQTT5, "3.2.2-8");
	expect_quiet(conn);
	send(&s->world, conn, 0x10, CLEAN("a"));
	expect_connack(conn, 0, 0);
	expect_quiet(conn);
	world_pass(&s->world, MT_SECOND);
	send(&s->world, conn, 0xc0, "");
	expect(conn, 0xd0, "");
	expect_quiet(conn);
}

/* Packets behind a CONNECT that is refused, in the same bytes and later. */
static void nothing_behind_a_refused_connect_counts(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = enter(&s->world, s->version, CLEAN("w"));
	struct world_conn *conn = dial(&s->world, s->version, "");
	struct note note;
	uint8_t bytes[256];
	struct mt_buf buf = mt_buf_of(bytes, sizeof(bytes));
	SPEC(MQTT3, "3.1.4-5");
	SPEC(MQTT5, "3.1.4-6");
	subscribe(&s->world, watcher, "#", 0);
	mt_buf_put(&buf, note_packet(&note, s->version, 0x10, CLEAN("a")));
	mt_buf_put(&buf, note_packet(&note, s->version, 0x30, "<t> {} 'x'"));
	mt_core_input(s->world.core, s->world.now, conn->conn, mt_buf_view(&buf));
	world_serve(&s->world);
	expect_connack(conn, 0, s->version == MT_VERSION_5 ? 0x87 : 5);
	expect_closed(conn);
	send(&s->world, conn, 0x30, "<t> {} 'y'");
	expect_quiet(watcher);
}

static void session_present_tells_the_truth(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn;
	SPEC(MQTT3, "3.1.2-4");
	SPEC(MQTT3, "3.1.4-3");
	SPEC(MQTT3, "3.2.2-1");
	SPEC(MQTT3, "3.2.2-2");
	SPEC(MQTT3, "3.2.2-3");
	SPEC(MQTT5, "3.1.2-6");
	SPEC(MQTT5, "3.1.4-4");
	SPEC(MQTT5, "3.2.2-1");
	SPEC(MQTT5, "3.2.2-2");
	SPEC(MQTT5, "3.2.2-3");
	conn = enter(&s->world, s->version, KEPT("a"));
	world_cut(&s->world, conn);
	conn = enter_again(&s->world, s->version, KEPT("a"));
	world_cut(&s->world, conn);
	conn = enter(&s->world, s->version, "<MQTT> V 02 0000 {11 00000258} <a>");
	world_cut(&s->world, conn);
}

static void wills_behind_the_offer_are_refused(void **state)
{
	static const struct mt_offer poor = {.qos_max = 0, .server_reference = ""};
	struct mt_conn_facts facts = {.listener = "poor",
				      .anonymous_role = "open",
				      .has_anonymous_sessions = true,
				      .offer = &poor,
				      .is_secret_safe = true};
	struct scene *s = *state;
	static const char *const connects[] = {"<MQTT> V 0e 0000 {} <a> {} <w> <p>",
					       "<MQTT> V 26 0000 {} <a> {} <w> <p>"};
	static const uint8_t reasons[] = {0x9b, 0x9a};
	SPEC(MQTT5, "3.2.2-12");
	SPEC(MQTT5, "3.2.2-13");
	for (size_t i = 0; i < 2; i++) {
		struct world_conn *conn = dial(&s->world, s->version, "open");
		world_cut(&s->world, conn);
		conn->is_closed = false;
		assert_int_equal(mt_core_open(s->world.core, s->world.now, &facts, &conn->conn),
				 MT_OK);
		send(&s->world, conn, 0x10, connects[i]);
		expect_connack(conn, 0, reasons[i]);
		expect_closed(conn);
	}
}

static void silence_of_one_and_a_half_keep_alives_ends_it(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, "<MQTT> V 02 000a {} <a>");
	struct world_conn *endless = enter(&s->world, s->version, CLEAN("b"));
	SPEC(MQTT3, "3.1.2-24");
	SPEC(MQTT5, "3.1.2-22");
	SPEC(MQTT5, "3.2.2-22");
	for (int i = 0; i < 3; i++) {
		world_pass(&s->world, 14 * MT_SECOND);
		send(&s->world, conn, 0xc0, "");
		expect(conn, 0xd0, "");
	}
	world_pass(&s->world, 14 * MT_SECOND);
	expect_quiet(conn);
	world_pass(&s->world, 2 * MT_SECOND);
	expect_end(conn, 0x8d);
	world_pass(&s->world, 100000 * MT_SECOND);
	expect_quiet(endless);
}

static void a_server_keep_alive_is_announced(void **state)
{
	struct scene *s = *state;
	struct mt_core_settings settings = world_settings();
	struct world_conn *conn;
	SPEC(MQTT5, "3.1.2-22");
	settings.limits.keep_alive_s = 10;
	scene_restart(s, &settings, world_policy(NULL, 0));
	conn = dial(&s->world, s->version, "open");
	send(&s->world, conn, 0x10, "<MQTT> V 02 0064 {} <a>");
	assert_non_null(memmem(conn->out + 5, conn->out_bytes - 5, "\x13\x00\x0a", 3));
	expect_connack(conn, 0, 0);
	world_pass(&s->world, 14 * MT_SECOND);
	expect_quiet(conn);
	world_pass(&s->world, 2 * MT_SECOND);
	expect_end(conn, 0x8d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BOTH(connect_is_the_first_packet),
		IN_BOTH(second_connect_ends_it),
		IN_BOTH(other_protocols_are_not_served),
		IN_BOTH(other_versions_are_answered_with_a_refusal),
		IN_BOTH(reserved_flag_is_checked),
		IN_BOTH(header_flags_are_checked),
		IN_BOTH(will_flags_agree),
		IN_BOTH(will_qos_is_at_most_2),
		IN_BOTH(will_flag_goes_with_topic_and_payload),
		IN_BOTH(user_name_flag_goes_with_a_user_name),
		IN_BOTH(password_flag_goes_with_a_password),
		IN_3(password_needs_a_user_name_in_3),
		IN_BOTH(client_id_is_there),
		IN_BOTH(strings_are_well_formed),
		IN_BOTH(payload_has_its_order),
		IN_BOTH(ids_of_1_to_23_letters_and_digits_are_taken),
		IN_BOTH(an_empty_id_gets_one_of_its_own),
		IN_5(the_assigned_id_is_the_clients_own),
		IN_3(an_empty_id_cannot_keep_a_session_in_3),
		IN_BOTH(a_refused_id_ends_it),
		IN_BOTH(a_failed_check_ends_it),
		IN_BOTH(a_refusal_has_no_session_present),
		IN_3(nothing_fits_so_nothing_is_said),
		IN_BOTH(the_older_connection_ends),
		IN_BOTH(connect_is_answered_once),
		IN_BOTH(nothing_behind_a_refused_connect_counts),
		IN_BOTH(session_present_tells_the_truth),
		IN_5(wills_behind_the_offer_are_refused),
		IN_BOTH(silence_of_one_and_a_half_keep_alives_ends_it),
		IN_5(a_server_keep_alive_is_announced),
	};
	return cmocka_run_group_tests_name("server: connect", tests, NULL, NULL);
}
