/* Enhanced authentication (section 4.12) and AUTH (3.15), as a client sees the broker; the method
 * is of these tests. */
#include "server.h"

#define CONNECT "<MQTT> V 02 0000 {15 <M> 16 <1>} <c>"

/* The shell's answer to what the method said. */
static void answer(struct scene *s, struct mt_auth_verdict verdict)
{
	mt_core_authenticated(s->world.core, s->world.now, s->world.auth_ticket, &verdict);
	world_serve(&s->world);
}

static void go_on(struct scene *s, const char *data)
{
	answer(s, (struct mt_auth_verdict){.is_continued = true, .data = mt_bytes_str(data)});
}

static void accept(struct scene *s)
{
	answer(s, (struct mt_auth_verdict){.is_accepted = true, .user_id = 7});
}

static struct world_conn *begin(struct scene *s)
{
	struct world_conn *conn = dial(&s->world, s->version, "open");
	send(&s->world, conn, 0x10, CONNECT);
	assert_string_equal(s->world.auth_method, "M");
	return conn;
}

static struct world_conn *enter_by_method(struct scene *s)
{
	struct world_conn *conn = begin(s);
	accept(s);
	expect_connack(conn, 0, 0);
	return conn;
}

static void more_is_asked_for_by_auth_0x18(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = begin(s);
	SPEC(MQTT5, "3.2.0-1");
	SPEC(MQTT5, "3.15.2-1");
	SPEC(MQTT5, "4.12.0-2");
	SPEC(MQTT5, "4.12.0-5");
	expect_quiet(conn);
	for (int i = 0; i < 3; i++) {
		go_on(s, "more");
		expect(conn, 0xf0, "18 {15 <M> 16 <more>}");
		expect_quiet(conn);
		send(&s->world, conn, 0xf0, "18 {15 <M> 16 <yes>}");
		assert_string_equal(s->world.auth_data, "yes");
	}
	accept(s);
	/* CONNACK names the method too. */
	assert_non_null(memmem(conn->out + conn->out_pos, conn->out_bytes - conn->out_pos,
			       "\x15\x00\x01M", 4));
	expect_connack(conn, 0, 0);
}

static void a_refused_authentication_ends_it(void **state)
{
	static const uint8_t reasons[] = {0x8c, 0x87};
	struct scene *s = *state;
	SPEC(MQTT5, "3.2.2-7");
	SPEC(MQTT5, "4.12.0-1");
	SPEC(MQTT5, "4.12.0-4");
	for (size_t i = 0; i < MT_COUNT_OF(reasons); i++) {
		struct world_conn *conn = begin(s);
		answer(s, (struct mt_auth_verdict){.reason = reasons[i]});
		expect_connack(conn, 0, reasons[i]);
		expect_closed(conn);
	}
}

static void another_method_midway_ends_it(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = begin(s);
	SPEC(MQTT5, "4.12.0-5");
	go_on(s, "more");
	expect(conn, 0xf0, "18 {15 <M> 16 <more>}");
	send(&s->world, conn, 0xf0, "18 {15 <N> 16 <yes>}");
	assert_true(conn->is_closed);
}

static void without_a_method_nothing_of_it_is_said(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = dial(&s->world, s->version, "open");
	SPEC(MQTT5, "4.12.0-6");
	send(&s->world, conn, 0x10, CLEAN("a"));
	assert_null(memmem(conn->out, conn->out_bytes, "\x15\x00", 2));
	expect_connack(conn, 0, 0);
	world_pass(&s->world, 3600 * MT_SECOND);
	expect_quiet(conn);
	send(&s->world, conn, 0xf0, "19 {15 <M>}");
	expect_end(conn, 0x82);
}

static void it_may_be_done_again(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter_by_method(s);
	SPEC(MQTT5, "3.15.2-1");
	SPEC(MQTT5, "4.12.0-2");
	SPEC(MQTT5, "4.12.0-5");
	send(&s->world, conn, 0xf0, "19 {15 <M> 16 <1>}");
	go_on(s, "2");
	expect(conn, 0xf0, "18 {15 <M> 16 <2>}");
	send(&s->world, conn, 0xf0, "18 {15 <M> 16 <3>}");
	accept(s);
	/* Success, with the method, in whichever of its two forms. */
	expect(conn, 0xf0, "00 {15 <M>}");
	expect_quiet(conn);
}

static void a_failure_afterwards_ends_it(void **state)
{
	struct scene *s = *state;
	struct world_conn *conn = enter_by_method(s);
	SPEC(MQTT5, "4.12.1-2");
	SPEC(MQTT5, "4.13.2-1");
	send(&s->world, conn, 0xf0, "19 {15 <M> 16 <1>}");
	answer(s, (struct mt_auth_verdict){.reason = 0x87});
	expect_end(conn, 0x87);
}

/* The broker explains nothing in AUTH: no reason string and no user property at any size. */
static void auth_explains_nothing(void **state)
{
	struct scene *s = *state;
	SPEC(MQTT5, "3.15.2-2");
	SPEC(MQTT5, "3.15.2-3");
	for (unsigned bytes_max = 8; bytes_max < 64; bytes_max++) {
		struct world_conn *conn = dial(&s->world, s->version, "open");
		char connect[128];
		snprintf(connect, sizeof(connect), "<MQTT> V 02 0000 {15 <M> 27 %08x} <c>",
			 bytes_max);
		send(&s->world, conn, 0x10, connect);
		go_on(s, "more");
		if (bytes_max < 15) /* no room for the packet itself */
			expect(conn, 0x20, "00 95 {}");
		else
			expect(conn, 0xf0, "18 {15 <M> 16 <more>}");
		assert_true(world_is_quiet(conn));
		world_cut(&s->world, conn);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_5(more_is_asked_for_by_auth_0x18), IN_5(a_refused_authentication_ends_it),
		IN_5(another_method_midway_ends_it),  IN_5(without_a_method_nothing_of_it_is_said),
		IN_5(it_may_be_done_again),	      IN_5(a_failure_afterwards_ends_it),
		IN_5(auth_explains_nothing),
	};
	return cmocka_run_group_tests_name("server: auth", tests, NULL, NULL);
}
