/*
 * Retained messages by topic, searched by filter (MQTT 5.0 section 3.3.1.3).
 *
 *   Topics form a tree: node = (parent, word) with a list of children, so that a filter with
 * wildcards visits only what it matches.
 *
 * The store holds one reference per message. Limits: count, bytes and nodes, for all topics and for
 * parts of them. Messages of one author (by id) are chained. Pure; one thread.
 */
#pragma once

#include "base/hash.h"
#include "base/list.h"
#include "base/msg.h"
#include "base/pool.h"

struct mt_retained;

/* What a part of the topics may keep. */
struct mt_retained_subtree {
	struct mt_bytes filter; /* valid; topics that it matches count */
	uint32_t count_max;	/* 0: no bound */
	size_t bytes_max;	/* 0: no bound */
};

struct mt_retained_limits {
	uint32_t count_max;
	size_t bytes_max;			    /* sum of mt_msg_bytes */
	uint32_t nodes_max;			    /* of the tree; 0: no bound */
	const struct mt_retained_subtree *subtrees; /* outlive the store; all that match hold */
	uint32_t subtree_count;
};

/* What a message did not fit. */
enum mt_retained_bound { MT_RETAINED_COUNT, MT_RETAINED_BYTES, MT_RETAINED_NODES };

MT_MUST_USE struct mt_retained *mt_retained_create(struct mt_mem *mem, struct mt_seed seed,
						   struct mt_retained_limits limits);
void mt_retained_destroy(struct mt_retained **retained);

/* Keeps `msg` (a reference is taken) for its topic in place of the former one. MT_LIMIT, MT_MEMORY:
 * nothing changed. */
MT_MUST_USE enum mt_status mt_retained_set(struct mt_retained *retained, struct mt_msg *msg);
/* The same; *bound is written with MT_LIMIT. */
MT_MUST_USE enum mt_status mt_retained_set_within(struct mt_retained *retained, struct mt_msg *msg,
						  enum mt_retained_bound *bound);
/* Removes the topic's message; false when there was none. */
bool mt_retained_clear(struct mt_retained *retained, struct mt_bytes topic);
/* Borrowed; NULL when there is none. */
struct mt_msg *mt_retained_find(const struct mt_retained *retained, struct mt_bytes topic);

/* A growing list of borrowed messages. */
struct mt_msg_list {
	struct mt_msg **items;
	size_t count;
	size_t cap;
	struct mt_mem *mem;
};
void mt_msg_list_finish(struct mt_msg_list *list); /* frees the array, not the messages */

/* Appends all messages whose topic the filter matches; the order is unspecified. Expired ones too.
 */
MT_MUST_USE enum mt_status mt_retained_match(struct mt_retained *retained, struct mt_bytes filter,
					     struct mt_msg_list *out);

/* Somebody whose messages are kept, as long as there is one. */
struct mt_retained_author {
	uint64_t id;
	uint64_t stamp; /* the caller's, 0 at first */
	uint32_t count; /* of its messages */
	mt_handle self;
	struct mt_list entries;
};
/* Where a walk through all authors and their messages stands; zero at its start. Messages may come
 * and go in between: one that was there all the time is seen, perhaps twice. */
struct mt_retained_cursor {
	uint32_t next;
	mt_handle author; /* at hand */
	uint32_t left;	  /* of its messages */
};
/* The next author, now at hand; NULL at the end. */
struct mt_retained_author *mt_retained_next_author(const struct mt_retained *retained,
						   struct mt_retained_cursor *cursor);
/* The next message of the author at hand; NULL behind the last. *mark: the caller's, false at
 * first. Both are borrowed until the store changes. */
const struct mt_msg *mt_retained_next_of_author(const struct mt_retained *retained,
						struct mt_retained_cursor *cursor, bool **mark);
uint32_t mt_retained_count(const struct mt_retained *retained);
size_t mt_retained_bytes(const struct mt_retained *retained);
