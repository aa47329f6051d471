/*
 * Retained messages by topic, searched by filter (MQTT 5.0 section 3.3.1.3).
 *
 *   Topics form a tree: node = (parent, word) with a list of children, so that a filter with
 * wildcards visits only what it matches.
 *
 * The store holds one reference per message. Limits: count and bytes. Pure; one thread.
 */
#pragma once

#include "base/hash.h"
#include "base/msg.h"

struct mt_retained;

struct mt_retained_limits {
	uint32_t count_max;
	size_t bytes_max; /* sum of mt_msg_bytes */
};

MT_MUST_USE struct mt_retained *mt_retained_create(struct mt_mem *mem, struct mt_seed seed,
						   struct mt_retained_limits limits);
void mt_retained_destroy(struct mt_retained **retained);

/* Keeps `msg` (a reference is taken) for its topic in place of the former one. MT_LIMIT, MT_MEMORY:
 * nothing changed. */
MT_MUST_USE enum mt_status mt_retained_set(struct mt_retained *retained, struct mt_msg *msg);
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
uint32_t mt_retained_count(const struct mt_retained *retained);
size_t mt_retained_bytes(const struct mt_retained *retained);
