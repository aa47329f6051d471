/* When to give memory back to the system. */
#include "shell/heap.h"

#include <malloc.h>

#define LOOK_NS (10 * MT_SECOND)
#define FALL_BYTES ((size_t)1 << 20)

void mt_heap_look(struct mt_heap *heap, mt_time now, size_t load)
{
	heap->due_ns = now + LOOK_NS;
	mt_heap_saw(heap, load);
	if (heap->most_bytes - load < FALL_BYTES || load > heap->most_bytes / 8 * 7)
		return;
	heap->most_bytes = load;
	malloc_trim(0);
}
