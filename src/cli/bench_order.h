/*
 * Order and loss of one stream: the messages of one publisher as one receiver sees them. Pure.
 *
 *   history: bit i is set when next - 1 - i has come          ... 1 1 0 1 | next
 */
#pragma once

#include "base/check.h"

struct mt_order {
	uint32_t next; /* one past the highest number seen */
	uint64_t history;
};

struct mt_order_tally {
	uint64_t delivered_count; /* distinct messages */
	uint64_t lost_count;
	uint64_t duplicated_count;
	uint64_t reordered_count; /* came after a later one */
};

/*
 * Message number `seq` has come. A number that was skipped counts as lost until it comes after
 * all; one that comes more than 64 places late cannot be told from a double, and counts as one.
 * True when the message is a new one.
 */
bool mt_order_take(struct mt_order *order, uint32_t seq, struct mt_order_tally *tally);
/* The stream has ended; the sender sent `sent_count` messages. */
void mt_order_end(const struct mt_order *order, uint32_t sent_count, struct mt_order_tally *tally);
/* True when nothing was lost, doubled or reordered. */
bool mt_order_tally_is_clean(const struct mt_order_tally *tally);
