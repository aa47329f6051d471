/* A table with one place for each user, by its number: a newcomer takes the place of another one.
 */
#include "shell/login_cache.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#define SLOTS 16384u /* a power of two: 0.8 MiB */

struct slot {
	uint64_t user_id; /* 0: free */
	mt_time until_ns;
	uint8_t proof[crypto_auth_hmacsha256_BYTES];
};

struct mt_login_cache {
	pthread_mutex_t lock;
	mt_time age_ns;
	uint8_t key[crypto_auth_hmacsha256_KEYBYTES];
	struct mt_login_cache_counts counts;
	struct slot slots[SLOTS];
};

struct mt_login_cache *mt_login_cache_create(mt_time age_ns)
{
	struct mt_login_cache *cache = calloc(1, sizeof(*cache));
	if (!cache || sodium_init() < 0) {
		free(cache);
		return NULL;
	}
	pthread_mutex_init(&cache->lock, NULL);
	cache->age_ns = age_ns;
	randombytes_buf(cache->key, sizeof(cache->key));
	return cache;
}

void mt_login_cache_destroy(struct mt_login_cache **cache)
{
	struct mt_login_cache *old = *cache;
	*cache = NULL;
	if (!old)
		return;
	pthread_mutex_destroy(&old->lock);
	mt_bytes_wipe(old, sizeof(*old));
	free(old);
}

/* Each part with its length, so that no two ways to cut them are the same. */
static void put(crypto_auth_hmacsha256_state *state, const void *data, size_t len)
{
	uint64_t count = len;
	crypto_auth_hmacsha256_update(state, (const uint8_t *)&count, sizeof(count));
	crypto_auth_hmacsha256_update(state, data, len);
}

static void prove(const struct mt_login_cache *cache, const struct mt_user *user,
		  struct mt_bytes password, uint8_t out[crypto_auth_hmacsha256_BYTES])
{
	static const uint8_t nobody[96];
	crypto_auth_hmacsha256_state state;
	uint64_t id = user ? user->id : 0;
	crypto_auth_hmacsha256_init(&state, cache->key, sizeof(cache->key));
	put(&state, &id, sizeof(id));
	put(&state, user ? user->password_hash.data : nobody,
	    user ? user->password_hash.len : sizeof(nobody));
	put(&state, password.data, password.len);
	crypto_auth_hmacsha256_final(&state, out);
	sodium_memzero(&state, sizeof(state));
}

static struct slot *slot_of(struct mt_login_cache *cache, const struct mt_user *user)
{
	return &cache->slots[(user ? user->id : 0) & (SLOTS - 1)];
}

bool mt_login_cache_knows(struct mt_login_cache *cache, mt_time now_ns, const struct mt_user *user,
			  struct mt_bytes password)
{
	uint8_t proof[crypto_auth_hmacsha256_BYTES];
	const struct slot *slot;
	bool is_equal, is_known;
	if (cache->age_ns == 0)
		return false;
	prove(cache, user, password, proof);
	pthread_mutex_lock(&cache->lock);
	slot = slot_of(cache, user);
	is_equal = sodium_memcmp(proof, slot->proof, sizeof(proof)) == 0;
	is_known = is_equal && user && slot->user_id == user->id && now_ns < slot->until_ns;
	cache->counts.hits += is_known;
	cache->counts.misses += !is_known;
	pthread_mutex_unlock(&cache->lock);
	mt_bytes_wipe(proof, sizeof(proof));
	return is_known;
}

void mt_login_cache_keep(struct mt_login_cache *cache, mt_time now_ns, const struct mt_user *user,
			 struct mt_bytes password)
{
	struct slot kept;
	if (cache->age_ns == 0)
		return;
	kept = (struct slot){.user_id = user->id, .until_ns = now_ns + cache->age_ns};
	prove(cache, user, password, kept.proof);
	pthread_mutex_lock(&cache->lock);
	*slot_of(cache, user) = kept;
	pthread_mutex_unlock(&cache->lock);
	mt_bytes_wipe(&kept, sizeof(kept));
}

struct mt_login_cache_counts mt_login_cache_counts(struct mt_login_cache *cache)
{
	struct mt_login_cache_counts counts;
	pthread_mutex_lock(&cache->lock);
	counts = cache->counts;
	pthread_mutex_unlock(&cache->lock);
	return counts;
}
