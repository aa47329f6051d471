/* When memory is given back to the system. */
#include "core_world.h"

#include "shell/heap.h"

#include <malloc.h>

#define MIB ((size_t)1 << 20)

/* Bytes that the allocator keeps and nobody uses, in the middle of its heap. */
static size_t make_holes(void **kept, size_t count)
{
	void *blocks[4096];
	for (size_t i = 0; i < count; i++) {
		blocks[i] = malloc(8192);
		memset(blocks[i], 1, 8192);
		kept[i] = malloc(64);
	}
	for (size_t i = 0; i < count; i++)
		free(blocks[i]);
	return (size_t)mallinfo2().fordblks;
}

static void a_fall_is_noticed_at_the_next_look(void **state)
{
	struct mt_heap heap = {0};
	(void)state;
	assert_true(mt_heap_is_due(&heap, 0));
	mt_heap_look(&heap, 0, 40 * MIB);
	assert_int_equal(heap.most_bytes, 40 * MIB);
	assert_false(mt_heap_is_due(&heap, 9 * MT_SECOND));
	assert_true(mt_heap_is_due(&heap, 10 * MT_SECOND));
	mt_heap_look(&heap, 10 * MT_SECOND, 36 * MIB);
	assert_int_equal(heap.most_bytes, 40 * MIB);
	mt_heap_look(&heap, 20 * MT_SECOND, 50 * MIB);
	assert_int_equal(heap.most_bytes, 50 * MIB);
	mt_heap_look(&heap, 30 * MT_SECOND, 12 * MIB);
	assert_int_equal(heap.most_bytes, 12 * MIB);
}

/* Many came and went before anybody looked. */
static void a_peak_between_looks_counts(void **state)
{
	struct mt_heap heap = {0};
	(void)state;
	mt_heap_look(&heap, 0, 2 * MIB);
	mt_heap_saw(&heap, 100 * MIB);
	mt_heap_saw(&heap, 50 * MIB);
	assert_int_equal(heap.most_bytes, 100 * MIB);
	mt_heap_look(&heap, 10 * MT_SECOND, 2 * MIB);
	assert_int_equal(heap.most_bytes, 2 * MIB);
}

/* The look in the midst of a fall leaves the rest of it to the next one. */
static void the_end_of_a_fall_counts(void **state)
{
	struct mt_heap heap = {0};
	(void)state;
	mt_heap_look(&heap, 0, 40 * MIB);
	mt_heap_look(&heap, 10 * MT_SECOND, 11 * MIB);
	assert_int_equal(heap.most_bytes, 11 * MIB);
	mt_heap_look(&heap, 20 * MT_SECOND, 8 * MIB);
	assert_int_equal(heap.most_bytes, 8 * MIB);
}

static void little_is_not_worth_it(void **state)
{
	struct mt_heap heap = {0};
	(void)state;
	mt_heap_look(&heap, 0, MIB);
	mt_heap_look(&heap, 10 * MT_SECOND, 1);
	assert_int_equal(heap.most_bytes, MIB);
}

static size_t resident_bytes(void)
{
	unsigned long size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return resident * 4096;
}

static void holes_go_back(void **state)
{
	struct mt_heap heap = {0};
	static void *kept[4096];
	size_t before;
	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip();
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	skip();
#endif
#endif
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	assert_true(make_holes(kept, 4096) > 16 * MIB);
	before = resident_bytes();
	mt_heap_look(&heap, 0, 40 * MIB);
	mt_heap_look(&heap, 10 * MT_SECOND, 8 * MIB);
	assert_true(before - resident_bytes() > 8 * MIB);
	for (size_t i = 0; i < 4096; i++)
		free(kept[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fall_is_noticed_at_the_next_look),
		cmocka_unit_test(a_peak_between_looks_counts),
		cmocka_unit_test(the_end_of_a_fall_counts),
		cmocka_unit_test(little_is_not_worth_it),
		cmocka_unit_test(holes_go_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
