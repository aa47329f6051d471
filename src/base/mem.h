/*
 * Accounted memory: every allocation of a subsystem goes through one `struct mt_mem`, which knows
 * the sum and refuses what would pass the ceiling. Sizes are passed on release, so that no header
 * is needed.
 *
 * Threading: one owner thread per mt_mem.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

struct mt_mem {
	size_t used_bytes;
	size_t max_bytes;	/* ceiling; SIZE_MAX: none */
	uint64_t refused_count; /* allocations refused by the ceiling, the hook or the system */
	uint64_t fail_in;	/* test hook: 0 off, n: the n-th allocation from now fails */
};

void mt_mem_init(struct mt_mem *mem, size_t max_bytes);
/* Uninitialised memory of `bytes` > 0; NULL when refused. */
MT_MUST_USE void *mt_mem_take(struct mt_mem *mem, size_t bytes);
/* The same, zeroed. */
MT_MUST_USE void *mt_mem_zero(struct mt_mem *mem, size_t bytes);
/* Grows or shrinks; the old block stays valid when NULL is returned. */
MT_MUST_USE void *mt_mem_resize(struct mt_mem *mem, void *old, size_t old_bytes, size_t bytes);
/* `at` may be NULL; `bytes` is what was asked for. */
void mt_mem_give(struct mt_mem *mem, void *at, size_t bytes);
