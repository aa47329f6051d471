/* The set of packet ids against one flag per id. */
#include "base/rng.h"
#include "session/flow_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void equals_the_naive_twin(void **state)
{
	static const uint32_t spans[] = {16, 300, 65535};
	(void)state;
	for (size_t s = 0; s < MT_COUNT_OF(spans); s++) {
		static bool twin[65536];
		struct mt_mem mem;
		struct mt_flow_in flow;
		struct mt_rng rng;
		uint32_t count = 0;
		mt_mem_init(&mem, SIZE_MAX);
		mt_flow_in_init(&flow, &mem);
		mt_rng_init(&rng, s + 1);
		for (int i = 0; i < 20000; i++) {
			uint64_t roll = mt_rng_next(&rng);
			uint16_t id = (uint16_t)(1 + (roll >> 8) % spans[s]);
			assert_int_equal(mt_flow_in_has(&flow, id), twin[id]);
			if (roll & 1) {
				assert_int_equal(mt_flow_in_remove(&flow, id), twin[id]);
				count -= twin[id];
				twin[id] = false;
			} else if (!twin[id]) {
				assert_int_equal(mt_flow_in_add(&flow, id), MT_OK);
				twin[id] = true;
				count++;
			}
			assert_int_equal(flow.count, count);
		}
		for (uint32_t id = 1; id < 65536; id++) {
			assert_int_equal(mt_flow_in_remove(&flow, (uint16_t)id), twin[id]);
			twin[id] = false;
		}
		assert_int_equal(flow.count, 0);
		mt_flow_in_finish(&flow);
		assert_int_equal(mem.used_bytes, 0);
	}
}

/* Ids that all want the same slot, removed in every rotation. */
static void holes_are_closed(void **state)
{
	(void)state;
	for (uint16_t start = 0; start < 5; start++) {
		struct mt_mem mem;
		struct mt_flow_in flow;
		mt_mem_init(&mem, SIZE_MAX);
		mt_flow_in_init(&flow, &mem);
		for (uint16_t i = 1; i <= 5; i++)
			assert_int_equal(mt_flow_in_add(&flow, (uint16_t)(i * 4096 + 7)), MT_OK);
		for (uint16_t k = 0; k < 5; k++) {
			uint16_t gone = (uint16_t)(((start + k) % 5 + 1) * 4096 + 7);
			assert_true(mt_flow_in_remove(&flow, gone));
			assert_false(mt_flow_in_has(&flow, gone));
			for (uint16_t l = (uint16_t)(k + 1); l < 5; l++)
				assert_true(mt_flow_in_has(
					&flow, (uint16_t)(((start + l) % 5 + 1) * 4096 + 7)));
		}
		mt_flow_in_finish(&flow);
		assert_int_equal(mem.used_bytes, 0);
	}
}

static void every_id_fits(void **state)
{
	struct mt_mem mem;
	struct mt_flow_in flow;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	mt_flow_in_init(&flow, &mem);
	for (uint32_t id = 1; id < 65536; id++)
		assert_int_equal(mt_flow_in_add(&flow, (uint16_t)id), MT_OK);
	for (uint32_t id = 1; id < 65536; id++)
		assert_true(mt_flow_in_has(&flow, (uint16_t)id));
	mt_flow_in_finish(&flow);
	assert_int_equal(mem.used_bytes, 0);
}

static void keeps_its_content_without_memory(void **state)
{
	(void)state;
	for (uint64_t fail_in = 1; fail_in < 8; fail_in++) {
		struct mt_mem mem;
		struct mt_flow_in flow;
		uint16_t id = 1;
		mt_mem_init(&mem, SIZE_MAX);
		mt_flow_in_init(&flow, &mem);
		mem.fail_in = fail_in;
		while (mt_flow_in_add(&flow, id) == MT_OK)
			id++;
		assert_false(mt_flow_in_has(&flow, id));
		assert_int_equal(flow.count, id - 1);
		for (uint16_t i = 1; i < id; i++)
			assert_true(mt_flow_in_has(&flow, i));
		assert_int_equal(mt_flow_in_add(&flow, id), MT_OK);
		assert_true(mt_flow_in_has(&flow, id));
		mt_flow_in_finish(&flow);
		assert_int_equal(mem.used_bytes, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_the_naive_twin),
		cmocka_unit_test(holes_are_closed),
		cmocka_unit_test(every_id_fits),
		cmocka_unit_test(keeps_its_content_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
