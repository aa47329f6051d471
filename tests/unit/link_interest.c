/* Filters with subscribers, here and elsewhere. */
#include "link/interest.h"

#include "core_world.h"

static void use_is_counted_per_filter(void **state)
{
	struct mt_interests interests;
	struct mt_interest *first, *second;
	struct mt_mem mem;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	assert_int_equal(mt_interests_init(&interests, &mem, (struct mt_seed){{1, 2}}), MT_OK);
	first = mt_interests_add(&interests, mt_bytes_str("a/+"));
	second = mt_interests_add(&interests, mt_bytes_str("a/+"));
	assert_ptr_equal(first, second);
	assert_false(mt_interests_drop(&interests, first));
	assert_true(mt_interests_drop(&interests, first));
	assert_null(mt_interests_find(&interests, mt_bytes_str("a/+")));
	mt_interests_finish(&interests);
	assert_int_equal(mt_mem_bytes(&mem), 0);
}

static uint64_t match(struct mt_interests *interests, const char *topic)
{
	uint64_t cores = UINT64_MAX;
	assert_int_equal(mt_interests_match(interests, mt_bytes_str(topic), &cores), MT_OK);
	return cores;
}

static void siblings_are_found_by_topic(void **state)
{
	struct mt_interests interests;
	struct mt_mem mem;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	assert_int_equal(mt_interests_init(&interests, &mem, (struct mt_seed){{1, 2}}), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 1, mt_bytes_str("a/+"), true), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 63, mt_bytes_str("a/b"), true), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 2, mt_bytes_str("a/b"), true), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 2, mt_bytes_str("a/b"), true), MT_OK);
	assert_true(match(&interests, "a/b") == (UINT64_C(1) << 63 | 6));
	assert_int_equal(match(&interests, "a/c"), 2);
	assert_int_equal(match(&interests, "b"), 0);
	assert_int_equal(mt_interests_note(&interests, 3, mt_bytes_str("b"), false), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 63, mt_bytes_str("a/b"), false), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 1, mt_bytes_str("a/+"), false), MT_OK);
	assert_int_equal(match(&interests, "a/b"), 4);
	assert_int_equal(mt_interests_note(&interests, 2, mt_bytes_str("a/b"), false), MT_OK);
	assert_int_equal(match(&interests, "a/b"), 0);
	mt_interests_finish(&interests);
	assert_int_equal(mt_mem_bytes(&mem), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(use_is_counted_per_filter),
		cmocka_unit_test(siblings_are_found_by_topic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
