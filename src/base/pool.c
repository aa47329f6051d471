/* Chunked pool with a generation per slot: odd while the item lives. */
#include "base/pool.h"

#define CHUNK_ITEMS 64u

struct slot {
	uint32_t generation;
	uint32_t next_free; /* index + 1 */
	_Alignas(16) uint8_t item[];
};

void mt_pool_init(struct mt_pool *pool, struct mt_mem *mem, size_t item_bytes, uint32_t count_max)
{
	size_t slot_bytes = sizeof(struct slot) + (item_bytes + 15) / 16 * 16;
	*pool = (struct mt_pool){.mem = mem, .item_bytes = slot_bytes, .count_max = count_max};
}

void mt_pool_finish(struct mt_pool *pool)
{
	for (size_t i = 0; i < pool->chunk_count; i++)
		mt_mem_give(pool->mem, pool->chunks[i], CHUNK_ITEMS * pool->item_bytes);
	mt_mem_give(pool->mem, pool->chunks, pool->chunk_count * sizeof(*pool->chunks));
	pool->chunks = NULL;
	pool->chunk_count = 0;
	pool->slot_count = pool->used_count = pool->free_head = 0;
}

static struct slot *slot_at(const struct mt_pool *pool, uint32_t index)
{
	uint8_t *chunk = pool->chunks[index / CHUNK_ITEMS];
	return (struct slot *)(void *)(chunk + index % CHUNK_ITEMS * pool->item_bytes);
}

static enum mt_status add_chunk(struct mt_pool *pool)
{
	size_t old_bytes = pool->chunk_count * sizeof(*pool->chunks);
	uint8_t *chunk = mt_mem_zero(pool->mem, CHUNK_ITEMS * pool->item_bytes);
	uint8_t **chunks;
	if (!chunk)
		return MT_MEMORY;
	chunks = mt_mem_resize(pool->mem, pool->chunks, old_bytes, old_bytes + sizeof(*chunks));
	if (!chunks) {
		mt_mem_give(pool->mem, chunk, CHUNK_ITEMS * pool->item_bytes);
		return MT_MEMORY;
	}
	chunks[pool->chunk_count++] = chunk;
	pool->chunks = chunks;
	return MT_OK;
}

static bool find_free(struct mt_pool *pool, uint32_t *out)
{
	if (pool->free_head > 0) {
		*out = pool->free_head - 1;
		pool->free_head = slot_at(pool, *out)->next_free;
		return true;
	}
	if (pool->slot_count == pool->chunk_count * CHUNK_ITEMS && add_chunk(pool) != MT_OK)
		return false;
	*out = pool->slot_count++;
	return true;
}

void *mt_pool_take(struct mt_pool *pool, mt_handle *out)
{
	uint32_t index;
	struct slot *slot;
	if (pool->used_count >= pool->count_max || !find_free(pool, &index))
		return NULL;
	slot = slot_at(pool, index);
	slot->generation++;
	MT_CHECK(slot->generation % 2 == 1);
	memset(slot->item, 0, pool->item_bytes - sizeof(*slot));
	pool->used_count++;
	*out = (mt_handle)slot->generation << 32 | index;
	return slot->item;
}

void *mt_pool_get(const struct mt_pool *pool, mt_handle handle)
{
	uint32_t generation = (uint32_t)(handle >> 32);
	struct slot *slot;
	if (generation % 2 == 0 || mt_handle_index(handle) >= pool->slot_count)
		return NULL;
	slot = slot_at(pool, mt_handle_index(handle));
	return slot->generation == generation ? slot->item : NULL;
}

void mt_pool_give(struct mt_pool *pool, mt_handle handle)
{
	struct slot *slot;
	MT_CHECK(mt_pool_get(pool, handle) != NULL);
	slot = slot_at(pool, mt_handle_index(handle));
	slot->generation++;
	slot->next_free = pool->free_head;
	pool->free_head = mt_handle_index(handle) + 1;
	pool->used_count--;
}

void *mt_pool_at(const struct mt_pool *pool, uint32_t index)
{
	struct slot *slot;
	if (index >= pool->slot_count)
		return NULL;
	slot = slot_at(pool, index);
	return slot->generation % 2 == 1 ? slot->item : NULL;
}

void *mt_pool_next(const struct mt_pool *pool, uint32_t *index, mt_handle *out)
{
	for (; *index < pool->slot_count; (*index)++) {
		struct slot *slot = slot_at(pool, *index);
		if (slot->generation % 2 == 0)
			continue;
		*out = (mt_handle)slot->generation << 32 | *index;
		(*index)++;
		return slot->item;
	}
	return NULL;
}
