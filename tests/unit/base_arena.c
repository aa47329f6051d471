/* Arena: blocks do not overlap, come zeroed and aligned, survive a failed growth and go together.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/rng.h"

#define TAKE_COUNT 400u

static void is_all(const uint8_t *at, size_t bytes, uint8_t with)
{
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(at[i], with);
}

static void takes_do_not_overlap(void **state)
{
	static uint8_t *taken[TAKE_COUNT];
	static size_t sizes[TAKE_COUNT];
	struct mt_mem mem;
	struct mt_arena arena;
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 7);
	mt_mem_init(&mem, SIZE_MAX);
	mt_arena_init(&arena, &mem);
	for (size_t i = 0; i < TAKE_COUNT; i++) {
		sizes[i] = mt_rng_below(&rng, 1u << mt_rng_below(&rng, 13));
		if (i == TAKE_COUNT / 2)
			sizes[i] = 200000;
		taken[i] = mt_arena_take(&arena, sizes[i]);
		assert_non_null(taken[i]);
		assert_int_equal((uintptr_t)taken[i] % 16, 0);
		is_all(taken[i], sizes[i], 0);
		memset(taken[i], (int)(i % 255) + 1, sizes[i]);
	}
	for (size_t i = 0; i < TAKE_COUNT; i++)
		is_all(taken[i], sizes[i], (uint8_t)(i % 255 + 1));
	mt_arena_finish(&arena);
	assert_int_equal(mem.used_bytes, 0);
}

static void empty_takes_differ(void **state)
{
	struct mt_mem mem;
	struct mt_arena arena;
	void *last = NULL;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	mt_arena_init(&arena, &mem);
	for (int i = 0; i < 300; i++) {
		void *at = mt_arena_take(&arena, 0);
		assert_non_null(at);
		assert_ptr_not_equal(at, last);
		last = at;
	}
	mt_arena_finish(&arena);
	assert_int_equal(mem.used_bytes, 0);
}

static void copies_are_terminated(void **state)
{
	char text[100];
	struct mt_mem mem;
	struct mt_arena arena;
	struct mt_bytes copies[100];
	(void)state;
	memset(text, 'x', sizeof(text));
	mt_mem_init(&mem, SIZE_MAX);
	mt_arena_init(&arena, &mem);
	for (size_t len = 0; len < 100; len++)
		assert_int_equal(
			mt_arena_copy(&arena, mt_bytes_of(len ? text : NULL, len), &copies[len]),
			MT_OK);
	memset(text, 'y', sizeof(text));
	for (size_t len = 0; len < 100; len++) {
		assert_int_equal(copies[len].len, len);
		is_all(copies[len].data, len, 'x');
		assert_int_equal(copies[len].data[len], 0);
	}
	mt_arena_finish(&arena);
	assert_int_equal(mem.used_bytes, 0);
}

static void a_failed_growth_changes_nothing(void **state)
{
	struct mt_mem mem;
	struct mt_arena arena;
	struct mt_bytes first = mt_bytes_str(NULL);
	struct mt_bytes out = mt_bytes_str("old");
	size_t used;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	mt_arena_init(&arena, &mem);
	mem.fail_in = 1;
	assert_null(mt_arena_take(&arena, 10));
	assert_int_equal(mt_arena_copy(&arena, mt_bytes_str("abc"), &first), MT_OK);
	used = mem.used_bytes;
	mem.fail_in = 1;
	assert_int_equal(mt_arena_copy(&arena, mt_bytes_of(NULL, 0), &out), MT_OK);
	out = mt_bytes_str("old");
	mem.max_bytes = used;
	assert_null(mt_arena_take(&arena, 5000));
	mem.fail_in = 0;
	assert_true(mt_bytes_equal(first, mt_bytes_str("abc")));
	while (mt_arena_copy(&arena, mt_bytes_str("filler"), &out) == MT_OK)
		out = mt_bytes_str("old");
	assert_true(mt_bytes_equal(out, mt_bytes_str("old")));
	assert_int_equal(mem.used_bytes, used);
	mt_arena_finish(&arena);
	assert_int_equal(mem.used_bytes, 0);
}

/* Sizes near the top of the address space must be refused, not wrap around into a small block. */
static void a_huge_take_is_refused(void **state)
{
	struct mt_mem mem;
	struct mt_arena arena;
	(void)state;
	mt_mem_init(&mem, 1u << 20);
	mt_arena_init(&arena, &mem);
	for (size_t below = 0; below < 200; below++) {
		volatile size_t bytes = SIZE_MAX - below;
		assert_null(mt_arena_take(&arena, bytes));
	}
	assert_non_null(mt_arena_take(&arena, 100));
	assert_null(mt_arena_take(&arena, SIZE_MAX / 2));
	mt_arena_finish(&arena);
	assert_int_equal(mem.used_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_do_not_overlap),
		cmocka_unit_test(empty_takes_differ),
		cmocka_unit_test(copies_are_terminated),
		cmocka_unit_test(a_failed_growth_changes_nothing),
		cmocka_unit_test(a_huge_take_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
