/* Latencies in buckets whose width grows with the value. Pure. */
#include "cli/bench_histogram.h"

/* Values below 16 have a bucket each; above, 4 bits after the leading one choose among 16. */
static size_t bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < 16)
		return (size_t)value;
	shift = 59u - (unsigned)__builtin_clzll(value);
	return (size_t)(shift + 1) * 16 + (size_t)(value >> shift & 15);
}

static uint64_t edge_of(size_t bucket)
{
	if (bucket < 16)
		return bucket;
	return (uint64_t)(16 + bucket % 16) << (bucket / 16 - 1);
}

void mt_histogram_add(struct mt_histogram *histogram, uint64_t value)
{
	size_t at = bucket_of(value);

	MT_CHECK(at < MT_HISTOGRAM_BUCKETS);
	histogram->buckets[at]++;
	histogram->count++;
}

uint64_t mt_histogram_at(const struct mt_histogram *histogram, double share)
{
	double wanted = share * (double)histogram->count;
	uint64_t below = 0;

	MT_CHECK(share >= 0 && share <= 1);
	for (size_t i = 0; i < MT_HISTOGRAM_BUCKETS; i++) {
		below += histogram->buckets[i];
		if (below > 0 && (double)below >= wanted)
			return edge_of(i);
	}
	return 0;
}
