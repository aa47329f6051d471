/*
 * Sessions that clients resume by their id, for all listeners: bounded in bytes, the longest unused
 * go first. In TLS 1.3 the id is the content of a stateful ticket.
 *
 * Threading: any; shards with a lock each.
 */
#pragma once

#include "base/hash.h"
#include "base/status.h"

struct mt_tls_cache;

struct mt_tls_cache_counts {
	uint64_t sessions;
	uint64_t bytes;	  /* about: what OpenSSL takes for a session is not told */
	uint64_t evicted; /* for want of room, ever */
};

/* bytes_max: of all sessions, at least 64 KiB. MT_MEMORY. */
MT_MUST_USE enum mt_status mt_tls_cache_create(size_t bytes_max, struct mt_seed seed,
					       struct mt_tls_cache **out);
/* No context may use it any more. */
void mt_tls_cache_destroy(struct mt_tls_cache **cache);
/* Forgets every session; how many. */
uint64_t mt_tls_cache_clear(struct mt_tls_cache *cache);
/* Forgets those of the client certificate with this fingerprint (32 bytes, SHA-256); how many. */
uint64_t mt_tls_cache_forget(struct mt_tls_cache *cache, const uint8_t *fingerprint);
/* Forgets those that have expired; to be called now and then. */
void mt_tls_cache_tick(struct mt_tls_cache *cache, int64_t now_s);
struct mt_tls_cache_counts mt_tls_cache_counts(struct mt_tls_cache *cache);
