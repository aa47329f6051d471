/*
 * Rules of one role and one effect as a tree of levels, for decisions in the depth of the topic.
 *
 *   node --literal word (hash)--> node     --'+'--> node     --pattern with %c %u %n (list)--> node
 *   rules end at a node, or at its '#'
 *
 * Private to policy. Built once in an arena, then immutable. The hash table of literals is shared
 * by both tries of a role.
 */
#pragma once

#include "base/arena.h"
#include "base/hash.h"
#include "policy/decide.h"

struct mt_trie_rule {
	struct mt_rule rule;	    /* views into the arena */
	struct mt_trie_rule *next;  /* at its node */
	struct mt_trie_rule *later; /* in its role, as they were given */
};

struct mt_trie_node {
	uint32_t id;
	uint32_t parent_id;
	struct mt_bytes word; /* literal or pattern */
	struct mt_trie_node *plus;
	struct mt_trie_node *patterns; /* list by next_pattern */
	struct mt_trie_node *next_pattern;
	struct mt_trie_node *children; /* literals, list by next_child */
	struct mt_trie_node *next_child;
	struct mt_trie_rule *rules;	 /* of filters that end here */
	struct mt_trie_rule *hash_rules; /* of filters that end in '#' below here */
};

struct mt_trie_table {
	struct mt_seed seed;
	struct mt_trie_node **slots;
	uint32_t slot_count; /* a power of two */
	uint32_t node_count;
};

/* Room for the literals of rules with `level_count` levels in all. */
MT_MUST_USE enum mt_status mt_trie_table_init(struct mt_trie_table *table, struct mt_arena *arena,
					      struct mt_seed seed, size_t level_count);
MT_MUST_USE enum mt_status mt_trie_add(struct mt_trie_table *table, struct mt_arena *arena,
				       struct mt_trie_node *root, struct mt_trie_rule *rule);

/* One question to a trie. A visitor returns false to stop; it only ever sees rules that are in
 * force for the subject. */
enum mt_trie_relation {
	MT_TRIE_MATCHES,  /* rules whose filter matches the topic */
	MT_TRIE_CONTAINS, /* rules whose filter contains the filter */
	MT_TRIE_OVERLAPS, /* rules whose filter has a topic in common with the filter */
};

struct mt_trie_query;
typedef bool mt_trie_visit_fn(struct mt_trie_query *query, const struct mt_rule *rule);

struct mt_trie_query {
	const struct mt_trie_table *table;
	const struct mt_subject *subject;
	enum mt_trie_relation relation;
	struct mt_bytes topic; /* topic or filter */
	uint8_t operation;     /* rules without it are passed over */
	int64_t now_s;
	bool is_any_rule;    /* those that are not in force for the subject, too */
	uint32_t nodes_left; /* MT_TRIE_OVERLAPS only: it ends when so many were seen */
	mt_trie_visit_fn *visit;
	void *context;
};

/* False when a visitor stopped it, or nodes_left ran out. */
bool mt_trie_walk(struct mt_trie_query *query, const struct mt_trie_node *root);
