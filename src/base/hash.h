/* SipHash-1-3 (keyed, so that peers cannot aim collisions) and a cheap mixer for numbers that are
 * not chosen by peers. */
#pragma once

#include "base/bytes.h"

struct mt_seed {
	uint64_t word[2];
};

/* About 1.4 ns per 8 bytes after 15 ns. */
uint64_t mt_hash_bytes(struct mt_seed seed, struct mt_bytes bytes);

static inline uint64_t mt_hash_u64(uint64_t value)
{
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93ULL;
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93ULL;
	return value ^ value >> 32;
}
