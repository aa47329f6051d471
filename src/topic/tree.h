/*
 * Tree of filters: from a topic name to the nodes of all filters that match it.
 *
 *   hash of (parent node, word) -> child node; words are interned once; indices instead of
 * pointers. A filter is a path of words, '+' and '#' among them; its last node carries `value`,
 * which belongs to the caller (e.g. the head of a list of subscriptions; 0 when new).
 *
 * Cost: insert about 0.5 us, match O(matching prefixes), no allocation in match once `out` has
 * grown. Pure; one thread.
 */
#pragma once

#include "base/hash.h"
#include "base/ids.h"

struct mt_tree;

MT_MUST_USE struct mt_tree *mt_tree_create(struct mt_mem *mem, struct mt_seed seed);
void mt_tree_destroy(struct mt_tree **tree);

/* From here on no insert makes more nodes than so many, the root included; 0: no bound. */
void mt_tree_bound(struct mt_tree *tree, uint32_t node_max);
/* Node of the filter (valid, share prefix removed), made when needed; its use count rises by one.
 * *node is never 0. MT_LIMIT, MT_MEMORY: nothing changed. */
MT_MUST_USE enum mt_status mt_tree_insert(struct mt_tree *tree, struct mt_bytes filter,
					  uint32_t *node);
/* Node of the filter, or 0. */
uint32_t mt_tree_find(const struct mt_tree *tree, struct mt_bytes filter);
/* Drops one use; at zero the node and its childless, unused ancestors go. */
void mt_tree_release(struct mt_tree *tree, uint32_t node);
/* The caller's value of a live node; valid until the next insert. */
uint32_t *mt_tree_value(struct mt_tree *tree, uint32_t node);
/* Appends every node in use whose filter matches the name to `out` (not cleared). MT_LIMIT: more
 * than MT_TOPIC_LEVELS_MAX levels. */
MT_MUST_USE enum mt_status mt_tree_match(const struct mt_tree *tree, struct mt_bytes name,
					 struct mt_ids *out);
/*
 * The other way round, for a tree whose filters are plain names: appends every node in use whose
 * path the filter matches. Cost: the nodes below the literal part of the filter.
 */
MT_MUST_USE enum mt_status mt_tree_search(const struct mt_tree *tree, struct mt_bytes filter,
					  struct mt_ids *out);
/* Nodes there are, the root included; for limits and statistics. */
uint32_t mt_tree_node_count(const struct mt_tree *tree);
