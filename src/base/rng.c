/* xoshiro256** by Blackman and Vigna, seeded by splitmix64. */
#include "base/rng.h"

#include "base/check.h"

#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))

void mt_rng_init(struct mt_rng *rng, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t word = seed += 0x9e3779b97f4a7c15ULL;
		word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9ULL;
		word = (word ^ word >> 27) * 0x94d049bb133111ebULL;
		rng->state[i] = word ^ word >> 31;
	}
}

uint64_t mt_rng_next(struct mt_rng *rng)
{
	uint64_t *s = rng->state;
	uint64_t result = ROTATE(s[1] * 5, 7) * 9;
	uint64_t shifted = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = ROTATE(s[3], 45);
	return result;
}

uint64_t mt_rng_below(struct mt_rng *rng, uint64_t bound)
{
	uint64_t limit;
	uint64_t value;
	MT_CHECK(bound > 0);
	limit = UINT64_MAX - UINT64_MAX % bound;
	do
		value = mt_rng_next(rng);
	while (value >= limit);
	return value % bound;
}
