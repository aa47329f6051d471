/* Logs that no recorder has written: the player says what is wrong with them, and touches nothing.
 */
#include "policy/image.h"
#include "replay/play.h"
#include "replay/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct log {
	uint8_t data[65536];
	struct mt_buf buf;
	struct mt_records records;
	mt_time mono_ns;
};

static void begin(struct log *log)
{
	log->buf = mt_buf_of(log->data, sizeof(log->data));
	log->records = (struct mt_records){0};
	log->mono_ns = 1000;
	mt_records_begin(&log->buf);
}

static void put(struct log *log, struct mt_call call)
{
	call.now = (struct mt_now){log->mono_ns++, 1};
	mt_record_put(&log->records, &call, &log->buf);
}

static void put_create(struct log *log)
{
	struct mt_call call = {.kind = MT_CALL_CREATE};
	struct mt_policy_builder *builder = mt_policy_builder_create(1, (struct mt_seed){{3, 4}});
	uint8_t image[256];
	struct mt_buf buf = mt_buf_of(image, sizeof(image));
	struct mt_policy *policy;
	assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
	mt_policy_encode(policy, &buf);
	mt_policy_unref(&policy);
	call.create.settings.limits = (struct mt_core_limits){.packet_bytes = 4096,
							      .connect_bytes = 1024,
							      .topic_levels = 8,
							      .inflight = 3,
							      .queue_messages = 6,
							      .queue_bytes = 4096,
							      .output_bytes = 4096,
							      .sessions = 4,
							      .connections = 1,
							      .subtree_count = 1,
							      .connect_ns = MT_SECOND};
	call.create.subtrees[0].filter = mt_bytes_str("a/#");
	call.create.settings.memory_bytes = SIZE_MAX;
	call.create.release = mt_bytes_str("a release");
	call.create.policy = mt_buf_view(&buf);
	put(log, call);
}

static void put_listener(struct log *log)
{
	struct mt_call call = {.kind = MT_CALL_LISTENER};
	call.listener.name = mt_bytes_str("tls");
	put(log, call);
}

static struct mt_play_event event;

/* How it ends; the event says where. */
static enum mt_play_state play(const struct log *log)
{
	struct mt_play *player;
	enum mt_play_state state;
	assert_int_equal(mt_play_open(mt_buf_view(&log->buf), &player), MT_OK);
	while ((state = mt_play_step(player, &event)) == MT_PLAY_ON) {
	}
	mt_play_close(&player);
	return state;
}

static struct log log_;

static void expect_after_create(struct mt_call call, enum mt_play_state state, const char *what)
{
	begin(&log_);
	put_create(&log_);
	put(&log_, call);
	assert_int_equal(play(&log_), state);
	assert_string_equal(event.what, what);
	assert_int_equal(event.number, 1);
	assert_string_equal(event.name, mt_call_name(call.kind));
}

static void test_a_log_begins_with_a_core(void **state)
{
	(void)state;
	begin(&log_);
	put(&log_, (struct mt_call){.kind = MT_CALL_TICK});
	assert_int_equal(play(&log_), MT_PLAY_INVALID);
	assert_string_equal(event.what, "the log does not begin with a core");
	begin(&log_);
	assert_int_equal(play(&log_), MT_PLAY_CUT);
}

static void test_what_cannot_be_called(void **state)
{
	struct mt_call create = {.kind = MT_CALL_CREATE}, adopt = {.kind = MT_CALL_ADOPT};
	struct mt_call peer = {.kind = MT_CALL_PEER};
	(void)state;
	create.create.settings.limits.inflight = 1;
	expect_after_create(create, MT_PLAY_INVALID, "a core is there already");
	expect_after_create((struct mt_call){.kind = MT_CALL_OPEN}, MT_PLAY_INVALID,
			    "there is no such listener");
	expect_after_create((struct mt_call){.kind = MT_CALL_TURN_AWAY}, MT_PLAY_INVALID,
			    "there is no such listener");
	expect_after_create(
		(struct mt_call){.kind = MT_CALL_SET_POLICY, .bytes = mt_bytes_str("no image")},
		MT_PLAY_INVALID, "the policy is none");
	expect_after_create(peer, MT_PLAY_INVALID, "there is no such sibling");
	expect_after_create(adopt, MT_PLAY_INVALID, "a connection came without its CONNECT");
	adopt.adoption.hello = mt_bytes_of("\x10\x0d\0\4MQTT\4\2\0\0\0\1a", 15);
	expect_after_create(adopt, MT_PLAY_INVALID, "there is no such listener");
}

static void test_answers_to_nothing(void **state)
{
	(void)state;
	expect_after_create((struct mt_call){.kind = MT_CALL_STORED, .number = 1}, MT_PLAY_DIFFERS,
			    "the core did not ask to store this");
	expect_after_create((struct mt_call){.kind = MT_CALL_SENT, .conn = 1, .number = 5},
			    MT_PLAY_DIFFERS, "the core has fewer bytes to send");
	expect_after_create((struct mt_call){.kind = MT_CALL_SENT, .conn = 1}, MT_PLAY_DIFFERS,
			    "the core sends other bytes");
	expect_after_create((struct mt_call){.kind = MT_CALL_DRAIN, .number = UINT64_MAX},
			    MT_PLAY_DIFFERS, "the core asks for something else");
	expect_after_create((struct mt_call){.kind = MT_CALL_CHECK}, MT_PLAY_DIFFERS,
			    "the core counts otherwise");
	expect_after_create((struct mt_call){.kind = MT_CALL_KICK, .number = 3}, MT_PLAY_DIFFERS,
			    "another number was kicked out");
}

static void test_connections_that_come_out_otherwise(void **state)
{
	(void)state;
	begin(&log_);
	put_create(&log_);
	put_listener(&log_);
	put(&log_, (struct mt_call){.kind = MT_CALL_OPEN, .conn = 9});
	assert_int_equal(play(&log_), MT_PLAY_DIFFERS);
	assert_string_equal(event.what, "a connection has another handle");
	begin(&log_);
	put_create(&log_);
	put_listener(&log_);
	put(&log_, (struct mt_call){.kind = MT_CALL_OPEN, .status = MT_LIMIT});
	assert_int_equal(play(&log_), MT_PLAY_DIFFERS);
	assert_string_equal(event.what, "a connection was taken that was refused");
}

static void test_time_goes_forwards(void **state)
{
	(void)state;
	begin(&log_);
	put_create(&log_);
	log_.mono_ns = 3;
	put(&log_, (struct mt_call){.kind = MT_CALL_TICK});
	assert_int_equal(play(&log_), MT_PLAY_INVALID);
	assert_string_equal(event.what, "time runs backwards");
}

static void test_too_many_listeners_and_connections(void **state)
{
	struct mt_call create = {.kind = MT_CALL_CREATE};
	(void)state;
	begin(&log_);
	put_create(&log_);
	for (unsigned i = 0; i <= MT_CALL_LISTENERS_MAX; i++)
		put_listener(&log_);
	assert_int_equal(play(&log_), MT_PLAY_INVALID);
	assert_string_equal(event.what, "too many listeners");
	begin(&log_);
	create.create.settings.limits.inflight = 1;
	create.create.settings.limits.connections = UINT32_MAX;
	put(&log_, create);
	assert_int_equal(play(&log_), MT_PLAY_INVALID);
	assert_string_equal(event.what, "too many connections");
}

static void test_the_end_is_told(void **state)
{
	struct mt_play *player;
	(void)state;
	begin(&log_);
	put_create(&log_);
	put(&log_, (struct mt_call){.kind = MT_CALL_SHUT_DOWN});
	put(&log_, (struct mt_call){.kind = MT_CALL_END, .bytes = mt_bytes_str("it is late")});
	assert_int_equal(mt_play_open(mt_buf_view(&log_.buf), &player), MT_OK);
	assert_int_equal(mt_play_step(player, &event), MT_PLAY_ON);
	assert_string_equal(event.name, "create");
	assert_int_equal(mt_play_step(player, &event), MT_PLAY_ON);
	assert_int_equal(mt_play_step(player, &event), MT_PLAY_END);
	assert_true(mt_bytes_equal(event.text, mt_bytes_str("it is late")));
	assert_int_equal(mt_play_facts(player).records, 3);
	assert_int_equal(mt_play_facts(player).last_ns, 1002);
	assert_true(mt_bytes_equal(mt_play_facts(player).release, mt_bytes_str("a release")));
	mt_play_close(&player);
	assert_null(player);
	mt_play_close(&player);
}

static void test_damage_and_other_files(void **state)
{
	struct mt_play *player;
	(void)state;
	begin(&log_);
	put_create(&log_);
	put(&log_, (struct mt_call){.kind = MT_CALL_TICK});
	log_.data[log_.buf.pos - 1] ^= 1;
	assert_int_equal(play(&log_), MT_PLAY_CORRUPT);
	assert_int_equal(event.number, 1);
	log_.data[0] ^= 1;
	assert_int_equal(mt_play_open(mt_buf_view(&log_.buf), &player), MT_INVALID);
	assert_int_equal(mt_play_open(mt_bytes_of(NULL, 0), &player), MT_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_log_begins_with_a_core),
		cmocka_unit_test(test_what_cannot_be_called),
		cmocka_unit_test(test_answers_to_nothing),
		cmocka_unit_test(test_connections_that_come_out_otherwise),
		cmocka_unit_test(test_time_goes_forwards),
		cmocka_unit_test(test_too_many_listeners_and_connections),
		cmocka_unit_test(test_the_end_is_told),
		cmocka_unit_test(test_damage_and_other_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
