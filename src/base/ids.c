/* Growing array of ids. */
#include "base/ids.h"

void mt_ids_init(struct mt_ids *ids, struct mt_mem *mem)
{
	*ids = (struct mt_ids){.mem = mem};
}

void mt_ids_finish(struct mt_ids *ids)
{
	mt_mem_give(ids->mem, ids->items, ids->cap * sizeof(*ids->items));
	*ids = (struct mt_ids){.mem = ids->mem};
}

enum mt_status mt_ids_push(struct mt_ids *ids, uint32_t id)
{
	if (ids->count == ids->cap) {
		size_t cap = ids->cap ? ids->cap * 2 : 16;
		uint32_t *items = mt_mem_resize(ids->mem, ids->items, ids->cap * sizeof(*items),
						cap * sizeof(*items));
		if (!items)
			return MT_MEMORY;
		ids->items = items;
		ids->cap = cap;
	}
	ids->items[ids->count++] = id;
	return MT_OK;
}
