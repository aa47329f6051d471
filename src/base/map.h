/*
 * Hash map from bytes to objects that hold their own key.
 *
 *   slots: [hash32, value] [hash32, value] ...    open addressing, linear probing, at most 3/4
 * full; removal shifts the followers back, so there are no tombstones.
 *
 * The map owns its slots only; values belong to the caller and must keep their key unchanged while
 * in it.
 */
#pragma once

#include "base/hash.h"
#include "base/mem.h"

typedef struct mt_bytes mt_map_key_fn(const void *value);

struct mt_map {
	struct mt_map_slot *slots;
	size_t slot_count; /* a power of two, or 0 */
	size_t count;
	struct mt_mem *mem;
	struct mt_seed seed;
	mt_map_key_fn *key_of;
};

void mt_map_init(struct mt_map *map, struct mt_mem *mem, struct mt_seed seed,
		 mt_map_key_fn *key_of);
/* Frees the slots, not the values. */
void mt_map_finish(struct mt_map *map);
/* The value with that key, or NULL. */
void *mt_map_find(const struct mt_map *map, struct mt_bytes key);
/* The key must not be present. MT_MEMORY: nothing changed. */
MT_MUST_USE enum mt_status mt_map_put(struct mt_map *map, void *value);
/* The removed value, or NULL when there was none. */
void *mt_map_remove(struct mt_map *map, struct mt_bytes key);
/* Next value from *pos (start with 0) or NULL at the end; the map must not change in between. */
void *mt_map_next(const struct mt_map *map, size_t *pos);
