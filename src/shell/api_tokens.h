/*
 * Tokens of the admin API: who a caller over the network is.
 *
 *   Authorization: Bearer mta1.… -> SHA-256 -> compared with every row -> name, role
 *
 * A token has 128 random bits, so guessing is hopeless, and a right one is heard whatever its
 * neighbours do. Wrong ones are counted by address, of IPv6 by /64: beyond FAILURES_MAX within a
 * minute an address hears 429, and the log is spared.
 */
#pragma once

#include "admin/server.h"
#include "base/bucket.h"

#define MT_API_THROTTLE_ADDRESSES_MAX 256u

/* Of those addresses that failed last. */
struct mt_api_throttle {
	struct {
		uint8_t key[16];
		struct mt_bucket bucket;
	} of[MT_API_THROTTLE_ADDRESSES_MAX];
};

/* One failure more; false: there were too many. */
MT_MUST_USE bool mt_api_throttle_take(struct mt_api_throttle *throttle,
				      const struct mt_admin_address *address, mt_time now_ns);

/* The token in the value of an Authorization header; empty: there is none, or another scheme. */
struct mt_bytes mt_api_bearer(const char *authorization);

struct mt_api_call;
/* Fills role and author of a call that came over the network. False: answered. */
MT_MUST_USE bool mt_api_know_bearer(struct mt_api_call *call);
