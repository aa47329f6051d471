/* The ring of held acknowledgements against a plain array. */
#include "base/rng.h"
#include "session/acks.h"
#include "spec.h"
#include "wire/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TWIN_MAX 4000u

static void leave_in_order_and_only_when_ready(void **state)
{
	struct mt_mem mem;
	struct mt_acks acks;
	struct mt_held_ack got;
	(void)state;
	SPEC(MQTT5, "4.6.0-2");
	SPEC(MQTT5, "4.6.0-3");
	mt_mem_init(&mem, SIZE_MAX);
	mt_acks_init(&acks, &mem);
	assert_false(mt_acks_pop(&acks, &got));
	assert_int_equal(
		mt_acks_push(&acks,
			     (struct mt_held_ack){.ticket = 8, .packet_id = 1, .reason = 0x10}),
		MT_OK);
	assert_int_equal(mt_acks_push(&acks, (struct mt_held_ack){.packet_id = 2, .reason = 0x97}),
			 MT_OK);
	assert_int_equal(mt_acks_push(&acks, (struct mt_held_ack){.ticket = 9, .packet_id = 3}),
			 MT_OK);
	assert_false(mt_acks_pop(&acks, &got));
	assert_true(mt_acks_has(&acks, 0, 3));
	assert_false(mt_acks_has(&acks, 1, 3));
	assert_false(mt_acks_has(&acks, 0, 4));
	mt_acks_settle(&acks, 9, 0x80);
	mt_acks_settle(&acks, 77, 0x80);
	assert_false(mt_acks_pop(&acks, &got));
	mt_acks_settle(&acks, 8, 0);
	assert_true(mt_acks_pop(&acks, &got));
	assert_int_equal(got.packet_id, 1);
	assert_false(mt_acks_has(&acks, 0, 1));
	assert_int_equal(got.reason, 0x10);
	assert_true(mt_acks_pop(&acks, &got));
	assert_int_equal(got.reason, 0x97);
	assert_true(mt_acks_pop(&acks, &got));
	assert_int_equal(got.packet_id, 3);
	assert_int_equal(got.reason, 0x80);
	assert_false(mt_acks_pop(&acks, &got));
	mt_acks_finish(&acks);
	assert_int_equal(mem.used_bytes, 0);
}

static uint32_t count_final(const struct mt_held_ack *held, size_t count)
{
	uint32_t final_count = 0;
	for (size_t i = 0; i < count; i++)
		final_count += held[i].type == MT_PACKET_PUBACK || held[i].reason >= 0x80;
	return final_count;
}

/* Random pushes, answers and pops. */
static void equals_the_naive_twin(void **state)
{
	static struct mt_held_ack twin[TWIN_MAX];
	size_t first = 0, last = 0;
	struct mt_mem mem;
	struct mt_acks acks;
	struct mt_held_ack got;
	struct mt_rng rng;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	mt_acks_init(&acks, &mem);
	mt_rng_init(&rng, 5);
	while (last < TWIN_MAX || first < last) {
		uint64_t roll = mt_rng_next(&rng);
		bool is_ready = first < last && twin[first].ticket == 0;
		if (last < TWIN_MAX && roll % 3 == 0) {
			twin[last] = (struct mt_held_ack){.ticket = roll & 64 ? last + 1 : 0,
							  .packet_id = (uint16_t)(last + 1),
							  .type = roll & 256 ? MT_PACKET_PUBACK
									     : MT_PACKET_PUBREC,
							  .reason = (uint8_t)(roll >> 16)};
			assert_int_equal(mt_acks_push(&acks, twin[last++]), MT_OK);
		} else if (first < last && roll % 3 == 1) {
			size_t at = first + (roll >> 8) % (last - first);
			uint8_t reason = roll & 64 ? 0x97 : 0;
			mt_acks_settle(&acks, at + 1, reason);
			if (twin[at].ticket && reason)
				twin[at].reason = reason;
			twin[at].ticket = 0;
		} else {
			assert_int_equal(mt_acks_pop(&acks, &got), is_ready);
			if (is_ready)
				assert_memory_equal(&got, &twin[first++], sizeof(got));
		}
		assert_int_equal(acks.count, last - first);
		assert_int_equal(acks.final_count, count_final(&twin[first], last - first));
	}
	mt_acks_finish(&acks);
	assert_int_equal(mem.used_bytes, 0);
}

/* A refused push changes nothing, wherever in its growth the ring is. */
static void keeps_its_content_without_memory(void **state)
{
	(void)state;
	for (uint64_t fail_in = 1; fail_in < 6; fail_in++) {
		struct mt_mem mem;
		struct mt_acks acks;
		struct mt_held_ack got;
		uint16_t pushed = 0;
		mt_mem_init(&mem, SIZE_MAX);
		mt_acks_init(&acks, &mem);
		/* the ring wraps around before it grows */
		for (int i = 0; i < 5 && fail_in > 1; i++) {
			assert_int_equal(mt_acks_push(&acks, (struct mt_held_ack){.packet_id = 1}),
					 MT_OK);
			assert_true(mt_acks_pop(&acks, &got));
		}
		mem.fail_in = fail_in > 1 ? fail_in - 1 : 1;
		while (mt_acks_push(&acks, (struct mt_held_ack){
						   .packet_id = (uint16_t)(pushed + 1)}) == MT_OK)
			pushed++;
		assert_int_equal(acks.count, pushed);
		assert_int_equal(
			mt_acks_push(&acks,
				     (struct mt_held_ack){.packet_id = (uint16_t)(pushed + 1)}),
			MT_OK);
		for (uint16_t id = 1; id <= pushed + 1; id++) {
			assert_true(mt_acks_pop(&acks, &got));
			assert_int_equal(got.packet_id, id);
		}
		mt_acks_finish(&acks);
		assert_int_equal(mem.used_bytes, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leave_in_order_and_only_when_ready),
		cmocka_unit_test(equals_the_naive_twin),
		cmocka_unit_test(keeps_its_content_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
