/* The store that keeps nothing: every ticket is answered at the next question. */
#include "store/store.h"

#include <stdlib.h>

struct mt_store {
	uint64_t *tickets; /* ring */
	size_t cap;	   /* a power of two */
	size_t first;
	size_t count;
};

struct mt_store *mt_store_open_memory(void)
{
	return calloc(1, sizeof(struct mt_store));
}

void mt_store_close(struct mt_store **store)
{
	struct mt_store *old = *store;
	*store = NULL;
	if (old)
		free(old->tickets);
	free(old);
}

static enum mt_status grow(struct mt_store *store)
{
	size_t cap = store->cap ? store->cap * 2 : 64;
	uint64_t *tickets = malloc(cap * sizeof(*tickets));
	if (!tickets)
		return MT_MEMORY;
	for (size_t i = 0; i < store->count; i++)
		tickets[i] = store->tickets[(store->first + i) & (store->cap - 1)];
	free(store->tickets);
	store->tickets = tickets;
	store->cap = cap;
	store->first = 0;
	return MT_OK;
}

enum mt_status mt_store_append(struct mt_store *store, uint64_t ticket, struct mt_bytes topic,
			       struct mt_bytes payload)
{
	(void)topic;
	(void)payload;
	if (store->count == store->cap)
		MT_TRY(grow(store));
	store->tickets[(store->first + store->count++) & (store->cap - 1)] = ticket;
	return MT_OK;
}

bool mt_store_answer(struct mt_store *store, uint64_t *ticket, enum mt_status *status)
{
	if (store->count == 0)
		return false;
	*ticket = store->tickets[store->first];
	*status = MT_OK;
	store->first = (store->first + 1) & (store->cap - 1);
	store->count--;
	return true;
}
