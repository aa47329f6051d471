/* A shard: a map by id, and a list by last use, oldest first. */
#include "tls/cache.h"

#include "base/list.h"
#include "base/map.h"
#include "tls/parts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS 8u
/* Measured with OpenSSL 3.0: a session, and one that holds a client certificate. */
#define SESSION_BYTES 1200u
#define CERTIFIED_BYTES 10600u

struct entry {
	struct mt_list link; /* of its shard, longest unused first */
	SSL_SESSION *session;
	uint32_t bytes;
	uint8_t id_len;
	uint8_t id[SSL_MAX_SSL_SESSION_ID_LENGTH];
};

struct shard {
	pthread_mutex_t lock;
	struct mt_mem mem;
	struct mt_map by_id;
	struct mt_list by_use;
	size_t bytes;
	uint64_t evicted;
};

struct mt_tls_cache {
	size_t shard_bytes_max;
	struct mt_seed seed;
	struct shard shards[SHARDS];
};

static struct mt_bytes key_of(const void *value)
{
	const struct entry *entry = value;
	return mt_bytes_of(entry->id, entry->id_len);
}

enum mt_status mt_tls_cache_create(size_t bytes_max, struct mt_seed seed, struct mt_tls_cache **out)
{
	struct mt_tls_cache *cache = calloc(1, sizeof(*cache));
	MT_CHECK(bytes_max >= 65536);
	if (!cache)
		return MT_MEMORY;
	cache->shard_bytes_max = bytes_max / SHARDS;
	cache->seed = seed;
	for (uint32_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &cache->shards[i];
		pthread_mutex_init(&shard->lock, NULL);
		mt_mem_init(&shard->mem, SIZE_MAX);
		mt_map_init(&shard->by_id, &shard->mem, seed, key_of);
		mt_list_init(&shard->by_use);
	}
	*out = cache;
	return MT_OK;
}

/* Out of map and list; the session's reference is the caller's to end. */
static SSL_SESSION *take_out(struct shard *shard, struct entry *entry)
{
	SSL_SESSION *session = entry->session;
	mt_map_remove(&shard->by_id, key_of(entry));
	mt_list_remove(&entry->link);
	shard->bytes -= entry->bytes;
	mt_mem_give(&shard->mem, entry, sizeof(*entry));
	return session;
}

static struct entry *oldest(struct shard *shard)
{
	return mt_list_is_empty(&shard->by_use)
		       ? NULL
		       : MT_LIST_ITEM(shard->by_use.next, struct entry, link);
}

uint64_t mt_tls_cache_clear(struct mt_tls_cache *cache)
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &cache->shards[i];
		struct entry *entry;
		pthread_mutex_lock(&shard->lock);
		while ((entry = oldest(shard))) {
			SSL_SESSION_free(take_out(shard, entry));
			count++;
		}
		pthread_mutex_unlock(&shard->lock);
	}
	return count;
}

void mt_tls_cache_destroy(struct mt_tls_cache **cache)
{
	if (!*cache)
		return;
	mt_tls_cache_clear(*cache);
	for (uint32_t i = 0; i < SHARDS; i++) {
		mt_map_finish(&(*cache)->shards[i].by_id);
		pthread_mutex_destroy(&(*cache)->shards[i].lock);
	}
	free(*cache);
	*cache = NULL;
}

static struct shard *shard_of(struct mt_tls_cache *cache, struct mt_bytes id)
{
	return &cache->shards[mt_hash_bytes(cache->seed, id) >> 32 & (SHARDS - 1)];
}

static struct entry *make_entry(struct shard *shard, SSL_SESSION *session)
{
	unsigned len = 0;
	const uint8_t *id = SSL_SESSION_get_id(session, &len);
	struct entry *entry;
	if (len == 0 || len > SSL_MAX_SSL_SESSION_ID_LENGTH ||
	    mt_map_find(&shard->by_id, mt_bytes_of(id, len)))
		return NULL;
	entry = mt_mem_zero(&shard->mem, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->session = session;
	entry->bytes = SSL_SESSION_get0_peer(session) ? CERTIFIED_BYTES : SESSION_BYTES;
	entry->id_len = (uint8_t)len;
	memcpy(entry->id, id, len);
	return entry;
}

static void make_room(struct mt_tls_cache *cache, struct shard *shard, uint32_t bytes)
{
	struct entry *entry;
	while (shard->bytes + bytes > cache->shard_bytes_max && (entry = oldest(shard))) {
		SSL_SESSION_free(take_out(shard, entry));
		shard->evicted++;
	}
}

bool mt_tls_cache_put(struct mt_tls_cache *cache, SSL_SESSION *session)
{
	unsigned len = 0;
	const uint8_t *id = SSL_SESSION_get_id(session, &len);
	struct shard *shard = shard_of(cache, mt_bytes_of(id, len));
	struct entry *entry;
	bool is_kept = false;
	pthread_mutex_lock(&shard->lock);
	entry = make_entry(shard, session);
	if (entry) {
		make_room(cache, shard, entry->bytes);
		is_kept = mt_map_put(&shard->by_id, entry) == MT_OK;
	}
	if (is_kept) {
		mt_list_push_back(&shard->by_use, &entry->link);
		shard->bytes += entry->bytes;
	} else if (entry) {
		mt_mem_give(&shard->mem, entry, sizeof(*entry));
	}
	pthread_mutex_unlock(&shard->lock);
	return is_kept;
}

bool mt_tls_cache_has(struct mt_tls_cache *cache, struct mt_bytes id)
{
	struct shard *shard = shard_of(cache, id);
	bool is_there;
	pthread_mutex_lock(&shard->lock);
	is_there = mt_map_find(&shard->by_id, id) != NULL;
	pthread_mutex_unlock(&shard->lock);
	return is_there;
}

SSL_SESSION *mt_tls_cache_find(struct mt_tls_cache *cache, struct mt_bytes id)
{
	struct shard *shard = shard_of(cache, id);
	SSL_SESSION *session = NULL;
	struct entry *entry;
	pthread_mutex_lock(&shard->lock);
	entry = mt_map_find(&shard->by_id, id);
	if (entry && SSL_SESSION_up_ref(entry->session) == 1) {
		session = entry->session;
		mt_list_remove(&entry->link);
		mt_list_push_back(&shard->by_use, &entry->link);
	}
	pthread_mutex_unlock(&shard->lock);
	return session;
}

void mt_tls_cache_remove(struct mt_tls_cache *cache, struct mt_bytes id)
{
	struct shard *shard = shard_of(cache, id);
	struct entry *entry;
	pthread_mutex_lock(&shard->lock);
	entry = mt_map_find(&shard->by_id, id);
	if (entry)
		SSL_SESSION_free(take_out(shard, entry));
	pthread_mutex_unlock(&shard->lock);
}

static bool is_expired(const struct entry *entry, int64_t now_s)
{
	return SSL_SESSION_get_time(entry->session) + SSL_SESSION_get_timeout(entry->session) <=
	       now_s;
}

void mt_tls_cache_tick(struct mt_tls_cache *cache, int64_t now_s)
{
	for (uint32_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &cache->shards[i];
		pthread_mutex_lock(&shard->lock);
		for (struct mt_list *link = shard->by_use.next; link != &shard->by_use;) {
			struct entry *entry = MT_LIST_ITEM(link, struct entry, link);
			link = link->next;
			if (is_expired(entry, now_s))
				SSL_SESSION_free(take_out(shard, entry));
		}
		pthread_mutex_unlock(&shard->lock);
	}
}

struct mt_tls_cache_counts mt_tls_cache_counts(struct mt_tls_cache *cache)
{
	struct mt_tls_cache_counts sum = {0};
	for (uint32_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &cache->shards[i];
		pthread_mutex_lock(&shard->lock);
		sum.sessions += shard->by_id.count;
		sum.bytes += shard->bytes;
		sum.evicted += shard->evicted;
		pthread_mutex_unlock(&shard->lock);
	}
	return sum;
}

static bool is_of(const struct entry *entry, const uint8_t *fingerprint)
{
	uint8_t found[MT_FINGERPRINT_BYTES];
	const X509 *certificate = SSL_SESSION_get0_peer(entry->session);
	return certificate && mt_tls_fingerprint(certificate, found) &&
	       memcmp(found, fingerprint, sizeof(found)) == 0;
}

uint64_t mt_tls_cache_forget(struct mt_tls_cache *cache, const uint8_t *fingerprint)
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &cache->shards[i];
		pthread_mutex_lock(&shard->lock);
		for (struct mt_list *link = shard->by_use.next; link != &shard->by_use;) {
			struct entry *entry = MT_LIST_ITEM(link, struct entry, link);
			link = link->next;
			if (!is_of(entry, fingerprint))
				continue;
			SSL_SESSION_free(take_out(shard, entry));
			count++;
		}
		pthread_mutex_unlock(&shard->lock);
	}
	return count;
}
