/* Connections and new connections by address. */
#include "shell/source.h"

#define KEY_BYTES 16u
#define SITE_BYTES 8u /* of an IPv6 address */

struct source {
	struct mt_list idle; /* while there are no connections */
	uint8_t key[KEY_BYTES];
	uint32_t count;
	uint32_t shaking_count; /* of them */
	struct mt_bucket bucket;
};

static struct mt_bytes key_of(const void *value)
{
	const struct source *source = value;
	return mt_bytes_of(source->key, sizeof(source->key));
}

static void make_key(const struct mt_peer_address *peer, uint8_t key[KEY_BYTES])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool is_ipv4 = memcmp(peer->byte, mapped, sizeof(mapped)) == 0;
	memcpy(key, peer->byte, KEY_BYTES);
	if (!is_ipv4)
		memset(key + SITE_BYTES, 0, KEY_BYTES - SITE_BYTES);
}

void mt_sources_init(struct mt_sources *sources, struct mt_seed seed)
{
	mt_mem_init(&sources->mem, SIZE_MAX);
	mt_map_init(&sources->by_address, &sources->mem, seed, key_of);
	mt_list_init(&sources->idle);
	sources->idle_count = 0;
}

static void forget(struct mt_sources *sources, struct source *source)
{
	MT_CHECK(source->count == 0);
	if (mt_list_is_linked(&source->idle)) {
		mt_list_remove(&source->idle);
		sources->idle_count--;
	}
	MT_CHECK(mt_map_remove(&sources->by_address, key_of(source)) == source);
	mt_mem_give(&sources->mem, source, sizeof(*source));
}

static struct source *oldest_idle(const struct mt_sources *sources)
{
	struct mt_list *link = mt_list_first(&sources->idle);
	return link ? MT_LIST_ITEM(link, struct source, idle) : NULL;
}

static void expire(struct mt_sources *sources, mt_time now)
{
	struct source *oldest;
	while ((oldest = oldest_idle(sources)) &&
	       (oldest->bucket.full_ns <= now || sources->idle_count > MT_SOURCES_IDLE_MAX))
		forget(sources, oldest);
}

void mt_sources_finish(struct mt_sources *sources)
{
	struct source *oldest;
	while ((oldest = oldest_idle(sources)))
		forget(sources, oldest);
	MT_CHECK(sources->by_address.count == 0);
	mt_map_finish(&sources->by_address);
}

static struct source *find(struct mt_sources *sources, const struct mt_peer_address *peer)
{
	uint8_t key[KEY_BYTES];
	make_key(peer, key);
	return mt_map_find(&sources->by_address, mt_bytes_of(key, sizeof(key)));
}

static struct source *add(struct mt_sources *sources, const struct mt_peer_address *peer)
{
	struct source *source = mt_mem_zero(&sources->mem, sizeof(*source));
	if (!source)
		return NULL;
	make_key(peer, source->key);
	if (mt_map_put(&sources->by_address, source) == MT_OK)
		return source;
	mt_mem_give(&sources->mem, source, sizeof(*source));
	return NULL;
}

/* Idle, or forgotten when there is nothing to remember. */
static void rest(struct mt_sources *sources, mt_time now, struct source *source)
{
	if (source->bucket.full_ns <= now) {
		forget(sources, source);
		return;
	}
	mt_list_push_back(&sources->idle, &source->idle);
	sources->idle_count++;
	expire(sources, now);
}

bool mt_sources_admit(struct mt_sources *sources, mt_time now, const struct mt_peer_address *peer,
		      const struct mt_limits *limits, bool is_shaking, enum mt_limit_id *over)
{
	struct source *source = find(sources, peer);
	uint32_t most = limits->connections_per_address, rate = limits->connect_rate;
	uint32_t most_shaking = is_shaking ? limits->handshakes_per_address : 0;
	if (!source)
		source = add(sources, peer);
	if (!source) {
		*over = MT_LIMIT_MEMORY_BYTES;
		return false;
	}
	if (most > 0 && source->count >= most) {
		*over = MT_LIMIT_CONNECTIONS_PER_ADDRESS;
		return false;
	}
	if (most_shaking > 0 && source->shaking_count >= most_shaking) {
		*over = MT_LIMIT_HANDSHAKES_PER_ADDRESS;
		return false;
	}
	if (rate > 0 && !mt_bucket_take(&source->bucket, now, MT_SECOND / rate, MT_SECOND)) {
		*over = MT_LIMIT_CONNECT_RATE;
		return false;
	}
	if (mt_list_is_linked(&source->idle)) {
		mt_list_remove(&source->idle);
		sources->idle_count--;
	}
	source->count++;
	source->shaking_count += is_shaking;
	expire(sources, now);
	return true;
}

void mt_sources_met(struct mt_sources *sources, const struct mt_peer_address *peer)
{
	struct source *source = find(sources, peer);
	MT_CHECK(source != NULL && source->shaking_count > 0);
	source->shaking_count--;
}

void mt_sources_leave(struct mt_sources *sources, mt_time now, const struct mt_peer_address *peer)
{
	struct source *source = find(sources, peer);
	MT_CHECK(source != NULL && source->count > 0);
	if (--source->count == 0)
		rest(sources, now, source);
}
