/* Records of calls: every kind there and back, every truncation, every changed byte. */
#include "replay/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LOG_BYTES 65536u

static struct mt_call sample(enum mt_call_kind kind)
{
	static const uint8_t heard[16] = {1, 2, 3};
	struct mt_call call = {.kind = kind,
			       .now = {1000 + (mt_time)kind / 3, 2000},
			       .conn = 0x500000003,
			       .number = 77,
			       .digest = 0x123456789abcdef0,
			       .from = 1,
			       .status = MT_LIMIT,
			       .bytes = mt_bytes_str("bytes"),
			       .more = mt_bytes_str("a client"),
			       .facts = {.listener = 1, .port = 1883, .is_secret_safe = true}};
	call.facts.address.byte[15] = 1;
	if (kind == MT_CALL_CREATE) {
		call.create = (struct mt_call_create){
			.settings = {.limits = {.packet_bytes = 1 << 20,
						.inflight = 20,
						.subtree_count = 2,
						.connect_ns = 10 * MT_SECOND},
				     .seed = {{1, 2}},
				     .shared_strategy = MT_SHARED_STICKY,
				     .core_index = 1,
				     .core_count = 2},
			.release = mt_bytes_str("a release"),
			.subtrees = {{.filter = mt_bytes_str("a/#"), .count_max = 3},
				     {.filter = mt_bytes_str("b/#"), .bytes_max = 4}},
			.policy = mt_bytes_str("an image")};
	} else if (kind == MT_CALL_LISTENER) {
		call.listener =
			(struct mt_call_listener){.name = mt_bytes_str("tls"),
						  .anonymous_role = mt_bytes_str("open"),
						  .is_certificate_required = true,
						  .client_id_rule = mt_bytes_str("th-%{uuid}"),
						  .is_id_demanded = true,
						  .accepted = mt_mechanism_bit(MT_MECHANISM_JWT),
						  .has_limits = true,
						  .limits = {.inflight = 1},
						  .has_offer = true,
						  .offer = {.qos_max = 2}};
	} else if (kind == MT_CALL_AUTHENTICATED) {
		call.verdict = (struct mt_auth_verdict){.is_accepted = true,
							.user_id = 7,
							.mechanism = MT_MECHANISM_JWT,
							.is_unaccepted = true,
							.refusal = MT_REFUSAL_TOKEN_EXPIRED,
							.data = mt_bytes_str("***"),
							.user = mt_bytes_str("bob")};
	} else if (kind == MT_CALL_PEER) {
		call.message =
			(struct mt_call_message){.kind = MT_LINK_PUBLISH,
						 .number = 9,
						 .is_wanted = true,
						 .text = mt_bytes_str("a/+"),
						 .heard = mt_bytes_of(heard, sizeof(heard)),
						 .has_msg = true,
						 .facts = {.topic = mt_bytes_str("a/b"),
							   .payload = mt_bytes_str("payload"),
							   .expires_ns = MT_TIME_NEVER,
							   .qos = 1},
						 .core = 1};
	} else if (kind == MT_CALL_ADOPT) {
		call.adoption = (struct mt_call_adoption){.hello = mt_bytes_str("hello"),
							  .unread = mt_bytes_str("unread"),
							  .user_id = 7,
							  .has_method = true,
							  .has_proof = true,
							  .proof = {.cn = mt_bytes_str("ann")}};
	} else if (kind == MT_CALL_PROVE) {
		call.proof = (struct mt_proof){
			.kind = MT_PROOF_PSK, .user_id = 7, .cn = mt_bytes_str("ann")};
	} else if (kind == MT_CALL_EXPEL) {
		call.number = MT_EXPELLED_UNTRUSTED;
	}
	return call;
}

/* All samples in one log. */
static size_t write_log(uint8_t *data)
{
	struct mt_buf buf = mt_buf_of(data, LOG_BYTES);
	struct mt_records records = {0};
	mt_records_begin(&buf);
	assert_int_equal(buf.pos, MT_RECORD_HEAD_BYTES);
	for (int kind = 0; kind < MT_CALL_KIND_COUNT; kind++) {
		struct mt_call call = sample((enum mt_call_kind)kind);
		size_t before = buf.pos;
		mt_record_put(&records, &call, &buf);
		assert_true(buf.pos - before <= mt_call_bytes_max(&call) + MT_RECORD_EXTRA_BYTES);
	}
	return buf.pos;
}

static void test_every_kind_comes_back(void **state)
{
	static uint8_t data[LOG_BYTES];
	struct mt_bytes in = mt_bytes_of(data, write_log(data));
	struct mt_records records = {0};
	struct mt_call call;
	(void)state;
	assert_int_equal(mt_records_open(&in), MT_OK);
	for (int kind = 0; kind < MT_CALL_KIND_COUNT; kind++) {
		struct mt_call expected = sample((enum mt_call_kind)kind);
		uint8_t one[4096], other[4096];
		struct mt_buf a = mt_buf_of(one, sizeof(one)), b = mt_buf_of(other, sizeof(other));
		assert_int_equal(mt_record_take(&records, &in, &call), MT_OK);
		assert_int_equal(call.kind, kind);
		assert_int_equal(call.now.mono_ns, expected.now.mono_ns);
		assert_int_equal(call.now.wall_ns, expected.now.wall_ns);
		expected.has_time = call.has_time;
		mt_call_encode(&call, &a);
		mt_call_encode(&expected, &b);
		assert_int_equal(a.pos, b.pos);
		assert_memory_equal(one, other, a.pos);
	}
	assert_int_equal(mt_record_take(&records, &in, &call), MT_AGAIN);
	assert_int_equal(in.len, 0);
}

static void test_fields(void **state)
{
	static uint8_t data[LOG_BYTES];
	struct mt_bytes in = mt_bytes_of(data, write_log(data));
	struct mt_records records = {0};
	struct mt_call call;
	(void)state;
	assert_int_equal(mt_records_open(&in), MT_OK);
	assert_int_equal(mt_record_take(&records, &in, &call), MT_OK);
	assert_int_equal(call.create.settings.limits.inflight, 20);
	assert_int_equal(call.create.settings.core_count, 2);
	assert_true(mt_bytes_equal(call.create.subtrees[1].filter, mt_bytes_str("b/#")));
	assert_true(mt_bytes_equal(call.create.policy, mt_bytes_str("an image")));
	assert_int_equal(mt_record_take(&records, &in, &call), MT_OK);
	assert_true(mt_bytes_equal(call.listener.name, mt_bytes_str("tls")));
	assert_int_equal(mt_record_take(&records, &in, &call), MT_OK);
	assert_int_equal(call.facts.port, 1883);
	assert_int_equal(call.facts.address.byte[15], 1);
	assert_true(call.facts.is_secret_safe);
	assert_int_equal(call.conn, 0x500000003);
	assert_int_equal(call.status, MT_LIMIT);
}

static enum mt_status read_to_end(const uint8_t *data, size_t len, uint64_t *count)
{
	struct mt_bytes in = mt_bytes_of(data, len);
	struct mt_records records = {0};
	struct mt_call call;
	enum mt_status status = mt_records_open(&in);
	while (status == MT_OK)
		status = mt_record_take(&records, &in, &call);
	*count = records.count;
	return status;
}

static void test_each_truncation_is_an_end(void **state)
{
	static uint8_t data[LOG_BYTES];
	size_t len = write_log(data);
	uint64_t count, before = 0;
	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		enum mt_status status = read_to_end(data, cut, &count);
		assert_int_equal(status, cut < MT_RECORD_HEAD_BYTES ? MT_INVALID : MT_AGAIN);
		assert_true(count == before || count == before + 1);
		before = count;
	}
}

static void test_each_changed_byte_is_found(void **state)
{
	static uint8_t data[LOG_BYTES];
	size_t len = write_log(data);
	uint64_t count;
	(void)state;
	for (size_t at = 0; at < len; at++)
		for (int bit = 0; bit < 8; bit++) {
			enum mt_status status;
			data[at] ^= (uint8_t)(1 << bit);
			status = read_to_end(data, len, &count);
			assert_int_equal(status,
					 at < MT_RECORD_HEAD_BYTES ? MT_INVALID : MT_CORRUPT);
			data[at] ^= (uint8_t)(1 << bit);
		}
}

/* A record that is missing, or stands there twice, is as bad as a changed one. */
static void test_order_is_checked(void **state)
{
	static uint8_t data[LOG_BYTES];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_records records = {0};
	struct mt_call call = sample(MT_CALL_TICK);
	size_t first, second;
	uint64_t count;
	(void)state;
	mt_records_begin(&buf);
	mt_record_put(&records, &call, &buf);
	first = buf.pos;
	mt_record_put(&records, &call, &buf);
	second = buf.pos;
	mt_record_put(&records, &call, &buf);
	memmove(data + first, data + second, buf.pos - second);
	assert_int_equal(read_to_end(data, buf.pos - (second - first), &count), MT_CORRUPT);
	assert_int_equal(count, 1);
}

/* Whole and well summed, and yet no call. */
static void test_bodies_that_are_no_call(void **state)
{
	uint8_t body[4096];
	(void)state;
	for (int kind = 0; kind < MT_CALL_KIND_COUNT; kind++) {
		struct mt_call call = sample((enum mt_call_kind)kind), out;
		struct mt_buf buf = mt_buf_of(body, sizeof(body));
		mt_call_encode(&call, &buf);
		for (size_t cut = 0; cut < buf.pos; cut++)
			assert_int_equal(mt_call_decode(mt_bytes_of(body, cut), &out), MT_INVALID);
		body[buf.pos] = 0;
		assert_int_equal(mt_call_decode(mt_bytes_of(body, buf.pos + 1), &out), MT_INVALID);
		assert_int_equal(mt_call_decode(mt_bytes_of(body, buf.pos), &out), MT_OK);
		body[1] = 2; /* a flag that is neither yes nor no */
		assert_int_equal(mt_call_decode(mt_bytes_of(body, buf.pos), &out), MT_INVALID);
		body[1] = 0;
		body[0] = MT_CALL_KIND_COUNT;
		assert_int_equal(mt_call_decode(mt_bytes_of(body, buf.pos), &out), MT_INVALID);
	}
}

static void test_kinds_have_names(void **state)
{
	(void)state;
	assert_string_equal(mt_call_name(MT_CALL_CREATE), "create");
	assert_string_equal(mt_call_name(MT_CALL_TURN_AWAY), "turn_away");
	assert_string_equal(mt_call_name(MT_CALL_KICK), "kick");
	assert_string_equal(mt_call_name(MT_CALL_END), "end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_comes_back),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_each_truncation_is_an_end),
		cmocka_unit_test(test_each_changed_byte_is_found),
		cmocka_unit_test(test_order_is_checked),
		cmocka_unit_test(test_bodies_that_are_no_call),
		cmocka_unit_test(test_kinds_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
