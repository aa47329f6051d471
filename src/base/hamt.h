/*
 * A map whose versions share what they have in common: a change copies the few nodes on its way
 * down, and the version before it stays whole.
 *
 *   node: set of 32 branches | values and nodes, in order        5 bits of the key's hash a level
 *
 * Threading: counts are atomic, so versions may be dropped by any thread. A version is changed by
 * its owner alone, and only before others see it.
 */
#pragma once

#include "base/hash.h"
#include "base/map.h"
#include "base/status.h"

/* Values hold their key, and count who holds them. */
struct mt_hamt_kind {
	mt_map_key_fn *key_of;
	void (*ref)(void *value);
	void (*unref)(void *value);
};

struct mt_hamt {
	const struct mt_hamt_kind *kind;
	struct mt_seed seed;
	struct mt_hamt_node *root; /* NULL: empty */
	size_t count;
};

void mt_hamt_init(struct mt_hamt *map, const struct mt_hamt_kind *kind, struct mt_seed seed);
/* *out: a version of its own, for now the same. No cost. */
void mt_hamt_share(const struct mt_hamt *map, struct mt_hamt *out);
/* Drops the version and what only it holds. */
void mt_hamt_finish(struct mt_hamt *map);
/* Borrowed from the version; NULL when there is none. */
void *mt_hamt_find(const struct mt_hamt *map, struct mt_bytes key);
/* Holds the value in place of one with the same key, if there is one. MT_MEMORY: nothing changed;
 * MT_LIMIT: its key and another's have one hash of 64 bits, nothing changed. */
MT_MUST_USE enum mt_status mt_hamt_put(struct mt_hamt *map, void *value);
/* MT_NOT_FOUND, MT_MEMORY: nothing changed. */
MT_MUST_USE enum mt_status mt_hamt_remove(struct mt_hamt *map, struct mt_bytes key);
/* All values in the order of their hashes, until the visitor says false. */
typedef bool mt_hamt_visit_fn(void *context, const void *value);
bool mt_hamt_each(const struct mt_hamt *map, mt_hamt_visit_fn *visit, void *context);
