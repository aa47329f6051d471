/*
 * Subscriptions of all sessions, by filter.
 *
 *   tree of filters -> node -> list of subscriptions (indices) ; (session, filter) -> subscription
 * ; "$share/g/f" -> group
 *
 * `generation` rises with every change, so that caches of routes know when they are stale. Pure;
 * one thread.
 */
#pragma once

#include "session/session.h"
#include "topic/tree.h"
#include "wire/subscribe.h"

/* A shared subscription: all members of one group on one filter. */
struct mt_group {
	uint8_t *key; /* "$share/<name>/<filter>" */
	size_t key_len;
	struct mt_bytes name;
	uint64_t number; /* keyed hash of its key: the same wherever it has members */
	uint32_t member_count;
	uint32_t turn; /* round robin */
};

struct mt_sub {
	struct mt_list link; /* of its session */
	struct mt_session *session;
	struct mt_group *group; /* NULL: not shared */
	uint8_t *key;		/* session pointer (8 bytes) | filter as subscribed */
	uint32_t key_len;
	uint32_t node;
	uint32_t next, prev; /* index + 1 of neighbours at the node; 0: none */
	mt_handle self;
	uint32_t identifier; /* subscription identifier, 0: none */
	struct mt_sub_options options;
	uint8_t qos;	 /* granted */
	bool is_allowed; /* by the policy of `epoch` */
	bool is_crossed; /* some deny overlaps: each topic needs a decision */
	uint64_t epoch;
};

struct mt_subscriptions {
	struct mt_mem *mem;
	struct mt_tree *tree;
	struct mt_pool pool;
	struct mt_map by_key;
	struct mt_map groups;
	struct mt_seed group_seed;
	uint8_t *key;	     /* scratch of find */
	struct mt_ids nodes; /* scratch of match */
	uint64_t generation;
};

/* group_seed: for the numbers of groups. finish is due even after MT_MEMORY. */
MT_MUST_USE enum mt_status mt_subscriptions_init(struct mt_subscriptions *table, struct mt_mem *mem,
						 struct mt_seed seed, struct mt_seed group_seed);
/* All subscriptions must be removed. */
void mt_subscriptions_finish(struct mt_subscriptions *table);
struct mt_sub *mt_subscriptions_find(const struct mt_subscriptions *table,
				     const struct mt_session *session, struct mt_bytes filter);
/* The subscription of (session, filter), made when there is none (*is_new). filter is valid, a
 * $share prefix included. */
MT_MUST_USE enum mt_status mt_subscriptions_set(struct mt_subscriptions *table,
						struct mt_session *session, struct mt_bytes filter,
						struct mt_sub **out, bool *is_new);
void mt_subscriptions_remove(struct mt_subscriptions *table, struct mt_sub **sub);
void mt_subscriptions_remove_all(struct mt_subscriptions *table, struct mt_session *session);
/* Walks all subscriptions whose filter matches the topic: start, then next until NULL. No change of
 * the table in between. */
MT_MUST_USE enum mt_status mt_subscriptions_match(struct mt_subscriptions *table,
						  struct mt_bytes topic);
struct mt_sub_cursor {
	size_t node;
	uint32_t next;
};
struct mt_sub *mt_subscriptions_next(struct mt_subscriptions *table, struct mt_sub_cursor *cursor);

/* As subscribed, and without the $share prefix. */
static inline struct mt_bytes mt_sub_filter(const struct mt_sub *sub)
{
	return mt_bytes_of(sub->key + sizeof(void *), sub->key_len - sizeof(void *));
}
struct mt_bytes mt_sub_plain_filter(const struct mt_sub *sub);
