/* Accounted memory: the sum against a twin, the ceiling, the failing hook, refusal by the system.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

#define BLOCK_COUNT 32u
#define CEILING 20000u

/* Lets the allocator under a sanitizer refuse as the plain one does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

struct block {
	uint8_t *at;
	size_t bytes;
};

static bool is_filled(const struct block *block, size_t bytes, uint8_t with)
{
	for (size_t i = 0; i < bytes; i++)
		if (block->at[i] != with)
			return false;
	return true;
}

static size_t sum_of(const struct block *blocks)
{
	size_t sum = 0;
	for (size_t i = 0; i < BLOCK_COUNT; i++)
		sum += blocks[i].bytes;
	return sum;
}

static void take_block(struct mt_mem *mem, struct block *block, size_t bytes, uint8_t mark,
		       bool is_zeroed)
{
	bool fits = bytes <= CEILING - mem->used_bytes;
	uint8_t *at = is_zeroed ? mt_mem_zero(mem, bytes) : mt_mem_take(mem, bytes);
	assert_int_equal(at != NULL, fits);
	if (!at)
		return;
	*block = (struct block){at, bytes};
	if (is_zeroed)
		assert_true(is_filled(block, bytes, 0));
	memset(at, mark, bytes);
}

static void resize_block(struct mt_mem *mem, struct block *block, size_t bytes, uint8_t mark)
{
	bool fits = bytes <= block->bytes || bytes - block->bytes <= CEILING - mem->used_bytes;
	uint8_t *at = mt_mem_resize(mem, block->at, block->bytes, bytes);
	assert_int_equal(at != NULL, fits);
	if (!at) {
		assert_true(is_filled(block, block->bytes, mark));
		return;
	}
	block->at = at;
	assert_true(is_filled(block, bytes < block->bytes ? bytes : block->bytes, mark));
	block->bytes = bytes;
	memset(at, mark, bytes);
}

static void random_operations_agree(void **state)
{
	struct block blocks[BLOCK_COUNT] = {{NULL, 0}};
	struct mt_mem mem;
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 4);
	mt_mem_init(&mem, CEILING);
	for (int step = 0; step < 20000; step++) {
		size_t i = mt_rng_below(&rng, BLOCK_COUNT);
		size_t bytes = 1 + mt_rng_below(&rng, 2000);
		unsigned choice = (unsigned)mt_rng_below(&rng, 3);
		if (!blocks[i].at && choice < 2) {
			take_block(&mem, &blocks[i], bytes, (uint8_t)i, choice == 0);
		} else if (choice == 0) {
			mt_mem_give(&mem, blocks[i].at, blocks[i].bytes);
			blocks[i] = (struct block){NULL, 0};
		} else {
			resize_block(&mem, &blocks[i], bytes, (uint8_t)i);
		}
		assert_int_equal(mem.used_bytes, sum_of(blocks));
	}
	assert_true(mem.refused_count > 0);
	for (size_t i = 0; i < BLOCK_COUNT; i++)
		mt_mem_give(&mem, blocks[i].at, blocks[i].bytes);
	assert_int_equal(mem.used_bytes, 0);
}

static void the_ceiling_is_exact(void **state)
{
	struct mt_mem mem;
	void *at;
	(void)state;
	mt_mem_init(&mem, 100);
	assert_null(mt_mem_take(&mem, 101));
	assert_int_equal(mem.refused_count, 1);
	at = mt_mem_take(&mem, 100);
	assert_non_null(at);
	assert_null(mt_mem_take(&mem, 1));
	assert_null(mt_mem_resize(&mem, at, 100, 101));
	assert_int_equal(mem.refused_count, 3);
	at = mt_mem_resize(&mem, at, 100, 40);
	assert_non_null(at);
	assert_int_equal(mem.used_bytes, 40);
	mt_mem_give(&mem, at, 40);
	mt_mem_give(&mem, NULL, 0);
	assert_int_equal(mem.used_bytes, 0);
}

static void the_hook_fails_the_nth_alone(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 6; n++) {
		struct mt_mem mem;
		void *taken[6];
		mt_mem_init(&mem, SIZE_MAX);
		mem.fail_in = n;
		for (uint64_t i = 1; i <= 6; i++) {
			taken[i - 1] =
				i % 2 ? mt_mem_take(&mem, 8) : mt_mem_resize(&mem, NULL, 0, 8);
			assert_int_equal(taken[i - 1] == NULL, i == n);
		}
		assert_int_equal(mem.refused_count, 1);
		assert_int_equal(mem.used_bytes, 40);
		for (size_t i = 0; i < 6; i++)
			mt_mem_give(&mem, taken[i], 8);
	}
}

static void what_the_system_refuses_is_counted(void **state)
{
	volatile size_t huge = PTRDIFF_MAX - 4096;
	struct mt_mem mem;
	void *at;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	assert_null(mt_mem_take(&mem, huge));
	assert_null(mt_mem_zero(&mem, huge));
	assert_int_equal(mem.refused_count, 2);
	at = mt_mem_take(&mem, 16);
	assert_non_null(at);
	memset(at, 7, 16);
	assert_null(mt_mem_resize(&mem, at, 16, huge));
	assert_int_equal(mem.refused_count, 3);
	assert_int_equal(mem.used_bytes, 16);
	assert_true(is_filled(&(struct block){at, 16}, 16, 7));
	mt_mem_give(&mem, at, 16);
}

static void shared_blocks_are_under_the_same_ceiling(void **state)
{
	struct mt_mem mem;
	void *own, *shared, *promised;
	(void)state;
	mt_mem_init(&mem, 100);
	own = mt_mem_take(&mem, 60);
	shared = mt_mem_take_shared(&mem, 40);
	assert_non_null(own);
	assert_non_null(shared);
	assert_int_equal(mt_mem_bytes(&mem), 100);
	assert_null(mt_mem_take_shared(&mem, 1));
	assert_null(mt_mem_take(&mem, 1));
	promised = mt_mem_take_promised(&mem, 30); /* counted all the same */
	assert_non_null(promised);
	assert_int_equal(mt_mem_bytes(&mem), 130);
	mt_mem_give_shared(&mem, shared, 40);
	assert_null(mt_mem_take(&mem, 11));
	mt_mem_give(&mem, promised, 30);
	mt_mem_give(&mem, own, 60);
	mt_mem_give_shared(&mem, NULL, 0);
	assert_int_equal(mt_mem_bytes(&mem), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree),
		cmocka_unit_test(the_ceiling_is_exact),
		cmocka_unit_test(the_hook_fails_the_nth_alone),
		cmocka_unit_test(what_the_system_refuses_is_counted),
		cmocka_unit_test(shared_blocks_are_under_the_same_ceiling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
