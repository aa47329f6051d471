/* Deterministic random numbers from a seed (xoshiro256**): for ids and jitter, never for keys. */
#pragma once

#include <stdint.h>

struct mt_rng {
	uint64_t state[4];
};

void mt_rng_init(struct mt_rng *rng, uint64_t seed);
uint64_t mt_rng_next(struct mt_rng *rng);
/* Uniform in [0, bound); bound > 0. */
uint64_t mt_rng_below(struct mt_rng *rng, uint64_t bound);
