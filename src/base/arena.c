/* Arena of growing blocks. */
#include "base/arena.h"

#define BLOCK_BYTES_MIN 1024u
#define BLOCK_BYTES_MAX 65536u

struct mt_arena_block {
	struct mt_arena_block *previous;
	size_t bytes; /* of the whole block */
	size_t pos;
	_Alignas(16) uint8_t data[];
};

void mt_arena_init(struct mt_arena *arena, struct mt_mem *mem)
{
	*arena = (struct mt_arena){.mem = mem, .block_bytes = BLOCK_BYTES_MIN};
}

void mt_arena_finish(struct mt_arena *arena)
{
	while (arena->last) {
		struct mt_arena_block *block = arena->last;
		arena->last = block->previous;
		mt_mem_give(arena->mem, block, block->bytes);
	}
}

static struct mt_arena_block *add_block(struct mt_arena *arena, size_t need)
{
	size_t bytes = sizeof(struct mt_arena_block) + need;
	struct mt_arena_block *block;
	if (bytes < arena->block_bytes)
		bytes = arena->block_bytes;
	block = mt_mem_zero(arena->mem, bytes);
	if (!block)
		return NULL;
	block->bytes = bytes;
	block->previous = arena->last;
	arena->last = block;
	if (arena->block_bytes < BLOCK_BYTES_MAX)
		arena->block_bytes *= 2;
	return block;
}

void *mt_arena_take(struct mt_arena *arena, size_t bytes)
{
	struct mt_arena_block *block = arena->last;
	size_t need;
	void *at;
	if (bytes > PTRDIFF_MAX - 64) /* no object is that large; the sums below would wrap */
		return NULL;
	need = (bytes + 16) / 16 * 16;
	if (!block || block->bytes - sizeof(*block) - block->pos < need)
		block = add_block(arena, need);
	if (!block)
		return NULL;
	at = block->data + block->pos;
	block->pos += need;
	return at;
}

enum mt_status mt_arena_copy(struct mt_arena *arena, struct mt_bytes bytes, struct mt_bytes *out)
{
	uint8_t *at = mt_arena_take(arena, bytes.len + 1);
	if (!at)
		return MT_MEMORY;
	if (bytes.len > 0)
		memcpy(at, bytes.data, bytes.len);
	*out = mt_bytes_of(at, bytes.len);
	return MT_OK;
}
