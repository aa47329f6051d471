/*
 * Three texts, divided by newlines: two filters and a name. The functions on them and the tree must
 * agree with each other, and no filter may be larger than one that contains it.
 */
#include "topic/name.h"
#include "topic/tree.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Up to the next newline, in a block of its own; *rest is moved past it. */
static struct mt_bytes take_line(struct mt_bytes *rest, uint8_t **block)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
	size_t len = end ? (size_t)(end - rest->data) : rest->len;
	*block = malloc(len + 1);
	MT_CHECK(*block);
	if (len > 0)
		memcpy(*block, rest->data, len);
	*rest = mt_bytes_from(*rest, end ? len + 1 : len);
	return mt_bytes_of(*block, len);
}

/* The levels with slashes between them are the topic again. */
static void check_levels(struct mt_bytes topic)
{
	struct mt_bytes level;
	size_t pos = 0, bytes = 0;
	uint32_t count = 0;
	while (mt_topic_next_level(topic, &pos, &level)) {
		MT_CHECK(level.len == 0 || memchr(level.data, '/', level.len) == NULL);
		bytes += level.len + (count > 0);
		count++;
		MT_CHECK(pos == bytes + 1);
	}
	MT_CHECK(count == mt_topic_level_count(topic) && bytes == topic.len);
}

static void check_share(struct mt_bytes filter)
{
	struct mt_bytes group, rest;
	if (!mt_topic_share_split(filter, &group, &rest))
		return;
	MT_CHECK(group.len > 0 && rest.len > 0 && group.len + rest.len + 8 == filter.len);
	MT_CHECK(!mt_topic_has_wildcard(group) && mt_topic_level_count(group) == 1);
	MT_CHECK(!mt_topic_filter_is_valid(filter) || mt_topic_filter_is_valid(rest));
}

static void check_pair(struct mt_bytes a, struct mt_bytes b, struct mt_bytes name, bool is_name)
{
	bool has_b = mt_topic_contains(a, b), is_common = mt_topic_overlaps(a, b);
	MT_CHECK(mt_topic_contains(a, a) && mt_topic_overlaps(a, a));
	MT_CHECK(mt_topic_overlaps(b, a) == is_common);
	MT_CHECK(!has_b || is_common);
	if (!mt_topic_has_wildcard(b))
		MT_CHECK(mt_topic_matches(a, b) == has_b && has_b == is_common);
	if (!is_name)
		return;
	if (has_b && mt_topic_matches(b, name))
		MT_CHECK(mt_topic_matches(a, name));
	if (mt_topic_matches(a, name) && mt_topic_matches(b, name))
		MT_CHECK(is_common);
	MT_CHECK(mt_topic_matches(a, name) == mt_topic_contains(a, name));
}

static void check_tree(struct mt_bytes a, struct mt_bytes b, struct mt_bytes name)
{
	struct mt_mem mem;
	struct mt_tree *tree;
	struct mt_ids found;
	uint32_t node_a, node_b;
	bool is_same = mt_bytes_equal(a, b);
	mt_mem_init(&mem, SIZE_MAX);
	mt_ids_init(&found, &mem);
	tree = mt_tree_create(&mem, (struct mt_seed){{1, 2}});
	MT_CHECK(tree);
	MT_CHECK(mt_tree_insert(tree, a, &node_a) == MT_OK &&
		 mt_tree_insert(tree, b, &node_b) == MT_OK);
	MT_CHECK((node_a == node_b) == is_same);
	MT_CHECK(mt_tree_find(tree, a) == node_a && mt_tree_find(tree, b) == node_b);
	MT_CHECK(mt_tree_match(tree, name, &found) == MT_OK);
	MT_CHECK(found.count ==
		 (size_t)mt_topic_matches(a, name) + (!is_same && mt_topic_matches(b, name)));
	mt_tree_release(tree, node_a);
	MT_CHECK(mt_tree_find(tree, b) == node_b);
	mt_tree_release(tree, node_b);
	MT_CHECK(mt_tree_node_count(tree) == 1);
	MT_CHECK(mt_tree_insert(tree, name, &node_a) == MT_OK);
	mt_ids_clear(&found);
	MT_CHECK(mt_tree_search(tree, a, &found) == MT_OK);
	MT_CHECK(found.count == mt_topic_matches(a, name));
	mt_tree_destroy(&tree);
	mt_ids_finish(&found);
	MT_CHECK(mem.used_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mt_bytes rest = mt_bytes_of(data, size);
	uint8_t *blocks[3];
	struct mt_bytes a = take_line(&rest, &blocks[0]), b = take_line(&rest, &blocks[1]),
			name = take_line(&rest, &blocks[2]);
	bool is_name = mt_topic_name_is_valid(name), are_filters;
	are_filters = mt_topic_filter_is_valid(a) && mt_topic_filter_is_valid(b);
	MT_CHECK(!is_name || mt_topic_filter_is_valid(name));
	check_levels(a);
	check_share(a);
	if (are_filters)
		check_pair(a, b, name, is_name);
	if (are_filters && is_name)
		check_tree(a, b, name);
	for (int i = 0; i < 3; i++)
		free(blocks[i]);
	return 0;
}
