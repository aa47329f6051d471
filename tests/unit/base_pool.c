/* Pool: handles go stale for good, items keep their place, limits hold, walking sees each live item
 * once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pool.h"
#include "base/rng.h"

#define COUNT_MAX 150u
#define STALE_MAX 4096u

struct item {
	mt_handle self;
	uint8_t rest[21];
};

struct twin {
	mt_handle live[COUNT_MAX];
	struct item *items[COUNT_MAX];
	size_t live_count;
	mt_handle stale[STALE_MAX];
	size_t stale_count;
};

static void take(struct mt_pool *pool, struct twin *twin)
{
	static const struct item blank;
	mt_handle handle = 99;
	struct item *item = mt_pool_take(pool, &handle);
	if (twin->live_count == COUNT_MAX) {
		assert_null(item);
		assert_int_equal(handle, 99);
		return;
	}
	assert_non_null(item);
	assert_true(handle != MT_HANDLE_NONE);
	assert_int_equal((uintptr_t)item % 16, 0);
	assert_memory_equal(item, &blank, sizeof(blank));
	memset(item, 0xee, sizeof(*item));
	item->self = handle;
	twin->items[twin->live_count] = item;
	twin->live[twin->live_count++] = handle;
}

static void give(struct mt_pool *pool, struct twin *twin, size_t i)
{
	mt_pool_give(pool, twin->live[i]);
	twin->stale[twin->stale_count++ % STALE_MAX] = twin->live[i];
	twin->live[i] = twin->live[--twin->live_count];
	twin->items[i] = twin->items[twin->live_count];
}

static void check_handles(const struct mt_pool *pool, const struct twin *twin)
{
	assert_int_equal(pool->used_count, twin->live_count);
	for (size_t i = 0; i < twin->live_count; i++) {
		assert_ptr_equal(mt_pool_get(pool, twin->live[i]), twin->items[i]);
		assert_ptr_equal(mt_pool_at(pool, mt_handle_index(twin->live[i])), twin->items[i]);
		assert_int_equal(twin->items[i]->self, twin->live[i]);
	}
	for (size_t i = 0; i < twin->stale_count && i < STALE_MAX; i++)
		assert_null(mt_pool_get(pool, twin->stale[i]));
}

static void check_walk(const struct mt_pool *pool, const struct twin *twin)
{
	uint32_t index = 0;
	uint32_t least = 0;
	size_t seen = 0;
	mt_handle handle = MT_HANDLE_NONE;
	const struct item *item;
	while ((item = mt_pool_next(pool, &index, &handle))) {
		assert_int_equal(item->self, handle);
		assert_true(mt_handle_index(handle) >= least);
		least = mt_handle_index(handle) + 1;
		assert_int_equal(index, least);
		seen++;
	}
	assert_int_equal(seen, twin->live_count);
}

static void random_operations_agree(void **state)
{
	static struct twin twin;
	struct mt_mem mem;
	struct mt_pool pool;
	struct mt_rng rng;
	(void)state;
	memset(&twin, 0, sizeof(twin));
	mt_rng_init(&rng, 5);
	mt_mem_init(&mem, SIZE_MAX);
	mt_pool_init(&pool, &mem, sizeof(struct item), COUNT_MAX);
	for (int step = 0; step < 6000; step++) {
		bool is_growing = step / 500 % 2 == 0;
		if (twin.live_count == 0 || mt_rng_below(&rng, 3) < (is_growing ? 2 : 1))
			take(&pool, &twin);
		else
			give(&pool, &twin, mt_rng_below(&rng, twin.live_count));
		if (step % 16 == 0) {
			check_handles(&pool, &twin);
			check_walk(&pool, &twin);
		}
	}
	assert_true(pool.slot_count <= COUNT_MAX);
	mt_pool_finish(&pool);
	assert_int_equal(mem.used_bytes, 0);
}

static void the_limit_is_exact(void **state)
{
	static const uint32_t limits[] = {0, 1, 63, 64, 65};
	struct mt_mem mem;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	for (size_t k = 0; k < MT_COUNT_OF(limits); k++) {
		struct mt_pool pool;
		mt_handle handle = MT_HANDLE_NONE;
		mt_pool_init(&pool, &mem, 1, limits[k]);
		for (uint32_t i = 0; i < limits[k]; i++)
			assert_non_null(mt_pool_take(&pool, &handle));
		assert_null(mt_pool_take(&pool, &handle));
		if (limits[k] > 0) {
			mt_pool_give(&pool, handle);
			assert_non_null(mt_pool_take(&pool, &handle));
			assert_null(mt_pool_take(&pool, &handle));
		}
		mt_pool_finish(&pool);
	}
	assert_int_equal(mem.used_bytes, 0);
}

static void foreign_handles_find_nothing(void **state)
{
	struct mt_mem mem;
	struct mt_pool pool;
	struct mt_rng rng;
	mt_handle handle;
	(void)state;
	mt_rng_init(&rng, 6);
	mt_mem_init(&mem, SIZE_MAX);
	mt_pool_init(&pool, &mem, 8, 10);
	assert_null(mt_pool_get(&pool, MT_HANDLE_NONE));
	assert_null(mt_pool_at(&pool, 0));
	assert_non_null(mt_pool_take(&pool, &handle));
	assert_null(mt_pool_get(&pool, MT_HANDLE_NONE));
	assert_null(mt_pool_get(&pool, handle + 1));
	assert_null(mt_pool_at(&pool, 1));
	assert_null(mt_pool_at(&pool, UINT32_MAX));
	for (int i = 0; i < 10000; i++) {
		mt_handle guess = mt_rng_next(&rng) >> mt_rng_below(&rng, 64);
		assert_int_equal(mt_pool_get(&pool, guess) != NULL, guess == handle);
	}
	mt_pool_finish(&pool);
}

static void failed_growth_loses_nothing(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 6; n++) {
		struct mt_mem mem;
		struct mt_pool pool;
		mt_handle handle = 99;
		mt_handle last = 99;
		size_t failures = 0;
		mt_mem_init(&mem, SIZE_MAX);
		mt_pool_init(&pool, &mem, 24, 1000);
		mem.fail_in = n;
		for (int i = 0; i < 64 * 3 + 1; i++) {
			if (!mt_pool_take(&pool, &handle)) {
				failures++;
				assert_int_equal(handle, last);
				assert_non_null(mt_pool_take(&pool, &handle));
			}
			last = handle;
			assert_non_null(mt_pool_get(&pool, handle));
		}
		assert_int_equal(failures, 1);
		assert_int_equal(pool.used_count, 64 * 3 + 1);
		mt_pool_finish(&pool);
		assert_int_equal(mem.used_bytes, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree),
		cmocka_unit_test(the_limit_is_exact),
		cmocka_unit_test(foreign_handles_find_nothing),
		cmocka_unit_test(failed_growth_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
