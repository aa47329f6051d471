/* Accounted memory on top of malloc. */
#include "base/mem.h"

#include <stdlib.h>

void mt_mem_init(struct mt_mem *mem, size_t max_bytes)
{
	*mem = (struct mt_mem){.max_bytes = max_bytes};
}

static bool admits(struct mt_mem *mem, size_t more)
{
	bool is_refused = more > mem->max_bytes || mem->used_bytes > mem->max_bytes - more;
	if (MT_UNLIKELY(mem->fail_in > 0) && --mem->fail_in == 0)
		is_refused = true;
	mem->refused_count += is_refused;
	return !is_refused;
}

void *mt_mem_take(struct mt_mem *mem, size_t bytes)
{
	void *at;
	MT_CHECK(bytes > 0);
	if (!admits(mem, bytes))
		return NULL;
	at = malloc(bytes);
	if (!at) {
		mem->refused_count++;
		return NULL;
	}
	mem->used_bytes += bytes;
	return at;
}

void *mt_mem_zero(struct mt_mem *mem, size_t bytes)
{
	void *at = mt_mem_take(mem, bytes);
	return at ? memset(at, 0, bytes) : NULL;
}

void *mt_mem_resize(struct mt_mem *mem, void *old, size_t old_bytes, size_t bytes)
{
	void *at;
	MT_CHECK(bytes > 0);
	MT_CHECK(old || old_bytes == 0);
	if (bytes > old_bytes && !admits(mem, bytes - old_bytes))
		return NULL;
	at = realloc(old, bytes);
	if (!at) {
		mem->refused_count++;
		return NULL;
	}
	mem->used_bytes = mem->used_bytes - old_bytes + bytes;
	return at;
}

void mt_mem_give(struct mt_mem *mem, void *at, size_t bytes)
{
	if (!at)
		return;
	MT_CHECK(mem->used_bytes >= bytes);
	mem->used_bytes -= bytes;
	free(at);
}
