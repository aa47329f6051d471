/* PINGREQ, DISCONNECT, reason codes, packet sizes and the stream itself (sections 3.4 to 3.7, 3.12,
 * 3.14, 4.2, 4.13), as clients see the broker. */
#include "server.h"

static void breaks(struct scene *s, unsigned first, const char *body, uint8_t reason)
{
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("bad"));
	send(&s->world, conn, first, body);
	expect_end(conn, reason);
}

static void ping_is_answered(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.12.4-1");
	SPEC(MQTT5, "3.12.4-1");
	for (int i = 0; i < 3; i++) {
		send(&s->world, conn, 0xc0, "");
		expect(conn, 0xd0, "");
	}
	expect_quiet(conn);
}

static void unknown_reason_codes_end_it(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.4.2-1");
	SPEC(MQTT5, "3.5.2-1");
	SPEC(MQTT5, "3.6.2-1");
	SPEC(MQTT5, "3.7.2-1");
	SPEC(MQTT5, "3.14.2-1");
	SPEC(MQTT5, "4.13.1-1");
	breaks(s, 0x40, "0001 92", 0x82);
	breaks(s, 0x50, "0001 04", 0x82);
	breaks(s, 0x62, "0001 10", 0x82);
	breaks(s, 0x70, "0001 80", 0x82);
	breaks(s, 0xe0, "01", 0x82);
	breaks(s, 0xe0, "8d", 0x82);
}

static void flags_of_disconnect_are_checked(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT3, "2.2.2-2");
	SPEC(MQTT5, "3.14.1-1");
	for (unsigned flags = 1; flags < 16; flags++)
		breaks(s, 0xe0 | flags, "", 0x81);
}

static void flags_of_auth_are_checked(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.15.1-1");
	for (unsigned flags = 1; flags < 16; flags++)
		breaks(s, 0xf0 | flags, "18 {15 <m>}", 0x81);
}

/* What stands behind DISCONNECT in the stream is not looked at. */
static void disconnect_is_the_last_packet(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = enter(&s->world, s->version, CLEAN("w"));
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	struct note note;
	uint8_t bytes[64];
	struct mt_buf buf = mt_buf_of(bytes, sizeof(bytes));
	SPEC(MQTT5, "3.14.4-1");
	SPEC(MQTT5, "3.14.4-2");
	subscribe(&s->world, watcher, "#", 0);
	mt_buf_put(&buf, note_packet(&note, s->version, 0xe0, ""));
	mt_buf_put(&buf, note_packet(&note, s->version, 0x30, "<t> {} 'x'"));
	mt_buf_put(&buf, note_packet(&note, s->version, 0xc0, ""));
	world_send(&s->world, conn, mt_buf_view(&buf));
	expect_closed(conn);
	expect_quiet(watcher);
}

/* The broker's own DISCONNECT: the last packet, without a session expiry, and then the end. */
static void a_broker_says_nothing_behind_its_disconnect(void **state)
{
	struct scene *s = *state;
	struct world_conn *older = enter(&s->world, s->version, KEPT("a"));
	struct world_conn *other = enter(&s->world, s->version, CLEAN("b"));
	SPEC(MQTT5, "3.14.2-1");
	SPEC(MQTT5, "3.14.2-2");
	SPEC(MQTT5, "3.14.4-1");
	SPEC(MQTT5, "3.14.4-2");
	SPEC(MQTT5, "4.13.2-1");
	subscribe(&s->world, older, "#", 0);
	enter_again(&s->world, s->version, KEPT("a"));
	send(&s->world, other, 0x30, "<t> {} 'x'");
	if (s->version == MT_VERSION_5) {
		size_t len = older->out[older->out_pos + 1];
		for (size_t i = 4; len > 1 && i < 2 + len; i++)
			assert_true(older->out[older->out_pos + 3] == 0 ||
				    older->out[older->out_pos + 4] != 0x11);
	}
	expect_end(older, 0x8e);
	/* No other session noticed. */
	expect_quiet(other);
	send(&s->world, other, 0xc0, "");
	expect(other, 0xd0, "");
}

static void one_clients_fault_ends_no_other(void **state)
{
	struct scene *s = *state;
	struct world_conn *other = enter(&s->world, s->version, CLEAN("other"));
	SPEC(MQTT3, "4.8.0-1");
	SPEC(MQTT5, "4.13.1-1");
	SPEC(MQTT5, "4.13.2-1");
	breaks(s, 0x00, "", 0x81);
	breaks(s, 0x20, "00 00 {}", 0x82);
	breaks(s, 0x90, "0001 {} 00", 0x82);
	breaks(s, 0xb0, "0001 {} [00]", 0x82);
	breaks(s, 0xd0, "", 0x82);
	expect_quiet(other);
	send(&s->world, other, 0xc0, "");
	expect(other, 0xd0, "");
}

/* One byte at a time, and all at once: the same conversation. */
static void the_stream_has_no_other_borders(void **state)
{
	struct scene *s = *state;
	struct note note;
	uint8_t bytes[256];
	struct mt_buf buf = mt_buf_of(bytes, sizeof(bytes));
	SPEC(MQTT5, "4.2-1");
	mt_buf_put(&buf, note_packet(&note, s->version, 0x10, CLEAN("a")));
	mt_buf_put(&buf, note_packet(&note, s->version, 0x82, "0001 {} <t> 00"));
	mt_buf_put(&buf, note_packet(&note, s->version, 0x34, "<t> 0002 {} 'x'"));
	mt_buf_put(&buf, note_packet(&note, s->version, 0xc0, ""));
	for (size_t step = 1; step <= buf.pos; step++) {
		struct world_conn *conn = dial(&s->world, s->version, "open");
		for (size_t at = 0; at < buf.pos; at += step) {
			size_t len = buf.pos - at < step ? buf.pos - at : step;
			world_send(&s->world, conn, mt_bytes_of(bytes + at, len));
		}
		expect_connack(conn, 0, 0);
		expect(conn, 0x90, "0001 {} 00");
		expect(conn, 0x30, "<t> {} 'x'");
		expect(conn, 0x50, "0002");
		expect(conn, 0xd0, "");
		expect_quiet(conn);
		world_cut(&s->world, conn);
	}
}

static void a_message_too_large_counts_as_sent(void **state)
{
	struct scene *s = *state;
	struct world_conn *small =
		enter(&s->world, s->version, "<MQTT> V 02 0000 {27 00000020} <s>");
	struct world_conn *large = enter(&s->world, s->version, CLEAN("l"));
	SPEC(MQTT5, "3.1.2-24");
	SPEC(MQTT5, "3.1.2-25");
	subscribe(&s->world, small, "t", 1);
	subscribe(&s->world, large, "t", 1);
	send(&s->world, large, 0x32, "<t> 0001 {} '0123456789012345678901234567890'");
	expect(large, 0x32, "<t> 0001 {} '0123456789012345678901234567890'");
	expect(large, 0x40, "0001");
	expect_quiet(small);
	/* Exactly 32 bytes: 2 + 3 + 2 + 1 + 24. */
	send(&s->world, large, 0x32, "<t> 0002 {} '012345678901234567890123'");
	assert_int_equal(small->out_bytes - small->out_pos, 32);
}

struct seen {
	bool has_come[16];
	bool has_reason_string[16];
};

/* Walks what came: no packet above the maximum, no user property, and which had a reason string. */
static void look_through(struct world_conn *conn, size_t bytes_max, struct seen *seen)
{
	static const uint8_t props_at[16] = {
		[2] = 2, [4] = 3, [5] = 3, [6] = 3, [7] = 3, [9] = 2, [11] = 2, [14] = 1};
	while (!world_is_quiet(conn)) {
		const uint8_t *at = conn->out + conn->out_pos;
		uint8_t type = at[0] >> 4, start = (uint8_t)(2 + props_at[type]);
		assert_true(at[1] < 128);
		assert_true(at[1] + 2u <= bytes_max);
		conn->out_pos += at[1] + 2u;
		seen->has_come[type] = true;
		if (start >= at[1] + 2u)
			continue;
		for (size_t i = start + 1u; i < start + 1u + at[start];) {
			static const uint8_t sizes[128] = {[0x21] = 3, [0x22] = 3, [0x27] = 5};
			assert_int_not_equal(at[i], 0x26);
			seen->has_reason_string[type] |= at[i] == 0x1f;
			if (sizes[at[i]] == 0)
				break;
			i += sizes[at[i]];
		}
	}
}

/* All that a broker may want to explain, to a client that takes so many bytes a packet. */
static void converse(struct scene *s, size_t bytes_max, unsigned problem_info, struct seen *seen)
{
	char connect[128];
	struct world_conn *conn = dial(&s->world, s->version, "");
	struct mt_auth_verdict yes = {.is_accepted = true, .user_id = 7};
	snprintf(connect, sizeof(connect), "<MQTT> V c2 0000 {27 %08zx 17 %02x} <a> <ann> <p>",
		 bytes_max, problem_info);
	send(&s->world, conn, 0x10, connect);
	mt_core_authenticated(s->world.core, s->world.now, s->world.auth_ticket, &yes);
	world_serve(&s->world);
	send(&s->world, conn, 0x32, "<denied> 0001 {} 'x'");
	send(&s->world, conn, 0x34, "<denied> 0002 {} 'x'");
	send(&s->world, conn, 0x82, "0003 {} <denied> 00");
	send(&s->world, conn, 0xa2, "0004 {} <none>");
	send(&s->world, conn, 0x62, "0005");
	send(&s->world, conn, 0x50, "0006");
	send(&s->world, conn, 0x36, "");
	assert_true(conn->is_closed);
	look_through(conn, bytes_max, seen);
	/* And a CONNACK that refuses. */
	conn = dial(&s->world, s->version, "");
	snprintf(connect, sizeof(connect), "<MQTT> V 02 0000 {27 %08zx 17 %02x} <a>", bytes_max,
		 problem_info);
	send(&s->world, conn, 0x10, connect);
	assert_true(conn->is_closed);
	assert_true(bytes_max < 9 || !world_is_quiet(conn));
	look_through(conn, bytes_max, seen);
}

static void explanations_fit_the_client(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.1.2-24");
	SPEC(MQTT5, "3.2.2-19");
	SPEC(MQTT5, "3.2.2-20");
	SPEC(MQTT5, "3.4.2-2");
	SPEC(MQTT5, "3.4.2-3");
	SPEC(MQTT5, "3.5.2-2");
	SPEC(MQTT5, "3.5.2-3");
	SPEC(MQTT5, "3.6.2-2");
	SPEC(MQTT5, "3.6.2-3");
	SPEC(MQTT5, "3.7.2-2");
	SPEC(MQTT5, "3.7.2-3");
	SPEC(MQTT5, "3.9.2-1");
	SPEC(MQTT5, "3.9.2-2");
	SPEC(MQTT5, "3.11.2-1");
	SPEC(MQTT5, "3.11.2-2");
	SPEC(MQTT5, "3.14.2-3");
	SPEC(MQTT5, "3.14.2-4");
	for (size_t bytes_max = 2; bytes_max < 100; bytes_max++) {
		struct mt_core_settings settings = world_settings();
		static const uint8_t answers[] = {2, 4, 5, 6, 7, 9, 11, 14};
		struct seen seen = {{false}, {false}};
		scene_restart(s, &settings, world_policy(NULL, 0));
		converse(s, bytes_max, 1, &seen);
		/* Where CONNACK has room, every other answer has, and comes. */
		for (size_t i = 0; bytes_max > 24 && i < sizeof(answers); i++)
			assert_true(seen.has_come[answers[i]]);
		if (bytes_max < 99)
			continue;
		/* With room enough they do come: CONNACK, PUBACK, PUBREC, SUBACK, DISCONNECT. */
		assert_true(seen.has_reason_string[2]);
		assert_true(seen.has_reason_string[4]);
		assert_true(seen.has_reason_string[5]);
		assert_true(seen.has_reason_string[9]);
		assert_true(seen.has_reason_string[14]);
	}
}

static void no_explanations_where_none_are_wanted(void **state)
{
	struct scene *s = *state;
	struct seen seen = {{false}, {false}};
	SPEC(MQTT5, "3.1.2-29");
	converse(s, 1000, 0, &seen);
	for (unsigned type = 3; type < 14; type++)
		assert_false(seen.has_reason_string[type]);
}

static void response_information_comes_on_request(void **state)
{
	struct scene *s = *state;
	struct mt_core_settings settings = world_settings();
	struct world_conn *conn;
	SPEC(MQTT5, "3.1.2-28");
	settings.response_topic = "answers/%c";
	scene_restart(s, &settings, world_policy(NULL, 0));
	conn = dial(&s->world, s->version, "open");
	send(&s->world, conn, 0x10, "<MQTT> V 02 0000 {19 01} <a>");
	assert_non_null(memmem(conn->out, conn->out_bytes, "answers/a", 9));
	conn = dial(&s->world, s->version, "open");
	send(&s->world, conn, 0x10, "<MQTT> V 02 0000 {19 00} <a>");
	assert_null(memmem(conn->out, conn->out_bytes, "answers", 7));
	conn = dial(&s->world, s->version, "open");
	send(&s->world, conn, 0x10, CLEAN("a"));
	assert_null(memmem(conn->out, conn->out_bytes, "answers", 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BOTH(ping_is_answered),
		IN_5(unknown_reason_codes_end_it),
		IN_BOTH(flags_of_disconnect_are_checked),
		IN_5(flags_of_auth_are_checked),
		IN_BOTH(disconnect_is_the_last_packet),
		IN_BOTH(a_broker_says_nothing_behind_its_disconnect),
		IN_BOTH(one_clients_fault_ends_no_other),
		IN_BOTH(the_stream_has_no_other_borders),
		IN_5(a_message_too_large_counts_as_sent),
		IN_5(explanations_fit_the_client),
		IN_5(no_explanations_where_none_are_wanted),
		IN_5(response_information_comes_on_request),
	};
	return cmocka_run_group_tests_name("server: ends", tests, NULL, NULL);
}
