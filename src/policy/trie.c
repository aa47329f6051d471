/* The tree of rules and the three questions it answers. */
#include "policy/trie.h"

#include "topic/name.h"

enum mt_status mt_trie_table_init(struct mt_trie_table *table, struct mt_arena *arena,
				  struct mt_seed seed, size_t level_count)
{
	uint32_t slot_count = 16;
	while (slot_count < level_count * 2 && slot_count < UINT32_C(1) << 30)
		slot_count *= 2;
	*table = (struct mt_trie_table){.seed = seed, .slot_count = slot_count};
	table->slots = mt_arena_take(arena, slot_count * sizeof(struct mt_trie_node *));
	return table->slots ? MT_OK : MT_MEMORY;
}

/* At most 8 bytes as a number, by loads that may overlap; different for different bytes of one
 * length. */
static uint64_t load(const uint8_t *at, size_t len)
{
	uint32_t low = 0, high = 0;
	if (len >= 4) {
		memcpy(&low, at, 4);
		memcpy(&high, at + len - 4, 4);
	} else if (len > 0) {
		low = at[0] | (uint32_t)at[len / 2] << 8 | (uint32_t)at[len - 1] << 16;
	}
	return (uint64_t)high << 32 | low;
}

/*
 * Not SipHash: the keys are the administrator's, and a table at most half full has no long runs for
 * a peer's words to find.
 */
static uint64_t hash_word(const struct mt_trie_table *table, const struct mt_trie_node *parent,
			  struct mt_bytes word)
{
	uint64_t hash = table->seed.word[0] ^ (uint64_t)parent->id << 32 ^ word.len;
	size_t pos = 0;
	for (; word.len - pos > 8; pos += 8)
		hash = mt_hash_u64(hash ^ load(word.data + pos, 8));
	return mt_hash_u64(hash ^ load(word.data + pos, word.len - pos));
}

static uint32_t probe(const struct mt_trie_table *table, const struct mt_trie_node *parent,
		      struct mt_bytes word)
{
	uint32_t at = (uint32_t)hash_word(table, parent, word) & (table->slot_count - 1);
	while (table->slots[at]) {
		const struct mt_trie_node *node = table->slots[at];
		if (node->parent_id == parent->id && mt_bytes_equal(node->word, word))
			return at;
		at = (at + 1) & (table->slot_count - 1);
	}
	return at;
}

static bool is_word(struct mt_bytes level, char word)
{
	return level.len == 1 && level.data[0] == (uint8_t)word;
}

static bool is_pattern(struct mt_bytes level)
{
	return level.len > 0 && memchr(level.data, '%', level.len) != NULL;
}

static struct mt_trie_node *create_node(struct mt_trie_table *table, struct mt_arena *arena,
					const struct mt_trie_node *parent, struct mt_bytes word)
{
	struct mt_trie_node *node = mt_arena_take(arena, sizeof(*node));
	if (!node)
		return NULL;
	node->id = ++table->node_count;
	node->parent_id = parent->id;
	node->word = word;
	return node;
}

static struct mt_trie_node *step_plus(struct mt_trie_table *table, struct mt_arena *arena,
				      struct mt_trie_node *parent, struct mt_bytes level)
{
	if (!parent->plus)
		parent->plus = create_node(table, arena, parent, level);
	return parent->plus;
}

static struct mt_trie_node *step_pattern(struct mt_trie_table *table, struct mt_arena *arena,
					 struct mt_trie_node *parent, struct mt_bytes level)
{
	struct mt_trie_node *node = parent->patterns;
	while (node && !mt_bytes_equal(node->word, level))
		node = node->next_pattern;
	if (node)
		return node;
	node = create_node(table, arena, parent, level);
	if (!node)
		return NULL;
	node->next_pattern = parent->patterns;
	parent->patterns = node;
	return node;
}

static struct mt_trie_node *step_literal(struct mt_trie_table *table, struct mt_arena *arena,
					 struct mt_trie_node *parent, struct mt_bytes level)
{
	uint32_t at = probe(table, parent, level);
	struct mt_trie_node *node = table->slots[at];
	if (node)
		return node;
	node = create_node(table, arena, parent, level);
	if (!node)
		return NULL;
	node->next_child = parent->children;
	parent->children = node;
	table->slots[at] = node;
	return node;
}

enum mt_status mt_trie_add(struct mt_trie_table *table, struct mt_arena *arena,
			   struct mt_trie_node *root, struct mt_trie_rule *rule)
{
	struct mt_trie_node *node = root;
	struct mt_bytes level;
	size_t pos = 0;
	if (root->id == 0)
		root->id = ++table->node_count;
	while (mt_topic_next_level(rule->rule.filter, &pos, &level)) {
		if (is_word(level, '#')) {
			rule->next = node->hash_rules;
			node->hash_rules = rule;
			return MT_OK;
		}
		node = is_word(level, '+') ? step_plus(table, arena, node, level)
		       : is_pattern(level) ? step_pattern(table, arena, node, level)
					   : step_literal(table, arena, node, level);
		if (!node)
			return MT_MEMORY;
	}
	rule->next = node->rules;
	node->rules = rule;
	return MT_OK;
}

/* ---- questions ---- */

static struct mt_bytes variable(const struct mt_subject *subject, uint8_t name)
{
	if (name == 'c')
		return subject->client_id;
	return name == 'u' ? subject->user : subject->cn;
}

/* Does the level spell the pattern with the subject's values? */
static bool spells(const struct mt_subject *subject, struct mt_bytes pattern, struct mt_bytes level)
{
	size_t at = 0;
	for (size_t i = 0; i < pattern.len; i++) {
		struct mt_bytes part = mt_bytes_of(pattern.data + i, 1);
		if (pattern.data[i] == '%')
			part = variable(subject, pattern.data[++i]);
		if (!mt_bytes_starts(mt_bytes_from(level, at), part))
			return false;
		at += part.len;
	}
	return at == level.len;
}

static bool is_in_force(const struct mt_trie_query *query, const struct mt_rule *rule)
{
	if (!(rule->operation & query->operation))
		return false;
	if (query->now_s < rule->since_s || (rule->until_s != 0 && query->now_s >= rule->until_s))
		return false;
	if (rule->listener.len > 0 && !mt_bytes_equal(rule->listener, query->subject->listener))
		return false;
	return !rule->has_network || mt_network_holds(&rule->network, &query->subject->address);
}

static bool visit_list(struct mt_trie_query *query, const struct mt_trie_rule *rule)
{
	for (; rule; rule = rule->next)
		if ((query->is_any_rule || is_in_force(query, &rule->rule)) &&
		    !query->visit(query, &rule->rule))
			return false;
	return true;
}

/* One more node of an overlap; false when there were enough. */
static bool spend(struct mt_trie_query *query)
{
	if (query->nodes_left == 0)
		return false;
	query->nodes_left--;
	return true;
}

static bool visit_below(struct mt_trie_query *query, const struct mt_trie_node *node)
{
	if (!spend(query))
		return false;
	if (!visit_list(query, node->rules) || !visit_list(query, node->hash_rules))
		return false;
	if (node->plus && !visit_below(query, node->plus))
		return false;
	for (const struct mt_trie_node *child = node->patterns; child; child = child->next_pattern)
		if (!visit_below(query, child))
			return false;
	for (const struct mt_trie_node *child = node->children; child; child = child->next_child)
		if (!visit_below(query, child))
			return false;
	return true;
}

static bool descend(struct mt_trie_query *query, const struct mt_trie_node *node, size_t pos);

static bool starts_with_dollar(struct mt_bytes word)
{
	return word.len > 0 && word.data[0] == '$';
}

static bool enter(struct mt_trie_query *query, const struct mt_trie_node *child, size_t pos,
		  bool is_rest)
{
	if (is_rest)
		return visit_below(query, child);
	return spend(query) && descend(query, child, pos);
}

/* The filter has a wildcard here: every child that some topic of it can pass. Only for
 * MT_TRIE_OVERLAPS. */
static bool overlap_wildcard(struct mt_trie_query *query, const struct mt_trie_node *node,
			     size_t pos, bool is_first, bool is_rest)
{
	if (node->plus && !enter(query, node->plus, pos, is_rest))
		return false;
	for (const struct mt_trie_node *child = node->patterns; child; child = child->next_pattern)
		if (!(is_first && starts_with_dollar(child->word)) &&
		    !enter(query, child, pos, is_rest))
			return false;
	for (const struct mt_trie_node *child = node->children; child; child = child->next_child)
		if (!(is_first && starts_with_dollar(child->word)) &&
		    !enter(query, child, pos, is_rest))
			return false;
	return true;
}

static bool descend_wildcard(struct mt_trie_query *query, const struct mt_trie_node *node,
			     struct mt_bytes level, size_t pos, bool is_first)
{
	bool is_rest = level.data[0] == '#';
	if (query->relation == MT_TRIE_CONTAINS && !is_rest)
		return !node->plus || descend(query, node->plus, pos);
	/* Of the rest a '#' covers all, and "+/#" all there is at the first level. */
	if (query->relation == MT_TRIE_CONTAINS)
		return !is_first || !node->plus || visit_list(query, node->plus->hash_rules);
	/* "a/#" and "a" have "a" in common. */
	if (is_rest && !is_first && !visit_list(query, node->rules))
		return false;
	return overlap_wildcard(query, node, pos, is_first, is_rest);
}

static bool descend_literal(struct mt_trie_query *query, const struct mt_trie_node *node,
			    struct mt_bytes level, size_t pos, bool is_hidden)
{
	const struct mt_trie_node *child = query->table->slots[probe(query->table, node, level)];
	if (child && !descend(query, child, pos))
		return false;
	for (child = node->patterns; child; child = child->next_pattern)
		if (spells(query->subject, child->word, level) && !descend(query, child, pos))
			return false;
	return !node->plus || is_hidden || descend(query, node->plus, pos);
}

/* As deep as the topic has levels: at most MT_TOPIC_LEVELS_MAX. */
static bool descend(struct mt_trie_query *query, const struct mt_trie_node *node, size_t pos)
{
	bool is_first = pos == 0;
	bool is_hidden = is_first && starts_with_dollar(query->topic); /* [MQTT-4.7.2-1] */
	bool has_wildcards = query->relation != MT_TRIE_MATCHES;
	struct mt_bytes level;
	if (!is_hidden && !visit_list(query, node->hash_rules))
		return false;
	if (!mt_topic_next_level(query->topic, &pos, &level))
		return visit_list(query, node->rules);
	if (has_wildcards && (is_word(level, '+') || is_word(level, '#')))
		return descend_wildcard(query, node, level, pos, is_first);
	return descend_literal(query, node, level, pos, is_hidden);
}

bool mt_trie_walk(struct mt_trie_query *query, const struct mt_trie_node *root)
{
	return root->id == 0 || descend(query, root, 0);
}
