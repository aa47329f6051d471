/* Will messages (section 3.1.2.5 and 3.1.3.2), as clients see the broker. */
#include "server.h"

#define WILL(flags, props) "<MQTT> V " flags " 0000 {} <a> {" props "} <w> <gone>"

static struct world_conn *watch(struct scene *s)
{
	struct world_conn *watcher = enter(&s->world, s->version, CLEAN("watcher"));
	subscribe(&s->world, watcher, "#", 2);
	return watcher;
}

static void a_will_comes_when_the_connection_breaks(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = watch(s);
	struct world_conn *conn = enter(&s->world, s->version, WILL("06", ""));
	SPEC(MQTT3, "3.1.2-8");
	SPEC(MQTT3, "3.1.2-10");
	SPEC(MQTT5, "3.1.2-7");
	SPEC(MQTT5, "3.1.2-8");
	SPEC(MQTT5, "3.1.2-10");
	expect_quiet(watcher);
	world_cut(&s->world, conn);
	expect_message(watcher, "w", "gone");
	expect_quiet(watcher);
	/* Once only: the next connection has none. */
	conn = enter(&s->world, s->version, CLEAN("a"));
	world_cut(&s->world, conn);
	expect_quiet(watcher);
}

static void a_will_comes_when_the_keep_alive_runs_out(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = watch(s);
	SPEC(MQTT3, "3.1.2-8");
	SPEC(MQTT5, "3.1.2-8");
	enter(&s->world, s->version, "<MQTT> V 06 000a {} <a> {} <w> <gone>");
	world_pass(&s->world, 16 * MT_SECOND);
	expect_message(watcher, "w", "gone");
}

static void a_will_comes_when_the_protocol_is_broken(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = watch(s);
	struct world_conn *conn = enter(&s->world, s->version, WILL("06", ""));
	SPEC(MQTT3, "3.1.2-8");
	SPEC(MQTT5, "3.1.2-8");
	send(&s->world, conn, 0x36, "<t> 0001 {}");
	expect_end(conn, 0x81);
	expect_message(watcher, "w", "gone");
}

static void disconnect_withdraws_the_will(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = watch(s);
	struct world_conn *conn = enter(&s->world, s->version, WILL("06", ""));
	SPEC(MQTT3, "3.1.2-10");
	SPEC(MQTT3, "3.14.4-2");
	SPEC(MQTT5, "3.1.2-10");
	SPEC(MQTT5, "3.14.4-3");
	send(&s->world, conn, 0xe0, "");
	expect_closed(conn);
	world_pass(&s->world, 100000 * MT_SECOND);
	expect_quiet(watcher);
}

static void disconnect_with_will_sends_it(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = watch(s);
	struct world_conn *conn = enter(&s->world, s->version, WILL("06", ""));
	SPEC(MQTT5, "3.1.2-8");
	send(&s->world, conn, 0xe0, "04");
	expect_closed(conn);
	expect_message(watcher, "w", "gone");
}

static void without_a_will_none_comes(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = watch(s);
	struct world_conn *conn = enter(&s->world, s->version, CLEAN("a"));
	SPEC(MQTT3, "3.1.2-12");
	world_cut(&s->world, conn);
	world_pass(&s->world, 10 * MT_SECOND);
	expect_quiet(watcher);
}

static void a_will_is_retained_when_it_says_so(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn, *late;
	SPEC(MQTT3, "3.1.2-16");
	SPEC(MQTT3, "3.1.2-17");
	SPEC(MQTT5, "3.1.2-14");
	SPEC(MQTT5, "3.1.2-15");
	conn = enter(&s->world, s->version, WILL("06", ""));
	world_cut(&s->world, conn);
	late = enter(&s->world, s->version, CLEAN("late"));
	subscribe(&s->world, late, "w", 2);
	expect_quiet(late);
	conn = enter(&s->world, s->version, WILL("26", ""));
	world_cut(&s->world, conn);
	expect_message(late, "w", "gone");
	subscribe(&s->world, late, "w", 2);
	expect(late, 0x31, "<w> {} 'gone'");
}

static void a_will_has_its_qos(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = watch(s);
	struct world_conn *conn = enter(&s->world, s->version, WILL("0e", ""));
	SPEC(MQTT3, "3.1.2-14");
	SPEC(MQTT5, "3.1.2-12");
	world_cut(&s->world, conn);
	expect(watcher, 0x32, "<w> 0001 {} 'gone'");
	conn = enter(&s->world, s->version, WILL("16", ""));
	world_cut(&s->world, conn);
	expect(watcher, 0x34, "<w> 0002 {} 'gone'");
}

#define DELAYED "<MQTT> V 04 0000 {11 00000258} <a> {18 0000000a} <w> <gone>"

static void a_delayed_will_waits(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = watch(s);
	struct world_conn *conn = enter(&s->world, s->version, DELAYED);
	SPEC(MQTT5, "3.1.2-8");
	world_cut(&s->world, conn);
	world_pass(&s->world, 9 * MT_SECOND);
	expect_quiet(watcher);
	world_pass(&s->world, 2 * MT_SECOND);
	expect_message(watcher, "w", "gone");
}

static void coming_back_in_time_cancels_a_delayed_will(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = watch(s);
	struct world_conn *conn = enter(&s->world, s->version, DELAYED);
	SPEC(MQTT5, "3.1.3-9");
	world_cut(&s->world, conn);
	world_pass(&s->world, 9 * MT_SECOND);
	enter_again(&s->world, s->version, KEPT("a"));
	world_pass(&s->world, 100 * MT_SECOND);
	expect_quiet(watcher);
}

static void a_session_that_ends_earlier_sends_it(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = watch(s);
	struct world_conn *conn;
	SPEC(MQTT5, "3.1.2-8");
	conn = enter(&s->world, s->version,
		     "<MQTT> V 04 0000 {11 00000005} <a> {18 00000e10} <w> <gone>");
	world_cut(&s->world, conn);
	world_pass(&s->world, 4 * MT_SECOND);
	expect_quiet(watcher);
	world_pass(&s->world, 2 * MT_SECOND);
	expect_message(watcher, "w", "gone");
}

static void the_properties_of_a_will_come_as_they_are(void **state)
{
	struct scene *s = *state;
	struct world_conn *watcher = watch(s);
	struct world_conn *conn =
		enter(&s->world, s->version,
		      WILL("06", "01 01 26 <b> <2> 03 <text> 26 <a> <1> 26 <b> <0>"));
	SPEC(MQTT5, "3.1.3-10");
	world_cut(&s->world, conn);
	expect(watcher, 0x30, "<w> {01 01 26 <b> <2> 03 <text> 26 <a> <1> 26 <b> <0>} 'gone'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BOTH(a_will_comes_when_the_connection_breaks),
		IN_BOTH(a_will_comes_when_the_keep_alive_runs_out),
		IN_BOTH(a_will_comes_when_the_protocol_is_broken),
		IN_BOTH(disconnect_withdraws_the_will),
		IN_5(disconnect_with_will_sends_it),
		IN_BOTH(without_a_will_none_comes),
		IN_BOTH(a_will_is_retained_when_it_says_so),
		IN_BOTH(a_will_has_its_qos),
		IN_5(a_delayed_will_waits),
		IN_5(coming_back_in_time_cancels_a_delayed_will),
		IN_5(a_session_that_ends_earlier_sends_it),
		IN_5(the_properties_of_a_will_come_as_they_are),
	};
	return cmocka_run_group_tests_name("server: will", tests, NULL, NULL);
}
