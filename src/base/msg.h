/*
 * An application message: immutable, one allocation, counted.
 *
 *   [struct mt_msg][topic][properties][payload][author]
 *
 * `properties` are the MQTT 5 properties that travel on to subscribers, in wire form and order:
 * without topic alias, subscription identifiers and message expiry (which are written anew for each
 * receiver). `author` is what a message that is retained tells of who published it (core/author.c);
 * no subscriber sees it.
 *
 * Threading: created by the owner of its memory account; the count is atomic, everything else never
 * changes after create.
 */
#pragma once

#include "base/mem.h"
#include "base/time.h"

#include <stdatomic.h>

struct mt_msg {
	struct mt_mem *mem; /* counts it; outlives it */
	_Atomic uint32_t ref_count;
	uint32_t topic_len;
	uint32_t props_len;
	uint32_t payload_len;
	uint32_t author_len;
	mt_time expires_ns; /* monotonic; MT_TIME_NEVER: no message expiry */
	uint64_t
		author_id; /* immutable id of the publishing identity, 0: anonymous or the broker */
	uint8_t qos;	   /* as published */
	bool is_retain;	   /* as published */
	uint8_t core;	   /* of joined cores: where it was published */
	uint64_t stamp; /* of a retained publication: the n-th of that core; set before it is shared
			 */
	uint8_t data[];
};

struct mt_msg_facts {
	struct mt_bytes topic;
	struct mt_bytes props;
	struct mt_bytes payload;
	struct mt_bytes author;
	mt_time expires_ns;
	uint64_t author_id;
	uint8_t qos;
	bool is_retain;
};

/* A message with one reference, copied from `facts`; NULL without memory. Lengths must fit MQTT's
 * limits. `mem` counts it until the last reference has gone, whichever thread drops that. */
MT_MUST_USE struct mt_msg *mt_msg_create(struct mt_mem *mem, const struct mt_msg_facts *facts);

static inline struct mt_msg *mt_msg_ref(struct mt_msg *msg)
{
	atomic_fetch_add_explicit(&msg->ref_count, 1, memory_order_relaxed);
	return msg;
}

/* Drops one reference and nulls the pointer; *msg may be NULL. */
void mt_msg_unref(struct mt_msg **msg);

static inline struct mt_bytes mt_msg_topic(const struct mt_msg *msg)
{
	return mt_bytes_of(msg->data, msg->topic_len);
}

static inline struct mt_bytes mt_msg_props(const struct mt_msg *msg)
{
	return mt_bytes_of(msg->data + msg->topic_len, msg->props_len);
}

static inline struct mt_bytes mt_msg_payload(const struct mt_msg *msg)
{
	return mt_bytes_of(msg->data + msg->topic_len + msg->props_len, msg->payload_len);
}

static inline struct mt_bytes mt_msg_author(const struct mt_msg *msg)
{
	return mt_bytes_of(msg->data + msg->topic_len + msg->props_len + msg->payload_len,
			   msg->author_len);
}

/* What it counts for in limits: everything it occupies. */
static inline size_t mt_msg_bytes(const struct mt_msg *msg)
{
	return sizeof(*msg) + msg->topic_len + msg->props_len + msg->payload_len + msg->author_len;
}
