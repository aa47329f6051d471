/* Sessions and their state (sections 3.1.2.4, 3.1.2.11 and 4.1), as clients see the broker. */
#include "server.h"

/* What reached the client of this id while it was away. */
static struct world_conn *come_back(struct scene *s)
{
	return enter_again(&s->world, s->version, KEPT("a"));
}

static void a_kept_session_goes_on(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, KEPT("a"));
	struct world_conn *other = enter(&s->world, s->version, CLEAN("b"));
	SPEC(MQTT3, "3.1.2-4");
	SPEC(MQTT3, "3.1.2-5");
	SPEC(MQTT3, "4.5.0-1");
	SPEC(MQTT5, "3.1.2-5");
	SPEC(MQTT5, "3.1.2-23");
	SPEC(MQTT5, "4.5.0-1");
	subscribe(&s->world, conn, "t", 2);
	world_cut(&s->world, conn);
	send(&s->world, other, 0x32, "<t> 0001 {} 'one'");
	send(&s->world, other, 0x34, "<t> 0002 {} 'two'");
	expect(other, 0x40, "0001");
	expect(other, 0x50, "0002");
	conn = come_back(s);
	expect(conn, 0x32, "<t> 0001 {} 'one'");
	expect(conn, 0x34, "<t> 0002 {} 'two'");
	/* The subscription went on as well. */
	send(&s->world, other, 0x30, "<t> {} 'three'");
	expect_message(conn, "t", "three");
}

static void a_clean_start_forgets(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, KEPT("a"));
	struct world_conn *other = enter(&s->world, s->version, CLEAN("b"));
	SPEC(MQTT3, "3.1.2-6");
	SPEC(MQTT3, "3.1.4-3");
	SPEC(MQTT5, "3.1.2-4");
	SPEC(MQTT5, "3.1.4-4");
	subscribe(&s->world, conn, "t", 1);
	world_cut(&s->world, conn);
	send(&s->world, other, 0x32, "<t> 0001 {} 'one'");
	expect(other, 0x40, "0001");
	conn = enter(&s->world, s->version, CLEAN("a"));
	expect_quiet(conn);
	send(&s->world, other, 0x32, "<t> 0001 {} 'two'");
	expect(other, 0x40, "0001 [10]");
	expect_quiet(conn);
}

/* In 3.1.1 a clean session also leaves nothing behind; in 5 one without an expiry. */
static void a_clean_session_is_not_used_again(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.1.2-6");
	SPEC(MQTT5, "4.1.0-2");
	subscribe(&s->world, conn, "t", 1);
	world_cut(&s->world, conn);
	conn = enter(&s->world, s->version, KEPT("a"));
	send(&s->world, conn, 0x30, "<t> {} 'x'");
	expect_quiet(conn);
}

static void retained_messages_outlive_sessions(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.1.2-7");
	send(&s->world, conn, 0x31, "<t> {} 'kept'");
	world_cut(&s->world, conn);
	conn = enter(&s->world, s->version, CLEAN("a"));
	subscribe(&s->world, conn, "t", 0);
	expect(conn, 0x31, "<t> {} 'kept'");
}

static void state_goes_by_the_client_id(void **state)
{
	struct scene *s = *state;
	struct world_conn *a = enter(&s->world, s->version, KEPT("a"));
	struct world_conn *b = enter(&s->world, s->version, KEPT("b"));
	SPEC(MQTT3, "3.1.3-2");
	SPEC(MQTT5, "3.1.3-2");
	subscribe(&s->world, a, "of/a", 0);
	subscribe(&s->world, b, "of/b", 0);
	world_cut(&s->world, a);
	world_cut(&s->world, b);
	b = enter_again(&s->world, s->version, KEPT("b"));
	a = enter_again(&s->world, s->version, KEPT("a"));
	send(&s->world, b, 0x30, "<of/a> {} '1'");
	send(&s->world, a, 0x30, "<of/b> {} '2'");
	expect_message(a, "of/a", "1");
	expect_message(b, "of/b", "2");
	expect_quiet(a);
	expect_quiet(b);
	enter(&s->world, s->version, KEPT("A"));
}

static void an_open_connection_keeps_its_session(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT5, "4.1.0-1");
	subscribe(&s->world, conn, "t", 0);
	/* No expiry at all, and a week of silence. */
	world_pass(&s->world, 7 * 86400 * MT_SECOND);
	send(&s->world, conn, 0x30, "<t> {} 'x'");
	expect_message(conn, "t", "x");
}

static void a_session_ends_with_its_expiry(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, KEPT("a"));
	SPEC(MQTT5, "4.1.0-2");
	SPEC(MQTT5, "3.1.2-23");
	world_cut(&s->world, conn);
	world_pass(&s->world, 599 * MT_SECOND);
	conn = come_back(s);
	world_cut(&s->world, conn);
	world_pass(&s->world, 601 * MT_SECOND);
	conn = enter(&s->world, s->version, KEPT("a"));
}

static void disconnect_may_set_another_expiry(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, KEPT("a"));
	SPEC(MQTT5, "4.1.0-2");
	send(&s->world, conn, 0xe0, "00 {11 0000000a}");
	expect_closed(conn);
	world_pass(&s->world, 11 * MT_SECOND);
	enter(&s->world, s->version, KEPT("a"));
}

/* The network is closed without a word and comes back: nothing of the session was lost. */
static void subscriptions_survive_a_takeover(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter(&s->world, s->version, KEPT("a")), *newer;
	SPEC(MQTT3, "3.1.2-4");
	SPEC(MQTT5, "3.1.2-5");
	SPEC(MQTT5, "4.13.2-1");
	subscribe(&s->world, conn, "t", 0);
	newer = enter_again(&s->world, s->version, KEPT("a"));
	expect_end(conn, 0x8e);
	send(&s->world, newer, 0x30, "<t> {} 'x'");
	expect_message(newer, "t", "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BOTH(a_kept_session_goes_on),
		IN_BOTH(a_clean_start_forgets),
		IN_BOTH(a_clean_session_is_not_used_again),
		IN_BOTH(retained_messages_outlive_sessions),
		IN_BOTH(state_goes_by_the_client_id),
		IN_BOTH(an_open_connection_keeps_its_session),
		IN_5(a_session_ends_with_its_expiry),
		IN_5(disconnect_may_set_another_expiry),
		IN_BOTH(subscriptions_survive_a_takeover),
	};
	return cmocka_run_group_tests_name("server: session", tests, NULL, NULL);
}
