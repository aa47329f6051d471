/*
 * Arena: allocations that live and die together. Blocks double up to 64 KiB; nothing is freed
 * singly.
 */
#pragma once

#include "base/mem.h"

struct mt_arena {
	struct mt_mem *mem;
	struct mt_arena_block *last;
	size_t block_bytes; /* size of the next block */
};

void mt_arena_init(struct mt_arena *arena, struct mt_mem *mem);
void mt_arena_finish(struct mt_arena *arena);
/* Zeroed, aligned to 16; NULL without memory. bytes may be 0 (then a valid unique pointer). */
MT_MUST_USE void *mt_arena_take(struct mt_arena *arena, size_t bytes);
/* A copy with a terminating 0 behind it (not counted in len). MT_MEMORY: *out untouched. */
MT_MUST_USE enum mt_status mt_arena_copy(struct mt_arena *arena, struct mt_bytes bytes,
					 struct mt_bytes *out);
