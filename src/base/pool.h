/*
 * Pool of equal items in chunks, reached by handles that know when they are stale.
 *
 *   handle = generation (32) | index (32)       index -> chunk[index / 64] item[index % 64]
 *
 * Addresses never move. Handle 0 is never given. Items come zeroed.
 */
#pragma once

#include "base/mem.h"

typedef uint64_t mt_handle;

#define MT_HANDLE_NONE ((mt_handle)0)

struct mt_pool {
	struct mt_mem *mem;
	uint8_t **chunks;
	size_t chunk_count;
	size_t item_bytes;  /* of a slot, its head included */
	uint32_t free_head; /* index + 1, 0: none */
	uint32_t used_count;
	uint32_t count_max;
	uint32_t slot_count; /* slots ever used */
};

void mt_pool_init(struct mt_pool *pool, struct mt_mem *mem, size_t item_bytes, uint32_t count_max);
/* Frees everything, live items included (they are plain memory to the pool). */
void mt_pool_finish(struct mt_pool *pool);
/* A zeroed item and its handle; NULL at the limit or without memory (*out untouched). O(1). */
MT_MUST_USE void *mt_pool_take(struct mt_pool *pool, mt_handle *out);
/* The item, or NULL when the handle is stale or none. O(1), no hash. */
void *mt_pool_get(const struct mt_pool *pool, mt_handle handle);
/* The handle must be live. */
void mt_pool_give(struct mt_pool *pool, mt_handle handle);
/* The live item at an index, or NULL. */
void *mt_pool_at(const struct mt_pool *pool, uint32_t index);
/* Live item at or after *index, with its handle; NULL at the end; *index is moved past it. */
void *mt_pool_next(const struct mt_pool *pool, uint32_t *index, mt_handle *out);

static inline uint32_t mt_handle_index(mt_handle handle)
{
	return (uint32_t)handle;
}
