/* The tree of filters: nodes, values, matches, search, memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "spec.h"
#include "topic/name.h"
#include "topic/tree.h"

#include <stdio.h>

static const struct mt_seed seed = {{1, 2}};

struct world {
	struct mt_mem mem;
	struct mt_tree *tree;
	struct mt_ids found;
};

static int begin(void **state)
{
	static struct world world;
	mt_mem_init(&world.mem, SIZE_MAX);
	mt_ids_init(&world.found, &world.mem);
	world.tree = mt_tree_create(&world.mem, seed);
	*state = &world;
	return world.tree ? 0 : -1;
}

/* Whatever a test did, nothing is left behind. */
static int end(void **state)
{
	struct world *world = *state;
	mt_tree_destroy(&world->tree);
	mt_ids_finish(&world->found);
	return world->mem.used_bytes == 0 ? 0 : -1;
}

static uint32_t insert(struct world *world, const char *filter)
{
	uint32_t node = 0;
	assert_int_equal(mt_tree_insert(world->tree, mt_bytes_str(filter), &node), MT_OK);
	assert_int_not_equal(node, 0);
	return node;
}

static uint32_t find(const struct world *world, const char *filter)
{
	return mt_tree_find(world->tree, mt_bytes_str(filter));
}

static size_t match(struct world *world, const char *name)
{
	mt_ids_clear(&world->found);
	assert_int_equal(mt_tree_match(world->tree, mt_bytes_str(name), &world->found), MT_OK);
	return world->found.count;
}

static size_t search(struct world *world, const char *filter)
{
	mt_ids_clear(&world->found);
	assert_int_equal(mt_tree_search(world->tree, mt_bytes_str(filter), &world->found), MT_OK);
	return world->found.count;
}

static bool has_found(const struct world *world, uint32_t node)
{
	for (size_t i = 0; i < world->found.count; i++)
		if (world->found.items[i] == node)
			return true;
	return false;
}

static void a_filter_has_one_node(void **state)
{
	struct world *world = *state;
	uint32_t node = insert(world, "a/+/b");
	assert_int_equal(insert(world, "a/+/b"), node);
	assert_int_not_equal(insert(world, "a/+"), node);
	assert_int_equal(find(world, "a/+/b"), node);
	assert_int_equal(find(world, "a"), 0);
	assert_int_equal(find(world, "a/x/b"), 0);
	assert_int_equal(find(world, "a/+/b/c"), 0);
}

static void values_begin_at_zero_and_stay(void **state)
{
	struct world *world = *state;
	uint32_t node = insert(world, "a/b");
	char filter[32];
	assert_int_equal(*mt_tree_value(world->tree, node), 0);
	*mt_tree_value(world->tree, node) = 77;
	for (int i = 0; i < 1000; i++) {
		snprintf(filter, sizeof(filter), "a/b/%d", i);
		insert(world, filter);
	}
	assert_int_equal(*mt_tree_value(world->tree, node), 77);
	mt_tree_release(world->tree, node);
	assert_int_equal(*mt_tree_value(world->tree, insert(world, "a/b")), 0);
}

static void uses_are_counted(void **state)
{
	struct world *world = *state;
	uint32_t node = insert(world, "a/b");
	insert(world, "a/b");
	mt_tree_release(world->tree, node);
	assert_int_equal(find(world, "a/b"), node);
	assert_int_equal(match(world, "a/b"), 1);
	mt_tree_release(world->tree, node);
	assert_int_equal(find(world, "a/b"), 0);
	assert_int_equal(match(world, "a/b"), 0);
}

static void release_prunes_what_nobody_needs(void **state)
{
	struct world *world = *state;
	uint32_t deep = insert(world, "a/+/c/#"), middle = insert(world, "a/+");
	assert_int_equal(mt_tree_node_count(world->tree), 5);
	mt_tree_release(world->tree, deep);
	assert_int_equal(mt_tree_node_count(world->tree), 3);
	assert_int_equal(match(world, "a/x"), 1);
	mt_tree_release(world->tree, middle);
	assert_int_equal(mt_tree_node_count(world->tree), 1);
}

static void inner_nodes_do_not_match(void **state)
{
	struct world *world = *state;
	uint32_t node = insert(world, "a/b/c");
	assert_int_equal(match(world, "a/b"), 0);
	assert_int_equal(match(world, "a/b/c/d"), 0);
	assert_int_equal(match(world, "a/b/c"), 1);
	assert_true(has_found(world, node));
}

static void all_matching_filters_are_found(void **state)
{
	static const char *const good[] = {"a/b", "a/+", "+/b",	  "+/+",  "#",
					   "a/#", "+/#", "a/b/#", "a/+/#"};
	static const char *const bad[] = {"a", "b/#", "a/b/+", "/a/b", "a/b/", "+", "$a/b"};
	struct world *world = *state;
	uint32_t nodes[MT_COUNT_OF(good)];
	for (size_t i = 0; i < MT_COUNT_OF(good); i++)
		nodes[i] = insert(world, good[i]);
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		insert(world, bad[i]);
	assert_int_equal(match(world, "a/b"), MT_COUNT_OF(good));
	for (size_t i = 0; i < MT_COUNT_OF(good); i++)
		assert_true(has_found(world, nodes[i]));
}

static void match_appends(void **state)
{
	struct world *world = *state;
	uint32_t first = insert(world, "a"), second = insert(world, "b");
	assert_int_equal(match(world, "a"), 1);
	assert_int_equal(mt_tree_match(world->tree, mt_bytes_str("b"), &world->found), MT_OK);
	assert_int_equal(world->found.count, 2);
	assert_int_equal(world->found.items[0], first);
	assert_int_equal(world->found.items[1], second);
}

static void system_topics_need_their_name(void **state)
{
	struct world *world = *state;
	uint32_t node = insert(world, "$SYS/#");
	SPEC(MQTT5, "4.7.2-1");
	SPEC(MQTT3, "4.7.2-1");
	insert(world, "#");
	insert(world, "+/a");
	insert(world, "+/#");
	assert_int_equal(match(world, "$SYS/a"), 1);
	assert_true(has_found(world, node));
	assert_int_equal(match(world, "$other/a"), 0);
	insert(world, "a/#");
	insert(world, "a/+");
	assert_int_equal(match(world, "a/$SYS"), 4);
}

static void search_finds_names_by_filter(void **state)
{
	struct world *world = *state;
	uint32_t parent = insert(world, "a"), child = insert(world, "a/b"),
		 system = insert(world, "$SYS/a");
	insert(world, "a/b/c");
	insert(world, "b/b");
	SPEC(MQTT5, "4.7.2-1");
	assert_int_equal(search(world, "a/b"), 1);
	assert_true(has_found(world, child));
	assert_int_equal(search(world, "a/#"), 3);
	assert_true(has_found(world, parent));
	assert_int_equal(search(world, "+/b"), 2);
	assert_int_equal(search(world, "#"), 4);
	assert_false(has_found(world, system));
	assert_int_equal(search(world, "+/a"), 0);
	assert_int_equal(search(world, "$SYS/+"), 1);
	assert_int_equal(search(world, "c/#"), 0);
}

static void names_beyond_the_limit_are_refused(void **state)
{
	struct world *world = *state;
	char name[2 * MT_TOPIC_LEVELS_MAX + 2];
	memset(name, '/', sizeof(name));
	insert(world, "#");
	assert_int_equal(mt_tree_match(world->tree, mt_bytes_of(name, MT_TOPIC_LEVELS_MAX - 1),
				       &world->found),
			 MT_OK);
	assert_int_equal(world->found.count, 1);
	assert_int_equal(
		mt_tree_match(world->tree, mt_bytes_of(name, MT_TOPIC_LEVELS_MAX), &world->found),
		MT_LIMIT);
	assert_int_equal(world->found.count, 1);
}

/* Nobody can publish to it; a view of nothing has no first byte to look at. */
static void the_empty_name_is_one_empty_level(void **state)
{
	struct world *world = *state;
	uint32_t any = insert(world, "+");
	insert(world, "a");
	assert_int_equal(mt_tree_match(world->tree, mt_bytes_of(NULL, 0), &world->found), MT_OK);
	assert_int_equal(world->found.count, 1);
	assert_true(has_found(world, any));
}

static void many_filters_stay_apart(void **state)
{
	struct world *world = *state;
	char filter[32];
	for (int i = 0; i < 5000; i++) {
		uint32_t node;
		snprintf(filter, sizeof(filter), "%d/%d", i % 70, i);
		node = insert(world, filter);
		*mt_tree_value(world->tree, node) = (uint32_t)i;
	}
	for (int i = 0; i < 5000; i += 2) {
		snprintf(filter, sizeof(filter), "%d/%d", i % 70, i);
		mt_tree_release(world->tree, find(world, filter));
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(filter, sizeof(filter), "%d/%d", i % 70, i);
		assert_int_equal(match(world, filter), i % 2);
		if (i % 2)
			assert_int_equal(*mt_tree_value(world->tree, world->found.items[0]), i);
	}
}

static void churn_keeps_no_memory(void **state)
{
	struct world *world = *state;
	size_t after_first = 0;
	char filter[32];
	for (int i = 0; i < 2000; i++) {
		snprintf(filter, sizeof(filter), "%d/+/x%d/#", 10000 + i, 10000 - i % 5000);
		mt_tree_release(world->tree, insert(world, filter));
		after_first = i == 0 ? world->mem.used_bytes : after_first;
	}
	assert_int_equal(world->mem.used_bytes, after_first);
}

static void destroy_takes_null(void **state)
{
	struct mt_tree *none = NULL;
	(void)state;
	mt_tree_destroy(&none);
}

/* Fails each allocation of a run in turn: the failed insert has changed nothing, and the next try
 * goes through. */
static void every_failed_allocation_is_survived(void **state)
{
	static const char *const filters[] = {"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r", "+/x/#",
					      "a/b/+/zz", "#", "a/b"};
	uint32_t failures = 0;
	(void)state;
	for (uint64_t fail_in = 1; fail_in < 60; fail_in++) {
		struct mt_mem mem;
		struct mt_tree *tree;
		uint32_t node;
		mt_mem_init(&mem, SIZE_MAX);
		mem.fail_in = fail_in;
		tree = mt_tree_create(&mem, seed);
		if (!tree) {
			failures++;
			assert_int_equal(mem.used_bytes, 0);
			continue;
		}
		for (size_t i = 0; i < MT_COUNT_OF(filters); i++) {
			uint32_t before = mt_tree_node_count(tree);
			enum mt_status status =
				mt_tree_insert(tree, mt_bytes_str(filters[i]), &node);
			if (status == MT_OK)
				continue;
			failures++;
			assert_int_equal(status, MT_MEMORY);
			assert_int_equal(mt_tree_node_count(tree), before);
			assert_int_equal(mt_tree_find(tree, mt_bytes_str(filters[i])), 0);
			assert_int_equal(mt_tree_insert(tree, mt_bytes_str(filters[i]), &node),
					 MT_OK);
		}
		for (size_t i = 0; i < MT_COUNT_OF(filters); i++)
			mt_tree_release(tree, mt_tree_find(tree, mt_bytes_str(filters[i])));
		assert_int_equal(mt_tree_node_count(tree), 1);
		mt_tree_destroy(&tree);
		assert_int_equal(mem.used_bytes, 0);
	}
	assert_in_range(failures, 20, 59);
}

static void results_that_do_not_fit_are_an_error(void **state)
{
	struct world *world = *state;
	insert(world, "#");
	world->mem.fail_in = 1;
	assert_int_equal(mt_tree_match(world->tree, mt_bytes_str("a"), &world->found), MT_MEMORY);
	insert(world, "a");
	world->mem.fail_in = 1;
	assert_int_equal(mt_tree_search(world->tree, mt_bytes_str("a"), &world->found), MT_MEMORY);
	assert_int_equal(match(world, "a"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_filter_has_one_node),
		TEST(values_begin_at_zero_and_stay),
		TEST(uses_are_counted),
		TEST(release_prunes_what_nobody_needs),
		TEST(inner_nodes_do_not_match),
		TEST(all_matching_filters_are_found),
		TEST(match_appends),
		TEST(system_topics_need_their_name),
		TEST(search_finds_names_by_filter),
		TEST(names_beyond_the_limit_are_refused),
		TEST(the_empty_name_is_one_empty_level),
		TEST(many_filters_stay_apart),
		TEST(churn_keeps_no_memory),
		TEST(results_that_do_not_fit_are_an_error),
		cmocka_unit_test(destroy_takes_null),
		cmocka_unit_test(every_failed_allocation_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
