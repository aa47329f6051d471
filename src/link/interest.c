/* Filters with subscribers, here and at the siblings. */
#include "link/interest.h"

#include "topic/name.h"

static struct mt_bytes key_of(const void *value)
{
	return mt_interest_filter(value);
}

/* What siblings have at one filter. */
struct node {
	uint64_t cores; /* with subscribers of their own */
	uint32_t group; /* the first: index + 1 */
};

static size_t group_bytes(uint32_t core_count)
{
	return sizeof(struct mt_remote_group) + core_count * sizeof(struct mt_members);
}

enum mt_status mt_interests_init(struct mt_interests *interests, struct mt_mem *mem,
				 struct mt_seed seed, struct mt_seed group_seed,
				 uint32_t core_count)
{
	*interests = (struct mt_interests){
		.mem = mem, .core_count = core_count, .group_seed = group_seed};
	mt_map_init(&interests->own, mem, seed, key_of);
	mt_pool_init(&interests->nodes, mem, sizeof(struct node), UINT32_MAX - 1);
	mt_pool_init(&interests->groups, mem, group_bytes(core_count), UINT32_MAX - 1);
	mt_ids_init(&interests->found, mem);
	mt_ids_init(&interests->in_groups, mem);
	interests->remote = mt_tree_create(mem, seed);
	return interests->remote ? MT_OK : MT_MEMORY;
}

void mt_interests_finish(struct mt_interests *interests)
{
	MT_CHECK(interests->own.count == 0);
	mt_map_finish(&interests->own);
	mt_pool_finish(&interests->nodes);
	mt_pool_finish(&interests->groups);
	mt_ids_finish(&interests->found);
	mt_ids_finish(&interests->in_groups);
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
		interest->members.count++;
		return interest;
	}
	interest = mt_mem_zero(interests->mem, bytes_of(filter.len));
	if (!interest)
		return NULL;
	interest->filter_len = (uint32_t)filter.len;
	memcpy(interest->filter, filter.data, filter.len);
	if (mt_map_put(&interests->own, interest) != MT_OK) {
		mt_mem_give(interests->mem, interest, bytes_of(filter.len));
		return NULL;
	}
	interest->members.count = 1;
	return interest;
}

bool mt_interests_drop(struct mt_interests *interests, struct mt_interest *interest)
{
	if (--interest->members.count > 0)
		return false;
	MT_CHECK(mt_map_remove(&interests->own, key_of(interest)) == interest);
	mt_mem_give(interests->mem, interest, bytes_of(interest->filter_len));
	return true;
}

static struct node *node_at(const struct mt_interests *interests, uint32_t at)
{
	return mt_pool_at(&interests->nodes, *mt_tree_value(interests->remote, at) - 1);
}

static enum mt_status add(struct mt_interests *interests, struct mt_bytes filter, uint32_t *out)
{
	mt_handle handle;
	uint32_t at;
	struct node *node = mt_pool_take(&interests->nodes, &handle);
	if (!node)
		return MT_MEMORY;
	if (mt_tree_insert(interests->remote, filter, &at) != MT_OK) {
		mt_pool_give(&interests->nodes, handle);
		return MT_MEMORY;
	}
	*node = (struct node){0};
	*mt_tree_value(interests->remote, at) = mt_handle_index(handle) + 1;
	*out = at;
	return MT_OK;
}

static void forget_if_empty(struct mt_interests *interests, uint32_t at)
{
	uint32_t index = *mt_tree_value(interests->remote, at) - 1;
	const struct node *node = mt_pool_at(&interests->nodes, index);
	mt_handle handle;
	if (node->cores != 0 || node->group != 0)
		return;
	MT_CHECK(mt_pool_next(&interests->nodes, &index, &handle) != NULL);
	mt_pool_give(&interests->nodes, handle);
	mt_tree_release(interests->remote, at);
}

static struct mt_remote_group *group_at(const struct mt_interests *interests,
					uint32_t index_plus_one)
{
	return mt_pool_at(&interests->groups, index_plus_one - 1);
}

static struct mt_remote_group *find_group(const struct mt_interests *interests,
					  const struct node *node, uint64_t number)
{
	uint32_t at = node->group;
	while (at != 0 && group_at(interests, at)->number != number)
		at = group_at(interests, at)->next;
	return at != 0 ? group_at(interests, at) : NULL;
}

static struct mt_remote_group *add_group(struct mt_interests *interests, struct node *node,
					 uint64_t number)
{
	mt_handle handle;
	struct mt_remote_group *group = mt_pool_take(&interests->groups, &handle);
	if (!group)
		return NULL;
	group->self = handle;
	group->number = number;
	group->next = node->group;
	node->group = mt_handle_index(handle) + 1;
	return group;
}

static void forget_group_if_empty(struct mt_interests *interests, struct node *node,
				  struct mt_remote_group *group)
{
	uint32_t *link = &node->group;
	for (uint32_t i = 0; i < interests->core_count; i++)
		if (group->at[i].count > 0)
			return;
	while (group_at(interests, *link) != group)
		link = &group_at(interests, *link)->next;
	*link = group->next;
	mt_pool_give(&interests->groups, group->self);
}

/* MT_MEMORY: the group is not there, and was not. */
static enum mt_status note_group(struct mt_interests *interests, uint32_t core, struct node *node,
				 uint64_t number, struct mt_members members)
{
	struct mt_remote_group *group = find_group(interests, node, number);
	if (!group && members.count > 0)
		group = add_group(interests, node, number);
	if (!group)
		return members.count > 0 ? MT_MEMORY : MT_OK;
	group->at[core] = members;
	forget_group_if_empty(interests, node, group);
	return MT_OK;
}

enum mt_status mt_interests_note(struct mt_interests *interests, uint32_t core,
				 struct mt_bytes filter, struct mt_members members)
{
	uint64_t bit = UINT64_C(1) << core;
	struct mt_bytes name, plain = filter;
	bool is_shared = mt_topic_share_split(filter, &name, &plain);
	uint32_t at = mt_tree_find(interests->remote, plain);
	enum mt_status status = MT_OK;
	struct node *node;
	if (at == 0 && members.count == 0)
		return MT_OK;
	if (at == 0)
		MT_TRY(add(interests, plain, &at));
	node = node_at(interests, at);
	if (is_shared)
		status = note_group(interests, core, node,
				    mt_hash_bytes(interests->group_seed, filter), members);
	else
		node->cores = members.count > 0 ? node->cores | bit : node->cores & ~bit;
	forget_if_empty(interests, at);
	return status;
}

enum mt_status mt_interests_match(struct mt_interests *interests, struct mt_bytes topic,
				  uint64_t *out)
{
	uint64_t cores = 0;
	mt_ids_clear(&interests->found);
	mt_ids_clear(&interests->in_groups);
	MT_TRY(mt_tree_match(interests->remote, topic, &interests->found));
	for (size_t i = 0; i < interests->found.count; i++) {
		const struct node *node = node_at(interests, interests->found.items[i]);
		cores |= node->cores;
		for (uint32_t g = node->group; g != 0; g = group_at(interests, g)->next)
			MT_TRY(mt_ids_push(&interests->in_groups, g - 1));
	}
	*out = cores;
	return MT_OK;
}

struct mt_remote_group *mt_interests_group(const struct mt_interests *interests, size_t index)
{
	MT_CHECK(index < interests->in_groups.count);
	return group_at(interests, interests->in_groups.items[index] + 1);
}
