/* Retained messages: a tree of topic names whose values lead to the messages. */
#include "topic/retained.h"

#include "base/map.h"
#include "topic/name.h"
#include "topic/tree.h"

struct entry {
	struct mt_list link; /* of its author */
	struct mt_msg *msg;
	mt_handle self;
	uint32_t node;
	bool mark; /* the caller's */
};

/* What a subtree holds now. */
struct holding {
	uint32_t count;
	size_t bytes;
};

struct mt_retained {
	struct mt_mem *mem;
	struct mt_tree *tree; /* value: index of the entry + 1 */
	struct mt_pool entries, authors;
	struct mt_map authors_by_id;
	struct mt_ids found; /* scratch of match */
	struct mt_retained_limits limits;
	size_t bytes;
	struct holding *holdings; /* beside limits.subtrees */
};

static struct mt_bytes author_key(const void *value)
{
	const struct mt_retained_author *author = value;
	return mt_bytes_of(&author->id, sizeof(author->id));
}

static size_t holdings_bytes(const struct mt_retained_limits *limits)
{
	return limits->subtree_count * sizeof(struct holding);
}

struct mt_retained *mt_retained_create(struct mt_mem *mem, struct mt_seed seed,
				       struct mt_retained_limits limits)
{
	struct mt_retained *retained = mt_mem_zero(mem, sizeof(*retained));
	if (!retained)
		return NULL;
	retained->mem = mem;
	retained->limits = limits;
	retained->tree = mt_tree_create(mem, seed);
	if (limits.subtree_count > 0)
		retained->holdings = mt_mem_zero(mem, holdings_bytes(&limits));
	if (!retained->tree || (limits.subtree_count > 0 && !retained->holdings)) {
		mt_mem_give(mem, retained->holdings, holdings_bytes(&limits));
		mt_tree_destroy(&retained->tree);
		mt_mem_give(mem, retained, sizeof(*retained));
		return NULL;
	}
	mt_tree_bound(retained->tree, limits.nodes_max);
	mt_pool_init(&retained->entries, mem, sizeof(struct entry), limits.count_max);
	/* One more than messages: a new author comes before the former one goes. */
	mt_pool_init(&retained->authors, mem, sizeof(struct mt_retained_author),
		     limits.count_max < UINT32_MAX ? limits.count_max + 1 : UINT32_MAX);
	mt_map_init(&retained->authors_by_id, mem, seed, author_key);
	mt_ids_init(&retained->found, mem);
	return retained;
}

void mt_retained_destroy(struct mt_retained **retained)
{
	struct mt_retained *old = *retained;
	struct entry *entry;
	uint32_t index = 0;
	mt_handle handle;
	*retained = NULL;
	if (!old)
		return;
	while ((entry = mt_pool_next(&old->entries, &index, &handle)))
		mt_msg_unref(&entry->msg);
	mt_pool_finish(&old->entries);
	mt_pool_finish(&old->authors);
	mt_map_finish(&old->authors_by_id);
	mt_ids_finish(&old->found);
	mt_tree_destroy(&old->tree);
	mt_mem_give(old->mem, old->holdings, holdings_bytes(&old->limits));
	mt_mem_give(old->mem, old, sizeof(*old));
}

static struct entry *entry_at(const struct mt_retained *retained, uint32_t node)
{
	struct entry *entry =
		mt_pool_at(&retained->entries, *mt_tree_value(retained->tree, node) - 1);
	MT_CHECK(entry != NULL);
	return entry;
}

static struct entry *find(const struct mt_retained *retained, struct mt_bytes topic)
{
	uint32_t node = mt_tree_find(retained->tree, topic);
	return node != 0 ? entry_at(retained, node) : NULL;
}

static bool is_within(const struct mt_retained *retained, uint32_t subtree, struct mt_bytes topic)
{
	return mt_topic_matches(retained->limits.subtrees[subtree].filter, topic);
}

/* A topic's message changes from `former` to `next`, each NULL for none. */
static void account(struct mt_retained *retained, const struct mt_msg *former,
		    const struct mt_msg *next)
{
	size_t less = former ? mt_msg_bytes(former) : 0, more = next ? mt_msg_bytes(next) : 0;
	retained->bytes = retained->bytes - less + more;
	for (uint32_t i = 0; i < retained->limits.subtree_count; i++) {
		struct holding *holding = &retained->holdings[i];
		if (!is_within(retained, i, mt_msg_topic(former ? former : next)))
			continue;
		holding->bytes = holding->bytes - less + more;
		holding->count = holding->count - (former != NULL) + (next != NULL);
	}
}

static enum mt_status check(const struct mt_retained *retained, const struct mt_msg *former,
			    const struct mt_msg *msg, enum mt_retained_bound *bound)
{
	size_t less = former ? mt_msg_bytes(former) : 0, more = mt_msg_bytes(msg);
	bool is_over_count = !former && retained->entries.used_count >= retained->limits.count_max;
	bool is_over_bytes = retained->bytes - less + more > retained->limits.bytes_max;
	for (uint32_t i = 0; i < retained->limits.subtree_count; i++) {
		const struct mt_retained_subtree *subtree = &retained->limits.subtrees[i];
		const struct holding *holding = &retained->holdings[i];
		if (!is_within(retained, i, mt_msg_topic(msg)))
			continue;
		is_over_count |=
			!former && subtree->count_max > 0 && holding->count >= subtree->count_max;
		is_over_bytes |=
			subtree->bytes_max > 0 && holding->bytes - less + more > subtree->bytes_max;
	}
	if (!is_over_count && !is_over_bytes)
		return MT_OK;
	*bound = is_over_count ? MT_RETAINED_COUNT : MT_RETAINED_BYTES;
	return MT_LIMIT;
}

/* ---- authors ---- */

/* The author's record, made when there is none; NULL without memory. */
static struct mt_retained_author *author_of(struct mt_retained *retained, uint64_t id)
{
	struct mt_retained_author *author =
		mt_map_find(&retained->authors_by_id, mt_bytes_of(&id, sizeof(id)));
	mt_handle handle;
	if (author)
		return author;
	author = mt_pool_take(&retained->authors, &handle);
	if (!author)
		return NULL;
	author->id = id;
	author->self = handle;
	mt_list_init(&author->entries);
	if (mt_map_put(&retained->authors_by_id, author) == MT_OK)
		return author;
	mt_pool_give(&retained->authors, handle);
	return NULL;
}

static void forget_author(struct mt_retained *retained, struct mt_retained_author *author)
{
	if (author->count > 0)
		return;
	mt_map_remove(&retained->authors_by_id, author_key(author));
	mt_pool_give(&retained->authors, author->self);
}

static void leave_author(struct mt_retained *retained, struct entry *entry)
{
	struct mt_retained_author *author = mt_map_find(
		&retained->authors_by_id, mt_bytes_of(&entry->msg->author_id, sizeof(uint64_t)));
	mt_list_remove(&entry->link);
	author->count--;
	forget_author(retained, author);
}

static void join_author(struct mt_retained_author *author, struct entry *entry)
{
	mt_list_push_back(&author->entries, &entry->link);
	author->count++;
}

struct mt_retained_author *mt_retained_next_author(const struct mt_retained *retained,
						   struct mt_retained_cursor *cursor)
{
	mt_handle handle;
	struct mt_retained_author *author =
		mt_pool_next(&retained->authors, &cursor->next, &handle);
	cursor->author = author ? author->self : MT_HANDLE_NONE;
	cursor->left = author ? author->count : 0;
	return author;
}

/* The first of the chain, which goes to its end: so many steps as there were messages at the start
 * see them all, whatever comes and goes. */
const struct mt_msg *mt_retained_next_of_author(const struct mt_retained *retained,
						struct mt_retained_cursor *cursor, bool **mark)
{
	struct mt_retained_author *author = mt_pool_get(&retained->authors, cursor->author);
	struct entry *entry;
	if (!author || cursor->left == 0)
		return NULL;
	cursor->left--;
	entry = MT_LIST_ITEM(author->entries.next, struct entry, link);
	mt_list_remove(&entry->link);
	mt_list_push_back(&author->entries, &entry->link);
	*mark = &entry->mark;
	return entry->msg;
}

/* ---- messages ---- */

/* Of an author that is in the table. */
static enum mt_status add_entry(struct mt_retained *retained, struct mt_retained_author *author,
				struct mt_msg *msg)
{
	mt_handle handle;
	struct entry *entry = mt_pool_take(&retained->entries, &handle);
	enum mt_status status;
	if (!entry)
		return MT_MEMORY;
	status = mt_tree_insert(retained->tree, mt_msg_topic(msg), &entry->node);
	if (status != MT_OK) {
		mt_pool_give(&retained->entries, handle);
		return status;
	}
	join_author(author, entry);
	*mt_tree_value(retained->tree, entry->node) = mt_handle_index(handle) + 1;
	entry->self = handle;
	entry->msg = mt_msg_ref(msg);
	account(retained, NULL, msg);
	return MT_OK;
}

static enum mt_status add(struct mt_retained *retained, struct mt_msg *msg)
{
	struct mt_retained_author *author = author_of(retained, msg->author_id);
	enum mt_status status = author ? add_entry(retained, author, msg) : MT_MEMORY;
	if (author && status != MT_OK)
		forget_author(retained, author);
	return status;
}

static enum mt_status replace(struct mt_retained *retained, struct entry *entry, struct mt_msg *msg)
{
	struct mt_retained_author *author = author_of(retained, msg->author_id);
	if (!author)
		return MT_MEMORY;
	account(retained, entry->msg, msg);
	if (entry->msg->author_id != msg->author_id) {
		leave_author(retained, entry);
		join_author(author, entry);
	}
	mt_msg_ref(msg);
	mt_msg_unref(&entry->msg);
	entry->msg = msg;
	entry->mark = false;
	return MT_OK;
}

enum mt_status mt_retained_set_within(struct mt_retained *retained, struct mt_msg *msg,
				      enum mt_retained_bound *bound)
{
	struct entry *entry = find(retained, mt_msg_topic(msg));
	enum mt_status status = check(retained, entry ? entry->msg : NULL, msg, bound);
	if (status != MT_OK)
		return status;
	if (!entry) {
		status = add(retained, msg);
		if (status == MT_LIMIT)
			*bound = MT_RETAINED_NODES;
		return status;
	}
	return replace(retained, entry, msg);
}

enum mt_status mt_retained_set(struct mt_retained *retained, struct mt_msg *msg)
{
	enum mt_retained_bound bound;
	return mt_retained_set_within(retained, msg, &bound);
}

bool mt_retained_clear(struct mt_retained *retained, struct mt_bytes topic)
{
	struct entry *entry = find(retained, topic);
	if (!entry)
		return false;
	account(retained, entry->msg, NULL);
	leave_author(retained, entry);
	mt_msg_unref(&entry->msg);
	mt_tree_release(retained->tree, entry->node);
	mt_pool_give(&retained->entries, entry->self);
	return true;
}

struct mt_msg *mt_retained_find(const struct mt_retained *retained, struct mt_bytes topic)
{
	const struct entry *entry = find(retained, topic);
	return entry ? entry->msg : NULL;
}

static enum mt_status append(struct mt_msg_list *list, struct mt_msg *msg)
{
	if (list->count == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 16;
		struct mt_msg **items =
			mt_mem_resize(list->mem, list->items, list->cap * sizeof(struct mt_msg *),
				      cap * sizeof(struct mt_msg *));
		if (!items)
			return MT_MEMORY;
		list->items = items;
		list->cap = cap;
	}
	list->items[list->count++] = msg;
	return MT_OK;
}

void mt_msg_list_finish(struct mt_msg_list *list)
{
	mt_mem_give(list->mem, list->items, list->cap * sizeof(struct mt_msg *));
	*list = (struct mt_msg_list){.mem = list->mem};
}

enum mt_status mt_retained_match(struct mt_retained *retained, struct mt_bytes filter,
				 struct mt_msg_list *out)
{
	mt_ids_clear(&retained->found);
	MT_TRY(mt_tree_search(retained->tree, filter, &retained->found));
	for (size_t i = 0; i < retained->found.count; i++)
		MT_TRY(append(out, entry_at(retained, retained->found.items[i])->msg));
	return MT_OK;
}

uint32_t mt_retained_count(const struct mt_retained *retained)
{
	return retained->entries.used_count;
}

size_t mt_retained_bytes(const struct mt_retained *retained)
{
	return retained->bytes;
}
