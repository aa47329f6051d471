/*
 * Gives memory back to the system after a busy time: the allocator keeps what was freed (see
 * claim_resources), and pages between what is still in use.
 */
#pragma once

#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>

struct mt_heap {
	mt_time due_ns;	   /* to look again */
	size_t most_bytes; /* of load, since memory was last given back */
};

/* load: what is in use, roughly, in bytes. When it has fallen well below the highest seen, free
 * memory goes back. Costs nothing most of the time, and then about 2 us for each hole in the heap:
 * 16 ms for 10,000 of 8 KiB, 180 ms for 100,000. */
void mt_heap_look(struct mt_heap *heap, mt_time now, size_t load);
/* Between looks: a load that may be gone at the next one. */
static inline void mt_heap_saw(struct mt_heap *heap, size_t load)
{
	if (load > heap->most_bytes)
		heap->most_bytes = load;
}
/* The load is worth asking for. */
static inline bool mt_heap_is_due(const struct mt_heap *heap, mt_time now)
{
	return now >= heap->due_ns;
}
