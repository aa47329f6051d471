/*
 * Interest of joined cores: which filters have subscribers where.
 *
 *   own:    filter -> how many of our subscriptions, which INTEREST, how many confirmations are out
 *   remote: tree of filters -> set of cores (a bit each)
 *
 * Pure; one thread.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "base/pool.h"
#include "topic/tree.h"

struct mt_interest {
	struct mt_list waiters; /* of the core */
	uint64_t number;	/* of the INTEREST: a confirmation of an older one says nothing */
	uint32_t use_count;
	uint32_t confirm_count; /* still out */
	uint8_t reason;		/* why a sibling could not take it; 0 */
	uint32_t filter_len;
	uint8_t filter[];
};

struct mt_interests {
	struct mt_mem *mem;
	struct mt_map own;
	uint64_t last_number;
	struct mt_tree *remote;
	struct mt_pool sets; /* of uint64_t: the cores of a node; its value is the index + 1 */
	struct mt_ids found; /* scratch of match */
};

/* finish is due even after MT_MEMORY. */
MT_MUST_USE enum mt_status mt_interests_init(struct mt_interests *interests, struct mt_mem *mem,
					     struct mt_seed seed);
void mt_interests_finish(struct mt_interests *interests);
/* One more subscription of ours; a new entry has use_count 1 and a number of its own. NULL without
 * memory. */
MT_MUST_USE struct mt_interest *mt_interests_add(struct mt_interests *interests,
						 struct mt_bytes filter);
struct mt_interest *mt_interests_find(const struct mt_interests *interests, struct mt_bytes filter);
/* One less. True: it was the last, and the entry is gone; its waiters must be. */
bool mt_interests_drop(struct mt_interests *interests, struct mt_interest *interest);
/* A sibling has subscribers for the filter, or none any more. MT_MEMORY: nothing changed. */
MT_MUST_USE enum mt_status mt_interests_note(struct mt_interests *interests, uint32_t core,
					     struct mt_bytes filter, bool is_wanted);
/* The siblings with interest in a topic, a bit each. MT_MEMORY, MT_LIMIT: as the tree says. */
MT_MUST_USE enum mt_status mt_interests_match(struct mt_interests *interests, struct mt_bytes topic,
					      uint64_t *out);

static inline struct mt_bytes mt_interest_filter(const struct mt_interest *interest)
{
	return mt_bytes_of(interest->filter, interest->filter_len);
}
