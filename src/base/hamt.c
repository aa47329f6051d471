/* Hash array mapped trie: nodes that are shared are copied, those of one version alone are changed
 * in place. */
#include "base/hamt.h"

#include <stdatomic.h>
#include <stdlib.h>

#define BRANCH_BITS 5u
#define DEPTH_MAX 12u /* the last whole group of bits in the hash */

struct mt_hamt_node {
	_Atomic uint32_t ref_count;
	uint32_t branches; /* bit n: branch n is there */
	uint32_t nodes;	   /* of them: those that are nodes; the others are values */
	void *slots[];	   /* by branch */
};

static uint32_t bit_of(uint64_t hash, unsigned depth)
{
	return UINT32_C(1) << (hash >> (depth * BRANCH_BITS) & 31);
}

static unsigned count_of(uint32_t set)
{
	return (unsigned)__builtin_popcount(set);
}

static unsigned index_of(const struct mt_hamt_node *node, uint32_t bit)
{
	return count_of(node->branches & (bit - 1));
}

static uint64_t hash_of(const struct mt_hamt *map, const void *value)
{
	return mt_hash_bytes(map->seed, map->kind->key_of(value));
}

static struct mt_hamt_node *create(unsigned slot_count)
{
	struct mt_hamt_node *node = calloc(1, sizeof(*node) + slot_count * sizeof(void *));
	if (node)
		atomic_init(&node->ref_count, 1);
	return node;
}

static void ref_node(struct mt_hamt_node *node)
{
	atomic_fetch_add_explicit(&node->ref_count, 1, memory_order_relaxed);
}

/* As deep as the trie: DEPTH_MAX at most. */
static void unref_node(const struct mt_hamt_kind *kind, struct mt_hamt_node *node)
{
	unsigned i = 0;
	if (!node || atomic_fetch_sub_explicit(&node->ref_count, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t left = node->branches; left != 0; left &= left - 1, i++) {
		if (node->nodes & left & -left)
			unref_node(kind, node->slots[i]);
		else
			kind->unref(node->slots[i]);
	}
	free(node);
}

/* A copy with room for one slot more or less at `at`; what it holds is counted once more. */
static struct mt_hamt_node *copy(const struct mt_hamt_kind *kind, const struct mt_hamt_node *node,
				 unsigned at, int more)
{
	unsigned count = count_of(node->branches), from = at + (more < 0);
	struct mt_hamt_node *out = create((unsigned)((int)count + more));
	unsigned i = 0;
	if (!out)
		return NULL;
	out->branches = node->branches;
	out->nodes = node->nodes;
	memcpy(out->slots, node->slots, at * sizeof(void *));
	memcpy(out->slots + at + (more > 0), node->slots + from, (count - from) * sizeof(void *));
	for (uint32_t left = node->branches; left != 0; left &= left - 1, i++) {
		if (more < 0 && i == at)
			continue;
		if (node->nodes & left & -left)
			ref_node(node->slots[i]);
		else
			kind->ref(node->slots[i]);
	}
	return out;
}

static bool is_alone(const struct mt_hamt_node *node)
{
	return atomic_load_explicit(&node->ref_count, memory_order_acquire) == 1;
}

/* The node at *slot becomes one that this version alone holds, with a slot more or less at `at`. */
static enum mt_status own(const struct mt_hamt_kind *kind, struct mt_hamt_node **slot, unsigned at,
			  int more)
{
	struct mt_hamt_node *node = *slot;
	if (more == 0 && is_alone(node))
		return MT_OK;
	*slot = copy(kind, node, at, more);
	if (!*slot) {
		*slot = node;
		return MT_MEMORY;
	}
	unref_node(kind, node);
	return MT_OK;
}

void mt_hamt_init(struct mt_hamt *map, const struct mt_hamt_kind *kind, struct mt_seed seed)
{
	*map = (struct mt_hamt){.kind = kind, .seed = seed};
}

void mt_hamt_share(const struct mt_hamt *map, struct mt_hamt *out)
{
	*out = *map;
	if (out->root)
		ref_node(out->root);
}

void mt_hamt_finish(struct mt_hamt *map)
{
	unref_node(map->kind, map->root);
	map->root = NULL;
	map->count = 0;
}

void *mt_hamt_find(const struct mt_hamt *map, struct mt_bytes key)
{
	uint64_t hash = mt_hash_bytes(map->seed, key);
	const struct mt_hamt_node *node = map->root;
	for (unsigned depth = 0; node; depth++) {
		uint32_t bit = bit_of(hash, depth);
		void *slot;
		if (!(node->branches & bit))
			return NULL;
		slot = node->slots[index_of(node, bit)];
		if (!(node->nodes & bit))
			return mt_bytes_equal(map->kind->key_of(slot), key) ? slot : NULL;
		node = slot;
	}
	return NULL;
}

/* ---- put ---- */

static enum mt_status add_value(const struct mt_hamt_kind *kind, struct mt_hamt_node **slot,
				uint32_t bit, void *value)
{
	unsigned at;
	if (!*slot)
		*slot = create(0);
	if (!*slot)
		return MT_MEMORY;
	at = index_of(*slot, bit);
	MT_TRY(own(kind, slot, at, 1));
	(*slot)->branches |= bit;
	(*slot)->slots[at] = value;
	kind->ref(value);
	return MT_OK;
}

/* Two values below one branch: nodes down to where their hashes part. */
static enum mt_status part(const struct mt_hamt *map, unsigned depth, void *former, void *value,
			   struct mt_hamt_node **out)
{
	uint64_t hashes[] = {hash_of(map, former), hash_of(map, value)};
	struct mt_hamt_node *node = NULL, *below;
	enum mt_status status = MT_OK;
	uint32_t bit;
	if (depth > DEPTH_MAX)
		return MT_LIMIT;
	bit = bit_of(hashes[0], depth);
	if (bit != bit_of(hashes[1], depth)) {
		status = add_value(map->kind, &node, bit, former);
		if (status == MT_OK)
			status = add_value(map->kind, &node, bit_of(hashes[1], depth), value);
	} else {
		MT_TRY(part(map, depth + 1, former, value, &below));
		node = create(1);
		if (!node) {
			unref_node(map->kind, below);
			return MT_MEMORY;
		}
		node->branches = node->nodes = bit;
		node->slots[0] = below;
	}
	if (status != MT_OK)
		unref_node(map->kind, node);
	else
		*out = node;
	return status;
}

static enum mt_status replace(const struct mt_hamt *map, struct mt_hamt_node *node, uint32_t bit,
			      unsigned depth, void *value, bool *is_new)
{
	void **slot = &node->slots[index_of(node, bit)];
	struct mt_hamt_node *below;
	void *former = *slot;
	*is_new = !mt_bytes_equal(map->kind->key_of(former), map->kind->key_of(value));
	if (!*is_new) {
		map->kind->ref(value);
		*slot = value;
	} else {
		MT_TRY(part(map, depth + 1, former, value, &below));
		*slot = below;
		node->nodes |= bit;
	}
	map->kind->unref(former);
	return MT_OK;
}

static enum mt_status put(struct mt_hamt *map, struct mt_hamt_node **slot, uint64_t hash,
			  unsigned depth, void *value, bool *is_new)
{
	uint32_t bit = bit_of(hash, depth);
	struct mt_hamt_node *child;
	enum mt_status status;
	*is_new = true;
	if (!*slot || !((*slot)->branches & bit))
		return add_value(map->kind, slot, bit, value);
	MT_TRY(own(map->kind, slot, index_of(*slot, bit), 0));
	if (!((*slot)->nodes & bit))
		return replace(map, *slot, bit, depth, value, is_new);
	child = (*slot)->slots[index_of(*slot, bit)];
	status = put(map, &child, hash, depth + 1, value, is_new);
	(*slot)->slots[index_of(*slot, bit)] = child;
	return status;
}

enum mt_status mt_hamt_put(struct mt_hamt *map, void *value)
{
	bool is_new;
	MT_TRY(put(map, &map->root, hash_of(map, value), 0, value, &is_new));
	map->count += is_new;
	return MT_OK;
}

/* ---- remove ---- */

/* Of a node that this version alone holds: needs no memory. */
static void cut_in_place(const struct mt_hamt_kind *kind, struct mt_hamt_node **slot, uint32_t bit)
{
	struct mt_hamt_node *node = *slot;
	unsigned at = index_of(node, bit), count = count_of(node->branches);
	if (!(node->nodes & bit))
		kind->unref(node->slots[at]);
	else
		unref_node(kind, node->slots[at]);
	memmove(node->slots + at, node->slots + at + 1, (count - at - 1) * sizeof(void *));
	node->branches &= ~bit;
	node->nodes &= ~bit;
	if (node->branches != 0)
		return;
	unref_node(kind, node);
	*slot = NULL;
}

/* Takes the branch away; a node without any goes as well. */
static enum mt_status cut(const struct mt_hamt_kind *kind, struct mt_hamt_node **slot, uint32_t bit)
{
	if (is_alone(*slot)) {
		cut_in_place(kind, slot, bit);
		return MT_OK;
	}
	if ((*slot)->branches == bit) {
		unref_node(kind, *slot);
		*slot = NULL;
		return MT_OK;
	}
	MT_TRY(own(kind, slot, index_of(*slot, bit), -1));
	(*slot)->branches &= ~bit;
	(*slot)->nodes &= ~bit;
	return MT_OK;
}

static enum mt_status take(struct mt_hamt *map, struct mt_hamt_node **slot, uint64_t hash,
			   unsigned depth, struct mt_bytes key)
{
	uint32_t bit = bit_of(hash, depth);
	struct mt_hamt_node *child;
	enum mt_status status;
	unsigned at;
	if (!*slot || !((*slot)->branches & bit))
		return MT_NOT_FOUND;
	at = index_of(*slot, bit);
	if (!((*slot)->nodes & bit))
		return mt_bytes_equal(map->kind->key_of((*slot)->slots[at]), key)
			       ? cut(map->kind, slot, bit)
			       : MT_NOT_FOUND;
	MT_TRY(own(map->kind, slot, at, 0));
	child = (*slot)->slots[at];
	status = take(map, &child, hash, depth + 1, key);
	(*slot)->slots[at] = child;
	if (!child)
		cut_in_place(map->kind, slot, bit);
	return status;
}

enum mt_status mt_hamt_remove(struct mt_hamt *map, struct mt_bytes key)
{
	MT_TRY(take(map, &map->root, mt_hash_bytes(map->seed, key), 0, key));
	map->count--;
	return MT_OK;
}

/* ---- all ---- */

static bool each(const struct mt_hamt_node *node, mt_hamt_visit_fn *visit, void *context)
{
	unsigned i = 0;
	for (uint32_t left = node->branches; left != 0; left &= left - 1, i++)
		if (node->nodes & left & -left ? !each(node->slots[i], visit, context)
					       : !visit(context, node->slots[i]))
			return false;
	return true;
}

bool mt_hamt_each(const struct mt_hamt *map, mt_hamt_visit_fn *visit, void *context)
{
	return !map->root || each(map->root, visit, context);
}
