/*
 * Passwords that were found right a short while ago: who comes again with the same one waits for no
 * slow hash. Kept is an HMAC of user, stored hash and password under a key of this process, so that
 * a password that was changed is forgotten with its hash, and nothing of it can be read here.
 *
 * Threading: any thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"
#include "base/time.h"
#include "identity/user.h"

struct mt_login_cache;

struct mt_login_cache_counts {
	uint64_t hits, misses;
};

/* age_ns: how long a password is remembered; 0: none is. NULL without memory. */
MT_MUST_USE struct mt_login_cache *mt_login_cache_create(mt_time age_ns);
void mt_login_cache_destroy(struct mt_login_cache **cache); /* takes NULL */
/* user NULL: nobody; costs the same, and is false. */
MT_MUST_USE bool mt_login_cache_knows(struct mt_login_cache *cache, mt_time now_ns,
				      const struct mt_user *user, struct mt_bytes password);
/* It was found right. */
void mt_login_cache_keep(struct mt_login_cache *cache, mt_time now_ns, const struct mt_user *user,
			 struct mt_bytes password);
struct mt_login_cache_counts mt_login_cache_counts(struct mt_login_cache *cache);
