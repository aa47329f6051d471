/* Subscriptions by filter, by session and by shared group. */
#include "session/subscription.h"

#include "topic/name.h"

#define KEY_BYTES_MAX (sizeof(struct mt_session *) + UINT16_MAX)

static struct mt_bytes sub_key(const void *value)
{
	const struct mt_sub *sub = value;
	return mt_bytes_of(sub->key, sub->key_len);
}

static struct mt_bytes group_key(const void *value)
{
	const struct mt_group *group = value;
	return mt_bytes_of(group->key, group->key_len);
}

enum mt_status mt_subscriptions_init(struct mt_subscriptions *table, struct mt_mem *mem,
				     struct mt_seed seed, struct mt_seed group_seed)
{
	*table = (struct mt_subscriptions){.mem = mem, .group_seed = group_seed};
	table->tree = mt_tree_create(mem, seed);
	table->key = mt_mem_take(mem, KEY_BYTES_MAX);
	mt_pool_init(&table->pool, mem, sizeof(struct mt_sub), UINT32_MAX - 1);
	mt_map_init(&table->by_key, mem, seed, sub_key);
	mt_map_init(&table->groups, mem, seed, group_key);
	mt_ids_init(&table->nodes, mem);
	return table->tree && table->key ? MT_OK : MT_MEMORY;
}

void mt_subscriptions_finish(struct mt_subscriptions *table)
{
	MT_CHECK(table->by_key.count == 0);
	MT_CHECK(table->groups.count == 0);
	mt_mem_give(table->mem, table->key, KEY_BYTES_MAX);
	mt_ids_finish(&table->nodes);
	mt_map_finish(&table->by_key);
	mt_map_finish(&table->groups);
	mt_pool_finish(&table->pool);
	mt_tree_destroy(&table->tree);
}

static void put_key(uint8_t *to, const struct mt_session *session, struct mt_bytes filter)
{
	memcpy(to, &session, sizeof(session));
	memcpy(to + sizeof(session), filter.data, filter.len);
}

struct mt_sub *mt_subscriptions_find(const struct mt_subscriptions *table,
				     const struct mt_session *session, struct mt_bytes filter)
{
	if (filter.len > UINT16_MAX || filter.len == 0)
		return NULL;
	put_key(table->key, session, filter);
	return mt_map_find(&table->by_key, mt_bytes_of(table->key, sizeof(session) + filter.len));
}

struct mt_bytes mt_sub_plain_filter(const struct mt_sub *sub)
{
	struct mt_bytes group, rest;
	struct mt_bytes filter = mt_sub_filter(sub);
	return mt_topic_share_split(filter, &group, &rest) ? rest : filter;
}

static struct mt_group *create_group(struct mt_subscriptions *table, struct mt_bytes filter,
				     struct mt_bytes name)
{
	struct mt_group *group = mt_mem_zero(table->mem, sizeof(*group));
	if (!group)
		return NULL;
	group->key = mt_mem_take(table->mem, filter.len);
	if (!group->key)
		goto fail;
	memcpy(group->key, filter.data, filter.len);
	group->key_len = filter.len;
	group->name = mt_bytes_of(group->key + (name.data - filter.data), name.len);
	if (mt_map_put(&table->groups, group) != MT_OK)
		goto fail;
	group->number = mt_hash_bytes(table->group_seed, filter);
	return group;
fail:
	mt_mem_give(table->mem, group->key, filter.len);
	mt_mem_give(table->mem, group, sizeof(*group));
	return NULL;
}

static void leave_group(struct mt_subscriptions *table, struct mt_group *group)
{
	if (!group || --group->member_count > 0)
		return;
	MT_CHECK(mt_map_remove(&table->groups, group_key(group)) == group);
	mt_mem_give(table->mem, group->key, group->key_len);
	mt_mem_give(table->mem, group, sizeof(*group));
}

static enum mt_status join_group(struct mt_subscriptions *table, struct mt_bytes filter,
				 struct mt_group **out)
{
	struct mt_bytes name, rest;
	struct mt_group *group = NULL;
	if (mt_topic_share_split(filter, &name, &rest)) {
		group = mt_map_find(&table->groups, filter);
		if (!group)
			group = create_group(table, filter, name);
		if (!group)
			return MT_MEMORY;
		group->member_count++;
	}
	*out = group;
	return MT_OK;
}

static struct mt_sub *sub_at(const struct mt_subscriptions *table, uint32_t index_plus_one)
{
	struct mt_sub *sub = mt_pool_at(&table->pool, index_plus_one - 1);
	MT_CHECK(sub != NULL);
	return sub;
}

static void link_to_node(struct mt_subscriptions *table, struct mt_sub *sub)
{
	uint32_t *head = mt_tree_value(table->tree, sub->node);
	sub->next = *head;
	if (*head != 0)
		sub_at(table, *head)->prev = mt_handle_index(sub->self) + 1;
	*head = mt_handle_index(sub->self) + 1;
}

static void unlink_from_node(struct mt_subscriptions *table, struct mt_sub *sub)
{
	if (sub->next != 0)
		sub_at(table, sub->next)->prev = sub->prev;
	if (sub->prev != 0)
		sub_at(table, sub->prev)->next = sub->next;
	else
		*mt_tree_value(table->tree, sub->node) = sub->next;
}

/* All that can fail: key, group, node, map entry; undone in reverse. */
static enum mt_status attach(struct mt_subscriptions *table, struct mt_sub *sub,
			     struct mt_session *session, struct mt_bytes filter)
{
	enum mt_status status = MT_MEMORY;
	sub->session = session;
	sub->key_len = (uint32_t)(sizeof(session) + filter.len);
	sub->key = mt_mem_take(table->mem, sub->key_len);
	if (!sub->key)
		return MT_MEMORY;
	put_key(sub->key, session, filter);
	status = join_group(table, filter, &sub->group);
	if (status != MT_OK)
		goto no_group;
	status = mt_tree_insert(table->tree, mt_sub_plain_filter(sub), &sub->node);
	if (status != MT_OK)
		goto no_node;
	status = mt_map_put(&table->by_key, sub);
	if (status == MT_OK)
		return MT_OK;
	mt_tree_release(table->tree, sub->node);
no_node:
	leave_group(table, sub->group);
no_group:
	mt_mem_give(table->mem, sub->key, sub->key_len);
	return status;
}

enum mt_status mt_subscriptions_set(struct mt_subscriptions *table, struct mt_session *session,
				    struct mt_bytes filter, struct mt_sub **out, bool *is_new)
{
	struct mt_sub *sub = mt_subscriptions_find(table, session, filter);
	mt_handle handle;
	enum mt_status status;
	table->generation++;
	if (sub) {
		*out = sub;
		*is_new = false;
		return MT_OK;
	}
	sub = mt_pool_take(&table->pool, &handle);
	if (!sub)
		return MT_MEMORY;
	status = attach(table, sub, session, filter);
	if (status != MT_OK) {
		mt_pool_give(&table->pool, handle);
		return status;
	}
	sub->self = handle;
	link_to_node(table, sub);
	mt_list_push_back(&session->subs, &sub->link);
	session->sub_count++;
	*out = sub;
	*is_new = true;
	return MT_OK;
}

void mt_subscriptions_remove(struct mt_subscriptions *table, struct mt_sub **sub)
{
	struct mt_sub *old = *sub;
	*sub = NULL;
	table->generation++;
	MT_CHECK(mt_map_remove(&table->by_key, sub_key(old)) == old);
	unlink_from_node(table, old);
	mt_tree_release(table->tree, old->node);
	leave_group(table, old->group);
	mt_list_remove(&old->link);
	old->session->sub_count--;
	mt_mem_give(table->mem, old->key, old->key_len);
	mt_pool_give(&table->pool, old->self);
}

void mt_subscriptions_remove_all(struct mt_subscriptions *table, struct mt_session *session)
{
	struct mt_list *link;
	while ((link = mt_list_first(&session->subs))) {
		struct mt_sub *sub = MT_LIST_ITEM(link, struct mt_sub, link);
		mt_subscriptions_remove(table, &sub);
	}
}

enum mt_status mt_subscriptions_match(struct mt_subscriptions *table, struct mt_bytes topic)
{
	mt_ids_clear(&table->nodes);
	return mt_tree_match(table->tree, topic, &table->nodes);
}

struct mt_sub *mt_subscriptions_next(struct mt_subscriptions *table, struct mt_sub_cursor *cursor)
{
	struct mt_sub *sub;
	while (cursor->next == 0) {
		if (cursor->node == table->nodes.count)
			return NULL;
		cursor->next = *mt_tree_value(table->tree, table->nodes.items[cursor->node++]);
	}
	sub = sub_at(table, cursor->next);
	cursor->next = sub->next;
	return sub;
}
