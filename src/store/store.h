/*
 * The data plane's store: messages go in with a ticket, tickets come out when what they stand for
 * will survive.
 *
 *   append(ticket, message) ... answer(ticket, status) in the order of the appends
 *
 * This implementation keeps nothing: memory of the process is all the durability there is.
 * Threading: one thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

struct mt_store;

/* NULL without memory. */
MT_MUST_USE struct mt_store *mt_store_open_memory(void);
void mt_store_close(struct mt_store **store);
/* The bytes are read before the call returns. MT_MEMORY, MT_LIMIT: nothing was appended, the ticket
 * will not be answered. */
MT_MUST_USE enum mt_status mt_store_append(struct mt_store *store, uint64_t ticket,
					   struct mt_bytes topic, struct mt_bytes payload);
/* The next answered ticket; false when none is answered yet. */
MT_MUST_USE bool mt_store_answer(struct mt_store *store, uint64_t *ticket, enum mt_status *status);
