/*
 * Topic aliases towards a client that allows them (section 3.3.2.3.4): a small direct-mapped table
 * a connection.
 *
 *   slot = hash(topic) mod slots -> alias = slot + 1
 *
 * First come, first served; a slot passes to another topic after a few misses in a row, so that two
 * topics of one slot do not set it anew in turns. A packet sent again never bears an alias.
 */
#include "core/state.h"

#define TOPIC_BYTES_MIN 8u   /* below it the property takes what the topic gives */
#define TOPIC_BYTES_MAX 256u /* what one slot may hold for a client */
#define MISSES_MAX 4u

void mt_alias_open(struct mt_peer *peer, uint16_t client_max)
{
	uint32_t most = peer->facts.limits->client_aliases;
	uint32_t count = 1;
	if (client_max < most)
		most = client_max;
	while (count * 2 <= most)
		count *= 2;
	peer->alias_slots = most > 0 ? (uint16_t)count : 0;
}

static uint64_t hash_of(struct mt_core *core, const struct mt_outgoing *outgoing)
{
	struct mt_encoding *encoding = &core->encoding;
	struct mt_bytes topic = mt_msg_topic(outgoing->msg);
	if (!outgoing->is_cacheable)
		return mt_hash_bytes(core->settings.seed, topic);
	if (encoding->hash_stamp != encoding->stamp) {
		encoding->hash_stamp = encoding->stamp;
		encoding->topic_hash = mt_hash_bytes(core->settings.seed, topic);
	}
	return encoding->topic_hash;
}

static struct mt_bytes topic_of(const struct mt_alias_slot *slot)
{
	return mt_bytes_of(slot->topic, slot->topic_len);
}

/* A slot that is free, or has been missed too often, is for the topic to take. */
static bool may_take(struct mt_alias_slot *slot)
{
	return !slot->topic || ++slot->misses >= MISSES_MAX;
}

struct mt_alias mt_alias_find(struct mt_core *core, struct mt_peer *peer,
			      const struct mt_outgoing *outgoing)
{
	static const struct mt_alias none;
	struct mt_bytes topic = mt_msg_topic(outgoing->msg);
	struct mt_alias_slot *slot;
	uint64_t hash;
	if (topic.len < TOPIC_BYTES_MIN || topic.len > TOPIC_BYTES_MAX)
		return none;
	if (!peer->client_aliases)
		peer->client_aliases =
			mt_mem_zero(&core->mem, peer->alias_slots * sizeof(*peer->client_aliases));
	if (!peer->client_aliases)
		return none;
	hash = hash_of(core, outgoing);
	slot = &peer->client_aliases[hash & (peer->alias_slots - 1u)];
	if (slot->hash == hash && mt_bytes_equal(topic_of(slot), topic)) {
		slot->misses = 0;
		return (struct mt_alias){(uint16_t)(slot - peer->client_aliases + 1), true};
	}
	if (!may_take(slot))
		return none;
	return (struct mt_alias){(uint16_t)(slot - peer->client_aliases + 1), false};
}

void mt_alias_keep(struct mt_core *core, struct mt_peer *peer, uint16_t alias,
		   const struct mt_outgoing *outgoing)
{
	struct mt_alias_slot *slot = &peer->client_aliases[alias - 1];
	struct mt_bytes topic = mt_msg_topic(outgoing->msg);
	uint8_t *copy = mt_mem_take(&core->mem, topic.len);
	mt_mem_give(&core->mem, slot->topic, slot->topic_len);
	*slot = (struct mt_alias_slot){0};
	/* Without memory the client knows an alias that is never used. */
	if (!copy)
		return;
	memcpy(copy, topic.data, topic.len);
	slot->topic = copy;
	slot->topic_len = (uint32_t)topic.len;
	slot->hash = hash_of(core, outgoing);
}

void mt_alias_finish(struct mt_core *core, struct mt_peer *peer)
{
	for (uint32_t i = 0; peer->client_aliases && i < peer->alias_slots; i++)
		mt_mem_give(&core->mem, peer->client_aliases[i].topic,
			    peer->client_aliases[i].topic_len);
	mt_mem_give(&core->mem, peer->client_aliases,
		    peer->alias_slots * sizeof(*peer->client_aliases));
	peer->client_aliases = NULL;
}
