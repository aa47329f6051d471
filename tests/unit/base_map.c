/* Hash map against an array of flags: random operations, clusters, failing allocation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/map.h"
#include "base/rng.h"

#define ITEM_COUNT 300u

struct item {
	uint8_t key[4];
	size_t key_len;
	bool is_in;
};

static struct mt_bytes key_of(const void *value)
{
	const struct item *item = value;
	return mt_bytes_of(item->key, item->key_len);
}

/* Distinct keys of 0 to 3 bytes, zero bytes among them. */
static void name_items(struct item *items)
{
	memset(items, 0, ITEM_COUNT * sizeof(*items));
	for (size_t i = 1; i < ITEM_COUNT; i++) {
		items[i].key_len = i < 40 ? 1 : i % 2 + 2;
		items[i].key[0] = (uint8_t)i;
		items[i].key[1] = i < 40 ? 0 : (uint8_t)(i >> 8);
	}
}

static void compare(const struct mt_map *map, struct item *items)
{
	size_t pos = 0, count = 0, seen = 0;
	const struct item *item;
	for (size_t i = 0; i < ITEM_COUNT; i++) {
		assert_ptr_equal(mt_map_find(map, key_of(&items[i])),
				 items[i].is_in ? &items[i] : NULL);
		count += items[i].is_in;
	}
	assert_int_equal(map->count, count);
	assert_true(map->count * 4 <= map->slot_count * 3);
	while ((item = mt_map_next(map, &pos))) {
		assert_true(item->is_in);
		seen++;
	}
	assert_int_equal(seen, count);
}

static void flip(struct mt_map *map, struct item *item)
{
	if (item->is_in)
		assert_ptr_equal(mt_map_remove(map, key_of(item)), item);
	else
		assert_int_equal(mt_map_put(map, item), MT_OK);
	item->is_in = !item->is_in;
}

static void random_operations_agree(void **state)
{
	(void)state;
	for (uint64_t run = 0; run < 6; run++) {
		static struct item items[ITEM_COUNT];
		struct mt_mem mem;
		struct mt_map map;
		struct mt_rng rng;
		name_items(items);
		mt_rng_init(&rng, run);
		mt_mem_init(&mem, SIZE_MAX);
		mt_map_init(&map, &mem, (struct mt_seed){{run, ~run}}, key_of);
		compare(&map, items);
		for (int step = 0; step < 2000; step++) {
			struct item *item = &items[mt_rng_below(&rng, ITEM_COUNT)];
			if (!item->is_in && mt_rng_below(&rng, 4) == 0)
				assert_null(mt_map_remove(&map, key_of(item)));
			else
				flip(&map, item);
			if (step % 8 == 0)
				compare(&map, items);
		}
		mt_map_finish(&map);
		assert_int_equal(mem.used_bytes, 0);
	}
}

/* Six items in eight slots touch each other and wrap around; each seed lays them out anew. */
static void removal_keeps_followers_reachable(void **state)
{
	static struct item items[ITEM_COUNT];
	struct mt_mem mem;
	(void)state;
	name_items(items);
	mt_mem_init(&mem, SIZE_MAX);
	for (uint64_t seed = 0; seed < 300; seed++)
		for (size_t victim = 0; victim < 6; victim++) {
			struct mt_map map;
			mt_map_init(&map, &mem, (struct mt_seed){{seed, 7}}, key_of);
			for (size_t i = 0; i < 6; i++)
				flip(&map, &items[i]);
			assert_int_equal(map.slot_count, 8);
			for (size_t i = 0; i < 6; i++) {
				flip(&map, &items[(victim + i) % 6]);
				for (size_t k = 0; k < 6; k++)
					assert_ptr_equal(mt_map_find(&map, key_of(&items[k])),
							 items[k].is_in ? &items[k] : NULL);
			}
			assert_int_equal(map.count, 0);
			mt_map_finish(&map);
		}
	assert_int_equal(mem.used_bytes, 0);
}

static void a_failed_put_changes_nothing(void **state)
{
	static struct item items[ITEM_COUNT];
	struct mt_mem mem;
	struct mt_map map;
	size_t failures = 0;
	(void)state;
	name_items(items);
	mt_mem_init(&mem, SIZE_MAX);
	mt_map_init(&map, &mem, (struct mt_seed){{1, 2}}, key_of);
	for (size_t i = 0; i < ITEM_COUNT; i++) {
		mem.fail_in = 1;
		if (mt_map_put(&map, &items[i]) == MT_OK) {
			items[i].is_in = true;
		} else {
			failures++;
			compare(&map, items);
			mem.fail_in = 0;
			flip(&map, &items[i]);
		}
	}
	mem.fail_in = 0;
	compare(&map, items);
	assert_true(failures > 3);
	assert_int_equal(mem.refused_count, failures);
	mt_map_finish(&map);
	assert_int_equal(mem.used_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree),
		cmocka_unit_test(removal_keeps_followers_reachable),
		cmocka_unit_test(a_failed_put_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
