/*
 * Latencies in buckets whose width grows with the value: 16 buckets for each power of two, so at
 * most 6.25 % wide. Pure.
 */
#pragma once

#include "base/check.h"

#define MT_HISTOGRAM_BUCKETS (61 * 16)

struct mt_histogram {
	uint64_t count;
	uint64_t buckets[MT_HISTOGRAM_BUCKETS];
};

void mt_histogram_add(struct mt_histogram *histogram, uint64_t value);
/* Lower edge of the bucket that holds the smallest value with at least `share` (0..1) of all at
 * or below it; 0 when empty. */
uint64_t mt_histogram_at(const struct mt_histogram *histogram, double share);
