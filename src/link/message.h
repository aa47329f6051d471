/*
 * What cores that are joined tell each other: one block per message, that carries counted messages
 * by reference.
 *
 *   sender: create -> FORWARD request -> transport (FIFO, lossless, any delay) -> mt_core_peer of
 * the receiver, which frees it
 *
 * Threading: made by one thread, freed by another; memory is of the sender's account, which
 * outlives it. Pure.
 */
#pragma once

#include "base/hash.h"
#include "base/list.h"
#include "base/msg.h"

#define MT_CORES_MAX 64u

/* Subscriptions of one filter at one core. */
struct mt_members {
	uint32_t count;
	uint32_t present; /* of those whose sessions are connected */
};

enum mt_link_kind {
	MT_LINK_INTEREST, /* number of who waits for the CONFIRMs, or 0; text: filter as subscribed,
			     members: what the sender has for it now */
	MT_LINK_CONFIRM,  /* to, number, reason: the INTEREST of core `to` is known; it goes by way
			     of a  core that may keep retained messages of the filter */
	MT_LINK_PUBLISH,  /* msg, number: ticket or 0, is_wanted: to be delivered, heard: the shared
			     subscriptions whose message it is, is_kept: to be retained, sender,
			     count: cores that had it before, a bit each */
	MT_LINK_ANSWER, /* number: ticket, reason: all that the PUBLISH asked for is done, or not */
	MT_LINK_CREDIT, /* taken_bytes */
	MT_LINK_ASK,	/* number, text: filter: which messages are retained? */
	MT_LINK_RETAINED, /* to, number, msg, heard: one of them, by way of the core that published
			   * it
			   */
	MT_LINK_RETAINED_END, /* number, count: so many RETAINED answer the ASK; reason: or not all
			       */
};

struct mt_link_message {
	struct mt_list link; /* of the receiver */
	struct mt_mem *mem;
	size_t bytes; /* of this block */
	struct mt_msg *msg;
	uint64_t number;
	uint64_t count;
	uint64_t sender; /* who publishes, as a number of any kind */
	struct mt_members members;
	size_t taken_bytes;
	uint32_t text_len, heard_count;
	enum mt_link_kind kind;
	uint8_t to;	/* a core */
	uint8_t reason; /* 0 or why not */
	bool is_wanted, is_kept;
	uint64_t heard[]; /* RETAINED: of each core, the last retained publication known. PUBLISH:
			   * see there. Then the text */
};

/* A zeroed message with `text` and room for `heard_count` numbers; NULL without memory. */
MT_MUST_USE struct mt_link_message *mt_link_message_create(struct mt_mem *mem,
							   enum mt_link_kind kind,
							   struct mt_bytes text,
							   uint32_t heard_count);
/* The same past the ceiling, for what must be answered. */
MT_MUST_USE struct mt_link_message *
mt_link_message_promised(struct mt_mem *mem, enum mt_link_kind kind, struct mt_bytes text);
/* Frees it with its reference; NULL is fine. */
void mt_link_message_free(struct mt_link_message **message);

static inline struct mt_bytes mt_link_message_text(const struct mt_link_message *message)
{
	return mt_bytes_of((const uint8_t *)(message->heard + message->heard_count),
			   message->text_len);
}

/* What it counts for in the window of its link. */
static inline size_t mt_link_message_bytes(const struct mt_link_message *message)
{
	return message->bytes + (message->msg ? mt_msg_bytes(message->msg) : 0);
}

/* Which of `count` cores a session, a topic or a group belongs to; the same in every core. */
static inline uint32_t mt_link_owner(struct mt_seed seed, struct mt_bytes key, uint32_t count)
{
	return (uint32_t)(mt_hash_bytes(seed, key) % count);
}
