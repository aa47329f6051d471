/*
 * Tree of filters by hash.
 *
 *   words:  bytes -> word (interned, counted)        edges: hash(parent, word) -> child, open
 * addressing nodes:  [word, parent, plus, hash, named children as a list, uses, value]     0 is
 * "none", 1 is the root
 */
#include "topic/tree.h"

#include "base/map.h"
#include "topic/name.h"

#define ROOT 1u

struct word {
	uint32_t id; /* index into words by id: only for hashing and comparing */
	uint32_t use_count;
	uint32_t len;
	uint8_t data[];
};

struct node {
	struct word *word; /* NULL: root, '+', '#', or a free node */
	uint32_t parent;
	uint32_t plus;		    /* child for '+' */
	uint32_t hash;		    /* child for '#' */
	uint32_t first, next, prev; /* named children, and the neighbours among them */
	uint32_t use_count;	    /* filters that end here */
	uint32_t value;		    /* of the caller; next free node while free */
};

struct mt_tree {
	struct mt_mem *mem;
	struct mt_map words;
	uint32_t next_word_id;
	struct node *nodes;
	uint32_t node_cap, node_top; /* nodes [2, top) were used once */
	uint32_t free_head;
	uint32_t node_count, node_max; /* 0: no bound */
	uint64_t edge_key; /* secret: peers choose the words, and so the pairs that are hashed */
	uint32_t *edges;   /* node ids */
	uint32_t edge_cap, edge_count;
};

static struct mt_bytes word_key(const void *value)
{
	const struct word *word = value;
	return mt_bytes_of(word->data, word->len);
}

struct mt_tree *mt_tree_create(struct mt_mem *mem, struct mt_seed seed)
{
	struct mt_tree *tree = mt_mem_zero(mem, sizeof(*tree));
	if (!tree)
		return NULL;
	tree->mem = mem;
	mt_map_init(&tree->words, mem, seed, word_key);
	tree->edge_key = (seed.word[0] ^ seed.word[1]) | 1;
	tree->node_cap = 16;
	tree->nodes = mt_mem_zero(mem, tree->node_cap * sizeof(struct node));
	if (!tree->nodes) {
		mt_mem_give(mem, tree, sizeof(*tree));
		return NULL;
	}
	tree->node_top = ROOT + 1;
	tree->node_count = 1;
	return tree;
}

void mt_tree_destroy(struct mt_tree **tree)
{
	struct mt_tree *old = *tree;
	struct word *word;
	size_t pos = 0;
	*tree = NULL;
	if (!old)
		return;
	while ((word = mt_map_next(&old->words, &pos)))
		mt_mem_give(old->mem, word, sizeof(*word) + word->len);
	mt_map_finish(&old->words);
	mt_mem_give(old->mem, old->nodes, old->node_cap * sizeof(struct node));
	mt_mem_give(old->mem, old->edges, old->edge_cap * sizeof(*old->edges));
	mt_mem_give(old->mem, old, sizeof(*old));
}

/* ---- words ---- */

static struct word *take_word(struct mt_tree *tree, struct mt_bytes level)
{
	struct word *word = mt_map_find(&tree->words, level);
	if (word) {
		word->use_count++;
		return word;
	}
	word = mt_mem_zero(tree->mem, sizeof(*word) + level.len);
	if (!word)
		return NULL;
	word->id = ++tree->next_word_id;
	word->use_count = 1;
	word->len = (uint32_t)level.len;
	if (level.len > 0)
		memcpy(word->data, level.data, level.len);
	if (mt_map_put(&tree->words, word) == MT_OK)
		return word;
	mt_mem_give(tree->mem, word, sizeof(*word) + level.len);
	return NULL;
}

static void give_word(struct mt_tree *tree, struct word *word)
{
	if (--word->use_count > 0)
		return;
	MT_CHECK(mt_map_remove(&tree->words, word_key(word)) == word);
	mt_mem_give(tree->mem, word, sizeof(*word) + word->len);
}

/* ---- edges ---- */

static uint32_t edge_home(const struct mt_tree *tree, uint32_t parent, const struct word *word)
{
	uint64_t mixed = mt_hash_u64((uint64_t)parent << 32 | word->id) * tree->edge_key;
	return (uint32_t)(mixed >> 32) & (tree->edge_cap - 1);
}

static uint32_t home_of(const struct mt_tree *tree, uint32_t node)
{
	return edge_home(tree, tree->nodes[node].parent, tree->nodes[node].word);
}

static uint32_t find_edge(const struct mt_tree *tree, uint32_t parent, const struct word *word)
{
	uint32_t at;
	if (tree->edge_count == 0)
		return 0;
	at = edge_home(tree, parent, word);
	while (tree->edges[at] != 0) {
		const struct node *node = &tree->nodes[tree->edges[at]];
		if (node->parent == parent && node->word == word)
			return tree->edges[at];
		at = (at + 1) & (tree->edge_cap - 1);
	}
	return 0;
}

static void put_edge(struct mt_tree *tree, uint32_t node)
{
	uint32_t at = home_of(tree, node);
	while (tree->edges[at] != 0)
		at = (at + 1) & (tree->edge_cap - 1);
	tree->edges[at] = node;
}

static enum mt_status reserve_edge(struct mt_tree *tree)
{
	uint32_t old_cap = tree->edge_cap;
	uint32_t *old = tree->edges, *edges;
	if ((tree->edge_count + 1) * 4 <= old_cap * 3)
		return MT_OK;
	edges = mt_mem_zero(tree->mem, (old_cap ? old_cap * 2 : 16) * sizeof(*edges));
	if (!edges)
		return MT_MEMORY;
	tree->edges = edges;
	tree->edge_cap = old_cap ? old_cap * 2 : 16;
	for (uint32_t i = 0; i < old_cap; i++)
		if (old[i] != 0)
			put_edge(tree, old[i]);
	mt_mem_give(tree->mem, old, old_cap * sizeof(*old));
	return MT_OK;
}

static void drop_edge(struct mt_tree *tree, uint32_t node)
{
	uint32_t mask = tree->edge_cap - 1;
	uint32_t hole = home_of(tree, node);
	while (tree->edges[hole] != node)
		hole = (hole + 1) & mask;
	for (uint32_t at = (hole + 1) & mask; tree->edges[at] != 0; at = (at + 1) & mask) {
		uint32_t home = home_of(tree, tree->edges[at]);
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		tree->edges[hole] = tree->edges[at];
		hole = at;
	}
	tree->edges[hole] = 0;
	tree->edge_count--;
}

/* ---- nodes ---- */

static uint32_t take_node(struct mt_tree *tree)
{
	uint32_t id = tree->free_head;
	if (id != 0) {
		tree->free_head = tree->nodes[id].value;
	} else {
		if (tree->node_top == tree->node_cap) {
			size_t bytes = tree->node_cap * sizeof(struct node);
			struct node *nodes =
				mt_mem_resize(tree->mem, tree->nodes, bytes, bytes * 2);
			if (!nodes)
				return 0;
			tree->nodes = nodes;
			tree->node_cap *= 2;
		}
		id = tree->node_top++;
	}
	tree->nodes[id] = (struct node){0};
	tree->node_count++;
	return id;
}

static void give_node(struct mt_tree *tree, uint32_t id)
{
	tree->nodes[id] = (struct node){.value = tree->free_head};
	tree->free_head = id;
	tree->node_count--;
}

static bool is_wildcard(struct mt_bytes level)
{
	return level.len == 1 && (level.data[0] == '+' || level.data[0] == '#');
}

static uint32_t *wildcard_slot(struct mt_tree *tree, uint32_t parent, struct mt_bytes level)
{
	return level.data[0] == '+' ? &tree->nodes[parent].plus : &tree->nodes[parent].hash;
}

static uint32_t make_wildcard(struct mt_tree *tree, uint32_t parent, struct mt_bytes level)
{
	uint32_t id = take_node(tree);
	if (id == 0)
		return 0;
	tree->nodes[id].parent = parent;
	*wildcard_slot(tree, parent, level) = id;
	return id;
}

static void link_child(struct mt_tree *tree, uint32_t id)
{
	struct node *parent = &tree->nodes[tree->nodes[id].parent];
	tree->nodes[id].next = parent->first;
	if (parent->first != 0)
		tree->nodes[parent->first].prev = id;
	parent->first = id;
}

static void unlink_child(struct mt_tree *tree, uint32_t id)
{
	const struct node *node = &tree->nodes[id];
	if (node->next != 0)
		tree->nodes[node->next].prev = node->prev;
	if (node->prev != 0)
		tree->nodes[node->prev].next = node->next;
	else
		tree->nodes[node->parent].first = node->next;
}

static uint32_t make_named(struct mt_tree *tree, uint32_t parent, struct mt_bytes level)
{
	struct word *word;
	uint32_t id;
	if (reserve_edge(tree) != MT_OK)
		return 0;
	word = take_word(tree, level);
	if (!word)
		return 0;
	id = take_node(tree);
	if (id == 0) {
		give_word(tree, word);
		return 0;
	}
	tree->nodes[id].word = word;
	tree->nodes[id].parent = parent;
	link_child(tree, id);
	put_edge(tree, id);
	tree->edge_count++;
	return id;
}

static uint32_t child_of(const struct mt_tree *tree, uint32_t parent, struct mt_bytes level)
{
	const struct word *word;
	if (is_wildcard(level))
		return level.data[0] == '+' ? tree->nodes[parent].plus : tree->nodes[parent].hash;
	word = mt_map_find(&tree->words, level);
	return word ? find_edge(tree, parent, word) : 0;
}

static bool is_needed(const struct node *node)
{
	return node->use_count > 0 || node->first != 0 || node->plus != 0 || node->hash != 0;
}

/* Removes a node and its ancestors as long as nothing needs them. */
static void prune(struct mt_tree *tree, uint32_t id)
{
	while (id != ROOT && !is_needed(&tree->nodes[id])) {
		struct node *node = &tree->nodes[id];
		uint32_t parent = node->parent;
		if (node->word) {
			unlink_child(tree, id);
			drop_edge(tree, id);
			give_word(tree, node->word);
		} else if (tree->nodes[parent].plus == id) {
			tree->nodes[parent].plus = 0;
		} else {
			tree->nodes[parent].hash = 0;
		}
		give_node(tree, id);
		id = parent;
	}
}

void mt_tree_bound(struct mt_tree *tree, uint32_t node_max)
{
	tree->node_max = node_max;
}

static bool is_full(const struct mt_tree *tree)
{
	return tree->node_max > 0 && tree->node_count >= tree->node_max;
}

enum mt_status mt_tree_insert(struct mt_tree *tree, struct mt_bytes filter, uint32_t *node)
{
	uint32_t at = ROOT;
	size_t pos = 0;
	struct mt_bytes level;
	while (mt_topic_next_level(filter, &pos, &level)) {
		uint32_t child = child_of(tree, at, level);
		enum mt_status status = child == 0 && is_full(tree) ? MT_LIMIT : MT_MEMORY;
		if (child == 0 && status != MT_LIMIT)
			child = is_wildcard(level) ? make_wildcard(tree, at, level)
						   : make_named(tree, at, level);
		if (child == 0) {
			prune(tree, at);
			return status;
		}
		at = child;
	}
	tree->nodes[at].use_count++;
	*node = at;
	return MT_OK;
}

uint32_t mt_tree_find(const struct mt_tree *tree, struct mt_bytes filter)
{
	uint32_t at = ROOT;
	size_t pos = 0;
	struct mt_bytes level;
	while (at != 0 && mt_topic_next_level(filter, &pos, &level))
		at = child_of(tree, at, level);
	return at != 0 && tree->nodes[at].use_count > 0 ? at : 0;
}

void mt_tree_release(struct mt_tree *tree, uint32_t node)
{
	MT_CHECK(node > ROOT && node < tree->node_top);
	MT_CHECK(tree->nodes[node].use_count > 0);
	if (--tree->nodes[node].use_count > 0)
		return;
	/* Longer filters may keep the node: whoever ends here next must not find what the last one
	 * left. */
	tree->nodes[node].value = 0;
	prune(tree, node);
}

uint32_t *mt_tree_value(struct mt_tree *tree, uint32_t node)
{
	MT_CHECK(node > ROOT && node < tree->node_top);
	MT_CHECK(tree->nodes[node].use_count > 0);
	return &tree->nodes[node].value;
}

uint32_t mt_tree_node_count(const struct mt_tree *tree)
{
	return tree->node_count;
}

/* ---- match ---- */

/* One search: the words of the name's levels are looked up once, for all branches. */
struct search {
	const struct mt_tree *tree;
	const struct word *words[MT_TOPIC_LEVELS_MAX]; /* NULL: no filter has this word */
	uint32_t level_count;
	bool has_dollar;
	struct mt_ids *out;
};

static enum mt_status report(const struct search *search, uint32_t node)
{
	if (node == 0 || search->tree->nodes[node].use_count == 0)
		return MT_OK;
	return mt_ids_push(search->out, node);
}

static enum mt_status descend(const struct search *search, uint32_t at, uint32_t depth)
{
	const struct node *node = &search->tree->nodes[at];
	bool has_wildcards = depth > 0 || !search->has_dollar;
	uint32_t child;
	if (has_wildcards)
		MT_TRY(report(search, node->hash));
	if (depth == search->level_count)
		return report(search, at);
	child = search->words[depth] ? find_edge(search->tree, at, search->words[depth]) : 0;
	if (child != 0)
		MT_TRY(descend(search, child, depth + 1));
	if (has_wildcards && node->plus != 0)
		return descend(search, node->plus, depth + 1);
	return MT_OK;
}

enum mt_status mt_tree_match(const struct mt_tree *tree, struct mt_bytes name, struct mt_ids *out)
{
	struct search search;
	size_t pos = 0;
	struct mt_bytes level;
	search.tree = tree;
	search.out = out;
	search.level_count = 0;
	search.has_dollar = name.len > 0 && name.data[0] == '$';
	while (mt_topic_next_level(name, &pos, &level)) {
		if (search.level_count == MT_TOPIC_LEVELS_MAX)
			return MT_LIMIT;
		search.words[search.level_count++] = mt_map_find(&tree->words, level);
	}
	return descend(&search, ROOT, 0);
}

/* ---- search ---- */

/*
 * All nodes below `top` and itself, without recursion: down to the first child, else to the next
 * sibling of the nearest ancestor that has one.
 */
static enum mt_status report_below(const struct mt_tree *tree, uint32_t top, struct mt_ids *out)
{
	uint32_t at = top;
	for (;;) {
		if (tree->nodes[at].use_count > 0)
			MT_TRY(mt_ids_push(out, at));
		if (tree->nodes[at].first != 0) {
			at = tree->nodes[at].first;
			continue;
		}
		while (at != top && tree->nodes[at].next == 0)
			at = tree->nodes[at].parent;
		if (at == top)
			return MT_OK;
		at = tree->nodes[at].next;
	}
}

/* True when a wildcard may not enter this child: topics that begin with '$' ([MQTT-4.7.2-1]). */
static bool is_hidden(const struct mt_tree *tree, uint32_t child)
{
	const struct word *word = tree->nodes[child].word;
	return tree->nodes[child].parent == ROOT && word->len > 0 && word->data[0] == '$';
}

static enum mt_status search_below(const struct mt_tree *tree, uint32_t at, struct mt_bytes filter,
				   size_t pos, struct mt_ids *out);

static enum mt_status search_child(const struct mt_tree *tree, uint32_t child,
				   struct mt_bytes filter, size_t pos, bool is_rest,
				   struct mt_ids *out)
{
	if (is_hidden(tree, child))
		return MT_OK;
	return is_rest ? report_below(tree, child, out)
		       : search_below(tree, child, filter, pos, out);
}

/* Recursion is as deep as the filter has levels: at most MT_TOPIC_LEVELS_MAX. */
static enum mt_status search_below(const struct mt_tree *tree, uint32_t at, struct mt_bytes filter,
				   size_t pos, struct mt_ids *out)
{
	struct mt_bytes level;
	bool is_rest;
	if (!mt_topic_next_level(filter, &pos, &level))
		return tree->nodes[at].use_count > 0 ? mt_ids_push(out, at) : MT_OK;
	if (!is_wildcard(level)) {
		uint32_t child = child_of(tree, at, level);
		return child ? search_below(tree, child, filter, pos, out) : MT_OK;
	}
	is_rest = level.data[0] == '#';
	/* "a/#" matches "a" too. */
	if (is_rest && at != ROOT && tree->nodes[at].use_count > 0)
		MT_TRY(mt_ids_push(out, at));
	for (uint32_t child = tree->nodes[at].first; child != 0; child = tree->nodes[child].next)
		MT_TRY(search_child(tree, child, filter, pos, is_rest, out));
	return MT_OK;
}

enum mt_status mt_tree_search(const struct mt_tree *tree, struct mt_bytes filter,
			      struct mt_ids *out)
{
	return search_below(tree, ROOT, filter, 0, out);
}
