/* Open-addressing hash map with linear probing and backward-shift removal. */
#include "base/map.h"

struct mt_map_slot {
	void *value; /* NULL: free */
	uint64_t hash;
};

void mt_map_init(struct mt_map *map, struct mt_mem *mem, struct mt_seed seed, mt_map_key_fn *key_of)
{
	*map = (struct mt_map){.mem = mem, .seed = seed, .key_of = key_of};
}

void mt_map_finish(struct mt_map *map)
{
	mt_mem_give(map->mem, map->slots, map->slot_count * sizeof(*map->slots));
	map->slots = NULL;
	map->slot_count = map->count = 0;
}

/* The slot that holds the key, or the free one where it would go; the map must have slots. */
static size_t probe(const struct mt_map *map, struct mt_bytes key, uint64_t hash)
{
	size_t mask = map->slot_count - 1;
	size_t at = hash & mask;
	while (map->slots[at].value) {
		const struct mt_map_slot *slot = &map->slots[at];
		if (slot->hash == hash && mt_bytes_equal(map->key_of(slot->value), key))
			return at;
		at = (at + 1) & mask;
	}
	return at;
}

void *mt_map_find(const struct mt_map *map, struct mt_bytes key)
{
	if (map->count == 0)
		return NULL;
	return map->slots[probe(map, key, mt_hash_bytes(map->seed, key))].value;
}

static enum mt_status grow(struct mt_map *map)
{
	struct mt_map old = *map;
	size_t slot_count = old.slot_count ? old.slot_count * 2 : 8;
	struct mt_map_slot *slots = mt_mem_zero(map->mem, slot_count * sizeof(*slots));
	if (!slots)
		return MT_MEMORY;
	map->slots = slots;
	map->slot_count = slot_count;
	for (size_t i = 0; i < old.slot_count; i++) {
		size_t at = old.slots[i].hash & (slot_count - 1);
		if (!old.slots[i].value)
			continue;
		while (slots[at].value)
			at = (at + 1) & (slot_count - 1);
		slots[at] = old.slots[i];
	}
	mt_mem_give(map->mem, old.slots, old.slot_count * sizeof(*slots));
	return MT_OK;
}

enum mt_status mt_map_put(struct mt_map *map, void *value)
{
	struct mt_bytes key = map->key_of(value);
	uint64_t hash = mt_hash_bytes(map->seed, key);
	size_t at;
	if ((map->count + 1) * 4 > map->slot_count * 3)
		MT_TRY(grow(map));
	at = probe(map, key, hash);
	MT_CHECK(map->slots[at].value == NULL);
	map->slots[at] = (struct mt_map_slot){value, hash};
	map->count++;
	return MT_OK;
}

/* Moves back every follower that the hole would cut off from its home slot. */
static void close_hole(struct mt_map *map, size_t hole)
{
	size_t mask = map->slot_count - 1;
	for (size_t at = (hole + 1) & mask; map->slots[at].value; at = (at + 1) & mask) {
		size_t home = map->slots[at].hash & mask;
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		map->slots[hole] = map->slots[at];
		hole = at;
	}
	map->slots[hole].value = NULL;
}

void *mt_map_remove(struct mt_map *map, struct mt_bytes key)
{
	size_t at;
	void *value;
	if (map->count == 0)
		return NULL;
	at = probe(map, key, mt_hash_bytes(map->seed, key));
	value = map->slots[at].value;
	if (!value)
		return NULL;
	close_hole(map, at);
	map->count--;
	return value;
}

void *mt_map_next(const struct mt_map *map, size_t *pos)
{
	while (*pos < map->slot_count) {
		void *value = map->slots[(*pos)++].value;
		if (value)
			return value;
	}
	return NULL;
}
