/* The tree of filters and the functions on names against a list of filters, and all names there
 * are. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "naive_topic.h"
#include "topic/name.h"
#include "topic/tree.h"

#include <stdlib.h>

static const char *const words[] = {"a", "b", "", "$x", "c"};

/* ---- contains and overlaps: by listing every name ---- */

/*
 * The last word stands in no filter: it is every word that nobody named, so that '+' is more than
 * the words together. The empty name is one of them, though nobody can publish to it: no two
 * filters shall differ by it.
 */
static const char *const name_words[] = {"a", "b", "", "$x", "z"};
static const char *const filter_words[] = {"a", "b", "", "$x", "+", "#"};

#define NAMES_MAX 800
#define FILTERS_MAX 300

static struct naive_topic names[NAMES_MAX], filters[FILTERS_MAX];
static size_t name_count, filter_count;
static bool is_match[FILTERS_MAX][NAMES_MAX];

static void list_names(struct naive_topic prefix, int levels)
{
	for (size_t i = 0; i < MT_COUNT_OF(name_words); i++) {
		struct naive_topic topic = prefix;
		naive_add(&topic, name_words[i]);
		names[name_count++] = topic;
		if (levels > 1)
			list_names(topic, levels - 1);
	}
}

static void list_filters(struct naive_topic prefix, int levels)
{
	for (size_t i = 0; i < MT_COUNT_OF(filter_words); i++) {
		struct naive_topic topic = prefix;
		naive_add(&topic, filter_words[i]);
		if (topic.text[0] != '\0')
			filters[filter_count++] = topic;
		if (levels > 1 && strcmp(filter_words[i], "#") != 0)
			list_filters(topic, levels - 1);
	}
}

static void list_all(void)
{
	name_count = filter_count = 0;
	list_names((struct naive_topic){.count = 0}, 4);
	list_filters((struct naive_topic){.count = 0}, 3);
	for (size_t f = 0; f < filter_count; f++)
		for (size_t n = 0; n < name_count; n++)
			is_match[f][n] = naive_matches(&filters[f], &names[n]);
}

static void matching_equals_the_recursive_one(void **state)
{
	(void)state;
	list_all();
	for (size_t f = 0; f < filter_count; f++) {
		assert_true(mt_topic_filter_is_valid(naive_view(&filters[f])));
		for (size_t n = 0; n < name_count; n++)
			if (mt_topic_matches(naive_view(&filters[f]), naive_view(&names[n])) !=
			    is_match[f][n])
				fail_msg("'%s' and '%s'", filters[f].text, names[n].text);
	}
}

static void relations_equal_those_of_sets(void **state)
{
	(void)state;
	list_all();
	for (size_t a = 0; a < filter_count; a++)
		for (size_t b = 0; b < filter_count; b++) {
			bool is_inside = true, is_common = false;
			for (size_t n = 0; n < name_count; n++) {
				is_inside &= is_match[a][n] || !is_match[b][n];
				is_common |= is_match[a][n] && is_match[b][n];
			}
			if (mt_topic_contains(naive_view(&filters[a]), naive_view(&filters[b])) !=
			    is_inside)
				fail_msg("'%s' contains '%s'", filters[a].text, filters[b].text);
			if (mt_topic_overlaps(naive_view(&filters[a]), naive_view(&filters[b])) !=
			    is_common)
				fail_msg("'%s' overlaps '%s'", filters[a].text, filters[b].text);
			/* The witnesses of the other models are proven here. */
			assert_int_equal(naive_contains(&filters[a], &filters[b]), is_inside);
			assert_int_equal(naive_overlaps(&filters[a], &filters[b]), is_common);
		}
}

/* Filters too deep to list all names for: by witnesses, which the listing has proven above. */
static void relations_of_deep_filters(void **state)
{
	struct mt_rng rng;
	unsigned contained = 0, common = 0;
	(void)state;
	mt_rng_init(&rng, 3);
	for (int i = 0; i < 200000; i++) {
		struct naive_topic a =
			naive_random_filter(&rng, words, MT_COUNT_OF(words), NAIVE_LEVELS - 1);
		struct naive_topic b =
			naive_random_filter(&rng, words, MT_COUNT_OF(words), NAIVE_LEVELS - 1);
		bool has_b = naive_contains(&a, &b), is_common = naive_overlaps(&a, &b);
		if (mt_topic_contains(naive_view(&a), naive_view(&b)) != has_b)
			fail_msg("'%s' contains '%s'", a.text, b.text);
		if (mt_topic_overlaps(naive_view(&a), naive_view(&b)) != is_common)
			fail_msg("'%s' overlaps '%s'", a.text, b.text);
		contained += has_b;
		common += is_common;
	}
	assert_in_range(contained, 2000, 100000);
	assert_in_range(common, 5000, 150000);
}

/* ---- the tree: against a list ---- */

#define LIST_MAX 60

struct entry {
	struct naive_topic filter;
	uint32_t node;
	uint32_t use_count; /* 0: free */
	uint32_t value;
};

struct world {
	struct mt_mem mem;
	struct mt_rng rng;
	struct mt_tree *tree;
	struct mt_ids found;
	struct entry list[LIST_MAX];
	uint32_t next_value;
	bool has_names_only; /* then the tree is searched by filters */
};

static struct entry *entry_of(struct world *world, const struct naive_topic *filter)
{
	for (size_t i = 0; i < LIST_MAX; i++)
		if (world->list[i].use_count > 0 &&
		    strcmp(world->list[i].filter.text, filter->text) == 0)
			return &world->list[i];
	return NULL;
}

static struct entry *free_entry(struct world *world)
{
	for (size_t i = 0; i < LIST_MAX; i++)
		if (world->list[i].use_count == 0)
			return &world->list[i];
	return NULL;
}

static void insert(struct world *world)
{
	struct naive_topic filter =
		world->has_names_only
			? naive_random_name(&world->rng, words, MT_COUNT_OF(words), 4)
			: naive_random_filter(&world->rng, words, MT_COUNT_OF(words), 4);
	struct entry *entry = entry_of(world, &filter);
	bool is_new = !entry;
	uint32_t node;
	if (is_new && !(entry = free_entry(world)))
		return;
	assert_int_equal(mt_tree_find(world->tree, naive_view(&filter)), is_new ? 0 : entry->node);
	assert_int_equal(mt_tree_insert(world->tree, naive_view(&filter), &node), MT_OK);
	assert_int_not_equal(node, 0);
	entry->use_count++;
	if (!is_new) {
		assert_int_equal(node, entry->node);
		return;
	}
	entry->filter = filter;
	entry->node = node;
	entry->value = ++world->next_value;
	assert_int_equal(*mt_tree_value(world->tree, node), 0);
	*mt_tree_value(world->tree, node) = entry->value;
}

static void release(struct world *world, struct entry *entry)
{
	mt_tree_release(world->tree, entry->node);
	entry->use_count--;
	assert_int_equal(mt_tree_find(world->tree, naive_view(&entry->filter)),
			 entry->use_count ? entry->node : 0);
}

static bool is_found(const struct world *world, uint32_t node)
{
	size_t count = 0;
	for (size_t i = 0; i < world->found.count; i++)
		count += world->found.items[i] == node;
	assert_in_range(count, 0, 1);
	return count == 1;
}

/* Exactly the nodes of the filters for which `twin` says so. */
static void compare(const struct world *world, const bool twin[LIST_MAX], const char *what)
{
	size_t expected = 0;
	for (size_t i = 0; i < LIST_MAX; i++) {
		const struct entry *entry = &world->list[i];
		bool is_expected = entry->use_count > 0 && twin[i];
		expected += is_expected;
		if (entry->use_count > 0 && is_found(world, entry->node) != is_expected)
			fail_msg("'%s' and '%s'", what, entry->filter.text);
		if (entry->use_count > 0)
			assert_int_equal(*mt_tree_value(world->tree, entry->node), entry->value);
	}
	assert_int_equal(world->found.count, expected);
}

static void match(struct world *world)
{
	struct naive_topic name = naive_random_name(&world->rng, words, MT_COUNT_OF(words), 5);
	bool twin[LIST_MAX];
	for (size_t i = 0; i < LIST_MAX; i++)
		twin[i] = naive_matches(&world->list[i].filter, &name);
	mt_ids_clear(&world->found);
	assert_int_equal(mt_tree_match(world->tree, naive_view(&name), &world->found), MT_OK);
	compare(world, twin, name.text);
}

static void search(struct world *world)
{
	struct naive_topic filter = naive_random_filter(&world->rng, words, MT_COUNT_OF(words), 5);
	bool twin[LIST_MAX];
	for (size_t i = 0; i < LIST_MAX; i++)
		twin[i] = naive_matches(&filter, &world->list[i].filter);
	mt_ids_clear(&world->found);
	assert_int_equal(mt_tree_search(world->tree, naive_view(&filter), &world->found), MT_OK);
	compare(world, twin, filter.text);
}

static void release_all(struct world *world)
{
	for (size_t i = 0; i < LIST_MAX; i++)
		while (world->list[i].use_count > 0)
			release(world, &world->list[i]);
	assert_int_equal(mt_tree_node_count(world->tree), 1);
}

static void run(uint64_t seed, bool has_names_only)
{
	struct world world = {.has_names_only = has_names_only};
	mt_mem_init(&world.mem, SIZE_MAX);
	mt_rng_init(&world.rng, seed);
	mt_ids_init(&world.found, &world.mem);
	world.tree = mt_tree_create(&world.mem, (struct mt_seed){{seed, ~seed}});
	assert_non_null(world.tree);
	for (int step = 0; step < 4000; step++) {
		struct entry *entry = &world.list[mt_rng_below(&world.rng, LIST_MAX)];
		if (step % 1000 == 999)
			release_all(&world);
		else if (step % 3 == 0)
			match(&world);
		else if (step % 3 == 1 && has_names_only)
			search(&world);
		else if (mt_rng_below(&world.rng, 2) == 0)
			insert(&world);
		else if (entry->use_count > 0)
			release(&world, entry);
	}
	mt_tree_destroy(&world.tree);
	mt_ids_finish(&world.found);
	assert_int_equal(world.mem.used_bytes, 0);
}

static void tree_equals_a_list(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		print_message("seed %u\n", (unsigned)seed);
		run(seed, seed % 2 == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matching_equals_the_recursive_one),
		cmocka_unit_test(relations_equal_those_of_sets),
		cmocka_unit_test(relations_of_deep_filters),
		cmocka_unit_test(tree_equals_a_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
