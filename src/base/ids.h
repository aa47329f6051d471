/* A growing array of 32-bit ids: the result list of searches. Reused with clear, so that steady
 * state allocates nothing. */
#pragma once

#include "base/mem.h"

struct mt_ids {
	uint32_t *items;
	size_t count;
	size_t cap;
	struct mt_mem *mem;
};

void mt_ids_init(struct mt_ids *ids, struct mt_mem *mem);
void mt_ids_finish(struct mt_ids *ids);
MT_MUST_USE enum mt_status mt_ids_push(struct mt_ids *ids, uint32_t id);

static inline void mt_ids_clear(struct mt_ids *ids)
{
	ids->count = 0;
}
