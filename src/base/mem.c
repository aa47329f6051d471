/* Accounted memory on top of malloc. */
#include "base/mem.h"

#include <stdlib.h>

void mt_mem_init(struct mt_mem *mem, size_t max_bytes)
{
	*mem = (struct mt_mem){.max_bytes = max_bytes};
}

static inline size_t sum_of(const struct mt_mem *mem)
{
	return mem->used_bytes + atomic_load_explicit(&mem->shared_bytes, memory_order_relaxed);
}

size_t mt_mem_bytes(const struct mt_mem *mem)
{
	return sum_of(mem);
}

/* A sum that wraps is one that the system refuses. */
static inline bool admits(struct mt_mem *mem, size_t more)
{
	bool is_refused = sum_of(mem) + more > mem->max_bytes;
	if (MT_UNLIKELY(mem->fail_in > 0) && --mem->fail_in == 0)
		is_refused = true;
	if (MT_UNLIKELY(is_refused))
		mem->refused_count++;
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

void *mt_mem_take_promised(struct mt_mem *mem, size_t bytes)
{
	void *at = malloc(bytes);
	MT_CHECK(bytes > 0);
	if (at)
		mem->used_bytes += bytes;
	else
		mem->refused_count++;
	return at;
}

void *mt_mem_promise_shared(struct mt_mem *mem, size_t bytes)
{
	void *at = malloc(bytes);
	MT_CHECK(bytes > 0);
	if (MT_UNLIKELY(!at)) {
		mem->refused_count++;
		return NULL;
	}
	atomic_fetch_add_explicit(&mem->shared_bytes, bytes, memory_order_relaxed);
	return at;
}

void *mt_mem_take_shared(struct mt_mem *mem, size_t bytes)
{
	return MT_LIKELY(admits(mem, bytes)) ? mt_mem_promise_shared(mem, bytes) : NULL;
}

void mt_mem_give_shared(struct mt_mem *mem, void *at, size_t bytes)
{
	size_t before;
	if (!at)
		return;
	free(at);
	before = atomic_fetch_sub_explicit(&mem->shared_bytes, bytes, memory_order_relaxed);
	MT_CHECK(before >= bytes);
}
