/*
 * Accounted memory: every allocation of a subsystem goes through one `struct mt_mem`, which knows
 * the sum and refuses what would pass the ceiling. Sizes are passed on release, so that no header
 * is needed.
 *
 *   used_bytes + shared_bytes <= max_bytes
 *
 * Threading: one owner thread per mt_mem. Only shared blocks may be given back by any thread; the
 * mt_mem outlives them.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

#include <stdatomic.h>

struct mt_mem {
	size_t used_bytes;
	_Atomic size_t shared_bytes; /* of blocks that other threads may give back */
	size_t max_bytes;	     /* ceiling; SIZE_MAX: none */
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
/* Counted, but never refused by the ceiling: for what was promised already and cannot be taken
 * back. NULL only when the system has none. */
MT_MUST_USE void *mt_mem_take_promised(struct mt_mem *mem, size_t bytes);
/* A block that any thread may give back. */
MT_MUST_USE void *mt_mem_take_shared(struct mt_mem *mem, size_t bytes);
/* A shared block that the ceiling does not refuse. */
MT_MUST_USE void *mt_mem_promise_shared(struct mt_mem *mem, size_t bytes);
void mt_mem_give_shared(struct mt_mem *mem, void *at, size_t bytes);
/* Accounted now, both kinds. */
size_t mt_mem_bytes(const struct mt_mem *mem);
