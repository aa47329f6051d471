/* The recorder: no secret reaches the log, a bound holds, a failed write ends it and nothing else.
 */
#include "taped.h"

#include "core_world.h"

#define SECRET "s3cret-Of-anna"

static size_t count_of(struct mt_bytes in, const char *text)
{
	size_t count = 0, len = strlen(text);
	for (size_t i = 0; i + len <= in.len; i++)
		count += memcmp(in.data + i, text, len) == 0;
	return count;
}

/* What the log says that came in, in one piece. */
static struct mt_buf inputs_of(struct mt_bytes log, uint8_t *data, size_t cap)
{
	struct mt_buf out = mt_buf_of(data, cap);
	struct mt_records records = {0};
	struct mt_call call;
	assert_int_equal(mt_records_open(&log), MT_OK);
	while (mt_record_take(&records, &log, &call) == MT_OK)
		if (call.kind == MT_CALL_INPUT)
			mt_buf_put(&out, call.bytes);
	assert_false(out.is_overflown);
	return out;
}

/* A CONNECT in two pieces, an open connection, a wrong password: the log holds none of it. */
static void test_passwords_stay_out(void **state)
{
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .has_user = true,
				     .has_password = true,
				     .client_id = mt_bytes_str("a"),
				     .user = mt_bytes_str("ann"),
				     .password = mt_bytes_str(SECRET)};
	uint8_t data[512];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	(void)state;
	assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
	for (size_t cut = 0; cut <= buf.pos; cut++) {
		struct world world;
		struct world_conn *conn;
		struct taped *at;
		uint8_t heard[512];
		struct mt_buf inputs;
		struct mt_auth_verdict verdict = {.is_accepted = cut % 2, .user_id = 7};
		world_open(&world);
		at = taped_find(world.core);
		conn = world_dial(&world, "");
		conn->version = MT_VERSION_5;
		world_send(&world, conn, mt_bytes_of(data, cut));
		world_send(&world, conn, mt_bytes_of(data + cut, buf.pos - cut));
		assert_string_equal(world.auth_password, SECRET);
		verdict.reason = MT_REASON_BAD_USER_NAME_OR_PASSWORD;
		mt_core_authenticated(world.core, world.now, world.auth_ticket, &verdict);
		world_serve(&world);
		assert_int_equal(count_of(mt_bytes_of(at->log, at->len), SECRET), 0);
		inputs = inputs_of(mt_bytes_of(at->log, at->len), heard, sizeof(heard));
		assert_int_equal(count_of(mt_buf_view(&inputs), SECRET), 0);
		assert_int_equal(count_of(mt_buf_view(&inputs), "ann"), 1);
		assert_int_equal(inputs.pos, buf.pos);
		world_close(&world);
	}
}

/* Bytes for a handle of the past, which the core ignores, do not confuse those of its successor. */
static void test_stale_handles_change_nothing(void **state)
{
	struct mt_connect connect = {.version = MT_VERSION_3_1_1,
				     .is_clean = true,
				     .has_user = true,
				     .has_password = true,
				     .client_id = mt_bytes_str("a"),
				     .user = mt_bytes_str("ann"),
				     .password = mt_bytes_str(SECRET)};
	uint8_t data[512], heard[1024];
	struct mt_buf buf = mt_buf_of(data, sizeof(data)), inputs;
	struct world world;
	struct world_conn *conn;
	struct taped *at;
	mt_conn stale;
	(void)state;
	assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
	world_open(&world);
	conn = world_dial(&world, "");
	stale = conn->conn;
	mt_core_closed(world.core, world.now, stale);
	conn = world_dial(&world, "");
	assert_int_equal(mt_handle_index(conn->conn), mt_handle_index(stale));
	world_send(&world, conn, mt_bytes_of(data, 20));
	mt_core_input(world.core, world.now, stale, mt_bytes_str(SECRET));
	mt_core_input(world.core, world.now, MT_HANDLE_NONE, mt_bytes_str(SECRET));
	world_send(&world, conn, mt_bytes_of(data + 20, buf.pos - 20));
	assert_string_equal(world.auth_password, SECRET);
	at = taped_find(world.core);
	inputs = inputs_of(mt_bytes_of(at->log, at->len), heard, sizeof(heard));
	assert_int_equal(count_of(mt_buf_view(&inputs), SECRET), 0);
	assert_int_equal(count_of(mt_buf_view(&inputs), "Of-anna"), 0);
	world_close(&world);
}

struct sink {
	size_t bytes, fail_at;
	const char *end;
};

static bool sink_write(void *context, struct mt_bytes bytes, const char *end)
{
	struct sink *sink = context;
	assert_null(sink->end);
	sink->end = end;
	if (sink->bytes + bytes.len > sink->fail_at)
		return false;
	sink->bytes += bytes.len;
	return true;
}

static void record_inputs(struct mt_tape *tape, int count)
{
	static const uint8_t data[1000];
	struct mt_core_settings settings = world_settings();
	struct mt_policy *policy = world_policy(NULL, 0);
	const struct mt_conn_facts facts = {.listener = "test", .anonymous_role = ""};
	mt_tape_note_create(tape, &settings, policy, (struct mt_now){1, 2});
	mt_tape_note_facts(tape, (struct mt_now){2, 3}, MT_CALL_OPEN, &facts, MT_OK, 1);
	for (int i = 0; i < count; i++)
		mt_tape_note_input(tape, (struct mt_now){3 + i, 4}, 1,
				   mt_bytes_of(data, sizeof(data)));
	mt_policy_unref(&policy);
}

static void test_a_full_log_ends(void **state)
{
	struct sink sink = {.fail_at = SIZE_MAX};
	struct mt_tape tape;
	(void)state;
	mt_tape_init(&tape, sink_write, &sink, 20000);
	record_inputs(&tape, 100);
	assert_true(tape.is_over);
	assert_string_equal(sink.end, "the log is full");
	assert_in_range(sink.bytes, 15000, 20000);
	mt_tape_finish(&tape, NULL, "stopped");
	assert_string_equal(sink.end, "the log is full");
}

static void test_a_failed_write_ends(void **state)
{
	struct sink sink = {.fail_at = 5000};
	struct mt_tape tape;
	(void)state;
	mt_tape_init(&tape, sink_write, &sink, SIZE_MAX);
	record_inputs(&tape, 100);
	assert_true(tape.is_over);
	assert_in_range(sink.bytes, 3000, 5000);
	mt_tape_finish(&tape, NULL, "stopped");
	assert_null(sink.end);
}

static void test_memory_is_given_back(void **state)
{
	struct sink sink = {.fail_at = SIZE_MAX};
	struct mt_tape tape;
	(void)state;
	mt_tape_init(&tape, sink_write, &sink, SIZE_MAX);
	record_inputs(&tape, 3);
	mt_tape_finish(&tape, NULL, "stopped");
	assert_string_equal(sink.end, "stopped");
	assert_int_equal(mt_mem_bytes(&tape.mem), 0);
	assert_int_equal(mt_mem_bytes(&tape.outcome.mem), 0);
}

static void test_no_memory_ends(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 5; n++) {
		struct sink sink = {.fail_at = SIZE_MAX};
		struct mt_tape tape;
		mt_tape_init(&tape, sink_write, &sink, SIZE_MAX);
		tape.mem.fail_in = n;
		record_inputs(&tape, 3);
		mt_tape_finish(&tape, NULL, "stopped");
		assert_int_equal(mt_mem_bytes(&tape.mem), 0);
		if (n < 4)
			assert_string_equal(sink.end, "out of memory");
	}
}

/* ---- where a replay goes another way ---- */

static enum mt_play_state play_changed(struct mt_bytes log, uint64_t victim,
				       void change(struct mt_call *), struct mt_play_event *event)
{
	uint8_t *copy = malloc(log.len + 65536);
	struct mt_buf out = mt_buf_of(copy, log.len + 65536);
	struct mt_records from = {0}, to = {0};
	struct mt_play *play;
	struct mt_call call;
	enum mt_play_state found;
	assert_int_equal(mt_records_open(&log), MT_OK);
	mt_records_begin(&out);
	while (mt_record_take(&from, &log, &call) == MT_OK) {
		if (from.count - 1 == victim)
			change(&call);
		mt_record_put(&to, &call, &out);
	}
	assert_int_equal(mt_play_open(mt_buf_view(&out), &play), MT_OK);
	while ((found = mt_play_step(play, event)) == MT_PLAY_ON) {
	}
	mt_play_close(&play);
	free(copy);
	return found;
}

static void change_call(struct mt_call *call)
{
	switch (call->kind) {
	case MT_CALL_INPUT:
		call->bytes.len--;
		break;
	case MT_CALL_OPEN:
		call->conn++;
		break;
	case MT_CALL_CREATE:
	case MT_CALL_SENT:
	case MT_CALL_DRAIN:
	case MT_CALL_CHECK:
		call->digest ^= 1;
		break;
	case MT_CALL_STORED:
		call->number++;
		break;
	default:
		break;
	}
}

static void test_a_difference_is_found_where_it_is(void **state)
{
	struct world world;
	struct world_conn *one, *other;
	struct mt_bytes log;
	struct mt_records records = {0};
	struct mt_call call;
	uint8_t *copy;
	(void)state;
	world_open(&world);
	one = world_client(&world, MT_VERSION_5, "one", false);
	other = world_client(&world, MT_VERSION_5, "other", true);
	world_subscribe(&world, one, "a/#", 1);
	world_publish(&world, other, "a/b", "hello", 1, true, 1);
	copy = malloc(taped_find(world.core)->len);
	log = mt_bytes_of(copy, taped_find(world.core)->len);
	memcpy(copy, taped_find(world.core)->log, log.len);
	struct mt_bytes in = log;
	assert_int_equal(mt_records_open(&in), MT_OK);
	while (mt_record_take(&records, &in, &call) == MT_OK) {
		struct mt_play_event event = {0};
		enum mt_play_state found =
			play_changed(log, records.count - 1, change_call, &event);
		bool is_direct = call.kind == MT_CALL_OPEN || call.kind == MT_CALL_SENT ||
				 call.kind == MT_CALL_DRAIN || call.kind == MT_CALL_STORED;
		if (is_direct || call.kind == MT_CALL_INPUT) {
			assert_int_equal(found, MT_PLAY_DIFFERS);
			assert_true(*event.what);
		}
		if (is_direct)
			assert_int_equal(event.number, records.count - 1);
	}
	free(copy);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passwords_stay_out),
		cmocka_unit_test(test_stale_handles_change_nothing),
		cmocka_unit_test(test_a_full_log_ends),
		cmocka_unit_test(test_a_failed_write_ends),
		cmocka_unit_test(test_memory_is_given_back),
		cmocka_unit_test(test_no_memory_ends),
		cmocka_unit_test(test_a_difference_is_found_where_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
