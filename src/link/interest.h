/*
 * Interest of joined cores: which filters have subscribers where, and how many members a shared
 * subscription has there.
 *
 *   own:    filter as subscribed -> how many of our subscriptions, how many of them connected
 *   remote: tree of filters -> set of cores (a bit each), and shared subscriptions, each with its
 *           members by core
 *
 * Pure; one thread.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "base/pool.h"
#include "link/message.h"
#include "topic/tree.h"

struct mt_interest {
	struct mt_members members;
	uint32_t filter_len;
	uint8_t filter[];
};

/* A shared subscription with members at siblings. */
struct mt_remote_group {
	mt_handle self;
	uint32_t next;		/* of the same filter: index + 1 */
	uint32_t turn;		/* for whoever chooses among the cores */
	uint64_t number;	/* keyed hash of its filter, $share prefix included */
	struct mt_members at[]; /* by core */
};

struct mt_interests {
	struct mt_mem *mem;
	uint32_t core_count;
	struct mt_seed group_seed;
	struct mt_map own;
	struct mt_tree *remote;
	struct mt_pool nodes;	 /* what is at a node of `remote`: its value is the index + 1 */
	struct mt_pool groups;	 /* of struct mt_remote_group */
	struct mt_ids found;	 /* scratch of match */
	struct mt_ids in_groups; /* result of match: indices of groups */
};

/* group_seed: the same in all cores, which call a shared subscription by the hash of its filter.
 * finish is due even after MT_MEMORY. */
MT_MUST_USE enum mt_status mt_interests_init(struct mt_interests *interests, struct mt_mem *mem,
					     struct mt_seed seed, struct mt_seed group_seed,
					     uint32_t core_count);
void mt_interests_finish(struct mt_interests *interests);
/* One more subscription of ours, as subscribed; a new entry has a count of 1. NULL without memory.
 */
MT_MUST_USE struct mt_interest *mt_interests_add(struct mt_interests *interests,
						 struct mt_bytes filter);
struct mt_interest *mt_interests_find(const struct mt_interests *interests, struct mt_bytes filter);
/* One less. True: it was the last, and the entry is gone. */
bool mt_interests_drop(struct mt_interests *interests, struct mt_interest *interest);
/* What a sibling has for the filter, a $share prefix included. MT_MEMORY: nothing changed. */
MT_MUST_USE enum mt_status mt_interests_note(struct mt_interests *interests, uint32_t core,
					     struct mt_bytes filter, struct mt_members members);
/* The siblings with subscribers of their own for a topic, a bit each; in_groups: the shared
 * subscriptions with members there. MT_MEMORY, MT_LIMIT: as the tree says. */
MT_MUST_USE enum mt_status mt_interests_match(struct mt_interests *interests, struct mt_bytes topic,
					      uint64_t *out);
/* The index-th shared subscription of the last match; valid until the next note. */
struct mt_remote_group *mt_interests_group(const struct mt_interests *interests, size_t index);

static inline struct mt_bytes mt_interest_filter(const struct mt_interest *interest)
{
	return mt_bytes_of(interest->filter, interest->filter_len);
}
