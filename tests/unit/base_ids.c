/* Growing array of ids: order kept through growth, nothing lost when growth fails, no allocation
 * after clear. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/ids.h"

#define ID_COUNT 1000u

static uint32_t id_at(size_t i)
{
	return (uint32_t)i * 2654435761u;
}

static void check_items(const struct mt_ids *ids, size_t count)
{
	assert_int_equal(ids->count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(ids->items[i], id_at(i));
}

static void order_is_kept(void **state)
{
	struct mt_mem mem;
	struct mt_ids ids;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	mt_ids_init(&ids, &mem);
	for (size_t i = 0; i < ID_COUNT; i++) {
		assert_int_equal(mt_ids_push(&ids, id_at(i)), MT_OK);
		check_items(&ids, i + 1);
	}
	mt_ids_finish(&ids);
	assert_int_equal(mem.used_bytes, 0);
}

static void failed_growth_keeps_the_items(void **state)
{
	struct mt_mem mem;
	struct mt_ids ids;
	size_t failures = 0;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	mt_ids_init(&ids, &mem);
	for (size_t i = 0; i < ID_COUNT; i++) {
		mem.fail_in = 1;
		if (mt_ids_push(&ids, id_at(i)) == MT_OK)
			continue;
		failures++;
		check_items(&ids, i);
		mem.fail_in = 0;
		assert_int_equal(mt_ids_push(&ids, id_at(i)), MT_OK);
	}
	check_items(&ids, ID_COUNT);
	assert_true(failures > 1);
	mt_ids_finish(&ids);
	assert_int_equal(mem.used_bytes, 0);
}

static void clearing_keeps_the_room(void **state)
{
	struct mt_mem mem;
	struct mt_ids ids;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	mt_ids_init(&ids, &mem);
	for (size_t i = 0; i < ID_COUNT; i++)
		assert_int_equal(mt_ids_push(&ids, 1), MT_OK);
	mt_ids_clear(&ids);
	assert_int_equal(ids.count, 0);
	mem.fail_in = 1;
	for (size_t i = 0; i < ID_COUNT; i++)
		assert_int_equal(mt_ids_push(&ids, id_at(i)), MT_OK);
	check_items(&ids, ID_COUNT);
	mem.fail_in = 0;
	mt_ids_finish(&ids);
	assert_int_equal(mt_ids_push(&ids, id_at(0)), MT_OK);
	check_items(&ids, 1);
	mt_ids_finish(&ids);
	assert_int_equal(mem.used_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_kept),
		cmocka_unit_test(failed_growth_keeps_the_items),
		cmocka_unit_test(clearing_keeps_the_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
