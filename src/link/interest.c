/* Filters with subscribers, here and at the siblings. */
#include "link/interest.h"

static struct mt_bytes key_of(const void *value)
{
	return mt_interest_filter(value);
}

enum mt_status mt_interests_init(struct mt_interests *interests, struct mt_mem *mem,
				 struct mt_seed seed)
{
	*interests = (struct mt_interests){.mem = mem};
	mt_map_init(&interests->own, mem, seed, key_of);
	mt_pool_init(&interests->sets, mem, sizeof(uint64_t), UINT32_MAX - 1);
	mt_ids_init(&interests->found, mem);
	interests->remote = mt_tree_create(mem, seed);
	return interests->remote ? MT_OK : MT_MEMORY;
}

void mt_interests_finish(struct mt_interests *interests)
{
	MT_CHECK(interests->own.count == 0);
	mt_map_finish(&interests->own);
	mt_pool_finish(&interests->sets);
	mt_ids_finish(&interests->found);
	mt_tree_destroy(&interests->remote);
}

struct mt_interest *mt_interests_find(const struct mt_interests *interests, struct mt_bytes filter)
{
	return mt_map_find(&interests->own, filter);
}

static size_t bytes_of(size_t filter_len)
{
	return sizeof(struct mt_interest) + filter_len;
}

struct mt_interest *mt_interests_add(struct mt_interests *interests, struct mt_bytes filter)
{
	struct mt_interest *interest = mt_interests_find(interests, filter);
	if (interest) {
		interest->use_count++;
		return interest;
	}
	interest = mt_mem_zero(interests->mem, bytes_of(filter.len));
	if (!interest)
		return NULL;
	mt_list_init(&interest->waiters);
	interest->filter_len = (uint32_t)filter.len;
	memcpy(interest->filter, filter.data, filter.len);
	if (mt_map_put(&interests->own, interest) != MT_OK) {
		mt_mem_give(interests->mem, interest, bytes_of(filter.len));
		return NULL;
	}
	interest->number = ++interests->last_number;
	interest->use_count = 1;
	return interest;
}

bool mt_interests_drop(struct mt_interests *interests, struct mt_interest *interest)
{
	if (--interest->use_count > 0)
		return false;
	MT_CHECK(mt_list_is_empty(&interest->waiters));
	MT_CHECK(mt_map_remove(&interests->own, key_of(interest)) == interest);
	mt_mem_give(interests->mem, interest, bytes_of(interest->filter_len));
	return true;
}

static uint64_t *set_at(const struct mt_interests *interests, uint32_t node)
{
	return mt_pool_at(&interests->sets, *mt_tree_value(interests->remote, node) - 1);
}

static enum mt_status add(struct mt_interests *interests, uint64_t bit, struct mt_bytes filter)
{
	mt_handle handle;
	uint32_t node;
	uint64_t *set = mt_pool_take(&interests->sets, &handle);
	if (!set)
		return MT_MEMORY;
	if (mt_tree_insert(interests->remote, filter, &node) != MT_OK) {
		mt_pool_give(&interests->sets, handle);
		return MT_MEMORY;
	}
	*set = bit;
	*mt_tree_value(interests->remote, node) = mt_handle_index(handle) + 1;
	return MT_OK;
}

static void forget(struct mt_interests *interests, uint32_t node)
{
	uint32_t index = *mt_tree_value(interests->remote, node) - 1;
	mt_handle handle;
	MT_CHECK(mt_pool_next(&interests->sets, &index, &handle) != NULL);
	mt_pool_give(&interests->sets, handle);
	mt_tree_release(interests->remote, node);
}

enum mt_status mt_interests_note(struct mt_interests *interests, uint32_t core,
				 struct mt_bytes filter, bool is_wanted)
{
	uint64_t bit = UINT64_C(1) << core;
	uint32_t node = mt_tree_find(interests->remote, filter);
	uint64_t *set;
	if (node == 0)
		return is_wanted ? add(interests, bit, filter) : MT_OK;
	set = set_at(interests, node);
	*set = is_wanted ? *set | bit : *set & ~bit;
	if (*set == 0)
		forget(interests, node);
	return MT_OK;
}

enum mt_status mt_interests_match(struct mt_interests *interests, struct mt_bytes topic,
				  uint64_t *out)
{
	uint64_t cores = 0;
	mt_ids_clear(&interests->found);
	MT_TRY(mt_tree_match(interests->remote, topic, &interests->found));
	for (size_t i = 0; i < interests->found.count; i++)
		cores |= *set_at(interests, interests->found.items[i]);
	*out = cores;
	return MT_OK;
}
