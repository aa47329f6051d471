/* Blocks that joined cores give each other: what is in them, and that nothing of them stays. */
#include "link/message.h"

#include "core_world.h"

static void a_message_holds_text_numbers_and_a_reference(void **state)
{
	struct mt_mem mem;
	struct mt_msg_facts facts = {.topic = mt_bytes_str("t"), .payload = mt_bytes_str("x")};
	struct mt_link_message *message;
	struct mt_msg *msg;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	msg = mt_msg_create(&mem, &facts);
	message = mt_link_message_create(&mem, MT_LINK_ASK, mt_bytes_str("a/+"), 3);
	assert_non_null(message);
	assert_true(mt_bytes_equal(mt_link_message_text(message), mt_bytes_str("a/+")));
	for (int i = 0; i < 3; i++)
		assert_int_equal(message->heard[i], 0);
	message->heard[2] = UINT64_MAX;
	assert_true(mt_bytes_equal(mt_link_message_text(message), mt_bytes_str("a/+")));
	message->msg = mt_msg_ref(msg);
	assert_int_equal(mt_link_message_bytes(message), message->bytes + mt_msg_bytes(msg));
	mt_link_message_free(&message);
	assert_null(message);
	mt_link_message_free(&message);
	mt_msg_unref(&msg);
	assert_int_equal(mt_mem_bytes(&mem), 0);
}

static void the_ceiling_refuses_all_but_promises(void **state)
{
	struct mt_mem mem;
	struct mt_link_message *message;
	(void)state;
	mt_mem_init(&mem, 8);
	assert_null(mt_link_message_create(&mem, MT_LINK_PUBLISH, mt_bytes_of(NULL, 0), 0));
	message = mt_link_message_promised(&mem, MT_LINK_ANSWER, mt_bytes_of(NULL, 0));
	assert_non_null(message);
	assert_int_equal(mt_mem_bytes(&mem), message->bytes);
	mt_link_message_free(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_holds_text_numbers_and_a_reference),
		cmocka_unit_test(the_ceiling_refuses_all_but_promises),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
