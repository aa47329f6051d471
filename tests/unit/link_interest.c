/* Filters with subscribers, here and elsewhere. */
#include "link/interest.h"

#include "core_world.h"

static const struct mt_seed seed = {{1, 2}}, group_seed = {{3, 4}};
static const struct mt_members none, one = {1, 1};

static void use_is_counted_per_filter(void **state)
{
	struct mt_interests interests;
	struct mt_interest *first, *second;
	struct mt_mem mem;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	assert_int_equal(mt_interests_init(&interests, &mem, seed, group_seed, 64), MT_OK);
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
	assert_int_equal(mt_interests_init(&interests, &mem, seed, group_seed, 64), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 1, mt_bytes_str("a/+"), one), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 63, mt_bytes_str("a/b"), one), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 2, mt_bytes_str("a/b"), one), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 2, mt_bytes_str("a/b"), one), MT_OK);
	assert_true(match(&interests, "a/b") == (UINT64_C(1) << 63 | 6));
	assert_int_equal(match(&interests, "a/c"), 2);
	assert_int_equal(match(&interests, "b"), 0);
	assert_int_equal(mt_interests_note(&interests, 3, mt_bytes_str("b"), none), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 63, mt_bytes_str("a/b"), none), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 1, mt_bytes_str("a/+"), none), MT_OK);
	assert_int_equal(match(&interests, "a/b"), 4);
	assert_int_equal(mt_interests_note(&interests, 2, mt_bytes_str("a/b"), none), MT_OK);
	assert_int_equal(match(&interests, "a/b"), 0);
	mt_interests_finish(&interests);
	assert_int_equal(mt_mem_bytes(&mem), 0);
}

static const struct mt_remote_group *only_group(struct mt_interests *interests, const char *topic)
{
	assert_int_equal(match(interests, topic), 0);
	assert_int_equal(interests->in_groups.count, 1);
	return mt_interests_group(interests, 0);
}

/* A shared subscription is no interest of its own: its members are known by core. */
static void members_of_shared_subscriptions_are_known_by_core(void **state)
{
	const struct mt_bytes shared = mt_bytes_str("$share/g/a/+");
	const struct mt_bytes other = mt_bytes_str("$share/h/a/+");
	const struct mt_remote_group *group;
	struct mt_interests interests;
	struct mt_mem mem;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	assert_int_equal(mt_interests_init(&interests, &mem, seed, group_seed, 64), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 1, shared, (struct mt_members){3, 2}),
			 MT_OK);
	assert_int_equal(mt_interests_note(&interests, 63, shared, one), MT_OK);
	group = only_group(&interests, "a/b");
	assert_true(group->number == mt_hash_bytes(group_seed, shared));
	assert_int_equal(group->at[1].count, 3);
	assert_int_equal(group->at[1].present, 2);
	assert_int_equal(group->at[63].count, 1);
	assert_int_equal(group->at[0].count, 0);
	assert_int_equal(mt_interests_note(&interests, 2, other, one), MT_OK);
	assert_int_equal(match(&interests, "a/b"), 0);
	assert_int_equal(interests.in_groups.count, 2);
	assert_int_equal(mt_interests_note(&interests, 1, shared, none), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 63, shared, none), MT_OK);
	assert_true(only_group(&interests, "a/b")->number == mt_hash_bytes(group_seed, other));
	assert_int_equal(mt_interests_note(&interests, 2, other, none), MT_OK);
	assert_int_equal(mt_interests_note(&interests, 2, other, none), MT_OK);
	assert_int_equal(match(&interests, "a/b"), 0);
	assert_int_equal(interests.in_groups.count, 0);
	mt_interests_finish(&interests);
	assert_int_equal(mt_mem_bytes(&mem), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(use_is_counted_per_filter),
		cmocka_unit_test(siblings_are_found_by_topic),
		cmocka_unit_test(members_of_shared_subscriptions_are_known_by_core),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
