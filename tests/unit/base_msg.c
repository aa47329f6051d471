/* Messages: parts of every length come back, the original may go, the last reference frees. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/msg.h"

#include <pthread.h>

static struct mt_mem messages = {.max_bytes = SIZE_MAX};

#define SHARE_COUNT 20000

static void parts_come_back(void **state)
{
	static const size_t lengths[] = {0, 1, 7, 8, 255};
	(void)state;
	for (size_t k = 0; k < 125; k++) {
		uint8_t data[3][255];
		size_t lens[3] = {lengths[k % 5], lengths[k / 5 % 5], lengths[k / 25]};
		struct mt_msg_facts facts = {.expires_ns = 77,
					     .author_id = UINT64_MAX,
					     .qos = (uint8_t)(k % 3),
					     .is_retain = k % 2};
		struct mt_msg *msg;
		for (size_t i = 0; i < 3; i++)
			memset(data[i], (int)i + 1, sizeof(data[i]));
		facts.topic = mt_bytes_of(lens[0] ? data[0] : NULL, lens[0]);
		facts.props = mt_bytes_of(lens[1] ? data[1] : NULL, lens[1]);
		facts.payload = mt_bytes_of(lens[2] ? data[2] : NULL, lens[2]);
		msg = mt_msg_create(&messages, &facts);
		assert_non_null(msg);
		assert_true(mt_bytes_equal(mt_msg_topic(msg), facts.topic));
		assert_true(mt_bytes_equal(mt_msg_props(msg), facts.props));
		assert_true(mt_bytes_equal(mt_msg_payload(msg), facts.payload));
		assert_int_equal(mt_msg_bytes(msg), sizeof(*msg) + lens[0] + lens[1] + lens[2]);
		assert_int_equal(msg->expires_ns, 77);
		assert_true(msg->author_id == UINT64_MAX);
		assert_int_equal(msg->qos, k % 3);
		assert_int_equal(msg->is_retain, k % 2);
		mt_msg_unref(&msg);
		assert_null(msg);
	}
}

static void the_copy_outlives_the_original(void **state)
{
	char payload[] = "open the gate";
	struct mt_msg_facts facts = {.topic = mt_bytes_str("yard/gate"),
				     .payload = mt_bytes_str(payload)};
	struct mt_msg *msg = mt_msg_create(&messages, &facts);
	struct mt_msg *second;
	(void)state;
	assert_non_null(msg);
	memset(payload, 0, sizeof(payload));
	second = mt_msg_ref(msg);
	assert_ptr_equal(second, msg);
	mt_msg_unref(&msg);
	assert_null(msg);
	assert_true(mt_bytes_equal(mt_msg_payload(second), mt_bytes_str("open the gate")));
	mt_msg_unref(&second);
	mt_msg_unref(&second);
}

static void *share(void *of)
{
	for (int i = 0; i < SHARE_COUNT; i++) {
		struct mt_msg *mine = mt_msg_ref(of);
		mt_msg_unref(&mine);
	}
	return NULL;
}

static void threads_count_together(void **state)
{
	struct mt_msg_facts facts = {.topic = mt_bytes_str("t")};
	struct mt_msg *msg = mt_msg_create(&messages, &facts);
	pthread_t threads[3];
	(void)state;
	assert_non_null(msg);
	for (size_t i = 0; i < MT_COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, share, msg), 0);
	for (size_t i = 0; i < MT_COUNT_OF(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&msg->ref_count), 1);
	mt_msg_unref(&msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_come_back),
		cmocka_unit_test(the_copy_outlives_the_original),
		cmocka_unit_test(threads_count_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
