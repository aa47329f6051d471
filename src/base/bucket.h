/*
 * A rate limit in one number: when the bucket will be full again.
 *
 *   now ............ full_ns ............ now + depth
 *        what was taken      what is left
 *
 * `cost_ns` is the time that what is taken needs to flow back, `depth_ns` the time that an empty
 * bucket needs to fill. Pure.
 */
#pragma once

#include "base/time.h"

#include <stdbool.h>

struct mt_bucket {
	mt_time full_ns;
};

/* Takes it whatever is left: when the bucket is no longer overdrawn; not after `now`: it is not. */
static inline mt_time mt_bucket_charge(struct mt_bucket *bucket, mt_time now, mt_time cost_ns,
				       mt_time depth_ns)
{
	mt_time from = bucket->full_ns > now ? bucket->full_ns : now;
	bucket->full_ns = from + cost_ns;
	return bucket->full_ns - depth_ns;
}

/* Takes it if it is there. */
static inline bool mt_bucket_take(struct mt_bucket *bucket, mt_time now, mt_time cost_ns,
				  mt_time depth_ns)
{
	mt_time from = bucket->full_ns > now ? bucket->full_ns : now;
	if (from + cost_ns > now + depth_ns)
		return false;
	bucket->full_ns = from + cost_ns;
	return true;
}
